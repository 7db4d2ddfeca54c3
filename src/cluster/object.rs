//! The Kubernetes objects that DNS needs, holding only what DNS needs of them.

use std::net::IpAddr;
use std::time::SystemTime;

use smallvec::SmallVec;

/// The kinds of object that are read.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Kind {
    /// core/v1 Namespace.
    Namespace = 0,
    /// core/v1 Service.
    Service = 1,
    /// discovery.k8s.io/v1 EndpointSlice.
    EndpointSlice = 2,
    /// core/v1 Endpoints.
    Endpoints = 3,
    /// core/v1 Pod.
    Pod = 4,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Namespace, Self::Service, Self::EndpointSlice, Self::Endpoints, Self::Pod];

    /// The kind's plural resource name, as RBAC rules and messages write it.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::Service => "services",
            Self::EndpointSlice => "endpointslices",
            Self::Endpoints => "endpoints",
            Self::Pod => "pods",
        }
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KindSet(u8);

impl KindSet {
    /// No kind.
    pub const EMPTY: Self = Self(0);
    /// Every kind.
    pub const ALL: Self = Self(0b1_1111);

    /// A set of these kinds.
    pub const fn of(kinds: &[Kind]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < kinds.len() {
            bits |= 1 << kinds[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// Whether `kind` is in the set.
    pub fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Adds `kind`.
    pub fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u8;
    }

    /// Takes `kind` out.
    pub fn remove(&mut self, kind: Kind) {
        self.0 &= !(1 << kind as u8);
    }

    /// Whether nothing is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What both sets hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What this set holds and the other does not.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The kinds in the set, in their order.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

/// Which object of a kind: its namespace (empty for a Namespace) and its name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectKey {
    /// `metadata.namespace`; empty for objects that have none.
    pub namespace: Box<str>,
    /// `metadata.name`.
    pub name: Box<str>,
}

impl ObjectKey {
    /// The object `name` of `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// `namespace/name`, or the name alone where there is no namespace.
impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// What of an object's metadata is looked at.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Meta {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.resourceVersion`, if the source has one.
    pub resource_version: Option<Box<str>>,
    /// `metadata.uid`, if the source has one. The registry keeps that of Services and of what holds
    /// their endpoints.
    pub uid: Option<Box<str>>,
    /// All labels, for the selectors of the configuration. The registry does not keep them.
    pub labels: Vec<(Box<str>, Box<str>)>,
}

impl Meta {
    /// Metadata of an object with neither version nor labels.
    pub fn new(namespace: &str, name: &str) -> Self {
        let key = ObjectKey::new(namespace, name);
        Self { key, resource_version: None, uid: None, labels: Vec::new() }
    }
}

/// One object.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Object {
    /// core/v1 Namespace.
    Namespace(Namespace),
    /// core/v1 Service.
    Service(Service),
    /// discovery.k8s.io/v1 EndpointSlice.
    EndpointSlice(EndpointSlice),
    /// core/v1 Endpoints.
    Endpoints(Endpoints),
    /// core/v1 Pod.
    Pod(Pod),
}

impl Object {
    /// The object's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Namespace(_) => Kind::Namespace,
            Self::Service(_) => Kind::Service,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::Endpoints(_) => Kind::Endpoints,
            Self::Pod(_) => Kind::Pod,
        }
    }

    /// The object's metadata.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Namespace(o) => &o.meta,
            Self::Service(o) => &o.meta,
            Self::EndpointSlice(o) => &o.meta,
            Self::Endpoints(o) => &o.meta,
            Self::Pod(o) => &o.meta,
        }
    }
}

/// core/v1 Namespace.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Namespace {
    /// Name (the key's namespace is empty) and labels.
    pub meta: Meta,
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum AddressFamily {
    /// `IPv4`.
    V4,
    /// `IPv6`.
    V6,
}

impl AddressFamily {
    /// The family of `address`.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// A transport protocol of a port.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Protocol {
    /// `TCP`, which a missing `protocol` means.
    #[default]
    Tcp = 0,
    /// `UDP`.
    Udp = 1,
    /// `SCTP`.
    Sctp = 2,
}

/// `spec.clusterIPs`, or `spec.clusterIP` where that is all there is.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub enum ClusterIps {
    /// Neither field is there: a manifest that no API server has completed.
    #[default]
    Absent,
    /// `None`: a headless Service.
    Headless,
    /// At least one address.
    Addresses(SmallVec<[IpAddr; 2]>),
}

/// core/v1 Service.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[allow(clippy::struct_excessive_bools)]
pub struct Service {
    /// Namespace, name, version and labels.
    pub meta: Meta,
    /// `spec.externalName`, given if and only if `spec.type` is `ExternalName`. Kept as written:
    /// whether it can be a CNAME's target is judged where answers are made.
    pub external_name: Option<Box<str>>,
    /// `spec.clusterIPs`.
    pub cluster_ips: ClusterIps,
    /// Whether `spec.selector` holds at least one pair.
    pub has_selector: bool,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
    /// `spec.ipFamilies`; empty where absent.
    pub ip_families: SmallVec<[AddressFamily; 2]>,
    /// `spec.sessionAffinity` is something else than `None`.
    pub session_affinity: bool,
    /// `spec.internalTrafficPolicy` is something else than `Cluster`.
    pub local_traffic_only: bool,
    /// `spec.publishNotReadyAddresses`.
    pub publish_not_ready: bool,
    /// The annotation `fingerpost.dev/selectorless`, as written.
    pub selectorless: Option<Box<str>>,
}

impl Service {
    /// A Service of which only its name is known: a manifest without a `spec`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            meta: Meta::new(namespace, name),
            external_name: None,
            cluster_ips: ClusterIps::Absent,
            has_selector: false,
            ports: Vec::new(),
            ip_families: SmallVec::new(),
            session_affinity: false,
            local_traffic_only: false,
            publish_not_ready: false,
            selectorless: None,
        }
    }
}

/// One of a Service's ports.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ServicePort {
    /// `name`; empty where absent.
    pub name: Box<str>,
    /// `protocol`.
    pub protocol: Protocol,
    /// `port`, never 0.
    pub port: u16,
}

/// Who wrote a slice, by its label `endpointslice.kubernetes.io/managed-by`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum ManagedBy {
    /// `endpointslice-controller.k8s.io`.
    Controller,
    /// `endpointslicemirroring-controller.k8s.io`.
    Mirroring,
    /// Anybody else, or no label.
    #[default]
    Other,
}

/// `addressType` of a slice.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SliceAddresses {
    /// `IPv4`.
    V4,
    /// `IPv6`.
    V6,
    /// `FQDN`: without meaning to DNS; the slice's endpoints are not read.
    Fqdn,
}

/// discovery.k8s.io/v1 EndpointSlice.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct EndpointSlice {
    /// Namespace, name, version and labels.
    pub meta: Meta,
    /// The label `kubernetes.io/service-name`: the Service that the slice belongs to.
    pub service: Option<Box<str>>,
    /// Who wrote it.
    pub managed_by: ManagedBy,
    /// `addressType`.
    pub address_type: SliceAddresses,
    /// `endpoints`.
    pub endpoints: Vec<Endpoint>,
    /// `ports`.
    pub ports: Vec<EndpointPort>,
}

/// One endpoint: of a slice, or an address of an Endpoints object.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoint {
    /// `addresses`, all of the slice's family; several are all published.
    pub addresses: SmallVec<[IpAddr; 1]>,
    /// `conditions.ready` is absent or true; or the address stands under `addresses`.
    pub ready: bool,
    /// `hostname`, not empty.
    pub hostname: Option<Box<str>>,
    /// `targetRef.name`.
    pub target_name: Option<Box<str>>,
    /// Whether there is a `targetRef` or a `nodeName`: a controller's endpoint, not a manual one.
    pub managed: bool,
}

/// A port of a slice or of an Endpoints subset.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EndpointPort {
    /// `name`; empty where absent.
    pub name: Box<str>,
    /// `protocol`.
    pub protocol: Protocol,
    /// `port`; absent means all ports (slices only).
    pub port: Option<u16>,
}

/// core/v1 Endpoints.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoints {
    /// Namespace, name, version and labels.
    pub meta: Meta,
    /// The label `endpointslice.kubernetes.io/skip-mirror: "true"` or the annotation
    /// `control-plane.alpha.kubernetes.io/leader` is there: not meant to be a Service's endpoints.
    pub not_for_services: bool,
    /// `subsets`.
    pub subsets: Vec<Subset>,
}

/// A subset of an Endpoints object.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Subset {
    /// `addresses` (ready) and `notReadyAddresses` (not), one endpoint each.
    pub endpoints: Vec<Endpoint>,
    /// `ports`.
    pub ports: Vec<EndpointPort>,
}

/// core/v1 Pod.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Pod {
    /// Namespace, name, version and labels.
    pub meta: Meta,
    /// `status.podIPs`, or `status.podIP` where that is all there is.
    pub ips: SmallVec<[IpAddr; 2]>,
    /// It neither is being deleted nor has ended (phase `Succeeded` or `Failed`).
    pub live: bool,
}

/// One step of the stream that a source speaks in.
///
/// A full list is told as `ListBegins`, a `Put` for every object, `ListEnds`; what the list did
/// not name is gone when it ends, and nothing of it shows before unless it is the kind's first. A
/// `ListBegins` while a list of the same kind is under way throws that one away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A full list of this kind begins.
    ListBegins(Kind),
    /// The object is now thus.
    Put(Object),
    /// The object is gone.
    Remove(Kind, ObjectKey),
    /// The endpoints of this Service, as they were put last, are so because of something that
    /// happened then: a controller says so. Only to be measured, and never said of a list's objects.
    Triggered(ObjectKey, SystemTime),
    /// The list of this kind is complete.
    ListEnds(Kind),
    /// The source has no objects of this kind and says so for good: it counts as listed, and where
    /// it is EndpointSlices, Endpoints count for every Service. A later list takes this back when
    /// it ends.
    NotServed(Kind),
}
