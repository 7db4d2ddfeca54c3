//! The write model: every object that counts, where the publisher finds it.
//!
//! Sharded by namespace, since any number of source threads may write. No query ever reads it. Of
//! whatever is there a hundred thousand times, names stand once and objects are packed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dashmap::DashMap;
use smallvec::SmallVec;

use super::gauges::{EndpointCount as Count, Gauges};
use super::kept::Kept;
use crate::cluster::packed::Stored;
use crate::cluster::{EndpointSlice, Endpoints, Kind, ObjectKey, Pod, Service};

/// Which full list an object was last seen in. A list's end sweeps away what bears an older mark.
pub(super) type Mark = u32;

/// A moment, in seconds of Unix time.
pub(super) type Stamp = u32;

/// When an object was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// In which full list last.
    pub(super) mark: Mark,
    /// When it became what it is. It stands where there would be nothing, for the sake of alignment.
    pub(super) since: Stamp,
}

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Model {
    namespaces: DashMap<Box<str>, Namespace>,
}

/// A namespace and all that is in it, whether it exists or not.
#[derive(Debug, Default)]
pub(super) struct Namespace {
    /// The mark of its Namespace object, if that exists and the filter lets it through.
    pub(super) exposed: Option<Mark>,
    /// Everything that says something about one Service, whether that exists or not, by its name.
    pub(super) services: BTreeMap<Box<str>, Joint>,
    /// Slices by their own names.
    slices: BTreeMap<Box<str>, Filed>,
    pub(super) pods: BTreeMap<Box<str>, (Kept, Mark)>,
    /// How many live pods have an address.
    pub(super) pod_addresses: BTreeMap<IpAddr, u32>,
}

/// A Service and its endpoints, joined in any order of arrival; all packed under the Service's key.
#[derive(Debug, Default)]
pub(super) struct Joint {
    pub(super) service: Option<(Kept, Seen)>,
    /// Sorted by name, so that their order of arrival leaves no trace. Most Services have one.
    pub(super) slices: SmallVec<[Kept; 1]>,
    /// The Endpoints object; without contents if it says nothing as things stand and was let go.
    pub(super) endpoints: Option<(Option<Kept>, Seen)>,
}

/// Where a slice is.
#[derive(Debug)]
struct Filed {
    /// The Service that it names; without one it is kept nowhere.
    service: Option<Box<str>>,
    seen: Seen,
}

/// What a [`Joint`] holds, to be read.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) service: Service,
    pub(super) slices: Vec<EndpointSlice>,
    pub(super) endpoints: Option<Endpoints>,
}

impl Model {
    /// Reads what is known of a namespace.
    pub(super) fn read<T>(&self, name: &str, read: impl FnOnce(&Namespace) -> T) -> Option<T> {
        self.namespaces.get(name).map(|namespace| read(&namespace))
    }

    /// Changes what is known of a namespace. `change` must not look at another one.
    pub(super) fn change<T>(&self, name: &str, change: impl FnOnce(&mut Namespace) -> T) -> T {
        let mut namespace = self.namespaces.entry(name.into()).or_default();
        let result = change(&mut namespace);
        let is_empty = namespace.is_empty();
        drop(namespace);
        if is_empty {
            self.namespaces.remove_if(name, |_, namespace| namespace.is_empty());
        }
        result
    }

    /// Whether an object of this kind and name is filed.
    pub(super) fn has(&self, kind: Kind, key: &ObjectKey) -> bool {
        let namespace = if kind == Kind::Namespace { &key.name } else { &key.namespace };
        self.read(namespace, |found| found.has(kind, &key.name)).unwrap_or_default()
    }

    /// The names of all namespaces, sorted.
    pub(super) fn names(&self) -> Vec<Box<str>> {
        let mut names: Vec<_> = self.namespaces.iter().map(|found| found.key().clone()).collect();
        names.sort_unstable();
        names
    }

    /// The Services for which there are slices, or Endpoints.
    pub(super) fn services_with(&self, kind: Kind) -> Vec<ObjectKey> {
        let has = |joint: &Joint| match kind {
            Kind::EndpointSlice => !joint.slices.is_empty(),
            Kind::Endpoints => joint.endpoints.is_some(),
            Kind::Namespace | Kind::Service | Kind::Pod => false,
        };
        let mut found = Vec::new();
        for namespace in &self.namespaces {
            let services = namespace.services.iter().filter(|(_, joint)| has(joint));
            found.extend(services.map(|(name, _)| ObjectKey::new(namespace.key(), name)));
        }
        found
    }

    /// The objects of a kind that bear another mark.
    pub(super) fn unmarked(&self, kind: Kind, mark: Mark) -> Vec<ObjectKey> {
        let mut found = Vec::new();
        for namespace in &self.namespaces {
            if kind == Kind::Namespace {
                if namespace.exposed.is_some_and(|seen| seen != mark) {
                    found.push(ObjectKey::new("", namespace.key()));
                }
                continue;
            }
            let old = namespace.marks(kind).filter(|(_, seen)| *seen != mark);
            found.extend(old.map(|(name, _)| ObjectKey::new(namespace.key(), name)));
        }
        found
    }
}

impl Namespace {
    fn is_empty(&self) -> bool {
        self.exposed.is_none()
            && self.services.is_empty()
            && self.slices.is_empty()
            && self.pods.is_empty()
            && self.pod_addresses.is_empty()
    }

    fn has(&self, kind: Kind, name: &str) -> bool {
        let joint = self.services.get(name);
        match kind {
            Kind::Namespace => self.exposed.is_some(),
            Kind::Service => joint.is_some_and(|joint| joint.service.is_some()),
            Kind::Endpoints => joint.is_some_and(|joint| joint.endpoints.is_some()),
            Kind::EndpointSlice => self.slices.contains_key(name),
            Kind::Pod => self.pods.contains_key(name),
        }
    }

    /// The names of the objects of a kind, with their marks.
    fn marks(&self, kind: Kind) -> Box<dyn Iterator<Item = (&str, Mark)> + '_> {
        let joints = self.services.iter();
        match kind {
            Kind::Namespace => Box::new(std::iter::empty()),
            Kind::Service => Box::new(joints.filter_map(|(name, joint)| {
                joint.service.as_ref().map(|(_, seen)| (&**name, seen.mark))
            })),
            Kind::Endpoints => Box::new(joints.filter_map(|(name, joint)| {
                joint.endpoints.as_ref().map(|(_, seen)| (&**name, seen.mark))
            })),
            Kind::EndpointSlice => {
                Box::new(self.slices.iter().map(|(name, filed)| (&**name, filed.seen.mark)))
            }
            Kind::Pod => Box::new(self.pods.iter().map(|(name, (_, mark))| (&**name, *mark))),
        }
    }

    /// Changes what is filed under a Service's name.
    pub(super) fn joint<T>(&mut self, name: &str, change: impl FnOnce(&mut Joint) -> T) -> T {
        let joint = self.services.entry(name.into()).or_default();
        let result = change(joint);
        if joint.is_empty() {
            self.services.remove(name);
        }
        result
    }

    /// Files a slice under the Service that it names, and gives back the names of the Services for
    /// which that is a change.
    pub(super) fn put_slice(
        &mut self,
        slice: &EndpointSlice,
        seen: Seen,
        gauges: &Gauges,
    ) -> Vec<Box<str>> {
        let ObjectKey { namespace, name } = &slice.meta.key;
        let mut changed = Vec::new();
        let filed = Filed { service: slice.service.clone(), seen };
        let before = self.slices.insert(name.clone(), filed);
        gauges.object(Kind::EndpointSlice, before.is_some(), true);
        let since = before.as_ref().map_or(seen.since, |before| before.seen.since);
        if let Some(Filed { service: Some(before), .. }) = before
            && Some(&before) != slice.service.as_ref()
        {
            changed.extend(self.unfile(namespace, name, before, gauges));
        }
        if let Some(service) = &slice.service {
            let key = ObjectKey { namespace: namespace.clone(), name: service.clone() };
            if self.joint(service, |joint| joint.put_slice(&key, slice, gauges)) {
                changed.push(key.name);
            }
        }
        if changed.is_empty()
            && let Some(filed) = self.slices.get_mut(name)
        {
            filed.seen.since = since;
        }
        changed
    }

    #[cfg(test)]
    pub(super) fn older_by(&mut self, seconds: Stamp) {
        let of_services = self.services.values_mut().flat_map(|joint| {
            let service = joint.service.as_mut().map(|(_, seen)| seen);
            service.into_iter().chain(joint.endpoints.as_mut().map(|(_, seen)| seen))
        });
        let of_slices = self.slices.values_mut().map(|filed| &mut filed.seen);
        of_services.chain(of_slices).for_each(|seen| seen.since -= seconds);
    }

    /// Since when a slice is what it is.
    pub(super) fn slice_since(&self, name: &str) -> Option<Stamp> {
        self.slices.get(name).map(|filed| filed.seen.since)
    }

    /// Forgets a slice, and gives back the name of the Service for which that is a change.
    pub(super) fn remove_slice(&mut self, key: &ObjectKey, gauges: &Gauges) -> Option<Box<str>> {
        let filed = self.slices.remove(&key.name)?;
        gauges.object(Kind::EndpointSlice, true, false);
        self.unfile(&key.namespace, &key.name, filed.service?, gauges)
    }

    /// Takes a slice away from the Service that it was filed under.
    fn unfile(
        &mut self,
        namespace: &str,
        slice: &str,
        service: Box<str>,
        gauges: &Gauges,
    ) -> Option<Box<str>> {
        let key = ObjectKey { namespace: namespace.into(), name: service };
        let gone = self.joint(&key.name, |joint| {
            let gone = joint.place(&key, slice).ok().map(|at| joint.slices.remove(at));
            let before = gone.as_ref().map(|kept| Count::of_kept_slice(&key, kept));
            gauges.slice(before.unwrap_or_default(), Count::default());
            gone.is_some()
        });
        gone.then_some(key.name)
    }

    /// Notes the addresses of a live pod, and gives back those for which that is a change.
    pub(super) fn put_pod(&mut self, pod: &Pod, mark: Mark, gauges: &Gauges) -> Vec<IpAddr> {
        let key = &pod.meta.key;
        let ips = &pod.ips;
        let kept = Kept::new(key, Stored::Pod(key, ips));
        let before = self.pods.insert(key.name.clone(), (kept, mark));
        gauges.object(Kind::Pod, before.is_some(), true);
        let before = before.and_then(|(kept, _)| kept.pod(key)).map(|old| old.ips);
        let before = before.unwrap_or_default();
        let come = ips.iter().filter(|ip| !before.contains(ip)).map(|ip| (*ip, true));
        let gone = before.iter().filter(|ip| !ips.contains(ip)).map(|ip| (*ip, false));
        come.chain(gone).map(|(ip, is_more)| self.count_pod(ip, is_more)).collect()
    }

    /// Forgets a pod, and gives back the addresses for which that is a change.
    pub(super) fn remove_pod(&mut self, key: &ObjectKey, gauges: &Gauges) -> Vec<IpAddr> {
        let gone = self.pods.remove(&key.name);
        gauges.object(Kind::Pod, gone.is_some(), false);
        let pod = gone.and_then(|(kept, _)| kept.pod(key));
        let ips = pod.map(|pod| pod.ips).unwrap_or_default();
        ips.into_iter().map(|ip| self.count_pod(ip, false)).collect()
    }

    fn count_pod(&mut self, ip: IpAddr, is_more: bool) -> IpAddr {
        let count = self.pod_addresses.entry(ip).or_default();
        *count = if is_more { count.saturating_add(1) } else { count.saturating_sub(1) };
        if *count == 0 {
            self.pod_addresses.remove(&ip);
        }
        ip
    }
}

impl Joint {
    fn is_empty(&self) -> bool {
        self.service.is_none() && self.slices.is_empty() && self.endpoints.is_none()
    }

    /// Where the slice of this name is, or belongs.
    fn place(&self, key: &ObjectKey, slice: &str) -> Result<usize, usize> {
        self.slices.binary_search_by(|found| found.name(key).as_str().cmp(slice))
    }

    /// Says whether this is a change.
    fn put_slice(&mut self, key: &ObjectKey, slice: &EndpointSlice, gauges: &Gauges) -> bool {
        let kept = Kept::new(key, Stored::EndpointSlice(slice));
        let before = match self.place(key, &slice.meta.key.name) {
            Ok(at) if self.slices[at] == kept => return false,
            Ok(at) => {
                let old = std::mem::replace(&mut self.slices[at], kept);
                Count::of_kept_slice(key, &old)
            }
            Err(at) => {
                self.slices.insert(at, kept);
                Count::default()
            }
        };
        gauges.slice(before, Count::of_slice(slice));
        true
    }

    /// Reads all of it, if the Service exists.
    pub(super) fn read(&self, key: &ObjectKey) -> Option<Joined> {
        let (service, _) = self.service.as_ref()?;
        Some(Joined {
            service: service.service(key)?,
            slices: self.slices.iter().filter_map(|slice| slice.slice(key)).collect(),
            endpoints: self
                .endpoints
                .as_ref()
                .and_then(|(endpoints, _)| endpoints.as_ref()?.endpoints(key)),
        })
    }
}
