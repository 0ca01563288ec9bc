//! One request and its response of limited size, on a separate connection. The rule endpoints use
//! it.
//!
//! ```text
//!   Connect --> Write --> Read --> Close --> Done
//!      |          |        ^  |      ^
//!      |          '--error-'  |      |        a server may respond before it has read the request
//!      '----------------------'------'
//! ```
//!
//! [`Exchange`] works like a [`Session`](crate::session::Session): [`Exchange::poll`] returns the
//! next step, and the caller reports the results with `handle_*`. The response is borrowed from the
//! caller's storage.
//!
//! It connects once and sends the request once. If it fails, [`RequestSent`] reports whether the
//! server may have received the request. A change whose response is lost may have been made, so
//! this crate never repeats it. X allows 50 rule requests a day and rejects a repeated add as a
//! duplicate.
//!
//! An error response is valid as soon as its head is complete; a partial body is returned
//! ([`Answer::is_complete`]). A 2xx response is valid only if it is complete.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use super::body::Body;
use super::chunked::{ChunkErrorKind, ChunkLimits, ChunkSpan};
use super::head::{Head, HeadDecoder, HeadErrorKind, HeadLimits, ResponseHead};
use super::request::{Request, RequestError};
use crate::liveness::{Liveness, Timeout, TimeoutKind, Timeouts};
use crate::time::Instant;
use crate::transport_error::TransportError;

/// Limits of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeConfig {
    /// The timeout for resolving, connecting, and the proxy and TLS handshakes together. Default:
    /// 10 s.
    pub connect: Duration,
    /// The timeout from the connection to the end of the response head, including sending the
    /// request. Default: 30 s, because the server checks a hundred rules of 2,048 characters before
    /// it sends the head.
    pub head: Duration,
    /// The timeout from the first step to the last byte of the response. Default: 60 s.
    pub whole: Duration,
    /// Limits of the response head.
    pub head_limits: HeadLimits,
    /// Limits of the chunked coding.
    pub chunk_limits: ChunkLimits,
    /// The maximum length of the response body in bytes; the storage also limits it. Default: 16
    /// MiB, for 1,000 rules of 2,048 characters, six bytes per character as JSON may escape it,
    /// with tags.
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

/// The next step. The enum is exhaustive because a driver must handle every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a driver must handle every step")]
pub enum ExchangeStep {
    /// Resolve the origin's host and connect to an address that
    /// [`Origin::allows`](crate::http::origin::Origin::allows). Then call
    /// [`Exchange::handle_connected`] or [`Exchange::handle_transport_error`]; call
    /// [`Exchange::handle_timeout`] at `until`.
    Connect {
        /// The deadline.
        until: Instant,
    },
    /// Send [`Exchange::transmit`], and report the sent bytes with [`Exchange::handle_written`].
    Write {
        /// The deadline.
        until: Instant,
    },
    /// Read, and pass the bytes to [`Exchange::handle_input`]. Read before checking the clock,
    /// because `until` may already have passed.
    Read {
        /// The deadline; call [`Exchange::handle_timeout`] then.
        until: Instant,
    },
    /// Close the connection, open or in progress, and call [`Exchange::handle_closed`].
    Close,
    /// The exchange is finished; [`Exchange::outcome`] returns the result.
    Done,
}

/// How much of a request was sent to the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there are no other cases")]
pub enum RequestSent {
    /// Nothing: the server has not seen the request, which may be sent again.
    Nothing,
    /// A part. A conforming server does not act on it, but may have counted it.
    Partly,
    /// Everything: the server may have acted on it.
    Whole,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeError {
    /// The kind of error.
    pub kind: ExchangeErrorKind,
    /// How much of the request was sent.
    pub sent: RequestSent,
    /// The status of a response that started but is incomplete.
    pub status: Option<u16>,
    /// The number of bytes of the response before the error.
    pub offset: u64,
    /// The address that was connected or tried last. `None` if no address was tried, or if the
    /// driver reports none.
    pub peer_addr: Option<SocketAddr>,
}

impl ExchangeError {
    /// Returns true if the server may have acted on the request. If so, check the server's state
    /// before you repeat the request.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        !matches!(self.sent, RequestSent::Nothing)
    }
}

/// The kinds of exchange errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExchangeErrorKind {
    /// The transport failed.
    TransportError(TransportError),
    /// A deadline passed.
    Timeout(TimeoutKind),
    /// The head is malformed or exceeds a limit.
    Head(HeadErrorKind),
    /// The chunked coding of the body is invalid.
    Chunk(ChunkErrorKind),
    /// The body exceeds [`ExchangeConfig::body_bytes_max`] or the storage.
    BodyLength,
    /// The server closed the connection before the end of the response head.
    CutInHead,
    /// The server closed the connection within the response body.
    Cut,
    /// [`Exchange::shutdown`] was called.
    Stopped,
}

impl ExchangeErrorKind {
    /// Returns a stable name for programs.
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
                write!(f, "{} (at byte {} of the response)", kind.expected(), self.offset)?;
            }
            ExchangeErrorKind::Chunk(kind) => {
                write!(f, "{} (at byte {} of the response)", kind.expected(), self.offset)?;
            }
            ExchangeErrorKind::BodyLength => f.write_str("expected the response to end within its limit")?,
            ExchangeErrorKind::CutInHead => {
                f.write_str("the server closed the connection before the end of the response head")?;
            }
            ExchangeErrorKind::Cut => {
                f.write_str("the server closed the connection within the response body")?
            }
            ExchangeErrorKind::Stopped => f.write_str("stopped on request")?,
        }
        if let Some(status) = self.status {
            write!(f, " (status {status})")?;
        }
        f.write_str(match self.sent {
            RequestSent::Nothing => "; the request was not sent",
            RequestSent::Partly => "; only a part of the request was sent",
            RequestSent::Whole => "; the request was sent, and the server may have acted on it",
        })
    }
}

impl core::error::Error for ExchangeError {}

/// A response, borrowed from the storage.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Answer<'a> {
    /// The head.
    pub head: Head<'a>,
    /// The body without transfer coding.
    pub body: &'a [u8],
    /// True if the body is complete. Always true for 2xx, and never for a body that cannot be read
    /// ([`Head::unread_body`]).
    pub is_complete: bool,
    /// How much of the request was sent. A server may respond before it has read all of it.
    pub sent: RequestSent,
}

impl fmt::Debug for Answer<'_> {
    /// Prints the length of the body only.
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

/// The result.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Answer { head: ResponseHead, is_complete: bool },
    Error(ExchangeError),
}

/// One request and its response. `S` is the storage: `Vec<u8>`, `Box<[u8]>`, `[u8; N]` or `&mut
/// [u8]`. It contains first the request with its body, then the response with its body, so it must
/// have room for the longer of the two.
///
/// ```
/// use powerstream_core::http::{Exchange, ExchangeConfig, ExchangeStep};
/// use powerstream_core::http::{Method, Request};
/// use powerstream_core::time::Instant;
///
/// let now = Instant::ZERO;
/// let request = Request::new(Method::Post, "api.x.com", "/2/powerstream/rules");
/// let body = br#"{"rules":[{"value":"gull"}]}"#;
/// let config = ExchangeConfig::default();
/// let mut exchange = Exchange::new([0; 1_024], &request, Some(body), config, now)?;
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
    /// The length in bytes of the request, which is at the start of the storage until it has been
    /// sent or given up.
    length: usize,
    sent: usize,
    /// The error that prevented sending the whole request, while a response may still arrive.
    unsent: Option<ExchangeErrorKind>,
    head_decoder: HeadDecoder,
    head: Option<ResponseHead>,
    body: Body,
    /// The length in bytes of the stored body, which follows the head in the storage.
    content: usize,
    /// The number of bytes received.
    received: u64,
    /// The address of the connection, for errors.
    peer_addr: Option<SocketAddr>,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Exchange<S> {
    /// Creates an exchange. `body` is sent as JSON. [`Request::json_bytes`] and
    /// [`Request::keep_alive`] are ignored, because the connection is used once.
    ///
    /// # Errors
    ///
    /// Returns [`RequestError`] if the request is invalid or does not fit into the storage.
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
                // The storage may contain the token.
                super::request::wipe(storage.as_mut());
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
            peer_addr: None,
            config,
        };
        exchange.liveness = Liveness::new(exchange.timeouts(config.head, now));
        exchange.liveness.handle_connecting(now);
        Ok(exchange)
    }

    /// Returns the timeouts from `now` on; none extends beyond the deadline of the whole exchange.
    fn timeouts(&self, answer: Duration, now: Instant) -> Timeouts {
        let left = self.whole_by.saturating_since(now);
        Timeouts { connect: self.config.connect.min(left), head: answer.min(left), ..Timeouts::default() }
    }

    /// Returns the next step. It changes only with `handle_*` calls and [`Self::shutdown`].
    #[must_use]
    pub fn poll(&self) -> ExchangeStep {
        let until = self.liveness.poll_timeout().map_or(Instant::ZERO, |deadline| deadline.at);
        match self.state {
            State::Connecting => ExchangeStep::Connect { until },
            State::Writing => ExchangeStep::Write { until },
            // A response sent before the server stopped reading is already here, or will never
            // arrive.
            State::Reading if self.unsent.is_some() && self.received == 0 => {
                ExchangeStep::Read { until: Instant::ZERO }
            }
            State::Reading => ExchangeStep::Read { until },
            State::Closing => ExchangeStep::Close,
            State::Done => ExchangeStep::Done,
        }
    }

    /// Returns the bytes of the request that are still to be sent. They contain the token: do not
    /// log them.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        match self.state {
            State::Writing => &self.storage.as_ref()[self.sent..self.length],
            _ => &[],
        }
    }

    /// Returns how much of the request has been sent.
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

    /// Returns the result, or `None` before [`ExchangeStep::Close`].
    #[must_use]
    pub fn outcome(&self) -> Option<Result<Answer<'_>, ExchangeError>> {
        Some(match self.outcome? {
            Outcome::Answer { head, is_complete } => {
                let (front, rest) = self.storage.as_ref().split_at(head.bytes);
                let body = &rest[..self.content];
                Ok(Answer { head: Head::new(head, front), body, is_complete, sent: self.sent() })
            }
            Outcome::Error(error) => Err(ExchangeError { peer_addr: self.peer_addr, ..error }),
        })
    }

    /// Reports that the transport is connected.
    pub fn handle_connected(&mut self, now: Instant) {
        if self.state == State::Connecting {
            self.liveness = Liveness::new(self.timeouts(self.config.head, now));
            self.liveness.handle_connected(now);
            self.state = State::Writing;
        }
    }

    /// Reports that `count` bytes of [`Self::transmit`] were sent.
    pub fn handle_written(&mut self, count: usize, now: Instant) {
        if self.state != State::Writing {
            return;
        }
        self.sent = self.length.min(self.sent.saturating_add(count));
        if self.sent == self.length {
            self.begin_reading();
        } else {
            // Slow progress does not extend the deadline.
            self.handle_timeout(now);
        }
    }

    /// Reports the bytes read at `now`. All of them are consumed. Bytes after the response are
    /// dropped, because the connection is not used again.
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

    /// Reports that the server closed the connection after all reported input.
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

    /// Reports that the transport failed.
    pub fn handle_transport_error(&mut self, fault: TransportError, _now: Instant) {
        let kind = ExchangeErrorKind::TransportError(fault);
        match self.state {
            State::Connecting | State::Reading => self.fail(kind),
            State::Writing => self.give_up_writing(kind),
            State::Closing | State::Done => {}
        }
    }

    /// Reports that the deadline of the step has passed. Has no effect before the deadline.
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

    /// Sets the address that the transport connected to or tried, for [`ExchangeError::peer_addr`].
    /// Optional.
    pub fn set_peer_addr(&mut self, address: Option<SocketAddr>) {
        self.peer_addr = address;
    }

    /// Reports that the transport is closed.
    pub fn handle_closed(&mut self) {
        if self.state == State::Closing {
            self.state = State::Done;
        }
    }

    /// Ends the exchange: closes the connection. Without a response so far, the result is
    /// [`ExchangeErrorKind::Stopped`].
    pub fn shutdown(&mut self) {
        if self.outcome.is_none() {
            self.unsent = None;
            self.fail(ExchangeErrorKind::Stopped);
        }
    }

    /// Stops sending and reads, because a server that rejects a request early may have sent a
    /// response.
    fn give_up_writing(&mut self, kind: ExchangeErrorKind) {
        self.unsent = Some(kind);
        self.begin_reading();
    }

    fn begin_reading(&mut self) {
        self.wipe();
        self.state = State::Reading;
    }

    /// Wipes the request, which contains the token, once it has been sent or given up.
    fn wipe(&mut self) {
        if matches!(self.state, State::Connecting | State::Writing) {
            let length = self.length;
            let request = &mut self.storage.as_mut()[..length];
            super::request::wipe(request);
        }
    }

    fn fail(&mut self, kind: ExchangeErrorKind) {
        self.fail_at(kind, self.received);
    }

    fn fail_at(&mut self, kind: ExchangeErrorKind, offset: u64) {
        self.conclude(match self.head {
            Some(head) if !(200..300).contains(&head.status) => Outcome::Answer { head, is_complete: false },
            head => Outcome::Error(ExchangeError {
                // The first error is the cause.
                kind: self.unsent.unwrap_or(kind),
                sent: self.sent(),
                status: head.map(|head| head.status),
                offset,
                peer_addr: None,
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

/// Converts a timeout. After the head, the only deadline is that of the whole exchange.
fn timeout(reason: TimeoutKind) -> ExchangeErrorKind {
    ExchangeErrorKind::Timeout(if reason == TimeoutKind::ErrorBody { TimeoutKind::Answer } else { reason })
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Drop for Exchange<S> {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> fmt::Debug for Exchange<S> {
    /// Omits the storage, which may contain the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("state", &self.state)
            .field("outcome", &self.outcome)
            .field("sent", &self.sent())
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
