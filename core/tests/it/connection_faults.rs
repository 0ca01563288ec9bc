//! Tests faulty, closed and silent connections: complete messages are delivered, then the error is
//! reported.

use powerstream_core::http::{BodyFraming, ChunkErrorKind, HeadErrorKind};
use powerstream_core::stream::{
    Closed, Connection, ConnectionConfig, ConnectionErrorKind, ConnectionEvent, ScannedConnectionEvent,
};
use powerstream_core::time::Instant;

use crate::common::event_log::{OwnedEvent, check_byte_counts, feed, run, run_all_ways};
use crate::common::{
    Chunking, HEAD, chunked, deliveries, mutate, pieces, push_chunk, random_cuts, reference_decoder, streamed,
};
use crate::random::Rng;

const NOW: Instant = Instant::ZERO;

fn connection(storage: usize) -> Connection<Vec<u8>> {
    Connection::new(vec![0; storage], ConnectionConfig::default())
}

fn message(text: &str) -> OwnedEvent {
    OwnedEvent::Message(text.as_bytes().to_vec())
}

/// Asserts the same events for every split and several storage sizes.
fn assert_runs(name: &str, wire: &[u8], want: &[OwnedEvent]) {
    for storage in [256, 65_536] {
        for cuts in deliveries(wire.len(), 11) {
            let log = run_all_ways(&mut connection(storage), pieces(wire, &cuts));
            let log = if let [OwnedEvent::Head { .. }, rest @ ..] = log.as_slice() { rest } else { &log };
            assert_eq!(log, want, "{name}, {storage} bytes of storage, cut at {cuts:?}");
        }
    }
}

#[test]
fn complete_messages_are_delivered_before_an_error() {
    use ChunkErrorKind::*;
    // Invalid input within a valid stream, and the index of the rejected byte.
    let broken: [(&[u8], ChunkErrorKind, usize); 12] = [
        (b"\r\n", SizeMissing, 0),
        (b"+2\r\n\r\n\r\n", SizeMissing, 0),
        (b"2\n\r\n\r\n", SizeByte, 1),
        (b"00000000000000002\r\n", SizeDigits, 16),
        (b"8000000000000002\r\n", SizeOverflow, 15),
        (b"2\r\r\n", SizeLineEnd, 2),
        (b"2;\n", Extension, 2),
        (b"2\r\n\r\n2\r\n\r\n", DataEnd, 5),
        (b"2\r\n\r\n\rX", DataEnd, 6),
        (b"2\r\n\r\nXX", DataEnd, 5),
        (b"0\r\nX\r\n", Trailer, 4),
        (b"0\r\n\rX", Trailer, 4),
    ];
    for (bad, kind, at) in broken {
        let mut wire = streamed(b"");
        push_chunk(&mut wire, b"{\"id\":1}\r\n\r\n{\"id\"", "");
        push_chunk(&mut wire, b":2}\r\n{\"id\":3}\r\n", ";x");
        let offset = (wire.len() + at) as u64;
        wire.extend_from_slice(bad);
        wire.extend_from_slice(b"a\r\n{\"id\":4}\r\n\r\n0\r\n\r\n");
        let mut want =
            vec![message("{\"id\":1}"), OwnedEvent::KeepAlive, message("{\"id\":2}"), message("{\"id\":3}")];
        if kind == DataEnd {
            want.push(OwnedEvent::KeepAlive);
        }
        want.push(OwnedEvent::Failed { kind: ConnectionErrorKind::Chunk(kind), offset });
        want.push(OwnedEvent::Closed(Closed::Cut { undelivered: 0 }));
        assert_runs(kind.code(), &wire, &want);
    }
}

#[test]
fn partial_message_before_an_error_is_not_delivered() {
    let mut wire = streamed(b"");
    push_chunk(&mut wire, b"{}\r\n{\"half\":", "");
    let offset = wire.len() as u64;
    wire.extend_from_slice(b"x");
    let failed = OwnedEvent::Failed { kind: ConnectionErrorKind::Chunk(ChunkErrorKind::SizeMissing), offset };
    assert_runs("half", &wire, &[message("{}"), failed, OwnedEvent::Closed(Closed::Cut { undelivered: 0 })]);
    let mut connection = connection(256);
    run(&mut connection, [&wire[..]]);
    assert_eq!(connection.byte_counts().discarded, 8 + 1, "the half message and the offending byte");
}

#[test]
fn invalid_head_is_reported_with_its_offset() {
    let cases: [(&[u8], HeadErrorKind, u64); 6] = [
        (b"<html>", HeadErrorKind::NotHttp, 0),
        (b"HTTP/1.1 100 x\r\n\r\nHTTP/2 200\r\n\r\n", HeadErrorKind::NotHttp, 18 + 5),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\nleft", HeadErrorKind::Field, 18),
        (b"HTTP/1.1 101 x\r\n\r\n", HeadErrorKind::SwitchingProtocols, 18),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1F\x8B", HeadErrorKind::ContentEncoding, 43),
        (
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0",
            HeadErrorKind::TransferEncodingVersion,
            47,
        ),
    ];
    for (wire, kind, offset) in cases {
        let failed = OwnedEvent::Failed { kind: ConnectionErrorKind::Head(kind), offset };
        assert_runs(kind.code(), wire, &[failed, OwnedEvent::Closed(Closed::Cut { undelivered: 0 })]);
    }
}

#[test]
fn close_reports_whether_the_response_was_complete() {
    use Closed::*;
    // Name, head, body, events, and the result of the close.
    type Row = (&'static str, &'static [u8], &'static [u8], &'static [OwnedEvent], Closed);
    let cases: &[Row] = &[
        ("no byte received", b"", b"", &[], CutInHead { undelivered: 0 }),
        ("status line cut", b"HTTP/1.1 2", b"", &[], CutInHead { undelivered: 10 }),
        ("after an interim head", b"HTTP/1.1 100 x\r\n\r\n", b"", &[], CutInHead { undelivered: 0 }),
        ("second head cut", b"HTTP/1.1 100 x\r\n\r\nHTTP", b"", &[], CutInHead { undelivered: 4 }),
        ("after the head", HEAD, b"", &[], Cut { undelivered: 0 }),
        ("in a size", HEAD, b"5", &[], Cut { undelivered: 0 }),
        ("in an extension", HEAD, b"5;a=\"", &[], Cut { undelivered: 0 }),
        ("after a size's CR", HEAD, b"5\r", &[], Cut { undelivered: 0 }),
        ("after a size", HEAD, b"5\r\n", &[], Cut { undelivered: 0 }),
        ("in data", HEAD, b"5\r\n{\"i", &[], Cut { undelivered: 3 }),
        ("after data", HEAD, b"5\r\n{\"id\"", &[], Cut { undelivered: 5 }),
        ("after a complete message", HEAD, b"2\r\n{}\r\n", &[], Cut { undelivered: 2 }),
        ("after data's CR", HEAD, b"5\r\n{\"id\"\r", &[], Cut { undelivered: 5 }),
        ("after a chunk", HEAD, b"5\r\n{\"id\"\r\n", &[], Cut { undelivered: 5 }),
        ("in the message's delimiter", HEAD, b"3\r\n{}\r\r\n", &[], Cut { undelivered: 3 }),
        ("after a keep-alive", HEAD, b"2\r\n\r\n\r\n", &[OwnedEvent::KeepAlive], Cut { undelivered: 0 }),
        ("after the zero", HEAD, b"0", &[], Cut { undelivered: 0 }),
        ("after the zero chunk", HEAD, b"0\r\n", &[], Cut { undelivered: 0 }),
        ("in a trailer", HEAD, b"0\r\nA: b", &[], Cut { undelivered: 0 }),
        ("before the last LF", HEAD, b"0\r\n\r", &[], Cut { undelivered: 0 }),
        ("at the end", HEAD, b"0\r\n\r\n", &[OwnedEvent::End { undelivered: 0 }], Complete),
        (
            "at the end, cut message left",
            HEAD,
            b"2\r\n{\"\r\n0\r\n\r\n",
            &[OwnedEvent::End { undelivered: 2 }],
            Complete,
        ),
        (
            "length 0",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"",
            &[OwnedEvent::End { undelivered: 0 }],
            Complete,
        ),
        (
            "in a length",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            b"\r\n{}",
            &[OwnedEvent::KeepAlive],
            Cut { undelivered: 2 },
        ),
        (
            "length whole",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            b"\r\n{}x",
            &[OwnedEvent::KeepAlive, OwnedEvent::End { undelivered: 3 }],
            Complete,
        ),
        ("no body", b"HTTP/1.1 204 x\r\n\r\n", b"", &[OwnedEvent::End { undelivered: 0 }], Complete),
        ("until close, nothing", b"HTTP/1.1 200 OK\r\n\r\n", b"", &[], CompleteByClose { undelivered: 0 }),
        (
            "until close",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"\r\n{\"",
            &[OwnedEvent::KeepAlive],
            CompleteByClose { undelivered: 2 },
        ),
    ];
    for (name, head, body, events, closed) in cases {
        let wire = [*head, body].concat();
        let want: Vec<OwnedEvent> = events.iter().cloned().chain([OwnedEvent::Closed(*closed)]).collect();
        assert_runs(name, &wire, &want);
    }
}

#[test]
fn a_last_message_is_discarded_if_the_local_end_comes_first() {
    let (mut connection, mut received, mut log) = (connection(256), 0, Vec::new());
    connection.handle_connected(NOW);
    feed(&mut connection, b"HTTP/1.1 200 OK\r\n\r\n{}", NOW, &mut received, &mut log);
    assert_eq!(connection.handle_eof(), Closed::CompleteByClose { undelivered: 0 });
    connection.handle_closed();
    feed(&mut connection, b"", NOW, &mut received, &mut log);
    assert_eq!((log.len(), connection.byte_counts().discarded), (1, 2));
}

#[test]
fn bytes_after_the_end_are_discarded() {
    let heads: [(&str, Vec<u8>); 3] = [
        ("chunked", streamed(b"4\r\n{}\r\n\r\n0\r\n\r\n")),
        ("length", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{}\r\n".to_vec()),
        ("no body", b"HTTP/1.1 204 x\r\n\r\n".to_vec()),
    ];
    for (name, response) in heads {
        for left in [&b"\r\n"[..], b"{}\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{}\r\n", &[0; 40]]
        {
            let wire = [&response, left].concat();
            let mut want =
                vec![message("{}"), OwnedEvent::End { undelivered: 0 }, OwnedEvent::Closed(Closed::Complete)];
            if name == "no body" {
                want.remove(0);
            }
            assert_runs(name, &wire, &want);
            let mut connection = connection(256);
            run(&mut connection, [&wire[..]]);
            assert_eq!(connection.byte_counts().discarded, left.len() as u64, "{name}");
        }
    }
}

#[test]
fn input_is_ignored_before_connect_and_after_close() {
    let mut connection = connection(256);
    let (mut received, mut log) = (0, Vec::new());
    feed(&mut connection, &streamed(b"0\r\n\r\n"), NOW, &mut received, &mut log);
    assert_eq!(log, [], "not connected yet");
    run(&mut connection, [&streamed(b"4\r\n{}\r\n\r\n")[..]]);
    received = connection.byte_counts().received;
    feed(&mut connection, b"4\r\n{}\r\n\r\n", NOW, &mut received, &mut log);
    assert_eq!(log, [], "closed");
}

#[test]
fn error_persists_until_the_next_connection() {
    let mut connection = connection(256);
    let wire = streamed(b"x");
    let mut received = 0;
    let mut log = Vec::new();
    connection.handle_connected(NOW);
    for piece in [&wire[..], b"4\r\n{}\r\n\r\n", b"", b"0\r\n\r\n"] {
        feed(&mut connection, piece, NOW, &mut received, &mut log);
    }
    let failed = OwnedEvent::Failed {
        kind: ConnectionErrorKind::Chunk(ChunkErrorKind::SizeMissing),
        offset: HEAD.len() as u64,
    };
    assert_eq!(log[1..], [failed]);
    assert_eq!(connection.handle_eof(), Closed::Cut { undelivered: 0 });
    assert!(connection.scan(b"4\r\n{}\r\n\r\n", NOW).1.is_err(), "the close does not reset the error");
    let log = run(&mut connection, [&streamed(b"4\r\n{}\r\n\r\n0\r\n\r\n")[..]]);
    assert_eq!(
        log[1..],
        [message("{}"), OwnedEvent::End { undelivered: 0 }, OwnedEvent::Closed(Closed::Complete)]
    );
}

/// Reuses one storage for many connections. No data of an earlier connection remains.
#[test]
fn reconnecting_resets_all_state() {
    let mut connection = connection(128);
    for cut in 0..60 {
        let wire = streamed(b"5;a=b\r\n{\"id\"\r\n100\r\n:1,\"text\":\"a longer one that is cut\"");
        run(&mut connection, [&wire[..wire.len() - cut]]);
        let wire = streamed(&chunked(b"{\"id\":2}\r\n\r\n", Chunking::Each(3)));
        let log = run(&mut connection, [&wire[..]]);
        let want = [message("{\"id\":2}"), OwnedEvent::KeepAlive, OwnedEvent::End { undelivered: 0 }];
        assert_eq!(log[1..4], want, "after a connection cut {cut} bytes earlier");
        assert_eq!(connection.byte_counts().received, wire.len() as u64);
    }
}

/// Reads an error document split at `cuts`. Returns the events after the head, the document, and
/// the result of a close.
fn document(storage: usize, wire: &[u8], cuts: &[usize]) -> (Vec<OwnedEvent>, Vec<u8>, Closed) {
    let mut connection = connection(storage);
    connection.handle_connected(NOW);
    let (mut received, mut log) = (0, Vec::new());
    for piece in pieces(wire, cuts) {
        let mut piece = piece;
        if log.is_empty() {
            let (consumed, event) = connection.decode(piece, NOW);
            let Ok(event) = event else { panic!("{event:?}") };
            received += consumed as u64;
            piece = &piece[consumed..];
            let Some(head @ ConnectionEvent::Head(_)) = event else { continue };
            log.push(OwnedEvent::from_event(head));
            connection.collect_document(NOW);
        }
        feed(&mut connection, piece, NOW, &mut received, &mut log);
        check_byte_counts(&connection, received);
    }
    let document = |connection: &Connection<Vec<u8>>| {
        let (head, document) = connection.document()?;
        assert!(head.status() >= 400);
        Some(document.to_owned())
    };
    let before = document(&connection);
    let closed = connection.handle_eof();
    assert_eq!(document(&connection), before, "still lent after the close");
    check_byte_counts(&connection, received);
    log.remove(0);
    (log, before.unwrap_or_default(), closed)
}

#[test]
fn error_documents_are_collected_with_every_framing() {
    const END: &[OwnedEvent] = &[OwnedEvent::End { undelivered: 0 }];
    let problem = br#"{"title":"ConnectionException","connection_issue":"TooManyConnections"}"#;
    let status = "HTTP/1.1 429 Too Many Requests\r\n";
    let with = |fields: &str, body: &[u8]| [status.as_bytes(), fields.as_bytes(), b"\r\n", body].concat();
    let in_chunks = |chunking| chunked(problem, chunking);
    let chunked_field = "Transfer-Encoding: chunked\r\n";
    let length_field = "Content-Length: 71\r\n";
    let gzip = "Content-Encoding: gzip\r\nContent-Length: 4\r\n";
    assert_eq!(problem.len(), 71);
    let mut broken = in_chunks(Chunking::Each(40));
    broken.truncate(broken.len() - 5);
    broken.extend_from_slice(b"+1\r\n");
    type Row<'a> = (&'a str, Vec<u8>, &'a [OwnedEvent], &'a [u8], Closed);
    let rows: [Row<'_>; 11] = [
        ("length", with(length_field, problem), END, problem, Closed::Complete),
        ("chunked", with(chunked_field, &in_chunks(Chunking::One)), END, problem, Closed::Complete),
        ("tiny chunks", with(chunked_field, &in_chunks(Chunking::UpTo16(4))), END, problem, Closed::Complete),
        ("until close", with("", problem), &[], problem, Closed::CompleteByClose { undelivered: 0 }),
        ("empty", with("Content-Length: 0\r\n", b""), END, b"", Closed::Complete),
        ("cut", with(length_field, &problem[..9]), &[], &problem[..9], Closed::Cut { undelivered: 0 }),
        ("broken", with(chunked_field, &broken), END, problem, Closed::Cut { undelivered: 0 }),
        ("left-over", with(length_field, &[&problem[..], b"left"].concat()), END, problem, Closed::Complete),
        // The connection does not wait for this document.
        ("coded", with(gzip, b"\x1F\x8B\x08\0"), END, b"", Closed::Complete),
        ("coded, cut", with(gzip, b"\x1F"), END, b"", Closed::Complete),
        (
            "coded in transfer",
            with("Transfer-Encoding: gzip, chunked\r\n", b"4\r\n"),
            END,
            b"",
            Closed::Complete,
        ),
    ];
    for (name, wire, events, text, closed) in rows {
        for cuts in deliveries(wire.len(), 12) {
            let got = document(512, &wire, &cuts);
            assert_eq!(got, (events.to_vec(), text.to_vec(), closed), "{name}, cut at {cuts:?}");
        }
    }
}

#[test]
fn error_document_is_truncated_at_the_storage_size() {
    let head = b"HTTP/1.1 503 x\r\n\r\n";
    for (storage, room) in [(head.len(), 0), (head.len() + 1, 1), (256, 256 - head.len()), (1 << 20, 65_536)]
    {
        for length in [room, room + 1, room + 200] {
            let wire = [&head[..], &vec![b'x'; length]].concat();
            for cuts in deliveries(wire.len(), 13).take(if room > 1_000 { 2 } else { 40 }) {
                let (events, text, _) = document(storage, &wire, &cuts);
                let want: &[OwnedEvent] =
                    if length > room { &[OwnedEvent::End { undelivered: 0 }] } else { &[] };
                assert_eq!(
                    (events.as_slice(), text.len()),
                    (want, room),
                    "{length} bytes in {storage}, {cuts:?}"
                );
            }
        }
    }
}

/// Tests the two halves of `decode`: the result of `scan` can be kept while the connection is
/// borrowed again.
#[test]
fn scan_then_lend_equals_decode() {
    let wire = streamed(b"5\r\n{\"id\"\r\n6\r\n:1}\r\n{\r\n3\r\n}\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n");
    let mut connection = connection(64);
    connection.handle_connected(NOW);
    let (mut input, mut log, mut raws) = (&wire[..], Vec::new(), Vec::new());
    while let (consumed, Ok(Some(raw))) = connection.scan(input, NOW) {
        raws.push(raw);
        log.push(OwnedEvent::from_event(connection.lend(raw, input)));
        input = &input[consumed..];
    }
    assert_eq!(
        log[1..],
        [message("{\"id\":1}"), message("{}"), OwnedEvent::KeepAlive, OwnedEvent::End { undelivered: 0 }],
        "{raws:?}"
    );
    assert_eq!(
        (raws[0], raws[3], raws[4]),
        (
            ScannedConnectionEvent::Head,
            ScannedConnectionEvent::KeepAlive,
            ScannedConnectionEvent::End { undelivered: 0 }
        )
    );
}

/// Compares the connection with the reference decoder on random messages in random chunks,
/// sometimes damaged.
#[test]
fn agrees_with_the_reference_decoder_on_damaged_responses() {
    const HEADS: &[&[u8]] = &[
        HEAD,
        HEAD,
        HEAD,
        b"HTTP/1.1 103 x\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n c\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 503\r\nRetry-After: 5\r\nContent-Length: 60\r\n\r\n",
    ];
    const PARTS: &[&[u8]] = &[
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"{}",
        b"{\"id\":1}",
        b"{\"text\":\"0123456789abcdef\"}",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b"\"",
        b"\\",
        b"1",
        b"\xF0\x9F\x98\xBA",
        b"0\r\n\r\n",
    ];
    let mut endings = [0_usize; 6];
    for seed in 0..15_000 {
        let mut random = Rng(seed);
        let mut content = Vec::new();
        for _ in 0..random.index(14) {
            content.extend_from_slice(random.pick(PARTS));
        }
        let chunkings = [
            Chunking::One,
            Chunking::PerMessage,
            Chunking::Each(1),
            Chunking::WithExtension(5),
            Chunking::UpTo16(seed),
        ];
        let head = random.pick(HEADS);
        let mut wire = head.to_vec();
        if head.ends_with(b"chunked\r\n\r\n") || head.ends_with(b"chunked\n\n") {
            wire.extend_from_slice(&chunked(&content, chunkings[random.index(chunkings.len())]));
        } else {
            wire.extend_from_slice(&content);
        }
        if random.one_in(2) {
            mutate(&mut wire, &mut random);
        }
        let mut config = ConnectionConfig::default();
        config.message_bytes_max = *random.pick(&[&8, &50, &60, &100_000]);
        config.chunk.size_line_bytes_max = *random.pick(&[&20, &4_096]);
        let storage = *random.pick(&[&60, &61, &100, &4_096]);
        let want = reference_decoder::response(&wire, &config, storage);
        let ending = match &want[want.len().saturating_sub(2)..] {
            [OwnedEvent::End { .. }, _] => 0,
            [OwnedEvent::Failed { kind: ConnectionErrorKind::Head(_), .. }, _] => 1,
            [OwnedEvent::Failed { .. }, _] => 2,
            [.., OwnedEvent::Closed(Closed::CutInHead { .. })] => 3,
            [.., OwnedEvent::Closed(Closed::Cut { .. })] => 4,
            _ => 5,
        };
        endings[ending] += 1;
        let mut connection = Connection::new(vec![0; storage], config);
        for _ in 0..3 {
            let cuts = random_cuts(wire.len(), &mut random);
            let log = run_all_ways(&mut connection, pieces(&wire, &cuts));
            assert_eq!(log, want, "seed {seed}: {} cut at {cuts:?}", wire.escape_ascii());
        }
    }
    assert!(endings.iter().all(|&count| count > 200), "each kind of ending often: {endings:?}");
    assert!(matches!(
        reference_decoder::response(HEAD, &ConnectionConfig::default(), 64)[0],
        OwnedEvent::Head { framing: BodyFraming::Chunked, .. }
    ));
}
