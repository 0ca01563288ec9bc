//! One run: sessions, their driver, the service and the network in virtual time.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use powerstream_core::checkpoint::{Checkpoint, Contents};
use powerstream_core::dedup::{Window, WindowConfig};
use powerstream_core::http::{BearerToken, Origin};
use powerstream_core::merge::{Arrival, ConnectionId, ConnectionStats, Merge, ReplicaGroup, Topology};
use powerstream_core::session::{Session, SessionConfig, SessionEvent, Step};
use powerstream_core::stream::PostId;
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::{TlsError, TransportError, TransportErrorKind};

use crate::connection::{Connection, Context};
use crate::counting::allocations;
use crate::faults::{Fault, Faults, Stage};
use crate::invariants::{Model, Phase};
use crate::judge::{Judge, NaiveWindow};
use crate::network::{Bytes, End, Expected, Path, Read};
use crate::responses::{self, HTTP, NETWORK};
use crate::rng::Rng;
use crate::service::{HOUR, MINUTE, MS, SEC, Service};
use crate::statistics::Statistics;
use crate::transcript::note;

const TOKEN: &str = "AAAAtoken-never-to-be-printed-5Zx%3D";

/// What a checkpoint holds: the covered time of each group, and the newest ids.
type Stored = (Vec<(ReplicaGroup, UnixTime)>, Vec<PostId>);

/// The unique part of the token, to search for.
const SECRET: &str = "never-to-be-printed";

/// Runs a call into the core, which must not allocate.
fn core<T>(call: impl FnOnce() -> T) -> T {
    let before = allocations();
    let result = call();
    assert_eq!(allocations(), before, "I13: the core allocated");
    result
}

/// A run and how it was shrunk. The same case always runs the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    /// The kinds of faults that may be injected, one bit each.
    pub(crate) mask: u64,
    /// The number of faults after which the calm phase begins.
    pub(crate) faults_max: u64,
}

impl Case {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, mask: u64::MAX, faults_max: u64::MAX }
    }
}

/// What a run is like: drawn from its seed before it starts.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    rng: Rng,
    lines: usize,
    /// The length of the phase with faults, in nanoseconds.
    pub(crate) length: u64,
    fault_every: u64,
    post_every: Option<u64>,
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let lines = rng.pick(&[1, 1, 2, 3]);
        // Long runs are sparse, so that all take a similar time.
        let (length, fault_every, post_every) = match rng.below(5) {
            0 => (rng.range(10, 120) * MINUTE, 20 * SEC, 500 * MS),
            1 => (rng.range(2, 48) * HOUR, 3 * MINUTE, 20 * SEC),
            2 => (rng.range(24, 24 * 30) * HOUR, 20 * MINUTE, 5 * MINUTE),
            _ => (rng.range(24 * 30, 24 * 120) * HOUR, 3 * HOUR, HOUR),
        };
        let post_every = rng.chance(80).then_some(post_every);
        Self { rng, lines, length, fault_every, post_every }
    }

    /// Returns the connection-nanoseconds of the run, at least.
    pub(crate) const fn connection_time(&self) -> u128 {
        self.length as u128 * self.lines as u128
    }
}

/// A connection of the merged stream, with its driver.
#[derive(Debug)]
struct Line {
    group: usize,
    model: Model,
    judge: Judge,
    connection: Option<Connection>,
    buffer: Vec<u8>,
    /// The bytes of `buffer` that are not decoded, and when they were read.
    start: usize,
    end: usize,
    read_at: u64,
    /// The next step happens at this time.
    wake: u64,
    attempt: Option<Attempt>,
    request: Vec<u8>,
    /// The class of a TLS failure that was reported.
    tls: Option<usize>,
    /// The consumer holds the next event for this long.
    hold: u64,
    /// The next wait ends so much later.
    late: u64,
    /// The next wait ends halfway.
    early: bool,
    /// The next read is given an earlier time.
    back: u64,
    storm: Option<(u16, u64)>,
    flap: Option<(u64, u64)>,
    /// When the current stream's head was sent.
    busy: (u64, u32),
    wants_close: bool,
    decodes: u64,
    has_begun: bool,
    streaming_since: Option<u64>,
}

/// An attempt to connect, and what the driver does to its request.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    fault: Option<Fault>,
    ready_at: u64,
    error: Option<TransportErrorKind>,
    piece: usize,
    piece_time: u64,
    write_end: Option<(usize, bool)>,
    written_at: u64,
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
    /// How far the local wall clock is ahead of the server's, in milliseconds.
    wall: i64,
    has_date: bool,
    backfill: bool,
    is_https: bool,
    limit: usize,
    splits: bool,
    fault_at: u64,
    restart_at: Option<u64>,
    /// The stored checkpoints, the newest last.
    checkpoints: Vec<Vec<u8>>,
    checkpoint_at: u64,
    checkpoint_every: u64,
    calm_at: u64,
    /// After this time in the calm phase, all sessions must stream.
    bounds: Vec<u64>,
    statistics: Statistics,
}

impl World {
    pub(crate) fn new(case: Case) -> Self {
        let Plan { mut rng, lines, length, fault_every, post_every } = Plan::draw(case.seed);
        let faults = Faults::draw(&mut rng, fault_every, case.mask, case.faults_max);
        // The clock starts anywhere; in some runs it passes 2^32 or 2^63.
        let start = rng.pick(&[0, 1 << 40, (1 << 32) - SEC, (1 << 63) - HOUR]);
        let unix = 1_700_000_000_000 + rng.below(1_000_000);
        let offset = i128::from(unix) * 1_000_000 - i128::from(start);
        let topology = rng.pick(&[Topology::Redundant, Topology::Redundant, Topology::Partitioned]);
        let groups = if topology == Topology::Redundant { 1 } else { lines };
        let services = (0..groups).map(|_| Service::new(offset, post_every, start)).collect();
        let mut window = WindowConfig::default();
        window.posts = rng.pick(&[8, 100, 1_000]);
        window.age_max = rng.pick(&[None, None, Some(Duration::from_secs(600))]);
        window.seed = rng.next();
        let is_dense = fault_every < MINUTE;
        let limit = rng.pick(&[600, 601, 2_000, 20_000]);
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
            wall: if rng.chance(30) { rng.range(0, 200_000) as i64 - 100_000 } else { 0 },
            has_date: rng.chance(85),
            backfill: rng.chance(50),
            is_https: rng.chance(50),
            limit,
            splits: faults.enabled() >> Fault::Split as usize & 1 == 1 && is_dense,
            fault_at: start + rng.about(faults.process_every),
            restart_at: None,
            checkpoints: Vec::new(),
            checkpoint_at: start,
            checkpoint_every: rng.range(1, 300) * SEC * if is_dense { 1 } else { 10 },
            calm_at: start + length,
            bounds: Vec::new(),
            statistics: Statistics { runs: 1, ..Statistics::default() },
            faults,
            rng,
        };
        if !world.has_date {
            world.wall = 0;
        }
        let buffer = if is_dense { world.rng.pick(&[1, 2, 17, 300, 16_384]) } else { 16_384 };
        for index in 0..lines {
            let group = if groups == 1 { 0 } else { index };
            world.lines.push(Line::new(group, index, buffer, start));
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
            (line.storm, line.flap, line.late, line.early, line.back, line.hold) =
                (None, None, 0, false, 0, 0);
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
            let has_streamed =
                line.streaming_since.is_some_and(|at| self.now > at.max(self.calm_at) + 4 * MINUTE);
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

    /// Creates the sessions of a new process, which continues at `position`.
    fn start_process(&mut self, position: Option<Stored>) {
        let (covered, ids) = position.unwrap_or_default();
        let of_group =
            |group: ReplicaGroup| covered.iter().find(|(of, _)| *of == group).map(|(_, until)| *until);
        let config = self.config(self.origin());
        self.merge = new_merge(&self.window, self.topology, self.lines.len());
        self.naive = new_naive(&self.window);
        self.sessions.clear();
        for index in 0..self.lines.len() {
            let seed = self.rng.next();
            let storage = vec![0xAA; config.storage_bytes()];
            match Session::new(storage, &config, seed, self.instant(), self.unix()) {
                Ok(session) => self.sessions.push(session),
                Err(error) => panic!("I16: {error}"),
            }
            let line = &mut self.lines[index];
            line.reset(self.now);
            if let Some(covered) = of_group(replica_group(line.group)) {
                self.sessions[index].resume_from(covered, Instant::from_nanos(self.now));
                line.judge.resume_from(covered.as_millis(), &self.services[line.group]);
                line.has_begun = true;
            } else {
                line.judge.forget();
            }
        }
        let now = self.instant();
        core(|| self.merge.resume_from(of_group, ids.iter().copied(), now));
        for id in &ids {
            self.naive.insert(id.as_u64(), self.now);
        }
        for (group, (judge, service)) in self.group_judges.iter_mut().zip(&self.services).enumerate() {
            match of_group(replica_group(group)) {
                Some(covered) => judge.resume_from(covered.as_millis(), service),
                None => judge.forget(),
            }
        }
    }

    fn restart(&mut self) {
        self.statistics.restarts += 1;
        // All Posts of the past must exist before the judges continue.
        for service in &mut self.services {
            let (faults, rng) = (&mut self.faults, &mut self.rng);
            let mut of = Context { service, faults, rng, limit: self.limit, has_date: self.has_date };
            of.create(self.now);
        }
        let mut position = None;
        while let (None, Some(stored)) = (&position, self.checkpoints.last()) {
            match core(|| Checkpoint::decode(stored)) {
                Ok(checkpoint) => {
                    assert_eq!(checkpoint.stream(), 7, "I2: a damaged checkpoint was accepted");
                    let mut ids: Vec<_> = checkpoint.ids().collect();
                    ids.reverse();
                    position = Some((checkpoint.covered_until().collect(), ids));
                }
                // A damaged one: the one before is used.
                Err(_) => drop(self.checkpoints.pop()),
            }
        }
        note(
            self.now,
            9,
            2,
            u64::from(position.is_some()),
            format_args!("restart, continues: {}", position.is_some()),
        );
        self.start_process(position);
    }

    /// Stops the process at once, and starts it again after a while.
    fn stop_process(&mut self, after: u64) {
        for line in &mut self.lines {
            line.connection = None;
            line.wake = u64::MAX;
            line.end_stream(self.now, &mut self.statistics);
        }
        self.restart_at = Some(self.now + after);
    }

    fn process_fault(&mut self) {
        let Some(fault) = self.faults.one(Stage::Process, &mut self.rng) else { return };
        note(self.now, 9, 3, fault as u64, format_args!("fault {}", fault.text()));
        let index = self.rng.below(self.lines.len() as u64) as usize;
        let rng = &mut self.rng;
        let line = &mut self.lines[index];
        match fault {
            Fault::LateWake => {
                line.late = if rng.chance(50) { rng.below(3_000) * MS } else { rng.around(25 * SEC) };
            }
            Fault::EarlyWake => line.early = true,
            Fault::SlowReader => {
                line.hold = if rng.chance(50) { rng.below(20) * SEC } else { rng.around(25 * SEC) };
            }
            Fault::Suspend => {
                let length = rng.range(1, 300) * MINUTE;
                for line in &mut self.lines {
                    line.late = length;
                    line.wake += length;
                    line.model.late += length;
                }
            }
            Fault::ClockBack => line.back = rng.pick(&[1, MS, SEC, 10 * SEC]),
            Fault::WallJump if self.has_date => {
                self.wall = rng.range(0, 200_000_000) as i64 - 100_000_000;
            }
            Fault::Spurious => self.spurious_calls(index),
            Fault::Crash => {
                let after = rng.pick(&[0, SEC, MINUTE, 7 * MINUTE, 2 * HOUR]);
                self.stop_process(after);
            }
            Fault::Damaged => {
                if let Some(stored) = self.checkpoints.last_mut() {
                    let at = rng.below(stored.len() as u64) as usize;
                    if rng.chance(50) {
                        stored[at] ^= 1 << rng.below(8);
                    } else {
                        stored.truncate(at);
                    }
                }
                self.stop_process(SEC);
            }
            Fault::Shutdown => {
                let after = rng.pick(&[0, SEC, 7 * MINUTE]);
                self.shut_down();
                self.stop_process(after);
            }
            _ => {}
        }
    }

    /// Calls that have no cause have no effect.
    fn spurious_calls(&mut self, index: usize) {
        let now = self.instant();
        let line = &self.lines[index];
        let session = &mut self.sessions[index];
        if line.start < line.end || session.is_paused() {
            return;
        }
        let before = session.poll();
        let until = match before {
            Step::Connect { until }
            | Step::Write { until }
            | Step::Read { until }
            | Step::Sleep { until } => until,
            _ => return,
        };
        core(|| {
            if now < until {
                session.handle_timeout(now);
            }
            if !matches!(before, Step::Connect { .. }) {
                session.handle_connected(now);
            }
            if !matches!(before, Step::Write { .. }) {
                session.handle_written(5, now);
            }
            session.handle_closed(now);
        });
        assert_eq!(session.poll(), before, "I17: calls without cause changed the step");
    }

    fn shut_down(&mut self) {
        for index in 0..self.lines.len() {
            self.drain(index);
            self.sessions[index].shutdown();
            for steps in 0.. {
                assert!(steps < 10, "I12: the shutdown does not end");
                match self.sessions[index].poll() {
                    Step::Event => self.drain(index),
                    Step::Close => core(|| self.sessions[index].handle_closed(Instant::from_nanos(self.now))),
                    Step::Done => break,
                    step => panic!("I12: {step:?} after a shutdown"),
                }
            }
        }
        self.store_position();
    }

    /// Performs the steps of a connection until it must wait.
    fn advance(&mut self, index: usize) {
        loop {
            if self.lines[index].start < self.lines[index].end {
                self.drain(index);
                if self.lines[index].start < self.lines[index].end {
                    // The consumer holds an event.
                    return;
                }
                self.judge(index);
            }
            let step = core(|| self.sessions[index].poll());
            let line = &mut self.lines[index];
            if line.busy.0 != self.now {
                line.busy = (self.now, 0);
            }
            line.busy.1 += 1;
            assert!(line.busy.1 < 20, "I14: a busy loop at {step:?}");
            if line.wants_close {
                let closes = matches!(step, Step::Close | Step::Event);
                assert!(closes || line.model.is_ambiguous(), "I19: {step:?} on a connection that ended");
            }
            let now = Instant::from_nanos(self.now);
            match step {
                Step::Event => {
                    self.drain(index);
                    self.judge(index);
                }
                Step::Done => {
                    // The operator mends what the session cannot, and starts it again.
                    assert_eq!(line.model.phase, Phase::Over, "I11: done without a reason");
                    self.stop_process(HOUR);
                    return;
                }
                Step::Close => {
                    line.connection = None;
                    line.attempt = None;
                    line.wants_close = false;
                    (line.start, line.end) = (0, 0);
                    core(|| self.sessions[index].handle_closed(now));
                }
                Step::Sleep { until } => {
                    if self.now >= until.as_nanos() {
                        core(|| self.sessions[index].handle_timeout(now));
                    } else if !self.wait(index, until.as_nanos()) {
                        core(|| self.sessions[index].handle_timeout(now));
                    } else {
                        return;
                    }
                }
                Step::Connect { until } => {
                    if !self.connect(index, until) {
                        return;
                    }
                }
                Step::Write { until } => {
                    line.model.check_deadline(until, self.now);
                    if !self.write(index, until) {
                        return;
                    }
                }
                Step::Read { until } => {
                    if self.sessions[index].is_paused() {
                        line.model.handle_resume(self.now);
                        core(|| self.sessions[index].handle_resume(now));
                        continue;
                    }
                    line.model.check_deadline(until, self.now);
                    if !self.read(index, until) {
                        return;
                    }
                }
            }
        }
    }

    /// Waits until `at`, or a little longer or shorter. Returns false if the wait is over at once.
    fn wait(&mut self, index: usize, at: u64) -> bool {
        let line = &mut self.lines[index];
        if std::mem::take(&mut line.early) && at > self.now + 2 {
            line.wake = self.now + (at - self.now) / 2;
            let session = &mut self.sessions[index];
            let before = session.poll();
            core(|| session.handle_timeout(Instant::from_nanos(self.now)));
            assert_eq!(session.poll(), before, "I8: an early wake-up changed the step");
            return true;
        }
        let late = std::mem::take(&mut line.late);
        line.model.late += late;
        line.wake = at.saturating_add(late).max(self.now);
        true
    }

    fn connect(&mut self, index: usize, until: Instant) -> bool {
        let now = self.instant();
        if self.lines[index].attempt.is_none() {
            self.statistics.attempts += 1;
            self.lines[index].model.handle_attempt(self.now);
            let attempt = self.draw_attempt(index);
            self.lines[index].attempt = Some(attempt);
            let name = attempt.fault.map_or("none", Fault::text);
            note(self.now, index, 4, attempt.ready_at, format_args!("connects, fault {name}"));
            let other = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
            let origin = self.origin();
            assert_eq!(origin.allows(other), self.is_https, "I21: an address that is not this machine");
            assert!(origin.allows(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        }
        let line = &mut self.lines[index];
        line.model.check_deadline(until, self.now);
        let Some(attempt) = line.attempt.filter(|attempt| attempt.ready_at <= self.now) else {
            if now >= until {
                core(|| self.sessions[index].handle_timeout(now));
                return true;
            }
            let ready_at = line.attempt.map_or(u64::MAX, |attempt| attempt.ready_at);
            self.wait(index, ready_at.min(until.as_nanos()));
            return false;
        };
        if let Some(kind) = attempt.error {
            line.model.end.why = Some(End::Reset(kind));
            core(|| self.sessions[index].handle_transport_error(TransportError::new(kind), now));
            return true;
        }
        let unix = self.unix();
        let session = &mut self.sessions[index];
        core(|| {
            session.set_wall_clock(now, unix);
            session.handle_connected(now);
        });
        let line = &mut self.lines[index];
        let asked = session.transmit().windows(14).any(|part| part == b"backfillMinute");
        line.model.handle_connected(self.now, asked);
        line.request.clear();
        line.attempt = Some(Attempt { written_at: self.now, ..attempt });
        true
    }

    fn draw_attempt(&mut self, index: usize) -> Attempt {
        let Self { rng, faults, .. } = self;
        let fault = faults.attempt(rng);
        let mut attempt = Attempt {
            fault,
            ready_at: self.now + rng.range(1, 200) * MS,
            error: None,
            piece: usize::MAX,
            piece_time: 0,
            write_end: None,
            written_at: 0,
        };
        let line = &mut self.lines[index];
        line.tls = None;
        let mut fail = |kind| attempt.error = Some(kind);
        match fault {
            Some(Fault::Name) => fail(rng.pick(&[
                TransportErrorKind::Resolve,
                TransportErrorKind::NoAddress,
                TransportErrorKind::NotLoopback,
            ])),
            Some(Fault::NotConnected) => fail(rng.pick(&[
                TransportErrorKind::Refused,
                TransportErrorKind::Unreachable,
                TransportErrorKind::TimedOut,
                TransportErrorKind::FileLimit,
            ])),
            Some(Fault::Certificate) => {
                line.tls = Some(HTTP);
                fail(TransportErrorKind::Tls(TlsError::CertificateIssuer));
            }
            Some(Fault::Handshake) => {
                line.tls = Some(NETWORK);
                fail(TransportErrorKind::Tls(
                    rng.pick(&[TlsError::HandshakeReset, TlsError::HandshakeClosed]),
                ));
            }
            Some(Fault::ConnectStall) => attempt.ready_at = self.now + rng.around(10 * SEC),
            Some(Fault::PartialWrite) => {
                (attempt.piece, attempt.piece_time) = (rng.range(1, 60) as usize, rng.range(0, 500) * MS);
            }
            Some(Fault::WriteStall) => attempt.write_end = Some((rng.below(100) as usize, false)),
            Some(Fault::WriteReset) => attempt.write_end = Some((rng.below(100) as usize, true)),
            _ => {}
        }
        attempt
    }

    fn write(&mut self, index: usize, until: Instant) -> bool {
        let now = self.instant();
        let line = &mut self.lines[index];
        let Some(mut attempt) = line.attempt else { panic!("I17: a write without a connection") };
        if let Some((_, resets)) = attempt.write_end.filter(|(at, _)| line.request.len() >= *at) {
            if resets {
                line.model.end.why = Some(End::Reset(TransportErrorKind::Reset));
                let error = TransportError::new(TransportErrorKind::Reset);
                core(|| self.sessions[index].handle_transport_error(error, now));
                return true;
            }
            if now >= until {
                core(|| self.sessions[index].handle_timeout(now));
                return true;
            }
            self.wait(index, until.as_nanos());
            return false;
        }
        if attempt.written_at > self.now {
            if now >= until {
                core(|| self.sessions[index].handle_timeout(now));
                return true;
            }
            self.wait(index, attempt.written_at.min(until.as_nanos()));
            return false;
        }
        let bytes = self.sessions[index].transmit();
        let room = attempt.write_end.map_or(usize::MAX, |(at, _)| at - line.request.len());
        let count = bytes.len().min(attempt.piece).min(room);
        let is_last = count == bytes.len();
        line.request.extend(&bytes[..count]);
        attempt.written_at = self.now + attempt.piece_time;
        line.attempt = Some(attempt);
        line.busy.1 = 0;
        core(|| self.sessions[index].handle_written(count, now));
        if is_last {
            line.model.handle_requested(self.now);
            line.attempt = None;
            assert!(self.sessions[index].transmit().is_empty(), "I20: the request remains after it was sent");
            self.respond(index, attempt.fault);
        }
        true
    }

    /// Checks the request, and starts the response.
    fn respond(&mut self, index: usize, fault: Option<Fault>) {
        let line = &mut self.lines[index];
        let request = String::from_utf8_lossy(&line.request);
        assert_eq!(request.matches(SECRET).count(), 1, "I20: the token in the request");
        assert!(
            request.starts_with("GET /2/powerstream") && request.ends_with("\r\n\r\n"),
            "I17: the request arrives once, whole"
        );
        let host = if self.is_https { "api.x.com\r\n" } else { "localhost:8080\r\n" };
        assert!(request.to_ascii_lowercase().contains(&format!("host: {host}")), "I21: the request's host");
        let after = |name: &str| request.split(name).nth(1).and_then(|rest| rest.bytes().next());
        let backfill = after("ackfillMinutes=").map_or(0, |digit| u64::from(digit - b'0'));
        let rng = &mut self.rng;
        let latency = rng.pick(&[MS, 20 * MS, 150 * MS]);
        let at = self.now + latency;
        let path = Path::new(latency, self.splits && self.faults.on);
        let mut connection = Connection::new(path, rng);
        let mut of = Context {
            service: &mut self.services[line.group],
            faults: &mut self.faults,
            rng: &mut self.rng,
            limit: self.limit,
            has_date: self.has_date,
        };
        line.respond(&mut connection, at, backfill, fault, &mut of);
        line.connection = Some(connection);
    }

    fn read(&mut self, index: usize, until: Instant) -> bool {
        let now = self.instant();
        let line = &mut self.lines[index];
        let Some(connection) = &mut line.connection else { panic!("I19: a read without a connection") };
        let mut of = Context {
            service: &mut self.services[line.group],
            faults: &mut self.faults,
            rng: &mut self.rng,
            limit: self.limit,
            has_date: self.has_date,
        };
        let arrival = connection.next_arrival(self.now, until.as_nanos().max(self.now), &mut of);
        if arrival.is_none_or(|at| at > self.now) {
            if now >= until {
                core(|| self.sessions[index].handle_timeout(now));
                return true;
            }
            self.wait(index, arrival.unwrap_or(u64::MAX).min(until.as_nanos()));
            return false;
        }
        let Line { buffer, model, .. } = line;
        let result = connection.path.read(self.now, buffer, &mut model.due, &mut model.end, &mut self.rng);
        if model.meter.is_in_head() {
            model.meter.is_chunked = connection.is_chunked;
        }
        line.wants_close = model.end.is_certain;
        let session = &mut self.sessions[index];
        match result {
            Read::Bytes(count) => {
                // A wrong time of the head would make the gap wrong.
                let is_streaming = line.model.phase == Phase::Streaming;
                let back = if is_streaming { std::mem::take(&mut line.back) } else { 0 };
                let read_at = self.now - back.min(self.now);
                if read_at < self.now {
                    line.model.late += self.now - read_at;
                }
                line.model.handle_read(read_at, &line.buffer[..count]);
                (line.start, line.end, line.read_at) = (0, count, read_at);
                (line.decodes, line.busy.1) = (0, 0);
                if count == line.buffer.len() || connection.path.has_more(self.now) {
                    core(|| session.handle_backlog(Instant::from_nanos(read_at)));
                }
            }
            Read::Closed => core(|| session.handle_eof(now)),
            Read::Failed(kind) => core(|| session.handle_transport_error(TransportError::new(kind), now)),
            Read::Nothing => panic!("the network promised input"),
        }
        true
    }

    /// Decodes what was read, and handles the events.
    fn drain(&mut self, index: usize) {
        loop {
            let line = &mut self.lines[index];
            let read_at = Instant::from_nanos(if line.start < line.end { line.read_at } else { self.now });
            line.decodes += 1;
            assert!(line.decodes < line.buffer.len() as u64 + 1_000, "I14: more events than bytes");
            let (start, end) = (line.start, line.end);
            let input = &line.buffer[start..end];
            let session = &mut self.sessions[index];
            let (consumed, event) = core(|| session.scan(input, read_at));
            let Some(event) = event else {
                assert_eq!(consumed, end - start, "I5: input is left");
                line.start = line.end;
                match self.sessions[index].poll() {
                    Step::Event => {}
                    Step::Read { .. } => {
                        line.model.check_drained();
                        check_bytes(&line.model, &self.sessions[index]);
                    }
                    _ => line.model.check_drained(),
                }
                return;
            };
            line.start += consumed;
            self.handle_event(index, &event, start, end);
            let line = &mut self.lines[index];
            let hold = std::mem::take(&mut line.hold);
            if hold > 0 && line.start < line.end {
                line.model.late += hold;
                line.wake = self.now + hold;
                return;
            }
        }
    }

    fn handle_event(
        &mut self,
        index: usize,
        event: &powerstream_core::session::ScannedSessionEvent,
        start: usize,
        end: usize,
    ) {
        let Self { sessions, lines, merge, statistics, services, group_judges, naive, .. } = self;
        let now = self.now;
        let instant = Instant::from_nanos(now);
        let (before, rest) = lines.split_at_mut(index);
        let _ = before;
        let Line { model, judge, buffer, group, flap, streaming_since, has_begun, tls, .. } = &mut rest[0];
        let _ = flap;
        let service = &mut services[*group];
        let group_judge = &mut group_judges[*group];
        let session = &sessions[index];
        let covered = |of: ConnectionId| sessions[of.index()].covered_until();
        let Some(id) = ConnectionId::new(index) else { unreachable!("at most three connections") };
        let event = core(|| session.lend(*event, &buffer[start..end]));
        if !matches!(event, SessionEvent::Message(_) | SessionEvent::KeepAlive) {
            for text in [format!("{event:?}"), format!("{session:?}")] {
                assert!(!text.contains(SECRET), "I20: the token is shown");
            }
        }
        let add_gap =
            |judge: &mut Judge, gap: Option<powerstream_core::merge::GroupGap>, service: &Service| {
                if let Some(gap) = gap {
                    judge.handle_gap(gap.from.as_millis(), gap.to.as_millis(), service);
                }
            };
        let grammar = |fits: bool| assert!(fits, "I17: {event:?} in {:?}", model.phase);
        match &event {
            SessionEvent::Connected(connected) => {
                grammar(model.phase == Phase::Streaming);
                assert_eq!(model.expect(), Expected::Head, "I3: the head");
                let asked = connected.gap.map_or(0, |gap| gap.backfill_minutes);
                note(now, index, 5, u64::from(asked), format_args!("connected, gap {:?}", connected.gap));
                statistics.streams += 1;
                *streaming_since = Some(now);
                let unix = service.unix(now);
                assert_eq!(connected.gap.is_some(), *has_begun, "I6: a gap before each stream but the first");
                *has_begun = true;
                judge.handle_first_stream(unix);
                group_judge.handle_first_stream(unix);
                if let Some(gap) = connected.gap {
                    statistics.gaps += 1;
                    judge.handle_gap(gap.from.as_millis(), gap.to.as_millis(), service);
                }
                let gap = core(|| merge.handle_connected(id, connected, instant, covered));
                add_gap(group_judge, gap, service);
            }
            SessionEvent::Message(message) => {
                grammar(matches!(model.phase, Phase::Streaming));
                statistics.messages += 1;
                let post = message.id().map(|id| id.as_u64());
                note(
                    now,
                    index,
                    6,
                    post.unwrap_or(message.bytes.len() as u64),
                    format_args!("message {post:?}"),
                );
                let mut is_post = post.is_some_and(|id| service.find(id).is_some());
                if model.is_ambiguous() && model.due.is_empty() {
                    assert!(!is_post && post.is_none(), "I2: a Post that was not sent");
                    return;
                }
                let Expected::Message { bytes, is_post: expects_post, advice } = model.expect() else {
                    panic!("I3: a message instead of another event");
                };
                assert!(message.bytes == bytes, "I2: the bytes of a message");
                is_post &= expects_post;
                assert_eq!(is_post, expects_post, "I2: a Post and its id");
                if let Some(advice) = advice {
                    model.handle_announcement(advice);
                }
                let Some(post_id) = message.id().filter(|_| is_post) else { return };
                statistics.posts += 1;
                model.handle_post();
                if let Some(post) = service.find(post_id.as_u64()) {
                    post.delivered |= 1 << index;
                }
                let arrival = core(|| merge.arrival(id, post_id, message.bytes, instant));
                let is_new = naive.insert(post_id.as_u64(), now);
                assert_eq!(arrival == Arrival::First, is_new, "I4: {arrival:?}");
            }
            SessionEvent::KeepAlive => {
                grammar(model.phase == Phase::Streaming);
                statistics.keep_alives += 1;
                note(now, index, 13, 0, format_args!("keep-alive"));
                if !(model.is_ambiguous() && model.due.is_empty()) {
                    assert_eq!(model.expect(), Expected::KeepAlive, "I3: a keep-alive");
                }
            }
            SessionEvent::Skipped { bytes } => {
                grammar(model.phase == Phase::Streaming);
                note(now, index, 7, *bytes, format_args!("skipped {bytes} bytes"));
                assert_eq!(model.expect(), Expected::Skipped(*bytes), "I3: a skipped message");
            }
            SessionEvent::Resumed(gap) => {
                grammar(*has_begun);
                note(now, index, 8, gap.to.as_millis(), format_args!("resumed {gap:?}"));
                judge.handle_gap(gap.from.as_millis(), gap.to.as_millis(), service);
                let gap = core(|| merge.handle_resumed(id, gap, covered));
                add_gap(group_judge, gap, service);
            }
            SessionEvent::Late(late) => {
                note(now, index, 9, late.by.as_millis() as u64, format_args!("late {late:?}"));
            }
            SessionEvent::Refused(refused) => {
                note(now, index, 10, u64::from(refused.refusal.status), format_args!("{}", refused.refusal));
                let fits =
                    matches!(model.end.why, Some(End::Refused(status, _)) if status == refused.head.status());
                grammar(fits);
            }
            SessionEvent::Disconnected(ended) => {
                let wait = ended.delay.as_nanos() as u64;
                note(now, index, 11, wait, format_args!("{}: waits {:?}", ended.reason, ended.delay));
                if let Some(since) = streaming_since.take() {
                    statistics.streamed += u128::from(now - since);
                }
                model.handle_disconnected(ended, tls.take(), now);
                if !self.faults.on {
                    // After the faults, one connection may still fail.
                    let bound = &mut self.bounds[index];
                    assert!(
                        now <= self.calm_at + 100 * SEC + model.late,
                        "I11: failed long after the faults"
                    );
                    *bound = (*bound).min(now + wait + 26 * SEC);
                }
                let outage = core(|| merge.handle_disconnected(id, ended.gap_from, false, covered));
                add_gap(group_judge, outage.gap, service);
            }
            SessionEvent::GaveUp(gave_up) => {
                note(now, index, 12, 0, format_args!("gave up: {}", gave_up.reason));
                let why = model.end.why;
                assert!(
                    matches!(why, Some(End::Refused(400..=407 | 409..=419 | 300..=399, _))),
                    "I10: gave up after {why:?}"
                );
                if let Some(since) = streaming_since.take() {
                    statistics.streamed += u128::from(now - since);
                }
                model.phase = Phase::Over;
                let outage = core(|| merge.handle_disconnected(id, gave_up.gap_from, true, covered));
                add_gap(group_judge, outage.gap, service);
            }
            event => panic!("I17: {event:?}"),
        }
    }

    /// Checks the Posts that are promised by now, and stores the position now and then.
    fn judge(&mut self, index: usize) {
        if self.sessions[index].poll() == Step::Event {
            return;
        }
        let line = &mut self.lines[index];
        let service = &self.services[line.group];
        if !line.judge.is_idle(service) {
            if let Some(covered) = core(|| self.sessions[index].covered_until()) {
                line.judge.check(covered.as_millis(), service, self.now);
            }
        }
        let mut groups = self.group_judges.iter().zip(&self.services);
        if self.now < self.checkpoint_at && groups.all(|(judge, service)| judge.is_idle(service)) {
            return;
        }
        let is_between = |index: usize| {
            self.lines[index].start == self.lines[index].end && self.sessions[index].poll() != Step::Event
        };
        if !(0..self.lines.len()).all(is_between) {
            return;
        }
        for (group, covered) in self.covered() {
            let group = usize::from(group.number());
            let (judge, service) = (&mut self.group_judges[group], &self.services[group]);
            self.statistics.lost += judge.check(covered.as_millis(), service, self.now);
        }
        if self.now >= self.checkpoint_at {
            self.store_position();
        }
        for (group, service) in self.services.iter_mut().enumerate() {
            let of_group = self.lines.iter().filter(|line| line.group == group).map(|line| line.judge.cursor);
            let checked = of_group.chain([self.group_judges[group].cursor]).min().unwrap_or(0);
            service.forget(checked, self.now);
        }
    }

    fn covered(&self) -> Vec<(ReplicaGroup, UnixTime)> {
        let mut covered = Vec::with_capacity(self.services.len());
        core(|| covered.extend(self.merge.covered_until(|of| self.sessions[of.index()].covered_until())));
        covered
    }

    fn store_position(&mut self) {
        self.checkpoint_at = self.now + self.checkpoint_every;
        let covered_until = self.covered();
        if covered_until.is_empty() {
            return;
        }
        let mut buffer = [0; 4_096];
        let ids = self.merge.window().newest().take(300);
        let taken_at = self.unix();
        let contents = Contents { stream: 7, taken_at, month_posts: 0, covered_until, missing: [], ids };
        let bytes = core(|| Checkpoint::encode(contents, &mut buffer));
        if self.checkpoints.len() == 2 {
            self.checkpoints.remove(0);
        }
        self.checkpoints.push(bytes.to_vec());
    }

    fn finish(mut self) -> Statistics {
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

/// Checks that the bytes of a stream add up.
fn check_bytes(model: &Model, session: &Session<Storage>) {
    if model.end.why.is_some() || model.phase != Phase::Streaming {
        return;
    }
    let (counts, meter) = (session.byte_counts(), &model.meter);
    assert_eq!((counts.head, counts.framing), (meter.head, meter.framing), "I5: heads and framing");
    let content = counts.delivered + counts.separators + counts.skipped;
    assert!(content <= meter.content && counts.discarded == 0, "I5: {counts:?}, {meter:?}");
    assert!(content == meter.content || meter.in_message, "I5: {counts:?}, {meter:?}");
    let received = meter.head + meter.framing + meter.content;
    assert_eq!(counts.received, received, "I5: all bytes");
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

impl Line {
    fn new(group: usize, index: usize, buffer: usize, now: u64) -> Self {
        Self {
            group,
            model: Model::new(),
            judge: Judge::new(1 << index),
            connection: None,
            buffer: vec![0; buffer],
            start: 0,
            end: 0,
            read_at: now,
            wake: now,
            attempt: None,
            request: Vec::new(),
            tls: None,
            hold: 0,
            late: 0,
            early: false,
            back: 0,
            storm: None,
            flap: None,
            busy: (0, 0),
            wants_close: false,
            decodes: 0,
            has_begun: false,
            streaming_since: None,
        }
    }

    /// Starts over in a new process.
    fn reset(&mut self, now: u64) {
        self.model = Model::new();
        (self.connection, self.attempt, self.wants_close) = (None, None, false);
        (self.start, self.end, self.wake, self.has_begun) = (0, 0, now, false);
        (self.hold, self.late, self.early, self.back) = (0, 0, false, 0);
    }

    fn end_stream(&mut self, now: u64, statistics: &mut Statistics) {
        if let Some(since) = self.streaming_since.take() {
            statistics.streamed += u128::from(now - since);
        }
    }

    /// Sends the response to a request that arrives at `at`.
    fn respond(
        &mut self,
        connection: &mut Connection,
        at: u64,
        backfill: u64,
        fault: Option<Fault>,
        of: &mut Context<'_>,
    ) {
        if let Some((status, _)) = self.storm.filter(|(_, until)| at < *until) {
            return refuse(connection, at, status, of);
        }
        self.storm = None;
        if let Some((kind, _)) = self.flap.filter(|(_, until)| at < *until) {
            return flap(connection, at, kind, of);
        }
        self.flap = None;
        let lasting = matches!(fault, Some(Fault::Storm | Fault::Flapping));
        match fault.filter(|_| of.faults.on || !lasting) {
            Some(Fault::HeadStall) => {
                let at = at + of.rng.around(15 * SEC);
                connection.stream(at, b"", backfill, false, of);
            }
            Some(Fault::ResetInHead) => {
                connection.send(at, Bytes::raw(&b"HTTP/1.1 200 OK\r\nX: "[..of.rng.below(20) as usize]));
                let at = at + of.rng.below(16) * SEC;
                connection.cut(at, of.rng);
            }
            Some(Fault::CloseInHead) => {
                connection.send(at, Bytes::raw(&b"HTTP/1.1 200 OK\r\nX: "[..of.rng.below(20) as usize]));
                connection.close(at + of.rng.below(16) * SEC, true);
            }
            Some(Fault::Interim) => {
                let one: &[u8] = of.rng.pick(&[
                    &b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"[..],
                    b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
                ]);
                let count = of.rng.range(1, 17) as usize;
                connection.stream(at, &one.repeat(count), backfill, false, of);
            }
            Some(Fault::InterimFlood) => {
                let flood = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(of.rng.range(17, 40) as usize);
                connection.send(at, Bytes::ending(flood, End::Protocol));
                connection.finish();
            }
            Some(Fault::Refusal) => {
                let status = of.rng.pick(&[429, 429, 420, 408, 500, 503, 504, 700]);
                refuse(connection, at, status, of);
            }
            Some(Fault::FinalRefusal) => {
                let status = of.rng.pick(&[401, 403, 404, 409, 301]);
                refuse(connection, at, status, of);
            }
            Some(Fault::EndlessDocument) => {
                let head = responses::head("503 Down", true, &of.date(at));
                let end = Some(End::Refused(503, 0));
                let bytes = Bytes { end, end_from: head.len() - 1, ..Bytes::raw(head) };
                connection.send(at, bytes);
                let every = of.rng.pick(&[100 * MS, SEC]);
                connection.drip(at, every, b"a\r\neeeeeeeeee\r\n", u32::MAX, end);
            }
            Some(Fault::Storm) => {
                let status = of.rng.pick(&[429, 503]);
                self.storm = Some((status, at + of.rng.range(1, 240) * MINUTE));
                refuse(connection, at, status, of);
            }
            Some(Fault::Flapping) => {
                let kind = of.rng.below(5);
                self.flap = Some((kind, at + of.rng.range(1, 240) * MINUTE));
                flap(connection, at, kind, of);
            }
            Some(Fault::EndlessHead) => {
                let (start, piece): (&[u8], &[u8]) = of.rng.pick(&[
                    (&b"HTTP/1.1 200 "[..], &b"OKOKOKOKOK"[..]),
                    (b"HTTP/1.1 200 OK\r\nX: ", b"aaaaaaaaaa"),
                    (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
                ]);
                connection.send(at, Bytes::raw(start));
                let every = of.rng.pick(&[MS, SEC]);
                connection.drip(at, every, &piece.repeat(20), u32::MAX, Some(End::Protocol));
            }
            Some(Fault::TrickleHead) => {
                let every = of.rng.pick(&[10 * MS, 100 * MS, SEC, 14 * SEC]);
                connection.trickle_head(at, every, of);
            }
            Some(Fault::BrokenHead) => {
                let head = of.rng.pick(responses::BROKEN_HEADS);
                connection.send(at, Bytes::ending(head, End::Protocol));
                connection.finish();
            }
            Some(Fault::Coding) => {
                let head = responses::head("200 OK", true, "Content-Encoding: gzip\r\n");
                connection.send(at, Bytes::ending(head, End::Protocol));
                connection.finish();
            }
            Some(Fault::BackfillRefused) if backfill > 0 => {
                let status = of.rng.pick(&[400, 403]);
                refuse(connection, at, status, of);
            }
            Some(Fault::Failover) => connection.stream(at, b"", backfill, true, of),
            _ => connection.stream(at, b"", backfill, false, of),
        }
    }
}

/// Sends a refusal.
fn refuse(connection: &mut Connection, at: u64, status: u16, of: &mut Context<'_>) {
    let now = of.service.unix(at) / 1_000;
    let refusal = responses::refusal(status, now, &of.date(at), of.rng);
    let end = End::Refused(refusal.status, refusal.wait);
    let end_from = refusal.head.len() - 1;
    let wire = [refusal.head.as_bytes(), &refusal.body].concat();
    connection.send(at, Bytes { end_from, ..Bytes::ending(wire, end) });
    connection.finish();
}

/// Starts a stream and ends it soon.
fn flap(connection: &mut Connection, at: u64, kind: u64, of: &mut Context<'_>) {
    if kind == 0 {
        return connection.close(at, true);
    }
    let mut bytes = Bytes::default();
    bytes.wire.extend(responses::head("200 OK", true, &of.date(at)).bytes());
    bytes.events.push_back((bytes.wire.len(), Expected::Head));
    match kind {
        2 => bytes.push(b"\r\n", Some(Expected::KeepAlive), true, 2),
        3 => {
            let text = responses::SYSTEM[0];
            let content = format!("{text}\r\n");
            let event = Expected::Message { bytes: text.as_bytes().to_vec(), is_post: false, advice: None };
            bytes.push(content.as_bytes(), Some(event), true, 1_000);
        }
        _ => {}
    }
    connection.send(at, bytes);
    if kind == 4 {
        connection.cut(at + 19 * SEC, of.rng);
    } else {
        connection.close(at + of.rng.pick(&[0, MS, 19 * SEC]), false);
    }
}
