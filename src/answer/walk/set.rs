//! The records of one name and type, read back from the octets that a query would get.

use super::super::message::{Expanded, Found, names_in};
use super::super::query::{Asked, HEADER, Query};
use super::super::reply::{Owner, Reply};
use super::super::resolve::{Node, locate};
use super::super::write::{Writer, rtype};
use crate::zone::View;
use crate::zone::record::QNAME_POINTER;

/// Octets that the records of most names fit into; the room grows where they do not.
const ROOM: usize = 1 << 16;
/// Octets that no set of records exceeds: 16 million endpoints of one Service.
const ROOM_MOST: usize = 1 << 30;

/// A record of the view, names expanded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WireRecord<'w> {
    /// Whose record it is, in wire form and lower case.
    pub(crate) owner: &'w [u8],
    pub(crate) rtype: u16,
    pub(crate) ttl: u32,
    /// Its data in wire form, no name of it compressed.
    pub(crate) data: &'w [u8],
}

/// The records of one name and type, one of them at a time. Used again and again for other ones.
#[derive(Default)]
pub(super) struct RecordSet {
    /// A header and a question, of which only the name is of any matter.
    question: Vec<u8>,
    /// The same with the records as answers to it.
    buffer: Vec<u8>,
    /// Where the record behind the present one begins, and where the last ends.
    at: usize,
    end: usize,
    rtype: u16,
    ttl: u32,
    data: Vec<u8>,
}

/// The types of the records that a name of this kind has, in the order in which they are listed.
pub(super) fn types_of(node: &Node<'_>) -> &'static [u16] {
    match node {
        Node::Apex => &[rtype::SOA, rtype::NS],
        Node::NameServer => &[rtype::A, rtype::AAAA],
        Node::Version => &[rtype::TXT],
        Node::Alias(_) => &[rtype::CNAME],
        Node::Front(_) | Node::Port(..) | Node::Endpoints(_) | Node::Label(_) => {
            &[rtype::A, rtype::AAAA, rtype::SRV]
        }
        Node::Address(_) => &[rtype::PTR],
        Node::Pod(_) => &[rtype::A, rtype::AAAA],
        Node::Missing(_) | Node::Empty | Node::Waiting(_) => &[],
    }
}

impl RecordSet {
    /// One that writes into this room.
    pub(super) fn within(buffer: Vec<u8>) -> Self {
        Self { buffer, ..Self::default() }
    }

    /// The room that it wrote into.
    pub(super) fn into_room(self) -> Vec<u8> {
        self.buffer
    }

    /// Takes up the records of a name and type: its own alone, an alias is not followed. Then
    /// [`RecordSet::advance`] goes to the first.
    pub(super) fn take_up(&mut self, view: &View, asked: &Asked, qtype: u16) {
        (self.at, self.end) = (0, 0);
        let Some(located) = locate(view, asked) else { return };
        let node = located.resolve(view, asked);
        self.question.clear();
        self.question.extend_from_slice(&[0; HEADER]);
        self.question.extend_from_slice(asked.name());
        self.question.extend_from_slice(&[0; 4]);
        let query = Query::standing_at(self.question.len());
        let mut room = self.buffer.len().max(ROOM);
        loop {
            self.buffer.resize(room, 0);
            let mut reply = Reply::new(&mut self.buffer, &self.question, &query, room);
            if let (Node::Alias(alias), rtype::CNAME) = (node, qtype) {
                let (owner, ttl) = (Owner::Pointer(QNAME_POINTER), view.spec().ttl);
                let _ = reply.typed(owner, rtype::CNAME, ttl, |reply| reply.raw(alias.target()));
            } else {
                let mut writer = Writer {
                    reply: &mut reply,
                    view,
                    zone: located.zone,
                    asked,
                    depth: located.depth,
                    owner: QNAME_POINTER,
                    original: None,
                    rotation: 0,
                };
                writer.answers_only(&node, qtype);
            }
            (self.at, self.end) = (self.question.len(), reply.at());
            if !reply.truncated || room >= ROOM_MOST {
                return;
            }
            room *= 4;
        }
    }

    /// Goes to the next record, and says whether there is one.
    pub(super) fn advance(&mut self) -> bool {
        self.read().is_some()
    }

    fn read(&mut self) -> Option<()> {
        if self.at >= self.end {
            return None;
        }
        let found = Found::read(&self.buffer, self.at)?;
        (self.at, self.rtype, self.ttl) = (found.end, found.rtype, found.ttl);
        self.data.clear();
        expand(&self.buffer, &found, &mut self.data)
    }

    /// The present record, of this owner.
    pub(super) fn record<'w>(&'w self, owner: &'w [u8]) -> WireRecord<'w> {
        WireRecord { owner, rtype: self.rtype, ttl: self.ttl, data: &self.data }
    }
}

/// Appends a record's data with its names expanded.
pub(super) fn expand(message: &[u8], found: &Found, out: &mut Vec<u8>) -> Option<()> {
    let data = message.get(found.data..found.end)?;
    let (prefix, names) = names_in(found.rtype, data).unwrap_or((data.len(), 0));
    out.extend_from_slice(data.get(..prefix)?);
    let mut at = found.data + prefix;
    for _ in 0..names {
        let mut name = Expanded::default();
        at = name.expand(message, at)?;
        out.extend_from_slice(name.as_slice());
    }
    out.extend_from_slice(message.get(at..found.end)?);
    Some(())
}
