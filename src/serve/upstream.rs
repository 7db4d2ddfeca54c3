//! The plainest forward: one query to one upstream after the other, the reply handed back whole.
//!
//! Awaited on the runtime by whoever finishes deferred queries. Guards against forged replies as
//! RFC 5452 asks: a random ID, a random port, a socket that hears that upstream alone, and the
//! question compared.
#![forbid(unsafe_code)]

mod message;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::message::{Question, set_id, truncated};
use super::Transport;

/// How long one upstream may take, over UDP and then TCP where it comes to that. Resolvers that
/// have to ask the Internet answer within it nearly always.
pub const EXCHANGE_TIME: Duration = Duration::from_secs(2);

/// How long all upstreams together may take: less than the 5 seconds after which a stub resolver
/// asks again.
pub const ASK_TIME: Duration = Duration::from_secs(4);

/// Sockets to upstreams open at a time; more queries wait for one. What
/// `max_concurrent` of `forward` usually says.
pub const MAX_UPSTREAM_SOCKETS: usize = 1000;

/// Octets of the largest reply taken from a datagram; a larger one is asked for over TCP.
const MAX_DATAGRAM: usize = 4096;

/// Why there is no reply.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// Nobody to ask.
    #[error("there is no upstream to ask; name one with --upstream or `forward`")]
    Nobody,
    /// The query has no header, not one question, or a question that cannot be read.
    #[error("the query cannot be forwarded: it is no message with one whole question")]
    Query,
    /// No reply that fits the query came in time.
    #[error("upstream {upstream} gave no fitting reply within {} ms", limit.as_millis())]
    Timeout {
        /// Who was asked.
        upstream: SocketAddr,
        /// How long it was waited for.
        limit: Duration,
    },
    /// It cannot be reached, or has hung up.
    #[error("upstream {upstream} cannot be reached over {protocol}: {source}")]
    Unreachable {
        /// Who was asked.
        upstream: SocketAddr,
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// It has sent, over TCP, what cannot be a DNS message.
    #[error("upstream {upstream} sent a message of {length} octets, which is no DNS message")]
    Malformed {
        /// Who was asked.
        upstream: SocketAddr,
        /// The length it stated.
        length: usize,
    },
    /// All sockets were in use for the whole time.
    #[error("no upstream was asked: {MAX_UPSTREAM_SOCKETS} queries are waiting for theirs already")]
    Busy,
}

/// Servers that are asked for what is not ours.
#[derive(Debug)]
pub struct Upstreams {
    to: Vec<SocketAddr>,
    /// The one that replied last, asked first next time, so that a dead one costs its time-out
    /// once and not for every query.
    first: AtomicUsize,
    sockets: Semaphore,
    exchange_time: Duration,
    ask_time: Duration,
}

impl Upstreams {
    /// Asks these, in their order.
    pub fn new(to: Vec<SocketAddr>) -> Self {
        Self {
            to,
            first: AtomicUsize::new(0),
            sockets: Semaphore::new(MAX_UPSTREAM_SOCKETS),
            exchange_time: EXCHANGE_TIME,
            ask_time: ASK_TIME,
        }
    }

    /// With other times than [`EXCHANGE_TIME`] and [`ASK_TIME`].
    #[must_use]
    pub fn with_times(self, exchange_time: Duration, ask_time: Duration) -> Self {
        Self { exchange_time, ask_time, ..self }
    }

    /// Asks one after the other until one replies. `query` is a whole message with one question;
    /// it goes out as it is, but for its ID. The reply comes back with the query's own ID. Over
    /// UDP a truncated reply is asked for again over TCP; a client of a stream is served over TCP
    /// throughout. A reply of any RCODE is a reply.
    ///
    /// # Errors
    /// The last upstream's, where none has replied.
    pub async fn ask(&self, query: &[u8], transport: Transport) -> Result<Vec<u8>, UpstreamError> {
        let question = Question::of(query).ok_or(UpstreamError::Query)?;
        let first = self.first.load(Relaxed);
        let mut last = UpstreamError::Nobody;
        let asking = async {
            let Ok(_permit) = self.sockets.acquire().await else { return Err(UpstreamError::Busy) };
            for turn in 0..self.to.len() {
                let index = first.wrapping_add(turn) % self.to.len();
                let Some(&upstream) = self.to.get(index) else { continue };
                last = UpstreamError::Timeout { upstream, limit: self.exchange_time };
                let exchange = self.exchange(upstream, query, &question, transport);
                match timeout(self.exchange_time, exchange).await {
                    Ok(Ok(mut reply)) => {
                        if turn != 0 {
                            self.first.store(index, Relaxed);
                        }
                        set_id(&mut reply, question.id());
                        return Ok(Some(reply));
                    }
                    Ok(Err(error)) => last = error,
                    Err(_) => {}
                }
            }
            Ok(None)
        };
        match timeout(self.ask_time, asking).await {
            Ok(Ok(Some(reply))) => Ok(reply),
            Ok(Err(error)) => Err(error),
            // Nobody was even tried, since no socket came free.
            Err(_) if matches!(last, UpstreamError::Nobody) => Err(UpstreamError::Busy),
            Ok(Ok(None)) | Err(_) => Err(last),
        }
    }

    async fn exchange(
        &self,
        upstream: SocketAddr,
        query: &[u8],
        question: &Question<'_>,
        transport: Transport,
    ) -> Result<Vec<u8>, UpstreamError> {
        if transport == Transport::Udp {
            let fault = |source| UpstreamError::Unreachable { upstream, protocol: "UDP", source };
            let reply = over_udp(upstream, query, question).await.map_err(fault)?;
            if !truncated(&reply) && reply.len() <= MAX_DATAGRAM {
                return Ok(reply);
            }
        }
        over_tcp(upstream, query, question).await
    }
}

async fn over_udp(
    upstream: SocketAddr,
    query: &[u8],
    question: &Question<'_>,
) -> io::Result<Vec<u8>> {
    // Connected before it is bound, so that it never hears anybody else; the kernel then chooses
    // a random port.
    let kind = Type::DGRAM.nonblocking();
    let socket = Socket::new(Domain::for_address(upstream), kind, Some(Protocol::UDP))?;
    socket.connect(&upstream.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    let (id, query) = renumbered(query)?;
    socket.send(&query).await?;
    // One octet more than is taken tells a longer reply.
    let mut reply = vec![0; MAX_DATAGRAM + 1];
    loop {
        let length = socket.recv(&mut reply).await?;
        if let Some(message) = reply.get(..length)
            && question.answered_by(message, id)
        {
            reply.truncate(length);
            return Ok(reply);
        }
    }
}

async fn over_tcp(
    upstream: SocketAddr,
    query: &[u8],
    question: &Question<'_>,
) -> Result<Vec<u8>, UpstreamError> {
    let fault = |source| UpstreamError::Unreachable { upstream, protocol: "TCP", source };
    let length = u16::try_from(query.len()).map_err(|_| UpstreamError::Query)?;
    let (id, query) = renumbered(query).map_err(fault)?;
    let mut stream = TcpStream::connect(upstream).await.map_err(fault)?;
    stream.set_nodelay(true).map_err(fault)?;
    // Length and message in one segment (RFC 7766, section 8).
    let framed = [&length.to_be_bytes(), query.as_slice()].concat();
    stream.write_all(&framed).await.map_err(fault)?;
    loop {
        let length = usize::from(stream.read_u16().await.map_err(fault)?);
        if length < message::HEADER {
            return Err(UpstreamError::Malformed { upstream, length });
        }
        let mut reply = vec![0; length];
        stream.read_exact(&mut reply).await.map_err(fault)?;
        if question.answered_by(&reply, id) {
            return Ok(reply);
        }
    }
}

/// The query under an ID that nobody can guess.
fn renumbered(query: &[u8]) -> io::Result<(u16, Vec<u8>)> {
    let [high, low, ..] = getrandom::u32().map_err(io::Error::other)?.to_ne_bytes();
    let id = u16::from_be_bytes([high, low]);
    let mut query = query.to_vec();
    set_id(&mut query, id);
    Ok((id, query))
}
