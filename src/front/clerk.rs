//! One query thread's work: reads a batch, begins its look-ups, answers, counts.
//!
//! Keeps the law of the query path: it looks for a newer plan and newer views once a batch, and
//! takes no lock, allocates nothing and writes to no memory that another thread writes, but where a
//! new plan has come.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, Cache};

use super::cached::{self, Shelf};
use super::hosts::Table;
use super::journal::{Answer, Entry, Log};
use super::meter::{Answered, Maker, Meter};
use super::plan::{Block, NO_BLOCK, Plan};
use super::rewrite::{self, Rules, Scratch};
use super::template::Made;
use super::transfer;
use crate::answer::{self, Ahead, Cause, Outcome, Query, Rcode, Reject, Transport};
use crate::cache::{Key, Reader};
use crate::config::AclAction;
use crate::serve::{self, Asker, Step, duration_bucket, nanoseconds};
use crate::zone::View;

/// What is published somewhere, as of the last look there; looking takes no write to shared memory.
struct Watched<T> {
    cache: Cache<Arc<ArcSwap<T>>, Arc<T>>,
    newest: Arc<T>,
}

impl<T> Watched<T> {
    fn new(published: &Arc<ArcSwap<T>>) -> Self {
        Self { newest: published.load_full(), cache: Cache::new(Arc::clone(published)) }
    }

    fn refresh(&mut self) {
        let newest = self.cache.load();
        if !Arc::ptr_eq(newest, &self.newest) {
            self.newest = Arc::clone(newest);
        }
    }
}

/// One query thread's access to a [`Front`].
///
/// [`Front`]: super::Front
pub struct Clerk {
    plans: Cache<Arc<ArcSwap<Plan>>, Arc<Plan>>,
    seat: Seat,
    /// The queries of the batch that was read last, and how many they are.
    batch: Box<[Opened]>,
    count: usize,
    /// What is to be logged of the batch.
    entries: Vec<Entry>,
    rotation: u32,
    /// When the batch came to the first name of which a cache was asked.
    now: Option<Instant>,
}

/// What a clerk holds of the plan that it works by.
struct Seat {
    plan: Arc<Plan>,
    meter: Arc<Meter>,
    /// Of each block.
    views: Vec<Option<Watched<View>>>,
    hosts: Vec<Option<Watched<Table>>>,
    shelves: Vec<Option<Reader>>,
    /// Where a block rewrites queries.
    scratch: Option<Box<Scratch>>,
}

impl Seat {
    fn new(plan: Arc<Plan>) -> Self {
        let blocks = || plan.blocks.iter();
        let views = blocks().map(|block| block.view.as_ref().map(Watched::new)).collect();
        let hosts = blocks().map(|block| Some(Watched::new(&block.hosts.as_ref()?.table)));
        let shelves = blocks().map(|block| block.shelf.as_ref().map(Shelf::reader)).collect();
        let rewrites = blocks().any(|block| block.rewrite.is_some());
        let scratch = rewrites.then(|| Box::new(Scratch::new()));
        Self { meter: plan.meter(), hosts: hosts.collect(), plan, views, shelves, scratch }
    }

    fn refresh(&mut self) {
        self.views.iter_mut().flatten().for_each(Watched::refresh);
        self.hosts.iter_mut().flatten().for_each(Watched::refresh);
        self.shelves.iter_mut().flatten().for_each(Reader::tidy);
    }

    /// Where lines of the blocks' logs go, all of them to the same place.
    fn log(&self) -> Option<&Log> {
        self.plan.blocks.iter().find_map(|block| block.log.as_ref())
    }

    /// The block of a zone, by its place, and the newest of what it answers from.
    #[inline]
    fn block(&self, place: usize) -> Source<'_> {
        let Some(number) = self.plan.block(place) else { return Source::default() };
        let view = self.views.get(number).and_then(Option::as_ref);
        let hosts = self.hosts.get(number).and_then(Option::as_ref);
        Source {
            block: self.plan.blocks.get(number),
            view: view.map(|watched| &*watched.newest),
            hosts: hosts.map(|watched| &*watched.newest),
        }
    }

    /// Answers from what the block of a zone has, or keeps.
    #[inline]
    fn answer(&mut self, at: At<'_>, work: Work<'_>, out: &mut [u8]) -> Outcome {
        let source = self.block(at.place);
        match decide(source, work, out) {
            Outcome::Forward => {
                let place = at.place;
                let told = self.kept(at, work, out).or_else(|| self.refusal(place, work, out));
                told.unwrap_or(Outcome::Forward)
            }
            Outcome::Transfer => transfer::judge(source.block, &desk(source, work), work, out),
            outcome => outcome,
        }
    }

    /// The same where the block rewrites queries: in another place first, since what is said is
    /// written anew.
    #[inline(never)]
    fn answer_rewritten(&mut self, at: At<'_>, work: Work<'_>, out: &mut [u8]) -> Outcome {
        let Some(mut scratch) = self.scratch.take() else { return self.answer(at, work, out) };
        let outcome = self.answer_in(&mut scratch, at, work, out);
        self.scratch = Some(scratch);
        outcome
    }

    fn answer_in(
        &mut self,
        scratch: &mut Scratch,
        at: At<'_>,
        work: Work<'_>,
        out: &mut [u8],
    ) -> Outcome {
        let Scratch { rewriting, query, response } = scratch;
        let source = self.block(at.place);
        let Some((block, rules)) = source.rewriting().filter(|_| work.read.is_ok()) else {
            return self.answer(at, work, out);
        };
        match rules.apply(work.message, work.query, rewriting) {
            rewrite::Made::Nothing => return self.answer(at, work, out),
            rewrite::Made::NoName => {
                let desk = block.desk(work.query, work.transport, work.rotation);
                return block.refuse_rewritten(&desk, work.message, work.query, out);
            }
            rewrite::Made::Query => {}
        }
        let read = query.read(rewriting.message());
        let ahead = source.view.and_then(|view| Ahead::of(view, query.asked()));
        // However long: what fits is found once the names are turned back.
        let transport = Transport::Stream;
        let inner = Work { message: rewriting.message(), query, read, ahead, transport, ..work };
        let outcome = self.answer(At { now: &mut *at.now, ..at }, inner, response);
        let Some((block, rules)) = self.block(at.place).rewriting() else { return outcome };
        match outcome {
            Outcome::Reply { len, cause, .. } => {
                let said = (response.get(..len).unwrap_or(&[]), cause);
                let desk = block.desk(work.query, work.transport, work.rotation);
                rules.turn_back(&desk, (work.message, work.query), said, rewriting, out)
            }
            other => other,
        }
    }

    /// The response to a name for upstreams to answer, where a fresh one is kept. The clock is read
    /// once a batch, and only for such a name.
    #[inline]
    fn kept(&mut self, at: At<'_>, work: Work<'_>, out: &mut [u8]) -> Option<Outcome> {
        let At { place, cell, now } = at;
        let number = self.plan.block(place)?;
        let reader = self.shelves.get_mut(number)?.as_mut()?;
        let block = self.plan.blocks.get(number)?;
        let now = *now.get_or_insert_with(Instant::now);
        cached::at_once(reader, block, work, now, self.meter.0.get(cell), out)
    }

    /// The refusal of a query for upstreams that too many wait for already, and of whose name nothing
    /// is kept that may still serve. So a flood of them costs no task and no socket.
    #[inline]
    fn refusal(&mut self, place: usize, work: Work<'_>, out: &mut [u8]) -> Option<Outcome> {
        let Work { message, query, asker, transport, rotation, .. } = work;
        let number = self.plan.block(place)?;
        let block = self.plan.blocks.get(number)?;
        let name = query.asked().name();
        let failure = block.forwards.crowd(name, || asker.from().ip())?;
        let reader = self.shelves.get_mut(number).and_then(Option::as_mut);
        if reader.is_some_and(|reader| reader.holds(&Key::of(query))) {
            return None;
        }
        let desk = block.desk(query, transport, rotation);
        let cause = Cause::Upstream(failure);
        Some(answer::error(&desk, message, query, Rcode::Refused, cause, out))
    }
}

/// Where a query belongs, and when.
struct At<'a> {
    /// Of the zone that holds its name.
    place: usize,
    /// Of the meter.
    cell: usize,
    now: &'a mut Option<Instant>,
}

/// What a query is answered from.
#[derive(Clone, Copy, Default)]
pub(super) struct Source<'s> {
    pub(super) block: Option<&'s Block>,
    pub(super) view: Option<&'s View>,
    pub(super) hosts: Option<&'s Table>,
}

impl<'s> Source<'s> {
    /// The block with its rules for other queries, if it has any.
    pub(super) fn rewriting(self) -> Option<(&'s Block, &'s Rules)> {
        let block = self.block?;
        Some((block, block.rewrite.as_ref()?))
    }
}

impl Clerk {
    pub(super) fn new(plans: Arc<ArcSwap<Plan>>, rotation: u32) -> Self {
        Self {
            seat: Seat::new(plans.load_full()),
            plans: Cache::new(plans),
            batch: vec![Opened::default(); serve::BATCH].into_boxed_slice(),
            count: 0,
            entries: Vec::new(),
            rotation,
            now: None,
        }
    }
}

impl Clerk {
    /// Hands over what is to be logged of a batch that took so long.
    #[cold]
    fn hand_over(&mut self, took: Duration) {
        let now = SystemTime::now();
        let log = self.seat.log();
        for mut entry in self.entries.drain(..) {
            entry.settle(now, took);
            if let Some(log) = log {
                log.put(entry);
            }
        }
    }
}

/// A query that has been read, and what hangs on its name alone.
#[derive(Clone, Debug)]
struct Opened {
    query: Query,
    read: Result<(), Reject>,
    /// Of the zone that holds the name.
    place: usize,
    ahead: Option<Ahead>,
    /// The meter's cell in which the response was counted, once there was one.
    cell: Option<usize>,
}

impl Default for Opened {
    fn default() -> Self {
        let read = Err(Reject::Silence);
        Self { query: Query::default(), read, place: 0, ahead: None, cell: None }
    }
}

impl serve::Clerk for Clerk {
    fn refresh(&mut self) {
        let plan = self.plans.load();
        if !Arc::ptr_eq(plan, &self.seat.plan) {
            self.seat = Seat::new(Arc::clone(plan));
        }
        self.now = None;
        self.seat.refresh();
    }

    #[inline]
    fn read<'q>(&mut self, queries: impl ExactSizeIterator<Item = &'q [u8]>) {
        let Self { seat, batch, .. } = self;
        self.count = queries.len().min(batch.len());
        for (opened, message) in batch.iter_mut().zip(queries) {
            opened.read = opened.query.read(message);
            let asked = opened.query.asked();
            opened.place = seat.plan.choose(asked);
            opened.ahead = seat.block(opened.place).view.and_then(|view| Ahead::of(view, asked));
            opened.cell = None;
        }
        if self.count < 2 {
            return;
        }
        // One step of all look-ups after the other, so that each waits for memory beside the rest.
        let batch = batch.get(..self.count).unwrap_or(&[]);
        let look_up = |opened: &'_ Opened| Some((seat.block(opened.place).view?, opened.ahead?));
        let look_ups = || batch.iter().filter_map(look_up);
        let begun = look_ups().map(|(view, ahead)| ahead.reach(view));
        black_box(begun.fold(0, u32::wrapping_add));
        let ended = look_ups().map(|(view, ahead)| ahead.reach_further(view));
        black_box(ended.fold(0, u32::wrapping_add));
    }

    #[inline]
    fn answer(&mut self, slot: usize, message: &[u8], asker: Asker<'_>, out: &mut [u8]) -> Step {
        self.rotation = self.rotation.wrapping_add(1);
        let Self { seat, batch, rotation, entries, now, .. } = self;
        let Some(Opened { query, read, place, ahead, cell }) = batch.get_mut(slot) else {
            return Step::Silence;
        };
        let transport = asker.transport();
        let work = Work {
            message,
            query,
            read: *read,
            ahead: *ahead,
            asker,
            transport,
            rotation: *rotation,
        };
        let at = seat.plan.cell(asker.door(), *place);
        let place_at = At { place: *place, cell: at, now };
        let outcome = if seat.scratch.is_none() {
            seat.answer(place_at, work, out)
        } else {
            seat.answer_rewritten(place_at, work, out)
        };
        let block = seat.block(*place).block;
        if outcome.is_denial()
            && block.is_some_and(|b| b.explains(query, outcome, asker.from().ip()))
        {
            return Step::Deferred;
        }
        let log = block.and_then(|block| block.log.as_ref());
        match outcome {
            Outcome::Reply { len, rcode, cause } => {
                let answered = Answered {
                    transport,
                    is_ipv4: asker.is_ipv4(),
                    qtype: query.asked_type(),
                    dnssec_ok: query.dnssec_ok(),
                    query: message.len(),
                    response: len,
                    rcode: rcode as u8,
                    maker: maker(cause),
                    cause: Some(cause),
                };
                if let Some(counters) = seat.meter.0.get(at) {
                    counters.count(&answered);
                }
                *cell = Some(at);
                if let Some(log) = log {
                    let response = out.get(..len).unwrap_or_default();
                    let (octets, cause) = (len, Some(cause));
                    let answer = Answer { response, octets, rcode: rcode as u8, cause };
                    entries.extend(log.note(message, query, asker.client(), Some(&answer)));
                }
                Step::Reply(len)
            }
            Outcome::Silence => {
                if let (Ok(()), Some(log)) = (*read, log) {
                    entries.extend(log.note(message, query, asker.client(), None));
                }
                Step::Silence
            }
            Outcome::Forward | Outcome::Chase(_) => Step::Deferred,
            Outcome::Transfer => Step::Several,
        }
    }

    #[inline]
    fn settle(&mut self, took: Duration) {
        let (bucket, nanoseconds) = (duration_bucket(took), nanoseconds(took));
        let batch = self.batch.get(..self.count).unwrap_or(&[]);
        for cell in batch.iter().filter_map(|opened| self.seat.meter.0.get(opened.cell?)) {
            cell.took(bucket, nanoseconds);
        }
        if !self.entries.is_empty() {
            self.hand_over(took);
        }
    }
}

/// Who makes a response that is not an upstream's.
#[inline]
pub(super) fn maker(cause: Cause) -> Maker {
    match cause {
        Cause::NotOurs | Cause::Malformed | Cause::NotServed | Cause::BadRewrite => Maker::Server,
        Cause::Identity => Maker::Chaos,
        Cause::Blocked | Cause::Filtered => Maker::Acl,
        Cause::Hosts => Maker::Hosts,
        Cause::Kept(_) => Maker::Cache,
        Cause::Template => Maker::Template,
        Cause::Upstream(failure) if failure.is_refusal() => Maker::Forward,
        Cause::Transfer | Cause::NoTransfer(_) => Maker::Transfer,
        _ => Maker::Kubernetes,
    }
}

/// A query on its way to an outcome.
#[derive(Clone, Copy)]
pub(super) struct Work<'w> {
    pub(super) message: &'w [u8],
    pub(super) query: &'w Query,
    pub(super) read: Result<(), Reject>,
    pub(super) ahead: Option<Ahead>,
    pub(super) asker: Asker<'w>,
    /// How the answer must fit, which may be another way than the query came.
    pub(super) transport: Transport,
    pub(super) rotation: u32,
}

/// What answers come from, and how, for one query.
#[inline]
pub(super) fn desk<'s>(source: Source<'s>, work: Work<'_>) -> answer::Desk<'s> {
    let Source { block, view, .. } = source;
    let settings = block.map_or(&NO_BLOCK, |block| block.settings_for(work.query.asked()));
    answer::Desk { view, settings, transport: work.transport, rotation: work.rotation }
}

/// Answers from what the block has, in CoreDNS's order of directives.
#[inline]
pub(super) fn decide(source: Source<'_>, work: Work<'_>, out: &mut [u8]) -> Outcome {
    let Work { message, query, read, ahead, .. } = work;
    let desk = desk(source, work);
    match (read, source.block) {
        (Err(Reject::Silence), _) => Outcome::Silence,
        (Err(Reject::Rcode(rcode)), _) => {
            answer::error(&desk, message, query, rcode, Cause::Malformed, out)
        }
        (Ok(()), None) => answer::error(&desk, message, query, Rcode::Refused, Cause::NotOurs, out),
        (Ok(()), Some(block)) => {
            let own = if block.is_plain() { None } else { before(block, source, &desk, work, out) };
            own.unwrap_or_else(|| answer::respond(&desk, message, query, ahead, out))
        }
    }
}

/// What directives say that act before the cluster's names are looked at.
fn before(
    block: &Block,
    source: Source<'_>,
    desk: &answer::Desk<'_>,
    work: Work<'_>,
    out: &mut [u8],
) -> Option<Outcome> {
    let Work { message, query, asker, .. } = work;
    let mut refuse = |rcode, cause| Some(answer::error(desk, message, query, rcode, cause, out));
    if !block.guard.is_empty() {
        match block.guard.judge(query.asked(), query.qtype(), asker.from().ip()) {
            AclAction::Allow => {}
            AclAction::Block => return refuse(Rcode::Refused, Cause::Blocked),
            AclAction::Filter => return refuse(Rcode::NoError, Cause::Filtered),
            AclAction::Drop => return Some(Outcome::Silence),
        }
    }
    if let Some(made) = templated(block, desk, message, query, || asker.from().ip()) {
        return Some(match made.alias(query) {
            None => answer::written(desk, message, query, &made.said(), out),
            // What it leads to is asked for where that can be awaited.
            Some(_) => Outcome::Chase(0),
        });
    }
    let (hosts, table) = (block.hosts.as_ref()?, source.hosts?);
    hosts.answer(table, desk, message, query, out)
}

/// What a template says.
pub(super) fn templated<'b>(
    block: &'b Block,
    desk: &answer::Desk<'_>,
    message: &[u8],
    query: &Query,
    from: impl Fn() -> IpAddr,
) -> Option<Made<'b>> {
    // CoreDNS lets `chaos` act before `template`.
    if block.templates.is_empty() || answer::is_about_server(desk.settings, query) {
        return None;
    }
    block.templates.answer(message, query, from)
}
