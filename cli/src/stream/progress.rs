//! Progress of the reading and the writing thread, for the threads that watch them.

use std::ops::{AddAssign, Sub};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use powerstream_core::liveness::Timeouts;

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

/// An attempt to connect ends with an event within this time: the timeouts for the connection, the
/// response head and an error document, and a margin.
pub(super) fn attempt_max() -> Duration {
    let Timeouts { connect, head, .. } = Timeouts::default();
    connect + 2 * head + Duration::from_secs(60)
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
    /// By connection: the deadline that the reading thread has set for the next event, while no
    /// stream is open.
    due: Vec<Option<Instant>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let (output, room) = (Wait::default(), Wait::default());
        let (written, waits) = (Tally::default(), Spread::new());
        let due = Vec::new();
        Self(Mutex::new(Status { written, output, room, has_position: false, waits, due }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Status> {
        // No state is left half-updated under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Status {
    /// Reports that the connection tries to connect after `delay`. Its next event is due then.
    pub(super) fn connects_after(&mut self, connection: usize, delay: Duration, now: Instant) {
        self.set_due(connection, now.checked_add(delay + attempt_max()));
    }

    /// Reports that the connection has a stream, or will not connect again.
    pub(super) fn connects_no_more(&mut self, connection: usize) {
        self.set_due(connection, None);
    }

    fn set_due(&mut self, connection: usize, due: Option<Instant>) {
        if self.due.len() <= connection {
            self.due.resize(connection + 1, None);
        }
        self.due[connection] = due;
    }

    /// Returns true if the reading thread has missed a deadline that it set.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.due.iter().flatten().any(|due| now > *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_thread_without_a_stream_is_overdue_after_the_attempt_that_it_announced() {
        let (progress, now) = (Progress::new(), Instant::now());
        let mut status = progress.lock();
        let at = |seconds| now + Duration::from_secs(seconds);
        let is_overdue = |status: &Status, seconds| status.is_overdue(at(seconds));
        assert!(!is_overdue(&status, 1_000_000), "nothing was announced");
        status.connects_after(1, Duration::ZERO, now);
        let attempt = attempt_max().as_secs();
        assert!((60..200).contains(&attempt));
        assert!(!is_overdue(&status, attempt) && is_overdue(&status, attempt + 1));
        // A wait of a rate limit is longer than any attempt.
        status.connects_after(1, Duration::from_secs(900), at(50));
        assert!(!is_overdue(&status, 950 + attempt) && is_overdue(&status, 951 + attempt));
        // Another connection does not hide it.
        status.connects_after(0, Duration::from_secs(9_000), at(50));
        assert!(is_overdue(&status, 951 + attempt));
        status.connects_no_more(1);
        assert!(!is_overdue(&status, 951 + attempt));
    }
}
