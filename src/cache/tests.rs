//! Rules and bounds, in a time of the tests' own.

use std::time::Duration;

use super::*;
use crate::answer::Query;
use crate::config::{Half as HalfConfig, Prefetch, ServeStale};
use crate::name::Name;

const SEED: u64 = 7;

fn config() -> Cache {
    let half = |max_ttl| HalfConfig { capacity: 9_984, max_ttl, min_ttl: 5, disabled: Vec::new() };
    Cache {
        zones: vec![Name::root()],
        success: half(3_600),
        denial: half(1_800),
        prefetch: None,
        serve_stale: None,
        servfail: Duration::from_secs(5),
        keep_ttl: false,
    }
}

fn stale(prefer_positive: bool) -> Cache {
    let stale = ServeStale {
        up_to: Duration::from_hours(1),
        verify: None,
        ttl: 0,
        recheck: Duration::ZERO,
        prefer_positive,
    };
    Cache { serve_stale: Some(stale), ..config() }
}

/// A query for a name, with a type and flags of header and OPT.
fn asking(name: &str, qtype: u16, cd: bool, dnssec_ok: bool) -> Query {
    let cd = if cd { 0x10 } else { 0 };
    let header = [0, 1, 1, cd, 0, 1, 0, 0, 0, 0, 0, u8::from(dnssec_ok)];
    // Not by a `Name`, which is lower case.
    let labels: Vec<u8> = name
        .split_terminator('.')
        .flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat())
        .collect();
    let opt: &[u8] = if dnssec_ok { &[0, 0, 41, 4, 0, 0, 0, 0x80, 0, 0, 0] } else { &[] };
    let message = [&header[..], &labels, &[0], &qtype.to_be_bytes(), &[0, 1], opt].concat();
    let mut query = Query::default();
    query.read(&message).unwrap();
    query
}

fn a(name: &str) -> Query {
    asking(name, 1, false, false)
}

/// What an upstream says about a name: an address with this TTL, NXDOMAIN with an SOA of it, or
/// nothing but a code.
fn said(query: &Query, rcode: u8, ttl: Option<u32>) -> Kept {
    let counts = match (rcode, ttl) {
        (_, None) => [0, 0],
        (0, _) => [1, 0],
        _ => [0, 1],
    };
    let header = [0, 1, 0x81, 0x80 | rcode, 0, 1, 0, counts[0], 0, counts[1], 0, 0];
    let mut message =
        [&header[..], query.asked().name(), &query.qtype().to_be_bytes(), &[0, 1]].concat();
    if let Some(ttl) = ttl {
        // Two names, both the root, four numbers, and a MINIMUM that bounds nothing.
        let soa = [&[0; 18][..], &[0x7f; 4]].concat();
        let (of, data) =
            if rcode == 0 { (query.qtype(), &[192, 0, 2, 1][..]) } else { (6, &soa[..]) };
        message.extend([0xc0, 12]);
        message.extend(of.to_be_bytes());
        message.extend([0, 1]);
        message.extend(ttl.to_be_bytes());
        message.extend([0, u8::try_from(data.len()).unwrap()]);
        message.extend(data);
    }
    Kept::of(&message, false).unwrap()
}

/// The TTL that is said about a name, `None` where nothing is; with `true` where it has expired.
fn told(store: &Store, query: &Query, now: Instant) -> Option<(u32, bool)> {
    match store.find(&Key::of(query), now) {
        Found::Fresh(entry) => Some((store.ttl(&entry, now), false)),
        Found::Stale(entry) => Some((store.ttl(&entry, now), true)),
        Found::Missing => None,
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn ttls_are_bounded_as_coredns_bounds_them() {
    let thirty = {
        let mut config = config();
        (config.success.max_ttl, config.denial.max_ttl) = (30, 30);
        config
    };
    let no_failures = Cache { servfail: Duration::ZERO, ..config() };
    let long = Cache { servfail: seconds(60), ..config() };
    let none_least = {
        let mut config = config();
        config.success.min_ttl = 0;
        config
    };
    // The configuration, what is said with which TTL; the TTL that is said on, if it is kept.
    for (name, config, rcode, ttl, expected) in [
        ("as told", config(), 0, Some(300), Some(300)),
        ("the longest", config(), 0, Some(86_400), Some(3_600)),
        ("the shortest", config(), 0, Some(0), Some(5)),
        ("no record", config(), 0, None, Some(5)),
        ("`cache 30`", thirty.clone(), 0, Some(300), Some(30)),
        ("`cache 30`, denied", thirty, 3, Some(300), Some(30)),
        ("denied", config(), 3, Some(300), Some(300)),
        ("denied for long", config(), 3, Some(86_400), Some(1_800)),
        ("denied for a moment", config(), 3, Some(1), Some(5)),
        ("a failure", config(), 2, None, Some(5)),
        ("a failure for long", long, 2, None, Some(60)),
        ("no failures", no_failures, 2, None, None),
        ("no least", none_least, 0, Some(0), None),
    ] {
        let store = Store::new(config, SEED);
        let (query, now) = (a("www.test."), Instant::now());
        store.add(&Key::of(&query), said(&query, rcode, ttl), now);
        assert_eq!(told(&store, &query, now), expected.map(|ttl| (ttl, false)), "{name}");
        let Some(ttl) = expected else { continue };
        let later = now + seconds(3) + Duration::from_millis(900);
        assert_eq!(told(&store, &query, later), Some((ttl - 3, false)), "{name}: counted down");
        let last = now + seconds(u64::from(ttl) - 1) + Duration::from_millis(999);
        assert_eq!(told(&store, &query, last), Some((1, false)), "{name}: at last");
        let gone = now + seconds(u64::from(ttl));
        assert_eq!(told(&store, &query, gone), None, "{name}: gone");
        let mut reader = store.reader();
        let at = |reader: &mut Reader, now| reader.fresh(&Key::of(&query), now).map(|one| one.1);
        assert_eq!(at(&mut reader, later), Some(ttl - 3), "{name}: the reader agrees");
        assert_eq!(at(&mut reader, gone), None, "{name}: the reader agrees");
    }
    let store = Store::new(Cache { keep_ttl: true, ..config() }, SEED);
    let (query, now) = (a("www.test."), Instant::now());
    store.add(&Key::of(&query), said(&query, 0, Some(300)), now);
    assert_eq!(told(&store, &query, now + seconds(100)), Some((300, false)), "keepttl");
    assert_eq!(told(&store, &query, now + seconds(300)), None, "keepttl");
}

#[test]
fn a_key_is_name_type_do_and_cd() {
    let all = [
        asking("www.test.", 1, false, false),
        asking("www.test.", 16, false, false),
        asking("www.test.", 1, true, false),
        asking("www.test.", 1, false, true),
        asking("www.test.", 1, true, true),
        asking("ww.test.", 1, false, false),
        asking(".", 1, false, false),
    ];
    let (store, now) = (Store::new(config(), SEED), Instant::now());
    for (n, query) in (0..).zip(&all) {
        assert_eq!(told(&store, query, now), None, "{n}");
        store.add(&Key::of(query), said(query, 0, Some(100 + n)), now);
    }
    let mut reader = store.reader();
    for (n, query) in (0..).zip(&all) {
        let found = reader.fresh(&Key::of(query), now).map(|one| one.1);
        assert_eq!(found, Some(100 + n), "{n}");
    }
    let upper = asking("WWW.Test.", 1, false, false);
    assert_eq!(told(&store, &upper, now), Some((100, false)), "whatever the case");
    assert_eq!(store.len(HalfKind::Success), 7);
}

#[test]
fn a_half_keeps_no_more_than_it_may() {
    for capacity in [0, 1, 31, 100, 1_000] {
        let mut config = config();
        config.success.capacity = capacity;
        config.denial.capacity = 10;
        let (store, now) = (Store::new(config, SEED), Instant::now());
        let mut evicted = [0; HALVES];
        for n in 0..3_000 {
            let query = a(&format!("n{n}.test."));
            let added = store.add(&Key::of(&query), said(&query, 0, Some(60)), now);
            evicted.iter_mut().zip(added.evicted).for_each(|(all, more)| *all += more);
            assert!(capacity == 0 || told(&store, &query, now).is_some(), "the newest is there");
        }
        let len = store.len(HalfKind::Success);
        assert!(
            len <= capacity.into() && len * 10 >= u64::from(capacity) * 9,
            "{len} of {capacity}"
        );
        assert_eq!(evicted, [if capacity == 0 { 0 } else { 3_000 - len }, 0]);
        assert_eq!(store.len(HalfKind::Denial), 0);
        // What has expired makes room before anything else.
        let later = now + seconds(60);
        for n in 0..3_000 {
            let query = a(&format!("n{n}.test."));
            assert_eq!(told(&store, &query, later), None);
        }
        let query = a("new.test.");
        let added = store.add(&Key::of(&query), said(&query, 0, Some(60)), later);
        assert_eq!(added.evicted, [0, 0]);
    }
}

/// Who asks for names at random gets no memory by it.
#[test]
fn of_a_million_names_no_more_are_kept_than_may_be() {
    let (store, now) = (Store::new(config(), SEED), Instant::now());
    let mut most = 0;
    for n in 0..1_000_000_u32 {
        let query = a(&format!("n{n}.test."));
        store.add(&Key::of(&query), said(&query, if n % 2 == 0 { 0 } else { 3 }, Some(60)), now);
        if n % 1_000 == 0 {
            let kept = [HalfKind::Success, HalfKind::Denial].map(|half| store.len(half));
            most = most.max(kept.iter().sum());
        }
    }
    let capacity = u64::from(config().success.capacity) + u64::from(config().denial.capacity);
    assert!(most <= capacity, "{most} of {capacity}");
    assert!(most * 10 >= capacity * 9, "{most} of {capacity}");
}

#[test]
fn octets_are_bounded_too() {
    let mut config = config();
    config.success.capacity = 32;
    let (store, now) = (Store::new(config, SEED), Instant::now());
    for n in 0..32 {
        let query = a(&format!("n{n}.test."));
        // Some 16 KiB of addresses.
        let header = [0, 1, 0x81, 0x80, 0, 1, 3, 0xe8, 0, 0, 0, 0];
        let mut message = [&header[..], query.asked().name(), &[0, 1, 0, 1]].concat();
        for _ in 0..1_000 {
            message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
        }
        store.add(&Key::of(&query), Kept::of(&message, false).unwrap(), now);
        assert!(told(&store, &query, now).is_some());
    }
    assert_eq!(store.len(HalfKind::Success), 1, "two of them are more than 32 KiB");
}

#[test]
fn zones_choose_what_is_kept() {
    let zone = |text: &str| Name::parse(text).unwrap();
    let mut config = config();
    config.zones = vec![zone("test")];
    config.success.disabled = vec![zone("live.test")];
    config.denial.disabled = vec![zone("new.test")];
    let (store, now) = (Store::new(config, SEED), Instant::now());
    for (name, rcode, kept) in [
        ("www.test.", 0, true),
        ("www.test.", 3, true),
        ("live.test.", 0, false),
        ("a.live.test.", 0, false),
        ("a.live.test.", 3, true),
        ("alive.test.", 0, true),
        ("new.test.", 0, true),
        ("b.new.test.", 3, false),
        ("b.new.test.", 2, false),
    ] {
        let query = a(name);
        assert!(store.covers(query.asked().name()));
        let ttl = (rcode != 2).then_some(60);
        let added = store.add(&Key::of(&query), said(&query, rcode, ttl), now);
        assert_eq!(told(&store, &query, now).is_some(), kept, "{name} {rcode}");
        assert_eq!(store.ttl(&added.entry, now), if rcode == 2 { 5 } else { 60 });
    }
    assert!(!store.covers(a("test.example.").asked().name()));
}

#[test]
fn what_has_expired_serves_for_a_while() {
    let (query, now) = (a("www.test."), Instant::now());
    let key = Key::of(&query);
    let store = Store::new(stale(false), SEED);
    store.add(&key, said(&query, 0, Some(60)), now);
    let expired = now + seconds(60);
    assert_eq!(told(&store, &query, now + seconds(59)), Some((1, false)));
    assert_eq!(told(&store, &query, expired), Some((0, true)));
    assert!(store.reader().fresh(&key, expired).is_none(), "never at once");
    assert_eq!(told(&store, &query, now + seconds(3_659)), Some((0, true)));
    assert_eq!(told(&store, &query, now + seconds(3_660)), None);
    // A failure does not take its place; a denial does.
    store.add(&key, said(&query, 2, None), expired);
    assert_eq!(told(&store, &query, expired), Some((0, true)));
    store.add(&key, said(&query, 3, Some(30)), expired);
    assert_eq!(told(&store, &query, expired), Some((30, false)));
    assert_eq!(store.len(HalfKind::Success), 0);
    // An expired failure never serves.
    let other = a("failed.test.");
    store.add(&Key::of(&other), said(&other, 2, None), now);
    assert_eq!(told(&store, &other, now), Some((5, false)));
    assert_eq!(told(&store, &other, now + seconds(5)), None);
}

#[test]
fn data_are_preferred_where_that_is_wanted() {
    for (prefer, half) in [(false, HalfKind::Denial), (true, HalfKind::Success)] {
        let (query, now) = (a("www.test."), Instant::now());
        let key = Key::of(&query);
        let store = Store::new(stale(prefer), SEED);
        store.add(&key, said(&query, 0, Some(60)), now);
        let expired = now + seconds(60);
        store.add(&key, said(&query, 3, Some(60)), expired);
        assert_eq!(told(&store, &query, expired), Some((60, false)), "a fresh denial is believed");
        let Found::Stale(entry) = store.find(&key, expired + seconds(60)) else { panic!("stale") };
        assert_eq!(entry.half(), half);
    }
}

#[test]
fn a_stale_answer_has_the_configured_ttl_and_its_upstream_a_rest() {
    let mut config = stale(false);
    config.serve_stale.as_mut().unwrap().ttl = 10;
    let (store, query, now) = (Store::new(config, SEED), a("www.test."), Instant::now());
    let entry = store.add(&Key::of(&query), said(&query, 0, Some(60)), now).entry;
    let expired = now + seconds(70);
    assert_eq!(told(&store, &query, expired), Some((10, true)));
    assert!(entry.may_retry(expired));
    entry.failed(expired, seconds(30));
    assert!(!entry.may_retry(expired + seconds(29)));
    assert!(entry.may_retry(expired + seconds(30)));
}

#[test]
fn a_reader_sees_what_is_newer_and_lets_go_of_what_is_old() {
    let (store, query, now) = (Store::new(config(), SEED), a("www.test."), Instant::now());
    let mut reader = store.reader();
    let key = Key::of(&query);
    assert!(reader.fresh(&key, now).is_none());
    let first = store.add(&key, said(&query, 0, Some(60)), now).entry;
    assert_eq!(reader.fresh(&key, now).map(|one| one.1), Some(60));
    store.add(&key, said(&query, 0, Some(90)), now);
    assert_eq!(Arc::strong_count(&first), 2, "held by the reader's old shard");
    (0..10_000).for_each(|_| reader.tidy());
    assert_eq!(Arc::strong_count(&first), 1);
    assert_eq!(reader.fresh(&key, now).map(|one| one.1), Some(90));
}

#[test]
fn a_popular_name_that_is_due_is_left_to_be_looked_up() {
    let prefetch = Prefetch { amount: 3, duration: seconds(60), percentage: 10 };
    let store = Store::new(Cache { prefetch: Some(prefetch), ..config() }, SEED);
    let (query, now) = (a("www.test."), Instant::now());
    let key = Key::of(&query);
    store.add(&key, said(&query, 0, Some(101)), now);
    // When it is asked for, whether it is given. It is due once 11 s are left of 101.
    for (what, times) in [
        ("too early", &[(0, true), (10, true), (20, true), (30, true), (89, true)][..]),
        ("in time", &[(70, true), (80, true), (90, false), (91, true), (92, true), (93, false)]),
        ("too seldom", &[(0, true), (61, true), (95, true), (96, false)]),
        ("never more than once a minute", &[(0, true), (1, true), (99, true), (100, true)]),
    ] {
        let mut reader = store.reader();
        for (at, given) in times {
            let found = reader.fresh(&key, now + seconds(*at)).is_some();
            assert_eq!(found, *given, "{what}: at {at} s");
        }
    }
}

#[tokio::test]
async fn those_who_ask_the_same_wait_for_one() {
    let flights: Arc<Flights<u32>> = Arc::default();
    let (one, other) = (a("www.test."), a("other.test."));
    let Turn::Leads(lead, first) = flights.turn(&Key::of(&one)) else { panic!("nobody leads") };
    let Turn::Joins(second) = flights.turn(&Key::of(&one)) else { panic!("nobody joins") };
    assert!(matches!(flights.turn(&Key::of(&other)), Turn::Leads(..)), "another question");
    lead.tell(5);
    assert_eq!((first.told().await, second.told().await), (Some(5), Some(5)));
    let Turn::Leads(lead, waits) = flights.turn(&Key::of(&one)) else { panic!("it has landed") };
    drop(lead);
    assert_eq!(waits.told().await, None, "given up");
}

#[test]
fn look_ups_under_way_are_bounded() {
    let flights: Arc<Flights<u32>> = Arc::default();
    let mut leads = Vec::new();
    loop {
        let query = a(&format!("n{}.test.", leads.len()));
        match flights.turn(&Key::of(&query)) {
            Turn::Leads(lead, _) => leads.push(lead),
            Turn::Joins(_) => panic!("nobody has asked that"),
            Turn::Full => break,
        }
    }
    assert_eq!(leads.len(), 8_192);
    leads.pop();
    assert!(matches!(flights.turn(&Key::of(&a("new.test."))), Turn::Leads(..)));
}
