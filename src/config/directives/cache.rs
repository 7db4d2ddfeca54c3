//! `cache`: answers of upstreams, kept for a while.

use std::time::Duration;

use crate::name::Name;

/// The `cache` directive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cache {
    /// Names at or below one of these are kept.
    pub zones: Vec<Name>,
    /// Answers with data.
    pub success: Half,
    /// NXDOMAIN and NODATA.
    pub denial: Half,
    /// Popular names are looked up again before they expire.
    pub prefetch: Option<Prefetch>,
    /// Expired answers serve where upstreams do not.
    pub serve_stale: Option<ServeStale>,
    /// How long SERVFAIL is kept; at most five minutes (RFC 2308, section 7.1).
    pub servfail: Duration,
    /// Answers keep the TTL that they came with instead of having it counted down.
    pub keep_ttl: bool,
}

/// One half of the cache.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Half {
    /// How many answers are kept.
    pub capacity: u32,
    /// The longest TTL, in seconds.
    pub max_ttl: u32,
    /// The shortest TTL, in seconds.
    pub min_ttl: u32,
    /// Names at or below one of these are not kept.
    pub disabled: Vec<Name>,
}

/// When a name is looked up again before it expires.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prefetch {
    /// After so many queries for it; never where 0.
    pub amount: u32,
    /// With no longer gap between two of them.
    pub duration: Duration,
    /// Once so many hundredths of its TTL are left, 10 to 90.
    pub percentage: u8,
}

/// How expired answers serve.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServeStale {
    /// So long after they have expired.
    pub up_to: Duration,
    /// Only after an upstream has been asked and has not replied in this time; nothing where expired
    /// answers are given at once. Zero waits as long as the upstream takes.
    pub verify: Option<Duration>,
    /// The TTL that they are given, in seconds.
    pub ttl: u32,
    /// How long an upstream that has failed is not asked again.
    pub recheck: Duration,
    /// Where both an answer with data and a denial are expired, the data is given.
    pub prefer_positive: bool,
}
