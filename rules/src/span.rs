//! Where something stands in a rule, and how long a rule is.
//!
//! Inside the crate every place is a range of bytes of the rule's UTF-8 text. The service counts in UTF-16 code units
//! instead; the conversion happens once, at the edge, where a finding is told (see `diagnostic.rs`).

use core::ops::Range;

/// A range of bytes of the rule's text, on character boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_structs, reason = "two ends are all a span can have")]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

impl Span {
    /// The span from `start` up to, not including, `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The smallest span that covers both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The same as a range, to index with.
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// The text it covers; empty where the span does not fit the text.
    #[must_use]
    pub fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }
}

/// The length of a rule, in the two units that matter.
///
/// The limits of X's pages ("2048 characters", Powerstream: Introduction) are held against UTF-16 code units, since
/// that is what the positions in the service's messages count. The two differ only where a rule has characters beyond
/// U+FFFF, such as emoji.
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
    /// UTF-16 code units: what is compared with the limit.
    pub utf16: usize,
    /// Unicode code points.
    pub code_points: usize,
}

impl Length {
    /// Measures a text. Every character counts: blanks, quotes and operators too.
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
