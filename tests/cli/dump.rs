//! `dump`: the zone as text, a record a line, always in the same order.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::run::{Room, examples, manifest};

/// The lines of a dump that has no fault to tell.
fn dump(room: &Room, args: &[&str]) -> Vec<String> {
    let listen = ["dump", "--listen", "127.0.0.1:53"];
    let ended = room.run(&[&listen, args].concat());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{args:?}");
    ended.out.lines().map(str::to_owned).collect()
}

/// The same with the serials, which are the time, taken out.
fn without_serial(lines: &[String]) -> Vec<String> {
    let line = |line: &String| {
        let mut words: Vec<&str> = line.split(' ').collect();
        if words.get(3) == Some(&"SOA") {
            words[6] = "SERIAL";
        }
        words.join(" ")
    };
    lines.iter().map(line).collect()
}

#[test]
fn the_examples_are_what_is_written_down() {
    let room = Room::new();
    let lines = without_serial(&dump(&room, &["--manifests", &examples()]));
    let expected: Vec<&str> = include_str!("examples.dump").lines().collect();
    for (at, (line, expected)) in lines.iter().zip(&expected).enumerate() {
        assert_eq!(line, expected, "line {}", at + 1);
    }
    assert_eq!(lines.len(), expected.len());
    for _ in 0..3 {
        assert_eq!(without_serial(&dump(&room, &["--manifests", &examples()])), lines);
    }
}

#[test]
fn every_line_is_a_record_in_full() {
    let room = Room::new();
    for line in dump(&room, &["--manifests", &examples(), "--ttl", "77"]) {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        let [owner, ttl, "IN", rtype, data] = words[..] else { panic!("{line}") };
        assert!(owner.ends_with('.') && owner.len() > 1, "{line}");
        assert_eq!(ttl, if rtype == "TXT" { "28800" } else { "77" }, "{line}");
        let fields: Vec<&str> = data.split(' ').collect();
        let is_name = |name: &str| name.ends_with('.');
        let is_good = match rtype {
            "A" => data.parse::<Ipv4Addr>().is_ok(),
            "AAAA" => data.parse::<Ipv6Addr>().is_ok(),
            "NS" | "CNAME" | "PTR" => is_name(data) && fields.len() == 1,
            "SRV" => fields.len() == 4 && is_name(fields[3]) && fields[0] == "0",
            "SOA" => fields.len() == 7 && is_name(fields[0]) && is_name(fields[1]),
            "TXT" => data == "\"1.1.0\"",
            other => panic!("{other} in {line}"),
        };
        assert!(is_good, "{line}");
    }
}

#[test]
fn zones_come_in_their_order_and_long_names_stay_out() {
    let room = Room::new();
    let [service, namespace] = ["s", "n"].map(|label| label.repeat(63));
    let text = manifest("192.0.2.1").replace("name: db", &format!("name: {service}"));
    room.write("long.yaml", text.replace("namespace: shop", &format!("namespace: {namespace}")));
    // `S.N.svc.` takes 132 octets: with a zone of 123, that is the longest name that there can be.
    for (last, is_there) in [(58, true), (59, false)] {
        let zone = format!("{}.{}", "z".repeat(62), "z".repeat(last));
        let zones = ["--manifests", "long.yaml", "--zone", "2.0.192.in-addr.arpa", "--zone", &zone];
        let lines = dump(&room, &zones);
        let own = format!("{service}.{namespace}.svc.{zone}. 5 IN A 192.0.2.1");
        assert_eq!(lines.contains(&own), is_there, "{last}");
        assert!(lines[0].starts_with("2.0.192.in-addr.arpa. 5 IN SOA ns.dns.zzz"), "{}", lines[0]);
        let other = lines.iter().position(|line| line.starts_with(&format!("{zone}. 5 IN SOA")));
        assert!(other.is_some_and(|at| at > 1), "{lines:?}");
    }
}

#[test]
fn broken_files_are_told_and_the_rest_is_dumped() {
    let room = Room::new();
    room.write("m/a.yaml", manifest("192.0.2.1"));
    room.write("m/b.yaml", "kind: {\n");
    let ended = room.run(&["dump", "--manifests", "m", "--listen", "127.0.0.1:53"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("\ndb.shop.svc.cluster.local. 5 IN A 192.0.2.1\n"));
    assert!(ended.err.contains("m/b.yaml:1:7: not YAML") && ended.err.lines().count() == 1);
}
