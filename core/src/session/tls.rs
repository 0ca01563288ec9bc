//! What can be wrong with TLS, and how soon to try again. The machine that speaks it is `powerstream-tls`.

use core::fmt;

use crate::backoff::Class;

/// What failed in TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The server's certificate, or one above it, has expired by this machine's clock.
    CertificateExpired,
    /// The server's certificate, or one above it, is not valid yet by this machine's clock.
    CertificateNotYetValid,
    /// The server's certificate is for other names.
    CertificateName,
    /// No CA that is trusted stands above the server's certificate.
    CertificateIssuer,
    /// The server's certificate is refused for another reason: revoked, signed badly, not for servers.
    Certificate,
    /// The server speaks other protocols above TLS only, such as HTTP/2.
    NoHttp1,
    /// The server and this side have no version of TLS, cipher suite or key exchange in common.
    NothingInCommon,
    /// The server ended the connection with this alert (RFC 8446, section 6.2).
    Alert(u8),
    /// What the server sent in place of its first message is not TLS at all.
    NotTls,
    /// The server broke the protocol, or the network broke its messages.
    Broken,
    /// The handshake was not over by the deadline of the connect, though TCP was connected.
    HandshakeTimedOut,
    /// The peer reset the connection in the handshake.
    HandshakeReset,
    /// The peer closed the connection in the handshake.
    HandshakeClosed,
    /// This side could not go on: no randomness, no time, no keys.
    Local,
}

impl TlsFault {
    /// How soon to try again. Whoever has the wrong certificate, the wrong port or the wrong protocol has it at every attempt
    /// for a while, as with broken HTTP; yet certificates are renewed and clocks set right while nobody looks, so nothing
    /// here ends a session. What merely did not come about may be the network's.
    pub(super) const fn class(self) -> Class {
        match self {
            Self::HandshakeTimedOut | Self::HandshakeReset | Self::HandshakeClosed | Self::Local => {
                Class::Network
            }
            _ => Class::Http,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::CertificateExpired => {
                "the server's certificate has expired, or this machine's clock is wrong"
            }
            Self::CertificateNotYetValid => {
                "the server's certificate is not valid yet, or this machine's clock is wrong"
            }
            Self::CertificateName => "the server's certificate is for another name: check the base URL",
            Self::CertificateIssuer => {
                "the server's certificate is by nobody who is trusted here: where a proxy decrypts TLS, trust its CA"
            }
            Self::Certificate => "the server's certificate is revoked, badly signed or not for a server",
            Self::NoHttp1 => "the server does not offer HTTP/1.1 over TLS",
            Self::NothingInCommon => {
                "the server has no TLS version or cipher suite in common with this client, which has 1.2 and 1.3"
            }
            Self::Alert(_) => "the server ended TLS with an alert",
            Self::NotTls => "the server does not speak TLS: check scheme and port of the base URL",
            Self::Broken => "the server broke the TLS protocol",
            Self::HandshakeTimedOut => "expected the TLS handshake to end within the deadline of the connect",
            Self::HandshakeReset => "the connection was reset by the peer in the TLS handshake",
            Self::HandshakeClosed => "the server closed the connection in the TLS handshake",
            Self::Local => {
                "TLS failed on this machine, not at the server: no randomness, no time or no keys were to be had"
            }
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())?;
        match *self {
            Self::Alert(code) => match alert_name(code) {
                Some(name) => write!(f, ": {code}, {name}"),
                None => write!(f, ": {code}"),
            },
            _ => Ok(()),
        }
    }
}

/// The names of those alerts that servers send to clients (RFC 8446, appendix B.2).
const fn alert_name(code: u8) -> Option<&'static str> {
    Some(match code {
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        47 => "illegal_parameter",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        90 => "user_canceled",
        109 => "missing_extension",
        112 => "unrecognized_name",
        116 => "certificate_required",
        _ => return None,
    })
}
