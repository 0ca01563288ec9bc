//! The oracle: a second, simple implementation of what a rule means for a Post.
//!
//! It walks the tree of a rule over a `serde_json::Value` and evaluates each leaf. It has no index,
//! no scan shared between leaves, and no shortcut. It is slow and meant to be obviously correct. It
//! shares only the parsed rule with the matcher. Even the Unicode tables come from other crates.
//!
//! ```text
//!   rule ──tree──> value of each node, in post-order    a leaf: true, false, unknown
//!                        ^
//!   Post ──view──> sources ──text──> tokens, substrings
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

/// The options of the matcher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Phrases are runs of tokens, not literal texts.
    pub phrase_tokens: bool,
    /// Keywords of scripts without blanks match inside a sentence.
    pub segment_substring: bool,
    /// `url:` reads the short link too, as the filtered stream does.
    pub short_links: bool,
}

/// True, false, or unknown because the message lacks a field.
pub type Truth = Option<bool>;

/// Returns true if a message matches a rule. An unknown value is not a match.
pub fn matches(rule: &Rule, message: &Json, options: Options) -> bool {
    value(rule, message, options) == Some(true)
}

/// Returns the value of a rule for a message. If the message is not a Post, the value is false.
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

/// Returns false if an operand is false, else unknown if one is unknown.
pub fn all(values: impl IntoIterator<Item = Truth>) -> Truth {
    any(values.into_iter().map(|value| value.map(|value| !value))).map(|value| !value)
}

/// Returns true if an operand is true, else unknown if one is unknown.
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
