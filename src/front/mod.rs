//! The front desk: which server block a query belongs to, its views, its upstreams.
//!
//! Joins the pure [`answer`] to the sockets of [`serve`], one desk for each set of
//! blocks that share their listening addresses. A [`Clerk`] runs on one query thread and holds its
//! own references to the newest views; what has to be awaited runs on the stream threads.
#![forbid(unsafe_code)]

mod cached;
mod clerk;
mod explain;
mod finish;
mod forwards;
mod guard;
mod hosts;
mod journal;
mod local;
mod loops;
mod meter;
mod pattern;
mod plan;
mod rewrite;
mod template;
mod transfer;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use crate::serve::{self, Client, Forwarded};
use crate::{answer, config};
use plan::Plan;

pub use clerk::Clerk;
pub use journal::{Journal, Scribe};
pub use local::local_addresses;
pub use loops::{LeadsBack, LoopSearch};
pub use meter::{
    AtCache, Counts, DURATIONS, FIRST_DURATION, Histogram, Maker, RCODES, SIZES, TYPES,
};
/// Reads a record as zone files have it, of one line; `None` where that is none.
pub fn read_record(text: &str) -> Option<answer::Record> {
    template::record::parse(text, answer::Section::Answer)
}

pub use plan::{Block, Series, Shelved, server_label};

/// Far enough apart that no two threads turn sets of addresses in step.
const ROTATION_STRIDE: u32 = 0x9e37_79b9;

// What a configuration may ask for is what an answer can be.
const _: () = assert!(
    config::MIN_BUFSIZE == answer::UDP_LEAST
        && config::DEFAULT_BUFSIZE == answer::UDP_DEFAULT
        && config::MAX_BUFSIZE == answer::UDP_MOST
);

/// The desk of all blocks that are reached through the same addresses.
pub struct Front {
    plan: Arc<ArcSwap<Plan>>,
    rotations: AtomicU32,
    /// A permit for each zone that may be handed over at a time.
    transfers: Arc<Semaphore>,
    past: Mutex<Past>,
}

/// What is left of earlier configurations.
#[derive(Default)]
struct Past {
    /// Plans by which somebody may still be working: a thread that hears nothing keeps its own.
    plans: Vec<Arc<Plan>>,
    /// What was answered by those that nobody has any more.
    answered: Vec<Series>,
    /// What passed between them and upstreams.
    forwarded: Forwarded,
}

impl Front {
    /// A desk for these blocks, which listen on the same addresses.
    pub fn new(blocks: Vec<Block>) -> Arc<Self> {
        Arc::new(Self {
            plan: Arc::new(ArcSwap::from_pointee(Plan::new(blocks))),
            rotations: AtomicU32::new(0),
            transfers: Arc::new(Semaphore::new(transfer::TRANSFERS)),
            past: Mutex::default(),
        })
    }

    /// Goes on with other blocks, which listen on the same addresses: each clerk from its next
    /// batch on. What is being finished is finished as it was begun.
    pub fn renew(&self, blocks: Vec<Block>) {
        let plan = Arc::new(Plan::new(blocks));
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.plan.swap(plan);
        old.blocks.iter().filter_map(|block| block.loops.as_ref()).for_each(|loops| loops.end());
        past.plans.push(old);
        let (held, gone): (Vec<_>, Vec<_>) =
            past.plans.drain(..).partition(|plan| Arc::strong_count(plan) > 1);
        past.plans = held;
        for plan in gone {
            merge(&mut past.answered, plan.answered());
            past.forwarded.add(plan.forwarded());
        }
    }

    /// What has been answered so far, by address and zone, whichever configuration that was under.
    pub fn answered(&self) -> Vec<Series> {
        // The lock keeps a plan from being counted twice, or not at all, amid a change of plans.
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.plan.load().answered();
        past.plans.iter().for_each(|plan| merge(&mut all, plan.answered()));
        merge(&mut all, past.answered.clone());
        all
    }

    /// What has passed between this server and upstreams, whichever configuration that was under.
    pub fn forwarded(&self) -> Forwarded {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = past.forwarded.clone();
        past.plans.iter().for_each(|plan| all.add(plan.forwarded()));
        all.add(self.plan.load().forwarded());
        all
    }

    /// Look-ups of upstreams under way, whichever configuration they were begun under.
    pub fn look_ups(&self) -> usize {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let plans = past.plans.iter().map(|plan| plan.look_ups());
        plans.sum::<usize>() + self.plan.load().look_ups()
    }

    /// The searches for loops that the blocks want, for somebody to run them.
    pub fn loop_searches(&self) -> Vec<Arc<LoopSearch>> {
        let plan = self.plan.load();
        plan.blocks.iter().filter_map(|block| block.loops.clone()).collect()
    }

    /// What the caches hold now.
    pub fn shelved(&self) -> Vec<Shelved> {
        self.plan.load().shelved()
    }
}

/// Adds counts to those of the same address, zone and cache.
fn merge(all: &mut Vec<Series>, more: Vec<Series>) {
    for series in more {
        let same = |s: &&mut Series| {
            (&s.server, &s.zone, &s.cache) == (&series.server, &series.zone, &series.cache)
        };
        match all.iter_mut().find(same) {
            Some(found) => found.counts.add(&series.counts),
            None => all.push(series),
        }
    }
}

impl serve::Desk for Front {
    type Clerk = Clerk;

    fn clerk(&self) -> Clerk {
        let turn = self.rotations.fetch_add(1, Ordering::Relaxed);
        Clerk::new(Arc::clone(&self.plan), turn.wrapping_mul(ROTATION_STRIDE))
    }

    async fn finish(&self, query: Vec<u8>, client: Client) -> Option<Vec<u8>> {
        self.finish_query(&query, client).await
    }

    fn several(&self, query: Vec<u8>, client: Client) -> Option<Box<dyn serve::Messages>> {
        Some(Box::new(self.hand_over(query, client)?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Listen, ServerBlock};
    use crate::name::Name;
    use crate::serve::{Asker, Clerk as _, Desk as _, Step, Transport};

    fn block(zone: &str) -> Block {
        let listen = ["127.0.0.1:53", "[::1]:53"].map(|at| Listen::written(at.parse().unwrap()));
        let config = ServerBlock {
            zones: vec![Name::parse(zone).unwrap()],
            listen: listen.into(),
            ..ServerBlock::default()
        };
        Block::new(&config, None)
    }

    /// `a.example`, A.
    const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01";

    fn ask(clerk: &mut Clerk, local: &str) {
        let (from, local) = ("192.0.2.1:4000".parse().unwrap(), local.parse().unwrap());
        let client = Client { from, local: Some(local), transport: Transport::Udp };
        clerk.refresh();
        clerk.read(std::iter::once(QUERY));
        let step = clerk.answer(0, QUERY, Asker::of(&client), &mut [0; 4_096]);
        assert_eq!(step, Step::Reply(QUERY.len()));
        clerk.settle(Duration::from_micros(3));
    }

    /// Server, zone, and how many queries and timed answers.
    fn told(front: &Front) -> Vec<(String, String, u64, u64)> {
        let mut told: Vec<_> = front
            .answered()
            .into_iter()
            .map(|s| (s.server, s.zone, s.counts.requests(0, 0, 0), s.counts.durations.count()))
            .filter(|told| told.2 + told.3 > 0)
            .collect();
        told.sort();
        told
    }

    #[test]
    fn what_is_answered_is_counted_by_address_and_zone_through_a_change_of_plans() {
        let front = Front::new(vec![block("example")]);
        let (mut first, mut second) = (front.clerk(), front.clerk());
        ask(&mut first, "127.0.0.1:53");
        ask(&mut first, "[::1]:53");
        ask(&mut second, "127.0.0.1:53");
        let line = |server: &str, zone: &str, n| (server.to_owned(), zone.to_owned(), n, n);
        let before =
            [line("dns://127.0.0.1:53", "example.", 2), line("dns://[::1]:53", "example.", 1)];
        assert_eq!(told(&front), before);

        front.renew(vec![block("other")]);
        assert_eq!(told(&front), before, "what was answered stays counted");
        ask(&mut first, "127.0.0.1:53");
        let after = [
            line("dns://127.0.0.1:53", "dropped", 1),
            line("dns://127.0.0.1:53", "example.", 2),
            line("dns://[::1]:53", "example.", 1),
        ];
        assert_eq!(told(&front), after);
        drop(second);
        front.renew(vec![block("example")]);
        assert_eq!(front.past.lock().unwrap().plans.len(), 1, "the first plan is let go");
        assert_eq!(told(&front), after);
    }
}
