//! Extended DNS errors (RFC 8914): why an answer is what it is, for whoever asks with EDNS.
//!
//! A response has one for doubt about the data that it comes from, if there is any, and one for its
//! cause. [`write_cause`] puts the second into words.

mod text;

use std::fmt::{self, Write};

use super::cause::{Cause, Failure, KeptAs, NoTransfer};
use super::kept::Kept;
use super::message::Told;
use super::query::{OPT, Query, Rcode};
use crate::zone::View;
pub use text::write_cause;

/// The longest text, in octets: a sentence, and never the reason that records do not fit.
const TEXT_MOST: usize = 120;
/// What stands at the end of a longer one.
const CUT: &[u8] = b"...";
/// Extended errors of one response: doubt and cause.
const ERRORS_MOST: usize = 2;
/// The option's number.
const OPTION: u16 = 15;
/// Octets in front of a text: the option's number and length, the info code.
const OPTION_HEAD: usize = 6;
/// Octets of an option.
const OPTION_MOST: usize = OPTION_HEAD + TEXT_MOST;

/// Info codes (RFC 8914, section 4).
mod code {
    use super::{Cause, Failure, KeptAs, NoTransfer, Rcode};
    use crate::answer::write::rtype;

    pub(super) const OTHER: u16 = 0;
    const STALE_ANSWER: u16 = 3;
    const CACHED_ERROR: u16 = 13;
    const NOT_READY: u16 = 14;
    const BLOCKED: u16 = 15;
    const FILTERED: u16 = 17;
    const PROHIBITED: u16 = 18;
    const STALE_NXDOMAIN: u16 = 19;
    const NOT_AUTHORITATIVE: u16 = 20;
    const NOT_SUPPORTED: u16 = 21;
    const NO_REACHABLE_AUTHORITY: u16 = 22;
    const NETWORK_ERROR: u16 = 23;

    /// The code that goes with a cause; `None` where there is nothing to say.
    pub(super) fn of(cause: Cause, qtype: u16, rcode: Rcode) -> Option<u16> {
        Some(match cause {
            Cause::Plain if qtype == rtype::ANY => OTHER,
            Cause::Malformed if rcode == Rcode::NotImp => NOT_SUPPORTED,
            Cause::Plain
            | Cause::Identity
            | Cause::Hosts
            | Cause::Template
            | Cause::Transfer
            | Cause::Malformed
            | Cause::Kept(KeptAs::New) => return None,
            Cause::Kept(KeptAs::Stale) => stale(rcode),
            Cause::Kept(KeptAs::Fresh) => CACHED_ERROR,
            Cause::Waiting(_) => NOT_READY,
            Cause::Blocked => BLOCKED,
            Cause::Filtered => FILTERED,
            Cause::NotOurs => NOT_AUTHORITATIVE,
            Cause::NotServed => NOT_SUPPORTED,
            Cause::NoTransfer(NoTransfer::Unlisted | NoTransfer::Stranger) => PROHIBITED,
            Cause::NoTransfer(NoTransfer::NotAZone | NoTransfer::Datagram) => NOT_SUPPORTED,
            Cause::NoTransfer(NoTransfer::NoSerial | NoTransfer::TooMany) => OTHER,
            Cause::Upstream(Failure::Unreachable | Failure::Nobody) => NO_REACHABLE_AUTHORITY,
            Cause::Upstream(Failure::Unusable) => NETWORK_ERROR,
            Cause::NoData
            | Cause::NoSuchName
            | Cause::NoNamespace
            | Cause::NoService
            | Cause::NoEndpointLabel
            | Cause::NoPort
            | Cause::NoneReady { .. }
            | Cause::BelowAlias
            | Cause::UnusableAlias(_)
            | Cause::PodsDisabled
            | Cause::NoPod
            | Cause::NoAddress
            | Cause::Chosen(_)
            | Cause::AnnotationIgnored
            | Cause::BareAlias
            | Cause::TargetMissing
            | Cause::AliasLoop
            | Cause::AliasChain
            | Cause::BadRewrite
            | Cause::Upstream(Failure::TooMany | Failure::TooManyOfClient) => OTHER,
        })
    }

    /// That an answer with this response code may be out of date.
    pub(super) fn stale(rcode: Rcode) -> u16 {
        match rcode {
            Rcode::NxDomain => STALE_NXDOMAIN,
            _ => STALE_ANSWER,
        }
    }

    /// Whether it says so.
    pub(super) fn is_stale(code: u16) -> bool {
        matches!(code, STALE_ANSWER | STALE_NXDOMAIN)
    }
}

/// Whether a message says, by an extended error, that it may be out of date.
pub(super) fn says_stale(message: &[u8]) -> bool {
    errors_in(message).any(|(code, _)| code::is_stale(code))
}

/// The extended errors of a message with a question: codes and texts.
pub(super) fn errors_in(message: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let opt = Told::read(message)
        .and_then(|told| told.section(2).flatten().find(|found| found.rtype == OPT));
    let mut options = opt.and_then(|opt| message.get(opt.data..opt.end)).unwrap_or(&[]);
    let all = std::iter::from_fn(move || {
        let (&[o0, o1, l0, l1], rest) = options.split_first_chunk::<4>()?;
        let (data, behind) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        options = behind;
        Some((u16::from_be_bytes([o0, o1]), data))
    });
    all.filter(|(option, _)| *option == OPTION).filter_map(|(_, data)| {
        let (code, text) = data.split_first_chunk()?;
        Some((u16::from_be_bytes(*code), text))
    })
}

/// The extended errors of one response, on the stack: options of an OPT record, one behind the other.
pub(super) struct ExtendedErrors {
    options: [u8; ERRORS_MOST * OPTION_MOST],
    len: usize,
}

impl ExtendedErrors {
    /// What there is to say about the answer to this query; `view` is what it comes from, if it comes
    /// from any.
    pub(super) fn of(
        view: Option<&View>,
        query: &Query,
        rcode: Rcode,
        cause: Cause,
    ) -> Option<Self> {
        let waits = matches!(cause, Cause::Waiting(_));
        let doubt = view.and_then(View::doubt).filter(|_| !waits);
        let code = code::of(cause, query.qtype, rcode);
        if code.is_none() && doubt.is_none() {
            return None;
        }
        let mut errors = Self::none();
        if let Some(doubt) = doubt {
            errors.add(code::stale(rcode), |text| text.write_str(doubt));
        }
        if let Some(code) = code {
            errors.add(code, |out| write_cause(view, &query.asked, query.qtype, cause, out));
        }
        Some(errors)
    }

    /// What there is to say about an answer that an upstream has given before.
    pub(super) fn of_kept(kept: &Kept, query: &Query, as_what: KeptAs) -> Option<Self> {
        let cause = match as_what {
            KeptAs::Stale => Cause::Kept(as_what),
            _ if kept.is_silence() => Cause::Upstream(Failure::Unreachable),
            KeptAs::Fresh if kept.rcode() == Rcode::ServFail => Cause::Kept(as_what),
            KeptAs::New | KeptAs::Fresh => return None,
        };
        Self::of(None, query, kept.rcode(), cause)
    }

    /// What somebody else has found to say; of a text as much as fits.
    pub(super) fn told(code: u16, text: &str) -> Self {
        let mut errors = Self::none();
        errors.add(code, |out| out.write_str(text));
        errors
    }

    /// As many whole options as have room in so many octets, the first ones first.
    pub(super) fn within(&self, room: usize) -> &[u8] {
        let mut end = 0;
        while let Some([_, _, high, low]) =
            self.options.get(end..self.len).and_then(<[u8]>::first_chunk)
        {
            let next = end + 4 + usize::from(u16::from_be_bytes([*high, *low]));
            if next > room {
                break;
            }
            end = next;
        }
        self.options.get(..end).unwrap_or(&[])
    }

    fn none() -> Self {
        Self { options: [0; ERRORS_MOST * OPTION_MOST], len: 0 }
    }

    /// Adds one, while there is room for it and it says something. Of a text that is too long the end is left out.
    fn add(&mut self, code: u16, write: impl FnOnce(&mut Text<'_>) -> fmt::Result) {
        let Some((head, room)) = self
            .options
            .get_mut(self.len..self.len + OPTION_MOST)
            .and_then(|room| room.split_first_chunk_mut::<OPTION_HEAD>())
        else {
            return;
        };
        let mut text = Text { room, len: 0 };
        if write(&mut text).is_err() {
            text.cut();
        }
        let len = text.len;
        if len == 0 && code == code::OTHER {
            return;
        }
        let [l0, l1] = u16::try_from(2 + len).unwrap_or(2).to_be_bytes();
        let ([o0, o1], [c0, c1]) = (OPTION.to_be_bytes(), code.to_be_bytes());
        *head = [o0, o1, l0, l1, c0, c1];
        self.len += OPTION_HEAD + len;
    }
}

/// A text under construction.
struct Text<'r> {
    room: &'r mut [u8],
    len: usize,
}

impl Text<'_> {
    /// Marks that its end is left out.
    fn cut(&mut self) {
        let mut at = self.len.min(self.room.len().saturating_sub(CUT.len()));
        // No character is cut in two: what continues one begins with the bits 10.
        while self.room.get(at).is_some_and(|octet| octet & 0xc0 == 0x80) {
            at = at.saturating_sub(1);
        }
        if let Some(room) = self.room.get_mut(at..at + CUT.len()) {
            room.copy_from_slice(CUT);
            self.len = at + CUT.len();
        }
    }
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.room.get_mut(self.len..).unwrap_or(&mut []);
        let mut take = room.len().min(text.len());
        while !text.is_char_boundary(take) {
            take -= 1;
        }
        if let (Some(room), Some(text)) = (room.get_mut(..take), text.as_bytes().get(..take)) {
            room.copy_from_slice(text);
            self.len += take;
        }
        if take < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
