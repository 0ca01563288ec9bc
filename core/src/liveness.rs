//! Tracks the timeouts of a connection: takes events, and returns the next deadline with its
//! reason.
//!
//! ```text
//!   connecting --connected--> requesting --head--> streaming --announced--> streaming
//!    connect                   head                 idle, message            + disconnect
//! ```
//!
//! The connect, head, message and disconnect deadlines are absolute: received bytes do not extend
//! them. The idle deadline is extended by content bytes, including keep-alives. Chunk sizes,
//! extensions, trailers and interim responses do not extend it.
//!
//! Two delays are not counted against the server:
//!
//! - The time in which the consumer was busy and did not ask for a read
//!   ([`Liveness::handle_pause`]).
//! - A late wake-up, for example of a suspended machine. Bytes that arrived meanwhile wait in the
//!   kernel. Therefore an expired deadline first asks for one more read ([`Timeout::ReadFirst`]),
//!   and expires only if that read finds nothing.

use core::time::Duration;

use crate::time::{Instant, nanos};

/// The timeouts of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// The timeout for resolving, connecting, and the proxy and TLS handshakes together. Default:
    /// 10 s, which allows three SYN retransmissions.
    pub connect: Duration,
    /// The timeout from the connection to the end of the response head, including sending the
    /// request. For an error response, also from its head to the end of its body. Default: 15 s. X
    /// sends the head of a quiet stream immediately, and the first body byte up to 20 s later
    /// (recorded in geduldig/TwitterAPI#173).
    pub head: Duration,
    /// The idle timeout: the longest time without content bytes on a stream. Default: 25 s. X
    /// promises a signal at least every 20 s (X docs, consuming streaming data). A timeout of
    /// exactly 20 s would race with that signal. The client library tweepy uses 21 s, and X's Java
    /// SDK 60 s.
    pub idle: Duration,
    /// The timeout from the first byte of a message to its last. Default: 60 s. Without it, a
    /// server that sends an endless message slowly would keep the client waiting forever.
    pub message: Duration,
    /// The timeout from an announced disconnect (an error message in the stream) to the close that
    /// should follow. Default: 5 s.
    pub disconnect: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            head: Duration::from_secs(15),
            idle: Duration::from_secs(25),
            message: Duration::from_secs(60),
            disconnect: Duration::from_secs(5),
        }
    }
}

/// What a deadline waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeoutKind {
    /// The connection.
    Connect,
    /// The request to be sent, and the response head to end.
    Head,
    /// The end of the body of an error response.
    ErrorBody,
    /// Any content byte.
    Idle,
    /// The end of a message that has started.
    Message,
    /// The close that the server announced.
    Disconnect,
    /// The end of the response of an [`Exchange`](crate::http::Exchange).
    Answer,
}

impl TimeoutKind {
    /// Returns a stable name of the timeout, for programs.
    #[must_use]
    pub const fn timeout_code(self) -> &'static str {
        match self {
            Self::Connect => "timeout_connect",
            Self::Head => "timeout_head",
            Self::ErrorBody => "timeout_error_body",
            Self::Idle => "timeout_silence",
            Self::Message => "timeout_message",
            Self::Disconnect => "timeout_disconnect",
            Self::Answer => "timeout_answer",
        }
    }

    /// Returns what was expected, as a phrase for error messages.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Connect => "expected the connection to open within its timeout",
            Self::Head => "expected the response head within its timeout",
            Self::ErrorBody => "expected the error response to end within its timeout",
            Self::Idle => "expected a Post or keep-alive within the idle timeout",
            Self::Message => "expected the message to end within its timeout",
            Self::Disconnect => "expected the server to close the connection after announcing it",
            Self::Answer => "expected the whole response within its timeout",
        }
    }
}

/// A point in time by which something must happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// The point in time.
    pub at: Instant,
    /// What must happen.
    pub reason: TimeoutKind,
}

/// The result of [`Liveness::handle_timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the caller must handle each result")]
pub enum Timeout {
    /// No deadline has passed: the wake-up was early.
    Early,
    /// The deadline has passed, but bytes may be waiting. Read once more now, and call again if the
    /// read finds nothing.
    ReadFirst,
    /// The deadline has passed, and nothing arrived.
    Expired(TimeoutKind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No deadline.
    Idle,
    Connecting,
    Requesting,
    ErrorBody,
    Streaming,
}

/// The timeouts in nanoseconds: half the size of [`Timeouts`], and nothing to convert for each
/// message.
#[derive(Clone, Copy, Debug)]
struct Lengths {
    connect: u64,
    head: u64,
    idle: u64,
    message: u64,
    disconnect: u64,
}

impl Lengths {
    const fn new(timeouts: Timeouts) -> Self {
        Self {
            connect: nanos(timeouts.connect),
            head: nanos(timeouts.head),
            idle: nanos(timeouts.idle),
            message: nanos(timeouts.message),
            disconnect: nanos(timeouts.disconnect),
        }
    }
}

/// Returns the time so many nanoseconds later.
const fn after(at: Instant, length: u64) -> Instant {
    Instant::from_nanos(at.as_nanos().saturating_add(length))
}

/// Tracks the deadlines of a connection. It has no clock; the caller passes the time.
#[derive(Clone, Debug)]
pub struct Liveness {
    lengths: Lengths,
    phase: Phase,
    /// When content last arrived, or when the head of the stream arrived.
    since: Instant,
    /// The absolute deadlines are computed when they start, so that a read costs one comparison.
    /// They are [`NEVER`] if not running. This one belongs to the phase.
    phase_by: Instant,
    /// The deadline of the unfinished message.
    message_by: Instant,
    /// The deadline of the announced close.
    disconnect_by: Instant,
    /// A deadline has passed, and one more read was requested.
    read_first: bool,
    /// An absolute deadline that a late read found expired, moved by the grace for lateness.
    overdue: Option<Deadline>,
}

const NEVER: Instant = Instant::from_nanos(u64::MAX);

impl Liveness {
    /// Creates the tracker, without a running deadline.
    #[must_use]
    pub const fn new(timeouts: Timeouts) -> Self {
        Self::with_lengths(Lengths::new(timeouts))
    }

    const fn with_lengths(lengths: Lengths) -> Self {
        Self {
            lengths,
            phase: Phase::Idle,
            since: Instant::ZERO,
            phase_by: NEVER,
            message_by: NEVER,
            disconnect_by: NEVER,
            read_first: false,
            overdue: None,
        }
    }

    /// Returns the timeouts.
    #[must_use]
    pub const fn timeouts(&self) -> Timeouts {
        let Lengths { connect, head, idle, message, disconnect } = self.lengths;
        Timeouts {
            connect: Duration::from_nanos(connect),
            head: Duration::from_nanos(head),
            idle: Duration::from_nanos(idle),
            message: Duration::from_nanos(message),
            disconnect: Duration::from_nanos(disconnect),
        }
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        let phase_by = match phase {
            Phase::Idle | Phase::Streaming => NEVER,
            Phase::Connecting => after(now, self.lengths.connect),
            Phase::Requesting | Phase::ErrorBody => after(now, self.lengths.head),
        };
        *self = Self { phase, since: now, phase_by, ..Self::with_lengths(self.lengths) };
    }

    /// Reports that a connection attempt starts.
    pub fn handle_connecting(&mut self, now: Instant) {
        self.enter(Phase::Connecting, now);
    }

    /// Reports that the connection is open: the head timeout starts.
    pub fn handle_connected(&mut self, now: Instant) {
        self.enter(Phase::Requesting, now);
    }

    /// Reports the end of the head of a stream.
    pub fn handle_head(&mut self, now: Instant) {
        self.enter(Phase::Streaming, now);
    }

    /// Reports the end of the head of an error response.
    pub fn handle_error_head(&mut self, now: Instant) {
        self.enter(Phase::ErrorBody, now);
    }

    /// Reports that the connection is closed: no deadline runs.
    pub fn handle_closed(&mut self) {
        self.enter(Phase::Idle, Instant::ZERO);
    }

    /// Reports content bytes. They have an effect only on a stream.
    #[inline]
    pub fn handle_content(&mut self, now: Instant) {
        if self.phase == Phase::Streaming {
            // A clock that goes backwards must not move the deadline backwards.
            self.since = self.since.max(now);
            self.read_first = false;
        }
    }

    /// Reports that a message has started and not ended.
    #[inline]
    pub fn handle_message_begun(&mut self, now: Instant) {
        self.message_by = after(now.max(self.since), self.lengths.message);
    }

    /// Reports that the message has ended.
    #[inline]
    pub fn handle_message_ended(&mut self) {
        self.message_by = NEVER;
        // Other expired deadlines remain.
        if self.overdue.is_some_and(|overdue| overdue.reason == TimeoutKind::Message) {
            self.overdue = None;
        }
    }

    /// Reports that the server announced to close the connection.
    pub fn handle_announcement(&mut self, now: Instant) {
        if self.disconnect_by == NEVER {
            self.disconnect_by = after(now.max(self.since), self.lengths.disconnect);
        }
    }

    /// Reports that the stream continues after an announcement.
    pub fn handle_announcement_void(&mut self) {
        self.disconnect_by = NEVER;
        if self.overdue.is_some_and(|overdue| overdue.reason == TimeoutKind::Disconnect) {
            self.overdue = None;
        }
    }

    /// Reports that no read was requested for `length`, because the consumer was busy. Extends the
    /// deadlines of the stream by that time.
    pub fn handle_pause(&mut self, length: Duration) {
        if self.phase == Phase::Streaming {
            self.since = self.since.saturating_add(length);
            self.message_by = self.message_by.saturating_add(length);
            self.disconnect_by = self.disconnect_by.saturating_add(length);
            self.overdue = self
                .overdue
                .map(|Deadline { at, reason }| Deadline { at: at.saturating_add(length), reason });
        }
    }

    /// Returns the next deadline. It changes only with `handle_*` calls.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let (at, reason) = match self.phase {
            Phase::Idle => return None,
            Phase::Connecting => (self.phase_by, TimeoutKind::Connect),
            Phase::Requesting => (self.phase_by, TimeoutKind::Head),
            Phase::ErrorBody => (self.phase_by, TimeoutKind::ErrorBody),
            Phase::Streaming => (after(self.since, self.lengths.idle), TimeoutKind::Idle),
        };
        let mut next = Deadline { at, reason };
        for (at, reason) in
            [(self.message_by, TimeoutKind::Message), (self.disconnect_by, TimeoutKind::Disconnect)]
        {
            if at < next.at {
                next = Deadline { at, reason };
            }
        }
        Some(next)
    }

    /// Reports that the time is `now`, and that the last read, if any, found nothing.
    pub fn handle_timeout(&mut self, now: Instant) -> Timeout {
        match self.poll_timeout() {
            Some(deadline) if now >= deadline.at => {
                let reads = !matches!(self.phase, Phase::Connecting);
                if reads && !self.read_first {
                    self.read_first = true;
                    return Timeout::ReadFirst;
                }
                Timeout::Expired(deadline.reason)
            }
            _ => Timeout::Early,
        }
    }

    /// Reports that bytes arrived at `now` but did not end what an absolute deadline waits for.
    /// Returns the reason if the deadline has expired.
    ///
    /// [`Self::handle_timeout`] is called only when a read finds nothing, so a server that never
    /// pauses would avoid it. The caller's own lateness is allowed for: if bytes are first read `d`
    /// after the deadline, the deadline becomes `d` after that read. `d` is at most one second.
    #[inline]
    pub fn handle_unfinished(&mut self, now: Instant) -> Option<TimeoutKind> {
        if self.is_late(now) { self.handle_late(now) } else { None }
    }

    /// Returns true if an absolute deadline has passed.
    #[inline(always)]
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        now >= self.phase_by.min(self.message_by).min(self.disconnect_by)
    }

    #[cold]
    fn handle_late(&mut self, now: Instant) -> Option<TimeoutKind> {
        const LATENESS_MAX: Duration = Duration::from_secs(1);
        let deadline = self.poll_timeout()?;
        if deadline.reason == TimeoutKind::Idle {
            return None;
        }
        let late = now.saturating_since(deadline.at).min(LATENESS_MAX);
        let overdue = match self.overdue {
            Some(overdue) if overdue.reason == deadline.reason => overdue,
            _ => Deadline { at: now.saturating_add(late), reason: deadline.reason },
        };
        self.overdue = Some(overdue);
        (now >= overdue.at).then_some(deadline.reason)
    }
}
