//! What every response must be whatever it answers, and a short text of the rest.
//!
//! The text: the response code; after each `;` a record of the answer section; after `~` of the
//! authority section; after `+` of the additional section, sorted, without OPT. A record is its
//! owner, type and data. Names within `cluster.local` are written without that; the owner is left
//! out where it is the asked name, octet for octet; a TTL is told where it is not the zone's; `SOA`
//! alone is the one that schema.md gives the zone. Runs of addresses are sorted.

use std::fmt::Write as _;

use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record};

use super::wire::{Ask, CD, DO, OPT, RD, Raw, SOA, SRV, full, wire};

/// What the responses of a world have in common.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) ttl: u32,
    /// The largest response over UDP.
    pub(crate) payload: u16,
    /// Whether RA is set.
    pub(crate) recursion: bool,
    /// The zones as they are configured, in text, and the one that reverse zones name.
    pub(crate) zones: Vec<String>,
    pub(crate) primary: String,
    /// The serial, where it is known.
    pub(crate) serial: Option<u32>,
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) octets: Vec<u8>,
    pub(crate) text: String,
    /// The answer section as it came, in the same form as in the text.
    pub(crate) answers: Vec<String>,
}

/// The largest response to the query, in octets (schema.md, section 1).
pub(crate) fn limit(ask: &Ask, stream: bool, rules: &Rules) -> usize {
    match &ask.opt {
        _ if stream => 65_535,
        None => 512,
        Some(opt) => usize::from(opt.payload.min(rules.payload).max(512)),
    }
}

impl Reply {
    /// Judges a response.
    pub(crate) fn read(ask: &Ask, octets: &[u8], stream: bool, rules: &Rules) -> Self {
        let raw = Raw::read(octets);
        let context = format!("{ask:x?}\n{octets:02x?}");
        header(ask, &raw, rules, &context);
        assert!(octets.len() <= limit(ask, stream, rules), "too long: {context}");
        assert_eq!(raw.question, ask.question(), "the question, octet for octet: {context}");
        opt(ask, &raw, rules, &context);
        records(ask, &raw, &context);
        compressed(&raw, &context);
        let message = Message::from_vec(octets).expect("hickory can read it");
        assert_eq!(message.queries.len(), 1);
        let teller = Teller { ask, rules };
        teller.tell(&raw, &message, octets)
    }
}

fn header(ask: &Ask, raw: &Raw<'_>, rules: &Rules, context: &str) {
    let flags = raw.number(2);
    assert_eq!(raw.number(0), ask.id, "the ID: {context}");
    assert_eq!(flags & 0x8000, 0x8000, "QR: {context}");
    assert_eq!(flags & 0x7800, ask.flags & 0x7800, "the opcode: {context}");
    assert_eq!(flags & RD, ask.flags & RD, "RD is copied: {context}");
    assert_eq!(flags & CD, ask.flags & CD, "CD is copied: {context}");
    assert_eq!(flags & 0x0060, 0, "AD and Z are 0: {context}");
    assert_eq!(flags & 0x0080 != 0, rules.recursion, "RA: {context}");
}

fn opt(ask: &Ask, raw: &Raw<'_>, rules: &Rules, context: &str) {
    let opts: Vec<_> = raw.records.iter().filter(|record| record.rtype == OPT).collect();
    let Some(asked) = &ask.opt else {
        assert!(opts.is_empty(), "OPT without having been asked: {context}");
        return;
    };
    let [opt] = opts[..] else { panic!("{} OPT records: {context}", opts.len()) };
    assert_eq!((opt.section, &opt.owner[..]), (3, &[0][..]), "OPT: {context}");
    assert_eq!(opt.class, rules.payload, "the payload that we take: {context}");
    assert_eq!((opt.ttl >> 16) & 0xff, 0, "EDNS version 0: {context}");
    assert_eq!(opt.ttl & 0xffff, u32::from(asked.flags & DO), "DO alone is copied: {context}");
    // RFC 8914's option is the only one that may come unasked.
    let mut options = &raw.message[opt.data.clone()];
    while let [c0, c1, l0, l1, rest @ ..] = options {
        assert_eq!(u16::from_be_bytes([*c0, *c1]), 15, "an option that nobody knows: {context}");
        options = &rest[usize::from(u16::from_be_bytes([*l0, *l1]))..];
    }
    assert!(options.is_empty(), "half an option: {context}");
}

fn records(ask: &Ask, raw: &Raw<'_>, context: &str) {
    let mut seen = Vec::new();
    for record in raw.records.iter().filter(|record| record.rtype != OPT) {
        assert_eq!(record.class, 1, "class IN: {context}");
        if record.owner.eq_ignore_ascii_case(&ask.name) {
            assert_eq!(record.owner, ask.name, "the owner in the query's case: {context}");
        }
        let data = &raw.message[record.data.clone()];
        if record.rtype == SRV {
            let target = super::wire::expand(raw.message, record.data.start + 6).0;
            assert_eq!(data.len(), 6 + target.len(), "the target is not compressed: {context}");
        }
        let one = (record.section, record.owner.to_ascii_lowercase(), record.rtype, data);
        assert!(!seen.contains(&one), "{one:?} stands there twice: {context}");
        seen.push(one);
    }
    let has = |section| raw.records.iter().any(|record| record.section == section);
    let denied = raw.rcode() == 3 || raw.records.iter().any(|r| r.section == 2 && r.rtype == SOA);
    assert!(!has(1) || !has(2) || denied, "authority beside an answer: {context}");
}

/// No name is written out where an earlier part of the message has it (RFC 1035, section 4.1.4).
fn compressed(raw: &Raw<'_>, context: &str) {
    // How far back a few names may be forgotten is no matter of schema.md.
    if raw.message.len() > 1_232 {
        return;
    }
    let mut known: Vec<Vec<u8>> = suffixes(raw.message, 12);
    for record in &raw.records {
        for at in &record.names {
            for suffix in suffixes(raw.message, *at) {
                assert!(!known.contains(&suffix), "{suffix:?} is written again: {context}");
            }
            known.extend(suffixes(raw.message, *at));
        }
        if record.rtype == SRV {
            known.extend(suffixes(raw.message, record.data.start + 6));
        }
    }
}

/// The names that begin with each label that is written out at `at`, in lower case.
fn suffixes(message: &[u8], mut at: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while (1..64).contains(&message[at]) {
        found.push(super::wire::expand(message, at).0.to_ascii_lowercase());
        at += 1 + usize::from(message[at]);
    }
    found
}

struct Teller<'t> {
    ask: &'t Ask,
    rules: &'t Rules,
}

impl Teller<'_> {
    fn tell(&self, raw: &Raw<'_>, message: &Message, octets: &[u8]) -> Reply {
        let code = match raw.rcode() {
            0 => "NOERROR",
            1 => "FORMERR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            4 => "NOTIMP",
            5 => "REFUSED",
            16 => "BADVERS",
            other => panic!("response code {other}"),
        };
        assert_eq!(u16::from(message.metadata.response_code), raw.rcode());
        let mut text = code.to_owned();
        if raw.number(2) & 0x0400 == 0 {
            text.push_str(" -aa");
        }
        if raw.number(2) & 0x0200 != 0 {
            text.push_str(" tc");
        }
        let answers: Vec<String> = message.answers.iter().map(|one| self.record(one)).collect();
        let mut sorted = answers.clone();
        let address = |text: &String| text.contains("A ") && !text.contains("CNAME ");
        // Each run of addresses; what stands beside them keeps its place.
        for run in sorted.chunk_by_mut(|a, b| address(a) && address(b)) {
            run.sort();
        }
        let mut additional: Vec<String> =
            message.additionals.iter().map(|one| self.record(one)).collect();
        additional.sort();
        let authority = message.authorities.iter().map(|one| self.record(one)).collect();
        for (mark, section) in [("; ", sorted), (" ~ ", authority), (" + ", additional)] {
            for record in section {
                text.push_str(mark);
                text.push_str(&record);
            }
        }
        Reply { octets: octets.to_vec(), text, answers }
    }

    fn record(&self, record: &Record) -> String {
        if let Some(text) = self.soa(record) {
            return text;
        }
        let mut text = String::new();
        let owner = record.name.to_string();
        let mut asked = hickory_proto::rr::Name::root().to_string();
        if let Ok(name) = hickory_proto::rr::Name::from_labels(labels(&self.ask.name)) {
            asked = name.to_string();
            if !asked.ends_with('.') {
                asked.push('.');
            }
        }
        if owner != asked {
            text.push_str(&short(&owner));
            text.push(' ');
        }
        let data = match &record.data {
            RData::CNAME(name) => short(&name.to_string()),
            RData::NS(name) => short(&name.to_string()),
            RData::PTR(name) => short(&name.to_string()),
            RData::SRV(srv) => format!(
                "{} {} {} {}",
                srv.priority,
                srv.weight,
                srv.port,
                short(&srv.target.to_string())
            ),
            other => other.to_string(),
        };
        let _ = write!(text, "{} {data}", record.record_type());
        if record.ttl != self.rules.ttl {
            let _ = write!(text, " ttl={}", record.ttl);
        }
        text
    }

    /// `SOA`, if it is just what schema.md says of the zone of the asked name, or of the record's
    /// own where an alias has led there.
    fn soa(&self, record: &Record) -> Option<String> {
        let RData::SOA(soa) = &record.data else { return None };
        let owner = record.name.to_string().to_ascii_lowercase();
        let zone = self.rules.zones.iter().find(|zone| **zone == owner)?;
        let reverse = zone.ends_with("arpa.");
        let home = if reverse { &self.rules.primary } else { zone };
        let expected = format!(
            "ns.dns.{home} hostmaster.{home} {} 7200 1800 86400 {}",
            self.rules.serial.unwrap_or(soa.serial),
            self.rules.ttl
        );
        let lower = soa.to_string().to_ascii_lowercase();
        if lower != expected || record.ttl != self.rules.ttl.min(300) {
            return None;
        }
        let longest = self.rules.zones.iter().filter(|zone| within(&self.ask.name, zone));
        let longest = longest.max_by_key(|zone| zone.len());
        let asked = longest == Some(zone);
        Some(if asked { "SOA".into() } else { format!("SOA of {}", short(zone)) })
    }
}

/// Whether a name in wire form is `zone` or below it.
fn within(name: &[u8], zone: &str) -> bool {
    let zone = wire(zone);
    let mut at = 0;
    loop {
        if name[at..].eq_ignore_ascii_case(&zone) {
            return true;
        }
        if name[at] == 0 {
            return false;
        }
        at += 1 + usize::from(name[at]);
    }
}

fn labels(name: &[u8]) -> Vec<&[u8]> {
    let mut labels = Vec::new();
    let mut at = 0;
    while name[at] != 0 {
        let end = at + 1 + usize::from(name[at]);
        labels.push(&name[at + 1..end]);
        at = end;
    }
    labels
}

/// A name as the tables write it.
pub(crate) fn short(name: &str) -> String {
    let name = if name.ends_with('.') { name.to_owned() } else { format!("{name}.") };
    let zone = full("@");
    match name.len().checked_sub(zone.len()) {
        Some(0) if name.eq_ignore_ascii_case(&zone) => "@".into(),
        Some(at) if at > 0 && name[at - 1..].eq_ignore_ascii_case(&format!(".{zone}")) => {
            name[..at - 1].into()
        }
        _ => name,
    }
}
