//! `check`: everything that is wrong with a Corefile and with manifests.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cluster::manifest::{self, Grade};
use crate::config::{self, Config, DNS_PORT, Source};
use crate::registry;
use crate::serve::Upstreams;

/// Writes every fault and warning to `out` and says whether there was a fault, or an object of which
/// DNS would answer otherwise than it says.
pub fn check(
    corefile: Option<&Path>,
    manifests: &[PathBuf],
    mut out: impl Write,
) -> std::io::Result<bool> {
    let mut faults = false;
    let mut paths = manifests.to_vec();
    if let Some(file) = corefile {
        match config::read_corefile(file, DNS_PORT) {
            Ok(config) => {
                for warning in &config.warnings {
                    writeln!(out, "warning: {warning}")?;
                }
                let forwards = config.servers.iter().flat_map(|server| &server.forward);
                let made: Vec<Upstreams> = forwards.map(Upstreams::new).collect();
                for fault in made.iter().filter_map(Upstreams::fault) {
                    faults = true;
                    writeln!(out, "error: {fault}")?;
                }
                paths.extend(sources(&config));
            }
            Err(errors) => {
                faults = true;
                for error in errors {
                    writeln!(out, "error: {error}")?;
                }
            }
        }
    }
    for fault in manifest::check(paths, &registry::oddities) {
        // What is odd breaks nothing, but is not what its writer wants to be served.
        faults |= fault.grade != Grade::Warning;
        let grade = if fault.grade == Grade::Broken { "error" } else { "warning" };
        writeln!(out, "{grade}: {fault}")?;
    }
    Ok(faults)
}

/// The manifests that a Corefile names.
fn sources(config: &Config) -> Vec<PathBuf> {
    let kubernetes = config.servers.iter().filter_map(|server| server.kubernetes.as_ref());
    let mut paths: Vec<PathBuf> = kubernetes
        .filter_map(|kubernetes| match &kubernetes.source {
            Source::Manifests(paths) => Some(paths.clone()),
            Source::Cluster(_) => None,
        })
        .flatten()
        .collect();
    paths.sort();
    paths.dedup();
    paths
}
