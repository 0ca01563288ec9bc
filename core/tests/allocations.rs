//! Counts allocations: after its construction, a connection allocates nothing.
// Required by the global allocator, which forwards to the system's and counts.
#![allow(unsafe_code, reason = "`GlobalAlloc` is an unsafe trait")]

#[allow(dead_code, reason = "the test needs only a part of it")]
#[path = "it/common/mod.rs"]
mod common;
#[allow(unreachable_pub)]
mod counting;
#[path = "random/mod.rs"]
mod random;

use common::{Chunking, HEAD, chunked, push_chunk};
use counting::allocations;
use powerstream_core::backoff::{Backoff, BackoffConfig, FailureClass};
use powerstream_core::buffered::Buffered;
use powerstream_core::dedup::{Window, WindowConfig};
use powerstream_core::http::Origin;
use powerstream_core::merge::{Arrival, ConnectionId, ConnectionStats, Merge, Topology};
use powerstream_core::post::Post;
use powerstream_core::session::{Session, SessionConfig, SessionEvent, Step};
use powerstream_core::stream::{Connection, ConnectionConfig, ConnectionEvent, PostId};
use powerstream_core::time::{Instant, UnixTime};

/// The events of some input: heads, messages, keep-alives, skipped messages, ends and errors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    heads: u32,
    messages: u32,
    keep_alives: u32,
    skipped: u32,
    ends: u32,
    errors: u32,
}

fn group(connection: &mut Connection<Vec<u8>>, wire: &[u8], read: usize, now: Instant, tally: &mut Tally) {
    for mut input in wire.chunks(read) {
        loop {
            let (consumed, event) = connection.decode(input, now);
            match event {
                Ok(Some(ConnectionEvent::Head(head))) => tally.heads += u32::from(head.fields().count() > 0),
                Ok(Some(ConnectionEvent::Message(message))) => {
                    tally.messages += u32::from(!message.is_empty())
                }
                Ok(Some(ConnectionEvent::KeepAlive)) => tally.keep_alives += 1,
                Ok(Some(ConnectionEvent::Skipped { .. })) => tally.skipped += 1,
                Ok(Some(_)) => tally.ends += 1,
                Ok(None) => break,
                Err(_) => {
                    tally.errors += 1;
                    break;
                }
            }
            input = &input[consumed..];
        }
    }
}

#[test]
fn streaming_100_000_messages_of_all_shapes_allocates_nothing() {
    let message = b"{\"id_str\":\"1986936281234567890\",\"text\":\"of a usual kind\"}\r\n";
    let oversized = [&[b'x'; 300][..], b"\r\n"].concat();
    let some = [message.repeat(15).as_slice(), b"\r\n", &oversized, message].concat();
    let body = |chunking| {
        let mut wire = chunked(&some, chunking);
        // Without the last chunk, because the stream continues.
        wire.truncate(wire.len() - 5);
        wire
    };
    let mut broken = Vec::new();
    push_chunk(&mut broken, &message[..20], "");
    broken.extend_from_slice(b"+1\r\n");
    // The bytes of 16 messages, a keep-alive and an oversized message; the length of reads; the
    // number of rounds.
    let shapes = [
        (body(Chunking::PerMessage), 16_384, 2_000),
        (body(Chunking::One), 16_384, 1_500),
        (body(Chunking::One), 100, 1_000),
        (body(Chunking::UpTo16(1)), 16_384, 800),
        (body(Chunking::UpTo16(2)), 37, 400),
        (body(Chunking::Each(1)), 1_460, 200),
        (body(Chunking::WithExtension(40)), 1_460, 200),
        (body(Chunking::PerMessage), 1, 200),
    ];
    let mut config = ConnectionConfig::default();
    config.message_bytes_max = 256;
    let mut connection = Connection::new(vec![0; 4_096], config);

    let before = allocations();
    let mut tally = Tally::default();
    let mut now = Instant::ZERO;
    let rounds: u32 = shapes.iter().map(|(.., rounds)| rounds).sum();
    for (wire, read, rounds) in &shapes {
        connection.handle_connecting(now);
        connection.handle_connected(now);
        group(&mut connection, HEAD, *read, now, &mut tally);
        for _ in 0..*rounds {
            now = now.saturating_add(std::time::Duration::from_millis(1));
            group(&mut connection, wire, *read, now, &mut tally);
            std::hint::black_box((connection.poll_timeout(), connection.handle_timeout(now)));
        }
        // Ended within a message, by an invalid chunk size, and by a close.
        group(&mut connection, &broken, *read, now, &mut tally);
        std::hint::black_box(connection.handle_eof());
    }
    connection.handle_connected(now);
    let refused = b"HTTP/1.1 429 x\r\nRetry-After: 5\r\nContent-Length: 4\r\n\r\n";
    group(&mut connection, refused, 16_384, now, &mut tally);
    connection.collect_document(now);
    group(&mut connection, b"{}\r\n", 3, now, &mut tally);
    assert!(connection.document().is_some());
    std::hint::black_box(connection);
    let mut backoff = Backoff::new(BackoffConfig::default(), 1);
    std::hint::black_box((
        backoff.next(FailureClass::Network),
        backoff.next(FailureClass::Http),
        backoff.next(FailureClass::RateLimit),
    ));
    let allocations = allocations() - before;

    assert_eq!(allocations, 0, "allocations for {tally:?}");
    assert!(before > 0, "the allocator counts at all");
    let lives = shapes.len() as u32;
    assert_eq!(tally.messages, 16 * rounds);
    assert!(tally.messages >= 50_000, "{tally:?}");
    assert_eq!((tally.keep_alives, tally.skipped), (rounds, rounds));
    assert_eq!((tally.heads, tally.ends), (lives + 1, 1));
    assert!(tally.errors >= lives, "{tally:?}");
}

/// Repeated sessions: connect, send the request, stream, classify, disconnect, back off, be
/// refused.
#[test]
fn reconnecting_sessions_allocate_nothing() {
    let post = br#"{"created_at":"Wed Oct 10 20:19:24 +0000 2018","id":1050118621198921728,"text":"of a usual kind"}"#;
    let id_last =
        br#"{"user":{"id":1},"entities":{"urls":[[],{}]},"text":"\u00e4","id_str":"1050118621198921728"}"#;
    let error = br#"{"errors":[{"title":"x","disconnect_type":"InternalError","type":"https://api.x.com/2/problems/x"}]}"#;
    let mut stream = HEAD.to_vec();
    for message in [&post[..], b"", id_last, b"not JSON", b"[{\"id\":1}]", error] {
        push_chunk(&mut stream, &[message, b"\r\n"].concat(), "");
    }
    let mut refused = b"HTTP/1.1 503 x\r\nRetry-After: 5\r\nContent-Length: 4\r\n\r\n".to_vec();
    refused.extend_from_slice(b"{}\r\n");
    let mut config = SessionConfig::new(Origin::parse("http://localhost").unwrap());
    config.message_bytes_max = 256;
    config.backfill = true;
    let storage = vec![0; config.storage_bytes()];
    let buffer = vec![0; 512];

    let before = allocations();
    let session =
        Session::new(storage, &config, 1, Instant::ZERO, UnixTime::from_seconds(1_700_000_000)).unwrap();
    let mut buffered = Buffered::new(session, buffer);
    let mut now = Instant::ZERO;
    let (mut connects, mut messages, mut refusals, mut disconnects) = (0, 0, 0, 0);
    let mut wire: &[u8] = &[];
    while disconnects < 1_000 {
        match buffered.poll() {
            Step::Sleep { until } => {
                now = now.max(until);
                buffered.handle_timeout(now);
            }
            Step::Connect { .. } => {
                connects += 1;
                wire = if connects % 3 == 0 { &refused } else { &stream };
                buffered.handle_connected(now);
            }
            Step::Write { .. } => buffered.handle_written(buffered.transmit().len().div_ceil(2), now),
            Step::Read { .. } if buffered.is_paused() => buffered.handle_resume(now),
            Step::Read { .. } if wire.is_empty() => buffered.handle_eof(now),
            Step::Read { .. } => {
                let count = wire.len().min(37);
                buffered.read_buf()[..count].copy_from_slice(&wire[..count]);
                wire = &wire[count..];
                buffered.handle_read(count, now);
            }
            Step::Event => {
                match buffered.peek() {
                    Some(SessionEvent::Message(message)) => messages += u32::from(!message.bytes.is_empty()),
                    Some(SessionEvent::Refused(refused)) => {
                        refusals += u32::from(!refused.document.is_empty())
                    }
                    Some(SessionEvent::Disconnected(_)) => disconnects += 1,
                    event => drop(std::hint::black_box(event)),
                }
                buffered.release();
            }
            Step::Close => buffered.handle_closed(now),
            Step::Done => break,
        }
    }
    let allocations = allocations() - before;
    assert_eq!(allocations, 0);
    assert_eq!((connects, refusals, messages), (1_000, 333, 667 * 5));
}

#[test]
fn reading_post_fields_allocates_nothing() {
    let legacy: &[u8] = br#"{"id_str":"1986936281234567890","text":"of \u0061 \ud83d\udc26","truncated":false,
        "user":{"screen_name":"shore","followers_count":7},"entities":{"hashtags":[{"text":"gulls"}]},"lang":"en"}"#;
    let v2: &[u8] =
        br#"{"data":{"id":"1986936281234567890","text":"of \u0061 \ud83d\udc26","author_id":"5","lang":"en",
        "entities":{"hashtags":[{"tag":"gulls"}]}},"includes":{"users":[{"id":"5","username":"shore",
        "public_metrics":{"followers_count":7}}]}}"#;
    let mut buffer = [0; 64];
    let before = allocations();
    for message in [legacy, v2] {
        let lazy = Post::new(message);
        let index = lazy.index();
        for post in [lazy, index.post()] {
            let text = post.text().unwrap();
            assert_eq!((text.chars().count(), text.unescape(&mut buffer)), (6, Some("of a \u{1F426}")));
            assert_eq!(post.id().unwrap().as_u64(), 1_986_936_281_234_567_890);
            let author = post.author().unwrap();
            assert!(author.screen_name().unwrap() == "shore" && author.profile().followers_count == Some(7));
            assert!(post.entities().hashtags().all(|tag| tag == "gulls") && post.lang().unwrap() == "en");
            assert!(post.media().next().is_none() && post.quoted().is_none());
        }
    }
    assert_eq!(allocations() - before, 0);
}

/// Two connections that both deliver every Post, and sometimes disconnect.
#[test]
fn merging_allocates_nothing() {
    let mut config = WindowConfig::default();
    config.posts = 1_000;
    let storage = vec![0; config.storage_words()];
    let mut records = [0, 1].map(|index| ConnectionStats::new(Topology::Redundant.group(index)));
    let connections = [0, 1].map(|index| ConnectionId::new(index).unwrap());

    let before = allocations();
    let mut merge = Merge::new(Window::new(storage, &config).unwrap(), &mut records[..]).unwrap();
    let mut now = Instant::ZERO;
    let mut first = 0;
    for number in 0..100_000 {
        now = now.saturating_add(std::time::Duration::from_micros(10));
        for connection in connections {
            first += u32::from(merge.arrival(connection, PostId::new(number), b"{}", now) == Arrival::First);
        }
        if number % 100 == 0 {
            let lost = Some(UnixTime::from_millis(number));
            let outage =
                merge.handle_disconnected(connections[(number / 100 % 2) as usize], lost, false, |_| lost);
            std::hint::black_box(outage);
        }
    }
    assert_eq!(allocations() - before, 0);
    assert_eq!((first, merge.connection(connections[1]).late_arrivals()), (100_000, 100_000));
}
