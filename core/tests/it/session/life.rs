//! Tests whole sessions, and their reconnect schedules.

use powerstream_core::transport_error::TransportErrorKind;

use crate::harness::*;

#[test]
fn full_transcript_from_connect_to_shutdown() {
    let long = || {
        Attempt::stream()
            .line(ms(5), METADATA)
            .line(ms(5), &post(1))
            .keep_alive(secs(19))
            .line(secs(2), &post(2))
    };
    let net = Network::new([
        long().line(ms(100), OPERATIONAL).end(ms(10)),
        Attempt::failing(TransportErrorKind::Refused),
        Attempt::failing(TransportErrorKind::Resolve),
        Attempt::failing(TransportErrorKind::Unreachable),
        // Streams again, becomes healthy, and may reconnect immediately again.
        long().end(0),
        Attempt::stream().line(0, &post(3)).eof(0),
        Attempt::stream().line(0, &post(4)).eof(0),
        Attempt::failing(TransportErrorKind::Refused),
    ]);
    let run = run(&config(), net, secs(46));
    let request = "GET /2/powerstream HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Bearer \
                   AAAAtoken-never-to-be-printed-5Zx%3D\r\nUser-Agent: test/1\r\nAccept: application/json\r\n\
                   Accept-Encoding: identity\r\nConnection: keep-alive\r\n\r\n";
    assert!(run.net().requests.iter().all(|(_, text)| text == request), "{:#?}", run.net().requests);
    assert_eq!(run.net().requests.len(), 4);
    let expected = [
        "0 connect",
        "0 connected 200",
        "5 message of 76",
        "10 post 1",
        "19010 keep-alive",
        "21010 post 2",
        "21110 message of 220",
        "21120 close",
        "21120 disconnected ended 0",
        "21120 connect",
        "21120 close",
        "21120 disconnected fault 250",
        "21370 connect",
        "21370 close",
        "21370 disconnected fault 500",
        "21870 connect",
        "21870 close",
        "21870 disconnected fault 750",
        "22620 connect",
        "22620 connected 200",
        "22625 message of 76",
        "22630 post 1",
        "41630 keep-alive",
        "43630 post 2",
        "43630 close",
        "43630 disconnected ended 0",
        "43630 connect",
        "43630 connected 200",
        "43630 post 3",
        "43630 close",
        "43630 disconnected cut 250",
        "43880 connect",
        "43880 connected 200",
        "43880 post 4",
        "43880 close",
        "43880 disconnected cut 500",
        "44380 connect",
        "44380 close",
        "44380 disconnected fault 750",
        "45130 connect",
        "45130 close",
        "45130 disconnected fault 1000",
    ];
    assert_eq!(run.lines, expected, "{:#?}", run.lines);
    let announced: Vec<bool> = run.disconnected.iter().map(|(_, _, d)| d.announced.is_some()).collect();
    assert_eq!(announced.iter().position(|&is_announced| is_announced), Some(0));
    assert_eq!(announced.iter().filter(|&&is_announced| is_announced).count(), 1);
}

/// Returns the delays between the attempts on a network that never connects, in milliseconds.
fn refused_delays(seed: u64, jitter: u8) -> Vec<u128> {
    let mut config = config();
    config.backoff.jitter_percent = jitter;
    run_seeded(&config, Network::new([]), secs(600), seed).delays()
}

#[test]
fn network_errors_back_off_in_steps_of_250_ms_up_to_16_s() {
    let delays = refused_delays(1, 0);
    for (index, &delay) in delays.iter().enumerate() {
        assert_eq!(delay, (250 * (index as u128 + 1)).min(16_000));
    }
    assert!(delays.len() > 65);
}

#[test]
fn jitter_depends_on_the_seed_and_only_lengthens_delays() {
    for seed in 0..20 {
        let delays = refused_delays(seed, 25);
        assert_eq!(delays, refused_delays(seed, 25));
        for (index, &delay) in delays.iter().enumerate() {
            let documented = (250 * (index as u128 + 1)).min(16_000);
            assert!((documented..=documented * 5 / 4).contains(&delay), "{seed}: {delay} for {documented}");
        }
    }
    assert_ne!(refused_delays(1, 25), refused_delays(2, 25));
}

#[test]
fn reaching_the_maximum_delay_is_reported() {
    let run = run(&config(), Network::new([]), secs(600));
    let first = run.disconnected.iter().position(|(_, _, disconnected)| disconnected.at_ceiling);
    assert_eq!(first, Some(63));
}

/// Returns the maximum number of attempts in any period of this length.
fn most_in(connects: &[u64], span: u64) -> usize {
    connects
        .iter()
        .map(|start| connects.iter().filter(|at| (*start..start + span).contains(at)).count())
        .max()
        .unwrap()
}

/// Returns the number of attempts within a time after the first disconnect, without the first
/// connection.
fn attempts_after_drop(run: &Run, span: u64) -> usize {
    let drop = run.disconnected[0].0;
    run.net().connects.iter().skip(1).filter(|at| **at <= drop + span).count()
}

#[test]
fn short_lived_connections_back_off() {
    let shapes = [
        ("close at once", Attempt::new().eof(0)),
        ("head and close", Attempt::stream().eof(0)),
        ("head and reset", Attempt::stream().fault(0, TransportErrorKind::Reset)),
        ("clean end", Attempt::stream().end(0)),
        ("no content", Attempt::new().bytes(0, "HTTP/1.1 204 No Content\r\n\r\n").eof(0)),
        ("metadata", Attempt::stream().line(0, METADATA).end(0)),
        ("keep-alive", Attempt::stream().keep_alive(0).eof(0)),
        ("a Post", Attempt::stream().line(0, &post(1)).eof(0)),
        ("announcement", Attempt::stream().line(0, OPERATIONAL).end(0)),
        ("a stream of less than 20 s", Attempt::stream().line(0, METADATA).keep_alive(secs(9)).end(secs(9))),
        // A close after 20 s without content does not count as healthy either.
        ("24 s without content", Attempt::stream().eof(secs(24))),
    ];
    for (name, shape) in shapes {
        let run = run(&config(), Network::always(shape), secs(3_600));
        let delays = run.delays();
        let first = usize::from(delays[0] == 0);
        assert_eq!(
            first,
            usize::from(name != "close at once"),
            "{name}: the first reconnect after an established stream is immediate"
        );
        for (index, &delay) in delays[first..].iter().enumerate() {
            assert_eq!(delay, (250 * (index as u128 + 1)).min(16_000), "{name}");
        }
        assert!(attempts_after_drop(&run, secs(60)) <= 22, "{name}: {}", attempts_after_drop(&run, secs(60)));
        assert!(
            attempts_after_drop(&run, secs(540)) <= 66,
            "{name}: {}",
            attempts_after_drop(&run, secs(540))
        );
        let late: Vec<u64> = run.net().connects.iter().copied().filter(|at| *at > secs(541)).collect();
        assert!(most_in(&late, secs(60)) <= 4, "{name}");
    }
}

#[test]
fn stream_is_healthy_with_content_20_s_after_the_head() {
    let keeps_coming = |last| Attempt::stream().keep_alive(secs(10)).keep_alive(last - secs(10)).end(0);
    let until = |attempt: Attempt| {
        let net =
            Network::new([Attempt::stream().eof(0), Attempt::failing(TransportErrorKind::Refused), attempt]);
        run(&config(), net, secs(40)).delays()[..4].to_vec()
    };
    // The last byte arrives just before 20 s, or at 20 s: the immediate reconnect is used up, or
    // available again.
    assert_eq!(until(keeps_coming(secs(20) - 1)), [0, 250, 500, 750]);
    assert_eq!(until(keeps_coming(secs(20))), [0, 250, 0, 250]);
    // Sizes and extensions are not content and do not make a stream healthy.
    let framing = Attempt::stream().bytes(secs(20), "5;ext=1\r\n").eof(0);
    assert_eq!(until(framing), [0, 250, 500, 750]);
}

#[test]
fn http_errors_back_off_from_5_s_doubling_to_320_s() {
    let run = run(
        &config(),
        Network::always(Attempt::new().bytes(0, refusal("503 x", "", "")).eof(0)),
        secs(3_600) + 1,
    );
    let seconds: Vec<u128> = run.delays().iter().map(|delay| delay / 1_000).collect();
    assert_eq!(seconds[..8], [5, 10, 20, 40, 80, 160, 320, 320]);
    assert!(run.net().connects.len() <= 17, "{}", run.net().connects.len());
}

#[test]
fn rate_limits_back_off_from_60_s_doubling_to_900_s() {
    let run = run(
        &config(),
        Network::always(Attempt::new().bytes(0, refusal("429 x", "", "")).eof(0)),
        secs(3_600) + 1,
    );
    let seconds: Vec<u128> = run.delays().iter().map(|delay| delay / 1_000).collect();
    assert_eq!(seconds[..6], [60, 120, 240, 480, 900, 900]);
    assert!(run.net().connects.len() <= 8, "{}", run.net().connects.len());
}

#[test]
fn failure_classes_count_separately_and_reset_together() {
    let unavailable = || Attempt::new().bytes(0, refusal("503 x", "", ""));
    let limited = || Attempt::new().bytes(0, refusal("429 x", "", ""));
    let refused = || Attempt::failing(TransportErrorKind::Refused);
    let healthy = Attempt::stream().keep_alive(secs(20)).end(0);
    let net = Network::new([
        unavailable(),
        refused(),
        unavailable(),
        limited(),
        refused(),
        limited(),
        healthy,
        refused(),
        unavailable(),
        limited(),
    ]);
    let run = run(&config(), net, secs(500));
    assert_eq!(run.delays()[..10], [5_000, 250, 10_000, 60_000, 500, 120_000, 0, 250, 5_000, 60_000]);
}

#[test]
fn session_streams_again_once_the_errors_stop() {
    let mut attempts: Vec<Attempt> =
        (0..100).map(|_| Attempt::failing(TransportErrorKind::Refused)).collect();
    attempts.push(Attempt::stream().line(0, &post(1)));
    let run = run(&config(), Network::new(attempts), secs(3_600));
    assert_eq!(run.bytes(), [post(1).as_bytes()]);
    let connects = &run.net().connects;
    assert!(connects[100] - connects[99] <= secs(16));
}
