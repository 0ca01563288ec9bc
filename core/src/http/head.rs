//! The response's head: status line and fields (RFC 9112 sections 4, 5 and 6.3).
//!
//! A head may arrive in any number of pieces, so it is collected in storage that the caller
//! provides. A small state machine checks each byte as it arrives. Input that cannot be a head is
//! therefore rejected at its first invalid byte, not after 64 KiB or at a deadline. Examples are a
//! captive portal's HTML, a mail banner, TLS or HTTP/2 frames, and a bare CR.
//!
//! After the empty line, `httparse` parses the whole head. Interim (1xx) responses are skipped.
//! [`BodyFraming`] follows section 6.3 exactly, because it decides which bytes are data.

use core::fmt;
use core::mem::MaybeUninit;
use core::time::Duration;

use super::body::BodyFraming;
use super::{date, is_tchar, is_text};
use crate::time::UnixTime;

/// Limits of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadLimits {
    /// The maximum number of bytes of all lines, including those of interim responses. Default: 64
    /// KiB (curl 300 KiB, h11 16 KiB). The length of the storage is a limit as well.
    pub bytes_max: usize,
    /// The maximum number of fields of one head. Default: 128 (hyper 100); at most [`FIELDS_MAX`].
    pub fields_max: usize,
    /// The maximum number of interim (1xx) responses before the final one. Default: 16. Most
    /// clients have no limit, so a server that sends interim responses endlessly makes them wait
    /// forever.
    pub interim_max: u32,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { bytes_max: 65_536, fields_max: 128, interim_max: 16 }
    }
}

/// The highest value of [`HeadLimits::fields_max`]: the fields are indexed on the stack during
/// parsing.
pub const FIELDS_MAX: usize = 256;

/// The reason why a head was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadErrorKind {
    /// The bytes cannot start an HTTP/1.0 or HTTP/1.1 response with a status of 100 to 999.
    NotHttp,
    /// The status line is malformed after its status code.
    StatusLine,
    /// A field line is malformed: its name, its colon, its value or its line end.
    Field,
    /// More than [`HeadLimits::bytes_max`] bytes, or more than the storage holds.
    Length,
    /// More than [`HeadLimits::fields_max`] fields.
    Fields,
    /// More than [`HeadLimits::interim_max`] interim responses.
    Interim,
    /// Status 101, although no upgrade was requested.
    SwitchingProtocols,
    /// `Transfer-Encoding` is not the single word `chunked` on one unfolded line. Delivering
    /// content that is still encoded would corrupt data silently.
    TransferEncoding,
    /// `Transfer-Encoding` in an HTTP/1.0 response, which means that its framing is faulty (section
    /// 6.1).
    TransferEncodingVersion,
    /// `Content-Length` is not one number below 2^63 on one unfolded line (section 6.3, rule 5).
    ContentLength,
    /// A content coding that was not requested.
    ContentEncoding,
}

impl HeadErrorKind {
    /// Returns a short stable name for programs, such as `head_length`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotHttp => "not_http",
            Self::StatusLine => "status_line",
            Self::Field => "field",
            Self::Length => "head_length",
            Self::Fields => "head_fields",
            Self::Interim => "interim_responses",
            Self::SwitchingProtocols => "switching_protocols",
            Self::TransferEncoding => "transfer_encoding",
            Self::TransferEncodingVersion => "transfer_encoding_version",
            Self::ContentLength => "content_length",
            Self::ContentEncoding => "content_encoding",
        }
    }

    /// Returns what was expected, as a phrase for error messages.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::NotHttp => {
                "expected the status line of an HTTP/1.1 response; is this the right host and port?"
            }
            Self::StatusLine => "expected a well-formed reason phrase in the status line",
            Self::Field => "expected a well-formed field line or the empty line that ends the head",
            Self::Length => "expected the head to end within its limit",
            Self::Fields => "expected fewer fields in the head",
            Self::Interim => "expected fewer interim (1xx) responses before the final one",
            Self::SwitchingProtocols => "expected no protocol switch (101), because none was requested",
            Self::TransferEncoding => {
                "expected Transfer-Encoding to be only chunked, on one line, because nothing else was requested"
            }
            Self::TransferEncodingVersion => "expected no Transfer-Encoding in an HTTP/1.0 response",
            Self::ContentLength => "expected Content-Length to be one decimal number below 2^63, on one line",
            Self::ContentEncoding => "expected no content coding, because none was requested",
        }
    }
}

/// The error of a rejected head, with its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadError {
    /// What was wrong.
    pub kind: HeadErrorKind,
    /// The position of the invalid byte in the input of the call that found it. If only the whole
    /// head shows the error, the end of the head.
    pub at: usize,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {} of the input)", self.kind.expected(), self.at)
    }
}

impl core::error::Error for HeadError {}

/// X's rate-limit fields. They count connection requests, not Posts (X docs, rate limits).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// `x-rate-limit-limit`: requests allowed in the window.
    pub limit: Option<u64>,
    /// `x-rate-limit-remaining`: requests left in the window.
    pub remaining: Option<u64>,
    /// `x-rate-limit-reset`: when the window ends.
    pub reset: Option<UnixTime>,
}

/// The value of a `Retry-After` field (RFC 9110 section 10.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the field has these two forms")]
pub enum RetryAfter {
    /// After this number of seconds.
    Seconds(u64),
    /// Not before this time.
    At(UnixTime),
}

impl RetryAfter {
    /// Returns how long to wait. `now` is the time of the server's clock. Use the
    /// [`ResponseHead::date`] of the same head, because a local clock may be wrong by hours.
    #[must_use]
    pub const fn wait(self, now: UnixTime) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds),
            Self::At(time) => time.saturating_since(now),
        }
    }
}

/// The parsed fields of a head that remain available without its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseHead {
    /// The status code, 200 to 999. Codes from 600 on are to be read as 5xx (RFC 9110 section 15).
    pub status: u16,
    /// The minor version of HTTP/1: 0 or 1.
    pub minor_version: u8,
    /// How the end of the body is determined; [`BodyFraming::UntilClose`] if it is not known.
    pub framing: BodyFraming,
    /// Why the body of an unsuccessful response cannot be read. Its status is still valid.
    /// [`Head::unread_body`] formats the reason.
    pub unreadable: Option<HeadErrorKind>,
    /// True if the head had both `Transfer-Encoding` and `Content-Length`. `Transfer-Encoding`
    /// takes precedence (section 6.3, rule 3).
    pub ambiguous_length: bool,
    /// X's rate-limit fields.
    pub rate_limit: RateLimit,
    /// The `Date` field: the server's clock.
    pub date: Option<UnixTime>,
    /// The `Retry-After` field. X does not document it; it is honored if present.
    pub retry_after: Option<RetryAfter>,
    /// Bytes of the head in storage, including the empty line.
    pub(crate) bytes: usize,
}

/// A complete response head, borrowed from storage.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    parsed: ResponseHead,
    bytes: &'a [u8],
}

impl<'a> Head<'a> {
    pub(crate) const fn new(parsed: ResponseHead, bytes: &'a [u8]) -> Self {
        Self { parsed, bytes }
    }

    /// Returns the parsed fields.
    #[must_use]
    pub const fn parsed(&self) -> &ResponseHead {
        &self.parsed
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.parsed.status
    }

    /// Returns the fields in the order received: the name as sent, the value without surrounding
    /// white space. Folds in values are replaced by spaces. Values come from the peer: escape them
    /// before display.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let lines = self.bytes.split(|&byte| byte == b'\n').skip(1);
        lines.filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            // Checked to be ASCII when the head was parsed.
            let name = core::str::from_utf8(&line[..colon]).ok()?;
            Some((name, trim(&line[colon + 1..])))
        })
    }

    /// Returns the value of the first field with that name, ignoring case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns why the body is not read, with the field that causes it. Returns `None` if the body
    /// can be read.
    #[must_use]
    pub fn unread_body(&self) -> Option<UnreadBody<'a>> {
        let kind = self.parsed.unreadable?;
        let name = match kind {
            HeadErrorKind::ContentEncoding => CONTENT_ENCODING,
            HeadErrorKind::ContentLength => CONTENT_LENGTH,
            _ => TRANSFER_ENCODING,
        };
        Some(UnreadBody { kind, head: *self, name })
    }

    /// Returns the datacenter that responded, if the head names it with at most 64 bytes: X sends
    /// `x-powerstream-datacenter` with `localDcOnly=true` (X docs, Powerstream introduction).
    #[must_use]
    pub fn datacenter(&self) -> Option<&'a str> {
        let name = self.field("x-powerstream-datacenter").filter(|name| name.len() <= SEEN_BYTES_MAX)?;
        core::str::from_utf8(name).ok()
    }
}

impl fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head").field("parsed", &self.parsed).finish_non_exhaustive()
    }
}

const TRANSFER_ENCODING: &str = "Transfer-Encoding";
const CONTENT_LENGTH: &str = "Content-Length";
const CONTENT_ENCODING: &str = "Content-Encoding";

/// The values of a field that [`UnreadBody`] shows, and the bytes of each.
const SEEN_VALUES_MAX: usize = 3;
const SEEN_BYTES_MAX: usize = 64;

/// Why a body is not read, made by [`Head::unread_body`]. `Display` escapes what the peer sent, and
/// shows at most 64 bytes of each of three values.
#[derive(Clone, Copy)]
pub struct UnreadBody<'a> {
    kind: HeadErrorKind,
    head: Head<'a>,
    name: &'static str,
}

impl fmt::Display for UnreadBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its body was not read: {}", self.kind.expected())?;
        let mut between = " (saw";
        let values = self.head.fields().filter(|(name, _)| name.eq_ignore_ascii_case(self.name));
        for (_, value) in values.take(SEEN_VALUES_MAX) {
            let seen = &value[..value.len().min(SEEN_BYTES_MAX)];
            write!(f, "{between} {}: {}", self.name, seen.escape_ascii())?;
            if seen.len() < value.len() {
                f.write_str("..")?;
            }
            between = ",";
        }
        f.write_str(")")
    }
}

impl fmt::Debug for UnreadBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnreadBody").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The place in the grammar of a head (RFC 9112 sections 4 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At this byte of the status line's fixed part.
    Status(u8),
    Reason,
    /// At the start of a field line. With `folds`, white space here continues the field before it.
    LineStart {
        folds: bool,
    },
    Name,
    Value,
    /// After the CR of the status line, of a field line, of the empty line.
    StatusLf,
    FieldLf,
    EndLf,
    End,
}

/// Bytes of a status line's fixed part: `HTTP/1.1 200`.
const STATUS_BYTES: u8 = 12;

impl State {
    /// Returns the state after `byte`.
    fn step(self, byte: u8) -> Result<Self, HeadErrorKind> {
        match (self, byte) {
            (Self::Status(at), _) if at < STATUS_BYTES => {
                let fits = match at {
                    7 => matches!(byte, b'0' | b'1'),
                    8 => byte == b' ',
                    // RFC 9110 15: codes below 100 do not exist.
                    9 => matches!(byte, b'1'..=b'9'),
                    10 | 11 => byte.is_ascii_digit(),
                    _ => byte == b"HTTP/1."[usize::from(at)],
                };
                if fits { Ok(Self::Status(at + 1)) } else { Err(HeadErrorKind::NotHttp) }
            }
            // A server MUST send the space before an empty reason phrase. Many do not; accepting
            // that is harmless.
            (Self::Status(_), b' ') => Ok(Self::Reason),
            (Self::Status(_) | Self::Reason, b'\r') => Ok(Self::StatusLf),
            // RFC 9112 2.2 lets a recipient take a single LF as a line end here; never in the
            // chunked coding.
            (Self::Status(_) | Self::Reason | Self::StatusLf, b'\n') => Ok(Self::LineStart { folds: false }),
            (Self::Status(_), _) => Err(HeadErrorKind::NotHttp),
            (Self::Reason, _) if is_text(byte) => Ok(Self::Reason),
            // 2.2: a bare CR is invalid.
            (Self::Reason | Self::StatusLf, _) => Err(HeadErrorKind::StatusLine),

            (Self::LineStart { .. }, b'\r') => Ok(Self::EndLf),
            (Self::LineStart { .. } | Self::EndLf, b'\n') => Ok(Self::End),
            // 2.2: white space directly after the status line is rejected, or its line is dropped.
            // It is never a field.
            (Self::LineStart { folds: true }, b' ' | b'\t') => Ok(Self::Value),
            (Self::LineStart { .. } | Self::Name, _) if is_tchar(byte) => Ok(Self::Name),
            // 5.1: no white space between name and colon.
            (Self::Name, b':') => Ok(Self::Value),
            (Self::Value, b'\r') => Ok(Self::FieldLf),
            (Self::Value | Self::FieldLf, b'\n') => Ok(Self::LineStart { folds: true }),
            (Self::Value, _) if is_text(byte) => Ok(Self::Value),
            _ => Err(HeadErrorKind::Field),
        }
    }
}

/// Decodes response heads. The input may be split anywhere.
#[derive(Clone, Debug)]
pub struct HeadDecoder {
    limits: HeadLimits,
    state: State,
    /// Bytes of the current head in storage.
    filled: usize,
    /// Bytes of the heads before it.
    before: usize,
    interim: u32,
    /// True if the request was a CONNECT.
    connect: bool,
}

impl HeadDecoder {
    /// Creates a decoder at the start of a response.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self { limits, state: State::Status(0), filled: 0, before: 0, interim: 0, connect: false }
    }

    /// Creates a decoder for the response to a CONNECT. Its fields about a body are ignored, as RFC
    /// 9110 section 9.3.6 requires for a successful response. After any other response nothing more
    /// is read.
    #[must_use]
    pub const fn for_connect(limits: HeadLimits) -> Self {
        Self { connect: true, ..Self::new(limits) }
    }

    /// Returns the bytes of an unfinished head in storage.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.filled
    }

    /// Reads `input` up to the end of the final response's head, and collects the head at the start
    /// of `storage`.
    ///
    /// Returns the number of bytes consumed, and the head once it is complete. The rest of `input`
    /// then belongs to the body. `storage` must be the same in every call, its content unchanged.
    /// Do not call it again after the head or an error.
    ///
    /// # Errors
    /// [`HeadError`] at the first byte that is invalid or exceeds a limit. If the fields of the
    /// head show that its body cannot be read, [`HeadError`] at the end of the head.
    pub fn decode(
        &mut self,
        input: &[u8],
        storage: &mut [u8],
    ) -> (usize, Result<Option<ResponseHead>, HeadError>) {
        let mut at = 0;
        while at < input.len() {
            let start = at;
            let room = storage.len().min(self.limits.bytes_max.saturating_sub(self.before));
            let end = input.len().min(start + room.saturating_sub(self.filled));
            while at < end && self.state != State::End {
                match self.state.step(input[at]) {
                    Ok(state) => self.state = state,
                    Err(kind) => return (at, Err(HeadError { kind, at })),
                }
                at += 1;
            }
            let piece = &input[start..at];
            storage[self.filled..self.filled + piece.len()].copy_from_slice(piece);
            self.filled += piece.len();
            if self.state != State::End {
                if at < input.len() {
                    return (at, Err(HeadError { kind: HeadErrorKind::Length, at }));
                }
                break;
            }
            match self.finish(&mut storage[..self.filled]) {
                Ok(Some(head)) => return (at, Ok(Some(head))),
                Ok(None) => {}
                Err(kind) => return (at, Err(HeadError { kind, at })),
            }
        }
        (at, Ok(None))
    }

    /// Parses the complete head in `bytes`. Returns `None` for an interim response.
    fn finish(&mut self, bytes: &mut [u8]) -> Result<Option<ResponseHead>, HeadErrorKind> {
        let folded = unfold(bytes);
        let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let fields_max = self.limits.fields_max.min(FIELDS_MAX);
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            bytes,
            &mut fields[..fields_max],
        );
        match parsed {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            // Both parsers end a head at its first empty line. If they ever disagree about input
            // from the network, the head is rejected.
            Ok(_) => return Err(HeadErrorKind::Field),
            Err(httparse::Error::TooManyHeaders) => return Err(HeadErrorKind::Fields),
            Err(httparse::Error::Version | httparse::Error::Status) => return Err(HeadErrorKind::StatusLine),
            Err(_) => return Err(HeadErrorKind::Field),
        }
        let (Some(status), Some(minor_version)) = (response.code, response.version) else {
            return Err(HeadErrorKind::StatusLine);
        };
        if status == 101 {
            return Err(HeadErrorKind::SwitchingProtocols);
        }
        if status < 200 {
            // RFC 9110 15.2: a client MUST be able to parse interim responses it does not expect,
            // and may ignore them. RFC 9112 6.3 rule 1: they have no body, regardless of their
            // fields.
            self.interim += 1;
            self.before += self.filled;
            self.filled = 0;
            self.state = State::Status(0);
            return if self.interim > self.limits.interim_max {
                Err(HeadErrorKind::Interim)
            } else {
                Ok(None)
            };
        }
        let mut reading = Fields { folded, ..Fields::default() };
        for field in response.headers.iter() {
            reading.read(field.name, field.value);
        }
        let (framing, unreadable) = match reading.framing(status, minor_version) {
            _ if self.connect => (BodyFraming::Empty, None),
            Ok(framing) => (framing, reading.coded(status)),
            Err(kind) => (BodyFraming::UntilClose, Some(kind)),
        };
        if let (200..300, Some(kind)) = (status, unreadable) {
            return Err(kind);
        }
        Ok(Some(ResponseHead {
            status,
            minor_version,
            framing,
            unreadable,
            ambiguous_length: reading.codings != Sole::Absent && reading.length != Sole::Absent,
            rate_limit: reading.rate_limit,
            date: reading.date,
            retry_after: reading.retry_after,
            bytes: bytes.len(),
        }))
    }
}

/// Replaces each fold of a field line by spaces, in place (RFC 9112 section 5.2: a user agent
/// MUST). Returns the error of a folded framing field. A line that starts with white space directly
/// after the status line is not a fold, and was rejected before (section 2.2).
fn unfold(head: &mut [u8]) -> Option<HeadErrorKind> {
    let mut folded = None;
    let mut field = 0;
    for index in 0..head.len() {
        if head[index] != b'\n' {
            continue;
        }
        if matches!(head.get(index + 1), Some(b' ' | b'\t')) {
            folded = folded.or(framing_field(&head[field..index]));
            head[index] = b' ';
            if head[index - 1] == b'\r' {
                head[index - 1] = b' ';
            }
        } else {
            field = index + 1;
        }
    }
    folded
}

/// Returns the error of a malformed field with that name, if the field determines the end of the
/// body.
fn framing_field(line: &[u8]) -> Option<HeadErrorKind> {
    let name = line.split(|&byte| byte == b':').next()?;
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    if is(TRANSFER_ENCODING) {
        Some(HeadErrorKind::TransferEncoding)
    } else if is(CONTENT_LENGTH) {
        Some(HeadErrorKind::ContentLength)
    } else {
        None
    }
}

/// Removes the optional white space around a field's value: SP and HTAB, and the CR of its line
/// end.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t' | b'\r'] = value {
        value = rest;
    }
    value
}

/// Returns the list elements of a value, without surrounding white space (RFC 9110 section 5.6.1).
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim)
}

/// Parses a number below 2^63 that consists of decimal digits only, without sign or space.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for &byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    (value < 1 << 63).then_some(value)
}

/// The value of a framing field. Only one line with one allowed value is trusted. RFC 9110 section
/// 8.6 lets the recipient decide whether equal lengths count as one. This decoder rejects them,
/// because two programs that disagree about the boundary may have written them.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Sole<T> {
    #[default]
    Absent,
    Valid(T),
    Invalid,
}

impl<T> Sole<T> {
    /// Adds a line; `None` is a value that is not allowed.
    fn read(&mut self, value: Option<T>) {
        *self = match (&self, value) {
            (Self::Absent, Some(value)) => Self::Valid(value),
            _ => Self::Invalid,
        };
    }
}

/// The values of the fields of one head.
#[derive(Default)]
struct Fields {
    /// The error of a framing field that was folded.
    folded: Option<HeadErrorKind>,
    /// `chunked`.
    codings: Sole<()>,
    length: Sole<u64>,
    content_encoded: bool,
    rate_limit: RateLimit,
    date: Option<UnixTime>,
    retry_after: Option<RetryAfter>,
}

impl Fields {
    fn read(&mut self, name: &str, value: &[u8]) {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match name.len() {
            // No TE is sent, so nothing else is acceptable (RFC 9112 section 7.4).
            17 if is(TRANSFER_ENCODING) => {
                self.codings.read(value.eq_ignore_ascii_case(b"chunked").then_some(()));
            }
            14 if is(CONTENT_LENGTH) => self.length.read(decimal(value)),
            16 if is(CONTENT_ENCODING) => {
                self.content_encoded |= elements(value)
                    .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
            }
            4 if is("date") => self.date = date::parse_date(value),
            11 if is("retry-after") => {
                self.retry_after = decimal(value)
                    .map(RetryAfter::Seconds)
                    .or_else(|| date::parse_date(value).map(RetryAfter::At))
                    .or(self.retry_after);
            }
            18 if is("x-rate-limit-limit") => self.rate_limit.limit = decimal(value),
            22 if is("x-rate-limit-remaining") => self.rate_limit.remaining = decimal(value),
            18 if is("x-rate-limit-reset") => {
                self.rate_limit.reset = decimal(value).map(UnixTime::from_seconds);
            }
            _ => {}
        }
    }

    /// Determines the framing as RFC 9112 section 6.3 does, in its order. An invalid length is
    /// rejected even next to a Transfer-Encoding, which would override it, because the sender
    /// cannot be trusted.
    fn framing(&self, status: u16, minor_version: u8) -> Result<BodyFraming, HeadErrorKind> {
        if has_no_body(status) {
            return Ok(BodyFraming::Empty);
        }
        if let Some(kind) = self.folded {
            return Err(kind);
        }
        match (self.codings, self.length) {
            (_, Sole::Invalid) => Err(HeadErrorKind::ContentLength),
            (Sole::Absent, Sole::Absent) => Ok(BodyFraming::UntilClose),
            (Sole::Absent, Sole::Valid(length)) => Ok(BodyFraming::Length(length)),
            // 6.1: a Transfer-Encoding in HTTP/1.0 means that the framing is faulty.
            _ if minor_version == 0 => Err(HeadErrorKind::TransferEncodingVersion),
            (Sole::Valid(()), _) => Ok(BodyFraming::Chunked),
            (Sole::Invalid, _) => Err(HeadErrorKind::TransferEncoding),
        }
    }

    /// Returns why content with known framing cannot be read.
    fn coded(&self, status: u16) -> Option<HeadErrorKind> {
        (self.content_encoded && !has_no_body(status)).then_some(HeadErrorKind::ContentEncoding)
    }
}

/// RFC 9112 section 6.3 rule 1.
const fn has_no_body(status: u16) -> bool {
    matches!(status, 204 | 304)
}
