//! What a simulator is to be like.

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

/// Everything that can be chosen. Start from `Config::default()` and change what matters.
///
/// The default is a healthy local X on a free port: generated Posts, any token.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen. Port 0, the default, takes a free one, so that tests can run side by side;
    /// on loopback, since anyone who reaches it is served.
    pub listen: SocketAddr,
    /// Serve TLS, and only that. `None`, the default, serves in the clear.
    pub tls: Option<Tls>,
    /// The only right bearer token. `None`, the default, takes any, but the header has to be there
    /// and well formed: clients that forget it should find out here.
    pub token: Option<String>,
    /// The Posts; generated from seed 0 by default.
    pub source: Source,
    /// Posts a second. `None`, the default: 500 for generated Posts, which is a busy stream and
    /// light work; for a file, as fast as each connection reads. 0 sends keep-alives only.
    pub rate: Option<f64>,
    /// Bursts on top of the rate; none by default.
    pub bursts: Option<Bursts>,
    /// One file for all connections instead of one for each: sent at the rate from the first client
    /// on, whether anybody listens or not, so that who comes late has missed something. False by
    /// default; needs a rate.
    pub shared_file: bool,
    /// The clock; the machine's by default.
    pub time: Time,
    /// The datacenters, each with an address of its own. Empty, the default, means one, of the name
    /// in `datacenter` at the address in `listen`; otherwise those two are not looked at.
    pub datacenters: Vec<Datacenter>,
    /// Messages that may wait for a connection that reads slowly; a guess at X's number, which
    /// nobody knows.
    pub queue_messages_max: usize,
    /// Bytes of them, 10 MB by default. Whichever is reached first ends the connection.
    pub queue_bytes_max: usize,
    /// The longest silence before a keep-alive; 20 s as documented by X.
    pub keep_alive: Duration,
    /// The site named to clients that ask with `localDcOnly=true`; `atla` as in X's sample.
    pub datacenter: String,
    /// Decides where chunks are cut and every other choice of a scenario; not the Posts, whose seed
    /// is in `source`.
    pub seed: u64,
    /// How to behave; steady by default.
    pub scenario: Scenario,
    /// A scenario of one's own, instead of `scenario`. `fault_after` and `fault_on` do not concern
    /// it, nor the scenarios that are files.
    pub script: Option<Script>,
    /// What a stream without rules sends; every Post by default.
    pub no_rules: NoRules,
    /// From a change of the rules to its effect on streams, open ones too; none by default. X: some
    /// 20 seconds, at most 5 minutes on PowerTrack.
    pub rule_delay: Duration,
    /// How many rules there may be, of each product; 1,000 by default.
    pub rules_max: usize,
    /// Requests about Powerstream's rules in 24 hours, of every kind together; 50 as documented by
    /// X.
    pub rule_requests_max: u32,
    /// Powerstream stores the valid rules of a batch and reports the others. By default it stores
    /// all or none; X does not say.
    pub rules_partial: bool,
    /// What Powerstream's answer to a deletion calls `not_deleted`.
    pub not_deleted: NotDeleted,
    /// Posts say which rules they match; true by default. X's one sample has nothing of the kind,
    /// its text has.
    pub matching_rules: bool,
    /// Connections to a stream at a time, of a partition where there are some. `None`, the default,
    /// is no limit: a test should not meet one by accident. X names no number for Powerstream; two
    /// is what its other enterprise streams have.
    pub connections_max: Option<usize>,
    /// What becomes of one more.
    pub extra_connection: ExtraConnection,
    /// How long a connection that was reset, by either side, keeps its place; zero by default. Of
    /// the service minutes are reported. A client that closes its socket while bytes are unread
    /// resets, too: its system does so.
    pub ghost: Duration,
    /// Hold clients to the number of requests for v2 streams in 15 minutes; false by default. The
    /// headers count them either way.
    pub stream_requests_limited: bool,
    /// Posts a second that a connection to the Filtered Stream gets at most: more are late, and in
    /// the end it is cut off as too slow. `None`, the default, is no limit; X documents 250.
    pub delivery_cap: Option<f64>,
    /// A recovery ends with a line that says so, as PowerTrack's does; false by default.
    pub recovery_marker: bool,
    /// Serve `/simulator/`: counters, the ground truth log, fault injection. True by default; X has
    /// no such path.
    pub control: bool,
    /// When a scenario's fault comes: after so many Posts of a connection, once or, if it is a
    /// message between Posts, each time. A file that is shorter has it at its end. 100 by default:
    /// enough for a client to be in full swing, and done in a moment.
    pub fault_after: u64,
    /// Which attempts the fault affects. `None`, the default, leaves it to the scenario: the first
    /// connection for those that end one, the first three attempts for `unavailable`, every attempt
    /// for the rest.
    pub fault_on: Option<FaultScope>,
    /// The size of the Post in `oversized`; 2 MiB, twice the limit that is common among clients.
    pub oversize_bytes: usize,
    /// How far ahead `x-rate-limit-reset` lies in `rate-limited`; a minute, the least that X asks
    /// clients to wait after a 429.
    pub rate_limit_reset: Duration,
    /// How long a client may take for its request head; 10 s is plenty for some hundred bytes.
    pub head_timeout: Duration,
    /// Messages the ground truth log remembers; 100,000 are minutes of a busy stream.
    pub ground_truth_messages_max: usize,
    /// Bytes of messages the ground truth log holds on to; 64 MiB, so that a simulator can run for
    /// months.
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
    /// As the service is, where the default is easier on clients: no Posts without rules, two
    /// connections, the limits of requests and of deliveries. Numbers that X does not publish are
    /// guesses.
    #[must_use]
    pub fn strict() -> Self {
        let mut config = Self::default();
        config.be_strict();
        config
    }

    /// Makes it what [`Config::strict`] is.
    pub fn be_strict(&mut self) {
        self.no_rules = NoRules::Nothing;
        self.connections_max = Some(2);
        self.stream_requests_limited = true;
        self.delivery_cap = Some(250.0);
    }

    /// The datacenters, of which there is at least one.
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
            return refuse("the rate is not a number from 0 up");
        }
        if self.keep_alive.is_zero() {
            return refuse("the keep-alive interval is zero");
        }
        // Instants are added to these; a year is for ever here.
        if self.keep_alive.max(self.head_timeout).max(self.rule_delay).max(self.ghost)
            > Duration::from_secs(366 * 24 * 60 * 60)
        {
            return refuse(
                "the keep-alive interval, the head's time-out, the rules' delay or the ghost is over a year",
            );
        }
        if self.bursts.is_some_and(|bursts| !bursts.is_sensible()) {
            return refuse("the bursts are not shorter than their distance, or not faster than the rate");
        }
        if self.bursts.is_some() && self.rate.is_some_and(f64::is_infinite) {
            return refuse("bursts need a rate");
        }
        if self.shared_file && self.rate.is_none_or(f64::is_infinite) {
            return refuse("a file for all connections needs a rate");
        }
        let datacenters = self.all_datacenters();
        for (n, datacenter) in datacenters.iter().enumerate() {
            let letters = datacenter.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if datacenter.name.is_empty() || !letters {
                return refuse("the datacentre's name is not letters, digits and '-'");
            }
            if datacenters[..n].iter().any(|other| other.name == datacenter.name) {
                return refuse("two datacentres have the same name");
            }
            if datacenter.delay.most().max(datacenter.transit.most()) > Duration::from_secs(24 * 60 * 60) {
                return refuse("a datacentre's delay is over a day");
            }
        }
        if self.connections_max == Some(0) {
            return refuse("no connections at all are allowed");
        }
        if self.delivery_cap.is_some_and(|cap| cap.is_nan() || cap < 0.001) {
            return refuse("the delivery cap is not a number of Posts a second");
        }
        if matches!(&self.source, Source::File(posts) if posts.is_empty()) {
            return refuse("the source has no Posts");
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
