//! Alerts for an operator: volume, lag, the monthly cap and a wrong clock.
//!
//! An [`Alerts`] machine gets a [`Sample`] of the counters now and then, and says which alerts
//! begin and end. It allocates nothing and reads no clock.
//!
//! ```
//! use core::time::Duration;
//! use powerstream_core::alert::{Alert, AlertConfig, Alerts, Change, Sample};
//! use powerstream_core::time::Instant;
//!
//! let mut config = AlertConfig::default();
//! (config.period, config.expected_posts) = (Duration::from_secs(60), Some(600));
//! let mut alerts = Alerts::new(config);
//! let mut sample = Sample::default();
//! sample.is_streaming = true;
//! let at = |seconds| Instant::ZERO.saturating_add(Duration::from_secs(seconds));
//! alerts.handle_sample(&sample, at(0));
//! sample.posts += 600;
//! alerts.handle_sample(&sample, at(60));
//! assert_eq!(alerts.poll(), None);
//! sample.posts += 10;
//! alerts.handle_sample(&sample, at(120));
//! assert_eq!(alerts.poll(), Some(Change::Begun(Alert::VolumeDrop { posts: 10, expected: 600 })));
//! ```
//!
//! # Rules
//!
//! - **Volume** is judged after each period in which the stream was open at least half of the time,
//!   by the Posts of that time, scaled to a whole period. The expected number is configured, or the
//!   median of the last twelve periods, and of six at least. A drop is less than
//!   [`AlertConfig::drop_percent`] of it; it needs at least 20 expected Posts in the open time. A
//!   surge is more than [`AlertConfig::surge_factor`] times as many, and at least 100.
//! - **After a change of rules** a surge is three times as many, for half an hour, because a new
//!   rule may match too much. A drop is not reported: the expected number is learned again.
//! - **Falling behind:** the median lag of live Posts rises in three periods in a row, to twice the
//!   first and to at least 2 s.
//! - **Monthly cap:** at 80 % and at 100 %, each once a month.
//! - **Wrong clock:** the local clock differs from the server's `Date` by more than 5 s.
//!
//! An alert ends when a period is judged to be normal, and is not repeated before. Volume that
//! stays different for 24 periods is the new normal.

use core::time::Duration;

use crate::lag::LagHistogram;
use crate::time::Instant;

/// Thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlertConfig {
    /// The length of a period. Default 5 min.
    pub period: Duration,
    /// The expected number of Posts in a period. Default `None`: learned.
    pub expected_posts: Option<u64>,
    /// A drop is less than this percentage of the expected number. Default 20.
    pub drop_percent: u8,
    /// A surge is more than this many times the expected number. Default 20, because bursts of ten
    /// times the usual volume are normal.
    pub surge_factor: u16,
    /// Posts that the contract allows in a calendar month. Default `None`.
    pub monthly_cap: Option<u64>,
}

impl Default for AlertConfig {
    fn default() -> Self {
        Self {
            period: Duration::from_secs(5 * 60),
            expected_posts: None,
            drop_percent: 20,
            surge_factor: 20,
            monthly_cap: None,
        }
    }
}

/// The counters of a stream at one moment, of all its connections together.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Sample {
    /// Posts since the start, without duplicates.
    pub posts: u64,
    /// Posts in this calendar month.
    pub month_posts: u64,
    /// Streams that began since the start.
    pub streams: u64,
    /// True if all connections are streaming.
    pub is_streaming: bool,
    /// The lags of live Posts since the start.
    pub lag: LagHistogram,
    /// How far the local clock is from the server's.
    pub clock_offset: Duration,
}

/// What an operator should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alert {
    /// Far fewer Posts than expected arrived, although the stream is open.
    VolumeDrop {
        /// Posts in the period.
        posts: u64,
        /// The expected number.
        expected: u64,
    },
    /// Far more Posts than expected arrived.
    VolumeSurge {
        /// Posts in the period.
        posts: u64,
        /// The expected number.
        expected: u64,
        /// True if the rules were changed in the half hour before.
        rules_changed: bool,
    },
    /// The lag rises: the reader or the path is slower than the stream.
    FallingBehind {
        /// The median lag in the period.
        lag: Duration,
    },
    /// The month's Posts have reached a part of the cap.
    MonthlyCap {
        /// Posts in the month.
        posts: u64,
        /// The cap.
        cap: u64,
    },
    /// The local clock is wrong, or the server's is.
    WrongClock {
        /// The difference.
        offset: Duration,
    },
}

impl Alert {
    /// Returns a stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        CODES[self.kind()]
    }

    const fn kind(&self) -> usize {
        match self {
            Self::VolumeDrop { .. } => DROP,
            Self::VolumeSurge { .. } => SURGE,
            Self::FallingBehind { .. } => BEHIND,
            Self::MonthlyCap { .. } => CAP,
            Self::WrongClock { .. } => CLOCK,
        }
    }
}

/// The names of the alerts, in a stable order.
pub const CODES: [&str; 5] = ["volume_drop", "volume_surge", "falling_behind", "monthly_cap", "wrong_clock"];

const DROP: usize = 0;
const SURGE: usize = 1;
const BEHIND: usize = 2;
const CAP: usize = 3;
const CLOCK: usize = 4;

/// A change of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It began.
    Begun(Alert),
    /// The alert with this code ended: the values are normal.
    Ended(&'static str),
}

/// Periods from which the expected number is learned.
const LEARNED: usize = 12;

/// Fewer complete periods teach nothing: a stream may begin with a burst.
const LEARNED_MIN: usize = 6;

/// Volume that is different for so many periods is normal.
const NEW_NORMAL: u32 = 24;

/// Fewer expected Posts vary too much.
const DROP_MIN: u64 = 20;
const SURGE_MIN: u64 = 100;

/// How long a change of rules explains a change of volume.
const RULES_WATCHED: Duration = Duration::from_secs(30 * 60);

/// A surge after a change of rules.
const RULES_SURGE: u64 = 3;

/// A lag below is not behind.
const LAG_MIN: Duration = Duration::from_secs(2);

/// Rises in a row that make an alert.
const RISES: u32 = 3;

const CLOCK_MAX: Duration = Duration::from_secs(5);

/// The part of a sample that says how many Posts come in which time.
#[derive(Clone, Copy, Debug, Default)]
struct Volume {
    posts: u64,
    streams: u64,
    is_streaming: bool,
}

impl Volume {
    const fn of(sample: &Sample) -> Self {
        Self { posts: sample.posts, streams: sample.streams, is_streaming: sample.is_streaming }
    }
}

/// Decides which alerts begin and end.
#[derive(Clone, Debug)]
pub struct Alerts {
    config: AlertConfig,
    /// The sample at the begin of the period.
    begun: Option<(Sample, Instant)>,
    /// The last sample.
    last: (Volume, Instant),
    /// The time of the period in which the stream was open, and the Posts of that time.
    open: (Duration, u64),
    /// The Posts of the last complete periods, as a ring.
    history: [u64; LEARNED],
    periods: usize,
    rules_changed_at: Option<Instant>,
    /// Periods since a volume alert began.
    different: u32,
    /// The median lag before it rose, the last one, and the rises in a row.
    lag: Option<(Duration, Duration, u32)>,
    /// The parts of the cap that were reported this month: 0, 80 or 100.
    cap_percent: u8,
    month_posts: u64,
    active: [bool; CODES.len()],
    changes: [Option<Change>; CODES.len()],
}

impl Alerts {
    /// Creates the machine. No alert is active.
    #[must_use]
    pub fn new(config: AlertConfig) -> Self {
        Self {
            config,
            begun: None,
            last: (Volume::default(), Instant::ZERO),
            open: (Duration::ZERO, 0),
            history: [0; LEARNED],
            periods: 0,
            rules_changed_at: None,
            different: 0,
            lag: None,
            cap_percent: 0,
            month_posts: 0,
            active: [false; CODES.len()],
            changes: [None; CODES.len()],
        }
    }

    /// Returns and removes the next change.
    #[must_use]
    pub fn poll(&mut self) -> Option<Change> {
        self.changes.iter_mut().find_map(Option::take)
    }

    /// Returns true if the alert with this code is active.
    #[must_use]
    pub fn is_active(&self, code: &str) -> bool {
        CODES.iter().zip(self.active).any(|(name, is_active)| *name == code && is_active)
    }

    /// Reports that the rules were changed.
    pub fn handle_rules_changed(&mut self, now: Instant) {
        self.rules_changed_at = Some(now);
    }

    /// Handles the counters at `now`. Call it several times in each period, then [`Self::poll`]
    /// until there is no change.
    pub fn handle_sample(&mut self, sample: &Sample, now: Instant) {
        self.judge_clock(sample.clock_offset);
        self.judge_cap(sample.month_posts);
        let Some((begun, at)) = &self.begun else {
            self.last = (Volume::of(sample), now);
            self.begun = Some((sample.clone(), now));
            return;
        };
        let (last, last_at) = self.last;
        let since = now.saturating_since(last_at);
        // A stream that has begun or ended since the last sample was open for a part of the time.
        if sample.is_streaming && last.is_streaming && sample.streams == last.streams {
            self.open.0 += since;
            self.open.1 += sample.posts.saturating_sub(last.posts);
        }
        self.last = (Volume::of(sample), now);
        let length = now.saturating_since(*at);
        if length < self.config.period {
            return;
        }
        let lag = sample.lag.minus(&begun.lag).quantile(500);
        let (open, posts) = core::mem::take(&mut self.open);
        self.begun = Some((sample.clone(), now));
        if open >= self.config.period / 2 {
            self.judge_volume(posts, open, now);
        }
        if let Some(lag) = lag {
            self.judge_lag(lag);
        }
    }

    /// Judges the Posts of the `open` time of a period.
    fn judge_volume(&mut self, posts: u64, open: Duration, now: Instant) {
        let period = self.config.period.as_nanos().max(1);
        // A period may be longer than configured, by the time between two samples.
        let scaled = |count: u64, by: u128, of: u128| {
            u64::try_from(u128::from(count) * by / of.max(1)).unwrap_or(u64::MAX)
        };
        let (received, posts) = (posts, scaled(posts, period, open.as_nanos()));
        let rules_changed = self.rules_changed_at.is_some_and(|at| now.saturating_since(at) <= RULES_WATCHED);
        let expected = self.config.expected_posts.or_else(|| self.learned());
        let Some(expected) = expected else { return self.learn(posts) };
        let surge = if rules_changed { RULES_SURGE } else { u64::from(self.config.surge_factor) };
        let is_surge = received >= SURGE_MIN && posts > expected.saturating_mul(surge);
        let part = u128::from(expected) * u128::from(self.config.drop_percent);
        let expected_open = scaled(expected, open.as_nanos(), period);
        let is_drop = expected_open >= DROP_MIN && u128::from(posts) * 100 < part;
        self.set(DROP, is_drop && !rules_changed, Alert::VolumeDrop { posts, expected });
        self.set(SURGE, is_surge, Alert::VolumeSurge { posts, expected, rules_changed });
        if is_drop && rules_changed {
            // What was learned belongs to other rules.
            (self.periods, self.different) = (0, 0);
            self.learn(posts);
        } else if is_drop || is_surge {
            self.different += 1;
            if self.different >= NEW_NORMAL && self.config.expected_posts.is_none() {
                (self.periods, self.different) = (0, 0);
            }
        } else {
            self.different = 0;
            self.learn(posts);
        }
    }

    fn learn(&mut self, posts: u64) {
        self.history[self.periods % LEARNED] = posts;
        self.periods += 1;
    }

    /// Returns the median of the last periods.
    fn learned(&self) -> Option<u64> {
        let count = self.periods.min(LEARNED);
        if count < LEARNED_MIN {
            return None;
        }
        let mut sorted = self.history;
        sorted[..count].sort_unstable();
        Some(sorted[count / 2])
    }

    fn judge_lag(&mut self, lag: Duration) {
        let (first, last, rises) = self.lag.get_or_insert((lag, lag, 0));
        if lag > *last {
            *rises += 1;
        } else {
            (*first, *rises) = (lag, 0);
        }
        *last = lag;
        let is_rising = *rises >= RISES && lag >= LAG_MIN && lag >= *first * 2;
        // It ends once the reader has caught up.
        let is_behind = is_rising || self.active[BEHIND] && lag >= LAG_MIN;
        self.set(BEHIND, is_behind, Alert::FallingBehind { lag });
    }

    fn judge_cap(&mut self, posts: u64) {
        let Some(cap) = self.config.monthly_cap else { return };
        if posts < self.month_posts {
            // A new month.
            self.cap_percent = 0;
            self.set(CAP, false, Alert::MonthlyCap { posts, cap });
        }
        self.month_posts = posts;
        let percent = (u128::from(posts) * 100).checked_div(u128::from(cap)).unwrap_or(100);
        let reached = if percent >= 100 {
            100
        } else if percent >= 80 {
            80
        } else {
            0
        };
        if reached > self.cap_percent {
            self.cap_percent = reached;
            self.active[CAP] = false;
            self.set(CAP, true, Alert::MonthlyCap { posts, cap });
        }
    }

    fn judge_clock(&mut self, offset: Duration) {
        self.set(CLOCK, offset > CLOCK_MAX, Alert::WrongClock { offset });
    }

    fn set(&mut self, kind: usize, is_active: bool, alert: Alert) {
        if is_active && !self.active[kind] {
            self.changes[kind] = Some(Change::Begun(alert));
        } else if !is_active && self.active[kind] {
            self.changes[kind] = Some(Change::Ended(CODES[kind]));
        }
        self.active[kind] = is_active;
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const PERIOD: u64 = 300;

    /// A stream, sampled every 10 s.
    struct Run {
        alerts: Alerts,
        sample: Sample,
        seconds: u64,
        changes: Vec<Change>,
    }

    impl Run {
        fn new(config: AlertConfig) -> Self {
            let mut sample = Sample::default();
            (sample.is_streaming, sample.streams) = (true, 1);
            Self { alerts: Alerts::new(config), sample, seconds: 0, changes: Vec::new() }
        }

        /// Runs for so many seconds, with Posts and a lag for each second.
        fn run(&mut self, seconds: u64, posts: impl Fn(u64) -> u64, lag: impl Fn(u64) -> Duration) {
            for _ in 0..seconds / 10 {
                for second in self.seconds..self.seconds + 10 {
                    self.sample.posts += posts(second);
                    self.sample.month_posts += posts(second);
                    self.sample.lag.record(lag(second));
                }
                self.seconds += 10;
                self.alerts.handle_sample(&self.sample, Instant::from_nanos(self.seconds * 1_000_000_000));
                while let Some(change) = self.alerts.poll() {
                    self.changes.push(change);
                }
            }
        }

        fn steady(&mut self, periods: u64) {
            self.run(periods * PERIOD, |_| 10, |_| Duration::from_millis(80));
        }

        fn codes(&self) -> Vec<&'static str> {
            let begun = self.changes.iter().filter_map(|change| match change {
                Change::Begun(alert) => Some(alert.code()),
                Change::Ended(_) => None,
            });
            begun.collect()
        }
    }

    fn lag(_: u64) -> Duration {
        Duration::from_millis(80)
    }

    #[test]
    fn a_day_of_steady_traffic_with_bursts_of_ten_times_raises_nothing() {
        let mut run = Run::new(AlertConfig::default());
        // A burst of a minute every 17 minutes, and one that fills two periods every five hours.
        let posts = |second: u64| {
            let is_burst = second % 1_020 < 60 || second % 18_000 < 2 * PERIOD;
            (10 + second % 3) * if is_burst { 10 } else { 1 }
        };
        run.run(24 * 60 * 60, posts, lag);
        assert_eq!(run.changes, []);
    }

    #[test]
    fn volume_at_its_limits_is_normal() {
        let rows: [(u64, &[&str]); 4] =
            [(599, &["volume_drop"]), (600, &[]), (60_000, &[]), (60_001, &["volume_surge"])];
        for (posts, expected) in rows {
            let mut run = Run::new(AlertConfig { expected_posts: Some(3_000), ..AlertConfig::default() });
            // The first sample is at 10 s.
            run.run(10 + PERIOD, |second| if second == 10 { posts } else { 0 }, lag);
            assert_eq!(run.codes(), expected, "{posts}");
            for code in CODES {
                assert_eq!(run.alerts.is_active(code), expected.contains(&code), "{posts}: {code}");
            }
        }
    }

    #[test]
    fn the_median_of_the_last_periods_is_expected() {
        // Five periods are not enough. Seven of the last twelve periods decide.
        for (periods, doubled, expected) in [(5, 0, None), (6, 0, Some(3_000)), (30, 7, Some(6_000))] {
            let mut run = Run::new(AlertConfig::default());
            run.run(10, |_| 10, lag);
            run.steady(periods);
            run.run(doubled * PERIOD, |_| 20, lag);
            run.run(PERIOD, |_| 0, lag);
            let drop = expected.map(|expected| Change::Begun(Alert::VolumeDrop { posts: 0, expected }));
            assert_eq!(run.changes, drop.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn different_volume_before_a_change_of_rules_does_not_shorten_a_later_alert() {
        let lasted = [0, 10].map(|surged| {
            let mut run = Run::new(AlertConfig::default());
            run.steady(13);
            run.run(surged * PERIOD, |_| 1_000, lag);
            run.alerts.handle_rules_changed(Instant::from_nanos(run.seconds * 1_000_000_000));
            run.run(6 * PERIOD, |_| 1, lag);
            let begun = run.seconds;
            let ended = Some(&Change::Ended("volume_drop"));
            while run.changes.last() != ended && run.seconds - begun < 100 * PERIOD {
                run.run(10, |_| 0, lag);
            }
            assert_eq!(run.changes.last(), ended);
            run.seconds - begun
        });
        assert_eq!(lasted[0], lasted[1]);
    }

    #[test]
    fn a_drop_with_keep_alives_raises_exactly_its_alert_once_and_ends() {
        let mut run = Run::new(AlertConfig::default());
        run.steady(13);
        run.run(4 * PERIOD, |second| u64::from(second % 10 == 0), lag);
        assert_eq!(run.changes, [Change::Begun(Alert::VolumeDrop { posts: 30, expected: 3_000 })]);
        run.steady(2);
        assert_eq!(run.changes[1..], [Change::Ended("volume_drop")]);
    }

    #[test]
    fn a_surge_after_a_change_of_rules_raises_exactly_its_alert() {
        let mut run = Run::new(AlertConfig::default());
        run.steady(13);
        // Without a change of rules this is a burst.
        run.run(PERIOD, |_| 50, lag);
        assert_eq!(run.changes, []);
        run.alerts.handle_rules_changed(Instant::from_nanos(run.seconds * 1_000_000_000));
        run.run(2 * PERIOD, |_| 50, lag);
        let surge = Alert::VolumeSurge { posts: 15_000, expected: 3_000, rules_changed: true };
        assert_eq!(run.changes, [Change::Begun(surge)]);
    }

    #[test]
    fn a_drop_after_a_change_of_rules_is_learned() {
        let mut run = Run::new(AlertConfig::default());
        run.steady(13);
        run.alerts.handle_rules_changed(Instant::from_nanos(run.seconds * 1_000_000_000));
        run.run(10 * PERIOD, |_| 1, lag);
        assert_eq!(run.changes, []);
        assert_eq!(run.alerts.learned(), Some(300));
    }

    #[test]
    fn rising_lag_raises_exactly_its_alert_and_ends_when_caught_up() {
        let mut run = Run::new(AlertConfig::default());
        run.steady(4);
        let begin = run.seconds;
        run.run(6 * PERIOD, |_| 10, |second| Duration::from_millis(80 + (second - begin) * 5));
        assert_eq!(run.codes(), ["falling_behind"]);
        run.steady(2);
        assert_eq!(run.changes[1..], [Change::Ended("falling_behind")]);
    }

    #[test]
    fn a_constant_large_lag_is_not_rising() {
        let mut run = Run::new(AlertConfig::default());
        run.run(20 * PERIOD, |_| 10, |second| Duration::from_millis(9_000 + second % 700));
        assert_eq!(run.changes, []);
    }

    #[test]
    fn a_lag_is_behind_after_three_rises_to_twice_the_first() {
        let rows: [([u64; 4], &[&str]); 4] = [
            ([1_000, 1_400, 1_800, 2_200], &["falling_behind"]),
            ([600, 900, 1_200, 1_500], &[]),
            ([4_500, 5_500, 7_000, 8_000], &[]),
            // One rise.
            ([1_000, 2_500, 2_500, 2_500], &[]),
        ];
        for (lags, expected) in rows {
            let mut run = Run::new(AlertConfig::default());
            run.run(10, |_| 10, lag);
            for millis in lags {
                run.run(PERIOD, |_| 10, |_| Duration::from_millis(millis));
            }
            assert_eq!(run.codes(), expected, "{lags:?}");
        }
    }

    #[test]
    fn a_wrong_clock_raises_exactly_its_alert() {
        let mut run = Run::new(AlertConfig::default());
        run.sample.clock_offset = Duration::from_secs(5);
        run.steady(3);
        run.sample.clock_offset = Duration::from_secs(3_600);
        run.steady(3);
        let offset = Duration::from_secs(3_600);
        assert_eq!(run.changes, [Change::Begun(Alert::WrongClock { offset })]);
    }

    /// Runs for so many periods, in each of which the stream is away for so many seconds, at the
    /// end. Without a stream no Post comes.
    fn run_with_reconnects(run: &mut Run, periods: u64, away: u64, posts: impl Fn(u64) -> u64) {
        for _ in 0..periods {
            run.run(PERIOD - away, &posts, lag);
            run.sample.is_streaming = false;
            run.run(away - 10, |_| 0, lag);
            (run.sample.is_streaming, run.sample.streams) = (true, run.sample.streams + 1);
            run.run(10, |_| 0, lag);
        }
    }

    #[test]
    fn a_period_with_less_than_half_a_stream_is_not_judged() {
        let mut run = Run::new(AlertConfig::default());
        run.steady(13);
        run_with_reconnects(&mut run, 13, PERIOD / 2 + 10, |_| 0);
        assert_eq!(run.changes, []);
    }

    #[test]
    fn a_steady_stream_that_reconnects_in_every_period_raises_nothing() {
        for away in [10, 20, PERIOD / 2] {
            let mut run = Run::new(AlertConfig::default());
            run_with_reconnects(&mut run, 100, away, |_| 10);
            assert_eq!(run.changes, []);
            let learned = run.alerts.learned().unwrap();
            assert!((2_700..=3_300).contains(&learned), "{away}: {learned}");
        }
    }

    #[test]
    fn a_drop_of_a_stream_that_reconnects_in_every_period_raises_its_alert() {
        for away in [10, 20, PERIOD / 2] {
            let mut run = Run::new(AlertConfig::default());
            run_with_reconnects(&mut run, 20, away, |_| 10);
            run_with_reconnects(&mut run, 3, away, |_| 1);
            assert_eq!(run.codes(), ["volume_drop"], "{away}");
            run_with_reconnects(&mut run, 3, away, |_| 10);
            assert_eq!(run.changes[1..], [Change::Ended("volume_drop")]);
        }
    }

    #[test]
    fn the_monthly_cap_is_reported_at_80_and_100_percent_of_each_month() {
        let config = AlertConfig { monthly_cap: Some(10_000), ..AlertConfig::default() };
        let mut run = Run::new(config);
        run.steady(5);
        run.run(PERIOD, |_| 0, lag);
        let posts = |change: &Change| match change {
            Change::Begun(Alert::MonthlyCap { posts, .. }) => *posts,
            _ => 0,
        };
        assert_eq!(run.changes.iter().map(posts).collect::<Vec<_>>(), [8_000, 10_000]);
        run.sample.month_posts = 0;
        run.steady(1);
        assert_eq!(run.changes[2..], [Change::Ended("monthly_cap")]);
    }

    #[test]
    fn a_new_level_becomes_normal_after_a_while() {
        let mut run = Run::new(AlertConfig::default());
        run.steady(13);
        // 24 periods are different, and six are learned.
        run.run(30 * PERIOD, |_| 1, lag);
        assert_eq!((run.codes(), run.changes.len()), (Vec::from(["volume_drop"]), 1));
        run.run(10 * PERIOD, |_| 1, lag);
        assert_eq!(run.changes[1..], [Change::Ended("volume_drop")]);
        assert_eq!(run.alerts.learned(), Some(300));
    }

    #[test]
    fn few_posts_raise_nothing() {
        let mut run = Run::new(AlertConfig::default());
        run.run(40 * PERIOD, |second| u64::from(second % 29 == 0 && second % 4_000 < 2_000), lag);
        assert_eq!(run.changes, []);
    }
}
