//! Which rules a Post matches.
//!
//! A [`RuleSet`] holds rules and says which of them match a Post, given as the bytes of its message, in either format.
//! Rules come and go one at a time. [`evidence()`] says of one rule and one Post why it matches, or what would have to
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
mod key;
mod phrase;
mod postings;
mod program;
mod scan;
mod slab;
mod table;
mod terms;
mod token;
mod view;

use core::fmt;
use core::ops::Not;
use std::sync::Arc;

use powerstream_core::post::Post;
use powerstream_core::stream::message::{Kind, classify, elements};

use crate::ast::Rule;

use self::postings::StartsOf;
use self::program::{Compiler, Instruction, Program};
use self::scan::Scan;
use self::terms::Terms;
use self::view::{Posts, View};

pub use self::evidence::{Evidence, Found, Leaf, evidence, evidence_post, evidence_text};
pub use self::scan::Scratch;

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

/// The name of a rule in its [`RuleSet`]. Keys ascend in the order in which they are given, and none is given twice
/// before 2^32 others were.
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
///
/// Adding and taking out a rule costs what the rule is long, whatever else the set holds.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    options: MatchOptions,
    terms: Terms,
    compiler: Compiler,
    /// By slot.
    rules: Vec<Option<Stored>>,
    /// The same: what is run, apart from what is not, and so close together.
    programs: Vec<Box<[Instruction]>>,
    free: Vec<u32>,
    /// The slots of the rules that are tried for every Post.
    uncovered: Vec<u32>,
    /// How many rules there ever were.
    inserted: u32,
}

/// A rule in its slot.
#[derive(Clone, Debug)]
struct Stored {
    key: RuleKey,
    text: Arc<str>,
    tag: Option<Box<str>>,
    starts: StartsOf,
    uncovered: bool,
}

impl Stored {
    fn entry(&self) -> Entry<'_> {
        Entry { value: &self.text, tag: self.tag.as_deref() }
    }
}

impl RuleKey {
    /// By age first, so that keys ascend in the order in which they were given; a slot is used again.
    const fn new(age: u32, slot: u32) -> Self {
        Self((age as u64) << 32 | slot as u64)
    }

    #[allow(clippy::cast_possible_truncation, reason = "the lower half")]
    const fn slot(self) -> u32 {
        self.0 as u32
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
    ///
    /// # Panics
    ///
    /// If the set has 2^28 different terms already, which are some 10 GB.
    pub fn insert(&mut self, rule: &Rule, tag: Option<&str>) -> RuleKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.rules.push(None);
            self.programs.push(Box::default());
            #[allow(clippy::cast_possible_truncation, reason = "there are fewer rules than terms")]
            let last = (self.rules.len() - 1) as u32;
            last
        });
        let key = RuleKey::new(self.inserted, slot);
        self.inserted = self.inserted.wrapping_add(1);
        let program = self.compiler.compile(rule, slot, self.options, &mut self.terms);
        let Program { code, starts, uncovered } = program;
        if uncovered {
            self.uncovered.push(slot);
        }
        let stored = Stored { key, text: rule.text.clone(), tag: tag.map(Into::into), starts, uncovered };
        let places = (self.rules.get_mut(slot as usize), self.programs.get_mut(slot as usize));
        if let (Some(to_rule), Some(to_code)) = places {
            (*to_rule, *to_code) = (Some(stored), code);
        }
        key
    }

    /// Takes a rule out. False: there is none with this key.
    pub fn remove(&mut self, key: RuleKey) -> bool {
        let slot = key.slot();
        let Some(place) = self.rules.get_mut(slot as usize) else { return false };
        let Some(stored) = place.take_if(|stored| stored.key == key) else { return false };
        if let Some(code) = self.programs.get_mut(slot as usize) {
            Compiler::forget(&core::mem::take(code), stored.starts, slot, &mut self.terms);
        }
        if stored.uncovered {
            self.uncovered.retain(|other| *other != slot);
        }
        self.free.push(slot);
        true
    }

    /// A rule.
    #[must_use]
    pub fn get(&self, key: RuleKey) -> Option<Entry<'_>> {
        let stored = self.rules.get(key.slot() as usize)?.as_ref()?;
        (stored.key == key).then(|| stored.entry())
    }

    /// The rules and their keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (RuleKey, Entry<'_>)> {
        self.rules.iter().flatten().map(|stored| (stored.key, stored.entry()))
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len() - self.free.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the set holds on the heap, the rules as they were written included; what the allocator adds to them is
    /// not known.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let own = |stored: &Stored| stored.text.len() + stored.tag.as_ref().map_or(0, |tag| tag.len());
        self.rules.iter().flatten().map(own).sum::<usize>()
            + self.programs.iter().map(|code| size_of_val(&**code)).sum::<usize>()
            + self.rules.capacity() * size_of::<Option<Stored>>()
            + self.programs.capacity() * size_of::<Box<[Instruction]>>()
            + (self.free.capacity() + self.uncovered.capacity()) * size_of::<u32>()
            + self.terms.heap_bytes()
            + self.compiler.heap_bytes()
    }

    /// The rules that a message matches, ascending.
    ///
    /// The message is the JSON of a Post in either format, or an array, of which the first element counts: take others
    /// apart with [`elements`]. What is no Post ([`classify`]) matches nothing, nor does what is no JSON.
    pub fn matches<'s>(&self, message: &[u8], scratch: &'s mut Scratch) -> &'s [RuleKey] {
        match post_of(message) {
            Some(post) => self.matches_post(&post.index().post(), scratch),
            None => &[],
        }
    }

    /// The same of a Post that was found already. Where it comes from an
    /// [`Index`](powerstream_core::post::Index), its fields are not searched again.
    pub fn matches_post<'s>(&self, post: &Post<'_>, scratch: &'s mut Scratch) -> &'s [RuleKey] {
        let posts = Posts::new(*post);
        Scan::new(self, &View::new(&posts), scratch).run();
        &scratch.matched
    }

    /// The same of a text and nothing else: a legacy Post that has no other field.
    pub fn matches_text<'s>(&self, text: &str, scratch: &'s mut Scratch) -> &'s [RuleKey] {
        let posts = Posts::of_text(text);
        Scan::new(self, &View::new(&posts), scratch).run();
        &scratch.matched
    }

    const fn terms(&self) -> &Terms {
        &self.terms
    }

    fn slots(&self) -> usize {
        self.rules.len()
    }

    fn uncovered(&self) -> &[u32] {
        &self.uncovered
    }

    #[inline]
    fn program(&self, slot: u32) -> &[Instruction] {
        self.programs.get(slot as usize).map_or(&[], |code| code)
    }

    fn key(&self, slot: u32) -> Option<RuleKey> {
        self.rules.get(slot as usize)?.as_ref().map(|stored| stored.key)
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
