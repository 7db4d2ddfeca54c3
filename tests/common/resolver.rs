//! A resolver under the test's control: a small world, told as recursive resolvers tell it, over UDP
//! and TCP, with what goes wrong in the real one.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use self::Data::{Address, Alias, Hosts, Mail, Pointer, Port, Text};

/// How often the threads look whether they are to end.
const TICK: Duration = Duration::from_millis(5);
/// Octets of a response over UDP to who says nothing of EDNS.
const PLAIN: u16 = 512;

/// What an owner has.
#[derive(Clone, Copy)]
enum Data {
    /// Of either family.
    Address(&'static str),
    Alias(&'static str),
    /// So many addresses.
    Hosts(u8),
    Mail(&'static str),
    Pointer(&'static str),
    Port(u16, &'static str),
    Text(&'static str),
}

/// Owners, their TTLs and data. What has a name of its own below `servfail` and `refused` is answered
/// with that code, what is below `silent` not at all; all else does not exist.
const WORLD: &[(&str, u32, Data)] = &[
    ("github.com.", 60, Address("192.0.2.80")),
    ("github.com.", 60, Address("2001:db8::80")),
    ("v4.example.", 300, Address("192.0.2.4")),
    ("v6.example.", 20, Address("2001:db8::6")),
    ("brief.example.", 2, Address("192.0.2.2")),
    ("alias.example.", 300, Alias("middle.example.")),
    ("middle.example.", 100, Alias("v4.example.")),
    ("dangling.example.", 60, Alias("nowhere.example.")),
    ("empty.example.", 60, Text("no address")),
    ("many.example.", 60, Hosts(100)),
    ("some.example.", 60, Hosts(40)),
    ("mail.example.", 60, Mail("v4.example.")),
    ("_sip._tcp.example.", 60, Port(5060, "v4.example.")),
    ("4.2.0.192.in-addr.arpa.", 60, Pointer("v4.example.")),
    (
        "6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
        60,
        Pointer("v6.example."),
    ),
];

/// A running resolver; dropping it ends it.
pub(crate) struct Resolver {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl Resolver {
    /// At a free port of the loopback interface.
    pub(crate) fn start() -> Self {
        let pair = (0..50).find_map(|_| {
            let udp = UdpSocket::bind("127.0.0.1:0").ok()?;
            let tcp = TcpListener::bind(udp.local_addr().ok()?).ok()?;
            Some((udp, tcp))
        });
        let (udp, tcp) = pair.expect("a port of both protocols");
        Self::run(udp, tcp)
    }

    /// At this address.
    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let udp = UdpSocket::bind(address).expect("UDP");
        Self::run(udp, TcpListener::bind(address).expect("TCP"))
    }

    fn run(udp: UdpSocket, tcp: TcpListener) -> Self {
        let address = udp.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let [of_udp, of_tcp] = [(); 2].map(|()| Arc::clone(&state));
        let threads = vec![
            std::thread::spawn(move || of_udp.over_udp(&udp)),
            std::thread::spawn(move || of_tcp.over_tcp(&tcp)),
        ];
        Self { address, state, threads }
    }

    /// What it was asked since this was last called, sorted: names in lower case and types.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.state.asked.lock().expect("the queries"));
        asked.sort();
        asked
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.state.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl State {
    fn over_udp(&self, socket: &UdpSocket) {
        socket.set_read_timeout(Some(TICK)).expect("a time-out");
        let mut buffer = [0; 4_096];
        while !self.stop.load(Relaxed) {
            let Ok((len, client)) = socket.recv_from(&mut buffer) else { continue };
            if let Some(reply) = self.reply(&buffer[..len], false) {
                let _ = socket.send_to(&reply, client);
            }
        }
    }

    /// One connection after the other, as long as each is used.
    fn over_tcp(&self, listener: &TcpListener) {
        listener.set_nonblocking(true).expect("not to block");
        while !self.stop.load(Relaxed) {
            match listener.accept() {
                Ok((stream, _)) => _ = self.serve(stream),
                Err(_) => std::thread::sleep(TICK),
            }
        }
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut len = [0; 2];
        stream.read_exact(&mut len)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut query)?;
        let Some(reply) = self.reply(&query, true) else { return Ok(()) };
        let len = u16::try_from(reply.len()).expect("a message").to_be_bytes();
        stream.write_all(&[&len[..], &reply].concat())
    }

    fn reply(&self, query: &[u8], stream: bool) -> Option<Vec<u8>> {
        let query = Message::from_vec(query).ok()?;
        let question = query.queries.first()?;
        let asked = question.name.to_ascii().to_ascii_lowercase();
        let line = format!("{asked} {}", question.query_type);
        self.asked.lock().expect("the queries").push(line);
        if asked.ends_with("silent.example.") {
            return None;
        }
        let mut reply = answer(&query, &asked);
        let octets = reply.to_vec().ok()?;
        let room = query.edns.as_ref().map_or(PLAIN, |edns| edns.max_payload().max(PLAIN));
        if stream || octets.len() <= usize::from(room) {
            return Some(octets);
        }
        reply.answers.clear();
        reply.metadata.truncation = true;
        reply.to_vec().ok()
    }
}

fn answer(query: &Message, asked: &str) -> Message {
    let question = query.queries[0].clone();
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.checking_disabled = query.metadata.checking_disabled;
    reply.metadata.recursion_available = true;
    reply.edns.clone_from(&query.edns);
    reply.add_query(question.clone());
    for (below, code) in
        [("servfail.example.", ResponseCode::ServFail), ("refused.example.", ResponseCode::Refused)]
    {
        if asked.ends_with(below) {
            reply.metadata.response_code = code;
            return reply;
        }
    }
    let (mut owner, mut at) = (question.name, asked.to_owned());
    // An alias leads to another owner; the world has no loops.
    loop {
        let here = WORLD.iter().filter(|(of, ..)| *of == at);
        let mut exists = false;
        let (mut found, mut next) = (Vec::new(), None);
        for (_, ttl, data) in here {
            exists = true;
            let records = records(&owner, *ttl, *data);
            match data {
                Alias(target) if question.query_type != RecordType::CNAME => {
                    found.extend(records);
                    next = Some(*target);
                }
                _ => found.extend(
                    records.into_iter().filter(|one| one.record_type() == question.query_type),
                ),
            }
        }
        let is_empty = found.is_empty();
        reply.answers.extend(found);
        if let Some(target) = next {
            (owner, at) = (name(target), target.to_owned());
            continue;
        }
        if !exists {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        if is_empty {
            let zones = ["example.", "in-addr.arpa.", "ip6.arpa."];
            let zone = zones.into_iter().find(|zone| at.ends_with(zone)).unwrap_or(".");
            let soa =
                SOA::new(name("ns.example."), name("host.example."), 1, 7_200, 1_800, 86_400, 60);
            reply.add_authority(Record::from_rdata(name(zone), 60, RData::SOA(soa)));
        }
        return reply;
    }
}

fn records(owner: &Name, ttl: u32, data: Data) -> Vec<Record> {
    let one = |data| vec![Record::from_rdata(owner.clone(), ttl, data)];
    match data {
        Address(text) => one(match (text.parse::<Ipv4Addr>(), text.parse::<Ipv6Addr>()) {
            (Ok(v4), _) => RData::A(A(v4)),
            (_, v6) => RData::AAAA(AAAA(v6.expect("an address"))),
        }),
        Alias(target) => one(RData::CNAME(CNAME(name(target)))),
        Hosts(count) => {
            (0..count).flat_map(|last| one(RData::A(A::new(198, 51, 100, last)))).collect()
        }
        Mail(target) => one(RData::MX(MX::new(10, name(target)))),
        Pointer(target) => one(RData::PTR(PTR(name(target)))),
        Port(port, target) => one(RData::SRV(SRV::new(0, 5, port, name(target)))),
        Text(text) => one(RData::TXT(TXT::new(vec![text.to_owned()]))),
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}
