//! Section 1: the shape of every answer, as far as it is not judged for every response already
//! (`reply`): TTLs, SOA, rotation, order, ANY.

use std::collections::BTreeSet;

use super::objects::{endpoints, service, slice};
use super::wire::{A, AAAA, ANY, Ask, PTR, RD, Raw, SOA, SRV};
use super::world::{NOW, World};

fn objects() -> Vec<String> {
    vec![
        service("shop/web", "clusterIPs: [10.96.0.1, 'fd00::1'], selector: {a: b}, ports: [{name: http, port: 80}]"),
        service("shop/db", "clusterIP: None"),
        slice("shop/db-1", "db", "IPv4", "ports: [{name: sql, port: 5432}, {name: web, port: 80}], endpoints: [
            {addresses: [192.0.2.1]}, {addresses: [192.0.2.2]}, {addresses: [192.0.2.3]}, {addresses: [192.0.2.4]}]"),
        slice("shop/db-2", "db", "IPv6", "ports: [{name: sql, port: 5432}], endpoints: [
            {addresses: ['2001:db8::1', '2001:db8::2'], hostname: x}]"),
    ]
}

#[test]
fn one_ttl_for_all_records_and_the_soa_at_most_300() {
    for (ttl, soa) in [(0, 0), (5, 5), (299, 299), (300, 300), (301, 300), (3_600, 300)] {
        let world = World::served(&objects(), &["--ttl", &ttl.to_string()]);
        let mut seen = BTreeSet::new();
        for (name, qtype) in [
            ("web.shop.svc", A),
            ("web.shop.svc", SRV),
            ("db.shop.svc", SRV),
            ("nope.shop.svc", A),
            ("@", SOA),
            ("@", super::wire::NS),
            ("dns-version", super::wire::TXT),
            ("1.0.96.10.in-addr.arpa.", PTR),
            ("in-addr.arpa.", SOA),
        ] {
            let reply = world.reply(&Ask::new(name, qtype), false);
            for record in Raw::read(&reply.octets).records {
                let expected = match record.rtype {
                    SOA => soa,
                    super::wire::TXT => 28_800,
                    _ => ttl,
                };
                assert_eq!(record.ttl, expected, "{name} {qtype} {record:?}");
                if record.rtype == SOA {
                    let numbers = &reply.octets[record.data.end - 20..record.data.end];
                    assert_eq!(numbers[16..], u32::to_be_bytes(ttl), "the minimum field is T");
                }
                seen.insert(record.rtype);
            }
        }
        assert_eq!(seen.len(), 7, "{seen:?}");
    }
}

#[test]
fn the_soa_octet_for_octet() {
    let world = World::served(&objects(), &[]);
    let serial = NOW.to_be_bytes();
    let mut expected = b"\xc0\x0c\x00\x06\x00\x01\x00\x00\x00\x05\x00\x2a\
                         \x02ns\x03dns\xc0\x0c\x0ahostmaster\xc0\x0c"
        .to_vec();
    expected.extend(serial);
    for number in [7_200u32, 1_800, 86_400, 5] {
        expected.extend(number.to_be_bytes());
    }
    let ask = Ask::new("@", SOA);
    // The length stands in front of the data.
    let len = u16::try_from(expected.len() - 12).unwrap().to_be_bytes();
    expected[10..12].copy_from_slice(&len);
    let octets = world.library(&ask, false, 0).octets;
    assert_eq!(octets[12 + ask.question().len()..], expected);
}

#[test]
fn the_serial_is_the_time_and_never_stands_still() {
    let world = World::served(&objects(), &[]);
    assert_eq!(world.view.serial(), NOW);
    // The binary has a clock of its own.
    let reply = world.server.as_ref().unwrap().exchange(&Ask::new("@", SOA).message(), false);
    let raw = Raw::read(&reply);
    let data = raw.records[0].data.clone();
    let serial = u32::from_be_bytes(reply[data.end - 20..data.end - 16].try_into().unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = u32::try_from(now.as_secs()).unwrap();
    assert!((now - 600..=now).contains(&serial), "{serial} at {now}");
    // Three changes within one second.
    let mut view = world.view;
    for more in 1..=3u32 {
        let mut delta = fingerpost::zone::Delta::default();
        delta.namespaces.insert(format!("\x02n{more}").into_bytes().into(), true);
        view = std::sync::Arc::new(
            view.with([delta], fingerpost::zone::State::default(), NOW).expect("a change"),
        );
        assert_eq!(view.serial(), NOW + more);
        let world = World::seen(std::sync::Arc::clone(&view));
        world.expect(&[("@ SOA", "NOERROR; SOA")]);
    }
    // What nobody can see is no change.
    let none = fingerpost::zone::Delta::default();
    assert!(view.with([none], fingerpost::zone::State::default(), NOW + 99).is_none());
}

/// Which address comes first in how many of so many responses.
fn firsts(world: &World, name: &str, qtype: u16) -> BTreeSet<String> {
    (0..64)
        .map(|rotation| world.library(&Ask::new(name, qtype), false, rotation).answers[0].clone())
        .collect()
}

#[test]
fn addresses_are_turned_and_srv_and_ptr_are_not() {
    let objects = [
        service("shop/db", "clusterIP: None"),
        service("shop/other", "clusterIP: None"),
        endpoints("shop/other", "{addresses: [{ip: 192.0.2.1}]}"),
        endpoints("shop/db", "{addresses: [{ip: 192.0.2.1, hostname: x}, {ip: 192.0.2.2, hostname: x},
            {ip: 192.0.2.3, hostname: x}, {ip: '2001:db8::1', hostname: x}, {ip: '2001:db8::2', hostname: x}],
            ports: [{name: sql, port: 5432}]},
            {addresses: [{ip: 192.0.2.4}], ports: [{name: web, port: 80}]}"),
    ];
    let world = World::of(&objects);
    for (name, qtype, count) in [
        ("db.shop.svc", A, 4),
        ("db.shop.svc", AAAA, 2),
        ("db.shop.svc", ANY, 4),
        ("db.shop.endpoints", A, 4),
        ("_endpoints.db.shop.svc", AAAA, 2),
        ("x.db.shop.svc", A, 3),
        ("x.db.shop.svc", AAAA, 2),
        ("_sql._tcp.db.shop.svc", A, 3),
        ("_sql._tcp.db.shop.svc", AAAA, 2),
        ("db.shop.svc", SRV, 1),
        ("_sql._tcp.db.shop.svc", SRV, 1),
        ("1.2.0.192.in-addr.arpa.", PTR, 1),
    ] {
        assert_eq!(firsts(&world, name, qtype).len(), count, "{name} {qtype}");
    }
    // All is there each time, in the cyclic order of the set.
    for rotation in 0..16 {
        let reply = world.library(&Ask::new("db.shop.svc", A), false, rotation);
        assert_eq!(reply.text, "NOERROR; A 192.0.2.1; A 192.0.2.2; A 192.0.2.3; A 192.0.2.4");
    }
}

#[test]
fn addresses_are_turned_for_a_client_that_asks_for_both_families_in_turn() {
    let world = World::served(
        &[
            service("shop/db", "clusterIP: None"),
            endpoints(
                "shop/db",
                "{addresses: [{ip: 192.0.2.1}, {ip: 192.0.2.2}, {ip: '2001:db8::1'}, {ip: '2001:db8::2'}]}",
            ),
        ],
        &[],
    );
    let server = world.server.as_ref().unwrap();
    for stream in [false, true] {
        let mut seen = BTreeSet::new();
        for _ in 0..64 {
            for qtype in [A, AAAA] {
                let ask = Ask::new("db.shop.svc", qtype);
                let octets = server.exchange(&ask.message(), stream);
                seen.insert(
                    super::reply::Reply::read(
                        &ask,
                        &octets,
                        stream,
                        &super::reply::Rules { serial: None, ..world.rules.clone() },
                    )
                    .answers[0]
                        .clone(),
                );
            }
        }
        assert_eq!(seen.len(), 4, "{seen:?}");
    }
}

#[test]
fn any_is_one_rrset_of_the_name() {
    // The tables ask for ANY at every name; these are the choices, one by one.
    World::served(&objects(), &[]).expect(&[
        ("web.shop.svc ANY", "NOERROR; A 10.96.0.1"),
        ("@ ANY", "NOERROR; SOA"),
        ("in-addr.arpa. ANY", "NOERROR; SOA"),
        ("x.db.shop.svc ANY", "NOERROR; AAAA 2001:db8::1; AAAA 2001:db8::2"),
        ("dns-version ANY", "NOERROR; TXT 1.1.0 ttl=28800"),
        ("1.0.96.10.in-addr.arpa. ANY", "NOERROR; PTR web.shop.svc"),
        ("svc ANY", "NOERROR ~ SOA"),
        ("nope.shop.svc ANY", "NXDOMAIN ~ SOA"),
    ]);
}

#[test]
fn what_is_asked_without_recursion_is_answered_the_same() {
    let world = World::served(&objects(), &[]);
    for name in ["web.shop.svc", "db.shop.svc", "nope.shop.svc", "@"] {
        for qtype in [A, SRV, SOA] {
            let with = world.reply(&Ask::new(name, qtype).flags(RD), false);
            let without = world.reply(&Ask::new(name, qtype).flags(0), false);
            assert_eq!(with.text, without.text);
        }
    }
}
