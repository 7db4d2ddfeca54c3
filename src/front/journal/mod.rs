//! `log` and `errors`: lines about queries, written by a thread of their own.
//!
//! A query thread makes an [`Entry`] of what it wants logged and tries to hand it over; where the
//! thread that writes is behind, the line is dropped and counted, and no query waits. A block
//! without `log` makes nothing.
#![forbid(unsafe_code)]

mod entry;
mod errors;
mod format;
mod log;
mod writer;

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::config::LogFormat;
use crate::serve::Count;
use writer::Writer;

pub(super) use entry::{Answer, Entry};
pub(super) use errors::Errors;
pub(super) use log::Log;

/// Lines that wait to be written: some hundredths of a second at full speed, and 1 MiB or so.
const LINES_MOST: usize = 4_096;
/// How long a stop waits for the lines that are there: whoever reads them may have stopped reading.
const FLUSH_TIME: Duration = Duration::from_secs(1);

/// Where lines are handed over; clones are one journal.
#[derive(Clone, Debug)]
pub struct Journal {
    lines: Sender<Line>,
    dropped: Arc<Count>,
}

/// What is handed over.
enum Line {
    Query(Box<Entry>),
    Error(Box<errors::Fault>),
}

/// The thread that writes a journal. Dropped, it writes what is there and ends; it waits for that no
/// longer than a second.
#[derive(Debug)]
pub struct Scribe {
    stop: Sender<()>,
    ended: Receiver<()>,
}

impl Journal {
    /// Starts the thread `log`, which writes lines of this form to `out`.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub fn start(
        format: LogFormat,
        out: impl Write + Send + 'static,
    ) -> io::Result<(Self, Scribe)> {
        let (lines, read) = bounded(LINES_MOST);
        let (stop, stopped) = bounded(1);
        let (end, ended) = bounded::<()>(0);
        let dropped = Arc::<Count>::default();
        let writer = Writer::new(format, out, Arc::clone(&dropped));
        thread::Builder::new().name("log".into()).spawn(move || {
            writer.run(&read, &stopped);
            drop(end);
        })?;
        Ok((Self { lines, dropped }, Scribe { stop, ended }))
    }

    /// How many lines were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    /// Hands over a line, never waiting.
    fn put(&self, line: Line) {
        if self.lines.try_send(line).is_err() {
            self.dropped.add_shared(1);
        }
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        if self.stop.try_send(()).is_ok() {
            let _ = self.ended.recv_timeout(FLUSH_TIME);
        }
    }
}
