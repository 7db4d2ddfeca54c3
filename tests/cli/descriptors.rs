//! A server that runs out of file descriptors: it waits longer and longer before it accepts again,
//! goes on answering over UDP with what it knows, and is whole again when there are some.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::run::{PATIENCE, Room, Served, manifest, query};

const NAME: &str = "db.shop.svc.cluster.local.";
/// How many descriptors are left to it, and how many connections are more than that.
const SPARE: usize = 8;
const CLIENTS: usize = 3 * SPARE;

/// Leaves the server this many descriptors beside those that it has open.
fn leave(served: &Served, spare: usize) {
    let open = std::fs::read_dir(format!("/proc/{}/fd", served.pid())).expect("its descriptors");
    let numbers = open.map(|entry| entry.expect("an entry").file_name());
    let numbers = numbers.map(|name| name.to_str().expect("a number").parse().expect("a number"));
    let open: HashSet<usize> = numbers.collect();
    // The limit is one for numbers, of which the lowest free one is taken each time.
    let limit = (0..).filter(|number| !open.contains(number)).nth(spare).expect("a number");
    let status = Command::new("prlimit")
        .args(["--pid", &served.pid().to_string()])
        .arg(format!("--nofile={limit}:"))
        .status()
        .expect("prlimit, of Debian's util-linux");
    assert!(status.success());
}

/// Connections that have asked. The kernel completes them whether they are accepted or not.
fn clients(served: &Served) -> Vec<TcpStream> {
    let message = query(7, NAME);
    let length = u16::try_from(message.len()).expect("short").to_be_bytes();
    (0..CLIENTS)
        .map(|_| {
            let mut client = TcpStream::connect(served.address).expect("connect");
            client.set_read_timeout(Some(PATIENCE)).expect("time-out");
            client.write_all(&[&length[..], &message].concat()).expect("write");
            client
        })
        .collect()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < limit, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn without_descriptors_it_waits_longer_and_longer_and_recovers() {
    let room = Room::new();
    room.write("db.yaml", manifest("192.0.2.1"));
    let served = room.serve(&["--manifests", "db.yaml", "--listen", "127.0.0.1:0"]);
    assert_eq!(served.a(NAME), Ok(vec!["192.0.2.1".into()]));
    leave(&served, SPARE);
    let told = |pause: &str| served.times_told(&format!("pause={pause}"));
    let waiting = clients(&served);
    served.told("cannot accept TCP connections; trying again");
    for pause in ["1ms", "2ms", "4ms", "8ms", "16ms", "32ms"] {
        until(pause, || told(pause) > 0);
        assert_eq!(told(pause), 1, "{pause}: the next one is longer");
    }
    // What cannot be read now is neither gone nor forgotten.
    room.write("db.yaml", manifest("192.0.2.2"));
    until("a try to read it", || {
        assert_eq!(served.a(NAME), Ok(vec!["192.0.2.1".into()]));
        served.times_told("db.yaml") > 0
    });
    let line = served.told("db.yaml");
    assert!(line.contains("Too many open files"), "{line}");
    // Whoever waits gets in as others go.
    answered(waiting);
    served.until(NAME, "192.0.2.2");
    // It starts over with a short pause.
    let shortest = told("1ms");
    let waiting = clients(&served);
    until("the shortest pause again", || told("1ms") > shortest);
    answered(waiting);
}

/// Each has its answer, one after the other, and goes.
fn answered(clients: Vec<TcpStream>) {
    for mut client in clients {
        let mut answer = [0; 512];
        assert!(client.read(&mut answer).expect("an answer") > 2);
    }
}
