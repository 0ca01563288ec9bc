//! What has certainly been received, and since when Posts may be missing.
//!
//! A read that does not fill its buffer empties the transport: whatever it did not return was sent
//! later. If the connection is lost after one more read, everything sent before the first of the two
//! is certain to be delivered. No more is: the last read's bytes may have been sent long before they
//! came, and what followed them is lost. So a gap starts at the read before the last one, or earlier
//! if that read cut a message in two.
//!
//! ```text
//!   reads       1                2                3                lost
//!   certain     everything before|
//!   gap                          |------------------------------------ .. until the next stream
//! ```
//!
//! A gap ends at the next stream's beginning. If that stream starts with backfill, the gap stays
//! open, so that the next request asks for it again, until the stream is healthy and backfill is
//! complete:
//!
//! - a Post newer than the stream's beginning has come, because backfill sends older ones first;
//! - or two keep-alives in a row, because a server that sends them has nothing else to send;
//! - or everything that was sent in five minutes has been read.

use core::time::Duration;

use super::event::Gap;
use super::wall_clock::WallClock;
use crate::stream::message::PostId;
use crate::time::{Instant, UnixTime};

/// Added to a gap at its start: how long a message may have travelled before it was read.
const GAP_MARGIN: Duration = Duration::from_secs(1);

/// Added to a stream's beginning: the server's `Date` has whole seconds only.
const DATE_MARGIN: Duration = Duration::from_secs(1);

/// Backfill is complete when everything sent in so long has been read.
const BACKFILL_TAKES_MAX: Duration = Duration::from_secs(5 * 60);

/// What has been received over all connections of a session.
#[derive(Clone, Debug)]
pub(super) struct Coverage {
    /// When input last came.
    read_at: Instant,
    /// The last read left input behind.
    has_backlog: bool,
    /// The last read before that one that emptied the transport.
    emptied_at: Instant,
    /// A message ended, or none had begun, since `emptied_at`.
    at_boundary: bool,
    /// Everything sent before was delivered.
    caught_up_at: Instant,
    /// The moment from which Posts may be missing, while that is open.
    gap: Option<GapStart>,
    /// The stream that is established.
    stream: Option<StreamProgress>,
}

/// Where a gap starts, by both clocks: either may have been wrong, or stood still, in between.
#[derive(Clone, Copy, Debug)]
struct GapStart {
    at: Instant,
    unix: UnixTime,
}

/// What the stream has shown since it began.
#[derive(Clone, Copy, Debug)]
struct StreamProgress {
    begun_at: Instant,
    is_healthy: bool,
    /// Backfill is not complete: Posts from before this moment, the stream's beginning, are still
    /// being sent.
    backfill_until: Option<UnixTime>,
    /// Keep-alives since the last message.
    keep_alives: u8,
}

impl Coverage {
    /// Creates the coverage of a session that has received nothing yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            read_at: now,
            has_backlog: false,
            emptied_at: now,
            at_boundary: true,
            caught_up_at: now,
            gap: None,
            stream: None,
        }
    }

    /// Returns when input last came.
    #[inline]
    pub(super) const fn read_at(&self) -> Instant {
        self.read_at
    }

    /// Returns true if Posts from before the stream's beginning are still being sent.
    #[inline]
    pub(super) fn is_backfilling(&self) -> bool {
        self.stream.is_some_and(|stream| stream.backfill_until.is_some())
    }

    /// Returns since when Posts may be missing: the earlier of what the wall clock read then and
    /// what it says of then now. `None` before the first stream, and while nothing is missing.
    pub(super) fn gap_from(&self, clock: WallClock) -> Option<UnixTime> {
        self.gap.map(|start| start.unix.min(clock.unix_at(start.at)).saturating_sub(GAP_MARGIN))
    }

    /// Returns how long Posts have been missing; `None` if none are.
    pub(super) fn outage(&self, now: Instant, clock: WallClock) -> Option<Duration> {
        self.gap_from(clock).map(|from| clock.unix_at(now).saturating_since(from))
    }

    /// Returns until when everything sent has been delivered; `None` before the first stream.
    pub(super) fn covered_until(&self, clock: WallClock) -> Option<UnixTime> {
        if self.stream.is_some() && self.gap.is_none() {
            return Some(clock.unix_at(self.caught_up_at).saturating_sub(GAP_MARGIN));
        }
        self.gap_from(clock)
    }

    /// Reports that a request was sent: nothing was missed before. The response may be read late,
    /// and what came behind it be lost.
    pub(super) fn handle_request(&mut self, now: Instant) {
        *self = Self { gap: self.gap, ..Self::new(now) };
    }

    /// Reports a read, before its bytes are decoded. `is_between`: no message was cut by the read
    /// before. A call with the time of the read before means the same read.
    pub(super) fn handle_read(&mut self, now: Instant, is_between: bool) {
        if now <= self.read_at {
            return;
        }
        if !self.has_backlog {
            if is_between {
                self.caught_up_at = self.read_at;
            } else if self.at_boundary {
                // The message that is cut was sent after the read before.
                self.caught_up_at = self.caught_up_at.max(self.emptied_at);
            }
            self.emptied_at = self.read_at;
        }
        self.at_boundary = is_between;
        self.has_backlog = false;
        self.read_at = now;
    }

    /// Reports that the last read left input behind.
    pub(super) fn handle_backlog(&mut self) {
        self.has_backlog = true;
    }

    /// Reports the head of a stream, and the server's `Date`. Returns the gap before it.
    pub(super) fn handle_stream_begun(
        &mut self,
        now: Instant,
        clock: WallClock,
        server: Option<UnixTime>,
        has_backfill: bool,
    ) -> Option<Gap> {
        let unix = clock.unix_at(now);
        let gap = self.gap_from(clock).map(|from| Gap { from: from.min(unix), to: unix.rounded_up() });
        // By whichever clock is ahead.
        let begun = unix.max(server.unwrap_or_default()).saturating_add(DATE_MARGIN);
        self.stream = Some(StreamProgress {
            begun_at: now,
            is_healthy: false,
            backfill_until: has_backfill.then_some(begun),
            keep_alives: 0,
        });
        if !has_backfill {
            // Nothing of it will come any more. What backfill sends may be cut, and stays open.
            self.gap = None;
        }
        gap
    }

    /// Reports a message, with the id if it is a Post.
    pub(super) fn handle_message(&mut self, post_id: Option<PostId>) {
        self.at_boundary = true;
        let Some(stream) = &mut self.stream else { return };
        stream.keep_alives = 0;
        if let Some(until) = stream.backfill_until {
            if post_id.and_then(PostId::created_at) >= Some(until) {
                self.handle_backfill_complete();
            }
        }
    }

    /// Reports a keep-alive.
    pub(super) fn handle_keep_alive(&mut self) {
        self.at_boundary = true;
        let Some(stream) = &mut self.stream else { return };
        stream.keep_alives = stream.keep_alives.saturating_add(1);
        if stream.keep_alives >= 2 {
            self.handle_backfill_complete();
        }
    }

    /// Reports that a message over the limit was skipped.
    pub(super) fn handle_skipped(&mut self) {
        self.at_boundary = true;
    }

    /// Reports that content came, of a message that has ended or not.
    pub(super) fn handle_content(&mut self) {
        let Some(stream) = &self.stream else { return };
        if self.caught_up_at.saturating_since(stream.begun_at) >= BACKFILL_TAKES_MAX {
            self.handle_backfill_complete();
        }
    }

    /// Reports that the stream is healthy.
    pub(super) fn handle_healthy(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.is_healthy = true;
            self.close_gap();
        }
    }

    /// Reports that the connection is over. If a stream was established, a gap starts.
    pub(super) fn handle_closed(&mut self, clock: WallClock) {
        if self.stream.take().is_some() && self.gap.is_none() {
            self.gap = Some(GapStart { at: self.caught_up_at, unix: clock.unix_at(self.caught_up_at) });
        }
    }

    fn handle_backfill_complete(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.backfill_until = None;
            self.close_gap();
        }
    }

    /// Closes the gap before the stream. What is still being sent again would be missing if the
    /// stream were cut now.
    fn close_gap(&mut self) {
        if self.stream.is_some_and(|stream| stream.is_healthy && stream.backfill_until.is_none()) {
            self.gap = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wall clock at the monotonic clock's zero.
    const START: u64 = 1_700_000_000;

    const fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    const fn unix(seconds: u64) -> UnixTime {
        UnixTime::from_seconds(START + seconds)
    }

    const fn clock() -> WallClock {
        WallClock::new(at(0), unix(0))
    }

    /// The id of a Post created at that time.
    const fn post(time: UnixTime) -> Option<PostId> {
        Some(PostId::new((time.as_millis() - 1_288_834_974_657) << 22))
    }

    /// A stream whose head came with the read at `seconds`, after a request at that time.
    fn begin(coverage: &mut Coverage, seconds: u64, has_backfill: bool) -> Option<Gap> {
        coverage.handle_request(at(seconds));
        coverage.handle_read(at(seconds), true);
        coverage.handle_stream_begun(at(seconds), clock(), None, has_backfill)
    }

    fn streaming() -> Coverage {
        let mut coverage = Coverage::new(at(0));
        assert_eq!(begin(&mut coverage, 0, false), None);
        coverage
    }

    /// A read of whole messages.
    fn read(coverage: &mut Coverage, seconds: u64) {
        coverage.handle_read(at(seconds), true);
        coverage.handle_message(None);
    }

    fn gap_after_close(coverage: &mut Coverage) -> Option<UnixTime> {
        coverage.handle_closed(clock());
        coverage.gap_from(clock())
    }

    /// A stream with backfill at 100 s, after a gap that starts at 9 s.
    fn backfilling() -> Coverage {
        let mut coverage = streaming();
        read(&mut coverage, 10);
        read(&mut coverage, 20);
        assert_eq!(gap_after_close(&mut coverage), Some(unix(9)));
        assert!(begin(&mut coverage, 100, true).is_some());
        assert!(coverage.is_backfilling());
        coverage
    }

    #[test]
    fn a_gap_starts_one_second_before_the_read_before_the_last() {
        let mut coverage = streaming();
        for seconds in [10, 20, 30] {
            read(&mut coverage, seconds);
        }
        assert_eq!(gap_after_close(&mut coverage), Some(unix(19)));
    }

    #[test]
    fn a_gap_starts_one_read_earlier_if_a_message_was_cut() {
        let mut coverage = streaming();
        read(&mut coverage, 10);
        read(&mut coverage, 20);
        // The read at 20 ended within a message.
        coverage.handle_read(at(30), false);
        assert_eq!(gap_after_close(&mut coverage), Some(unix(9)));
    }

    #[test]
    fn a_gap_starts_before_a_message_that_takes_many_reads() {
        let mut coverage = streaming();
        for seconds in [10, 20] {
            read(&mut coverage, seconds);
        }
        for seconds in [30, 40, 50] {
            coverage.handle_read(at(seconds), false);
        }
        assert_eq!(coverage.covered_until(clock()), Some(unix(9)));
        // It ends in the read at 50, where another one begins.
        coverage.handle_message(None);
        coverage.handle_read(at(60), false);
        assert_eq!(gap_after_close(&mut coverage), Some(unix(39)));
    }

    #[test]
    fn a_message_that_began_after_an_emptying_read_moves_the_start_there() {
        let mut coverage = streaming();
        coverage.handle_read(at(10), true);
        // The message that the read at 10 cut ends here, and more input stays behind.
        coverage.handle_read(at(20), false);
        coverage.handle_message(None);
        coverage.handle_backlog();
        // Brings the beginning of a message, nothing else.
        coverage.handle_read(at(30), true);
        coverage.handle_read(at(40), false);
        assert_eq!(coverage.covered_until(clock()), Some(unix(9)));
    }

    #[test]
    fn every_kind_of_message_ends_one() {
        let ends: [fn(&mut Coverage); 3] =
            [|c| c.handle_message(None), Coverage::handle_keep_alive, Coverage::handle_skipped];
        for end in ends {
            let mut coverage = streaming();
            coverage.handle_read(at(10), true);
            coverage.handle_read(at(20), false);
            coverage.handle_read(at(30), false);
            assert_eq!(coverage.covered_until(clock()), Some(unix(0).saturating_sub(GAP_MARGIN)));
            end(&mut coverage);
            coverage.handle_read(at(40), false);
            assert_eq!(coverage.covered_until(clock()), Some(unix(19)));
        }
    }

    #[test]
    fn a_read_that_left_input_behind_proves_nothing() {
        let mut coverage = streaming();
        for seconds in [10, 20] {
            read(&mut coverage, seconds);
        }
        coverage.handle_backlog();
        read(&mut coverage, 30);
        assert_eq!(coverage.covered_until(clock()), Some(unix(9)));
        read(&mut coverage, 40);
        assert_eq!(gap_after_close(&mut coverage), Some(unix(29)));
    }

    #[test]
    fn calls_with_the_time_of_the_last_read_are_the_same_read() {
        let mut coverage = streaming();
        for seconds in [10, 20, 20, 15] {
            read(&mut coverage, seconds);
        }
        assert_eq!(coverage.read_at(), at(20));
        assert_eq!(gap_after_close(&mut coverage), Some(unix(9)));
    }

    #[test]
    fn nothing_is_missing_before_the_first_stream() {
        let mut coverage = Coverage::new(at(0));
        coverage.handle_request(at(5));
        coverage.handle_read(at(6), true);
        assert_eq!(coverage.covered_until(clock()), None);
        assert_eq!(gap_after_close(&mut coverage), None);
        assert_eq!(begin(&mut coverage, 10, false), None);
    }

    #[test]
    fn a_gap_outlasts_attempts_without_a_stream_and_ends_with_the_next_stream() {
        let mut coverage = streaming();
        read(&mut coverage, 10);
        read(&mut coverage, 20);
        assert_eq!(gap_after_close(&mut coverage), Some(unix(9)));
        coverage.handle_request(at(30));
        assert_eq!(gap_after_close(&mut coverage), Some(unix(9)));
        assert_eq!(coverage.outage(at(40), clock()), Some(Duration::from_secs(31)));
        let gap = begin(&mut coverage, 50, false).unwrap();
        assert_eq!((gap.from, gap.to), (unix(9), unix(50).rounded_up()));
        assert_eq!(coverage.outage(at(60), clock()), None);
        assert_eq!(coverage.covered_until(clock()), Some(unix(49)));
    }

    #[test]
    fn a_gap_starts_at_the_earlier_of_two_wall_clocks() {
        let mut coverage = streaming();
        read(&mut coverage, 10);
        read(&mut coverage, 20);
        coverage.handle_closed(clock());
        assert_eq!(coverage.gap_from(WallClock::new(at(0), unix(500))), Some(unix(9)));
        let back = WallClock::new(at(0), UnixTime::from_seconds(START - 500));
        assert_eq!(coverage.gap_from(back), Some(UnixTime::from_seconds(START - 491)));
        // So far back that the stream would begin before the gap: the gap is never negative.
        let gap = coverage.handle_stream_begun(at(0), back, None, false).unwrap();
        assert!(gap.from <= gap.to);
    }

    #[test]
    fn two_keep_alives_in_a_row_complete_backfill() {
        let mut coverage = backfilling();
        coverage.handle_healthy();
        coverage.handle_keep_alive();
        coverage.handle_message(None);
        coverage.handle_keep_alive();
        assert!(coverage.is_backfilling());
        assert_eq!(coverage.covered_until(clock()), Some(unix(9)));
        coverage.handle_keep_alive();
        assert!(!coverage.is_backfilling());
        assert_eq!(coverage.covered_until(clock()), Some(unix(99)));
    }

    #[test]
    fn a_post_newer_than_the_stream_completes_backfill() {
        let mut coverage = backfilling();
        coverage.handle_healthy();
        coverage.handle_message(Some(PostId::new(20)));
        coverage.handle_message(post(unix(100)));
        assert!(coverage.is_backfilling());
        coverage.handle_message(post(unix(101)));
        assert!(!coverage.is_backfilling());
        assert_eq!(coverage.covered_until(clock()), Some(unix(99)));
    }

    #[test]
    fn the_servers_date_counts_if_it_is_ahead() {
        let mut coverage = streaming();
        coverage.handle_closed(clock());
        coverage.handle_stream_begun(at(100), clock(), Some(unix(160)), true);
        coverage.handle_message(post(unix(160)));
        assert!(coverage.is_backfilling());
        coverage.handle_message(post(unix(161)));
        assert!(!coverage.is_backfilling());
    }

    #[test]
    fn five_minutes_that_were_read_complete_backfill() {
        let mut coverage = backfilling();
        coverage.handle_healthy();
        // Read at 400 s, but certain only up to the read before.
        for (seconds, is_backfilling) in [(399, true), (400, true), (401, false)] {
            read(&mut coverage, seconds);
            coverage.handle_content();
            assert_eq!(coverage.is_backfilling(), is_backfilling, "{seconds} s");
        }
    }

    #[test]
    fn a_gap_stays_open_until_the_stream_is_healthy_as_well() {
        let mut coverage = backfilling();
        coverage.handle_keep_alive();
        coverage.handle_keep_alive();
        assert_eq!(coverage.covered_until(clock()), Some(unix(9)));
        coverage.handle_healthy();
        assert_eq!(coverage.covered_until(clock()), Some(unix(99)));
    }

    #[test]
    fn a_stream_that_is_cut_during_backfill_leaves_the_first_gap_open() {
        for is_healthy in [false, true] {
            let mut coverage = backfilling();
            if is_healthy {
                coverage.handle_healthy();
            }
            read(&mut coverage, 130);
            read(&mut coverage, 140);
            assert_eq!(gap_after_close(&mut coverage), Some(unix(9)));
            let gap = begin(&mut coverage, 200, false).unwrap();
            assert_eq!(gap.from, unix(9));
        }
    }
}
