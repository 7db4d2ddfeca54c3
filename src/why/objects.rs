//! The objects behind one Service's names, as facts.

use super::classed;
use super::explain::{Grounds, age};
use super::facts::{
    EndpointFacts, EndpointState, PortFacts, ServiceFacts, SourceFacts, protocol_word,
};
use crate::cluster::{
    ClusterIps, Endpoint, EndpointPort, EndpointSlice, Endpoints, ManagedBy, Meta, ObjectKey,
    Service,
};
use crate::name::push_label;
use crate::registry::About;
use crate::zone::record::Record;
use crate::zone::{Drop, Inputs, Standing, Standings, endpoint_label, is_ready};

/// How many ports of an endpoint are told.
pub(super) const PORTS_MOST: usize = 16;

/// A Service and what holds its endpoints, looked at once.
pub(super) struct Objects<'g> {
    pub(super) grounds: Grounds<'g>,
    pub(super) key: ObjectKey,
    pub(super) about: About,
    /// What the view answers of it.
    pub(super) record: Option<Record<'g>>,
    sources: Vec<SourceFacts>,
    endpoints: Vec<EndpointFacts>,
}

impl<'g> Objects<'g> {
    pub(super) fn of(grounds: &Grounds<'g>, key: &ObjectKey) -> Self {
        let view = grounds.view;
        let mut objects = Self {
            grounds: *grounds,
            key: key.clone(),
            about: grounds.registry.about(key),
            record: wire_key(key).and_then(|key| view.service(&key)),
            sources: Vec::new(),
            endpoints: Vec::new(),
        };
        objects.look_at_sources();
        objects
    }

    /// The Service itself.
    pub(super) fn known(&self) -> Option<&Service> {
        self.about.service.as_ref().map(|known| &known.object)
    }

    pub(super) fn service(&self) -> Option<ServiceFacts> {
        let known = self.about.service.as_ref()?;
        let service = &known.object;
        let cluster_ips = match &service.cluster_ips {
            ClusterIps::Absent => Vec::new(),
            ClusterIps::Headless => vec!["None".to_owned()],
            ClusterIps::Addresses(ips) => ips.iter().map(ToString::to_string).collect(),
        };
        let port = |port: &crate::cluster::ServicePort| PortFacts {
            name: port.name.to_string(),
            protocol: protocol_word(port.protocol).to_owned(),
            port: Some(port.port),
        };
        Some(ServiceFacts {
            namespace: self.key.namespace.to_string(),
            name: self.key.name.to_string(),
            uid: service.meta.uid.as_deref().map(Into::into),
            resource_version: service.meta.resource_version.as_deref().map(Into::into),
            age: age(&self.grounds, known.since),
            selector: service.has_selector,
            cluster_ips,
            external_name: service.external_name.as_deref().map(Into::into),
            ports: service.ports.iter().map(port).collect(),
            classed: classed::of(self, service),
        })
    }

    /// The objects that hold endpoints, Endpoints last.
    pub(super) fn sources(&self) -> Vec<SourceFacts> {
        self.sources.clone()
    }

    /// The addresses that they hold, the published ones first.
    pub(super) fn endpoints(&self) -> &[EndpointFacts] {
        &self.endpoints
    }

    /// The published ones of them.
    pub(super) fn ready(&self) -> impl Iterator<Item = &EndpointFacts> {
        self.endpoints.iter().filter(|found| found.state == EndpointState::Ready)
    }

    fn look_at_sources(&mut self) {
        let about = std::mem::take(&mut self.about);
        // What belongs to no Service is looked at as if there were a bare one.
        let nobody = Service::new(&self.key.namespace, &self.key.name);
        let service = about.service.as_ref().map_or(&nobody, |known| &known.object);
        let slices: Vec<EndpointSlice> =
            about.slices.iter().map(|known| known.object.clone()).collect();
        let inputs = Inputs {
            service,
            slices: &slices,
            endpoints: about.endpoints.as_ref().map(|known| &known.object),
            slices_served: self.grounds.registry.slices_served(),
        };
        let standings = Standings::new(&inputs, self.grounds.view.spec());
        for known in &about.slices {
            let slice = &known.object;
            let standing = standings.of_slice(slice);
            let mut facts = self.source("EndpointSlice", &slice.meta, known.since, standing);
            let writer = Some(slice.managed_by);
            self.take(&mut facts, service, (&slice.endpoints, &slice.ports), writer);
            self.sources.push(facts);
        }
        if let Some(known) = &about.endpoints {
            let Endpoints { meta, subsets, .. } = &known.object;
            let standing = standings.of_endpoints(&known.object);
            let mut facts = self.source("Endpoints", meta, known.since, standing);
            for subset in subsets {
                self.take(&mut facts, service, (&subset.endpoints, &subset.ports), None);
            }
            self.sources.push(facts);
        }
        self.endpoints.sort_by_key(|found| found.state);
        self.about = about;
    }

    fn source(&self, kind: &str, meta: &Meta, since: u32, standing: Standing) -> SourceFacts {
        SourceFacts {
            kind: kind.to_owned(),
            namespace: meta.key.namespace.to_string(),
            name: meta.key.name.to_string(),
            uid: meta.uid.as_deref().map(Into::into),
            resource_version: meta.resource_version.as_deref().map(Into::into),
            age: age(&self.grounds, since),
            ignored: (!standing.counts()).then(|| standing.words().to_owned()),
            ..SourceFacts::default()
        }
    }

    fn take(
        &mut self,
        source: &mut SourceFacts,
        service: &Service,
        (endpoints, ports): (&[Endpoint], &[EndpointPort]),
        writer: Option<ManagedBy>,
    ) {
        let ports: Vec<PortFacts> = ports.iter().take(PORTS_MOST).map(port).collect();
        let object = format!("{}/{}", source.kind, source.name);
        for endpoint in endpoints {
            for &address in &endpoint.addresses {
                let dropped = Drop::of(address);
                let state = if dropped.is_some() {
                    source.dropped += 1;
                    EndpointState::Dropped
                } else if is_ready(service, endpoint, writer) {
                    source.ready += 1;
                    EndpointState::Ready
                } else {
                    source.not_ready += 1;
                    EndpointState::NotReady
                };
                let is_ignored = source.ignored.is_some();
                self.endpoints.push(EndpointFacts {
                    address: address.to_string(),
                    state: if is_ignored { EndpointState::Ignored } else { state },
                    label: endpoint_label(endpoint, address, self.grounds.view.spec()),
                    object: object.clone(),
                    dropped: dropped.map(|reason| format!("{} address", reason.reason())),
                    ports: ports.clone(),
                });
            }
        }
    }
}

fn port(port: &EndpointPort) -> PortFacts {
    PortFacts {
        name: port.name.to_string(),
        protocol: protocol_word(port.protocol).to_owned(),
        port: port.port,
    }
}

/// A Service's key in the view: `S.N` in wire form.
pub(super) fn wire_key(key: &ObjectKey) -> Option<Vec<u8>> {
    let mut wire = Vec::new();
    push_label(&mut wire, &key.name).and(push_label(&mut wire, &key.namespace)).ok()?;
    Some(wire)
}
