//! Services and Pods out of a manifest's values.

use smallvec::SmallVec;

use crate::cluster::words::SELECTORLESS;
use crate::cluster::{AddressFamily, ClusterIps, Meta, Pod, Service, ServicePort, parse_address};

use super::decode::{Decoder, Fields, Path};
use super::fault::Shown;
use super::node::{Node, Value};

/// Reads a Service.
pub(super) fn read(
    decoder: &mut Decoder<'_>,
    meta: Option<Meta>,
    root: &Fields<'_, '_>,
    metadata: &Fields<'_, '_>,
) -> Option<Service> {
    let annotations = decoder.fields(metadata, "annotations");
    let selectorless = decoder.text(&annotations, SELECTORLESS).map(Into::into);
    let spec = decoder.fields(root, "spec");
    let is_external = match decoder.text(&spec, "type") {
        None | Some("ClusterIP" | "NodePort" | "LoadBalancer") => false,
        Some("ExternalName") => true,
        Some(other) => {
            let told = format!(
                "{} is no type of Service; write ClusterIP, NodePort, LoadBalancer or ExternalName",
                Shown(other)
            );
            decoder.fault_at(&spec, "type", told);
            false
        }
    };
    let written = decoder.text(&spec, "externalName").unwrap_or_default();
    let external_name = is_external.then(|| written.into());
    let cluster_ips = cluster_ips(decoder, &spec);
    let selector = decoder.fields(&spec, "selector");
    let has_selector =
        matches!(selector.node, Some(Node { value: Value::Map(pairs), .. }) if !pairs.is_empty());
    let ports = ports(decoder, &spec);
    let ip_families = families(decoder, &spec);
    let session_affinity = decoder.text(&spec, "sessionAffinity").is_some_and(|a| a != "None");
    let local_traffic_only =
        decoder.text(&spec, "internalTrafficPolicy").is_some_and(|policy| policy != "Cluster");
    let publish_not_ready = decoder.boolean(&spec, "publishNotReadyAddresses").unwrap_or(false);
    Some(Service {
        meta: meta?,
        external_name,
        cluster_ips,
        has_selector,
        ports,
        ip_families,
        session_affinity,
        local_traffic_only,
        publish_not_ready,
        selectorless,
    })
}

fn cluster_ips(decoder: &mut Decoder<'_>, spec: &Fields<'_, '_>) -> ClusterIps {
    let path = Path::Field(&spec.path, "clusterIPs");
    let mut written: SmallVec<[(&Node<'_>, Path<'_>); 2]> = SmallVec::new();
    for (index, node) in decoder.list(spec, "clusterIPs").iter().enumerate() {
        if node.as_text() != Some("") && !node.is_null() {
            written.push((node, Path::Item(&path, index)));
        }
    }
    // clusterIP is looked at whenever it is there, so that its faults are found.
    let path = Path::Field(&spec.path, "clusterIP");
    let single = spec.get("clusterIP").filter(|node| node.as_text() != Some(""));
    if written.is_empty() {
        written.extend(single.map(|node| (node, path)));
    } else if let Some(node) = single
        && node.as_text() != Some("None")
    {
        decoder.address(node, &path);
    }
    let (mut headless, mut addresses) = (None, SmallVec::new());
    for (node, path) in &written {
        if node.as_text() == Some("None") {
            headless = Some((node.at, *path));
        } else {
            addresses.extend(decoder.address(node, path));
        }
    }
    let first = written.first().and_then(|(node, _)| node.as_text());
    if let Some(node) = single
        && first.is_some_and(|first| !is_same(first, node.as_text().unwrap_or(first)))
    {
        let told = format!(
            "{} is another than the first of spec.clusterIPs, {}; write the same in both, or \
             clusterIP alone",
            Shown(node.as_text().unwrap_or_default()),
            Shown(first.unwrap_or_default())
        );
        decoder.fault(node.at, &path, told);
    }
    match headless {
        None if addresses.is_empty() => ClusterIps::Absent,
        None => ClusterIps::Addresses(addresses),
        Some((at, path)) if written.len() > 1 => {
            let told = "'None' stands beside another address; write None alone, or addresses only";
            decoder.fault(at, &path, told);
            ClusterIps::Headless
        }
        Some(_) => ClusterIps::Headless,
    }
}

/// Whether two texts of a cluster IP, each faulty or not, mean the same.
fn is_same(one: &str, other: &str) -> bool {
    match (parse_address(one), parse_address(other)) {
        (Ok(one), Ok(other)) => one == other,
        // Of what is no address its own fault is told.
        (Err(_), Err(_)) => true,
        (Ok(_), Err(_)) => other != "None",
        (Err(_), Ok(_)) => one != "None",
    }
}

fn ports(decoder: &mut Decoder<'_>, spec: &Fields<'_, '_>) -> Vec<ServicePort> {
    let list = Path::Field(&spec.path, "ports");
    let mut ports: Vec<ServicePort> = Vec::new();
    for (index, node) in decoder.list(spec, "ports").iter().enumerate() {
        let path = Path::Item(&list, index);
        if !decoder.is_map(node, &path) {
            continue;
        }
        let fields = Fields { node: Some(node), path };
        let name: Box<str> = decoder.label(&fields, "name").unwrap_or_default().into();
        let protocol = decoder.protocol(&fields);
        let same = |port: &ServicePort| port.name == name && port.protocol == protocol;
        if !name.is_empty() && ports.iter().any(same) {
            let told = format!("{} names another port of this protocol; rename one", Shown(&name));
            decoder.fault_at(&fields, "name", told);
        }
        if fields.get("port").is_none() {
            decoder.fault_at(&fields, "port", "is missing; write a number from 1 to 65535");
        }
        let port = decoder.port(&fields, "port");
        ports.extend(port.map(|port| ServicePort { name, protocol, port }));
    }
    ports
}

fn families(decoder: &mut Decoder<'_>, spec: &Fields<'_, '_>) -> SmallVec<[AddressFamily; 2]> {
    let list = Path::Field(&spec.path, "ipFamilies");
    let mut families = SmallVec::new();
    for (index, node) in decoder.list(spec, "ipFamilies").iter().enumerate() {
        families.extend(decoder.family(node, &Path::Item(&list, index)));
    }
    families
}

/// Reads a Pod.
pub(super) fn pod(
    decoder: &mut Decoder<'_>,
    meta: Option<Meta>,
    root: &Fields<'_, '_>,
    metadata: &Fields<'_, '_>,
) -> Option<Pod> {
    let status = decoder.fields(root, "status");
    let list = Path::Field(&status.path, "podIPs");
    let mut ips = SmallVec::new();
    for (index, node) in decoder.list(&status, "podIPs").iter().enumerate() {
        let path = Path::Item(&list, index);
        if decoder.is_map(node, &path) {
            ips.extend(ip(decoder, &Fields { node: Some(node), path }, "ip"));
        }
    }
    let single = ip(decoder, &status, "podIP");
    if ips.is_empty() {
        ips.extend(single);
    }
    let ended = matches!(decoder.text(&status, "phase"), Some("Succeeded" | "Failed"));
    let live = !ended && metadata.get("deletionTimestamp").is_none();
    Some(Pod { meta: meta?, ips, live })
}

fn ip(decoder: &mut Decoder<'_>, of: &Fields<'_, '_>, field: &str) -> Option<std::net::IpAddr> {
    let node = of.get(field).filter(|node| node.as_text() != Some(""))?;
    decoder.address(node, &Path::Field(&of.path, field))
}
