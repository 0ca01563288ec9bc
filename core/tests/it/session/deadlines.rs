//! Tests deadlines: when they end a wait, and which delays do not count against the peer.

use powerstream_core::transport_error::TransportErrorKind;

use crate::harness::*;

/// Returns the time of the first disconnect in milliseconds, and its reason.
fn ended(run: &Run) -> (u64, &'static str) {
    (run.disconnected[0].0 / 1_000_000, run.first().reason.code())
}

#[test]
fn connect_times_out_after_10_s() {
    let net = || {
        let never = Attempt { connect: Connect::Never, ..Attempt::new() };
        let late = Attempt { connect: Connect::After(secs(10) + 1), ..Attempt::new() };
        let just = Attempt { connect: Connect::After(secs(10)), ..Attempt::stream() };
        Network::new([never, late, just])
    };
    let run = run(&config(), net(), secs(21));
    assert_eq!(run.lines[..3], ["0 connect", "10000 close", "10000 disconnected timeout_connect 250"]);
    assert_eq!(run.lines[3..6], ["10250 connect", "20250 close", "20250 disconnected timeout_connect 500"]);
    let run = self::run(&config(), net(), secs(31));
    assert_eq!(run.lines[6..8], ["20750 connect", "30750 connected 200"]);
}

#[test]
fn head_times_out_after_15_s_despite_partial_input() {
    let silent = Attempt::new();
    let mut trickled = Attempt::new();
    for byte in HEAD.bytes() {
        trickled = trickled.bytes(secs(1), [byte]);
    }
    let mut interim = Attempt::new();
    for _ in 0..16 {
        interim = interim.bytes(secs(1), "HTTP/1.1 100 Continue\r\n\r\n");
    }
    // As many bytes as fit, without a pause: the other lines of the head are endless.
    let mut flood = Attempt::new().bytes(0, "HTTP/1.1 200 OK\r\nx: ");
    for _ in 0..2_000 {
        flood = flood.bytes(ms(10), "y");
    }
    let unsent = Attempt { write_end: Some((5, None)), ..Attempt::new() };
    let sent_slowly = Attempt { write_max: 1, write_time: secs(1), ..Attempt::new() };
    let cases = [
        ("silent", silent, 15_000, "timeout_head"),
        ("a byte a second", trickled, 15_000, "timeout_head"),
        ("interim responses", interim, 15_000, "timeout_head"),
        ("flood", flood, 15_000, "timeout_head"),
        ("request not accepted", unsent, 15_000, "timeout_head"),
        ("request accepted slowly", sent_slowly, 16_000, "timeout_head"),
    ];
    for (name, attempt, at, cause) in cases {
        let run = run(&config(), Network::always(attempt), secs(17));
        let (ended_at, code) = ended(&run);
        assert_eq!(code, cause, "{name}");
        assert!((15_000..=at).contains(&ended_at), "{name}: {ended_at}");
        assert_eq!(run.delays()[0], 250, "{name}");
    }
    let just = Attempt::new().bytes(secs(15), HEAD).line(0, &post(1));
    assert_eq!(run(&config(), Network::always(just), secs(16)).bytes().len(), 1);
}

#[test]
fn idle_timeout_ends_a_stream_25_s_after_the_last_content() {
    for last in [0, 1, ms(1), secs(20), secs(24), secs(25)] {
        for early in [false, true] {
            let mut net = Network::always(Attempt::stream().keep_alive(last));
            net.early = early;
            let run = run(&config(), net, secs(50) + 1);
            assert_eq!(run.first().reason.code(), "timeout_silence");
            assert_eq!(run.disconnected[0].0, last + secs(25), "{last} {early}");
        }
    }
    // Slightly too late.
    let run = run(&config(), Network::always(Attempt::stream().keep_alive(secs(25) + 1)), secs(26));
    assert_eq!((ended(&run), run.keep_alives), ((25_000, "timeout_silence"), 0));
}

#[test]
fn only_content_extends_the_idle_timeout() {
    let mut framing = Attempt::stream().keep_alive(0);
    for _ in 0..40 {
        framing = framing.bytes(secs(1), "0");
    }
    // A chunk size of endless zeros is refused at 16 digits, so an extension follows it.
    let mut extension = Attempt::stream().keep_alive(0).bytes(secs(1), "1;");
    for _ in 0..40 {
        extension = extension.bytes(secs(1), "x");
    }
    let mut trailer = Attempt::stream().keep_alive(0).bytes(secs(1), "0\r\nx: ");
    for _ in 0..40 {
        trailer = trailer.bytes(secs(1), "y");
    }
    for (name, attempt) in [("extension", extension), ("trailer", trailer)] {
        let run = run(&config(), Network::always(attempt), secs(30));
        assert_eq!(ended(&run), (25_000, "timeout_silence"), "{name}");
    }
    let run = run(&config(), Network::always(framing), secs(30));
    assert!(ended(&run).0 <= 25_000);
}

#[test]
fn late_wake_up_reads_once_before_timing_out() {
    // The machine is suspended from 10 s to 90 s. Content that arrives meanwhile prevents the idle
    // timeout.
    let mut net = Network::always(
        Attempt::stream().keep_alive(secs(5)).line(secs(20), &post(1)).line(secs(25), &post(2)),
    );
    net.suspend = Some((secs(10), secs(80)));
    let awake = run(&config(), net.clone(), secs(114));
    assert_eq!(awake.bytes().len(), 2);
    assert!(awake.disconnected.is_empty(), "{:#?}", awake.lines);
    // Nothing arrived: one read, then the timeout.
    net.rest = Attempt::stream().keep_alive(secs(5));
    let silent = run(&config(), net.clone(), secs(91));
    assert_eq!(ended(&silent), (90_000, "timeout_silence"));
    // Only framing arrived.
    net.rest = Attempt::stream().keep_alive(secs(5)).bytes(secs(20), "5;x");
    let framing = run(&config(), net, secs(91));
    assert_eq!(ended(&framing), (90_000, "timeout_silence"));
}

#[test]
fn slow_consumer_does_not_count_against_the_server() {
    // Event 1 is held for ten minutes. The server's next content waits in the socket.
    let attempt = Attempt::stream()
        .line(secs(1), &post(1))
        .line(secs(30), &post(2))
        .keep_alive(secs(30))
        .keep_alive(secs(600));
    let net = Network::new([attempt]).hold(1, secs(600));
    let run = run(&config(), net, secs(627));
    assert_eq!(run.bytes().len(), 2);
    assert_eq!(run.keep_alives, 1);
    assert_eq!(ended(&run), (626_000, "timeout_silence"), "25 s after the read at 601 s");
    // The event is held, and no more input arrives. The idle timeout counts from the end of the
    // hold.
    let run = self::run(
        &config(),
        Network::always(Attempt::stream().line(secs(1), &post(1))).hold(1, secs(100)),
        secs(127),
    );
    assert_eq!(ended(&run), (126_000, "timeout_silence"));
    // The event of the head, a keep-alive and a skipped message may be held as well.
    for (event, attempt) in [
        (0, Attempt::stream()),
        (1, Attempt::stream().keep_alive(0)),
        (1, Attempt::stream().line(0, &"x".repeat(100_000))),
    ] {
        let run = self::run(&config(), Network::always(attempt).hold(event, secs(100)), secs(126));
        assert_eq!(ended(&run), (125_000, "timeout_silence"));
    }
}

#[test]
fn message_times_out_after_60_s() {
    let message = |step| {
        let mut attempt = Attempt::stream().bytes(0, chunk(r#"{"text":""#));
        for _ in 0..100 {
            attempt = attempt.bytes(step, chunk("x"));
        }
        attempt
    };
    let run = run(&config(), Network::always(message(secs(7))), secs(62));
    assert_eq!(ended(&run), (60_000, "timeout_message"));
    assert_eq!(run.first().undelivered, 9 + 8);
    // The time that a consumer held the previous event does not count toward the message's
    // deadline.
    let attempt = message(secs(7));
    let mut acts = attempt.acts;
    acts.insert(1, (0, ServerAction::Bytes([line(&post(1)), chunk("{")].concat())));
    let net = Network::always(Attempt { acts, ..Attempt::new() }).hold(1, secs(30));
    assert_eq!(ended(&self::run(&config(), net, secs(93))), (90_000, "timeout_message"));
}

#[test]
fn endless_message_times_out_although_every_read_returns_bytes() {
    for size in [1, 5_000] {
        // Each read takes some time, and the next bytes arrive before the next read.
        let mut attempt = Attempt::stream().bytes(0, chunk("{"));
        for _ in 0..700 {
            attempt = attempt.bytes(ms(100), chunk(&"x".repeat(size)));
        }
        let mut net = Network::always(attempt);
        net.read_time = ms(101);
        let run = run(&config(), net, secs(63));
        let (at, cause) = ended(&run);
        assert_eq!(cause, "timeout_message");
        assert!((60_000..=61_100).contains(&at), "{at}");
    }
}

#[test]
fn announced_disconnect_closes_after_5_s() {
    let announced = |more: Attempt| {
        let mut attempt = Attempt::stream().line(ms(1), &post(1)).line(secs(2), OPERATIONAL);
        attempt.acts.extend(more.acts);
        attempt
    };
    let silent = run(&config(), Network::always(announced(Attempt::new())), secs(8));
    assert_eq!(ended(&silent), (7_001, "timeout_disconnect"));
    assert_eq!(silent.delays()[0], 0);
    assert!(silent.first().announced.is_some());
    // Keep-alives do not show that the stream continues.
    let alive = run(
        &config(),
        Network::always(announced((0..10).fold(Attempt::new(), |a, _| a.keep_alive(secs(1))))),
        secs(9),
    );
    assert_eq!(ended(&alive).1, "timeout_disconnect");
    assert!((7_001..=8_001).contains(&ended(&alive).0), "{:?}", ended(&alive));
    // Posts do.
    let going = run(
        &config(),
        Network::always(announced((0..20).fold(Attempt::new(), |a, id| a.line(secs(4), &post(id))))),
        secs(60),
    );
    assert!(going.disconnected.is_empty(), "{:#?}", going.lines);
    // Time that the consumer takes does not count here either.
    let held = run(&config(), Network::always(announced(Attempt::new())).hold(2, secs(60)), secs(68));
    assert_eq!(ended(&held), (67_001, "timeout_disconnect"));
}

#[test]
fn announced_disconnect_closes_despite_a_flood_of_keep_alives() {
    let mut attempt = Attempt::stream().line(0, OPERATIONAL);
    for _ in 0..3_000 {
        attempt = attempt.keep_alive(ms(10));
    }
    let mut net = Network::always(attempt);
    // Reading is so slow that input is always waiting.
    net.read_time = ms(11);
    let run = run(&config(), net, secs(30));
    assert_eq!(run.first().reason.code(), "timeout_disconnect");
}

#[test]
fn announced_reason_selects_the_backoff_schedule() {
    let error = |words: &str| {
        format!(
            r#"{{"errors":[{{"title":"t","type":"https://api.x.com/2/problems/operational-disconnect",{words}}}]}}"#
        )
    };
    let cases = [
        (OPERATIONAL.to_owned(), 0, 250),
        (error(r#""disconnect_type":"UpstreamOperationalDisconnect""#), 0, 250),
        (error(r#""disconnect_type":"ForceDisconnect""#), 0, 5_000),
        (error(r#""disconnect_type":"SlowReader""#), 0, 5_000),
        (error(r#""disconnect_type":"ClientApplicationStateDegraded""#), 5_000, 10_000),
        (error(r#""connection_issue":"TooManyConnections""#), 60_000, 120_000),
        (
            r#"{"title":"UsageCapExceeded","type":"https://api.twitter.com/2/problems/usage-capped"}"#
                .to_owned(),
            60_000,
            120_000,
        ),
        (r#"{"disconnect":{"code":1,"stream_name":"s","reason":"r"}}"#.to_owned(), 0, 250),
        (r#"{"disconnect":{"code":7,"stream_name":"s","reason":"r"}}"#.to_owned(), 5_000, 10_000),
    ];
    for (message, first, second) in cases {
        let announced = || Attempt::stream().line(0, &message).end(0);
        let run = run(&config(), Network::new([announced(), announced()]), first / 1_000 * 1_000_000_000 + 1);
        let delays: Vec<u128> = run.delays().into_iter().take(2).collect();
        assert_eq!(delays, [u128::from(first), second], "{message}");
    }
}

#[test]
fn jumping_clocks_cause_no_negative_wait_and_no_panic() {
    let hour = 3_600_000_000_000_i64;
    for jump in [-1, -1_000_000, -hour, 1, 1_000_000, hour, 100 * hour] {
        for event in 0..6 {
            let attempt = || {
                Attempt::stream()
                    .line(secs(1), &post(1))
                    .bytes(secs(1), "5\r\n{")
                    .fault(secs(9), TransportErrorKind::Reset)
            };
            let mut net = Network::new([
                attempt(),
                attempt(),
                Attempt::failing(TransportErrorKind::Refused),
                attempt(),
            ]);
            net.now = secs(1_000_000);
            net.jumps = vec![(event, jump, 0)];
            let limit = net.now.saturating_add_signed(jump.max(0)) + secs(300);
            let run = run(&config(), net, limit);
            assert!(run.disconnected.len() > 4, "{jump} at {event}: {:#?}", run.lines);
            assert!(run.disconnected.iter().all(|(_, _, d)| d.delay.as_secs() <= 20));
            assert_eq!(run.messages.len(), 3, "{jump} at {event}: {:#?}", run.lines);
        }
    }
}

#[test]
fn wall_clock_jump_after_a_429_does_not_lengthen_the_wait() {
    let day = 86_400_000;
    let answer = refusal("429 x", "x-rate-limit-remaining: 0\r\nx-rate-limit-reset: 1700000500\r\n", "");
    let limited = || Attempt::new().bytes(0, &answer);
    for jump in [day, -day] {
        // At the events of the refusal and of the disconnect, the wait is already determined.
        for event in [0, 1] {
            let mut net = Network::new([limited(), Attempt::stream().line(0, &post(1))]);
            net.jumps = vec![(event, 0, jump)];
            let run = run(&config(), net, secs(501));
            assert_eq!(run.delays(), [500_000], "{jump} at {event}");
            assert_eq!(run.bytes().len(), 1);
        }
        // Another 429 after the jump: its reset is in the past, or too far ahead.
        let mut net = Network::new([limited(), limited()]);
        net.jumps = vec![(1, 0, jump)];
        let run = run(&config(), net, secs(501));
        assert_eq!(run.delays(), [500_000, if jump > 0 { 120_000 } else { 86_400_000 }]);
    }
}
