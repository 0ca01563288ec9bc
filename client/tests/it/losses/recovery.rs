//! Recovery and restarts: every Post is delivered once, or was reported as lost.
//!
//! A process stores checkpoints now and then, is killed, and another one continues from the last
//! checkpoint. What the killed process did after it is forgotten.
//!
//! The environment variable `POWERSTREAM_RECOVERY_SEEDS` sets how many seeds run:
//!
//! ```sh
//! POWERSTREAM_RECOVERY_SEEDS=200 cargo test --release -p powerstream-client --test it \
//!     losses::recovery -- --nocapture
//! ```

use std::cell::RefCell;
use std::collections::HashMap;
use std::env;

use powerstream_client::config::{Config, Token};
use powerstream_client::merged::Position;
use powerstream_client::recovery::{Recovery, RecoveryConnection, RecoveryEvent};
use powerstream_core::checkpoint::{Checkpoint, Contents};
use powerstream_core::merge::ReplicaGroup;
use powerstream_core::stream::PostId;
use powerstream_core::time::TimeRange;

use super::*;

/// What a run did, to check that the cases occur.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    posts: u64,
    recovered: u64,
    completed: u64,
    lost_ranges: u64,
    lost: u64,
    pending: u64,
    restarts: u64,
    forgotten: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.posts += other.posts;
        self.recovered += other.recovered;
        self.completed += other.completed;
        self.lost_ranges += other.lost_ranges;
        self.lost += other.lost;
        self.pending += other.pending;
        self.restarts += other.restarts;
        self.forgotten += other.forgotten;
    }
}

/// What a consumer knows. A restart goes back to what was stored.
#[derive(Clone, Debug, Default)]
struct Ledger {
    /// In order of their delivery.
    ids: Vec<u64>,
    delivered: HashSet<u64>,
    gaps: Vec<(u16, TimeRange)>,
    completed: Vec<(u16, TimeRange)>,
    lost: Vec<(u16, TimeRange)>,
    recovered: u64,
}

impl Ledger {
    fn deliver(&mut self, id: PostId) {
        let id = id.as_u64();
        assert!(self.delivered.insert(id), "{id} was delivered twice");
        self.ids.push(id);
    }

    fn event(&mut self, event: &MergedEvent<'_>) {
        match event {
            MergedEvent::Session { event: SessionEvent::Message(message), .. } => {
                message.id().into_iter().for_each(|id| self.deliver(id));
            }
            MergedEvent::Gap(gap) => {
                self.gaps.push((gap.group.number(), TimeRange { from: gap.from, to: gap.to }));
            }
            MergedEvent::Recovery(RecoveryEvent::Message(message)) => {
                self.recovered += 1;
                message.id().into_iter().for_each(|id| self.deliver(id));
            }
            MergedEvent::Recovery(RecoveryEvent::Completed { recovery, .. }) => {
                self.completed.push((recovery.group.number(), recovery.range));
            }
            MergedEvent::Recovery(RecoveryEvent::Lost { recovery, .. }) => {
                self.lost.push((recovery.group.number(), recovery.range));
            }
            _ => {}
        }
    }
}

fn holds(ranges: &[(u16, TimeRange)], group: u16, at: u64) -> bool {
    let holds = |(of, range): &(u16, TimeRange)| {
        *of == group && (range.from.as_millis()..range.to.as_millis()).contains(&(START + at))
    };
    ranges.iter().any(holds)
}

type Stream = Merged<Vec<u8>, Vec<u8>, Line>;

/// When the service accepted each stream of a line, and when the last message read from it was
/// sent.
type Accepted = Rc<RefCell<Vec<(u64, u64)>>>;

struct Run {
    world: Rc<World>,
    scene: Scene,
    seed: u64,
    topology: Topology,
    lines: usize,
    faults: RecoveryFaults,
    /// When the first stream of each group was accepted.
    begun: HashMap<u16, u64>,
}

impl Run {
    fn groups(&self) -> usize {
        if self.topology == Topology::Redundant { 1 } else { self.lines }
    }

    /// Starts a process. Returns the streams of its lines too.
    fn start(&self, process: u64) -> (Stream, Vec<Accepted>) {
        let groups = self.groups();
        let share = |index: usize| (groups, index % groups);
        let mut streams = Vec::new();
        let members = (0..self.lines).map(|index| {
            let line = Line::new(&self.world, 0, share(index));
            streams.push(Rc::clone(&line.streams));
            let driver = driven(line, &self.scene, self.seed ^ process << 8 ^ index as u64, false);
            merged::Member::new(format!("{index}"), self.topology.group(index as u16), driver)
        });
        let mut window = WindowConfig::default();
        window.posts = 1 << 19;
        let merged = Merged::new(members.collect(), &window).unwrap();
        let token = Token::new("any").unwrap();
        let config = Config::builder().token(token).base_url("http://127.0.0.1:8080").build().unwrap();
        let recoveries = (0..groups).map(|group| {
            let mut line = Line::new(&self.world, 0, share(group));
            line.recovery = Some(self.faults);
            let (config, seed) = (config.clone(), self.seed ^ process);
            let open = move |range, now, unix| match config.open_range(range, seed, now, unix) {
                Some(Ok(buffered)) => buffered,
                other => panic!("{other:?}"),
            };
            RecoveryConnection::new(ReplicaGroup::new(group as u16), line, Some(Box::new(open)))
        });
        (merged.with_recoveries(recoveries.collect()), streams)
    }

    /// Encodes a checkpoint, if the stream is at a boundary.
    fn store(&self, merged: &Stream, ledger: &Ledger) -> Option<Vec<u8>> {
        let position = merged.position()?;
        let missing = position.missing.iter().map(|missing| (missing.group, missing.range));
        let contents = Contents {
            stream: 1,
            taken_at: UnixTime::from_millis(START + self.world.now.get()),
            month_posts: 0,
            covered_until: position.covered_until.iter().copied(),
            missing,
            ids: ledger.ids.iter().rev().map(|id| PostId::new(*id)),
        };
        let room = Checkpoint::buffer_bytes(self.lines, position.missing.len(), ledger.ids.len());
        Some(Checkpoint::encode(contents, &mut vec![0; room]).to_vec())
    }
}

fn resume(merged: &mut Stream, stored: &[u8]) {
    let checkpoint = Checkpoint::decode(stored).unwrap();
    let mut position = Position::new(checkpoint.covered_until().collect());
    position.missing = checkpoint.missing().map(|(group, range)| Recovery::new(group, range)).collect();
    merged.resume_from(&position, checkpoint.ids());
}

fn run(scene: Scene, seed: u64, faults: RecoveryFaults) -> Counts {
    let mut rng = Rng(seed ^ 0x5EED);
    let topology = rng.pick(&[Topology::Redundant, Topology::Partitioned]);
    let lines = rng.pick(&[1, 2, 3]);
    let world = World::new(scene, seed);
    let calm_from = scene.length / 2;
    world.calm_from.set(calm_from);
    let mut run = Run { world, scene, seed, topology, lines, faults, begun: HashMap::new() };
    let mut ledger = Ledger::default();
    let mut stored: Option<(Vec<u8>, Ledger)> = None;
    let mut counts = Counts::default();
    let (mut merged, mut streams) = run.start(0);
    let mut killed_at = rng.range(30_000, 300_000);
    let mut stored_at = rng.below(20_000);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match merged.poll_next(&mut cx) {
            Poll::Ready(Some(event)) => {
                if let MergedEvent::Session { connection, event: SessionEvent::Connected(_) } = &event {
                    let begun = streams[connection.index()].borrow().last().unwrap().0;
                    let group = run.topology.group(connection.index() as u16).number();
                    run.begun.entry(group).or_insert(begun);
                }
                ledger.event(&event);
            }
            Poll::Ready(None) => panic!("the sessions are over"),
            Poll::Pending => {
                let now = run.world.now.get();
                if now >= stored_at {
                    if let Some(bytes) = run.store(&merged, &ledger) {
                        stored = Some((bytes, ledger.clone()));
                        stored_at = now + rng.below(40_000);
                    }
                }
                if let (true, Some((bytes, before))) = (now >= killed_at && now < calm_from, &stored) {
                    counts.restarts += 1;
                    counts.forgotten += (ledger.ids.len() - before.ids.len()) as u64;
                    ledger = before.clone();
                    (merged, streams) = run.start(counts.restarts);
                    resume(&mut merged, bytes);
                    run.world.now.set(now + rng.below(30_000));
                    killed_at = now + rng.range(30_000, 600_000);
                    continue;
                }
                if !run.world.advance() {
                    break;
                }
            }
        }
    }
    let Some(position) = merged.position() else { return counts };
    let incomplete: Vec<_> =
        position.missing.iter().map(|missing| (missing.group.number(), missing.range)).collect();
    let groups = run.groups();
    for (index, post) in run.world.posts.iter().enumerate() {
        let group = (index % groups) as u16;
        let covered = position.of_group(ReplicaGroup::new(group)).map_or(0, millis);
        let begun = run.begun.get(&group).copied().unwrap_or(u64::MAX);
        if !(begun..covered).contains(&post.created) {
            continue;
        }
        counts.posts += 1;
        if ledger.delivered.contains(&post.id) {
            continue;
        }
        let [gap, completed, lost, pending] = [&ledger.gaps, &ledger.completed, &ledger.lost, &incomplete]
            .map(|ranges| holds(ranges, group, post.created));
        assert!(gap, "seed {seed}: {post:?} is missing in no gap");
        assert!(lost || pending, "seed {seed}: {post:?} is missing and not lost, completed: {completed}");
        counts.lost += u64::from(lost);
        counts.pending += u64::from(pending);
    }
    counts.recovered = ledger.recovered;
    counts.completed = ledger.completed.len() as u64;
    counts.lost_ranges = ledger.lost.len() as u64;
    counts
}

/// Each seed has half an hour with faults and half an hour without, in which everything is
/// recovered.
fn check(faults: RecoveryFaults) -> Counts {
    let seeds = env::var("POWERSTREAM_RECOVERY_SEEDS").map_or(4, |seeds| seeds.parse().unwrap());
    let mut sum = Counts::default();
    for seed in 0..seeds {
        let scene = Scene { length: 3_600_000, ..scene(Faults::Random, seed) };
        sum.add(run(scene, seed, faults));
    }
    println!("{faults:?}, {seeds} seeds: {sum:?}");
    assert!(sum.restarts > seeds && sum.forgotten > 0 && sum.completed > 0 && sum.recovered > 0, "{sum:?}");
    assert_eq!(sum.pending, 0, "{sum:?}");
    sum
}

#[test]
fn recovery_and_restarts_lose_no_post() {
    let sum = check(RecoveryFaults::Passing);
    assert_eq!((sum.lost_ranges, sum.lost), (0, 0), "{sum:?}");
}

#[test]
fn what_a_recovery_without_an_end_did_not_bring_is_reported_as_lost() {
    let sum = check(RecoveryFaults::Endless);
    assert!(sum.lost_ranges > 0, "{sum:?}");
}

#[test]
fn a_recovery_that_is_refused_for_good_reports_its_ranges_as_lost() {
    let sum = check(RecoveryFaults::Refused);
    assert!(sum.lost_ranges > 0 && sum.lost > 0, "{sum:?}");
}
