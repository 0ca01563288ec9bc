//! A run before it starts: what its seed decides.

use crate::random::Rng;
use crate::service::{HOUR, MINUTE, MS, SEC};

/// A run and how it was shrunk. The same case always runs the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    /// The kinds of faults that may be injected, one bit each.
    pub(crate) mask: u64,
    /// The number of faults after which the calm phase begins.
    pub(crate) faults_max: u64,
    /// The clock starts where no counter's limit is near.
    pub(crate) has_plain_start: bool,
}

impl Case {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, mask: u64::MAX, faults_max: u64::MAX, has_plain_start: false }
    }
}

/// What a run is like: drawn from its seed before it starts.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(super) rng: Rng,
    pub(super) lines: usize,
    /// The length of the phase with faults, in nanoseconds.
    pub(crate) length: u64,
    pub(super) fault_every: u64,
    pub(super) post_every: Option<u64>,
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let lines = rng.pick(&[1, 1, 2, 3]);
        // Long runs are sparse, so that all take a similar time.
        let (length, fault_every, post_every) = match rng.below(5) {
            0 => (rng.range(10, 120) * MINUTE, 20 * SEC, 500 * MS),
            1 => (rng.range(2, 48) * HOUR, 3 * MINUTE, 20 * SEC),
            2 => (rng.range(24, 24 * 30) * HOUR, 20 * MINUTE, 5 * MINUTE),
            _ => (rng.range(24 * 30, 24 * 120) * HOUR, 3 * HOUR, HOUR),
        };
        let post_every = rng.chance(80).then_some(post_every);
        Self { rng, lines, length, fault_every, post_every }
    }

    /// Returns true if faults are seconds apart.
    pub(crate) const fn is_dense(&self) -> bool {
        self.fault_every < MINUTE
    }

    /// Returns the connection-nanoseconds of the run, at least.
    pub(crate) const fn connection_time(&self) -> u128 {
        self.length as u128 * self.lines as u128
    }
}
