//! Why a stream ended, and what follows from it.

use core::fmt;

use crate::backoff::Class;
use crate::liveness::Reason;
use crate::session::tls::TlsFault;
use crate::stream::connection::Error;

/// The world failed: what the driver reports of the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// What failed.
    pub kind: FaultKind,
    /// The operating system's number for it, if there is one.
    pub os_code: Option<i32>,
    /// It was met on the way to the proxy, which the server may be well without.
    pub before_proxy: bool,
}

impl Fault {
    /// A fault without a number.
    #[must_use]
    pub const fn new(kind: FaultKind) -> Self {
        Self::with_os_code(kind, None)
    }

    /// A fault with the operating system's number for it.
    #[must_use]
    pub const fn with_os_code(kind: FaultKind, os_code: Option<i32>) -> Self {
        Self { kind, os_code, before_proxy: false }
    }

    /// The same fault, met on the way to the proxy.
    #[must_use]
    pub const fn on_the_way_to_proxy(self) -> Self {
        Self { before_proxy: true, ..self }
    }
}

impl core::error::Error for Fault {}

#[cfg(feature = "std")]
impl From<&std::io::Error> for Fault {
    /// The fault of a transport of the operating system. Resolving has kinds of its own, which no error tells.
    fn from(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let kind = match error.kind() {
            ErrorKind::ConnectionRefused => FaultKind::Refused,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => FaultKind::Unreachable,
            ErrorKind::TimedOut => FaultKind::TimedOut,
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                FaultKind::Reset
            }
            _ => FaultKind::Other,
        };
        Self::with_os_code(kind, error.raw_os_error())
    }
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The host's name could not be resolved.
    Resolve,
    /// The name resolved to no address.
    NoAddress,
    /// The name resolved to other machines only, which are not connected to in the clear.
    NotLoopback,
    /// The local address to connect from is not of the family of any address that the name resolved to.
    LocalAddress,
    /// Every address refused the connection.
    Refused,
    /// No address could be reached.
    Unreachable,
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
    Tls(TlsFault),
    /// Anything else; the number says more.
    Other,
}

impl FaultKind {
    const fn text(self) -> &'static str {
        match self {
            Self::Resolve => "the host's name could not be resolved",
            Self::NoAddress => "the host's name resolved to no address",
            Self::NotLoopback => {
                "plain http is for this machine only, and the host's name resolved to others"
            }
            Self::LocalAddress => {
                "the host's name resolved to no address that the local address can reach: one is IPv4, the other IPv6"
            }
            Self::Refused => "the connection was refused",
            Self::Unreachable => "the host could not be reached",
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

    /// Whoever answers wrongly will do so again for a while, and wrong credentials, sent again, may lock an account; what
    /// comes of the network, also between proxy and server, may be over in a moment.
    const fn verdict(self) -> Verdict {
        match self {
            Self::ProxyAuthentication => Verdict::Stop,
            Self::ProxyForbidden | Self::ProxyRefused(_) | Self::ProxyAnswer | Self::ProxyLeftover => {
                Verdict::Retry(Class::Http)
            }
            Self::Tls(fault) => Verdict::Retry(fault.class()),
            _ => Verdict::Retry(Class::Network),
        }
    }
}

impl fmt::Display for FaultKind {
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

impl fmt::Display for Fault {
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

/// The server answered with something other than a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The status code.
    pub status: u16,
    /// What it means, from the status, the body and the fields, in this order of weight where they differ.
    pub kind: RefusalKind,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalKind {
    /// 401: the token is missing, wrong or revoked.
    Unauthorized,
    /// 403: the app may not use this endpoint.
    Forbidden,
    /// 409 without rules: the stream needs at least one.
    NoRules,
    /// The rules in force are invalid.
    InvalidRules,
    /// 429: too many connections; the other one must go first, so waiting for a window is pointless.
    ConnectionLimit,
    /// 429: the window's connection requests are used up.
    WindowLimit,
    /// 429: for reasons not given.
    RateLimit,
    /// 429: the plan's volume of Posts is used up.
    UsageCap,
    /// 503: a change of the subscription is being provisioned.
    Provisioning,
    /// 3xx: redirects are not followed, the token would go with them.
    Redirect,
    /// Another 4xx, which asking again cannot cure.
    Request,
    /// 408, 425, or 5xx and above: the server's trouble.
    Server,
}

impl RefusalKind {
    const fn text(self) -> &'static str {
        match self {
            Self::Unauthorized => "not authorised: check the bearer token",
            Self::Forbidden => "forbidden: this app may not use this endpoint",
            Self::NoRules => "no rules: add one before connecting",
            Self::InvalidRules => "the rules in force are invalid: change them before connecting",
            Self::ConnectionLimit => {
                "too many connections: close another one, or wait until the server forgets it"
            }
            Self::WindowLimit => "the rate limit's window is used up",
            Self::RateLimit => "rate limited",
            Self::UsageCap => "the plan's volume of Posts is used up",
            Self::Provisioning => "a change of the subscription is being provisioned",
            Self::Redirect => "redirected: redirects are not followed; use the new address as the base URL",
            Self::Request => "the request was refused, and would be again",
            Self::Server => "the server has trouble",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (status {})", self.kind.text(), self.status)
    }
}

/// Why a connection ended, or was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The transport failed.
    Fault(Fault),
    /// A deadline passed.
    Timeout(Reason),
    /// The peer broke HTTP.
    Protocol(Error),
    /// The server answered with something other than a stream.
    Refused(Refusal),
    /// The server ended the stream in due form.
    Ended,
    /// The server closed in mid-stream, without the end of the body.
    Cut,
    /// The server closed before the head of its answer had ended.
    CutInHead,
}

impl Cause {
    /// A short stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Fault(_) => "fault",
            Self::Timeout(reason) => reason.timeout_code(),
            Self::Protocol(error) => error.kind.code(),
            Self::Refused(_) => "refused",
            Self::Ended => "ended",
            Self::Cut => "cut",
            Self::CutInHead => "cut_in_head",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Timeout(reason) => f.write_str(reason.expected()),
            Self::Protocol(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Ended => f.write_str("the server ended the stream"),
            Self::Cut => f.write_str("the server closed the connection in mid-stream"),
            Self::CutInHead => f.write_str("the server closed the connection before it had answered"),
        }
    }
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Asking again cannot cure it.
    Stop,
    /// Wait as the class says.
    Retry(Class),
}

impl Cause {
    pub(super) const fn verdict(&self) -> Verdict {
        match self {
            Self::Fault(fault) => fault.kind.verdict(),
            Self::Timeout(_) | Self::Ended | Self::Cut | Self::CutInHead => Verdict::Retry(Class::Network),
            // Whoever answers with broken HTTP, a captive portal say, does so at every attempt for a while.
            Self::Protocol(_) => Verdict::Retry(Class::Http),
            Self::Refused(refusal) => match refusal.kind {
                RefusalKind::Unauthorized
                | RefusalKind::Forbidden
                | RefusalKind::NoRules
                | RefusalKind::InvalidRules
                | RefusalKind::UsageCap
                | RefusalKind::Redirect
                | RefusalKind::Request => Verdict::Stop,
                RefusalKind::ConnectionLimit | RefusalKind::WindowLimit | RefusalKind::RateLimit => {
                    Verdict::Retry(Class::RateLimit)
                }
                RefusalKind::Provisioning | RefusalKind::Server => Verdict::Retry(Class::Http),
            },
        }
    }
}
