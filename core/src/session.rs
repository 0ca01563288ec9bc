//! Connect, stream, back off, reconnect: one stream for months.
//!
//! ```text
//!            .-----------------------------------------------------------------.
//!            v                                                                 |
//!   Sleep -> Connect -> Write -> Read ... Read -> Close -> Event(Disconnected) -'   -> Done, after Event(GaveUp)
//!                                 |  ^                                                 or shutdown
//!                                 v  |
//!                                Event (Connected, Message, KeepAlive, Skipped)
//! ```
//!
//! `examples/own_loop.rs` carries out every step by hand.
//!
//! A session says one thing at a time ([`Session::poll`], a `Copy` [`Step`]), is told what came of it (`handle_*`), and
//! lends events. Asking twice changes nothing. It owns no read buffer (many sessions may share one): whoever reads
//! gives the bytes to [`Session::decode`] until that answers `None`, before any other `handle_*`.
//!
//! The rules, all from X's page on handling disconnections unless said otherwise:
//!
//! - After a drop of an established stream the first reconnect is immediate; if that fails, [`Backoff`] decides by the
//!   class of the failure. The immediate one is spent by a drop and given back, and the schedules start over, only when
//!   a stream was healthy: content octets received 20 s or more after its head. A server that accepts and closes is
//!   thus backed off from.
//! - 429 is told apart by body before fields; a window's reset is waited for; a reset or `Retry-After` more than 24 h
//!   ahead is not believed, and reported.
//! - 401, 403 and every other refusal that asking again cannot cure end the session with their cause.
//! - What was received whole before a fault is delivered before the fault is reported, and the connection is closed
//!   before the [`Disconnected`] event, so that a slow consumer does not hold a slot at the server.
//! - A gap is reported from the last moment at which everything sent had been read, to the next stream's beginning. With
//!   backfill it stays open, and is asked for again at the next reconnect, until the stream is healthy and backfill is
//!   through: a Post newer than the stream's beginning has come (backfill sends older ones first), or two keep-alives in
//!   a row, or all that was sent in five minutes has been read.

use core::fmt;
use core::time::Duration;

mod cause;
mod config;
mod event;
mod refusal;
mod tls;

pub use cause::{Cause, Fault, FaultKind, Refusal, RefusalKind};
pub use config::{ConfigError, SessionConfig};
pub use event::{Connected, Disconnected, Gap, GaveUp, Message, RawEvent, Refused, SessionEvent};
pub use tls::TlsFault;

use crate::backoff::{Backoff, Delay};
use crate::endpoint::Spelling;
use crate::http::head::{ResponseHead, RetryAfter};
use crate::http::request::{Method, Request, TargetEnd, decimal};
use crate::liveness::Timeout;
use crate::stream::connection::{Closed, Connection, ConnectionConfig, ErrorKind, Event, Octets, Raw};
use crate::stream::framing::Place;
use crate::stream::message::{Class, Kind, PostId, classify, elements};
use crate::time::{Instant, UnixTime};
use cause::Verdict;
use refusal::Return;

/// How long content must keep coming after the head for a stream to count as healthy.
pub const HEALTHY_AFTER: Duration = Duration::from_secs(20);

/// A reset or `Retry-After` further ahead than this is not believed.
pub const RESET_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Added to a gap at its start: what a message may have travelled before it was read.
const GAP_MARGIN: Duration = Duration::from_secs(1);

/// The least wait while a subscription is provisioned: the service says "in a minute".
const PROVISIONING_MIN: Duration = Duration::from_secs(60);

/// Added to what is asked for again: the server counts back from when it gets the request.
const BACKFILL_MARGIN: Duration = Duration::from_secs(5);

/// Backfill counts as through when everything sent in so long has been read, whatever it was.
const BACKFILL_TAKES_MAX: Duration = Duration::from_secs(5 * 60);

/// The most minutes that backfill goes back (X docs, recovery and redundancy).
const BACKFILL_MINUTES_MAX: u8 = 5;

/// What must happen next. Exhaustive on purpose: a driver must carry out each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a driver must carry out each")]
pub enum Step {
    /// Resolve the origin's host anew, connect to an address that
    /// [`Origin::allows`](crate::http::origin::Origin::allows), and say [`Session::handle_connected`]; or a fault; or,
    /// once `until` has passed, [`Session::handle_timeout`]. A good moment for [`Session::set_wall_clock`].
    Connect {
        /// When to give up.
        until: Instant,
    },
    /// Send [`Session::transmit`] and say how much of it went out.
    Write {
        /// When to give up.
        until: Instant,
    },
    /// Read, and give what came to [`Session::decode`] until that answers `None`. Try first and look at the clock after:
    /// where nothing is there, say [`Session::handle_timeout`] if `until` has passed, and else wait, having said
    /// [`Session::handle_resume`]. Say [`Session::handle_backlog`] of a read that filled its buffer.
    Read {
        /// When to say [`Session::handle_timeout`].
        until: Instant,
    },
    /// Wait, then say [`Session::handle_timeout`].
    Sleep {
        /// For how long.
        until: Instant,
    },
    /// Close what is open or under way, and say [`Session::handle_closed`].
    Close,
    /// An event waits: [`Session::decode`] lends it, with no input if there is none.
    Event,
    /// The session is over.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting {
        until: Instant,
    },
    Connecting,
    /// The request lies at the front of the storage; so much of it is sent.
    Writing {
        sent: usize,
        length: usize,
    },
    Reading,
    Closing,
    Done,
}

/// How the connection stands that is over.
#[derive(Clone, Copy, Debug)]
struct Failure {
    cause: Cause,
    undelivered: u64,
}

/// The request as it lies at the end of the storage.
#[derive(Clone, Copy, Debug)]
struct Template {
    start: usize,
    length: usize,
    target_end: TargetEnd,
}

/// Where a gap starts, by both clocks: either may have been wrong, or stood still, in between.
#[derive(Clone, Copy, Debug)]
struct GapStart {
    unix: UnixTime,
    at: Instant,
}

/// A disconnect that the server announced in the stream.
#[derive(Clone, Copy, Debug)]
struct Announced {
    kind: Kind,
    how: Return,
    at: Instant,
    /// A Post came behind it: the stream goes on, unless the close follows soon all the same.
    void: bool,
}

/// What the current stream has shown of itself.
#[derive(Clone, Copy, Debug)]
struct Established {
    head_at: Instant,
    /// Content octets so far, until the stream is healthy.
    content: u64,
    healthy: bool,
    /// Posts from before this moment are being sent again: when it began.
    backfilling: Option<UnixTime>,
    /// Keep-alives since the last message.
    keep_alives: u8,
}

/// One stream for months. `S` is the storage: `Vec<u8>`, `Box<[u8]>`, `[u8; N]`, `&mut [u8]`.
pub struct Session<S: AsRef<[u8]> + AsMut<[u8]>> {
    connection: Connection<S>,
    state: State,
    template: Template,
    backfill: Option<Spelling>,
    backoff: Backoff,
    immediate: bool,
    stopping: bool,

    established: Option<Established>,
    announced: Option<Announced>,
    failure: Option<Failure>,
    /// Events that come from no input: a refusal, then what follows from the failure.
    refusal: Option<Refusal>,
    outcome: Option<RawEvent>,

    /// The wall clock and the monotonic one at the same moment.
    clocks: (UnixTime, Instant),
    /// When input last came, and whether more was waiting then.
    read_at: Instant,
    backlog: bool,
    /// Events were handed out since.
    paused: bool,
    /// The last read before this one that emptied the transport; whether a message ended, or none had begun, since it.
    emptied: Instant,
    boundary: bool,
    /// Everything sent before was delivered.
    caught_up: Instant,
    /// The moment from which Posts may be missing, while that is open.
    gap: Option<GapStart>,
    backfill_minutes: u8,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Session<S> {
    /// A session that connects at its first steps. `storage` is as long as [`SessionConfig::storage_bytes`] says at
    /// least; `seed` decides the jitter; `now` and `unix` are the same moment on both clocks.
    ///
    /// # Errors
    /// [`ConfigError`] where the request is not well-formed or the storage too short.
    pub fn new(
        mut storage: S,
        config: &SessionConfig<'_>,
        seed: u64,
        now: Instant,
        unix: UnixTime,
    ) -> Result<Self, ConfigError> {
        let needed = config.storage_bytes();
        let room = storage.as_ref().len();
        if room < needed {
            return Err(ConfigError::Storage { needed });
        }
        let mut request = Request::new(Method::Get, config.authority(), config.endpoint.path);
        request.token = config.token;
        request.user_agent = config.user_agent;
        request.query = config.query;
        let local_dc_only: &[_] = if config.local_dc_only && config.endpoint.local_dc_only {
            &[("localDcOnly", "true")]
        } else {
            &[]
        };
        let start = config.request_start();
        let (length, target_end) = request
            .write_with(local_dc_only, &mut storage.as_mut()[start..needed])
            .map_err(ConfigError::Request)?;

        let connection = ConnectionConfig {
            delimiter: config.endpoint.delimiter,
            message_bytes_max: config.message_bytes_max,
            head: config.head,
            chunk: config.chunk,
            timeouts: config.timeouts,
        };
        Ok(Self {
            connection: Connection::with_capacity(storage, start, connection),
            state: State::Waiting { until: now },
            template: Template { start, length, target_end },
            backfill: config.endpoint.backfill.filter(|_| config.backfill),
            backoff: Backoff::new(config.backoff, seed),
            immediate: true,
            stopping: false,
            established: None,
            announced: None,
            failure: None,
            refusal: None,
            outcome: None,
            clocks: (unix, now),
            read_at: now,
            backlog: false,
            paused: false,
            emptied: now,
            boundary: true,
            caught_up: now,
            gap: None,
            backfill_minutes: 0,
        })
    }

    /// What must happen next. Its answer changes with every `handle_*` call, [`Self::decode`] and [`Self::shutdown`].
    #[must_use]
    pub fn poll(&self) -> Step {
        if self.refusal.is_some() || self.outcome.is_some() {
            return Step::Event;
        }
        let until = || self.connection.poll_timeout().map_or(Instant::ZERO, |deadline| deadline.at);
        match self.state {
            State::Done => Step::Done,
            State::Waiting { .. } if self.stopping => Step::Done,
            State::Closing => Step::Close,
            _ if self.stopping => Step::Close,
            State::Waiting { until } => Step::Sleep { until },
            State::Connecting => Step::Connect { until: until() },
            State::Writing { .. } => Step::Write { until: until() },
            State::Reading => Step::Read { until: until() },
        }
    }

    /// The bytes of the request that are still to be sent. They hold the token: never log them.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        match self.state {
            State::Writing { sent, length } => &self.connection.storage()[sent..length],
            _ => &[],
        }
    }

    /// What became of the octets received on the current connection.
    #[must_use]
    pub const fn octets(&self) -> &Octets {
        self.connection.octets()
    }

    /// Whether a stream is established: its head has come and it has not ended.
    #[must_use]
    pub const fn is_streaming(&self) -> bool {
        self.established.is_some()
    }

    /// Up to when everything sent has been delivered, a second of travel allowed for: what [`Disconnected::gap_from`] would
    /// be if the connection were lost now, or was when it was lost. Earlier, after a gap, while backfill is not through.
    /// `None` before the first stream.
    #[must_use]
    pub fn covered_until(&self) -> Option<UnixTime> {
        if self.established.is_some() && self.gap.is_none() {
            return Some(self.unix(self.caught_up).saturating_sub(GAP_MARGIN));
        }
        self.gap_from()
    }

    /// Whether events were handed out since input last came: then say [`Self::handle_resume`] before waiting for more.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Finds the next event in `input`, read at `now`, and lends it: [`Self::scan`] and [`Self::lend`] in one.
    pub fn decode<'a>(&'a mut self, input: &'a [u8], now: Instant) -> (usize, Option<SessionEvent<'a>>) {
        let (consumed, event) = self.scan(input, now);
        (consumed, event.map(|event| self.lend(event, input)))
    }

    /// Finds the next event in `input`, read at `now`: the number of octets consumed, and the event.
    ///
    /// Call again with the rest of the input until the answer is `None`: then all of it is consumed. Call
    /// [`Self::lend`] before the next call.
    pub fn scan(&mut self, input: &[u8], now: Instant) -> (usize, Option<RawEvent>) {
        if let Some(event) = self.take_event() {
            return (0, Some(event));
        }
        // No input at a new moment is no read, and says nothing about what a read would find.
        if self.state != State::Reading || (input.is_empty() && now != self.read_at) {
            return (input.len(), None);
        }
        // A call without input is no read: silence does not show that everything sent has come.
        if now > self.read_at && !input.is_empty() {
            self.begin_read(now);
        }
        let mut at = 0;
        loop {
            let (consumed, found) = self.connection.scan(&input[at..], now);
            at += consumed;
            if self.established.is_some_and(|stream| !stream.healthy || stream.backfilling.is_some()) {
                self.judge_health(now);
            }
            match found {
                Ok(None) => return (at, None),
                Ok(Some(Raw::Head)) => {
                    if let Some(event) = self.begin_stream(now) {
                        return (at, Some(event));
                    }
                }
                Ok(Some(Raw::Message(place))) => {
                    self.paused = true;
                    self.boundary = true;
                    return (at, Some(self.message(place, &input[at - consumed..], at - consumed, now)));
                }
                Ok(Some(Raw::KeepAlive)) => {
                    self.paused = true;
                    self.boundary = true;
                    self.keep_alive();
                    return (at, Some(RawEvent::KeepAlive));
                }
                Ok(Some(Raw::Skipped { bytes })) => {
                    self.paused = true;
                    self.boundary = true;
                    return (at, Some(RawEvent::Skipped { bytes }));
                }
                Ok(Some(Raw::End { .. })) => {
                    // What follows the end is no response's, and is counted as discarded.
                    let _ = self.connection.scan(&input[at..], now);
                    if self.connection.document().is_some() {
                        self.refuse();
                    } else {
                        self.fail(Cause::Ended);
                    }
                    return (input.len(), None);
                }
                Err(error) => {
                    let cause = match error.kind {
                        ErrorKind::Timeout(reason) => Cause::Timeout(reason),
                        _ => Cause::Protocol(error),
                    };
                    self.fail(cause);
                    return (input.len(), None);
                }
            }
        }
    }

    /// Lends the event that [`Self::scan`] just found in `input`, the same slice.
    ///
    /// # Panics
    /// Where `input` is shorter than the slice in which the event was found.
    #[must_use]
    pub fn lend<'a>(&'a self, event: RawEvent, input: &'a [u8]) -> SessionEvent<'a> {
        match event {
            RawEvent::Connected { gap, backfill_minutes } => match self.connection.lend(Raw::Head, input) {
                Event::Head(head) => SessionEvent::Connected(Connected { head, gap, backfill_minutes }),
                // Not met: the head is there as soon as its event is.
                _ => SessionEvent::KeepAlive,
            },
            RawEvent::Message { place, class } => match self.connection.lend(Raw::Message(place), input) {
                Event::Message(bytes) => SessionEvent::Message(Message { bytes, class }),
                // Not met: a message is lent as one.
                _ => SessionEvent::KeepAlive,
            },
            RawEvent::KeepAlive => SessionEvent::KeepAlive,
            RawEvent::Skipped { bytes } => SessionEvent::Skipped { bytes },
            RawEvent::Refused(refusal) => match self.connection.document() {
                Some((head, document)) => SessionEvent::Refused(Refused { refusal, head, document }),
                // Not met: a refusal is read from its document.
                None => SessionEvent::KeepAlive,
            },
            RawEvent::Disconnected(disconnected) => SessionEvent::Disconnected(disconnected),
            RawEvent::GaveUp(gave_up) => SessionEvent::GaveUp(gave_up),
        }
    }

    /// The wall clock reads `unix` at `now`. Worth saying at each connect: clocks drift apart over months. Read `now` first, so that a
    /// wait between the two readings makes no gap end too early.
    pub fn set_wall_clock(&mut self, now: Instant, unix: UnixTime) {
        self.clocks = (unix, now);
    }

    /// A read is waited for again, at `now`: the time since the last input was spent on its events, and counts neither
    /// as silence nor against a message's deadline.
    pub fn handle_resume(&mut self, now: Instant) {
        if self.paused {
            self.paused = false;
            self.connection.handle_pause(now.saturating_since(self.read_at));
        }
    }

    /// The read at `now` filled its buffer, so that more was waiting: should the connection be lost, a gap may start
    /// before that read. Say so before or after its bytes are decoded; without it a gap is reported too short where
    /// reads fill their buffers.
    pub fn handle_backlog(&mut self, now: Instant) {
        if now > self.read_at {
            self.begin_read(now);
        }
        self.backlog = true;
    }

    /// The transport is there.
    pub fn handle_connected(&mut self, now: Instant) {
        if self.state == State::Connecting {
            self.connection.handle_connected(now);
            let length = self.render_request(now);
            self.state = State::Writing { sent: 0, length };
        }
    }

    /// So many octets of [`Self::transmit`] went out.
    pub fn handle_written(&mut self, count: usize, now: Instant) {
        let State::Writing { sent, length } = self.state else { return };
        let sent = length.min(sent.saturating_add(count));
        if sent < length {
            self.state = State::Writing { sent, length };
            // A peer that takes the request bit by bit does not outrun the deadline.
            self.handle_timeout(now);
        } else {
            // The answer may be read late, and what came behind it be lost: nothing was missed before it was asked for.
            self.caught_up = now;
            self.emptied = now;
            self.boundary = true;
            self.read_at = now;
            self.backlog = false;
            self.paused = false;
            self.enter(State::Reading);
        }
    }

    /// The peer has closed the transport, behind all input that was given.
    pub fn handle_eof(&mut self, _now: Instant) {
        if !self.is_open() {
            return;
        }
        if self.connection.document().is_some() {
            return self.refuse();
        }
        let cause = match self.connection.handle_eof() {
            Closed::Complete | Closed::CompleteByClose { .. } => Cause::Ended,
            Closed::Cut { .. } => Cause::Cut,
            Closed::CutInHead { .. } => Cause::CutInHead,
        };
        self.fail(cause);
    }

    /// The transport failed.
    pub fn handle_fault(&mut self, fault: Fault, _now: Instant) {
        if self.connection.document().is_some() && self.state == State::Reading {
            return self.refuse();
        }
        if self.is_open() || self.state == State::Connecting {
            self.fail(Cause::Fault(fault));
        }
    }

    /// The transport is closed: what follows from the failure is decided now.
    pub fn handle_closed(&mut self, now: Instant) {
        if self.stopping {
            self.failure = None;
            self.leave_stream();
            self.enter(State::Done);
        } else if let Some(failure) = self.failure.take() {
            self.settle(failure, now);
        }
    }

    /// It is `now`, and what the step asked for has not happened. Too early is without effect.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            // An event that is not taken yet is lent from what the next attempt would overwrite.
            _ if self.refusal.is_some() || self.outcome.is_some() => {}
            State::Waiting { until } if now >= until && !self.stopping => {
                self.connection.handle_connecting(now);
                self.state = State::Connecting;
            }
            State::Connecting | State::Writing { .. } | State::Reading => {
                if let Timeout::Expired(reason) = self.connection.handle_timeout(now) {
                    if self.connection.document().is_some() {
                        return self.refuse();
                    }
                    self.fail(Cause::Timeout(reason));
                }
            }
            _ => {}
        }
    }

    /// Ends the session: whatever is open is closed, nothing is opened any more. Events that wait are still lent.
    pub fn shutdown(&mut self) {
        self.stopping = true;
    }

    /// Changes the state. The token, once its request is sent or given up, stays nowhere near where messages will lie.
    fn enter(&mut self, state: State) {
        if let State::Writing { length, .. } = self.state {
            self.connection.storage_mut()[..length].fill(0);
        }
        self.state = state;
    }

    const fn is_open(&self) -> bool {
        matches!(self.state, State::Writing { .. } | State::Reading)
    }

    fn unix(&self, now: Instant) -> UnixTime {
        let (unix, then) = self.clocks;
        if now >= then {
            unix.saturating_add(now.saturating_since(then))
        } else {
            unix.saturating_sub(then.saturating_since(now))
        }
    }

    fn take_event(&mut self) -> Option<RawEvent> {
        if let Some(refusal) = self.refusal.take() {
            return Some(RawEvent::Refused(refusal));
        }
        self.outcome.take()
    }

    /// New input has come. Where the read before had emptied the transport, whatever it did not bring was sent later; and
    /// what it brought the beginning of, after the one before that.
    fn begin_read(&mut self, now: Instant) {
        let is_between = self.connection.buffered() == 0;
        if !self.backlog {
            if is_between {
                self.caught_up = self.read_at;
            } else if self.boundary {
                self.caught_up = self.caught_up.max(self.emptied);
            }
            self.emptied = self.read_at;
        }
        self.boundary = is_between;
        self.backlog = false;
        self.read_at = now;
    }

    /// The head has come: of a stream, or of a refusal whose document is read next.
    fn begin_stream(&mut self, now: Instant) -> Option<RawEvent> {
        let status = self.connection.head().map_or(0, |head| head.status);
        if !(200..300).contains(&status) {
            self.connection.collect_document(now);
            return None;
        }
        self.paused = true;
        let unix = self.unix(now);
        // By whichever clock is ahead, the server's or ours, and a second for the one that tells seconds only.
        let server = self.connection.head().and_then(|head| head.date).unwrap_or_default();
        let begun = unix.max(server).saturating_add(Duration::from_secs(1));
        let backfilling = Some(begun).filter(|_| self.backfill_minutes > 0);
        self.established =
            Some(Established { head_at: now, content: 0, healthy: false, backfilling, keep_alives: 0 });
        let gap = self.gap_from().map(|from| Gap { from: from.min(unix), to: unix.rounded_up() });
        if backfilling.is_none() {
            // Nothing of it will come any more: told once, it is past. What is sent again may be cut, and stays open.
            self.gap = None;
        }
        Some(RawEvent::Connected { gap, backfill_minutes: self.backfill_minutes })
    }

    fn message(&mut self, place: Place, input: &[u8], offset: usize, now: Instant) -> RawEvent {
        let (bytes, place) = match place {
            Place::Input { start, end } => {
                (&input[start..end], Place::Input { start: start + offset, end: end + offset })
            }
            Place::Storage { length } => (&self.connection.storage()[..length], place),
        };
        let class = classify(bytes);
        if let Some(stream) = &mut self.established {
            stream.keep_alives = 0;
        }
        if let Some(how) = refusal::announced(&class.kind) {
            self.announced = Some(Announced { kind: class.kind, how, at: now, void: false });
            self.connection.handle_announcement(now);
        } else if let Some(announced) = &mut self.announced {
            // The stream goes on: the connection tells, not the text. But a queue may drain behind an announcement.
            if !announced.void && holds_post(bytes, &class) {
                announced.void = true;
                self.connection.handle_announcement_void();
            }
        }
        if let Some(Established { backfilling: Some(begun), healthy, .. }) = self.established {
            // A Post from after the stream began: those from before, which backfill sends first, have all come.
            if class.post_id.and_then(PostId::created_at) >= Some(begun) {
                if healthy {
                    self.gap = None;
                }
                self.established = self.established.map(|stream| Established { backfilling: None, ..stream });
            }
        }
        RawEvent::Message { place, class }
    }

    /// A server that sends keep-alives has nothing else to send: with the second in a row, backfill is through.
    fn keep_alive(&mut self) {
        if let Some(stream) = &mut self.established {
            stream.keep_alives = stream.keep_alives.saturating_add(1);
            if stream.keep_alives >= 2 {
                stream.backfilling = None;
                if stream.healthy {
                    self.gap = None;
                }
            }
        }
    }

    fn judge_health(&mut self, now: Instant) {
        let octets = self.connection.octets();
        let content = octets.received - octets.head - octets.framing - octets.discarded;
        let Some(stream) = &mut self.established else { return };
        let age = now.saturating_since(stream.head_at);
        if age >= HEALTHY_AFTER && content > stream.content && !stream.healthy {
            stream.healthy = true;
            self.immediate = true;
            self.backoff.reset();
        }
        stream.content = content;
        // As long as everything sent had been read by then.
        if self.caught_up.saturating_since(stream.head_at) >= BACKFILL_TAKES_MAX {
            stream.backfilling = None;
        }
        // What is still being sent again would be missing if the stream were cut now.
        if stream.healthy && stream.backfilling.is_none() {
            self.gap = None;
        }
    }

    /// The connection is over, for this cause; it is closed before anything else happens.
    fn fail(&mut self, cause: Cause) {
        let undelivered = match cause {
            Cause::Refused(_) => 0,
            _ => self.connection.octets().discarded + self.connection.buffered(),
        };
        self.connection.handle_closed();
        self.failure = Some(Failure { cause, undelivered });
        self.enter(State::Closing);
    }

    /// As much of an error document has come as ever will.
    fn refuse(&mut self) {
        let Some((head, document)) = self.connection.document() else { return };
        let refusal = refusal::read(head.parsed(), document);
        self.fail(Cause::Refused(refusal));
    }

    /// The stream, if there was one, is over: from when may Posts be missing?
    fn leave_stream(&mut self) -> bool {
        let established = self.established.take().is_some();
        if established && self.gap.is_none() {
            self.gap = Some(GapStart { unix: self.unix(self.caught_up), at: self.caught_up });
        }
        established
    }

    /// From when Posts may be missing: the earlier of what the wall clock said then and says of it now.
    fn gap_from(&self) -> Option<UnixTime> {
        self.gap.map(|start| start.unix.min(self.unix(start.at)).saturating_sub(GAP_MARGIN))
    }

    /// Decides what follows from a failure, the connection being closed.
    fn settle(&mut self, failure: Failure, now: Instant) {
        let Failure { cause, undelivered } = failure;
        let was_established = self.leave_stream();
        let grace = self.connection.config().timeouts.disconnect;
        let announced =
            self.announced.take().filter(|told| !told.void || now <= told.at.saturating_add(grace));
        if let Cause::Refused(refusal) = cause {
            self.refusal = Some(refusal);
        }
        let gap_from = self.gap_from();
        let class = match cause.verdict() {
            Verdict::Stop => {
                self.outcome = Some(RawEvent::GaveUp(GaveUp { cause, gap_from }));
                self.state = State::Done;
                return;
            }
            Verdict::Retry(class) => announced.map_or(class, |told| told.how.class),
        };
        let at_once = announced.is_none_or(|told| told.how.at_once);
        let mut reset_ignored = false;
        let delay = if was_established && at_once && self.immediate {
            self.immediate = false;
            Delay::NONE
        } else {
            let mut delay = self.backoff.next(class);
            if let Cause::Refused(refusal) = cause {
                if let Some(head) = self.connection.head() {
                    let (wait, ignored) = self.asked_to_wait(&refusal, head, now);
                    delay.length = delay.length.max(wait);
                    reset_ignored = ignored;
                }
                if refusal.kind == RefusalKind::Provisioning {
                    delay.length = delay.length.max(PROVISIONING_MIN);
                }
            }
            delay
        };
        let retry_at = now.saturating_add(delay.length);
        self.outcome = Some(RawEvent::Disconnected(Disconnected {
            cause,
            announced: announced.map(|told| told.kind),
            delay: delay.length,
            retry_at,
            at_ceiling: delay.at_ceiling,
            reset_ignored,
            gap_from,
            undelivered,
        }));
        self.state = State::Waiting { until: retry_at };
    }

    /// How long the server asks to wait, as far as that is believed: to the window's end where it is the window that is
    /// used up, and whatever `Retry-After` says. And whether it named a time that is not believed.
    fn asked_to_wait(&self, refusal: &Refusal, head: &ResponseHead, now: Instant) -> (Duration, bool) {
        let unix = self.unix(now);
        let reset = match refusal.kind {
            RefusalKind::WindowLimit => head.rate_limit.reset.map(|reset| reset.saturating_since(unix)),
            _ => None,
        };
        let retry_after = head.retry_after.map(|after| match after {
            RetryAfter::Seconds(seconds) => Duration::from_secs(seconds),
            RetryAfter::At(time) => time.saturating_since(unix),
        });
        let waits = [reset, retry_after].map(Option::unwrap_or_default);
        let believed = waits.into_iter().filter(|wait| *wait <= RESET_MAX).max().unwrap_or_default();
        (believed, waits.into_iter().any(|wait| wait > RESET_MAX))
    }

    /// Writes the request to the front of the storage, where no response lies yet, with the backfill that the gap
    /// calls for. Returns its length.
    fn render_request(&mut self, now: Instant) -> usize {
        let minutes = match (self.backfill, self.gap_from()) {
            (Some(_), Some(from)) => {
                backfill_minutes(self.unix(now).saturating_since(from).saturating_add(BACKFILL_MARGIN))
            }
            _ => 0,
        };
        self.backfill_minutes = minutes;
        let Template { start, length, target_end } = self.template;
        let (front, template) = self.connection.storage_mut().split_at_mut(start);
        let template = &template[..length];
        let mut written = 0;
        let mut put = |bytes: &[u8]| {
            front[written..written + bytes.len()].copy_from_slice(bytes);
            written += bytes.len();
        };
        put(&template[..target_end.at]);
        if let (Some(spelling), 1..) = (self.backfill, minutes) {
            put(if target_end.has_query { b"&" } else { b"?" });
            put(spelling.backfill().as_bytes());
            put(b"=");
            put(decimal(u64::from(minutes), &mut [0; 20]));
        }
        put(&template[target_end.at..]);
        written
    }
}

/// Whether a message is a Post, or an array of them.
fn holds_post(bytes: &[u8], class: &Class) -> bool {
    class.is_post()
        || class.kind == Kind::Array
            && elements(bytes).next().is_some_and(|first| first.is_ok_and(|first| classify(first).is_post()))
}

/// The minutes to ask for again after an outage: rounded up, 1 to 5 (X docs, recovery and redundancy).
fn backfill_minutes(outage: Duration) -> u8 {
    let minutes = outage.as_secs().saturating_add(u64::from(outage.subsec_nanos() > 0)).div_ceil(60);
    u8::try_from(minutes).unwrap_or(u8::MAX).clamp(1, BACKFILL_MINUTES_MAX)
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Drop for Session<S> {
    /// The storage held the token, and may live on.
    fn drop(&mut self) {
        let storage = self.connection.storage_mut();
        storage[self.template.start..].fill(0);
        if let State::Writing { length, .. } = self.state {
            storage[..length].fill(0);
        }
        // Keeps the writes, which nothing may ever read, from being optimised away.
        core::hint::black_box(storage);
    }
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> fmt::Debug for Session<S> {
    /// Leaves the storage out: it holds the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("state", &self.state)
            .field("established", &self.established)
            .field("octets", self.octets())
            .finish_non_exhaustive()
    }
}
