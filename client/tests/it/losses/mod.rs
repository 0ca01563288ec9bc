//! Every lost Post was created within a reported gap, for any faults of path, reader and clocks.
//! Gaps are not longer than necessary.

mod model;
mod recovery;

use std::collections::HashSet;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use powerstream_client::merged::{self, Merged, MergedEvent};
use powerstream_core::buffered::Buffered;
use powerstream_core::dedup::WindowConfig;
use powerstream_core::driver::{Driver, Io};
use powerstream_core::http::Origin;
use powerstream_core::merge::Topology;
use powerstream_core::session::{Session, SessionConfig, SessionEvent};
use powerstream_core::time::UnixTime;

use self::model::*;

/// The result of one or more runs.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    disconnects: u64,
    posts: u64,
    missed: u64,
    /// Missing Posts that are in no reported gap.
    outside: u64,
    gaps: u64,
    /// Total length of the reported gaps, in milliseconds.
    reported: u64,
    /// Milliseconds from sending the last Post that a stream delivered to the start of the next
    /// stream.
    missing: u64,
    late: u64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.disconnects += other.disconnects;
        self.posts += other.posts;
        self.missed += other.missed;
        self.outside += other.outside;
        self.gaps += other.gaps;
        self.reported += other.reported;
        self.missing += other.missing;
        self.late += other.late;
    }

    fn print(&self, what: &str, seeds: u64) {
        println!(
            "{what}: {seeds} seeds, {} disconnects, {} Posts, {} missed, {} outside reported gaps; \
             {} gaps of {:.1} s, truly missing {:.1} s, {:.2} s more a gap, late {} times",
            self.disconnects,
            self.posts,
            self.missed,
            self.outside,
            self.gaps,
            self.reported as f64 / 1e3,
            self.missing as f64 / 1e3,
            (self.reported as f64 - self.missing as f64) / 1e3 / self.gaps.max(1) as f64,
            self.late,
        );
    }
}

/// The reports of a client.
#[derive(Debug, Default)]
struct Report {
    delivered: HashSet<u64>,
    /// In milliseconds of the virtual clock.
    gaps: Vec<(u64, u64)>,
    disconnects: u64,
    late: u64,
}

fn millis(time: UnixTime) -> u64 {
    time.as_millis().saturating_sub(START)
}

impl Report {
    fn event(&mut self, event: &SessionEvent<'_>) {
        match event {
            SessionEvent::Message(message) => self.delivered.extend(message.id().map(|id| id.as_u64())),
            SessionEvent::Disconnected(_) => self.disconnects += 1,
            SessionEvent::Late(_) => self.late += 1,
            _ => {}
        }
    }

    fn is_reported(&self, at: u64) -> bool {
        self.gaps.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    fn reported(&self) -> u64 {
        let mut gaps = self.gaps.clone();
        gaps.sort_unstable();
        let (mut sum, mut end) = (0, 0);
        for (from, to) in gaps {
            sum += to.saturating_sub(from.max(end));
            end = end.max(to);
        }
        sum
    }

    /// Posts created before `until` are expected, from the start of each feed.
    fn judge(&self, world: &World, begun: &[u64], until: u64, missing: u64) -> Sum {
        let of_feed = world.posts.iter().zip(begun.iter().cycle());
        let due =
            of_feed.filter(|(post, begun)| (**begun..until).contains(&post.created)).map(|(post, _)| post);
        let missed: Vec<_> = due.filter(|post| !self.delivered.contains(&post.id)).collect();
        Sum {
            disconnects: self.disconnects,
            posts: world.posts.len() as u64,
            missed: missed.len() as u64,
            outside: missed.iter().filter(|post| !self.is_reported(post.created)).count() as u64,
            gaps: self.gaps.len() as u64,
            reported: self.reported(),
            missing,
            late: self.late,
        }
    }
}

fn driven(line: Line, scene: &Scene, seed: u64, backfill: bool) -> Driver<Vec<u8>, Vec<u8>, Line> {
    let mut config = SessionConfig::new(Origin::parse("http://127.0.0.1:8080").unwrap());
    config.message_bytes_max = 1_000;
    config.backfill = backfill;
    let storage = vec![0; config.storage_bytes()];
    let session = Session::new(storage, &config, seed, line.now(), line.unix_now()).unwrap();
    Driver::new(Buffered::new(session, vec![0; scene.buffer_bytes]), line)
}

fn run(scene: Scene, seed: u64, lag: u64, backfill: bool) -> Sum {
    let world = World::new(scene, seed);
    let line = Line::new(&world, lag, (1, 0));
    let streams = Rc::clone(&line.streams);
    let mut driven = driven(line, &scene, seed, backfill);
    let mut report = Report::default();
    // Before the client has connected, no Post counts as missing.
    let mut begun = None;
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match driven.poll_next(&mut cx) {
            Poll::Ready(Some(event)) => {
                match event {
                    SessionEvent::Connected(connected) => {
                        begun.get_or_insert(streams.borrow().len() - 1);
                        report.gaps.extend(connected.gap.map(|gap| (millis(gap.from), millis(gap.to))));
                    }
                    SessionEvent::Resumed(gap) => {
                        *report.gaps.last_mut().unwrap() = (millis(gap.from), millis(gap.to));
                    }
                    _ => {}
                }
                report.event(&event);
            }
            Poll::Ready(None) => panic!("the session is over"),
            Poll::Pending if world.advance() => {}
            Poll::Pending => break,
        }
    }
    let streams = streams.borrow();
    let streams = &streams[begun.unwrap()..];
    let missing = streams.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].1)).sum();
    let until = driven.buffered().session().covered_until().map_or(0, millis);
    report.judge(&world, &[streams[0].0], until, missing)
}

fn run_merged(scene: Scene, seed: u64, lags: &[u64], group: Topology) -> Sum {
    let world = World::new(scene, seed);
    let mut streams = Vec::new();
    let lines = lags.iter().enumerate().map(|(index, lag)| {
        let share = if group == Topology::Redundant { (1, 0) } else { (lags.len(), index) };
        let line = Line::new(&world, *lag, share);
        streams.push(Rc::clone(&line.streams));
        merged::Member::new(format!("{index}"), group.group(index as u16), driven(line, &scene, seed, false))
    });
    let mut merged = Merged::new(lines.collect(), &WindowConfig::default()).unwrap();
    let mut report = Report::default();
    // Before a feed has been connected, none of its Posts counts as missing.
    let mut begun = vec![None; lags.len()];
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match merged.poll_next(&mut cx) {
            Poll::Ready(Some(MergedEvent::Session { connection, event })) => {
                if let SessionEvent::Connected(_) = event {
                    let index = connection.index();
                    begun[index].get_or_insert(streams[index].borrow().last().unwrap().0);
                }
                report.event(&event);
            }
            Poll::Ready(Some(MergedEvent::Gap(gap))) => {
                report.gaps.push((millis(gap.from), millis(gap.to)));
            }
            Poll::Ready(Some(_)) => {}
            Poll::Ready(None) => panic!("the sessions are over"),
            Poll::Pending if world.advance() => {}
            Poll::Pending => break,
        }
    }
    let until = merged.members().iter().map(|line| line.driver().buffered().session().covered_until());
    let until = until.map(|until| until.map_or(0, millis)).min().unwrap();
    let begun = begun.into_iter().map(|begun| begun.unwrap_or(u64::MAX));
    let begun: Vec<_> = match group {
        Topology::Redundant => vec![begun.min().unwrap()],
        Topology::Partitioned => begun.collect(),
    };
    report.judge(&world, &begun, until, 0)
}

const BUSY: Scene = Scene {
    spacing: 200,
    jitter: 300,
    keep_alive: 20_000,
    clock_off: 0,
    has_date: true,
    faults: Faults::Random,
    buffer_bytes: 16_384,
    length: 600_000,
};

/// Returns a scene of this kind, with parameters from the seed.
fn scene(faults: Faults, seed: u64) -> Scene {
    let mut rng = Rng(seed ^ 0xC10C);
    Scene {
        spacing: rng.pick(&[20, 100, 500]),
        jitter: rng.pick(&[0, 300, 2_000]),
        clock_off: rng.pick(&[0, 0, 3_000, -3_000, 900, -900, 3_600_000, -3_600_000]),
        faults,
        buffer_bytes: rng.pick(&[200, 2_000, 16_384]),
        ..BUSY
    }
}

/// Runs this many seeds. Checks that no Post is lost outside a gap, and that each gap is at most
/// three times as long as the missing time, plus `margin` milliseconds.
fn check(what: &str, seeds: u64, margin: u64, run: impl Fn(u64) -> Sum) {
    let mut sum = Sum::default();
    for seed in 0..seeds {
        let one = run(seed);
        assert_eq!(one.outside, 0, "{what}, seed {seed}: {one:?}");
        sum.add(one);
    }
    sum.print(what, seeds);
    assert!(sum.missed > 0, "nothing was missed, as if nothing had happened");
    assert!(sum.reported <= 3 * sum.missing + margin * sum.gaps, "{what}: {sum:?}");
}

#[test]
fn no_post_is_lost_outside_a_gap_behind_a_stall_and_a_reset() {
    check("stall, catch-up, reset", 40, 6_000, |seed| {
        run(scene(Faults::StallAndReset, seed), seed, 0, false)
    });
}

#[test]
fn no_post_is_lost_outside_a_gap_by_a_stopped_process() {
    check("stopped process", 40, 6_000, |seed| run(scene(Faults::Stopped, seed), seed, 0, false));
}

#[test]
fn no_post_is_lost_outside_a_gap_by_a_suspended_machine() {
    check("suspended machine", 40, 6_000, |seed| run(scene(Faults::Suspended, seed), seed, 0, false));
}

#[test]
fn no_post_is_lost_outside_a_gap_by_a_proxy_that_buffers() {
    check("buffering proxy", 40, 6_000, |seed| run(scene(Faults::Buffering, seed), seed, 0, false));
}

#[test]
fn no_post_is_lost_outside_a_gap_by_random_faults() {
    check("random faults", 120, 6_000, |seed| run(scene(Faults::Random, seed), seed, 0, false));
}

#[test]
fn no_post_is_lost_outside_a_gap_with_a_datacenter_that_lags() {
    check("lagging datacenter", 40, 12_000, |seed| {
        run(scene(Faults::Random, seed), seed, Rng(seed).pick(&[1_000, 3_000, 8_000]), false)
    });
}

#[test]
fn no_post_is_lost_outside_a_gap_with_backfill() {
    check("backfill", 40, 400_000, |seed| run(scene(Faults::Random, seed), seed, 0, true));
}

#[test]
fn no_post_is_lost_outside_a_gap_on_a_quiet_stream() {
    check("quiet stream", 60, 50_000, |seed| {
        let mut scene = scene(Faults::Random, seed);
        scene.spacing = Rng(seed).pick(&[5_000, 15_000, 60_000]);
        scene.keep_alive = Rng(seed).pick(&[2_000, 10_000, 20_000]);
        scene.length = 1_800_000;
        run(scene, seed, 0, false)
    });
}

#[test]
fn no_post_is_lost_outside_a_gap_without_a_date() {
    check("no Date", 40, 6_000, |seed| {
        let mut scene = scene(Faults::Random, seed);
        (scene.has_date, scene.clock_off) = (false, [0, 0, 3_000, -3_000][seed as usize % 4]);
        run(scene, seed, 0, false)
    });
}

#[test]
fn no_post_is_lost_outside_a_gap_of_a_merged_stream_whose_datacenters_lag() {
    for (what, group) in [("redundant", Topology::Redundant), ("partitioned", Topology::Partitioned)] {
        let mut sum = Sum::default();
        for seed in 0..60 {
            let lags: &[u64] =
                [&[0, 3_000][..], &[0, 0], &[2_000, 8_000], &[0, 1_000, 5_000]][seed as usize % 4];
            let one = run_merged(scene(Faults::Random, seed), seed, lags, group);
            assert_eq!(one.outside, 0, "{what}, seed {seed}: {one:?}");
            sum.add(one);
        }
        sum.print(what, 60);
        assert!(sum.missed > 0, "nothing was missed, as if nothing had happened");
    }
}
