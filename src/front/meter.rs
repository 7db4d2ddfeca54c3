//! What has been answered, counted by the labels that CoreDNS's metrics have.
//!
//! Each clerk writes a [`Meter`] of its own with plain loads and stores, so that counting shares no
//! written cache line and needs no atomic read-modify-write; whoever scrapes sums them up. What is
//! finished on the runtime is counted in one meter more, which all of its threads share.
#![forbid(unsafe_code)]

use std::time::Duration;

use crate::answer::{Cause, Transport};
use crate::serve::{Count, duration_bucket, nanoseconds};
pub use crate::serve::{DURATIONS, FIRST_DURATION};

/// The types that are told apart, in the order of their counters; the last stands for all others.
pub const TYPES: [&str; 20] = [
    "A", "AAAA", "CNAME", "DNSKEY", "DS", "MX", "NSEC", "NSEC3", "NS", "PTR", "RRSIG", "SOA",
    "SRV", "TXT", "HTTPS", "SVCB", "IXFR", "AXFR", "ANY", "other",
];
/// Response codes that are told apart: those with a name that a server uses (RFC 6895, section
/// 2.3), of which BADCOOKIE is the last.
pub const RCODES: usize = 24;
/// Upper bounds of the buckets of sizes, in octets.
pub const SIZES: [u32; 14] =
    [0, 100, 200, 300, 400, 511, 1_023, 2_047, 4_095, 8_291, 16_000, 32_000, 48_000, 64_000];

/// What made a response, by the name of its directive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Maker {
    /// The server itself, such as a refusal.
    Server = 0,
    /// `kubernetes`.
    Kubernetes = 1,
    /// `forward`.
    Forward = 2,
    /// `chaos`.
    Chaos = 3,
    /// `acl`.
    Acl = 4,
    /// `hosts`.
    Hosts = 5,
    /// `cache`.
    Cache = 6,
    /// `template`.
    Template = 7,
    /// `transfer`.
    Transfer = 8,
}

impl Maker {
    /// Every maker, in the order of its counters.
    pub const ALL: [Self; 9] = [
        Self::Server,
        Self::Kubernetes,
        Self::Forward,
        Self::Chaos,
        Self::Acl,
        Self::Hosts,
        Self::Cache,
        Self::Template,
        Self::Transfer,
    ];

    /// The directive's name; empty for the server itself.
    pub fn directive(self) -> &'static str {
        match self {
            Self::Server => "",
            Self::Kubernetes => "kubernetes",
            Self::Forward => "forward",
            Self::Chaos => "chaos",
            Self::Acl => "acl",
            Self::Hosts => "hosts",
            Self::Cache => "cache",
            Self::Template => "template",
            Self::Transfer => "transfer",
        }
    }
}

/// What happens at a cache.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum AtCache {
    /// An answer with data was there.
    Success = 0,
    /// A denial or a failure was there.
    Denial = 1,
    /// Nothing was there.
    Miss = 2,
    /// What was there had expired, and was given.
    Stale = 3,
    /// An answer with data had to go before its time.
    SuccessEvicted = 4,
    /// A denial or a failure had to go before its time.
    DenialEvicted = 5,
    /// An upstream was asked without anybody waiting for it.
    Prefetch = 6,
    /// A reply was not fit to be kept.
    Drop = 7,
}

impl AtCache {
    /// How many of them there are.
    const KINDS: usize = 8;
}

/// A histogram as it was read: how many values fell into each bucket, the last of which has no
/// upper bound, and the sum of all values.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Histogram {
    /// How many values fell into each bucket, not added up.
    pub buckets: Vec<u64>,
    /// The sum of the values: octets, or nanoseconds.
    pub sum: u64,
}

impl Histogram {
    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    fn add(&mut self, other: &Self) {
        self.buckets.resize(self.buckets.len().max(other.buckets.len()), 0);
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, more)| *mine += more);
        self.sum += other.sum;
    }
}

/// What was answered for one zone at one address.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Queries by transport (UDP, stream), family (IPv4, IPv6) and type, in this order.
    pub requests: Vec<u64>,
    /// Queries with the DO bit.
    pub dnssec_ok: u64,
    /// Responses by maker and response code, in this order.
    pub responses: Vec<u64>,
    /// Responses that are unusual, by why, in the order of [`Cause::WORDS`].
    pub causes: Vec<u64>,
    /// Octets of queries, by transport.
    pub request_sizes: [Histogram; 2],
    /// Octets of responses, by transport.
    pub response_sizes: [Histogram; 2],
    /// From when a batch was there until its answers were, in nanoseconds.
    pub durations: Histogram,
    /// What happened at the cache, by [`AtCache`].
    pub cache: Vec<u64>,
}

impl Counts {
    /// Adds others to these.
    pub fn add(&mut self, other: &Self) {
        sum(&mut self.requests, &other.requests);
        sum(&mut self.responses, &other.responses);
        sum(&mut self.causes, &other.causes);
        self.dnssec_ok += other.dnssec_ok;
        for (mine, more) in [
            (&mut self.request_sizes, &other.request_sizes),
            (&mut self.response_sizes, &other.response_sizes),
        ] {
            mine.iter_mut().zip(more).for_each(|(mine, more)| mine.add(more));
        }
        self.durations.add(&other.durations);
        sum(&mut self.cache, &other.cache);
    }

    /// How often something happened at the cache.
    pub fn at_cache(&self, what: AtCache) -> u64 {
        self.cache.get(what as usize).copied().unwrap_or(0)
    }

    /// The queries of a transport, family and type, by their places.
    pub fn requests(&self, transport: usize, v6: usize, of_type: usize) -> u64 {
        let at = (transport * 2 + v6) * TYPES.len() + of_type;
        self.requests.get(at).copied().unwrap_or(0)
    }

    /// The responses of a maker with a response code.
    pub fn responses(&self, maker: Maker, rcode: usize) -> u64 {
        self.responses.get(maker as usize * RCODES + rcode).copied().unwrap_or(0)
    }
}

fn sum(mine: &mut Vec<u64>, more: &[u64]) {
    mine.resize(mine.len().max(more.len()), 0);
    mine.iter_mut().zip(more).for_each(|(mine, more)| *mine += more);
}

/// A response on its way out, as far as it is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub(super) transport: Transport,
    pub(super) is_ipv4: bool,
    pub(super) qtype: Option<u16>,
    pub(super) dnssec_ok: bool,
    pub(super) query: usize,
    pub(super) response: usize,
    pub(super) rcode: u8,
    pub(super) maker: Maker,
    /// Absent where an upstream made it.
    pub(super) cause: Option<Cause>,
}

/// The counters of one thread: a cell for each address and zone, and for each address one more for
/// what no zone holds.
#[derive(Default)]
pub(super) struct Meter(pub(super) Box<[Cell]>);

/// The counters of one zone at one address; two lines apart from those of other threads, since
/// processors fetch them in pairs.
#[repr(align(128))]
#[derive(Default)]
pub(super) struct Cell {
    requests: [[[Count; TYPES.len()]; 2]; 2],
    dnssec_ok: Count,
    responses: [[Count; RCODES]; Maker::ALL.len()],
    causes: [Count; Cause::WORDS.len()],
    request_sizes: [Buckets<{ SIZES.len() + 1 }>; 2],
    response_sizes: [Buckets<{ SIZES.len() + 1 }>; 2],
    durations: Buckets<{ DURATIONS + 1 }>,
    cache: [Count; AtCache::KINDS],
}

struct Buckets<const N: usize> {
    counts: [Count; N],
    sum: Count,
}

impl<const N: usize> Default for Buckets<N> {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| Count::default()), sum: Count::default() }
    }
}

/// How a counter is written: by the one thread that owns it, or by any.
type Add = fn(&Count, u64);

impl Meter {
    pub(super) fn new(cells: usize) -> Self {
        Self((0..cells).map(|_| Cell::default()).collect())
    }

    /// What has been counted, by cell.
    pub(super) fn read(&self) -> impl Iterator<Item = Counts> {
        self.0.iter().map(Cell::read)
    }
}

impl Cell {
    /// Counts a response, on the thread that owns the meter.
    #[inline]
    pub(super) fn count(&self, answered: &Answered) {
        self.count_by(answered, Count::add);
    }

    /// Counts what a query took, on the thread that owns the meter.
    #[inline]
    pub(super) fn took(&self, bucket: usize, nanoseconds: u64) {
        self.durations.put(bucket, nanoseconds, Count::add);
    }

    /// Counts a response and what it took, on any thread.
    pub(super) fn count_shared(&self, answered: &Answered, took: Duration) {
        self.count_by(answered, Count::add_shared);
        self.durations.put(duration_bucket(took), nanoseconds(took), Count::add_shared);
    }

    /// Counts what a query found at the cache, on the thread that owns the meter.
    #[inline]
    pub(super) fn at_cache(&self, what: AtCache) {
        self.cache[what as usize].add(1);
    }

    /// Counts what happened at the cache, on any thread.
    pub(super) fn at_cache_shared(&self, what: AtCache, times: u64) {
        self.cache[what as usize].add_shared(times);
    }

    #[inline]
    fn count_by(&self, answered: &Answered, add: Add) {
        let transport = transport_place(answered.transport);
        let of_type = answered.qtype.map_or(TYPES.len() - 1, type_place);
        let requests = self
            .requests
            .get(transport)
            .and_then(|all| all.get(usize::from(!answered.is_ipv4))?.get(of_type));
        requests.into_iter().for_each(|count| add(count, 1));
        if answered.dnssec_ok {
            add(&self.dnssec_ok, 1);
        }
        let responses = self.responses.get(answered.maker as usize);
        let response = responses.and_then(|codes| codes.get(usize::from(answered.rcode)));
        response.into_iter().for_each(|count| add(count, 1));
        let cause = answered.cause.and_then(Cause::place);
        let cause = cause.and_then(|place| self.causes.get(place));
        cause.into_iter().for_each(|count| add(count, 1));
        for (sizes, octets) in
            [(&self.request_sizes, answered.query), (&self.response_sizes, answered.response)]
        {
            if let Some(sizes) = sizes.get(transport) {
                sizes.put(size_bucket(octets), octets as u64, add);
            }
        }
    }

    fn read(&self) -> Counts {
        Counts {
            requests: self.requests.as_flattened().as_flattened().iter().map(Count::get).collect(),
            dnssec_ok: self.dnssec_ok.get(),
            responses: self.responses.as_flattened().iter().map(Count::get).collect(),
            causes: self.causes.iter().map(Count::get).collect(),
            request_sizes: self.request_sizes.each_ref().map(Buckets::read),
            response_sizes: self.response_sizes.each_ref().map(Buckets::read),
            durations: self.durations.read(),
            cache: self.cache.iter().map(Count::get).collect(),
        }
    }
}

impl<const N: usize> Buckets<N> {
    #[inline]
    fn put(&self, bucket: usize, value: u64, add: Add) {
        if let Some(count) = self.counts.get(bucket) {
            add(count, 1);
        }
        add(&self.sum, value);
    }

    fn read(&self) -> Histogram {
        Histogram { buckets: self.counts.iter().map(Count::get).collect(), sum: self.sum.get() }
    }
}

/// UDP first, streams second.
#[inline]
fn transport_place(transport: Transport) -> usize {
    match transport {
        Transport::Udp => 0,
        Transport::Stream => 1,
    }
}

#[inline]
fn type_place(qtype: u16) -> usize {
    match qtype {
        1 => 0,
        28 => 1,
        5 => 2,
        48 => 3,
        43 => 4,
        15 => 5,
        47 => 6,
        50 => 7,
        2 => 8,
        12 => 9,
        46 => 10,
        6 => 11,
        33 => 12,
        16 => 13,
        65 => 14,
        64 => 15,
        251 => 16,
        252 => 17,
        255 => 18,
        _ => 19,
    }
}

/// The bucket of a size. Most messages are short, so the search ends soon.
#[inline]
fn size_bucket(octets: usize) -> usize {
    SIZES.iter().take_while(|bound| octets > **bound as usize).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered() -> Answered {
        Answered {
            transport: Transport::Udp,
            is_ipv4: true,
            qtype: Some(28),
            dnssec_ok: false,
            query: 40,
            response: 512,
            rcode: 3,
            maker: Maker::Kubernetes,
            cause: Some(Cause::NoService),
        }
    }

    #[test]
    fn a_response_is_counted_under_its_labels() {
        let meter = Meter::new(2);
        meter.0[1].count(&answered());
        let over_tcp = Answered {
            transport: Transport::Stream,
            is_ipv4: false,
            qtype: Some(99),
            dnssec_ok: true,
            cause: Some(Cause::Plain),
            ..answered()
        };
        meter.0[1].count_shared(&over_tcp, Duration::from_millis(3));
        let [none, counts] = <[Counts; 2]>::try_from(meter.read().collect::<Vec<_>>()).unwrap();
        assert_eq!(none.requests.iter().sum::<u64>(), 0);
        assert_eq!(counts.requests(0, 0, type_place(28)), 1);
        assert_eq!(counts.requests(1, 1, TYPES.len() - 1), 1);
        assert_eq!(counts.requests.iter().sum::<u64>(), 2);
        assert_eq!(counts.responses(Maker::Kubernetes, 3), 2);
        assert_eq!(counts.dnssec_ok, 1);
        let place = Cause::NoService.place().unwrap();
        assert_eq!((counts.causes[place], counts.causes.iter().sum::<u64>()), (1, 1));
        assert_eq!((counts.request_sizes[0].buckets[1], counts.request_sizes[0].sum), (1, 40));
        assert_eq!((counts.response_sizes[1].buckets[6], counts.response_sizes[1].sum), (1, 512));
        assert_eq!((counts.durations.count(), counts.durations.sum), (1, 3_000_000));
        assert_eq!(counts.durations.buckets[4], 1, "2 to 4 ms");
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        for (octets, bucket) in [(0, 0), (1, 1), (100, 1), (101, 2), (64_000, 13), (64_001, 14)] {
            assert_eq!(size_bucket(octets), bucket, "{octets}");
        }
        for (micros, bucket) in [(0, 0), (250, 0), (251, 1), (8_192_000, 15), (8_192_001, 16)] {
            assert_eq!(duration_bucket(Duration::from_micros(micros)), bucket, "{micros}");
        }
    }

    #[test]
    fn every_type_has_a_place_of_its_own() {
        let named = [1, 28, 5, 48, 43, 15, 47, 50, 2, 12, 46, 6, 33, 16, 65, 64, 251, 252, 255];
        let places: Vec<usize> = named.map(type_place).into();
        assert_eq!(places, (0..TYPES.len() - 1).collect::<Vec<_>>());
    }
}
