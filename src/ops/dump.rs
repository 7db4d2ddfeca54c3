//! `dump`: every record of every zone as text.

use std::io::{BufWriter, Write};

use anyhow::bail;

use super::cluster::Loading;
use super::records::{Origin, visit};
use super::running::wanted;
use crate::config::Run;

/// Writes the zones of the configuration to `out`, a record a line: what its sources have, or what is
/// there at `from`, a server, a snapshot or the like.
pub fn dump(run: &Run, from: Option<&str>, out: impl Write) -> anyhow::Result<()> {
    if let Some(from) = from {
        return dump_from(run, from, out);
    }
    let mut out = BufWriter::new(out);
    for kubernetes in wanted(&run.config).values() {
        let loading = Loading::read(kubernetes, kubernetes.spec.clone())?;
        if let Some(missing) = loading.wait_here()? {
            bail!("the zone is not complete: {missing}");
        }
        let view = loading.view();
        let mut written = Ok(());
        visit(&view, |line| {
            if written.is_ok() {
                written = writeln!(out, "{line}");
            }
        });
        written?;
    }
    out.flush()?;
    Ok(())
}

fn dump_from(run: &Run, from: &str, out: impl Write) -> anyhow::Result<()> {
    let origin = Origin::of(from)?;
    let mut out = BufWriter::new(out);
    for kubernetes in wanted(&run.config).values() {
        let mut lines = origin.records(&kubernetes.spec)?;
        if origin.is_server() && lines.first() == lines.last() {
            // A transfer ends with the record that it began with.
            lines.pop();
        }
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    out.flush()?;
    Ok(())
}
