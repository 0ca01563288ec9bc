//! What can be chosen about matching.

/// What may be chosen about matching.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MatchOptions {
    /// How phrases are compared.
    pub phrases: Phrases,
    /// What a keyword is in a script without blanks between words.
    pub segment: Segment,
    /// Whether `url:` reads the short link too, as the filtered stream does and PowerTrack does not.
    pub short_links: bool,
}

/// How phrases are compared. X's pages of 2024 say that punctuation is treated as white space; Gnip's tables for the
/// real-time product, and its staff's advice to list all kinds of apostrophes, say that it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phrases {
    /// Character by character: `"sea gull"` is not in `sea-gull`.
    #[default]
    Literal,
    /// Token by token: punctuation is a blank.
    Tokens,
}

/// What a keyword in Chinese, Japanese, Thai and the like is compared with. No page describes how the service divides
/// such text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Segment {
    /// A token like any other, which is all that stands between blanks and punctuation.
    #[default]
    Tokens,
    /// Any part of the text or of a link.
    Substring,
}
