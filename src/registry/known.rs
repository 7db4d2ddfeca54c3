//! What is known of one Service and what stands around it, for whoever asks why a name answers what
//! it answers. It is read from the write model, so never by a query's thread.

use crate::cluster::{EndpointSlice, Endpoints, Kind, ObjectKey, Service};

use super::kept::Kept;
use super::model::{Joint, Namespace, Seen, Stamp};
use super::{Oddity, Registry};

/// An object as it is kept.
#[derive(Clone, Debug)]
pub struct Known<T> {
    /// The object, without its labels.
    pub object: T,
    /// Since when it has been what it is, as far as this process has seen; in seconds of Unix time.
    pub since: Stamp,
}

/// All that is filed under the name of one Service, whether that exists or not.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Its namespace exists and is exposed.
    pub exposed: bool,
    /// The Service.
    pub service: Option<Known<Service>>,
    /// The slices that name it, sorted by their own names.
    pub slices: Vec<Known<EndpointSlice>>,
    /// The Endpoints object of its name.
    pub endpoints: Option<Known<Endpoints>>,
    /// There is such an object, and since it says nothing as things stand it was not kept.
    pub endpoints_let_go: bool,
}

impl Registry {
    /// All that is filed under the name of a Service.
    pub fn about(&self, key: &ObjectKey) -> About {
        let about = |namespace: &Namespace| {
            let mut about = About { exposed: namespace.exposed.is_some(), ..About::default() };
            if let Some(joint) = namespace.services.get(&key.name) {
                about.fill(key, namespace, joint);
            }
            about
        };
        self.model.read(&key.namespace, about).unwrap_or_default()
    }

    /// The namespaces that exist and are exposed, and others in which there are objects (false);
    /// sorted by name.
    pub fn namespaces(&self) -> Vec<(Box<str>, bool)> {
        let is_exposed = |name: &str| self.model.read(name, |found| found.exposed.is_some());
        let names = self.model.names().into_iter();
        names.filter_map(|name| is_exposed(&name).map(|exposed| (name, exposed))).collect()
    }

    /// Visits the names in a namespace that a Service has, in their order, as long as `visit` wants
    /// more.
    pub fn services_in(&self, namespace: &str, visit: &mut dyn FnMut(&str) -> bool) {
        self.model.read(namespace, |found| {
            let mut named = found.services.iter().filter(|(_, joint)| joint.service.is_some());
            named.all(|(name, _)| visit(name))
        });
    }

    /// Visits the names in a namespace for which there are endpoints and no Service, in their order, as
    /// long as `visit` wants more.
    pub fn orphans_in(&self, namespace: &str, visit: &mut dyn FnMut(&str) -> bool) {
        self.model.read(namespace, |found| {
            let mut named = found.services.iter().filter(|(_, joint)| joint.service.is_none());
            named.all(|(name, _)| visit(name))
        });
    }

    /// What is odd about objects of a namespace.
    pub fn odd_in(&self, namespace: &str) -> Vec<(Oddity, ObjectKey)> {
        self.ledger().odd_in(namespace)
    }

    /// Whether the source has EndpointSlices. Where it has none, Endpoints count for every Service.
    pub fn slices_served(&self) -> bool {
        !self.pending().not_served.has(Kind::EndpointSlice)
    }
}

impl About {
    fn fill(&mut self, key: &ObjectKey, namespace: &Namespace, joint: &Joint) {
        let known = |(kept, seen): &(Kept, Seen)| {
            Some(Known { object: kept.service(key)?, since: seen.since })
        };
        self.service = joint.service.as_ref().and_then(known);
        let slices = joint.slices.iter().filter_map(|kept| kept.slice(key));
        let known = slices.map(|object| {
            let since = namespace.slice_since(&object.meta.key.name).unwrap_or_default();
            Known { object, since }
        });
        self.slices = known.collect();
        if let Some((kept, seen)) = &joint.endpoints {
            let object = kept.as_ref().and_then(|kept| kept.endpoints(key));
            self.endpoints_let_go = kept.is_none();
            self.endpoints = object.map(|object| Known { object, since: seen.since });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{Change, Meta, Namespace as NamespaceObject, Object, SliceAddresses};
    use crate::zone::Spec;

    fn service(version: &str) -> Object {
        let mut service = Service::new("shop", "web");
        service.meta.resource_version = Some(version.into());
        service.meta.uid = Some("0f9e8d7c-6b5a-4c3d-8e1f-a0b1c2d3e4f5".into());
        service.has_selector = true;
        Object::Service(service)
    }

    fn slice(name: &str, service: Option<&str>) -> Object {
        Object::EndpointSlice(EndpointSlice {
            meta: Meta::new("shop", name),
            service: service.map(Into::into),
            managed_by: Default::default(),
            address_type: SliceAddresses::V4,
            endpoints: Vec::new(),
            ports: Vec::new(),
        })
    }

    fn endpoints() -> Object {
        let meta = Meta::new("shop", "web");
        Object::Endpoints(Endpoints { meta, not_for_services: false, subsets: Vec::new() })
    }

    /// Makes everything that is filed a day older.
    fn age(registry: &Registry) {
        const DAY: u32 = 86_400;
        registry.model.change("shop", |namespace| {
            namespace.older_by(DAY);
        });
    }

    #[test]
    fn what_is_filed_under_a_name_is_known_with_its_age() {
        let registry = Registry::new(Arc::new(Spec::default()), 1);
        let put = |object: Object| registry.apply([Change::Put(object)]);
        let key = ObjectKey::new("shop", "web");
        assert!(!registry.about(&key).exposed);
        for object in [
            Object::Namespace(NamespaceObject { meta: Meta::new("", "shop") }),
            service("7"),
            slice("web-b", Some("web")),
            slice("web-a", Some("web")),
            slice("nobodys", None),
            endpoints(),
        ] {
            put(object);
        }
        age(&registry);
        let since = |about: &About| {
            let slices: Vec<u32> = about.slices.iter().map(|slice| slice.since).collect();
            let service = about.service.as_ref().unwrap().since;
            (service, slices, about.endpoints.as_ref().unwrap().since)
        };
        let before = registry.about(&key);
        assert!(before.exposed && !before.endpoints_let_go);
        let names = before.slices.iter().map(|slice| slice.object.meta.key.to_string());
        assert_eq!(names.collect::<Vec<_>>(), ["shop/web-a", "shop/web-b"]);
        let meta = &before.service.as_ref().unwrap().object.meta;
        assert_eq!(meta.uid.as_deref(), Some("0f9e8d7c-6b5a-4c3d-8e1f-a0b1c2d3e4f5"));
        let mut found = Vec::new();
        registry.services_in("shop", &mut |name| {
            found.push(name.to_owned());
            true
        });
        assert_eq!(found, ["web"]);
        assert_eq!(registry.namespaces(), [("shop".into(), true)]);
        let odd = [(Oddity::UnlabelledSlice, ObjectKey::new("shop", "nobodys"))];
        assert_eq!(registry.odd_in("shop"), odd);
        assert_eq!(registry.odd_in("other"), []);

        // What is told again is as old as it was; what has changed is new.
        put(service("7"));
        put(slice("web-a", Some("web")));
        put(endpoints());
        let same = registry.about(&key);
        assert_eq!(since(&same), since(&before));
        put(service("8"));
        let after = registry.about(&key);
        assert!(since(&after).0 > since(&before).0);
        assert_eq!(since(&after).1, since(&before).1);
        let mut moved = slice("web-a", Some("web"));
        if let Object::EndpointSlice(slice) = &mut moved {
            slice.meta.resource_version = Some("9".into());
        }
        put(moved);
        let after = registry.about(&key);
        assert!(since(&after).1[0] > since(&before).1[0]);
        assert_eq!(since(&after).1[1], since(&before).1[1]);
    }
}
