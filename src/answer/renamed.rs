//! Responses to one question as responses to another: a question put in the place of the asker's,
//! and what is said to it turned back.
//!
//! Every record is taken apart and written anew, so that pointers are right and sizes are kept
//! whatever the names become. Allocates nothing but where the buffer of a question grows.

use super::message::{Expanded, Found, Told, names_in};
use super::query::{HEADER, OPT, Query, Rcode};
use super::reply::{Full, Reply};
use super::splice::is_whole;
use super::write::rtype;
use super::{Cause, Desk, Failure, Outcome, Section, error, limit};

const MX: u16 = 15;
const NAPTR: u16 = 35;
const DNAME: u16 = 39;
/// The last type whose names may be compressed: those of RFC 1035 (RFC 3597, section 4).
const COMPRESSED_MOST: u16 = rtype::TXT;

/// What becomes of the parts of a response.
pub trait Renaming {
    /// Of the owner of a record; `None` where that cannot be a name.
    fn owner(&self, name: &mut Expanded) -> Option<()>;
    /// Of the name in a record's data: the target, or of an SOA record the server.
    fn value(&self, name: &mut Expanded) -> Option<()>;
    /// Of a TTL.
    fn ttl(&self, ttl: u32) -> u32;
    /// Of the response code.
    fn rcode(&self, rcode: u16) -> u16;
}

/// The query in `message` with another question, in wire form, put into `out`: its header, that
/// question and its OPT record.
pub fn requested(
    message: &[u8],
    query: &Query,
    (name, qtype, qclass): (&[u8], u16, u16),
    out: &mut Vec<u8>,
) {
    let opt = query.edns.and_then(|_| Told::read(message)).and_then(|told| {
        let opt = told.section(2).flatten().find(|found| found.rtype == OPT)?;
        message.get(opt.owner..opt.end)
    });
    let additionals = u8::from(opt.is_some());
    let counts = [0, 1, 0, 0, 0, 0, 0, additionals];
    out.clear();
    out.extend_from_slice(message.get(..4).unwrap_or(&[0; 4]));
    out.extend_from_slice(&counts);
    out.extend_from_slice(name);
    out.extend_from_slice([qtype, qclass].map(u16::to_be_bytes).as_flattened());
    out.extend_from_slice(opt.unwrap_or(&[]));
}

/// Writes `response`, which answers what was [`requested`] for `query`, as the response to `query`
/// itself. What does not fit is left out, with TC. `cause` is why the response is what it is.
pub fn renamed(
    desk: &Desk<'_>,
    message: &[u8],
    query: &Query,
    (response, cause): (&[u8], Cause),
    renaming: &impl Renaming,
    out: &mut [u8],
) -> Outcome {
    let mut reply = Reply::new(out, message, query, limit(desk, query));
    match write(&mut reply, response, renaming) {
        Ok(Written { flags, rcode, opt }) => {
            let rcode = renaming.rcode(rcode);
            let len = reply.finish_as(query, flags, rcode, opt);
            let rcode = Rcode::of(rcode).unwrap_or(Rcode::ServFail);
            Outcome::Reply { len, rcode, cause }
        }
        Err(cause) => error(desk, message, query, Rcode::ServFail, cause, out),
    }
}

/// What of a response is no record.
struct Written<'r> {
    flags: [u8; 2],
    rcode: u16,
    opt: Option<&'r [u8]>,
}

/// Writes all records that fit.
fn write<'r>(
    reply: &mut Reply<'_>,
    response: &'r [u8],
    renaming: &impl Renaming,
) -> Result<Written<'r>, Cause> {
    const UNUSABLE: Cause = Cause::Upstream(Failure::Unusable);
    let &[_, _, first, second, ..] = response.first_chunk::<HEADER>().ok_or(UNUSABLE)?;
    let told = Told::read(response).ok_or(UNUSABLE)?;
    let mut rcode = u16::from(second & 0x0f);
    let mut opt = None;
    let sections = [Section::Answer, Section::Authority, Section::Additional];
    for (number, section) in sections.into_iter().enumerate() {
        if section != Section::Answer {
            reply.section(section);
        }
        for found in told.section(number) {
            let found = found.filter(|found| is_whole(response, found)).ok_or(UNUSABLE)?;
            if found.rtype == OPT {
                let [high, ..] = found.ttl.to_be_bytes();
                rcode |= u16::from(high) << 4;
                opt = response.get(found.owner..found.end);
                continue;
            }
            // What does not fit is marked as such by the reply. The OPT record is still to come.
            if !reply.truncated {
                let record = Renamed::of(response, &found, renaming)?.ok_or(UNUSABLE)?;
                let _ = reply.record(|reply| record.write(reply));
            }
        }
    }
    Ok(Written { flags: [first, second], rcode, opt })
}

/// A record with other names.
struct Renamed<'r> {
    owner: Expanded,
    /// Type and class.
    kind: &'r [u8],
    rtype: u16,
    ttl: u32,
    /// What stands in front of the names in the data, and behind them.
    around: [&'r [u8]; 2],
    names: [Option<Expanded>; 2],
}

impl<'r> Renamed<'r> {
    /// `None` where the record is malformed.
    fn of(
        response: &'r [u8],
        found: &Found,
        renaming: &impl Renaming,
    ) -> Result<Option<Self>, Cause> {
        let Some(mut record) = Self::read(response, found) else { return Ok(None) };
        renaming.owner(&mut record.owner).ok_or(Cause::BadRewrite)?;
        if is_rewritten(record.rtype)
            && let [Some(name), _] = &mut record.names
        {
            renaming.value(name).ok_or(Cause::BadRewrite)?;
        }
        record.ttl = renaming.ttl(record.ttl);
        Ok(Some(record))
    }

    fn read(response: &'r [u8], found: &Found) -> Option<Self> {
        let mut owner = Expanded::default();
        owner.expand_as_written(response, found.owner)?;
        let data = response.get(found.data..found.end)?;
        let (prefix, count) = match found.rtype {
            DNAME => (0, 1),
            rtype => names_in(rtype, data).unwrap_or((data.len(), 0)),
        };
        let mut at = found.data + prefix;
        let mut names = [None, None];
        for room in names.iter_mut().take(count) {
            let mut name = Expanded::default();
            at = name.expand_as_written(response, at)?;
            *room = Some(name);
        }
        Some(Self {
            owner,
            kind: response.get(found.data - 10..found.data - 6)?,
            rtype: found.rtype,
            // RFC 2181, section 8: a TTL with its highest bit set is 0.
            ttl: if found.ttl >> 31 == 1 { 0 } else { found.ttl },
            around: [data.get(..prefix)?, response.get(at..found.end)?],
            names,
        })
    }

    fn write(&self, reply: &mut Reply<'_>) -> Result<(), Full> {
        reply.name(self.owner.as_slice())?;
        reply.raw(self.kind)?;
        reply.raw(&self.ttl.to_be_bytes())?;
        reply.raw(&[0, 0])?;
        reply.measured(|reply| {
            let [before, behind] = self.around;
            reply.raw(before)?;
            for name in self.names.iter().flatten() {
                if self.rtype > COMPRESSED_MOST {
                    reply.raw(name.as_slice())?;
                } else {
                    reply.name(name.as_slice())?;
                }
            }
            reply.raw(behind)
        })
    }
}

/// Whether names in the data of a type are rewritten; CoreDNS has the same types.
fn is_rewritten(rtype: u16) -> bool {
    matches!(
        rtype,
        rtype::NS | rtype::CNAME | rtype::SOA | rtype::PTR | MX | rtype::SRV | NAPTR | DNAME
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Settings, Transport};

    /// Puts another name in the place of every one, and another code.
    struct Every(Expanded);

    impl Renaming for Every {
        fn owner(&self, name: &mut Expanded) -> Option<()> {
            name.set(self.0.as_slice());
            Some(())
        }

        fn value(&self, name: &mut Expanded) -> Option<()> {
            self.owner(name)
        }

        fn ttl(&self, _: u32) -> u32 {
            77
        }

        fn rcode(&self, _: u16) -> u16 {
            Rcode::NxDomain as u16
        }
    }

    /// `a`, A, with EDNS and 512 octets.
    const QUERY: &[u8] =
        b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01a\0\0\x01\0\x01\0\0\x29\x02\0\0\0\0\0\0\0";

    fn renamed_by(name: &[u8], response: &[u8]) -> (Rcode, Vec<u8>) {
        let mut query = Query::default();
        query.read(QUERY).unwrap();
        let settings = Settings::default();
        let transport = Transport::Udp;
        let desk = Desk { view: None, settings: &settings, transport, rotation: 0 };
        let mut every = Every(Expanded::default());
        every.0.set(name);
        let mut out = vec![0; 4_096];
        let said = (response, Cause::Plain);
        let Outcome::Reply { len, rcode, .. } =
            renamed(&desk, QUERY, &query, said, &every, &mut out)
        else {
            panic!("no reply")
        };
        out.truncate(len);
        (rcode, out)
    }

    /// Every record is whole, and there is nothing behind the last.
    fn is_sound(message: &[u8]) -> bool {
        let Some(told) = Told::read(message) else { return false };
        let mut end = 12 + 3 + 4;
        let mut all = (0..3).flat_map(|section| told.section(section));
        let whole = all.all(|found| {
            found.is_some_and(|found| {
                end = found.end;
                is_whole(message, &found)
            })
        });
        whole && end == message.len() && message.len() <= 512
    }

    #[test]
    fn names_of_all_kinds_and_what_is_left_alone() {
        let records: [&[u8]; 5] = [
            b"\xc0\x0c\0\x05\0\x01\0\0\0\x05\0\x04\x01b\xc0\x0c",
            b"\xc0\x0c\0\x21\0\x01\x80\0\0\x05\0\x08\0\x01\0\x02\0\x03\xc0\x0c",
            b"\xc0\x0c\0\x06\0\x01\0\0\0\x05\0\x18\xc0\x0c\xc0\x0c\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05",
            b"\xc0\x0c\xff\x01\0\x03\0\0\0\x05\0\x02\xc0\x0c",
            b"\0\0\x29\x10\0\0\0\x80\0\0\x06\0\x0a\0\x02hi",
        ];
        let head = b"\x12\x34\x85\x80\0\x01\0\x02\0\x01\0\x02\x01b\0\0\x01\0\x01";
        let response = [&head[..], &records.concat()].concat();
        let (rcode, made) = renamed_by(b"\x01c\x01a\0", &response);
        assert_eq!(rcode, Rcode::NxDomain);
        assert!(is_sound(&made), "{made:02x?}");
        let expected = [
            &b"\x12\x34\x85\x83\0\x01\0\x02\0\x01\0\x02\x01a\0\0\x01\0\x01"[..],
            b"\x01c\xc0\x0c\0\x05\0\x01\0\0\0\x4d\0\x02\xc0\x13",
            b"\xc0\x13\0\x21\0\x01\0\0\0\x4d\0\x0b\0\x01\0\x02\0\x03\x01c\x01a\0",
            b"\xc0\x13\0\x06\0\x01\0\0\0\x4d\0\x19\xc0\x13\x01b\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05",
            b"\xc0\x13\xff\x01\0\x03\0\0\0\x4d\0\x02\xc0\x0c",
            records[4],
        ]
        .concat();
        assert_eq!(made, expected);
    }

    proptest::proptest! {
        /// Whatever an upstream sends, what is made of it can be read, and is no larger than the
        /// client takes.
        #[test]
        fn no_soup_makes_a_broken_message(
            records in proptest::collection::vec(
                (0_usize..3, proptest::sample::select(vec![1_u16, 2, 5, 6, 12, 15, 16, 28, 33, 35, 39, 41, 46]),
                 proptest::collection::vec(0_u8..=255, 0..40)),
                0..30,
            ),
            long in proptest::bool::ANY,
            cut in 0_usize..2_000,
        ) {
            let mut sections = [vec![], vec![], vec![]];
            let mut counts = [0_u16; 3];
            for (section, rtype, data) in &records {
                let len = u16::try_from(data.len()).unwrap();
                let fixed = [*rtype, 1, 0, 5, len].map(u16::to_be_bytes);
                sections[*section].extend([&b"\xc0\x0c"[..], fixed.as_flattened(), data].concat());
                counts[*section] += 1;
            }
            let counts = counts.map(u16::to_be_bytes);
            let head = [&b"\x12\x34\x85\x80\0\x01"[..], counts.as_flattened(), b"\x01b\0\0\x01\0\x01"];
            let response = [head.concat(), sections.concat()].concat();
            let name = if long { [&[63; 64][..], &[0]].concat() } else { b"\x01a\0".to_vec() };
            let (_, made) = renamed_by(&name, response.get(..cut).unwrap_or(&response));
            proptest::prop_assert!(is_sound(&made), "{:02x?}", made);
        }
    }
}
