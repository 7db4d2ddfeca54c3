//! `_explain` in front of a name, TXT: why that name answers what it answers, for askers from the
//! networks of `explain`. Others get what they would get without it.
//!
//! Told apart only where the answer would be a denial or somebody else's, so that no other query pays
//! for it; told the deferred way, on a thread for blocking work.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Semaphore;

use super::finish::Said;
use super::meter::Maker;
use super::plan::Block;
use crate::answer::{self, Cause, Outcome, Query, Rcode, Record, Section, Settings, Transport};
use crate::config::{Cidr, ServerBlock};
use crate::name::Name;
use crate::registry::Registry;
use crate::serve::room;
use crate::why::{Explanation, Grounds, LABEL, explain};
use crate::zone::View;

/// The type TXT.
const TXT: u16 = 16;
/// The class IN.
const CLASS_IN: u16 = 1;
/// How many are told at a time, of each block: a Service with very many endpoints takes
/// milliseconds, and other work of the same threads shall not wait for a queue of such.
const AT_ONCE: usize = 2;
/// How many endpoints are told of one Service: as many as fit into the largest response.
const ENDPOINTS_MOST: usize = 1_000;
/// Octets of a response that are kept free for what stands behind the records: OPT with NSID.
const BEHIND: usize = 300;
/// Octets of a record beside its data: a pointer, type, class, TTL, length.
const RECORD: usize = 12;
/// The longest string of a TXT record, in octets (RFC 1035, section 3.3).
const STRING_MOST: usize = 255;

/// What of a block explains names.
#[derive(Clone, Debug)]
pub(super) struct Explainer {
    registry: Arc<Registry>,
    networks: Vec<Cidr>,
    upstreams: Vec<String>,
    turns: Arc<Semaphore>,
}

impl Block {
    /// Explains the names of the registry that publishes its view, to whom the configuration says.
    #[must_use]
    pub fn explained_by(mut self, registry: Arc<Registry>, config: &ServerBlock) -> Self {
        let kubernetes = config.kubernetes.as_ref();
        let networks = kubernetes.map_or_else(Vec::new, |found| found.explain.clone());
        let forward = config.forward.iter().flat_map(crate::config::Forward::addresses);
        let upstreams = forward.map(|address| address.to_string()).collect();
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        self.explainer = Some(Explainer { registry, networks, upstreams, turns });
        self
    }

    /// Whether a query whose answer is this asks for an explanation, and somebody who may.
    #[inline]
    pub(super) fn explains(&self, query: &Query, outcome: Outcome, from: IpAddr) -> bool {
        if query.qtype() != TXT {
            return false;
        }
        let denied = match outcome {
            // What is said before the cluster's names are looked at is not theirs to explain.
            Outcome::Reply { cause: Cause::Template | Cause::Hosts, .. } => false,
            Outcome::Reply { rcode: Rcode::NxDomain | Rcode::ServFail, .. }
            | Outcome::Reply { cause: Cause::NotOurs, .. }
            | Outcome::Forward => true,
            _ => false,
        };
        denied && query.asked().name().starts_with(LABEL) && self.may_ask(query, from)
    }

    #[cold]
    fn may_ask(&self, query: &Query, from: IpAddr) -> bool {
        let Some(explainer) = &self.explainer else { return false };
        // Clients of an IPv6 socket may come as IPv4-mapped addresses.
        let from = from.to_canonical();
        query.qclass() == CLASS_IN && explainer.networks.iter().any(|net| net.contains(from))
    }

    /// The explanation that a query asks for, as its response.
    pub(super) async fn explanation(
        &self,
        view: Arc<View>,
        transport: Transport,
        message: &[u8],
        query: &Query,
    ) -> Option<Said> {
        let explainer = self.explainer.clone()?;
        let name = Name::from_wire(query.asked().name().get(LABEL.len()..)?).ok()?;
        let settings = self.settings_for(query.asked());
        let desk = answer::Desk { view: Some(&view), settings, transport, rotation: 0 };
        let _turn = explainer.turns.clone().acquire_owned().await.ok()?;
        let (told_of, told_by) = (Arc::clone(&view), settings.clone());
        let told = tokio::task::spawn_blocking(move || explainer.tell(&told_of, &told_by, &name));
        let lines = told.await.ok()?;
        let room_for = match transport {
            // What does not fit is asked for again over TCP.
            Transport::Udp => usize::MAX,
            Transport::Stream => {
                answer::limit(&desk, query).saturating_sub(query.question_end() + BEHIND)
            }
        };
        let records = records(query.asked().name(), lines, room_for);
        let said = answer::Said {
            rcode: Rcode::NoError,
            authoritative: true,
            records: &records,
            error: None,
            cause: Cause::Plain,
        };
        let mut response = vec![0; room(transport)];
        let outcome = answer::written(&desk, message, query, &said, &mut response);
        let Outcome::Reply { len, cause, .. } = outcome else { return None };
        response.truncate(len);
        Some(Said { response, maker: Maker::Kubernetes, cause: Some(cause) })
    }
}

impl Explainer {
    fn tell(&self, view: &View, settings: &Settings, name: &Name) -> Vec<String> {
        let grounds = Grounds {
            registry: &self.registry,
            view,
            settings,
            upstreams: if settings.upstream { &self.upstreams } else { &[] },
            endpoints_most: ENDPOINTS_MOST,
            now: Some(SystemTime::now()),
        };
        explain(&grounds, name).lines()
    }
}

/// A record for each line, as many as there is room for; then one that says how many are left out.
fn records(owner: &[u8], lines: Vec<String>, room: usize) -> Vec<Record> {
    let size = |line: &str| RECORD + line.len() + line.len().div_ceil(STRING_MOST).max(1);
    let all = lines.iter().map(|line| size(line)).fold(0, usize::saturating_add);
    let mut left = room;
    if all > room {
        left = room.saturating_sub(size(&Explanation::lines_left_out(usize::MAX)));
    }
    let count = lines.len();
    let fit = |line: &String| {
        let fits = left.checked_sub(size(line));
        left = fits.unwrap_or(left);
        fits.is_some()
    };
    let mut told: Vec<String> = lines.into_iter().take_while(fit).collect();
    if told.len() < count {
        told.push(Explanation::lines_left_out(count - told.len()));
    }
    told.iter().map(|line| record(owner, line)).collect()
}

/// A TXT record of one line, cut into strings; nobody shall keep it.
fn record(owner: &[u8], line: &str) -> Record {
    let mut data = Vec::with_capacity(line.len() + 1);
    for string in line.as_bytes().chunks(STRING_MOST) {
        data.push(u8::try_from(string.len()).unwrap_or(u8::MAX));
        data.extend_from_slice(string);
    }
    let owner = owner.to_vec();
    Record { section: Section::Answer, owner, rtype: TXT, class: CLASS_IN, ttl: 0, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_by_the_last_record() {
        let lines = || vec!["a".repeat(300), "b".repeat(40), "c".repeat(50), "d".into()];
        let text = |record: &Record| {
            let strings = crate::name::labels(&record.data).map(String::from_utf8_lossy);
            strings.collect::<String>()
        };
        let all = records(b"\x01x\x00", lines(), usize::MAX);
        assert_eq!(all.iter().map(text).collect::<Vec<_>>(), lines());
        assert_eq!(all[0].data.len(), 302);
        let whole: usize = all.iter().map(|record| RECORD + record.data.len()).sum();
        assert_eq!(records(b"\x01x\x00", lines(), whole).len(), 4);
        let some = records(b"\x01x\x00", lines(), whole - 1);
        let texts: Vec<_> = some.iter().map(text).collect();
        assert_eq!(texts.last().map(|text| &**text), Some("more 2 lines"), "{texts:?}");
        assert!(some.iter().map(|record| RECORD + record.data.len()).sum::<usize>() < whole);
    }
}
