//! `powerstream stream`: Posts to standard output, for as long as anyone wants them.
//!
//! ```text
//!   service or simulator --> [ Stream ] --events--> [ pump ] --Posts--> [ Output ] --> standard output
//!                                                    |   \---when------> [ Latency ]
//!                                                    \--all the rest---> [ Journal ] --> standard error
//! ```
//!
//! One thread does it all: nothing is queued, so nothing is held back and nothing is lost at the end. Others only ask
//! for the end: Ctrl-C's and `--duration`'s.

mod arguments;
mod journal;
mod latency;
mod output;
mod pretty;
mod pump;
mod refusal;
mod source;

use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use powerstream_blocking::{OpenError, Shutdown, Stream, TlsConfig};
use powerstream_core::http::origin::Origin;
use powerstream_core::session::{Cause, SessionConfig};
use powerstream_simulator::Simulator;
use tracing::debug;

use crate::ca;
use crate::exit::{Exit, Failure};
use crate::interrupt::on_interrupt;
use crate::log;
use crate::simulate::options;
use crate::token::Token;

use self::journal::Journal;
use self::latency::Latency;
use self::output::Output;
use self::pump::{Ended, Pump};
use self::source::block_on;

pub(crate) use self::arguments::Args;

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    args.check()?;
    log::init();
    let simulator = if args.simulate {
        let mut config = args.simulator.config()?;
        // Times are asked for, bytes are not.
        config.truth_bytes_max = 0;
        Some(options::start(config)?)
    } else {
        None
    };
    let (base_url, token, latency) = match &simulator {
        Some(simulator) => (simulator.base_url(), Token::any(), Latency::from_write(simulator.truth())),
        None => (args.base_url.clone(), Token::load(args.token_file.as_deref())?, Latency::from_creation()),
    };
    debug!("streaming from {base_url}");

    let tls = trust(args, simulator.as_ref())?;
    let mut stream = open(args, &base_url, &token, tls.as_ref())?;
    drop(token);
    let shutdown = stream.shutdown_handle();
    if let Some(length) = args.duration {
        end_after(length, shutdown.clone())?;
    }
    on_interrupt(move || shutdown.shutdown())?;

    let journal = Journal::new(vec![(String::from("x"), target(args, &base_url))]);
    let mut pump = Pump::new(Output::to_stdout(args.format), latency, journal, args.max_posts);
    let started = Instant::now();
    let ended = block_on(pump.run(&mut stream));
    // The client first, so that the simulator sees it leave and waits for nobody.
    drop(stream);
    drop(simulator);
    // Where the output failed, nobody knows how much of it arrived.
    if ended.is_ok() {
        // Where standard error is closed there is nobody to tell.
        let _ = io::stderr().lock().write_all(pump.summary(started.elapsed()).as_bytes());
    }
    match ended.map_err(|error| Failure::output(&error))? {
        Ended::AsAsked => Ok(Exit::Done),
        Ended::GaveUp(cause) => Err(gave_up(&cause)),
    }
}

/// Whom to trust, where that is not just whom the system does.
fn trust(args: &Args, simulator: Option<&Simulator>) -> Result<Option<TlsConfig>, Failure> {
    if let Some(ca) = simulator.and_then(Simulator::ca_pem) {
        let tls = TlsConfig::only_ca_pem(ca.as_bytes());
        return tls.map(Some).map_err(|error| Failure::new(Exit::Failed, error.to_string()));
    }
    args.ca.as_deref().map(ca::trust).transpose()
}

fn open(args: &Args, base_url: &str, token: &Token, tls: Option<&TlsConfig>) -> Result<Stream, Failure> {
    let origin = Origin::parse(base_url)
        .map_err(|error| Failure::new(Exit::Usage, format!("--base-url is not allowed: {error}")))?;
    let partition = args.partition.map(|partition| partition.to_string());
    let query = partition.as_deref().map(|partition| [("partition", partition)]);
    let mut config = SessionConfig::new(origin);
    config.host = args.host.as_deref();
    config.endpoint = args.endpoint;
    config.query = query.as_ref().map_or(&[], |query| query);
    config.local_dc_only = args.local_dc_only;
    config.backfill = args.backfill;
    if let Some(silence) = args.silence {
        config.timeouts.silence = silence;
    }
    config.token = Some(token.bearer()?);
    let seed = args.simulator.seed.unwrap_or_else(seed);
    let stream = match tls {
        Some(tls) => Stream::open_with_tls(&config, seed, tls),
        None => Stream::open_seeded(&config, seed),
    };
    stream.map_err(|error| {
        let exit = if matches!(error, OpenError::Config(_)) { Exit::Usage } else { Exit::Failed };
        Failure::new(exit, format!("cannot open the stream: {error}"))
    })
}

/// From the system's randomness, by the one way to it that the standard library offers.
fn seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// What is connected to, for people. Origins and names of hosts are checked to hold nothing that needs escaping.
fn target(args: &Args, base_url: &str) -> String {
    let endpoint = args.endpoint.name;
    match &args.host {
        Some(host) => format!("{base_url} (as {host}), {endpoint}"),
        None => format!("{base_url}, {endpoint}"),
    }
}

/// Ends the stream after `length`. The thread is not waited for: when the stream ends earlier, so does the process.
fn end_after(length: Duration, shutdown: Shutdown) -> Result<(), Failure> {
    let timer = move || {
        thread::sleep(length);
        shutdown.shutdown();
    };
    match thread::Builder::new().name(String::from("duration")).spawn(timer) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::new(Exit::Failed, format!("cannot start a thread: {error}"))),
    }
}

fn gave_up(cause: &Cause) -> Failure {
    let exit = match cause {
        Cause::Refused(refusal) if matches!(refusal.status, 401 | 403) => Exit::NotAuthorised,
        _ => Exit::Failed,
    };
    match cause {
        // In full, and in the server's own words, it is told just before.
        Cause::Refused(refusal) => {
            Failure::new(exit, format!("gave up: the server refused (status {})", refusal.status))
        }
        _ => Failure::new(exit, format!("gave up: {cause}")),
    }
}
