//! The heartbeat and timeout state machine: one deadline out, with its reason.
//!
//! ```text
//!   connecting --connected--> requesting --head--> streaming --announced--> streaming (leaving)
//!    connect                   head                 silence, message         + disconnect
//!   (absolute)                (absolute)            moved / absolute         (absolute)
//! ```
//!
//! Connect, head, message and disconnect deadlines are absolute: no byte moves them. The silence deadline is moved by
//! content octets, keep-alives included, and by nothing else: sizes, extensions, trailers and interim responses keep
//! nothing alive. Two things are not the peer's fault and never held against it:
//!
//! - time in which nobody asked for a read, because the consumer was busy ([`Liveness::handle_pause`]);
//! - a late wake-up (a suspended machine, a starved thread): what arrived meanwhile waits in the kernel, so a deadline
//!   found passed asks for one more read first ([`Timeout::ReadFirst`]) and expires only when that finds nothing.

use core::time::Duration;

use crate::time::Instant;

/// How long each wait may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Resolving, connecting, proxy and TLS handshakes together. Default 10 s: three SYN retransmissions.
    pub connect: Duration,
    /// From the connection's start to the end of the response's head, the request's writing included; for an error
    /// response also from its head to the end of its body. Default 15 s: X sends the head of a quiet stream at once
    /// and only its first body octet up to 20 s later (recorded in geduldig/TwitterAPI#173).
    pub head: Duration,
    /// Longest silence on a stream. Default 25 s: X promises a signal at least every 20 s (X docs, consuming streaming
    /// data), and a limit of exactly that races with it. tweepy uses 21 s, X's Java SDK 60 s.
    pub idle: Duration,
    /// From a message's first octet to its last. Default 60 s: nobody bounds this, so a server that trickles an
    /// endless message keeps every other client waiting for ever.
    pub message: Duration,
    /// From an announced disconnect (an error line in the stream) to the close that should follow. Default 5 s.
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
    /// The connection to be made.
    Connect,
    /// The request to be written and the response's head to end.
    Head,
    /// The body of an error response to end.
    ErrorBody,
    /// Any content octet at all.
    Idle,
    /// The end of a message that has begun.
    Message,
    /// The close that the server has announced.
    Disconnect,
    /// The answer of a bounded exchange to end; see [`Exchange`](crate::http::Exchange).
    Answer,
}

impl TimeoutKind {
    /// A short stable name of the timeout, for programs.
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

    /// What was expected, in words.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Connect => "expected the connection to be made within its deadline",
            Self::Head => "expected the response's head within its deadline",
            Self::ErrorBody => "expected the error response to end within its deadline",
            Self::Idle => "expected a Post or keep-alive before the silence limit",
            Self::Message => "expected the message to end within its deadline",
            Self::Disconnect => "expected the server to close as it had announced",
            Self::Answer => "expected the whole answer within its deadline",
        }
    }
}

/// A point in time by which something must have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// When.
    pub at: Instant,
    /// What must have happened.
    pub reason: TimeoutKind,
}

/// The answer of [`Liveness::handle_timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the caller must decide on each")]
pub enum Timeout {
    /// No deadline has passed: an early wake-up, without effect.
    Early,
    /// The deadline has passed, but bytes may be waiting: read once more now, and call again if nothing is there.
    ReadFirst,
    /// The deadline has passed and nothing came.
    Expired(TimeoutKind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is waited for.
    Idle,
    Connecting,
    Requesting,
    ErrorBody,
    Streaming,
}

/// The state machine. It holds instants, no clock.
#[derive(Clone, Debug)]
pub struct Liveness {
    timeouts: Timeouts,
    phase: Phase,
    /// When content last came, or the stream's head.
    since: Instant,
    /// The absolute deadlines, worked out when they begin to run, so that a read costs a comparison; the last instant
    /// there is where none runs. Of the phase,
    phase_by: Instant,
    /// of the unfinished message,
    message_by: Instant,
    /// and of the close that the server announced.
    disconnect_by: Instant,
    /// A deadline was found passed, and one more read was asked for.
    read_first: bool,
    /// An absolute deadline was found passed by a read that came late: from here on it counts.
    overdue: Option<Deadline>,
}

const NEVER: Instant = Instant::from_nanos(u64::MAX);

impl Liveness {
    /// A machine that waits for nothing yet.
    #[must_use]
    pub const fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            phase: Phase::Idle,
            since: Instant::ZERO,
            phase_by: NEVER,
            message_by: NEVER,
            disconnect_by: NEVER,
            read_first: false,
            overdue: None,
        }
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        let phase_by = match phase {
            Phase::Idle | Phase::Streaming => NEVER,
            Phase::Connecting => now.saturating_add(self.timeouts.connect),
            Phase::Requesting | Phase::ErrorBody => now.saturating_add(self.timeouts.head),
        };
        *self = Self { phase, since: now, phase_by, ..Self::new(self.timeouts) };
    }

    /// A connection is being made.
    pub fn handle_connecting(&mut self, now: Instant) {
        self.enter(Phase::Connecting, now);
    }

    /// The connection is made: the request goes out, the head is waited for.
    pub fn handle_connected(&mut self, now: Instant) {
        self.enter(Phase::Requesting, now);
    }

    /// The head of a stream has ended.
    pub fn handle_head(&mut self, now: Instant) {
        self.enter(Phase::Streaming, now);
    }

    /// The head of an error response has ended.
    pub fn handle_error_head(&mut self, now: Instant) {
        self.enter(Phase::ErrorBody, now);
    }

    /// The connection is gone: nothing is waited for.
    pub fn handle_closed(&mut self) {
        self.enter(Phase::Idle, Instant::ZERO);
    }

    /// Content octets of the stream have come. Before its head and in an error response they move nothing.
    #[inline]
    pub fn handle_content(&mut self, now: Instant) {
        if self.phase == Phase::Streaming {
            // A clock that goes back by mistake must not move a deadline back.
            self.since = self.since.max(now);
            self.read_first = false;
        }
    }

    /// A message has begun that has not ended.
    #[inline]
    pub fn handle_message_begun(&mut self, now: Instant) {
        self.message_by = now.max(self.since).saturating_add(self.timeouts.message);
    }

    /// The message that had begun has ended.
    #[inline]
    pub fn handle_message_ended(&mut self) {
        self.message_by = NEVER;
        // What is overdue besides a message stays so, whatever ends.
        if self.overdue.is_some_and(|overdue| overdue.reason == TimeoutKind::Message) {
            self.overdue = None;
        }
    }

    /// The server has announced that it will close the connection.
    pub fn handle_announcement(&mut self, now: Instant) {
        if self.disconnect_by == NEVER {
            self.disconnect_by = now.max(self.since).saturating_add(self.timeouts.disconnect);
        }
    }

    /// The stream goes on in spite of the announcement.
    pub fn handle_announcement_void(&mut self) {
        self.disconnect_by = NEVER;
        if self.overdue.is_some_and(|overdue| overdue.reason == TimeoutKind::Disconnect) {
            self.overdue = None;
        }
    }

    /// No read was asked for during `length`, because the consumer was busy: silence and messages get it back.
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

    /// The next deadline. Its answer changes with every `handle_*` call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let (at, reason) = match self.phase {
            Phase::Idle => return None,
            Phase::Connecting => (self.phase_by, TimeoutKind::Connect),
            Phase::Requesting => (self.phase_by, TimeoutKind::Head),
            Phase::ErrorBody => (self.phase_by, TimeoutKind::ErrorBody),
            Phase::Streaming => (self.since.saturating_add(self.timeouts.idle), TimeoutKind::Idle),
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

    /// It is `now`, and the last read, if one was under way, found nothing.
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

    /// Bytes came at `now` and did not end what an absolute deadline waits for.
    ///
    /// A peer that never pauses would otherwise outrun [`Self::handle_timeout`], which is called only when a read
    /// finds nothing. Being late ourselves is taken into account: bytes read `d` after the deadline give the peer `d`
    /// more, at most one second, to hand over what it had sent in time.
    #[inline]
    pub fn handle_unfinished(&mut self, now: Instant) -> Option<TimeoutKind> {
        if self.is_late(now) { self.handle_late(now) } else { None }
    }

    /// Whether an absolute deadline has passed.
    #[inline(always)]
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        now >= self.phase_by.min(self.message_by).min(self.disconnect_by)
    }

    #[cold]
    fn handle_late(&mut self, now: Instant) -> Option<TimeoutKind> {
        const LATENESS_MAX: Duration = Duration::from_secs(1);
        let deadline = self.poll_timeout()?;
        if now < deadline.at || deadline.reason == TimeoutKind::Idle {
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
