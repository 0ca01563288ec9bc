//! One bounded request and its answer: what the rules endpoints need, on a connection of their own.
//!
//! ```text
//!   Connect --> Write --> Read --> Close --> Done
//!      |          |        ^  |      ^
//!      |          '--fault-'  |      |        a server that refuses early may answer what it has not read
//!      '----------------------'------'
//! ```
//!
//! A machine of the same kind as [`Session`](crate::session::Session): it says what must happen next
//! ([`Exchange::poll`]), is told what came of it (`handle_*`), and lends the answer from the storage that the caller gave
//! it. It connects once and asks once. Whatever fails, [`RequestSent`] says whether the server may have had the request: a
//! change whose answer is lost may have been made, so it is never sent again blindly, by no one (X allows 50 requests
//! for rules a day, and an add that is repeated is answered as a duplicate).
//!
//! An answer that refuses counts as soon as its head is whole; what is missing of its document is left out
//! ([`Answer::is_complete`]). An answer that agrees counts when it is whole.

use core::fmt;
use core::time::Duration;

use super::body::Body;
use super::chunked::{ChunkErrorKind, ChunkLimits, ChunkSpan};
use super::head::{Head, HeadDecoder, HeadErrorKind, HeadLimits, ResponseHead};
use super::request::{Request, RequestError};
use crate::liveness::{Liveness, Timeout, TimeoutKind, Timeouts};
use crate::time::Instant;
use crate::transport_error::TransportError;

/// Bounds on an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeConfig {
    /// Resolving, connecting, proxy and TLS handshakes together. Default 10 s.
    pub connect: Duration,
    /// From the connection's start to the end of the answer's head, the request's writing included. Default 30 s: a
    /// hundred rules of 2,048 characters are checked before the head is sent.
    pub head: Duration,
    /// From the first step to the answer's last octet. Default 60 s.
    pub whole: Duration,
    /// Bounds on the head.
    pub head_limits: HeadLimits,
    /// Bounds on the chunked coding.
    pub chunk_limits: ChunkLimits,
    /// Most octets of the answer's body; the storage given is a bound as well. Default 16 MiB: 1,000 rules of 2,048
    /// characters, each of them six octets as JSON may escape it, and their tags.
    pub body_bytes_max: usize,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            head: Duration::from_secs(30),
            whole: Duration::from_secs(60),
            head_limits: HeadLimits::default(),
            chunk_limits: ChunkLimits::default(),
            body_bytes_max: 16 << 20,
        }
    }
}

/// What must happen next. Exhaustive on purpose: a driver must carry out each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a driver must carry out each")]
pub enum ExchangeStep {
    /// Resolve the origin's host, connect to an address that
    /// [`Origin::allows`](crate::http::origin::Origin::allows), and say [`Exchange::handle_connected`]; or a fault; or,
    /// once `until` has passed, [`Exchange::handle_timeout`].
    Connect {
        /// When to give up.
        until: Instant,
    },
    /// Send [`Exchange::transmit`] and say how much of it went out.
    Write {
        /// When to give up.
        until: Instant,
    },
    /// Read, and give what came to [`Exchange::handle_input`]. Try first and look at the clock after: `until` may have
    /// passed already.
    Read {
        /// When to say [`Exchange::handle_timeout`].
        until: Instant,
    },
    /// Close what is open or under way, and say [`Exchange::handle_closed`].
    Close,
    /// The exchange is over: [`Exchange::outcome`] has what came of it.
    Done,
}

/// How much of a request was given to the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there is no fourth case")]
pub enum RequestSent {
    /// Not an octet: the server knows nothing of it, and it may be sent anew.
    Nothing,
    /// Some of it. A server that keeps to HTTP does not act on that; it may have counted it.
    Partly,
    /// All of it: the server may have acted on it.
    Whole,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeError {
    /// What was wrong.
    pub kind: ExchangeErrorKind,
    /// Whether the server may have had the request.
    pub sent: RequestSent,
    /// The status of an answer that began and did not come whole.
    pub status: Option<u16>,
    /// ByteCounts of the answer before the point of failure.
    pub offset: u64,
}

impl ExchangeError {
    /// Whether the server may have acted on the request, so that what was asked for has to be looked at before it is
    /// asked for again.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        !matches!(self.sent, RequestSent::Nothing)
    }
}

/// What was wrong with an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExchangeErrorKind {
    /// The transport failed.
    TransportError(TransportError),
    /// A deadline passed.
    Timeout(TimeoutKind),
    /// The head is malformed or over a limit.
    Head(HeadErrorKind),
    /// The chunked coding of the body is broken.
    Chunk(ChunkErrorKind),
    /// The body is longer than [`ExchangeConfig::body_bytes_max`] or the storage.
    BodyLength,
    /// The server closed before the head of its answer had ended.
    CutInHead,
    /// The server closed within the body of its answer.
    Cut,
    /// [`Exchange::shutdown`] was called.
    Stopped,
}

impl ExchangeErrorKind {
    /// A short stable name for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TransportError(_) => "fault",
            Self::Timeout(reason) => reason.timeout_code(),
            Self::Head(kind) => kind.code(),
            Self::Chunk(kind) => kind.code(),
            Self::BodyLength => "body_length",
            Self::CutInHead => "cut_in_head",
            Self::Cut => "cut",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ExchangeErrorKind::TransportError(fault) => fault.fmt(f)?,
            ExchangeErrorKind::Timeout(reason) => f.write_str(reason.expected())?,
            ExchangeErrorKind::Head(kind) => {
                write!(f, "{} (at byte {} of the answer)", kind.expected(), self.offset)?;
            }
            ExchangeErrorKind::Chunk(kind) => {
                write!(f, "{} (at byte {} of the answer)", kind.expected(), self.offset)?;
            }
            ExchangeErrorKind::BodyLength => f.write_str("expected the answer to end within its limit")?,
            ExchangeErrorKind::CutInHead => {
                f.write_str("the server closed the connection before it had answered")?;
            }
            ExchangeErrorKind::Cut => f.write_str("the server closed the connection within its answer")?,
            ExchangeErrorKind::Stopped => f.write_str("stopped as asked")?,
        }
        if let Some(status) = self.status {
            write!(f, " (status {status})")?;
        }
        f.write_str(match self.sent {
            RequestSent::Nothing => "; nothing of the request was sent",
            RequestSent::Partly => "; the request was sent in part only",
            RequestSent::Whole => "; the request was sent, and what came of it is unknown",
        })
    }
}

impl core::error::Error for ExchangeError {}

/// The answer, lent from storage.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Answer<'a> {
    /// Its head.
    pub head: Head<'a>,
    /// Its body, without any transfer coding.
    pub body: &'a [u8],
    /// Whether the body came whole. An answer that agrees (2xx) always did; a body that cannot be
    /// read ([`Head::unread_body`]) never does.
    pub is_complete: bool,
    /// How much of the request was sent: a server may refuse before it has read all.
    pub sent: RequestSent,
}

impl fmt::Debug for Answer<'_> {
    /// Tells the body's length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("head", &self.head)
            .field("body", &self.body.len())
            .field("is_complete", &self.is_complete)
            .field("sent", &self.sent)
            .finish()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Writing,
    Reading,
    Closing,
    Done,
}

/// What came of it, once that is decided.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Answer { head: ResponseHead, is_complete: bool },
    Error(ExchangeError),
}

/// One request and its answer. `S` is the storage: `Vec<u8>`, `Box<[u8]>`, `[u8; N]`, `&mut [u8]`. It holds first the
/// request, head and body, then the answer's head and body, so it must have room for the longer of the two.
///
/// ```
/// use powerstream_core::http::{Exchange, ExchangeConfig, ExchangeStep};
/// use powerstream_core::http::{Method, Request};
/// use powerstream_core::time::Instant;
///
/// let now = Instant::ZERO;
/// let request = Request::new(Method::Post, "api.x.com", "/2/powerstream/rules");
/// let body = br#"{"rules":[{"value":"gull"}]}"#;
/// let mut exchange = Exchange::new([0; 1_024], &request, Some(body), ExchangeConfig::default(), now)?;
///
/// assert!(matches!(exchange.poll(), ExchangeStep::Connect { .. }));
/// exchange.handle_connected(now);
/// assert!(exchange.transmit().ends_with(body));
/// exchange.handle_written(exchange.transmit().len(), now);
///
/// assert!(matches!(exchange.poll(), ExchangeStep::Read { .. }));
/// exchange.handle_input(b"HTTP/1.1 201 Created\r\ncontent-le", now);
/// exchange.handle_input(b"ngth: 2\r\n\r\n{}", now);
/// assert_eq!(exchange.poll(), ExchangeStep::Close);
/// exchange.handle_closed();
///
/// let answer = exchange.outcome().unwrap().unwrap();
/// assert_eq!((answer.head.status(), answer.body), (201, b"{}".as_slice()));
/// # Ok::<(), powerstream_core::http::RequestError>(())
/// ```
pub struct Exchange<S: AsRef<[u8]> + AsMut<[u8]>> {
    storage: S,
    config: ExchangeConfig,
    state: State,
    outcome: Option<Outcome>,
    liveness: Liveness,
    whole_by: Instant,
    /// ByteCounts of the request, which lies at the front of the storage until it is sent or given up.
    length: usize,
    sent: usize,
    /// Why the request could not be sent whole, while an early answer is looked for.
    unsent: Option<ExchangeErrorKind>,
    head_decoder: HeadDecoder,
    head: Option<ResponseHead>,
    body: Body,
    /// ByteCounts of the body in storage, behind the head.
    content: usize,
    /// ByteCounts received.
    received: u64,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Exchange<S> {
    /// An exchange that connects at its first step. `body` is sent as JSON; the request's own
    /// [`json_bytes`](Request::json_bytes) and [`keep_alive`](Request::keep_alive) are not looked at: the connection
    /// is used once.
    ///
    /// # Errors
    /// [`RequestError`] where the request is not well-formed, or does not fit the storage.
    pub fn new(
        mut storage: S,
        request: &Request<'_>,
        body: Option<&[u8]>,
        config: ExchangeConfig,
        now: Instant,
    ) -> Result<Self, RequestError> {
        let mut request = *request;
        request.json_bytes = body.map(|body| body.len() as u64);
        request.keep_alive = false;
        let written = request.write(storage.as_mut()).and_then(|head| {
            let body = body.unwrap_or_default();
            let end = head.checked_add(body.len()).ok_or(RequestError::Length)?;
            storage.as_mut().get_mut(head..end).ok_or(RequestError::Length)?.copy_from_slice(body);
            Ok(end)
        });
        let length = match written {
            Ok(length) => length,
            Err(error) => {
                // It may hold the token.
                storage.as_mut().fill(0);
                return Err(error);
            }
        };
        let mut exchange = Self {
            storage,
            state: State::Connecting,
            outcome: None,
            liveness: Liveness::new(Timeouts::default()),
            whole_by: now.saturating_add(config.whole),
            length,
            sent: 0,
            unsent: None,
            head_decoder: HeadDecoder::new(config.head_limits),
            head: None,
            body: Body::new(super::body::BodyFraming::Empty, config.chunk_limits),
            content: 0,
            received: 0,
            config,
        };
        exchange.liveness = Liveness::new(exchange.timeouts(config.head, now));
        exchange.liveness.handle_connecting(now);
        Ok(exchange)
    }

    /// The deadlines from `now` on, none of them behind that of the whole.
    fn timeouts(&self, answer: Duration, now: Instant) -> Timeouts {
        let left = self.whole_by.saturating_since(now);
        Timeouts { connect: self.config.connect.min(left), head: answer.min(left), ..Timeouts::default() }
    }

    /// What must happen next. Its answer changes with every `handle_*` call and with [`Self::shutdown`].
    #[must_use]
    pub fn poll(&self) -> ExchangeStep {
        let until = self.liveness.poll_timeout().map_or(Instant::ZERO, |deadline| deadline.at);
        match self.state {
            State::Connecting => ExchangeStep::Connect { until },
            State::Writing => ExchangeStep::Write { until },
            // What a server answered before it stopped reading is there, or will never be.
            State::Reading if self.unsent.is_some() && self.received == 0 => {
                ExchangeStep::Read { until: Instant::ZERO }
            }
            State::Reading => ExchangeStep::Read { until },
            State::Closing => ExchangeStep::Close,
            State::Done => ExchangeStep::Done,
        }
    }

    /// The bytes of the request that are still to be sent. They hold the token: never log them.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        match self.state {
            State::Writing => &self.storage.as_ref()[self.sent..self.length],
            _ => &[],
        }
    }

    /// How much of the request was given to the transport so far.
    #[must_use]
    pub const fn sent(&self) -> RequestSent {
        if self.sent == 0 {
            RequestSent::Nothing
        } else if self.sent < self.length {
            RequestSent::Partly
        } else {
            RequestSent::Whole
        }
    }

    /// What came of it; `None` until that is decided, which it is from [`ExchangeStep::Close`] on.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<Answer<'_>, ExchangeError>> {
        Some(match self.outcome? {
            Outcome::Answer { head, is_complete } => {
                let (front, rest) = self.storage.as_ref().split_at(head.bytes);
                let body = &rest[..self.content];
                Ok(Answer { head: Head::new(head, front), body, is_complete, sent: self.sent() })
            }
            Outcome::Error(error) => Err(error),
        })
    }

    /// The transport is there.
    pub fn handle_connected(&mut self, now: Instant) {
        if self.state == State::Connecting {
            self.liveness = Liveness::new(self.timeouts(self.config.head, now));
            self.liveness.handle_connected(now);
            self.state = State::Writing;
        }
    }

    /// So many octets of [`Self::transmit`] went out.
    pub fn handle_written(&mut self, count: usize, now: Instant) {
        if self.state != State::Writing {
            return;
        }
        self.sent = self.length.min(self.sent.saturating_add(count));
        if self.sent == self.length {
            self.begin_reading();
        } else {
            // A peer that takes the request bit by bit does not outrun the deadline.
            self.handle_timeout(now);
        }
    }

    /// These octets were read at `now`. All of them are consumed; what comes behind the answer is dropped, since the
    /// connection is not used again.
    pub fn handle_input(&mut self, input: &[u8], now: Instant) {
        if self.state != State::Reading || input.is_empty() {
            return;
        }
        let before = self.received;
        self.received += input.len() as u64;
        let mut at = 0;
        if self.head.is_none() {
            let (consumed, result) = self.head_decoder.decode(input, self.storage.as_mut());
            at = consumed;
            match result {
                Ok(None) => {}
                Ok(Some(head)) => {
                    self.head = Some(head);
                    if head.unreadable.is_some() {
                        return self.conclude(Outcome::Answer { head, is_complete: false });
                    }
                    self.body = Body::new(head.framing, self.config.chunk_limits);
                    self.liveness = Liveness::new(self.timeouts(self.config.whole, now));
                    self.liveness.handle_error_head(now);
                }
                Err(error) => {
                    return self.fail_at(ExchangeErrorKind::Head(error.kind), before + error.at as u64);
                }
            }
        }
        while let Some(head) = self.head {
            let rest = &input[at..];
            match self.body.decode(rest) {
                Ok(ChunkSpan::Data(range)) => {
                    let storage = &mut self.storage.as_mut()[head.bytes..];
                    let room = storage.len().min(self.config.body_bytes_max) - self.content;
                    let data = &rest[range.clone()];
                    let fits = data.len().min(room);
                    storage[self.content..][..fits].copy_from_slice(&data[..fits]);
                    self.content += fits;
                    if fits < data.len() {
                        return self.fail_at(
                            ExchangeErrorKind::BodyLength,
                            before + (at + range.start + fits) as u64,
                        );
                    }
                    at += range.end;
                }
                Ok(ChunkSpan::NeedInput) => break,
                Ok(ChunkSpan::End(_)) => return self.conclude(Outcome::Answer { head, is_complete: true }),
                Err(error) => {
                    let offset = before + (at + error.at) as u64;
                    return self.fail_at(ExchangeErrorKind::Chunk(error.kind), offset);
                }
            }
        }
        if let Some(reason) = self.liveness.handle_unfinished(now) {
            self.fail(timeout(reason));
        }
    }

    /// The peer has closed the transport, behind all input that was given.
    pub fn handle_eof(&mut self, _now: Instant) {
        match (self.state, self.head) {
            (State::Reading, None) => self.fail(ExchangeErrorKind::CutInHead),
            (State::Reading, Some(head)) if self.body.may_end_here() => {
                self.conclude(Outcome::Answer { head, is_complete: true });
            }
            (State::Reading, Some(_)) => self.fail(ExchangeErrorKind::Cut),
            _ => {}
        }
    }

    /// The transport failed.
    pub fn handle_transport_error(&mut self, fault: TransportError, _now: Instant) {
        let kind = ExchangeErrorKind::TransportError(fault);
        match self.state {
            State::Connecting | State::Reading => self.fail(kind),
            State::Writing => self.give_up_writing(kind),
            State::Closing | State::Done => {}
        }
    }

    /// It is `now`, and what the step asked for has not happened. Too early is without effect.
    pub fn handle_timeout(&mut self, now: Instant) {
        match (self.state, self.unsent) {
            (State::Closing | State::Done, _) => {}
            (State::Reading, Some(kind)) if self.received == 0 => self.fail(kind),
            (state, _) => {
                if let Timeout::Expired(reason) = self.liveness.handle_timeout(now) {
                    match state {
                        State::Writing => self.give_up_writing(timeout(reason)),
                        _ => self.fail(timeout(reason)),
                    }
                }
            }
        }
    }

    /// The transport is closed.
    pub fn handle_closed(&mut self) {
        if self.state == State::Closing {
            self.state = State::Done;
        }
    }

    /// Ends the exchange: what is open is closed, and where there is no answer yet there will be none.
    pub fn shutdown(&mut self) {
        if self.outcome.is_none() {
            self.unsent = None;
            self.fail(ExchangeErrorKind::Stopped);
        }
    }

    /// The request cannot be sent whole; a server that refused it early may have said why.
    fn give_up_writing(&mut self, kind: ExchangeErrorKind) {
        self.unsent = Some(kind);
        self.begin_reading();
    }

    fn begin_reading(&mut self) {
        self.wipe();
        self.state = State::Reading;
    }

    /// The token, once its request is sent or given up, stays nowhere.
    fn wipe(&mut self) {
        if matches!(self.state, State::Connecting | State::Writing) {
            let length = self.length;
            let request = &mut self.storage.as_mut()[..length];
            request.fill(0);
            // Keeps the writes, which nothing may ever read, from being optimised away.
            core::hint::black_box(request);
        }
    }

    fn fail(&mut self, kind: ExchangeErrorKind) {
        self.fail_at(kind, self.received);
    }

    fn fail_at(&mut self, kind: ExchangeErrorKind, offset: u64) {
        self.conclude(match self.head {
            Some(head) if !(200..300).contains(&head.status) => Outcome::Answer { head, is_complete: false },
            head => Outcome::Error(ExchangeError {
                // The first failure is the cause.
                kind: self.unsent.unwrap_or(kind),
                sent: self.sent(),
                status: head.map(|head| head.status),
                offset,
            }),
        });
    }

    fn conclude(&mut self, outcome: Outcome) {
        self.wipe();
        self.outcome = Some(outcome);
        self.liveness.handle_closed();
        self.state = State::Closing;
    }
}

/// The deadline behind the head is that of the whole.
fn timeout(reason: TimeoutKind) -> ExchangeErrorKind {
    ExchangeErrorKind::Timeout(if reason == TimeoutKind::ErrorBody { TimeoutKind::Answer } else { reason })
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Drop for Exchange<S> {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> fmt::Debug for Exchange<S> {
    /// Leaves the storage out: it may hold the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("state", &self.state)
            .field("outcome", &self.outcome)
            .field("sent", &self.sent())
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
