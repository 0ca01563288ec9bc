//! Which rules a Post matches.
//!
//! A [`RuleSet`] holds rules and says which of them match a Post, given as the bytes of its message, in either format.
//! Rules are added and removed one at a time. [`evidence()`] explains for one rule and one Post why it matches, or what
//! would have to be different.
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
//! # How it works
//!
//! Each rule has anchor terms: words, names or pieces of text of which at least one occurs in every Post that the rule
//! matches. Of an AND these are the terms of the operand that is probably the rarest; of an OR, those of all operands.
//! They are indexed in one hash table for all rules.
//!
//! A Post is matched in one pass. Its strings are folded and split into tokens, and each token is looked up once. The
//! anchor terms found name the rules that can still match, and only these are evaluated. What a rule needs besides, such
//! as a phrase or a flag, is evaluated when a rule first needs it, once for a Post. A rule without an anchor term, such as
//! `-gull`, is evaluated for every Post.
//!
//! # What is compared
//!
//! Texts are compared as readers see them: X writes `&`, `<` and `>` of a Post's text as `&amp;`,
//! `&lt;` and `&gt;`, and these are decoded. Names, profiles and links are compared as received, since
//! X does not escape them.
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
//! # What is unknown
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
