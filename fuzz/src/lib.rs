//! The fuzz targets: each module has a function `run`, which checks one input and panics if an
//! invariant does not hold. The fuzzers in `fuzz_targets/` and the replay of the corpus in
//! `tests/` call them.
#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod chunked;
pub mod classifier;
pub mod connect;
pub mod connection;
pub mod framing;
pub mod head;
pub mod matcher;
pub mod request;
pub mod rule_api;
pub mod rule_parser;
pub mod scenario;
pub mod session;
pub mod simulator_request;
pub mod tls;

mod shared;
#[path = "../../tls/tests/it/support.rs"]
mod tls_support;

#[path = "../../rules/tests/it/invariants/mod.rs"]
mod invariants;
#[path = "../../rules/tests/it/oracle/mod.rs"]
mod oracle;

/// A target: its name, and the function that checks one input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 15] = [
    ("checkpoint", checkpoint::run),
    ("chunked", chunked::run),
    ("classifier", classifier::run),
    ("connect", connect::run),
    ("connection", connection::run),
    ("framing", framing::run),
    ("head", head::run),
    ("matcher", matcher::run),
    ("request", request::run),
    ("rule_api", rule_api::run),
    ("rule_parser", rule_parser::run),
    ("scenario", scenario::run),
    ("session", session::run),
    ("simulator_request", simulator_request::run),
    ("tls", tls::run),
];
