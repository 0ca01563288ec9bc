//! The subset of HTTP/1.1 that a streaming client needs.
//!
//! | to | use |
//! |---|---|
//! | parse a base URL | [`Origin`] |
//! | write a request | [`Request`], [`BearerToken`] |
//! | read a response's head | [`HeadDecoder`], which returns a [`Head`] |
//! | read a body in the chunked coding | [`ChunkedDecoder`] |
//! | send one request and read its bounded answer | [`Exchange`] |
//! | open a tunnel through a proxy | [`ConnectHandshake`] |
//!
//! Bytes that determine where a message ends must follow the grammar of RFC 9112 exactly. Invalid
//! ones end the connection, because a wrong boundary would lose Posts without a trace, while a
//! reconnect takes only seconds. Everything else (reason phrases, unknown fields, extensions,
//! trailers) is skipped within limits.

pub(crate) mod body;
pub(crate) mod chunked;
pub(crate) mod connect;
pub(crate) mod date;
pub(crate) mod document;
pub(crate) mod exchange;
pub(crate) mod head;
pub(crate) mod origin;
pub(crate) mod request;

pub use body::{Body, BodyFraming};
pub use chunked::{ChunkError, ChunkErrorKind, ChunkLimits, ChunkSpan, ChunkedDecoder, SIZE_DIGITS_MAX};
pub use connect::{ANSWER_BYTES, ConnectHandshake, Credentials, HandshakeStep, TunnelRequest};
pub use date::parse_date;
pub use document::document_text;
pub use exchange::{
    Answer, Exchange, ExchangeConfig, ExchangeError, ExchangeErrorKind, ExchangeStep, RequestSent,
};
pub use head::{
    FIELDS_MAX, Head, HeadDecoder, HeadError, HeadErrorKind, HeadLimits, RateLimit, ResponseHead, RetryAfter,
    UnreadBody,
};
#[cfg(feature = "alloc")]
pub use origin::OwnedOrigin;
pub use origin::{Origin, OriginError, Scheme, X};
pub use request::{BearerToken, DEFAULT_USER_AGENT, Method, Request, RequestError, percent_encoded};

/// Returns true for a `tchar` (RFC 9110 section 5.6.2): the bytes of field names and of
/// chunk-extension names.
pub(crate) const fn is_tchar(byte: u8) -> bool {
    matches!(byte,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'
        | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Returns true for HTAB, SP, VCHAR and obs-text: the bytes of field values and quoted strings.
pub(crate) const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
