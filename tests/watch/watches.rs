//! Watches that break, stutter, fall silent or are refused, and servers that go away.

use fingerpost::cluster::watch::State;
use fingerpost::cluster::{Kind, Refusal};
use fingerpost::zone::{Pods, Spec};

use crate::bench::{Bench, SERVFAIL, ask, is, missing};
use crate::fake_api::{FakeApi, Fault, Knobs, Order, until};
use crate::objects::{cluster, headless, namespace, pod, slice};

fn api(knobs: Knobs) -> FakeApi {
    let api = FakeApi::start(knobs);
    api.put(namespace("shop"));
    api.put(cluster("web", "10.0.0.1"));
    api.put(headless("db"));
    api.put(slice("db", &["10.1.0.1", "10.1.0.2"]));
    api
}

#[test]
fn broken_watches_go_on_where_they_were() {
    for (minor, bookmarks) in [("34", true), ("33", true), ("9", false)] {
        let mut knobs = Knobs { minor, duplicates: true, ..Knobs::default() };
        if !bookmarks {
            knobs.bookmarks = None;
        }
        let api = api(knobs);
        let bench = Bench::ready(&api, Spec::default());
        let asker = bench.steady(&[("web", is(&["10.0.0.1"])), ("nowhere", missing())]);
        for (round, order) in
            [Order::Reset, Order::End, Order::Reset, Order::End].iter().enumerate()
        {
            until("watches", || api.watches() >= 4);
            api.order(*order);
            let ip = format!("10.1.{round}.7");
            api.put(slice("db", &[&ip]));
            bench.comes("db", &is(&[&ip]));
        }
        api.fault("endpointslices", Fault::WatchStatus(500));
        api.fault("endpointslices", Fault::WatchStatus(429));
        until("watches", || api.watches() >= 4);
        api.order(Order::End);
        api.put(slice("db", &[]));
        bench.comes("db", &missing());
        let lists = api.requests(&["limit="]) + api.requests(&["sendInitialEvents"]);
        assert_eq!(lists, 4, "no list was needed");
        asker.all_right();
    }
}

#[test]
fn a_watch_that_has_died_in_silence_is_noticed() {
    let api = api(Knobs::default());
    let bench = Bench::ready(&api, Spec::default());
    let asker = bench.steady(&[("db", is(&["10.1.0.1", "10.1.0.2"])), ("nowhere", missing())]);
    until("watches", || api.watches() >= 4);
    api.order(Order::Freeze);
    api.put(cluster("web", "10.0.0.2"));
    bench.comes("web", &is(&["10.0.0.2"]));
    asker.all_right();
}

#[test]
fn the_last_state_answers_while_the_server_is_away() {
    let api = api(Knobs::default());
    let bench = Bench::ready(&api, Spec::default());
    until("all watched", || bench.status.out_of_touch().is_none());
    let asker = bench.steady(&[
        ("web", is(&["10.0.0.1"])),
        ("db", is(&["10.1.0.1", "10.1.0.2"])),
        ("nowhere", missing()),
    ]);
    api.up(false);
    until("out of touch", || bench.status.out_of_touch().is_some());
    let report = bench.status.report();
    assert!(matches!(report.kinds[&Kind::Service].state, State::Retrying { .. }));
    assert!(report.kinds[&Kind::Service].listed);
    let told = || bench.view().doubt().map(str::to_owned);
    until("askers are told", || told().is_some());
    let text = told().unwrap_or_default();
    let time = text.strip_prefix("API server out of touch since 20");
    assert!(time.is_some_and(|time| time.ends_with('Z') && time.len() == 18), "{text}");
    let heard = bench.status.last_contact().unwrap();
    asker.rounds(10);
    api.put(cluster("new", "10.0.0.7"));
    api.up(true);
    bench.comes("new", &is(&["10.0.0.7"]));
    until("in touch", || bench.status.out_of_touch().is_none());
    until("askers are told", || told().is_none());
    assert!(bench.status.last_contact().unwrap() > heard);
    asker.all_right();
}

#[test]
fn a_server_that_is_not_there_yet_is_waited_for() {
    let api = api(Knobs::default());
    api.up(false);
    let bench = Bench::start(&api, Spec::default());
    until("a fault is told", || {
        let report = bench.status.report();
        matches!(report.kinds[&Kind::Service].state, State::Retrying { .. })
    });
    assert_eq!(bench.a("web").0, SERVFAIL);
    assert_eq!(bench.status.last_contact(), None);
    api.up(true);
    bench.listed();
    assert_eq!(bench.a("web"), is(&["10.0.0.1"]));
}

#[test]
fn a_kind_that_may_not_be_listed_holds_up_only_its_own_names() {
    let api = api(Knobs { refused: vec![("pods", 403)], ..Knobs::default() });
    api.put(pod("p", "10.2.0.1", "Running"));
    let spec = Spec { pods: Pods::Verified, ..Spec::default() };
    let bench = Bench::start(&api, spec);
    let forbidden = || {
        let report = bench.status.report();
        matches!(report.kinds[&Kind::Pod].state, State::Forbidden { why: Refusal::Forbidden, .. })
    };
    until("it is told", forbidden);
    bench.comes("web", &is(&["10.0.0.1"]));
    bench.comes("db", &is(&["10.1.0.1", "10.1.0.2"]));
    let name = "10-2-0-1.shop.pod.cluster.local";
    assert_eq!(ask(&bench.view(), name).0, SERVFAIL);
    until("the others are watched", || bench.status.out_of_touch().is_none());
    let asker = bench.steady(&[("web", is(&["10.0.0.1"]))]);
    api.set(|knobs| knobs.refused.clear());
    until("pods", || ask(&bench.view(), name) == is(&["10.2.0.1"]));
    // Allowed once and then no more: the last state stays.
    api.set(|knobs| knobs.refused.push(("services", 403)));
    api.order(Order::End);
    until("it is told", || {
        let report = bench.status.report();
        matches!(
            report.kinds[&Kind::Service].state,
            State::Forbidden { why: Refusal::Forbidden, .. }
        )
    });
    until("out of touch", || bench.status.out_of_touch().is_some());
    asker.all_right();
}

#[test]
fn dropping_a_source_ends_it_whatever_it_is_at() {
    let api = api(Knobs::default());
    drop(Bench::ready(&api, Spec::default()));
    until("watches are closed", || api.watches() == 0);
    api.up(false);
    drop(Bench::start(&api, Spec::default()));
}
