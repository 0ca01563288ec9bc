//! Dates as text, and snowflake ids, as in Posts and response heads.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time of the first snowflake id, in Unix milliseconds.
const SNOWFLAKE_EPOCH_MS: u64 = 1_288_834_974_657;

/// Bits below the time in a snowflake id: 5 for the datacenter, 5 for the worker, 12 for the
/// sequence.
const SNOWFLAKE_SHIFT: u32 = 22;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// Returns the Unix time in milliseconds, and 0 for a clock before 1970.
pub(crate) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Returns the snowflake of a time, with the given 22 low bits. Earlier times count as the time of
/// the first snowflake.
pub(crate) fn snowflake(unix_ms: u64, low_bits: u64) -> u64 {
    (unix_ms.saturating_sub(SNOWFLAKE_EPOCH_MS) << SNOWFLAKE_SHIFT)
        | (low_bits & ((1 << SNOWFLAKE_SHIFT) - 1))
}

/// Returns the time of a snowflake id, in Unix milliseconds.
pub(crate) fn snowflake_ms(id: u64) -> u64 {
    (id >> SNOWFLAKE_SHIFT) + SNOWFLAKE_EPOCH_MS
}

/// The number of snowflakes per machine and millisecond.
pub(crate) const SEQUENCES: u64 = 1 << 12;

/// A generator of snowflake ids of the current time. They are unique and strictly increasing, even
/// if the clock stops or goes back.
#[derive(Debug, Clone)]
pub(crate) struct Snowflakes {
    /// The datacenter and the worker, bits 12 to 21.
    machine: u64,
    last_ms: u64,
    sequence: u64,
}

impl Snowflakes {
    pub(crate) fn new(machine: u64) -> Self {
        Self { machine: (machine & 0x3ff) << 12, last_ms: 0, sequence: 0 }
    }

    pub(crate) fn machine(&self) -> u64 {
        self.machine
    }

    pub(crate) fn next(&mut self, unix_ms: u64) -> u64 {
        let unix_ms = unix_ms.max(SNOWFLAKE_EPOCH_MS);
        if unix_ms > self.last_ms {
            self.last_ms = unix_ms;
            self.sequence = 0;
        } else {
            self.sequence += 1;
            if self.sequence == SEQUENCES {
                // After 4,096 ids in a millisecond, the next millisecond is used.
                self.last_ms += 1;
                self.sequence = 0;
            }
        }
        snowflake(self.last_ms, self.machine | self.sequence)
    }
}

/// A date and time in UTC.
struct Civil {
    year: u64,
    month: &'static str,
    day: u64,
    weekday: &'static str,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Civil {
    /// The days-to-civil algorithm of Howard Hinnant, for times since 1970.
    fn of(unix_seconds: u64) -> Self {
        let days = unix_seconds / 86_400;
        let in_day = unix_seconds % 86_400;
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 2 } else { month_from_march - 10 };
        Self {
            year: era * 400 + year_of_era + u64::from(month < 2),
            month: MONTHS[month as usize],
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            weekday: WEEKDAYS[((days + 4) % 7) as usize],
            hour: in_day / 3_600,
            minute: in_day / 60 % 60,
            second: in_day % 60,
        }
    }
}

/// Returns the days since 1970 of a date, by the inverse algorithm.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month_from_march) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let era = year / 400;
    let year_of_era = year % 400;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    (era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year)
        .checked_sub(719_468)
}

/// Parses `2026-01-05T10:00:00Z`, with or without decimals, to Unix milliseconds. Returns `None`
/// for any other text, and for dates before 1970.
pub(crate) fn iso_8601(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z')?;
    let (text, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let bytes = text.as_bytes();
    let shape = |(at, byte): (usize, &u8)| match at {
        4 | 7 => *byte == b'-',
        10 => *byte == b'T',
        13 | 16 => *byte == b':',
        _ => byte.is_ascii_digit(),
    };
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    if bytes.len() != 19 || !bytes.iter().enumerate().all(shape) || !is_fraction {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || day == 0 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days_now = days(year, month, day)?;
    let next = if month == 12 { days(year + 1, 1, 1) } else { days(year, month + 1, 1) };
    if days_now >= next? {
        return None;
    }
    let ms = format!("{fraction:0<3}")[..3].parse::<u64>().ok()?;
    Some((((days_now * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + ms)
}

/// Formats a date as the v2 API does: `2026-01-05T10:00:00.000Z`.
pub(crate) fn iso(unix_ms: u64) -> String {
    let Civil { year, month, day, hour, minute, second, .. } = Civil::of(unix_ms / 1_000);
    let month = MONTHS.iter().position(|name| *name == month).unwrap_or(0) + 1;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", unix_ms % 1_000)
}

/// Formats a date as legacy Posts do: `Wed Oct 10 20:19:24 +0000 2018`.
pub(crate) fn legacy(unix_ms: u64) -> String {
    let t = Civil::of(unix_ms / 1_000);
    let Civil { weekday, month, day, hour, minute, second, year } = t;
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} +0000 {year}")
}

/// Formats the `date` header as X does, with the zone `UTC`, where HTTP requires `GMT`. Clients
/// should be tested with it.
pub(crate) fn http_date(unix_ms: u64) -> String {
    let t = Civil::of(unix_ms / 1_000);
    let Civil { weekday, month, day, hour, minute, second, year } = t;
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_calendar_dates() {
        for (seconds, want) in [
            (0, "Thu Jan 01 00:00:00 +0000 1970"),
            (951_782_400, "Tue Feb 29 00:00:00 +0000 2000"),
            (1_142_974_214, "Tue Mar 21 20:50:14 +0000 2006"),
            (1_539_202_764, "Wed Oct 10 20:19:24 +0000 2018"),
            (1_735_689_599, "Tue Dec 31 23:59:59 +0000 2024"),
        ] {
            assert_eq!(legacy(seconds * 1_000), want);
        }
        assert_eq!(http_date(1_665_184_060_000), "Fri, 07 Oct 2022 23:07:40 UTC");
    }

    #[test]
    fn parses_iso_8601_dates() {
        for (text, want) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-01-05T10:00:00Z", Some(1_767_607_200_000)),
            ("2024-02-29T23:59:59.999Z", Some(1_709_251_199_999)),
            ("2024-01-15T10:35:00.5Z", Some(1_705_314_900_500)),
            ("2023-02-29T00:00:00Z", None),
            ("2024-13-01T00:00:00Z", None),
            ("2024-12-31T24:00:00Z", None),
            ("2024-12-31T00:00:00", None),
            ("2024-12-31 00:00:00Z", None),
            ("2024-12-31T00:00:00+00:00", None),
            ("+024-12-31T00:00:00Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("2024-12-31T00:00:00.Z", None),
            ("", None),
        ] {
            assert_eq!(iso_8601(text), want, "{text}");
        }
        for ms in [0, 951_782_400_123, 1_767_607_200_000, 4_102_444_799_999] {
            assert_eq!(iso_8601(&iso(ms)), Some(ms));
        }
    }

    #[test]
    fn converts_between_times_and_snowflakes() {
        assert_eq!(snowflake_ms(1_050_118_621_198_921_728), 1_539_202_764_211);
        assert_eq!(snowflake(1_762_557_264_155, 0), 1_986_935_293_730_619_392);
        assert_eq!(snowflake(1_762_557_264_155, u64::MAX), 1_986_935_293_734_813_695);
    }

    #[test]
    fn ids_increase_even_if_the_clock_goes_back() {
        let mut ids = Snowflakes::new(5);
        let mut last = 0;
        for now in [0, 1_800_000_000_000, 1_800_000_000_000, 1_700_000_000_000, 1_800_000_000_001] {
            for _ in 0..5_000 {
                let id = ids.next(now);
                assert!(id > last);
                last = id;
            }
        }
    }
}
