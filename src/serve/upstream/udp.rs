//! One query in a datagram of its own, from a socket and a port of its own.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::net::{RecvFlags, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::message::{Question, renumbered};

/// Octets of the largest reply taken from a datagram; a larger one is asked for over TCP.
pub(super) const MAX_DATAGRAM: usize = 4096;

/// Asks, and waits for a reply that fits. One that is longer than [`MAX_DATAGRAM`] comes cut.
pub(super) async fn exchange(
    upstream: SocketAddr,
    source: Option<IpAddr>,
    query: &[u8],
    question: &Question<'_>,
) -> io::Result<Vec<u8>> {
    // The kernel chooses a random port.
    let kind = Type::DGRAM.nonblocking();
    let socket = Socket::new(Domain::for_address(upstream), kind, Some(Protocol::UDP))?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect(&upstream.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    let (id, query) = renumbered(query)?;
    socket.send(&query).await?;
    drop(query);
    // The kernel tells a refusal as an error, and not as something to read.
    let theirs = (upstream.ip(), upstream.port());
    let heard = Interest::READABLE | Interest::ERROR;
    loop {
        let receive = || {
            // Room is made once something is there: whoever waits for a silent upstream holds none.
            // One octet more than is taken tells a longer reply.
            let mut reply = vec![0; MAX_DATAGRAM + 1];
            let (length, _, from) = recvfrom(&socket, &mut *reply, RecvFlags::empty())?;
            reply.truncate(length);
            Ok((reply, from.and_then(|from| SocketAddr::try_from(from).ok())))
        };
        let (mut reply, from) = socket.async_io(heard, receive).await?;
        // A socket that was bound first may have heard somebody else before it was connected.
        let is_theirs = from.is_some_and(|from| (from.ip(), from.port()) == theirs);
        if is_theirs && question.answered_by(&reply, id) {
            reply.shrink_to_fit();
            return Ok(reply);
        }
    }
}
