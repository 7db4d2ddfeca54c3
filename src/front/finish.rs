//! What hangs on somebody else: names that are forwarded, and aliases that lead outside.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use super::Front;
use super::cached::Looking;
use super::clerk::{Source, Work, decide};
use super::journal::Answer;
use super::meter::{Answered, Maker};
use super::plan::{Block, NO_BLOCK, Plan};
use crate::answer::{self, Cause, Failure, Outcome, Query, Rcode, Transport};
use crate::serve::{Asker, Client, UpstreamError, room};

/// How many server blocks an alias may lead through: each asks the next as a client would.
const BLOCKS_MOST: usize = 8;
/// How long an alias's target may be asked for: less than the 5 s after which a libc gives up.
const CHASE_TIME: Duration = Duration::from_secs(2);
/// How often an alias's target is asked for anew because the Service changed meanwhile.
const TURNS_MOST: usize = 3;

impl Front {
    /// Answers a query, awaiting whom it hangs on. `None` is silence.
    pub(super) async fn finish_query(&self, message: &[u8], client: Client) -> Option<Vec<u8>> {
        let began = Instant::now();
        let transport = client.transport;
        let plan = &self.plan.load_full();
        let rotation = self.rotations.fetch_add(1, Ordering::Relaxed);
        let asking = Asking { plan, client: &client, transport, rotation };
        let Said { response, maker, cause } = asking.ask(message, 0).await.ok()?;
        let mut query = Query::default();
        let _ = query.read(message);
        let ended = Ended { response: &response, octets: response.len(), maker, cause };
        plan.note(message, &query, client, ended, began.elapsed());
        Some(response)
    }
}

/// What has become of a query that was answered on the runtime.
#[derive(Clone, Copy)]
pub(super) struct Ended<'e> {
    /// The response, or as much of it as says how it went.
    pub(super) response: &'e [u8],
    /// Octets of the whole of it.
    pub(super) octets: usize,
    pub(super) maker: Maker,
    /// Absent where an upstream said it.
    pub(super) cause: Option<Cause>,
}

impl Plan {
    /// Counts and logs what was answered on the runtime.
    pub(super) fn note(
        &self,
        message: &[u8],
        query: &Query,
        client: Client,
        ended: Ended<'_>,
        took: Duration,
    ) {
        let Ended { response, octets, maker, cause } = ended;
        let answered = Answered {
            transport: client.transport,
            is_ipv4: client.from.is_ipv4(),
            qtype: query.asked_type(),
            dnssec_ok: query.dnssec_ok(),
            query: message.len(),
            response: octets,
            rcode: response.get(3).map_or(0, |octet| octet & 0x0f),
            maker,
            cause,
        };
        let place = self.choose(query.asked());
        let cell = self.late.0.get(self.cell(client.local.map(|local| local.ip()), place));
        cell.into_iter().for_each(|cell| cell.count_shared(&answered, took));
        let block = self.block(place).and_then(|number| self.blocks.get(number));
        if let Some(log) = block.and_then(|block| block.log.as_ref()) {
            let answer = Answer { response, octets, rcode: answered.rcode, cause };
            if let Some(mut entry) = log.note(message, query, client, Some(&answer)) {
                entry.settle(SystemTime::now(), took);
                log.put(entry);
            }
        }
    }
}

/// A question on its way, from a client or from an alias that asks as a client would.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) plan: &'a Arc<Plan>,
    /// How the answer must fit.
    pub(super) transport: Transport,
    /// Who asks; upstreams are asked the same way.
    pub(super) client: &'a Client,
    /// Turns sets of addresses.
    rotation: u32,
}

/// What is said to a question, and who says it.
pub(super) struct Said {
    pub(super) response: Vec<u8>,
    pub(super) maker: Maker,
    /// Why it is what it is; absent where an upstream said it.
    pub(super) cause: Option<Cause>,
}

type Told<'a> = Pin<Box<dyn Future<Output = Result<Said, Failure>> + Send + 'a>>;

impl<'a> Asking<'a> {
    fn ask(self, message: &'a [u8], depth: usize) -> Told<'a> {
        Box::pin(self.ask_at(message, depth))
    }

    /// The response; [`Failure::Nobody`] where no block would say anything or forward.
    async fn ask_at(self, message: &[u8], depth: usize) -> Result<Said, Failure> {
        let mut query = Query::default();
        let mut out = vec![0; room(self.transport)];
        let read = query.read(message);
        let place = self.plan.choose(query.asked());
        let block = self.plan.block(place);
        let block = block.and_then(|number| self.plan.blocks.get(number));
        let view = block.and_then(|block| block.view.as_ref()).map(|view| view.load_full());
        let view = view.as_deref();
        let ahead = view.and_then(|view| answer::Ahead::of(view, query.asked()));
        let Self { transport, rotation, .. } = self;
        let asker = Asker::of(self.client);
        let work = Work { message, query: &query, read, ahead, asker, transport, rotation };
        let hosts = block.and_then(|block| block.hosts.as_ref()).map(|h| h.table.load_full());
        let outcome = decide(Source { block, view, hosts: hosts.as_deref() }, work, &mut out);
        let settings = block.map_or(&NO_BLOCK, |block| block.settings_for(query.asked()));
        let desk = answer::Desk { view, settings, transport: self.transport, rotation };
        let done = match outcome {
            // An alias that asks learns by this that there is nobody to be asked.
            Outcome::Reply { cause: Cause::NotOurs, .. } if depth > 0 => {
                return Err(Failure::Nobody);
            }
            Outcome::Silence | Outcome::Transfer => return Err(Failure::Nobody),
            Outcome::Reply { .. } => outcome,
            Outcome::Forward => {
                match self.outside((place, depth), &desk, message, &query, &mut out).await {
                    Ok(said) => return Ok(said),
                    Err(failure) if depth > 0 => return Err(failure),
                    Err(failure) => {
                        let cause = Cause::Upstream(failure);
                        answer::error(&desk, message, &query, Rcode::ServFail, cause, &mut out)
                    }
                }
            }
            Outcome::Chase(len) => {
                self.chase(&desk, message, &mut query, len, &mut out, depth).await
            }
        };
        match done {
            Outcome::Reply { len, cause, .. } => {
                out.truncate(len);
                Ok(Said { response: out, maker: Maker::Forward, cause: Some(cause) })
            }
            _ => Err(Failure::Unusable),
        }
    }

    /// Asks for the target of an alias until what is said fits the alias.
    async fn chase(
        self,
        desk: &answer::Desk<'_>,
        message: &[u8],
        query: &mut Query,
        mut len: usize,
        out: &mut [u8],
        depth: usize,
    ) -> Outcome {
        for _ in 0..TURNS_MOST {
            let question = out.get(..len).unwrap_or(&[]).to_vec();
            let told = if depth < BLOCKS_MOST {
                // Nothing of ours may be cut short before it is taken into the answer.
                let inner = Asking { transport: Transport::Stream, ..self };
                let asked = tokio::time::timeout(CHASE_TIME, inner.ask(&question, depth + 1));
                asked.await.unwrap_or(Err(Failure::Unreachable))
            } else {
                Err(Failure::Unusable)
            };
            let told = told.as_ref().map(|said| &*said.response).map_err(|failure| *failure);
            match answer::chased(desk, message, query, told, out) {
                Outcome::Chase(again) => len = again,
                done => return done,
            }
        }
        let cause = Cause::Upstream(Failure::Unusable);
        answer::error(desk, message, query, Rcode::ServFail, cause, out)
    }

    /// What is known of a name outside, or what upstreams say.
    async fn outside(
        self,
        (place, depth): (usize, usize),
        desk: &answer::Desk<'_>,
        message: &[u8],
        query: &Query,
        out: &mut [u8],
    ) -> Result<Said, Failure> {
        let number = self.plan.block(place).ok_or(Failure::Nobody)?;
        let block = self.plan.blocks.get(number).ok_or(Failure::Nobody)?;
        if let Some(shelf) = block.shelf_for(query) {
            let cell = self.plan.cell(self.client.local.map(|local| local.ip()), place);
            let looking = Looking { asking: self, number, shelf, cell, direct: depth == 0 };
            return looking.answer(desk, message, query, out).await;
        }
        let reply = block.ask(message, query, self.client.transport).await?;
        Ok(fit(reply, desk, message, query))
    }
}

impl Block {
    /// Asks its upstreams.
    pub(super) async fn ask(
        &self,
        message: &[u8],
        query: &Query,
        transport: Transport,
    ) -> Result<Vec<u8>, Failure> {
        let (_, upstreams) = self.forward.as_ref().ok_or(Failure::Nobody)?;
        upstreams.ask(message, transport).await.map_err(|error| {
            if let Some(errors) = &self.errors {
                errors.tell(query, Rcode::ServFail as u8, &error);
            }
            match error {
                UpstreamError::Nobody => Failure::Nobody,
                _ => Failure::Unreachable,
            }
        })
    }
}

/// An upstream's response as it can be handed on: what is too large for the client's datagrams is
/// cut to its question, with TC, so that the client asks again over TCP.
pub(super) fn fit(
    mut reply: Vec<u8>,
    desk: &answer::Desk<'_>,
    message: &[u8],
    query: &Query,
) -> Said {
    if let Some(header) = reply.first_chunk_mut::<12>() {
        // Whether recursion is available is ours to say.
        header[3] |= 0x80;
    }
    if reply.len() > answer::limit(desk, query).max(usize::from(answer::UDP_LEAST)) {
        let end = query.question_end().min(message.len());
        reply.truncate(end);
        if let (Some(question), Some(copy)) = (message.get(12..end), reply.get_mut(12..end)) {
            copy.copy_from_slice(question);
        }
        if let Some(header) = reply.first_chunk_mut::<12>() {
            header[2] |= 0x02;
            header[4..].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        }
    }
    Said { response: reply, maker: Maker::Forward, cause: None }
}
