//! What upstreams have said, for as long as it may be said again.
//!
//! A [`Store`] has a half for answers with data and one for denials and failures, each cut into
//! shards that never change: whoever adds an entry puts a new shard in place of the old one. So a
//! query thread, by its [`Reader`], looks an answer up with plain loads: it takes no lock, writes to
//! nothing that another thread reads, and allocates nothing. Adding is for the runtime's threads,
//! which have just waited for an upstream.
#![forbid(unsafe_code)]

mod entry;
mod flight;
mod half;
mod popular;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

pub use entry::{Entry, Key};
pub use flight::{Flights, Joined, Lead, Turn};
pub use half::{HALVES, HalfKind};

use crate::answer::{Kept, KeptKind};
use crate::config::Cache;
use half::{Half, Slots};
use popular::Popular;
use rules::Rules;

/// Answers of upstreams, kept as a `cache` says.
pub struct Store {
    rules: Rules,
    halves: [Half; HALVES],
}

/// What a store knows of a question.
#[derive(Clone, Debug)]
pub enum Found {
    /// An answer that is still to be believed.
    Fresh(Arc<Entry>),
    /// One that has expired and may serve where nobody says anything newer.
    Stale(Arc<Entry>),
    /// Nothing that may be said.
    Missing,
}

/// What became of an answer that was to be kept.
#[derive(Debug)]
pub struct Added {
    /// The answer, as it is to be given now, whether it is kept or not.
    pub entry: Arc<Entry>,
    /// How many others had to go before their time, in each half.
    pub evicted: [u64; HALVES],
}

impl Store {
    /// An empty one. `seed` is for nobody to guess, so that nobody fills one shard alone.
    pub fn new(config: Cache, seed: u64) -> Arc<Self> {
        let halves = [&config.success, &config.denial].map(|half| Half::new(half.capacity, seed));
        Arc::new(Self { rules: Rules(config), halves })
    }

    /// What the configuration says.
    pub fn config(&self) -> &Cache {
        &self.rules.0
    }

    /// Whether answers about this name, in wire form and lower case, are kept.
    #[inline]
    pub fn covers(&self, name: &[u8]) -> bool {
        self.rules.covers(name)
    }

    /// How many answers there are in a half, expired ones with them.
    pub fn len(&self, half: HalfKind) -> u64 {
        self.halves[half as usize].len() as u64
    }

    /// What there is about a question.
    pub fn find(&self, key: &Key<'_>, now: Instant) -> Found {
        let [success, denial] = self.halves.each_ref().map(|half| half.find(key));
        let of = |found: &Option<Arc<Entry>>| found.clone().filter(|entry| entry.is_fresh(now));
        if let Some(entry) = of(&success).or_else(|| of(&denial)) {
            return Found::Fresh(entry);
        }
        let denial = denial.filter(|entry| self.rules.is_usable(entry, now));
        let success = success.filter(|entry| self.rules.is_usable(entry, now));
        match (success, denial) {
            (Some(data), Some(denial)) => {
                Found::Stale(if self.rules.prefers_data() { data } else { denial })
            }
            (Some(entry), None) | (None, Some(entry)) => Found::Stale(entry),
            (None, None) => Found::Missing,
        }
    }

    /// Keeps an answer, if that is wanted, and makes it ready to be given.
    pub fn add(&self, key: &Key<'_>, kept: Kept, now: Instant) -> Added {
        let half = if kept.kind() == KeptKind::Data { HalfKind::Success } else { HalfKind::Denial };
        let failed = kept.kind() == KeptKind::Failure;
        let ttl = self.rules.ttl(&kept);
        let entry = Arc::new(Entry::new(key, kept, half, now, ttl));
        let mut evicted = [0; HALVES];
        let wanted = ttl > 0 && !self.rules.is_disabled(key.name(), half);
        // A failure is no reason to forget what can still serve.
        let keeps_another = || failed && !matches!(self.find(key, now), Found::Missing);
        if wanted && !keeps_another() {
            let dead = |entry: &Entry| !entry.is_fresh(now) && !self.rules.is_usable(entry, now);
            evicted[half as usize] = self.halves[half as usize].add(&entry, dead);
            // What was said before is over, but for data that are to be preferred.
            match half {
                HalfKind::Success => self.halves[HalfKind::Denial as usize].remove(key),
                HalfKind::Denial if failed || self.rules.prefers_data() => {}
                HalfKind::Denial => self.halves[HalfKind::Success as usize].remove(key),
            }
        }
        Added { entry, evicted }
    }

    /// The TTL to say with an entry, in seconds.
    #[inline]
    pub fn ttl(&self, entry: &Entry, now: Instant) -> u32 {
        self.rules.said(entry, now)
    }

    /// Whether so little is left of an entry's time that a popular name is to be looked up again.
    #[inline]
    pub fn is_due(&self, entry: &Entry, now: Instant) -> bool {
        self.rules.is_due(entry, now)
    }

    /// One thread's access.
    pub fn reader(self: &Arc<Self>) -> Reader {
        let caches = self.halves.each_ref().map(Half::caches);
        let popular = self.rules.prefetch().map(Popular::new);
        Reader { store: Arc::clone(self), caches, popular, turn: 0 }
    }
}

/// One thread's view of a [`Store`]: each shard as it was when it was last looked at.
pub struct Reader {
    store: Arc<Store>,
    caches: [Vec<Newest>; HALVES],
    /// Where `prefetch` asks for it.
    popular: Option<Popular>,
    turn: usize,
}

/// A watch on where a shard is replaced, which looks there without a write to shared memory.
type Newest = arc_swap::Cache<Arc<arc_swap::ArcSwap<Slots>>, Arc<Slots>>;

impl Reader {
    /// The answer to give, if there is one that is still to be believed, and its TTL. None now and
    /// then for a popular name that is due to be looked up again, so that somebody does.
    #[inline]
    pub fn fresh(&mut self, key: &Key<'_>, now: Instant) -> Option<(&Entry, u32)> {
        let Self { store, caches: [success, denial], popular, .. } = self;
        let (found, hash) = match look(&store.halves[0], success, key, now) {
            Some(found) => found,
            None => look(&store.halves[1], denial, key, now)?,
        };
        if let Some(popular) = popular
            && popular.is_asked_often(hash, now)
            && store.is_due(found, now)
        {
            popular.seen_to(hash);
            return None;
        }
        Some((found, store.ttl(found, now)))
    }

    /// Whether there is any answer, expired or not.
    pub fn holds(&mut self, key: &Key<'_>) -> bool {
        let Self { store, caches, .. } = self;
        store.halves.iter().zip(caches).any(|(half, caches)| {
            let (shard, hash) = half.place(key);
            caches.get_mut(shard).is_some_and(|newest| newest.load().find(key, hash).is_some())
        })
    }

    /// The store that it reads.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Lets go of what one shard of each half once was, a shard further at each call: a thread that
    /// nobody asks for a shard's names would hold its old entries for ever.
    pub fn tidy(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        for half in &mut self.caches {
            let at = self.turn.checked_rem(half.len()).unwrap_or(0);
            if let Some(newest) = half.get_mut(at) {
                newest.load();
            }
        }
    }
}

#[inline]
fn look<'r>(
    half: &Half,
    caches: &'r mut [Newest],
    key: &Key<'_>,
    now: Instant,
) -> Option<(&'r Entry, u32)> {
    let (shard, hash) = half.place(key);
    let entry = caches.get_mut(shard)?.load().find(key, hash)?;
    entry.is_fresh(now).then_some((&**entry, hash))
}
