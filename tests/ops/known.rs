//! What is known of the cluster: objects, endpoints, the view, oddities.

use serde_json::{Value, json};

use crate::fake_api::{FakeApi, Knobs, Order, until};
use crate::http::{PAGES, kubeconfig, pages};
use crate::objects::{cluster, endpoints, headless, namespace, outside, slice};
use crate::run::Room;
use crate::scrape::Page;

#[test]
fn objects_endpoints_and_choices_come_and_go() {
    let room = Room::new();
    let api = FakeApi::start(Knobs::default());
    api.put(namespace("shop"));
    api.put(cluster("web", "10.0.0.1"));
    api.put(slice("web", &["10.1.0.1", "10.1.0.2"]));
    api.put(headless("db"));
    let mut half = slice("db", &["10.1.0.3", "10.1.0.4", "127.0.0.1"]);
    half["endpoints"][1]["conditions"]["ready"] = json!(false);
    api.put(half);
    api.put(outside("direct", "10.0.0.2"));
    api.put(endpoints("direct", &["192.0.2.1"]));
    api.put(outside("empty", "10.0.0.3"));
    let mut odd = cluster("odd", "10.0.0.4");
    odd["metadata"]["annotations"] = json!({"fingerpost.dev/selectorless": "auto"});
    api.put(odd);
    let config = kubeconfig(&room, api.address());
    let args = ["--kubeconfig", &config, "--listen", "127.0.0.1:0"];
    let served = room.serve(&[&args[..], &PAGES].concat());
    let at = pages(&served);
    until("watched", || Page::of(at).value("fingerpost_watch_open", &[]) == Some(4.0));
    let page = Page::of(at);
    let text = page.text();
    let is = |name: &str, labels: &[(&str, &str)], value: f64| {
        assert_eq!(page.value(name, labels), Some(value), "{name} {labels:?} in\n{text}");
    };
    for (kind, count) in
        [("namespaces", 1.0), ("services", 5.0), ("endpointslices", 2.0), ("endpoints", 1.0)]
    {
        is(
            "fingerpost_objects",
            &[("kind", kind), ("block", "0"), ("zone", "cluster.local.")],
            count,
        );
    }
    assert_eq!(page.value("fingerpost_objects", &[("kind", "pods")]), None, "not watched");
    is("fingerpost_endpoints", &[("kind", "endpointslices"), ("ready", "true")], 4.0);
    is("fingerpost_endpoints", &[("kind", "endpointslices"), ("ready", "false")], 1.0);
    is("fingerpost_endpoints", &[("kind", "endpoints"), ("ready", "true")], 1.0);
    is("fingerpost_dropped_endpoint_addresses", &[("reason", "loopback")], 1.0);
    is("fingerpost_odd_objects", &[("reason", "needless-annotation")], 1.0);
    is("fingerpost_selectorless_services", &[("reason", "direct")], 1.0);
    is("fingerpost_selectorless_services", &[("reason", "no-ready-endpoint")], 1.0);
    is("fingerpost_selectorless_services", &[], 2.0);
    is("fingerpost_view_services", &[], 5.0);
    is("fingerpost_out_of_touch", &[], 0.0);
    assert!(page.value("fingerpost_view_bytes", &[]) > Some(500.0));
    assert!(page.value("fingerpost_view_serial", &[]) > Some(1.7e9), "Unix time");
    let published = page.value("fingerpost_views_published_total", &[]);
    assert!(published >= Some(1.0));
    assert_eq!(page.value("fingerpost_publish_duration_seconds_count", &[]), published);

    api.delete("services", "shop", "empty");
    api.delete("endpointslices", "shop", "db-x7k2p");
    api.put(slice("web", &["10.1.0.1"]));
    api.put(endpoints("direct", &[]));
    api.delete("services", "shop", "odd");
    until("told", || Page::of(at).value("fingerpost_view_services", &[]) == Some(3.0));
    until("all told", || {
        let page = Page::of(at);
        let ready = page.value("fingerpost_endpoints", &[("ready", "true")]);
        ready == Some(1.0) && page.value("fingerpost_endpoints", &[("ready", "false")]) == Some(0.0)
    });
    let page = Page::of(at);
    assert_eq!(page.value("fingerpost_objects", &[("kind", "services")]), Some(3.0));
    assert_eq!(page.value("fingerpost_objects", &[("kind", "endpointslices")]), Some(1.0));
    assert_eq!(page.value("fingerpost_dropped_endpoint_addresses", &[]), None);
    assert_eq!(page.value("fingerpost_odd_objects", &[]), None);
    assert!(page.value("fingerpost_views_published_total", &[]) > published);
}

const PROGRAMMING: &str = "coredns_kubernetes_dns_programming_duration_seconds";

/// A slice of which its controller says that what it answers by it happened so many seconds ago.
fn triggered(of: &str, ips: &[&str], seconds: i64) -> Value {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    let mut slice = slice(of, ips);
    slice["metadata"]["annotations"] =
        json!({"endpoints.kubernetes.io/last-change-trigger-time": at.to_string()});
    slice
}

#[test]
fn the_programming_latency_is_that_of_changes_and_not_of_lists() {
    let room = Room::new();
    let api = FakeApi::start(Knobs::default());
    api.put(namespace("shop"));
    api.put(cluster("web", "10.0.0.1"));
    api.put(headless("db"));
    api.put(triggered("web", &["10.1.0.1"], 100_000));
    api.put(triggered("db", &["10.1.0.2"], 100_000));
    let config = kubeconfig(&room, api.address());
    let args = ["--kubeconfig", &config, "--listen", "127.0.0.1:0"];
    let served = room.serve(&[&args[..], &PAGES].concat());
    let at = pages(&served);
    served.until("db.shop.svc.cluster.local.", "10.1.0.2");
    until("watched", || Page::of(at).value("fingerpost_watch_open", &[]) == Some(4.0));
    assert!(!Page::of(at).has(&format!("{PROGRAMMING}_count")), "lists are old news");

    api.put(triggered("db", &["10.1.0.3"], 60));
    served.until("db.shop.svc.cluster.local.", "10.1.0.3");
    api.put(triggered("web", &["10.1.0.4"], 0));
    let count = |page: &Page, kind: &str| {
        page.value(&format!("{PROGRAMMING}_count"), &[("service_kind", kind)])
    };
    until("both kinds", || count(&Page::of(at), "cluster_ip") == Some(1.0));
    // Nothing of it is new to a query, and no view shows it.
    api.put(triggered("web", &["10.1.0.4"], 100_000));
    // Its Service does not exist.
    api.put(triggered("nobody", &["10.1.0.5"], 100_000));
    api.put(slice("db", &["10.1.0.6"]));
    served.until("db.shop.svc.cluster.local.", "10.1.0.6");
    // A new list of all slices: what it holds, changed or not, is not counted.
    api.order(Order::Gone);
    until("watched again", || {
        Page::of(at).value("fingerpost_watch_restarts_total", &[("kind", "endpointslices")])
            >= Some(1.0)
            && Page::of(at).value("fingerpost_watch_open", &[]) == Some(4.0)
    });
    let page = Page::of(at);
    assert_eq!(count(&page, "headless_with_selector"), Some(1.0), "{}", page.text());
    assert_eq!(count(&page, "cluster_ip"), Some(1.0), "{}", page.text());
    assert_eq!(count(&page, "headless_without_selector"), None);
    let sum = page.value(&format!("{PROGRAMMING}_sum"), &[]).expect("a sum");
    assert!((60.0..200.0).contains(&sum), "{sum}");
    for bound in ["0.001", "0.002", "524.288", "+Inf"] {
        let bucket = format!("{PROGRAMMING}_bucket{{service_kind=\"cluster_ip\",le=\"{bound}\"}}");
        assert!(page.text().contains(&bucket), "CoreDNS's buckets: {bound}");
    }
}
