//! Half of a store: shards that are replaced whole.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::{Entry, Key, Newest};

/// How many halves a store has.
pub const HALVES: usize = 2;

/// The least number of entries that a shard has room for, where the configuration wants as many:
/// with fewer, some would be full long before the rest.
const SHARD_LEAST: usize = 32;
/// The most shards of a half: each reader keeps 16 octets for each.
const SHARDS_MOST: usize = 16_384;
/// Octets for each configured entry, all together: some four times what an answer takes, so that
/// only answers longer than anybody's need are kept in smaller number.
const ENTRY_SHARE: usize = 1_024;
/// The least octets of a shard: room for the largest answer.
const SHARD_OCTETS_LEAST: usize = 32 * 1_024;

/// Which half.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
pub enum HalfKind {
    /// Answers with data.
    Success = 0,
    /// Denials and failures.
    Denial = 1,
}

impl HalfKind {
    /// Both, in the order of their counters.
    pub const ALL: [Self; HALVES] = [Self::Success, Self::Denial];

    /// CoreDNS's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denial => "denial",
        }
    }
}

pub(super) struct Half {
    /// A power of two of them.
    shards: Box<[Shard]>,
    seed: foldhash::fast::FixedState,
    /// Entries of one shard at most.
    entries_most: usize,
    /// Octets of one shard at most.
    octets_most: usize,
    len: AtomicUsize,
}

struct Shard {
    newest: Arc<ArcSwap<Slots>>,
    /// Held by whoever makes the next state.
    gate: Mutex<()>,
}

/// One state of a shard.
#[derive(Default)]
pub(super) struct Slots {
    hashes: Box<[u32]>,
    entries: Box<[Arc<Entry>]>,
}

impl Half {
    pub(super) fn new(capacity: u32, seed: u64) -> Self {
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        // The power of two at or below.
        let wanted = (capacity / SHARD_LEAST).clamp(1, SHARDS_MOST);
        let count = 1 << wanted.ilog2();
        let shard = |_| Shard { newest: Arc::default(), gate: Mutex::default() };
        let entries_most = capacity / count;
        Self {
            shards: (0..count).map(shard).collect(),
            seed: foldhash::fast::FixedState::with_seed(seed),
            entries_most,
            octets_most: entries_most.saturating_mul(ENTRY_SHARE).max(SHARD_OCTETS_LEAST),
            len: AtomicUsize::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// The number of the shard of a question, and its hash there.
    #[inline]
    pub(super) fn place(&self, key: &Key<'_>) -> (usize, u32) {
        let mut hasher = self.seed.build_hasher();
        hasher.write(key.name());
        hasher.write_u32(key.rest());
        let hash = hasher.finish();
        let [upper, lower] = [hash >> 32, hash & 0xffff_ffff];
        let [upper, lower] = [upper, lower].map(|part| u32::try_from(part).unwrap_or(0));
        (lower as usize & (self.shards.len() - 1), upper)
    }

    pub(super) fn find(&self, key: &Key<'_>) -> Option<Arc<Entry>> {
        let (shard, hash) = self.place(key);
        self.shards.get(shard)?.newest.load().find(key, hash).cloned()
    }

    pub(super) fn caches(&self) -> Vec<Newest> {
        self.shards.iter().map(|shard| Newest::new(Arc::clone(&shard.newest))).collect()
    }

    /// Puts an entry in the place of one with the same key. What is dead goes; how many had to go
    /// that were not.
    pub(super) fn add(&self, entry: &Arc<Entry>, dead: impl Fn(&Entry) -> bool) -> u64 {
        let key = entry.key();
        let (place, hash) = self.place(&key);
        let Some(shard) = self.shards.get(place) else { return 0 };
        let _gate = shard.gate();
        let old = shard.newest.load();
        let stays = |one: &(u32, &Arc<Entry>)| !one.1.answers(&key) && !dead(one.1);
        let mut kept: Vec<(u32, &Arc<Entry>)> = old.iter().filter(stays).collect();
        let mut octets = kept.iter().map(|one| one.1.weight()).sum::<usize>() + entry.weight();
        let mut evicted = 0;
        // Whom it hits is for nobody to choose, as hashes are for nobody to guess.
        let mut victim = hash as usize;
        while !kept.is_empty() && (kept.len() >= self.entries_most || octets > self.octets_most) {
            let (_, gone) = kept.swap_remove(victim % kept.len());
            octets -= gone.weight();
            victim = victim.rotate_left(7);
            evicted += 1;
        }
        kept.push((hash, entry));
        self.replace(shard, &old, &kept);
        evicted
    }

    pub(super) fn remove(&self, key: &Key<'_>) {
        let (place, hash) = self.place(key);
        let Some(shard) = self.shards.get(place) else { return };
        if shard.newest.load().find(key, hash).is_none() {
            return;
        }
        let _gate = shard.gate();
        let old = shard.newest.load();
        let stays = |one: &(u32, &Arc<Entry>)| !one.1.answers(key);
        self.replace(shard, &old, &old.iter().filter(stays).collect::<Vec<_>>());
    }

    fn replace(&self, shard: &Shard, old: &Slots, new: &[(u32, &Arc<Entry>)]) {
        let slots = Slots {
            hashes: new.iter().map(|(hash, _)| *hash).collect(),
            entries: new.iter().map(|(_, entry)| Arc::clone(entry)).collect(),
        };
        self.len.fetch_add(new.len(), Relaxed);
        self.len.fetch_sub(old.entries.len(), Relaxed);
        shard.newest.store(Arc::new(slots));
    }
}

impl Shard {
    fn gate(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    #[inline]
    pub(super) fn find(&self, key: &Key<'_>, hash: u32) -> Option<&Arc<Entry>> {
        self.iter().find(|(other, entry)| *other == hash && entry.answers(key)).map(|one| one.1)
    }

    #[inline]
    fn iter(&self) -> impl Iterator<Item = (u32, &Arc<Entry>)> {
        self.hashes.iter().copied().zip(&self.entries)
    }
}
