//! The options of `powerstream stream`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use powerstream_client::connection_api::connections_name;
use powerstream_client::queue::{self, QueueConfig};
use powerstream_core::alert::AlertConfig;
use powerstream_core::endpoint::{self, Endpoint};

use super::output::Format;
use crate::connection::named::{CONNECTIONS_MAX, Connect};
use crate::exit::{Exit, Failure};
use crate::simulate::Options;
use crate::size::Size;
use crate::{connection, duration};

/// Follows the notes of every command that connects.
const NOTES: &str = "\
--simulate needs neither a token nor a proxy.

Output: Posts go to standard output, one per line. Log lines go to standard error. RUST_LOG sets
their level: off, error, warn, info (default), debug or trace; debug shows the heads of responses.
Log lines start with the time, unless standard error is a terminal or is read by systemd. The first
message of each other kind is logged. Later ones are counted, and logged at debug.

Queue: one thread reads from the server, another writes standard output. A queue between them lets
the reader of standard output pause, because servers disconnect slow clients. --queue limits its
bytes; a Post counts as at least 256. By default (64MiB, --overflow wait) nothing is dropped: when
the queue is full, the tool stops reading from the server, which may then disconnect. Any gap is
reported. The tool also reports a reader that takes nothing for 5 s, and a queue that is half full
or full. Posts that the queue dropped are counted as `dropped`.

End: the stream reconnects until --max-posts, --duration or a signal (SIGINT, SIGTERM, SIGHUP) ends
it. A signal that is ignored at start stays ignored, such as SIGHUP under nohup. --max-posts and
--duration wait until everything received is written. After a signal, the tool waits half a second
for the reader, and counts the rest as `not written`; the last line may then be incomplete. A second
signal exits at once. With --simulate --posts, the simulator sends keep-alives after the file, so
the stream continues. If the reader closes standard output, the stream ends within seconds.

Totals: printed to standard error at the end, at every level of RUST_LOG, unless the reader closed
standard output. They count the Posts written, and all bytes received, including heads and framing.

Latency: with --simulate, from the simulator's write to delivery. For other servers, the totals show
the lag between the creation time in a Post's id and its receipt by the local clock. --seed also
sets the jitter of the waits between attempts.

Exit codes:
  0  --max-posts, --duration or a signal ended the stream and everything is written; or the reader
     closed standard output
  1  the server refused permanently, the output cannot be written, there is no trusted CA, or
     received Posts are not written: after a signal, or by --overflow end
  2  wrong usage
  4  no token, an invalid one, or not authorized (401, 403; 407 of a proxy)
  129, 130, 143  a second SIGHUP, SIGINT or SIGTERM; or the first, if the end took more than 2 s

Examples:
  powerstream stream --simulate --max-posts 1000
  powerstream stream --simulate --posts posts.ndjson --scenario split --duration 5s > copy.ndjson
  X_BEARER_TOKEN=any powerstream stream --base-url http://localhost:8080 --local-dc-only --backfill > posts.ndjson
      with `powerstream simulate --listen 127.0.0.1:8080` running
  X_BEARER_TOKEN=any powerstream stream --base-url https://localhost:8443 --ca ca.pem > posts.ndjson
      with `powerstream simulate --listen 127.0.0.1:8443 --tls --ca-out ca.pem` running
  X_BEARER_TOKEN=.. powerstream stream --local-dc-only --connect atla=https://api.x.com --resolve atla=192.0.2.1:443
      --connect pdxa=https://api.x.com --resolve pdxa=198.51.100.1:443 > posts.ndjson
      two datacenters as one stream";

/// Stream Posts to standard output
///
/// Connects, reconnects by X's schedules, and writes each Post as soon as it is complete.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{}\n\n{NOTES}", connection::NOTES))]
pub(crate) struct Args {
    /// Stream from a simulator in this process: real sockets, but no network and no token
    #[arg(long, conflicts_with_all = ["base_url", "host", "ca", "resolve", "token_file", "connect"])]
    pub(super) simulate: bool,

    #[command(flatten)]
    pub(super) connection: connection::ConnectionOptions,

    /// The endpoint to stream from
    #[arg(long, value_name = "NAME", default_value = "powerstream", value_parser = endpoint())]
    pub(super) endpoint: Endpoint<'static>,

    /// The partition of an endpoint that has partitions, from 1
    #[arg(long, value_name = "N")]
    pub(super) partition: Option<u8>,

    /// The runtime that reads the sockets
    #[arg(long, value_enum, default_value_t = Runtime::Blocking)]
    pub(super) runtime: Runtime,

    /// Poll the socket in a loop instead of sleeping. Uses one full core; lowers latency
    #[arg(long)]
    pub(super) busy_poll: bool,

    /// Measure the time from the kernel's receipt of each Post to its delivery, and print its
    /// percentiles at the end. Only on Linux
    #[arg(long)]
    pub(super) kernel_timestamps: bool,

    /// Merge this many connections to the server: the first arrival of each Post is written, copies
    /// are dropped
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=CONNECTIONS_MAX))]
    pub(super) connections: u8,

    /// Merge a connection with this name to this server; give it once per connection. With
    /// --local-dc-only each carries different Posts, otherwise all carry the same
    #[arg(long, value_name = "NAME=URL", conflicts_with_all = ["connections", "base_url"])]
    pub(super) connect: Vec<Connect>,

    /// Receive only the Posts of the connected datacenter, which arrive first
    #[arg(long)]
    pub(super) local_dc_only: bool,

    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub(super) format: Format,

    /// Limit of bytes that wait for the reader of standard output, such as 500kB, 64MiB or 1GiB
    #[arg(long, value_name = "SIZE", default_value = "64MiB")]
    pub(super) queue: Size,

    /// What a full queue does
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Overflow::Wait)]
    pub(super) overflow: Overflow,

    /// Start each log line with the time, also on a terminal and under systemd
    #[arg(long, hide_short_help = true)]
    pub(super) log_time: bool,

    /// End after this many received Posts; those of backfill, recovery and arrays count
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_posts: Option<u64>,

    /// End after this time, such as 500ms, 10s or 2m
    #[arg(long, value_name = "TIME", value_parser = duration::parse_some)]
    pub(super) duration: Option<Duration>,

    /// After a gap, request up to 5 minutes of backfill. Needs the entitlement; without it X
    /// refuses. Posts that were already delivered are dropped and counted
    #[arg(long)]
    pub(super) backfill: bool,

    /// Recover gaps that backfill cannot close, up to 24 hours back, on another connection. Needs
    /// the entitlement; without it the gaps are reported as lost
    #[arg(long)]
    pub(super) recovery: bool,

    /// Keep the position in this file, so that the next run with it continues: what was missed
    /// since is reported as a gap, and requested with --backfill and --recovery
    #[arg(long, value_name = "FILE", conflicts_with_all = ["simulate", "keep_duplicates"])]
    pub(super) state: Option<PathBuf>,

    /// If the server refuses a connection as one too many, end those that this process has lost and
    /// the server still counts, by X's connections API. It has no Powerstream connections, so
    /// --endpoint must name another stream
    #[arg(long, hide_short_help = true)]
    pub(super) take_over: bool,

    /// Write every copy of a Post: from --backfill, and from each of several connections
    #[arg(long)]
    pub(super) keep_duplicates: bool,

    /// Log a line of statistics for each period, such as 60s
    #[arg(long, value_name = "TIME", value_parser = duration::parse_some)]
    pub(super) stats: Option<Duration>,

    /// Serve metrics for Prometheus at http://ADDR/metrics, and /healthz and /readyz. A port alone
    /// is one of this machine's loopback address
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    pub(super) metrics: Option<SocketAddr>,

    /// Expect this many Posts in --alert-period. Default: learned from the periods before
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(super) expect: Option<u64>,

    /// Judge volume and lag after each period of this length
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration::parse_some, hide_short_help = true)]
    pub(super) alert_period: Duration,

    /// Alert at 80 % and 100 % of this many Posts in a calendar month
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(super) monthly_cap: Option<u64>,

    /// Run this command of the shell when an alert begins or ends, with a JSON object on its
    /// standard input
    #[arg(long, value_name = "CMD", hide_short_help = true)]
    pub(super) on_alert: Option<String>,

    /// Idle timeout: the longest time without content before reconnecting; X promises a keep-alive
    /// every 20 s [default: 25s]
    #[arg(long, alias = "silence", value_name = "TIME", value_parser = duration::parse_some)]
    pub(super) idle_timeout: Option<Duration>,

    #[command(flatten)]
    pub(super) simulator: Options,
}

/// Parses an address with a port, or a port of the loopback address.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse()
        .map_err(|_| String::from("expected a port, such as 9100, or an address, such as 0.0.0.0:9100"))
}

/// The runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Runtime {
    /// One thread with blocking system calls
    Blocking,
    /// A task on tokio's single-threaded runtime
    Tokio,
    /// A task on smol
    Smol,
}

/// The overflow policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Overflow {
    /// Stop reading from the server until there is room; nothing is dropped here, but the server
    /// may disconnect
    Wait,
    /// Drop and count the oldest Posts
    DropOldest,
    /// Drop and count new Posts
    DropNewest,
    /// End the stream after writing what is queued, with exit code 1
    End,
}

/// The smallest size that a queued Post counts as. It bounds the memory that a Post needs besides
/// its bytes.
const POST_BYTES_MIN: usize = 256;

impl Args {
    /// Returns the configuration of the queue between the server and standard output.
    pub(super) fn queue(&self) -> QueueConfig {
        let mut config = QueueConfig::default();
        config.bytes_max = self.queue.0.get();
        config.messages_max = (config.bytes_max / POST_BYTES_MIN).max(1);
        config.overflow = match self.overflow {
            Overflow::Wait => queue::Overflow::Wait,
            Overflow::DropOldest => queue::Overflow::DropOldest,
            Overflow::DropNewest => queue::Overflow::DropNewest,
            Overflow::End => queue::Overflow::End,
        };
        config
    }

    /// Returns the thresholds of alerts.
    pub(super) fn alerts(&self) -> AlertConfig {
        let mut config = AlertConfig::default();
        config.period = self.alert_period;
        config.expected_posts = self.expect;
        config.monthly_cap = self.monthly_cap;
        config
    }

    /// Returns true if the connections are read as a merged stream. Only that recovers and resumes.
    pub(super) const fn is_merged(&self, connections: usize) -> bool {
        connections > 1 || self.recovery || self.state.is_some()
    }

    /// Checks constraints between options.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let usage = |text: String| Err(Failure::new(Exit::Usage, text));
        if let (false, Some(option)) = (self.simulate, self.simulator.in_use()) {
            return usage(format!("{option} needs --simulate"));
        }
        if self.take_over && connections_name(&self.endpoint).is_none() {
            return usage(format!(
                "--take-over: X's connections API does not list connections to {}",
                self.endpoint.name
            ));
        }
        if self.busy_poll && self.runtime != Runtime::Blocking {
            return usage(String::from(
                "--busy-poll is for --runtime blocking: the other runtimes always sleep",
            ));
        }
        if self.kernel_timestamps && (self.runtime != Runtime::Blocking || !cfg!(target_os = "linux")) {
            return usage(String::from("--kernel-timestamps is for --runtime blocking on Linux"));
        }
        Ok(())
    }
}

/// Parses a name of a list; clap shows the names.
fn endpoint() -> impl TypedValueParser<Value = Endpoint<'static>> {
    let names = PossibleValuesParser::new(endpoint::ALL.map(|endpoint| endpoint.name));
    names.try_map(|name| Endpoint::named(&name).ok_or("unknown endpoint"))
}
