//! Which kinds are watched, how narrowly, and which of them count on which server.

use fingerpost::cluster::LabelSelector;
use fingerpost::zone::{NamespaceFilter, Pods, Spec};
use serde_json::{Value, json};

use crate::bench::{Bench, ask, is, missing};
use crate::fake_api::{FakeApi, Knobs, Order, until};
use crate::objects::{cluster, endpoints, headless, namespace, outside, pod, slice};

fn api(knobs: Knobs) -> FakeApi {
    let api = FakeApi::start(knobs);
    api.put(namespace("shop"));
    api
}

fn labelled(mut object: Value, key: &str, value: &str) -> Value {
    object["metadata"]["labels"][key] = json!(value);
    object
}

/// Kubernetes 1.9, OpenShift 3.9: neither slices nor bookmarks nor anything else of late.
const OLD: Knobs = Knobs {
    minor: "9+",
    slices: false,
    bookmarks: None,
    streaming: crate::fake_api::Streaming::Refused,
    page: 2,
    refused: Vec::new(),
    faults: Vec::new(),
    duplicates: false,
    stale: None,
    slow: std::time::Duration::ZERO,
    token: None,
    agent: "fingerpost/",
};

#[test]
fn without_slices_endpoints_serve_alone() {
    let api = api(OLD);
    api.put(headless("db"));
    api.put(endpoints("db", &["10.1.0.1", "10.1.0.2"]));
    api.put(outside("oracle", "10.0.0.5"));
    api.put(endpoints("oracle", &["192.0.2.1"]));
    let bench = Bench::ready(&api, Spec::default());
    assert_eq!(bench.a("db"), is(&["10.1.0.1", "10.1.0.2"]));
    assert_eq!(bench.a("oracle"), is(&["192.0.2.1"]));
    assert_eq!(api.requests(&["endpoints?", "managed-by"]), 0, "all are needed");
    api.put(endpoints("db", &["10.1.0.3"]));
    bench.comes("db", &is(&["10.1.0.3"]));
    api.delete("endpoints", "shop", "oracle");
    bench.comes("oracle", &is(&["10.0.0.5"]));
}

#[test]
fn a_server_that_is_upgraded_switches_over_when_its_slices_are_listed() {
    let api = api(OLD);
    api.put(headless("db"));
    api.put(endpoints("db", &["10.1.0.1"]));
    let bench = Bench::ready(&api, Spec::default());
    assert_eq!(bench.a("db"), is(&["10.1.0.1"]));
    let asker = bench.asker(&["db"], |name, answer| {
        let right = answer == is(&["10.1.0.1"]) || answer == is(&["10.1.0.2"]);
        if right { Ok(()) } else { Err(format!("{name}: {answer:?}")) }
    });
    api.put(slice("db", &["10.1.0.2"]));
    api.set(|knobs| knobs.slices = true);
    bench.comes("db", &is(&["10.1.0.2"]));
    // The Endpoints of the controller say nothing any more.
    api.put(endpoints("db", &["10.1.0.9"]));
    api.put(cluster("last", "10.0.0.9"));
    bench.comes("last", &is(&["10.0.0.9"]));
    asker.rounds(20);
    asker.all_right();
}

#[test]
fn hand_written_endpoints_show_beside_slices() {
    let api = api(Knobs::default());
    api.put(outside("oracle", "10.0.0.5"));
    api.put(endpoints("oracle", &["192.0.2.1"]));
    api.put(headless("db"));
    api.put(slice("db", &["10.1.0.1"]));
    let generated = endpoints("db", &["10.1.0.1", "10.1.0.66"]);
    let key = "endpoints.kubernetes.io/managed-by";
    api.put(labelled(generated, key, "endpoint-controller"));
    let bench = Bench::ready(&api, Spec::default());
    assert_eq!(bench.a("oracle"), is(&["192.0.2.1"]));
    assert_eq!(bench.a("db"), is(&["10.1.0.1"]));
    let narrow = "labelSelector=endpoints.kubernetes.io%2Fmanaged-by%21%3Dendpoint-controller";
    assert!(api.requests(&["/endpoints?", narrow]) > 0);
    api.put(endpoints("oracle", &["192.0.2.2", "192.0.2.3"]));
    bench.comes("oracle", &is(&["192.0.2.2", "192.0.2.3"]));
}

#[test]
fn a_service_that_loses_its_selector_has_its_endpoints_fetched_again() {
    for minor in ["34", "25"] {
        let api = api(Knobs { minor, ..Knobs::default() });
        // On a server that labels nothing: the endpoints come, say nothing and are not kept.
        api.put(cluster("pg", "10.0.0.5"));
        api.put(endpoints("pg", &["192.0.2.1"]));
        let bench = Bench::ready(&api, Spec::default());
        assert_eq!(bench.a("pg"), is(&["10.0.0.5"]));
        let fetched = || api.requests(&["/namespaces/shop/endpoints", "metadata.name%3Dpg"]);
        assert_eq!(fetched(), 0);
        let asker = bench.asker(&["pg"], |name, answer| {
            let right = answer == is(&["10.0.0.5"]) || answer == is(&["192.0.2.1"]);
            if right { Ok(()) } else { Err(format!("{name}: {answer:?}")) }
        });
        api.put(outside("pg", "10.0.0.5"));
        bench.comes("pg", &is(&["192.0.2.1"]));
        assert_eq!(fetched(), 1);
        api.put(cluster("pg", "10.0.0.5"));
        bench.comes("pg", &is(&["10.0.0.5"]));
        api.put(outside("pg", "10.0.0.5"));
        bench.comes("pg", &is(&["192.0.2.1"]));
        assert_eq!(fetched(), 2);
        asker.all_right();
        api.put(endpoints("pg", &["192.0.2.7"]));
        bench.comes("pg", &is(&["192.0.2.7"]));
        api.delete("endpoints", "shop", "pg");
        bench.comes("pg", &is(&["10.0.0.5"]));
    }
}

#[test]
fn a_service_that_changes_its_type_switches_over() {
    let api = api(Knobs::default());
    api.put(headless("x"));
    api.put(slice("x", &["10.1.0.1"]));
    let bench = Bench::ready(&api, Spec::default());
    assert_eq!(bench.a("x"), is(&["10.1.0.1"]));
    api.put(cluster("x", "10.0.0.1"));
    bench.comes("x", &is(&["10.0.0.1"]));
    let external = json!({"type": "ExternalName", "externalName": "x.example.com"});
    api.put(crate::objects::service("x", &external));
    bench.comes("x", &is(&[]));
    api.put(headless("x"));
    bench.comes("x", &is(&["10.1.0.1"]));
}

#[test]
fn selectors_of_the_configuration_are_sent_to_the_server() {
    for minor in ["34", "33"] {
        let api = api(Knobs { minor, ..Knobs::default() });
        let inside = labelled(namespace("shop"), "team", "a");
        api.put(inside);
        api.put(cluster("web", "10.0.0.1"));
        api.put(cluster("other", "10.0.0.2"));
        let spec = Spec {
            labels: Some(LabelSelector::parse("app=web").unwrap()),
            namespaces: NamespaceFilter::Selected(LabelSelector::parse("team=a").unwrap()),
            ..Spec::default()
        };
        let bench = Bench::ready(&api, spec);
        assert_eq!(bench.a("web"), is(&["10.0.0.1"]));
        assert_eq!(bench.a("other"), missing());
        assert!(api.requests(&["/services?", "labelSelector=app%3Dweb&"]) > 0);
        assert!(api.requests(&["/namespaces?", "labelSelector=team%3Da&"]) > 0);
        // What leaves a selector is gone, and what enters it is there.
        api.put(labelled(cluster("web", "10.0.0.1"), "app", "no"));
        bench.comes("web", &missing());
        api.put(labelled(cluster("other", "10.0.0.2"), "app", "web"));
        bench.comes("other", &is(&["10.0.0.2"]));
        api.put(namespace("shop"));
        bench.comes("other", &missing());
    }
}

#[test]
fn only_kinds_that_are_needed_are_asked_for() {
    let api = api(Knobs::default());
    api.put(cluster("web", "10.0.0.1"));
    let spec = Spec { no_endpoints: true, ..Spec::default() };
    let bench = Bench::ready(&api, spec);
    assert_eq!(bench.a("web"), is(&["10.0.0.1"]));
    for kind in ["/endpointslices?", "/endpoints?", "/pods?"] {
        assert_eq!(api.requests(&[kind]), 0, "{kind}");
    }
}

#[test]
fn verified_pods_are_those_that_live() {
    let api = api(Knobs::default());
    api.put(pod("p1", "10.2.0.1", "Running"));
    api.put(pod("p2", "10.2.0.2", "Succeeded"));
    let bench = Bench::ready(&api, Spec { pods: Pods::Verified, ..Spec::default() });
    let name = |n: u8| format!("10-2-0-{n}.shop.pod.cluster.local");
    assert_eq!(ask(&bench.view(), &name(1)), is(&["10.2.0.1"]));
    assert_eq!(ask(&bench.view(), &name(2)), missing());
    assert!(api.requests(&["/pods?", "fieldSelector=status.phase%21%3DSucceeded"]) > 0);
    api.put(pod("p1", "10.2.0.1", "Failed"));
    until("it has ended", || ask(&bench.view(), &name(1)) == missing());
    api.put(pod("p3", "10.2.0.3", "Pending"));
    until("it is there", || ask(&bench.view(), &name(3)) == is(&["10.2.0.3"]));
    api.order(Order::Gone);
    api.delete("pods", "shop", "p3");
    until("it has gone", || ask(&bench.view(), &name(3)) == missing());
}

#[test]
fn what_the_controller_left_behind_counts_where_headless_endpoints_alone_are_wanted() {
    for headless_endpoints_only in [false, true] {
        let api = api(Knobs::default());
        // It had a selector once; now there is a slice by hand beside that of the controller.
        api.put(outside("pg", "10.0.0.5"));
        api.put(slice("pg", &["10.1.0.1"]));
        let key = "endpointslice.kubernetes.io/managed-by";
        let mut manual = labelled(slice("pg", &[]), key, "somebody");
        manual["metadata"]["name"] = json!("pg-manual");
        manual["endpoints"] = json!([{"addresses": ["192.0.2.1"]}]);
        api.put(manual);
        let bench = Bench::ready(&api, Spec { headless_endpoints_only, ..Spec::default() });
        // Through the cluster IP one may come to either.
        assert_eq!(bench.a("pg"), is(&["10.0.0.5"]));
        api.delete("endpointslices", "shop", "pg-x7k2p");
        bench.comes("pg", &is(&["192.0.2.1"]));
    }
}

#[test]
fn headless_endpoints_alone_are_kept_where_that_is_all_that_is_wanted() {
    let api = api(Knobs::default());
    api.put(cluster("web", "10.0.0.1"));
    api.put(slice("web", &["10.1.0.1"]));
    api.put(headless("db"));
    let key = "service.kubernetes.io/headless";
    api.put(labelled(slice("db", &["10.1.0.2"]), key, ""));
    let bench = Bench::ready(&api, Spec { headless_endpoints_only: true, ..Spec::default() });
    assert_eq!(bench.a("web"), is(&["10.0.0.1"]));
    assert_eq!(bench.a("10-1-0-1.web"), missing());
    assert_eq!(bench.a("db"), is(&["10.1.0.2"]));
    assert_eq!(bench.a("10-1-0-2.db"), is(&["10.1.0.2"]));
}
