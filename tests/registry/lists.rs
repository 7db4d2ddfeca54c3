//! Full lists: nothing of one shows before it ends, what it does not name is gone then, and before
//! the first ones names wait (schema.md, section 9).

use std::sync::Arc;

use fingerpost::answer::{Cause, Rcode};
use fingerpost::cluster::{
    Change, ClusterIps, Endpoint, EndpointPort, EndpointSlice, Endpoints, Kind, KindSet, ManagedBy,
    Meta, Object, ObjectKey, Pod, Protocol, Service, ServicePort, SliceAddresses, Subset,
};
use fingerpost::zone::{Pods, Spec};

use crate::universe::namespace;
use crate::whole::{Hand, ask};

fn service(name: &str, cluster_ip: Option<&str>, selector: bool) -> Service {
    let addresses = |ip: &str| [ip.parse().expect("an address")].into_iter().collect();
    Service {
        meta: Meta::new("shop", name),
        external_name: None,
        cluster_ips: cluster_ip
            .map_or(ClusterIps::Headless, |ip| ClusterIps::Addresses(addresses(ip))),
        has_selector: selector,
        ports: vec![ServicePort { name: "sql".into(), protocol: Protocol::Tcp, port: 5432 }],
        ip_families: smallvec::SmallVec::default(),
        session_affinity: false,
        local_traffic_only: false,
        publish_not_ready: false,
        selectorless: None,
    }
}

fn endpoint(ip: &str) -> Endpoint {
    Endpoint {
        addresses: [ip.parse().expect("an address")].into_iter().collect(),
        ready: true,
        hostname: None,
        target_name: None,
        managed: false,
    }
}

fn ports() -> Vec<EndpointPort> {
    vec![EndpointPort { name: "sql".into(), protocol: Protocol::Tcp, port: Some(5432) }]
}

fn slice(name: &str, of: &str, ips: &[&str]) -> Object {
    Object::EndpointSlice(EndpointSlice {
        meta: Meta::new("shop", name),
        service: Some(of.into()),
        managed_by: ManagedBy::Other,
        address_type: SliceAddresses::V4,
        endpoints: ips.iter().map(|ip| endpoint(ip)).collect(),
        ports: ports(),
    })
}

fn endpoints(name: &str, ip: &str) -> Object {
    Object::Endpoints(Endpoints {
        meta: Meta::new("shop", name),
        not_for_services: false,
        subsets: vec![Subset { endpoints: vec![endpoint(ip)], ports: ports() }],
    })
}

fn pod(name: &str, ip: &str) -> Object {
    let ips = [ip.parse().expect("an address")].into_iter().collect();
    Object::Pod(Pod { meta: Meta::new("shop", name), ips, live: true })
}

fn alias(name: &str) -> Object {
    let external_name = Some("db.example.com".into());
    Object::Service(Service { external_name, ..service(name, None, false) })
}

fn spec() -> Arc<Spec> {
    Arc::new(Spec { pods: Pods::Verified, ..Spec::default() })
}

/// One object or more of each kind.
fn objects() -> Vec<Object> {
    vec![
        namespace("shop"),
        Object::Service(service("web", Some("10.96.0.1"), true)),
        Object::Service(service("db", Some("10.96.0.2"), false)),
        Object::Service(service("kafka", None, true)),
        alias("out"),
        slice("kafka-1", "kafka", &["10.0.0.1", "10.0.0.2"]),
        slice("web-1", "web", &["10.0.0.9"]),
        endpoints("db", "192.0.2.7"),
        pod("p", "10.0.0.1"),
    ]
}

/// What stands for an object of this kind in a list that differs from the first one.
fn other(kind: Kind) -> Object {
    match kind {
        Kind::Namespace => namespace("new"),
        Kind::Service => Object::Service(service("new", Some("10.96.0.9"), true)),
        Kind::EndpointSlice => slice("kafka-1", "kafka", &["10.0.0.3"]),
        Kind::Endpoints => endpoints("db", "192.0.2.8"),
        Kind::Pod => pod("p", "10.0.0.4"),
    }
}

#[test]
fn nothing_of_a_list_shows_before_it_ends() {
    for kind in Kind::ALL {
        let mut hand = Hand::with(&spec(), objects());
        let (before, view) = (hand.contents(), hand.view());
        hand.registry.apply([Change::ListBegins(kind)]);
        hand.registry.apply([Change::Put(other(kind))]);
        assert!(!hand.publisher.publish(), "{kind:?}");
        assert!(Arc::ptr_eq(&view, &hand.view()), "{kind:?}: no new view");
        hand.registry.apply([Change::ListEnds(kind)]);
        assert!(hand.publisher.publish(), "{kind:?}");
        let rest = objects().into_iter().filter(|object| object.kind() != kind);
        let expected = Hand::with(&spec(), rest.chain([other(kind)])).contents();
        assert_eq!(hand.contents(), expected, "{kind:?}: what it did not name is gone");
        assert_ne!(hand.contents(), before, "{kind:?}: the lists differ");
    }
}

#[test]
fn the_first_lists_make_no_view_before_one_of_them_ends() {
    let mut hand = Hand::new(&spec());
    let empty = hand.view();
    hand.registry.apply(Kind::ALL.map(Change::ListBegins));
    for object in objects() {
        hand.registry.apply([Change::Put(object)]);
        assert!(!hand.publisher.publish());
    }
    assert!(Arc::ptr_eq(&empty, &hand.view()));
    hand.registry.apply([Change::ListEnds(Kind::Service)]);
    hand.registry.apply([Change::ListEnds(Kind::Namespace)]);
    assert!(hand.publisher.publish());
    // Others wait for endpoints, but not the cluster IP of a Service whose slices are half listed.
    let (rcode, _, answer) = ask(&hand.view(), "web.shop.svc.cluster.local", A);
    assert!(rcode == NO && answer.ends_with(&[10, 96, 0, 1]), "{rcode:?} {answer:?}");
    hand.registry.apply(Kind::ALL.map(Change::ListEnds));
    assert!(hand.publisher.publish());
    assert_eq!(hand.contents(), Hand::with(&spec(), objects()).contents());
}

#[test]
fn what_came_before_the_first_list_counts_when_that_ends() {
    let changes = || objects().into_iter().map(Change::Put);
    for kind in Kind::ALL {
        let mut hand = Hand::new(&spec());
        hand.registry.apply(changes());
        hand.publisher.publish();
        hand.registry.apply(Kind::ALL.map(Change::ListBegins));
        hand.registry.apply(changes());
        // Once more, and nothing in it is new.
        hand.registry.apply([Change::ListBegins(kind)]);
        hand.registry.apply(changes());
        for kind in Kind::ALL {
            hand.registry.apply([Change::ListEnds(kind)]);
            hand.publisher.publish();
        }
        assert_eq!(hand.contents(), Hand::with(&spec(), objects()).contents(), "{kind:?}");
    }
}

#[test]
fn a_list_that_names_the_same_is_no_change() {
    for kind in Kind::ALL {
        let mut hand = Hand::with(&spec(), objects());
        let same = objects().into_iter().filter(|object| object.kind() == kind);
        let named: Vec<Change> = same.map(Change::Put).collect();
        let (begins, ends) = (Change::ListBegins(kind), Change::ListEnds(kind));
        hand.registry.apply([begins].into_iter().chain(named).chain([ends]));
        assert!(!hand.publisher.publish(), "{kind:?}");
    }
}

#[test]
fn a_list_begun_again_is_thrown_away() {
    for kind in Kind::ALL {
        let mut hand = Hand::with(&spec(), objects());
        let before = hand.contents();
        hand.registry.apply([Change::ListBegins(kind), Change::Put(other(kind))]);
        hand.publisher.publish();
        hand.registry.apply([Change::ListBegins(kind)]);
        let same = objects().into_iter().filter(|object| object.kind() == kind);
        hand.registry.apply(same.map(Change::Put));
        hand.publisher.publish();
        assert_eq!(hand.contents(), before, "{kind:?}");
        hand.registry.apply([Change::ListEnds(kind)]);
        hand.publisher.publish();
        assert_eq!(hand.contents(), before, "{kind:?}: nothing of the first one stays");
    }
}

#[test]
fn other_kinds_do_not_draw_half_a_list_out() {
    // Slices are listed anew; the namespace that they stand in goes and comes meanwhile.
    let mut hand = Hand::with(&spec(), objects());
    let before = hand.contents();
    hand.registry
        .apply([Change::ListBegins(Kind::EndpointSlice), Change::Put(other(Kind::EndpointSlice))]);
    hand.registry.apply([Change::Remove(Kind::Namespace, ObjectKey::new("", "shop"))]);
    hand.publisher.publish();
    hand.registry.apply([Change::Put(namespace("shop"))]);
    hand.publisher.publish();
    assert!(!hand.contents().has("10.0.0.3"), "the new slice shows before its list ends");
    assert_eq!(hand.contents(), before);
    hand.registry.apply([Change::ListEnds(Kind::EndpointSlice)]);
    hand.publisher.publish();
    assert!(hand.contents().has("10.0.0.3") && !hand.contents().has("10.0.0.9"));
    // Namespaces are listed anew; a Service comes in one that only that list names.
    let mut hand = Hand::with(&spec(), objects());
    hand.registry.apply([Change::ListBegins(Kind::Namespace)]);
    hand.registry.apply(["shop", "new"].map(|name| Change::Put(namespace(name))));
    let mut early = service("early", Some("10.96.0.7"), true);
    early.meta = Meta::new("new", "early");
    hand.registry.apply([Change::Put(Object::Service(early))]);
    hand.registry.apply([Change::Put(Object::Service(service("new", Some("10.96.0.9"), true)))]);
    hand.publisher.publish();
    assert!(!hand.contents().has("early"), "a Service without its namespace");
    assert!(hand.contents().has("new.shop.svc"), "others go on");
    hand.registry.apply([Change::ListEnds(Kind::Namespace)]);
    hand.publisher.publish();
    assert!(hand.contents().has("early.new.svc"));
}

#[test]
fn an_address_that_moves_amid_a_list_of_another_kind_is_claimed_once() {
    // Slices are listed anew, and that of `web` is not what it was; meanwhile `web`'s cluster IP
    // becomes another Service's, in one batch.
    let mut hand = Hand::with(&spec(), objects());
    hand.registry.apply([Change::ListBegins(Kind::EndpointSlice)]);
    hand.registry.apply([Change::Put(slice("web-1", "web", &["10.0.0.8"]))]);
    hand.registry.apply([
        Change::Remove(Kind::Service, ObjectKey::new("shop", "web")),
        Change::Put(Object::Service(service("heir", Some("10.96.0.1"), true))),
    ]);
    hand.publisher.publish();
    let pointers = |hand: &Hand| -> Vec<String> {
        let lines = hand.contents().lines;
        lines.into_iter().filter(|line| line.starts_with("1.0.96.10.in-addr.arpa.")).collect()
    };
    let found = pointers(&hand);
    assert!(found.len() == 1 && found[0].contains("heir.shop"), "{found:?}");
    assert!(!hand.contents().has("web.shop.svc"), "it is gone");
    hand.registry.apply([Change::ListEnds(Kind::EndpointSlice)]);
    hand.publisher.publish();
    assert_eq!(pointers(&hand), found);
}

const FRONT: KindSet = KindSet::of(&[Kind::Namespace, Kind::Service]);
const ENDPOINTS: KindSet =
    KindSet::of(&[Kind::Namespace, Kind::Service, Kind::EndpointSlice, Kind::Endpoints]);
const PODS: KindSet = KindSet::of(&[Kind::Namespace, Kind::Pod]);
const NAMESPACE: KindSet = KindSet::of(&[Kind::Namespace]);
const NO: Rcode = Rcode::NoError;
const NX: Rcode = Rcode::NxDomain;
const A: u16 = 1;

/// Names, what their answers hang on, and what they are once that is there.
const NAMES: [(&str, u16, KindSet, Rcode); 24] = [
    ("web.shop.svc.cluster.local", A, FRONT, NO),
    ("_sql._tcp.web.shop.svc.cluster.local", 33, FRONT, NO),
    ("out.shop.svc.cluster.local", 5, FRONT, NO),
    ("out.shop.svc.cluster.local", A, FRONT, NO),
    ("db.shop.svc.cluster.local", A, ENDPOINTS, NO),
    ("kafka.shop.svc.cluster.local", A, ENDPOINTS, NO),
    ("kafka.shop.endpoints.cluster.local", A, ENDPOINTS, NO),
    ("10-0-0-1.kafka.shop.svc.cluster.local", A, ENDPOINTS, NO),
    ("10-0-0-9.web.shop.svc.cluster.local", A, ENDPOINTS, NO),
    ("none.web.shop.svc.cluster.local", A, ENDPOINTS, NX),
    ("none.shop.svc.cluster.local", A, FRONT, NX),
    ("x.none.svc.cluster.local", A, FRONT, NX),
    ("none.svc.cluster.local", A, NAMESPACE, NX),
    ("1.0.96.10.in-addr.arpa", 12, ENDPOINTS, NO),
    ("1.0.0.10.in-addr.arpa", 12, ENDPOINTS, NO),
    ("1.1.1.1.in-addr.arpa", 12, ENDPOINTS, NX),
    ("10-0-0-1.shop.pod.cluster.local", A, PODS, NO),
    ("10-0-0-5.shop.pod.cluster.local", A, PODS, NX),
    ("10-0-0-5.none.pod.cluster.local", A, NAMESPACE, NX),
    ("cluster.local", 6, KindSet::EMPTY, NO),
    ("svc.cluster.local", A, KindSet::EMPTY, NO),
    ("dns-version.cluster.local", 16, KindSet::EMPTY, NO),
    ("ns.dns.cluster.local", A, KindSet::EMPTY, NO),
    ("none.cluster.local", A, KindSet::EMPTY, NX),
];

#[test]
fn before_the_first_lists_names_wait_for_what_they_hang_on() {
    for bits in 0..32u8 {
        let listed = |kind: Kind| bits >> kind as u8 & 1 == 1;
        let mut hand = Hand::new(&spec());
        hand.registry.apply(Kind::ALL.map(Change::ListBegins));
        hand.registry.apply(objects().into_iter().map(Change::Put));
        hand.registry.apply(Kind::ALL.into_iter().filter(|k| listed(*k)).map(Change::ListEnds));
        hand.publisher.publish();
        let view = hand.view();
        for (name, qtype, kinds, rcode) in NAMES {
            let mut waits = kinds;
            kinds.iter().filter(|kind| listed(*kind)).for_each(|kind| waits.remove(kind));
            let (found, cause, _) = ask(&view, name, qtype);
            let what = format!("{name}, listed {bits:05b}: {found:?} {cause:?}");
            if waits.is_empty() {
                assert_eq!(found, rcode, "{what}");
                assert!(!matches!(cause, Cause::Waiting(_)), "{what}");
                continue;
            }
            assert_eq!(found, Rcode::ServFail, "{what}");
            let Cause::Waiting(named) = cause else { panic!("{what}") };
            assert!(!named.is_empty() && named.and(waits) == named, "{what}");
        }
    }
}
