//! What has certainly been received, and since when Posts may be missing.
//!
//! A read that does not fill its buffer empties the transport: whatever it did not return was sent later. That is known
//! to be delivered only once the next read comes, because a connection that is lost may lose what came in between.
//! So a gap starts at the read before the last one. If that read cut a message in two, the gap starts one read earlier.
//!
//! ```text
//!   reads      1 (emptied)      2 (emptied)      3      lost
//!   certain    ...............everything sent before 2
//!   gap                         |------------------------------- .. next stream's beginning
//! ```
//!
//! A gap ends at the next stream's beginning. If that stream starts with backfill, the gap stays open, so that the next
//! request asks for it again, until the stream is healthy and backfill is complete:
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
    /// Backfill is not complete: Posts from before this moment, the stream's beginning, are still being sent.
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

    /// Returns since when Posts may be missing: the earlier of what the wall clock read then and what it says of then
    /// now. `None` before the first stream, and while nothing is missing.
    pub(super) fn gap_from(&self, clock: WallClock) -> Option<UnixTime> {
        self.gap.map(|start| start.unix.min(clock.unix_at(start.at)).saturating_sub(GAP_MARGIN))
    }

    /// Returns until when everything sent has been delivered; `None` before the first stream.
    pub(super) fn covered_until(&self, clock: WallClock) -> Option<UnixTime> {
        if self.stream.is_some() && self.gap.is_none() {
            return Some(clock.unix_at(self.caught_up_at).saturating_sub(GAP_MARGIN));
        }
        self.gap_from(clock)
    }

    /// Takes in that a request was sent: nothing was missed before. The response may be read late, and what came behind
    /// it be lost.
    pub(super) fn handle_request(&mut self, now: Instant) {
        *self = Self { gap: self.gap, ..Self::new(now) };
    }

    /// Takes in a read, before its bytes are decoded. `is_between`: no message was cut by the read before. A call with the
    /// time of the read before means the same read.
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

    /// Takes in that the last read left input behind.
    pub(super) fn handle_backlog(&mut self) {
        self.has_backlog = true;
    }

    /// Takes in the head of a stream, and the server's `Date`. Returns the gap before it.
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

    /// Takes in a message, with the id if it is a Post.
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

    /// Takes in a keep-alive.
    pub(super) fn handle_keep_alive(&mut self) {
        self.at_boundary = true;
        let Some(stream) = &mut self.stream else { return };
        stream.keep_alives = stream.keep_alives.saturating_add(1);
        if stream.keep_alives >= 2 {
            self.handle_backfill_complete();
        }
    }

    /// Takes in that a message over the limit was skipped.
    pub(super) fn handle_skipped(&mut self) {
        self.at_boundary = true;
    }

    /// Takes in that content came, of a message that has ended or not.
    pub(super) fn handle_content(&mut self) {
        let Some(stream) = &self.stream else { return };
        if self.caught_up_at.saturating_since(stream.begun_at) >= BACKFILL_TAKES_MAX {
            self.handle_backfill_complete();
        }
    }

    /// Takes in that the stream is healthy.
    pub(super) fn handle_healthy(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.is_healthy = true;
            self.close_gap();
        }
    }

    /// Takes in that the connection is over. If a stream was established, a gap starts.
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

    /// Closes the gap before the stream. What is still being sent again would be missing if the stream were cut now.
    fn close_gap(&mut self) {
        if self.stream.is_some_and(|stream| stream.is_healthy && stream.backfill_until.is_none()) {
            self.gap = None;
        }
    }
}
