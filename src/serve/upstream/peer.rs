//! One upstream: how a query is put to it, and what is remembered of it.

use std::net::SocketAddr;
use std::sync::Arc;

use super::account::{Account, Exchanges};
use super::health::Health;
use super::message::{Question, truncated};
use super::pool::{Keep, Pool};
use super::tls::Secure;
use super::udp::{self, MAX_DATAGRAM};
use super::{Transport, UpstreamError, stream};
use crate::config::{Carrier, Forward};

/// An upstream.
#[derive(Debug)]
pub(super) struct Peer {
    address: SocketAddr,
    /// It speaks TLS, and nothing else.
    secure: Option<Secure>,
    pub(super) health: Health,
    /// Connections that wait for another query.
    pool: Pool,
    pub(super) account: Account,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, secure: Option<Secure>) -> Self {
        Self {
            address,
            secure,
            health: Health::default(),
            pool: Pool::default(),
            account: Account::default(),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn secure(&self) -> Option<&Secure> {
        self.secure.as_ref()
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What has passed so far.
    pub(super) fn read(&self) -> Exchanges {
        self.account.read(self.address, self.secure.is_some())
    }

    /// Puts a query to it and awaits a reply that fits. Takes as long as that takes.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        rules: &Forward,
        query: &[u8],
        question: &Question<'_>,
        transport: Transport,
    ) -> Result<Vec<u8>, UpstreamError> {
        let upstream = self.address;
        let datagrams = match rules.carrier {
            Carrier::AsAsked => transport == Transport::Udp,
            Carrier::Tcp => false,
            Carrier::PreferUdp => true,
        };
        if datagrams && self.secure.is_none() {
            let fault = |source| UpstreamError::Unreachable { upstream, protocol: "UDP", source };
            let asked = udp::exchange(upstream, rules.source, query, question).await;
            let reply = asked.map_err(fault)?;
            if !truncated(&reply) && reply.len() <= MAX_DATAGRAM {
                return Ok(reply);
            }
        }
        stream::exchange(self, rules, query, question).await
    }

    /// How its connections are kept.
    pub(super) fn keep(rules: &Forward) -> Keep {
        Keep {
            expire: rules.expire,
            max_age: rules.max_age,
            most: rules.max_idle_conns.and_then(|most| usize::try_from(most).ok()),
        }
    }
}
