//! The options of all commands that connect to a server, and the configuration they give.

pub(crate) mod named;
mod proxy;
mod target;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use powerstream_client::config::{Config, ConfigBuilder, InvalidConfig, Token};
use powerstream_core::http::RequestError;
use powerstream_tls::TlsConfig;
use zeroize::Zeroizing;

use self::named::Named;
pub(crate) use self::target::Target;
use crate::exit::{Exit, Failure};
use crate::{duration, file, token};

/// The notes of every command that connects.
pub(crate) const NOTES: &str = "\
The bearer token is read from the environment variable X_BEARER_TOKEN, or from --token-file. A token
with quotes, `Bearer` or blanks around it is refused before anything is sent. So is a placeholder.

Over https, the server's certificate must be signed by a CA that the system trusts, or by one from
--ca. This check cannot be turned off. Plain http is allowed to this machine only: to a simulator,
or to a tunnel or proxy that adds TLS.

If HTTPS_PROXY (or ALL_PROXY) names a proxy, https connections use it, by CONNECT, unless NO_PROXY
exempts the server. As with curl, the lower-case variables take precedence. NO_PROXY takes names,
addresses and networks (10.0.0.0/8), each with or without :PORT, and * for all servers. A name
(x.com, .x.com or *.x.com) also exempts all names below it.";

/// The options to reach a server.
#[derive(Debug, clap::Args)]
pub(crate) struct ConnectionOptions {
    /// The service: scheme, host and port; the endpoint adds the path. http:// is for this machine
    /// only
    #[arg(long, value_name = "URL", default_value = "https://api.x.com")]
    pub(crate) base_url: String,

    /// The Host field, if the base URL is a tunnel or proxy on this machine to the real server
    /// [default: the host of the base URL]
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,

    /// Trust the CAs in this PEM file too: that of a proxy that decrypts TLS, or of a simulator
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Connect to this address instead of resolving the host: for all connections, or for the named
    /// one
    #[arg(long, value_name = "[NAME=]IP:PORT")]
    resolve: Vec<Named<SocketAddr>>,

    /// Connect from this address of this machine: for all connections, or for the named one
    #[arg(long, value_name = "[NAME=]IP")]
    local_address: Vec<Named<IpAddr>>,

    /// Timeout for connecting, including TLS and a proxy [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse_some)]
    connect_timeout: Option<Duration>,

    /// File that holds the bearer token; `-` is standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl ConnectionOptions {
    /// Checks that values for named connections name one of these. Warns of `NO_PROXY` entries that
    /// match nothing.
    pub(crate) fn check(&self, names: &[&str]) -> Result<(), Failure> {
        let named = self.resolve.iter().map(|named| ("--resolve", &named.name));
        let named = named.chain(self.local_address.iter().map(|named| ("--local-address", &named.name)));
        for (option, name) in named {
            if let Some(name) = name
                && !names.contains(&name.as_str())
            {
                return Err(usage(format!(
                    "{option} names the connection {name}, but no connection has that name"
                )));
            }
        }
        proxy::warn();
        Ok(())
    }

    /// Builds the configuration of the named connection to the server at `base_url`.
    pub(crate) fn configure(
        &self,
        builder: ConfigBuilder,
        name: &str,
        base_url: &str,
    ) -> Result<Config, Failure> {
        let config = self.configure_direct(builder, name, base_url)?;
        match proxy::of(&config)? {
            Some(proxy) => build(config.to_builder().proxy(proxy)),
            None => Ok(config),
        }
    }

    /// Builds the same configuration without a proxy, regardless of the environment.
    pub(crate) fn configure_direct(
        &self,
        builder: ConfigBuilder,
        name: &str,
        base_url: &str,
    ) -> Result<Config, Failure> {
        let mut builder = builder.base_url(base_url);
        if let Some(host) = &self.host {
            builder = builder.host(host);
        }
        if let Some(connect) = self.connect_timeout {
            builder = builder.timeouts(|timeouts| timeouts.connect = connect);
        }
        if let Some(address) = value(&self.resolve, name) {
            builder = builder.target_address(address);
        }
        if let Some(address) = value(&self.local_address, name) {
            builder = builder.local_address(address);
        }
        build(builder)
    }

    /// Loads the token. Also returns its bytes, which may only be hashed.
    pub(crate) fn token(&self) -> Result<(Token, Zeroizing<Vec<u8>>), Failure> {
        token::load(self.token_file.as_deref())
    }

    /// Returns the trust roots if `--ca` adds to those of the system.
    pub(crate) fn trust(&self) -> Result<Option<TlsConfig>, Failure> {
        let Some(path) = &self.ca else { return Ok(None) };
        let fail = |text| Failure::new(Exit::Failed, text);
        let pem = file::read(path).map_err(|why| fail(format!("--ca: {why}")))?;
        TlsConfig::with_ca_pem(&pem)
            .map(Some)
            .map_err(|error| fail(format!("--ca: cannot trust the CAs in {}: {error}", file::name(path))))
    }
}

/// Builds a configuration. Errors name the option.
pub(crate) fn build(builder: ConfigBuilder) -> Result<Config, Failure> {
    builder.build().map_err(|error| {
        // The base URL may hold a password, so it is not printed.
        let option = match error {
            InvalidConfig::Partition { partitions } => {
                return usage(format!(
                    "this endpoint has partitions: pass --partition with a number from 1 to {partitions}"
                ));
            }
            InvalidConfig::BaseUrl(_) => "--base-url (or --connect)",
            InvalidConfig::Request(RequestError::Host) => "--host",
            InvalidConfig::NoPartitions => "--partition",
            InvalidConfig::LocalDcOnly => "--local-dc-only",
            InvalidConfig::Backfill => "--backfill",
            InvalidConfig::TargetAddress => "--resolve",
            InvalidConfig::LocalAddress => "--local-address",
            _ => return usage(error.to_string()),
        };
        usage(format!("{option} is not allowed: {error}"))
    })
}

/// Returns the value for the named connection: its own, or the one for all.
fn value<T: Copy>(values: &[Named<T>], name: &str) -> Option<T> {
    let of = |wanted: Option<&str>| values.iter().rfind(|named| named.name.as_deref() == wanted);
    of(Some(name)).or_else(|| of(None)).map(|named| named.value)
}

fn usage(text: String) -> Failure {
    Failure::new(Exit::Usage, text)
}
