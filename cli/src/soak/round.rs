//! Runs one round.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use powerstream_client::config::{Config, Connections};
use powerstream_client::queue::block_on;
use powerstream_client::shutdown::ShutdownHandle;
use powerstream_core::merge::Topology;
use powerstream_simulator::{Proxy, Simulator, Tls};
use powerstream_tls::TlsConfig;

use super::plan::{Plan, Runtime, Shape};
use super::report::{Judgment, Report};
use crate::stream::Source;
use crate::system::explained;
use crate::token;

/// The idle timeout: short, so that a round has many reconnects. The server's keep-alives are
/// shorter.
const IDLE: Duration = Duration::from_secs(4);
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// How often the consumer pauses.
const PAUSE_EVERY: Duration = Duration::from_secs(6);

/// Runs the round. The error says what could not be set up.
pub(super) fn run(plan: &Plan, is_over: &AtomicBool) -> Result<Judgment, String> {
    let mut service = powerstream_simulator::Config::default();
    service.rate = Some(plan.rate);
    service.scenario = plan.scenario;
    service.seed = plan.seed_of_parts;
    service.keep_alive = KEEP_ALIVE;
    service.rate_limit_reset = Duration::from_secs(1);
    service.tls = plan.tls.then(Tls::default);
    // Only the ids of the feed are compared.
    service.ground_truth_messages_max = 0;
    let failed = |what: &str, error: &std::io::Error| format!("{what}: {}", explained(error));
    let simulator = Simulator::start(service).map_err(|error| failed("the simulator", &error))?;
    let connections = match plan.shape {
        Shape::Merged(connections) => connections,
        _ => 1,
    };
    let proxies = (0..u64::from(connections))
        .map(|index| Proxy::start(simulator.local_addr(), plan.seed_of_parts.wrapping_add(index)));
    let proxies: Vec<Proxy> =
        proxies.collect::<Result<_, _>>().map_err(|error| failed("the proxy", &error))?;
    let scheme = if plan.tls { "https" } else { "http" };
    let configs: Result<Vec<Config>, String> = (0..)
        .zip(&proxies)
        .map(|(index, proxy)| config(plan, &format!("{scheme}://{}", proxy.local_addr()), index))
        .collect();
    let configs = configs?;
    let tls = simulator.ca_pem().map(|pem| TlsConfig::only_ca_pem(pem.as_bytes()));
    let tls = tls.transpose().map_err(|error| error.to_string())?;

    let first = configs[0].clone();
    let named = (1..).zip(configs);
    let none = Connections::new(Topology::Redundant).recovery(matches!(plan.shape, Shape::Recovery { .. }));
    let merged = named.fold(none, |all, (number, config)| all.with(number.to_string(), config));

    macro_rules! read {
        ($client:expr, $block_on:expr) => {{
            let client = match tls {
                Some(tls) => $client.with_tls(tls),
                None => $client,
            };
            match plan.shape {
                Shape::Single | Shape::Backfill => {
                    let mut stream = client.stream().map_err(|error| error.to_string())?;
                    let shutdown = stream.shutdown_handle();
                    let report = timed(plan, is_over, shutdown, || $block_on(read(plan, &mut stream, false)));
                    report.judge(&simulator, stream.session().covered_until(), None)
                }
                Shape::Merged(_) | Shape::Recovery { .. } => {
                    let mut stream = client.merged(&merged).map_err(|error| error.to_string())?;
                    let shutdown = stream.shutdown_handle();
                    let report = timed(plan, is_over, shutdown, || $block_on(read(plan, &mut stream, true)));
                    let position = stream.position();
                    match plan.shape {
                        Shape::Recovery { .. } => report.judge(&simulator, None, position),
                        _ => report.judge(&simulator, position.and_then(|it| it.earliest()), None),
                    }
                }
            }
        }};
    }
    match plan.runtime {
        Runtime::Blocking => read!(powerstream_blocking::Client::new(first), block_on),
        Runtime::Tokio => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| failed("tokio's runtime", &error))?;
            read!(powerstream_tokio::Client::new(first), |future| runtime.block_on(future))
        }
        Runtime::Smol => read!(powerstream_smol::Client::new(first), smol::block_on),
    }
}

fn config(plan: &Plan, base_url: &str, index: u64) -> Result<Config, String> {
    let has_backfill = matches!(plan.shape, Shape::Backfill | Shape::Recovery { backfill: true });
    Config::builder()
        .base_url(base_url)
        .token(token::any())
        .backfill(has_backfill)
        .timeouts(|timeouts| (timeouts.idle, timeouts.head, timeouts.message) = (IDLE, IDLE, IDLE))
        // Short, so that a round has many reconnects.
        .backoff(|backoff| {
            for schedule in [&mut backoff.network, &mut backoff.http, &mut backoff.rate_limit] {
                (schedule.first, schedule.ceiling) = (Duration::from_millis(20), Duration::from_millis(500));
            }
        })
        .seed(plan.seed_of_parts.wrapping_add(index))
        .build()
        .map_err(|error| error.to_string())
}

/// Runs the reader, and shuts its stream down at the end of the round.
fn timed(
    plan: &Plan,
    is_over: &AtomicBool,
    shutdown: ShutdownHandle,
    read: impl FnOnce() -> Report,
) -> Report {
    let is_read = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let started = Instant::now();
            let goes_on = || {
                started.elapsed() < plan.length
                    && !is_over.load(Ordering::Relaxed)
                    && !is_read.load(Ordering::Relaxed)
            };
            while goes_on() {
                thread::sleep(Duration::from_millis(20));
            }
            shutdown.shutdown();
        });
        let report = read();
        is_read.store(true, Ordering::Relaxed);
        report
    })
}

/// Reads to the end, with pauses.
async fn read(plan: &Plan, source: &mut impl Source, is_merged: bool) -> Report {
    let (mut report, mut paused_at) = (Report::default(), Instant::now());
    while let Some(event) = source.next().await {
        report.record(&event, is_merged);
        if !plan.pause.is_zero() && paused_at.elapsed() > PAUSE_EVERY {
            thread::sleep(plan.pause);
            paused_at = Instant::now();
        }
    }
    report
}
