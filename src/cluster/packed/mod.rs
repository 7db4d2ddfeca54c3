//! Objects as octets: how the registry keeps them and how the last known good state holds them.
//!
//! An endpoint takes half a dozen octets so, a tenth of what it takes as a value, and an object is
//! one allocation. Equal objects have equal octets. Names are written next to others that they are
//! likely to share a beginning with ([`Recent`]); the same are needed to read them.

mod read;
mod uid;
mod wire;
mod write;

use std::net::IpAddr;

use super::{EndpointSlice, Endpoints, Object, ObjectKey, Service};

pub(crate) use read::{read, read_name};
pub(crate) use wire::{Cursor, Flaw, put_count, put_lone_text, put_number};
pub(crate) use write::write;

/// One object, borrowed from where it is kept.
#[derive(Clone, Copy, Debug)]
pub enum Stored<'a> {
    /// A Namespace, by name.
    Namespace(&'a str),
    /// A Service.
    Service(&'a Service),
    /// A slice.
    EndpointSlice(&'a EndpointSlice),
    /// Hand-written endpoints.
    Endpoints(&'a Endpoints),
    /// A pod that lives, and its addresses.
    Pod(&'a ObjectKey, &'a [IpAddr]),
}

impl<'a> Stored<'a> {
    /// What of `object` is kept; nothing of a pod that does not live.
    pub fn of(object: &'a Object) -> Option<Self> {
        Some(match object {
            Object::Namespace(namespace) => Self::Namespace(&namespace.meta.key.name),
            Object::Service(service) => Self::Service(service),
            Object::EndpointSlice(slice) => Self::EndpointSlice(slice),
            Object::Endpoints(endpoints) => Self::Endpoints(endpoints),
            Object::Pod(pod) if pod.live => Self::Pod(&pod.meta.key, &pod.ips),
            Object::Pod(_) => return None,
        })
    }
}

/// The texts that the next ones are written next to, by their role.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    namespace: String,
    name: String,
    service: String,
    port: String,
    hostname: String,
    target: String,
}

impl Recent {
    /// As if the Service `key` had been written last.
    pub(crate) fn near(key: &ObjectKey) -> Self {
        let (namespace, name) = (key.namespace.to_string(), key.name.to_string());
        Self { namespace, service: name.clone(), name, ..Self::default() }
    }
}
