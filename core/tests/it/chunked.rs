//! Tests the chunked decoder with tables of accepted and rejected input, split in every way.

use powerstream_core::http::ChunkErrorKind::{self, *};
use powerstream_core::http::{ChunkLimits, ChunkSpan, ChunkedDecoder};

use crate::common::reference_decoder::{self, BodyEnd, Chunked};
use crate::common::{chunked, deliveries, mutate, pieces, push_chunk, random_cuts};
use crate::random::Rng;

/// Decodes the pieces and collects the result. Checks that nothing follows an end or an error.
fn decode<'a>(limits: ChunkLimits, input: impl IntoIterator<Item = &'a [u8]>) -> Chunked {
    let mut decoder = ChunkedDecoder::new(limits);
    let mut content = Vec::new();
    let mut before = 0;
    for piece in input {
        let mut at = 0;
        loop {
            match decoder.decode(&piece[at..]) {
                Ok(ChunkSpan::Data(range)) => {
                    assert!(!range.is_empty(), "data without bytes");
                    content.extend_from_slice(&piece[at..][range.clone()]);
                    at += range.end;
                    assert!(!decoder.is_complete());
                }
                Ok(ChunkSpan::NeedInput) => break,
                Ok(ChunkSpan::End(consumed)) => {
                    assert!(decoder.is_complete());
                    assert_eq!(
                        decoder.decode(b"0\r\n\r\n"),
                        Ok(ChunkSpan::End(0)),
                        "nothing is read after the end"
                    );
                    return Chunked { content, end: BodyEnd::Complete(before + at + consumed) };
                }
                Err(error) => {
                    for later in [&b""[..], b"\r\n", b"5\r\nhello\r\n0\r\n\r\n"] {
                        let again = decoder.decode(later).map_err(|error| (error.kind, error.at));
                        assert_eq!(again, Err((error.kind, 0)), "errors stay");
                    }
                    assert!(!decoder.is_complete());
                    return Chunked { content, end: BodyEnd::Broken(error.kind, before + at + error.at) };
                }
            }
        }
        before += piece.len();
    }
    Chunked { content, end: BodyEnd::Cut }
}

/// Checks that every split gives the same result, and that the reference decoder agrees.
fn assert_decodes(name: &str, limits: ChunkLimits, wire: &[u8], want: &Chunked) {
    for cuts in deliveries(wire.len(), 1) {
        assert_eq!(
            decode(limits, pieces(wire, &cuts)),
            *want,
            "{name}: {} cut at {cuts:?}",
            wire.escape_ascii()
        );
    }
    assert_eq!(reference_decoder::chunked(wire, limits), *want, "{name}: the oracle");
}

struct Accept {
    name: &'static str,
    wire: &'static [u8],
    content: &'static [u8],
}

#[rustfmt::skip]
const ACCEPT: &[Accept] = &[
    Accept { name: "one chunk", wire: b"5\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "three chunks", wire: b"2\r\nhe\r\n1\r\nl\r\n2\r\nlo\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "no content", wire: b"0\r\n\r\n", content: b"" },
    Accept { name: "lower case", wire: b"a\r\n0123456789\r\n0\r\n\r\n", content: b"0123456789" },
    Accept { name: "upper case", wire: b"A\r\n0123456789\r\n0\r\n\r\n", content: b"0123456789" },
    Accept { name: "both cases", wire: b"1c\r\n0123456789012345678901234567\r\n1C\r\n0123456789012345678901234567\r\n0\r\n\r\n", content: b"01234567890123456789012345670123456789012345678901234567" },
    Accept { name: "leading zeros", wire: b"0005\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "16 digits", wire: b"0000000000000005\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "last chunk of several zeros", wire: b"5\r\nhello\r\n000\r\n\r\n", content: b"hello" },
    Accept { name: "last chunk of 16 zeros", wire: b"5\r\nhello\r\n0000000000000000\r\n\r\n", content: b"hello" },
    Accept { name: "content that looks like framing", wire: b"c\r\n\r\n0\r\n\r\n5\r\n\r\n\r\n0\r\n\r\n", content: b"\r\n0\r\n\r\n5\r\n\r\n" },
    Accept { name: "content of every kind of byte", wire: b"8\r\n\0\r\n\x7F\x80\xFF;\n\r\n0\r\n\r\n", content: b"\0\r\n\x7F\x80\xFF;\n" },
    Accept { name: "extension name", wire: b"5;a\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "extension with value", wire: b"5;a=b\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "extension with digits", wire: b"5;6=7\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "every token byte", wire: b"5;!#$%&'*+-.^_`|~09azAZ=~|`_^.-+*'&%$#!\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "several extensions", wire: b"5;a;b=c;d=\"e\"\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "quoted value", wire: b"5;a=\"b c;d=e\"\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "empty quoted value", wire: b"5;a=\"\"\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "quoted pairs", wire: b"5;a=\"\\\"\\\\\\a\\\t\\\xFF\"\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "obs-text in a quoted value", wire: b"5;a=\"\x80\xFF\t\"\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "white space around ; and =", wire: b"5 \t; \ta \t= \tb \t; c\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "white space around a quoted value", wire: b"5;a= \"b\" ;c\r\nhello\r\n0\r\n\r\n", content: b"hello" },
    Accept { name: "extension on the last chunk", wire: b"5\r\nhello\r\n0;a=b\r\n\r\n", content: b"hello" },
    Accept { name: "trailer field", wire: b"0\r\nA: b\r\n\r\n", content: b"" },
    Accept { name: "trailer fields, empty and obs-text", wire: b"0\r\nA:\r\nB:\t\x80 c \r\n\r\n", content: b"" },
    Accept { name: "trailer that would be framing", wire: b"1\r\nx\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\n", content: b"x" },
    Accept { name: "keep-alives of a quiet stream", wire: b"2\r\n\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n", content: b"\r\n\r\n" },
    Accept { name: "chunk of 16", wire: b"10\r\n0123456789abcdef\r\n0\r\n\r\n", content: b"0123456789abcdef" },
    Accept { name: "chunk of 17", wire: b"11\r\n0123456789abcdefg\r\n0\r\n\r\n", content: b"0123456789abcdefg" },
];

#[test]
fn accepts_every_valid_chunked_body() {
    for Accept { name, wire, content } in ACCEPT {
        let want = Chunked { content: content.to_vec(), end: BodyEnd::Complete(wire.len()) };
        assert_decodes(name, ChunkLimits::default(), wire, &want);
        for garbage in [&b"\r\n"[..], b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\0"] {
            assert_decodes(name, ChunkLimits::default(), &[wire, garbage].concat(), &want);
        }
    }
}

#[test]
fn truncated_body_is_never_complete() {
    for Accept { name, wire, content } in ACCEPT {
        for length in 0..wire.len() {
            let cut = decode(ChunkLimits::default(), [&wire[..length]]);
            assert_eq!(cut.end, BodyEnd::Cut, "{name}, cut after {length} bytes");
            assert!(content.starts_with(&cut.content), "{name}: complete content is delivered");
            assert_eq!(
                reference_decoder::chunked(&wire[..length], ChunkLimits::default()),
                cut,
                "{name}: the oracle"
            );
        }
    }
}

struct Reject {
    name: &'static str,
    wire: &'static [u8],
    kind: ChunkErrorKind,
    at: usize,
    /// The content that must have been delivered before.
    content: &'static [u8],
}

const fn reject(name: &'static str, wire: &'static [u8], kind: ChunkErrorKind, at: usize) -> Reject {
    Reject { name, wire, kind, at, content: b"" }
}

const fn after(
    content: &'static [u8],
    name: &'static str,
    wire: &'static [u8],
    kind: ChunkErrorKind,
    at: usize,
) -> Reject {
    Reject { name, wire, kind, at, content }
}

#[rustfmt::skip]
const REJECT: &[Reject] = &[
    reject("no digit", b"\r\nhello\r\n", SizeMissing, 0),
    reject("empty line before the first chunk", b"\r\n5\r\nhello\r\n", SizeMissing, 0),
    reject("bare LF first", b"\n5\r\nhello\r\n", SizeMissing, 0),
    reject("extension without size", b";a\r\nhello\r\n", SizeMissing, 0),
    reject("plus", b"+5\r\nhello\r\n", SizeMissing, 0),
    reject("minus", b"-5\r\nhello\r\n", SizeMissing, 0),
    reject("space before", b" 5\r\nhello\r\n", SizeMissing, 0),
    reject("tab in front", b"\t5\r\nhello\r\n", SizeMissing, 0),
    reject("quote", b"\"5\"\r\nhello\r\n", SizeMissing, 0),
    reject("letter after f", b"g\r\nhello\r\n", SizeMissing, 0),
    reject("digit of another script", "\u{665}\r\nhello\r\n".as_bytes(), SizeMissing, 0),
    reject("full-width digit", "\u{FF15}\r\nhello\r\n".as_bytes(), SizeMissing, 0),
    reject("NUL", b"\x005\r\nhello\r\n", SizeMissing, 0),
    reject("0x", b"0x5\r\nhello\r\n", SizeByte, 1),
    reject("h after", b"5h\r\nhello\r\n", SizeByte, 1),
    reject("underscore", b"1_0\r\nhello\r\n", SizeByte, 1),
    reject("decimal point", b"5.0\r\nhello\r\n", SizeByte, 1),
    reject("comma", b"5,5\r\nhello\r\n", SizeByte, 1),
    reject("minus after", b"5-\r\nhello\r\n", SizeByte, 1),
    reject("NUL after", b"5\x00\r\nhello\r\n", SizeByte, 1),
    reject("vertical tab", b"5\x0B\r\nhello\r\n", SizeByte, 1),
    reject("form feed", b"5\x0C\r\nhello\r\n", SizeByte, 1),
    reject("no-break space", b"5\xA0\r\nhello\r\n", SizeByte, 1),
    reject("LF for CR LF", b"5\nhello\r\n", SizeByte, 1),
    reject("two sizes", b"5 5\r\nhello\r\n", SizeByte, 2),
    reject("space after", b"5 \r\nhello\r\n", SizeByte, 2),
    reject("tabs after", b"5\t\t\r\nhello\r\n", SizeByte, 3),
    reject("LF after a space", b"5 \nhello\r\n", SizeByte, 2),
    reject("17 digits", b"00000000000000005\r\nhello\r\n", SizeDigits, 16),
    reject("17 digits of a last chunk", b"00000000000000000\r\n\r\n", SizeDigits, 16),
    reject("2^63", b"8000000000000000\r\nhello\r\n", SizeOverflow, 15),
    reject("2^64 - 1", b"ffffffffffffffff\r\nhello\r\n", SizeOverflow, 15),
    reject("2^64 - 5, that wraps", b"FFFFFFFFFFFFFFFB\r\nhello\r\n", SizeOverflow, 15),
    reject("CR alone", b"5\rhello\r\n", SizeLineEnd, 2),
    reject("CR CR LF", b"5\r\r\nhello\r\n", SizeLineEnd, 2),
    reject("CR alone on the last chunk", b"0\r\r\n", SizeLineEnd, 2),
    reject("CR alone after an extension", b"5;a\rb\r\nhello\r\n", SizeLineEnd, 4),
    reject("semicolon alone", b"5;\r\nhello\r\n", Extension, 2),
    reject("two semicolons", b"5;;a\r\nhello\r\n", Extension, 2),
    reject("semicolon last", b"5;a;\r\nhello\r\n", Extension, 4),
    reject("no name", b"5;=b\r\nhello\r\n", Extension, 2),
    reject("no value", b"5;a=\r\nhello\r\n", Extension, 4),
    reject("no value, another extension", b"5;a=;b\r\nhello\r\n", Extension, 4),
    reject("name in quotes", b"5;\"a\"\r\nhello\r\n", Extension, 2),
    reject("two names", b"5;a b\r\nhello\r\n", Extension, 4),
    reject("two values", b"5;a=b c\r\nhello\r\n", Extension, 6),
    reject("two equal signs", b"5;a==b\r\nhello\r\n", Extension, 4),
    reject("text after a quote", b"5;a=\"b\"c\r\nhello\r\n", Extension, 7),
    reject("quote in a token", b"5;a=b\"c\"\r\nhello\r\n", Extension, 5),
    reject("unclosed quote", b"5;a=\"b\r\nhello\r\n", Extension, 6),
    reject("quoted CR LF", b"5;a=\"\r\n0\r\n\r\n\"\r\nhello\r\n", Extension, 5),
    reject("escaped CR", b"5;a=\"\\\r\n\"\r\nhello\r\n", Extension, 6),
    reject("escaped LF", b"5;a=\"\\\n\"\r\nhello\r\n", Extension, 6),
    reject("quoted NUL", b"5;a=\"\0\"\r\nhello\r\n", Extension, 5),
    reject("quoted DEL", b"5;a=\"\x7F\"\r\nhello\r\n", Extension, 5),
    reject("white space last, after a name", b"5;a \r\nhello\r\n", Extension, 4),
    reject("white space last, after a value", b"5;a=b \r\nhello\r\n", Extension, 6),
    reject("white space last, after a quote", b"5;a=\"b\" \r\nhello\r\n", Extension, 8),
    reject("LF in an extension", b"5;a\nhello\r\n", Extension, 3),
    reject("LF, then another line", b"2;\nxx\r\n45\r\n", Extension, 2),
    reject("LF after a value", b"5;a=b\nhello\r\n", Extension, 5),
    reject("NUL in an extension", b"5;a\0\r\nhello\r\n", Extension, 3),
    reject("DEL in an extension", b"5;\x7F\r\nhello\r\n", Extension, 2),
    reject("obs-text in an extension's name", b"5;\x80\r\nhello\r\n", Extension, 2),
    after(b"hello", "data longer than its size", b"5\r\nhello!\r\n0\r\n\r\n", DataEnd, 8),
    after(b"hello", "no line end after the data", b"5\r\nhello0\r\n\r\n", DataEnd, 8),
    after(b"hello", "any two bytes after the data", b"5\r\nhelloXX0\r\n\r\n", DataEnd, 8),
    after(b"hello", "LF after the data", b"5\r\nhello\n0\r\n\r\n", DataEnd, 8),
    after(b"hello", "LF CR after the data", b"5\r\nhello\n\r0\r\n\r\n", DataEnd, 8),
    after(b"hello", "CR and another byte", b"5\r\nhello\rX0\r\n\r\n", DataEnd, 9),
    after(b"hello", "CR CR LF after the data", b"5\r\nhello\r\r\n0\r\n\r\n", DataEnd, 9),
    after(b"hell", "data shorter than its size", b"4\r\nhello\r\n0\r\n\r\n", DataEnd, 7),
    after(b"hello\r", "size one too large", b"6\r\nhello\r\n0\r\n\r\n", DataEnd, 9),
    after(b"hello", "empty line between chunks", b"5\r\nhello\r\n\r\n0\r\n\r\n", SizeMissing, 10),
    after(b"hello", "sign in the second size", b"5\r\nhello\r\n+1\r\nx\r\n", SizeMissing, 10),
    after(b"hellox", "huge third size", b"5\r\nhello\r\n1\r\nx\r\nffffffffffffffff\r\n", SizeOverflow, 31),
    reject("trailer: LF for CR LF", b"0\r\n\n", Trailer, 3),
    reject("trailer: CR and another byte", b"0\r\n\rX", Trailer, 4),
    reject("trailer: CR CR LF", b"0\r\n\r\r\n", Trailer, 4),
    reject("trailer: line without colon", b"0\r\nA\r\n\r\n", Trailer, 4),
    reject("trailer: no name", b"0\r\n: b\r\n\r\n", Trailer, 3),
    reject("trailer: space before the colon", b"0\r\nA : b\r\n\r\n", Trailer, 4),
    reject("trailer: folded line", b"0\r\nA: b\r\n c\r\n\r\n", Trailer, 9),
    reject("trailer: bare LF in a value", b"0\r\nA: b\n\r\n", Trailer, 7),
    reject("trailer: bare CR in a value", b"0\r\nA: b\rc\r\n\r\n", Trailer, 8),
    reject("trailer: NUL in a value", b"0\r\nA: \0\r\n\r\n", Trailer, 6),
    reject("trailer: NUL in a name", b"0\r\n\0: a\r\n\r\n", Trailer, 3),
    reject("trailer: non-ASCII name", b"0\r\n\xC3\xA4: a\r\n\r\n", Trailer, 3),
    reject("a next chunk after the last", b"0\r\n5\r\nhello\r\n", Trailer, 4),
];

#[test]
fn rejects_invalid_chunked_bodies_at_the_offending_byte() {
    assert!(REJECT.len() >= ACCEPT.len());
    for Reject { name, wire, kind, at, content } in REJECT {
        let want = Chunked { content: content.to_vec(), end: BodyEnd::Broken(*kind, *at) };
        assert_decodes(name, ChunkLimits::default(), wire, &want);
        // After valid chunks, the same input is rejected at the same byte, and the chunks are
        // delivered.
        let mut wire_after = b"3\r\nabc\r\n1;x\r\nd\r\n".to_vec();
        let before = wire_after.len();
        wire_after.extend_from_slice(wire);
        let want =
            Chunked { content: [b"abcd", *content].concat(), end: BodyEnd::Broken(*kind, before + at) };
        assert_decodes(name, ChunkLimits::default(), &wire_after, &want);
    }
}

#[test]
fn errors_have_stable_codes_and_texts_with_the_place() {
    for (kind, code) in [
        (SizeMissing, "chunk_size_missing"),
        (SizeByte, "chunk_size_byte"),
        (SizeDigits, "chunk_size_digits"),
        (SizeOverflow, "chunk_size_overflow"),
        (SizeLineEnd, "chunk_size_line_end"),
        (SizeLineLength, "chunk_size_line_length"),
        (Extension, "chunk_extension"),
        (DataEnd, "chunk_data_end"),
        (Trailer, "trailer"),
        (TrailerLength, "trailer_length"),
    ] {
        assert_eq!(kind.code(), code);
    }
    let error = ChunkedDecoder::default().decode(b"0005\rh").unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected LF after the CR that ends a chunk-size line (at byte 5 of the input)"
    );
}

/// Tests every byte value in each place that allows only some.
#[test]
fn accepts_only_the_allowed_byte_values_at_each_position() {
    let places: &[&[u8]] = &[
        b"",
        b"5",
        b"5\r",
        b"5 ",
        b"5;",
        b"5;a",
        b"5;a ",
        b"5;a=",
        b"5;a=b",
        b"5;a=\"",
        b"5;a=\"\\",
        b"5;a=\"\"",
        b"5;a=b ",
        b"1\r\nx",
        b"1\r\nx\r",
        b"1\r\nx\r\n",
        b"0\r\n",
        b"0\r\n\r",
        b"0\r\nA",
        b"0\r\nA:",
        b"0\r\nA:\r",
        b"0\r\nA:\r\n",
        b"000000000000000",
        b"0000000000000000",
        b"7fffffffffffffff",
    ];
    for place in places {
        for byte in 0..=255 {
            let wire = [place, &[byte][..], b"\r\n\r\n"].concat();
            let want = reference_decoder::chunked(&wire, ChunkLimits::default());
            assert_decodes("every byte", ChunkLimits::default(), &wire, &want);
        }
    }
}

#[test]
fn huge_chunk_size_reserves_no_memory() {
    for size in ["7fffffffffffffff", "0000000100000000", "100000005", "ffffffff"] {
        let wire = [size.as_bytes(), b"\r\nhello"].concat();
        let want = Chunked { content: b"hello".to_vec(), end: BodyEnd::Cut };
        assert_decodes(size, ChunkLimits::default(), &wire, &want);
        // Not truncated to 32 bits: the bytes that would end a chunk of 5 are content of this one.
        let wire = [wire.as_slice(), b"\r\n0\r\n\r\n"].concat();
        let want = Chunked { content: b"hello\r\n0\r\n\r\n".to_vec(), end: BodyEnd::Cut };
        assert_decodes(size, ChunkLimits::default(), &wire, &want);
    }
}

fn limits(change: impl FnOnce(&mut ChunkLimits)) -> ChunkLimits {
    let mut limits = ChunkLimits::default();
    change(&mut limits);
    limits
}

#[test]
fn size_line_length_is_limited() {
    const MAX: usize = 64;
    let limits = limits(|limits| limits.size_line_bytes_max = MAX as u32);
    for (front, filler, back) in
        [("1;", "a", ""), ("1;a=\"", "~", "\""), ("1", " ", ";a"), ("1;a;b= ", "\t", "c")]
    {
        for length in [MAX - 1, MAX, MAX + 1, 10 * MAX] {
            let filler = filler.as_bytes().repeat(length - front.len() - back.len());
            let wire = [front.as_bytes(), &filler, back.as_bytes(), b"\r\nx\r\n0\r\n\r\n"].concat();
            let want = if length <= MAX {
                Chunked { content: b"x".to_vec(), end: BodyEnd::Complete(wire.len()) }
            } else {
                Chunked { content: Vec::new(), end: BodyEnd::Broken(SizeLineLength, MAX) }
            };
            assert_decodes("size line", limits, &wire, &want);
        }
    }
}

#[test]
fn line_limits_apply_per_line_and_not_to_the_whole_body() {
    let limits = limits(|limits| limits.size_line_bytes_max = 20);
    let mut wire = Vec::new();
    for _ in 0..1_000 {
        push_chunk(&mut wire, b"x", ";a=0123456789012345");
    }
    let whole = decode(limits, [wire.as_slice()]);
    assert_eq!(whole, Chunked { content: vec![b'x'; 1_000], end: BodyEnd::Cut });
}

#[test]
fn trailer_section_is_limited_in_bytes_and_fields() {
    const MAX: usize = 48;
    let by_bytes = limits(|limits| limits.trailer_bytes_max = MAX as u32);
    for length in [0, 5, MAX - 1, MAX, MAX + 1, 10 * MAX] {
        let field = format!("A:{:x<1$}\r\n", "", length.saturating_sub(4));
        let section = if length == 0 { "" } else { &field };
        let wire = format!("0\r\n{section}\r\n").into_bytes();
        let end = if length <= MAX {
            BodyEnd::Complete(wire.len())
        } else {
            BodyEnd::Broken(TrailerLength, 3 + MAX)
        };
        assert_decodes("trailer bytes", by_bytes, &wire, &Chunked { content: Vec::new(), end });
    }
    let by_fields = limits(|limits| limits.trailer_fields_max = 3);
    for fields in 0..6 {
        let wire = ["0\r\n", &"A:\r\n".repeat(fields), "\r\n"].concat().into_bytes();
        let end = if fields <= 3 {
            BodyEnd::Complete(wire.len())
        } else {
            BodyEnd::Broken(TrailerLength, 3 + 3 * 4)
        };
        assert_decodes("trailer fields", by_fields, &wire, &Chunked { content: Vec::new(), end });
    }
    let none = limits(|limits| {
        limits.trailer_bytes_max = 0;
        limits.trailer_fields_max = 0;
    });
    let want = Chunked { content: Vec::new(), end: BodyEnd::Complete(5) };
    assert_decodes("no trailer allowed, none there", none, b"0\r\n\r\n", &want);
}

/// Compares the decoder with the reference decoder on randomly damaged bodies.
#[test]
fn agrees_with_the_reference_decoder_on_damaged_bodies() {
    let small = limits(|limits| {
        limits.size_line_bytes_max = 24;
        limits.trailer_bytes_max = 20;
        limits.trailer_fields_max = 2;
    });
    for seed in 0..12_000 {
        let mut random = Rng(seed);
        let content: Vec<u8> =
            (0..random.index(80)).map(|_| *random.pick(&[b"\r", b"\n", b"0", b"x"])).map(|b| b[0]).collect();
        let longest = 1 + random.index(20);
        let extension = *random.pick(&[&"", &";a", &" ;a=b", &"; q=\"\\\"z\" ;c"]);
        let mut wire = Vec::new();
        for data in content.chunks(longest) {
            push_chunk(&mut wire, data, extension);
        }
        wire.extend_from_slice(random.pick(&[
            &b"0\r\n\r\n"[..],
            b"00;x\r\nA: b\r\n\r\n",
            b"0\r\nA:\r\nB:c\r\n\r\nleft",
        ]));
        let limits = if random.one_in(2) { small } else { ChunkLimits::default() };
        for damaged in [false, true] {
            if damaged {
                mutate(&mut wire, &mut random);
            }
            let want = reference_decoder::chunked(&wire, limits);
            for _ in 0..3 {
                let cuts = random_cuts(wire.len(), &mut random);
                let got = decode(limits, pieces(&wire, &cuts));
                assert_eq!(got, want, "seed {seed}: {} cut at {cuts:?}", wire.escape_ascii());
            }
        }
    }
}

#[test]
fn test_chunkings_encode_as_documented() {
    use crate::common::Chunking::{CutAt, Each, One, PerMessage, UpTo16, WithExtension};
    let content = b"one\r\n\r\nthree three three\r\n";
    for chunking in [One, PerMessage, CutAt(5), Each(1), Each(16), Each(17), WithExtension(2), UpTo16(1)] {
        let wire = chunked(content, chunking);
        let want = Chunked { content: content.to_vec(), end: BodyEnd::Complete(wire.len()) };
        assert_decodes("chunking", ChunkLimits::default(), &wire, &want);
    }
}
