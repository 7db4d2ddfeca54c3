//! Upstreams that lie, dawdle, cut or babble: what of it reaches a client, and what does not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::rdata::{A, CNAME, NS};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::run::{Room, Served};
use crate::upstream::Upstream;
use crate::world::{ask, ede, line, plain, query, serve};

const TICK: Duration = Duration::from_millis(10);

/// An upstream that sends what `says` makes of each query.
struct Played {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Whoever sends from the upstream's socket, from another one, or over a stream.
enum Said {
    Own(Vec<u8>),
    Foreign(Vec<u8>),
    Later(Vec<u8>),
}

impl Played {
    /// `says` is for datagrams, `streams` for queries over TCP.
    fn start(
        says: impl Fn(&Message) -> Vec<Said> + Send + 'static,
        streams: impl Fn(&Message) -> Vec<u8> + Send + 'static,
    ) -> Self {
        let (udp, tcp) = (0..50)
            .find_map(|_| {
                let udp = UdpSocket::bind("127.0.0.1:0").ok()?;
                let tcp = TcpListener::bind(udp.local_addr().ok()?).ok()?;
                Some((udp, tcp))
            })
            .expect("a port of both protocols");
        let address = udp.local_addr().expect("an address");
        let stop = Arc::<AtomicBool>::default();
        let (over_udp, over_tcp) = (Arc::clone(&stop), Arc::clone(&stop));
        let threads = vec![
            std::thread::spawn(move || {
                let other = UdpSocket::bind("127.0.0.1:0").expect("bind");
                udp.set_read_timeout(Some(TICK)).expect("a time-out");
                let mut room = [0; 4_096];
                while !over_udp.load(Relaxed) {
                    let Ok((length, client)) = udp.recv_from(&mut room) else { continue };
                    let query = Message::from_vec(&room[..length]).expect("a query");
                    for said in says(&query) {
                        let _ = match said {
                            Said::Own(octets) => udp.send_to(&octets, client),
                            Said::Foreign(octets) => other.send_to(&octets, client),
                            Said::Later(octets) => {
                                std::thread::sleep(Duration::from_millis(100));
                                udp.send_to(&octets, client)
                            }
                        };
                    }
                }
            }),
            std::thread::spawn(move || {
                tcp.set_nonblocking(true).expect("not to block");
                while !over_tcp.load(Relaxed) {
                    let Ok((mut stream, _)) = tcp.accept() else {
                        std::thread::sleep(TICK);
                        continue;
                    };
                    stream.set_nonblocking(false).expect("to block");
                    let mut length = [0; 2];
                    if stream.read_exact(&mut length).is_ok() {
                        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                        stream.read_exact(&mut query).expect("a query");
                        let reply = streams(&Message::from_vec(&query).expect("a query"));
                        let length = u16::try_from(reply.len()).expect("a message").to_be_bytes();
                        let _ = stream.write_all(&[&length[..], &reply].concat());
                    }
                }
            }),
        ];
        Self { address, stop, threads }
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn a(owner: &Name, last: u8) -> Record {
    Record::from_rdata(owner.clone(), 77, RData::A(A::new(192, 0, 2, last)))
}

fn empty(query: &Message) -> Message {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.queries.clone_from(&query.queries);
    reply
}

/// The reply to every query but a health check: one address.
fn good(query: &Message) -> Message {
    let mut reply = empty(query);
    reply.add_answer(a(&query.queries[0].name, 1));
    reply
}

fn octets(message: &Message) -> Vec<u8> {
    message.to_vec().expect("a message")
}

fn forward(room: &Room, cache: bool, upstream: &Played) -> Served {
    let cache = if cache { " cache\n" } else { "" };
    serve(room, &format!("{cache} forward . {}", upstream.address))
}

#[test]
fn nothing_foreign_is_believed() {
    for cache in [false, true] {
        let upstream = Played::start(
            |query| {
                let mut reply = good(query);
                let bank = name("bank.example.");
                reply.add_answer(a(&bank, 66));
                reply.add_authority(Record::from_rdata(
                    name("example."),
                    9_999,
                    RData::NS(NS(name("ns.evil."))),
                ));
                reply.add_additional(a(&bank, 66)).add_additional(a(&name("ns.evil."), 66));
                let mut edns = Edns::new();
                edns.set_max_payload(4_000);
                edns.options_mut().insert(EdnsOption::Unknown(65_001, vec![1, 2, 3]));
                // Unasked for by some.
                reply.edns = Some(edns);
                vec![Said::Own(octets(&reply))]
            },
            |query| octets(&good(query)),
        );
        let room = Room::new();
        let served = forward(&room, cache, &upstream);
        for query in [plain("www.test."), query("www2.test.")] {
            let reply = ask(&served, &query);
            assert_eq!(line(&reply), "NoError 192.0.2.1", "{cache}");
            assert_eq!((reply.authorities.len(), reply.additionals.len()), (0, 0), "{cache}");
            let edns = reply.edns.as_ref();
            assert!(edns.is_none_or(|edns| edns.max_payload() == 1_232));
            assert!(edns.is_none_or(|edns| edns.option(EdnsCode::Unknown(65_001)).is_none()));
        }
    }
}

#[test]
fn the_upstream_is_asked_as_the_client_asked() {
    let upstream = Upstream::start();
    let room = Room::new();
    let served = serve(&room, &format!(" forward . {}", upstream.address));
    let mut with_options = query("wWw.TeSt.");
    let mut edns = Edns::new();
    edns.set_max_payload(1_400).set_dnssec_ok(true);
    edns.options_mut().insert(EdnsOption::Unknown(65_001, vec![1, 2, 3]));
    with_options.edns = Some(edns);
    for query in [plain("wWw.TeSt."), with_options] {
        ask(&served, &query);
        let mut asked = upstream.asked();
        let mut asked = asked.remove(0);
        asked.metadata.id = query.metadata.id;
        assert_eq!(asked.to_vec().expect("a query"), query.to_vec().expect("a query"));
    }
}

#[test]
fn what_is_no_reply_is_passed_over() {
    let upstream = Played::start(
        |query| {
            let id = query.metadata.id;
            let mut wrong_id = good(query);
            wrong_id.metadata.id = id ^ 1;
            let mut other_name = good(query);
            other_name.queries[0].name = name("other.test.");
            let mut other_type = good(query);
            other_type.queries[0].query_type = RecordType::AAAA;
            let mut no_response = query.clone();
            no_response.metadata.id = id;
            let mut evil = good(query);
            evil.answers[0] = a(&query.queries[0].name, 66);
            let mut all: Vec<Said> = [wrong_id, other_name, other_type, no_response]
                .iter_mut()
                .map(|message| Said::Own(octets(message)))
                .collect();
            all.push(Said::Foreign(octets(&evil)));
            all.push(Said::Own(b"garbage".to_vec()));
            all.push(Said::Own(Vec::new()));
            all.push(Said::Later(octets(&good(query))));
            // What comes too late is for nobody.
            all.push(Said::Own(octets(&evil)));
            all
        },
        |query| octets(&good(query)),
    );
    let room = Room::new();
    let served = forward(&room, false, &upstream);
    for number in 0..3 {
        let reply = ask(&served, &query(&format!("WwW{number}.tEst.")));
        assert_eq!(line(&reply), "NoError 192.0.2.1");
    }
}

#[test]
fn what_is_cut_is_asked_for_over_tcp() {
    let upstream = Played::start(
        |query| {
            let mut cut = empty(query);
            cut.metadata.truncation = true;
            vec![Said::Own(octets(&cut))]
        },
        |query| {
            let mut reply = good(query);
            reply.answers = (0..50).map(|last| a(&query.queries[0].name, last)).collect();
            octets(&reply)
        },
    );
    let room = Room::new();
    let served = forward(&room, false, &upstream);
    let reply = ask(&served, &query("www.test."));
    assert_eq!((reply.answers.len(), reply.metadata.truncation), (50, false));
    // This client's datagrams have room for some of it.
    let reply = ask(&served, &plain("www.test."));
    assert_eq!((reply.answers.len(), reply.metadata.truncation), ((512 - 12 - 14) / 16, true));
}

#[test]
fn what_answers_nothing_is_a_failure_and_told() {
    for cache in [false, true] {
        let upstream = Played::start(
            |query| {
                let mut reply = empty(query);
                let owner = query.queries[0].name.clone();
                let alias = |owner: &Name, target: &Name| {
                    Record::from_rdata(owner.clone(), 9, RData::CNAME(CNAME(target.clone())))
                };
                let target = name("target.example.");
                let whole = match owner.to_ascii().split('.').next() {
                    Some("circle") => {
                        reply.add_answer(alias(&owner, &target));
                        reply.add_answer(alias(&target, &owner));
                        octets(&reply)
                    }
                    Some("alone") => {
                        reply.add_answer(alias(&owner, &target));
                        octets(&reply)
                    }
                    Some("refused") => {
                        reply.metadata.response_code = ResponseCode::Refused;
                        reply.add_additional(a(&name("bank.example."), 66));
                        octets(&reply)
                    }
                    Some("broken") => {
                        let whole = octets(&good(query));
                        whole[..whole.len() - 2].to_vec()
                    }
                    // Within its OPT record, which nothing stands behind.
                    Some("unfinished") => {
                        let mut reply = good(query);
                        let mut edns = Edns::new();
                        edns.options_mut().insert(EdnsOption::Unknown(65_001, vec![1, 2, 3, 4]));
                        reply.edns = Some(edns);
                        let whole = octets(&reply);
                        whole[..whole.len() - 3].to_vec()
                    }
                    _ => octets(&good(query)),
                };
                vec![Said::Own(whole)]
            },
            |query| octets(&good(query)),
        );
        let room = Room::new();
        let served = forward(&room, cache, &upstream);
        for (asked, expected, code) in [
            ("circle.test.", "ServFail", Some(23)),
            ("broken.test.", "ServFail", Some(23)),
            ("unfinished.test.", "ServFail", Some(23)),
            ("alone.test.", "NoError target.example.", None),
            ("refused.test.", "Refused", None),
            ("good.test.", "NoError 192.0.2.1", None),
        ] {
            let reply = ask(&served, &query(asked));
            let told = ede(&reply).map(|(code, _)| code);
            assert_eq!((line(&reply).as_str(), told), (expected, code), "{asked} {cache}");
            assert_eq!(reply.additionals.len(), 0, "{asked} {cache}");
        }
    }
}
