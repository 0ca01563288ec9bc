//! When a connection was not there, and when none of several was.

use crate::time::UnixTime;

/// Spans that are kept of a kind. When one more comes the two oldest become one with what lies between them.
const SPANS: usize = 8;

/// Later than everything.
pub(super) const NEVER: UnixTime = UnixTime::from_millis(u64::MAX);

/// A span of time, its end left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: UnixTime,
    pub(super) to: UnixTime,
}

impl Span {
    /// From where the first begins to where the last ends.
    pub(super) fn hull(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to) }
    }
}

/// Some spans in the order of time, with time between them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spans {
    list: [Span; SPANS],
    length: usize,
}

impl Spans {
    fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.list[..self.length].iter().copied()
    }

    /// Adds a span; those that it meets become one with it.
    pub(super) fn add(&mut self, mut span: Span) {
        if span.from >= span.to {
            return;
        }
        let mut list = [Span::default(); SPANS + 1];
        let mut length = 0;
        let mut put = |span| {
            list[length] = span;
            length += 1;
        };
        let mut is_put = false;
        for old in self.iter() {
            if old.to < span.from {
                put(old);
            } else if old.from <= span.to {
                span = span.hull(old);
            } else {
                if !is_put {
                    put(span);
                    is_put = true;
                }
                put(old);
            }
        }
        if !is_put {
            put(span);
        }
        let surplus = length.saturating_sub(SPANS);
        if surplus > 0 {
            list[1].from = list[0].from;
        }
        self.length = length - surplus;
        self.list.copy_from_slice(&list[surplus..][..SPANS]);
    }

    /// Keeps what satisfies `keep`, as `keep` changes it.
    fn retain(&mut self, mut keep: impl FnMut(&mut Span) -> bool) {
        let mut length = 0;
        for at in 0..self.length {
            let mut span = self.list[at];
            if keep(&mut span) {
                self.list[length] = span;
                length += 1;
            }
        }
        self.length = length;
    }

    /// Forgets the spans that end by then.
    pub(super) fn forget_before(&mut self, time: UnixTime) {
        self.retain(|span| span.to > time);
    }

    /// Forgets everything from then on.
    pub(super) fn forget_from(&mut self, time: UnixTime) {
        self.retain(|span| {
            span.to = span.to.min(time);
            span.from < span.to
        });
    }

    /// Gives what of `span` lies in none of these.
    pub(super) fn missing(&self, span: Span, mut give: impl FnMut(Span)) {
        let mut from = span.from;
        for known in self.iter().filter(|known| known.to > span.from && known.from < span.to) {
            if known.from > from {
                give(Span { from, to: known.from });
            }
            from = from.max(known.to);
        }
        if from < span.to {
            give(Span { from, to: span.to });
        }
    }
}

/// When a connection was not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Absence {
    past: Spans,
    /// It is not there since then. Behind all that is past.
    since: Option<UnixTime>,
}

impl Default for Absence {
    /// It never was.
    fn default() -> Self {
        Self { past: Spans::default(), since: Some(UnixTime::default()) }
    }
}

impl Absence {
    pub(super) fn begin(&mut self, from: UnixTime) {
        let mut since = self.since.unwrap_or(from).min(from);
        self.past.retain(|span| {
            let is_before = span.to < from;
            if !is_before {
                since = since.min(span.from);
            }
            is_before
        });
        self.since = Some(since);
    }

    pub(super) fn end(&mut self, to: UnixTime) {
        if let Some(from) = self.since.take() {
            self.past.add(Span { from, to });
        }
    }

    pub(super) fn forget_before(&mut self, time: UnixTime) {
        self.past.forget_before(time);
    }

    /// The span in which `time` lies, or the next one.
    fn at(&self, time: UnixTime) -> Option<Span> {
        let now = self.since.map(|from| Span { from, to: NEVER });
        self.past.iter().chain(now).find(|span| span.to > time)
    }
}

/// Gives the spans behind `start` in which all are absent, in their order. One that is not over ends [`NEVER`].
pub(super) fn common<'a>(
    absences: impl Iterator<Item = &'a Absence> + Clone,
    start: UnixTime,
    mut give: impl FnMut(Span),
) {
    let mut at = start;
    while at < NEVER {
        let mut span = Span { from: at, to: NEVER };
        for absence in absences.clone() {
            let Some(next) = absence.at(at) else { return };
            span.from = span.from.max(next.from);
            span.to = span.to.min(next.to);
        }
        if span.from < span.to {
            give(span);
        }
        at = span.to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn span((from, to): (u64, u64)) -> Span {
        Span { from: UnixTime::from_millis(from), to: UnixTime::from_millis(to) }
    }

    fn spans(of: &[(u64, u64)]) -> Spans {
        let mut spans = Spans::default();
        of.iter().copied().map(span).for_each(|span| spans.add(span));
        spans
    }

    fn pairs(spans: impl IntoIterator<Item = Span>) -> Vec<(u64, u64)> {
        spans.into_iter().map(|span| (span.from.as_millis(), span.to.as_millis())).collect()
    }

    #[test]
    fn spans_that_meet_become_one_and_the_oldest_two_where_there_are_too_many() {
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
            assert_eq!(pairs(spans(added).iter()), wanted, "{added:?}");
        }
    }

    /// All that the lists do, against a set of moments.
    #[test]
    fn they_agree_with_sets_of_moments() {
        let mut state = 1_u64;
        let mut random = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        const END: u64 = 40;
        for _ in 0..3_000 {
            let mut absences = [Absence::default(); 3];
            let mut sets = [[true; END as usize]; 3];
            for (absence, set) in absences.iter_mut().zip(&mut sets) {
                let mut at = random(9);
                absence.end(UnixTime::from_millis(at));
                set[at as usize..].fill(false);
                // At most eight in all, so that none are joined.
                for _ in 0..random(7) {
                    // It may begin before the last one had ended.
                    let from = (at + random(5)).saturating_sub(1);
                    absence.begin(UnixTime::from_millis(from));
                    set[from.min(END) as usize..].fill(true);
                    at = at.max(from);
                    if random(6) == 0 {
                        break;
                    }
                    at = (at + random(5)).min(END);
                    absence.end(UnixTime::from_millis(at));
                    set[at as usize..].fill(false);
                }
            }
            let start = random(END);
            let told = spans(&[(random(END), random(END)), (random(END), random(END))]);
            let mut found = [false; END as usize];
            common(absences.iter(), UnixTime::from_millis(start), |span| {
                told.missing(span, |left| {
                    let (from, to) = (left.from.as_millis(), left.to.as_millis().min(END));
                    assert!(from < to || from >= END);
                    (from..to).for_each(|at| found[at as usize] = true);
                });
            });
            for at in 0..END {
                let wanted = at >= start
                    && sets.iter().all(|set| set[at as usize])
                    && !told.iter().any(|span| (span.from.as_millis()..span.to.as_millis()).contains(&at));
                assert_eq!(found[at as usize], wanted, "{at}: {absences:?} {told:?}");
            }
        }
    }

    #[test]
    fn what_is_forgotten_is_gone_on_the_right_side() {
        let mut some = spans(&[(1, 3), (5, 7), (9, 11)]);
        some.forget_from(UnixTime::from_millis(6));
        assert_eq!(pairs(some.iter()), [(1, 3), (5, 6)]);
        some.forget_before(UnixTime::from_millis(3));
        assert_eq!(pairs(some.iter()), [(5, 6)]);
    }
}
