//! The watching thread: reports that the reader of standard output is slow, and what follows from it, while the other
//! threads wait; and notices that it is gone.

use std::time::{Duration, Instant};

use powerstream_client::queue::{Overflow, QueueConfig, QueueMonitor, QueueStats};
use tracing::warn;

use super::outlet::Item;
use super::progress::{LONG_HOLD, LONG_WRITE, Progress, Wait};
use super::writer::WRITE_BYTES;
use crate::size;
use crate::stdout::wait_closed;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often drops are reported while they last.
const DROPS_EVERY: Duration = Duration::from_secs(10);

/// What the watch looks at.
struct Sight {
    now: Instant,
    /// The writer's wait for standard output.
    output: Wait,
    /// The reading thread's wait for room.
    room: Wait,
    queue: QueueStats,
}

/// What was reported already.
pub(super) struct Watch {
    config: QueueConfig,
    /// The next report of a write that lasts so long.
    next_blocked: Duration,
    is_filling: bool,
    is_full: bool,
    dropped: u64,
    dropped_at: Option<Instant>,
}

impl Watch {
    pub(super) fn new(config: QueueConfig) -> Self {
        let next_blocked = LONG_WRITE;
        Self { config, next_blocked, is_filling: false, is_full: false, dropped: 0, dropped_at: None }
    }

    /// Watches until the reader of standard output has closed it.
    pub(super) fn run(&mut self, progress: &Progress, queue: &QueueMonitor<Item>) {
        while !wait_closed(LOOK_EVERY) {
            let mut status = progress.lock();
            let (output, room) = (status.output, status.room);
            (status.output.long, status.room.long) = (None, None);
            drop(status);
            for line in self.look(&Sight { now: Instant::now(), output, room, queue: queue.stats() }) {
                warn!("{line}");
            }
        }
    }

    /// What is to be reported.
    fn look(&mut self, sight: &Sight) -> Vec<String> {
        let mut lines = Vec::new();
        self.look_at_output(sight, &mut lines);
        self.look_at_queue(sight, &mut lines);
        lines
    }

    fn look_at_output(&mut self, sight: &Sight, lines: &mut Vec<String>) {
        if let Some(length) = sight.output.long {
            lines.push(format!("standard output takes Posts again, after {length:.1?}"));
            self.next_blocked = LONG_WRITE;
        }
        let Some(since) = sight.output.since else { return };
        let length = sight.now.saturating_duration_since(since);
        if length >= self.next_blocked {
            lines.push(format!(
                "the reader of standard output has taken nothing, or less than {}, for {length:.1?}; {}",
                size::shown(WRITE_BYTES as u64),
                self.level(&sight.queue)
            ));
            self.next_blocked = length * 2;
        }
    }

    fn look_at_queue(&mut self, sight: &Sight, lines: &mut Vec<String>) {
        let Sight { now, room, queue, .. } = sight;
        let is_at = |part: usize| {
            queue.bytes >= self.config.bytes_max / part || queue.messages >= self.config.messages_max.div_ceil(part)
        };
        if !self.is_filling && is_at(2) {
            self.is_filling = true;
            lines.push(format!("the reader of standard output is slower than the stream: {}", self.level(queue)));
        } else if self.is_filling && !is_at(4) {
            self.is_filling = false;
            lines.push(format!("the reader of standard output has caught up: {}", self.level(queue)));
        }

        if let Some(length) = room.long {
            self.is_full = false;
            lines.push(format!("the queue has room again: nothing was read from the server for {length:.1?}"));
        }
        let held = room.since.map(|since| now.saturating_duration_since(since));
        if !self.is_full && held.is_some_and(|held| held >= LONG_HOLD) {
            self.is_full = true;
            lines.push(format!(
                "nothing is read from the server until the reader of standard output makes room, and servers disconnect \
                 slow readers; {}; a larger --queue holds more, --overflow drop-oldest never waits",
                self.level(queue)
            ));
        }

        let drops = matches!(self.config.overflow, Overflow::DropOldest | Overflow::DropNewest);
        let is_due = self.dropped_at.is_none_or(|at| now.saturating_duration_since(at) >= DROPS_EVERY);
        if drops && is_due && queue.dropped.messages > self.dropped {
            lines.push(format!(
                "the queue is full: {} Posts more are dropped, {} ({}) since the start",
                queue.dropped.messages - self.dropped,
                queue.dropped.messages,
                size::shown(queue.dropped.bytes)
            ));
            (self.dropped, self.dropped_at) = (queue.dropped.messages, Some(*now));
        }
    }

    fn level(&self, queue: &QueueStats) -> String {
        let bytes = |bytes: usize| size::shown(bytes as u64);
        format!(
            "the queue holds {} Posts, {} of {}",
            queue.messages,
            bytes(queue.bytes),
            bytes(self.config.bytes_max)
        )
    }
}
