//! A query with its answer, as far as lines tell of it: copied when it is answered, so that nothing
//! of the query thread's is needed later.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use smallvec::SmallVec;

use super::format::Format;
use crate::answer::{Cause, Edns, Query};
use crate::serve::Client;

/// Most names are shorter, in octets; longer ones are kept on the heap.
const NAME_INLINE: usize = 96;

/// A response on its way out, as far as it is logged.
#[derive(Clone, Copy, Debug)]
pub(in crate::front) struct Answer<'a> {
    /// The response; its header alone may do.
    pub(in crate::front) response: &'a [u8],
    /// Octets of the whole of it.
    pub(in crate::front) octets: usize,
    pub(in crate::front) rcode: u8,
    /// Absent where an upstream said it.
    pub(in crate::front) cause: Option<Cause>,
}

/// What a line can tell.
#[derive(Debug)]
pub(in crate::front) struct Entry {
    pub(super) format: Arc<Format>,
    pub(super) client: Client,
    pub(super) id: u16,
    pub(super) opcode: u8,
    pub(super) qtype: u16,
    pub(super) qclass: u16,
    /// In lower case, wire form.
    pub(super) name: SmallVec<[u8; NAME_INLINE]>,
    /// Octets of the query.
    pub(super) size: usize,
    pub(super) edns: Option<Edns>,
    pub(super) said: Option<Said>,
    /// When it was answered.
    pub(super) at: SystemTime,
    pub(super) took: Duration,
}

/// What a line can tell of a response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) rcode: u8,
    /// The third and fourth octet of the header.
    pub(super) flags: [u8; 2],
    pub(super) size: usize,
    pub(super) cause: Option<Cause>,
}

impl Entry {
    pub(super) fn new(
        format: &Arc<Format>,
        message: &[u8],
        query: &Query,
        client: Client,
        answer: Option<&Answer<'_>>,
    ) -> Self {
        let said = answer.map(|answer| Said {
            rcode: answer.rcode,
            flags: answer.response.get(2..4).and_then(<[u8]>::first_chunk).map_or([0; 2], |f| *f),
            size: answer.octets,
            cause: answer.cause,
        });
        Self {
            format: Arc::clone(format),
            client,
            id: query.id(),
            opcode: query.opcode(),
            qtype: query.qtype(),
            qclass: query.qclass(),
            name: SmallVec::from_slice(query.asked().name()),
            size: message.len(),
            edns: query.edns(),
            said,
            at: SystemTime::UNIX_EPOCH,
            took: Duration::ZERO,
        }
    }

    /// Says when it was answered and how long that took.
    pub(in crate::front) fn settle(&mut self, at: SystemTime, took: Duration) {
        self.at = at;
        self.took = took;
    }
}
