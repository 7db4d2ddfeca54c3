//! What one Service answers, as octets: written once when it changes, read by every query.
//!
//! The octets live in the view's table. Numbers are little-endian. The sets of addresses are
//! wire-ready resource records whose owner is a pointer to the question's name, so that an answer
//! is one copy; everything else is found through offsets that stand in front.
//!
//! ```text
//!  0 u8  kind           1 u8 choice        2 u8 flags       3 u8 reason (unusable externalName)
//!                         and 128 where the annotation is ignored
//!  4 u32 front A       8 u32 front AAAA   12 u32 offset of the tail
//! 16     front A records (16 octets each), front AAAA records (28 each); or a CNAME's target
//! tail:  u32 ready, u32 total, then the offsets of: mismatch, ports, cluster IPs, endpoints
//! ```
//!
//! An offset of 0 says that there is no such section.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::choice::Choice;
use crate::cluster::Protocol;

/// Octets of an A record whose owner is a pointer.
pub const A_LEN: usize = 16;
/// Octets of an AAAA record whose owner is a pointer.
pub const AAAA_LEN: usize = 28;
/// A pointer to the name in the question, which always begins at octet 12 (RFC 1035, 4.1.4).
pub const QNAME_POINTER: u16 = 0xc00c;

pub(super) const FRONT: usize = 16;
pub(super) const FLAG_ENDPOINTS_ARE_FRONT: u8 = 1;
pub(super) const FLAG_SELECTORLESS: u8 = 2;
/// Beside the choice: the annotation that would choose is ignored.
pub(super) const ANNOTATION_IGNORED: u8 = 0x80;
pub(super) const V6: u32 = 1 << 31;

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

/// A reader of what a draft's encoding wrote. Octets that it could not have written read as nothing.
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
        Choice::from_octet(self.0[1] & !ANNOTATION_IGNORED)
    }

    /// Whether the annotation that would choose how it is answered is ignored: its value is unknown,
    /// or the Service has a selector.
    pub fn ignores_annotation(self) -> bool {
        self.0[1] & ANNOTATION_IGNORED != 0
    }

    /// Whether a selector-less Service is answered with its cluster IP, or an annotation is ignored.
    #[inline]
    pub fn is_odd(self) -> bool {
        self.0[1] > Choice::Direct as u8
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

    /// The Service's port that stood in the way of a direct answer, and its number on the endpoint;
    /// 0 where that has none of the name.
    pub fn mismatch(self) -> Option<(PortRef<'a>, u16)> {
        let mut at = self.section(0)?;
        let port = self.port(&mut at)?;
        Some((port, u16::from_le_bytes([*self.0.get(at)?, *self.0.get(at + 1)?])))
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

    /// Whether some endpoint has a port that a record can say: one with a number.
    pub fn has_ports(self) -> bool {
        let mut sets = 0..self.record.u32(self.section(3));
        sets.any(|set| self.port_set(set).any(|port| port.number != 0))
    }

    /// Whether some endpoint has a named port of `protocol`.
    pub fn has_protocol(self, protocol: Protocol) -> bool {
        self.named().any(|(port, _)| port.protocol == protocol)
    }

    /// The named ports, each with the (address, port) pairs behind it before duplicates were taken
    /// out, of IPv4 and of IPv6.
    pub fn named(self) -> impl Iterator<Item = (PortRef<'a>, [u32; 2])> {
        let start = self.section(2);
        let mut left = self.record.u32(start);
        let mut at = start + 4;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let pairs = [self.record.u32(at), self.record.u32(at + 4)];
            at += 8;
            Some((self.record.port(&mut at)?, pairs))
        })
    }

    /// How many (address, port) pairs there were before duplicates were taken out, of IPv4 and of
    /// IPv6.
    pub fn pairs(self) -> [u32; 2] {
        [self.record.u32(self.at + 8), self.record.u32(self.at + 12)]
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

    /// The label of this number, in the order of [`EndpointsRef::labels`].
    pub fn label_at(self, index: u32) -> Option<LabelRef<'a>> {
        if index >= self.record.u32(self.section(4)) {
            return None;
        }
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
        self.record.u32(self.at + 16 + 4 * index) as usize
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

    /// The places of its addresses among all A records and then all AAAA records.
    pub(super) fn positions(self) -> impl Iterator<Item = usize> {
        let v4 = self.endpoints.v4();
        self.places().map(move |place| match place & V6 {
            0 => place as usize,
            _ => v4 + (place & !V6) as usize,
        })
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
