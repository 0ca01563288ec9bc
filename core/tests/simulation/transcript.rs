//! The transcript of a run: a digest always, and its last lines if they are recorded.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::{self, Write as _};

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

/// A digest that numbers and bytes are added to.
#[derive(Debug)]
struct Digest(u64);

impl Digest {
    const fn push(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }

    fn push_all(&mut self, bytes: &[u8]) {
        for word in bytes.chunks(8) {
            let mut padded = [0; 8];
            padded[..word.len()].copy_from_slice(word);
            self.push(u64::from_le_bytes(padded));
        }
        self.push(bytes.len() as u64);
    }
}

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_all(text.as_bytes());
        Ok(())
    }
}

/// Returns a digest of these bytes.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    let mut digest = Digest(0);
    digest.push_all(bytes);
    digest.0
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

/// Adds an event to the digest, with its text, and to the lines.
pub(crate) fn note(now: u64, line: usize, code: u64, number: u64, text: fmt::Arguments<'_>) {
    add(now, line, code, number, true, text);
}

/// Adds one of the many events whose numbers say everything.
pub(crate) fn note_numbers(now: u64, line: usize, code: u64, number: u64, text: fmt::Arguments<'_>) {
    add(now, line, code, number, false, text);
}

fn add(now: u64, line: usize, code: u64, number: u64, has_text: bool, text: fmt::Arguments<'_>) {
    TRANSCRIPT.with_borrow_mut(|transcript| {
        let now = now - transcript.epoch;
        let mut digest = Digest(transcript.digest);
        for word in [now, (line as u64) << 32 | code, number] {
            digest.push(word);
        }
        if has_text {
            let _ = digest.write_fmt(text);
        }
        transcript.digest = digest.0;
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
