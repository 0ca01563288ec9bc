//! Tests a connection's deadlines on a virtual clock. Only content keeps a stream alive, and no
//! pattern of bytes extends an absolute deadline.

use std::time::Duration;

use powerstream_core::liveness::Timeout;
use powerstream_core::liveness::TimeoutKind::{self, *};
use powerstream_core::read_buffer::ReadBuffer;
use powerstream_core::stream::{Connection, ConnectionConfig, ConnectionErrorKind};
use powerstream_core::time::Instant;

use crate::common::event_log::{OwnedEvent, feed, feed_partial};
use crate::common::{HEAD, push_chunk, streamed};

const fn millis(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

const fn seconds(seconds: u64) -> Instant {
    millis(seconds * 1_000)
}

/// A connection, its log, and a clock that the test sets.
struct Life {
    connection: Connection<Vec<u8>>,
    log: Vec<OwnedEvent>,
    received: u64,
}

impl Life {
    /// Starts connecting at 0 s, and is connected at 1 s.
    fn connected() -> Self {
        let mut connection = Connection::new(vec![0; 65_536], ConnectionConfig::default());
        connection.handle_connecting(seconds(0));
        connection.handle_connected(seconds(1));
        Self { connection, log: Vec::new(), received: 0 }
    }

    /// Connects, and receives the head of a stream at 2 s.
    fn streaming() -> Self {
        let mut life = Self::connected();
        life.feed(HEAD, seconds(2));
        life
    }

    fn feed(&mut self, bytes: &[u8], now: Instant) {
        feed(&mut self.connection, bytes, now, &mut self.received, &mut self.log);
    }

    fn deadline(&self) -> Option<(Instant, TimeoutKind)> {
        self.connection.poll_timeout().map(|deadline| (deadline.at, deadline.reason))
    }

    fn failure(&self) -> Option<ConnectionErrorKind> {
        match self.log.last() {
            Some(OwnedEvent::Failed { kind, .. }) => Some(*kind),
            _ => None,
        }
    }
}

/// Timed reads from a slow server, and the deadline after each.
#[test]
fn each_kind_of_input_extends_only_its_deadline() {
    type Step = (u64, &'static [u8], Option<(u64, TimeoutKind)>);
    let rows: &[(&str, &[Step])] = &[
        (
            "bytes of the head move nothing",
            &[
                (2, b"HTTP/1.1 2", Some((16, Head))),
                (9, b"00 OK\r\nA: ", Some((16, Head))),
                (15, b"b", Some((16, Head))),
            ],
        ),
        (
            "interim heads move nothing",
            &[
                (2, b"HTTP/1.1 100 x\r\n\r\n", Some((16, Head))),
                (9, b"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 103 x\r\n\r\n", Some((16, Head))),
            ],
        ),
        ("the head starts the idle timeout", &[(5, HEAD, Some((30, Idle)))]),
        (
            "keep-alives extend the idle timeout",
            &[
                (5, HEAD, Some((30, Idle))),
                (25, b"2\r\n\r\n\r\n", Some((50, Idle))),
                (45, b"2\r\n\r\n\r\n", Some((70, Idle))),
                (69, b"2\r\n\r\n\r\n", Some((94, Idle))),
            ],
        ),
        (
            "framing moves nothing",
            &[
                (5, HEAD, Some((30, Idle))),
                (10, b"2\r\n\r\n", Some((35, Idle))),
                (11, b"\r", Some((35, Idle))),
                (12, b"\n", Some((35, Idle))),
                (13, b"0", Some((35, Idle))),
                (14, b"002", Some((35, Idle))),
                (15, b";a=\"", Some((35, Idle))),
                (16, b"bcd\"", Some((35, Idle))),
                (17, b"\r", Some((35, Idle))),
                (18, b"\n", Some((35, Idle))),
                (19, b"", Some((35, Idle))),
                (20, b"\r\n", Some((45, Idle))),
                (21, b"\r\n0;x\r\n", Some((45, Idle))),
                (22, b"A: b\r\n", Some((45, Idle))),
                (23, b"\r", Some((45, Idle))),
                (24, b"\n", None),
            ],
        ),
        (
            "framing within a message moves nothing",
            &[
                (5, HEAD, Some((30, Idle))),
                (10, b"3\r\n{\"a\r\n", Some((35, Idle))),
                (11, b"2;extension=0123456789abcdef", Some((35, Idle))),
            ],
        ),
        (
            "framing before content, content after framing",
            &[
                (5, HEAD, Some((30, Idle))),
                (10, b"4\r\n", Some((30, Idle))),
                (11, b"{}\r\n\r\n2", Some((36, Idle))),
                (12, b"\r\n\r", Some((37, Idle))),
            ],
        ),
        (
            "a message is timed from its first byte",
            &[
                (5, HEAD, Some((30, Idle))),
                (10, b"100\r\n{", Some((35, Idle))),
                (30, b"\"text\":", Some((55, Idle))),
                (50, b"\"", Some((70, Message))),
                (69, b"x", Some((70, Message))),
                (69, b"\"}\r\n", Some((94, Idle))),
                (69, b"{", Some((94, Idle))),
                (90, b"}", Some((115, Idle))),
                (110, b"\r", Some((129, Message))),
                (128, b"\n", Some((153, Idle))),
            ],
        ),
        (
            "a message over many short chunks, too",
            &[
                (5, HEAD, Some((30, Idle))),
                (10, b"1\r\n{\r\n1\r\n \r\n", Some((35, Idle))),
                (30, b"1\r\n \r\n2\r\n  \r\n10\r\n0123456789abcdef\r\n1\r\n.\r\n", Some((55, Idle))),
                (50, b"2\r\n..\r\n2\r\n..\r\n2\r\n..\r\n1\r\n.\r\n1\r\n.\r\n1\r\n.\r\n", Some((70, Message))),
                (
                    60,
                    b"3\r\n..\n\r\n2\r\n..\r\n2\r\n..\r\n1\r\n.\r\n1\r\n.\r\n1\r\n\r\r\n1\r\n\n",
                    Some((85, Idle)),
                ),
            ],
        ),
        (
            "an incomplete delimiter is the beginning of a message",
            &[(5, HEAD, Some((30, Idle))), (10, b"2\r\n\r", Some((35, Idle))), (34, b"\n", Some((59, Idle)))],
        ),
        (
            "with a length",
            &[
                (5, b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", Some((30, Idle))),
                (10, b"{}\r\n", Some((35, Idle))),
                (30, b"{}\r", Some((55, Idle))),
                (31, b"\n", None),
            ],
        ),
        (
            "until close",
            &[(5, b"HTTP/1.1 200 OK\r\n\r\n", Some((30, Idle))), (10, b"\r\n", Some((35, Idle)))],
        ),
        ("an error stops all deadlines", &[(5, HEAD, Some((30, Idle))), (6, b"x", None)]),
    ];
    for (name, steps) in rows {
        let mut life = Life::connected();
        assert_eq!(life.deadline(), Some((seconds(16), Head)), "{name}");
        for (index, (at, bytes, want)) in steps.iter().enumerate() {
            life.feed(bytes, seconds(*at));
            let want = want.map(|(at, reason)| (seconds(at), reason));
            assert_eq!(life.deadline(), want, "{name}, step {index}");
        }
    }
}

#[test]
fn connecting_has_a_deadline_and_ignores_input() {
    let mut connection = Connection::new([0; 64], ConnectionConfig::default());
    assert_eq!(connection.poll_timeout(), None);
    connection.handle_connecting(seconds(5));
    assert_eq!(
        connection.poll_timeout().map(|deadline| (deadline.at, deadline.reason)),
        Some((seconds(15), Connect))
    );
    assert_eq!(connection.handle_timeout(millis(14_999)), Timeout::Early);
    assert_eq!(connection.handle_timeout(seconds(15)), Timeout::Expired(Connect));
    connection.handle_closed();
    assert_eq!(connection.poll_timeout(), None);
}

/// Tests wake-ups just before, exactly at, just after and long after each deadline.
#[test]
fn passed_deadline_asks_for_one_read_and_then_expires() {
    let begun: [(&str, &[&[u8]], TimeoutKind); 4] = [
        ("head", &[], Head),
        ("half a head", &[b"HTTP/1.1"], Head),
        ("idle", &[HEAD, b"2\r\n\r\n\r\n"], Idle),
        ("idle within a message", &[HEAD, b"2\r\n{}"], Idle),
    ];
    for (name, pieces, reason) in begun {
        for late in [0, 1, 1_000_000, 3_600_000_000_000] {
            let mut life = Life::connected();
            pieces.iter().for_each(|piece| life.feed(piece, seconds(2)));
            let Some((at, next)) = life.deadline() else { panic!("{name}: no deadline") };
            assert_eq!(next, reason, "{name}");
            let just_before = Instant::from_nanos(at.as_nanos() - 1);
            assert_eq!(life.connection.handle_timeout(just_before), Timeout::Early, "{name}");
            let now = at.saturating_add(Duration::from_nanos(late));
            assert_eq!(life.connection.handle_timeout(now), Timeout::ReadFirst, "{name}");
            assert_eq!(
                life.connection.handle_timeout(now),
                Timeout::Expired(reason),
                "{name}, {late} ns late"
            );
            life.connection.handle_closed();
            assert_eq!(life.deadline(), None, "{name}");
        }
    }
}

#[test]
fn content_buffered_by_the_kernel_prevents_an_idle_timeout_and_framing_does_not() {
    let mut life = Life::streaming();
    assert_eq!(life.connection.handle_timeout(seconds(500)), Timeout::ReadFirst);
    life.feed(b"2\r\n\r\n\r\n", seconds(500));
    assert_eq!(life.connection.handle_timeout(seconds(500)), Timeout::Early);
    assert_eq!(life.deadline(), Some((seconds(525), Idle)));
    assert_eq!(life.connection.handle_timeout(seconds(525)), Timeout::ReadFirst);
    life.feed(b"2;a=b", seconds(525));
    assert_eq!(life.connection.handle_timeout(seconds(525)), Timeout::Expired(Idle));
}

#[test]
fn paused_reading_does_not_count_as_idle_time() {
    let mut life = Life::streaming();
    life.feed(b"100\r\n{", seconds(3));
    life.connection.handle_pause(Duration::from_secs(100));
    assert_eq!(life.deadline(), Some((seconds(128), Idle)));
    life.feed(b"x", seconds(120));
    assert_eq!(life.deadline(), Some((seconds(145), Idle)));
    life.feed(b"x", seconds(140));
    assert_eq!(life.deadline(), Some((seconds(163), Message)), "60 s and the pause");
}

/// A server that never pauses: each read returns bytes, so the timeout is never polled.
#[test]
fn floods_of_bytes_do_not_extend_absolute_deadlines() {
    /// The bytes sent first, the bytes repeated, and the expected timeout and its time.
    type Row = (&'static str, &'static [u8], &'static [u8], TimeoutKind, u64);
    let rows: [Row; 4] = [
        ("endless field", b"HTTP/1.1 200 OK\r\nA: ", b"", Head, 16_000),
        ("endless message", b"HTTP/1.1 200 OK\r\n\r\n{", b"abcdefgh", Message, 62_000),
        (
            "endless message in short chunks",
            HEAD,
            b"5\r\nhello\r\n3\r\nabc\r\n1\r\n \r\n1\r\n \r\n1\r\n \r\n",
            Message,
            62_000,
        ),
        ("endless oversized message", b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 4_096], Message, 62_000),
    ];
    for (name, first, over_and_over, reason, at) in rows {
        let mut life = Life::connected();
        life.feed(first, seconds(2));
        if reason == Message && life.connection.buffered() == 0 {
            life.feed(over_and_over, seconds(2));
        }
        let mut now = seconds(2);
        while life.failure().is_none() && now < seconds(200) {
            now = now.saturating_add(Duration::from_millis(10));
            life.feed(over_and_over, now);
        }
        assert_eq!(life.failure(), Some(ConnectionErrorKind::Timeout(reason)), "{name}");
        assert_eq!(now, millis(at), "{name}");
        assert_eq!(life.deadline(), None, "{name}: no deadline runs any more");
    }
}

#[test]
fn a_message_left_in_the_input_is_timed_from_its_first_byte() {
    let Life { mut connection, mut log, mut received } = Life::streaming();
    let mut buffer = ReadBuffer::new(vec![0; 4_096]);
    for (at, bytes, want) in [
        (10, &b"1000\r\n{\"text\":\"0123456789"[..], Some((35, Idle))),
        (30, b"0123456789abcdef", Some((55, Idle))),
        (50, b"0123456789abcdef", Some((70, Message))),
        // A second late, so the deadline is a second after this read.
        (71, b"0123456789abcdef", Some((70, Message))),
        (72, b"0123456789abcdef", None),
    ] {
        feed_partial(&mut connection, &mut buffer, bytes, seconds(at), &mut received, &mut log);
        let deadline = connection.poll_timeout().map(|deadline| (deadline.at, deadline.reason));
        assert_eq!(deadline, want.map(|(at, reason)| (seconds(at), reason)), "{at} s");
    }
    assert!(matches!(
        log.last(),
        Some(OwnedEvent::Failed { kind: ConnectionErrorKind::Timeout(Message), .. })
    ));
}

/// An unfinished part that is read late gets the same amount of time again, at most one second.
#[test]
fn late_reader_extends_the_deadline_by_its_own_delay() {
    let mut life = Life::streaming();
    life.feed(b"10000\r\n{", seconds(2));
    life.feed(b"x", millis(62_300));
    life.feed(b"x", millis(62_599));
    assert_eq!(life.failure(), None);
    life.feed(b"x", millis(62_600));
    assert_eq!(life.failure(), Some(ConnectionErrorKind::Timeout(Message)));
    // A message that ends within this time is delivered.
    let mut life = Life::streaming();
    life.feed(b"10000\r\n{", seconds(2));
    life.feed(b"x", seconds(3_600));
    life.feed(b"}\r\n", millis(3_600_999));
    assert_eq!(life.log.last(), Some(&OwnedEvent::Message(b"{x}".to_vec())));
}

#[test]
fn messages_received_before_the_deadline_are_delivered_with_the_read_that_passes_it() {
    let mut life = Life::streaming();
    life.feed(b"10000\r\n{", seconds(2));
    life.feed(b"}\r\n{}\r\n{", seconds(62));
    assert_eq!(life.log[1..], [OwnedEvent::Message(b"{}".to_vec()), OwnedEvent::Message(b"{}".to_vec())]);
    assert_eq!(life.deadline(), Some((seconds(87), Idle)), "the next message has its own minute");
}

#[test]
fn announced_close_has_a_deadline_regardless_of_further_input() {
    let mut life = Life::streaming();
    life.feed(b"f\r\n{\"errors\":[]}\r\n\r\n", seconds(3));
    life.connection.handle_announcement(seconds(3));
    assert_eq!(life.deadline(), Some((seconds(8), Disconnect)));
    let mut now = seconds(3);
    while life.failure().is_none() && now < seconds(60) {
        now = now.saturating_add(Duration::from_millis(30));
        life.feed(b"6\r\n{}\r\n\r\n\r\n", now);
    }
    assert_eq!(life.failure(), Some(ConnectionErrorKind::Timeout(Disconnect)));
    // 20 ms late at 8.01 s. The next read, 30 ms later, detects this and extends the deadline.
    assert_eq!(now, millis(8_040));
    let delivered = life.log.iter().filter(|seen| matches!(seen, OwnedEvent::Message(_))).count();
    assert_eq!(delivered, 1 + 168, "each message of each read, the last included");
}

#[test]
fn error_document_gets_the_heads_timeout_and_keeps_what_was_received() {
    let head = b"HTTP/1.1 503 x\r\n\r\n";
    let start = || {
        let mut life = Life::connected();
        life.feed(head, seconds(10));
        life.connection.collect_document(seconds(10));
        assert_eq!(life.deadline(), Some((seconds(25), ErrorBody)));
        life
    };
    // A slow trickle of bytes.
    let mut life = start();
    for second in 11..25 {
        life.feed(b"x", seconds(second));
        assert_eq!(life.deadline(), Some((seconds(25), ErrorBody)));
    }
    assert_eq!(life.connection.handle_timeout(seconds(25)), Timeout::ReadFirst);
    assert_eq!(life.connection.handle_timeout(seconds(25)), Timeout::Expired(ErrorBody));
    assert_eq!(life.connection.document().map(|(_, text)| text.len()), Some(14));
    // A flood of bytes.
    let mut life = start();
    let mut now = seconds(10);
    while life.log.len() == 1 && now < seconds(100) {
        now = now.saturating_add(Duration::from_millis(100));
        life.feed(b"x", now);
    }
    assert_eq!((now, life.log.last()), (seconds(25), Some(&OwnedEvent::End { undelivered: 0 })));
    assert_eq!(life.connection.document().map(|(_, text)| text.len()), Some(150));
}

/// The loop of a driver: it advances to the next deadline or the next bytes, whichever is first.
/// After each timeout, the deadline has moved or the connection has ended. Otherwise the loop would
/// spin.
#[test]
fn driver_never_spins_and_a_slow_trickle_times_out() {
    let mut message = streamed(b"");
    push_chunk(&mut message, &[b' '; 500], "");
    let trickles: [(&str, &[u8], u64); 4] = [
        ("head", b"HTTP/1.1 200 OK\r\nA: bbbbbbbbbbbbbbbbbbbbbbbbbbbb", 16),
        ("message, after a size line of 5 s", &message, 67),
        ("size line", &streamed(b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 26),
        ("trailer", &streamed(b"0\r\nA: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 26),
    ];
    for (name, wire, ends_by) in trickles {
        let mut life = Life::connected();
        let (head, rest) = wire.split_at(if wire.starts_with(HEAD) { HEAD.len() } else { 0 });
        if !head.is_empty() {
            life.feed(head, seconds(1));
        }
        let mut bytes = rest.chunks(1);
        // One byte per second until the input ends.
        let (mut next_byte, mut now) = (seconds(2), seconds(1));
        for step in 0.. {
            assert!(step < 1_000, "{name}: no end");
            let Some(deadline) = life.connection.poll_timeout() else { break };
            if next_byte < deadline.at {
                now = next_byte;
                life.feed(bytes.next().unwrap_or_default(), now);
                next_byte = now.saturating_add(Duration::from_secs(1));
                continue;
            }
            now = deadline.at;
            match life.connection.handle_timeout(now) {
                Timeout::Early => panic!("{name}: woken at the deadline, but reported as early"),
                Timeout::ReadFirst => {
                    let waiting = if next_byte <= now { bytes.next() } else { None };
                    if let Some(byte) = waiting {
                        next_byte = now.saturating_add(Duration::from_secs(1));
                        life.feed(byte, now);
                    }
                }
                Timeout::Expired(_) => life.connection.handle_closed(),
            }
        }
        assert!(now <= seconds(ends_by), "{name}: ended at {now:?}");
    }
}

#[test]
fn empty_reads_do_not_extend_deadlines() {
    let mut connection = Connection::new(vec![0; 4_096], ConnectionConfig::default());
    connection.handle_connected(Instant::ZERO);
    let _ = connection.decode(HEAD, Instant::ZERO);
    let _ = connection.decode(b"20\r\n{\"id", Instant::ZERO);
    let silence = connection.poll_timeout();
    for seconds in [10, 20, 24] {
        assert_eq!(connection.decode(b"", Instant::from_nanos(seconds * 1_000_000_000)), (0, Ok(None)));
        assert_eq!(connection.poll_timeout(), silence, "after {seconds} s");
    }
}
