//! An upstream whose names say what it answers, and which can be told to fall silent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// How often the threads look whether they are to end.
const TICK: Duration = Duration::from_millis(10);

/// A running upstream; dropping it ends it.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    /// It replies to nothing.
    silent: AtomicBool,
    /// It replies SERVFAIL to everything.
    failing: AtomicBool,
    /// It replies only once this is gone.
    held: AtomicBool,
    /// The last octet of its addresses.
    last: AtomicU8,
    asked: Mutex<Vec<Message>>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let (udp, tcp) = (0..50)
            .find_map(|_| {
                let udp = UdpSocket::bind("127.0.0.1:0").ok()?;
                let tcp = TcpListener::bind(udp.local_addr().ok()?).ok()?;
                Some((udp, tcp))
            })
            .expect("a port of both protocols");
        let address = udp.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let threads = vec![
            std::thread::spawn({
                let state = Arc::clone(&state);
                move || state.over_udp(&udp)
            }),
            std::thread::spawn({
                let state = Arc::clone(&state);
                move || state.over_tcp(&tcp)
            }),
        ];
        Self { address, state, threads }
    }

    /// What it was asked, since this was last called.
    pub(crate) fn asked(&self) -> Vec<Message> {
        std::mem::take(&mut *self.state.asked.lock().expect("the queries"))
    }

    /// How often it was asked since then.
    pub(crate) fn times(&self) -> usize {
        self.state.asked.lock().expect("the queries").len()
    }

    pub(crate) fn be_silent(&self, silent: bool) {
        self.state.silent.store(silent, Relaxed);
    }

    pub(crate) fn fail(&self, failing: bool) {
        self.state.failing.store(failing, Relaxed);
    }

    pub(crate) fn hold(&self, held: bool) {
        self.state.held.store(held, Relaxed);
    }

    /// From now on its addresses end with this.
    pub(crate) fn say(&self, last: u8) {
        self.state.last.store(last, Relaxed);
    }
}

impl Drop for Upstream {
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

    fn over_tcp(&self, listener: &TcpListener) {
        listener.set_nonblocking(true).expect("not to block");
        while !self.stop.load(Relaxed) {
            match listener.accept() {
                Ok((stream, _)) => drop(self.serve(stream)),
                Err(_) => std::thread::sleep(TICK),
            }
        }
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
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
        self.asked.lock().expect("the queries").push(query.clone());
        while self.held.load(Relaxed) && !self.stop.load(Relaxed) {
            std::thread::sleep(TICK);
        }
        if self.silent.load(Relaxed) {
            return None;
        }
        self.answer(&query, stream).to_vec().ok()
    }

    /// `aN` is an address with TTL N, `cN` an alias for `aN`, `nxN` does not exist for N seconds,
    /// `many` has 100 addresses; `fail` and `refuse` say so.
    fn answer(&self, query: &Message, stream: bool) -> Message {
        let question = query.queries[0].clone();
        let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
        reply.metadata.recursion_desired = query.metadata.recursion_desired;
        reply.metadata.recursion_available = true;
        reply.edns.clone_from(&query.edns);
        reply.add_query(question.clone());
        let name = |text: &str| Name::from_ascii(text).expect("a name");
        let a = |owner: &Name, ttl, last| {
            Record::from_rdata(owner.clone(), ttl, RData::A(A::new(192, 0, 2, last)))
        };
        let soa = |ttl| {
            let data = SOA::new(name("ns.test."), name("host.test."), 7, 1, 2, 3, ttl);
            Record::from_rdata(name("test."), ttl, RData::SOA(data))
        };
        let owner = question.name;
        let asked = owner.to_ascii().to_ascii_lowercase();
        let label = asked.split(['.', '-']).next().unwrap_or_default().to_owned();
        let cut = label.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (word, number) = label.split_at(cut);
        let ttl = number.parse().unwrap_or(60);
        let last = self.last.load(Relaxed);
        if self.failing.load(Relaxed) {
            reply.metadata.response_code = ResponseCode::ServFail;
            return reply;
        }
        match (word, question.query_type) {
            ("a", RecordType::A) => {
                reply.add_answer(a(&owner, ttl, last));
                // What nobody has asked for.
                reply.add_additional(a(&name("bank.example."), 9_999, 66));
            }
            ("c", RecordType::A) => {
                let target = name(&format!("a{ttl}.test."));
                reply.add_answer(a(&target, ttl, last));
                let alias = RData::CNAME(CNAME(target));
                reply.add_answer(Record::from_rdata(owner, 300, alias));
            }
            ("many", RecordType::A) if stream => {
                reply.answers.extend((0..100).map(|last| a(&owner, 60, last)));
            }
            ("many", RecordType::A) => reply.metadata.truncation = true,
            ("nx", _) => {
                reply.metadata.response_code = ResponseCode::NXDomain;
                reply.add_authority(soa(ttl));
            }
            ("fail", _) => reply.metadata.response_code = ResponseCode::ServFail,
            ("refuse", _) => reply.metadata.response_code = ResponseCode::Refused,
            _ => reply.authorities.push(soa(60)),
        }
        reply
    }
}
