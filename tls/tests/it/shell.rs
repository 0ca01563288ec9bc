//! The shell over a scripted transport: the same events whichever calls pend, deadlines hold,
//! nothing is sent twice.

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
use crate::wire::{Moods, Script, Turn, Wire};

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

/// Asks for the next event, each future dropped where it first pends.
fn next<R>(stream: &mut Stream, look: impl Fn(SessionEvent<'_>) -> R) -> Option<R> {
    for _ in 0..1_000_000 {
        let future = pin!(stream.next());
        if let Poll::Ready(event) = future.poll(&mut cx()) {
            return event.map(look);
        }
    }
    panic!("it does not come to an end");
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

/// The first `count` events.
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
    // Closed before it is told.
    assert!(stream.io().inner().open.is_none());
    (fault, stream.io().now().saturating_since(start))
}

fn day() -> Vec<Script> {
    let first = [
        Turn::Shake,
        Turn::Send(HEAD),
        Turn::Send(ONE),
        Turn::Wait(Duration::from_secs(20)),
        Turn::Send(TWO),
        Turn::Close,
    ];
    let second = [Turn::Shake, Turn::Send(HEAD), Turn::Send(ONE), Turn::Goodbye, Turn::Close];
    let third = [Turn::Shake, Turn::Send(HEAD), Turn::Send(TWO), Turn::Reset];
    let mut scripts = vec![script(&first), script(&second), script(&third)];
    scripts[1].server = ca().leaf(|_| {}).server(&[&TLS12]);
    scripts
}

const DAY: [&str; 10] = [
    "connected",
    "{\"id\":111}",
    "{\"id\":222}",
    // Bare, and healthy by then; the goodbye makes no difference.
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
            let mut wire = Wire::new(day());
            wire.moods = Moods { pend_often, piece, ..Moods::default() };
            let mut stream = stream(wire);
            assert_eq!(log(&mut stream, DAY.len()), DAY, "{pend_often} {piece}");
            let wire = stream.io().inner();
            assert_eq!(wire.connects, 3);
            for open in &wire.over {
                let request = String::from_utf8(open.server.received.clone()).unwrap();
                assert_eq!(request.matches("GET ").count(), 1, "{request}");
                assert!(
                    request.contains("Authorization: Bearer s3cr3t\r\n") && request.ends_with("\r\n\r\n")
                );
                // Whoever closed first.
                assert!(open.server.closed);
            }
        }
    }
}

#[test]
fn gives_the_same_events_over_a_blocking_transport() {
    for piece in [0, 1] {
        let mut wire = Wire::new(day());
        wire.moods = Moods { blocks: true, piece, ..Moods::default() };
        let mut stream = stream(wire);
        assert_eq!(log(&mut stream, DAY.len()), DAY);
    }
}

#[test]
fn deadlines_hold_and_have_their_own_reasons() {
    let late = TransportError::new(TransportErrorKind::Tls(TlsError::HandshakeTimedOut));
    let trickle = |octet: &'static [u8]| {
        [Turn::Wait(Duration::from_secs(1)), Turn::Raw(octet)].into_iter().cycle().take(100)
    };
    let connect = config().timeouts.connect;
    // Silence; part of a record, then silence; a record of 16,000 octets, one a second.
    let record: &[u8] = &[22, 3, 3, 0x3E, 0x80];
    for turns in
        [vec![], vec![Turn::Raw(record)], std::iter::once(Turn::Raw(record)).chain(trickle(&[0])).collect()]
    {
        for moods in [
            Moods::default(),
            Moods { blocks: true, ..Moods::default() },
            Moods { pend_often: 3, ..Moods::default() },
        ] {
            let mut wire = Wire::new([script(&turns)]);
            wire.moods = moods;
            let (fault, took) = first_fault(wire);
            assert_eq!(fault, late);
            assert!(took >= connect && took <= connect + Duration::from_secs(1), "{took:?}");
        }
    }
    // The server does not take our first message.
    let mut wire = Wire::new([script(&[])]);
    wire.moods = Moods { blocks: true, clogged_after: Some(10), ..Moods::default() };
    // A close has 50 ms more for a goodbye; in the handshake there is none, but the rest of the
    // message.
    let (fault, took) = first_fault(wire);
    assert_eq!(fault, late);
    assert!(took <= connect + GOODBYE_MAX, "{took:?}");
    // Below TLS nothing came about.
    let mut wire = Wire::new([]);
    wire.moods = Moods { blocks: true, no_connect: true, ..Moods::default() };
    let mut stream = stream(wire);
    assert_eq!(log(&mut stream, 1), ["timeout_connect 250ms"]);
}

#[test]
fn parts_of_records_do_not_reset_the_idle_timeout() {
    // Ten octets of a record, one a second, then nothing; the silence is counted from the head.
    let octets: [&'static [u8]; 6] = [&[23], &[3], &[3], &[1], &[0], &[7]];
    let mut turns = vec![Turn::Shake, Turn::Send(HEAD)];
    for octet in octets.into_iter().chain([octets[5]; 60]) {
        turns.extend([Turn::Wait(Duration::from_secs(1)), Turn::Raw(octet)]);
    }
    for moods in [Moods::default(), Moods { blocks: true, ..Moods::default() }] {
        let mut wire = Wire::new([script(&turns)]);
        wire.moods = moods;
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
        // Alert, fatal, internal_error.
        (
            vec![Turn::Raw(&[21, 3, 3, 0, 2, 2, 80])],
            TransportError::new(TransportErrorKind::Tls(T::Alert(80))),
        ),
    ];
    for (turns, expected) in cases {
        for piece in [0, 1] {
            let mut wire = Wire::new([script(&turns)]);
            wire.moods = Moods { piece, pend_often: 2, ..Moods::default() };
            assert_eq!(first_fault(wire).0, expected);
        }
    }
}

#[test]
fn sends_an_alert_for_a_refused_certificate() {
    let mut bad = script(&[Turn::Shake]);
    bad.server = Ca::new("nobody").leaf(|_| {}).server(&[&TLS13]);
    for pend_often in [0, 2, 3] {
        let mut wire = Wire::new([bad.clone()]);
        wire.moods = Moods { pend_often, piece: 1, ..Moods::default() };
        let mut stream = stream(wire);
        assert_eq!(log(&mut stream, 1), ["fault 5s"]);
        let error = &stream.io().inner().over[0].server.error;
        assert!(format!("{error:?}").contains("UnknownCA"), "{error:?}");
    }
}

#[test]
fn a_close_does_not_wait_for_close_notify() {
    // The peer takes all of the handshake and the request, and nothing after.
    let turns = [Turn::Shake, Turn::Send(HEAD), Turn::Send(ONE)];
    let mut probe = stream(Wire::new([script(&turns)]));
    log(&mut probe, 2);
    let written = probe.io().inner().open.as_ref().unwrap().written;
    for moods in [
        Moods { blocks: true, clogged_after: Some(written), ..Moods::default() },
        Moods { clogged_after: Some(written), ..Moods::default() },
        Moods { broken_after: Some(written), ..Moods::default() },
    ] {
        let is_broken = moods.broken_after.is_some();
        let mut wire = Wire::new([script(&turns)]);
        wire.moods = moods;
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
    // Otherwise it comes.
    let mut stream = stream(Wire::new([script(&turns)]));
    log(&mut stream, 2);
    stream.shutdown();
    assert_eq!(next(&mut stream, describe), None);
    assert!(stream.io().inner().over[0].server.closed);
}

#[test]
fn reads_while_a_write_pends() {
    // The request is accepted and stuck; meanwhile the server speaks.
    let wire = Wire::new([script(&[Turn::Shake])]);
    let mut io = tls(wire);
    let until = Instant::from_nanos(u64::MAX / 2);
    while io.poll_connect(&mut cx(), until).is_pending() {}
    // The rest of the handshake is in, and read off: tickets.
    let mut buffer = [0; 100];
    set_moods(&mut io, |moods, written| moods.clogged_after = Some(written + 5));
    assert_eq!(io.poll_write(&mut cx(), b"GET", until), Poll::Ready(Ok(Some(3))));
    server_of(&mut io).send(b"early");
    assert_eq!(io.poll_read(&mut cx(), &mut buffer, until), Poll::Ready(Ok(Some(5))));
    assert_eq!(&buffer[..5], b"early");
    // Nothing more is accepted until it has gone.
    assert_eq!(io.poll_write(&mut cx(), b" / ", until), Poll::Pending);
    set_moods(&mut io, |moods, _| moods.clogged_after = None);
    assert_eq!(io.poll_write(&mut cx(), b" / ", until), Poll::Ready(Ok(Some(3))));
    assert_eq!(server_of(&mut io).received, b"GET / ");
}

#[test]
fn reports_a_failed_write_at_the_next_call() {
    for by_read in [true, false] {
        let mut io = tls(Wire::new([script(&[Turn::Shake])]));
        let until = Instant::from_nanos(u64::MAX / 2);
        while io.poll_connect(&mut cx(), until).is_pending() {}
        set_moods(&mut io, |moods, written| moods.broken_after = Some(written));
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
fn tells_a_bare_end_from_close_notify() {
    for (turn, end) in [(Turn::Goodbye, End::CloseNotify), (Turn::Close, End::BareFin)] {
        let wire = Wire::new([script(&[Turn::Shake, turn])]);
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

/// A slow consumer: what it had not read when the connection was lost is in the gap, though each
/// read was a short one.
#[test]
fn a_gap_starts_before_buffered_ciphertext() {
    let records: &[&[u8]] = &[ONE, TWO, ONE];
    let turns = [Turn::Shake, Turn::Send(HEAD), Turn::Records(records), Turn::Reset];
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
    // The last read that left nothing behind was the head's.
    assert!(gap.unwrap().unwrap() <= start, "{gap:?}");
}

fn server_of(io: &mut Tls<Wire>) -> &mut Server {
    &mut io.inner_mut().open.as_mut().unwrap().server
}

/// Changes the moods, knowing how much was written.
fn set_moods(io: &mut Tls<Wire>, change: impl FnOnce(&mut Moods, usize)) {
    let wire = io.inner_mut();
    change(&mut wire.moods, wire.open.as_ref().unwrap().written);
}
