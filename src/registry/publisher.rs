//! The one publisher: turns what has become dirty into the next view, and puts that in place.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, after, never, select};

use super::Registry;
use super::model::Namespace;
use super::pending::Dirty;
use super::tidy::Untidiness;
use crate::cluster::{Kind, KindSet, ObjectKey};
use crate::name::push_label;
use crate::zone::{Delta, Inputs, Spec, State, View, compile};

/// How long a burst of changes is gathered before the next view. A lone change does not wait: only
/// what follows within this time of a view does.
const GATHER: Duration = Duration::from_millis(5);
/// How many Services are compiled at least before they are put into the next view. All of a first
/// list at once would be a second copy of the cluster beside the view.
const PART: usize = 256;
/// In how many parts at most a view is made: each part of a large one touches most of the table, so
/// that parts of one size would make for work that grows with the square of the cluster.
const PARTS: usize = 16;

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
    untidiness: Untidiness,
    told: Box<dyn Fn() + Send>,
    /// What the registry's objects make, shown or not.
    built: Arc<View>,
}

/// What is known of kinds as a whole.
#[derive(Clone, Copy)]
struct Known {
    waiting: KindSet,
    slices_served: bool,
}

impl Known {
    /// Whether the kind has been listed: a part of it does not count.
    fn all_of(self, kind: Kind) -> bool {
        !self.waiting.has(kind)
    }
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
        let untidiness = Untidiness::new(Instant::now());
        Self { registry, clock, tidy: || (), untidiness, told: Box::new(|| ()), built }
    }

    /// Has `tidy` run after each view for which much was compiled, such as a first list, and now and
    /// then after small ones: for an allocator that gives memory back only when told to.
    #[must_use]
    pub fn with_tidy(self, tidy: fn()) -> Self {
        Self { tidy, ..self }
    }

    /// Publishes until `stop` is closed or says something.
    pub fn run(mut self, stop: &Receiver<()>) {
        let mut published: Option<Instant> = None;
        loop {
            let woken = self.registry.woken.clone();
            let rest = self.untidiness.rest().map_or_else(never, after);
            select! {
                recv(stop) -> _ => return,
                recv(woken) -> _ => {}
                recv(rest) -> _ => {
                    (self.tidy)();
                    self.untidiness.rested(Instant::now());
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
        if self.untidiness.after_view(looked_at, Instant::now()) {
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
            // Each is of a Service that was dirty, and all of those are taken.
            (dirty, std::mem::take(&mut pending.triggers), slices_served)
        };
        let known = Known { waiting: state.waiting, slices_served };
        let dirty = self.with_members(dirty);
        let part = dirty.len().div_ceil(PARTS).max(PART);
        let deltas = dirty.chunks(part).map(|part| self.delta(part, spec, known));
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
            self.registry.model.read(name, |namespace| {
                members.extend(namespace.services.keys().map(|member| {
                    Dirty::Service(ObjectKey { namespace: name.clone(), name: member.clone() })
                }));
            });
        }
        let mut all = dirty;
        all.extend(members);
        all.sort_unstable();
        all.dedup();
        all
    }

    fn delta(&self, part: &[Dirty], spec: &Spec, known: Known) -> Delta {
        let mut delta = Delta::default();
        for what in part {
            match what {
                Dirty::Service(key) => self.service(key, spec, known, &mut delta),
                Dirty::Namespace(name) => {
                    let mut label = Vec::new();
                    if push_label(&mut label, name).is_ok() {
                        delta.namespaces.insert(label.into(), self.exposes(name));
                    }
                }
                Dirty::Pod(namespace, ip) => {
                    let mut label = Vec::new();
                    if push_label(&mut label, namespace).is_ok() {
                        let is_live = |found: &Namespace| found.pod_addresses.contains_key(ip);
                        let live = self.registry.model.read(namespace, is_live);
                        delta.pods.insert((label.into(), *ip), live.unwrap_or_default());
                    }
                }
            }
        }
        delta
    }

    fn exposes(&self, namespace: &str) -> bool {
        let exposes = |found: &Namespace| found.exposed.is_some();
        self.registry.model.read(namespace, exposes).unwrap_or_default()
    }

    fn service(&self, key: &ObjectKey, spec: &Spec, known: Known, delta: &mut Delta) {
        // No query can ask for a name that cannot be written as two labels.
        let Some(wire) = wire_key(key) else { return };
        let joined = self.registry.model.read(&key.namespace, |namespace| {
            let joint = namespace.services.get(&key.name);
            joint.filter(|_| namespace.exposed.is_some())?.read(key)
        });
        let record = joined.flatten().map(|joined| {
            let inputs = Inputs {
                service: &joined.service,
                slices: if known.all_of(Kind::EndpointSlice) { &joined.slices } else { &[] },
                endpoints: joined.endpoints.as_ref().filter(|_| known.all_of(Kind::Endpoints)),
                slices_served: known.slices_served,
            };
            let compiled = compile(&inputs, spec);
            self.registry.ledger().drops(key, compiled.dropped);
            compiled.record
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
