//! The columns of the operator table.

/// What the table says about an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Its primary name without the colon (`from`), whole for the flags (`has:links`), a description for what has no
    /// name (`keyword`).
    pub name: &'static str,
    /// Other names it is known by.
    pub aliases: &'static [&'static str],
    /// Its primary name on the filtered stream, where that differs.
    pub filtered_stream_name: Option<&'static str>,
    /// The form of what follows the name.
    pub kind: Kind,
    /// Whether Powerstream has it (Powerstream: Operators).
    pub powerstream: Availability,
    /// Whether PowerTrack 2.0 has it (PowerTrack: Operators).
    pub powertrack: Availability,
    /// Whether the filtered stream has it (Filtered Stream: Operators).
    pub filtered_stream: Availability,
    /// Whether it may be the only kind of operator in a rule of the filtered stream.
    pub standalone: bool,
    /// Whether it may be negated.
    pub negation: Negation,
    /// Which Posts it reads.
    pub sources: Sources,
    /// What it matches, in a sentence.
    pub summary: &'static str,
    /// The same about one Post, `{}` standing for the argument.
    pub clause: &'static str,
    /// A rule that uses it.
    pub example: &'static str,
}

/// The form of an operator's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A bare word, which is the whole term.
    Keyword,
    /// One or more emoji, bare.
    Emoji,
    /// A quoted text, which is the whole term.
    Phrase,
    /// A quoted text and a distance from 1 to 6.
    Proximity,
    /// `#` and a tag.
    Hashtag,
    /// `$` and a symbol.
    Cashtag,
    /// `@` and a user name or ID.
    Mention,
    /// None: the name is the whole operator.
    Flag,
    /// A word or a quoted text.
    Text,
    /// A word, a quoted text, or a decimal number that may be negative.
    TextOrNumber,
    /// A quoted text, never a bare word.
    Quoted,
    /// A user name without the `@`, or a user ID.
    User,
    /// A count or a range, `N` or `N..M`.
    Range,
    /// A count.
    Minimum,
    /// A language code.
    Language,
    /// A country code of two letters.
    Country,
    /// The ID of a Post or a conversation.
    PostId,
    /// `domain.entity`, one of which may be `*`.
    Context,
    /// A whole number from 1 to 100.
    Percent,
    /// A number from 0.0 to 1.0.
    Threshold,
    /// `[longitude latitude radius]`.
    Circle,
    /// `[west south east north]`.
    Box,
}

impl Kind {
    /// The form in a few words, to say what should stand there.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Keyword => "a word",
            Self::Emoji => "one or more emoji",
            Self::Phrase => "a text in double quotes",
            Self::Proximity => "a text in double quotes, `~`, and a distance from 1 to 6",
            Self::Hashtag => "`#` and a tag",
            Self::Cashtag => "`$` and a symbol",
            Self::Mention => "`@` and a user name or ID",
            Self::Flag => "nothing",
            Self::Text => "a word, or a text in double quotes",
            Self::TextOrNumber => "a word, a number, or a text in double quotes",
            Self::Quoted => "a text in double quotes",
            Self::User => "a user name without the @, or a user ID",
            Self::Range => "a count or a range, as 100 or 100..5000",
            Self::Minimum => "a count, as 100",
            Self::Language => "a language code, as en",
            Self::Country => "a country code of two letters, as GB",
            Self::PostId => "an ID, digits only",
            Self::Context => "a domain and an entity, as 66.1234, 66.* or *.1234",
            Self::Percent => "a whole number from 1 to 100",
            Self::Threshold => "a number from 0.0 to 1.0",
            Self::Circle => "[longitude latitude radius] with blanks between, as [-0.12 51.5 10mi]",
            Self::Box => "[west south east north] with blanks between, as [-0.2 51.4 -0.1 51.6]",
        }
    }
}

/// Whether a product has an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Availability {
    /// Its page lists it.
    Listed,
    /// Its page does not, and it is taken all the same, with a warning.
    Unlisted,
    /// Only with the embedding tier.
    EmbeddingTier,
    /// It refuses it.
    Absent,
}

/// Whether a dash may stand before an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Negation {
    /// As one likes.
    Allowed,
    /// Never.
    Refused,
    /// Always.
    Required,
}

/// Which Posts an operator reads, when one Post stands inside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sources {
    /// The Post; of a Retweet also the retweeted Post.
    Own,
    /// The same, and the Post that each of them quotes.
    OwnAndQuoted,
    /// The delivered Post only.
    Outer,
    /// The delivered Post only, and never a Retweet.
    OuterNoRetweets,
    /// None: it acts on the rule as a whole.
    Rule,
}
