//! Takes what an upstream said about an alias's target into our own response.
//!
//! Only the chain that begins at the asked name is believed, in its order, and the first SOA record
//! where the chain ends with nothing; whatever else the message holds is not looked at.

use super::message::{Expanded, Found, Told, names_in};
use super::query::{Asked, HEADER, Rcode};
use super::reply::{Full, Owner, Reply, Section};
use super::write::rtype;

/// How many aliases an upstream's answer may chain.
pub(super) const CHAIN_MOST: usize = 16;

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
    let mut ended = false;
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
            if !is_whole(message, &found) {
                return Spliced::Unusable;
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
            None => {
                ended = true;
                break;
            }
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
    if !ended {
        // A loop, or as good as one.
        return Spliced::Unusable;
    }
    let is_denial = |found: &Found| found.rtype == rtype::SOA && is_whole(message, found);
    let denial = told.section(1).flatten().find(is_denial);
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

/// Octets of the numbers behind an SOA record's names (RFC 1035, section 3.3.13). Nothing stands
/// behind the names of any other type.
const SOA_NUMBERS: usize = 20;

/// Whether a record's data have the length of their type, and names in them are whole, with nothing
/// around them but what belongs there.
pub(super) fn is_whole(message: &[u8], found: &Found) -> bool {
    let data = message.get(found.data..found.end).unwrap_or(&[]);
    let Some((prefix, names)) = names_in(found.rtype, data) else {
        return match found.rtype {
            rtype::A => data.len() == 4,
            rtype::AAAA => data.len() == 16,
            _ => true,
        };
    };
    let mut at = Some(found.data + prefix);
    for _ in 0..names {
        at = at.and_then(|at| Expanded::default().expand(message, at));
    }
    let behind = if found.rtype == rtype::SOA { SOA_NUMBERS } else { 0 };
    at.is_some_and(|at| at + behind == found.end)
}

/// The last type whose names may be compressed: those of RFC 1035 (RFC 3597, section 4).
const COMPRESSED_MOST: u16 = rtype::TXT;

/// Writes a record with its names expanded, and returns where its last name stands.
pub(super) fn copy(reply: &mut Reply<'_>, message: &[u8], found: &Found) -> Result<usize, Full> {
    let mut owner = Expanded::default();
    owner.expand_as_written(message, found.owner).ok_or(Full)?;
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
            at = name.expand_as_written(message, at).ok_or(Full)?;
            if found.rtype > COMPRESSED_MOST {
                reply.raw(name.as_slice())?;
            } else {
                place = reply.name(name.as_slice())?;
            }
        }
        reply.raw(message.get(at..found.end).ok_or(Full)?)
    })?;
    Ok(place)
}
