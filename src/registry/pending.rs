//! What the publisher has still to look at, and what waits for the end of a list.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::model::Mark;
use super::staged::Staged;
use crate::cluster::{Kind, KindSet, ObjectKey, Refused};

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
    /// The kinds that may not be listed.
    pub(super) refused: Refused,
    /// Endpoints that were let go and say something again.
    pub(super) missing: Vec<ObjectKey>,
    /// When what has made Services dirty happened, where a controller says so. Each is in `dirty`.
    pub(super) triggers: HashMap<ObjectKey, SystemTime>,
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
    /// What it has touched, if it is the first: not to be looked at before it is complete.
    pub(super) held: HashSet<Dirty>,
    /// What it changes, if it is not the first.
    pub(super) staged: Staged,
}

impl Pending {
    /// Notes when what has just made a Service dirty happened; the earliest such time counts. What
    /// a list holds back is not measured.
    pub(super) fn triggered(&mut self, service: ObjectKey, at: SystemTime) {
        if self.dirty.contains(&Dirty::Service(service.clone())) {
            let earliest = self.triggers.entry(service).or_insert(at);
            *earliest = (*earliest).min(at);
        }
    }

    /// Whether a list of this kind is under way that is not the first.
    pub(super) fn is_relisted(&self, kind: Kind) -> bool {
        self.listed.has(kind) && self.lists.get(&kind).is_some_and(|list| list.under_way)
    }

    /// Notes that something of this kind makes `what` dirty: at once, or when its first list ends.
    pub(super) fn note(&mut self, kind: Kind, what: Dirty) {
        let is_first = !self.listed.has(kind);
        match self.lists.get_mut(&kind) {
            Some(list) if is_first && list.under_way => list.held.insert(what),
            _ => self.dirty.insert(what),
        };
    }
}
