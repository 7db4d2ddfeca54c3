//! Asks `/health` once a second, as CoreDNS does, and counts how soon it replied: a process that
//! gets no processor shows there first.
#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::front::Histogram;

/// Upper bounds of the buckets: CoreDNS's.
pub(super) const BOUNDS: [Duration; 5] = [
    Duration::from_micros(250),
    Duration::from_micros(2_500),
    Duration::from_millis(25),
    Duration::from_millis(250),
    Duration::from_millis(2_500),
];
/// From one request to the next.
const EVERY: Duration = Duration::from_secs(1);
/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(5);

const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const GOOD: &[u8] = b"HTTP/1.1 200 ";

/// What was found so far; nothing where nobody asks.
#[derive(Default)]
pub(super) struct Pulse(Mutex<Option<(Histogram, u64)>>);

impl Pulse {
    /// Asks there without end.
    pub(super) async fn feel(&self, health: SocketAddr) {
        let none = Histogram { buckets: vec![0; BOUNDS.len() + 1], sum: 0 };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((none, 0));
        let address = reachable(health);
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let began = Instant::now();
            let asked = tokio::time::timeout(PATIENCE, ask(address)).await;
            self.note(began.elapsed(), matches!(asked, Ok(Ok(true))));
        }
    }

    /// How long replies took, in nanoseconds, and how many requests failed.
    pub(super) fn read(&self) -> Option<(Histogram, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, took: Duration, good: bool) {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((times, failures)) = found.as_mut() else { return };
        if !good {
            *failures += 1;
        }
        let bucket = BOUNDS.iter().take_while(|bound| took > **bound).count();
        if let Some(count) = times.buckets.get_mut(bucket) {
            *count += 1;
        }
        times.sum = times.sum.saturating_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// Nobody can connect to a wildcard.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            SocketAddr::from((Ipv4Addr::LOCALHOST, v4.port()))
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::from((Ipv6Addr::LOCALHOST, v6.port()))
        }
        other => other,
    }
}

async fn ask(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(REQUEST).await?;
    let mut start = [0; GOOD.len()];
    stream.read_exact(&mut start).await?;
    Ok(start == GOOD)
}
