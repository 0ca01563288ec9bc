//! The oracle: what a rule means for a Post, a second time and in the plainest way.
//!
//! It walks the tree of a rule over a `serde_json::Value` and asks each leaf, without an index, a scan shared between
//! leaves, or a shortcut. It is slow and meant to be obvious: the matcher is right where both agree. It shares nothing
//! with the matcher but the parsed rule, Unicode's tables included: those are of other crates here.
//!
//! ```text
//!   rule ──tree──> value of each node, in post-order        a leaf: true, false, or not to be told (`None`)
//!                        ^
//!   Post ──view──> sources ──text──> tokens, substrings     own: the Post, the one it repeats; and what each quotes
//! ```
#![allow(dead_code, reason = "each test uses its part")]
#![allow(unreachable_pub, reason = "shared by tests and fuzz targets alike")]

pub mod choices;
pub mod generate;
mod geo;
mod leaf;
pub mod matcher;
pub mod post;
pub mod text;
pub mod view;
pub mod write;

use powerstream_rules::{NodeKind, Rule};
use serde_json::Value as Json;

use self::view::Post;

/// What can be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Phrases are runs of tokens, not literal texts.
    pub phrase_tokens: bool,
    /// Keywords of scripts without blanks match inside a sentence.
    pub segment_substring: bool,
    /// `url:` reads the short link too, as the filtered stream does.
    pub short_links: bool,
}

/// True, false, or not to be told from what the message holds.
pub type Truth = Option<bool>;

/// Whether a message matches a rule. What cannot be told is no match.
pub fn matches(rule: &Rule, message: &Json, options: Options) -> bool {
    value(rule, message, options) == Some(true)
}

/// The value of a rule for a message; what is no Post has none but false.
pub fn value(rule: &Rule, message: &Json, options: Options) -> Truth {
    let Some(post) = Post::of(message) else { return Some(false) };
    let mut values: Vec<Truth> = Vec::new();
    for node in rule.nodes() {
        let value = match &node.kind {
            NodeKind::Term(term) => leaf::value(term, post, options),
            NodeKind::Not(child) => values[child.index()].map(|value| !value),
            NodeKind::And(children) => all(children.iter().map(|child| values[child.index()])),
            NodeKind::Or(children) => any(children.iter().map(|child| values[child.index()])),
        };
        values.push(value);
    }
    values.last().copied().flatten()
}

/// False if one is false, else not to be told if one is not.
pub fn all(values: impl IntoIterator<Item = Truth>) -> Truth {
    any(values.into_iter().map(|value| value.map(|value| !value))).map(|value| !value)
}

/// True if one is true, else not to be told if one is not.
pub fn any(values: impl IntoIterator<Item = Truth>) -> Truth {
    let mut result = Some(false);
    for value in values {
        match value {
            Some(true) => return Some(true),
            Some(false) => {}
            None => result = None,
        }
    }
    result
}
