//! Points in time, as numbers that the caller provides.
//!
//! The core reads no clock.
//!
//! - [`Instant`]: the caller's monotonic clock, in nanoseconds since an epoch that the caller
//!   chooses, such as the start of the process.
//! - [`UnixTime`]: the wall clock in milliseconds. The protocol uses it for rate-limit resets,
//!   backfill, and the creation time in a Post's id.
//!
//! Lengths of time are [`core::time::Duration`]. All arithmetic saturates: a clock that jumps or
//! goes backwards can make a wait zero, but never negative, and never causes a panic.

use core::time::Duration;

/// A point on the caller's monotonic clock, in nanoseconds since an epoch that the caller chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The caller's epoch.
    pub const ZERO: Self = Self(0);

    /// Creates the instant `nanos` nanoseconds after the epoch. 64 bits last for 584 years.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the instant `length` later, or the last representable one.
    #[must_use]
    pub const fn saturating_add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(nanos(length)))
    }

    /// Returns the time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A point on the wall clock, in milliseconds since 1970-01-01T00:00:00Z without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// Creates the time `millis` milliseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Creates the time `seconds` seconds after 1970-01-01T00:00:00Z; saturates.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the time `length` later, in whole milliseconds, or the last representable one.
    #[must_use]
    pub const fn saturating_add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(nanos(length) / 1_000_000))
    }

    /// Returns the time `length` earlier, in whole milliseconds, or 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn saturating_sub(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(length) / 1_000_000))
    }

    /// Returns an upper bound of the moment that `self` stands for. Two values were truncated to
    /// milliseconds: the reading of the wall clock, and the time since.
    pub(crate) const fn rounded_up(self) -> Self {
        self.saturating_add(Duration::from_millis(2))
    }

    /// Returns the time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(feature = "std")]
impl Instant {
    /// Converts `time` to a clock whose epoch is `base`. Use the same `base` for all sessions.
    #[must_use]
    pub fn from_std(time: std::time::Instant, base: std::time::Instant) -> Self {
        Self(nanos(time.saturating_duration_since(base)))
    }

    /// Converts to a `std` instant, if `base` is the epoch; `None` if it is not representable.
    #[must_use]
    pub fn to_std(self, base: std::time::Instant) -> Option<std::time::Instant> {
        base.checked_add(Duration::from_nanos(self.0))
    }
}

#[cfg(feature = "std")]
impl From<std::time::SystemTime> for UnixTime {
    /// Converts the time; times before 1970 become 1970.
    fn from(time: std::time::SystemTime) -> Self {
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(nanos(since) / 1_000_000)
    }
}

/// Returns a length in nanoseconds, saturating at 584 years.
pub(crate) const fn nanos(length: Duration) -> u64 {
    let nanos = length.as_nanos();
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let last = Instant::from_nanos(u64::MAX);
        assert_eq!(last.saturating_add(Duration::from_secs(1)), last);
        assert_eq!(Instant::ZERO.saturating_add(Duration::MAX), last);
        assert_eq!(Instant::ZERO.saturating_since(last), Duration::ZERO);
        assert_eq!(UnixTime::from_seconds(u64::MAX).as_millis(), u64::MAX);
        assert_eq!(UnixTime::from_millis(5).saturating_sub(Duration::from_secs(1)), UnixTime::default());
        assert_eq!(
            UnixTime::from_millis(1_500).saturating_since(UnixTime::from_seconds(1)),
            Duration::from_millis(500)
        );
    }
}
