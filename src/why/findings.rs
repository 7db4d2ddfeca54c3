//! What looks wrong about the objects behind a name: each with the object and the cure.

use std::collections::{BTreeMap, BTreeSet};

use super::explain::{Grounds, Place};
use super::facts::{EndpointFacts, EndpointState, Finding, port_name, protocol_word};
use super::near::is_near;
use super::objects::{Objects, PORTS_MOST as ENDPOINT_PORTS_MOST};
use crate::cluster::{ClusterIps, ObjectKey, Service, ServicePort};
use crate::registry::Oddity;
use crate::zone::record::{FrontKind, Record, Unusable};
use crate::zone::{Choice, Selectorless, unusable};

/// How many findings of one sort are told of one Service.
const FINDINGS_MOST: usize = 8;

/// How many ports of a Service are compared with those of its endpoints.
const PORTS_MOST: usize = 64;

/// What looks wrong.
pub(super) fn of(
    grounds: &Grounds<'_>,
    place: &Place<'_>,
    objects: Option<&Objects<'_>>,
) -> Vec<Finding> {
    let Some(objects) = objects else { return Vec::new() };
    let mut found = Findings { objects, found: Vec::new() };
    match objects.known() {
        Some(service) => found.of_service(service),
        None => found.of_nobody(),
    }
    found.of_sources();
    if place.zone.is_some() {
        found.of_strays(grounds);
    }
    found.found
}

struct Findings<'f, 'g> {
    objects: &'f Objects<'g>,
    found: Vec<Finding>,
}

impl Findings<'_, '_> {
    fn add(&mut self, kind: &str, name: &str, text: impl Into<String>) {
        let object = format!("{kind}/{}/{name}", self.objects.key.namespace);
        self.found.push(Finding { object, text: text.into() });
    }

    fn of_the_service(&mut self, text: impl Into<String>) {
        let name = self.objects.key.name.clone();
        self.add("Service", &name, text);
    }

    /// Objects that hold endpoints of a Service that is not there.
    fn of_nobody(&mut self) {
        let ObjectKey { namespace, name } = &self.objects.key;
        let text = format!(
            "there is no Service {name} in namespace {namespace}; make one, without a selector, or \
             these endpoints mean nothing"
        );
        for source in self.objects.sources() {
            self.add(&source.kind, &source.name, text.clone());
        }
    }

    fn of_service(&mut self, service: &Service) {
        self.of_annotation(service);
        if let Some(target) = &service.external_name {
            match unusable(target) {
                Some(Unusable::Address) => self.of_the_service(format!(
                    "externalName {target} is an address, so the name does not exist; write a Service \
                     without a selector, and Endpoints with that address"
                )),
                Some(Unusable::NotAName) => self.of_the_service(format!(
                    "externalName {target} cannot be a domain name, so the name does not exist; write \
                     a host's name"
                )),
                None => {}
            }
            return;
        }
        if service.cluster_ips == ClusterIps::Absent {
            self.of_the_service(
                "there is no clusterIP, which an API server would give it; write one, or None for a \
                 headless Service",
            );
        }
        self.of_readiness(service);
        for port in service.ports.iter().take(PORTS_MOST) {
            self.of_port(service, port);
        }
    }

    fn of_annotation(&mut self, service: &Service) {
        let Some(text) = &service.selectorless else { return };
        if service.has_selector {
            self.of_the_service(
                "the annotation fingerpost.dev/selectorless is for Services without a selector, and \
                 is ignored; take it away",
            );
        } else if Selectorless::parse(text).is_none() {
            self.of_the_service(format!(
                "the annotation fingerpost.dev/selectorless is '{text}', and is ignored; write auto, \
                 endpoints or cluster-ip"
            ));
        }
    }

    fn of_readiness(&mut self, service: &Service) {
        let objects = self.objects;
        let wanted = !objects.sources().iter().any(|source| source.ignored.is_some());
        if objects.ready().next().is_some() {
            if objects.record.and_then(Record::choice) == Some(Choice::NoReadyEndpoint) {
                self.of_the_service(
                    "no ready endpoint has an address of its ipFamilies, so nobody answers behind the \
                     cluster IP; add the family to ipFamilies, or write endpoints of those there are",
                );
            }
            return;
        }
        if !objects.about.exposed || !wanted {
            return;
        }
        let is_waiting = |found: &&EndpointFacts| found.state == EndpointState::NotReady;
        let waiting = objects.endpoints().iter().filter(is_waiting).count();
        let cure = match (waiting > 0, service.has_selector) {
            (true, _) => "see why they are not ready",
            (false, true) => "see whether its selector fits the labels of any pod",
            (false, false) => {
                "write Endpoints of its name, or a slice with the label kubernetes.io/service-name"
            }
        };
        let readiness = match waiting {
            0 if objects.endpoints().is_empty() => "it has no endpoints".to_owned(),
            0 => "it has no endpoint that may be published".to_owned(),
            1 => "its one endpoint is not ready".to_owned(),
            n => format!("none of its {n} endpoints is ready"),
        };
        match objects.record.map(Record::kind) {
            Some(FrontKind::NoneReady | FrontKind::Ignored) => {
                self.of_the_service(format!("{readiness}, so the name does not exist; {cure}"));
            }
            Some(FrontKind::Cluster) if self.knows_endpoints(service) => self.of_the_service(
                format!("{readiness}, so nobody answers behind the cluster IP; {cure}"),
            ),
            _ => {}
        }
    }

    /// Whether the configuration lets endpoints of this Service be known.
    fn knows_endpoints(&self, service: &Service) -> bool {
        let spec = self.objects.grounds.view.spec();
        !(spec.no_endpoints || spec.headless_endpoints_only && service.has_selector)
    }

    /// A port of the Service that endpoints lack, or have under another number.
    fn of_port(&mut self, service: &Service, port: &ServicePort) {
        let protocol = protocol_word(port.protocol);
        let objects = self.objects;
        let same = |found: &&EndpointFacts| {
            let named = found
                .ports
                .iter()
                .find(|other| *other.name == *port.name && other.protocol == protocol);
            named.map(|other| other.port)
        };
        let name = port_name(&port.name, port.protocol);
        // An address may stand in several objects, each with some of its ports; of long lists not all
        // are known here.
        let mut lacks: BTreeMap<&str, bool> = BTreeMap::new();
        for found in objects.ready() {
            let is_lacking = same(&found).is_none() && found.ports.len() < ENDPOINT_PORTS_MOST;
            *lacks.entry(&*found.address).or_insert(true) &= is_lacking;
        }
        let lacking = lacks.values().filter(|lacks| **lacks).count();
        let mut addresses = objects.ready().map(|found| &*found.address);
        if let Some(first) = addresses.find(|address| lacks.get(address) == Some(&true)) {
            let has: BTreeSet<String> = objects
                .ready()
                .filter(|found| found.address == first)
                .flat_map(|found| &found.ports)
                .map(|other| format!("{}/{}", other.name, other.protocol))
                .collect();
            let has: Vec<String> = has.into_iter().collect();
            let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
            let text = format!(
                "port {name} is not among the ports of {} of {} ready endpoints ({first} has: {has}); \
                 give them the same name and protocol",
                lacking,
                lacks.len(),
            );
            self.of_the_service(text);
            return;
        }
        // Behind a cluster IP with a selector, other numbers are what targetPort is for.
        let headless = !matches!(service.cluster_ips, ClusterIps::Addresses(_));
        if service.has_selector && !headless {
            return;
        }
        let other = objects.ready().find_map(|found| {
            let number = same(&found).flatten().filter(|number| *number != port.port)?;
            Some((found.address.clone(), number))
        });
        let Some((address, number)) = other else { return };
        let remapped = objects.record.and_then(Record::choice) == Some(Choice::PortRemapped);
        let effect = if remapped {
            "only the cluster IP turns one into the other"
        } else {
            "nothing turns one into the other, so dial the endpoints' number, as SRV records tell it"
        };
        let number =
            format!("port {name} is {} here and {number} on endpoint {address}", port.port);
        self.of_the_service(format!("{number}; {effect}"));
    }

    fn of_sources(&mut self) {
        let objects = self.objects;
        for known in &objects.about.slices {
            let slice = &known.object;
            if slice.address_type == crate::cluster::SliceAddresses::Fqdn {
                let text = "addressType FQDN has no meaning to DNS; write an ExternalName Service";
                self.add("EndpointSlice", &slice.meta.key.name, text);
            }
        }
        let dropped = objects.endpoints().iter().filter_map(|found| {
            let (kind, name) = found.object.split_once('/')?;
            Some((kind, name, &found.address, found.dropped.as_ref()?))
        });
        for (kind, name, address, why) in dropped.take(FINDINGS_MOST) {
            let text = format!("{address} is not published: it is a {why}; write the host's own");
            self.add(kind, name, text);
        }
    }

    /// Objects beside the Service that may have been meant for it.
    fn of_strays(&mut self, grounds: &Grounds<'_>) {
        let ObjectKey { namespace, name } = &self.objects.key.clone();
        let has_endpoints = self.objects.sources().iter().any(|source| source.ignored.is_none());
        let selector = self.objects.known().map(|service| service.has_selector);
        // One without a selector waits for what somebody has written.
        let any = selector == Some(false) && !has_endpoints;
        let unlabelled = grounds.registry.odd_in(namespace).into_iter().filter(|(oddity, key)| {
            *oddity == Oddity::UnlabelledSlice && (any || key.name.starts_with(&**name))
        });
        for (_, key) in unlabelled.take(FINDINGS_MOST) {
            let text =
                "it has no label kubernetes.io/service-name and belongs to no Service; add it";
            self.add("EndpointSlice", &key.name, text);
        }
        if !any {
            return;
        }
        let mut strays = Vec::new();
        grounds.registry.orphans_in(namespace, &mut |orphan| {
            if is_near(orphan, name) {
                strays.push(ObjectKey::new(namespace, orphan));
            }
            strays.len() < FINDINGS_MOST
        });
        for stray in strays {
            let about = grounds.registry.about(&stray);
            let text =
                format!("it is for a Service {}, which there is not; is {name} meant?", stray.name);
            for slice in &about.slices {
                self.add("EndpointSlice", &slice.object.meta.key.name, text.clone());
            }
            if about.endpoints.is_some() {
                self.add("Endpoints", &stray.name, text);
            }
        }
    }
}
