//! `powerstream soak`: random scenarios and networks against the client, checked against what the
//! simulator had to send.
//!
//! ```text
//!   Simulator --> one Proxy per connection --> client on a runtime --> [ Report ] --> [ Judgment ]
//! ```
//!
//! Each round has its own simulator, proxies and client, all decided by the seed and the round's
//! number. After each round the process must hold no more descriptors and threads than before.

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
use self::resources::Resources;
use crate::exit::{Exit, Failure, complain};
use crate::interrupt::on_interrupt;
use crate::log;
use crate::system::check_open_files;

const NOTES: &str = "\
Each round starts a simulator with a random scenario, one to three proxies that stall, delay,
dribble, reset, half-close or swallow connections, and a client. The client runs on a random
runtime, plain or over TLS, as one stream, merged, or with recovery, and is slow now and then.

At the end of a round, each Post of the simulator must have been delivered once, or be within a
range that the client reported. The command then checks that descriptors and threads are released.

Exit codes:
  0  no violation
  1  a violation: a Post was lost outside a reported range or delivered twice, or a resource leaks
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

/// The sum of all rounds.
#[derive(Debug, Default)]
struct Total {
    rounds: u64,
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
                    total.add(&plan, result, started.elapsed());
                    if args.round.is_some() {
                        return;
                    }
                }
            });
        }
    });
    let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let after = Resources::settled(&before);
    if let Some(leak) = after.leak_since(&before) {
        complain(&leak);
        total.violations.push(leak);
    }
    println!(
        "{} rounds in {:.0?}: {}; {after}; {} violations",
        total.rounds,
        started.elapsed(),
        total.sum,
        total.violations.len()
    );
    match total.violations.first() {
        None => Ok(Exit::Done),
        Some(first) => Err(Failure::new(Exit::Failed, first.clone())),
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
