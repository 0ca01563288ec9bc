//! TLS without sockets: the machine, the shell and the configuration.

#![allow(clippy::unwrap_used)]

mod config;
mod machine;
mod shell;
mod support;
mod wire;
