//! What the publisher has still to look at, and what waits for the end of a list.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::model::Mark;
use crate::cluster::{Kind, KindSet, ObjectKey};

/// Something that must be looked at again before the next view.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Dirty {
    Namespace(Box<str>),
    Service(ObjectKey),
    Pod(Box<str>, IpAddr),
}

/// What the publisher has still to look at, and the lists under way.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) dirty: HashSet<Dirty>,
    pub(super) lists: BTreeMap<Kind, List>,
    pub(super) listed: KindSet,
    /// The kinds that the source does not have.
    pub(super) not_served: KindSet,
    /// Endpoints that were let go and say something again.
    pub(super) missing: Vec<ObjectKey>,
    /// Why what is known may be out of date.
    pub(super) doubt: Option<Arc<str>>,
    /// The serial of the state of an earlier run, as long as that is shown.
    pub(super) restored: Option<u32>,
}

/// The lists of one kind.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The mark of what the list under way, or the last one, has named.
    pub(super) mark: Mark,
    pub(super) under_way: bool,
    /// What it has touched: not to be looked at before it is complete.
    pub(super) held: HashSet<Dirty>,
}

impl Pending {
    /// Notes that something of this kind makes `what` dirty: at once, or when its list ends.
    pub(super) fn note(&mut self, kind: Kind, what: Dirty) {
        match self.lists.get_mut(&kind) {
            Some(list) if list.under_way => list.held.insert(what),
            _ => self.dirty.insert(what),
        };
    }

    /// Takes what may be published now.
    pub(super) fn take(&mut self) -> Vec<Dirty> {
        // What hangs on a kind's first list waits for it anyway, so that whatever else of the same
        // names has come may be looked at meanwhile.
        let is_later = |(kind, list): (&Kind, &List)| list.under_way && self.listed.has(*kind);
        let under_way: Vec<&HashSet<Dirty>> =
            self.lists.iter().filter(|found| is_later(*found)).map(|found| &found.1.held).collect();
        if self.dirty.is_empty() || under_way.iter().all(|held| held.is_empty()) {
            return std::mem::take(&mut self.dirty).into_iter().collect();
        }
        // A namespace takes all that is in it along, and all that is in it hangs on the namespace:
        // where either waits for a list, the other does, lest half of that list shows.
        let held = |dirty: &Dirty| under_way.iter().any(|held| held.contains(dirty));
        let waiting: HashSet<Box<str>> = under_way
            .iter()
            .flat_map(|held| held.iter())
            .filter_map(|dirty| match dirty {
                Dirty::Namespace(name) => Some(name),
                Dirty::Service(key) => {
                    let name = Dirty::Namespace(key.namespace.clone());
                    self.dirty.contains(&name).then_some(&key.namespace)
                }
                Dirty::Pod(..) => None,
            })
            .cloned()
            .collect();
        let held = |dirty: &Dirty| match dirty {
            Dirty::Namespace(name) => waiting.contains(name) || held(dirty),
            Dirty::Service(key) => waiting.contains(&key.namespace) || held(dirty),
            Dirty::Pod(..) => held(dirty),
        };
        let (later, now): (Vec<_>, Vec<_>) = self.dirty.drain().partition(|dirty| held(dirty));
        self.dirty.extend(later);
        now
    }
}
