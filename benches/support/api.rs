//! An API server that is as large as is wanted and does nothing but list and watch: objects are
//! kept as the text that is sent, so that it is quick and small beside what is measured.
//!
//! A thread per connection, plain HTTP/1.1 on loopback. Ends with the process.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::objects;

/// How many events of a kind a watch may be behind.
const HISTORY: usize = 100_000;
/// How often a bookmark is sent; real servers do so each minute.
const BOOKMARK: Duration = Duration::from_mins(1);
/// How much is written at a time.
const BUFFER: usize = 64 << 10;

/// Which kind: the index into all that is kept by kind.
pub const NAMESPACES: usize = 0;
pub const SERVICES: usize = 1;
pub const SLICES: usize = 2;
const RESOURCES: [(&str, &str, &str); 4] = [
    ("namespaces", "NamespaceList", "v1"),
    ("services", "ServiceList", "v1"),
    ("endpointslices", "EndpointSliceList", "discovery.k8s.io/v1"),
    // The controller's carry its label (Kubernetes 1.33) and are not asked for.
    ("endpoints", "EndpointsList", "v1"),
];

#[derive(Default)]
struct State {
    revision: u64,
    objects: [Vec<Arc<str>>; 4],
    events: [VecDeque<(u64, Arc<str>)>; 4],
    /// Watches from before these versions are too late.
    compacted: u64,
    /// Rises when all watches are to end with a 410.
    gone: u64,
    /// Lists that were told to their end.
    lists: usize,
    watches: usize,
}

struct Shared {
    state: Mutex<State>,
    news: Condvar,
    minor: &'static str,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running server.
pub struct Api {
    shared: Arc<Shared>,
    pub address: SocketAddr,
}

impl Api {
    /// A server of this minor version with so many Services, each with one slice of so many
    /// endpoints.
    pub fn start(minor: &'static str, services: usize, endpoints: usize) -> io::Result<Self> {
        let mut state = State { revision: 1_000_000, ..State::default() };
        let revision = state.revision;
        state.objects[NAMESPACES] =
            (0..objects::NAMESPACES).map(|at| objects::namespace(at, revision).into()).collect();
        state.objects[SERVICES] =
            (0..services).map(|at| objects::service(at, 0, revision).into()).collect();
        state.objects[SLICES] =
            (0..services).map(|at| objects::slice(at, endpoints, 0, revision).into()).collect();
        let shared = Arc::new(Shared { state: Mutex::new(state), news: Condvar::new(), minor });
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                thread::spawn(move || {
                    // A client that hangs up is no news.
                    let _ = serve(&shared, &stream);
                });
            }
        });
        Ok(Self { shared, address })
    }

    /// The octets of all objects.
    pub fn octets(&self) -> usize {
        self.shared.state().objects.iter().flatten().map(|object| object.len()).sum()
    }

    /// Replaces an object by what `make` makes of its new version; one more is added where `at` is
    /// how many there are.
    pub fn change(&self, kind: usize, at: usize, make: impl FnOnce(u64) -> String) {
        let mut state = self.shared.state();
        state.revision += 1;
        let revision = state.revision;
        let object: Arc<str> = make(revision).into();
        match state.objects[kind].get_mut(at) {
            Some(place) => *place = Arc::clone(&object),
            None => state.objects[kind].push(Arc::clone(&object)),
        }
        state.events[kind].push_back((revision, object));
        if state.events[kind].len() > HISTORY {
            let dropped = state.events[kind].pop_front();
            state.compacted = state.compacted.max(dropped.map_or(0, |(revision, _)| revision));
        }
        drop(state);
        self.shared.news.notify_all();
    }

    /// Ends all watches with a 410 and forgets the history.
    pub fn gone(&self) {
        let mut state = self.shared.state();
        state.revision += 1;
        state.compacted = state.revision;
        state.events.iter_mut().for_each(VecDeque::clear);
        state.gone += 1;
        drop(state);
        self.shared.news.notify_all();
    }

    /// How many lists were told to their end.
    pub fn lists(&self) -> usize {
        self.shared.state().lists
    }

    /// How many watches are open.
    pub fn watches(&self) -> usize {
        self.shared.state().watches
    }
}

struct Asked {
    kind: usize,
    query: String,
}

impl Asked {
    fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

fn serve(shared: &Shared, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if read.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut line = String::new();
        while read.read_line(&mut line)? > 2 {
            line.clear();
        }
        let target = first.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let name = path.rsplit('/').next().unwrap_or_default();
        let mut body = Body(BufWriter::with_capacity(BUFFER, stream));
        match RESOURCES.iter().position(|(resource, ..)| *resource == name) {
            Some(kind) => {
                let asked = Asked { kind, query: query.to_owned() };
                if asked.get("watch") == Some("true") {
                    watch(shared, &asked, &mut body)?;
                } else {
                    list(shared, &asked, &mut body)?;
                }
            }
            None if path == "/version" => {
                body.head(200)?;
                body.send(&format!(r#"{{"major":"1","minor":"{}"}}"#, shared.minor))?;
            }
            None if path == "/apis/discovery.k8s.io/v1" => {
                body.head(200)?;
                body.send(
                    r#"{"kind":"APIResourceList","resources":[{"name":"endpointslices","namespaced":true}]}"#,
                )?;
            }
            None => {
                body.head(404)?;
                body.send("404 page not found")?;
            }
        }
        body.end()?;
    }
}

/// A response in chunks.
struct Body<'a>(BufWriter<&'a TcpStream>);

impl Body<'_> {
    fn head(&mut self, status: u16) -> io::Result<()> {
        write!(
            self.0,
            "HTTP/1.1 {status} \r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        )
    }

    fn send(&mut self, text: &str) -> io::Result<()> {
        write!(self.0, "{:x}\r\n{text}\r\n", text.len())
    }

    fn event(&mut self, name: &str, object: &str) -> io::Result<()> {
        let len = name.len() + object.len() + 22;
        write!(self.0, "{len:x}\r\n{{\"type\":\"{name}\",\"object\":{object}}}\n\r\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.write_all(b"0\r\n\r\n")?;
        self.0.flush()
    }
}

fn list(shared: &Shared, asked: &Asked, body: &mut Body<'_>) -> io::Result<()> {
    let limit = asked.number("limit").and_then(|limit| usize::try_from(limit).ok());
    let token = asked.get("continue").unwrap_or_default().replace("%2F", "/");
    let (revision, from, page, rest) = {
        let mut state = shared.state();
        let (revision, from) = match token.split_once('/') {
            Some((revision, from)) => {
                (revision.parse().unwrap_or_default(), from.parse().unwrap_or_default())
            }
            None => (state.revision, 0),
        };
        let rest = state.objects[asked.kind].get(from..).unwrap_or_default();
        let page: Vec<Arc<str>> = rest.iter().take(limit.unwrap_or(usize::MAX)).cloned().collect();
        let rest = rest.len() - page.len();
        state.lists += usize::from(rest == 0);
        (revision, from, page, rest)
    };
    let token = if rest > 0 { format!("{revision}/{}", from + page.len()) } else { String::new() };
    let (_, kind, version) = RESOURCES[asked.kind];
    body.head(200)?;
    body.send(&format!(
        r#"{{"kind":"{kind}","apiVersion":"{version}","metadata":{{"resourceVersion":"{revision}","continue":"{token}"}},"items":["#
    ))?;
    for (at, object) in page.iter().enumerate() {
        if at > 0 {
            body.send(",")?;
        }
        body.send(object)?;
    }
    body.send("]}\n")
}

fn watch(shared: &Shared, asked: &Asked, body: &mut Body<'_>) -> io::Result<()> {
    shared.state().watches += 1;
    let result = watch_on(shared, asked, body);
    shared.state().watches -= 1;
    result
}

fn watch_on(shared: &Shared, asked: &Asked, body: &mut Body<'_>) -> io::Result<()> {
    const GONE: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version","reason":"Expired","code":410}"#;
    body.head(200)?;
    let end = Instant::now() + Duration::from_secs(asked.number("timeoutSeconds").unwrap_or(60));
    let mut at = asked.number("resourceVersion").unwrap_or_default();
    let mut gone = shared.state().gone;
    if asked.get("sendInitialEvents") == Some("true") {
        let objects = {
            let state = shared.state();
            (at, gone) = (state.revision, state.gone);
            state.objects[asked.kind].clone()
        };
        for object in &objects {
            body.event("ADDED", object)?;
        }
        body.event("BOOKMARK", &bookmark(asked.kind, at, true))?;
        body.flush()?;
        shared.state().lists += 1;
    }
    let mut next_bookmark = Instant::now() + BOOKMARK;
    loop {
        let events: Vec<Arc<str>> = {
            let mut state = shared.state();
            loop {
                if at < state.compacted || gone != state.gone {
                    drop(state);
                    return body.event("ERROR", GONE);
                }
                let events = &state.events[asked.kind];
                let first = events.partition_point(|(revision, _)| *revision <= at);
                if first < events.len() || Instant::now() >= end.min(next_bookmark) {
                    let new = events.range(first..).map(|(_, object)| Arc::clone(object)).collect();
                    at = state.revision;
                    break new;
                }
                let wait = end.min(next_bookmark).saturating_duration_since(Instant::now());
                let waited = shared.news.wait_timeout(state, wait);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        };
        for object in &events {
            body.event("MODIFIED", object)?;
        }
        let now = Instant::now();
        if now >= next_bookmark {
            next_bookmark = now + BOOKMARK;
            body.event("BOOKMARK", &bookmark(asked.kind, at, false))?;
        }
        body.flush()?;
        if now >= end {
            return Ok(());
        }
    }
}

fn bookmark(kind: usize, revision: u64, ends: bool) -> String {
    let (_, list, version) = RESOURCES[kind];
    let kind = list.trim_end_matches("List");
    let annotations = if ends { r#""k8s.io/initial-events-end":"true""# } else { "" };
    format!(
        r#"{{"kind":"{kind}","apiVersion":"{version}","metadata":{{"resourceVersion":"{revision}","creationTimestamp":null,"annotations":{{{annotations}}}}}}}"#
    )
}
