//! The file that says which process serves, for whoever wants to signal it.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// A file that holds the number of this process, removed when this goes.
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Writes it; what stood there is gone.
    pub(super) fn write(path: &Path) -> anyhow::Result<Self> {
        std::fs::write(path, format!("{}\n", std::process::id())).with_context(|| {
            format!("{}: cannot be written; name another file with -pidfile", path.display())
        })?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Whoever removed it first has done the work.
        let _ = std::fs::remove_file(&self.0);
    }
}
