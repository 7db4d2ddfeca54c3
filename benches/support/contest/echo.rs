//! The floor: a loop of the same shape as a worker's that looks at nothing. It takes up to 32
//! datagrams that are there with one system call, marks each as a response, and sends them back with
//! another; it polls when there are none. Run as a process of its own, so that its CPU time is its own.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use socket2::{Domain, Socket, Type};

/// As the server has them: datagrams a batch, batches between two polls, octets of room for a query,
/// octets of the socket's buffers.
const BATCH: usize = 32;
const ROUNDS: usize = 8;
const ROOM: usize = 4_096;
const RECEIVE_BUFFER: usize = 4 << 20;
const SEND_BUFFER: usize = 1 << 20;

/// One buffer. They lie two cache lines further apart than they are long, as the server's do.
#[repr(align(64))]
struct Buffer([u8; ROOM + 128]);

/// Echoes until standard input ends. Says its address on standard output. Each response has `length`
/// octets at least.
pub fn run(length: usize) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    println!("addr={address} ");
    io::stdout().flush()?;

    let mut echo = Echo {
        socket,
        length: length.min(ROOM),
        buffers: (0..BATCH).map(|_| Buffer([0; ROOM + 128])).collect(),
        receiving: MultiHeaders::preallocate(BATCH, None),
        sending: MultiHeaders::preallocate(BATCH, None),
    };
    let stdin = io::stdin();
    loop {
        let mut both = [
            PollFd::new(echo.socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut both, PollTimeout::NONE)?;
        let [readable, stops] = both.map(|entry| entry.any().unwrap_or(false));
        if stops {
            return Ok(());
        }
        let mut rounds = 0..ROUNDS;
        while readable && rounds.next().is_some() && echo.turn()? == BATCH {}
    }
}

struct Echo {
    socket: Socket,
    length: usize,
    buffers: Vec<Buffer>,
    receiving: MultiHeaders<SockaddrIn>,
    sending: MultiHeaders<SockaddrIn>,
}

impl Echo {
    /// One batch; how many datagrams there were.
    fn turn(&mut self) -> io::Result<usize> {
        let fd = self.socket.as_raw_fd();
        let mut peers = [None; BATCH];
        let mut lengths = [0; BATCH];
        let mut count = 0;
        {
            let mut buffers = self.buffers.iter_mut();
            let mut vectors: [[IoSliceMut<'_>; 1]; BATCH] = std::array::from_fn(|_| {
                let room = buffers.next().map_or(&mut [][..], |buffer| &mut buffer.0[..ROOM]);
                [IoSliceMut::new(room)]
            });
            let flags = MsgFlags::MSG_DONTWAIT;
            match recvmmsg(fd, &mut self.receiving, vectors.iter_mut(), flags, None) {
                Ok(came) => {
                    for message in came {
                        (peers[count], lengths[count]) = (message.address, message.bytes);
                        count += 1;
                    }
                }
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
                Err(fault) => return Err(fault.into()),
            }
        }
        for buffer in &mut self.buffers[..count] {
            buffer.0[2] |= 0x80;
        }
        let (buffers, least) = (&self.buffers, self.length);
        let vectors: [[IoSlice<'_>; 1]; BATCH] =
            std::array::from_fn(|at| [IoSlice::new(&buffers[at].0[..lengths[at].max(least)])]);
        let mut done = 0;
        while done < count {
            let (rest, to) = (vectors[done..count].iter(), &peers[done..count]);
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            match sendmmsg(fd, &mut self.sending, rest, to, [], flags) {
                Ok(sent) => done += sent.count(),
                // As the server: one that cannot be sent is skipped.
                Err(_) => done += 1,
            }
        }
        Ok(count)
    }
}
