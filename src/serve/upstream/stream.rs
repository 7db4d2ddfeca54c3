//! Queries over connections, each behind its length (RFC 1035, section 4.2.2): one at a time, and
//! the connection kept for the next.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::message::{HEADER, Question, renumbered};
use super::peer::Peer;
use super::pool::{Connection, Line};
use super::{UpstreamError, tls};
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
        if let Ok(reply) = ask(peer, &mut kept, query, question).await {
            peer.account.kept.add_shared(1);
            peer.keep_open(kept, keep);
            return Ok(reply);
        }
    }
    peer.account.new.add_shared(1);
    let mut connection = Connection::new(connect(peer, rules).await?);
    let reply = ask(peer, &mut connection, query, question).await?;
    peer.keep_open(connection, keep);
    Ok(reply)
}

async fn ask(
    peer: &Peer,
    connection: &mut Connection,
    query: &[u8],
    question: &Question<'_>,
) -> Result<Vec<u8>, UpstreamError> {
    match &mut connection.line {
        Line::Clear(stream) => converse(peer, stream, query, question).await,
        Line::Secure(stream) => converse(peer, stream, query, question).await,
    }
}

async fn connect(peer: &Peer, rules: &Forward) -> Result<Line, UpstreamError> {
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
    let stream = connecting.await.map_err(|source| peer.broken(source))?;
    let Some(secure) = peer.secure() else { return Ok(Line::Clear(stream)) };
    let distrusted = |source| {
        let cure = tls::cure(&source);
        UpstreamError::Distrusted { upstream, source, cure }
    };
    let shaken = secure.shake_hands(stream).await.map_err(distrusted)?;
    Ok(Line::Secure(Box::new(shaken)))
}

impl Peer {
    /// A connection to it does not come about, or has ended.
    fn broken(&self, source: io::Error) -> UpstreamError {
        let protocol = if self.secure().is_some() { "TLS" } else { "TCP" };
        UpstreamError::Unreachable { upstream: self.address(), protocol, source }
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    peer: &Peer,
    stream: &mut S,
    query: &[u8],
    question: &Question<'_>,
) -> Result<Vec<u8>, UpstreamError> {
    let upstream = peer.address();
    let fault = |source| peer.broken(source);
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
