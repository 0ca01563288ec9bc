//! Which connections are asked for, and how each is configured.

use powerstream_client::config::{Config, Token};
use powerstream_core::http::Scheme;

use super::arguments::Args;
use crate::connection::build;
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
        let target = match &args.connection.host {
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
            return Err(Failure::new(Exit::Usage, format!("two connections are called {name}")));
        }
    }
    args.connection.check(&wanted.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>())?;
    let connection = |(index, (name, url)): (usize, (String, &str))| {
        let config = config(args, index, &name, url)?;
        Ok(Connection { name, config })
    };
    wanted.into_iter().enumerate().map(connection).collect()
}

fn config(args: &Args, index: usize, name: &str, url: &str) -> Result<Config, Failure> {
    let mut builder = Config::builder()
        .endpoint(args.endpoint)
        .local_dc_only(args.local_dc_only)
        .backfill(args.backfill)
        .keep_duplicates(args.keep_duplicates);
    if let Some(partition) = args.partition {
        builder = builder.partition(partition);
    }
    if let Some(idle) = args.idle_timeout {
        builder = builder.timeouts(|timeouts| timeouts.idle = idle);
    }
    if let Some(seed) = args.simulator.seed {
        // Connections that are cut together come back apart.
        builder = builder.seed(seed.wrapping_add(index as u64));
    }
    if args.simulate {
        // It is in this process: no proxy can reach it.
        return args.connection.configure_direct(builder, name, url);
    }
    args.connection.configure(builder, name, url)
}
