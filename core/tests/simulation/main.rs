//! Years of a hostile service and network in virtual time, against the real sessions.
//!
//! `cargo test --release -p powerstream-core --test simulation` runs it. The environment:
//!
//! - `SEED`: the first seed. Default: 1.
//! - `YEARS`: the connection-years to run. Default: a few seconds' worth.
//! - `WALL_SECONDS`: start no more runs after this time.
//! - `SHRINK=0`: does not shrink a failing run.
//! - `REPLAY=SEED:KINDS:FAULTS`: replays one run with its transcript, as a failure prints it.

#![allow(unreachable_pub, clippy::exhaustive_structs, clippy::exhaustive_enums)]

mod connection;
#[path = "../counting/mod.rs"]
mod counting;
mod cuts;
mod faults;
mod invariants;
mod judge;
mod meter;
mod network;
#[path = "../random/mod.rs"]
mod random;
mod responses;
mod service;
mod shrink;
mod statistics;
mod transcript;
mod world;

use std::env;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use random::Rng;
use statistics::Statistics;
use world::{Case, Plan};

/// The lines of a failing run's transcript that are printed. A replay prints all.
const LINES_MAX: usize = 40;

/// Nanoseconds of a year of 365.25 days.
const YEAR: f64 = 365.25 * 86_400.0 * 1e9;

/// The runs that are still to do: a list that depends on the first seed and the years only.
struct Runs {
    seeds: Rng,
    left: f64,
    failure: Option<(Case, String)>,
    statistics: Statistics,
    /// The minutes after which progress was reported.
    minutes: u64,
}

impl Runs {
    /// Prints a line each minute.
    fn report_progress(&mut self, elapsed: Duration) {
        let minutes = elapsed.as_secs() / 60;
        if minutes > self.minutes {
            self.minutes = minutes;
            let (done, left) = (self.statistics.years(), self.left.max(0.0) / YEAR);
            eprintln!("{minutes} min: {done:.0} connection-years, {left:.0} left to begin");
        }
    }
}

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    match text.parse() {
        Ok(value) => Some(value),
        Err(_) => panic!("{name}={text} is not a number"),
    }
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    if let Ok(text) = env::var("REPLAY") {
        return replay(&text);
    }
    let seed = variable("SEED").unwrap_or(1);
    let years = variable("YEARS").unwrap_or(if cfg!(debug_assertions) { 0.05 } else { 3.0 });
    let limit = variable("WALL_SECONDS").map_or(Duration::MAX, Duration::from_secs);
    let begun = Instant::now();
    let runs = Mutex::new(Runs {
        seeds: Rng(seed),
        left: years * YEAR,
        failure: None,
        statistics: Statistics::default(),
        minutes: 0,
    });
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&runs, begun, limit));
        }
    });
    let Ok(Runs { failure, statistics, .. }) = runs.into_inner() else { return ExitCode::FAILURE };
    println!("seed {seed}, {:.1} s on {threads} threads", begun.elapsed().as_secs_f64());
    println!("{statistics}");
    match failure {
        None => ExitCode::SUCCESS,
        Some((case, text)) => report(case, &text),
    }
}

fn work(runs: &Mutex<Runs>, begun: Instant, limit: Duration) {
    loop {
        let (case, is_repeated) = {
            let Ok(mut runs) = runs.lock() else { return };
            if runs.failure.is_some() || runs.left <= 0.0 || begun.elapsed() >= limit {
                return;
            }
            let seed = runs.seeds.next();
            let plan = Plan::draw(seed);
            runs.left -= plan.connection_time() as f64;
            // Short runs are cheap to repeat.
            (Case::new(seed), plan.is_dense() || seed % 32 == 0)
        };
        let result = if is_repeated { shrink::run_twice(case, false) } else { shrink::run(case, false) };
        let Ok(mut runs) = runs.lock() else { return };
        match result {
            Ok(statistics) => {
                runs.statistics.add(&statistics);
                runs.report_progress(begun.elapsed());
            }
            Err(failure) => {
                runs.failure.get_or_insert((case, failure.text));
            }
        }
    }
}

fn replay(text: &str) -> ExitCode {
    let Some(case) = shrink::parse(text) else {
        eprintln!("REPLAY={text} is not SEED:KINDS:FAULTS, each in hexadecimal");
        return ExitCode::FAILURE;
    };
    match shrink::run_twice(case, true) {
        Ok(statistics) => {
            println!("{statistics}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{}", failure.lines.join("\n"));
            println!("{}", failure.text);
            ExitCode::FAILURE
        }
    }
}

fn report(case: Case, text: &str) -> ExitCode {
    println!("{text}");
    println!("found by REPLAY={}", shrink::format(case));
    if variable("SHRINK") == Some(0_u8) {
        return ExitCode::FAILURE;
    }
    let (case, failure) = shrink::shrink(case, text);
    let last = failure.lines.len().saturating_sub(LINES_MAX);
    println!("{}", failure.lines[last..].join("\n"));
    println!("{}", failure.text);
    println!("replay it by");
    println!(
        "CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true REPLAY={} \
         cargo test --release -p powerstream-core --test simulation",
        shrink::format(case)
    );
    ExitCode::FAILURE
}
