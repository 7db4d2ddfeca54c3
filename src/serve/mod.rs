//! Sockets: UDP and TCP, and what has to be awaited.

use std::future::Future;

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
pub enum Step {
    /// So many octets of the buffer are the response.
    Reply(usize),
    /// Nothing may be sent back.
    Silence,
    /// The response hangs on somebody else: [`Desk::finish`] awaits it.
    Deferred,
}

/// Where queries are answered; the sockets know nothing else of the rooms below.
pub trait Desk: Send + Sync + 'static {
    /// One thread's own access to it.
    type Clerk: Clerk;

    /// A clerk for one thread.
    fn clerk(&self) -> Self::Clerk;

    /// Answers a query that a clerk has deferred. `None` is silence.
    fn finish(
        &self,
        query: Vec<u8>,
        transport: Transport,
    ) -> impl Future<Output = Option<Vec<u8>>> + Send;
}

/// One thread's access to a [`Desk`]: never waits, takes no lock, allocates nothing.
pub trait Clerk: Send {
    /// Looks whether there is something newer to answer from; called once before each batch.
    fn refresh(&mut self);

    /// Answers `query` into `out`, which holds at least 65,535 octets.
    fn answer(&mut self, query: &[u8], transport: Transport, out: &mut [u8]) -> Step;
}
