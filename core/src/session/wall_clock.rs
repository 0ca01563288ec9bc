//! The wall clock, extrapolated from one simultaneous reading of both clocks.

use crate::time::{Instant, UnixTime};

/// A reading of the wall clock and of the monotonic clock at the same moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallClock {
    at: Instant,
    unix: UnixTime,
}

impl WallClock {
    /// Creates a clock that reads `unix` at `at`.
    pub(super) const fn new(at: Instant, unix: UnixTime) -> Self {
        Self { at, unix }
    }

    /// Returns the wall-clock time at `now`, which may be before the reading.
    #[inline]
    pub(super) const fn unix_at(self, now: Instant) -> UnixTime {
        // Plain numbers, because every read executes this.
        let (now, at, unix) = (now.as_nanos(), self.at.as_nanos(), self.unix.as_millis());
        UnixTime::from_millis(if now >= at {
            unix.saturating_add((now - at) / 1_000_000)
        } else {
            unix.saturating_sub((at - now) / 1_000_000)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn runs_with_the_monotonic_clock_in_both_directions() {
        let clock = WallClock::new(at(60_000), UnixTime::from_seconds(1_700_000_000));
        assert_eq!(clock.unix_at(at(60_000)), UnixTime::from_seconds(1_700_000_000));
        assert_eq!(clock.unix_at(at(61_500)), UnixTime::from_millis(1_700_000_001_500));
        assert_eq!(clock.unix_at(at(59_999)), UnixTime::from_millis(1_699_999_999_999));
    }

    #[test]
    fn truncates_to_whole_milliseconds() {
        let clock = WallClock::new(at(1), UnixTime::from_millis(10));
        assert_eq!(clock.unix_at(Instant::from_nanos(1_999_999)), UnixTime::from_millis(10));
        assert_eq!(clock.unix_at(Instant::from_nanos(2_000_000)), UnixTime::from_millis(11));
        assert_eq!(clock.unix_at(Instant::from_nanos(1)), UnixTime::from_millis(10));
    }

    #[test]
    fn saturates_at_1970_and_at_the_last_time() {
        let early = WallClock::new(at(60_000), UnixTime::from_seconds(59));
        assert_eq!(early.unix_at(at(1_000)), UnixTime::default());
        assert_eq!(early.unix_at(at(2_000)), UnixTime::from_seconds(1));
        let late = WallClock::new(at(0), UnixTime::from_millis(u64::MAX - 1));
        assert_eq!(late.unix_at(at(5)), UnixTime::from_millis(u64::MAX));
    }
}
