//! What happens in a round: decided by the seed and the number of the round.

use std::fmt;
use std::time::Duration;

use powerstream_simulator::Scenario;

/// The runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Runtime {
    Blocking,
    Tokio,
    Smol,
}

/// How the client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One stream.
    Single,
    /// One stream with backfill.
    Backfill,
    /// Two or three connections with the same Posts.
    Merged(u8),
    /// One connection with recovery, and backfill or not.
    Recovery { backfill: bool },
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    seed: u64,
    number: u64,
    only: Option<Runtime>,
    pub(super) runtime: Runtime,
    pub(super) tls: bool,
    pub(super) shape: Shape,
    pub(super) scenario: Scenario,
    /// Posts per second.
    pub(super) rate: f64,
    /// How long to read.
    pub(super) length: Duration,
    /// The consumer pauses so long, at intervals of several seconds; zero: never.
    pub(super) pause: Duration,
    /// For the parts of the round.
    pub(super) seed_of_parts: u64,
}

/// A generator of random numbers: SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// Scenarios that change how messages are cut, and end nothing.
const HARMLESS: [Scenario; 6] = [
    Scenario::Steady,
    Scenario::TinyChunks,
    Scenario::Split,
    Scenario::Coalesce,
    Scenario::Dribble,
    Scenario::KeepAlives,
];

impl Plan {
    pub(super) fn new(seed: u64, number: u64, only: Option<Runtime>) -> Self {
        let mut rng = Rng(seed ^ Rng(number).next());
        let runtime = rng.pick(&[Runtime::Blocking, Runtime::Tokio, Runtime::Smol]);
        let shape = match rng.below(8) {
            0..3 => Shape::Single,
            3 => Shape::Backfill,
            4 | 5 => Shape::Merged(2 + rng.below(2) as u8),
            6 => Shape::Recovery { backfill: false },
            _ => Shape::Recovery { backfill: true },
        };
        let scenario = match shape {
            // A server that ends a recovery properly, before its end, looks like a good one.
            Shape::Recovery { .. } => rng.pick(&HARMLESS),
            _ => rng.pick(Scenario::all()),
        };
        Self {
            seed,
            number,
            only,
            runtime: only.unwrap_or(runtime),
            tls: rng.below(2) == 0,
            shape,
            scenario,
            rate: rng.pick(&[20.0, 100.0, 300.0]),
            length: Duration::from_secs(15 + rng.below(20)),
            pause: Duration::from_millis(rng.pick(&[0, 0, 50, 1_000, 4_000])),
            seed_of_parts: rng.next(),
        }
    }

    /// Returns true if the scenario's server sends Posts, at least after some attempts.
    pub(super) fn sends_posts(&self) -> bool {
        !matches!(self.scenario, Scenario::RateLimited | Scenario::TooManyConnections | Scenario::AcceptClose)
    }

    /// Returns the command that runs this round alone.
    pub(super) fn command(&self) -> String {
        let runtime = match self.only {
            Some(Runtime::Blocking) => " --runtime blocking",
            Some(Runtime::Tokio) => " --runtime tokio",
            Some(Runtime::Smol) => " --runtime smol",
            None => "",
        };
        format!("powerstream soak --seed {} --round {}{runtime}", self.seed, self.number)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runtime = match self.runtime {
            Runtime::Blocking => "blocking",
            Runtime::Tokio => "tokio",
            Runtime::Smol => "smol",
        };
        let transport = if self.tls { "TLS" } else { "plain" };
        write!(f, "round {}: {runtime}, {transport}, ", self.number)?;
        match self.shape {
            Shape::Single => f.write_str("single")?,
            Shape::Backfill => f.write_str("backfill")?,
            Shape::Merged(connections) => write!(f, "{connections} merged")?,
            Shape::Recovery { backfill: false } => f.write_str("recovery")?,
            Shape::Recovery { backfill: true } => f.write_str("backfill and recovery")?,
        }
        write!(f, ", {}, {} Posts/s", self.scenario, self.rate)?;
        if !self.pause.is_zero() {
            write!(f, ", pauses of {:?}", self.pause)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_the_same_each_time_and_rounds_differ() {
        let text = |seed, number| format!("{:?}", Plan::new(seed, number, None));
        for number in 0..50 {
            assert_eq!(text(1, number), text(1, number));
            assert_ne!(text(1, number), text(1, number + 1));
            assert_ne!(text(1, number), text(2, number));
        }
    }
}
