//! The shell over a scripted transport. The events are the same whichever calls pend, deadlines
//! hold, and nothing is sent twice.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use powerstream_core::buffered::Buffered;
use powerstream_core::driver::{Driver, Io};
use powerstream_core::http::{BearerToken, Origin};
use powerstream_core::session::{DisconnectReason, Session, SessionConfig, SessionEvent};
use powerstream_core::time::Instant;
use powerstream_core::transport_error::{TlsError, TransportError, TransportErrorKind};
use powerstream_tls::rustls::ServerConfig;
use powerstream_tls::rustls::version::{TLS12, TLS13};
use powerstream_tls::{End, GOODBYE_MAX, MaybeTls, Tls};

use crate::support::*;
use crate::wire::{Behavior, Script, Turn, Wire};

type Stream = Driver<Vec<u8>, Vec<u8>, Tls<Wire>>;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const ONE: &[u8] = b"c\r\n{\"id\":111}\r\n\r\n";
const TWO: &[u8] = b"c\r\n{\"id\":222}\r\n\r\n";

fn config() -> SessionConfig<'static> {
    let mut config = SessionConfig::new(Origin::parse("https://localhost").unwrap());
    config.token = Some(BearerToken::new("s3cr3t").unwrap());
    config.backoff.jitter_percent = 0;
    config.message_bytes_max = 10_000;
    config
}

fn server() -> ServerConfig {
    ca().leaf(|_| {}).server(&[&TLS13])
}

fn script(turns: &[Turn]) -> Script {
    Script { server: server(), turns: turns.to_vec() }
}

fn tls(wire: Wire) -> Tls<Wire> {
    Tls::new(wire, client().connector(&Origin::parse("https://localhost").unwrap()).unwrap())
}

fn stream(wire: Wire) -> Stream {
    let config = config();
    let io = tls(wire);
    let session = Session::new(vec![0; config.storage_bytes()], &config, 1, io.now(), io.unix_now()).unwrap();
    Driver::new(Buffered::new(session, vec![0; 16_384]), io)
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Returns the next event. Each future is dropped where it first pends.
fn next<R>(stream: &mut Stream, look: impl Fn(SessionEvent<'_>) -> R) -> Option<R> {
    for _ in 0..1_000_000 {
        let future = pin!(stream.next());
        if let Poll::Ready(event) = future.poll(&mut cx()) {
            return event.map(look);
        }
    }
    panic!("no event after a million polls");
}

fn describe(event: SessionEvent<'_>) -> String {
    match event {
        SessionEvent::Connected(_) => "connected".to_owned(),
        SessionEvent::Message(message) => String::from_utf8(message.bytes.to_vec()).unwrap(),
        SessionEvent::Disconnected(disconnected) => {
            format!("{} {:?}", disconnected.reason.code(), disconnected.delay)
        }
        event => format!("{event:?}"),
    }
}

/// Returns the first `count` events.
fn log(stream: &mut Stream, count: usize) -> Vec<String> {
    (0..count).map(|_| next(stream, describe).unwrap()).collect()
}

fn first_fault(wire: Wire) -> (TransportError, Duration) {
    let mut stream = stream(wire);
    let start = stream.io().now();
    let cause = next(&mut stream, |event| match event {
        SessionEvent::Disconnected(disconnected) => disconnected.reason,
        event => panic!("{event:?}"),
    });
    let Some(DisconnectReason::Transport(fault)) = cause else { panic!("{cause:?}") };
    // The transport is closed before the event is reported.
    assert!(stream.io().inner().open.is_none());
    (fault, stream.io().now().saturating_since(start))
}

fn three_connections() -> Vec<Script> {
    let first = [
        Turn::Handshake,
        Turn::Send(HEAD),
        Turn::Send(ONE),
        Turn::Wait(Duration::from_secs(20)),
        Turn::Send(TWO),
        Turn::Close,
    ];
    let second = [Turn::Handshake, Turn::Send(HEAD), Turn::Send(ONE), Turn::CloseNotify, Turn::Close];
    let third = [Turn::Handshake, Turn::Send(HEAD), Turn::Send(TWO), Turn::Reset];
    let mut scripts = vec![script(&first), script(&second), script(&third)];
    scripts[1].server = ca().leaf(|_| {}).server(&[&TLS12]);
    scripts
}

const EVENTS: [&str; 10] = [
    "connected",
    "{\"id\":111}",
    "{\"id\":222}",
    // A bare end after 20 s, so the connection counts as healthy. `close_notify` changes nothing.
    "cut 0ns",
    "connected",
    "{\"id\":111}",
    "cut 250ms",
    "connected",
    "{\"id\":222}",
    "fault 500ms",
];

#[test]
fn futures_dropped_at_every_await_lose_nothing_and_send_nothing_twice() {
    for pend_often in [0, 2, 3, 5, 7] {
        for piece in [0, 1, 100] {
            let mut wire = Wire::new(three_connections());
            wire.behavior = Behavior { pend_often, piece, ..Behavior::default() };
            let mut stream = stream(wire);
            assert_eq!(log(&mut stream, EVENTS.len()), EVENTS, "{pend_often} {piece}");
            let wire = stream.io().inner();
            assert_eq!(wire.connects, 3);
            for open in &wire.over {
                let request = String::from_utf8(open.server.received.clone()).unwrap();
                assert_eq!(request.matches("GET ").count(), 1, "{request}");
                assert!(
                    request.contains("Authorization: Bearer s3cr3t\r\n") && request.ends_with("\r\n\r\n")
                );
                // The client sends `close_notify` even if the server closed first.
                assert!(open.server.closed);
            }
        }
    }
}

#[test]
fn gives_the_same_events_over_a_blocking_transport() {
    for piece in [0, 1] {
        let mut wire = Wire::new(three_connections());
        wire.behavior = Behavior { blocks: true, piece, ..Behavior::default() };
        let mut stream = stream(wire);
        assert_eq!(log(&mut stream, EVENTS.len()), EVENTS);
    }
}

#[test]
fn deadlines_hold_and_have_their_own_reasons() {
    let late = TransportError::new(TransportErrorKind::Tls(TlsError::HandshakeTimedOut));
    let trickle = |byte: &'static [u8]| {
        [Turn::Wait(Duration::from_secs(1)), Turn::Raw(byte)].into_iter().cycle().take(100)
    };
    let connect = config().timeouts.connect;
    // Nothing; a part of a record, then nothing; a record of 16,000 bytes, one per second.
    let record: &[u8] = &[22, 3, 3, 0x3E, 0x80];
    for turns in
        [vec![], vec![Turn::Raw(record)], std::iter::once(Turn::Raw(record)).chain(trickle(&[0])).collect()]
    {
        for behavior in [
            Behavior::default(),
            Behavior { blocks: true, ..Behavior::default() },
            Behavior { pend_often: 3, ..Behavior::default() },
        ] {
            let mut wire = Wire::new([script(&turns)]);
            wire.behavior = behavior;
            let (fault, took) = first_fault(wire);
            assert_eq!(fault, late);
            assert!(took >= connect && took <= connect + Duration::from_secs(1), "{took:?}");
        }
    }
    // The server does not read the client's first message.
    let mut wire = Wire::new([script(&[])]);
    wire.behavior = Behavior { blocks: true, clogged_after: Some(10), ..Behavior::default() };
    // Closing may take 50 ms longer. During the handshake there is no `close_notify`, but the rest
    // of the message is still queued.
    let (fault, took) = first_fault(wire);
    assert_eq!(fault, late);
    assert!(took <= connect + GOODBYE_MAX, "{took:?}");
    // The transport below TLS does not connect.
    let mut wire = Wire::new([]);
    wire.behavior = Behavior { blocks: true, no_connect: true, ..Behavior::default() };
    let mut stream = stream(wire);
    assert_eq!(log(&mut stream, 1), ["timeout_connect 250ms"]);
}

#[test]
fn parts_of_records_do_not_reset_the_idle_timeout() {
    // Single bytes of a record, one per second. The idle timeout counts from the response head.
    let pieces: [&'static [u8]; 6] = [&[23], &[3], &[3], &[1], &[0], &[7]];
    let mut turns = vec![Turn::Handshake, Turn::Send(HEAD)];
    for byte in pieces.into_iter().chain([pieces[5]; 60]) {
        turns.extend([Turn::Wait(Duration::from_secs(1)), Turn::Raw(byte)]);
    }
    for behavior in [Behavior::default(), Behavior { blocks: true, ..Behavior::default() }] {
        let mut wire = Wire::new([script(&turns)]);
        wire.behavior = behavior;
        let mut stream = stream(wire);
        assert_eq!(log(&mut stream, 1), ["connected"]);
        let start = stream.io().now();
        assert_eq!(log(&mut stream, 1), ["timeout_silence 0ns"]);
        let took = stream.io().now().saturating_since(start);
        let silence = config().timeouts.idle;
        assert!(took >= silence && took <= silence + Duration::from_secs(2), "{took:?}");
    }
}

#[test]
fn each_handshake_fault_has_its_own_kind() {
    use TlsError as T;
    let cases: [(Vec<Turn>, TransportError); 4] = [
        (
            vec![Turn::Reset],
            TransportError::with_os_code(TransportErrorKind::Tls(T::HandshakeReset), Some(104)),
        ),
        (vec![Turn::Close], TransportError::new(TransportErrorKind::Tls(T::HandshakeClosed))),
        (vec![Turn::Raw(b"SSH-2.0-x\r\n")], TransportError::new(TransportErrorKind::Tls(T::NotTls))),
        // The record: alert, fatal, internal_error.
        (
            vec![Turn::Raw(&[21, 3, 3, 0, 2, 2, 80])],
            TransportError::new(TransportErrorKind::Tls(T::Alert(80))),
        ),
    ];
    for (turns, expected) in cases {
        for piece in [0, 1] {
            let mut wire = Wire::new([script(&turns)]);
            wire.behavior = Behavior { piece, pend_often: 2, ..Behavior::default() };
            assert_eq!(first_fault(wire).0, expected);
        }
    }
}

#[test]
fn sends_an_alert_for_a_refused_certificate() {
    let mut bad = script(&[Turn::Handshake]);
    bad.server = Ca::new("unknown").leaf(|_| {}).server(&[&TLS13]);
    for pend_often in [0, 2, 3] {
        let mut wire = Wire::new([bad.clone()]);
        wire.behavior = Behavior { pend_often, piece: 1, ..Behavior::default() };
        let mut stream = stream(wire);
        assert_eq!(log(&mut stream, 1), ["fault 5s"]);
        let error = &stream.io().inner().over[0].server.error;
        assert!(format!("{error:?}").contains("UnknownCA"), "{error:?}");
    }
}

#[test]
fn a_close_does_not_wait_for_close_notify() {
    // The peer reads the handshake and the request, and nothing after them.
    let turns = [Turn::Handshake, Turn::Send(HEAD), Turn::Send(ONE)];
    let mut probe = stream(Wire::new([script(&turns)]));
    log(&mut probe, 2);
    let written = probe.io().inner().open.as_ref().unwrap().written;
    for behavior in [
        Behavior { blocks: true, clogged_after: Some(written), ..Behavior::default() },
        Behavior { clogged_after: Some(written), ..Behavior::default() },
        Behavior { broken_after: Some(written), ..Behavior::default() },
    ] {
        let is_broken = behavior.broken_after.is_some();
        let mut wire = Wire::new([script(&turns)]);
        wire.behavior = behavior;
        let mut stream = stream(wire);
        log(&mut stream, 2);
        let start = stream.io().now();
        stream.shutdown();
        assert_eq!(next(&mut stream, describe), None);
        let took = stream.io().now().saturating_since(start);
        assert_eq!(took, if is_broken { Duration::ZERO } else { GOODBYE_MAX });
        let over = &stream.io().inner().over[0];
        assert!(!over.server.closed && stream.io().inner().open.is_none());
    }
    // `close_notify` is sent if the peer reads.
    let mut stream = stream(Wire::new([script(&turns)]));
    log(&mut stream, 2);
    stream.shutdown();
    assert_eq!(next(&mut stream, describe), None);
    assert!(stream.io().inner().over[0].server.closed);
}

#[test]
fn reads_while_a_write_pends() {
    // The request is accepted but not sent. Meanwhile the server sends data.
    let wire = Wire::new([script(&[Turn::Handshake])]);
    let mut io = tls(wire);
    let until = Instant::from_nanos(u64::MAX / 2);
    while io.poll_connect(&mut cx(), until).is_pending() {}
    // The rest of the handshake, with its session tickets, has been read.
    let mut buffer = [0; 100];
    set_behavior(&mut io, |behavior, written| behavior.clogged_after = Some(written + 5));
    assert_eq!(io.poll_write(&mut cx(), b"GET", until), Poll::Ready(Ok(Some(3))));
    server_of(&mut io).send(b"early");
    assert_eq!(io.poll_read(&mut cx(), &mut buffer, until), Poll::Ready(Ok(Some(5))));
    assert_eq!(&buffer[..5], b"early");
    // Nothing more is accepted until it is sent.
    assert_eq!(io.poll_write(&mut cx(), b" / ", until), Poll::Pending);
    set_behavior(&mut io, |behavior, _| behavior.clogged_after = None);
    assert_eq!(io.poll_write(&mut cx(), b" / ", until), Poll::Ready(Ok(Some(3))));
    assert_eq!(server_of(&mut io).received, b"GET / ");
}

#[test]
fn reports_a_failed_write_at_the_next_call() {
    for by_read in [true, false] {
        let mut io = tls(Wire::new([script(&[Turn::Handshake])]));
        let until = Instant::from_nanos(u64::MAX / 2);
        while io.poll_connect(&mut cx(), until).is_pending() {}
        set_behavior(&mut io, |behavior, written| behavior.broken_after = Some(written));
        assert_eq!(io.poll_write(&mut cx(), b"GET", until), Poll::Ready(Ok(Some(3))));
        let reset = Poll::Ready(Err(TransportError::new(TransportErrorKind::Reset)));
        if by_read {
            assert_eq!(io.poll_read(&mut cx(), &mut [0; 9], until), reset);
        } else {
            assert_eq!(io.poll_write(&mut cx(), b"GET", until), reset);
        }
    }
}

#[test]
fn distinguishes_a_bare_end_from_close_notify() {
    for (turn, end) in [(Turn::CloseNotify, End::CloseNotify), (Turn::Close, End::BareFin)] {
        let wire = Wire::new([script(&[Turn::Handshake, turn])]);
        let connector = client().for_origin(&Origin::parse("https://localhost").unwrap()).unwrap();
        let mut io = MaybeTls::new(wire, connector);
        let until = Instant::from_nanos(u64::MAX / 2);
        while io.poll_connect(&mut cx(), until).is_pending() {}
        assert_eq!(io.ended(), None);
        for _ in 0..2 {
            assert_eq!(io.poll_read(&mut cx(), &mut [0; 9], until), Poll::Ready(Ok(Some(0))));
            assert_eq!(io.ended(), Some(end));
        }
        assert!(io.poll_close(&mut cx()).is_ready());
        assert_eq!(io.ended(), None);
    }
}

#[test]
fn adds_nothing_without_tls() {
    let mut io = MaybeTls::new(
        Wire::new([script(&[Turn::Raw(b"plain"), Turn::Close])]),
        client().for_origin(&Origin::parse("http://localhost").unwrap()).unwrap(),
    );
    let until = Instant::from_nanos(u64::MAX / 2);
    assert_eq!(io.poll_connect(&mut cx(), until), Poll::Ready(Ok(Some(()))));
    let mut buffer = [0; 9];
    assert_eq!(io.poll_read(&mut cx(), &mut buffer, until), Poll::Ready(Ok(Some(5))));
    assert_eq!((&buffer[..5], io.has_backlog(), io.ended()), (b"plain".as_slice(), false, None));
    assert!(io.poll_sleep(&mut cx(), Instant::from_nanos(5_000_000)).is_ready());
    assert_eq!(io.now(), Instant::from_nanos(5_000_000));
    assert!(io.poll_close(&mut cx()).is_ready());
}

#[test]
fn passes_on_what_the_transport_reports() {
    for url in ["http://localhost", "https://localhost"] {
        for reports in [false, true] {
            let mut wire = Wire::new([]);
            wire.behavior.reports = reports;
            let io = MaybeTls::new(wire, client().for_origin(&Origin::parse(url).unwrap()).unwrap());
            let wire = io.inner();
            assert_eq!(io.unix_now(), wire.unix_now());
            assert_eq!((io.is_stopped(), io.has_backlog()), (reports, reports));
            assert_eq!((io.received_at(), io.peer_addr()), (wire.received_at(), wire.peer_addr()));
        }
    }
}

#[test]
fn poll_connect_returns_none_after_a_write_of_zero_bytes() {
    let mut wire = Wire::new([script(&[Turn::Handshake])]);
    wire.behavior.empty_writes = 2;
    let mut io = tls(wire);
    let until = Instant::from_nanos(u64::MAX / 2);
    for connected in [None, None, Some(())] {
        assert_eq!(io.poll_connect(&mut cx(), until), Poll::Ready(Ok(connected)));
    }
}

/// With a slow consumer, the gap includes what it had not read when the connection was lost,
/// although each read was short.
#[test]
fn a_gap_starts_before_buffered_ciphertext() {
    let records: &[&[u8]] = &[ONE, TWO, ONE];
    let turns = [Turn::Handshake, Turn::Send(HEAD), Turn::Records(records), Turn::Reset];
    let mut stream = stream(Wire::new([script(&turns)]));
    let clock = stream.io().inner().clock.clone();
    let start = stream.io().unix_now();
    for event in ["connected", "{\"id\":111}", "{\"id\":222}", "{\"id\":111}"] {
        assert_eq!(next(&mut stream, describe).unwrap(), event);
        clock.set(clock.get().saturating_add(Duration::from_secs(10)));
    }
    let gap = next(&mut stream, |event| match event {
        SessionEvent::Disconnected(disconnected) => disconnected.gap_from,
        event => panic!("{event:?}"),
    });
    // The read of the response head was the last one that emptied the buffers.
    assert!(gap.unwrap().unwrap() <= start, "{gap:?}");
}

fn server_of(io: &mut Tls<Wire>) -> &mut Server {
    &mut io.inner_mut().open.as_mut().unwrap().server
}

/// Changes the behavior, given the number of bytes written so far.
fn set_behavior(io: &mut Tls<Wire>, change: impl FnOnce(&mut Behavior, usize)) {
    let wire = io.inner_mut();
    change(&mut wire.behavior, wire.open.as_ref().unwrap().written);
}
