//! One `forward` in effect: which upstream is asked when, what is taken for its reply, and what
//! becomes of one that fails.
//!
//! Awaited on the runtime by whoever finishes deferred queries. Guards against forged replies as
//! RFC 5452 asks: a random ID, a random port, a socket that hears that upstream alone, and the
//! question compared.
#![forbid(unsafe_code)]

mod health;
mod message;
mod peer;
mod policy;
mod pool;
mod stream;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use self::message::{Question, is_bare, rcode, set_id};
use self::peer::Peer;
use self::policy::Order;
use super::Transport;
use crate::config::Forward;

/// How long one upstream may take, over UDP and then TCP where it comes to that, where
/// `read_timeout` says nothing. Resolvers that have to ask the Internet answer within it nearly
/// always.
pub const EXCHANGE_TIME: Duration = Duration::from_secs(2);

/// How long all upstreams together may take, unless `read_timeout` is longer: less than the 5
/// seconds after which a stub resolver asks again.
pub const ASK_TIME: Duration = Duration::from_secs(4);

/// Sockets to upstreams open at a time; more queries wait for one. What
/// `max_concurrent` of `forward` usually says.
pub const MAX_UPSTREAM_SOCKETS: usize = 1000;

/// How often a query is tried for each upstream, where `max_connect_attempts` says nothing: each
/// twice, as CoreDNS has it.
const ATTEMPTS_EACH: usize = 2;

/// The pause after all upstreams have failed, where attempts have no bound: refusals come at once,
/// and would be asked for in a loop without rest.
const ROUND_PAUSE: Duration = Duration::from_millis(50);

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
    /// Every upstream fails its health checks, and `failfast_all_unhealthy_upstreams` is set.
    #[error("no upstream was asked: all {upstreams} fail their health checks")]
    Unhealthy {
        /// How many there are.
        upstreams: usize,
    },
    /// All sockets were in use for the whole time.
    #[error("no upstream was asked: {MAX_UPSTREAM_SOCKETS} queries are waiting for theirs already")]
    Busy,
}

/// Servers that are asked for what is not ours.
#[derive(Debug)]
pub struct Upstreams {
    rules: Arc<Forward>,
    order: Order,
    peers: Vec<Arc<Peer>>,
    sockets: Semaphore,
    ask_time: Duration,
}

impl Upstreams {
    /// Asks as the directive says.
    pub fn new(forward: &Forward) -> Self {
        Self {
            rules: Arc::new(forward.clone()),
            order: Order::new(forward.policy),
            peers: forward.to.iter().map(|to| Arc::new(Peer::new(to.address))).collect(),
            sockets: Semaphore::new(MAX_UPSTREAM_SOCKETS),
            ask_time: ASK_TIME.max(forward.read_timeout.unwrap_or_default()),
        }
    }

    /// With another time than [`ASK_TIME`] for all upstreams together.
    #[must_use]
    pub fn within(self, ask_time: Duration) -> Self {
        Self { ask_time, ..self }
    }

    /// The directive.
    pub fn rules(&self) -> &Forward {
        &self.rules
    }

    /// Asks one upstream after the other until one replies. `query` is a whole message with one
    /// question; it goes out as it is, but for its ID. The reply comes back with the query's own ID.
    /// Over UDP a truncated reply is asked for again over TCP; a client of a stream is served over
    /// TCP throughout, unless the directive says otherwise. A reply of any RCODE is a reply, but for
    /// those of `failover` while there is another upstream.
    ///
    /// # Errors
    /// The last upstream's, where none has replied.
    pub async fn ask(&self, query: &[u8], transport: Transport) -> Result<Vec<u8>, UpstreamError> {
        let question = Question::of(query).ok_or(UpstreamError::Query)?;
        let deadline = Instant::now() + self.ask_time;
        let Ok(permit) = timeout_at(deadline, self.sockets.acquire()).await else {
            return Err(UpstreamError::Busy);
        };
        let mut reply = self.ask_by(deadline, query, &question, transport).await?;
        drop(permit);
        set_id(&mut reply, question.id());
        Ok(reply)
    }

    async fn ask_by(
        &self,
        deadline: Instant,
        query: &[u8],
        question: &Question<'_>,
        transport: Transport,
    ) -> Result<Vec<u8>, UpstreamError> {
        let peers = &*self.peers;
        let limit = self.rules.read_timeout.unwrap_or(EXCHANGE_TIME);
        let most = self.attempts(peers.len());
        let mut turns = self.order.turns(peers);
        let mut attempts = 0;
        let mut unwanted = 0;
        let mut said = Err(UpstreamError::Nobody);
        while attempts < most && Instant::now() < deadline {
            let Some(turn) = turns.next(peers, self.rules.max_fails) else { break };
            if turn.all_down && self.rules.fail_fast {
                return Err(UpstreamError::Unhealthy { upstreams: peers.len() });
            }
            if turn.again && most == usize::MAX {
                sleep_until(deadline.min(Instant::now() + ROUND_PAUSE)).await;
            }
            let (peer, until) = (turn.peer, deadline.min(Instant::now() + limit));
            let exchange = peer.exchange(&self.rules, query, question, transport);
            let upstream = peer.address();
            let asked = timeout_at(until, exchange).await;
            match asked.unwrap_or(Err(UpstreamError::Timeout { upstream, limit })) {
                Ok(reply) if self.rules.failover.contains(&rcode(&reply)) => {
                    unwanted += 1;
                    said = Ok(reply);
                    if unwanted >= peers.len() {
                        break;
                    }
                }
                Ok(reply) => return Ok(reply),
                Err(error) => {
                    attempts += 1;
                    health::look_after(peer, &self.rules);
                    // What one has said is more than that another says nothing.
                    if said.is_err() {
                        said = Err(error);
                    }
                    if turn.all_down {
                        break;
                    }
                }
            }
        }
        said
    }

    /// Whether this reply of an upstream is a reason to ask the next `forward`.
    pub fn passes_on(&self, reply: &[u8]) -> bool {
        let code = rcode(reply);
        self.rules.next.contains(&code) || self.rules.next_on_nodata && code == 0 && is_bare(reply)
    }

    /// How many attempts may fail; [`usize::MAX`] where time alone bounds them.
    fn attempts(&self, peers: usize) -> usize {
        match self.rules.max_connect_attempts {
            None => ATTEMPTS_EACH * peers,
            Some(0) => usize::MAX,
            Some(most) => usize::try_from(most).unwrap_or(usize::MAX),
        }
    }
}

/// Waits for an upstream at most so long.
async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> io::Result<T> {
    timeout(limit, work).await.map_err(|_| io::ErrorKind::TimedOut.into())
}
