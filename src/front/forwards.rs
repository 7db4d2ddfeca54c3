//! The `forward` directives of one block: which of them a name goes to, and which then.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use crate::answer::{Failure, Query, Rcode};
use crate::config::Forward;
use crate::serve::{Client, Forwarded, Full, TlsFault, UpstreamError, Upstreams};

use super::plan::Block;

/// Whom a block asks, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Forwards(Vec<Upstreams>);

impl Forwards {
    pub(super) fn new(forwards: &[Forward]) -> Self {
        Self(forwards.iter().map(Upstreams::new).collect())
    }

    /// What keeps TLS from being spoken where one of them wants it.
    pub(super) fn fault(&self) -> Option<&TlsFault> {
        self.0.iter().find_map(Upstreams::fault)
    }

    /// Nobody can be asked.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every name is forwarded, so that none has to be looked at for it.
    pub(super) fn cover_all(&self) -> bool {
        let covers_all = |forward: &Forward| forward.from.is_root() && forward.except.is_empty();
        self.0.iter().any(|upstreams| covers_all(upstreams.rules()))
    }

    /// Whether a name in wire form and lower case is forwarded.
    pub(super) fn cover(&self, name: &[u8]) -> bool {
        self.of(name).next().is_some()
    }

    /// Those that forward a name.
    fn of(&self, name: &[u8]) -> impl Iterator<Item = &Upstreams> {
        self.0.iter().filter(move |upstreams| upstreams.rules().covers_wire(name))
    }

    /// What has passed between this server and its upstreams.
    pub(super) fn forwarded(&self) -> Forwarded {
        let mut all = Forwarded::default();
        self.0.iter().for_each(|upstreams| all.add(upstreams.forwarded()));
        all
    }

    /// Look-ups under way.
    pub(super) fn look_ups(&self) -> usize {
        self.0.iter().map(Upstreams::under_way).sum()
    }

    /// Why a query for this name would be refused now, since too many wait for upstreams already.
    #[inline]
    pub(super) fn crowd(&self, name: &[u8], client: impl FnOnce() -> IpAddr) -> Option<Failure> {
        let full = self.of(name).next()?.room(client()).err()?;
        Some(match full {
            Full::All => Failure::TooMany,
            Full::Client => Failure::TooManyOfClient,
        })
    }

    /// Asks the first directive that covers the name, and where its reply is one of those that it
    /// passes on, the next. The last reply stands.
    async fn ask(
        &self,
        message: &[u8],
        query: &Query,
        client: &Client,
    ) -> Result<Vec<u8>, UpstreamError> {
        let mut last = Err(UpstreamError::Nobody);
        for upstreams in self.of(query.asked().name()) {
            let reply = upstreams.ask(message, client.transport, client.from.ip()).await?;
            if !upstreams.passes_on(&reply) {
                return Ok(reply);
            }
            last = Ok(reply);
        }
        last
    }
}

impl Block {
    /// Asks its upstreams.
    pub(super) async fn ask(
        &self,
        message: &[u8],
        query: &Query,
        client: &Client,
    ) -> Result<Vec<u8>, Failure> {
        self.forwards.ask(message, query, client).await.map_err(|error| {
            let failure = match error {
                UpstreamError::Nobody => Failure::Nobody,
                UpstreamError::TooMany { .. } => Failure::TooMany,
                UpstreamError::TooManyOfClient { .. } => Failure::TooManyOfClient,
                _ => Failure::Unreachable,
            };
            // Refusals are counted: a flood of queries must not become one of lines.
            if let Some(errors) = self.errors.as_ref().filter(|_| !failure.is_refusal()) {
                errors.tell(query, Rcode::ServFail as u8, &error);
            }
            failure
        })
    }
}
