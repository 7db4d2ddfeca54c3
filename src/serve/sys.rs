//! The system calls that the standard library has no words for: batches of datagrams, the address
//! that a datagram was sent to, `poll`, and a few socket options.
//!
//! The only file of the crate with `unsafe`. It hands out safe types alone: [`Batch`] belongs to
//! one thread, allocates when it is made and never again, and takes no lock.
#![expect(
    unsafe_code,
    reason = "recvmmsg, sendmmsg, control messages, poll and raw socket options have no safe form"
)]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::slice;
use std::time::Duration;

use libc::{c_int, c_uint, cmsghdr, iovec, mmsghdr, msghdr, pollfd, sockaddr_in, sockaddr_in6};

use super::{MAX_UDP_QUERY, MAX_UDP_RESPONSE, SendFault};

/// Datagrams a system call: more no longer makes a call cheaper in proportion, and the buffers of
/// a thread stay within a level-2 cache.
pub const BATCH: usize = 32;

/// The same for the system calls.
const VECTOR: c_uint = 32;
const _: () = assert!(VECTOR as usize == BATCH, "a call must stay within the arrays");

/// How long a full send buffer is waited for before a response is dropped, in milliseconds: a
/// burst of large responses drains in less, and queries wait in the receive buffer meanwhile.
const SEND_PATIENCE: c_int = 5;

/// Octets of a cache line.
const LINE: usize = 64;

/// Lines from one receive buffer to the next: two more than it holds, so that the first lines of
/// the buffers of a batch do not all fall into one set of the level-1 cache.
const RX_LINES: usize = MAX_UDP_QUERY / LINE + 2;

/// The same for responses, which are longer.
const TX_LINES: usize = MAX_UDP_RESPONSE / LINE + 5;

/// Room for the control messages of a datagram: `in6_pktinfo` (40 octets with its header) and the
/// count of drops (24).
const CONTROL: usize = 64;

/// Octets of `struct in_pktinfo`: interface, source to use, destination asked (ip(7)).
const PKTINFO_V4: c_uint = 12;

/// Octets of `struct in6_pktinfo`: address, interface (RFC 3542, section 6).
const PKTINFO_V6: c_uint = 20;

/// Where a datagram came from, and the address that it was sent to where the socket tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Origin {
    pub(super) peer: SocketAddr,
    pub(super) local: Option<IpAddr>,
}

/// What the kernel wrote about one datagram, read where somebody wants to know.
#[derive(Clone, Copy)]
pub(super) struct Envelope<'b> {
    name: &'b sockaddr_in6,
    head: &'b msghdr,
}

/// The datagrams of one system call, their responses, and all the memory for both.
pub(super) struct Batch {
    queries: Slab<Line>,
    responses: Slab<Line>,
    peers: Slab<sockaddr_in6>,
    rx_controls: Slab<Control>,
    tx_controls: Slab<Control>,
    rx: Slab<mmsghdr>,
    tx: Slab<mmsghdr>,
    rx_vectors: Slab<iovec>,
    tx_vectors: Slab<iovec>,
    /// Datagrams that the last [`Batch::receive`] brought.
    received: usize,
    /// Responses that wait for [`Batch::flush`].
    replies: usize,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

// SAFETY: the pointers inside lead to memory that the batch alone owns, wherever it is moved.
unsafe impl Send for Batch {}

impl Batch {
    /// Allocates everything that the batch will ever need.
    pub(super) fn new() -> Self {
        // SAFETY: these are plain C structures, for which all zeroes is a value.
        let (peer, head, vector): (sockaddr_in6, mmsghdr, iovec) =
            unsafe { (zeroed(), zeroed(), zeroed()) };
        let batch = Self {
            queries: Slab::new(BATCH * RX_LINES, Line([0; LINE])),
            responses: Slab::new(BATCH * TX_LINES, Line([0; LINE])),
            peers: Slab::new(BATCH, peer),
            rx_controls: Slab::new(BATCH, Control([0; CONTROL])),
            tx_controls: Slab::new(BATCH, Control([0; CONTROL])),
            rx: Slab::new(BATCH, head),
            tx: Slab::new(BATCH, head),
            rx_vectors: Slab::new(BATCH, vector),
            tx_vectors: Slab::new(BATCH, vector),
            received: 0,
            replies: 0,
        };
        for slot in 0..BATCH {
            // SAFETY: `at` gives pointers to elements that live as long as the batch, and nothing
            // else refers to them yet.
            unsafe {
                *batch.rx_vectors.at(slot) = iovec {
                    iov_base: batch.queries.at(slot * RX_LINES).cast(),
                    iov_len: MAX_UDP_QUERY,
                };
                *batch.tx_vectors.at(slot) =
                    iovec { iov_base: batch.responses.at(slot * TX_LINES).cast(), iov_len: 0 };
                let rx = &mut (*batch.rx.at(slot)).msg_hdr;
                rx.msg_name = batch.peers.at(slot).cast();
                rx.msg_iov = batch.rx_vectors.at(slot);
                rx.msg_iovlen = 1;
                rx.msg_control = batch.rx_controls.at(slot).cast();
                let tx = &mut (*batch.tx.at(slot)).msg_hdr;
                tx.msg_iov = batch.tx_vectors.at(slot);
                tx.msg_iovlen = 1;
            }
            batch.renew(slot);
        }
        batch
    }

    /// Takes what is queued on a UDP socket, up to [`BATCH`] datagrams, and never waits. What the
    /// batch held before is gone.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        for slot in 0..self.received {
            self.renew(slot);
        }
        self.received = 0;
        self.replies = 0;
        loop {
            // SAFETY: `rx` holds BATCH headers, each of which leads to a buffer, a name and a
            // control area of the stated lengths, owned by the batch and borrowed by nobody, since
            // `self` is borrowed mutably.
            let count = unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    self.rx.at(0),
                    VECTOR,
                    libc::MSG_DONTWAIT as _,
                    ptr::null_mut(),
                )
            };
            if let Ok(count) = usize::try_from(count) {
                self.received = count.min(BATCH);
                return Ok(self.received);
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => return Ok(0),
                _ => return Err(error),
            }
        }
    }

    /// The octets of datagram `slot`, cut at [`MAX_UDP_QUERY`].
    pub(super) fn query(&self, slot: usize) -> &[u8] {
        if slot >= self.received {
            return &[];
        }
        // SAFETY: the slot is below `received` and so within the slabs. The kernel has written
        // `msg_len` octets there; the buffer is initialised as a whole, `min` keeps to its length,
        // and it is written again only through `&mut self`.
        unsafe {
            let length = ((*self.rx.at(slot)).msg_len as usize).min(MAX_UDP_QUERY);
            slice::from_raw_parts(self.queries.at(slot * RX_LINES).cast(), length)
        }
    }

    /// Datagram `slot`, what is known of its sender, and room of [`MAX_UDP_RESPONSE`] octets for
    /// its response. All queries of a batch can be looked at before the first one is answered.
    pub(super) fn exchange(&mut self, slot: usize) -> (&[u8], Envelope<'_>, &mut [u8]) {
        // `replies` is below BATCH unless one slot is answered twice; then the last is replaced.
        let room = self.responses.at(self.replies.min(BATCH - 1) * TX_LINES);
        // SAFETY: `responses` has TX_LINES lines for each slot, at least MAX_UDP_RESPONSE octets,
        // initialised, apart from `queries`, and borrowed by nobody else while `self` is.
        let room = unsafe { slice::from_raw_parts_mut(room.cast(), MAX_UDP_RESPONSE) };
        (self.query(slot), self.envelope(slot), room)
    }

    /// Queues the first `length` octets of the room that [`Batch::exchange`] gave as the response
    /// to datagram `slot`. It leaves from the address that was asked, where the socket tells it.
    pub(super) fn reply(&mut self, slot: usize, length: usize) {
        if slot >= self.received || self.replies >= BATCH {
            return;
        }
        let local = self.envelope(slot).local();
        let reply = self.replies;
        // SAFETY: `slot` and `reply` are below BATCH and so within the slabs. The peer's name stays
        // as it is until the next `receive`, which also forgets the replies.
        unsafe {
            (*self.tx_vectors.at(reply)).iov_len = length.min(MAX_UDP_RESPONSE);
            let head = &mut (*self.tx.at(reply)).msg_hdr;
            head.msg_name = self.peers.at(slot).cast();
            head.msg_namelen = (*self.rx.at(slot)).msg_hdr.msg_namelen;
            set_source(head, &mut *self.tx_controls.at(reply), local);
        }
        self.replies += 1;
    }

    /// Sends what is queued and returns how many went out. A datagram that fails alone is told to
    /// `fault` and skipped.
    pub(super) fn flush(
        &mut self,
        socket: BorrowedFd<'_>,
        mut fault: impl FnMut(SendFault),
    ) -> usize {
        let (mut next, mut sent, mut waited) = (0, 0, false);
        while next < self.replies {
            // SAFETY: the headers from `next` on, `replies - next` of them, are within `tx`, and
            // `reply` has pointed each to a buffer, a name and a control area of the batch.
            let count = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    self.tx.at(next),
                    c_uint::try_from(self.replies - next).unwrap_or(1),
                    (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
                )
            };
            if let Some(count) = usize::try_from(count).ok().filter(|&count| count > 0) {
                next += count;
                sent += count;
                continue;
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock if !waited => {
                    waited = true;
                    wait_writable(socket);
                }
                _ => {
                    fault(SendFault::of(&error));
                    next += 1;
                }
            }
        }
        self.replies = 0;
        sent
    }

    /// Who sent datagram `slot`, and whereto.
    pub(super) fn origin(&self, slot: usize) -> Option<Origin> {
        if slot >= self.received {
            return None;
        }
        let envelope = self.envelope(slot);
        Some(Origin { peer: envelope.peer()?, local: envelope.local() })
    }

    /// What is known of the sender of datagram `slot`.
    fn envelope(&self, slot: usize) -> Envelope<'_> {
        // SAFETY: `at` checks the slot. Both live as long as the batch and are initialised, and
        // neither they nor the control area behind the header are written but through `&mut self`.
        unsafe { Envelope { name: &*self.peers.at(slot), head: &(*self.rx.at(slot)).msg_hdr } }
    }

    /// How many datagrams the kernel has dropped on this socket since it was opened, as told with
    /// the last datagram; absent while it has dropped none.
    pub(super) fn drops(&self) -> Option<u32> {
        let slot = self.received.checked_sub(1)?;
        let data = self.envelope(slot).control(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 4)?;
        Some(u32::from_ne_bytes(data.try_into().ok()?))
    }

    /// Gives a receive header its full lengths again; the kernel shortens them.
    fn renew(&self, slot: usize) {
        // SAFETY: `at` checks the slot, and only the thread that owns the batch is here.
        let head = unsafe { &mut (*self.rx.at(slot)).msg_hdr };
        head.msg_namelen = length_of::<sockaddr_in6>();
        head.msg_controllen = CONTROL as _;
        head.msg_flags = 0;
    }
}

impl<'b> Envelope<'b> {
    /// Whether it came over IPv4.
    pub(super) fn is_ipv4(&self) -> bool {
        c_int::from(self.name.sin6_family) == libc::AF_INET
    }

    /// Who sent it; absent where the kernel wrote a name of a family that we have no socket of.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match c_int::from(self.name.sin6_family) {
            libc::AF_INET => {
                // SAFETY: the kernel has written a name of the family it states; `sockaddr_in` is
                // smaller than `sockaddr_in6` and needs no stricter alignment.
                let name = unsafe { &*ptr::from_ref(self.name).cast::<sockaddr_in>() };
                let ip = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
            }
            libc::AF_INET6 => {
                let name = self.name;
                let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
                let port = u16::from_be(name.sin6_port);
                Some(SocketAddrV6::new(ip, port, name.sin6_flowinfo, name.sin6_scope_id).into())
            }
            _ => None,
        }
    }

    /// The address that it was sent to, where the socket tells. A group address is left out:
    /// nobody may send from it.
    pub(super) fn local(&self) -> Option<IpAddr> {
        if self.head.msg_controllen == 0 {
            return None;
        }
        let v4 = self.control(libc::IPPROTO_IP, libc::IP_PKTINFO, PKTINFO_V4);
        if let Some(&[_, _, _, _, a, b, c, d, ..]) = v4 {
            return Some(Ipv4Addr::new(a, b, c, d).into());
        }
        let v6 = self.control(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, PKTINFO_V6)?;
        let ip = Ipv6Addr::from(*v6.first_chunk::<16>()?);
        (!ip.is_multicast()).then_some(ip.into())
    }

    /// The first `length` octets of one of its control messages.
    fn control(&self, level: c_int, kind: c_int, length: c_uint) -> Option<&'b [u8]> {
        // SAFETY: the control area is owned by the batch that the envelope borrows from, and the
        // kernel has set `msg_controllen` to what it wrote there, so that the CMSG functions keep
        // to it. The data are read only where the message says that it holds so much.
        unsafe {
            let head = ptr::from_ref(self.head);
            let mut message: *const cmsghdr = libc::CMSG_FIRSTHDR(head);
            while let Some(found) = message.as_ref() {
                if found.cmsg_level == level && found.cmsg_type == kind {
                    let needed = libc::CMSG_LEN(length) as usize;
                    #[allow(
                        clippy::unnecessary_cast,
                        reason = "socklen_t in musl, size_t in glibc"
                    )]
                    let enough = found.cmsg_len as usize >= needed;
                    return enough
                        .then(|| slice::from_raw_parts(libc::CMSG_DATA(message), length as usize));
                }
                message = libc::CMSG_NXTHDR(head, message);
            }
        }
        None
    }
}

/// Sends one datagram, without waiting, from any thread.
pub(super) fn send_one(
    socket: BorrowedFd<'_>,
    origin: &Origin,
    message: &[u8],
) -> Result<(), SendFault> {
    let name = socket2::SockAddr::from(origin.peer);
    let mut vector = iovec { iov_base: message.as_ptr().cast_mut().cast(), iov_len: message.len() };
    let mut control = Control([0; CONTROL]);
    // SAFETY: a plain C structure, for which all zeroes is a value.
    let mut head: msghdr = unsafe { zeroed() };
    head.msg_name = name.as_ptr().cast_mut().cast();
    head.msg_namelen = name.len();
    head.msg_iov = &raw mut vector;
    head.msg_iovlen = 1;
    set_source(&mut head, &mut control, origin.local);
    loop {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the header leads to a name, a vector, a message and a control area that live
        // until the call returns; sendmsg only reads them.
        if unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const head, flags) } >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(SendFault::of(&error));
        }
    }
}

/// Makes a datagram leave from `source`. The interface is left open, so that routing chooses it.
fn set_source(head: &mut msghdr, control: &mut Control, source: Option<IpAddr>) {
    let mut data = [0; PKTINFO_V6 as usize];
    let (level, kind, length) = match source {
        None => {
            head.msg_control = ptr::null_mut();
            head.msg_controllen = 0;
            return;
        }
        Some(IpAddr::V4(ip)) => {
            data[4..8].copy_from_slice(&ip.octets());
            (libc::IPPROTO_IP, libc::IP_PKTINFO, PKTINFO_V4)
        }
        Some(IpAddr::V6(ip)) => {
            data[..16].copy_from_slice(&ip.octets());
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, PKTINFO_V6)
        }
    };
    head.msg_control = (&raw mut *control).cast();
    // SAFETY: CMSG_SPACE of the longer one is 40 octets and the area has CONTROL, aligned as a
    // header needs it, so that the first header and its data are within it; `data` is as long as
    // the longer one.
    unsafe {
        head.msg_controllen = libc::CMSG_SPACE(length) as _;
        let message = head.msg_control.cast::<cmsghdr>();
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = libc::CMSG_LEN(length) as _;
        ptr::copy_nonoverlapping(data.as_ptr(), libc::CMSG_DATA(message), length as usize);
    }
}

/// Waits until one of several descriptors can be read from.
pub(super) struct Poller {
    entries: Vec<pollfd>,
}

impl Poller {
    /// Polls these descriptors, which their owner keeps open as long as it waits.
    pub(super) fn new<'a>(descriptors: impl IntoIterator<Item = BorrowedFd<'a>>) -> Self {
        let entry =
            |fd: BorrowedFd<'_>| pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        Self { entries: descriptors.into_iter().map(entry).collect() }
    }

    /// Waits until one is readable, or for so long.
    pub(super) fn wait(&mut self, limit: Duration) -> io::Result<()> {
        poll(&mut self.entries, c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX))
    }

    /// Whether the last wait found descriptor `index` readable, or in error.
    pub(super) fn readable(&self, index: usize) -> bool {
        self.entries.get(index).is_some_and(|entry| entry.revents != 0)
    }
}

fn poll(entries: &mut [pollfd], limit: c_int) -> io::Result<()> {
    for entry in entries.iter_mut() {
        entry.revents = 0;
    }
    let count = libc::nfds_t::try_from(entries.len()).unwrap_or(0);
    // SAFETY: the pointer leads to `count` entries that are borrowed mutably.
    if unsafe { libc::poll(entries.as_mut_ptr(), count, limit) } < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(())
}

fn wait_writable(socket: BorrowedFd<'_>) {
    let mut entries = [pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 }];
    // What is wrong with the socket shows at the next send.
    let _ = poll(&mut entries, SEND_PATIENCE);
}

/// Raises the soft limit of open files to the hard one: the soft one is often 1,024, for the sake of
/// programs that use select(2), and each connection needs a file.
pub(super) fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls take a pointer to a structure that lives until they return.
    let done = unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit)
        } else {
            -1
        }
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets the receive buffer beyond `net.core.rmem_max`; needs `CAP_NET_ADMIN`.
pub(super) fn force_receive_buffer(socket: BorrowedFd<'_>, octets: c_int) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, octets)
}

/// Has the kernel tell with each datagram how many it has dropped.
pub(super) fn report_drops(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)
}

/// Has the kernel tell with each datagram which address it was sent to.
pub(super) fn report_destination(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

/// Has the kernel heed no path MTU that it was told, since a forged one makes it cut responses
/// into fragments, which can be replaced on their way.
pub(super) fn ignore_path_mtu(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    let (level, option, omit, dont) = if v6 {
        let (omit, dont) = (libc::IPV6_PMTUDISC_OMIT, libc::IPV6_PMTUDISC_DONT);
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, omit, dont)
    } else {
        let (omit, dont) = (libc::IP_PMTUDISC_OMIT, libc::IP_PMTUDISC_DONT);
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, omit, dont)
    };
    set(socket, level, option, omit).or_else(|_| set(socket, level, option, dont))
}

fn set(socket: BorrowedFd<'_>, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let value = &raw const value;
    // SAFETY: the pointer leads to a c_int that lives until the call returns.
    let done = unsafe {
        let length = length_of::<c_int>();
        libc::setsockopt(socket.as_raw_fd(), level, option, value.cast(), length)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The size of a structure as the socket calls want it.
#[expect(clippy::cast_possible_truncation, reason = "no structure here has 4 GiB")]
const fn length_of<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

/// An array on the heap that is reached through raw pointers only, since the kernel writes to it
/// by addresses that are stored in other arrays.
struct Slab<T> {
    first: NonNull<T>,
    length: usize,
}

impl<T: Copy> Slab<T> {
    fn new(length: usize, value: T) -> Self {
        let elements = Box::leak(vec![value; length].into_boxed_slice());
        Self { length, first: NonNull::from(elements).cast() }
    }

    /// A pointer to an element and all that follow it.
    fn at(&self, index: usize) -> *mut T {
        assert!(index < self.length, "no element {index} in a slab of {}", self.length);
        // SAFETY: the index is within the allocation.
        unsafe { self.first.add(index).as_ptr() }
    }
}

impl<T> Drop for Slab<T> {
    fn drop(&mut self) {
        let elements = ptr::slice_from_raw_parts_mut(self.first.as_ptr(), self.length);
        // SAFETY: `new` has leaked a box of just this address and length.
        drop(unsafe { Box::from_raw(elements) });
    }
}

/// Gives free memory back to the system, where the C library keeps it until told to.
///
/// Takes milliseconds in proportion to what is free; for after something large, off the query
/// threads.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes no pointer, may be called from any thread at any time, and gives
    // back only what no allocation lies in.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests;
