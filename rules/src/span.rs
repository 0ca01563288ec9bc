//! Ranges of a rule's text, and the length of a rule.
//!
//! The crate measures positions in bytes of UTF-8. The service counts UTF-16 code units;
//! `findings.rs` converts once, when it creates the diagnostics.

use core::ops::Range;

/// A range of bytes of the rule's text, on character boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_structs, reason = "a span has only two ends")]
pub struct Span {
    /// The offset of the first byte.
    pub start: usize,
    /// The offset after the last byte.
    pub end: usize,
}

impl Span {
    /// Creates the span of the bytes from `start` up to, but not including, `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Returns the smallest span that covers both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Returns the span as a range, for indexing.
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// Returns the covered part of `text`; an empty string if the span does not fit `text`.
    #[must_use]
    pub fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }
}

/// The length of a rule, in two units.
///
/// X's limits ("2048 characters", Powerstream: Introduction) are compared with UTF-16 code units,
/// the unit of the positions in the service's messages. The two units differ only for characters
/// beyond U+FFFF, such as emoji.
///
/// ```
/// use powerstream_rules::Length;
///
/// let length = Length::of("🍕 lang:it");
/// assert_eq!((length.utf16, length.code_points), (10, 9));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Length {
    /// The number of UTF-16 code units. X's limits apply to it.
    pub utf16: usize,
    /// The number of Unicode code points.
    pub code_points: usize,
}

impl Length {
    /// Measures a text. Every character counts, including white space, quotes and operators.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut length = Self::default();
        for character in text.chars() {
            length.utf16 += character.len_utf16();
            length.code_points += 1;
        }
        length
    }
}
