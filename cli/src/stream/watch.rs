//! The watching thread: reports that the reader of standard output is slow, and what follows from it, while the other
//! threads wait; and notices that it is gone.

use std::time::{Duration, Instant};

use powerstream_client::queue::{Overflow, QueueConfig, QueueMonitor, QueueStats};
use tracing::warn;

use super::outlet::Post;
use super::progress::{LONG_HOLD, LONG_WRITE, Progress, Wait};
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
    is_blocked: bool,
    /// A write that lasts so long is reported next.
    next_blocked: Duration,
    is_filling: bool,
    is_full: bool,
    dropped: u64,
    dropped_at: Option<Instant>,
}

impl Watch {
    pub(super) fn new(config: QueueConfig) -> Self {
        let next_blocked = LONG_WRITE;
        Self {
            config,
            is_blocked: false,
            next_blocked,
            is_filling: false,
            is_full: false,
            dropped: 0,
            dropped_at: None,
        }
    }

    /// Watches until the reader of standard output has closed it.
    pub(super) fn run(&mut self, progress: &Progress, queue: &QueueMonitor<Post>) {
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
        if let Some(length) = sight.output.long
            && std::mem::take(&mut self.is_blocked)
        {
            lines.push(format!("standard output takes Posts again, after {length:.1?}"));
        }
        let Some(since) = sight.output.since else {
            self.next_blocked = LONG_WRITE;
            return;
        };
        let length = sight.now.saturating_duration_since(since);
        if length >= self.next_blocked {
            lines.push(format!(
                "the reader of standard output has taken nothing for {length:.1?}; {}",
                self.level(&sight.queue)
            ));
            self.is_blocked = true;
            // A reader that takes a little again and again is not reported each time.
            self.next_blocked = length * 2;
        }
    }

    fn look_at_queue(&mut self, sight: &Sight, lines: &mut Vec<String>) {
        let Sight { now, room, queue, .. } = sight;
        let is_at = |part: usize| {
            queue.bytes >= self.config.bytes_max / part
                || queue.messages >= self.config.messages_max.div_ceil(part)
        };
        let has_caught_up = self.is_filling && !is_at(4);
        if !self.is_filling && is_at(2) {
            self.is_filling = true;
            lines.push(format!(
                "the reader of standard output is slower than the stream: {}",
                self.level(queue)
            ));
        }

        if let Some(length) = room.long {
            self.is_full = false;
            lines
                .push(format!("the queue has room again: nothing was read from the server for {length:.1?}"));
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
        let dropped = queue.dropped.messages - self.dropped;
        if drops && (is_due || has_caught_up) && dropped > 0 {
            lines.push(format!(
                "the queue was full: {dropped} Posts were dropped, {} ({}) since the start",
                queue.dropped.messages,
                size::shown(queue.dropped.bytes)
            ));
            (self.dropped, self.dropped_at) = (queue.dropped.messages, Some(*now));
        }
        if has_caught_up {
            self.is_filling = false;
            lines.push(format!("the reader of standard output has caught up: {}", self.level(queue)));
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn watch(overflow: Overflow) -> Watch {
        let mut config = QueueConfig::default();
        config.bytes_max = 1_000_000;
        config.messages_max = 1_000;
        config.overflow = overflow;
        Watch::new(config)
    }

    /// What is seen so many seconds after the start: since when the writer waits, since when the reading thread does, the
    /// bytes in the queue, and the Posts dropped.
    fn sight(
        start: Instant,
        at: u32,
        output: Option<u32>,
        room: Option<u32>,
        bytes: usize,
        dropped: u64,
    ) -> Sight {
        let wait = |since: Option<u32>| Wait { since: since.map(|at| start + SECOND * at), long: None };
        let mut queue = QueueStats::default();
        (queue.messages, queue.bytes) = (bytes / 1_000, bytes);
        (queue.dropped.messages, queue.dropped.bytes) = (dropped, dropped * 1_000);
        Sight { now: start + SECOND * at, output: wait(output), room: wait(room), queue }
    }

    fn long(mut sight: Sight, output: Option<u32>, room: Option<u32>) -> Sight {
        sight.output.long = output.map(|seconds| SECOND * seconds);
        sight.room.long = room.map(|seconds| SECOND * seconds);
        sight
    }

    #[test]
    fn reports_a_blocked_output_after_5_s_then_at_doubled_times_and_its_end() {
        let (mut watch, start) = (watch(Overflow::Wait), Instant::now());
        let reported: Vec<u32> = (0..60)
            .filter(|at| {
                let lines = watch.look(&sight(start, *at, Some(0), None, 2_000, 0));
                let text =
                    format!("has taken nothing for {at}.0s; the queue holds 2 Posts, 2.0 KiB of 976.6 KiB");
                assert!(lines.is_empty() || lines[0].contains(&text), "{lines:?}");
                !lines.is_empty()
            })
            .collect();
        assert_eq!(reported, [5, 10, 20, 40]);
        let lines = watch.look(&long(sight(start, 60, None, None, 0, 0), Some(60), None));
        assert_eq!(lines, ["standard output takes Posts again, after 60.0s"]);
        assert_eq!(watch.look(&sight(start, 65, Some(60), None, 0, 0)).len(), 1);
    }

    #[test]
    fn reports_a_reader_that_takes_a_little_now_and_then_only_once() {
        let (mut watch, start) = (watch(Overflow::Wait), Instant::now());
        let mut lines = Vec::new();
        // It takes something every 7 s.
        for at in 0..70 {
            let taken = (at > 0 && at % 7 == 0).then_some(7);
            lines.extend(watch.look(&long(sight(start, at, Some(at / 7 * 7), None, 0, 0), taken, None)));
        }
        assert_eq!(lines.len(), 2, "{lines:?}");
    }

    #[test]
    fn reports_a_queue_that_is_half_full_and_full_and_their_ends_once_each() {
        let (mut watch, start) = (watch(Overflow::Wait), Instant::now());
        let mut look = |sight: Sight| watch.look(&sight);
        assert!(look(sight(start, 0, None, None, 499_000, 0)).is_empty());
        assert!(look(sight(start, 1, None, None, 500_000, 0))[0].contains("slower than the stream"));
        assert!(look(sight(start, 2, None, None, 800_000, 0)).is_empty());
        // A wait of less than a second is none.
        assert!(look(sight(start, 3, None, Some(3), 1_000_000, 0)).is_empty());
        assert!(
            look(sight(start, 4, None, Some(3), 1_000_000, 0))[0]
                .starts_with("nothing is read from the server")
        );
        assert!(look(sight(start, 5, None, Some(3), 1_000_000, 0)).is_empty());
        let lines = look(long(sight(start, 6, None, None, 900_000, 0), None, Some(3)));
        assert_eq!(lines, ["the queue has room again: nothing was read from the server for 3.0s"]);
        assert!(look(sight(start, 7, None, None, 300_000, 0)).is_empty());
        assert!(look(sight(start, 8, None, None, 200_000, 0))[0].contains("has caught up"));
        assert!(look(sight(start, 9, None, None, 0, 0)).is_empty());
    }

    #[test]
    fn reports_drops_at_once_then_every_10_s_and_when_the_reader_has_caught_up() {
        let (mut watch, start) = (watch(Overflow::DropOldest), Instant::now());
        let mut reported = Vec::new();
        for at in 0..25 {
            let lines = watch.look(&sight(start, at, None, None, 1_000_000, u64::from(at)));
            reported.extend(lines.iter().filter(|line| line.contains("dropped")).map(|_| at));
        }
        assert_eq!(reported, [1, 11, 21]);
        let lines = watch.look(&sight(start, 25, None, None, 0, 24));
        assert!(lines[0].contains("3 Posts were dropped, 24 (23.4 KiB) since the start"), "{lines:?}");
        assert!(lines[1].contains("has caught up"), "{lines:?}");
        // Posts that a signal left unwritten are not drops of the policy.
        for overflow in [Overflow::Wait, Overflow::End] {
            assert!(super::tests::watch(overflow).look(&sight(start, 0, None, None, 0, 9)).is_empty());
        }
    }
}
