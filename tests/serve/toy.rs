//! A desk that does what a query tells it, and clients for it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fingerpost::config::Listen;
use fingerpost::serve::{Asker, Clerk, Client, Desk, Messages, Options, Server, Step, Transport};

/// Long enough for a busy machine: no test waits for it unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a query asks of the toy: the octet after the header, and two octets of a number.
pub(crate) const ECHO: u8 = b'e';
pub(crate) const SILENCE: u8 = b's';
pub(crate) const PANIC: u8 = b'p';
/// Answers after so many milliseconds, on the thread.
pub(crate) const SLOW: u8 = b'w';
/// Answers after so many milliseconds, deferred.
pub(crate) const DEFER: u8 = b'd';
/// Answers with so many octets.
pub(crate) const LARGE: u8 = b'l';
/// Answers with so many messages, the largest that there are, that end with their number.
pub(crate) const SEVERAL: u8 = b'v';
/// Answers with the length of the query.
pub(crate) const MEASURE: u8 = b'm';

pub(crate) struct Toy;

pub(crate) struct ToyClerk {
    refreshed: bool,
    read: Vec<Vec<u8>>,
}

impl Desk for Toy {
    type Clerk = ToyClerk;

    fn clerk(&self) -> ToyClerk {
        ToyClerk { refreshed: false, read: Vec::new() }
    }

    async fn finish(&self, query: Vec<u8>, client: Client) -> Option<Vec<u8>> {
        assert!(client.from.ip().is_loopback(), "{client:?}");
        tokio::time::sleep(Duration::from_millis(number(&query))).await;
        Some(query)
    }

    fn several(&self, query: Vec<u8>, client: Client) -> Option<Box<dyn Messages>> {
        assert_eq!(client.transport, Transport::Stream);
        let count = u16::try_from(number(&query)).expect("a count");
        let numbers = 0..count;
        (count > 0).then(|| Box::new(Numbered { query, numbers }) as Box<dyn Messages>)
    }
}

/// Messages with their numbers.
struct Numbered {
    query: Vec<u8>,
    numbers: Range<u16>,
}

impl Messages for Numbered {
    fn next(&mut self, out: &mut [u8]) -> Option<usize> {
        let number = self.numbers.next()?;
        let (front, last) = out.split_last_chunk_mut::<2>().expect("room");
        front[..2].copy_from_slice(&self.query[..2]);
        *last = number.to_be_bytes();
        Some(out.len())
    }
}

impl Clerk for ToyClerk {
    fn refresh(&mut self) {
        self.refreshed = true;
    }

    fn read<'q>(&mut self, queries: impl ExactSizeIterator<Item = &'q [u8]>) {
        assert!(queries.len() <= fingerpost::serve::BATCH);
        self.read = queries.map(<[u8]>::to_vec).collect();
    }

    fn settle(&mut self, took: Duration) {
        assert!(took < Duration::from_mins(1));
    }

    fn answer(&mut self, slot: usize, query: &[u8], asker: Asker<'_>, out: &mut [u8]) -> Step {
        assert!(self.refreshed, "a batch begins with a refresh");
        assert_eq!(self.read[slot], query, "what is answered is what was read");
        let client = asker.client();
        assert!(client.from.ip().is_loopback() && client.from.port() != 0, "{client:?}");
        assert!(client.local.is_some_and(|local| local.ip().is_loopback()), "{client:?}");
        assert_eq!(client.from.is_ipv4(), asker.is_ipv4());
        match asker.transport() {
            Transport::Udp => assert_eq!(out.len(), fingerpost::serve::MAX_UDP_RESPONSE),
            Transport::Stream => assert_eq!(out.len(), fingerpost::serve::MAX_STREAM_RESPONSE),
        }
        let Some(&what) = query.get(12) else { return Step::Silence };
        match what {
            DEFER => return Step::Deferred,
            SEVERAL => return Step::Several,
            PANIC => panic!("as the query asked"),
            ECHO => {}
            SLOW => thread::sleep(Duration::from_millis(number(query))),
            LARGE => {
                let length = usize::try_from(number(query)).expect("small");
                out[..length].fill(what);
                out[..2].copy_from_slice(&query[..2]);
                return Step::Reply(length);
            }
            MEASURE => {
                out[..2].copy_from_slice(&query[..2]);
                out[2..4].copy_from_slice(&u16::try_from(query.len()).expect("u16").to_be_bytes());
                return Step::Reply(4);
            }
            _ => return Step::Silence,
        }
        out[..query.len()].copy_from_slice(query);
        Step::Reply(query.len())
    }
}

fn number(query: &[u8]) -> u64 {
    match query.get(13..15) {
        Some(&[high, low]) => u16::from_be_bytes([high, low]).into(),
        _ => 0,
    }
}

/// A query for the toy.
pub(crate) fn query(id: u16, what: u8, number: u16) -> Vec<u8> {
    let mut query = vec![0; 15];
    query[..2].copy_from_slice(&id.to_be_bytes());
    query[12] = what;
    query[13..].copy_from_slice(&number.to_be_bytes());
    query
}

pub(crate) fn listen(address: &str) -> Listen {
    Listen { address: address.parse().expect("an address"), implied: false }
}

pub(crate) fn start(addresses: &[&str], options: Options) -> Server {
    let listens: Vec<_> = addresses.iter().map(|address| listen(address)).collect();
    Server::start(Arc::new(Toy), &listens, options).expect("start")
}

/// One worker unless a test is about more.
pub(crate) fn options() -> Options {
    Options { workers: 1, ..Options::default() }
}

/// A UDP client of one address.
pub(crate) fn udp(to: SocketAddr) -> UdpSocket {
    let from = if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(from).expect("bind");
    socket.connect(to).expect("connect");
    socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
    socket
}

pub(crate) fn ask(socket: &UdpSocket, query: &[u8]) -> Vec<u8> {
    socket.send(query).expect("send");
    receive(socket)
}

pub(crate) fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut response = vec![0; 65_535];
    let length = socket.recv(&mut response).expect("a response");
    response.truncate(length);
    response
}

/// A TCP client.
pub(crate) fn tcp(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("connect");
    stream.set_nodelay(true).expect("option");
    stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
    stream.set_write_timeout(Some(PATIENCE)).expect("time-out");
    stream
}

pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a message");
    [&length.to_be_bytes(), message].concat()
}

pub(crate) fn send_all(stream: &mut TcpStream, queries: &[Vec<u8>]) {
    let octets: Vec<u8> = queries.iter().flat_map(|query| framed(query)).collect();
    stream.write_all(&octets).expect("write");
}

pub(crate) fn read_message(stream: &mut TcpStream) -> Vec<u8> {
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix).expect("a length");
    let mut message = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut message).expect("a message");
    message
}

pub(crate) fn id(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[0], message[1]])
}

/// The connection ends with no more octets and without a reset.
pub(crate) fn assert_ended(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("an orderly end");
    assert!(rest.is_empty(), "octets after the last message: {rest:?}");
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < limit, "never came true: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
