//! The options of the command line, as clap reads them. Each value is checked where it is read, so
//! that a complaint can name its option.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::value::{parse_http_listen, parse_listen, parse_zones};
use super::{DNS_PORT, MAX_WORKERS, type_name, type_number};
use crate::name::{Name, NameError};
use crate::zone::{MAX_TTL, Pods, Selectorless};

/// Answers DNS for a Kubernetes cluster's domain.
#[derive(Debug, Parser)]
#[command(name = "fingerpost", version, disable_help_subcommand = true)]
#[command(after_help = "'fingerpost -conf FILE' is the same as 'fingerpost serve -c FILE'.")]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Sub,
}

#[derive(Debug, Subcommand)]
pub(super) enum Sub {
    /// Answer DNS
    Serve(RunOptions),
    /// Say what a name answers, and why: from manifests, an API server, a last known good state
    /// (--snapshot alone), or a running server
    Explain {
        #[command(flatten)]
        explain: ExplainOptions,
        #[command(flatten)]
        run: RunOptions,
    },
    /// Report every fault of a Corefile and of manifests
    Check {
        /// The Corefile
        #[arg(short = 'c', long = "conf", value_name = "FILE")]
        conf: Option<PathBuf>,
        /// A file or folder of manifests; repeatable
        #[arg(long, value_name = "PATH")]
        manifests: Vec<PathBuf>,
    },
    /// Print the zone as text, a record a line
    Dump {
        // Not a doc comment, in which `[:PORT]` would be a link.
        #[arg(
            value_name = "FROM",
            help = "A server that transfers it (ADDR[:PORT], dns://ADDR[:PORT]), or a snapshot, in \
                    place of the sources of the options"
        )]
        from: Option<String>,
        #[command(flatten)]
        run: RunOptions,
    },
    /// Compare the zones of two servers, snapshots, manifests or dumps, record by record
    Diff {
        #[arg(
            value_name = "A",
            help = "A server that transfers its zones (ADDR[:PORT], dns://ADDR[:PORT]), a snapshot, \
                    a file or folder of manifests, or what 'dump' has written"
        )]
        first: String,
        /// What it is compared with
        #[arg(value_name = "B")]
        second: String,
        #[command(flatten)]
        options: DiffOptions,
    },
}

/// What `diff` is told.
#[derive(Debug, Args)]
pub(super) struct DiffOptions {
    /// Another serial is a difference too
    #[arg(long)]
    pub(super) serial: bool,
    /// A zone, or a network for its reverse zones; repeatable. Servers are asked for forward zones
    /// alone [default: cluster.local, in-addr.arpa, ip6.arpa]
    #[arg(long, value_name = "NAME", value_parser = Zones::parse)]
    pub(super) zone: Vec<Zones>,
    /// Of manifests and snapshots: the TTL of answers, 0 to 3600 [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = ttl, allow_negative_numbers = true)]
    pub(super) ttl: Option<u32>,
    /// The same: what a selector-less Service with a cluster IP answers: auto, endpoints or
    /// cluster-ip [default: auto]
    #[arg(long, value_name = "MODE", value_parser = selectorless)]
    pub(super) selectorless: Option<Selectorless>,
    /// The same: an address that the server listens on, which ns.dns has; repeatable [default:
    /// those of this machine]
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_listen)]
    pub(super) listen: Vec<SocketAddr>,
    #[command(flatten)]
    pub(super) log: LogOptions,
}

impl DiffOptions {
    /// The quick options that say the same.
    pub(super) fn quick(self) -> QuickOptions {
        let Self { zone, ttl, selectorless, listen, .. } = self;
        QuickOptions { listen, zone, ttl, selectorless, ..QuickOptions::default() }
    }
}

/// Sources, zones and the rest of what a run is told.
#[derive(Debug, Args)]
pub(super) struct RunOptions {
    /// A Corefile; in place of the quick options below
    #[arg(short = 'c', long = "conf", value_name = "FILE")]
    pub(super) conf: Option<PathBuf>,
    #[command(flatten)]
    pub(super) quick: QuickOptions,
    /// The port of a Corefile's zones that name none; CoreDNS's -dns.port
    #[arg(long = "dns-port", value_name = "PORT", hide = true)]
    pub(super) dns_port: Option<u16>,
    /// Where the number of the process is written while it serves; CoreDNS's -pidfile
    #[arg(long = "pidfile", value_name = "FILE", hide = true)]
    pub(super) pid_file: Option<PathBuf>,
    /// Take over the sockets of the process that listens at this Unix socket, and listen there for
    /// the next one; for `serve`, with or without a Corefile
    #[arg(long, value_name = "PATH")]
    pub(super) hand_over: Option<PathBuf>,
    #[command(flatten)]
    pub(super) log: LogOptions,
}

/// What `explain` is asked.
#[derive(Debug, Args)]
pub(super) struct ExplainOptions {
    /// The name, such as db.shop.svc.cluster.local; with --from as the pod writes it
    #[arg(value_parser = whole_name)]
    pub(super) name: String,
    /// The record type, such as A or SRV [default: every one]
    #[arg(value_name = "TYPE", value_parser = record_type)]
    pub(super) record_type: Option<String>,
    /// Walk the search list of this pod, which need not exist
    #[arg(long, value_name = "NAMESPACE/POD", value_parser = pod)]
    pub(super) from: Option<Pod>,
    /// Walk the search list of this resolv.conf [default with --from: what kubelet writes]
    #[arg(long, value_name = "FILE")]
    pub(super) resolv_conf: Option<PathBuf>,
    /// Ask a running server, which must let us: see 'explain' of its 'kubernetes'
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = server)]
    pub(super) server: Option<SocketAddr>,
    /// As text or as JSON
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(super) output: Output,
}

/// A pod, by its namespace and its own name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The form of what a command prints.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// What a run without a Corefile is told.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Quick options, without a Corefile")]
pub(super) struct QuickOptions {
    /// A file or folder of manifests, followed as it changes; repeatable
    #[arg(long, value_name = "PATH")]
    pub(super) manifests: Vec<PathBuf>,
    /// An API server's kubeconfig [default: in-cluster, then the usual kubeconfig]
    #[arg(long, value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub(super) context: Option<String>,
    // Not a doc comment, in which `[::]` would be a link.
    #[arg(
        long,
        value_name = "ADDR:PORT",
        value_parser = parse_listen,
        help = "Listen there, UDP and TCP; repeatable [default: [::]:53 and 0.0.0.0:53]"
    )]
    pub(super) listen: Vec<SocketAddr>,
    /// A zone, or a network for its reverse zones; repeatable
    /// [default: cluster.local, in-addr.arpa, ip6.arpa]
    #[arg(long, value_name = "NAME", value_parser = Zones::parse)]
    pub(super) zone: Vec<Zones>,
    /// The TTL of answers, 0 to 3600 [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = ttl, allow_negative_numbers = true)]
    pub(super) ttl: Option<u32>,
    /// What a selector-less Service with a cluster IP answers: auto, endpoints or cluster-ip
    /// [default: auto]
    #[arg(long, value_name = "MODE", value_parser = selectorless)]
    pub(super) selectorless: Option<Selectorless>,
    /// Pod names: disabled, insecure or verified [default: disabled]
    #[arg(long, value_name = "MODE", value_parser = pods)]
    pub(super) pods: Option<Pods>,
    /// Forward other names there, or to a resolv.conf's servers; repeatable [default: none]
    #[arg(long, value_name = "ADDR[:PORT]|FILE")]
    pub(super) upstream: Vec<String>,
    /// Serve /health there [default: off]
    #[arg(long, value_name = "ADDR:PORT|off", value_parser = Http::parse)]
    pub(super) health: Option<Http>,
    /// Serve /ready there [default: off]
    #[arg(long, value_name = "ADDR:PORT|off", value_parser = Http::parse)]
    pub(super) ready: Option<Http>,
    /// Serve /metrics there [default: off]
    #[arg(long, value_name = "ADDR:PORT|off", value_parser = Http::parse)]
    pub(super) metrics: Option<Http>,
    /// UDP threads, 1 to 1024 [default: the CPUs that it may use]
    #[arg(long, value_name = "N", value_parser = workers, allow_negative_numbers = true)]
    pub(super) workers: Option<usize>,
    /// Keep the last known good state of the API server there [default: none]
    #[arg(long, value_name = "FILE")]
    pub(super) snapshot: Option<PathBuf>,
}

impl QuickOptions {
    /// The first option that is given, for the complaint that it stands beside a Corefile.
    pub(super) fn first_given(&self) -> Option<&'static str> {
        [
            ("--manifests", !self.manifests.is_empty()),
            ("--kubeconfig", self.kubeconfig.is_some()),
            ("--context", self.context.is_some()),
            ("--listen", !self.listen.is_empty()),
            ("--zone", !self.zone.is_empty()),
            ("--ttl", self.ttl.is_some()),
            ("--selectorless", self.selectorless.is_some()),
            ("--pods", self.pods.is_some()),
            ("--upstream", !self.upstream.is_empty()),
            ("--health", self.health.is_some()),
            ("--ready", self.ready.is_some()),
            ("--metrics", self.metrics.is_some()),
            ("--workers", self.workers.is_some()),
            ("--snapshot", self.snapshot.is_some()),
        ]
        .into_iter()
        .find_map(|(name, given)| given.then_some(name))
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogOptions {
    /// Log lines as text or JSON
    #[arg(long = "log-format", value_name = "FORMAT", default_value = "text")]
    pub format: LogFormat,
    /// Log what is at least this serious
    #[arg(long = "log-level", value_name = "LEVEL", default_value = "info")]
    pub level: LogLevel,
    /// Nothing of the start is logged unless it fails; CoreDNS's -quiet
    #[arg(long, hide = true)]
    pub quiet: bool,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// How serious a log line must be to be written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum LogLevel {
    /// What fails.
    Error,
    /// What looks wrong.
    Warn,
    /// What happens.
    #[default]
    Info,
    /// What helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// As `tracing` has it.
    pub fn as_tracing(self) -> tracing::Level {
        match self {
            Self::Error => tracing::Level::ERROR,
            Self::Warn => tracing::Level::WARN,
            Self::Info => tracing::Level::INFO,
            Self::Debug => tracing::Level::DEBUG,
            Self::Trace => tracing::Level::TRACE,
        }
    }
}

/// The zones of one `--zone`.
#[derive(Clone, Debug)]
pub(super) struct Zones(pub(super) Vec<Name>);

impl Zones {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            // What an unset variable leaves behind, and never meant for the root.
            return Err("the zone is empty; write '.' for the root".into());
        }
        parse_zones(text).map(Self)
    }
}

/// An HTTP listener's address, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Http(pub(super) Option<SocketAddr>);

impl Http {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        parse_http_listen(text).map(|address| Self(Some(address)))
    }
}

/// A name as it is written: whether it ends with a dot means something to a search list.
fn whole_name(text: &str) -> Result<String, NameError> {
    Name::parse(text).map(|_| text.to_ascii_lowercase())
}

fn record_type(text: &str) -> Result<String, String> {
    let text = text.to_ascii_uppercase();
    let name = type_number(&text).map(|number| type_name(number).map_or(text, Into::into));
    name.ok_or_else(|| "write a record type such as A, AAAA or SRV".into())
}

fn pod(text: &str) -> Result<Pod, String> {
    let labels = text.split_once('/').filter(|(namespace, name)| {
        Name::parse(namespace).is_ok_and(|namespace| namespace.label_count() == 1)
            && !name.is_empty()
            && !name.contains('/')
    });
    let (namespace, name) = labels.ok_or("write NAMESPACE/POD, such as shop/web-0")?;
    Ok(Pod { namespace: namespace.to_ascii_lowercase(), name: name.to_owned() })
}

fn server(text: &str) -> Result<SocketAddr, String> {
    let address = text.trim_start_matches('[').trim_end_matches(']');
    let alone = address.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DNS_PORT));
    alone
        .or_else(|| text.parse().ok())
        .ok_or_else(|| "write an address such as 127.0.0.1:53".into())
}

fn selectorless(text: &str) -> Result<Selectorless, String> {
    Selectorless::parse(text).ok_or_else(|| "write auto, endpoints or cluster-ip".into())
}

fn pods(text: &str) -> Result<Pods, String> {
    Pods::parse(text).ok_or_else(|| "write disabled, insecure or verified".into())
}

fn ttl(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|seconds| *seconds <= MAX_TTL)
        .ok_or_else(|| format!("write whole seconds from 0 to {MAX_TTL}"))
}

fn workers(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=MAX_WORKERS).contains(count))
        .ok_or_else(|| format!("write a whole number from 1 to {MAX_WORKERS}"))
}

/// The port of a Corefile's zones that name none, where the command line says nothing.
pub(super) const DEFAULT_PORT: u16 = DNS_PORT;
