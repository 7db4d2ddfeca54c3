//! Messages octet by octet: queries are put together here, and responses taken apart without any
//! help of the code under test or of a library.

use std::ops::Range;

pub(crate) const A: u16 = 1;
pub(crate) const NS: u16 = 2;
pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const PTR: u16 = 12;
pub(crate) const TXT: u16 = 16;
pub(crate) const AAAA: u16 = 28;
pub(crate) const SRV: u16 = 33;
pub(crate) const OPT: u16 = 41;
pub(crate) const HTTPS: u16 = 65;
pub(crate) const ANY: u16 = 255;
/// A type that nobody has given a meaning.
pub(crate) const UNKNOWN: u16 = 65_280;

/// Every type that the tables ask for, ANY left out.
pub(crate) const TYPES: [u16; 10] = [A, AAAA, SRV, TXT, PTR, CNAME, NS, SOA, HTTPS, UNKNOWN];

/// The type of this name.
pub(crate) fn rtype(name: &str) -> u16 {
    match name {
        "A" => A,
        "NS" => NS,
        "CNAME" => CNAME,
        "SOA" => SOA,
        "PTR" => PTR,
        "TXT" => TXT,
        "AAAA" => AAAA,
        "SRV" => SRV,
        "HTTPS" => HTTPS,
        "ANY" => ANY,
        other => other.parse().expect("a type"),
    }
}

/// What an OPT record of a query says.
#[derive(Clone, Debug)]
pub(crate) struct Opt {
    pub(crate) payload: u16,
    pub(crate) version: u8,
    /// DO and the bits behind it.
    pub(crate) flags: u16,
    pub(crate) options: Vec<u8>,
}

/// The DO bit of an OPT record's flags.
pub(crate) const DO: u16 = 0x8000;

/// A query.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) id: u16,
    /// The header's flags: opcode, RD, Z, AD, CD and the rest.
    pub(crate) flags: u16,
    pub(crate) name: Vec<u8>,
    pub(crate) qtype: u16,
    pub(crate) qclass: u16,
    pub(crate) opt: Option<Opt>,
}

pub(crate) const RD: u16 = 0x0100;
pub(crate) const CD: u16 = 0x0010;
pub(crate) const AD: u16 = 0x0020;
pub(crate) const Z: u16 = 0x0040;

impl Ask {
    /// A question as most clients ask it: RD, no EDNS. A name without a trailing dot is within
    /// `cluster.local`, and `@` is that itself.
    pub(crate) fn new(name: &str, qtype: u16) -> Self {
        let name = wire(&full(name));
        Self { id: 0x2b67, flags: RD, name, qtype, qclass: 1, opt: None }
    }

    /// The same with EDNS.
    pub(crate) fn edns(mut self, payload: u16, flags: u16) -> Self {
        self.opt = Some(Opt { payload, version: 0, flags, options: Vec::new() });
        self
    }

    /// The same with these flags.
    pub(crate) fn flags(mut self, flags: u16) -> Self {
        self.flags = flags;
        self
    }

    /// The same with every second letter of the name in upper case.
    pub(crate) fn mixed(mut self) -> Self {
        for octet in self.name.iter_mut().step_by(2) {
            *octet = octet.to_ascii_uppercase();
        }
        self
    }

    /// Name, type and class.
    pub(crate) fn question(&self) -> Vec<u8> {
        [&self.name[..], &self.qtype.to_be_bytes(), &self.qclass.to_be_bytes()].concat()
    }

    pub(crate) fn message(&self) -> Vec<u8> {
        let mut message = Vec::new();
        for number in [self.id, self.flags, 1, 0, 0, u16::from(self.opt.is_some())] {
            message.extend(number.to_be_bytes());
        }
        message.extend(self.question());
        if let Some(opt) = &self.opt {
            message.extend(opt.record());
        }
        message
    }
}

impl Opt {
    /// The whole record.
    pub(crate) fn record(&self) -> Vec<u8> {
        let mut record = vec![0, 0, 41];
        record.extend(self.payload.to_be_bytes());
        record.extend([0, self.version]);
        record.extend(self.flags.to_be_bytes());
        record.extend(u16::try_from(self.options.len()).expect("short options").to_be_bytes());
        record.extend(&self.options);
        record
    }
}

/// The whole name, with its trailing dot.
pub(crate) fn full(name: &str) -> String {
    match name {
        "@" => "cluster.local.".into(),
        _ if name.ends_with('.') => name.into(),
        _ => format!("{name}.cluster.local."),
    }
}

/// A whole name in wire form, its case kept.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).expect("a label"));
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}

/// A message taken apart.
#[derive(Debug)]
pub(crate) struct Raw<'m> {
    pub(crate) message: &'m [u8],
    pub(crate) question: &'m [u8],
    pub(crate) records: Vec<RawRecord>,
}

/// A record, names expanded.
#[derive(Debug)]
pub(crate) struct RawRecord {
    /// 1 for the answer section, 2 for authority, 3 for additional.
    pub(crate) section: usize,
    pub(crate) owner: Vec<u8>,
    pub(crate) rtype: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    pub(crate) data: Range<usize>,
    /// Where names stand in it: the owner's, and those of its data that may be compressed.
    pub(crate) names: Vec<usize>,
}

impl<'m> Raw<'m> {
    /// Takes apart a message with one question, or none, to its last octet.
    pub(crate) fn read(message: &'m [u8]) -> Self {
        let number = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
        let mut at = 12;
        for _ in 0..number(4) {
            at = expand(message, at).1 + 4;
        }
        let question = &message[12..at];
        let mut records = Vec::new();
        for section in 1..=3 {
            for _ in 0..number(4 + 2 * section) {
                let (owner, fixed) = expand(message, at);
                let data = fixed + 10..fixed + 10 + usize::from(number(fixed + 8));
                let rtype = number(fixed);
                let mut names = vec![at];
                match rtype {
                    NS | CNAME | PTR => names.push(data.start),
                    SOA => names.extend([data.start, expand(message, data.start).1]),
                    _ => {}
                }
                let ttl = u32::from(number(fixed + 4)) << 16 | u32::from(number(fixed + 6));
                at = data.end;
                assert!(at <= message.len(), "a record is cut off: {message:02x?}");
                let class = number(fixed + 2);
                records.push(RawRecord { section, owner, rtype, class, ttl, data, names });
            }
        }
        assert_eq!(at, message.len(), "octets behind the last record: {message:02x?}");
        Self { message, question, records }
    }

    /// A field of the header.
    pub(crate) fn number(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.message[at], self.message[at + 1]])
    }

    /// The four bits of the response code, and what an OPT record adds to them.
    pub(crate) fn rcode(&self) -> u16 {
        let opt = self.records.iter().find(|record| record.rtype == OPT);
        let high = opt.map_or(0, |opt| u16::try_from(opt.ttl >> 24).expect("8 bits"));
        high << 4 | self.number(2) & 0x0f
    }
}

/// The name at `at`, and where it ends in the message.
pub(crate) fn expand(message: &[u8], mut at: usize) -> (Vec<u8>, usize) {
    let mut name = Vec::new();
    let mut end = None;
    loop {
        let len = message[at];
        if len >= 0xc0 {
            end.get_or_insert(at + 2);
            let target = usize::from(len & 0x3f) << 8 | usize::from(message[at + 1]);
            assert!(target < at, "a pointer points forward");
            at = target;
            continue;
        }
        assert!(len < 64, "an odd label");
        name.extend(&message[at..=at + usize::from(len)]);
        at += 1 + usize::from(len);
        if len == 0 {
            assert!(name.len() <= 255);
            return (name, end.unwrap_or(at));
        }
    }
}
