//! Reading of a request from a socket: its head and its body.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use crate::ground_truth::{End, Recorder};
use crate::inject;
use crate::link::Link;
use crate::request::{self, BODY_BYTES_MAX, Content, HEAD_BYTES_MAX, Parsed, Request};
use crate::shared::Shared;

/// What a client sent.
pub(crate) enum Received {
    Request(Request, Vec<u8>),
    /// A request, and the status that refuses its body.
    WithoutBody(Request, u16),
    /// Bytes that are not a valid request.
    Malformed,
}

/// Receives a request, after the TLS handshake if there is one. `Err` says how the connection ended
/// before that.
pub(crate) fn receive(shared: &Shared, link: &Arc<Link>, recorder: &mut Recorder) -> Result<Received, End> {
    let until = Instant::now() + shared.config.head_timeout;
    let fault = shared.tls.as_ref().and_then(|tls| tls.fault(recorder.number));
    if let Some(fault) = fault {
        recorder.fault_begins();
        match inject::at_handshake(fault, link, until) {
            Ok(false) => {}
            _ => return Err(link.ended_here().unwrap_or(End::TlsFault(fault))),
        }
    }
    let mut bytes = Vec::new();
    loop {
        match read(link, &mut bytes, until) {
            Ok(true) => {}
            Err(end @ (End::Shutdown | End::Killed)) => return Err(end),
            result if link.is_handshaking() && (fault.is_some() || result.is_err()) => {
                return Err(fault.map_or(End::NoHandshake, End::TlsFault));
            }
            Ok(false) if bytes.is_empty() => return Err(End::ClientLeft),
            _ => return Err(End::NoRequest),
        }
        match request::parse(&bytes) {
            Parsed::Partial => {}
            Parsed::Malformed => return Ok(Received::Malformed),
            Parsed::Request(request) => {
                let rest = bytes.split_off(request.head_len);
                return Ok(match receive_body(link, &request, rest, until)? {
                    Ok(body) => Received::Request(request, body),
                    Err(status) => Received::WithoutBody(request, status),
                });
            }
        }
        debug_assert!(bytes.len() < HEAD_BYTES_MAX);
    }
}

/// Appends received bytes. Returns false at the end of the connection.
fn read(link: &Arc<Link>, bytes: &mut Vec<u8>, until: Instant) -> Result<bool, End> {
    let mut buffer = [0; 4_096];
    let read = link.read(&mut buffer, until);
    match (link.ended_here(), read) {
        (Some(end), _) => Err(end),
        (None, Ok(0)) => Ok(false),
        (None, Ok(len)) => {
            bytes.extend_from_slice(&buffer[..len]);
            Ok(true)
        }
        (None, Err(_)) => Err(End::NoRequest),
    }
}

/// Returns the body, or the status that refuses it.
fn receive_body(
    link: &Arc<Link>,
    request: &Request,
    mut bytes: Vec<u8>,
    until: Instant,
) -> Result<Result<Vec<u8>, u16>, End> {
    if request.expects_continue && bytes.is_empty() {
        // If this write fails, the next read reports that the client is gone.
        let _ = link.write(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    let mut body = Vec::new();
    loop {
        if let Some(result) = take_body(request.content, &mut bytes, &mut body) {
            return Ok(result);
        }
        if !read(link, &mut bytes, until)? {
            return Err(End::NoRequest);
        }
    }
}

/// Returns the body once `bytes` contains its end, or the status that refuses it. `body` holds the
/// chunks taken so far.
pub(crate) fn take_body(
    content: Content,
    bytes: &mut Vec<u8>,
    body: &mut Vec<u8>,
) -> Option<Result<Vec<u8>, u16>> {
    match content {
        Content::Length(len) if len > BODY_BYTES_MAX => Some(Err(413)),
        Content::Length(len) => (bytes.len() >= len).then(|| {
            bytes.truncate(len);
            Ok(mem::take(bytes))
        }),
        Content::Wrong => Some(Err(400)),
        Content::Chunked => match take_chunks(bytes, body) {
            Ok(true) => Some(Ok(mem::take(body))),
            Ok(false) if body.len().max(bytes.len()) > BODY_BYTES_MAX => Some(Err(413)),
            Ok(false) => None,
            Err(()) => Some(Err(400)),
        },
    }
}

/// Moves the complete chunks from `bytes` to `body`. Returns true after the last chunk.
fn take_chunks(bytes: &mut Vec<u8>, body: &mut Vec<u8>) -> Result<bool, ()> {
    loop {
        let (start, size) = match httparse::parse_chunk_size(bytes) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(false),
            Err(_) => return Err(()),
        };
        if size == 0 {
            // Trailers are ignored, but the empty line after them must have arrived.
            return Ok(bytes[start..].starts_with(b"\r\n")
                || bytes[start..].windows(4).any(|end| end == b"\r\n\r\n"));
        }
        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size)).ok_or(())?;
        if end > BODY_BYTES_MAX * 2 {
            return Err(());
        }
        let Some(rest) = bytes.get(end..) else { return Ok(false) };
        match rest {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(false),
            _ => return Err(()),
        }
        body.extend_from_slice(&bytes[start..end]);
        bytes.drain(..end + 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_chunked_request_body_in_any_pieces() {
        let whole = b"5\r\n{\"a\":\r\n2;x=y\r\n1}\r\n0\r\nx: y\r\n\r\n";
        for cut in 0..=whole.len() {
            let (mut bytes, mut body) = (whole[..cut].to_vec(), Vec::new());
            let done = take_chunks(&mut bytes, &mut body).unwrap();
            assert_eq!(done, cut == whole.len(), "{cut}");
            bytes.extend_from_slice(&whole[cut..]);
            assert_eq!(take_chunks(&mut bytes, &mut body), Ok(true));
            assert_eq!(body, b"{\"a\":1}");
        }
        for wrong in [&b"x\r\n"[..], b"2\r\nabc\r\n", b"fffffffffffffff\r\n", b"ffffffffffffffff\r\n"] {
            assert_eq!(take_chunks(&mut wrong.to_vec(), &mut Vec::new()), Err(()), "{wrong:?}");
        }
    }
}
