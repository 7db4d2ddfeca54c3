//! Responses whose records stand ready, such as those of `template`: written, not looked up.

use super::ede::ExtendedErrors;
use super::message::{Expanded, Found, Told, names_in};
use super::query::{Query, Rcode};
use super::reply::{Full, Reply};
use super::splice::is_whole;
use super::{Cause, Desk, Outcome, Section, limit};

/// A record as it is sent, but for the place of its owner's name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Where it belongs.
    pub section: Section,
    /// The owner's name in wire form.
    pub owner: Vec<u8>,
    /// Its type.
    pub rtype: u16,
    /// Its class.
    pub class: u16,
    /// Its TTL, in seconds.
    pub ttl: u32,
    /// Its data in wire form, no name of it compressed.
    pub data: Vec<u8>,
}

/// What is said to a query, and why.
#[derive(Clone, Copy, Debug)]
pub struct Said<'s> {
    /// The response code.
    pub rcode: Rcode,
    /// Who says so may say so (AA).
    pub authoritative: bool,
    /// The records, section after section.
    pub records: &'s [Record],
    /// An extended error (RFC 8914), for whoever asks with EDNS.
    pub error: Option<(u16, &'s str)>,
    /// Why it is what it is.
    pub cause: Cause,
}

/// Writes what is said: as many records as fit, with TC where answers or authorities are left out.
pub fn written(
    desk: &Desk<'_>,
    message: &[u8],
    query: &Query,
    said: &Said<'_>,
    out: &mut [u8],
) -> Outcome {
    let Said { rcode, authoritative, records, error, cause } = *said;
    let mut reply = Reply::new(out, message, query, limit(desk, query));
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        reply.section(section);
        let of_section = records.iter().filter(|record| record.section == section);
        for record in of_section {
            // What does not fit is marked as such by the reply.
            if reply.record(|reply| write(reply, record)).is_err() {
                break;
            }
        }
    }
    let error = error.filter(|_| query.edns.is_some());
    let errors = error.map(|(code, text)| ExtendedErrors::told(code, text));
    let len = reply.finish(query, rcode, authoritative, desk.settings, errors.as_ref());
    Outcome::Reply { len, rcode, cause }
}

/// The records of a response's answer section; `None` where one of them is malformed.
pub fn answers_of(response: &[u8]) -> Option<Vec<Record>> {
    let read = |found: Option<Found>| {
        let found = found.filter(|found| is_whole(response, found))?;
        let mut name = Expanded::default();
        name.expand_as_written(response, found.owner)?;
        let owner = name.as_slice().to_vec();
        let data = response.get(found.data..found.end)?;
        let (prefix, names) = names_in(found.rtype, data).unwrap_or((data.len(), 0));
        let mut expanded = data.get(..prefix)?.to_vec();
        let mut at = found.data + prefix;
        for _ in 0..names {
            at = name.expand_as_written(response, at)?;
            expanded.extend_from_slice(name.as_slice());
        }
        expanded.extend_from_slice(response.get(at..found.end)?);
        Some(Record {
            section: Section::Answer,
            owner,
            rtype: found.rtype,
            class: found.class,
            ttl: found.ttl,
            data: expanded,
        })
    };
    Told::read(response)?.section(0).map(read).collect()
}

fn write(reply: &mut Reply<'_>, record: &Record) -> Result<(), Full> {
    reply.name(&record.owner)?;
    reply.raw(&record.rtype.to_be_bytes())?;
    reply.raw(&record.class.to_be_bytes())?;
    reply.raw(&record.ttl.to_be_bytes())?;
    reply.raw(&u16::try_from(record.data.len()).map_err(|_| Full)?.to_be_bytes())?;
    reply.raw(&record.data)
}
