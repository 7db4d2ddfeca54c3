//! How often names are asked for, as one query thread sees it.
//!
//! Each thread counts for itself, so that counting shares no written memory.

use std::time::Instant;

use crate::config::Prefetch;

/// Names that a thread counts at a time, in 24 octets each: more than are ever popular at once. Two
/// with the same place take turns.
const COUNTED_MOST: usize = 4_096;

pub(super) struct Popular {
    prefetch: Prefetch,
    counts: Box<[Count]>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    hash: u32,
    hits: u32,
    last: Option<Instant>,
}

impl Popular {
    pub(super) fn new(prefetch: &Prefetch) -> Self {
        Self { prefetch: prefetch.clone(), counts: vec![Count::default(); COUNTED_MOST].into() }
    }

    /// Counts a query for the name with this hash; whether there have been enough, none of them
    /// later than the configured time after the one before.
    #[inline]
    pub(super) fn is_asked_often(&mut self, hash: u32, now: Instant) -> bool {
        let place = hash as usize % COUNTED_MOST;
        let Some(count) = self.counts.get_mut(place) else { return false };
        let goes_on = count.hash == hash
            && count
                .last
                .is_some_and(|last| now.saturating_duration_since(last) <= self.prefetch.duration);
        count.hits = if goes_on { count.hits.saturating_add(1) } else { 1 };
        (count.hash, count.last) = (hash, Some(now));
        count.hits >= self.prefetch.amount
    }

    /// The name has been seen to: as many queries again until the next time.
    pub(super) fn seen_to(&mut self, hash: u32) {
        if let Some(count) = self.counts.get_mut(hash as usize % COUNTED_MOST) {
            count.hits = 0;
        }
    }
}
