//! What the tests of this room share: a place, origins, and any object that there can be.

mod crash;
mod damage;
mod disk;
mod scale;
mod thread;
mod trip;

use std::net::IpAddr;

use proptest::prelude::*;

use super::{Header, Loaded, Origin, Packed, Place, State, Stored, load, pack, store};
use crate::cluster::{
    AddressFamily, ClusterIps, Endpoint, EndpointPort, EndpointSlice, Endpoints, KindSet,
    ManagedBy, Meta, Namespace, Object, Pod, Protocol, Service, ServicePort, SliceAddresses,
    Subset,
};
use crate::zone::Spec;

const STATE: State = State { serial: 4_000_000_007, kinds: KindSet::ALL };
const WRITTEN: u64 = 1_795_340_000;

fn origin() -> Origin {
    Origin::new("https://10.0.0.1:6443", &Spec::default())
}

fn packed(objects: &[Object]) -> Packed {
    let state = |visit: &mut dyn FnMut(Stored<'_>)| {
        objects.iter().filter_map(Stored::of).for_each(visit);
        Some(STATE)
    };
    pack(&origin(), WRITTEN, state).unwrap()
}

/// The file's octets.
fn octets(objects: &[Object]) -> Vec<u8> {
    packed(objects).pieces().collect::<Vec<_>>().concat()
}

/// A place in a folder of its own.
struct Bench {
    folder: tempfile::TempDir,
    place: Place,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(&folder.path().join("state")).unwrap();
        Self { folder, place }
    }

    fn write(&self, octets: &[u8]) {
        std::fs::write(self.place.file(), octets).unwrap();
    }

    fn store(&self, objects: &[Object]) {
        store(&self.place, &packed(objects)).unwrap();
    }

    /// What is loaded; if it is not restored, nothing must have been handed over.
    fn load(&self) -> (Loaded, Vec<Object>) {
        let mut objects = Vec::new();
        let loaded = load(&self.place, &origin(), |object| objects.push(object));
        assert!(matches!(loaded, Loaded::Restored(_)) || objects.is_empty(), "{loaded:?}");
        (loaded, objects)
    }

    /// The names in the folder, sorted.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn header() -> Header {
    Header { origin: origin(), state: STATE, written: WRITTEN }
}

fn text() -> impl Strategy<Value = Box<str>> {
    // Near each other, so that they share beginnings, down to half a character.
    prop_oneof![
        4 => "(web|web-a|wéb|db)(-[a-c]{0,3})?",
        1 => "[a-zé日]{0,4}",
        1 => Just(String::new()),
        1 => "[a-z]{200}",
    ]
    .prop_map(String::into_boxed_str)
}

fn meta() -> impl Strategy<Value = Meta> {
    let version = prop_oneof![
        Just(None),
        any::<u64>().prop_map(|number| Some(number.to_string())),
        prop_oneof!["0", "00", "\\+5", "007", "", "é", "18446744073709551616"].prop_map(Some),
    ];
    let uid = prop_oneof![
        Just(None),
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".prop_map(Some),
        "[0-9A-F]{8}-[0-9a-f]{0,5}|é?".prop_map(Some),
    ];
    (text(), text(), version, uid).prop_map(|(namespace, name, version, uid)| {
        let mut meta = Meta::new(&namespace, &name);
        meta.resource_version = version.map(String::into_boxed_str);
        meta.uid = uid.map(String::into_boxed_str);
        meta
    })
}

fn addresses(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<IpAddr>> {
    prop::collection::vec(any::<IpAddr>(), count)
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp])
}

fn service() -> impl Strategy<Value = Service> {
    let cluster_ips = prop_oneof![
        Just(ClusterIps::Absent),
        Just(ClusterIps::Headless),
        addresses(0..4).prop_map(|ips| ClusterIps::Addresses(ips.into_iter().collect())),
    ];
    let port = (text(), protocol(), any::<u16>()).prop_map(|(name, protocol, port)| ServicePort {
        name,
        protocol,
        port,
    });
    let family = prop::sample::select(vec![AddressFamily::V4, AddressFamily::V6]);
    (
        meta(),
        (prop::option::of(text()), prop::option::of(text())),
        cluster_ips,
        any::<[bool; 4]>(),
        prop::collection::vec(port, 0..4),
        prop::collection::vec(family, 0..3),
    )
        .prop_map(|(meta, texts, cluster_ips, flags, ports, families)| Service {
            meta,
            external_name: texts.0,
            cluster_ips,
            has_selector: flags[0],
            ports,
            ip_families: families.into_iter().collect(),
            session_affinity: flags[1],
            local_traffic_only: flags[2],
            publish_not_ready: flags[3],
            selectorless: texts.1,
        })
}

fn endpoints() -> impl Strategy<Value = Vec<Endpoint>> {
    let endpoint =
        (addresses(0..3), any::<[bool; 2]>(), prop::option::of(text()), prop::option::of(text()))
            .prop_map(|(addresses, flags, hostname, target_name)| Endpoint {
                addresses: addresses.into_iter().collect(),
                ready: flags[0],
                hostname,
                target_name,
                managed: flags[1],
            });
    prop::collection::vec(endpoint, 0..6)
}

fn ports() -> impl Strategy<Value = Vec<EndpointPort>> {
    let port = (text(), protocol(), any::<Option<u16>>())
        .prop_map(|(name, protocol, port)| EndpointPort { name, protocol, port });
    prop::collection::vec(port, 0..3)
}

fn object() -> impl Strategy<Value = Object> {
    let managed_by = vec![ManagedBy::Controller, ManagedBy::Mirroring, ManagedBy::Other];
    let address_type = vec![SliceAddresses::V4, SliceAddresses::V6, SliceAddresses::Fqdn];
    let slice = (
        meta(),
        prop::option::of(text()),
        prop::sample::select(managed_by),
        prop::sample::select(address_type),
        endpoints(),
        ports(),
    );
    let subset = (endpoints(), ports()).prop_map(|(endpoints, ports)| Subset { endpoints, ports });
    let written = (meta(), any::<bool>(), prop::collection::vec(subset, 0..3));
    prop_oneof![
        text().prop_map(|name| Object::Namespace(Namespace { meta: Meta::new("", &name) })),
        service().prop_map(Object::Service),
        slice.prop_map(|(meta, service, managed_by, address_type, endpoints, ports)| {
            Object::EndpointSlice(EndpointSlice {
                meta,
                service,
                managed_by,
                address_type,
                endpoints,
                ports,
            })
        }),
        written.prop_map(|(meta, not_for_services, subsets)| {
            Object::Endpoints(Endpoints { meta, not_for_services, subsets })
        }),
        (text(), text(), addresses(0..3)).prop_map(|(namespace, name, ips)| {
            let meta = Meta::new(&namespace, &name);
            Object::Pod(Pod { meta, ips: ips.into_iter().collect(), live: true })
        }),
    ]
}

/// One object of every kind, small, with every form of everything in it.
fn sample() -> Vec<Object> {
    let mut versioned = Meta::new("shop", "web");
    versioned.resource_version = Some("48151".into());
    versioned.uid = Some("0f9e8d7c-6b5a-4c3d-8e1f-a0b1c2d3e4f5".into());
    let endpoint = |address: &str, hostname: Option<&str>| Endpoint {
        addresses: [address.parse().unwrap()].into_iter().collect(),
        ready: true,
        hostname: hostname.map(Into::into),
        target_name: hostname.map(Into::into),
        managed: true,
    };
    let ports =
        vec![EndpointPort { name: "http".into(), protocol: Protocol::Tcp, port: Some(8080) }];
    vec![
        Object::Namespace(Namespace { meta: Meta::new("", "shop") }),
        Object::Service(Service {
            meta: versioned,
            external_name: None,
            cluster_ips: ClusterIps::Addresses(
                ["10.96.0.7".parse().unwrap(), "fd00::7".parse().unwrap()].into_iter().collect(),
            ),
            has_selector: true,
            ports: vec![ServicePort { name: "http".into(), protocol: Protocol::Tcp, port: 80 }],
            ip_families: [AddressFamily::V4, AddressFamily::V6].into_iter().collect(),
            session_affinity: false,
            local_traffic_only: false,
            publish_not_ready: false,
            selectorless: None,
        }),
        Object::EndpointSlice(EndpointSlice {
            meta: Meta::new("shop", "web-x7k2p"),
            service: Some("web".into()),
            managed_by: ManagedBy::Controller,
            address_type: SliceAddresses::V4,
            endpoints: vec![endpoint("10.1.0.1", Some("web-0")), endpoint("10.1.0.2", None)],
            ports: ports.clone(),
        }),
        Object::Endpoints(Endpoints {
            meta: Meta::new("shop", "web"),
            not_for_services: false,
            subsets: vec![Subset { endpoints: vec![endpoint("fd00::1", None)], ports }],
        }),
        Object::Pod(Pod {
            meta: Meta::new("shop", "web-0"),
            ips: ["10.1.0.1".parse().unwrap()].into_iter().collect(),
            live: true,
        }),
    ]
}
