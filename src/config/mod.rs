//! Corefile and flags, read into one typed [`Config`].
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::name::Name;
use crate::zone;

/// Everything that a run of the server is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server blocks, in their order.
    pub servers: Vec<ServerBlock>,
    /// UDP threads; as many as CPUs may be used where absent.
    pub workers: Option<usize>,
    /// How long answers go on after SIGTERM.
    pub lameduck: Duration,
    /// What was understood but has no effect, or looks like a mistake.
    pub warnings: Vec<Warning>,
}

/// One server block: the names that it serves, where, and with what.
#[derive(Clone, Debug)]
pub struct ServerBlock {
    /// A query goes to the block with the longest zone that holds its name.
    pub zones: Vec<Name>,
    /// The addresses to listen on, UDP and TCP.
    pub listen: Vec<Listen>,
    /// The cluster's names.
    pub kubernetes: Option<Kubernetes>,
    /// Everything else.
    pub forward: Option<Forward>,
    /// Log what goes wrong with a query.
    pub errors: bool,
    /// The largest UDP response with EDNS, in octets.
    pub bufsize: u16,
}

/// One address to listen on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// Nobody wrote it: where IPv6 is off, `[::]:53` may fail with a warning.
    pub implied: bool,
}

/// The `kubernetes` directive.
#[derive(Clone, Debug)]
pub struct Kubernetes {
    /// Zones and how objects become answers. `local_addresses` is filled in once the listening
    /// addresses are known.
    pub spec: zone::Spec,
    /// Where the objects come from.
    pub source: Source,
}

/// Where objects come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// Files and folders.
    Manifests(Vec<PathBuf>),
    /// An API server.
    Cluster,
}

/// The `forward` directive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forward {
    /// The names that are forwarded: at or below this one.
    pub from: Name,
    /// The upstreams, asked in turn.
    pub to: Vec<SocketAddr>,
}

/// A remark about the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning(pub String);
