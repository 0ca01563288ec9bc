//! `--state`, `--backfill` and `--recovery`: runs that are killed and continued deliver each Post
//! once, but for those that they report as lost.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use powerstream_core::stream::PostId;
use powerstream_simulator::{Config, Simulator, Time};

use crate::tool::{PATIENCE, directory, run, text, tool};

const START_MS: u64 = 1_790_000_000_000;

/// The outages between runs, in minutes: repeated, in this order.
const OUTAGES: [u64; 12] = [0, 1, 0, 4, 7, 0, 2, 45, 0, 6, 130, 26 * 60];

/// Outputs of all runs.
#[derive(Default)]
struct Outputs {
    posts: BTreeMap<u64, u32>,
    /// Ranges that were reported as lost, in seconds.
    lost: Vec<(u64, u64)>,
    logs: String,
}

/// A run: its Posts arrive while the simulator's clock advances.
struct Run {
    child: Child,
}

fn start(simulator: &Simulator, state: &Path, options: &str) -> Run {
    let arguments = format!("stream --base-url {} --backfill --recovery {options}", simulator.base_url());
    let mut command: Command = tool(&arguments);
    command.arg("--state").arg(state).env("X_BEARER_TOKEN", "any");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Run { child: command.spawn().unwrap() }
}

impl Run {
    /// Reads the outputs until `stop` ends the process, and adds them. `stop` gets the process, and
    /// the number of lines so far.
    fn read(
        mut self,
        simulator: &Simulator,
        outputs: &mut Outputs,
        stop: impl FnOnce(&mut Child, &AtomicU64, &AtomicU64),
    ) {
        let (stdout, mut stderr) = (self.child.stdout.take().unwrap(), self.child.stderr.take().unwrap());
        let (lines, open) = (AtomicU64::new(0), AtomicU64::new(0));
        let is_over = AtomicBool::new(false);
        let (posts, log) = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    simulator.advance(Duration::from_millis(100));
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
            let posts = scope.spawn(|| {
                let (mut reader, mut posts) = (BufReader::new(stdout), Vec::new());
                let mut line = Vec::new();
                while reader.read_until(b'\n', &mut line).unwrap() > 0 {
                    // A killed process may leave a part of a line.
                    if line.ends_with(b"\n") {
                        posts.push(id_of(&line));
                        lines.fetch_add(1, Ordering::Relaxed);
                    }
                    line.clear();
                }
                posts
            });
            let log = scope.spawn(|| {
                let (mut reader, mut log) = (BufReader::new(&mut stderr), String::new());
                let mut line = String::new();
                while reader.read_line(&mut line).unwrap() > 0 {
                    open.fetch_add(u64::from(line.contains("recovery: requesting")), Ordering::Relaxed);
                    if line.contains("recovery: received") || line.contains("are lost:") {
                        // A range that was never requested may be lost too.
                        let _ = open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                            open.checked_sub(u64::from(line.contains("received")))
                        });
                    }
                    log += &line;
                    line.clear();
                }
                log
            });
            stop(&mut self.child, &lines, &open);
            self.child.wait().unwrap();
            is_over.store(true, Ordering::Relaxed);
            (posts.join().unwrap(), log.join().unwrap())
        });
        for id in posts {
            *outputs.posts.entry(id).or_default() += 1;
        }
        outputs.lost.extend(log.lines().filter(|line| line.contains("are lost:")).map(range));
        outputs.logs += &log;
        outputs.logs += "---\n";
    }
}

/// Returns the id of a Post.
fn id_of(line: &[u8]) -> u64 {
    let line = text(line);
    let id = line.split_once("\"id_str\":\"").unwrap().1.split_once('"').unwrap().0;
    id.parse().unwrap()
}

/// Returns the range in a line of the log, in seconds since 1970.
fn range(line: &str) -> (u64, u64) {
    let (_, rest) = line.split_once(" from ").unwrap();
    let (from, rest) = rest.split_once(" to ").unwrap();
    let (to, _) = rest.split_once(" UTC").unwrap();
    (seconds(from), seconds(to))
}

/// Parses a time such as `2026-09-21 13:33:20`.
fn seconds(time: &str) -> u64 {
    let output = Command::new("date").args(["-u", "+%s", "-d", time]).output().unwrap();
    text(&output.stdout).trim().parse().unwrap()
}

fn created(id: u64) -> u64 {
    PostId::new(id).created_at().unwrap().as_millis()
}

fn simulator(rate: f64) -> Simulator {
    let mut config = Config::default();
    config.time = Time::Virtual { unix_ms: START_MS };
    config.rate = Some(rate);
    config.ground_truth_messages_max = 0;
    Simulator::start(config).unwrap()
}

/// Ends a run by SIGTERM once it has written some lines and recovered everything.
fn at_rest(child: &mut Child, lines: &AtomicU64, open: &AtomicU64) {
    let (started, mut quiet) = (Instant::now(), 0);
    while quiet < 20 {
        assert!(started.elapsed() < PATIENCE * 4, "the run does not come to rest");
        std::thread::sleep(Duration::from_millis(50));
        let is_quiet = lines.load(Ordering::Relaxed) >= 10 && open.load(Ordering::Relaxed) == 0;
        quiet = if is_quiet { quiet + 1 } else { 0 };
    }
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// Checks that the outputs hold each Post once, but for those in ranges reported as lost.
fn check(simulator: &Simulator, outputs: &Outputs) {
    let (first, _) = outputs.posts.first_key_value().unwrap();
    let (last, _) = outputs.posts.last_key_value().unwrap();
    let truth = simulator.post_ids(created(*first), created(*last) + 1);
    let is_lost =
        |id: u64| outputs.lost.iter().any(|(from, to)| (*from..*to).contains(&(created(id) / 1_000)));
    let missing: Vec<_> = truth.iter().filter(|id| !outputs.posts.contains_key(id)).collect();
    let outside: Vec<_> = missing.iter().filter(|id| !is_lost(***id)).collect();
    let repeated = outputs.posts.values().filter(|count| **count > 1).count();
    eprintln!(
        "{} Posts, {} missing, {} of them outside, {repeated} repeated",
        truth.len(),
        missing.len(),
        outside.len()
    );
    let at: Vec<_> = outside.iter().take(5).map(|id| created(***id)).collect();
    assert!(outside.is_empty(), "missing outside: created at {at:?}\n{}", outputs.logs);
    let at: Vec<_> = outputs.posts.iter().filter(|(_, count)| **count > 1).take(5).collect();
    assert_eq!(repeated, 0, "repeated: {at:?}\n{}", outputs.logs);
}

#[test]
fn killed_runs_deliver_each_post_once_or_report_it_as_lost() {
    let kills = std::env::var("POWERSTREAM_KILLS").map_or(12, |kills| kills.parse().unwrap());
    let (directory, simulator) = (directory(), simulator(1.0));
    let state = directory.path().join("state");
    let mut outputs = Outputs::default();
    let mut random = 1_u64;
    for round in 0..kills {
        let pause = {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Duration::from_millis((random >> 33) % 900)
        };
        let run = start(&simulator, &state, "");
        run.read(&simulator, &mut outputs, |child, lines, _| {
            let started = Instant::now();
            // The first run must leave a state.
            while round == 0 && lines.load(Ordering::Relaxed) < 150 && started.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(pause);
            child.kill().unwrap();
        });
        simulator.advance(Duration::from_secs(60 * OUTAGES[round % OUTAGES.len()]));
    }
    start(&simulator, &state, "").read(&simulator, &mut outputs, at_rest);
    check(&simulator, &outputs);
}

#[test]
fn runs_ended_by_a_signal_deliver_each_post_once() {
    let (directory, simulator) = (directory(), simulator(1.0));
    let state = directory.path().join("state");
    let mut outputs = Outputs::default();
    for outage in [0, 1, 8, 0] {
        start(&simulator, &state, "").read(&simulator, &mut outputs, at_rest);
        simulator.advance(Duration::from_secs(60 * outage));
    }
    check(&simulator, &outputs);
    assert!(outputs.lost.is_empty(), "{}", outputs.logs);
}

#[test]
fn a_second_process_on_one_state_file_and_another_stream_are_refused() {
    let (directory, simulator) = (directory(), simulator(1.0));
    let state = directory.path().join("state");
    let mut outputs = Outputs::default();
    let arguments = format!("stream --state {} --base-url {}", state.display(), simulator.base_url());
    start(&simulator, &state, "").read(&simulator, &mut outputs, |child, lines, open| {
        while lines.load(Ordering::Relaxed) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let second = run(tool(&arguments).env("X_BEARER_TOKEN", "any"));
        let stderr = text(&second.stderr);
        assert!(stderr.contains("another process uses") && second.status.code() == Some(1), "{stderr}");
        at_rest(child, lines, open);
    });
    let other = run(tool(&format!("{arguments} --local-dc-only")).env("X_BEARER_TOKEN", "any"));
    let stderr = text(&other.stderr);
    assert!(stderr.contains("belongs to another stream") && other.status.code() == Some(2), "{stderr}");
}

#[test]
fn a_damaged_state_is_reported_and_replaced() {
    let (directory, simulator) = (directory(), simulator(1.0));
    let state = directory.path().join("state");
    std::fs::write(&state, "no checkpoint").unwrap();
    let mut outputs = Outputs::default();
    start(&simulator, &state, "").read(&simulator, &mut outputs, at_rest);
    assert!(outputs.logs.contains("is ignored: this is not a checkpoint"), "{}", outputs.logs);
    let mut bytes = Vec::new();
    std::fs::File::open(&state).unwrap().read_to_end(&mut bytes).unwrap();
    assert!(bytes.starts_with(b"PSCP"));
}
