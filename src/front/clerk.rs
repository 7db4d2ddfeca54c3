//! One query thread's work: reads a batch, begins its look-ups, answers, counts.
//!
//! Keeps the law of the query path: it looks for a newer plan and newer views once a batch, and
//! takes no lock, allocates nothing and writes to no memory that another thread writes, but where a
//! new plan has come.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};

use super::meter::{Answered, Maker, Meter, duration_bucket, nanoseconds};
use super::plan::{Block, NO_BLOCK, Plan};
use crate::answer::{self, Ahead, Cause, Outcome, Query, Rcode, Reject, Transport};
use crate::config::AclAction;
use crate::serve::{self, Asker, Step};
use crate::zone::View;

/// A watch on where views are published, which looks there without a write to shared memory.
type Newest = Cache<Arc<ArcSwap<View>>, Arc<View>>;

/// One query thread's access to a [`Front`].
///
/// [`Front`]: super::Front
pub struct Clerk {
    plans: Cache<Arc<ArcSwap<Plan>>, Arc<Plan>>,
    seat: Seat,
    /// The queries of the batch that was read last, and how many they are.
    batch: Box<[Opened]>,
    count: usize,
    rotation: u32,
}

/// What a clerk holds of the plan that it works by.
struct Seat {
    plan: Arc<Plan>,
    meter: Arc<Meter>,
    /// Of each block.
    caches: Vec<Option<Newest>>,
    views: Vec<Option<Arc<View>>>,
}

impl Seat {
    fn new(plan: Arc<Plan>) -> Self {
        let newest = |block: &Block| block.view.as_ref().map(|view| view.load_full());
        let views = plan.blocks.iter().map(newest).collect();
        let caches = plan.blocks.iter().map(|block| block.view.clone().map(Cache::new)).collect();
        Self { meter: plan.meter(), plan, caches, views }
    }

    /// The block of a zone, by its place, and the newest view that it has.
    #[inline]
    fn block(&self, place: usize) -> (Option<&Block>, Option<&View>) {
        let number = self.plan.block(place);
        let block = number.and_then(|number| self.plan.blocks.get(number));
        (block, number.and_then(|number| self.views.get(number)?.as_deref()))
    }
}

impl Clerk {
    pub(super) fn new(plans: Arc<ArcSwap<Plan>>, rotation: u32) -> Self {
        Self {
            seat: Seat::new(plans.load_full()),
            plans: Cache::new(plans),
            batch: vec![Opened::default(); serve::BATCH].into_boxed_slice(),
            count: 0,
            rotation,
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
        for (cache, view) in self.seat.caches.iter_mut().zip(&mut self.seat.views) {
            let (Some(cache), Some(view)) = (cache, view) else { continue };
            let newest = cache.load();
            if !Arc::ptr_eq(newest, view) {
                *view = Arc::clone(newest);
            }
        }
    }

    #[inline]
    fn read<'q>(&mut self, queries: impl ExactSizeIterator<Item = &'q [u8]>) {
        let Self { seat, batch, .. } = self;
        self.count = queries.len().min(batch.len());
        for (opened, message) in batch.iter_mut().zip(queries) {
            opened.read = opened.query.read(message);
            let asked = opened.query.asked();
            opened.place = seat.plan.choose(asked);
            opened.ahead = seat.block(opened.place).1.and_then(|view| Ahead::of(view, asked));
            opened.cell = None;
        }
        if self.count < 2 {
            return;
        }
        // One step of all look-ups after the other, so that each waits for memory beside the rest.
        let batch = batch.get(..self.count).unwrap_or(&[]);
        let look_up = |opened: &'_ Opened| Some((seat.block(opened.place).1?, opened.ahead?));
        let look_ups = || batch.iter().filter_map(look_up);
        let begun = look_ups().map(|(view, ahead)| ahead.reach(view));
        black_box(begun.fold(0, u32::wrapping_add));
        let ended = look_ups().map(|(view, ahead)| ahead.reach_further(view));
        black_box(ended.fold(0, u32::wrapping_add));
    }

    #[inline]
    fn answer(&mut self, slot: usize, message: &[u8], asker: Asker<'_>, out: &mut [u8]) -> Step {
        self.rotation = self.rotation.wrapping_add(1);
        let Self { seat, batch, rotation, .. } = self;
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
        let (block, view) = seat.block(*place);
        match decide(block, view, work, out) {
            Outcome::Reply { len, rcode, cause } => {
                let at = seat.plan.cell(asker.door(), *place);
                let answered = Answered {
                    transport,
                    is_ipv4: asker.is_ipv4(),
                    qtype: query.asked_type(),
                    dnssec_ok: query.dnssec_ok(),
                    query: message.len(),
                    response: len,
                    rcode: rcode as u8,
                    maker: maker(cause),
                };
                if let Some(counters) = seat.meter.0.get(at) {
                    counters.count(&answered);
                }
                *cell = Some(at);
                Step::Reply(len)
            }
            Outcome::Silence => Step::Silence,
            Outcome::Forward | Outcome::Chase(_) => Step::Deferred,
        }
    }

    #[inline]
    fn settle(&mut self, took: Duration) {
        let (bucket, nanoseconds) = (duration_bucket(took), nanoseconds(took));
        let batch = self.batch.get(..self.count).unwrap_or(&[]);
        for cell in batch.iter().filter_map(|opened| self.seat.meter.0.get(opened.cell?)) {
            cell.took(bucket, nanoseconds);
        }
    }
}

/// Who makes a response that is not an upstream's.
#[inline]
fn maker(cause: Cause) -> Maker {
    match cause {
        Cause::NotOurs | Cause::Malformed | Cause::NotServed => Maker::Server,
        Cause::Identity => Maker::Chaos,
        Cause::Blocked | Cause::Filtered => Maker::Acl,
        Cause::Template => Maker::Template,
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

/// Answers from the block's view.
#[inline]
pub(super) fn decide(
    block: Option<&Block>,
    view: Option<&View>,
    work: Work<'_>,
    out: &mut [u8],
) -> Outcome {
    let Work { message, query, read, asker, transport, rotation, .. } = work;
    let settings = block.map_or(&NO_BLOCK, |block| block.settings_for(query.asked()));
    let desk = answer::Desk { view, settings, transport, rotation };
    match (read, block) {
        (Err(Reject::Silence), _) => Outcome::Silence,
        (Err(Reject::Rcode(rcode)), _) => {
            answer::error(&desk, message, query, rcode, Cause::Malformed, out)
        }
        (Ok(()), None) => answer::error(&desk, message, query, Rcode::Refused, Cause::NotOurs, out),
        (Ok(()), Some(block)) if !block.guard.is_empty() => {
            let (asked, qtype) = (query.asked(), query.qtype());
            let refuse =
                |rcode, cause, out| answer::error(&desk, message, query, rcode, cause, out);
            match block.guard.judge(asked, qtype, asker.from().ip()) {
                AclAction::Allow => allowed(block, &desk, work, out),
                AclAction::Block => refuse(Rcode::Refused, Cause::Blocked, out),
                AclAction::Filter => refuse(Rcode::NoError, Cause::Filtered, out),
                AclAction::Drop => Outcome::Silence,
            }
        }
        (Ok(()), Some(block)) => allowed(block, &desk, work, out),
    }
}

/// Answers whoever may be answered: by a template of the block, else from its view.
#[inline]
fn allowed(block: &Block, desk: &answer::Desk<'_>, work: Work<'_>, out: &mut [u8]) -> Outcome {
    let Work { message, query, ahead, asker, .. } = work;
    // CoreDNS lets `chaos` act before `template`.
    if !block.templates.is_empty()
        && !answer::is_about_server(desk.settings, query)
        && let Some(made) = block.templates.answer(message, query, || asker.from().ip())
    {
        return answer::written(desk, message, query, &made.said(), out);
    }
    answer::respond(desk, message, query, ahead, out)
}
