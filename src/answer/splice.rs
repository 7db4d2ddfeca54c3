//! Takes what an upstream said about an alias's target into our own response.
//!
//! Only the chain that begins at the asked name is believed, in its order, and the first SOA record
//! where the chain ends with nothing; whatever else the message holds is not looked at.

use super::query::{Asked, HEADER, Rcode};
use super::reply::{Full, Owner, Reply, Section};
use super::write::rtype;
use crate::name::{MAX_LABEL, MAX_NAME};

/// How many aliases an upstream's answer may chain.
const CHAIN_MOST: usize = 16;
/// How many pointers one name may be cut into: more than there are labels in the longest name.
const POINTERS_MOST: usize = 128;

/// What became of it.
pub(super) enum Spliced {
    /// It answers another question.
    OtherQuestion,
    /// It is malformed, or an error.
    Unusable,
    /// The chain has ended, with records or without.
    Ended(Rcode),
    /// The chain goes on at the name now asked for, which stands at this place.
    At(usize),
}

/// One record of a message.
#[derive(Clone, Copy)]
struct Found {
    owner: usize,
    rtype: u16,
    class: u16,
    ttl: u32,
    data: usize,
    end: usize,
}

/// Splices `message`, an answer about `asked` and `qtype`, into `reply`.
pub(super) fn splice(
    reply: &mut Reply<'_>,
    message: &[u8],
    asked: &mut Asked,
    qtype: u16,
) -> Spliced {
    let Some(told) = Told::read(message) else { return Spliced::Unusable };
    let mut buffer = Expanded::default();
    match buffer.expand(message, HEADER) {
        Some(_) if buffer.as_slice() == asked.name() && told.qtype == qtype => {}
        _ => return Spliced::OtherQuestion,
    }
    let rcode = match message.get(3).map_or(0, |octet| octet & 0x0f) {
        0 => Rcode::NoError,
        3 => Rcode::NxDomain,
        _ => return Spliced::Unusable,
    };
    let mut place = None;
    for _ in 0..CHAIN_MOST {
        let mut next = None;
        let mut written = 0;
        for found in told.section(0) {
            let Some(found) = found else { return Spliced::Unusable };
            let here = buffer.expand(message, found.owner).is_some()
                && buffer.as_slice() == asked.name()
                && found.class == 1;
            if !here || (found.rtype != qtype && found.rtype != rtype::CNAME) {
                continue;
            }
            let Ok(at) = copy(reply, message, &found) else { return Spliced::Ended(rcode) };
            written += 1;
            if found.rtype == rtype::CNAME && qtype != rtype::CNAME {
                next = Some((found.data, at));
                break;
            }
        }
        match next {
            None if written > 0 => return Spliced::Ended(rcode),
            None => break,
            Some((target, at)) => {
                place = Some(at);
                let whole =
                    buffer.expand(message, target).and_then(|_| asked.read(buffer.as_slice()));
                if whole.is_none() {
                    return Spliced::Unusable;
                }
            }
        }
    }
    let denial = told.section(1).flatten().find(|found| found.rtype == rtype::SOA);
    match (denial, place) {
        (None, Some(place)) => Spliced::At(place),
        (None, None) => Spliced::Ended(rcode),
        (Some(soa), _) => {
            reply.section(Section::Authority);
            let _ = copy(reply, message, &soa);
            Spliced::Ended(rcode)
        }
    }
}

/// A message whose question has been read.
struct Told<'m> {
    message: &'m [u8],
    qtype: u16,
    records: usize,
    counts: [u16; 2],
}

impl<'m> Told<'m> {
    fn read(message: &'m [u8]) -> Option<Self> {
        let header = message.first_chunk::<HEADER>()?;
        let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        if count(4) != 1 {
            return None;
        }
        let end = Expanded::default().expand(message, HEADER)?;
        let fixed = message.get(end..)?.first_chunk::<4>()?;
        Some(Self {
            message,
            qtype: u16::from_be_bytes([fixed[0], fixed[1]]),
            records: end + 4,
            counts: [count(6), count(8)],
        })
    }

    /// The records of the answer (0) or authority (1) section; `None` where one is cut off.
    fn section(&self, section: usize) -> impl Iterator<Item = Option<Found>> {
        let [answers, authorities] = self.counts.map(usize::from);
        let (skip, take) = if section == 0 { (0, answers) } else { (answers, authorities) };
        let mut at = Some(self.records);
        let mut all = std::iter::from_fn(move || {
            let found = self.record(at?);
            at = found.map(|found| found.end);
            Some(found)
        });
        for _ in 0..skip {
            all.next();
        }
        all.take(take)
    }

    fn record(&self, owner: usize) -> Option<Found> {
        let at = Expanded::default().expand(self.message, owner)?;
        let fixed = self.message.get(at..)?.first_chunk::<10>()?;
        let data = at + 10;
        let end = data + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        self.message.get(data..end)?;
        Some(Found {
            owner,
            rtype: u16::from_be_bytes([fixed[0], fixed[1]]),
            class: u16::from_be_bytes([fixed[2], fixed[3]]),
            ttl: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            data,
            end,
        })
    }
}

/// Writes a record with its names expanded, and returns where its last name stands.
fn copy(reply: &mut Reply<'_>, message: &[u8], found: &Found) -> Result<usize, Full> {
    let mut owner = Expanded::default();
    owner.expand(message, found.owner).ok_or(Full)?;
    let data = message.get(found.data..found.end).ok_or(Full)?;
    let mut place = 0;
    // RFC 2181, section 8: a TTL with its highest bit set is 0.
    let ttl = if found.ttl >> 31 == 1 { 0 } else { found.ttl };
    reply.typed(Owner::Name(owner.as_slice()), found.rtype, ttl, |reply| {
        let Some((prefix, names)) = names_in(found.rtype, data) else { return reply.raw(data) };
        let mut at = found.data + prefix;
        reply.raw(data.get(..prefix).ok_or(Full)?)?;
        for _ in 0..names {
            let mut name = Expanded::default();
            at = name.expand(message, at).ok_or(Full)?;
            if found.rtype == rtype::SRV {
                reply.raw(name.as_slice())?;
            } else {
                place = reply.name(name.as_slice())?;
            }
        }
        reply.raw(message.get(at..found.end).ok_or(Full)?)
    })?;
    Ok(place)
}

/// Of the types whose data may hold compressed names (RFC 3597, section 4): how many octets stand
/// in front of the names, and how many names there are.
fn names_in(rtype: u16, data: &[u8]) -> Option<(usize, usize)> {
    match rtype {
        2..=5 | 7..=9 | 12 => Some((0, 1)),
        6 | 14 | 17 => Some((0, 2)),
        15 | 18 | 21 | 36 => Some((2, 1)),
        26 => Some((2, 2)),
        33 => Some((6, 1)),
        35 => {
            let string = |at: usize| Some(at + 1 + usize::from(*data.get(at)?));
            let prefix = string(4).and_then(string).and_then(string)?;
            Some((prefix, 1))
        }
        _ => None,
    }
}

/// A name of a message without compression, lower-cased.
struct Expanded {
    octets: [u8; MAX_NAME],
    len: usize,
}

impl Default for Expanded {
    fn default() -> Self {
        Self { octets: [0; MAX_NAME], len: 0 }
    }
}

impl Expanded {
    fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&[])
    }

    /// Reads the name at `at` and returns where it ends in the message.
    fn expand(&mut self, message: &[u8], mut at: usize) -> Option<usize> {
        self.len = 0;
        let mut end = None;
        let mut pointers = 0;
        loop {
            let len = *message.get(at)?;
            if len >= 0xc0 {
                let target = usize::from(len & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                end.get_or_insert(at + 2);
                pointers += 1;
                if target >= at || pointers > POINTERS_MOST {
                    return None;
                }
                at = target;
                continue;
            }
            if usize::from(len) > MAX_LABEL {
                return None;
            }
            let label = message.get(at..=at + usize::from(len))?;
            self.octets.get_mut(self.len..self.len + label.len())?.copy_from_slice(label);
            self.len += label.len();
            if len == 0 {
                self.octets.get_mut(..self.len)?.make_ascii_lowercase();
                return Some(end.unwrap_or(at + 1));
            }
            at += label.len();
        }
    }
}
