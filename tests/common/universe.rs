//! Small universes of objects, in which everything that can meet does: few namespaces, Services,
//! labels, ports and addresses, so that joins, moves, shared addresses and switches of type happen
//! in nearly every case. Shared by the suites that generate objects.

use std::net::IpAddr;

use fingerpost::cluster::{
    AddressFamily, ClusterIps, Endpoint, EndpointPort, EndpointSlice, Endpoints, ManagedBy, Meta,
    Namespace, Object, Pod, Protocol, Service, ServicePort, SliceAddresses, Subset,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Namespaces that objects stand in.
pub(crate) const NAMESPACES: [&str; 3] = ["default", "shop", "a"];
/// Names of Services, and so of what belongs to them.
pub(crate) const SERVICES: [&str; 4] = ["kubernetes", "db", "web", "x"];
/// Names of ports; one port in three has none.
pub(crate) const PORTS: [&str; 3] = ["", "http", "sql"];
/// Endpoint hostnames.
pub(crate) const HOSTNAMES: [&str; 3] = ["h1", "h2", "DB-0"];
/// Addresses of endpoints, pods and cluster IPs alike; some of them no endpoint may have.
pub(crate) const V4: [&str; 7] =
    ["10.0.0.1", "10.0.0.2", "10.0.1.1", "10.1.0.1", "192.0.2.7", "127.0.0.1", "169.254.9.9"];
/// The same of the other family.
pub(crate) const V6: [&str; 5] = ["fd00::", "fd00::1", "fd00:1::2", "::1", "fe80::1"];

const SLICES: [&str; 3] = ["s1", "s2", "s3"];
const PODS: [&str; 3] = ["p1", "p2", "p3"];
/// Names outside, in zones, missing, looping, and no names at all.
const TARGETS: [&str; 9] = [
    "db.example.com",
    "db.example.com.",
    "db.shop.svc.cluster.local",
    "web.a.svc.cluster.local",
    "x.shop.svc.cluster.local.",
    "h1.db.shop.svc.cluster.local",
    "nowhere.shop.svc.cluster.local",
    "10.0.0.1",
    "a..b",
];

/// Any object of the universe.
pub(crate) fn object() -> BoxedStrategy<Object> {
    prop_oneof![
        1 => select(NAMESPACES.to_vec()).prop_map(namespace),
        4 => service().prop_map(Object::Service),
        5 => slice().prop_map(Object::EndpointSlice),
        3 => endpoints().prop_map(Object::Endpoints),
        2 => pod().prop_map(Object::Pod),
    ]
    .boxed()
}

/// A Namespace object.
pub(crate) fn namespace(name: &str) -> Object {
    Object::Namespace(Namespace { meta: Meta::new("", name) })
}

fn meta(names: &'static [&'static str]) -> impl Strategy<Value = Meta> {
    (select(NAMESPACES.to_vec()), select(names.to_vec()))
        .prop_map(|(namespace, name)| Meta::new(namespace, name))
}

fn address(texts: &'static [&'static str]) -> impl Strategy<Value = IpAddr> {
    select(texts.to_vec()).prop_map(|text| text.parse().expect("an address"))
}

fn any_address() -> BoxedStrategy<IpAddr> {
    prop_oneof![2 => address(&V4), 1 => address(&V6)].boxed()
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![4 => Just(Protocol::Tcp), 2 => Just(Protocol::Udp), 1 => Just(Protocol::Sctp)]
}

/// Port names as the API server lets them be: at most one of each name and protocol.
fn distinct<T>(ports: Vec<T>, key: impl Fn(&T) -> (Box<str>, Protocol)) -> Vec<T> {
    let mut seen = std::collections::BTreeSet::new();
    ports.into_iter().filter(|port| seen.insert(key(port))).collect()
}

fn service() -> impl Strategy<Value = Service> {
    let cluster_ips = prop_oneof![
        1 => Just(ClusterIps::Absent),
        3 => Just(ClusterIps::Headless),
        6 => vec(any_address(), 1..3).prop_map(|ips| ClusterIps::Addresses(ips.into_iter().collect())),
    ];
    let external = prop_oneof![5 => Just(None), 1 => select(TARGETS.to_vec()).prop_map(Some)];
    let port = (select(PORTS.to_vec()), protocol(), select(vec![80, 443]))
        .prop_map(|(name, protocol, port)| ServicePort { name: name.into(), protocol, port });
    let families = select(vec![
        vec![],
        vec![],
        vec![AddressFamily::V4],
        vec![AddressFamily::V6],
        vec![AddressFamily::V4, AddressFamily::V6],
    ]);
    let annotation =
        select(vec![None, None, None, Some("endpoints"), Some("cluster-ip"), Some("?")]);
    let rare = || prop::bool::weighted(0.1);
    (
        meta(&SERVICES),
        (external, cluster_ips),
        any::<bool>(),
        vec(port, 0..3),
        families,
        (rare(), rare(), rare()),
        annotation,
    )
        .prop_map(|(meta, (external, cluster_ips), selector, ports, families, flags, mode)| {
            Service {
                meta,
                external_name: external.map(Into::into),
                cluster_ips,
                has_selector: selector,
                ports: distinct(ports, |port| (port.name.clone(), port.protocol)),
                ip_families: families.into_iter().collect(),
                session_affinity: flags.0,
                local_traffic_only: flags.1,
                publish_not_ready: flags.2,
                selectorless: mode.map(Into::into),
            }
        })
}

fn endpoint(addresses: BoxedStrategy<IpAddr>, most: usize) -> impl Strategy<Value = Endpoint> {
    let hostname = prop_oneof![2 => Just(None), 1 => select(HOSTNAMES.to_vec()).prop_map(Some)];
    let target = select(vec![None, None, Some("pod-1"), Some("pod.2")]);
    (
        vec(addresses, 1..=most),
        prop::bool::weighted(0.8),
        hostname,
        target,
        prop::bool::weighted(0.2),
    )
        .prop_map(|(addresses, ready, hostname, target, managed)| Endpoint {
            addresses: addresses.into_iter().collect(),
            ready,
            hostname: hostname.map(Into::into),
            target_name: target.map(Into::into),
            managed,
        })
}

fn endpoint_ports(all: bool) -> impl Strategy<Value = Vec<EndpointPort>> {
    let number =
        if all { vec![Some(80), Some(443), Some(80), None] } else { vec![Some(80), Some(443)] };
    let port = (select(PORTS.to_vec()), protocol(), select(number))
        .prop_map(|(name, protocol, port)| EndpointPort { name: name.into(), protocol, port });
    vec(port, 0..3).prop_map(|ports| distinct(ports, |port| (port.name.clone(), port.protocol)))
}

fn slice() -> impl Strategy<Value = EndpointSlice> {
    let family = prop_oneof![
        5 => Just(SliceAddresses::V4),
        3 => Just(SliceAddresses::V6),
        1 => Just(SliceAddresses::Fqdn),
    ];
    let by = prop_oneof![
        1 => Just(ManagedBy::Controller),
        1 => Just(ManagedBy::Mirroring),
        3 => Just(ManagedBy::Other),
    ];
    let belongs = prop_oneof![1 => Just(None), 6 => select(SERVICES.to_vec()).prop_map(Some)];
    (meta(&SLICES), belongs, by, family, endpoint_ports(true)).prop_flat_map(
        |(meta, service, managed_by, address_type, ports)| {
            let addresses = match address_type {
                SliceAddresses::V4 => address(&V4).boxed(),
                SliceAddresses::V6 => address(&V6).boxed(),
                SliceAddresses::Fqdn => any_address(),
            };
            vec(endpoint(addresses, 2), 0..4).prop_map(move |endpoints| EndpointSlice {
                meta: meta.clone(),
                service: service.map(Into::into),
                managed_by,
                address_type,
                endpoints,
                ports: ports.clone(),
            })
        },
    )
}

fn endpoints() -> impl Strategy<Value = Endpoints> {
    let subset = (vec(endpoint(any_address(), 1), 0..3), endpoint_ports(false))
        .prop_map(|(endpoints, ports)| Subset { endpoints, ports });
    (meta(&SERVICES), prop::bool::weighted(0.1), vec(subset, 0..3))
        .prop_map(|(meta, not_for_services, subsets)| Endpoints { meta, not_for_services, subsets })
}

fn pod() -> impl Strategy<Value = Pod> {
    (meta(&PODS), vec(any_address(), 0..3), prop::bool::weighted(0.8))
        .prop_map(|(meta, ips, live)| Pod { meta, ips: ips.into_iter().collect(), live })
}
