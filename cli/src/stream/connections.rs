//! Which connections are asked for, and how each is configured.

use std::net::{IpAddr, SocketAddr};

use powerstream_client::config::{Config, ConfigBuilder, InvalidConfig, Token};
use powerstream_client::proxy::Proxy;
use powerstream_core::http::{RequestError, Scheme};

use super::arguments::Args;
use super::named::Named;
use crate::exit::{Exit, Failure};

/// A connection that is asked for.
#[derive(Debug)]
pub(super) struct Connection {
    /// What people call it.
    pub(super) name: String,
    pub(super) config: Config,
}

impl Connection {
    pub(super) fn set_token(&mut self, token: &Token) -> Result<(), Failure> {
        self.config = build(self.config.to_builder().token(token.clone()))?;
        Ok(())
    }

    /// Its name and what it connects to, for people. Origins and names of hosts are checked to hold nothing that needs
    /// escaping.
    pub(super) fn told(&self, args: &Args) -> (String, String) {
        let origin = self.config.origin();
        let scheme = match origin.scheme() {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let (authority, endpoint) = (origin.authority(), self.config.endpoint().name);
        let target = match &args.host {
            Some(host) => format!("{scheme}://{authority} (as {host}), {endpoint}"),
            None => format!("{scheme}://{authority}, {endpoint}"),
        };
        (self.name.clone(), target)
    }
}

/// The connections, in the order in which they are asked for, without a token. `default_url` is where those go that name no
/// other.
pub(super) fn connections(args: &Args, default_url: &str) -> Result<Vec<Connection>, Failure> {
    let wanted: Vec<_> = if args.connect.is_empty() {
        (1..=args.connections).map(|number| (number.to_string(), default_url)).collect()
    } else {
        args.connect.iter().map(|connect| (connect.name.clone(), connect.base_url.as_str())).collect()
    };
    for (index, (name, _)) in wanted.iter().enumerate() {
        if wanted[..index].iter().any(|(other, _)| other == name) {
            return Err(usage(format!("two connections are called {name}")));
        }
    }
    let named = args.resolve.iter().map(|named| ("--resolve", &named.name));
    for (option, name) in named.chain(args.local_address.iter().map(|named| ("--local-address", &named.name)))
    {
        if let Some(name) = name
            && wanted.iter().all(|(other, _)| other != name)
        {
            return Err(usage(format!(
                "{option} names the connection {name}, and there is none of that name"
            )));
        }
    }
    let connection = |(index, (name, url)): (usize, (String, &str))| {
        let config = config(args, index, &name, url)?;
        Ok(Connection { name, config })
    };
    wanted.into_iter().enumerate().map(connection).collect()
}

fn config(args: &Args, index: usize, name: &str, url: &str) -> Result<Config, Failure> {
    let mut builder = Config::builder()
        .base_url(url)
        .endpoint(args.endpoint)
        .local_dc_only(args.local_dc_only)
        .backfill(args.backfill);
    if let Some(partition) = args.partition {
        builder = builder.partition(partition);
    }
    if let Some(host) = &args.host {
        builder = builder.host(host);
    }
    if let Some(idle) = args.idle_timeout {
        builder = builder.timeouts(|timeouts| timeouts.idle = idle);
    }
    if let Some(seed) = args.simulator.seed {
        // Connections that are cut together come back apart.
        builder = builder.seed(seed.wrapping_add(index as u64));
    }
    if let Some(address) = value::<SocketAddr>(&args.resolve, name) {
        builder = builder.target_address(address);
    }
    if let Some(address) = value::<IpAddr>(&args.local_address, name) {
        builder = builder.local_address(address);
    }
    let config = build(builder)?;
    match proxy(&config)? {
        Some(proxy) => build(config.to_builder().proxy(proxy)),
        None => Ok(config),
    }
}

fn build(builder: ConfigBuilder) -> Result<Config, Failure> {
    builder.build().map_err(|error| {
        // By the name that it has here. The base URL may hold a password: it is not quoted.
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

/// The environment's proxy for this origin. The upper-case name is the one to set: the lower-case one is what curl reads too.
fn proxy(config: &Config) -> Result<Option<Proxy>, Failure> {
    let variable = |names: [&str; 2]| {
        names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    let Some(url) = variable(["HTTPS_PROXY", "https_proxy"]) else { return Ok(None) };
    let exempt = variable(["NO_PROXY", "no_proxy"]).unwrap_or_default();
    Proxy::for_origin(Some(&url), Some(&exempt), &config.origin())
        .map_err(|error| usage(format!("HTTPS_PROXY is not allowed: {error}")))
}

fn usage(text: String) -> Failure {
    Failure::new(Exit::Usage, text)
}
