//! The thread `log`: takes what was handed over and writes it, many lines at once.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, after, never, select};
use serde::Serialize;

use super::Line;
use super::errors::{Counting, Told};
use super::format::{Json, Message};
use crate::config::{LogFormat, LogLevel};
use crate::serve::Count;

/// How long lines are gathered after the first: so a busy server's query threads wake this one
/// seldom, and a line is there before anybody looks.
const GATHER: Duration = Duration::from_millis(2);
/// Octets that are written at once: a pipe's room.
const PIECE: usize = 64 << 10;
/// From one complaint about lost lines to the next.
const COMPLAIN: Duration = Duration::from_mins(1);

pub(super) struct Writer<W> {
    format: LogFormat,
    out: W,
    octets: Vec<u8>,
    counting: Counting,
    dropped: Arc<Count>,
    complained: Option<(Instant, u64)>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(format: LogFormat, out: W, dropped: Arc<Count>) -> Self {
        let octets = Vec::new();
        Self { format, out, octets, counting: Counting::default(), dropped, complained: None }
    }

    /// Writes until it is to stop, or nobody is left to hand anything over; then what is there.
    pub(super) fn run(mut self, lines: &Receiver<Line>, stopped: &Receiver<()>) {
        loop {
            let timer = self
                .counting
                .due()
                .map_or_else(never, |due| after(due.saturating_duration_since(Instant::now())));
            let first = select! {
                recv(lines) -> line => match line {
                    Ok(line) => Some(line),
                    Err(_) => break,
                },
                recv(stopped) -> _ => break,
                recv(timer) -> _ => None,
            };
            if let Some(line) = first {
                self.take(line);
                thread::sleep(GATHER);
                self.drain(lines);
            }
            let due = self.counting.told(Some(Instant::now()));
            due.iter().for_each(|told| self.tell(told));
            self.flush();
            self.complain();
        }
        self.drain(lines);
        let rest = self.counting.told(None);
        rest.iter().for_each(|told| self.tell(told));
        self.flush();
        self.complain();
    }

    fn drain(&mut self, lines: &Receiver<Line>) {
        // No more than were there, so that numbers that are due are told in a flood too.
        for line in lines.try_iter().take(super::LINES_MOST) {
            self.take(line);
            if self.octets.len() >= PIECE {
                self.flush();
            }
        }
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Query(entry) => match self.format {
                // Nothing can go wrong with a buffer.
                LogFormat::Text => _ = writeln!(self.octets, "[INFO] {}", Message(&entry)),
                LogFormat::Json => self.json(&Json::new(&entry)),
            },
            Line::Error(fault) => {
                let told = self.counting.take(&fault, Instant::now());
                told.iter().for_each(|told| self.tell(told));
            }
        }
    }

    /// A line of `errors`.
    fn tell(&mut self, told: &Told) {
        let level = match told.level {
            LogLevel::Error => "ERROR",
            LogLevel::Warn => "WARNING",
            LogLevel::Info => "INFO",
            LogLevel::Debug | LogLevel::Trace => "DEBUG",
        };
        match self.format {
            LogFormat::Text => _ = writeln!(self.octets, "[{level}] plugin/errors: {}", told.text),
            LogFormat::Json => {
                // slog, whose words CoreDNS's lines have in JSON, says WARN.
                let level = if level == "WARNING" { "WARN" } else { level };
                let time = stamp(SystemTime::now());
                self.json(&Error { time, level, msg: &told.text, plugin: "errors" });
            }
        }
    }

    fn json(&mut self, line: &impl Serialize) {
        if serde_json::to_writer(&mut self.octets, line).is_ok() {
            self.octets.push(b'\n');
        }
    }

    fn flush(&mut self) {
        if !self.octets.is_empty() && self.out.write_all(&self.octets).is_err() {
            let lines = self.octets.iter().filter(|octet| **octet == b'\n').count();
            self.dropped.add_shared(lines as u64);
        }
        self.octets.clear();
    }

    /// Says once in a while that lines were lost.
    fn complain(&mut self) {
        let dropped = self.dropped.get();
        let told = self.complained.map_or(0, |(_, told)| told);
        let rested = self.complained.is_none_or(|(at, _)| at.elapsed() >= COMPLAIN);
        if dropped > told && rested {
            self.complained = Some((Instant::now(), dropped));
            tracing::warn!(
                "{} lines of 'log' and 'errors' were dropped, since standard output takes them too \
                 slowly or not at all; see who reads it, or log fewer classes or names",
                dropped - told
            );
        }
    }
}

/// A line about a fault in JSON.
#[derive(Serialize)]
struct Error<'a> {
    time: String,
    level: &'static str,
    msg: &'a str,
    plugin: &'static str,
}

/// A time as RFC 3339 has it.
pub(super) fn stamp(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map_or_else(|_| String::new(), |at| at.to_string())
}
