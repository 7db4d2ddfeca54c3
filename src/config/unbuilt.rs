//! What is understood but cannot act yet, and would be missed in silence: a run with it is refused.
//!
//! HTTP listeners of a Corefile are not refused but warned of where they are read, so that the
//! Corefile of a cluster loads; on the command line nobody asks for them without wanting them.

use super::{ApiServer, Config, Kubernetes, Source};

/// The first thing that a run with this configuration would lack, as one line with its cure.
pub(super) fn refuse(config: &Config) -> Result<(), String> {
    for kubernetes in config.servers.iter().filter_map(|server| server.kubernetes.as_ref()) {
        if let Source::Cluster(server) = &kubernetes.source {
            return Err(no_api_server(kubernetes, server));
        }
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

fn no_api_server(kubernetes: &Kubernetes, server: &ApiServer) -> String {
    let what = "an API server as the source of objects is not built yet";
    if let Some(place) = &kubernetes.place {
        return format!("{place}: {what}; add 'manifests PATH' to the 'kubernetes' block");
    }
    let option = match server {
        ApiServer { kubeconfig: Some(_), .. } => "--kubeconfig: ",
        ApiServer { context: Some(_), .. } => "--context: ",
        _ => "",
    };
    format!("{option}{what}; name manifests with --manifests PATH")
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
