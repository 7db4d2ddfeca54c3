//! Corefile and flags, read into one typed [`Config`].
//!
//! [`read`] takes a command line and gives back a [`Command`] that is complete: whatever is wrong or
//! would have no effect has been said by then. [`read_corefile`] reads a Corefile alone, as `check`
//! and a reload want it. Read by the main thread, before anything else runs.
#![forbid(unsafe_code)]

mod command;
mod coredns;
mod corefile;
mod directives;
mod error;
mod flags;
mod gotext;
mod interfaces;
mod quick;
mod table;
mod unbuilt;
mod value;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::name::Name;
use crate::zone;

pub use command::{Command, Comparison, Corefile, Exit, Explain, Run, read, read_again};
pub use corefile::{
    class_mnemonic, class_name, class_number, read as read_corefile, type_mnemonic, type_name,
    type_number,
};
pub use directives::{
    Acl, AclAction, AclRule, AnswerRule, Balance, Cache, Carrier, Chaos, Consolidate, Errors,
    Forward, Half, Health, HealthCheck, Hosts, HostsEntry, LoadBalance, Log, LogClass, Monitor,
    NameChange, NameTest, Nsid, Pattern, Policy, Prefetch, Prometheus, Protocol, Ready, Reload,
    Rewrite, RewriteRule, Rewritten, ServeStale, Template, Tls, Transfer, TransferTo, Upstream,
};
pub use error::{ConfigError, Position, Warning};
pub use flags::{LogFormat, LogLevel, LogOptions, Output, Pod};
pub use gotext::{Piece, RecordTemplate};
pub use interfaces::{Interface, host_name, interfaces};
pub(crate) use value::read_resolv_conf;
pub use value::{Cidr, DNS_PORT, MAX_UPSTREAMS};

/// The largest UDP response with EDNS where nothing else is said, in octets (RFC 9715, section 3.1
/// gives 1,400 as an upper bound; 1,232 is DNS Flag Day 2020's figure and `bufsize`'s default).
pub const DEFAULT_BUFSIZE: u16 = 1_232;
/// The smallest `bufsize`, in octets (RFC 6891, section 6.2.5).
pub const MIN_BUFSIZE: u16 = 512;
/// The largest `bufsize`, in octets; CoreDNS has the same limit.
pub const MAX_BUFSIZE: u16 = 4_096;
/// The most UDP threads: more than the CPUs of any machine that this runs on, few enough to start.
pub const MAX_WORKERS: usize = 1_024;

/// Everything that a run of the server is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The server blocks, in their order.
    pub servers: Vec<ServerBlock>,
    /// UDP threads; as many as CPUs may be used where absent.
    pub workers: Option<usize>,
    /// How long answers go on after SIGTERM.
    pub lameduck: Duration,
    /// Where `/health` is served; `[::]` here and below stands for every address of both families.
    pub health: Option<SocketAddr>,
    /// Where `/ready` is served.
    pub ready: Option<SocketAddr>,
    /// Where `/metrics` is served.
    pub metrics: Option<SocketAddr>,
    /// What was understood but has no effect, or looks like a mistake.
    pub warnings: Vec<Warning>,
}

/// One server block: the names that it serves, where, and with what.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerBlock {
    /// Which block of the configuration this is, from 0. A Corefile's block whose zones name several
    /// ports becomes several of these, one a port, alike in all but `zones` and `listen`.
    pub block: usize,
    /// A query goes to the block with the longest zone that holds its name.
    pub zones: Vec<Name>,
    /// The addresses to listen on, UDP and TCP.
    pub listen: Vec<Listen>,
    /// The cluster's names.
    pub kubernetes: Option<Kubernetes>,
    /// Everything else; a name goes to the first that covers it.
    pub forward: Vec<Forward>,
    /// What goes wrong with a query is logged.
    pub errors: Option<Errors>,
    /// The largest UDP response with EDNS, in octets, [`MIN_BUFSIZE`] to [`MAX_BUFSIZE`].
    pub bufsize: u16,
    /// Who may ask for what.
    pub acl: Vec<Acl>,
    /// Answers of upstreams are kept.
    pub cache: Option<Cache>,
    /// Queries of the class CH are answered.
    pub chaos: Option<Chaos>,
    /// What helps to find a fault is logged.
    pub debug: bool,
    /// Liveness.
    pub health: Option<Health>,
    /// Names of a hosts file.
    pub hosts: Option<Hosts>,
    /// Addresses of an answer are put in another order.
    pub load_balance: Option<LoadBalance>,
    /// Queries are logged.
    pub log: Vec<Log>,
    /// A loop of forwarding is looked for at the start.
    pub find_loops: bool,
    /// Responses hold what they must, and no more.
    pub minimal: bool,
    /// Responses say who gives them.
    pub nsid: Option<Nsid>,
    /// Metrics.
    pub prometheus: Option<Prometheus>,
    /// Readiness.
    pub ready: Option<Ready>,
    /// The Corefile is followed.
    pub reload: Option<Reload>,
    /// What is asked is looked up as something else.
    pub rewrite: Vec<Rewrite>,
    /// Answers made of the query.
    pub template: Vec<Template>,
    /// Who may transfer which zones.
    pub transfer: Vec<Transfer>,
}

/// A block without zones, addresses and directives.
impl Default for ServerBlock {
    fn default() -> Self {
        Self {
            block: 0,
            zones: Vec::new(),
            listen: Vec::new(),
            kubernetes: None,
            forward: Vec::new(),
            errors: None,
            bufsize: DEFAULT_BUFSIZE,
            acl: Vec::new(),
            cache: None,
            chaos: None,
            debug: false,
            health: None,
            hosts: None,
            load_balance: None,
            log: Vec::new(),
            find_loops: false,
            minimal: false,
            nsid: None,
            prometheus: None,
            ready: None,
            reload: None,
            rewrite: Vec::new(),
            template: Vec::new(),
            transfer: Vec::new(),
        }
    }
}

/// One address to listen on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// Nobody wrote it: where IPv6 is off, `[::]:53` may fail with a warning.
    pub implied: bool,
}

impl Listen {
    /// Every address of both families, implied; the IPv6 one is for IPv6 only.
    pub fn everywhere(port: u16) -> Vec<Self> {
        [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)]
            .into_iter()
            .map(|address| Self { address: SocketAddr::new(address, port), implied: true })
            .collect()
    }

    /// An address that somebody wrote.
    pub fn written(address: SocketAddr) -> Self {
        Self { address, implied: false }
    }
}

/// The `kubernetes` directive.
#[derive(Clone, Debug, PartialEq)]
pub struct Kubernetes {
    /// Zones and how objects become answers. `local_addresses` is filled in once the listening
    /// addresses are known.
    pub spec: zone::Spec,
    /// Where the objects come from.
    pub source: Source,
    /// The file of the last-known-good state.
    pub snapshot: Option<PathBuf>,
    /// Whether answers carry EDE texts (RFC 8914).
    pub ede: bool,
    /// Who may ask for `_explain` names.
    pub explain: Vec<Cidr>,
    /// Where a Corefile says so, as `Corefile:5:5`; nothing for the command line.
    pub place: Option<String>,
}

impl Kubernetes {
    /// These zones from this source, everything else as it is by default.
    pub fn new(spec: zone::Spec, source: Source) -> Self {
        let explain = ["127.0.0.0/8", "::1/128"]
            .into_iter()
            .filter_map(|net| Cidr::parse(net).ok())
            .collect();
        Self { spec, source, snapshot: None, ede: true, explain, place: None }
    }
}

/// Where objects come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// Files and folders; relative ones count from the working directory.
    Manifests(Vec<PathBuf>),
    /// An API server.
    Cluster(ApiServer),
}

/// How an API server is reached: in-cluster, then the usual kubeconfig, where nothing is said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ApiServer {
    /// A kubeconfig; it wins over `endpoint`.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig other than its current one.
    pub context: Option<String>,
    /// A URL.
    pub endpoint: Option<String>,
    /// The credentials for `endpoint`.
    pub tls: Option<ClientTls>,
    /// How long a start waits for the first lists.
    pub startup_timeout: Option<Duration>,
}

/// The files of a client certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientTls {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority that signed the server's.
    pub authority: PathBuf,
}

/// What a configuration without any `forward` is told.
fn no_upstream(cure: &str) -> Warning {
    Warning(format!(
        "no upstream: a pod that has this server as its nameserver needs an upstream; ExternalName \
         targets outside answer a bare CNAME; {cure}"
    ))
}
