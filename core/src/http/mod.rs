//! The HTTP/1.1 that a streaming client needs, and no more.
//!
//! Bytes that decide where a message ends are read exactly as the grammar of RFC 9112 says and end the connection
//! when they are wrong; everything else (reason phrases, unknown fields, extensions, trailers) is skipped within
//! limits. A connection after a framing error costs a reconnect with backfill; a boundary in the wrong place would
//! cost Posts without anyone noticing.

pub mod body;
pub mod chunked;
pub mod connect;
pub mod date;
pub mod exchange;
pub mod head;
pub mod origin;
pub mod request;

/// `tchar` of RFC 9110 section 5.6.2: the bytes of field names and chunk-extension names.
pub(crate) const fn is_tchar(byte: u8) -> bool {
    matches!(byte,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'
        | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// HTAB, SP, VCHAR and obs-text: what field values and quoted strings are made of.
pub(crate) const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
