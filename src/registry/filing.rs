//! Each object to its place in the write model, and what is dirty for it.

use std::sync::atomic::Ordering;

use super::gauges::Weight;
use super::kept::Kept;
use super::model::{Joint, Mark, Seen, Stamp};
use super::pending::Dirty;
use super::{Clock, Registry, SystemClock};
use crate::cluster::packed::Stored;
use crate::cluster::{
    Change, Endpoint, EndpointSlice, Endpoints, Kind, Meta, Object, ObjectKey, Pod, Service,
};
use crate::zone::{NamespaceFilter, Pods};

impl Registry {
    /// What a change comes to here: an object that the filters do not let through is gone, and of
    /// any other no more counts than answers hang on.
    pub(super) fn filtered(&self, change: Change) -> Change {
        let Change::Put(mut object) = change else { return change };
        if !self.lets_through(&object) {
            return Change::Remove(object.kind(), object.meta().key.clone());
        }
        self.slim(&mut object);
        Change::Put(object)
    }

    fn lets_through(&self, object: &Object) -> bool {
        if let Object::Namespace(namespace) = object {
            return self.is_exposed(&namespace.meta);
        }
        let selector = self.spec.labels.as_ref();
        selector.is_none_or(|selector| selector.matches(&object.meta().labels))
            && self.counts(object)
    }

    /// Whether objects like this one count at all.
    fn counts(&self, object: &Object) -> bool {
        let Object::Pod(pod) = object else { return true };
        pod.live && self.spec.pods == Pods::Verified
    }

    /// Forgets what no answer will hang on.
    fn slim(&self, object: &mut Object) {
        let forget = |endpoints: &mut Vec<Endpoint>| {
            if !self.spec.endpoint_pod_names {
                endpoints.iter_mut().for_each(|endpoint| endpoint.target_name = None);
            }
        };
        match object {
            Object::EndpointSlice(slice) => forget(&mut slice.endpoints),
            Object::Endpoints(endpoints) => {
                endpoints.subsets.iter_mut().for_each(|subset| forget(&mut subset.endpoints));
            }
            Object::Pod(pod) => {
                // Each address is counted once, however often the pod names it.
                pod.ips.sort_unstable();
                pod.ips.dedup();
            }
            Object::Namespace(_) | Object::Service(_) => {}
        }
    }

    fn is_exposed(&self, namespace: &Meta) -> bool {
        match &self.spec.namespaces {
            NamespaceFilter::All => true,
            NamespaceFilter::Named(names) => names.contains(&namespace.key.name),
            NamespaceFilter::Selected(selector) => selector.matches(&namespace.labels),
        }
    }

    /// Files an object that an earlier run has written down, whatever the filters say.
    pub(super) fn file_again(&self, mut object: Object, mark: Mark) {
        if self.counts(&object) {
            self.slim(&mut object);
            self.file(object, mark);
        }
    }

    /// Files an object that has been filtered.
    pub(super) fn file(&self, object: Object, mark: Mark) {
        match object {
            Object::Namespace(namespace) => self.file_namespace(&namespace.meta.key.name, mark),
            Object::Service(service) => self.file_service(&service, mark),
            Object::EndpointSlice(slice) => self.file_slice(&slice, mark),
            Object::Endpoints(endpoints) => self.file_endpoints(&endpoints, mark),
            Object::Pod(pod) => self.file_pod(&pod, mark),
        }
    }

    fn file_namespace(&self, name: &str, mark: Mark) {
        let was = self.model.change(name, |namespace| {
            let was = namespace.exposed.replace(mark);
            self.gauges.object(Kind::Namespace, was.is_some(), true);
            was
        });
        if was.is_none() {
            self.dirty(Kind::Namespace, Dirty::Namespace(name.into()));
        }
    }

    fn file_service(&self, service: &Service, mark: Mark) {
        self.ledger().service(service);
        let key = &service.meta.key;
        let kept = Kept::new(key, Stored::Service(service));
        let changed = self.joint(key, |joint| {
            let changed = joint.service.as_ref().is_none_or(|(old, _)| *old != kept);
            let since = joint.service.as_ref().filter(|_| !changed).map(|(_, seen)| seen.since);
            joint.service = Some((kept, seen(mark, since)));
            self.settle(key, joint);
            changed
        });
        if changed {
            self.dirty(Kind::Service, Dirty::Service(key.clone()));
        }
    }

    fn file_slice(&self, slice: &EndpointSlice, mark: Mark) {
        self.ledger().slice(slice);
        let namespace = &slice.meta.key.namespace;
        let gauges = &self.gauges;
        let seen = seen(mark, None);
        let changed = self.model.change(namespace, |found| found.put_slice(slice, seen, gauges));
        for name in changed {
            let key = ObjectKey { namespace: namespace.clone(), name };
            self.dirty(Kind::EndpointSlice, Dirty::Service(key));
        }
    }

    fn file_endpoints(&self, endpoints: &Endpoints, mark: Mark) {
        let key = &endpoints.meta.key;
        let kept = Some(Kept::new(key, Stored::Endpoints(endpoints)));
        let changed = self.joint(key, |joint| {
            let before = joint.endpoints.replace((kept, seen(mark, None)));
            self.settle(key, joint);
            let (before, after) = (before.as_ref(), joint.endpoints.as_mut());
            let changed = before.map(|(kept, _)| kept) != after.as_ref().map(|(kept, _)| kept);
            if let (false, Some((_, before)), Some((_, after))) = (changed, before, after) {
                after.since = before.since;
            }
            changed
        });
        if changed {
            self.dirty(Kind::Endpoints, Dirty::Service(key.clone()));
        }
    }

    fn file_pod(&self, pod: &Pod, mark: Mark) {
        let key = &pod.meta.key;
        let gauges = &self.gauges;
        let changed = self.model.change(&key.namespace, |found| found.put_pod(pod, mark, gauges));
        for ip in changed {
            self.dirty(Kind::Pod, Dirty::Pod(key.namespace.clone(), ip));
        }
    }

    /// Forgets an object.
    pub(super) fn remove(&self, kind: Kind, key: &ObjectKey) {
        self.ledger().forget(kind, key);
        let gauges = &self.gauges;
        match kind {
            Kind::Namespace => {
                let was = self.model.change(&key.name, |namespace| {
                    let was = namespace.exposed.take();
                    gauges.object(kind, was.is_some(), false);
                    was
                });
                if was.is_some() {
                    self.dirty(kind, Dirty::Namespace(key.name.clone()));
                }
            }
            Kind::Service => {
                if self.joint(key, |joint| joint.service.take().is_some()) {
                    self.dirty(kind, Dirty::Service(key.clone()));
                }
            }
            Kind::Endpoints => {
                let gone = self.joint(key, |joint| joint.endpoints.take());
                if gone.is_some_and(|(kept, _)| kept.is_some()) {
                    self.dirty(kind, Dirty::Service(key.clone()));
                }
            }
            Kind::EndpointSlice => {
                let gone =
                    self.model.change(&key.namespace, |found| found.remove_slice(key, gauges));
                if let Some(name) = gone {
                    let key = ObjectKey { namespace: key.namespace.clone(), name };
                    self.dirty(kind, Dirty::Service(key));
                }
            }
            Kind::Pod => {
                let gone = self.model.change(&key.namespace, |found| found.remove_pod(key, gauges));
                for ip in gone {
                    self.dirty(kind, Dirty::Pod(key.namespace.clone(), ip));
                }
            }
        }
    }

    /// Changes what is filed under a Service's key.
    fn joint<T>(&self, key: &ObjectKey, change: impl FnOnce(&mut Joint) -> T) -> T {
        let counted = |joint: &mut Joint| {
            let before = Weight::of(key, joint);
            let result = change(joint);
            self.gauges.joint(before, Weight::of(key, joint));
            result
        };
        self.model.change(&key.namespace, |namespace| namespace.joint(&key.name, counted))
    }

    /// Looks again at what is kept of every Service of a namespace, now that slices are served or
    /// no longer are.
    pub(super) fn resettle(&self, namespace: &str) {
        let names = self.model.read(namespace, |found| found.services.keys().cloned().collect());
        let names: Vec<Box<str>> = names.unwrap_or_default();
        for name in names {
            let key = ObjectKey { namespace: namespace.into(), name };
            self.joint(&key, |joint| self.settle(&key, joint));
            self.pending().note(Kind::EndpointSlice, Dirty::Service(key));
        }
    }

    /// Lets the Endpoints of a Service go if they say nothing, or asks for them if they do again.
    fn settle(&self, key: &ObjectKey, joint: &mut Joint) {
        let Some((service, _)) = &joint.service else { return };
        let Some((endpoints, _)) = &mut joint.endpoints else { return };
        let needless = self.lets_go.load(Ordering::Relaxed)
            && !self.pending().not_served.has(Kind::EndpointSlice)
            && service.service(key).is_some_and(|service| service.has_selector);
        if needless {
            *endpoints = None;
        } else if endpoints.is_none() {
            joint.endpoints = None;
            self.pending().missing.push(key.clone());
        }
    }
}

/// An object that is seen now, and is what it is since then, or else from now on.
fn seen(mark: Mark, since: Option<Stamp>) -> Seen {
    Seen { mark, since: since.unwrap_or_else(|| SystemClock.unix_seconds()) }
}
