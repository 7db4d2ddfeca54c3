//! How much is held, and how views fare: counters that sources and the publisher keep, so that
//! whoever asks walks no map and holds up nobody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Registry;
use super::kept::Kept;
use super::model::Joint;
use crate::cluster::{ClusterIps, EndpointSlice, Endpoints, Kind, ObjectKey, Service};

/// Upper bounds of the buckets of how long publishing took, in microseconds: from a lone change to
/// the first lists of a large cluster.
pub const PUBLISH_TIMES: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000];

/// Upper bounds of the buckets of how long a change took from the cluster to here, in microseconds:
/// CoreDNS's, from 1 ms to some 9 min.
pub const PROGRAMMING_TIMES: [u64; 20] = {
    let mut bounds = [1_000; 20];
    let mut at = 1;
    while at < bounds.len() {
        bounds[at] = bounds[at - 1] * 2;
        at += 1;
    }
    bounds
};

/// What kind of Service a change of endpoints was for, as Kubernetes's indicator of the programming
/// latency of cluster DNS tells them apart.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ServiceKind {
    /// It has a cluster IP.
    ClusterIp = 0,
    /// It is headless, and a controller chooses its endpoints.
    HeadlessWithSelector = 1,
    /// It is headless, and somebody else writes its endpoints.
    HeadlessWithoutSelector = 2,
}

impl ServiceKind {
    /// Every kind.
    pub const ALL: [Self; 3] =
        [Self::ClusterIp, Self::HeadlessWithSelector, Self::HeadlessWithoutSelector];

    /// The word that the metric uses for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ClusterIp => "cluster_ip",
            Self::HeadlessWithSelector => "headless_with_selector",
            Self::HeadlessWithoutSelector => "headless_without_selector",
        }
    }

    fn of(service: &Service) -> Option<Self> {
        match (&service.cluster_ips, service.has_selector) {
            _ if service.external_name.is_some() => None,
            (ClusterIps::Addresses(_), _) => Some(Self::ClusterIp),
            (ClusterIps::Headless, true) => Some(Self::HeadlessWithSelector),
            (ClusterIps::Headless, false) => Some(Self::HeadlessWithoutSelector),
            (ClusterIps::Absent, _) => None,
        }
    }
}

/// How many things took how long.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Times {
    /// How many fell into each bucket, not added up; the last has no bound.
    pub counts: Vec<u64>,
    /// How long all of them took.
    pub sum: Duration,
}

impl Times {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Endpoints by whether they are ready.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EndpointCount {
    /// Those that are answered.
    pub ready: u64,
    /// The others.
    pub not_ready: u64,
}

impl EndpointCount {
    fn of<'e>(endpoints: impl Iterator<Item = &'e crate::cluster::Endpoint>) -> Self {
        let mut count = Self::default();
        for endpoint in endpoints {
            let place = if endpoint.ready { &mut count.ready } else { &mut count.not_ready };
            *place += endpoint.addresses.len() as u64;
        }
        count
    }

    pub(super) fn of_slice(slice: &EndpointSlice) -> Self {
        Self::of(slice.endpoints.iter())
    }

    /// Of a slice that is kept under its Service's key.
    pub(super) fn of_kept_slice(key: &ObjectKey, kept: &Kept) -> Self {
        kept.slice(key).as_ref().map(Self::of_slice).unwrap_or_default()
    }

    fn of_endpoints(endpoints: &Endpoints) -> Self {
        Self::of(endpoints.subsets.iter().flat_map(|subset| &subset.endpoints))
    }
}

/// What views were published.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Published {
    /// How long they took to make, by [`PUBLISH_TIMES`].
    pub times: Times,
    /// When the newest one came; nothing before the first.
    pub last: Option<SystemTime>,
}

/// The counters of one registry.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    /// Objects by [`Kind`].
    objects: [AtomicU64; Kind::ALL.len()],
    /// Addresses in slices and in Endpoints objects: ready ones, others.
    in_slices: [AtomicU64; 2],
    in_endpoints: [AtomicU64; 2],
    times: Buckets<{ PUBLISH_TIMES.len() + 1 }>,
    /// By [`ServiceKind`].
    programmed: [Buckets<{ PROGRAMMING_TIMES.len() + 1 }>; ServiceKind::ALL.len()],
    /// Unix time in milliseconds; 0 for never.
    last: AtomicU64,
}

/// Counters behind [`Times`]; the last has no bound.
#[derive(Debug)]
struct Buckets<const N: usize> {
    counts: [AtomicU64; N],
    microseconds: AtomicU64,
}

impl<const N: usize> Default for Buckets<N> {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::default()),
            microseconds: AtomicU64::default(),
        }
    }
}

impl<const N: usize> Buckets<N> {
    fn note(&self, bounds: &[u64], took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = bounds.iter().take_while(|bound| micros > **bound).count();
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.microseconds.fetch_add(micros, Relaxed);
    }

    fn read(&self) -> Times {
        Times {
            counts: self.counts.iter().map(|count| count.load(Relaxed)).collect(),
            sum: Duration::from_micros(self.microseconds.load(Relaxed)),
        }
    }
}

/// What of a joint is counted.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    service: bool,
    endpoints: bool,
    addresses: EndpointCount,
}

impl Weight {
    /// Of what is kept under the key of this Service. Endpoints that were let go weigh nothing.
    pub(super) fn of(key: &ObjectKey, joint: &Joint) -> Self {
        let kept = joint.endpoints.as_ref().and_then(|(kept, _)| kept.as_ref());
        let endpoints = kept.and_then(|kept| kept.endpoints(key));
        Self {
            service: joint.service.is_some(),
            endpoints: kept.is_some(),
            addresses: endpoints.as_ref().map(EndpointCount::of_endpoints).unwrap_or_default(),
        }
    }
}

/// What changes is noted under the lock of its namespace, so that no gauge falls below nothing.
impl Gauges {
    /// An object of this kind was there before, or is there now.
    pub(super) fn object(&self, kind: Kind, before: bool, after: bool) {
        if let Some(gauge) = self.objects.get(kind as usize) {
            change(gauge, before.into(), after.into());
        }
    }

    /// A Service or its Endpoints have changed.
    pub(super) fn joint(&self, before: Weight, after: Weight) {
        self.object(Kind::Service, before.service, after.service);
        self.object(Kind::Endpoints, before.endpoints, after.endpoints);
        change_both(&self.in_endpoints, before.addresses, after.addresses);
    }

    /// A slice that is filed under a Service has changed.
    pub(super) fn slice(&self, before: EndpointCount, after: EndpointCount) {
        change_both(&self.in_slices, before, after);
    }

    /// A view has been put in place.
    pub(super) fn shown(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// The publisher has put a view in place, which took so long to make.
    pub(super) fn published(&self, took: Duration) {
        self.shown();
        self.times.note(&PUBLISH_TIMES, took);
    }
}

fn change(gauge: &AtomicU64, before: u64, after: u64) {
    if before != after {
        gauge.fetch_add(after.wrapping_sub(before), Relaxed);
    }
}

fn change_both(gauges: &[AtomicU64; 2], before: EndpointCount, after: EndpointCount) {
    let [ready, not_ready] = gauges;
    change(ready, before.ready, after.ready);
    change(not_ready, before.not_ready, after.not_ready);
}

impl Registry {
    /// How many objects of each kind are held. Endpoints that say nothing may have been let go.
    pub fn held(&self) -> BTreeMap<Kind, u64> {
        Kind::ALL
            .into_iter()
            .zip(self.gauges.objects.iter().map(|gauge| gauge.load(Relaxed)))
            .collect()
    }

    /// How many addresses of endpoints are held: in slices that belong to a Service, or in
    /// Endpoints objects; none of other kinds.
    pub fn endpoints(&self, kind: Kind) -> EndpointCount {
        let [ready, not_ready] = match kind {
            Kind::EndpointSlice => &self.gauges.in_slices,
            Kind::Endpoints => &self.gauges.in_endpoints,
            Kind::Namespace | Kind::Service | Kind::Pod => return EndpointCount::default(),
        };
        EndpointCount { ready: ready.load(Relaxed), not_ready: not_ready.load(Relaxed) }
    }

    /// How long changes of endpoints took from when a controller saw their cause until they were in
    /// a view, by [`PROGRAMMING_TIMES`]. What a list told is not among them.
    pub fn programming(&self, kind: ServiceKind) -> Times {
        let programmed = self.gauges.programmed.get(kind as usize);
        programmed.map(Buckets::read).unwrap_or_default()
    }

    /// Notes that these changes are in a view now.
    pub(super) fn programmed(&self, triggers: &[(ObjectKey, SystemTime)], now: SystemTime) {
        for (key, at) in triggers {
            let service = self.model.read(&key.namespace, |namespace| {
                let (kept, _) = namespace.services.get(&key.name)?.service.as_ref()?;
                kept.service(key)
            });
            let kind = service.flatten().as_ref().and_then(ServiceKind::of);
            if let Some(buckets) = kind.and_then(|kind| self.gauges.programmed.get(kind as usize)) {
                // Another machine's clock may be ahead of ours.
                buckets.note(&PROGRAMMING_TIMES, now.duration_since(*at).unwrap_or_default());
            }
        }
    }

    /// What views were published.
    pub fn published(&self) -> Published {
        let last = self.gauges.last.load(Relaxed);
        Published {
            times: self.gauges.times.read(),
            last: (last > 0).then(|| UNIX_EPOCH + Duration::from_millis(last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{Change, Endpoint, Meta, Namespace, Object, Pod, SliceAddresses, Subset};
    use crate::zone::{Pods, Spec};

    fn endpoint(last: u8, ready: bool) -> Endpoint {
        let ip = [10, 1, 0, last].into();
        Endpoint {
            addresses: smallvec::smallvec![ip],
            ready,
            hostname: None,
            target_name: None,
            managed: false,
        }
    }

    fn slice(name: &str, of: &str, endpoints: Vec<Endpoint>) -> Change {
        Change::Put(Object::EndpointSlice(EndpointSlice {
            meta: Meta::new("shop", name),
            service: Some(of.into()),
            managed_by: crate::cluster::ManagedBy::Other,
            address_type: SliceAddresses::V4,
            endpoints,
            ports: Vec::new(),
        }))
    }

    fn endpoints(of: &str, endpoints: Vec<Endpoint>) -> Change {
        Change::Put(Object::Endpoints(Endpoints {
            meta: Meta::new("shop", of),
            not_for_services: false,
            subsets: vec![Subset { endpoints, ports: Vec::new() }],
        }))
    }

    /// Objects by kind, addresses in slices, addresses in Endpoints, each ready and not.
    fn told(registry: &Registry) -> ([u64; 5], [u64; 4]) {
        let held = registry.held();
        let (slices, endpoints) =
            (registry.endpoints(Kind::EndpointSlice), registry.endpoints(Kind::Endpoints));
        let addresses = [slices.ready, slices.not_ready, endpoints.ready, endpoints.not_ready];
        (Kind::ALL.map(|kind| held[&kind]), addresses)
    }

    #[test]
    fn gauges_follow_every_way_in_and_out() {
        let spec = Spec { pods: Pods::Verified, ..Spec::default() };
        let registry = Registry::new(Arc::new(spec), 3);
        let shop = || Change::Put(Object::Namespace(Namespace { meta: Meta::new("", "shop") }));
        let db = |has_selector| {
            let mut service = Service::new("shop", "db");
            service.has_selector = has_selector;
            Change::Put(Object::Service(service))
        };
        let pod = |live| {
            let ips = smallvec::smallvec![[10, 1, 0, 1].into()];
            Change::Put(Object::Pod(Pod { meta: Meta::new("shop", "p"), ips, live }))
        };
        let both = || vec![endpoint(1, true), endpoint(2, false)];
        registry.apply([shop(), shop(), db(false), db(false)]);
        registry.apply([slice("a", "db", both()), slice("b", "db", vec![endpoint(3, true)])]);
        registry.apply([endpoints("db", both())]);
        assert_eq!(told(&registry), ([1, 1, 2, 1, 0], [2, 1, 1, 1]));
        // Changed in place; filed under another Service; Endpoints that are let go.
        registry.apply([slice("a", "db", vec![endpoint(1, false)]), slice("b", "web", both())]);
        registry.let_endpoints_go();
        registry.apply([db(true)]);
        assert_eq!(told(&registry), ([1, 1, 2, 0, 0], [1, 2, 0, 0]));
        // Swept away by a list, removed by name, removed twice.
        registry.apply([Change::ListBegins(Kind::EndpointSlice), slice("a", "db", both())]);
        registry.apply([Change::ListEnds(Kind::EndpointSlice)]);
        assert_eq!(told(&registry), ([1, 1, 1, 0, 0], [1, 1, 0, 0]));
        // A later list counts when it ends.
        registry.apply([Change::ListBegins(Kind::EndpointSlice), slice("a", "db", Vec::new())]);
        registry.apply([slice("c", "db", both())]);
        assert_eq!(told(&registry), ([1, 1, 1, 0, 0], [1, 1, 0, 0]));
        registry.apply([Change::ListEnds(Kind::EndpointSlice)]);
        assert_eq!(told(&registry), ([1, 1, 2, 0, 0], [1, 1, 0, 0]));
        registry.apply([pod(true), pod(true)]);
        assert_eq!(told(&registry), ([1, 1, 2, 0, 1], [1, 1, 0, 0]));
        let gone = |kind, namespace, name| Change::Remove(kind, ObjectKey::new(namespace, name));
        for _ in 0..2 {
            registry.apply([
                gone(Kind::EndpointSlice, "shop", "a"),
                gone(Kind::EndpointSlice, "shop", "c"),
                pod(false),
                gone(Kind::Service, "shop", "db"),
                gone(Kind::Endpoints, "shop", "db"),
                gone(Kind::Namespace, "", "shop"),
            ]);
        }
        assert_eq!(told(&registry), ([0; 5], [0; 4]));
    }

    #[test]
    fn a_view_is_counted_with_its_time() {
        let gauges = Gauges::default();
        gauges.published(Duration::from_micros(100));
        gauges.published(Duration::from_micros(101));
        gauges.published(Duration::from_mins(1));
        let times = gauges.times.read();
        assert_eq!(times.sum, Duration::from_micros(60_000_201));
        assert_eq!(times.counts, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(gauges.last.load(Relaxed) > 0);
    }
}
