//! Tests the head decoder: every accepted and rejected head, with every split.

use powerstream_core::http::BodyFraming::{self, Chunked, Empty, Length, UntilClose};
use powerstream_core::http::HeadErrorKind::{self, *};
use powerstream_core::http::{Head, HeadDecoder, HeadLimits, ResponseHead, RetryAfter};
use powerstream_core::stream::{Connection, ConnectionConfig, ConnectionEvent};
use powerstream_core::time::{Instant, UnixTime};

use crate::common::event_log::{OwnedEvent, run};
use crate::common::reference_decoder::{self, HeadStop};
use crate::common::{deliveries, mutate, pieces, random_cuts};
use crate::random::Rng;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Head(ResponseHead, usize),
    Refused(HeadErrorKind, usize),
    Unfinished,
}

fn decode<'a>(limits: HeadLimits, room: usize, input: impl IntoIterator<Item = &'a [u8]>) -> Answer {
    let mut decoder = HeadDecoder::new(limits);
    // The initial content of the storage does not matter.
    let mut storage = vec![b'\n'; room];
    let mut before = 0;
    for piece in input {
        let (consumed, result) = decoder.decode(piece, &mut storage);
        assert!(consumed <= piece.len());
        match result {
            Ok(Some(head)) => return Answer::Head(head, before + consumed),
            Ok(None) => assert_eq!(consumed, piece.len(), "unfinished, but bytes left"),
            Err(error) => {
                assert_eq!(error.at, consumed);
                return Answer::Refused(error.kind, before + error.at);
            }
        }
        assert!(decoder.buffered() <= room);
        before += piece.len();
    }
    Answer::Unfinished
}

/// Asserts the same result for every split, and returns it.
fn decode_all_ways(name: &str, limits: HeadLimits, room: usize, wire: &[u8]) -> Answer {
    let whole = decode(limits, room, [wire]);
    for cuts in deliveries(wire.len(), 2) {
        let cut = decode(limits, room, pieces(wire, &cuts));
        assert_eq!(cut, whole, "{name}: {} cut at {cuts:?}", wire.escape_ascii());
    }
    let expected = match reference_decoder::head(wire, limits, room) {
        Ok(head) => (Some((head.status, head.framing, head.unreadable)), head.end),
        Err(HeadStop::Refused(_, at)) => (None, at),
        Err(HeadStop::Cut(_)) => (None, wire.len()),
    };
    let decoded = match whole {
        Answer::Head(head, end) => (Some((head.status, head.framing, head.unreadable)), end),
        Answer::Refused(_, at) => (None, at),
        Answer::Unfinished => (None, wire.len()),
    };
    assert_eq!(expected, decoded, "{name}: the oracle of {}", wire.escape_ascii());
    whole
}

const ROOM: usize = 65_536;

struct Accept {
    name: &'static str,
    wire: &'static [u8],
    status: u16,
    framing: BodyFraming,
}

const fn accept(name: &'static str, wire: &'static [u8], status: u16, framing: BodyFraming) -> Accept {
    Accept { name, wire, status, framing }
}

#[rustfmt::skip]
const ACCEPT: &[Accept] = &[
    // Status line.
    accept("1.1", b"HTTP/1.1 200 OK\r\n\r\n", 200, UntilClose),
    accept("1.0", b"HTTP/1.0 200 OK\r\n\r\n", 200, UntilClose),
    accept("empty reason", b"HTTP/1.1 200 \r\n\r\n", 200, UntilClose),
    accept("no reason, no space", b"HTTP/1.1 200\r\n\r\n", 200, UntilClose),
    accept("no reason, no space, LF", b"HTTP/1.1 200\n\n", 200, UntilClose),
    accept("reason with tab and obs-text", b"HTTP/1.1 503 \tno\x80\xFF way \r\n\r\n", 503, UntilClose),
    accept("reason of two spaces", b"HTTP/1.1 200  OK\r\n\r\n", 200, UntilClose),
    accept("reason of digits", b"HTTP/1.1 200 0\r\n\r\n", 200, UntilClose),
    accept("lowest code", b"HTTP/1.1 200 OK\r\n\r\n", 200, UntilClose),
    accept("code 599", b"HTTP/1.1 599 x\r\n\r\n", 599, UntilClose),
    accept("code 600", b"HTTP/1.1 600 x\r\n\r\n", 600, UntilClose),
    accept("code 999", b"HTTP/1.1 999 x\r\n\r\n", 999, UntilClose),
    // Fields.
    accept("names in any case", b"HTTP/1.1 200 OK\r\ncOnTeNt-LeNgTh: 5\r\n\r\n", 200, Length(5)),
    accept("no white space before the value", b"HTTP/1.1 200 OK\r\nContent-Length:5\r\n\r\n", 200, Length(5)),
    accept("much white space around the value", b"HTTP/1.1 200 OK\r\nContent-Length: \t 5 \t \r\n\r\n", 200, Length(5)),
    accept("empty value", b"HTTP/1.1 200 OK\r\nA:\r\nB: \t\r\n\r\n", 200, UntilClose),
    accept("obs-text in a value", b"HTTP/1.1 200 OK\r\nA: \x80\xFF\r\n\r\n", 200, UntilClose),
    accept("every token byte in a name", b"HTTP/1.1 200 OK\r\n!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n", 200, UntilClose),
    accept("single LF as line end", b"HTTP/1.1 200 OK\nContent-Length: 5\n\n", 200, Length(5)),
    accept("line ends mixed", b"HTTP/1.1 200 OK\r\nContent-Length: 5\nA: b\r\n\n", 200, Length(5)),
    accept("folded ordinary field", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\td\r\n\r\n", 200, UntilClose),
    accept("folded with LF only", b"HTTP/1.1 200 OK\nA: b\n c\n\n", 200, UntilClose),
    accept("fold of white space only", b"HTTP/1.1 200 OK\r\nA: b\r\n \r\n\r\n", 200, UntilClose),
    accept("fold that looks like a field", b"HTTP/1.1 200 OK\r\nA: b\r\n Content-Length: 7\r\n\r\n", 200, UntilClose),
    // Interim responses.
    accept("100", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200, UntilClose),
    accept("102, 103 and unknown", b"HTTP/1.1 102 a\r\n\r\nHTTP/1.1 103\r\nLink: x\r\n\r\nHTTP/1.1 199\n\nHTTP/1.1 200 OK\r\n\r\n", 200, UntilClose),
    accept("interim with Content-Length has no body", b"HTTP/1.1 100 x\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200, UntilClose),
    accept("interim with Transfer-Encoding has no body", b"HTTP/1.1 103 x\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200, UntilClose),
    accept("interim with framing that would be refused", b"HTTP/1.1 103 x\r\nTransfer-Encoding: gzip\r\nContent-Length: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200, UntilClose),
    // Where the body ends.
    accept("204", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, Empty),
    accept("204 with Transfer-Encoding", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204, Empty),
    accept("304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, Empty),
    accept("chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, Chunked),
    accept("chunked in any case", b"HTTP/1.1 200 OK\r\ntransfer-encoding: cHuNkEd\r\n\r\n", 200, Chunked),
    accept("chunked wins over length", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 200, Chunked),
    accept("chunked wins over length, other order", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 200, Chunked),
    accept("length 0", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, Length(0)),
    accept("leading zeros", b"HTTP/1.1 200 OK\r\nContent-Length: 0000000000000000000000000005\r\n\r\n", 200, Length(5)),
    accept("largest length", b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", 200, Length(9_223_372_036_854_775_807)),
    accept("over 32 bits", b"HTTP/1.1 200 OK\r\nContent-Length: 4294967301\r\n\r\n", 200, Length(4_294_967_301)),
    accept("length in 1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 200, Length(5)),
    accept("neither", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", 200, UntilClose),
    accept("fold after a framing field's neighbor", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA:\r\n b\r\n\r\n", 200, Length(5)),
    accept("folded field whose name begins as one", b"HTTP/1.1 200 OK\r\nTransfer-Encoding-X:\r\n gzip\r\n\r\n", 200, UntilClose),
    accept("204 with folded framing", b"HTTP/1.1 204 x\r\nContent-Length:\r\n 5\r\n\r\n", 204, Empty),
    accept("interim with folded framing", b"HTTP/1.1 103 x\r\nContent-Length:\r\n 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200, UntilClose),
    accept("identity content coding", b"HTTP/1.1 200 OK\r\nContent-Encoding: identity,\r\n\r\n", 200, UntilClose),
];

#[test]
fn accepts_every_valid_head() {
    for Accept { name, wire, status, framing } in ACCEPT {
        let behind = [wire, &b"5\r\nhello\r\n\r\n"[..]].concat();
        for wire in [wire, behind.as_slice()] {
            let Answer::Head(head, end) = decode_all_ways(name, HeadLimits::default(), ROOM, wire) else {
                panic!("{name}: rejected");
            };
            assert_eq!((head.status, head.framing, head.unreadable), (*status, *framing, None), "{name}");
            assert!(
                wire[..end].ends_with(b"\n") && behind[end..].starts_with(b"5\r\n"),
                "{name}: ends at {end}"
            );
        }
        for length in 0..wire.len() {
            assert_eq!(decode(HeadLimits::default(), ROOM, [&wire[..length]]), Answer::Unfinished, "{name}");
        }
    }
}

/// Where an error is reported: at the byte, or at the end of the head.
enum At {
    Byte(usize),
    End,
}
use At::{Byte, End};

struct Reject {
    name: &'static str,
    wire: &'static [u8],
    kind: HeadErrorKind,
    at: At,
}

const fn reject(name: &'static str, wire: &'static [u8], kind: HeadErrorKind, at: At) -> Reject {
    Reject { name, wire, kind, at }
}

#[rustfmt::skip]
const REJECT: &[Reject] = &[
    // Status line: rejected at the first invalid byte.
    reject("lower case", b"http/1.1 200 OK\r\n\r\n", NotHttp, Byte(0)),
    reject("one letter lower case", b"HTTp/1.1 200 OK\r\n\r\n", NotHttp, Byte(3)),
    reject("two digits of minor version", b"HTTP/1.10 200 OK\r\n\r\n", NotHttp, Byte(8)),
    reject("no minor version", b"HTTP/1 200 OK\r\n\r\n", NotHttp, Byte(6)),
    reject("leading zero", b"HTTP/01.1 200 OK\r\n\r\n", NotHttp, Byte(5)),
    reject("1.2", b"HTTP/1.2 200 OK\r\n\r\n", NotHttp, Byte(7)),
    reject("2.0", b"HTTP/2.0 200 OK\r\n\r\n", NotHttp, Byte(5)),
    reject("HTTP/2", b"HTTP/2 200\r\n\r\n", NotHttp, Byte(5)),
    reject("0.9", b"HTTP/0.9 200 OK\r\n\r\n", NotHttp, Byte(5)),
    reject("ICY", b"ICY 200 OK\r\n\r\n", NotHttp, Byte(0)),
    reject("SIP", b"SIP/2.0 200 OK\r\n\r\n", NotHttp, Byte(0)),
    reject("SSH banner", b"SSH-2.0-OpenSSH_9.6\r\n", NotHttp, Byte(0)),
    reject("mail banner", b"220 mail.example ESMTP\r\n", NotHttp, Byte(0)),
    reject("TLS alert", b"\x15\x03\x01\x00\x02\x02\x46", NotHttp, Byte(0)),
    reject("HTTP/2 settings", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", NotHttp, Byte(0)),
    reject("HTML", b"<html><head>", NotHttp, Byte(0)),
    reject("HTML of a captive portal", b"HTML> portal", NotHttp, Byte(2)),
    reject("a request", b"GET / HTTP/1.1\r\n\r\n", NotHttp, Byte(0)),
    reject("empty line first", b"\r\nHTTP/1.1 200 OK\r\n\r\n", NotHttp, Byte(0)),
    reject("LF first", b"\nHTTP/1.1 200 OK\r\n\r\n", NotHttp, Byte(0)),
    reject("byte order mark", b"\xEF\xBB\xBFHTTP/1.1 200 OK\r\n\r\n", NotHttp, Byte(0)),
    reject("two spaces before the code", b"HTTP/1.1  200 OK\r\n\r\n", NotHttp, Byte(9)),
    reject("tab before the code", b"HTTP/1.1\t200 OK\r\n\r\n", NotHttp, Byte(8)),
    reject("no space before the code", b"HTTP/1.1200 OK\r\n\r\n", NotHttp, Byte(8)),
    reject("sign", b"HTTP/1.1 +200 OK\r\n\r\n", NotHttp, Byte(9)),
    reject("two digits", b"HTTP/1.1 20 OK\r\n\r\n", NotHttp, Byte(11)),
    reject("four digits", b"HTTP/1.1 2000 OK\r\n\r\n", NotHttp, Byte(12)),
    reject("no code", b"HTTP/1.1 \r\n\r\n", NotHttp, Byte(9)),
    reject("no code, no space", b"HTTP/1.1\r\n\r\n", NotHttp, Byte(8)),
    reject("letter in the code", b"HTTP/1.1 2x0 OK\r\n\r\n", NotHttp, Byte(10)),
    reject("digits of another script", "HTTP/1.1 \u{662}\u{660}\u{660} OK\r\n\r\n".as_bytes(), NotHttp, Byte(9)),
    reject("text glued to the code", b"HTTP/1.1 200OK\r\n\r\n", NotHttp, Byte(12)),
    reject("tab after the code", b"HTTP/1.1 200\tOK\r\n\r\n", NotHttp, Byte(12)),
    reject("code 099", b"HTTP/1.1 099 x\r\n\r\n", NotHttp, Byte(9)),
    reject("code 000", b"HTTP/1.1 000 x\r\n\r\n", NotHttp, Byte(9)),
    reject("NUL in the reason", b"HTTP/1.1 200 O\0K\r\n\r\n", StatusLine, Byte(14)),
    reject("bare CR in the reason", b"HTTP/1.1 200 O\rK\r\n\r\n", StatusLine, Byte(15)),
    reject("bare CR after the code", b"HTTP/1.1 200\rOK\r\n\r\n", StatusLine, Byte(13)),
    reject("CR CR LF after the reason", b"HTTP/1.1 200 OK\r\r\n\r\n", StatusLine, Byte(16)),
    reject("escape in the reason", b"HTTP/1.1 200 \x1B[2J\r\n\r\n", StatusLine, Byte(13)),
    reject("DEL in the reason", b"HTTP/1.1 200 \x7F\r\n\r\n", StatusLine, Byte(13)),
    // Fields.
    reject("space before the colon", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Field, Byte(18)),
    reject("tab before the colon", b"HTTP/1.1 200 OK\r\nA\t: b\r\n\r\n", Field, Byte(18)),
    reject("Transfer-Encoding with a space before the colon", b"HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n", Field, Byte(34)),
    reject("space in a name", b"HTTP/1.1 200 OK\r\nA B: c\r\n\r\n", Field, Byte(18)),
    reject("space before the first name", b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n", Field, Byte(17)),
    reject("tab before the first name", b"HTTP/1.1 200 OK\r\n\tTransfer-Encoding: chunked\r\n\r\n", Field, Byte(17)),
    reject("white space only, before the first field", b"HTTP/1.1 200 OK\r\n \r\nA: b\r\n\r\n", Field, Byte(17)),
    reject("empty name", b"HTTP/1.1 200 OK\r\n: b\r\n\r\n", Field, Byte(17)),
    reject("no colon", b"HTTP/1.1 200 OK\r\nA\r\n\r\n", Field, Byte(18)),
    reject("NUL in a name", b"HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n", Field, Byte(18)),
    reject("control in a name", b"HTTP/1.1 200 OK\r\nA\x01: b\r\n\r\n", Field, Byte(18)),
    reject("DEL in a name", b"HTTP/1.1 200 OK\r\nA\x7F: b\r\n\r\n", Field, Byte(18)),
    reject("non-ASCII in a name", b"HTTP/1.1 200 OK\r\n\xC3\xA4: b\r\n\r\n", Field, Byte(17)),
    reject("delimiters in a name", b"HTTP/1.1 200 OK\r\nA(b): c\r\n\r\n", Field, Byte(18)),
    reject("quote in a name", b"HTTP/1.1 200 OK\r\n\"A\": c\r\n\r\n", Field, Byte(17)),
    reject("NUL in a value", b"HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n", Field, Byte(21)),
    reject("control in a value", b"HTTP/1.1 200 OK\r\nA: \x08\r\n\r\n", Field, Byte(20)),
    reject("DEL in a value", b"HTTP/1.1 200 OK\r\nA: \x7F\r\n\r\n", Field, Byte(20)),
    reject("bare CR in a name", b"HTTP/1.1 200 OK\r\nA\rB: c\r\n\r\n", Field, Byte(18)),
    reject("bare CR in a value", b"HTTP/1.1 200 OK\r\nA: b\rContent-Length: 5\r\n\r\n", Field, Byte(22)),
    reject("CR CR LF after a value", b"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n", Field, Byte(22)),
    reject("bare CR before a fold", b"HTTP/1.1 200 OK\r\nA: b\r\r\n c\r\n\r\n", Field, Byte(22)),
    reject("CR and another byte for the empty line", b"HTTP/1.1 200 OK\r\nA: b\r\n\rX\r\n\r\n", Field, Byte(24)),
    reject("CR CR LF for the empty line", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\r\n\r\n", Field, Byte(24)),
    // Interim responses.
    reject("101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", SwitchingProtocols, End),
    reject("101 after 100", b"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 101 x\r\n\r\n", SwitchingProtocols, End),
    reject("malformed interim", b"HTTP/1.1 100 x\r\nA\r\n\r\n", Field, Byte(17)),
    reject("leftover bytes after an interim response", b"HTTP/1.1 100 x\r\n\r\nhello", NotHttp, Byte(18)),
    // Where the body ends.
    reject("gzip", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", TransferEncoding, End),
    reject("gzip, chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", TransferEncoding, End),
    reject("chunked, gzip", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", TransferEncoding, End),
    reject("chunked twice", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", TransferEncoding, End),
    reject("chunked three times", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked, chunked\r\n\r\n", TransferEncoding, End),
    reject("chunked on two lines", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncoding, End),
    reject("gzip on another line", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncoding, End),
    reject("identity", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", TransferEncoding, End),
    reject("xchunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n", TransferEncoding, End),
    reject("chunkedx", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunkedx\r\n\r\n", TransferEncoding, End),
    reject("quoted", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", TransferEncoding, End),
    reject("no-break space", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \xC2\xA0chunked\r\n\r\n", TransferEncoding, End),
    reject("parameter", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;a=b\r\n\r\n", TransferEncoding, End),
    reject("space inside", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chun ked\r\n\r\n", TransferEncoding, End),
    reject("folded inside", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chun\r\n ked\r\n\r\n", TransferEncoding, End),
    reject("empty", b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n", TransferEncoding, End),
    reject("empty elements only", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: ,\r\nContent-Length: 5\r\n\r\n", TransferEncoding, End),
    reject("empty elements", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: , ,chunked\t,,\r\n\r\n", TransferEncoding, End),
    reject("empty line of the same name", b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncoding, End),
    reject("folded before chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", TransferEncoding, End),
    reject("folded after chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\t\r\n\r\n", TransferEncoding, End),
    reject("folded with LF only", b"HTTP/1.1 200 OK\ntransfer-encoding:\n chunked\n\n", TransferEncoding, End),
    reject("folded twice, after a fold of another field", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nTransfer-Encoding:\r\n \r\n chunked\r\n\r\n", TransferEncoding, End),
    reject("folded, with a length", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", TransferEncoding, End),
    reject("chunked in 1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncodingVersion, End),
    reject("equal lengths in a list", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", ContentLength, End),
    reject("equal lengths, one with a zero", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 05\r\n\r\n", ContentLength, End),
    reject("equal lengths on lines", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", ContentLength, End),
    reject("length before an empty line of the same name", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length:\r\n\r\n", ContentLength, End),
    reject("fold before the length", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\t5\r\n\r\n", ContentLength, End),
    reject("fold after the length", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n \r\n\r\n", ContentLength, End),
    reject("invalid length with chunked", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n", ContentLength, End),
    reject("list of lengths with chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5, 5\r\n\r\n", ContentLength, End),
    reject("folded length with chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length:\r\n 5\r\n\r\n", ContentLength, End),
    reject("NUL in a length", b"HTTP/1.1 200 OK\r\nContent-Length: 5\0\r\n\r\n", Field, Byte(34)),
    reject("control in a coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0Bchunked\r\n\r\n", Field, Byte(36)),
    reject("Content-Length with a tab before the colon", b"HTTP/1.1 200 OK\r\nContent-Length\t: 5\r\n\r\n", Field, Byte(31)),
    reject("tab inside a length", b"HTTP/1.1 200 OK\r\nContent-Length: 5\t5\r\n\r\n", ContentLength, End),
    reject("different lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", ContentLength, End),
    reject("different lengths in a list", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", ContentLength, End),
    reject("different, then equal lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6, 5\r\n\r\n", ContentLength, End),
    reject("empty length", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", ContentLength, End),
    reject("empty element", b"HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\n", ContentLength, End),
    reject("plus", b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", ContentLength, End),
    reject("minus", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", ContentLength, End),
    reject("hexadecimal", b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n", ContentLength, End),
    reject("exponent", b"HTTP/1.1 200 OK\r\nContent-Length: 5e1\r\n\r\n", ContentLength, End),
    reject("underscore", b"HTTP/1.1 200 OK\r\nContent-Length: 5_0\r\n\r\n", ContentLength, End),
    reject("decimal point", b"HTTP/1.1 200 OK\r\nContent-Length: 5.0\r\n\r\n", ContentLength, End),
    reject("quoted length", b"HTTP/1.1 200 OK\r\nContent-Length: \"5\"\r\n\r\n", ContentLength, End),
    reject("length with parameter", b"HTTP/1.1 200 OK\r\nContent-Length: 5;a=b\r\n\r\n", ContentLength, End),
    reject("two numbers", b"HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\n", ContentLength, End),
    reject("number in two folds", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n 5\r\n\r\n", ContentLength, End),
    reject("digit of another script", "HTTP/1.1 200 OK\r\nContent-Length: \u{665}\r\n\r\n".as_bytes(), ContentLength, End),
    reject("length of 2^63", b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", ContentLength, End),
    reject("length of 2^64", b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", ContentLength, End),
    reject("length that wraps to 5", b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\n", ContentLength, End),
    reject("coded stream", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", ContentEncoding, End),
    reject("coded stream, in a list", b"HTTP/1.1 200 OK\r\nContent-Encoding: identity, br\r\n\r\n", ContentEncoding, End),
];

#[test]
fn rejects_invalid_heads_at_the_offending_byte() {
    assert!(REJECT.len() >= ACCEPT.len());
    for Reject { name, wire, kind, at } in REJECT {
        let place = match at {
            Byte(at) => *at,
            End => wire.len(),
        };
        for behind in [&b""[..], b"5\r\nhello\r\n"] {
            let wire = [wire, behind].concat();
            let answer = decode_all_ways(name, HeadLimits::default(), ROOM, &wire);
            assert_eq!(answer, Answer::Refused(*kind, place), "{name}");
        }
    }
}

/// The status of an unsuccessful response is valid even if its body cannot be read.
#[test]
fn status_of_a_refusal_is_used_even_if_its_body_is_unreadable() {
    for (fields, kind, framing) in [
        ("Content-Encoding: gzip\r\nContent-Length: 5", ContentEncoding, Length(5)),
        ("content-encoding: br\r\nTransfer-Encoding: chunked", ContentEncoding, Chunked),
        ("Content-Encoding: identity, zstd", ContentEncoding, UntilClose),
        ("Transfer-Encoding: gzip, chunked", TransferEncoding, UntilClose),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", TransferEncoding, UntilClose),
        ("Transfer-Encoding: identity", TransferEncoding, UntilClose),
        ("Transfer-Encoding:\r\n chunked", TransferEncoding, UntilClose),
        ("Content-Length:\r\n 5", HeadErrorKind::ContentLength, UntilClose),
        ("Content-Length: 5, 05", HeadErrorKind::ContentLength, UntilClose),
        ("Content-Length: -5", HeadErrorKind::ContentLength, UntilClose),
    ] {
        for status in [301, 400, 401, 403, 404, 429, 500, 503, 999] {
            let wire = format!("HTTP/1.1 {status} x\r\n{fields}\r\n\r\n");
            let answer = decode_all_ways(fields, HeadLimits::default(), ROOM, wire.as_bytes());
            let Answer::Head(head, _) = answer else { panic!("{status} with {fields}: {answer:?}") };
            assert_eq!(
                (head.status, head.framing, head.unreadable),
                (status, framing, Some(kind)),
                "{fields}"
            );
        }
        // A stream is read completely or not at all. A response without a body does not need a
        // readable one.
        for status in [200, 206, 299] {
            let wire = format!("HTTP/1.1 {status} x\r\n{fields}\r\n\r\n");
            let answer = decode_all_ways(fields, HeadLimits::default(), ROOM, wire.as_bytes());
            assert_eq!(answer, Answer::Refused(kind, wire.len()), "{status} with {fields}");
        }
        for status in [204, 304] {
            let wire = format!("HTTP/1.1 {status} x\r\n{fields}\r\n\r\n");
            let answer = decode_all_ways(fields, HeadLimits::default(), ROOM, wire.as_bytes());
            let Answer::Head(head, _) = answer else { panic!("{status} with {fields}: {answer:?}") };
            assert_eq!((head.framing, head.unreadable), (Empty, None), "{status} with {fields}");
        }
    }
    let wire = b"HTTP/1.0 401 x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = decode_all_ways("1.0", HeadLimits::default(), ROOM, wire);
    assert!(
        matches!(answer, Answer::Head(head, _) if head.unreadable == Some(TransferEncodingVersion)),
        "{answer:?}"
    );
}

/// Decodes `wire` as the head of a connection, and passes it to `check`.
fn with_head(wire: &[u8], check: impl FnOnce(Head<'_>)) {
    let mut connection = Connection::new(vec![0; ROOM], ConnectionConfig::default());
    connection.handle_connected(Instant::ZERO);
    let (_, event) = connection.decode(wire, Instant::ZERO);
    let Ok(Some(ConnectionEvent::Head(head))) = event else { panic!("{event:?}") };
    check(head);
}

#[test]
fn an_unread_body_names_its_fields_escaped() {
    let coded = b"Transfer-Encoding: gzip\r\nA: b\r\ntransfer-encoding: \x9B2J, chunked\r\n";
    let cases: [(&[u8], &str); 2] = [
        (
            coded,
            "expected Transfer-Encoding to be only chunked, on one line, because nothing else was requested \
             (saw Transfer-Encoding: gzip, Transfer-Encoding: \\x9b2J, chunked)",
        ),
        (
            b"content-length: 5, 6\r\n",
            "expected Content-Length to be one decimal number below 2^63, on one line \
             (saw Content-Length: 5, 6)",
        ),
    ];
    for (fields, want) in cases {
        with_head(&[b"HTTP/1.1 401 x\r\n", fields, b"\r\n"].concat(), |head| {
            let text = head.unread_body().unwrap().to_string();
            assert_eq!(text, format!("its body was not read: {want}"));
        });
    }
}

#[test]
fn texts_of_a_head_are_bounded() {
    let long = "\u{9b}".repeat(100);
    let fields = format!("Content-Encoding: {long}\r\n").repeat(100);
    with_head(format!("HTTP/1.1 401 x\r\n{fields}\r\n").as_bytes(), |head| {
        let text = head.unread_body().unwrap().to_string();
        let shown = "\\xc2\\x9b".repeat(32);
        assert_eq!(text.matches(&format!(" Content-Encoding: {shown}..")).count(), 3, "{text}");
        assert!(text.len() < 1_100, "{text}");
    });
    for (length, is_named) in [(64, true), (65, false)] {
        let name = "a".repeat(length);
        with_head(format!("HTTP/1.1 200 x\nX-Powerstream-Datacenter: {name}\n\n").as_bytes(), |head| {
            assert_eq!(head.datacenter(), is_named.then_some(name.as_str()));
        });
    }
}

#[test]
fn head_length_is_bounded_by_both_storage_and_limit() {
    for Accept { name, wire, .. } in ACCEPT {
        // The storage holds one head at a time. The limit applies to all heads together.
        let last = (1..wire.len()).rev().find(|&at| wire[at..].starts_with(b"HTTP/1.")).unwrap_or(0);
        let longest = (wire.len() - last).max(last);
        let whole = decode(HeadLimits::default(), ROOM, [*wire]);
        for room in [longest, longest + 1, ROOM] {
            assert_eq!(decode_all_ways(name, HeadLimits::default(), room, wire), whole, "{name} in {room}");
        }
        let mut limits = HeadLimits::default();
        for bytes_max in [wire.len(), wire.len() + 1] {
            limits.bytes_max = bytes_max;
            assert_eq!(decode_all_ways(name, limits, ROOM, wire), whole, "{name} of at most {bytes_max}");
        }
        limits.bytes_max = wire.len() - 1;
        let refused = Answer::Refused(HeadErrorKind::Length, wire.len() - 1);
        assert_eq!(decode_all_ways(name, limits, ROOM, wire), refused, "{name}");
        if last == 0 {
            let answer = decode_all_ways(name, HeadLimits::default(), wire.len() - 1, wire);
            assert_eq!(answer, refused, "{name}");
        }
    }
}

#[test]
fn endless_lines_are_rejected_at_the_limit() {
    let endless: [(&str, &[u8], &[u8]); 4] = [
        ("status line", b"HTTP/1.1 200 ", b"O"),
        ("name", b"HTTP/1.1 200 OK\r\n", b"A"),
        ("value", b"HTTP/1.1 200 OK\r\nA: ", b" "),
        ("folds", b"HTTP/1.1 200 OK\r\nA: ", b"\r\n b"),
    ];
    for (name, front, rest) in endless {
        let wire = [front, &rest.repeat(500)].concat();
        for room in [1, 12, 13, 64, 400] {
            let answer = decode_all_ways(name, HeadLimits::default(), room, &wire);
            assert_eq!(answer, Answer::Refused(HeadErrorKind::Length, room), "{name} in {room}");
        }
    }
}

#[test]
fn field_and_interim_response_counts_are_limited() {
    let mut limits = HeadLimits::default();
    limits.fields_max = 3;
    limits.interim_max = 2;
    for fields in 0..6 {
        let wire = ["HTTP/1.1 200 OK\r\n", &"A: b\r\n".repeat(fields), "\r\n"].concat();
        let answer = decode_all_ways("fields", limits, ROOM, wire.as_bytes());
        assert_eq!(matches!(answer, Answer::Head(_, end) if end == wire.len()), fields <= 3, "{answer:?}");
        assert_eq!(answer == Answer::Refused(Fields, wire.len()), fields > 3, "{answer:?}");
    }
    let interim = "HTTP/1.1 103 x\r\nA: b\r\n\r\n";
    for count in 0..5 {
        let wire = [&interim.repeat(count), "HTTP/1.1 200 OK\r\n\r\n"].concat();
        let answer = decode_all_ways("interim", limits, ROOM, wire.as_bytes());
        assert_eq!(matches!(answer, Answer::Head(_, end) if end == wire.len()), count <= 2, "{answer:?}");
        assert_eq!(answer == Answer::Refused(Interim, 3 * interim.len()), count > 2, "{answer:?}");
    }
    // A limit above the maximum counts as the maximum.
    limits.fields_max = usize::MAX;
    for (fields, taken) in [(256, true), (257, false)] {
        let wire = ["HTTP/1.1 200 OK\n", &"A:\n".repeat(fields), "\n"].concat();
        let answer = decode(limits, ROOM, [wire.as_bytes()]);
        assert_eq!(matches!(answer, Answer::Head(..)), taken, "{fields} fields: {answer:?}");
    }
}

#[test]
fn parses_retry_after_and_rate_limit_reset() {
    let wire = b"HTTP/1.1 429 x\r\nX-Rate-Limit-Limit: 50\r\nx-rate-limit-remaining: 0\r\n\
        x-rate-limit-reset: 1762558200\r\nretry-after: Fri, 07 Nov 2025 23:30:00 GMT\r\ncontent-length: 0\r\n\r\n";
    let Answer::Head(head, _) = decode_all_ways("429", HeadLimits::default(), ROOM, wire) else { panic!() };
    let limit = head.rate_limit;
    assert_eq!((limit.limit, limit.remaining), (Some(50), Some(0)));
    assert_eq!(limit.reset, Some(UnixTime::from_seconds(1_762_558_200)));
    assert_eq!(head.retry_after, Some(RetryAfter::At(UnixTime::from_seconds(1_762_558_200))));
    for (value, want) in [
        ("120", Some(RetryAfter::Seconds(120))),
        ("9223372036854775807", Some(RetryAfter::Seconds(9_223_372_036_854_775_807))),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ] {
        let wire = format!("HTTP/1.1 503 x\r\nRetry-After: {value}\r\nx-rate-limit-reset: {value}\r\n\r\n");
        let answer = decode_all_ways("503", HeadLimits::default(), ROOM, wire.as_bytes());
        let Answer::Head(head, _) = answer else { panic!("{value}") };
        assert_eq!(head.retry_after, want, "{value}");
        assert_eq!(head.rate_limit.reset.is_some(), want.is_some(), "{value}");
    }
}

#[test]
fn length_is_ambiguous_only_with_both_framing_fields() {
    let (coding, length) = ("Transfer-Encoding: chunked\r\n", "Content-Length: 5\r\n");
    for (fields, want) in [([coding, length], true), ([coding, ""], false), (["", length], false)] {
        with_head(format!("HTTP/1.1 200 x\r\n{}\r\n", fields.concat()).as_bytes(), |head| {
            assert_eq!(head.parsed().ambiguous_length, want, "{fields:?}");
        });
    }
}

#[test]
fn field_with_another_name_of_the_same_length_is_ignored() {
    let known = "Date: Thu, 01 Jan 1970 00:00:01 GMT\r\nRetry-After: 2\r\nX-Rate-Limit-Limit: 3\r\n\
        X-Rate-Limit-Remaining: 4\r\nX-Rate-Limit-Reset: 5\r\n";
    let other = known.replace("Date", "Data").replace("After", "Later").replace("Rate", "Wait");
    with_head(format!("HTTP/1.1 429 x\r\n{known}{}\r\n", other.replace(": ", ": 1")).as_bytes(), |head| {
        let ResponseHead { date, retry_after, rate_limit, .. } = *head.parsed();
        assert_eq!(date, Some(UnixTime::from_seconds(1)));
        assert_eq!(retry_after, Some(RetryAfter::Seconds(2)));
        assert_eq!((rate_limit.limit, rate_limit.remaining), (Some(3), Some(4)));
        assert_eq!(rate_limit.reset, Some(UnixTime::from_seconds(5)));
    });
}

/// Fields are borrowed from the head, without folds and surrounding white space.
#[test]
fn lends_header_fields_unchanged() {
    let wire = b"HTTP/1.1 100 x\r\nInterim: gone\r\n\r\nHTTP/1.1 200 OK\r\nX-Powerstream-Datacenter:\t atla \r\nA: b\r\n c:d\r\n\
        \t e\nEmpty:\r\na: \x80 : \r\ncontent-length: 0\r\n\r\n";
    let fields: &[(&str, &[u8])] = &[
        ("X-Powerstream-Datacenter", b"atla"),
        ("A", b"b   c:d  \t e"),
        ("Empty", b""),
        ("a", b"\x80 :"),
        ("content-length", b"0"),
    ];
    let fields = fields.iter().map(|(name, value)| (String::from(*name), value.to_vec())).collect();
    let want = OwnedEvent::Head { status: 200, framing: BodyFraming::Length(0), fields };
    for cuts in deliveries(wire.len(), 3) {
        let mut connection = Connection::new(vec![0; 256], ConnectionConfig::default());
        let log = run(&mut connection, pieces(wire, &cuts));
        assert_eq!(log[0], want, "cut at {cuts:?}");
    }
    with_head(wire, |head| {
        assert_eq!(head.field("x-POWERSTREAM-datacenter"), Some(&b"atla"[..]));
        assert_eq!((head.field("A"), head.field("B")), (Some(&b"b   c:d  \t e"[..]), None));
        assert_eq!(head.datacenter(), Some("atla"));
    });
}

/// Compares the decoder with the reference decoder on randomly damaged heads.
#[test]
fn agrees_with_the_reference_decoder_on_damaged_heads() {
    let rows: Vec<&[u8]> =
        ACCEPT.iter().map(|row| row.wire).chain(REJECT.iter().map(|row| row.wire)).collect();
    for seed in 0..12_000 {
        let mut random = Rng(seed);
        let mut wire = random.pick(&rows).to_vec();
        mutate(&mut wire, &mut random);
        let mut limits = HeadLimits::default();
        limits.fields_max = 1 + random.index(4);
        limits.bytes_max = 1 + random.index(200);
        let room = 1 + random.index(200);
        let want = match reference_decoder::head(&wire, limits, room) {
            Ok(head) => Ok((head.status, head.framing, head.unreadable, head.end)),
            Err(HeadStop::Refused(kind, at)) => Err(Some((kind, at))),
            Err(HeadStop::Cut(_)) => Err(None),
        };
        for _ in 0..3 {
            let cuts = random_cuts(wire.len(), &mut random);
            let got = match decode(limits, room, pieces(&wire, &cuts)) {
                Answer::Head(head, end) => Ok((head.status, head.framing, head.unreadable, end)),
                Answer::Refused(kind, at) => Err(Some((kind, at))),
                Answer::Unfinished => Err(None),
            };
            assert_eq!(got, want, "seed {seed}: {} cut at {cuts:?}", wire.escape_ascii());
        }
    }
}
