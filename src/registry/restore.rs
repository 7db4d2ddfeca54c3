//! The state of an earlier run, shown until the first lists are complete; and doubt about what is
//! known, for as long as the API server is out of touch (schema.md, section 9).

use std::sync::Arc;

use super::{Clock, Publisher, Registry};
use crate::cluster::{Change, Kind, KindSet, Object};
use crate::zone::{State, View};

/// A clock that an earlier run has stopped.
struct Stopped(u32);

impl Clock for Stopped {
    fn unix_seconds(&self) -> u32 {
        self.0
    }
}

impl Registry {
    /// Shows a state that an earlier run has written down, with its `serial`, until every kind but
    /// pods has been listed; then it gives way whole. It holds the objects of these `kinds`, which
    /// `fill` hands over; `doubt` says to askers what they are told. To be called before any
    /// publisher runs.
    pub fn restore(
        &self,
        serial: u32,
        kinds: KindSet,
        doubt: &str,
        fill: impl FnOnce(&mut dyn FnMut(Object)),
    ) {
        let earlier = Self::new(Arc::clone(&self.spec), self.seed);
        let mut waiting = self.spec.needed_kinds();
        if waiting.has(Kind::EndpointSlice) && !kinds.has(Kind::EndpointSlice) {
            earlier.apply([Change::NotServed(Kind::EndpointSlice)]);
            waiting.remove(Kind::EndpointSlice);
        }
        earlier.put_back(kinds, fill);
        Publisher::new(Arc::clone(&earlier), Stopped(serial)).publish();
        kinds.iter().for_each(|kind| waiting.remove(kind));
        let state = State { waiting, doubt: Some(doubt.into()), ..State::default() };
        let view = View::clone(&earlier.view.load()).with_serial(serial).in_state(state);
        self.pending().restored = Some(view.serial());
        self.view.store(Arc::new(view));
        self.gauges.shown();
    }

    /// Whether a state of an earlier run is shown.
    pub fn is_restored(&self) -> bool {
        self.restored().is_some()
    }

    /// Says to askers why what they are told may be out of date, or that it no longer may.
    pub fn set_doubt(&self, doubt: Option<&str>) {
        self.pending().doubt = doubt.map(Into::into);
        let _ = self.wake.try_send(());
    }

    /// The serial of the restored state, as long as that is shown.
    pub(super) fn restored(&self) -> Option<u32> {
        self.pending().restored
    }

    pub(super) fn restore_ends(&self) {
        self.pending().restored = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Meta, Namespace, Service};
    use crate::zone::Spec;

    fn namespace(name: &str) -> Object {
        Object::Namespace(Namespace { meta: Meta::new("", name) })
    }

    fn service(name: &str, last: u8) -> Object {
        let mut service = Service::new("shop", name);
        service.cluster_ips =
            crate::cluster::ClusterIps::Addresses(smallvec::smallvec![[10, 0, 0, last].into()]);
        service.has_selector = true;
        Object::Service(service)
    }

    #[test]
    fn a_restored_state_gives_way_whole() {
        let registry = Registry::new(Arc::new(Spec::default()), 3);
        registry.restore(1_000, KindSet::ALL, "as of an earlier run", |sink| {
            sink(namespace("shop"));
            sink(service("old", 1));
        });
        let mut publisher = Publisher::new(Arc::clone(&registry), Stopped(500));
        let has = |name: &[u8]| registry.view().load().service(name).is_some();
        let (old, new) = (b"\x03old\x04shop", b"\x03new\x04shop");
        assert!(has(old));
        assert_eq!(registry.view().load().doubt(), Some("as of an earlier run"));
        assert_eq!(registry.view().load().serial(), 1_000);

        for kind in [Kind::Namespace, Kind::Service] {
            registry.apply([Change::ListBegins(kind)]);
        }
        registry.apply([Change::Put(namespace("shop")), Change::Put(service("new", 2))]);
        registry.apply([Change::ListEnds(Kind::Namespace), Change::ListEnds(Kind::Service)]);
        assert!(!publisher.publish(), "two kinds of four are listed");
        assert!(has(old) && !has(new));

        for kind in [Kind::EndpointSlice, Kind::Endpoints] {
            registry.apply([Change::ListBegins(kind), Change::ListEnds(kind)]);
        }
        assert!(publisher.publish());
        assert!(!has(old) && has(new));
        assert_eq!(registry.view().load().doubt(), None);
        assert_eq!(registry.view().load().serial(), 1_001, "never backwards");
    }

    #[test]
    fn doubt_leaves_the_serial_alone() {
        let registry = Registry::new(Arc::new(Spec::default()), 3);
        let mut publisher = Publisher::new(Arc::clone(&registry), Stopped(500));
        registry.apply([Change::Put(namespace("shop"))]);
        publisher.publish();
        let serial = registry.view().load().serial();
        registry.set_doubt(Some("out of touch"));
        assert!(publisher.publish());
        assert_eq!(registry.view().load().doubt(), Some("out of touch"));
        assert_eq!(registry.view().load().serial(), serial);
        registry.set_doubt(None);
        assert!(publisher.publish());
        assert_eq!(registry.view().load().doubt(), None);
    }
}
