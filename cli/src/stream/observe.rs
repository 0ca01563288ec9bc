//! What an operator sees of a running stream: statistics in the log, metrics for Prometheus, and
//! notifications of systemd. All read the same counters, from their own threads.

pub(super) mod alerts;
pub(super) mod metrics;
#[cfg(target_os = "linux")]
pub(super) mod service;
pub(super) mod stats;
pub(super) mod status;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use powerstream_client::queue::{QueueMonitor, QueueStats};
use powerstream_core::monitor::{GapCounts, GapMonitor, LagHistogram, Monitor, Snapshot};
use powerstream_core::rule_counts::RuleCounts;
use powerstream_core::time::{Instant, UnixTime};

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
    /// The gaps of merged connections, by group. Without any, those of the connection count.
    gaps: Vec<Arc<GapMonitor>>,
    month: Arc<Mutex<Month>>,
    alerts: Arc<AlertCounts>,
    /// The connections carry different Posts.
    is_partitioned: bool,
    /// Posts by rule, counted only for `--metrics`.
    pub(super) rules: Arc<RuleCounts>,
}

/// The counters of a stream.
pub(super) struct Monitors {
    pub(super) connections: Vec<Connection>,
    /// Those of merged connections, by group.
    pub(super) gaps: Vec<Arc<GapMonitor>>,
    /// The time of their clock.
    pub(super) now: Instant,
}

/// A connection and its counters.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) name: String,
    pub(super) monitor: Arc<Monitor>,
}

/// Posts of the calendar month (UTC) that the monitors of the connections do not count.
#[derive(Debug)]
struct Month {
    end: UnixTime,
    /// Posts of the month that earlier runs received.
    carried: u64,
    /// Posts that were recovered before the month began.
    recovered_before: u64,
}

impl Month {
    /// Continues a count of an earlier run, with the time of that count. It is dropped if its month
    /// is over at `now`.
    fn resume((carried, counted_at): (u64, UnixTime), now: UnixTime) -> Self {
        let end = now.month_end();
        let carried = if counted_at.month_end() == end { carried } else { 0 };
        Self { end, carried, recovered_before: 0 }
    }

    /// Returns the Posts of the month that the monitors do not count, of which `recovered` were
    /// recovered since the start.
    fn posts(&mut self, recovered: u64, now: UnixTime) -> u64 {
        if now >= self.end {
            *self = Self { end: now.month_end(), carried: 0, recovered_before: recovered };
        }
        self.carried + (recovered - self.recovered_before)
    }
}

/// The counters at one moment.
pub(super) struct View {
    pub(super) connections: Vec<(String, Snapshot)>,
    pub(super) queue: QueueStats,
    pub(super) written: Tally,
    /// The gaps of the whole stream.
    pub(super) gaps: GapCounts,
    /// Posts of this calendar month.
    pub(super) month_posts: u64,
    /// The code of each alert, how often it began, and 1 if it is active.
    pub(super) alerts: Vec<(&'static str, u64, u64)>,
    /// The time on the stream's clock, and the offset that makes it a Unix time.
    now: Instant,
    unix: UnixTime,
}

impl Observed {
    /// Observes these connections. `now` is the time of the clock of their monitors. `month` are
    /// the Posts of the month that earlier runs received, with the time of that count.
    pub(super) fn new(
        monitors: Monitors,
        queue: QueueMonitor<Item>,
        progress: Arc<Progress>,
        month: (u64, UnixTime),
        is_partitioned: bool,
    ) -> Self {
        let Monitors { connections, gaps, now } = monitors;
        let clock = (now, std::time::Instant::now(), SystemTime::now());
        Self {
            connections,
            clock,
            queue,
            progress,
            gaps,
            month: Arc::new(Mutex::new(Month::resume(month, clock.2.into()))),
            alerts: Arc::default(),
            is_partitioned,
            rules: Arc::default(),
        }
    }

    /// Returns the current values.
    pub(super) fn view(&self) -> View {
        let (now, std, system) = self.clock;
        let since = std.elapsed();
        let unix = UnixTime::from(system).saturating_add(since);
        let snapshot = |connection: &Connection| (connection.name.clone(), connection.monitor.snapshot());
        let connections: Vec<_> = self.connections.iter().map(snapshot).collect();
        let gaps = match &self.gaps[..] {
            [] => connections.iter().map(|(_, one)| one.gaps).fold(GapCounts::default(), GapCounts::plus),
            groups => groups.iter().map(|group| group.counts()).fold(GapCounts::default(), GapCounts::plus),
        };
        let months = connections.iter().map(|(_, one)| one.month_posts);
        // Redundant connections carry the same Posts, which X counts once.
        let months = if self.is_partitioned { months.sum() } else { months.max().unwrap_or_default() };
        let mut month = self.month.lock().unwrap_or_else(PoisonError::into_inner);
        let month_posts = months + month.posts(gaps.recovered_posts, unix);
        drop(month);
        View {
            connections,
            queue: self.queue.stats(),
            written: self.progress.lock().written,
            gaps,
            month_posts,
            alerts: self.alerts.all().collect(),
            now: now.saturating_add(since),
            unix,
        }
    }

    /// Returns the Posts of this calendar month.
    pub(super) fn month_posts(&self) -> u64 {
        self.view().month_posts
    }

    /// Returns true if the reading thread has missed a deadline that it set.
    #[cfg(target_os = "linux")]
    pub(super) fn is_overdue(&self) -> bool {
        self.progress.lock().is_overdue(std::time::Instant::now())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_an_earlier_run_is_continued_in_its_month_only() {
        // The 30th of November 2026, and the first of December.
        let (november, december) =
            (UnixTime::from_seconds(1_796_000_000), UnixTime::from_seconds(1_796_083_200));
        let mut month = Month::resume((700, november), november);
        assert_eq!(month.posts(5, november), 705);
        assert_eq!(month.posts(9, december), 0);
        assert_eq!(month.posts(12, december), 3);
        assert_eq!(Month::resume((700, november), december).posts(2, december), 2);
        let year_before = UnixTime::from_seconds(1_796_000_000 - 365 * 86_400);
        assert_eq!(Month::resume((700, year_before), november).posts(0, november), 0);
    }
}
