//! Matches Posts against many rules.
//!
//! A [`RuleSet`] contains rules and returns the keys of those that a Post matches. The Post is
//! given as the bytes of its message, in the legacy or the v2 format. Rules are added and removed
//! one at a time. [`evidence()`] explains for one rule and one Post why it matches, or what would
//! have to be different.
//!
//! ```
//! use powerstream_rules::{Profile, Rule, matcher::{RuleSet, Scratch}};
//!
//! let mut rules = RuleSet::new();
//! let gulls = rules.insert(&Rule::parse("gull lang:en", Profile::Powerstream)?, Some("birds"));
//! let ferry = Rule::parse("ferry OR \"night boat\"", Profile::Powerstream)?;
//! let ferries = rules.insert(&ferry, None);
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
//! # How it works
//!
//! Each rule has anchor terms: words, names or pieces of text. At least one of them occurs in every
//! Post that the rule matches. An AND uses the anchor terms of the operand that is probably rarest.
//! An OR uses the anchor terms of all its operands. One hash table indexes the anchor terms of all
//! rules.
//!
//! A Post is matched in one pass. Its strings are folded and split into tokens, and each token is
//! looked up once. Only rules whose anchor term was found are evaluated. Other conditions, such as
//! phrases and flags, are evaluated when the first rule needs them, at most once per Post. A rule
//! without an anchor term, such as `-gull`, is evaluated for every Post.
//!
//! # What is compared
//!
//! Texts are compared as readers see them. X writes `&`, `<` and `>` in a Post's text as `&amp;`,
//! `&lt;` and `&gt;`, so these entities are decoded. Names, profiles and links are compared as
//! received, because X does not escape them.
//!
//! Texts are compared after NFC and simple case folding: accents are significant, letter case is
//! not. A token is a run of letters, marks and numbers, or a single emoji. All punctuation, symbols
//! and blanks of the basic plane separate tokens.
//!
//! - A keyword matches a token of the text or of a link.
//! - A phrase matches literally at word boundaries. With [`Phrases::Tokens`], it matches a sequence
//!   of tokens.
//! - A bare word that is not exactly one token matches like the phrase of the same text.
//!
//! An operator may read the delivered Post, the Post that it retweets, and the Posts that these
//! quote. Its row of the operator table defines which ([`Sources`](crate::operator::Sources)). The
//! operator is true if it is true for one of these Posts.
//!
//! # What is unknown
//!
//! The logic has three values ([`Truth`]). A field that is absent from a legacy Post counts as
//! empty: operators on it are false, their negations true.
//!
//! A v2 Post contains only the requested fields. An operator is [`Truth::Unknown`] if it depends on
//! a field that every Post has but the message lacks. These fields are the author, the language,
//! the source, a user's counts and check mark, and the conversation. An operator is also unknown if
//! the message refers to an object that `includes` lacks.
//!
//! These are always unknown: `embedding:`, annotations and affiliations on legacy Posts, and the
//! location of the author's profile on v2 Posts. A rule whose value is unknown does not match.
//!
//! # Choices where X's pages are silent
//!
//! - `sample:` selects the Posts for which splitmix64 of the ID, modulo 100, is below the
//!   percentage. The sample is stable, but differs from the service's.
//! - `url:` reads the targets of links, and with [`MatchOptions::short_links`] the short links as
//!   well.
//! - A Post with a point is located by the point. Other Posts are located by their place, which
//!   must be completely inside.
//! - `embedding_threshold:` alone restricts nothing.

mod atom;
mod evidence;
mod fold;
mod geo;
mod index;
mod key;
mod options;
mod phrase;
mod predicate;
mod program;
mod rule_set;
mod scan;
mod table;
mod terms;
mod token;
mod truth;
mod view;
mod wanted;

pub use self::evidence::{Evidence, Found, Leaf, evidence, evidence_text};
pub use self::index::RuleKey;
pub use self::options::{MatchOptions, Phrases, Segment};
pub use self::rule_set::{Entry, RuleSet};
pub use self::scan::Scratch;
pub use self::truth::Truth;
pub use self::view::PostRole;
