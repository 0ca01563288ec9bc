//! Proxy configuration, from a URL or from the values of `HTTPS_PROXY` and `NO_PROXY`, as curl
//! reads them.
//!
//! Nothing here reads the environment: pass the values as text.
//!
//! ```
//! use powerstream_core::http::X;
//! use powerstream_client::proxy::{Proxy, ProxyError, is_exempt};
//!
//! let proxy = Proxy::parse("http://user:p%40ss@proxy.example:3128")?;
//! let text = format!("{proxy:?}");
//! assert_eq!(text, "Proxy { host: \"proxy.example\", port: 3128, credentials: true }");
//! assert!(is_exempt("localhost, .x.com", "api.x.com", 443));
//! assert_eq!(Proxy::for_origin(Some("http://proxy.example:3128"), Some("*"), &X)?, None);
//! # Ok::<(), ProxyError>(())
//! ```

use std::fmt;
use std::net::IpAddr;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

use powerstream_core::http::{Credentials, Origin, Scheme, TunnelRequest};
use zeroize::Zeroizing;

/// An HTTP proxy and its credentials. The password is never displayed, and is wiped when the last
/// clone is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: String,
    port: u16,
    credentials: Option<Arc<Secret>>,
}

/// User name and password.
#[derive(PartialEq, Eq)]
struct Secret {
    user: Zeroizing<String>,
    password: Zeroizing<String>,
}

impl Proxy {
    /// Parses `http://[user[:password]@]host:port`. As with curl, the scheme may be missing.
    ///
    /// Percent-encode characters of user name and password that have a meaning in a URL.
    ///
    /// # Errors
    /// Returns a [`ProxyError`] for anything else. The error never quotes the text.
    pub fn parse(url: &str) -> Result<Self, ProxyError> {
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(ProxyError::Scheme),
            None => url,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // Split at the last `@`: if the `@` of a password is not encoded, its rest must not become
        // the host.
        let (secret, authority) = match rest.rsplit_once('@') {
            Some((secret, authority)) => (Some(secret), authority),
            None => (None, rest),
        };
        if authority.contains(['/', '?', '#']) {
            return Err(ProxyError::Path);
        }
        let (host, port) = authority.rsplit_once(':').ok_or(ProxyError::Port)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => {
                inner.parse::<std::net::Ipv6Addr>().map(|_| inner).map_err(|_| ProxyError::Host)?
            }
            None => host,
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.is_empty() || !(host.bytes().all(is_name) || authority.starts_with('[')) {
            // In an address without brackets, the last group was taken for the port.
            return Err(if host.contains(']') { ProxyError::Port } else { ProxyError::Host });
        }
        // Check for digits, since `parse` accepts a sign.
        let port = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok()).flatten();
        let port = port.filter(|&port: &u16| port != 0).ok_or(ProxyError::Port)?;
        let credentials = match secret {
            None | Some("") => None,
            Some(secret) => {
                let (user, password) = secret.split_once(':').unwrap_or((secret, ""));
                let secret = Secret { user: percent_decoded(user)?, password: percent_decoded(password)? };
                Credentials::new(&secret.user, &secret.password).map_err(|_| ProxyError::Credentials)?;
                Some(Arc::new(secret))
            }
        };
        Ok(Self { host: String::from(host), port, credentials })
    }

    /// Returns the proxy for `origin` according to the values of `HTTPS_PROXY` and `NO_PROXY`, or
    /// `None`.
    ///
    /// A plain HTTP origin is on this machine and never uses a proxy.
    ///
    /// # Errors
    /// Returns a [`ProxyError`] as [`Self::parse`], but only if the proxy would be used.
    pub fn for_origin(
        https_proxy: Option<&str>,
        no_proxy: Option<&str>,
        origin: &Origin<'_>,
    ) -> Result<Option<Self>, ProxyError> {
        let url = https_proxy.map(str::trim).filter(|url| !url.is_empty());
        let exempt = is_exempt(no_proxy.unwrap_or_default(), origin.host(), origin.port());
        match url {
            Some(url) if origin.scheme() == Scheme::Https && !exempt => Self::parse(url).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns the proxy's name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the proxy's port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the user name and password, if there are any.
    #[must_use]
    pub fn credentials(&self) -> Option<Credentials<'_>> {
        let secret = self.credentials.as_ref()?;
        // `parse` checked them.
        Credentials::new(&secret.user, &secret.password).ok()
    }

    /// Returns the CONNECT request for a tunnel to `host` and `port`.
    #[must_use]
    pub fn request<'a>(&'a self, host: &'a str, port: u16) -> TunnelRequest<'a> {
        let mut request = TunnelRequest::new(host, port);
        request.credentials = self.credentials();
        request
    }
}

impl fmt::Debug for Proxy {
    /// Formats whether there are credentials, but not their values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("credentials", &self.credentials.is_some())
            .finish()
    }
}

/// Why a text is not a usable proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// Its scheme is not `http`.
    Scheme,
    /// The host is missing or malformed.
    Host,
    /// The port is missing, or not a number from 1 to 65535.
    Port,
    /// There is a path, a query or a fragment.
    Path,
    /// User name or password is not percent-encoded UTF-8 or has a control character, or the user
    /// name has a colon.
    Credentials,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => {
                "the proxy must be an http:// one: https:// and socks proxies are not supported. What goes through it is \
                 encrypted all the same"
            }
            Self::Host => "the proxy's URL must name a host, an IPv6 address in brackets",
            Self::Port => {
                "the proxy's URL must name a port from 1 to 65535, such as http://proxy:3128: clients do not agree on a \
                 default"
            }
            Self::Path => {
                "the proxy's URL must end behind the host and port; a '/' in the password must be written as %2F"
            }
            Self::Credentials => {
                "the proxy's user name and password must be percent-encoded UTF-8 without control characters, the name \
                 without ':'"
            }
        })
    }
}

impl std::error::Error for ProxyError {}

/// Returns true if `NO_PROXY` exempts `host` at `port` from the proxy, as curl reads it.
///
/// Commas or white space separate the entries. Case is ignored:
///
/// - `*` matches every host.
/// - A name matches itself and all names below it. A leading `.` or `*.` changes nothing: `x.com`,
///   `.x.com` and `*.x.com` all match `api.x.com` and `x.com`.
/// - An address matches itself, or its network if `/bits` follows.
/// - `:port` after a name or address (IPv6 in brackets) limits the entry to that port.
///
/// Other entries match nothing; [`ignored`] returns them, for a warning. curl itself ignores
/// entries with a leading `*.`.
#[must_use]
pub fn is_exempt(no_proxy: &str, host: &str, port: u16) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let address: Option<IpAddr> = host.parse().ok();
    entries(no_proxy).any(|entry| {
        let (entry, entry_port) = split_port(entry);
        if entry.is_empty() || entry_port.is_some_and(|found| found != port) {
            return false;
        }
        match address {
            _ if entry == "*" => true,
            Some(address) => covers(entry, address),
            None => is_below(host, entry),
        }
    })
}

/// Returns the entries that match no host.
///
/// These have a scheme, a path or an invalid port, are an invalid network, or have a `*` that is
/// not leading.
pub fn ignored(no_proxy: &str) -> impl Iterator<Item = &str> {
    entries(no_proxy).filter(|entry| {
        let (name, _) = split_port(entry);
        let is_network = || {
            let (network, bits) = name.split_once('/')?;
            let width = if network.parse::<IpAddr>().ok()?.is_ipv4() { 32 } else { 128 };
            Some(bits.parse::<u32>().ok()? <= width)
        };
        let is_name = || {
            let name = without_wildcard(name);
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        !(name == "*" || name.parse::<IpAddr>().is_ok() || is_network() == Some(true) || is_name())
    })
}

fn entries(no_proxy: &str) -> impl Iterator<Item = &str> {
    no_proxy.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|entry| !entry.is_empty())
}

/// Splits off an entry's port, if it has one. An IPv6 address without brackets has none.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((inner, rest)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (inner, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    let with_port = entry.split_once(':').and_then(|(name, port)| Some((name, Some(port.parse().ok()?))));
    with_port.unwrap_or((entry, None))
}

/// Returns true if `address` equals `entry` or is in its network.
fn covers(entry: &str, address: IpAddr) -> bool {
    let (network, bits) = match entry.split_once('/') {
        Some((network, bits)) => match bits.parse() {
            Ok(bits) => (network, Some(bits)),
            Err(_) => return false,
        },
        None => (entry, None),
    };
    let same = |left: u128, right: u128, width: u32| {
        let host_bits = width.checked_sub(bits.unwrap_or(width));
        host_bits.is_some_and(|host_bits| (left ^ right).checked_shr(host_bits).unwrap_or(0) == 0)
    };
    match (network.parse(), address) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(address)) => {
            same(u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(address)) => same(network.to_bits(), address.to_bits(), 128),
        _ => false,
    }
}

/// Returns true if `host` is the name `entry` or below it.
fn is_below(host: &str, entry: &str) -> bool {
    let entry = without_wildcard(entry).trim_end_matches('.');
    let Some(start) = host.len().checked_sub(entry.len()) else { return false };
    !entry.is_empty()
        && host.as_bytes()[start..].eq_ignore_ascii_case(entry.as_bytes())
        && (start == 0 || host.as_bytes()[start - 1] == b'.')
}

/// Removes a leading `*.` or leading dots, which change nothing: a name always covers those below
/// it.
fn without_wildcard(entry: &str) -> &str {
    entry.strip_prefix("*.").unwrap_or(entry).trim_start_matches('.')
}

/// Decodes `%XX`. Returns an error if the result is not UTF-8.
fn percent_decoded(text: &str) -> Result<Zeroizing<String>, ProxyError> {
    // Allocate once: growing would leave copies of the secret in freed memory.
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(ProxyError::Credentials);
                };
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    match std::str::from_utf8(&out) {
        Ok(text) => Ok(Zeroizing::new(String::from(text))),
        Err(_) => Err(ProxyError::Credentials),
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::{format, vec};

    use powerstream_core::http::{ConnectHandshake, X};

    use super::*;

    fn request(proxy: &Proxy) -> String {
        let opening = ConnectHandshake::new(vec![0; 1_000], &proxy.request("h", 1)).unwrap();
        String::from_utf8(opening.transmit().to_vec()).unwrap()
    }

    #[test]
    fn parses_proxies() {
        for (url, host, port, basic) in [
            ("http://proxy.example:3128", "proxy.example", 3128, None),
            ("HTTP://proxy:1/", "proxy", 1, None),
            ("proxy:8080", "proxy", 8080, None),
            ("http://[::1]:65535", "::1", 65535, None),
            ("http://@proxy:80", "proxy", 80, None),
            ("http://a:b@127.0.0.1:80", "127.0.0.1", 80, Some("YTpi")),
            ("http://a@p:80", "p", 80, Some("YTo=")),
            ("http://:b@p:80", "p", 80, Some("OmI=")),
            ("http://a:b%40%2f%3A:c@p:80", "p", 80, Some("YTpiQC86OmM=")),
            ("http://a:b@c@p:80", "p", 80, Some("YTpiQGM=")),
            ("http://a:p/w?#@p:80", "p", 80, Some("YTpwL3c/Iw==")),
        ] {
            let proxy = Proxy::parse(url).unwrap();
            assert_eq!((proxy.host(), proxy.port()), (host, port), "{url}");
            let want = basic.map(|basic| format!("\r\nProxy-Authorization: Basic {basic}\r\n"));
            let request = request(&proxy);
            assert_eq!(request.contains("Proxy-Authorization"), want.is_some(), "{url}");
            assert!(want.is_none_or(|want| request.contains(&want)), "{url}: {request}");
        }
    }

    #[test]
    fn refuses_anything_else_without_quoting_it() {
        for (url, error) in [
            ("", ProxyError::Port),
            ("https://s3cr3t:s3cr3t@p:1", ProxyError::Scheme),
            ("socks5h://p:1", ProxyError::Scheme),
            ("http://p", ProxyError::Port),
            ("http://p:", ProxyError::Port),
            ("http://p:0", ProxyError::Port),
            ("http://p:+1", ProxyError::Port),
            ("http://p:65536", ProxyError::Port),
            ("http://:1", ProxyError::Host),
            ("http://a b:1", ProxyError::Host),
            ("http://a\r\nb:1", ProxyError::Host),
            ("http://::1:1", ProxyError::Host),
            ("http://[nonsense]:1", ProxyError::Host),
            ("http://[::1]", ProxyError::Port),
            ("http://p:1/x", ProxyError::Path),
            ("http://s3cr3t/p:1", ProxyError::Path),
            ("http://s3cr3t:%zz@p:1", ProxyError::Credentials),
            ("http://s3cr3t:%f@p:1", ProxyError::Credentials),
            ("http://s3cr3t:%ff@p:1", ProxyError::Credentials),
            ("http://s3%3acr3t:x@p:1", ProxyError::Credentials),
            ("http://s3cr3t:%0d%0a@p:1", ProxyError::Credentials),
        ] {
            let found = Proxy::parse(url).unwrap_err();
            assert_eq!(found, error, "{url}");
            assert!(!found.to_string().contains("s3cr3t"));
        }
        let shown = format!("{:?}", Proxy::parse("http://us3r:s3cr3t@p:1").unwrap());
        assert!(!shown.contains("us3r") && !shown.contains("s3cr3t"), "{shown}");
    }

    #[test]
    fn reads_no_proxy_as_curl_does() {
        for (no_proxy, host, want) in [
            ("", "api.x.com", false),
            ("*", "api.x.com", true),
            ("*", "::1", true),
            ("x.com", "api.x.com", true),
            ("x.com", "x.com", true),
            (".x.com", "x.com", true),
            (".x.com", "api.x.com", true),
            ("X.COM.", "api.x.com", true),
            ("x.com", "api.x.com.", true),
            ("api.x.com", "x.com", false),
            ("x.com", "notx.com", false),
            ("com", "api.x.com", true),
            (".", "api.x.com", false),
            ("*.x.com", "api.x.com", true),
            ("*.x.com", "x.com", true),
            ("*.X.com:443", "api.x.com", true),
            ("*.x.com:80", "api.x.com", false),
            ("*.x.com", "notx.com", false),
            ("*.api.x.com", "x.com", false),
            ("*.", "api.x.com", false),
            ("**.x.com", "api.x.com", false),
            ("*x.com", "api.x.com", false),
            ("api.*", "api.x.com", false),
            ("*.0.0.1", "127.0.0.1", false),
            ("https://x.com", "api.x.com", false),
            ("x.com/", "api.x.com", false),
            ("a.example,x.com", "api.x.com", true),
            ("a.example x.com", "api.x.com", true),
            ("a.example , \tx.com ,", "api.x.com", true),
            ("x.com:443", "api.x.com", true),
            ("x.com:80", "api.x.com", false),
            ("*:80", "api.x.com", false),
            ("x.com:none", "api.x.com", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1:443", "127.0.0.1", true),
            ("127.0.0.1:80", "127.0.0.1", false),
            // An address has no subdomains.
            ("0.0.1", "127.0.0.1", false),
            ("1", "127.0.0.1", false),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.128/25", "10.0.0.127", false),
            ("0.0.0.0/0", "10.0.0.1", true),
            ("0.0.0.0/0", "::1", false),
            ("10.0.0.1/32", "10.0.0.1", true),
            ("10.0.0.1/33", "10.0.0.1", false),
            ("10.0.0.1/4294967295", "10.0.0.1", false),
            ("10.0.0.1/x", "10.0.0.1", false),
            ("10.0.0.0/8", "api.x.com", false),
            ("2001:db8::1", "2001:db8::1", true),
            ("[2001:db8::1]", "2001:db8::1", true),
            ("[2001:db8::1]:443", "2001:db8::1", true),
            ("[2001:db8::1]:80", "2001:db8::1", false),
            ("2001:DB8:0::1", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
            ("2001:db8::1/128", "2001:db8::1", true),
            ("2001:db8::1/129", "2001:db8::1", false),
        ] {
            assert_eq!(is_exempt(no_proxy, host, 443), want, "{no_proxy:?} for {host}");
        }
    }

    #[test]
    fn names_the_no_proxy_entries_that_match_nothing() {
        let list = "x.com, .x.com\t*.x.com * *:80 x.com:80 my_host 10.0.0.1 10.0.0.1:80 10.0.0.0/8 ::1 [::1]:80 2001:db8::/32, ,";
        assert_eq!(ignored(list).collect::<Vec<_>>(), Vec::<&str>::new());
        for entry in [
            "*x.com",
            "api.*.com",
            "api.x.*",
            "**.x.com",
            "*.",
            ".",
            "https://x.com",
            "x.com/",
            "x.com:none",
            "10.0.0.0/33",
            "10.0.0.0/x",
            "x.com/8",
            "::/129",
            "\"x.com\"",
            "x.com;y.com",
        ] {
            assert_eq!(ignored(&format!("a.example,{entry} b.example")).collect::<Vec<_>>(), [entry]);
            assert!(!is_exempt(entry, "api.x.com", 443), "{entry}");
        }
    }

    #[test]
    fn uses_a_proxy_only_for_https() {
        let plain = Origin::parse("http://localhost").unwrap();
        let url = Some(" http://p:1 ");
        assert_eq!(Proxy::for_origin(url, None, &X), Proxy::parse("http://p:1").map(Some));
        assert_eq!(Proxy::for_origin(url, Some("a.example"), &X), Proxy::parse("http://p:1").map(Some));
        for (url, no_proxy, origin) in
            [(None, None, &X), (Some(" "), None, &X), (url, Some("x.com"), &X), (url, None, &plain)]
        {
            assert_eq!(Proxy::for_origin(url, no_proxy, origin), Ok(None));
        }
        assert_eq!(Proxy::for_origin(Some("socks5://p:1"), None, &X), Err(ProxyError::Scheme));
        assert_eq!(Proxy::for_origin(Some("socks5://p:1"), Some("*"), &X), Ok(None));
    }
}
