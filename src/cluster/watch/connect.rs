//! From what the configuration says about an API server to a client for it.
//!
//! kube's own retries are off: [`super::backoff`] decides. [`super::access`] reads again what has
//! changed.

use std::path::PathBuf;
use std::sync::Once;
use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderValue, Uri};
use kube::{Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::fault::chain;
use super::kubeconfig;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the socket may refuse to take a request, all of which are short.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How an API server is reached. Where nothing is said: in-cluster, then the usual kubeconfig.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Server {
    /// A kubeconfig; it wins over `endpoint`.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig other than its current one.
    pub context: Option<String>,
    /// A URL; without a scheme it is plain HTTP.
    pub endpoint: Option<String>,
    /// The client certificate, its key, and the authority that signed the server's, for `endpoint`.
    pub tls: Option<(PathBuf, PathBuf, PathBuf)>,
}

/// Why there is no client. Nothing of this mends itself; a server that is away is no such error.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig {}: {reason}", file.display())]
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The kubeconfig is not YAML, or has a value of another kind than is expected there.
    #[error(
        "{place}: this is no kubeconfig: the YAML is broken here or above, or another value is \
         expected; mend it until 'kubectl config view --kubeconfig FILE' shows it"
    )]
    NoKubeconfig {
        /// The file, and its line and column where they are known.
        place: String,
    },
    /// Neither is this a pod with a service account, nor is there a kubeconfig.
    #[error(
        "no API server is named: {0}; name a kubeconfig with --kubeconfig FILE, or manifests with \
         --manifests PATH"
    )]
    Nowhere(String),
    /// This is a pod, but its service account cannot be used.
    #[error("the pod's service account cannot be used: {0}; let the pod mount its token")]
    InCluster(String),
    /// `endpoint` is no URL.
    #[error("the endpoint '{0}' is not a URL; write http://HOST:PORT or https://HOST:PORT")]
    Endpoint(String),
    /// The credentials cannot be used.
    #[error("no client for the API server at {url} can be made: {reason}")]
    Client {
        /// The server.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

/// A client for the API server, and its URL for messages. To be called on the runtime that is to
/// carry the client's work.
pub(super) async fn connect(server: &Server) -> Result<(Client, String), ConnectError> {
    install_provider();
    let mut config = config(server).await?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.write_timeout = Some(WRITE_TIMEOUT);
    config.default_retry = false;
    trim_token(&mut config);
    trust(&mut config)
        .map_err(|reason| ConnectError::Client { url: config.cluster_url.to_string(), reason })?;
    let agent = concat!("fingerpost/", env!("CARGO_PKG_VERSION"));
    config.headers.push((USER_AGENT, HeaderValue::from_static(agent)));
    let url = config.cluster_url.to_string();
    match Client::try_from(config) {
        Ok(client) => Ok((client, url)),
        Err(kube::Error::InferKubeconfig(error)) => {
            Err(ConnectError::Client { url, reason: kubeconfig::reason(&error) })
        }
        Err(error) => Err(ConnectError::Client { url, reason: chain(&error) }),
    }
}

/// The end of a line in a token's file is none of the token, as `kubectl` has it. kube would send it.
fn trim_token(config: &mut Config) {
    let auth = &mut config.auth_info;
    let Some(file) = auth.token_file.as_ref().filter(|_| auth.token.is_none()) else { return };
    // A file that cannot be read is told of by kube.
    let text = std::fs::read_to_string(file).unwrap_or_default();
    if text.trim() != text {
        auth.token = Some(text.trim().into());
    }
}

/// Says whom to trust where kube would ask this machine, which may know nobody: a container's image
/// often holds no authorities.
fn trust(config: &mut Config) -> Result<(), String> {
    if config.root_cert.is_some() {
        return Ok(());
    }
    if let Some(file) = &config.root_cert_file {
        let bad = |error| format!("the authority's certificate {}: {error}", file.display());
        let read =
            CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let read = read.map_err(|error| bad(chain(&error)))?;
        if read.is_empty() {
            return Err(bad("it holds no certificate in PEM form".into()));
        }
        config.root_cert = Some(read.into_iter().map(|one| one.to_vec()).collect());
    } else if config.cluster_url.scheme_str() == Some("http") {
        config.root_cert = Some(Vec::new());
    }
    Ok(())
}

/// Makes ring the one provider of this process, since rustls asks for one to be chosen.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that somebody has chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

async fn config(server: &Server) -> Result<Config, ConnectError> {
    let context = server.context.as_deref();
    if let Some(file) = &server.kubeconfig {
        return kubeconfig::from_file(file, context).await;
    }
    if let Some(endpoint) = &server.endpoint {
        return from_endpoint(server, endpoint);
    }
    // A context is one of a kubeconfig.
    if server.context.is_none() && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Config::incluster().map_err(|error| ConnectError::InCluster(chain(&error)));
    }
    kubeconfig::from_usual_files(context).await
}

/// Whether this URL can be an API server's.
pub(super) fn is_server(url: &Uri) -> bool {
    let host = url.host().is_some_and(|host| !host.is_empty());
    host && matches!(url.scheme_str(), Some("http" | "https"))
}

fn from_endpoint(server: &Server, endpoint: &str) -> Result<Config, ConnectError> {
    let bad = || ConnectError::Endpoint(endpoint.into());
    let url = if endpoint.contains("://") { endpoint.into() } else { format!("http://{endpoint}") };
    let url: Uri = url.parse().map_err(|_| bad())?;
    if !is_server(&url) {
        return Err(bad());
    }
    let mut config = Config::new(url);
    if let Some((certificate, key, authority)) = &server.tls {
        let text = |path: &PathBuf| Some(path.display().to_string());
        config.auth_info.client_certificate = text(certificate);
        config.auth_info.client_key = text(key);
        config.root_cert_file = Some(authority.clone());
    }
    Ok(config)
}
