//! How a response ended, and the error message for it.

use powerstream_core::http::{ChunkErrorKind, HeadErrorKind};
use powerstream_core::stream::ConnectionErrorKind;

use crate::exit::Exit;

/// How the response ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By its own framing, or by the close of the connection if it has no other end.
    Complete,
    /// In the body, after this many bytes of input.
    Cut(u64),
    /// In the head, after this many bytes of input.
    CutInHead(u64),
    /// By a protocol error.
    Broken(TransportError),
}

impl Ending {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Complete => Exit::Done,
            Self::Cut(_) | Self::CutInHead(_) => Exit::Incomplete,
            Self::Broken(_) => Exit::Failed,
        }
    }

    /// Describes what was wrong, where, and what to do.
    pub(super) fn complaint(&self) -> Option<String> {
        match self {
            Self::Complete => None,
            Self::Cut(received) => Some(format!(
                "the body is cut short: the input ends after {received} bytes of the response; \
                 everything before that was decoded; record the complete response"
            )),
            Self::CutInHead(0) => Some(String::from(
                "the input is empty; expected the raw bytes of an HTTP/1.1 response, from its status line on",
            )),
            Self::CutInHead(received) => Some(format!(
                "the head is cut short: the input ends after {received} bytes, before the empty line that ends the \
                 head; record all of the response, from its status line on"
            )),
            Self::Broken(fault) => Some(format!(
                "{} at byte {} of the response [{}]{}",
                fault.detail(),
                fault.offset,
                fault.kind.code(),
                fault.advice()
            )),
        }
    }
}

/// The protocol error that ended a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TransportError {
    kind: ConnectionErrorKind,
    /// Bytes of the response before the wrong one.
    pub(super) offset: u64,
    /// The received bytes, if the wrong byte is known.
    seen: Option<Seen>,
    /// The body begins with JSON where a chunk size was expected.
    is_dechunked: bool,
}

/// The wrong byte, and some bytes before it. Bytes after it are omitted, because their number
/// depends on the size of the reads.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    before: Vec<u8>,
    byte: u8,
}

impl TransportError {
    /// Describes what was expected and received, and adds a hint if there is one.
    pub(super) fn detail(&self) -> String {
        let expected = match self.kind {
            ConnectionErrorKind::Head(kind) => kind.expected(),
            ConnectionErrorKind::Chunk(kind) => kind.expected(),
            _ => "expected the response to continue as HTTP/1.1 requires",
        };
        let hint = if self.is_dechunked {
            "; the body is already dechunked: record it with `curl -i --raw`"
        } else {
            ""
        };
        match &self.seen {
            Some(Seen { before, byte }) if before.is_empty() => {
                format!("{expected} (saw \"{}\"){hint}", byte.escape_ascii())
            }
            Some(Seen { before, byte }) => {
                format!(
                    "{expected} (saw \"{}\" then \"{}\"){hint}",
                    before.escape_ascii(),
                    byte.escape_ascii()
                )
            }
            None => format!("{expected}{hint}"),
        }
    }

    fn advice(&self) -> &'static str {
        match self.kind {
            ConnectionErrorKind::Head(HeadErrorKind::NotHttp) => {
                "; the input must be the raw bytes of one response (curl: -i --raw --http1.1)"
            }
            ConnectionErrorKind::Head(HeadErrorKind::ContentEncoding) => {
                "; request it without Accept-Encoding"
            }
            ConnectionErrorKind::Head(_) => "; a client drops such a connection",
            _ => "; everything before it was decoded; a client drops such a connection",
        }
    }
}

/// The most bytes of a response that an error shows. When escaped, they have at most 64 characters.
const SEEN_BYTES_MAX: usize = 16;

/// The part of the response before the next input: its length and last bytes.
#[derive(Debug, Default)]
pub(super) struct Trail {
    pub(super) offset: u64,
    /// Bytes of the heads that were skipped before.
    skipped: u64,
    last: Vec<u8>,
}

impl Trail {
    /// Adds bytes of a head that was skipped.
    pub(super) fn skip(&mut self, bytes: u64) {
        self.skipped += bytes;
    }

    /// Returns the number of bytes so far, including skipped heads.
    pub(super) fn received(&self) -> u64 {
        self.skipped + self.offset
    }

    /// Adds an input that was consumed completely.
    pub(super) fn push(&mut self, input: &[u8]) {
        self.offset += input.len() as u64;
        let keep = input.len().min(SEEN_BYTES_MAX);
        self.last.extend_from_slice(&input[input.len() - keep..]);
        self.last.drain(..self.last.len().saturating_sub(SEEN_BYTES_MAX));
    }

    /// Returns the error at `offset` in the response, whose head has `head` bytes. `input` is the
    /// next input and contains the wrong byte.
    pub(super) fn fault(
        &self,
        kind: ConnectionErrorKind,
        offset: u64,
        head: u64,
        input: &[u8],
    ) -> TransportError {
        // An error of the whole head has no single wrong byte. For a limit, the byte does not
        // matter.
        let has_byte = match kind {
            ConnectionErrorKind::Head(kind) => kind == HeadErrorKind::NotHttp,
            ConnectionErrorKind::Chunk(kind) => {
                !matches!(kind, ChunkErrorKind::SizeLineLength | ChunkErrorKind::TrailerLength)
            }
            _ => false,
        };
        let at = usize::try_from(offset.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let seen = input.get(..=at).and_then(<[u8]>::split_last).filter(|_| has_byte).map(|(byte, input)| {
            let mut before = [&self.last, &input[input.len().saturating_sub(SEEN_BYTES_MAX)..]].concat();
            before.drain(..before.len().saturating_sub(SEEN_BYTES_MAX - 1));
            Seen { before, byte: *byte }
        });
        let is_dechunked = kind == ConnectionErrorKind::Chunk(ChunkErrorKind::SizeMissing)
            && offset == head
            && seen.as_ref().is_some_and(|seen| matches!(seen.byte, b'{' | b'['));
        TransportError { kind, offset: self.skipped + offset, seen, is_dechunked }
    }
}
