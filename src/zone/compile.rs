//! From objects to records: schema.md, sections 2 to 4 and 6, as pure functions.
//!
//! Runs on the publisher's thread, for each Service that something has happened to.

use std::collections::BTreeMap;

use super::choice::{self, Choice, PortMismatch};
use super::draft::Draft;
use super::endpoints::{self, Drop, Inputs, Joined};
use super::record::{FrontKind, Unusable};
use super::spec::Spec;
use crate::cluster::{AddressFamily, ClusterIps, Service, parse_address};
use crate::name::Name;

/// What became of one Service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Compiled {
    /// Its octets in the view ([`Record`](super::record::Record) reads them).
    pub record: Vec<u8>,
    /// Endpoint addresses that are not published, by reason.
    pub dropped: BTreeMap<Drop, u32>,
}

/// Makes the record of a Service whose namespace is exposed.
pub fn compile(inputs: &Inputs<'_>, spec: &Spec) -> Compiled {
    let service = inputs.service;
    if let Some(target) = &service.external_name {
        return Compiled { record: alias(target, spec), dropped: BTreeMap::new() };
    }
    let mut joined = endpoints::join(inputs, spec);
    let chosen = (!service.has_selector).then(|| choice::choose(service, &joined, spec));
    if chosen.is_some() {
        joined.number_ports(&service.ports);
    }
    let record = addressed(service, &joined, chosen, spec);
    Compiled { record, dropped: joined.dropped }
}

fn addressed(
    service: &Service,
    joined: &Joined,
    chosen: Option<(Choice, Option<PortMismatch>)>,
    spec: &Spec,
) -> Vec<u8> {
    let all = || joined.addresses.iter().map(|at| at.0);
    let mut draft = Draft {
        kind: FrontKind::Cluster,
        choice: None,
        mismatch: None,
        annotation_ignored: false,
        selectorless: chosen.is_some(),
        ttl: spec.ttl,
        front: Vec::new(),
        target: Vec::new(),
        unusable: None,
        ports: &service.ports,
        cluster_ips: &[],
        joined,
    };
    let ClusterIps::Addresses(cluster_ips) = &service.cluster_ips else {
        draft.front = all().collect();
        draft.kind =
            if draft.front.is_empty() { FrontKind::NoneReady } else { FrontKind::Endpoints };
        draft.annotation_ignored = !draft.front.is_empty() && choice::ignores_annotation(service);
        return draft.encode();
    };
    draft.cluster_ips = cluster_ips;
    if spec.ignore_empty_service && joined.ready == 0 && knows_endpoints(service, spec) {
        draft.kind = FrontKind::Ignored;
        draft.cluster_ips = &[];
        return draft.encode();
    }
    if let Some((choice, mismatch)) = chosen {
        (draft.choice, draft.mismatch) = (Some(choice), mismatch);
    }
    draft.annotation_ignored = choice::ignores_annotation(service);
    if draft.choice == Some(Choice::Direct) {
        let families = choice::families(service);
        draft.kind = FrontKind::Endpoints;
        draft.front = all().filter(|ip| families.contains(&AddressFamily::of(*ip))).collect();
    } else {
        // An API server lets no address stand there twice; a manifest may.
        for ip in cluster_ips {
            if !draft.front.contains(ip) {
                draft.front.push(*ip);
            }
        }
    }
    draft.encode()
}

/// Whether the configuration lets endpoints of this cluster-IP Service be known, so that their
/// absence means something.
fn knows_endpoints(service: &Service, spec: &Spec) -> bool {
    !(spec.no_endpoints || spec.headless_endpoints_only && service.has_selector)
}

/// Why this `externalName` cannot be a CNAME's target, if so. One trailing dot is allowed.
pub fn unusable(external_name: &str) -> Option<Unusable> {
    target(external_name).err()
}

fn target(external_name: &str) -> Result<Name, Unusable> {
    let text = external_name.strip_suffix('.').unwrap_or(external_name);
    if parse_address(text).is_ok() {
        return Err(Unusable::Address);
    }
    match Name::parse(text) {
        Ok(name) if !name.is_root() && !text.ends_with('.') => Ok(name),
        _ => Err(Unusable::NotAName),
    }
}

fn alias(external_name: &str, spec: &Spec) -> Vec<u8> {
    let (kind, unusable, target) = match target(external_name) {
        Ok(name) => (FrontKind::Alias, None, name.as_wire().to_vec()),
        Err(reason) => (FrontKind::Unusable, Some(reason), external_name.as_bytes().to_vec()),
    };
    Draft {
        kind,
        choice: None,
        mismatch: None,
        annotation_ignored: false,
        selectorless: false,
        ttl: spec.ttl,
        front: Vec::new(),
        target,
        unusable,
        ports: &[],
        cluster_ips: &[],
        joined: &Joined::default(),
    }
    .encode()
}
