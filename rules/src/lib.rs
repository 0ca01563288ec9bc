//! The rule language of X's Powerstream, PowerTrack and Filtered Stream: parse, check, format, explain and match, offline.
//!
//! A rule says which Posts a stream delivers: `(gull OR tern) lang:en -is:retweet`. The service refuses wrong rules
//! with terse messages, and Powerstream allows 50 requests in 24 hours to try. This crate says beforehand what is
//! wrong, where, and what to write instead, and keeps the service's own message and position beside it where they are
//! known.
//!
//! ```text
//!   text --> lexer --> parser --> tree (flat, post-order, with spans) --> checks, warnings
//!              |          |         |                                \--> canonical form
//!              |   operator table   |                                 \-> plain words
//!              '---- issues, as plain data --> findings: code, place, sentence, what to write, the service's text
//!
//!   trees --> matcher: a set of rules, and which of them a Post matches
//! ```
//!
//! One grammar, several products: a [`Profile`] says which operators there are and how long a rule may be.
//!
//! ```
//! use powerstream_rules::{Code, Profile, Rule, check};
//!
//! // Powerstream takes it, with a remark: its own page lists no hashtags.
//! let text = "(gull OR #terns) lang:en -is:retweet";
//! let verdict = check(text, Profile::Powerstream);
//! assert!(verdict.is_valid());
//! assert_eq!(verdict.warnings[0].code, Code::Unlisted);
//! assert_eq!(verdict.warnings[0].span.of(text), "#terns");
//!
//! // A tree, to format, to explain, or to evaluate.
//! let rule = Rule::parse(text, Profile::Powerstream).unwrap();
//! assert_eq!(rule.format(Profile::Powerstream), text);
//! assert_eq!(
//!     rule.explain(Profile::Powerstream).order,
//!     "(gull OR #terns) AND lang:en AND NOT is:retweet"
//! );
//!
//! // A wrong one.
//! let errors = Rule::parse("gull OR", Profile::Powerstream).unwrap_err();
//! assert_eq!(errors[0].api.as_ref().unwrap().messages, ["Cannot parse rule at '<EOF>' (position 8)"]);
//! ```
//!
//! Whatever the text: no panic, no recursion, time and memory linear in its length.
//!
//! Sources: X's pages (Powerstream: Introduction, Operators; Filtered Stream: Build a rule, Operators; PowerTrack:
//! Rules, Operators, API reference), and answers of the service that client libraries keep in their test data. Where
//! they are silent or disagree, the modules say what was chosen.

#![forbid(unsafe_code)]

mod api;
mod argument;
mod ast;
mod characters;
mod check;
mod diagnostic;
mod display;
mod explain;
mod findings;
mod format;
mod issue;
mod language;
mod lexer;
pub mod matcher;
pub mod operator;
mod parser;
mod profile;
mod render;
mod span;
pub mod sync;
mod term;
mod wording;

pub use self::api::RULE_EXISTS;
pub use self::ast::{Node, NodeId, NodeKind, Rule, Term, Value};
#[doc(hidden)]
pub use self::ast::{Step, Walk};
pub use self::check::{TEXT_BYTES_MAX, Verdict, check, is_stop_word};
pub use self::diagnostic::{Api, Code, Diagnostic, FINDINGS_MAX};
pub use self::explain::Explanation;
pub use self::format::FormatOptions;
pub use self::operator::Operator;
pub use self::profile::{Profile, UnknownProfile};
pub use self::span::{Length, Span};

/// Compiles and runs the program in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
