//! Detects that the reader or the path is late.
//!
//! There are two signs. Both use only the caller's monotonic clock and the stream, so a wrong local
//! clock changes nothing:
//!
//! - **A long pause between two reads.** The server sends something at least every 20 s. After more
//!   than 25 s without a read, the next input may be as old as the read before the pause.
//! - **Posts much older than usual.** A Post's lag is its age when it is read. A Post is late if
//!   its lag exceeds the usual lag by more than 5 s. The usual lag is a running mean over about 64
//!   Posts. A constant lag, of a datacenter or a wrong clock, is part of the usual lag.
//!
//! Each episode causes one [`Late`] event. It ends when Posts lag at most 2.5 s more than usual
//! again. Without Posts, it ends with the next read without a long pause.
//!
//! The pace of the reads also bounds how late messages without a creation time may be. The path may
//! have caused a pause longer than 1.5 times the usual one plus a second. Input is then late by at
//! most the excess of the pause. Reads that follow sooner than usual reduce this bound. Each read
//! at the usual pace reduces it by a sixteenth, so a path does not stay late forever. On a new
//! stream the pace is unknown. The path may then have caused every pause of more than a second,
//! until three in a row are as long.
//!
//! ```text
//!   sent    10        20        30        40        50    keep-alives
//!   read    10        20 - stall ----------------- 49 49.001 50
//!   late     0         0                           19    9    0    at most
//! ```

use core::time::Duration;

/// A second in nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// The longest pause between two reads that is not reported. The server sends something every 20 s.
const LATE_PAUSE: u64 = 25 * SECOND;

/// A Post is reported if its lag exceeds the usual one by more than this, in milliseconds.
const LATE_LAG: i64 = 5_000;

/// Each Post moves the usual lag by 1/64 (2^-6) of the difference.
const LAG_SHIFT: u32 = 6;

/// The number of long pauses in a row that set a new pace.
const PACE_CHANGES: u8 = 3;

/// What was late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LateKind {
    /// The reader did not read for this long.
    Read,
    /// The time between the creation of Posts and their read exceeded the usual time by this much.
    Posts,
}

/// The reader or the path is late. Reported once for each episode. It does not change gaps, because
/// they are measured from Posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Late {
    /// What was late.
    pub kind: LateKind,
    /// The pause between the two reads, or how much more than usual the Post lagged.
    pub by: Duration,
}

/// The pace of reads, the lag of Posts, and the current lateness of both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lateness {
    /// True if none of the values below is unusual. Checked at each read.
    is_usual: bool,
    /// The usual time between two reads, in nanoseconds; 0 while unknown. It is measured again only
    /// while reads are unusual.
    pace: u64,
    /// How late the last read may have been, in nanoseconds.
    behind: u64,
    /// The number of long pauses in a row, and the shortest of them.
    long: u8,
    shortest: u64,
    /// The usual lag of Posts in milliseconds, times 2^[`LAG_SHIFT`].
    lag: Option<i64>,
    paused: bool,
    lags: bool,
}

impl Lateness {
    pub(super) const NONE: Self = Self {
        is_usual: false,
        pace: 0,
        behind: 0,
        long: 0,
        shortest: 0,
        lag: None,
        paused: false,
        lags: false,
    };

    /// Restarts with the reads of a new stream, because the time to its head does not show its
    /// pace. The usual lag of Posts stays.
    pub(super) fn handle_stream_begun(&mut self) {
        *self = Self { lag: self.lag, ..Self::NONE };
    }

    /// Returns true if a read `pause` nanoseconds after the previous one is usual, as most reads
    /// are. If not, the caller must call [`Self::handle_unusual_read`].
    #[inline]
    pub(super) const fn is_usual(&self, pause: u64) -> bool {
        self.is_usual && pause <= SECOND
    }

    /// Reports an unusual read. Returns how late it may be, in nanoseconds, and the episode that it
    /// starts.
    pub(super) fn handle_unusual_read(&mut self, pause: u64) -> (u64, Option<Late>) {
        self.measure(pause);
        let late = self.handle_pause(pause);
        self.is_usual = self.behind == 0 && !self.paused;
        (self.behind, late)
    }

    fn measure(&mut self, pause: u64) {
        let is_long = pause > self.pace.saturating_add(self.pace / 2).saturating_add(SECOND);
        if is_long || self.behind > 0 {
            self.behind = self.behind.saturating_add(pause).saturating_sub(self.pace);
        }
        if !is_long {
            self.long = 0;
        } else {
            self.shortest = if self.long == 0 { pause } else { self.shortest.min(pause) };
            self.long += 1;
        }
        if self.long == PACE_CHANGES {
            // The server has slowed down: the shortest pause was not too long.
            let slower = self.shortest.saturating_sub(self.pace);
            self.behind = self.behind.saturating_sub(slower.saturating_mul(u64::from(PACE_CHANGES)));
            (self.pace, self.long) = (self.shortest, 0);
        } else if !is_long && (self.behind == 0 || pause >= self.pace / 2) {
            self.behind = self.behind.saturating_sub(self.pace / 16);
            self.pace = if self.pace == 0 { pause } else { self.pace - self.pace / 4 + pause / 4 };
        }
    }

    /// Reports one more keep-alive of the same read. The server waited the usual time before it.
    pub(super) fn handle_more(&mut self) {
        self.behind = self.behind.saturating_sub(self.pace);
    }

    fn handle_pause(&mut self, pause: u64) -> Option<Late> {
        if pause <= LATE_PAUSE {
            self.paused &= self.behind > 0;
            return None;
        }
        let was_late = self.paused || self.lags;
        self.paused = true;
        (!was_late).then_some(Late { kind: LateKind::Read, by: Duration::from_nanos(pause) })
    }

    /// Reports a Post with its lag in milliseconds. Returns the episode that it starts.
    #[inline]
    pub(super) fn handle_post(&mut self, lag: i64) -> Option<Late> {
        // Lateness now counts from this Post, because its creation time is known.
        self.behind = 0;
        let usual = *self.lag.get_or_insert(lag << LAG_SHIFT);
        let excess = lag - (usual >> LAG_SHIFT);
        self.lag = Some(usual + excess);
        if excess <= LATE_LAG / 2 {
            self.lags = false;
            return None;
        }
        self.handle_late_post(excess)
    }

    #[cold]
    fn handle_late_post(&mut self, excess: i64) -> Option<Late> {
        if excess < LATE_LAG || self.lags {
            return None;
        }
        self.lags = true;
        let by = Duration::from_millis(excess.unsigned_abs());
        (!self.paused).then_some(Late { kind: LateKind::Posts, by })
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const fn millis(millis: u64) -> u64 {
        millis * 1_000_000
    }

    impl Lateness {
        /// Creates the state of a stream whose reads have been this far apart.
        pub(in crate::session) const fn of_pace(pace: Duration) -> Self {
            Self { pace: pace.as_nanos() as u64, ..Self::NONE }
        }
    }

    fn read(lateness: &mut Lateness, pause: u64) -> (u64, Option<Late>) {
        let pause = millis(pause);
        if lateness.is_usual(pause) { (0, None) } else { lateness.handle_unusual_read(pause) }
    }

    /// Returns how late each of these reads may be. The pauses between the reads are in
    /// milliseconds.
    fn behind(pauses: &[u64]) -> Vec<u64> {
        let mut lateness = Lateness::NONE;
        pauses.iter().map(|pause| read(&mut lateness, *pause).0 / 1_000_000).collect()
    }

    #[test]
    fn reads_after_a_long_pause_are_late_until_a_burst_makes_up_for_it() {
        let pauses = [10_000, 10_000, 10_000, 29_000, 1, 999, 10_000];
        assert_eq!(behind(&pauses)[2..], [0, 19_000, 9_001, 0, 0]);
    }

    #[test]
    fn reads_at_the_usual_pace_after_a_long_pause_stay_late_for_long() {
        let late = behind(&[&[2_000; 5][..], &[12_000], &[2_000; 100]].concat());
        assert!(late[5] == 10_000 && late[25] > 7_000 && late[105] == 0, "{late:?}");
    }

    #[test]
    fn the_shortest_of_three_long_pauses_in_a_row_is_the_usual_one() {
        assert_eq!(behind(&[500, 500, 20_000, 20_000, 20_000, 20_000]), [0, 0, 19_500, 39_000, 0, 0]);
        assert_eq!(behind(&[500, 500, 20_000, 33_000, 20_000, 20_000])[4..], [13_000, 11_750]);
        assert_eq!(behind(&[500, 500, 20_000, 20_000, 33_000, 20_000])[4..], [13_000, 11_750]);
        // A short pause or a Post interrupts the row.
        assert!(behind(&[500, 500, 20_000, 500, 20_000, 500, 20_000, 20_000])[7] > 70_000);
        let mut lateness = Lateness::NONE;
        for pause in [500, 20_000, 20_000] {
            read(&mut lateness, pause);
            lateness.handle_post(0);
        }
        for pause in [500, 500, 20_000] {
            read(&mut lateness, pause);
        }
        assert_eq!((lateness.long, lateness.pace), (1, millis(500)));
    }

    #[test]
    fn first_pauses_of_a_stream_are_late_until_three_are_as_long() {
        assert_eq!(behind(&[20_000, 20_000, 20_000, 20_000]), [20_000, 40_000, 0, 0]);
        assert_eq!(behind(&[7_000, 5])[1], 7_005);
        assert_eq!(behind(&[1_000, 1_000, 999]), [0; 3]);
    }

    #[test]
    fn a_burst_without_a_pause_before_is_not_late() {
        assert_eq!(behind(&[500, 500, 1, 1, 500]), [0; 5]);
    }

    #[test]
    fn short_pauses_do_not_change_the_pace_unless_the_stream_is_late() {
        let pauses = [&[10_000; 3][..], &[500; 50], &[12_000]].concat();
        assert_eq!(behind(&pauses)[2..], [0; 52]);
    }

    #[test]
    fn further_keep_alives_in_a_read_and_posts_end_lateness() {
        let mut lateness = Lateness::NONE;
        let late = [10_000, 10_000, 10_000, 40_000].map(|pause| read(&mut lateness, pause).0);
        assert_eq!(late[2..], [0, millis(30_000)]);
        lateness.handle_more();
        assert_eq!(lateness.behind, millis(20_000));
        assert_eq!(late_post(&mut lateness), 0);
    }

    fn late_post(lateness: &mut Lateness) -> u64 {
        lateness.handle_post(40_000);
        lateness.behind
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
    fn the_usual_lag_outlasts_a_stream_and_its_pace_does_not() {
        let mut lateness = Lateness::of_pace(Duration::from_secs(10));
        lateness.handle_post(200);
        lateness.handle_stream_begun();
        assert_eq!((lateness.pace, late(&mut lateness, 5_200)), (0, Some(5_000)));
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
        // Without Posts, the episode lasts until the reads have caught up.
        for pause in [35_000, 500, 35_000] {
            assert_eq!(read(&mut lateness, pause).1, None);
        }
    }
}
