//! A large cluster's state stays small.

use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::cluster::{Change, Kind};
use crate::registry::Registry;

/// How many Services, and endpoints of each.
const SERVICES: usize = 10_000;
const ENDPOINTS: usize = 15;

fn cluster() -> impl Iterator<Item = Object> {
    let parts = sample();
    (0..SERVICES).flat_map(move |number| {
        let (namespace, name) =
            (format!("team-{:03}", number / 40), format!("service-{number:05}"));
        let Object::Service(mut service) = parts[1].clone() else { panic!("a Service") };
        service.meta = Meta::new(&namespace, &name);
        service.meta.resource_version = Some((700_000_000 + number * 37).to_string().into());
        service.meta.uid = Some(uid(2 * number));
        let Object::EndpointSlice(mut slice) = parts[2].clone() else { panic!("a slice") };
        let unique = number.wrapping_mul(2_654_435_761) % 60_466_176;
        slice.meta = Meta::new(&namespace, &format!("{name}-{unique:05x}"));
        slice.meta.resource_version = Some((710_000_000 + number * 91).to_string().into());
        slice.meta.uid = Some(uid(2 * number + 1));
        slice.service = Some(name.into());
        slice.endpoints = (0..ENDPOINTS)
            .map(|at| {
                let [_, a, b, c] = u32::try_from(number * ENDPOINTS + at).unwrap().to_be_bytes();
                let mut endpoint = slice.endpoints[1].clone();
                endpoint.addresses = [IpAddr::from([10, a, b, c])].into_iter().collect();
                endpoint
            })
            .collect();
        [Object::Service(service), Object::EndpointSlice(slice)]
    })
}

fn uid(number: usize) -> Box<str> {
    format!("{number:08x}-6b5a-4c3d-8e1f-a0b1c2d3e4f5").into()
}

fn registry(fill: impl FnOnce(&Registry)) -> Arc<Registry> {
    let registry = Registry::new(Arc::new(Spec::default()), 1);
    fill(&registry);
    registry
}

/// From a registry to the disk and into another. What it took is printed with `--nocapture`; how
/// large it is, is asserted.
#[test]
fn ten_thousand_services_with_their_endpoints_take_two_megabytes() {
    let first = registry(|registry| {
        registry.apply(Kind::ALL.map(Change::ListBegins));
        registry.apply(cluster().map(Change::Put));
        registry.apply(Kind::ALL.map(Change::ListEnds));
    });
    let packed = |registry: &Registry| {
        let state = |visit: &mut dyn FnMut(Stored<'_>)| {
            let kinds = registry.objects(visit)?;
            Some(State { kinds, ..STATE })
        };
        pack(&origin(), WRITTEN, state).unwrap()
    };
    let bench = Bench::new();
    let began = Instant::now();
    let file = packed(&first);
    let packing = began.elapsed();
    store(&bench.place, &file).unwrap();
    let storing = began.elapsed().saturating_sub(packing);
    let began = Instant::now();
    let second = registry(|registry| {
        registry.put_back(KindSet::ALL, |sink| {
            let loaded = load(&bench.place, &origin(), sink);
            assert_eq!(loaded, Loaded::Restored(header()));
        });
    });
    let restoring = began.elapsed();
    println!(
        "{} octets; packed in {packing:?}, stored in {storing:?}, restored in {restoring:?}",
        file.len()
    );
    assert!(file.len() < 2_000_000, "{}", file.len());
    assert!(packed(&second).pieces().eq(file.pieces()));
}
