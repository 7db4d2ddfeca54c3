//! `dump`: every record of every zone as text.

use std::io::{BufWriter, Write};

use anyhow::{Context, bail};

use super::cluster::Loading;
use super::running::wanted;
use crate::answer::walk;
use crate::cluster::{Kind, KindSet};
use crate::config::Run;

/// Writes the zones of the configuration to `out`, a record a line.
pub fn dump(run: &Run, out: impl Write) -> anyhow::Result<()> {
    // Pod names are not written.
    let mut kinds = KindSet::ALL;
    kinds.remove(Kind::Pod);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("cannot start the runtime that waits for the first lists")?;
    let mut out = BufWriter::new(out);
    for kubernetes in wanted(&run.config).values() {
        let loading = Loading::read(kubernetes, kubernetes.spec.clone())?;
        if let Some(missing) = runtime.block_on(loading.wait(kinds)) {
            bail!("the zone is not complete: {missing}");
        }
        let view = loading.view();
        let mut written = Ok(());
        // In the order of the configuration, not of the longest match.
        for zone in &view.spec().zones {
            let Some(zone) = view.zones().iter().find(|found| found.zone == *zone) else {
                continue;
            };
            walk(&view, zone, |line| {
                if written.is_ok() {
                    written = writeln!(out, "{line}");
                }
            });
        }
        written?;
    }
    out.flush()?;
    Ok(())
}
