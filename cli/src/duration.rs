//! Lengths of time on the command line: `500ms`, `10s`, `1.5h`.

use std::time::Duration;

const UNITS: [(&str, f64); 5] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("d", 86_400.0)];

/// Parses a length: a decimal number and a unit. A number without a unit is refused as ambiguous.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| scale);
    let seconds = number.parse::<f64>().ok().zip(scale).map(|(number, scale)| number * scale);
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or_else(|| {
        String::from("expected a number and a unit out of ms, s, m, h and d, such as 500ms, 10s or 1.5h")
    })
}

/// Parses a length above zero. See [`parse`].
pub(crate) fn parse_some(text: &str) -> Result<Duration, String> {
    let length = parse(text)?;
    if length.is_zero() { Err(String::from("expected more than zero")) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_number_with_a_unit_and_nothing_else() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1.5h", 5_400_000),
            ("1d", 86_400_000),
            ("0s", 0),
            (".5s", 500),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in
            ["", "s", "10", "10 s", "-1s", "+1s", "1e3s", "1..2s", ".s", "10sec", "s10", "inf", "NaNs"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&format!("{}d", "9".repeat(400))).is_err());
        assert!(parse_some("0ms").is_err() && parse_some("1ms").is_ok());
    }
}
