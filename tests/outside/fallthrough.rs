//! `fallthrough` of every directive that has it: absent, bare, and with zones.

use hickory_proto::rr::RecordType::{A, PTR, TXT};

use crate::upstream::Upstream;
use crate::world::World;

const OBJECTS: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n\
                       spec: {clusterIP: 10.96.0.1}\n";

/// What the upstream says to a name that is not its own.
const UPSTREAM: &str = "ok";

/// A block with this directive in front of an upstream.
fn world(upstream: &Upstream, directive: &str) -> World {
    let to = upstream.address;
    World::new(OBJECTS, &format!(".:0 {{\n bind 127.0.0.1\n {directive}\n forward . {to}\n}}\n"))
}

#[test]
fn of_kubernetes() {
    let upstream = Upstream::start();
    for (fallthrough, forwarded, own) in [
        (
            "",
            &[][..],
            &[
                ("none.shop.svc.cluster.local.", A, "NXDomain aa ~ cluster.local. 5 SOA !0"),
                ("2.0.96.10.in-addr.arpa.", PTR, "NXDomain aa ~ 10.in-addr.arpa. 5 SOA !0"),
            ][..],
        ),
        (
            "fallthrough",
            &[
                ("none.shop.svc.cluster.local.", A),
                ("2.0.96.10.in-addr.arpa.", PTR),
                ("none.shop.svc.corp.example.", A),
            ],
            &[
                ("web.shop.svc.cluster.local.", TXT, "ok aa ~ cluster.local. 5 SOA !0"),
                ("shop.svc.corp.example.", A, "ok aa ~ corp.example. 5 SOA !0"),
            ],
        ),
        (
            "fallthrough 10.in-addr.arpa svc.corp.example",
            &[("2.0.96.10.in-addr.arpa.", PTR), ("none.shop.svc.corp.example.", A)],
            &[
                ("none.shop.svc.cluster.local.", A, "NXDomain aa ~ cluster.local. 5 SOA !0"),
                ("none.corp.example.", A, "NXDomain aa ~ corp.example. 5 SOA !0"),
                (
                    "1.0.96.10.in-addr.arpa.",
                    PTR,
                    "ok aa; 1.0.96.10.in-addr.arpa. 5 PTR web.shop.svc.cluster.local.",
                ),
            ],
        ),
    ] {
        let zones = "cluster.local corp.example 10.0.0.0/8";
        let kubernetes =
            format!("kubernetes {zones} {{\n manifests cluster.yaml\n {fallthrough}\n}}");
        let world = world(&upstream, &kubernetes);
        for (name, kind) in forwarded {
            assert_eq!(world.told(name, *kind), UPSTREAM, "{name}: {fallthrough}");
        }
        for (name, kind, expected) in own {
            assert_eq!(world.told(name, *kind), *expected, "{name}: {fallthrough}");
        }
    }
}

#[test]
fn of_hosts() {
    let upstream = Upstream::start();
    for (fallthrough, forwarded, refused) in [
        ("", &["none.other."][..], &["none.example.", "none.deep.example."][..]),
        ("fallthrough", &["none.other.", "none.example.", "none.deep.example."], &[]),
        (
            "fallthrough deep.example other",
            &["none.other.", "none.Deep.example.", "deep.example."],
            &["none.example.", "nodeep.example."],
        ),
    ] {
        let hosts =
            format!("hosts nowhere example {{\n 192.0.2.8 db.example\n ttl 60\n {fallthrough}\n}}");
        let world = world(&upstream, &hosts);
        for name in forwarded {
            assert_eq!(world.told(name, A), UPSTREAM, "{name}: {fallthrough}");
        }
        for name in refused {
            assert_eq!(world.told(name, A), "ServFail", "{name}: {fallthrough}");
        }
        // A name that is there has no other types, whatever falls through.
        assert_eq!(world.told("db.example.", A), "ok aa; db.example. 60 A 192.0.2.8");
        assert_eq!(world.told("db.example.", TXT), "ok aa");
    }
    let all = "hosts nowhere {\n 192.0.2.8 db.example\n fallthrough\n fallthrough_unsupported\n}";
    assert_eq!(world(&upstream, all).told("db.example.", TXT), UPSTREAM);
}

#[test]
fn of_template() {
    let upstream = Upstream::start();
    for (fallthrough, forwarded, refused) in [
        ("", &["none.other."][..], &["none.example.", "none.deep.example."][..]),
        ("fallthrough", &["none.other.", "none.example.", "none.deep.example."], &[]),
        (
            "fallthrough deep.example other",
            &["none.other.", "none.Deep.example.", "deep.example."],
            &["none.example.", "nodeep.example."],
        ),
    ] {
        let template = format!(
            "template IN A example {{\n match ^db[.]\n answer \"{{{{ .Name }}}} 60 A 192.0.2.8\"\n \
             {fallthrough}\n}}"
        );
        let world = world(&upstream, &template);
        for name in forwarded {
            assert_eq!(world.told(name, A), UPSTREAM, "{name}: {fallthrough}");
        }
        for name in refused {
            assert_eq!(world.told(name, A), "ServFail", "{name}: {fallthrough}");
        }
        assert_eq!(world.told("db.example.", A), "ok aa; db.example. 60 A 192.0.2.8");
        // Another type is another template's.
        assert_eq!(world.told("db.example.", TXT), UPSTREAM);
    }
}
