//! The transcript of a run: a digest always, and its last lines if they are recorded.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;

/// Longer transcripts lose their beginning.
const LINES_MAX: usize = 100_000;

/// The transcript of the run on this thread. It outlives a panic of the run.
#[derive(Debug, Default)]
struct Transcript {
    records: bool,
    lines: VecDeque<String>,
    digest: u64,
    /// Times are relative to it.
    epoch: u64,
}

thread_local! {
    static TRANSCRIPT: RefCell<Transcript> = RefCell::default();
}

/// Starts a new transcript.
pub(crate) fn begin(records: bool) {
    TRANSCRIPT.set(Transcript { records, ..Transcript::default() });
}

/// Sets the time at which the run starts.
pub(crate) fn set_epoch(epoch: u64) {
    TRANSCRIPT.with_borrow_mut(|transcript| transcript.epoch = epoch);
}

/// Adds an event: its numbers to the digest, and its text to the lines.
pub(crate) fn note(now: u64, line: usize, code: u64, number: u64, text: fmt::Arguments<'_>) {
    TRANSCRIPT.with_borrow_mut(|transcript| {
        let now = now - transcript.epoch;
        for word in [now, (line as u64) << 32 | code, number] {
            transcript.digest =
                (transcript.digest ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        }
        if transcript.records {
            if transcript.lines.len() == LINES_MAX {
                transcript.lines.pop_front();
            }
            let seconds = now as f64 / 1e9;
            transcript.lines.push_back(format!("{seconds:>18.9} s  connection {line}  {text}"));
        }
    });
}

/// Ends the transcript. Returns its digest and lines.
pub(crate) fn end() -> (u64, Vec<String>) {
    let Transcript { digest, lines, .. } = TRANSCRIPT.take();
    (digest, lines.into())
}
