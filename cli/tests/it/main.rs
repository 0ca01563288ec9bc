//! Tests of the tool as users run it: real processes, real sockets, pipes and signals.

#![allow(clippy::unwrap_used, reason = "test helpers, which clippy.toml cannot distinguish from other code")]

mod rule_service;
mod table;
mod take_over;
mod tool;

#[cfg(unix)]
mod connection;
mod decode;
mod files;
mod help;
mod html;
mod manage;
mod manage_simulated;
mod rules;
// Signals are sent with kill(1).
#[cfg(target_os = "linux")]
mod observe;
#[cfg(unix)]
mod output;
#[cfg(unix)]
mod secrets;
#[cfg(unix)]
mod simulate;
#[cfg(unix)]
mod soak;
#[cfg(unix)]
mod state;
mod status;
mod stream;
#[cfg(target_os = "linux")]
mod system;
