//! The operators, as data.
//!
//! One table (`operator/table.rs`) says everything about an operator: its names, the products that have it, the form
//! of its argument, whether it may stand alone or be negated, what it reads, and how to say it in words. The parser,
//! the checks, the formatter, the explanation and the documentation all read it; nothing about an operator is decided
//! anywhere else.

mod table;

pub use self::table::Operator;

use crate::profile::Profile;

/// What the table says about an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// The operator.
    pub operator: Operator,
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

impl Operator {
    /// The operator that is written `name:`, in any case; no flags. Linear in the table, which is short.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::find(name, |info| {
            // What comes before `Flag` has no name.
            info.kind > Kind::Flag
        })
    }

    /// The flag that is written so: `has:links`, `is:reply`, in any case.
    #[must_use]
    pub fn flag(written: &str) -> Option<Self> {
        Self::find(written, |info| info.kind == Kind::Flag)
    }

    fn find(name: &str, wanted: impl Fn(&Info) -> bool) -> Option<Self> {
        let named = |known: &&str| known.eq_ignore_ascii_case(name);
        Self::ALL
            .iter()
            .map(|operator| operator.info())
            .find(|info| wanted(info) && (named(&info.name) || info.aliases.iter().any(named)))
            .map(|info| info.operator)
    }

    /// Whether a product has it.
    #[must_use]
    pub fn availability(self, profile: Profile) -> Availability {
        let info = self.info();
        match profile {
            Profile::Powerstream => info.powerstream,
            Profile::Powertrack => info.powertrack,
            Profile::FilteredStream | Profile::FilteredStreamPpu | Profile::FilteredStreamEmbedding => {
                info.filtered_stream
            }
        }
        .for_tier(profile)
    }

    /// The name that a product's own page prefers.
    #[must_use]
    pub fn primary_name(self, profile: Profile) -> &'static str {
        let info = self.info();
        info.filtered_stream_name.filter(|_| profile.is_filtered_stream()).unwrap_or(info.name)
    }
}

impl Availability {
    fn for_tier(self, profile: Profile) -> Self {
        match self {
            Self::EmbeddingTier if profile == Profile::FilteredStreamEmbedding => Self::Listed,
            Self::EmbeddingTier => Self::Absent,
            other => other,
        }
    }
}

/// What to say to a name that was an operator once, or is one elsewhere.
pub(crate) fn successor(name: &str) -> Option<&'static str> {
    const NONE: &str = "PowerTrack 1.0 had it, and it has no successor";
    const CHANGED: [(&str, &str); 21] = [
        ("twitter_lang", "write `lang:`"),
        ("country_code", "write `place_country:`"),
        ("profile_country_code", "write `profile_country:`"),
        ("bio_contains", "write `bio:`, which matches whole words"),
        ("bio_name_contains", "write `bio_name:`, which matches whole words"),
        ("bio_location_contains", "write `bio_location:`, which matches whole words"),
        ("place_contains", "write `place:`, which matches whole words"),
        ("profile_region_contains", "write `profile_region:`"),
        ("profile_locality_contains", "write `profile_locality:`"),
        ("profile_subregion_contains", "write `profile_subregion:`"),
        ("bio_lang", NONE),
        ("time_zone", NONE),
        ("list", "only the search products have it"),
        ("quotes_of_tweet_id", "only the search products have it"),
        ("min_likes", "only the search products have it"),
        ("min_reposts", "only the search products have it"),
        ("since", "only the search products have it; a stream has no past"),
        ("until", "only the search products have it; a stream has no end"),
        ("filter", "write `has:` or `is:`, as has:links"),
        ("is", "write `is:retweet`, `is:reply` or the like"),
        ("has", "write `has:links`, `has:media` or the like"),
    ];
    let known = CHANGED.iter().find(|(old, _)| old.eq_ignore_ascii_case(name)).map(|(_, help)| *help);
    known.or_else(|| name.get(..6).filter(|start| start.eq_ignore_ascii_case("klout_")).map(|_| NONE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lower_case() {
        let mut names: Vec<&str> = Vec::new();
        for operator in Operator::ALL {
            let info = operator.info();
            assert_eq!(info.operator, *operator);
            names.extend([info.name].iter().chain(info.aliases).copied());
            assert_eq!(info.kind == Kind::Flag, info.name.contains(':'), "{}", info.name);
            assert_eq!(info.clause.contains("{}"), info.kind != Kind::Flag, "{}", info.name);
            assert!(info.filtered_stream_name.is_none_or(|name| info.aliases.contains(&name)));
            assert!(info.summary.ends_with('.') && !info.clause.ends_with('.'), "{}", info.name);
        }
        assert!(names.iter().all(|name| name.to_ascii_lowercase() == *name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_name_and_alias_is_found_in_any_case() {
        for operator in Operator::ALL {
            let info = operator.info();
            for name in [info.name].iter().chain(info.aliases) {
                let found = |name: &str| match info.kind {
                    Kind::Flag => Operator::flag(name),
                    _ => Operator::by_name(name),
                };
                if info.kind < Kind::Flag {
                    assert_eq!(found(name), None, "{name} is no name to write");
                } else {
                    assert_eq!(found(name), Some(*operator));
                    assert_eq!(found(&name.to_uppercase()), Some(*operator));
                }
            }
        }
        assert_eq!(Operator::by_name("has:links"), None);
        assert_eq!(Operator::flag("from"), None);
    }
}
