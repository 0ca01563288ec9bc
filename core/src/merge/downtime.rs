//! The downtimes of a connection, and the times in which all of several connections were down.

use crate::time::{TimeRange, UnixTime};

/// The maximum number of ranges in a list. A further range merges the two oldest with the time
/// between them.
const RANGES_MAX: usize = 8;

/// Later than any other time.
pub(super) const NEVER: UnixTime = UnixTime::from_millis(u64::MAX);

/// Disjoint ranges in ascending order, with time between them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TimeRanges {
    list: [TimeRange; RANGES_MAX],
    length: usize,
}

impl TimeRanges {
    fn iter(&self) -> impl Iterator<Item = TimeRange> + '_ {
        self.list[..self.length].iter().copied()
    }

    /// Adds a range. It merges with the ranges that it overlaps or touches.
    pub(super) fn add(&mut self, mut range: TimeRange) {
        if range.from >= range.to {
            return;
        }
        let mut list = [TimeRange::default(); RANGES_MAX + 1];
        let mut length = 0;
        let mut put = |range| {
            list[length] = range;
            length += 1;
        };
        let mut is_put = false;
        for old in self.iter() {
            if old.to < range.from {
                put(old);
            } else if old.from <= range.to {
                range = range.hull(old);
            } else {
                if !is_put {
                    put(range);
                    is_put = true;
                }
                put(old);
            }
        }
        if !is_put {
            put(range);
        }
        let surplus = length.saturating_sub(RANGES_MAX);
        if surplus > 0 {
            list[1].from = list[0].from;
        }
        self.length = length - surplus;
        self.list.copy_from_slice(&list[surplus..][..RANGES_MAX]);
    }

    /// Keeps the ranges for which `keep` returns true. `keep` may change them.
    fn retain(&mut self, mut keep: impl FnMut(&mut TimeRange) -> bool) {
        let mut length = 0;
        for at in 0..self.length {
            let mut range = self.list[at];
            if keep(&mut range) {
                self.list[length] = range;
                length += 1;
            }
        }
        self.length = length;
    }

    /// Removes the ranges that end by `time`.
    pub(super) fn forget_before(&mut self, time: UnixTime) {
        self.retain(|range| range.to > time);
    }

    /// Removes all time from `time` on.
    pub(super) fn forget_from(&mut self, time: UnixTime) {
        self.retain(|range| {
            range.to = range.to.min(time);
            range.from < range.to
        });
    }

    /// Calls `give` with each part of `range` that no range of the list covers.
    pub(super) fn missing(&self, range: TimeRange, mut give: impl FnMut(TimeRange)) {
        let mut from = range.from;
        for known in self.iter().filter(|known| known.to > range.from && known.from < range.to) {
            if known.from > from {
                give(TimeRange { from, to: known.from });
            }
            from = from.max(known.to);
        }
        if from < range.to {
            give(TimeRange { from, to: range.to });
        }
    }
}

/// The downtime of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Downtime {
    past: TimeRanges,
    /// The start of the current downtime, which is after all of `past`.
    since: Option<UnixTime>,
}

impl Default for Downtime {
    /// A connection that was never up.
    fn default() -> Self {
        Self { past: TimeRanges::default(), since: Some(UnixTime::default()) }
    }
}

impl Downtime {
    /// Creates the downtime of a connection that is down since this time.
    pub(super) fn since(from: UnixTime) -> Self {
        Self { past: TimeRanges::default(), since: Some(from) }
    }

    pub(super) fn begin(&mut self, from: UnixTime) {
        let mut since = self.since.unwrap_or(from).min(from);
        self.past.retain(|range| {
            let is_before = range.to < from;
            if !is_before {
                since = since.min(range.from);
            }
            is_before
        });
        self.since = Some(since);
    }

    pub(super) fn end(&mut self, to: UnixTime) {
        if let Some(from) = self.since.take() {
            self.past.add(TimeRange { from, to });
        }
    }

    pub(super) fn forget_before(&mut self, time: UnixTime) {
        self.past.forget_before(time);
    }

    /// Returns the range that contains `time`, or else the next one.
    pub(super) fn at(&self, time: UnixTime) -> Option<TimeRange> {
        let now = self.since.map(|from| TimeRange { from, to: NEVER });
        self.past.iter().chain(now).find(|range| range.to > time)
    }
}

/// Calls `give` with each range after `start` in which all connections are down, in order. A range
/// that has not ended yet ends at [`NEVER`].
pub(super) fn intersection<'a>(
    downtimes: impl Iterator<Item = &'a Downtime> + Clone,
    start: UnixTime,
    mut give: impl FnMut(TimeRange),
) {
    let mut at = start;
    while at < NEVER {
        let mut range = TimeRange { from: at, to: NEVER };
        for downtime in downtimes.clone() {
            let Some(next) = downtime.at(at) else { return };
            range.from = range.from.max(next.from);
            range.to = range.to.min(next.to);
        }
        if range.from < range.to {
            give(range);
        }
        at = range.to;
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn range((from, to): (u64, u64)) -> TimeRange {
        TimeRange { from: UnixTime::from_millis(from), to: UnixTime::from_millis(to) }
    }

    fn ranges(of: &[(u64, u64)]) -> TimeRanges {
        let mut ranges = TimeRanges::default();
        of.iter().copied().map(range).for_each(|range| ranges.add(range));
        ranges
    }

    fn pairs(ranges: impl IntoIterator<Item = TimeRange>) -> Vec<(u64, u64)> {
        ranges.into_iter().map(|range| (range.from.as_millis(), range.to.as_millis())).collect()
    }

    #[test]
    fn adjacent_ranges_merge_and_the_two_oldest_merge_when_full() {
        type Row = (&'static [(u64, u64)], &'static [(u64, u64)]);
        let rows: [Row; 8] = [
            (&[(1, 2), (4, 6)], &[(1, 2), (4, 6)]),
            (&[(4, 6), (1, 2)], &[(1, 2), (4, 6)]),
            (&[(1, 2), (2, 3)], &[(1, 3)]),
            (&[(1, 3), (5, 7), (2, 6)], &[(1, 7)]),
            (&[(1, 3), (5, 7), (9, 10), (4, 8)], &[(1, 3), (4, 8), (9, 10)]),
            (&[(1, 9), (3, 4)], &[(1, 9)]),
            (&[(5, 5), (7, 6)], &[]),
            (
                &[(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11), (12, 13), (14, 15), (16, 17), (18, 19)],
                &[(0, 5), (6, 7), (8, 9), (10, 11), (12, 13), (14, 15), (16, 17), (18, 19)],
            ),
        ];
        for (added, wanted) in rows {
            assert_eq!(pairs(ranges(added).iter()), wanted, "{added:?}");
        }
    }

    /// Compares all operations of the lists with a set of points in time.
    #[test]
    fn operations_agree_with_sets_of_moments() {
        let mut state = 1_u64;
        let mut random = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        const END: u64 = 40;
        for _ in 0..3_000 {
            let mut downtimes = [Downtime::default(); 3];
            let mut sets = [[true; END as usize]; 3];
            for (downtime, set) in downtimes.iter_mut().zip(&mut sets) {
                let mut at = random(9);
                downtime.end(UnixTime::from_millis(at));
                set[at as usize..].fill(false);
                // At most eight in total, so that none are joined.
                for _ in 0..random(7) {
                    // The range may begin before the last one ended.
                    let from = (at + random(5)).saturating_sub(1);
                    downtime.begin(UnixTime::from_millis(from));
                    set[from.min(END) as usize..].fill(true);
                    at = at.max(from);
                    if random(6) == 0 {
                        break;
                    }
                    at = (at + random(5)).min(END);
                    downtime.end(UnixTime::from_millis(at));
                    set[at as usize..].fill(false);
                }
            }
            let start = random(END);
            let reported = ranges(&[(random(END), random(END)), (random(END), random(END))]);
            let mut found = [false; END as usize];
            intersection(downtimes.iter(), UnixTime::from_millis(start), |range| {
                assert!(!range.is_empty());
                reported.missing(range, |left| {
                    let (from, to) = (left.from.as_millis(), left.to.as_millis().min(END));
                    assert!(from < to || from >= END);
                    (from..to).for_each(|at| found[at as usize] = true);
                });
            });
            for at in 0..END {
                let wanted = at >= start
                    && sets.iter().all(|set| set[at as usize])
                    && !reported
                        .iter()
                        .any(|range| (range.from.as_millis()..range.to.as_millis()).contains(&at));
                assert_eq!(found[at as usize], wanted, "{at}: {downtimes:?} {reported:?}");
            }
        }
    }

    #[test]
    fn settling_removes_only_the_time_before() {
        let mut some = ranges(&[(1, 3), (5, 7), (9, 11)]);
        some.forget_from(UnixTime::from_millis(6));
        assert_eq!(pairs(some.iter()), [(1, 3), (5, 6)]);
        some.forget_before(UnixTime::from_millis(3));
        assert_eq!(pairs(some.iter()), [(5, 6)]);
        some.forget_from(UnixTime::from_millis(5));
        assert_eq!(pairs(some.iter()), []);
    }

    #[test]
    fn a_downtime_that_begins_when_the_last_one_ended_continues_it() {
        let mut downtime = Downtime::since(UnixTime::from_millis(3));
        downtime.end(UnixTime::from_millis(5));
        downtime.begin(UnixTime::from_millis(5));
        let whole = TimeRange { from: UnixTime::from_millis(3), to: NEVER };
        assert_eq!(downtime.at(UnixTime::from_millis(4)), Some(whole));
    }
}
