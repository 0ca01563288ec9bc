//! Whole responses through a connection: the same events for the same content, whatever way it is chunked, cut and
//! stored.

use powerstream_core::stream::{Closed, Connection, ConnectionConfig, Delimiter, ScannedConnectionEvent};
use powerstream_core::time::Instant;

use crate::common::event_log::{OwnedEvent, run};
use crate::common::{Chunking, HEAD, chunked, deliveries, pieces, push_chunk, reference_decoder, streamed};

#[derive(Clone, Copy)]
enum Want {
    Message(&'static [u8]),
    KeepAlive,
    Skipped(u64),
    /// ByteCounts of a last message without delimiter.
    Left(u64),
}
use Want::{KeepAlive, Left, Message, Skipped};

struct Case {
    name: &'static str,
    delimiters: &'static [Delimiter],
    content: &'static [u8],
    want: &'static [Want],
}

const CR_LF: &[Delimiter] = &[Delimiter::CrLf];
const LF: &[Delimiter] = &[Delimiter::Lf];
const BOTH: &[Delimiter] = &[Delimiter::CrLf, Delimiter::Lf];

const fn case(
    name: &'static str,
    delimiters: &'static [Delimiter],
    content: &'static [u8],
    want: &'static [Want],
) -> Case {
    Case { name, delimiters, content, want }
}

const METADATA: &[u8] = br#"{"type":"connection_metadata","datacenter":"pdxa","timestamp":1767225600000}"#;
const POST: &[u8] = br#"{"id_str":"7","text":"caf\u00e9 \ud83d\ude3a"}"#;
/// A Post with a four-octet character, and what Unicode takes for line ends.
const UNICODE: &[u8] = "{\"text\":\"\u{1F63A}\u{2028}\u{2029}\u{85}\u{B}\u{C}\"}".as_bytes();
const PROBLEM: &[u8] =
    br#"{"errors":[{"title":"operational-disconnect","disconnect_type":"OperationalDisconnect"}]}"#;

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("nothing", BOTH, b"", &[]),
    case("one message", BOTH, b"{\"id\":1}\r\n", &[Message(b"{\"id\":1}")]),
    case("two messages", BOTH, b"{\"id\":1}\r\n{\"id\":2}\r\n", &[Message(b"{\"id\":1}"), Message(b"{\"id\":2}")]),
    // A client that takes a chunk of CR LF for a keep-alive, even behind a message, makes one message of two.
    case("messages, delimiter alone, keep-alive", BOTH, b"{\"id\":1}\r\n\r\n{\"id\":2}\r\n\r\n\r\n", &[Message(b"{\"id\":1}"), KeepAlive, Message(b"{\"id\":2}"), KeepAlive, KeepAlive]),
    // A client that waits for its buffer to end with CR LF keeps the first until the second is whole.
    case("a message and half of one", BOTH, b"{\"id\":1}\r\n{\"id\":", &[Message(b"{\"id\":1}"), Left(6)]),
    case("keep-alives only", BOTH, b"\r\n\r\n\r\n\r\n\r\n", &[KeepAlive, KeepAlive, KeepAlive, KeepAlive, KeepAlive]),
    case("keep-alives of LF", LF, b"\n\r\n\n", &[KeepAlive, KeepAlive, KeepAlive]),
    case("bare LFs before CR LF are white space", CR_LF, b"\n\n\r\n{}\r\n", &[KeepAlive, Message(b"{}")]),
    case("lines of white space", BOTH, b" \r\n\t\r\n \t \r\n\r\r\n{}\r\n", &[KeepAlive, KeepAlive, KeepAlive, KeepAlive, Message(b"{}")]),
    case("white space around a message is its own", BOTH, b" {} \t\r\n\t{}\r\r\n", &[Message(b" {} \t"), Message(b"\t{}\r")]),
    case("other white space is a message", BOTH, b"\x0B\r\n\x0C\r\n\0\r\n\xC2\xA0\r\n", &[Message(b"\x0B"), Message(b"\x0C"), Message(b"\0"), Message(b"\xC2\xA0")]),
    case("bare LF is data", CR_LF, b"{\"limit\":\n{\"track\":7}}\r\n{\n}\r\n", &[Message(b"{\"limit\":\n{\"track\":7}}"), Message(b"{\n}")]),
    case("bare LF ends a line", LF, b"{\"id\":1}\n{\"id\":2}\n\n{}", &[Message(b"{\"id\":1}"), Message(b"{\"id\":2}"), KeepAlive, Left(2)]),
    case("LF CR is no delimiter", CR_LF, b"a\n\rb\r\n", &[Message(b"a\n\rb")]),
    case("LF CR, the CR belongs to the next line", LF, b"a\n\rb\r\n", &[Message(b"a"), Message(b"\rb")]),
    case("bare CR is data", BOTH, b"a\rb\r\n\r\rc\r\r\n", &[Message(b"a\rb"), Message(b"\r\rc\r")]),
    case("CR and LF at every place", CR_LF, b"\n\r\r\n\r\n\n\ra\r\n", &[KeepAlive, KeepAlive, Message(b"\n\ra")]),
    case("CR and LF at every place, LF ends", LF, b"\n\r\r\n\r\n\n\ra\r\n", &[KeepAlive, KeepAlive, KeepAlive, KeepAlive, Message(b"\ra")]),
    case("CR left", BOTH, b"{}\r\n\r", &[Message(b"{}"), Left(1)]),
    case("message without its LF", BOTH, b"{}\r\n{}\r", &[Message(b"{}"), Left(3)]),
    case("four-octet character and Unicode's line ends", BOTH, b"{\"text\":\"\xF0\x9F\x98\xBA\xE2\x80\xA8\xE2\x80\xA9\xC2\x85\x0B\x0C\"}\r\n", &[Message(UNICODE)]),
    case("not UTF-8, not JSON", BOTH, b"\xFF\xFE\r\nhello\r\n[\r\n\xED\xA0\x80\r\n", &[Message(b"\xFF\xFE"), Message(b"hello"), Message(b"["), Message(b"\xED\xA0\x80")]),
    case("messages of one octet", BOTH, b"1\r\n2\r\n3\r\n", &[Message(b"1"), Message(b"2"), Message(b"3")]),
    case("a message that looks like a chunk", BOTH, b"0\r\n\r\n5\r\nhello\r\n", &[Message(b"0"), KeepAlive, Message(b"5"), Message(b"hello")]),
    case("15, 16 and 17 octets", BOTH, b"123456789012345\r\n1234567890123456\r\n12345678901234567\r\n", &[Message(b"123456789012345"), Message(b"1234567890123456"), Message(b"12345678901234567")]),
    case("a short life", BOTH,
        b"{\"type\":\"connection_metadata\",\"datacenter\":\"pdxa\",\"timestamp\":1767225600000}\r\n\r\n\
          {\"id_str\":\"7\",\"text\":\"caf\\u00e9 \\ud83d\\ude3a\"}\r\n\r\n\
          {\"errors\":[{\"title\":\"operational-disconnect\",\"disconnect_type\":\"OperationalDisconnect\"}]}\r\n",
        &[Message(METADATA), KeepAlive, Message(POST), KeepAlive, Message(PROBLEM)]),
];

/// What the connection must say behind its head, and octets: delivered, separators, skipped, left.
fn expand(content: &[u8], want: &[Want]) -> (Vec<OwnedEvent>, [u64; 4]) {
    let (mut seen, mut delivered, mut skipped, mut left) = (Vec::new(), 0, 0, 0);
    for want in want {
        match *want {
            Message(message) => {
                delivered += message.len() as u64;
                seen.push(OwnedEvent::Message(message.to_owned()));
            }
            KeepAlive => seen.push(OwnedEvent::KeepAlive),
            Skipped(bytes) => {
                skipped += bytes;
                seen.push(OwnedEvent::Skipped(bytes));
            }
            Left(bytes) => left = bytes,
        }
    }
    (seen, [delivered, content.len() as u64 - delivered - skipped - left, skipped, left])
}

fn config(delimiter: Delimiter, message_bytes_max: usize) -> ConnectionConfig {
    let mut config = ConnectionConfig::default();
    config.delimiter = delimiter;
    config.message_bytes_max = message_bytes_max;
    config
}

/// One response and what the connection must report of it.
struct Response<'a> {
    case: &'a Case,
    how: &'a dyn std::fmt::Debug,
    wire: &'a [u8],
    events: Vec<OwnedEvent>,
    /// Bytes of the head, of framing, delivered, of separators, skipped, discarded.
    counts: [u64; 6],
}

impl<'a> Response<'a> {
    /// `head` is the length of the head at the start of `wire`.
    fn new(
        case: &'a Case,
        how: &'a dyn std::fmt::Debug,
        wire: &'a [u8],
        head: usize,
        ends_itself: bool,
    ) -> Self {
        let (mut events, [delivered, separators, skipped, left]) = expand(case.content, case.want);
        if ends_itself {
            events.push(OwnedEvent::End { undelivered: left });
            events.push(OwnedEvent::Closed(Closed::Complete));
        } else {
            events.push(OwnedEvent::Closed(Closed::CompleteByClose { undelivered: left }));
        }
        let framing = wire.len() - head - case.content.len();
        let counts = [head as u64, framing as u64, delivered, separators, skipped, left];
        Self { case, how, wire, events, counts }
    }

    /// Delivers the response split at `cuts` and checks events and byte counts.
    fn check(&self, connection: &mut Connection<Vec<u8>>, cuts: &[usize]) {
        let Self { case, how, .. } = self;
        let log = run(connection, pieces(self.wire, cuts));
        let [OwnedEvent::Head { .. }, log @ ..] = log.as_slice() else { panic!("{}: no head", case.name) };
        let config = connection.config();
        assert_eq!(
            log, self.events,
            "{}, {how:?}, {:?}, at most {}, cut at {cuts:?}",
            case.name, config.delimiter, config.message_bytes_max
        );
        let octets = connection.byte_counts();
        assert_eq!(
            [
                octets.head,
                octets.framing,
                octets.delivered,
                octets.separators,
                octets.skipped,
                octets.discarded
            ],
            self.counts,
            "{}: bytes of the head, of framing, delivered, of separators, skipped, discarded",
            case.name
        );
    }
}

/// Every chunking, every delivery, each storage size, each delimiter.
fn check_all_ways(case: &Case, message_bytes_max: usize, storages: &[usize]) {
    let chunkings = [
        Chunking::One,
        Chunking::PerMessage,
        Chunking::Each(1),
        Chunking::Each(2),
        Chunking::WithExtension(3),
        Chunking::Each(16),
        Chunking::Each(17),
        Chunking::UpTo16(1),
        Chunking::UpTo16(2),
    ];
    for &delimiter in case.delimiters {
        for &storage in storages {
            let mut connection = Connection::new(vec![b'\n'; storage], config(delimiter, message_bytes_max));
            for chunking in chunkings {
                let wire = streamed(&chunked(case.content, chunking));
                let response = Response::new(case, &chunking, &wire, HEAD.len(), true);
                for cuts in deliveries(wire.len(), 5) {
                    response.check(&mut connection, &cuts);
                }
            }
            for at in 1..case.content.len() {
                let wire = streamed(&chunked(case.content, Chunking::CutAt(at)));
                let chunking = Chunking::CutAt(at);
                let response = Response::new(case, &chunking, &wire, HEAD.len(), true);
                for cuts in deliveries(wire.len(), at as u64).take(5) {
                    response.check(&mut connection, &cuts);
                }
            }
            let length = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", case.content.len());
            let wire = [length.as_bytes(), case.content].concat();
            let response = Response::new(case, &"with a length", &wire, length.len(), true);
            for cuts in deliveries(wire.len(), 6) {
                response.check(&mut connection, &cuts);
            }
            let head = b"HTTP/1.1 200 OK\r\n\r\n";
            let wire = [head, case.content].concat();
            let response = Response::new(case, &"until close", &wire, head.len(), false);
            for cuts in deliveries(wire.len(), 7) {
                response.check(&mut connection, &cuts);
            }
        }
    }
}

#[test]
fn same_events_for_every_chunking_split_and_storage_size() {
    for case in CASES {
        let longest = case.want.iter().map(|want| match want {
            Message(message) => message.len(),
            Left(left) => *left as usize,
            _ => 0,
        });
        // What must fit is the head, and the longest message with the CR behind it.
        let smallest = HEAD.len().max(longest.max().unwrap_or(0) + 1);
        check_all_ways(case, usize::MAX, &[smallest, smallest + 1, 65_536]);
    }
}

/// The oracle agrees with the tables, so that it may judge what no table holds.
#[test]
fn reference_decoder_agrees_with_the_table() {
    for case in CASES {
        for &delimiter in case.delimiters {
            let (want, [.., left]) = expand(case.content, case.want);
            assert_eq!(
                reference_decoder::messages(case.content, delimiter, 1_000),
                (want, left),
                "{}",
                case.name
            );
        }
    }
}

/// A limit below that of any head, to be met by short messages. Heads have to fit the storage only.
const LIMIT: usize = 64;

#[test]
fn oversized_message_is_skipped_and_the_next_one_is_intact() {
    let oversized: [(usize, bool); 5] =
        [(LIMIT - 1, true), (LIMIT, true), (LIMIT + 1, false), (LIMIT + 2, false), (10 * LIMIT, false)];
    for (length, fits) in oversized {
        for last in *b"x\r " {
            let mut message = vec![b'x'; length - 1];
            message.push(last);
            let content = [b"{\"id\":1}\r\n", &message[..], b"\r\n\r\n{\"id\":2}\r\n"].concat();
            // Leaked: a row of the table holds data of the program's whole life.
            let (content, message): (&'static [u8], &'static [u8]) = (content.leak(), message.leak());
            let middle = if fits { Message(message) } else { Skipped(length as u64) };
            let want = vec![Message(b"{\"id\":1}"), middle, KeepAlive, Message(b"{\"id\":2}")].leak();
            let case = Case { name: "oversized", delimiters: BOTH, content, want };
            if length < 10 * LIMIT {
                check_all_ways(&case, LIMIT, &[LIMIT + 1, 65_536]);
            } else {
                // Long: by fewer ways.
                for &delimiter in BOTH {
                    let mut connection = Connection::new(vec![0; LIMIT + 1], config(delimiter, LIMIT));
                    for chunking in
                        [Chunking::One, Chunking::Each(1), Chunking::Each(16), Chunking::UpTo16(3)]
                    {
                        let wire = streamed(&chunked(case.content, chunking));
                        let response = Response::new(&case, &chunking, &wire, HEAD.len(), true);
                        for cuts in deliveries(wire.len(), 5).take(60) {
                            response.check(&mut connection, &cuts);
                        }
                    }
                }
            }
        }
    }
}

#[rustfmt::skip]
const OVERSIZED: &[Case] = &[
    case("white space over the limit is passed over", BOTH, &[b' '; LIMIT + 2], &[Left(LIMIT as u64 + 2)]),
    case("oversized at the end", BOTH, &[b'x'; 3 * LIMIT], &[Left(3 * LIMIT as u64)]),
    case("CRs over the limit", BOTH, &[b'\r'; LIMIT + 3], &[Left(LIMIT as u64 + 3)]),
];

#[test]
fn oversized_message_without_delimiter_is_discarded_at_the_end() {
    for case in OVERSIZED {
        check_all_ways(case, LIMIT, &[LIMIT + 1, 65_536]);
    }
}

/// The limit is the storage's length less one where that is less.
#[test]
fn smallest_storage_sizes_limit_messages_accordingly() {
    for storage in 0..HEAD.len() + 4 {
        let mut connection = Connection::new(vec![0; storage], ConnectionConfig::default());
        assert_eq!(connection.config().message_bytes_max, storage.saturating_sub(1));
        for chunking in [Chunking::One, Chunking::Each(1), Chunking::UpTo16(9)] {
            let content =
                b"{}\r\n0123456789012345678901234567890123456789012345678901234567890\r\n\r\n{}\r\n";
            let wire = streamed(&chunked(content, chunking));
            for cuts in deliveries(wire.len(), 8).take(40) {
                let want = reference_decoder::response(&wire, connection.config(), storage);
                assert_eq!(run(&mut connection, pieces(&wire, &cuts)), want, "{storage} octets of storage");
            }
        }
    }
}

/// A message is delivered in the call that brings its line end, and all messages of an input in that round.
#[test]
fn message_is_delivered_by_the_call_that_brings_its_last_byte() {
    let mut wire = HEAD.to_vec();
    push_chunk(&mut wire, b"{\"id\":1}", "");
    push_chunk(&mut wire, b"\r", "");
    wire.extend_from_slice(b"2\r\n\n{");
    let mut connection = Connection::new(vec![0; 128], ConnectionConfig::default());
    let log = run(&mut connection, [&wire[..wire.len() - 1]]);
    assert_eq!(
        log[1..],
        [OwnedEvent::Message(b"{\"id\":1}".to_vec()), OwnedEvent::Closed(Closed::Cut { undelivered: 0 })]
    );
    let log = run(&mut connection, [&wire[..]]);
    assert_eq!(
        log[1..],
        [OwnedEvent::Message(b"{\"id\":1}".to_vec()), OwnedEvent::Closed(Closed::Cut { undelivered: 1 })]
    );
}

/// Nothing adds up over a connection that is quiet for months: a day has 4,320 keep-alives.
#[test]
fn million_keep_alives_exceed_no_limit() {
    let wire = b"2;quiet=yes\r\n\r\n\r\n".repeat(1_000);
    let mut connection = Connection::new([0; 64], ConnectionConfig::default());
    connection.handle_connected(Instant::ZERO);
    assert!(matches!(connection.scan(HEAD, Instant::ZERO), (_, Ok(Some(ScannedConnectionEvent::Head)))));
    let mut keep_alives = 0;
    for second in 0..1_000 {
        let now = Instant::from_nanos(second * 1_000_000_000);
        let mut input = &wire[..];
        while let (consumed, Ok(Some(ScannedConnectionEvent::KeepAlive))) = connection.scan(input, now) {
            keep_alives += 1;
            input = &input[consumed..];
        }
        assert_eq!(connection.buffered(), 0);
    }
    assert_eq!(keep_alives, 1_000_000);
    assert_eq!(connection.byte_counts().separators, 2_000_000);
}
