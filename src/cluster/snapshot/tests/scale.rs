//! A large cluster's state stays small.

use std::time::Instant;

use super::*;

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
        let Object::EndpointSlice(mut slice) = parts[2].clone() else { panic!("a slice") };
        let unique = number.wrapping_mul(2_654_435_761) % 60_466_176;
        slice.meta = Meta::new(&namespace, &format!("{name}-{unique:05x}"));
        slice.meta.resource_version = Some((710_000_000 + number * 91).to_string().into());
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

/// What it took is printed with `--nocapture`; how large it is, is asserted.
#[test]
fn ten_thousand_services_with_their_endpoints_take_two_megabytes() {
    let objects: Vec<_> = cluster().collect();
    let bench = Bench::new();
    let began = Instant::now();
    let packed = packed(&objects);
    let packing = began.elapsed();
    store(&bench.place, &packed).unwrap();
    let storing = began.elapsed().saturating_sub(packing);
    let began = Instant::now();
    let (loaded, found) = bench.load();
    let loading = began.elapsed();
    assert_eq!(loaded, Loaded::Restored(header()));
    assert!(found == objects);
    println!(
        "{} octets; packed in {packing:?}, stored in {storing:?}, loaded in {loading:?}",
        packed.len()
    );
    assert!(packed.len() < 2_000_000, "{}", packed.len());
}
