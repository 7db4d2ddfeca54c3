//! The queries that wait for somebody else: how many there may be, over all transports.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::shares::{Full, Place, Shares};
use super::tally::Counters;

/// Lets deferred queries in, and tells when the last one has ended.
#[derive(Debug)]
pub(super) struct Gate {
    shares: Arc<Shares>,
    /// As many permits as there are shares, since these can be waited for.
    permits: Arc<Semaphore>,
}

/// The right to one deferred query.
pub(super) struct Pass {
    _place: Place,
    _permit: OwnedSemaphorePermit,
}

impl Gate {
    pub(super) fn new(limit: usize) -> Self {
        let permits = Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
        Self { shares: Arc::new(Shares::new(limit)), permits }
    }

    /// Lets one more in, if there is room for this client's.
    pub(super) fn admit(&self, client: IpAddr) -> Result<Pass, Full> {
        let place = self.shares.take(client)?;
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| Full::All)?;
        Ok(Pass { _place: place, _permit: permit })
    }

    /// How many are in.
    pub(super) fn now(&self) -> usize {
        self.shares.limit().saturating_sub(self.permits.available_permits())
    }

    /// Ends when none is in. From then on none is let in.
    pub(super) async fn emptied(&self) {
        let all = u32::try_from(self.shares.limit()).unwrap_or(u32::MAX);
        if let Ok(all) = self.permits.acquire_many(all).await {
            all.forget();
        }
    }
}

impl Counters {
    /// The counter of queries that were not let in for this reason.
    pub(super) fn overload(&self, full: Full) -> &super::Count {
        match full {
            Full::All => &self.overloads,
            Full::Client => &self.overloads_client,
        }
    }
}
