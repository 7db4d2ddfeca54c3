//! Who owns which name: objects in, in any order, from any number of sources; views out, one at a
//! time, each whole.
//!
//! [`Registry::apply`] may run on any number of source threads. [`Publisher`] runs on one.
#![forbid(unsafe_code)]

mod filing;
mod gauges;
mod kept;
mod known;
mod ledger;
mod model;
mod objects;
mod pending;
mod publisher;
mod restore;
mod staged;
mod tidy;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, bounded};
use jiff::Timestamp;

use crate::cluster::watch::Sink;
use crate::cluster::{Change, Kind, KindSet, ObjectKey, Refused};
use crate::zone::{Drop, Spec, View};
use gauges::Gauges;
use ledger::Ledger;
use model::{Mark, Model};
use pending::{Dirty, Pending};
use staged::Staged;

pub use gauges::{EndpointCount, PROGRAMMING_TIMES, PUBLISH_TIMES, Published, ServiceKind, Times};
pub use known::{About, Known};
pub use ledger::{Oddity, oddities};
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
        let Some(change) = self.stage(self.filtered(change)) else { return };
        match change {
            Change::ListBegins(kind) => {
                let mut pending = self.pending();
                let list = pending.lists.entry(kind).or_default();
                list.mark = list.mark.wrapping_add(1);
                list.under_way = true;
                list.staged = Staged::default();
            }
            Change::Put(object) => {
                let mark = self.mark(object.kind());
                self.file(object, mark);
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
        for namespace in self.model.names() {
            self.resettle(&namespace);
        }
    }

    fn list_ends(&self, kind: Kind) {
        self.unstage(kind);
        let mark = self.mark(kind);
        for key in self.model.unmarked(kind, mark) {
            self.remove(kind, &key);
        }
        self.is_listed(KindSet::of(&[kind]));
        let mut pending = self.pending();
        let list = pending.lists.entry(kind).or_default();
        list.under_way = false;
        let held = std::mem::take(&mut list.held);
        pending.dirty.extend(held);
    }

    /// From now on these kinds are known in full, and count for Services.
    fn is_listed(&self, kinds: KindSet) {
        for kind in kinds.iter() {
            let is_first = {
                let mut pending = self.pending();
                let listed = pending.listed;
                pending.listed.insert(kind);
                !listed.has(kind)
            };
            if is_first && counts_late(kind) {
                // What another thread files from now on, it notes itself.
                let new = self.model.services_with(kind);
                self.pending().dirty.extend(new.into_iter().map(Dirty::Service));
            }
        }
    }

    fn dirty(&self, kind: Kind, what: Dirty) {
        let mut pending = self.pending();
        if pending.listed.has(kind) || !counts_late(kind) {
            pending.note(kind, what);
        }
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

/// Whether nothing of a kind is compiled before it has been listed: what hangs on endpoints waits for
/// all of them, and half of them in a view would have to be replaced.
fn counts_late(kind: Kind) -> bool {
    matches!(kind, Kind::EndpointSlice | Kind::Endpoints)
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
