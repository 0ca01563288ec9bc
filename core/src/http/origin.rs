//! The origin of a stream: scheme, host and port.

use core::fmt;
use core::net::IpAddr;

/// Whether the connection uses TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "HTTP has only these two")]
pub enum Scheme {
    /// Without TLS. Allowed only to this machine, because every request contains the bearer token.
    Http,
    /// With TLS.
    Https,
}

/// An origin, parsed from a base URL such as `https://api.x.com`.
///
/// ```
/// use powerstream_core::http::{Origin, OriginError, Scheme};
///
/// let origin = Origin::parse("http://[::1]:8080")?;
/// assert_eq!((origin.scheme(), origin.host(), origin.port()), (Scheme::Http, "::1", 8080));
/// assert_eq!(origin.authority(), "[::1]:8080");
/// assert_eq!(Origin::parse("http://api.x.com"), Err(OriginError::PlainHttp));
/// # Ok::<(), OriginError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    scheme: Scheme,
    authority: &'a str,
    host: &'a str,
    port: u16,
}

/// The origin of X's API.
pub const X: Origin<'static> =
    Origin { scheme: Scheme::Https, authority: "api.x.com", host: "api.x.com", port: 443 };

impl<'a> Origin<'a> {
    /// Parses a base URL. A single slash may follow the authority; the endpoint adds the path.
    ///
    /// # Errors
    ///
    /// Returns [`OriginError`] if the URL is not an origin, or uses plain HTTP to another machine.
    pub fn parse(url: &'a str) -> Result<Self, OriginError> {
        let (scheme, rest) = url.split_once("://").ok_or(OriginError::Scheme)?;
        let scheme = if scheme.eq_ignore_ascii_case("https") {
            Scheme::Https
        } else if scheme.eq_ignore_ascii_case("http") {
            Scheme::Http
        } else {
            return Err(OriginError::Scheme);
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(OriginError::Path);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed.split_once(']').ok_or(OriginError::Host)?;
                host.parse::<core::net::Ipv6Addr>().map_err(|_| OriginError::Host)?;
                (
                    host,
                    if port.is_empty() {
                        None
                    } else {
                        Some(port.strip_prefix(':').ok_or(OriginError::Port)?)
                    },
                )
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.is_empty() || !(host.bytes().all(is_name) || authority.starts_with('[')) {
            return Err(OriginError::Host);
        }
        let port = match port {
            None if scheme == Scheme::Https => 443,
            None => 80,
            // Checked because `parse` would also accept a sign.
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                port.parse().ok().filter(|&port| port != 0).ok_or(OriginError::Port)?
            }
            Some(_) => return Err(OriginError::Port),
        };
        let origin = Self { scheme, authority, host, port };
        if scheme == Scheme::Http && !origin.is_loopback() {
            return Err(OriginError::PlainHttp);
        }
        Ok(origin)
    }

    /// Returns the scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host and port as written: the value of the `Host` field.
    #[must_use]
    pub const fn authority(&self) -> &'a str {
        self.authority
    }

    /// Returns the host's name or address, without brackets.
    #[must_use]
    pub const fn host(&self) -> &'a str {
        self.host
    }

    /// Returns the port; the scheme's default port if none is written.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns true if a connection to this address of the host is allowed. Without TLS, only
    /// loopback addresses are, even if `localhost` resolves to another address.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.scheme == Scheme::Https || address.is_loopback()
    }

    fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

/// An [`Origin`] that owns its text.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedOrigin {
    scheme: Scheme,
    authority: alloc::string::String,
    /// The range of the host in the authority.
    host: core::ops::Range<usize>,
    port: u16,
}

#[cfg(feature = "alloc")]
impl OwnedOrigin {
    /// Parses a base URL like [`Origin::parse`].
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Origin::parse`].
    pub fn parse(url: &str) -> Result<Self, OriginError> {
        Origin::parse(url).map(Self::from)
    }

    /// Returns the origin, borrowed.
    #[must_use]
    pub fn lend(&self) -> Origin<'_> {
        Origin {
            scheme: self.scheme,
            authority: &self.authority,
            host: &self.authority[self.host.clone()],
            port: self.port,
        }
    }
}

#[cfg(feature = "alloc")]
impl From<Origin<'_>> for OwnedOrigin {
    fn from(origin: Origin<'_>) -> Self {
        let start = usize::from(origin.authority.starts_with('['));
        Self {
            scheme: origin.scheme,
            authority: origin.authority.into(),
            host: start..start + origin.host.len(),
            port: origin.port,
        }
    }
}

/// Why a base URL is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginError {
    /// The URL does not start with `https://` or `http://`.
    Scheme,
    /// The host is missing or malformed, or the URL contains a user name or password.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// The URL contains a path, a query or a fragment.
    Path,
    /// The URL uses plain HTTP to another machine, which would disclose the bearer token.
    PlainHttp,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the base URL must start with https:// (or http:// for this machine)",
            Self::Host => "the base URL must name a host, without user name or password",
            Self::Port => "the base URL's port must be a number from 1 to 65535",
            Self::Path => "the base URL must end after the host and port; the endpoint adds the path",
            Self::PlainHttp => {
                "plain http is allowed only to this machine, because it would disclose the token; use https"
            }
        })
    }
}

impl core::error::Error for OriginError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_valid_origins() {
        let cases = [
            ("https://api.x.com", "api.x.com", "api.x.com", 443),
            ("HTTPS://api.x.com/", "api.x.com", "api.x.com", 443),
            ("https://api.x.com:8443", "api.x.com:8443", "api.x.com", 8443),
            ("http://localhost:80", "localhost:80", "localhost", 80),
            ("http://127.1.2.3:1", "127.1.2.3:1", "127.1.2.3", 1),
            ("http://[::1]", "[::1]", "::1", 80),
            ("https://[2001:db8::1]:65535", "[2001:db8::1]:65535", "2001:db8::1", 65535),
        ];
        for (url, authority, host, port) in cases {
            let origin = Origin::parse(url).unwrap();
            assert_eq!((origin.authority(), origin.host(), origin.port()), (authority, host, port), "{url}");
            #[cfg(feature = "alloc")]
            assert_eq!(OwnedOrigin::parse(url).unwrap().lend(), origin);
        }
        assert_eq!(Origin::parse("https://api.x.com"), Ok(X));
    }

    #[test]
    fn rejects_invalid_origins() {
        let cases = [
            ("api.x.com", OriginError::Scheme),
            ("ftp://api.x.com", OriginError::Scheme),
            ("https://", OriginError::Host),
            ("https://:443", OriginError::Host),
            ("https://user@host", OriginError::Host),
            ("https://user:secret@host", OriginError::Port),
            ("https://a b", OriginError::Host),
            ("https://a\r\nb", OriginError::Host),
            ("https://[::1", OriginError::Host),
            ("https://[nonsense]", OriginError::Host),
            ("https://[::1]443", OriginError::Port),
            ("https://h:", OriginError::Port),
            ("https://h:0", OriginError::Port),
            ("https://h:+1", OriginError::Port),
            ("https://h:65536", OriginError::Port),
            ("https://h/2/powerstream", OriginError::Path),
            ("https://h?x", OriginError::Path),
            ("https://h#x", OriginError::Path),
            ("http://api.x.com", OriginError::PlainHttp),
            ("http://10.0.0.1", OriginError::PlainHttp),
            ("http://localhost.example.com", OriginError::PlainHttp),
        ];
        for (url, error) in cases {
            assert_eq!(Origin::parse(url), Err(error), "{url}");
        }
    }

    #[test]
    fn plain_http_connects_to_loopback_only() {
        let plain = Origin::parse("http://localhost").unwrap();
        assert!(plain.allows("127.0.0.1".parse().unwrap()) && plain.allows("::1".parse().unwrap()));
        assert!(!plain.allows("10.0.0.1".parse().unwrap()));
        assert!(X.allows("10.0.0.1".parse().unwrap()));
    }
}
