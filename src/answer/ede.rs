//! Extended DNS errors (RFC 8914): why an answer is what it is, for whoever asks with EDNS.

use std::fmt::{self, Write};

use super::cause::{Cause, Failure, KeptAs};
use super::kept::Kept;
use super::message::Told;
use super::query::{OPT, Rcode};
use crate::cluster::{KindSet, Refusal, Refused};
use crate::zone::View;

/// The longest text, in octets: a sentence, and never the reason that records do not fit.
const TEXT_MOST: usize = 120;
/// The option's number.
const OPTION: u16 = 15;

/// Info codes (RFC 8914, section 4).
mod code {
    pub(super) const OTHER: u16 = 0;
    pub(super) const STALE_ANSWER: u16 = 3;
    pub(super) const CACHED_ERROR: u16 = 13;
    pub(super) const NOT_READY: u16 = 14;
    pub(super) const BLOCKED: u16 = 15;
    pub(super) const FILTERED: u16 = 17;
    pub(super) const STALE_NXDOMAIN: u16 = 19;
    pub(super) const NOT_AUTHORITATIVE: u16 = 20;
    pub(super) const NO_REACHABLE_AUTHORITY: u16 = 22;
    pub(super) const NETWORK_ERROR: u16 = 23;

    /// That an answer with this response code may be out of date.
    pub(super) fn stale(rcode: super::Rcode) -> u16 {
        match rcode {
            super::Rcode::NxDomain => STALE_NXDOMAIN,
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
    let opt = Told::read(message)
        .and_then(|told| told.section(2).flatten().find(|found| found.rtype == OPT));
    let mut options = opt.and_then(|opt| message.get(opt.data..opt.end)).unwrap_or(&[]);
    while let Some((&[o0, o1, l0, l1], rest)) = options.split_first_chunk::<4>() {
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let Some((data, behind)) = rest.split_at_checked(len) else { return false };
        if u16::from_be_bytes([o0, o1]) == OPTION
            && let Some(&code) = data.first_chunk()
            && code::is_stale(u16::from_be_bytes(code))
        {
            return true;
        }
        options = behind;
    }
    false
}

/// One extended error, on the stack.
pub(super) struct ExtendedError {
    code: u16,
    text: [u8; TEXT_MOST],
    len: usize,
}

impl ExtendedError {
    /// What there is to say about an answer that no view has made, without a text.
    pub(super) fn of_cause(cause: Cause) -> Option<Self> {
        let code = match cause {
            Cause::Blocked => code::BLOCKED,
            Cause::Filtered => code::FILTERED,
            Cause::NotOurs => code::NOT_AUTHORITATIVE,
            Cause::Upstream(Failure::Unreachable) => code::NO_REACHABLE_AUTHORITY,
            Cause::Upstream(Failure::Unusable) => code::NETWORK_ERROR,
            Cause::Upstream(Failure::TooMany) => {
                return Some(Self::told(code::OTHER, "too many queries wait for upstreams"));
            }
            Cause::Upstream(Failure::TooManyOfClient) => {
                let text = "too many queries of this client wait for upstreams";
                return Some(Self::told(code::OTHER, text));
            }
            _ => return None,
        };
        Some(Self { code, text: [0; TEXT_MOST], len: 0 })
    }

    /// What there is to say about an answer that an upstream has given before.
    pub(super) fn of_kept(kept: &Kept, as_what: KeptAs) -> Option<Self> {
        let code = match (as_what, kept.rcode()) {
            (KeptAs::Stale, rcode) => code::stale(rcode),
            (_, _) if kept.is_silence() => code::NO_REACHABLE_AUTHORITY,
            (KeptAs::Fresh, Rcode::ServFail) => code::CACHED_ERROR,
            (KeptAs::New | KeptAs::Fresh, _) => return None,
        };
        Some(Self { code, text: [0; TEXT_MOST], len: 0 })
    }

    /// What somebody else has found to say; of a text as much as fits.
    pub(super) fn told(code: u16, text: &str) -> Self {
        let mut error = Self { code, text: [0; TEXT_MOST], len: 0 };
        let written = error.write_str(text);
        let _ = written;
        error
    }

    /// What there is to say about an answer from this view.
    pub(super) fn of(view: &View, rcode: Rcode, cause: Cause) -> Option<Self> {
        let mut error = Self { code: code::NOT_READY, text: [0; TEXT_MOST], len: 0 };
        let written = match (cause, view.doubt()) {
            (Cause::Waiting(kinds), _) => error.waiting(kinds, view.refused()),
            (_, Some(doubt)) => {
                error.code = code::stale(rcode);
                error.write_str(doubt)
            }
            (Cause::Kept(KeptAs::Stale), None) => {
                error.code = code::stale(rcode);
                Ok(())
            }
            _ => return Self::of_cause(cause),
        };
        // What does not fit is cut.
        let _ = written;
        Some(error)
    }

    /// `waiting for namespaces, services; pods: forbidden`.
    fn waiting(&mut self, kinds: KindSet, refused: Refused) -> fmt::Result {
        let mut rest = kinds;
        let why = Refusal::ALL.map(|why| {
            let of = kinds.and(refused.by(why));
            rest = rest.without(of);
            (of, why.words())
        });
        if !rest.is_empty() {
            self.write_str("waiting for ")?;
            self.list(rest)?;
        }
        for (kinds, words) in why.into_iter().filter(|(kinds, _)| !kinds.is_empty()) {
            self.write_str(if self.len > 0 { "; " } else { "" })?;
            self.list(kinds)?;
            write!(self, ": {words}")?;
        }
        Ok(())
    }

    fn list(&mut self, kinds: KindSet) -> fmt::Result {
        let mut separator = "";
        kinds.iter().try_for_each(|kind| {
            let part = write!(self, "{separator}{}", kind.resource());
            separator = ", ";
            part
        })
    }

    /// The option's octets.
    pub(super) fn option(&self, out: &mut [u8; 6 + TEXT_MOST]) -> usize {
        let len = u16::try_from(2 + self.len).unwrap_or(2);
        let head = [OPTION, len, self.code].map(u16::to_be_bytes);
        let octets = head.as_flattened().iter().chain(self.text.iter().take(self.len));
        out.iter_mut().zip(octets).map(|(room, octet)| *room = *octet).count()
    }

    /// Room for any option.
    pub(super) const fn room() -> [u8; 6 + TEXT_MOST] {
        [0; 6 + TEXT_MOST]
    }
}

impl Write for ExtendedError {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.text.get_mut(self.len..).unwrap_or(&mut []);
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
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::Kind;
    use crate::zone::{Spec, State};

    fn told(view: &View, rcode: Rcode, cause: Cause) -> Option<(u16, String)> {
        let error = ExtendedError::of(view, rcode, cause)?;
        let mut room = ExtendedError::room();
        let len = error.option(&mut room);
        assert_eq!(room[..4], [0, 15, 0, u8::try_from(len - 4).unwrap()]);
        let code = u16::from_be_bytes([room[4], room[5]]);
        Some((code, String::from_utf8(room[6..len].to_vec()).unwrap()))
    }

    #[test]
    fn codes_and_texts_are_those_of_the_schema() {
        let view = View::empty(Arc::new(Spec::default()), 1);
        let waiting = Cause::Waiting(KindSet::of(&[Kind::Service, Kind::EndpointSlice]));
        assert_eq!(told(&view, Rcode::NoError, Cause::Plain), None);
        assert_eq!(
            told(&view, Rcode::ServFail, waiting),
            Some((14, "waiting for services, endpointslices".into()))
        );
        let (mut refused, mut nothing) = (Refused::default(), Refused::default());
        refused.insert(Kind::Pod, Refusal::Forbidden);
        for (kind, why) in [
            (Kind::Service, Refusal::Unauthorized),
            (Kind::EndpointSlice, Refusal::NotFound),
            (Kind::Endpoints, Refusal::NotFound),
            (Kind::Pod, Refusal::Forbidden),
        ] {
            nothing.insert(kind, why);
        }
        // What is refused, what is waited for, the text.
        for (refused, kinds, text) in [
            (refused, KindSet::of(&[Kind::Pod]), "pods: forbidden"),
            (
                refused,
                KindSet::of(&[Kind::Namespace, Kind::Pod]),
                "waiting for namespaces; pods: forbidden",
            ),
            // What a name does not hang on is not its matter.
            (refused, KindSet::of(&[Kind::Namespace]), "waiting for namespaces"),
            (
                nothing,
                KindSet::ALL,
                "waiting for namespaces; services: unauthorized; pods: forbidden; \
                 endpointslices, endpoints: not found",
            ),
        ] {
            let view = view.in_state(State { refused, ..State::default() });
            let told = told(&view, Rcode::ServFail, Cause::Waiting(kinds));
            assert_eq!(told, Some((14, text.into())));
        }
        let doubt = "API server out of touch since 2026-11-22T07:31:05Z";
        let view = view.in_state(State { doubt: Some(doubt.into()), ..State::default() });
        assert_eq!(told(&view, Rcode::NoError, Cause::Plain), Some((3, doubt.into())));
        assert_eq!(told(&view, Rcode::NxDomain, Cause::NoService), Some((19, doubt.into())));
        let long = "é".repeat(100);
        let view = view.in_state(State { doubt: Some(long.as_str().into()), ..State::default() });
        assert_eq!(told(&view, Rcode::NoError, Cause::Plain), Some((3, "é".repeat(60))));
    }
}
