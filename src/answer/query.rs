//! Reads a datagram as a query (RFC 1035, section 4.1; RFC 6891, section 6.1).
//!
//! Runs on the query threads for whatever anybody sends: it looks at no octet twice, allocates
//! nothing, and cannot be made to panic.

use super::identity::NSID;
use crate::name::{MAX_LABEL, MAX_NAME};

/// Octets of a message's header.
pub(crate) const HEADER: usize = 12;
/// The most labels that a name of 255 octets can have, the root not counted.
const MAX_LABELS: usize = MAX_NAME / 2;
/// The type OPT.
pub(super) const OPT: u16 = 41;
/// Octets that a processor folds at once.
const WORD: usize = 32;
const _: () = assert!((MAX_NAME + 1).is_multiple_of(WORD), "a name's buffer ends with a word");

/// Response codes (RFC 1035, section 4.1.1; RFC 6895, section 2.3).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Rcode {
    /// `NOERROR`.
    #[default]
    NoError = 0,
    /// `FORMERR`.
    FormErr = 1,
    /// `SERVFAIL`.
    ServFail = 2,
    /// `NXDOMAIN`.
    NxDomain = 3,
    /// `NOTIMP`.
    NotImp = 4,
    /// `REFUSED`.
    Refused = 5,
    /// `YXDOMAIN`.
    YxDomain = 6,
    /// `YXRRSET`.
    YxRrset = 7,
    /// `NXRRSET`.
    NxRrset = 8,
    /// `NOTAUTH`.
    NotAuth = 9,
    /// `NOTZONE`.
    NotZone = 10,
    /// `BADVERS`, which needs an OPT record.
    BadVers = 16,
}

impl Rcode {
    /// The code of this number; `None` where none of them has it.
    pub fn of(number: u16) -> Option<Self> {
        const ALL: [Rcode; 12] = [
            Rcode::NoError,
            Rcode::FormErr,
            Rcode::ServFail,
            Rcode::NxDomain,
            Rcode::NotImp,
            Rcode::Refused,
            Rcode::YxDomain,
            Rcode::YxRrset,
            Rcode::NxRrset,
            Rcode::NotAuth,
            Rcode::NotZone,
            Rcode::BadVers,
        ];
        ALL.into_iter().find(|code| u16::from(*code as u8) == number)
    }
}

/// A response code by its name in the IANA registry, as far as it has one; 16 is BADVERS, since what
/// is not signed can be no BADSIG.
pub fn rcode_name(rcode: u8) -> Option<&'static str> {
    Some(match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        16 => "BADVERS",
        17 => "BADKEY",
        18 => "BADTIME",
        19 => "BADMODE",
        20 => "BADNAME",
        21 => "BADALG",
        22 => "BADTRUNC",
        23 => "BADCOOKIE",
        _ => return None,
    })
}

/// Why a datagram is not a query that could be answered from data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reject {
    /// Shorter than a header, or a response: not to be answered at all.
    Silence,
    /// To be answered with this code. Whether the question could be read, and so is echoed, the
    /// query says.
    Rcode(Rcode),
}

/// What an OPT record asks for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Edns {
    /// The largest response over UDP that the asker takes, in octets.
    pub payload: u16,
    /// The DO bit.
    pub dnssec_ok: bool,
    /// Who answers is asked for (RFC 5001).
    pub nsid: bool,
}

/// A query as it was read. Meant to be used again for the next one, since its buffers are large.
#[derive(Clone, Debug)]
pub struct Query {
    /// The first four octets of the message: ID and flags.
    pub(super) id: [u8; 2],
    pub(super) flags: [u8; 2],
    /// Where the question ends in the message; 12 where none could be read.
    pub(super) question_end: usize,
    /// The asked type.
    pub(super) qtype: u16,
    /// The asked class.
    pub(super) qclass: u16,
    /// The OPT record, if there is one.
    pub(super) edns: Option<Edns>,
    /// The asked name.
    pub(super) asked: Asked,
}

/// A name taken apart: lower case, wire form, with the places of its labels.
#[derive(Clone, Debug)]
pub struct Asked {
    name: [u8; MAX_NAME + 1],
    name_len: usize,
    /// Where each label begins in the name.
    starts: [u8; MAX_LABELS + 1],
    labels: usize,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            id: [0; 2],
            flags: [0; 2],
            question_end: HEADER,
            qtype: 0,
            qclass: 0,
            edns: None,
            asked: Asked::default(),
        }
    }
}

impl Default for Asked {
    /// The root.
    fn default() -> Self {
        Self { name: [0; MAX_NAME + 1], name_len: 1, starts: [0; MAX_LABELS + 1], labels: 0 }
    }
}

impl Query {
    /// A query whose question ends at `end`, for records to be written behind it.
    pub(super) fn standing_at(end: usize) -> Self {
        Self { question_end: end, ..Self::default() }
    }

    /// Makes a response to it begin without the question, as a later one of several does.
    pub(super) fn without_question(&mut self) {
        self.question_end = HEADER;
    }

    /// Reads `message`. Whatever it returns, what could be read stands in the query.
    pub fn read(&mut self, message: &[u8]) -> Result<(), Reject> {
        self.question_end = HEADER;
        self.edns = None;
        self.asked.clear();
        let Some(header) = message.first_chunk::<HEADER>() else { return Err(Reject::Silence) };
        self.id = [header[0], header[1]];
        self.flags = [header[2], header[3]];
        if header[2] & 0x80 != 0 {
            return Err(Reject::Silence);
        }
        let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let read = if count(4) == 1 {
            self.read_question(message)
                .and_then(|()| self.read_records(message, count(6), count(8), count(10)))
        } else {
            None
        };
        // An unknown opcode is judged before the form of what it came with.
        if header[2] & 0x78 != 0 {
            return Err(Reject::Rcode(Rcode::NotImp));
        }
        read.unwrap_or(Err(Reject::Rcode(Rcode::FormErr)))
    }

    fn read_question(&mut self, message: &[u8]) -> Option<()> {
        let at = HEADER + self.asked.read(message.get(HEADER..)?)?;
        let rest = message.get(at..)?.first_chunk::<4>()?;
        self.qtype = u16::from_be_bytes([rest[0], rest[1]]);
        self.qclass = u16::from_be_bytes([rest[2], rest[3]]);
        self.question_end = at + 4;
        Some(())
    }

    /// Walks what stands behind the question for the OPT record. `None` is a malformed message.
    fn read_records(
        &mut self,
        message: &[u8],
        answers: u16,
        authorities: u16,
        additionals: u16,
    ) -> Option<Result<(), Reject>> {
        let mut version = 0;
        let mut at = self.question_end;
        let others = u32::from(answers) + u32::from(authorities);
        for index in 0..others + u32::from(additionals) {
            let root = message.get(at) == Some(&0);
            at = skip_name(message, at)?;
            let fixed = message.get(at..)?.first_chunk::<10>()?;
            let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
            let data = message.get(at + 10..at + 10 + length)?;
            at += 10 + length;
            if u16::from_be_bytes([fixed[0], fixed[1]]) != OPT {
                continue;
            }
            if !root || self.edns.is_some() || index < others {
                self.edns = None;
                return None;
            }
            let nsid = read_options(data)?;
            version = fixed[5];
            self.edns = Some(Edns {
                payload: u16::from_be_bytes([fixed[2], fixed[3]]),
                dnssec_ok: fixed[6] & 0x80 != 0,
                nsid,
            });
        }
        if version > 0 {
            return Some(Err(Reject::Rcode(Rcode::BadVers)));
        }
        Some(Ok(()))
    }

    /// The asked name.
    #[inline]
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// The asked type; without meaning where no question could be read.
    pub fn qtype(&self) -> u16 {
        self.qtype
    }

    /// Where the question ends in the message.
    pub(crate) fn question_end(&self) -> usize {
        self.question_end
    }

    /// The asked class; without meaning where no question could be read.
    pub fn qclass(&self) -> u16 {
        self.qclass
    }

    /// The asked type, if a question could be read.
    #[inline]
    pub fn asked_type(&self) -> Option<u16> {
        (self.question_end > HEADER).then_some(self.qtype)
    }

    /// The message's ID.
    pub fn id(&self) -> u16 {
        u16::from_be_bytes(self.id)
    }

    /// The message's opcode (RFC 1035, section 4.1.1).
    pub fn opcode(&self) -> u8 {
        self.flags[0] >> 3 & 0x0f
    }

    /// What the OPT record asks for, if there is one.
    pub fn edns(&self) -> Option<Edns> {
        self.edns
    }

    /// Whether the asker set the DO bit (RFC 3225).
    #[inline]
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// Whether the asker does not want signatures to be checked for it, the CD bit (RFC 4035,
    /// section 3.2.2).
    #[inline]
    pub(crate) fn checking_disabled(&self) -> bool {
        self.flags[1] & 0x10 != 0
    }

    /// Whether the asker wants to know if an answer is authenticated: by the AD bit (RFC 6840,
    /// section 5.7) or by DO.
    pub(super) fn wants_authenticated(&self) -> bool {
        self.flags[1] & 0x20 != 0 || self.dnssec_ok()
    }

    /// Whether the asker wants recursion.
    pub(crate) fn recursion_desired(&self) -> bool {
        self.flags[0] & 1 != 0
    }
}

impl Asked {
    /// Makes it the root, so that nothing of an earlier query shapes the answer to this one.
    fn clear(&mut self) {
        self.name[0] = 0;
        self.name_len = 1;
        self.labels = 0;
    }

    /// Takes apart the name at the beginning of `octets` and returns its length. `None` where no
    /// whole, uncompressed name stands there; then nothing has changed that matters.
    pub(super) fn read(&mut self, octets: &[u8]) -> Option<usize> {
        let mut at = 0;
        let mut labels = 0;
        loop {
            let len = *octets.get(at)?;
            if len == 0 {
                break;
            }
            // A compressed name in a question could only point into the header.
            if usize::from(len) > MAX_LABEL || at + usize::from(len) + 2 > MAX_NAME {
                return None;
            }
            *self.starts.get_mut(labels)? = u8::try_from(at).ok()?;
            labels += 1;
            at += 1 + usize::from(len);
        }
        let wire = octets.get(..=at)?;
        self.name.get_mut(..wire.len())?.copy_from_slice(wire);
        // Lengths are below 64, so folding the case of every octet leaves them alone. What stands
        // behind the name is folded too, to no effect: whole words are folded faster than a rest.
        let whole = wire.len().next_multiple_of(WORD);
        self.name.get_mut(..whole)?.make_ascii_lowercase();
        self.name_len = wire.len();
        self.labels = labels;
        Some(wire.len())
    }

    /// The name in lower case, wire form.
    #[inline]
    pub fn name(&self) -> &[u8] {
        self.name.get(..self.name_len).unwrap_or(&[0])
    }

    /// How many labels the name has, the root not counted.
    #[inline]
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// Where the label `index`, counted from the left, begins; the root's place for the one behind
    /// the last.
    #[inline]
    pub(super) fn start(&self, index: usize) -> usize {
        if index < self.labels {
            self.starts.get(index).map_or(0, |start| usize::from(*start))
        } else {
            self.name_len - 1
        }
    }

    /// The labels from `from` up to but not including `to`, in wire form.
    #[inline]
    pub(super) fn slice(&self, from: usize, to: usize) -> &[u8] {
        self.name.get(self.start(from)..self.start(to)).unwrap_or(&[])
    }

    /// One label without its length.
    #[inline]
    pub(super) fn label(&self, index: usize) -> &[u8] {
        self.slice(index, index + 1).get(1..).unwrap_or(&[])
    }
}

/// Where a name that begins at `at` ends. Pointers are not followed.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let len = *message.get(at)?;
        match len {
            0 => return Some(at + 1),
            1..=63 => at += 1 + usize::from(len),
            192..=255 => return message.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

/// Walks an OPT record's data, and says whether NSID is among the options. `None` where they are
/// not whole.
fn read_options(mut data: &[u8]) -> Option<bool> {
    let mut nsid = false;
    while !data.is_empty() {
        let (head, rest) = data.split_first_chunk::<4>()?;
        nsid |= u16::from_be_bytes([head[0], head[1]]) == NSID;
        data = rest.get(usize::from(u16::from_be_bytes([head[2], head[3]]))..)?;
    }
    Some(nsid)
}
