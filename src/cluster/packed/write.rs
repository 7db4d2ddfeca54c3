//! Objects into octets.

use std::net::IpAddr;

use super::uid::octets_of;
use super::wire::{put_address, put_count, put_lone_text, put_number, put_text};
use super::{Recent, Stored};
use crate::cluster::{
    ClusterIps, Endpoint, EndpointPort, EndpointSlice, Endpoints, Kind, ManagedBy, Meta, ObjectKey,
    Protocol, Service, SliceAddresses,
};

/// Where in an object's first octet it is told how its version, and how its uid is written.
pub(super) const VERSION_SHIFT: u8 = 3;
pub(super) const UID_SHIFT: u8 = 5;

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

/// Writes `object` behind what is in `out`, next to what was written there before, and says of which
/// kind it is.
pub(crate) fn write(out: &mut Vec<u8>, recent: &mut Recent, object: Stored<'_>) -> Kind {
    let mut pen = Pen { out, recent };
    match object {
        Stored::Namespace(name) => pen.namespace(name),
        Stored::Service(service) => pen.service(service),
        Stored::EndpointSlice(slice) => pen.slice(slice),
        Stored::Endpoints(endpoints) => pen.endpoints(endpoints),
        Stored::Pod(key, ips) => pen.pod(key, ips),
    }
}

/// Writes one object.
struct Pen<'a> {
    out: &'a mut Vec<u8>,
    recent: &'a mut Recent,
}

impl Pen<'_> {
    /// The kind, how the version is written (0 not at all, 1 as a number, 2 as text), how the uid is
    /// (0 not at all, 1 in 16 octets, 2 as text), the key.
    fn meta(&mut self, kind: Kind, meta: &Meta) {
        let ObjectKey { namespace, name } = &meta.key;
        let version = meta.resource_version.as_deref();
        let is_plain = |text: &&str| *text == "0" || text.starts_with(|c| matches!(c, '1'..='9'));
        let number = version.filter(is_plain).and_then(|text| text.parse::<u64>().ok());
        let form = match (version, number) {
            (None, _) => 0,
            (Some(_), Some(_)) => 1,
            (Some(_), None) => 2,
        };
        let uid = meta.uid.as_deref();
        let octets = uid.and_then(octets_of);
        let uid_form = match (uid, octets) {
            (None, _) => 0,
            (Some(_), Some(_)) => 1,
            (Some(_), None) => 2,
        };
        self.out.push(kind as u8 | form << VERSION_SHIFT | uid_form << UID_SHIFT);
        put_text(self.out, &mut self.recent.namespace, namespace);
        put_text(self.out, &mut self.recent.name, name);
        match (version, number) {
            (None, _) => {}
            (_, Some(number)) => put_number(self.out, number),
            (Some(text), None) => put_lone_text(self.out, text),
        }
        match (uid, octets) {
            (None, _) => {}
            (_, Some(octets)) => self.out.extend_from_slice(&octets),
            (Some(text), None) => put_lone_text(self.out, text),
        }
    }

    /// The same of an object of which no more than its key is kept.
    fn key(&mut self, kind: Kind, namespace: &str, name: &str) {
        self.out.push(kind as u8);
        put_text(self.out, &mut self.recent.namespace, namespace);
        put_text(self.out, &mut self.recent.name, name);
    }

    fn namespace(&mut self, name: &str) -> Kind {
        self.key(Kind::Namespace, "", name);
        Kind::Namespace
    }

    fn pod(&mut self, key: &ObjectKey, ips: &[IpAddr]) -> Kind {
        self.key(Kind::Pod, &key.namespace, &key.name);
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
        self.meta(Kind::Service, meta);
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
        self.meta(Kind::EndpointSlice, meta);
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
        self.meta(Kind::Endpoints, meta);
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

fn protocol(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 0,
        Protocol::Udp => 1,
        Protocol::Sctp => 2,
    }
}
