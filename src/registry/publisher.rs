//! The one publisher: turns what has become dirty into the next view, and puts that in place.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, after, never, select};

use super::Registry;
use super::model::Dirty;
use crate::cluster::{Kind, ObjectKey};
use crate::name::push_label;
use crate::zone::{Delta, Inputs, Spec, State, View, compile};

/// How long a burst of changes is gathered before the next view. A lone change does not wait: only
/// what follows within this time of a view does.
const GATHER: Duration = Duration::from_millis(5);
/// How many Services are compiled before they are put into the next view. All of a first list at
/// once would be a second copy of the cluster beside the view.
const PART: usize = 256;

/// After how much looked at for one view memory is tidied: more than daily business, less than a
/// list of a cluster that would be missed.
const TIDY_AFTER: usize = 2_000;
/// After how long without a change it is tidied once more: by then the source and the query threads
/// have let go of what they held for the list.
const TIDY_REST: Duration = Duration::from_secs(1);

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
pub struct Publisher<C = SystemClock> {
    registry: Arc<Registry>,
    clock: C,
    tidy: fn(),
    /// Much was compiled, and what the other threads let go since has not been given back.
    untidy: bool,
    told: Box<dyn Fn() + Send>,
    /// What the registry's objects make, shown or not.
    built: Arc<View>,
}

/// What has become of what was dirty.
struct Next {
    looked_at: usize,
    /// The next view, if any query could tell the difference.
    view: Option<View>,
    /// When the changes to some Services' endpoints that it shows happened in the cluster.
    triggers: Vec<(ObjectKey, SystemTime)>,
}

impl<C: Clock> Publisher<C> {
    /// The publisher of `registry`, of which there must be but one.
    pub fn new(registry: Arc<Registry>, clock: C) -> Self {
        let built = Arc::new(View::empty(Arc::clone(&registry.spec), registry.seed));
        Self { registry, clock, tidy: || (), untidy: false, told: Box::new(|| ()), built }
    }

    /// Has `tidy` run after each view for which much was compiled, such as a first list: for an
    /// allocator that gives memory back only when told to.
    #[must_use]
    pub fn with_tidy(self, tidy: fn()) -> Self {
        Self { tidy, ..self }
    }

    /// Publishes until `stop` is closed or says something.
    pub fn run(mut self, stop: &Receiver<()>) {
        let mut published: Option<Instant> = None;
        loop {
            let woken = self.registry.woken.clone();
            let rest = if self.untidy { after(TIDY_REST) } else { never() };
            select! {
                recv(stop) -> _ => return,
                recv(woken) -> _ => {}
                recv(rest) -> _ => {
                    self.untidy = false;
                    (self.tidy)();
                    continue;
                }
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

    /// Has `told` run after each view with other records that is put in place.
    #[must_use]
    pub fn with_told(self, told: impl Fn() + Send + 'static) -> Self {
        Self { told: Box::new(told), ..self }
    }

    /// Puts the next view in place, and says whether there was reason for one.
    pub fn publish(&mut self) -> bool {
        let began = Instant::now();
        let Next { looked_at, view, triggers } = {
            let _alone = self.registry.gate.write().unwrap_or_else(PoisonError::into_inner);
            self.next_view()
        };
        let changed = view.is_some();
        if let Some(view) = view {
            self.built = Arc::new(view);
        }
        let published = changed && self.show();
        if published {
            self.registry.gauges.published(began.elapsed());
            self.registry.programmed(&triggers, SystemTime::now());
        }
        if looked_at > TIDY_AFTER {
            self.untidy = true;
            (self.tidy)();
        }
        published
    }

    /// Shows what is built, unless a restored state is shown and not all lists are complete.
    fn show(&mut self) -> bool {
        if let Some(serial) = self.registry.restored() {
            // Pods may never come: there may be no right to list them.
            let mut waiting = self.built.waiting();
            waiting.remove(Kind::Pod);
            if !waiting.is_empty() {
                return false;
            }
            let built = View::clone(&self.built).with_serial(serial.saturating_add(1));
            self.built = Arc::new(built);
            self.registry.restore_ends();
        }
        let before = self.registry.view.swap(Arc::clone(&self.built));
        // A doubt is no news to whoever keeps what is known.
        if before.serial() != self.built.serial() {
            (self.told)();
        }
        true
    }

    fn next_view(&self) -> Next {
        let spec = self.built.spec();
        let mut state = State { waiting: spec.needed_kinds(), ..State::default() };
        let (dirty, triggers, slices_served) = {
            let mut pending = self.registry.pending();
            pending.listed.iter().for_each(|kind| state.waiting.remove(kind));
            state.doubt.clone_from(&pending.doubt);
            state.refused = pending.refused;
            let dirty = std::mem::take(&mut pending.dirty).into_iter().collect();
            let slices_served = !pending.not_served.has(Kind::EndpointSlice);
            (dirty, pending.take_triggers(), slices_served)
        };
        let dirty = self.with_members(dirty);
        let deltas = dirty.chunks(PART).map(|part| self.delta(part, spec, slices_served));
        let view = self.built.with(deltas, state, self.clock.unix_seconds());
        let shows = |(key, _): &(ObjectKey, SystemTime)| {
            let records = [Some(&*self.built), view.as_ref()];
            let [before, after] = records.map(|view| view?.table().get(&wire_key(key)?));
            before != after
        };
        let triggers = triggers.into_iter().filter(shows).collect();
        Next { looked_at: dirty.len(), view, triggers }
    }

    /// Adds to dirty namespaces what is filed under them; all once.
    fn with_members(&self, dirty: Vec<Dirty>) -> Vec<Dirty> {
        let mut members = Vec::new();
        for what in &dirty {
            let Dirty::Namespace(name) = what else { continue };
            if let Some(state) = self.registry.model.namespaces.get(name) {
                members.extend(state.members.iter().map(|member| {
                    Dirty::Service(ObjectKey { namespace: name.clone(), name: member.clone() })
                }));
            }
        }
        let mut all = dirty;
        all.extend(members);
        all.sort_unstable();
        all.dedup();
        all
    }

    fn delta(&self, part: &[Dirty], spec: &Spec, slices_served: bool) -> Delta {
        let mut delta = Delta::default();
        for what in part {
            match what {
                Dirty::Service(key) => self.service(key, spec, slices_served, &mut delta),
                Dirty::Namespace(name) => {
                    let mut label = Vec::new();
                    if push_label(&mut label, name).is_ok() {
                        delta.namespaces.insert(label.into(), self.exposes(name));
                    }
                }
                Dirty::Pod(namespace, ip) => {
                    let mut label = Vec::new();
                    if push_label(&mut label, namespace).is_ok() {
                        let key = (namespace.clone(), *ip);
                        let live = self.registry.model.pod_addresses.contains_key(&key);
                        delta.pods.insert((label.into(), *ip), live);
                    }
                }
            }
        }
        delta
    }

    fn exposes(&self, namespace: &str) -> bool {
        let state = self.registry.model.namespaces.get(namespace);
        state.is_some_and(|state| state.exposed.is_some())
    }

    fn service(&self, key: &ObjectKey, spec: &Spec, slices_served: bool, delta: &mut Delta) {
        // No query can ask for a name that cannot be written as two labels.
        let Some(wire) = wire_key(key) else { return };
        let exposed = self.exposes(&key.namespace);
        let joint = self.registry.model.services.get(key).filter(|_| exposed);
        let record = joint.and_then(|joint| {
            let (service, _) = joint.service.as_ref()?;
            let inputs = Inputs {
                service,
                slices: &joint.slices,
                endpoints: joint.endpoints.as_ref().map(|found| &found.0),
                slices_served,
            };
            let compiled = compile(&inputs, spec);
            self.registry.ledger().drops(key, compiled.dropped);
            Some(compiled.record)
        });
        if record.is_none() {
            self.registry.ledger().drops(key, BTreeMap::new());
        }
        delta.services.insert(wire.into(), record);
    }
}

/// A Service's key in the view: `S.N` in wire form.
fn wire_key(key: &ObjectKey) -> Option<Vec<u8>> {
    let mut wire = Vec::new();
    push_label(&mut wire, &key.name).and(push_label(&mut wire, &key.namespace)).ok()?;
    Some(wire)
}
