//! Times for people, in UTC: `2025-11-07 23:18:19`.

use powerstream_core::time::UnixTime;

/// Formats the end of a range: the next whole second, so that the range is not shortened.
pub(crate) fn utc_end(time: UnixTime) -> String {
    utc(UnixTime::from_seconds(time.as_millis().div_ceil(1_000)))
}

/// Formats date and time to the second.
pub(crate) fn utc(time: UnixTime) -> String {
    let seconds = time.as_millis() / 1_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Formats date and time to the millisecond, by RFC 3339: `2025-11-07T23:18:19.042Z`.
pub(crate) fn rfc3339(time: UnixTime) -> String {
    format!("{}.{:03}Z", utc(time).replace(' ', "T"), time.as_millis() % 1_000)
}

/// Returns year, month and day from days since 1970. Years start in March, so that the leap day is
/// last.
const fn date(days: u64) -> (u64, u64, u64) {
    // Days since 0000-03-01, in equal eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (era * 400 + year, month, day)
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
