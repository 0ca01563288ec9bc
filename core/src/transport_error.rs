//! Failures of sockets, the resolver, a proxy or TLS, as reported by a driver.
//!
//! A session decides how long to wait after each failure; see [`session`](crate::session).

use core::fmt;

/// The transport failed, as the driver reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportError {
    /// What failed.
    pub kind: TransportErrorKind,
    /// The operating system's error number, if there is one.
    pub os_code: Option<i32>,
    /// True if the error occurred on the way to the proxy. It then says nothing about the server.
    pub before_proxy: bool,
}

impl TransportError {
    /// Creates a transport error without an error number.
    #[must_use]
    pub const fn new(kind: TransportErrorKind) -> Self {
        Self::with_os_code(kind, None)
    }

    /// Creates a transport error with the operating system's error number.
    #[must_use]
    pub const fn with_os_code(kind: TransportErrorKind, os_code: Option<i32>) -> Self {
        Self { kind, os_code, before_proxy: false }
    }

    /// Returns the same error, marked as one on the way to the proxy.
    #[must_use]
    pub const fn on_the_way_to_proxy(self) -> Self {
        Self { before_proxy: true, ..self }
    }
}

impl core::error::Error for TransportError {}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The host's name could not be resolved.
    Resolve,
    /// The name resolved to no address.
    NoAddress,
    /// The name resolved only to other machines, to which unencrypted connections are refused.
    NotLoopback,
    /// The local address to connect from is not of the family of any address that the name resolved
    /// to.
    LocalAddress,
    /// Every address refused the connection.
    Refused,
    /// No address could be reached.
    Unreachable,
    /// This machine has no route to the host's network.
    NetworkUnreachable,
    /// This machine forbids the connection: a firewall or a sandbox.
    Denied,
    /// The local address to connect from is not one of this machine's, or all its ports are in use.
    LocalAddressUnavailable,
    /// This process has reached its limit of open files, sockets included.
    FileLimit,
    /// The system has reached its limit of open files.
    SystemFileLimit,
    /// The system has no memory for another socket.
    NoMemory,
    /// The operating system's connect timeout expired.
    TimedOut,
    /// The peer reset the connection.
    Reset,
    /// The proxy requires credentials, or rejected the given ones (407).
    ProxyAuthentication,
    /// The proxy may not connect to this host (403).
    ProxyForbidden,
    /// The proxy could not connect, or had an internal error. Its status is 500 or more.
    ProxyUnavailable(u16),
    /// The proxy refused with this status.
    ProxyRefused(u16),
    /// The proxy's response is not HTTP, or exceeds a limit.
    ProxyAnswer,
    /// Bytes arrived after the proxy's response, although no further request had been sent.
    ProxyLeftover,
    /// The proxy closed the connection before it responded.
    ProxyClosed,
    /// The proxy did not respond before the connect deadline.
    ProxyTimedOut,
    /// TLS failed.
    Tls(TlsError),
    /// Any other failure; the error number identifies it.
    Other,
}

impl TransportErrorKind {
    const fn text(self) -> &'static str {
        match self {
            Self::Resolve => {
                "the host's name could not be resolved: check its spelling, and this machine's DNS and network"
            }
            Self::NoAddress => "the host's name resolved to no address",
            Self::NotLoopback => {
                "plain http is allowed only to this machine, but the host's name resolved to another one; use https"
            }
            Self::LocalAddress => {
                "the host's name resolved to no address that the local address can reach: one is IPv4, the other IPv6"
            }
            Self::Refused => "the connection was refused",
            Self::Unreachable => "the host could not be reached",
            Self::NetworkUnreachable => {
                "this machine has no route to the host's network: check its network connection"
            }
            Self::Denied => "this machine forbids the connection: check the rules of its firewall or sandbox",
            Self::LocalAddressUnavailable => {
                "the local address is not one of this machine's, or all its ports are in use"
            }
            Self::FileLimit => "this process has reached its limit of open files: raise it (ulimit -n)",
            Self::SystemFileLimit => {
                "the system has reached its limit of open files: raise it (fs.file-max on Linux), or end other programs"
            }
            Self::NoMemory => "the system has no memory for another socket",
            Self::TimedOut => "the operating system gave up waiting for the peer",
            Self::Reset => "the connection was reset by the peer",
            Self::ProxyAuthentication => {
                "the proxy requires valid credentials: check its user name and password"
            }
            Self::ProxyForbidden => "the proxy does not allow connections to this host",
            Self::ProxyUnavailable(_) => "the proxy could not connect to the host",
            Self::ProxyRefused(_) => "the proxy refused to connect to the host",
            Self::ProxyAnswer => "the proxy's response is not HTTP: check the host and port of the proxy",
            Self::ProxyLeftover => "the proxy sent unexpected bytes after its response",
            Self::ProxyClosed => "the proxy closed the connection before it responded",
            Self::ProxyTimedOut => "the proxy did not respond before the connect deadline",
            Self::Tls(_) => "TLS failed",
            Self::Other => "the transport failed",
        }
    }
}

impl fmt::Display for TransportErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(fault) => fault.fmt(f),
            Self::ProxyUnavailable(status) | Self::ProxyRefused(status) => {
                write!(f, "{} (status {status})", self.text())
            }
            kind => f.write_str(kind.text()),
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.before_proxy {
            f.write_str("on the way to the proxy: ")?;
        }
        self.kind.fmt(f)?;
        match self.os_code {
            Some(code) => write!(f, " (operating system error {code})"),
            None => Ok(()),
        }
    }
}

/// What failed in TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// The server's certificate, or one above it, has expired by this machine's clock.
    CertificateExpired,
    /// The server's certificate, or one above it, is not valid yet by this machine's clock.
    CertificateNotYetValid,
    /// The server's certificate is valid for these names only, and the host is not among them.
    CertificateName(CertificateNames),
    /// The server's certificate is signed by an authority that is not trusted. A self-signed
    /// certificate that is not configured as a CA is one case.
    CertificateIssuer,
    /// A signature does not verify. Usually the configured CA has the right name and another key.
    /// An RSA key of less than 2,048 bits is another case.
    CertificateSignature,
    /// The server's own certificate is a CA certificate, and so must not identify a server (RFC
    /// 5280, section 4.2.1.9). `openssl req -x509` makes such certificates by default.
    CertificateIsCa,
    /// The authority revoked the server's certificate, or one above it.
    CertificateRevoked,
    /// The extended key usage of the server's certificate does not include servers (RFC 5280,
    /// section 4.2.1.12).
    CertificateUsage,
    /// The server's certificate has an X.509 version, a key type or a signature algorithm that this
    /// client does not support.
    CertificateUnsupported,
    /// The server's certificate is missing, malformed or invalid in another way.
    Certificate,
    /// The server offers only other protocols over TLS, such as HTTP/2.
    NoHttp1,
    /// The server and this client have no TLS version, cipher suite or key exchange in common.
    NothingInCommon,
    /// The server ended the connection with this alert (RFC 8446, section 6.2).
    Alert(u8),
    /// The first bytes from the server are not TLS.
    NotTls,
    /// The server violated the TLS protocol, or the network corrupted its messages.
    Broken,
    /// The handshake did not complete before the connect deadline, although TCP was connected.
    HandshakeTimedOut,
    /// The peer reset the connection during the handshake.
    HandshakeReset,
    /// The peer closed the connection during the handshake.
    HandshakeClosed,
    /// TLS failed on this machine: no random numbers, no time or no keys.
    Local,
}

impl TlsError {
    const fn text(self) -> &'static str {
        match self {
            Self::CertificateExpired => {
                "the server's certificate has expired; renew it, or correct this machine's clock"
            }
            Self::CertificateNotYetValid => {
                "the server's certificate is not valid yet; correct this machine's clock"
            }
            Self::CertificateName(_) => {
                "the server's certificate is for another host; correct the host in the base URL"
            }
            Self::CertificateIssuer => {
                "the server's certificate is signed by an unknown authority; pass the CA with `TlsConfig::with_ca_pem`"
            }
            Self::CertificateSignature => {
                "a signature of the server's certificate is invalid: the trusted CA of that name has another \
                 key, or an RSA key is shorter than 2,048 bits; pass the CA's current certificate with \
                 `TlsConfig::with_ca_pem`, or issue a certificate with a longer key"
            }
            Self::CertificateIsCa => {
                "the server's own certificate is a CA certificate (CA:TRUE); \
                 give the server a certificate with CA:FALSE, and pass the CA that signed it"
            }
            Self::CertificateRevoked => "the server's certificate is revoked; replace it on the server",
            Self::CertificateUsage => {
                "the server's certificate is not for servers; issue one whose extended key usage includes serverAuth"
            }
            Self::CertificateUnsupported => {
                "the server's certificate has an unsupported version, key or signature algorithm; \
                 issue an X.509 version 3 certificate with ECDSA P-256 or P-384, Ed25519 or RSA"
            }
            Self::Certificate => "the server's certificate is missing or malformed; replace it on the server",
            Self::NoHttp1 => "the server does not offer HTTP/1.1 over TLS; enable it on the server",
            Self::NothingInCommon => {
                "the server and this client have no TLS version or cipher suite in common; \
                 enable TLS 1.2 or 1.3 on the server"
            }
            Self::Alert(_) => "the server ended TLS with an alert",
            Self::NotTls => "the server does not speak TLS; check the scheme and the port of the base URL",
            Self::Broken => "the server, or a device on the path, violated the TLS protocol",
            Self::HandshakeTimedOut => "the TLS handshake did not complete before the connect deadline",
            Self::HandshakeReset => "the peer reset the connection during the TLS handshake",
            Self::HandshakeClosed => "the server closed the connection during the TLS handshake",
            Self::Local => "TLS failed on this machine: no random numbers, no time or no keys",
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CertificateName(names) if !names.as_str().is_empty() => write!(
                f,
                "the server's certificate is for {}, not for this host; correct the host in the base URL",
                names.as_str()
            ),
            Self::Alert(code) => match alert_name(code) {
                Some(name) => write!(f, "{}: {code}, {name}", self.text()),
                None => write!(f, "{}: {code}", self.text()),
            },
            _ => f.write_str(self.text()),
        }
    }
}

/// The names that a certificate is for, as one line of at most [`Self::BYTES_MAX`] printable ASCII
/// bytes. It is stored inline, so that errors need no allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CertificateNames {
    bytes: [u8; Self::BYTES_MAX],
    length: u8,
}

impl CertificateNames {
    /// The length limit, in bytes.
    pub const BYTES_MAX: usize = 63;

    /// Joins names with commas. The first name that does not fit, and the names after it, are
    /// replaced by `..`. Characters that are not printable ASCII are replaced by `?`.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        // The end is kept free for `, ..`.
        let mut joined = Self { bytes: [0; Self::BYTES_MAX], length: 0 };
        for name in names {
            let separator: &[u8] = if joined.length == 0 { b"" } else { b", " };
            let room = Self::BYTES_MAX - 4 - usize::from(joined.length);
            if separator.len() + name.chars().count() > room {
                joined.push(separator);
                joined.push(b"..");
                break;
            }
            joined.push(separator);
            for character in name.chars() {
                let is_printable = character.is_ascii_graphic();
                joined.push(&[if is_printable { character as u8 } else { b'?' }]);
            }
        }
        joined
    }

    /// Returns the joined names; an empty text if the verifier reported none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.bytes.get(..usize::from(self.length)).unwrap_or_default())
            .unwrap_or_default()
    }

    /// Appends as many bytes as fit.
    fn push(&mut self, bytes: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(usize::from(self.length)).zip(bytes) {
            *place = *byte;
            self.length += 1;
        }
    }
}

impl fmt::Debug for CertificateNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CertificateNames").field(&self.as_str()).finish()
    }
}

/// Returns the name of an alert that servers send to clients (RFC 8446, appendix B.2).
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

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::ToString;

    use super::*;

    #[test]
    fn an_error_is_a_text_with_its_place_status_and_number() {
        use TransportErrorKind as Kind;
        for (error, text) in [
            (TransportError::new(Kind::Other), "the transport failed"),
            (
                TransportError::new(Kind::ProxyRefused(405)),
                "the proxy refused to connect to the host (status 405)",
            ),
            (
                TransportError::with_os_code(Kind::Refused, Some(111)).on_the_way_to_proxy(),
                "on the way to the proxy: the connection was refused (operating system error 111)",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn an_alert_has_its_code_and_its_name_of_rfc_8446() {
        for (code, name) in [
            (10, "unexpected_message"),
            (20, "bad_record_mac"),
            (22, "record_overflow"),
            (40, "handshake_failure"),
            (47, "illegal_parameter"),
            (49, "access_denied"),
            (50, "decode_error"),
            (51, "decrypt_error"),
            (70, "protocol_version"),
            (71, "insufficient_security"),
            (80, "internal_error"),
            (90, "user_canceled"),
            (109, "missing_extension"),
            (112, "unrecognized_name"),
            (116, "certificate_required"),
        ] {
            let text = format!("the server ended TLS with an alert: {code}, {name}");
            assert_eq!(TlsError::Alert(code).to_string(), text);
        }
    }

    #[test]
    fn certificate_names_are_joined_cut_and_printable() {
        let long = ["n"; 60].concat();
        for (names, joined) in [
            (&["a.test"][..], "a.test"),
            (&["a.test", "*.b.test"], "a.test, *.b.test"),
            (&["a\r\u{e4}\u{1b}"], "a???"),
            (&[], ""),
            (&["a.test", &long], "a.test, .."),
            (&[&long, "a.test"], ".."),
        ] {
            assert_eq!(CertificateNames::new(names.iter().copied()).as_str(), joined);
        }
        let many = CertificateNames::new(core::iter::repeat_n("four", 100));
        assert!(many.as_str().ends_with("four, ..") && many.as_str().len() <= CertificateNames::BYTES_MAX);
    }
}
