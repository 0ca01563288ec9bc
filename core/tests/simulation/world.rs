//! One run: sessions, their driver, the service and the network in virtual time.

mod answers;
mod driver;
mod events;
mod line;
mod plan;
mod process;

use std::time::Duration;

use line::Line;
pub(crate) use plan::{Case, Plan};
use powerstream_core::dedup::{Window, WindowConfig};
use powerstream_core::http::{BearerToken, Origin};
use powerstream_core::merge::{ConnectionStats, Merge, ReplicaGroup, Topology};
use powerstream_core::read_buffer::BUFFER_BYTES;
use powerstream_core::session::{Session, SessionConfig, Step};
use powerstream_core::time::{Instant, UnixTime};

use crate::counting::allocations;
use crate::faults::{Fault, Faults};
use crate::judge::{Judge, NaiveWindow};
use crate::random::Rng;
use crate::service::{HOUR, MINUTE, SEC, Service};
use crate::statistics::Statistics;
use crate::transcript::{self, note};

/// A start of the clock that no counter's limit is near.
const PLAIN_START: u64 = 1 << 40;

/// A stream that began more than a minute after the faults is covered up to this time ago, in
/// milliseconds: backfill takes five minutes at most, and lateness, keep-alives and margins less
/// than another 90 s.
const COVERED_BEHIND_MAX: u64 = 390_000;

const TOKEN: &str = "AAAAtoken-never-to-be-printed-5Zx%3D";

/// The unique part of the token, to search for.
const SECRET: &str = "never-to-be-printed";

/// Runs a call into the core, which must not allocate.
fn core<T>(call: impl FnOnce() -> T) -> T {
    let before = allocations();
    let result = call();
    assert_eq!(allocations(), before, "I13: the core allocated");
    result
}

type Storage = Vec<u8>;

pub(crate) struct World {
    now: u64,
    start: u64,
    rng: Rng,
    faults: Faults,
    services: Vec<Service>,
    sessions: Vec<Session<Storage>>,
    lines: Vec<Line>,
    merge: Merge<Vec<u64>, Vec<ConnectionStats>>,
    group_judges: Vec<Judge>,
    naive: NaiveWindow,
    window: WindowConfig,
    topology: Topology,
    /// The largest error of a connection so far. Gaps of a group may start in earlier streams.
    clock_error: u64,
    /// How far the local wall clock is ahead of the server's, in milliseconds.
    wall: i64,
    has_date: bool,
    backfill: bool,
    is_https: bool,
    limit: usize,
    is_dense: bool,
    splits: bool,
    fault_at: u64,
    restart_at: Option<u64>,
    /// The stored checkpoints, the newest last.
    checkpoints: Vec<Vec<u8>>,
    /// The newest of them was damaged.
    is_damaged: bool,
    checkpoint_at: u64,
    checkpoint_every: u64,
    calm_at: u64,
    /// After this time in the calm phase, all sessions must stream.
    bounds: Vec<u64>,
    statistics: Statistics,
}

impl World {
    pub(crate) fn new(case: Case) -> Self {
        let plan = Plan::draw(case.seed);
        let is_dense = plan.is_dense();
        let Plan { mut rng, lines, length, fault_every, post_every } = plan;
        let faults = Faults::draw(&mut rng, fault_every, case.mask, case.faults_max);
        // The clock starts anywhere; in some runs it passes 2^32 or 2^63.
        let drawn = rng.pick(&[0, PLAIN_START, (1 << 32) - SEC, (1 << 63) - HOUR]);
        let start = if case.has_plain_start { PLAIN_START } else { drawn };
        transcript::set_epoch(start);
        let unix = 1_700_000_000_000 + rng.below(1_000_000);
        let offset = i128::from(unix) * 1_000_000 - i128::from(start);
        let topology = rng.pick(&[Topology::Redundant, Topology::Redundant, Topology::Partitioned]);
        let groups = if topology == Topology::Redundant { 1 } else { lines };
        let services = (0..groups).map(|_| Service::new(offset, post_every, start)).collect();
        let mut window = WindowConfig::default();
        window.posts = rng.pick(&[8, 100, 1_000]);
        window.age_max = rng.pick(&[None, None, Some(20), Some(600)]).map(Duration::from_secs);
        window.seed = rng.next();
        let limit = rng.pick(&[600, 600, 601, 601, 2_000, 2_000, 20_000, 20_000, 110_000]);
        let mut world = Self {
            now: start,
            start,
            services,
            sessions: Vec::new(),
            lines: Vec::new(),
            merge: new_merge(&window, topology, lines),
            group_judges: Vec::new(),
            naive: new_naive(&window),
            window,
            topology,
            clock_error: 0,
            wall: if rng.chance(30) { rng.range(0, 200_000) as i64 - 100_000 } else { 0 },
            has_date: rng.chance(85),
            backfill: rng.chance(50),
            is_https: rng.chance(50),
            limit,
            is_dense,
            splits: faults.enabled() >> Fault::Split as usize & 1 == 1 && is_dense,
            fault_at: start + rng.about(faults.process_every),
            restart_at: None,
            checkpoints: Vec::new(),
            is_damaged: false,
            checkpoint_at: start,
            checkpoint_every: rng.range(1, 300) * (fault_every / 60).max(SEC / 2),
            calm_at: start + length,
            bounds: Vec::new(),
            statistics: Statistics { runs: 1, ..Statistics::default() },
            faults,
            rng,
        };
        if !world.has_date {
            world.wall = 0;
        }
        let buffer =
            if is_dense { world.rng.pick(&[1, 2, 17, 300, 16_384, BUFFER_BYTES]) } else { BUFFER_BYTES };
        for index in 0..lines {
            let group = if groups == 1 { 0 } else { index };
            let is_partial = world.rng.chance(50);
            world.lines.push(Line::new(group, index, buffer, is_partial, start));
        }
        for group in 0..groups {
            let of_group = |(index, line): (usize, &Line)| if line.group == group { 1 << index } else { 0 };
            let mask = world.lines.iter().enumerate().map(of_group).sum();
            world.group_judges.push(Judge::new(mask));
        }
        assert!(Origin::parse("http://203.0.113.1:80").is_err(), "I21: plain HTTP to another machine");
        world.start_process(None);
        world
    }

    /// Runs to the end. Returns the figures.
    pub(crate) fn run(mut self) -> Statistics {
        while let Some(next) = self.next_wake() {
            self.now = self.now.max(next);
            if self.faults.on && (self.now >= self.calm_at || self.faults.is_used_up()) {
                self.begin_calm();
            }
            if !self.faults.on && self.is_finished() {
                break;
            }
            if self.restart_at.is_some_and(|at| self.now >= at) {
                self.restart_at = None;
                self.restart();
                continue;
            }
            if self.faults.on && self.now >= self.fault_at && self.restart_at.is_none() {
                self.fault_at = self.now + self.rng.about(self.faults.process_every);
                self.process_fault();
                continue;
            }
            for index in 0..self.lines.len() {
                if self.lines[index].wake <= self.now && self.restart_at.is_none() {
                    self.advance(index);
                }
            }
        }
        self.finish()
    }

    fn next_wake(&self) -> Option<u64> {
        if let Some(at) = self.restart_at {
            return Some(at);
        }
        let lines = self.lines.iter().map(|line| line.wake).min()?;
        Some(if self.faults.on { lines.min(self.fault_at) } else { lines })
    }

    /// Ends the faults, and notes by when each session must stream.
    fn begin_calm(&mut self) {
        self.faults.on = false;
        note(self.now, 9, 1, 0, format_args!("calm"));
        self.calm_at = self.now;
        for index in 0..self.lines.len() {
            let line = &mut self.lines[index];
            (line.storm, line.flap, line.late, line.early) = (None, None, 0, false);
            (line.back, line.head_back, line.hold) = (0, 0, 0);
            if let Step::Sleep { until } = self.sessions[index].poll() {
                self.bounds.push(until.as_nanos() + 26 * SEC);
            } else {
                // The connection may be dying: its deadlines, its wait, and one attempt.
                self.bounds.push(u64::MAX);
            }
        }
        let ends = self.now + 100 * SEC + HOUR * 24;
        self.fault_at = u64::MAX;
        self.calm_at = self.now;
        for bound in &mut self.bounds {
            *bound = (*bound).min(ends);
        }
    }

    /// Returns true if all sessions have streamed for a while. Fails if they do not in time.
    fn is_finished(&mut self) -> bool {
        let mut all = true;
        for index in 0..self.lines.len() {
            let line = &self.lines[index];
            // It has streamed for a while, and something arrived.
            let has_streamed =
                line.streaming_since.is_some_and(|at| self.now > at.max(self.calm_at) + 8 * MINUTE)
                    && line.model.content_at() > self.calm_at;
            all &= has_streamed;
            let bound = self.bounds[index].max(line.wake);
            assert!(
                self.restart_at.is_some() || line.streaming_since.is_some() || self.now <= bound,
                "I11: not streaming {} s after the faults",
                (self.now - self.calm_at) / SEC
            );
        }
        all
    }

    fn config<'a>(&self, origin: Origin<'a>) -> SessionConfig<'a> {
        let mut config = SessionConfig::new(origin);
        config.token = BearerToken::new(TOKEN).ok();
        config.backfill = self.backfill;
        config.message_bytes_max = self.limit;
        config
    }

    fn origin(&self) -> Origin<'static> {
        let text = if self.is_https { "https://api.x.com" } else { "http://localhost:8080" };
        match Origin::parse(text) {
            Ok(origin) => origin,
            Err(error) => panic!("I16: {error:?}"),
        }
    }

    fn instant(&self) -> Instant {
        Instant::from_nanos(self.now)
    }

    fn unix(&self) -> UnixTime {
        UnixTime::from_millis(self.services[0].unix(self.now).saturating_add_signed(self.wall))
    }

    fn finish(mut self) -> Statistics {
        for (session, line) in self.sessions.iter().zip(&mut self.lines) {
            let covered = session.covered_until().map_or(0, UnixTime::as_millis);
            let now = self.services[line.group].unix(self.now);
            // Keep-alives that fill the buffer do not show that no Post waits behind them.
            let is_small = line.buffer.room().len() < 300;
            assert!(
                covered + COVERED_BEHIND_MAX + line.error() >= now
                    || line.streaming_since.is_none_or(|since| since < self.calm_at + MINUTE)
                    || is_small,
                "I6: covered until {covered} at {now}, minutes after the faults"
            );
        }
        if self.restart_at.is_none() {
            self.shut_down();
        }
        for line in &mut self.lines {
            line.end_stream(self.now, &mut self.statistics);
        }
        self.statistics.lived = u128::from(self.now - self.start) * self.lines.len() as u128;
        self.statistics.faults = self.faults.counts;
        self.statistics
    }
}

fn new_merge(
    window: &WindowConfig,
    topology: Topology,
    lines: usize,
) -> Merge<Vec<u64>, Vec<ConnectionStats>> {
    let group = |index: usize| topology.group(index as u16);
    let records = (0..lines).map(|index| ConnectionStats::new(group(index))).collect();
    let merge = Window::new(vec![0; window.storage_words()], window).ok();
    match merge.map(|window| Merge::new(window, records)) {
        Some(Ok(merge)) => merge,
        _ => panic!("I16: a valid configuration is refused"),
    }
}

/// Returns the group whose Posts the service at this index sends.
const fn replica_group(service: usize) -> ReplicaGroup {
    ReplicaGroup::new(service as u16)
}

fn new_naive(window: &WindowConfig) -> NaiveWindow {
    NaiveWindow::new(window.posts, window.age_max.map(|age| age.as_nanos() as u64))
}
