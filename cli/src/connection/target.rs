//! Names the server of a connection in messages.

use std::net::SocketAddr;

use powerstream_client::config::Config;
use powerstream_core::http::Scheme;

/// The server of a connection, and the proxy on the way to it. Origins and host names are checked
/// to need no escaping.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// As in `https://api.x.com`.
    base_url: String,
    /// The Host field, if it differs, and the endpoint, if it matters.
    details: String,
    /// The host that is resolved: the proxy's or the server's.
    host: String,
    /// The proxy's host and port.
    proxy: Option<String>,
}

impl Target {
    /// Creates the target of a configuration. `host` is the Host field, if the user set one.
    pub(crate) fn new(config: &Config, host: Option<&str>) -> Self {
        let origin = config.origin();
        let scheme = match origin.scheme() {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let proxy = config.proxy().map(|proxy| {
            let (host, port) = (proxy.host(), proxy.port());
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        });
        Self {
            base_url: format!("{scheme}://{}", origin.authority()),
            details: host.map(|host| format!(" (as {host})")).unwrap_or_default(),
            host: String::from(config.route().host()),
            proxy,
        }
    }

    /// Adds the endpoint.
    pub(crate) fn with_endpoint(mut self, endpoint: &str) -> Self {
        self.details += &format!(", {endpoint}");
        self
    }

    /// Returns the text for messages, with the address that was connected or tried. An address
    /// that is the host itself is not repeated.
    pub(crate) fn text(&self, address: Option<SocketAddr>) -> String {
        let Self { base_url, details, host, proxy } = self;
        let address = address.filter(|address| address.ip().to_string() != *host);
        let address = address.map(|address| format!(" ({address})")).unwrap_or_default();
        match proxy {
            None => format!("{base_url}{address}{details}"),
            Some(proxy) => format!("{base_url}{details}, through the proxy {proxy}{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use powerstream_client::proxy::Proxy;

    use super::*;

    #[test]
    fn names_the_server_its_address_and_the_proxy() {
        let config = |url: &str| Config::builder().base_url(url);
        let address = |text: &str| Some(text.parse().unwrap());
        let direct = Target::new(&config("https://api.x.com").build().unwrap(), None);
        assert_eq!(direct.text(None), "https://api.x.com");
        assert_eq!(direct.text(address("192.0.2.1:443")), "https://api.x.com (192.0.2.1:443)");

        let literal = Target::new(&config("http://[::1]:80").build().unwrap(), Some("api.x.com"));
        let literal = literal.with_endpoint("sample10");
        assert_eq!(literal.text(address("[::1]:80")), "http://[::1]:80 (as api.x.com), sample10");

        let proxy = Proxy::parse("http://user:secret@proxy.test:3128").unwrap();
        let proxied = Target::new(&config("https://api.x.com").proxy(proxy).build().unwrap(), None);
        assert_eq!(
            proxied.text(address("192.0.2.9:3128")),
            "https://api.x.com, through the proxy proxy.test:3128 (192.0.2.9:3128)"
        );
    }
}
