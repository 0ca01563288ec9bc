//! `--state`, `--backfill` and `--recovery`: runs that are killed and continued deliver each Post
//! once, but for those that they report as lost.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
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
    /// Ranges that were reported as lost, in seconds.
    lost: Vec<(u64, u64)>,
    logs: String,
}

/// A run that appends its Posts to a file, while the simulator's clock advances.
struct Run<'a> {
    child: Child,
    simulator: &'a Simulator,
    posts: PathBuf,
}

/// What a run has done so far.
#[derive(Default)]
struct Progress {
    lines: AtomicU64,
    /// Ranges that are being recovered.
    open: AtomicU64,
}

fn start<'a>(simulator: &'a Simulator, directory: &Path) -> Run<'a> {
    let arguments = format!("stream --base-url {} --backfill --recovery --state", simulator.base_url());
    let mut command: Command = tool(&arguments);
    command.arg(directory.join("state")).env("X_BEARER_TOKEN", "any");
    let posts = directory.join("posts");
    let file = OpenOptions::new().create(true).append(true).open(&posts).unwrap();
    command.stdout(file).stderr(Stdio::piped());
    Run { child: command.spawn().unwrap(), simulator, posts }
}

impl Run<'_> {
    /// Reads the log until `stop` ends the process, and adds it to the outputs.
    fn read(mut self, outputs: &mut Outputs, stop: impl FnOnce(&mut Child, &Progress)) {
        let stderr = self.child.stderr.take().unwrap();
        let (progress, is_over) = (Progress::default(), AtomicBool::new(false));
        let (simulator, posts) = (self.simulator, &self.posts);
        let log = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut file = File::open(posts).unwrap();
                file.seek(SeekFrom::End(0)).unwrap();
                while !is_over.load(Ordering::Relaxed) {
                    simulator.advance(Duration::from_millis(100));
                    std::thread::sleep(Duration::from_millis(2));
                    let mut bytes = Vec::new();
                    file.read_to_end(&mut bytes).unwrap();
                    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
                    progress.lines.fetch_add(lines, Ordering::Relaxed);
                }
            });
            let log = scope.spawn(|| {
                let mut log = String::new();
                for line in BufReader::new(stderr).lines() {
                    let line = line.unwrap();
                    if line.contains("recovery: requesting") {
                        progress.open.fetch_add(1, Ordering::Relaxed);
                    } else if line.contains("recovery: received") {
                        progress.open.fetch_sub(1, Ordering::Relaxed);
                    }
                    log += &line;
                    log.push('\n');
                }
                log
            });
            stop(&mut self.child, &progress);
            self.child.wait().unwrap();
            is_over.store(true, Ordering::Relaxed);
            log.join().unwrap()
        });
        outputs.lost.extend(log.lines().filter(|line| line.contains("are lost:")).map(range));
        outputs.logs += &log;
        outputs.logs += "---\n";
    }
}

/// Returns the id of a Post.
fn id_of(line: &str) -> u64 {
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
fn at_rest(child: &mut Child, progress: &Progress) {
    let (started, mut quiet) = (Instant::now(), 0);
    while quiet < 20 {
        assert!(started.elapsed() < PATIENCE * 4, "the run does not come to rest");
        std::thread::sleep(Duration::from_millis(50));
        let is_busy =
            progress.lines.load(Ordering::Relaxed) < 10 || progress.open.load(Ordering::Relaxed) > 0;
        quiet = if is_busy { 0 } else { quiet + 1 };
    }
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// Checks that the file holds each Post once, but for those in ranges reported as lost.
fn check(simulator: &Simulator, directory: &Path, outputs: &Outputs) {
    let mut posts = BTreeMap::<u64, u32>::new();
    for line in BufReader::new(File::open(directory.join("posts")).unwrap()).lines() {
        *posts.entry(id_of(&line.unwrap())).or_default() += 1;
    }
    let (first, _) = posts.first_key_value().unwrap();
    let (last, _) = posts.last_key_value().unwrap();
    let truth = simulator.post_ids(created(*first), created(*last) + 1);
    let is_lost =
        |id: u64| outputs.lost.iter().any(|(from, to)| (*from..*to).contains(&(created(id) / 1_000)));
    let missing: Vec<_> = truth.iter().filter(|id| !posts.contains_key(id)).collect();
    let outside: Vec<_> = missing.iter().filter(|id| !is_lost(***id)).collect();
    let repeated: Vec<_> = posts.iter().filter(|(_, count)| **count > 1).collect();
    eprintln!(
        "{} Posts, {} lost, {} of them outside of reported ranges, {} repeated",
        truth.len(),
        missing.len(),
        outside.len(),
        repeated.len()
    );
    let at: Vec<_> = outside.iter().take(5).map(|id| created(***id)).collect();
    assert!(outside.is_empty(), "missing outside: created at {at:?}\n{}", outputs.logs);
    assert!(repeated.is_empty(), "repeated: {:?}\n{}", repeated.first(), outputs.logs);
}

#[test]
fn killed_runs_deliver_each_post_once_or_report_it_as_lost() {
    let kills = std::env::var("POWERSTREAM_KILLS").map_or(12, |kills| kills.parse().unwrap());
    let (directory, simulator) = (directory(), simulator(1.0));
    let mut outputs = Outputs::default();
    let mut random = 1_u64;
    for round in 0..kills {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pause = Duration::from_millis((random >> 33) % 900);
        start(&simulator, directory.path()).read(&mut outputs, |child, progress| {
            let started = Instant::now();
            // The first run must leave a state.
            while round == 0 && progress.lines.load(Ordering::Relaxed) < 150 && started.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(pause);
            child.kill().unwrap();
        });
        simulator.advance(Duration::from_secs(60 * OUTAGES[round % OUTAGES.len()]));
    }
    start(&simulator, directory.path()).read(&mut outputs, at_rest);
    check(&simulator, directory.path(), &outputs);
}

#[test]
fn runs_ended_by_a_signal_deliver_each_post_once() {
    let (directory, simulator) = (directory(), simulator(1.0));
    let mut outputs = Outputs::default();
    for outage in [0, 1, 8, 0] {
        start(&simulator, directory.path()).read(&mut outputs, at_rest);
        simulator.advance(Duration::from_secs(60 * outage));
    }
    check(&simulator, directory.path(), &outputs);
    assert!(outputs.lost.is_empty(), "{}", outputs.logs);
}

#[test]
fn a_run_that_is_ended_during_a_recovery_is_continued() {
    let (directory, simulator) = (directory(), simulator(1.0));
    let mut outputs = Outputs::default();
    start(&simulator, directory.path()).read(&mut outputs, at_rest);
    simulator.advance(Duration::from_secs(5 * 60 * 60));
    for lines in [1, 500] {
        start(&simulator, directory.path()).read(&mut outputs, |child, progress| {
            let started = Instant::now();
            while progress.lines.load(Ordering::Relaxed) < lines && started.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
            let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            assert!(status.unwrap().success());
        });
    }
    let open = "a gap is still open at the end: ";
    let is_continued = |line: &str| line.contains(open) && line.ends_with("; the next run requests them");
    assert!(outputs.logs.lines().any(is_continued), "{}", outputs.logs);
    outputs.logs.clear();
    start(&simulator, directory.path()).read(&mut outputs, at_rest);
    assert!(!outputs.logs.contains(open), "{}", outputs.logs);
    check(&simulator, directory.path(), &outputs);
    assert!(outputs.lost.is_empty(), "{}", outputs.logs);
}

#[test]
fn a_second_process_on_one_state_file_and_another_stream_are_refused() {
    let (directory, simulator) = (directory(), simulator(1.0));
    let state = directory.path().join("state");
    let mut outputs = Outputs::default();
    let arguments = format!("stream --state {} --base-url {}", state.display(), simulator.base_url());
    start(&simulator, directory.path()).read(&mut outputs, |child, progress| {
        while progress.lines.load(Ordering::Relaxed) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let second = run(tool(&arguments).env("X_BEARER_TOKEN", "any"));
        let stderr = text(&second.stderr);
        assert!(stderr.contains("another process uses") && second.status.code() == Some(1), "{stderr}");
        at_rest(child, progress);
    });
    let other = run(tool(&format!("{arguments} --local-dc-only")).env("X_BEARER_TOKEN", "any"));
    let stderr = text(&other.stderr);
    assert!(stderr.contains("belongs to another stream") && other.status.code() == Some(2), "{stderr}");
}

#[test]
fn a_damaged_state_is_reported_and_replaced() {
    let (directory, simulator) = (directory(), simulator(1.0));
    let state = directory.path().join("state");
    let mut outputs = Outputs::default();
    start(&simulator, directory.path()).read(&mut outputs, at_rest);
    let mut bytes = std::fs::read(&state).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&state, &bytes).unwrap();
    simulator.advance(Duration::from_secs(600));
    // The ids beside it show since when Posts are missing.
    start(&simulator, directory.path()).read(&mut outputs, at_rest);
    assert!(outputs.logs.contains("is ignored: the checkpoint is truncated or modified"), "{}", outputs.logs);
    assert!(outputs.logs.contains("recovery: received"), "{}", outputs.logs);
    check(&simulator, directory.path(), &outputs);
    assert!(outputs.lost.is_empty(), "{}", outputs.logs);
}

#[test]
fn a_file_that_is_no_state_or_of_another_version_is_left_alone() {
    let (directory, simulator) = (directory(), simulator(1.0));
    let state = directory.path().join("state");
    let arguments = format!("stream --state {} --base-url {}", state.display(), simulator.base_url());
    for (bytes, text) in [
        (&b"{\"id\":20}\n"[..], "is not a state of this tool"),
        (b"PSCP\x01 of an earlier version", "the checkpoint has version 1"),
        (b"PSCP\x03 of a later version", "the checkpoint has version 3"),
    ] {
        std::fs::write(&state, bytes).unwrap();
        let output = run(tool(&arguments).env("X_BEARER_TOKEN", "any"));
        let stderr = crate::tool::text(&output.stderr);
        assert!(stderr.contains(text) && output.status.code() == Some(2), "{stderr}");
        assert_eq!(std::fs::read(&state).unwrap(), bytes);
    }
}

/// As on a full disk, the checkpoint cannot be replaced. The stream goes on, and the ids are kept.
#[test]
fn a_state_that_cannot_be_written_is_reported_once_and_stops_nothing() {
    let (directory, simulator) = (directory(), simulator(1.0));
    let (inner, moved) = (directory.path().join("inner"), directory.path().join("moved"));
    std::fs::create_dir(&inner).unwrap();
    let arguments = format!("stream --base-url {} --backfill --recovery --state", simulator.base_url());
    let mut outputs = Outputs::default();
    let posts = directory.path().join("posts");
    let run_with = |state: &Path| {
        let file = OpenOptions::new().create(true).append(true).open(&posts).unwrap();
        let mut command = tool(&arguments);
        command.arg(state).env("X_BEARER_TOKEN", "any").stdout(file).stderr(Stdio::piped());
        Run { child: command.spawn().unwrap(), simulator: &simulator, posts: posts.clone() }
    };
    let wait_for_lines = |progress: &Progress, lines: u64| {
        let (started, before) = (Instant::now(), progress.lines.load(Ordering::Relaxed));
        while progress.lines.load(Ordering::Relaxed) < before + lines {
            assert!(started.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    run_with(&inner.join("state")).read(&mut outputs, |child, progress| {
        let started = Instant::now();
        while !inner.join("state").exists() && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::fs::rename(&inner, &moved).unwrap();
        // Three seconds: the second failure is not reported again.
        wait_for_lines(progress, 150);
        child.kill().unwrap();
    });
    assert_eq!(outputs.logs.matches("cannot write").count(), 1, "{}", outputs.logs);
    simulator.advance(Duration::from_secs(120));
    run_with(&moved.join("state")).read(&mut outputs, at_rest);
    check(&simulator, directory.path(), &outputs);
}

/// The disk is a small file system in a mount namespace of the process.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_the_state_stops_nothing_and_repeats_nothing() {
    let (directory, simulator) = (directory(), simulator(1.0));
    let disk = directory.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let arguments = format!("stream --base-url {} --backfill --recovery --state", simulator.base_url());
    let script = format!("mount -t tmpfs -o size=9m none {0} && exec \"$@\"", disk.display());
    if !Command::new("unshare")
        .args(["-rm", "sh", "-c", &script, "sh", "true"])
        .status()
        .is_ok_and(|it| it.success())
    {
        eprintln!("no mount namespace can be made: not tested");
        return;
    }
    let (posts, mut outputs) = (directory.path().join("posts"), Outputs::default());
    let output = || OpenOptions::new().create(true).append(true).open(&posts).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_powerstream")]);
    command.args(arguments.split(' ')).arg(disk.join("state")).env("X_BEARER_TOKEN", "any");
    command.stdout(output()).stderr(Stdio::piped());
    let run = Run { child: command.spawn().unwrap(), simulator: &simulator, posts: posts.clone() };
    run.read(&mut outputs, |child, progress| {
        // `unshare` and `sh` become the tool. Its files are seen through its root.
        let inside = PathBuf::from(format!("/proc/{}/root{}", child.id(), disk.display()));
        let started = Instant::now();
        while !inside.join("state").exists() {
            assert!(started.elapsed() < PATIENCE, "no state");
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut filler = File::create(inside.join("filler")).unwrap();
        while std::io::Write::write_all(&mut filler, &[0; 4_096]).is_ok() {}
        let before = progress.lines.load(Ordering::Relaxed);
        // The virtual clock is 50 times as fast: at least three seconds.
        while progress.lines.load(Ordering::Relaxed) < before + 150 {
            assert!(started.elapsed() < PATIENCE, "no Posts on a full disk");
            std::thread::sleep(Duration::from_millis(5));
        }
        let stop = Command::new("kill").args(["-STOP", &child.id().to_string()]).status();
        assert!(stop.unwrap().success());
        for name in ["state", "state.ids"] {
            std::fs::copy(inside.join(name), directory.path().join(name)).unwrap();
        }
        child.kill().unwrap();
    });
    assert_eq!(outputs.logs.matches("cannot write").count(), 1, "{}", outputs.logs);
    simulator.advance(Duration::from_secs(120));
    start(&simulator, directory.path()).read(&mut outputs, at_rest);
    check(&simulator, directory.path(), &outputs);
    assert!(outputs.lost.is_empty(), "{}", outputs.logs);
}
