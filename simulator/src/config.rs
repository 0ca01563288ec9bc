//! The configuration of a simulator, and its checks.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use std::{fmt, io};

use crate::clock::Time;
use crate::datacenter::Datacenter;
use crate::fault_scope::FaultScope;
use crate::limits::ExtraConnection;
use crate::rule_store::NoRules;
use crate::rules_api::NotDeleted;
use crate::scenario::Scenario;
use crate::schedule::Bursts;
use crate::script::Script;
use crate::source::Source;
use crate::tls::Tls;

/// All settings of a simulator. Start from `Config::default()` and change what you need.
///
/// The default is a healthy local X on a free port, with generated Posts, that accepts any token.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// The address to listen on. The default is port 0 of the loopback address: any free port, so
    /// that tests can run in parallel. A public address serves everyone who can reach it.
    pub listen: SocketAddr,
    /// Serves only TLS. `None`, the default, serves plaintext.
    pub tls: Option<Tls>,
    /// The accepted bearer token. `None`, the default, accepts any token, but a request without a
    /// well-formed `Authorization` header is still refused.
    pub token: Option<String>,
    /// The source of the Posts. By default they are generated from seed 0.
    pub source: Source,
    /// Posts per second; 0 sends only keep-alives. `None`, the default, means 500 for generated
    /// Posts. For a file it means as fast as each connection reads.
    pub rate: Option<f64>,
    /// Bursts above the rate. The default is none.
    pub bursts: Option<Bursts>,
    /// The date of the first Post of the feed, in Unix milliseconds: as if it had begun then. With
    /// the same date, seed, rate and bursts, another simulator has the same history, so that a
    /// service can be restarted. `None`, the default, means when the first client connects.
    pub feed_start: Option<u64>,
    /// Sends one file to all connections together instead of from its beginning to each. The file
    /// starts with the first client and continues while none is connected, so a late client misses
    /// Posts. False by default. Needs a rate.
    pub shared_file: bool,
    /// The clock. By default the machine's.
    pub time: Time,
    /// The datacenters, each with its own address. If empty, the default, there is one datacenter
    /// with the name in `datacenter` and the address in `listen`. Otherwise those two fields are
    /// ignored.
    pub datacenters: Vec<Datacenter>,
    /// The most messages that may wait for a slow connection; reaching it ends the connection. X
    /// does not publish its number, so the default is a guess.
    pub queue_messages_max: usize,
    /// The most bytes of such messages, 10 MB by default. The limit reached first ends the
    /// connection.
    pub queue_bytes_max: usize,
    /// The longest time without content before a keep-alive. 20 s by default, as X documents.
    pub keep_alive: Duration,
    /// The datacenter named to clients that request `localDcOnly=true`. `atla` by default, as in
    /// X's sample.
    pub datacenter: String,
    /// The seed of all random choices of a scenario, such as chunk boundaries. Generated Posts have
    /// their own seed in `source`.
    pub seed: u64,
    /// The built-in scenario. Steady by default.
    pub scenario: Scenario,
    /// A scenario of your own, instead of `scenario`. It ignores `fault_after` and `fault_on`, as
    /// the built-in scenarios that are files do.
    pub script: Option<Script>,
    /// What a stream without rules sends. Every Post by default.
    pub no_rules: NoRules,
    /// The time until changed rules affect streams, including open ones. Zero by default. X
    /// documents about 20 s, and up to 5 minutes for PowerTrack.
    pub rule_delay: Duration,
    /// The most rules per product. 1,000 by default.
    pub rules_max: usize,
    /// The most requests to Powerstream's rule endpoints in 24 hours, all kinds together. 50 by
    /// default, as X documents.
    pub rule_requests_max: u32,
    /// Powerstream stores the valid rules of a batch and reports the others. By default it stores
    /// all or none. X does not document which.
    pub rules_partial: bool,
    /// The form of `not_deleted` in Powerstream's response to a deletion.
    pub not_deleted: NotDeleted,
    /// Posts list the rules that they match. True by default. X's text describes the list, but its
    /// only sample does not contain it.
    pub matching_rules: bool,
    /// The most simultaneous connections per stream, or per partition. `None`, the default, means
    /// no limit, so that a test does not reach one by accident. X does not publish the number for
    /// Powerstream; its other enterprise streams have two.
    pub connections_max: Option<usize>,
    /// What happens to a connection above the limit.
    pub extra_connection: ExtraConnection,
    /// How long a connection still counts after a reset by either side. Zero by default. Users of
    /// the service report minutes. A client that closes its socket with unread bytes sends a reset,
    /// too.
    pub ghost: Duration,
    /// Enforces the limit of requests for v2 streams in 15 minutes. False by default. The headers
    /// count the requests in both cases.
    pub stream_requests_limited: bool,
    /// The most Posts per second on a connection to the Filtered Stream. The others arrive late,
    /// and a connection that falls too far behind is ended. `None`, the default, means no limit; X
    /// documents 250.
    pub delivery_cap: Option<f64>,
    /// The longest time range of one recovery; a longer one is refused with 400. `None`, the
    /// default, means no limit but the 24 hours that X documents. X advises about 2 hours for
    /// Replay.
    pub recovery_window_max: Option<Duration>,
    /// Ends a recovery with a message that says so, as PowerTrack does. False by default.
    pub recovery_marker: bool,
    /// Serves `/simulator/`: counters, ground truth log and fault injection. True by default. X has
    /// no such path.
    pub control: bool,
    /// The number of Posts on a connection before the scenario's fault, 100 by default. A fault
    /// that is a message between Posts repeats after every so many Posts; others occur once. In a
    /// shorter file, the fault occurs at the end.
    pub fault_after: u64,
    /// The attempts with the fault. `None`, the default, depends on the scenario: the first
    /// connection if the fault ends it, the first three attempts for `unavailable`, and every
    /// attempt otherwise.
    pub fault_on: Option<FaultScope>,
    /// The size of the Post in `oversized`, in bytes. 2 MiB by default, twice the common limit of
    /// clients.
    pub oversize_bytes: usize,
    /// How far `x-rate-limit-reset` is in the future in `rate-limited`. One minute by default, the
    /// shortest wait that X asks for after a 429.
    pub rate_limit_reset: Duration,
    /// The timeout for a complete request head. 10 s by default.
    pub head_timeout: Duration,
    /// The most messages in the ground truth log. 100,000 by default, which is minutes of a busy
    /// stream.
    pub ground_truth_messages_max: usize,
    /// The most bytes of messages in the ground truth log. 64 MiB by default, so that memory stays
    /// bounded in long runs.
    pub ground_truth_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            tls: None,
            token: None,
            source: Source::Generated { seed: 0 },
            rate: None,
            bursts: None,
            feed_start: None,
            shared_file: false,
            time: Time::Real,
            datacenters: Vec::new(),
            queue_messages_max: 5_000,
            queue_bytes_max: 10_000_000,
            keep_alive: Duration::from_secs(20),
            datacenter: "atla".to_owned(),
            seed: 0,
            scenario: Scenario::Steady,
            script: None,
            no_rules: NoRules::Everything,
            rule_delay: Duration::ZERO,
            rules_max: 1_000,
            rule_requests_max: 50,
            rules_partial: false,
            not_deleted: NotDeleted::Number,
            matching_rules: true,
            connections_max: None,
            extra_connection: ExtraConnection::Refuse,
            ghost: Duration::ZERO,
            stream_requests_limited: false,
            delivery_cap: None,
            recovery_window_max: None,
            recovery_marker: false,
            control: true,
            fault_after: 100,
            fault_on: None,
            oversize_bytes: 2 << 20,
            rate_limit_reset: Duration::from_secs(60),
            head_timeout: Duration::from_secs(10),
            ground_truth_messages_max: 100_000,
            ground_truth_bytes_max: 64 << 20,
        }
    }
}

impl Config {
    /// Returns a configuration as strict as the service: no Posts without rules, two connections,
    /// limits of requests and of deliveries. Numbers that X does not publish are guesses.
    #[must_use]
    pub fn strict() -> Self {
        let mut config = Self::default();
        config.be_strict();
        config
    }

    /// Applies the settings of [`Config::strict`].
    pub fn be_strict(&mut self) {
        self.no_rules = NoRules::Nothing;
        self.connections_max = Some(2);
        self.stream_requests_limited = true;
        self.delivery_cap = Some(250.0);
    }

    fn is_generated(&self) -> bool {
        matches!(self.source, Source::Generated { .. })
    }

    /// Returns the datacenters, at least one.
    pub(crate) fn all_datacenters(&self) -> Vec<Datacenter> {
        if self.datacenters.is_empty() {
            let mut datacenter = Datacenter::new(&self.datacenter);
            datacenter.listen = self.listen;
            return vec![datacenter];
        }
        self.datacenters.clone()
    }

    pub(crate) fn check(&self) -> io::Result<()> {
        let refuse = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        if self.rate.is_some_and(|rate| rate.is_nan() || rate < 0.0) {
            return refuse("the rate is not a number; use 0 or more Posts per second");
        }
        if self.keep_alive.is_zero() {
            return refuse("the keep-alive interval is zero; use at least 1 ms");
        }
        // Longer times could overflow when added to an instant.
        if self.keep_alive.max(self.head_timeout).max(self.rule_delay).max(self.ghost)
            > Duration::from_secs(366 * 24 * 60 * 60)
        {
            return refuse(
                "the keep-alive interval, head timeout, rule delay or ghost time is over a year; use a shorter time",
            );
        }
        if self.bursts.is_some_and(|bursts| !bursts.is_sensible()) {
            return refuse(
                "the bursts are invalid; make their length shorter than their interval, and the factor at least 1",
            );
        }
        if self.bursts.is_some() && self.rate.is_some_and(f64::is_infinite) {
            return refuse("bursts need a rate; set a finite one");
        }
        if self.feed_start.is_some() && (self.rate.is_some_and(f64::is_infinite) || !self.is_generated()) {
            return refuse("a start of the feed needs generated Posts with a rate; set a finite one");
        }
        if self.shared_file && self.rate.is_none_or(f64::is_infinite) {
            return refuse("a file shared by all connections needs a rate; set a finite one");
        }
        let datacenters = self.all_datacenters();
        for (n, datacenter) in datacenters.iter().enumerate() {
            let letters = datacenter.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if datacenter.name.is_empty() || !letters {
                return refuse("the datacenter's name is invalid; use letters, digits and '-'");
            }
            if datacenters[..n].iter().any(|other| other.name == datacenter.name) {
                return refuse("two datacenters have the same name; rename one of them");
            }
            if datacenter.delay.most().max(datacenter.transit.most()) > Duration::from_secs(24 * 60 * 60) {
                return refuse("a datacenter's delay is over a day; use a shorter delay");
            }
        }
        if self.connections_max == Some(0) {
            return refuse("the limit of connections is 0, so no connections are allowed; use at least 1");
        }
        if self.delivery_cap.is_some_and(|cap| cap.is_nan() || cap < 0.001) {
            return refuse("the delivery cap is not a number; use at least 0.001 Posts per second");
        }
        if matches!(&self.source, Source::File(posts) if posts.is_empty()) {
            return refuse("the source has no Posts; use a file with at least one line");
        }
        Ok(())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("tls", &self.tls)
            .field("token", &self.token.as_ref().map(|_| "[redacted]"))
            .field("source", &self.source)
            .field("rate", &self.rate)
            .field("bursts", &self.bursts)
            .field("feed_start", &self.feed_start)
            .field("shared_file", &self.shared_file)
            .field("time", &self.time)
            .field("datacenters", &self.datacenters)
            .field("queue_messages_max", &self.queue_messages_max)
            .field("queue_bytes_max", &self.queue_bytes_max)
            .field("keep_alive", &self.keep_alive)
            .field("datacenter", &self.datacenter)
            .field("seed", &self.seed)
            .field("scenario", &self.scenario)
            .field("script", &self.script)
            .field("no_rules", &self.no_rules)
            .field("rule_delay", &self.rule_delay)
            .field("rules_max", &self.rules_max)
            .field("rule_requests_max", &self.rule_requests_max)
            .field("rules_partial", &self.rules_partial)
            .field("not_deleted", &self.not_deleted)
            .field("matching_rules", &self.matching_rules)
            .field("connections_max", &self.connections_max)
            .field("extra_connection", &self.extra_connection)
            .field("ghost", &self.ghost)
            .field("stream_requests_limited", &self.stream_requests_limited)
            .field("delivery_cap", &self.delivery_cap)
            .field("recovery_window_max", &self.recovery_window_max)
            .field("recovery_marker", &self.recovery_marker)
            .field("control", &self.control)
            .field("fault_after", &self.fault_after)
            .field("fault_on", &self.fault_on)
            .field("oversize_bytes", &self.oversize_bytes)
            .field("rate_limit_reset", &self.rate_limit_reset)
            .field("head_timeout", &self.head_timeout)
            .field("ground_truth_messages_max", &self.ground_truth_messages_max)
            .field("ground_truth_bytes_max", &self.ground_truth_bytes_max)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_text_redacts_the_token() {
        let config = Config { token: Some("s3cr3t".to_owned()), ..Config::default() };
        let text = format!("{config:?}");
        assert!(text.contains("redacted") && !text.contains("s3cr3t"), "{text}");
    }

    #[test]
    fn refuses_invalid_configurations() {
        let changes: [fn(&mut Config); 9] = [
            |c| c.shared_file = true,
            |c| c.bursts = Some(Bursts::new(0.5, Duration::from_secs(2), Duration::from_secs(1))),
            |c| c.bursts = Some(Bursts::new(5.0, Duration::from_secs(1), Duration::from_secs(1))),
            |c| c.datacenters = vec![Datacenter::new("atla"), Datacenter::new("atla")],
            |c| c.rate = Some(f64::NAN),
            |c| c.rate = Some(-1.0),
            |c| c.keep_alive = Duration::ZERO,
            |c| c.datacenter = "a\r\nb".to_owned(),
            |c| c.source = Source::File([].into()),
        ];
        for change in changes {
            let mut config = Config::default();
            change(&mut config);
            assert_eq!(config.check().unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert!(Config::default().check().is_ok());
    }
}
