//! A server with a Corefile, and what it says in one line.

use std::io::{Read, Write};
use std::net::TcpStream;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, Record, RecordType};

use crate::run::{PATIENCE, Room, Served};

/// Objects, and a server that has them in `cluster.yaml`.
pub(crate) struct World {
    pub(crate) served: Served,
    _room: Room,
}

/// A query as a libc sends it, with EDNS.
pub(crate) fn query(name: &str, kind: RecordType) -> Message {
    let mut query = Message::query();
    query.metadata.id = 0x0102;
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(Name::from_ascii(name).expect("a name"), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(1_232);
    query.edns = Some(edns);
    query
}

impl World {
    /// Serves the objects with a Corefile, in which `PORT` stands for the port of each block.
    pub(crate) fn new(objects: &str, corefile: &str) -> Self {
        let room = Room::new();
        room.write("cluster.yaml", objects);
        room.write("Corefile", corefile);
        let served = room.serve(&["-c", "Corefile"]);
        Self { served, _room: room }
    }

    /// The response over UDP, or TCP. Its question is the client's own, octet by octet.
    pub(crate) fn ask(&self, query: &Message, stream: bool) -> Message {
        let octets = query.to_vec().expect("a query");
        let reply = if stream { self.over_tcp(&octets) } else { self.over_udp(&octets) };
        let end = 12 + query.queries[0].name().len() + 4;
        assert_eq!(reply[..2], octets[..2], "the client's own ID");
        assert_eq!(reply[12..end], octets[12..end], "the client's own question");
        let message = Message::from_vec(&reply).expect("a message");
        assert_eq!(message.edns.is_some(), query.edns.is_some());
        let most = query.edns.as_ref().map_or(512, Edns::max_payload);
        assert!(stream || reply.len() <= usize::from(most), "{} octets", reply.len());
        message
    }

    fn over_udp(&self, octets: &[u8]) -> Vec<u8> {
        let socket = self.served.socket();
        socket.send(octets).expect("send");
        let mut room = vec![0; 65_535];
        let length = socket.recv(&mut room).expect("a response");
        room.truncate(length);
        room
    }

    fn over_tcp(&self, octets: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.served.address).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
        let length = u16::try_from(octets.len()).expect("short").to_be_bytes();
        stream.write_all(&[&length[..], octets].concat()).expect("write");
        let mut length = [0; 2];
        stream.read_exact(&mut length).expect("a length");
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply).expect("a message");
        reply
    }

    /// What is said over UDP, and over TCP alike.
    pub(crate) fn says(&self, query: &Message) -> String {
        let told = [false, true].map(|stream| line(&self.ask(query, stream)));
        assert_eq!(told[0], told[1], "UDP and TCP: {}", query.queries[0]);
        told[0].clone()
    }

    /// The same for a name and type.
    pub(crate) fn told(&self, name: &str, kind: RecordType) -> String {
        self.says(&query(name, kind))
    }
}

/// Code, flags, records and extended errors: answers behind `;`, the authority section behind `~`, the
/// additional one behind `+`, an extended error behind `!`.
pub(crate) fn line(reply: &Message) -> String {
    let flags = &reply.metadata;
    let mut parts = vec![match flags.response_code {
        ResponseCode::NoError => "ok".to_owned(),
        other => format!("{other:?}"),
    }];
    parts.extend(flags.authoritative.then(|| " aa".into()));
    parts.extend(flags.truncation.then(|| " tc".into()));
    let sections = [(";", &reply.answers), (" ~", &reply.authorities), (" +", &reply.additionals)];
    for (mark, records) in sections {
        // Addresses come in another order each time.
        let mut lines: Vec<String> = records.iter().map(record).collect();
        if lines.iter().all(|line| line.contains(" A ")) {
            lines.sort();
        }
        parts.extend(lines.iter().map(|line| format!("{mark} {line}")));
    }
    let option = reply.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Unknown(15)));
    if let Some(EdnsOption::Unknown(_, octets)) = option {
        parts.push(format!(" !{}", u16::from_be_bytes([octets[0], octets[1]])));
    }
    parts.concat()
}

fn record(record: &Record) -> String {
    let kind = record.record_type();
    // An SOA record's serial is the server's own.
    let data = if kind == RecordType::SOA { String::new() } else { format!(" {}", record.data) };
    format!("{} {} {kind}{data}", record.name, record.ttl)
}
