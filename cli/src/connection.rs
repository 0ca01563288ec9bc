//! How a server is reached: the options of all commands that connect to one, and what they make of a configuration.

pub(crate) mod named;
mod proxy;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use powerstream_client::config::{Config, ConfigBuilder, InvalidConfig, Token};
use powerstream_core::http::RequestError;
use powerstream_tls::TlsConfig;
use zeroize::Zeroizing;

use self::named::Named;
use crate::exit::{Exit, Failure};
use crate::{duration, file, token};

/// The notes of every command that connects.
pub(crate) const NOTES: &str = "\
The bearer token is taken from the environment variable X_BEARER_TOKEN, or from --token-file. One that cannot be right is
refused before anything is sent: with quotes, `Bearer` or blanks around it, or a placeholder.

Over https the server must have a certificate by a CA that the system trusts, or that --ca names; nothing turns that
off. Plain http goes to this machine only: to a simulator, or to a tunnel or proxy that does TLS. Where HTTPS_PROXY (or
ALL_PROXY) names a proxy and NO_PROXY does not exempt the server, https goes through it, by CONNECT. As with curl, the
names in lower case come first. NO_PROXY takes names (x.com, .x.com and *.x.com: it and all below), addresses, networks
(10.0.0.0/8), each with or without :PORT, and * for all.";

/// How a server is reached.
#[derive(Debug, clap::Args)]
pub(crate) struct ConnectionOptions {
    /// Where the service is: scheme, host and port; the endpoint adds the path. http:// is for this machine only
    #[arg(long, value_name = "URL", default_value = "https://api.x.com")]
    pub(crate) base_url: String,

    /// The Host field, where the base URL is a tunnel or proxy on this machine to the real server [default: as the
    /// base URL has it]
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,

    /// CAs to trust besides those of the system, as PEM: that of a proxy which decrypts TLS, or of a simulator
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// The server's address, whatever its name resolves to: of every connection, or of the one by that name
    #[arg(long, value_name = "[NAME=]IP:PORT")]
    resolve: Vec<Named<SocketAddr>>,

    /// The address of this machine to connect from: every connection, or the one by that name
    #[arg(long, value_name = "[NAME=]IP")]
    local_address: Vec<Named<IpAddr>>,

    /// The longest time that connecting may take, TLS and a proxy included [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse_some)]
    connect_timeout: Option<Duration>,

    /// File that holds the bearer token; `-` is standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl ConnectionOptions {
    /// Checks that values for a connection by name are for one of these, and warns of exemptions from the proxy that
    /// exempt nothing.
    pub(crate) fn check(&self, names: &[&str]) -> Result<(), Failure> {
        let named = self.resolve.iter().map(|named| ("--resolve", &named.name));
        let named = named.chain(self.local_address.iter().map(|named| ("--local-address", &named.name)));
        for (option, name) in named {
            if let Some(name) = name
                && !names.contains(&name.as_str())
            {
                return Err(usage(format!(
                    "{option} names the connection {name}, and there is none of that name"
                )));
            }
        }
        proxy::warn();
        Ok(())
    }

    /// Builds the configuration of the connection of this name to a server at `base_url`.
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

    /// The same without a proxy, whatever the environment says.
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

    /// Loads the token. Returns its bytes too, to be hashed and nothing else.
    pub(crate) fn token(&self) -> Result<(Token, Zeroizing<Vec<u8>>), Failure> {
        token::load(self.token_file.as_deref())
    }

    /// The CAs to trust, where they are not just those that the system trusts.
    pub(crate) fn trust(&self) -> Result<Option<TlsConfig>, Failure> {
        let Some(path) = &self.ca else { return Ok(None) };
        let fail = |text| Failure::new(Exit::Failed, text);
        let pem = file::read(path).map_err(|why| fail(format!("--ca: {why}")))?;
        TlsConfig::with_ca_pem(&pem)
            .map(Some)
            .map_err(|error| fail(format!("--ca: cannot trust the CAs in {}: {error}", file::name(path))))
    }
}

/// Builds a configuration, and reports what is wrong by the option's name.
pub(crate) fn build(builder: ConfigBuilder) -> Result<Config, Failure> {
    builder.build().map_err(|error| {
        // The base URL may hold a password: it is not quoted.
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

/// The value for the connection of this name: its own, or everyone's.
fn value<T: Copy>(values: &[Named<T>], name: &str) -> Option<T> {
    let of = |wanted: Option<&str>| values.iter().rfind(|named| named.name.as_deref() == wanted);
    of(Some(name)).or_else(|| of(None)).map(|named| named.value)
}

fn usage(text: String) -> Failure {
    Failure::new(Exit::Usage, text)
}
