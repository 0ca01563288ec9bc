//! What a connection reports: events, errors, how it closed, and byte counts.

use core::fmt;

use crate::http::chunked::ChunkErrorKind;
use crate::http::head::{Head, HeadErrorKind};
use crate::liveness::TimeoutKind;
use crate::stream::framing::MessagePlace;

/// The peer violated the protocol, or a deadline passed. Drop the connection and do not use it
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionError {
    /// What was wrong.
    pub kind: ConnectionErrorKind,
    /// The number of bytes of the response before the invalid one.
    pub offset: u64,
}

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionErrorKind {
    /// The head.
    Head(HeadErrorKind),
    /// The chunked coding of the body.
    Chunk(ChunkErrorKind),
    /// A deadline has passed; the bytes were valid.
    Timeout(TimeoutKind),
}

impl ConnectionErrorKind {
    /// Returns a short stable name for programs, such as `chunk_size_overflow`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Head(kind) => kind.code(),
            Self::Chunk(kind) => kind.code(),
            Self::Timeout(reason) => reason.timeout_code(),
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = match self.kind {
            ConnectionErrorKind::Head(kind) => kind.expected(),
            ConnectionErrorKind::Chunk(kind) => kind.expected(),
            ConnectionErrorKind::Timeout(reason) => reason.expected(),
        };
        write!(f, "{expected} (at byte {} of the response)", self.offset)
    }
}

impl core::error::Error for ConnectionError {}

/// An event of the connection, borrowed from the input or from storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionEvent<'a> {
    /// The head of the final response.
    Head(Head<'a>),
    /// A message without its delimiter: the bytes as received, not checked to be JSON.
    Message(&'a [u8]),
    /// A keep-alive: an empty message, or one of white space.
    KeepAlive,
    /// A message over the limit was skipped.
    Skipped {
        /// Its bytes.
        bytes: u64,
    },
    /// The body is complete. Input after it does not belong to the response: drop the connection.
    End {
        /// The number of bytes of an incomplete last message. A partial message is never delivered.
        /// A last message that lacks only its delimiter is delivered.
        undelivered: u64,
    },
}

/// A [`ConnectionEvent`] that borrows nothing: numbers only, so the caller can keep it while the
/// connection is borrowed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScannedConnectionEvent {
    /// See [`ConnectionEvent::Head`].
    Head,
    /// See [`ConnectionEvent::Message`].
    Message(MessagePlace),
    /// See [`ConnectionEvent::KeepAlive`].
    KeepAlive,
    /// See [`ConnectionEvent::Skipped`].
    Skipped {
        /// Its bytes.
        bytes: u64,
    },
    /// See [`ConnectionEvent::End`].
    End {
        /// Bytes of a last message that is cut.
        undelivered: u64,
    },
}

/// The state of the response when the connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "end, cut in the body, cut before it")]
pub enum Closed {
    /// The body was complete.
    Complete,
    /// The close ended a body that has no other end (RFC 9112 section 6.3 rule 8).
    CompleteByClose {
        /// Bytes of a last message that is cut.
        undelivered: u64,
    },
    /// The body was cut short (RFC 9112 section 8).
    Cut {
        /// Bytes of the message that was cut.
        undelivered: u64,
    },
    /// The head was cut short, or never arrived.
    CutInHead {
        /// Bytes of the head that arrived.
        undelivered: u64,
    },
}

/// The number of bytes received, by category.
///
/// At every step, `received == head + framing + delivered + separators + skipped + discarded +
/// Connection::buffered()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ByteCounts {
    /// All bytes consumed.
    pub received: u64,
    /// Heads, including interim ones.
    pub head: u64,
    /// Sizes, extensions, line ends and trailers of the chunked coding.
    pub framing: u64,
    /// Messages delivered, without delimiters.
    pub delivered: u64,
    /// Delimiters and keep-alives.
    pub separators: u64,
    /// Messages over the limit.
    pub skipped: u64,
    /// Bytes after the body's end or a protocol error, and incomplete messages.
    pub discarded: u64,
}

impl ByteCounts {
    /// Returns the number of bytes of complete messages and keep-alives. It does not depend on
    /// where reads end: an incomplete message counts only once it is complete.
    pub(crate) const fn completed(&self) -> u64 {
        self.delivered + self.separators + self.skipped
    }
}
