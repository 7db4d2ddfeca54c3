//! What hangs on somebody else: names that are forwarded, and aliases that lead outside.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use super::Front;
use super::cached::Looking;
use super::clerk::{self, Source, Work, decide, templated};
use super::journal::Answer;
use super::meter::{Answered, Maker};
use super::plan::Plan;
use super::rewrite::{self, Rewriting};
use super::template::Made;
use crate::answer::{self, Cause, Failure, Outcome, Query, Rcode, Reject, Transport};
use crate::serve::{Asker, Client, room};

/// The class IN.
const IN: u16 = 1;
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
        let read = query.read(message);
        let place = self.plan.choose(query.asked());
        let block = self.plan.block(place);
        let block = block.and_then(|number| self.plan.blocks.get(number));
        let source = Source { block, view: None, hosts: None };
        let Some((block, rules)) = source.rewriting().filter(|_| read.is_ok()) else {
            return self.ask_in(place, (message, query, read), depth).await;
        };
        let mut rewriting = Rewriting::default();
        let said = match rules.apply(message, &query, &mut rewriting) {
            rewrite::Made::Nothing => {
                return self.ask_in(place, (message, query, read), depth).await;
            }
            rewrite::Made::NoName => None,
            rewrite::Made::Query => {
                let mut other = Query::default();
                let read = other.read(rewriting.message());
                // However long: what fits is found once the names are turned back.
                let inner = Asking { transport: Transport::Stream, ..self };
                Some(inner.ask_in(place, (rewriting.message(), other, read), depth).await?)
            }
        };
        let desk = block.desk(&query, self.transport, self.rotation);
        let mut out = vec![0; room(self.transport)];
        let (maker, own, outcome) = match said {
            None => {
                let outcome = block.refuse_rewritten(&desk, message, &query, &mut out);
                (Maker::Server, true, outcome)
            }
            Some(Said { response, maker, cause }) => {
                let said = (response.as_slice(), cause.unwrap_or_default());
                let asked = (message, &query);
                let outcome = rules.turn_back(&desk, asked, said, &rewriting, &mut out);
                (maker, cause.is_some(), outcome)
            }
        };
        let Outcome::Reply { len, cause, .. } = outcome else { return Err(Failure::Unusable) };
        out.truncate(len);
        let cause = Some(cause).filter(|cause| own || *cause != Cause::Plain);
        Ok(Said { response: out, maker, cause })
    }

    /// The same of the block at this place, whatever its rules for other queries are.
    async fn ask_in(
        self,
        place: usize,
        (message, mut query, read): (&[u8], Query, Result<(), Reject>),
        depth: usize,
    ) -> Result<Said, Failure> {
        let mut out = vec![0; room(self.transport)];
        let block = self.plan.block(place);
        let block = block.and_then(|number| self.plan.blocks.get(number));
        let view = block.and_then(|block| block.view.as_ref()).map(|view| view.load_full());
        let newest = view.clone();
        let view = view.as_deref();
        let ahead = view.and_then(|view| answer::Ahead::of(view, query.asked()));
        let Self { transport, rotation, .. } = self;
        let asker = Asker::of(self.client);
        let work = Work { message, query: &query, read, ahead, asker, transport, rotation };
        let hosts = block.and_then(|block| block.hosts.as_ref()).map(|h| h.table.load_full());
        let source = Source { block, view, hosts: hosts.as_deref() };
        let desk = clerk::desk(source, work);
        let outcome = decide(source, work, &mut out);
        let from = self.client.from.ip();
        if depth == 0
            && let (Some(block), Some(view)) = (block, newest)
            && block.explains(&query, outcome, from)
            && let Some(said) = block.explanation(view, transport, message, &query).await
        {
            return Ok(said);
        }
        let done = match outcome {
            // An alias that asks learns by this that there is nobody to be asked.
            Outcome::Reply { cause: Cause::NotOurs, .. } if depth > 0 => {
                return Err(Failure::Nobody);
            }
            Outcome::Silence | Outcome::Transfer => return Err(Failure::Nobody),
            Outcome::Reply { .. } => outcome,
            Outcome::Forward => {
                // Whoever waits for an upstream holds no room for a response.
                drop(out);
                match self.outside((place, depth), &desk, message, &query).await {
                    Ok(said) => return Ok(said),
                    Err(failure) if depth > 0 => return Err(failure),
                    Err(failure) => {
                        out = vec![0; room(self.transport)];
                        failed(&desk, message, &query, failure, &mut out)
                    }
                }
            }
            Outcome::Chase(len) => {
                let from = || self.client.from.ip();
                match block.and_then(|block| templated(block, &desk, message, &query, from)) {
                    Some(made) => {
                        let followed = self.follow(&desk, message, &query, made, &mut out, depth);
                        match followed.await {
                            Ok(outcome) => outcome,
                            Err(failure) if depth > 0 => return Err(failure),
                            Err(failure) => failed(&desk, message, &query, failure, &mut out),
                        }
                    }
                    None => self.chase(&desk, message, &mut query, len, &mut out, depth).await,
                }
            }
        };
        match done {
            Outcome::Reply { len, cause, .. } => {
                out.truncate(len);
                let templated = cause == Cause::Template;
                let maker = if templated { Maker::Template } else { Maker::Forward };
                Ok(Said { response: out, maker, cause: Some(cause) })
            }
            _ => Err(Failure::Unusable),
        }
    }

    /// Asks where the alias of a template leads, and puts what is said behind it. As for an alias of
    /// the cluster, an upstream that fails is no reason to tell that there is nothing.
    async fn follow(
        self,
        desk: &answer::Desk<'_>,
        message: &[u8],
        query: &Query,
        mut made: Made<'_>,
        out: &mut [u8],
        depth: usize,
    ) -> Result<Outcome, Failure> {
        let mut question = Vec::new();
        let target = made.alias(query).unwrap_or(&[0]);
        answer::requested(message, query, (target, query.qtype(), IN), &mut question);
        let said = self.ask_deeper(&question, depth).await;
        let is_servfail = |said: &Said| said.response.get(3).is_some_and(|octet| octet & 0x0f == 2);
        match said {
            Err(Failure::Nobody) => {}
            Ok(said) if !is_servfail(&said) => {
                made.lead_on(answer::answers_of(&said.response).unwrap_or_default());
            }
            told => return Err(told.err().unwrap_or(Failure::Unusable)),
        }
        Ok(answer::written(desk, message, query, &made.said(), out))
    }

    /// Asks as a client would for what an alias leads to.
    async fn ask_deeper(self, question: &[u8], depth: usize) -> Result<Said, Failure> {
        if depth >= BLOCKS_MOST {
            return Err(Failure::Unusable);
        }
        // Nothing of ours may be cut short before it is taken into the answer.
        let inner = Asking { transport: Transport::Stream, ..self };
        let asked = tokio::time::timeout(CHASE_TIME, inner.ask(question, depth + 1));
        asked.await.unwrap_or(Err(Failure::Unreachable))
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
            let told = self.ask_deeper(&question, depth).await;
            let told = told.as_ref().map(|said| &*said.response).map_err(|failure| *failure);
            match answer::chased(desk, message, query, told, out) {
                Outcome::Chase(again) => len = again,
                done => return done,
            }
        }
        failed(desk, message, query, Failure::Unusable, out)
    }

    /// What is known of a name outside, or what upstreams say.
    async fn outside(
        self,
        (place, depth): (usize, usize),
        desk: &answer::Desk<'_>,
        message: &[u8],
        query: &Query,
    ) -> Result<Said, Failure> {
        let number = self.plan.block(place).ok_or(Failure::Nobody)?;
        let block = self.plan.blocks.get(number).ok_or(Failure::Nobody)?;
        if let Some(upstreams) =
            block.loops.as_ref().and_then(|loops| loops.came_back(query, self.client.from))
        {
            let Client { transport, from, .. } = *self.client;
            let reply = upstreams.ask(message, transport, from.ip()).await;
            let reply = reply.map_err(|_| Failure::Unreachable)?;
            return relay(&reply, desk, message, query);
        }
        if let Some(shelf) = block.shelf_for(query) {
            let cell = self.plan.cell(self.client.local.map(|local| local.ip()), place);
            let looking = Looking { asking: self, number, shelf, cell, direct: depth == 0 };
            return looking.answer(desk, message, query).await;
        }
        let reply = block.ask(message, query, self.client).await?;
        relay(&reply, desk, message, query)
    }
}

/// Nobody who had to be asked has said anything of use, or nobody could be asked for now.
fn failed(
    desk: &answer::Desk<'_>,
    message: &[u8],
    query: &Query,
    failure: Failure,
    out: &mut [u8],
) -> Outcome {
    let rcode = if failure.is_refusal() { Rcode::Refused } else { Rcode::ServFail };
    answer::error(desk, message, query, rcode, Cause::Upstream(failure), out)
}

/// The response that hands on what an upstream has said, as far as it belongs to the question.
pub(super) fn relay(
    reply: &[u8],
    desk: &answer::Desk<'_>,
    message: &[u8],
    query: &Query,
) -> Result<Said, Failure> {
    let mut out = vec![0; room(desk.transport)];
    let made = answer::relay(desk, message, query, reply, &mut out);
    let Some(Outcome::Reply { len, .. }) = made else { return Err(Failure::Unusable) };
    out.truncate(len);
    Ok(Said { response: out, maker: Maker::Forward, cause: None })
}
