//! Objects into octets.
//!
//! A state is packed in memory first, since it is read under the registry's gate and no disk may
//! hold that up: packed, an endpoint takes half a dozen octets, a twentieth of what it takes live.

use std::net::IpAddr;

use super::wire::{put_address, put_count, put_lone_text, put_number, put_text};
use super::{Header, Origin, State, Stored, VERSION};
use crate::cluster::{
    ClusterIps, Endpoint, EndpointPort, EndpointSlice, Endpoints, Kind, ManagedBy, ObjectKey,
    Protocol, Service, SliceAddresses,
};

/// What every file of every version begins with. The line end in it tells a copy that was mangled
/// as text.
pub(super) const MAGIC: [u8; 8] = *b"FPSTATE\n";
/// How much of the packed body is kept in one piece: a growing single one would be copied as it
/// grows, and be there twice.
const PIECE: usize = 256 << 10;

/// The bits of a Service's first octet.
pub(super) mod service {
    pub(in super::super) const SELECTOR: u8 = 1;
    pub(in super::super) const AFFINITY: u8 = 1 << 1;
    pub(in super::super) const LOCAL: u8 = 1 << 2;
    pub(in super::super) const NOT_READY: u8 = 1 << 3;
    pub(in super::super) const EXTERNAL: u8 = 1 << 4;
    pub(in super::super) const SELECTORLESS: u8 = 1 << 5;
    pub(in super::super) const HEADLESS: u8 = 1 << 6;
    pub(in super::super) const ADDRESSES: u8 = 1 << 7;
}

/// The bits of an endpoint's first octet.
pub(super) mod endpoint {
    pub(in super::super) const READY: u8 = 1;
    pub(in super::super) const MANAGED: u8 = 1 << 1;
    pub(in super::super) const HOSTNAME: u8 = 1 << 2;
    pub(in super::super) const TARGET: u8 = 1 << 3;
    /// One IPv4 address and no other, without count or family.
    pub(in super::super) const ONE_V4: u8 = 1 << 4;
    /// The same for IPv6.
    pub(in super::super) const ONE_V6: u8 = 1 << 5;
    pub(in super::super) const KNOWN: u8 = (1 << 6) - 1;
}

/// The texts that the next ones are written next to, by their role.
#[derive(Debug, Default)]
pub(super) struct Recent {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) service: String,
    pub(super) port: String,
    pub(super) hostname: String,
    pub(super) target: String,
}

/// A whole file, ready to be written.
#[derive(Debug)]
pub struct Packed {
    head: Vec<u8>,
    body: Vec<Vec<u8>>,
}

impl Packed {
    /// How many octets the file has.
    pub fn len(&self) -> usize {
        self.pieces().map(<[u8]>::len).sum()
    }

    /// Never: a file without objects has a header.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file's octets, piece by piece.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&*self.head).chain(self.body.iter().map(|piece| &**piece))
    }
}

/// Packs what `state` hands over. Nothing comes of it if `state` says that there is none now.
pub fn pack(
    origin: &Origin,
    written: u64,
    state: impl FnOnce(&mut dyn FnMut(Stored<'_>)) -> Option<State>,
) -> Option<Packed> {
    let mut body = Body::default();
    let state = state(&mut |object| body.put(object))?;
    let header = Header { origin: origin.clone(), state, written };
    Some(Packed { head: head(&header, &body), body: body.pieces })
}

/// The header with what goes before and behind it: magic, version and length, and its checksum.
/// That frame is the same in every version, so that a newer one is told from a damaged one.
fn head(header: &Header, body: &Body) -> Vec<u8> {
    let mut fields = Vec::new();
    put_number(&mut fields, u64::from(header.state.serial));
    put_number(&mut fields, header.written);
    let kinds = header.state.kinds.iter();
    fields.push(kinds.fold(0, |bits, kind| bits | 1 << kind as u8));
    for count in body.counts {
        put_number(&mut fields, count);
    }
    put_number(&mut fields, body.len);
    fields.extend_from_slice(&body.check.clone().finalize().to_le_bytes());
    let parts = header.origin.parts();
    put_count(&mut fields, parts.len());
    for (what, value) in parts {
        put_lone_text(&mut fields, what);
        put_lone_text(&mut fields, value);
    }
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&VERSION.to_le_bytes());
    // A header of four gigabytes has no origin that was ever configured; it would be refused.
    head.extend_from_slice(&u32::try_from(fields.len()).unwrap_or(u32::MAX).to_le_bytes());
    head.extend_from_slice(&fields);
    let check = crc32fast::hash(&head);
    head.extend_from_slice(&check.to_le_bytes());
    head
}

/// The objects packed so far.
#[derive(Default)]
struct Body {
    pieces: Vec<Vec<u8>>,
    len: u64,
    check: crc32fast::Hasher,
    counts: [u64; Kind::ALL.len()],
    recent: Recent,
    object: Vec<u8>,
}

impl Body {
    fn put(&mut self, object: Stored<'_>) {
        self.object.clear();
        let mut pen = Pen { out: &mut self.object, recent: &mut self.recent };
        let kind = match object {
            Stored::Namespace(name) => pen.namespace(name),
            Stored::Service(service) => pen.service(service),
            Stored::EndpointSlice(slice) => pen.slice(slice),
            Stored::Endpoints(endpoints) => pen.endpoints(endpoints),
            Stored::Pod(key, ips) => pen.pod(key, ips),
        };
        if let Some(count) = self.counts.get_mut(kind as usize) {
            *count += 1;
        }
        self.len += self.object.len() as u64;
        self.check.update(&self.object);
        let mut rest = &*self.object;
        while !rest.is_empty() {
            let room = self.pieces.last().map_or(0, |piece| PIECE.saturating_sub(piece.len()));
            let (now, later) = rest.split_at(rest.len().min(room));
            match self.pieces.last_mut() {
                Some(piece) if room > 0 => piece.extend_from_slice(now),
                _ => self.pieces.push(Vec::with_capacity(PIECE)),
            }
            rest = later;
        }
    }
}

/// Writes one object.
struct Pen<'a> {
    out: &'a mut Vec<u8>,
    recent: &'a mut Recent,
}

impl Pen<'_> {
    /// The kind, how the version is written (0 not at all, 1 as a number, 2 as text), the key.
    fn meta(&mut self, kind: Kind, (namespace, name): (&str, &str), version: Option<&str>) {
        let is_plain = |text: &&str| *text == "0" || text.starts_with(|c| matches!(c, '1'..='9'));
        let number = version.filter(is_plain).and_then(|text| text.parse::<u64>().ok());
        let form = match (version, number) {
            (None, _) => 0,
            (Some(_), Some(_)) => 1,
            (Some(_), None) => 2,
        };
        self.out.push(kind as u8 | form << 3);
        put_text(self.out, &mut self.recent.namespace, namespace);
        put_text(self.out, &mut self.recent.name, name);
        match (version, number) {
            (None, _) => {}
            (_, Some(number)) => put_number(self.out, number),
            (Some(text), None) => put_lone_text(self.out, text),
        }
    }

    fn namespace(&mut self, name: &str) -> Kind {
        self.meta(Kind::Namespace, ("", name), None);
        Kind::Namespace
    }

    fn pod(&mut self, key: &ObjectKey, ips: &[IpAddr]) -> Kind {
        self.meta(Kind::Pod, parts(key), None);
        self.addresses(ips);
        Kind::Pod
    }

    fn service(&mut self, service: &Service) -> Kind {
        let Service {
            meta,
            external_name,
            cluster_ips,
            has_selector,
            ports,
            ip_families,
            session_affinity,
            local_traffic_only,
            publish_not_ready,
            selectorless,
        } = service;
        self.meta(Kind::Service, parts(&meta.key), meta.resource_version.as_deref());
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        self.out.push(
            flag(*has_selector, service::SELECTOR)
                | flag(*session_affinity, service::AFFINITY)
                | flag(*local_traffic_only, service::LOCAL)
                | flag(*publish_not_ready, service::NOT_READY)
                | flag(external_name.is_some(), service::EXTERNAL)
                | flag(selectorless.is_some(), service::SELECTORLESS)
                | flag(*cluster_ips == ClusterIps::Headless, service::HEADLESS)
                | flag(matches!(cluster_ips, ClusterIps::Addresses(_)), service::ADDRESSES),
        );
        for text in [external_name, selectorless].into_iter().flatten() {
            put_lone_text(self.out, text);
        }
        if let ClusterIps::Addresses(addresses) = cluster_ips {
            self.addresses(addresses);
        }
        put_count(self.out, ip_families.len());
        self.out.extend(ip_families.iter().map(|family| *family as u8));
        put_count(self.out, ports.len());
        for port in ports {
            put_text(self.out, &mut self.recent.port, &port.name);
            self.out.push(protocol(port.protocol));
            put_number(self.out, u64::from(port.port));
        }
        Kind::Service
    }

    fn slice(&mut self, slice: &EndpointSlice) -> Kind {
        let EndpointSlice { meta, service, managed_by, address_type, endpoints, ports } = slice;
        self.meta(Kind::EndpointSlice, parts(&meta.key), meta.resource_version.as_deref());
        let managed_by = match managed_by {
            ManagedBy::Controller => 0,
            ManagedBy::Mirroring => 1,
            ManagedBy::Other => 2,
        };
        let address_type = match address_type {
            SliceAddresses::V4 => 0,
            SliceAddresses::V6 => 1,
            SliceAddresses::Fqdn => 2,
        };
        self.out.push(managed_by | address_type << 2 | u8::from(service.is_some()) << 4);
        if let Some(service) = service {
            put_text(self.out, &mut self.recent.service, service);
        }
        self.endpoint_list(endpoints);
        self.ports(ports);
        Kind::EndpointSlice
    }

    fn endpoints(&mut self, endpoints: &Endpoints) -> Kind {
        let Endpoints { meta, not_for_services, subsets } = endpoints;
        self.meta(Kind::Endpoints, parts(&meta.key), meta.resource_version.as_deref());
        self.out.push(u8::from(*not_for_services));
        put_count(self.out, subsets.len());
        for subset in subsets {
            self.endpoint_list(&subset.endpoints);
            self.ports(&subset.ports);
        }
        Kind::Endpoints
    }

    fn endpoint_list(&mut self, endpoints: &[Endpoint]) {
        put_count(self.out, endpoints.len());
        for endpoint in endpoints {
            let Endpoint { addresses, ready, hostname, target_name, managed } = endpoint;
            let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
            let form = match addresses.as_slice() {
                [IpAddr::V4(_)] => endpoint::ONE_V4,
                [IpAddr::V6(_)] => endpoint::ONE_V6,
                _ => 0,
            };
            self.out.push(
                flag(*ready, endpoint::READY)
                    | flag(*managed, endpoint::MANAGED)
                    | flag(hostname.is_some(), endpoint::HOSTNAME)
                    | flag(target_name.is_some(), endpoint::TARGET)
                    | form,
            );
            match addresses.as_slice() {
                [IpAddr::V4(address)] => self.out.extend_from_slice(&address.octets()),
                [IpAddr::V6(address)] => self.out.extend_from_slice(&address.octets()),
                several => self.addresses(several),
            }
            if let Some(hostname) = hostname {
                put_text(self.out, &mut self.recent.hostname, hostname);
            }
            if let Some(target) = target_name {
                put_text(self.out, &mut self.recent.target, target);
            }
        }
    }

    fn ports(&mut self, ports: &[EndpointPort]) {
        put_count(self.out, ports.len());
        for port in ports {
            put_text(self.out, &mut self.recent.port, &port.name);
            self.out.push(protocol(port.protocol) | u8::from(port.port.is_some()) << 2);
            if let Some(number) = port.port {
                put_number(self.out, u64::from(number));
            }
        }
    }

    fn addresses(&mut self, addresses: &[IpAddr]) {
        put_count(self.out, addresses.len());
        for address in addresses {
            put_address(self.out, *address);
        }
    }
}

fn parts(key: &ObjectKey) -> (&str, &str) {
    (&key.namespace, &key.name)
}

fn protocol(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 0,
        Protocol::Udp => 1,
        Protocol::Sctp => 2,
    }
}
