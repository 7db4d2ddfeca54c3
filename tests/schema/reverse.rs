//! Section 6: reverse zones.

use std::fmt::Write as _;

use fingerpost::zone::{Fallthrough, Spec};

use super::objects::{CONTROLLER, endpoints, service, slice, slice_by};
use super::wire::PTR;
use super::world::{World, spec, zones};

fn objects() -> Vec<String> {
    vec![
        service("shop/web", "clusterIPs: [10.96.0.1, 'fd00::1'], selector: {a: b}"),
        slice_by("shop/web-1", "web", "IPv4", CONTROLLER, "endpoints: [
            {addresses: [10.1.0.7], hostname: web-1}, {addresses: [10.1.0.8], conditions: {ready: false}}]"),
        service("shop/db", "clusterIP: None"),
        slice("shop/db-1", "db", "IPv4", "endpoints: [{addresses: [192.0.2.1], hostname: primary}, {addresses: [192.0.2.1], hostname: replica}]"),
        slice("shop/db-2", "db", "IPv6", "endpoints: [{addresses: ['2001:db8::7']}]"),
        // The same endpoint behind other Services, and a cluster IP that is somebody's endpoint.
        service("yard/db", "clusterIP: None"),
        endpoints("yard/db", "{addresses: [{ip: 192.0.2.1, hostname: primary}]}"),
        service("shop/da", "clusterIP: None"),
        endpoints("shop/da", "{addresses: [{ip: 192.0.2.1, hostname: primary}, {ip: 10.96.0.1}]}"),
        // Endpoints of no Service.
        endpoints("shop/orphan", "{addresses: [{ip: 192.0.2.99}]}"),
        service("shop/alias", "type: ExternalName, externalName: example.com"),
        slice("shop/alias-1", "alias", "IPv4", "endpoints: [{addresses: [192.0.2.98]}]"),
    ]
}

const SIX: &str = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0";

#[test]
fn cluster_ips_win_and_endpoints_have_one_name_for_each_service() {
    World::served(&objects(), &[]).check(&format!(
        "
1.0.96.10.in-addr.arpa.
  PTR web.shop.svc
7.0.1.10.in-addr.arpa.
  PTR web-1.web.shop.svc
8.0.1.10.in-addr.arpa. NX
1.2.0.192.in-addr.arpa.
  PTR primary.da.shop.svc
  PTR primary.db.shop.svc # the first of its labels
  PTR primary.db.yard.svc
99.2.0.192.in-addr.arpa. NX
98.2.0.192.in-addr.arpa. NX
1.0.0.0.0.{SIX}.0.0.d.f.ip6.arpa.
  PTR web.shop.svc
7.0.0.0.0.{SIX}.8.b.d.0.1.0.0.2.ip6.arpa. NX
"
    ));
}

#[test]
fn without_fallthrough_the_whole_zone_is_ours() {
    World::served(&objects(), &[]).check(
        "
in-addr.arpa.
  SOA
  NS ns.dns
  + ns.dns A 127.0.0.1
  + ns.dns AAAA ::1
ip6.arpa.
  SOA
  NS ns.dns
  + ns.dns A 127.0.0.1
  + ns.dns AAAA ::1
# Ancestors of what is known.
10.in-addr.arpa. NODATA
96.10.in-addr.arpa. NODATA
0.96.10.in-addr.arpa. NODATA
192.in-addr.arpa. NODATA
2.ip6.arpa. NODATA
d.f.ip6.arpa. NODATA
0.0.d.f.ip6.arpa. NODATA
# The rest.
11.in-addr.arpa. NX
97.10.in-addr.arpa. NX
1.96.10.in-addr.arpa. NX
2.0.96.10.in-addr.arpa. NX
1.1.0.96.10.in-addr.arpa. NX
256.0.96.10.in-addr.arpa. NX
01.0.96.10.in-addr.arpa. NX
010.in-addr.arpa. NX
x.0.96.10.in-addr.arpa. NX
-1.0.96.10.in-addr.arpa. NX
*.0.96.10.in-addr.arpa. NX
0/25.0.96.10.in-addr.arpa. NX
3.ip6.arpa. NX
g.ip6.arpa. NX
fd00.ip6.arpa. NX
10.ip6.arpa. NX
",
    );
}

#[test]
fn ipv6_addresses_nibble_by_nibble() {
    let nibbles = |address: &str| {
        let address: std::net::Ipv6Addr = address.parse().unwrap();
        let mut text = String::new();
        for octet in address.octets().iter().rev() {
            let _ = write!(text, "{:x}.{:x}.", octet & 15, octet >> 4);
        }
        format!("{text}ip6.arpa.")
    };
    let (known, unknown) = (nibbles("2001:db8::7"), nibbles("2001:db8::8"));
    let world = World::served(&objects(), &[]);
    world.check(&format!(
        "
{known}
  PTR 2001-db8--7.db.shop.svc
{}
  PTR web.shop.svc
{unknown} NX
0.{known} NX
{} NODATA
",
        nibbles("fd00::1"),
        known.split_once('.').unwrap().1,
    ));
}

#[test]
fn a_cidrs_zone_is_a_zone_of_its_own() {
    let spec = Spec {
        zones: zones(&["cluster.local", "96.10.in-addr.arpa", "0.0.d.f.ip6.arpa"]),
        ..spec()
    };
    let world = World::with(&objects(), spec);
    world.check(
        "
96.10.in-addr.arpa.
  SOA
  NS ns.dns
  + ns.dns A 127.0.0.1
  + ns.dns AAAA ::1
0.96.10.in-addr.arpa. NODATA
1.0.96.10.in-addr.arpa.
  PTR web.shop.svc
2.0.96.10.in-addr.arpa. NX
1.96.10.in-addr.arpa. NX
0.0.d.f.ip6.arpa.
  SOA
  NS ns.dns
  + ns.dns A 127.0.0.1
  + ns.dns AAAA ::1
0.0.0.d.f.ip6.arpa. NODATA
1.0.0.d.f.ip6.arpa. NX
",
    );
    // The zone that the address is in does not exist here.
    world.expect(&[
        ("10.in-addr.arpa. SOA", "REFUSED -aa"),
        ("7.0.1.10.in-addr.arpa. PTR", "REFUSED -aa"),
        ("in-addr.arpa. SOA", "REFUSED -aa"),
        ("ip6.arpa. SOA", "REFUSED -aa"),
    ]);
}

#[test]
fn a_targets_zone_and_a_reverse_zones_servers_are_of_the_first_forward_zone() {
    let spec = Spec { zones: zones(&["in-addr.arpa", "example.org", "cluster.local"]), ..spec() };
    World::with(&objects(), spec).expect(&[
        ("1.0.96.10.in-addr.arpa. PTR", "NOERROR; PTR web.shop.svc.example.org."),
        (
            "in-addr.arpa. NS",
            "NOERROR; NS ns.dns.example.org. + ns.dns.example.org. A 127.0.0.1 + ns.dns.example.org. AAAA ::1",
        ),
        ("in-addr.arpa. SOA", "NOERROR; SOA"),
        ("11.in-addr.arpa. PTR", "NXDOMAIN ~ SOA"),
    ]);
}

#[test]
fn with_fallthrough_only_the_known_addresses_are_ours() {
    use fingerpost::answer::Outcome;
    let spec = Spec {
        fallthrough: Fallthrough::Within(
            vec!["in-addr.arpa", "ip6.arpa"]
                .into_iter()
                .map(|z| fingerpost::name::Name::parse(z).unwrap())
                .collect(),
        ),
        ..spec()
    };
    let mut world = World::with(&objects(), spec);
    world.settings.upstream = true;
    world.settings.recursion = true;
    world.rules.recursion = true;
    let forwarded = |name: &str, qtype| {
        let ask = super::wire::Ask::new(name, qtype);
        world.outcome(&ask.message(), false, 0).0 == Outcome::Forward
    };
    for qtype in super::wire::TYPES {
        for name in [
            "in-addr.arpa.",
            "10.in-addr.arpa.",
            "0.96.10.in-addr.arpa.",
            "8.8.4.4.in-addr.arpa.",
            "x.1.0.96.10.in-addr.arpa.",
            "ip6.arpa.",
            "d.f.ip6.arpa.",
            "_x.in-addr.arpa.",
        ] {
            assert!(forwarded(name, qtype), "{name} {qtype}");
        }
        // The known address, its other types included, and forward zones.
        for name in
            ["1.0.96.10.in-addr.arpa.", "1.2.0.192.in-addr.arpa.", "nope.shop.svc", "@", "svc"]
        {
            assert!(!forwarded(name, qtype), "{name} {qtype}");
        }
    }
    world.expect(&[
        ("1.0.96.10.in-addr.arpa. A", "NOERROR ~ SOA"),
        ("1.0.96.10.in-addr.arpa. PTR", "NOERROR; PTR web.shop.svc"),
    ]);
    // With nobody to ask the zone is ours after all.
    world.settings.upstream = false;
    world.expect(&[
        ("8.8.4.4.in-addr.arpa. PTR", "NXDOMAIN ~ SOA"),
        ("in-addr.arpa. SOA", "NOERROR; SOA"),
    ]);
}

#[test]
fn ancestors_are_gone_with_the_last_address_below_them() {
    use fingerpost::cluster::{Change, Kind, ObjectKey};
    let objects = [
        service("shop/a", "clusterIP: 10.96.0.1, selector: {a: b}"),
        service("shop/b", "clusterIP: 10.96.1.1, selector: {a: b}"),
    ];
    let mut changes = super::world::changes_of(&objects);
    for (name, near, far) in
        [("a", "NXDOMAIN ~ SOA", "NOERROR ~ SOA"), ("b", "NXDOMAIN ~ SOA", "NXDOMAIN ~ SOA")]
    {
        // A view that is changed, not one that is made anew.
        let registry = fingerpost::registry::Registry::new(std::sync::Arc::new(spec()), 1);
        registry.apply(changes.clone());
        let mut publisher = fingerpost::registry::Publisher::new(
            std::sync::Arc::clone(&registry),
            fingerpost::registry::SystemClock,
        );
        publisher.publish();
        changes.push(Change::Remove(Kind::Service, ObjectKey::new("shop", name)));
        registry.apply([changes.last().cloned().unwrap()]);
        publisher.publish();
        let world = World::seen(registry.view().load_full());
        assert_eq!(world.text("0.96.10.in-addr.arpa.", PTR), near);
        assert_eq!(world.text("96.10.in-addr.arpa.", PTR), far);
    }
}
