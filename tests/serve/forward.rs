//! Forwarding, with upstreams that misbehave.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fingerpost::serve::{Transport, UpstreamError, Upstreams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// `www.Test. A` under ID 0x1234, RD set.
const QUERY: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x04Test\x00\x00\x01\x00\x01";

const SHORT: Duration = Duration::from_millis(300);

/// The good reply to a query, with an address record.
fn reply(query: &[u8]) -> Vec<u8> {
    let mut reply = query.to_vec();
    reply[2] |= 0x80;
    reply[7] = 1;
    reply.extend_from_slice(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x0a\x00\x00\x01");
    reply
}

fn with(mut message: Vec<u8>, at: usize, octet: u8) -> Vec<u8> {
    message[at] = octet;
    message
}

/// A UDP socket and a TCP listener of one port: a port that is free for the one may be taken for
/// the other by a test that runs beside this one.
async fn pair() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
        let address = socket.local_addr().expect("address");
        if let Ok(listener) = TcpListener::bind(address).await {
            return (socket, listener);
        }
    }
    panic!("no port is free for UDP and TCP");
}

/// An upstream that sends what `replies` makes of each query over UDP.
async fn udp_upstream(
    replies: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    udp_upstream_on(UdpSocket::bind("127.0.0.1:0").await.expect("bind"), replies)
}

fn udp_upstream_on(
    socket: UdpSocket,
    replies: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let address = socket.local_addr().expect("address");
    let task = tokio::spawn(async move {
        let mut query = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut query).await {
            for reply in replies(&query[..length]) {
                socket.send_to(&reply, client).await.expect("send");
            }
        }
    });
    (address, task)
}

/// An upstream that hands each TCP connection, and its first query, to `serve`.
async fn tcp_upstream<F>(listener: TcpListener, serve: impl Fn(TcpStream, Vec<u8>) -> F)
where
    F: Future<Output = ()>,
{
    while let Ok((mut stream, _)) = listener.accept().await {
        let length = stream.read_u16().await.expect("a length");
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await.expect("a query");
        serve(stream, query).await;
    }
}

async fn send(stream: &mut TcpStream, message: &[u8]) {
    let length = u16::try_from(message.len()).expect("a message");
    stream.write_all(&length.to_be_bytes()).await.expect("write");
    stream.write_all(message).await.expect("write");
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
    let upstreams = Upstreams::new(vec![address]);
    for _ in 0..4 {
        let answer = upstreams.ask(QUERY, Transport::Udp).await.expect("a reply");
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
    let upstreams = Upstreams::new(vec![address]);
    let answer = upstreams.ask(QUERY, Transport::Udp).await.expect("a reply");
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
    let upstreams = Upstreams::new(vec![address]).with_times(SHORT, SHORT * 4);
    let error = upstreams.ask(QUERY, Transport::Udp).await.expect_err("nobody");
    assert!(!matches!(error, UpstreamError::Nobody | UpstreamError::Query), "{error}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_names_the_upstream() {
    let (address, _) = udp_upstream(|_| vec![]).await;
    let upstreams = Upstreams::new(vec![address]).with_times(SHORT, SHORT * 4);
    let since = Instant::now();
    let error = upstreams.ask(QUERY, Transport::Udp).await.expect_err("silence");
    assert!(since.elapsed() >= SHORT && since.elapsed() < Duration::from_secs(10));
    assert!(matches!(error, UpstreamError::Timeout { upstream, .. } if upstream == address));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn the_next_upstream_is_asked_and_then_asked_first() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.and_then(|socket| socket.local_addr());
    let (silent, _) = udp_upstream(|_| vec![]).await;
    let (good, _) = udp_upstream(|query| vec![reply(query)]).await;
    let to = vec![closed.expect("address"), silent, good];
    let upstreams = Upstreams::new(to).with_times(SHORT, Duration::from_secs(20));
    let since = Instant::now();
    assert_eq!(upstreams.ask(QUERY, Transport::Udp).await.expect("a reply"), reply(QUERY));
    assert!(since.elapsed() >= SHORT, "the silent one was given its time");
    let since = Instant::now();
    assert_eq!(upstreams.ask(QUERY, Transport::Udp).await.expect("a reply"), reply(QUERY));
    assert!(since.elapsed() < SHORT, "the silent one was asked again");
}

#[tokio::test]
async fn a_refused_port_is_told() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.and_then(|socket| socket.local_addr());
    let upstreams = Upstreams::new(vec![closed.expect("address")]);
    for (transport, protocol_wanted) in [(Transport::Udp, "UDP"), (Transport::Stream, "TCP")] {
        let error = upstreams.ask(QUERY, transport).await.expect_err("refused");
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
    let upstreams = Upstreams::new(vec![address]);
    for transport in [Transport::Udp, Transport::Stream] {
        let answer = upstreams.ask(QUERY, transport).await.expect("a reply");
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
    let answer = Upstreams::new(vec![address]).ask(QUERY, Transport::Udp).await.expect("a reply");
    assert_eq!(answer, large(QUERY));
}

#[tokio::test]
async fn what_is_no_message_over_tcp_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(tcp_upstream(listener, |mut stream, _| async move {
        send(&mut stream, b"12345").await;
    }));
    let upstreams = Upstreams::new(vec![address]);
    let error = upstreams.ask(QUERY, Transport::Stream).await.expect_err("no message");
    assert!(matches!(error, UpstreamError::Malformed { length: 5, .. }), "{error}");
}

#[tokio::test]
async fn what_cannot_be_forwarded_is_not() {
    let upstreams = Upstreams::new(vec![]);
    let error = upstreams.ask(QUERY, Transport::Udp).await.expect_err("nobody");
    assert!(matches!(error, UpstreamError::Nobody), "{error}");
    for bad in [&QUERY[..20], &with(QUERY.to_vec(), 5, 0), &reply(QUERY)] {
        let error = upstreams.ask(bad, Transport::Udp).await.expect_err("no query");
        assert!(matches!(error, UpstreamError::Query), "{error}");
    }
}
