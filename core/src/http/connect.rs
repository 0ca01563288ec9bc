//! Opens a tunnel through an HTTP proxy with CONNECT (RFC 9110 section 9.3.6).
//!
//! ```text
//!   Write --all of transmit()--> Read --2xx without further bytes--> Open
//!                                 '--any other head, or none-------> Failed
//! ```
//!
//! The proxy sees the server's name and port, and TLS records. The bearer token is sent only
//! through the tunnel, to the server whose certificate was verified. The proxy's credentials are
//! kept in the storage, never printed, and wiped on drop.
//!
//! After a 2xx head the client speaks first, because TLS does. Bytes directly after the head are
//! therefore an error ([`TransportErrorKind::ProxyLeftover`]).
//!
//! ```
//! use powerstream_core::http::{ConnectHandshake, HandshakeStep, TunnelRequest};
//!
//! let mut opening = ConnectHandshake::new([0; 2_048], &TunnelRequest::new("api.x.com", 443))?;
//! assert!(opening.transmit().starts_with(b"CONNECT api.x.com:443 HTTP/1.1\r\nHost: "));
//! opening.handle_written(opening.transmit().len());
//! opening.handle_input(b"HTTP/1.1 200 Connection estab");
//! assert_eq!(opening.poll(), HandshakeStep::Read);
//! opening.handle_input(b"lished\r\n\r\n");
//! assert_eq!(opening.poll(), HandshakeStep::Open);
//! # Ok::<(), powerstream_core::http::RequestError>(())
//! ```

use core::fmt;

use super::head::{HeadDecoder, HeadLimits};
use super::request::{DEFAULT_USER_AGENT, RequestError, Writer, check_host, check_user_agent};
use crate::transport_error::TransportErrorKind;

/// The size of the storage that adapters provide for the proxy's response head, in bytes. Node and
/// h11 use the same limit.
pub const ANSWER_BYTES: usize = 16_384;

/// A user name and password for a proxy. `Debug` does not print them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    user: &'a str,
    password: &'a str,
}

impl<'a> Credentials<'a> {
    /// Creates credentials that the Basic scheme can carry (RFC 7617 section 2).
    ///
    /// # Errors
    ///
    /// Returns [`RequestError::Credentials`] if either contains a control character, or the user
    /// name a colon. The error contains neither.
    pub fn new(user: &'a str, password: &'a str) -> Result<Self, RequestError> {
        let has_control = |text: &str| text.chars().any(char::is_control);
        if user.contains(':') || has_control(user) || has_control(password) {
            return Err(RequestError::Credentials);
        }
        Ok(Self { user, password })
    }

    /// Returns the bytes to encode in base64. They are secret.
    fn bytes(self) -> impl Iterator<Item = u8> + use<'a> {
        self.user.bytes().chain([b':']).chain(self.password.bytes())
    }

    fn length(self) -> usize {
        self.user.len() + 1 + self.password.len()
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// A request for a tunnel.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TunnelRequest<'a> {
    /// The server's name or address, without brackets.
    pub host: &'a str,
    /// The server's port.
    pub port: u16,
    /// The credentials for the proxy, if it needs any.
    pub credentials: Option<Credentials<'a>>,
    /// The name and version of the client.
    pub user_agent: &'a str,
}

impl<'a> TunnelRequest<'a> {
    /// Creates a request for a tunnel to this server, without credentials.
    #[must_use]
    pub const fn new(host: &'a str, port: u16) -> Self {
        Self { host, port, credentials: None, user_agent: DEFAULT_USER_AGENT }
    }

    /// Returns the storage in bytes that [`ConnectHandshake::new`] needs for the request. The
    /// response head needs additional storage.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let credentials = self.credentials.map_or(0, Credentials::length);
        FIXED_BYTES + 2 * self.host.len() + self.user_agent.len() + credentials.div_ceil(3) * 4
    }

    fn write(&self, out: &mut [u8]) -> Result<usize, RequestError> {
        let is_ipv6 = self.host.parse::<core::net::Ipv6Addr>().is_ok();
        check_host(self.host)?;
        check_user_agent(self.user_agent)?;
        if !is_ipv6 && self.host.contains([':', '[', ']']) {
            return Err(RequestError::Host);
        }
        let mut out = Writer::new(out);
        out.put(b"CONNECT ")?;
        for between in [b" HTTP/1.1\r\nHost: ".as_slice(), b""] {
            out.put(if is_ipv6 { b"[" } else { b"" })?;
            out.put(self.host.as_bytes())?;
            out.put(if is_ipv6 { b"]:" } else { b":" })?;
            out.decimal(u64::from(self.port))?;
            out.put(between)?;
        }
        if let Some(credentials) = self.credentials {
            out.put(b"\r\nProxy-Authorization: Basic ")?;
            put_base64(credentials.bytes(), &mut out)?;
        }
        out.put(b"\r\nUser-Agent: ")?;
        out.put(self.user_agent.as_bytes())?;
        out.put(b"\r\n\r\n")?;
        Ok(out.length())
    }
}

/// Storage for the fixed parts of the request and two ports.
const FIXED_BYTES: usize = 128;

/// The next step of a [`ConnectHandshake`]. The enum is exhaustive because a driver must handle
/// every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a driver must handle every step")]
pub enum HandshakeStep {
    /// Send [`ConnectHandshake::transmit`] to the proxy, and report the sent bytes with
    /// [`ConnectHandshake::handle_written`].
    Write,
    /// Read, and pass the bytes to [`ConnectHandshake::handle_input`].
    Read,
    /// The tunnel is open: from now on, bytes go to and come from the server.
    Open,
    /// The proxy did not open the tunnel. Close the connection to it.
    Failed(TransportErrorKind),
}

/// Opens tunnels through a proxy to one server, one after another. `S` is the storage, as for a
/// session.
pub struct ConnectHandshake<S: AsRef<[u8]> + AsMut<[u8]>> {
    /// The request, followed by the head of the response.
    storage: S,
    /// The length of the request in bytes, and the number of bytes sent.
    request: usize,
    sent: usize,
    limits: HeadLimits,
    head: HeadDecoder,
    progress: HandshakeStep,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> ConnectHandshake<S> {
    /// Writes the request to the start of `storage`. The storage needs [`TunnelRequest::bytes`]
    /// bytes for the request, and more for the response head; [`ANSWER_BYTES`] is sufficient.
    ///
    /// # Errors
    ///
    /// Returns [`RequestError`] if a value contains invalid characters or the storage is too short.
    pub fn new(mut storage: S, request: &TunnelRequest<'_>) -> Result<Self, RequestError> {
        let limits = HeadLimits::default();
        // If the request does not fit, the storage contains a part of it.
        let request =
            request.write(storage.as_mut()).inspect_err(|_| super::request::wipe(storage.as_mut()))?;
        let head = HeadDecoder::for_connect(limits);
        Ok(Self { storage, request, sent: 0, limits, head, progress: HandshakeStep::Write })
    }

    /// Returns the next step. It changes only with `handle_*` calls and [`Self::restart`].
    #[must_use]
    pub const fn poll(&self) -> HandshakeStep {
        self.progress
    }

    /// Returns the bytes of the request that are still to be sent. They contain the credentials: do
    /// not log them.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        match self.progress {
            HandshakeStep::Write => &self.storage.as_ref()[self.sent..self.request],
            _ => &[],
        }
    }

    /// Starts again for a new connection to the proxy.
    pub fn restart(&mut self) {
        self.sent = 0;
        self.head = HeadDecoder::for_connect(self.limits);
        self.progress = HandshakeStep::Write;
    }

    /// Reports that `count` bytes of [`Self::transmit`] were sent.
    pub fn handle_written(&mut self, count: usize) {
        if self.progress == HandshakeStep::Write {
            self.sent = self.request.min(self.sent.saturating_add(count));
            if self.sent == self.request {
                self.progress = HandshakeStep::Read;
            }
        }
    }

    /// Reports bytes from the proxy, split in any way.
    pub fn handle_input(&mut self, input: &[u8]) {
        if self.progress != HandshakeStep::Read {
            return;
        }
        let (consumed, result) = self.head.decode(input, &mut self.storage.as_mut()[self.request..]);
        self.progress = match result {
            Ok(None) => HandshakeStep::Read,
            Ok(Some(head)) => match head.status {
                200..=299 if consumed == input.len() => HandshakeStep::Open,
                200..=299 => HandshakeStep::Failed(TransportErrorKind::ProxyLeftover),
                407 => HandshakeStep::Failed(TransportErrorKind::ProxyAuthentication),
                403 => HandshakeStep::Failed(TransportErrorKind::ProxyForbidden),
                status @ 500.. => HandshakeStep::Failed(TransportErrorKind::ProxyUnavailable(status)),
                status => HandshakeStep::Failed(TransportErrorKind::ProxyRefused(status)),
            },
            Err(_) => HandshakeStep::Failed(TransportErrorKind::ProxyAnswer),
        };
    }

    /// Reports that the proxy closed the connection.
    pub fn handle_eof(&mut self) {
        if matches!(self.progress, HandshakeStep::Write | HandshakeStep::Read) {
            self.progress = HandshakeStep::Failed(TransportErrorKind::ProxyClosed);
        }
    }
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Drop for ConnectHandshake<S> {
    /// Wipes the credentials, because the storage may outlive the handshake.
    fn drop(&mut self) {
        super::request::wipe(&mut self.storage.as_mut()[..self.request]);
    }
}

impl<S: AsRef<[u8]> + AsMut<[u8]> + Clone> Clone for ConnectHandshake<S> {
    fn clone(&self) -> Self {
        Self {
            storage: self.storage.clone(),
            request: self.request,
            sent: self.sent,
            limits: self.limits,
            head: self.head.clone(),
            progress: self.progress,
        }
    }
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> fmt::Debug for ConnectHandshake<S> {
    /// Omits the storage, which contains the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectHandshake").field("progress", &self.progress).finish_non_exhaustive()
    }
}

/// Writes base64 with padding (RFC 4648 section 4).
fn put_base64(mut bytes: impl Iterator<Item = u8>, out: &mut Writer<'_>) -> Result<(), RequestError> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    while let Some(first) = bytes.next() {
        let (second, third) = (bytes.next(), bytes.next());
        let bits = [first, second.unwrap_or(0), third.unwrap_or(0)];
        let bits = u32::from_be_bytes([0, bits[0], bits[1], bits[2]]);
        let digit = |shift: u32| DIGITS[(bits >> shift & 63) as usize];
        out.put(&[
            digit(18),
            digit(12),
            if second.is_some() { digit(6) } else { b'=' },
            if third.is_some() { digit(0) } else { b'=' },
        ])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;
    use std::{format, vec};

    use super::*;

    fn opening(request: &TunnelRequest<'_>) -> Result<ConnectHandshake<Vec<u8>>, RequestError> {
        ConnectHandshake::new(vec![0; request.bytes() + 200], request)
    }

    fn sent() -> ConnectHandshake<Vec<u8>> {
        let mut opening = opening(&TunnelRequest::new("api.x.com", 443)).unwrap();
        opening.handle_written(usize::MAX);
        opening
    }

    fn text(opening: &ConnectHandshake<Vec<u8>>) -> String {
        String::from_utf8(opening.transmit().to_vec()).unwrap()
    }

    #[test]
    fn base64_is_padded() {
        for (bytes, want) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("\u{fb}\u{ff}~?", "w7vDv34/")]
        {
            let mut out = [0; 16];
            let mut writer = Writer::new(&mut out);
            put_base64(bytes.bytes(), &mut writer).unwrap();
            let length = writer.length();
            assert_eq!(core::str::from_utf8(&out[..length]), Ok(want));
        }
    }

    #[test]
    fn writes_connect_requests_with_and_without_credentials_for_every_kind_of_host() {
        let mut request = TunnelRequest::new("2001:db8::1", 8443);
        request.user_agent = "example/1";
        assert_eq!(
            text(&opening(&request).unwrap()),
            "CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\nUser-Agent: example/1\r\n\r\n"
        );
        request.host = "api.x.com";
        request.credentials = Some(Credentials::new("user", "pass:w\u{f6}rd").unwrap());
        let opening = opening(&request).unwrap();
        assert!(text(&opening).contains("\r\nProxy-Authorization: Basic dXNlcjpwYXNzOnfDtnJk\r\n"));
        let shown = format!("{opening:?} {request:?}");
        assert!(!shown.contains("user\"") && !shown.contains("pass") && !shown.contains("dXNl"), "{shown}");
    }

    #[test]
    fn each_value_adds_exactly_its_encoded_length_to_the_storage() {
        let values = ["", "a", "ab", "abc", "abcd"].map(|front| format!("{front}{}", "x".repeat(90)));
        let spare = |host: &str, user_agent: &str, user: &str, password: &str| {
            let mut request = TunnelRequest::new(host, 443);
            request.user_agent = user_agent;
            request.credentials = Some(Credentials::new(user, password).unwrap());
            let opening = ConnectHandshake::new(vec![0; request.bytes()], &request).unwrap();
            request.bytes() - opening.transmit().len()
        };
        let want = spare("h", "a", "", "");
        for value in &values {
            assert_eq!(spare(value, "a", "", ""), want);
            assert_eq!(spare("h", value, "", ""), want);
            assert_eq!(spare("h", "a", value, ""), want);
            assert_eq!(spare("h", "a", "", value), want);
        }
    }

    #[test]
    fn rejects_values_that_could_change_the_request() {
        for bad in ["", "a b", "a\r\nX: y", "a/b", "a:1", "[::1]", "u@h", "\u{e9}"] {
            let found = opening(&TunnelRequest::new(bad, 1)).map(drop);
            assert_eq!(found, Err(RequestError::Host), "{bad:?}");
        }
        for (user, password) in [("a:b", ""), ("a\n", ""), ("a", "\0"), ("\u{85}", "b")] {
            assert_eq!(Credentials::new(user, password), Err(RequestError::Credentials));
        }
        let mut request = TunnelRequest::new("h", 1);
        request.user_agent = "a\r\nb";
        assert_eq!(opening(&request).map(drop), Err(RequestError::UserAgent));
        request.user_agent = "a";
        assert_eq!(ConnectHandshake::new([0; 20], &request).map(drop), Err(RequestError::Length));
    }

    #[test]
    fn every_proxy_response_maps_to_its_result_under_every_split() {
        use HandshakeStep::{Failed, Open, Read};
        use TransportErrorKind as K;
        let long = format!("HTTP/1.1 200 x\r\nx: {}\r\n\r\n", "y".repeat(400));
        let many = "HTTP/1.1 100 x\r\n\r\n".repeat(17) + "HTTP/1.1 200 x\r\n\r\n";
        let cases = [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Open),
            ("HTTP/1.0 200\n\n", Open),
            ("HTTP/1.1 204 x\r\nVia: a\r\n\r\n", Open),
            // Fields about a body are ignored (RFC 9110 9.3.6).
            ("HTTP/1.1 200 x\r\nContent-Length: 5, 6\r\nTransfer-Encoding: gzip\r\n\r\n", Open),
            ("HTTP/1.0 200 x\r\nTransfer-Encoding: chunked\r\nContent-Encoding: br\r\n\r\n", Open),
            ("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 x\r\n\r\n", Open),
            ("HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\n\r\nwho?", Failed(K::ProxyAuthentication)),
            ("HTTP/1.1 403 x\r\nContent-Length: 2\r\n\r\nno", Failed(K::ProxyForbidden)),
            // The status of a refusal is valid, regardless of the coding of its body.
            (
                "HTTP/1.1 407 x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n\u{1f}",
                Failed(K::ProxyAuthentication),
            ),
            ("HTTP/1.1 403 x\r\nContent-Encoding: br\r\n\r\n\u{1}", Failed(K::ProxyForbidden)),
            ("HTTP/1.1 403 x\r\nContent-Length:\r\n 2\r\n\r\nno", Failed(K::ProxyForbidden)),
            ("HTTP/1.1 200 x\r\nContent-Length:\r\n 0\r\n\r\n", Open),
            ("HTTP/1.1 502 x\r\n\r\n", Failed(K::ProxyUnavailable(502))),
            ("HTTP/1.1 999 x\r\n\r\n", Failed(K::ProxyUnavailable(999))),
            ("HTTP/1.1 301 x\r\nLocation: /\r\n\r\n", Failed(K::ProxyRefused(301))),
            ("HTTP/1.1 404 x\r\n\r\n", Failed(K::ProxyRefused(404))),
            ("HTTP/1.1 101 x\r\n\r\n", Failed(K::ProxyAnswer)),
            ("SSH-2.0-x\r\n", Failed(K::ProxyAnswer)),
            ("\x15\x03\x01\x00\x02", Failed(K::ProxyAnswer)),
            ("HTTP/1.1 200 x\r\n bad\r\n\r\n", Failed(K::ProxyAnswer)),
            (&long, Failed(K::ProxyAnswer)),
            (&many, Failed(K::ProxyAnswer)),
            ("HTTP/1.1 200 x\r\n\r", Read),
            ("", Read),
        ];
        for (wire, want) in cases {
            let wire = wire.as_bytes();
            for cut in 0..=wire.len() {
                let mut opening = sent();
                opening.handle_input(&wire[..cut]);
                opening.handle_input(&wire[cut..]);
                assert_eq!(opening.poll(), want, "{cut} of {}", wire.escape_ascii());
            }
            let mut opening = sent();
            wire.iter().for_each(|&byte| opening.handle_input(&[byte]));
            assert_eq!(opening.poll(), want, "byte by byte: {}", wire.escape_ascii());
            opening.handle_eof();
            let end = if want == Read { Failed(K::ProxyClosed) } else { want };
            assert_eq!(opening.poll(), end);
        }
    }

    #[test]
    fn bytes_after_the_response_head_are_an_error() {
        let wire = b"HTTP/1.1 200 x\r\n\r\n\x16";
        // Only if they arrive in the same read. Later bytes come from the server.
        for cut in 0..wire.len() - 1 {
            let mut opening = sent();
            opening.handle_input(&wire[..cut]);
            opening.handle_input(&wire[cut..]);
            assert_eq!(opening.poll(), HandshakeStep::Failed(TransportErrorKind::ProxyLeftover), "{cut}");
        }
    }

    #[test]
    fn request_is_sent_in_pieces_and_again_after_a_restart() {
        let mut opening = opening(&TunnelRequest::new("h", 1)).unwrap();
        let whole = text(&opening);
        for _ in 0..2 {
            let mut sent = Vec::new();
            while opening.poll() == HandshakeStep::Write {
                let piece = opening.transmit().len().min(7);
                sent.extend_from_slice(&opening.transmit()[..piece]);
                opening.handle_written(piece);
            }
            assert_eq!(sent, whole.as_bytes());
            assert!(opening.transmit().is_empty());
            opening.handle_input(b"HTTP/1.1 2");
            opening.restart();
        }
        opening.handle_input(b"early");
        assert_eq!(opening.poll(), HandshakeStep::Write, "input before the request is sent is ignored");
    }

    #[test]
    fn credentials_are_wiped_on_drop() {
        let mut request = TunnelRequest::new("h", 1);
        request.credentials = Some(Credentials::new("user", "password").unwrap());
        let mut storage = vec![0; request.bytes() + 100];
        drop(ConnectHandshake::new(storage.as_mut_slice(), &request).unwrap());
        assert!(storage.iter().all(|&byte| byte == 0));
    }

    #[test]
    fn credentials_are_wiped_if_the_request_does_not_fit() {
        let mut request = TunnelRequest::new("h", 1);
        request.credentials = Some(Credentials::new("user", "password").unwrap());
        for room in 0..request.bytes() {
            let mut storage = vec![1; room];
            let is_refused = ConnectHandshake::new(storage.as_mut_slice(), &request).is_err();
            assert!(is_refused || room > 80, "{room}");
            assert!(storage.iter().all(|&byte| byte == 0) || !is_refused, "{room}");
        }
    }
}
