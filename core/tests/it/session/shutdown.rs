//! Tests shutdown from every state, and that the token is wiped.

use std::collections::BTreeSet;

use powerstream_core::session::{Session, SessionEvent, Step};
use powerstream_core::transport_error::TransportErrorKind;

use crate::harness::*;

/// A session that passes through every state.
fn life() -> Network {
    let slow =
        |attempt| Attempt { connect: Connect::After(ms(50)), write_max: 40, write_time: ms(3), ..attempt };
    Network::new([
        slow(Attempt::new().bytes(ms(20), &HEAD[..20]).bytes(ms(20), &HEAD[20..]))
            .line(ms(20), &post(1))
            .bytes(ms(20), [line(&post(2)), line(&post(3)), line(""), chunk("{")].concat())
            .eof(ms(20)),
        Attempt::failing(TransportErrorKind::Refused),
        slow(Attempt::new().bytes(ms(20), "HTTP/1.1 503 x\r\n\r\n<htm").eof(ms(50))),
        slow(Attempt::stream().line(ms(20), &post(4)).bytes(0, "x").eof(0)),
    ])
}

#[test]
fn shutdown_at_any_time_closes_and_ends_the_session() {
    let whole = run(&config(), life(), secs(12));
    let mut ends = BTreeSet::new();
    for at in 0..1_200 {
        // Every millisecond of the first states, every ten milliseconds of the wait after them.
        let at = if at < 700 { ms(at) } else { ms(700 + (at - 700) * 20) };
        let mut net = life();
        net.stop_at = Some(at);
        let run = run(&config(), net, secs(12));
        assert!(run.over, "{at}: {:#?}", run.lines);
        let done = run.lines.last().unwrap().split(' ').next().unwrap().parse::<u64>().unwrap();
        assert!(ms(done) <= at + ms(51), "{at}: {:#?}", run.lines);
        if let [.., before, _] = &run.lines[..] {
            ends.insert(before.split_once(' ').unwrap().1.to_owned());
        }
        // The events before the shutdown are the same as without it. After them, only the rest of
        // the buffer, the close and the end follow.
        let same = run.lines.iter().zip(&whole.lines).take_while(|(one, other)| one == other).count();
        assert!(run.lines.len() - same <= 2, "{at}: {:#?}", run.lines);
    }
    assert!(ends.contains("close") && ends.contains("disconnected refused 5000"), "{ends:?}");
}

#[test]
fn shutdown_while_an_event_is_held_delivers_the_rest_of_the_buffer() {
    let mut stream = HEAD.as_bytes().to_vec();
    for id in 0..5 {
        stream.extend(line(&post(id)));
    }
    stream.extend(chunk("{\"id\""));
    for event in 0..=6 {
        let mut net = Network::always(Attempt::new().bytes(0, &stream).eof(0));
        net.stop_at_event = Some(event);
        let run = run(&config(), net, 1);
        let messages = if event == 0 { 0 } else { 5 };
        assert_eq!(run.bytes().len(), messages, "{event}");
        match event {
            0 => assert_eq!(run.lines, ["0 done"]),
            _ => assert_eq!(
                run.lines[run.lines.len() - 2..],
                ["0 close", "0 done"],
                "{event}: {:#?}",
                run.lines
            ),
        }
    }
}

#[test]
fn shutdown_after_a_refusal_delivers_both_of_its_events() {
    for event in [1, 2] {
        let mut net = Network::always(Attempt::new().bytes(0, refusal("503 x", "", "")));
        net.stop_at_event = Some(event);
        let run = run(&config(), net, secs(6));
        let expected =
            ["0 connect", "0 close", "0 refused Server 503", "0 disconnected refused 5000", "0 done"];
        assert_eq!(run.lines, expected, "{event}");
    }
}

#[test]
fn calls_that_do_not_fit_the_state_are_ignored() {
    let config = config();
    let net = Network::new([]);
    let mut session = new_session(vec![0; config.storage_bytes()], &config, &net, 1);
    let fault = powerstream_core::transport_error::TransportError::new(TransportErrorKind::Reset);
    // Not connected yet, so calls about the transport have no effect.
    let first = session.poll();
    session.handle_connected(at(0));
    session.handle_written(10, at(0));
    session.handle_eof(at(0));
    session.handle_transport_error(fault, at(0));
    session.handle_closed(at(0));
    session.handle_resume(at(0));
    assert!(session.decode(b"HTTP/1.1 200 x\r\n\r\n", at(0)).1.is_none());
    assert_eq!((session.poll(), session.transmit()), (first, &b""[..]));
    session.handle_timeout(at(0));
    assert_eq!(session.poll(), Step::Connect { until: at(10_000) });
    session.handle_timeout(at(9_999));
    session.handle_closed(at(9_999));
    session.handle_written(10, at(9_999));
    assert_eq!(session.poll(), Step::Connect { until: at(10_000) });
    // A refusal is pending. A timer that fires meanwhile does not discard it.
    session.handle_connected(at(10_000));
    let length = session.transmit().len();
    session.handle_written(0, at(10_000));
    assert_eq!(session.transmit().len(), length);
    session.handle_written(usize::MAX, at(10_000));
    let (_, none) = session.decode(b"HTTP/1.1 503 x\r\ncontent-length: 2\r\n\r\nno", at(10_000));
    assert!(none.is_none());
    assert_eq!(session.poll(), Step::Close);
    session.handle_timeout(at(99_000));
    session.handle_eof(at(99_000));
    session.handle_transport_error(fault, at(99_000));
    assert_eq!(session.poll(), Step::Close);
    session.handle_closed(at(10_000));
    session.handle_timeout(at(100_000));
    assert_eq!(session.poll(), Step::Event);
    match session.decode(&[], at(100_000)).1 {
        Some(powerstream_core::session::SessionEvent::Refused(refused)) => {
            assert_eq!(refused.document, b"no")
        }
        event => panic!("{event:?}"),
    }
    assert!(matches!(
        session.decode(&[], at(100_000)).1,
        Some(powerstream_core::session::SessionEvent::Disconnected(_))
    ));
    assert_eq!(session.poll(), Step::Sleep { until: at(15_000) });
}

fn holds_token(storage: &[u8]) -> bool {
    // Any eight bytes of the token count. The token has no zero byte, so the storage is split at
    // zero bytes.
    storage
        .split(|&byte| byte == 0)
        .any(|run| TOKEN.as_bytes().windows(8).any(|part| run.windows(8).any(|window| window == part)))
}

/// Drops the session in each state, and checks that the storage does not contain the token. While
/// the session exists, its storage cannot be read.
#[test]
fn token_is_wiped_when_the_session_is_dropped() {
    let config = config();
    let fault = powerstream_core::transport_error::TransportError::new(TransportErrorKind::Reset);
    type Walk = fn(&mut Session<&mut [u8]>, powerstream_core::transport_error::TransportError);
    let walks: [(&str, Walk); 11] = [
        ("new", |_, _| {}),
        ("connecting", |session, _| session.handle_timeout(at(0))),
        ("writing", |session, _| writing(session)),
        ("written in part", |session, _| {
            writing(session);
            session.handle_written(100, at(0));
        }),
        ("written", |session, _| written(session)),
        ("error while writing", |session, fault| {
            writing(session);
            session.handle_transport_error(fault, at(0));
        }),
        ("eof while writing", |session, _| {
            writing(session);
            session.handle_eof(at(0));
        }),
        ("timeout while writing", |session, _| {
            writing(session);
            session.handle_timeout(at(20_000));
            session.handle_timeout(at(20_000));
            assert_eq!(session.poll(), Step::Close);
        }),
        ("error while writing, closed", |session, fault| {
            writing(session);
            session.handle_transport_error(fault, at(0));
            session.handle_closed(at(0));
        }),
        ("shutdown while writing", |session, _| {
            writing(session);
            session.shutdown();
            assert_eq!(session.poll(), Step::Close);
            session.handle_closed(at(0));
            assert_eq!(session.poll(), Step::Done);
        }),
        ("reading", |session, _| {
            written(session);
            let _ = session.decode(b"HTTP/1.1 200 OK\r\n\r\n", at(0)).1;
            let _ = session.decode(b"{\"id\":1", at(0)).1;
        }),
    ];
    for (name, walk) in walks {
        let mut storage = vec![0; config.storage_bytes() + 100];
        let mut session = Session::new(&mut storage[..], &config, 1, at(0), Network::new([]).unix()).unwrap();
        walk(&mut session, fault);
        assert!(!format!("{session:?}").contains(TOKEN));
        drop(session);
        assert!(!holds_token(&storage), "{name}");
    }
}

fn writing(session: &mut Session<&mut [u8]>) {
    session.handle_timeout(at(0));
    session.handle_connected(at(0));
    assert!(holds_token(session.transmit()));
}

fn written(session: &mut Session<&mut [u8]>) {
    writing(session);
    session.handle_written(session.transmit().len(), at(0));
    assert!(session.transmit().is_empty());
}

#[test]
fn request_and_messages_never_overlap_in_storage() {
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Storage that the test can inspect.
    struct Shared(Vec<u8>, Rc<RefCell<Vec<u8>>>);
    impl AsRef<[u8]> for Shared {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl AsMut<[u8]> for Shared {
        fn as_mut(&mut self) -> &mut [u8] {
            // A copy of the storage before the current write.
            self.1.borrow_mut().clone_from(&self.0);
            &mut self.0
        }
    }
    let config = config();
    let front = config.message_bytes_max;
    let fault = powerstream_core::transport_error::TransportError::new(TransportErrorKind::Reset);
    for ending in 0..3 {
        let view = Rc::new(RefCell::new(Vec::new()));
        let storage = Shared(vec![0; config.storage_bytes()], Rc::clone(&view));
        let mut session = Session::new(storage, &config, 1, at(0), Network::new([]).unix()).unwrap();
        session.handle_timeout(at(0));
        session.handle_connected(at(0));
        match ending {
            0 => session.handle_written(usize::MAX, at(0)),
            1 => session.handle_transport_error(fault, at(0)),
            _ => session.handle_eof(at(0)),
        }
        if ending == 0 {
            let _ = session.decode(b"HTTP/1.1 200 OK\r\n\r\n{", at(0)).1;
            let _ = session.decode(b"{", at(0)).1;
            let _ = session.decode(b"{", at(0)).1;
        } else {
            session.handle_closed(at(0));
            let _ = session.decode(&[], at(0)).1;
            session.handle_timeout(at(1_000));
            session.handle_connected(at(1_000));
            // The next request is being written, so the copy is older.
            session.handle_transport_error(fault, at(1_000));
        }
        drop(session);
        let seen = view.borrow();
        assert!(!holds_token(&seen[..front]), "{ending}");
    }
}

#[test]
fn a_connect_or_write_that_completes_after_the_shutdown_sends_and_reads_nothing() {
    for written in [false, true] {
        let config = config();
        let storage = vec![0; config.storage_bytes()];
        let mut session = Session::new(storage, &config, 1, at(0), Network::new([]).unix()).unwrap();
        session.handle_timeout(at(0));
        if written {
            session.handle_connected(at(0));
        }
        session.shutdown();
        if written {
            session.handle_written(usize::MAX, at(0));
        } else {
            session.handle_connected(at(0));
            assert!(session.transmit().is_empty());
        }
        let response = b"HTTP/1.1 200 OK\r\n\r\n{}\r\n";
        let (consumed, event) = session.decode(response, at(0));
        assert!(consumed == response.len() && event.is_none());
        assert_eq!(session.poll(), Step::Close);
    }
}

#[test]
fn decoding_after_the_shutdown_of_a_stream_delivers_each_complete_message_of_the_input() {
    let mut session = requesting();
    assert!(session.decode(HEAD.as_bytes(), at(0)).1.is_some());
    session.shutdown();
    let (input, mut start, mut messages) = ([line(&post(1)), line(&post(2)), chunk("{")].concat(), 0, 0);
    loop {
        let (consumed, event) = session.decode(&input[start..], at(1));
        start += consumed;
        let Some(event) = event else { break };
        messages += usize::from(matches!(event, SessionEvent::Message(_)));
    }
    assert_eq!((messages, start, session.poll()), (2, input.len(), Step::Close));
}

#[test]
fn the_close_after_an_early_last_message_does_not_reset_the_schedules() {
    let attempt = || Attempt::new().bytes(0, "HTTP/1.1 200 OK\r\n\r\n").bytes(secs(1), post(7)).eof(secs(21));
    let run = run(&config(), Network::always(attempt()), ms(66_500));
    let waits = run.delays();
    assert_eq!(waits, [0, 250, 500]);
}
