//! Points in time, as numbers that the caller provides.
//!
//! The core reads no clock.
//!
//! - [`Instant`]: the caller's monotonic clock, in nanoseconds since an epoch that the caller
//!   chooses, such as the start of the process.
//! - [`UnixTime`]: the wall clock in milliseconds. The protocol uses it for rate-limit resets,
//!   backfill, and the creation time in a Post's id.
//! - [`KernelTime`]: the wall clock in nanoseconds, when the kernel received bytes.
//!
//! Lengths of time are [`core::time::Duration`]. All arithmetic saturates: a clock that jumps or
//! goes backwards can make a wait zero, but never negative, and never causes a panic.

use core::fmt;
use core::num::NonZeroU64;
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

/// A point on this machine's wall clock, in nanoseconds since 1970-01-01T00:00:00Z: when the kernel
/// received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelTime(NonZeroU64);

impl KernelTime {
    /// Creates the time `nanos` nanoseconds after 1970-01-01T00:00:00Z. `None` for 0.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Option<Self> {
        match NonZeroU64::new(nanos) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }

    /// Returns the nanoseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0.get()
    }

    /// Returns the time from `self` to `later`; zero if `later` is earlier. `later` is the time
    /// since 1970-01-01T00:00:00Z by the same clock.
    #[must_use]
    pub const fn until(self, later: Duration) -> Duration {
        Duration::from_nanos(nanos(later).saturating_sub(self.as_nanos()))
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

    /// Returns when the calendar month ends, in UTC: the first moment of the next one.
    #[must_use]
    pub fn month_end(self) -> Self {
        let UtcTime { year, month, .. } = self.into();
        let (year, month) = if month == 12 { (year + 1, 1) } else { (year, u64::from(month) + 1) };
        Self::from_seconds(days_until(year, month, 1).saturating_sub(DAYS_TO_1970) * 86_400)
    }
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

/// Returns the days from 0000-03-01 to this date. Years start in March, so that the leap day is
/// last.
const fn days_until(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1
}

/// A range on the wall clock. The end is exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a range has two ends")]
pub struct TimeRange {
    /// The first moment of the range.
    pub from: UnixTime,
    /// The first moment after the range.
    pub to: UnixTime,
}

impl TimeRange {
    /// Returns true if the range contains no moment.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.from.0 >= self.to.0
    }

    /// Returns the length; zero if the range is empty.
    #[must_use]
    pub const fn length(self) -> Duration {
        self.to.saturating_since(self.from)
    }

    /// Returns the smallest range that contains both.
    pub(crate) fn hull(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to) }
    }
}

/// A [`UnixTime`] as a date and a time of day, in UTC, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UtcTime {
    /// The year.
    pub year: u64,
    /// The month, from 1.
    pub month: u8,
    /// The day of the month, from 1.
    pub day: u8,
    /// The hour.
    pub hour: u8,
    /// The minute.
    pub minute: u8,
    /// The second.
    pub second: u8,
    /// The millisecond.
    pub millisecond: u16,
}

impl From<UnixTime> for UtcTime {
    fn from(time: UnixTime) -> Self {
        let (seconds, millisecond) = (time.0 / 1_000, time.0 % 1_000);
        let second = seconds % 86_400;
        // Days since 0000-03-01, in equal eras of 400 years. Years start in March, so that the leap
        // day is last.
        let days = seconds / 86_400 + DAYS_TO_1970;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
        Self {
            year: era * 400 + year,
            month: month as u8,
            day: day as u8,
            hour: (second / 3_600) as u8,
            minute: (second / 60 % 60) as u8,
            second: (second % 60) as u8,
            millisecond: millisecond as u16,
        }
    }
}

impl fmt::Display for UtcTime {
    /// Formats to the second, as in `2022-07-12T15:10:00Z` (ISO 8601). X expects this form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, .. } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl UnixTime {
    /// Parses a time of ISO 8601 in UTC, as the v2 API writes it: `2022-07-12T15:10:00Z`, with or
    /// without a fraction of a second, of which milliseconds are kept.
    ///
    /// Returns `None` for any other text, and for times before 1970.
    #[must_use]
    pub fn from_iso_8601(text: &str) -> Option<Self> {
        let text = text.strip_suffix('Z')?;
        let (text, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let bytes = text.as_bytes();
        let has_shape = bytes.len() == 19
            && bytes.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                10 => *byte == b'T',
                13 | 16 => *byte == b':',
                _ => byte.is_ascii_digit(),
            });
        if !has_shape || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number =
            |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        let [month, day, hour, minute, second] = [5, 8, 11, 14, 17].map(|at| number(&bytes[at..at + 2]));
        let year = number(&bytes[..4]);
        if year < 1_970 || !(1..=12).contains(&month) || day == 0 {
            return None;
        }
        let days = days_until(year, month, day) - DAYS_TO_1970;
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
        let mut millis = 0;
        for at in 0..3 {
            millis = millis * 10 + fraction.as_bytes().get(at).map_or(0, |digit| u64::from(digit - b'0'));
        }
        let time = Self(seconds * 1_000 + millis);
        // A day or an hour that does not exist becomes another one.
        let UtcTime { month: m, day: d, hour: h, minute: min, second: s, .. } = time.into();
        let is_same = [m, d, h, min, s].map(u64::from) == [month, day, hour, minute, second];
        is_same.then_some(time)
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
    fn times_of_iso_8601_are_parsed_and_others_are_not() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T23:59:59.9Z", Some(951_868_799_900)),
            ("2022-07-12T15:10:00.123456Z", Some(1_657_638_600_123)),
            ("2100-03-01T00:00:00.000Z", Some(4_107_542_400_000)),
            ("2100-02-29T00:00:00Z", None),
            ("2022-07-12T24:10:00Z", None),
            ("2022-07-12T15:10:60Z", None),
            ("2022-00-12T15:10:00Z", None),
            ("2022-13-12T15:10:00Z", None),
            ("2022-07-00T15:10:00Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("0000-01-01T00:00:00Z", None),
            ("0000-03-00T00:00:00Z", None),
            ("2022-07-12T15:10:00", None),
            ("2022-07-12T15:10:00.Z", None),
            ("2022-07-12T15:10:00.1+Z", None),
            ("2022-07-12 15:10:00Z", None),
            ("Z", None),
        ] {
            assert_eq!(UnixTime::from_iso_8601(text).map(UnixTime::as_millis), millis, "{text}");
        }
    }

    #[test]
    fn months_end_as_the_calendar_says() {
        for (time, end) in [
            (0, 2_678_400),
            (2_678_399, 2_678_400),
            (2_678_400, 5_097_600),
            // 29 February 2024, and the last second of it.
            (1_709_164_800, 1_709_251_200),
            (1_709_251_199, 1_709_251_200),
            // 31 December 1999, and February 2000 and 2100.
            (946_684_799, 946_684_800),
            (951_782_400, 951_868_800),
            (4_107_456_000, 4_107_542_400),
        ] {
            assert_eq!(UnixTime::from_seconds(time).month_end(), UnixTime::from_seconds(end), "{time}");
        }
        // The latest representable time.
        assert!(UnixTime::from_millis(u64::MAX).month_end() >= UnixTime::from_seconds(1));
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let last = Instant::from_nanos(u64::MAX);
        assert_eq!(last.saturating_add(Duration::from_secs(1)), last);
        for length in [Duration::MAX, Duration::from_secs(u64::MAX)] {
            assert_eq!(Instant::ZERO.saturating_add(length), last);
        }
        assert_eq!(Instant::ZERO.saturating_since(last), Duration::ZERO);
        assert_eq!(UnixTime::from_seconds(u64::MAX).as_millis(), u64::MAX);
        assert_eq!(UnixTime::from_millis(5).saturating_sub(Duration::from_secs(1)), UnixTime::default());
        assert_eq!(
            UnixTime::from_millis(1_500).saturating_since(UnixTime::from_seconds(1)),
            Duration::from_millis(500)
        );
    }

    #[test]
    fn a_time_of_the_kernel_is_a_number_of_nanoseconds_other_than_0() {
        assert_eq!(KernelTime::from_nanos(0), None);
        let time = KernelTime::from_nanos(5).unwrap();
        assert_eq!((time.as_nanos(), time.until(Duration::from_nanos(7))), (5, Duration::from_nanos(2)));
        assert_eq!(time.until(Duration::from_nanos(4)), Duration::ZERO);
    }

    #[test]
    fn a_range_is_empty_unless_it_ends_after_its_start() {
        for (from, to, length) in [(1, 2, 1), (2, 2, 0), (3, 2, 0)] {
            let range = TimeRange { from: UnixTime::from_millis(from), to: UnixTime::from_millis(to) };
            assert_eq!((range.is_empty(), range.length().as_millis()), (length == 0, length));
        }
    }

    #[test]
    fn a_date_has_the_milliseconds_of_the_time() {
        let date = UtcTime::from(UnixTime::from_millis(1_657_638_600_123));
        assert_eq!((date.second, date.millisecond), (0, 123));
    }

    #[cfg(feature = "std")]
    #[test]
    fn system_time_is_cut_to_milliseconds_and_not_before_1970() {
        let epoch = std::time::SystemTime::UNIX_EPOCH;
        for (time, millis) in
            [(epoch + Duration::new(1, 500_999_999), 1_500), (epoch - Duration::from_secs(1), 0)]
        {
            assert_eq!(UnixTime::from(time).as_millis(), millis);
        }
    }
}
