//! Section 1: how long a response may be, and what goes first where it is too long.

use super::objects::{service, slice};
use super::reply::{Reply, Rules, limit};
use super::wire::{A, AAAA, ANY, Ask, PTR, Raw, SRV};
use super::world::World;

/// So many endpoints, labels of a few letters.
pub(crate) fn many(count: usize) -> Vec<String> {
    let four: Vec<String> = (0..count)
        .map(|n| format!("{{addresses: [10.{}.{}.1], hostname: h{n}}}", n / 250, n % 250))
        .collect();
    let six: Vec<String> = (0..count)
        .map(|n| format!("{{addresses: ['fd00::{:x}'], hostname: h{n}}}", n + 1))
        .collect();
    let ports = "ports: [{name: sql, port: 5432}]";
    let shared: Vec<String> =
        (0..count).map(|n| format!("{{addresses: [10.{}.{}.2]}}", n / 250, n % 250)).collect();
    let mut objects = vec![
        service("shop/db", "clusterIP: None"),
        slice("shop/db-4", "db", "IPv4", &format!("{ports}, endpoints: [{}]", four.join(", "))),
        slice("shop/db-6", "db", "IPv6", &format!("{ports}, endpoints: [{}]", six.join(", "))),
        service("shop/one", "clusterIP: None"),
        slice(
            "shop/one-1",
            "one",
            "IPv4",
            &format!(
                "{ports}, endpoints: [{}]",
                shared.join(", ").replace("]}", "], hostname: h}")
            ),
        ),
    ];
    for n in 0..40 {
        objects.push(service(&format!("shop/s{n:02}"), "clusterIP: None"));
        objects.push(slice(
            &format!("shop/s{n:02}-1"),
            &format!("s{n:02}"),
            "IPv4",
            "endpoints: [{addresses: [192.0.2.9], hostname: a-rather-long-hostname}]",
        ));
    }
    objects
}

const NAMES: [(&str, u16); 9] = [
    ("db.shop.svc", A),
    ("db.shop.svc", AAAA),
    ("db.shop.svc", ANY),
    ("db.shop.svc", SRV),
    ("_sql._tcp.db.shop.svc", SRV),
    ("_sql._tcp.db.shop.svc", A),
    ("h.one.shop.svc", A),
    ("db.shop.endpoints", SRV),
    ("9.2.0.192.in-addr.arpa.", PTR),
];

#[test]
fn the_limit_is_512_or_what_the_client_takes_up_to_1232() {
    let world = World::served(&many(120), &[]);
    for (name, qtype) in NAMES {
        let whole = world.reply(&Ask::new(name, qtype), true);
        assert!(!whole.text.contains(" tc"), "{}", whole.text);
        assert!(whole.octets.len() > 1_232);
        for payload in [
            None,
            Some(0),
            Some(511),
            Some(512),
            Some(513),
            Some(900),
            Some(1_232),
            Some(1_233),
            Some(65_535),
        ] {
            let mut ask = Ask::new(name, qtype);
            if let Some(payload) = payload {
                ask = ask.edns(payload, 0);
            }
            let most = match payload {
                None => 512,
                Some(payload) => usize::from(payload).clamp(512, 1_232),
            };
            assert_eq!(limit(&ask, false, &world.rules), most);
            let cut = world.library(&ask, false, 3);
            let theirs = world.server.as_ref().unwrap().exchange(&ask.message(), false);
            let rules = Rules { serial: None, ..world.rules.clone() };
            let theirs = Reply::read(&ask, &theirs, false, &rules);
            assert_eq!(theirs.octets.len(), cut.octets.len(), "{name} {qtype} {payload:?}");
            assert!(theirs.answers.iter().all(|record| whole.answers.contains(record)));
            let raw = Raw::read(&cut.octets);
            let answers: Vec<_> = raw.records.iter().filter(|record| record.section == 1).collect();
            let context = format!("{name} {qtype} {payload:?}: {}", cut.text);
            // Whole records, at least one, and no more than fit.
            assert_eq!(raw.number(2) & 0x0200, 0x0200, "{context}");
            assert!(!answers.is_empty(), "{context}");
            let longest = answers.iter().map(|record| record.data.len() + 12).max().unwrap();
            assert!(
                cut.octets.len() + longest + 8 > most,
                "{} of {most}: {context}",
                cut.octets.len()
            );
            // Nothing additional in a truncated answer but OPT.
            let rest = raw.records.iter().filter(|record| record.section != 1);
            assert!(rest.clone().all(|record| record.rtype == 41), "{context}");
            assert_eq!(rest.count(), usize::from(payload.is_some()), "{context}");
            let inside = |record: &String| whole.answers.contains(record);
            assert!(cut.answers.iter().all(inside), "{context}");
        }
    }
}

#[test]
fn truncated_sets_are_turned_too() {
    let world = World::served(&many(120), &[]);
    let mut seen = std::collections::BTreeSet::new();
    for rotation in 0..4_096 {
        seen.extend(world.library(&Ask::new("db.shop.svc", A), false, rotation).answers);
    }
    assert_eq!(seen.len(), 120, "every address reaches somebody");
}

#[test]
fn additional_records_go_first_and_without_tc() {
    // Each SRV record is told, and then as many addresses as fit.
    let mut seen = std::collections::BTreeSet::new();
    for (count, pad) in
        (1..=16).map(|count| (count, "h")).chain((1..20).map(|n| (9, &"hhhhhhhhhhhhhhhhhhhh"[..n])))
    {
        let world = World::of(&[
            service("shop/db", "clusterIP: None"),
            slice(
                "shop/db-4",
                "db",
                "IPv4",
                &format!(
                    "ports: [{{name: sql, port: 5432}}], endpoints: [{}]",
                    (0..count)
                        .map(|n| format!("{{addresses: [10.0.0.{n}], hostname: {pad}{n}}}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            ),
        ]);
        for ask in [Ask::new("db.shop.svc", SRV), Ask::new("db.shop.svc", SRV).edns(512, 0)] {
            let reply = world.reply(&ask, false);
            let raw = Raw::read(&reply.octets);
            let of = |section| {
                raw.records.iter().filter(|r| r.section == section && r.rtype != 41).count()
            };
            let truncated = raw.number(2) & 0x0200 != 0;
            assert_eq!(truncated, of(1) < count, "{}", reply.text);
            assert!(!truncated || of(3) == 0, "{}", reply.text);
            if !truncated && of(3) < count {
                // A pointer, and the rest of an A record.
                assert!(reply.octets.len() + 16 > 512, "room for one more: {}", reply.text);
            }
            seen.insert((truncated, of(3) == count, of(3) == 0));
        }
    }
    // All of it, some of it, none of it, and a truncated answer.
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn over_tcp_the_limit_is_65535() {
    let world = World::served(&many(1_500), &[]);
    let ask = Ask::new("db.shop.svc", SRV);
    let reply = world.reply(&ask, true);
    let raw = Raw::read(&reply.octets);
    assert_eq!(raw.number(2) & 0x0200, 0x0200);
    assert!(reply.octets.len() > 65_400, "{}", reply.octets.len());
    // With EDNS the OPT record has its room.
    let reply = world.reply(&ask.edns(1_232, 0), true);
    assert!(reply.octets.len() > 65_400, "{}", reply.octets.len());
    // All addresses fit.
    let addresses = world.reply(&Ask::new("db.shop.svc", A), true);
    assert_eq!(addresses.answers.len(), 1_500);
    assert!(!addresses.text.contains(" tc"));
}

#[test]
fn the_longest_names_find_room() {
    // A name of 255 octets asked for: one record fits into 512 still.
    let label = "a".repeat(63);
    let world = World::of(&[
        service(&format!("{label}/{label}"), "clusterIP: None"),
        slice(
            &format!("{label}/x"),
            &label,
            "IPv4",
            &format!(
                "ports: [{{name: sql, port: 5432}}], endpoints: [{{addresses: [10.0.0.1], hostname: {}}}]",
                "b".repeat(63)
            ),
        ),
    ]);
    let name = format!("{}.{label}.{label}.svc", "b".repeat(63));
    let found = world.text(&name, A);
    assert_eq!(found, "NOERROR; A 10.0.0.1");
    let plain = world.library(&Ask::new(&name, A), false, 0);
    assert_eq!(plain.text, "NOERROR; A 10.0.0.1");
    let srv = world.library(&Ask::new(&format!("_sql._tcp.{label}.{label}.svc"), SRV), false, 0);
    assert!(srv.text.starts_with("NOERROR; SRV 0 100 5432"), "{}", srv.text);
}

#[test]
fn names_are_compressed_as_far_as_it_goes() {
    // Every response is judged for it; here are as many names as a datagram holds.
    for count in [6, 9, 12, 15] {
        let endpoints: Vec<String> = (10..10 + count)
            .map(|n| format!("{{addresses: [10.0.0.{n}], hostname: h{n}}}"))
            .collect();
        let world = World::of(&[
            service("shop/db", "clusterIP: None"),
            slice(
                "shop/db-4",
                "db",
                "IPv4",
                &format!(
                    "ports: [{{name: sql, port: 5432}}], endpoints: [{}]",
                    endpoints.join(", ")
                ),
            ),
        ]);
        let ask = Ask::new("db.shop.svc", SRV).edns(1_232, 0);
        let reply = world.reply(&ask, false);
        let raw = Raw::read(&reply.octets);
        let additional = raw.records.iter().filter(|record| record.section == 3).count();
        assert_eq!(additional, count + 1, "{}", reply.text);
        // The target, once; a pointer to it for each address.
        let target = b"\x03h10\x02db\x04shop\x03svc\x07cluster\x05local\x00".len();
        let expected = 12 + ask.question().len() + count * (18 + target) + count * 16 + 11;
        assert_eq!(reply.octets.len(), expected);
    }
}
