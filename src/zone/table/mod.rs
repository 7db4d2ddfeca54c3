//! The immutable table behind a view: key octets to answer octets.
//!
//! Built for look-ups that miss the caches. Shards stand in groups, and a shard is one allocation:
//! a run of 64-octet buckets and the entries, each a key beside what it answers. A look-up touches
//! one line of the list of shards, one line of buckets and the lines of the entry; the first two
//! are known from the hash alone, so that the look-ups of a batch can overlap
//! ([`Table::reach_bucket`], [`Table::reach_entry`]).
//!
//! A table that is shown never changes. The next one is a clone, which shares all groups, with
//! [`Table::update`]: one change costs one shard, the list of its group, and the list of groups.

mod shard;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use shard::{Body, Entry, Shard};

/// How many entries a shard holds on the average after the table has been laid out anew. Small, so
/// that one change copies little; not smaller, so that the list of shards stays short.
const SHARD_TARGET: usize = 64;
/// The average beyond which the table is laid out anew with more shards.
const SHARD_MOST: usize = 2 * SHARD_TARGET;
/// The average below which the table is laid out anew with fewer shards.
const SHARD_LEAST: usize = SHARD_TARGET / 8;
/// How many shards a group lists, a power of two: a change copies the list of one group, 2 KiB,
/// and the list of groups, which stays as short for a million names.
const GROUP: usize = 64;

/// Keys and what they answer.
#[derive(Clone, Debug)]
pub struct Table {
    /// All of one length, a power of two, and a power of two of them.
    groups: Box<[Arc<[Shard]>]>,
    len: usize,
    seed: foldhash::fast::FixedState,
}

/// What becomes of each key: a new body, or none.
pub type Updates = BTreeMap<Box<[u8]>, Option<Vec<u8>>>;

impl Table {
    /// A table without entries. `seed` makes its hashes its own, so that names cannot be chosen to
    /// collide.
    pub fn new(seed: u64) -> Self {
        Self {
            groups: Box::new([Arc::new([Shard::default()])]),
            len: 0,
            seed: foldhash::fast::FixedState::with_seed(seed),
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The hash by which `key` is found.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        hash_of(&self.seed, key)
    }

    /// Reads the line in which an entry of this hash would be listed, and says something of what
    /// stands there, to no purpose but that the next look at it finds it near.
    #[inline]
    pub fn reach_bucket(&self, hash: u64) -> u32 {
        self.shard(hash).map_or(0, |shard| shard.reach_bucket(hash))
    }

    /// Reads the lines of the entry that is probably the one of this hash, to the same purpose.
    #[inline]
    pub fn reach_entry(&self, hash: u64) -> u32 {
        self.shard(hash).map_or(0, |shard| shard.reach_entry(hash))
    }

    /// What `key`, whose hash this is, answers.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<&[u8]> {
        self.shard(hash)?.find(hash, key)
    }

    /// What `key` answers.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.find(self.hash(key), key)
    }

    /// All entries, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.shards().flat_map(Shard::iter)
    }

    /// The entries of one part of the table; `None` behind the last. The parts are small, and go on
    /// being the same ones as long as the table does.
    pub fn part(&self, index: usize) -> Option<impl Iterator<Item = (&[u8], &[u8])>> {
        let size = self.group();
        let shard = self.groups.get(index / size)?.get(index % size)?;
        Some(shard.iter())
    }

    /// Makes the updates. Whoever else has a group that they touch keeps it as it was; the list of
    /// one that nobody else has is changed in place.
    pub fn update(&mut self, updates: &Updates) {
        let mut len = self.len;
        let mut touched: BTreeMap<usize, Vec<Entry<'_>>> = BTreeMap::new();
        for (key, body) in updates {
            let hash = self.hash(key);
            match (self.find(hash, key), body) {
                (None, None) => continue,
                (Some(_), None) => len = len.saturating_sub(1),
                (None, Some(_)) => len += 1,
                (Some(_), Some(_)) => {}
            }
            let body = body.as_deref().map_or(Body::Gone, Body::Plain);
            let shard = shard_index(hash, self.count());
            touched.entry(shard).or_default().push(Entry { hash, key, body });
        }
        let count = self.count();
        self.len = len;
        if len > count * SHARD_MOST || (count > 1 && len < count * SHARD_LEAST) {
            return self.lay_out_anew(&touched);
        }
        let size = self.group();
        // The shards of a group are neighbours, so that its list is copied once.
        let mut changes = touched.into_iter().peekable();
        while let Some(&(first, _)) = changes.peek() {
            let at = first / size;
            let Some(group) = self.groups.get_mut(at) else { break };
            let shards = Arc::make_mut(group);
            while let Some((index, entries)) = changes.next_if(|next| next.0 / size == at) {
                if let Some(shard) = shards.get_mut(index % size) {
                    *shard = shard.with(&entries, |key| hash_of(&self.seed, key));
                }
            }
        }
    }

    /// Octets held, for the memory metric and the memory bench.
    pub fn octets(&self) -> usize {
        let lists = self.groups.len() * (size_of::<Arc<[Shard]>>() + 16);
        self.shards().map(|shard| size_of::<Shard>() + shard.octets()).sum::<usize>() + lists
    }

    /// Spreads the entries, with these changes, by shard, over as many shards as suit them. One
    /// range of hashes after the other: the groups that it was in make room for the next.
    fn lay_out_anew(&mut self, touched: &BTreeMap<usize, Vec<Entry<'_>>>) {
        let count = (self.len / SHARD_TARGET).next_power_of_two();
        let size = self.group();
        let before = std::mem::take(&mut self.groups).into_vec();
        // Of as many groups before as after, or the other way round: both are powers of two.
        let ranges = before.len().min(count.div_ceil(GROUP)).max(1);
        let (taken, made) = (before.len() / ranges, count / ranges);
        let mut before = before.into_iter();
        let mut groups = Vec::with_capacity(count.div_ceil(GROUP));
        for range in 0..ranges {
            let old: Vec<Arc<[Shard]>> = before.by_ref().take(taken).collect();
            let mut parts: Vec<Vec<Entry<'_>>> = vec![Vec::new(); made];
            let shards = old.iter().flat_map(|group| group.iter());
            for (index, shard) in (range * taken * size..).zip(shards) {
                let changes = touched.get(&index).map_or(&[][..], Vec::as_slice);
                for entry in shard.changed(changes, |key| hash_of(&self.seed, key)) {
                    let part = shard_index(entry.hash, count).checked_sub(range * made);
                    if let Some(part) = part.and_then(|at| parts.get_mut(at)) {
                        part.push(entry);
                    }
                }
            }
            let made = parts.chunks(GROUP);
            groups.extend(made.map(|group| group.iter().map(|part| Shard::build(part)).collect()));
        }
        self.groups = groups.into_boxed_slice();
    }

    fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    /// How many shards a group has; all groups are of one length.
    #[inline]
    fn group(&self) -> usize {
        if self.groups.len() > 1 { GROUP } else { self.groups.first().map_or(1, |g| g.len()) }
    }

    /// How many shards there are.
    #[inline]
    fn count(&self) -> usize {
        self.groups.len() * self.group()
    }

    #[inline]
    fn shard(&self, hash: u64) -> Option<&Shard> {
        // The group by the hash's uppermost bits, the shard in it by those that come next: together
        // they are `shard_index`, since both counts are powers of two.
        let group = self.groups.get(shard_index(hash, self.groups.len()))?;
        group.get(shard_index(hash, self.count()) & group.len().wrapping_sub(1))
    }
}

#[inline]
fn hash_of(seed: &foldhash::fast::FixedState, key: &[u8]) -> u64 {
    let mut hasher = seed.build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// The shard of a hash, of a power of two of them: its uppermost bits.
#[inline]
#[allow(clippy::cast_possible_truncation)]
fn shard_index(hash: u64, count: usize) -> usize {
    // The upper 32 bits times the count, divided by 2^32: below the count, whatever the hash.
    (((hash >> 32) * count as u64) >> 32) as usize
}
