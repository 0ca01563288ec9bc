//! Points in time, as plain numbers that the caller provides.
//!
//! The core reads no clock. An [`Instant`] is the caller's monotonic clock in nanoseconds since an epoch the
//! caller picks (start of the process, boot, a virtual clock's zero); a [`UnixTime`] is the wall clock in
//! milliseconds, needed only where the protocol itself speaks of wall time: rate-limit resets, backfill, and the
//! creation time inside a Post's id. Lengths are [`core::time::Duration`]. All arithmetic saturates: a clock that
//! jumps or goes backwards by mistake can make a wait zero, never negative and never a panic.

use core::time::Duration;

/// A point on the caller's monotonic clock: nanoseconds since an epoch that the caller picks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The caller's epoch.
    pub const ZERO: Self = Self(0);

    /// The instant `nanos` nanoseconds after the caller's epoch. 64 bits last for 584 years.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the caller's epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The instant `length` later, or the last one there is.
    #[must_use]
    pub const fn saturating_add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(nanos(length)))
    }

    /// How long `self` lies after `earlier`; zero where it does not.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A point on the wall clock: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The wall-clock time `millis` milliseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The wall-clock time `seconds` seconds after 1970-01-01T00:00:00Z, saturating.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time `length` later (whole milliseconds), or the last one there is.
    #[must_use]
    pub const fn saturating_add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(nanos(length) / 1_000_000))
    }

    /// The time `length` earlier (whole milliseconds), or 1970.
    #[must_use]
    pub const fn saturating_sub(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(length) / 1_000_000))
    }

    /// By when a moment is over that was told as `self`: two readings are cut to whole milliseconds, that of the wall clock and the time that
    /// has gone by since.
    pub(crate) const fn rounded_up(self) -> Self {
        self.saturating_add(Duration::from_millis(2))
    }

    /// How long `self` lies after `earlier`; zero where it does not.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(feature = "std")]
impl Instant {
    /// The instant `time` on a clock whose epoch is `base`, chosen by the caller once for all its sessions.
    #[must_use]
    pub fn from_std(time: std::time::Instant, base: std::time::Instant) -> Self {
        Self(nanos(time.saturating_duration_since(base)))
    }

    /// This instant on the clock of `base`; `None` where that clock cannot express it.
    #[must_use]
    pub fn to_std(self, base: std::time::Instant) -> Option<std::time::Instant> {
        base.checked_add(Duration::from_nanos(self.0))
    }
}

#[cfg(feature = "std")]
impl From<std::time::SystemTime> for UnixTime {
    /// Times before 1970 become 1970.
    fn from(time: std::time::SystemTime) -> Self {
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(nanos(since) / 1_000_000)
    }
}

/// A length in nanoseconds, saturating at 584 years.
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
