#![forbid(unsafe_code)]
//! x

pub mod api;
mod argument;
mod ast;
pub mod characters;
mod check;
mod diagnostic;
pub mod language;
mod lexer;
pub mod operator;
mod parser;
mod profile;
mod span;
mod term;

pub use self::ast::{Node, NodeId, NodeKind, Rule, Step, Term, Value, Walk};
pub use self::check::{TEXT_BYTES_MAX, Verdict, check, is_stop_word};
pub use self::diagnostic::{Api, Code, Diagnostic, FINDINGS_MAX};
pub use self::operator::Operator;
pub use self::profile::{Profile, UnknownProfile};
pub use self::span::{Length, Span};
