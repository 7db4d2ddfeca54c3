//! Upstreams over TLS: whom this server trusts, as whom it shows itself, and that nothing goes out in
//! the clear.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authority::{Authority, Identity};
use crate::run::{Room, Served};
use crate::world::{ask, ede, line, page, query, serve};

const HOST: &str = "127.0.0.1";
const TICK: Duration = Duration::from_millis(10);

/// An upstream that speaks TLS, and answers every query with one address.
struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    config: Mutex<Arc<ServerConfig>>,
    stop: AtomicBool,
    /// Connections, handshakes that came about, and queries.
    accepted: AtomicUsize,
    shaken: AtomicUsize,
    asked: AtomicUsize,
}

impl Upstream {
    fn start(config: ServerConfig) -> Self {
        let listener = TcpListener::bind((HOST, 0)).expect("bind");
        listener.set_nonblocking(true).expect("not to block");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            config: Mutex::new(Arc::new(config)),
            stop: AtomicBool::default(),
            accepted: AtomicUsize::default(),
            shaken: AtomicUsize::default(),
            asked: AtomicUsize::default(),
        });
        let thread = std::thread::spawn({
            let state = Arc::clone(&state);
            move || {
                let mut serving = Vec::new();
                while !state.stop.load(Relaxed) {
                    let Ok((stream, _)) = listener.accept() else {
                        std::thread::sleep(TICK);
                        continue;
                    };
                    state.accepted.fetch_add(1, Relaxed);
                    let state = Arc::clone(&state);
                    serving.push(std::thread::spawn(move || drop(state.serve(stream))));
                }
                serving.into_iter().for_each(|thread| drop(thread.join()));
            }
        });
        Self { address, state, thread: Some(thread) }
    }

    fn counts(&self) -> [usize; 3] {
        let State { accepted, shaken, asked, .. } = &*self.state;
        [accepted, shaken, asked].map(|count| count.load(Relaxed))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.state.stop.store(true, Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

impl State {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        let config = Arc::clone(&self.config.lock().expect("a configuration"));
        let connection = ServerConnection::new(config).expect("a connection");
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        self.shaken.fetch_add(1, Relaxed);
        while !self.stop.load(Relaxed) {
            let mut length = [0; 2];
            match stream.read_exact(&mut length) {
                Err(fault) if fault.kind() == std::io::ErrorKind::WouldBlock => continue,
                other => other?,
            }
            let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut query)?;
            self.asked.fetch_add(1, Relaxed);
            let reply = answer(&query);
            let length = u16::try_from(reply.len()).expect("a message").to_be_bytes();
            stream.write_all(&[&length[..], &reply].concat())?;
            stream.flush()?;
        }
        Ok(())
    }
}

fn answer(query: &[u8]) -> Vec<u8> {
    let query = Message::from_vec(query).expect("a query");
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    let question = query.queries[0].clone();
    reply.edns.clone_from(&query.edns);
    let address = RData::A(A::new(192, 0, 2, 85));
    reply.add_answer(Record::from_rdata(question.name.clone(), 60, address));
    reply.add_query(question);
    reply.to_vec().expect("a reply")
}

fn forward(room: &Room, to: &str, options: &str) -> Served {
    serve(room, &format!(" forward . {to} {{\n  max_connect_attempts 1\n{options}\n }}"))
}

#[test]
fn queries_go_over_one_trusted_connection() {
    let authority = Authority::new();
    let upstream = Upstream::start(authority.server(HOST, None));
    let room = Room::new();
    room.write("ca.pem", authority.pem());
    let served = forward(&room, &format!("tls://{}", upstream.address), "  tls ca.pem");
    for number in 0..5 {
        let name = format!("a{number}.test.");
        assert_eq!(line(&ask(&served, &query(&name))), "NoError 192.0.2.85");
    }
    assert_eq!(upstream.counts(), [1, 1, 5]);
    let to = upstream.address.to_string();
    let labels = [("proxy_name", "forward"), ("to", &*to), ("proto", "tcp-tls")];
    let page = page(&served);
    assert_eq!(page.value("coredns_proxy_conn_cache_hits_total", &labels), Some(4.0));
    assert_eq!(page.value("coredns_proxy_conn_cache_misses_total", &labels), Some(1.0));
}

#[test]
fn its_name_is_its_own_or_that_of_the_directive() {
    let authority = Authority::new();
    let upstream = Upstream::start(authority.server("dns.example", None));
    let (ip, port) = (upstream.address.ip(), upstream.address.port());
    let plain = format!("tls://{}", upstream.address);
    let named = format!("tls://{ip}%dns.example:{port}");
    for (to, options, good) in [
        (&plain, "  tls_servername dns.example\n  tls ca.pem", true),
        (&named, "  tls ca.pem", true),
        (&plain, "  tls ca.pem", false),
        (&plain, "  tls ca.pem\n  tls_servername other.example", false),
    ] {
        let room = Room::new();
        room.write("ca.pem", authority.pem());
        let mut served = forward(&room, to, options);
        let output = served.output();
        let reply = ask(&served, &query("a.test."));
        if good {
            assert_eq!(line(&reply), "NoError 192.0.2.85", "{to} {options}");
        } else {
            assert_eq!((line(&reply).as_str(), ede(&reply).unwrap().0), ("ServFail", 22), "{to}");
            let told = output.until(1).remove(0);
            assert!(told.contains("over TLS: invalid peer certificate"), "{told}");
            assert!(told.contains("name the server as its certificate does"), "{told}");
        }
    }
    assert_eq!(upstream.counts()[2], 2);
}

#[test]
fn whoever_is_not_trusted_hears_nothing() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let upstream = Upstream::start(right.server(HOST, None));
    let room = Room::new();
    room.write("ca.pem", wrong.pem());
    let to = format!("tls://{}", upstream.address);
    let mut served = forward(&room, &to, "  tls ca.pem\n  prefer_udp");
    let output = served.output();
    assert_eq!(line(&ask(&served, &query("a.test."))), "ServFail");
    let told = output.until(1).remove(0);
    let cure = "name the authority that has signed its certificate as the last argument of 'tls'";
    assert!(told.contains(cure), "{told}");
    let [accepted, shaken, asked] = upstream.counts();
    assert!(accepted > 0 && (shaken, asked) == (0, 0), "{accepted} {shaken} {asked}");
    let labels = [("rcode", "SERVFAIL")];
    assert_eq!(page(&served).value("coredns_dns_responses_total", &labels), Some(1.0));
}

#[test]
fn this_server_shows_its_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let upstream = Upstream::start(servers.server(HOST, Some(&clients)));
    let room = Room::new();
    let Identity { certificate, key } = clients.client();
    room.write("ca.pem", servers.pem());
    room.write("client.pem", certificate);
    room.write("key.pem", key);
    let to = format!("tls://{}", upstream.address);
    let served = forward(&room, &to, "  tls client.pem key.pem ca.pem");
    assert_eq!(line(&ask(&served, &query("a.test."))), "NoError 192.0.2.85");
    let served = forward(&room, &to, "  tls ca.pem");
    assert_eq!(line(&ask(&served, &query("a.test."))), "ServFail");
    assert_eq!(upstream.counts()[2], 1);
}

#[test]
fn a_broken_file_is_named_before_anything_starts() {
    let room = Room::new();
    let authority = Authority::new();
    let Identity { certificate, key } = authority.client();
    room.write("ca.pem", authority.pem());
    room.write("client.pem", certificate);
    room.write("other.pem", Authority::new().client().key);
    room.write("key.pem", key);
    room.write("empty.pem", "");
    for (options, part) in [
        ("tls empty.pem", "the authority empty.pem cannot be used: it holds no certificate"),
        ("tls nowhere.pem", "the authority nowhere.pem cannot be used"),
        ("tls client.pem nowhere.pem ca.pem", "the key nowhere.pem cannot be used"),
        ("tls nowhere.pem key.pem ca.pem", "the certificate nowhere.pem cannot be used"),
        ("tls client.pem other.pem ca.pem", "cannot be used together"),
        ("tls ca.pem\n  tls_servername a..b", "'a..b' is no name of a server"),
    ] {
        let forward = format!(" forward . tls://192.0.2.1 {{\n  {options}\n }}");
        room.write("Corefile", format!(".:0 {{\n bind 127.0.0.1\n{forward}\n}}\n"));
        for (args, code) in [(["check", "-c", "Corefile"], 1), (["serve", "-c", "Corefile"], 2)] {
            let ended = room.run(&args);
            let said = ended.out + &ended.err;
            assert!(ended.code == code && said.contains(part), "{options}: {said}");
        }
    }
    // What has no effect is told.
    room.write("Corefile", ".:0 {\n forward . 192.0.2.1 {\n  tls\n }\n}\n");
    let said = room.run(&["check", "-c", "Corefile"]).out;
    assert!(said.contains("Corefile:3:3: 'tls' has no effect"), "{said}");
}
