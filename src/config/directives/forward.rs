//! `forward`: other servers, asked for what this one does not know.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::name::{Name, is_within};

/// The `forward` directive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forward {
    /// The names that are forwarded: at or below this one.
    pub from: Name,
    /// The upstreams, in the order of the configuration; at most
    /// [`MAX_UPSTREAMS`](crate::config::MAX_UPSTREAMS).
    pub to: Vec<Upstream>,
    /// Names at or below one of these are not forwarded.
    pub except: Vec<Name>,
    /// Which upstream is asked first.
    pub policy: Policy,
    /// What plain DNS is carried by.
    pub carrier: Carrier,
    /// How long an idle connection is kept.
    pub expire: Duration,
    /// How long a connection is used at all; without end where absent.
    pub max_age: Option<Duration>,
    /// How many idle connections are kept for one upstream; any number where absent.
    pub max_idle_conns: Option<u32>,
    /// How many failed health checks make an upstream count as down; none do where 0.
    pub max_fails: u32,
    /// How many attempts at upstreams may fail for one query: twice as many as there are upstreams
    /// where absent, and bounded by time alone where 0.
    pub max_connect_attempts: Option<u32>,
    /// How long an upstream may take for one reply; the client's own limit where absent.
    pub read_timeout: Option<Duration>,
    /// How an upstream that has failed is asked whether it is back.
    pub health_check: HealthCheck,
    /// How many queries may wait for upstreams; those beyond are refused. Any number where absent.
    pub max_concurrent: Option<u32>,
    /// SERVFAIL at once while every upstream counts as down, instead of trying one of them.
    pub fail_fast: bool,
    /// On these response codes the next `forward` is asked.
    pub next: Vec<u16>,
    /// An answer without data is a reason to ask the next `forward`.
    pub next_on_nodata: bool,
    /// On these response codes another upstream is asked.
    pub failover: Vec<u16>,
    /// Queries leave from this address.
    pub source: Option<IpAddr>,
    /// The servers that know the addresses of upstreams written as names.
    pub resolver: Vec<SocketAddr>,
    /// How TLS is spoken.
    pub tls: Tls,
    /// DNS over HTTPS with GET instead of POST.
    pub doh_get: bool,
}

impl Forward {
    /// These names to these servers, everything else as it is by default.
    pub fn new(from: Name, to: Vec<Upstream>) -> Self {
        Self {
            from,
            to,
            except: Vec::new(),
            policy: Policy::default(),
            carrier: Carrier::default(),
            expire: Duration::from_secs(10),
            max_age: None,
            max_idle_conns: None,
            max_fails: 2,
            max_connect_attempts: None,
            read_timeout: None,
            health_check: HealthCheck::default(),
            max_concurrent: None,
            fail_fast: false,
            next: Vec::new(),
            next_on_nodata: false,
            failover: Vec::new(),
            source: None,
            resolver: Vec::new(),
            tls: Tls::default(),
            doh_get: false,
        }
    }

    /// The addresses of the upstreams.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.to.iter().map(|upstream| upstream.address).collect()
    }

    /// Whether `name` is forwarded.
    pub fn covers(&self, name: &Name) -> bool {
        self.covers_wire(name.as_wire())
    }

    /// The same of a name in wire form and lower case, as a query has it.
    pub fn covers_wire(&self, name: &[u8]) -> bool {
        let within = |zone: &Name| is_within(name, zone.as_wire());
        // As CoreDNS has it, the name of the directive itself cannot be excepted.
        name == self.from.as_wire() || within(&self.from) && !self.except.iter().any(within)
    }
}

/// One server that queries are forwarded to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upstream {
    /// Where it is.
    pub address: SocketAddr,
    /// What it speaks.
    pub protocol: Protocol,
    /// The name that its certificate must have, where the upstream itself says one.
    pub server_name: Option<String>,
    /// The resolv.conf that names it, where one does; it may change.
    pub file: Option<PathBuf>,
}

impl Upstream {
    /// A server that speaks DNS over UDP and TCP.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, protocol: Protocol::Dns, server_name: None, file: None }
    }
}

/// What an upstream speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// DNS over UDP and TCP.
    Dns,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
    /// DNS over QUIC (RFC 9250).
    Quic,
}

/// What plain DNS is carried by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Carrier {
    /// What the client came with.
    #[default]
    AsAsked,
    /// TCP.
    Tcp,
    /// UDP first.
    PreferUdp,
}

/// Which upstream is asked first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Policy {
    /// Any.
    #[default]
    Random,
    /// Each in its turn.
    RoundRobin,
    /// The first, as long as it is well.
    Sequential,
}

/// How an upstream that has failed is asked whether it is back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthCheck {
    /// How often.
    pub interval: Duration,
    /// Whether recursion is desired.
    pub recursion: bool,
    /// For which name.
    pub domain: Name,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self { interval: Duration::from_millis(500), recursion: true, domain: Name::root() }
    }
}

/// How TLS is spoken with upstreams.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tls {
    /// This server's certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The authority that signed the upstreams' certificates; those of the system where absent.
    pub authority: Option<PathBuf>,
    /// The name that their certificates must have.
    pub server_name: Option<String>,
}
