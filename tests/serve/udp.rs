//! Datagrams, and opening sockets.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use fingerpost::config::Listen;
use fingerpost::serve::{Options, ServeError, Server};

use crate::toy::*;

#[test]
fn both_families_answer_on_the_port_that_the_kernel_chose() {
    let server = start(&["127.0.0.1:0", "[::1]:0"], options());
    let addresses = server.addresses();
    assert_eq!(addresses.len(), 2);
    for &address in addresses {
        assert_ne!(address.port(), 0);
        let client = udp(address);
        for id in 0..100 {
            let query = query(id, ECHO, 0);
            assert_eq!(ask(&client, &query), query);
        }
        let mut stream = tcp(address);
        send_all(&mut stream, &[query(7, ECHO, 0)]);
        assert_eq!(read_message(&mut stream), query(7, ECHO, 0), "TCP is on the same port");
    }
    eventually("200 replies", || server.traffic().workers[0].replies == 200);
    let tally = &server.traffic().workers[0];
    assert_eq!((tally.queries, tally.silences, tally.panics), (200, 0, 0));
    assert_eq!(tally.send_faults, [0; 7]);
}

#[test]
fn the_response_leaves_from_the_address_that_was_asked() {
    let server = start(&["0.0.0.0:0", "[::]:0"], options());
    let (v4, v6) = (server.addresses()[0].port(), server.addresses()[1].port());
    // The clients are connected: a response from any other address never reaches them.
    for to in [format!("127.0.0.2:{v4}"), format!("127.9.9.9:{v4}"), format!("[::1]:{v6}")] {
        let client = udp(to.parse().expect("an address"));
        for what in [ECHO, DEFER] {
            let query = query(1, what, 0);
            assert_eq!(ask(&client, &query), query, "{to}");
        }
    }
}

#[test]
fn every_worker_gets_its_share() {
    let server = start(&["127.0.0.1:0"], Options { workers: 3, ..options() });
    let clients: Vec<_> = (0..200).map(|_| udp(server.addresses()[0])).collect();
    for client in &clients {
        client.send(&query(1, ECHO, 0)).expect("send");
    }
    for client in &clients {
        assert_eq!(receive(client), query(1, ECHO, 0));
    }
    eventually("200 queries counted", || server.traffic().total().queries == 200);
    for worker in server.traffic().workers {
        assert!(worker.queries > 20, "a worker is left out: {worker:?}");
    }
}

#[test]
fn nothing_is_sent_where_silence_is_due() {
    let server = start(&["127.0.0.1:0"], options());
    let client = udp(server.addresses()[0]);
    for silent in [query(1, SILENCE, 0), vec![], vec![0; 5]] {
        client.send(&silent).expect("send");
    }
    assert_eq!(id(&ask(&client, &query(2, ECHO, 0))), 2, "the first response is to the fourth");
    eventually("3 silences", || server.traffic().workers[0].silences == 3);
}

#[test]
fn a_panic_costs_a_batch_and_not_the_worker() {
    let server = start(&["127.0.0.1:0"], options());
    let client = udp(server.addresses()[0]);
    for round in 1..4 {
        client.send(&query(1, PANIC, 0)).expect("send");
        eventually("the panic is counted", || server.traffic().workers[0].panics == round);
        assert_eq!(ask(&client, &query(2, ECHO, 0)), query(2, ECHO, 0));
    }
}

#[test]
fn sizes_have_limits() {
    let server = start(&["127.0.0.1:0"], options());
    let client = udp(server.addresses()[0]);
    let mut long = query(3, MEASURE, 0);
    long.resize(5000, 0);
    assert_eq!(ask(&client, &long), [0, 3, 0x10, 0], "cut at 4,096 octets");
    assert_eq!(ask(&client, &query(4, LARGE, 4096)).len(), 4096);
}

#[test]
fn what_is_deferred_holds_nobody_up_and_is_bounded() {
    let server = start(&["127.0.0.1:0"], Options { deferred: 2, ..options() });
    let client = udp(server.addresses()[0]);
    for id in 1..=5 {
        client.send(&query(id, DEFER, 300)).expect("send");
    }
    assert_eq!(id(&ask(&client, &query(6, ECHO, 0))), 6, "the last comes first");
    let mut late = [id(&receive(&client)), id(&receive(&client))];
    late.sort_unstable();
    assert_eq!(late, [1, 2]);
    let tally = &server.traffic().workers[0];
    assert_eq!((tally.deferred, tally.overloads), (2, 3));
    eventually("2 finished", || server.traffic().finished.replies == 2);
    assert_eq!(ask(&client, &query(7, DEFER, 0)), query(7, DEFER, 0), "there is room again");
}

#[test]
fn no_client_uses_up_what_may_be_deferred() {
    let server = start(&["127.0.0.1:0"], Options { deferred: 50, ..options() });
    let greedy = udp(server.addresses()[0]);
    for id in 0..100 {
        greedy.send(&query(id, DEFER, 60_000)).expect("send");
    }
    assert_eq!(id(&ask(&greedy, &query(100, ECHO, 0))), 100, "nobody is held up");
    let tally = &server.traffic().workers[0];
    assert_eq!((tally.deferred, tally.overloads, tally.overloads_client), (40, 0, 60));
    // Three, since one may happen to be counted together with the greedy one.
    let others: Vec<UdpSocket> = (3..6)
        .map(|last| {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0)).expect("bind");
            socket.connect(server.addresses()[0]).expect("connect");
            socket.send(&query(u16::from(last), DEFER, 0)).expect("send");
            socket
        })
        .collect();
    eventually("a place for another", || server.traffic().finished.replies > 0);
    drop(others);
}

#[test]
fn a_port_in_use_is_a_fault() {
    let server = start(&["127.0.0.1:0"], options());
    let taken = Listen { address: server.addresses()[0], implied: false };
    // The other server is ours and would share its port: it must not.
    let error = Server::start(Arc::new(Toy), &[taken], options()).err().expect("a fault");
    assert!(matches!(error, ServeError::InUse { transport: "udp", .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&taken.address.to_string()) && text.contains("--listen"), "{text}");

    // No other test's client has a port of this address.
    let listener = TcpListener::bind("127.0.0.2:0").expect("bind");
    let taken = Listen { address: listener.local_addr().expect("address"), implied: false };
    let error = Server::start(Arc::new(Toy), &[taken], options()).err().expect("a fault");
    assert!(matches!(error, ServeError::InUse { transport: "tcp", .. }), "{error}");
    // What had been opened is closed again.
    UdpSocket::bind(taken.address).expect("the UDP port is free");
}

#[test]
fn an_address_of_nobody_is_a_fault_unless_implied() {
    let foreign = |implied| Listen { implied, ..listen("[2001:db8::1]:0") };
    let start = |listens: &[Listen]| Server::start(Arc::new(Toy), listens, options());
    let error = start(&[foreign(false)]).err().expect("a fault");
    assert!(matches!(error, ServeError::NoSuchAddress { .. }), "{error}");
    let error = start(&[foreign(true)]).err().expect("a fault");
    assert!(matches!(error, ServeError::Nowhere), "{error}");
    let server = start(&[foreign(true), listen("127.0.0.1:0")]).expect("start");
    assert_eq!(server.addresses().len(), 1);
}

#[test]
fn the_same_address_twice_is_opened_once() {
    // No other test's client has a port of this address.
    let free = UdpSocket::bind("127.0.0.2:0").and_then(|socket| socket.local_addr());
    let address = free.expect("a free port");
    let listens = [Listen { address, implied: false }, Listen { address, implied: true }];
    let server = Server::start(Arc::new(Toy), &listens, options()).expect("start");
    assert_eq!(server.addresses(), [address]);
}

#[test]
fn a_dropped_server_leaves_nothing() {
    // Of this address no other test's client has a port, so that it is free afterwards.
    let server = start(&["127.0.0.2:0"], Options { workers: 2, ..options() });
    let address = server.addresses()[0];
    let client = udp(address);
    client.send(&query(1, DEFER, 60_000)).expect("send");
    eventually("deferred", || {
        server.traffic().workers[0].deferred + server.traffic().workers[1].deferred == 1
    });
    drop(server);
    UdpSocket::bind(address).expect("the UDP port is free");
    TcpListener::bind(address).expect("the TCP port is free");
    client.set_read_timeout(Some(Duration::from_millis(1))).expect("time-out");
    assert!(client.recv(&mut [0; 64]).is_err());
}
