//! `serve`: how it stops.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::run::{PATIENCE, Room, manifest, query};

const NAME: &str = "db.shop.svc.cluster.local.";
/// Queries sent before the signal: fewer than what a socket's default buffers hold.
const QUERIES: u16 = 100;

fn room() -> Room {
    let room = Room::new();
    room.write("db.yaml", manifest("192.0.2.1"));
    room
}

const SERVE: [&str; 4] = ["--manifests", "db.yaml", "--listen", "127.0.0.1:0"];

#[test]
fn sigterm_answers_all_that_was_sent_and_exits_with_0() {
    let room = room();
    let mut served = room.serve(&SERVE);
    let udp = served.socket();
    let mut tcp = TcpStream::connect(served.address).expect("connect");
    tcp.set_read_timeout(Some(PATIENCE)).expect("time-out");
    // One answer, so that the connection is known to have been accepted.
    let framed = |id: u16| {
        let message = query(id, NAME);
        [&u16::try_from(message.len()).expect("short").to_be_bytes()[..], &message].concat()
    };
    let read = |tcp: &mut TcpStream| {
        let mut prefix = [0; 2];
        tcp.read_exact(&mut prefix).expect("a length");
        let mut message = vec![0; usize::from(u16::from_be_bytes(prefix))];
        tcp.read_exact(&mut message).expect("a message");
        u16::from_be_bytes([message[0], message[1]])
    };
    tcp.write_all(&framed(0xffff)).expect("write");
    assert_eq!(read(&mut tcp), 0xffff);
    for id in 0..QUERIES {
        udp.send(&query(id, NAME)).expect("send");
    }
    tcp.write_all(&(0..QUERIES).flat_map(framed).collect::<Vec<u8>>()).expect("write");
    served.signal("TERM");
    let mut room = [0; 512];
    let mut answered: Vec<u16> = (0..QUERIES)
        .map(|_| {
            udp.recv(&mut room).expect("a response");
            u16::from_be_bytes([room[0], room[1]])
        })
        .collect();
    answered.sort_unstable();
    assert!(answered.into_iter().eq(0..QUERIES), "each query over UDP once");
    let mut answered: Vec<u16> = (0..QUERIES).map(|_| read(&mut tcp)).collect();
    answered.sort_unstable();
    assert!(answered.into_iter().eq(0..QUERIES), "each query over TCP once");
    assert_eq!(served.end().code(), Some(0));
    assert_eq!(tcp.read(&mut room).expect("an orderly end"), 0);
}

#[test]
fn sigint_stops_as_sigterm_does() {
    let room = room();
    let mut served = room.serve(&SERVE);
    assert_eq!(served.a(NAME), Ok(vec!["192.0.2.1".into()]));
    served.signal("INT");
    assert_eq!(served.end().code(), Some(0));
}

#[test]
fn a_second_sigterm_ends_it_at_once() {
    let room = room();
    room.write(
        "Corefile",
        ".:0 {\n  bind 127.0.0.1\n  health 127.0.0.1:0 {\n    lameduck 1h\n  }\n  \
         kubernetes cluster.local {\n    manifests db.yaml\n  }\n}\n",
    );
    let mut served = room.serve(&["-c", "Corefile"]);
    served.signal("TERM");
    served.told("stopping; answers go on");
    assert_eq!(served.a(NAME), Ok(vec!["192.0.2.1".into()]), "answers go on");
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
    served.told("stopped");
}
