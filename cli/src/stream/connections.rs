//! The connections of a stream, and the configuration of each.

use powerstream_client::config::{Config, Token};

use super::arguments::Args;
use crate::connection::{Target, build};
use crate::exit::{Exit, Failure};

/// A requested connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// The name in messages.
    pub(super) name: String,
    pub(super) config: Config,
}

impl Connection {
    pub(super) fn set_token(&mut self, token: &Token) -> Result<(), Failure> {
        self.config = build(self.config.to_builder().token(token.clone()))?;
        Ok(())
    }

    /// Returns its name and target for messages.
    pub(super) fn names(&self, args: &Args) -> (String, Target) {
        let target = Target::new(&self.config, args.connection.host.as_deref());
        (self.name.clone(), target.with_endpoint(self.config.endpoint().name))
    }
}

/// Returns the connections in the order of the command line, without a token. `default_url` is for
/// those that name no server.
pub(super) fn connections(args: &Args, default_url: &str) -> Result<Vec<Connection>, Failure> {
    let wanted: Vec<_> = if args.connect.is_empty() {
        (1..=args.connections).map(|number| (number.to_string(), default_url)).collect()
    } else {
        let parts = args.connect.iter().map(|connect| {
            let (name, url) = connect.parts()?;
            Ok((String::from(name), url))
        });
        let parts: Result<_, &str> = parts.collect();
        parts
            .map_err(|expected| Failure::new(Exit::Usage, format!("--connect is not allowed: {expected}")))?
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
        // Connections that are cut together must not reconnect together.
        builder = builder.seed(seed.wrapping_add(index as u64));
    }
    if args.simulate {
        // It runs in this process, where no proxy can reach it.
        return args.connection.configure_direct(builder, name, url);
    }
    args.connection.configure(builder, name, url)
}
