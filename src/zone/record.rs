//! What one Service answers, as octets: written once when it changes, read by every query.
//!
//! The octets live in the view's table. Numbers are little-endian. The sets of addresses are
//! wire-ready resource records whose owner is a pointer to the question's name, so that an answer
//! is one copy; everything else is found through offsets that stand in front.
//!
//! ```text
//!  0 u8  kind           1 u8 choice        2 u8 flags       3 u8 reason (unusable externalName)
//!  4 u32 front A       8 u32 front AAAA   12 u32 offset of the tail
//! 16     front A records (16 octets each), front AAAA records (28 each); or a CNAME's target
//! tail:  u32 ready, u32 total, then the offsets of: mismatch, ports, cluster IPs, endpoints
//! ```
//!
//! An offset of 0 says that there is no such section.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::choice::{Choice, PortMismatch};
use super::endpoints::Joined;
use crate::cluster::{Protocol, ServicePort};

/// Octets of an A record whose owner is a pointer.
pub const A_LEN: usize = 16;
/// Octets of an AAAA record whose owner is a pointer.
pub const AAAA_LEN: usize = 28;
/// A pointer to the name in the question, which always begins at octet 12 (RFC 1035, 4.1.4).
pub const QNAME_POINTER: u16 = 0xc00c;

const FRONT: usize = 16;
const FLAG_ENDPOINTS_ARE_FRONT: u8 = 1;
const FLAG_SELECTORLESS: u8 = 2;
const V6: u32 = 1 << 31;

/// What a Service is to DNS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum FrontKind {
    /// Its cluster IPs stand for it.
    Cluster = 0,
    /// Its endpoints stand for it: headless, or selector-less and answered directly.
    Endpoints = 1,
    /// It is an alias.
    Alias = 2,
    /// It would be an alias, but its `externalName` cannot be one's target.
    Unusable = 3,
    /// Headless without a ready endpoint: the name does not exist.
    NoneReady = 4,
    /// Without a ready endpoint, and `ignore empty_service` says that it does not exist.
    Ignored = 5,
}

/// Why an `externalName` cannot be a CNAME's target.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Unusable {
    /// It is an IP address.
    Address = 0,
    /// It cannot be written as a domain name.
    NotAName = 1,
}

/// What is to be encoded.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) kind: FrontKind,
    pub(crate) choice: Option<Choice>,
    pub(crate) mismatch: Option<PortMismatch>,
    pub(crate) selectorless: bool,
    pub(crate) ttl: u32,
    pub(crate) front: Vec<IpAddr>,
    /// The target of an alias in wire form, or the text of an unusable one.
    pub(crate) target: Vec<u8>,
    pub(crate) unusable: Option<Unusable>,
    pub(crate) ports: &'a [ServicePort],
    pub(crate) cluster_ips: &'a [IpAddr],
    pub(crate) joined: &'a Joined,
}

impl Draft<'_> {
    /// The octets.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let same = {
            let endpoints = self.joined.addresses.iter().map(|at| &at.0);
            endpoints.eq(&self.front)
        };
        let mut flags = 0;
        if same {
            flags |= FLAG_ENDPOINTS_ARE_FRONT;
        }
        if self.selectorless {
            flags |= FLAG_SELECTORLESS;
        }
        let mut out = Octets(Vec::with_capacity(96 + 64 * self.joined.addresses.len()));
        out.0.extend_from_slice(&[
            self.kind as u8,
            self.choice.map_or(0, |choice| choice as u8),
            flags,
            self.unusable.map_or(0, |reason| reason as u8),
        ]);
        if matches!(self.kind, FrontKind::Alias | FrontKind::Unusable) {
            out.count(self.target.len());
            out.number(0);
            out.count(FRONT + self.target.len());
            out.0.extend_from_slice(&self.target);
        } else {
            out.count(self.front.iter().filter(|ip| ip.is_ipv4()).count());
            out.count(self.front.iter().filter(|ip| ip.is_ipv6()).count());
            let tail = out.later();
            out.addresses(&self.front, self.ttl);
            out.now(tail);
        }
        self.tail(&mut out, same);
        out.0
    }

    fn tail(&self, out: &mut Octets, same: bool) {
        out.number(self.joined.ready);
        out.number(self.joined.total);
        let [mismatch, ports, cluster, endpoints] = [(); 4].map(|()| out.later());
        if let Some(port) = &self.mismatch {
            out.now(mismatch);
            out.port(0, &port.name, port.service);
            out.0.extend_from_slice(&port.endpoint.to_le_bytes());
        }
        if !self.ports.is_empty() {
            out.now(ports);
            out.count(self.ports.len());
            let mut sorted: Vec<_> = self.ports.iter().collect();
            sorted.sort_by_key(|port| (port.port, port.protocol, &port.name));
            for port in sorted {
                out.port(port.protocol as u8, &port.name, port.port);
            }
        }
        if !self.cluster_ips.is_empty() {
            out.now(cluster);
            out.count(self.cluster_ips.len());
            for ip in self.cluster_ips {
                out.address(*ip);
            }
        }
        if !self.joined.addresses.is_empty() {
            out.now(endpoints);
            self.endpoints(out, same);
        }
    }

    fn endpoints(&self, out: &mut Octets, same: bool) {
        let addresses = &self.joined.addresses;
        let v4 = addresses.iter().filter(|at| at.0.is_ipv4()).count();
        out.count(v4);
        out.count(addresses.len() - v4);
        out.number(self.joined.pairs);
        let [records, sets_of, named, sets, labels] = [(); 5].map(|()| out.later());
        if !same {
            out.now(records);
            let ips: Vec<IpAddr> = addresses.iter().map(|at| at.0).collect();
            out.addresses(&ips, self.ttl);
        }
        out.now(sets_of);
        for (_, set) in addresses {
            out.number(*set);
        }
        out.now(named);
        out.count(self.joined.named_pairs.len());
        for ((protocol, name), pairs) in &self.joined.named_pairs {
            out.number(*pairs);
            out.port(*protocol as u8, name, 0);
        }
        out.now(sets);
        out.list(&self.joined.port_sets, |out, set| {
            out.count(set.len());
            for (number, protocol, name) in set {
                out.port(*protocol as u8, name, *number);
            }
        });
        out.now(labels);
        // Places count the IPv4 addresses first, as the records stand.
        let place = |index: u32| {
            let index = index as usize;
            if index < v4 { low32(index) } else { low32(index - v4) | V6 }
        };
        out.list(&self.joined.labels, |out, labelled| {
            out.number(labelled.pairs);
            out.number(labelled.port_set);
            out.count(labelled.addresses.len());
            out.text(&labelled.label);
            for index in &labelled.addresses {
                out.number(place(*index));
            }
        });
    }
}

fn low32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Octets under construction, with places whose value is known later.
struct Octets(Vec<u8>);

impl Octets {
    fn number(&mut self, n: u32) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    fn count(&mut self, n: usize) {
        self.number(low32(n));
    }

    /// Leaves room for an offset and returns where.
    fn later(&mut self) -> usize {
        self.number(0);
        self.0.len() - 4
    }

    /// Sets the offset there to here.
    fn now(&mut self, place: usize) {
        let here = low32(self.0.len()).to_le_bytes();
        if let Some(place) = self.0.get_mut(place..place + 4) {
            place.copy_from_slice(&here);
        }
    }

    /// A text of at most 255 octets, which port names and labels are.
    fn text(&mut self, text: &str) {
        let len = u8::try_from(text.len()).unwrap_or(u8::MAX);
        self.0.push(len);
        self.0.extend_from_slice(&text.as_bytes()[..text.len().min(usize::from(len))]);
    }

    fn port(&mut self, protocol: u8, name: &str, number: u16) {
        self.0.push(protocol);
        self.0.extend_from_slice(&number.to_le_bytes());
        self.text(&name.to_ascii_lowercase());
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => {
                self.0.push(4);
                self.0.extend_from_slice(&v4.octets());
            }
            IpAddr::V6(v6) => {
                self.0.push(6);
                self.0.extend_from_slice(&v6.octets());
            }
        }
    }

    /// A and AAAA records, owner a pointer to the question's name.
    fn addresses(&mut self, addresses: &[IpAddr], ttl: u32) {
        for v4 in
            addresses.iter().filter_map(|ip| if let IpAddr::V4(v4) = ip { Some(v4) } else { None })
        {
            self.0.extend_from_slice(&QNAME_POINTER.to_be_bytes());
            self.0.extend_from_slice(&[0, 1, 0, 1]);
            self.0.extend_from_slice(&ttl.to_be_bytes());
            self.0.extend_from_slice(&[0, 4]);
            self.0.extend_from_slice(&v4.octets());
        }
        for v6 in
            addresses.iter().filter_map(|ip| if let IpAddr::V6(v6) = ip { Some(v6) } else { None })
        {
            self.0.extend_from_slice(&QNAME_POINTER.to_be_bytes());
            self.0.extend_from_slice(&[0, 28, 0, 1]);
            self.0.extend_from_slice(&ttl.to_be_bytes());
            self.0.extend_from_slice(&[0, 16]);
            self.0.extend_from_slice(&v6.octets());
        }
    }

    /// A count, an offset for each item, the items.
    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.count(items.len());
        let start = self.0.len();
        for _ in items {
            self.number(0);
        }
        for (index, item) in items.iter().enumerate() {
            self.now(start + 4 * index);
            write(self, item);
        }
    }
}

/// A reader of what [`Draft::encode`] wrote. Octets that it could not have written read as nothing.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a>(&'a [u8]);

impl<'a> Record<'a> {
    /// The record in these octets.
    #[inline]
    pub fn new(octets: &'a [u8]) -> Option<Self> {
        (octets.len() >= FRONT).then_some(Self(octets))
    }

    /// What the Service is to DNS.
    #[inline]
    pub fn kind(self) -> FrontKind {
        match self.0[0] {
            0 => FrontKind::Cluster,
            1 => FrontKind::Endpoints,
            2 => FrontKind::Alias,
            3 => FrontKind::Unusable,
            5 => FrontKind::Ignored,
            _ => FrontKind::NoneReady,
        }
    }

    /// How a selector-less Service with a cluster IP is answered.
    pub fn choice(self) -> Option<Choice> {
        Choice::from_octet(self.0[1])
    }

    /// Whether the Service has no selector.
    pub fn is_selectorless(self) -> bool {
        self.0[2] & FLAG_SELECTORLESS != 0
    }

    /// The A records that stand for the Service.
    #[inline]
    pub fn front_a(self) -> &'a [u8] {
        if matches!(self.kind(), FrontKind::Alias | FrontKind::Unusable) {
            return &[];
        }
        let len = self.u32(4) as usize * A_LEN;
        self.0.get(FRONT..FRONT + len).unwrap_or(&[])
    }

    /// The AAAA records that stand for the Service.
    #[inline]
    pub fn front_aaaa(self) -> &'a [u8] {
        let start = FRONT + self.front_a().len();
        self.0.get(start..start + self.u32(8) as usize * AAAA_LEN).unwrap_or(&[])
    }

    /// An alias's target in wire form, or the text of an unusable `externalName`.
    pub fn target(self) -> &'a [u8] {
        self.0.get(FRONT..FRONT + self.u32(4) as usize).unwrap_or(&[])
    }

    /// Why an `externalName` is unusable.
    pub fn unusable(self) -> Unusable {
        if self.0[3] == Unusable::Address as u8 { Unusable::Address } else { Unusable::NotAName }
    }

    /// How many endpoint addresses are ready, and how many there are.
    pub fn readiness(self) -> (u32, u32) {
        let tail = self.tail();
        (self.u32(tail), self.u32(tail + 4))
    }

    /// The port that stood in the way of a direct answer.
    pub fn mismatch(self) -> Option<PortMismatch> {
        let mut at = self.section(0)?;
        let port = self.port(&mut at)?;
        let endpoint = u16::from_le_bytes([*self.0.get(at)?, *self.0.get(at + 1)?]);
        let name = String::from_utf8_lossy(port.name).into();
        Some(PortMismatch { name, service: port.number, endpoint })
    }

    /// The Service's own ports, sorted by number.
    pub fn ports(self) -> impl Iterator<Item = PortRef<'a>> + Clone {
        self.ports_at(self.section(1))
    }

    /// The cluster IPs, whether they stand for the Service or not.
    pub fn cluster_ips(self) -> impl Iterator<Item = IpAddr> {
        let start = self.section(2);
        let mut left = start.map_or(0, |start| self.u32(start));
        let mut at = start.map_or(0, |start| start + 4);
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let family = *self.0.get(at)?;
            let address: IpAddr = if family == 4 {
                Ipv4Addr::from(*self.0.get(at + 1..)?.first_chunk::<4>()?).into()
            } else {
                Ipv6Addr::from(*self.0.get(at + 1..)?.first_chunk::<16>()?).into()
            };
            at += if family == 4 { 5 } else { 17 };
            Some(address)
        })
    }

    /// The ready endpoints, if there is one.
    pub fn endpoints(self) -> Option<EndpointsRef<'a>> {
        Some(EndpointsRef { record: self, at: self.section(3)? })
    }

    fn tail(self) -> usize {
        self.u32(12) as usize
    }

    fn section(self, index: usize) -> Option<usize> {
        Some(self.u32(self.tail() + 8 + 4 * index) as usize).filter(|at| *at != 0)
    }

    #[inline]
    fn u32(self, at: usize) -> u32 {
        let octets = self.0.get(at..).and_then(|rest| rest.first_chunk::<4>());
        octets.map_or(0, |octets| u32::from_le_bytes(*octets))
    }

    fn text(self, at: &mut usize) -> Option<&'a [u8]> {
        let len = usize::from(*self.0.get(*at)?);
        let text = self.0.get(*at + 1..*at + 1 + len)?;
        *at += 1 + len;
        Some(text)
    }

    fn port(self, at: &mut usize) -> Option<PortRef<'a>> {
        let protocol = match self.0.get(*at)? {
            0 => Protocol::Tcp,
            1 => Protocol::Udp,
            _ => Protocol::Sctp,
        };
        let number = u16::from_le_bytes([*self.0.get(*at + 1)?, *self.0.get(*at + 2)?]);
        *at += 3;
        Some(PortRef { protocol, name: self.text(at)?, number })
    }

    fn ports_at(self, start: Option<usize>) -> impl Iterator<Item = PortRef<'a>> + Clone {
        let mut left = start.map_or(0, |start| self.u32(start));
        let mut at = start.map_or(0, |start| start + 4);
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            self.port(&mut at)
        })
    }
}

/// A port: of the Service, or of endpoints, where the number 0 stands for all ports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PortRef<'a> {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its name, lower case; empty where it has none.
    pub name: &'a [u8],
    /// Its number.
    pub number: u16,
}

impl PortRef<'_> {
    /// Whether it is the port `name` of `protocol`.
    pub fn is(&self, protocol: Protocol, name: &[u8]) -> bool {
        self.protocol == protocol && !name.is_empty() && self.name == name
    }
}

/// The ready endpoints of a Service.
#[derive(Clone, Copy, Debug)]
pub struct EndpointsRef<'a> {
    record: Record<'a>,
    at: usize,
}

impl<'a> EndpointsRef<'a> {
    /// The A records of all of them.
    pub fn a(self) -> &'a [u8] {
        let octets = self.record.0;
        let Some(start) = self.records() else { return self.record.front_a() };
        octets.get(start..start + self.v4() * A_LEN).unwrap_or(&[])
    }

    /// The AAAA records of all of them.
    pub fn aaaa(self) -> &'a [u8] {
        let octets = self.record.0;
        let Some(start) = self.records() else { return self.record.front_aaaa() };
        let start = start + self.v4() * A_LEN;
        octets.get(start..start + self.v6() * AAAA_LEN).unwrap_or(&[])
    }

    /// The ports of the address whose A (or AAAA) record is the `index`th.
    pub fn ports_of(self, v6: bool, index: usize) -> impl Iterator<Item = PortRef<'a>> {
        let index = if v6 { self.v4() + index } else { index };
        self.port_set(self.record.u32(self.section(1) + 4 * index))
    }

    /// Whether every address has the port `name` of `protocol`, or none, or some.
    pub fn with_port(self, protocol: Protocol, name: &[u8]) -> Share {
        let has = |set: u32| self.port_set(set).any(|port| port.is(protocol, name));
        let sets = self.record.u32(self.section(3));
        let with = (0..sets).filter(|set| has(*set)).count();
        match with {
            0 => Share::None,
            n if n == sets as usize => Share::All,
            _ => Share::Some,
        }
    }

    /// Whether some endpoint has a named port of `protocol`.
    pub fn has_protocol(self, protocol: Protocol) -> bool {
        self.named().any(|(port, _)| port.protocol == protocol)
    }

    /// The named ports, each with the (address, port) pairs behind it before duplicates were taken
    /// out.
    pub fn named(self) -> impl Iterator<Item = (PortRef<'a>, u32)> {
        let start = self.section(2);
        let mut left = self.record.u32(start);
        let mut at = start + 4;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let pairs = self.record.u32(at);
            at += 4;
            Some((self.record.port(&mut at)?, pairs))
        })
    }

    /// How many (address, port) pairs there were before duplicates were taken out.
    pub fn pairs(self) -> u32 {
        self.record.u32(self.at + 8)
    }

    /// The endpoint labels, sorted.
    pub fn labels(self) -> impl Iterator<Item = LabelRef<'a>> {
        (0..self.record.u32(self.section(4))).filter_map(move |index| self.label_at(index))
    }

    /// The endpoint label `label`, in lower case.
    pub fn label(self, label: &[u8]) -> Option<LabelRef<'a>> {
        let (mut low, mut high) = (0, self.record.u32(self.section(4)));
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self.label_at(middle)?;
            match found.label.cmp(label) {
                std::cmp::Ordering::Equal => return Some(found),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn label_at(self, index: u32) -> Option<LabelRef<'a>> {
        let start = self.section(4);
        let at = self.record.u32(start + 4 + 4 * index as usize) as usize;
        let mut behind = at + 12;
        let label = self.record.text(&mut behind)?;
        Some(LabelRef { endpoints: self, at, label, places: behind })
    }

    fn port_set(self, set: u32) -> impl Iterator<Item = PortRef<'a>> + Clone {
        let start = self.section(3);
        let at = self.record.u32(start + 4 + 4 * set as usize) as usize;
        self.record.ports_at(Some(at).filter(|at| *at != 0))
    }

    fn v4(self) -> usize {
        self.record.u32(self.at) as usize
    }

    fn v6(self) -> usize {
        self.record.u32(self.at + 4) as usize
    }

    fn records(self) -> Option<usize> {
        Some(self.section(0)).filter(|at| *at != 0)
    }

    fn section(self, index: usize) -> usize {
        self.record.u32(self.at + 12 + 4 * index) as usize
    }
}

/// How many of a Service's endpoints something is true of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Share {
    /// Not one.
    None,
    /// Some, not all.
    Some,
    /// Every one.
    All,
}

/// One endpoint label and what stands behind it.
#[derive(Clone, Copy, Debug)]
pub struct LabelRef<'a> {
    endpoints: EndpointsRef<'a>,
    at: usize,
    /// The label, lower case.
    pub label: &'a [u8],
    places: usize,
}

impl<'a> LabelRef<'a> {
    /// How many (address, port) pairs there were before duplicates were taken out.
    pub fn pairs(self) -> u32 {
        self.endpoints.record.u32(self.at)
    }

    /// The ports of its addresses, sorted by number.
    pub fn ports(self) -> impl Iterator<Item = PortRef<'a>> + Clone {
        self.endpoints.port_set(self.endpoints.record.u32(self.at + 4))
    }

    /// The A records of its addresses, one by one.
    pub fn a(self) -> impl Iterator<Item = &'a [u8]> {
        let set = self.endpoints.a();
        let v4 = self.places().filter(|place| place & V6 == 0);
        v4.filter_map(move |place| record_at(set, A_LEN, place))
    }

    /// The AAAA records of its addresses, one by one.
    pub fn aaaa(self) -> impl Iterator<Item = &'a [u8]> {
        let set = self.endpoints.aaaa();
        let v6 = self.places().filter(|place| place & V6 != 0);
        v6.filter_map(move |place| record_at(set, AAAA_LEN, place & !V6))
    }

    fn places(self) -> impl Iterator<Item = u32> {
        let record = self.endpoints.record;
        (0..record.u32(self.at + 8) as usize).map(move |index| record.u32(self.places + 4 * index))
    }
}

fn record_at(set: &[u8], len: usize, index: u32) -> Option<&[u8]> {
    let start = (index as usize).checked_mul(len)?;
    set.get(start..start.checked_add(len)?)
}

/// The address in a wire-ready A or AAAA record.
pub fn address_in(record: &[u8]) -> Option<IpAddr> {
    match record.len() {
        A_LEN => Some(Ipv4Addr::from(*record.last_chunk::<4>()?).into()),
        AAAA_LEN => Some(Ipv6Addr::from(*record.last_chunk::<16>()?).into()),
        _ => None,
    }
}
