//! What is understood but could not act, and would be missed in silence.

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
