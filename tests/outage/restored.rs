//! The last known good state: written soon, found after a kill, and given up whole.

use std::time::{Duration, Instant};

use crate::ask::{Asker, Reply, STALE, STALE_NXDOMAIN, Type};
use crate::fake_api::{FakeApi, Knobs, until};
use crate::run::Room;
use crate::world::{Age, CASES, DB, NOWHERE, WEB, all, put, put_marker, serve};

/// A second, and what writing may take on a busy machine.
const WRITTEN_WITHIN: Duration = Duration::from_secs(4);
/// Less than what a start waits for the first lists if there is no state.
const AT_ONCE: Duration = Duration::from_secs(4);

fn holds(file: &std::path::Path, name: &str) -> bool {
    std::fs::read(file)
        .is_ok_and(|octets| octets.windows(name.len()).any(|window| window == name.as_bytes()))
}

/// The extended error that restored answers carry.
fn check_stale(name: &str, reply: &Reply) {
    let (code, text) = reply.ede.clone().unwrap_or_else(|| panic!("{name}: no EDE: {reply:?}"));
    assert_eq!(code, if reply.is_missing() { STALE_NXDOMAIN } else { STALE }, "{name}");
    let time = text.strip_prefix("last known good state of ");
    let time: jiff::Timestamp = time.unwrap_or_else(|| panic!("{text}")).parse().expect("a time");
    let age = jiff::Timestamp::now().as_second() - time.as_second();
    assert!((0..60).contains(&age), "{text}");
}

fn check_fresh(name: &str, reply: &Reply) {
    assert_eq!(reply.ede, None, "{name}");
}

#[test]
fn a_killed_process_answers_at_once_from_what_it_had_written() {
    let room = Room::new();
    let file = room.path("state");
    let api = FakeApi::start(Knobs::default());
    put(&api, Age::Old);
    let mut served = serve(&room, api.address(), Some(&file));
    let mut asker = Asker::new(served.address);
    all(&mut asker, Age::Old, check_fresh);
    until("a first state on disk", || file.exists());
    put_marker(&api, "marker");
    let changed = Instant::now();
    until("the change on disk", || holds(&file, "marker"));
    assert!(changed.elapsed() < WRITTEN_WITHIN, "after {:?}", changed.elapsed());
    let serial = asker.serial("cluster.local.");
    served.signal("KILL");
    served.end();

    // Nobody listens at the API server's address.
    let address = api.address();
    let mut store = api.edit(|store| store.clone());
    drop(api);
    let began = Instant::now();
    let mut served = serve(&room, address, Some(&file));
    let mut asker = Asker::new(served.address);
    all(&mut asker, Age::Old, check_stale);
    assert!(began.elapsed() < AT_ONCE, "answered after {:?}", began.elapsed());
    assert!(asker.ask("marker.shop.svc.cluster.local.", Type::A).is(&["10.0.7.7"]));
    for (name, rtype, data) in CASES {
        let reply = asker.plainly(name, *rtype);
        assert!(reply.is(data[0]) && !reply.edns, "{reply:?}");
    }
    let reply = asker.plainly(NOWHERE, Type::A);
    assert!(reply.is_missing() && !reply.edns, "{reply:?}");
    let restored = asker.serial("cluster.local.");
    assert!(restored >= serial, "{restored} is below {serial}");

    // It comes back changed, and all but its slices can be listed.
    store.delete("services", "shop", "marker");
    let knobs = Knobs { refused: vec![("endpointslices", 503)], ..Knobs::default() };
    let quiet = FakeApi::start(Knobs::default());
    quiet.edit(|to| to.restore(&store));
    put(&quiet, Age::New);
    let api = FakeApi::resume(address, quiet.edit(|store| store.clone()), knobs);
    until("watches of all else", || api.watches() >= 3);
    let told = Instant::now() + Duration::from_millis(300);
    while Instant::now() < told {
        all(&mut asker, Age::Old, check_stale);
    }
    api.set(|knobs| knobs.refused.clear());
    gives_way_whole(&mut asker);
    all(&mut asker, Age::New, check_fresh);
    assert!(asker.ask("marker.shop.svc.cluster.local.", Type::A).is_missing());
    let fresh = asker.serial("cluster.local.");
    assert!(fresh > restored, "{fresh} is not above {restored}");
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
}

/// Asks until all is new. A name of one kind between two questions about another's is of their
/// state.
fn gives_way_whole(asker: &mut Asker) {
    let of = |name: &str, reply: &Reply| {
        let (_, _, data) = CASES.iter().find(|case| case.0 == name).unwrap();
        let age = [Age::Old, Age::New].into_iter().find(|age| reply.is(data[*age as usize]));
        let age = age.unwrap_or_else(|| panic!("{name}: of neither state: {reply:?}"));
        let is_stale = reply.ede.as_ref().is_some_and(|(code, _)| *code == STALE);
        assert_eq!(is_stale, age == Age::Old, "{name}: {reply:?}");
        age
    };
    let mut is_new = false;
    until("the new state", || {
        let ages = [WEB, DB, WEB, DB].map(|name| of(name, &asker.ask(name, Type::A)));
        // At most one step, from the old to the new.
        let turns = ages.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(turns <= 1 && !(turns == 1 && ages[0] == Age::New), "a mixture: {ages:?}");
        assert!(!is_new || ages[0] == Age::New, "back to the old state: {ages:?}");
        is_new = ages[3] == Age::New;
        ages[0] == Age::New
    });
}

#[test]
fn a_clean_stop_writes_the_last_change() {
    let room = Room::new();
    let file = room.path("state");
    let api = FakeApi::start(Knobs::default());
    put(&api, Age::Old);
    let mut served = serve(&room, api.address(), Some(&file));
    // Just after a write no other is due for a second, and the end comes before.
    until("a first state on disk", || file.exists());
    put_marker(&api, "early");
    until("the change on disk", || holds(&file, "early"));
    put_marker(&api, "late");
    served.until("late.shop.svc.cluster.local.", "10.0.7.7");
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
    assert!(holds(&file, "late"), "the last change is not on disk");
    api.up(false);
    let served = serve(&room, api.address(), Some(&file));
    let mut asker = Asker::new(served.address);
    assert!(asker.ask("late.shop.svc.cluster.local.", Type::A).is(&["10.0.7.7"]));
    all(&mut asker, Age::Old, check_stale);
}
