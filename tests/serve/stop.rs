//! Stopping: nothing that has arrived is lost, and nothing is left.

use std::net::{TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use fingerpost::serve::Options;

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
