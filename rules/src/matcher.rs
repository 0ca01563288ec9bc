//! Which rules a Post matches.
//!
//! A [`RuleSet`] holds rules and says which of them match a Post, given as the bytes of its message, in either format.
//! Rules come and go one at a time. [`evidence`] says of one rule and one Post why it matches, or what would have to
//! be different.
//!
//! ```
//! use powerstream_rules::{Profile, Rule, matcher::{RuleSet, Scratch}};
//!
//! let mut rules = RuleSet::new();
//! let gulls = rules.insert(&Rule::parse("gull lang:en", Profile::Powerstream)?, Some("birds"));
//! let ferries = rules.insert(&Rule::parse("ferry OR \"night boat\"", Profile::Powerstream)?, None);
//!
//! let mut scratch = Scratch::new();
//! let post = br#"{"id_str":"20","text":"A Gull follows the night boat","lang":"en"}"#;
//! assert_eq!(rules.matches(post, &mut scratch), [gulls, ferries]);
//! assert_eq!(rules.get(gulls).unwrap().tag, Some("birds"));
//!
//! rules.remove(gulls);
//! assert_eq!(rules.matches(post, &mut scratch), [ferries]);
//! # Ok::<(), Vec<powerstream_rules::Diagnostic>>(())
//! ```
//!
//! # What is compared
//!
//! Texts are compared after NFC and simple case folding: accents count, letter case does not. Tokens are runs of
//! letters, marks and numbers; all punctuation, symbols and blanks of the basic plane divide; an emoji is a token by
//! itself. A keyword is a token of the text or of a link. A phrase stands literally in one of them, at the boundaries of
//! words, or, where [`Phrases::Tokens`] says so, as tokens in a row. A bare word that is not exactly one token is the
//! phrase of the same text.
//!
//! An operator reads the delivered Post, the one that it repeats, those that they quote, as its row of the operator
//! table says ([`Sources`](crate::operator::Sources)), and is true if it is true of one of them.
//!
//! # What cannot be told
//!
//! Logic has three values ([`Truth`]). A field that a legacy Post lacks is empty, so an operator on it is false and its
//! negation true. A v2 Post holds what was asked for: [`Truth::Unknown`] is what depends on a field that no Post is
//! without (the author, the language, the source, the counts and the check mark of a user, the conversation), or on
//! something that is referred to and not in `includes`. `embedding:` is always unknown; so are annotations and
//! affiliations on legacy Posts, and where X places an author's profile on v2 Posts. A rule that comes to unknown does
//! not match.
//!
//! # Choices where X's pages are silent
//!
//! `sample:` takes the Posts of which splitmix64 of the id, modulo 100, is below the percentage: a steady sample, and
//! not the service's own. `url:` reads where links lead, on request the short links as well
//! ([`MatchOptions::short_links`]). A Post with a point is located by it, another by its place, which must lie wholly
//! inside. `embedding_threshold:` asks for nothing by itself.

mod atom;
mod check;
mod evidence;
mod fold;
mod geo;
mod phrase;
mod token;
mod view;

use core::fmt;
use core::ops::Not;

use powerstream_core::post::Post;
use powerstream_core::stream::message::{Kind, classify, elements};

use crate::ast::Rule;

pub use self::evidence::{Evidence, Found, Leaf, evidence, evidence_post, evidence_text};

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

/// The name of a rule in its [`RuleSet`]. Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleKey(u64);

impl fmt::Display for RuleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// True, false, or not to be told. In this order, so that AND is the least of its operands and OR the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_enums, reason = "logic is finished")]
pub enum Truth {
    /// It is not so.
    False,
    /// The message does not hold what decides.
    Unknown,
    /// It is so.
    True,
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }
}

/// Which Post something was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The one that was delivered.
    Own,
    /// The one that it quotes.
    Quoted,
    /// The one that it repeats.
    Retweeted,
    /// The one that that one quotes.
    RetweetedQuoted,
}

/// A rule of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// The rule as it was written.
    pub value: &'a str,
    /// Its tag.
    pub tag: Option<&'a str>,
}

/// Rules that are matched together. See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    options: MatchOptions,
    next: u64,
    rules: Vec<(RuleKey, Rule, Option<Box<str>>)>,
}

/// Room for matching, to be used again: what it has grown to is enough for most Posts, and then nothing allocates. One
/// serves any number of sets, one at a time.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    matched: Vec<RuleKey>,
}

impl Scratch {
    /// Empty; it grows at the first use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl RuleSet {
    /// No rules, the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No rules.
    #[must_use]
    pub fn with_options(options: MatchOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// The options.
    #[must_use]
    pub const fn options(&self) -> MatchOptions {
        self.options
    }

    /// Adds a rule. Two rules may have the same value; the service refuses that, and so may the caller. The rule's
    /// profile has no say here.
    pub fn insert(&mut self, rule: &Rule, tag: Option<&str>) -> RuleKey {
        let key = RuleKey(self.next);
        self.next += 1;
        self.rules.push((key, rule.clone(), tag.map(Into::into)));
        key
    }

    /// Takes a rule out. False: there is none with this key.
    pub fn remove(&mut self, key: RuleKey) -> bool {
        let before = self.rules.len();
        self.rules.retain(|(other, ..)| *other != key);
        self.rules.len() < before
    }

    /// A rule.
    #[must_use]
    pub fn get(&self, key: RuleKey) -> Option<Entry<'_>> {
        let (_, rule, tag) = self.rules.iter().find(|(other, ..)| *other == key)?;
        Some(Entry { value: rule.text(), tag: tag.as_deref() })
    }

    /// The rules, by key.
    pub fn iter(&self) -> impl Iterator<Item = (RuleKey, Entry<'_>)> {
        self.rules.iter().map(|(key, rule, tag)| (*key, Entry { value: rule.text(), tag: tag.as_deref() }))
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules that a message matches, ascending.
    ///
    /// The message is the JSON of a Post in either format, or an array, of which the first element counts: take others
    /// apart with [`elements`]. What is no Post ([`classify`]) matches nothing, nor does what is no JSON.
    pub fn matches<'s>(&self, message: &[u8], scratch: &'s mut Scratch) -> &'s [RuleKey] {
        match post_of(message) {
            Some(post) => self.matches_post(&post, scratch),
            None => &[],
        }
    }

    /// The same of a Post that was found already. Where it comes from an
    /// [`Index`](powerstream_core::post::Index), its fields are not searched again.
    pub fn matches_post<'s>(&self, post: &Post<'_>, scratch: &'s mut Scratch) -> &'s [RuleKey] {
        self.walk(scratch, |rule| evidence_post(rule, post, self.options))
    }

    /// The same of a text and nothing else: a legacy Post that has no other field.
    pub fn matches_text<'s>(&self, text: &str, scratch: &'s mut Scratch) -> &'s [RuleKey] {
        self.walk(scratch, |rule| evidence_text(rule, text, self.options))
    }

    fn walk<'s>(&self, scratch: &'s mut Scratch, value: impl Fn(&Rule) -> Evidence) -> &'s [RuleKey] {
        scratch.matched.clear();
        let matching = self.rules.iter().filter(|(_, rule, _)| value(rule).value == Truth::True);
        scratch.matched.extend(matching.map(|(key, ..)| key));
        &scratch.matched
    }
}

/// The Post in a message.
fn post_of(message: &[u8]) -> Option<Post<'_>> {
    match classify(message).kind {
        Kind::Post { format, .. } => Some(Post::with_format(message, format)),
        Kind::Array => {
            let first = elements(message).next()?.ok()?;
            match classify(first).kind {
                Kind::Post { format, .. } => Some(Post::with_format(first, format)),
                _ => None,
            }
        }
        _ => None,
    }
}
