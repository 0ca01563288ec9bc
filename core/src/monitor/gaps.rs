//! Counters of gaps: how many are open, closed and lost, and how much time they miss.

use core::time::Duration;

use super::Counter;
use crate::time::TimeRange;

/// The most open gaps that are kept apart. The two oldest are joined when there are more; they are
/// then closed together.
const OPEN_MAX: usize = 32;

/// Counts the gaps of a connection, or of the connections that carry the same Posts.
///
/// One thread reports what becomes of gaps, and any thread reads the [counts](Self::counts). It
/// allocates nothing and takes no lock.
///
/// A gap is **open** until each moment of it is closed or lost. Backfill and recovery **close** the
/// ranges that they delivered. A range is **lost** if it will not be delivered. A gap that neither
/// of them covers stays open.
///
/// ```
/// use powerstream_core::monitor::GapMonitor;
/// use powerstream_core::time::{TimeRange, UnixTime};
///
/// let at = UnixTime::from_seconds;
/// let seconds = |from, to| TimeRange { from: at(from), to: at(to) };
/// let gaps = GapMonitor::default();
/// gaps.handle_gap(seconds(100, 700));
/// gaps.handle_recovered(seconds(100, 400), 30);
/// let counts = gaps.counts();
/// assert_eq!((counts.open, counts.open_time.as_secs(), counts.recovered_posts), (1, 300, 30));
/// gaps.handle_closed(seconds(400, 700));
/// assert_eq!((gaps.counts().open, gaps.counts().closed), (0, 1));
/// ```
#[derive(Debug, Default)]
pub struct GapMonitor {
    reported: Counter,
    reported_ms: Counter,
    closed: Counter,
    closed_ms: Counter,
    lost: Counter,
    lost_ms: Counter,
    recovered_ranges: Counter,
    recovered_ms: Counter,
    recovered_posts: Counter,
    lost_ranges: Counter,
    open: [OpenGap; OPEN_MAX],
}

/// A gap of which some time is missing, or several that were joined.
#[derive(Debug, Default)]
struct OpenGap {
    /// 0: the place is free.
    gaps: Counter,
    from: Counter,
    to: Counter,
    missing_ms: Counter,
    /// 1 if a range of it is lost.
    is_lossy: Counter,
}

/// The values of a [`GapMonitor`] at one moment. `reported` is the sum of `open`, `closed` and
/// `lost`, and their times add up too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GapCounts {
    /// Gaps that were reported, and those that an earlier process left open.
    pub reported: u64,
    /// The total length of these gaps. Time that is reported twice counts twice.
    pub reported_time: Duration,
    /// Gaps that miss Posts, as far as is known.
    pub open: u64,
    /// The time that they miss.
    pub open_time: Duration,
    /// Gaps that backfill or recovery closed completely.
    pub closed: u64,
    /// The time that backfill and recovery closed, also of gaps that are still open.
    pub closed_time: Duration,
    /// Gaps that are not open any more, and of which a part is lost.
    pub lost: u64,
    /// The time that is lost, also of gaps that are still open.
    pub lost_time: Duration,
    /// Ranges that a recovery delivered. A gap may have several.
    pub recovered_ranges: u64,
    /// The part of `closed_time` that a recovery delivered.
    pub recovered_time: Duration,
    /// Posts that a recovery delivered.
    pub recovered_posts: u64,
    /// Ranges that could not be recovered. A gap may have several.
    pub lost_ranges: u64,
}

impl GapCounts {
    /// Returns the sum of both, for several groups of connections.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            reported: self.reported + other.reported,
            reported_time: self.reported_time.saturating_add(other.reported_time),
            open: self.open + other.open,
            open_time: self.open_time.saturating_add(other.open_time),
            closed: self.closed + other.closed,
            closed_time: self.closed_time.saturating_add(other.closed_time),
            lost: self.lost + other.lost,
            lost_time: self.lost_time.saturating_add(other.lost_time),
            recovered_ranges: self.recovered_ranges + other.recovered_ranges,
            recovered_time: self.recovered_time.saturating_add(other.recovered_time),
            recovered_posts: self.recovered_posts + other.recovered_posts,
            lost_ranges: self.lost_ranges + other.lost_ranges,
        }
    }
}

impl GapMonitor {
    /// Counts a gap that was reported, or that an earlier process left open.
    ///
    /// A gap that begins where an open one begins is the same gap, which ends later. Of a gap that
    /// begins within an open one, the rest counts.
    pub fn handle_gap(&self, gap: TimeRange) {
        let (mut from, to) = (gap.from.as_millis(), gap.to.as_millis());
        let covers = |open: &OpenGap, at: u64| open.is_used() && open.from.get() <= at && at < open.to.get();
        // The places are not sorted by time.
        let farthest = |from| {
            let covering = self.open.iter().filter(|open| covers(open, from));
            covering.max_by_key(|open| (open.to.get(), open.from.get()))
        };
        while let Some(open) = farthest(from) {
            if open.from.get() == from && to >= open.to.get() {
                // What was closed before its backfill was interrupted is missing again.
                let missing = to - from;
                self.reported_ms.add(missing - open.missing_ms.get().min(missing));
                open.missing_ms.set(missing);
                open.to.set(to);
                return;
            }
            from = open.to.get();
        }
        if from >= to {
            return;
        }
        self.reported.add(1);
        self.reported_ms.add(to - from);
        self.free_place().begin(from, to);
    }

    /// Reports that backfill delivered this range.
    pub fn handle_closed(&self, range: TimeRange) {
        self.remove(range, false);
    }

    /// Reports that a recovery delivered this range, with so many Posts.
    pub fn handle_recovered(&self, range: TimeRange, posts: u64) {
        self.recovered_ranges.add(1);
        self.recovered_posts.add(posts);
        self.recovered_ms.add(self.remove(range, false));
    }

    /// Reports that this range will not be delivered, but for so many Posts of it that were.
    pub fn handle_lost(&self, range: TimeRange, posts: u64) {
        self.lost_ranges.add(1);
        self.recovered_posts.add(posts);
        self.remove(range, true);
    }

    /// Returns the current values. They may differ by one gap if one is being reported.
    #[must_use]
    pub fn counts(&self) -> GapCounts {
        let (mut open, mut open_ms) = (0, 0);
        for gap in &self.open {
            (open, open_ms) = (open + gap.gaps.get(), open_ms + gap.missing_ms.get());
        }
        let time = |millis: &Counter| Duration::from_millis(millis.get());
        GapCounts {
            reported: self.reported.get(),
            reported_time: time(&self.reported_ms),
            open,
            open_time: Duration::from_millis(open_ms),
            closed: self.closed.get(),
            closed_time: time(&self.closed_ms),
            lost: self.lost.get(),
            lost_time: time(&self.lost_ms),
            recovered_ranges: self.recovered_ranges.get(),
            recovered_time: time(&self.recovered_ms),
            recovered_posts: self.recovered_posts.get(),
            lost_ranges: self.lost_ranges.get(),
        }
    }

    /// Takes a range out of the open gaps. Returns the time that was missing, in milliseconds.
    fn remove(&self, range: TimeRange, is_lost: bool) -> u64 {
        let mut removed = 0;
        for open in self.open.iter().filter(|open| open.is_used()) {
            let from = open.from.get().max(range.from.as_millis());
            let to = open.to.get().min(range.to.as_millis());
            // Joined gaps have less missing time than their range.
            let time = to.saturating_sub(from).min(open.missing_ms.get());
            if time == 0 {
                continue;
            }
            removed += time;
            open.missing_ms.set(open.missing_ms.get() - time);
            if is_lost {
                open.is_lossy.set(1);
            }
            if open.missing_ms.get() == 0 {
                let ended = if open.is_lossy.get() == 1 { &self.lost } else { &self.closed };
                ended.add(open.gaps.get());
                open.gaps.set(0);
            }
        }
        let ended_ms = if is_lost { &self.lost_ms } else { &self.closed_ms };
        ended_ms.add(removed);
        removed
    }

    /// Returns a free place. If there is none, joins the two oldest gaps.
    fn free_place(&self) -> &OpenGap {
        if let Some(free) = self.open.iter().find(|open| !open.is_used()) {
            return free;
        }
        let [mut oldest, mut second] = [&self.open[0], &self.open[1]];
        if second.from.get() < oldest.from.get() {
            (oldest, second) = (second, oldest);
        }
        for open in &self.open[2..] {
            if open.from.get() < oldest.from.get() {
                (oldest, second) = (open, oldest);
            } else if open.from.get() < second.from.get() {
                second = open;
            }
        }
        oldest.gaps.add(second.gaps.get());
        oldest.to.set(oldest.to.get().max(second.to.get()));
        oldest.missing_ms.add(second.missing_ms.get());
        oldest.is_lossy.set(oldest.is_lossy.get() | second.is_lossy.get());
        second
    }
}

impl OpenGap {
    fn is_used(&self) -> bool {
        self.gaps.get() > 0
    }

    fn begin(&self, from: u64, to: u64) {
        self.from.set(from);
        self.to.set(to);
        self.missing_ms.set(to - from);
        self.is_lossy.set(0);
        self.gaps.set(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixTime;

    fn range(from: u64, to: u64) -> TimeRange {
        TimeRange { from: UnixTime::from_millis(from), to: UnixTime::from_millis(to) }
    }

    /// Checks that nothing is counted twice or not at all, and returns the gaps and milliseconds
    /// that are open, closed and lost.
    fn counted(gaps: &GapMonitor) -> [(u64, u128); 3] {
        let GapCounts { reported, reported_time, open, closed, lost, .. } = gaps.counts();
        let GapCounts { open_time, closed_time, lost_time, .. } = gaps.counts();
        assert_eq!(reported, open + closed + lost);
        assert_eq!(reported_time, open_time + closed_time + lost_time);
        [(open, open_time), (closed, closed_time), (lost, lost_time)]
            .map(|(count, time)| (count, time.as_millis()))
    }

    #[test]
    fn a_gap_is_open_until_all_of_it_is_closed() {
        let gaps = GapMonitor::default();
        gaps.handle_gap(range(1_000, 9_000));
        gaps.handle_gap(range(20_000, 21_000));
        assert_eq!(counted(&gaps), [(2, 9_000), (0, 0), (0, 0)]);
        gaps.handle_recovered(range(1_000, 4_000), 7);
        assert_eq!(counted(&gaps), [(2, 6_000), (0, 3_000), (0, 0)]);
        gaps.handle_closed(range(4_000, 9_000));
        assert_eq!(counted(&gaps), [(1, 1_000), (1, 8_000), (0, 0)]);
        assert_eq!((gaps.counts().recovered_posts, gaps.counts().recovered_time.as_millis()), (7, 3_000));
        // Nothing is missing of it any more.
        gaps.handle_closed(range(0, 10_000));
        assert_eq!(counted(&gaps), [(1, 1_000), (1, 8_000), (0, 0)]);
    }

    #[test]
    fn a_gap_of_which_a_part_is_lost_is_lost_once_nothing_is_open() {
        let gaps = GapMonitor::default();
        gaps.handle_gap(range(0, 9_000));
        gaps.handle_lost(range(0, 2_000), 0);
        assert_eq!(counted(&gaps), [(1, 7_000), (0, 0), (0, 2_000)]);
        gaps.handle_recovered(range(2_000, 9_000), 1);
        assert_eq!(counted(&gaps), [(0, 0), (0, 7_000), (1, 2_000)]);
    }

    #[test]
    fn a_gap_that_is_reported_again_or_extended_is_the_same_gap() {
        let gaps = GapMonitor::default();
        gaps.handle_gap(range(0, 5_000));
        gaps.handle_gap(range(0, 6_000));
        assert_eq!(counted(&gaps), [(1, 6_000), (0, 0), (0, 0)]);
        // Its backfill seemed to be complete, and is requested again.
        gaps.handle_closed(range(4_000, 6_000));
        gaps.handle_gap(range(0, 8_000));
        assert_eq!(counted(&gaps), [(1, 8_000), (0, 2_000), (0, 0)]);
        // The margin of a gap may lie in the one before.
        gaps.handle_gap(range(7_000, 9_000));
        assert_eq!(counted(&gaps), [(2, 9_000), (0, 2_000), (0, 0)]);
        gaps.handle_gap(range(1_000, 3_000));
        assert_eq!(counted(&gaps), [(2, 9_000), (0, 2_000), (0, 0)]);
    }

    #[test]
    fn the_order_of_places_does_not_change_the_counts() {
        let rows = [
            ([(2_000, 5_500), (5_500, 6_000), (3_000, 9_000)], (2, 7_000)),
            ([(5_000, 6_000), (1_000, 10_000), (5_000, 7_000)], (2, 10_000)),
        ];
        for ([first, second, third], expected) in rows {
            for older in [false, true] {
                let gaps = GapMonitor::default();
                if older {
                    gaps.handle_gap(range(0, 1_000));
                }
                gaps.handle_gap(range(first.0, first.1));
                // The second gap gets the place of this one.
                gaps.handle_closed(range(0, 1_000));
                gaps.handle_gap(range(second.0, second.1));
                gaps.handle_gap(range(third.0, third.1));
                assert_eq!(counted(&gaps)[0], expected, "{older}");
            }
        }
    }

    #[test]
    fn more_open_gaps_than_are_kept_apart_are_counted_all_the_same() {
        let gaps = GapMonitor::default();
        for at in 0..100 {
            gaps.handle_gap(range(at * 10_000, at * 10_000 + 1_000));
        }
        assert_eq!(counted(&gaps), [(100, 100_000), (0, 0), (0, 0)]);
        gaps.handle_recovered(range(0, 1_000_000), 1);
        assert_eq!(counted(&gaps), [(0, 0), (100, 100_000), (0, 0)]);
    }

    #[test]
    fn when_there_are_too_many_gaps_the_two_oldest_are_joined() {
        let orders = (0..4).flat_map(|oldest| (0..4).map(move |second| (oldest, second)));
        for (oldest, second) in orders.filter(|(oldest, second)| oldest != second) {
            for lost in [[false; 2], [true, false], [false, true], [true; 2]] {
                let gaps = GapMonitor::default();
                for place in 0..OPEN_MAX as u64 {
                    let from = match place {
                        _ if place == oldest => 0,
                        _ if place == second => 10_000,
                        _ => (place + 2) * 10_000,
                    };
                    gaps.handle_gap(range(from, from + 1_000));
                }
                for (from, is_lost) in [0, 10_000].into_iter().zip(lost) {
                    gaps.handle_lost(range(from, from + u64::from(is_lost)), 0);
                }
                gaps.handle_gap(range(1_000_000, 1_001_000));
                // Neither ends before the other one.
                gaps.handle_closed(range(0, 1_000));
                assert_eq!(gaps.counts().open, OPEN_MAX as u64 + 1);
                gaps.handle_closed(range(10_000, 11_000));
                let (closed, lost) = if lost == [false; 2] { (2, 0) } else { (0, 2) };
                assert_eq!(counted(&gaps).map(|(count, _)| count), [OPEN_MAX as u64 - 1, closed, lost]);
            }
        }
    }

    #[test]
    fn counts_of_groups_are_added() {
        let times = |by: u64| GapCounts {
            reported: by,
            reported_time: Duration::from_millis(2 * by),
            open: 3 * by,
            open_time: Duration::from_millis(4 * by),
            closed: 5 * by,
            closed_time: Duration::from_millis(6 * by),
            lost: 7 * by,
            lost_time: Duration::from_millis(8 * by),
            recovered_ranges: 9 * by,
            recovered_time: Duration::from_millis(10 * by),
            recovered_posts: 11 * by,
            lost_ranges: 12 * by,
        };
        assert_eq!(times(10).plus(times(1)), times(11));
    }
}
