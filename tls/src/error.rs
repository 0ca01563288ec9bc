//! What rustls reports, as the faults that a session knows.

use powerstream_core::transport_error::{TlsError, TransportError, TransportErrorKind};
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerMisbehaved};

/// The fault. `first`: nothing of the peer's had been understood before.
pub(crate) fn fault(error: &Error, first: bool) -> TransportError {
    let fault = match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::NoCertificatesPresented | Error::UnsupportedNameType | Error::InvalidCertRevocationList(_) => {
            TlsError::Certificate
        }
        Error::NoApplicationProtocol
        | Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => TlsError::NoHttp1,
        // In the handshake; later it is an end in due form.
        Error::AlertReceived(AlertDescription::CloseNotify) => TlsError::HandshakeClosed,
        Error::AlertReceived(alert) => TlsError::Alert(u8::from(*alert)),
        Error::PeerIncompatible(_) => TlsError::NothingInCommon,
        Error::InvalidMessage(message) if first && is_no_record(message) => TlsError::NotTls,
        Error::PeerSentOversizedRecord if first => TlsError::NotTls,
        Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes
        | Error::General(_)
        | Error::Other(_) => TlsError::Local,
        _ => TlsError::Broken,
    };
    TransportError::new(TransportErrorKind::Tls(fault))
}

fn certificate(error: &CertificateError) -> TlsError {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsError::CertificateExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsError::CertificateNotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsError::CertificateName
        }
        CertificateError::UnknownIssuer => TlsError::CertificateIssuer,
        _ => TlsError::Certificate,
    }
}

/// Whether these are not even the five octets that every record starts with.
fn is_no_record(message: &InvalidMessage) -> bool {
    matches!(
        message,
        InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload
    )
}
