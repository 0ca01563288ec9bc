//! Determines the time up to which all Posts were received, and the time since which Posts may be
//! missing.
//!
//! All times are the server's, as the creation times of Posts are. Three questions determine a gap:
//!
//! - What do the last bytes before the loss prove?
//! - When did the new stream begin?
//! - How far does the sending order of Posts deviate from their creation order?
//!
//! # Where a gap starts
//!
//! A connection delivers in order: every lost message was sent after every delivered message.
//!
//! - **A Post** created at `c` proves that no lost Post was created before `c`, less the disorder
//!   of the stream. The time of the read does not matter, and neither do buffers, stalls and
//!   clocks. So a gap starts at the newest delivered Post, less [the
//!   margin](Coverage::disorder_margin).
//! - **A keep-alive, or a message without a time of creation,** proves that the path is open, but
//!   not when it was sent. Here the time of the reads counts. A read that empties the transport
//!   returns everything sent before the previous read. The exception is a path that is late by more
//!   than the time between the two reads. Recent pauses bound how late the path may be
//!   ([`Lateness`]). Time without Posts that is proven in this way, less two seconds, moves the
//!   start of the gap forward from the newest Post. On a connection without Posts, the
//!   start moves forward from the server's `Date`.
//!
//! ```text
//!   created        2.0  2.5  3.0  3.5 ..   6.5  7.0        every 500 ms
//!   path           |------------ stalls ------------|
//!   read                                          7.000 7.005  reset 7.010
//!   delivered                                      2.0   2.5
//!   lost                     3.0  3.5 ..   6.5  7.0 ..
//!   gap          1.5 |------------------------------------- .. until the next stream
//!
//!   read            P           k           k           k      P: a Post, k: a keep-alive
//!   proven          |-----------|                  by the last k: all sent before the first
//!   gap             P + (k - P) - 2 s - margin |-- .. until the next stream
//! ```
//!
//! A path that becomes late little by little, or stays late long after a stall, is not covered
//! while no Post arrives. It looks like a slow server.
//!
//! A message that is incomplete after the last read, or whose chunk has begun, counts as not
//! received. A read that filled its buffer left input unread, and does not empty the transport.
//!
//! Posts wait behind a message that takes long to send. Their creation is then long before they are
//! sent. So after a message that took several reads, reads prove nothing until the next Post or
//! keep-alive. A Post bounds the gap by its creation. A server sends a keep-alive only if nothing
//! waits.
//!
//! # Where a gap ends
//!
//! The new stream carries everything sent after its head. A lost Post was therefore created before
//! the head was read. The gap ends at the latest time that the server's clock can have shown at
//! that read ([`ServerClock`]). If the first message is a Post that was created later, the gap ends
//! at that Post.
//!
//! If a stream starts with backfill, the gap stays open until the stream is healthy and backfill is
//! complete. Until then, the next request asks for the gap again. Backfill is complete in one of
//! these cases:
//!
//! - A Post newer than the stream's beginning has arrived, because backfill sends older Posts
//!   first.
//! - Two keep-alives in a row have arrived, because a server sends them only if it has nothing else
//!   to send.
//! - Everything sent in five minutes has been read.
//!
//! # Which Posts count
//!
//! Posts created more than five minutes before the stream began, or that far ahead of the server's
//! clock can be, are not live. They are repeated (backfill, recovery, a replayed file) or have ids
//! without a time. They prove nothing. Posts that arrive before backfill is complete prove nothing
//! either. Every Post of an array counts.

use core::time::Duration;

use super::event::Gap;
use super::lateness::{Late, Lateness};
use super::server_clock::ServerClock;
use super::wall_clock::WallClock;
use crate::stream::message::{PostId, classify, elements};
use crate::time::{Instant, UnixTime};

/// The longest assumed travel time of a message before its read. It is also the minimum disorder of
/// Posts, because ids are ordered by time only to within a second (X docs: "X IDs").
const GAP_MARGIN: Duration = Duration::from_secs(1);

/// Subtracted from the time without Posts after the newest Post. A later Post may have traveled
/// for a second longer, and may have been sent a second later after its creation.
const QUIET_MARGIN: Duration = Duration::from_secs(2);

/// After a longer pause of the consumer, input may have waited for it. Input that is read within
/// this time after the pause has.
const CONSUMER_PAUSE: Duration = Duration::from_secs(1);

/// A Post may be out of order by this multiple of the largest disorder seen.
const DISORDER_FACTOR: u64 = 2;

/// Posts more out of order than this, in milliseconds, are stragglers and do not count.
const DISORDER_MAX: u64 = 10_000;

/// Added to a stream's beginning for the end of its backfill: the clocks of the service's machines
/// may disagree.
const BACKFILL_MARGIN: Duration = Duration::from_secs(1);

/// Backfill is complete when everything sent in this time has been read. Posts older than the
/// stream's beginning by more than this are not live.
const BACKFILL_TAKES_MAX: Duration = Duration::from_secs(5 * 60);

/// The coverage of a session over all its connections.
#[derive(Clone, Debug)]
pub(super) struct Coverage {
    /// When input last arrived.
    read_at: Instant,
    /// The last read left input unread.
    has_backlog: bool,
    /// Input that is read until this time has waited for a consumer that was busy.
    busy_until: Instant,
    /// Everything sent before this time was read, as the last earlier read that emptied the
    /// transport proved.
    emptied_at: Instant,
    /// Since `emptied_at`, a message has ended, or no message had begun.
    at_boundary: bool,
    /// A message took several reads, and no Post or keep-alive followed: Posts may wait behind it.
    may_queue: bool,
    /// Everything sent before this time was delivered.
    caught_up_at: Instant,
    lateness: Lateness,
    /// When the request was sent.
    requested_at: Instant,
    /// The clock of the stream that is established, or of the last one.
    server: Option<ServerClock>,
    /// A read, and the earliest time that the server's clock may have shown at it.
    server_read: (Instant, UnixTime),
    /// The largest disorder of Posts seen, in milliseconds, up to [`DISORDER_MAX`].
    disorder: u64,
    /// The newest Post of all streams.
    newest: Option<PostId>,
    /// The time from which Posts may be missing, while a gap is open.
    gap: Option<GapStart>,
    /// The gap that was reported with the stream, until the first Post.
    reported: Option<Gap>,
    /// The established stream.
    stream: Option<StreamProgress>,
    /// Events that the session has not returned yet.
    notices: Notices,
}

/// Where a gap starts.
#[derive(Clone, Copy, Debug)]
struct GapStart {
    /// The start by both local clocks, later by `margin`. Either clock may have been wrong, or
    /// stopped, in between.
    at: Instant,
    unix: UnixTime,
    margin: Duration,
    /// The start in the server's time; `None` if unknown.
    server: Option<UnixTime>,
    newest: Option<PostId>,
}

/// The state of the current stream.
#[derive(Clone, Copy, Debug)]
struct StreamProgress {
    begun_at: Instant,
    is_healthy: bool,
    /// The stream's beginning, while backfill is not complete: Posts from before this time may
    /// still arrive.
    backfill_until: Option<UnixTime>,
    /// The number of keep-alives since the last message.
    keep_alives: u8,
    /// A message or a keep-alive has arrived.
    has_message: bool,
    /// Posts created before this time are not live.
    live_from: UnixTime,
    newest: Option<Newest>,
}

/// The newest live Post of a stream.
#[derive(Clone, Copy, Debug)]
struct Newest {
    created: UnixTime,
    /// When a live Post was last read.
    read_at: Instant,
}

/// Pending events of the coverage, in order of delivery.
#[derive(Clone, Copy, Debug)]
struct Notices {
    /// True if an event is waiting. Checked at each message.
    is_any: bool,
    late: Option<Late>,
    resumed: Option<Gap>,
}

/// An event of the coverage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Late(Late),
    Resumed(Gap),
}

impl Coverage {
    /// Creates the coverage of a session that has received nothing yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            read_at: now,
            has_backlog: false,
            busy_until: now,
            emptied_at: now,
            at_boundary: true,
            may_queue: false,
            caught_up_at: now,
            lateness: Lateness::NONE,
            requested_at: now,
            server: None,
            server_read: (now, UnixTime::from_millis(0)),
            disorder: 0,
            newest: None,
            gap: None,
            reported: None,
            stream: None,
            notices: Notices { is_any: false, late: None, resumed: None },
        }
    }

    /// Continues where an earlier process ended: a gap starts at `covered_until`.
    pub(super) fn resume_from(&mut self, covered_until: UnixTime, now: Instant) {
        let (unix, server) = (covered_until, Some(covered_until));
        self.gap = Some(GapStart { at: now, unix, margin: Duration::ZERO, server, newest: None });
    }

    /// Returns when input last arrived.
    #[inline]
    pub(super) const fn read_at(&self) -> Instant {
        self.read_at
    }

    /// Returns true if Posts from before the stream's beginning may still arrive.
    #[inline]
    pub(super) fn is_backfilling(&self) -> bool {
        self.stream.is_some_and(|stream| stream.backfill_until.is_some())
    }

    /// Returns true if an event is waiting.
    #[inline]
    pub(super) const fn has_notice(&self) -> bool {
        self.notices.is_any
    }

    /// Removes and returns the next event.
    #[cold]
    pub(super) fn take_notice(&mut self) -> Option<Notice> {
        let Notices { late, resumed, .. } = &mut self.notices;
        let notice = late.take().map(Notice::Late).or_else(|| resumed.take().map(Notice::Resumed));
        self.notices.is_any = self.notices.resumed.is_some();
        notice
    }

    /// Returns the time since which Posts may be missing. Returns `None` before the first stream,
    /// and while no gap is open.
    pub(super) fn gap_from(&self, clock: WallClock) -> Option<UnixTime> {
        self.gap.map(|start| start.time(clock))
    }

    /// Returns how long Posts have been missing, by the clock that shows the longer time; `None` if
    /// no gap is open.
    pub(super) fn outage(&self, now: Instant, clock: WallClock) -> Option<Duration> {
        let server = self.server.filter(|server| !server.is_local()).map(|server| server.latest_at(now));
        let unix = clock.unix_at(now).max(server.unwrap_or_default());
        self.gap_from(clock).map(|from| unix.saturating_since(from))
    }

    /// Returns the earliest time that the server's clock shows at `now`, according to the last
    /// stream. Returns the local clock's time if no stream provided one.
    pub(super) fn server_time(&self, now: Instant, clock: WallClock) -> UnixTime {
        let server = self.server.filter(|server| !server.is_local());
        server.map_or_else(|| clock.unix_at(now), |server| server.earliest_at(now))
    }

    /// Returns the time before which every Post created has been delivered; `None` before the first
    /// stream.
    pub(super) fn covered_until(&self, clock: WallClock) -> Option<UnixTime> {
        if self.stream.is_some() && self.gap.is_none() {
            let start = self.gap_start(clock);
            return Some(start.time(clock));
        }
        self.gap_from(clock)
    }

    /// Returns the bounds of the server's time when the head of the stream was read, if it is
    /// established: the earliest and the latest.
    pub(super) fn begun(&self) -> Option<(UnixTime, UnixTime)> {
        let (stream, server) = (self.stream?, self.server?);
        Some((server.earliest_at(stream.begun_at), server.latest_at(stream.begun_at)))
    }

    /// Returns how much older than the newest Post a later Post may be: a second plus twice the
    /// largest disorder seen, at most 21 s.
    const fn disorder_margin(&self) -> Duration {
        GAP_MARGIN.saturating_add(Duration::from_millis(DISORDER_FACTOR * self.disorder))
    }

    /// Returns the start of the gap if the connection were lost now.
    fn gap_start(&self, clock: WallClock) -> GapStart {
        let at = self.caught_up_at;
        let margin = self.disorder_margin();
        let by_posts = self.stream.and_then(|stream| stream.newest).map(|newest| {
            let quiet = at.saturating_since(newest.read_at).saturating_sub(QUIET_MARGIN);
            newest.created.saturating_add(quiet).saturating_sub(margin)
        });
        // Without Posts, less the travel of the first lost one as well.
        let margin = margin.saturating_add(GAP_MARGIN);
        let by_date = || {
            let server = self.server.filter(|server| !server.is_local())?;
            Some(server.earliest_at(at).saturating_sub(margin))
        };
        let server = by_posts.or_else(by_date);
        GapStart { at, unix: clock.unix_at(at), margin, server, newest: self.newest }
    }

    /// Reports that a request was sent. This connection missed no Post before the request. The
    /// response may be read late, and the data after it may be lost.
    pub(super) fn handle_request(&mut self, now: Instant) {
        let Self { lateness, server, disorder, newest, gap, .. } = *self;
        *self = Self { lateness, server, disorder, newest, gap, ..Self::new(now) };
    }

    /// Reports a read, before its bytes are decoded. `is_between` is true if the previous read left
    /// no message incomplete. A call with the time of the previous read reports the same read
    /// again.
    #[inline]
    pub(super) fn handle_read(&mut self, now: Instant, is_between: bool) {
        if now <= self.read_at {
            return;
        }
        // Plain numbers, because every read executes this.
        let pause = now.as_nanos() - self.read_at.as_nanos();
        let proven =
            if self.lateness.is_usual(pause) { self.read_at } else { self.handle_unusual_read(now, pause) };
        if !self.has_backlog {
            if self.may_queue {
                // What was created before these reads may be sent after them.
            } else if is_between {
                self.caught_up_at = self.caught_up_at.max(proven);
            } else if self.at_boundary {
                // The incomplete message was sent after this time.
                self.caught_up_at = self.caught_up_at.max(self.emptied_at);
            }
            self.emptied_at = proven;
        }
        self.may_queue |= !is_between;
        self.at_boundary = is_between;
        self.has_backlog = false;
        self.read_at = now;
    }

    /// Returns the time before which everything sent has been read. This is the previous read,
    /// unless this read may be late by more than the time between the two.
    #[cold]
    fn handle_unusual_read(&mut self, now: Instant, pause: u64) -> Instant {
        let was_waiting = self.has_backlog || now <= self.busy_until;
        let (behind, late) = self.lateness.handle_unusual_read(pause, was_waiting);
        if let (Some(late), true) = (late, self.stream.is_some()) {
            self.notices.add_late(late);
        }
        if behind <= pause { self.read_at } else { earlier(now, behind) }
    }

    /// Reports that the last read left input unread.
    pub(super) fn handle_backlog(&mut self) {
        self.has_backlog = true;
    }

    /// Reports that the consumer was busy with events from the last read until `now`.
    pub(super) fn handle_resume(&mut self, now: Instant) {
        if now.saturating_since(self.read_at) > CONSUMER_PAUSE {
            self.busy_until = now.saturating_add(CONSUMER_PAUSE);
        }
    }

    /// Reports the head of a stream, and the server's `Date`. Returns the gap before it.
    pub(super) fn handle_stream_begun(
        &mut self,
        now: Instant,
        clock: WallClock,
        date: Option<UnixTime>,
        backfill_minutes: u8,
    ) -> Option<Gap> {
        let has_backfill = backfill_minutes > 0;
        self.lateness.handle_stream_begun();
        // The reads of the head.
        self.may_queue = false;
        let unix = clock.unix_at(now);
        let server = ServerClock::new(date, self.requested_at, now, clock, self.server);
        let latest = server.latest_at(now);
        let gap = self.gap.map(|start| {
            let from = start.time(clock);
            Gap {
                from: from.min(latest),
                to: latest,
                local_from: start.local(clock).min(unix),
                local_to: unix.rounded_up(),
                newest_before: start.newest,
                first_after: None,
                backfill_minutes,
            }
        });
        self.server = Some(server);
        self.stream = Some(StreamProgress {
            begun_at: now,
            is_healthy: false,
            backfill_until: has_backfill.then_some(latest.saturating_add(BACKFILL_MARGIN)),
            keep_alives: 0,
            has_message: false,
            live_from: server.earliest_at(now).saturating_sub(BACKFILL_TAKES_MAX),
            newest: None,
        });
        self.server_read = (now, server.earliest_at(now));
        self.reported = gap;
        if !has_backfill {
            // Without backfill, no Post of this gap will arrive. With backfill, the stream may end
            // before backfill is complete, so the gap stays open.
            self.gap = None;
        }
        gap
    }

    /// Reports a message, with the id if it is a Post.
    pub(super) fn handle_message(&mut self, post_id: Option<PostId>) {
        self.at_boundary = true;
        if let Some(id) = post_id {
            if let Some(created) = id.created_at() {
                self.handle_post(id, created);
            }
        }
        if let Some(stream) = &mut self.stream {
            stream.keep_alives = 0;
            stream.has_message = true;
        }
    }

    /// Reports an array of messages. Each element before the first error counts.
    #[cold]
    pub(super) fn handle_array(&mut self, bytes: &[u8]) {
        for element in elements(bytes).map_while(Result::ok) {
            self.handle_message(classify(element).post_id);
        }
        self.handle_message(None);
    }

    #[inline]
    fn handle_post(&mut self, id: PostId, created: UnixTime) {
        let Some(stream) = &mut self.stream else { return };
        if stream.backfill_until.is_some_and(|until| created < until) || created < stream.live_from {
            return;
        }
        if self.server_read.0 != self.read_at {
            let earliest = self.server.map(|server| server.earliest_at(self.read_at));
            self.server_read = (self.read_at, earliest.unwrap_or_default());
        }
        let lag = self.server_read.1.as_millis().wrapping_sub(created.as_millis()) as i64;
        let lag = if let Some(newest) = stream.newest.as_mut().filter(|_| lag >= 0) {
            self.may_queue = false;
            newest.read_at = self.read_at;
            if created >= newest.created {
                newest.created = created;
                self.newest = Some(id);
            } else {
                self.disorder = worse(self.disorder, newest.created, created);
            }
            lag
        } else if let Some(lag) = self.handle_unusual_post(id, created, lag) {
            lag
        } else {
            return;
        };
        if let Some(late) = self.lateness.handle_post(lag) {
            self.notices.add_late(late);
        }
    }

    /// Handles a Post that is the first live one, or ahead of the server's known clock. Returns its
    /// lag by the corrected clock, unless it is not live.
    #[cold]
    fn handle_unusual_post(&mut self, id: PostId, created: UnixTime, lag: i64) -> Option<i64> {
        if created > self.server?.latest_at(self.read_at).saturating_add(BACKFILL_TAKES_MAX) {
            return None;
        }
        self.handle_backfill_complete();
        let margin = self.disorder_margin();
        let (Some(stream), Some(server)) = (&mut self.stream, &mut self.server) else { return None };
        self.may_queue = false;
        let newest = stream.newest.get_or_insert(Newest { created, read_at: self.read_at });
        newest.read_at = self.read_at;
        if created >= newest.created {
            newest.created = created;
            self.newest = Some(id);
        }
        if let Some(mut gap) = self.reported.take() {
            if !stream.has_message {
                // The stream is live from this Post on at the latest. A Post created later may have
                // been sent before it. The server's `Date` excludes that; without it, the margin
                // does.
                let margin = if server.has_date() { Duration::ZERO } else { margin };
                gap.to = gap.to.max(created.saturating_add(margin));
            }
            gap.first_after = Some(id);
            self.notices.add_resumed(gap);
        }
        if lag < 0 {
            server.handle_post_ahead(created, self.read_at);
            self.server_read = (self.read_at, created);
        }
        Some(lag.max(0))
    }

    /// Reports a keep-alive.
    pub(super) fn handle_keep_alive(&mut self) {
        (self.at_boundary, self.may_queue) = (true, false);
        let Some(stream) = &mut self.stream else { return };
        stream.has_message = true;
        stream.keep_alives = stream.keep_alives.saturating_add(1);
        if stream.keep_alives >= 2 {
            self.handle_backfill_complete();
        }
    }

    /// Reports that a message over the limit was skipped.
    pub(super) fn handle_skipped(&mut self) {
        self.at_boundary = true;
        if let Some(stream) = &mut self.stream {
            // It may be a Post of the backfill.
            stream.keep_alives = 0;
        }
    }

    /// Reports that content arrived, whether or not it completed a message.
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

    /// Reports the end of the connection. If a stream was established, a gap starts.
    pub(super) fn handle_closed(&mut self, clock: WallClock) {
        if self.stream.is_some() && self.gap.is_none() {
            self.gap = Some(self.gap_start(clock));
        }
        self.stream = None;
    }

    fn handle_backfill_complete(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.backfill_until = None;
            self.close_gap();
        }
    }

    /// Closes the gap before the stream. Posts of an incomplete backfill would be missing if the
    /// stream ended now.
    fn close_gap(&mut self) {
        if self.stream.is_some_and(|stream| stream.is_healthy && stream.backfill_until.is_none()) {
            self.gap = None;
        }
    }
}

/// Returns the instant this many nanoseconds earlier.
const fn earlier(at: Instant, nanos: u64) -> Instant {
    Instant::from_nanos(at.as_nanos().saturating_sub(nanos))
}

/// Returns the disorder of Posts if `created` arrived after `newest`, ignoring stragglers.
#[inline]
fn worse(disorder: u64, newest: UnixTime, created: UnixTime) -> u64 {
    let behind = newest.as_millis() - created.as_millis();
    if behind > DISORDER_MAX { disorder } else { disorder.max(behind) }
}

impl Notices {
    #[cold]
    fn add_late(&mut self, late: Late) {
        (self.late, self.is_any) = (Some(late), true);
    }

    fn add_resumed(&mut self, gap: Gap) {
        (self.resumed, self.is_any) = (Some(gap), true);
    }
}

impl GapStart {
    /// Returns the start in the server's time, or by the local clocks if that is unknown.
    fn time(self, clock: WallClock) -> UnixTime {
        self.server.unwrap_or_else(|| self.local(clock))
    }

    /// Returns the start by the local clocks: the earlier of the wall-clock time recorded then, and
    /// the same instant converted with the current wall clock; less the margin.
    // Without copies in each caller, programs are smaller.
    #[inline(never)]
    fn local(self, clock: WallClock) -> UnixTime {
        self.unix.min(clock.unix_at(self.at)).saturating_sub(self.margin)
    }
}

#[cfg(test)]
mod tests;
