//! One shard of a table: buckets, and behind them the entries that they list, in one allocation.
//!
//! ```text
//! bucket  16 octets of tags, of which the last four stay 0, then 12 places (u32, little-endian);
//!         a tag of 0 is a free slot
//! entry   u8 length of the key, u8 1 if the body is large, 2 octets 0,
//!         u32 length of the body, or its number among the large ones,
//!         key, body
//! ```

use std::sync::Arc;

/// Octets of a cache line, which a bucket fills.
const LINE: usize = 64;
/// Entries that a bucket can list.
const SLOTS: usize = 12;
/// How many entries a bucket is meant to list at most, so that it rarely runs over.
const BUCKET_TARGET: usize = 8;
/// Where the places begin in a bucket.
const PLACES: usize = 16;
/// Bodies longer than this stand outside, so that a change beside them does not copy them.
const INLINE_MOST: usize = 1_024;
/// Entries begin at multiples of this many octets.
const ALIGN: usize = 8;
/// Octets in front of the key: its length, the place of the body, the length of the body.
const HEAD: usize = 8;
/// The buckets of a shard at most, whatever was put into it at once.
const BUCKETS_MOST: usize = 1 << 15;

/// Entries whose hashes begin alike.
#[derive(Clone, Debug, Default)]
pub(super) struct Shard {
    /// Buckets and entries, the first bucket at `start`, which is the first multiple of a line's
    /// length: where that is, only the allocation tells.
    octets: Arc<[u8]>,
    /// The bodies that are too long for the entries.
    large: Option<Arc<Large>>,
    /// A power of two of buckets less 1.
    mask: u16,
    start: u8,
}

#[derive(Debug)]
struct Large(Box<[Arc<[u8]>]>);

/// A key and what becomes of it.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) hash: u64,
    pub(super) key: &'a [u8],
    pub(super) body: Body<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    Gone,
    Plain(&'a [u8]),
    Shared(&'a Arc<[u8]>),
}

impl Shard {
    /// What the key, whose hash this is, answers.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<&[u8]> {
        let lines = self.lines();
        let mut at = self.bucket(hash);
        for _ in 0..=self.mask {
            let bucket = Bucket::at(lines, at)?;
            let mut hits = bucket.hits(hash);
            while hits != 0 {
                let (found, head, rest) = entry_at(lines, bucket.place(hits)?)?;
                if same(found, key) {
                    return self.body(head, rest);
                }
                hits &= hits - 1;
            }
            if !bucket.is_full() {
                return None;
            }
            at = (at + 1) & usize::from(self.mask);
        }
        None
    }

    #[inline]
    pub(super) fn reach_bucket(&self, hash: u64) -> u32 {
        self.lines().get(self.bucket(hash) * LINE).map_or(0, |octet| u32::from(*octet))
    }

    #[inline]
    pub(super) fn reach_entry(&self, hash: u64) -> u32 {
        let lines = self.lines();
        let reach = || {
            let bucket = Bucket::at(lines, self.bucket(hash))?;
            let place = bucket.place(bucket.hits(hash))?;
            // The second line often holds the end of what is copied.
            let second = lines.get(place + LINE - 1).copied().unwrap_or(0);
            Some(u32::from(*lines.get(place)?) + u32::from(second))
        };
        reach().unwrap_or(0)
    }

    /// All entries, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.lines();
        self.places().filter_map(move |place| {
            let (key, head, rest) = entry_at(lines, place)?;
            Some((key, self.body(head, rest)?))
        })
    }

    /// The shard in which these changes, sorted by key, have been made.
    pub(super) fn with(&self, changes: &[Entry<'_>], hash: impl Fn(&[u8]) -> u64) -> Self {
        let entries: Vec<Entry<'_>> = self.changed(changes, hash).collect();
        Self::build(&entries)
    }

    /// What the shard holds with these changes, sorted by key.
    pub(super) fn changed<'a>(
        &'a self,
        changes: &'a [Entry<'a>],
        hash: impl Fn(&[u8]) -> u64,
    ) -> impl Iterator<Item = Entry<'a>> {
        let lines = self.lines();
        let entries = self.places().filter_map(move |place| {
            let (key, head, rest) = entry_at(lines, place)?;
            let body = if head[1] == 0 {
                Body::Plain(self.body(head, rest)?)
            } else {
                Body::Shared(self.large.as_ref()?.0.get(number(head))?)
            };
            let stays = changes.binary_search_by(|change| change.key.cmp(key)).is_err();
            stays.then(|| Entry { hash: hash(key), key, body })
        });
        entries.chain(changes.iter().filter(|change| !matches!(change.body, Body::Gone)).copied())
    }

    /// A shard of these entries.
    pub(super) fn build(entries: &[Entry<'_>]) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        let buckets = entries.len().div_ceil(BUCKET_TARGET).next_power_of_two();
        let mut draft = Draft::new(buckets.min(BUCKETS_MOST));
        for entry in entries {
            draft.put(entry);
        }
        draft.finish()
    }

    /// Whether the two are one allocation.
    #[cfg(test)]
    pub(super) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.octets, &other.octets)
    }

    /// Octets held, beside the shard itself.
    pub(super) fn octets(&self) -> usize {
        let large = self.large.iter().flat_map(|large| &large.0);
        self.octets.len() + large.map(|body| body.len() + 32).sum::<usize>()
    }

    #[inline]
    fn lines(&self) -> &[u8] {
        self.octets.get(usize::from(self.start)..).unwrap_or(&[])
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation)]
    fn bucket(&self, hash: u64) -> usize {
        hash as usize & usize::from(self.mask)
    }

    #[inline]
    fn body<'a>(&'a self, head: &[u8; HEAD], rest: &'a [u8]) -> Option<&'a [u8]> {
        if head[1] == 0 {
            return rest.get(..number(head));
        }
        self.large.as_ref()?.0.get(number(head)).map(|body| &**body)
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        let lines = self.lines();
        let buckets = (0..=usize::from(self.mask)).filter_map(|at| Bucket::at(lines, at));
        buckets.flat_map(|bucket| bucket.places().collect::<smallvec::SmallVec<[usize; SLOTS]>>())
    }
}

/// One line of twelve slots.
#[derive(Clone, Copy)]
struct Bucket<'a>(&'a [u8; LINE]);

impl<'a> Bucket<'a> {
    #[inline]
    fn at(lines: &'a [u8], index: usize) -> Option<Self> {
        lines.get(index * LINE..)?.first_chunk().map(Self)
    }

    #[inline]
    fn tags(self) -> u128 {
        self.0.first_chunk().map_or(0, |tags| u128::from_le_bytes(*tags))
    }

    /// The slots that bear the hash's tag, each as the highest bit of its octet; others may be
    /// among them behind the first.
    #[inline]
    fn hits(self, hash: u64) -> u128 {
        const ONES: u64 = 0x0101_0101_0101_0101;
        let wanted = u64::from(tag(hash)) * ONES;
        let ones = u128::from(ONES) << 64 | u128::from(ONES);
        let other = self.tags() ^ (u128::from(wanted) << 64 | u128::from(wanted));
        // An octet that is 0 borrows from its own highest bit (Lamport's way of finding it).
        let zero = other.wrapping_sub(ones) & !other & (ones << 7);
        zero & ((1 << (8 * SLOTS)) - 1)
    }

    /// The place that the first of these slots lists.
    #[inline]
    fn place(self, hits: u128) -> Option<usize> {
        let slot = hits.trailing_zeros() as usize / 8;
        let octets = self.0.get(PLACES + 4 * slot..)?.first_chunk()?;
        Some(u32::from_le_bytes(*octets) as usize)
    }

    /// Slots fill from the front: a free last one says that nothing ran over.
    #[inline]
    fn is_full(self) -> bool {
        self.0[SLOTS - 1] != 0
    }

    fn places(self) -> impl Iterator<Item = usize> {
        let taken = self.0.iter().take(SLOTS).take_while(|tag| **tag != 0).count();
        (0..taken).filter_map(move |slot| self.place(0x80 << (8 * slot)))
    }
}

/// The key, the head and what stands behind the key of the entry at a place.
#[inline]
fn entry_at(lines: &[u8], place: usize) -> Option<(&[u8], &[u8; HEAD], &[u8])> {
    let (head, rest) = lines.get(place..)?.split_first_chunk::<HEAD>()?;
    let (key, rest) = rest.split_at_checked(usize::from(head[0]))?;
    Some((key, head, rest))
}

/// The length of a body, or its number among the large ones.
#[inline]
fn number(head: &[u8; HEAD]) -> usize {
    u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize
}

/// Eight bits of a hash that neither the shard nor the bucket is chosen by, never 0.
#[inline]
fn tag(hash: u64) -> u8 {
    u8::try_from(hash >> 24 & 0xff).unwrap_or(0).max(1)
}

/// Whether two keys are the same, by eight octets at a time: keys are a few words long, and a call
/// to compare them costs more than that.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(last_a), Some(last_b)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return a.iter().zip(b).all(|(a, b)| a == b);
    };
    let (a, b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    last_a == last_b && a.iter().zip(b).all(|(a, b)| a == b)
}

/// A shard under construction.
struct Draft {
    /// Buckets and entries.
    lines: Vec<u8>,
    large: Vec<Arc<[u8]>>,
    mask: usize,
}

impl Draft {
    fn new(buckets: usize) -> Self {
        Self { lines: vec![0; buckets * LINE], large: Vec::new(), mask: buckets - 1 }
    }

    /// Writes one entry and lists it. One is left out whose key is longer than any name, or for
    /// which the shard has no slot or is larger than a place can say: the caller's keys and the
    /// limit on a shard's entries rule out each.
    fn put(&mut self, entry: &Entry<'_>) {
        let Ok(key_len) = u8::try_from(entry.key.len()) else { return };
        let start = self.lines.len().next_multiple_of(ALIGN);
        let (outside, number) = match entry.body {
            Body::Gone => return,
            Body::Plain(body) if body.len() <= INLINE_MOST => (0, body.len()),
            Body::Plain(_) | Body::Shared(_) => (1, self.large.len()),
        };
        let (Ok(place), Ok(number)) = (u32::try_from(start), u32::try_from(number)) else { return };
        if self.list(entry.hash, place).is_none() {
            return;
        }
        self.lines.resize(start, 0);
        self.lines.extend_from_slice(&[key_len, outside, 0, 0]);
        self.lines.extend_from_slice(&number.to_le_bytes());
        self.lines.extend_from_slice(entry.key);
        match entry.body {
            Body::Plain(body) if outside == 0 => self.lines.extend_from_slice(body),
            Body::Plain(body) => self.large.push(body.into()),
            Body::Shared(body) => self.large.push(Arc::clone(body)),
            Body::Gone => {}
        }
    }

    /// Lists a place in the first free slot from the hash's bucket on.
    #[allow(clippy::cast_possible_truncation)]
    fn list(&mut self, hash: u64, place: u32) -> Option<()> {
        let mut at = hash as usize & self.mask;
        for _ in 0..=self.mask {
            let bucket = self.lines.get_mut(at * LINE..)?.first_chunk_mut::<LINE>()?;
            if let Some(slot) = bucket.iter().take(SLOTS).position(|tag| *tag == 0) {
                bucket[slot] = tag(hash);
                let start = PLACES + 4 * slot;
                bucket.get_mut(start..start + 4)?.copy_from_slice(&place.to_le_bytes());
                return Some(());
            }
            at = (at + 1) & self.mask;
        }
        None
    }

    fn finish(self) -> Shard {
        let most = self.lines.len() + LINE - 1;
        let mut octets: Arc<[u8]> = std::iter::repeat_n(0, most).collect();
        let start = octets.as_ptr().addr().wrapping_neg() % LINE;
        // Nobody else has the new allocation yet.
        if let Some(room) = Arc::get_mut(&mut octets)
            && let Some(room) = room.get_mut(start..start + self.lines.len())
        {
            room.copy_from_slice(&self.lines);
        }
        let large = (!self.large.is_empty()).then(|| Arc::new(Large(self.large.into())));
        Shard {
            octets,
            large,
            mask: u16::try_from(self.mask).unwrap_or(u16::MAX),
            start: u8::try_from(start).unwrap_or(0),
        }
    }
}
