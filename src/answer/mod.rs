//! Query octets in, response octets out: one pure function over a view.
//!
//! No socket, no clock, no lock, no allocation on the way to any answer from the view. What cannot
//! be finished alone, a foreign name or an alias that leads outside, is returned as a typed
//! [`Outcome`] for the caller to await. Query threads run it, and so does everything else that
//! wants an answer.
#![forbid(unsafe_code)]

mod alias;
mod cause;
mod ede;
mod heard;
mod identity;
mod kept;
mod message;
mod plain;
mod query;
mod renamed;
mod reply;
mod resolve;
mod splice;
mod transfer;
mod walk;
mod write;
mod written;

pub use crate::name::is_within;
pub use cause::{Cause, Failure, KeptAs, NoTransfer};
pub use ede::write_cause;
pub use heard::answers_in;
pub use identity::{IDENTITY_MOST, Identity};
pub use kept::{Kept, KeptKind, question_of, relay, repeat};
pub use message::Expanded;
pub use plain::{PlainRecord, plain_answer};
pub(crate) use query::HEADER;
pub use query::{Asked, Edns, Query, Rcode, Reject, rcode_name};
pub use renamed::{Renaming, renamed, requested};
pub use reply::Section;
pub use resolve::Ahead;
pub use resolve::reverse_address;
pub use transfer::{ZoneTransfer, transfer};
pub use walk::{Line, Told, records, told, transfer_query, walk};
pub use written::{Record, Said, answers_of, written};

use crate::zone::record::{self, QNAME_POINTER};
use crate::zone::{Choice, View, ZoneKind};
use alias::Outside;
use ede::ExtendedErrors;
use reply::Reply;
use resolve::{Located, Node};
use write::{Writer, rtype};

/// The UDP payload that every asker takes, in octets (RFC 1035, section 4.2.1).
pub const UDP_LEAST: u16 = 512;
/// The UDP payload that is sent and advertised where the configuration says nothing, in octets:
/// small enough never to be fragmented (RFC 9715).
pub const UDP_DEFAULT: u16 = 1_232;
/// The largest UDP payload that a configuration can ask for, in octets.
pub const UDP_MOST: u16 = 4_096;
/// The largest message on a stream, in octets (RFC 1035, section 4.2.2).
pub const STREAM_MOST: usize = 65_535;

/// What of the configuration shapes every answer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Settings {
    /// The largest response over UDP with EDNS, in octets.
    pub payload: u16,
    /// Recursion is available (RA): forwarding is configured.
    pub recursion: bool,
    /// Names outside our zones, and those that fall through, go on to somebody else.
    pub upstream: bool,
    /// Zones are transferred to some.
    pub transfer: bool,
    /// Answers say why they are what they are, to whoever asks with EDNS (RFC 8914).
    pub ede: bool,
    /// Nothing stands in an answer but what was asked for: no additional records.
    pub minimal: bool,
    /// What the server says of itself.
    pub identity: Identity,
}

impl Settings {
    /// The settings where a configuration says nothing.
    pub const DEFAULT: Self = Self {
        payload: UDP_DEFAULT,
        recursion: false,
        upstream: false,
        transfer: false,
        ede: true,
        minimal: false,
        identity: Identity::NONE,
    };
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How a message travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// One datagram a message.
    Udp,
    /// A stream of messages, each behind its length (RFC 1035, section 4.2.2).
    Stream,
}

/// What became of a query.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The response stands in the buffer.
    Reply {
        /// Its length in octets.
        len: usize,
        /// Its response code.
        rcode: Rcode,
        /// Why it is what it is.
        cause: Cause,
    },
    /// Nothing may be sent back.
    Silence,
    /// The name is for an upstream to answer.
    Forward,
    /// The name is an alias that leads to a name for an upstream to answer. The query to ask stands
    /// in the buffer, so many octets long; [`chased`] makes the response of what is said to it.
    Chase(usize),
    /// The query asks for a whole zone, and such queries are answered: [`transfer()`] says whether this
    /// one is.
    Transfer,
}

impl Outcome {
    /// Whether it is a response with another code than NOERROR.
    #[inline]
    pub(crate) fn is_denial(self) -> bool {
        matches!(self, Self::Reply { rcode, .. } if rcode != Rcode::NoError)
    }
}

/// What a query is answered from, and how.
#[derive(Clone, Copy, Debug)]
pub struct Desk<'d> {
    /// The cluster's names, if this part of the name space has any.
    pub view: Option<&'d View>,
    /// What shapes every answer.
    pub settings: &'d Settings,
    /// How the query came and the response goes.
    pub transport: Transport,
    /// Turns sets of addresses: any number that is another one the next time.
    pub rotation: u32,
}

/// Answers `message` into `out`, which holds at least [`UDP_MOST`] octets for UDP and
/// [`STREAM_MOST`] for a stream. `query` is room to read it into, used again and again.
#[inline]
pub fn answer(desk: &Desk<'_>, message: &[u8], query: &mut Query, out: &mut [u8]) -> Outcome {
    match query.read(message) {
        Ok(()) => {
            let ahead = desk.view.and_then(|view| Ahead::of(view, &query.asked));
            respond(desk, message, query, ahead, out)
        }
        Err(Reject::Silence) => Outcome::Silence,
        Err(Reject::Rcode(rcode)) => error(desk, message, query, rcode, Cause::Malformed, out),
    }
}

/// Answers a query that has been read from `message`; `ahead` is what [`Ahead::of`] says of its
/// name in the desk's view.
#[inline]
pub fn respond(
    desk: &Desk<'_>,
    message: &[u8],
    query: &Query,
    ahead: Option<Ahead>,
    out: &mut [u8],
) -> Outcome {
    let outside = if desk.settings.upstream && query.recursion_desired() {
        Outside::Ask
    } else {
        Outside::Bare
    };
    respond_with(desk, message, query, ahead, outside, out)
}

/// Makes the response to a query whose answer was [`Outcome::Chase`] of what an upstream said to
/// the question that came with it.
pub fn chased(
    desk: &Desk<'_>,
    message: &[u8],
    query: &mut Query,
    told: Result<&[u8], Failure>,
    out: &mut [u8],
) -> Outcome {
    match query.read(message) {
        Ok(()) => {
            let outside = match told {
                Ok(message) => Outside::Told(message),
                Err(Failure::Nobody) => Outside::Bare,
                Err(failure) => Outside::Failed(failure),
            };
            let ahead = desk.view.and_then(|view| Ahead::of(view, &query.asked));
            respond_with(desk, message, query, ahead, outside, out)
        }
        Err(_) => Outcome::Silence,
    }
}

/// A response that holds nothing but a code, such as SERVFAIL where an upstream failed, and an
/// extended error (RFC 8914) for whoever asks with EDNS.
pub fn error(
    desk: &Desk<'_>,
    message: &[u8],
    query: &Query,
    rcode: Rcode,
    cause: Cause,
    out: &mut [u8],
) -> Outcome {
    let reply = Reply::new(out, message, query, limit(desk, query));
    let told = query.edns.is_some() && desk.settings.ede;
    // What is waited for is the view's to say.
    let view = desk.view.filter(|_| matches!(cause, Cause::Waiting(_)));
    let errors = if told { ExtendedErrors::of(view, query, rcode, cause) } else { None };
    let len = reply.finish(query, rcode, false, desk.settings, errors.as_ref());
    Outcome::Reply { len, rcode, cause }
}

/// Whether a response without answers denies the asked type: a SOA record stands in its authority
/// section (RFC 2308, section 2.2).
pub(crate) fn denies_type(response: &[u8]) -> bool {
    let records = message::Told::read(response);
    records.is_some_and(|told| told.section(1).flatten().any(|found| found.rtype == rtype::SOA))
}

#[inline]
fn respond_with(
    desk: &Desk<'_>,
    message: &[u8],
    query: &Query,
    ahead: Option<Ahead>,
    outside: Outside<'_>,
    out: &mut [u8],
) -> Outcome {
    let settings = desk.settings;
    let served = !matches!(query.qtype, rtype::IXFR | rtype::AXFR | rtype::MAILA | rtype::MAILB);
    if query.qclass == identity::CLASS_CH {
        let reply = Reply::new(out, message, query, limit(desk, query));
        if let Some(answered) = identity::answer(settings, query, reply) {
            return answered;
        }
    }
    if query.qclass != CLASS_IN || !served {
        let transfer = query.qclass == CLASS_IN && transfer::is_transfer(query.qtype);
        let cause = match transfer {
            true if settings.transfer => return Outcome::Transfer,
            true => Cause::NoTransfer(NoTransfer::Unlisted),
            false => Cause::NotServed,
        };
        return error(desk, message, query, Rcode::Refused, cause, out);
    }
    let located = desk.view.and_then(|view| Some((view, ahead?.located(view)?)));
    let Some((view, located)) = located else {
        if settings.upstream {
            return Outcome::Forward;
        }
        return error(desk, message, query, Rcode::Refused, Cause::NotOurs, out);
    };
    let node = located.resolve(view, &query.asked);
    let goes_on = match node {
        Node::Missing(_) => true,
        // Of a reverse zone that falls through, only the known addresses are ours.
        Node::Empty | Node::Apex => located.zone.zone.kind != ZoneKind::Forward,
        _ => false,
    };
    if goes_on && settings.upstream && located.falls(&query.asked) {
        return Outcome::Forward;
    }
    let mut reply = Reply::new(out, message, query, limit(desk, query));
    let (rcode, mut cause) = match node {
        Node::Alias(alias) => {
            return alias::answer(view, settings, query, reply, alias, desk.rotation, outside);
        }
        Node::Waiting(kinds) => (Rcode::ServFail, Cause::Waiting(kinds)),
        Node::Missing(cause) => (Rcode::NxDomain, refined(view, query, &located, cause)),
        Node::Front(record) if record.is_odd() => (Rcode::NoError, odd(record)),
        _ => (Rcode::NoError, Cause::Plain),
    };
    if rcode != Rcode::ServFail {
        let end = HEADER + query.asked.name().len();
        let mut writer = Writer {
            reply: &mut reply,
            view,
            zone: located.zone,
            asked: &query.asked,
            depth: located.depth,
            owner: QNAME_POINTER,
            original: message.get(HEADER..end),
            rotation: desk.rotation,
        };
        if settings.minimal {
            writer.answers_only(&node, query.qtype);
        } else {
            writer.node(&node, query.qtype);
        }
        if writer.reply.answers() == 0 && !writer.reply.truncated {
            writer.reply.section(Section::Authority);
            writer.soa();
            if cause == Cause::Plain {
                cause = Cause::NoData;
            }
        }
    }
    let errors = extended_errors(view, settings, query, rcode, cause);
    let len = reply.finish(query, rcode, true, settings, errors.as_ref());
    Outcome::Reply { len, rcode, cause }
}

/// What there is to say beside the answer, to whoever wants it.
#[inline]
fn extended_errors(
    view: &View,
    settings: &Settings,
    query: &Query,
    rcode: Rcode,
    cause: Cause,
) -> Option<ExtendedErrors> {
    if query.edns.is_none() || !settings.ede {
        return None;
    }
    ExtendedErrors::of(Some(view), query, rcode, cause)
}

/// Why a Service is answered otherwise than its objects might make one think.
#[cold]
fn odd(record: record::Record<'_>) -> Cause {
    match record.choice() {
        Some(choice) if choice != Choice::Direct => Cause::Chosen(choice),
        _ => Cause::AnnotationIgnored,
    }
}

/// The class IN.
const CLASS_IN: u16 = 1;

/// Tells a missing namespace from a missing Service, for askers who can be told.
#[inline]
fn refined(view: &View, query: &Query, located: &Located<'_>, cause: Cause) -> Cause {
    if cause != Cause::NoService || query.edns.is_none() {
        return cause;
    }
    let namespace =
        query.asked.slice(located.depth.saturating_sub(2), located.depth.saturating_sub(1));
    if view.has_namespace(namespace) { cause } else { Cause::NoNamespace }
}

/// Whether the query is about the server, and answered whatever else a configuration says.
pub fn is_about_server(settings: &Settings, query: &Query) -> bool {
    query.qclass == identity::CLASS_CH && identity::answers(settings, query)
}

/// How long a response may be, in octets.
#[inline]
pub(crate) fn limit(desk: &Desk<'_>, query: &Query) -> usize {
    match (desk.transport, query.edns) {
        (Transport::Stream, _) => STREAM_MOST,
        (Transport::Udp, None) => usize::from(UDP_LEAST),
        (Transport::Udp, Some(edns)) => {
            usize::from(edns.payload.min(desk.settings.payload).max(UDP_LEAST))
        }
    }
}
