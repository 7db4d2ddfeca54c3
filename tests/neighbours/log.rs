//! The same queries, logged by CoreDNS and here: the same lines, but for times, ports and sizes of
//! responses, which CoreDNS reckons without compression.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{DNSClass, Name, RecordType};

use crate::behind::COREDNS;
use crate::run::{PATIENCE, Room, manifest};

/// What both have in front of what only one of them can: here the cluster's names, there templates.
const DIRECTIVES: &str = "bind 127.0.0.1\n log\n log x \"{combined} {local} {/a/b}\"\n acl {\n  block type TXT\n  drop type NULL\n }\n";
const TEMPLATES: &str = "\
 template IN A db.shop.svc.cluster.local {\n  answer \"{{ .Name }} 5 IN A 192.0.2.1\"\n }
 template IN MX db.shop.svc.cluster.local {\n  authority \"cluster.local. 5 IN SOA a. b. 1 2 3 4 5\"\n }
 template IN ANY none.shop.svc.cluster.local {\n  rcode NXDOMAIN\n  authority \"cluster.local. 5 IN SOA a. b. 1 2 3 4 5\"\n }\n";

fn queries() -> Vec<Vec<u8>> {
    let plain = |name: &str, of: RecordType| {
        let mut message = Message::query();
        message.metadata.id = 4660;
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).expect("a name"), of));
        message
    };
    let mut with_edns = plain("DB.shop.svc.cluster.local.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(1_400).set_dnssec_ok(true);
    with_edns.set_edns(edns);
    let mut chaos = plain("db.shop.svc.cluster.local.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    let mut other = plain("db.shop.svc.cluster.local.", RecordType::A);
    other.metadata.recursion_desired = false;
    other.metadata.checking_disabled = true;
    let all = [
        plain("db.shop.svc.cluster.local.", RecordType::A),
        plain("db.shop.svc.cluster.local.", RecordType::MX),
        plain("none.shop.svc.cluster.local.", RecordType::AAAA),
        plain("none.shop.svc.cluster.local.", RecordType::TXT),
        plain("none.shop.svc.cluster.local.", RecordType::NULL),
        plain("none.shop.svc.cluster.local.", RecordType::Unknown(65_280)),
        with_edns,
        chaos,
        other,
        plain("www.example.", RecordType::A),
    ];
    all.iter().map(|message| message.to_vec().expect("a query")).collect()
}

/// Asks them one after the other; what is dropped has no answer.
fn ask(server: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    socket.connect(server).expect("connect");
    for query in queries() {
        let dropped = query.windows(5).any(|octets| octets == [0, 0, 10, 0, 1]);
        let patience = if dropped { Duration::from_millis(200) } else { PATIENCE };
        socket.set_read_timeout(Some(patience)).expect("time-out");
        socket.send(&query).expect("send");
        let answered = socket.recv(&mut [0; 4_096]).is_ok();
        assert_eq!(answered, !dropped);
    }
}

/// Lines about the queries, without times, ports and the sizes of responses.
fn lines(log: &str) -> Vec<String> {
    let about = |line: &&str| {
        (line.starts_with("[INFO] 127.0.0.1:") && line.contains(" - 4660 "))
            || line.contains("plugin/errors")
    };
    log.lines()
        .filter(about)
        .map(|line| {
            if line.contains("plugin/errors") {
                // What follows is in everybody's own words.
                let end = line.find(" A: ").expect("a type");
                return line[..end].to_owned();
            }
            let words: Vec<&str> = line.split(' ').collect();
            let word = |(at, word): (usize, &&str)| match at {
                1 => "127.0.0.1:PORT".to_owned(),
                13 => {
                    assert!(word.parse::<u16>().is_ok(), "{line}");
                    "RSIZE".into()
                }
                14 => {
                    let seconds = word.strip_suffix('s').and_then(|s| s.parse::<f64>().ok());
                    assert!(seconds.is_some(), "{line}");
                    "DURATION".into()
                }
                _ => (*word).to_owned(),
            };
            words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// The lines about all queries, sorted: CoreDNS writes each after the answer and in a goroutine of its
/// own, so that the next query's line may stand before it.
fn logged(log: impl Fn() -> String) -> Vec<String> {
    let limit = Instant::now() + PATIENCE;
    let expected = queries().len();
    let mut found = lines(&log());
    while found.len() < expected && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(2));
        found = lines(&log());
    }
    assert_eq!(found.len(), expected, "{}", log());
    found.sort_unstable();
    found
}

#[test]
fn lines_about_queries_are_those_of_coredns() {
    // Nobody listens there for UDP while TCP is held.
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let nobody = held.local_addr().expect("bound");
    let corefile = |port: u16, names: &str| {
        format!(
            "cluster.local:{port} {{\n {DIRECTIVES}{names}}}\n\
             example:{port} {{\n bind 127.0.0.1\n log . {{\n  class success\n }}\n errors\n forward . {nobody}\n}}\n"
        )
    };
    let Some(coredns) = COREDNS.run(|address| corefile(address.port(), TEMPLATES)) else { return };
    let room = Room::new();
    room.write("db.yaml", manifest("192.0.2.1"));
    room.write("Corefile", corefile(0, " kubernetes {\n  manifests db.yaml\n }\n"));
    let mut served = room.serve(&["-c", "Corefile"]);
    let output = served.output();
    ask(coredns.address);
    ask(served.address);
    let theirs = logged(|| coredns.log());
    let ours = logged(|| output.lines().join("\n"));
    assert_eq!(ours, theirs);
}
