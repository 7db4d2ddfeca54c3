//! What is understood but cannot act yet, and would be missed in silence: a run with it is refused.
//!
//! HTTP listeners of a Corefile are not refused but warned of where they are read, so that the
//! Corefile of a cluster loads; on the command line nobody asks for them without wanting them.

use super::Config;

/// The first thing that a run with this configuration would lack, as one line with its cure.
pub(super) fn refuse(config: &Config) -> Result<(), String> {
    for kubernetes in config.servers.iter().filter_map(|server| server.kubernetes.as_ref()) {
        if let Some(file) = &kubernetes.snapshot {
            let file = file.display();
            let what = "a snapshot of the last known good state is not built yet";
            return Err(match &kubernetes.place {
                Some(place) => format!("{place}: {what}; drop 'snapshot {file}'"),
                None => format!("--snapshot: {what}; drop it"),
            });
        }
    }
    Ok(())
}

/// The same for what only the command line asks for.
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
