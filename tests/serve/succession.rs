//! One server takes another one's place on the same sockets: nobody who asks notices.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use fingerpost::serve::{Options, Server, Sockets};

use crate::toy::*;

/// Queries in all, through so many successions.
const QUERIES: u64 = 100_000;
const SUCCESSIONS: u64 = 10;

/// Asks one after the other until told to stop; every single one must be answered.
fn ask_over_udp(to: SocketAddr, stop: &AtomicBool, answered: &AtomicU64) {
    let socket = udp(to);
    let mut number = 0;
    while !stop.load(Ordering::Acquire) {
        number = (number + 1) % 60_000;
        let query = query(number, ECHO, number);
        assert_eq!(ask(&socket, &query), query);
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// The same over streams. A connection that ends in an orderly way before a query was answered takes
/// the query with it, and it is asked again on a new one (RFC 7766, section 6.2.4); a reset or a
/// connection that cannot be had is a fault.
fn ask_over_tcp(to: SocketAddr, stop: &AtomicBool, answered: &AtomicU64) {
    let mut stream = tcp(to);
    let mut number = 0;
    while !stop.load(Ordering::Acquire) {
        number = (number + 1) % 60_000;
        let query = query(number, ECHO, number);
        loop {
            match exchange(&mut stream, &query) {
                Ok(response) => break assert_eq!(response, query),
                Err(fault) if fault.kind() == io::ErrorKind::UnexpectedEof => stream = tcp(to),
                Err(fault) => panic!("{fault}"),
            }
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

fn exchange(stream: &mut TcpStream, query: &[u8]) -> io::Result<Vec<u8>> {
    match stream.write_all(&framed(query)) {
        // The other end has gone since the last answer.
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        other => other?,
    }
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

#[test]
fn no_query_is_lost_when_servers_follow_each_other() {
    let sockets = Sockets::open(&[listen("127.0.0.1:0"), listen("[::1]:0")], 2).expect("sockets");
    let addresses: Vec<SocketAddr> = sockets.addresses().collect();
    let begin = |sockets, workers| {
        let options = Options { workers, ..options() };
        Server::start_on(Arc::new(Toy), sockets, options).expect("start")
    };
    let mut server = begin(sockets, 2);
    let mut retired = Vec::new();
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for to in &addresses {
            scope.spawn(|| ask_over_udp(*to, &stop, &answered));
            scope.spawn(|| ask_over_udp(*to, &stop, &answered));
            scope.spawn(|| ask_over_tcp(*to, &stop, &answered));
        }
        let mut successions = 0;
        eventually("all queries are answered", || {
            if successions <= answered.load(Ordering::Relaxed) * SUCCESSIONS / QUERIES {
                successions += 1;
                // More workers than sockets, fewer, and as many.
                let workers = [3, 1, 2][usize::try_from(successions % 3).expect("small")];
                let next = begin(server.sockets().expect("sockets"), workers);
                server.give_away();
                // It drains its connections meanwhile.
                retired.push(std::mem::replace(&mut server, next));
            }
            answered.load(Ordering::Relaxed) >= QUERIES && successions >= SUCCESSIONS
        });
        stop.store(true, Ordering::Release);
    });
    retired.iter().for_each(Server::wait);
    server.stop();
    server.wait();
    assert!(server.sockets().is_err(), "a server that has stopped has none");
}

#[test]
fn what_is_queued_is_left_to_the_successor() {
    let first = start(&["127.0.0.1:0"], options());
    let address = first.addresses()[0];
    let client = udp(address);
    client.send(&query(0, SLOW, 200)).expect("send");
    // While the first is busy, these are queued; it takes none of them once it has given away.
    eventually("the first is busy", || {
        client.send(&query(1, ECHO, 0)).expect("send");
        first.traffic().total().queries == 0
    });
    let second = {
        let sockets = first.sockets().expect("sockets");
        first.give_away();
        first.wait();
        client.send(&query(2, ECHO, 0)).expect("send");
        Server::start_on(Arc::new(Toy), sockets, options()).expect("start")
    };
    while id(&receive(&client)) != 2 {}
    eventually("it is counted", || second.traffic().total().queries > 0);
}
