//! When the n-th Post is due, and how many are due by a time: one function and its inverse, for a steady rate and for bursts.
//!
//! Both reach into the past: Post -1 was due before the stream began. What a client missed, or asks for of yesterday, needs
//! no memory: it is counted, and made again.

use std::time::Duration;

/// Bursts of a stream: now and then the rate is several times as high. X tells clients to be ready for five to ten times the average.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Bursts {
    /// How many times the usual rate, from 1 up.
    pub factor: f64,
    /// From the beginning of one to that of the next.
    pub every: Duration,
    /// How long each is; shorter than `every`. The stream begins between two.
    pub length: Duration,
}

impl Bursts {
    /// Bursts of `length` at `factor` times the rate, each `every` so long.
    #[must_use]
    pub fn new(factor: f64, every: Duration, length: Duration) -> Self {
        Self { factor, every, length }
    }

    pub(crate) fn is_sensible(&self) -> bool {
        self.factor >= 1.0 && self.factor <= 1e6 && !self.length.is_zero() && self.length < self.every
    }
}

/// A schedule; times are nanoseconds since the feed began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Schedule {
    /// No Post, ever.
    Never,
    /// As fast as they are taken.
    OnDemand,
    Steady {
        per_second: f64,
    },
    /// Periods of `period` nanoseconds with `posts` each, of which the last `burst_posts` fall into the last `burst` nanoseconds.
    Bursting {
        period: i64,
        posts: i64,
        burst: i64,
        burst_posts: i64,
    },
}

impl Schedule {
    pub(crate) fn new(rate: f64, bursts: Option<Bursts>) -> Self {
        // Below one in a hundred years a rate is none.
        if rate < 3e-10 {
            return Self::Never;
        }
        // A Post each nanosecond is as fast as they are taken.
        if rate > 1e9 {
            return Self::OnDemand;
        }
        let Some(bursts) = bursts else { return Self::Steady { per_second: rate } };
        let (period, burst) = (nanoseconds(bursts.every), nanoseconds(bursts.length));
        let posts_in = |length: i64, rate: f64| (length as f64 * 1e-9 * rate).round().max(1.0) as i64;
        let burst_posts = posts_in(burst, rate * bursts.factor);
        Self::Bursting { period, posts: posts_in(period - burst, rate) + burst_posts, burst, burst_posts }
    }

    /// When Post `n` is due. Only of schedules that have times.
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

    /// The first Post that is due later than `at`: the number of those due by then, counted from Post 0.
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
        // The estimate is off by one at most, by rounding.
        while self.due(n) > at {
            n -= 1;
        }
        while self.due(n) <= at {
            n += 1;
        }
        n
    }
}

/// `n * of / parts` without overflow.
fn share(n: i64, of: i64, parts: i64) -> i64 {
    (i128::from(n) * i128::from(of) / i128::from(parts)) as i64
}

/// At most some 292 years.
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
        // From the start the stream is calm.
        assert_eq!(schedule.due(0), 0);
    }

    #[test]
    fn handles_extreme_rates() {
        assert_eq!(Schedule::new(0.0, None), Schedule::Never);
        assert_eq!(Schedule::new(f64::INFINITY, None), Schedule::OnDemand);
        assert_eq!(Schedule::new(0.5, None).count(-1), 0);
        assert_eq!(Schedule::new(0.5, None).count(0), 1);
        let rare = Bursts::new(1.0, Duration::from_secs(2), Duration::from_secs(1));
        // At least one in each part, so that a rate stays one.
        assert_eq!(Schedule::new(0.01, Some(rare)).count(9 * SECOND), 10);
    }
}
