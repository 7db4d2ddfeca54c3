//! The other side of a transfer: its query, and the records of its messages.

use super::super::message::{Expanded, Found};
use super::super::query::HEADER;
use super::super::write::rtype;
use super::super::{CLASS_IN, Record, UDP_DEFAULT, ede};
use super::Line;
use super::set::expand;
use crate::name::Name;

/// What a message of a transfer says.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The four bits of its response code.
    pub rcode: u8,
    /// The texts of its extended errors (RFC 8914).
    pub errors: Vec<String>,
    /// The records of its answer section.
    pub answers: Vec<Line>,
}

/// A query for a whole zone, with EDNS, so that a refusal can say why.
pub fn transfer_query(zone: &Name) -> Vec<u8> {
    let header = [0x5a, 0xfe, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    let [t0, t1] = rtype::AXFR.to_be_bytes();
    let [p0, p1] = UDP_DEFAULT.to_be_bytes();
    let opt = [0, 0, 41, p0, p1, 0, 0, 0, 0, 0, 0];
    [&header[..], zone.as_wire(), &[t0, t1, 0, 1], &opt].concat()
}

/// Reads a message, which may have no question (RFC 5936, section 2.2.1). `None` where it is malformed.
pub fn told(message: &[u8]) -> Option<Told> {
    let header = message.first_chunk::<HEADER>()?;
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let mut at = HEADER;
    for _ in 0..count(4) {
        at = Expanded::default().expand(message, at)? + 4;
    }
    let mut told = Told { rcode: header[3] & 0x0f, ..Told::default() };
    for _ in 0..count(6) {
        let found = Found::read(message, at)?;
        at = found.end;
        if found.class != CLASS_IN {
            continue;
        }
        told.answers.push(Line::read(message, &found)?);
    }
    let texts = ede::errors_in(message).map(|(_, text)| String::from_utf8_lossy(text).into_owned());
    told.errors = texts.filter(|text| !text.is_empty()).collect();
    Some(told)
}

impl Line {
    /// A record of a message.
    pub(in super::super) fn read(message: &[u8], found: &Found) -> Option<Self> {
        let (mut owner, mut data) = (Expanded::default(), Vec::new());
        owner.expand(message, found.owner)?;
        expand(message, found, &mut data)?;
        let owner = Name::from_wire(owner.as_slice()).ok()?;
        Some(Self { owner, rtype: found.rtype, ttl: found.ttl, data: data.into() })
    }

    /// A record that was read as text. `None` where its owner is no name, or its data are not of its
    /// type's form.
    pub fn of(record: &Record) -> Option<Self> {
        let Record { owner, rtype, ttl, data, .. } = record;
        // As a message holds it, so that names are read as those of messages are.
        let found =
            Found { owner: 0, rtype: *rtype, class: CLASS_IN, ttl: *ttl, data: 0, end: data.len() };
        let mut whole = Vec::new();
        expand(data, &found, &mut whole)?;
        let owner = Name::from_wire(owner).ok()?;
        Some(Self { owner, rtype: *rtype, ttl: *ttl, data: whole.into() })
    }

    /// Whether it is an SOA record.
    pub fn is_soa(&self) -> bool {
        self.rtype == rtype::SOA
    }

    /// The serial of an SOA record.
    pub fn serial(&self) -> Option<u32> {
        let at = self.serial_at()?;
        Some(u32::from_be_bytes(*self.data.get(at..)?.first_chunk()?))
    }

    /// Makes the serial of an SOA record 0.
    pub fn forget_serial(&mut self) {
        let at = self.serial_at();
        if let Some(room) = at.and_then(|at| self.data.get_mut(at..at + 4)) {
            room.fill(0);
        }
    }

    fn serial_at(&self) -> Option<usize> {
        let mut name = Expanded::default();
        let mailbox = name.expand(&self.data, 0).filter(|_| self.is_soa())?;
        name.expand(&self.data, mailbox)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SOA record of `a.`, its data uncompressed.
    fn soa() -> Vec<u8> {
        let data = b"\x02NS\x01a\0\x01h\x01a\0\0\0\x01\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05\0\0\0\x06";
        [&b"\x01A\0\0\x06\0\x01\0\0\0\x05\0\x1f"[..], data].concat()
    }

    #[test]
    fn messages_are_read_with_and_without_a_question() {
        for (count, question) in [(0, &b""[..]), (1, b"\x01a\0\0\xfc\0\x01")] {
            let header = [0, 1, 0x84, 0, 0, count, 0, 1, 0, 0, 0, 0];
            let message = [&header[..], question, &soa()].concat();
            let told = told(&message).unwrap();
            assert_eq!((told.rcode, told.answers.len()), (0, 1));
            let mut line = told.answers[0].clone();
            assert_eq!(line.to_string(), "a. 5 IN SOA ns.a. h.a. 258 3 4 5 6");
            assert!(line.is_soa() && line.serial() == Some(258));
            line.forget_serial();
            assert_eq!(line.serial(), Some(0));
            for len in 0..message.len() {
                assert!(super::told(&message[..len]).is_none(), "{len}");
            }
        }
    }

    #[test]
    fn a_refusal_says_why() {
        let zone = Name::parse("a").unwrap();
        let query = transfer_query(&zone);
        let errors = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 8, 0, 15, 0, 4, 0, 18, b'n', b'o'];
        let mut message = [&query[..query.len() - 11], &errors].concat();
        message[3] = 5;
        let told = told(&message).unwrap();
        assert_eq!((told.rcode, told.errors), (5, vec!["no".to_owned()]));
    }
}
