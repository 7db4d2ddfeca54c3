//! The client that is used now, made anew where the API server and it do not trust each other.
//!
//! kube reads a token's file again once a minute, and an authority's where it is the service
//! account's or a Corefile's; whatever else a kubeconfig holds or names, a client keeps as it was.
//! So the configuration is read again when it has turned out to be out of date: certificates, keys
//! and tokens are changed without a restart, and at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use kube::Client;
use tokio::runtime::Handle;

use super::connect::{ConnectError, Server, connect};

/// The least time between two readings: a plugin that gets credentials is a process each time.
const RENEW: Duration = Duration::from_secs(1);

/// The way to one API server.
pub(super) struct Access {
    server: Server,
    url: String,
    client: ArcSwap<Client>,
    reading: Mutex<Reading>,
}

/// How the configuration was last read.
struct Reading {
    at: Instant,
    failed: bool,
}

impl Access {
    /// Reads the configuration. To be called on the runtime that is to carry the client's work.
    pub(super) async fn new(server: &Server) -> Result<Self, ConnectError> {
        let (client, url) = connect(server).await?;
        Ok(Self {
            server: server.clone(),
            url,
            client: ArcSwap::from_pointee(client),
            reading: Mutex::new(Reading { at: Instant::now(), failed: false }),
        })
    }

    /// The API server's URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The client to ask with.
    pub(super) fn client(&self) -> Client {
        Client::clone(&self.client.load())
    }

    /// Reads the configuration again, unless that has just been done. What cannot be read changes
    /// nothing.
    pub(super) async fn renew(&self) {
        {
            let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
            if reading.at.elapsed() < RENEW {
                return;
            }
            reading.at = Instant::now();
        }
        let (server, runtime) = (self.server.clone(), Handle::current());
        // Aside, since a plugin may take its time, and the watches go on meanwhile.
        let made = tokio::task::spawn_blocking(move || runtime.block_on(connect(&server))).await;
        let fault = match made {
            Ok(Ok((client, url))) if url == self.url => {
                self.client.store(Arc::new(client));
                None
            }
            Ok(Ok((_, url))) => Some(format!(
                "the configuration leads to {url} now; restart to leave {} for it",
                self.url
            )),
            Ok(Err(error)) => Some(format!("{error}; what was read before is used on")),
            // It was ended with the runtime.
            Err(_) => return,
        };
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = &fault
            && !reading.failed
        {
            tracing::warn!("{fault}");
        }
        reading.failed = fault.is_some();
    }
}
