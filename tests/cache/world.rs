//! A server with a cache in front of an upstream, and clients of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RecordType};

use crate::http::pages;
use crate::run::{PATIENCE, Room, Served};
use crate::scrape::Page;
use crate::upstream::Upstream;

pub(crate) struct World {
    pub(crate) upstream: Upstream,
    pub(crate) served: Served,
    _room: Room,
}

/// A query with EDNS, as most send it.
pub(crate) fn query(name: &str) -> Message {
    let mut query = plain(name);
    let mut edns = Edns::new();
    edns.set_max_payload(1_232);
    query.edns = Some(edns);
    query
}

/// A query without EDNS, for an address.
pub(crate) fn plain(name: &str) -> Message {
    let mut query = Message::query();
    query.metadata.id = 0x0102;
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(Name::from_ascii(name).expect("a name"), RecordType::A));
    query
}

impl World {
    /// With these lines behind the word `cache`.
    pub(crate) fn new(cache: &str) -> Self {
        let (room, upstream) = (Room::new(), Upstream::start());
        room.write("none.yaml", OUTSIDE);
        room.write(
            "Corefile",
            format!(
                ".:0 {{\n  bind 127.0.0.1\n  errors\n  prometheus 127.0.0.1:0\n  cache {cache}\n  \
                 kubernetes cluster.local {{\n    manifests none.yaml\n  }}\n  forward . {}\n}}\n",
                upstream.address
            ),
        );
        let served = room.serve(&["-c", "Corefile"]);
        Self { upstream, served, _room: room }
    }

    pub(crate) fn ask(&self, query: &Message) -> Message {
        let socket = self.served.socket();
        socket.send(&query.to_vec().expect("a query")).expect("send");
        let mut room = [0; 4_096];
        let len = socket.recv(&mut room).expect("a response");
        let reply = Message::from_vec(&room[..len]).expect("a message");
        assert_eq!(reply.metadata.id, query.metadata.id);
        assert!(reply.metadata.recursion_available);
        assert_eq!(reply.edns.is_some(), query.edns.is_some());
        reply
    }

    pub(crate) fn ask_tcp(&self, query: &Message) -> Message {
        let octets = query.to_vec().expect("a query");
        let mut stream = TcpStream::connect(self.served.address).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
        let len = u16::try_from(octets.len()).expect("short").to_be_bytes();
        stream.write_all(&[&len[..], &octets].concat()).expect("write");
        let mut len = [0; 2];
        stream.read_exact(&mut len).expect("a length");
        let mut reply = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut reply).expect("a message");
        Message::from_vec(&reply).expect("a message")
    }

    pub(crate) fn page(&self) -> Page {
        Page::of(pages(&self.served))
    }

    /// Asks until the response is as it should be.
    pub(crate) fn until(&self, query: &Message, good: impl Fn(&Message) -> bool) -> Message {
        let limit = Instant::now() + PATIENCE;
        loop {
            let reply = self.ask(query);
            if good(&reply) {
                return reply;
            }
            assert!(Instant::now() < limit, "still {reply:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// An alias that leads outside, and nothing else.
const OUTSIDE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n\
                       apiVersion: v1\nkind: Service\nmetadata: {name: out, namespace: shop}\n\
                       spec: {type: ExternalName, externalName: a300.test}\n";

/// Code, TTLs and data of the answer, in one line.
pub(crate) fn line(reply: &Message) -> String {
    let code = match reply.metadata.response_code {
        ResponseCode::NoError => "ok".to_owned(),
        other => format!("{other:?}"),
    };
    let records = reply.answers.iter().map(|one| format!(" {} {}", one.ttl, one.data));
    code + &records.collect::<String>()
}

/// The code of the extended error.
pub(crate) fn ede(reply: &Message) -> Option<u16> {
    let option = reply.edns.as_ref()?.option(EdnsCode::Unknown(15))?;
    let EdnsOption::Unknown(_, octets) = option else { return None };
    Some(u16::from_be_bytes([octets[0], octets[1]]))
}
