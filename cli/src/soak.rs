//! `powerstream soak`: random scenarios and networks against the client, checked against what the
//! simulator had to send.
//!
//! ```text
//!   Simulator --> one Proxy per connection --> client on a runtime --> [ Report ] --> [ Judgment ]
//! ```
//!
//! Each round has its own simulator, proxies and client, all decided by the seed and the round's
//! number. After the run, the process must hold no more descriptors and threads than before.

mod plan;
mod report;
mod resources;
mod round;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use self::plan::{Plan, Runtime};
use self::report::Judgment;
use self::resources::{MemoryLog, Resources};
use crate::exit::{Exit, Failure, complain};
use crate::interrupt::on_interrupt;
use crate::log;
use crate::system::check_open_files;

const NOTES: &str = "\
Each round starts a simulator with a random scenario, one to three proxies that stall, delay,
dribble, reset, half-close or swallow connections, and a client. The client runs on a random
runtime, plain or over TLS, as one stream, merged, or with recovery, and is slow now and then.

At the end of a round, each Post of the simulator must have been delivered once, or be within a
range that the client reported. At the end of the run, the command checks that half of the rounds
delivered Posts, and that descriptors and threads are released. In runs of five minutes or more,
memory must not grow after the first third by more than 64 MiB or a half.

Exit codes:
  0  no violation
  1  a violation: a Post was lost outside a reported range or delivered twice, most rounds
     delivered nothing, a resource leaks, or memory grows
  2  wrong usage

Examples:
  powerstream soak --minutes 30
  powerstream soak --minutes 30 --runtime tokio
  powerstream soak --seed 7 --round 12
      the round that a violation names";

/// Run random faults against the client, and check that no Post is lost unreported
#[derive(Debug, clap::Args)]
#[command(after_long_help = NOTES)]
pub(crate) struct Args {
    /// How long to start new rounds
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,

    /// The seed of all rounds
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Run only this round
    #[arg(long, value_name = "N")]
    round: Option<u64>,

    /// The runtime of all rounds [default: a random one each]
    #[arg(long, value_enum)]
    runtime: Option<Runtime>,

    /// Rounds at the same time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=64))]
    parallel: u64,
}

/// In fewer rounds than this, the faults alone may prevent that Posts are delivered.
const JUDGED_ROUNDS_MIN: u64 = 8;

/// The sum of all rounds.
#[derive(Debug, Default)]
struct Total {
    rounds: u64,
    deliveries: Deliveries,
    memory: MemoryLog,
    sum: Judgment,
    violations: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    log::init(false);
    check_open_files()?;
    let is_over = Arc::new(AtomicBool::new(false));
    let interrupted = Arc::clone(&is_over);
    on_interrupt(move || interrupted.store(true, Ordering::Relaxed))?;

    let before = Resources::now();
    let (started, next) = (Instant::now(), AtomicU64::new(args.round.unwrap_or(0)));
    let length = Duration::from_secs(60 * args.minutes);
    let workers = if args.round.is_some() { 1 } else { args.parallel };
    let total = Mutex::new(Total::default());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) && started.elapsed() < length {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let plan = Plan::new(args.seed, number, args.runtime);
                    let result = round::run(&plan, &is_over);
                    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                    let at = started.elapsed();
                    // After an interrupt, rounds are cut short.
                    if !is_over.load(Ordering::Relaxed) {
                        total.deliveries.count(&plan, &result);
                        // After `length`, fewer rounds run.
                        if at < length {
                            total.memory.record(at, Resources::now().memory());
                        }
                    }
                    total.add(&plan, result, at);
                    if args.round.is_some() {
                        return;
                    }
                }
            });
        }
    });
    let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let after = Resources::settled(&before);
    let leak = after.leak_since(&before);
    let growth = total.memory.growth(started.elapsed().min(length));
    for violation in [leak, growth, total.deliveries.violation()].into_iter().flatten() {
        complain(&violation);
        total.violations.push(violation);
    }
    println!(
        "{} rounds in {:.0?}, {} without a delivery: {}; {after}; {} violations",
        total.rounds,
        started.elapsed(),
        total.deliveries.empty,
        total.sum,
        total.violations.len()
    );
    match total.violations.first() {
        None => Ok(Exit::Done),
        Some(first) => Err(Failure::new(Exit::Failed, first.clone())),
    }
}

/// Rounds whose server sends Posts, and how many of them delivered none.
#[derive(Debug, Default)]
struct Deliveries {
    rounds: u64,
    empty: u64,
}

impl Deliveries {
    /// Counts a round, unless its server sends no Posts or it could not be judged.
    fn count(&mut self, plan: &Plan, result: &Result<Judgment, String>) {
        let Ok(judgment) = result else { return };
        if plan.sends_posts() {
            self.add(judgment.is_empty());
        }
    }

    fn add(&mut self, is_empty: bool) {
        self.rounds += 1;
        self.empty += u64::from(is_empty);
    }

    /// Returns that most rounds delivered nothing. A client that never streams loses no Post
    /// outside a reported range, and only this check reports it.
    fn violation(&self) -> Option<String> {
        let Self { rounds, empty } = *self;
        (rounds >= JUDGED_ROUNDS_MIN && empty > rounds / 2).then(|| {
            format!("{empty} of {rounds} rounds delivered no Post, although their servers send Posts")
        })
    }
}

impl Total {
    /// Adds the result of a round, and prints it.
    fn add(&mut self, plan: &Plan, result: Result<Judgment, String>, at: Duration) {
        self.rounds += 1;
        let text = match result {
            Ok(judgment) => {
                self.sum += judgment;
                match judgment.violation() {
                    None => format!("{judgment}; {}", Resources::now()),
                    Some(violation) => self.violated(plan, &format!("{violation}: {judgment}")),
                }
            }
            Err(error) => self.violated(plan, &error),
        };
        println!("{:>6.0?} {plan}: {text}", at);
    }

    fn violated(&mut self, plan: &Plan, what: &str) -> String {
        let text = format!("{what}; again with {}", plan.command());
        complain(&format!("violation: {plan}: {text}"));
        self.violations.push(format!("{plan}: {text}"));
        text
    }
}

#[cfg(test)]
mod tests {
    use powerstream_simulator::Scenario;

    use super::*;

    #[test]
    fn most_rounds_must_deliver_posts() {
        let violation = |rounds: u64, empty: u64| {
            let mut deliveries = Deliveries::default();
            (0..rounds).for_each(|round| deliveries.add(round < empty));
            deliveries.violation()
        };
        assert_eq!(violation(8, 4), None);
        assert_eq!(violation(9, 4), None);
        assert_eq!(
            violation(8, 5).unwrap(),
            "5 of 8 rounds delivered no Post, although their servers send Posts"
        );
        assert!(violation(9, 5).is_some());
        // Too few rounds to judge.
        assert_eq!((violation(0, 0), violation(7, 7)), (None, None));
    }

    #[test]
    fn rounds_without_posts_and_rounds_that_failed_are_not_counted() {
        let mut deliveries = Deliveries::default();
        let mut plan = Plan::new(1, 1, None);
        let empty = Ok(Judgment::default());
        for scenario in [Scenario::RateLimited, Scenario::TooManyConnections, Scenario::AcceptClose] {
            plan.scenario = scenario;
            deliveries.count(&plan, &empty);
        }
        plan.scenario = Scenario::Steady;
        deliveries.count(&plan, &Err(String::new()));
        assert_eq!((deliveries.rounds, deliveries.empty), (0, 0));
        deliveries.count(&plan, &empty);
        assert_eq!((deliveries.rounds, deliveries.empty), (1, 1));
    }
}
