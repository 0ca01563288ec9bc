//! The columns of the operator table.

/// The properties of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// The primary name without the colon, such as `from`. Flags have their whole text
    /// (`has:links`); terms without a name have a description (`keyword`).
    pub name: &'static str,
    /// Other names that the service accepts.
    pub aliases: &'static [&'static str],
    /// The primary name on the filtered stream, if it differs.
    pub filtered_stream_name: Option<&'static str>,
    /// The form of the argument.
    pub kind: Kind,
    /// Whether Powerstream has the operator (Powerstream: Operators).
    pub powerstream: Availability,
    /// Whether PowerTrack 2.0 has the operator (PowerTrack: Operators).
    pub powertrack: Availability,
    /// Whether the filtered stream has the operator (Filtered Stream: Operators).
    pub filtered_stream: Availability,
    /// True if a rule of the filtered stream may consist of this operator alone.
    pub standalone: bool,
    /// Whether the operator may be negated.
    pub negation: Negation,
    /// The Posts that the operator reads.
    pub sources: Sources,
    /// A sentence that describes the matching Posts.
    pub summary: &'static str,
    /// The condition on one Post, as a clause. `{}` marks the place of the argument.
    pub clause: &'static str,
    /// An example of a rule with the operator.
    pub example: &'static str,
}

/// The form of an operator's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A bare word that is the whole term.
    Keyword,
    /// One or more unquoted emoji.
    Emoji,
    /// A quoted text that is the whole term.
    Phrase,
    /// A quoted text and a distance from 1 to 6.
    Proximity,
    /// `#` and a tag.
    Hashtag,
    /// `$` and a symbol.
    Cashtag,
    /// `@` and a user name or ID.
    Mention,
    /// No argument: the name is the whole operator.
    Flag,
    /// A word or a quoted text.
    Text,
    /// A word, a quoted text, or a decimal number that may be negative.
    TextOrNumber,
    /// A quoted text; a bare word is an error.
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
    /// `domain.entity`; one of the two may be `*`.
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
    /// Returns a short description of the form, for help texts.
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
            Self::Range => "a count or a range, such as 100 or 100..5000",
            Self::Minimum => "a count, such as 100",
            Self::Language => "a language code, such as en",
            Self::Country => "a country code of two letters, such as GB",
            Self::PostId => "an ID, which has only digits",
            Self::Context => "a domain and an entity, such as 66.1234, 66.* or *.1234",
            Self::Percent => "a whole number from 1 to 100",
            Self::Threshold => "a number from 0.0 to 1.0",
            Self::Circle => "[longitude latitude radius] separated by blanks, such as [-0.12 51.5 10mi]",
            Self::Box => "[west south east north] separated by blanks, such as [-0.2 51.4 -0.1 51.6]",
        }
    }
}

/// Whether a product has an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Availability {
    /// The product's page lists it.
    Listed,
    /// The product's page does not list it. It is accepted with a warning.
    Unlisted,
    /// Only plans with the embedding tier have it.
    EmbeddingTier,
    /// The product rejects it.
    Absent,
}

/// Whether an operator may be negated with a dash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Negation {
    /// May be negated.
    Allowed,
    /// Must not be negated.
    Refused,
    /// Must be negated.
    Required,
}

/// The Posts that an operator reads, if a Post is a Retweet or quotes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sources {
    /// The Post; for a Retweet, also the retweeted Post.
    Own,
    /// The same as `Own`, and the Posts that these quote.
    OwnAndQuoted,
    /// The delivered Post only.
    Outer,
    /// The delivered Post only; Retweets never match.
    OuterNoRetweets,
    /// No Post: the operator applies to the rule as a whole.
    Rule,
}
