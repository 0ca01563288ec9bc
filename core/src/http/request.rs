//! Writes request heads.
//!
//! All values are checked before the first byte is written, so that none can inject a line. Query
//! values are percent-encoded. The token is never printed.

use core::fmt;

/// A bearer token. `Debug` does not print it, and there is no `Display`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BearerToken<'a>(&'a str);

impl<'a> BearerToken<'a> {
    /// Creates a token of 1 to 4,096 bytes of visible ASCII.
    ///
    /// # Errors
    ///
    /// Returns [`RequestError::Token`] for any other text. The error does not contain the text.
    pub const fn new(token: &'a str) -> Result<Self, RequestError> {
        let bytes = token.as_bytes();
        if bytes.is_empty() || bytes.len() > 4_096 {
            return Err(RequestError::Token);
        }
        let mut index = 0;
        while index < bytes.len() {
            if !bytes[index].is_ascii_graphic() {
                return Err(RequestError::Token);
            }
            index += 1;
        }
        Ok(Self(token))
    }

    /// Returns the secret. Only the request writer uses it.
    const fn expose(self) -> &'a [u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for BearerToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// Opens a stream, or lists rules.
    Get,
    /// Adds rules.
    Post,
    /// Deletes rules. On Powerstream the request has a body (X docs, Powerstream introduction).
    Delete,
}

impl Method {
    const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// The head of a request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The host, with the port if it is not the scheme's default: `api.x.com`, `127.0.0.1:8080`,
    /// `[::1]:8080`.
    pub host: &'a str,
    /// The path, percent-encoded if necessary. It may include a query.
    pub path: &'a str,
    /// Query parameters, written after the path in this order. The writer percent-encodes them.
    pub query: &'a [(&'a str, &'a str)],
    /// The bearer token. Without one, the request has no `Authorization` field.
    pub token: Option<BearerToken<'a>>,
    /// The name and version of the client, which X asks for (X docs, handling disconnections).
    pub user_agent: &'a str,
    /// The length in bytes of the JSON body that follows the head, if there is one.
    pub json_bytes: Option<u64>,
    /// True to send `Connection: keep-alive`, which X recommends for streams (X docs, Powerstream
    /// introduction). False to ask the server to close the connection after its response. Default:
    /// true.
    pub keep_alive: bool,
}

impl<'a> Request<'a> {
    /// Creates a request without query, token and body. Set the fields to add them.
    #[must_use]
    pub const fn new(method: Method, host: &'a str, path: &'a str) -> Self {
        Self {
            method,
            host,
            path,
            query: &[],
            token: None,
            user_agent: DEFAULT_USER_AGENT,
            json_bytes: None,
            keep_alive: true,
        }
    }

    /// Writes the head to the start of `out` and returns its length in bytes.
    ///
    /// The head includes `Accept-Encoding: identity`, which asks for an uncompressed response.
    ///
    /// # Errors
    ///
    /// Returns [`RequestError`] if a value contains invalid characters or `out` is too short.
    ///
    /// ```
    /// use powerstream_core::http::{Method, Request};
    ///
    /// let mut request = Request::new(Method::Get, "api.x.com", "/2/powerstream");
    /// request.query = &[("localDcOnly", "true")];
    /// let mut out = [0; 512];
    /// let written = request.write(&mut out)?;
    /// assert!(out[..written].starts_with(b"GET /2/powerstream?localDcOnly=true HTTP/1.1\r\n"));
    /// # Ok::<(), powerstream_core::http::RequestError>(())
    /// ```
    pub fn write(&self, out: &mut [u8]) -> Result<usize, RequestError> {
        self.write_with(&[], out).map(|(length, _)| length)
    }

    /// Checks the values without writing.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Self::write`], except [`RequestError::Length`].
    pub fn check(&self) -> Result<(), RequestError> {
        check_host(self.host)?;
        check(self.path, |byte| byte.is_ascii_graphic() && byte != b'#', RequestError::Path)?;
        if !self.path.starts_with('/') {
            return Err(RequestError::Path);
        }
        check_user_agent(self.user_agent)
    }

    /// Writes the head like [`Self::write`], with additional query parameters. Also returns the end
    /// of the request target, where a session inserts one more parameter at each reconnect.
    pub(crate) fn write_with(
        &self,
        more: &[(&str, &str)],
        out: &mut [u8],
    ) -> Result<(usize, TargetEnd), RequestError> {
        self.check()?;
        let mut out = Writer::new(out);
        out.put(self.method.name().as_bytes())?;
        out.put(b" ")?;
        out.put(self.path.as_bytes())?;
        let mut has_query = self.path.contains('?');
        for (name, value) in self.query.iter().chain(more) {
            out.put(if has_query { b"&" } else { b"?" })?;
            has_query = true;
            out.percent_encoded(name)?;
            out.put(b"=")?;
            out.percent_encoded(value)?;
        }
        let target_end = TargetEnd { at: out.length, has_query };
        out.put(b" HTTP/1.1\r\nHost: ")?;
        out.put(self.host.as_bytes())?;
        if let Some(token) = self.token {
            out.put(b"\r\nAuthorization: Bearer ")?;
            out.put(token.expose())?;
        }
        out.put(b"\r\nUser-Agent: ")?;
        out.put(self.user_agent.as_bytes())?;
        out.put(b"\r\nAccept: application/json\r\nAccept-Encoding: identity\r\nConnection: ")?;
        out.put(if self.keep_alive { b"keep-alive\r\n" } else { b"close\r\n" })?;
        if let Some(length) = self.json_bytes {
            out.put(b"Content-Type: application/json\r\nContent-Length: ")?;
            out.decimal(length)?;
            out.put(b"\r\n")?;
        }
        out.put(b"\r\n")?;
        Ok((out.length, target_end))
    }
}

/// The place in a written request where another query parameter can be inserted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TargetEnd {
    pub(crate) at: usize,
    pub(crate) has_query: bool,
}

/// The `User-Agent` of this library.
pub const DEFAULT_USER_AGENT: &str = concat!("powerstream/", env!("CARGO_PKG_VERSION"));

/// Why a request was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The host is empty, or is not a host with an optional port.
    Host,
    /// The path does not start with `/`, or contains white space, control characters, non-ASCII
    /// characters or a fragment.
    Path,
    /// The token is empty, longer than 4,096 bytes, or not visible ASCII.
    Token,
    /// The User-Agent is empty or not printable ASCII.
    UserAgent,
    /// The proxy's user name or password contains a control character, or the user name a colon.
    Credentials,
    /// The request does not fit into the storage.
    Length,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "the host must be a name or an address, optionally with a port",
            Self::Path => "the path must start with '/' and be visible ASCII; percent-encode all other characters",
            Self::Token => {
                "the bearer token must be 1 to 4,096 visible ASCII characters, without white space"
            }
            Self::UserAgent => "the User-Agent must be printable ASCII and not empty",
            Self::Credentials => {
                "the proxy's user name and password must not contain control characters, nor the user name ':'"
            }
            Self::Length => "the request does not fit into the storage; provide more storage",
        })
    }
}

impl core::error::Error for RequestError {}

pub(super) fn check_host(host: &str) -> Result<(), RequestError> {
    check(host, |byte| byte.is_ascii_graphic() && !b"/?#@\\,".contains(&byte), RequestError::Host)
}

pub(super) fn check_user_agent(user_agent: &str) -> Result<(), RequestError> {
    check(user_agent, |byte| matches!(byte, b' '..=b'~'), RequestError::UserAgent)
}

fn check(value: &str, allowed: impl Fn(u8) -> bool, error: RequestError) -> Result<(), RequestError> {
    if !value.is_empty() && value.bytes().all(allowed) { Ok(()) } else { Err(error) }
}

/// Writes to the start of a slice, and reports if it is too short.
pub(super) struct Writer<'b> {
    out: &'b mut [u8],
    length: usize,
}

impl<'b> Writer<'b> {
    pub(super) const fn new(out: &'b mut [u8]) -> Self {
        Self { out, length: 0 }
    }

    pub(super) const fn length(&self) -> usize {
        self.length
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), RequestError> {
        let end = self.length + bytes.len();
        self.out.get_mut(self.length..end).ok_or(RequestError::Length)?.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }

    fn percent_encoded(&mut self, text: &str) -> Result<(), RequestError> {
        text.bytes().try_for_each(|byte| self.put(percent_encoded(byte, &mut [0; 3])))
    }

    pub(super) fn decimal(&mut self, number: u64) -> Result<(), RequestError> {
        let mut digits = [0; 20];
        self.put(decimal(number, &mut digits))
    }
}

/// Percent-encodes a byte, unless it is an unreserved character (RFC 3986 section 2.3).
#[doc(hidden)]
pub fn percent_encoded(byte: u8, out: &mut [u8; 3]) -> &[u8] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        out[0] = byte;
        return &out[..1];
    }
    *out = [b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    out
}

/// Formats `number` in decimal digits.
pub(crate) fn decimal(mut number: u64, out: &mut [u8; 20]) -> &[u8] {
    // A loop to the end of the array would be unrolled into a kilobyte of code.
    let digits = &mut out[..number.checked_ilog10().map_or(1, |exponent| exponent as usize + 1)];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}

/// Overwrites a request, which contains a secret.
pub(crate) fn wipe(request: &mut [u8]) {
    request.fill(0);
    // Prevents the compiler from removing the writes, which no code reads.
    core::hint::black_box(request);
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::{format, vec};

    use super::*;

    fn write(request: &Request<'_>) -> Result<String, RequestError> {
        let mut out = vec![0; 8_192];
        let length = request.write(&mut out)?;
        Ok(String::from_utf8(out[..length].to_vec()).unwrap())
    }

    #[test]
    fn writes_a_stream_request() {
        let mut request = Request::new(Method::Get, "api.x.com", "/2/powerstream");
        request.query = &[("localDcOnly", "true"), ("startTime", "2022-07-12T15:10:00Z")];
        request.token = Some(BearerToken::new("AAAA%3Dsecret").unwrap());
        request.user_agent = "example/1";
        assert_eq!(
            write(&request).unwrap(),
            "GET /2/powerstream?localDcOnly=true&startTime=2022-07-12T15%3A10%3A00Z HTTP/1.1\r\nHost: api.x.com\r\n\
             Authorization: Bearer AAAA%3Dsecret\r\nUser-Agent: example/1\r\nAccept: application/json\r\n\
             Accept-Encoding: identity\r\nConnection: keep-alive\r\n\r\n"
        );
    }

    #[test]
    fn writes_a_request_with_a_body() {
        let mut request = Request::new(Method::Delete, "[::1]:8080", "/2/powerstream/rules");
        request.json_bytes = Some(18_446_744_073_709_551_615);
        request.keep_alive = false;
        let text = write(&request).unwrap();
        assert!(text.contains("\r\nConnection: close\r\n") && !text.contains("keep-alive"), "{text}");
        assert!(text.starts_with("DELETE /2/powerstream/rules HTTP/1.1\r\nHost: [::1]:8080\r\n"), "{text}");
        assert!(
            text.ends_with("Content-Type: application/json\r\nContent-Length: 18446744073709551615\r\n\r\n")
        );
    }

    #[test]
    fn query_in_the_path_is_extended() {
        let mut request = Request::new(Method::Post, "h", "/p?a=b");
        request.query = &[("c d", "e&f=\r\n\u{1F431}")];
        assert!(
            write(&request).unwrap().starts_with("POST /p?a=b&c%20d=e%26f%3D%0D%0A%F0%9F%90%B1 HTTP/1.1\r\n")
        );
    }

    #[test]
    fn rejects_characters_that_could_inject_lines_or_change_the_target() {
        for bad in ["", "a b", "a\r\nX: y", "a\n", "a\0", "a/b", "u@h", "h?x", "h#x", "h\\x", "é", "a,b"] {
            assert_eq!(write(&Request::new(Method::Get, bad, "/")), Err(RequestError::Host), "{bad:?}");
        }
        for bad in ["", "x", "/a b", "/a\r\nX: y", "/\0", "/\u{e9}", "/a#b", "/\x7f"] {
            assert_eq!(write(&Request::new(Method::Get, "h", bad)), Err(RequestError::Path), "{bad:?}");
        }
        for bad in ["", "a\r\n", "a\tb", "a\0", "\u{e9}"] {
            let mut request = Request::new(Method::Get, "h", "/");
            request.user_agent = bad;
            assert_eq!(write(&request), Err(RequestError::UserAgent), "{bad:?}");
        }
        for bad in ["", " ", "a b", "a\r\nX: y", "a\n", "\0", "\u{e9}", &"x".repeat(4_097)] {
            assert_eq!(BearerToken::new(bad), Err(RequestError::Token));
        }
    }

    #[test]
    fn reports_missing_room_and_never_shows_the_token() {
        let mut request = Request::new(Method::Get, "h", "/");
        request.token = Some(BearerToken::new("very-secret").unwrap());
        let whole = write(&request).unwrap().len();
        for room in 0..whole {
            assert_eq!(request.write(&mut vec![0; room]), Err(RequestError::Length));
        }
        assert_eq!(request.write(&mut vec![0; whole]), Ok(whole));
        assert!(!format!("{request:?}").contains("secret"));
    }
}
