//! Alerts: log lines, metrics, and the command of `--on-alert`.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use powerstream_core::alert::{Alert, AlertConfig, Alerts, CODES, Change, Sample};
use powerstream_core::time;
use serde_json::json;
use tracing::{info, warn};

use super::{Observed, View};
use crate::rules::RuleWatch;
use crate::system::explained;
use crate::utc::rfc3339;

/// Samples in a period.
const SAMPLES: u32 = 10;

/// Samples are at most this far apart, so that the clock and the cap are judged soon.
const SAMPLE_EVERY_MAX: Duration = Duration::from_secs(10);

/// A command that runs longer is ended: the next alert must not wait for it.
const COMMAND_MAX: Duration = Duration::from_secs(30);

/// The alerts so far, for metrics.
#[derive(Debug, Default)]
pub(in crate::stream) struct AlertCounts {
    begun: [AtomicU64; CODES.len()],
    active: [AtomicU64; CODES.len()],
}

impl AlertCounts {
    /// Returns the code of each alert, how often it began, and 1 if it is active.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, u64, u64)> + '_ {
        let counts = self.begun.iter().zip(&self.active);
        CODES.into_iter().zip(counts).map(|(code, (begun, active))| {
            (code, begun.load(Ordering::Relaxed), active.load(Ordering::Relaxed))
        })
    }

    fn handle(&self, change: &Change) {
        let (code, is_active) = match change {
            Change::Begun(alert) => (alert.code(), true),
            Change::Ended(code) => (*code, false),
            _ => return,
        };
        if let Some(at) = CODES.iter().position(|name| *name == code) {
            self.begun[at].fetch_add(u64::from(is_active), Ordering::Relaxed);
            self.active[at].store(u64::from(is_active), Ordering::Relaxed);
        }
    }
}

/// Watches the counters and the app's rules, for ever.
pub(in crate::stream) fn run(
    observed: &Observed,
    config: AlertConfig,
    command: Option<&str>,
    mut rules: Option<RuleWatch>,
) {
    let mut alerts = Alerts::new(config);
    let started = Instant::now();
    loop {
        std::thread::sleep((config.period / SAMPLES).min(SAMPLE_EVERY_MAX));
        let now = time::Instant::from_std(Instant::now(), started);
        if rules.as_mut().is_some_and(RuleWatch::has_changed) {
            info!("the rules were changed: another volume is expected for a while");
            alerts.handle_rules_changed(now);
        }
        alerts.handle_sample(&sample(&observed.view()), now);
        while let Some(change) = alerts.poll() {
            observed.alerts.handle(&change);
            match &change {
                Change::Begun(alert) => warn!("alert: {}", describe(alert, config.period)),
                Change::Ended(code) => info!("alert ended: {}", code.replace('_', " ")),
                _ => {}
            }
            if let Some(command) = command
                && let Err(error) = start(command, &json(&change))
            {
                warn!("--on-alert: {}", explained(&error));
            }
        }
    }
}

/// Returns the counters of all connections as one sample.
fn sample(view: &View) -> Sample {
    let mut sample = Sample::default();
    sample.posts = view.sum(|one| one.posts).saturating_sub(view.sum(|one| one.duplicates));
    sample.month_posts = view.month_posts;
    sample.streams = view.sum(|one| one.streams);
    sample.is_streaming = view.streaming() == view.connections.len();
    sample.lag = view.lag();
    let offsets = view.connections.iter().map(|(_, one)| one.clock_offset_ms.unsigned_abs());
    sample.clock_offset = Duration::from_millis(offsets.max().unwrap_or_default());
    sample
}

fn describe(alert: &Alert, period: Duration) -> String {
    match alert {
        Alert::VolumeDrop { posts, expected } => {
            format!("volume drop: {posts} Posts in {period:?}, {expected} are expected")
        }
        Alert::VolumeSurge { posts, expected, rules_changed } => {
            let why = if *rules_changed { "; the rules were changed before" } else { "" };
            format!("volume surge: {posts} Posts in {period:?}, {expected} are expected{why}")
        }
        Alert::FallingBehind { lag } => {
            format!("falling behind: half of the Posts are more than {lag:.1?} old, and it gets worse")
        }
        Alert::MonthlyCap { posts, cap } => {
            format!("monthly cap: {posts} of {cap} Posts in this month")
        }
        Alert::WrongClock { offset } => {
            format!("wrong clock: this machine's clock and the server's differ by {offset:.1?}")
        }
        alert => alert.code().to_owned(),
    }
}

/// Returns the change as one line of JSON.
fn json(change: &Change) -> String {
    let at = rfc3339(SystemTime::now().into());
    let mut line = match change {
        Change::Begun(alert) => match alert {
            Alert::VolumeDrop { posts, expected } => json!({ "posts": posts, "expected": expected }),
            Alert::VolumeSurge { posts, expected, rules_changed } => {
                json!({ "posts": posts, "expected": expected, "rules_changed": rules_changed })
            }
            Alert::FallingBehind { lag } => json!({ "lag_ms": lag.as_millis() as u64 }),
            Alert::MonthlyCap { posts, cap } => json!({ "posts": posts, "cap": cap }),
            Alert::WrongClock { offset } => json!({ "offset_ms": offset.as_millis() as u64 }),
            _ => json!({}),
        },
        _ => json!({}),
    };
    let (code, state) = match change {
        Change::Begun(alert) => (alert.code(), "begun"),
        Change::Ended(code) => (*code, "ended"),
        _ => ("unknown", "unknown"),
    };
    (line["alert"], line["state"], line["at"]) = (json!(code), json!(state), json!(at));
    format!("{line}\n")
}

/// Runs a command of the shell with the line as its standard input, on a thread of its own.
fn start(command: &str, line: &str) -> std::io::Result<()> {
    #[cfg(unix)]
    let mut shell = Command::new("sh");
    #[cfg(unix)]
    shell.args(["-c", command]);
    #[cfg(not(unix))]
    let mut shell = Command::new("cmd");
    #[cfg(not(unix))]
    shell.args(["/C", command]);
    // Standard output belongs to the Posts. The token is not for other programs.
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).env_remove("X_BEARER_TOKEN");
    // A group of its own, so that what the shell starts can be ended too.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    let mut child = shell.spawn()?;
    let line = line.to_owned();
    std::thread::Builder::new().name(String::from("on-alert")).spawn(move || {
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read it needs none.
            let _ = stdin.write_all(line.as_bytes());
        }
        finish(&mut child);
    })?;
    Ok(())
}

/// Ends a command and all that it has started.
fn kill(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It fails only if the group has ended.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
}

/// Waits for the end of a command, and ends one that takes too long.
fn finish(child: &mut Child) {
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(None) if started.elapsed() < COMMAND_MAX => std::thread::sleep(Duration::from_millis(100)),
            Ok(None) => {
                warn!("--on-alert: the command was ended after {COMMAND_MAX:?}");
                kill(child);
                let _ = child.wait();
                return;
            }
            Ok(Some(status)) if !status.success() => {
                return warn!("--on-alert: the command failed: {status}");
            }
            Ok(Some(_)) => return,
            Err(error) => return warn!("--on-alert: {}", explained(&error)),
        }
    }
}
