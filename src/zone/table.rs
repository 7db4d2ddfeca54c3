//! The immutable table behind a view: key octets to answer octets.
//!
//! Built for look-ups that miss the caches. A shard is a run of 64-byte buckets and one blob; a
//! bucket holds sixteen tagged offsets, and at each offset stand the key and what it answers, side
//! by side. A look-up touches one line of buckets and the lines of the entry, and both addresses
//! are known from the hash alone, so that the look-ups of a batch can overlap ([`Table::touch`]).
//!
//! A table that is shown never changes. The next one is a clone, which shares all shards, with
//! [`Table::update`]: one change costs one shard and a copy of the list of shards.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// How many entries a shard holds on the average after the table has been laid out anew. Small, so
/// that one change copies little; not smaller, so that the list of shards stays short.
const SHARD_TARGET: usize = 64;
/// The average beyond which the table is laid out anew with more shards.
const SHARD_MOST: usize = 2 * SHARD_TARGET;
/// The average below which the table is laid out anew with fewer shards.
const SHARD_LEAST: usize = SHARD_TARGET / 8;
/// How many entries a bucket is meant to hold: half its slots, so that it rarely runs over.
const BUCKET_TARGET: usize = 8;
/// Bodies longer than this stand outside the blob, so that a change beside them does not copy them.
const INLINE_MOST: usize = 1_024;
/// Entries begin at multiples of this many octets, so that an offset fits into 24 bits.
const ALIGN: usize = 8;
/// Octets in front of the key: key length, place of the body, length of the body.
const HEAD: usize = 8;

/// Keys and what they answer.
#[derive(Clone, Debug)]
pub struct Table {
    shards: Box<[Arc<Shard>]>,
    len: usize,
    seed: foldhash::fast::FixedState,
}

/// One line of a shard: sixteen slots, each 0 or an 8-bit tag above a 24-bit place.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket([u32; 16]);

#[derive(Debug, Default)]
struct Shard {
    /// A power of two of them, or none.
    buckets: Box<[Bucket]>,
    blob: Box<[u8]>,
    /// The bodies that are too long for the blob.
    large: Box<[Arc<[u8]>]>,
    len: usize,
}

/// A key and its new body, or none.
type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// What becomes of each key: a new body, or none.
pub type Updates = BTreeMap<Box<[u8]>, Option<Vec<u8>>>;

impl Table {
    /// A table without entries. `seed` makes its hashes its own, so that names cannot be chosen to
    /// collide.
    pub fn new(seed: u64) -> Self {
        Self {
            shards: Box::new([Arc::default()]),
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

    /// Reads the line in which an entry of this hash would be listed and says what stands there,
    /// to no purpose but that the next look at it finds it near.
    #[inline]
    pub fn touch(&self, hash: u64) -> u32 {
        let shard = self.shard(hash);
        shard.buckets.get(shard.bucket(hash)).map_or(0, |bucket| bucket.0[0])
    }

    /// What `key`, whose hash this is, answers.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<&[u8]> {
        self.shard(hash).find(hash, key)
    }

    /// What `key` answers.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.find(self.hash(key), key)
    }

    /// All entries, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// Makes the updates. A shard that they touch is replaced, so that whoever else has it keeps it
    /// as it was; one that nobody else has makes room before the next is touched.
    pub fn update(&mut self, updates: &Updates) {
        let mut touched: BTreeMap<usize, Vec<Change<'_>>> = BTreeMap::new();
        for (key, body) in updates {
            let shard = self.shard_index(self.hash(key));
            touched.entry(shard).or_default().push((key, body.as_deref()));
        }
        for (index, changes) in touched {
            if let Some(shard) = self.shards.get_mut(index) {
                let next = shard.with(&changes, &self.seed);
                self.len = self.len.saturating_sub(shard.len) + next.len;
                *shard = Arc::new(next);
            }
        }
        let count = self.shards.len();
        if self.len > count * SHARD_MOST || (count > 1 && self.len < count * SHARD_LEAST) {
            self.lay_out_anew();
        }
    }

    /// Octets held, for the memory metric and the memory bench.
    pub fn octets(&self) -> usize {
        let of_shard = |shard: &Arc<Shard>| {
            size_of::<Shard>()
                + size_of_val(&*shard.buckets)
                + shard.blob.len()
                + shard.large.iter().map(|body| body.len() + 32).sum::<usize>()
        };
        self.shards.iter().map(of_shard).sum::<usize>() + size_of_val(&*self.shards)
    }

    /// Spreads the entries over as many shards as there should be, a few at a time: what is in
    /// shards beside each other stays beside each other.
    fn lay_out_anew(&mut self) {
        let count = (self.len / SHARD_TARGET).next_power_of_two();
        let before = std::mem::take(&mut self.shards).into_vec();
        let together = (before.len() / count).max(1);
        let apart = (count / before.len().max(1)).max(1);
        let mut shards = Vec::with_capacity(count);
        let mut before = before.into_iter();
        while shards.len() < count {
            let group: Vec<Arc<Shard>> = before.by_ref().take(together).collect();
            let mut parts: Vec<Vec<Entry<'_>>> = vec![Vec::new(); apart];
            for entry in group.iter().flat_map(|shard| shard.entries(&self.seed)) {
                let part = shard_index(entry.hash, count).saturating_sub(shards.len());
                if let Some(part) = parts.get_mut(part) {
                    part.push(entry);
                }
            }
            shards.extend(parts.iter().map(|part| Arc::new(Shard::build(part))));
        }
        self.shards = shards.into_boxed_slice();
    }

    #[inline]
    fn shard_index(&self, hash: u64) -> usize {
        shard_index(hash, self.shards.len())
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Shard {
        // There is always a shard: `new` makes one and nothing makes fewer.
        &self.shards[self.shard_index(hash)]
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

/// A key and its body on the way from one shard to the next.
#[derive(Clone, Copy)]
struct Entry<'a> {
    hash: u64,
    key: &'a [u8],
    body: Body<'a>,
}

#[derive(Clone, Copy)]
enum Body<'a> {
    Plain(&'a [u8]),
    Shared(&'a Arc<[u8]>),
}

impl Shard {
    #[inline]
    #[allow(clippy::cast_possible_truncation)]
    fn bucket(&self, hash: u64) -> usize {
        hash as usize & self.buckets.len().wrapping_sub(1)
    }

    #[inline]
    fn find(&self, hash: u64, key: &[u8]) -> Option<&[u8]> {
        let tag = tag(hash);
        let mut at = self.bucket(hash);
        for _ in 0..self.buckets.len() {
            let slots = &self.buckets.get(at)?.0;
            for &slot in slots {
                if slot >> 24 == tag
                    && slot != 0
                    && let Some((found, body)) = self.at(slot)
                    && found == key
                {
                    return Some(body);
                }
            }
            // Slots fill from the front: a free last one says that nothing ran over.
            if slots[15] == 0 {
                return None;
            }
            at = (at + 1) & (self.buckets.len() - 1);
        }
        None
    }

    /// The key and the body that a slot leads to.
    #[inline]
    fn at(&self, slot: u32) -> Option<(&[u8], &[u8])> {
        let start = ((slot & PLACE_MASK) as usize).checked_sub(1)? * ALIGN;
        let (head, rest) = self.blob.get(start..)?.split_first_chunk::<HEAD>()?;
        let (key, rest) = rest.split_at_checked(usize::from(head[0]))?;
        let number = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let body = if head[1] == 0 { rest.get(..number)? } else { self.large.get(number)? };
        Some((key, body))
    }

    fn slots(&self) -> impl Iterator<Item = u32> {
        self.buckets.iter().flat_map(|bucket| bucket.0).filter(|slot| *slot != 0)
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.slots().filter_map(|slot| self.at(slot))
    }

    fn entries<'a>(
        &'a self,
        seed: &'a foldhash::fast::FixedState,
    ) -> impl Iterator<Item = Entry<'a>> {
        self.slots().filter_map(move |slot| {
            let (key, body) = self.at(slot)?;
            let start = ((slot & PLACE_MASK) as usize).checked_sub(1)? * ALIGN;
            let head = self.blob.get(start..start + HEAD)?;
            let body = if head[1] == 0 {
                Body::Plain(body)
            } else {
                let number = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
                Body::Shared(self.large.get(number)?)
            };
            Some(Entry { hash: hash_of(seed, key), key, body })
        })
    }

    /// The shard in which these changes, sorted by key, have been made.
    fn with(&self, changes: &[(&[u8], Option<&[u8]>)], seed: &foldhash::fast::FixedState) -> Self {
        let mut entries: Vec<Entry<'_>> = self
            .entries(seed)
            .filter(|entry| changes.binary_search_by(|change| change.0.cmp(entry.key)).is_err())
            .collect();
        for &(key, body) in changes {
            if let Some(body) = body {
                entries.push(Entry { hash: hash_of(seed, key), key, body: Body::Plain(body) });
            }
        }
        Self::build(&entries)
    }

    fn build(entries: &[Entry<'_>]) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        let count = entries.len().div_ceil(BUCKET_TARGET).next_power_of_two();
        let mut shard =
            Self { buckets: vec![Bucket::default(); count].into_boxed_slice(), ..Self::default() };
        let mut blob = Vec::new();
        let mut large: Vec<Arc<[u8]>> = Vec::new();
        for entry in entries {
            if shard.put(entry, &mut blob, &mut large).is_some() {
                shard.len += 1;
            }
        }
        shard.blob = blob.into_boxed_slice();
        shard.large = large.into_boxed_slice();
        shard
    }

    /// Writes one entry and lists it. `None`, and the entry is left out, if the key is longer than
    /// any name or the shard larger than a place can say; the caller's keys and the limit on a
    /// shard's entries rule out both.
    fn put(
        &mut self,
        entry: &Entry<'_>,
        blob: &mut Vec<u8>,
        large: &mut Vec<Arc<[u8]>>,
    ) -> Option<()> {
        let key_len = u8::try_from(entry.key.len()).ok()?;
        blob.resize(blob.len().next_multiple_of(ALIGN), 0);
        let place = u32::try_from(blob.len() / ALIGN + 1).ok().filter(|at| *at <= PLACE_MASK)?;
        let (outside, number) = match entry.body {
            Body::Plain(body) if body.len() <= INLINE_MOST => (0, body.len()),
            Body::Plain(body) => {
                large.push(body.into());
                (1, large.len() - 1)
            }
            Body::Shared(body) => {
                large.push(Arc::clone(body));
                (1, large.len() - 1)
            }
        };
        blob.extend_from_slice(&[key_len, outside, 0, 0]);
        blob.extend_from_slice(&u32::try_from(number).ok()?.to_le_bytes());
        blob.extend_from_slice(entry.key);
        if let (0, Body::Plain(body)) = (outside, entry.body) {
            blob.extend_from_slice(body);
        }
        let mut at = self.bucket(entry.hash);
        loop {
            let bucket = self.buckets.get_mut(at)?;
            if let Some(slot) = bucket.0.iter_mut().find(|slot| **slot == 0) {
                *slot = tag(entry.hash) << 24 | place;
                return Some(());
            }
            at = (at + 1) & (self.buckets.len() - 1);
        }
    }
}

const PLACE_MASK: u32 = 0x00ff_ffff;

/// Eight bits of a hash that neither the shard nor the bucket is chosen by.
#[inline]
fn tag(hash: u64) -> u32 {
    ((hash >> 24) & 0xff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: usize) -> Box<[u8]> {
        format!("key-{n}").into_bytes().into_boxed_slice()
    }

    #[test]
    fn what_is_put_in_is_found_until_it_is_taken_out() {
        let mut table = Table::new(7);
        assert!(table.get(b"key-1").is_none());
        let all: Updates = (0..20_000)
            .map(|n| (number(n), Some(vec![u8::try_from(n % 251).unwrap(); n % 2_000])))
            .collect();
        table.update(&all);
        assert_eq!(table.len(), 20_000);
        for (key, body) in &all {
            assert_eq!(table.get(key), body.as_deref());
        }
        assert!(table.get(b"key-20000").is_none());
        let gone: Updates = (100..20_000).map(|n| (number(n), None)).collect();
        let mut small = table.clone();
        small.update(&gone);
        assert_eq!(small.len(), 100);
        assert_eq!(small.iter().count(), 100);
        assert!(small.shards.len() < table.shards.len());
        assert!(small.get(b"key-100").is_none());
        assert_eq!(small.get(b"key-99"), Some(&[99u8; 99][..]));
        assert_eq!(table.len(), 20_000, "the older table is as it was");
    }

    #[test]
    fn a_change_leaves_the_other_shards_shared() {
        let all: Updates = (0..20_000).map(|n| (number(n), Some(vec![1]))).collect();
        let mut table = Table::new(7);
        table.update(&all);
        let mut next = table.clone();
        next.update(&Updates::from([(number(5), Some(vec![2]))]));
        let shared = table.shards.iter().zip(&next.shards).filter(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(shared.count(), table.shards.len() - 1);
        assert_eq!(next.get(b"key-5"), Some(&[2u8][..]));
    }

    #[test]
    fn full_buckets_run_over_into_the_next() {
        let entries: Vec<Entry<'_>> = [
            b"a" as &[u8],
            b"b",
            b"c",
            b"d",
            b"e",
            b"f",
            b"g",
            b"h",
            b"i",
            b"j",
            b"k",
            b"l",
            b"m",
            b"n",
            b"o",
            b"p",
            b"q",
            b"r",
        ]
        .iter()
        .map(|key| Entry { hash: 0, key, body: Body::Plain(b"x") })
        .collect();
        let shard = Shard::build(&entries);
        for entry in &entries {
            assert_eq!(shard.find(0, entry.key), Some(&b"x"[..]));
        }
        assert!(shard.find(0, b"z").is_none());
    }
}
