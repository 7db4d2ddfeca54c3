//! EndpointSlices and Endpoints out of a manifest's values.

use std::net::IpAddr;

use smallvec::{SmallVec, smallvec};

use crate::cluster::words::{LEADER, MANAGED_BY, SERVICE_NAME, SKIP_MIRROR, managed_by};
use crate::cluster::{
    AddressFamily, Endpoint, EndpointPort, EndpointSlice, Endpoints, Meta, SliceAddresses, Subset,
};

use super::decode::{Decoder, Fields, Path};
use super::fault::Shown;
use super::node::Node;

fn label<'m>(meta: &'m Meta, name: &str) -> Option<&'m str> {
    meta.labels.iter().find(|(label, _)| &**label == name).map(|(_, value)| &**value)
}

/// Reads an EndpointSlice.
pub(super) fn slice(
    decoder: &mut Decoder<'_>,
    meta: Option<Meta>,
    root: &Fields<'_, '_>,
) -> Option<EndpointSlice> {
    let address_type = address_type(decoder, root);
    let ports = ports(decoder, root, true);
    let endpoints = match address_type {
        Some(SliceAddresses::V4) => slice_endpoints(decoder, root, AddressFamily::V4),
        Some(SliceAddresses::V6) => slice_endpoints(decoder, root, AddressFamily::V6),
        Some(SliceAddresses::Fqdn) | None => Vec::new(),
    };
    let meta = meta?;
    let service = label(&meta, SERVICE_NAME).filter(|name| !name.is_empty()).map(Into::into);
    let managed_by = managed_by(label(&meta, MANAGED_BY));
    Some(EndpointSlice { meta, service, managed_by, address_type: address_type?, endpoints, ports })
}

fn address_type(decoder: &mut Decoder<'_>, root: &Fields<'_, '_>) -> Option<SliceAddresses> {
    let before = root.get("addressType");
    match decoder.text(root, "addressType") {
        Some("IPv4") => return Some(SliceAddresses::V4),
        Some("IPv6") => return Some(SliceAddresses::V6),
        Some("FQDN") => return Some(SliceAddresses::Fqdn),
        Some(other) => {
            let told = format!("{} is unknown; write IPv4, IPv6 or FQDN", Shown(other));
            decoder.fault_at(root, "addressType", told);
        }
        None if before.is_none_or(|node| node.as_text() == Some("")) => {
            decoder.fault_at(root, "addressType", "is missing; write IPv4, IPv6 or FQDN");
        }
        None => {}
    }
    None
}

fn slice_endpoints(
    decoder: &mut Decoder<'_>,
    root: &Fields<'_, '_>,
    family: AddressFamily,
) -> Vec<Endpoint> {
    let list = Path::Field(&root.path, "endpoints");
    let nodes = decoder.list(root, "endpoints");
    let mut endpoints = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let path = Path::Item(&list, index);
        if !decoder.is_map(node, &path) {
            continue;
        }
        let fields = Fields { node: Some(node), path };
        let addresses = addresses(decoder, &fields, family);
        let conditions = decoder.fields(&fields, "conditions");
        let ready = decoder.boolean(&conditions, "ready").unwrap_or(true);
        endpoints.push(endpoint(decoder, &fields, addresses, ready));
    }
    endpoints
}

fn addresses(
    decoder: &mut Decoder<'_>,
    fields: &Fields<'_, '_>,
    family: AddressFamily,
) -> SmallVec<[IpAddr; 1]> {
    let list = Path::Field(&fields.path, "addresses");
    let nodes = decoder.list(fields, "addresses");
    if nodes.is_empty() && fields.get("addresses").is_none_or(|node| node.as_written().is_none()) {
        decoder.fault_at(fields, "addresses", "is empty; list at least one IP address");
    }
    let mut addresses = SmallVec::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = Path::Item(&list, index);
        let Some(address) = decoder.address(node, &path) else { continue };
        if AddressFamily::of(address) == family {
            addresses.push(address);
            continue;
        }
        let (is, other) = match family {
            AddressFamily::V4 => ("IPv4", "IPv6"),
            AddressFamily::V6 => ("IPv6", "IPv4"),
        };
        let told = format!(
            "{} is an {other} address in a slice of addressType {is}; move it to a slice of \
             addressType {other}",
            Shown(node.as_written().unwrap_or_default())
        );
        decoder.fault(node.at, &path, told);
    }
    addresses
}

/// What an endpoint of a slice and an address of an Endpoints object have in common.
fn endpoint(
    decoder: &mut Decoder<'_>,
    fields: &Fields<'_, '_>,
    addresses: SmallVec<[IpAddr; 1]>,
    ready: bool,
) -> Endpoint {
    let hostname = decoder.label(fields, "hostname").map(Into::into);
    let target = decoder.fields(fields, "targetRef");
    let target_name = decoder.text(&target, "name").map(Into::into);
    let node_name = decoder.text(fields, "nodeName");
    let managed = target.node.is_some() || node_name.is_some();
    Endpoint { addresses, ready, hostname, target_name, managed }
}

fn ports(decoder: &mut Decoder<'_>, of: &Fields<'_, '_>, may_be_all: bool) -> Vec<EndpointPort> {
    let list = Path::Field(&of.path, "ports");
    let mut ports = Vec::new();
    for (index, node) in decoder.list(of, "ports").iter().enumerate() {
        let path = Path::Item(&list, index);
        if !decoder.is_map(node, &path) {
            continue;
        }
        let fields = Fields { node: Some(node), path };
        let name = decoder.label(&fields, "name").unwrap_or_default().into();
        let protocol = decoder.protocol(&fields);
        if !may_be_all && fields.get("port").is_none() {
            decoder.fault_at(&fields, "port", "is missing; write a number from 1 to 65535");
        }
        ports.push(EndpointPort { name, protocol, port: decoder.port(&fields, "port") });
    }
    ports
}

/// Reads an Endpoints object.
pub(super) fn endpoints(
    decoder: &mut Decoder<'_>,
    meta: Option<Meta>,
    root: &Fields<'_, '_>,
    metadata: &Fields<'_, '_>,
) -> Option<Endpoints> {
    let annotations = decoder.fields(metadata, "annotations");
    let list = Path::Field(&root.path, "subsets");
    let mut subsets = Vec::new();
    for (index, node) in decoder.list(root, "subsets").iter().enumerate() {
        let path = Path::Item(&list, index);
        if !decoder.is_map(node, &path) {
            continue;
        }
        let fields = Fields { node: Some(node), path };
        let mut endpoints = subset_endpoints(decoder, &fields, "addresses", true);
        endpoints.extend(subset_endpoints(decoder, &fields, "notReadyAddresses", false));
        subsets.push(Subset { endpoints, ports: ports(decoder, &fields, false) });
    }
    let meta = meta?;
    let not_for_services =
        annotations.get(LEADER).is_some() || label(&meta, SKIP_MIRROR) == Some("true");
    Some(Endpoints { meta, not_for_services, subsets })
}

fn subset_endpoints(
    decoder: &mut Decoder<'_>,
    subset: &Fields<'_, '_>,
    field: &str,
    ready: bool,
) -> Vec<Endpoint> {
    let list = Path::Field(&subset.path, field);
    let nodes = decoder.list(subset, field);
    let mut endpoints = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let path = Path::Item(&list, index);
        if !decoder.is_map(node, &path) {
            continue;
        }
        let fields = Fields { node: Some(node), path };
        let ip: Option<&Node<'_>> = fields.get("ip");
        let Some(ip) = ip else {
            decoder.fault_at(&fields, "ip", "is missing; write the endpoint's IP address");
            continue;
        };
        let address = decoder.address(ip, &Path::Field(&fields.path, "ip"));
        let addresses = address.map_or_else(SmallVec::new, |address| smallvec![address]);
        endpoints.push(endpoint(decoder, &fields, addresses, ready));
    }
    endpoints
}
