//! The rule language of X's Powerstream, PowerTrack and Filtered Stream, offline: parses, checks,
//! formats, explains and matches rules.
//!
//! A rule selects the Posts that a stream delivers: `(gull OR tern) lang:en -is:retweet`. The
//! service rejects invalid rules with terse messages, and Powerstream allows 50 rule requests in 24
//! hours. This crate reports what is wrong, where, and what to write instead, before you send a
//! request. If the service's own message and position are known, the report includes them.
//!
//! ```text
//!   text --> lexer --> parser --> tree (flat, post-order, with spans) --> errors, warnings
//!              |          |         |                                \--> canonical form
//!              |   operator table   |                                 \-> explanation
//!              '--- Issues (data) --'--> Diagnostics: code, span, message, help, service's text
//!
//!   trees --> matcher: an index of many rules; returns the rules that a Post matches
//! ```
//!
//! The products share one grammar. A [`Profile`] selects the operators and the limits.
//!
//! ```
//! use powerstream_rules::{Code, Profile, Rule, check};
//!
//! // Valid, with a warning: Powerstream's own page does not list hashtags.
//! let text = "(gull OR #terns) lang:en -is:retweet";
//! let verdict = check(text, Profile::Powerstream);
//! assert!(verdict.is_valid());
//! assert_eq!(verdict.warnings[0].code, Code::Unlisted);
//! assert_eq!(verdict.warnings[0].span.of(text), "#terns");
//!
//! // A parsed rule can be formatted, explained and matched.
//! let rule = Rule::parse(text, Profile::Powerstream).unwrap();
//! assert_eq!(rule.format(Profile::Powerstream), text);
//! assert_eq!(
//!     rule.explain(Profile::Powerstream).order,
//!     "(gull OR #terns) AND lang:en AND NOT is:retweet"
//! );
//!
//! // An invalid rule. The service's message comes with the error.
//! let errors = Rule::parse("gull OR", Profile::Powerstream).unwrap_err();
//! let api = errors[0].api.as_ref().unwrap();
//! assert_eq!(api.messages, ["Cannot parse rule at '<EOF>' (position 8)"]);
//! ```
//!
//! For every text, parsing takes time and memory linear in its length, without recursion and
//! without panics.
//!
//! The sources are X's pages, and responses of the service recorded in the tests of client
//! libraries. The pages are Powerstream (Introduction, Operators), Filtered Stream (Build a rule,
//! Operators) and PowerTrack (Rules, Operators, API reference). If these are silent or disagree,
//! the module that decides documents its choice.

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
