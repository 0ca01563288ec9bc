//! How a simulator is to be: the options that `simulate` and `stream --simulate` share.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use powerstream_simulator::{Config, Scenario, Simulator, Source, Struck, Tls, TlsFault};

use crate::duration;
use crate::exit::{Exit, Failure};
use crate::text::Printable;

/// What can be chosen about a simulator.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Simulator options")]
pub(crate) struct Options {
    /// Posts to send, one JSON object a line [default: Posts made up from the seed]
    ///
    /// Without --rate a connection gets the whole file in order, as fast as it reads, and then keep-alives.
    #[arg(long, value_name = "FILE")]
    pub(crate) posts: Option<PathBuf>,

    /// Posts a second; 0: keep-alives only; inf: as fast as they are read [default: 500; with --posts: inf]
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f64>,

    /// Decides the Posts, the cuts and every other choice: the same seed, the same stream [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// How to behave; `powerstream simulate --list-scenarios` lists the names [default: steady]
    #[arg(long, value_name = "NAME")]
    pub(crate) scenario: Option<Scenario>,

    /// The Posts of a connection before the scenario's fault comes [default: 100]
    #[arg(long, value_name = "N")]
    pub(crate) fault_after: Option<u64>,

    /// The attempts to connect that the fault strikes: the first N, or `every` [default: as the scenario has it]
    #[arg(long, value_name = "N|every", value_parser = struck)]
    pub(crate) fault_on: Option<Struck>,

    /// Serve TLS: https, with a certificate for localhost, 127.0.0.1 and ::1 that is made at start
    #[arg(long)]
    pub(crate) tls: bool,

    /// What is wrong with TLS: expired, not-yet-valid, wrong-name, unknown-ca, self-signed, only-h2, stall, garbage,
    /// reset or close [default: nothing]
    #[arg(long, value_name = "NAME", requires = "tls")]
    pub(crate) tls_fault: Option<TlsFault>,

    /// The longest silence before a keep-alive [default: 20s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse_some)]
    pub(crate) keep_alive: Option<Duration>,

    /// The site named to clients that ask for localDcOnly [default: atla]
    #[arg(long, value_name = "NAME")]
    pub(crate) datacenter: Option<String>,

    /// How far ahead the reset lies in the scenario rate-limited [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) rate_limit_reset: Option<Duration>,
}

impl Options {
    /// The first option in use that makes no sense without a simulator.
    pub(crate) fn in_use(&self) -> Option<&'static str> {
        let Self {
            posts,
            rate,
            seed: _,
            scenario,
            fault_after,
            fault_on,
            tls,
            tls_fault: _,
            keep_alive,
            datacenter,
            rate_limit_reset,
        } = self;
        [
            ("--posts", posts.is_some()),
            ("--rate", rate.is_some()),
            ("--scenario", scenario.is_some()),
            ("--fault-after", fault_after.is_some()),
            ("--fault-on", fault_on.is_some()),
            ("--tls", *tls),
            ("--keep-alive", keep_alive.is_some()),
            ("--datacenter", datacenter.is_some()),
            ("--rate-limit-reset", rate_limit_reset.is_some()),
        ]
        .into_iter()
        .find_map(|(name, in_use)| in_use.then_some(name))
    }

    /// The configuration. Reads the file of Posts.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let mut config = Config::default();
        config.seed = self.seed.unwrap_or(config.seed);
        config.source = match &self.posts {
            Some(path) => Source::from_path(path).map_err(|error| {
                let text = error.to_string();
                let text = Printable { bytes: text.as_bytes(), characters_max: 4_096 };
                Failure::new(Exit::Failed, format!("cannot read the Posts: {text}"))
            })?,
            None => Source::Generated { seed: config.seed },
        };
        config.rate = self.rate;
        config.scenario = self.scenario.unwrap_or(config.scenario);
        config.fault_after = self.fault_after.unwrap_or(config.fault_after);
        config.fault_on = self.fault_on;
        config.tls = self.tls.then(|| {
            let mut tls = Tls::default();
            tls.fault = self.tls_fault;
            tls
        });
        config.keep_alive = self.keep_alive.unwrap_or(config.keep_alive);
        if let Some(datacenter) = &self.datacenter {
            config.datacenter.clone_from(datacenter);
        }
        config.rate_limit_reset = self.rate_limit_reset.unwrap_or(config.rate_limit_reset);
        Ok(config)
    }
}

/// Starts a simulator.
pub(crate) fn start(config: Config) -> Result<Simulator, Failure> {
    let listen = config.listen;
    Simulator::start(config).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Failure::new(Exit::Usage, format!("cannot simulate: {error}")),
        _ => Failure::new(Exit::Failed, format!("cannot listen on {listen}: {error}")),
    })
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| *rate >= 0.0);
    rate.ok_or_else(|| String::from("expected a number from 0 up, or inf"))
}

fn struck(text: &str) -> Result<Struck, String> {
    if text == "every" {
        return Ok(Struck::Every);
    }
    text.parse().map(Struck::First).map_err(|_| String::from("expected a number of attempts, or `every`"))
}
