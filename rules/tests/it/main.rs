//! Tests of the rule language from outside, in one binary.

mod consistency;
mod differential;
mod examples;
mod findings;
mod invariants;
mod matching;
mod meaning;
mod operators;
mod oracle;
mod properties;
mod random;
mod sync;
