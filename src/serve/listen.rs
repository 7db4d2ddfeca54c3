//! Opens the sockets: one UDP socket a worker and one TCP listener for each address.
//!
//! The first UDP socket of an address is bound without `SO_REUSEPORT`, so that it fails where
//! anybody holds the port, be it another server of the same user that would share it silently;
//! only then is the option set, and the others join it.
#![forbid(unsafe_code)]

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tracing::{debug, warn};

use super::sys;
use crate::config::Listen;

/// Octets asked for as receive buffer: some 5,000 queries, what a worker answers in the time that
/// the scheduler may take it off its processor.
const RECEIVE_BUFFER: u32 = 4 << 20;

/// Octets asked for as send buffer: a batch of the largest responses, with the kernel's own cost.
const SEND_BUFFER: u32 = 1 << 20;

/// Connections that may wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

/// How often another port is tried where the kernel may choose one and the one that it chose for
/// UDP is taken for TCP.
const PORT_TRIES: usize = 16;

/// Why the server cannot start. `main` ends with exit status 2 for each of these.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Somebody holds the port.
    #[error(
        "cannot listen on {address} ({transport}): the port is in use; stop the process that holds \
         it (`ss -lntup` names it) or choose another address with --listen, or with 'bind' and the \
         port behind the zone in a Corefile"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// `udp` or `tcp`.
        transport: &'static str,
    },
    /// Two of the addresses that are wanted hold each other's port.
    #[error(
        "cannot listen on {wildcard} and on {address} beside it: the first is every address of this \
         host already; keep one of them"
    )]
    Overlap {
        /// The one that is every address.
        wildcard: SocketAddr,
        /// The other.
        address: SocketAddr,
    },
    /// The user may not bind it.
    #[error(
        "cannot listen on {address} ({transport}): permission denied; ports below 1024 need \
         CAP_NET_BIND_SERVICE or root, so grant it or choose a higher port with --listen"
    )]
    Denied {
        /// The address.
        address: SocketAddr,
        /// `udp` or `tcp`.
        transport: &'static str,
    },
    /// The address is none of this host's.
    #[error(
        "cannot listen on {address} ({transport}): this host has no such address; choose one that \
         `ip address` shows, or a wildcard, with --listen"
    )]
    NoSuchAddress {
        /// The address.
        address: SocketAddr,
        /// `udp` or `tcp`.
        transport: &'static str,
    },
    /// Anything else that keeps a socket from being opened.
    #[error("cannot listen on {address} ({transport}): {source}")]
    Socket {
        /// The address.
        address: SocketAddr,
        /// `udp` or `tcp`.
        transport: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no address to listen on.
    #[error("there is no address to listen on; name one with --listen")]
    Nowhere,
    /// A thread or the runtime could not be started.
    #[error("cannot start {what}: {source}; look at the limits of threads and open files")]
    Start {
        /// What was to be started.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl ServeError {
    fn of(address: SocketAddr, transport: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address, transport },
            io::ErrorKind::PermissionDenied => Self::Denied { address, transport },
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress { address, transport },
            _ => Self::Socket { address, transport, source },
        }
    }
}

/// Open sockets: for each address one TCP listener and some UDP sockets that share its port.
///
/// They are what a server answers from, and can be shared: with a server that takes the place of
/// another one, or with another process. A socket's queue belongs to all who have it, so that
/// nothing in it is lost while one of them goes on.
#[derive(Debug)]
pub struct Sockets(pub(super) Vec<Bound>);

/// The sockets of one address.
#[derive(Debug)]
pub(super) struct Bound {
    /// As it came out: with the port that the kernel chose where none was named.
    pub(super) address: SocketAddr,
    /// One for each worker.
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: TcpListener,
    /// Somebody else has answered from them: the kernel's count of drops does not begin at 0.
    pub(super) used: bool,
}

impl Sockets {
    /// Opens everything, or nothing. An address named twice is opened once.
    pub fn open(listen: &[Listen], workers: usize) -> Result<Self, ServeError> {
        let mut bound: Vec<Bound> = Vec::with_capacity(listen.len());
        for (index, wanted) in listen.iter().enumerate() {
            let same = |other: &Listen| other.address == wanted.address;
            if wanted.address.port() != 0 && listen.iter().take(index).any(same) {
                continue;
            }
            match open_address(wanted.address, workers) {
                Ok(sockets) => bound.push(sockets),
                Err(error) if wanted.implied && lacks_ipv6(&error) => {
                    let address = wanted.address;
                    warn!(%address, "IPv6 is off on this host: not listening there");
                }
                Err(ServeError::InUse { .. }) if let Some(overlap) = overlap(listen, wanted) => {
                    return Err(overlap);
                }
                Err(error) => return Err(error),
            }
        }
        if bound.is_empty() { Err(ServeError::Nowhere) } else { Ok(Self(bound)) }
    }

    /// Sockets that another process has opened: one TCP listener, and the UDP sockets that share
    /// its port.
    pub fn of_address(tcp: TcpListener, udp: Vec<UdpSocket>) -> io::Result<Self> {
        let address = tcp.local_addr()?;
        for socket in &udp {
            if socket.local_addr()? != address {
                return Err(io::Error::other(format!("a UDP socket is not bound to {address}")));
            }
            socket.set_nonblocking(true)?;
        }
        tcp.set_nonblocking(true)?;
        Ok(Self(vec![Bound { address, udp, tcp, used: true }]))
    }

    /// The addresses, with the ports that the kernel chose.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|bound| bound.address)
    }

    /// The sockets of each address.
    pub fn by_address(&self) -> impl Iterator<Item = (SocketAddr, &TcpListener, &[UdpSocket])> {
        self.0.iter().map(|bound| (bound.address, &bound.tcp, &*bound.udp))
    }

    /// The same sockets once more.
    pub fn try_clone(&self) -> io::Result<Self> {
        let again = |bound: &Bound| {
            let udp = bound.udp.iter().map(UdpSocket::try_clone).collect::<io::Result<_>>()?;
            Ok(Bound { address: bound.address, udp, tcp: bound.tcp.try_clone()?, used: true })
        };
        self.0.iter().map(again).collect::<io::Result<_>>().map(Self)
    }

    /// Takes out those of one address.
    #[must_use]
    pub fn take(&mut self, address: SocketAddr) -> Option<Self> {
        let at = self.0.iter().position(|bound| bound.address == address)?;
        Some(Self(vec![self.0.swap_remove(at)]))
    }

    /// Adds those of other addresses.
    pub fn add(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// Opens more UDP sockets where there are fewer than workers.
    pub(super) fn suffice(&mut self, workers: usize) -> Result<(), ServeError> {
        for Bound { address, udp, .. } in &mut self.0 {
            while udp.len() < workers {
                let socket = open_udp(*address, false);
                udp.push(socket.map_err(|source| ServeError::of(*address, "udp", source))?);
            }
        }
        Ok(())
    }
}

/// Another wanted address that keeps this one's port from being had.
fn overlap(listen: &[Listen], wanted: &Listen) -> Option<ServeError> {
    let is_every = |address: SocketAddr| address.ip().is_unspecified();
    let other = listen.iter().map(|listen| listen.address).find(|other| {
        (other.port(), other.is_ipv4()) == (wanted.address.port(), wanted.address.is_ipv4())
            && is_every(*other) != is_every(wanted.address)
    })?;
    let (wildcard, address) =
        if is_every(other) { (other, wanted.address) } else { (wanted.address, other) };
    Some(ServeError::Overlap { wildcard, address })
}

fn lacks_ipv6(error: &ServeError) -> bool {
    match error {
        ServeError::NoSuchAddress { address, .. } => address.is_ipv6(),
        ServeError::Socket { address, source, .. } => {
            address.is_ipv6() && source.raw_os_error() == Some(libc::EAFNOSUPPORT)
        }
        _ => false,
    }
}

fn open_address(wanted: SocketAddr, workers: usize) -> Result<Bound, ServeError> {
    let mut tries = if wanted.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match open_pair(wanted, workers) {
            Err(ServeError::InUse { transport: "tcp", .. }) if tries > 0 => {}
            outcome => return outcome,
        }
    }
}

fn open_pair(wanted: SocketAddr, workers: usize) -> Result<Bound, ServeError> {
    let udp_fault = |source| ServeError::of(wanted, "udp", source);
    let first = open_udp(wanted, true).map_err(udp_fault)?;
    let address = first.local_addr().map_err(udp_fault)?;
    let tcp = open_tcp(address).map_err(|source| ServeError::of(address, "tcp", source))?;
    let mut udp = vec![first];
    for _ in 1..workers {
        udp.push(open_udp(address, false).map_err(udp_fault)?);
    }
    Ok(Bound { address, udp, tcp, used: false })
}

fn open_udp(address: SocketAddr, first: bool) -> io::Result<UdpSocket> {
    let v6 = address.is_ipv6();
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if v6 {
        socket.set_only_v6(true)?;
    }
    // Before the socket is bound, so that no datagram comes in without them.
    sys::report_drops(socket.as_fd())?;
    if address.ip().is_unspecified() {
        sys::report_destination(socket.as_fd(), v6)?;
    }
    sys::ignore_path_mtu(socket.as_fd(), v6)?;
    if sys::force_receive_buffer(socket.as_fd(), RECEIVE_BUFFER.cast_signed()).is_err() {
        // The kernel cuts these to its limits by itself.
        socket.set_recv_buffer_size(RECEIVE_BUFFER as usize)?;
    }
    socket.set_send_buffer_size(SEND_BUFFER as usize)?;
    socket.set_nonblocking(true)?;
    if !first {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    if first {
        socket.set_reuse_port(true)?;
        debug!(%address, octets = socket.recv_buffer_size().unwrap_or(0), "UDP receive buffer");
    }
    Ok(socket.into())
}

fn open_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // So that connections of a former run that are still timing out do not hold the port.
    socket.set_reuse_address(true)?;
    // What is accepted inherits it.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
