//! Queries over connections, each behind its length (RFC 1035, section 4.2.2): one at a time, and
//! the connection kept for the next.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::UpstreamError;
use super::message::{HEADER, Question, renumbered};
use super::peer::Peer;
use super::pool::Connection;
use crate::config::Forward;

/// Asks over a kept connection or, where there is none or it turns out to be closed, over a new one.
pub(super) async fn exchange(
    peer: &Arc<Peer>,
    rules: &Forward,
    query: &[u8],
    question: &Question<'_>,
) -> Result<Vec<u8>, UpstreamError> {
    let keep = Peer::keep(rules);
    if let Some(mut kept) = peer.pool().take(&keep) {
        // Whatever fails here, the upstream may have hung up on a connection that was idle.
        if let Ok(reply) = converse(peer, &mut kept.stream, query, question).await {
            peer.keep_open(kept, keep);
            return Ok(reply);
        }
    }
    let stream = connect(peer, rules).await?;
    let mut connection = Connection::new(stream);
    let reply = converse(peer, &mut connection.stream, query, question).await?;
    peer.keep_open(connection, keep);
    Ok(reply)
}

async fn connect(peer: &Peer, rules: &Forward) -> Result<TcpStream, UpstreamError> {
    let upstream = peer.address();
    let connecting = async {
        let socket = match upstream {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        if let Some(source) = rules.source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(upstream).await?;
        stream.set_nodelay(true)?;
        io::Result::Ok(stream)
    };
    let fault = |source| UpstreamError::Unreachable { upstream, protocol: "TCP", source };
    connecting.await.map_err(fault)
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    peer: &Peer,
    stream: &mut S,
    query: &[u8],
    question: &Question<'_>,
) -> Result<Vec<u8>, UpstreamError> {
    let upstream = peer.address();
    let fault = |source| UpstreamError::Unreachable { upstream, protocol: "TCP", source };
    let length = u16::try_from(query.len()).map_err(|_| UpstreamError::Query)?;
    let (id, query) = renumbered(query).map_err(fault)?;
    // Length and message in one segment (RFC 7766, section 8).
    let framed = [&length.to_be_bytes(), query.as_slice()].concat();
    stream.write_all(&framed).await.map_err(fault)?;
    stream.flush().await.map_err(fault)?;
    drop((framed, query));
    loop {
        let length = usize::from(stream.read_u16().await.map_err(fault)?);
        if length < HEADER {
            return Err(UpstreamError::Malformed { upstream, length });
        }
        // It grows as octets come: a stated length alone takes no room.
        let mut reply = Vec::new();
        let whole = (&mut *stream).take(length as u64);
        { whole }.read_to_end(&mut reply).await.map_err(fault)?;
        if reply.len() < length {
            return Err(fault(io::ErrorKind::UnexpectedEof.into()));
        }
        if question.answered_by(&reply, id) {
            return Ok(reply);
        }
    }
}
