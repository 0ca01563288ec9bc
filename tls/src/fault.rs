//! What rustls reports, as the faults that a session knows.

use powerstream_core::session::{Fault, FaultKind, TlsFault};
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerMisbehaved};

/// The fault. `first`: nothing of the peer's had been understood before.
pub(crate) fn fault(error: &Error, first: bool) -> Fault {
    let fault = match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::NoCertificatesPresented | Error::UnsupportedNameType | Error::InvalidCertRevocationList(_) => {
            TlsFault::Certificate
        }
        Error::NoApplicationProtocol
        | Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => TlsFault::NoHttp1,
        // In the handshake; later it is an end in due form.
        Error::AlertReceived(AlertDescription::CloseNotify) => TlsFault::HandshakeClosed,
        Error::AlertReceived(alert) => TlsFault::Alert(u8::from(*alert)),
        Error::PeerIncompatible(_) => TlsFault::NothingInCommon,
        Error::InvalidMessage(message) if first && is_no_record(message) => TlsFault::NotTls,
        Error::PeerSentOversizedRecord if first => TlsFault::NotTls,
        Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes
        | Error::General(_)
        | Error::Other(_) => TlsFault::Local,
        _ => TlsFault::Broken,
    };
    Fault::new(FaultKind::Tls(fault))
}

fn certificate(error: &CertificateError) -> TlsFault {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::CertificateExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFault::CertificateNotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFault::CertificateName
        }
        CertificateError::UnknownIssuer => TlsFault::CertificateIssuer,
        _ => TlsFault::Certificate,
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
