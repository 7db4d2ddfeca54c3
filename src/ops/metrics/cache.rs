//! What upstreams have said and is kept, by CoreDNS's names.

use super::text::{Text, Type};
use crate::cache::HalfKind;
use crate::front::{AtCache, Counts, Series, Shelved};

/// The counters whose series have no type.
const PLAIN: [(&str, &[AtCache], &str); 5] = [
    (
        "coredns_cache_requests_total",
        &[AtCache::Success, AtCache::Denial, AtCache::Miss],
        "Queries for names outside that a cache was asked about.",
    ),
    ("coredns_cache_misses_total", &[AtCache::Miss], "Such queries of which it knew nothing."),
    ("coredns_cache_served_stale_total", &[AtCache::Stale], "Responses that had expired."),
    (
        "coredns_cache_prefetch_total",
        &[AtCache::Prefetch],
        "Questions to upstreams whose answer nobody waits for.",
    ),
    (
        "coredns_cache_drops_total",
        &[AtCache::Drop],
        "Replies of upstreams that are not kept: cut, malformed, refusals, or no answer to their question.",
    ),
];

/// The counters of each half.
const BY_TYPE: [(&str, [AtCache; 2], &str); 2] = [
    (
        "coredns_cache_hits_total",
        [AtCache::Success, AtCache::Denial],
        "Queries for names outside whose response was there.",
    ),
    (
        "coredns_cache_evictions_total",
        [AtCache::SuccessEvicted, AtCache::DenialEvicted],
        "Responses that had to go before their time, to make room.",
    ),
];

pub(super) fn write(text: &mut Text, answered: &[Series], shelved: Vec<Shelved>) {
    let entries = gather(shelved);
    let what = "Responses that are kept, expired ones with them.";
    let mut family = text.family("coredns_cache_entries", Type::Gauge, what);
    for Shelved { server, zones, entries } in &entries {
        for half in HalfKind::ALL {
            let count = entries[half as usize];
            family.sample(&labels(server, zones, Some(half)), count);
        }
    }
    let all = counted(answered);
    for (name, kinds, what) in BY_TYPE {
        let mut family = text.family(name, Type::Counter, what);
        for ((server, zones), counts) in &all {
            for (half, kind) in HalfKind::ALL.into_iter().zip(kinds) {
                let count = counts.at_cache(kind);
                if count > 0 {
                    family.sample(&labels(server, zones, Some(half)), count);
                }
            }
        }
    }
    for (name, kinds, what) in PLAIN {
        let mut family = text.family(name, Type::Counter, what);
        for ((server, zones), counts) in &all {
            let count: u64 = kinds.iter().map(|kind| counts.at_cache(*kind)).sum();
            if count > 0 {
                family.sample(&labels(server, zones, None), count);
            }
        }
    }
}

fn labels<'l>(server: &'l str, zones: &'l str, half: Option<HalfKind>) -> Vec<(&'l str, &'l str)> {
    let of_type = half.map(|half| ("type", half.word()));
    let all = [Some(("server", server)), of_type, Some(("zones", zones)), Some(("view", ""))];
    all.into_iter().flatten().collect()
}

/// What was counted, by address and the cache's zones.
fn counted(answered: &[Series]) -> Vec<((&str, &str), Counts)> {
    let mut all: Vec<((&str, &str), Counts)> = Vec::new();
    for series in answered.iter().filter(|series| !series.cache.is_empty()) {
        let labels = (&*series.server, &*series.cache);
        match all.iter_mut().find(|one| one.0 == labels) {
            Some(found) => found.1.add(&series.counts),
            None => all.push((labels, series.counts.clone())),
        }
    }
    all
}

/// Caches with the same labels are one.
fn gather(shelved: Vec<Shelved>) -> Vec<Shelved> {
    let mut all: Vec<Shelved> = Vec::new();
    for one in shelved {
        let same = |s: &&mut Shelved| (&s.server, &s.zones) == (&one.server, &one.zones);
        match all.iter_mut().find(same) {
            Some(found) => {
                found.entries.iter_mut().zip(one.entries).for_each(|(mine, more)| *mine += more);
            }
            None => all.push(one),
        }
    }
    all
}
