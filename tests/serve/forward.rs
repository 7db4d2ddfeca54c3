//! Forwarding, with upstreams that misbehave.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fingerpost::config::Forward;
use fingerpost::serve::{Transport, UpstreamError, Upstreams};
use tokio::net::{TcpListener, UdpSocket};

use crate::upstream::{
    CLIENT, QUERY, forward, pair, reply, send, tcp_upstream, udp_upstream, udp_upstream_on, with,
};

const SHORT: Duration = Duration::from_millis(300);

fn to(address: SocketAddr) -> Upstreams {
    Upstreams::new(&forward(&[address]))
}

/// One upstream, of which is not waited for long.
fn impatient(address: SocketAddr) -> Upstreams {
    let forward =
        Forward { read_timeout: Some(SHORT), max_connect_attempts: Some(1), ..forward(&[address]) };
    Upstreams::new(&forward)
}

#[tokio::test]
async fn the_reply_comes_back_with_the_clients_id() {
    let (sender, mut ids) = tokio::sync::mpsc::unbounded_channel();
    let (address, _) = udp_upstream(move |query| {
        sender.send([query[0], query[1]]).expect("the test listens");
        assert_eq!(query[2..], QUERY[2..]);
        vec![reply(query)]
    })
    .await;
    let upstreams = to(address);
    for _ in 0..4 {
        let answer = upstreams.ask(QUERY, Transport::Udp, CLIENT).await.expect("a reply");
        assert_eq!(answer, reply(QUERY));
    }
    let mut seen = Vec::new();
    while let Ok(id) = ids.try_recv() {
        seen.push(id);
    }
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().any(|id| *id != seen[0]), "the IDs are fresh: {seen:?}");
}

#[tokio::test]
async fn a_reply_that_does_not_fit_is_passed_over() {
    let (address, _) = udp_upstream(|query| {
        let good = reply(query);
        vec![
            with(good.clone(), 0, query[0] ^ 1),
            with(good.clone(), 2, query[2]),
            with(good.clone(), 2, 0x90),
            with(good.clone(), 13, b'x'),
            with(good.clone(), 23, 28),
            vec![],
            query[..2].to_vec(),
            // Letters may change their case.
            with(good, 13, b'W'),
        ]
    })
    .await;
    let upstreams = to(address);
    let answer = upstreams.ask(QUERY, Transport::Udp, CLIENT).await.expect("a reply");
    assert_eq!(answer, with(reply(QUERY), 13, b'W'));
}

#[tokio::test]
async fn somebody_else_is_not_heard() {
    // Replies from another port, however good, never reach the asking socket.
    let other = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
    let address = socket.local_addr().expect("address");
    tokio::spawn(async move {
        let mut query = [0; 512];
        let (length, client) = socket.recv_from(&mut query).await.expect("a query");
        other.send_to(&reply(&query[..length]), client).expect("send");
    });
    let upstreams = impatient(address);
    let error = upstreams.ask(QUERY, Transport::Udp, CLIENT).await.expect_err("nobody");
    assert!(!matches!(error, UpstreamError::Nobody | UpstreamError::Query), "{error}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_names_the_upstream() {
    let (address, _) = udp_upstream(|_| vec![]).await;
    let upstreams = impatient(address);
    let since = Instant::now();
    let error = upstreams.ask(QUERY, Transport::Udp, CLIENT).await.expect_err("silence");
    assert!(since.elapsed() >= SHORT && since.elapsed() < Duration::from_secs(10));
    assert!(matches!(error, UpstreamError::Timeout { upstream, .. } if upstream == address));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_refused_port_is_told() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.and_then(|socket| socket.local_addr());
    let upstreams = to(closed.expect("address"));
    for (transport, protocol_wanted) in [(Transport::Udp, "UDP"), (Transport::Stream, "TCP")] {
        let error = upstreams.ask(QUERY, transport, CLIENT).await.expect_err("refused");
        let UpstreamError::Unreachable { protocol, .. } = error else { panic!("{error}") };
        assert_eq!(protocol, protocol_wanted);
    }
}

#[tokio::test]
async fn a_truncated_reply_is_asked_for_over_tcp() {
    let (socket, listener) = pair().await;
    let cut = |query: &[u8]| vec![with(reply(query), 2, 0x83)[..QUERY.len()].to_vec()];
    let (address, _) = udp_upstream_on(socket, cut);
    tokio::spawn(tcp_upstream(listener, |mut stream, query| async move {
        // One that does not fit comes first.
        send(&mut stream, &with(reply(&query), 1, query[1] ^ 1)).await;
        send(&mut stream, &reply(&query)).await;
    }));
    let upstreams = to(address);
    for transport in [Transport::Udp, Transport::Stream] {
        let answer = upstreams.ask(QUERY, transport, CLIENT).await.expect("a reply");
        assert_eq!(answer, reply(QUERY), "{transport:?}");
    }
}

#[tokio::test]
async fn a_reply_too_large_for_a_datagram_is_asked_for_over_tcp() {
    let large = |query: &[u8]| [reply(query), vec![0; 5000]].concat();
    let (socket, listener) = pair().await;
    let (address, _) = udp_upstream_on(socket, move |query| vec![large(query)]);
    tokio::spawn(tcp_upstream(listener, move |mut stream, query| async move {
        send(&mut stream, &large(&query)).await;
    }));
    let answer = to(address).ask(QUERY, Transport::Udp, CLIENT).await.expect("a reply");
    assert_eq!(answer, large(QUERY));
}

#[tokio::test]
async fn what_is_no_message_over_tcp_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(tcp_upstream(listener, |mut stream, _| async move {
        send(&mut stream, b"12345").await;
    }));
    let upstreams = to(address);
    let error = upstreams.ask(QUERY, Transport::Stream, CLIENT).await.expect_err("no message");
    assert!(matches!(error, UpstreamError::Malformed { length: 5, .. }), "{error}");
}

#[tokio::test]
async fn what_cannot_be_forwarded_is_not() {
    let upstreams = Upstreams::new(&forward(&[]));
    let error = upstreams.ask(QUERY, Transport::Udp, CLIENT).await.expect_err("nobody");
    assert!(matches!(error, UpstreamError::Nobody), "{error}");
    for bad in [&QUERY[..20], &with(QUERY.to_vec(), 5, 0), &reply(QUERY)] {
        let error = upstreams.ask(bad, Transport::Udp, CLIENT).await.expect_err("no query");
        assert!(matches!(error, UpstreamError::Query), "{error}");
    }
}
