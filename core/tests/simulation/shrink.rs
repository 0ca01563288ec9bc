//! Runs a case and catches its failure; finds a smaller case with the same failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::faults::KINDS;
use crate::statistics::Statistics;
use crate::transcript;
use crate::world::{Case, World};

/// Shrinking stops after this time.
const TIME_MAX: Duration = Duration::from_secs(60);

/// A broken invariant.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The invariant and what was wrong.
    pub(crate) text: String,
    /// The end of the transcript.
    pub(crate) lines: Vec<String>,
}

/// Runs a case twice. The second run must be equal, although its clock starts elsewhere.
pub(crate) fn run_twice(case: Case, records: bool) -> Result<Statistics, Failure> {
    let first = run(case, records)?;
    if run_once(Case { has_plain_start: true, ..case }, false)? == first {
        return Ok(first);
    }
    let is_same = run_once(case, false)? == first;
    let text = if is_same { "I15: the start of the clock changes the run" } else { "I18: two runs differ" };
    Err(Failure { text: text.to_owned(), lines: Vec::new() })
}

/// Runs a case. `records` keeps its transcript.
pub(crate) fn run(case: Case, records: bool) -> Result<Statistics, Failure> {
    let result = run_once(case, records);
    let Err(mut failure) = result else { return result };
    let plain = Case { has_plain_start: true, ..case };
    if plain != case && run_once(plain, false).is_ok() {
        failure.text = format!("I15: only where the clock of the run starts: {}", failure.text);
    }
    Err(failure)
}

fn run_once(case: Case, records: bool) -> Result<Statistics, Failure> {
    transcript::begin(records);
    let result = catch_unwind(AssertUnwindSafe(|| World::new(case).run()));
    let (digest, lines) = transcript::end();
    match result {
        Ok(statistics) => Ok(Statistics { digest, ..statistics }),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let text = text.unwrap_or_default();
            // A panic that no invariant caused is one of the core, or a mistake of the model.
            let text = if invariant(&text).is_some() { text } else { format!("I16: {text}") };
            Err(Failure { text, lines })
        }
    }
}

/// Returns the invariant that a text names first.
fn invariant(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let line = line.strip_prefix("assertion `left == right` failed: ").unwrap_or(line);
        let (name, _) = line.split_once(':')?;
        let number = name.strip_prefix('I')?;
        number.parse::<u8>().is_ok().then_some(name)
    })
}

/// Shrinks a failing case: fewer faults, then fewer kinds, as long as the same invariant fails.
pub(crate) fn shrink(case: Case, text: &str) -> (Case, Failure) {
    let begun = Instant::now();
    let name = invariant(text);
    // Only a second run shows these.
    let run = if matches!(name, Some("I15" | "I18")) { run_twice } else { run };
    let fails = |case: Case| run(case, false).is_err_and(|failure| invariant(&failure.text) == name);
    let mut best = case;
    // Short runs first: the rest of the search is then fast.
    for bits in 0..40 {
        let try_it = Case { faults_max: 1 << bits, ..best };
        if begun.elapsed() > TIME_MAX || fails(try_it) {
            if fails(try_it) {
                best = try_it;
            }
            break;
        }
    }
    for kind in 0..KINDS {
        let try_it = Case { mask: best.mask & !(1 << kind), ..best };
        if begun.elapsed() > TIME_MAX {
            break;
        }
        if fails(try_it) {
            best = try_it;
        }
    }
    let mut step = best.faults_max.min(1 << 40) / 2;
    while step > 0 && begun.elapsed() < TIME_MAX {
        let try_it = Case { faults_max: best.faults_max.saturating_sub(step), ..best };
        if fails(try_it) {
            best = try_it;
        } else {
            step /= 2;
        }
    }
    match run(best, true) {
        Err(failure) => (best, failure),
        Ok(_) => {
            (case, run(case, true).err().unwrap_or(Failure { text: text.to_owned(), lines: Vec::new() }))
        }
    }
}

/// Formats a case as `REPLAY` takes it.
pub(crate) fn format(case: Case) -> String {
    format!("{:x}:{:x}:{:x}", case.seed, case.mask, case.faults_max)
}

/// Parses a case.
pub(crate) fn parse(text: &str) -> Option<Case> {
    let mut numbers = text.split(':').map(|number| u64::from_str_radix(number, 16).ok());
    let (seed, mask, faults_max) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let case = Case { mask, faults_max, ..Case::new(seed) };
    numbers.next().is_none().then_some(case)
}
