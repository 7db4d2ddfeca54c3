//! The quick options, read into a [`Config`] of one server block.

use std::collections::HashSet;

use super::flags::QuickOptions;
use super::value::parse_upstreams;
use super::{
    ApiServer, Chaos, Config, DNS_PORT, Errors, Forward, Kubernetes, Listen, MAX_UPSTREAMS, Nsid,
    Protocol, ServerBlock, Source, no_upstream,
};
use crate::name::Name;
use crate::zone::{Fallthrough, Spec, Zone};

/// What `version.bind` says where no Corefile does.
const VERSION: &str = concat!("fingerpost-", env!("CARGO_PKG_VERSION"));

/// What the options say; the error is one line that names the option.
pub(super) fn configure(options: QuickOptions) -> Result<Config, String> {
    let forward = forward(&options.upstream)?;
    let mut spec = Spec::default();
    if !options.zone.is_empty() {
        spec.zones.clear();
        for name in options.zone.into_iter().flat_map(|zones| zones.0) {
            if spec.zones.iter().all(|zone| zone.name != name) {
                spec.zones.push(Zone::new(name));
            }
        }
    }
    if spec.zones.iter().all(Zone::is_reverse) {
        return Err("--zone names reverse zones only; add a forward zone, such as --zone \
                    cluster.local"
            .into());
    }
    spec.ttl = options.ttl.unwrap_or(spec.ttl);
    spec.selectorless = options.selectorless.unwrap_or(spec.selectorless);
    spec.pods = options.pods.unwrap_or(spec.pods);
    let reverse: Vec<Name> =
        spec.zones.iter().filter(|zone| zone.is_reverse()).map(|zone| zone.name.clone()).collect();
    // Addresses that the cluster does not know are the upstream's to name.
    if forward.is_some() && !reverse.is_empty() {
        spec.fallthrough = Fallthrough::Within(reverse);
    }
    let server = ApiServer {
        kubeconfig: options.kubeconfig,
        context: options.context,
        ..ApiServer::default()
    };
    let source = match (options.manifests.is_empty(), &server) {
        (true, _) => Source::Cluster(server),
        (false, ApiServer { kubeconfig: Some(_), .. }) => return Err(beside("--kubeconfig")),
        (false, ApiServer { context: Some(_), .. }) => return Err(beside("--context")),
        (false, _) => Source::Manifests(options.manifests),
    };
    let mut kubernetes = Kubernetes::new(spec, source);
    kubernetes.snapshot = options.snapshot;
    let listen = if options.listen.is_empty() {
        Listen::everywhere(DNS_PORT)
    } else {
        let mut seen = HashSet::new();
        let mut listen = options.listen;
        // Port 0 is another port each time.
        listen.retain(|address| address.port() == 0 || seen.insert(*address));
        listen.into_iter().map(Listen::written).collect()
    };
    let warnings = match forward {
        Some(_) => Vec::new(),
        None => vec![no_upstream("name one with --upstream ADDR")],
    };
    Ok(Config {
        servers: vec![ServerBlock {
            zones: vec![Name::root()],
            listen,
            kubernetes: Some(kubernetes),
            forward: forward.into_iter().collect(),
            errors: Some(Errors::default()),
            chaos: Some(Chaos { version: VERSION.into(), authors: Vec::new() }),
            nsid: Some(Nsid { data: None }),
            ..ServerBlock::default()
        }],
        workers: options.workers,
        health: options.health.and_then(|http| http.0),
        ready: options.ready.and_then(|http| http.0),
        metrics: options.metrics.and_then(|http| http.0),
        warnings,
        ..Config::default()
    })
}

fn beside(option: &str) -> String {
    format!("--manifests and {option} cannot stand together; objects come from one of them")
}

fn forward(upstreams: &[String]) -> Result<Option<Forward>, String> {
    let mut to = Vec::new();
    for text in upstreams {
        let named = parse_upstreams(text).map_err(|error| format!("--upstream {text}: {error}"))?;
        if let Some((scheme, _)) = text.split_once("://")
            && named
                .iter()
                .any(|upstream| !matches!(upstream.protocol, Protocol::Dns | Protocol::Tls))
        {
            return Err(format!(
                "--upstream {text}: upstreams over {scheme}:// are not built yet; write ADDR, \
                 ADDR:PORT or tls://ADDR"
            ));
        }
        to.extend(named);
    }
    if to.len() > MAX_UPSTREAMS {
        return Err(format!(
            "--upstream: {} upstreams are more than the {MAX_UPSTREAMS} allowed",
            to.len()
        ));
    }
    Ok((!to.is_empty()).then(|| Forward::new(Name::root(), to)))
}
