//! Other DNS servers, each with one worker: what they are called, how they are configured and run. Those
//! with names of their own have the zone that ours dumps, those that ask on have our upstream.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contest::process::{Cores, Result, Running, free};

/// What a configuration is made of.
pub struct Place<'p> {
    /// Where the server is to listen.
    pub address: SocketAddr,
    /// Its own folder.
    pub folder: &'p Path,
    pub source: Source<'p>,
}

/// Where a server has its answers from.
#[derive(Clone, Copy)]
pub struct Source<'p> {
    /// The file of the zone `cluster.local`.
    pub zone: &'p Path,
    /// An API server with the same names, where there is one.
    pub api: Option<SocketAddr>,
    /// Who is asked for all else.
    pub upstream: Option<SocketAddr>,
}

/// A server, and how it is had.
pub struct Peer {
    pub name: &'static str,
    program: &'static str,
    cure: &'static str,
    /// Its configuration; `None` where it has nothing to answer from.
    pub configure: fn(&Place<'_>) -> Option<String>,
    arguments: &'static [&'static str],
}

pub const PEERS: [Peer; 5] = [
    Peer {
        name: "NSD",
        program: "nsd",
        cure: "it is in Debian's nsd",
        configure: |place| Some(nsd(place)),
        arguments: &["-d", "-c"],
    },
    Peer {
        name: "Knot",
        program: "knotd",
        cure: "it is in Debian's knot",
        configure: |place| Some(knot(place)),
        arguments: &["-c"],
    },
    Peer {
        name: "BIND",
        program: "named",
        cure: "it is in Debian's bind9",
        configure: |place| Some(bind(place)),
        arguments: &["-g", "-n", "1", "-c"],
    },
    Peer {
        name: "CoreDNS, file",
        program: "coredns",
        cure: "where Go is: go install github.com/coredns/coredns@latest",
        configure: |place| Some(coredns_file(place)),
        arguments: &["-conf"],
    },
    Peer {
        name: "CoreDNS, kubernetes",
        program: "coredns",
        cure: "where Go is: go install github.com/coredns/coredns@latest",
        configure: coredns_kubernetes,
        arguments: &["-conf"],
    },
];

/// Those that ask an upstream, and keep what it says.
pub const RESOLVERS: [Peer; 2] = [
    Peer {
        name: "unbound",
        program: "unbound",
        cure: "it is in Debian's unbound",
        configure: unbound,
        arguments: &["-d", "-c"],
    },
    Peer {
        name: "CoreDNS, cache",
        program: "coredns",
        cure: "where Go is: go install github.com/coredns/coredns@latest",
        configure: coredns_cache,
        arguments: &["-conf"],
    },
];

// Without its response rate limit, which is 200 a second where nothing is said.
fn nsd(Place { address, folder, source }: &Place<'_>) -> String {
    let (ip, port) = (address.ip(), address.port());
    let (folder, zone) = (folder.display(), source.zone.display());
    format!(
        r#"server:
    server-count: 1
    ip-address: {ip}@{port}
    do-ip6: no
    username: ""
    chroot: ""
    database: ""
    pidfile: ""
    zonesdir: "{folder}"
    xfrdfile: "{folder}/xfrd.state"
    zonelistfile: "{folder}/zone.list"
    xfrdir: "{folder}"
    minimal-responses: yes
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: cluster.local
    zonefile: "{zone}"
"#
    )
}

fn knot(Place { address, folder, source }: &Place<'_>) -> String {
    let (ip, port) = (address.ip(), address.port());
    let (folder, zone) = (folder.display(), source.zone.display());
    format!(
        r#"server:
    listen: {ip}@{port}
    rundir: "{folder}"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{folder}"
control:
    listen: "{folder}/knot.sock"
log:
  - target: stderr
    any: warning
template:
  - id: default
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
zone:
  - domain: cluster.local
    file: "{zone}"
"#
    )
}

// Owners such as _endpoints.* are no host names, though they have addresses.
fn bind(Place { address, folder, source }: &Place<'_>) -> String {
    let (ip, port) = (address.ip(), address.port());
    let (folder, zone) = (folder.display(), source.zone.display());
    format!(
        r#"options {{
    directory "{folder}";
    pid-file "{folder}/named.pid";
    session-keyfile "{folder}/session.key";
    listen-on port {port} {{ {ip}; }};
    listen-on-v6 {{ none; }};
    recursion no;
    minimal-responses yes;
    dnssec-validation no;
    notify no;
    zone-statistics no;
    empty-zones-enable no;
}};
controls {{ }};
zone "cluster.local" {{
    type primary;
    file "{zone}";
    check-names ignore;
    check-integrity no;
}};
"#
    )
}

fn coredns_file(Place { address, source, .. }: &Place<'_>) -> String {
    let (ip, port, zone) = (address.ip(), address.port(), source.zone.display());
    format!(
        ".:{port} {{\n    bind {ip}\n    file {zone} cluster.local {{\n        reload 0\n    }}\n}}\n"
    )
}

fn coredns_kubernetes(Place { address, source, .. }: &Place<'_>) -> Option<String> {
    let (ip, port, api) = (address.ip(), address.port(), source.api?);
    Some(format!(
        ".:{port} {{\n    bind {ip}\n    kubernetes cluster.local {{\n        endpoint http://{api}\n    }}\n}}\n"
    ))
}

// Without DNSSEC, which the others here do not check either, with room for all there is, and without the
// answer of its own that it has for names below `test` (RFC 6761).
fn unbound(Place { address, folder, source }: &Place<'_>) -> Option<String> {
    let (ip, port, upstream) = (address.ip(), address.port(), source.upstream?);
    let (folder, to, at) = (folder.display(), upstream.ip(), upstream.port());
    Some(format!(
        r#"server:
    num-threads: 1
    interface: {ip}@{port}
    do-ip6: no
    do-not-query-localhost: no
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
    msg-cache-size: 64m
    rrset-cache-size: 128m
    minimal-responses: yes
    local-zone: "test." nodefault
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: {to}@{at}
"#
    ))
}

fn coredns_cache(Place { address, source, .. }: &Place<'_>) -> Option<String> {
    let (ip, port, upstream) = (address.ip(), address.port(), source.upstream?);
    Some(format!(".:{port} {{\n    bind {ip}\n    cache\n    forward . {upstream}\n}}\n"))
}

/// What became of the attempt to run one.
pub enum Attempt {
    Runs(Running),
    /// Why not.
    Not(String),
}

impl Peer {
    /// Runs it on one core until `query` is answered with this response code. Its configuration is
    /// shown where `shown`.
    pub fn run(
        &self,
        source: Source<'_>,
        query: (&[u8], u8),
        cores: Cores,
        shown: bool,
    ) -> Result<(Attempt, tempfile::TempDir)> {
        let folder = tempfile::tempdir()?;
        let Some(program) = find(self.program) else {
            let why = format!("{} is not installed; {}", self.program, self.cure);
            return Ok((Attempt::Not(why), folder));
        };
        let address = free()?;
        let place = Place { address, folder: folder.path(), source };
        let Some(text) = (self.configure)(&place) else {
            let why = "the API server of this bench would be too large".to_owned();
            return Ok((Attempt::Not(why), folder));
        };
        let configuration = folder.path().join("conf");
        std::fs::write(&configuration, &text)?;
        let mut command = Command::new(program);
        // Threads of the Go runtime that run at a time.
        command.env("GOMAXPROCS", "1").current_dir(folder.path());
        command.args(self.arguments).arg(&configuration);
        if shown {
            println!("--- {}: {command:?}\n{text}", self.name);
        }
        let log = folder.path().join("log");
        let attempt = match Running::told(&mut command, cores, address, query, &log) {
            Ok(running) => Attempt::Runs(running),
            Err(fault) => Attempt::Not(fault.to_string()),
        };
        Ok((attempt, folder))
    }
}

/// Where a program is.
fn find(program: &str) -> Option<PathBuf> {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .chain(["/usr/sbin".into(), home.join("go/bin")])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
