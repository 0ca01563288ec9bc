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
mod connections;
mod journal;
mod latency;
mod output;
mod pretty;
mod pump;
mod reading;
mod refusal;
mod source;

use std::io::{self, Write};
use std::time::Instant;

use powerstream_core::merge::Topology;
use powerstream_core::session::DisconnectReason;
use powerstream_simulator::Simulator;
use powerstream_tls::TlsConfig;
use tracing::debug;

pub(crate) use self::arguments::Args;
use self::connections::connections;
use self::journal::Journal;
use self::latency::Latency;
use self::output::Output;
use self::pump::{Ended, Pump};
use crate::exit::{Exit, Failure};
use crate::simulate::options;
use crate::text::with_options;
use crate::{log, token};

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    args.check()?;
    log::init();
    let simulator = if args.simulate {
        let mut config = args.simulator.config(None)?;
        // Times are asked for, bytes are not.
        config.ground_truth_bytes_max = 0;
        Some(options::start(config)?)
    } else {
        None
    };
    // Wrong usage is told before anything is looked for.
    let base_url = simulator.as_ref().map_or_else(|| args.connection.base_url.clone(), Simulator::base_url);
    let mut connections = connections(args, &base_url)?;
    let (token, latency) = match &simulator {
        Some(simulator) => (token::any(), Latency::from_write(simulator.ground_truth())),
        None => (args.connection.token()?.0, Latency::from_creation()),
    };
    for connection in &mut connections {
        connection.set_token(&token)?;
    }
    drop(token);
    let tls = trust(args, simulator.as_ref())?;

    let told: Vec<_> = connections.iter().map(|connection| connection.told(args)).collect();
    told.iter().for_each(|(name, target)| debug!("{name}: streaming from {target}"));
    let group = if args.local_dc_only { Topology::Partitioned } else { Topology::Redundant };
    let journal = Journal::new(told, group);
    let mut pump = Pump::new(Output::to_stdout(args.format), latency, journal, args.max_posts);
    let started = Instant::now();
    let ended = reading::run(args, connections, group, tls.as_ref(), &mut pump)?;
    // The client has left: the simulator waits for nobody.
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
    args.connection.trust()
}

fn gave_up(reason: &DisconnectReason) -> Failure {
    let exit = match reason {
        DisconnectReason::Refused(refusal) if matches!(refusal.status, 401 | 403) => Exit::NotAuthorised,
        _ => Exit::Failed,
    };
    match reason {
        // In full, and in the server's own words, it is told just before.
        DisconnectReason::Refused(refusal) => {
            Failure::new(exit, format!("gave up: the server refused (status {})", refusal.status))
        }
        _ => Failure::new(exit, format!("gave up: {}", with_options(reason))),
    }
}
