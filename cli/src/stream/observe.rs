//! What an operator sees of a running stream: statistics in the log, metrics for Prometheus, and
//! notifications of systemd. All read the same counters, from their own threads.

pub(super) mod alerts;
pub(super) mod metrics;
#[cfg(target_os = "linux")]
pub(super) mod service;
pub(super) mod stats;
pub(super) mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use powerstream_client::queue::{QueueMonitor, QueueStats};
use powerstream_core::monitor::{LagHistogram, Monitor, Snapshot};
use powerstream_core::rule_counts::RuleCounts;
use powerstream_core::time::{Instant, TimeRange, UnixTime};

use self::alerts::AlertCounts;
use super::outlet::Item;
use super::progress::{Progress, Tally};

/// The counters of a run, readable from any thread.
#[derive(Clone)]
pub(super) struct Observed {
    connections: Vec<Connection>,
    /// The same moment on the stream's clock and on the system's.
    clock: (Instant, std::time::Instant, SystemTime),
    queue: QueueMonitor<Item>,
    progress: Arc<Progress>,
    gaps: Arc<GapCounts>,
    alerts: Arc<AlertCounts>,
    /// The connections carry different Posts.
    is_partitioned: bool,
    /// Posts by rule, counted only for `--metrics`.
    pub(super) rules: Arc<RuleCounts>,
}

/// A connection and its counters.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) name: String,
    pub(super) monitor: Arc<Monitor>,
}

/// Gaps of the whole stream, as they were logged.
#[derive(Debug, Default)]
pub(super) struct GapCounts {
    reported: AtomicU64,
    reported_ms: AtomicU64,
    /// Ranges that are still to be recovered.
    open: AtomicU64,
    open_ms: AtomicU64,
    recovered: AtomicU64,
    recovered_ms: AtomicU64,
    recovered_posts: AtomicU64,
    lost: AtomicU64,
    lost_ms: AtomicU64,
}

impl GapCounts {
    pub(super) fn add_reported(&self, range: TimeRange) {
        self.reported.fetch_add(1, Ordering::Relaxed);
        self.reported_ms.fetch_add(millis(range), Ordering::Relaxed);
    }

    /// Sets the ranges that are still to be recovered.
    pub(super) fn set_open(&self, ranges: impl Iterator<Item = TimeRange>) {
        let (count, ms) = ranges.fold((0, 0), |(count, ms), range| (count + 1, ms + millis(range)));
        self.open.store(count, Ordering::Relaxed);
        self.open_ms.store(ms, Ordering::Relaxed);
    }

    pub(super) fn add_recovered(&self, range: TimeRange) {
        self.recovered.fetch_add(1, Ordering::Relaxed);
        self.recovered_ms.fetch_add(millis(range), Ordering::Relaxed);
    }

    pub(super) fn add_recovered_posts(&self, posts: u64) {
        self.recovered_posts.fetch_add(posts, Ordering::Relaxed);
    }

    pub(super) fn add_lost(&self, range: TimeRange) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.lost_ms.fetch_add(millis(range), Ordering::Relaxed);
    }
}

fn millis(range: TimeRange) -> u64 {
    range.to.as_millis().saturating_sub(range.from.as_millis())
}

/// The counters at one moment.
pub(super) struct View {
    pub(super) connections: Vec<(String, Snapshot)>,
    pub(super) queue: QueueStats,
    pub(super) written: Tally,
    pub(super) gaps: u64,
    pub(super) gap_time: Duration,
    pub(super) open_ranges: u64,
    pub(super) open_time: Duration,
    pub(super) recovered_ranges: u64,
    pub(super) recovered_time: Duration,
    pub(super) recovered_posts: u64,
    pub(super) lost_ranges: u64,
    pub(super) lost_time: Duration,
    /// The code of each alert, how often it began, and 1 if it is active.
    pub(super) alerts: Vec<(&'static str, u64, u64)>,
    pub(super) is_partitioned: bool,
    /// The time on the stream's clock, and the offset that makes it a Unix time.
    now: Instant,
    unix: UnixTime,
}

impl Observed {
    /// Observes these connections. `now` is the time of the clock of their monitors.
    pub(super) fn new(
        connections: Vec<Connection>,
        now: Instant,
        queue: QueueMonitor<Item>,
        progress: Arc<Progress>,
        gaps: Arc<GapCounts>,
        is_partitioned: bool,
    ) -> Self {
        let clock = (now, std::time::Instant::now(), SystemTime::now());
        Self {
            connections,
            clock,
            queue,
            progress,
            gaps,
            alerts: Arc::default(),
            is_partitioned,
            rules: Arc::default(),
        }
    }

    /// Returns the current values.
    pub(super) fn view(&self) -> View {
        let (now, std, system) = self.clock;
        let since = std.elapsed();
        let snapshot = |connection: &Connection| (connection.name.clone(), connection.monitor.snapshot());
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let time = |counter: &AtomicU64| Duration::from_millis(count(counter));
        View {
            connections: self.connections.iter().map(snapshot).collect(),
            queue: self.queue.stats(),
            written: self.progress.lock().written,
            gaps: count(&self.gaps.reported),
            gap_time: time(&self.gaps.reported_ms),
            open_ranges: count(&self.gaps.open),
            open_time: time(&self.gaps.open_ms),
            recovered_ranges: count(&self.gaps.recovered),
            recovered_time: time(&self.gaps.recovered_ms),
            recovered_posts: count(&self.gaps.recovered_posts),
            lost_ranges: count(&self.gaps.lost),
            lost_time: time(&self.gaps.lost_ms),
            alerts: self.alerts.all().collect(),
            is_partitioned: self.is_partitioned,
            now: now.saturating_add(since),
            unix: UnixTime::from(system).saturating_add(since),
        }
    }

    /// Returns true if the reading thread waits for room in the queue.
    #[cfg(target_os = "linux")]
    pub(super) fn waits_for_room(&self) -> bool {
        self.progress.lock().room.since.is_some()
    }
}

impl View {
    /// Returns the sum of a counter over all connections.
    pub(super) fn sum(&self, counter: impl Fn(&Snapshot) -> u64) -> u64 {
        self.connections.iter().map(|(_, snapshot)| counter(snapshot)).sum()
    }

    /// Returns the number of connections with an open stream.
    pub(super) fn streaming(&self) -> usize {
        self.connections.iter().filter(|(_, snapshot)| snapshot.is_streaming).count()
    }

    /// Returns the lags of all connections.
    pub(super) fn lag(&self) -> LagHistogram {
        self.connections.iter().fold(LagHistogram::default(), |all, (_, snapshot)| all.plus(&snapshot.lag))
    }

    /// Returns how long ago this moment was.
    pub(super) fn age(&self, at: Instant) -> Duration {
        self.now.saturating_since(at)
    }

    /// Returns the Unix time of this moment in seconds.
    pub(super) fn unix_seconds(&self, at: Instant) -> f64 {
        self.unix.saturating_sub(self.age(at)).as_millis() as f64 / 1_000.0
    }
}
