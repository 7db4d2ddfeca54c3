//! What the cluster says: slim Kubernetes objects and the stream of changes to them.
//!
//! Every source (manifest files, an API server, a last-known-good state) speaks in the same
//! [`Change`]s, so that nothing behind this room can tell them apart.
#![forbid(unsafe_code)]

mod address;
pub mod manifest;
mod object;
pub(crate) mod packed;
mod refusal;
mod selector;
pub mod snapshot;
pub mod watch;
mod words;

pub use address::{AddressError, parse_address, push_canonical_label};
pub use object::{
    AddressFamily, Change, ClusterIps, Endpoint, EndpointPort, EndpointSlice, Endpoints, Kind,
    KindSet, ManagedBy, Meta, Namespace, Object, ObjectKey, Pod, Protocol, Service, ServicePort,
    SliceAddresses, Subset,
};
pub use refusal::{Refusal, Refused};
pub use selector::{LabelSelector, SelectorError};
