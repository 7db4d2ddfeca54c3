//! One object as the write model keeps it: packed into one allocation, next to the key that it is
//! filed under, which is not written a second time.

use crate::cluster::packed::{self, Cursor, Flaw, Recent, Stored};
use crate::cluster::{EndpointSlice, Endpoints, Object, ObjectKey, Pod, Service};

/// An object. Equal ones under the same key are equal objects.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Kept(Box<[u8]>);

impl Kept {
    /// Keeps `object` under `key`: that of its Service, where it has one. Labels are not kept.
    pub(super) fn new(key: &ObjectKey, object: Stored<'_>) -> Self {
        let mut octets = Vec::new();
        packed::write(&mut octets, &mut Recent::near(key), object);
        Self(octets.into())
    }

    /// What [`packed::read`] reads next to the key.
    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The object's name.
    pub(super) fn name(&self, key: &ObjectKey) -> String {
        let name = packed::read_name(&mut Cursor::new(&self.0), Recent::near(key));
        name.unwrap_or_else(|flaw| {
            unreadable(key, flaw);
            String::new()
        })
    }

    /// The object, if it is a Service.
    pub(super) fn service(&self, key: &ObjectKey) -> Option<Service> {
        if let Object::Service(service) = self.object(key)? { Some(service) } else { None }
    }

    /// The object, if it is a slice.
    pub(super) fn slice(&self, key: &ObjectKey) -> Option<EndpointSlice> {
        if let Object::EndpointSlice(slice) = self.object(key)? { Some(slice) } else { None }
    }

    /// The object, if it is an Endpoints object.
    pub(super) fn endpoints(&self, key: &ObjectKey) -> Option<Endpoints> {
        if let Object::Endpoints(endpoints) = self.object(key)? { Some(endpoints) } else { None }
    }

    /// The object, if it is a pod.
    pub(super) fn pod(&self, key: &ObjectKey) -> Option<Pod> {
        if let Object::Pod(pod) = self.object(key)? { Some(pod) } else { None }
    }

    /// The object, whatever it is.
    pub(super) fn object(&self, key: &ObjectKey) -> Option<Object> {
        let object = packed::read(&mut Cursor::new(&self.0), &mut Recent::near(key));
        object.inspect_err(|flaw| unreadable(key, flaw)).ok()
    }
}

/// Octets that were written here are read back, so this is for a fault of this program.
fn unreadable(key: &ObjectKey, flaw: Flaw) {
    tracing::error!(service = %key, flaw, "an object is not as it was kept; please report this");
}
