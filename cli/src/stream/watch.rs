//! The watching thread. It reports that the reader of standard output is slow, and the
//! consequences, while the other threads wait. It also notices when the reader closes standard
//! output.

use std::time::{Duration, Instant};

use powerstream_client::queue::{Overflow, QueueConfig, QueueMonitor, QueueStats};
use tracing::warn;

use super::outlet::Item;
use super::progress::{LONG_WRITE, Progress, Wait};
use crate::size;
use crate::stdout::wait_closed;

/// The interval of the checks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The interval of reports while Posts are dropped.
const DROPS_EVERY: Duration = Duration::from_secs(10);

/// The observed state.
struct Sight {
    now: Instant,
    /// The writer's wait for standard output.
    output: Wait,
    /// The sum of the reading thread's waits for room.
    held: Duration,
    queue: QueueStats,
}

/// The state of the reports.
pub(super) struct Watch {
    config: QueueConfig,
    is_blocked: bool,
    /// The length of a write that is reported next.
    next_blocked: Duration,
    is_filling: bool,
    held: Duration,
    /// The value of `held` before the queue became full.
    full_at: Option<Duration>,
    dropped: u64,
    dropped_at: Option<Instant>,
}

impl Watch {
    pub(super) fn new(config: QueueConfig) -> Self {
        Self {
            config,
            is_blocked: false,
            next_blocked: LONG_WRITE,
            is_filling: false,
            held: Duration::ZERO,
            full_at: None,
            dropped: 0,
            dropped_at: None,
        }
    }

    /// Watches until the reader of standard output has closed it.
    pub(super) fn run(&mut self, progress: &Progress, queue: &QueueMonitor<Item>) {
        while !wait_closed(LOOK_EVERY) {
            let now = Instant::now();
            let mut status = progress.lock();
            let (output, held) = (status.output, status.room.total(now));
            status.output.long = None;
            drop(status);
            for line in self.look(&Sight { now, output, held, queue: queue.stats() }) {
                warn!("{line}");
            }
        }
    }

    /// Returns the reports that are due.
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
        if sight.output.since.is_none() {
            self.next_blocked = LONG_WRITE;
        }
        let length = sight.output.length(sight.now);
        if length >= self.next_blocked {
            lines.push(format!(
                "the reader of standard output has taken nothing for {length:.1?}; {}",
                self.level(&sight.queue)
            ));
            self.is_blocked = true;
            // A reader that takes a little repeatedly is not reported each time.
            self.next_blocked = length * 2;
        }
    }

    fn look_at_queue(&mut self, sight: &Sight, lines: &mut Vec<String>) {
        let Sight { now, queue, .. } = sight;
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

        let held_before = std::mem::replace(&mut self.held, sight.held);
        let held = sight.held - held_before;
        if let Some(full_at) = self.full_at.filter(|_| held.is_zero()) {
            self.full_at = None;
            let length = sight.held - full_at;
            lines.push(format!(
                "the queue has room again: reading from the server has waited {length:.1?} for it"
            ));
        } else if self.full_at.is_none() && held >= LOOK_EVERY / 2 {
            self.full_at = Some(held_before);
            lines.push(format!(
                "the queue is full: the server is read only as fast as the reader of standard output makes room, and \
                 servers disconnect slow readers; {}; a larger --queue holds more, --overflow drop-oldest never waits",
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

    /// The state at so many seconds after the start: since when the writer waits, the milliseconds
    /// that the reading thread has waited, the bytes in the queue, and the dropped Posts.
    fn sight(start: Instant, at: u32, output: Option<u32>, held: u64, bytes: usize, dropped: u64) -> Sight {
        let mut wait = Wait::default();
        wait.since = output.map(|at| start + SECOND * at);
        let mut queue = QueueStats::default();
        (queue.messages, queue.bytes) = (bytes / 1_000, bytes);
        (queue.dropped.messages, queue.dropped.bytes) = (dropped, dropped * 1_000);
        Sight { now: start + SECOND * at, output: wait, held: Duration::from_millis(held), queue }
    }

    /// The same, with a finished wait of the writer.
    fn unblocked(mut sight: Sight, seconds: Option<u32>) -> Sight {
        sight.output.long = seconds.map(|seconds| SECOND * seconds);
        sight
    }

    #[test]
    fn reports_a_blocked_output_after_5_s_then_at_doubled_times_and_its_end() {
        let (mut watch, start) = (watch(Overflow::Wait), Instant::now());
        let reported: Vec<u32> = (0..60)
            .filter(|at| {
                let lines = watch.look(&sight(start, *at, Some(0), 0, 2_000, 0));
                let text =
                    format!("has taken nothing for {at}.0s; the queue holds 2 Posts, 2.0 KiB of 976.6 KiB");
                assert!(lines.is_empty() || lines[0].contains(&text), "{lines:?}");
                !lines.is_empty()
            })
            .collect();
        assert_eq!(reported, [5, 10, 20, 40]);
        let lines = watch.look(&unblocked(sight(start, 60, None, 0, 0, 0), Some(60)));
        assert_eq!(lines, ["standard output takes Posts again, after 60.0s"]);
        assert_eq!(watch.look(&sight(start, 65, Some(60), 0, 0, 0)).len(), 1);
    }

    #[test]
    fn reports_a_reader_that_takes_a_little_at_a_time_only_once() {
        let (mut watch, start) = (watch(Overflow::Wait), Instant::now());
        let mut lines = Vec::new();
        // The reader takes something every 7 s.
        for at in 0..70 {
            let taken = (at > 0 && at % 7 == 0).then_some(7);
            lines.extend(watch.look(&unblocked(sight(start, at, Some(at / 7 * 7), 0, 0, 0), taken)));
        }
        assert_eq!(lines.len(), 2, "{lines:?}");
    }

    #[test]
    fn reports_a_queue_that_is_half_full_and_full_and_their_ends_once_each() {
        let (mut watch, start) = (watch(Overflow::Wait), Instant::now());
        let mut look = |at, held, bytes| watch.look(&sight(start, at, None, held, bytes, 0));
        assert!(look(0, 0, 499_000).is_empty());
        assert!(look(1, 0, 500_000)[0].contains("slower than the stream"));
        assert!(look(2, 0, 800_000).is_empty());
        // Short waits do not matter.
        assert!(look(3, 400, 1_000_000).is_empty());
        // Many short waits count like one long wait.
        assert!(
            look(4, 1_000, 1_000_000)[0].starts_with("the queue is full: the server is read only as fast")
        );
        assert!(look(5, 2_000, 1_000_000).is_empty());
        assert!(look(6, 2_100, 1_000_000).is_empty());
        let lines = look(7, 2_100, 900_000);
        assert_eq!(lines, ["the queue has room again: reading from the server has waited 1.7s for it"]);
        assert!(look(8, 2_100, 300_000).is_empty());
        assert!(look(9, 2_100, 200_000)[0].contains("has caught up"));
        assert!(look(10, 2_100, 0).is_empty());
        assert!(look(11, 2_700, 0)[0].starts_with("the queue is full"));
    }

    #[test]
    fn reports_drops_at_once_then_every_10_s_and_when_the_reader_has_caught_up() {
        let (mut watch, start) = (watch(Overflow::DropOldest), Instant::now());
        let mut reported = Vec::new();
        for at in 0..25 {
            let lines = watch.look(&sight(start, at, None, 0, 1_000_000, u64::from(at)));
            reported.extend(lines.iter().filter(|line| line.contains("dropped")).map(|_| at));
        }
        assert_eq!(reported, [1, 11, 21]);
        let lines = watch.look(&sight(start, 25, None, 0, 0, 24));
        assert!(lines[0].contains("3 Posts were dropped, 24 (23.4 KiB) since the start"), "{lines:?}");
        assert!(lines[1].contains("has caught up"), "{lines:?}");
        // Posts that a signal left unwritten are not drops of the policy.
        for overflow in [Overflow::Wait, Overflow::End] {
            assert!(super::tests::watch(overflow).look(&sight(start, 0, None, 0, 0, 9)).is_empty());
        }
    }
}
