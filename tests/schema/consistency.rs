//! Section 9: before the first lists are complete, and changes all at once.

use std::sync::Arc;

use fingerpost::cluster::{Change, Kind, ObjectKey};
use fingerpost::registry::{Publisher, Registry, SystemClock};
use fingerpost::zone::{Pods, Spec};

use super::objects::{CONTROLLER, endpoints, namespace, pod, service, slice_by};
use super::wire::{A, TYPES};
use super::world::{World, changes_of, spec, view};

const WAITS: &str = "SERVFAIL";

fn objects() -> Vec<String> {
    vec![
        namespace("empty", ""),
        service(
            "shop/web",
            "clusterIP: 10.96.0.1, selector: {a: b}, ports: [{name: http, port: 80}]",
        ),
        slice_by(
            "shop/web-1",
            "web",
            "IPv4",
            CONTROLLER,
            "endpoints: [{addresses: [10.1.0.1], hostname: a}]",
        ),
        service("shop/head", "clusterIP: None, selector: {a: b}"),
        slice_by("shop/head-1", "head", "IPv4", CONTROLLER, "endpoints: [{addresses: [10.1.0.2]}]"),
        service("shop/db", "clusterIP: 10.96.0.2"),
        endpoints("shop/db", "{addresses: [{ip: 192.0.2.1}]}"),
        service("shop/alias", "type: ExternalName, externalName: example.com"),
        service("shop/to-head", "type: ExternalName, externalName: head.shop.svc.cluster.local"),
        pod("shop/p", "", "podIP: 10.1.0.1"),
    ]
}

/// A world in which these kinds are not listed: nothing at all is known of them, or all is but
/// the end of the list.
fn without(kinds: &[Kind], known: bool, pods: Pods) -> World {
    let held = |kind: Kind| kinds.contains(&kind);
    let changes = changes_of(&objects());
    let kept = changes.into_iter().filter(|change| match change {
        Change::ListEnds(kind) => !held(*kind),
        Change::Put(object) => known || !held(object.kind()),
        _ => true,
    });
    World::seen(view(Spec { pods, ..spec() }, kept.collect()))
}

#[test]
fn a_name_waits_for_the_lists_that_its_answer_hangs_on() {
    use Kind::{EndpointSlice, Endpoints, Namespace, Service};
    // For each name: what it hangs on.
    let front = &[Namespace, Service][..];
    let all = &[Namespace, Service, EndpointSlice, Endpoints][..];
    let names = &[Namespace][..];
    let none = &[][..];
    let rows = [
        ("web.shop.svc", "A", front),
        ("web.shop.svc", "AAAA", front),
        ("web.shop.svc", "SRV", front),
        ("_http._tcp.web.shop.svc", "SRV", front),
        ("_http._tcp.web.shop.svc", "A", front),
        ("_tcp.web.shop.svc", "A", front),
        ("_nope._tcp.web.shop.svc", "SRV", front),
        ("alias.shop.svc", "A", front),
        ("x.alias.shop.svc", "A", front),
        ("head.shop.svc", "A", all),
        ("_x._tcp.head.shop.svc", "SRV", all),
        ("db.shop.svc", "A", all),
        ("db.shop.svc", "TXT", all),
        ("a.web.shop.svc", "A", all),
        ("nope.web.shop.svc", "A", all),
        ("_endpoints.web.shop.svc", "A", all),
        ("web.shop.endpoints", "A", all),
        ("a.web.shop.endpoints", "SRV", all),
        ("to-head.shop.svc", "A", all),
        ("to-head.shop.svc", "CNAME", front),
        ("1.0.96.10.in-addr.arpa.", "PTR", all),
        ("1.0.1.10.in-addr.arpa.", "PTR", all),
        ("9.9.9.9.in-addr.arpa.", "PTR", all),
        ("9.in-addr.arpa.", "PTR", all),
        // Not found: whatever could hold it.
        ("nope.shop.svc", "A", front),
        ("web.nope.svc", "A", front),
        ("nope.svc", "A", names),
        ("nope.endpoints", "A", names),
        // No list could hold these.
        ("nope", "A", none),
        ("x.dns", "A", none),
        ("256.0.96.10.in-addr.arpa.", "PTR", none),
        // Structure.
        ("@", "SOA", none),
        ("@", "NS", none),
        ("svc", "A", none),
        ("pod", "A", none),
        ("endpoints", "A", none),
        ("ns.dns", "A", none),
        ("dns-version", "TXT", none),
        ("in-addr.arpa.", "SOA", none),
        ("shop.pod", "A", none),
    ];
    for kind in Kind::ALL {
        for known in [false, true] {
            let world = without(&[kind], known, Pods::Disabled);
            for (name, qtype, hangs_on) in rows {
                if kind == Service && hangs_on.len() == 4 && !known {
                    // Without its Service a name is merely not found.
                    continue;
                }
                let text = world.text(name, super::wire::rtype(qtype));
                let waits = hangs_on.contains(&kind);
                assert_eq!(
                    text == WAITS,
                    waits,
                    "{name} {qtype} without {kind:?} ({known}): {text}"
                );
            }
        }
    }
    let world = without(&[], true, Pods::Disabled);
    for (name, qtype, _) in rows {
        assert_ne!(world.text(name, super::wire::rtype(qtype)), WAITS, "{name}");
    }
}

#[test]
fn pod_names_wait_for_namespaces_and_pods_where_they_are_verified() {
    for (mode, hangs_on) in [
        (Pods::Insecure, &[Kind::Namespace][..]),
        (Pods::Verified, &[Kind::Namespace, Kind::Pod][..]),
    ] {
        for kind in Kind::ALL {
            for known in [false, true] {
                let world = without(&[kind], known, mode);
                for name in ["10-1-0-1.shop.pod", "10-1-0-9.shop.pod", "10-1-0-1.nope.pod"] {
                    // A namespace that does not exist has no pods.
                    if kind == Kind::Pod && name.contains("nope") {
                        continue;
                    }
                    let text = world.text(name, A);
                    let waits = hangs_on.contains(&kind);
                    assert_eq!(text == WAITS, waits, "{name} {mode:?} without {kind:?}: {text}");
                }
            }
        }
        // No address: no list could hold it.
        let world = without(&[Kind::Pod], false, mode);
        assert_eq!(world.text("no-address.shop.pod", A), "NXDOMAIN ~ SOA");
    }
}

#[test]
fn a_namespace_waits_for_nothing_but_namespaces() {
    for kind in [Kind::Service, Kind::EndpointSlice, Kind::Endpoints, Kind::Pod] {
        let world = without(&[kind], false, Pods::Verified);
        for name in ["empty.svc", "empty.endpoints", "empty.pod", "shop.svc"] {
            for qtype in TYPES {
                assert_eq!(world.text(name, qtype), "NOERROR ~ SOA", "{name} without {kind:?}");
            }
        }
    }
}

#[test]
fn options_that_leave_a_kind_out_do_not_wait_for_it() {
    let changes = || {
        let all = changes_of(&objects()).into_iter();
        all.filter(|change| {
            !matches!(change, Change::ListEnds(Kind::EndpointSlice | Kind::Endpoints | Kind::Pod))
        })
        .collect::<Vec<_>>()
    };
    let world = World::seen(view(Spec { no_endpoints: true, ..spec() }, changes()));
    world.expect(&[
        ("head.shop.svc A", "NXDOMAIN ~ SOA"),
        ("db.shop.svc A", "NOERROR; A 10.96.0.2"),
        ("1.0.96.10.in-addr.arpa. PTR", "NOERROR; PTR web.shop.svc"),
    ]);
    // Whether it is empty has to be known first.
    let world = World::seen(view(Spec { ignore_empty_service: true, ..spec() }, changes()));
    world.expect(&[
        ("web.shop.svc A", WAITS),
        ("_http._tcp.web.shop.svc A", WAITS),
        ("alias.shop.svc CNAME", "NOERROR; CNAME example.com."),
    ]);
}

#[test]
fn servfail_is_authoritative_and_holds_nothing() {
    let world = without(&Kind::ALL, false, Pods::Disabled);
    for qtype in TYPES {
        assert_eq!(world.text("web.shop.svc", qtype), "SERVFAIL");
    }
}

/// A registry that has been told these objects, and its publisher.
fn started(objects: &[String]) -> (Arc<Registry>, Publisher) {
    let registry = Registry::new(Arc::new(spec()), 1);
    registry.apply(changes_of(objects));
    let mut publisher = Publisher::new(Arc::clone(&registry), SystemClock);
    publisher.publish();
    (registry, publisher)
}

fn seen(registry: &Registry) -> World {
    World::seen(registry.view().load_full())
}

#[test]
fn a_relist_shows_when_it_is_complete_and_only_then() {
    let (registry, mut publisher) = started(&objects());
    let again = changes_of(&[service("shop/new", "clusterIP: 10.96.0.9, selector: {a: b}")]);
    let put = again
        .into_iter()
        .find(|change| matches!(change, Change::Put(o) if o.kind() == Kind::Service));
    let namespaces =
        [("web.shop.svc A", "NOERROR; A 10.96.0.1"), ("new.shop.svc A", "NXDOMAIN ~ SOA")];
    registry.apply([Change::ListBegins(Kind::Service), put.unwrap()]);
    publisher.publish();
    seen(&registry).expect(&namespaces);
    // Thrown away and begun again.
    registry.apply([Change::ListBegins(Kind::Service)]);
    publisher.publish();
    seen(&registry).expect(&namespaces);
    registry.apply([Change::ListEnds(Kind::Service)]);
    publisher.publish();
    // The last one named nothing.
    seen(&registry).expect(&[
        ("web.shop.svc A", "NXDOMAIN ~ SOA"),
        ("new.shop.svc A", "NXDOMAIN ~ SOA"),
        ("shop.svc A", "NOERROR ~ SOA"),
        ("1.0.96.10.in-addr.arpa. PTR", "NXDOMAIN ~ SOA"),
    ]);
}

#[test]
fn the_order_of_arrival_leaves_no_trace() {
    let (registry, mut publisher) = started(&objects());
    let expected = [
        ("head.shop.svc A", "NOERROR; A 10.1.0.2"),
        ("db.shop.svc A", "NOERROR; A 192.0.2.1"),
        ("1.2.0.192.in-addr.arpa. PTR", "NOERROR; PTR 192-0-2-1.db.shop.svc"),
    ];
    seen(&registry).expect(&expected);
    let mut changes = changes_of(&objects());
    changes.retain(|change| matches!(change, Change::Put(_)));
    let mut backwards: Vec<Change> = Kind::ALL.into_iter().map(Change::ListBegins).collect();
    backwards.extend(changes.into_iter().rev());
    backwards.extend(Kind::ALL.into_iter().map(Change::ListEnds));
    seen_from(backwards).expect(&expected);
    // An endpoint goes, then comes with another Service's objects.
    registry.apply([Change::Remove(Kind::Endpoints, ObjectKey::new("shop", "db"))]);
    publisher.publish();
    seen(&registry).expect(&[
        ("db.shop.svc A", "NOERROR; A 10.96.0.2"),
        ("1.2.0.192.in-addr.arpa. PTR", "NXDOMAIN ~ SOA"),
    ]);
    registry.apply([Change::Remove(Kind::Namespace, ObjectKey::new("", "shop"))]);
    publisher.publish();
    seen(&registry).expect(&[
        ("head.shop.svc A", "NXDOMAIN ~ SOA"),
        ("shop.svc A", "NXDOMAIN ~ SOA"),
        ("2.0.1.10.in-addr.arpa. PTR", "NXDOMAIN ~ SOA"),
    ]);
}

fn seen_from(changes: Vec<Change>) -> World {
    World::seen(view(spec(), changes))
}
