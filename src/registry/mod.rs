//! Who owns which name: objects in, in any order, from any number of sources; views out, one at a
//! time, each whole.
//!
//! [`Registry::apply`] may run on any number of source threads. [`Publisher`] runs on one.
#![forbid(unsafe_code)]

mod gauges;
mod ledger;
mod model;
mod objects;
mod publisher;
mod restore;
mod staged;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, bounded};
use dashmap::mapref::entry::Entry;
use jiff::Timestamp;

use crate::cluster::watch::Sink;
use crate::cluster::{
    Change, EndpointSlice, Endpoints, Kind, Meta, Object, ObjectKey, Pod, Refused, Service,
};
use crate::zone::{Drop, NamespaceFilter, Pods, Spec, View};
use gauges::{EndpointCount as Count, Gauges, Weight};
use ledger::Ledger;
use model::{Dirty, Mark, Model, Pending};

pub use gauges::{EndpointCount, PROGRAMMING_TIMES, PUBLISH_TIMES, Published, ServiceKind, Times};
pub use ledger::Oddity;
pub use publisher::{Clock, Publisher, SystemClock};

/// The write model of one `kubernetes` block.
#[derive(Debug)]
pub struct Registry {
    spec: Arc<Spec>,
    seed: u64,
    model: Model,
    pending: Mutex<Pending>,
    ledger: Mutex<Ledger>,
    gauges: Gauges,
    /// Held shared while a batch is applied, and alone while a view is built, so that a view holds
    /// a batch whole or not at all.
    gate: RwLock<()>,
    /// Endpoints that say nothing need not be kept, since the source can be asked for them again.
    lets_go: AtomicBool,
    wake: Sender<()>,
    woken: Receiver<()>,
    view: Arc<ArcSwap<View>>,
}

impl Registry {
    /// A registry without objects. `seed` makes the hashes of its views its own.
    pub fn new(spec: Arc<Spec>, seed: u64) -> Arc<Self> {
        let (wake, woken) = bounded(1);
        let view = Arc::new(ArcSwap::from_pointee(View::empty(Arc::clone(&spec), seed)));
        Arc::new(Self {
            spec,
            seed,
            model: Model::default(),
            pending: Mutex::default(),
            ledger: Mutex::default(),
            gauges: Gauges::default(),
            gate: RwLock::new(()),
            lets_go: AtomicBool::new(false),
            wake,
            woken,
            view,
        })
    }

    /// Where the newest view always stands.
    pub fn view(&self) -> Arc<ArcSwap<View>> {
        Arc::clone(&self.view)
    }

    /// From now on, Endpoints of Services with a selector are not kept while slices are served. The
    /// source has to tell those again that [`Self::take_missing`] names.
    pub fn let_endpoints_go(&self) {
        self.lets_go.store(true, Ordering::Relaxed);
    }

    /// The Endpoints that were not kept and have come to matter; each is named once.
    pub fn take_missing(&self) -> Vec<ObjectKey> {
        std::mem::take(&mut self.pending().missing)
    }

    /// How many objects have each oddity.
    pub fn oddities(&self) -> BTreeMap<Oddity, usize> {
        self.ledger().oddities()
    }

    /// How many endpoint addresses are not published, by reason, as of the newest view.
    pub fn dropped(&self) -> BTreeMap<Drop, u64> {
        self.ledger().dropped()
    }

    /// Applies changes; what they do becomes visible all at once.
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>) {
        self.batch(|sink| changes.into_iter().for_each(sink));
    }

    /// Applies what `fill` hands over; what that does becomes visible all at once, when `fill` has
    /// returned.
    pub fn batch(&self, fill: impl FnOnce(&mut dyn FnMut(Change))) {
        {
            let _shared = self.gate.read().unwrap_or_else(PoisonError::into_inner);
            fill(&mut |change| self.apply_one(change));
        }
        // A full channel means that the publisher is about to look anyway.
        let _ = self.wake.try_send(());
    }

    fn apply_one(&self, change: Change) {
        let Some(change) = self.stage(change) else { return };
        match change {
            Change::ListBegins(kind) => {
                let mut pending = self.pending();
                let list = pending.lists.entry(kind).or_default();
                list.mark = list.mark.wrapping_add(1);
                list.under_way = true;
                list.staged.clear();
            }
            Change::Put(object) => {
                let mark = self.mark(object.kind());
                self.put(object, mark);
            }
            Change::Remove(kind, key) => self.remove(kind, &key),
            Change::Triggered(service, at) => self.pending().triggered(service, at),
            Change::ListEnds(kind) => {
                if self.pending().not_served.has(kind) {
                    self.is_served(kind, true);
                }
                self.list_ends(kind);
            }
            Change::NotServed(kind) => {
                self.apply_one(Change::ListBegins(kind));
                if !self.pending().not_served.has(kind) {
                    self.is_served(kind, false);
                }
                self.list_ends(kind);
            }
        }
    }

    /// Notes whether the source has this kind, and what hangs on that. To be called within a list.
    fn is_served(&self, kind: Kind, served: bool) {
        {
            let mut pending = self.pending();
            if served {
                pending.not_served.remove(kind);
            } else {
                pending.not_served.insert(kind);
            }
        }
        if kind != Kind::EndpointSlice {
            return;
        }
        // Endpoints count for other Services than before.
        let keys: Vec<ObjectKey> =
            self.model.services.iter().map(|joint| joint.key().clone()).collect();
        for key in keys {
            self.joint(&key, |joint| self.settle(&key, joint));
            self.dirty(Dirty::Service(key));
        }
    }

    /// Lets the Endpoints of a Service go if they say nothing, or asks for them if they do again.
    fn settle(&self, key: &ObjectKey, joint: &mut model::Joint) {
        let Some((service, _)) = &joint.service else { return };
        let needless = service.has_selector
            && self.lets_go.load(Ordering::Relaxed)
            && !self.pending().not_served.has(Kind::EndpointSlice);
        if needless {
            if let Some((_, mark)) = joint.endpoints.take() {
                joint.let_go = Some(mark);
            }
        } else if joint.let_go.take().is_some() {
            self.pending().missing.push(key.clone());
        }
    }

    fn list_ends(&self, kind: Kind) {
        self.unstage(kind);
        let mark = self.mark(kind);
        for key in self.unmarked(kind, mark) {
            self.remove(kind, &key);
        }
        let mut pending = self.pending();
        pending.listed.insert(kind);
        pending.lists.entry(kind).or_default().under_way = false;
    }

    /// The objects of a kind that bear another mark.
    fn unmarked(&self, kind: Kind, mark: Mark) -> Vec<ObjectKey> {
        let joints = |of: fn(&model::Joint) -> Option<Mark>| {
            let services = self.model.services.iter();
            services
                .filter(|joint| of(joint).is_some_and(|found| found != mark))
                .map(|joint| joint.key().clone())
                .collect()
        };
        match kind {
            Kind::Service => joints(|joint| joint.service.as_ref().map(|found| found.1)),
            Kind::Endpoints => {
                joints(|joint| joint.endpoints.as_ref().map(|found| found.1).or(joint.let_go))
            }
            Kind::EndpointSlice => {
                let old = self.model.slices.iter().filter(|slice| slice.1 != mark);
                old.map(|slice| slice.key().clone()).collect()
            }
            Kind::Pod => {
                let old = self.model.pods.iter().filter(|pod| pod.1 != mark);
                old.map(|pod| pod.key().clone()).collect()
            }
            Kind::Namespace => {
                let all = self.model.namespaces.iter();
                all.filter(|state| state.exposed.is_some_and(|found| found != mark))
                    .map(|state| ObjectKey::new("", state.key()))
                    .collect()
            }
        }
    }

    fn put(&self, object: Object, mark: Mark) {
        let selected = match &self.spec.labels {
            Some(selector) if object.kind() != Kind::Namespace => {
                selector.matches(&object.meta().labels)
            }
            _ => true,
        };
        if !selected {
            let key = object.meta().key.clone();
            return self.remove(object.kind(), &key);
        }
        match object {
            Object::Namespace(namespace) => self.put_namespace(&namespace.meta, mark),
            Object::Service(service) => self.put_service(service, mark),
            Object::EndpointSlice(slice) => self.put_slice(slice, mark),
            Object::Endpoints(endpoints) => self.put_endpoints(endpoints, mark),
            Object::Pod(pod) => self.put_pod(&pod, mark),
        }
    }

    fn put_namespace(&self, meta: &Meta, mark: Mark) {
        let name = &meta.key.name;
        let exposed = match &self.spec.namespaces {
            NamespaceFilter::All => true,
            NamespaceFilter::Named(names) => names.contains(name),
            NamespaceFilter::Selected(selector) => selector.matches(&meta.labels),
        };
        if !exposed {
            return self.remove(Kind::Namespace, &meta.key);
        }
        self.expose(name, mark);
    }

    fn expose(&self, name: &str, mark: Mark) {
        let was = {
            let mut state = self.model.namespaces.entry(name.into()).or_default();
            let was = state.exposed.replace(mark);
            self.gauges.namespace(was.is_some(), true);
            was
        };
        if was.is_none() {
            self.dirty(Dirty::Namespace(name.into()));
        }
    }

    fn put_service(&self, mut service: Service, mark: Mark) {
        let key = service.meta.key.clone();
        self.ledger().service(&service);
        service.meta.labels = Vec::new();
        service.ports.shrink_to_fit();
        let changed = self.joint(&key, |joint| {
            let changed = joint.service.as_ref().is_none_or(|(old, _)| *old != service);
            joint.service = Some((service, mark));
            self.settle(&key, joint);
            changed
        });
        if changed {
            self.dirty(Dirty::Service(key));
        }
    }

    fn put_slice(&self, mut slice: EndpointSlice, mark: Mark) {
        let key = slice.meta.key.clone();
        self.ledger().slice(&slice);
        slice.meta.labels = Vec::new();
        self.slim(&mut slice.endpoints);
        slice.endpoints.shrink_to_fit();
        slice.ports.shrink_to_fit();
        let filed = slice.service.clone();
        let before = self.model.slices.insert(key.clone(), (filed.clone(), mark));
        match before {
            Some((Some(old), _)) if Some(&old) != filed.as_ref() => self.unfile(&key, &old),
            _ => {}
        }
        let Some(name) = filed else { return };
        let service = ObjectKey { namespace: key.namespace.clone(), name };
        let after = Count::of_slice(&slice);
        let changed = self.joint(&service, |joint| {
            match joint.slices.binary_search_by(|found| found.meta.key.name.cmp(&key.name)) {
                Ok(at) => {
                    let old = &mut joint.slices[at];
                    let changed = *old != slice;
                    self.gauges.slice(Count::of_slice(old), after);
                    *old = slice;
                    changed
                }
                Err(at) => {
                    self.gauges.slice(Count::default(), after);
                    // Most Services have one slice: no room for four.
                    joint.slices.reserve_exact(1);
                    joint.slices.insert(at, slice);
                    true
                }
            }
        });
        if changed {
            self.dirty(Dirty::Service(service));
        }
    }

    fn put_endpoints(&self, mut endpoints: Endpoints, mark: Mark) {
        let key = endpoints.meta.key.clone();
        endpoints.meta.labels = Vec::new();
        for subset in &mut endpoints.subsets {
            self.slim(&mut subset.endpoints);
            subset.endpoints.shrink_to_fit();
        }
        let changed = self.joint(&key, |joint| {
            let changed = joint.endpoints.as_ref().is_none_or(|(old, _)| *old != endpoints);
            joint.endpoints = Some((endpoints, mark));
            joint.let_go = None;
            self.settle(&key, joint);
            changed
        });
        if changed {
            self.dirty(Dirty::Service(key));
        }
    }

    /// Forgets what no answer will hang on.
    fn slim(&self, endpoints: &mut [crate::cluster::Endpoint]) {
        if !self.spec.endpoint_pod_names {
            for endpoint in endpoints {
                endpoint.target_name = None;
            }
        }
    }

    fn put_pod(&self, pod: &Pod, mark: Mark) {
        let key = &pod.meta.key;
        if !pod.live || self.spec.pods != Pods::Verified {
            return self.remove(Kind::Pod, key);
        }
        // Each address is counted once, however often the pod names it.
        let mut ips = pod.ips.clone();
        ips.sort_unstable();
        ips.dedup();
        let before = self.model.pods.insert(key.clone(), (ips.clone(), mark));
        let before = before.map(|old| old.0).unwrap_or_default();
        for ip in ips.iter().filter(|ip| !before.contains(ip)) {
            self.count_pod(&key.namespace, *ip, true);
        }
        for ip in before.iter().filter(|ip| !ips.contains(ip)) {
            self.count_pod(&key.namespace, *ip, false);
        }
    }

    fn count_pod(&self, namespace: &str, ip: IpAddr, more: bool) {
        let key = (Box::from(namespace), ip);
        match self.model.pod_addresses.entry(key) {
            Entry::Occupied(mut count) if more => *count.get_mut() += 1,
            Entry::Occupied(mut count) => {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
            Entry::Vacant(count) if more => {
                count.insert(1);
            }
            Entry::Vacant(_) => {}
        }
        self.dirty(Dirty::Pod(namespace.into(), ip));
    }

    fn remove(&self, kind: Kind, key: &ObjectKey) {
        self.ledger().forget(kind, key);
        match kind {
            Kind::Namespace => {
                let was = self.model.namespaces.get_mut(&key.name);
                let was = was.and_then(|mut state| {
                    let was = state.exposed.take();
                    self.gauges.namespace(was.is_some(), false);
                    was
                });
                self.model.namespaces.remove_if(&key.name, |_, state| {
                    state.exposed.is_none() && state.members.is_empty()
                });
                if was.is_some() {
                    self.dirty(Dirty::Namespace(key.name.clone()));
                }
            }
            Kind::Service => {
                if self.joint(key, |joint| joint.service.take().is_some()) {
                    self.dirty(Dirty::Service(key.clone()));
                }
            }
            Kind::Endpoints => {
                let taken = |joint: &mut model::Joint| {
                    joint.let_go = None;
                    joint.endpoints.take().is_some()
                };
                if self.joint(key, taken) {
                    self.dirty(Dirty::Service(key.clone()));
                }
            }
            Kind::EndpointSlice => {
                if let Some((_, (Some(service), _))) = self.model.slices.remove(key) {
                    self.unfile(key, &service);
                }
            }
            Kind::Pod => {
                if let Some((_, (ips, _))) = self.model.pods.remove(key) {
                    ips.iter().for_each(|ip| self.count_pod(&key.namespace, *ip, false));
                }
            }
        }
    }

    /// Takes a slice away from the Service that it was filed under.
    fn unfile(&self, slice: &ObjectKey, service: &str) {
        let key = ObjectKey { namespace: slice.namespace.clone(), name: service.into() };
        let gone = self.joint(&key, |joint| {
            let before = joint.slices.len();
            joint.slices.retain(|found| {
                let goes = found.meta.key.name == slice.name;
                if goes {
                    self.gauges.slice(Count::of_slice(found), Count::default());
                }
                !goes
            });
            joint.slices.len() != before
        });
        if gone {
            self.dirty(Dirty::Service(key));
        }
    }

    /// Changes what is filed under a Service's key, and keeps the namespace's list of members.
    fn joint<T>(&self, key: &ObjectKey, change: impl FnOnce(&mut model::Joint) -> T) -> T {
        let mut joint = self.model.services.entry(key.clone()).or_default();
        let was_empty = joint.is_empty();
        let before = Weight::of(&joint);
        let result = change(&mut joint);
        self.gauges.joint(before, Weight::of(&joint));
        let is_empty = joint.is_empty();
        // Under the lock of the joint, so that of two threads that change it in turn the last one
        // has the last word here as well.
        if was_empty != is_empty {
            let mut state = self.model.namespaces.entry(key.namespace.clone()).or_default();
            if is_empty {
                state.members.remove(&key.name);
            } else {
                state.members.insert(key.name.clone());
            }
        }
        drop(joint);
        if is_empty {
            self.model.services.remove_if(key, |_, joint| joint.is_empty());
            self.model.namespaces.remove_if(&key.namespace, |_, state| {
                state.exposed.is_none() && state.members.is_empty()
            });
        }
        result
    }

    fn dirty(&self, what: Dirty) {
        self.pending().dirty.insert(what);
    }

    fn mark(&self, kind: Kind) -> Mark {
        self.pending().lists.get(&kind).map_or(0, |list| list.mark)
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Registry {
    fn apply(&self, changes: Vec<Change>) {
        Self::apply(self, changes);
    }

    fn missing(&self) -> Vec<ObjectKey> {
        self.take_missing()
    }

    fn refused(&self, kinds: Refused) {
        self.pending().refused = kinds;
        let _ = self.wake.try_send(());
    }

    fn out_of_touch(&self, since: Option<SystemTime>) {
        let text = since.map(|since| match Timestamp::try_from(since) {
            Ok(since) => format!("API server out of touch since {since:.0}"),
            Err(_) => "API server out of touch".into(),
        });
        self.set_doubt(text.as_deref());
    }
}
