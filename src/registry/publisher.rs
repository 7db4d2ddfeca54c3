//! The one publisher: turns what has become dirty into the next view, and puts that in place.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, select};

use super::Registry;
use super::model::Dirty;
use crate::cluster::{Kind, ObjectKey};
use crate::name::push_label;
use crate::zone::{Delta, Inputs, View, compile};

/// How long a burst of changes is gathered before the next view. A lone change does not wait: only
/// what follows within this time of a view does.
const GATHER: Duration = Duration::from_millis(5);

/// Where the serial's time comes from.
pub trait Clock: Send + 'static {
    /// Unix time in seconds.
    fn unix_seconds(&self) -> u32;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_seconds(&self) -> u32 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
    }
}

/// Builds views of a registry.
#[derive(Debug)]
pub struct Publisher<C = SystemClock> {
    registry: Arc<Registry>,
    clock: C,
}

impl<C: Clock> Publisher<C> {
    /// The publisher of `registry`, of which there must be but one.
    pub fn new(registry: Arc<Registry>, clock: C) -> Self {
        Self { registry, clock }
    }

    /// Publishes until `stop` is closed or says something.
    pub fn run(mut self, stop: &Receiver<()>) {
        let mut published: Option<Instant> = None;
        loop {
            let woken = self.registry.woken.clone();
            select! {
                recv(stop) -> _ => return,
                recv(woken) -> _ => {}
            }
            let rest = published.map_or(Duration::ZERO, |at| GATHER.saturating_sub(at.elapsed()));
            if !rest.is_zero() {
                select! {
                    recv(stop) -> _ => return,
                    default(rest) => {}
                }
            }
            if self.publish() {
                published = Some(Instant::now());
            }
        }
    }

    /// Puts the next view in place, and says whether there was reason for one.
    pub fn publish(&mut self) -> bool {
        let current = self.registry.view.load_full();
        let next = {
            let _alone = self.registry.gate.write().unwrap_or_else(PoisonError::into_inner);
            self.next_view(&current)
        };
        let Some(next) = next else { return false };
        self.registry.view.store(Arc::new(next));
        true
    }

    fn next_view(&self, current: &View) -> Option<View> {
        let (dirty, listed, slices_served) = {
            let mut pending = self.registry.pending();
            (pending.take(), pending.listed, !pending.not_served.has(Kind::EndpointSlice))
        };
        let mut delta = Delta::default();
        for what in dirty {
            match what {
                Dirty::Service(key) => self.service(&key, slices_served, &mut delta),
                Dirty::Namespace(name) => self.namespace(&name, slices_served, &mut delta),
                Dirty::Pod(namespace, ip) => {
                    let mut label = Vec::new();
                    if push_label(&mut label, &namespace).is_ok() {
                        let key = (namespace, ip);
                        let live = self.registry.model.pod_addresses.contains_key(&key);
                        delta.pods.insert((label.into(), ip), live);
                    }
                }
            }
        }
        let needed = current.spec().needed_kinds();
        let mut waiting = needed;
        listed.iter().for_each(|kind| waiting.remove(kind));
        current.with(&delta, waiting, self.clock.unix_seconds())
    }

    fn namespace(&self, name: &str, slices_served: bool, delta: &mut Delta) {
        let mut label = Vec::new();
        if push_label(&mut label, name).is_err() {
            return;
        }
        let state = self.registry.model.namespaces.get(name);
        let exposed = state.as_ref().is_some_and(|state| state.exposed.is_some());
        let members: Vec<Box<str>> =
            state.as_ref().map(|state| state.members.iter().cloned().collect()).unwrap_or_default();
        drop(state);
        delta.namespaces.insert(label.into(), exposed);
        for member in members {
            let key = ObjectKey { namespace: name.into(), name: member };
            self.service(&key, slices_served, delta);
        }
    }

    fn service(&self, key: &ObjectKey, slices_served: bool, delta: &mut Delta) {
        let mut wire = Vec::new();
        let named = push_label(&mut wire, &key.name).and(push_label(&mut wire, &key.namespace));
        if named.is_err() {
            // No query can ask for it: the name cannot be written as two labels.
            return;
        }
        let model = &self.registry.model;
        let namespace = model.namespaces.get(&key.namespace);
        let exposed = namespace.is_some_and(|state| state.exposed.is_some());
        let record = model.services.get(key).filter(|_| exposed).and_then(|joint| {
            let (service, _) = joint.service.as_ref()?;
            let inputs = Inputs {
                service,
                slices: &joint.slices,
                endpoints: joint.endpoints.as_ref().map(|found| &found.0),
                slices_served,
            };
            Some(compile(&inputs, self.registry.view.load().spec()).record)
        });
        delta.services.insert(wire.into(), record);
    }
}
