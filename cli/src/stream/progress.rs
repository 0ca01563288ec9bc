//! What the reading and the writing thread have done so far, for the threads that watch them.

use std::ops::{AddAssign, Sub};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::latency::Spread;
use crate::size;

/// A write that takes so long is reported: the reader of standard output is stopped, or too slow.
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

/// Waits that can last: the present one, the last one of [`LONG_WRITE`], and the time of all but the present one.
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

    /// The length of the present wait.
    pub(super) fn length(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// The time of all waits.
    pub(super) fn total(&self, now: Instant) -> Duration {
        self.total + self.length(now)
    }
}

/// Shared by all threads of one run. The lock is never held during a write.
pub(super) struct Progress(Mutex<Status>);

pub(super) struct Status {
    /// Posts whose last byte the system has taken.
    pub(super) written: Tally,
    /// The writer waits for standard output to take something.
    pub(super) output: Wait,
    /// The reading thread waits for room in the queue.
    pub(super) room: Wait,
    /// How long Posts waited from their receipt until the system had taken them.
    pub(super) waits: Spread,
}

impl Progress {
    pub(super) fn new() -> Self {
        let (output, room) = (Wait::default(), Wait::default());
        Self(Mutex::new(Status { written: Tally::default(), output, room, waits: Spread::new() }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Status> {
        // Nothing is left half-done under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
