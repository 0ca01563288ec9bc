//! Opens the connections on the selected runtime, and reads them until the end.

use powerstream_blocking::Blocking;
use powerstream_client::config::Connections;
use powerstream_client::queue::block_on;
use powerstream_client::shutdown::ShutdownHandle;
use powerstream_core::merge::{ConnectionId, Topology};
use powerstream_tls::TlsConfig;

use super::arguments::{Args, Runtime};
use super::connections::Connection;
use super::observe::{self, Monitors};
use super::pump::{Ended, Pump};
use super::state::Resume;
use crate::exit::{Exit, Failure};
use crate::system::{advice_behind, explained};
use crate::text::with_options;

/// Opens the stream and reads it until the end, with the pump that `start` creates once the stream
/// can be shut down.
pub(super) fn run(
    args: &Args,
    connections: Vec<Connection>,
    group: Topology,
    resume: Option<Resume>,
    tls: Option<&TlsConfig>,
    start: impl FnOnce(ShutdownHandle, Monitors) -> Result<Pump, Failure>,
) -> Result<(Ended, Pump), Failure> {
    let first = connections.first().ok_or_else(|| Failure::new(Exit::Usage, "there is no connection"))?;
    let config = first.config.clone();
    let names: Vec<_> = connections.iter().map(|connection| connection.name.clone()).collect();
    let named = |monitors: Vec<_>| {
        let connections = names.into_iter().zip(monitors);
        connections.map(|(name, monitor)| observe::Connection { name, monitor }).collect()
    };
    let merged = args.is_merged(connections.len()).then(|| {
        let connections = connections.into_iter();
        let none = Connections::new(group).keep_duplicates(args.keep_duplicates).recovery(args.recovery);
        let all = connections.fold(none, |all, one| all.with(one.name, one.config));
        match resume {
            Some(Resume { position, ids, .. }) => all.resume_from(position, ids),
            None => all,
        }
    });
    // The clients of the runtimes share names, but no trait.
    macro_rules! read {
        ($client:expr, $block_on:expr) => {{
            let client = match tls {
                Some(tls) => $client.with_tls(tls.clone()),
                None => $client,
            };
            match merged {
                None => {
                    let mut stream = client.stream().map_err(|error| cannot_open(&error))?;
                    let connections = named(vec![stream.monitor()]);
                    let monitors = Monitors { connections, gaps: Vec::new(), now: stream.now() };
                    let mut pump = start(stream.shutdown_handle(), monitors)?;
                    Ok(($block_on(pump.run(&mut stream)), pump))
                }
                Some(merged) => {
                    let mut stream = client.merged(&merged).map_err(|error| cannot_open(&error))?;
                    let ids = (0..merged.list().len()).map_while(ConnectionId::new);
                    let connections = named(ids.map(|id| stream.monitor(id)).collect());
                    let gaps = stream.gap_monitors().into_iter().map(|(_, gaps)| gaps).collect();
                    let monitors = Monitors { connections, gaps, now: stream.now() };
                    let mut pump = start(stream.shutdown_handle(), monitors)?;
                    Ok(($block_on(pump.run(&mut stream)), pump))
                }
            }
        }};
    }
    match args.runtime {
        Runtime::Blocking => {
            let runtime = Blocking::default()
                .with_busy_poll(args.busy_poll)
                .with_kernel_timestamps(args.kernel_timestamps);
            let client = powerstream_blocking::Client::new(config).with_runtime(runtime);
            read!(client, block_on)
        }
        Runtime::Tokio => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot start tokio's runtime: {}", explained(&error)))
            })?;
            read!(powerstream_tokio::Client::new(config), |future| runtime.block_on(future))
        }
        Runtime::Smol => read!(powerstream_smol::Client::new(config), smol::block_on),
    }
}

fn cannot_open(error: &(dyn std::error::Error + 'static)) -> Failure {
    let text = format!("cannot open the stream: {}{}", with_options(error), advice_behind(error));
    Failure::new(Exit::Failed, text)
}
