//! What may come over the wire and what must be made of it: one row a case of RFC 9112, and of the defects that other
//! HTTP clients were found to have. Used by the tests inside the tool and by those that run it.

/// How a response must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By its own framing, with so many bytes left over.
    Complete(u64),
    /// By the close, which is its regular end.
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
    /// The exit code that goes with it.
    pub(crate) fn exit(self) -> i32 {
        match self {
            Complete(_) | ByClose => 0,
            Error(_) => 1,
            Cut | CutInHead => 3,
        }
    }
}

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Which case.
    pub(crate) name: String,
    /// The bytes of the response.
    pub(crate) wire: Vec<u8>,
    /// The content octets that must come out.
    pub(crate) body: Vec<u8>,
    /// How it must end.
    pub(crate) end: End,
}

struct Rows {
    section: &'static str,
    rows: Vec<Row>,
}

impl Rows {
    /// `wire` is the whole response.
    fn raw(&mut self, wire: impl AsRef<[u8]>, body: impl AsRef<[u8]>, end: End) {
        let wire = wire.as_ref().to_vec();
        let shown: String = wire.escape_ascii().map(char::from).take(120).collect();
        let name = format!("{}: {shown}", self.section);
        self.rows.push(Row { name, wire, body: body.as_ref().to_vec(), end });
    }

    /// `line` is the status line, without its end; the body is empty.
    fn status(&mut self, line: impl AsRef<[u8]>, end: End) {
        self.raw([line.as_ref(), b"\r\nContent-Length: 0\r\n\r\n"].concat(), b"", end);
    }

    /// `field` is one field line, without its end, before those that frame a body of two octets.
    fn field(&mut self, field: impl AsRef<[u8]>, end: End) {
        let body: &[u8] = if end.exit() == 0 { b"ok" } else { b"" };
        let wire = [b"HTTP/1.1 200 OK\r\n", field.as_ref(), b"\r\nContent-Length: 2\r\n\r\nok"].concat();
        self.raw(wire, body, end);
    }

    /// `fields` are all field lines, each with its end; `rest` comes behind the head.
    fn framed(&mut self, fields: impl AsRef<[u8]>, rest: &[u8], body: impl AsRef<[u8]>, end: End) {
        self.raw([b"HTTP/1.1 200 OK\r\n", fields.as_ref(), b"\r\n", rest].concat(), body, end);
    }

    /// `rest` is the body as the chunked coding has it.
    fn chunked(&mut self, rest: impl AsRef<[u8]>, body: impl AsRef<[u8]>, end: End) {
        self.framed(b"Transfer-Encoding: chunked\r\n", rest.as_ref(), body, end);
    }
}

/// All cases.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Rows { section: "", rows: Vec::new() };
    status_line(&mut rows);
    fields(&mut rows);
    interim(&mut rows);
    end_of_body(&mut rows);
    chunked(&mut rows);
    trailers(&mut rows);
    cuts(&mut rows);
    rows.rows
}

/// RFC 9112 section 4.
fn status_line(rows: &mut Rows) {
    rows.section = "status line";
    for line in [
        &b"HTTP/1.1 200 OK"[..],
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 Not \t quite\tso",
        b"HTTP/1.1 200 caf\xe9 \x80\xff",
        b"HTTP/1.1 200  two spaces behind the code",
        b"HTTP/1.1 401 Unauthorized",
        b"HTTP/1.1 429 Too Many Requests",
        b"HTTP/1.1 503 Service Unavailable",
        b"HTTP/1.1 299 x",
        b"HTTP/1.1 600 x",
        b"HTTP/1.1 999 x",
    ] {
        rows.status(line, Complete(0));
    }
    rows.status([b"HTTP/1.1 200 ", "long ".repeat(10_000).as_bytes()].concat(), Complete(0));
    for bad in [b'\0', 0x01, 0x08, 0x0b, 0x0c, 0x0e, 0x1b, 0x1f, 0x7f] {
        rows.status([&b"HTTP/1.1 200 a"[..], &[bad], b"b"].concat(), Error("status_line"));
    }
    rows.status(b"HTTP/1.1 200 a\rb", Error("status_line"));
    rows.status(b"HTTP/1.1 200 a\r\rb", Error("status_line"));
    for line in [
        &b"HTTP/1.1  200 OK"[..],
        b"HTTP/1.1\t200 OK",
        b"HTTP/1.1 \t200 OK",
        b"HTTP/1.1 200\tOK",
        b"HTTP/1.1 200OK",
        b"HTTP/1.1 +200 OK",
        b"HTTP/1.1 -200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 0200 OK",
        b"HTTP/1.1 2x0 OK",
        b"HTTP/1.1 0x1 OK",
        b"HTTP/1.1 \xd9\xa2\xd9\xa0\xd9\xa0 OK",
        b"HTTP/1.1 \xef\xbc\x92\xef\xbc\x90\xef\xbc\x90 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 000 OK",
        b"HTTP/1.1 OK",
        b"HTTP/1.1",
        b"HTTP/1.1200 OK",
        b"http/1.1 200 OK",
        b"Http/1.1 200 OK",
        b"HTTP/1.10 200 OK",
        b"HTTP/1 200 OK",
        b"HTTP/1. 200 OK",
        b"HTTP/01.1 200 OK",
        b"HTTP/1.01 200 OK",
        b"HTTP/+1.1 200 OK",
        b"HTTP/1,1 200 OK",
        b"HTTP/1.2 200 OK",
        b"HTTP/1.9 200 OK",
        b"HTTP/0.9 200 OK",
        b"HTTP/2.0 200 OK",
        b"HTTP/2 200",
        b"HTTP 1.1 200 OK",
        b"HTTP /1.1 200 OK",
        b" HTTP/1.1 200 OK",
        b"\tHTTP/1.1 200 OK",
        b"\xef\xbb\xbfHTTP/1.1 200 OK",
        b"HTTPS/1.1 200 OK",
        b"ICY 200 OK",
        b"SIP/2.0 200 OK",
        b"RTSP/1.0 200 OK",
        b"SSH-2.0-OpenSSH_9.6",
        b"220 mail.example.com ESMTP",
        b"GET / HTTP/1.1",
        b"<html><body>Sign in to the network</body></html>",
        b"{\"title\":\"Unauthorized\"}",
        b"200 OK",
        // A TLS alert, a TLS handshake record, HTTP/2 SETTINGS.
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
        // Empty lines first: that leniency is given to servers only.
        b"\r\nHTTP/1.1 200 OK",
        b"\nHTTP/1.1 200 OK",
        b"\rHTTP/1.1 200 OK",
        b"\r\n\r\n\r\nHTTP/1.1 200 OK",
    ] {
        rows.status(line, Error("not_http"));
    }
    // Refused at the byte, not after all of a line that may never end.
    for wire in [
        &b"h"[..],
        b"HTTQ",
        b"HTTP/2",
        b"HTTP/1.1 0",
        b"HTTP/1.1 20x",
        b"HTTP/1.1 2000",
        b"<",
        b"\x15",
        b"\r",
    ] {
        rows.raw(wire, b"", Error("not_http"));
    }
}

/// RFC 9112 section 5, RFC 9110 section 5.5.
fn fields(rows: &mut Rows) {
    rows.section = "fields";
    for field in [
        &b"name: value"[..],
        b"NAME: value",
        b"nAmE: value",
        b"name:value",
        b"name:   \t value \t ",
        b"name:",
        b"name: ",
        b"name:\t",
        b"name: caf\xe9\xff\x80",
        b"name: na\xc3\xafve \xf0\x9f\x98\x80",
        b"name: a\tb",
        b"!#$%&'*+-.^_`|~09azAZ: every other tchar",
        b"name: a:b:c",
        b"name: \"quoted, \\\" string\"",
        b"name: 1\r\nname: 2\r\nNAME: 3",
        b"x-rate-limit-reset: garbage\r\nx-rate-limit-limit: -1\r\nretry-after: soon",
        // A folded line is one line, its fold replaced by spaces.
        b"name: one\r\n two",
        b"name: one\r\n\ttwo\r\n  three",
        b"name:\r\n one",
        b"name: one\r\n ",
        b"name: one\n two",
        // A fold is no framing field of its own.
        b"name: one\r\n Transfer-Encoding: chunked",
        b"name: one\r\n Content-Length: 1",
    ] {
        rows.field(field, Complete(0));
    }
    rows.field([b"name: ", "v".repeat(60_000).as_bytes()].concat(), Complete(0));
    rows.field([b"n".repeat(60_000).as_slice(), b": v"].concat(), Complete(0));

    // A single LF ends a line of the head; never one of the chunked coding.
    rows.raw(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"ok", Complete(0));
    rows.raw(b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\nok", b"ok", Complete(0));
    rows.raw(b"HTTP/1.1 200\nTransfer-Encoding: chunked\n\n2\r\nok\r\n0\r\n\r\n", b"ok", Complete(0));
    rows.raw(b"HTTP/1.1 200\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n", b"", Error("chunk_size_byte"));

    for field in [
        &b"name: a\rb"[..],
        b"na\rme: a",
        b"name\r: a",
        b"name: a\r",
        b"name: a\r\r",
        b"\rname: a",
        b"name: a\r b",
        b"name: a\rTransfer-Encoding: chunked",
        b"name : a",
        b"name\t: a",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding\t: chunked",
        b"Content-Length : 1",
        b"na me: a",
        b"na\tme: a",
        b"other: a\r\nna me: a",
        b": a",
        b":",
        b"name",
        b"name a",
        b"HTTP/1.1 200 OK",
        b"name\r\n : folded before its colon",
        b"Transfer-Encoding\r\n : chunked",
        b"name: a\0b",
        b"name: \0",
        b"name: a\0",
    ] {
        rows.field(field, Error("field"));
    }
    for bad in (0..=0xff_u8).filter(|byte| !matches!(byte, b'\n' | b':') && !is_tchar(*byte)) {
        rows.field([b"na", &[bad][..], b"me: a"].concat(), Error("field"));
    }
    // Other controls in a value: refused as well.
    for bad in (0..=0x1f_u8).chain([0x7f]).filter(|byte| !matches!(byte, b'\t' | b'\n')) {
        rows.field([b"name: a", &[bad][..], b"b"].concat(), Error("field"));
    }
    // White space before the first field: no field, and no fold of the status line.
    for first in [
        &b" name: a"[..],
        b"\tname: a",
        b" Transfer-Encoding: chunked",
        b" Content-Length: 1",
        b" ",
        b" \r\nname: a",
    ] {
        rows.field(first, Error("field"));
    }
    // Folded framing fields are what they are with the fold replaced, or refused; never passed over.
    let body = b"2\r\nok\r\n0\r\n\r\n";
    rows.framed(b"Transfer-Encoding:\r\n chunked\r\n", body, b"ok", Complete(0));
    rows.framed(b"Transfer-Encoding: chunked\r\n \r\n", body, b"ok", Complete(0));
    rows.framed(b"Transfer-Encoding: chu\r\n nked\r\n", body, b"", Error("transfer_encoding"));
    rows.framed(b"Transfer-Encoding: gzip,\r\n chunked\r\n", body, b"", Error("transfer_encoding"));
    rows.framed(b"Content-Length:\r\n 2\r\n", b"ok", b"ok", Complete(0));
    rows.framed(b"Content-Length: 2\r\n 2\r\n", b"ok", b"", Error("content_length"));
    // The end of the head is an empty line, both its bytes looked at.
    rows.framed(b"Content-Length: 2\r\n\r\r", b"\nok", b"", Error("field"));
    rows.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\rX\r\n\r\nok", b"", Error("field"));
    rows.raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\rX2\r\nok\r\n0\r\n\r\n",
        b"",
        Error("field"),
    );
    rows.raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"",
        Error("field"),
    );
    rows.raw(b"HTTP/1.1 200 OK\r\n\x0b\r\nContent-Length: 2\r\n\r\nok", b"", Error("field"));
    // No fields at all.
    rows.raw(b"HTTP/1.1 200 OK\r\n\r\nok", b"ok", ByClose);

    // Limits: 128 fields, 65,536 octets.
    let many = |count: usize| b"n: v\r\n".repeat(count - 1);
    rows.framed([&many(128)[..], b"Content-Length: 2\r\n"].concat(), b"ok", b"ok", Complete(0));
    rows.framed([&many(129)[..], b"Content-Length: 2\r\n"].concat(), b"ok", b"", Error("head_fields"));
    let rest = "HTTP/1.1 200 OK\r\nname: \r\nContent-Length: 2\r\n\r\n".len();
    rows.field([b"name: ", "v".repeat(65_536 - rest).as_bytes()].concat(), Complete(0));
    rows.field([b"name: ", "v".repeat(65_537 - rest).as_bytes()].concat(), Error("head_length"));
    rows.raw([b"HTTP/1.1 200 ", "endless".repeat(10_000).as_bytes()].concat(), b"", Error("head_length"));
    // Encoded content was not asked for, and cannot be handed on as content.
    for coding in ["gzip", "br", "x-unheard-of", "identity, gzip", "GZIP"] {
        rows.field(format!("Content-Encoding: {coding}"), Error("content_encoding"));
    }
    rows.field(b"Content-Encoding: identity", Complete(0));
    rows.field(b"Content-Encoding:", Complete(0));
}

/// RFC 9110 section 15.2.
fn interim(rows: &mut Rows) {
    rows.section = "interim";
    let last = &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"[..];
    for first in [
        &b"HTTP/1.1 100 Continue\r\n\r\n"[..],
        b"HTTP/1.1 100\r\n\r\n",
        b"HTTP/1.0 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
        b"HTTP/1.1 199 Miscellaneous\r\nname: one\r\n two\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\na: b\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
        // No content, whatever the fields say.
        b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\nContent-Length: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 100 Continue\n\n",
    ] {
        rows.raw([first, last].concat(), b"ok", Complete(0));
        rows.raw(first, b"", CutInHead);
        rows.raw([first, b"\r\n", last].concat(), b"", Error("not_http"));
        rows.raw([first, b"5\r\nhello\r\n"].concat(), b"", Error("not_http"));
    }
    rows.raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", b"", Error("switching_protocols"));
    rows.raw([b"HTTP/1.1 101 x\r\n\r\n", last].concat(), b"", Error("switching_protocols"));
    rows.raw([b"HTTP/1.1 100 x\r\na : b\r\n\r\n", last].concat(), b"", Error("field"));
    let one = b"HTTP/1.1 100 Continue\r\n\r\n";
    rows.raw([&one.repeat(16)[..], last].concat(), b"ok", Complete(0));
    rows.raw([&one.repeat(17)[..], last].concat(), b"", Error("interim_responses"));
    // The limit of a head is one of all heads.
    let large = [b"HTTP/1.1 103 Early Hints\r\nname: ", "v".repeat(33_000).as_bytes(), b"\r\n\r\n"].concat();
    rows.raw([&large[..], last].concat(), b"ok", Complete(0));
    rows.raw([&large.repeat(2)[..], last].concat(), b"", Error("head_length"));
}

/// RFC 9112 section 6.3, in its order.
fn end_of_body(rows: &mut Rows) {
    rows.section = "end of body";
    // Rule 1.
    for status in ["204 No Content", "304 Not Modified"] {
        for fields in [
            "",
            "Content-Length: 5\r\n",
            "Content-Length: x\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip\r\n",
            "Content-Encoding: gzip\r\n",
        ] {
            let head = format!("HTTP/1.1 {status}\r\n{fields}\r\n");
            rows.raw(&head, b"", Complete(0));
            rows.raw(format!("{head}hello"), b"", Complete(5));
            rows.raw(format!("{head}5\r\nhello\r\n0\r\n\r\n"), b"", Complete(15));
        }
    }
    // Rule 4.
    let body = b"2\r\nok\r\n0\r\n\r\n";
    for value in ["chunked", "Chunked", "CHUNKED", " chunked \t", ",chunked", "chunked,", " , ,chunked, \t,"]
    {
        rows.framed(format!("Transfer-Encoding:{value}\r\n"), body, b"ok", Complete(0));
        rows.framed(format!("tRANSFER-eNCODING:{value}\r\n"), body, b"ok", Complete(0));
    }
    rows.framed(b"Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n", body, b"ok", Complete(0));
    rows.framed(b"Transfer-Encoding: ,\r\nTransfer-Encoding: chunked\r\n", body, b"ok", Complete(0));
    for value in [
        &b"gzip"[..],
        b"identity",
        b"xchunked",
        b"chunkedx",
        b"chunke",
        b"\"chunked\"",
        b"'chunked'",
        b"\xa0chunked",
        b"chunked\xa0",
        b"\xc2\xa0chunked",
        b"gzip, chunked",
        b"identity, chunked",
        b"chunked, gzip",
        b"chunked, identity",
        b"chunked, chunked",
        b"chunked chunked",
        b"chunked;q=1",
        b"chunked; x",
        b"chunked;",
        b"",
        b",",
        b", ,",
        b"\xef\xbd\x83hunked",
        b"chun\xc5\xbfed",
    ] {
        let field = [b"Transfer-Encoding: ", value, b"\r\n"].concat();
        rows.framed(&field, body, b"", Error("transfer_encoding"));
        // Content-Length does not come to its rescue.
        rows.framed([&field[..], b"Content-Length: 2\r\n"].concat(), b"ok", b"", Error("transfer_encoding"));
    }
    for fields in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
    ] {
        rows.framed(fields, body, b"", Error("transfer_encoding"));
    }
    for bad in [0x0b, 0x0c, 0x00, 0x1f, 0x7f] {
        rows.framed([b"Transfer-Encoding: ", &[bad][..], b"chunked\r\n"].concat(), body, b"", Error("field"));
        rows.framed([b"Content-Length: ", &[bad][..], b"2\r\n"].concat(), b"ok", b"", Error("field"));
    }
    // Rule 3: both. Content-Length never wins.
    for fields in [
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 12\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
    ] {
        rows.framed(fields, body, b"ok", Complete(0));
    }
    // 6.1: the framing of HTTP/1.0 with Transfer-Encoding is faulty.
    for fields in ["Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n"] {
        rows.raw(
            [b"HTTP/1.0 200 OK\r\n", fields.as_bytes(), b"\r\n", body].concat(),
            b"",
            Error("transfer_encoding_version"),
        );
    }
    // Rule 6, 6.2.
    for value in ["5", "05", "0000000000000000000000005", " 5 ", "\t5\t", "5, 5", "5,5", "5,5,5", "5 , 05"] {
        rows.framed(format!("Content-Length:{value}\r\n"), b"hello", b"hello", Complete(0));
        rows.framed(format!("Content-Length:{value}\r\n"), b"hell", b"hell", Cut);
        rows.framed(format!("Content-Length:{value}\r\n"), b"hello, world", b"hello", Complete(7));
    }
    rows.framed(b"Content-Length: 5\r\ncontent-length: 5\r\n", b"hello", b"hello", Complete(0));
    rows.framed(b"Content-Length: 0\r\n", b"", b"", Complete(0));
    rows.framed(b"Content-Length: 0\r\n", b"x", b"", Complete(1));
    rows.framed(b"Content-Length: 9223372036854775807\r\n", b"hello", b"hello", Cut);
    rows.framed(
        b"Content-Length: 2\r\n",
        b"okHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
        b"ok",
        Complete(40),
    );
    rows.raw(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nokay", b"ok", Complete(2));
    rows.raw(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}", b"{}", Complete(0));
    // Rule 5.
    for value in [
        &b"5, 6"[..],
        b"5,",
        b",5",
        b"5,,5",
        b"",
        b" ",
        b"+5",
        b"-5",
        b"-0",
        b"0x5",
        b"5h",
        b"a",
        b"5e0",
        b"5_0",
        b"5.0",
        b"5.",
        b"\"5\"",
        b"'5'",
        b"5;q=1",
        b"5; x",
        b"5 5",
        b"5\t5",
        b"\xd9\xa5",
        b"\xef\xbc\x95",
        b"\xb2",
        b"5\xa0",
        b"9223372036854775808",
        b"18446744073709551615",
        b"18446744073709551616",
        b"18446744073709551621",
        b"99999999999999999999999999999999",
        b"5, x",
        b"chunked",
    ] {
        rows.framed([b"Content-Length: ", value, b"\r\n"].concat(), b"hello", b"", Error("content_length"));
    }
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length:\r\n",
        "Content-Length:\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nX: y\r\ncontent-length: 4\r\n",
    ] {
        rows.framed(fields, b"hello", b"", Error("content_length"));
    }
    // Rule 8.
    for version in ["1.0", "1.1"] {
        rows.raw(format!("HTTP/{version} 200 OK\r\n\r\n"), b"", ByClose);
        rows.raw(format!("HTTP/{version} 200 OK\r\nA: b\r\n\r\nhello\r\n"), b"hello\r\n", ByClose);
        rows.raw(format!("HTTP/{version} 200 OK\r\n\r\n5\r\nhello\r\n"), b"5\r\nhello\r\n", ByClose);
    }
    // Connection options change nothing about the end.
    rows.framed(b"Connection: close\r\nContent-Length: 2\r\n", b"okay", b"ok", Complete(2));
    rows.framed(b"Connection: keep-alive\r\n", b"ok", b"ok", ByClose);
}

/// RFC 9112 section 7.1.
fn chunked(rows: &mut Rows) {
    rows.section = "chunked";
    let last = &b"0\r\n\r\n"[..];
    let good = |size: &str, data: &[u8]| [size.as_bytes(), b"\r\n", data, b"\r\n0\r\n\r\n"].concat();
    rows.chunked(last, b"", Complete(0));
    for size in ["5", "05", "0000000000000005", "000000005"] {
        rows.chunked(good(size, b"hello"), b"hello", Complete(0));
    }
    for size in ["1a", "1A", "01a", "0001A"] {
        rows.chunked(good(size, &[b'x'; 26]), [b'x'; 26], Complete(0));
    }
    for size in ["abc", "AbC", "ABC", "aBc"] {
        rows.chunked(good(size, &[b'x'; 0xabc]), [b'x'; 0xabc], Complete(0));
    }
    rows.chunked(good("def", &[b'x'; 0xdef]), [b'x'; 0xdef], Complete(0));
    rows.chunked(good("10000", &[b'\n'; 65_536]), [b'\n'; 65_536], Complete(0));
    rows.chunked(
        b"1\r\na\r\n2\r\nbc\r\n1\r\n\r\r\n1\r\n\n\r\n3\r\n0\r\n\r\n0\r\n\r\n",
        b"abc\r\n0\r\n",
        Complete(0),
    );
    rows.chunked(b"3\r\n\r\n0\r\n2\r\n\r\n\r\n0\r\n\r\n", b"\r\n0\r\n", Complete(0));
    // The content is octets.
    let octets: Vec<u8> = (0..=255).collect();
    rows.chunked([b"100\r\n", &octets[..], b"\r\n", last].concat(), &octets, Complete(0));
    // What follows is left over.
    rows.chunked(b"2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"ok", Complete(19));
    rows.chunked(b"0\r\n\r\n0\r\n\r\n", b"", Complete(5));
    rows.chunked(b"0\r\n\r\n\r\n", b"", Complete(2));

    // A size is a promise, not a fact.
    for size in
        ["7fffffffffffffff", "7FFFFFFFFFFFFFFF", "0fffffffffffffff", "ffffffff", "100000000", "7fffffff"]
    {
        rows.chunked(format!("{size}\r\nhello\r\n0\r\n\r\n"), b"hello\r\n0\r\n\r\n", Cut);
    }
    for size in ["8000000000000000", "ffffffffffffffff", "FFFFFFFFFFFFFFFB", "fffffffffffffff0"] {
        rows.chunked(format!("{size}\r\nhello"), b"", Error("chunk_size_overflow"));
    }
    // 17 digits and more are refused for that alone, where the value has not passed its limit before.
    for size in ["00000000000000005", "10000000000000005", "00000000000000000", &"0".repeat(100)] {
        rows.chunked(format!("{size}\r\nhello\r\n0\r\n\r\n"), b"", Error("chunk_size_digits"));
    }
    rows.chunked(b"fffffffffffffff00\r\nhello", b"", Error("chunk_size_overflow"));

    // No digit first.
    let before = &b"2\r\nok\r\n"[..];
    for line in [
        &b"\r\nhello"[..],
        b"\nhello",
        b"+5\r\nhello",
        b"-5\r\nhello",
        b"-0\r\n\r\n",
        b" 5\r\nhello",
        b"\t5\r\nhello",
        b"\x0b5\r\nhello",
        b"_5\r\nhello",
        b";5\r\nhello",
        b";ext=1\r\nhello",
        b"\"5\"\r\nhello",
        b"x5\r\nhello",
        b"g\r\nhello",
        b"\\x5\r\nhello",
        b"\xd9\xa5\r\nhello",
        b"\xef\xbc\x95\r\nhello",
        b"\xff\r\nhello",
        b"\0\r\nhello",
        // Empty lines between chunks.
        b"\r\n5\r\nhello\r\n0\r\n\r\n",
        b"\r\n\r\n5\r\nhello",
        b"\n5\r\nhello",
        b"\r5\r\nhello",
    ] {
        rows.chunked(line, b"", Error("chunk_size_missing"));
        rows.chunked([before, line].concat(), b"ok", Error("chunk_size_missing"));
    }
    // Other bytes behind the digits, and LF for CR LF.
    for line in [
        &b"0x5\r\nhello"[..],
        b"5x\r\nhello",
        b"5h\r\nhello",
        b"5_0\r\nhello",
        b"5.\r\nhello",
        b"5,5\r\nhello",
        b"5=\r\nhello",
        b"5\"\"\r\nhello",
        b"5\0\r\nhello",
        b"5\x0b\r\nhello",
        b"5\x0c\r\nhello",
        b"5\xa0\r\nhello",
        b"5\xd9\xa5\r\nhello",
        b"5:\r\nhello",
        b"5\nhello",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\n\r\nhello",
        b"5G\r\nhello",
        b"0\n\r\n",
        b"0\n\n",
        // White space, and no extension behind it.
        b"5 \r\nhello",
        b"5\t\r\nhello",
        b"5 5\r\nhello",
        b"5   \r\nhello",
        b"0 \r\n\r\n",
        b"5 \nhello",
    ] {
        rows.chunked(line, b"", Error("chunk_size_byte"));
        rows.chunked([before, line].concat(), b"ok", Error("chunk_size_byte"));
    }
    for line in [
        &b"5\rhello"[..],
        b"5\r\r\nhello",
        b"5\r hello",
        b"5\r5\r\nhello",
        b"5\rX\nhello",
        b"0\r\r\n\r\n",
        b"0\rX\r\n\r\n",
        b"5;a=b\rhello",
        b"5;a=b\r\r\nhello",
        b"5;a=b\rc\r\nhello",
    ] {
        rows.chunked(line, b"", Error("chunk_size_line_end"));
        rows.chunked([before, line].concat(), b"ok", Error("chunk_size_line_end"));
    }
    // Both bytes behind the data.
    for end in [
        &b"XX5\r\nworld\r\n"[..],
        b"\n5\r\nworld\r\n",
        b"\rX5\r\nworld\r\n",
        b"X\n5\r\nworld\r\n",
        b"\n\r5\r\nworld\r\n",
        b"\r\r\n5\r\nworld\r\n",
        b"5\r\nworld\r\n",
        b"0\r\n\r\n",
        b" \r\n0\r\n\r\n",
        b"\0\0",
        b", world\r\n0\r\n\r\n",
    ] {
        rows.chunked([b"5\r\nhello", end].concat(), b"hello", Error("chunk_data_end"));
        rows.chunked([before, b"5\r\nhello", end].concat(), b"okhello", Error("chunk_data_end"));
    }

    // Extensions, also with white space, are passed over.
    for extension in [
        ";a",
        ";a=b",
        ";a=b;c=d",
        ";a;b;c",
        ";a=\"b\"",
        ";a=\"\"",
        ";a=\"b;c=d\"",
        ";a=\"\\\"\"",
        ";a=\"\\\\\"",
        ";a=\"b\tc d\"",
        ";a=\"caf\u{e9}\"",
        " ;a",
        "\t;a",
        "; a",
        ";a =b",
        ";a= b",
        ";a = b",
        " ; a = b ; c\t=\t\"d\" ;e",
        ";!#$%&'*+-.^_`|~=!#$%&'*+-.^_`|~",
        ";0=0",
        ";chunked=5",
    ] {
        rows.chunked(format!("5{extension}\r\nhello\r\n0\r\n\r\n"), b"hello", Complete(0));
        rows.chunked(format!("5\r\nhello\r\n0{extension}\r\n\r\n"), b"hello", Complete(0));
        rows.chunked(format!("005{extension}\r\nhello\r\n000{extension}\r\n\r\n"), b"hello", Complete(0));
    }
    // Malformed ones: refused, as are controls and line ends in them.
    for extension in [
        &b";"[..],
        b";;a",
        b";a;",
        b";=b",
        b";a=",
        b";a=;b",
        b";a==b",
        b";a=b=c",
        b";a b",
        b";a=b c",
        b";a=\"b",
        b";a=\"b\"c",
        b";a=\"b\"\"c\"",
        b";a=b\"c\"",
        b";a=\"b\\",
        b";(",
        b";a=(",
        b";a,b",
        b";caf\xe9",
        b";a=caf\xe9",
        b";a ",
        b";a\nb",
        b";a=b\nb",
        b";\nb",
        b";a=\"b\nc\"",
        b";a=\"b\rc\"",
        b";a=\"b\r\nc\"",
        b";\rb",
        b";a=\rb",
        b";a\0",
        b";a=\"\0\"",
        b";a=\"\\\0\"",
        b";a\x7f",
        b";a=\"\x7f\"",
        b";a=\"\x1f\"",
        b";\x01",
        b";a=\x0b",
    ] {
        rows.chunked([b"5", extension, b"\r\nhello\r\n0\r\n\r\n"].concat(), b"", Error("chunk_extension"));
        rows.chunked(
            [b"5\r\nhello\r\n0", extension, b"\r\n\r\n"].concat(),
            b"hello",
            Error("chunk_extension"),
        );
    }
    // The size line's limit: 4,096 octets, each line anew.
    let long = "x".repeat(4_096 - 2);
    rows.chunked(format!("5;{long}\r\nhello\r\n0\r\n\r\n"), b"hello", Complete(0));
    rows.chunked(format!("5;{long}\r\nhello\r\n").repeat(20) + "0\r\n\r\n", b"hello".repeat(20), Complete(0));
    rows.chunked(format!("5;{long}x\r\nhello\r\n0\r\n\r\n"), b"", Error("chunk_size_line_length"));
    rows.chunked(format!("5;{}", "endless".repeat(1_000)), b"", Error("chunk_size_line_length"));
    rows.chunked(format!("5{}", " ".repeat(5_000)), b"", Error("chunk_size_line_length"));
    rows.chunked(format!("5;a=\"{}", "\\\"".repeat(5_000)), b"", Error("chunk_size_line_length"));

    // The last chunk is known by its value.
    for size in ["0", "00", "000", "0000000000000000"] {
        rows.chunked(format!("5\r\nhello\r\n{size}\r\n\r\n"), b"hello", Complete(0));
    }
}

/// RFC 9112 section 7.1.2.
fn trailers(rows: &mut Rows) {
    rows.section = "trailers";
    for trailer in [
        "a: b\r\n",
        "a:b\r\n",
        "a:\r\n",
        "a: b\r\nc: d\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: gzip\r\n",
        "a: b\t c \u{e9}\r\n",
        "!#$%&'*+-.^_`|~: x\r\n",
    ] {
        rows.chunked(format!("2\r\nok\r\n0\r\n{trailer}\r\n"), b"ok", Complete(0));
        rows.chunked(format!("2\r\nok\r\n0\r\n{trailer}\r\nmore"), b"ok", Complete(4));
        rows.chunked(format!("2\r\nok\r\n0\r\n{trailer}"), b"ok", Cut);
    }
    for trailer in [
        &b"a\r\n"[..],
        b"a b: c\r\n",
        b"a : b\r\n",
        b": b\r\n",
        b" a: b\r\n",
        b"\ta: b\r\n",
        b"a: b\r\n c\r\n",
        b"a: b\n",
        b"a: b\rc\r\n",
        b"a: b\r\r\n",
        b"a: \0\r\n",
        b"a: \x7f\r\n",
        b"caf\xe9: b\r\n",
        b"\n",
        b"\rX",
        b"5\r\nhello\r\n",
    ] {
        rows.chunked([b"2\r\nok\r\n0\r\n", trailer, b"\r\n"].concat(), b"ok", Error("trailer"));
    }
    let one = "a: b\r\n";
    rows.chunked(format!("0\r\n{}\r\n", one.repeat(100)), b"", Complete(0));
    rows.chunked(format!("0\r\n{}\r\n", one.repeat(101)), b"", Error("trailer_length"));
    rows.chunked(format!("0\r\na: {}\r\n\r\n", "b".repeat(16_000)), b"", Complete(0));
    rows.chunked(format!("0\r\na: {}\r\n\r\n", "b".repeat(17_000)), b"", Error("trailer_length"));
    rows.chunked(format!("0\r\n{}", "endless".repeat(3_000)), b"", Error("trailer_length"));
}

/// RFC 9112 section 8: every way to be cut short.
fn cuts(rows: &mut Rows) {
    rows.section = "cut";
    rows.raw(b"", b"", CutInHead);
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for end in 1..head.len() {
        rows.raw(&head[..end], b"", CutInHead);
    }
    let body = b"5;a=\"b\"\r\nhello\r\n2\r\n\r\n\r\n0\r\na: b\r\n\r\n";
    for end in 0..body.len() {
        let hello = "5;a=\"b\"\r\n".len();
        let keep_alive = "5;a=\"b\"\r\nhello\r\n2\r\n".len();
        let content = [
            &body[hello.min(end)..(hello + 5).min(end)],
            &body[keep_alive.min(end)..(keep_alive + 2).min(end)],
        ];
        rows.chunked(&body[..end], content.concat(), Cut);
    }
    rows.chunked(body, b"hello\r\n", Complete(0));
    rows.framed(b"Content-Length: 5\r\n", b"", b"", Cut);
    rows.framed(b"Content-Length: 5\r\n", b"hell", b"hell", Cut);
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
