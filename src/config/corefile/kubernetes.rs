//! `kubernetes [ZONES…] { … }`, CoreDNS's options and ours.

use std::collections::HashSet;
use std::path::PathBuf;

use super::args::{number, value};
use super::lexer::Token;
use super::parser::Directive;
use super::words;
use crate::cluster::LabelSelector;
use crate::config::error::{Findings, Position};
use crate::config::value::{parse_duration, parse_zones};
use crate::config::{ApiServer, Cidr, ClientTls, Kubernetes, Source};
use crate::name::{MAX_LABEL, Name};
use crate::zone::{Fallthrough, MAX_TTL, NamespaceFilter, Pods, Selectorless, Spec, Zone};

/// The options of the block.
const OPTIONS: &[&str] = &[
    "apiserver_burst",
    "apiserver_max_inflight",
    "apiserver_qps",
    "ede",
    "endpoint",
    "endpoint_pod_names",
    "endpoints",
    "explain",
    "fallthrough",
    "ignore",
    "kubeconfig",
    "labels",
    "manifests",
    "multicluster",
    "namespace_labels",
    "namespaces",
    "noendpoints",
    "pods",
    "selectorless",
    "snapshot",
    "startup_timeout",
    "tls",
    "ttl",
    "zonal",
];

/// Reads the directive; `block_zones` are those of the server block, which serve where it names none.
pub(super) fn read(
    directive: &Directive,
    block_zones: Vec<Name>,
    findings: &mut Findings,
) -> Option<Kubernetes> {
    let mut zones = Vec::new();
    for arg in &directive.args {
        zones.extend(value(arg, findings, parse_zones).unwrap_or_default());
    }
    if directive.args.is_empty() {
        zones = block_zones;
    }
    let mut seen = HashSet::new();
    zones.retain(|zone| seen.insert(zone.clone()));
    let zones: Vec<Zone> = zones.into_iter().map(Zone::new).collect();
    if !zones.is_empty() && zones.iter().all(Zone::is_reverse) {
        findings.error(
            directive.name.at,
            "'kubernetes' has reverse zones only; name a forward zone too, such as cluster.local",
        );
    }
    let spec = Spec { zones, ..Spec::default() };
    let mut found = Kubernetes::new(spec, Source::Manifests(Vec::new()));
    found.place = Some(findings.place(directive.name.at));
    let mut reader = Reader {
        found,
        manifests: Vec::new(),
        server: ApiServer::default(),
        server_option: None,
        namespaces: None,
        namespace_labels: None,
        findings,
    };
    for option in directive.options() {
        reader.option(option);
    }
    reader.finish()
}

struct Reader<'a> {
    found: Kubernetes,
    manifests: Vec<PathBuf>,
    server: ApiServer,
    /// The first option that is about an API server.
    server_option: Option<Token>,
    namespaces: Option<(Position, Vec<Box<str>>)>,
    namespace_labels: Option<(Position, LabelSelector)>,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn option(&mut self, option: &Directive) {
        option.has_no_block(self.findings);
        let spec = &mut self.found.spec;
        match option.name.text.as_str() {
            "endpoint"
            | "tls"
            | "kubeconfig"
            | "apiserver_qps"
            | "apiserver_burst"
            | "apiserver_max_inflight"
            | "startup_timeout" => self.server(option),
            "namespaces" | "namespace_labels" | "labels" => self.selection(option),
            "multicluster" => self.multicluster(option),
            "zonal" => _ = option.alone(self.findings),
            "resyncperiod" => self.findings.error(
                option.name.at,
                "'resyncperiod' is gone since CoreDNS 1.7.0; remove the line",
            ),
            "upstream" => self.findings.error(
                option.name.at,
                "'upstream' is gone since CoreDNS 1.7.0, since outside names are asked of this \
                 server itself; remove the line",
            ),
            "transfer" => self.findings.error(
                option.name.at,
                "'transfer' is no option of 'kubernetes' since CoreDNS 1.8.0; write it as a \
                 directive of the server block",
            ),
            "pods" => {
                let usage = "pods disabled|insecure|verified";
                if let Some(mode) = self.one_of(option, usage, Pods::parse) {
                    self.found.spec.pods = mode;
                }
            }
            "selectorless" => {
                let usage = "selectorless auto|endpoints|cluster-ip";
                if let Some(mode) = self.one_of(option, usage, Selectorless::parse) {
                    self.found.spec.selectorless = mode;
                }
            }
            "endpoints" => {
                let parse = |text: &str| ["all", "headless"].iter().position(|&one| one == text);
                if let Some(mode) = self.one_of(option, "endpoints all|headless", parse) {
                    self.found.spec.headless_endpoints_only = mode == 1;
                }
            }
            "ede" => {
                let parse = |text: &str| ["off", "on"].iter().position(|&one| one == text);
                if let Some(mode) = self.one_of(option, "ede on|off", parse) {
                    self.found.ede = mode == 1;
                }
            }
            "endpoint_pod_names" => {
                option.has_args(0, 0, "endpoint_pod_names", self.findings);
                spec.endpoint_pod_names = true;
            }
            "noendpoints" => {
                option.has_args(0, 0, "noendpoints", self.findings);
                spec.no_endpoints = true;
            }
            "ttl" => {
                if let Some(ttl) = option
                    .single("ttl SECONDS", self.findings)
                    .and_then(|arg| number(arg, 0, MAX_TTL.into(), self.findings))
                    .and_then(|ttl| u32::try_from(ttl).ok())
                {
                    spec.ttl = ttl;
                }
            }
            // CoreDNS takes the bare word, and does nothing then.
            "ignore" if option.args.is_empty() => self
                .findings
                .warn(option.name.at, "'ignore' alone has no effect; write 'ignore empty_service'"),
            "ignore" => {
                let parse = |text: &str| (text == "empty_service").then_some(());
                if self.one_of(option, "ignore empty_service", parse).is_some() {
                    self.found.spec.ignore_empty_service = true;
                }
            }
            "fallthrough" => self.fallthrough(option),
            "manifests" => {
                if option.has_args(1, usize::MAX, "manifests PATH…", self.findings) {
                    self.manifests.extend(option.text_args().map(PathBuf::from));
                }
            }
            "snapshot" => {
                if let Some(file) = option.single("snapshot FILE", self.findings) {
                    self.found.snapshot = Some(PathBuf::from(&file.text));
                }
            }
            "explain" => self.explain(option),
            name => self
                .findings
                .error(option.name.at, words::unknown_option("kubernetes", name, OPTIONS)),
        }
    }

    /// An option with one argument out of a few; `usage` lists them.
    fn one_of<T>(
        &mut self,
        option: &Directive,
        usage: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let arg = option.single(usage, self.findings)?;
        value(arg, self.findings, |text| {
            parse(text).ok_or_else(|| {
                format!("'{text}' is no value of '{}'; write '{usage}'", option.name.text)
            })
        })
    }

    fn server(&mut self, option: &Directive) {
        self.server_option.get_or_insert_with(|| option.name.clone());
        match option.name.text.as_str() {
            "endpoint" => {
                if option.has_args(1, usize::MAX, "endpoint URL", self.findings) {
                    self.server.endpoint = option.text_args().next().map(Into::into);
                }
                if let Some(second) = option.args.get(1) {
                    self.findings.warn(second.at, "only the first URL of 'endpoint' counts");
                }
            }
            "tls" => {
                if !option.has_args(3, 3, "tls CERTIFICATE KEY AUTHORITY", self.findings) {
                    return;
                }
                if let [certificate, key, authority] = option.args.as_slice() {
                    let path = |token: &Token| PathBuf::from(&token.text);
                    self.server.tls = Some(ClientTls {
                        certificate: path(certificate),
                        key: path(key),
                        authority: path(authority),
                    });
                }
            }
            "kubeconfig" => {
                if option.has_args(1, 2, "kubeconfig FILE [CONTEXT]", self.findings) {
                    let mut args = option.text_args();
                    self.server.kubeconfig = args.next().map(PathBuf::from);
                    self.server.context = args.next().map(Into::into);
                }
            }
            "startup_timeout" => {
                if let Some(arg) = option.single("startup_timeout DURATION", self.findings) {
                    self.server.startup_timeout = value(arg, self.findings, parse_duration);
                }
            }
            _ => {
                option.count(0, u32::MAX, self.findings);
            }
        }
    }

    fn selection(&mut self, option: &Directive) {
        let at = option.name.at;
        if option.name.text == "namespaces" {
            if !option.has_args(1, usize::MAX, "namespaces NAME…", self.findings) {
                return;
            }
            for arg in &option.args {
                if !is_namespace(&arg.text) {
                    self.findings.warn(
                        arg.at,
                        format_args!("no namespace can have the name '{}'", arg.text),
                    );
                }
            }
            let (_, names) = self.namespaces.get_or_insert_with(|| (at, Vec::new()));
            names.extend(option.text_args().map(Into::into));
            return;
        }
        let usage = format!("{} SELECTOR", option.name.text);
        if !option.has_args(1, usize::MAX, &usage, self.findings) {
            return;
        }
        let text: Vec<&str> = option.text_args().collect();
        match LabelSelector::parse(&text.join(" ")) {
            Ok(selector) if option.name.text == "labels" => self.found.spec.labels = Some(selector),
            Ok(selector) => self.namespace_labels = Some((at, selector)),
            Err(error) => {
                let at = option.args.first().map_or(at, |arg| arg.at);
                self.findings.error(at, error.to_string());
            }
        }
    }

    fn fallthrough(&mut self, option: &Directive) {
        if option.args.is_empty() {
            self.found.spec.fallthrough = Fallthrough::Always;
            return;
        }
        let mut within = Vec::new();
        for arg in &option.args {
            for name in value(arg, self.findings, parse_zones).unwrap_or_default() {
                let mut zones = self.found.spec.zones.iter();
                if !zones.any(|zone| name.is_within(&zone.name) || zone.name.is_within(&name)) {
                    self.findings.warn(
                        arg.at,
                        format_args!("no zone of 'kubernetes' has anything to do with {name}"),
                    );
                }
                within.push(name);
            }
        }
        self.found.spec.fallthrough = Fallthrough::Within(within);
    }

    fn explain(&mut self, option: &Directive) {
        if !option.has_args(1, usize::MAX, "explain NETWORK…", self.findings) {
            return;
        }
        self.found.explain.clear();
        for arg in &option.args {
            self.found.explain.extend(value(arg, self.findings, Cidr::parse));
        }
    }

    /// `multicluster [ZONES…]`: each of them must be one of the directive's own.
    fn multicluster(&mut self, option: &Directive) {
        for arg in &option.args {
            let zones = value(arg, self.findings, parse_zones).unwrap_or_default();
            let own = |zone: &Name| self.found.spec.zones.iter().any(|own| own.name == *zone);
            if !zones.iter().all(own) {
                self.findings.error(
                    arg.at,
                    format!("'{}' is no zone of this 'kubernetes'; name it there too", arg.text),
                );
            }
        }
    }

    fn finish(mut self) -> Option<Kubernetes> {
        self.found.spec.namespaces = match (self.namespaces, self.namespace_labels) {
            (Some((a, _)), Some((b, _))) => {
                self.findings.error(
                    a.max(b),
                    "'namespaces' and 'namespace_labels' cannot stand together; keep one",
                );
                return None;
            }
            (Some((_, names)), None) => NamespaceFilter::Named(names),
            (None, Some((_, selector))) => NamespaceFilter::Selected(selector),
            (None, None) => NamespaceFilter::All,
        };
        if self.manifests.is_empty() {
            self.found.source = Source::Cluster(self.server);
            return Some(self.found);
        }
        if let Some(option) = &self.server_option {
            self.findings.warn(
                option.at,
                format_args!(
                    "'{}' has no effect beside 'manifests', which is where objects come from",
                    option.text
                ),
            );
        }
        self.found.source = Source::Manifests(self.manifests);
        Some(self.found)
    }
}

/// Whether a namespace can have this name: a DNS label in lower case (RFC 1123).
fn is_namespace(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_LABEL
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}
