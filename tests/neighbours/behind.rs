//! Every name of the examples, asked of the server in front, over UDP and TCP.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

use crate::program::Program;
use crate::run::{PATIENCE, Room, Served, examples};

/// The address that the documentation gives fingerpost's Service.
const DOCUMENTED: &str = "10.96.0.53";

const DNSMASQ: Program = Program {
    name: "dnsmasq",
    places: &["/usr/sbin"],
    cure: "it is in Debian's dnsmasq-base",
    arguments: |address| {
        let all = format!(
            "--keep-in-foreground --conf-file=conf --pid-file= --no-resolv --no-hosts --user= \
             --stop-dns-rebind --bind-interfaces --listen-address={} --port={}",
            address.ip(),
            address.port(),
        );
        all.split_whitespace().map(str::to_owned).collect()
    },
};

const UNBOUND: Program = Program {
    name: "unbound",
    places: &["/usr/sbin"],
    cure: "it is in Debian's unbound",
    arguments: |_| vec!["-d".into(), "-c".into(), "conf".into()],
};

pub(crate) const COREDNS: Program = Program {
    name: "coredns",
    places: &["go/bin"],
    cure: "where Go is: go install github.com/coredns/coredns@latest",
    arguments: |_| vec!["-conf".into(), "conf".into()],
};

/// The configuration below a heading, with this address for the documented one.
fn documented(heading: &str, address: &str) -> String {
    let page = include_str!("../../deploy/forward-target/README.md");
    let (_, section) = page.split_once(&format!("## {heading}\n")).expect("the heading");
    let (_, block) = section.split_once("\n```").expect("a block");
    let (block, _) = block.split_once("\n```").expect("its end");
    let (_, text) = block.split_once('\n').expect("a line");
    assert!(text.contains(DOCUMENTED), "{heading} names no {DOCUMENTED}");
    format!("{}\n", text.replace(DOCUMENTED, address))
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Over {
    Udp,
    Tcp,
}

/// A response's code, and its answers as text, sorted.
pub(crate) type Told = (ResponseCode, Vec<String>);

pub(crate) fn ask(server: SocketAddr, over: Over, name: &str, kind: RecordType) -> Told {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), kind));
    let octets = message.to_vec().expect("a query");
    let mut room = vec![0; 65_535];
    let length = match over {
        Over::Udp => {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
            socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
            socket.connect(server).expect("connect");
            socket.send(&octets).expect("send");
            socket.recv(&mut room).expect("a response")
        }
        Over::Tcp => {
            let mut stream = TcpStream::connect(server).expect("connect");
            stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
            let length = u16::try_from(octets.len()).expect("short");
            stream.write_all(&[&length.to_be_bytes()[..], &octets].concat()).expect("write");
            let mut length = [0; 2];
            stream.read_exact(&mut length).expect("a length");
            let length = usize::from(u16::from_be_bytes(length));
            stream.read_exact(&mut room[..length]).expect("a response");
            length
        }
    };
    let message = Message::from_vec(&room[..length]).expect("a message");
    // TTLs are counted down by who keeps answers.
    let line = |record: &hickory_proto::rr::Record| {
        format!("{} {} {}", record.name, record.record_type(), record.data)
    };
    let mut answers: Vec<String> = message.answers.iter().map(line).collect();
    answers.sort();
    (message.metadata.response_code, answers)
}

/// The names and types of everything that is served below `cluster.local`, and the same with what
/// does not exist.
pub(crate) fn questions(room: &Room) -> Vec<(String, RecordType)> {
    let ended = room.run(&["dump", "--manifests", &examples()]);
    let mut all = BTreeSet::new();
    for line in ended.out.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, kind, data) = (words[0], words[3], words[4]);
        // A resolver in front asks the world for a target outside.
        if kind == "CNAME" && !data.ends_with(".cluster.local.") {
            continue;
        }
        // The apex is the neighbour's own business, and so are reverse zones here.
        if name.ends_with(".svc.cluster.local.") || name.ends_with(".endpoints.cluster.local.") {
            let kind: RecordType = kind.parse().expect("a type");
            all.insert((name.to_owned(), kind));
            all.insert((name.to_owned(), RecordType::TXT));
            all.insert((format!("nobody.{name}"), RecordType::A));
        }
    }
    assert!(all.len() > 60, "few questions: {all:?}");
    all.into_iter().collect()
}

/// Puts the neighbour in front and asks both.
fn in_front(program: &Program, configure: impl Fn(&Served, SocketAddr) -> String) {
    let room = Room::new();
    let served = room.serve(&["--manifests", &examples(), "--listen", "127.0.0.1:0"]);
    let Some(front) = program.run(|address| configure(&served, address)) else { return };
    for (name, kind) in questions(&room) {
        for over in [Over::Udp, Over::Tcp] {
            let direct = ask(served.address, over, &name, kind);
            let through = ask(front.address, over, &name, kind);
            assert_eq!(through, direct, "{} {name} {kind} over {over:?}", program.name);
        }
    }
}

#[test]
fn dnsmasq() {
    in_front(&DNSMASQ, |served, _| {
        let port = served.address.port();
        documented("dnsmasq", &format!("127.0.0.1#{port}"))
    });
}

#[test]
fn unbound() {
    in_front(&UNBOUND, |served, address| {
        let stub = documented("unbound", &format!("127.0.0.1@{}", served.address.port()));
        // What lets it run in a folder of its own and ask the loopback.
        format!(
            "server:\n  interface: {}@{}\n  username: \"\"\n  chroot: \"\"\n  directory: \".\"\n  \
             pidfile: \"\"\n  use-syslog: no\n  do-not-query-localhost: no\n  \
             module-config: \"validator iterator\"\nremote-control:\n  control-enable: no\n{stub}",
            address.ip(),
            address.port(),
        )
    });
}

#[test]
fn coredns() {
    in_front(&COREDNS, |served, address| {
        let block = documented("CoreDNS", &format!("127.0.0.1:{}", served.address.port()));
        block.replace(":53 {", &format!(":{} {{\n    bind {}", address.port(), address.ip()))
    });
}

/// As a cache on the node asks: over TCP, on connections that are kept.
#[test]
fn coredns_over_tcp() {
    in_front(&COREDNS, |served, address| {
        format!(
            "cluster.local:{} {{\n  bind {}\n  cache 30\n  forward . 127.0.0.1:{} {{\n    force_tcp\n  }}\n}}\n",
            address.port(),
            address.ip(),
            served.address.port(),
        )
    });
}
