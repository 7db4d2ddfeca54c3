//! A small HTTP server for probes and metrics, on the thread `http`.
//!
//! It shares nothing with the threads that answer DNS: whoever floods it, or reads slowly, keeps at
//! most other scrapers waiting. One request a connection, so that no idle one takes up room.
#![forbid(unsafe_code)]

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Connections open at a time: kubelet and some scrapers have one each, for a moment.
const CONNECTIONS: usize = 128;
/// Connections open at a time for one client address, so that no single one keeps kubelet out.
const CONNECTIONS_PER_CLIENT: usize = 16;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// Octets of a request's head: hyper's least. A probe's has some 100.
const HEAD: usize = 8 * 1_024;
/// Fields of a request's head.
const FIELDS: usize = 64;
/// How long a head may take to arrive.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a connection may last: Prometheus gives up after as long where nothing is said.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// The pause after the kernel could not accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a page says.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Reply {
    /// A text for people and probes.
    pub(super) fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// Makes a page's reply, on the thread `http`; while it does, nobody else is served there.
pub(super) type Page = Arc<dyn Fn() -> Reply + Send + Sync>;

/// A page, and who asked for it where.
pub(super) struct Site {
    pub(super) address: SocketAddr,
    pub(super) path: &'static str,
    /// How an operator writes it, for a complaint: `--health` or `the directive 'health'`.
    pub(super) asked_by: String,
    pub(super) page: Page,
}

/// A running server. Dropped, it ends, and cuts what connections there are.
pub(super) struct Http {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Where each path is served, with the port that the kernel chose.
pub(super) type Addresses = BTreeMap<&'static str, SocketAddr>;

type Pages = BTreeMap<&'static str, Page>;

impl Http {
    /// Opens a listener for each address, which all sites that name it share, and starts to serve.
    /// `beside` is told where each path is served, and may work on the same thread.
    pub(super) fn start<F>(
        sites: Vec<Site>,
        beside: impl FnOnce(&Addresses) -> Option<F>,
    ) -> anyhow::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut shared: BTreeMap<SocketAddr, (StdListener, SocketAddr, Pages)> = BTreeMap::new();
        let mut addresses = Addresses::new();
        for Site { address, path, asked_by, page } in sites {
            let (_, bound, pages) = match shared.entry(address) {
                Entry::Occupied(found) => found.into_mut(),
                Entry::Vacant(vacant) => {
                    let (listener, bound) =
                        open(address).map_err(|error| refused(&asked_by, address, &error))?;
                    vacant.insert((listener, bound, Pages::new()))
                }
            };
            pages.insert(path, page);
            addresses.insert(path, *bound);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime of probes and metrics")?;
        for (_, bound, pages) in shared.values() {
            let paths: Vec<&str> = pages.keys().copied().collect();
            tracing::info!(at = %bound, "{} can be asked for over HTTP", paths.join(", "));
        }
        let beside = beside(&addresses);
        let (stop, stopped) = oneshot::channel::<()>();
        let run = move || {
            runtime.block_on(async {
                let guests = Arc::<Guests>::default();
                for (_, (listener, _, pages)) in shared {
                    tokio::spawn(accept(listener, Arc::new(pages), Arc::clone(&guests)));
                }
                if let Some(beside) = beside {
                    tokio::spawn(beside);
                }
                let _ = stopped.await;
            });
        };
        let thread = Builder::new()
            .name("http".into())
            .spawn(run)
            .context("cannot start the thread of probes and metrics")?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of probes and metrics has panicked");
        }
    }
}

/// Why an address cannot be had, with the cure.
fn refused(asked_by: &str, address: SocketAddr, error: &io::Error) -> anyhow::Error {
    let cure = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is in use; stop what listens there (`ss -ltnp` shows it), or name another port"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE; name a higher one"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this host has no such address; choose one that `ip address` shows, or none for all"
        }
        _ => return anyhow::anyhow!("{asked_by}: cannot listen on {address}: {error}"),
    };
    anyhow::anyhow!("{asked_by}: cannot listen on {address}: {cure}")
}

/// Opens a listener; the IPv6 wildcard stands for both families, or for IPv4 where IPv6 is off.
fn open(address: SocketAddr) -> io::Result<(StdListener, SocketAddr)> {
    let opened = open_one(address);
    let is_wildcard = address.is_ipv6() && address.ip().is_unspecified();
    let lacks_ipv6 = |error: &io::Error| {
        error.raw_os_error() == Some(libc::EAFNOSUPPORT)
            || error.kind() == io::ErrorKind::AddrNotAvailable
    };
    match opened {
        Err(error) if is_wildcard && lacks_ipv6(&error) => {
            open_one(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        opened => opened,
    }
}

fn open_one(address: SocketAddr) -> io::Result<(StdListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // What an earlier run has left in TIME_WAIT does not count.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = StdListener::from(socket);
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

async fn accept(listener: StdListener, pages: Arc<Pages>, guests: Arc<Guests>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "probes and metrics cannot be served");
            return;
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                if let Some(guest) = guests.admit(from.ip().to_canonical()) {
                    tokio::spawn(serve(stream, Arc::clone(&pages), guest));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection for probes and metrics");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, pages: Arc<Pages>, _guest: Guest) {
    let service = service_fn(|request| {
        let response = respond(&pages, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD)
        .max_headers(FIELDS);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_TIME, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request for probes or metrics is broken"),
        Err(_) => tracing::debug!("a client of probes or metrics is too slow"),
    }
}

fn respond<B>(pages: &Pages, request: &Request<B>) -> Response<Full<Bytes>> {
    let reply = match pages.get(request.uri().path()) {
        None => Reply::text(StatusCode::NOT_FOUND, "not found\n"),
        Some(page) if [Method::GET, Method::HEAD].contains(request.method()) => page(),
        Some(_) => Reply::text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n"),
    };
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    if reply.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// Who is being served.
#[derive(Default)]
struct Guests(Mutex<HashMap<IpAddr, usize>>);

impl Guests {
    /// Lets one more connection of a client in, unless it or all clients have enough.
    fn admit(self: &Arc<Self>, client: IpAddr) -> Option<Guest> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_client = open.get(&client).copied().unwrap_or(0);
        if of_client >= CONNECTIONS_PER_CLIENT || open.values().sum::<usize>() >= CONNECTIONS {
            return None;
        }
        open.insert(client, of_client + 1);
        Some(Guest { guests: Arc::clone(self), client })
    }
}

/// A connection that counts, as long as it is held.
struct Guest {
    guests: Arc<Guests>,
    client: IpAddr,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut open = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_keeps_the_others_out() {
        let guests = Arc::<Guests>::default();
        let client = |n: u8| IpAddr::from([192, 0, 2, n]);
        let all_of =
            |n| (0..=CONNECTIONS).map_while(|_| guests.admit(client(n))).collect::<Vec<_>>();
        let greedy = all_of(1);
        assert_eq!(greedy.len(), CONNECTIONS_PER_CLIENT);
        let rest: Vec<Vec<Guest>> = (2..20).map(all_of).collect();
        assert_eq!(greedy.len() + rest.iter().map(Vec::len).sum::<usize>(), CONNECTIONS);
        assert!(guests.admit(client(99)).is_none());
        drop(greedy);
        assert!(guests.admit(client(99)).is_some());
        drop(rest);
        assert!(guests.0.lock().unwrap().is_empty());
    }
}
