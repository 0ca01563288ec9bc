//! Options of the matcher.

/// Options for cases where X's pages are silent or disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MatchOptions {
    /// How phrases are compared.
    pub phrases: Phrases,
    /// How keywords are compared in scripts without blanks between words.
    pub segment: Segment,
    /// If true, `url:` also matches the short link, as on the filtered stream; PowerTrack does not.
    pub short_links: bool,
}

/// How phrases are compared. X's pages of 2024 say that punctuation is treated as white space.
/// Gnip's tables for the real-time product say that it is not, and so does its staff's advice to
/// list all kinds of apostrophes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phrases {
    /// Character by character: `"sea gull"` does not match `sea-gull`.
    #[default]
    Literal,
    /// Token by token: punctuation counts as a blank.
    Tokens,
}

/// How keywords in Chinese, Japanese, Thai and similar scripts are compared. X does not document
/// how the service splits such text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Segment {
    /// As a token: the whole text between blanks or punctuation.
    #[default]
    Tokens,
    /// As any part of the text or of a link.
    Substring,
}
