//! The objects themselves, out of the registry and back: what the last known good state is made of.

use std::sync::PoisonError;

use super::Registry;
use super::kept::Kept;
use super::model::Namespace;
use crate::cluster::packed::{self, Cursor, Flaw, Recent, put_count, put_lone_text};
use crate::cluster::snapshot::Stored;
use crate::cluster::{Kind, KindSet, Object, ObjectKey};

impl Registry {
    /// Hands over every object that counts, in the order of their names, and says which kinds are
    /// among them: those that have been listed.
    ///
    /// `None`, and nothing of use handed over, while that would be no state that was ever good:
    /// before the first lists of all that is needed (but pods, which one may be forbidden to list).
    /// Nothing of a new list is among them before it ends.
    ///
    /// Nothing is applied or published while the objects are copied, so that no batch is half
    /// there. `visit` may take its time: it is called after that.
    pub fn objects(&self, visit: &mut dyn FnMut(Stored<'_>)) -> Option<KindSet> {
        self.steady()?;
        let (kinds, copy) = {
            let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            let kinds = self.steady()?;
            (kinds, self.copy(kinds))
        };
        let read = copy.visit(visit);
        read.inspect_err(|flaw| tracing::error!(flaw, "objects are not as they were kept")).ok()?;
        Some(kinds)
    }

    fn copy(&self, kinds: KindSet) -> Copy {
        let mut copy = Copy::default();
        for name in self.model.names() {
            self.model.read(&name, |namespace| copy.namespace(&name, namespace, kinds));
        }
        copy
    }

    /// The kinds that have been listed, unless the objects are no good state yet.
    fn steady(&self) -> Option<KindSet> {
        let pending = self.pending();
        let listed = pending.listed;
        let mut needed = self.spec.needed_kinds();
        needed.remove(Kind::Pod);
        if needed.and(listed) != needed {
            return None;
        }
        // What the source does not have is not among them, so that a restored state knows it too.
        let mut kinds = listed;
        pending.not_served.iter().for_each(|kind| kinds.remove(kind));
        Some(kinds)
    }

    /// Puts back what [`Registry::objects`] once handed over, as complete lists of `kinds`; what
    /// that does becomes visible all at once. The filters by label and by namespace are not asked:
    /// they let these objects through when they still had their labels.
    pub fn put_back(&self, kinds: KindSet, fill: impl FnOnce(&mut dyn FnMut(Object))) {
        {
            let _shared = self.gate.read().unwrap_or_else(PoisonError::into_inner);
            fill(&mut |object| {
                let mark = self.mark(object.kind());
                self.file_again(object, mark);
            });
            self.is_listed(kinds);
        }
        // A full channel means that the publisher is about to look anyway.
        let _ = self.wake.try_send(());
    }
}

/// The objects of a moment, packed as they are kept.
#[derive(Default)]
struct Copy {
    namespaces: Vec<Box<str>>,
    services: Packed,
    pods: Packed,
}

impl Copy {
    fn namespace(&mut self, name: &str, namespace: &Namespace, kinds: KindSet) {
        if namespace.exposed.is_some() && kinds.has(Kind::Namespace) {
            self.namespaces.push(name.into());
        }
        for (service, joint) in &namespace.services {
            // A slice that belongs to no Service is not kept here, and means nothing to DNS.
            let of = |kind: Kind| move |_: &&Kept| kinds.has(kind);
            let services = joint.service.iter().map(|(kept, _)| kept).filter(of(Kind::Service));
            let slices = joint.slices.iter().filter(of(Kind::EndpointSlice));
            let endpoints = joint.endpoints.iter().filter_map(|(kept, _)| kept.as_ref());
            let endpoints = endpoints.filter(of(Kind::Endpoints));
            self.services.put(name, service, services.chain(slices).chain(endpoints));
        }
        for (pod, (kept, _)) in namespace.pods.iter().filter(|_| kinds.has(Kind::Pod)) {
            self.pods.put(name, pod, std::iter::once(kept));
        }
    }

    fn visit(&self, visit: &mut dyn FnMut(Stored<'_>)) -> Result<(), Flaw> {
        self.namespaces.iter().for_each(|name| visit(Stored::Namespace(name)));
        self.services.visit(visit)?;
        self.pods.visit(visit)
    }
}

/// Of each key: namespace, name, how many objects are kept under it, and these.
#[derive(Default)]
struct Packed(Vec<u8>);

impl Packed {
    fn put<'a>(
        &mut self,
        namespace: &str,
        name: &str,
        objects: impl Iterator<Item = &'a Kept> + Clone,
    ) {
        put_lone_text(&mut self.0, namespace);
        put_lone_text(&mut self.0, name);
        put_count(&mut self.0, objects.clone().count());
        objects.for_each(|kept| self.0.extend_from_slice(kept.octets()));
    }

    fn visit(&self, visit: &mut dyn FnMut(Stored<'_>)) -> Result<(), Flaw> {
        let mut cursor = Cursor::new(&self.0);
        while !cursor.is_at_end() {
            let key = ObjectKey::new(cursor.lone_text()?, cursor.lone_text()?);
            for _ in 0..cursor.number()? {
                let object = packed::read(&mut cursor, &mut Recent::near(&key))?;
                Stored::of(&object).into_iter().for_each(&mut *visit);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::cluster::{
        Change, ClusterIps, EndpointSlice, Endpoints, LabelSelector, ManagedBy, Meta, Namespace,
        ObjectKey, Pod, Service, SliceAddresses,
    };
    use crate::registry::{Publisher, SystemClock};
    use crate::zone::{NamespaceFilter, Pods, Spec};

    fn meta(namespace: &str, name: &str) -> Meta {
        let mut meta = Meta::new(namespace, name);
        meta.labels = vec![("app".into(), "web".into())];
        meta
    }

    fn namespace(name: &str) -> Object {
        Object::Namespace(Namespace { meta: meta("", name) })
    }

    fn service(namespace: &str, name: &str) -> Object {
        Object::Service(Service {
            meta: meta(namespace, name),
            external_name: None,
            cluster_ips: ClusterIps::Addresses(
                std::iter::once("10.0.0.1".parse().unwrap()).collect(),
            ),
            has_selector: true,
            ports: Vec::new(),
            ip_families: std::iter::empty().collect(),
            session_affinity: false,
            local_traffic_only: false,
            publish_not_ready: false,
            selectorless: None,
        })
    }

    fn slice(namespace: &str, name: &str, service: &str) -> Object {
        Object::EndpointSlice(EndpointSlice {
            meta: meta(namespace, name),
            service: Some(service.into()),
            managed_by: ManagedBy::Controller,
            address_type: SliceAddresses::V4,
            endpoints: Vec::new(),
            ports: Vec::new(),
        })
    }

    fn endpoints(namespace: &str, name: &str) -> Object {
        let meta = meta(namespace, name);
        Object::Endpoints(Endpoints { meta, not_for_services: false, subsets: Vec::new() })
    }

    fn pod(namespace: &str, name: &str) -> Object {
        let ips = std::iter::once("10.1.0.1".parse().unwrap()).collect();
        Object::Pod(Pod { meta: meta(namespace, name), ips, live: true })
    }

    fn registry() -> Arc<Registry> {
        let selector = LabelSelector::parse("app=web").unwrap();
        let spec = Spec {
            namespaces: NamespaceFilter::Selected(selector.clone()),
            labels: Some(selector),
            pods: Pods::Verified,
            ..Spec::default()
        };
        Registry::new(Arc::new(spec), 1)
    }

    fn list(registry: &Registry, kinds: &[Kind], objects: impl IntoIterator<Item = Object>) {
        let puts = objects.into_iter().map(Change::Put);
        let begin = kinds.iter().copied().map(Change::ListBegins);
        let end = kinds.iter().copied().map(Change::ListEnds);
        registry.apply(begin.chain(puts).chain(end));
    }

    /// What is handed over, each as its kind and key.
    fn keys(registry: &Registry) -> Option<(KindSet, Vec<String>)> {
        let mut keys = Vec::new();
        let kinds = registry.objects(&mut |object| {
            keys.push(match object {
                Stored::Namespace(name) => format!("namespace {name}"),
                Stored::Service(service) => format!("service {}", service.meta.key),
                Stored::EndpointSlice(slice) => format!("slice {}", slice.meta.key),
                Stored::Endpoints(endpoints) => format!("endpoints {}", endpoints.meta.key),
                Stored::Pod(key, ips) => format!("pod {key} {ips:?}"),
            });
        });
        assert!(kinds.is_some() || keys.is_empty());
        Some((kinds?, keys))
    }

    fn some() -> Vec<Object> {
        vec![
            slice("b", "web-2", "web"),
            pod("b", "p"),
            service("b", "web"),
            namespace("b"),
            endpoints("b", "web"),
            slice("b", "web-1", "web"),
            service("a", "zoo"),
            namespace("a"),
            slice("a", "early", "no-service-yet"),
        ]
    }

    const SOME: [&str; 9] = [
        "namespace a",
        "namespace b",
        "slice a/early",
        "service a/zoo",
        "service b/web",
        "slice b/web-1",
        "slice b/web-2",
        "endpoints b/web",
        "pod b/p [10.1.0.1]",
    ];

    #[test]
    fn every_object_is_handed_over_in_order_whatever_order_it_came_in() {
        let registry = registry();
        list(&registry, &Kind::ALL, some());
        assert_eq!(keys(&registry), Some((KindSet::ALL, SOME.map(str::to_owned).to_vec())));
        let other = self::registry();
        list(&other, &Kind::ALL, some().into_iter().rev());
        assert_eq!(keys(&other), keys(&registry));
    }

    #[test]
    fn nothing_is_handed_over_before_the_first_lists() {
        let registry = registry();
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Pod) {
            assert_eq!(keys(&registry), None, "before {kind:?}");
            list(&registry, &[kind], some().into_iter().filter(|object| object.kind() == kind));
        }
        // Without pods: they have not been listed, and a few of them are no list.
        registry.apply([Change::ListBegins(Kind::Pod), Change::Put(pod("b", "p"))]);
        let (kinds, found) = keys(&registry).unwrap();
        assert!(!kinds.has(Kind::Pod));
        assert_eq!(found, SOME[..8]);
        registry.apply([Change::ListEnds(Kind::Pod)]);
        assert_eq!(keys(&registry).unwrap().1, SOME);
    }

    #[test]
    fn nothing_of_a_new_list_is_handed_over_before_it_ends() {
        let registry = registry();
        list(&registry, &Kind::ALL, some());
        registry.apply([Change::ListBegins(Kind::Service), Change::Put(service("a", "zoo"))]);
        registry.apply([Change::Put(service("a", "new"))]);
        assert_eq!(keys(&registry).unwrap().1, SOME);
        registry.apply([Change::ListEnds(Kind::Service)]);
        let (_, found) = keys(&registry).unwrap();
        assert!(found.contains(&"service a/new".to_owned()));
        assert!(!found.contains(&"service b/web".to_owned()));
    }

    #[test]
    fn what_is_put_back_is_what_was_handed_over_filters_or_not() {
        let registry = registry();
        list(&registry, &Kind::ALL, some());
        let bare = some().into_iter().map(|mut object| {
            match &mut object {
                Object::Namespace(of) => of.meta.labels.clear(),
                Object::Service(of) => of.meta.labels.clear(),
                Object::EndpointSlice(of) => of.meta.labels.clear(),
                Object::Endpoints(of) => of.meta.labels.clear(),
                Object::Pod(of) => of.meta.labels.clear(),
            }
            object
        });
        let restored = self::registry();
        restored.put_back(KindSet::ALL, |sink| bare.for_each(sink));
        assert_eq!(keys(&restored), keys(&registry));
        Publisher::new(Arc::clone(&restored), SystemClock).publish();
        let view = restored.view().load_full();
        assert!(view.waiting().is_empty());
        assert!(
            view.has_namespace(b"\x01a") && view.has_pod(b"\x01b", "10.1.0.1".parse().unwrap())
        );
        assert_eq!(view.services().len(), 2);

        // A list that follows sweeps what is no longer there.
        list(&restored, &Kind::ALL, [namespace("a"), service("a", "zoo")]);
        assert_eq!(keys(&restored).unwrap().1, ["namespace a", "service a/zoo"]);
    }

    /// One thread moves a Service from name to name, both in one batch: there is always one.
    #[test]
    fn a_batch_is_handed_over_whole_or_not_at_all() {
        let registry = registry();
        list(&registry, &Kind::ALL, [namespace("a"), service("a", "s0")]);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let name = |at: usize| format!("s{}", at % 50);
                for at in 0..3_000 {
                    let gone = ObjectKey::new("a", &name(at));
                    registry.apply([
                        Change::Remove(Kind::Service, gone),
                        Change::Put(service("a", &name(at + 1))),
                    ]);
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                let (_, found) = keys(&registry).unwrap();
                assert_eq!(found.len(), 2, "{found:?}");
            }
        });
    }
}
