//! Answers of every size: whole records only, TC exactly when some are missing, all of them there
//! where there is room, from 1 endpoint to 10,000.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use fingerpost::answer::Transport;
use fingerpost::cluster::{
    Change, ClusterIps, Endpoint, EndpointPort, EndpointSlice, Kind, ManagedBy, Meta, Object,
    Protocol, Service, ServicePort, SliceAddresses,
};
use fingerpost::registry::{Publisher, Registry};
use fingerpost::zone::{Spec, View};

use crate::model::{A, AAAA, Data, Expected, Model, PTR, SRV, dashed, reverse_name};
use crate::truth::judge;
use crate::universe::namespace;
use crate::wire::{Ask, decoded, set, strict};
use crate::world::{At, reply, view};

const NAME: &str = "db.shop.svc.cluster.local";
/// Endpoints of one slice, as the controller fills them.
const SLICE: usize = 1_000;

fn v4(index: usize) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0100 + u32::try_from(index).expect("few")).into()
}

fn v6(index: usize) -> IpAddr {
    Ipv6Addr::from_bits((0xfd00 << 112) + 1 + index as u128).into()
}

/// The Service `db`, headless or with a cluster IP that it is not answered with.
fn service(headless: bool) -> Object {
    let ip = "10.96.0.1".parse().expect("an address");
    Object::Service(Service {
        meta: Meta::new("shop", "db"),
        external_name: None,
        cluster_ips: if headless {
            ClusterIps::Headless
        } else {
            ClusterIps::Addresses([ip].into_iter().collect())
        },
        has_selector: headless,
        ports: vec![ServicePort { name: "sql".into(), protocol: Protocol::Tcp, port: 5432 }],
        ip_families: smallvec::SmallVec::default(),
        session_affinity: false,
        local_traffic_only: false,
        publish_not_ready: false,
        selectorless: None,
    })
}

fn slices(addresses: &[IpAddr]) -> impl Iterator<Item = Object> {
    addresses.chunks(SLICE).enumerate().map(|(number, chunk)| {
        let endpoint = |address: &IpAddr| Endpoint {
            addresses: [*address].into_iter().collect(),
            ready: true,
            hostname: None,
            target_name: None,
            managed: false,
        };
        let family = if chunk[0].is_ipv4() { SliceAddresses::V4 } else { SliceAddresses::V6 };
        let port = EndpointPort { name: "sql".into(), protocol: Protocol::Tcp, port: Some(5432) };
        Object::EndpointSlice(EndpointSlice {
            meta: Meta::new("shop", &format!("db-{number}-{}", chunk[0].is_ipv4())),
            service: Some("db".into()),
            managed_by: ManagedBy::Other,
            address_type: family,
            endpoints: chunk.iter().map(endpoint).collect(),
            ports: vec![port],
        })
    })
}

fn objects(headless: bool, fours: usize, sixes: usize) -> Vec<Object> {
    let fours: Vec<IpAddr> = (0..fours).map(v4).collect();
    let sixes: Vec<IpAddr> = (0..sixes).map(v6).collect();
    let base = [namespace("shop"), service(headless)];
    base.into_iter().chain(slices(&fours)).chain(slices(&sixes)).collect()
}

/// Asks a name over every transport and size.
fn ask_all(view: &View, name: &str, qtype: u16, expected: &Expected) {
    let what = format!("{name} {qtype}, {} records", expected.answers.len());
    for (edns, payload, stream) in [
        (None, 1232, false),
        (Some(512), 1232, false),
        (Some(1232), 1232, false),
        (Some(65_535), 4096, false),
        (None, 1232, true),
        (Some(1232), 1232, true),
    ] {
        let mut ask = Ask::new(name, qtype);
        ask.edns = edns.map(|size| (size, false));
        let transport = if stream { Transport::Stream } else { Transport::Udp };
        let response = reply(view, &ask.octets(), transport, payload, 17).expect("a response");
        if payload == 1232 {
            judge(&what, &ask, &response, stream, expected);
            continue;
        }
        assert!(response.len() <= 4096, "{what}");
        let (seen, answers) = (strict(&response), set(&decoded(&response).answers));
        assert!(answers.is_subset(&expected.answers), "{what}");
        assert_eq!(seen.truncated, answers.len() < expected.answers.len(), "{what}");
        assert!(!seen.truncated || response.len() > 4096 - 11 - 80, "{what}: filled up");
    }
}

#[test]
fn sets_of_every_size() {
    let spec = Arc::new(Spec::default());
    // Around what fits into 512, 1,232 and 4,096 octets, with and without EDNS, and far beyond.
    for count in [1, 2, 12, 13, 28, 29, 30, 31, 72, 73, 74, 75, 250, 251, 252, 253, 255, 1_000] {
        for headless in [true, false] {
            let objects = objects(headless, count, count / 3);
            let view = view(&spec, &objects);
            let model = Model { spec: &spec, objects: &objects };
            for qtype in [A, AAAA, SRV] {
                ask_all(&view, NAME, qtype, &model.answer(NAME, qtype));
            }
            let port = format!("_sql._tcp.{NAME}");
            ask_all(&view, &port, SRV, &model.answer(&port, SRV));
        }
    }
}

/// What the model would say, which takes its time over so many.
fn all_of(addresses: impl Iterator<Item = IpAddr>) -> Expected {
    let datum = |ip| match ip {
        IpAddr::V4(v4) => Data::A(v4),
        IpAddr::V6(v6) => Data::Aaaa(v6),
    };
    let answers = addresses.map(|ip| (NAME.to_owned(), datum(ip))).collect();
    Expected { rcode: 0, answers, soa: false }
}

#[test]
fn five_thousand_headless_endpoints() {
    const COUNT: usize = 5_000;
    let view = view(&Arc::new(Spec::default()), &objects(true, COUNT, COUNT));
    ask_all(&view, NAME, A, &all_of((0..COUNT).map(v4)));
    ask_all(&view, NAME, AAAA, &all_of((0..COUNT).map(v6)));
    // Over a stream 4,093 records of 16 octets fit behind header and question.
    let response = reply(&view, &Ask::new(NAME, A).octets(), Transport::Stream, 1232, 5);
    let response = response.expect("a response");
    let question = 12 + NAME.len() + 2 + 4;
    assert_eq!(strict(&response).records[0].len(), (65_535 - question) / 16);
    assert!(strict(&response).truncated);
    // Each turn begins with another record, and every record has its turn.
    let mut firsts = BTreeSet::new();
    for rotation in 0..20 {
        let rotation = rotation * 250;
        let response = reply(&view, &Ask::new(NAME, A).octets(), Transport::Udp, 1232, rotation);
        firsts.insert(response.expect("a response")[question + 12..question + 16].to_vec());
    }
    assert_eq!(firsts.len(), 20);
    // One of them has its own name, SRV and PTR records.
    let label = dashed(v4(4_321));
    let own = format!("{label}.{NAME}");
    let response = reply(&view, &Ask::new(&own, A).octets(), Transport::Udp, 1232, 0);
    let found = set(&decoded(&response.expect("a response")).answers);
    let expected = [(own.clone(), Data::A("10.0.17.225".parse().expect("an address")))];
    assert_eq!(found, expected.into());
    let reverse = reverse_name(v4(4_321));
    let response = reply(&view, &Ask::new(&reverse, PTR).octets(), Transport::Udp, 1232, 0);
    let found = set(&decoded(&response.expect("a response")).answers);
    assert_eq!(found, [(reverse, Data::Ptr(own))].into());
    let srv = Ask::new(NAME, SRV).with_edns(1232);
    for (transport, limit) in [(Transport::Udp, 1232), (Transport::Stream, 65_535)] {
        let response = reply(&view, &srv.octets(), transport, 1232, 0).expect("a response");
        let seen = strict(&response);
        assert!(seen.truncated && response.len() <= limit && seen.records[2].len() == 1);
        // An SRV record here takes 69 octets at the most.
        assert!(response.len() > limit - 69, "{} of {limit}", response.len());
    }
}

#[test]
fn ten_thousand_endpoints_published_again_and_again() {
    const COUNT: usize = 10_000;
    let registry = Registry::new(Arc::new(Spec::default()), 1);
    let mut publisher = Publisher::new(Arc::clone(&registry), At(1));
    let first = objects(false, COUNT, 0);
    registry.apply(first.iter().cloned().map(Change::Put));
    registry.apply(Kind::ALL.map(Change::ListEnds));
    assert!(publisher.publish());
    let sorted: Vec<IpAddr> = (0..COUNT).map(v4).collect();
    let check = |addresses: &[IpAddr], gone: &[IpAddr]| {
        let view = registry.view().load_full();
        ask_all(&view, NAME, A, &all_of(addresses.iter().copied()));
        for (ips, code) in [(addresses, 0), (gone, 3)] {
            for ip in ips.iter().step_by(997) {
                let name = format!("{}.{NAME}", dashed(*ip));
                for (name, qtype) in [(name, A), (reverse_name(*ip), PTR)] {
                    let octets = Ask::new(&name, qtype).octets();
                    let response = reply(&view, &octets, Transport::Udp, 1232, 0);
                    assert_eq!(strict(&response.expect("a response")).rcode, code, "{name}");
                }
            }
        }
    };
    check(&sorted, &[]);
    // The same again is no change.
    registry.apply(first.into_iter().map(Change::Put));
    assert!(!publisher.publish());
    // One slice goes, another shrinks, a third has other addresses.
    let Some(Object::EndpointSlice(mut small)) = slices(&sorted).nth(3) else { panic!("a slice") };
    let (kept, gone) = sorted[3 * SLICE..4 * SLICE].split_at(1);
    small.endpoints.truncate(1);
    registry.apply([
        Change::Remove(Kind::EndpointSlice, small.meta.key.clone()),
        Change::Put(Object::EndpointSlice(small)),
    ]);
    assert!(publisher.publish());
    let mut left: Vec<IpAddr> = sorted.iter().filter(|ip| !gone.contains(ip)).copied().collect();
    assert!(left.contains(&kept[0]));
    check(&left, gone);
    let more: Vec<IpAddr> = (COUNT..COUNT + SLICE).map(v4).collect();
    let Some(Object::EndpointSlice(mut other)) = slices(&more).next() else { panic!("a slice") };
    other.meta.key.name = "db-more".into();
    registry.apply([Change::Put(Object::EndpointSlice(other))]);
    assert!(publisher.publish());
    left.extend(&more);
    check(&left, gone);
}
