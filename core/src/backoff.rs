//! The reconnection schedules that X documents (X docs, handling disconnections).
//!
//! | failure class | first wait | growth | ceiling |
//! |---|---|---|---|
//! | network | 250 ms | 250 ms each time | 16 s |
//! | HTTP | 5 s | doubles | 320 s |
//! | rate limit | 60 s | doubles | 900 s (not documented; one rate-limit window) |
//!
//! Jitter of 0 to 25 % is added, as in X's Python SDK, so that many clients do not reconnect at the
//! same moment. It never shortens a documented wait. Each class has its own counter. All counters
//! are reset together, when the caller reports a healthy stream; a response with status 200 is not
//! enough.
//!
//! ```
//! use powerstream_core::backoff::{Backoff, BackoffConfig, FailureClass};
//!
//! let mut config = BackoffConfig::default();
//! config.jitter_percent = 0;
//! let mut backoff = Backoff::new(config, 1);
//! let mut next_millis = || backoff.next(FailureClass::Network).length.as_millis();
//! let delays = [next_millis(), next_millis(), next_millis()];
//! assert_eq!(delays, [250, 500, 750]);
//! assert_eq!(backoff.next(FailureClass::RateLimit).length.as_secs(), 60);
//! ```

use core::time::Duration;

/// The kind of failure; it selects the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "X documents exactly these classes")]
pub enum FailureClass {
    /// Failures of TCP, DNS, timeouts and incomplete TLS handshakes, and streams that end before
    /// they were healthy.
    Network,
    /// HTTP errors that a retry may resolve, responses that are not HTTP, and TLS or certificate
    /// errors.
    Http,
    /// Status 429, or the older 420.
    RateLimit,
}

/// A schedule: its first wait and its ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a schedule has only these two values")]
pub struct Schedule {
    /// The first wait. In the network class, the wait also grows by it.
    pub first: Duration,
    /// The longest wait, without jitter.
    pub ceiling: Duration,
}

/// The schedules and the jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackoffConfig {
    /// Network failures; the wait grows by its first value. Default: 250 ms to 16 s, as documented.
    pub network: Schedule,
    /// HTTP failures; the wait doubles. Default: 5 s to 320 s, as documented.
    pub http: Schedule,
    /// Rate limits; the wait doubles. Default: 60 s, as documented, to 900 s, one window.
    pub rate_limit: Schedule,
    /// The maximum jitter in percent of the wait. Default: 25. Values above 100 count as 100.
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

/// A wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delay {
    /// The length, with jitter.
    pub length: Duration,
    /// True if the schedule has reached its ceiling. Alert an operator then (X docs, handling
    /// disconnections).
    pub at_ceiling: bool,
}

/// Computes the wait after each failure.
#[derive(Clone, Debug)]
pub struct Backoff {
    config: BackoffConfig,
    /// The failures of each class since the last reset.
    failures: [u32; 3],
    random: u64,
}

impl Delay {
    /// No wait.
    pub const NONE: Self = Self { length: Duration::ZERO, at_ceiling: false };
}

impl Backoff {
    /// Creates a schedule at its start. The same seed gives the same jitter.
    #[must_use]
    pub const fn new(config: BackoffConfig, seed: u64) -> Self {
        Self { config, failures: [0; 3], random: seed }
    }

    /// Counts a failure of `class` and returns the wait.
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

    /// Resets all classes. Call it after a healthy stream.
    pub fn reset(&mut self) {
        self.failures = [0; 3];
    }

    /// Returns the failures of `class` since the last [`Self::reset`].
    #[must_use]
    pub const fn failures(&self, class: FailureClass) -> u32 {
        self.failures[class as usize]
    }

    fn jitter(&mut self, delay: Duration) -> Duration {
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let most = u128::from(nanos) * u128::from(self.config.jitter_percent.min(100)) / 100;
        // The upper 64 bits of the product map the random number evenly to 0..=most.
        let share = (u128::from(self.random()) * (most + 1)) >> 64;
        Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// Returns a SplitMix64 random number. Every seed is valid, including zero.
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

    // Sets the counters directly, because counting up to saturation takes four billion failures.
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
