//! A status line below the other output, for people who watch a terminal.
//!
//! Whatever else is written to the terminal is written by [`hidden`], so that the line neither cuts
//! it nor is left behind.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

static LINE: OnceLock<ProgressBar> = OnceLock::new();

/// Returns true if both outputs are the same terminal. If they were two, one that is stopped would
/// block the other by the lock of the line.
#[cfg(unix)]
pub(crate) fn is_possible() -> bool {
    let terminal = |is_terminal: bool, stat: rustix::io::Result<rustix::fs::Stat>| {
        stat.ok().filter(|_| is_terminal).map(|stat| stat.st_rdev)
    };
    let stdout = terminal(io::stdout().is_terminal(), rustix::fs::fstat(io::stdout()));
    let stderr = terminal(io::stderr().is_terminal(), rustix::fs::fstat(io::stderr()));
    stdout.is_some() && stdout == stderr
}

/// Other systems have one console.
#[cfg(not(unix))]
pub(crate) fn is_possible() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// Shows the text, or as much of it as fits into the terminal's width.
pub(crate) fn show(text: String) {
    let line = LINE.get_or_init(|| {
        let line = ProgressBar::no_length().with_style(style());
        line.set_draw_target(ProgressDrawTarget::stderr());
        line
    });
    line.set_message(text);
    line.tick();
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Removes the line while `write` runs.
pub(crate) fn hidden<T>(write: impl FnOnce() -> T) -> T {
    match LINE.get() {
        Some(line) if !line.is_finished() => line.suspend(write),
        _ => write(),
    }
}

/// Removes the line for good.
pub(crate) fn clear() {
    if let Some(line) = LINE.get() {
        line.finish_and_clear();
    }
}
