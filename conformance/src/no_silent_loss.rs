//! Every possible loss is reported: runs all built-in scenarios on a live group, which sends
//! whether or not a client is connected.
//!
//! Unlike in [`scripts`](crate::scripts), no two runs are the same. Three rules must hold in every
//! run, however busy the machine is, as long as no single read takes a second:
//!
//! - Each line that a read completed is delivered, in order, once per connection that carried it.
//! - Each line sent before an orderly end (a FIN, the last chunk, a broken chunk) is read.
//! - Each missing Post was sent, or would have been sent, in a gap that the client reported. A gap
//!   is reported when a stream begins; what follows the last moment that a session covers counts as
//!   one too.
//!
//! A [`ReadRecorder`] knows what was read, the simulator's ground truth log what was sent, and its
//! group which Posts existed.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime};

use powerstream_client::config::{Config, Connections, Token};
use powerstream_client::merged::OwnedMergedEvent;
use powerstream_client::net::tcp::Reactor;
use powerstream_client::owned::OwnedEvent;
use powerstream_client::shutdown::ShutdownHandle;
use powerstream_client::transport::{TrustRoots, open, open_merged};
use powerstream_core::merge::Topology;
use powerstream_core::time::{TimeRange, UnixTime};
use powerstream_simulator::{Datacenter, FaultScope, GroundTruth, Scenario, Simulator};

use crate::ledger::{END_OF_TIME, Ledger, ReportedGap, SentLine, Stream, Totals};
use crate::line_decoder::{LINE_BYTES_MAX, Line};
use crate::log::ForeignEvent;
use crate::parallel;
use crate::read_recorder::{ConnectionReads, ReadRecorder, RecordingReactor};

/// Posts per second, where a scenario need not send many before it is complete.
const RATE: f64 = 300.0;

/// Posts per second of the scenarios with many connections.
const HIGH_RATE: f64 = 1_000.0;

/// Posts before the fault, and faulty connections, where the scenario does not set them itself.
const FAULT_AFTER: u64 = 50;
const FAULTS: u64 = 3;

/// Longer than any run takes on any machine.
const LONG: Duration = Duration::from_secs(240);

/// What to read, and the recorders of its reads and events.
#[derive(Debug)]
#[non_exhaustive]
pub struct TestCase {
    /// What to read.
    pub config: Config,
    /// Records the reads: see [`RecordingReactor`].
    pub reads: ReadRecorder,
    /// Records the events.
    pub recorder: Recorder,
}

/// What to read as one stream, and the recorders of its reads and events.
#[derive(Debug)]
#[non_exhaustive]
pub struct MergedTestCase {
    /// What to read.
    pub config: Connections,
    /// Records the reads.
    pub reads: ReadRecorder,
    /// Records the events.
    pub recorder: Recorder,
}

impl TestCase {
    /// Reads the stream on a reactor, put together as the clients do.
    pub async fn read<R: Reactor<Socket: 'static>>(self, reactor: R, shutdown: &ShutdownHandle) -> Recorder {
        let Self { config, reads, mut recorder } = self;
        let mut line =
            open(&config, &TrustRoots::default(), RecordingReactor::new(reactor, reads), shutdown).unwrap();
        while poll_fn(|cx| line.poll_event(cx)).await {
            if line.peek().is_some_and(|event| recorder.record(event.into()).is_break()) {
                shutdown.shutdown();
            }
            line.release();
        }
        recorder.ended(line.driver().buffered().session().covered_until())
    }
}

impl MergedTestCase {
    /// Reads the merged stream, with one reactor per connection.
    pub async fn read<R: Reactor<Socket: 'static>>(
        self,
        mut reactor: impl FnMut() -> R,
        shutdown: &ShutdownHandle,
    ) -> Recorder {
        let Self { config, reads, mut recorder } = self;
        let taped = || RecordingReactor::new(reactor(), reads.clone());
        let mut merged = open_merged(&config, &TrustRoots::default(), taped, shutdown).unwrap();
        while let Some(event) = merged.next().await {
            if recorder.record_merged(event.into()).is_break() {
                shutdown.shutdown();
            }
        }
        let sessions = merged.members().iter().map(|line| line.driver().buffered().session());
        recorder.ended(sessions.filter_map(|session| session.covered_until()).max())
    }
}

/// Records the delivered events. It is `Send`, to move with a stream into a task or thread.
#[derive(Debug)]
pub struct Recorder {
    truth: GroundTruth,
    began: Instant,
    until: Until,
    received: Received,
}

/// When a scenario is complete: both conditions must hold.
#[derive(Clone, Copy, Debug)]
struct Until {
    /// At least this many connections were made.
    connections: u64,
    /// The last stream has delivered this many messages.
    messages: usize,
}

/// What the client delivered and reported.
#[derive(Debug, Default)]
struct Received {
    /// The delivered lines, by stream.
    streams: Vec<Vec<Line>>,
    /// For a merged stream: the Posts.
    posts: Vec<u64>,
    /// Messages since a stream last began.
    messages: usize,
    /// When the first stream began.
    begun: Option<UnixTime>,
    gaps: Vec<ReportedGap>,
    /// Everything before this moment was delivered, except in reported gaps.
    covered_until: Option<UnixTime>,
    is_complete: bool,
    last: Option<String>,
}

impl Recorder {
    fn new(simulator: &Simulator, until: Until) -> Self {
        Self { truth: simulator.ground_truth(), began: Instant::now(), until, received: Received::default() }
    }

    /// Records an event. Returns [`ControlFlow::Break`] once the scenario is complete: then shut
    /// the stream down, and record the events that it still delivers.
    pub fn record(&mut self, event: OwnedEvent) -> ControlFlow<()> {
        let received = &mut self.received;
        match event {
            OwnedEvent::Connected(connected) => {
                received.begins(connected.gap.map(|gap| TimeRange { from: gap.from, to: gap.to }));
                received.streams.push(Vec::new());
            }
            OwnedEvent::Message(message) => {
                received.messages += 1;
                received.streams.last_mut().expect("a stream").push(Line::new(&message.bytes));
            }
            OwnedEvent::Skipped { bytes } => {
                received.streams.last_mut().expect("a stream").push(Line::TooLong(bytes));
            }
            OwnedEvent::KeepAlive => {}
            OwnedEvent::Resumed(gap) => received.gaps.push(TimeRange { from: gap.from, to: gap.to }.into()),
            event => received.last = Some(format!("{event:?}")),
        }
        self.go_on()
    }

    /// Records an event of a program in another language, as [`Self::record`].
    pub fn record_foreign(&mut self, event: ForeignEvent<'_>) -> ControlFlow<()> {
        let received = &mut self.received;
        match event {
            ForeignEvent::Connected { gap, .. } => {
                received.begins(gap);
                received.streams.push(Vec::new());
            }
            ForeignEvent::Resumed(gap) => received.gaps.push(gap.into()),
            event => received.last = Some(format!("{event:?}")),
        }
        self.go_on()
    }

    /// Records an event of a merged stream, as [`Self::record`].
    pub fn record_merged(&mut self, event: OwnedMergedEvent) -> ControlFlow<()> {
        let received = &mut self.received;
        match event {
            OwnedMergedEvent::Session { event: OwnedEvent::Message(message), .. } => {
                received.messages += 1;
                received.posts.extend(message.id().map(|id| id.as_u64()));
            }
            // A gap of one connection is no gap of the merged stream.
            OwnedMergedEvent::Session { event: OwnedEvent::Connected(_), .. } => received.begins(None),
            OwnedMergedEvent::Gap(gap) => received.gaps.push(TimeRange { from: gap.from, to: gap.to }.into()),
            event => received.last = Some(format!("{event:?}")),
        }
        self.go_on()
    }

    fn go_on(&mut self) -> ControlFlow<()> {
        let Until { connections, messages } = self.until;
        if self.received.messages >= messages && self.truth.totals().connections >= connections {
            self.received.is_complete = true;
        }
        let is_enough = self.received.is_complete || self.began.elapsed() > LONG;
        if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Records the end of the stream, with the session's
    /// [`covered_until`](powerstream_core::session::Session::covered_until); for a merged stream
    /// the latest of all sessions.
    #[must_use]
    pub fn ended(mut self, covered_until: Option<UnixTime>) -> Self {
        self.received.covered_until = covered_until;
        self
    }
}

impl Received {
    fn check_end(&self, simulator: &Simulator) {
        let (totals, last) = (simulator.ground_truth().totals(), &self.last);
        assert!(self.is_complete, "it did not complete: {totals:?}, the last event: {last:?}");
        assert_eq!(totals.forgotten, 0, "the ground truth log is too short");
    }

    fn begins(&mut self, gap: Option<TimeRange>) {
        self.messages = 0;
        self.begun.get_or_insert_with(|| SystemTime::now().into());
        self.gaps.extend(gap.map(ReportedGap::from));
    }
}

/// A scenario, and its expected behavior.
#[derive(Clone, Copy, Debug)]
struct ScenarioTest {
    scenario: Scenario,
    until: Until,
    /// Its connections end in a way that loses nothing that was sent.
    is_orderly: bool,
    /// It must lose Posts.
    loses: bool,
    /// The idle, head and message timeouts: short where the scenario provokes them.
    timeout: Duration,
    rate: f64,
}

impl ScenarioTest {
    fn of(scenario: Scenario) -> Self {
        use Scenario as S;
        let connections = match scenario {
            S::Stall
            | S::Reset
            | S::CloseMidMessage
            | S::CloseBetween
            | S::CleanEnd
            | S::BadChunk
            | S::OperationalDisconnect
            | S::RateLimited
            | S::TooManyConnections
            | S::Unavailable
            | S::AcceptClose => FAULTS + 1,
            S::FlakyNetwork => 16,
            S::RateLimitStorm => 7,
            S::SilentStall => 4,
            S::SlowReader | S::DatacenterFailover => 3,
            S::Hostile => 41,
            _ => 1,
        };
        let is_orderly = matches!(
            scenario,
            S::CloseMidMessage
                | S::CloseBetween
                | S::CleanEnd
                | S::BadChunk
                | S::OperationalDisconnect
                | S::AcceptClose
                | S::SlowReader
        );
        let loses = matches!(
            scenario,
            S::Stall | S::SilentStall | S::RateLimitStorm | S::DatacenterFailover | S::SlowReader
        );
        let timeout = Duration::from_secs(match scenario {
            S::Hostile | S::Stall | S::SilentStall => 1,
            _ => 25,
        });
        let rate = if matches!(scenario, S::Hostile | S::FlakyNetwork) { HIGH_RATE } else { RATE };
        Self { scenario, until: Until { connections, messages: 150 }, is_orderly, loses, timeout, rate }
    }

    /// Returns all scenarios, the longest first.
    fn all() -> Vec<Self> {
        Scenario::all().iter().rev().copied().map(Self::of).collect()
    }

    /// Starts the simulator, with several faulty connections where the scenario itself has one.
    fn start(&self, datacenters: &[&str]) -> Simulator {
        let mut config = powerstream_simulator::Config::default();
        config.rate = Some(self.rate);
        config.scenario = self.scenario;
        config.fault_after = FAULT_AFTER;
        config.fault_on = (self.until.connections == FAULTS + 1).then_some(FaultScope::First(FAULTS));
        config.rate_limit_reset = Duration::from_secs(1);
        config.datacenters = datacenters.iter().map(|name| Datacenter::new(name)).collect();
        // A busy machine must not time out.
        config.head_timeout = LONG;
        Simulator::start(config).unwrap()
    }

    fn config(&self, base_url: String) -> Config {
        let millis = Duration::from_millis;
        Config::builder()
            .base_url(base_url)
            .token(Token::new("any").unwrap())
            .local_dc_only(self.scenario == Scenario::DatacenterFailover)
            .message_bytes_max(LINE_BYTES_MAX)
            // Each line that is read must be delivered, also one that some scenarios repeat.
            .keep_duplicates(true)
            .timeouts(|timeouts| {
                timeouts.idle = self.timeout;
                timeouts.head = self.timeout;
                timeouts.message = self.timeout;
            })
            // Short, so that tests are fast. Waits that the server announces stay as they are.
            .backoff(|backoff| {
                for (schedule, first, ceiling) in [
                    (&mut backoff.network, 20, 50),
                    (&mut backoff.http, 20, 50),
                    (&mut backoff.rate_limit, 300, 500),
                ] {
                    (schedule.first, schedule.ceiling) = (millis(first), millis(ceiling));
                }
            })
            .seed(7)
            .build()
            .unwrap()
    }

    fn check(&self, subject: &(dyn Fn(TestCase) -> Recorder + Sync)) -> Totals {
        let simulator = self.start(&[]);
        let clocks = Clocks::read();
        let (reads, recorder) = (ReadRecorder::default(), Recorder::new(&simulator, self.until));
        let config = self.config(simulator.base_url());
        let received = subject(TestCase { config, reads: reads.clone(), recorder }).received;
        received.check_end(&simulator);
        let mut delivered = received.streams.clone().into_iter();
        let connections = reads.connections();
        let streams = streams(&simulator.ground_truth(), &clocks, &connections, |is_stream| {
            if is_stream { delivered.next().expect("a recorded stream") } else { Vec::new() }
        });
        assert_eq!(delivered.next(), None, "a recorded stream had no response head");
        self.check_ledger(&simulator, received, streams, None)
    }

    fn check_merged(&self, subject: &(dyn Fn(MergedTestCase) -> Recorder + Sync)) -> Totals {
        let simulator = self.start(&["atla", "pdxa"]);
        let clocks = Clocks::read();
        let (reads, recorder) = (ReadRecorder::default(), Recorder::new(&simulator, self.until));
        let config = simulator.datacenters().into_iter().fold(
            Connections::new(Topology::Redundant),
            |list, (name, base_url)| {
                let builder = self.config(base_url).to_builder();
                list.with(name, builder.local_dc_only(false).build().unwrap())
            },
        );
        let received = subject(MergedTestCase { config, reads: reads.clone(), recorder }).received;
        received.check_end(&simulator);
        let connections = reads.connections();
        let streams = streams(&simulator.ground_truth(), &clocks, &connections, |_| Vec::new());
        let posts = received.posts.clone();
        self.check_ledger(&simulator, received, streams, Some(posts))
    }

    fn check_ledger(
        &self,
        simulator: &Simulator,
        received: Received,
        mut streams: Vec<Stream>,
        merged: Option<Vec<u64>>,
    ) -> Totals {
        let Received { begun, mut gaps, covered_until, .. } = received;
        if let Some((_, others)) = streams.split_last_mut() {
            others
                .iter_mut()
                .for_each(|stream| stream.is_orderly = self.is_orderly && !stream.read.is_empty());
        }
        let from = covered_until.expect("a covered moment");
        gaps.push(ReportedGap { from, to: END_OF_TIME });
        let due = simulator.post_ids(begun.expect("a stream").as_millis() + 1, u64::MAX);
        let ledger = Ledger { streams, due, gaps, merged };
        let sum = ledger.check().unwrap_or_else(|wrong| {
            panic!("{wrong}; reported gaps: {:?}", ledger.gaps);
        });
        // Posts after the end are never delivered: at least one must be missing before the end.
        let behind = ledger.due.iter().rev().take_while(|id| !ledger.is_delivered(**id)).count();
        assert!(!self.loses || sum.missing > behind, "nothing was missing: the fault did not happen");
        assert!(sum.delivered >= self.until.messages / 2, "too few Posts were delivered: {sum:?}");
        sum
    }
}

/// The monotonic clock and the wall clock at the same moment. If this thread is suspended between
/// the two readings, sending times are estimated too early, never too late.
struct Clocks(Instant, SystemTime);

impl Clocks {
    fn read() -> Self {
        let wall = SystemTime::now();
        Self(Instant::now(), wall)
    }

    fn unix(&self, at: Instant) -> UnixTime {
        match at.checked_duration_since(self.0) {
            Some(since) => (self.1 + since).into(),
            None => (self.1 - (self.0 - at)).into(),
        }
    }
}

/// Pairs what the server sent over each connection with what the client read there, in the order in
/// which the client connected. `delivered` returns the delivered lines; its argument says whether
/// the connection was a stream. Connections that the client does not know of come last.
fn streams(
    truth: &GroundTruth,
    clocks: &Clocks,
    connections: &[ConnectionReads],
    mut delivered: impl FnMut(bool) -> Vec<Line>,
) -> Vec<Stream> {
    // A client's address may be used again.
    let mut by_peer: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for connection in truth.connections().iter().rev() {
        by_peer.entry(connection.peer).or_default().push(connection.number);
    }
    let sent = |number: u64| {
        let sent = truth.messages(number).into_iter().map(|message| SentLine {
            line: Line::new(message.bytes.as_deref().expect("a ground truth log with all bytes")),
            post: message.post_id,
            at: clocks.unix(message.written_at),
        });
        sent.collect::<Vec<_>>()
    };
    let mut streams = Vec::new();
    for connection in connections {
        // The server does not know a connection that was reset before it accepted it.
        let number = connection.local.and_then(|local| by_peer.get_mut(&local)?.pop());
        streams.push(Stream {
            sent: number.map(sent).unwrap_or_default(),
            read: connection.lines().to_vec(),
            delivered: delivered(connection.is_stream()),
            is_orderly: false,
        });
    }
    let unknown = by_peer.into_values().flatten();
    streams.extend(unknown.map(|number| Stream { sent: sent(number), ..Stream::default() }));
    streams
}

/// Runs every scenario.
///
/// # Panics
/// If a Post is lost without a report; standard error names the scenario.
pub fn check(subject: &(dyn Fn(TestCase) -> Recorder + Sync)) {
    run(&ScenarioTest::all(), &|test| test.check(subject));
}

/// Runs `datacenter-failover` with a connection to each of two datacenters, merged.
///
/// # Panics
/// As [`check`], and if a Post is delivered twice.
pub fn check_merged(subject: &(dyn Fn(MergedTestCase) -> Recorder + Sync)) {
    let mut test = ScenarioTest::of(Scenario::DatacenterFailover);
    // The datacenter that sends its hundredth Post first goes down and comes back; the other may
    // stay up.
    (test.loses, test.until.messages) = (false, 2 * RATE as usize);
    run(&[test], &|test| test.check_merged(subject));
}

fn run(tests: &[ScenarioTest], check: &(dyn Fn(&ScenarioTest) -> Totals + Sync)) {
    parallel(tests, 8, &|test| {
        (
            test.scenario.name(),
            Box::new(|| {
                let began = Instant::now();
                let sum = check(test);
                println!("{}: {sum:?} in {:?}", test.scenario, began.elapsed());
            }),
        )
    });
}

#[cfg(test)]
mod tests {
    use powerstream_core::session::SessionEvent;

    use super::*;
    use crate::reference_driver;

    fn read_with_reference(
        mut case: TestCase,
        mut is_left_out: impl FnMut(&SessionEvent<'_>) -> bool,
    ) -> Recorder {
        let covered = reference_driver::drive(&case.config, &case.reads, |event| {
            if is_left_out(&event) { ControlFlow::Continue(()) } else { case.recorder.record(event.into()) }
        });
        case.recorder.ended(covered)
    }

    #[test]
    fn the_reference_reports_every_loss() {
        check(&|case| read_with_reference(case, |_| false));
    }

    #[test]
    #[should_panic(expected = "is not what was delivered")]
    fn detects_a_missing_message() {
        let _ = ScenarioTest::of(Scenario::Steady).check(&|case| {
            let mut nth = 0;
            read_with_reference(case, |event| {
                nth += usize::from(matches!(event, SessionEvent::Message(_)));
                nth == 10
            })
        });
    }
}
