//! Each scenario over a real socket: what the client received, compared with the ground truth log.

use std::time::{Duration, Instant};

use powerstream_simulator::{Config, End, FaultScope, Scenario, Simulator};

use crate::client::{Client, Ended, file, lines, start};

const POSTS: usize = 150;
const AFTER: usize = 40;
const SOON: Duration = Duration::from_secs(5);

/// Starts a simulator with a file of 150 Posts, and faults after 40.
fn scenario(scenario: Scenario, change: impl FnOnce(&mut Config)) -> (Simulator, Vec<Vec<u8>>) {
    let source = file(POSTS);
    let posts = lines(&source);
    let simulator = start(|config| {
        config.scenario = scenario;
        config.source = source;
        config.seed = 3;
        config.fault_after = AFTER as u64;
        config.keep_alive = Duration::from_millis(20);
        change(config);
    });
    (simulator, posts)
}

/// Returns the messages of a connection in the log.
fn truth(simulator: &Simulator, connection: u64) -> Vec<Vec<u8>> {
    let messages = simulator.ground_truth().messages(connection);
    for (n, message) in messages.iter().enumerate() {
        assert_eq!(message.index, n as u64);
        assert_eq!(message.bytes.as_ref().unwrap().len(), message.len);
        if let Some(id) = message.post_id {
            assert!(simulator.ground_truth().written_at(id).is_some_and(|at| at <= message.written_at));
        }
    }
    assert!(messages.is_sorted_by_key(|message| message.written_at));
    messages.iter().map(|message| message.bytes.as_ref().unwrap().to_vec()).collect()
}

#[track_caller]
fn ended(simulator: &Simulator, connection: u64, end: End) {
    let log = simulator.ground_truth();
    assert!(log.wait(SOON, |_| log.connection(connection).unwrap().end.is_some()), "still open");
    assert_eq!(log.connection(connection).unwrap().end, Some(end));
}

/// The client receives all Posts in order, byte for byte, then keep-alives.
#[test]
fn harmless_scenarios_deliver_everything() {
    use Scenario as S;
    for name in
        [S::Steady, S::TinyChunks, S::Split, S::Coalesce, S::Dribble, S::Arrays, S::KeepAlives, S::SlowHead]
    {
        let (simulator, posts) = scenario(name, |_| {});
        let want: Vec<Vec<u8>> = match name {
            S::Arrays => posts.iter().map(|post| [b"[", post.as_slice(), b"]"].concat()).collect(),
            _ => posts,
        };
        let mut client = Client::stream(&simulator);
        client.read_messages(POSTS);
        assert!(client.messages == want, "{name}");
        assert!(truth(&simulator, 1) == want, "{name}");
        let before = client.keep_alives;
        client.read_until(|client| client.keep_alives >= before + 3);

        let chunks = client.chunks.len();
        match name {
            S::Steady | S::Arrays => assert_eq!(chunks, POSTS + client.keep_alives),
            S::TinyChunks => assert!(client.chunks.iter().all(|size| *size <= 16)),
            S::Split => assert!(chunks > POSTS * 3),
            S::Coalesce => assert!(chunks < POSTS / 3 && before > 5, "{chunks} chunks, {before} keep-alives"),
            S::KeepAlives => assert!(before >= POSTS - 1),
            _ => {}
        }
        drop(client);
        ended(&simulator, 1, End::ClientLeft);
        let connection = simulator.ground_truth().connection(1).unwrap();
        assert_eq!((connection.posts, connection.messages), (POSTS as u64, POSTS as u64));
        assert_eq!(connection.fault_at.is_some(), name == S::SlowHead);
        let payload = want.iter().map(|post| post.len() as u64 + 2).sum::<u64>() + connection.keep_alives * 2;
        assert_eq!(connection.payload_bytes, payload);
        assert!(connection.wire_bytes > payload);
    }
}

#[test]
fn equal_seeds_give_equal_chunks() {
    let chunks = |seed| {
        let (simulator, posts) = scenario(Scenario::Split, |config| config.seed = seed);
        let mut chunks = Client::stream(&simulator).read_messages(POSTS).chunks.clone();
        // A keep-alive may follow the last Post.
        let mut left = posts.iter().map(|post| post.len() + 2).sum::<usize>();
        chunks.retain(|size| {
            let of_posts = left > 0;
            left = left.saturating_sub(*size);
            of_posts
        });
        chunks
    };
    let one = chunks(1);
    assert_eq!(one, chunks(1));
    assert_ne!(one, chunks(2));
}

/// The client receives forty Posts and the fault. The next connection receives the whole file.
#[test]
fn faults_end_the_connection_as_named() {
    use Scenario as S;
    for (name, how) in [
        (S::Reset, Ended::Reset),
        (S::CloseMidMessage, Ended::Eof),
        (S::CloseBetween, Ended::Eof),
        (S::CleanEnd, Ended::LastChunk),
        (S::BadChunk, Ended::BadChunk),
        (S::OperationalDisconnect, Ended::LastChunk),
    ] {
        let (simulator, posts) = scenario(name, |_| {});
        let mut client = Client::stream(&simulator);
        assert_eq!(client.read_to_end(), how, "{name}");
        match name {
            // A reset may discard data in transit.
            S::Reset => assert!(posts[..AFTER].starts_with(&client.messages)),
            S::OperationalDisconnect => {
                assert_eq!(client.messages.len(), AFTER + 1);
                assert!(client.messages[AFTER].starts_with(b"{\"errors\":[{"));
                assert!(client.messages == truth(&simulator, 1));
            }
            _ => {
                assert!(client.messages == posts[..AFTER], "{name}: {}", client.messages.len());
                assert!(client.messages == truth(&simulator, 1));
            }
        }
        let leftover = client.leftover();
        match name {
            S::CloseMidMessage => assert!(leftover.len() > 500 && posts[AFTER].starts_with(&leftover[5..])),
            S::BadChunk => assert!(!leftover.is_empty()),
            _ => assert!(leftover.is_empty(), "{name}"),
        }
        drop(client);
        ended(&simulator, 1, End::Fault(name));
        assert!(simulator.ground_truth().connection(1).unwrap().fault_at.is_some());

        let mut second = Client::stream(&simulator);
        assert!(second.read_messages(POSTS).messages == posts, "{name}");
        assert!(truth(&simulator, 2) == posts);
    }
}

#[test]
fn a_stall_stays_open_and_silent() {
    let (simulator, posts) = scenario(Scenario::Stall, |_| {});
    let mut client = Client::stream(&simulator);
    client.read_messages(AFTER);
    let log = simulator.ground_truth();
    assert!(log.wait(SOON, |_| log.connection(1).unwrap().fault_at.is_some()));
    // After several keep-alive intervals nothing was sent, and the connection is open.
    std::thread::sleep(Duration::from_millis(80));
    let connection = log.connection(1).unwrap();
    assert_eq!((connection.end, connection.posts), (None, AFTER as u64));
    assert_eq!(client.keep_alives as u64, connection.keep_alives);
    assert!(client.messages == posts[..AFTER]);
    drop(client);
    ended(&simulator, 1, End::Fault(Scenario::Stall));
}

#[test]
fn fault_on_selects_the_affected_attempts() {
    let (simulator, posts) = scenario(Scenario::CleanEnd, |config| {
        config.fault_on = Some(FaultScope::First(2));
        config.fault_after = 5;
    });
    for _ in 0..2 {
        let mut client = Client::stream(&simulator);
        assert_eq!(client.read_to_end(), Ended::LastChunk);
        assert!(client.messages == posts[..5]);
    }
    assert!(Client::stream(&simulator).read_messages(POSTS).messages == posts);
}

/// In a file shorter than the interval, the fault occurs at the end.
#[test]
fn a_file_with_too_few_posts_still_has_its_fault() {
    let (simulator, posts) = scenario(Scenario::CleanEnd, |config| config.fault_after = 10_000);
    let mut client = Client::stream(&simulator);
    assert_eq!(client.read_to_end(), Ended::LastChunk);
    assert!(client.messages == posts);
    let (simulator, _) = scenario(Scenario::UnknownMessages, |config| config.fault_after = 10_000);
    Client::stream(&simulator).read_messages(POSTS + 1);
}

#[test]
fn inserts_messages_between_posts() {
    for name in [Scenario::UnknownMessages, Scenario::Malformed, Scenario::Oversized] {
        let (simulator, posts) = scenario(name, |config| {
            config.oversize_bytes = 300_000;
            config.fault_after = 30;
        });
        let mut client = Client::stream(&simulator);
        client.read_messages(POSTS + 5);
        assert!(client.messages == truth(&simulator, 1), "{name}");
        let strange: Vec<_> = client.messages.iter().filter(|message| !posts.contains(message)).collect();
        assert_eq!(strange.len(), 5, "{name}");
        assert_eq!(client.messages.len(), POSTS + 5);
        if name == Scenario::Oversized {
            assert!(strange.iter().all(|message| message.len() == 300_000));
        }
        assert_eq!(simulator.ground_truth().totals().posts, POSTS as u64);
    }
}

#[test]
fn refuses_with_429_and_the_reset_time() {
    let (simulator, _) = scenario(Scenario::RateLimited, |_| {});
    for connection in 1..=3 {
        let mut client = Client::send(&simulator, &crate::client::request("/2/powerstream"));
        assert_eq!(client.read_to_end(), Ended::Eof);
        assert_eq!(client.status(), 429);
        assert_eq!(client.header("x-rate-limit-remaining"), Some("0"));
        assert!(client.header("x-rate-limit-reset").unwrap().parse::<u64>().unwrap() > 1_700_000_000);
        let length: usize = client.header("content-length").unwrap().parse().unwrap();
        assert_eq!(client.leftover().len(), length);
        assert_eq!(client.leftover(), br#"{"title":"Too Many Requests","type":"about:blank","status":429,"detail":"Too Many Requests"}"#);
        drop(client);
        ended(&simulator, connection, End::Fault(Scenario::RateLimited));
    }
    let (simulator, _) = scenario(Scenario::TooManyConnections, |_| {});
    let mut client = Client::send(&simulator, &crate::client::request("/2/powerstream"));
    client.read_to_end();
    assert_eq!(client.status(), 429);
    assert_eq!(client.header("content-length"), Some("207"));
    assert!(
        String::from_utf8_lossy(client.leftover()).contains(r#""connection_issue":"TooManyConnections""#)
    );
}

#[test]
fn answers_503_to_the_first_attempts() {
    let (simulator, posts) = scenario(Scenario::Unavailable, |_| {});
    for _ in 0..3 {
        assert_eq!(Client::send(&simulator, &crate::client::request("/2/powerstream")).status(), 503);
    }
    // Requests that are refused for other reasons do not count as attempts.
    assert!(Client::stream(&simulator).read_messages(POSTS).messages == posts);
    let statuses: Vec<_> =
        simulator.ground_truth().connections().iter().map(|connection| connection.status).collect();
    assert_eq!(statuses, [Some(503), Some(503), Some(503), Some(200)]);
}

#[test]
fn closes_right_after_the_head_every_time() {
    let (simulator, _) = scenario(Scenario::AcceptClose, |_| {});
    for connection in 1..=3 {
        let mut client = Client::stream(&simulator);
        assert_eq!(client.read_to_end(), Ended::Eof);
        assert!(client.messages.is_empty() && client.leftover().is_empty());
        drop(client);
        ended(&simulator, connection, End::Fault(Scenario::AcceptClose));
    }
}

#[test]
fn sends_a_slow_head_byte_by_byte() {
    let (simulator, _) = scenario(Scenario::SlowHead, |_| {});
    let start = Instant::now();
    Client::stream(&simulator);
    assert!(start.elapsed() > Duration::from_millis(400));
}

/// The tests above cover all scenarios; a new one needs its own test.
#[test]
fn every_scenario_has_a_test() {
    assert_eq!(Scenario::all().len(), 28);
}
