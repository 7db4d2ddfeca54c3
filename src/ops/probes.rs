//! `/health`, `/ready` and `/metrics`: which of them are served, where, and what they say.
#![forbid(unsafe_code)]

use std::sync::Arc;

use http::StatusCode;

use super::http::{Addresses, Http, Page, Reply, Site};
use super::metrics::{self, Metrics};
use super::readiness::Readiness;
use crate::config::Config;

/// Serves what the configuration asks for. Nothing has to be ready for that: kubelet asks before.
pub(super) fn open(
    config: &Config,
    readiness: &Arc<Readiness>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Option<Http>> {
    let ready = Arc::clone(readiness);
    let measured = Arc::clone(metrics);
    let pulse = Arc::clone(metrics.pulse());
    // As CoreDNS has it, `/health` says that the process lives, until it is gone.
    let health: Page = Arc::new(|| Reply::text(StatusCode::OK, "OK"));
    let ready: Page = Arc::new(move || match ready.lacks() {
        None => Reply::text(StatusCode::OK, "OK"),
        Some(what) => Reply::text(StatusCode::SERVICE_UNAVAILABLE, what),
    });
    let metrics: Page = Arc::new(move || Reply {
        status: StatusCode::OK,
        content_type: metrics::CONTENT_TYPE,
        body: measured.text(),
    });
    let wanted = [
        ("health", "--health", "/health", config.health, health),
        ("ready", "--ready", "/ready", config.ready, ready),
        ("prometheus", "--metrics", "/metrics", config.metrics, metrics),
    ];
    // Only a block of a Corefile has a place; without one it is all options.
    let mut blocks = config.servers.iter().filter_map(|server| server.kubernetes.as_ref());
    let by_options = config.servers.len() == 1 && blocks.any(|block| block.place.is_none());
    let sites = wanted.into_iter().filter_map(|(directive, option, path, address, page)| {
        let asked_by =
            if by_options { option.to_owned() } else { format!("the directive '{directive}'") };
        Some(Site { address: address?, path, asked_by, page })
    });
    let sites: Vec<Site> = sites.collect();
    if sites.is_empty() {
        return Ok(None);
    }
    let beside = |addresses: &Addresses| {
        let health = *addresses.get("/health")?;
        Some(async move { pulse.feel(health).await })
    };
    Http::start(sites, beside).map(Some)
}
