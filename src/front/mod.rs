//! The front desk: which server block a query belongs to, its views, its upstreams.
//!
//! Joins the pure [`answer`] to the sockets of [`serve`], one desk for each set of
//! blocks that share their listening addresses. A [`Clerk`] runs on one query thread and holds its
//! own references to the newest views; what has to be awaited runs on the stream threads.
#![forbid(unsafe_code)]

mod finish;
mod local;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::{ArcSwap, Cache};

use crate::answer::{
    self, Ahead, Asked, Cause, Outcome, Query, Rcode, Reject, Settings, Transport,
};
use crate::config::{self, Forward, ServerBlock};
use crate::name::Name;
use crate::serve::{self, Asker, Client, Step, Upstreams};
use crate::zone::View;

pub use local::local_addresses;

/// Far enough apart that no two threads turn sets of addresses in step.
const ROTATION_STRIDE: u32 = 0x9e37_79b9;

// What a configuration may ask for is what an answer can be.
const _: () = assert!(
    config::MIN_BUFSIZE == answer::UDP_LEAST
        && config::DEFAULT_BUFSIZE == answer::UDP_DEFAULT
        && config::MAX_BUFSIZE == answer::UDP_MOST
);

/// One server block, ready to answer.
#[derive(Debug)]
pub struct Block {
    zones: Vec<Name>,
    view: Option<Arc<ArcSwap<View>>>,
    forward: Option<(Forward, Upstreams)>,
    /// Every name of the block is forwarded, so that none has to be looked at for it.
    forwards_all: bool,
    settings: Settings,
    errors: bool,
}

impl Block {
    /// A block of the configuration; `view` is where its `kubernetes` publishes.
    pub fn new(config: &ServerBlock, view: Option<Arc<ArcSwap<View>>>) -> Self {
        let forward = config.forward.as_ref();
        Self {
            zones: config.zones.clone(),
            view,
            forward: forward.map(|forward| (forward.clone(), Upstreams::new(forward.addresses()))),
            forwards_all: forward.is_some_and(|f| f.from.is_root() && f.except.is_empty()),
            settings: Settings {
                payload: config.bufsize,
                recursion: forward.is_some(),
                upstream: forward.is_some(),
                ede: config.kubernetes.as_ref().is_none_or(|kubernetes| kubernetes.ede),
            },
            errors: config.errors.is_some(),
        }
    }

    /// What shapes an answer about this name.
    #[inline]
    fn settings_for(&self, asked: &Asked) -> Settings {
        if self.forwards_all || !self.settings.upstream {
            return self.settings;
        }
        let covered =
            self.forward.as_ref().is_some_and(|(forward, _)| forward.covers_wire(asked.name()));
        Settings { upstream: covered, ..self.settings }
    }
}

/// All blocks that are reached through the same addresses.
#[derive(Debug)]
pub struct Front {
    blocks: Blocks,
    rotations: AtomicU32,
}

/// The blocks, shared with every clerk.
#[derive(Clone, Debug)]
struct Blocks(Arc<[Block]>);

impl Front {
    /// A desk for these blocks.
    pub fn new(blocks: Vec<Block>) -> Arc<Self> {
        Arc::new(Self { blocks: Blocks(blocks.into()), rotations: AtomicU32::new(0) })
    }
}

impl Blocks {
    fn get(&self, index: Option<usize>) -> Option<&Block> {
        self.0.get(index?)
    }

    /// The block with the longest zone that holds the name.
    #[inline]
    fn choose(&self, asked: &Asked) -> Option<usize> {
        if let [only] = &*self.0
            && only.zones.iter().any(Name::is_root)
        {
            return Some(0);
        }
        let fit = |zone: &Name| answer::is_within(asked.name(), zone.as_wire());
        let longest = |block: &Block| {
            block.zones.iter().filter(|zone| fit(zone)).map(|zone| zone.as_wire().len()).max()
        };
        let fitting = self.0.iter().enumerate().filter_map(|(i, b)| Some((longest(b)?, i)));
        // Of equals the first, which `max_by_key` would not give.
        fitting.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|best| best.1)
    }
}

/// A watch on where views are published, which looks there without a write to shared memory.
type Newest = Cache<Arc<ArcSwap<View>>, Arc<View>>;

/// One query thread's access to a [`Front`].
pub struct Clerk {
    blocks: Blocks,
    caches: Vec<Option<Newest>>,
    views: Vec<Option<Arc<View>>>,
    /// The queries of the batch that was read last.
    batch: Box<[Opened]>,
    rotation: u32,
}

/// A query that has been read, and what hangs on its name alone.
#[derive(Clone, Debug)]
struct Opened {
    query: Query,
    read: Result<(), Reject>,
    block: Option<usize>,
    ahead: Option<Ahead>,
}

impl Default for Opened {
    fn default() -> Self {
        Self { query: Query::default(), read: Err(Reject::Silence), block: None, ahead: None }
    }
}

impl serve::Clerk for Clerk {
    fn refresh(&mut self) {
        for (cache, view) in self.caches.iter_mut().zip(&mut self.views) {
            let (Some(cache), Some(view)) = (cache, view) else { continue };
            let newest = cache.load();
            if !Arc::ptr_eq(newest, view) {
                *view = Arc::clone(newest);
            }
        }
    }

    #[inline]
    fn read<'q>(&mut self, queries: impl ExactSizeIterator<Item = &'q [u8]>) {
        let Self { blocks, views, batch, .. } = self;
        let view = |block: Option<usize>| views.get(block?).and_then(Option::as_deref);
        let count = queries.len().min(batch.len());
        for (opened, message) in batch.iter_mut().zip(queries) {
            opened.read = opened.query.read(message);
            opened.block = blocks.choose(opened.query.asked());
            let asked = opened.query.asked();
            opened.ahead = view(opened.block).and_then(|view| Ahead::of(view, asked));
        }
        if count < 2 {
            return;
        }
        // One step of all look-ups after the other, so that each waits for memory beside the rest.
        let batch = batch.get(..count).unwrap_or(&[]);
        let look_ups = || batch.iter().filter_map(|o| Some((view(o.block)?, o.ahead.as_ref()?)));
        let begun = look_ups().map(|(view, ahead)| ahead.reach(view));
        black_box(begun.fold(0, u32::wrapping_add));
        let ended = look_ups().map(|(view, ahead)| ahead.reach_further(view));
        black_box(ended.fold(0, u32::wrapping_add));
    }

    #[inline]
    fn answer(&mut self, slot: usize, message: &[u8], asker: Asker<'_>, out: &mut [u8]) -> Step {
        self.rotation = self.rotation.wrapping_add(1);
        let Some(Opened { query, read, block, ahead }) = self.batch.get(slot) else {
            return Step::Silence;
        };
        let (read, ahead) = (*read, *ahead);
        let work = Work {
            message,
            query,
            read,
            ahead,
            transport: asker.transport(),
            rotation: self.rotation,
        };
        let view = block.and_then(|block| self.views.get(block)).and_then(Option::as_deref);
        let outcome = decide(self.blocks.get(*block), view, work, out);
        match outcome {
            Outcome::Reply { len, .. } => Step::Reply(len),
            Outcome::Silence => Step::Silence,
            Outcome::Forward | Outcome::Chase(_) => Step::Deferred,
        }
    }
}

/// A query on its way to an outcome.
#[derive(Clone, Copy)]
struct Work<'w> {
    message: &'w [u8],
    query: &'w Query,
    read: Result<(), Reject>,
    ahead: Option<Ahead>,
    transport: Transport,
    rotation: u32,
}

/// Answers from the block's view.
#[inline]
fn decide(block: Option<&Block>, view: Option<&View>, work: Work<'_>, out: &mut [u8]) -> Outcome {
    let Work { message, query, read, ahead, transport, rotation } = work;
    let settings = block.map(|block| block.settings_for(query.asked())).unwrap_or_default();
    let desk = answer::Desk { view, settings: &settings, transport, rotation };
    match (read, block) {
        (Err(Reject::Silence), _) => Outcome::Silence,
        (Err(Reject::Rcode(rcode)), _) => {
            answer::error(&desk, message, query, rcode, Cause::Malformed, out)
        }
        (Ok(()), None) => answer::error(&desk, message, query, Rcode::Refused, Cause::NotOurs, out),
        (Ok(()), Some(_)) => answer::respond(&desk, message, query, ahead, out),
    }
}

impl serve::Desk for Front {
    type Clerk = Clerk;

    fn clerk(&self) -> Clerk {
        let turn = self.rotations.fetch_add(1, Ordering::Relaxed);
        let blocks = &self.blocks.0;
        let newest = |block: &Block| block.view.as_ref().map(|view| view.load_full());
        let views = blocks.iter().map(newest).collect();
        let caches = blocks.iter().map(|block| block.view.clone().map(Cache::new)).collect();
        Clerk {
            blocks: self.blocks.clone(),
            caches,
            views,
            batch: vec![Opened::default(); serve::BATCH].into_boxed_slice(),
            rotation: turn.wrapping_mul(ROTATION_STRIDE),
        }
    }

    async fn finish(&self, query: Vec<u8>, client: Client) -> Option<Vec<u8>> {
        self.finish_query(&query, client.transport).await
    }
}
