//! How one process takes over the sockets of another, so that an upgrade of the binary loses no
//! query: `--hand-over PATH`, a Unix socket that the one that serves listens on.
//!
//! The new process connects and is sent every socket (`SCM_RIGHTS`, unix(7)), an octet with each:
//! `1` the version of this talk, `t` a TCP listener, `u` a UDP socket, `e` the end. When it answers
//! from them it says `g`. The old one then takes nothing more from them and ends as at a stop. If
//! the new one fails before that, nothing has changed.
//!
//! The thread `hand-over` waits for whoever comes, one at a time; nobody waits for it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::sync::mpsc;

use crate::serve::Sockets;

const VERSION: u8 = b'1';
const TCP: u8 = b't';
const UDP: u8 = b'u';
const END: u8 = b'e';
const GO: u8 = b'g';

/// How long the other side may take for one octet of the talk; to begin to answer it may take
/// [`START_TIME`].
const TALK_TIME: Duration = Duration::from_secs(5);
/// How long the new process may take until it answers: its first lists, with room to spare.
const START_TIME: Duration = Duration::from_mins(5);
/// How many sockets are taken at most: more than any configuration opens.
const SOCKETS_MOST: usize = 16_384;

/// What the thread asks of whoever holds the sockets.
pub(super) enum Said {
    /// Somebody wants them.
    Share(SyncSender<anyhow::Result<Sockets>>),
    /// Somebody answers from them now.
    Taken,
}

/// The end of a talk at which the new process has the sockets, but does not answer yet.
pub(super) struct Predecessor(UnixStream);

impl Predecessor {
    /// Tells the old process that this one answers now.
    pub(super) fn go(mut self) -> io::Result<()> {
        self.0.write_all(&[GO])
    }
}

/// Takes the sockets of the process that listens at `path`; nothing where there is none.
pub(super) fn take(path: &Path) -> anyhow::Result<Option<(Sockets, Predecessor)>> {
    let stream = match UnixStream::connect(path) {
        Ok(stream) => stream,
        Err(fault)
            if matches!(fault.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            return Ok(None);
        }
        Err(fault) => {
            return Err(fault).with_context(|| format!("{} cannot be reached", path.display()));
        }
    };
    let talk = || format!("the process at {} does not hand over its sockets", path.display());
    let sockets = receive(&stream).with_context(talk)?;
    Ok(Some((sockets, Predecessor(stream))))
}

fn receive(stream: &UnixStream) -> anyhow::Result<Sockets> {
    stream.set_read_timeout(Some(TALK_TIME))?;
    let mut version = [0];
    (&mut &*stream).read_exact(&mut version)?;
    if version != [VERSION] {
        bail!("it speaks another version of the hand-over");
    }
    let mut tcp: BTreeMap<SocketAddr, TcpListener> = BTreeMap::new();
    let mut udp: BTreeMap<SocketAddr, Vec<UdpSocket>> = BTreeMap::new();
    for _ in 0..SOCKETS_MOST {
        match receive_one(stream)? {
            (TCP, Some(socket)) => {
                let listener = TcpListener::from(socket);
                tcp.insert(listener.local_addr()?, listener);
            }
            (UDP, Some(socket)) => {
                let socket = UdpSocket::from(socket);
                udp.entry(socket.local_addr()?).or_default().push(socket);
            }
            (END, None) => return together(tcp, udp),
            (octet, _) => bail!("it says {octet:#04x}, which means nothing here"),
        }
    }
    bail!("it has more than {SOCKETS_MOST} sockets")
}

fn together(
    tcp: BTreeMap<SocketAddr, TcpListener>,
    mut udp: BTreeMap<SocketAddr, Vec<UdpSocket>>,
) -> anyhow::Result<Sockets> {
    let mut all: Option<Sockets> = None;
    for (address, listener) in tcp {
        let sockets = udp.remove(&address).unwrap_or_default();
        let more = Sockets::of_address(listener, sockets)?;
        match &mut all {
            Some(all) => all.add(more),
            None => all = Some(more),
        }
    }
    all.context("it has no sockets")
}

/// One octet, and the socket that came with it.
fn receive_one(stream: &UnixStream) -> anyhow::Result<(u8, Option<OwnedFd>)> {
    let mut octet = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut room = [IoSliceMut::new(&mut octet)];
    let read = recvmsg(stream, &mut room, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if read.bytes == 0 {
        bail!("it has hung up");
    }
    let sockets = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    Ok((octet[0], sockets.flatten().next()))
}

/// Listens at a path for the process that comes next.
pub(super) struct Offer {
    path: PathBuf,
    said: mpsc::Receiver<Said>,
    taken: bool,
}

impl Offer {
    /// Begins to listen, in place of whoever listened at the path before.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot listen at {}", path.display());
        // Bound beside it and renamed, so that the path always leads to somebody.
        let beside = path.with_added_extension(format!("{}.new", std::process::id()));
        let listener = UnixListener::bind(&beside).with_context(cannot)?;
        // Who may connect may have the sockets.
        let own = fs::set_permissions(&beside, fs::Permissions::from_mode(0o600));
        let put = own.and_then(|()| fs::rename(&beside, path));
        if put.is_err() {
            let _ = fs::remove_file(&beside);
        }
        put.with_context(cannot)?;
        let (say, said) = mpsc::channel(1);
        thread::Builder::new()
            .name("hand-over".into())
            .spawn(move || wait(&listener, &say))
            .context("cannot start the thread that hands sockets over")?;
        Ok(Self { path: path.to_owned(), said, taken: false })
    }

    /// What the thread says next; for ever nothing once it has ended.
    pub(super) async fn said(&mut self) -> Said {
        match self.said.recv().await {
            Some(said) => {
                self.taken |= matches!(said, Said::Taken);
                said
            }
            None => std::future::pending().await,
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        // Once taken, the path is the successor's.
        if !self.taken {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn wait(listener: &UnixListener, say: &mpsc::Sender<Said>) {
    for stream in listener.incoming() {
        match stream.map_err(Into::into).and_then(|stream| hand_over(&stream, say)) {
            Ok(()) => {
                let _ = say.blocking_send(Said::Taken);
                return;
            }
            Err(error) => {
                tracing::warn!("the sockets were not handed over: {error:#}; answers go on here");
            }
        }
        if say.is_closed() {
            return;
        }
    }
}

fn hand_over(stream: &UnixStream, say: &mpsc::Sender<Said>) -> anyhow::Result<()> {
    stream.set_write_timeout(Some(TALK_TIME))?;
    stream.set_read_timeout(Some(START_TIME))?;
    let (answer, answered) = sync_channel(1);
    say.blocking_send(Said::Share(answer)).ok().context("the server is stopping")?;
    let sockets = answered.recv().context("the server is stopping")??;
    (&mut &*stream).write_all(&[VERSION])?;
    for (_, tcp, udp) in sockets.by_address() {
        send_one(stream, TCP, tcp.as_fd())?;
        for socket in udp {
            send_one(stream, UDP, socket.as_fd())?;
        }
    }
    (&mut &*stream).write_all(&[END])?;
    let mut said = [0];
    (&mut &*stream).read_exact(&mut said).context("the other process has given up")?;
    if said != [GO] {
        bail!("the other process says {:#04x}, which means nothing here", said[0]);
    }
    Ok(())
}

fn send_one(stream: &UnixStream, octet: u8, socket: BorrowedFd<'_>) -> anyhow::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let sockets = [socket];
    if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
        bail!("a socket does not fit into its message");
    }
    sendmsg(stream, &[IoSlice::new(&[octet])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}
