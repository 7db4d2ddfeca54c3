//! Directives of a Corefile that shape single answers, over UDP and TCP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsCode;
use hickory_proto::rr::{DNSClass, Name, RecordType};

use crate::run::{PATIENCE, Room, Served, manifest};

const NAME: &str = "db.shop.svc.cluster.local.";

fn message(name: &str, qtype: RecordType, class: DNSClass) -> Message {
    let mut message = Message::query();
    message.metadata.id = 7;
    message.metadata.recursion_desired = true;
    let mut query = Query::query(Name::from_ascii(name).expect("a name"), qtype);
    query.set_query_class(class);
    message.add_query(query);
    message
}

/// The answer over UDP, which must be the same over TCP; none where neither says anything.
fn ask(served: &Served, message: &Message) -> Option<Message> {
    let octets = message.to_vec().expect("a query");
    let udp = served.socket();
    udp.set_read_timeout(Some(Duration::from_millis(300))).expect("time-out");
    udp.send(&octets).expect("send");
    let mut room = vec![0; 4096];
    let over_udp = udp.recv(&mut room).ok().map(|length| room[..length].to_vec());

    let mut tcp = TcpStream::connect(served.address).expect("connect");
    let patience = if over_udp.is_some() { PATIENCE } else { Duration::from_millis(300) };
    tcp.set_read_timeout(Some(patience)).expect("time-out");
    let length = u16::try_from(octets.len()).expect("short");
    tcp.write_all(&[&length.to_be_bytes()[..], &octets].concat()).expect("write");
    let mut prefix = [0; 2];
    let over_tcp = tcp.read_exact(&mut prefix).ok().map(|()| {
        let mut response = vec![0; usize::from(u16::from_be_bytes(prefix))];
        tcp.read_exact(&mut response).expect("a message");
        response
    });
    assert_eq!(over_udp, over_tcp, "all transports are alike");
    over_udp.map(|octets| Message::from_vec(&octets).expect("a message"))
}

fn serve(room: &Room, directives: &str) -> Served {
    room.write("db.yaml", manifest("192.0.2.1"));
    let corefile = format!(
        ".:0 {{\n    bind 127.0.0.1\n    kubernetes cluster.local {{\n        manifests db.yaml\n    \
         }}\n{directives}\n}}\n"
    );
    room.write("Corefile", corefile);
    room.serve(&["-c", "Corefile"])
}

#[test]
fn acl_decides_before_anything_else() {
    let room = Room::new();
    let served = serve(
        &room,
        "    acl svc.cluster.local {\n        allow type A net 127.0.0.0/8\n        filter type AAAA\n\
         \x20       block type SRV ANY\n        drop type TXT\n    }",
    );
    let of = |qtype| ask(&served, &message(NAME, qtype, DNSClass::IN));
    let found = of(RecordType::A).expect("an answer");
    assert_eq!((found.metadata.response_code, found.answers.len()), (ResponseCode::NoError, 1));
    let found = of(RecordType::AAAA).expect("an answer");
    assert_eq!(found.metadata.response_code, ResponseCode::NoError);
    assert!(
        found.answers.is_empty() && found.authorities.is_empty() && !found.metadata.authoritative
    );
    let found = of(RecordType::SRV).expect("an answer");
    assert_eq!(found.metadata.response_code, ResponseCode::Refused);
    // ANY is a type of its own, not all of them: these still get through.
    let found = of(RecordType::ANY).expect("an answer");
    assert_eq!(found.metadata.response_code, ResponseCode::Refused);
    let found = of(RecordType::MX).expect("an answer");
    assert_eq!(found.metadata.response_code, ResponseCode::NoError);
    assert!(found.metadata.authoritative);
    assert!(of(RecordType::TXT).is_none(), "dropped");
    // Another zone is none of the list's.
    let other = ask(&served, &message("cluster.local.", RecordType::SOA, DNSClass::IN));
    assert_eq!(other.expect("an answer").answers.len(), 1);
    // The reason is told to whoever asks with EDNS: 15 is Blocked, 17 Filtered.
    for (qtype, code, text) in
        [(RecordType::SRV, 15, "'acl' blocks this"), (RecordType::AAAA, 17, "'acl' filters this")]
    {
        let mut asked = message(NAME, qtype, DNSClass::IN);
        asked.set_edns(Edns::new());
        let found = ask(&served, &asked).expect("an answer");
        let edns = found.edns.expect("EDNS");
        let option = edns.option(EdnsCode::from(15)).expect("an extended error");
        let expected = [&[0, code], text.as_bytes()].concat();
        assert_eq!(Vec::<u8>::try_from(option).expect("octets"), expected, "{qtype}");
    }
}

#[test]
fn who_answers_is_told_where_the_corefile_says_so() {
    let room = Room::new();
    let served = serve(&room, "    chaos our-version Ada Grace\n    nsid node-1\n    minimal");
    let texts = |name: &str| -> Vec<String> {
        let found = ask(&served, &message(name, RecordType::TXT, DNSClass::CH));
        found.expect("an answer").answers.iter().map(|record| record.data.to_string()).collect()
    };
    let said = |texts: Vec<String>| -> Vec<String> {
        texts.iter().map(|text| text.trim_matches('"').to_owned()).collect()
    };
    assert_eq!(said(texts("version.bind.")), ["our-version"]);
    assert_eq!(said(texts("version.server.")), ["our-version"]);
    assert_eq!(said(texts("authors.bind.")), ["Ada", "Grace"]);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a host");
    assert_eq!(said(texts("hostname.bind.")), [host.trim()]);
    assert_eq!(said(texts("id.server.")), [host.trim()]);
    let other = ask(&served, &message("other.bind.", RecordType::TXT, DNSClass::CH));
    assert_eq!(other.expect("an answer").metadata.response_code, ResponseCode::Refused);

    let mut asked = message(NAME, RecordType::SRV, DNSClass::IN);
    let mut edns = Edns::new();
    edns.options_mut().insert(hickory_proto::rr::rdata::opt::EdnsOption::Unknown(3, Vec::new()));
    asked.set_edns(edns);
    let found = ask(&served, &asked).expect("an answer");
    assert_eq!((found.answers.len(), found.additionals.len()), (1, 0), "minimal");
    let edns = found.edns.expect("EDNS");
    let option = edns.option(EdnsCode::from(3)).expect("NSID");
    assert_eq!(Vec::<u8>::try_from(option).expect("octets"), b"node-1");
}

#[test]
fn nobody_is_told_where_the_corefile_says_nothing() {
    let room = Room::new();
    let served = serve(&room, "");
    let asked = message("version.bind.", RecordType::TXT, DNSClass::CH);
    let found = ask(&served, &asked).expect("an answer");
    assert_eq!(found.metadata.response_code, ResponseCode::Refused);
    // With quick options the version and the host are told.
    let quick = room.serve(&["--manifests", "db.yaml", "--listen", "127.0.0.1:0"]);
    let version = ask(&quick, &asked).expect("an answer").answers[0].data.to_string();
    assert!(version.contains(concat!("fingerpost-", env!("CARGO_PKG_VERSION"))), "{version}");
}

#[test]
fn debug_adds_lines_to_the_log() {
    let room = Room::new();
    serve(&room, "    debug").told("UDP receive buffer");
    let served = serve(&room, "");
    served.told("answering");
    assert_eq!(served.times_told("UDP receive buffer"), 0);
}

/// The addresses or names that a question is answered with, sorted; or its response code.
fn data(served: &Served, name: &str, qtype: RecordType) -> Result<Vec<String>, ResponseCode> {
    let found = ask(served, &message(name, qtype, DNSClass::IN)).expect("an answer");
    if found.metadata.response_code != ResponseCode::NoError {
        return Err(found.metadata.response_code);
    }
    let mut all: Vec<String> = found.answers.iter().map(|record| record.data.to_string()).collect();
    all.sort();
    Ok(all)
}

#[test]
fn hosts_answers_before_the_cluster() {
    let room = Room::new();
    room.write("hosts", "192.0.2.7 node-1 node-1.example # the first\n2001:db8::7 node-1\n");
    let served = serve(
        &room,
        "    hosts hosts {\n        192.0.2.8 inline.example\n        192.0.2.9 \
         db.shop.svc.cluster.local\n        ttl 60\n        reload 100ms\n        fallthrough\n    }",
    );
    let data = |name: &str, qtype| data(&served, name, qtype);
    for (name, qtype, expected) in [
        ("node-1.", RecordType::A, vec!["192.0.2.7"]),
        ("NODE-1.", RecordType::AAAA, vec!["2001:db8::7"]),
        ("node-1.example.", RecordType::A, vec!["192.0.2.7"]),
        // The name is there, the type is not.
        ("node-1.example.", RecordType::AAAA, vec![]),
        ("node-1.", RecordType::TXT, vec![]),
        ("inline.example.", RecordType::A, vec!["192.0.2.8"]),
        ("7.2.0.192.in-addr.arpa.", RecordType::PTR, vec!["node-1.", "node-1.example."]),
        // Before the cluster's own.
        (NAME, RecordType::A, vec!["192.0.2.9"]),
    ] {
        assert_eq!(
            data(name, qtype),
            Ok(expected.into_iter().map(String::from).collect()),
            "{name}"
        );
    }
    let first = ask(&served, &message("node-1.", RecordType::A, DNSClass::IN)).expect("an answer");
    assert_eq!((first.answers[0].ttl, first.metadata.authoritative), (60, true));
    // What is not there goes on: to the cluster, and then to nobody.
    assert_eq!(data("db.none.svc.cluster.local.", RecordType::A), Err(ResponseCode::NXDomain));
    assert_eq!(data("other.example.", RecordType::A), Err(ResponseCode::Refused));
    // The file is followed.
    room.write("hosts", "192.0.2.17 node-1\n");
    // Over one transport alone: the other may be asked a moment after the change.
    served.until("node-1.", "192.0.2.17");
    assert_eq!(data("node-1.example.", RecordType::A), Err(ResponseCode::Refused), "gone");
}

#[test]
fn hosts_without_fallthrough_has_the_last_word() {
    let room = Room::new();
    room.write("hosts", "192.0.2.7 node-1.example\n");
    let served = serve(&room, "    hosts hosts example {\n        no_reverse\n    }");
    let data = |name: &str, qtype| data(&served, name, qtype);
    assert_eq!(data("node-1.example.", RecordType::A), Ok(vec!["192.0.2.7".into()]));
    assert_eq!(data("node-2.example.", RecordType::A), Err(ResponseCode::ServFail), "as CoreDNS");
    assert_eq!(data(NAME, RecordType::A), Ok(vec!["192.0.2.1".into()]), "another zone");
    let reverse = data("7.2.0.192.in-addr.arpa.", RecordType::PTR);
    assert_eq!(reverse, Err(ResponseCode::Refused));
}
