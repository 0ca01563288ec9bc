//! Sizes on the command line and in messages: `64MiB`.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

/// The units. A number without a unit counts bytes.
const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A number of bytes above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) NonZeroUsize);

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let scale = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, scale)| *scale);
        let bytes =
            number.parse::<u64>().ok().zip(scale).and_then(|(number, scale)| number.checked_mul(scale));
        let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let bytes =
            bytes.ok_or("expected a whole number of bytes, or one with a unit: 65536, 500kB, 64MiB, 1GiB")?;
        NonZeroUsize::new(bytes).map(Self).ok_or("expected more than zero")
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(self.0.get() as u64).fmt(f)
    }
}

/// Formats bytes in the largest binary unit that fits.
pub(crate) fn shown(bytes: u64) -> String {
    let unit = UNITS.iter().filter(|(name, _)| name.ends_with("iB")).rfind(|(_, scale)| bytes >= *scale);
    match unit {
        Some((name, scale)) if bytes.is_multiple_of(*scale) => format!("{} {name}", bytes / scale),
        Some((name, scale)) => format!("{:.1} {name}", bytes as f64 / *scale as f64),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_whole_number_with_or_without_a_unit() {
        for (text, bytes) in [
            ("1", 1),
            ("65536", 65_536),
            ("10B", 10),
            ("500kB", 500_000),
            ("500KB", 500_000),
            ("2MB", 2_000_000),
            ("1GB", 1_000_000_000),
            ("64KiB", 65_536),
            ("64MiB", 67_108_864),
            ("64mib", 67_108_864),
            ("1GiB", 1_073_741_824),
        ] {
            assert_eq!(text.parse::<Size>().unwrap().0.get(), bytes, "{text}");
        }
        for text in
            ["", "MiB", "64 MiB", "-1", "+1", "1.5MiB", "1e3", "64M", "64Mi", "64TiB", "0", "0MiB", "0x10"]
        {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        assert!("99999999999999999999".parse::<Size>().is_err());
        assert!("99999999999GiB".parse::<Size>().is_err());
    }

    #[test]
    fn shows_sizes_in_the_largest_unit() {
        for (bytes, want) in [
            (0, "0 bytes"),
            (1_023, "1023 bytes"),
            (1_024, "1 KiB"),
            (1_536, "1.5 KiB"),
            (67_108_864, "64 MiB"),
            (12_900_000, "12.3 MiB"),
            (3 << 30, "3 GiB"),
        ] {
            assert_eq!(shown(bytes), want);
        }
    }
}
