//! UDP: a loop on a thread of its own (`udp-0`, …) that answers whatever is queued.
//!
//! It keeps the law of the query path: no lock, no allocation, no atomic read-modify-write for a
//! query that can be answered at once. A batch is what the kernel already holds when the loop comes
//! by: one datagram when there is little to do, so that nothing ever waits for a batch to fill.
#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tracing::{debug, error};

use super::server::{Common, Stage, Watch};
use super::shares::Full;
use super::sys::{self, Batch, Origin, Poller};
use super::tally::Counters;
use super::{Asker, Clerk, Client, Desk, Step, Transport};

/// Batches that one socket is given before the others get their turn.
const ROUNDS: usize = 8;

/// A batch of so many says that more are on their way: then the socket is tried again at once, and
/// a call to `poll` is spared. After a smaller one that would more often be a call for nothing.
const BUSY: usize = 4;

/// A worker that hears nothing for so long looks for what is newer, to let go of what it holds: an
/// old view keeps in memory all that has changed since.
const LET_GO: Duration = Duration::from_secs(1);

/// At stop, the sockets are drained until none has had a datagram for so long: what is on its way
/// through the host's own queues arrives in less.
const DRAIN_QUIET: Duration = Duration::from_millis(20);

/// At stop, sockets that are never quiet are drained for so long at most: a full receive buffer
/// takes a tenth of it.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// The pause after a call to receive that failed, so that a broken socket does not take a whole
/// processor.
const FAULT_PAUSE: Duration = Duration::from_millis(1);

/// A socket of a worker.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) socket: Arc<UdpSocket>,
    /// What it is bound to.
    pub(super) bound: SocketAddr,
    /// Somebody else has answered from it.
    pub(super) used: bool,
}

/// One worker: a socket for each listening address, and all that it needs to answer from them.
pub(super) struct Worker<D: Desk> {
    common: Arc<Common<D>>,
    clerk: D::Clerk,
    counters: Arc<Counters>,
    batch: Batch,
    seats: Vec<Seat>,
    /// Drops of each socket as last told by the kernel, which counts from when it was opened;
    /// nothing where that was counted by somebody else.
    drops: Vec<Option<u32>>,
    /// The sockets in their order, then what wakes the worker to stop.
    poller: Poller,
    watch: Watch,
}

impl<D: Desk> Worker<D> {
    pub(super) fn new(
        common: Arc<Common<D>>,
        counters: Arc<Counters>,
        seats: Vec<Seat>,
        watch: Watch,
    ) -> Self {
        Self {
            poller: Poller::new([]),
            clerk: common.desk.clerk(),
            drops: seats.iter().map(|seat| (!seat.used).then_some(0)).collect(),
            batch: Batch::new(),
            common,
            counters,
            seats,
            watch,
        }
    }

    /// Answers until the server stops. A panic costs the batch that it came up in, not the thread:
    /// without it, a share of all clients would get no answer any more.
    pub(super) fn run(mut self) {
        while catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            self.counters.panics.add(1);
            error!("a UDP worker panicked; the queries of its batch are lost and it goes on");
            self.clerk = self.common.desk.clerk();
        }
    }

    fn serve(&mut self) {
        let stop = self.seats.len();
        let sockets = self.seats.iter().map(|seat| seat.socket.as_fd());
        self.poller = Poller::new(sockets.chain([self.watch.descriptor()]));
        loop {
            self.wait(LET_GO);
            if !self.sweep() {
                self.clerk.refresh();
            }
            if self.poller.readable(stop) {
                if self.watch.stage() != Stage::Given {
                    self.drain();
                }
                return;
            }
        }
    }

    /// Answers all that has come in before the sockets are closed.
    fn drain(&mut self) {
        if self.watch.stage() == Stage::Refusing {
            self.refuse();
        }
        let limit = Instant::now() + DRAIN_LIMIT;
        self.poller = Poller::new(self.seats.iter().map(|seat| seat.socket.as_fd()));
        while self.watch.stage() != Stage::Halted {
            self.wait(DRAIN_QUIET);
            if !self.sweep() || Instant::now() >= limit {
                return;
            }
        }
    }

    /// Lets nothing more in. A socket that is connected is found for its peer's datagrams alone, and
    /// this peer is the socket itself, which sends itself nothing. Others of the same port still get
    /// what they are found for; once each is connected, the kernel refuses whoever asks (ICMP, port
    /// unreachable). What is queued stays, so that no query falls between the last look and the end.
    fn refuse(&self) {
        for Seat { socket, bound, .. } in &self.seats {
            let mut own = *bound;
            if own.ip().is_unspecified() {
                own.set_ip(match own {
                    SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                    SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
                });
            }
            if let Err(fault) = socket.connect(own) {
                debug!(%bound, %fault, "queries that come in at the very end are lost");
            }
        }
    }

    fn wait(&mut self, limit: Duration) {
        if let Err(fault) = self.poller.wait(limit) {
            error!(%fault, "cannot wait for datagrams; trying again");
            thread::sleep(FAULT_PAUSE);
        }
    }

    /// Gives each readable socket a few batches; whether there was any.
    fn sweep(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.seats.len() {
            if self.poller.readable(index) {
                any = true;
                let mut rounds = 0..ROUNDS;
                while rounds.next().is_some() && self.turn(index) >= BUSY {}
            }
        }
        any
    }

    /// One batch: receive, answer, send. Returns how many datagrams there were.
    fn turn(&mut self, index: usize) -> usize {
        let Self { common, clerk, counters, batch, seats, drops, .. } = self;
        let Some(Seat { socket, bound, .. }) = seats.get(index) else { return 0 };
        let count = match batch.receive(socket.as_fd()) {
            Ok(0) => return 0,
            Ok(count) => count,
            Err(_) => {
                counters.receive_faults.add(1);
                thread::sleep(FAULT_PAUSE);
                return 0;
            }
        };
        let began = Instant::now();
        clerk.refresh();
        clerk.read((0..count).map(|slot| batch.query(slot)));
        let (mut silences, mut deferred) = (0, 0);
        for slot in 0..count {
            let (query, envelope, room) = batch.exchange(slot);
            match clerk.answer(slot, query, Asker::datagram(envelope, bound), room) {
                Step::Reply(length) => batch.reply(slot, length),
                // What only a stream can carry is none.
                Step::Silence | Step::Several => silences += 1,
                Step::Deferred => match defer(common, batch, slot, socket, bound) {
                    Ok(()) => deferred += 1,
                    Err(full) => counters.overload(full).add(1),
                },
            }
        }
        clerk.settle(began.elapsed());
        let replies = batch.flush(socket.as_fd(), |fault| counters.fault(fault).add(1));
        counters.queries.add(count as u64);
        counters.replies.add(replies as u64);
        counters.silences.add(silences);
        counters.deferred.add(deferred);
        if let (Some(now), Some(before)) = (batch.drops(), drops.get_mut(index)) {
            counters.kernel_drops.add(before.map_or(0, |before| now.wrapping_sub(before)).into());
            *before = Some(now);
        }
        count
    }
}

/// Has a query finished on the runtime, unless too many are waiting already.
fn defer<D: Desk>(
    common: &Arc<Common<D>>,
    batch: &Batch,
    slot: usize,
    socket: &Arc<UdpSocket>,
    bound: &SocketAddr,
) -> Result<(), Full> {
    let origin = batch.origin(slot).ok_or(Full::All)?;
    let pass = common.gate.admit(origin.peer.ip())?;
    let query = batch.query(slot).to_vec();
    let local = SocketAddr::new(origin.local.unwrap_or(bound.ip()), bound.port());
    let client = Client { from: origin.peer, local: Some(local), transport: Transport::Udp };
    let (shared, socket) = (Arc::clone(common), Arc::clone(socket));
    common.runtime.spawn(async move {
        let response = shared.desk.finish(query, client).await;
        send_late(&shared.finished, &socket, &origin, response.as_deref());
        drop(pass);
    });
    Ok(())
}

fn send_late(counters: &Counters, socket: &UdpSocket, origin: &Origin, response: Option<&[u8]>) {
    match response.map(|message| sys::send_one(socket.as_fd(), origin, message)) {
        None => counters.silences.add_shared(1),
        Some(Ok(())) => counters.replies.add_shared(1),
        Some(Err(fault)) => counters.fault(fault).add_shared(1),
    }
}
