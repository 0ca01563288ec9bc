//! TLS settings.

use std::fmt;
use std::str::FromStr;

use crate::fault_scope::FaultScope;

/// The TLS settings of [`Config::tls`](crate::Config::tls). The default is a healthy server.
///
/// Each start creates a CA and a certificate. [`Simulator::ca_pem`](crate::Simulator::ca_pem)
/// returns the CA's certificate for clients. The server's certificate is valid for `localhost`,
/// `127.0.0.1` and `::1`. TLS 1.2 and 1.3 are supported, and `http/1.1` is the only protocol
/// (ALPN).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// The fault. None by default.
    pub fault: Option<TlsFault>,
    /// The connections with the fault, counted over all clients from the start. All by default.
    pub fault_on: FaultScope,
    /// Sends `close_notify` before the FIN of a proper close. True by default.
    pub close_notify: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self { fault: None, fault_on: FaultScope::Every, close_notify: true }
    }
}

macro_rules! faults {
    ($($variant:ident, $name:literal, $description:literal;)*) => {
        /// A TLS fault, before any request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum TlsFault {
            $(#[doc = concat!("`", $name, "`: ", $description, ".")] $variant,)*
        }

        impl TlsFault {
            /// Returns every fault.
            #[must_use]
            pub fn all() -> &'static [TlsFault] {
                &[$(TlsFault::$variant),*]
            }

            /// Returns the name, in kebab case.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(TlsFault::$variant => $name),* }
            }

            /// Returns one line that says what happens.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(TlsFault::$variant => $description),* }
            }
        }
    };
}

faults! {
    Expired, "expired", "the certificate expired yesterday";
    NotYetValid, "not-yet-valid", "the certificate is valid from tomorrow";
    WrongName, "wrong-name", "the certificate is for another host";
    UnknownCa, "unknown-ca", "the certificate is signed by an unknown CA";
    SelfSigned, "self-signed", "the certificate is self-signed";
    OnlyH2, "only-h2", "the server offers only HTTP/2";
    Stall, "stall", "the server sends nothing during the handshake";
    Garbage, "garbage", "the server answers with something that is not TLS";
    Reset, "reset", "the server resets the connection during the handshake";
    Close, "close", "the server closes the connection during the handshake";
}

impl TlsFault {
    /// Returns true if the fault replaces the handshake, and false if it is inside the handshake.
    pub(crate) fn replaces_handshake(self) -> bool {
        matches!(self, TlsFault::Stall | TlsFault::Garbage | TlsFault::Reset | TlsFault::Close)
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for TlsFault {
    type Err = UnknownTlsFault;

    fn from_str(name: &str) -> Result<Self, UnknownTlsFault> {
        Self::all().iter().copied().find(|fault| fault.name() == name).ok_or(UnknownTlsFault)
    }
}

/// The error for an unknown name of a TLS fault. Its text lists the known ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownTlsFault;

impl fmt::Display for UnknownTlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such TLS fault; use one of ")?;
        for (n, fault) in TlsFault::all().iter().enumerate() {
            write!(f, "{}{fault}", if n > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownTlsFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_to_its_fault() {
        for fault in TlsFault::all() {
            assert_eq!(fault.name().parse(), Ok(*fault));
        }
        let error = "expierd".parse::<TlsFault>().unwrap_err().to_string();
        assert!(error.contains("expired, not-yet-valid") && error.contains("close"), "{error}");
    }
}
