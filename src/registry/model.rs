//! The write model: every object that counts, where the publisher finds it.
//!
//! Sharded maps, since each kind has a source thread of its own. No query ever reads them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use dashmap::DashMap;
use smallvec::SmallVec;

use super::staged::Staged;
use crate::cluster::{EndpointSlice, Endpoints, Kind, KindSet, ObjectKey, Refused, Service};

/// Which full list an object was last seen in. A list's end sweeps away what bears an older mark.
pub(super) type Mark = u32;

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Everything that says something about one Service, whether that exists or not.
    pub(super) services: DashMap<ObjectKey, Joint>,
    /// Slices by their own key: the Service's name each was last filed under.
    pub(super) slices: DashMap<ObjectKey, (Option<Box<str>>, Mark)>,
    /// Namespaces by name.
    pub(super) namespaces: DashMap<Box<str>, NamespaceState>,
    /// Pods by key.
    pub(super) pods: DashMap<ObjectKey, (SmallVec<[IpAddr; 2]>, Mark)>,
    /// How many live pods of a namespace have an address.
    pub(super) pod_addresses: DashMap<(Box<str>, IpAddr), u32>,
}

/// A Service and its endpoints, joined in any order of arrival.
#[derive(Debug, Default)]
pub(super) struct Joint {
    pub(super) service: Option<(Service, Mark)>,
    /// Sorted by name, so that their order of arrival leaves no trace.
    pub(super) slices: Vec<EndpointSlice>,
    pub(super) endpoints: Option<(Endpoints, Mark)>,
    /// There is an Endpoints object, but it says nothing as things stand and was not kept.
    pub(super) let_go: Option<Mark>,
}

impl Joint {
    pub(super) fn is_empty(&self) -> bool {
        self.service.is_none()
            && self.slices.is_empty()
            && self.endpoints.is_none()
            && self.let_go.is_none()
    }
}

/// A namespace.
#[derive(Debug, Default)]
pub(super) struct NamespaceState {
    /// The mark of its Namespace object, if that exists and the filter lets it through.
    pub(super) exposed: Option<Mark>,
    /// The names of what is filed under it in `services`.
    pub(super) members: HashSet<Box<str>>,
}

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
    /// What it changes, where it is not the first.
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

    /// Takes the triggers of what has been taken.
    pub(super) fn take_triggers(&mut self) -> Vec<(ObjectKey, SystemTime)> {
        let dirty = &self.dirty;
        let is_taken = |key: &ObjectKey| !dirty.contains(&Dirty::Service(key.clone()));
        self.triggers.extract_if(|key, _| is_taken(key)).collect()
    }

    /// Whether a list of this kind is under way that is not the first.
    pub(super) fn is_relisted(&self, kind: Kind) -> bool {
        self.listed.has(kind) && self.lists.get(&kind).is_some_and(|list| list.under_way)
    }
}
