//! Conversion of rustls errors into the transport errors of a session.

use powerstream_core::transport_error::{CertificateNames, TlsError, TransportError, TransportErrorKind};
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerMisbehaved};

/// Converts an error of rustls. `first` means that no earlier message of the peer was valid.
pub(crate) fn fault(error: &Error, first: bool) -> TransportError {
    let fault = match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::NoCertificatesPresented | Error::UnsupportedNameType | Error::InvalidCertRevocationList(_) => {
            TlsError::Certificate
        }
        Error::NoApplicationProtocol
        | Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => TlsError::NoHttp1,
        // This is an error only in the handshake. Later it is the regular end.
        Error::AlertReceived(AlertDescription::CloseNotify) => TlsError::HandshakeClosed,
        Error::AlertReceived(alert) => TlsError::Alert(u8::from(*alert)),
        Error::PeerIncompatible(_) => TlsError::NothingInCommon,
        Error::InvalidMessage(message) if first && is_no_record(message) => TlsError::NotTls,
        Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes
        | Error::General(_)
        | Error::Other(_) => TlsError::Local,
        _ => TlsError::Broken,
    };
    TransportError::new(TransportErrorKind::Tls(fault))
}

fn certificate(error: &CertificateError) -> TlsError {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => TlsError::CertificateExpired,
        E::NotValidYet | E::NotValidYetContext { .. } => TlsError::CertificateNotYetValid,
        E::NotValidForName => TlsError::CertificateName(CertificateNames::new([])),
        E::NotValidForNameContext { presented, .. } => {
            TlsError::CertificateName(CertificateNames::new(presented.iter().map(|name| bare(name))))
        }
        E::UnknownIssuer => TlsError::CertificateIssuer,
        E::BadSignature => TlsError::CertificateSignature,
        E::Revoked => TlsError::CertificateRevoked,
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => TlsError::CertificateUsage,
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => TlsError::CertificateUnsupported,
        E::Other(other) => other_certificate_error(&other.to_string()),
        _ => TlsError::Certificate,
    }
}

/// Returns the name alone. rustls-webpki reports `DnsName("a.test")` or `IpAddress(127.0.0.1)`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

/// Maps the errors that rustls passes on without a variant, by the texts of rustls-webpki and
/// rustls-platform-verifier. Each text has a test, which fails if a new version changes it.
fn other_certificate_error(text: &str) -> TlsError {
    match text {
        "CaUsedAsEndEntity" => TlsError::CertificateIsCa,
        "UnsupportedCertVersion" => TlsError::CertificateUnsupported,
        "certificate had invalid extensions" => TlsError::CertificateUsage,
        _ => TlsError::Certificate,
    }
}

/// Returns true if the bytes are not even a record header (5 bytes, RFC 8446, section 5.1).
fn is_no_record(message: &InvalidMessage) -> bool {
    matches!(
        message,
        InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors that the handshakes of the other tests do not cause.
    #[test]
    fn rare_errors_keep_their_kind() {
        for (error, expected) in [
            (Error::NoCertificatesPresented, TlsError::Certificate),
            (
                Error::InvalidCertificate(CertificateError::NotValidForName),
                TlsError::CertificateName(CertificateNames::new([])),
            ),
            (Error::General("no entropy".to_owned()), TlsError::Local),
            (Error::PeerSentOversizedRecord, TlsError::Broken),
        ] {
            let expected = TransportError::new(TransportErrorKind::Tls(expected));
            assert_eq!(fault(&error, false), expected, "{error}");
        }
    }
}
