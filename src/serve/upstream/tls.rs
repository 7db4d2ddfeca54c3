//! DNS over TLS (RFC 7858): whom to trust, who this server is, and what is wrong where that fails.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{self, Forward, Protocol, Upstream};

/// Why TLS cannot be spoken with upstreams.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// A file of `tls` cannot be used.
    #[error("'forward': the {what} {} cannot be used: {reason}; name a PEM file that holds it", file.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// Which it is.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The certificate and the key are no pair, or of an unknown kind.
    #[error("'forward': the certificate and the key of 'tls' cannot be used together: {0}")]
    Identity(String),
    /// This machine trusts nobody.
    #[error(
        "'forward': this system has no authorities to trust; name one as the last argument of 'tls'"
    )]
    NoAuthority,
    /// What should be the name of a server is none.
    #[error("'forward': '{0}' is no name of a server; write one such as dns.quad9.net")]
    Name(String),
}

/// How TLS is spoken with one upstream.
#[derive(Clone)]
pub(super) struct Secure {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Secure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secure").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What the upstreams of a directive that speak TLS have in common; nothing where none does.
#[derive(Clone, Debug)]
pub(super) enum Common {
    Unused,
    Ready { config: Arc<ClientConfig>, name: Option<String> },
}

impl Common {
    /// Reads the files of the directive.
    pub(super) fn of(forward: &Forward) -> Result<Self, TlsFault> {
        let named = forward.to.iter().find(|to| to.protocol == Protocol::Tls);
        if named.is_none() {
            return Ok(Self::Unused);
        }
        let config = Arc::new(client(&forward.tls)?);
        Ok(Self::Ready { config, name: forward.tls.server_name.clone() })
    }

    /// For one upstream; nothing where it speaks in the clear. Its certificate has to have the name
    /// that is written with it, or that of the directive, or else its address.
    pub(super) fn with(&self, to: &Upstream) -> Result<Option<Secure>, TlsFault> {
        let Self::Ready { config, name } = self else { return Ok(None) };
        if to.protocol != Protocol::Tls {
            return Ok(None);
        }
        let name = match to.server_name.as_ref().or(name.as_ref()) {
            Some(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                .map_err(|_| TlsFault::Name(name.clone()))?,
            None => ServerName::IpAddress(to.address.ip().into()),
        };
        Ok(Some(Secure { config: Arc::clone(config), name }))
    }
}

impl Secure {
    /// Shakes hands over a new connection.
    pub(super) async fn shake_hands(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(Arc::clone(&self.config)).connect(self.name.clone(), stream).await
    }
}

fn client(tls: &config::Tls) -> Result<ClientConfig, TlsFault> {
    let mut roots = RootCertStore::empty();
    let found = match &tls.authority {
        Some(file) => certificates("authority", file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (added, _) = roots.add_parsable_certificates(found);
    match (&tls.authority, added) {
        (Some(file), 0) => return Err(unusable("authority", file, &"it holds no certificate")),
        (None, 0) => return Err(TlsFault::NoAuthority),
        _ => {}
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFault::Identity(error.to_string()))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &tls.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let certificates = certificates("certificate", certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("key", key, &error))?;
    let config = builder.with_client_auth_cert(certificates, key);
    config.map_err(|error| TlsFault::Identity(error.to_string()))
}

fn certificates(what: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    read.map_err(|error| unusable(what, file, &error))
}

fn unusable(what: &'static str, file: &Path, reason: &dyn std::fmt::Display) -> TlsFault {
    TlsFault::File { what, file: file.into(), reason: reason.to_string() }
}

/// What somebody can do about a handshake that has failed.
pub(super) fn cure(fault: &io::Error) -> &'static str {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext,
    };
    let found = fault.get_ref().and_then(|inner| {
        let inner: &(dyn Error + 'static) = inner;
        inner.downcast_ref::<rustls::Error>()
    });
    match found {
        Some(rustls::Error::InvalidCertificate(fault)) => match fault {
            NotValidForName | NotValidForNameContext { .. } => {
                "; name the server as its certificate does, with 'tls_servername'"
            }
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
                "; its certificate has to be renewed, or this machine's clock set"
            }
            _ => {
                "; name the authority that has signed its certificate as the last argument of 'tls'"
            }
        },
        Some(rustls::Error::AlertReceived(_)) => {
            "; it may want a client certificate: the first two arguments of 'tls'"
        }
        _ => "",
    }
}
