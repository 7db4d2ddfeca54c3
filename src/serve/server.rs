//! Starts and stops everything that listens.
//!
//! The thread `serve` owns the runtime and waits for the others, so that a server can be stopped
//! and dropped from anywhere, inside another runtime too.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::mem;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::gate::Gate;
use super::listen::{Bound, Sockets};
use super::stream::{self, Door};
use super::tally::{Counters, Traffic};
use super::worker::{Seat, Worker};
use super::{Desk, ServeError, sys};
use crate::config::Listen;

/// Threads of the runtime. Most queries come over UDP; two keep a slow one from holding up the
/// rest.
pub const STREAM_THREADS: usize = 2;

/// How long a connection may go without a complete query (RFC 7766, section 6.2.3, asks for some
/// seconds; resolvers that keep connections pause for longer).
pub const IDLE_TIME: Duration = Duration::from_secs(30);

/// How long a query may take to arrive once its first octet is there.
pub const FRAME_TIME: Duration = Duration::from_secs(5);

/// How long a client may take to read what was written to it.
pub const WRITE_TIME: Duration = Duration::from_secs(10);

/// Connections open at a time: about 1.5 KiB each here while idle, and some more in the kernel.
pub const CONNECTIONS: usize = 4096;

/// Connections open at a time for one client address: a sixteenth, so that no single one can keep
/// the others out, and enough for a node's cache or for clients behind one translated address.
pub const CONNECTIONS_PER_CLIENT: usize = CONNECTIONS / 16;

/// Deferred queries at a time, over UDP and streams: what a busy cluster asks of upstreams within
/// the time-out of a dead one, at some 10 KiB each with its look-up and its socket here.
pub const DEFERRED: usize = 8192;

/// Deferred queries of one connection at a time; it is not read from while there are as many.
pub const DEFERRED_PER_CONNECTION: usize = 64;

/// How long a response of several messages may take: a zone of a million names over a slow line. Whoever
/// takes longer lets an old view stay in memory for it.
pub const SEVERAL_TIME: Duration = Duration::from_mins(5);

/// How long a stop waits for what was received: deferred queries and connections that are being
/// answered. Longer than a query to the upstreams may take.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long a task that is cut off at the end of a stop may hold the runtime's threads.
const RUNTIME_END: Duration = Duration::from_millis(500);

/// How a server runs. Whoever changes a limit says why where it does.
#[derive(Clone, Debug)]
pub struct Options {
    /// UDP threads, at least one; by default as many as CPUs may be used, heeding a cgroup's quota.
    pub workers: usize,
    /// See [`STREAM_THREADS`].
    pub stream_threads: usize,
    /// See [`IDLE_TIME`].
    pub idle_time: Duration,
    /// See [`FRAME_TIME`].
    pub frame_time: Duration,
    /// See [`WRITE_TIME`].
    pub write_time: Duration,
    /// See [`CONNECTIONS`].
    pub connections: usize,
    /// See [`CONNECTIONS_PER_CLIENT`].
    pub connections_per_client: usize,
    /// See [`DEFERRED`].
    pub deferred: usize,
    /// See [`DEFERRED_PER_CONNECTION`].
    pub deferred_per_connection: usize,
    /// See [`SEVERAL_TIME`].
    pub several_time: Duration,
    /// See [`GRACE`].
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: thread::available_parallelism().map_or(1, usize::from),
            stream_threads: STREAM_THREADS,
            idle_time: IDLE_TIME,
            frame_time: FRAME_TIME,
            write_time: WRITE_TIME,
            connections: CONNECTIONS,
            connections_per_client: CONNECTIONS_PER_CLIENT,
            deferred: DEFERRED,
            deferred_per_connection: DEFERRED_PER_CONNECTION,
            several_time: SEVERAL_TIME,
            grace: GRACE,
        }
    }
}

/// The sockets, until all workers have drained theirs: a closed socket's share of the clients would
/// go to the others, what it holds would be lost.
type Kept = Arc<Mutex<Keeping>>;

/// What is kept of the sockets.
struct Keeping {
    sockets: Option<Sockets>,
    /// Somebody else has been given them, and may go on with them.
    shared: bool,
}

/// A running server. Dropped, it stops at once and waits for its threads.
pub struct Server {
    addresses: Vec<SocketAddr>,
    sockets: Kept,
    stage: watch::Sender<Stage>,
    /// Written to at a stop and never read from, so that every worker wakes up.
    wake: PipeWriter,
    traffic: Box<dyn Fn() -> Traffic + Send + Sync>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    /// Opens all sockets and starts to answer from `desk`. An address named by nobody
    /// ([`Listen::implied`]) may fail where IPv6 is off.
    pub fn start<D: Desk>(
        desk: Arc<D>,
        listen: &[Listen],
        options: Options,
    ) -> Result<Self, ServeError> {
        raise_descriptor_limit();
        let sockets = Sockets::open(listen, options.workers.max(1))?;
        Self::start_on(desk, sockets, options)
    }

    /// Starts to answer from `desk` on sockets that are open. Where there are more UDP sockets of an
    /// address than workers, some workers have several; where there are fewer, more are opened.
    pub fn start_on<D: Desk>(
        desk: Arc<D>,
        mut sockets: Sockets,
        options: Options,
    ) -> Result<Self, ServeError> {
        let workers = options.workers.max(1);
        raise_descriptor_limit();
        sockets.suffice(workers)?;
        let addresses: Vec<SocketAddr> = sockets.addresses().collect();
        let start = |what| move |source| ServeError::Start { what, source };
        let runtime = OwnRuntime::new(options.stream_threads).map_err(start("the runtime"))?;
        let (reader, wake) = io::pipe().map_err(start("a pipe"))?;
        let (stage, _) = watch::channel(Stage::Serving);
        let watch = Watch { stage: stage.subscribe(), wake: Arc::new(reader) };
        let common = Arc::new(Common::new(desk, options, runtime.handle.clone(), &stage));
        let kept = sockets.try_clone().map_err(start("a worker"))?;
        let kept = Arc::new(Mutex::new(Keeping { sockets: Some(kept), shared: false }));
        let (seats, listeners) = share_out(sockets, workers);
        let (alive, ended) = mpsc::channel(1);

        let mut counters = Vec::with_capacity(workers);
        let worker = |sockets| {
            let own = Arc::new(Counters::default());
            counters.push(Arc::clone(&own));
            Worker::new(Arc::clone(&common), own, sockets, watch.clone())
        };
        let seats: Vec<Worker<D>> = seats.into_iter().map(worker).collect();
        let traffic = {
            let common = Arc::clone(&common);
            Box::new(move || common.traffic(&counters))
        };
        let supervisor = Mutex::new(None);
        let sockets = Arc::clone(&kept);
        let mut server = Self { addresses, sockets, stage, wake, traffic, supervisor };
        // From here on an early return drops `server`, which wakes the threads that have started.
        let mut threads = Vec::with_capacity(workers);
        for (index, worker) in seats.into_iter().enumerate() {
            let alive = alive.clone();
            let run = move || {
                worker.run();
                drop(alive);
            };
            let thread = thread::Builder::new().name(format!("udp-{index}")).spawn(run);
            threads.push(thread.map_err(start("a UDP thread"))?);
        }
        let supervisor = Supervisor { common, threads, kept, alive, ended };
        let thread = thread::Builder::new()
            .name("serve".to_owned())
            .spawn(move || supervisor.run(runtime, listeners))
            .map_err(start("the thread of the runtime"))?;
        server.supervisor = Mutex::new(Some(thread));
        for address in &server.addresses {
            info!(target: "fingerpost::start", addr = %address, transport = "udp+tcp", "listening");
        }
        Ok(server)
    }

    /// Where it listens, with the ports that the kernel chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The sockets, for another server to answer from; [`Server::give_away`] is how this one ends
    /// then. An error is one of the kernel's, or says that the server has stopped.
    pub fn sockets(&self) -> io::Result<Sockets> {
        let mut kept = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let refusing = *self.stage.borrow() == Stage::Refusing;
        let sockets = kept.sockets.as_ref().filter(|_| !refusing);
        let sockets = sockets.ok_or_else(|| io::Error::other("the server has stopped"))?;
        let sockets = sockets.try_clone()?;
        kept.shared = true;
        Ok(sockets)
    }

    /// What it has done so far.
    pub fn traffic(&self) -> Traffic {
        (self.traffic)()
    }

    /// Stops, without waiting for it. The first time: nothing new is accepted, what has arrived is
    /// answered, deferred queries get [`Options::grace`]. The second time: at once.
    ///
    /// Whoever asks later is refused by the kernel at once, unless [`Server::sockets`] has given the
    /// sockets to somebody else, who may go on with them.
    pub fn stop(&self) {
        let kept = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let drain = if kept.shared { Stage::Draining } else { Stage::Refusing };
        self.advance(|stage| if stage == Stage::Serving { drain } else { Stage::Halted });
    }

    /// Stops, without waiting for it, and leaves what is queued on the sockets to whoever has them
    /// too and answers already. What was taken from them is answered, connections as at a stop.
    pub fn give_away(&self) {
        self.advance(|stage| stage.max(Stage::Given));
    }

    fn advance(&self, to: impl FnOnce(Stage) -> Stage) {
        let changed = self.stage.send_if_modified(|stage| {
            let before = mem::replace(stage, to(*stage));
            before != *stage
        });
        if changed {
            // It fails where all readers are gone, and so are the threads to be woken.
            let _ = (&self.wake).write_all(&[1]);
        }
    }

    /// Waits until it has stopped. A thread of another runtime must not call it while it has
    /// other work.
    pub fn wait(&self) {
        let mut supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = supervisor.take()
            && thread.join().is_err()
        {
            warn!("the thread of the runtime panicked");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.advance(|_| Stage::Halted);
        self.wait();
    }
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Stage {
    Serving,
    /// What is queued is for somebody else.
    Given,
    /// What is queued is still answered, on sockets that somebody else may have too.
    Draining,
    /// What is queued is still answered, and nothing more is let in.
    Refusing,
    Halted,
}

/// How a worker learns of a stop.
#[derive(Clone)]
pub(super) struct Watch {
    stage: watch::Receiver<Stage>,
    wake: Arc<PipeReader>,
}

impl Watch {
    pub(super) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Readable once a stop has begun.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// What workers, connections and their tasks share.
pub(super) struct Common<D> {
    pub(super) desk: Arc<D>,
    pub(super) options: Options,
    pub(super) runtime: Handle,
    /// Bounds the deferred queries.
    pub(super) gate: Gate,
    /// Counts what becomes of deferred queries.
    pub(super) finished: Counters,
    /// Counts and limits connections.
    pub(super) door: Arc<Door>,
    stage: watch::Receiver<Stage>,
    /// Of each thread of the runtime.
    streams: Mutex<Vec<Arc<Counters>>>,
}

impl<D: Desk> Common<D> {
    fn new(desk: Arc<D>, options: Options, runtime: Handle, stage: &watch::Sender<Stage>) -> Self {
        Self {
            gate: Gate::new(options.deferred),
            door: Arc::new(Door::new(options.connections, options.connections_per_client)),
            finished: Counters::default(),
            stage: stage.subscribe(),
            streams: Mutex::default(),
            desk,
            options,
            runtime,
        }
    }

    /// Ends when the server has come to this stage of its stop, or is gone.
    pub(super) fn reached(&self, stage: Stage) -> impl Future<Output = ()> + use<D> {
        let mut watch = self.stage.clone();
        async move {
            let _ = watch.wait_for(|&now| now >= stage).await;
        }
    }

    /// How far a stop has come.
    pub(super) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Counters for one more thread that answers streams.
    pub(super) fn stream_counters(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counters));
        counters
    }

    fn traffic(&self, workers: &[Arc<Counters>]) -> Traffic {
        let mut traffic = Traffic {
            workers: workers.iter().map(|counters| counters.read()).collect(),
            finished: self.finished.read(),
            deferred_now: self.gate.now() as u64,
            connections: self.door.read(),
            ..Traffic::default()
        };
        for counters in self.streams.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            traffic.streams.add(&counters.read());
        }
        traffic
    }
}

/// What the thread `serve` holds.
struct Supervisor<D: Desk> {
    common: Arc<Common<D>>,
    threads: Vec<JoinHandle<()>>,
    kept: Kept,
    /// Held by whatever a stop has to wait for.
    alive: mpsc::Sender<Infallible>,
    ended: mpsc::Receiver<Infallible>,
}

impl<D: Desk> Supervisor<D> {
    fn run(self, runtime: OwnRuntime, listeners: Vec<StdListener>) {
        let Self { common, threads, kept, alive, mut ended } = self;
        runtime.handle.block_on(async {
            for listener in listeners {
                tokio::spawn(stream::accept(listener, Arc::clone(&common), alive.clone()));
            }
            drop(alive);
            common.reached(Stage::Given).await;
            let settle = async {
                // No sender is left once workers, listeners and connections have ended; after them
                // nobody defers any more.
                let _ = ended.recv().await;
                common.gate.emptied().await;
            };
            tokio::select! {
                biased;
                () = common.reached(Stage::Halted) => {}
                settled = tokio::time::timeout(common.options.grace, settle) => {
                    if settled.is_err() {
                        let late = common.gate.now();
                        warn!(late, "stopped before all queries were answered");
                    }
                }
            }
        });
        for thread in threads {
            if thread.join().is_err() {
                warn!("a UDP worker panicked");
            }
        }
        runtime.end();
        kept.lock().unwrap_or_else(PoisonError::into_inner).sockets = None;
    }
}

/// The runtime. Unlike a bare [`Runtime`] it may be dropped inside another one, which happens
/// where the server cannot be started.
struct OwnRuntime {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl OwnRuntime {
    fn new(threads: usize) -> io::Result<Self> {
        let next = AtomicUsize::new(0);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name_fn(move || format!("serve-{}", next.fetch_add(1, Relaxed)))
            .enable_all()
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Ends it and waits for its threads, on a thread that belongs to no runtime.
    fn end(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(RUNTIME_END);
        }
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn raise_descriptor_limit() {
    if let Err(fault) = sys::raise_descriptor_limit() {
        warn!(%fault, "cannot raise the limit of open files; fewer connections are possible");
    }
}

/// Gives each worker its sockets of each address.
fn share_out(sockets: Sockets, workers: usize) -> (Vec<Vec<Seat>>, Vec<StdListener>) {
    let mut seats: Vec<Vec<Seat>> = (0..workers).map(|_| Vec::new()).collect();
    let mut listeners = Vec::with_capacity(sockets.0.len());
    for Bound { address, udp, tcp, used } in sockets.0 {
        for (at, socket) in udp.into_iter().enumerate() {
            let seat = Seat { socket: Arc::new(socket), bound: address, used };
            seats.get_mut(at % workers).into_iter().for_each(|own| own.push(seat.clone()));
        }
        listeners.push(tcp);
    }
    (seats, listeners)
}
