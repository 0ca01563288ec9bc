//! The options that `simulate` and `stream --simulate` share.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use powerstream_core::time::UnixTime;
use powerstream_simulator::{
    Bursts, Config, Datacenter, Delay, ExtraConnection, FaultScope, NoRules, NotDeleted, Script, Simulator,
    Source, Tls, TlsFault, UnknownScenario,
};

use crate::exit::{Exit, Failure};
use crate::system::explained;
use crate::text::Printable;
use crate::{duration, file};

/// The heading of these options in the help.
pub(crate) const HEADING: &str = "Simulator options";

/// The options of a simulator.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = HEADING)]
pub(crate) struct Options {
    /// Posts to send, one JSON object per line [default: Posts generated from the seed]
    ///
    /// Without --rate, each connection receives the whole file in order, as fast as the client
    /// reads, and then keep-alives.
    #[arg(long, value_name = "FILE")]
    pub(crate) posts: Option<PathBuf>,

    /// Posts per second; 0 sends keep-alives only; inf sends as fast as the client reads [default:
    /// 500; with --posts: inf]
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f64>,

    /// Seed of the Posts, the cuts and every other choice; the same seed gives the same stream
    /// [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// The scenario: a name from `powerstream simulate --list-scenarios`, or a TOML file [default:
    /// steady]
    #[arg(long, value_name = "FILE|NAME")]
    pub(crate) scenario: Option<String>,

    /// Posts of a connection before the scenario's fault occurs [default: 100]
    #[arg(long, value_name = "N")]
    pub(crate) fault_after: Option<u64>,

    /// Connection attempts with the fault: the first N, or `every` [default: from the scenario]
    #[arg(long, value_name = "N|every", value_parser = struck)]
    pub(crate) fault_on: Option<FaultScope>,

    /// Serve TLS, with a certificate for localhost, 127.0.0.1 and ::1 that is created at start
    #[arg(long)]
    pub(crate) tls: bool,

    /// TLS fault: expired, not-yet-valid, wrong-name, unknown-ca, self-signed, only-h2, stall,
    /// garbage, reset or close [default: none]
    #[arg(long, value_name = "NAME", requires = "tls")]
    pub(crate) tls_fault: Option<TlsFault>,

    /// The time without content after which a keep-alive is sent [default: 20s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse_some)]
    pub(crate) keep_alive: Option<Duration>,

    /// Add a datacenter; may be given several times, each with its own address [default: atla]
    ///
    /// NAME, then its settings:
    /// `pdxa,listen=127.0.0.1:8081,delay=20ms..80ms,transit=60ms,duplicates=5`. All datacenters
    /// carry the same Posts. Clients that send localDcOnly receive only the Posts that originate in
    /// theirs.
    #[arg(long, value_name = "NAME[,..]", value_parser = datacenter)]
    pub(crate) datacenter: Vec<Place>,

    /// Time until the reset in the scenario rate-limited [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) rate_limit_reset: Option<Duration>,

    /// Bursts of FACTOR times the rate, EVERY interval, for LENGTH, such as 10:60s:5s
    #[arg(long, value_name = "FACTOR:EVERY:LENGTH", value_parser = bursts)]
    pub(crate) bursts: Option<Bursts>,

    /// Start the generated Posts as if the first had been sent at this date: after a restart with
    /// the same date, --seed and --rate, the simulator still has the Posts from before
    #[arg(long, value_name = "YYYY-MM-DDTHH:MM:SSZ", value_parser = feed_start, conflicts_with = "posts")]
    pub(crate) feed_start: Option<UnixTime>,

    /// Send the file once to all connections, at --rate, instead of once to each
    #[arg(long, requires = "posts", requires = "rate")]
    pub(crate) shared_posts: bool,

    /// Enforce the limits of the service: no Posts without rules, two connections, limits of
    /// requests and deliveries
    #[arg(long)]
    pub(crate) strict: bool,

    /// What Powerstream sends without rules [default: everything, until the first rule is added]
    #[arg(long, value_name = "WHAT", value_parser = no_rules)]
    pub(crate) no_rules: Option<NoRules>,

    /// Delay until a change of the rules affects streams [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) rule_delay: Option<Duration>,

    /// Omit matching_rules from Posts
    #[arg(long)]
    pub(crate) no_matching_rules: bool,

    /// Limit of the number of rules [default: 1000]
    #[arg(long, value_name = "N")]
    pub(crate) rules_max: Option<usize>,

    /// Requests to Powerstream's rule endpoints per 24 hours [default: 50]
    #[arg(long, value_name = "N")]
    pub(crate) rule_requests_max: Option<u32>,

    /// Store the valid rules of a batch that also has invalid ones [default: none]
    #[arg(long)]
    pub(crate) rules_partial: bool,

    /// Format of `not_deleted` in Powerstream's answer: number, list or absent [default: number]
    #[arg(long, value_name = "WHAT", value_parser = not_deleted)]
    pub(crate) not_deleted: Option<NotDeleted>,

    /// Limit of concurrent connections to a stream [default: none; with --strict: 2]
    #[arg(long, value_name = "N")]
    pub(crate) connections_max: Option<usize>,

    /// Action when the limit is exceeded: refuse, end-oldest or end-newest [default: refuse]
    #[arg(long, value_name = "WHAT", value_parser = extra)]
    pub(crate) extra_connection: Option<ExtraConnection>,

    /// How long a connection that was reset still counts toward the limit [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) ghost: Option<Duration>,

    /// Limit of Posts per second on the Filtered Stream [default: none; with --strict: 250]
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) delivery_cap: Option<f64>,

    /// Refuse recoveries of longer time ranges, such as 2h [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = duration::parse_some)]
    pub(crate) recovery_window_max: Option<Duration>,

    /// End a recovery stream with its system message
    #[arg(long)]
    pub(crate) recovery_marker: bool,
}

/// A datacenter from the command line.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    datacenter: Datacenter,
    /// True if its address was given.
    listens: bool,
}

impl Options {
    /// Returns the first option in use that requires a simulator.
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
            bursts,
            feed_start,
            shared_posts: _,
            strict,
            no_rules,
            rule_delay,
            no_matching_rules,
            rules_max,
            rule_requests_max,
            rules_partial,
            not_deleted,
            connections_max,
            extra_connection,
            ghost,
            delivery_cap,
            recovery_window_max,
            recovery_marker,
        } = self;
        [
            ("--posts", posts.is_some()),
            ("--rate", rate.is_some()),
            ("--scenario", scenario.is_some()),
            ("--fault-after", fault_after.is_some()),
            ("--fault-on", fault_on.is_some()),
            ("--tls", *tls),
            ("--keep-alive", keep_alive.is_some()),
            ("--datacenter", !datacenter.is_empty()),
            ("--rate-limit-reset", rate_limit_reset.is_some()),
            ("--bursts", bursts.is_some()),
            ("--feed-start", feed_start.is_some()),
            ("--strict", *strict),
            ("--no-rules", no_rules.is_some()),
            ("--rule-delay", rule_delay.is_some()),
            ("--no-matching-rules", *no_matching_rules),
            ("--rules-max", rules_max.is_some()),
            ("--rule-requests-max", rule_requests_max.is_some()),
            ("--rules-partial", *rules_partial),
            ("--not-deleted", not_deleted.is_some()),
            ("--connections-max", connections_max.is_some()),
            ("--extra-connection", extra_connection.is_some()),
            ("--ghost", ghost.is_some()),
            ("--delivery-cap", delivery_cap.is_some()),
            ("--recovery-window-max", recovery_window_max.is_some()),
            ("--recovery-marker", *recovery_marker),
        ]
        .into_iter()
        .find_map(|(name, in_use)| in_use.then_some(name))
    }

    /// Builds the configuration with this listen address. Reads the files that it names.
    pub(crate) fn config(&self, listen: Option<SocketAddr>) -> Result<Config, Failure> {
        let mut config = if self.strict { Config::strict() } else { Config::default() };
        config.listen = listen.unwrap_or(config.listen);
        config.seed = self.seed.unwrap_or(config.seed);
        config.source = match &self.posts {
            Some(path) => {
                let bytes = file::read(path).map_err(|why| Failure::new(Exit::Failed, why))?;
                Source::from_ndjson(&bytes).map_err(|error| {
                    Failure::new(
                        Exit::Failed,
                        format!("cannot read Posts from {}: {error}", file::name(path)),
                    )
                })?
            }
            None => Source::Generated { seed: config.seed },
        };
        config.rate = self.rate;
        if let Some(scenario) = &self.scenario {
            match scenario.parse() {
                Ok(named) => config.scenario = named,
                Err(unknown) => config.script = Some(script(scenario, unknown)?),
            }
        }
        config.fault_after = self.fault_after.unwrap_or(config.fault_after);
        config.fault_on = self.fault_on;
        config.tls = self.tls.then(|| {
            let mut tls = Tls::default();
            tls.fault = self.tls_fault;
            tls
        });
        config.keep_alive = self.keep_alive.unwrap_or(config.keep_alive);
        for (nth, place) in self.datacenter.iter().enumerate() {
            let mut datacenter = place.datacenter.clone();
            if nth == 0 && !place.listens {
                datacenter.listen = config.listen;
            }
            config.datacenters.push(datacenter);
        }
        config.rate_limit_reset = self.rate_limit_reset.unwrap_or(config.rate_limit_reset);
        config.bursts = self.bursts;
        config.feed_start = self.feed_start.map(UnixTime::as_millis);
        config.shared_file = self.shared_posts;
        config.no_rules = self.no_rules.unwrap_or(config.no_rules);
        config.rule_delay = self.rule_delay.unwrap_or(config.rule_delay);
        config.matching_rules = !self.no_matching_rules;
        config.rules_max = self.rules_max.unwrap_or(config.rules_max);
        config.rule_requests_max = self.rule_requests_max.unwrap_or(config.rule_requests_max);
        config.rules_partial = self.rules_partial;
        config.not_deleted = self.not_deleted.unwrap_or(config.not_deleted);
        config.connections_max = self.connections_max.or(config.connections_max);
        config.extra_connection = self.extra_connection.unwrap_or(config.extra_connection);
        config.ghost = self.ghost.unwrap_or(config.ghost);
        config.delivery_cap = self.delivery_cap.or(config.delivery_cap);
        config.recovery_window_max = self.recovery_window_max;
        config.recovery_marker = self.recovery_marker;
        Ok(config)
    }
}

/// Loads the scenario from a file, unless the text is a built-in name.
fn script(path: &str, unknown: UnknownScenario) -> Result<Script, Failure> {
    let printable = |text: &str| Printable { bytes: text.as_bytes(), characters_max: 4_096 }.to_string();
    // A text without path characters is a name.
    if !path.contains(['/', '\\', '.']) && !Path::new(path).exists() {
        return Err(Failure::new(Exit::Usage, format!("--scenario {}: {unknown}", printable(path))));
    }
    let text = file::read_text(Path::new(path)).map_err(|why| Failure::new(Exit::Failed, why))?;
    Script::parse(&text).map_err(|error| {
        // The error spans lines, with an excerpt of the file: each line is escaped separately.
        let error: Vec<_> = error.to_string().lines().map(printable).collect();
        Failure::new(Exit::Usage, format!("{}: {}", printable(path), error.join("\n")))
    })
}

/// Starts a simulator.
pub(crate) fn start(config: Config) -> Result<Simulator, Failure> {
    let listen = config.listen;
    Simulator::start(config).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Failure::new(Exit::Usage, format!("cannot simulate: {error}")),
        _ => Failure::new(Exit::Failed, format!("cannot listen on {listen}: {}", explained(&error))),
    })
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| *rate >= 0.0);
    rate.ok_or_else(|| String::from("expected 0, a positive number, or inf"))
}

fn struck(text: &str) -> Result<FaultScope, String> {
    if text == "every" {
        return Ok(FaultScope::Every);
    }
    text.parse().map(FaultScope::First).map_err(|_| String::from("expected a number of attempts, or `every`"))
}

fn no_rules(text: &str) -> Result<NoRules, String> {
    match text {
        "everything" => Ok(NoRules::Everything),
        "nothing" => Ok(NoRules::Nothing),
        "conflict" => Ok(NoRules::Conflict),
        _ => Err(String::from("expected everything, nothing or conflict")),
    }
}

fn not_deleted(text: &str) -> Result<NotDeleted, String> {
    match text {
        "number" => Ok(NotDeleted::Number),
        "list" => Ok(NotDeleted::List),
        "absent" => Ok(NotDeleted::Absent),
        _ => Err(String::from("expected number, list or absent")),
    }
}

fn extra(text: &str) -> Result<ExtraConnection, String> {
    match text {
        "refuse" => Ok(ExtraConnection::Refuse),
        "end-oldest" => Ok(ExtraConnection::EndOldest),
        "end-newest" => Ok(ExtraConnection::EndNewest),
        _ => Err(String::from("expected refuse, end-oldest or end-newest")),
    }
}

fn feed_start(text: &str) -> Result<UnixTime, String> {
    UnixTime::from_iso_8601(text).ok_or_else(|| String::from("expected a time such as 2026-01-05T10:00:00Z"))
}

fn bursts(text: &str) -> Result<Bursts, String> {
    let mut parts = text.split(':');
    let (Some(factor), Some(every), Some(length), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(String::from("expected FACTOR:EVERY:LENGTH, such as 10:60s:5s"));
    };
    let factor = factor.parse().map_err(|_| String::from("expected a number before the first colon"))?;
    Ok(Bursts::new(factor, duration::parse_some(every)?, duration::parse_some(length)?))
}

fn delay(text: &str) -> Result<Delay, String> {
    match text.split_once("..") {
        None => duration::parse(text).map(Delay::Fixed),
        Some((least, most)) => Ok(Delay::Uniform(duration::parse(least)?, duration::parse(most)?)),
    }
}

fn datacenter(text: &str) -> Result<Place, String> {
    let mut parts = text.split(',');
    let mut datacenter =
        Datacenter::new(parts.next().unwrap_or_else(|| unreachable!("a split has one part at least")));
    let mut listens = false;
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name {
            "listen" => {
                datacenter.listen =
                    value.parse().map_err(|_| String::from("expected an address after listen="))?;
                listens = true;
            }
            "delay" => datacenter.delay = delay(value)?,
            "transit" => datacenter.transit = delay(value)?,
            "duplicates" => {
                let percent = value.parse().ok().filter(|percent| *percent <= 100);
                datacenter.duplicates_percent =
                    percent.ok_or_else(|| String::from("expected 0 to 100 after duplicates="))?;
            }
            _ => {
                return Err(String::from("expected listen=, delay=, transit= or duplicates= after the name"));
            }
        }
    }
    Ok(Place { datacenter, listens })
}
