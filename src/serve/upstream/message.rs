//! As much of a message as forwarding has to look at: the header and the question (RFC 1035,
//! section 4.1).
#![forbid(unsafe_code)]

use std::io;

/// Octets of a header.
pub(super) const HEADER: usize = 12;

/// QR, in the third octet: a response.
const RESPONSE: u8 = 0x80;

/// The opcode, in the third octet.
const OPCODE: u8 = 0x78;

/// TC, in the third octet: cut to fit.
const TRUNCATED: u8 = 0x02;

/// Octets of the longest name (RFC 1035, section 3.1).
const LONGEST_NAME: usize = 255;

/// Octets of the longest label; a greater length octet is a pointer or nothing known.
const LONGEST_LABEL: u8 = 63;

/// The type NS and the class IN, as a question ends with them.
const NS_IN: [u8; 4] = [0, 2, 0, 1];

/// RD, in the third octet: recursion desired.
const RECURSION: u8 = 0x01;

/// What a reply has to repeat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// Nothing but the ID counts.
    any_reply: bool,
    id: u16,
    opcode: u8,
    name: &'a [u8],
    type_and_class: &'a [u8],
}

impl<'a> Question<'a> {
    /// Reads the one question of a query. `None` where it is no query with one question.
    pub(super) fn of(query: &'a [u8]) -> Option<Self> {
        let (&[id0, id1, flags, _, count0, count1, ..], body) =
            query.split_first_chunk::<HEADER>()?;
        if flags & RESPONSE != 0 || [count0, count1] != [0, 1] {
            return None;
        }
        let (name, rest) = body.split_at_checked(name_length(body)?)?;
        let type_and_class = rest.get(..4)?;
        let id = u16::from_be_bytes([id0, id1]);
        Some(Self { any_reply: false, id, opcode: flags & OPCODE, name, type_and_class })
    }

    /// The same, to which any response is a reply that has its ID: a refusal may have no question.
    pub(super) fn any_reply(self) -> Self {
        Self { any_reply: true, ..self }
    }

    /// The query's ID.
    pub(super) fn id(&self) -> u16 {
        self.id
    }

    /// Whether a message is the reply to this question under another ID (RFC 5452, section 9.1).
    pub(super) fn answered_by(&self, message: &[u8], id: u16) -> bool {
        let Some((&[id0, id1, flags, _, count0, count1, ..], body)) =
            message.split_first_chunk::<HEADER>()
        else {
            return false;
        };
        // Length octets are below the letters, so that comparing without case leaves them alone.
        let same_question = || {
            let (name, rest) = body.split_at_checked(self.name.len())?;
            let type_and_class = rest.get(..self.type_and_class.len())?;
            Some(name.eq_ignore_ascii_case(self.name) && type_and_class == self.type_and_class)
        };
        u16::from_be_bytes([id0, id1]) == id
            && flags & RESPONSE != 0
            && (self.any_reply
                || flags & OPCODE == self.opcode
                    && [count0, count1] == [0, 1]
                    && same_question().unwrap_or(false))
    }
}

/// Whether a message says that it was cut.
pub(super) fn truncated(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & TRUNCATED != 0)
}

/// The response code of a message, as far as its header has it.
pub(super) fn rcode(message: &[u8]) -> u16 {
    message.get(3).map_or(0, |flags| u16::from(flags & 0x0f))
}

/// Whether a message has no record in its answer section.
pub(super) fn is_bare(message: &[u8]) -> bool {
    message.get(6..8).is_none_or(|count| count == [0, 0])
}

/// A query for the name servers of a zone, for nobody but to have a reply.
pub(super) fn probe(zone: &[u8], recursion: bool) -> Vec<u8> {
    let flags = if recursion { RECURSION } else { 0 };
    [&[0, 0, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0], zone, &NS_IN].concat()
}

/// The query under an ID that nobody can guess.
pub(super) fn renumbered(query: &[u8]) -> io::Result<(u16, Vec<u8>)> {
    let [high, low, ..] = getrandom::u32().map_err(io::Error::other)?.to_ne_bytes();
    let id = u16::from_be_bytes([high, low]);
    let mut query = query.to_vec();
    set_id(&mut query, id);
    Ok((id, query))
}

/// Writes the ID of a message.
pub(super) fn set_id(message: &mut [u8], id: u16) {
    if let Some(first) = message.first_chunk_mut::<2>() {
        *first = id.to_be_bytes();
    }
}

/// Octets of the name at the start, its last zero with them.
fn name_length(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < LONGEST_NAME {
        let label = *octets.get(at)?;
        at += 1 + usize::from(label);
        match label {
            0 => return Some(at),
            1..=LONGEST_LABEL => {}
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03wWw\x04test\x00\x00\x01\x00\x01";

    fn changed(at: usize, to: u8) -> Vec<u8> {
        let mut message = QUERY.to_vec();
        message[2] |= RESPONSE;
        message[at] = to;
        message
    }

    #[test]
    fn a_reply_repeats_the_question() {
        let question = Question::of(QUERY).expect("a query");
        assert_eq!(question.id(), 0x1234);
        let cases: &[(&str, usize, u8, bool)] = &[
            ("unchanged", 0, 0x12, true),
            ("other case", 13, b'W', true),
            ("other ID", 1, 0x35, false),
            ("no response", 2, 0x01, false),
            ("other opcode", 2, 0xa1, false),
            ("two questions", 5, 2, false),
            ("no question", 5, 0, false),
            ("other label length", 12, 2, false),
            ("other name", 13, b'x', false),
            ("other type", 23, 28, false),
            ("other class", 25, 3, false),
        ];
        for &(name, at, to, expected) in cases {
            assert_eq!(question.answered_by(&changed(at, to), 0x1234), expected, "{name}");
        }
        for cut in 0..QUERY.len() {
            assert!(!question.answered_by(&changed(0, 0x12)[..cut], 0x1234), "cut at {cut}");
        }
    }

    #[test]
    fn only_whole_questions_are_queries() {
        for cut in 0..QUERY.len() {
            assert!(Question::of(&QUERY[..cut]).is_none(), "cut at {cut}");
        }
        assert!(Question::of(&changed(0, 0)).is_none(), "a response");
        let mut pointer = QUERY.to_vec();
        pointer[12] = 0xc0;
        assert!(Question::of(&pointer).is_none(), "a pointer");
        let endless = [&QUERY[..12], [1, b'a'].repeat(200).as_slice()].concat();
        assert!(Question::of(&endless).is_none(), "a name without end");
    }
}
