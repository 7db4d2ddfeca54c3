//! One `forward` in effect: which upstream is asked when, what is taken for its reply, and what
//! becomes of one that fails.
//!
//! Awaited on the runtime by whoever finishes deferred queries. Guards against forged replies as
//! RFC 5452 asks: a random ID, a random port, a socket that hears that upstream alone, and the
//! question compared.
#![forbid(unsafe_code)]

mod account;
mod health;
mod message;
mod peer;
mod policy;
mod pool;
mod resolv;
mod stream;
mod tls;
mod udp;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::Sender;
use thiserror::Error;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

pub use self::account::{Exchanges, Forwarded, Replies};
use self::message::{Question, is_bare, rcode, set_id};
use self::policy::Order;
use self::resolv::Peers;
pub use self::tls::TlsFault;
use super::Transport;
use super::shares::{Full, Shares};
use super::tally::Count;
use crate::config::Forward;

/// How long one upstream may take, over UDP and then TCP where it comes to that, where
/// `read_timeout` says nothing. Resolvers that have to ask the Internet answer within it nearly
/// always.
pub const EXCHANGE_TIME: Duration = Duration::from_secs(2);

/// How long all upstreams together may take, unless `read_timeout` is longer: less than the 5
/// seconds after which a stub resolver asks again.
pub const ASK_TIME: Duration = Duration::from_secs(4);

/// Look-ups of one `forward` under way at a time, each with a socket, where `max_concurrent` says
/// nothing: half of the deferred queries, so that upstreams that are silent leave room for others.
pub const LOOK_UPS: usize = 4096;

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
        /// `UDP`, `TCP` or `TLS`.
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
    /// TLS with it does not come about.
    #[error("upstream {upstream} cannot be reached over TLS: {source}{cure}")]
    Distrusted {
        /// Who was asked.
        upstream: SocketAddr,
        /// What is wrong.
        source: io::Error,
        /// What can be done about it, behind a semicolon; empty where nobody knows.
        cure: &'static str,
    },
    /// The directive's own side of TLS is at fault, so that nobody is asked in the clear.
    #[error(transparent)]
    Tls(TlsFault),
    /// As many look-ups as may be are under way.
    #[error(
        "no upstream was asked: {limit} look-ups are under way, and more are refused (max_concurrent)"
    )]
    TooMany {
        /// How many may be.
        limit: usize,
    },
    /// This client has its share of them under way.
    #[error("no upstream was asked: the client has its share of {limit} look-ups (max_concurrent)")]
    TooManyOfClient {
        /// How many may be of all clients.
        limit: usize,
    },
}

/// Servers that are asked for what is not ours.
#[derive(Debug)]
pub struct Upstreams {
    rules: Arc<Forward>,
    order: Order,
    /// They speak TLS where they should, or nothing is asked at all.
    peers: Result<Peers, TlsFault>,
    /// Dropped, it lets files be that name upstreams.
    _follow: Option<Sender<()>>,
    look_ups: Arc<Shares>,
    /// Queries that found all upstreams down.
    broken: Count,
    ask_time: Duration,
}

impl Upstreams {
    /// Asks as the directive says.
    pub fn new(forward: &Forward) -> Self {
        let limit = forward.max_concurrent.and_then(|limit| usize::try_from(limit).ok());
        let (peers, follow) = match peers(forward) {
            Ok((peers, follow)) => (Ok(peers), follow),
            Err(fault) => (Err(fault), None),
        };
        Self {
            rules: Arc::new(forward.clone()),
            order: Order::new(forward.policy),
            peers,
            _follow: follow,
            look_ups: Arc::new(Shares::new(limit.unwrap_or(LOOK_UPS))),
            broken: Count::default(),
            ask_time: ASK_TIME.max(forward.read_timeout.unwrap_or_default()),
        }
    }

    /// With another time than [`ASK_TIME`] for all upstreams together.
    #[must_use]
    pub fn within(self, ask_time: Duration) -> Self {
        Self { ask_time, ..self }
    }

    /// What keeps TLS from being spoken where the directive wants it.
    pub fn fault(&self) -> Option<&TlsFault> {
        self.peers.as_ref().err()
    }

    /// The directive.
    pub fn rules(&self) -> &Forward {
        &self.rules
    }

    /// Whether a query of this client could be asked now; looking costs nobody anything.
    #[inline]
    pub fn room(&self, client: IpAddr) -> Result<(), Full> {
        self.look_ups.room(client)
    }

    /// Look-ups under way, each with a socket at most.
    pub fn under_way(&self) -> usize {
        self.look_ups.used()
    }

    /// What has passed so far.
    pub fn forwarded(&self) -> Forwarded {
        let peers = self.peers.as_ref().map(|peers| peers.load_full()).unwrap_or_default();
        let upstreams = peers.iter().map(|peer| peer.read()).collect();
        Forwarded { broken: self.broken.get(), upstreams }
    }

    /// Asks one upstream after the other until one replies. `query` is a whole message with one
    /// question; it goes out as it is, but for its ID. The reply comes back with the query's own ID.
    /// Over UDP a truncated reply is asked for again over TCP; a client of a stream is served over
    /// TCP throughout, unless the directive says otherwise. A reply of any RCODE is a reply, but for
    /// those of `failover` while there is another upstream. What is beyond the bound of `client`, or of
    /// all, is refused at once.
    ///
    /// # Errors
    /// The last upstream's, where none has replied.
    pub async fn ask(
        &self,
        query: &[u8],
        transport: Transport,
        client: IpAddr,
    ) -> Result<Vec<u8>, UpstreamError> {
        let question = Question::of(query).ok_or(UpstreamError::Query)?;
        let limit = self.look_ups.limit();
        let place = self.look_ups.take(client).map_err(|full| match full {
            Full::All => UpstreamError::TooMany { limit },
            Full::Client => UpstreamError::TooManyOfClient { limit },
        })?;
        let deadline = Instant::now() + self.ask_time;
        let mut reply = self.ask_by(deadline, query, &question, transport).await?;
        drop(place);
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
        let peers = self.peers.as_ref().map_err(|fault| UpstreamError::Tls(fault.clone()))?;
        let peers = &**peers.load_full();
        let limit = self.rules.read_timeout.unwrap_or(EXCHANGE_TIME);
        let most = self.attempts(peers.len());
        let mut turns = self.order.turns(peers);
        let mut attempts = 0;
        let mut unwanted = 0;
        let mut said = Err(UpstreamError::Nobody);
        while attempts < most && Instant::now() < deadline {
            let Some(turn) = turns.next(peers, self.rules.max_fails) else { break };
            if turn.all_down {
                self.broken.add_shared(1);
            }
            if turn.all_down && self.rules.fail_fast {
                return Err(UpstreamError::Unhealthy { upstreams: peers.len() });
            }
            if turn.again && most == usize::MAX {
                sleep_until(deadline.min(Instant::now() + ROUND_PAUSE)).await;
            }
            let (peer, until) = (turn.peer, deadline.min(Instant::now() + limit));
            let exchange = peer.exchange(&self.rules, query, question, transport);
            let upstream = peer.address();
            let began = Instant::now();
            let asked = timeout_at(until, exchange).await;
            if let Ok(Ok(reply)) = &asked {
                peer.account.replied(rcode(reply), began.elapsed());
            }
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

/// The upstreams of a directive, and what has them followed.
fn peers(forward: &Forward) -> Result<(Peers, Option<Sender<()>>), TlsFault> {
    let common = tls::Common::of(forward)?;
    let peers = resolv::peers(&forward.to, &[], &common)?;
    let peers = Arc::new(ArcSwap::from_pointee(peers));
    let follow = resolv::follow(&forward.to, &common, &peers);
    Ok((peers, follow))
}

/// Waits for an upstream at most so long.
async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> io::Result<T> {
    timeout(limit, work).await.map_err(|_| io::ErrorKind::TimedOut.into())
}
