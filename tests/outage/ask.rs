//! Questions over UDP, and what is looked at in an answer.

use std::net::{SocketAddr, UdpSocket};

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RData, RecordType};

use crate::run::PATIENCE;

pub(crate) use hickory_proto::rr::RecordType as Type;

/// The extended error of stale answers, of stale NXDOMAINs, and of names that wait (RFC 8914).
pub(crate) const STALE: u16 = 3;
pub(crate) const STALE_NXDOMAIN: u16 = 19;
pub(crate) const NOT_READY: u16 = 14;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reply {
    pub(crate) code: ResponseCode,
    /// The data of the answer section, sorted.
    pub(crate) data: Vec<String>,
    /// The extended error, its code and text, that says how old or how whole the data are; not the
    /// one, of code 0, that says why a name is denied.
    pub(crate) ede: Option<(u16, String)>,
    /// There is an OPT record.
    pub(crate) edns: bool,
    /// Of the first SOA record, wherever it stands.
    pub(crate) serial: Option<u32>,
}

impl Reply {
    /// What a message says.
    pub(crate) fn of(octets: &[u8]) -> Self {
        let message = Message::from_vec(octets).expect("a message");
        let mut data: Vec<String> =
            message.answers.iter().map(|record| record.data.to_string()).collect();
        data.sort();
        let records = message.answers.iter().chain(&message.authorities);
        let serial = records.into_iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some(soa.serial),
            _ => None,
        });
        let edns = message.edns.as_ref();
        let options = edns.map(|edns| edns.options().get_all(EdnsCode::Unknown(15)));
        let mut errors = options.into_iter().flatten().map(|option| {
            let EdnsOption::Unknown(_, octets) = option else { panic!("{option:?}") };
            let (code, text) = octets.split_first_chunk().expect("a code");
            (u16::from_be_bytes(*code), String::from_utf8(text.to_vec()).expect("UTF-8"))
        });
        let ede = errors.find(|(code, _)| *code != 0);
        Self { code: message.metadata.response_code, data, ede, edns: edns.is_some(), serial }
    }

    pub(crate) fn is(&self, data: &[&str]) -> bool {
        self.code == ResponseCode::NoError && self.data == data
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.code == ResponseCode::NXDomain && self.data.is_empty()
    }

    /// It is refused an answer until the first lists.
    pub(crate) fn waits(&self) -> bool {
        self.code == ResponseCode::ServFail
            && self.ede.as_ref().is_some_and(|(code, _)| *code == NOT_READY)
    }
}

/// A query, with EDNS or without.
pub(crate) fn query(id: u16, name: &str, rtype: RecordType, edns: bool) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = id;
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), rtype));
    if edns {
        let mut options = Edns::new();
        options.set_max_payload(1_232);
        message.set_edns(options);
    }
    message.to_vec().expect("octets")
}

/// Who asks one server, one question at a time.
pub(crate) struct Asker {
    socket: UdpSocket,
    id: u16,
}

impl Asker {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
        socket.connect(address).expect("connect");
        socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
        Self { socket, id: 0 }
    }

    /// With EDNS. No answer is a failure.
    pub(crate) fn ask(&mut self, name: &str, rtype: RecordType) -> Reply {
        self.exchange(name, rtype, true)
    }

    /// Without EDNS.
    pub(crate) fn plainly(&mut self, name: &str, rtype: RecordType) -> Reply {
        self.exchange(name, rtype, false)
    }

    fn exchange(&mut self, name: &str, rtype: RecordType, edns: bool) -> Reply {
        self.id = self.id.wrapping_add(1);
        self.socket.send(&query(self.id, name, rtype, edns)).expect("send");
        let mut room = [0; 4096];
        let length = self.socket.recv(&mut room).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(room[..2], self.id.to_be_bytes(), "{name}: an answer to another question");
        Reply::of(&room[..length])
    }

    /// The serial of the zone.
    pub(crate) fn serial(&mut self, zone: &str) -> u32 {
        self.ask(zone, RecordType::SOA).serial.expect("an SOA record")
    }
}
