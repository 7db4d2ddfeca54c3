//! One answer that is kept, and what it is found by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::HalfKind;
use crate::answer::{Kept, Query};

/// Set in a key whose asker checks signatures (DO).
const DNSSEC_OK: u8 = 1;
/// Set in a key whose asker wants nobody else to check them (CD).
const CHECKING_DISABLED: u8 = 2;

/// A question, as far as it tells answers apart: name, type, DO and CD; the class is IN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Key<'k> {
    name: &'k [u8],
    qtype: u16,
    bits: u8,
}

impl<'k> Key<'k> {
    /// That of a query of class IN.
    #[inline]
    pub fn of(query: &'k Query) -> Self {
        let dnssec_ok = if query.dnssec_ok() { DNSSEC_OK } else { 0 };
        let disabled = if query.checking_disabled() { CHECKING_DISABLED } else { 0 };
        Self { name: query.asked().name(), qtype: query.qtype(), bits: dnssec_ok | disabled }
    }

    /// The name in wire form and lower case.
    #[inline]
    pub fn name(&self) -> &'k [u8] {
        self.name
    }

    /// Whether the asker set the DO bit.
    pub fn dnssec_ok(&self) -> bool {
        self.bits & DNSSEC_OK != 0
    }

    /// Type and bits, as they are hashed beside the name.
    #[inline]
    pub(super) fn rest(&self) -> u32 {
        u32::from(self.qtype) << 8 | u32::from(self.bits)
    }

    /// All of it in octets that no other key has.
    pub(super) fn to_octets(self) -> Box<[u8]> {
        [&self.rest().to_be_bytes()[..], self.name].concat().into()
    }
}

/// An answer with its time.
#[derive(Debug)]
pub struct Entry {
    name: Box<[u8]>,
    rest: u32,
    half: HalfKind,
    kept: Kept,
    stored: Instant,
    /// Seconds from then until it expires.
    ttl: u32,
    /// Seconds from then until an upstream may be asked again; 0 where none has failed since.
    retry: AtomicU64,
}

impl Entry {
    pub(super) fn new(
        key: &Key<'_>,
        kept: Kept,
        half: HalfKind,
        stored: Instant,
        ttl: u32,
    ) -> Self {
        let (name, rest) = (key.name.into(), key.rest());
        Self { name, rest, half, kept, stored, ttl, retry: AtomicU64::new(0) }
    }

    /// The answer.
    #[inline]
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The half that it belongs to.
    #[inline]
    pub fn half(&self) -> HalfKind {
        self.half
    }

    /// The TTL that it began with, in seconds.
    #[inline]
    pub(super) fn whole_ttl(&self) -> u32 {
        self.ttl
    }

    /// Seconds until it expires; 0 once it has.
    #[inline]
    pub fn left(&self, now: Instant) -> u32 {
        let gone = now.saturating_duration_since(self.stored).as_secs();
        u32::try_from(u64::from(self.ttl).saturating_sub(gone)).unwrap_or(0)
    }

    /// Whether it has not expired.
    #[inline]
    pub fn is_fresh(&self, now: Instant) -> bool {
        self.left(now) > 0
    }

    /// How long ago it has expired.
    pub(super) fn expired_for(&self, now: Instant) -> Duration {
        let age = now.saturating_duration_since(self.stored);
        age.saturating_sub(Duration::from_secs(self.ttl.into()))
    }

    /// Whether an upstream may be asked again about what has expired.
    pub fn may_retry(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.stored).as_secs() >= self.retry.load(Relaxed)
    }

    /// An upstream has failed: it is to be left alone for so long.
    pub fn failed(&self, now: Instant, recheck: Duration) {
        if !recheck.is_zero() {
            let until = now.saturating_duration_since(self.stored) + recheck;
            self.retry.store(until.as_secs(), Relaxed);
        }
    }

    pub(super) fn key(&self) -> Key<'_> {
        let [_, q0, q1, bits] = self.rest.to_be_bytes();
        Key { name: &self.name, qtype: u16::from_be_bytes([q0, q1]), bits }
    }

    #[inline]
    pub(super) fn answers(&self, key: &Key<'_>) -> bool {
        self.rest == key.rest() && *self.name == *key.name
    }

    /// Octets that it takes in a shard.
    pub(super) fn weight(&self) -> usize {
        let slot = size_of::<u32>() + size_of::<Arc<Self>>();
        slot + size_of::<Self>() + self.name.len() + self.kept.weight()
    }
}
