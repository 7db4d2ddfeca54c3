//! Why a TLS handshake fails, and what somebody can do about it.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

/// The error of TLS among an error's causes, with its cure; none where that is not the trouble.
pub(super) fn distrust(error: &(dyn Error + 'static)) -> Option<(String, &'static str)> {
    let mut next = Some(error);
    while let Some(found) = next {
        if let Some(fault) = found.downcast_ref::<rustls::Error>() {
            return cure(fault).map(|cure| (fault.to_string(), cure));
        }
        // What an I/O error wraps is not its source, but itself.
        next = match found.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => found.source(),
        };
    }
    None
}

fn cure(fault: &rustls::Error) -> Option<&'static str> {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext,
    };
    match fault {
        rustls::Error::InvalidCertificate(fault) => Some(match fault {
            NotValidForName | NotValidForNameContext { .. } => {
                "name the server as its certificate does, or set tls-server-name in the kubeconfig"
            }
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
                "renew the server's certificate, or set this machine's clock"
            }
            _ => {
                "name the authority that has signed the server's certificate: \
                 certificate-authority in a kubeconfig, the third file of tls in a Corefile"
            }
        }),
        rustls::Error::AlertReceived(
            AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRequired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate,
        ) => Some(
            "the server does not take the client certificate, renew it: client-certificate and \
             client-key in a kubeconfig, the first two files of tls in a Corefile",
        ),
        rustls::Error::InvalidMessage(_) => {
            Some("nobody speaks TLS there; if that is meant, write http:// in the server's URL")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_tls_is_found_where_it_is_wrapped() {
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let named = rustls::Error::InvalidCertificate(CertificateError::NotValidForName);
        let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        for (fault, part) in [
            (unknown, Some("certificate-authority in a kubeconfig")),
            (named, Some("tls-server-name")),
            (expired, Some("renew the server's certificate")),
            (alert, Some("client-certificate and client-key")),
            (rustls::Error::HandshakeNotComplete, None),
        ] {
            let text = fault.to_string();
            let wrapped = io::Error::other(io::Error::other(fault));
            let found = distrust(&wrapped);
            assert_eq!(found.is_some(), part.is_some(), "{text}");
            if let (Some((said, cure)), Some(part)) = (found, part) {
                assert!(said == text && cure.contains(part), "{said}: {cure}");
            }
        }
        assert_eq!(distrust(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }
}
