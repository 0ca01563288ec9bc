//! `powerstream stream`: Posts on standard output.
//!
//! ```text
//!   service or simulator --> [ Stream ] --events--> [ Pump ] --Posts--> [ Outlet ] --> queue
//!                                                    |   \---when------> [ Latency ]     |
//!                                                    \--all the rest---> [ Journal ]     v
//!                                                                             |      [ Writer ]
//!                                                                             |       |      |
//!                                             standard error <----------------+--[ Watch ]   v
//!                                                                                  standard output
//! ```
//!
//! - The main thread reads and counts. It waits for standard output only if the queue is full and
//!   the overflow policy is to wait.
//! - The writing thread may be blocked by the reader of standard output for any length of time.
//! - The watching thread reports a block while it lasts, and notices when the reader is gone.
//! - The threads of signals and of `--duration` request the end.

mod arguments;
mod connections;
mod journal;
mod latency;
mod observe;
mod outlet;
mod output;
mod pretty;
mod progress;
mod pump;
mod reading;
mod refusal;
mod source;
mod state;
mod tail;
mod take_over;
mod watch;
mod writer;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use powerstream_client::queue::{Overflow, QueueMonitor, QueueStats, queue};
use powerstream_client::recovery::Recovery;
use powerstream_client::shutdown::ShutdownHandle;
use powerstream_core::checkpoint;
#[cfg(target_os = "linux")]
use powerstream_core::liveness::Timeouts;
use powerstream_core::merge::Topology;
use powerstream_core::monitor::GapCounts;
use powerstream_core::session::DisconnectReason;
use powerstream_core::transport_error::TransportErrorKind;
use powerstream_simulator::Simulator;
use powerstream_tls::TlsConfig;
use tracing::{info, warn};

pub(crate) use self::arguments::Args;
use self::connections::{Connection, connections};
use self::journal::Journal;
use self::latency::Latency;
#[cfg(target_os = "linux")]
use self::observe::service;
use self::observe::{Monitors, Observed, alerts, metrics, stats};
use self::outlet::{Item, Outlet};
use self::output::{Format, Output};
use self::progress::{Progress, Tally};
use self::pump::{End, Ended, Pump};
pub(crate) use self::source::Source;
use self::state::State;
use self::tail::Tail;
use self::take_over::TakeOver;
use self::watch::Watch;
use self::writer::Writer;
use crate::exit::{Exit, Failure, spawn};
use crate::interrupt::on_interrupt;
use crate::rules::RuleWatch;
use crate::simulate::options;
use crate::stdout::{Stdout, write_bytes};
use crate::system::check_open_files;
use crate::text::with_options;
use crate::utc::{utc, utc_end};
use crate::{log, size, status, token};

/// The time after a signal for the reader of standard output to read the queued Posts.
const GRACE: Duration = Duration::from_millis(500);

/// Reports of other threads to the main one.
enum Report {
    /// The writer has ended with this result.
    Written(io::Result<()>),
    /// The reader of standard output has closed it.
    Closed,
    /// A signal arrived at this time.
    Interrupted(Instant),
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    args.check()?;
    log::init(args.log_time);
    check_open_files()?;
    let simulator = if args.simulate {
        let mut config = args.simulator.config(None)?;
        // Only the times of the ground truth log are used, not its bytes.
        config.ground_truth_bytes_max = 0;
        Some(options::start(config)?)
    } else {
        None
    };
    // Wrong usage is reported before a missing token.
    let base_url = simulator.as_ref().map_or_else(|| args.connection.base_url.clone(), Simulator::base_url);
    let mut connections = connections(args, &base_url)?;
    let (token, latency, rules) = match &simulator {
        Some(simulator) => (token::any(), Latency::from_write(simulator.ground_truth()), None),
        None => {
            let (token, secret) = args.connection.token()?;
            let host = args.connection.host.as_deref();
            let first = connections.first();
            let rules = first.and_then(|first| RuleWatch::new(&first.config, host, &secret));
            (token, Latency::from_creation(), rules)
        }
    };
    for connection in &mut connections {
        connection.set_token(&token)?;
    }
    drop(token);
    let tls = trust(args, simulator.as_ref())?;

    let names: Vec<_> = connections.iter().map(|connection| connection.names(args)).collect();
    let group = if args.local_dc_only { Topology::Partitioned } else { Topology::Redundant };
    let key = stream_key(args, &connections);
    let (mut state, mut resume) = match &args.state {
        Some(path) => {
            let groups: Vec<_> = (0..).map(|index| group.group(index)).take(connections.len()).collect();
            State::open(path, key, &groups).map(|(state, resume)| (Some(state), resume))?
        }
        None => (None, None),
    };
    let tail = if state.is_some() && args.format != Format::None { tail::read() } else { Tail::default() };
    if tail.removed > 0 {
        info!("removed an incomplete line of {} bytes from the end of the output", tail.removed);
    }
    if let Some(resume) = &mut resume {
        let known: HashSet<_> = resume.ids.iter().copied().collect();
        let unknown: Vec<_> = tail.ids.into_iter().filter(|id| !known.contains(id)).collect();
        if let Some(state) = &mut state {
            // More may be written after them than the next run reads of the output.
            state.written(&unknown);
        }
        resume.ids.extend(unknown);
        for (of, covered) in &resume.position.covered_until {
            let carriers = connections.iter().zip(0..).filter(|(_, index)| group.group(*index) == *of);
            let carriers: Vec<_> = carriers.map(|(connection, _)| connection.name.as_str()).collect();
            let carriers = match connections.len() {
                1 => String::new(),
                _ => format!("{}: ", carriers.join(", ")),
            };
            let covered = utc(*covered);
            info!(
                "{carriers}continuing the stream of an earlier run, which had everything until {covered} UTC"
            );
        }
        for Recovery { range, .. } in &resume.position.missing {
            let (from, to) = (utc(range.from), utc_end(range.to));
            match args.recovery {
                true => info!("except Posts from {from} to {to} UTC, which are requested"),
                false => warn!("except Posts from {from} to {to} UTC, which --recovery would request"),
            }
        }
    }
    let month = resume.as_ref().map_or_else(Default::default, |resume| resume.month);
    let resumed_from = |group| resume.as_ref().and_then(|resume| resume.position.of_group(group));
    let is_merged = args.is_merged(connections.len());
    let take_over = match args.take_over {
        true => {
            let configs = connections.iter().map(|connection| connection.config.clone()).collect();
            Some(TakeOver::start(configs, tls.clone())?)
        }
        false => None,
    };
    let journal = Journal::new(names, group, is_merged, resumed_from, take_over);
    let progress = Arc::new(Progress::new());
    let (sender, reports) = mpsc::channel();
    let started = Instant::now();
    let mut observed = None;
    let start = |shutdown, monitors: Monitors| {
        let observe = |queue| {
            let all = Observed::new(monitors, queue, Arc::clone(&progress), month, args.local_dc_only);
            observed.insert(all).clone()
        };
        let parts = Parts { latency, journal, state, rules };
        start(args, parts, &progress, shutdown, &sender, observe)
    };
    let (ended, pump) = reading::run(args, connections, group, resume, tls.as_ref(), start)?;
    #[cfg(target_os = "linux")]
    service::stopping();
    let End { received, queue, latency, journal } = pump.finish();
    let written = wait_written(&reports);
    // The client is gone, so the simulator need not wait.
    drop(simulator);
    if let Some(observed) = observed.filter(|_| args.backfill || args.recovery) {
        warn_of_open_gaps(&observed.view().gaps, args);
    }
    let (is_over, failed) = match written {
        // It is unknown how much the reader consumed before it closed the pipe.
        Some(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Err(Failure::output(&error)),
        Some(Err(error)) => (false, Some(Failure::output(&error))),
        Some(Ok(())) => (true, None),
        None => (false, None),
    };
    let status = progress.lock();
    let fates = Fates::new(received, status.written, &queue, args.queue().overflow, is_over);
    let mut totals = format!("{fates}, {}, {:.1?}\n", journal.totals(), started.elapsed());
    for race in journal.races() {
        totals += &format!("{race}\n");
    }
    if status.waits.count() > 0 {
        totals += &format!("wait from receipt to standard output: {}\n", status.waits);
    }
    totals += &format!("{}\n", latency.summary());
    status::clear();
    log::write(totals.into_bytes());
    match (failed, ended) {
        (Some(failure), _) => Err(failure),
        (None, Ended::GaveUp { target, reason }) => Err(gave_up(&target, &reason)),
        (None, Ended::Refused) => Err(Failure::new(Exit::Failed, queue_full(args))),
        (None, Ended::AsAsked) if fates.unwritten.posts > 0 => {
            Err(Failure::new(Exit::Failed, not_written(&fates)))
        }
        (None, Ended::AsAsked) => Ok(Exit::Done),
    }
}

/// Logs that the stream ends with gaps that backfill or recovery has not closed.
fn warn_of_open_gaps(gaps: &GapCounts, args: &Args) {
    let gap = match gaps.open {
        0 => return,
        1 => String::from("a gap is"),
        count => format!("{count} gaps are"),
    };
    let next = match (args.recovery, args.state.is_some()) {
        // Backfill does not reach the start of every gap.
        (false, _) => "--recovery would request them",
        (true, true) => "the next run requests them",
        (true, false) => "with --state the next run would request them",
    };
    warn!("{gap} still open at the end: Posts of {:.1?} are missing; {next}", gaps.open_time);
}

/// What the threads of a run own.
struct Parts {
    latency: Latency,
    journal: Journal,
    state: Option<State>,
    rules: Option<RuleWatch>,
}

/// Starts the other threads, and creates the pump that reads.
fn start(
    args: &Args,
    parts: Parts,
    progress: &Arc<Progress>,
    shutdown: ShutdownHandle,
    reports: &Sender<Report>,
    observe: impl FnOnce(QueueMonitor<Item>) -> Observed,
) -> Result<Pump, Failure> {
    let Parts { latency, journal, state, rules } = parts;
    let config = args.queue();
    let (sender, receiver) = queue(config);
    // After a signal, a blocked reader of standard output is not waited for.
    let hurry = ShutdownHandle::new();

    let observed = observe(sender.monitor());
    let rule_counts = args.metrics.is_some().then(|| Arc::clone(&observed.rules));
    observe_with(args, &observed, rules)?;

    let (report, stream) = (reports.clone(), shutdown.clone());
    let keeps_position = state.is_some();
    let never_drops = matches!(args.queue().overflow, Overflow::Wait | Overflow::End);
    let output = Output::for_stdout(args.format);
    let state = state.map(|state| (state, observed.clone()));
    let writer = Writer::new(Stdout, write_bytes(), output, Arc::clone(progress), state);
    spawn("writer", move || {
        let written = catch_unwind(AssertUnwindSafe(|| writer.run(receiver)));
        let written = written.unwrap_or_else(|_| Err(io::Error::other("the writing thread panicked")));
        if written.is_err() {
            stream.shutdown();
        }
        // An error means that the main thread no longer waits.
        let _ = report.send(Report::Written(written));
    })?;

    let (report, stream) = (reports.clone(), shutdown.clone());
    let (mut watch, progress_seen, monitor) = (Watch::new(config), Arc::clone(progress), sender.monitor());
    spawn("watch", move || {
        watch.run(&progress_seen, &monitor);
        info!("the reader of standard output has closed it: the stream ends");
        let _ = report.send(Report::Closed);
        stream.shutdown();
    })?;

    if let Some(length) = args.duration {
        let stream = shutdown.clone();
        spawn("duration", move || {
            thread::sleep(length);
            stream.shutdown();
        })?;
    }
    let outlet = Outlet::new(sender, shutdown.clone(), hurry.listen(), Arc::clone(progress));
    let report = reports.clone();
    on_interrupt(move || {
        let _ = report.send(Report::Interrupted(Instant::now()));
        hurry.shutdown();
        shutdown.shutdown();
    })?;
    let mut pump =
        Pump::new(outlet, latency, journal, args.format, args.max_posts, keeps_position, never_drops);
    pump.count_rules(rule_counts);
    Ok(pump)
}

/// Starts the threads that report to an operator.
fn observe_with(args: &Args, observed: &Observed, rules: Option<RuleWatch>) -> Result<(), Failure> {
    if let Some(address) = args.metrics {
        metrics::serve(observed.clone(), address)?;
    }
    let (config, command) = (args.alerts(), args.on_alert.clone());
    let watched = observed.clone();
    spawn("alerts", move || alerts::run(&watched, config, command.as_deref(), rules))?;
    if let Some(period) = args.stats {
        let observed = observed.clone();
        spawn("stats", move || stats::run(&observed, period))?;
    }
    if args.format.leaves_room() && status::is_possible() {
        let observed = observed.clone();
        spawn("status", move || observe::status::run(&observed))?;
    }
    #[cfg(target_os = "linux")]
    if service::is_wanted() {
        let (observed, idle_timeout) =
            (observed.clone(), args.idle_timeout.unwrap_or(Timeouts::default().idle));
        spawn("service", move || service::run(&observed, idle_timeout))?;
    }
    Ok(())
}

/// Waits until the writer has ended, after a signal for [`GRACE`] only. Returns its result, or
/// `None` if it is still writing. A closed standard output counts as a failed write.
fn wait_written(reports: &Receiver<Report>) -> Option<io::Result<()>> {
    let (mut is_closed, mut until) = (false, None::<Instant>);
    loop {
        let report = match until {
            None => reports.recv().ok(),
            Some(until) => reports.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
        };
        match report? {
            Report::Written(Ok(())) if is_closed => return Some(Err(io::ErrorKind::BrokenPipe.into())),
            Report::Written(result) => return Some(result),
            Report::Closed => is_closed = true,
            Report::Interrupted(at) => until = Some(at + GRACE),
        }
    }
}

/// What happened to the received Posts.
struct Fates {
    written: Tally,
    /// Dropped by the overflow policy.
    dropped: Tally,
    /// Neither written nor dropped when the command ended.
    unwritten: Tally,
}

impl Fates {
    fn new(received: Tally, written: Tally, queue: &QueueStats, overflow: Overflow, is_over: bool) -> Self {
        let lost = received - written;
        let dropped = match overflow {
            // Under this policy, Posts are dropped only at the end.
            Overflow::Wait => Tally::default(),
            // An array that is written as received is one message in the queue.
            _ if is_over => lost,
            _ => Tally { posts: queue.dropped.messages, bytes: queue.dropped.bytes },
        };
        Self { written, dropped, unwritten: lost - dropped }
    }
}

impl fmt::Display for Fates {
    /// Displays the counts for the totals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Posts {}", self.written.posts)?;
        for (name, tally) in [("dropped", self.dropped), ("not written", self.unwritten)] {
            if tally.posts > 0 {
                write!(f, ", {name} {tally}")?;
            }
        }
        Ok(())
    }
}

fn queue_full(args: &Args) -> String {
    format!(
        "the queue of {} was full, and --overflow is end: the reader of standard output is too slow; \
         make it faster, or pass a larger --queue",
        args.queue
    )
}

fn not_written(fates: &Fates) -> String {
    format!(
        "standard output did not accept everything in time: {} Posts that were received are not \
         written ({}), and the last line may be incomplete",
        fates.unwritten.posts,
        size::shown(fates.unwritten.bytes)
    )
}

/// Returns a number that distinguishes this stream from others: by servers, endpoint and what is
/// requested of it.
fn stream_key(args: &Args, connections: &[Connection]) -> u64 {
    let servers: Vec<_> =
        connections.iter().map(|connection| connection.config.origin().authority().to_owned()).collect();
    let (path, partition) = (args.endpoint.path, args.partition.unwrap_or_default());
    checkpoint::stream_key(&servers.join(" "), &format!("{path} {partition} {}", args.local_dc_only))
}

/// Returns the trust roots, if they are not only those of the system.
fn trust(args: &Args, simulator: Option<&Simulator>) -> Result<Option<TlsConfig>, Failure> {
    if let Some(ca) = simulator.and_then(Simulator::ca_pem) {
        let tls = TlsConfig::only_ca_pem(ca.as_bytes());
        return tls.map(Some).map_err(|error| Failure::new(Exit::Failed, error.to_string()));
    }
    args.connection.trust()
}

fn gave_up(target: &str, reason: &DisconnectReason) -> Failure {
    let exit = match reason {
        DisconnectReason::Refused(refusal) if matches!(refusal.status, 401 | 403) => Exit::NotAuthorized,
        DisconnectReason::Transport(error) if error.kind == TransportErrorKind::ProxyAuthentication => {
            Exit::NotAuthorized
        }
        _ => Exit::Failed,
    };
    match reason {
        // The full message, with the server's own words, was logged just before.
        DisconnectReason::Refused(refusal) => {
            Failure::new(exit, format!("gave up on {target}: the server refused (status {})", refusal.status))
        }
        _ => Failure::new(exit, format!("gave up on {target}: {}", with_options(reason))),
    }
}
