//! Failures that a driver reports: of sockets, of the resolver, of a proxy and of TLS.
//!
//! A session decides how long to wait after each, see [`session`](crate::session).

use core::fmt;

/// The transport failed, as the driver reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportError {
    /// What failed.
    pub kind: TransportErrorKind,
    /// The operating system's number for it, if there is one.
    pub os_code: Option<i32>,
    /// It happened on the way to the proxy, and says nothing about the server.
    pub before_proxy: bool,
}

impl TransportError {
    /// Creates a fault without a number.
    #[must_use]
    pub const fn new(kind: TransportErrorKind) -> Self {
        Self::with_os_code(kind, None)
    }

    /// Creates a fault with the operating system's number for it.
    #[must_use]
    pub const fn with_os_code(kind: TransportErrorKind, os_code: Option<i32>) -> Self {
        Self { kind, os_code, before_proxy: false }
    }

    /// Returns the same fault, marked as one on the way to the proxy.
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
    /// The name resolved to other machines only, which are not connected to in the clear.
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
    /// The operating system gave up waiting.
    TimedOut,
    /// The peer reset the connection.
    Reset,
    /// The proxy wants other credentials, or any (407).
    ProxyAuthentication,
    /// The proxy may not connect to this host (403).
    ProxyForbidden,
    /// The proxy could not connect, or has trouble of its own: this status, 500 or more.
    ProxyUnavailable(u16),
    /// The proxy refused with this status.
    ProxyRefused(u16),
    /// The proxy's answer is no HTTP, or goes beyond a limit.
    ProxyAnswer,
    /// Bytes came behind the proxy's answer, before anything was sent that they could answer.
    ProxyLeftover,
    /// The proxy closed before it had answered.
    ProxyClosed,
    /// The proxy did not answer by the connect deadline.
    ProxyTimedOut,
    /// TLS failed.
    Tls(TlsError),
    /// Anything else; the number says more.
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
                "plain http is for this machine only, and the host's name resolved to others"
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
            Self::ProxyAuthentication => "the proxy asks for credentials: check its user name and password",
            Self::ProxyForbidden => "the proxy does not allow connections to this host",
            Self::ProxyUnavailable(_) => "the proxy could not connect to the host",
            Self::ProxyRefused(_) => "the proxy refused to connect to the host",
            Self::ProxyAnswer => "the proxy's answer is no HTTP: is this the right host and port?",
            Self::ProxyLeftover => "the proxy sent bytes behind its answer that belong to nothing",
            Self::ProxyClosed => "the proxy closed the connection before it had answered",
            Self::ProxyTimedOut => "the proxy did not answer in time",
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
    /// The server's certificate is for other names.
    CertificateName,
    /// No CA that is trusted stands above the server's certificate.
    CertificateIssuer,
    /// The server's certificate is refused for another reason: revoked, signed badly, not for
    /// servers.
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

impl TlsError {
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

impl fmt::Display for TlsError {
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
