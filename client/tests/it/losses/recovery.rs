//! Recovery and restarts: every Post is delivered once, or was reported as lost.
//!
//! A process stores checkpoints now and then, is killed, and another one continues from the last
//! checkpoint. What the killed process did after it is forgotten.
//!
//! ```sh
//! SEED=1000 POWERSTREAM_RECOVERY_SEEDS=200 cargo test --release -p powerstream-client --test it \
//!     losses::recovery -- --nocapture
//! ```
//!
//! The environment:
//!
//! - `SEED`: the first seed. Default: 1.
//! - `POWERSTREAM_RECOVERY_SEEDS`: how many seeds run, one after the other. Default: 4.
//!
//! Each seed is one virtual hour of one to three connections. A failure ends with the command that
//! replays its seed. `defects/run` applies deliberate defects, which these tests must catch.

use std::cell::RefCell;
use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use powerstream_client::config::{Config, Token};
use powerstream_client::merged::Position;
use powerstream_client::recovery::{LossReason, Recovery, RecoveryConnection, RecoveryEvent};
use powerstream_core::checkpoint::{Checkpoint, Contents};
use powerstream_core::merge::ReplicaGroup;
use powerstream_core::session::Message;
use powerstream_core::stream::PostId;
use powerstream_core::time::TimeRange;

use super::*;

const HOUR: u64 = 3_600_000;

/// The seeds of a run without `POWERSTREAM_RECOVERY_SEEDS`.
const SEEDS: u64 = 4;

/// With so many seeds, each case occurs.
const SEEDS_ENOUGH: u64 = 20;

/// One seed in so many runs twice, with the same counts.
const REPEATED: u64 = 4;

/// The client requests gaps closer than this together, with the time between them.
const JOINED: u64 = 60_000;

/// While nothing fails, the covered time is at most so far behind.
const COVERED_WITHIN: u64 = 60_000;

/// The client always allows for Posts that are out of order by a second.
const DISORDER_MAX: u64 = 1_000;

/// More polls than this at one moment are a loop without progress.
const POLLS_MAX: u64 = 1 << 20;

/// What runs did, to print it and to check that the cases occur. Includes what killed processes
/// did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// The time of all live connections, in milliseconds.
    connected: u64,
    /// Posts that had to be delivered or reported.
    posts: u64,
    gaps: u64,
    restarts: u64,
    /// Posts that a killed process had delivered after its last checkpoint.
    forgotten: u64,
    answers: Answers,
    recovered: u64,
    completed: u64,
    lost_ranges: u64,
    lost: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.connected += other.connected;
        self.posts += other.posts;
        self.gaps += other.gaps;
        self.restarts += other.restarts;
        self.forgotten += other.forgotten;
        self.answers.whole += other.answers.whole;
        self.answers.refused += other.answers.refused;
        self.answers.refused_for_good += other.answers.refused_for_good;
        self.answers.reset += other.answers.reset;
        self.answers.cut += other.answers.cut;
        self.answers.closed_early += other.answers.closed_early;
        self.answers.stalled += other.answers.stalled;
        self.answers.endless += other.answers.endless;
        self.recovered += other.recovered;
        self.completed += other.completed;
        self.lost_ranges += other.lost_ranges;
        self.lost += other.lost;
    }

    fn print(&self, what: RecoveryFaults, seeds: &Seeds) {
        let hours = self.connected as f64 / HOUR as f64;
        let requests = self.answers;
        println!(
            "{what:?}: seeds {} to {}, {hours:.0} connection-hours ({:.3} connection-years), {} Posts, \
             {} gaps, {} restarts that forgot {} Posts; requests: {} answered whole, {} refused with 503, \
             {} refused with 400, {} reset, {} cut, {} closed early, {} stalled, {} endless; {} ranges \
             completed, {} Posts recovered, {} ranges lost, {} Posts lost",
            seeds.first,
            seeds.first.saturating_add(seeds.count - 1),
            hours / (365.25 * 24.0),
            self.posts,
            self.gaps,
            self.restarts,
            self.forgotten,
            requests.whole,
            requests.refused,
            requests.refused_for_good,
            requests.reset,
            requests.cut,
            requests.closed_early,
            requests.stalled,
            requests.endless,
            self.completed,
            self.recovered,
            self.lost_ranges,
            self.lost,
        );
    }
}

/// What a consumer knows. A restart goes back to what was stored.
#[derive(Clone, Debug)]
struct Ledger {
    /// In order of their delivery.
    ids: Vec<u64>,
    delivered: HashSet<u64>,
    /// When the first stream of each group was accepted. A group that has no stored position begins
    /// anew.
    begun: Vec<Option<u64>>,
    gaps: Vec<(u16, TimeRange)>,
    lost: Vec<(u16, TimeRange)>,
    /// The index of the next Post of each group to check.
    next: Vec<usize>,
    /// Posts that were checked and are missing.
    missing: Vec<usize>,
}

impl Ledger {
    fn new(groups: usize) -> Self {
        Self {
            ids: Vec::new(),
            delivered: HashSet::new(),
            begun: vec![None; groups],
            gaps: Vec::new(),
            lost: Vec::new(),
            next: (0..groups).collect(),
            missing: Vec::new(),
        }
    }
}

/// A range that is being requested.
#[derive(Clone, Copy, Debug)]
struct Request {
    range: TimeRange,
    /// Posts delivered since the request began, or since the whole range was requested of which it
    /// is the first half.
    posts: u64,
    was_interrupted: bool,
}

fn holds(ranges: &[(u16, TimeRange)], group: u16, at: u64) -> bool {
    let holds = |(of, range): &(u16, TimeRange)| {
        *of == group && (range.from.as_millis()..range.to.as_millis()).contains(&(START + at))
    };
    ranges.iter().any(holds)
}

/// Returns true if these ranges of the group cover the range. Times between two ranges that the
/// client joins count too.
fn covers(ranges: &[(u16, TimeRange)], group: u16, range: TimeRange) -> bool {
    let of_group = ranges.iter().filter(|(of, _)| *of == group);
    let mut ranges: Vec<_> =
        of_group.map(|(_, range)| (range.from.as_millis(), range.to.as_millis())).collect();
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (from, to) in ranges {
        match joined.last_mut() {
            Some(last) if from <= last.1 + JOINED => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined.iter().any(|(from, to)| *from <= range.from.as_millis() && range.to.as_millis() <= *to)
}

type Stream = Merged<Vec<u8>, Vec<u8>, Line>;

/// When the service accepted each stream of a line, and when the last message read from it was
/// sent.
type Accepted = Rc<RefCell<Vec<(u64, u64)>>>;

/// Notes that the task was woken at once: it has more to do at the same moment.
#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What is known of a process.
struct Seen {
    streams: Vec<Accepted>,
    /// What each group requests.
    requests: Vec<Option<Request>>,
    /// A gap or a recovery had an event since the last check.
    is_changed: bool,
}

struct Run {
    world: Rc<World>,
    seed: u64,
    topology: Topology,
    lines: usize,
    faults: RecoveryFaults,
    counts: Counts,
}

impl Run {
    fn groups(&self) -> usize {
        if self.topology == Topology::Redundant { 1 } else { self.lines }
    }

    fn start(&self, process: u64) -> (Stream, Seen) {
        let groups = self.groups();
        let share = |index: usize| (groups, index % groups);
        let mut streams = Vec::new();
        let members = (0..self.lines).map(|index| {
            let line = Line::new(&self.world, 0, share(index));
            streams.push(Rc::clone(&line.streams));
            let seed = self.seed ^ process << 8 ^ index as u64;
            let driver = driven(line, &self.world.scene, seed, false);
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
        let merged = merged.with_recoveries(recoveries.collect());
        (merged, Seen { streams, requests: vec![None; groups], is_changed: false })
    }

    /// Encodes a checkpoint.
    fn store(&self, position: &Position, ledger: &Ledger) -> Vec<u8> {
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
        Checkpoint::encode(contents, &mut vec![0; room]).to_vec()
    }

    /// Checks and records a delivered Post. Returns its index.
    fn deliver(&self, ledger: &mut Ledger, message: &Message<'_>) -> usize {
        let id = message.id().expect("all messages are Posts").as_u64();
        let posts = &self.world.posts;
        let index = posts.binary_search_by_key(&id, |post| post.id);
        let index = index.unwrap_or_else(|_| panic!("{id} was delivered, but never sent"));
        assert!(posts[index].created <= self.world.now.get(), "{id} was delivered before it was created");
        assert!(ledger.delivered.insert(id), "{id} was delivered twice");
        ledger.ids.push(id);
        index
    }

    /// Checks that the group of a recovered Post requested it.
    fn handle_recovered(&self, seen: &mut Seen, index: usize) {
        let post = &self.world.posts[index];
        let request = seen.requests[index % self.groups()].as_mut();
        let request = request.unwrap_or_else(|| panic!("{post:?} was recovered without a request"));
        request.posts += 1;
        // A request has whole seconds.
        let from = request.range.from.as_millis() / 1_000 * 1_000;
        let to = request.range.to.as_millis().div_ceil(1_000) * 1_000;
        assert!((from..to).contains(&(START + post.created)), "{post:?} was not requested: {request:?}");
    }

    /// Checks an event, and records it.
    fn handle(&mut self, seen: &mut Seen, ledger: &mut Ledger, event: &MergedEvent<'_>) {
        match event {
            MergedEvent::Session { connection, event } => {
                let group = self.topology.group(connection.index() as u16).number();
                match event {
                    SessionEvent::Connected(_) => {
                        let accepted = seen.streams[connection.index()].borrow().last().unwrap().0;
                        ledger.begun[usize::from(group)].get_or_insert(accepted);
                    }
                    SessionEvent::Message(message) => {
                        let index = self.deliver(ledger, message);
                        assert_eq!(index % self.groups(), usize::from(group), "a Post of another group");
                    }
                    _ => {}
                }
            }
            MergedEvent::Gap(gap) => {
                assert!(gap.from < gap.to, "a gap without a length: {gap:?}");
                self.counts.gaps += 1;
                ledger.gaps.push((gap.group.number(), gap.range()));
                seen.is_changed = true;
            }
            MergedEvent::Recovery(RecoveryEvent::Started(recovery)) => {
                self.handle_started(seen, ledger, *recovery);
            }
            MergedEvent::Recovery(RecoveryEvent::Message(message)) => {
                let index = self.deliver(ledger, message);
                self.counts.recovered += 1;
                self.handle_recovered(seen, index);
            }
            MergedEvent::Recovery(RecoveryEvent::Disconnected(_)) => {
                // The event does not name the group.
                seen.requests.iter_mut().flatten().for_each(|request| request.was_interrupted = true);
            }
            MergedEvent::Recovery(RecoveryEvent::Completed { recovery, posts }) => {
                self.handle_completed(seen, ledger, *recovery, *posts);
            }
            MergedEvent::Recovery(RecoveryEvent::Lost { recovery, posts, reason }) => {
                self.handle_lost(seen, ledger, *recovery, *posts, *reason);
            }
            _ => {}
        }
    }

    fn handle_started(&self, seen: &mut Seen, ledger: &Ledger, recovery: Recovery) {
        let (group, range) = (recovery.group.number(), recovery.range);
        let mut posts = 0;
        let request = &mut seen.requests[usize::from(group)];
        if let Some(before) = request {
            // An interrupted range is requested in halves.
            let is_half = before.range.from == range.from && range.to < before.range.to;
            assert!(
                before.was_interrupted && is_half,
                "two ranges of a group are requested at once: {before:?} and {range:?}"
            );
            posts = before.posts;
        }
        assert!(covers(&ledger.gaps, group, range), "{range:?} was requested, but is in no gap");
        let now = START + self.world.now.get();
        assert!(
            range.to.as_millis() <= now,
            "{range:?} was requested before the server's clock passed its end"
        );
        *request = Some(Request { range, posts, was_interrupted: false });
        seen.is_changed = true;
    }

    fn handle_completed(&mut self, seen: &mut Seen, ledger: &Ledger, recovery: Recovery, posts: u64) {
        let (group, range) = (recovery.group.number(), recovery.range);
        let request = seen.requests[usize::from(group)].take();
        let request = request.filter(|request| request.range == range);
        let Some(request) = request else { panic!("{range:?} was completed, but not requested") };
        assert_eq!(posts, request.posts, "{range:?} was completed with another number of Posts");
        let all = &self.world.posts;
        let [from, to] = [range.from, range.to]
            .map(|time| all.partition_point(|post| START + post.created < time.as_millis()));
        for index in (from..to).filter(|index| index % self.groups() == usize::from(group)) {
            let post = &all[index];
            assert!(
                ledger.delivered.contains(&post.id),
                "{post:?} is missing in a completed range: {range:?}"
            );
        }
        self.counts.completed += 1;
        seen.is_changed = true;
    }

    fn handle_lost(
        &mut self,
        seen: &mut Seen,
        ledger: &mut Ledger,
        recovery: Recovery,
        posts: u64,
        reason: LossReason,
    ) {
        let (group, range) = (recovery.group.number(), recovery.range);
        let has_cause = match reason {
            LossReason::NotEnded => self.faults == RecoveryFaults::Endless,
            LossReason::Refused(_) => self.faults == RecoveryFaults::Refused,
            _ => false,
        };
        assert!(has_cause, "{range:?} was lost without a cause: {reason}");
        assert!(covers(&ledger.gaps, group, range), "{range:?} was lost, but is in no gap");
        let request = &mut seen.requests[usize::from(group)];
        let current = request.take_if(|request| request.range == range);
        // A refusal ends the ranges that wait too.
        let is_known = current.is_some() || matches!(reason, LossReason::Refused(_));
        assert!(is_known, "{range:?} was lost, but not requested: {reason}");
        let delivered = current.map_or(0, |request| request.posts);
        assert_eq!(posts, delivered, "{range:?} was lost with another number of Posts");
        self.counts.lost_ranges += 1;
        ledger.lost.push((group, range));
        seen.is_changed = true;
    }

    /// Returns the position of the stream. `None` before its first connection.
    fn position(&self, merged: &Stream, ledger: &Ledger) -> Option<Position> {
        let position = merged.position();
        let has_begun = ledger.begun.iter().any(Option::is_some);
        assert_eq!(position.is_some(), has_begun, "a stream has a position once it has begun");
        position
    }

    /// Checks that each Post created before the covered time was delivered, is in a range that is
    /// not complete, or was reported as lost.
    fn check_losses(&self, ledger: &mut Ledger, position: &Position) {
        let (posts, groups) = (&self.world.posts, self.groups());
        for group in 0..groups {
            let covered = position.of_group(ReplicaGroup::new(group as u16)).map(millis);
            let begun = ledger.begun[group];
            assert_eq!(covered.is_some(), begun.is_some(), "group {group} has a position once it has begun");
            let (Some(covered), Some(begun)) = (covered, begun) else { continue };
            let next = &mut ledger.next[group];
            while let Some(post) = posts.get(*next).filter(|post| post.created < covered) {
                if post.created >= begun && !ledger.delivered.contains(&post.id) {
                    ledger.missing.push(*next);
                }
                *next += groups;
            }
        }
        let incomplete: Vec<_> =
            position.missing.iter().map(|missing| (missing.group.number(), missing.range)).collect();
        let Ledger { missing, delivered, gaps, lost, .. } = ledger;
        missing.retain(|index| !delivered.contains(&posts[*index].id));
        for index in missing {
            let (post, group) = (&posts[*index], (*index % groups) as u16);
            assert!(holds(gaps, group, post.created), "{post:?} is missing, but in no gap");
            let is_accounted = holds(lost, group, post.created) || holds(&incomplete, group, post.created);
            assert!(
                is_accounted,
                "{post:?} is missing, but neither lost nor in a range that is not complete"
            );
        }
    }

    /// Checks the end of a run: half an hour without faults is enough to recover everything.
    fn check_end(&mut self, merged: &Stream, ledger: &mut Ledger) {
        let length = self.world.scene.length;
        let now = self.world.now.get();
        assert!(now + COVERED_WITHIN >= length, "nothing waits, so the run ended early");
        let position = self.position(merged, ledger).expect("a stream without faults has begun");
        for group in 0..self.groups() {
            let covered = position.of_group(ReplicaGroup::new(group as u16)).map(millis);
            let covered = covered.unwrap_or_else(|| panic!("group {group} never began"));
            assert!(covered + COVERED_WITHIN >= length, "group {group} is covered until {covered} only");
        }
        assert_eq!(position.missing, [], "ranges wait after half an hour without faults");
        self.check_losses(ledger, &position);
        let posts = self.world.posts.iter().enumerate();
        let due = posts.filter(|(index, post)| {
            let group = index % self.groups();
            *index < ledger.next[group] && ledger.begun[group].is_some_and(|begun| post.created >= begun)
        });
        self.counts.posts = due.count() as u64;
        self.counts.lost = ledger.missing.len() as u64;
        self.counts.answers = self.world.answers.get();
        self.counts.connected = length * self.lines as u64;
    }
}

fn resume(merged: &mut Stream, stored: &[u8]) {
    let checkpoint = Checkpoint::decode(stored).unwrap();
    let mut position = Position::new(checkpoint.covered_until().collect());
    position.missing = checkpoint.missing().map(|(group, range)| Recovery::new(group, range)).collect();
    merged.resume_from(&position, checkpoint.ids());
}

fn run(world: &Rc<World>, seed: u64, faults: RecoveryFaults) -> Counts {
    let mut rng = Rng(seed ^ 0x5EED);
    let topology = rng.pick(&[Topology::Redundant, Topology::Partitioned]);
    let lines = rng.pick(&[1, 2, 3]);
    let calm_from = world.calm_from.get();
    let mut run = Run { world: Rc::clone(world), seed, topology, lines, faults, counts: Counts::default() };
    let mut ledger = Ledger::new(run.groups());
    let mut stored: Option<(Vec<u8>, Ledger)> = None;
    let (mut merged, mut seen) = run.start(0);
    let mut killed_at = rng.range(30_000, 300_000);
    let mut stored_at = rng.below(20_000);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let mut polls = 0;
    loop {
        match merged.poll_next(&mut cx) {
            Poll::Ready(Some(event)) => run.handle(&mut seen, &mut ledger, &event),
            Poll::Ready(None) => panic!("the sessions are over"),
            Poll::Pending if woken.0.swap(false, Ordering::Relaxed) => {}
            Poll::Pending => {
                let now = run.world.now.get();
                if now >= stored_at || seen.is_changed {
                    seen.is_changed = false;
                    if let Some(position) = run.position(&merged, &ledger) {
                        run.check_losses(&mut ledger, &position);
                        // Only processes of the first half are killed.
                        if now >= stored_at && now < calm_from {
                            stored = Some((run.store(&position, &ledger), ledger.clone()));
                        }
                        if now >= stored_at {
                            stored_at = now + rng.below(40_000);
                        }
                    }
                }
                if let (true, Some((bytes, before))) = (now >= killed_at && now < calm_from, &stored) {
                    run.counts.restarts += 1;
                    run.counts.forgotten += (ledger.ids.len() - before.ids.len()) as u64;
                    ledger = before.clone();
                    (merged, seen) = run.start(run.counts.restarts);
                    resume(&mut merged, bytes);
                    run.world.pass_until(now + rng.below(30_000));
                    killed_at = now + rng.range(30_000, 600_000);
                    continue;
                }
                polls = 0;
                if !run.world.advance() {
                    break;
                }
            }
        }
        polls += 1;
        assert!(polls < POLLS_MAX, "events without end at one moment");
    }
    run.check_end(&merged, &mut ledger);
    run.counts
}

/// The seeds to run.
struct Seeds {
    first: u64,
    count: u64,
    /// Each case occurs in these seeds.
    has_all_cases: bool,
}

impl Seeds {
    fn from_environment() -> Self {
        let variable = |name: &str| {
            let text = env::var(name).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
        };
        let (first, count) = (variable("SEED"), variable("POWERSTREAM_RECOVERY_SEEDS"));
        let is_default = first.is_none() && count.is_none();
        let (first, count) = (first.unwrap_or(1), count.unwrap_or(SEEDS));
        assert!(count > 0, "POWERSTREAM_RECOVERY_SEEDS is 0");
        Self { first, count, has_all_cases: is_default || count >= SEEDS_ENOUGH }
    }
}

/// Runs a seed. A panic ends with the command that replays it.
fn run_seed(seed: u64, faults: RecoveryFaults) -> Counts {
    let scene = scene(Faults::Random, seed);
    // A Post that is later than the margin for disorder may be lost in a restart.
    let jitter = scene.jitter.min(DISORDER_MAX);
    let world = World::new(Scene { jitter, length: HOUR, ..scene }, seed);
    world.calm_from.set(HOUR / 2);
    let result = panic::catch_unwind(AssertUnwindSafe(|| run(&world, seed, faults)));
    result.unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text");
        panic!(
            "{faults:?}, seed {seed}, after {} ms of virtual time: {text}\nReplay it with:\n\
             SEED={seed} POWERSTREAM_RECOVERY_SEEDS=1 cargo test --release -p powerstream-client \
             --test it losses::recovery -- --nocapture",
            world.now.get()
        )
    })
}

/// Each seed has half an hour with faults and half an hour without, in which everything is
/// recovered. Calls `has_cases` if the seeds are enough for each case to occur.
fn check(faults: RecoveryFaults, has_cases: impl Fn(&Counts) -> bool) {
    let seeds = Seeds::from_environment();
    let mut sum = Counts::default();
    for seed in (seeds.first..).take(seeds.count as usize) {
        let counts = run_seed(seed, faults);
        sum.add(counts);
        if seed % REPEATED == 0 {
            assert_eq!(run_seed(seed, faults), counts, "{faults:?}, seed {seed}: a second run differs");
        }
    }
    sum.print(faults, &seeds);
    if seeds.has_all_cases {
        let has_common_cases = sum.restarts > seeds.count
            && [sum.forgotten, sum.completed, sum.recovered, sum.answers.whole]
                .iter()
                .all(|count| *count > 0);
        assert!(has_common_cases && has_cases(&sum), "a case did not occur: {sum:?}");
    }
}

#[test]
fn recovery_and_restarts_lose_no_post() {
    check(RecoveryFaults::Passing, |sum| (sum.lost_ranges, sum.lost) == (0, 0));
}

#[test]
fn what_a_recovery_without_an_end_did_not_bring_is_reported_as_lost() {
    check(RecoveryFaults::Endless, |sum| sum.answers.endless > 0 && sum.lost_ranges > 0);
}

#[test]
fn a_recovery_that_is_refused_for_good_reports_its_ranges_as_lost() {
    let has_cases = |sum: &Counts| sum.answers.refused_for_good > 0 && sum.lost_ranges > 0 && sum.lost > 0;
    check(RecoveryFaults::Refused, has_cases);
}
