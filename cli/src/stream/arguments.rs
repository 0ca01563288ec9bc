//! What can be asked of `powerstream stream`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use powerstream_core::endpoint::{self, Endpoint};

use super::named::{CONNECTIONS_MAX, Connect, Named};
use super::output::Format;
use crate::duration;
use crate::exit::{Exit, Failure};
use crate::simulate::Options;

const NOTES: &str = "\
The bearer token is taken from the environment variable X_BEARER_TOKEN, or from --token-file. --simulate needs none.

Over https the server must have a certificate by a CA that the system trusts, or that --ca names; nothing turns that
off. Plain http goes to this machine only: to a simulator, or to a tunnel or proxy that does TLS. Where HTTPS_PROXY
names a proxy and NO_PROXY does not exempt the server, https goes through it, by CONNECT.

Posts go to standard output, one a line. What happens goes to standard error, as much of it as RUST_LOG asks for (off,
error, warn, info, debug, trace; default: info; debug shows the heads of responses). Of messages that are neither Posts
nor words about the connection the first of each kind is shown; further ones are counted, and shown at debug.

The stream goes on, over disconnects, until --max-posts, --duration or Ctrl-C; a second Ctrl-C ends it at once, with
code 130. With --simulate and --posts too: the simulator sends the whole file and then keep-alives, as a service does
that has no more Posts. The end brings totals on standard error, whatever RUST_LOG says, but none where the output
failed or its reader left. Their bytes are all that was received, heads and framing included.

Latencies are those of --simulate: from the simulator's write to delivery. Other servers' Posts have a lag: from the
time of creation in their ids, by this machine's clock. --seed also decides the jitter of the waits between attempts.

Exit codes:
  0  --max-posts, --duration or Ctrl-C reached, or the reader of the output has had enough
  1  gave up: the server refused for good, the output cannot be written, or there is no CA to trust
  2  wrong usage
  4  no token, or not authorised (401, 403)

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
/// Connects, reconnects as X asks clients to, and writes each Post the moment it has come whole.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Args {
    /// Stream from a simulator inside this process: over real sockets, without network and without a token
    #[arg(long)]
    pub(super) simulate: bool,

    /// Where the stream is: scheme, host and port; the endpoint adds the path. http:// is for this machine only
    #[arg(long, value_name = "URL", default_value = "https://api.x.com", conflicts_with = "simulate")]
    pub(super) base_url: String,

    /// CAs to trust besides those of the system, as PEM: that of a proxy which decrypts TLS, or of a simulator
    #[arg(long, value_name = "FILE", conflicts_with = "simulate")]
    pub(super) ca: Option<PathBuf>,

    /// The Host field, where the base URL is a tunnel or proxy on this machine to the real server [default: as the
    /// base URL has it]
    #[arg(long, value_name = "NAME", conflicts_with = "simulate")]
    pub(super) host: Option<String>,

    /// Which stream
    #[arg(long, value_name = "NAME", default_value = "powerstream", value_parser = endpoint())]
    pub(super) endpoint: Endpoint<'static>,

    /// Which partition of an endpoint that has them, from 1
    #[arg(long, value_name = "N")]
    pub(super) partition: Option<u8>,

    /// What reads the sockets
    #[arg(long, value_enum, default_value_t = Runtime::Blocking)]
    pub(super) runtime: Runtime,

    /// Ask without end whether something has come, rather than sleep until it has: takes a core of its own, and half
    /// the time
    #[arg(long)]
    pub(super) busy_poll: bool,

    /// So many connections to the same server, as one stream: who brings a Post first wins, and copies are dropped
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=CONNECTIONS_MAX))]
    pub(super) connections: u8,

    /// A connection by that name to that server, one of several as one stream; give it once for each. With
    /// --local-dc-only each carries Posts of its own, without it all carry the same
    #[arg(long, value_name = "NAME=URL", conflicts_with_all = ["connections", "simulate", "base_url"])]
    pub(super) connect: Vec<Connect>,

    /// The server's address, whatever its name resolves to: of every connection, or of the one by that name
    #[arg(long, value_name = "[NAME=]IP:PORT", conflicts_with = "simulate")]
    pub(super) resolve: Vec<Named<SocketAddr>>,

    /// The address of this machine to connect from: every connection, or the one by that name
    #[arg(long, value_name = "[NAME=]IP")]
    pub(super) local_address: Vec<Named<IpAddr>>,

    /// Only Posts of the datacenter connected to, which are the fastest
    #[arg(long)]
    pub(super) local_dc_only: bool,

    /// How Posts are written
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub(super) format: Format,

    /// End after so many Posts; the elements of an array count each
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_posts: Option<u64>,

    /// End after so long, such as 500ms, 10s or 2m
    #[arg(long, value_name = "TIME", value_parser = duration::parse_some)]
    pub(super) duration: Option<Duration>,

    /// After a gap, ask again for up to 5 minutes; needs the entitlement, without it X refuses. Posts that were delivered
    /// already are left out and counted
    #[arg(long)]
    pub(super) backfill: bool,

    /// Write a Post as often as it arrives: again by --backfill, and from each of several connections
    #[arg(long)]
    pub(super) keep_duplicates: bool,

    /// The longest time without content before the connection is given up; X promises a keep-alive every 20 s [default: 25s]
    #[arg(long, alias = "silence", value_name = "TIME", value_parser = duration::parse_some)]
    pub(super) idle_timeout: Option<Duration>,

    /// File that holds the bearer token; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "simulate")]
    pub(super) token_file: Option<PathBuf>,

    #[command(flatten)]
    pub(super) simulator: Options,
}

/// What reads the sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Runtime {
    /// One thread and the system's own calls
    Blocking,
    /// A task on tokio's single-threaded runtime
    Tokio,
    /// A task on smol
    Smol,
}

impl Args {
    /// What the single arguments cannot know.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let usage = |text: String| Err(Failure::new(Exit::Usage, text));
        if let (false, Some(option)) = (self.simulate, self.simulator.in_use()) {
            return usage(format!("{option} needs --simulate"));
        }
        if self.busy_poll && self.runtime != Runtime::Blocking {
            return usage(String::from(
                "--busy-poll is for --runtime blocking: the others sleep in their runtimes",
            ));
        }
        Ok(())
    }
}

/// One of those that have a name; clap lists the names.
fn endpoint() -> impl TypedValueParser<Value = Endpoint<'static>> {
    let names = PossibleValuesParser::new(endpoint::ALL.map(|endpoint| endpoint.name));
    names.try_map(|name| Endpoint::named(&name).ok_or("there is no such endpoint"))
}
