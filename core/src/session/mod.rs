//! Runs one stream for months: connects, streams, backs off, reconnects.
//!
//! ```text
//!            .-----------------------------------------------------------------.
//!            v                                                                 |
//!   Sleep -> Connect -> Write -> Read ... Read -> Close -> Event(Disconnected) -'   -> Done
//!                                 |  ^                                               after GaveUp
//!                                 v  |                                               or shutdown
//!                                Event (Connected, Message, KeepAlive, Skipped, Resumed, Late)
//! ```
//!
//! A driver asks [`Session::poll`] for the next [`Step`], performs it, and reports the result to a
//! `handle_*` method. Polling again changes nothing. A session owns no read buffer, so that many
//! sessions may share one. After each read the driver passes the bytes to [`Session::decode`] until
//! it returns `None`, before any other `handle_*`. `examples/own_loop.rs` does every step by hand.
//!
//! - **Order.** Complete messages are delivered before a later failure is reported. A connection is
//!   closed before its [`Disconnected`] event, so that a slow consumer does not occupy it.
//! - **Reconnects.** The first reconnect after an established stream is immediate. Otherwise
//!   [`Backoff`] decides by the failure class, unless the server asks for a longer wait. All
//!   schedules reset after a healthy stream: a message or keep-alive was complete 20 s or more
//!   after its head. A refusal that a retry cannot resolve, such as 401, ends the session.
//! - **Gaps.** Every Post that was lost was created within a reported [`Gap`]. A gap starts at the
//!   newest Post delivered, less a margin, and ends where the next stream begins, both in the
//!   server's time. With backfill, the gap stays open until that stream is healthy and its backfill
//!   is complete.

use core::fmt;
use core::net::SocketAddr;

mod announcement;
mod config;
mod coverage;
mod disconnect_reason;
mod event;
mod health;
mod lateness;
mod refusal;
mod request_template;
mod retry_policy;
mod server_clock;
mod state;
mod step;
mod wall_clock;

use announcement::Announcement;
pub use config::{ConfigError, SessionConfig};
use coverage::Coverage;
pub use disconnect_reason::DisconnectReason;
use event::Outcome;
pub use event::{
    Connected, Disconnected, Gap, GaveUp, Message, Origin, Refused, ScannedSessionEvent, SessionEvent,
};
pub(crate) use event::{backfilled, beyond_backfill};
pub use health::HEALTHY_AFTER;
use health::Health;
pub use lateness::{Late, LateKind};
pub use refusal::{Refusal, RefusalKind};
use request_template::RequestTemplate;
pub use retry_policy::RESET_MAX;
use retry_policy::{Ended, Retry, RetryPolicy};
use state::{Established, Failure, Pending, PendingEvent, State, is_backfill_refusal};
pub use step::Step;
use wall_clock::WallClock;

use crate::backoff::Backoff;
use crate::liveness::Timeout;
use crate::stream::connection::{ByteCounts, Connection, ScannedConnectionEvent};
use crate::stream::framing::MessagePlace;
use crate::stream::message::{Classification, Kind, classify};
use crate::time::{Instant, UnixTime};
use crate::transport_error::TransportError;

/// A stream that reconnects by itself. `S` is the storage: `Vec<u8>`, `Box<[u8]>`, `[u8; N]` or
/// `&mut [u8]`.
pub struct Session<S: AsRef<[u8]> + AsMut<[u8]>> {
    connection: Connection<S>,
    template: RequestTemplate,
    /// The coverage: what was received, and since when Posts may be missing.
    coverage: Coverage,
    policy: RetryPolicy,
    clock: WallClock,
    /// Contains the [`Health`] of the stream, if one is established.
    state: State,
    /// The outcome of the last connection that was reported.
    outcome: Option<Outcome>,
    /// The address of the current connection, for events.
    peer_addr: Option<SocketAddr>,
    /// Events were delivered since input last arrived.
    is_paused: bool,
    is_stopping: bool,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Session<S> {
    /// Creates a session that connects at its first steps. `storage` must have at least
    /// [`SessionConfig::storage_bytes`] bytes. `seed` determines the jitter. `now` and `unix` are
    /// the same moment on both clocks.
    ///
    /// # Errors
    /// [`ConfigError`] if the request is invalid or the storage is too short.
    pub fn new(
        mut storage: S,
        config: &SessionConfig<'_>,
        seed: u64,
        now: Instant,
        unix: UnixTime,
    ) -> Result<Self, ConfigError> {
        let template = RequestTemplate::new(storage.as_mut(), config)?;
        Ok(Self {
            connection: Connection::with_capacity(storage, template.start(), config.connection()),
            template,
            coverage: Coverage::new(now),
            policy: RetryPolicy::new(Backoff::new(config.backoff, seed)),
            clock: WallClock::new(now, unix),
            state: State::Waiting { retry_at: now, pending: Pending::NONE },
            outcome: None,
            peer_addr: None,
            is_paused: false,
            is_stopping: false,
        })
    }

    /// Returns the request's unsent bytes. They contain the token: never log them.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        match self.state {
            State::Writing { sent, length, .. } => &self.connection.storage()[sent..length],
            _ => &[],
        }
    }

    /// Returns the counts of bytes received on the current connection, by use.
    #[must_use]
    pub const fn byte_counts(&self) -> &ByteCounts {
        self.connection.byte_counts()
    }

    /// Returns true from the head of a stream until its connection is closed.
    #[must_use]
    pub const fn is_streaming(&self) -> bool {
        self.state.stream().is_some()
    }

    /// Returns the time before which every Post created has been delivered, in the server's time.
    /// This would be [`Disconnected::gap_from`] if the connection were lost now. After a gap, it
    /// stays at the gap's start until backfill is complete. Returns `None` before the first stream.
    #[must_use]
    pub fn covered_until(&self) -> Option<UnixTime> {
        self.coverage.covered_until(self.clock)
    }

    /// Continues a stream of an earlier process, which had delivered every Post created before
    /// `covered_until`, or reported it as missing. The first stream then reports the gap from that
    /// time on, and requests backfill for it. Call it before the first step. `now` as for the other
    /// methods.
    pub fn resume_from(&mut self, covered_until: UnixTime, now: Instant) {
        self.coverage.resume_from(covered_until, now);
    }

    /// Returns true if [`SessionEvent::Resumed`] or [`SessionEvent::Late`] is the next event.
    #[must_use]
    pub const fn has_notice(&self) -> bool {
        self.coverage.has_notice()
    }

    /// Returns the origin of messages that arrive now.
    fn origin(&self) -> Origin {
        if self.coverage.is_backfilling() { Origin::Backfill } else { Origin::Live }
    }

    /// Returns true if [`Self::handle_resume`] is due: events were delivered since input last
    /// arrived.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Returns the next step. It changes with every `handle_*` call, [`Self::decode`] and
    /// [`Self::shutdown`].
    #[must_use]
    pub fn poll(&self) -> Step {
        match self.state {
            _ if self.has_event() => Step::Event,
            State::Done { .. } => Step::Done,
            State::Waiting { .. } if self.is_stopping => Step::Done,
            State::Closing(_) => Step::Close,
            _ if self.is_stopping => Step::Close,
            State::Waiting { retry_at, .. } => Step::Sleep { until: retry_at },
            State::Connecting => Step::Connect { until: self.deadline() },
            State::Writing { .. } => Step::Write { until: self.deadline() },
            State::Responding { .. } | State::Streaming(_) => Step::Read { until: self.deadline() },
        }
    }

    /// Finds the next event and lends it: calls [`Self::scan`] and [`Self::lend`].
    #[inline]
    pub fn decode<'a>(&'a mut self, input: &'a [u8], now: Instant) -> (usize, Option<SessionEvent<'a>>) {
        let (consumed, event) = self.scan(input, now);
        (consumed, event.map(|event| self.lend(&event, input)))
    }

    /// Finds the next event in `input`, read at `now`. Returns the bytes consumed, and the event.
    ///
    /// Call it again with the rest of the input until it returns `None`. Then all input is
    /// consumed. Call [`Self::lend`] before the next call.
    pub fn scan(&mut self, input: &[u8], now: Instant) -> (usize, Option<ScannedSessionEvent>) {
        self.scan_or_leave::<false>(input, now)
    }

    /// Performs [`Self::scan`], but may leave an unfinished message at the end of `input`
    /// unconsumed, so that it does not have to be copied.
    ///
    /// If bytes of `input` are left when the event is `None`, start the next input with them, and
    /// add more. Alternatively, pass them to [`Self::take_left`]. That is required before a call of
    /// [`Self::scan`], [`Self::handle_eof`], [`Self::handle_transport_error`],
    /// [`Self::handle_timeout`] or [`Self::handle_closed`].
    /// [`Buffered`](crate::buffered::Buffered) does that.
    ///
    /// # Panics
    /// Panics if `input` is shorter than the bytes that were left.
    pub fn scan_partial(&mut self, input: &[u8], now: Instant) -> (usize, Option<ScannedSessionEvent>) {
        self.scan_or_leave::<true>(input, now)
    }

    /// Stores the bytes that [`Self::scan_partial`] left. `left` must be all of them, or empty.
    ///
    /// # Panics
    /// Panics if `left` is not empty, and its length is not the number of bytes that were left.
    pub fn take_left(&mut self, left: &[u8]) {
        self.connection.take_left(left);
    }

    // A call would copy the result, which is large.
    #[inline(always)]
    fn scan_or_leave<const MAY_LEAVE: bool>(
        &mut self,
        input: &[u8],
        now: Instant,
    ) -> (usize, Option<ScannedSessionEvent>) {
        let is_reading = self.state.is_reading();
        if is_reading && !input.is_empty() {
            self.begin_read(now);
        }
        if self.coverage.has_notice() {
            return (0, self.take_notice());
        }
        if !is_reading {
            let event = self.take_event();
            return (if event.is_some() { 0 } else { input.len() }, event);
        }
        // A call without input is not a read: it cannot show that everything sent has arrived.
        if input.is_empty()
            && now != self.coverage.read_at()
            && !self.connection.is_ending()
            && !self.connection.is_length_reached()
        {
            return (0, None);
        }
        let mut at = 0;
        loop {
            let start = at;
            let (consumed, found) = self.connection.scan_or_leave::<MAY_LEAVE>(&input[start..], now);
            at += consumed;
            self.judge_stream();
            let event = match found {
                Ok(None) => return (at, None),
                Ok(Some(ScannedConnectionEvent::Head)) => match self.begin_stream(now) {
                    Some(event) => event,
                    None => continue,
                },
                Ok(Some(ScannedConnectionEvent::Message(place))) => {
                    if start > 0 {
                        unreachable!("no message follows the head of a refusal");
                    }
                    self.message(place, input, now)
                }
                Ok(Some(ScannedConnectionEvent::KeepAlive)) => {
                    self.coverage.handle_keep_alive();
                    ScannedSessionEvent::KeepAlive
                }
                Ok(Some(ScannedConnectionEvent::Skipped { bytes })) => {
                    self.coverage.handle_skipped();
                    ScannedSessionEvent::Skipped { bytes }
                }
                Ok(Some(ScannedConnectionEvent::End { .. })) => {
                    // Bytes after the end do not belong to a response, and are counted as
                    // discarded.
                    let _ = self.connection.scan(&input[at..], now);
                    self.fail(DisconnectReason::Ended);
                    return (input.len(), None);
                }
                Err(error) => {
                    self.fail(DisconnectReason::of_error(error));
                    return (input.len(), None);
                }
            };
            self.is_paused = true;
            return (at, Some(event));
        }
    }

    /// Lends the event that [`Self::scan`] just found in `input`, the same slice.
    ///
    /// # Panics
    /// Panics if `input` is not the slice in which the event was found, or if another call
    /// overwrote the event.
    #[must_use]
    #[inline]
    pub fn lend<'a>(&'a self, event: &ScannedSessionEvent, input: &'a [u8]) -> SessionEvent<'a> {
        match event {
            ScannedSessionEvent::Message { place, class } => {
                SessionEvent::Message(self.lend_message(*place, *class, input))
            }
            event => self.lend_other(event),
        }
    }

    /// An event that is no message is large, and rare.
    #[cold]
    #[inline(never)]
    fn lend_other<'a>(&'a self, event: &ScannedSessionEvent) -> SessionEvent<'a> {
        event.lend(&self.connection, self.outcome.as_ref(), self.peer_addr)
    }

    /// Lends a message that [`Self::scan`] just found in `input`.
    #[inline]
    pub(crate) fn lend_message<'a>(
        &'a self,
        place: MessagePlace,
        class: Classification,
        input: &'a [u8],
    ) -> Message<'a> {
        Message::new(self.connection.lend_message(place, input), class).with_origin(self.origin())
    }

    /// Reports that the transport is connected.
    pub fn handle_connected(&mut self, now: Instant) {
        // A connect may complete just after the shutdown.
        if let (State::Connecting, false) = (self.state, self.is_stopping) {
            self.connection.handle_connected(now);
            let outage = self.coverage.outage(now, self.clock);
            let backfill_minutes = self.template.backfill_minutes(outage);
            let length = self.template.render(self.connection.storage_mut(), backfill_minutes);
            self.state = State::Writing { sent: 0, length, backfill_minutes };
        }
    }

    /// Reports that `count` bytes of [`Self::transmit`] were sent.
    pub fn handle_written(&mut self, count: usize, now: Instant) {
        let State::Writing { sent, length, backfill_minutes } = &mut self.state else { return };
        if self.is_stopping {
            return;
        }
        *sent = sent.saturating_add(count).min(*length);
        if sent < length {
            // A peer that accepts the request in small pieces does not extend the deadline.
            self.handle_timeout(now);
        } else {
            let backfill_minutes = *backfill_minutes;
            self.coverage.handle_request(now);
            self.is_paused = false;
            self.enter(State::Responding { backfill_minutes });
        }
    }

    /// Reports that the read at `now` filled its buffer. Call it before or after the bytes are
    /// decoded. More input was waiting, so a gap may start before that read. Without this call,
    /// gaps are reported too short if reads fill their buffers.
    pub fn handle_backlog(&mut self, now: Instant) {
        self.begin_read(now);
        self.coverage.handle_backlog();
    }

    /// Reports that the driver waits for input again, at `now`. The time since the last input was
    /// spent on its events, so it does not count toward the idle timeout or a message's deadline. If
    /// it was more than a second, input that is read within the next second has waited, and a gap
    /// may start earlier.
    pub fn handle_resume(&mut self, now: Instant) {
        if self.is_paused {
            self.is_paused = false;
            self.connection.handle_pause(now.saturating_since(self.coverage.read_at()));
            self.coverage.handle_resume(now);
        }
    }

    /// Reports that the peer closed the transport, after all input.
    pub fn handle_eof(&mut self, _now: Instant) {
        if self.state.is_open() {
            let closed = self.connection.handle_eof();
            // A last message is delivered before the end.
            if !self.connection.is_ending() {
                self.fail(DisconnectReason::of_close(closed));
            }
        }
    }

    /// Reports that the transport failed.
    pub fn handle_transport_error(&mut self, fault: TransportError, _now: Instant) {
        if self.state.is_open() || matches!(self.state, State::Connecting) {
            self.fail(DisconnectReason::Transport(fault));
        }
    }

    /// Reports that the time is `now`, and that the step's operation has not completed. Does
    /// nothing if `now` is before the deadline.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            // A pending event borrows data that the next attempt would overwrite.
            _ if self.has_event() => {}
            State::Waiting { retry_at, .. } if now >= retry_at && !self.is_stopping => {
                self.connection.handle_connecting(now);
                self.state = State::Connecting;
            }
            State::Connecting | State::Writing { .. } | State::Responding { .. } | State::Streaming(_) => {
                if let Timeout::Expired(reason) = self.connection.handle_timeout(now) {
                    self.fail(DisconnectReason::Timeout(reason));
                }
            }
            _ => {}
        }
    }

    /// Reports that the transport is closed, and decides the next step after the failure.
    pub fn handle_closed(&mut self, now: Instant) {
        match self.state {
            _ if self.is_stopping => {
                self.coverage.handle_closed(self.clock);
                self.enter(State::Done { pending: self.state.pending() });
            }
            State::Closing(failure) => self.settle(failure, now),
            _ => {}
        }
    }

    /// Sets the wall clock: it reads `unix` at `now`. Call it at each connect, because clocks drift
    /// apart over months. Read `now` first, so that a wait between the two readings does not make a
    /// gap end too early.
    pub fn set_wall_clock(&mut self, now: Instant, unix: UnixTime) {
        self.clock = WallClock::new(now, unix);
    }

    /// Sets the address that the transport connected to or tried, for [`Connected`],
    /// [`Disconnected`] and [`GaveUp`]. Call it before [`Self::handle_connected`] and
    /// [`Self::handle_closed`]. Optional: it changes only those events.
    pub fn set_peer_addr(&mut self, address: Option<SocketAddr>) {
        self.peer_addr = address;
    }

    /// Ends the session: closes the connection and does not reconnect. Pending events are still
    /// delivered.
    pub fn shutdown(&mut self) {
        self.is_stopping = true;
    }

    /// Changes the state, and wipes the request once it is sent or given up.
    fn enter(&mut self, state: State) {
        if let State::Writing { length, .. } = self.state {
            RequestTemplate::wipe_copy(self.connection.storage_mut(), length);
        }
        self.state = state;
    }

    fn has_event(&self) -> bool {
        self.coverage.has_notice() || self.state.has_event() || self.connection.is_ending()
    }

    /// Removes and returns a pending event about the end of a connection.
    #[cold]
    fn take_event(&mut self) -> Option<ScannedSessionEvent> {
        Some(match self.state.take_event()? {
            PendingEvent::Refused(refusal) => ScannedSessionEvent::Refused(refusal),
            PendingEvent::Outcome(outcome) => {
                self.outcome = Some(outcome);
                ScannedSessionEvent::Ended
            }
        })
    }

    /// Removes and returns a pending event of the stream. These are delivered before the events
    /// about its end.
    #[cold]
    fn take_notice(&mut self) -> Option<ScannedSessionEvent> {
        self.coverage.take_notice().map(ScannedSessionEvent::from)
    }

    fn deadline(&self) -> Instant {
        self.connection.poll_timeout().expect("a deadline runs until the connection is over").at
    }

    fn begin_read(&mut self, now: Instant) {
        self.coverage.handle_read(now, self.connection.is_between_messages());
    }

    /// Handles content. It may make the stream healthy, or show that backfill is complete.
    #[inline]
    fn judge_stream(&mut self) {
        let State::Streaming(stream) = &mut self.state else { return };
        if stream.health.is_healthy() && !self.coverage.is_backfilling() {
            return;
        }
        // The close may complete a last message. Its bytes arrived with the last read.
        let (completed, read_at) = (self.connection.byte_counts().completed(), self.coverage.read_at());
        if stream.health.handle_content(completed, read_at) {
            self.policy.handle_healthy();
            self.coverage.handle_healthy();
        }
        self.coverage.handle_content();
    }

    /// Begins a stream with the received head. If the head is that of a refusal, its document is
    /// read next.
    #[cold]
    fn begin_stream(&mut self, now: Instant) -> Option<ScannedSessionEvent> {
        let State::Responding { backfill_minutes } = self.state else {
            unreachable!("a connection has one head");
        };
        let head = self.connection.lend_head();
        if !(200..300).contains(&head.status()) {
            self.connection.collect_document(now);
            return None;
        }
        let date = head.parsed().date;
        let gap = self.coverage.handle_stream_begun(now, self.clock, date, backfill_minutes);
        let (server_earliest, server_latest) = self.coverage.begun().unwrap_or_default();
        self.state = State::Streaming(Established { health: Health::new(now), announcement: None });
        Some(ScannedSessionEvent::Connected { gap, server_earliest, server_latest })
    }

    /// Handles a message at `place`, in `input` or in the storage.
    #[inline(always)]
    fn message(&mut self, place: MessagePlace, input: &[u8], now: Instant) -> ScannedSessionEvent {
        let State::Streaming(stream) = &mut self.state else {
            unreachable!("messages follow the head of a stream");
        };
        let bytes = self.connection.lend_message(place, input);
        let class = classify(bytes);
        if class.kind == Kind::Array {
            self.coverage.handle_array(bytes);
        } else {
            self.coverage.handle_message(class.post_id);
        }
        if let Some(announcement) = Announcement::read(&class.kind, now) {
            stream.announcement = Some(announcement);
            self.connection.handle_announcement(now);
        } else if let Some(announcement) = &mut stream.announcement {
            if announcement.handle_message(bytes, &class) {
                self.connection.handle_announcement_void();
            }
        }
        ScannedSessionEvent::Message { place, class }
    }

    /// Ends the connection for `reason`, or for the refusal whose error document was read. The
    /// connection is closed before any further step.
    #[cold]
    fn fail(&mut self, reason: DisconnectReason) {
        let (reason, undelivered) = match self.connection.document() {
            Some((head, document)) => (DisconnectReason::Refused(refusal::read(head.parsed(), document)), 0),
            None => (reason, self.connection.byte_counts().discarded + self.connection.buffered()),
        };
        self.connection.handle_closed();
        let stream = self.state.stream().copied();
        let asked_backfill = matches!(self.state, State::Responding { backfill_minutes: 1.. });
        self.enter(State::Closing(Failure { reason, undelivered, stream, asked_backfill }));
    }

    /// Decides the next step after a failure, once the connection is closed.
    fn settle(&mut self, failure: Failure, now: Instant) {
        self.coverage.handle_closed(self.clock);
        let announcement = failure.announcement(now, self.connection.config().timeouts.disconnect);
        let is_backfill_refusal = failure.asked_backfill && is_backfill_refusal(&failure.reason);
        if is_backfill_refusal {
            self.template.disable_backfill();
        }
        let retry = self.policy.handle_ended(Ended {
            reason: &failure.reason,
            was_streaming: failure.stream.is_some(),
            advice: announcement.map(|announcement| announcement.advice),
            head: self.connection.head(),
            at: self.coverage.server_time(now, self.clock),
        });
        // Without backfill the same request may be accepted.
        let retry = if is_backfill_refusal { Some(Retry::IMMEDIATE) } else { retry };
        let announced = announcement.map(|announcement| announcement.kind);
        let gap_from = self.coverage.gap_from(self.clock);
        self.state = failure.next_state(retry, announced, gap_from, self.peer_addr, now);
    }
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Drop for Session<S> {
    /// Wipes the token, because the storage may outlive the session.
    fn drop(&mut self) {
        self.enter(State::Done { pending: Pending::NONE });
        self.template.wipe(self.connection.storage_mut());
    }
}

const _: () = assert!(size_of::<Session<&mut [u8]>>() <= 2_048);

impl<S: AsRef<[u8]> + AsMut<[u8]>> fmt::Debug for Session<S> {
    /// Omits the storage, which contains the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("state", &self.state)
            .field("byte_counts", self.byte_counts())
            .finish_non_exhaustive()
    }
}
