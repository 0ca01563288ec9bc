//! Progress of the reading and the writing thread, for the threads that watch them.

use std::ops::{AddAssign, Sub};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::latency::Spread;
use crate::size;

/// A write that takes this long is reported: the reader of standard output is stopped or too slow.
pub(super) const LONG_WRITE: Duration = Duration::from_secs(5);

/// Posts, and their bytes as received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) posts: u64,
    pub(super) bytes: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.posts += other.posts;
        self.bytes += other.bytes;
    }
}

impl Sub for Tally {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { posts: self.posts.saturating_sub(other.posts), bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.posts, size::shown(self.bytes))
    }
}

/// Long waits: the current one, the last one above [`LONG_WRITE`], and the sum of all finished
/// ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wait {
    pub(super) since: Option<Instant>,
    pub(super) long: Option<Duration>,
    total: Duration,
}

impl Wait {
    pub(super) fn begin(&mut self, now: Instant) {
        self.since = Some(now);
    }

    pub(super) fn end(&mut self, now: Instant) {
        let length = self.length(now);
        self.since = None;
        self.total += length;
        if length >= LONG_WRITE {
            self.long = Some(length);
        }
    }

    /// Returns the length of the current wait.
    pub(super) fn length(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Returns the sum of all waits.
    pub(super) fn total(&self, now: Instant) -> Duration {
        self.total + self.length(now)
    }
}

/// Shared by all threads of a run. The lock is never held during a write.
pub(super) struct Progress(Mutex<Status>);

pub(super) struct Status {
    /// Posts whose last byte the system has accepted.
    pub(super) written: Tally,
    /// Waits of the writer for standard output.
    pub(super) output: Wait,
    /// Waits of the reading thread for room in the queue.
    pub(super) room: Wait,
    /// A position waits for the writer.
    pub(super) has_position: bool,
    /// The times from receipt of a Post until the system has accepted it.
    pub(super) waits: Spread,
}

impl Progress {
    pub(super) fn new() -> Self {
        let (output, room) = (Wait::default(), Wait::default());
        let (written, waits) = (Tally::default(), Spread::new());
        Self(Mutex::new(Status { written, output, room, has_position: false, waits }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Status> {
        // No state is left half-updated under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
