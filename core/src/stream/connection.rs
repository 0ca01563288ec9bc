//! Decodes one connection: the response head, the body, its messages, and the idle timeout.
//!
//! ```text
//!            input slices                                     events
//!   ----> [ head ] ----> [ body: chunked | length | close ] ----> [ framing ] ----> lent messages
//!            |                     |                                  |
//!            +---- errors end the connection, after everything before them was delivered
//! ```
//!
//! A [`Connection`] owns only the storage for a message that is split across inputs. The caller
//! provides the input in any memory. A message within one chunk of the input is borrowed from the
//! input. All input is consumed, so the caller does not have to keep, shift or discard bytes. A
//! caller that can keep bytes avoids the copies of most split messages with
//! [`Connection::scan_partial`].
//!
//! The borrow checker does not allow a loop to call a function again while an earlier result is
//! borrowed. The call is therefore split in two:
//!
//! - [`Connection::scan`] finds the next event and returns its position
//!   ([`ScannedConnectionEvent`], plain numbers).
//! - [`Connection::lend`] borrows the event.
//!
//! [`Connection::decode`] does both.
//!
//! ```
//! use powerstream_core::stream::{Connection, ConnectionConfig, ConnectionEvent};
//! use powerstream_core::time::Instant;
//!
//! let now = Instant::ZERO;
//! let mut connection = Connection::new(vec![0; 65_536], ConnectionConfig::default());
//! connection.handle_connected(now);
//! let mut input: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
//!     1b\r\n{\"id_str\":\"1\",\"text\":\"a\"}\r\n\r\n";
//! let mut messages = 0;
//! loop {
//!     let (consumed, event) = connection.decode(input, now);
//!     match event? {
//!         Some(ConnectionEvent::Head(head)) => assert_eq!(head.status(), 200),
//!         Some(ConnectionEvent::Message(message)) => {
//!             assert_eq!(message, br#"{"id_str":"1","text":"a"}"#);
//!             messages += 1;
//!         }
//!         Some(_) => {}
//!         None => break,
//!     }
//!     input = &input[consumed..];
//! }
//! assert_eq!(messages, 1);
//! # Ok::<(), powerstream_core::stream::ConnectionError>(())
//! ```

mod event;

use core::fmt;
use core::time::Duration;

pub use event::{
    ByteCounts, Closed, ConnectionError, ConnectionErrorKind, ConnectionEvent, ScannedConnectionEvent,
};

use super::framing::{Frame, Framer, MessagePlace};
use super::spill::BLOCK;
use crate::http::body::{Body, BodyFraming};
use crate::http::chunked::{ChunkLimits, HandOver, SHORT_CHUNK_WINDOW};
use crate::http::head::{Head, HeadDecoder, HeadLimits, ResponseHead};
use crate::liveness::{Deadline, Liveness, Timeout, Timeouts};
use crate::time::Instant;

/// Limits and timeouts of a connection.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectionConfig {
    /// The maximum length of a message in bytes, without its delimiter. Longer messages are skipped
    /// and reported. Default: 1 MiB. Hosebird allows 500,000 bytes, and the largest known message
    /// has about 18 kB. The limit is at most the storage's length less one.
    pub message_bytes_max: usize,
    /// Limits of the head.
    pub head: HeadLimits,
    /// Limits of the chunked coding.
    pub chunk: ChunkLimits,
    /// The deadlines.
    pub timeouts: Timeouts,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            message_bytes_max: 1 << 20,
            head: HeadLimits::default(),
            chunk: ChunkLimits::default(),
            timeouts: Timeouts::default(),
        }
    }
}

#[derive(Clone, Debug)]
enum Phase {
    Head(HeadDecoder),
    /// A stream's body.
    Stream,
    /// The body of an error document, stored after the head. The number is its bytes so far.
    Document(usize),
    /// An error document of this length. No more of it is read.
    DocumentEnd(usize),
    /// The close ended a stream's body after a complete message, which is not yet returned.
    Last,
    /// A stream's body ended with the last message that was returned.
    Ending,
    Complete,
    Failed(ConnectionError),
}

/// Decodes one connection. `S` is the storage: `Vec<u8>`, `Box<[u8]>`, `[u8; N]`, `&mut [u8]`.
#[derive(Clone)]
pub struct Connection<S> {
    phase: Phase,
    body: Body,
    framer: Framer,
    /// Content bytes that the body has handed over and the framer has not consumed. They may not
    /// have arrived yet.
    content: u64,
    /// Bytes of content that [`Self::scan_partial`] left in the input: the beginning of a message.
    left: usize,
    liveness: Liveness,
    counts: ByteCounts,
    head: Option<ResponseHead>,
    message_bytes_max: usize,
    head_limits: HeadLimits,
    chunk_limits: ChunkLimits,
    /// Bytes at the start of the storage that the connection may use.
    capacity: usize,
    storage: S,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Connection<S> {
    /// Creates a connection that is not established. `storage` must have at least one byte; its
    /// content does not matter.
    pub fn new(storage: S, config: ConnectionConfig) -> Self {
        let capacity = storage.as_ref().len();
        Self::with_capacity(storage, capacity, config)
    }

    /// Creates a connection like [`Self::new`] that uses only the first `capacity` bytes of the
    /// storage.
    pub(crate) fn with_capacity(storage: S, capacity: usize, mut config: ConnectionConfig) -> Self {
        config.message_bytes_max = config.message_bytes_max.min(capacity.saturating_sub(1));
        Self {
            phase: Phase::Complete,
            body: Body::new(BodyFraming::Empty, config.chunk),
            framer: Framer::new(config.message_bytes_max),
            content: 0,
            left: 0,
            liveness: Liveness::new(config.timeouts),
            counts: ByteCounts::default(),
            head: None,
            message_bytes_max: config.message_bytes_max,
            head_limits: config.head,
            chunk_limits: config.chunk,
            capacity,
            storage,
        }
    }

    /// Returns the limits and timeouts in force.
    #[must_use]
    pub const fn config(&self) -> ConnectionConfig {
        ConnectionConfig {
            message_bytes_max: self.message_bytes_max,
            head: self.head_limits,
            chunk: self.chunk_limits,
            timeouts: self.liveness.timeouts(),
        }
    }

    /// Returns the parsed response head, once it has arrived.
    #[must_use]
    pub const fn head(&self) -> Option<&ResponseHead> {
        self.head.as_ref()
    }

    /// Returns the number of bytes received, by category.
    #[must_use]
    pub const fn byte_counts(&self) -> &ByteCounts {
        &self.counts
    }

    /// Returns the bytes of an unfinished head or message, in storage or already skipped.
    #[must_use]
    pub fn buffered(&self) -> u64 {
        match &self.phase {
            Phase::Head(decoder) => decoder.buffered() as u64,
            Phase::Stream | Phase::Last => self.framer.unfinished(),
            Phase::Document(_)
            | Phase::DocumentEnd(_)
            | Phase::Ending
            | Phase::Complete
            | Phase::Failed(_) => 0,
        }
    }

    /// Returns true if the input so far ended between two messages. False also within a chunk's
    /// size line, because the message in that chunk was sent.
    #[inline]
    pub(crate) fn is_between_messages(&self) -> bool {
        self.buffered() == 0 && self.left == 0 && !self.body.is_in_line()
    }

    /// Starts the connect timeout. The connection and its counters are reset.
    pub fn handle_connecting(&mut self, now: Instant) {
        self.restart();
        self.liveness.handle_connecting(now);
    }

    /// Starts the head timeout: the transport is established. The connection and its counters are
    /// reset.
    pub fn handle_connected(&mut self, now: Instant) {
        self.restart();
        self.liveness.handle_connected(now);
    }

    fn restart(&mut self) {
        self.phase = Phase::Head(HeadDecoder::new(self.head_limits));
        self.framer = Framer::new(self.message_bytes_max);
        self.content = 0;
        self.left = 0;
        self.counts = ByteCounts::default();
        self.head = None;
    }

    /// Reads the body as one error document, not as a stream of messages. Call it right after the
    /// head.
    ///
    /// The first 64 KiB of the body are stored, as far as the storage allows.
    /// [`ScannedConnectionEvent::End`] follows at the body's end, or when the room is used up.
    /// [`Self::document`] then lends the stored part. A document that cannot be read
    /// ([`ResponseHead::unreadable`]) is empty, and the connection does not wait for it.
    pub fn collect_document(&mut self, now: Instant) {
        if let Phase::Stream = self.phase {
            if self.head.is_some_and(|head| head.unreadable.is_some()) {
                self.body = Body::new(BodyFraming::Empty, self.chunk_limits);
            }
            self.phase = Phase::Document(0);
            self.liveness.handle_error_head(now);
        }
    }

    /// Returns an error document's head, and as much of its body as arrived.
    #[must_use]
    pub fn document(&self) -> Option<(Head<'_>, &[u8])> {
        let (Phase::Document(length) | Phase::DocumentEnd(length)) = self.phase else { return None };
        let head = self.lend_head();
        let start = head.parsed().bytes;
        Some((head, &self.storage.as_ref()[start..start + length]))
    }

    /// Finds the next event in `input` and lends it: [`Self::scan`] followed by [`Self::lend`].
    ///
    /// # Errors
    /// The errors of [`Self::scan`].
    #[inline]
    pub fn decode<'a>(
        &'a mut self,
        input: &'a [u8],
        now: Instant,
    ) -> (usize, Result<Option<ConnectionEvent<'a>>, ConnectionError>) {
        match self.scan(input, now) {
            (consumed, Ok(None)) => (consumed, Ok(None)),
            (consumed, Ok(Some(raw))) => (consumed, Ok(Some(self.lend(raw, input)))),
            (consumed, Err(error)) => (consumed, Err(error)),
        }
    }

    /// Finds the next event in `input`. Returns the number of bytes consumed, and the event.
    ///
    /// Call it again with the rest of the input until the event is `None`. Then all input is
    /// consumed. `now` is when the input was read. Call [`Self::lend`] before the next call.
    ///
    /// # Errors
    /// [`ConnectionError`] if the peer violated the protocol. Also if bytes keep arriving after an
    /// absolute deadline, but do not complete the awaited part. Every event before the error has
    /// already been returned. Later calls return the same error. The rest of the input counts as
    /// discarded.
    // Inlined into the caller's loop: the three calls keep everything else out of line.
    #[inline(always)]
    pub fn scan(
        &mut self,
        input: &[u8],
        now: Instant,
    ) -> (usize, Result<Option<ScannedConnectionEvent>, ConnectionError>) {
        self.scan_or_leave::<false>(input, now)
    }

    /// Performs [`Self::scan`], but may leave an unfinished message at the end of `input`
    /// unconsumed, so that it does not have to be copied.
    ///
    /// If bytes of `input` are left when the event is `None`, start the next input with them, and
    /// add more. Alternatively, pass them to [`Self::take_left`]. That is required before a call of
    /// [`Self::scan`], [`Self::handle_eof`], [`Self::handle_timeout`] or [`Self::handle_closed`].
    /// [`ReadBuffer`](crate::read_buffer::ReadBuffer) keeps them. [`Self::byte_counts`] counts them
    /// as received only once they are consumed or taken.
    ///
    /// # Errors
    /// The errors of [`Self::scan`].
    ///
    /// # Panics
    /// Panics if `input` is shorter than the bytes that were left.
    #[inline(always)]
    pub fn scan_partial(
        &mut self,
        input: &[u8],
        now: Instant,
    ) -> (usize, Result<Option<ScannedConnectionEvent>, ConnectionError>) {
        self.scan_or_leave::<true>(input, now)
    }

    /// Stores the bytes that [`Self::scan_partial`] left. `left` must be all of them, or empty.
    ///
    /// # Panics
    /// Panics if `left` is not empty, and its length is not the number of bytes that were left.
    pub fn take_left(&mut self, left: &[u8]) {
        if left.is_empty() {
            return;
        }
        assert!(left.len() == self.left, "these are not the bytes that were left");
        self.left = 0;
        self.framer.take_left(left, &mut self.storage.as_mut()[..self.capacity]);
        self.content -= left.len() as u64;
        self.counts.received += left.len() as u64;
    }

    // Inlined into the caller's loop: the calls keep everything else out of line.
    #[inline(always)]
    pub(crate) fn scan_or_leave<const MAY_LEAVE: bool>(
        &mut self,
        input: &[u8],
        now: Instant,
    ) -> (usize, Result<Option<ScannedConnectionEvent>, ConnectionError>) {
        // The result is passed on unchanged, because destructuring it costs more than a short scan.
        let answer = if let Phase::Stream = self.phase {
            if !MAY_LEAVE {
                self.left = 0;
            }
            if MAY_LEAVE && self.left > 0 {
                self.scan_left(input, now)
            } else if input.len() < BLOCK && self.scan_within(input, now) {
                (input.len(), Ok(None))
            } else {
                self.scan_stream::<MAY_LEAVE>(input, now)
            }
        } else {
            self.scan_other(input, now)
        };
        self.counts.received += answer.0 as u64;
        debug_assert_eq!(self.counts.received, self.accounted(), "bytes do not add up: {:?}", self.counts);
        answer
    }

    /// Lends the event that [`Self::scan`] just found in `input`, the same slice.
    ///
    /// # Panics
    /// Panics if `input` is not the slice in which the event was found, or if another call
    /// overwrote the event.
    #[inline]
    #[must_use]
    pub fn lend<'a>(&'a self, raw: ScannedConnectionEvent, input: &'a [u8]) -> ConnectionEvent<'a> {
        match raw {
            ScannedConnectionEvent::Head => ConnectionEvent::Head(self.lend_head()),
            ScannedConnectionEvent::Message(place) => {
                ConnectionEvent::Message(self.lend_message(place, input))
            }
            ScannedConnectionEvent::KeepAlive => ConnectionEvent::KeepAlive,
            ScannedConnectionEvent::Skipped { bytes } => ConnectionEvent::Skipped { bytes },
            ScannedConnectionEvent::End { undelivered } => ConnectionEvent::End { undelivered },
        }
    }

    /// Lends the head, which must have arrived.
    pub(crate) fn lend_head(&self) -> Head<'_> {
        let Some(head) = self.head else { unreachable!("the head is stored before its event is returned") };
        Head::new(head, &self.storage.as_ref()[..head.bytes])
    }

    /// Lends the message that [`Self::scan`] just found at `place` in `input`.
    #[inline]
    pub(crate) fn lend_message<'a>(&'a self, place: MessagePlace, input: &'a [u8]) -> &'a [u8] {
        match place {
            MessagePlace::Input { start, end } => &input[start..end],
            MessagePlace::Storage { length } => &self.storage.as_ref()[..length],
        }
    }

    /// Handles the close by the peer, after all input has been passed in.
    ///
    /// The close may complete the body ([`Closed::CompleteByClose`]). If its last message then
    /// lacks only its delimiter, the next call of [`Self::scan`] returns that message.
    pub fn handle_eof(&mut self) -> Closed {
        self.liveness.handle_closed();
        let is_stream = matches!(self.phase, Phase::Stream | Phase::Last);
        if is_stream && self.body_may_end() && self.framer.is_complete(self.storage.as_ref()) {
            self.phase = Phase::Last;
            return Closed::CompleteByClose { undelivered: 0 };
        }
        let undelivered = self.buffered();
        self.counts.discarded += undelivered;
        let closed = match self.phase {
            Phase::Head(_) => Closed::CutInHead { undelivered },
            Phase::Ending | Phase::Complete => Closed::Complete,
            Phase::DocumentEnd(_) if self.body.is_complete() => Closed::Complete,
            Phase::Stream | Phase::Document(_) | Phase::DocumentEnd(_) if self.body_may_end() => {
                Closed::CompleteByClose { undelivered }
            }
            Phase::Stream | Phase::Last | Phase::Document(_) | Phase::DocumentEnd(_) | Phase::Failed(_) => {
                Closed::Cut { undelivered }
            }
        };
        self.phase = match self.phase {
            // The stored part can still be lent.
            Phase::Document(length) | Phase::DocumentEnd(length) => Phase::DocumentEnd(length),
            Phase::Failed(error) => Phase::Failed(error),
            Phase::Head(_) | Phase::Stream | Phase::Last | Phase::Ending | Phase::Complete => Phase::Complete,
        };
        closed
    }

    /// Returns true if the body is complete and its end is not yet scanned.
    #[inline]
    pub(crate) const fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Last | Phase::Ending)
    }

    /// Returns true if no byte of a body of known length is missing. The next [`Self::scan`]
    /// returns its end, without input.
    pub(crate) const fn is_length_reached(&self) -> bool {
        matches!(self.phase, Phase::Stream) && self.content == 0 && self.body.is_length_reached()
    }

    /// Returns the next deadline. It changes with every `handle_*` call and every [`Self::scan`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.liveness.poll_timeout()
    }

    /// Handles the time `now`, after a read that found nothing. See [`Liveness::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) -> Timeout {
        self.liveness.handle_timeout(now)
    }

    /// Excludes a pause of `length` in which the consumer was busy and nothing was read. See
    /// [`Liveness::handle_pause`].
    pub fn handle_pause(&mut self, length: Duration) {
        self.liveness.handle_pause(length);
    }

    /// Handles the server's announcement that it will close. See [`Liveness::handle_announcement`].
    pub fn handle_announcement(&mut self, now: Instant) {
        self.liveness.handle_announcement(now);
    }

    /// Cancels the announcement: the server continued. See [`Liveness::handle_announcement_void`].
    pub fn handle_announcement_void(&mut self) {
        self.liveness.handle_announcement_void();
    }

    /// Handles the local end of the transport: no deadline runs, and a last message is no longer
    /// returned.
    pub fn handle_closed(&mut self) {
        self.liveness.handle_closed();
        if self.is_ending() {
            self.counts.discarded += self.buffered();
            self.phase = Phase::Complete;
        }
    }

    /// Returns the storage, which holds other data while it holds no response.
    pub(crate) fn storage_mut(&mut self) -> &mut [u8] {
        self.storage.as_mut()
    }

    pub(crate) fn storage(&self) -> &[u8] {
        self.storage.as_ref()
    }

    fn body_may_end(&self) -> bool {
        self.body.may_end_here() && (self.content == 0 || !self.body.is_complete())
    }

    fn accounted(&self) -> u64 {
        let ByteCounts { received: _, head, framing, delivered, separators, skipped, discarded } =
            self.counts;
        head + framing + delivered + separators + skipped + discarded + self.buffered()
    }

    /// Fails the connection: discards the rest of the input and of an unfinished message.
    #[cold]
    fn fail(
        &mut self,
        kind: ConnectionErrorKind,
        input: &[u8],
        at: usize,
    ) -> (usize, Result<Option<ScannedConnectionEvent>, ConnectionError>) {
        let error = ConnectionError { kind, offset: self.counts.received + at as u64 };
        self.counts.discarded += self.buffered() + (input.len() - at) as u64;
        self.phase = Phase::Failed(error);
        self.content = 0;
        self.liveness.handle_closed();
        (input.len(), Err(error))
    }

    /// Handles the end of the input, of which the bytes from `at` on are left. Fails if a peer
    /// keeps sending past a deadline without completing anything.
    #[inline]
    fn drained(
        &mut self,
        input: &[u8],
        at: usize,
        now: Instant,
    ) -> (usize, Result<Option<ScannedConnectionEvent>, ConnectionError>) {
        match self.liveness.handle_unfinished(now) {
            None => (at, Ok(None)),
            Some(reason) => {
                self.left = 0;
                self.counts.discarded += (input.len() - at) as u64;
                self.fail(ConnectionErrorKind::Timeout(reason), input, input.len())
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn scan_other(
        &mut self,
        input: &[u8],
        now: Instant,
    ) -> (usize, Result<Option<ScannedConnectionEvent>, ConnectionError>) {
        match self.phase {
            Phase::Head(_) => self.scan_head(input, now),
            Phase::Document(length) => self.scan_document(input, length, now),
            Phase::Failed(error) => {
                self.counts.discarded += input.len() as u64;
                (input.len(), Err(error))
            }
            Phase::Last => (0, Ok(Some(self.complete()))),
            Phase::Ending => (0, Ok(Some(self.end()))),
            Phase::Complete | Phase::DocumentEnd(_) => {
                self.counts.discarded += input.len() as u64;
                (input.len(), Ok(None))
            }
            Phase::Stream => unreachable!("`scan` reads a stream itself"),
        }
    }

    fn scan_head(
        &mut self,
        input: &[u8],
        now: Instant,
    ) -> (usize, Result<Option<ScannedConnectionEvent>, ConnectionError>) {
        let Phase::Head(decoder) = &mut self.phase else { unreachable!("`scan_other` looked at the phase") };
        let before = decoder.buffered();
        let (consumed, result) = decoder.decode(input, &mut self.storage.as_mut()[..self.capacity]);
        match result {
            Ok(None) => {
                self.counts.head += (before + consumed - decoder.buffered()) as u64;
                self.drained(input, input.len(), now)
            }
            Ok(Some(head)) => {
                self.counts.head += (before + consumed) as u64;
                self.body = Body::new(head.framing, self.chunk_limits);
                self.phase = Phase::Stream;
                self.head = Some(head);
                self.liveness.handle_head(now);
                (consumed, Ok(Some(ScannedConnectionEvent::Head)))
            }
            Err(error) => {
                self.counts.head += (before + consumed) as u64;
                // From here on, no byte is buffered: the head's bytes are counted.
                self.phase = Phase::Complete;
                self.fail(ConnectionErrorKind::Head(error.kind), input, error.at)
            }
        }
    }

    /// Stores an error document after its head.
    fn scan_document(
        &mut self,
        input: &[u8],
        mut length: usize,
        now: Instant,
    ) -> (usize, Result<Option<ScannedConnectionEvent>, ConnectionError>) {
        let start = self.lend_head().parsed().bytes;
        let mut at = 0;
        while at < input.len() {
            if self.content == 0 {
                match self.body.hand_over(&input[at..]) {
                    Ok(HandOver::Content { start, length }) => {
                        self.counts.framing += start as u64;
                        self.content = length;
                        at += start;
                    }
                    Ok(HandOver::NeedInput) => {
                        self.counts.framing += (input.len() - at) as u64;
                        break;
                    }
                    // An invalid end does not affect the part of the document already read.
                    Ok(HandOver::End(_)) | Err(_) => return self.end_document(length, input, at),
                }
            }
            // No truncation: at most the input's length.
            let here = self.content.min((input.len() - at) as u64) as usize;
            let storage = &mut self.storage.as_mut()[..self.capacity];
            let room = self.capacity.min(start + DOCUMENT_BYTES_MAX);
            let fits = here.min(room.saturating_sub(start + length));
            storage[start + length..start + length + fits].copy_from_slice(&input[at..at + fits]);
            length += fits;
            self.phase = Phase::Document(length);
            self.content -= here as u64;
            at += here;
            self.counts.discarded += here as u64;
            if fits < here {
                return self.end_document(length, input, at);
            }
        }
        let ended = self.content == 0 && self.body.is_length_reached();
        if ended || self.liveness.handle_unfinished(now).is_some() {
            return self.end_document(length, input, input.len());
        }
        (input.len(), Ok(None))
    }

    /// Ends the document: its event is returned once, and nothing more is read.
    fn end_document(
        &mut self,
        length: usize,
        input: &[u8],
        at: usize,
    ) -> (usize, Result<Option<ScannedConnectionEvent>, ConnectionError>) {
        self.counts.discarded += (input.len() - at) as u64;
        self.phase = Phase::DocumentEnd(length);
        self.liveness.handle_closed();
        (input.len(), Ok(Some(ScannedConnectionEvent::End { undelivered: 0 })))
    }

    /// Consumes an input of a few bytes within a chunk, if it continues a message in storage
    /// without ending it. Reads of single bytes are an example. Returns `false` and does nothing in
    /// any other case.
    #[inline(never)]
    fn scan_within(&mut self, input: &[u8], now: Instant) -> bool {
        let length = input.len() as u64;
        // An empty input does not reset the idle timeout.
        let taken = length > 0
            && length < self.content
            && !self.liveness.is_late(now)
            && self.framer.push_within(input, &mut self.storage.as_mut()[..self.capacity]);
        if taken {
            self.content -= length;
            self.liveness.handle_content(now);
        }
        taken
    }

    #[inline(never)]
    fn scan_stream<const MAY_LEAVE: bool>(
        &mut self,
        input: &[u8],
        now: Instant,
    ) -> (usize, Result<Option<ScannedConnectionEvent>, ConnectionError>) {
        let mut at = 0;
        while at < input.len() {
            if self.content == 0 {
                if input.len() - at >= SHORT_CHUNK_WINDOW && self.framer.is_spilling() {
                    at = self.scan_short_chunks(input, at, now);
                }
                match self.body.hand_over(&input[at..]) {
                    Ok(HandOver::Content { start, length }) => {
                        self.counts.framing += start as u64;
                        self.content = length;
                        at += start;
                    }
                    Ok(HandOver::NeedInput) => {
                        self.counts.framing += (input.len() - at) as u64;
                        break;
                    }
                    Ok(HandOver::End(consumed)) => {
                        self.counts.framing += consumed as u64;
                        return (at + consumed, Ok(Some(self.complete())));
                    }
                    Err(error) => {
                        self.counts.framing += error.at as u64;
                        return self.fail(ConnectionErrorKind::Chunk(error.kind), input, at + error.at);
                    }
                }
            }
            let rest = &input[at..];
            // No truncation: at most `rest.len()`.
            let here = self.content.min(rest.len() as u64) as usize;
            if here == 0 {
                break;
            }
            self.liveness.handle_content(now);
            let before = self.framer.unfinished();
            let storage = &mut self.storage.as_mut()[..self.capacity];
            let is_cut = self.content > here as u64;
            let (taken, frame) =
                self.framer.next_or_leave::<MAY_LEAVE>(input, at..at + here, is_cut, storage);
            at += taken;
            self.content -= taken as u64;
            if let Some(frame) = frame {
                self.liveness.handle_message_ended();
                return (at, Ok(Some(self.raw(frame, before + taken as u64))));
            }
            if before == 0 {
                self.liveness.handle_message_begun(now);
            }
            if MAY_LEAVE && taken == 0 {
                self.left = here;
                return self.drained(input, at, now);
            }
        }
        if self.content == 0 && self.body.is_length_reached() {
            return (input.len(), Ok(Some(self.complete())));
        }
        self.drained(input, input.len(), now)
    }

    /// Scans `input` if the message at its start was left there.
    #[inline(never)]
    fn scan_left(
        &mut self,
        input: &[u8],
        now: Instant,
    ) -> (usize, Result<Option<ScannedConnectionEvent>, ConnectionError>) {
        let left = self.left;
        if input.is_empty() {
            return (0, Ok(None));
        }
        assert!(input.len() >= left, "the input does not begin with the bytes that were left");
        // No truncation: at most the input's length.
        let here = self.content.min(input.len() as u64) as usize;
        let lf = memchr::memchr(b'\n', &input[left..here]).map(|lf| left + lf);
        match lf {
            Some(lf) if input[lf - 1] == b'\r' => {
                self.left = 0;
                self.content -= lf as u64 + 1;
                self.liveness.handle_content(now);
                self.liveness.handle_message_ended();
                let frame = self.framer.whole(input, 0, lf - 1);
                (lf + 1, Ok(Some(self.raw(frame, lf as u64 + 1))))
            }
            None if here - left >= BLOCK && self.content > here as u64 && self.framer.may_leave(here) => {
                self.left = here;
                self.liveness.handle_content(now);
                self.drained(input, 0, now)
            }
            // The chunk ends within the message, less than a block follows, an LF is bare, or the
            // limit is near.
            _ => {
                self.take_left(&input[..left]);
                let (consumed, result) = self.scan_stream::<true>(&input[left..], now);
                self.counts.received -= left as u64;
                (left + consumed, result)
            }
        }
    }

    /// Consumes chunks of 1 to 16 bytes that are complete in the input, if they continue a message
    /// in storage without ending it. Each requires one check of its size and one copy of 16 bytes.
    /// Returns the position after the last chunk.
    #[inline(always)]
    fn scan_short_chunks(&mut self, input: &[u8], mut at: usize, now: Instant) -> usize {
        let Some(decoder) = self.body.chunked() else { return at };
        let storage = &mut self.storage.as_mut()[..self.capacity];
        let mut framing = 0;
        while let Some((data, length, block)) = decoder.peek_short_chunk(&input[at..]) {
            if !self.framer.push_short(block, length, storage) {
                break;
            }
            framing += data;
            at += data + length;
        }
        if framing > 0 {
            self.counts.framing += framing as u64;
            self.liveness.handle_content(now);
        }
        at
    }

    /// Counts the bytes of a frame that took `total` bytes.
    #[inline]
    fn raw(&mut self, frame: Frame, total: u64) -> ScannedConnectionEvent {
        match frame {
            Frame::Message(place) => {
                let length = match place {
                    MessagePlace::Input { start, end } => end - start,
                    MessagePlace::Storage { length } => length,
                } as u64;
                self.counts.delivered += length;
                self.counts.separators += total - length;
                ScannedConnectionEvent::Message(place)
            }
            Frame::KeepAlive => {
                self.counts.separators += total;
                ScannedConnectionEvent::KeepAlive
            }
            Frame::Skipped { bytes } => {
                self.counts.skipped += bytes;
                self.counts.separators += total - bytes;
                ScannedConnectionEvent::Skipped { bytes }
            }
        }
    }

    /// Completes the body: returns its last message if only the delimiter is missing, else its end.
    #[cold]
    fn complete(&mut self) -> ScannedConnectionEvent {
        let total = self.framer.unfinished();
        let Some(frame) = self.framer.finish(self.storage.as_ref()) else { return self.end() };
        self.phase = Phase::Ending;
        self.raw(frame, total)
    }

    fn end(&mut self) -> ScannedConnectionEvent {
        let undelivered = self.framer.unfinished();
        self.counts.discarded += undelivered;
        self.phase = Phase::Complete;
        self.liveness.handle_closed();
        ScannedConnectionEvent::End { undelivered }
    }
}

/// The maximum number of bytes stored of an error document. The rest is not read.
const DOCUMENT_BYTES_MAX: usize = 65_536;

// Embedders hold thousands of connections. The benches check it with an owned storage.
const _: () = assert!(size_of::<Connection<&mut [u8]>>() <= 512);

impl<S> fmt::Debug for Connection<S> {
    /// Omits the storage, which contains data of the peer or a session's request.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("phase", &self.phase)
            .field("byte_counts", &self.counts)
            .field("liveness", &self.liveness)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a connection whose storage holds `[1,2`, the beginning of a message.
    fn spilling(body: &[u8]) -> Connection<[u8; 64]> {
        let mut connection = Connection::new([0; 64], ConnectionConfig::default());
        connection.handle_connected(Instant::ZERO);
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let event = connection.scan(head, Instant::ZERO);
        assert_eq!(event, (head.len(), Ok(Some(ScannedConnectionEvent::Head))));
        connection.storage.fill(0);
        assert_eq!(connection.scan(body, Instant::ZERO), (body.len(), Ok(None)));
        assert_eq!(connection.storage[..5], *b"[1,2\0");
        connection
    }

    #[test]
    fn scan_within_takes_a_few_bytes_within_a_chunk_and_a_message() {
        let now = Instant::ZERO;
        let mut connection = spilling(b"a\r\n[1,2");
        assert!(connection.scan_within(b",3", now));
        assert_eq!((connection.buffered(), &connection.storage[..6]), (6, b"[1,2,3".as_slice()));
        assert!(!connection.scan_within(b"", now));
        assert!(!connection.scan_within(b"]\r\n", now), "LF ends the message");
        assert!(!connection.scan_within(b",4,5", now), "the chunk ends");
        assert!(connection.scan_within(b",4,", now));
        assert_eq!((connection.buffered(), &connection.storage[..9]), (9, b"[1,2,3,4,".as_slice()));
    }

    #[test]
    fn scan_stream_takes_short_chunks_that_are_complete_in_the_input() {
        let input = b"\r\n2\r\n,3\r\n8;name=01234567";
        let stored = |input: &[u8]| {
            let mut connection = spilling(b"4\r\n[1,2");
            assert_eq!(connection.scan(input, Instant::ZERO), (input.len(), Ok(None)));
            assert_eq!((connection.buffered(), &connection.storage[..6]), (6, b"[1,2,3".as_slice()));
            connection.storage
        };
        // The fast path copies a block of 16 bytes. The bytes after the data have no meaning.
        assert_eq!(input.len(), SHORT_CHUNK_WINDOW);
        assert_eq!(stored(input)[6..21], *b"\r\n8;name=01234\0");
        // The general path copies only the data.
        assert_eq!(stored(&input[..SHORT_CHUNK_WINDOW - 1])[6..], [0; 58]);
    }
}
