//! The addresses of a kept answer, which come in another order each time.

use super::super::message::Found;
use super::super::reply::turn;
use super::super::write::rtype;

/// Records of equal length that stand side by side, all A or all AAAA of one name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Addresses {
    /// Where the first begins among the records.
    begin: usize,
    /// Octets of each.
    len: usize,
    count: usize,
}

impl Addresses {
    /// Finds them among the first `answers` records of a message, which begin at `begin`.
    pub(super) fn find(message: &[u8], begin: usize, answers: u16) -> Self {
        let mut set = Self::default();
        let mut at = begin;
        let mut first: &[u8] = &[];
        for _ in 0..answers {
            let Some(found) = Found::read(message, at) else { break };
            // Owner, type and class; the TTL and the length of the data stand between.
            let head = message.get(at..found.data - 6).unwrap_or(&[]);
            let is_address = matches!(found.rtype, rtype::A | rtype::AAAA);
            if set.count > 0 && head == first && found.end - at == set.len {
                set.count += 1;
            } else if set.count > 1 {
                break;
            } else if is_address {
                (first, set) = (head, Self { begin: at - begin, len: found.end - at, count: 1 });
            }
            at = found.end;
        }
        set
    }

    /// The records in the order of this turn, in pieces.
    #[inline]
    pub(super) fn turned<'r>(&self, records: &'r [u8], rotation: u32) -> [&'r [u8]; 4] {
        if self.count < 2 {
            return [records, &[], &[], &[]];
        }
        let split = |octets: &'r [u8], at: usize| octets.split_at(at.min(octets.len()));
        let (front, rest) = split(records, self.begin);
        let (set, back) = split(rest, self.len * self.count);
        let (later, sooner) = split(set, turn(rotation, self.count) * self.len);
        [front, sooner, later, back]
    }
}
