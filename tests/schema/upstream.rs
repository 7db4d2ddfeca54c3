//! An upstream on loopback that knows a few names, over UDP and TCP alike.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, PTR, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// How often the threads look whether they are to end.
const TICK: Duration = Duration::from_millis(20);
/// Tries to find a port that is free for both protocols.
const PORTS: usize = 50;

/// A running upstream; dropping it ends it.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Message>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let (udp, tcp) = (0..PORTS)
            .find_map(|_| {
                let udp = UdpSocket::bind("127.0.0.1:0").ok()?;
                let tcp = TcpListener::bind(udp.local_addr().ok()?).ok()?;
                Some((udp, tcp))
            })
            .expect("a port of both protocols");
        let address = udp.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let threads = vec![
            std::thread::spawn({
                let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
                move || over_udp(&udp, &stop, &asked)
            }),
            std::thread::spawn({
                let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
                move || over_tcp(&tcp, &stop, &asked)
            }),
        ];
        Self { address, stop, asked, threads }
    }

    /// What it was asked, since this was last called.
    pub(crate) fn asked(&self) -> Vec<Message> {
        std::mem::take(&mut *self.asked.lock().expect("the queries"))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn over_udp(socket: &UdpSocket, stop: &AtomicBool, asked: &Mutex<Vec<Message>>) {
    socket.set_read_timeout(Some(TICK)).expect("a time-out");
    let mut buffer = [0; 4_096];
    while !stop.load(Ordering::Relaxed) {
        let Ok((len, client)) = socket.recv_from(&mut buffer) else { continue };
        if let Some(reply) = reply(&buffer[..len], asked) {
            let _ = socket.send_to(&reply, client);
        }
    }
}

fn over_tcp(listener: &TcpListener, stop: &AtomicBool, asked: &Mutex<Vec<Message>>) {
    listener.set_nonblocking(true).expect("not to block");
    while !stop.load(Ordering::Relaxed) {
        let Ok((mut stream, _)) = listener.accept() else {
            std::thread::sleep(TICK);
            continue;
        };
        stream.set_nonblocking(false).expect("to block");
        stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a time-out");
        let mut len = [0; 2];
        if stream.read_exact(&mut len).is_err() {
            continue;
        }
        let mut query = vec![0; usize::from(u16::from_be_bytes(len))];
        if stream.read_exact(&mut query).is_err() {
            continue;
        }
        if let Some(reply) = reply(&query, asked) {
            let len = u16::try_from(reply.len()).expect("a message").to_be_bytes();
            let _ = stream.write_all(&[&len[..], &reply].concat());
        }
    }
}

fn reply(query: &[u8], asked: &Mutex<Vec<Message>>) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).ok()?;
    asked.lock().expect("the queries").push(query.clone());
    answer(&query)?.to_vec().ok()
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

/// What the upstream knows.
fn answer(query: &Message) -> Option<Message> {
    let question = query.queries.first()?.clone();
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.edns.clone_from(&query.edns);
    let qtype = question.query_type;
    let asked = question.name.to_ascii().to_ascii_lowercase();
    reply.add_query(question.clone());
    let owner = question.name;
    let a = |owner: &Name, last| {
        Record::from_rdata(owner.clone(), 60, RData::A(A::new(203, 0, 113, last)))
    };
    let alias = |owner: &Name, target: &str| {
        Record::from_rdata(owner.clone(), 70, RData::CNAME(CNAME(name(target))))
    };
    let soa = || {
        let data = SOA::new(name("ns.example.com."), name("host.example.com."), 7, 1, 2, 3, 40);
        Record::from_rdata(name("example.com."), 50, RData::SOA(data))
    };
    match (asked.as_str(), qtype) {
        ("www.example.com.", RecordType::A) => {
            reply.add_answer(a(&owner, 1)).add_answer(a(&owner, 2));
        }
        ("www.example.com.", RecordType::AAAA) => {
            let data = AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
            reply.add_answer(Record::from_rdata(owner, 60, RData::AAAA(data)));
        }
        ("chain.example.com.", RecordType::A) => {
            reply.add_answer(alias(&owner, "www.example.com."));
            reply.add_answer(a(&name("www.example.com."), 1));
        }
        ("home.example.com.", _) => {
            reply.add_answer(alias(&owner, "web.shop.svc.cluster.local."));
        }
        ("many.example.com.", RecordType::A) => {
            for last in 0..200 {
                reply.add_answer(a(&owner, last));
            }
        }
        ("8.8.4.4.in-addr.arpa.", RecordType::PTR) => {
            reply.add_answer(Record::from_rdata(
                owner,
                60,
                RData::PTR(PTR(name("dns.example.com."))),
            ));
        }
        ("nope.shop.svc.cluster.local.", RecordType::A) => {
            reply.add_answer(a(&owner, 9));
        }
        ("www.example.com." | "chain.example.com." | "nodata.example.com.", _) => {
            reply.add_authority(soa());
        }
        ("broken.example.com.", _) => {
            reply.metadata.response_code = ResponseCode::ServFail;
        }
        ("dead.example.com.", _) => return None,
        _ => {
            reply.metadata.response_code = ResponseCode::NXDomain;
            reply.add_authority(soa());
        }
    }
    Some(reply)
}
