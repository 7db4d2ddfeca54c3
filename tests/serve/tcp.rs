//! Streams.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use fingerpost::serve::Options;

use crate::toy::*;

#[test]
fn pipelined_queries_are_answered_in_order() {
    let server = start(&["127.0.0.1:0"], options());
    let mut stream = tcp(server.addresses()[0]);
    let queries: Vec<_> = (0..5000).map(|id| query(id, ECHO, 0)).collect();
    send_all(&mut stream, &queries);
    for query in &queries {
        assert_eq!(&read_message(&mut stream), query);
    }
    eventually("all counted", || server.traffic().streams.replies == 5000);
    let traffic = server.traffic();
    assert_eq!((traffic.streams.queries, traffic.connections.open), (5000, 1));
}

#[test]
fn queries_may_come_an_octet_at_a_time() {
    let server = start(&["127.0.0.1:0"], options());
    let mut stream = tcp(server.addresses()[0]);
    let queries = [query(1, ECHO, 0), query(2, MEASURE, 0), query(3, ECHO, 0)];
    for octet in queries.iter().flat_map(|query| framed(query)) {
        stream.write_all(&[octet]).expect("write");
    }
    assert_eq!(read_message(&mut stream), queries[0]);
    assert_eq!(read_message(&mut stream), [0, 2, 0, 15]);
    assert_eq!(read_message(&mut stream), queries[2]);
}

#[test]
fn the_largest_messages_pass_in_both_directions() {
    let server = start(&["127.0.0.1:0"], options());
    let mut stream = tcp(server.addresses()[0]);
    let mut long = query(1, ECHO, 0);
    long.resize(65_535, 7);
    let queries = [long.clone(), query(2, LARGE, u16::MAX), long.clone(), query(3, ECHO, 0)];
    send_all(&mut stream, &queries);
    assert_eq!(read_message(&mut stream), long);
    assert_eq!(read_message(&mut stream).len(), 65_535);
    assert_eq!(read_message(&mut stream), long);
    assert_eq!(read_message(&mut stream), queries[3]);
}

#[test]
fn a_slow_reader_gets_everything() {
    let server = start(&["127.0.0.1:0"], options());
    let mut stream = tcp(server.addresses()[0]);
    // Some 40 MB of responses: far more than the kernel holds, so the server must wait.
    let queries: Vec<_> = (0..800).map(|id| query(id, LARGE, 50_000)).collect();
    send_all(&mut stream, &queries);
    for id_wanted in 0..800 {
        let response = read_message(&mut stream);
        assert_eq!((id(&response), response.len()), (id_wanted, 50_000));
    }
}

#[test]
fn deferred_queries_are_answered_when_they_are_finished() {
    let server = start(&["127.0.0.1:0"], options());
    let mut stream = tcp(server.addresses()[0]);
    let queries = [
        query(1, DEFER, 600),
        query(2, DEFER, 200),
        query(3, ECHO, 0),
        query(4, SILENCE, 0),
        query(5, ECHO, 0),
    ];
    send_all(&mut stream, &queries);
    let order: Vec<u16> = (0..4).map(|_| id(&read_message(&mut stream))).collect();
    assert_eq!(order, [3, 5, 2, 1]);
}

#[test]
fn deferred_queries_of_a_connection_are_bounded_but_none_is_lost() {
    // A fourth at a time would be dropped.
    let limits = Options { deferred_per_connection: 3, deferred: 3, ..options() };
    let server = start(&["127.0.0.1:0"], limits);
    let mut stream = tcp(server.addresses()[0]);
    let queries: Vec<_> = (0..20).map(|id| query(id, DEFER, 20)).collect();
    send_all(&mut stream, &queries);
    let mut ids: Vec<u16> = (0..20).map(|_| id(&read_message(&mut stream))).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..20).collect::<Vec<_>>());
    assert_eq!(server.traffic().streams.overloads, 0);
}

#[test]
fn a_client_that_ends_its_side_gets_what_it_asked_for() {
    let server = start(&["127.0.0.1:0"], options());
    let mut stream = tcp(server.addresses()[0]);
    send_all(&mut stream, &[query(1, DEFER, 100), query(2, ECHO, 0)]);
    stream.write_all(&[0, 40, 1, 2, 3]).expect("write");
    stream.shutdown(Shutdown::Write).expect("shutdown");
    assert_eq!(id(&read_message(&mut stream)), 2);
    assert_eq!(id(&read_message(&mut stream)), 1);
    assert_ended(&mut stream);
    eventually("closed", || server.traffic().connections.open == 0);
}

#[test]
fn what_is_no_message_ends_the_connection() {
    for bad in [&[0, 0][..], &[0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let server = start(&["127.0.0.1:0"], options());
        let mut stream = tcp(server.addresses()[0]);
        let mut octets = framed(&query(1, ECHO, 0));
        octets.extend_from_slice(&framed(&query(2, DEFER, 50)));
        octets.extend_from_slice(bad);
        octets.extend_from_slice(&framed(&query(3, ECHO, 0)));
        // Octets that nobody reads must not lead to a reset, which could destroy the responses.
        octets.resize(octets.len() + 200_000, 0);
        stream.write_all(&octets).expect("write");
        assert_eq!(id(&read_message(&mut stream)), 1);
        assert_eq!(id(&read_message(&mut stream)), 2, "what came before is answered");
        assert_ended(&mut stream);
    }
}

#[test]
fn an_idle_connection_is_closed() {
    let idle_time = Duration::from_millis(300);
    let server = start(&["127.0.0.1:0"], Options { idle_time, ..options() });
    let mut stream = tcp(server.addresses()[0]);
    let mut since = Instant::now();
    for round in 0..3 {
        since = Instant::now();
        // A query that is being finished keeps the connection, however long it takes.
        send_all(&mut stream, &[query(round, DEFER, 500)]);
        assert_eq!(id(&read_message(&mut stream)), round);
    }
    assert_ended(&mut stream);
    // Taken before the last query was sent, so that a busy machine cannot shorten it.
    assert!(since.elapsed() >= Duration::from_millis(500 + 300), "{:?}", since.elapsed());
    assert_eq!(server.traffic().connections.timed_out, 1);
}

#[test]
fn half_a_message_is_not_waited_for() {
    let frame_time = Duration::from_millis(200);
    let server = start(&["127.0.0.1:0"], Options { frame_time, ..options() });
    for half in [&[0][..], &[0, 15, 1, 2, 3]] {
        let mut stream = tcp(server.addresses()[0]);
        send_all(&mut stream, &[query(1, ECHO, 0)]);
        stream.write_all(half).expect("write");
        assert_eq!(id(&read_message(&mut stream)), 1);
        let since = Instant::now();
        assert_ended(&mut stream);
        assert!(since.elapsed() < PATIENCE / 2);
    }
    assert_eq!(server.traffic().connections.timed_out, 2);
}

#[test]
fn octets_that_trickle_in_do_not_keep_a_connection() {
    let (frame_time, idle_time) = (Duration::from_mins(1), Duration::from_millis(300));
    let server = start(&["127.0.0.1:0"], Options { frame_time, idle_time, ..options() });
    let mut stream = tcp(server.addresses()[0]);
    stream.write_all(&[0xff, 0xff]).expect("write");
    eventually("closed in spite of them", || {
        let _ = stream.write_all(&[0]);
        server.traffic().connections.timed_out == 1
    });
    drop(stream);
    eventually("closed", || server.traffic().connections.open == 0);
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let write_time = Duration::from_millis(300);
    let server = start(&["127.0.0.1:0"], Options { write_time, ..options() });
    let mut stream = tcp(server.addresses()[0]);
    let queries: Vec<_> = (0..2000).map(|id| query(id, LARGE, u16::MAX)).collect();
    send_all(&mut stream, &queries);
    eventually("cut off", || server.traffic().connections.timed_out == 1);
    eventually("closed", || server.traffic().connections.open == 0);
    let answered = server.traffic().streams.replies;
    assert!(answered < 2000, "the server answers only what it can send: {answered}");
}

#[test]
fn several_messages_are_made_as_they_are_taken() {
    let server = start(&["127.0.0.1:0"], options());
    let mut stream = tcp(server.addresses()[0]);
    // Some 20 MB; what is asked behind it waits for its end.
    send_all(&mut stream, &[query(1, SEVERAL, 300), query(2, ECHO, 0), query(3, SEVERAL, 1)]);
    // Others are answered meanwhile.
    let mut other = tcp(server.addresses()[0]);
    send_all(&mut other, &[query(9, ECHO, 0)]);
    assert_eq!(id(&read_message(&mut other)), 9);
    for number in 0..300u16 {
        let message = read_message(&mut stream);
        assert_eq!((id(&message), message.len()), (1, 65_535));
        assert_eq!(message[65_533..], number.to_be_bytes());
    }
    assert_eq!(id(&read_message(&mut stream)), 2);
    assert_eq!(id(&read_message(&mut stream)), 3);
    // None at all is silence.
    send_all(&mut stream, &[query(4, SEVERAL, 0), query(5, ECHO, 0)]);
    assert_eq!(id(&read_message(&mut stream)), 5);
    eventually("counted once each", || {
        let traffic = server.traffic();
        (traffic.streams.deferred, traffic.finished.replies, traffic.streams.silences) == (2, 2, 1)
    });
    // No datagram carries them.
    let socket = udp(server.addresses()[0]);
    socket.send(&query(6, SEVERAL, 2)).expect("send");
    assert_eq!(id(&ask(&socket, &query(7, ECHO, 0))), 7);
}

#[test]
fn several_messages_have_their_time() {
    let several_time = Duration::from_millis(300);
    let server = start(&["127.0.0.1:0"], Options { several_time, ..options() });
    let mut stream = tcp(server.addresses()[0]);
    send_all(&mut stream, &[query(1, SEVERAL, u16::MAX)]);
    // However fast it reads: 4 GB are too many.
    let mut room = vec![0; 1 << 16];
    let mut read = 0;
    while let Ok(count @ 1..) = stream.read(&mut room) {
        read += count;
    }
    assert!(read > 65_537, "{read} octets");
    assert_eq!(server.traffic().connections.timed_out, 1);
    eventually("closed", || server.traffic().connections.open == 0);
}

#[test]
fn connections_have_a_limit_for_all_and_for_one_client() {
    let limits = Options { connections: 3, connections_per_client: 2, ..options() };
    let server = start(&["127.0.0.1:0", "[::1]:0"], limits);
    let (v4, v6) = (server.addresses()[0], server.addresses()[1]);
    let lives = |to| {
        let mut stream = tcp(to);
        // A refused connection may be reset, at the write or at the read.
        let sent = stream.write_all(&framed(&query(1, ECHO, 0)));
        let answered = sent.is_ok() && stream.read_exact(&mut [0; 17]).is_ok();
        answered.then_some(stream)
    };
    let first = lives(v4).expect("the first");
    let _second = lives(v4).expect("the second");
    assert!(lives(v4).is_none(), "a third of one client");
    let _third = lives(v6).expect("another client's");
    assert!(lives(v6).is_none(), "a fourth in all");
    let counts = server.traffic().connections;
    assert_eq!((counts.open, counts.accepted), (3, 3));
    assert_eq!((counts.refused_client, counts.refused), (1, 1));
    drop(first);
    eventually("one has left", || server.traffic().connections.open == 2);
    assert!(lives(v4).is_some(), "there is room again");
}

#[test]
fn a_panic_costs_a_connection_and_no_other() {
    let server = start(&["127.0.0.1:0"], options());
    let (mut broken, mut other) = (tcp(server.addresses()[0]), tcp(server.addresses()[0]));
    send_all(&mut broken, &[query(1, PANIC, 0)]);
    assert!(matches!(broken.read(&mut [0; 16]), Ok(0) | Err(_)));
    send_all(&mut other, &[query(2, ECHO, 0)]);
    assert_eq!(id(&read_message(&mut other)), 2);
    eventually("its place is free", || server.traffic().connections.open == 1);
}
