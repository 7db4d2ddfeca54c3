//! Why a name answers as it does, in a sentence.

use super::explain::{Grounds, Place};
use super::facts::{EndpointFacts, EndpointState, port_name};
use super::objects::Objects;
use crate::answer::{Cause, Failure};
use crate::cluster::{Kind, ObjectKey};
use crate::zone::record::{FrontKind, Record, Unusable};

/// Of a name outside.
pub(super) const NOT_OURS: &str = "no zone here holds the name, and there is no upstream to ask";

/// How many ports are named in a sentence.
const PORTS_MOST: usize = 16;

/// What there is to say; nothing where all is plain.
pub(super) fn of(
    cause: Cause,
    grounds: &Grounds<'_>,
    place: &Place<'_>,
    objects: Option<&Objects<'_>>,
) -> Option<String> {
    let labels = &place.labels;
    Some(match cause {
        Cause::NotOurs => NOT_OURS.into(),
        Cause::NoSuchName => no_such_name(place),
        Cause::NoNamespace => no_namespace(grounds, labels),
        Cause::NoService => {
            let ObjectKey { namespace, name } = place.key.as_ref()?;
            format!("there is no Service {name} in namespace {namespace}")
        }
        Cause::NoEndpointLabel => no_label(objects?, labels.first()?),
        Cause::NoPort => no_port(objects?),
        Cause::NoneReady { ready, total } => {
            let ObjectKey { namespace, name } = &objects?.key;
            let what = match objects?.record.map(Record::kind) {
                Some(FrontKind::Ignored) => "'ignore empty_service' leaves out such a Service",
                Some(FrontKind::NoneReady) => {
                    "a headless Service exists with a ready endpoint only"
                }
                _ => "endpoint names exist with a ready endpoint only",
            };
            match total {
                0 => format!("{namespace}/{name} has no endpoints, and {what}"),
                _ => format!(
                    "{ready} of {total} endpoints of {namespace}/{name} are ready, and {what}"
                ),
            }
        }
        Cause::BelowAlias => "nothing exists below an ExternalName Service".into(),
        Cause::UnusableAlias(why) => {
            let target = objects?.known().and_then(|service| service.external_name.as_deref());
            let target = target.unwrap_or("the externalName");
            match why {
                Unusable::Address => format!("externalName {target} is an address, not a name"),
                Unusable::NotAName => format!("externalName {target} cannot be a domain name"),
            }
        }
        Cause::PodsDisabled => "pod names are switched off; see 'pods'".into(),
        Cause::NoPod => "no pod of the namespace has that address, or it is no address".into(),
        Cause::NoAddress => "no cluster IP and no ready endpoint has that address".into(),
        Cause::Waiting(kinds) => {
            let kinds: Vec<&str> = kinds.iter().map(Kind::resource).collect();
            format!("these lists are not complete: {}", kinds.join(", "))
        }
        Cause::BareAlias => {
            "the alias leads out of the zones, and there is no upstream to ask".into()
        }
        Cause::TargetMissing => "the alias leads to a name that does not exist".into(),
        Cause::AliasLoop => "the alias leads back to itself".into(),
        Cause::AliasChain => "the chain of aliases is longer than is followed".into(),
        Cause::Upstream(Failure::Nobody) => "there is no upstream to ask".into(),
        Cause::Upstream(_) => "no upstream gave a usable answer".into(),
        _ => return None,
    })
}

fn no_such_name(place: &Place<'_>) -> String {
    let zone = place.zone.map(|zone| zone.zone.name.to_string()).unwrap_or_default();
    let top = place.labels.last().map_or("", |label| label);
    match (top, place.labels.len()) {
        ("svc" | "endpoints" | "pod", _) => "no name has so many labels".into(),
        _ => format!("names below {zone} end in svc, pod or endpoints, not in '{top}'"),
    }
}

fn no_namespace(grounds: &Grounds<'_>, labels: &[String]) -> String {
    let namespace = labels.iter().rev().nth(1).map_or("", |label| label);
    let named = grounds.registry.namespaces();
    if named.iter().any(|(name, exposed)| **name == *namespace && !exposed) {
        return format!(
            "there are objects in namespace {namespace}, but the namespace itself does not exist or is \
             not exposed; see 'namespaces' and 'namespace_labels'"
        );
    }
    format!("there is no namespace {namespace}")
}

fn no_label(objects: &Objects<'_>, label: &str) -> String {
    let ObjectKey { namespace, name } = &objects.key;
    let same = |found: &&EndpointFacts| found.label == label;
    let reason = match objects.endpoints().iter().find(same) {
        Some(EndpointFacts { state: EndpointState::NotReady, address, .. }) => {
            format!(": {address} has it and is not ready")
        }
        Some(EndpointFacts { dropped: Some(why), address, .. }) => {
            format!(": {address} has it, and is dropped as a {why}")
        }
        _ => String::new(),
    };
    format!("no ready endpoint of {namespace}/{name} has the label {label}{reason}")
}

fn no_port(objects: &Objects<'_>) -> String {
    let ObjectKey { namespace, name } = &objects.key;
    let Some(record) = objects.record else {
        return format!("{namespace}/{name} has no such port");
    };
    // What stands for the Service has its ports: itself behind a cluster IP, else its endpoints.
    let is_itself = record.kind() == FrontKind::Cluster;
    let own = record.ports().filter(|_| is_itself);
    let of_endpoints = record.endpoints().filter(|_| !is_itself);
    let of_endpoints = of_endpoints.into_iter().flat_map(|all| all.named().map(|(port, _)| port));
    let mut shown: Vec<String> = own
        .chain(of_endpoints)
        .filter(|port| !port.name.is_empty())
        .map(|port| port_name(&String::from_utf8_lossy(port.name), port.protocol))
        .collect();
    shown.truncate(PORTS_MOST);
    let whose = if is_itself { "its" } else { "its endpoints'" };
    if shown.is_empty() {
        return format!("{namespace}/{name} has no such port; {whose} ports have no names");
    }
    format!("{namespace}/{name} has no such port; {whose} named ports: {}", shown.join(", "))
}
