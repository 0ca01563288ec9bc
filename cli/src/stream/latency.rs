//! Latency of Posts.
//!
//! From the simulator in this process it is exact: from just before the `write()` that completed a
//! Post to its receipt, on one clock. From other servers it is the lag between the creation time in
//! the Post's id and the receipt. That lag has a resolution of 1 ms, spans two clocks, and includes
//! the service's own processing.

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use powerstream_core::stream::PostId;
use powerstream_core::time::{KernelTime, UnixTime};
use powerstream_simulator::GroundTruth;

/// The limit of deliveries that are stored before they are looked up: the size of a burst.
const PENDING_MAX: usize = 4_096;

/// Three significant digits are enough for percentiles.
const DIGITS: u8 = 3;

/// One day. Longer values count as this.
const NANOSECONDS_MAX: u64 = 86_400_000_000_000;

pub(super) struct Latency {
    from: From,
    spread: Spread,
    /// From the kernel's receipt of a message to its delivery, if the kernel measures it.
    kernel: Spread,
    replayed: u64,
}

/// A distribution of durations.
pub(super) struct Spread {
    /// In nanoseconds.
    histogram: Histogram<u64>,
}

impl Spread {
    pub(super) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, NANOSECONDS_MAX, DIGITS)
            .unwrap_or_else(|_| unreachable!("the bounds are constants that it accepts"));
        Self { histogram }
    }

    pub(super) fn record(&mut self, length: Duration) {
        self.histogram.saturating_record(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn count(&self) -> u64 {
        self.histogram.len()
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |quantile| Duration::from_nanos(self.histogram.value_at_quantile(quantile));
        let max = Duration::from_nanos(self.histogram.max());
        write!(f, "p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, max {max:.1?}", at(0.5), at(0.99), at(0.999))
    }
}

enum From {
    /// From the simulator's write.
    Write {
        truth: GroundTruth,
        /// Delivered, not looked up yet. A lookup locks the log, which the simulator uses too.
        pending: Vec<(PostId, Instant)>,
        /// The latest time that is known to precede the next Post: the write of the last one, or
        /// the end of the connection before. The log has the first write of an id. An id whose
        /// first write is earlier was sent again, by a file that contains it twice or restarts
        /// after a reconnect.
        since: Option<Instant>,
        /// The Posts written at that time. One `write()` may carry several.
        written: HashSet<PostId>,
    },
    /// From the Post's creation.
    Creation {
        /// When the stream began.
        since: UnixTime,
    },
}

impl Latency {
    pub(super) fn from_write(truth: GroundTruth) -> Self {
        Self::new(From::Write {
            truth,
            pending: Vec::with_capacity(PENDING_MAX),
            since: None,
            written: HashSet::new(),
        })
    }

    pub(super) fn from_creation() -> Self {
        Self::new(From::Creation { since: SystemTime::now().into() })
    }

    fn new(from: From) -> Self {
        Self { from, spread: Spread::new(), kernel: Spread::new(), replayed: 0 }
    }

    /// Reports that a stream started.
    pub(super) fn connected(&mut self) {
        if let From::Creation { since } = &mut self.from {
            *since = SystemTime::now().into();
        }
    }

    /// Reports that a connection ended.
    pub(super) fn disconnected(&mut self, now: Instant) {
        self.settle();
        if let From::Write { since, written, .. } = &mut self.from {
            *since = Some(now);
            written.clear();
        }
    }

    /// Reports a delivered Post.
    pub(super) fn delivered(&mut self, id: PostId, now: Instant) {
        match &mut self.from {
            From::Write { pending, .. } => {
                pending.push((id, now));
                if pending.len() == PENDING_MAX {
                    self.settle();
                }
            }
            From::Creation { since } => {
                let Some(created_at) = id.created_at() else { return };
                // A Post from before the start of the stream is a replay, from backfill or a file,
                // so its age is not a latency. The few Posts in flight at that time are omitted
                // too, because they look the same.
                if created_at < *since {
                    self.replayed += 1;
                } else {
                    // The id has whole milliseconds, so this is up to 1 ms too long. If the clocks
                    // disagree, it is zero.
                    let created_at = UNIX_EPOCH + Duration::from_millis(created_at.as_millis());
                    self.spread.record(created_at.elapsed().unwrap_or_default());
                }
            }
        }
    }

    /// Reports the kernel's time of a message that is delivered now.
    pub(super) fn received(&mut self, at: KernelTime) {
        let now = UNIX_EPOCH.elapsed().unwrap_or_default();
        self.kernel.record(at.until(now));
    }

    /// Looks up the stored deliveries. Call it while there is nothing else to do.
    pub(super) fn settle(&mut self) {
        let From::Write { truth, pending, since, written } = &mut self.from else { return };
        for (id, delivered_at) in pending.drain(..) {
            let Some(written_at) = truth.written_at(id.as_u64()) else { continue };
            if since.is_none_or(|since| written_at > since) {
                *since = Some(written_at);
                written.clear();
            }
            if *since > Some(written_at) || !written.insert(id) {
                self.replayed += 1;
            } else {
                self.spread.record(delivered_at.saturating_duration_since(written_at));
            }
        }
    }

    /// Returns the results, a line each.
    pub(super) fn summary(&self) -> String {
        let name = match self.from {
            From::Write { .. } => "latency from the simulator's write to receipt",
            From::Creation { .. } => "lag from a Post's creation to receipt",
        };
        let mut summary = match (self.spread.count(), self.replayed) {
            (count @ 1.., _) => format!("{name}: {} ({count} Posts)", self.spread),
            (0, 0) => format!("{name}: none"),
            (0, _) => format!("{name}: none (replayed Posts)"),
        };
        if self.kernel.count() > 0 {
            let (kernel, count) = (&self.kernel, self.kernel.count());
            summary +=
                &format!("\nlatency from the kernel's receipt to receipt: {kernel} ({count} messages)");
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the id of a Post of that age.
    fn post(age: Duration) -> PostId {
        let created_at = UnixTime::from(SystemTime::now()).saturating_sub(age);
        PostId::new((created_at.as_millis() - 1_288_834_974_657) << 22)
    }

    #[test]
    fn measures_lag_of_posts_created_since_connecting() {
        let mut latency = Latency::from_creation();
        assert!(latency.summary().ends_with("receipt: none"));
        latency.connected();
        latency.delivered(post(Duration::from_secs(3_600)), Instant::now());
        latency.delivered(PostId::new(20), Instant::now());
        assert!(latency.summary().ends_with("receipt: none (replayed Posts)"), "{}", latency.summary());
        std::thread::sleep(Duration::from_millis(30));
        latency.delivered(post(Duration::from_millis(20)), Instant::now());
        let summary = latency.summary();
        assert!(summary.contains("p50 2") && summary.ends_with("ms (1 Posts)"), "{summary}");
    }

    #[test]
    fn keeps_percentiles_accurate_across_scales() {
        let mut latency = Latency::from_creation();
        for microseconds in 1..=1_000 {
            latency.spread.record(Duration::from_micros(microseconds));
        }
        latency.spread.record(Duration::from_secs(3));
        let summary = latency.summary();
        assert!(
            summary.contains("p50 501.")
                && summary.contains("p99 99")
                && summary.contains("p99.9 ")
                && summary.contains("max 3.0s"),
            "{summary}"
        );
        latency.spread.record(Duration::MAX);
        assert!(latency.summary().contains("max 8"), "{}", latency.summary());
    }
}
