//! TCP: accepts connections, as many as the limits allow. Runs on the runtime's threads.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tracing::{error, warn};

use super::connection::Connection;
use super::server::{Common, Stage};
use super::tally::{Connections, Count};
use super::{Client, Desk, Transport};

/// The first pause after the kernel could not accept for want of descriptors or memory.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// The longest: each failure doubles it, so that a server without descriptors neither burns a
/// processor nor stays away for long.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Accepts until the server stops, and what had connected before then.
pub(super) async fn accept<D: Desk>(
    listener: StdListener,
    common: Arc<Common<D>>,
    alive: mpsc::Sender<Infallible>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(fault) => return error!(%fault, "cannot accept TCP connections"),
    };
    let mut stop = pin!(common.reached(Stage::Given));
    let mut pause = SHORTEST_PAUSE;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                pause = SHORTEST_PAUSE;
                welcome(stream, client, &common, &alive);
            }
            Err(fault) => {
                common.door.accept_faults.add_shared(1);
                if !lacks_resources(&fault) {
                    // The connection failed, not the listener.
                    continue;
                }
                warn!(%fault, ?pause, "cannot accept TCP connections; trying again");
                tokio::select! {
                    () = &mut stop => break,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    if common.stage() == Stage::Given {
        return;
    }
    // The kernel itself is asked, since the runtime may not have heard of the last ones yet.
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, client)) = listener.accept() {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            welcome(stream, client, &common, &alive);
        }
    }
}

fn welcome<D: Desk>(
    stream: TcpStream,
    from: SocketAddr,
    common: &Arc<Common<D>>,
    alive: &mpsc::Sender<Infallible>,
) {
    // Dropped here, the connection is closed.
    let Some(pass) = common.door.admit(from.ip()) else { return };
    let client = Client { from, local: stream.local_addr().ok(), transport: Transport::Stream };
    let (common, alive) = (Arc::clone(common), alive.clone());
    tokio::spawn(async move {
        Connection::new(stream, client, common).run().await;
        drop((pass, alive));
    });
}

fn lacks_resources(fault: &io::Error) -> bool {
    matches!(fault.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// Counts connections, in all and by client address, and keeps to the limits.
pub(super) struct Door {
    limit: usize,
    limit_per_client: usize,
    open: AtomicUsize,
    by_client: DashMap<IpAddr, usize>,
    accepted: Count,
    refused: Count,
    refused_client: Count,
    pub(super) timed_out: Count,
    accept_faults: Count,
}

impl Door {
    pub(super) fn new(limit: usize, limit_per_client: usize) -> Self {
        Self {
            limit,
            limit_per_client,
            open: AtomicUsize::new(0),
            by_client: DashMap::new(),
            accepted: Count::default(),
            refused: Count::default(),
            refused_client: Count::default(),
            timed_out: Count::default(),
            accept_faults: Count::default(),
        }
    }

    /// Lets one more connection in, if there is room. The pass makes room again when dropped.
    fn admit(self: &Arc<Self>, client: IpAddr) -> Option<Pass> {
        if self.open.fetch_add(1, Relaxed) >= self.limit {
            self.open.fetch_sub(1, Relaxed);
            self.refused.add_shared(1);
            return None;
        }
        {
            let mut held = self.by_client.entry(client).or_insert(0);
            if *held >= self.limit_per_client {
                drop(held);
                self.open.fetch_sub(1, Relaxed);
                self.refused_client.add_shared(1);
                return None;
            }
            *held += 1;
        }
        self.accepted.add_shared(1);
        Some(Pass { door: Arc::clone(self), client })
    }

    pub(super) fn read(&self) -> Connections {
        Connections {
            open: self.open.load(Relaxed) as u64,
            accepted: self.accepted.get(),
            refused: self.refused.get(),
            refused_client: self.refused_client.get(),
            timed_out: self.timed_out.get(),
            accept_faults: self.accept_faults.get(),
        }
    }
}

/// The right to one open connection.
struct Pass {
    door: Arc<Door>,
    client: IpAddr,
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Entry::Occupied(mut held) = self.door.by_client.entry(self.client) {
            if *held.get() <= 1 {
                held.remove();
            } else {
                *held.get_mut() -= 1;
            }
        }
        self.door.open.fetch_sub(1, Relaxed);
    }
}
