//! Tests whole responses: the same content gives the same events, regardless of chunks, splits and
//! storage.

use powerstream_core::stream::{Closed, Connection, ConnectionConfig, MessagePlace, ScannedConnectionEvent};
use powerstream_core::time::Instant;

use crate::common::event_log::{OwnedEvent, run, run_all_ways};
use crate::common::{Chunking, HEAD, chunked, deliveries, pieces, push_chunk, reference_decoder, streamed};

#[derive(Clone, Copy)]
enum Want {
    Message(&'static [u8]),
    KeepAlive,
    Skipped(u64),
    /// A last message that has no delimiter.
    Last(&'static [u8]),
    /// Bytes of an incomplete last message.
    Left(u64),
}
use Want::{KeepAlive, Last, Left, Message, Skipped};

struct Case {
    name: &'static str,
    content: &'static [u8],
    want: &'static [Want],
}

const fn case(name: &'static str, content: &'static [u8], want: &'static [Want]) -> Case {
    Case { name, content, want }
}

const METADATA: &[u8] = br#"{"type":"connection_metadata","datacenter":"pdxa","timestamp":1767225600000}"#;
const POST: &[u8] = br#"{"id_str":"7","text":"caf\u00e9 \ud83d\ude3a"}"#;
/// A Post with a four-byte character, and the characters that Unicode treats as line ends.
const UNICODE: &[u8] = "{\"text\":\"\u{1F63A}\u{2028}\u{2029}\u{85}\u{B}\u{C}\"}".as_bytes();
const PROBLEM: &[u8] =
    br#"{"errors":[{"title":"operational-disconnect","disconnect_type":"OperationalDisconnect"}]}"#;

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("nothing", b"", &[]),
    case("one message", b"{\"id\":1}\r\n", &[Message(b"{\"id\":1}")]),
    case("two messages", b"{\"id\":1}\r\n{\"id\":2}\r\n", &[Message(b"{\"id\":1}"), Message(b"{\"id\":2}")]),
    // A client that treats every chunk of CR LF as a keep-alive, even after a message, joins two
    // messages.
    case("messages, delimiter alone, keep-alive", b"{\"id\":1}\r\n\r\n{\"id\":2}\r\n\r\n\r\n", &[Message(b"{\"id\":1}"), KeepAlive, Message(b"{\"id\":2}"), KeepAlive, KeepAlive]),
    // A client that waits for its buffer to end with CR LF delays the first until the second is
    // complete.
    case("a message and half of one", b"{\"id\":1}\r\n{\"id\":", &[Message(b"{\"id\":1}"), Left(6)]),
    case("keep-alives only", b"\r\n\r\n\r\n\r\n\r\n", &[KeepAlive, KeepAlive, KeepAlive, KeepAlive, KeepAlive]),
    case("keep-alives of LF", b"\n\r\n\n", &[KeepAlive, KeepAlive, KeepAlive]),
    case("lines of white space", b" \r\n\t\r\n \t \r\n\r\r\n{}\r\n", &[KeepAlive, KeepAlive, KeepAlive, KeepAlive, Message(b"{}")]),
    case("white space around a message belongs to it", b" {} \t\r\n\t{}\r\r\n", &[Message(b" {} \t"), Message(b"\t{}\r")]),
    case("other white space is a message", b"\x0B\r\n\x0C\r\n\0\r\n\xC2\xA0\r\n", &[Message(b"\x0B"), Message(b"\x0C"), Message(b"\0"), Message(b"\xC2\xA0")]),
    case("bare LF between the tokens of an object is data", b"{\"limit\":\n{\"track\":7}}\r\n{\n}\r\n", &[Message(b"{\"limit\":\n{\"track\":7}}"), Message(b"{\n}")]),
    case("bare LF ends a line", b"{\"id\":1}\n{\"id\":2}\n\n{}", &[Message(b"{\"id\":1}"), Message(b"{\"id\":2}"), KeepAlive, Last(b"{}")]),
    case("two texts of the service, divided by LF",
        b"{\"warning\":{\"code\":\"FALLING_BEHIND\"}}\n{\"id\":2}\r\n",
        &[Message(b"{\"warning\":{\"code\":\"FALLING_BEHIND\"}}"), Message(b"{\"id\":2}")]),
    case("array, LF, object", b"[{\"id\":1}]\n{\"errors\":[]}\r\n", &[Message(b"[{\"id\":1}]"), Message(b"{\"errors\":[]}")]),
    case("LF after white space after a text", b"{\"id\":1} \t\n{}\r\n", &[Message(b"{\"id\":1} \t"), Message(b"{}")]),
    case("CR LF after the LF of a text is a keep-alive", b"{\"id\":1}\n\r\n{}\r\n", &[Message(b"{\"id\":1}"), KeepAlive, Message(b"{}")]),
    case("LFs between tokens, at every place", b"\n{\n\"a\"\n:\n[\n1\n,\n{\n}\n]\n,\n\"b\"\n:\ntrue\n}\n", &[KeepAlive, Message(b"{\n\"a\"\n:\n[\n1\n,\n{\n}\n]\n,\n\"b\"\n:\ntrue\n}")]),
    case("LFs and containers inside strings", b"{\"a\":\"}\n\\\"}\n{\\\\\"}\n[\"]\n\"]\r\n", &[Message(b"{\"a\":\"}\n\\\"}\n{\\\\\"}"), Message(b"[\"]\n\"]")]),
    case("CR LF ends a text that is open", b"{\"a\":\r\n{}\r\n", &[Message(b"{\"a\":"), Message(b"{}")]),
    case("text cut in a string, then lines", b"{\"id\":1,\"te\n{\"id\":2}\n{\"id\":3}\n", &[Message(b"{\"id\":1,\"te\n{\"id\":2}"), Message(b"{\"id\":3}")]),
    case("text cut after a colon, then lines", b"{\"id\":\n{\"id\":2}\n{\"id\":3}\n{\"id\":4}\n", &[Message(b"{\"id\":\n{\"id\":2}\n{\"id\":3}"), Message(b"{\"id\":4}")]),
    case("text with an extra closing brace, then a line", b"{\"id\":1}}\n{\"id\":2}\n", &[Message(b"{\"id\":1}}"), Message(b"{\"id\":2}")]),
    case("two texts on one line are one message", b"{\"id\":1}{\"id\":2}\n{}\r\n", &[Message(b"{\"id\":1}{\"id\":2}"), Message(b"{}")]),
    case("words, literals and numbers end at LF", b"hello\ntrue\n12\n\"a\"\n", &[Message(b"hello"), Message(b"true"), Message(b"12"), Message(b"\"a\"")]),
    case("last message: an object", b"{\"id\":1}", &[Last(b"{\"id\":1}")]),
    case("last message: an array with LFs", b"\r\n[\n1\n]", &[KeepAlive, Last(b"[\n1\n]")]),
    case("last message: white space after it", b"{} \t", &[Last(b"{} \t")]),
    case("last message: string, literal, closed number", b"12 ", &[Last(b"12 ")]),
    case("last message: its string is not UTF-8", b"[\"\xFF\"]", &[Last(b"[\"\xFF\"]")]),
    case("a number at the end may be cut", b"12", &[Left(2)]),
    case("words at the end", b"Exceeded connection limit", &[Left(25)]),
    case("a text cut at its last byte", b"{}\r\n{\"a\":{}", &[Message(b"{}"), Left(7)]),
    case("two texts at the end", b"{}{}", &[Left(4)]),
    case("white space at the end", b"{}\r\n \t", &[Message(b"{}"), Left(2)]),
    case("LF CR, the CR belongs to the next line", b"a\n\rb\r\n", &[Message(b"a"), Message(b"\rb")]),
    case("bare CR is data", b"a\rb\r\n\r\rc\r\r\n", &[Message(b"a\rb"), Message(b"\r\rc\r")]),
    case("CR and LF at every place, LF ends", b"\n\r\r\n\r\n\n\ra\r\n", &[KeepAlive, KeepAlive, KeepAlive, KeepAlive, Message(b"\ra")]),
    case("CR left", b"{}\r\n\r", &[Message(b"{}"), Left(1)]),
    case("message without its LF", b"{}\r\n{}\r", &[Message(b"{}"), Last(b"{}")]),
    case("four-byte character and Unicode's line ends", b"{\"text\":\"\xF0\x9F\x98\xBA\xE2\x80\xA8\xE2\x80\xA9\xC2\x85\x0B\x0C\"}\r\n", &[Message(UNICODE)]),
    case("not UTF-8, not JSON", b"\xFF\xFE\r\nhello\r\n[\r\n\xED\xA0\x80\r\n", &[Message(b"\xFF\xFE"), Message(b"hello"), Message(b"["), Message(b"\xED\xA0\x80")]),
    case("messages of one byte", b"1\r\n2\r\n3\r\n", &[Message(b"1"), Message(b"2"), Message(b"3")]),
    case("a message that looks like a chunk", b"0\r\n\r\n5\r\nhello\r\n", &[Message(b"0"), KeepAlive, Message(b"5"), Message(b"hello")]),
    case("15, 16 and 17 bytes", b"123456789012345\r\n1234567890123456\r\n12345678901234567\r\n", &[Message(b"123456789012345"), Message(b"1234567890123456"), Message(b"12345678901234567")]),
    case("a short connection",
        b"{\"type\":\"connection_metadata\",\"datacenter\":\"pdxa\",\"timestamp\":1767225600000}\r\n\r\n\
          {\"id_str\":\"7\",\"text\":\"caf\\u00e9 \\ud83d\\ude3a\"}\r\n\r\n\
          {\"errors\":[{\"title\":\"operational-disconnect\",\"disconnect_type\":\"OperationalDisconnect\"}]}\r\n",
        &[Message(METADATA), KeepAlive, Message(POST), KeepAlive, Message(PROBLEM)]),
];

/// Returns the events expected after the head, and the expected bytes: delivered, separators,
/// skipped, left.
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
            Last(message) => {
                delivered += message.len() as u64;
                seen.push(OwnedEvent::Message(message.to_owned()));
            }
            Left(bytes) => left = bytes,
        }
    }
    (seen, [delivered, content.len() as u64 - delivered - skipped - left, skipped, left])
}

fn config(message_bytes_max: usize) -> ConnectionConfig {
    let mut config = ConnectionConfig::default();
    config.message_bytes_max = message_bytes_max;
    config
}

/// A response, and the events and byte counts that the connection must report.
struct Response<'a> {
    case: &'a Case,
    how: &'a dyn std::fmt::Debug,
    wire: &'a [u8],
    events: Vec<OwnedEvent>,
    /// The bytes of the head, of framing, delivered, of separators, skipped, discarded.
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
            if let Some(Last(_)) = case.want.last() {
                events.push(OwnedEvent::End { undelivered: 0 });
            }
            events.push(OwnedEvent::Closed(Closed::CompleteByClose { undelivered: left }));
        }
        let framing = wire.len() - head - case.content.len();
        let counts = [head as u64, framing as u64, delivered, separators, skipped, left];
        Self { case, how, wire, events, counts }
    }

    /// Delivers the response split at `cuts` and checks events and byte counts.
    fn check(&self, connection: &mut Connection<Vec<u8>>, cuts: &[usize]) {
        let Self { case, how, .. } = self;
        let log = run_all_ways(connection, pieces(self.wire, cuts));
        let [OwnedEvent::Head { .. }, log @ ..] = log.as_slice() else { panic!("{}: no head", case.name) };
        let config = connection.config();
        assert_eq!(
            log, self.events,
            "{}, {how:?}, at most {}, cut at {cuts:?}",
            case.name, config.message_bytes_max
        );
        let counts = connection.byte_counts();
        assert_eq!(
            [
                counts.head,
                counts.framing,
                counts.delivered,
                counts.separators,
                counts.skipped,
                counts.discarded
            ],
            self.counts,
            "{}: bytes of the head, of framing, delivered, of separators, skipped, discarded",
            case.name
        );
    }
}

/// Tests every chunking, every split and each storage size.
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
    for &storage in storages {
        let mut connection = Connection::new(vec![b'\n'; storage], config(message_bytes_max));
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

#[test]
fn same_events_for_every_chunking_split_and_storage_size() {
    for case in CASES {
        let longest = case.want.iter().map(|want| match want {
            Message(message) => message.len(),
            Left(left) => *left as usize,
            _ => 0,
        });
        // The head must fit, and so must the longest message with the CR after it.
        let smallest = HEAD.len().max(longest.max().unwrap_or(0) + 1);
        check_all_ways(case, usize::MAX, &[smallest, smallest + 1, 65_536]);
    }
}

/// The oracle agrees with the tables, so it can check cases that no table contains.
#[test]
fn reference_decoder_agrees_with_the_table() {
    for case in CASES {
        let (mut want, [.., left]) = expand(case.content, case.want);
        if let Some(Last(_)) = case.want.last() {
            want.pop();
        }
        let (seen, rest) = reference_decoder::messages(case.content, 1_000);
        assert_eq!(seen, want, "{}", case.name);
        assert!(left == 0 || left == rest.len() as u64, "{}", case.name);
    }
}

/// A limit shorter than any head, so that short messages exceed it. Heads are limited only by the
/// storage.
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
            // Leaked: a row of the table has static data.
            let (content, message): (&'static [u8], &'static [u8]) = (content.leak(), message.leak());
            let middle = if fits { Message(message) } else { Skipped(length as u64) };
            let want = vec![Message(b"{\"id\":1}"), middle, KeepAlive, Message(b"{\"id\":2}")].leak();
            let case = case("oversized", content, want);
            if length < 10 * LIMIT {
                check_all_ways(&case, LIMIT, &[LIMIT + 1, 65_536]);
            } else {
                // Long messages are tested with fewer splits.
                let mut connection = Connection::new(vec![0; LIMIT + 1], config(LIMIT));
                for chunking in [Chunking::One, Chunking::Each(1), Chunking::Each(16), Chunking::UpTo16(3)] {
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

/// Returns a string of `length` bytes including its quotes, with `before` and `behind` around it.
const fn long<const N: usize>(before: &[u8], behind: &[u8]) -> [u8; N] {
    let mut long = [b'x'; N];
    let start = before.len();
    let end = N - behind.len();
    long[start] = b'"';
    long[end - 1] = b'"';
    let mut at = 0;
    while at < start {
        long[at] = before[at];
        at += 1;
    }
    at = 0;
    while at < behind.len() {
        long[end + at] = behind[at];
        at += 1;
    }
    long
}
const LONG_OBJECT: &[u8] = &long::<{ LIMIT + 2 }>(b"[", b"]");
const LONG_LINES: &[u8] = &long::<{ 2 * LIMIT + 3 }>(b"[\n\"\n]\"\n,\n", b"\n\n]\n{}");
const LONG_STRING: &[u8] = &long::<{ LIMIT + 6 }>(b"", b"\n{}\r\n");
const LONG_LINE: &[u8] = &long::<{ LIMIT + 7 }>(b"[", b"]\n[]\n\n");

#[rustfmt::skip]
const OVERSIZED: &[Case] = &[
    case("white space over the limit is skipped", &[b' '; LIMIT + 2], &[Left(LIMIT as u64 + 2)]),
    case("oversized JSON at the end", LONG_OBJECT, &[Left(LIMIT as u64 + 2)]),
    case("bare LFs inside an oversized array", LONG_LINES, &[Skipped(2 * LIMIT as u64), Last(b"{}")]),
    case("bare LF after one byte over the limit", LONG_STRING, &[Skipped(LIMIT as u64 + 1), Message(b"{}")]),
    case("bare LF after an oversized object", LONG_LINE, &[Skipped(LIMIT as u64 + 2), Message(b"[]"), KeepAlive]),
    case("oversized at the end", &[b'x'; 3 * LIMIT], &[Left(3 * LIMIT as u64)]),
    case("CRs over the limit", &[b'\r'; LIMIT + 3], &[Left(LIMIT as u64 + 3)]),
];

#[test]
fn oversized_message_without_delimiter_is_discarded_at_the_end() {
    for case in OVERSIZED {
        check_all_ways(case, LIMIT, &[LIMIT + 1, 65_536]);
    }
}

/// A shorter storage limits messages to its length less one.
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
                let want = reference_decoder::response(&wire, &connection.config(), storage);
                let log = run_all_ways(&mut connection, pieces(&wire, &cuts));
                assert_eq!(log, want, "{storage} bytes of storage");
            }
        }
    }
}

/// A message is delivered by the call that reads its line end. All messages of an input are
/// delivered before the next read.
#[test]
fn message_is_delivered_by_the_call_that_reads_its_last_byte() {
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

/// Scans `read`. Returns the number of bytes that were left, and the place of the last message.
fn scan_partial(connection: &mut Connection<Vec<u8>>, read: &[u8]) -> (usize, Option<MessagePlace>) {
    let (mut input, mut last) = (read, None);
    loop {
        let (consumed, event) = connection.scan_partial(input, Instant::ZERO);
        input = &input[consumed..];
        match event.expect("the wire is well-formed") {
            Some(ScannedConnectionEvent::Message(place)) => last = Some(place),
            Some(_) => {}
            None => return (input.len(), last),
        }
    }
}

/// Scans `read`, stores the bytes that were left, and returns their number.
fn left_of(connection: &mut Connection<Vec<u8>>, read: &[u8]) -> usize {
    let (left, _) = scan_partial(connection, read);
    connection.take_left(&read[read.len() - left..]);
    left
}

/// Leaving a message and then storing it costs more than storing it at once. Where chunks split
/// messages, that would happen to most of them.
#[test]
fn message_is_left_unless_a_chunk_split_the_last_one() {
    let mut connection = Connection::new(vec![0; 128], ConnectionConfig::default());
    connection.handle_connected(Instant::ZERO);
    let mut left = |read: &[u8]| left_of(&mut connection, read);
    let (beginning, end) = (b"{\"text\":\"0123456789ab", b"\"}\r\n");
    assert_eq!(left(&[HEAD, b"40\r\n", beginning].concat()), 21);
    assert_eq!(left(&[&end[..], b"{\"text\":\"01234"].concat()), 0, "fewer than 16 bytes");
    assert_eq!(left(&[b"0123456789", &end[..], b"{\"text\":\"01"].concat()), 0, "the chunk ends");
    assert_eq!(left(&[b"\r\n40\r\n01234567", &end[..], beginning].concat()), 0, "after a split message");
    assert_eq!(left(&[&end[..], beginning].concat()), 21, "after one that was not split");
}

#[test]
fn an_unfinished_message_is_lent_from_the_input_or_stays_there_if_its_end_or_a_block_follows() {
    let beginning = b"{\"text\":\"0123456789ab";
    // The size of the chunk, what the next read adds, what is left then, and where the message is.
    type Row<'a> = (&'a str, &'a [u8], usize, Option<MessagePlace>);
    let rows: [Row<'_>; 6] = [
        ("40", b"0123456789abcdef", 37, None),
        ("40", b"0123456789abcde", 0, None),
        // The chunk ends within the message.
        ("25", b"0123456789abcdef", 0, None),
        // The limit is exceeded.
        ("100", &[b'a'; 107], 0, None),
        ("40", b"\"}\r\n", 0, Some(MessagePlace::Input { start: 0, end: 23 })),
        ("40", b"\"}\n", 0, Some(MessagePlace::Storage { length: 23 })),
    ];
    for (size, more, left, place) in rows {
        let mut connection = Connection::new(vec![0; 128], ConnectionConfig::default());
        connection.handle_connected(Instant::ZERO);
        let read = [HEAD, size.as_bytes(), b"\r\n", beginning].concat();
        assert_eq!(scan_partial(&mut connection, &read), (21, None));
        let input = [beginning, more].concat();
        assert_eq!(scan_partial(&mut connection, &input), (left, place), "{size} {more:?}");
    }
}

/// Each byte is examined at most once for the nesting. Examining it again at each LF would take
/// minutes here.
#[test]
fn message_of_many_bare_lfs_is_read_in_linear_time() {
    let lfs = vec![b'\n'; 1 << 18];
    let wire = [HEAD, b"40004\r\n[", &lfs, b"]\r\n"].concat();
    for piece in [1, 17, 16_384] {
        let mut connection = Connection::new(vec![0; lfs.len() + 3], ConnectionConfig::default());
        let log = run(&mut connection, wire.chunks(piece));
        assert_eq!(log[1], OwnedEvent::Message([b"[", &lfs[..], b"]"].concat()), "in pieces of {piece}");
    }
}

/// No counter reaches a limit on a connection that is quiet for months. A day has 4,320
/// keep-alives.
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
