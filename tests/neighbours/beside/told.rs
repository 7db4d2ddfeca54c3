//! What a server says to a question, taken apart for comparing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::run::PATIENCE;

/// A question and how it is put.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Question<'q> {
    pub(crate) name: &'q str,
    pub(crate) kind: RecordType,
    pub(crate) how: How,
}

/// How it is put.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct How {
    pub(crate) tcp: bool,
    /// The EDNS payload size and the DO bit.
    pub(crate) edns: Option<(u16, bool)>,
    /// RD is not set.
    pub(crate) no_recursion: bool,
    pub(crate) checking_disabled: bool,
}

/// What of a response is compared, each for itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) code: String,
    /// Those of AA, TC, RD, RA, AD and CD that are set.
    pub(crate) flags: Vec<&'static str>,
    pub(crate) question: String,
    /// Answer, authority, additional: owner as written, TTL, class, type, data; sorted.
    pub(crate) sections: [Vec<String>; 3],
    /// Version, payload size and DO of the OPT record.
    pub(crate) edns: Option<(u8, u16, bool)>,
}

impl Question<'_> {
    fn octets(&self) -> Vec<u8> {
        let mut message = Message::query();
        message.metadata.id = 0x1234;
        message.metadata.recursion_desired = !self.how.no_recursion;
        message.metadata.checking_disabled = self.how.checking_disabled;
        let mut query = Query::query(Name::from_ascii(self.name).expect("a name"), self.kind);
        query.set_name(Name::from_ascii(self.name).expect("a name"));
        message.add_query(query);
        message.edns = self.how.edns.map(|(size, signed)| {
            let mut edns = Edns::new();
            edns.set_max_payload(size).set_dnssec_ok(signed);
            edns
        });
        message.to_vec().expect("a query")
    }

    pub(crate) fn ask(&self, server: SocketAddr) -> Told {
        let octets = self.octets();
        let mut room = vec![0; 65_535];
        let length = if self.how.tcp {
            let mut stream = TcpStream::connect(server).expect("connect");
            stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
            let length = u16::try_from(octets.len()).expect("short");
            stream.write_all(&[&length.to_be_bytes()[..], &octets].concat()).expect("write");
            let mut length = [0; 2];
            stream.read_exact(&mut length).expect("a length");
            let length = usize::from(u16::from_be_bytes(length));
            stream.read_exact(&mut room[..length]).expect("a response");
            length
        } else {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
            socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
            socket.connect(server).expect("connect");
            socket.send(&octets).expect("send");
            socket.recv(&mut room).unwrap_or_else(|fault| panic!("{self:?}: {fault}"))
        };
        Told::of(&Message::from_vec(&room[..length]).expect("a message"))
    }
}

impl Told {
    /// Takes the other one's TTLs where they are a second away: the clock may strike in between.
    pub(crate) fn forgive_a_second(&mut self, other: &Self) {
        let lines = self.sections.iter_mut().flatten();
        for (line, other) in lines.zip(other.sections.iter().flatten()) {
            let ttl = |line: &str| line.split(' ').nth(1)?.parse::<u32>().ok();
            let (Some(own), Some(its)) = (ttl(line), ttl(other)) else { continue };
            if own.abs_diff(its) == 1 {
                *line = line.replacen(&format!(" {own} "), &format!(" {its} "), 1);
            }
        }
    }

    fn of(message: &Message) -> Self {
        let told = &message.metadata;
        let flags = [
            (told.authoritative, "AA"),
            (told.truncation, "TC"),
            (told.recursion_desired, "RD"),
            (told.recursion_available, "RA"),
            (told.authentic_data, "AD"),
            (told.checking_disabled, "CD"),
        ];
        let mut set: Vec<_> = flags.into_iter().filter(|flag| flag.0).map(|flag| flag.1).collect();
        set.sort_unstable();
        let section = |records: &[Record]| {
            let line = |record: &Record| {
                let (owner, kind) = (record.name.to_ascii(), record.record_type());
                let data = match &record.data {
                    // Each server counts for itself.
                    RData::SOA(soa) if soa.serial > 1_000 => {
                        record.data.to_string().replace(&format!(" {} ", soa.serial), " SERIAL ")
                    }
                    data => data.to_string(),
                };
                format!("{owner} {} {} {kind} {data}", record.ttl, record.dns_class)
            };
            let mut lines: Vec<String> = records.iter().map(line).collect();
            lines.sort();
            lines
        };
        Self {
            code: told.response_code.to_str().to_owned(),
            flags: set,
            question: message.queries.iter().map(ToString::to_string).collect(),
            sections: [&message.answers, &message.authorities, &message.additionals]
                .map(|records| section(records)),
            edns: message
                .edns
                .as_ref()
                .map(|edns| (edns.version(), edns.max_payload(), edns.flags().dnssec_ok)),
        }
    }
}
