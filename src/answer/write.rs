//! From what stands at a name to records: schema.md, sections 1 to 6.

use std::net::IpAddr;

use super::query::Asked;
use super::reply::{Full, Owner, Reply, Section, turn};
use super::resolve::Node;
use crate::cluster::Protocol;
use crate::name::{MAX_NAME, Name};
use crate::zone::record::{
    A_LEN, AAAA_LEN, EndpointsRef, FrontKind, LabelRef, PortRef, Record, Share, address_in,
};
use crate::zone::reverse::{claims_in, service_of};
use crate::zone::{View, ViewZone};

/// Types of records (RFC 1035, section 3.2.2; RFC 3596; RFC 2782; RFC 8482).
pub(super) mod rtype {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const IXFR: u16 = 251;
    pub(crate) const AXFR: u16 = 252;
    pub(crate) const MAILB: u16 = 253;
    pub(crate) const MAILA: u16 = 254;
    pub(crate) const ANY: u16 = 255;
}

/// The version of the schema (Kubernetes DNS specification, section 2.2), as a character string.
const SCHEMA_VERSION: &[u8] = b"\x051.1.0";
/// TTL of the `dns-version` record, in seconds.
const SCHEMA_VERSION_TTL: u32 = 28_800;
/// Everything below a zone that answers for Services, in wire form.
const SVC: &[u8] = b"\x03svc";
/// The name server's own name in front of a zone, in wire form.
const NAME_SERVER: &[u8] = b"\x02ns\x03dns";
/// The responsible mailbox in front of a zone, in wire form.
const MAILBOX: &[u8] = b"\x0ahostmaster";
/// How many Services in front of this server are named as the zone's servers: more than anybody
/// sets up, few enough for the stack.
const FRONTS_MOST: usize = 16;

/// Writes the records of one name.
pub(super) struct Writer<'w, 'o> {
    pub(super) reply: &'w mut Reply<'o>,
    pub(super) view: &'w View,
    pub(super) zone: &'w ViewZone,
    /// The name, and how many labels it has in front of the zone.
    pub(super) asked: &'w Asked,
    pub(super) depth: usize,
    /// Where the name stands in the message, and the question as it came, if that is the name.
    pub(super) owner: u16,
    pub(super) original: Option<&'w [u8]>,
    /// Turns sets of addresses.
    pub(super) rotation: u32,
}

impl<'w> Writer<'w, '_> {
    /// Writes what the node has of this type. An empty answer section says that it has nothing.
    #[inline]
    pub(super) fn node(&mut self, node: &Node<'_>, qtype: u16) {
        match node {
            Node::Front(record) => self.front(*record, qtype),
            Node::Port(record, protocol, share) => self.port(*record, *protocol, *share, qtype),
            Node::Endpoints(all) => self.endpoints(*all, qtype),
            Node::Label(label) => self.label(*label, qtype),
            Node::Pod(address) => self.pod(*address, qtype),
            Node::Address(claims) if matches!(qtype, rtype::PTR | rtype::ANY) => self.ptr(claims),
            Node::Apex => self.apex(qtype),
            Node::NameServer => self.name_server(qtype),
            Node::Version if matches!(qtype, rtype::TXT | rtype::ANY) => {
                let owner = Owner::Pointer(self.owner);
                let _ = self.reply.typed(owner, rtype::TXT, SCHEMA_VERSION_TTL, |reply| {
                    reply.raw(SCHEMA_VERSION)
                });
            }
            Node::Address(_)
            | Node::Version
            | Node::Missing(_)
            | Node::Empty
            | Node::Alias(_)
            | Node::Waiting(_) => {}
        }
    }

    /// The same without additional records.
    pub(super) fn answers_only(&mut self, node: &Node<'_>, qtype: u16) {
        self.reply.answers_only = true;
        self.node(node, qtype);
        self.reply.drop_additional();
    }

    /// `S.N.svc`.
    #[inline]
    fn front(&mut self, record: Record<'_>, qtype: u16) {
        match qtype {
            rtype::A => self.a(record.front_a()),
            rtype::AAAA => self.aaaa(record.front_aaaa()),
            rtype::SRV => self.front_srv(record),
            rtype::ANY if !record.front_a().is_empty() => self.a(record.front_a()),
            rtype::ANY if !record.front_aaaa().is_empty() => self.aaaa(record.front_aaaa()),
            rtype::ANY => self.front_srv(record),
            _ => {}
        }
    }

    fn front_srv(&mut self, record: Record<'_>) {
        match record.endpoints() {
            Some(all) if record.kind() == FrontKind::Endpoints => {
                self.endpoint_srv(all, all.pairs(), Some(record), |_| true);
            }
            _ => self.service_srv(record, |_| true),
        }
    }

    /// `_port._proto.S.N.svc`.
    fn port(&mut self, record: Record<'_>, protocol: Protocol, share: Share, qtype: u16) {
        let asked = self.asked;
        let name = asked.label(0).strip_prefix(b"_").unwrap_or(&[]);
        let is = |port: &PortRef<'_>| port.is(protocol, name);
        let direct = record.kind() == FrontKind::Endpoints;
        let endpoints = record.endpoints().filter(|_| direct);
        match (qtype, endpoints) {
            (rtype::SRV, Some(all)) => {
                let named = all.named().find(|(port, _)| is(port));
                let pairs = named.map_or([0; 2], |named| named.1);
                self.endpoint_srv(all, pairs, Some(record), is);
            }
            (rtype::SRV, None) => self.service_srv(record, is),
            (rtype::A | rtype::AAAA | rtype::ANY, Some(all)) if share == Share::Some => {
                self.addresses_with(record, all, qtype, is);
            }
            (rtype::A | rtype::AAAA | rtype::ANY, _) => self.front(record, qtype),
            _ => {}
        }
    }

    /// The front addresses that have some port, of the endpoints that not all have it.
    fn addresses_with(
        &mut self,
        record: Record<'_>,
        all: EndpointsRef<'_>,
        qtype: u16,
        is: impl Fn(&PortRef<'_>) -> bool,
    ) {
        let families = Families::of(record);
        let sets = [
            (rtype::A, A_LEN, all.a(), families.v4),
            (rtype::AAAA, AAAA_LEN, all.aaaa(), families.v6),
        ];
        for (rtype, len, set, wanted) in sets {
            let before = self.reply.answers();
            if !wanted || (qtype != rtype && qtype != rtype::ANY) {
                continue;
            }
            let count = set.len() / len;
            let first = turn(self.rotation, count);
            for index in (first..count).chain(0..first) {
                if all.ports_of(rtype == rtype::AAAA, index).any(|port| is(&port)) {
                    let one = set.get(index * len..(index + 1) * len).unwrap_or(&[]);
                    self.reply.records(one, len, 0, self.owner);
                }
                if self.reply.truncated {
                    return;
                }
            }
            if self.reply.answers() > before {
                return;
            }
        }
    }

    /// `S.N.endpoints`.
    fn endpoints(&mut self, all: EndpointsRef<'_>, qtype: u16) {
        match qtype {
            rtype::A => self.a(all.a()),
            rtype::AAAA => self.aaaa(all.aaaa()),
            rtype::SRV => self.endpoint_srv(all, all.pairs(), None, |_| true),
            rtype::ANY if !all.a().is_empty() => self.a(all.a()),
            rtype::ANY => self.aaaa(all.aaaa()),
            _ => {}
        }
    }

    /// `H.S.N.svc`.
    fn label(&mut self, label: LabelRef<'_>, qtype: u16) {
        let a = matches!(qtype, rtype::A | rtype::ANY);
        if a {
            self.turned(|| label.a(), A_LEN);
        }
        let aaaa = qtype == rtype::AAAA || qtype == rtype::ANY && self.reply.answers() == 0;
        if aaaa && !self.reply.truncated {
            self.turned(|| label.aaaa(), AAAA_LEN);
        }
        if qtype == rtype::SRV && label.ports().any(|port| port.number != 0) {
            let all = Families { v4: true, v6: true };
            if self.label_srv(label, weight(label.pairs()), &|_: &PortRef<'_>| true).is_ok() {
                self.reply.section(Section::Additional);
                self.label_addresses(label, all);
            }
        }
    }

    /// Records one by one, beginning with another one each time.
    fn turned<'r, I: Iterator<Item = &'r [u8]>>(&mut self, records: impl Fn() -> I, len: usize) {
        let count = records().count();
        let first = turn(self.rotation, count);
        for record in records().skip(first).chain(records().take(first)) {
            self.reply.records(record, len, 0, self.owner);
            if self.reply.truncated {
                return;
            }
        }
    }

    fn pod(&mut self, address: IpAddr, qtype: u16) {
        let owner = Owner::Pointer(self.owner);
        let ttl = self.view.spec().ttl;
        let any = qtype == rtype::ANY;
        let _ = match address {
            IpAddr::V4(v4) if any || qtype == rtype::A => {
                self.reply.typed(owner, rtype::A, ttl, |reply| reply.raw(&v4.octets()))
            }
            IpAddr::V6(v6) if any || qtype == rtype::AAAA => {
                self.reply.typed(owner, rtype::AAAA, ttl, |reply| reply.raw(&v6.octets()))
            }
            _ => Ok(()),
        };
    }

    fn ptr(&mut self, claims: &[u8]) {
        let owner = Owner::Pointer(self.owner);
        let ttl = self.view.spec().ttl;
        let cluster = claims_in(claims).any(|(cluster, _)| cluster);
        for (_, name) in claims_in(claims).filter(|claim| claim.0 == cluster) {
            let Some(target) = Self::target(&[name, SVC], self.view.primary_zone()) else {
                continue;
            };
            let written = self
                .reply
                .typed(owner, rtype::PTR, ttl, |reply| reply.name(target.as_slice()).map(drop));
            if written.is_err() {
                return;
            }
        }
    }

    fn apex(&mut self, qtype: u16) {
        match qtype {
            rtype::SOA | rtype::ANY => self.soa(),
            rtype::NS => self.ns(),
            _ => {}
        }
    }

    /// The zone's SOA record, in whatever section the reply is at.
    #[inline]
    pub(super) fn soa(&mut self) {
        let place = super::query::HEADER + self.asked.start(self.depth);
        // The record that is kept ready ends its names with the zone. Only these names could be
        // compressed further.
        let last = self.depth.checked_sub(1).map(|last| self.asked.label(last));
        let shorter = matches!(last, Some(b"dns" | b"hostmaster"));
        match Reply::pointer(place) {
            Some(zone) if self.original.is_some() && !shorter && !self.zone.zone.is_reverse() => {
                self.reply.soa(self.view.soa(), zone);
            }
            _ => self.soa_by_parts(),
        }
    }

    /// The same where the question does not end with the zone that the record's names stand in.
    fn soa_by_parts(&mut self) {
        let primary = self.home();
        let (Some(server), Some(mailbox)) =
            (Self::target(&[NAME_SERVER], primary), Self::target(&[MAILBOX], primary))
        else {
            return;
        };
        let numbers = self.view.soa_numbers();
        let zone = self.zone.zone.name.as_wire();
        let ttl = self.view.soa_ttl();
        let _ = self.reply.typed(Owner::Name(zone), rtype::SOA, ttl, |reply| {
            reply.name(server.as_slice())?;
            reply.name(mailbox.as_slice())?;
            numbers.iter().try_for_each(|number| reply.raw(&number.to_be_bytes()))
        });
    }

    /// The zone that the zone's own servers are named in: itself, unless it is a reverse one.
    fn home(&self) -> &'w Name {
        let (view, zone) = (self.view, self.zone);
        if zone.zone.is_reverse() { view.primary_zone() } else { &zone.zone.name }
    }

    /// The Services in front of this server, else `ns.dns`; their addresses as additional records.
    fn ns(&mut self) {
        let owner = Owner::Pointer(self.owner);
        let ttl = self.view.spec().ttl;
        let home = self.home();
        let mut fronts: smallvec::SmallVec<[&[u8]; FRONTS_MOST]> = smallvec::SmallVec::new();
        for address in &self.view.spec().local_addresses {
            for (cluster, name) in self.view.claims(*address).into_iter().flat_map(claims_in) {
                let service = service_of(cluster, name);
                if fronts.len() < FRONTS_MOST && !fronts.contains(&service) {
                    fronts.push(service);
                }
            }
        }
        fronts.sort_unstable();
        for service in &fronts {
            if let Some(target) = Self::target(&[service, SVC], home) {
                let _ = self
                    .reply
                    .typed(owner, rtype::NS, ttl, |reply| reply.name(target.as_slice()).map(drop));
            }
        }
        if fronts.is_empty() {
            let Some(target) = Self::target(&[NAME_SERVER], home) else { return };
            let _ = self
                .reply
                .typed(owner, rtype::NS, ttl, |reply| reply.name(target.as_slice()).map(drop));
            self.reply.section(Section::Additional);
            self.local_addresses(Owner::Name(target.as_slice()), None);
            return;
        }
        self.reply.section(Section::Additional);
        for service in &fronts {
            let (Some(target), Some(record)) =
                (Self::target(&[service, SVC], home), self.view.service(service))
            else {
                continue;
            };
            let both = record.front_a().chunks(A_LEN).chain(record.front_aaaa().chunks(AAAA_LEN));
            for address in both.filter_map(address_in) {
                if self.address(Owner::Name(target.as_slice()), address).is_err() {
                    return;
                }
            }
        }
    }

    fn name_server(&mut self, qtype: u16) {
        let owner = Owner::Pointer(self.owner);
        match qtype {
            rtype::A | rtype::AAAA => self.local_addresses(owner, Some(qtype == rtype::A)),
            rtype::ANY => {
                let v4 = self.view.spec().local_addresses.iter().any(IpAddr::is_ipv4);
                self.local_addresses(owner, Some(v4));
            }
            _ => {}
        }
    }

    /// The addresses that this server answers on, of one family or of both.
    fn local_addresses(&mut self, owner: Owner<'_>, v4: Option<bool>) {
        let view = self.view;
        for address in &view.spec().local_addresses {
            let wanted = v4.is_none_or(|v4| v4 == address.is_ipv4());
            if wanted && self.address(owner, *address).is_err() {
                return;
            }
        }
    }

    fn address(&mut self, owner: Owner<'_>, address: IpAddr) -> Result<(), Full> {
        let ttl = self.view.spec().ttl;
        match address {
            IpAddr::V4(v4) => self.reply.typed(owner, rtype::A, ttl, |r| r.raw(&v4.octets())),
            IpAddr::V6(v6) => self.reply.typed(owner, rtype::AAAA, ttl, |r| r.raw(&v6.octets())),
        }
    }

    #[inline]
    fn a(&mut self, set: &[u8]) {
        self.reply.records(set, A_LEN, self.rotation, self.owner);
    }

    #[inline]
    fn aaaa(&mut self, set: &[u8]) {
        self.reply.records(set, AAAA_LEN, self.rotation, self.owner);
    }

    /// SRV records with the Service's own ports, target `S.N.svc`.
    fn service_srv(&mut self, record: Record<'_>, wanted: impl Fn(&PortRef<'_>) -> bool) {
        let ips = record.front_a().len() / A_LEN + record.front_aaaa().len() / AAAA_LEN;
        let ports = record.ports().filter(|port| wanted(port));
        let weight = weight(u32::try_from(ports.clone().count() * ips).unwrap_or(u32::MAX));
        let Some(target) = self.service_target(None) else { return };
        let mut last = None;
        for port in ports {
            if last.replace(port.number) != Some(port.number)
                && self.srv(weight, port.number, &target).is_err()
            {
                return;
            }
        }
        if last.is_some() {
            self.reply.section(Section::Additional);
            let both = record.front_a().chunks(A_LEN).chain(record.front_aaaa().chunks(AAAA_LEN));
            self.additional(both, None);
        }
    }

    /// SRV records with the endpoints' ports, targets `H.S.N.svc`.
    fn endpoint_srv(
        &mut self,
        all: EndpointsRef<'_>,
        pairs: [u32; 2],
        front: Option<Record<'_>>,
        wanted: impl Fn(&PortRef<'_>) -> bool,
    ) {
        let families = front.map_or(Families { v4: true, v6: true }, Families::of);
        let has = |label: &LabelRef<'_>| {
            families.v4 && label.a().next().is_some()
                || families.v6 && label.aaaa().next().is_some()
        };
        let weight = weight(families.sum(pairs));
        for label in all.labels().filter(has) {
            if self.label_srv(label, weight, &wanted).is_err() {
                return;
            }
        }
        self.reply.section(Section::Additional);
        let with_port = |label: &LabelRef<'_>| label.ports().any(|p| p.number != 0 && wanted(&p));
        for label in all.labels().filter(|label| has(label) && with_port(label)) {
            if !self.label_addresses(label, families) {
                return;
            }
        }
    }

    fn label_srv(
        &mut self,
        label: LabelRef<'_>,
        weight: u16,
        wanted: &impl Fn(&PortRef<'_>) -> bool,
    ) -> Result<(), Full> {
        let Some(target) = self.service_target(Some(label.label)) else { return Ok(()) };
        let mut last = None;
        // The number 0 stands for all ports: no record can say that.
        for port in label.ports().filter(|port| port.number != 0 && wanted(port)) {
            if last.replace(port.number) != Some(port.number) {
                self.srv(weight, port.number, &target)?;
            }
        }
        Ok(())
    }

    /// The addresses of a label as additional records, and whether all found room.
    fn label_addresses(&mut self, label: LabelRef<'_>, families: Families) -> bool {
        let a = label.a().filter(|_| families.v4);
        let aaaa = label.aaaa().filter(|_| families.v6);
        self.additional(a.chain(aaaa), Some(label.label))
    }

    /// Addresses with the owner `[label.]S.N.svc`, and whether all found room.
    fn additional<'r>(
        &mut self,
        records: impl Iterator<Item = &'r [u8]>,
        label: Option<&[u8]>,
    ) -> bool {
        let Some(target) = self.service_target(label) else { return true };
        for address in records.filter_map(address_in) {
            if self.address(Owner::Name(target.as_slice()), address).is_err() {
                return false;
            }
        }
        true
    }

    /// Priority 0 and a target that is not compressed (RFC 2782).
    fn srv(&mut self, weight: u16, port: u16, target: &NameBuffer) -> Result<(), Full> {
        let owner = Owner::Pointer(self.owner);
        self.reply.typed(owner, rtype::SRV, self.view.spec().ttl, |reply| {
            reply.raw(&[0, 0])?;
            reply.raw(&weight.to_be_bytes())?;
            reply.raw(&port.to_be_bytes())?;
            let at = reply.at();
            reply.raw(target.as_slice())?;
            reply.remember(at);
            Ok(())
        })
    }

    /// `[label.]S.N.svc` of the asked Service in the asked zone, the zone's case as it was asked.
    fn service_target(&self, label: Option<&[u8]>) -> Option<NameBuffer> {
        let mut name = NameBuffer::default();
        if let Some(label) = label {
            name.push(&[u8::try_from(label.len()).ok()?])?;
            name.push(label)?;
        }
        name.push(self.asked.slice(self.depth.checked_sub(3)?, self.depth - 1))?;
        name.push(SVC)?;
        let start = self.asked.start(self.depth);
        let zone = self.original.and_then(|original| original.get(start..self.asked.name().len()));
        name.push(zone.unwrap_or_else(|| self.zone.zone.name.as_wire()))?;
        Some(name)
    }

    /// Labels in front of a zone; `None` where that is longer than a name may be.
    fn target(parts: &[&[u8]], zone: &Name) -> Option<NameBuffer> {
        let mut name = NameBuffer::default();
        parts.iter().try_for_each(|part| name.push(part))?;
        name.push(zone.as_wire())?;
        Some(name)
    }
}

/// The families that stand for a Service.
#[derive(Clone, Copy)]
struct Families {
    v4: bool,
    v6: bool,
}

impl Families {
    fn of(record: Record<'_>) -> Self {
        Self { v4: !record.front_a().is_empty(), v6: !record.front_aaaa().is_empty() }
    }

    /// The sum of what there is of IPv4 and of IPv6, of these families.
    fn sum(self, [v4, v6]: [u32; 2]) -> u32 {
        (if self.v4 { v4 } else { 0 }).saturating_add(if self.v6 { v6 } else { 0 })
    }
}

/// A name put together on the stack.
pub(super) struct NameBuffer {
    octets: [u8; MAX_NAME],
    len: usize,
}

impl Default for NameBuffer {
    fn default() -> Self {
        Self { octets: [0; MAX_NAME], len: 0 }
    }
}

impl NameBuffer {
    fn push(&mut self, part: &[u8]) -> Option<()> {
        self.octets.get_mut(self.len..self.len + part.len())?.copy_from_slice(part);
        self.len += part.len();
        Some(())
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&[])
    }
}

/// The weight of each of `pairs` (address, port) pairs, as CoreDNS computes it.
fn weight(pairs: u32) -> u16 {
    u16::try_from((100 / pairs.max(1)).max(1)).unwrap_or(1)
}
