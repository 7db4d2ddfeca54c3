//! Messages octet by octet: queries put together by hand, and a strict reader of responses that
//! knows nothing but RFC 1035, beside hickory as a second one.

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{Name, RData, Record};

use crate::model::Data;

/// A query under construction.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) id: u16,
    pub(crate) flags: u16,
    /// The name in wire form, in whatever case.
    pub(crate) name: Vec<u8>,
    pub(crate) qtype: u16,
    pub(crate) class: u16,
    /// The payload size and the DO bit of an OPT record.
    pub(crate) edns: Option<(u16, bool)>,
}

impl Ask {
    pub(crate) fn new(name: &str, qtype: u16) -> Self {
        let (name, class) = (wire_name(name), 1);
        Self { id: 0x5a5a, flags: 0x0100, name, qtype, class, edns: None }
    }

    pub(crate) fn with_edns(mut self, payload: u16) -> Self {
        self.edns = Some((payload, false));
        self
    }

    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let counts = [1, 0, 0, u16::from(self.edns.is_some())];
        for number in [self.id, self.flags].iter().chain(&counts) {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&self.qtype.to_be_bytes());
        out.extend_from_slice(&self.class.to_be_bytes());
        if let Some((payload, dnssec_ok)) = self.edns {
            out.extend_from_slice(&[0, 0, 41]);
            out.extend_from_slice(&payload.to_be_bytes());
            out.extend_from_slice(&[0, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
        }
        out
    }
}

/// A name in wire form.
pub(crate) fn wire_name(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).expect("a label"));
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

/// What the strict reader saw of a response.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) rcode: u16,
    pub(crate) truncated: bool,
    pub(crate) authoritative: bool,
    /// Type and length in octets of each record, by section.
    pub(crate) records: [Vec<(u16, usize)>; 3],
    /// Where each name begins a label that later names may point to.
    labels: BTreeSet<usize>,
}

impl Seen {
    /// How many octets the additional records but the OPT record take.
    pub(crate) fn additional(&self) -> usize {
        self.records[2].iter().filter(|record| record.0 != 41).map(|record| record.1).sum()
    }
}

/// Reads a response whole. Panics at whatever RFC 1035 does not allow.
pub(crate) fn strict(message: &[u8]) -> Seen {
    let word = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    let mut seen = Seen {
        rcode: word(2) & 15,
        truncated: word(2) & 0x0200 != 0,
        authoritative: word(2) & 0x0400 != 0,
        ..Seen::default()
    };
    assert_eq!(word(2) & 0x8000, 0x8000, "QR is set");
    assert_eq!(word(2) & 0x0060, 0, "Z and AD are clear");
    let mut at = 12;
    for _ in 0..word(4) {
        at = seen.name(message, at, false) + 4;
    }
    for (section, count) in [word(6), word(8), word(10)].into_iter().enumerate() {
        for _ in 0..count {
            let start = at;
            at = seen.name(message, at, false);
            let (rtype, length) = (word(at), usize::from(word(at + 8)));
            let (data, end) = (at + 10, at + 10 + length);
            at = match rtype {
                1 => data + 4,
                28 => data + 16,
                2 | 5 | 12 => seen.name(message, data, false),
                6 => {
                    let mailbox = seen.name(message, data, false);
                    seen.name(message, mailbox, false) + 20
                }
                15 => seen.name(message, data + 2, false),
                33 => seen.name(message, data + 6, true),
                41 => {
                    assert_eq!((section, message[start]), (2, 0), "OPT: additional, root");
                    seen.rcode |= u16::from(message[start + 5]) << 4;
                    end
                }
                _ => end,
            };
            assert_eq!(at, end, "data of type {rtype} are as long as they say");
            seen.records[section].push((rtype, at - start));
        }
    }
    assert_eq!(at, message.len(), "nothing stands behind the last record");
    seen
}

impl Seen {
    /// Reads a name and returns where it ends.
    fn name(&mut self, message: &[u8], start: usize, whole: bool) -> usize {
        let mut at = start;
        let mut own = Vec::new();
        loop {
            let len = usize::from(message[at]);
            if len >= 0xc0 {
                let target = (len & 0x3f) << 8 | usize::from(message[at + 1]);
                assert!(!whole, "a target of SRV is not compressed");
                assert!(target < start, "a pointer points backwards");
                assert!(self.labels.contains(&target), "a pointer points to a name");
                at += 2;
                break;
            }
            assert!(len < 64, "a label has at most 63 octets");
            own.push(at);
            at += 1 + len;
            if len == 0 {
                break;
            }
        }
        self.labels.extend(own);
        at
    }
}

/// What hickory makes of a response. It decodes, and what is encoded and decoded again means the
/// same.
pub(crate) fn decoded(message: &[u8]) -> Message {
    let first = Message::from_vec(message).expect("hickory decodes it");
    assert_eq!(first.metadata.message_type, MessageType::Response);
    // hickory writes SRV targets and names in its own way: near the limit they would not fit.
    if message.len() < 32_000 {
        let again = first.to_vec().expect("hickory encodes it");
        let second = Message::from_vec(&again).expect("hickory decodes its own");
        assert_eq!(meaning(&first), meaning(&second), "decoded, encoded, decoded");
    }
    first
}

/// A message without the order of its records and the form of its names.
fn meaning(message: &Message) -> (String, String, [BTreeMap<String, usize>; 3], String) {
    let set = |records: &[Record]| {
        let mut set = BTreeMap::new();
        for record in records {
            let text = format!("{} {} {}", record.name.to_lowercase(), record.ttl, record.data);
            *set.entry(text).or_insert(0) += 1;
        }
        set
    };
    (
        format!("{:?}", message.metadata),
        format!("{:?}", message.queries),
        [set(&message.answers), set(&message.authorities), set(&message.additionals)],
        format!("{:?}", message.edns),
    )
}

/// Owner and data of these records; each but once.
pub(crate) fn set(records: &[Record]) -> BTreeSet<(String, Data)> {
    let set: BTreeSet<(String, Data)> = records.iter().filter_map(datum).collect();
    assert_eq!(set.len(), records.len(), "known types, and no record twice: {records:?}");
    set
}

fn datum(record: &Record) -> Option<(String, Data)> {
    let data = match &record.data {
        RData::A(a) => Data::A(a.0),
        RData::AAAA(aaaa) => Data::Aaaa(aaaa.0),
        RData::CNAME(name) => Data::Cname(text(&name.0)),
        RData::PTR(name) => Data::Ptr(text(&name.0)),
        RData::SRV(srv) if srv.priority == 0 => {
            Data::Srv { weight: srv.weight, port: srv.port, target: text(&srv.target) }
        }
        _ => return None,
    };
    Some((text(&record.name), data))
}

/// A name in lower case, without its trailing dot.
pub(crate) fn text(name: &Name) -> String {
    let labels = name.iter().map(|label| String::from_utf8_lossy(label).to_ascii_lowercase());
    labels.collect::<Vec<_>>().join(".")
}
