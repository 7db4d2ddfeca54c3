//! Counts of what the sockets do.
//!
//! Each thread that answers queries writes counters of its own, on cache lines of their own, with
//! a plain load and store; whoever wants to know sums them up. So counting costs no atomic
//! read-modify-write and shares no written line.
#![forbid(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What has been counted so far, over all threads. Each figure is exact and never falls, but they
/// are read one after the other, so that their sums may be off by what happens meanwhile.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// UDP, a tally for each worker thread.
    pub workers: Vec<Tally>,
    /// Streams: what was answered at once.
    pub streams: Tally,
    /// What was deferred, once it was finished: replies and silences, over UDP and streams.
    pub finished: Tally,
    /// Deferred queries that are being worked on now.
    pub deferred_now: u64,
    /// Connections.
    pub connections: Connections,
}

impl Traffic {
    /// All tallies in one.
    pub fn total(&self) -> Tally {
        let mut total = self.streams.clone();
        total.add(&self.finished);
        for worker in &self.workers {
            total.add(worker);
        }
        total
    }
}

/// Counts of messages.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Messages received.
    pub queries: u64,
    /// Responses that the kernel took.
    pub replies: u64,
    /// Messages that nothing may be sent back to.
    pub silences: u64,
    /// Queries given to [`super::Desk::finish`].
    pub deferred: u64,
    /// Queries that should have been deferred but were dropped, since too many were already.
    pub overloads: u64,
    /// The same, since their client alone had as many as it may have.
    pub overloads_client: u64,
    /// Responses that could not be sent, by [`SendFault::index`].
    pub send_faults: [u64; SendFault::KINDS],
    /// Calls to receive that failed.
    pub receive_faults: u64,
    /// Datagrams that the kernel dropped before they could be read.
    pub kernel_drops: u64,
    /// Panics caught while answering; the queries of that batch are lost.
    pub panics: u64,
}

impl Tally {
    /// Adds another one to this one.
    pub fn add(&mut self, other: &Self) {
        self.queries += other.queries;
        self.replies += other.replies;
        self.silences += other.silences;
        self.deferred += other.deferred;
        self.overloads += other.overloads;
        self.overloads_client += other.overloads_client;
        for (mine, more) in self.send_faults.iter_mut().zip(other.send_faults) {
            *mine += more;
        }
        self.receive_faults += other.receive_faults;
        self.kernel_drops += other.kernel_drops;
        self.panics += other.panics;
    }
}

/// Why a response could not be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SendFault {
    /// The socket's send buffer stayed full (`EAGAIN`).
    Full,
    /// The kernel had no memory or queue for it (`ENOBUFS`, `ENOMEM`).
    NoBuffers,
    /// A firewall or policy forbids it (`EPERM`, `EACCES`).
    Refused,
    /// The kernel takes the address or the port for a wrong one (`EINVAL`, `EADDRNOTAVAIL`).
    Invalid,
    /// No route or no link to the client (`ENETUNREACH`, `EHOSTUNREACH`, `ENETDOWN`).
    Unreachable,
    /// Larger than the path takes (`EMSGSIZE`).
    TooLarge,
    /// Anything else.
    Other,
}

impl SendFault {
    /// How many kinds there are.
    pub const KINDS: usize = 7;

    /// Every kind, in the order of [`SendFault::index`].
    pub const ALL: [Self; Self::KINDS] = [
        Self::Full,
        Self::NoBuffers,
        Self::Refused,
        Self::Invalid,
        Self::Unreachable,
        Self::TooLarge,
        Self::Other,
    ];

    /// The word that the metric uses for it.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::NoBuffers => "no-buffers",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::Unreachable => "unreachable",
            Self::TooLarge => "too-large",
            Self::Other => "other",
        }
    }

    /// Its place in an array of counts.
    pub const fn index(self) -> usize {
        self as usize
    }

    pub(super) fn of(error: &io::Error) -> Self {
        match error.raw_os_error().unwrap_or(0) {
            libc::EAGAIN => Self::Full,
            libc::ENOBUFS | libc::ENOMEM => Self::NoBuffers,
            libc::EPERM | libc::EACCES => Self::Refused,
            libc::EINVAL | libc::EADDRNOTAVAIL => Self::Invalid,
            libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN => Self::Unreachable,
            libc::EMSGSIZE => Self::TooLarge,
            _ => Self::Other,
        }
    }
}

/// Counts of TCP connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Connections {
    /// Open now.
    pub open: u64,
    /// Taken so far.
    pub accepted: u64,
    /// Closed at once, since as many as allowed were open.
    pub refused: u64,
    /// Closed at once, since this client alone had as many as it may have.
    pub refused_client: u64,
    /// Closed, since the client was idle, slow to finish a message, or slow to read.
    pub timed_out: u64,
    /// Calls to accept that failed.
    pub accept_faults: u64,
}

/// Buckets of durations: the first ends at [`FIRST_DURATION`], each other one at twice the bound of
/// the one before.
pub const DURATIONS: usize = 16;

/// The upper bound of the first bucket of durations.
pub const FIRST_DURATION: Duration = Duration::from_micros(250);

/// The bucket of a duration.
#[inline]
pub(crate) fn duration_bucket(took: Duration) -> usize {
    let mut bound = FIRST_DURATION;
    let mut bucket = 0;
    while bucket < DURATIONS && took > bound {
        bound = bound.saturating_mul(2);
        bucket += 1;
    }
    bucket
}

/// A duration as it is summed.
#[inline]
pub(crate) fn nanoseconds(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}

/// A counter that one thread writes and any reads, or that all write.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds, from the one thread that owns the counter.
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        if more != 0 {
            self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
        }
    }

    /// Adds, from any thread.
    pub(crate) fn add_shared(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counters behind a [`Tally`], on lines that nobody else writes to: two lines of 64 octets,
/// since processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Counters {
    pub(super) queries: Count,
    pub(super) replies: Count,
    pub(super) silences: Count,
    pub(super) deferred: Count,
    pub(super) overloads: Count,
    pub(super) overloads_client: Count,
    pub(super) send_faults: [Count; SendFault::KINDS],
    pub(super) receive_faults: Count,
    pub(super) kernel_drops: Count,
    pub(super) panics: Count,
}

impl Counters {
    pub(super) fn read(&self) -> Tally {
        Tally {
            queries: self.queries.get(),
            replies: self.replies.get(),
            silences: self.silences.get(),
            deferred: self.deferred.get(),
            overloads: self.overloads.get(),
            overloads_client: self.overloads_client.get(),
            send_faults: self.send_faults.each_ref().map(Count::get),
            receive_faults: self.receive_faults.get(),
            kernel_drops: self.kernel_drops.get(),
            panics: self.panics.get(),
        }
    }

    /// The counter of a kind of fault.
    pub(super) fn fault(&self, fault: SendFault) -> &Count {
        &self.send_faults[fault.index()]
    }
}
