//! Times for people, in UTC: `2025-11-07 23:18:19`.

use powerstream_core::time::{UnixTime, UtcTime};

/// Formats the end of a range: the next whole second, so that the range is not shortened.
pub(crate) fn utc_end(time: UnixTime) -> String {
    utc(UnixTime::from_seconds(time.as_millis().div_ceil(1_000)))
}

/// Formats date and time to the second.
pub(crate) fn utc(time: UnixTime) -> String {
    let UtcTime { year, month, day, hour, minute, second, .. } = time.into();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Formats date and time to the millisecond, by RFC 3339: `2025-11-07T23:18:19.042Z`.
pub(crate) fn rfc3339(time: UnixTime) -> String {
    format!("{}.{:03}Z", utc(time).replace(' ', "T"), time.as_millis() % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_milliseconds_by_rfc_3339() {
        assert_eq!(rfc3339(UnixTime::from_millis(1_762_557_499_042)), "2025-11-07T23:18:19.042Z");
    }

    #[test]
    fn renders_known_dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_799, "2000-02-29 23:59:59"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_142_974_214, "2006-03-21 20:50:14"),
            (1_762_557_499, "2025-11-07 23:18:19"),
            (4_107_542_399, "2100-02-28 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(utc(UnixTime::from_seconds(seconds)), text);
        }
        assert!(!utc(UnixTime::from_millis(u64::MAX)).is_empty());
    }

    #[test]
    fn rounds_the_end_of_a_range_up_to_a_second() {
        for (millis, text) in
            [(0, "1970-01-01 00:00:00"), (1, "1970-01-01 00:00:01"), (1_000, "1970-01-01 00:00:01")]
        {
            assert_eq!(utc_end(UnixTime::from_millis(millis)), text);
        }
        assert!(!utc_end(UnixTime::from_millis(u64::MAX)).is_empty());
    }
}
