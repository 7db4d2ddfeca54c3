//! One TCP connection: reads queries, answers in order what can be answered at once, and sends
//! what was deferred when it is finished (RFC 7766, sections 6.2.1.1 and 7).
//!
//! A task of the runtime. All that a client can make it hold is bounded: it is not read from while
//! it does not read, nor while too many of its queries are deferred.
#![forbid(unsafe_code)]

use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::{JoinError, JoinSet, yield_now};
use tokio::time::{Instant, sleep_until, timeout};

use super::bench::{Bench, WRITE_BATCH};
use super::server::{Common, Stage};
use super::tally::Counters;
use super::{Asker, Clerk, Client, Desk, MAX_STREAM_RESPONSE, Messages, Step};

/// Octets of the length before each message (RFC 1035, section 4.2.2).
const PREFIX: usize = 2;

/// Octets of a header: whatever is shorter is no DNS message, and its sender speaks something
/// else or has lost count (RFC 1035, section 4.1.1).
const SHORTEST_MESSAGE: usize = 12;

/// Octets that are made room for when a query comes in pieces.
const PIECE: usize = 4096;

/// Octets of finished responses above which no more are put behind them until some were written.
const UNSENT_LIMIT: usize = 128 << 10;

/// How long a closed connection is still read from, so that the kernel does not reset it while
/// the last responses are on their way.
const LINGER: Duration = Duration::from_millis(500);

/// At stop, a connection is read from until nothing has come for so long.
const DRAIN_QUIET: Duration = Duration::from_millis(20);

/// At stop, a connection that is never quiet is read from for so long at most.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// A connection.
pub(super) struct Connection<D: Desk> {
    stream: TcpStream,
    common: Arc<Common<D>>,
    client: Client,
    /// Octets read but not yet answered: part of a query, or more where the client is held back.
    /// Holds no memory while empty, as does `unsent`.
    received: Vec<u8>,
    /// Octets that the kernel would not take yet.
    unsent: Vec<u8>,
    deferred: JoinSet<Option<Vec<u8>>>,
    /// A response of several messages that is being sent; no query is answered meanwhile.
    several: Option<Several>,
    reading: Reading,
    /// Set at stop: when reading ends, even if the client goes on sending.
    drained_by: Option<Instant>,
    /// When the last complete query came.
    last_query: Instant,
    /// When anything was last read.
    last_read: Instant,
    /// When the query at the start of `received` began to come.
    frame_began: Instant,
    /// When `unsent` stopped being empty.
    unsent_since: Instant,
}

/// A response of several messages, and when it must have been sent.
struct Several {
    messages: Box<dyn Messages>,
    until: Instant,
}

/// Whether more queries are taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reading {
    Open,
    /// The client has ended its side.
    Ended,
    /// Whatever else it sends is not looked at.
    Given,
}

/// The start of what was read.
enum Frame<'a> {
    /// Part of a message, or nothing.
    Part,
    /// A message that cannot be one.
    Bad,
    Message(&'a [u8]),
}

impl<D: Desk> Connection<D> {
    pub(super) fn new(stream: TcpStream, client: Client, common: Arc<Common<D>>) -> Self {
        let now = Instant::now();
        Self {
            stream,
            common,
            client,
            received: Vec::new(),
            unsent: Vec::new(),
            deferred: JoinSet::new(),
            several: None,
            reading: Reading::Open,
            drained_by: None,
            last_query: now,
            last_read: now,
            frame_began: now,
            unsent_since: now,
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self) {
        match self.serve().await {
            Ok(()) if self.reading == Reading::Given => self.close().await,
            Ok(()) => {}
            // The client is gone or does not read: nothing is kept for it, in the kernel neither.
            Err(_) => drop(self.stream.set_zero_linger()),
        }
    }

    async fn serve(&mut self) -> io::Result<()> {
        let mut stop = pin!(self.common.reached(Stage::Given));
        let mut timer = pin!(sleep_until(self.deadline()));
        loop {
            // Queries that were held back while the client or the upstreams were slow.
            while self.unblocked() && !matches!(next_frame(&self.received), Frame::Part) {
                self.answer_received()?;
            }
            let done = self.deferred.is_empty() && self.several.is_none() && self.unsent.is_empty();
            if self.reading != Reading::Open && done {
                return Ok(());
            }
            // The timer is only ever set forward to an earlier time here: later ones are looked
            // at when it fires, which spares it a move for each query.
            let deadline = self.deadline();
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            let readable = self.reading == Reading::Open && self.unblocked();
            tokio::select! {
                biased;
                () = &mut stop, if self.drained_by.is_none() => {
                    self.last_read = Instant::now();
                    self.drained_by = Some(self.last_read + DRAIN_LIMIT);
                }
                () = &mut timer => {
                    self.expire()?;
                    timer.as_mut().reset(self.deadline());
                }
                Some(done) = self.deferred.join_next(),
                    if !self.deferred.is_empty() && self.unsent.len() < UNSENT_LIMIT =>
                {
                    self.collect(done)?;
                }
                writable = self.stream.writable(), if !self.unsent.is_empty() => {
                    writable?;
                    self.write()?;
                }
                ready = self.stream.readable(), if readable => {
                    ready?;
                    self.read()?;
                }
                // Other connections get their turn between two messages.
                () = yield_now(), if self.several.is_some() && self.unsent.is_empty() => {
                    self.send_next()?;
                }
            }
        }
    }

    /// Whether one more query may be answered.
    fn unblocked(&self) -> bool {
        self.unsent.is_empty()
            && self.several.is_none()
            && self.deferred.len() < self.common.options.deferred_per_connection
    }

    fn read(&mut self) -> io::Result<()> {
        if !self.received.is_empty() {
            self.received.reserve(PIECE);
            if let Some(length) = taken(self.stream.try_read_buf(&mut self.received))? {
                self.note_read(length);
            }
            return Ok(());
        }
        let mut bench = Bench::take(&self.common);
        let outcome = self.read_and_answer(&mut bench);
        bench.put();
        outcome
    }

    fn read_and_answer(&mut self, bench: &mut Bench<D>) -> io::Result<()> {
        let Bench { clerk, counters, input, output } = bench;
        let Some(length) = taken(self.stream.try_read(input))? else { return Ok(()) };
        self.note_read(length);
        let read = input.get(..length).unwrap_or_default();
        let used = self.answer(read, clerk, counters, output)?;
        self.received.extend_from_slice(read.get(used..).unwrap_or_default());
        Ok(())
    }

    fn note_read(&mut self, length: usize) {
        self.last_read = Instant::now();
        if length == 0 {
            self.reading = Reading::Ended;
        }
    }

    fn answer_received(&mut self) -> io::Result<()> {
        let mut received = mem::take(&mut self.received);
        let mut bench = Bench::take(&self.common);
        let Bench { clerk, counters, output, .. } = &mut *bench;
        let used = self.answer(&received, clerk, counters, output);
        bench.put();
        received.drain(..used?.min(received.len()));
        if !received.is_empty() {
            self.received = received;
        }
        Ok(())
    }

    /// Answers the complete queries at the start of `input` and returns the octets that it used.
    fn answer(
        &mut self,
        input: &[u8],
        clerk: &mut D::Clerk,
        counters: &Counters,
        output: &mut [u8],
    ) -> io::Result<usize> {
        clerk.refresh();
        let (mut used, mut filled) = (0, 0);
        while self.unblocked() {
            let message = match next_frame(input.get(used..).unwrap_or_default()) {
                Frame::Message(message) => message,
                Frame::Part => break,
                Frame::Bad => {
                    self.reading = Reading::Given;
                    used = input.len();
                    break;
                }
            };
            used += PREFIX + message.len();
            counters.queries.add(1);
            let room = filled + PREFIX;
            let Some(room) = output.get_mut(room..room + MAX_STREAM_RESPONSE) else { break };
            let began = Instant::now();
            clerk.read(std::iter::once(message));
            let step = clerk.answer(0, message, Asker::of(&self.client), room);
            clerk.settle(began.elapsed());
            match step {
                Step::Reply(length) => {
                    let length = u16::try_from(length).unwrap_or(u16::MAX);
                    if let Some(prefix) = output.get_mut(filled..filled + PREFIX) {
                        prefix.copy_from_slice(&length.to_be_bytes());
                    }
                    filled += PREFIX + usize::from(length);
                    counters.replies.add(1);
                }
                Step::Silence => counters.silences.add(1),
                Step::Deferred => self.defer(message, counters),
                Step::Several => self.begin(message, counters),
            }
            if filled >= WRITE_BATCH {
                self.send(output.get(..filled).unwrap_or_default())?;
                filled = 0;
            }
        }
        self.send(output.get(..filled).unwrap_or_default())?;
        let now = Instant::now();
        if used > 0 {
            self.last_query = now;
        }
        // What is left, if anything, is the start of another query.
        self.frame_began = now;
        Ok(used)
    }

    fn defer(&mut self, message: &[u8], counters: &Counters) {
        let pass = match self.common.gate.admit(self.client.from.ip()) {
            Ok(pass) => pass,
            Err(full) => return counters.overload(full).add(1),
        };
        counters.deferred.add(1);
        let (desk, query) = (Arc::clone(&self.common.desk), message.to_vec());
        let client = self.client;
        self.deferred.spawn(async move {
            let response = desk.finish(query, client).await;
            drop(pass);
            response
        });
    }

    /// Begins to send a response of several messages. It is counted as one that is deferred.
    fn begin(&mut self, message: &[u8], counters: &Counters) {
        let messages = self.common.desk.several(message.to_vec(), self.client);
        let until = Instant::now() + self.common.options.several_time;
        self.several = messages.map(|messages| Several { messages, until });
        if self.several.is_some() {
            counters.deferred.add(1);
        } else {
            counters.silences.add(1);
        }
    }

    /// Sends the next message of such a response.
    fn send_next(&mut self) -> io::Result<()> {
        let mut bench = Bench::take(&self.common);
        let sent = self.send_next_from(&mut bench.output);
        bench.put();
        sent
    }

    fn send_next_from(&mut self, output: &mut [u8]) -> io::Result<()> {
        let Some((prefix, room)) = output.split_first_chunk_mut::<PREFIX>() else { return Ok(()) };
        let room = room.get_mut(..MAX_STREAM_RESPONSE).unwrap_or_default();
        let next = self.several.as_mut().and_then(|several| several.messages.next(room));
        let Some(length) = next.and_then(|length| u16::try_from(length).ok()) else {
            self.several = None;
            self.last_query = Instant::now();
            self.common.finished.replies.add_shared(1);
            return Ok(());
        };
        *prefix = length.to_be_bytes();
        self.send(output.get(..PREFIX + usize::from(length)).unwrap_or_default())
    }

    /// Puts a finished response, and all others that are there, behind what is to be sent.
    fn collect(&mut self, done: Result<Option<Vec<u8>>, JoinError>) -> io::Result<()> {
        let waited = !self.unsent.is_empty();
        let mut next = Some(done);
        while let Some(done) = next {
            let counters = &self.common.finished;
            let message = done.unwrap_or_else(|_| {
                counters.panics.add_shared(1);
                None
            });
            let length = message.as_ref().and_then(|message| u16::try_from(message.len()).ok());
            if let (Some(message), Some(length)) = (message, length) {
                self.unsent.extend_from_slice(&length.to_be_bytes());
                self.unsent.extend_from_slice(&message);
                counters.replies.add_shared(1);
            } else {
                counters.silences.add_shared(1);
            }
            next =
                if self.unsent.len() < UNSENT_LIMIT { self.deferred.try_join_next() } else { None };
        }
        self.last_query = Instant::now();
        if waited {
            return Ok(());
        }
        self.unsent_since = self.last_query;
        self.write()
    }

    /// Sends octets behind those that wait; what the kernel does not take waits too.
    fn send(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while self.unsent.is_empty() && !octets.is_empty() {
            let Some(written) = taken(self.stream.try_write(octets))? else { break };
            octets = octets.get(written..).unwrap_or_default();
        }
        if self.unsent.is_empty() {
            self.unsent_since = Instant::now();
        }
        self.unsent.extend_from_slice(octets);
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let waiting = mem::take(&mut self.unsent);
        let since = self.unsent_since;
        self.send(&waiting)?;
        self.unsent_since = since;
        Ok(())
    }

    /// When something has to be done if nothing happens.
    fn deadline(&self) -> Instant {
        let options = &self.common.options;
        let mut deadline = match self.drained_by {
            _ if self.reading != Reading::Open || !self.unblocked() => {
                Instant::now() + options.idle_time
            }
            Some(limit) => limit.min(self.last_read + DRAIN_QUIET),
            // A client is not idle while it waits for us (RFC 7766, section 6.2.3).
            None if !self.deferred.is_empty() => Instant::now() + options.idle_time,
            None => self.last_query + options.idle_time,
        };
        if let Some(several) = &self.several {
            deadline = deadline.min(several.until);
        }
        if !self.unsent.is_empty() {
            deadline = deadline.min(self.unsent_since + options.write_time);
        } else if self.reading == Reading::Open && !self.received.is_empty() && self.unblocked() {
            deadline = deadline.min(self.frame_began + options.frame_time);
        }
        deadline
    }

    fn expire(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if now < self.deadline() {
            return Ok(());
        }
        if self.drained_by.is_none() {
            self.common.door.timed_out.add_shared(1);
        }
        if !self.unsent.is_empty() || self.several.is_some() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if self.drained_by.is_some_and(|limit| now < limit) && self.holds_octets() {
            self.last_read = now;
            return Ok(());
        }
        // Nothing more is read, what is deferred is still sent.
        self.reading = Reading::Given;
        self.received = Vec::new();
        Ok(())
    }

    /// Whether the kernel holds octets of this connection. The runtime may not have heard of them
    /// yet where its threads are busy.
    fn holds_octets(&self) -> bool {
        let mut octet = [MaybeUninit::uninit()];
        SockRef::from(&self.stream).peek(&mut octet).is_ok_and(|count| count > 0)
    }

    /// Ends our side, then reads what the client still sends: octets left unread when a socket is
    /// closed make the kernel send a reset, which can destroy responses that are on their way.
    async fn close(&mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let discard = async {
            let mut scrap = [0; 512];
            while self.stream.readable().await.is_ok() {
                match taken(self.stream.try_read(&mut scrap)) {
                    Ok(Some(0)) | Err(_) => return,
                    Ok(_) => {}
                }
            }
        };
        let _ = timeout(LINGER, discard).await;
    }
}

/// Makes an absent octet count of a call that would have had to wait.
fn taken(outcome: io::Result<usize>) -> io::Result<Option<usize>> {
    match outcome {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}

fn next_frame(octets: &[u8]) -> Frame<'_> {
    let Some((prefix, rest)) = octets.split_first_chunk::<PREFIX>() else { return Frame::Part };
    let length = usize::from(u16::from_be_bytes(*prefix));
    if length < SHORTEST_MESSAGE {
        return Frame::Bad;
    }
    rest.get(..length).map_or(Frame::Part, Frame::Message)
}
