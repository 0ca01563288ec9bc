//! Counters of one connection: messages, losses, lags, and the time since the last content.
//!
//! One thread reports events to a [`Monitor`], and any thread reads it with [`Monitor::snapshot`].
//! Both take `&self`, so that an `Arc<Monitor>` can be read while a task or a queue owns the
//! stream. Reporting takes no lock and allocates nothing.
//!
//! ```
//! use powerstream_core::monitor::Monitor;
//! use powerstream_core::session::{Message, SessionEvent};
//! use powerstream_core::stream::classify;
//! use powerstream_core::time::{Instant, UnixTime};
//!
//! let monitor = Monitor::new(Instant::ZERO, UnixTime::from_seconds(1_700_000_000));
//! let post = br#"{"id_str":"1724648402173460480","text":"gulls"}"#;
//! monitor.handle_event(&SessionEvent::Message(Message::new(post, classify(post))), Instant::ZERO);
//! monitor.handle_event(&SessionEvent::KeepAlive, Instant::ZERO);
//! let snapshot = monitor.snapshot();
//! assert_eq!((snapshot.posts, snapshot.post_bytes, snapshot.keep_alives), (1, 47, 1));
//! ```
//!
//! # Times
//!
//! The lag of a Post is the time from its creation (from its id) to the read that returned it. The
//! creation time is on the server's clock. That clock is estimated from the response's `Date`, to
//! about a second, and corrected by each Post that is ahead of it. So the lag is an estimate too.
//! Posts of backfill and recovery have no lag.
//!
//! # Gaps
//!
//! A [`GapMonitor`] counts the gaps of this connection, also those that other connections filled.
//! Only backfill closes them. A merged stream has a [`GapMonitor`] for each group of connections,
//! with what recovery closed.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;

mod gaps;

pub use self::gaps::{GapCounts, GapMonitor};
pub use crate::lag::LagHistogram;
use crate::lag::{self, BUCKETS};
use crate::session::{DisconnectReason, Gap, Message, Origin, RefusalKind, SessionEvent};
use crate::stream::message::{Kind, PostId};
use crate::time::{Instant, TimeRange, UnixTime};

/// The longest time from the previous content to a keep-alive that is not late. X promises a
/// keep-alive at least every 20 s (X docs, consuming streaming data). One more second allows for
/// the network.
pub const KEEP_ALIVE_MAX: Duration = Duration::from_secs(21);

/// The names of the disconnect reasons that [`Snapshot::disconnects`] counts, in the same order.
pub const DISCONNECT_REASONS: [&str; 7] =
    ["transport", "timeout", "protocol", "refused", "ended", "cut", "cut_in_head"];

/// The names of the refusals that [`Snapshot::refusals`] counts, in the same order.
pub const REFUSAL_KINDS: [&str; 12] = [
    "unauthorized",
    "forbidden",
    "no_rules",
    "invalid_rules",
    "connection_limit",
    "window_limit",
    "rate_limit",
    "usage_cap",
    "provisioning",
    "redirect",
    "request",
    "server",
];

/// A number that only one thread writes, so no atomic read-modify-write instruction is needed.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    #[inline]
    fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    #[inline]
    fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    #[inline]
    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The plain counters.
        #[derive(Debug, Default)]
        struct Counters { $($name: Counter,)* }

        /// The values of a [`Monitor`] at one moment.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct Snapshot {
            $($(#[$doc])* pub $name: u64,)*
            /// Connections that ended or could not be established, by reason;
            /// [`DISCONNECT_REASONS`] has the names.
            pub disconnects: [u64; DISCONNECT_REASONS.len()],
            /// Responses other than a stream, by kind; [`REFUSAL_KINDS`] has the names.
            pub refusals: [u64; REFUSAL_KINDS.len()],
            /// The gaps of the connection; see [the module](self).
            pub gaps: GapCounts,
            /// The estimated lags of live Posts; see [the module](self).
            pub lag: LagHistogram,
            /// When content last arrived; `None` before the first stream.
            pub last_content_at: Option<Instant>,
            /// When a Post last arrived.
            pub last_post_at: Option<Instant>,
            /// True if a stream is established.
            pub is_streaming: bool,
            /// How far the server's clock was ahead of the local one at the last response head, in
            /// milliseconds; negative if it was behind. Zero if the local clock was within the
            /// bounds that `Date` and the response time give.
            pub clock_offset_ms: i64,
        }

        impl Snapshot {
            /// Returns the plain counters, each with its name. Those of gaps are `gaps`, `gap_ms`,
            /// `closed_gaps` and `closed_gap_ms`: [`GapCounts::reported`] and
            /// [`GapCounts::closed`] with their times.
            #[must_use]
            pub const fn counters(&self) -> [(&'static str, u64); [$(stringify!($name)),*].len() + 4] {
                let gaps = &self.gaps;
                [
                    $((stringify!($name), self.$name),)*
                    ("gaps", gaps.reported),
                    ("gap_ms", gaps.reported_time.as_millis() as u64),
                    ("closed_gaps", gaps.closed),
                    ("closed_gap_ms", gaps.closed_time.as_millis() as u64),
                ]
            }
        }

        impl Monitor {
            /// Returns the current values. Related counters may differ by one event if an event is
            /// being reported at the same time.
            #[must_use]
            pub fn snapshot(&self) -> Snapshot {
                let time = |counter: &Counter| match counter.get() {
                    NEVER => None,
                    nanos => Some(Instant::from_nanos(nanos)),
                };
                let buckets = core::array::from_fn(|at| self.lags[at].get());
                let sum = Duration::from_nanos(self.lag_sum.get());
                let max = Duration::from_nanos(self.lag_max.get());
                let mut snapshot = Snapshot {
                    $($name: self.counters.$name.get(),)*
                    disconnects: core::array::from_fn(|at| self.disconnects[at].get()),
                    refusals: core::array::from_fn(|at| self.refusals[at].get()),
                    gaps: self.gaps.counts(),
                    lag: LagHistogram::from_parts(buckets, sum, max),
                    last_content_at: time(&self.last_content_at),
                    last_post_at: time(&self.last_post_at),
                    is_streaming: self.streaming.get() == 1,
                    clock_offset_ms: self.clock_offset_ms.get() as i64,
                };
                // A Post changes as few counters as possible: this one has the Posts before the
                // month.
                snapshot.month_posts = snapshot.posts.saturating_sub(snapshot.month_posts);
                snapshot.last_content_at = snapshot.last_content_at.max(snapshot.last_post_at);
                snapshot
            }
        }
    };
}

counters! {
    /// Streams that began.
    streams,
    /// Posts, including those in arrays.
    posts,
    /// Posts in this calendar month (UTC), since the monitor was created.
    month_posts,
    /// Bytes of messages that are Posts or arrays, without delimiters.
    post_bytes,
    /// Keep-alives.
    keep_alives,
    /// Keep-alives that arrived more than [`KEEP_ALIVE_MAX`] after the previous content.
    late_keep_alives,
    /// Messages of every known kind that is not a Post, such as messages about the stream or about
    /// deleted Posts.
    notices,
    /// Messages of an unknown kind.
    unknown,
    /// Messages that are not JSON.
    malformed,
    /// Messages over the size limit.
    skipped,
    /// Bytes of messages over the size limit.
    skipped_bytes,
    /// Bytes received in incomplete messages, or after a protocol error.
    undelivered_bytes,
    /// Backfills that were received completely.
    backfills,
    /// How often the reader or the path was late.
    late,
    /// Sessions that ended because a retry cannot resolve the failure.
    gave_up,
    /// Posts that had already arrived, on this connection or another one.
    duplicates,
}

/// Half of the second that `Date` is rounded down to.
const DATE_HALF_MS: u64 = 500;

/// The value of a time that is not set.
const NEVER: u64 = u64::MAX;

/// Counters of one connection. See [the module](self).
#[derive(Debug)]
pub struct Monitor {
    counters: Counters,
    disconnects: [Counter; DISCONNECT_REASONS.len()],
    refusals: [Counter; REFUSAL_KINDS.len()],
    lags: [Counter; BUCKETS],
    lag_sum: Counter,
    lag_max: Counter,
    last_content_at: Counter,
    last_post_at: Counter,
    streaming: Counter,
    /// The nanoseconds to add to a monotonic time to get the server's time; wraps.
    server_offset: Counter,
    /// The same for the local wall clock.
    unix_offset: Counter,
    /// In two's complement.
    clock_offset_ms: Counter,
    /// The end of the calendar month.
    month_ends_at: Counter,
    gaps: GapMonitor,
    /// The start of the gap before the stream, in milliseconds of the server's time.
    gap_from: Counter,
    /// The part of it that the backfill delivers; empty if none is requested, or once it is
    /// complete.
    backfill_from: Counter,
    backfill_to: Counter,
    /// Keep-alives in a row.
    keep_alives_in_a_row: Counter,
}

impl Monitor {
    /// Creates a monitor. `now` and `unix` are the same moment on both clocks.
    #[must_use]
    pub fn new(now: Instant, unix: UnixTime) -> Self {
        let monitor = Self {
            counters: Counters::default(),
            disconnects: Default::default(),
            refusals: Default::default(),
            lags: [const { Counter(AtomicU64::new(0)) }; BUCKETS],
            lag_sum: Counter::default(),
            lag_max: Counter::default(),
            last_content_at: Counter(AtomicU64::new(NEVER)),
            last_post_at: Counter(AtomicU64::new(NEVER)),
            streaming: Counter::default(),
            server_offset: Counter::default(),
            unix_offset: Counter::default(),
            clock_offset_ms: Counter::default(),
            month_ends_at: Counter::default(),
            gaps: GapMonitor::default(),
            gap_from: Counter::default(),
            backfill_from: Counter::default(),
            backfill_to: Counter::default(),
            keep_alives_in_a_row: Counter::default(),
        };
        monitor.set_wall_clock(now, unix);
        monitor
    }

    /// Sets the wall clock, for the calendar month: it reads `unix` at `now`.
    pub fn set_wall_clock(&self, now: Instant, unix: UnixTime) {
        let ended_at = self.month_ends_at.get().wrapping_add(self.unix_offset.get()) / 1_000_000;
        self.unix_offset.set(offset(now, unix));
        if unix.as_millis() >= ended_at {
            // No Post has come in the new month yet.
            self.begin_month(now);
        }
        self.month_ends_at.set(self.month_end_after(now));
    }

    /// Counts an event of the session, whose bytes were read at `read_at`.
    #[inline]
    pub fn handle_event(&self, event: &SessionEvent<'_>, read_at: Instant) {
        match event {
            SessionEvent::Message(message) => self.handle_message(message, read_at),
            event => self.handle_other(event, read_at),
        }
    }

    /// Counts a message that was read at `read_at`, as [`Self::handle_event`] does.
    #[inline(always)]
    pub fn handle_message(&self, message: &Message<'_>, read_at: Instant) {
        match message.id() {
            Some(id) => {
                self.counters.post_bytes.add(message.bytes.len() as u64);
                self.handle_post(id, message.origin, read_at);
            }
            None => self.handle_other_message(message, read_at),
        }
    }

    /// Counts a message that is no single Post.
    #[inline(never)]
    fn handle_other_message(&self, message: &Message<'_>, read_at: Instant) {
        let counters = &self.counters;
        self.last_content_at.set(read_at.as_nanos());
        self.keep_alives_in_a_row.set(0);
        match message.kind() {
            Kind::Array => {
                counters.post_bytes.add(message.bytes.len() as u64);
                for post in message.posts() {
                    if let Some(id) = post.id() {
                        self.handle_post(id, message.origin, read_at);
                    }
                }
            }
            Kind::Malformed(_) => counters.malformed.add(1),
            Kind::Unknown => counters.unknown.add(1),
            _ => counters.notices.add(1),
        }
    }

    #[inline(always)]
    fn handle_post(&self, id: PostId, origin: Origin, read_at: Instant) {
        if read_at.as_nanos() >= self.month_ends_at.get() {
            self.begin_month(read_at);
        }
        self.counters.posts.add(1);
        self.last_post_at.set(read_at.as_nanos());
        if let (Some(created), Origin::Live) = (id.created_at(), origin) {
            let server = read_at.as_nanos().wrapping_add(self.server_offset.get());
            let lag = server.wrapping_sub(created.as_millis().wrapping_mul(1_000_000));
            let lag = if lag as i64 >= 0 {
                lag
            } else {
                // It was created by now, so the server's clock is further ahead than estimated.
                self.server_offset.set(self.server_offset.get().wrapping_sub(lag));
                0
            };
            self.lags[lag::bucket(lag)].add(1);
            self.lag_sum.set(self.lag_sum.get().saturating_add(lag));
            if lag > self.lag_max.get() {
                self.lag_max.set(lag);
            }
        }
    }

    #[cold]
    fn begin_month(&self, now: Instant) {
        self.counters.month_posts.set(self.counters.posts.get());
        self.month_ends_at.set(self.month_end_after(now));
    }

    fn month_end_after(&self, now: Instant) -> u64 {
        let offset = self.unix_offset.get();
        let unix = now.as_nanos().wrapping_add(offset) / 1_000_000;
        let end = UnixTime::from_millis(unix).month_end();
        end.as_millis().wrapping_mul(1_000_000).wrapping_sub(offset)
    }

    /// Counts every event except a Post.
    #[inline(never)]
    fn handle_other(&self, event: &SessionEvent<'_>, read_at: Instant) {
        let counters = &self.counters;
        match event {
            SessionEvent::Connected(connected) => {
                counters.streams.add(1);
                self.streaming.set(1);
                self.last_content_at.set(read_at.as_nanos());
                let (earliest, latest) =
                    (connected.server_earliest.as_millis(), connected.server_latest.as_millis());
                // A response may come long after its `Date`. Posts that are ahead correct an
                // estimate that is too early, and nothing corrects one that is too late.
                let server = earliest + (latest.saturating_sub(earliest) / 2).min(DATE_HALF_MS);
                self.server_offset.set(offset(read_at, UnixTime::from_millis(server)));
                let unix = read_at.as_nanos().wrapping_add(self.unix_offset.get()) / 1_000_000;
                // Within the bounds the local clock may be right.
                let nearest = unix.clamp(earliest, latest.max(earliest));
                self.clock_offset_ms.set(nearest.wrapping_sub(unix));
                self.keep_alives_in_a_row.set(0);
                if let Some(gap) = connected.gap {
                    self.begin_gap(&gap);
                }
            }
            SessionEvent::Resumed(gap) => {
                if self.is_backfilling() || gap.backfill_minutes == 0 {
                    self.begin_gap(gap);
                }
                // A live Post follows the last of the backfill.
                self.end_backfill();
            }
            SessionEvent::Message(message) => self.handle_other_message(message, read_at),
            SessionEvent::KeepAlive => {
                counters.keep_alives.add(1);
                let is_after_post =
                    self.last_post_at.get() != NEVER && self.last_post_at.get() >= self.last_content_at.get();
                if is_after_post {
                    self.keep_alives_in_a_row.set(0);
                }
                self.keep_alives_in_a_row.add(1);
                if self.keep_alives_in_a_row.get() >= 2 {
                    // The server has nothing else to send.
                    self.end_backfill();
                }
                let before = [&self.last_content_at, &self.last_post_at].map(Counter::get).into_iter();
                let before = before.filter(|nanos| *nanos != NEVER).max().map(Instant::from_nanos);
                if before.is_some_and(|before| read_at.saturating_since(before) > KEEP_ALIVE_MAX) {
                    counters.late_keep_alives.add(1);
                }
                self.last_content_at.set(read_at.as_nanos());
            }
            SessionEvent::Skipped { bytes } => {
                self.keep_alives_in_a_row.set(0);
                self.last_content_at.set(read_at.as_nanos());
                counters.skipped.add(1);
                counters.skipped_bytes.add(*bytes);
            }
            SessionEvent::Late(_) => counters.late.add(1),
            SessionEvent::Refused(refused) => self.refusals[refusal(refused.refusal.kind)].add(1),
            SessionEvent::Disconnected(disconnected) => {
                counters.undelivered_bytes.add(disconnected.undelivered);
                self.handle_end(&disconnected.reason, disconnected.gap_from);
            }
            SessionEvent::GaveUp(gave_up) => {
                counters.gave_up.add(1);
                self.handle_end(&gave_up.reason, gave_up.gap_from);
            }
        }
    }

    fn handle_end(&self, reason: &DisconnectReason, gap_from: Option<UnixTime>) {
        self.streaming.set(0);
        self.disconnects[disconnect(reason)].add(1);
        if gap_from.is_some_and(|from| from.as_millis() > self.gap_from.get()) {
            self.end_backfill();
        }
        self.set_backfill(TimeRange::default());
    }

    fn begin_gap(&self, gap: &Gap) {
        self.gaps.handle_gap(gap.range());
        self.gap_from.set(gap.from.as_millis());
        self.set_backfill(gap.backfilled().unwrap_or_default());
    }

    fn set_backfill(&self, range: TimeRange) {
        self.backfill_from.set(range.from.as_millis());
        self.backfill_to.set(range.to.as_millis());
    }

    fn end_backfill(&self) {
        if self.is_backfilling() {
            let [from, to] = [&self.backfill_from, &self.backfill_to].map(Counter::get);
            let [from, to] = [from, to].map(UnixTime::from_millis);
            self.gaps.handle_closed(TimeRange { from, to });
            self.counters.backfills.add(1);
            self.set_backfill(TimeRange::default());
        }
    }

    /// Returns true while a backfill is not complete.
    #[must_use]
    pub fn is_backfilling(&self) -> bool {
        self.backfill_to.get() > 0
    }

    /// Returns the number of backfills that were received completely.
    #[must_use]
    pub fn backfills(&self) -> u64 {
        self.counters.backfills.get()
    }

    /// Returns the counters of the connection's gaps.
    #[must_use]
    pub const fn gaps(&self) -> &GapMonitor {
        &self.gaps
    }

    /// Counts Posts that had already arrived, on this connection or another one.
    #[inline]
    pub fn handle_duplicates(&self, count: u64) {
        self.counters.duplicates.add(count);
    }
}

/// Returns the nanoseconds to add to a monotonic time to get the time of that wall clock; wraps.
const fn offset(now: Instant, unix: UnixTime) -> u64 {
    unix.as_millis().wrapping_mul(1_000_000).wrapping_sub(now.as_nanos())
}

const fn disconnect(reason: &DisconnectReason) -> usize {
    match reason {
        DisconnectReason::Transport(_) => 0,
        DisconnectReason::Timeout(_) => 1,
        DisconnectReason::Protocol(_) => 2,
        DisconnectReason::Refused(_) => 3,
        DisconnectReason::Ended => 4,
        DisconnectReason::Cut => 5,
        DisconnectReason::CutInHead => 6,
    }
}

const fn refusal(kind: RefusalKind) -> usize {
    match kind {
        RefusalKind::Unauthorized => 0,
        RefusalKind::Forbidden => 1,
        RefusalKind::NoRules => 2,
        RefusalKind::InvalidRules => 3,
        RefusalKind::ConnectionLimit => 4,
        RefusalKind::WindowLimit => 5,
        RefusalKind::RateLimit => 6,
        RefusalKind::UsageCap => 7,
        RefusalKind::Provisioning => 8,
        RefusalKind::Redirect => 9,
        RefusalKind::Request => 10,
        RefusalKind::Server => 11,
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use super::*;
    use crate::session::Message;
    use crate::stream::message::classify;

    /// 1 December 2026, 00:00 UTC.
    const DECEMBER: u64 = 1_796_083_200_000;

    const fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn post(created_ms: u64) -> String {
        format!(r#"{{"id_str":"{}","text":"a"}}"#, (created_ms - 1_288_834_974_657) << 22)
    }

    fn message(monitor: &Monitor, bytes: &[u8], read_at: Instant) {
        monitor.handle_event(&SessionEvent::Message(Message::new(bytes, classify(bytes))), read_at);
    }

    #[test]
    fn counts_each_kind_of_message() {
        let monitor = Monitor::new(at(0), UnixTime::from_millis(DECEMBER));
        let array = format!("[{},{},7]", post(DECEMBER), post(DECEMBER));
        for bytes in [&*post(DECEMBER), &array, "{\"x\":1}", "words", "{\"warning\":{\"code\":\"x\"}}"] {
            message(&monitor, bytes.as_bytes(), at(1));
        }
        monitor.handle_event(&SessionEvent::Skipped { bytes: 70 }, at(2));
        monitor.handle_duplicates(2);
        let counted: Vec<_> =
            monitor.snapshot().counters().into_iter().filter(|(_, count)| *count > 0).collect();
        let bytes = (post(DECEMBER).len() + array.len()) as u64;
        let expected = [
            ("posts", 3),
            ("month_posts", 3),
            ("post_bytes", bytes),
            ("notices", 1),
            ("unknown", 1),
            ("malformed", 1),
            ("skipped", 1),
            ("skipped_bytes", 70),
            ("duplicates", 2),
        ];
        assert_eq!(counted, expected);
        assert_eq!(monitor.snapshot().last_content_at, Some(at(2)));
        assert_eq!(monitor.snapshot().last_post_at, Some(at(1)));
    }

    #[test]
    fn keep_alives_are_late_after_21_s_without_content() {
        let monitor = Monitor::new(at(0), UnixTime::from_millis(DECEMBER));
        for millis in [0, 20_000, 41_000, 62_001, 82_001, 104_000] {
            monitor.handle_event(&SessionEvent::KeepAlive, at(millis));
        }
        let snapshot = monitor.snapshot();
        assert_eq!((snapshot.keep_alives, snapshot.late_keep_alives), (6, 2));
    }

    #[test]
    fn month_posts_start_over_at_the_first_moment_of_a_month() {
        let monitor = Monitor::new(at(0), UnixTime::from_millis(DECEMBER - 1_000));
        for millis in [0, 999, 1_000, 1_001] {
            message(&monitor, post(DECEMBER).as_bytes(), at(millis));
            let expected = [1, 2, 1, 2][[0, 999, 1_000, 1_001].iter().position(|it| *it == millis).unwrap()];
            assert_eq!(monitor.snapshot().month_posts, expected, "{millis}");
        }
        assert_eq!(monitor.snapshot().posts, 4);
    }

    #[test]
    fn a_reconnect_in_a_new_month_starts_it() {
        let monitor = Monitor::new(at(0), UnixTime::from_millis(DECEMBER - 1_000));
        message(&monitor, post(DECEMBER).as_bytes(), at(1));
        monitor.set_wall_clock(at(900), UnixTime::from_millis(DECEMBER - 100));
        assert_eq!(monitor.snapshot().month_posts, 1);
        monitor.set_wall_clock(at(1_002), UnixTime::from_millis(DECEMBER + 2));
        assert_eq!(monitor.snapshot().month_posts, 0);
        message(&monitor, post(DECEMBER).as_bytes(), at(1_003));
        assert_eq!((monitor.snapshot().posts, monitor.snapshot().month_posts), (2, 1));
    }

    /// A gap of ten minutes, whose request asked for so many minutes of backfill.
    fn gap(backfill_minutes: u8) -> Gap {
        let (from, to) = (UnixTime::from_millis(DECEMBER), UnixTime::from_millis(DECEMBER + 600_000));
        let (newest_before, first_after) = (None, None);
        Gap { from, to, local_from: from, local_to: to, newest_before, first_after, backfill_minutes }
    }

    fn connect(monitor: &Monitor, gap: Gap) {
        connect_at(monitor, at(0), Some(gap), gap.to, gap.to);
    }

    fn connect_at(
        monitor: &Monitor,
        read_at: Instant,
        gap: Option<Gap>,
        server_earliest: UnixTime,
        server_latest: UnixTime,
    ) {
        use crate::http::head::{Head, HeadDecoder, HeadLimits};
        let wire = b"HTTP/1.1 200 OK\r\n\r\n";
        let mut storage = [0; 100];
        let head = HeadDecoder::new(HeadLimits::default()).decode(wire, &mut storage).1.unwrap().unwrap();
        let connected = crate::session::Connected {
            head: Head::new(head, wire),
            gap,
            server_earliest,
            server_latest,
            peer_addr: None,
        };
        monitor.handle_event(&SessionEvent::Connected(connected), read_at);
    }

    /// Returns the number of open and of closed gaps, and the seconds that are missing.
    fn gaps(monitor: &Monitor) -> (u64, u64, u64) {
        let gaps = monitor.snapshot().gaps;
        (gaps.open, gaps.closed, gaps.open_time.as_secs())
    }

    fn disconnect_at(monitor: &Monitor, gap_from: UnixTime) {
        monitor.handle_event(
            &SessionEvent::GaveUp(crate::session::GaveUp {
                reason: DisconnectReason::Ended,
                gap_from: Some(gap_from),
                peer_addr: None,
            }),
            at(1),
        );
    }

    #[test]
    fn a_gap_without_backfill_stays_open() {
        let monitor = Monitor::new(at(0), UnixTime::from_millis(DECEMBER));
        connect(&monitor, gap(0));
        assert_eq!(gaps(&monitor), (1, 0, 600));
        // The first Post extends it.
        let longer = Gap { to: UnixTime::from_millis(DECEMBER + 601_000), ..gap(0) };
        monitor.handle_event(&SessionEvent::Resumed(longer), at(1));
        assert_eq!(gaps(&monitor), (1, 0, 601));
        assert_eq!(monitor.snapshot().gaps.reported, 1);
    }

    #[test]
    fn a_complete_backfill_closes_what_it_covers() {
        let keep_alive =
            |monitor: &Monitor, millis| monitor.handle_event(&SessionEvent::KeepAlive, at(millis));
        // Ten minutes are covered; five are not, and overlap by ten seconds.
        for (minutes, after) in [(11, (0, 1, 0)), (5, (1, 0, 310))] {
            // A live Post has come.
            let monitor = Monitor::new(at(0), UnixTime::from_millis(DECEMBER));
            connect(&monitor, gap(minutes));
            assert_eq!((gaps(&monitor), monitor.is_backfilling()), ((1, 0, 600), true));
            monitor.handle_event(&SessionEvent::Resumed(gap(minutes)), at(1));
            assert_eq!((gaps(&monitor), monitor.backfills()), (after, 1));

            // Two keep-alives in a row.
            let monitor = Monitor::new(at(0), UnixTime::from_millis(DECEMBER));
            connect(&monitor, gap(minutes));
            keep_alive(&monitor, 1);
            message(&monitor, post(DECEMBER).as_bytes(), at(2));
            keep_alive(&monitor, 3);
            monitor.handle_event(&SessionEvent::Skipped { bytes: 1 }, at(4));
            keep_alive(&monitor, 5);
            assert_eq!(gaps(&monitor), (1, 0, 600));
            keep_alive(&monitor, 6);
            assert_eq!(gaps(&monitor), after);

            // The session considers it complete.
            let monitor = Monitor::new(at(0), UnixTime::from_millis(DECEMBER));
            connect(&monitor, gap(minutes));
            disconnect_at(&monitor, UnixTime::from_millis(DECEMBER + 700_000));
            assert_eq!(gaps(&monitor), after);
        }
    }

    #[test]
    fn an_interrupted_backfill_closes_nothing() {
        let monitor = Monitor::new(at(0), UnixTime::from_millis(DECEMBER));
        connect(&monitor, gap(11));
        disconnect_at(&monitor, UnixTime::from_millis(DECEMBER));
        assert_eq!((gaps(&monitor), monitor.is_backfilling()), ((1, 0, 600), false));
        assert_eq!(monitor.backfills(), 0);
        // The next stream asks for it again.
        let longer = Gap { to: UnixTime::from_millis(DECEMBER + 660_000), ..gap(12) };
        connect(&monitor, longer);
        assert_eq!((gaps(&monitor), monitor.snapshot().gaps.reported), ((1, 0, 660), 1));
    }

    #[test]
    fn lags_are_measured_by_the_servers_clock() {
        let monitor = Monitor::new(at(0), UnixTime::from_millis(0));
        // The server's clock reads DECEMBER at 5 s; the local one is decades behind.
        monitor.server_offset.set(offset(at(5_000), UnixTime::from_millis(DECEMBER)));
        message(&monitor, post(DECEMBER - 250).as_bytes(), at(5_000));
        message(&monitor, post(DECEMBER + 900).as_bytes(), at(6_000));
        // Ahead of the estimate.
        message(&monitor, post(DECEMBER + 9_000).as_bytes(), at(6_000));
        let lag = monitor.snapshot().lag;
        assert_eq!((lag.count(), lag.max()), (3, Duration::from_millis(250)));
        assert_eq!(lag.sum(), Duration::from_millis(350));
    }

    #[test]
    fn lag_assumes_the_middle_of_the_bounds_but_at_most_500_ms_after_their_start() {
        // The length of the bounds, the local clock after their begin, and the expected offset of
        // the server's clock and lag of a Post, all in milliseconds.
        let rows =
            [(0, 0, 0, 700), (600, -250, 250, 1_000), (600, 600, 0, 1_000), (4_000, 4_100, -100, 1_200)];
        for (length, local, offset, lag) in rows {
            let earliest = UnixTime::from_millis(DECEMBER);
            let latest = UnixTime::from_millis(DECEMBER + length);
            let local = UnixTime::from_millis(DECEMBER.wrapping_add_signed(local));
            let monitor = Monitor::new(at(5_000), local);
            connect_at(&monitor, at(5_000), None, earliest, latest);
            message(&monitor, post(DECEMBER - 700).as_bytes(), at(5_000));
            let snapshot = monitor.snapshot();
            assert_eq!((snapshot.clock_offset_ms, snapshot.lag.max().as_millis()), (offset, lag));
        }
    }

    #[test]
    fn names_and_numbers_of_reasons_and_kinds_go_together() {
        use crate::session::Refusal;
        let kinds = [
            RefusalKind::Unauthorized,
            RefusalKind::Forbidden,
            RefusalKind::NoRules,
            RefusalKind::InvalidRules,
            RefusalKind::ConnectionLimit,
            RefusalKind::WindowLimit,
            RefusalKind::RateLimit,
            RefusalKind::UsageCap,
            RefusalKind::Provisioning,
            RefusalKind::Redirect,
            RefusalKind::Request,
            RefusalKind::Server,
        ];
        for (at, kind) in kinds.into_iter().enumerate() {
            assert_eq!(refusal(kind), at);
            let snake = format!("{kind:?}").chars().fold(String::new(), |mut name, letter| {
                if letter.is_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.extend(letter.to_lowercase());
                name
            });
            assert_eq!(REFUSAL_KINDS[at], snake);
            let refused = DisconnectReason::Refused(Refusal { status: 429, kind });
            assert_eq!(DISCONNECT_REASONS[disconnect(&refused)], "refused");
        }
        assert_eq!(DISCONNECT_REASONS[disconnect(&DisconnectReason::CutInHead)], "cut_in_head");
    }

    #[test]
    fn is_shared_by_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Monitor>();
    }
}
