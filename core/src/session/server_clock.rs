//! Estimates the server's clock.
//!
//! A head with `Date: D` was written after the request was sent and before the head was read.
//! `Date` has whole seconds. So when the head is read, the server's clock shows at least `D`. It
//! shows at most the sum of `D`, one second, and the time since the request. The local clock does
//! not matter.
//!
//! ```text
//!   local   request sent --------------- head read
//!   server               D ....... D + 1 s
//!                        |                |-- at most D + 1 s + (head read - request sent)
//!                        |------------------- at least D
//! ```
//!
//! A Post cannot be read before it was created, so Posts raise the lower bound. Without `Date`, the
//! local clock is used. If the Posts of the previous stream showed that it is behind, it is
//! corrected.

use core::time::Duration;

use super::wall_clock::WallClock;
use crate::time::{Instant, UnixTime};

/// `Date` has whole seconds.
const DATE_STEP: Duration = Duration::from_secs(1);

/// The bounds of the server's time. They advance with the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerClock {
    earliest: WallClock,
    latest: WallClock,
    /// The head had a `Date`.
    has_date: bool,
    /// A Post raised the lower bound.
    is_raised: bool,
}

impl ServerClock {
    /// Creates the clock of a stream whose head was read at `now`. `before` is the clock of the
    /// previous stream.
    pub(super) fn new(
        date: Option<UnixTime>,
        requested_at: Instant,
        now: Instant,
        wall: WallClock,
        before: Option<Self>,
    ) -> Self {
        let (earliest, latest) = match date {
            Some(date) => {
                (date, date.saturating_add(DATE_STEP).saturating_add(now.saturating_since(requested_at)))
            }
            None => {
                let unix = wall.unix_at(now);
                let behind = before.filter(|before| before.is_raised).map(|before| before.earliest_at(now));
                let latest = behind.filter(|behind| *behind > unix).map(|at| at.saturating_add(DATE_STEP));
                (unix.max(behind.unwrap_or_default()), latest.unwrap_or(unix).rounded_up())
            }
        };
        Self {
            earliest: WallClock::new(now, earliest),
            latest: WallClock::new(now, latest),
            has_date: date.is_some(),
            // A correction of a slow local clock by Posts stays valid.
            is_raised: date.is_none() && before.is_some_and(|before| before.is_raised),
        }
    }

    /// Returns the earliest time that the server's clock may show at `at`.
    #[inline]
    pub(super) const fn earliest_at(self, at: Instant) -> UnixTime {
        self.earliest.unix_at(at)
    }

    /// Returns the latest time that the server's clock may show at `at`.
    pub(super) const fn latest_at(self, at: Instant) -> UnixTime {
        self.latest.unix_at(at)
    }

    /// Returns true if the estimate depends on the local clock alone.
    pub(super) const fn is_local(self) -> bool {
        !self.has_date && !self.is_raised
    }

    /// Returns true if the head had a `Date`.
    pub(super) const fn has_date(self) -> bool {
        self.has_date
    }

    /// Reports a Post read at `now` and created later than [`Self::earliest_at`] that time.
    #[cold]
    pub(super) fn handle_post_ahead(&mut self, created: UnixTime, now: Instant) {
        self.earliest = WallClock::new(now, created);
        self.is_raised = true;
        if self.latest_at(now) < created {
            self.latest = self.earliest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    const fn unix(millis: u64) -> UnixTime {
        UnixTime::from_millis(1_700_000_000_000 + millis)
    }

    /// A local clock that is `millis` milliseconds ahead of the monotonic clock.
    const fn wall(millis: u64) -> WallClock {
        WallClock::new(at(0), unix(millis))
    }

    #[test]
    fn a_date_bounds_the_servers_time_whatever_the_local_clock_says() {
        for local in [0, 3_000, 90_000_000] {
            // The request takes 400 ms.
            let clock = ServerClock::new(Some(unix(50_000)), at(1_000), at(1_400), wall(local), None);
            assert_eq!(
                (clock.earliest_at(at(1_400)), clock.latest_at(at(1_400))),
                (unix(50_000), unix(51_400))
            );
            assert_eq!(
                (clock.earliest_at(at(1_300)), clock.latest_at(at(9_400))),
                (unix(49_900), unix(59_400))
            );
            assert!(!clock.is_local());
        }
    }

    #[test]
    fn without_a_date_the_local_clock_counts() {
        let clock = ServerClock::new(None, at(0), at(400), wall(7), None);
        assert_eq!((clock.earliest_at(at(400)), clock.latest_at(at(400))), (unix(407), unix(409)));
        assert!(clock.is_local());
    }

    #[test]
    fn posts_raise_the_lower_bound_and_never_pass_the_upper_one() {
        let mut clock = ServerClock::new(Some(unix(50_000)), at(0), at(400), wall(0), None);
        clock.handle_post_ahead(unix(51_000), at(500));
        assert_eq!((clock.earliest_at(at(400)), clock.latest_at(at(400))), (unix(50_900), unix(51_400)));
        clock.handle_post_ahead(unix(52_000), at(500));
        assert_eq!((clock.earliest_at(at(400)), clock.latest_at(at(400))), (unix(51_900), unix(51_900)));
        // A Post at the upper bound leaves it, with its fraction of a millisecond.
        let mut clock = ServerClock::new(Some(unix(50_000)), at(0), at(400), wall(0), None);
        clock.handle_post_ahead(unix(51_500), Instant::from_nanos(500_900_000));
        assert_eq!(clock.latest_at(at(501)), unix(51_501));
    }

    #[test]
    fn posts_of_the_stream_before_correct_a_local_clock_that_is_behind() {
        let mut before = ServerClock::new(None, at(0), at(0), wall(0), None);
        before.handle_post_ahead(unix(3_000), at(100));
        let clock = ServerClock::new(None, at(900), at(1_000), wall(0), Some(before));
        assert_eq!((clock.earliest_at(at(1_000)), clock.latest_at(at(1_000))), (unix(3_900), unix(4_902)));
        // A local clock that is ahead is not corrected.
        let clock = ServerClock::new(None, at(900), at(1_000), wall(9_000), Some(before));
        assert_eq!((clock.earliest_at(at(1_000)), clock.latest_at(at(1_000))), (unix(10_000), unix(10_002)));
    }

    #[test]
    fn local_clock_correction_by_posts_lasts_until_a_date_arrives() {
        let mut before = ServerClock::new(None, at(0), at(0), wall(0), None);
        before.handle_post_ahead(unix(3_000), at(100));
        let next = ServerClock::new(None, at(900), at(1_000), wall(0), Some(before));
        let third = ServerClock::new(None, at(1_900), at(2_000), wall(0), Some(next));
        assert!(!third.is_local() && third.latest_at(at(2_000)) == unix(5_902));
        let dated = ServerClock::new(Some(unix(4_000)), at(900), at(1_000), wall(0), Some(before));
        assert!(!dated.is_local());
        let third = ServerClock::new(None, at(1_900), at(2_000), wall(0), Some(dated));
        assert!(third.is_local() && third.latest_at(at(2_000)) == unix(2_002));
    }
}
