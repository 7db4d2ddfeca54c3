//! A client that takes a zone, and servers that hand one over.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::run::{PATIENCE, Room, Served};

pub(crate) const ZONE: &str = "cluster.local.";
const ID: u16 = 0x5afe;

/// Serves these manifests, and hands `cluster.local` over to whom the directive says.
pub(crate) fn serve(room: &Room, manifests: &str, transfer: &str) -> Served {
    serve_with(room, &format!("manifests {manifests}"), transfer)
}

/// The same with other options of `kubernetes`.
pub(crate) fn serve_with(room: &Room, options: &str, directives: &str) -> Served {
    let text = format!(
        ".:0 {{\n  bind 127.0.0.1\n  {directives}\n  kubernetes cluster.local in-addr.arpa {{\n    \
         {options}\n  }}\n}}\n"
    );
    room.write("Corefile", text);
    room.serve(&["-c", "Corefile"])
}

/// A query for a zone, with EDNS.
pub(crate) fn query(zone: &str, qtype: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.id = ID;
    message.add_query(Query::query(Name::from_ascii(zone).expect("a name"), qtype));
    message.set_edns(Edns::new());
    message
}

/// A query of somebody who has a zone with this serial.
pub(crate) fn incremental(zone: &str, serial: u32) -> Message {
    let mut message = query(zone, RecordType::IXFR);
    let name = Name::from_ascii(zone).expect("a name");
    let soa = SOA::new(name.clone(), name.clone(), serial, 0, 0, 0, 0);
    message.add_authority(Record::from_rdata(name, 0, RData::SOA(soa)));
    message
}

/// A connection over which a query has been sent.
pub(crate) struct Taking(TcpStream);

impl Taking {
    pub(crate) fn begin(server: SocketAddr, query: &Message) -> Self {
        let stream = TcpStream::connect(server).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let mut taking = Self(stream);
        taking.send(query);
        taking
    }

    pub(crate) fn send(&mut self, query: &Message) {
        let octets = query.to_vec().expect("a query");
        let len = u16::try_from(octets.len()).expect("short").to_be_bytes();
        self.0.write_all(&[&len[..], &octets].concat()).expect("sent");
    }

    /// The octets of the next message.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut len = [0; 2];
        self.0.read_exact(&mut len).expect("a length");
        let mut octets = vec![0; usize::from(u16::from_be_bytes(len))];
        self.0.read_exact(&mut octets).expect("a message");
        octets
    }

    /// The octets of the next message, if it begins to come in this time.
    pub(crate) fn try_next(&mut self, patience: Duration) -> Option<Vec<u8>> {
        self.0.set_read_timeout(Some(patience)).expect("a time-out");
        let there = self.0.peek(&mut [0]).is_ok_and(|count| count > 0);
        self.0.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        there.then(|| self.next())
    }

    /// All messages of a transfer, to its second SOA record, of which so many have been read; of an
    /// error one.
    pub(crate) fn rest(&mut self, mut soas: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        while soas < 2 {
            let message = Message::from_vec(&self.next()).expect("a message");
            let failed = message.metadata.response_code != ResponseCode::NoError;
            let is_soa = |record: &&Record| record.record_type() == RecordType::SOA;
            soas += message.answers.iter().filter(is_soa).count();
            messages.push(message);
            if failed {
                break;
            }
        }
        messages
    }
}

/// The messages of a transfer.
pub(crate) fn take(server: SocketAddr, query: &Message) -> Vec<Message> {
    Taking::begin(server, query).rest(0)
}

/// The one response to a query over TCP.
pub(crate) fn ask(server: SocketAddr, query: &Message) -> Message {
    Message::from_vec(&Taking::begin(server, query).next()).expect("a message")
}

/// The response to a query over UDP.
pub(crate) fn ask_udp(server: SocketAddr, query: &Message) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    socket.connect(server).expect("connect");
    socket.send(&query.to_vec().expect("a query")).expect("sent");
    let mut room = [0; 4_096];
    let len = socket.recv(&mut room).expect("a response");
    Message::from_vec(&room[..len]).expect("a message")
}

/// A record as `dump` writes it.
pub(crate) fn line(record: &Record) -> String {
    let (name, rtype) = (record.name.to_ascii(), record.record_type());
    let quote = if rtype == RecordType::TXT { "\"" } else { "" };
    format!("{name} {} {} {rtype} {quote}{}{quote}", record.ttl, record.dns_class, record.data)
}

/// The records of messages, in their order.
pub(crate) fn lines(messages: &[Message]) -> Vec<String> {
    messages.iter().flat_map(|message| &message.answers).map(line).collect()
}

/// The serial of the record that a response begins with.
pub(crate) fn serial(message: &Message) -> u32 {
    match message.answers.first().map(|record| &record.data) {
        Some(RData::SOA(soa)) => soa.serial,
        other => panic!("{other:?} is no SOA record"),
    }
}

/// The response code, and what the extended error says.
pub(crate) fn told(message: &Message) -> (ResponseCode, Option<(u16, String)>) {
    assert_eq!(message.metadata.message_type, MessageType::Response);
    let edns = message.edns.as_ref().expect("EDNS");
    let error = edns.options().get(EdnsCode::Unknown(15)).map(|option| {
        let EdnsOption::Unknown(_, octets) = option else { panic!("{option:?}") };
        let (code, text) = octets.split_first_chunk().expect("a code");
        (u16::from_be_bytes(*code), String::from_utf8(text.to_vec()).expect("UTF-8"))
    });
    (message.metadata.response_code, error)
}
