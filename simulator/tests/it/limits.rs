//! The limit of connections, what happens to one more, and connections that count after their end.

use std::time::Duration;

use powerstream_simulator::{Config, End, ExtraConnection, Simulator, Time};

use crate::client::{Client, Ended, request, start};

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(5);

fn two(change: impl FnOnce(&mut Config)) -> Simulator {
    start(|config| {
        config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
        config.rate = Some(1.0);
        config.connections_max = Some(2);
        change(config);
    })
}

fn ask(simulator: &Simulator, target: &str) -> Client {
    Client::send(simulator, &request(target))
}

fn closed(simulator: &Simulator, number: u64) {
    let log = simulator.ground_truth();
    assert!(log.wait(SOON, |_| log.connection(number).unwrap().end.is_some()));
}

/// The response has the recorded length.
#[test]
fn refuses_one_connection_too_many() {
    let simulator = two(|_| {});
    let first = ask(&simulator, "/2/powerstream");
    // Both paths of Powerstream are the same stream.
    let second = ask(&simulator, "/2/powerstream/stream");
    let mut third = ask(&simulator, "/2/powerstream");
    assert_eq!((first.status(), second.status(), third.status()), (200, 200, 429));
    assert_eq!(third.read_to_end(), Ended::Eof);
    assert_eq!(third.header("content-length"), Some("207"));
    let text = String::from_utf8_lossy(third.leftover()).into_owned();
    assert!(text.contains(r#""connection_issue":"TooManyConnections""#), "{text}");
    // Other streams, other partitions and recoveries have their own limits.
    for target in [
        "/2/tweets/sample/stream",
        "/2/tweets/sample10/stream?partition=1",
        "/2/tweets/sample10/stream?partition=1",
        "/2/tweets/sample10/stream?partition=2",
        "/2/powerstream?startTime=2026-09-21T14:00:00Z",
    ] {
        let client = ask(&simulator, target);
        assert_eq!(client.status(), 200, "{target}");
        std::mem::forget(client);
    }
    assert_eq!(ask(&simulator, "/2/tweets/sample10/stream?partition=1").status(), 429);
    drop(first);
    closed(&simulator, 1);
    assert_eq!(ask(&simulator, "/2/powerstream").status(), 200);
}

#[test]
fn refuses_a_recovery_of_too_long_a_range() {
    let simulator = two(|config| config.recovery_window_max = Some(3_600 * SECOND));
    for (range, status) in [
        ("startTime=2026-09-21T12:00:00Z&endTime=2026-09-21T13:00:00Z", 200),
        ("startTime=2026-09-21T12:00:00Z&endTime=2026-09-21T13:00:01Z", 400),
        ("startTime=2026-09-21T12:00:00Z", 400),
    ] {
        let mut client = ask(&simulator, &format!("/2/powerstream?{range}"));
        assert_eq!(client.status(), status, "{range}");
        let _ = client.read_to_end();
        if status == 400 {
            let text = String::from_utf8_lossy(client.leftover()).into_owned();
            assert!(text.contains("endTime") && text.contains("within 3600s of the start"), "{text}");
        }
    }
}

#[test]
fn a_reset_connection_keeps_its_place_for_a_while() {
    let simulator = two(|config| {
        config.connections_max = Some(1);
        config.ghost = 60 * SECOND;
    });
    // A proper close releases the place immediately. The client reads the first Post, because a
    // close with unread data sends a reset.
    let mut client = ask(&simulator, "/2/powerstream");
    client.read_until(|client| client.messages.len() == 1);
    drop(client);
    closed(&simulator, 1);
    let client = ask(&simulator, "/2/powerstream");
    assert_eq!(client.status(), 200);
    client.reset();
    closed(&simulator, 2);
    assert_eq!(ask(&simulator, "/2/powerstream").status(), 429);
    simulator.advance(59 * SECOND);
    assert_eq!(ask(&simulator, "/2/powerstream").status(), 429);
    simulator.advance(SECOND);
    assert_eq!(ask(&simulator, "/2/powerstream").status(), 200);
}

#[test]
fn ends_the_oldest_or_the_newest_connection_if_configured() {
    let simulator = two(|config| config.extra_connection = ExtraConnection::EndOldest);
    let (mut first, _second) = (ask(&simulator, "/2/powerstream"), ask(&simulator, "/2/powerstream"));
    let third = ask(&simulator, "/2/powerstream");
    assert_eq!(third.status(), 200);
    assert_eq!(first.read_to_end(), Ended::Eof);
    assert!(String::from_utf8_lossy(first.messages.last().unwrap()).contains("ForceDisconnect"));
    drop(first);
    closed(&simulator, 1);
    assert_eq!(simulator.ground_truth().totals().open, 2);

    let simulator = two(|config| config.extra_connection = ExtraConnection::EndNewest);
    let _others = (ask(&simulator, "/2/powerstream"), ask(&simulator, "/2/powerstream"));
    let mut third = ask(&simulator, "/2/powerstream");
    simulator.advance(59 * SECOND);
    assert_eq!(simulator.ground_truth().connection(3).unwrap().end, None);
    simulator.advance(2 * SECOND);
    assert_eq!(third.read_to_end(), Ended::LastChunk);
    assert!(String::from_utf8_lossy(third.messages.last().unwrap()).contains("Too many connections"));
}

#[test]
fn limits_stream_requests_if_configured() {
    let simulator = two(|config| config.stream_requests_limited = true);
    for n in (0..50).rev() {
        let client = ask(&simulator, "/2/tweets/sample/stream");
        assert_eq!(client.header("x-rate-limit-remaining"), Some(&*n.to_string()));
        assert_eq!(client.header("x-rate-limit-reset"), Some("1790000900"));
        drop(client);
        assert!(simulator.ground_truth().wait(SOON, |totals| totals.open == 0));
    }
    assert_eq!(ask(&simulator, "/2/tweets/sample/stream").status(), 429);
    // Powerstream has neither this limit nor these headers.
    let client = ask(&simulator, "/2/powerstream");
    assert_eq!((client.status(), client.header("x-rate-limit-limit")), (200, None));
    simulator.advance(900 * SECOND);
    assert_eq!(ask(&simulator, "/2/tweets/sample/stream").status(), 200);
}

/// Posts above the cap are delayed, and finally the reader counts as too slow.
#[test]
fn the_delivery_cap_delays_posts_and_then_disconnects() {
    let simulator = two(|config| {
        *config = Config::strict();
        config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
        config.rate = Some(400.0);
        config.delivery_cap = Some(20.0);
        config.queue_messages_max = 50;
    });
    // Matches about one Post in ten.
    let body =
        r#"{"add":[{"value":"bakery OR trains OR cat OR rain OR radios OR release OR soup OR team"}]}"#;
    let text = format!(
        "POST /2/tweets/search/stream/rules HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(Client::send(&simulator, &text).status(), 201);
    let mut client = ask(&simulator, "/2/tweets/search/stream");
    assert_eq!(client.status(), 200);
    let log = simulator.ground_truth();
    simulator.advance(SECOND);
    let after_a_second = log.connection(2).unwrap().posts;
    assert!(after_a_second <= 21, "{after_a_second}");
    // About thirty Posts per second match, and fifty may wait.
    simulator.advance(20 * SECOND);
    assert_eq!(client.read_to_end(), Ended::Eof);
    let posts = client.messages.len() - 1;
    assert!((5..400).contains(&posts), "{posts}");
    assert!(String::from_utf8_lossy(&client.messages[posts]).contains("SlowReader"));
    drop(client);
    closed(&simulator, 2);
    assert_eq!(log.connection(2).unwrap().end, Some(End::SlowReader));
}

#[test]
fn strict_mode_has_the_limits_of_the_service() {
    let simulator = Simulator::start(Config::strict()).unwrap();
    let clients = [ask(&simulator, "/2/powerstream"), ask(&simulator, "/2/powerstream")];
    assert_eq!(ask(&simulator, "/2/powerstream").status(), 429);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(simulator.ground_truth().totals().posts, 0);
    drop(clients);
}
