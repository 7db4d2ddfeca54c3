//! What a new list of a kind changes, kept aside until it ends (schema.md, section 9).
//!
//! So the write model holds complete states only: whatever comes of other kinds meanwhile is joined
//! with objects as they were, and is published at once. A list that is begun again leaves nothing
//! behind. Usually a new list tells what is known already; only what differs takes memory here.

use std::collections::HashMap;

use super::Registry;
use crate::cluster::{Change, Kind, Meta, Object, ObjectKey};

/// The objects of one kind that a list under way changes, or takes away (none).
pub(super) type Staged = HashMap<ObjectKey, Option<Object>>;

impl Registry {
    /// Keeps a change of an object aside if it is part of a list that is not the kind's first. On a
    /// first list nothing hangs but what waits for it anyway. Gives back what is to be applied now.
    pub(super) fn stage(&self, change: Change) -> Option<Change> {
        let (kind, key) = match &change {
            Change::Put(object) => (object.kind(), &object.meta().key),
            Change::Remove(kind, key) => (*kind, key),
            Change::ListBegins(_)
            | Change::ListEnds(_)
            | Change::NotServed(_)
            | Change::Triggered(..) => return Some(change),
        };
        if !self.pending().is_relisted(kind) {
            return Some(change);
        }
        let key = key.clone();
        // Looked up without the lock, which is taken with an object's in hand elsewhere.
        let known = matches!(&change, Change::Put(object) if self.knows(object));
        let mut pending = self.pending();
        let staged = &mut pending.lists.entry(kind).or_default().staged;
        match change {
            Change::Put(_) if known => {
                // Applied for the mark alone; what the list said of it before is taken back.
                staged.remove(&key);
                return Some(change);
            }
            Change::Put(object) => staged.insert(key, Some(object)),
            _ => staged.insert(key, None),
        };
        None
    }

    /// Applies what a list has changed. To be called when it ends, before it sweeps.
    pub(super) fn unstage(&self, kind: Kind) {
        let mut pending = self.pending();
        let list = pending.lists.entry(kind).or_default();
        let (mark, staged) = (list.mark, std::mem::take(&mut list.staged));
        drop(pending);
        for (key, object) in staged {
            match object {
                Some(object) => self.put(object, mark),
                None => self.remove(kind, &key),
            }
        }
    }

    /// Whether putting this object would change no answer: by its version it is as it is known, or
    /// it says nothing.
    fn knows(&self, object: &Object) -> bool {
        let version = object.meta().resource_version.as_deref();
        let same = |meta: &Meta| version.is_some() && meta.resource_version.as_deref() == version;
        let key = &object.meta().key;
        match object {
            Object::Service(_) => {
                let joint = self.model.services.get(key);
                joint.is_some_and(|joint| joint.service.as_ref().is_some_and(|s| same(&s.0.meta)))
            }
            Object::Endpoints(_) => self.model.services.get(key).is_some_and(|joint| {
                joint.let_go.is_some() || joint.endpoints.as_ref().is_some_and(|e| same(&e.0.meta))
            }),
            Object::EndpointSlice(slice) => {
                let Some(name) = slice.service.clone() else { return false };
                let service = ObjectKey { namespace: key.namespace.clone(), name };
                let joint = self.model.services.get(&service);
                joint.is_some_and(|joint| {
                    let found = joint.slices.binary_search_by(|s| s.meta.key.name.cmp(&key.name));
                    found.ok().and_then(|at| joint.slices.get(at)).is_some_and(|s| same(&s.meta))
                })
            }
            // Of these no version is kept, and they are small.
            Object::Namespace(_) | Object::Pod(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{EndpointSlice, Endpoints, ManagedBy, Service, SliceAddresses};
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
}
