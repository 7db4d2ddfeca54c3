//! An explanation, put together.

use std::time::{SystemTime, UNIX_EPOCH};

use super::facts::{Explanation, RecordFacts, Status, ViewFacts, ViewState};
use super::objects::{Objects, wire_key};
use super::{findings, near, reason};
use crate::answer::{
    self, Cause, Desk, Outcome, Query, Rcode, STREAM_MOST, Settings, Transport, answers_in,
    reverse_address,
};
use crate::cluster::{Kind, ObjectKey};
use crate::name::Name;
use crate::registry::Registry;
use crate::zone::reverse::{claims_in, service_of};
use crate::zone::{View, ViewZone, ZoneKind};

const A: u16 = 1;
const PTR: u16 = 12;
/// The types that are asked for, in the order in which records are told: A, AAAA, CNAME, SRV, PTR, TXT,
/// NS and SOA.
const TYPES: [u16; 8] = [A, 28, 5, 33, PTR, 16, 2, 6];
/// How many records of one type are told: enough to see what a name answers; all endpoints are told
/// beside them.
const RECORDS_MOST: usize = 32;

/// What an explanation is made of.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'g> {
    /// The objects.
    pub registry: &'g Registry,
    /// What they have become.
    pub view: &'g View,
    /// What shapes answers.
    pub settings: &'g Settings,
    /// The upstreams, where names outside go on to some.
    pub upstreams: &'g [String],
    /// How many endpoints are told at most.
    pub endpoints_most: usize,
    /// The time, where ages are to be told: those of what has just been read tell nothing.
    pub now: Option<SystemTime>,
}

/// A name's place in the zones.
#[derive(Debug)]
pub(super) struct Place<'g> {
    /// The zone that holds it.
    pub(super) zone: Option<&'g ViewZone>,
    /// The labels in front of the zone's name.
    pub(super) labels: Vec<String>,
    /// The Service that it belongs to, whether that exists or not.
    pub(super) key: Option<ObjectKey>,
}

/// What is said to queries for a name.
#[derive(Debug, Default)]
struct Said {
    status: Status,
    cause: Cause,
    records: Vec<RecordFacts>,
    more: usize,
    chased: bool,
}

/// Says what a name answers, and why.
pub fn explain(grounds: &Grounds<'_>, name: &Name) -> Explanation {
    let place = Place::of(grounds.view, name);
    let said = ask(grounds, name);
    // Half a list tells nothing of what is missing.
    let is_whole = !grounds.registry.is_restored() && !matches!(said.cause, Cause::Waiting(_));
    let key = place.key.as_ref().filter(|_| is_whole);
    let objects = key.map(|key| Objects::of(grounds, key));
    let objects = objects.as_ref();
    let mut explanation = Explanation {
        name: name.to_string(),
        status: said.status,
        cause: said.cause.word().map(Into::into),
        by: by(grounds, &place, said.status),
        asks: None,
        why: reason::of(said.cause, grounds, &place, objects).or_else(|| restored(grounds)),
        records: said.records,
        more_records: said.more,
        view: Some(view(grounds)),
        ..Explanation::default()
    };
    explanation.asks = match said.status {
        Status::Forwarded => Some(explanation.name.clone()),
        _ if said.chased => explanation.records.last().map(|record| record.data.clone()),
        _ => None,
    };
    if let Some(objects) = objects {
        explanation.service = objects.service();
        explanation.sources = objects.sources();
        let endpoints = objects.endpoints().len();
        explanation.endpoints = objects.endpoints().to_vec();
        explanation.endpoints.truncate(grounds.endpoints_most);
        explanation.more_endpoints = endpoints.saturating_sub(grounds.endpoints_most);
    }
    explanation.findings = findings::of(grounds, &place, objects);
    if !matches!(said.status, Status::Exists | Status::Unknown) {
        explanation.near = near::names(grounds, name, &place);
    }
    explanation
}

/// Of a name in a part of the name space that has no zone of a cluster.
pub fn elsewhere(name: &Name, upstreams: &[String]) -> Explanation {
    let (name, is_asked) = (name.to_string(), !upstreams.is_empty());
    Explanation {
        status: if is_asked { Status::Forwarded } else { Status::Refused },
        by: is_asked.then(|| format!("upstreams {}", upstreams.join(", "))),
        asks: is_asked.then(|| name.clone()),
        why: (!is_asked).then(|| reason::NOT_OURS.to_owned()),
        name,
        ..Explanation::default()
    }
}

impl<'g> Place<'g> {
    pub(super) fn of(view: &'g View, name: &Name) -> Self {
        let zone = view.zones().iter().find(|zone| name.is_within(&zone.zone.name));
        let own = name.label_count().saturating_sub(zone.map_or(0, |zone| zone.labels));
        let labels: Vec<String> = name.labels().take(own).map(text).collect();
        let key = match zone.map(|zone| zone.zone.kind) {
            Some(ZoneKind::Forward) => key_of(&labels),
            Some(_) => claimant(view, name),
            None => None,
        };
        Self { zone, labels, key }
    }
}

/// `[…].S.N.svc` and `[…].S.N.endpoints`.
fn key_of(labels: &[String]) -> Option<ObjectKey> {
    let [.., service, namespace, last] = labels else { return None };
    matches!(&**last, "svc" | "endpoints").then(|| ObjectKey::new(namespace, service))
}

/// The first Service that claims the address of a reverse name.
fn claimant(view: &View, name: &Name) -> Option<ObjectKey> {
    let mut query = Query::default();
    query.read(&message(name, PTR)).ok()?;
    let address = reverse_address(query.asked())?;
    let (cluster, claim) = claims_in(view.claims(address)?).next()?;
    let mut labels = crate::name::labels(service_of(cluster, claim)).map(text);
    let (service, namespace) = (labels.next()?, labels.next()?);
    Some(ObjectKey::new(&namespace, &service))
}

fn text(label: &[u8]) -> String {
    String::from_utf8_lossy(label).into_owned()
}

/// A query with EDNS, since there is more to tell then.
fn message(name: &Name, qtype: u16) -> Vec<u8> {
    let header = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    let [high, low] = qtype.to_be_bytes();
    let opt = [0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0];
    [&header[..], name.as_wire(), &[high, low, 0, 1], &opt].concat()
}

/// Whether a name exists here: that of a Service, say.
pub(super) fn exists(grounds: &Grounds<'_>, name: &Name) -> bool {
    let mut out = vec![0; usize::from(answer::UDP_MOST)];
    let desk = desk(grounds, Transport::Udp);
    let outcome = answer::answer(&desk, &message(name, A), &mut Query::default(), &mut out);
    matches!(outcome, Outcome::Reply { rcode: Rcode::NoError, .. } | Outcome::Chase(_))
}

fn desk<'g>(grounds: &Grounds<'g>, transport: Transport) -> Desk<'g> {
    Desk { view: Some(grounds.view), settings: grounds.settings, transport, rotation: 0 }
}

/// Asks for every type; what becomes of the first, A, is what becomes of the name.
fn ask(grounds: &Grounds<'_>, name: &Name) -> Said {
    let mut said = Said::default();
    let (mut query, mut out) = (Query::default(), vec![0; STREAM_MOST]);
    let desk = desk(grounds, Transport::Stream);
    for (at, qtype) in TYPES.into_iter().enumerate() {
        match answer::answer(&desk, &message(name, qtype), &mut query, &mut out) {
            Outcome::Reply { len, rcode, cause } => {
                if at == 0 {
                    (said.status, said.cause) = (status(rcode), cause);
                }
                let lines = answers_in(out.get(..len).unwrap_or_default());
                said.more += lines.len().saturating_sub(RECORDS_MOST);
                for line in lines.into_iter().take(RECORDS_MOST) {
                    let record = record(&line.to_string());
                    said.records.extend(record.filter(|found| !said.records.contains(found)));
                }
            }
            Outcome::Chase(_) => said.chased = true,
            Outcome::Forward => {
                said.status = Status::Forwarded;
                break;
            }
            Outcome::Silence | Outcome::Transfer => {}
        }
    }
    // That of one type is nothing about a name that has others.
    if said.cause == Cause::NoData && !said.records.is_empty() {
        said.cause = Cause::Plain;
    }
    said
}

fn status(rcode: Rcode) -> Status {
    match rcode {
        Rcode::NoError => Status::Exists,
        Rcode::NxDomain => Status::Missing,
        Rcode::Refused => Status::Refused,
        _ => Status::Unknown,
    }
}

/// A line of a zone file: owner, TTL, class, type, data.
pub(super) fn record(line: &str) -> Option<RecordFacts> {
    let mut words = line.splitn(5, ' ');
    let (owner, ttl) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
    let (_class, rtype, data) = (words.next()?, words.next()?.to_owned(), words.next()?.to_owned());
    Some(RecordFacts { owner, ttl, rtype, data })
}

/// The objects of a restored state are on the disk alone.
fn restored(grounds: &Grounds<'_>) -> Option<String> {
    let text = "the objects of this state are not at hand; see 'explain --snapshot FILE'";
    grounds.registry.is_restored().then(|| text.to_owned())
}

fn by(grounds: &Grounds<'_>, place: &Place<'_>, status: Status) -> Option<String> {
    match (status, place.zone) {
        (Status::Forwarded, _) if grounds.upstreams.is_empty() => Some("the upstreams".into()),
        (Status::Forwarded, _) => Some(format!("upstreams {}", grounds.upstreams.join(", "))),
        (_, Some(zone)) => Some(format!("kubernetes {}", zone.zone.name)),
        (_, None) => None,
    }
}

fn view(grounds: &Grounds<'_>) -> ViewFacts {
    let Grounds { registry, view, now, .. } = grounds;
    let last = registry.published().last;
    let age = now.zip(last).and_then(|(now, last)| now.duration_since(last).ok());
    let age = age.map(|age| age.as_secs());
    let waiting: Vec<&str> = view.waiting().iter().map(Kind::resource).collect();
    let (state, note) = match (view.doubt(), waiting.is_empty()) {
        (Some(doubt), _) => (ViewState::Doubtful, Some(doubt.to_owned())),
        (None, false) => (ViewState::Waiting, Some(format!("for {}", waiting.join(", ")))),
        (None, true) => (ViewState::Complete, None),
    };
    ViewFacts { serial: view.serial(), age, state, note }
}

/// For how many seconds what is there since `since` has been there.
pub(super) fn age(grounds: &Grounds<'_>, since: u32) -> Option<u64> {
    let now = grounds.now?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (since > 0).then(|| now.saturating_sub(u64::from(since)))
}

/// Whether the view has a record of this Service.
pub(super) fn is_served(grounds: &Grounds<'_>, key: &ObjectKey) -> bool {
    wire_key(key).is_some_and(|key| grounds.view.service(&key).is_some())
}
