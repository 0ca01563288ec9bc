//! How long Posts were on their way.
//!
//! From the simulator in this process it is exact: from just before the `write()` that completed a Post to its
//! delivery, on one clock. From any other server it is the lag behind the time of creation that a Post's id holds, to
//! the millisecond, across two clocks and with everything that the service does in between.

use std::time::{Duration, Instant, SystemTime};

use hdrhistogram::Histogram;
use powerstream_core::stream::message::PostId;
use powerstream_core::time::UnixTime;
use powerstream_simulator::Truth;

/// Deliveries noted down before they are looked up, at most: what a burst may hold.
const PENDING_MAX: usize = 4_096;

/// Three digits are what anyone reads of a percentile.
const DIGITS: u8 = 3;

pub(super) struct Latency {
    from: From,
    /// In nanoseconds.
    histogram: Option<Histogram<u64>>,
    replayed: u64,
}

enum From {
    /// The simulator's write.
    Write {
        truth: Truth,
        /// Delivered and not looked up: that takes the log's lock, which the simulator wants too.
        pending: Vec<(PostId, Instant)>,
        /// When the connection before had ended. What was written for the first time before that is a replay.
        since: Option<Instant>,
    },
    /// The Post's creation.
    Creation {
        /// When the stream began.
        since: UnixTime,
    },
}

impl Latency {
    pub(super) fn from_write(truth: Truth) -> Self {
        Self::new(From::Write { truth, pending: Vec::with_capacity(PENDING_MAX), since: None })
    }

    pub(super) fn from_creation() -> Self {
        Self::new(From::Creation { since: SystemTime::now().into() })
    }

    fn new(from: From) -> Self {
        // An error would mean that `DIGITS` is out of range.
        Self { from, histogram: Histogram::new(DIGITS).ok(), replayed: 0 }
    }

    /// A stream has begun.
    pub(super) fn connected(&mut self) {
        if let From::Creation { since } = &mut self.from {
            *since = SystemTime::now().into();
        }
    }

    /// A connection has ended.
    pub(super) fn disconnected(&mut self, now: Instant) {
        self.settle();
        if let From::Write { since, .. } = &mut self.from {
            *since = Some(now);
        }
    }

    /// A Post was delivered.
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
                // A Post from before the stream began is a replay, by backfill or from a file: its age says nothing
                // about the way it took. The few that were under way at that moment are left out with it, for nothing
                // tells them apart.
                if created_at < *since {
                    self.replayed += 1;
                } else {
                    let lag = UnixTime::from(SystemTime::now()).saturating_since(created_at);
                    self.record(lag);
                }
            }
        }
    }

    /// Looks up what was noted down. Worth doing when there is nothing else to do.
    pub(super) fn settle(&mut self) {
        let From::Write { truth, pending, since } = &mut self.from else { return };
        let (truth, since) = (truth.clone(), *since);
        let mut settled = std::mem::take(pending);
        for (id, delivered_at) in settled.drain(..) {
            let Some(written_at) = truth.written_at(id.as_u64()) else { continue };
            if since.is_some_and(|since| written_at < since) {
                self.replayed += 1;
            } else {
                self.record(delivered_at.saturating_duration_since(written_at));
            }
        }
        if let From::Write { pending, .. } = &mut self.from {
            // Its memory serves again.
            *pending = settled;
        }
    }

    fn record(&mut self, length: Duration) {
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX).max(1));
        }
    }

    /// What came of it, on one line.
    pub(super) fn summary(&self) -> String {
        let name = match self.from {
            From::Write { .. } => "latency from the simulator's write to delivery",
            From::Creation { .. } => "lag from a Post's creation to delivery",
        };
        match &self.histogram {
            Some(histogram) if !histogram.is_empty() => {
                let at = |quantile| Duration::from_nanos(histogram.value_at_quantile(quantile));
                let (p50, p99, max) = (at(0.5), at(0.99), Duration::from_nanos(histogram.max()));
                let count = histogram.len();
                format!("{name}: p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?} ({count} Posts)")
            }
            _ if self.replayed > 0 => format!("{name}: none (replayed Posts)"),
            _ => format!("{name}: none"),
        }
    }
}
