//! Stopping: nothing that has arrived is lost, and nothing is left.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fingerpost::serve::{Options, Server};

use crate::toy::*;

#[test]
fn every_datagram_sent_before_the_stop_is_answered() {
    // Of this address no other test's client has a port, so that it is free afterwards.
    let server = start(&["127.0.0.2:0", "[::1]:0"], Options { workers: 2, ..options() });
    let clients: Vec<_> = (0..20).map(|index| udp(server.addresses()[index % 2])).collect();
    // The clerk takes a millisecond for each: most are still queued when the stop comes.
    for id in 0..10 {
        for client in &clients {
            client.send(&query(id, SLOW, 1)).expect("send");
        }
    }
    clients[0].send(&query(10, DEFER, 400)).expect("send");
    server.stop();
    server.wait();
    for (index, client) in clients.iter().enumerate() {
        let count = if index == 0 { 11 } else { 10 };
        let mut ids: Vec<u16> = (0..count).map(|_| id(&receive(client))).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..count).collect::<Vec<_>>());
    }
    let total = server.traffic().total();
    assert_eq!((total.queries, total.replies), (201, 201));
    let address = server.addresses()[0];
    UdpSocket::bind(address).expect("the UDP port is free");
    TcpListener::bind(address).expect("the TCP port is free");
}

#[test]
fn a_long_queue_is_answered_to_its_end() {
    let server = start(&["127.0.0.1:0"], options());
    let address = server.addresses()[0];
    udp(address).send(&query(0, SLOW, 500)).expect("send");
    // Behind it there are more than a worker takes from one socket at a time.
    let clients: Vec<_> = (0..4).map(|_| udp(address)).collect();
    for id in 0..100 {
        for client in &clients {
            client.send(&query(id, ECHO, 0)).expect("send");
        }
    }
    server.stop();
    server.wait();
    for client in &clients {
        for id in 0..100 {
            assert_eq!(receive(client), query(id, ECHO, 0));
        }
    }
}

#[test]
fn every_query_on_a_stream_before_the_stop_is_answered() {
    let server = start(&["127.0.0.1:0"], options());
    let mut streams: Vec<_> = (0..20).map(|_| tcp(server.addresses()[0])).collect();
    for stream in &mut streams {
        let mut queries: Vec<_> = (0..10).map(|id| query(id, SLOW, 1)).collect();
        queries.push(query(10, DEFER, 300));
        queries.push(query(11, LARGE, 60_000));
        send_all(stream, &queries);
    }
    // Some of them may not even be accepted yet.
    server.stop();
    for stream in &mut streams {
        let mut ids: Vec<u16> = (0..12).map(|_| id(&read_message(stream))).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..12).collect::<Vec<_>>());
        assert_ended(stream);
    }
    drop(streams);
    server.wait();
    assert_eq!(server.traffic().connections.open, 0);
}

#[test]
fn an_idle_server_stops_soon() {
    let server = start(&["127.0.0.1:0", "[::1]:0"], Options { workers: 4, ..options() });
    let mut idle = tcp(server.addresses()[0]);
    let since = Instant::now();
    server.stop();
    assert_ended(&mut idle);
    drop(idle);
    server.wait();
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
}

#[test]
fn a_stop_ends_in_spite_of_clients_that_go_on() {
    let server = start(&["127.0.0.1:0"], options());
    let address = server.addresses()[0];
    thread::scope(|scope| {
        let client = udp(address);
        let flood = scope.spawn(move || {
            // Ends when the port is closed: the kernel then refuses.
            let limit = Instant::now() + PATIENCE;
            while client.send(&query(1, SILENCE, 0)).is_ok() {
                assert!(Instant::now() < limit, "the server goes on");
            }
        });
        eventually("the flood is felt", || server.traffic().workers[0].queries > 100);
        server.stop();
        server.wait();
        flood.join().expect("the flood ends");
    });
}

/// Asks one query after the other until it is refused, each of which is answered before. Returns how
/// many were.
fn ask_until_refused(to: SocketAddr) -> u64 {
    let refused = |fault: &io::Error| fault.kind() == io::ErrorKind::ConnectionRefused;
    let client = udp(to);
    let mut room = [0; 64];
    for answered in 0.. {
        let query = query(u16::try_from(answered % 60_000).expect("small"), ECHO, 7);
        match client.send(&query).and_then(|_| client.recv(&mut room)) {
            Ok(length) => assert_eq!(room[..length], query),
            Err(fault) if refused(&fault) => return answered,
            Err(fault) => {
                panic!("{to}: query {answered} was neither answered nor refused: {fault}")
            }
        }
    }
    unreachable!("no count ends")
}

#[test]
fn whoever_asks_on_is_answered_and_then_refused() {
    for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
        let server = start(&[address], Options { workers: 3, ..options() });
        let mut to = server.addresses()[0];
        if to.ip().is_unspecified() {
            to.set_ip(if to.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                Ipv6Addr::LOCALHOST.into()
            });
        }
        thread::scope(|scope| {
            let clients: Vec<_> =
                (0..6).map(|_| scope.spawn(move || ask_until_refused(to))).collect();
            eventually("queries come in", || server.traffic().total().queries > 1_000);
            server.stop();
            server.wait();
            let answered: u64 = clients.into_iter().map(|c| c.join().expect("no silence")).sum();
            assert_eq!(server.traffic().total().replies, answered, "{address}");
        });
    }
}

#[test]
fn sockets_that_somebody_else_has_too_go_on() {
    let first = start(&["127.0.0.1:0"], options());
    let client = udp(first.addresses()[0]);
    let sockets = first.sockets().expect("sockets");
    first.stop();
    first.wait();
    let second = Server::start_on(Arc::new(Toy), sockets, options()).expect("start");
    assert_eq!(ask(&client, &query(1, ECHO, 0)), query(1, ECHO, 0));
    second.stop();
    assert!(second.sockets().is_err(), "they let nobody in any more");
}

#[test]
fn a_panic_while_the_queue_is_drained_ends_nothing() {
    let server = start(&["127.0.0.1:0"], options());
    let client = udp(server.addresses()[0]);
    client.send(&query(0, SLOW, 200)).expect("send");
    // Behind more than a worker takes from one socket at a time, and followed by more than a batch.
    for id in 1..400 {
        let what = [SILENCE, PANIC, ECHO][usize::from(id >= 300) + usize::from(id > 300)];
        client.send(&query(id, what, 0)).expect("send");
    }
    server.stop();
    server.wait();
    while id(&receive(&client)) != 399 {}
}

#[test]
fn deferred_queries_have_until_the_grace_ends() {
    let grace = Duration::from_millis(300);
    let server = start(&["127.0.0.1:0"], Options { grace, ..options() });
    udp(server.addresses()[0]).send(&query(1, DEFER, 60_000)).expect("send");
    eventually("deferred", || server.traffic().workers[0].deferred == 1);
    let since = Instant::now();
    server.stop();
    server.wait();
    assert!(since.elapsed() >= grace && since.elapsed() < PATIENCE, "{:?}", since.elapsed());
}

#[test]
fn a_second_stop_is_at_once() {
    let grace = Duration::from_mins(1);
    let server = start(&["127.0.0.1:0"], Options { grace, ..options() });
    let mut stream = tcp(server.addresses()[0]);
    send_all(&mut stream, &[query(1, DEFER, 60_000)]);
    eventually("deferred", || server.traffic().streams.deferred == 1);
    server.stop();
    let since = Instant::now();
    server.stop();
    server.wait();
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_server_may_be_dropped_inside_a_runtime() {
    // Of this address no other test's client has a port, so that it is free afterwards.
    let server = start(&["127.0.0.2:0"], options());
    let address = server.addresses()[0];
    drop(server);
    UdpSocket::bind(address).expect("the UDP port is free");
}
