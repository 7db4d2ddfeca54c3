//! What the benches share: clusters of any size, queries about them, and medians.

use std::sync::Arc;
use std::time::Instant;

use fingerpost::cluster::{
    AddressFamily, Change, ClusterIps, Endpoint, EndpointPort, EndpointSlice, Kind, ManagedBy,
    Meta, Namespace, Object, Protocol, Service, ServicePort, SliceAddresses,
};
use fingerpost::registry::{Publisher, Registry, SystemClock};
use fingerpost::zone::{Spec, View};
use smallvec::smallvec;

/// Namespaces that Services are spread over.
pub const NAMESPACES: usize = 100;

/// A view of so many Services with so many endpoints each; every fourth is headless.
pub fn view(services: usize, endpoints: usize) -> (Arc<Registry>, Publisher, Arc<View>) {
    let registry = Registry::new(Arc::new(Spec::default()), 42);
    registry.batch(|sink| {
        for kind in Kind::ALL {
            sink(Change::ListBegins(kind));
        }
        for index in 0..NAMESPACES {
            let meta = Meta::new("", &format!("ns-{index}"));
            sink(Change::Put(Object::Namespace(Namespace { meta })));
        }
        for index in 0..services {
            sink(Change::Put(Object::Service(service(index))));
            if endpoints > 0 {
                sink(Change::Put(Object::EndpointSlice(slice(index, endpoints))));
            }
        }
        for kind in Kind::ALL {
            sink(Change::ListEnds(kind));
        }
    });
    let mut publisher = Publisher::new(Arc::clone(&registry), SystemClock);
    publisher.publish();
    let view = registry.view().load_full();
    (registry, publisher, view)
}

/// The Service of this number.
pub fn service(index: usize) -> Service {
    let [_, a, b, c] = u32::try_from(index).unwrap_or(0).to_be_bytes();
    let cluster_ips = if index % 4 == 3 {
        ClusterIps::Headless
    } else {
        ClusterIps::Addresses(smallvec![[10, a, b, c].into()])
    };
    Service {
        meta: meta(&format!("ns-{}", index % NAMESPACES), &format!("svc-{index}"), 2 * index),
        external_name: None,
        cluster_ips,
        has_selector: true,
        ports: vec![ServicePort { name: "http".into(), protocol: Protocol::Tcp, port: 80 }],
        ip_families: smallvec![AddressFamily::V4],
        session_affinity: false,
        local_traffic_only: false,
        publish_not_ready: false,
        selectorless: None,
    }
}

/// Metadata as an API server gives it to the object of this number.
fn meta(namespace: &str, name: &str, number: usize) -> Meta {
    let mut meta = Meta::new(namespace, name);
    meta.resource_version = Some((700_000_000 + number).to_string().into());
    meta.uid = Some(format!("{number:08x}-6b5a-4c3d-8e1f-a0b1c2d3e4f5").into());
    meta
}

/// The one slice of the Service of this number.
pub fn slice(index: usize, endpoints: usize) -> EndpointSlice {
    let (namespace, name) = (format!("ns-{}", index % NAMESPACES), format!("svc-{index}"));
    let endpoint = |number: usize| {
        let [a, b, c, d] =
            u32::try_from(0x0b00_0001 + index * endpoints + number).unwrap_or(0).to_be_bytes();
        Endpoint {
            addresses: smallvec![[a, b, c, d].into()],
            ready: true,
            hostname: None,
            target_name: None,
            managed: true,
        }
    };
    EndpointSlice {
        meta: meta(&namespace, &format!("{name}-x"), 2 * index + 1),
        service: Some(name.into()),
        managed_by: ManagedBy::Controller,
        address_type: SliceAddresses::V4,
        endpoints: (0..endpoints).map(endpoint).collect(),
        ports: vec![EndpointPort {
            name: "http".into(),
            protocol: Protocol::Tcp,
            port: Some(8080),
        }],
    }
}

/// A query in wire form, as a libc sends it: RD set, no EDNS.
pub fn query(name: &str, qtype: u16) -> Vec<u8> {
    let mut wire = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).unwrap_or(63));
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire.extend_from_slice(&qtype.to_be_bytes());
    wire.extend_from_slice(&[0, 1]);
    wire
}

/// A small generator of numbers that look random and are the same in every run (xorshift).
pub struct Numbers(pub u64);

impl Numbers {
    /// A number below `most`.
    pub fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % most
    }
}

/// Nanoseconds per item of `work`, which does `items`.
pub fn nanoseconds(items: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e9 / items as f64
}

/// The median of some figures.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}
