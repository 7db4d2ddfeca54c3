//! A fake API server: objects with versions and a history, lists with pages, watches with bookmarks,
//! streaming lists, and on request every fault that a real one, or the way to it, has been seen to
//! have. HTTP or HTTPS on a loopback port, on a thread of its own that ends with the handle.

mod serve;
mod store;

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use serde_json::Value;
use tokio::sync::{broadcast, watch};

pub(crate) use store::Store;

/// What the server is like and what is wrong with it; may be changed at any time.
#[derive(Clone, Debug)]
pub(crate) struct Knobs {
    /// The minor version that `/version` says.
    pub(crate) minor: &'static str,
    /// EndpointSlices are served.
    pub(crate) slices: bool,
    /// Bookmarks are sent, this often.
    pub(crate) bookmarks: Option<Duration>,
    /// What becomes of a streaming list.
    pub(crate) streaming: Streaming,
    /// The most items a page, whatever is asked for.
    pub(crate) page: usize,
    /// Resources that answer with this status.
    pub(crate) refused: Vec<(&'static str, u16)>,
    /// Faults of the next requests, each used once.
    pub(crate) faults: Vec<(&'static str, Fault)>,
    /// Every event of a watch is sent twice.
    pub(crate) duplicates: bool,
    /// Lists show the state at this version: another API server that has fallen behind.
    pub(crate) stale: Option<u64>,
    /// Waits this long behind each item of a list.
    pub(crate) slow: Duration,
    /// The only bearer token that is taken; none is looked at otherwise.
    pub(crate) token: Option<&'static str>,
    /// How whoever asks has to begin to say who it is.
    pub(crate) agent: &'static str,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Streaming {
    /// As it should be.
    Works,
    /// HTTP 422.
    Refused,
    /// An ERROR event with code 422.
    RefusedByEvent,
    /// The bookmark that ends the list never comes.
    Endless,
}

/// A fault of one request. `list` ones wait for a list, `watch` ones for a watch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// Any request: this status.
    Status(u16),
    /// A list's body is cut after so many items, within the next one.
    CutList(usize),
    /// A list's page leads to itself.
    Loop,
    /// A list's body goes silent after so many items.
    SilentList(usize),
    /// A watch is refused with this status.
    WatchStatus(u16),
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            minor: "34",
            slices: true,
            bookmarks: Some(Duration::from_millis(20)),
            streaming: Streaming::Works,
            page: usize::MAX,
            refused: Vec::new(),
            faults: Vec::new(),
            duplicates: false,
            stale: None,
            slow: Duration::ZERO,
            token: None,
            agent: "fingerpost/",
        }
    }
}

/// What all open watches do at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// Send half a line, then reset.
    Reset,
    /// End as after a time-out.
    End,
    /// Send an ERROR event with code 410, then end.
    Gone,
    /// Say nothing any more, as if the way had been cut.
    Freeze,
}

/// The server's insides, shared by all connections.
#[derive(Debug)]
pub(crate) struct Inner {
    store: Mutex<Store>,
    knobs: Mutex<Knobs>,
    requests: Mutex<Vec<String>>,
    /// The newest version, for watches to wait on.
    newest: watch::Sender<u64>,
    orders: broadcast::Sender<Order>,
    /// Whether connections are taken.
    up: watch::Sender<bool>,
    /// New connections speak TLS.
    tls: Mutex<Option<Arc<ServerConfig>>>,
    /// How many TLS handshakes have failed.
    distrusted: AtomicUsize,
}

impl Inner {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    fn knobs(&self) -> MutexGuard<'_, Knobs> {
        self.knobs.lock().unwrap()
    }
}

/// A running server. Dropping it ends it.
pub(crate) struct FakeApi {
    inner: Arc<Inner>,
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeApi {
    pub(crate) fn start(knobs: Knobs) -> Self {
        Self::resume(SocketAddr::from(([127, 0, 0, 1], 0)), Store::default(), knobs)
    }

    /// A server with the objects of another, that may have ended, and at its address.
    pub(crate) fn resume(address: SocketAddr, store: Store, knobs: Knobs) -> Self {
        let mut bound = TcpListener::bind(address);
        // A client that knocks on its own port from within may hold it for a moment.
        until("the address is free", || {
            if bound.is_err() {
                bound = TcpListener::bind(address);
            }
            bound.is_ok()
        });
        let listener = bound.unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            newest: watch::Sender::new(store.revision()),
            store: Mutex::new(store),
            knobs: Mutex::new(knobs),
            requests: Mutex::default(),
            orders: broadcast::Sender::new(64),
            up: watch::Sender::new(true),
            tls: Mutex::default(),
            distrusted: AtomicUsize::new(0),
        });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let shared = Arc::clone(&inner);
        let thread = std::thread::spawn(move || serve::run(listener, &shared, stopped));
        Self { inner, address, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// From now on, new connections speak TLS.
    pub(crate) fn speak_tls(&self, config: ServerConfig) {
        *self.inner.tls.lock().unwrap() = Some(Arc::new(config));
    }

    /// How many TLS handshakes have failed.
    pub(crate) fn distrusted(&self) -> usize {
        self.inner.distrusted.load(Ordering::Relaxed)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes objects; gives back what `change` does.
    pub(crate) fn edit<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.inner.store();
        let result = change(&mut store);
        let newest = store.revision();
        drop(store);
        self.inner.newest.send_replace(newest);
        result
    }

    /// Puts an object, and gives back its version.
    pub(crate) fn put(&self, object: Value) -> u64 {
        self.edit(|store| store.put(object))
    }

    pub(crate) fn delete(&self, resource: &str, namespace: &str, name: &str) {
        assert!(self.edit(|store| store.delete(resource, namespace, name)), "{namespace}/{name}");
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut self.inner.knobs());
    }

    /// One fault for the next fitting request for `resource`.
    pub(crate) fn fault(&self, resource: &'static str, fault: Fault) {
        self.set(|knobs| knobs.faults.push((resource, fault)));
    }

    /// Whether all such faults have been met with.
    pub(crate) fn faults_are_used(&self) -> bool {
        self.inner.knobs().faults.is_empty()
    }

    pub(crate) fn order(&self, order: Order) {
        // Without an open watch there is nobody to order about.
        let _ = self.inner.orders.send(order);
    }

    /// Goes away (connections are cut, new ones are closed), or comes back.
    pub(crate) fn up(&self, up: bool) {
        self.inner.up.send_replace(up);
    }

    /// Forgets the history: whoever would go on from an older version gets a 410.
    pub(crate) fn compact(&self) {
        self.edit(Store::compact);
    }

    /// How many requests there were that hold all of these words.
    pub(crate) fn requests(&self, words: &[&str]) -> usize {
        let requests = self.inner.requests.lock().unwrap();
        requests.iter().filter(|uri| words.iter().all(|word| uri.contains(word))).count()
    }

    /// How many watches are open.
    pub(crate) fn watches(&self) -> usize {
        self.inner.orders.receiver_count()
    }
}

impl Drop for FakeApi {
    fn drop(&mut self) {
        self.inner.up.send_replace(false);
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Waits until `done`, for as long as a busy machine may take.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
