//! Reads kubeconfigs, and says what is wrong with one without a word of what it holds: it has
//! secrets, and what is said goes to logs. kube's own errors show lines of the file.
#![forbid(unsafe_code)]

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError};

use super::connect::{ConnectError, is_server};
use super::fault::chain;

/// Names of contexts or clusters that a message lists; who has more knows where to look.
const NAMES_TOLD: usize = 10;

/// What the file at `path` says, with this context or its current one.
pub(super) async fn from_file(path: &Path, context: Option<&str>) -> Result<Config, ConnectError> {
    let read = Kubeconfig::read_from(path).map_err(|error| unread(path, &error))?;
    configure(path, read, context).await
}

/// The same of the files that `KUBECONFIG` names, or of the usual one. As with kubectl, the first
/// file that says something wins, and files that are not there say nothing.
pub(super) async fn from_usual_files(context: Option<&str>) -> Result<Config, ConnectError> {
    let named = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let mut paths: Vec<PathBuf> =
        std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).collect();
    if paths.is_empty() {
        paths.extend(std::env::home_dir().map(|home| home.join(".kube").join("config")));
    }
    let mut found: Option<(PathBuf, Kubeconfig)> = None;
    for path in &paths {
        let next = match Kubeconfig::read_from(path) {
            Ok(next) => next,
            Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == ErrorKind::NotFound => {
                continue;
            }
            Err(error) => return Err(unread(path, &error)),
        };
        found = Some(match found {
            None => (path.clone(), next),
            Some((first, read)) => (first, read.merge(next).map_err(|error| unread(path, &error))?),
        });
    }
    let Some((path, read)) = found else {
        let sought: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(ConnectError::Nowhere(match sought.as_slice() {
            [] => "this is no pod, and nobody's home has a kubeconfig".into(),
            _ => format!("this is no pod, and there is no file {}", sought.join(", ")),
        }));
    };
    configure(&path, read, context).await
}

async fn configure(
    path: &Path,
    read: Kubeconfig,
    context: Option<&str>,
) -> Result<Config, ConnectError> {
    let unusable = |reason| ConnectError::Kubeconfig { file: path.into(), reason };
    let contexts: Vec<&str> = read.contexts.iter().map(|context| &*context.name).collect();
    let Some(wanted) = context.or(read.current_context.as_deref()).filter(|name| !name.is_empty())
    else {
        return Err(unusable(match contexts.as_slice() {
            [] => "it has no context; name a file that 'kubectl config view' shows one of".into(),
            _ => format!("it has no 'current-context'; name one of {}", list(&contexts)),
        }));
    };
    let Some(found) = read.contexts.iter().find(|context| context.name == wanted) else {
        return Err(unusable(format!(
            "it has no context '{wanted}'; name one of {}",
            list(&contexts)
        )));
    };
    let Some(found) = &found.context else {
        return Err(unusable(format!(
            "its context '{wanted}' is empty; name its cluster and user"
        )));
    };
    let cluster = &*found.cluster;
    let Some(server) = read.clusters.iter().find(|one| one.name == cluster) else {
        let clusters: Vec<&str> = read.clusters.iter().map(|cluster| &*cluster.name).collect();
        return Err(unusable(format!(
            "its context '{wanted}' names the cluster '{cluster}', which it has not; name one of {}",
            list(&clusters)
        )));
    };
    let url = server.cluster.as_ref().and_then(|cluster| cluster.server.as_deref());
    let url = url.unwrap_or_default();
    if !url.parse().is_ok_and(|url| is_server(&url)) {
        return Err(unusable(format!(
            "the server '{}' of its cluster '{cluster}' is not a URL; write https://HOST:PORT",
            url.escape_debug()
        )));
    }
    let options = KubeConfigOptions { context: Some(wanted.into()), ..Default::default() };
    let made = Config::from_custom_kubeconfig(read, &options).await;
    made.map_err(|error| ConnectError::Kubeconfig { file: path.into(), reason: reason(&error) })
}

/// Why what a kubeconfig names cannot be used.
pub(super) fn reason(error: &KubeconfigError) -> String {
    let (what, error) = match error {
        KubeconfigError::LoadCertificateAuthority(error) => ("certificate-authority", error),
        KubeconfigError::LoadClientCertificate(error) => ("client-certificate", error),
        KubeconfigError::LoadClientKey(error) => ("client-key", error),
        KubeconfigError::ParseCertificates(_) => {
            return "its certificate-authority is not in PEM form; write it anew".into();
        }
        KubeconfigError::ParseProxyUrl(_) => {
            return "its proxy-url, or HTTPS_PROXY, is not a URL; write http://HOST:PORT".into();
        }
        other => return chain(other),
    };
    match error {
        LoadDataError::ReadFile(error, file) => {
            format!("its {what} {} cannot be read: {error}; mend the path", file.display())
        }
        LoadDataError::DecodeBase64(_) => format!("its {what}-data is not base64; write it anew"),
        LoadDataError::NoBase64DataOrFile => {
            format!("its {what} is missing; write {what} or {what}-data")
        }
    }
}

/// Why a file could not be read.
fn unread(path: &Path, error: &KubeconfigError) -> ConnectError {
    let reason = match error {
        KubeconfigError::Parse(error) => {
            // What it says of the cause quotes what stands there.
            let place = error.location().filter(|at| at.line() > 0);
            let place = place.map(|at| format!(":{}:{}", at.line(), at.column()));
            return ConnectError::NoKubeconfig {
                place: format!("{}{}", path.display(), place.unwrap_or_default()),
            };
        }
        KubeconfigError::ReadConfig(error, _) => {
            format!("{error}; name a file that can be read")
        }
        other => chain(other),
    };
    ConnectError::Kubeconfig { file: path.into(), reason }
}

fn list(names: &[&str]) -> String {
    let quoted = |name: &&str| format!("'{}'", name.escape_debug());
    let told: Vec<String> = names.iter().take(NAMES_TOLD).map(quoted).collect();
    match (told.len(), names.len() - told.len()) {
        (0, _) => "none, for there is none".into(),
        (_, 0) => told.join(", "),
        (_, more) => format!("{} and {more} more", told.join(", ")),
    }
}
