//! Writes a response: header, the question as it came, records, OPT.
//!
//! Only whole records are written. A record that does not fit sets TC, unless it is an additional
//! one (RFC 2181, section 9); room for the OPT record is kept from the start.

use super::Settings;
use super::ede::ExtendedErrors;
use super::query::{Edns, HEADER, Query, Rcode};
use crate::zone::record::QNAME_POINTER;
use crate::zone::{SOA_LEN, SOA_POINTERS};

/// How many places of names are remembered to compress later names against. Enough for a long
/// alias chain; beyond, names are merely written longer.
const PLACES: usize = 48;
/// The largest offset that a compression pointer can say (RFC 1035, section 4.1.4).
const POINTER_MOST: usize = 0x3fff;
/// Octets of an OPT record without options.
pub(super) const OPT_LEN: usize = 11;

/// Octets in front of an option's data (RFC 6891, section 6.1.2).
const OPTION_HEAD: usize = 4;

/// A section of a message behind the question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Section {
    /// What was asked for.
    Answer = 0,
    /// Who says so.
    Authority = 1,
    /// What helps beside it.
    Additional = 2,
}

/// There was no room for a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full;

/// A response under construction.
pub(super) struct Reply<'o> {
    out: &'o mut [u8],
    at: usize,
    /// Where the answer section ends, once another one has begun.
    answers_end: usize,
    /// What may be filled with records: the limit less the OPT record's room.
    end: usize,
    counts: [u16; 3],
    section: Section,
    pub(super) truncated: bool,
    /// No additional records are wanted.
    pub(super) answers_only: bool,
    places: [u16; PLACES],
    placed: usize,
}

impl<'o> Reply<'o> {
    /// Begins a response to `query` in `out`, of at most `limit` octets.
    #[inline]
    pub(super) fn new(out: &'o mut [u8], message: &[u8], query: &Query, limit: usize) -> Self {
        let limit = limit.min(out.len());
        let end = limit.saturating_sub(if query.edns.is_some() { OPT_LEN } else { 0 });
        let mut at = HEADER.min(end);
        let question = message.get(HEADER..query.question_end).unwrap_or(&[]);
        if let Some(room) = out.get_mut(HEADER..HEADER + question.len()) {
            room.copy_from_slice(question);
            at = HEADER + question.len();
        }
        Self {
            out,
            at,
            answers_end: at,
            end,
            counts: [0; 3],
            section: Section::Answer,
            truncated: false,
            answers_only: false,
            places: [0; PLACES],
            placed: 0,
        }
    }

    /// Goes on to a later section.
    pub(super) fn section(&mut self, section: Section) {
        if self.section == Section::Answer {
            self.answers_end = self.at;
        }
        self.section = section;
    }

    /// Takes back what stands behind the answer section.
    pub(super) fn drop_additional(&mut self) {
        if self.section != Section::Answer {
            self.at = self.answers_end;
            self.counts = [self.counts[0], 0, 0];
            self.section = Section::Answer;
        }
    }

    /// How many octets are written.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// How many records the answer section has.
    pub(super) fn answers(&self) -> u16 {
        self.counts[0]
    }

    /// Whether it says who denies: nothing else puts records into the authority section.
    pub(super) fn denies(&self) -> bool {
        self.counts[1] > 0
    }

    /// Writes the header and the OPT record and returns the response's length.
    #[inline]
    pub(super) fn finish(
        mut self,
        query: &Query,
        rcode: Rcode,
        authoritative: bool,
        settings: &Settings,
        errors: Option<&ExtendedErrors>,
    ) -> usize {
        let rcode = rcode as u8;
        let mut additionals = self.counts[2];
        if let Some(Edns { dnssec_ok, nsid, .. }) = query.edns {
            let [high, low] = settings.payload.to_be_bytes();
            let flags = if dnssec_ok { 0x80 } else { 0 };
            // Options take only the room that records have left, who answers first.
            let mut left = self.end.saturating_sub(self.at);
            let nsid = settings.identity.identifier().filter(|_| nsid);
            let nsid = nsid.filter(|octets| OPTION_HEAD + octets.len() <= left).unwrap_or(&[]);
            left -= if nsid.is_empty() { 0 } else { OPTION_HEAD + nsid.len() };
            let errors = errors.map_or(&[][..], |errors| errors.within(left));
            let [n0, n1] = u16::try_from(nsid.len()).unwrap_or(0).to_be_bytes();
            let head = [0, 3, n0, n1];
            let head = if nsid.is_empty() { &[][..] } else { &head };
            let len = head.len() + nsid.len() + errors.len();
            let [l0, l1] = u16::try_from(len).unwrap_or(0).to_be_bytes();
            self.end = self.out.len();
            let opt = [0, 0, 41, high, low, rcode >> 4, 0, flags, 0, l0, l1];
            let parts = [&opt[..], head, nsid, errors];
            if parts.into_iter().try_for_each(|part| self.raw(part)).is_ok() {
                additionals = additionals.saturating_add(1);
            }
        }
        // QR, the opcode and RD as they came, AA; RA, CD as it came, the response code.
        let aa = if authoritative { 0x04 } else { 0 };
        let ra = if settings.recursion { 0x80 } else { 0 };
        let first = 0x80 | (query.flags[0] & 0x79) | aa;
        let second = ra | (query.flags[1] & 0x10) | (rcode & 0x0f);
        self.header(query, [first, second], additionals)
    }

    /// Finishes with the flags of another response to the same asker, with its OPT record where the
    /// asker has one, and with this response code.
    pub(super) fn finish_as(
        mut self,
        query: &Query,
        [first, second]: [u8; 2],
        rcode: u16,
        opt: Option<&[u8]>,
    ) -> usize {
        let [high, low] = (rcode << 4).to_be_bytes();
        let mut additionals = self.counts[2];
        if let Some(opt) = opt.filter(|_| query.edns.is_some())
            && let Some((&[root, t0, t1, p0, p1, _, version, f0, f1, l0, l1], options)) =
                opt.split_first_chunk::<OPT_LEN>()
        {
            // Options take only the room that records have left.
            let fits = options.len() <= self.end.saturating_sub(self.at);
            let ([l0, l1], options) = if fits { ([l0, l1], options) } else { ([0, 0], &[][..]) };
            let opt = [root, t0, t1, p0, p1, high, version, f0, f1, l0, l1];
            self.end = self.out.len();
            if self.raw(&opt).and_then(|()| self.raw(options)).is_ok() {
                additionals = additionals.saturating_add(1);
            }
        }
        self.header(query, [first, (second & 0xf0) | (low >> 4)], additionals)
    }

    /// Writes the header, with TC where something is left out, and returns the response's length.
    #[inline]
    fn header(self, query: &Query, [first, second]: [u8; 2], additionals: u16) -> usize {
        let questions = u16::from(query.question_end > HEADER).to_be_bytes();
        let [an, ns, _] = self.counts.map(u16::to_be_bytes);
        let ar = additionals.to_be_bytes();
        let tc = if self.truncated { 0x02 } else { 0 };
        let header = [
            query.id[0],
            query.id[1],
            first | tc,
            second,
            questions[0],
            questions[1],
            an[0],
            an[1],
            ns[0],
            ns[1],
            ar[0],
            ar[1],
        ];
        match self.out.first_chunk_mut::<HEADER>() {
            Some(room) => {
                *room = header;
                self.at
            }
            None => 0,
        }
    }

    /// Writes a query for `name` in place of the response, of the type, with the EDNS and the CD
    /// bit of `query`, and returns its length. The ID is for the sender to choose.
    pub(super) fn into_question(self, query: &Query, name: &[u8], settings: &Settings) -> usize {
        let [t0, t1] = query.qtype.to_be_bytes();
        let edns = query.edns.map(|edns| {
            let [p0, p1] = settings.payload.to_be_bytes();
            [0, 0, 41, p0, p1, 0, 0, if edns.dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]
        });
        let additionals = u8::from(edns.is_some());
        let header = [0, 0, 1, query.flags[1] & 0x10, 0, 1, 0, 0, 0, 0, 0, additionals];
        let opt = edns.as_ref().map_or(&[][..], |edns| edns);
        let mut at = 0;
        for part in [&header[..], name, &[t0, t1, 0, 1], opt] {
            if let Some(room) = self.out.get_mut(at..at + part.len()) {
                room.copy_from_slice(part);
                at += part.len();
            }
        }
        at
    }

    /// Takes back everything behind the question.
    pub(super) fn clear(&mut self, query: &Query) {
        self.at = query.question_end.min(self.end);
        self.counts = [0; 3];
        self.section = Section::Answer;
        self.placed = 0;
        self.truncated = false;
    }

    /// Writes wire-ready records of `len` octets each that begin with a pointer to the question's
    /// name, beginning with the one that [`turn`] says, as many as fit. With another `owner` their
    /// pointer is replaced.
    #[inline]
    pub(super) fn records(&mut self, set: &[u8], len: usize, rotation: u32, owner: u16) {
        let count = set.len() / len;
        if count == 0 {
            return;
        }
        let start = if count == 1 { 0 } else { turn(rotation, count) * len };
        let (front, back) = set.split_at(start.min(set.len()));
        let from = self.at;
        let written = self.whole(back, len) + self.whole(front, len);
        self.count(written, count);
        if owner != QNAME_POINTER {
            let owner = owner.to_be_bytes();
            for record in self.out.get_mut(from..self.at).unwrap_or(&mut []).chunks_mut(len) {
                if let Some(pointer) = record.first_chunk_mut::<2>() {
                    *pointer = owner;
                }
            }
        }
    }

    /// Writes an SOA record that is ready but for its pointers to the zone.
    #[inline]
    pub(super) fn soa(&mut self, record: &[u8; SOA_LEN], zone: u16) {
        let mut record = *record;
        for at in SOA_POINTERS {
            if let Some(pointer) = record.get_mut(at..at + 2) {
                pointer.copy_from_slice(&zone.to_be_bytes());
            }
        }
        let written = usize::from(self.raw(&record).is_ok());
        self.count(written, 1);
    }

    /// Copies as many whole records as fit and returns how many.
    #[inline]
    fn whole(&mut self, set: &[u8], len: usize) -> usize {
        let fit = self.end.saturating_sub(self.at) / len * len;
        let take = fit.min(set.len());
        if let (Some(room), Some(set)) =
            (self.out.get_mut(self.at..self.at + take), set.get(..take))
        {
            room.copy_from_slice(set);
            self.at += take;
        }
        take / len
    }

    #[inline]
    fn count(&mut self, written: usize, wanted: usize) {
        let count = &mut self.counts[self.section as usize];
        // A message has no room for more than 65,535 records.
        *count = count.saturating_add(u16::try_from(written).unwrap_or(u16::MAX));
        if written < wanted && self.section != Section::Additional {
            self.truncated = true;
        }
    }

    /// Writes one record by parts; if one of them finds no room, all is taken back.
    pub(super) fn record(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), Full>,
    ) -> Result<(), Full> {
        // Additional records are what is dropped first: none beside an answer that is cut.
        if (self.truncated || self.answers_only) && self.section == Section::Additional {
            return Err(Full);
        }
        let (at, placed) = (self.at, self.placed);
        let result = write(self);
        if result.is_err() {
            (self.at, self.placed) = (at, placed);
        }
        self.count(usize::from(result.is_ok()), 1);
        result
    }

    /// Writes one record of class IN.
    pub(super) fn typed(
        &mut self,
        owner: Owner<'_>,
        rtype: u16,
        ttl: u32,
        data: impl FnOnce(&mut Self) -> Result<(), Full>,
    ) -> Result<(), Full> {
        self.record(|reply| {
            match owner {
                Owner::Pointer(pointer) => reply.raw(&pointer.to_be_bytes())?,
                Owner::Name(name) => {
                    reply.name(name)?;
                }
            }
            let [t0, t1] = rtype.to_be_bytes();
            let [l0, l1, l2, l3] = ttl.to_be_bytes();
            reply.raw(&[t0, t1, 0, 1, l0, l1, l2, l3, 0, 0])?;
            reply.measured(data)
        })
    }

    /// Writes data behind two octets that are there for their length.
    #[inline]
    pub(super) fn measured(
        &mut self,
        data: impl FnOnce(&mut Self) -> Result<(), Full>,
    ) -> Result<(), Full> {
        let start = self.at;
        data(self)?;
        let len = u16::try_from(self.at - start).map_err(|_| Full)?.to_be_bytes();
        let room = self.out.get_mut(start - 2..start).ok_or(Full)?;
        room.copy_from_slice(&len);
        Ok(())
    }

    /// Writes octets as they are.
    #[inline]
    pub(super) fn raw(&mut self, octets: &[u8]) -> Result<(), Full> {
        let end = self.at + octets.len();
        if end > self.end {
            return Err(Full);
        }
        self.out.get_mut(self.at..end).ok_or(Full)?.copy_from_slice(octets);
        self.at = end;
        Ok(())
    }

    /// Writes the records of all sections, so many of each, as they stood behind the same question.
    #[inline]
    pub(super) fn repeat(&mut self, parts: [&[u8]; 4], counts: [u16; 3]) -> Result<(), Full> {
        if parts.iter().map(|part| part.len()).sum::<usize>() > self.room() {
            return Err(Full);
        }
        parts.into_iter().try_for_each(|part| self.raw(part))?;
        self.counts = counts;
        Ok(())
    }

    /// How many octets of records fit.
    pub(super) fn room(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// What is written behind the question, and how many records of each section it is.
    pub(super) fn written(&self, question_end: usize) -> (&[u8], [u16; 3]) {
        (self.out.get(question_end..self.at).unwrap_or(&[]), self.counts)
    }

    /// Remembers a name that stands at `at` in the message, for later names to be compressed
    /// against, together with all that it is within and that does not stand elsewhere yet: the
    /// places are few, and the targets of an SRV set differ in their first labels only.
    pub(super) fn remember(&mut self, at: usize) {
        if self.placed == 0 && at != HEADER {
            self.remember(HEADER);
        }
        let mut at = at;
        while let Some(&len) = self.out.get(at).filter(|len| (1..64).contains(*len)) {
            let Ok(here) = u16::try_from(at) else { return };
            if at > POINTER_MOST || self.stands_before(at) {
                return;
            }
            if let Some(place) = self.places.get_mut(self.placed) {
                *place = here;
                self.placed += 1;
            }
            at += 1 + usize::from(len);
        }
    }

    /// Writes a name, its end replaced by a pointer to the longest part that already stands in the
    /// message, and returns where it stands: where it is written, or where it stood before.
    pub(super) fn name(&mut self, name: &[u8]) -> Result<usize, Full> {
        let start = self.at;
        let mut stands = start;
        let mut rest = name;
        if self.placed == 0 {
            self.remember(HEADER);
        }
        loop {
            match rest.first() {
                None | Some(0) => {
                    self.raw(&[0])?;
                    break;
                }
                Some(&len) => {
                    let known = self.places.get(..self.placed).unwrap_or(&[]);
                    if let Some(place) = known.iter().find(|place| self.stands_at(**place, rest)) {
                        if self.at == start {
                            stands = usize::from(*place);
                        }
                        let pointer = 0xc000 | *place;
                        self.raw(&pointer.to_be_bytes())?;
                        break;
                    }
                    let (label, behind) =
                        rest.split_at_checked(1 + usize::from(len)).ok_or(Full)?;
                    self.raw(label)?;
                    rest = behind;
                }
            }
        }
        self.remember(start);
        Ok(stands)
    }

    /// Whether the name at `at` stands at a place that is remembered.
    fn stands_before(&self, at: usize) -> bool {
        let name = self.out.get(at..self.at).unwrap_or(&[]);
        let known = self.places.get(..self.placed).unwrap_or(&[]);
        known.iter().any(|place| self.stands_at(*place, name))
    }

    /// Whether the message has `name`, whatever the case, at this place.
    fn stands_at(&self, place: u16, name: &[u8]) -> bool {
        let mut at = usize::from(place);
        let mut rest = name;
        // Each step takes a label of the name or follows a pointer backwards.
        loop {
            let Some(&len) = self.out.get(at).filter(|_| at < self.at) else { return false };
            if len >= 0xc0 {
                let Some(&low) = self.out.get(at + 1) else { return false };
                let target = usize::from(len & 0x3f) << 8 | usize::from(low);
                if target >= at {
                    return false;
                }
                at = target;
                continue;
            }
            let Some(&wanted) = rest.first() else { return false };
            if len != wanted {
                return false;
            }
            if len == 0 {
                return true;
            }
            let end = 1 + usize::from(len);
            match (self.out.get(at..at + end), rest.split_at_checked(end)) {
                (Some(found), Some((label, behind))) if found.eq_ignore_ascii_case(label) => {
                    at += end;
                    rest = behind;
                }
                _ => return false,
            }
        }
    }

    /// A pointer to a place, if one can say it.
    pub(super) fn pointer(at: usize) -> Option<u16> {
        u16::try_from(at).ok().filter(|at| usize::from(*at) <= POINTER_MOST).map(|at| 0xc000 | at)
    }
}

/// Which of `count` records comes first.
///
/// A multiple of the golden ratio, scaled: numbers one apart, and numbers any step apart, lead to
/// every record in turn. A remainder would not, since a client that asks for A and AAAA in pairs
/// gets every second number for each of them.
#[inline]
pub(super) fn turn(rotation: u32, count: usize) -> usize {
    const GOLDEN: u32 = 0x9e37_79b9;
    let spread = u64::from(rotation.wrapping_mul(GOLDEN));
    // No set is as large as 2^32, so this does not overflow.
    let scaled = spread.wrapping_mul(count as u64) >> 32;
    usize::try_from(scaled).unwrap_or(0)
}

/// Whose record it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner<'a> {
    /// The name at the place that this pointer says.
    Pointer(u16),
    /// This name, in wire form.
    Name(&'a [u8]),
}
