//! The client layer's integration tests, in one binary.

#![allow(clippy::unwrap_used)]

mod client;
mod config;
mod connection_api;
mod dedup;
mod exchange;
mod losses;
mod merged;
mod post;
mod queue;
mod recovery;
mod rule_api;
mod stream;
mod support;
mod telemetry;
mod tunnel;
