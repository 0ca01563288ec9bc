//! The documented reconnection schedules (X docs, handling disconnections).
//!
//! | class | starts at | grows | ceiling |
//! |---|---|---|---|
//! | network | 250 ms | by 250 ms | 16 s |
//! | HTTP | 5 s | doubles | 320 s |
//! | rate limit | 60 s | doubles | 900 s (none is documented; this is one rate-limit window) |
//!
//! Jitter of 0 to 25 % from a seed goes on top, as in X's own Python SDK, so that many clients do not come back in
//! step; it never takes a delay below the documented one. Each class counts for itself; all start over together, when
//! the caller has seen a healthy stream, and not when a server merely answered 200.
//!
//! ```
//! use powerstream_core::backoff::{Backoff, BackoffConfig, FailureClass};
//!
//! let mut config = BackoffConfig::default();
//! config.jitter_percent = 0;
//! let mut backoff = Backoff::new(config, 1);
//! let delays: [u128; 3] = core::array::from_fn(|_| backoff.next(FailureClass::Network).length.as_millis());
//! assert_eq!(delays, [250, 500, 750]);
//! assert_eq!(backoff.next(FailureClass::RateLimit).length.as_secs(), 60);
//! ```

use core::time::Duration;

/// What kind of failure is waited out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the documented classes")]
pub enum FailureClass {
    /// TCP, DNS, timeouts, TLS handshakes that do not come about, and streams that end before they were healthy.
    Network,
    /// HTTP errors that retrying may cure, answers that are not HTTP, and certificates and TLS that are wrong.
    Http,
    /// 429 (and 420 of old).
    RateLimit,
}

/// One schedule: its first delay and its ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a schedule is these two numbers")]
pub struct Schedule {
    /// The first delay; for the network class also the step.
    pub first: Duration,
    /// The longest delay, before jitter.
    pub ceiling: Duration,
}

/// The schedules and the jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackoffConfig {
    /// Grows by its first delay. Default 250 ms to 16 s, as documented.
    pub network: Schedule,
    /// Doubles. Default 5 s to 320 s, as documented.
    pub http: Schedule,
    /// Doubles. Default 60 s, as documented, to 900 s, one window.
    pub rate_limit: Schedule,
    /// Most jitter on top, in percent of the delay. Default 25; values above 100 count as 100.
    pub jitter_percent: u8,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        let schedule = |first, ceiling| Schedule {
            first: Duration::from_millis(first),
            ceiling: Duration::from_millis(ceiling),
        };
        Self {
            network: schedule(250, 16_000),
            http: schedule(5_000, 320_000),
            rate_limit: schedule(60_000, 900_000),
            jitter_percent: 25,
        }
    }
}

/// A delay to wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delay {
    /// How long, jitter included.
    pub length: Duration,
    /// The schedule has reached its ceiling: time to alert someone (X docs, handling disconnections).
    pub at_ceiling: bool,
}

/// Failure class in, delay out. Pure but for its counters.
#[derive(Clone, Debug)]
pub struct Backoff {
    config: BackoffConfig,
    /// Failures of each class since the last healthy stream.
    failures: [u32; 3],
    random: u64,
}

impl Delay {
    /// No delay at all.
    pub const NONE: Self = Self { length: Duration::ZERO, at_ceiling: false };
}

impl Backoff {
    /// A schedule at its start. The same seed gives the same jitter.
    #[must_use]
    pub const fn new(config: BackoffConfig, seed: u64) -> Self {
        Self { config, failures: [0; 3], random: seed }
    }

    /// The delay after one more failure of `class`.
    pub fn next(&mut self, class: FailureClass) -> Delay {
        let failures = &mut self.failures[class as usize];
        *failures = failures.saturating_add(1);
        let (schedule, factor) = match class {
            FailureClass::Network => (self.config.network, *failures),
            FailureClass::Http => (self.config.http, power_of_two(*failures - 1)),
            FailureClass::RateLimit => (self.config.rate_limit, power_of_two(*failures - 1)),
        };
        let delay = schedule.first.saturating_mul(factor);
        let at_ceiling = delay >= schedule.ceiling;
        let delay = delay.min(schedule.ceiling);
        Delay { length: delay.saturating_add(self.jitter(delay)), at_ceiling }
    }

    /// A stream was healthy: all classes start over.
    pub fn reset(&mut self) {
        self.failures = [0; 3];
    }

    /// Failures of `class` since the last [`Self::reset`].
    #[must_use]
    pub const fn failures(&self, class: FailureClass) -> u32 {
        self.failures[class as usize]
    }

    fn jitter(&mut self, delay: Duration) -> Duration {
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let most = u128::from(nanos) * u128::from(self.config.jitter_percent.min(100)) / 100;
        // The upper 64 bits of a product map a random number evenly onto 0..=most.
        let share = (u128::from(self.random()) * (most + 1)) >> 64;
        Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// SplitMix64: any seed will do, zero included.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

fn power_of_two(exponent: u32) -> u32 {
    1_u32.checked_shl(exponent).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From outside this takes four thousand million failures.
    #[test]
    fn counters_and_delays_saturate() {
        let config = BackoffConfig { jitter_percent: 0, ..BackoffConfig::default() };
        for (class, ceiling) in
            [(FailureClass::Network, 16), (FailureClass::Http, 320), (FailureClass::RateLimit, 900)]
        {
            for failures in [30, 31, 32, 33, u32::MAX - 2] {
                let mut backoff = Backoff { failures: [failures; 3], ..Backoff::new(config, 1) };
                for step in 1..6 {
                    let delay = backoff.next(class);
                    if !matches!((class, failures), (FailureClass::Network, 30..=33)) {
                        assert_eq!((delay.length, delay.at_ceiling), (Duration::from_secs(ceiling), true));
                    }
                    assert_eq!(backoff.failures(class), failures.saturating_add(step));
                }
            }
        }
    }
}
