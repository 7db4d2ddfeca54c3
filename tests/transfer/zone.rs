//! What is handed over, record by record.

use std::collections::BTreeSet;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};

use crate::client::{ZONE, ask, line, lines, query, serve, take};
use crate::run::{Room, examples};

/// The records that `dump` has of the zone, the serial taken out.
fn dumped(room: &Room, manifests: &str) -> Vec<String> {
    let ended = room.run(&[
        "dump",
        "--manifests",
        manifests,
        "--listen",
        "127.0.0.1:53",
        "--zone",
        "cluster.local",
    ]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let mut lines: Vec<String> = ended.out.lines().map(without_serial).collect();
    lines.sort();
    lines
}

fn without_serial(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    if words.get(3) == Some(&"SOA") {
        words[6] = "SERIAL";
    }
    words.join(" ")
}

/// What both a transfer and a query may not be other than.
fn judge(messages: &[Message]) {
    for (at, message) in messages.iter().enumerate() {
        let metadata = &message.metadata;
        assert_eq!(metadata.response_code, ResponseCode::NoError);
        assert!(metadata.authoritative && !metadata.truncation, "{metadata:?}");
        assert_eq!(metadata.id, messages[0].metadata.id);
        // RFC 5936, section 2.2.1.
        assert_eq!(message.queries.len(), usize::from(at == 0));
        assert!(message.authorities.is_empty() && message.additionals.is_empty());
        assert!(message.edns.is_some());
    }
}

#[test]
fn the_zone_is_what_dump_and_queries_say() {
    let room = Room::new();
    let served = serve(&room, &examples(), "transfer {\n to *\n }");
    let messages = take(served.address, &query(ZONE, RecordType::AXFR));
    judge(&messages);
    let lines = lines(&messages);
    let (first, last) = (lines.first().expect("a record"), lines.last().expect("a record"));
    assert!(first.starts_with("cluster.local. 5 IN SOA ns.dns.cluster.local. "), "{first}");
    assert_eq!(first, last);
    // Each record once, and no other than those of `dump`, which finds itself at no address.
    let all = &lines[..lines.len() - 1];
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "a record comes twice");
    let mut handed: Vec<String> = all.iter().map(|line| without_serial(line)).collect();
    handed.sort();
    assert_eq!(handed, dumped(&room, &examples()));
    assert!(handed.iter().any(|line| line.contains(" CNAME warehouse.example.com.")));
    assert!(!handed.iter().any(|line| line.contains(".pod.") || line.contains("arpa")));
    // Every set is what a query for it is answered.
    let records: Vec<_> = messages.iter().flat_map(|message| &message.answers).collect();
    let names: BTreeSet<_> = records.iter().map(|r| (r.name.to_ascii(), r.record_type())).collect();
    assert!(names.len() > 60, "{names:?}");
    for (name, rtype) in names {
        let reply = ask(served.address, &query(&name, rtype));
        let mut answered: Vec<String> =
            reply.answers.iter().filter(|r| r.record_type() == rtype).map(line).collect();
        let of_name =
            |r: &&&hickory_proto::rr::Record| r.name.to_ascii() == name && r.record_type() == rtype;
        let mut handed: Vec<String> =
            all_but_last(&records).iter().filter(of_name).map(|r| line(r)).collect();
        answered.sort();
        handed.sort();
        assert_eq!(handed, answered, "{name} {rtype}");
    }
}

fn all_but_last<T>(records: &[T]) -> &[T] {
    &records[..records.len() - 1]
}

#[test]
fn case_and_class_are_as_in_any_query() {
    let room = Room::new();
    let served = serve(&room, &examples(), "transfer {\n to 127.0.0.1\n }");
    let messages = take(served.address, &query("CLUSTER.local.", RecordType::AXFR));
    assert_eq!(messages[0].queries[0].name().to_ascii(), "CLUSTER.local.");
    judge(&messages);
    let mut other = query(ZONE, RecordType::AXFR);
    other.queries[0].query_class = DNSClass::CH;
    let reply = ask(served.address, &other);
    assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
}

#[test]
fn a_connection_goes_on_after_a_transfer() {
    use crate::client::Taking;
    let room = Room::new();
    let served = serve(&room, &examples(), "transfer {\n to *\n }");
    let mut taking = Taking::begin(served.address, &query(ZONE, RecordType::AXFR));
    // Asked before anything is read: answered behind the zone, in this order.
    taking.send(&query("mysql.shop.svc.cluster.local.", RecordType::A));
    taking.send(&query(ZONE, RecordType::AXFR));
    judge(&taking.rest(0));
    let reply = Message::from_vec(&taking.next()).expect("a message");
    assert_eq!((reply.answers.len(), reply.answers[0].record_type()), (2, RecordType::A));
    judge(&taking.rest(0));
}
