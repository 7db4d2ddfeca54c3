//! What a new list of a kind changes, kept aside until it ends (schema.md, section 9).
//!
//! So the write model holds complete states only: whatever comes of other kinds meanwhile is joined
//! with objects as they were, and is published at once. A list that is begun again leaves nothing
//! behind. Usually a new list tells what is known already; only what differs takes memory here.

use std::collections::BTreeMap;

use super::Registry;
use super::kept::Kept;
use super::model::{Joint, Namespace};
use crate::cluster::packed::Stored;
use crate::cluster::{Change, Kind, Object, ObjectKey};

/// The objects of one kind that a list under way changes, packed, or takes away (none); by
/// namespace and name.
#[derive(Debug, Default)]
pub(super) struct Staged(BTreeMap<Box<str>, BTreeMap<Box<str>, Option<Kept>>>);

impl Staged {
    fn put(&mut self, key: ObjectKey, object: Option<Kept>) {
        self.0.entry(key.namespace).or_default().insert(key.name, object);
    }

    fn take_back(&mut self, key: &ObjectKey) {
        if let Some(namespace) = self.0.get_mut(&key.namespace) {
            namespace.remove(&key.name);
        }
    }

    /// One after the other, each let go before the next.
    fn into_each(self) -> impl Iterator<Item = (ObjectKey, Option<Kept>)> {
        self.0.into_iter().flat_map(|(namespace, objects)| {
            let key = move |name| ObjectKey { namespace: namespace.clone(), name };
            objects.into_iter().map(move |(name, object)| (key(name), object))
        })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }
}

impl Registry {
    /// Keeps a change of an object aside if it is part of a list that is not the kind's first. On a
    /// first list nothing hangs but what waits for it anyway. Gives back what is to be applied now.
    pub(super) fn stage(&self, change: Change) -> Option<Change> {
        let (kind, key) = match &change {
            Change::Put(object) => (object.kind(), object.meta().key.clone()),
            Change::Remove(kind, key) => (*kind, key.clone()),
            Change::ListBegins(_)
            | Change::ListEnds(_)
            | Change::NotServed(_)
            | Change::Triggered(..) => return Some(change),
        };
        if !self.pending().is_relisted(kind) {
            return Some(change);
        }
        // Looked up without the lock, which is taken with an object's in hand elsewhere.
        let (object, known) = match &change {
            Change::Put(object) => {
                let kept = Stored::of(object).map(|object| Kept::new(&key, object));
                (kept, self.knows(object))
            }
            _ => (None, !self.model.has(kind, &key)),
        };
        let mut pending = self.pending();
        let staged = &mut pending.lists.entry(kind).or_default().staged;
        if known {
            // Applied for the mark alone; what the list said of it before is taken back.
            staged.take_back(&key);
            return Some(change);
        }
        staged.put(key, object);
        None
    }

    /// Applies what a list has changed. To be called when it ends, before it sweeps.
    pub(super) fn unstage(&self, kind: Kind) {
        let mut pending = self.pending();
        let list = pending.lists.entry(kind).or_default();
        let (mark, staged) = (list.mark, std::mem::take(&mut list.staged));
        drop(pending);
        for (key, kept) in staged.into_each() {
            match kept.and_then(|kept| kept.object(&key)) {
                Some(object) => self.file(object, mark),
                None => self.remove(kind, &key),
            }
        }
    }

    /// Whether filing this object would change no answer: it is as it is known, or says nothing.
    fn knows(&self, object: &Object) -> bool {
        let key = &object.meta().key;
        let is_kept = |service: &str, has: &dyn Fn(&Joint, &Kept) -> bool| {
            let place = ObjectKey::new(&key.namespace, service);
            let kept = Stored::of(object).map(|object| Kept::new(&place, object));
            let has = |found: &Namespace| Some(has(found.services.get(service)?, kept.as_ref()?));
            self.model.read(&key.namespace, has).flatten().unwrap_or_default()
        };
        match object {
            Object::Namespace(_) => self.model.has(Kind::Namespace, key),
            Object::Service(_) => is_kept(&key.name, &|joint, kept| {
                joint.service.as_ref().is_some_and(|(known, _)| known == kept)
            }),
            Object::Endpoints(_) => is_kept(&key.name, &|joint, kept| {
                let known = joint.endpoints.as_ref();
                known.is_some_and(|(known, _)| known.as_ref().is_none_or(|known| known == kept))
            }),
            Object::EndpointSlice(slice) => slice.service.as_ref().is_some_and(|service| {
                is_kept(service, &|joint, kept| joint.slices.iter().any(|known| known == kept))
            }),
            Object::Pod(pod) => {
                let kept = Kept::new(key, Stored::Pod(key, &pod.ips));
                let has = |found: &Namespace| Some(found.pods.get(&key.name)?.0 == kept);
                self.model.read(&key.namespace, has).flatten().unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{
        EndpointSlice, Endpoints, LabelSelector, ManagedBy, Meta, Service, SliceAddresses,
    };
    use crate::zone::Spec;

    fn meta(version: &str) -> Meta {
        Meta { resource_version: Some(version.into()), ..Meta::new("shop", "web") }
    }

    fn service(version: &str) -> Object {
        let service = Service::new("shop", "web");
        Object::Service(Service { meta: meta(version), has_selector: true, ..service })
    }

    fn slice(version: &str) -> Object {
        Object::EndpointSlice(EndpointSlice {
            meta: meta(version),
            service: Some("web".into()),
            managed_by: ManagedBy::Controller,
            address_type: SliceAddresses::V4,
            endpoints: Vec::new(),
            ports: Vec::new(),
        })
    }

    fn endpoints(version: &str) -> Object {
        let meta = meta(version);
        Object::Endpoints(Endpoints { meta, not_for_services: false, subsets: Vec::new() })
    }

    #[test]
    fn a_new_list_takes_memory_for_what_differs() {
        let registry = Registry::new(Arc::new(Spec::default()), 1);
        // The Endpoints of a Service with a selector are let go, and say nothing in any version.
        registry.let_endpoints_go();
        let rows = [(service as fn(&str) -> Object, 1), (slice, 1), (endpoints, 0)];
        for (object, differing) in rows {
            let kind = object("").kind();
            let (begins, ends) = (Change::ListBegins(kind), Change::ListEnds(kind));
            registry.apply([begins.clone(), Change::Put(object("7")), ends]);
            registry.apply([begins, Change::Put(object("7"))]);
            let staged = || registry.pending().lists[&kind].staged.len();
            assert_eq!(staged(), 0, "{kind:?}");
            registry.apply([Change::Put(object("8"))]);
            assert_eq!(staged(), differing, "{kind:?}");
            registry.apply([Change::Put(object("7"))]);
            assert_eq!(staged(), 0, "{kind:?}: taken back");
            registry.apply([Change::ListEnds(kind)]);
        }
    }

    #[test]
    fn what_the_filters_leave_out_takes_none() {
        let labels = Some(LabelSelector::parse("app=web").unwrap());
        let registry = Registry::new(Arc::new(Spec { labels, ..Spec::default() }), 1);
        let labelled = |version: &str| {
            let mut object = slice(version);
            if let Object::EndpointSlice(slice) = &mut object {
                slice.meta.labels = vec![("app".into(), "web".into())];
            }
            object
        };
        let kind = Kind::EndpointSlice;
        let (begins, ends) = (Change::ListBegins(kind), Change::ListEnds(kind));
        registry.apply([begins.clone(), ends.clone(), begins, Change::Put(slice("7"))]);
        let staged = || registry.pending().lists[&kind].staged.len();
        assert_eq!(staged(), 0);
        registry.apply([Change::Put(labelled("8"))]);
        assert_eq!(staged(), 1);
        registry.apply([Change::Put(slice("9"))]);
        assert_eq!(staged(), 0, "it never was there");
        registry.apply([Change::Put(labelled("10")), ends]);
        assert!(registry.model.has(kind, &ObjectKey::new("shop", "web")));
    }
}
