//! Tests responses that are not a stream: their meaning, the wait after them, and their bodies.

use powerstream_core::session::RefusalKind;
use powerstream_core::transport_error::TransportErrorKind;

use crate::harness::*;

const UNIX: u64 = 1_700_000_000;

fn answered(answer: impl AsRef<[u8]>) -> Run {
    run(&config(), Network::always(Attempt::new().bytes(0, answer)), secs(1))
}

fn problem(kind: &str, issue: &str) -> String {
    format!(
        r#"{{"title":"ConnectionException","detail":"d","connection_issue":"{issue}","type":"https://api.twitter.com/2/problems/{kind}"}}"#
    )
}

#[test]
fn each_status_and_body_maps_to_its_refusal() {
    use RefusalKind as K;
    let provisioning = problem("streaming-connection", "ProvisioningSubscription");
    let too_many = problem("streaming-connection", "TooManyConnections");
    let no_rules = problem("streaming-connection", "RuleConfigurationIssue");
    let invalid = problem("streaming-connection", "RulesInvalidIssue");
    let unknown = problem("streaming-connection", "NewIssue");
    let capped = r#"{"account_id":123,"title":"UsageCapExceeded","period":"Monthly","type":"https://api.twitter.com/2/problems/usage-capped"}"#;
    let capped_by_title = r#"{"title":"UsageCapExceeded","type":"about:blank"}"#;
    let capped_by_type = r#"{"title":"x","type":"https://api.x.com/labs/1/problems/usage-capped"}"#;
    let too_many_requests =
        r#"{"title":"Too Many Requests","detail":"Too Many Requests","type":"about:blank","status":429}"#;
    let legacy = r#"{"errors":[{"code":88,"message":"Rate limit exceeded"}]}"#;
    let html = "<html><body>502 Bad Gateway</body></html>";
    // (status, fields, body, kind, seconds to wait; none: the session ends)
    let cases: &[(u16, &str, &str, K, Option<u64>)] = &[
        (
            400,
            "",
            r#"{"errors":[{"parameters":{"partition":["0"]},"message":"m"}],"title":"Invalid Request","type":"https://api.twitter.com/2/problems/invalid-request"}"#,
            K::Request,
            None,
        ),
        (
            401,
            "",
            r#"{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}"#,
            K::Unauthorized,
            None,
        ),
        (401, "", "", K::Unauthorized, None),
        (402, "", r#"{"title":"CreditsDepleted","detail":"d"}"#, K::Request, None),
        (
            403,
            "",
            r#"{"client_id":"1","title":"Client Forbidden","type":"https://api.twitter.com/2/problems/client-forbidden"}"#,
            K::Forbidden,
            None,
        ),
        (
            403,
            "",
            r#"{"title":"Unsupported Authentication","type":"https://api.twitter.com/2/problems/unsupported-authentication","status":403}"#,
            K::Forbidden,
            None,
        ),
        (404, "", "", K::Request, None),
        (406, "", "", K::Request, None),
        (409, "", &no_rules, K::NoRules, None),
        (409, "", "", K::NoRules, None),
        (400, "", &no_rules, K::NoRules, None),
        (409, "", &invalid, K::InvalidRules, None),
        (400, "", &invalid, K::InvalidRules, None),
        (410, "", "", K::Request, None),
        (420, "", "Exceeded connection limit for user\r\n", K::RateLimit, Some(60)),
        (429, "", &too_many, K::ConnectionLimit, Some(60)),
        (
            429,
            "x-rate-limit-remaining: 0\r\nx-rate-limit-reset: 1700000500\r\n",
            &too_many,
            K::ConnectionLimit,
            Some(60),
        ),
        (429, "x-rate-limit-remaining: 0\r\n", &unknown, K::ConnectionLimit, Some(60)),
        (503, "", &unknown, K::Server, Some(5)),
        (429, "", capped, K::UsageCap, None),
        (429, "", capped_by_title, K::UsageCap, None),
        (429, "x-rate-limit-remaining: 0\r\n", capped_by_type, K::UsageCap, None),
        (429, "", too_many_requests, K::RateLimit, Some(60)),
        (
            429,
            "x-rate-limit-remaining: 0\r\nx-rate-limit-reset: 1700000500\r\n",
            too_many_requests,
            K::WindowLimit,
            Some(500),
        ),
        (429, "", legacy, K::RateLimit, Some(60)),
        (
            429,
            "x-rate-limit-remaining: 0\r\nx-rate-limit-reset: 1700000100\r\n",
            legacy,
            K::WindowLimit,
            Some(100),
        ),
        (429, "", "", K::RateLimit, Some(60)),
        (429, "x-rate-limit-remaining: 3\r\n", "", K::ConnectionLimit, Some(60)),
        (429, "x-rate-limit-remaining: 0\r\n", "", K::WindowLimit, Some(60)),
        (429, "x-rate-limit-reset: 1700000500\r\n", "", K::WindowLimit, Some(500)),
        (301, "location: http://127.0.0.1/\r\n", "", K::Redirect, None),
        (307, "location: https://example.org/\r\n", html, K::Redirect, None),
        (408, "", "", K::Server, Some(5)),
        (425, "", "", K::Server, Some(5)),
        (500, "", html, K::Server, Some(5)),
        (502, "", "", K::Server, Some(5)),
        (503, "", "", K::Server, Some(5)),
        (503, "", &provisioning, K::Provisioning, Some(60)),
        (504, "", html, K::Server, Some(5)),
        (600, "", "", K::Server, Some(5)),
        (999, "", "", K::Server, Some(5)),
    ];
    for &(status, fields, body, kind, wait) in cases {
        let run = answered(refusal(&format!("{status} x"), fields, body));
        let name = format!("{status} {fields:?} {body}");
        let (refused, document) = &run.refused[0];
        assert_eq!((refused.status, refused.kind), (status, kind), "{name}");
        assert_eq!(document, body.as_bytes(), "{name}");
        match wait {
            Some(seconds) => {
                assert_eq!(run.lines[1..3], ["0 close", &format!("0 refused {kind:?} {status}")], "{name}");
                let disconnected = run.first();
                assert_eq!(disconnected.delay.as_secs(), seconds, "{name}");
                assert_eq!(disconnected.retry_at, at(seconds * 1_000), "{name}");
                assert_eq!((disconnected.undelivered, disconnected.gap_from), (0, None), "{name}");
                assert!(!run.over && run.gave_up.is_none(), "{name}");
            }
            None => {
                let end = [
                    "0 connect",
                    "0 close",
                    &format!("0 refused {kind:?} {status}"),
                    "0 gave up refused",
                    "0 done",
                ];
                assert_eq!(run.lines, end, "{name}");
            }
        }
    }
}

#[test]
fn server_announced_waits_are_honored() {
    // (fields after `x-rate-limit-remaining: 0`, seconds waited, true if ignored)
    let cases = [
        ("x-rate-limit-reset: 1699999000", 60, false),
        ("x-rate-limit-reset: 1700000000", 60, false),
        ("x-rate-limit-reset: 1700000059", 60, false),
        ("x-rate-limit-reset: 1700000061", 61, false),
        ("x-rate-limit-reset: 1700018000", 18_000, false),
        ("x-rate-limit-reset: 1700086400", 86_400, false),
        ("x-rate-limit-reset: 1700086401", 60, true),
        // In milliseconds, by mistake.
        ("x-rate-limit-reset: 1700000500000", 60, true),
        ("x-rate-limit-reset: 18446744073709551615", 60, false),
        ("x-rate-limit-reset: 99999999999999999999999", 60, false),
        ("x-rate-limit-reset: soon", 60, false),
        ("x-rate-limit-reset: -1", 60, false),
        ("x-rate-limit-reset:", 60, false),
        ("retry-after: 120", 120, false),
        ("retry-after: 1", 60, false),
        ("retry-after: 86401", 60, true),
        ("retry-after: 18446744073709551615", 60, false),
        ("retry-after: in a while", 60, false),
        // 1700000000 is Tue, 14 Nov 2023 22:13:20 GMT.
        ("retry-after: Tue, 14 Nov 2023 22:16:40 GMT", 200, false),
        ("retry-after: Tue, 14 Nov 2023 20:16:40 GMT", 60, false),
        ("retry-after: Fri, 14 Nov 2025 20:16:40 GMT", 60, true),
        ("x-rate-limit-reset: 1700000300\r\nretry-after: 200", 300, false),
        ("x-rate-limit-reset: 1700000300\r\nretry-after: 400", 400, false),
        // An ignored field does not affect a valid one.
        ("x-rate-limit-reset: 1700000500000\r\nretry-after: 400", 400, true),
        ("x-rate-limit-reset: 1700000300\r\nretry-after: 999999", 300, true),
    ];
    for (fields, seconds, ignored) in cases {
        let fields = format!("x-rate-limit-remaining: 0\r\n{fields}\r\n");
        let run = answered(refusal("429 x", &fields, ""));
        let disconnected = run.first();
        assert_eq!(disconnected.delay.as_secs(), seconds, "{fields}");
        assert_eq!(disconnected.reset_ignored, ignored, "{fields}");
    }
    // `Retry-After` counts for a 503 as well. The reset of the window does not.
    let unavailable = answered(refusal("503 x", "retry-after: 77\r\nx-rate-limit-reset: 1700000999\r\n", ""));
    assert_eq!(unavailable.first().delay.as_secs(), 77);
    let fields = "x-rate-limit-remaining: 0\r\nx-rate-limit-reset: 1700000500\r\n";
    assert_eq!(UNIX, 1_700_000_000);
    // The first delay is longer than the requested wait, because the documented minimum applies.
    let net = Network::new([
        Attempt::new().bytes(0, refusal("429 x", "", "")),
        Attempt::new().bytes(0, refusal("429 x", fields, "")),
    ]);
    let twice = run(&config(), net, secs(61));
    assert_eq!(twice.delays(), [60_000, 440_000]);
}

#[test]
fn refusal_body_is_read_with_every_framing() {
    let body = problem("streaming-connection", "ProvisioningSubscription");
    let chunked = |end: &str| {
        let (one, two) = body.split_at(30);
        let mut bytes = b"HTTP/1.1 503 x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        bytes.extend(chunk(one));
        bytes.extend(chunk(two));
        bytes.extend(end.as_bytes());
        bytes
    };
    let until_close = format!("HTTP/1.1 503 x\r\n\r\n{body}");
    let too_short = format!("HTTP/1.1 503 x\r\ncontent-length: {}\r\n\r\n{body}", body.len() + 100);
    let forms: [(&str, Attempt, u64); 9] = [
        ("length", Attempt::new().bytes(0, refusal("503 x", "", &body)), 0),
        ("chunked", Attempt::new().bytes(0, chunked("0\r\n\r\n")), 0),
        ("until close", Attempt::new().bytes(0, &until_close).eof(ms(3)), 3),
        ("cut", Attempt::new().bytes(0, &too_short).eof(ms(4)), 4),
        ("cut in a chunk", Attempt::new().bytes(0, chunked("ff\r\n")).eof(ms(5)), 5),
        ("fault", Attempt::new().bytes(0, &too_short).fault(ms(6), TransportErrorKind::Reset), 6),
        ("broken", Attempt::new().bytes(0, chunked("zz\r\n")), 0),
        ("not ended", Attempt::new().bytes(ms(10), &too_short), 15_010),
        (
            "trickling",
            {
                let attempt = Attempt::new().bytes(0, "HTTP/1.1 503 x\r\n\r\n").bytes(ms(10), &body);
                (0..100).fold(attempt, |attempt, _| attempt.bytes(secs(1), " "))
            },
            15_000,
        ),
    ];
    for (name, attempt, at) in forms {
        for buffer_bytes in [1, 7, 16_384] {
            let mut net = Network::always(attempt.clone());
            net.buffer_bytes = buffer_bytes;
            let run = run(&config(), net, secs(20));
            let (refused, document) = &run.refused[0];
            assert_eq!(refused.kind, RefusalKind::Provisioning, "{name}");
            assert_eq!(std::str::from_utf8(document).unwrap().trim(), body, "{name}");
            assert_eq!(run.lines[1], format!("{at} close"), "{name}");
            assert_eq!(run.lines[3], format!("{at} disconnected refused 60000"), "{name}");
        }
    }
}

/// Refusals that end the session still end it, and the others keep their schedule.
#[test]
fn status_decides_if_the_body_has_a_coding_that_was_not_requested() {
    use RefusalKind as K;
    let gzip = b"\x1F\x8B\x08\0\x03\xFF";
    for (status, kind, wait) in [
        (401, K::Unauthorized, None),
        (403, K::Forbidden, None),
        (404, K::Request, None),
        (302, K::Redirect, None),
        (429, K::RateLimit, Some(60)),
        (503, K::Server, Some(5)),
    ] {
        for fields in [
            "Transfer-Encoding: gzip, chunked\r\n",
            "Content-Encoding: gzip\r\nContent-Length: 6\r\n",
            "Content-Encoding: br\r\n",
            "Content-Length: 6, 06\r\n",
            "Content-Length:\r\n 6\r\n",
        ] {
            // An unread document is not an empty one. An empty one would mean a connection limit.
            let head = format!("HTTP/1.1 {status} x\r\nx-rate-limit-remaining: 3\r\n{fields}\r\n");
            let wire = [head.as_bytes(), gzip].concat();
            for buffer_bytes in [1, 2, 16_384] {
                let mut net = Network::always(Attempt::new().bytes(0, &wire));
                net.buffer_bytes = buffer_bytes;
                let run = run(&config(), net, secs(1));
                let (refused, document) = &run.refused[0];
                let name = format!("{status} {fields:?} by {buffer_bytes}");
                assert_eq!((refused.status, refused.kind), (status, kind), "{name}");
                assert!(document.is_empty(), "{name}");
                // The session does not wait for more input.
                assert_eq!(run.lines[1], "0 close", "{name}");
                match wait {
                    Some(seconds) => assert_eq!(run.first().delay.as_secs(), seconds, "{name}"),
                    None => assert_eq!(run.lines[3..], ["0 gave up refused", "0 done"], "{name}"),
                }
            }
        }
    }
}

/// In these runs the local clock is correct and the server's clock is wrong.
#[test]
fn absolute_waits_are_measured_by_the_servers_date() {
    // 1700000000 is Tue, 14 Nov 2023 22:13:20 GMT.
    let an_hour_ahead = ["Tue, 14 Nov 2023 23:13:20 GMT", "1700003900", "Tue, 14 Nov 2023 23:18:20 GMT"];
    let an_hour_behind = ["Tue, 14 Nov 2023 21:13:20 GMT", "1699996700", "Tue, 14 Nov 2023 21:18:20 GMT"];
    for [date, reset, after] in [an_hour_ahead, an_hour_behind] {
        for wait in [format!("x-rate-limit-reset: {reset}"), format!("retry-after: {after}")] {
            let fields = format!("x-rate-limit-remaining: 0\r\n{wait}\r\ndate: {date}\r\n");
            let run = answered(refusal("429 x", &fields, ""));
            assert_eq!((run.first().delay.as_secs(), run.first().reset_ignored), (300, false), "{fields}");
        }
    }
}

/// The previous stream showed how wrong the local clock is.
#[test]
fn absolute_waits_without_a_date_are_measured_by_the_clock_of_the_stream_before() {
    let head = "HTTP/1.1 200 OK\r\ndate: Tue, 14 Nov 2023 23:13:20 GMT\r\ncontent-length: 2\r\n\r\n\r\n";
    let fields = "x-rate-limit-remaining: 0\r\nx-rate-limit-reset: 1700003900\r\n";
    let net =
        Network::new([Attempt::new().bytes(0, head), Attempt::new().bytes(0, refusal("429 x", fields, ""))]);
    let run = run(&config(), net, secs(1));
    assert_eq!(run.delays(), [0, 300_000]);
}

#[test]
fn refusal_body_is_kept_up_to_64_kib() {
    for length in [65_535, 65_536, 65_537, 200_000] {
        let body = "x".repeat(length);
        let run = answered(refusal("500 x", "", &body));
        assert_eq!(run.refused[0].1.len(), length.min(65_536));
        assert_eq!(run.first().delay.as_secs(), 5);
    }
    // An endless body without pauses. Reading ends as soon as the limit is reached.
    let mut attempt = Attempt::new().bytes(0, "HTTP/1.1 500 x\r\n\r\n");
    for _ in 0..100 {
        attempt = attempt.bytes(ms(1), vec![b'x'; 10_000]);
    }
    let run = run(&config(), Network::always(attempt), secs(1));
    assert_eq!((run.lines[1].as_str(), run.refused[0].1.len()), ("7 close", 65_536));
}

#[test]
fn refusal_body_is_also_limited_by_the_storage() {
    let mut small = config();
    small.message_bytes_max = 100;
    let room = small.storage_bytes() / 2;
    let run = run(
        &small,
        Network::always(Attempt::new().bytes(0, refusal("500 x", "", &"x".repeat(60_000)))),
        secs(1),
    );
    let kept = run.refused[0].1.len();
    assert!((room / 2..room).contains(&kept), "{kept} of {room}");
}
