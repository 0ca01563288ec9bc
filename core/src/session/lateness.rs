//! Detects that the reader or the path is late.
//!
//! There are two signs. Both use only the caller's monotonic clock and the stream, so a wrong local
//! clock changes nothing:
//!
//! - **A long pause between two reads.** The server sends something at least every 20 s. After more
//!   than 25 s without a read, the reader or the path was late.
//! - **Posts much older than usual.** A Post's lag is its age when it is read. A Post is late if
//!   its lag exceeds the usual lag by 5 s or more. The usual lag is a running mean over about 64
//!   Posts. A constant lag, of a datacenter or a wrong clock, is part of the usual lag.
//!
//! Pauses of more than a second also bound how late messages without a creation time may be:
//!
//! - The path or the reader may have caused the last pause, and the other one an earlier pause. So a
//!   read is late by at most its pause and the longest one before.
//! - What a stall held may arrive in any number of reads. So reads that follow quickly do not show
//!   that the path has caught up. The bound, and the longest pause, shrink by 1 s every 4 s.
//! - Input may have waited for the reader: the previous read left some, or it is read at once after
//!   the consumer was busy for more than a second. Then its pause is added to the bound of the
//!   previous read, until the reader waits for input. For the path, such pauses count as one.
//! - After a Post, lateness counts from that Post, so the bound starts at 0 again.
//!
//! ```text
//!   sent    10        20        30        40        50        60      keep-alives
//!   read    10        20 - stall ----------------- 49 49.001  50      60
//!   late    10        20                           39 39      38.75   38.75   at most
//! ```
//!
//! Each episode causes one [`Late`] event. An episode of late Posts ends when Posts lag at most 2.5
//! s more than usual. An episode of a pause ends with the next Post, unless that Post is late.
//! Without Posts, the longest pause shrinks by 1 s every 4 s, and the episode ends when it is 25 s
//! or less.

use core::time::Duration;

/// A second in nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// Longer pauses between reads are reported. The server sends something at least every 20 s.
const LATE_PAUSE: u64 = 25 * SECOND;

/// A Post is reported if its lag exceeds the usual one by at least this, in milliseconds.
const LATE_LAG: i64 = 5_000;

/// Each Post moves the usual lag by 1/64 (2^-6) of the difference.
const LAG_SHIFT: u32 = 6;

/// The bound of lateness shrinks by one second every so many.
const RECOVERY: u64 = 4;

/// What was late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LateKind {
    /// Two reads were more than 25 s apart.
    Read,
    /// Posts were at least 5 s older than usual when they were read.
    Posts,
}

/// The reader or the path is late. Reported once for each episode. It is not a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Late {
    /// What was late.
    pub kind: LateKind,
    /// The pause between the two reads, or how much more than usual the Post lagged.
    pub by: Duration,
}

/// How late messages may be, and the lag of Posts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lateness {
    pauses: Pauses,
    /// The usual lag of Posts in milliseconds, times 2^[`LAG_SHIFT`].
    lag: Option<i64>,
    lags: bool,
}

/// The pauses since the last Post, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Pauses {
    /// How late the path may have made the last read; 0 if at most a second.
    behind: u64,
    /// How late it may have been because the reader was busy as well; 0 if the reader waited.
    queued: u64,
    /// The last pause, with those before it that ended with input waiting.
    last: u64,
    /// The longest pause, less a quarter of the time since.
    longest: u64,
}

impl Lateness {
    pub(super) const NONE: Self =
        Self { pauses: Pauses { behind: 0, queued: 0, last: 0, longest: 0 }, lag: None, lags: false };

    /// Restarts with the reads of a new stream. The usual lag of Posts stays.
    pub(super) fn handle_stream_begun(&mut self) {
        *self = Self { lag: self.lag, ..Self::NONE };
    }

    /// Returns true if a read `pause` nanoseconds after the previous one is usual, as most reads
    /// are. If not, the caller must call [`Self::handle_unusual_read`].
    #[inline]
    pub(super) const fn is_usual(&self, pause: u64) -> bool {
        self.pauses.behind == 0 && pause <= SECOND
    }

    /// Reports an unusual read, and whether its input was waiting before the reader was ready.
    /// Returns how late it may be, in nanoseconds, and the episode that it starts.
    pub(super) fn handle_unusual_read(&mut self, pause: u64, was_waiting: bool) -> (u64, Option<Late>) {
        let Pauses { behind, queued, last, longest } = self.pauses;
        let was_late = longest > LATE_PAUSE || self.lags;
        let passed = pause / RECOVERY;
        let by_path = behind.saturating_sub(passed).max(pause.saturating_add(last.max(longest)));
        let (before, queued) =
            if was_waiting { (last, queued.max(behind).saturating_add(pause)) } else { (0, 0) };
        self.pauses = Pauses {
            behind: if by_path > SECOND { by_path } else { 0 },
            queued,
            last: before.saturating_add(pause),
            longest: longest.saturating_sub(passed).max(pause),
        };
        let late = Late { kind: LateKind::Read, by: Duration::from_nanos(pause) };
        (self.pauses.behind.max(queued), (pause > LATE_PAUSE && !was_late).then_some(late))
    }

    /// Reports a Post with its lag in milliseconds. Returns the episode that it starts.
    #[inline]
    pub(super) fn handle_post(&mut self, lag: i64) -> Option<Late> {
        // Lateness now counts from this Post, because its creation time is known.
        let pauses = core::mem::take(&mut self.pauses);
        let usual = *self.lag.get_or_insert(lag << LAG_SHIFT);
        let excess = lag - (usual >> LAG_SHIFT);
        self.lag = Some(usual + excess);
        if excess <= LATE_LAG / 2 {
            self.lags = false;
            return None;
        }
        self.handle_late_post(excess, pauses.longest > LATE_PAUSE)
    }

    #[cold]
    fn handle_late_post(&mut self, excess: i64, paused: bool) -> Option<Late> {
        if excess < LATE_LAG || self.lags {
            return None;
        }
        self.lags = true;
        let by = Duration::from_millis(excess.unsigned_abs());
        (!paused).then_some(Late { kind: LateKind::Posts, by })
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const fn millis(millis: u64) -> u64 {
        millis * 1_000_000
    }

    fn read(lateness: &mut Lateness, pause: u64) -> (u64, Option<Late>) {
        let pause = millis(pause);
        if lateness.is_usual(pause) { (0, None) } else { lateness.handle_unusual_read(pause, false) }
    }

    /// Returns how late each of these reads may be. The pauses between the reads, and the results,
    /// are in milliseconds.
    fn behind(pauses: &[u64]) -> Vec<u64> {
        let mut lateness = Lateness::NONE;
        pauses.iter().map(|pause| read(&mut lateness, *pause).0 / 1_000_000).collect()
    }

    #[test]
    fn reads_a_second_apart_are_usual_until_one_is_late() {
        let mut lateness = Lateness::NONE;
        assert!(lateness.is_usual(SECOND) && !lateness.is_usual(SECOND + 1));
        lateness.handle_unusual_read(SECOND + 1, false);
        assert!(!lateness.is_usual(0));
        lateness.handle_post(0);
        assert!(lateness.is_usual(SECOND));
    }

    #[test]
    fn a_read_may_be_late_by_its_pause_and_a_longer_one_before_it() {
        assert_eq!(behind(&[1_000, 1_000, 1_001, 1_000, 1_000]), [0, 0, 1_001, 2_001, 2_000]);
        // The pause of 20 s counts as 17.5 s after another 10 s.
        assert_eq!(behind(&[20_000, 10_000, 20_000, 1]), [20_000, 30_000, 37_500, 37_499]);
        // Reads that follow quickly do not end it: the reader may have been busy then.
        assert_eq!(behind(&[25_000, 0, 18_000]), [25_000, 25_000, 43_000]);
        assert_eq!(behind(&[20_000; 4])[1..], [40_000; 3]);
        // Each 4 ms shrink the bound by 1 ms, from 1,104 ms to a second.
        let shrinking = behind(&[&[1_100][..], &[4; 105]].concat());
        assert_eq!(shrinking[104..], [1_001, 0]);
        // A pause of a second or less counts too if it follows a longer one.
        assert_eq!(behind(&[1_200, 0, 800]), [1_200, 1_200, 2_000]);
    }

    #[test]
    fn reads_after_a_long_pause_stay_late_for_four_times_as_long() {
        assert_eq!(behind(&[29_000, 1, 1, 998])[1..], [29_001, 29_000, 29_997]);
        let late = behind(&[&[29_000][..], &[100; 29_000 * 4 / 100]].concat());
        let since_recovery = late.iter().rev().take_while(|late| **late == 0).count();
        // The last second does not count.
        assert!((35..45).contains(&since_recovery), "{since_recovery}");
    }

    #[test]
    fn a_read_that_left_input_behind_does_not_end_a_pause() {
        for (has_backlog, late) in [(false, 13_000), (true, 18_000)] {
            let mut lateness = Lateness::NONE;
            for pause in [8_000, 4_000] {
                lateness.handle_unusual_read(millis(pause), has_backlog);
            }
            // The last pause and the first one, less a quarter of 4 s; or all three.
            assert_eq!(lateness.handle_unusual_read(millis(6_000), false).0, millis(late));
        }
    }

    #[test]
    fn a_post_ends_lateness() {
        let mut lateness = Lateness::NONE;
        assert_eq!(read(&mut lateness, 40_000).0, millis(40_000));
        lateness.handle_post(40_000);
        assert_eq!((read(&mut lateness, 1).0, read(&mut lateness, 2_000).0), (0, millis(2_000)));
    }

    fn late(lateness: &mut Lateness, lag: i64) -> Option<u64> {
        lateness.handle_post(lag).map(|late| late.by.as_millis() as u64)
    }

    #[test]
    fn posts_are_late_once_an_episode_and_by_their_usual_lag() {
        // A datacenter that lags, and local clocks that are wrong.
        for constant in [0, 3_000, 60_000, -3_000] {
            let mut lateness = Lateness::NONE;
            for jitter in [100, 300, 200, 150].repeat(20) {
                assert_eq!(late(&mut lateness, constant + jitter), None);
            }
            assert!(late(&mut lateness, constant + 6_000).is_some_and(|by| (5_700..6_000).contains(&by)));
            for more in [7_000, 4_000, 7_000] {
                assert_eq!(late(&mut lateness, constant + more), None);
            }
            // A pause does not begin another episode either.
            assert_eq!(read(&mut lateness, 30_000).1, None);
            assert_eq!(late(&mut lateness, constant + 200), None);
            read(&mut lateness, 1);
            lateness.handle_post(constant + 200);
            read(&mut lateness, 1);
            assert!(late(&mut lateness, constant + 6_000).is_some());
        }
    }

    #[test]
    fn the_usual_lag_outlasts_a_stream_and_its_pauses_do_not() {
        let mut lateness = Lateness::NONE;
        lateness.handle_post(200);
        read(&mut lateness, 20_000);
        lateness.handle_stream_begun();
        assert_eq!((read(&mut lateness, 1).0, late(&mut lateness, 5_200)), (0, Some(5_000)));
    }

    #[test]
    fn a_lag_that_stays_becomes_the_usual_one() {
        let mut lateness = Lateness::NONE;
        let posts = [0, 30_000].map(|lag| [lag; 400]).concat();
        assert_eq!(posts.iter().filter_map(|lag| late(&mut lateness, *lag)).collect::<Vec<_>>(), [30_000]);
        assert!(!lateness.lags);
    }

    #[test]
    fn a_pause_of_more_than_25_s_is_late_and_its_posts_are_not_reported_again() {
        let mut lateness = Lateness::NONE;
        assert_eq!(late(&mut lateness, 100), None);
        assert_eq!(read(&mut lateness, 25_000).1, None);
        let late_read = Late { kind: LateKind::Read, by: Duration::from_secs(35) };
        assert_eq!(read(&mut lateness, 35_000).1, Some(late_read));
        assert_eq!(late(&mut lateness, 35_000), None);
        assert_eq!(read(&mut lateness, 36_000).1, None);
        assert_eq!((late(&mut lateness, 100), read(&mut lateness, 500).1), (None, None));
        assert_eq!(read(&mut lateness, 35_000).1, Some(late_read));
        // Without Posts, the episode lasts until the longest pause has shrunk to 25 s.
        for pause in [500, 35_000, 20_000] {
            assert_eq!(read(&mut lateness, pause).1, None);
        }
        assert_eq!(read(&mut lateness, 20_000).1, None);
        assert_eq!(read(&mut lateness, 35_000).1, Some(late_read));
        // A pause of 25 s is not reported, so late Posts after it are.
        let mut lateness = Lateness::NONE;
        late(&mut lateness, 100);
        read(&mut lateness, 25_000);
        assert_eq!(late(&mut lateness, 25_100), Some(25_000));
        // On a quiet stream, input may be late by two pauses. That is no episode.
        let mut lateness = Lateness::NONE;
        assert_eq!(late(&mut lateness, 100), None);
        for _ in 0..5 {
            read(&mut lateness, 20_000);
        }
        assert_eq!(late(&mut lateness, 6_000), Some(5_900));
        for _ in 0..5 {
            read(&mut lateness, 20_000);
        }
        lateness.handle_post(100);
        read(&mut lateness, 20_000);
        assert_eq!(read(&mut lateness, 35_000).1, Some(late_read));
    }
}
