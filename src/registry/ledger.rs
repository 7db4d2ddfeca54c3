//! What is odd about the objects: said once in the log when it comes, and counted as long as it
//! lasts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::cluster::{Endpoint, EndpointSlice, Kind, Object, ObjectKey, Service, SliceAddresses};
use crate::zone::{Drop, Selectorless};

/// How many addresses of one object and reason are told.
const ADDRESSES_TOLD: usize = 5;

/// An oddity of an object that is served all the same, or not at all.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Oddity {
    /// The annotation `fingerpost.dev/selectorless` has an unknown value, and is ignored.
    UnknownAnnotation,
    /// The annotation stands on a Service that has a selector, and is ignored.
    NeedlessAnnotation,
    /// The `externalName` cannot be a CNAME's target: the name does not exist.
    UnusableExternalName,
    /// A slice without the label `kubernetes.io/service-name`: it belongs to no Service.
    UnlabelledSlice,
    /// A slice of `addressType: FQDN`: it has no meaning to DNS.
    FqdnSlice,
}

impl Oddity {
    /// The word that the metric uses for it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::UnknownAnnotation => "unknown-annotation",
            Self::NeedlessAnnotation => "needless-annotation",
            Self::UnusableExternalName => "unusable-external-name",
            Self::UnlabelledSlice => "unlabelled-slice",
            Self::FqdnSlice => "fqdn-slice",
        }
    }
}

/// The oddities of the objects there are.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    odd: BTreeSet<(Oddity, ObjectKey)>,
    dropped: BTreeMap<ObjectKey, BTreeMap<Drop, u32>>,
}

impl Ledger {
    /// Looks at a Service that has come or changed.
    pub(super) fn service(&mut self, service: &Service) {
        let key = &service.meta.key;
        self.forget(Kind::Service, key);
        for (oddity, what, value) in of_service(service) {
            self.note(oddity, key, what, value);
        }
    }

    /// Looks at a slice that has come or changed.
    pub(super) fn slice(&mut self, slice: &EndpointSlice) {
        let key = &slice.meta.key;
        self.forget(Kind::EndpointSlice, key);
        for (oddity, what) in of_slice(slice) {
            self.note(oddity, key, what, "");
        }
    }

    /// An object has gone.
    pub(super) fn forget(&mut self, kind: Kind, key: &ObjectKey) {
        use Oddity::{
            FqdnSlice, NeedlessAnnotation, UnknownAnnotation, UnlabelledSlice, UnusableExternalName,
        };
        let of_kind: &[Oddity] = match kind {
            Kind::Service => &[UnknownAnnotation, NeedlessAnnotation, UnusableExternalName],
            Kind::EndpointSlice => &[UnlabelledSlice, FqdnSlice],
            Kind::Namespace | Kind::Endpoints | Kind::Pod => &[],
        };
        if self.odd.is_empty() {
            return;
        }
        for oddity in of_kind {
            self.odd.remove(&(*oddity, key.clone()));
        }
    }

    /// The addresses of a Service's endpoints that are not published.
    pub(super) fn drops(&mut self, key: &ObjectKey, dropped: BTreeMap<Drop, u32>) {
        if dropped.is_empty() {
            self.dropped.remove(key);
        } else if self.dropped.get(key) != Some(&dropped) {
            tracing::warn!(service = %key, ?dropped, "endpoint addresses are not published");
            self.dropped.insert(key.clone(), dropped);
        }
    }

    /// What is odd about objects of a namespace.
    pub(super) fn odd_in(&self, namespace: &str) -> Vec<(Oddity, ObjectKey)> {
        let within = |(_, key): &&(Oddity, ObjectKey)| *key.namespace == *namespace;
        self.odd.iter().filter(within).cloned().collect()
    }

    /// How many objects have each oddity.
    pub(super) fn oddities(&self) -> BTreeMap<Oddity, usize> {
        let mut counts = BTreeMap::new();
        for (oddity, _) in &self.odd {
            *counts.entry(*oddity).or_default() += 1;
        }
        counts
    }

    /// How many endpoint addresses are not published, by reason.
    pub(super) fn dropped(&self) -> BTreeMap<Drop, u64> {
        let mut counts = BTreeMap::new();
        for (reason, count) in self.dropped.values().flatten() {
            *counts.entry(*reason).or_default() += u64::from(*count);
        }
        counts
    }

    fn note(&mut self, oddity: Oddity, key: &ObjectKey, what: &str, value: &str) {
        if self.odd.insert((oddity, key.clone())) {
            tracing::warn!(object = %key, value, "{what}");
        }
    }
}

/// What is odd about an object by itself, as sentences with their cure: DNS answers otherwise than
/// the object says.
pub fn oddities(object: &Object) -> Vec<String> {
    let mut told = match object {
        Object::Service(service) => of_service(service)
            .map(|(_, what, value)| format!("{what} (it is '{}')", value.escape_debug()))
            .collect(),
        Object::EndpointSlice(slice) => of_slice(slice).map(|(_, what)| what.into()).collect(),
        Object::Namespace(_) | Object::Endpoints(_) | Object::Pod(_) => Vec::new(),
    };
    let endpoints: Vec<&Endpoint> = match object {
        Object::EndpointSlice(slice) => slice.endpoints.iter().collect(),
        Object::Endpoints(found) => {
            found.subsets.iter().flat_map(|subset| &subset.endpoints).collect()
        }
        Object::Namespace(_) | Object::Service(_) | Object::Pod(_) => Vec::new(),
    };
    let mut dropped: BTreeMap<Drop, Vec<IpAddr>> = BTreeMap::new();
    for address in endpoints.into_iter().flat_map(|endpoint| &endpoint.addresses) {
        if let Some(reason) = Drop::of(*address) {
            dropped.entry(reason).or_default().push(*address);
        }
    }
    for (reason, addresses) in dropped {
        let shown: Vec<String> =
            addresses.iter().take(ADDRESSES_TOLD).map(ToString::to_string).collect();
        let more = match addresses.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        told.push(format!(
            "the endpoint addresses {}{more} are not published, since they are {}; write the host's \
             own",
            shown.join(", "),
            reason.reason()
        ));
    }
    told
}

fn of_service(service: &Service) -> impl Iterator<Item = (Oddity, &'static str, &str)> {
    let annotation = service.selectorless.as_deref().and_then(|text| {
        if service.has_selector {
            let what = "the annotation fingerpost.dev/selectorless is for Services without a \
                        selector, and is ignored; take it away";
            Some((Oddity::NeedlessAnnotation, what, text))
        } else if Selectorless::parse(text).is_none() {
            let what = "the annotation fingerpost.dev/selectorless knows auto, endpoints and \
                        cluster-ip, and is ignored; write one of them";
            Some((Oddity::UnknownAnnotation, what, text))
        } else {
            None
        }
    });
    let target =
        service.external_name.as_deref().filter(|text| crate::zone::unusable(text).is_some());
    let what = "the externalName cannot be the target of a CNAME, so the name does not exist; write a \
                host's name, for an address belongs into Endpoints of a Service without a selector";
    let target = target.map(|text| (Oddity::UnusableExternalName, what, text));
    annotation.into_iter().chain(target)
}

fn of_slice(slice: &EndpointSlice) -> impl Iterator<Item = (Oddity, &'static str)> {
    let unlabelled = slice.service.is_none().then_some((
        Oddity::UnlabelledSlice,
        "the slice has no label kubernetes.io/service-name and belongs to no Service; add it",
    ));
    let fqdn = (slice.address_type == SliceAddresses::Fqdn).then_some((
        Oddity::FqdnSlice,
        "slices of addressType FQDN have no meaning to DNS; use an ExternalName",
    ));
    unlabelled.into_iter().chain(fqdn)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::manifest::Manifests;
    use crate::registry::{Publisher, Registry, SystemClock};
    use crate::zone::Spec;

    const OBJECTS: &str = "
apiVersion: v1
kind: Service
metadata:
  name: typo
  annotations: { fingerpost.dev/selectorless: endpoint }
spec: { clusterIP: 10.0.0.1 }
---
apiVersion: v1
kind: Service
metadata:
  name: needless
  annotations: { fingerpost.dev/selectorless: endpoints }
spec: { clusterIP: 10.0.0.2, selector: { app: needless } }
---
apiVersion: v1
kind: Service
metadata: { name: literal }
spec: { type: ExternalName, externalName: 10.0.0.1 }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: nobodys }
addressType: IPv4
endpoints: []
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: names, labels: { kubernetes.io/service-name: typo } }
addressType: FQDN
endpoints: [{ addresses: [db.example.com] }]
---
apiVersion: v1
kind: Service
metadata: { name: loops }
spec: { clusterIP: None }
---
apiVersion: v1
kind: Endpoints
metadata: { name: loops }
subsets: [{ addresses: [{ ip: 10.0.0.9 }, { ip: 169.254.169.254 }, { ip: 127.0.0.1 }] }]
";

    #[test]
    fn oddities_are_counted_as_long_as_they_last() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("objects.yaml");
        std::fs::write(&file, OBJECTS).unwrap();
        let registry = Registry::new(Arc::new(Spec::default()), 1);
        let mut publisher = Publisher::new(Arc::clone(&registry), SystemClock);
        let mut manifests = Manifests::new(vec![folder.path().into()]);
        let loaded = manifests.load().unwrap();
        assert_eq!(loaded.faults, []);
        registry.apply(loaded.changes);
        publisher.publish();
        let each = [
            Oddity::UnknownAnnotation,
            Oddity::NeedlessAnnotation,
            Oddity::UnusableExternalName,
            Oddity::UnlabelledSlice,
            Oddity::FqdnSlice,
        ];
        assert_eq!(registry.oddities(), each.map(|oddity| (oddity, 1)).into());
        let dropped = [(Drop::Loopback, 1), (Drop::LinkLocal, 1)];
        assert_eq!(registry.dropped(), dropped.into());

        for kind in Kind::ALL {
            registry.apply([crate::cluster::Change::ListBegins(kind)]);
            registry.apply([crate::cluster::Change::ListEnds(kind)]);
        }
        publisher.publish();
        assert_eq!(registry.oddities(), BTreeMap::new());
        assert_eq!(registry.dropped(), BTreeMap::new());
    }
}
