//! Whether a selector-less Service with a cluster IP is answered with that, or with its endpoints.
//!
//! schema.md, section 3: going to the endpoints directly is right where it is the same as going
//! through the cluster IP, which alone can remap a port, keep affinity or follow a fail-over.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::endpoints::{Joined, Port};
use super::spec::{Selectorless, Spec};
use crate::cluster::{AddressFamily, ClusterIps, Protocol, Service};

/// How a selector-less Service with a cluster IP is answered, and why.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Choice {
    /// With its ready manual endpoints.
    Direct = 1,
    /// With the cluster IP: an endpoint listens on another port number than the Service.
    PortRemapped = 2,
    /// With the cluster IP: an endpoint has no port of that name and protocol.
    PortMissing = 3,
    /// With the cluster IP: a controller wrote an endpoint.
    Managed = 4,
    /// With the cluster IP: `sessionAffinity` is set.
    Affinity = 5,
    /// With the cluster IP: `internalTrafficPolicy` is not `Cluster`.
    TrafficPolicy = 6,
    /// With the cluster IP: there is no ready endpoint of the Service's families.
    NoReadyEndpoint = 7,
    /// With the cluster IP: it is `default/kubernetes`, whose endpoints listen on another port.
    Kubernetes = 8,
    /// With the cluster IP: the setting or the annotation says so.
    Setting = 9,
}

impl Choice {
    /// Every choice.
    pub const ALL: [Self; 9] = [
        Self::Direct,
        Self::PortRemapped,
        Self::PortMissing,
        Self::Managed,
        Self::Affinity,
        Self::TrafficPolicy,
        Self::NoReadyEndpoint,
        Self::Kubernetes,
        Self::Setting,
    ];

    /// The word that the metric uses for it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::PortRemapped => "port-remapped",
            Self::PortMissing => "port-missing",
            Self::Managed => "managed",
            Self::Affinity => "affinity",
            Self::TrafficPolicy => "traffic-policy",
            Self::NoReadyEndpoint => "no-ready-endpoint",
            Self::Kubernetes => "kubernetes",
            Self::Setting => "setting",
        }
    }

    pub(crate) fn from_octet(octet: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| *choice as u8 == octet)
    }
}

/// The port that stood in the way of a direct answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PortMismatch {
    /// The Service's port name.
    pub name: Box<str>,
    /// Its protocol.
    pub protocol: Protocol,
    /// The Service's port number.
    pub service: u16,
    /// The number on the endpoint; 0 where it has none of that name.
    pub endpoint: u16,
}

/// Whether the Service's annotation counts for nothing: its value is unknown, or there is nothing to
/// choose, since the Service has a selector.
pub(crate) fn ignores_annotation(service: &Service) -> bool {
    let unknown = |text: &str| service.has_selector || Selectorless::parse(text).is_none();
    service.selectorless.as_deref().is_some_and(unknown)
}

/// The families in which the Service is answered directly: `spec.ipFamilies`, else those of its
/// cluster IPs.
pub(crate) fn families(service: &Service) -> BTreeSet<AddressFamily> {
    match &service.cluster_ips {
        ClusterIps::Addresses(ips) if service.ip_families.is_empty() => {
            ips.iter().map(|ip| AddressFamily::of(*ip)).collect()
        }
        _ => service.ip_families.iter().copied().collect(),
    }
}

/// Chooses for a Service that has a cluster IP and no selector.
pub(crate) fn choose(
    service: &Service,
    joined: &Joined,
    spec: &Spec,
) -> (Choice, Option<PortMismatch>) {
    let key = &service.meta.key;
    if (&*key.namespace, &*key.name) == ("default", "kubernetes") {
        return (Choice::Kubernetes, None);
    }
    let families = families(service);
    let ready = |address: &IpAddr| families.contains(&AddressFamily::of(*address));
    let sets: BTreeSet<u32> =
        joined.addresses.iter().filter(|(address, _)| ready(address)).map(|at| at.1).collect();
    if sets.is_empty() {
        return (Choice::NoReadyEndpoint, None);
    }
    let annotation = service.selectorless.as_deref().and_then(Selectorless::parse);
    match annotation.unwrap_or(spec.selectorless) {
        Selectorless::Endpoints => return (Choice::Direct, None),
        Selectorless::ClusterIp => return (Choice::Setting, None),
        Selectorless::Auto => {}
    }
    if joined.controller_slice || !joined.managed.is_disjoint(&families) {
        return (Choice::Managed, None);
    }
    for ports in sets.iter().filter_map(|set| joined.port_sets.get(*set as usize)) {
        if let Some((choice, mismatch)) = first_mismatch(service, ports) {
            return (choice, Some(mismatch));
        }
    }
    if service.session_affinity {
        return (Choice::Affinity, None);
    }
    if service.local_traffic_only {
        return (Choice::TrafficPolicy, None);
    }
    (Choice::Direct, None)
}

fn first_mismatch(service: &Service, ports: &[Port]) -> Option<(Choice, PortMismatch)> {
    service.ports.iter().find_map(|wanted| {
        let named = |port: &&Port| port.1 == wanted.protocol && port.2 == wanted.name;
        let mismatch = |endpoint| {
            let (name, protocol) = (wanted.name.clone(), wanted.protocol);
            PortMismatch { name, protocol, service: wanted.port, endpoint }
        };
        // 0 stands for all ports, the wanted one among them.
        let other = ports.iter().filter(named).find(|port| port.0 != 0 && port.0 != wanted.port);
        if let Some(other) = other {
            return Some((Choice::PortRemapped, mismatch(other.0)));
        }
        ports.iter().find(named).is_none().then(|| (Choice::PortMissing, mismatch(0)))
    })
}
