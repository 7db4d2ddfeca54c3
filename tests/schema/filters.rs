//! Filters: namespaces and labels that hide, and options that leave endpoints out.

use fingerpost::cluster::LabelSelector;
use fingerpost::zone::{NamespaceFilter, Pods, Spec};

use super::objects::{CONTROLLER, endpoints, namespace, service, service_with, slice, slice_by};
use super::world::{World, spec};

fn two() -> Vec<String> {
    vec![
        namespace("shop", "labels: {team: a}"),
        namespace("yard", "labels: {team: b}"),
        service("shop/web", "clusterIP: 10.96.0.1, selector: {a: b}"),
        service("yard/web", "clusterIP: 10.96.0.2, selector: {a: b}"),
        service("yard/db", "clusterIP: None"),
        endpoints("yard/db", "{addresses: [{ip: 192.0.2.1}]}"),
        service("shop/db", "clusterIP: None"),
        endpoints("shop/db", "{addresses: [{ip: 192.0.2.1}]}"),
    ]
}

const ONE: &str = "
web.shop.svc
  A 10.96.0.1
shop.svc NODATA
shop.pod NODATA
10-0-0-1.shop.pod
  A 10.0.0.1
1.0.96.10.in-addr.arpa.
  PTR web.shop.svc
web.yard.svc NX
db.yard.svc NX
192-0-2-1.db.yard.svc NX
db.yard.endpoints NX
yard.svc NX
yard.endpoints NX
yard.pod NX
10-0-0-1.yard.pod NX
2.0.96.10.in-addr.arpa. NX
1.2.0.192.in-addr.arpa.
  PTR 192-0-2-1.db.shop.svc
";

#[test]
fn namespaces_that_are_not_exposed_do_not_exist() {
    for namespaces in [
        NamespaceFilter::Named(vec!["shop".into(), "nowhere".into()]),
        NamespaceFilter::Selected(LabelSelector::parse("team=a").unwrap()),
        NamespaceFilter::Selected(LabelSelector::parse("team notin (b, c)").unwrap()),
    ] {
        World::with(&two(), Spec { namespaces, pods: Pods::Insecure, ..spec() }).check(ONE);
    }
}

#[test]
fn labels_select_services_and_slices() {
    let slice = |key: &str, labels: &str| {
        slice(key, "db", "IPv4", "endpoints: [{addresses: [192.0.2.1]}]")
            .replace("service-name: db", &format!("service-name: db{labels}"))
            .replace("192.0.2.1", if labels.is_empty() { "192.0.2.2" } else { "192.0.2.1" })
    };
    let world = World::with(
        &[
            service_with(
                "shop/web",
                "labels: {tier: front}",
                "clusterIP: 10.96.0.1, selector: {a: b}",
            ),
            service("shop/other", "clusterIP: 10.96.0.2, selector: {a: b}"),
            service_with("shop/db", "labels: {tier: front}", "clusterIP: None"),
            slice("shop/db-1", ", tier: front"),
            slice("shop/db-2", ""),
        ],
        Spec { labels: Some(LabelSelector::parse("tier=front").unwrap()), ..spec() },
    );
    world.check(
        "
web.shop.svc
  A 10.96.0.1
other.shop.svc NX
db.shop.svc
  A 192.0.2.1
shop.svc NODATA
1.0.96.10.in-addr.arpa.
  PTR web.shop.svc
2.0.96.10.in-addr.arpa. NX
2.2.0.192.in-addr.arpa. NX
",
    );
}

fn all_kinds() -> Vec<String> {
    let ports = "ports: [{name: x, port: 80}]";
    let ready = "ports: [{name: x, port: 80}], endpoints: [{addresses: [10.1.0.1], hostname: a}]";
    vec![
        service("shop/web", &format!("clusterIP: 10.96.0.1, selector: {{a: b}}, {ports}")),
        slice_by("shop/web-1", "web", "IPv4", CONTROLLER, ready),
        service("shop/idle", &format!("clusterIP: 10.96.0.2, selector: {{a: b}}, {ports}")),
        slice_by(
            "shop/idle-1",
            "idle",
            "IPv4",
            CONTROLLER,
            "endpoints: [{addresses: [10.1.0.2], conditions: {ready: false}}]",
        ),
        service("shop/head", "clusterIP: None, selector: {a: b}"),
        slice_by("shop/head-1", "head", "IPv4", CONTROLLER, &ready.replace("10.1.0.1", "10.1.0.3")),
        service("shop/db", &format!("clusterIP: 10.96.0.3, {ports}")),
        endpoints(
            "shop/db",
            "{addresses: [{ip: 192.0.2.1, hostname: a}], ports: [{name: x, port: 80}]}",
        ),
        service("shop/none", &format!("clusterIP: 10.96.0.4, {ports}")),
    ]
}

#[test]
fn ignore_empty_service() {
    let world = World::with(&all_kinds(), Spec { ignore_empty_service: true, ..spec() });
    world.check(
        "
web.shop.svc
  A 10.96.0.1
  SRV 0 100 80 web.shop.svc
  + web.shop.svc A 10.96.0.1
idle.shop.svc NX
_x._tcp.idle.shop.svc NX
_tcp.idle.shop.svc NX
none.shop.svc NX
head.shop.svc
  A 10.1.0.3
  SRV 0 100 80 a.head.shop.svc
  + a.head.shop.svc A 10.1.0.3
db.shop.svc
  A 192.0.2.1
  SRV 0 100 80 a.db.shop.svc
  + a.db.shop.svc A 192.0.2.1
",
    );
    // Without it they are there.
    World::of(&all_kinds()).expect(&[
        ("idle.shop.svc A", "NOERROR; A 10.96.0.2"),
        ("none.shop.svc A", "NOERROR; A 10.96.0.4"),
    ]);
}

#[test]
fn noendpoints() {
    let world = World::with(&all_kinds(), Spec { no_endpoints: true, ..spec() });
    world.check(
        "
web.shop.svc
  A 10.96.0.1
  SRV 0 100 80 web.shop.svc
  + web.shop.svc A 10.96.0.1
idle.shop.svc
  A 10.96.0.2
  SRV 0 100 80 idle.shop.svc
  + idle.shop.svc A 10.96.0.2
db.shop.svc
  A 10.96.0.3
  SRV 0 100 80 db.shop.svc
  + db.shop.svc A 10.96.0.3
head.shop.svc NX
a.head.shop.svc NX
a.web.shop.svc NX
web.shop.endpoints NX
_endpoints.db.shop.svc NX
a.db.shop.svc NX
1.0.1.10.in-addr.arpa. NX
1.0.96.10.in-addr.arpa.
  PTR web.shop.svc
",
    );
    // What cannot be known to be empty is not ignored for it.
    let both = Spec { no_endpoints: true, ignore_empty_service: true, ..spec() };
    World::with(&all_kinds(), both).expect(&[("web.shop.svc A", "NOERROR; A 10.96.0.1")]);
}

#[test]
fn endpoints_headless_keeps_those_of_headless_and_selector_less_services() {
    let world = World::with(&all_kinds(), Spec { headless_endpoints_only: true, ..spec() });
    world.check(
        "
web.shop.svc
  A 10.96.0.1
  SRV 0 100 80 web.shop.svc
  + web.shop.svc A 10.96.0.1
a.web.shop.svc NX
web.shop.endpoints NX
_endpoints.web.shop.svc NX
1.0.1.10.in-addr.arpa. NX
head.shop.svc
  A 10.1.0.3
  SRV 0 100 80 a.head.shop.svc
  + a.head.shop.svc A 10.1.0.3
a.head.shop.svc
  A 10.1.0.3
  SRV 0 100 80 a.head.shop.svc
  + a.head.shop.svc A 10.1.0.3
db.shop.svc
  A 192.0.2.1
  SRV 0 100 80 a.db.shop.svc
  + a.db.shop.svc A 192.0.2.1
1.2.0.192.in-addr.arpa.
  PTR a.db.shop.svc
",
    );
}
