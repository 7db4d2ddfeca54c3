//! `transfer`: who is handed a zone, and a transfer that is under way.
//!
//! A query for one is judged on the thread that read it; what is to be handed over whole is made on the
//! runtime's threads, a message at a time, as the client takes them. It is counted and logged once, when
//! it has ended.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;

use super::clerk::{Source, Work, decide};
use super::finish::Ended;
use super::meter::Maker;
use super::plan::{Block, Plan};
use super::{Front, clerk};
use crate::answer::{self, Ahead, Asked, Cause, NoTransfer, Outcome, Query, Rcode, ZoneTransfer};
use crate::config::{Transfer, TransferTo};
use crate::name::Name;
use crate::serve::{Asker, Client, Messages, room};

/// How many zones a desk hands over at a time: secondaries are few, and each of them has a message of
/// 64 KiB under way, and a set of records, which may be large.
pub(super) const TRANSFERS: usize = 4;

/// The `transfer` directives of a block.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfers(Vec<Transfer>);

impl Transfers {
    pub(super) fn new(directives: &[Transfer]) -> Self {
        Self(directives.to_vec())
    }

    /// Whether no zone is handed over.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a zone is for this asker: as the directive says whose zone is the longest that holds
    /// the name. The port of `to` is for notifications alone, as CoreDNS has it.
    fn permit(&self, asked: &Asked, from: IpAddr) -> Result<(), NoTransfer> {
        // Clients of an IPv6 socket may come as IPv4-mapped addresses.
        let from = from.to_canonical();
        let holds = |transfer: &&Transfer| {
            let within = transfer.zones.iter().map(Name::as_wire);
            within.filter(|zone| answer::is_within(asked.name(), zone)).map(<[u8]>::len).max()
        };
        let nearest = self.0.iter().filter(|t| holds(t).is_some()).max_by_key(holds);
        let meant = |to: &TransferTo| match to {
            TransferTo::Anybody => true,
            TransferTo::Address(address) => address.ip().to_canonical() == from,
        };
        match nearest {
            None => Err(NoTransfer::Unlisted),
            Some(transfer) if transfer.to.iter().any(meant) => Ok(()),
            Some(_) => Err(NoTransfer::Stranger),
        }
    }
}

/// Answers a query for a zone, as far as one message does it.
#[cold]
pub(super) fn judge(
    block: Option<&Block>,
    desk: &answer::Desk<'_>,
    work: Work<'_>,
    out: &mut [u8],
) -> Outcome {
    let Work { message, query, asker, .. } = work;
    let permit = block.map_or(Err(NoTransfer::Unlisted), |block| {
        block.transfers.permit(query.asked(), asker.from().ip())
    });
    match permit {
        Ok(()) => answer::transfer(desk, message, query, out),
        Err(why) => refusal(desk, message, query, why, out),
    }
}

fn refusal(
    desk: &answer::Desk<'_>,
    message: &[u8],
    query: &Query,
    why: NoTransfer,
    out: &mut [u8],
) -> Outcome {
    answer::error(desk, message, query, Rcode::Refused, Cause::NoTransfer(why), out)
}

/// A transfer on its way to one client.
pub(super) struct Outgoing {
    plan: Arc<Plan>,
    client: Client,
    query: Query,
    message: Vec<u8>,
    began: Instant,
    content: Content,
    /// What was made of it so far: octets, and the first of them, which say how it went.
    octets: usize,
    head: Vec<u8>,
    cause: Cause,
}

/// What the messages are made of.
enum Content {
    Zone {
        transfer: Box<ZoneTransfer>,
        _permit: OwnedSemaphorePermit,
    },
    /// One message that stands ready, or none any more.
    Said(Option<Vec<u8>>),
}

impl Front {
    /// Begins the transfer that a clerk has found to be due. Things may have changed since, and what
    /// comes of it may be a refusal. `None` is silence.
    pub(super) fn hand_over(&self, message: Vec<u8>, client: Client) -> Option<Outgoing> {
        let plan = self.plan.load_full();
        let mut query = Query::default();
        let read = query.read(&message);
        let number = plan.block(plan.choose(query.asked()));
        let block = number.and_then(|number| plan.blocks.get(number));
        let view = block.and_then(|block| block.view.as_ref()).map(|view| view.load_full());
        let hosts = block.and_then(|block| block.hosts.as_ref()).map(|h| h.table.load_full());
        let source = Source { block, view: view.as_deref(), hosts: hosts.as_deref() };
        let (transport, rotation) = (client.transport, 0);
        let ahead = view.as_deref().and_then(|view| Ahead::of(view, query.asked()));
        let asker = Asker::of(&client);
        let work =
            Work { message: &message, query: &query, read, ahead, asker, transport, rotation };
        let mut out = vec![0; room(transport)];
        let desk = clerk::desk(source, work);
        let mut outcome = decide(source, work, &mut out);
        if outcome == Outcome::Transfer {
            outcome = judge(block, &desk, work, &mut out);
        }
        let permit = Arc::clone(&self.transfers).try_acquire_owned();
        let (content, cause) = match (outcome, permit) {
            (Outcome::Transfer, Ok(permit)) => {
                let transfer = Box::new(ZoneTransfer::new(view?, &message)?);
                (Content::Zone { transfer, _permit: permit }, Cause::Transfer)
            }
            (Outcome::Transfer, Err(_)) => {
                let outcome = refusal(&desk, &message, &query, NoTransfer::TooMany, &mut out);
                said(outcome, out)?
            }
            (other, _) => said(other, out)?,
        };
        let (began, head) = (Instant::now(), Vec::new());
        Some(Outgoing { plan, client, query, message, began, content, octets: 0, head, cause })
    }
}

/// A response that is one message.
fn said(outcome: Outcome, mut out: Vec<u8>) -> Option<(Content, Cause)> {
    let Outcome::Reply { len, cause, .. } = outcome else { return None };
    out.truncate(len);
    Some((Content::Said(Some(out)), cause))
}

impl Messages for Outgoing {
    fn next(&mut self, out: &mut [u8]) -> Option<usize> {
        let len = match &mut self.content {
            Content::Said(response) => {
                let response = response.take()?;
                out.get_mut(..response.len())?.copy_from_slice(&response);
                response.len()
            }
            Content::Zone { transfer, .. } => {
                let asked = self.query.asked();
                transfer.next(self.plan.settings_for(asked), out)?
            }
        };
        if self.head.is_empty() {
            self.head.extend_from_slice(out.get(..len.min(HEAD)).unwrap_or(&[]));
        }
        self.octets += len;
        Some(len)
    }
}

/// Octets of a header.
const HEAD: usize = 12;

/// Whether it has come to its end or the client has hung up: it has been answered.
impl Drop for Outgoing {
    fn drop(&mut self) {
        let maker = match self.cause {
            Cause::Transfer => Maker::Transfer,
            other => clerk::maker(other),
        };
        let cause = Some(self.cause);
        let ended = Ended { response: &self.head, octets: self.octets, maker, cause };
        self.plan.note(&self.message, &self.query, self.client, ended, self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(zones: &[&str], to: &[&str]) -> Transfer {
        let to = to.iter().map(|text| match *text {
            "*" => TransferTo::Anybody,
            address => TransferTo::Address(address.parse().unwrap()),
        });
        Transfer {
            zones: zones.iter().map(|zone| Name::parse(zone).unwrap()).collect(),
            to: to.collect(),
            source: None,
        }
    }

    #[test]
    fn the_longest_zone_says_who_may() {
        let transfers = Transfers::new(&[
            transfer(&["."], &["192.0.2.1:53", "[2001:db8::1]:5300"]),
            transfer(&["cluster.local", "example"], &["192.0.2.9:53"]),
            transfer(&["open.example"], &["*"]),
        ]);
        for (name, from, expected) in [
            ("other", "192.0.2.1", Ok(())),
            ("other", "::ffff:192.0.2.1", Ok(())),
            ("other", "2001:db8::1", Ok(())),
            ("other", "2001:db8::2", Err(NoTransfer::Stranger)),
            ("cluster.local", "192.0.2.1", Err(NoTransfer::Stranger)),
            ("cluster.local", "192.0.2.9", Ok(())),
            ("example", "192.0.2.9", Ok(())),
            ("open.example", "203.0.113.7", Ok(())),
            ("a.open.example", "203.0.113.7", Ok(())),
        ] {
            let name = Name::parse(name).unwrap();
            let head = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            let mut query = Query::default();
            query.read(&[&head, name.as_wire(), &[0, 252, 0, 1]].concat()).unwrap();
            let found = transfers.permit(query.asked(), from.parse().unwrap());
            assert_eq!(found, expected, "{name} {from}");
        }
        let query = Query::default();
        let nobody = Transfers::default();
        assert!(nobody.is_empty());
        let found = nobody.permit(query.asked(), "192.0.2.1".parse().unwrap());
        assert_eq!(found, Err(NoTransfer::Unlisted));
    }
}
