//! Answers that a configuration writes itself, put into the form of a response.

use super::reply::{Full, Reply};
use super::{Cause, Desk, Outcome, Query, Rcode, limit};
use crate::zone::record::QNAME_POINTER;

/// A record of the question's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PlainRecord<'r> {
    /// Its type.
    pub rtype: u16,
    /// Its TTL, in seconds.
    pub ttl: u32,
    /// Its data, in wire form and not compressed.
    pub data: &'r [u8],
}

/// An authoritative answer of these records. What does not fit is left out, with TC.
pub fn plain_answer<'r>(
    desk: &Desk<'_>,
    message: &[u8],
    query: &Query,
    records: impl Iterator<Item = PlainRecord<'r>>,
    cause: Cause,
    out: &mut [u8],
) -> Outcome {
    let mut reply = Reply::new(out, message, query, limit(desk, query));
    for record in records {
        if reply.record(|reply| write(reply, query, record)).is_err() {
            break;
        }
    }
    let rcode = Rcode::NoError;
    Outcome::Reply { len: reply.finish(query, rcode, true, desk.settings, None), rcode, cause }
}

fn write(reply: &mut Reply<'_>, query: &Query, record: PlainRecord<'_>) -> Result<(), Full> {
    let length = u16::try_from(record.data.len()).map_err(|_| Full)?;
    reply.raw(&QNAME_POINTER.to_be_bytes())?;
    reply.raw(&record.rtype.to_be_bytes())?;
    reply.raw(&query.qclass.to_be_bytes())?;
    reply.raw(&record.ttl.to_be_bytes())?;
    reply.raw(&length.to_be_bytes())?;
    reply.raw(record.data)
}
