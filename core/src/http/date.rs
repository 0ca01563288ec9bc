//! HTTP dates (RFC 9110 section 5.6.7), parsed leniently because only waiting times depend on them.

use crate::time::UnixTime;

/// Parses an IMF-fixdate such as `Fri, 07 Oct 2022 23:07:40 GMT`; returns `None` for any other
/// text.
///
/// The zone may also be `UTC`, as in recordings of X's servers. The day of the week is not checked
/// against the date. The two obsolete formats are not supported: no recording of these streams
/// contains them.
#[must_use]
pub fn parse_date(text: &[u8]) -> Option<UnixTime> {
    let [_, _, _, b',', b' ', rest @ ..] = text else { return None };
    let (day, rest) = number(rest, 2)?;
    let [b' ', m0, m1, m2, b' ', rest @ ..] = rest else { return None };
    let month = match &[*m0, *m1, *m2] {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    };
    let (year, rest) = number(rest, 4)?;
    let rest = rest.strip_prefix(b" ")?;
    let (hour, rest) = number(rest, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 2)?;
    let (second, rest) = number(rest.strip_prefix(b":")?, 2)?;
    let in_range = year >= 1970 && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !in_range || !matches!(rest, b" GMT" | b" UTC") {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(UnixTime::from_seconds(seconds))
}

/// Parses exactly `digits` decimal digits from the start. Returns the number and the rest.
fn number(text: &[u8], digits: usize) -> Option<(u64, &[u8])> {
    let (front, rest) = text.split_at_checked(digits)?;
    let mut value = 0;
    for &byte in front {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(byte - b'0');
    }
    Some((value, rest))
}

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar. `year` must be at least
/// 1970.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    // Counting years from March puts the leap day at the end of the year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    // The same count for 1970-01-01.
    days - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_dates_in_gmt_and_utc() {
        let cases: &[(&[u8], u64)] = &[
            (b"Thu, 01 Jan 1970 00:00:00 GMT", 0),
            (b"Fri, 07 Oct 2022 23:07:40 UTC", 1_665_184_060),
            (b"Thu, 29 Feb 2024 12:30:01 GMT", 1_709_209_801),
            (b"Fri, 31 Dec 1999 23:59:60 GMT", 946_684_800),
            (b"Wed, 01 Mar 2023 00:00:00 GMT", 1_677_628_800),
            (b"Sat, 01 Apr 2023 00:00:00 GMT", 1_680_307_200),
            (b"Mon, 01 May 2023 00:00:00 GMT", 1_682_899_200),
            (b"Thu, 01 Jun 2023 00:00:00 GMT", 1_685_577_600),
            (b"Sat, 01 Jul 2023 00:00:00 GMT", 1_688_169_600),
            (b"Tue, 01 Aug 2023 00:00:00 GMT", 1_690_848_000),
            (b"Fri, 01 Sep 2023 00:00:00 GMT", 1_693_526_400),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_date(text), Some(UnixTime::from_seconds(*seconds)), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn rejects_every_other_date_format() {
        let cases: &[&[u8]] = &[
            b"",
            b"120",
            b"Fri, 07 Oct 2022 23:07:40",
            b"Fri, 07 Oct 2022 23:07:40 CET",
            b"Fri, 7 Oct 2022 23:07:40 GMT",
            b"Fri, 07 Okt 2022 23:07:40 GMT",
            b"Fri, 07 Oct 2022 24:07:40 GMT",
            b"Fri, 07 Oct 2022 23:60:40 GMT",
            b"Fri, 00 Oct 2022 23:07:40 GMT",
            b"Fri, 07 Oct 1969 23:07:40 GMT",
            b"Friday, 07-Oct-22 23:07:40 GMT",
            b"Fri, 07 Oct 2022 +3:07:40 GMT",
        ];
        for text in cases {
            assert_eq!(parse_date(text), None, "{}", text.escape_ascii());
        }
    }
}
