//! When the n-th Post is due, and how many Posts are due by a time, for a steady rate and for
//! bursts.
//!
//! The two functions are inverse, and cover the past: Post -1 was due before the stream began. Past
//! Posts need no memory, because they are counted and generated again.

use std::time::Duration;

/// Bursts of a stream: periods with a multiple of the rate. X recommends that clients can handle
/// five to ten times the average rate.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Bursts {
    /// The multiple of the rate, at least 1.
    pub factor: f64,
    /// The time from the start of a burst to the start of the next.
    pub every: Duration,
    /// The length of a burst, shorter than `every`. The stream starts between two bursts.
    pub length: Duration,
}

impl Bursts {
    /// Creates bursts of `length` at `factor` times the rate, one in each interval of `every`.
    #[must_use]
    pub fn new(factor: f64, every: Duration, length: Duration) -> Self {
        Self { factor, every, length }
    }

    pub(crate) fn is_sensible(&self) -> bool {
        self.factor >= 1.0 && self.factor <= 1e6 && !self.length.is_zero() && self.length < self.every
    }
}

/// A schedule. Times are nanoseconds since the feed began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Schedule {
    /// No Posts at all.
    Never,
    /// As fast as the client reads.
    OnDemand,
    Steady {
        per_second: f64,
    },
    /// Periods of `period` nanoseconds with `posts` Posts each. The last `burst_posts` of them fall
    /// into the last `burst` nanoseconds.
    Bursting {
        period: i64,
        posts: i64,
        burst: i64,
        burst_posts: i64,
    },
}

impl Schedule {
    pub(crate) fn new(rate: f64, bursts: Option<Bursts>) -> Self {
        // Less than one Post in a hundred years counts as none.
        if rate < 3e-10 {
            return Self::Never;
        }
        // More than one Post per nanosecond counts as unlimited.
        if rate > 1e9 {
            return Self::OnDemand;
        }
        let Some(bursts) = bursts else { return Self::Steady { per_second: rate } };
        let (period, burst) = (nanoseconds(bursts.every), nanoseconds(bursts.length));
        let posts_in = |length: i64, rate: f64| (length as f64 * 1e-9 * rate).round().max(1.0) as i64;
        let burst_posts = posts_in(burst, rate * bursts.factor);
        Self::Bursting { period, posts: posts_in(period - burst, rate) + burst_posts, burst, burst_posts }
    }

    /// Returns when Post `n` is due. Only for schedules with times.
    pub(crate) fn due(&self, n: i64) -> i64 {
        match *self {
            Self::Never => i64::MAX,
            Self::OnDemand => 0,
            Self::Steady { per_second } => (n as f64 / per_second * 1e9).round() as i64,
            Self::Bursting { period, posts, burst, burst_posts } => {
                let (periods, nth) = (n.div_euclid(posts), n.rem_euclid(posts));
                let calm = posts - burst_posts;
                let within = if nth < calm {
                    share(nth, period - burst, calm)
                } else {
                    period - burst + share(nth - calm, burst, burst_posts)
                };
                periods.saturating_mul(period).saturating_add(within)
            }
        }
    }

    /// Returns the number of Posts due by `at`, counted from Post 0. This is also the first Post
    /// due later.
    pub(crate) fn count(&self, at: i64) -> i64 {
        let mut n = match *self {
            Self::Never | Self::OnDemand => return 0,
            Self::Steady { per_second } => (at as f64 * 1e-9 * per_second).floor() as i64,
            Self::Bursting { period, posts, burst, burst_posts } => {
                let (periods, within) = (at.div_euclid(period), at.rem_euclid(period));
                let calm = posts - burst_posts;
                let nth = if within < period - burst {
                    share(within, calm, period - burst)
                } else {
                    calm + share(within - (period - burst), burst_posts, burst)
                };
                periods * posts + nth
            }
        };
        // The estimate is off by at most one, because of rounding.
        while self.due(n) > at {
            n -= 1;
        }
        while self.due(n) <= at {
            n += 1;
        }
        n
    }
}

/// Returns `n * of / parts`, without overflow.
fn share(n: i64, of: i64, parts: i64) -> i64 {
    (i128::from(n) * i128::from(of) / i128::from(parts)) as i64
}

/// Returns the nanoseconds, limited to about 292 years.
pub(crate) fn nanoseconds(length: Duration) -> i64 {
    i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn count_is_the_inverse_of_due() {
        let bursts = Bursts::new(8.0, Duration::from_secs(10), Duration::from_millis(700));
        for rate in [0.01, 1.0, 3.0, 333.3, 20_000.0] {
            for schedule in [Schedule::new(rate, None), Schedule::new(rate, Some(bursts))] {
                let mut last = i64::MIN;
                for n in -5_000..5_000 {
                    let due = schedule.due(n);
                    assert!(due >= last, "{schedule:?} {n}");
                    last = due;
                    assert!(schedule.count(due) > n && schedule.count(due - 1) <= n, "{schedule:?} {n}");
                }
            }
        }
    }

    #[test]
    fn a_burst_multiplies_the_rate_by_its_factor() {
        let bursts = Bursts::new(10.0, Duration::from_secs(60), Duration::from_secs(6));
        let schedule = Schedule::new(100.0, Some(bursts));
        let between =
            |from: i64, to: i64| schedule.count(to * SECOND - 1) - schedule.count(from * SECOND - 1);
        for minute in [-60, 0, 60, 6_000] {
            assert_eq!(between(minute, minute + 54), 5_400);
            assert_eq!(between(minute + 54, minute + 60), 6_000);
        }
        // The stream does not start with a burst.
        assert_eq!(schedule.due(0), 0);
    }

    #[test]
    fn handles_extreme_rates() {
        assert_eq!(Schedule::new(0.0, None), Schedule::Never);
        assert_eq!(Schedule::new(f64::INFINITY, None), Schedule::OnDemand);
        assert_eq!(Schedule::new(0.5, None).count(-1), 0);
        assert_eq!(Schedule::new(0.5, None).count(0), 1);
        let rare = Bursts::new(1.0, Duration::from_secs(2), Duration::from_secs(1));
        // Each part has at least one Post, so that the rate does not become zero.
        assert_eq!(Schedule::new(0.01, Some(rare)).count(9 * SECOND), 10);
    }
}
