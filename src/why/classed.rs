//! What a Service is to DNS, and why, in a sentence.

use super::facts::{EndpointFacts, EndpointState, port_name, protocol_word};
use super::objects::Objects;
use crate::cluster::{ClusterIps, Service};
use crate::zone::record::FrontKind;
use crate::zone::{Choice, PortMismatch, Selectorless, unusable};

/// What the Service of these objects is to DNS.
pub(super) fn of(objects: &Objects<'_>, service: &Service) -> String {
    if !objects.about.exposed {
        return "not served, since its namespace does not exist or is not exposed".to_owned();
    }
    if let Some(target) = &service.external_name {
        return match unusable(target) {
            Some(_) => format!("ExternalName: '{target}' is no name, so it does not exist"),
            None => format!("ExternalName: an alias of {target}"),
        };
    }
    let selector = if service.has_selector { "with a selector" } else { "selector-less" };
    let endpoints = format!("its endpoints, {}", readiness(objects));
    match service.cluster_ips {
        ClusterIps::Headless => return format!("headless, {selector}: {endpoints}"),
        ClusterIps::Absent => {
            return format!("{selector}, without a cluster IP, so as headless: {endpoints}");
        }
        ClusterIps::Addresses(_) => {}
    }
    let Some(record) = objects.record else { return format!("{selector}: not served yet") };
    if record.kind() == FrontKind::Ignored {
        return format!("{selector}: 'ignore empty_service' leaves out what has nobody ready");
    }
    match record.choice() {
        None => format!("{selector}: its cluster IP"),
        Some(choice) => {
            let mode = mode(objects, service, choice);
            let mismatch = record.mismatch().map(|(port, endpoint)| PortMismatch {
                name: String::from_utf8_lossy(port.name).into(),
                protocol: port.protocol,
                service: port.number,
                endpoint,
            });
            let why = why(objects, choice, mismatch);
            format!("{selector}, {mode}: {why}")
        }
    }
}

/// `2 of 3 ready`, or `none`.
pub(super) fn readiness(objects: &Objects<'_>) -> String {
    let counts = |found: &&EndpointFacts| {
        matches!(found.state, EndpointState::Ready | EndpointState::NotReady)
    };
    let all = objects.endpoints().iter().filter(counts).count();
    if all == 0 { "none".to_owned() } else { format!("{} of {all} ready", objects.ready().count()) }
}

/// The setting that the choice was made by, and whose it is.
fn mode(objects: &Objects<'_>, service: &Service, choice: Choice) -> &'static str {
    let annotation = service.selectorless.as_deref().and_then(Selectorless::parse);
    let setting = objects.grounds.view.spec().selectorless;
    match (choice, annotation, setting) {
        (Choice::Kubernetes, ..) => "whatever the setting",
        (_, Some(Selectorless::Auto), _) => "auto by annotation",
        (_, Some(Selectorless::Endpoints), _) => "endpoints by annotation",
        (_, Some(Selectorless::ClusterIp), _) => "cluster-ip by annotation",
        (_, None, Selectorless::Auto) => "auto",
        (_, None, Selectorless::Endpoints) => "endpoints",
        (_, None, Selectorless::ClusterIp) => "cluster-ip",
    }
}

fn why(objects: &Objects<'_>, choice: Choice, mismatch: Option<PortMismatch>) -> String {
    let text = match choice {
        Choice::Direct => {
            return format!(
                "its endpoints, {}, which the cluster IP leads to as well",
                readiness(objects)
            );
        }
        Choice::PortRemapped => remapped(objects, &mismatch.unwrap_or_default()),
        Choice::PortMissing => missing(objects, &mismatch.unwrap_or_default()),
        Choice::Managed => "a controller wrote an endpoint".to_owned(),
        Choice::Affinity => "sessionAffinity is set".to_owned(),
        Choice::TrafficPolicy => "internalTrafficPolicy is not Cluster".to_owned(),
        Choice::NoReadyEndpoint if objects.ready().next().is_some() => {
            "no ready endpoint has an address of its ipFamilies".to_owned()
        }
        Choice::NoReadyEndpoint => "no endpoint is ready".to_owned(),
        Choice::Kubernetes => "clients dial the port of default/kubernetes".to_owned(),
        Choice::Setting => return "always the cluster IP".to_owned(),
    };
    format!("{text}, so the cluster IP")
}

/// `port https is 443 on the service, 6443 on endpoint 10.1.2.1`.
fn remapped(objects: &Objects<'_>, mismatch: &PortMismatch) -> String {
    let PortMismatch { name, service, endpoint, .. } = mismatch;
    let has = |found: &&EndpointFacts| {
        found.ports.iter().any(|port| *port.name == **name && port.port == Some(*endpoint))
    };
    let whose = match objects.ready().find(has) {
        Some(found) => format!("endpoint {}", found.address),
        None => "an endpoint".to_owned(),
    };
    format!("port {} is {service} on the service, {endpoint} on {whose}", shown(name))
}

/// `endpoint 10.1.2.1 has no port https/TCP`.
fn missing(objects: &Objects<'_>, mismatch: &PortMismatch) -> String {
    let PortMismatch { name, protocol, .. } = mismatch;
    let lacks = |found: &&EndpointFacts| {
        !found
            .ports
            .iter()
            .any(|port| *port.name == **name && port.protocol == protocol_word(*protocol))
    };
    let whose = match objects.ready().find(lacks) {
        Some(found) => format!("endpoint {}", found.address),
        None => "an endpoint".to_owned(),
    };
    format!("{whose} has no port {}", port_name(name, *protocol))
}

/// A port's name, or what stands for one.
fn shown(name: &str) -> &str {
    if name.is_empty() { "(unnamed)" } else { name }
}
