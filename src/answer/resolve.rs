//! From a name to what stands there: schema.md, sections 2 to 6 and 9.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cause::Cause;
use super::query::Asked;
use crate::cluster::{Kind, KindSet, Protocol};
use crate::name::is_within;
use crate::zone::record::{EndpointsRef, FrontKind, LabelRef, Record, Share};
use crate::zone::reverse::prefix_key;
use crate::zone::{Falls, Pods, View, ViewZone, ZoneKind};

/// Where the look-up of a name will begin, as far as can be told without a look into the table. It
/// holds no reference, so that the look-ups of a batch can be begun together.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// The zone that holds the name, by its place among the view's.
    zone: usize,
    /// How many labels stand in front of the zone.
    depth: usize,
    /// The hash of the Service's key, if the name has the form of one; else 0.
    hash: u64,
}

/// Where a name leads in a view.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located<'v> {
    /// The zone that holds the name.
    pub(super) zone: &'v ViewZone,
    /// How many labels stand in front of the zone.
    pub(super) depth: usize,
    hash: u64,
}

/// What stands at a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'v> {
    /// Nothing, nor anything below it.
    Missing(Cause),
    /// A name without records: an empty non-terminal.
    Empty,
    /// The zone itself.
    Apex,
    /// `ns.dns`.
    NameServer,
    /// `dns-version`.
    Version,
    /// `S.N.svc`, addresses.
    Front(Record<'v>),
    /// `S.N.svc`, an alias.
    Alias(Record<'v>),
    /// `_port._proto.S.N.svc`.
    Port(Record<'v>, Protocol, Share),
    /// `S.N.endpoints` or `_endpoints.S.N.svc`.
    Endpoints(EndpointsRef<'v>),
    /// `H.S.N.svc` or `H.S.N.endpoints`.
    Label(LabelRef<'v>),
    /// `a-b-c-d.N.pod`.
    Pod(IpAddr),
    /// A known address in a reverse zone: the claims on it.
    Address(&'v [u8]),
    /// Cannot be told before these kinds are listed.
    Waiting(KindSet),
}

/// What a Service's own name hangs on.
const FRONT_KINDS: KindSet = KindSet::of(&[Kind::Namespace, Kind::Service]);
/// What everything with endpoints in it hangs on.
const ENDPOINT_KINDS: KindSet =
    KindSet::of(&[Kind::Namespace, Kind::Service, Kind::EndpointSlice, Kind::Endpoints]);

impl Ahead {
    /// Finds the zone of a name, the longest that fits. `None` is a name outside our zones.
    #[inline]
    pub fn of(view: &View, asked: &Asked) -> Option<Self> {
        let labels = asked.labels();
        let holds = |zone: &ViewZone| {
            zone.labels <= labels
                && asked.name().get(asked.start(labels - zone.labels)..)
                    == Some(zone.zone.name.as_wire())
        };
        let (index, zone) = view.zones().iter().enumerate().find(|(_, zone)| holds(zone))?;
        let depth = labels - zone.labels;
        let hash = if depth >= 3 && zone.zone.kind == ZoneKind::Forward {
            view.table().hash(asked.slice(depth - 3, depth - 1))
        } else {
            0
        };
        Some(Self { zone: index, depth, hash })
    }

    /// Reads the lines with which the look-up will begin, to no purpose but that they are near by
    /// then. What this returns has to be used, or the reading is left out.
    #[inline]
    pub fn reach(&self, view: &View) -> u32 {
        if self.hash == 0 { 0 } else { view.table().reach_bucket(self.hash) }
    }

    /// The same with the lines that the look-up will end with, when those of the whole batch have
    /// been reached that it begins with.
    #[inline]
    pub fn reach_further(&self, view: &View) -> u32 {
        if self.hash == 0 { 0 } else { view.table().reach_entry(self.hash) }
    }

    /// The same with the zone itself; `view` is the one that this was found in.
    #[inline]
    pub(super) fn located<'v>(&self, view: &'v View) -> Option<Located<'v>> {
        let zone = view.zones().get(self.zone)?;
        Some(Located { zone, depth: self.depth, hash: self.hash })
    }
}

/// Finds the zone of a name, the longest that fits. `None` is a name outside our zones.
pub(super) fn locate<'v>(view: &'v View, asked: &Asked) -> Option<Located<'v>> {
    Ahead::of(view, asked)?.located(view)
}

impl Located<'_> {
    /// Whether a name of this zone that does not exist goes on to what follows.
    pub(super) fn falls(&self, asked: &Asked) -> bool {
        match &self.zone.falls {
            Falls::No => false,
            Falls::All => true,
            Falls::Below(names) => names.iter().any(|name| is_within(asked.name(), name.as_wire())),
        }
    }

    /// What stands at the name.
    #[inline]
    pub(super) fn resolve<'v>(&self, view: &'v View, asked: &Asked) -> Node<'v> {
        if self.depth == 0 {
            return Node::Apex;
        }
        match self.zone.zone.kind {
            ZoneKind::Forward => self.forward(view, asked),
            ZoneKind::ReverseV4 => reverse(view, asked, false),
            ZoneKind::ReverseV6 => reverse(view, asked, true),
        }
    }

    #[inline]
    fn forward<'v>(&self, view: &'v View, asked: &Asked) -> Node<'v> {
        let depth = self.depth;
        match asked.label(depth - 1) {
            b"svc" if depth >= 3 => self.service(view, asked, false),
            b"endpoints" if depth >= 3 => self.service(view, asked, true),
            b"svc" | b"endpoints" => namespace(view, asked, depth),
            b"pod" => pod(view, asked, depth),
            b"dns" if depth == 1 => Node::Empty,
            b"dns" if depth == 2 && asked.label(0) == b"ns" => Node::NameServer,
            b"dns-version" if depth == 1 => Node::Version,
            _ => Node::Missing(Cause::NoSuchName),
        }
    }

    /// `[…].S.N.svc` and `[…].S.N.endpoints`.
    #[inline]
    fn service<'v>(&self, view: &'v View, asked: &Asked, endpoints: bool) -> Node<'v> {
        let depth = self.depth;
        let key = asked.slice(depth - 3, depth - 1);
        let Some(record) = view.table().find(self.hash, key).and_then(Record::new) else {
            return missing(view, FRONT_KINDS, Cause::NoService);
        };
        if !view.waiting().is_empty() {
            // Below `S.N.svc` stand the Service's own ports, and labels of endpoints.
            let of_endpoints = endpoints || depth == 4 && protocol(asked.label(0)).is_none();
            let kinds = hangs_on(record, of_endpoints, view);
            if !view.waiting().and(kinds).is_empty() {
                return Node::Waiting(view.waiting().and(kinds));
            }
        }
        match record.kind() {
            FrontKind::NoneReady | FrontKind::Ignored => {
                let (ready, total) = record.readiness();
                return Node::Missing(Cause::NoneReady { ready, total });
            }
            FrontKind::Unusable if !endpoints => {
                return Node::Missing(Cause::UnusableAlias(record.unusable()));
            }
            FrontKind::Alias if !endpoints && depth == 3 => return Node::Alias(record),
            FrontKind::Alias | FrontKind::Unusable => return Node::Missing(Cause::BelowAlias),
            FrontKind::Cluster | FrontKind::Endpoints => {}
        }
        if endpoints {
            let (ready, total) = record.readiness();
            return match (record.endpoints(), depth) {
                (None, _) => Node::Missing(Cause::NoneReady { ready, total }),
                (Some(all), 3) => Node::Endpoints(all),
                (Some(all), 4) => label(all, asked.label(0)),
                _ => Node::Missing(Cause::NoSuchName),
            };
        }
        match depth {
            3 => Node::Front(record),
            4 => below(record, asked.label(0)),
            5 => port(record, asked.label(0), asked.label(1)),
            _ => Node::Missing(Cause::NoSuchName),
        }
    }
}

/// What a Service's name hangs on (schema.md, section 9).
fn hangs_on(record: Record<'_>, of_endpoints: bool, view: &View) -> KindSet {
    let alias = matches!(record.kind(), FrontKind::Alias | FrontKind::Unusable);
    let cluster = matches!(record.kind(), FrontKind::Cluster | FrontKind::Ignored);
    let empty_is_missing = view.spec().ignore_empty_service;
    if alias || cluster && !of_endpoints && !record.is_selectorless() && !empty_is_missing {
        FRONT_KINDS
    } else {
        ENDPOINT_KINDS
    }
}

/// A name that does not exist, as far as the lists that could hold it are complete.
#[inline]
fn missing<'v>(view: &View, kinds: KindSet, cause: Cause) -> Node<'v> {
    let waiting = view.waiting().and(kinds);
    if waiting.is_empty() { Node::Missing(cause) } else { Node::Waiting(waiting) }
}

/// `svc` and `endpoints` themselves, and a namespace below them.
fn namespace<'v>(view: &View, asked: &Asked, depth: usize) -> Node<'v> {
    if depth == 1 || view.has_namespace(asked.slice(0, 1)) {
        Node::Empty
    } else {
        missing(view, KindSet::of(&[Kind::Namespace]), Cause::NoNamespace)
    }
}

/// One label in front of `S.N.svc`.
fn below<'v>(record: Record<'v>, asked: &[u8]) -> Node<'v> {
    if asked == b"_endpoints" {
        let (ready, total) = record.readiness();
        let none = Node::Missing(Cause::NoneReady { ready, total });
        return record.endpoints().map_or(none, Node::Endpoints);
    }
    if let Some(protocol) = protocol(asked) {
        let named = if record.kind() == FrontKind::Cluster {
            record.ports().any(|port| port.protocol == protocol && !port.name.is_empty())
        } else {
            record.endpoints().is_some_and(|all| all.has_protocol(protocol))
        };
        return if named { Node::Empty } else { Node::Missing(Cause::NoPort) };
    }
    match record.endpoints() {
        Some(all) => label(all, asked),
        None => Node::Missing(Cause::NoEndpointLabel),
    }
}

fn label<'v>(all: EndpointsRef<'v>, asked: &[u8]) -> Node<'v> {
    all.label(asked).map_or(Node::Missing(Cause::NoEndpointLabel), Node::Label)
}

/// `_port._proto` in front of `S.N.svc`.
fn port<'v>(record: Record<'v>, name: &[u8], proto: &[u8]) -> Node<'v> {
    let (Some(name), Some(protocol)) = (name.strip_prefix(b"_"), protocol(proto)) else {
        return Node::Missing(Cause::NoPort);
    };
    let share = if record.kind() == FrontKind::Cluster {
        let has = record.ports().any(|port| port.is(protocol, name));
        if has { Share::All } else { Share::None }
    } else {
        record.endpoints().map_or(Share::None, |all| all.with_port(protocol, name))
    };
    if share == Share::None {
        return Node::Missing(Cause::NoPort);
    }
    Node::Port(record, protocol, share)
}

pub(super) fn protocol(label: &[u8]) -> Option<Protocol> {
    match label {
        b"_tcp" => Some(Protocol::Tcp),
        b"_udp" => Some(Protocol::Udp),
        b"_sctp" => Some(Protocol::Sctp),
        _ => None,
    }
}

/// `pod`, `N.pod` and `a-b-c-d.N.pod`.
fn pod<'v>(view: &View, asked: &Asked, depth: usize) -> Node<'v> {
    let mode = view.spec().pods;
    if depth == 1 {
        return Node::Empty;
    }
    if mode == Pods::Disabled {
        return Node::Missing(Cause::PodsDisabled);
    }
    let namespace = asked.slice(depth - 2, depth - 1);
    let namespaces = KindSet::of(&[Kind::Namespace]);
    if !view.has_namespace(namespace) {
        return missing(view, namespaces, Cause::NoNamespace);
    }
    if depth == 2 {
        return Node::Empty;
    }
    // What is no address, no list could hold.
    let Some(address) = (depth == 3).then(|| pod_address(asked.label(0))).flatten() else {
        return Node::Missing(Cause::NoPod);
    };
    let verified = mode == Pods::Verified;
    let kinds = if verified { KindSet::of(&[Kind::Namespace, Kind::Pod]) } else { namespaces };
    let waiting = view.waiting().and(kinds);
    if !waiting.is_empty() {
        return Node::Waiting(waiting);
    }
    if verified && !view.has_pod(namespace, address) {
        return Node::Missing(Cause::NoPod);
    }
    Node::Pod(address)
}

/// The address that a pod's label writes: three `-` between decimal numbers for IPv4, else IPv6
/// with `-` for `:`.
pub(super) fn pod_address(label: &[u8]) -> Option<IpAddr> {
    // The longest text of an IPv6 address has 39 octets.
    let mut text = [0u8; 40];
    let text = text.get_mut(..label.len())?;
    text.copy_from_slice(label);
    let hyphens = label.iter().filter(|octet| **octet == b'-').count();
    let double = label.windows(2).any(|pair| pair == b"--");
    let v4 = hyphens == 3 && !double;
    let mark = if v4 { b'.' } else { b':' };
    if text.contains(&b':') || text.contains(&b'.') {
        return None;
    }
    text.iter_mut().filter(|octet| **octet == b'-').for_each(|octet| *octet = mark);
    let text = std::str::from_utf8(text).ok()?;
    if v4 {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    } else {
        let address = text.parse::<Ipv6Addr>().ok()?;
        address.to_ipv4_mapped().is_none().then_some(IpAddr::V6(address))
    }
}

/// The octets or nibbles that a reverse name writes, in the order of the address, and how many they
/// are. `None` where a label is none.
fn reverse_parts(asked: &Asked, v6: bool) -> Option<([u8; 32], usize)> {
    // `in-addr.arpa` and `ip6.arpa` have two labels each.
    let count = asked.labels().saturating_sub(2);
    let mut parts = [0u8; 32];
    if count > if v6 { 32 } else { 4 } {
        return None;
    }
    for (part, index) in parts.iter_mut().zip((0..count).rev()) {
        *part = if v6 { nibble(asked.label(index))? } else { octet(asked.label(index))? };
    }
    Some((parts, count))
}

/// The address of all octets or nibbles.
fn whole_address(parts: &[u8; 32], v6: bool) -> IpAddr {
    if !v6 {
        return IpAddr::from([parts[0], parts[1], parts[2], parts[3]]);
    }
    let mut octets = [0u8; 16];
    for (octet, pair) in octets.iter_mut().zip(parts.chunks_exact(2)) {
        *octet = pair[0] << 4 | pair[1];
    }
    IpAddr::from(octets)
}

/// The address whose reverse name this is (RFC 1035, section 3.5; RFC 3596, section 2.5).
pub fn reverse_address(asked: &Asked) -> Option<IpAddr> {
    let labels = asked.labels();
    let v6 = match asked.slice(labels.checked_sub(2)?, labels) {
        b"\x07in-addr\x04arpa" => false,
        b"\x03ip6\x04arpa" => true,
        _ => return None,
    };
    let (parts, count) = reverse_parts(asked, v6)?;
    (count == if v6 { 32 } else { 4 }).then(|| whole_address(&parts, v6))
}

/// A name in a reverse zone, whatever part of `in-addr.arpa` or `ip6.arpa` that is.
fn reverse<'v>(view: &'v View, asked: &Asked, v6: bool) -> Node<'v> {
    let unknown = || missing(view, ENDPOINT_KINDS, Cause::NoAddress);
    let Some((parts, count)) = reverse_parts(asked, v6) else {
        return Node::Missing(Cause::NoAddress);
    };
    if count < if v6 { 32 } else { 4 } {
        let parts = parts.get(..count).unwrap_or(&[]);
        let known = view.table().get(prefix_key(v6, parts).as_slice()).is_some();
        return if known { Node::Empty } else { unknown() };
    }
    let waiting = view.waiting().and(ENDPOINT_KINDS);
    match view.claims(whole_address(&parts, v6)) {
        _ if !waiting.is_empty() => Node::Waiting(waiting),
        Some(claims) => Node::Address(claims),
        None => unknown(),
    }
}

/// A decimal octet without leading zeros.
fn octet(label: &[u8]) -> Option<u8> {
    if label.len() > 1 && label.first() == Some(&b'0') {
        return None;
    }
    if label.is_empty() || !label.iter().all(u8::is_ascii_digit) {
        return None;
    }
    label.iter().try_fold(0u8, |n, digit| n.checked_mul(10)?.checked_add(digit - b'0'))
}

/// A hexadecimal digit.
fn nibble(label: &[u8]) -> Option<u8> {
    match label {
        [digit] => char::from(*digit).to_digit(16).and_then(|n| u8::try_from(n).ok()),
        _ => None,
    }
}
