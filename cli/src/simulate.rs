//! `powerstream simulate`: a local Powerstream server for any client, until Ctrl-C.

pub(crate) mod options;

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use powerstream_client::config::Token;
use powerstream_simulator::{Scenario, Simulator, Totals};
use tracing::info;

pub(crate) use self::options::Options;
use crate::exit::{Exit, Failure};
use crate::interrupt::on_interrupt;
use crate::log;
use crate::stdout::Stdout;
use crate::system::{check_open_files, explained};
use crate::text::Printable;

const EXAMPLES: &str = "\
The first line on standard output is `listening on http://ADDR` (or https). Further lines name
further datacenters. Everything else goes to standard error. Ctrl-C ends the simulator and prints
totals.

It serves Powerstream (/2/powerstream), the Filtered, Sample, Sample10 and Firehose Streams of the
v2 API, and the rules of the first two. /simulator/ has counters, the ground truth log, and manual
faults.

Examples:
  powerstream simulate --listen 127.0.0.1:8080
  curl -sN -H 'Authorization: Bearer any' http://127.0.0.1:8080/2/powerstream
  X_BEARER_TOKEN=any powerstream stream --base-url http://127.0.0.1:8080
  powerstream simulate --listen 127.0.0.1:8080 --scenario reset --fault-after 1000
  powerstream simulate --listen 127.0.0.1:8080 --strict --scenario my-bad-day.toml
  curl -s -H 'Authorization: Bearer any' -d '{\"rules\":[{\"value\":\"cat lang:en\"}]}' http://127.0.0.1:8080/2/powerstream/rules
  curl -s -d '{\"do\":\"cut\",\"how\":\"reset\"}' http://127.0.0.1:8080/simulator/trigger
  powerstream simulate --listen 127.0.0.1:8080 --datacenter atla --datacenter pdxa,listen=127.0.0.1:8081,delay=20ms..80ms
  powerstream simulate --listen 127.0.0.1:8443 --tls --ca-out ca.pem
  curl -sN --cacert ca.pem -H 'Authorization: Bearer any' https://127.0.0.1:8443/2/powerstream
  powerstream simulate --list-scenarios";

/// Serve a local Powerstream for any client, with fault injection
///
/// A server on this machine that implements the Powerstream streaming API, with real sockets and
/// chunks. Posts come from a seed or a file. A scenario decides which faults occur. GET
/// /2/powerstream with a bearer token returns the stream.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Address to listen on; port 0 selects a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// The only accepted bearer token [default: any token is accepted, but one is required]
    #[arg(long, value_name = "TOKEN")]
    token: Option<Secret>,

    /// Write the certificate of the CA that clients have to trust to this file, as PEM
    #[arg(long, value_name = "FILE", requires = "tls")]
    ca_out: Option<PathBuf>,

    #[command(flatten)]
    options: Options,

    /// Start each log line with the time, also on a terminal and under systemd
    #[arg(long, hide_short_help = true)]
    log_time: bool,

    /// List the scenarios and exit
    #[arg(long)]
    list_scenarios: bool,
}

/// The intervals for reports of changes, and of progress without changes.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if args.list_scenarios {
        return list_scenarios().map(|()| Exit::Done).map_err(|error| Failure::output(&error));
    }
    log::init(args.log_time);
    check_open_files()?;
    if let Some(Secret(token)) = &args.token
        && let Err(error) = Token::new(token)
    {
        return Err(Failure::new(Exit::Usage, format!("--token is not allowed: {error}")));
    }
    let mut config = args.options.config(Some(args.listen))?;
    config.token = args.token.as_ref().map(|Secret(token)| token.clone());
    // The log answers requests to /simulator/truth. It need not cover months.
    config.ground_truth_messages_max = 20_000;
    config.ground_truth_bytes_max = 32 << 20;

    let (end, ended) = mpsc::channel();
    on_interrupt(move || {
        // An error means that the simulator has ended already.
        let _ = end.send(());
    })?;
    let simulator = options::start(config)?;
    if let (Some(path), Some(ca)) = (&args.ca_out, simulator.ca_pem()) {
        write_ca(path, ca)?;
    }
    listening(&mut BufWriter::new(Stdout), &simulator).map_err(|error| Failure::output(&error))?;

    let started = Instant::now();
    watch(&simulator, |length| ended.recv_timeout(length) == Err(RecvTimeoutError::Timeout));
    simulator.shutdown();
    let totals = simulator.ground_truth().totals();
    log::write(format!("{}, {:.1?}\n", summary(&totals), started.elapsed()).into_bytes());
    Ok(Exit::Done)
}

/// The first line names the first datacenter in every configuration.
fn listening(output: &mut impl Write, simulator: &Simulator) -> io::Result<()> {
    writeln!(output, "listening on {}", simulator.base_url())?;
    for (name, url) in simulator.datacenters().iter().skip(1) {
        writeln!(output, "listening on {url} as {name}")?;
    }
    output.flush()
}

/// Reports progress as long as `wait` returns true.
fn watch(simulator: &Simulator, wait: impl Fn(Duration) -> bool) {
    let truth = simulator.ground_truth();
    let (mut reported, mut reported_at) = (truth.totals(), Instant::now());
    while wait(LOOK_EVERY) {
        let totals = truth.totals();
        let key = |totals: &Totals| (totals.connections, totals.streams, totals.open);
        let news = key(&totals) != key(&reported);
        if news || (totals != reported && reported_at.elapsed() >= REPORT_INTERVAL) {
            info!("{}", summary(&totals));
            (reported, reported_at) = (totals, Instant::now());
        }
    }
}

fn summary(totals: &Totals) -> String {
    let Totals { connections, open, streams, posts, keep_alives, wire_bytes, .. } = *totals;
    format!(
        "connections {connections} ({open} open), streams {streams}, Posts {posts}, keep-alives {keep_alives}, \
         bytes {wire_bytes}"
    )
}

fn write_ca(path: &Path, ca: &str) -> Result<(), Failure> {
    std::fs::write(path, ca).map_err(|error| {
        let text = format!("cannot write the CA's certificate to {}: {}", path.display(), explained(&error));
        let text = Printable { bytes: text.as_bytes(), characters_max: 4_096 };
        Failure::new(Exit::Failed, text.to_string())
    })
}

fn list_scenarios() -> io::Result<()> {
    let mut output = BufWriter::new(Stdout);
    for scenario in Scenario::all() {
        writeln!(output, "{scenario:<24}{}", scenario.description())?;
    }
    output.flush()
}

/// A secret value. It is checked after parsing, because clap's errors quote the value.
#[derive(Clone)]
struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_token() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            args: Args,
        }
        let cli: Cli = clap::Parser::try_parse_from(["simulate", "--token", "s3cr3t"]).unwrap();
        let text = format!("{:?}", cli.args);
        assert!(text.contains("Secret(..)") && !text.contains("s3cr3t"), "{text}");
    }
}
