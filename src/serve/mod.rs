//! Sockets: UDP and TCP, and what has to be awaited.
//!
//! UDP is answered on threads of its own (`udp-0`, …), each with one socket an address; TCP and
//! every response that has to be awaited run on a small tokio runtime (`serve-0`, …); the thread
//! `serve` starts that runtime and ends it. The rooms below are reached through [`Desk`] alone.

mod bench;
mod client;
mod connection;
mod gate;
mod handler;
mod listen;
mod server;
mod shares;
mod stream;
mod sys;
mod tally;
mod upstream;
mod worker;

use std::future::Future;
use std::time::Duration;

use crate::answer;

pub use crate::answer::Transport;

pub use client::{Asker, Client};
pub use handler::Handler;
pub use listen::{ServeError, Sockets};
pub use server::{
    CONNECTIONS, CONNECTIONS_PER_CLIENT, DEFERRED, DEFERRED_PER_CONNECTION, FRAME_TIME, GRACE,
    IDLE_TIME, Options, SEVERAL_TIME, STREAM_THREADS, Server, WRITE_TIME,
};
pub use shares::Full;
pub use sys::{BATCH, give_back_memory};
pub use tally::{Connections, DURATIONS, FIRST_DURATION, SendFault, Tally, Traffic};
pub(crate) use tally::{Count, duration_bucket, nanoseconds};
pub use upstream::{
    ASK_TIME, EXCHANGE_TIME, Exchanges, Forwarded, LOOK_UPS, Replies, TlsFault, UpstreamError,
    Upstreams,
};

/// Octets of the largest query that is read whole from a datagram; what is longer is cut there.
/// Nothing but a flood is longer: a query is a name, a few options and a signature.
pub const MAX_UDP_QUERY: usize = 4096;

/// Octets of the largest response in a datagram, whatever a client offers: the usual upper bound
/// of EDNS, above which fragments get lost.
pub const MAX_UDP_RESPONSE: usize = answer::UDP_MOST as usize;

/// Octets of the largest message on a stream (RFC 1035, section 4.2.2).
pub const MAX_STREAM_RESPONSE: usize = answer::STREAM_MOST;

/// The largest response that a transport carries, in octets.
pub(crate) fn room(transport: Transport) -> usize {
    match transport {
        Transport::Udp => MAX_UDP_RESPONSE,
        Transport::Stream => MAX_STREAM_RESPONSE,
    }
}

/// What became of a query.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// So many octets of the buffer are the response.
    Reply(usize),
    /// Nothing may be sent back.
    Silence,
    /// The response hangs on somebody else: [`Desk::finish`] awaits it.
    Deferred,
    /// The response is several messages, which a stream alone can carry: [`Desk::several`] has them.
    Several,
}

/// The messages of one response, each made when there is room for it.
pub trait Messages: Send {
    /// Makes the next message in `out`, which holds [`MAX_STREAM_RESPONSE`] octets, and returns its
    /// length; `None` behind the last.
    fn next(&mut self, out: &mut [u8]) -> Option<usize>;
}

/// Where queries are answered; the sockets know nothing else of the rooms below.
pub trait Desk: Send + Sync + 'static {
    /// One thread's own access to it.
    type Clerk: Clerk + 'static;

    /// A clerk for one thread. Asked for once a thread, and again after a panic.
    fn clerk(&self) -> Self::Clerk;

    /// Answers a query that a clerk has deferred. `None` is silence. Whoever waits for it bounds
    /// its number, not its time: it must end by itself. It is dropped when its client hangs up.
    fn finish(
        &self,
        query: Vec<u8>,
        client: Client,
    ) -> impl Future<Output = Option<Vec<u8>>> + Send;

    /// The messages that answer a query for which a clerk has said [`Step::Several`]. `None` is
    /// silence. They are dropped when all are sent, when the client hangs up, and when it takes too
    /// long.
    fn several(&self, query: Vec<u8>, client: Client) -> Option<Box<dyn Messages>> {
        drop((query, client));
        None
    }
}

/// One thread's access to a [`Desk`]: never waits, takes no lock, allocates nothing.
pub trait Clerk: Send {
    /// Looks whether there is something newer to answer from; called once before each batch, and now
    /// and then while none comes.
    fn refresh(&mut self);

    /// Reads the queries of a batch, [`BATCH`] of them at most, each of which [`Clerk::answer`] is
    /// then asked for: so the look-ups of a whole batch can overlap. A query may be cut or be no
    /// DNS message at all.
    fn read<'q>(&mut self, queries: impl ExactSizeIterator<Item = &'q [u8]>);

    /// Answers `query` of `asker`, the one numbered `slot` of those that were read last, into
    /// `out`, which holds [`MAX_UDP_RESPONSE`] octets for [`Transport::Udp`] and
    /// [`MAX_STREAM_RESPONSE`] for [`Transport::Stream`]. What `out` held before is undefined.
    fn answer(&mut self, slot: usize, query: &[u8], asker: Asker<'_>, out: &mut [u8]) -> Step;

    /// Says how long the batch took from when it was there until all that could be was answered.
    fn settle(&mut self, took: Duration);
}
