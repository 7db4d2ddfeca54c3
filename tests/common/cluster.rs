//! A cluster as an API server tells it, with a Service of each kind; aliases lead into the cluster and
//! into the world of `resolver.rs`.

use serde_json::{Value, json};

use crate::objects::{cluster, endpoints, headless, namespace, outside, service, slice};

/// Endpoints of `big`: more than any datagram holds.
pub(crate) const BIG: u8 = 100;
/// Endpoints of `middle`: more than a datagram holds without EDNS, and less than one with it.
pub(crate) const MIDDLE: u8 = 50;

/// The addresses of so many endpoints.
pub(crate) fn many(network: u8, count: u8) -> Vec<String> {
    (1..=count).map(|last| format!("10.244.{network}.{last}")).collect()
}

/// All of it, in the namespace `shop` but for `default/kubernetes`.
pub(crate) fn cluster_objects() -> Vec<Value> {
    let alias = |name: &str, target: &str| {
        service(name, &json!({"type": "ExternalName", "externalName": target}))
    };
    let [big, middle] = [many(7, BIG), many(8, MIDDLE)];
    let [big, middle] =
        [&big, &middle].map(|all| all.iter().map(String::as_str).collect::<Vec<_>>());
    let mut objects: Vec<Value> =
        ["default", "kube-system", "shop", "vacant"].map(namespace).into();
    objects.extend(kubernetes());
    objects.extend([
        web(),
        ports(slice("web", &["10.244.1.10", "10.244.1.11"]), &[("http", 8080), ("https", 8443)]),
        cluster("old", "10.96.1.2"),
        cluster("unready", "10.96.1.3"),
        six(),
        // Of a StatefulSet: endpoints have hostnames.
        headless("db"),
        ports(named(slice("db", &["10.244.2.1", "10.244.2.2", "10.244.2.3"])), &[("sql", 5432)]),
        headless("idle"),
        slice("idle", &[]),
        headless("big"),
        slice("big", &big),
        headless("middle"),
        slice("middle", &middle),
    ]);
    objects.extend([
        // Written by hand. A controller mirrors what is in Endpoints.
        outside("direct", "10.96.2.1"),
        endpoints("direct", &["192.0.2.10", "192.0.2.11"]),
        by(
            "endpointslicemirroring-controller.k8s.io",
            slice("direct", &["192.0.2.10", "192.0.2.11"]),
        ),
        outside("remapped", "10.96.2.2"),
        by("somebody", ports(slice("remapped", &["192.0.2.12"]), &[("", 8080)])),
        service(
            "manual",
            &json!({"clusterIP": "None", "clusterIPs": ["None"],
                                  "ports": [{"port": 80}]}),
        ),
        by("somebody", slice("manual", &["192.0.2.20"])),
        alias("out", "v4.example"),
        alias("out6", "v6.example."),
        alias("both", "github.com"),
        alias("chain", "alias.example"),
        alias("wide", "many.example"),
        alias("nodata", "empty.example"),
        alias("gone", "nowhere.example"),
        alias("dead", "a.servfail.example"),
        alias("closed", "a.refused.example"),
        alias("inside", "web.shop.svc.cluster.local"),
        alias("twice", "inside.shop.svc.cluster.local"),
        alias("lost", "nowhere.shop.svc.cluster.local"),
        alias("loop", "loop.shop.svc.cluster.local"),
        alias("literal", "192.0.2.1"),
    ]);
    objects
}

/// The API server itself, which endpoints by their own port.
fn kubernetes() -> [Value; 2] {
    let mut service = outside("kubernetes", "10.96.0.1");
    service["spec"]["ports"] = json!([{"name": "https", "port": 443, "protocol": "TCP"}]);
    let slice = ports(by("", slice("kubernetes", &["172.18.0.2"])), &[("https", 6443)]);
    [service, slice].map(|mut object| {
        object["metadata"]["namespace"] = json!("default");
        object
    })
}

/// With addresses of both families.
fn web() -> Value {
    let mut web = cluster("web", "10.96.1.1");
    web["spec"]["clusterIPs"] = json!(["10.96.1.1", "fd00:10:96::1"]);
    web["spec"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
    web["spec"]["ports"] = json!([
        {"name": "http", "port": 80, "protocol": "TCP"},
        {"name": "https", "port": 443, "protocol": "TCP"},
        {"name": "http3", "port": 443, "protocol": "UDP"},
    ]);
    web
}

/// With IPv6 alone.
fn six() -> Value {
    let mut six = cluster("six", "fd00:10:96::6");
    six["spec"]["ipFamilies"] = json!(["IPv6"]);
    six
}

/// A slice with these ports.
fn ports(mut slice: Value, ports: &[(&str, u16)]) -> Value {
    let port = |(name, port): &(&str, u16)| json!({"name": name, "port": port, "protocol": "TCP"});
    slice["ports"] = ports.iter().map(port).collect();
    slice
}

/// A slice whose endpoints have hostnames, and whose last one is not ready.
fn named(mut slice: Value) -> Value {
    let endpoints = slice["endpoints"].as_array_mut().expect("endpoints");
    let last = endpoints.len() - 1;
    for (at, endpoint) in endpoints.iter_mut().enumerate() {
        endpoint["hostname"] = json!(format!("db-{at}"));
        endpoint["conditions"]["ready"] = json!(at < last);
    }
    slice
}

/// A slice that somebody else than the controller of slices wrote.
fn by(who: &str, mut slice: Value) -> Value {
    slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] = json!(who);
    for endpoint in slice["endpoints"].as_array_mut().into_iter().flatten() {
        let endpoint = endpoint.as_object_mut().expect("an endpoint");
        endpoint.remove("nodeName");
        endpoint.remove("targetRef");
    }
    slice
}
