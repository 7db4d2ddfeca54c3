//! Lists: streamed or in pages, whole or not at all, never older than what has been seen.

use std::time::Duration;

use fingerpost::zone::Spec;

use crate::bench::{Bench, SERVFAIL, is, missing};
use crate::fake_api::{FakeApi, Fault, Knobs, Order, Streaming, until};
use crate::objects::{cluster, headless, namespace, slice};

fn api(knobs: Knobs) -> FakeApi {
    let api = FakeApi::start(knobs);
    api.put(namespace("shop"));
    for n in 1..=9 {
        api.put(cluster(&format!("web{n}"), &format!("10.0.0.{n}")));
    }
    api.put(headless("db"));
    api.put(slice("db", &["10.1.0.1", "10.1.0.2"]));
    api
}

fn check(bench: &Bench) {
    for n in 1..=9 {
        assert_eq!(bench.a(&format!("web{n}")), is(&[&format!("10.0.0.{n}")]));
    }
    assert_eq!(bench.a("db"), is(&["10.1.0.1", "10.1.0.2"]));
    assert_eq!(bench.a("nowhere"), missing());
}

#[test]
fn lists_are_streamed_where_the_version_says_so() {
    let api = api(Knobs::default());
    let bench = Bench::ready(&api, Spec::default());
    check(&bench);
    assert_eq!(api.requests(&["sendInitialEvents=true"]), 4);
    assert_eq!(api.requests(&["limit="]), 0);
    // And watched on in the same request.
    api.put(cluster("web1", "10.0.9.1"));
    bench.comes("web1", &is(&["10.0.9.1"]));
    api.delete("services", "shop", "web2");
    bench.comes("web2", &missing());
}

#[test]
fn lists_come_in_pages_from_other_servers() {
    for minor in ["33", "32+", "9"] {
        let api = api(Knobs { minor, page: 2, ..Knobs::default() });
        let bench = Bench::ready(&api, Spec::default());
        check(&bench);
        assert_eq!(api.requests(&["sendInitialEvents"]), 0);
        assert_eq!(api.requests(&["/services?", "continue="]), 4, "of 10 objects by 2");
        assert!(api.requests(&["/services?", "limit=500"]) > 0);
        assert!(api.requests(&["/endpointslices?", "limit=250"]) > 0);
        api.put(cluster("web1", "10.0.9.1"));
        bench.comes("web1", &is(&["10.0.9.1"]));
    }
}

#[test]
fn a_server_that_does_not_stream_is_read_in_pages_at_once() {
    for streaming in [Streaming::Refused, Streaming::RefusedByEvent, Streaming::Endless] {
        let api = api(Knobs { streaming, ..Knobs::default() });
        let bench = Bench::ready(&api, Spec::default());
        check(&bench);
        assert!(api.requests(&["/services?", "limit="]) > 0, "{streaming:?}");
        // It is not asked again.
        let asked = api.requests(&["sendInitialEvents"]);
        assert!(asked <= 4);
        until("watches", || api.watches() >= 4);
        api.order(Order::Gone);
        until("new lists", || api.requests(&["/services?", "limit="]) >= 2);
        assert_eq!(api.requests(&["sendInitialEvents"]), asked);
    }
}

#[test]
fn a_list_that_breaks_off_is_begun_again_and_nothing_flaps() {
    for minor in ["34", "33"] {
        let api = api(Knobs { minor, page: 3, ..Knobs::default() });
        let bench = Bench::ready(&api, Spec::default());
        until("watches", || api.watches() >= 4);
        let asker = bench.steady(&[
            ("web1", is(&["10.0.0.1"])),
            ("web9", is(&["10.0.0.9"])),
            ("db", is(&["10.1.0.1", "10.1.0.2"])),
            ("nowhere", missing()),
        ]);
        // Paged lists only from here on, for which these faults are made.
        api.set(|knobs| knobs.streaming = Streaming::Refused);
        for fault in [
            Fault::CutList(0),
            Fault::CutList(2),
            Fault::SilentList(1),
            Fault::Loop,
            Fault::Status(500),
            Fault::Status(503),
            Fault::Status(429),
            Fault::Status(410),
        ] {
            api.fault("services", fault);
        }
        for fault in [Fault::CutList(0), Fault::SilentList(0), Fault::Loop, Fault::Status(504)] {
            api.fault("endpointslices", fault);
            api.fault("namespaces", fault);
        }
        api.order(Order::Gone);
        until("all faults", || api.faults_are_used());
        let api_side = api.requests(&["/services?", "limit="]);
        assert!(api_side >= 5, "{api_side}");
        api.put(cluster("new", "10.0.5.5"));
        bench.comes("new", &is(&["10.0.5.5"]));
        asker.all_right();
    }
}

#[test]
fn what_went_during_a_list_goes_when_it_is_complete() {
    let api = api(Knobs { minor: "33", ..Knobs::default() });
    let bench = Bench::ready(&api, Spec::default());
    until("watches", || api.watches() >= 4);
    let asker = bench.asker(&["web1", "web3"], |name, answer| match name {
        "web1" if answer == is(&["10.0.0.1"]) => Ok(()),
        "web3" if answer == is(&["10.0.0.3"]) || answer == missing() => Ok(()),
        _ => Err(format!("{name}: {answer:?}")),
    });
    api.set(|knobs| knobs.slow = Duration::from_millis(10));
    api.order(Order::Freeze);
    api.delete("services", "shop", "web3");
    api.put(cluster("web5", "10.0.9.5"));
    api.compact();
    // The frozen watches are given up in the end; 410 then, and a slow list.
    bench.comes("web3", &missing());
    bench.comes("web5", &is(&["10.0.9.5"]));
    asker.all_right();
}

#[test]
fn a_410_in_every_form_leads_to_a_new_list() {
    for minor in ["34", "33"] {
        let api = api(Knobs { minor, ..Knobs::default() });
        let bench = Bench::ready(&api, Spec::default());
        let asker = bench.steady(&[("web1", is(&["10.0.0.1"])), ("nowhere", missing())]);
        let lists = |api: &FakeApi| {
            api.requests(&["/services?", "limit="]) + api.requests(&["/services?", "sendInitial"])
        };
        until("watches", || api.watches() >= 4);
        let before = lists(&api);
        api.order(Order::Gone);
        until("new lists", || lists(&api) > before);
        until("watches", || api.watches() >= 4);
        let before = lists(&api);
        // By HTTP status: the store has gone on and been compacted while nobody watched.
        api.up(false);
        until("all watches are cut", || api.watches() == 0);
        api.put(cluster("web2", "10.0.9.2"));
        api.compact();
        api.up(true);
        bench.comes("web2", &is(&["10.0.9.2"]));
        until("new lists", || lists(&api) > before);
        api.put(cluster("web3", "10.0.9.3"));
        bench.comes("web3", &is(&["10.0.9.3"]));
        asker.all_right();
    }
}

#[test]
fn an_older_list_does_not_replace_newer_objects() {
    for minor in ["34", "33"] {
        let api = api(Knobs { minor, ..Knobs::default() });
        let old = api.edit(|store| store.revision());
        let bench = Bench::ready(&api, Spec::default());
        api.put(cluster("web1", "10.0.9.1"));
        api.delete("services", "shop", "web2");
        bench.comes("web1", &is(&["10.0.9.1"]));
        bench.comes("web2", &missing());
        let asker = bench.steady(&[("web1", is(&["10.0.9.1"])), ("web2", missing())]);
        api.set(|knobs| knobs.stale = Some(old));
        until("watches", || api.watches() >= 4);
        api.order(Order::Gone);
        let pushed = || api.requests(&["/services?", "resourceVersion=1", "NotOlderThan"]);
        until("a fresher list is asked for", || pushed() >= 2);
        asker.rounds(20);
        api.set(|knobs| knobs.stale = None);
        api.put(cluster("web3", "10.0.9.3"));
        bench.comes("web3", &is(&["10.0.9.3"]));
        asker.all_right();
    }
}

#[test]
fn a_store_that_was_set_back_is_believed_after_a_while() {
    let api = api(Knobs { minor: "33", ..Knobs::default() });
    let backup = api.edit(|store| store.clone());
    let bench = Bench::ready(&api, Spec::default());
    for n in 0..5 {
        api.put(cluster("web1", &format!("10.0.9.{n}")));
    }
    bench.comes("web1", &is(&["10.0.9.4"]));
    api.up(false);
    until("all watches are cut", || api.watches() == 0);
    api.edit(|store| store.restore(&backup));
    api.up(true);
    // No watch fails: the server has nothing to tell from a version that is still to come, and its
    // bookmarks alone say so.
    bench.comes("web1", &is(&["10.0.0.1"]));
}

#[test]
fn names_wait_for_the_first_lists_only() {
    let api = api(Knobs { minor: "33", ..Knobs::default() });
    api.set(|knobs| knobs.refused = vec![("endpointslices", 503)]);
    let bench = Bench::start(&api, Spec::default());
    bench.comes("web1", &is(&["10.0.0.1"]));
    assert_eq!(bench.a("db").0, SERVFAIL);
    api.set(|knobs| knobs.refused.clear());
    bench.comes("db", &is(&["10.1.0.1", "10.1.0.2"]));
}
