//! Tests errors and ends in each state, the resulting gap, and shutdown.

use std::time::Duration;

use powerstream_core::endpoint;
use powerstream_core::liveness::TimeoutKind;
use powerstream_core::session::{DisconnectReason, Origin, Step};
use powerstream_core::time::{TimeRange, UnixTime};
use powerstream_core::transport_error::{CertificateNames, TlsError, TransportError, TransportErrorKind};

use crate::harness::*;

const STREAM: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn complete_messages_are_delivered_before_the_disconnect() {
    let (one, two) = (post(1), post(2));
    let whole = [line(&one), line(&two)].concat();
    let lines = |end: &str| {
        let mut lines = vec![
            "0 connect".to_owned(),
            "0 connected 200".to_owned(),
            "0 post 1".to_owned(),
            "0 post 2".to_owned(),
        ];
        lines.push("0 close".to_owned());
        lines.push(format!("0 disconnected {end} 0"));
        lines
    };
    // The end arrives in the same read, or after reads of one byte.
    type End = fn(Attempt) -> Attempt;
    let ends: [(&str, &[u8], End, u64); 9] = [
        ("cut", b"", |attempt| attempt.eof(0), 0),
        ("fault", b"", |attempt| attempt.fault(0, TransportErrorKind::Reset), 0),
        ("ended", b"0\r\n\r\n", |attempt| attempt, 0),
        ("ended", b"0\r\n\r\nHTTP/1.1 400 x\r\n\r\n", |attempt| attempt.eof(0), 18),
        ("cut", b"10\r\n{\"id\":", |attempt| attempt.eof(0), 6),
        ("fault", b"10\r\n{\"id\":", |attempt| attempt.fault(0, TransportErrorKind::Reset), 6),
        ("ended", b"6\r\n{\"id\":\r\n0\r\n\r\n", |attempt| attempt.eof(0), 6),
        ("chunk_size", b"6\r\n{\"id\":\r\nxyz", |attempt| attempt, 9),
        ("cut", b"1\r\n", |attempt| attempt.eof(0), 0),
    ];
    for (cause, bytes, end, undelivered) in ends {
        let response = [STREAM.as_bytes(), &whole, bytes].concat();
        for buffer_bytes in [1, 2, 3, 50, 16_384] {
            let mut net = Network::always(end(Attempt::new().bytes(0, &response)));
            net.buffer_bytes = buffer_bytes;
            let run = run(&config(), net, 1);
            let found = run.first().reason.code();
            let cause = if cause == "chunk_size" { found } else { cause };
            assert_eq!(run.lines[..6], lines(cause), "{buffer_bytes}");
            assert_eq!(run.messages[..2], [(1, one.clone().into_bytes()), (1, two.clone().into_bytes())]);
            // Bytes after the end are read only if they arrive with it.
            if buffer_bytes == 16_384
                || bytes.len() < 15 && !matches!(run.first().reason, DisconnectReason::Protocol(_))
            {
                assert_eq!(run.first().undelivered, undelivered, "{cause} {buffer_bytes} {bytes:?}");
            }
        }
    }
}

const TOO_MANY: &str = r#"{"title":"ConnectionException","detail":"This stream is currently at the maximum allowed connection limit.","connection_issue":"TooManyConnections","type":"https://api.x.com/2/problems/streaming-connection"}"#;

#[test]
fn last_message_without_delimiter_takes_effect_if_the_body_is_complete() {
    let length = TOO_MANY.len();
    let until_close = "HTTP/1.1 200 OK\r\n\r\n";
    let with_length = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    let longer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", length + 1);
    let (chunk, plain) = (chunk(TOO_MANY), TOO_MANY.as_bytes());
    let eof = |attempt: Attempt| attempt.eof(secs(3));
    let reset = |attempt: Attempt| attempt.fault(secs(3), TransportErrorKind::Reset);
    let none = |attempt: Attempt| attempt;
    // The head, the body and the next action; the reason, and whether the message is delivered.
    type Row<'a> = (&'a str, Vec<u8>, fn(Attempt) -> Attempt, &'static str, bool);
    let rows: [Row<'_>; 8] = [
        (STREAM, [&chunk, LAST].concat(), none, "ended", true),
        (STREAM, [&chunk, LAST].concat(), eof, "ended", true),
        (&with_length, plain.to_vec(), none, "ended", true),
        (until_close, plain.to_vec(), eof, "ended", true),
        (STREAM, chunk.clone(), eof, "cut", false),
        (STREAM, chunk, reset, "fault", false),
        (&longer, plain.to_vec(), eof, "cut", false),
        (until_close, plain.to_vec(), reset, "fault", false),
    ];
    for (head, body, end, reason, delivered) in rows {
        for buffer_bytes in [1, 7, 16_384] {
            let response = [head.as_bytes(), &body].concat();
            let mut net = Network::always(end(Attempt::new().bytes(0, response)));
            net.buffer_bytes = buffer_bytes;
            let run = run(&config(), net, secs(30));
            let first = run.first();
            assert_eq!(first.reason.code(), reason, "{head:?} {buffer_bytes}");
            assert_eq!(!run.messages.is_empty(), delivered, "{head:?} {reason} {buffer_bytes}");
            if delivered {
                assert_eq!(run.messages[0], (1, TOO_MANY.as_bytes().to_vec()));
                assert!(first.announced.is_some());
                assert_eq!((first.delay.as_secs(), first.undelivered), (60, 0), "as a rate limit");
            } else {
                assert_eq!((first.announced, first.undelivered), (None, length as u64));
            }
        }
    }
}

/// A consumer may take the last event, and ask for the next one seconds later.
#[test]
fn end_of_a_body_of_known_length_does_not_depend_on_when_it_is_asked_for() {
    for (response, events) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 1),
        ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n{}\r\n", 2),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\r\n", 2),
        ("HTTP/1.1 204 x\r\n\r\n", 1),
    ] {
        for later in [0, 1, 10_000] {
            let mut session = requesting();
            let mut input = response.as_bytes();
            for _ in 0..events {
                let (consumed, event) = session.decode(input, at(0));
                assert!(event.is_some(), "{response:?}");
                input = &input[consumed..];
            }
            assert!(session.decode(input, at(later)).1.is_none());
            assert_eq!(session.poll(), Step::Close, "{response:?} after {later} ms");
        }
    }
}

#[test]
fn shutdown_before_a_last_message_still_delivers_it() {
    let attempt = || Attempt::new().bytes(0, "HTTP/1.1 200 OK\r\n\r\n").bytes(0, post(7));
    let mut net = Network::always(attempt().eof(secs(1)));
    net.stop_at_event = Some(1);
    assert_eq!(run(&config(), net, secs(5)).messages.len(), 0, "stopped before the close");
    let mut net = Network::always(attempt().eof(secs(1)));
    net.stop_at = Some(secs(1));
    let run = run(&config(), net, secs(5));
    assert_eq!(run.bytes(), [post(7).as_bytes()]);
    assert!(run.over);
}

#[test]
fn messages_separated_by_a_bare_lf_all_take_effect() {
    let attempt = Attempt::stream()
        .bytes(0, chunk(&format!("{{\"warning\":{{\"code\":\"FALLING_BEHIND\"}}}}\n{}\r\n", post(2))))
        .bytes(0, chunk(&format!("{}\n{}\n\n", post(3), TOO_MANY)))
        .eof(0);
    for buffer_bytes in [1, 7, 16_384] {
        let mut net = Network::always(attempt.clone());
        net.buffer_bytes = buffer_bytes;
        let run = run(&config(), net, secs(1));
        assert_eq!((run.messages.len(), run.keep_alives), (4, 1));
        assert_eq!(run.messages[1..3], [(1, post(2).into_bytes()), (1, post(3).into_bytes())]);
        assert_eq!((run.first().announced.is_some(), run.first().delay.as_secs()), (true, 60));
    }
}

#[test]
fn transport_error_or_end_in_each_state_has_its_disconnect_reason() {
    let cases: [(&str, Attempt, &str, u128); 14] = [
        ("resolve", Attempt::failing(TransportErrorKind::Resolve), "fault", 250),
        ("no address", Attempt::failing(TransportErrorKind::NoAddress), "fault", 250),
        (
            "write",
            Attempt { write_end: Some((0, Some(TransportErrorKind::Reset))), ..Attempt::new() },
            "fault",
            250,
        ),
        (
            "half a write",
            Attempt { write_end: Some((30, Some(TransportErrorKind::Reset))), ..Attempt::new() },
            "fault",
            250,
        ),
        ("no head, eof", Attempt::new().eof(0), "cut_in_head", 250),
        ("no head, fault", Attempt::new().fault(0, TransportErrorKind::Reset), "fault", 250),
        ("half a head, eof", Attempt::new().bytes(0, "HTTP/1.1 20").eof(0), "cut_in_head", 250),
        ("interim only, eof", Attempt::new().bytes(0, "HTTP/1.1 100 x\r\n\r\n").eof(0), "cut_in_head", 250),
        (
            "half a head, fault",
            Attempt::new().bytes(0, "HTTP/1.1 20").fault(0, TransportErrorKind::Reset),
            "fault",
            250,
        ),
        ("not HTTP", Attempt::new().bytes(0, "<html>").eof(0), "not_http", 5_000),
        ("head, eof", Attempt::stream().eof(0), "cut", 0),
        ("until close, eof", Attempt::new().bytes(0, "HTTP/1.1 200 x\r\n\r\n").eof(0), "ended", 0),
        (
            "length, eof",
            Attempt::new().bytes(0, "HTTP/1.1 200 x\r\ncontent-length: 10\r\n\r\n").eof(0),
            "cut",
            0,
        ),
        (
            "length, end",
            Attempt::new().bytes(0, "HTTP/1.1 200 x\r\ncontent-length: 4\r\n\r\n{}\r\n"),
            "ended",
            0,
        ),
    ];
    for (name, attempt, cause, delay) in cases {
        let run = run(&config(), Network::always(attempt), 1);
        assert_eq!((run.first().reason.code(), run.delays()[0]), (cause, delay), "{name}");
        assert!(!run.first().reason.to_string().is_empty());
    }
}

#[test]
fn persistent_tls_errors_back_off_and_never_give_up() {
    use TlsError as T;
    let stays = [
        T::CertificateExpired,
        T::CertificateNotYetValid,
        T::CertificateName(CertificateNames::new(["a.test"])),
        T::CertificateIssuer,
        T::CertificateSignature,
        T::CertificateIsCa,
        T::CertificateRevoked,
        T::CertificateUsage,
        T::CertificateUnsupported,
        T::Certificate,
        T::NoHttp1,
        T::NothingInCommon,
        T::Alert(40),
        T::NotTls,
        T::Broken,
    ];
    let passes = [T::HandshakeTimedOut, T::HandshakeReset, T::HandshakeClosed, T::Local];
    let http = [5, 10, 20, 40, 80, 160, 320, 320, 320].map(|seconds| seconds * 1_000);
    let network: Vec<u128> = (1..=9).map(|step| step * 250).collect();
    let mut texts = Vec::new();
    for (faults, delays) in [(stays.as_slice(), http.as_slice()), (passes.as_slice(), &network)] {
        for fault in faults {
            let kind = TransportErrorKind::Tls(*fault);
            let run = run(&config(), Network::always(Attempt::failing(kind)), secs(24 * 60 * 60));
            assert_eq!(run.delays()[..9], *delays, "{fault:?}");
            assert!(run.gave_up.is_none(), "{fault:?}");
            // At most 4 attempts in any minute, as for every failure.
            assert_eq!(run.delays().last(), Some(if delays == http { &320_000 } else { &16_000 }));
            assert_eq!(run.first().reason, DisconnectReason::Transport(TransportError::new(kind)));
            texts.push(run.first().reason.to_string());
        }
    }
    // Each has a different message.
    let count = texts.len();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), count);
    assert!(texts.iter().any(|text| text.ends_with(": 40, handshake_failure")), "{texts:?}");
    assert!(TransportError::new(TransportErrorKind::Tls(T::Alert(255))).to_string().ends_with(": 255"));
    // During a stream, it is a disconnect like any other: the first reconnect is immediate.
    let cut = Attempt::stream().line(0, &post(1)).fault(0, TransportErrorKind::Tls(T::Broken));
    assert_eq!(run(&config(), Network::always(cut), secs(1)).delays()[..1], [0]);
}

#[test]
fn request_is_sent_once_and_in_order_with_any_write_sizes() {
    let whole = run(&config(), Network::always(Attempt::stream()), 1).net().requests[0].1.clone();
    for write_max in [1, 2, 7, 100, 1_000] {
        let attempt = Attempt { write_max, write_time: ms(1), ..Attempt::stream() };
        let run = run(&config(), Network::always(attempt), secs(1));
        assert_eq!(run.net().requests[0].1, whole);
        assert_eq!(run.connected.len(), 1);
    }
}

#[test]
fn oversized_message_is_skipped_and_its_length_reported() {
    let long = "x".repeat(90_001);
    let just = "y".repeat(90_000);
    for buffer_bytes in [100, 16_384, 200_000] {
        let mut net = Network::always(
            Attempt::stream().line(0, &post(1)).line(0, &long).line(0, &just).line(0, &post(2)),
        );
        net.buffer_bytes = buffer_bytes;
        let run = run(&config(), net, 1);
        assert_eq!(run.lines[2..6], ["0 post 1", "0 skipped 90001", "0 message of 90000", "0 post 2"]);
        // The connection ends while the message is skipped. All its bytes count as not delivered.
        let mut net = Network::always(Attempt::stream().bytes(0, chunk(&"x".repeat(100_000))).eof(0));
        net.buffer_bytes = buffer_bytes;
        assert_eq!(self::run(&config(), net, 1).first().undelivered, 100_000);
    }
}

#[test]
fn v2_stream_may_use_lf_and_uses_snake_case_parameters() {
    let mut config = config();
    config.endpoint = endpoint::SAMPLE10;
    config.query = &[("partition", "2"), ("tweet.fields", "id,text")];
    config.backfill = true;
    config.local_dc_only = true;
    let attempt =
        || Attempt::stream().bytes(0, chunk("{\"data\":{\"id\":\"1\",\"text\":\"a\"}}\n\r\n")).eof(secs(20));
    let run = run(&config, Network::new([attempt(), attempt()]), secs(21));
    assert_eq!((run.messages.len(), run.keep_alives), (2, 2));
    let lines: Vec<&str> = run.net().requests.iter().map(|(_, text)| text.lines().next().unwrap()).collect();
    let first = "GET /2/tweets/sample10/stream?partition=2&tweet.fields=id%2Ctext";
    assert_eq!(lines, [format!("{first} HTTP/1.1"), format!("{first}&backfill_minutes=1 HTTP/1.1")]);
}

/// Runs a connection that was read to its end at 1 s and reconnects after an outage of `outage`
/// milliseconds.
fn after_outage(outage: u64, backfill: bool) -> Run {
    let mut config = config();
    config.backfill = backfill;
    config.local_dc_only = true;
    // The disconnect uses up the immediate reconnect, so the outage is one long connect that
    // succeeds in the end.
    config.timeouts.connect = std::time::Duration::from_secs(100_000);
    let back = Attempt { connect: Connect::After(ms(outage)), ..Attempt::stream() };
    let net = Network::new([Attempt::stream().line(secs(1), &post(1)).eof(0), back]);
    run(&config, net, secs(90_000))
}

#[test]
fn backfill_covers_the_gap_up_to_5_minutes() {
    // The gap starts two seconds before the last read that emptied the transport. Here this is the
    // read of the head, so the gap starts at -2 s. The request asks for five seconds more than the
    // gap.
    for (outage, minutes) in [
        (0, 1),
        (1, 1),
        (52_000, 1),
        (52_001, 2),
        (112_000, 2),
        (112_001, 3),
        (232_000, 4),
        (232_001, 5),
        (298_001, 5),
        (86_400_000, 5),
    ] {
        let run = after_outage(outage, true);
        let first = &run.net().requests[0].1;
        assert!(first.starts_with("GET /2/powerstream?localDcOnly=true HTTP/1.1\r\n"), "{first}");
        let second = &run.net().requests[1].1;
        let line = format!("GET /2/powerstream?localDcOnly=true&backfillMinutes={minutes} HTTP/1.1\r\n");
        assert!(second.starts_with(&line), "{outage}: {second}");
        assert_eq!((run.connected[0].2, run.connected[1].2), (0, minutes));
        let gap = run.connected[1].1.unwrap();
        // Two more milliseconds, because both clock readings are truncated.
        assert_eq!(gap.to.saturating_since(gap.from).as_millis(), u128::from(outage) + 3_002, "{outage}");
        // Without backfill, it is never requested, and the gap is still reported.
        let off = after_outage(outage, false);
        assert!(off.net().requests.iter().all(|(_, text)| !text.contains("ackfill")));
        let whole = off.connected[1].1.unwrap();
        assert_eq!((whole.from, whole.to, whole.backfill_minutes), (gap.from, gap.to, 0));
        assert_eq!(whole.recovery_needed(), Some(TimeRange { from: gap.from, to: gap.to }));
        // What is older than the backfill must be recovered, with an overlap of ten seconds.
        let begin = gap.to.saturating_sub(Duration::from_secs(60 * u64::from(minutes)));
        let older = TimeRange { from: gap.from, to: begin.saturating_add(Duration::from_secs(10)) };
        assert_eq!(gap.recovery_needed(), (gap.from < begin).then_some(older), "{outage}");
        assert_eq!(gap.recovery_needed().is_some(), outage > 298_000, "{outage}");
    }
}

#[test]
fn gap_ends_after_the_stream_start_at_any_fraction_of_a_millisecond() {
    for (nanos, outage) in [(0, 0), (0, 999_999), (900_000, 0), (900_000, 150_000), (999_999, 999_999)] {
        let back = Attempt { connect: Connect::After(outage), ..Attempt::stream() };
        let mut net = Network::new([Attempt::stream().eof(ms(1)), back]);
        net.wall.nanos = nanos;
        let run = run(&config(), net, secs(10));
        let begun = run.net().wall.millis(run.net().connects[1] + outage);
        let gap = run.connected[1].1.unwrap();
        assert!((begun + 1..=begun + 2).contains(&gap.to.as_millis()), "{nanos} {outage}: {begun} {gap:?}");
    }
}

#[test]
fn backfill_request_is_kept_until_a_stream_was_healthy() {
    let mut config = config();
    config.backfill = true;
    let brief = || Attempt::stream().line(0, &post(1)).eof(ms(1));
    let net = Network::new([
        // Nothing was ever received, so no backfill is requested.
        Attempt::failing(TransportErrorKind::Refused),
        Attempt::new().bytes(0, refusal("503 x", "", "")),
        Attempt::stream().keep_alive(secs(20)).eof(0),
        brief(),
        Attempt::failing(TransportErrorKind::Refused),
        brief(),
        // Healthy, and with a Post newer than the backfill.
        Attempt::stream().line(secs(20), &post(id_of(secs(100)))).eof(0),
        brief(),
    ]);
    let run = run(&config, net, secs(60));
    let asked: Vec<bool> =
        run.net().requests.iter().map(|(_, text)| text.contains("backfillMinutes=1")).collect();
    assert_eq!(asked, [false, false, true, true, true, true]);
    let gaps: Vec<_> = run.connected.iter().map(|(_, gap, _)| gap.map(|gap| gap.from)).collect();
    assert!(gaps[0].is_none() && gaps[1].is_some());
    assert!(gaps[1] == gaps[2] && gaps[2] == gaps[3], "one gap until a stream was healthy: {gaps:?}");
    assert!(gaps[4] > gaps[3]);
}

/// The id of a Post that is created at this moment of the virtual clock, in nanoseconds.
fn id_of(nanos: u64) -> u64 {
    (1_700_000_000_000 + nanos / 1_000_000 - 1_288_834_974_657) << 22
}

#[test]
fn backfill_covers_posts_that_a_late_path_delayed() {
    let mut config = config();
    config.backfill = true;
    // All its Posts were created at 1 s, so all later Posts are missing.
    let late = post(id_of(secs(1)));
    for (lag, minutes) in [(0, 1), (40, 1), (60, 2), (160, 3), (280, 5)] {
        let mut path = Attempt::stream().line(secs(1), &late);
        for _ in 0..lag / 20 {
            path = path.line(secs(20), &late);
        }
        let run = run(&config, Network::new([path.eof(0), Attempt::stream()]), secs(300));
        assert_eq!(run.connected[1].2, minutes, "{lag} s");
    }
}

#[test]
fn interrupted_backfill_is_requested_again() {
    let mut config = config();
    config.backfill = true;
    config.timeouts.connect = std::time::Duration::from_secs(1_000);
    // An outage of four minutes. Then old Posts arrive for longer than a stream needs to become
    // healthy, and the stream ends.
    for (newest, kept) in [(secs(200), true), (secs(240), true), (secs(243), false)] {
        let mut back = Attempt { connect: Connect::After(secs(240)), ..Attempt::stream() };
        for _ in 0..4 {
            back = back.line(secs(6), &post(id_of(newest)));
        }
        let net =
            Network::new([Attempt::stream().line(secs(1), &post(1)).eof(0), back.eof(0), Attempt::stream()]);
        let run = run(&config, net, secs(280));
        let minutes: Vec<u8> = run.connected.iter().map(|(.., minutes)| *minutes).collect();
        let gaps: Vec<_> = run.connected.iter().map(|(_, gap, _)| gap.map(|gap| gap.from)).collect();
        assert_eq!((minutes[1], minutes[2]), (5, if kept { 5 } else { 1 }), "newest at {newest}");
        assert_eq!(gaps[1] == gaps[2], kept, "{gaps:?}");
        let origin = if kept { Origin::Backfill } else { Origin::Live };
        assert_eq!(run.origins, [Origin::Live, origin, origin, origin, origin]);
    }
    // If no newer Post arrives, five minutes are enough, and the two pauses that may delay reads.
    let mut back = Attempt { connect: Connect::After(secs(240)), ..Attempt::stream() };
    for _ in 0..18 {
        back = back.line(secs(20), &post(1));
    }
    let net =
        Network::new([Attempt::stream().line(secs(1), &post(1)).eof(0), back.eof(0), Attempt::stream()]);
    let run = run(&config, net, secs(640));
    assert_eq!((run.connected[1].2, run.connected[2].2), (5, 1));
}

#[test]
fn a_refused_request_for_backfill_is_repeated_at_once_without_it() {
    let mut config = config();
    config.backfill = true;
    for (status, is_refused) in [(400, true), (403, true), (503, false)] {
        let net = Network::new([
            Attempt::stream().line(secs(1), &post(1)).eof(0),
            Attempt::new().bytes(0, refusal(&format!("{status} x"), "", "")),
            Attempt::stream().line(secs(1), &post(2)).eof(0),
            Attempt::stream(),
        ]);
        let run = run(&config, net, secs(10));
        let asked: Vec<bool> =
            run.net().requests.iter().map(|(_, text)| text.contains("backfillMinutes=1")).collect();
        assert_eq!(asked, [false, true, !is_refused, !is_refused], "{status}");
        let refused: Vec<bool> = run.disconnected.iter().map(|(.., ended)| ended.backfill_refused).collect();
        assert_eq!(refused, [false, is_refused, false], "{status}");
        assert_eq!(run.delays()[1], if is_refused { 0 } else { 5_000 }, "{status}");
    }
}

#[test]
fn two_keep_alives_in_a_row_end_the_backfill() {
    let mut config = config();
    config.backfill = true;
    config.timeouts.connect = std::time::Duration::from_secs(1_000);
    for (keep_alives, minutes) in [(1, 5), (2, 1)] {
        let mut back = Attempt { connect: Connect::After(secs(240)), ..Attempt::stream() };
        back = back.line(secs(1), &post(id_of(secs(100))));
        for _ in 0..keep_alives {
            back = back.keep_alive(secs(20));
        }
        let net =
            Network::new([Attempt::stream().line(secs(1), &post(1)).eof(0), back.eof(1), Attempt::stream()]);
        let run = run(&config, net, secs(300));
        assert_eq!((run.connected[1].2, run.connected[2].2), (5, minutes), "{keep_alives} keep-alives");
    }
}

#[test]
fn gap_is_reported_on_the_corrected_wall_clock() {
    let mut config = config();
    config.backfill = true;
    config.timeouts.connect = std::time::Duration::from_secs(1_000);
    // The clock is an hour ahead when the stream begins, and is corrected during the stream. Then
    // an outage of four minutes.
    let back = Attempt { connect: Connect::After(secs(240)), ..Attempt::stream() };
    let stream = Attempt::stream().line(secs(1), &post(1)).line(secs(1), &post(2)).line(secs(1), &post(3));
    let mut net = Network::new([stream.eof(0), back]);
    net.jumps = vec![(2, 0, -3_600_000)];
    let run = run(&config, net, secs(300));
    let (_, gap, minutes) = run.connected[1];
    let gap = gap.unwrap();
    assert!(gap.to.saturating_since(gap.from) >= std::time::Duration::from_secs(240), "{gap:?}");
    assert_eq!(minutes, 5);
}

#[test]
fn draining_queue_after_an_announcement_keeps_its_effect() {
    const LIMIT: &str = r#"{"errors":[{"connection_issue":"TooManyConnections","type":"https://api.x.com/2/problems/streaming-connection"}]}"#;
    for (posts, later, delay) in [(0, 0, 60), (1, 0, 60), (1, secs(6), 0)] {
        let mut attempt = Attempt::stream().line(0, &post(1)).line(0, LIMIT);
        for _ in 0..posts {
            attempt = attempt.line(0, &post(2));
        }
        let run = run(&config(), Network::new([attempt.eof(later)]), secs(7));
        assert_eq!(run.first().delay.as_secs(), delay, "{posts} Posts, closed {later} ns later");
    }
}

#[test]
fn messages_near_the_limit_never_overwrite_the_request() {
    let mut config = config();
    // A message so long that the request directly follows the room for it.
    config.message_bytes_max = 6_000;
    for length in 5_980..6_020 {
        for size in [1, 3, 9, 15, 16] {
            let mut wire = chunk(&"x".repeat(length - 40));
            for piece in format!("{}\r\n", "9".repeat(40)).as_bytes().chunks(size) {
                wire.extend_from_slice(&chunk(std::str::from_utf8(piece).unwrap()));
            }
            let attempt = || Attempt::stream().bytes(0, wire.clone()).eof(0);
            let run = run(&config, Network::new([attempt(), attempt()]), secs(1));
            let requests = &run.net().requests;
            assert_eq!(requests[0].1, requests[1].1, "{length} bytes in chunks of {size}");
        }
    }
}

/// Returns the start of the gap after the first stream, in milliseconds of the virtual clock.
fn gap_start(run: &Run) -> i64 {
    let from = run.first().gap_from.unwrap();
    assert!(run.connected.get(1).is_none_or(|(_, gap, _)| gap.unwrap().from == from));
    from.as_millis() as i64 - 1_700_000_000_000
}

#[test]
fn gap_starts_before_posts_that_a_slow_reader_left_unread() {
    // Every 500 ms a Post whose id has no time. Each read takes 600 ms and returns one of them.
    let mut attempt = Attempt::stream();
    for id in 10..90 {
        attempt = attempt.line(ms(500), &post(id));
    }
    let mut net = Network::new([attempt.act(0, ServerAction::Reset)]);
    net.buffer_bytes = line(&post(10)).len();
    net.read_time = ms(600);
    let run = run(&config(), net, secs(60));
    let lost_at = run.net().lost[0].1 as i64 - 1_700_000_000_000;
    assert!(run.net().lost.len() > 5 && gap_start(&run) <= lost_at, "{} {lost_at}", gap_start(&run));
}

#[test]
fn a_gap_starts_before_the_posts_that_a_stalled_path_held_back() {
    // Created every 500 ms. The path stalls from 2,000 to 7,000 ms, and resets 10 ms later.
    let at = |millis| post(id_of(ms(millis)));
    let mut attempt = Attempt::stream();
    for millis in [500, 1_000, 1_500] {
        attempt = attempt.line(ms(500), &at(millis));
    }
    let attempt = attempt.line(ms(5_500), &at(2_000)).line(ms(5), &at(2_500)).act(ms(5), ServerAction::Reset);
    let net = Network::new([attempt, Attempt::stream().line(ms(100), &at(7_050))]);
    let run = run(&config(), net, secs(8));
    assert_eq!(run.disconnected[0].0, ms(7_010));
    assert_eq!(gap_start(&run), 1_500);
    let gap = run.resumed[0];
    let ids = [gap.newest_before, gap.first_after].map(|id| id.unwrap().as_u64());
    assert_eq!(ids, [id_of(ms(2_500)), id_of(ms(7_050))]);
    assert!(gap.to.as_millis() >= 1_700_000_007_010);
    // Late Posts, by 5 s, are reported once.
    assert_eq!((run.late.len(), run.late[0].0), (1, ms(7_000)));
}

#[test]
fn a_gap_starts_at_the_newest_post_of_an_array() {
    let array = |posts: [u64; 3]| format!("[{}]", posts.map(|at| post(id_of(ms(at)))).join(","));
    let attempt = Attempt::stream().line(secs(9), &array([7_000, 8_900, 8_800])).eof(0);
    let run = run(&config(), Network::new([attempt, Attempt::stream()]), secs(10));
    assert_eq!(gap_start(&run), 8_900 - 1_000 - 2 * 100);
    assert_eq!(run.connected[1].1.unwrap().newest_before.unwrap().as_u64(), id_of(ms(8_900)));
}

#[test]
fn gap_starts_before_every_lost_post() {
    // A half-open connection: no byte that the server sends from 2 s on arrives.
    let half_open = Attempt::stream()
        .line(secs(1), &post(1))
        .line(secs(1) - 1, &post(2))
        .act(secs(1), ServerAction::Lost);
    for early in [false, true] {
        let mut net = Network::always(half_open.clone());
        net.early = early;
        assert!(gap_start(&run(&config(), net, secs(30))) <= 2_000, "{early}");
    }
    // A reset discards the data that a slow consumer had not read.
    let mut attempt = Attempt::stream();
    for id in 0..100 {
        attempt = attempt.line(secs(1), &post(id));
    }
    let net = Network::new([attempt.clone().act(0, ServerAction::Reset)]).hold(5, secs(200));
    let reset = run(&config(), net, ms(205_500));
    assert_eq!(reset.bytes().len(), 5);
    assert!(gap_start(&reset) <= 5_000);
    // The same with a buffer so small that each read leaves input unread.
    let mut net = Network::new([attempt.act(0, ServerAction::Reset)]).hold(5, secs(50)).hold(9, secs(200));
    net.buffer_bytes = 64;
    let backlog = run(&config(), net, secs(300));
    let delivered = backlog.bytes().len() as i64;
    assert!(delivered < 60, "{delivered}");
    assert!(gap_start(&backlog) <= (delivered + 1) * 1_000, "{} {delivered}", gap_start(&backlog));
    // The beginning of a message is lost together with its rest.
    let begun = Attempt::stream()
        .line(secs(1), &post(1))
        .bytes(secs(1), chunk("{\""))
        .bytes(secs(20), chunk("id"))
        .eof(secs(20));
    assert!(gap_start(&run(&config(), Network::always(begun), secs(45))) <= 2_000);
    // The head is read late, and the data sent after it is lost.
    let late = Attempt::new()
        .bytes(ms(10), HEAD)
        .act(secs(1), ServerAction::Lost)
        .fault(secs(620), TransportErrorKind::Reset);
    let mut net = Network::new([late]);
    net.suspend = Some((ms(5), secs(600)));
    assert!(gap_start(&run(&config(), net, secs(622))) <= 1_010);
}

#[test]
fn gap_covers_a_message_whose_chunk_size_is_sent_slowly() {
    for line in ["5;a=", "0\r\nx: "] {
        // The last content arrives at 60 s, then pieces of a line until the idle timeout.
        let mut attempt = Attempt::stream();
        for _ in 0..6 {
            attempt = attempt.keep_alive(secs(10));
        }
        attempt = attempt.bytes(secs(1), line);
        for _ in 0..10 {
            attempt = attempt.bytes(secs(5), "b");
        }
        let run = run(&config(), Network::new([attempt]), secs(100));
        assert_eq!(run.first().reason, DisconnectReason::Timeout(TimeoutKind::Idle));
        let latest = UnixTime::from_millis(1_700_000_061_000);
        assert!(run.first().gap_from.is_some_and(|from| from <= latest), "{line:?}: {:?}", run.first());
    }
}

#[test]
fn gap_starts_before_posts_that_wait_behind_a_slow_message() {
    // Posts are created every 500 ms. From 4 s on they wait behind a message that takes 6 s.
    let slow = |last: &str| {
        let mut attempt = Attempt::stream();
        for millis in (500..=3_500).step_by(500) {
            attempt = attempt.line(ms(500), &post(id_of(ms(millis))));
        }
        attempt = attempt.bytes(ms(500), chunk("{\"slow\":\""));
        for _ in 0..5 {
            attempt = attempt.bytes(secs(1), chunk("x"));
        }
        let attempt =
            attempt.bytes(secs(1), chunk("\"}\r\n")).bytes(ms(5), chunk(last)).bytes(ms(5), chunk(last));
        run(&config(), Network::new([attempt.act(ms(5), ServerAction::Reset)]), secs(11))
    };
    let run = slow("{\"quick\":1}\r\n");
    assert_eq!((run.disconnected[0].0, run.bytes().len()), (ms(10_015), 10));
    // The Post of 3,500 ms was delivered, and that of 4,000 ms is lost.
    assert_eq!(gap_start(&run), 2_500);
    // A server sends a keep-alive only if no Post waits.
    assert!(gap_start(&slow("\r\n\r\n")) > 2_500);
}
