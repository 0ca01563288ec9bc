//! A histogram of lags in fixed memory: count, sum, maximum and buckets on a logarithmic scale.

use core::time::Duration;

use crate::time::nanos;

/// Lags below 2^10 ns (about 1 µs) share a bucket.
const OCTAVE_MIN: u32 = 10;

/// Lags from 2^36 ns (about 69 s) on share the last four buckets, with those up to 2^37 ns and all
/// longer ones.
const OCTAVE_MAX: u32 = 36;

/// The binary logarithm of the number of buckets between one power of two and the next.
const DIVISION: u32 = 2;

/// The number of buckets.
pub(crate) const BUCKETS: usize = 1 + (((OCTAVE_MAX - OCTAVE_MIN + 1) as usize) << DIVISION);

/// A histogram of times. The bounds of its buckets are 12 to 25 % apart, from a microsecond to two
/// minutes.
#[derive(Clone, Debug)]
pub struct LagHistogram {
    buckets: [u64; BUCKETS],
    count: u64,
    sum: Duration,
    max: Duration,
}

impl Default for LagHistogram {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], count: 0, sum: Duration::ZERO, max: Duration::ZERO }
    }
}

impl LagHistogram {
    /// Returns a histogram of these buckets.
    pub(crate) fn from_parts(buckets: [u64; BUCKETS], sum: Duration, max: Duration) -> Self {
        Self {
            buckets,
            count: buckets.iter().fold(0, |sum: u64, count| sum.saturating_add(*count)),
            sum,
            max,
        }
    }

    /// Counts a lag.
    pub(crate) fn record(&mut self, lag: Duration) {
        let bucket = &mut self.buckets[bucket(nanos(lag))];
        *bucket = bucket.saturating_add(1);
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(lag);
        self.max = self.max.max(lag);
    }

    /// Returns the sum of two histograms.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let buckets = core::array::from_fn(|at| self.buckets[at].saturating_add(other.buckets[at]));
        Self::from_parts(buckets, self.sum.saturating_add(other.sum), self.max.max(other.max))
    }

    /// Returns the lags that were counted after `earlier`, a previous state of this histogram. The
    /// maximum is that of all lags.
    #[must_use]
    pub fn minus(&self, earlier: &Self) -> Self {
        let buckets = core::array::from_fn(|at| self.buckets[at].saturating_sub(earlier.buckets[at]));
        Self::from_parts(buckets, self.sum.saturating_sub(earlier.sum), self.max)
    }

    /// Returns the number of lags counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Returns the sum of the lags.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        self.sum
    }

    /// Returns the longest lag.
    #[must_use]
    pub const fn max(&self) -> Duration {
        self.max
    }

    /// Returns the mean lag; zero if there are no lags.
    #[must_use]
    pub fn mean(&self) -> Duration {
        match self.count {
            0 => Duration::ZERO,
            count => Duration::from_nanos(nanos(self.sum) / count),
        }
    }

    /// Returns the lag that `per_mille` thousandths of the lags do not exceed (500: the median).
    /// The result is the bound of a bucket: too high by at most a quarter, or a microsecond.
    /// Returns `None` if there are no lags.
    #[must_use]
    pub fn quantile(&self, per_mille: u16) -> Option<Duration> {
        let wanted = (u128::from(self.count) * u128::from(per_mille.min(1_000))).div_ceil(1_000).max(1);
        let mut seen = 0;
        let at = self.buckets.iter().position(|count| {
            seen += u128::from(*count);
            seen >= wanted
        })?;
        let is_last = at + 1 == BUCKETS;
        Some(if is_last { self.max } else { self.max.min(Duration::from_nanos(bound(at))) })
    }

    /// Returns the buckets that are not empty: the upper bound of each, and its number of lags. The
    /// last bucket has no bound and returns [`Self::max`].
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.buckets.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, count)| {
            (if at + 1 == BUCKETS { self.max } else { Duration::from_nanos(bound(at)) }, *count)
        })
    }
}

/// Returns the bucket of a lag.
pub(crate) fn bucket(nanos: u64) -> usize {
    let octave = nanos.checked_ilog2().unwrap_or(0);
    if octave < OCTAVE_MIN {
        return 0;
    }
    // The bits after the first one.
    let part = (nanos >> (octave - DIVISION)) as usize & ((1 << DIVISION) - 1);
    (1 + (((octave - OCTAVE_MIN) as usize) << DIVISION) + part).min(BUCKETS - 1)
}

/// Returns the exclusive upper bound of a bucket.
const fn bound(bucket: usize) -> u64 {
    let Some(bucket) = bucket.checked_sub(1) else { return 1 << OCTAVE_MIN };
    let octave = OCTAVE_MIN + (bucket >> DIVISION) as u32;
    let part = (bucket & ((1 << DIVISION) - 1)) as u64;
    ((1 << DIVISION) + part + 1) << (octave - DIVISION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lag_falls_between_the_bounds_of_its_bucket() {
        let around =
            |exponent: u32| (0..9).map(move |part| (1_u64 << exponent) + (1 << exponent >> 3) * part);
        for nanos in (0..OCTAVE_MAX).flat_map(around).flat_map(|nanos| [nanos - 1, nanos, nanos + 1]) {
            let at = bucket(nanos);
            assert!(nanos < bound(at), "{nanos}");
            assert!(at == 0 || nanos >= bound(at - 1), "{nanos}");
        }
        assert_eq!([1 << 36, 1 << 37, u64::MAX].map(bucket), [BUCKETS - 4, BUCKETS - 1, BUCKETS - 1]);
    }

    #[test]
    fn quantiles_are_at_most_a_quarter_too_high() {
        let mut lags = LagHistogram::default();
        assert_eq!((lags.quantile(500), lags.mean()), (None, Duration::ZERO));
        for micros in 1..=1_000 {
            lags.record(Duration::from_micros(micros));
        }
        for per_mille in [1, 10, 500, 990, 999, 1_000] {
            let exact = Duration::from_micros(u64::from(per_mille));
            let found = lags.quantile(per_mille).unwrap();
            assert!(
                found >= exact && found <= exact * 5 / 4 + Duration::from_micros(1),
                "{per_mille}: {found:?}"
            );
        }
        assert_eq!((lags.count(), lags.max()), (1_000, Duration::from_millis(1)));
        assert_eq!(lags.mean(), Duration::from_nanos(500_500));
        lags.record(Duration::MAX);
        assert_eq!(lags.quantile(1_000), Some(Duration::MAX));
        assert_eq!(lags.buckets().map(|(_, count)| count).sum::<u64>(), 1_001);
    }

    #[test]
    fn a_sum_has_the_buckets_of_both_and_leaves_out_empty_ones() {
        let [mut one, mut two] = [LagHistogram::default(), LagHistogram::default()];
        let [short, long] = [Duration::from_nanos(500), Duration::from_secs(200)];
        one.record(short);
        one.record(long);
        two.record(short);
        let sum = one.plus(&two);
        assert!(sum.buckets().eq([(Duration::from_nanos(1 << OCTAVE_MIN), 2), (long, 1)]));
        assert_eq!((sum.count(), sum.sum(), sum.max()), (3, short + long + short, long));
    }
}
