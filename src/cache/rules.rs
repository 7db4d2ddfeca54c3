//! What is kept for how long, after CoreDNS's `cache` and RFC 2308.

use std::time::{Duration, Instant};

use super::{Entry, HalfKind};
use crate::answer::{Kept, KeptKind, is_within};
use crate::config::{Cache, Prefetch};
use crate::name::Name;

/// The TTL of an answer without any record, in seconds, as CoreDNS has it.
const NO_RECORD_TTL: u32 = 5;

/// A `cache` of the configuration.
pub(super) struct Rules(pub(super) Cache);

impl Rules {
    #[inline]
    pub(super) fn covers(&self, name: &[u8]) -> bool {
        within_any(name, &self.0.zones)
    }

    /// Whether answers of a half about this name are not kept.
    pub(super) fn is_disabled(&self, name: &[u8], half: HalfKind) -> bool {
        let half = match half {
            HalfKind::Success => &self.0.success,
            HalfKind::Denial => &self.0.denial,
        };
        half.capacity == 0 || within_any(name, &half.disabled)
    }

    /// How long an answer is believed, in seconds: one TTL for all of its records, the least of
    /// theirs, within the configured bounds.
    pub(super) fn ttl(&self, kept: &Kept) -> u32 {
        let half = match kept.kind() {
            KeptKind::Data => &self.0.success,
            KeptKind::Denial => &self.0.denial,
            KeptKind::Failure => return seconds(self.0.servfail),
            KeptKind::Passing => return 0,
        };
        kept.least_ttl().unwrap_or(NO_RECORD_TTL).max(half.min_ttl).min(half.max_ttl)
    }

    /// Whether an expired entry may still serve. A failure never does.
    pub(super) fn is_usable(&self, entry: &Entry, now: Instant) -> bool {
        entry.kept().kind() != KeptKind::Failure
            && self.0.serve_stale.as_ref().is_some_and(|stale| entry.expired_for(now) < stale.up_to)
    }

    pub(super) fn prefetch(&self) -> Option<&Prefetch> {
        self.0.prefetch.as_ref().filter(|prefetch| prefetch.amount > 0)
    }

    /// Whether so little of an entry's time is left that it is time for `prefetch`.
    #[inline]
    pub(super) fn is_due(&self, entry: &Entry, now: Instant) -> bool {
        self.prefetch().is_some_and(|prefetch| {
            let part = u64::from(entry.whole_ttl()) * u64::from(prefetch.percentage);
            u64::from(entry.left(now)) <= part.div_ceil(100)
        })
    }

    pub(super) fn prefers_data(&self) -> bool {
        self.0.serve_stale.as_ref().is_some_and(|stale| stale.prefer_positive)
    }

    /// The TTL that is said: what is left, or all of it where that is kept.
    #[inline]
    pub(super) fn said(&self, entry: &Entry, now: Instant) -> u32 {
        let left = entry.left(now);
        match &self.0.serve_stale {
            Some(stale) if left == 0 && stale.ttl > 0 => stale.ttl,
            _ if self.0.keep_ttl => entry.whole_ttl(),
            _ => left,
        }
    }
}

#[inline]
fn within_any(name: &[u8], zones: &[Name]) -> bool {
    zones.iter().any(|zone| zone.is_root() || is_within(name, zone.as_wire()))
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}
