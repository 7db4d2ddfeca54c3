//! Objects as an API server writes them in JSON, read into the slim types.
//!
//! Only the fields that DNS looks at are named here; everything else (managedFields, other
//! annotations, pod templates …) is skipped by the parser without being stored. Texts are borrowed
//! from the line they stand in. The API server has validated what it sends, so that what does not
//! fit is left out in silence rather than told, unlike in manifests.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use smallvec::SmallVec;

use super::super::words::{HEADLESS, MANAGED_BY, SERVICE_NAME, SKIP_MIRROR, managed_by};
use crate::cluster::{
    AddressFamily, ClusterIps, Endpoint, EndpointPort, EndpointSlice, Endpoints, Kind, ManagedBy,
    Meta, Namespace, Object, ObjectKey, Pod, Protocol, Service, ServicePort, SliceAddresses,
    Subset, parse_address,
};

/// What of an object is read where there is a choice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// All labels, since a selector of the configuration looks at them.
    pub(super) labels: bool,
    /// No endpoints of slices that the EndpointSlice controller wrote for Services with a cluster
    /// IP. The slice itself stays: that it is there tells a Service without a selector something.
    pub(super) headless_only: bool,
}

/// An object, and what it says of how it came to be so.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) object: Object,
    /// Of a slice: its Service, and when what a controller has answered by this state happened.
    pub(super) trigger: Option<(ObjectKey, SystemTime)>,
}

/// Reads an object of this kind.
pub(super) fn object(kind: Kind, json: &[u8], wanted: Wanted) -> serde_json::Result<Told> {
    let mut trigger = None;
    let object = match kind {
        Kind::Namespace => {
            let Bare { metadata } = serde_json::from_slice(json)?;
            Object::Namespace(Namespace { meta: metadata.meta(wanted) })
        }
        Kind::Service => {
            Object::Service(serde_json::from_slice::<WireService<'_>>(json)?.read(wanted))
        }
        Kind::EndpointSlice => {
            let slice: WireSlice<'_> = serde_json::from_slice(json)?;
            trigger = slice.metadata.trigger();
            Object::EndpointSlice(slice.read(wanted))
        }
        Kind::Endpoints => {
            Object::Endpoints(serde_json::from_slice::<WireEndpoints<'_>>(json)?.read(wanted))
        }
        Kind::Pod => Object::Pod(serde_json::from_slice::<WirePod<'_>>(json)?.read(wanted)),
    };
    Ok(Told { object, trigger })
}

/// What every object has, and all that a deletion or a bookmark is looked at for.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) key: ObjectKey,
    /// `metadata.resourceVersion`; empty where absent.
    pub(super) version: Box<str>,
    /// The bookmark behind the last initial event of a streaming list.
    pub(super) initial_events_end: bool,
}

impl Identity {
    /// That of an object that has been read.
    pub(super) fn of(object: &Object) -> Self {
        let Meta { key, resource_version, .. } = object.meta();
        let version = resource_version.clone().unwrap_or_default();
        Self { key: key.clone(), version, initial_events_end: false }
    }
}

/// Reads an object's metadata only.
pub(super) fn identity(json: &[u8]) -> serde_json::Result<Identity> {
    let Bare { metadata } = serde_json::from_slice(json)?;
    Ok(Identity {
        key: ObjectKey::new(&metadata.namespace.0, &metadata.name.0),
        version: metadata.resource_version.0.as_ref().into(),
        initial_events_end: metadata.annotations.initial_events_end.0 == "true",
    })
}

/// A list without its items.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Envelope {
    pub(super) kind: String,
    pub(super) metadata: ListMeta,
}

/// A list's metadata.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListMeta {
    pub(super) resource_version: String,
    /// The token for the next page; empty on the last.
    #[serde(rename = "continue")]
    pub(super) token: String,
}

/// meta/v1 Status: how an API server says what is wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WireStatus {
    pub(super) kind: String,
    pub(super) message: String,
    pub(super) reason: String,
    pub(super) code: u16,
}

/// A text, borrowed where it has no escapes; empty for null.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    fn filled(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(&*self.0)
    }

    fn boxed(&self) -> Option<Box<str>> {
        self.filled().map(Into::into)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Words)
    }
}

/// A value, or the default where it is null: Go writes an absent list so.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A map of texts.
#[derive(Debug, Default)]
struct Pairs<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }
            fn visit_unit<E>(self) -> Result<Pairs<'de>, E> {
                Ok(Pairs::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_any(Entries)
    }
}

/// Whether a map holds anything.
#[derive(Debug, Default)]
struct Filled(bool);

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Filled;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_unit<E>(self) -> Result<Filled, E> {
                Ok(Filled(false))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Filled, A::Error> {
                let mut filled = false;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    filled = true;
                }
                Ok(Filled(filled))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireMeta<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    namespace: Text<'a>,
    #[serde(borrow)]
    resource_version: Text<'a>,
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow)]
    labels: Pairs<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    annotations: Annotations<'a>,
    deletion_timestamp: Option<IgnoredAny>,
}

/// The annotations that anything hangs on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Annotations<'a> {
    #[serde(borrow, rename = "fingerpost.dev/selectorless")]
    selectorless: Text<'a>,
    #[serde(rename = "control-plane.alpha.kubernetes.io/leader")]
    leader: Option<IgnoredAny>,
    #[serde(borrow, rename = "k8s.io/initial-events-end")]
    initial_events_end: Text<'a>,
    #[serde(borrow, rename = "endpoints.kubernetes.io/last-change-trigger-time")]
    last_change: Text<'a>,
}

impl WireMeta<'_> {
    fn meta(&self, wanted: Wanted) -> Meta {
        let mut labels = Vec::new();
        if wanted.labels {
            labels.extend(self.labels.0.iter().map(|(k, v)| (Box::from(&*k.0), Box::from(&*v.0))));
            labels.sort_unstable();
        }
        Meta {
            key: ObjectKey::new(&self.namespace.0, &self.name.0),
            resource_version: self.resource_version.boxed(),
            uid: self.uid.boxed(),
            labels,
        }
    }

    fn trigger(&self) -> Option<(ObjectKey, SystemTime)> {
        let at: Timestamp = self.annotations.last_change.filled()?.parse().ok()?;
        let service = self.label(SERVICE_NAME)?;
        Some((ObjectKey::new(&self.namespace.0, service), at.into()))
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.0.iter().find(|(key, _)| key.0 == name).map(|(_, value)| &*value.0)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Bare<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    metadata: WireMeta<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireService<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    metadata: WireMeta<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    spec: ServiceSpec<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceSpec<'a> {
    #[serde(borrow, rename = "type")]
    type_name: Text<'a>,
    #[serde(borrow)]
    external_name: Text<'a>,
    #[serde(borrow, rename = "clusterIP")]
    cluster_ip: Text<'a>,
    #[serde(borrow, rename = "clusterIPs", deserialize_with = "or_default")]
    cluster_ips: SmallVec<[Text<'a>; 2]>,
    #[serde(borrow, deserialize_with = "or_default")]
    ip_families: SmallVec<[Text<'a>; 2]>,
    selector: Filled,
    #[serde(borrow, deserialize_with = "or_default")]
    ports: Vec<WirePort<'a>>,
    #[serde(borrow)]
    session_affinity: Text<'a>,
    #[serde(borrow)]
    internal_traffic_policy: Text<'a>,
    publish_not_ready_addresses: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WirePort<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    protocol: Text<'a>,
    port: Option<i64>,
}

impl WirePort<'_> {
    fn protocol(&self) -> Option<Protocol> {
        match self.protocol.filled() {
            None | Some("TCP") => Some(Protocol::Tcp),
            Some("UDP") => Some(Protocol::Udp),
            Some("SCTP") => Some(Protocol::Sctp),
            Some(_) => None,
        }
    }

    fn number(&self) -> Option<u16> {
        self.port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
    }

    fn name(&self) -> Box<str> {
        self.name.0.as_ref().into()
    }
}

impl WireService<'_> {
    fn read(&self, wanted: Wanted) -> Service {
        let spec = &self.spec;
        let ports = spec.ports.iter().filter_map(|port| {
            let (protocol, number) = (port.protocol()?, port.number()?);
            Some(ServicePort { name: port.name(), protocol, port: number })
        });
        let families = spec.ip_families.iter().filter_map(|family| match &*family.0 {
            "IPv4" => Some(AddressFamily::V4),
            "IPv6" => Some(AddressFamily::V6),
            _ => None,
        });
        let is_external = spec.type_name.0 == "ExternalName";
        Service {
            meta: self.metadata.meta(wanted),
            external_name: is_external.then(|| spec.external_name.0.as_ref().into()),
            cluster_ips: self.cluster_ips(),
            has_selector: spec.selector.0,
            ports: ports.collect(),
            ip_families: families.collect(),
            session_affinity: spec.session_affinity.filled().is_some_and(|word| word != "None"),
            local_traffic_only: spec
                .internal_traffic_policy
                .filled()
                .is_some_and(|word| word != "Cluster"),
            publish_not_ready: spec.publish_not_ready_addresses.unwrap_or(false),
            selectorless: self.metadata.annotations.selectorless.boxed(),
        }
    }

    fn cluster_ips(&self) -> ClusterIps {
        let many = self.spec.cluster_ips.iter().filter_map(Text::filled);
        let mut written: SmallVec<[&str; 2]> = many.collect();
        if written.is_empty() {
            written.extend(self.spec.cluster_ip.filled());
        }
        if written.contains(&"None") {
            return ClusterIps::Headless;
        }
        let addresses: SmallVec<[IpAddr; 2]> =
            written.iter().filter_map(|text| parse_address(text).ok()).collect();
        if addresses.is_empty() { ClusterIps::Absent } else { ClusterIps::Addresses(addresses) }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireSlice<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    metadata: WireMeta<'a>,
    #[serde(borrow)]
    address_type: Text<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    endpoints: Vec<WireEndpoint<'a>>,
    #[serde(borrow, deserialize_with = "or_default")]
    ports: Vec<WirePort<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireEndpoint<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    addresses: SmallVec<[Text<'a>; 1]>,
    /// The one address of an Endpoints object's endpoint.
    #[serde(borrow)]
    ip: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    conditions: Conditions,
    #[serde(borrow)]
    hostname: Text<'a>,
    #[serde(borrow)]
    target_ref: Option<Target<'a>>,
    #[serde(borrow)]
    node_name: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Target<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

impl WireEndpoint<'_> {
    fn read(&self, addresses: SmallVec<[IpAddr; 1]>, ready: bool) -> Endpoint {
        Endpoint {
            addresses,
            ready,
            hostname: self.hostname.boxed(),
            target_name: self.target_ref.as_ref().and_then(|target| target.name.boxed()),
            managed: self.target_ref.is_some() || self.node_name.filled().is_some(),
        }
    }
}

fn endpoint_ports(ports: &[WirePort<'_>], may_be_all: bool) -> Vec<EndpointPort> {
    let read = |port: &WirePort<'_>| {
        let number = port.number();
        if number.is_none() && !may_be_all {
            return None;
        }
        Some(EndpointPort { name: port.name(), protocol: port.protocol()?, port: number })
    };
    ports.iter().filter_map(read).collect()
}

impl WireSlice<'_> {
    fn read(&self, wanted: Wanted) -> EndpointSlice {
        let address_type = match &*self.address_type.0 {
            "IPv6" => SliceAddresses::V6,
            "FQDN" => SliceAddresses::Fqdn,
            _ => SliceAddresses::V4,
        };
        let family = match address_type {
            SliceAddresses::V4 => Some(AddressFamily::V4),
            SliceAddresses::V6 => Some(AddressFamily::V6),
            SliceAddresses::Fqdn => None,
        };
        let managed_by = managed_by(self.metadata.label(MANAGED_BY));
        let needless = wanted.headless_only
            && managed_by == ManagedBy::Controller
            && self.metadata.label(HEADLESS).is_none();
        let mut endpoints = Vec::new();
        if let (Some(family), false) = (family, needless) {
            endpoints.reserve_exact(self.endpoints.len());
            for endpoint in &self.endpoints {
                let parsed = endpoint.addresses.iter().filter_map(|a| parse_address(&a.0).ok());
                let addresses = parsed.filter(|a| AddressFamily::of(*a) == family).collect();
                let ready = endpoint.conditions.ready.unwrap_or(true);
                endpoints.push(endpoint.read(addresses, ready));
            }
        }
        EndpointSlice {
            meta: self.metadata.meta(wanted),
            service: self
                .metadata
                .label(SERVICE_NAME)
                .filter(|name| !name.is_empty())
                .map(Into::into),
            managed_by,
            address_type,
            endpoints,
            ports: endpoint_ports(&self.ports, true),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireEndpoints<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    metadata: WireMeta<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    subsets: Vec<WireSubset<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireSubset<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    addresses: Vec<WireEndpoint<'a>>,
    #[serde(borrow, deserialize_with = "or_default")]
    not_ready_addresses: Vec<WireEndpoint<'a>>,
    #[serde(borrow, deserialize_with = "or_default")]
    ports: Vec<WirePort<'a>>,
}

impl WireEndpoints<'_> {
    fn read(&self, wanted: Wanted) -> Endpoints {
        let not_for_services = self.metadata.annotations.leader.is_some()
            || self.metadata.label(SKIP_MIRROR) == Some("true");
        let subset = |subset: &WireSubset<'_>| {
            let ready = subset.addresses.iter().map(|endpoint| (endpoint, true));
            let not = subset.not_ready_addresses.iter().map(|endpoint| (endpoint, false));
            let read = |(endpoint, ready): (&WireEndpoint<'_>, bool)| {
                let address = parse_address(&endpoint.ip.0).ok()?;
                Some(endpoint.read(SmallVec::from_elem(address, 1), ready))
            };
            let endpoints = ready.chain(not).filter_map(read).collect();
            Subset { endpoints, ports: endpoint_ports(&subset.ports, false) }
        };
        let subsets = if not_for_services { &[][..] } else { &self.subsets };
        Endpoints {
            meta: self.metadata.meta(wanted),
            not_for_services,
            subsets: subsets.iter().map(subset).collect(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WirePod<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    metadata: WireMeta<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    status: PodStatus<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatus<'a> {
    #[serde(borrow)]
    phase: Text<'a>,
    #[serde(borrow, rename = "podIP")]
    pod_ip: Text<'a>,
    #[serde(borrow, rename = "podIPs", deserialize_with = "or_default")]
    pod_ips: SmallVec<[PodIp<'a>; 2]>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PodIp<'a> {
    #[serde(borrow)]
    ip: Text<'a>,
}

impl WirePod<'_> {
    fn read(&self, wanted: Wanted) -> Pod {
        let status = &self.status;
        let mut ips: SmallVec<[IpAddr; 2]> =
            status.pod_ips.iter().filter_map(|ip| parse_address(&ip.ip.0).ok()).collect();
        if ips.is_empty() {
            ips.extend(parse_address(&status.pod_ip.0).ok());
        }
        let ended = matches!(&*status.phase.0, "Succeeded" | "Failed");
        let live = !ended && self.metadata.deletion_timestamp.is_none();
        Pod { meta: self.metadata.meta(wanted), ips, live }
    }
}
