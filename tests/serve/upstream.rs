//! Upstreams that a test has in its hand, and a directive that names them.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use fingerpost::config::{Forward, Upstream};
use fingerpost::name::Name;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// `www.Test. A` under ID 0x1234, RD set.
pub(crate) const QUERY: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x04Test\x00\x00\x01\x00\x01";

/// Who asks.
pub(crate) const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// The good reply to a query, with an address record.
pub(crate) fn reply(query: &[u8]) -> Vec<u8> {
    let mut reply = query.to_vec();
    reply[2] |= 0x80;
    reply[7] = 1;
    reply.extend_from_slice(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x0a\x00\x00\x01");
    reply
}

pub(crate) fn with(mut message: Vec<u8>, at: usize, octet: u8) -> Vec<u8> {
    message[at] = octet;
    message
}

/// A UDP socket and a TCP listener of one port: a port that is free for the one may be taken for
/// the other by a test that runs beside this one.
pub(crate) async fn pair() -> (UdpSocket, TcpListener) {
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
pub(crate) async fn udp_upstream(
    replies: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    udp_upstream_on(UdpSocket::bind("127.0.0.1:0").await.expect("bind"), replies)
}

pub(crate) fn udp_upstream_on(
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
pub(crate) async fn tcp_upstream<F>(listener: TcpListener, serve: impl Fn(TcpStream, Vec<u8>) -> F)
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

pub(crate) async fn send(stream: &mut TcpStream, message: &[u8]) {
    let length = u16::try_from(message.len()).expect("a message");
    stream.write_all(&length.to_be_bytes()).await.expect("write");
    stream.write_all(message).await.expect("write");
}

/// A directive with these upstreams in their order, everything else as it is by default.
pub(crate) fn forward(to: &[SocketAddr]) -> Forward {
    let to = to.iter().map(|address| Upstream::plain(*address)).collect();
    Forward::new(Name::root(), to)
}
