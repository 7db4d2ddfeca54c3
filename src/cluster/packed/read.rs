//! Octets into objects: the mirror of what writes them, trusting none of them.

use std::net::IpAddr;

use super::Recent;
use super::uid::uid_of;
use super::wire::{Cursor, Flaw};
use super::write::{UID_SHIFT, VERSION_SHIFT, endpoint, service};
use crate::cluster::{
    AddressFamily, ClusterIps, Endpoint, EndpointPort, EndpointSlice, Endpoints, Kind, ManagedBy,
    Meta, Namespace, Object, ObjectKey, Pod, Protocol, Service, ServicePort, SliceAddresses,
    Subset,
};

/// Reads the next object, which was written next to `recent`.
pub(crate) fn read(cursor: &mut Cursor<'_>, recent: &mut Recent) -> Result<Object, Flaw> {
    Eye { cursor, recent }.object()
}

/// Reads no more of the next object than its name.
pub(crate) fn read_name(cursor: &mut Cursor<'_>, mut recent: Recent) -> Result<String, Flaw> {
    Eye { cursor, recent: &mut recent }.head()?;
    Ok(recent.name)
}

/// Reads one object.
struct Eye<'a, 'o> {
    cursor: &'a mut Cursor<'o>,
    recent: &'a mut Recent,
}

impl Eye<'_, '_> {
    /// The first octet; the key is then what is recent.
    fn head(&mut self) -> Result<u8, Flaw> {
        let tag = self.cursor.octet()?;
        self.cursor.text(&mut self.recent.namespace)?;
        self.cursor.text(&mut self.recent.name)?;
        Ok(tag)
    }

    fn object(&mut self) -> Result<Object, Flaw> {
        let tag = self.head()?;
        let key = ObjectKey::new(&self.recent.namespace, &self.recent.name);
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == tag & 0b111);
        let kind = kind.ok_or("an object is of no known kind")?;
        let resource_version = match tag >> VERSION_SHIFT & 0b11 {
            0 => None,
            1 => Some(self.cursor.number()?.to_string().into()),
            2 => Some(self.cursor.lone_text()?.into()),
            _ => return Err("an object's version is of no known form"),
        };
        let uid = match tag >> UID_SHIFT {
            0 => None,
            1 => Some(uid_of(self.cursor.array()?)),
            2 => Some(self.cursor.lone_text()?.into()),
            _ => return Err("an object's uid is of no known form"),
        };
        let meta = Meta { key, resource_version, uid, labels: Vec::new() };
        Ok(match kind {
            Kind::Namespace => Object::Namespace(Namespace { meta }),
            Kind::Service => Object::Service(self.service(meta)?),
            Kind::EndpointSlice => Object::EndpointSlice(self.slice(meta)?),
            Kind::Endpoints => Object::Endpoints(self.endpoints(meta)?),
            Kind::Pod => Object::Pod(Pod { meta, ips: self.addresses()?, live: true }),
        })
    }

    fn service(&mut self, meta: Meta) -> Result<Service, Flaw> {
        let flags = self.cursor.octet()?;
        let has = |bit: u8| flags & bit != 0;
        let mut text = |bit: u8| -> Result<Option<Box<str>>, Flaw> {
            if has(bit) { Ok(Some(self.cursor.lone_text()?.into())) } else { Ok(None) }
        };
        let external_name = text(service::EXTERNAL)?;
        let selectorless = text(service::SELECTORLESS)?;
        let cluster_ips = match (has(service::HEADLESS), has(service::ADDRESSES)) {
            (false, false) => ClusterIps::Absent,
            (true, false) => ClusterIps::Headless,
            (false, true) => ClusterIps::Addresses(self.addresses()?),
            (true, true) => return Err("a Service is headless and has addresses"),
        };
        let ip_families = self.list(|eye| match eye.cursor.octet()? {
            0 => Ok(AddressFamily::V4),
            1 => Ok(AddressFamily::V6),
            _ => Err("an address family is not known"),
        })?;
        let ports = self.list(|eye| {
            let name = eye.cursor.text(&mut eye.recent.port)?.into();
            let protocol = protocol(eye.cursor.octet()?)?;
            Ok(ServicePort { name, protocol, port: eye.cursor.small()? })
        })?;
        Ok(Service {
            meta,
            external_name,
            cluster_ips,
            has_selector: has(service::SELECTOR),
            ports,
            ip_families,
            session_affinity: has(service::AFFINITY),
            local_traffic_only: has(service::LOCAL),
            publish_not_ready: has(service::NOT_READY),
            selectorless,
        })
    }

    fn slice(&mut self, meta: Meta) -> Result<EndpointSlice, Flaw> {
        let bits = self.cursor.octet()?;
        let managed_by = match bits & 0b11 {
            0 => ManagedBy::Controller,
            1 => ManagedBy::Mirroring,
            2 => ManagedBy::Other,
            _ => return Err("a slice's writer is not known"),
        };
        let address_type = match bits >> 2 & 0b11 {
            0 => SliceAddresses::V4,
            1 => SliceAddresses::V6,
            2 => SliceAddresses::Fqdn,
            _ => return Err("a slice's address type is not known"),
        };
        let service = match bits >> 4 {
            0 => None,
            1 => Some(self.cursor.text(&mut self.recent.service)?.into()),
            _ => return Err("a slice has unknown flags"),
        };
        let endpoints = self.list(Self::endpoint)?;
        let ports = self.list(Self::port)?;
        Ok(EndpointSlice { meta, service, managed_by, address_type, endpoints, ports })
    }

    fn endpoints(&mut self, meta: Meta) -> Result<Endpoints, Flaw> {
        let not_for_services = match self.cursor.octet()? {
            0 => false,
            1 => true,
            _ => return Err("an Endpoints object has unknown flags"),
        };
        let subsets = self.list(|eye| {
            let endpoints = eye.list(Self::endpoint)?;
            Ok(Subset { endpoints, ports: eye.list(Self::port)? })
        })?;
        Ok(Endpoints { meta, not_for_services, subsets })
    }

    fn endpoint(&mut self) -> Result<Endpoint, Flaw> {
        let flags = self.cursor.octet()?;
        let has = |bit: u8| flags & bit != 0;
        if has(!endpoint::KNOWN) {
            return Err("an endpoint has unknown flags");
        }
        let addresses = match (has(endpoint::ONE_V4), has(endpoint::ONE_V6)) {
            (true, false) => std::iter::once(self.cursor.v4()?).collect(),
            (false, true) => std::iter::once(self.cursor.v6()?).collect(),
            (false, false) => self.addresses()?,
            (true, true) => return Err("an endpoint has unknown flags"),
        };
        let hostname = if has(endpoint::HOSTNAME) {
            Some(self.cursor.text(&mut self.recent.hostname)?.into())
        } else {
            None
        };
        let target_name = if has(endpoint::TARGET) {
            Some(self.cursor.text(&mut self.recent.target)?.into())
        } else {
            None
        };
        let (ready, managed) = (has(endpoint::READY), has(endpoint::MANAGED));
        Ok(Endpoint { addresses, ready, hostname, target_name, managed })
    }

    fn port(&mut self) -> Result<EndpointPort, Flaw> {
        let name = self.cursor.text(&mut self.recent.port)?.into();
        let bits = self.cursor.octet()?;
        let port = match bits >> 2 {
            0 => None,
            1 => Some(self.cursor.small()?),
            _ => return Err("a port has unknown flags"),
        };
        Ok(EndpointPort { name, protocol: protocol(bits & 0b11)?, port })
    }

    fn addresses<A: FromIterator<IpAddr>>(&mut self) -> Result<A, Flaw> {
        self.list(|eye| eye.cursor.address())
    }

    fn list<T, L: FromIterator<T>>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, Flaw>,
    ) -> Result<L, Flaw> {
        (0..self.cursor.count()?).map(|_| one(self)).collect()
    }
}

fn protocol(bits: u8) -> Result<Protocol, Flaw> {
    match bits {
        0 => Ok(Protocol::Tcp),
        1 => Ok(Protocol::Udp),
        2 => Ok(Protocol::Sctp),
        _ => Err("a protocol is not known"),
    }
}
