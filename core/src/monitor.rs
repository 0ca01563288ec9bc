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

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;

pub use crate::lag::LagHistogram;
use crate::lag::{self, BUCKETS};
use crate::session::{DisconnectReason, Message, Origin, RefusalKind, SessionEvent};
use crate::stream::message::{Kind, PostId};
use crate::time::{Instant, UnixTime};

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
            /// Returns the plain counters, each with its name.
            #[must_use]
            pub const fn counters(&self) -> [(&'static str, u64); [$(stringify!($name)),*].len()] {
                [$((stringify!($name), self.$name)),*]
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
    /// Gaps that were reported.
    gaps,
    /// The total length of all gaps, in milliseconds of the server's time.
    gap_ms,
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
    /// The end of the gap that was reported with the stream, in milliseconds of the server's time.
    gap_to: Counter,
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
            gap_to: Counter::default(),
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
        let end = month_end(UnixTime::from_millis(unix));
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
                if let Some(gap) = connected.gap {
                    counters.gaps.add(1);
                    counters.gap_ms.add(gap.to.as_millis().saturating_sub(gap.from.as_millis()));
                    self.gap_to.set(gap.to.as_millis());
                }
            }
            SessionEvent::Resumed(gap) => {
                counters.gap_ms.add(gap.to.as_millis().saturating_sub(self.gap_to.get()));
            }
            SessionEvent::Message(message) => self.handle_other_message(message, read_at),
            SessionEvent::KeepAlive => {
                counters.keep_alives.add(1);
                let before = [&self.last_content_at, &self.last_post_at].map(Counter::get).into_iter();
                let before = before.filter(|nanos| *nanos != NEVER).max().map(Instant::from_nanos);
                if before.is_some_and(|before| read_at.saturating_since(before) > KEEP_ALIVE_MAX) {
                    counters.late_keep_alives.add(1);
                }
                self.last_content_at.set(read_at.as_nanos());
            }
            SessionEvent::Skipped { bytes } => {
                self.last_content_at.set(read_at.as_nanos());
                counters.skipped.add(1);
                counters.skipped_bytes.add(*bytes);
            }
            SessionEvent::Late(_) => counters.late.add(1),
            SessionEvent::Refused(refused) => self.refusals[refusal(refused.refusal.kind)].add(1),
            SessionEvent::Disconnected(disconnected) => {
                counters.undelivered_bytes.add(disconnected.undelivered);
                self.handle_end(&disconnected.reason);
            }
            SessionEvent::GaveUp(gave_up) => {
                counters.gave_up.add(1);
                self.handle_end(&gave_up.reason);
            }
        }
    }

    fn handle_end(&self, reason: &DisconnectReason) {
        self.streaming.set(0);
        self.disconnects[disconnect(reason)].add(1);
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

/// Returns when the calendar month of `time` ends, in UTC.
fn month_end(time: UnixTime) -> UnixTime {
    const DAY: u64 = 86_400;
    let mut days = time.as_millis() / 1_000 / DAY;
    let mut year = 1970;
    let length = |year: u64| if is_leap(year) { 366 } else { 365 };
    // Whole cycles of 400 years first, so that a time far in the future takes no longer.
    year += days / 146_097 * 400;
    let mut end = days - days % 146_097;
    days %= 146_097;
    while days >= length(year) {
        days -= length(year);
        end += length(year);
        year += 1;
    }
    for month in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        end += month;
        if days < month {
            break;
        }
        days -= month;
    }
    UnixTime::from_seconds(end * DAY)
}

const fn is_leap(year: u64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
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
        for millis in [0, 20_000, 41_000, 62_001, 82_001] {
            monitor.handle_event(&SessionEvent::KeepAlive, at(millis));
        }
        let snapshot = monitor.snapshot();
        assert_eq!((snapshot.keep_alives, snapshot.late_keep_alives), (5, 1));
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

    #[test]
    fn months_end_as_the_calendar_says() {
        for (time, end) in [
            (0, 2_678_400),
            (2_678_399, 2_678_400),
            (2_678_400, 5_097_600),
            // 29 February 2024, and the last second of it.
            (1_709_164_800, 1_709_251_200),
            (1_709_251_199, 1_709_251_200),
            // 31 December 1999, and February 2000 and 2100.
            (946_684_799, 946_684_800),
            (951_782_400, 951_868_800),
            (4_107_456_000, 4_107_542_400),
        ] {
            assert_eq!(month_end(UnixTime::from_seconds(time)), UnixTime::from_seconds(end), "{time}");
        }
        // The latest representable time.
        assert!(month_end(UnixTime::from_millis(u64::MAX)) >= UnixTime::from_seconds(1));
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
