//! What is understood but cannot act yet, and would be missed in silence: a run with it is refused.
//!
//! HTTP listeners of a Corefile are not refused but warned of where they are read, so that the
//! Corefile of a cluster loads; on the command line nobody asks for them without wanting them.

use std::collections::BTreeMap;

use super::{Config, Source, Warning};

/// What is wrong with the files of last known good states, as one line with its cure; a file that
/// would never be needed is warned of.
pub(super) fn judge_snapshots(config: &mut Config) -> Result<(), String> {
    let mut of_block = BTreeMap::new();
    for server in &config.servers {
        let Some(kubernetes) = &server.kubernetes else { continue };
        let Some(file) = &kubernetes.snapshot else { continue };
        let place =
            kubernetes.place.as_ref().map_or_else(String::new, |place| format!("{place}: "));
        let block = of_block.entry(file).or_insert(server.block);
        if *block != server.block {
            let file = file.display();
            return Err(format!(
                "{place}snapshot {file} is another block's file already; name a file for each block"
            ));
        }
        if let Source::Manifests(_) = kubernetes.source {
            config.warnings.push(Warning(format!(
                "{place}snapshot has no effect with manifests, which are on the disk already"
            )));
        }
    }
    Ok(())
}

/// The first thing that only the command line asks for and that a run would lack.
pub(super) fn refuse_listeners(config: &Config) -> Result<(), String> {
    for (option, address) in
        [("--health", config.health), ("--ready", config.ready), ("--metrics", config.metrics)]
    {
        if address.is_some() {
            return Err(format!("{option} is not built yet; drop it, or write {option} off"));
        }
    }
    Ok(())
}
