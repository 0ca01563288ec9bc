//! Ctrl-C, SIGTERM and SIGHUP: the first asks for an end, the second does not ask.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::{Exit, Failure};

/// What a shell gives for a program that SIGINT ended: 128 + 2.
pub(crate) const INTERRUPTED: i32 = 130;

/// Has `end` called, on a thread of its own, when the user asks for the end. May be called once.
pub(crate) fn on_interrupt(end: impl Fn() + Send + 'static) -> Result<(), Failure> {
    let asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            // A reader of the output that takes nothing more can hold up an end in due form for ever.
            std::process::exit(INTERRUPTED);
        }
        end();
    })
    .map_err(|error| Failure::new(Exit::Failed, format!("cannot listen for Ctrl-C: {error}")))
}
