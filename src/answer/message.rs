//! Reads the records of a message, names expanded: of what an upstream says, and of what is written
//! here, for those who want it as text.

use super::query::HEADER;
use crate::name::{MAX_LABEL, MAX_NAME};

/// How many pointers one name may be cut into: more than there are labels in the longest name.
const POINTERS_MOST: usize = 128;

/// A message whose question has been read.
pub(super) struct Told<'m> {
    message: &'m [u8],
    pub(super) qtype: u16,
    records: usize,
    counts: [u16; 3],
}

impl<'m> Told<'m> {
    pub(super) fn read(message: &'m [u8]) -> Option<Self> {
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
            counts: [count(6), count(8), count(10)],
        })
    }

    /// The records of the answer (0), authority (1) or additional (2) section; `None` where one is
    /// cut off.
    pub(super) fn section(&self, section: usize) -> impl Iterator<Item = Option<Found>> {
        let counts = || self.counts.into_iter().map(usize::from);
        let (skip, take) = (counts().take(section).sum(), counts().nth(section).unwrap_or(0));
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
        Found::read(self.message, owner)
    }
}

impl Found {
    /// The record that begins at `owner`.
    pub(super) fn read(message: &[u8], owner: usize) -> Option<Self> {
        let at = Expanded::default().expand(message, owner)?;
        let fixed = message.get(at..)?.first_chunk::<10>()?;
        let data = at + 10;
        let end = data + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        message.get(data..end)?;
        Some(Self {
            owner,
            rtype: u16::from_be_bytes([fixed[0], fixed[1]]),
            class: u16::from_be_bytes([fixed[2], fixed[3]]),
            ttl: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            data,
            end,
        })
    }
}

/// One record of a message.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) owner: usize,
    pub(super) rtype: u16,
    pub(super) class: u16,
    pub(super) ttl: u32,
    pub(super) data: usize,
    pub(super) end: usize,
}

/// Of the types whose data may hold compressed names (RFC 3597, section 4): how many octets stand
/// in front of the names, and how many names there are.
pub(super) fn names_in(rtype: u16, data: &[u8]) -> Option<(usize, usize)> {
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

/// A name of a message without compression.
#[derive(Clone, Debug)]
pub struct Expanded {
    octets: [u8; MAX_NAME],
    len: usize,
}

impl Default for Expanded {
    fn default() -> Self {
        Self { octets: [0; MAX_NAME], len: 0 }
    }
}

impl Expanded {
    /// The name in wire form.
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&[])
    }

    /// Becomes another name: one in wire form, which is no longer than names can be.
    pub fn set(&mut self, name: &[u8]) {
        if let Some(room) = self.octets.get_mut(..name.len()) {
            room.copy_from_slice(name);
            self.len = name.len();
        }
    }

    /// Reads the name at `at`, in lower case, and returns where it ends in the message.
    pub(super) fn expand(&mut self, message: &[u8], at: usize) -> Option<usize> {
        let end = self.expand_as_written(message, at)?;
        self.octets.get_mut(..self.len)?.make_ascii_lowercase();
        Some(end)
    }

    /// The same in the case that it has there.
    pub(super) fn expand_as_written(&mut self, message: &[u8], mut at: usize) -> Option<usize> {
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
                return Some(end.unwrap_or(at + 1));
            }
            at += label.len();
        }
    }
}
