//! Beside CoreDNS's cache: what is kept, for how long, and how often an upstream is asked.

use std::net::{SocketAddr, UdpSocket};

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};

use crate::behind::COREDNS;
use crate::run::{PATIENCE, Room};
use crate::upstream::Upstream;

/// Names of the upstream, each of which says what it answers.
const NAMES: &[&str] = &[
    "a300.test.",
    "a1.test.",
    "a9999.test.",
    "c40.test.",
    "nx50.test.",
    "nx1.test.",
    "nx9999.test.",
    "none.test.",
    "fail.test.",
    "refuse.test.",
    "a60.live.test.",
    "nx60.live.test.",
];

const CACHES: &[&str] = &[
    "cache",
    "cache 30",
    "cache 3600 live.test",
    "cache {\nsuccess 1000 600 10\ndenial 1000 700 20\n}",
    "cache {\nservfail 0\nkeepttl\n}",
    "cache 30 {\ndisable success live.test\ndisable denial live.test\n}",
    "cache {\ndisable denial\n}",
];

/// A response's code, and types and TTLs of answer and authority.
fn ask(server: SocketAddr, name: &str) -> String {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), RecordType::A));
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
    socket.connect(server).expect("connect");
    socket.send(&message.to_vec().expect("a query")).expect("send");
    let mut room = [0; 4_096];
    let len = socket.recv(&mut room).expect("a response");
    let message = Message::from_vec(&room[..len]).expect("a message");
    let records = message.answers.iter().chain(&message.authorities);
    let mut records: Vec<String> =
        records.map(|record| format!("{} {}", record.record_type(), record.ttl)).collect();
    // Aliases stand in front here, wherever they stood.
    records.sort();
    format!("{:?} {}", message.metadata.response_code, records.join(", "))
}

/// What each name is answered the first time, and how often the upstream was asked for it in three.
fn told(server: SocketAddr, upstream: &Upstream) -> Vec<(String, usize)> {
    let of_name = |name: &&str| {
        upstream.asked();
        let first = ask(server, name);
        (0..2).for_each(|_| drop(ask(server, name)));
        (format!("{name} {first}"), upstream.asked().len())
    };
    NAMES.iter().map(of_name).collect()
}

#[test]
fn both_keep_the_same_for_as_long() {
    for cache in CACHES {
        let upstreams = [(); 2].map(|()| Upstream::start());
        let corefile = |port: u16, upstream: &Upstream| {
            let upstream = upstream.address;
            format!(".:{port} {{\nbind 127.0.0.1\n{cache}\nforward . {upstream}\n}}\n")
        };
        let theirs = COREDNS.run(|address| corefile(address.port(), &upstreams[0]));
        let Some(theirs) = theirs else { return };
        let room = Room::new();
        room.write("Corefile", corefile(0, &upstreams[1]));
        let ours = room.serve(&["-c", "Corefile"]);
        let expected = told(theirs.address, &upstreams[0]);
        assert_eq!(told(ours.address, &upstreams[1]), expected, "{cache}");
    }
}
