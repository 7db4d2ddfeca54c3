//! Section 5: the structure of the zone.

use fingerpost::zone::Spec;

use super::objects::{CONTROLLER, endpoints, namespace, service, slice, slice_by};
use super::world::{World, spec, zones};

fn objects() -> Vec<String> {
    vec![service("shop/web", "clusterIP: 10.96.0.1, selector: {a: b}"), namespace("empty", "")]
}

#[test]
fn the_apex_its_servers_and_the_version() {
    World::served(&objects(), &[]).check(
        "
@
  SOA
  NS ns.dns
  + ns.dns A 127.0.0.1
  + ns.dns AAAA ::1
dns NODATA
ns.dns
  A 127.0.0.1
  AAAA ::1
x.ns.dns NX
x.dns NX
dns-version
  TXT 1.1.0 ttl=28800
x.dns-version NX
",
    );
}

#[test]
fn empty_non_terminals_exist_and_what_is_below_them_need_not() {
    World::served(&objects(), &["--pods", "insecure"]).check(
        "
svc NODATA
pod NODATA
endpoints NODATA
shop.svc NODATA
shop.pod NODATA
shop.endpoints NODATA
# A namespace without any Service.
empty.svc NODATA
empty.pod NODATA
empty.endpoints NODATA
nope.svc NX
nope.pod NX
nope.endpoints NX
x.shop.svc NX
x.empty.svc NX
x.shop.endpoints NX
nope NX
shop NX
web.shop NX
web.svc NX
svc.svc NX
x.y.z NX
10.96.0.1 NX
local NX
cluster.local NX
",
    );
}

#[test]
fn without_pods_there_is_no_namespace_below_pod() {
    World::served(&objects(), &[])
        .check("pod NODATA\nshop.pod NX\nempty.pod NX\n10-0-0-1.shop.pod NX\n");
}

#[test]
fn a_literal_asterisk_is_an_ordinary_label() {
    World::served(&objects(), &[]).check(
        "
*.shop.svc NX
web.*.svc NX
*.*.svc NX
*.svc NX
*.web.shop.svc NX
*._tcp.web.shop.svc NX
_http.*.web.shop.svc NX
* NX
any.shop.svc NX
web.any.svc NX
",
    );
}

#[test]
fn a_name_exists_where_something_below_it_does() {
    // RFC 8020: of every name that has data, no ancestor within the zone is NXDOMAIN.
    let world = World::with(
        &[
            service(
                "shop/web",
                "clusterIP: 10.96.0.1, selector: {a: b}, ports: [{name: http, port: 80}]",
            ),
            service("shop/db", "clusterIP: None"),
            slice(
                "shop/db-1",
                "db",
                "IPv6",
                "ports: [{name: sql, port: 1}], endpoints: [{addresses: ['fd00::7']}]",
            ),
        ],
        Spec { pods: fingerpost::zone::Pods::Insecure, ..spec() },
    );
    for name in [
        "_http._tcp.web.shop.svc",
        "_sql._tcp.db.shop.svc",
        "fd00--7.db.shop.svc",
        "_endpoints.db.shop.svc",
        "fd00--7.db.shop.endpoints",
        "10-0-0-1.shop.pod",
        "ns.dns",
        "dns-version",
        "1.0.96.10.in-addr.arpa.",
        "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.",
    ] {
        let full = super::wire::full(name);
        let mut rest = full.as_str();
        while !["cluster.local.", "in-addr.arpa.", "ip6.arpa."].contains(&rest) {
            for qtype in super::wire::TYPES {
                let text = world.text(rest, qtype);
                assert!(text.starts_with("NOERROR"), "{rest} {qtype}: {text}");
            }
            rest = rest.split_once('.').unwrap().1;
        }
    }
}

#[test]
fn the_name_servers_are_the_services_in_front_of_this_server() {
    let dns = |name: &str, ip: &str| {
        vec![
            service(
                &format!("kube-system/{name}"),
                &format!("clusterIP: {ip}, selector: {{a: b}}"),
            ),
            slice_by(
                &format!("kube-system/{name}-1"),
                name,
                "IPv4",
                CONTROLLER,
                "endpoints: [{addresses: [10.1.0.9]}]",
            ),
        ]
    };
    let here = |zones| Spec {
        local_addresses: vec!["10.1.0.9".parse().unwrap(), "fd00::9".parse().unwrap()],
        zones,
        ..spec()
    };
    let usual = || zones(&["cluster.local", "in-addr.arpa", "ip6.arpa"]);
    let one = dns("kube-dns", "10.96.0.10");
    World::with(&one, here(usual())).check(
        "
@
  SOA
  NS kube-dns.kube-system.svc
  + kube-dns.kube-system.svc A 10.96.0.10
ns.dns
  A 10.1.0.9
  AAAA fd00::9
in-addr.arpa.
  SOA
  NS kube-dns.kube-system.svc
  + kube-dns.kube-system.svc A 10.96.0.10
",
    );
    // Without a reverse zone, whose records would name it, it finds itself all the same.
    World::with(&one, here(zones(&["cluster.local"]))).check(
        "
@
  SOA
  NS kube-dns.kube-system.svc
  + kube-dns.kube-system.svc A 10.96.0.10
",
    );
    let mut two = one;
    two.extend(dns("also", "10.96.0.11"));
    two.push(service("kube-system/head", "clusterIP: None"));
    two.push(endpoints("kube-system/head", "{addresses: [{ip: 10.1.0.9}, {ip: 10.1.0.8}]}"));
    let text = World::with(&two, here(usual())).text("@", super::wire::NS);
    for part in [
        "; NS kube-dns.kube-system.svc",
        "; NS also.kube-system.svc",
        "; NS head.kube-system.svc",
        "+ also.kube-system.svc A 10.96.0.11",
        "+ head.kube-system.svc A 10.1.0.8",
        "+ head.kube-system.svc A 10.1.0.9",
        "+ kube-dns.kube-system.svc A 10.96.0.10",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // Nowhere among endpoints.
    World::with(&dns("kube-dns", "10.96.0.10"), spec())
        .expect(&[("@ NS", "NOERROR; NS ns.dns + ns.dns A 127.0.0.1 + ns.dns AAAA ::1")]);
}

#[test]
fn of_several_zones_the_longest_that_fits() {
    let world = World::served(
        &objects(),
        &[
            "--zone",
            "cluster.local",
            "--zone",
            "east.cluster.local",
            "--zone",
            "example.org",
            "--zone",
            "in-addr.arpa",
        ],
    );
    world.check(
        "
@
  SOA
  NS ns.dns
  + ns.dns A 127.0.0.1
  + ns.dns AAAA ::1
east
  SOA
  NS ns.dns.east
  + ns.dns.east A 127.0.0.1
  + ns.dns.east AAAA ::1
web.shop.svc
  A 10.96.0.1
web.shop.svc.east
  A 10.96.0.1
nope.shop.svc.east NX
east.svc NX
svc.east NODATA
web.shop.svc.example.org.
  A 10.96.0.1
dns-version.example.org.
  TXT 1.1.0 ttl=28800
nope.example.org. NX
example.org.
  SOA
  NS ns.dns.example.org.
  + ns.dns.example.org. A 127.0.0.1
  + ns.dns.example.org. AAAA ::1
# The first forward zone is the one that PTR records lead to.
1.0.96.10.in-addr.arpa.
  PTR web.shop.svc
in-addr.arpa.
  SOA
  NS ns.dns
  + ns.dns A 127.0.0.1
  + ns.dns AAAA ::1
",
    );
    world.expect(&[
        ("org. A", "REFUSED -aa"),
        ("local. A", "REFUSED -aa"),
        ("xexample.org. A", "REFUSED -aa"),
        ("1.ip6.arpa. PTR", "REFUSED -aa"),
    ]);
}

#[test]
fn addresses_of_ns_are_left_out_where_they_do_not_fit() {
    let spec = Spec {
        local_addresses: (1..=60).map(|n| format!("10.1.0.{n}").parse().unwrap()).collect(),
        ..spec()
    };
    let world = World::with(&[], spec);
    let reply = world.library(&super::wire::Ask::new("@", super::wire::NS), false, 0);
    assert!(reply.text.starts_with("NOERROR; NS ns.dns + ns.dns A"), "{}", reply.text);
}
