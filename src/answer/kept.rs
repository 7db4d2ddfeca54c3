//! What an upstream said, as it is kept and said again: the records of the question's chain and
//! nothing else, ready for the wire.
//!
//! [`Kept::of`] takes a reply apart once; [`repeat`] copies it behind whatever question has the same
//! name, counts its TTLs down and writes the asker's own header and OPT record. The second runs on
//! the query threads.

mod set;

use self::set::Addresses;
use super::cause::{Cause, KeptAs};
use super::ede::ExtendedErrors;
use super::message::{Expanded, Found, Told, names_in};
use super::query::{HEADER, OPT, Query, Rcode};
use super::reply::{Reply, Section};
use super::splice::{CHAIN_MOST, copy, is_whole};
use super::write::rtype;
use super::{CLASS_IN, Desk, Outcome, STREAM_MOST, UDP_DEFAULT, is_within, limit};

/// The largest answer that is kept, in octets: more than any that many ask for, and within reach of
/// compression pointers.
pub(super) const KEPT_MOST: usize = 16_384;
/// How many names in the data of an answer may have their addresses beside it.
const TARGETS_MOST: usize = 32;

/// Types that stand in a reply for those who check signatures (RFC 4034, RFC 5155).
const SIGNED: [u16; 4] = [43, 46, 47, 50];
const DNAME: u16 = 39;
const MX: u16 = 15;
/// Types that no record has, but ANY (RFC 6895, section 3.1).
const QUERY_ONLY: std::ops::RangeInclusive<u16> = 128..=254;

/// What kind of answer it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeptKind {
    /// With data, or with neither data nor a reason not to believe it.
    Data,
    /// NXDOMAIN or NODATA with its SOA record (RFC 2308).
    Denial,
    /// SERVFAIL or NOTIMP.
    Failure,
    /// Nothing to be given again: another error, an alias that leads nowhere, or a type that no record
    /// has.
    Passing,
}

/// An answer to be given again.
#[derive(Clone, Debug)]
pub struct Kept {
    /// All records, with pointers that are right behind a question with the same name.
    records: Box<[u8]>,
    /// Where the TTLs stand in the message.
    ttls: Box<[u16]>,
    counts: [u16; 3],
    addresses: Addresses,
    kind: KeptKind,
    rcode: Rcode,
    authoritative: bool,
    authenticated: bool,
    /// No upstream said it: none said anything.
    silence: bool,
    least_ttl: Option<u32>,
}

impl Kept {
    /// What can be kept of a whole reply whose question is the one that was asked. `signed` keeps
    /// what stands there for those who check signatures. `None` where the reply is cut, malformed,
    /// too long, an error of another kind, or no
    /// answer to its question.
    pub fn of(message: &[u8], signed: bool) -> Option<Self> {
        // What is too long is not even looked through.
        if message.len() > KEPT_MOST {
            return None;
        }
        let is_kept = |kept: &Self| kept.kind != KeptKind::Passing;
        Self::read(message, signed, KEPT_MOST).filter(is_kept)
    }

    /// What can be said once of such a reply, of whatever kind and length, by the same rules: what does
    /// not belong to the question is left out. `None` where it is cut, malformed, or no answer to its
    /// question.
    pub fn once(message: &[u8], signed: bool) -> Option<Self> {
        Self::read(message, signed, STREAM_MOST)
    }

    fn read(message: &[u8], signed: bool, most: usize) -> Option<Self> {
        let &[_, _, first, second, ..] = message.first_chunk::<HEADER>()?;
        // QR set; QUERY; not cut.
        if first & 0xfa != 0x80 {
            return None;
        }
        let told = Told::read(message)?;
        let every = (0..3).flat_map(|section| told.section(section));
        for found in every {
            let found = found?;
            // The upper bits of a response code stand in the OPT record (RFC 6891, section 6.1.3).
            if found.rtype == OPT && found.ttl >> 24 != 0 {
                return None;
            }
        }
        let passing = told.qtype == OPT || QUERY_ONLY.contains(&told.qtype);
        let rcode = Rcode::of(u16::from(second & 0x0f))?;
        let mut digest = Digest { message, told, signed, chain: Vec::new() };
        digest.follow()?;
        let mut kept = digest.write(rcode, most)?;
        if passing {
            kept.kind = KeptKind::Passing;
        }
        kept.authoritative = first & 0x04 != 0;
        kept.authenticated = second & 0x20 != 0;
        Some(kept)
    }

    /// That no upstream said anything: SERVFAIL.
    pub fn silence() -> Self {
        Self {
            records: Box::default(),
            ttls: Box::default(),
            counts: [0; 3],
            addresses: Addresses::default(),
            kind: KeptKind::Failure,
            rcode: Rcode::ServFail,
            authoritative: false,
            authenticated: false,
            silence: true,
            least_ttl: None,
        }
    }

    /// What kind of answer it is.
    pub fn kind(&self) -> KeptKind {
        self.kind
    }

    /// Its response code.
    pub fn rcode(&self) -> Rcode {
        self.rcode
    }

    /// Whether it says that no upstream said anything.
    pub fn is_silence(&self) -> bool {
        self.silence
    }

    /// The least TTL of its records, in seconds; of a denial not more than its SOA record's MINIMUM
    /// (RFC 2308, section 5). Nothing where there is no record.
    pub fn least_ttl(&self) -> Option<u32> {
        self.least_ttl
    }

    /// Writes the first records that fit behind the question, which ends at `begin`, and says how many
    /// they are. Additional ones are none of them.
    fn repeat_some(&self, reply: &mut Reply<'_>, parts: [&[u8]; 4], begin: usize) -> usize {
        let mut counts = [0; 3];
        let (mut end, mut given) = (0, 0);
        let [answers, authorities, _] = self.counts.map(usize::from);
        for place in self.ttls.iter().take(answers + authorities) {
            // Behind the TTL stand the length of the data and the data.
            let at = usize::from(*place + 4).saturating_sub(begin);
            let len = self.records.get(at..).and_then(|rest| rest.first_chunk::<2>());
            let next = at + 2 + len.map_or(0, |len| usize::from(u16::from_be_bytes(*len)));
            if next > reply.room() {
                reply.truncated = true;
                break;
            }
            end = next;
            counts[usize::from(given >= answers)] += 1;
            given += 1;
        }
        // In each order the records end at the same places.
        let parts = parts.map(|part| {
            let (taken, _) = part.split_at(end.min(part.len()));
            end -= taken.len();
            taken
        });
        if reply.repeat(parts, counts).is_ok() { given } else { 0 }
    }

    /// Octets that it takes.
    pub fn weight(&self) -> usize {
        self.records.len() + size_of_val(&*self.ttls)
    }
}

/// Gives a kept answer again, to whoever asks for the same name and type, with this TTL for all
/// records. Addresses come in an order that is another one at each turn. Of what is too long for the
/// asker's datagrams the first records are given, with TC.
pub fn repeat(
    desk: &Desk<'_>,
    message: &[u8],
    query: &Query,
    (kept, as_what): (&Kept, KeptAs),
    ttl: u32,
    out: &mut [u8],
) -> Outcome {
    give(desk, message, query, (kept, as_what), Some(ttl), out)
}

/// Gives what an upstream has just said, with the TTLs that it has: as [`repeat`] would, so that
/// nothing is in the response that the question did not ask for, no OPT record for an asker without
/// one, and no option but ours. `None` where what was said is cut, malformed, or no answer to the
/// question.
pub fn relay(
    desk: &Desk<'_>,
    message: &[u8],
    query: &Query,
    told: &[u8],
    out: &mut [u8],
) -> Option<Outcome> {
    let signed = query.edns.is_some_and(|edns| edns.dnssec_ok);
    let kept = Kept::once(told, signed)?;
    Some(give(desk, message, query, (&kept, KeptAs::New), None, out))
}

fn give(
    desk: &Desk<'_>,
    message: &[u8],
    query: &Query,
    (kept, as_what): (&Kept, KeptAs),
    ttl: Option<u32>,
    out: &mut [u8],
) -> Outcome {
    let mut reply = Reply::new(out, message, query, limit(desk, query));
    let begin = reply.at();
    let mut given = kept.ttls.len();
    let parts = kept.addresses.turned(&kept.records, desk.rotation);
    if reply.repeat(parts, kept.counts).is_err() {
        given = kept.repeat_some(&mut reply, parts, begin);
    }
    let told = query.edns.is_some() && desk.settings.ede;
    let errors = if told { ExtendedErrors::of_kept(kept, query, as_what) } else { None };
    let len = reply.finish(query, kept.rcode, kept.authoritative, desk.settings, errors.as_ref());
    let (rewritten, ttl) = ttl.map_or((0, 0), |ttl| (given, ttl));
    for &place in kept.ttls.iter().take(rewritten) {
        let place = usize::from(place);
        if let Some(room) = out.get_mut(place..place + 4) {
            room.copy_from_slice(&ttl.to_be_bytes());
        }
    }
    if kept.authenticated && query.wants_authenticated() {
        out.get_mut(3).into_iter().for_each(|flags| *flags |= 0x20);
    }
    Outcome::Reply { len, rcode: kept.rcode, cause: Cause::Kept(as_what) }
}

/// The query that asks an upstream for what many may ask: the question as it stands in `message`,
/// with its DO and CD bits, and no option of the one asker's. Whether the answer is authenticated is
/// asked for too (RFC 6840, section 5.7), since another asker may want to know.
pub fn question_of(message: &[u8], query: &Query) -> Vec<u8> {
    let [payload0, payload1] = UDP_DEFAULT.to_be_bytes();
    let opt = query.edns.map(|edns| {
        let flags = if edns.dnssec_ok { 0x80 } else { 0 };
        [0, 0, 41, payload0, payload1, 0, 0, flags, 0, 0, 0]
    });
    let flags = [query.flags[0] & 0x01, (query.flags[1] & 0x10) | 0x20];
    let counts = [0, 1, 0, 0, 0, 0, 0, u8::from(opt.is_some())];
    let question = message.get(HEADER..query.question_end).unwrap_or(&[]);
    let opt = opt.as_ref().map_or(&[][..], |opt| opt);
    [&[0, 0], &flags[..], &counts, question, opt].concat()
}

/// A reply that is being taken apart; all of its records can be read.
struct Digest<'m> {
    message: &'m [u8],
    told: Told<'m>,
    signed: bool,
    /// The asked name and where its aliases lead, in lower case.
    chain: Vec<Expanded>,
}

impl Digest<'_> {
    /// Follows the aliases. `None` where they lead nowhere: a loop, two targets of one name, or more
    /// than anybody needs.
    fn follow(&mut self) -> Option<()> {
        let mut last = Expanded::default();
        last.expand(self.message, HEADER)?;
        self.chain.push(last);
        if matches!(self.told.qtype, rtype::CNAME | rtype::ANY) {
            return Some(());
        }
        for _ in 0..=CHAIN_MOST {
            let mut target: Option<Expanded> = None;
            for found in self.of_name(0, self.end()).filter(|found| found.rtype == rtype::CNAME) {
                let mut name = Expanded::default();
                name.expand(self.message, found.data).filter(|_| is_whole(self.message, &found))?;
                if target.is_some_and(|other| other.as_slice() != name.as_slice()) {
                    return None;
                }
                target = Some(name);
            }
            let Some(target) = target else { return Some(()) };
            if self.in_chain(target.as_slice()) {
                return None;
            }
            self.chain.push(target);
        }
        None
    }

    /// Writes what belongs to the chain, section by section.
    fn write(&self, rcode: Rcode, most: usize) -> Option<Kept> {
        let question_end = Expanded::default().expand(self.message, HEADER)? + 4;
        let query = Query::standing_at(question_end);
        let mut out = vec![0; most];
        let mut reply = Reply::new(&mut out, self.message, &query, most);
        let mut targets = Vec::new();
        let mut answered = false;
        for name in &self.chain {
            for found in self.of_name(0, name.as_slice()).filter(|found| self.is_answer(found)) {
                answered |= found.rtype == self.told.qtype || self.told.qtype == rtype::ANY;
                self.copy(&mut reply, &found, &mut targets)?;
            }
        }
        // Those who check signatures check an alias by the DNAME that it was made of (RFC 6672).
        for found in self.records(0).filter(|found| self.signed && self.is_dname(found)) {
            self.copy(&mut reply, &found, &mut targets)?;
        }
        reply.section(Section::Authority);
        let denial =
            self.records(1).find(|found| found.rtype == rtype::SOA && self.is_above(found));
        let denial = denial.filter(|soa| !answered && is_whole(self.message, soa));
        for found in self.records(1).filter(|found| self.is_authority(found, denial.is_some())) {
            self.copy(&mut reply, &found, &mut targets)?;
        }
        reply.section(Section::Additional);
        for found in self.records(2).filter(|found| matches!(found.rtype, rtype::A | rtype::AAAA)) {
            let owner = self.owner(&found);
            if targets.iter().any(|target| target.as_slice() == owner.as_slice()) {
                self.copy(&mut reply, &found, &mut Vec::new())?;
            }
        }
        let kind = match rcode {
            Rcode::NoError if answered => KeptKind::Data,
            Rcode::NoError | Rcode::NxDomain if denial.is_some() => KeptKind::Denial,
            // An alias that leads nowhere answers nothing, and nothing says for how long.
            Rcode::NoError if self.chain.len() == 1 => KeptKind::Data,
            Rcode::ServFail | Rcode::NotImp => KeptKind::Failure,
            _ => KeptKind::Passing,
        };
        let minimum = denial.and_then(|soa| self.message.get(soa.end - 4..soa.end)?.first_chunk());
        let (records, counts) = reply.written(question_end);
        let mut kept = Kept {
            records: records.into(),
            counts,
            kind,
            rcode,
            silence: false,
            ..Kept::silence()
        };
        let total = counts.iter().map(|count| usize::from(*count)).sum();
        let mut at = question_end;
        let mut ttls = Vec::with_capacity(total);
        for _ in 0..total {
            let found = Found::read(&out, at)?;
            at = found.end;
            kept.least_ttl = Some(kept.least_ttl.map_or(found.ttl, |least| least.min(found.ttl)));
            ttls.push(u16::try_from(found.data - 6).ok()?);
        }
        if let Some(&minimum) = minimum {
            let minimum = u32::from_be_bytes(minimum);
            kept.least_ttl = kept.least_ttl.map(|least| least.min(minimum));
        }
        kept.ttls = ttls.into();
        kept.addresses = Addresses::find(&out, question_end, counts[0]);
        Some(kept)
    }

    /// Copies a record and remembers the names that its data lead to. `None` where it has no room.
    fn copy(
        &self,
        reply: &mut Reply<'_>,
        found: &Found,
        targets: &mut Vec<Expanded>,
    ) -> Option<()> {
        copy(reply, self.message, found).ok()?;
        let data = self.message.get(found.data..found.end)?;
        let prefix = match found.rtype {
            rtype::NS | MX | rtype::SRV => names_in(found.rtype, data)?.0,
            _ => return Some(()),
        };
        let mut name = Expanded::default();
        name.expand(self.message, found.data + prefix)?;
        if targets.len() < TARGETS_MOST {
            targets.push(name);
        }
        Some(())
    }

    /// The records of class IN of a section whose data are whole.
    fn records(&self, section: usize) -> impl Iterator<Item = Found> {
        let records = self.told.section(section).flatten();
        records.filter(|found| found.class == CLASS_IN && is_whole(self.message, found))
    }

    fn of_name(&self, section: usize, name: &[u8]) -> impl Iterator<Item = Found> {
        self.records(section).filter(move |found| self.owner(found).as_slice() == name)
    }

    fn owner(&self, found: &Found) -> Expanded {
        let mut owner = Expanded::default();
        let _ = owner.expand(self.message, found.owner);
        owner
    }

    /// Where the aliases end.
    fn end(&self) -> &[u8] {
        self.chain.last().map_or(&[], Expanded::as_slice)
    }

    fn in_chain(&self, name: &[u8]) -> bool {
        self.chain.iter().any(|one| one.as_slice() == name)
    }

    /// Whether a record of a name of the chain answers: an alias on the way, data at its end.
    fn is_answer(&self, found: &Found) -> bool {
        let at_end = self.owner(found).as_slice() == self.end();
        match found.rtype {
            rtype::CNAME => !at_end || matches!(self.told.qtype, rtype::CNAME | rtype::ANY),
            of if of == self.told.qtype || self.told.qtype == rtype::ANY => at_end,
            of => self.signed && SIGNED.contains(&of),
        }
    }

    /// Whether it is a DNAME above the chain, or its signature.
    fn is_dname(&self, found: &Found) -> bool {
        let covers = found.rtype == 46
            && self.message.get(found.data..found.data + 2) == Some(&DNAME.to_be_bytes());
        (found.rtype == DNAME || covers)
            && !self.in_chain(self.owner(found).as_slice())
            && self.is_above(found)
    }

    /// Whether a record speaks for a zone that a name of the chain can be in.
    fn is_above(&self, found: &Found) -> bool {
        let owner = self.owner(found);
        self.chain.iter().any(|name| is_within(name.as_slice(), owner.as_slice()))
    }

    fn is_authority(&self, found: &Found, denial: bool) -> bool {
        match found.rtype {
            rtype::SOA => denial && self.is_above(found),
            rtype::NS => self.is_above(found),
            of => self.signed && SIGNED.contains(&of),
        }
    }
}

#[cfg(test)]
mod tests;
