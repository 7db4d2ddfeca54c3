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
        // A successor may have written its own number there; whoever removed it first has done the
        // work.
        let number = std::fs::read_to_string(&self.0).unwrap_or_default();
        if number.trim() == std::process::id().to_string() {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}
