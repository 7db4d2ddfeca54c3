//! Who asks, for whatever hangs on that: access lists, logs, metrics.
//!
//! A query thread makes an [`Asker`] for each datagram without reading a thing: the address stays
//! where the kernel wrote it until somebody wants to know.
#![forbid(unsafe_code)]

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Transport;
use super::sys::Envelope;

/// A client, as far as a query tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Client {
    /// Where the query came from and the response goes.
    pub from: SocketAddr,
    /// The address and port that it was sent to; absent where another server's sockets took it.
    pub local: Option<SocketAddr>,
    /// How it came.
    pub transport: Transport,
}

/// The client of the query at hand: free to make and to hand on, read when asked.
#[derive(Clone, Copy)]
pub struct Asker<'a>(Seat<'a>);

#[derive(Clone, Copy)]
enum Seat<'a> {
    Known(&'a Client),
    Datagram { envelope: Envelope<'a>, bound: &'a SocketAddr },
}

impl<'a> Asker<'a> {
    /// One that is known already.
    pub fn of(client: &'a Client) -> Self {
        Self(Seat::Known(client))
    }

    /// The sender of a datagram that came to a socket bound to `bound`.
    pub(super) fn datagram(envelope: Envelope<'a>, bound: &'a SocketAddr) -> Self {
        Self(Seat::Datagram { envelope, bound })
    }

    /// How the query came.
    #[inline]
    pub fn transport(&self) -> Transport {
        match self.0 {
            Seat::Known(client) => client.transport,
            Seat::Datagram { .. } => Transport::Udp,
        }
    }

    /// Whether it came over IPv4.
    #[inline]
    pub fn is_ipv4(&self) -> bool {
        match self.0 {
            Seat::Known(client) => client.from.is_ipv4(),
            Seat::Datagram { envelope, .. } => envelope.is_ipv4(),
        }
    }

    /// Where it came from. The kernel names a peer for each datagram; were it of neither family,
    /// this is 0.0.0.0, port 0.
    pub fn from(&self) -> SocketAddr {
        match self.0 {
            Seat::Known(client) => client.from,
            Seat::Datagram { envelope, .. } => {
                envelope.peer().unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0))
            }
        }
    }

    /// The address and port that it was sent to; absent where another server's sockets took it.
    pub fn local(&self) -> Option<SocketAddr> {
        match self.0 {
            Seat::Known(client) => client.local,
            Seat::Datagram { envelope, bound } => {
                Some(SocketAddr::new(envelope.local().unwrap_or(bound.ip()), bound.port()))
            }
        }
    }

    /// The address of the socket that it came to: a wildcard where that is bound to one.
    #[inline]
    pub(crate) fn door(&self) -> Option<IpAddr> {
        match self.0 {
            Seat::Known(client) => client.local.map(|local| local.ip()),
            Seat::Datagram { bound, .. } => Some(bound.ip()),
        }
    }

    /// All of it, to keep.
    pub fn client(&self) -> Client {
        Client { from: self.from(), local: self.local(), transport: self.transport() }
    }
}

impl fmt::Debug for Asker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client().fmt(f)
    }
}
