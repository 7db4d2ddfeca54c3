//! What is counted of upstreams. By any thread of the runtime, off the way of what is answered at once.

use std::net::SocketAddr;
use std::time::Duration;

use crate::serve::tally::{Count, DURATIONS, duration_bucket, nanoseconds};

/// Response codes that are told apart: those that a header has room for.
const RCODES: usize = 16;

/// The counters of one upstream.
#[derive(Debug, Default)]
pub(super) struct Account {
    replies: [Times; RCODES],
    pub(super) check_failures: Count,
    /// Queries over a connection that was kept, and over a new one.
    pub(super) kept: Count,
    pub(super) new: Count,
}

#[derive(Debug)]
struct Times {
    buckets: [Count; DURATIONS + 1],
    sum: Count,
}

impl Default for Times {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Count::default()), sum: Count::default() }
    }
}

impl Account {
    /// A reply has come.
    pub(super) fn replied(&self, rcode: u16, took: Duration) {
        let Some(times) = self.replies.get(usize::from(rcode)) else { return };
        let bucket = times.buckets.get(duration_bucket(took));
        bucket.into_iter().for_each(|count| count.add_shared(1));
        times.sum.add_shared(nanoseconds(took));
    }

    pub(super) fn read(&self, to: SocketAddr, secure: bool) -> Exchanges {
        let replies = self.replies.iter().map(|times| Replies {
            buckets: times.buckets.iter().map(Count::get).collect(),
            sum: times.sum.get(),
        });
        let by_protocol = |count: &Count| {
            let count = count.get();
            if secure { [0, count] } else { [count, 0] }
        };
        Exchanges {
            to,
            replies: replies.collect(),
            check_failures: self.check_failures.get(),
            kept: by_protocol(&self.kept),
            new: by_protocol(&self.new),
        }
    }
}

/// What an upstream has replied with one response code, and how soon.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Replies {
    /// How many replies fell into each bucket, not added up.
    pub buckets: Vec<u64>,
    /// How long they took together, in nanoseconds.
    pub sum: u64,
}

impl Replies {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// What has passed between this server and one upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exchanges {
    /// The upstream.
    pub to: SocketAddr,
    /// Its replies by response code.
    pub replies: Vec<Replies>,
    /// Health checks that it has failed.
    pub check_failures: u64,
    /// Queries over a connection that had been kept, over TCP and over TLS.
    pub kept: [u64; 2],
    /// Queries that needed a new connection.
    pub new: [u64; 2],
}

/// What has passed between this server and all upstreams.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Forwarded {
    /// Queries that found all upstreams of a `forward` down.
    pub broken: u64,
    /// Each upstream's.
    pub upstreams: Vec<Exchanges>,
}

impl Forwarded {
    /// Adds others to these.
    pub fn add(&mut self, other: Self) {
        self.broken += other.broken;
        for more in other.upstreams {
            match self.upstreams.iter_mut().find(|mine| mine.to == more.to) {
                Some(mine) => mine.add(&more),
                None => self.upstreams.push(more),
            }
        }
    }
}

impl Exchanges {
    fn add(&mut self, other: &Self) {
        for (mine, more) in self.replies.iter_mut().zip(&other.replies) {
            mine.buckets.iter_mut().zip(&more.buckets).for_each(|(mine, more)| *mine += more);
            mine.sum += more.sum;
        }
        self.check_failures += other.check_failures;
        for (mine, more) in [(&mut self.kept, &other.kept), (&mut self.new, &other.new)] {
            mine.iter_mut().zip(more).for_each(|(mine, more)| *mine += more);
        }
    }
}
