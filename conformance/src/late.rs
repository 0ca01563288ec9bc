//! Checks that no Post is lost outside a reported gap when the network path or the reader is late.
//!
//! It uses real sockets behind a [`Proxy`] that stalls, holds bytes back, dribbles and ends
//! connections. The reader stops at random, and the local clock is wrong.
//!
//! A runtime's tests pass a function that reads a stream to [`check`], and one that reads a merged
//! stream to [`check_merged`]. The simulator's feed determines which Posts are expected.
//!
//! Each seed is a run of [`LENGTH`]. The environment variable `POWERSTREAM_LATE_SEEDS` sets how
//! many there are; the figures go to standard output:
//!
//! ```text
//! POWERSTREAM_LATE_SEEDS=100 cargo test -p powerstream-tokio --test it late -- --nocapture
//! ```

use std::collections::HashSet;
use std::future::poll_fn;
use std::ops::{AddAssign, ControlFlow};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use powerstream_client::config::{Config, Connections, Token};
use powerstream_client::merged::OwnedMergedEvent;
use powerstream_client::net::tcp::Reactor;
use powerstream_client::owned::OwnedEvent;
use powerstream_client::shutdown::ShutdownHandle;
use powerstream_client::transport::{TrustRoots, open, open_merged};
use powerstream_core::merge::Topology;
use powerstream_core::session::Gap;
use powerstream_core::stream::{PostId, classify};
use powerstream_core::time::UnixTime;
use powerstream_simulator::{Datacenter, Delay, Proxy, Simulator, Tls};
use powerstream_tls::TlsConfig;

use crate::ledger::{END_OF_TIME, ReportedGap};
use crate::line_decoder::Line;
use crate::read_recorder::{ReadRecorder, RecordingReactor};
use crate::wrong_clock::WrongClock;
use crate::{Transport, parallel};

/// Posts a second.
const RATE: f64 = 100.0;

/// How long each seed is read.
pub const LENGTH: Duration = Duration::from_secs(15);

/// Seeds of an ordinary run, so that each wrong clock comes up.
const SEEDS: u64 = 8;

/// Seeds that are read at the same time.
const THREADS: usize = 16;

/// The timeouts of the client.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How far the local clock is ahead, in milliseconds.
const CLOCKS_OFF: [i64; SEEDS as usize] = [0, 3_000, -3_000, 900, -900, 3_600_000, -3_600_000, 0];

/// How late each datacenter is, in milliseconds.
const LAGS: [&[u64]; 4] = [&[0, 0], &[0, 3_000], &[2_000, 0], &[0, 1_000, 4_000]];

/// What to read.
#[derive(Debug)]
#[non_exhaustive]
pub struct TestCase {
    /// What to read.
    pub config: Config,
    /// Records the events.
    pub recorder: Recorder,
    trust: TrustRoots,
    clock_off: i64,
}

/// What to read as one stream.
#[derive(Debug)]
#[non_exhaustive]
pub struct MergedTestCase {
    config: Connections,
    recorder: Recorder,
    clock_off: i64,
    /// The reads of each connection.
    reads: Vec<ReadRecorder>,
}

impl TestCase {
    pub(crate) fn new(config: Config, recorder: Recorder) -> Self {
        Self { config, recorder, trust: TrustRoots::default(), clock_off: 0 }
    }

    /// Reads the stream on a reactor, put together as the clients do.
    pub async fn read<R: Reactor>(self, reactor: R, shutdown: &ShutdownHandle) -> Recorder {
        let Self { config, mut recorder, trust, clock_off } = self;
        let mut line = open(&config, &trust, WrongClock::new(reactor, clock_off), shutdown).unwrap();
        while poll_fn(|cx| line.poll_event(cx)).await {
            let event = line.peek().expect("an event was found");
            if recorder.record(event.into()).is_break() {
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
        let Self { config, mut recorder, clock_off, reads } = self;
        let mut each = reads.iter();
        let recording = || {
            let reads = each.next().expect("a recorder per connection").clone();
            WrongClock::new(RecordingReactor::new(reactor(), reads), clock_off)
        };
        let mut merged = open_merged(&config, &TrustRoots::default(), recording, shutdown).unwrap();
        while let Some(event) = merged.next().await {
            if recorder.record_merged(event.into()).is_break() {
                shutdown.shutdown();
            }
        }
        let mut earliest = END_OF_TIME;
        for (member, report) in merged.members().iter().zip(&mut recorder.connections) {
            report.covered_until = member.driver().buffered().session().covered_until();
            earliest = earliest.min(report.covered_until.unwrap_or_default());
        }
        recorder.ended(Some(earliest))
    }
}

/// SplitMix64.
#[derive(Clone, Debug)]
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a time from `from` to `to` milliseconds.
    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.next() % (to - from))
    }
}

/// Keeps what came, and is slow now and then.
#[derive(Debug)]
pub struct Recorder {
    until: Instant,
    /// The reader stops then, for so long.
    stops: Vec<(Instant, Duration)>,
    pub(crate) whole: Report,
    /// Of several connections: what each reported of itself.
    connections: Vec<Report>,
}

/// What a stream delivered and reported.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// When the first stream began.
    pub(crate) begun: Option<UnixTime>,
    pub(crate) delivered: HashSet<u64>,
    pub(crate) gaps: Vec<ReportedGap>,
    pub(crate) disconnects: u64,
    /// How often it was late.
    pub(crate) late: u64,
    pub(crate) covered_until: Option<UnixTime>,
}

impl Recorder {
    pub(crate) fn new(length: Duration) -> Self {
        let until = Instant::now() + length;
        Self { until, stops: Vec::new(), whole: Report::default(), connections: Vec::new() }
    }

    fn with_stops(mut self, rng: &mut Rng) -> Self {
        let mut at = Instant::now();
        while at < self.until {
            at += rng.millis(2_000, 8_000);
            self.stops.push((at, rng.millis(10, 3_000)));
        }
        self.stops.reverse();
        self
    }

    /// Records an event. Returns [`ControlFlow::Break`] at the end of the run: then shut the stream
    /// down, and record the events that it still delivers.
    pub fn record(&mut self, event: OwnedEvent) -> ControlFlow<()> {
        if let OwnedEvent::Message(message) = &event {
            self.whole.delivered.extend(message.id().map(PostId::as_u64));
        }
        self.whole.record(&event);
        self.go_on()
    }

    fn record_merged(&mut self, event: OwnedMergedEvent) -> ControlFlow<()> {
        match event {
            OwnedMergedEvent::Session { event: OwnedEvent::Message(message), .. } => {
                self.whole.delivered.extend(message.id().map(PostId::as_u64));
            }
            OwnedMergedEvent::Session { connection, event } => {
                self.connections[connection.index()].record(&event);
                if let OwnedEvent::Connected(_) = event {
                    self.whole.begins();
                }
            }
            OwnedMergedEvent::Gap(gap) => {
                self.whole.gaps.push(ReportedGap { from: gap.from, to: gap.to });
            }
            _ => {}
        }
        self.go_on()
    }

    /// Stops now and then.
    fn go_on(&mut self) -> ControlFlow<()> {
        let now = Instant::now();
        if self.stops.last().is_some_and(|(at, _)| *at <= now) {
            std::thread::sleep(self.stops.pop().unwrap().1);
        }
        if now >= self.until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Records the end of the stream, with the moment up to which its session has delivered
    /// everything: its [`covered_until`](powerstream_core::session::Session::covered_until).
    #[must_use]
    pub fn ended(mut self, covered_until: Option<UnixTime>) -> Self {
        self.whole.covered_until = covered_until;
        self
    }
}

impl Report {
    fn begins(&mut self) {
        self.begun.get_or_insert_with(|| SystemTime::now().into());
    }

    fn record(&mut self, event: &OwnedEvent) {
        let reported = |gap: Gap| ReportedGap { from: gap.from, to: gap.to };
        match event {
            OwnedEvent::Connected(connected) => {
                self.gaps.extend(connected.gap.map(reported));
                self.begins();
            }
            OwnedEvent::Resumed(gap) => {
                *self.gaps.last_mut().expect("the gap that it repeats") = reported(*gap);
            }
            OwnedEvent::Disconnected(_) => self.disconnects += 1,
            OwnedEvent::Late(_) => self.late += 1,
            _ => {}
        }
    }

    /// Finds the Posts that are missing, and those of them that are outside every reported gap.
    pub(crate) fn judge(mut self, simulator: &Simulator, rate: f64) -> Sum {
        let from = self.begun.expect("a stream").as_millis() + 1;
        self.gaps.sort_unstable_by_key(|gap| gap.from);
        let reported = self.gaps.iter().fold((Duration::ZERO, UnixTime::default()), |(sum, end), gap| {
            (sum + gap.to.saturating_since(gap.from.max(end)), end.max(gap.to))
        });
        let covered = self.covered_until.expect("a moment up to which everything was delivered");
        let ids = simulator.post_ids(from, u64::MAX).into_iter();
        let missed = ids.filter(|id| !self.delivered.contains(id));
        let mut sum = Sum {
            runs: 1,
            disconnects: self.disconnects,
            delivered: self.delivered.len(),
            gaps: self.gaps.len(),
            reported: reported.0,
            late: self.late,
            ..Sum::default()
        };
        for id in missed {
            let created = PostId::new(id).created_at().unwrap();
            let is_in_gap = self.gaps.iter().any(|gap| gap.from <= created && created < gap.to);
            // What is not covered at the end would be in the next gap.
            if is_in_gap || created < covered {
                sum.missed += 1;
                sum.outside += usize::from(!is_in_gap);
            }
        }
        sum.missing = Duration::from_secs_f64(sum.missed as f64 / rate);
        sum
    }
}

/// What came of a run, or of several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    runs: u64,
    pub(crate) disconnects: u64,
    delivered: usize,
    pub(crate) missed: usize,
    /// Missed, and in no reported gap.
    pub(crate) outside: usize,
    gaps: usize,
    reported: Duration,
    missing: Duration,
    pub(crate) late: u64,
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.disconnects += other.disconnects;
        self.delivered += other.delivered;
        self.missed += other.missed;
        self.outside += other.outside;
        self.gaps += other.gaps;
        self.reported += other.reported;
        self.missing += other.missing;
        self.late += other.late;
    }
}

impl Sum {
    /// Prints the figures. Checks that the gaps are at most three times as long as the missing
    /// time, plus `margin` for each gap.
    fn check(&self, what: &str, margin: Duration) {
        println!(
            "{what}: {} runs, {} disconnects, {} Posts delivered, {} missed, {} outside reported gaps; \
             {} gaps, {:.1} s reported, {:.1} s truly missing, late {} times",
            self.runs,
            self.disconnects,
            self.delivered,
            self.missed,
            self.outside,
            self.gaps,
            self.reported.as_secs_f64(),
            self.missing.as_secs_f64(),
            self.late,
        );
        assert!(self.missed > 0, "nothing was missed, as if nothing had happened");
        let margin = margin * self.gaps as u32;
        assert!(self.reported <= 3 * self.missing + margin, "{what}: {self:?}");
    }
}

/// Reads one stream with each seed, some at a time.
///
/// # Panics
/// If a Post is missing that no gap reports, or gaps are longer than three times what is missing
/// and 4 s each.
pub fn check(transport: Transport, subject: &(dyn Fn(TestCase) -> Recorder + Sync)) {
    let total = each_seed(&|seed| [run(transport, seed, subject)]);
    total[0].check(&format!("late, {transport:?}"), Duration::from_secs(4));
}

/// Reads several connections as one stream with each seed. Their datacenters lag.
///
/// # Panics
/// If a Post is missing that no gap reports, of the whole stream or of one connection.
pub fn check_merged(subject: &(dyn Fn(MergedTestCase) -> Recorder + Sync)) {
    let [whole, each] = each_seed(&|seed| run_merged(seed, subject));
    whole.check("late, merged", Duration::from_secs(6));
    each.check("late, merged, each connection", Duration::from_secs(6));
}

fn each_seed<const N: usize>(run: &(dyn Fn(u64) -> [Sum; N] + Sync)) -> [Sum; N] {
    let seeds = std::env::var("POWERSTREAM_LATE_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let total = &Mutex::new([Sum::default(); N]);
    let seeds: Vec<_> = (0..seeds).collect();
    parallel(&seeds, THREADS, &|seed| {
        let check = move || {
            let sums = run(*seed);
            for (total, sum) in total.lock().unwrap().iter_mut().zip(sums) {
                *total += sum;
            }
            assert!(sums.iter().all(|sum| sum.outside == 0), "seed {seed}: {sums:?}");
        };
        ("a seed", Box::new(check))
    });
    *total.lock().unwrap()
}

/// Returns a configuration that reconnects soon.
pub(crate) fn config(base_url: &str, seed: u64) -> Config {
    Config::builder()
        .base_url(base_url)
        .token(Token::new("any").unwrap())
        .backoff(|backoff| {
            for schedule in [&mut backoff.network, &mut backoff.http] {
                schedule.first = Duration::from_millis(20);
                schedule.ceiling = Duration::from_millis(500);
            }
        })
        // Longer than any stall, and short enough for connections on which nothing passes any more.
        .timeouts(|timeouts| {
            (timeouts.connect, timeouts.head, timeouts.idle) = (SILENCE_MAX, SILENCE_MAX, SILENCE_MAX);
        })
        .seed(seed)
        .build()
        .unwrap()
}

/// Returns the origin of the proxy.
fn origin_of(simulator: &Simulator, proxy: &Proxy) -> String {
    let scheme = if simulator.ca_pem().is_some() { "https" } else { "http" };
    format!("{scheme}://{}", proxy.local_addr())
}

fn clock_off(seed: u64) -> i64 {
    CLOCKS_OFF[seed as usize % CLOCKS_OFF.len()]
}

fn run(transport: Transport, seed: u64, subject: &(dyn Fn(TestCase) -> Recorder + Sync)) -> Sum {
    let mut service = powerstream_simulator::Config::default();
    service.rate = Some(RATE);
    service.tls = (transport == Transport::Tls).then(Tls::default);
    let simulator = Simulator::start(service).unwrap();
    let proxy = Proxy::start(simulator.local_addr(), seed).unwrap();
    let recorder = Recorder::new(LENGTH).with_stops(&mut Rng(!seed));
    let mut case = TestCase::new(config(&origin_of(&simulator, &proxy), seed), recorder);
    case.clock_off = clock_off(seed);
    if let Some(pem) = simulator.ca_pem() {
        case.trust = TlsConfig::only_ca_pem(pem.as_bytes()).unwrap().into();
    }
    subject(case).whole.judge(&simulator, RATE)
}

fn run_merged(seed: u64, subject: &(dyn Fn(MergedTestCase) -> Recorder + Sync)) -> [Sum; 2] {
    let mut service = powerstream_simulator::Config::default();
    service.rate = Some(RATE);
    let lags = LAGS[seed as usize / CLOCKS_OFF.len() % LAGS.len()];
    for (index, lag) in lags.iter().enumerate() {
        let mut datacenter = Datacenter::new(&format!("dc{index}"));
        let [least, most] = [*lag, lag + 300].map(Duration::from_millis);
        datacenter.delay = Delay::Uniform(least, most);
        service.datacenters.push(datacenter);
    }
    let simulator = Simulator::start(service).unwrap();
    let mut list = Connections::new(Topology::Redundant);
    let mut proxies = Vec::new();
    for (index, (name, base_url)) in (0..).zip(simulator.datacenters()) {
        let upstream = base_url.split_once("://").unwrap().1.parse().unwrap();
        let proxy = Proxy::start(upstream, seed << 8 | index).unwrap();
        list = list.with(name, config(&origin_of(&simulator, &proxy), seed));
        proxies.push(proxy);
    }
    let mut recorder = Recorder::new(LENGTH).with_stops(&mut Rng(!seed));
    recorder.connections = vec![Report::default(); lags.len()];
    let reads = vec![(); lags.len()].into_iter().map(|()| ReadRecorder::default()).collect::<Vec<_>>();
    let case = MergedTestCase { config: list, recorder, clock_off: clock_off(seed), reads: reads.clone() };
    let Recorder { mut whole, connections, .. } = subject(case);
    let mut each = Sum::default();
    for (mut report, reads) in connections.into_iter().zip(reads) {
        whole.disconnects += report.disconnects;
        whole.late += report.late;
        // A connection that never had a stream reports nothing.
        if report.begun.is_some() {
            report.delivered = posts_read(reads);
            each += report.judge(&simulator, RATE);
        }
    }
    [whole.judge(&simulator, RATE), each]
}

/// The Posts that a connection read: each was delivered, or is a duplicate.
fn posts_read(reads: ReadRecorder) -> HashSet<u64> {
    let connections = reads.connections();
    let lines = connections.iter().flat_map(|connection| connection.lines());
    lines
        .filter_map(|line| match line {
            Line::Message(bytes) => classify(bytes).post_id.map(PostId::as_u64),
            Line::TooLong(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::read_recorder::ReadRecorder;
    use crate::{Transport, reference_driver};

    #[test]
    fn the_reference_driver_loses_nothing_outside_a_gap() {
        super::check(Transport::Plain, &|mut case| {
            let covered = reference_driver::drive(&case.config, &ReadRecorder::default(), |event| {
                case.recorder.record(event.into())
            });
            case.recorder.ended(covered)
        });
    }
}
