//! Zone transfers (RFC 5936, RFC 1995): a zone as messages, made one by one from one view.
//!
//! Whether the asker may have it is for the caller to say. What is held of a transfer is the view, a
//! place in it and the records of one name and type; whoever sends the messages makes the next one
//! when there is room for it.

use std::sync::Arc;

use super::cause::{Cause, NoTransfer};
use super::ede::ExtendedErrors;
use super::message::{Expanded, Told};
use super::query::{HEADER, Query, Rcode};
use super::reply::{Full, Owner, Reply};
use super::resolve::{Located, Node, locate};
use super::walk::{Walk, WireRecord};
use super::write::{Writer, rtype};
use super::{Desk, Outcome, STREAM_MOST, Settings, Transport, error, limit};
use crate::cluster::Kind;
use crate::zone::View;
use crate::zone::record::QNAME_POINTER;

/// Whether a type asks for a whole zone, or for what has changed in it.
pub(super) fn is_transfer(qtype: u16) -> bool {
    matches!(qtype, rtype::AXFR | rtype::IXFR)
}

/// Answers a query for a transfer by somebody who may have it, as far as one message does it:
/// an error, or the SOA record of who is up to date. [`Outcome::Transfer`] is the whole zone, for
/// [`ZoneTransfer`] to make messages of.
pub fn transfer(desk: &Desk<'_>, message: &[u8], query: &Query, out: &mut [u8]) -> Outcome {
    let mut refuse = |why| {
        let cause = Cause::NoTransfer(why);
        error(desk, message, query, Rcode::Refused, cause, out)
    };
    let located = desk.view.and_then(|view| Some((view, locate(view, &query.asked)?)));
    let Some((view, located)) = located.filter(|(_, located)| is_whole_zone(located)) else {
        return refuse(NoTransfer::NotAZone);
    };
    if query.qtype == rtype::AXFR && desk.transport == Transport::Udp {
        return refuse(NoTransfer::Datagram);
    }
    let mut waiting = view.waiting();
    // Names of pods are not transferred.
    waiting.remove(Kind::Pod);
    if !waiting.is_empty() {
        return error(desk, message, query, Rcode::ServFail, Cause::Waiting(waiting), out);
    }
    if query.qtype == rtype::IXFR {
        let Some(serial) = known_serial(message) else {
            let cause = Cause::NoTransfer(NoTransfer::NoSerial);
            return error(desk, message, query, Rcode::ServFail, cause, out);
        };
        // Over UDP it says whether there is something to come for (RFC 1995, section 2).
        if serial == view.serial() || desk.transport == Transport::Udp {
            return one_record(desk, view, &located, message, query, out);
        }
    }
    Outcome::Transfer
}

fn is_whole_zone(located: &Located<'_>) -> bool {
    located.depth == 0 && !located.zone.zone.is_reverse()
}

/// The serial that the asker of an IXFR has, of the one SOA record in the authority section.
fn known_serial(message: &[u8]) -> Option<u32> {
    let told = Told::read(message)?;
    let mut authority = told.section(1);
    let found = authority.next()??;
    if authority.next().is_some() || found.rtype != rtype::SOA {
        return None;
    }
    let mut name = Expanded::default();
    let mailbox = name.expand(message, found.data)?;
    let numbers = Expanded::default().expand(message, mailbox)?;
    let serial = message.get(numbers..found.end)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*serial))
}

/// The SOA record alone.
fn one_record(
    desk: &Desk<'_>,
    view: &View,
    located: &Located<'_>,
    message: &[u8],
    query: &Query,
    out: &mut [u8],
) -> Outcome {
    let mut reply = Reply::new(out, message, query, limit(desk, query));
    let end = HEADER + query.asked.name().len();
    let mut writer = Writer {
        reply: &mut reply,
        view,
        zone: located.zone,
        asked: &query.asked,
        depth: located.depth,
        owner: QNAME_POINTER,
        original: message.get(HEADER..end),
        rotation: 0,
    };
    writer.answers_only(&Node::Apex, rtype::SOA);
    let (rcode, cause) = (Rcode::NoError, Cause::Transfer);
    let told = query.edns.is_some() && desk.settings.ede;
    let errors = if told { ExtendedErrors::of(Some(view), query, rcode, cause) } else { None };
    let len = reply.finish(query, rcode, true, desk.settings, errors.as_ref());
    Outcome::Reply { len, rcode, cause }
}

/// The messages of a transfer that is under way.
pub struct ZoneTransfer {
    view: Arc<View>,
    zone: usize,
    message: Box<[u8]>,
    query: Query,
    walk: Walk,
    stage: Stage,
    /// The record at hand had no room in the message before.
    held: bool,
}

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// The SOA record and all others.
    Zone,
    /// The SOA record once more.
    End,
    /// All is said.
    Over,
}

impl ZoneTransfer {
    /// The transfer that a query asks for, from this view. `None` where the query cannot be read, or
    /// asks for no zone of the view.
    pub fn new(view: Arc<View>, message: &[u8]) -> Option<Self> {
        let mut query = Query::default();
        query.read(message).ok()?;
        let name = query.asked.name();
        let zone = view.zones().iter().position(|zone| zone.zone.name.as_wire() == name)?;
        let (message, walk) = (message.into(), Walk::new());
        Some(Self { view, zone, message, query, walk, stage: Stage::Zone, held: false })
    }

    /// Makes the next message in `out`, which holds [`STREAM_MOST`] octets, and returns its length;
    /// `None` behind the last one.
    pub fn next(&mut self, settings: &Settings, out: &mut [u8]) -> Option<usize> {
        if self.stage == Stage::Over {
            return None;
        }
        let mut reply = Reply::new(out, &self.message, &self.query, STREAM_MOST);
        let mut last = Last::default();
        while self.stage != Stage::Over && self.take_up() {
            self.held = last.write(&mut reply, self.walk.record()).is_err();
            if self.held {
                break;
            }
            if self.stage == Stage::End {
                self.stage = Stage::Over;
            }
        }
        // The next message has room for what this one had not.
        reply.truncated = false;
        if reply.answers() == 0 {
            self.stage = Stage::Over;
            return None;
        }
        let told = self.query.edns.is_some() && settings.ede;
        let (rcode, cause) = (Rcode::NoError, Cause::Transfer);
        let errors = ExtendedErrors::of(Some(&self.view), &self.query, rcode, cause);
        let errors = errors.filter(|_| told);
        let len = reply.finish(&self.query, rcode, true, settings, errors.as_ref());
        // The question stands in the first message alone (RFC 5936, section 2.2.1).
        self.query.without_question();
        Some(len)
    }

    /// Goes to the record that is to be written next; it may be at hand already.
    fn take_up(&mut self) -> bool {
        let Some(zone) = self.view.zones().get(self.zone) else { return false };
        if self.held || self.walk.next(&self.view, zone).is_some() {
            return true;
        }
        self.stage = match self.stage {
            Stage::Zone => Stage::End,
            Stage::End | Stage::Over => Stage::Over,
        };
        // The first record of every walk is the zone's SOA record.
        self.walk = Walk::new();
        self.stage == Stage::End && self.walk.next(&self.view, zone).is_some()
    }
}

/// The owner that was written last, and where it stands: most records have that of the one before.
#[derive(Default)]
struct Last {
    owner: Vec<u8>,
    pointer: Option<u16>,
}

impl Last {
    fn write(&mut self, reply: &mut Reply<'_>, record: WireRecord<'_>) -> Result<(), Full> {
        let WireRecord { owner, rtype, ttl, data } = record;
        let pointer = self.pointer.filter(|_| self.owner == owner);
        let at = reply.at();
        let name = pointer.map_or(Owner::Name(owner), Owner::Pointer);
        reply.typed(name, rtype, ttl, |reply| reply.raw(data))?;
        if pointer.is_none() {
            self.pointer = Reply::pointer(at);
            self.owner.clear();
            self.owner.extend_from_slice(owner);
        }
        Ok(())
    }
}
