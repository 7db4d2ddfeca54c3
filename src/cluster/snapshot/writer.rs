//! The thread `snapshot`, which writes the state down after changes.
//!
//! Nobody waits for it: telling it of a change is one try at a channel of one place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, at, bounded, never, select};

use super::pace::Pace;
use super::{Origin, Place, State, StoreError, Stored, clean, pack, store};

/// Tells the writer of changes.
#[derive(Clone, Debug)]
pub struct Notifier(Sender<()>);

impl Notifier {
    /// Something has changed. Never blocks, and costs next to nothing if the writer knows already.
    pub fn notify(&self) {
        // A full channel means that the writer is about to look anyway.
        let _ = self.0.try_send(());
    }
}

/// What the writer has done, for metrics.
#[derive(Debug, Default)]
pub struct Tally {
    written: AtomicU64,
    failed: AtomicU64,
    last: AtomicU64,
    octets: AtomicU64,
}

impl Tally {
    /// How many times a state was written.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// How many times that failed.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Acquire)
    }

    /// When a state was last written, in seconds of Unix time; 0 for never.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// How many octets the last written state has.
    pub fn octets(&self) -> u64 {
        self.octets.load(Ordering::Acquire)
    }
}

/// The running writer. Dropped, it ends as if stopped, without being waited for.
#[derive(Debug)]
pub struct Writer {
    notifier: Notifier,
    tally: Arc<Tally>,
    stop: Sender<()>,
    ended: Receiver<()>,
}

impl Writer {
    /// Starts to write to `place` what `state` hands over: soon after a change, at most once a
    /// second, and again after a failure at the next change or after 10 s. `state` returns `None`
    /// if there is none worth keeping now (before the first lists); it is asked again a second
    /// later. Temporary files that a crash has left are removed.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        place: Place,
        origin: Origin,
        state: impl FnMut(&mut dyn FnMut(Stored<'_>)) -> Option<State> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let left = clean(&place);
        if left > 0 {
            tracing::info!(file = %place.file().display(), left, "removed unfinished snapshots");
        }
        let (notify, changed) = bounded(1);
        let (stop, stopped) = bounded::<()>(0);
        let (end, ended) = bounded::<()>(0);
        let tally = Arc::<Tally>::default();
        let file = place.file().to_owned();
        let mut desk = Desk { place, origin, state, tally: Arc::clone(&tally), complaint: None };
        let run = move || {
            desk.run(&changed, &stopped);
            drop(end);
        };
        let thread = thread::Builder::new().name("snapshot".to_owned()).spawn(run);
        thread.map_err(|error| StoreError::Thread { file, error })?;
        Ok(Self { notifier: Notifier(notify), tally, stop, ended })
    }

    /// What tells it of changes.
    pub fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    /// What it has done so far.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Has it write once more if anything has changed, and waits for its end, `within` at most: a
    /// disk that hangs must not hold up the end of the process. Says whether it has ended.
    pub fn stop(self, within: Duration) -> bool {
        drop(self.stop);
        self.ended.recv_timeout(within) == Err(RecvTimeoutError::Disconnected)
    }
}

/// What the thread works with.
struct Desk<F> {
    place: Place,
    origin: Origin,
    state: F,
    tally: Arc<Tally>,
    /// What the log was last told, so that it is told once.
    complaint: Option<String>,
}

impl<F: FnMut(&mut dyn FnMut(Stored<'_>)) -> Option<State>> Desk<F> {
    fn run(&mut self, changed: &Receiver<()>, stopped: &Receiver<()>) {
        let mut pace = Pace::default();
        loop {
            let due = pace.due().map_or_else(never, at);
            select! {
                recv(stopped) -> _ => break,
                recv(changed) -> word => match word {
                    Ok(()) => pace.changed(Instant::now()),
                    // Nobody is left to tell of changes, nor to say stop.
                    Err(_) => break,
                },
                recv(due) -> _ => self.write(&mut pace),
            }
        }
        if changed.try_recv().is_ok() || pace.is_behind() {
            self.write(&mut pace);
        }
    }

    fn write(&mut self, pace: &mut Pace) {
        let began = Instant::now();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Some(packed) = pack(&self.origin, now, &mut self.state) else {
            return pace.put_off(began);
        };
        match store(&self.place, &packed) {
            Ok(()) => {
                pace.wrote(began, Instant::now());
                self.tally.last.store(now, Ordering::Release);
                self.tally.octets.store(packed.len() as u64, Ordering::Release);
                self.tally.written.fetch_add(1, Ordering::Release);
                if self.complaint.take().is_some() {
                    let file = self.place.file().display();
                    tracing::info!(%file, "the snapshot is written again");
                }
            }
            Err(error) => {
                pace.failed(began);
                self.tally.failed.fetch_add(1, Ordering::Release);
                self.complain(&error);
            }
        }
    }

    fn complain(&mut self, error: &StoreError) {
        // The temporary file's name is new each time: it does not make for a new complaint.
        let complaint = match error {
            StoreError::Failed { step, error, .. } => format!("{step}: {error}"),
            other => other.to_string(),
        };
        if self.complaint.as_ref() != Some(&complaint) {
            tracing::warn!("{error}");
            self.complaint = Some(complaint);
        }
    }
}
