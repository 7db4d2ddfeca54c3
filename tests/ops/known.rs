//! What is known of the cluster: objects, endpoints, the view, oddities.

use serde_json::json;

use crate::fake_api::{FakeApi, Knobs, until};
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
