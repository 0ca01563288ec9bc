//! A merged stream in C over several processes: each Post once, with backfill and recovery, and
//! over the loss of one of two connections.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use powerstream_core::stream::PostId;
use powerstream_simulator::{Config, Datacenter, Script, Simulator, Time};

use crate::support::program;

const LIVE: u64 = 0;
const RECOVERY: u64 = 2;

/// Events before a checkpoint: a later process does not deliver them again.
#[derive(Debug, Default)]
struct Delivered {
    /// How often each Post was delivered.
    posts: BTreeMap<u64, usize>,
    live: BTreeSet<u64>,
    recovered: usize,
    gaps: Vec<Range<u64>>,
    completed: Vec<(Range<u64>, u64)>,
    lost: Vec<(Range<u64>, u64)>,
    /// Disconnects by connection, and those of recoveries.
    disconnects: BTreeMap<u64, usize>,
    recovery_disconnects: usize,
    interruptions: usize,
}

impl Delivered {
    fn add(&mut self, line: &str) {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let numbers: Vec<u64> = words.map(|word| word.parse().unwrap()).collect();
        match (name, &numbers[..]) {
            ("post", &[id, origin, _]) => {
                *self.posts.entry(id).or_default() += 1;
                match origin {
                    LIVE => drop(self.live.insert(id)),
                    RECOVERY => self.recovered += 1,
                    _ => {}
                }
            }
            ("disconnected", [_, 1]) => self.recovery_disconnects += 1,
            ("disconnected", &[connection, _]) => *self.disconnects.entry(connection).or_default() += 1,
            ("interrupted", []) => self.interruptions += 1,
            ("gap", &[from, to, _]) => self.gaps.push(from..to),
            ("completed", &[from, to, posts]) => self.completed.push((from..to, posts)),
            ("lost", &[from, to, posts]) => self.lost.push((from..to, posts)),
            ("connected" | "started", _) => {}
            _ => panic!("{line}"),
        }
    }

    /// Returns the Posts of the feed that are missing from the first one delivered to the newest
    /// live one. Fails if a Post was delivered twice.
    fn missing(&self, simulator: &Simulator) -> Vec<u64> {
        let twice: Vec<_> = self.posts.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "{} Posts twice: {:?}", twice.len(), twice.first());
        let (first, newest) = (*self.posts.keys().next().unwrap(), *self.live.iter().next_back().unwrap());
        let begun = PostId::new(first).created_at().unwrap().as_millis();
        let feed: BTreeSet<u64> = simulator.post_ids(begun, u64::MAX).into_iter().collect();
        feed.range(first..=newest).copied().filter(|id| !self.posts.contains_key(id)).collect()
    }
}

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// With a checkpoint after its last event.
    Orderly,
    /// By SIGKILL, after some events that no checkpoint covers.
    Killed,
}

/// Ends a process when a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Process<'a> {
    program: &'a Path,
    checkpoint: PathBuf,
    backfill: bool,
    recovery: bool,
    base_urls: Vec<String>,
}

impl Process<'_> {
    /// Runs one process until `is_enough` of its lines.
    fn run(&self, delivered: &mut Delivered, end: End, mut is_enough: impl FnMut(&str) -> bool) {
        let flag = |on| if on { "1" } else { "0" };
        let child = Command::new(self.program)
            .arg(&self.checkpoint)
            .args([flag(self.backfill), flag(self.recovery)])
            .args(&self.base_urls)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut running = Running(child.unwrap());
        let output = BufReader::new(running.0.stdout.take().unwrap());
        let mut stdin = running.0.stdin.take();
        let mut lines = Vec::new();
        for line in output.lines() {
            // A line that the kill cut is after the checkpoint.
            let Ok(line) = line else { break };
            if is_enough(&line) && stdin.is_some() {
                match end {
                    // The end of its input ends the process.
                    End::Orderly => drop(stdin.take()),
                    End::Killed => running.0.kill().unwrap(),
                }
            }
            lines.push(line);
        }
        assert_eq!(running.0.wait().unwrap().success(), end == End::Orderly);
        let saved = std::fs::read(&self.checkpoint).unwrap();
        let count = saved.split(|byte| *byte == b'\n').next().unwrap();
        let count: usize = String::from_utf8(count.to_vec()).unwrap().parse().unwrap();
        assert!(end == End::Killed || count == lines.len(), "events after the last checkpoint");
        lines[..count].iter().for_each(|line| delivered.add(line));
    }
}

const START_MS: u64 = 1_790_000_000_000;

const MINUTE: Duration = Duration::from_secs(60);

fn checkpoint(name: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.checkpoint"));
    let _ = std::fs::remove_file(&file);
    file
}

fn simulator(script: Option<&str>) -> Simulator {
    let mut config = Config::default();
    config.time = Time::Virtual { unix_ms: START_MS };
    config.rate = Some(1.0);
    config.script = script.map(|text| Script::parse(text).unwrap());
    Simulator::start(config).unwrap()
}

/// Advances the simulator's clock while `body` runs: 500 ms every 2 ms.
fn with_time<T>(simulator: &Simulator, body: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                simulator.advance(Duration::from_millis(500));
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let _guard = SetOnDrop(&is_over);
        body()
    })
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns a condition that holds after so many live Posts, once all recoveries are over.
fn at_rest(live: usize) -> impl FnMut(&str) -> bool {
    let (mut count, mut running) = (0, 0_i64);
    move |line| {
        count += usize::from(line.starts_with("post ") && line.split(' ').nth(2) == Some("0"));
        running += i64::from(line.starts_with("started "));
        running -= i64::from(line.starts_with("completed ") || line.starts_with("lost "));
        count >= live && running == 0
    }
}

#[test]
fn processes_in_c_deliver_each_post_once_over_outages_and_kills() {
    let Some(program) = program("merged") else { return };
    let simulator = simulator(None);
    let process = Process {
        program: &program,
        checkpoint: checkpoint("outages"),
        backfill: true,
        recovery: true,
        base_urls: vec![simulator.base_url()],
    };
    let mut delivered = Delivered::default();
    // Backfill closes gaps of up to five minutes, recovery the others.
    let outages = [Duration::ZERO, Duration::from_secs(30), 4 * MINUTE, 12 * MINUTE, 90 * MINUTE];
    for (nth, outage) in outages.into_iter().enumerate() {
        simulator.advance(outage);
        let end = if nth < 3 { End::Killed } else { End::Orderly };
        with_time(&simulator, || process.run(&mut delivered, end, at_rest(40)));
    }
    let missing = delivered.missing(&simulator);
    assert!(missing.is_empty(), "{missing:?}; {:?}, {:?}", delivered.gaps, delivered.completed);
    assert!(delivered.lost.is_empty() && delivered.posts.len() > 6_000, "{}", delivered.posts.len());
    // The events of the recoveries: ranges that backfill does not reach, and their new Posts.
    // An event after the last checkpoint of a killed process is not among them.
    let recovered: u64 = delivered.completed.iter().map(|(_, posts)| posts).sum();
    assert!(
        (5_000..=delivered.recovered as u64).contains(&recovered),
        "{recovered} {:?}",
        delivered.recovered
    );
    let minutes = |range: &Range<u64>| (range.end - range.start) / 60_000;
    assert!(delivered.completed.iter().any(|(range, _)| minutes(range) > 90), "{:?}", delivered.completed);
    let is_within_a_gap = |range: &Range<u64>| {
        delivered.gaps.iter().any(|gap| gap.start <= range.start && range.end <= gap.end)
    };
    assert!(delivered.completed.iter().all(|(range, _)| is_within_a_gap(range)), "{delivered:?}");
}

#[test]
fn a_process_in_c_reports_what_a_refused_recovery_lost() {
    let Some(program) = program("merged") else { return };
    // The first recovery is cut after some Posts, the next one is refused.
    let simulator = simulator(Some(
        r#"
        description = "cuts and refuses the recovery"
        [[event]]
        do = "cut"
        how = "close"
        place = "between"
        after-posts = 300
        request = "recovery"
        times = 1
        [[event]]
        do = "refuse"
        status = 403
        request = "recovery"
        attempts = "4-"
    "#,
    ));
    let process = Process {
        program: &program,
        checkpoint: checkpoint("refused"),
        backfill: false,
        recovery: true,
        base_urls: vec![simulator.base_url()],
    };
    let mut delivered = Delivered::default();
    with_time(&simulator, || process.run(&mut delivered, End::Orderly, at_rest(40)));
    simulator.advance(60 * MINUTE);
    let mut at_rest = at_rest(40);
    let mut has_lost = false;
    with_time(&simulator, || {
        process.run(&mut delivered, End::Orderly, |line| {
            has_lost |= line.starts_with("lost ");
            at_rest(line) && has_lost
        });
    });
    let missing = delivered.missing(&simulator);
    let is_lost = |id: &u64| {
        let at = PostId::new(*id).created_at().unwrap().as_millis();
        delivered.lost.iter().any(|(range, _)| range.contains(&at))
    };
    assert!(missing.len() > 2_000 && missing.iter().all(is_lost), "{} {:?}", missing.len(), delivered.lost);
    assert_eq!(delivered.recovery_disconnects, 1, "{delivered:?}");
    let brought: u64 = delivered.lost.iter().chain(&delivered.completed).map(|(_, posts)| posts).sum();
    assert!(brought as usize == delivered.recovered && brought > 200, "{brought} {delivered:?}");
}

#[test]
fn a_merged_stream_in_c_survives_the_loss_of_a_connection() {
    let Some(program) = program("merged") else { return };
    let mut config = Config::default();
    config.rate = Some(300.0);
    config.datacenters = ["atla", "pdxa"].map(Datacenter::new).into();
    let simulator = Simulator::start(config).unwrap();
    let process = Process {
        program: &program,
        checkpoint: checkpoint("two"),
        backfill: false,
        recovery: false,
        base_urls: simulator.datacenters().into_iter().map(|(_, url)| url).collect(),
    };
    let mut delivered = Delivered::default();
    let (mut connected, mut posts, mut at_kill) = ([0; 2], 0, None);
    process.run(&mut delivered, End::Orderly, |line| {
        posts += usize::from(line.starts_with("post "));
        for (connection, count) in connected.iter_mut().enumerate() {
            *count += usize::from(line == format!("connected {connection}"));
        }
        match at_kill {
            // After four seconds, so that the other connection covers the start of the gap, which
            // is more than 1 s early.
            None if connected == [1, 1] && posts > 1_200 => {
                assert!(simulator.kill("pdxa"));
                at_kill = Some(posts);
            }
            // The other connection goes on. Then the datacenter comes back.
            Some(at) if posts == at + 100 => assert!(simulator.restart("pdxa").unwrap()),
            _ => {}
        }
        at_kill.is_some_and(|at| posts > at + 300) && connected == [1, 2]
    });
    let missing = delivered.missing(&simulator);
    assert!(missing.is_empty() && delivered.gaps.is_empty(), "{missing:?} {:?}", delivered.gaps);
    assert_eq!(delivered.interruptions, 0);
    assert!(delivered.disconnects.keys().eq([&1]), "{:?}", delivered.disconnects);
}
