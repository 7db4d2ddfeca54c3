//! The immutable view that queries are answered from, published whole.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::choice::Choice;
use super::claims::{Claim, differences};
use super::record::Record;
use super::reverse::{address_key, address_of, ancestors, merge_claims, pod_key};
use super::spec::{Spec, Zone};
use super::table::{Table, Updates};
use crate::cluster::{Kind, KindSet, Refused};
use crate::name::Name;

/// The largest TTL of an SOA record, in seconds: how long a denial may be believed.
const SOA_TTL_MOST: u32 = 300;
/// SOA timers in seconds: refresh, retry, expire.
const SOA_TIMERS: [u32; 3] = [7_200, 1_800, 86_400];

/// What every name of one `kubernetes` block answers.
#[derive(Clone, Debug)]
pub struct View {
    spec: Arc<Spec>,
    zones: Arc<[ViewZone]>,
    primary: Name,
    table: Table,
    serial: u32,
    soa: [u8; SOA_LEN],
    waiting: KindSet,
    refused: Refused,
    doubt: Option<Arc<str>>,
}

/// What of a view is not records.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// The kinds whose first full list is not complete.
    pub waiting: KindSet,
    /// The kinds that may not be listed as things stand.
    pub refused: Refused,
    /// Why the records may be out of date, in words for the asker: they are the last known good
    /// state of an earlier run, or the API server has been out of touch for a while.
    pub doubt: Option<Arc<str>>,
}

/// Octets of a forward zone's SOA record whose names end in pointers to the zone.
pub const SOA_LEN: usize = 54;
/// Where in it those pointers stand: the owner, and the ends of MNAME and RNAME.
pub const SOA_POINTERS: [usize; 3] = [0, 19, 32];

/// A zone with what is made ready once.
#[derive(Clone, Debug)]
pub struct ViewZone {
    /// The zone.
    pub zone: Zone,
    /// How many labels its name has.
    pub labels: usize,
    /// Names in it that do not exist go on.
    pub falls: Falls,
}

/// Which names of a zone go on to what follows when they do not exist.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Falls {
    /// None.
    No,
    /// Every one.
    All,
    /// Those at or below one of these.
    Below(Vec<Name>),
}

/// What happened to a view's contents, ready to be put in.
#[derive(Debug, Default)]
pub struct Delta {
    /// Exposed namespaces that came (true) or went.
    pub namespaces: BTreeMap<Box<[u8]>, bool>,
    /// Services by key (`S.N` in wire form): the new record, or none.
    pub services: BTreeMap<Box<[u8]>, Option<Vec<u8>>>,
    /// Addresses of live pods, by namespace label in wire form, that came (true) or went.
    pub pods: BTreeMap<(Box<[u8]>, IpAddr), bool>,
}

impl View {
    /// A view without contents, for which no kind has been listed yet.
    pub fn empty(spec: Arc<Spec>, seed: u64) -> Self {
        let waiting = spec.needed_kinds();
        let zones = sorted_zones(&spec);
        let forward = spec.zones.iter().find(|zone| !zone.is_reverse());
        let primary = forward.or(spec.zones.first()).map_or_else(Name::root, |z| z.name.clone());
        let soa = soa(spec.ttl, 0);
        Self {
            spec,
            zones,
            primary,
            table: Table::new(seed),
            serial: 0,
            soa,
            waiting,
            refused: Refused::default(),
            doubt: None,
        }
    }

    /// What the configuration says.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The zones, those with the most labels first.
    #[inline]
    pub fn zones(&self) -> &[ViewZone] {
        &self.zones
    }

    /// The zone that PTR targets and a reverse zone's own names stand in: the first forward one.
    pub fn primary_zone(&self) -> &Name {
        &self.primary
    }

    /// The serial of every zone's SOA record.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// A forward zone's SOA record, ready but for its pointers to the zone, which belong at
    /// [`SOA_POINTERS`].
    #[inline]
    pub fn soa(&self) -> &[u8; SOA_LEN] {
        &self.soa
    }

    /// The TTL of the SOA record, which is how long a denial may be believed (RFC 2308, section 5).
    pub fn soa_ttl(&self) -> u32 {
        soa_ttl(self.spec.ttl)
    }

    /// The numbers of every SOA record: serial, refresh, retry, expire, minimum.
    pub fn soa_numbers(&self) -> [u32; 5] {
        soa_numbers(self.spec.ttl, self.serial)
    }

    /// The kinds whose first full list is not complete.
    #[inline]
    pub fn waiting(&self) -> KindSet {
        self.waiting
    }

    /// The kinds that may not be listed as things stand.
    pub fn refused(&self) -> Refused {
        self.refused
    }

    /// Why the records may be out of date, if they may (RFC 8914, sections 4.4 and 4.20).
    #[inline]
    pub fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    /// The same records in another state, which no query's records tell apart.
    #[must_use]
    pub fn in_state(&self, state: State) -> Self {
        let State { waiting, refused, doubt } = state;
        Self { waiting, refused, doubt, ..self.clone() }
    }

    /// The same view with a serial of at least this.
    #[must_use]
    pub fn with_serial(mut self, least: u32) -> Self {
        self.serial = self.serial.max(least);
        self.soa = soa(self.spec.ttl, self.serial);
        self
    }

    /// Names, addresses, namespaces and what each answers.
    #[inline]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The record of the Service with this key, `S.N` in wire form and lower case.
    pub fn service(&self, key: &[u8]) -> Option<Record<'_>> {
        self.table.get(key).and_then(Record::new)
    }

    /// Whether a namespace, its label in wire form and lower case, exists and is exposed.
    pub fn has_namespace(&self, label: &[u8]) -> bool {
        self.table.get(label).is_some()
    }

    /// Whether a live pod of the namespace has this address.
    pub fn has_pod(&self, namespace: &[u8], address: IpAddr) -> bool {
        self.table.get(pod_key(namespace, address).as_slice()).is_some()
    }

    /// The claims on an address, in the form that [`super::reverse::claims_in`] reads.
    pub fn claims(&self, address: IpAddr) -> Option<&[u8]> {
        self.table.get(address_key(address).as_slice())
    }

    /// The view in which the changes have been made, or none if no query could tell the difference.
    /// The serial moves with the records and the names that wait, not with doubt about them or with
    /// why they wait.
    /// The changes come in parts, so that never all of a large change is held beside the views;
    /// nobody sees a part of them. `now` is Unix time in seconds, for the serial.
    pub fn with(
        &self,
        deltas: impl IntoIterator<Item = Delta>,
        state: State,
        now: u32,
    ) -> Option<Self> {
        let mut table: Option<Table> = None;
        for delta in deltas {
            let updates = updates(table.as_ref().unwrap_or(&self.table), delta, &self.spec);
            if !updates.is_empty() {
                table.get_or_insert_with(|| self.table.clone()).update(&updates);
            }
        }
        if table.is_none() && state.waiting == self.waiting {
            let same = state.doubt == self.doubt && state.refused == self.refused;
            return (!same).then(|| self.in_state(state));
        }
        let serial = self.serial.saturating_add(1).max(now);
        Some(Self {
            spec: Arc::clone(&self.spec),
            zones: Arc::clone(&self.zones),
            primary: self.primary.clone(),
            table: table.unwrap_or_else(|| self.table.clone()),
            serial,
            soa: soa(self.spec.ttl, serial),
            waiting: state.waiting,
            refused: state.refused,
            doubt: state.doubt,
        })
    }

    /// All addresses that answer PTR queries, sorted.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut all: Vec<IpAddr> =
            self.table.iter().filter_map(|(key, _)| address_of(key)).collect();
        all.sort_unstable();
        all
    }

    /// How many selector-less Services with a cluster IP are answered how.
    pub fn choices(&self) -> BTreeMap<Choice, usize> {
        let mut counts = BTreeMap::new();
        let records = self.service_entries().filter_map(|(_, body)| Record::new(body));
        for choice in records.filter_map(Record::choice) {
            *counts.entry(choice).or_default() += 1;
        }
        counts
    }

    /// How many Services have names.
    pub fn service_count(&self) -> usize {
        self.service_entries().count()
    }

    /// The keys of all Services and their records, in no order.
    fn service_entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.table.iter().filter(|(key, _)| is_service(key))
    }

    /// The Service at a place, its key and its record, in no order that means anything; the place is
    /// then that of the next one. `None` behind the last.
    pub fn next_service(&self, place: &mut ServicePlace) -> Option<(&[u8], Record<'_>)> {
        loop {
            let mut services = self.table.part(place.part)?.filter(|(key, _)| is_service(key));
            if let Some((key, body)) = services.nth(place.entry) {
                place.entry += 1;
                if let Some(record) = Record::new(body) {
                    return Some((key, record));
                }
                continue;
            }
            *place = ServicePlace { part: place.part + 1, entry: 0 };
        }
    }

    /// The keys of all Services (`S.N` in wire form), sorted by namespace and name.
    pub fn services(&self) -> Vec<&[u8]> {
        let mut all: Vec<&[u8]> = self.service_entries().map(|(key, _)| key).collect();
        all.sort_unstable_by_key(|key| {
            let mut labels = crate::name::labels(key);
            let name = labels.next();
            (labels.next(), name)
        });
        all
    }
}

/// A place among the Services of one view: where somebody is who looks at them one by one, and holds
/// no reference meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServicePlace {
    part: usize,
    entry: usize,
}

fn is_service(key: &[u8]) -> bool {
    key.first().is_some_and(|octet| *octet < 64) && crate::name::labels(key).count() == 2
}

fn soa_ttl(ttl: u32) -> u32 {
    ttl.min(SOA_TTL_MOST)
}

fn soa_numbers(ttl: u32, serial: u32) -> [u32; 5] {
    let [refresh, retry, expire] = SOA_TIMERS;
    [serial, refresh, retry, expire, ttl]
}

/// The SOA record of forward zones, its pointers left open.
fn soa(ttl: u32, serial: u32) -> [u8; SOA_LEN] {
    let mut record = [0; SOA_LEN];
    let numbers = soa_numbers(ttl, serial).map(u32::to_be_bytes);
    let parts: [&[u8]; 5] = [
        b"\0\0\0\x06\0\x01",
        &soa_ttl(ttl).to_be_bytes(),
        b"\0\x2a\x02ns\x03dns\0\0",
        b"\x0ahostmaster\0\0",
        numbers.as_flattened(),
    ];
    let octets = parts.into_iter().flatten();
    record.iter_mut().zip(octets).for_each(|(room, octet)| *room = *octet);
    record
}

/// What differs, in the table's terms.
fn updates(table: &Table, delta: Delta, spec: &Spec) -> Updates {
    let reverse = spec.zones.iter().any(Zone::is_reverse);
    let mut updates = Updates::new();
    let mut put = |key: &[u8], body: Option<Vec<u8>>| {
        if table.get(key) != body.as_deref() {
            updates.insert(key.into(), body);
        }
    };
    for (label, exists) in delta.namespaces {
        put(&label, exists.then(Vec::new));
    }
    for ((label, address), exists) in delta.pods {
        put(pod_key(&label, address).as_slice(), exists.then(Vec::new));
    }
    let mut shifts = BTreeMap::new();
    // Addresses with the Services whose claim on them has changed.
    let mut claimed: Vec<(IpAddr, &[u8], Option<Claim>)> = Vec::new();
    for (key, body) in &delta.services {
        let old = table.get(key);
        if old == body.as_deref() {
            continue;
        }
        let (old, new) = (old.and_then(Record::new), body.as_deref().and_then(Record::new));
        let differ = differences(key, old, new).into_iter();
        claimed.extend(differ.map(|(address, claim)| (address, &**key, claim)));
    }
    if !reverse {
        // Only whether this server finds itself among endpoints is asked for then.
        claimed.retain(|(address, ..)| spec.local_addresses.contains(address));
    }
    claimed.sort_unstable_by_key(|(address, ..)| *address);
    for changes in claimed.chunk_by(|a, b| a.0 == b.0) {
        let Some((address, ..)) = changes.first() else { continue };
        let key = address_key(*address);
        let old = table.get(key.as_slice());
        let changes = changes.iter().map(|(_, key, claim)| (*key, claim.as_ref())).collect();
        let new = merge_claims(old, &changes);
        if reverse && old.is_some() != new.is_some() {
            let shift = if new.is_some() { 1 } else { -1 };
            for ancestor in ancestors(*address) {
                *shifts.entry(Box::<[u8]>::from(ancestor.as_slice())).or_default() += shift;
            }
        }
        put(key.as_slice(), new);
    }
    drop(claimed);
    for (key, shift) in &shifts {
        let old = table.get(key).and_then(|body| body.first_chunk::<8>());
        let count: i64 = old.map_or(0, |octets| i64::from_le_bytes(*octets)) + shift;
        put(key, (count > 0).then(|| count.to_le_bytes().to_vec()));
    }
    for (key, body) in delta.services {
        put(&key, body);
    }
    updates
}

impl Spec {
    /// The kinds of object on which some answer hangs.
    pub fn needed_kinds(&self) -> KindSet {
        let mut kinds = KindSet::of(&[Kind::Namespace, Kind::Service]);
        if !self.no_endpoints {
            kinds.insert(Kind::EndpointSlice);
            kinds.insert(Kind::Endpoints);
        }
        if self.pods == super::spec::Pods::Verified {
            kinds.insert(Kind::Pod);
        }
        kinds
    }
}

fn sorted_zones(spec: &Spec) -> Arc<[ViewZone]> {
    use super::spec::Fallthrough;
    let mut zones: Vec<ViewZone> = spec
        .zones
        .iter()
        .map(|zone| {
            let falls = match &spec.fallthrough {
                Fallthrough::Never => Falls::No,
                Fallthrough::Always => Falls::All,
                Fallthrough::Within(names) if names.iter().any(|n| zone.name.is_within(n)) => {
                    Falls::All
                }
                Fallthrough::Within(names) => {
                    let below: Vec<Name> =
                        names.iter().filter(|n| n.is_within(&zone.name)).cloned().collect();
                    if below.is_empty() { Falls::No } else { Falls::Below(below) }
                }
            };
            ViewZone { zone: zone.clone(), labels: zone.name.label_count(), falls }
        })
        .collect();
    zones.sort_by_key(|zone| std::cmp::Reverse(zone.labels));
    zones.into()
}
