//! A whole connection: a response made of parts, then damaged, with any cuts, storage sizes and
//! limits. The events are the same with and without cuts, and the same as those of a simple
//! reference decoder. Every byte is accounted for at each step.

use arbitrary::Arbitrary;
use powerstream_core::stream::{Connection, ConnectionConfig};

use crate::shared::{Reads, arbitrary, event_log, reference_decoder};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    reads: Reads,
    /// The lengths of the chunks, repeated. 0 means all remaining bytes.
    chunks: [u8; 4],
    storage: u16,
    message_bytes_max: u16,
    size_line_bytes_max: u8,
    head: Head<'a>,
    parts: Vec<Part<'a>>,
    end: End<'a>,
    damage: Vec<Damage>,
}

#[derive(Arbitrary, Debug)]
enum Head<'a> {
    Chunked,
    Short,
    Interim(u8),
    Length(u8),
    UntilClose,
    NoContent,
    Raw(&'a [u8]),
}

/// Parts of the content. `Wire` is put on the wire without framing.
#[derive(Arbitrary, Debug)]
enum Part<'a> {
    KeepAlive,
    Delimiter,
    LineFeed,
    CarriageReturn,
    Json(u8),
    Message(&'a [u8]),
    Bytes(&'a [u8]),
    Fill { byte: u8, length: u16 },
    Wire(&'a [u8]),
}

/// What decides whether a JSON text goes on.
const TOKENS: [&[u8]; 11] =
    [b"{", b"}", b"[", b"]", b",", b":", b"\"", b"\\", b"\"a\"", b"{\"a\":1}", b"{\"a\":[{}]}\n"];

#[derive(Arbitrary, Debug)]
enum End<'a> {
    None,
    Last,
    Trailer,
    Raw(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
enum Damage {
    Set { at: u16, byte: u8 },
    Flip { at: u16, bit: u8 },
    Remove { at: u16 },
    Insert { at: u16, byte: u8 },
    Double { at: u16, length: u8 },
    Truncate { at: u16 },
}

fn wire(input: &Input<'_>) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut is_chunked = false;
    match input.head {
        Head::Chunked | Head::Short | Head::Interim(_) => {
            if let Head::Interim(count) = input.head {
                wire = b"HTTP/1.1 103 x\r\nA: b\r\n c\r\n\r\n".repeat(usize::from(count % 20));
            }
            let short = matches!(input.head, Head::Short);
            wire.extend_from_slice(if short { b"HTTP/1.1 200\n" } else { b"HTTP/1.1 200 OK\r\n" });
            wire.extend_from_slice(b"transfer-encoding:chunked\r\n\r\n");
            is_chunked = true;
        }
        Head::Length(length) => {
            wire.extend_from_slice(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes());
        }
        Head::UntilClose => wire.extend_from_slice(b"HTTP/1.1 200 OK\r\n\r\n"),
        Head::NoContent => wire.extend_from_slice(b"HTTP/1.1 204 x\r\n\r\n"),
        Head::Raw(bytes) => wire.extend_from_slice(bytes),
    }
    let mut content = Vec::new();
    for part in &input.parts {
        match part {
            Part::KeepAlive | Part::Delimiter => content.extend_from_slice(b"\r\n"),
            Part::LineFeed => content.push(b'\n'),
            Part::CarriageReturn => content.push(b'\r'),
            Part::Json(token) => content.extend_from_slice(TOKENS[usize::from(*token) % TOKENS.len()]),
            Part::Message(bytes) => {
                content.extend_from_slice(bytes);
                content.extend_from_slice(b"\r\n");
            }
            Part::Bytes(bytes) => content.extend_from_slice(bytes),
            Part::Fill { byte, length } => content.resize(content.len() + usize::from(length % 1_024), *byte),
            Part::Wire(bytes) => {
                push_chunks(&mut wire, &content, input.chunks, is_chunked);
                content.clear();
                wire.extend_from_slice(bytes);
            }
        }
    }
    push_chunks(&mut wire, &content, input.chunks, is_chunked);
    wire.extend_from_slice(match input.end {
        End::None => b"",
        End::Last => b"0\r\n\r\n",
        End::Trailer => b"00;a\r\nA: b\r\n\r\n",
        End::Raw(bytes) => bytes,
    });
    for damage in &input.damage {
        if wire.is_empty() {
            break;
        }
        let place = |at: u16| usize::from(at) % wire.len();
        match *damage {
            Damage::Set { at, byte } => {
                let at = place(at);
                wire[at] = byte;
            }
            Damage::Flip { at, bit } => {
                let at = place(at);
                wire[at] ^= 1 << (bit % 8);
            }
            Damage::Remove { at } => {
                wire.remove(place(at));
            }
            Damage::Insert { at, byte } => wire.insert(place(at), byte),
            Damage::Double { at, length } => {
                let at = place(at);
                let end = wire.len().min(at + usize::from(length));
                let doubled = wire[at..end].to_owned();
                wire.splice(at..at, doubled);
            }
            Damage::Truncate { at } => wire.truncate(place(at)),
        }
    }
    wire
}

fn push_chunks(wire: &mut Vec<u8>, content: &[u8], lengths: [u8; 4], is_chunked: bool) {
    if !is_chunked {
        wire.extend_from_slice(content);
        return;
    }
    let mut rest = content;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let length = if *length == 0 { rest.len() } else { rest.len().min(usize::from(*length)) };
        let (data, behind) = rest.split_at(length);
        wire.extend_from_slice(
            format!("{:x}{}\r\n", length, if length == 7 { ";a=b" } else { "" }).as_bytes(),
        );
        wire.extend_from_slice(data);
        wire.extend_from_slice(b"\r\n");
        rest = behind;
    }
}

/// Checks one input.
pub fn run(input: &[u8]) {
    if let Some(input) = arbitrary(input) {
        check(&input);
    }
}

fn check(input: &Input<'_>) {
    let mut config = ConnectionConfig::default();
    config.message_bytes_max = usize::from(input.message_bytes_max);
    config.chunk.size_line_bytes_max = u32::from(input.size_line_bytes_max);
    let storage = usize::from(input.storage % 8_192);
    let wire = wire(input);
    let want = reference_decoder::response(&wire, &config, storage);
    let mut connection = Connection::new(vec![0; storage], config);
    assert_eq!(
        event_log::run(&mut connection, input.reads.pieces(&wire)),
        want,
        "cut: {}",
        wire.escape_ascii()
    );
    let buffer = 1 + usize::from(input.storage >> 13) * 100;
    assert_eq!(
        event_log::run_partial(&mut connection, buffer, input.reads.pieces(&wire)),
        want,
        "cut, partial: {}",
        wire.escape_ascii()
    );
    assert_eq!(event_log::run(&mut connection, [&wire[..]]), want, "whole: {}", wire.escape_ascii());
}
