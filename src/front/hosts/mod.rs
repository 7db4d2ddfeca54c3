//! `hosts`: names of a hosts file, and of the Corefile itself, answered before the cluster's.
//!
//! The file is followed by the thread `hosts`, one for each directive that follows one. Query threads
//! hold the table of their last batch, as they hold a view.
#![forbid(unsafe_code)]

mod table;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::answer::{self, Cause, Outcome, PlainRecord, Query, Rcode, is_within};
use crate::config;
use crate::name::Name;

pub(super) use table::Table;

const A: u16 = 1;
const PTR: u16 = 12;
const AAAA: u16 = 28;
/// The class IN.
const IN: u16 = 1;

/// A `hosts` directive in effect. Dropped, its file is no longer followed.
#[derive(Debug)]
pub(super) struct Hosts {
    config: config::Hosts,
    pub(super) table: Arc<ArcSwap<Table>>,
    /// Never sent to: its end tells the thread to end.
    _stop: Sender<()>,
}

impl Hosts {
    /// Reads the file and follows it.
    pub(super) fn new(config: &config::Hosts) -> Self {
        let first = look(config, None);
        let stamp = first.as_ref().map(|read| read.0);
        let table =
            first.map_or_else(|| Table::new(&config.entries, "", config.reverse), |read| read.1);
        let table = Arc::new(ArcSwap::from_pointee(table));
        let (stop, stopped) = bounded(0);
        if !config.reload.is_zero() {
            let (followed, shown) = (config.clone(), Arc::clone(&table));
            let thread = std::thread::Builder::new()
                .name("hosts".into())
                .spawn(move || follow(&followed, stamp, &shown, &stopped));
            if let Err(fault) = thread {
                tracing::error!(%fault, "cannot follow {}; it stays as it is", config.file.display());
            }
        }
        Self { config: config.clone(), table, _stop: stop }
    }

    /// The answer to a query; none where it goes on to the next directive.
    pub(super) fn answer(
        &self,
        table: &Table,
        desk: &answer::Desk<'_>,
        message: &[u8],
        query: &Query,
        out: &mut [u8],
    ) -> Option<Outcome> {
        let (asked, qtype) = (query.asked(), query.qtype());
        if query.qclass() != IN {
            return None;
        }
        let ttl = self.config.ttl;
        let cause = Cause::Hosts;
        if qtype == PTR {
            // Zones are about names alone, and an address without a name is for whoever comes next.
            let names = table.address(answer::reverse_address(asked)?);
            let records = names.iter().map(|data| PlainRecord { rtype: PTR, ttl, data });
            return (!names.is_empty())
                .then(|| answer::plain_answer(desk, message, query, records, cause, out));
        }
        let holds = |zone: &Name| is_within(asked.name(), zone.as_wire());
        if !self.config.zones.iter().any(holds) {
            return None;
        }
        let Some([v4, v6]) = table.name(asked.name()) else {
            return if self.config.fallthrough.covers(asked.name()) {
                None
            } else {
                // A hosts file has no SOA record for a denial; CoreDNS says SERVFAIL too.
                Some(answer::error(desk, message, query, Rcode::ServFail, cause, out))
            };
        };
        let (rtype, set) = match qtype {
            A => (A, v4.as_slice()),
            AAAA => (AAAA, v6.as_slice()),
            _ if self.config.fallthrough_unsupported => return None,
            _ => (A, &[][..]),
        };
        let records = set.iter().map(|data| PlainRecord { rtype, ttl, data });
        Some(answer::plain_answer(desk, message, query, records, cause, out))
    }
}

/// When a file was changed, and how long it is.
type Stamp = (SystemTime, u64);

/// The file's table, unless it is as it was; a file that cannot be read is told of.
fn look(config: &config::Hosts, before: Option<Stamp>) -> Option<(Stamp, Table)> {
    match read(&config.file, before) {
        Ok(None) => None,
        Ok(Some((stamp, text))) => {
            Some((stamp, Table::new(&config.entries, &text, config.reverse)))
        }
        // CoreDNS starts without it, and takes it when it comes.
        Err(fault) => {
            if before.is_some() || fault.kind() != io::ErrorKind::NotFound {
                tracing::warn!("{}: cannot be read: {fault}", config.file.display());
            }
            None
        }
    }
}

fn read(path: &Path, before: Option<Stamp>) -> io::Result<Option<(Stamp, String)>> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    let stamp = (found.modified()?, found.len());
    if before == Some(stamp) {
        return Ok(None);
    }
    let mut octets = Vec::new();
    file.take(table::MAX_FILE).read_to_end(&mut octets)?;
    Ok(Some((stamp, String::from_utf8_lossy(&octets).into_owned())))
}

fn follow(
    config: &config::Hosts,
    mut stamp: Option<Stamp>,
    shown: &ArcSwap<Table>,
    stopped: &Receiver<()>,
) {
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(pause(config.reload)) {
        if let Some((next, table)) = look(config, stamp) {
            stamp = Some(next);
            if **shown.load() != table {
                shown.store(Arc::new(table));
            }
        }
    }
}

/// How long a file is left alone: what is asked for, but never so short that it takes a processor.
fn pause(reload: Duration) -> Duration {
    reload.max(Duration::from_millis(100))
}
