//! What is told on standard error while a command runs: one line an event, as much as `RUST_LOG` asks for.

use std::env;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::exit::complain;

/// Starts to tell. Standard output is never touched.
pub(crate) fn init() {
    let filter = match env::var("RUST_LOG") {
        Ok(directives) if !directives.trim().is_empty() => {
            EnvFilter::try_new(directives).unwrap_or_else(|error| {
                complain(&format!("RUST_LOG is ignored: {error}"));
                EnvFilter::new("info")
            })
        }
        _ => EnvFilter::new("info"),
    };
    // No times: under systemd or in a container each line gets one, and who watches a terminal has a clock.
    let subscriber = tracing_subscriber::fmt()
        .compact()
        .without_time()
        .with_target(false)
        .with_ansi(io::stderr().is_terminal() && wants_color())
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // Where standard error is closed there is nobody to tell that it is: not even by a panic.
        .log_internal_errors(false)
        .finish();
    // An error would mean that somebody tells already.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Whether terminals may be sent colours (<https://no-color.org>).
pub(crate) fn wants_color() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
