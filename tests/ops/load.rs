//! Clients that ask without a pause while something happens to the server: every query that one of
//! them sends must be answered, and rightly.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crate::run::PATIENCE;

/// Queries at least, in each test of this kind.
pub(crate) const QUERIES: u64 = 100_000;

/// What the clients do together.
#[derive(Default)]
pub(crate) struct Load {
    stop: AtomicBool,
    udp: AtomicU64,
    tcp: AtomicU64,
}

impl Load {
    /// Runs `happen` beside clients over UDP and TCP, again and again until enough has been asked;
    /// then all clients have been answered.
    pub(crate) fn through(
        to: SocketAddr,
        query: &[u8],
        answer: &[u8],
        mut happen: impl FnMut(usize),
    ) {
        let load = Self::default();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| load.over_udp(to, query, answer));
            }
            scope.spawn(|| load.over_tcp(to, query, answer));
            let began = Instant::now();
            let mut turn = 0;
            while load.asked() < QUERIES {
                assert!(began.elapsed() < 10 * PATIENCE, "{} were asked", load.asked());
                happen(turn);
                turn += 1;
            }
            load.stop.store(true, Ordering::Release);
        });
        assert!(load.tcp.load(Ordering::Relaxed) > 1_000, "a part of it over TCP");
    }

    fn asked(&self) -> u64 {
        self.udp.load(Ordering::Relaxed) + self.tcp.load(Ordering::Relaxed)
    }

    fn over_udp(&self, to: SocketAddr, query: &[u8], answer: &[u8]) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
        socket.connect(to).expect("connect");
        socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
        let mut room = [0; 4096];
        let mut id = 0_u16;
        while !self.stop.load(Ordering::Acquire) {
            id = id.wrapping_add(1);
            socket.send(&with_id(query, id)).expect("send");
            let length = socket.recv(&mut room).expect("every query is answered");
            check(&room[..length], id, answer);
            self.udp.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection that ends in an orderly way takes the query with it that the server has not read:
    /// it is asked again on a new one (RFC 7766, section 6.2.4). A reset is a fault, and so is a
    /// connection that cannot be had.
    fn over_tcp(&self, to: SocketAddr, query: &[u8], answer: &[u8]) {
        let mut stream = connect(to);
        let mut id = 0_u16;
        while !self.stop.load(Ordering::Acquire) {
            id = id.wrapping_add(1);
            let response = loop {
                match exchange(&mut stream, &with_id(query, id)) {
                    Ok(response) => break response,
                    Err(fault) if fault.kind() == io::ErrorKind::UnexpectedEof => {
                        stream = connect(to);
                    }
                    Err(fault) => panic!("{fault}"),
                }
            };
            check(&response, id, answer);
            self.tcp.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn with_id(query: &[u8], id: u16) -> Vec<u8> {
    let mut query = query.to_vec();
    query[..2].copy_from_slice(&id.to_be_bytes());
    query
}

/// An answer may have another TTL after a reload, but never another address.
fn check(response: &[u8], id: u16, answer: &[u8]) {
    assert_eq!(response[..2], id.to_be_bytes());
    assert_eq!(response[3] & 0x0f, 0, "{response:?}");
    assert!(response.ends_with(answer), "{response:?}");
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("connect");
    stream.set_nodelay(true).expect("option");
    stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
    stream
}

fn exchange(stream: &mut TcpStream, query: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(query.len()).expect("short").to_be_bytes();
    match stream.write_all(&[&length[..], query].concat()) {
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

/// A port that is free for UDP and TCP, and that nobody is given who asks the kernel for any: a
/// Corefile that is read again must name the same one each time, and 0 would be another.
pub(crate) fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 8_000).expect("small");
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 8_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok() {
            return port;
        }
    }
}
