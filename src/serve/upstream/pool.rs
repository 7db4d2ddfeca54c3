//! Connections of one upstream that wait for another query.

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::peer::Peer;

/// Idle connections that are kept for one upstream, where the configuration allows more or says
/// nothing: what a burst of queries over TCP leaves behind; a resolver allows a client about as many.
const IDLE_MOST: usize = 128;

/// The shortest time from one look for idle connections that have expired to the next.
const SWEEP_LEAST: Duration = Duration::from_millis(100);

/// How long connections are kept, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    /// How long an idle one.
    pub(super) expire: Duration,
    /// How long any one.
    pub(super) max_age: Option<Duration>,
    /// How many idle ones.
    pub(super) most: Option<usize>,
}

/// What a connection speaks.
#[derive(Debug)]
pub(super) enum Line {
    Clear(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) line: Line,
    opened: Instant,
    used: Instant,
}

impl Connection {
    pub(super) fn new(line: Line) -> Self {
        let now = Instant::now();
        Self { line, opened: now, used: now }
    }

    fn is_fresh(&self, keep: &Keep, now: Instant) -> bool {
        now.duration_since(self.used) < keep.expire
            && keep.max_age.is_none_or(|age| now.duration_since(self.opened) < age)
    }

    /// Nothing has come since the last reply, its end neither.
    fn is_quiet(&self) -> bool {
        let stream = match &self.line {
            Line::Clear(stream) => stream,
            Line::Secure(stream) => stream.get_ref().0,
        };
        let peeked = SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]);
        peeked.is_err_and(|fault| fault.kind() == io::ErrorKind::WouldBlock)
    }
}

/// The idle connections, those that were used last at the end.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Connection>>,
    /// A task looks after those that expire.
    swept: AtomicBool,
}

impl Pool {
    /// One to ask over, the one that was used last, so that others expire.
    pub(super) fn take(&self, keep: &Keep) -> Option<Connection> {
        let now = Instant::now();
        let mut idle = self.idle();
        std::iter::from_fn(|| idle.pop()).find(|one| one.is_fresh(keep, now) && one.is_quiet())
    }

    /// Closes them all.
    pub(super) fn clear(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer {
    /// Keeps a connection that has had its reply for the next query.
    pub(super) fn keep_open(self: &Arc<Self>, mut connection: Connection, keep: Keep) {
        let now = Instant::now();
        connection.used = now;
        if !connection.is_fresh(&keep, now) {
            return;
        }
        let pool = self.pool();
        {
            let mut idle = pool.idle();
            if idle.len() >= keep.most.unwrap_or(IDLE_MOST).min(IDLE_MOST) {
                return;
            }
            idle.push(connection);
        }
        if !pool.swept.swap(true, Relaxed) {
            tokio::spawn(sweep(Arc::downgrade(self), keep));
        }
    }
}

/// Closes what expires while nobody asks, until nothing is left.
async fn sweep(peer: Weak<Peer>, keep: Keep) {
    loop {
        tokio::time::sleep(keep.expire.max(SWEEP_LEAST)).await;
        let Some(peer) = peer.upgrade() else { return };
        let pool = peer.pool();
        let mut idle = pool.idle();
        let now = Instant::now();
        idle.retain(|one| one.is_fresh(&keep, now));
        if idle.is_empty() {
            pool.swept.store(false, Relaxed);
            return;
        }
    }
}
