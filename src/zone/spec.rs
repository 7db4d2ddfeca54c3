//! What the configuration says about the zones of one `kubernetes` block.

use std::net::IpAddr;

use crate::cluster::LabelSelector;
use crate::name::{Name, is_within};

/// The largest TTL, in seconds, that a configuration may ask for.
pub const MAX_TTL: u32 = 3_600;
/// The TTL, in seconds, where a configuration names none.
pub const DEFAULT_TTL: u32 = 5;

/// One `kubernetes` block: its zones, and how objects become answers in them.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools)]
pub struct Spec {
    /// The zones, at least one of them a forward zone.
    pub zones: Vec<Zone>,
    /// The TTL of every record but the `dns-version` TXT, in seconds, 0 to [`MAX_TTL`].
    pub ttl: u32,
    /// What a selector-less Service with a cluster IP answers.
    pub selectorless: Selectorless,
    /// Whether pod names exist.
    pub pods: Pods,
    /// Take a pod's name as endpoint label where there is no hostname.
    pub endpoint_pod_names: bool,
    /// Know no endpoints at all.
    pub no_endpoints: bool,
    /// Keep no endpoints of Services that have a cluster IP and a selector.
    pub headless_endpoints_only: bool,
    /// A cluster-IP Service without a ready endpoint does not exist.
    pub ignore_empty_service: bool,
    /// Which namespaces are exposed.
    pub namespaces: NamespaceFilter,
    /// Which Services, slices and Pods are seen.
    pub labels: Option<LabelSelector>,
    /// Names of these zones that do not exist go on to what follows in the server block.
    pub fallthrough: Fallthrough,
    /// The addresses that this server answers on: `ns.dns` and the Services in front of it.
    pub local_addresses: Vec<IpAddr>,
}

/// One zone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Zone {
    /// Its name.
    pub name: Name,
    /// Whether names or addresses are found in it.
    pub kind: ZoneKind,
}

impl Zone {
    /// The zone of this name; one at or below `in-addr.arpa` or `ip6.arpa` is a reverse zone.
    pub fn new(name: Name) -> Self {
        let below = |parent: &[u8]| {
            let wire = name.as_wire();
            wire.len() >= parent.len()
                && Name::from_wire(parent).is_ok_and(|parent| name.is_within(&parent))
        };
        let kind = if below(b"\x07in-addr\x04arpa\x00") {
            ZoneKind::ReverseV4
        } else if below(b"\x03ip6\x04arpa\x00") {
            ZoneKind::ReverseV6
        } else {
            ZoneKind::Forward
        };
        Self { name, kind }
    }

    /// Whether it is a reverse zone.
    pub fn is_reverse(&self) -> bool {
        self.kind != ZoneKind::Forward
    }
}

/// What a zone holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ZoneKind {
    /// Services, endpoints, pods.
    Forward,
    /// PTR records of IPv4 addresses.
    ReverseV4,
    /// PTR records of IPv6 addresses.
    ReverseV6,
}

/// What a selector-less Service with a cluster IP answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Selectorless {
    /// Its manual endpoints where going there is the same as going through the cluster IP.
    #[default]
    Auto,
    /// Its manual endpoints always.
    Endpoints,
    /// Its cluster IP always.
    ClusterIp,
}

impl Selectorless {
    /// The mode of this name: `auto`, `endpoints` or `cluster-ip`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "endpoints" => Some(Self::Endpoints),
            "cluster-ip" => Some(Self::ClusterIp),
            _ => None,
        }
    }
}

/// Whether names such as `10-0-0-1.shop.pod` exist.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Pods {
    /// No.
    #[default]
    Disabled,
    /// Every address does, in every namespace that exists.
    Insecure,
    /// Those of live pods of the namespace.
    Verified,
}

impl Pods {
    /// The mode of this name: `disabled`, `insecure` or `verified`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "disabled" => Some(Self::Disabled),
            "insecure" => Some(Self::Insecure),
            "verified" => Some(Self::Verified),
            _ => None,
        }
    }
}

/// Which namespaces are exposed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum NamespaceFilter {
    /// All that exist.
    #[default]
    All,
    /// Those of these names.
    Named(Vec<Box<str>>),
    /// Those whose labels match.
    Selected(LabelSelector),
}

/// Which of a block's zones let names that do not exist go on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Fallthrough {
    /// None.
    #[default]
    Never,
    /// All of them.
    Always,
    /// Names at or below one of these.
    Within(Vec<Name>),
}

impl Fallthrough {
    /// Whether a name, in wire form and lower case, goes on when it does not exist.
    pub fn covers(&self, name: &[u8]) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Within(zones) => zones.iter().any(|zone| is_within(name, zone.as_wire())),
        }
    }
}

impl Default for Spec {
    /// The zones `cluster.local`, `in-addr.arpa` and `ip6.arpa`, everything else as a quick start
    /// without options has it.
    fn default() -> Self {
        let zones = ["cluster.local", "in-addr.arpa", "ip6.arpa"]
            .into_iter()
            .filter_map(|text| Name::parse(text).ok())
            .map(Zone::new)
            .collect();
        Self {
            zones,
            ttl: DEFAULT_TTL,
            selectorless: Selectorless::default(),
            pods: Pods::default(),
            endpoint_pod_names: false,
            no_endpoints: false,
            headless_endpoints_only: false,
            ignore_empty_service: false,
            namespaces: NamespaceFilter::default(),
            labels: None,
            fallthrough: Fallthrough::default(),
            local_addresses: Vec::new(),
        }
    }
}
