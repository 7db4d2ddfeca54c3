//! Asks as fast as it is answered: a few sockets, each with so many queries on their way at most, in
//! batches, so that one core asks more than a server on another can answer.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg};

/// Sockets that ask.
const SOCKETS: usize = 4;
/// Queries of a socket that are on their way at most; all of them are one batch. With those of the
/// other sockets they are four batches of a server's, so that there is always one to be taken.
const WINDOW: usize = 32;
/// The same for IDs: a query's ID says its slot by its remainder.
const ID_STEP: u16 = 32;
const _: () = assert!(ID_STEP as usize == WINDOW, "an ID must say its slot");
/// Octets of room for a response; nobody here says that he takes more.
const ROOM: usize = 512;
/// What has not come by then is lost; a server may be off its core for a while.
const PATIENCE: Duration = Duration::from_secs(2);

/// Queries and the response codes that they have to be answered with; more than a batch of them.
#[derive(Default)]
pub struct Pool {
    octets: Vec<u8>,
    /// Where each begins, and its response code.
    queries: Vec<(usize, u8)>,
    next: usize,
}

impl Pool {
    pub fn push(&mut self, wire: &[u8], rcode: u8) {
        self.queries.push((self.octets.len(), rcode));
        self.octets.extend_from_slice(wire);
    }

    pub fn len(&self) -> usize {
        self.queries.len()
    }

    /// A query, and the response code of its answer.
    pub fn entry(&self, at: usize) -> (&[u8], u8) {
        (self.query(at), self.queries[at].1)
    }

    /// The octets of a query.
    fn query(&self, at: usize) -> &[u8] {
        let (from, _) = self.queries[at];
        let to = self.queries.get(at + 1).map_or(self.octets.len(), |(from, _)| *from);
        &self.octets[from..to]
    }

    /// The next query, with this ID.
    fn take(&mut self, id: u16) -> (usize, u8) {
        let at = self.next;
        self.next = if at + 1 == self.queries.len() { 0 } else { at + 1 };
        let (from, rcode) = self.queries[at];
        self.octets[from..from + 2].copy_from_slice(&id.to_be_bytes());
        (at, rcode)
    }
}

/// What came of asking.
#[derive(Default)]
pub struct Heard {
    pub answers: usize,
    pub lost: usize,
    /// Answers with another response code than they should have.
    pub wrong: usize,
    /// Octets of all answers.
    pub octets: usize,
    pub took: Duration,
}

/// Asks the next `count` queries of the pool. Whether the codes are right is looked at where
/// `checked`.
pub fn ask(server: SocketAddr, pool: &mut Pool, count: usize, checked: bool) -> io::Result<Heard> {
    let mut askers = Vec::new();
    for _ in 0..SOCKETS {
        askers.push(Asker::new(server)?);
    }
    let mut heard = Heard::default();
    let mut left = count;
    let start = Instant::now();
    while left > 0 || askers.iter().any(|asker| asker.free.len() < WINDOW) {
        let mut still = true;
        for asker in &mut askers {
            let came = asker.receive(&mut heard, checked)?;
            let sent = asker.send(pool, left)?;
            left -= sent;
            still &= came + sent == 0;
        }
        if still && !wait(&askers)? {
            askers.iter_mut().for_each(|asker| asker.give_up(&mut heard));
        }
    }
    heard.took = start.elapsed();
    Ok(heard)
}

/// Waits for an answer to any of them; whether there is one.
fn wait(askers: &[Asker]) -> io::Result<bool> {
    let mut all: Vec<PollFd<'_>> =
        askers.iter().map(|asker| PollFd::new(asker.socket.as_fd(), PollFlags::POLLIN)).collect();
    let patience = PollTimeout::try_from(PATIENCE).map_err(io::Error::other)?;
    Ok(poll(&mut all, patience)? > 0)
}

/// One socket.
struct Asker {
    socket: UdpSocket,
    /// Slots without a query on its way.
    free: Vec<usize>,
    /// The ID that each slot waits for, and the response code.
    slots: [Option<(u16, u8)>; WINDOW],
    turn: u16,
    room: Box<[[u8; ROOM]; WINDOW]>,
    receiving: MultiHeaders<()>,
    sending: MultiHeaders<()>,
}

impl Asker {
    fn new(server: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            free: (0..WINDOW).collect(),
            slots: [None; WINDOW],
            turn: 0,
            room: Box::new([[0; ROOM]; WINDOW]),
            receiving: MultiHeaders::preallocate(WINDOW, None),
            sending: MultiHeaders::preallocate(WINDOW, None),
        })
    }

    fn send(&mut self, pool: &mut Pool, most: usize) -> io::Result<usize> {
        let count = self.free.len().min(most);
        if count == 0 {
            return Ok(0);
        }
        self.turn = self.turn.wrapping_add(1);
        let mut chosen = [0; WINDOW];
        for place in &mut chosen[..count] {
            let Some(slot) = self.free.pop() else { break };
            let id = self.turn.wrapping_mul(ID_STEP).wrapping_add(u16::try_from(slot).unwrap_or(0));
            let (at, rcode) = pool.take(id);
            self.slots[slot] = Some((id, rcode));
            *place = at;
        }
        let pool = &*pool;
        let vectors: [[IoSlice<'_>; 1]; WINDOW] =
            std::array::from_fn(|at| [IoSlice::new(pool.query(chosen[at]))]);
        let mut done = 0;
        while done < count {
            let (fd, none) = (self.socket.as_raw_fd(), [None::<()>; WINDOW]);
            let rest = vectors[done..count].iter();
            match sendmmsg(fd, &mut self.sending, rest, none, [], MsgFlags::empty()) {
                Ok(sent) => done += sent.count(),
                // A few are lost at most; the server's room is large enough for all.
                Err(Errno::EAGAIN | Errno::ECONNREFUSED) => break,
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(count)
    }

    fn receive(&mut self, heard: &mut Heard, checked: bool) -> io::Result<usize> {
        let mut lengths = [0; WINDOW];
        let mut count = 0;
        {
            let mut vectors = self.room.each_mut().map(|room| [IoSliceMut::new(room)]);
            let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
            match recvmmsg(fd, &mut self.receiving, vectors.iter_mut(), flags, None) {
                Ok(came) => {
                    for (length, message) in lengths.iter_mut().zip(came) {
                        *length = message.bytes;
                        count += 1;
                    }
                }
                Err(Errno::EAGAIN | Errno::ECONNREFUSED) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        for (room, length) in self.room.iter().zip(lengths).take(count) {
            let id = u16::from_be_bytes([room[0], room[1]]);
            let slot = usize::from(id) % WINDOW;
            let Some((_, rcode)) = self.slots[slot].take_if(|(waiting, _)| *waiting == id) else {
                continue;
            };
            self.free.push(slot);
            heard.answers += 1;
            heard.octets += length;
            let is_answer = length >= 12 && room[2] & 0x80 != 0;
            heard.wrong += usize::from(!is_answer || checked && room[3] & 15 != rcode);
        }
        Ok(count)
    }

    fn give_up(&mut self, heard: &mut Heard) {
        heard.lost += WINDOW - self.free.len();
        self.free = (0..WINDOW).collect();
        self.slots = [None; WINDOW];
    }
}
