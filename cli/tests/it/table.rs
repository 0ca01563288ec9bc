//! Responses and the results that `decode` must report, run through the binary and inside the tool.
//!
//! The tests of core check the wire grammar, with each case under every split. The rows here check
//! that the tool reports each framing, each error code and each way to end. They also cover the
//! default limits and a few heads that the tests of core do not have.

/// How a response must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Complete according to its framing, with this many bytes left over.
    Complete(u64),
    /// Complete by the close of the connection.
    ByClose,
    /// Cut short in the body.
    Cut,
    /// Cut short in the head.
    CutInHead,
    /// Refused, with this code.
    Error(&'static str),
}

use End::{ByClose, Complete, Cut, CutInHead, Error};

impl End {
    /// Returns the exit code of this end.
    pub(crate) fn exit(self) -> i32 {
        match self {
            Complete(_) | ByClose => 0,
            Error(_) => 1,
            Cut | CutInHead => 3,
        }
    }
}

/// One response and its expected results.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The section, and the start of the response.
    pub(crate) name: String,
    /// The bytes of the response.
    pub(crate) wire: Vec<u8>,
    /// The expected content bytes.
    pub(crate) body: Vec<u8>,
    /// How it must end.
    pub(crate) end: End,
}

impl Row {
    /// Returns a row whose wire is the whole response.
    pub(crate) fn new(wire: impl AsRef<[u8]>, body: impl AsRef<[u8]>, end: End) -> Self {
        let wire = wire.as_ref().to_vec();
        let name = wire.escape_ascii().map(char::from).take(120).collect();
        Self { name, wire, body: body.as_ref().to_vec(), end }
    }

    /// Returns a row with these field lines before the ones that frame a body of two bytes.
    pub(crate) fn fields(fields: impl AsRef<[u8]>, end: End) -> Self {
        let body: &[u8] = if end.exit() == 0 { b"ok" } else { b"" };
        let wire = [b"HTTP/1.1 200 OK\r\n", fields.as_ref(), b"\r\nContent-Length: 2\r\n\r\nok"].concat();
        Self::new(wire, body, end)
    }

    /// Returns a row with exactly these field lines, whose body on the wire is `rest`.
    fn framed(fields: impl AsRef<[u8]>, rest: impl AsRef<[u8]>, body: &[u8], end: End) -> Self {
        Self::new([b"HTTP/1.1 200 OK\r\n", fields.as_ref(), b"\r\n\r\n", rest.as_ref()].concat(), body, end)
    }

    /// Returns a row whose body on the wire is `rest`, in the chunked coding.
    fn chunked(rest: impl AsRef<[u8]>, body: &[u8], end: End) -> Self {
        Self::framed(b"Transfer-Encoding: chunked", rest, body, end)
    }
}

/// Returns all rows.
pub(crate) fn rows() -> Vec<Row> {
    [heads(), earlier_heads(), framings(), chunks(), cuts()].concat()
}

const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn heads() -> Vec<Row> {
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
    let many = |count: usize| b"n: v\r\n".repeat(count - 1);
    let rest = "HTTP/1.1 200 OK\r\nname: \r\nContent-Length: 2\r\n\r\n".len();
    let value = |length: usize| [b"name: ", "v".repeat(length).as_bytes()].concat();
    vec![
        Row::new(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"ok", Complete(0)),
        Row::new(b"HTTP/1.1 200 a\x01b\r\n\r\n", b"", Error("status_line")),
        Row::new(b"<html><body>Sign in to the network</body></html>", b"", Error("not_http")),
        Row::new(b"HTTPS/1.1 200 OK\r\n\r\n", b"", Error("not_http")),
        Row::fields(b"name: one\r\n two\r\nNAME: caf\xe9", Complete(0)),
        Row::fields(b"name: a\tb", Complete(0)),
        Row::fields(b"Transfer-Encoding : chunked", Error("field")),
        Row::fields(b"other: a\r\nna me: a", Error("field")),
        Row::fields(b"Content-Encoding: identity, gzip", Error("content_encoding")),
        Row::fields(b"Content-Encoding:", Complete(0)),
        Row::new(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"", Error("switching_protocols")),
        Row::new([b"HTTP/1.0 100 Continue\r\n\r\n", LAST].concat(), b"ok", Complete(0)),
        // The default limits: 16 interim responses, 128 fields, 65,536 bytes.
        Row::new([&interim.repeat(16)[..], LAST].concat(), b"ok", Complete(0)),
        Row::new([&interim.repeat(17)[..], LAST].concat(), b"", Error("interim_responses")),
        Row::framed([&many(128)[..], b"Content-Length: 2"].concat(), b"ok", b"ok", Complete(0)),
        Row::framed([&many(129)[..], b"Content-Length: 2"].concat(), b"ok", b"", Error("head_fields")),
        Row::fields(value(65_536 - rest), Complete(0)),
        Row::fields(value(65_537 - rest), Error("head_length")),
    ]
}

/// Returns captures by `curl -i`, which contain every head and the body of the last response.
fn earlier_heads() -> Vec<Row> {
    let after = |heads: &str, last: &[u8]| [heads.as_bytes(), last].concat();
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let connected = "HTTP/1.1 200 Connection established\r\n\r\n";
    let last_is = |heads: &str| Row::new(after(heads, LAST), b"ok", Complete(0));
    let mut rows = vec![
        last_is(connected),
        last_is("HTTP/1.0 200\n\n"),
        last_is("HTTP/1.1 200 x\r\nVia: a\r\nProxy-Agent:\r\n b\r\nContent-Length: 0\r\n\r\n"),
        // Clients ignore these fields in a 2xx answer to CONNECT (RFC 9110 section 9.3.6).
        last_is("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"),
        last_is("HTTP/1.1 200 x\r\nTransfer-Encoding: gzip\r\nContent-Length: 5, 05\r\n\r\n"),
        last_is("HTTP/1.1 204 x\r\n\r\n"),
        // curl answers with credentials (407), or follows the redirect (302).
        last_is("HTTP/1.1 407 x\r\nContent-Length: 20\r\n\r\nHTTP/1.1 200 x\r\n\r\n"),
        last_is("HTTP/1.1 302 x\r\nLocation: /\r\nContent-Length: 20\r\n\r\n"),
        last_is(&[connected, interim].concat()),
        last_is(&[interim, connected].concat()),
        last_is(&connected.repeat(40)),
        last_is(&[connected, &interim.repeat(16)].concat()),
        Row::new(after(&[connected, &interim.repeat(17)].concat(), LAST), b"", Error("interim_responses")),
        // The last head is checked as strictly as a single one.
        Row::new(after(connected, b"HTTP/2 200 \r\n\r\n{}"), b"", Error("not_http")),
        Row::new(after(connected, b"HTTP/1.1 200 x\r\nna me: a\r\n\r\n"), b"", Error("field")),
        Row::new(
            after(connected, b"HTTP/1.1 200 x\r\nContent-Length: 5, 05\r\n\r\n"),
            b"",
            Error("content_length"),
        ),
        Row::new(
            after(connected, b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n+"),
            b"",
            Error("chunk_size_missing"),
        ),
        Row::new(after(connected, b"HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\nhell"), b"hell", Cut),
        Row::new(after(connected, b"HTTP/1"), b"", CutInHead),
        Row::new(after(connected, b"HTTP/1.1 200 x\r\nContent-Le"), b"", CutInHead),
    ];
    // Bodies that begin almost like a head, and one with a head later in the body.
    for body in
        ["H", "HTTP", "HTTP/", "HTTP/x", "http/1.1 200 OK\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n", "{}"]
    {
        rows.push(Row::new(after(connected, body.as_bytes()), body, ByClose));
    }
    rows.push(Row::new(
        after("HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok", LAST),
        b"ok",
        Complete(LAST.len() as u64),
    ));
    rows
}

fn framings() -> Vec<Row> {
    let body = b"2\r\nok\r\n0\r\n\r\n";
    vec![
        Row::new(b"HTTP/1.1 200 OK\r\n\r\n{}\r\n", b"{}\r\n", ByClose),
        Row::new(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nokay", b"ok", Complete(2)),
        Row::framed(b"Connection: close\r\nContent-Length: 2", b"okay", b"ok", Complete(2)),
        Row::framed(b"Content-Length: 5, 6", b"hello", b"", Error("content_length")),
        Row::framed(b"Content-Length: ,5", b"hello", b"", Error("content_length")),
        Row::new(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", b"", Complete(5)),
        Row::new(
            b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            b"",
            Complete(15),
        ),
        Row::framed(b"Transfer-Encoding: chunked\r\nContent-Length: 1", body, b"ok", Complete(0)),
        Row::framed(
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding:",
            body,
            b"",
            Error("transfer_encoding"),
        ),
        Row::framed(b"Transfer-Encoding: chunked\r\n ", body, b"", Error("transfer_encoding")),
        Row::framed(b"Transfer-Encoding:\r\n chunked", body, b"", Error("transfer_encoding")),
        Row::framed(b"Content-Length:\r\n 5", b"hello", b"", Error("content_length")),
        Row::framed(b"Content-Length: 5, 05", b"hello", b"", Error("content_length")),
        Row::framed(b"Content-Length: 5\r\nContent-Length: 5", b"hello", b"", Error("content_length")),
        // For a refusal, the status decides. The body is passed on as received.
        Row::new(
            b"HTTP/1.1 401 x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
            b"\x1f\x8b",
            Complete(0),
        ),
        Row::new(b"HTTP/1.1 401 x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n\x1f\x8b", b"\x1f\x8b", ByClose),
        Row::new(b"HTTP/1.1 401 x\r\nContent-Length: 5, 05\r\n\r\nhello", b"hello", ByClose),
        Row::framed(b"Transfer-Encoding: gzip, chunked", body, b"", Error("transfer_encoding")),
        // The Kelvin sign equals K in a comparison with Unicode case folding.
        Row::framed(b"Transfer-Encoding: chun\xe2\x84\xaaed", body, b"", Error("transfer_encoding")),
        Row::new(
            [b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &body[..]].concat(),
            b"",
            Error("transfer_encoding_version"),
        ),
    ]
}

fn chunks() -> Vec<Row> {
    let long = "x".repeat(4_096 - 2);
    let trailer = |fields: usize| format!("0\r\n{}\r\n", "a: b\r\n".repeat(fields));
    let wide = |length: usize| format!("0\r\na:{}\r\n\r\n", "b".repeat(length - 4));
    vec![
        Row::chunked(b"2;a=\"b\"\r\nok\r\n00\r\na: b\r\n\r\nHTTP/1.1", b"ok", Complete(8)),
        Row::chunked(
            [b"aBc\r\n", &[b'x'; 0xabc][..], b"\r\n0\r\n\r\n"].concat(),
            &[b'x'; 0xabc],
            Complete(0),
        ),
        Row::chunked(b"2\r\nok\r\n+5\r\nhello", b"ok", Error("chunk_size_missing")),
        Row::chunked(b"2\nok\n0\n\n", b"", Error("chunk_size_byte")),
        Row::chunked(b"00000000000000005\r\nhello", b"", Error("chunk_size_digits")),
        Row::chunked(b"ffffffffffffffff\r\nhello", b"", Error("chunk_size_overflow")),
        Row::chunked(b"5\r\r\nhello", b"", Error("chunk_size_line_end")),
        Row::chunked(b"5;a=\"b\rc\"\r\nhello", b"", Error("chunk_extension")),
        Row::chunked(b"5\r\nhello, world\r\n0\r\n\r\n", b"hello", Error("chunk_data_end")),
        Row::chunked(b"2\r\nok\r\n0\r\na : b\r\n\r\n", b"ok", Error("trailer")),
        // The default limits: 4,096 bytes of a size line, 100 trailer fields, 16,384 bytes of them.
        Row::chunked(format!("5;{long}\r\nhello\r\n0\r\n\r\n"), b"hello", Complete(0)),
        Row::chunked(format!("5;{long}x\r\nhello\r\n0\r\n\r\n"), b"", Error("chunk_size_line_length")),
        Row::chunked(trailer(100), b"", Complete(0)),
        Row::chunked(trailer(101), b"", Error("trailer_length")),
        Row::chunked(wide(16_384), b"", Complete(0)),
        Row::chunked(wide(16_385), b"", Error("trailer_length")),
    ]
}

fn cuts() -> Vec<Row> {
    vec![
        Row::new(b"", b"", CutInHead),
        Row::new(b"HTTP/1.1 200 OK\r\nTransfer-Enc", b"", CutInHead),
        Row::new(b"HTTP/1.1 100 Continue\r\n\r\n", b"", CutInHead),
        Row::chunked(b"5\r\nhel", b"hel", Cut),
        Row::chunked(b"2\r\n\r\n\r\n0\r\n", b"\r\n", Cut),
        Row::framed(b"Content-Length: 5", b"hell", b"hell", Cut),
    ]
}
