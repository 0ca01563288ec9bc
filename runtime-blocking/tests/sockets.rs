//! Streams over real sockets: shutdown in every state, faults, silence.

#![allow(clippy::unwrap_used)]

#[macro_use]
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use powerstream_blocking::client::owned::OwnedEvent;
use powerstream_blocking::core::session::{Cause, FaultKind, SessionEvent};
use powerstream_blocking::{Client, OpenError, TlsConfig};
use powerstream_simulator::{Simulator, Tls};
use socket2::{Domain, SockRef, Socket, Type};
use support::*;

in_each_reading! {
    shutdown_before_the_first_step,
    shutdown_while_a_name_is_resolved,
    shutdown_while_connecting_and_the_connect_deadline,
    shutdown_while_waiting_for_the_head,
    shutdown_while_reading,
    shutdown_while_backing_off,
    shutdown_while_an_event_is_held_delivers_the_rest_of_the_buffer,
    shutdown_against_a_flood_ends_it,
    every_address_of_a_name_is_tried,
    faults_have_their_kinds,
    a_server_that_is_killed_and_comes_back_on_its_port_is_found_again,
    silence_is_noticed_soon_after_its_limit,
    a_slow_consumer_is_not_the_servers_silence,
    the_head_has_its_deadline_however_it_trickles,
    a_refusal_is_told_and_ends_or_waits,
    a_dropped_stream_leaves_the_server_though_a_handle_lives_on,
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// An address of this machine where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn shutdown_before_the_first_step(reading: Reading) {
    let url = url(nobody());
    let mut stream = reading.stream(&config(&url));
    stream.shutdown_handle().shutdown();
    assert!(stream.next().is_none() && stream.next().is_none());
}

fn shutdown_while_a_name_is_resolved(reading: Reading) {
    // In the clear this is the one name there is. It is resolved on a thread of its own like any other.
    let url = format!("http://localhost:{}", nobody().port());
    for wait in [0, 0, 0, 1, 1, 5, 20] {
        let watched = reading.watch(&config(&url));
        std::thread::sleep(millis(wait));
        let (took, _) = watched.stop();
        assert!(took < SOON, "{took:?}");
    }
}

fn shutdown_while_connecting_and_the_connect_deadline(reading: Reading) {
    // A queue of one that is full: whoever comes next is not answered.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut full = Vec::new();
    while let Ok(one) = TcpStream::connect_timeout(&address, millis(200)) {
        full.push(one);
        assert!(full.len() < 100, "the queue never fills");
    }
    let url = url(address);
    let config = config(&url);
    let watched = reading.watch(&config);
    std::thread::sleep(millis(100));
    assert!(watched.events.try_recv().is_err(), "nothing happens yet");
    let (took, events) = watched.stop();
    assert!(took < SOON && events.is_empty(), "{took:?} {events:?}");

    let config = config.timeouts(|timeouts| timeouts.connect = millis(150));
    let start = Instant::now();
    let watched = reading.watch(&config);
    assert_eq!(watched.cause(), "timeout_connect");
    assert!((millis(150)..SOON).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert!(watched.stop().0 < SOON);
}

fn shutdown_while_waiting_for_the_head(reading: Reading) {
    let watched = reading.watch(&config(&url(serve(vec![hang]))));
    std::thread::sleep(millis(100));
    let (took, events) = watched.stop();
    assert!(took < SOON && events.is_empty(), "{took:?} {events:?}");
}

fn shutdown_while_reading(reading: Reading) {
    let address = serve(vec![|socket| {
        send(&socket, HEAD);
        send(&socket, line(&post(1)));
        hang(socket);
    }]);
    let watched = reading.watch(&config(&url(address)));
    watched.connected();
    assert_eq!(watched.message(), post(1));
    std::thread::sleep(millis(50));
    let (took, events) = watched.stop();
    assert!(took < SOON && events.is_empty(), "{took:?} {events:?}");
}

fn shutdown_while_backing_off(reading: Reading) {
    let url = url(nobody());
    let config = config(&url).backoff(|backoff| backoff.network.first = Duration::from_secs(16));
    let watched = reading.watch(&config);
    assert_eq!(watched.cause(), "fault");
    std::thread::sleep(millis(50));
    let (took, events) = watched.stop();
    assert!(took < SOON && events.is_empty(), "{took:?} {events:?}");
}

fn shutdown_while_an_event_is_held_delivers_the_rest_of_the_buffer(reading: Reading) {
    let address = serve(vec![|socket| {
        send(&socket, [HEAD.as_bytes(), &line(&post(1)), &line(&post(2)), &line(&post(3))].concat());
        hang(socket);
    }]);
    let url = url(address);
    let mut stream = reading.stream(&config(&url));
    assert!(matches!(stream.next(), Some(SessionEvent::Connected(_))));
    assert!(matches!(stream.next(), Some(SessionEvent::Message(_))));
    let stop = stream.shutdown_handle();
    std::thread::spawn(move || stop.shutdown()).join().unwrap();
    let mut rest = 0;
    while let Some(event) = stream.next() {
        assert!(matches!(event, SessionEvent::Message(_)));
        rest += 1;
    }
    assert_eq!(rest, 2);
    assert!(stream.next().is_none());
}

fn shutdown_against_a_flood_ends_it(reading: Reading) {
    let address = serve(vec![|socket| {
        send(&socket, HEAD);
        let lines = line(&post(1)).repeat(100);
        let mut socket = socket;
        while std::io::Write::write_all(&mut socket, &lines).is_ok() {}
    }]);
    let url = url(address);
    let mut stream = reading.stream(&config(&url));
    let stop = stream.shutdown_handle();
    let thread = std::thread::spawn(move || {
        let mut count = 0_u64;
        while stream.next().is_some() {
            count += 1;
        }
        count
    });
    std::thread::sleep(millis(100));
    let start = Instant::now();
    stop.shutdown();
    assert!(thread.join().unwrap() > 1);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

fn every_address_of_a_name_is_tried(reading: Reading) {
    // Where the name has an IPv6 address as well, nobody listens there.
    let address = serve(vec![|socket| {
        send(&socket, HEAD);
        send(&socket, line(&post(1)));
        hang(socket);
    }]);
    let watched = reading.watch(&config(&format!("http://localhost:{}", address.port())));
    watched.connected();
    assert_eq!(watched.message(), post(1));
    assert!(watched.stop().0 < SOON);
}

fn faults_have_their_kinds(reading: Reading) {
    let watched = reading.watch(&config(&url(nobody())));
    match watched.next() {
        OwnedEvent::Disconnected(disconnected) => match disconnected.cause {
            Cause::Fault(fault) => {
                assert_eq!((fault.kind, fault.os_code.is_some()), (FaultKind::Refused, true))
            }
            cause => panic!("{cause:?}"),
        },
        event => panic!("{event:?}"),
    }
    assert!(watched.stop().0 < SOON);

    let address = serve(vec![|socket| {
        send(&socket, [HEAD.as_bytes(), &line(&post(1)), b"10\r\n{\"id\""].concat());
        // Time for it to be read: a reset takes the unread with it.
        std::thread::sleep(millis(100));
        SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
    }]);
    let watched = reading.watch(&config(&url(address)));
    watched.connected();
    assert_eq!(watched.message(), post(1));
    match watched.next() {
        OwnedEvent::Disconnected(disconnected) => {
            assert!(matches!(disconnected.cause, Cause::Fault(fault) if fault.kind == FaultKind::Reset));
            assert_eq!((disconnected.undelivered, disconnected.delay), (5, Duration::ZERO));
        }
        event => panic!("{event:?}"),
    }
    assert!(watched.stop().0 < SOON);
}

fn a_server_that_is_killed_and_comes_back_on_its_port_is_found_again(reading: Reading) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let first = std::thread::spawn(move || {
        serve_on(
            &listener,
            vec![|socket| {
                send(&socket, [HEAD.as_bytes(), &line(&post(1))].concat());
                std::thread::sleep(millis(50));
            }],
        );
    });
    let watched = reading.watch(&config(&url(address)));
    watched.connected();
    assert_eq!(watched.message(), post(1));
    first.join().unwrap();
    assert_eq!(watched.cause(), "cut");
    assert_eq!(watched.cause(), "fault");
    std::thread::sleep(millis(100));
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        serve_on(
            &listener,
            vec![|socket| {
                send(&socket, [HEAD.as_bytes(), &line(&post(2))].concat());
                hang(socket);
            }],
        );
    });
    let connected = loop {
        match watched.next() {
            OwnedEvent::Connected(connected) => break connected,
            OwnedEvent::Disconnected(_) => {}
            event => panic!("{event:?}"),
        }
    };
    let gap = connected.gap.unwrap();
    assert!(gap.to.saturating_since(gap.from) >= millis(1_100));
    assert_eq!(watched.message(), post(2));
    assert!(watched.stop().0 < SOON);
}

fn silence_is_noticed_soon_after_its_limit(reading: Reading) {
    let address = serve(vec![|socket| {
        send(&socket, HEAD);
        std::thread::sleep(millis(150));
        send(&socket, line(""));
        hang(socket);
    }]);
    let url = url(address);
    let config = config(&url).timeouts(|timeouts| timeouts.silence = millis(300));
    let watched = reading.watch(&config);
    watched.connected();
    let (last, event) = watched.events.recv_timeout(SOON).unwrap();
    assert!(matches!(event, OwnedEvent::KeepAlive));
    let (noticed, event) = watched.events.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(
        matches!(event, OwnedEvent::Disconnected(disconnected) if disconnected.cause.code() == "timeout_silence")
    );
    let took = noticed - last;
    // The event reaches this thread a moment after the read that the limit counts from.
    assert!(took >= millis(280), "{took:?}");
    assert!(watched.stop().0 < SOON);
}

fn a_slow_consumer_is_not_the_servers_silence(reading: Reading) {
    let address = serve(vec![|socket| {
        send(&socket, HEAD);
        for id in 0..15 {
            send(&socket, line(&post(id)));
            std::thread::sleep(millis(50));
        }
        hang(socket);
    }]);
    let url = url(address);
    let config = config(&url).timeouts(|timeouts| timeouts.silence = millis(1_000));
    let mut stream = reading.stream(&config);
    let mut posts = 0;
    let end = loop {
        match stream.next().unwrap() {
            SessionEvent::Connected(_) => std::thread::sleep(millis(1_200)),
            SessionEvent::Message(_) => {
                posts += 1;
                if posts == 2 {
                    std::thread::sleep(millis(1_400));
                }
            }
            SessionEvent::Disconnected(disconnected) => break disconnected,
            _ => {}
        }
    };
    assert_eq!((posts, end.cause.code()), (15, "timeout_silence"));
}

fn the_head_has_its_deadline_however_it_trickles(reading: Reading) {
    let address = serve(vec![|socket| {
        for byte in HEAD.bytes() {
            send(&socket, [byte]);
            std::thread::sleep(millis(20));
        }
    }]);
    let url = url(address);
    let config = config(&url).timeouts(|timeouts| timeouts.head = millis(300));
    let start = Instant::now();
    let watched = reading.watch(&config);
    assert_eq!(watched.cause(), "timeout_head");
    assert!((millis(300)..SOON).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert!(watched.stop().0 < SOON);
}

fn a_refusal_is_told_and_ends_or_waits(reading: Reading) {
    let address =
        serve(vec![|socket| send(&socket, "HTTP/1.1 503 x\r\ncontent-length: 2\r\n\r\nno"), |socket| {
            send(&socket, "HTTP/1.1 401 x\r\n\r\nwho?")
        }]);
    let url = url(address);
    let stream = reading.stream(&config(&url));
    let events: Vec<OwnedEvent> = stream.into_iter().collect();
    match &events[..] {
        [
            OwnedEvent::Refused(first),
            OwnedEvent::Disconnected(wait),
            OwnedEvent::Refused(second),
            OwnedEvent::GaveUp(end),
        ] => {
            assert_eq!((first.refusal.status, &first.document[..]), (503, &b"no"[..]));
            assert!(wait.delay >= millis(20) && wait.delay <= millis(25));
            assert_eq!((second.refusal.status, &second.document[..]), (401, &b"who?"[..]));
            assert_eq!(end.cause.code(), "refused");
        }
        events => panic!("{events:?}"),
    }
}

#[test]
fn what_cannot_be_opened_is_told() {
    // A name that an origin may have and a certificate cannot.
    let mut simulated = powerstream_simulator::Config::default();
    simulated.tls = Some(Tls::default());
    let simulator = Simulator::start(simulated).unwrap();
    let tls = TlsConfig::only_ca_pem(simulator.ca_pem().unwrap().as_bytes()).unwrap();
    let config = config("https://-a..b").build().unwrap();
    match Client::new(config).with_tls(tls).stream() {
        Err(error @ OpenError::Tls(_)) => assert!(error.to_string().contains("base URL"), "{error}"),
        other => panic!("{other:?}"),
    }
}

fn a_dropped_stream_leaves_the_server_though_a_handle_lives_on(reading: Reading) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = url(listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 4_096]).unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // The end of the connection; a time-out is an error.
        socket.read(&mut [0; 1]).map_err(|error| error.kind())
    });
    let mut stream = reading.stream(&config(&base_url));
    assert!(matches!(stream.next(), Some(SessionEvent::Connected(_))));
    let handle = stream.shutdown_handle();
    drop(stream);
    assert_eq!(server.join().unwrap(), Ok(0));
    handle.shutdown();
}

#[test]
fn has_an_event_only_while_one_read_brought_more() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 4_096]).unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"a\":1}\r\n{\"a\":2}\r\n{\"a\":3").unwrap();
        socket
    });
    let config = config(&url).build().unwrap();
    let mut stream = Client::new(config).stream().unwrap();
    assert!(!stream.find_next());
    assert!(matches!(stream.next(), Some(SessionEvent::Connected(_))));
    for message in [b"{\"a\":1}", b"{\"a\":2}"] {
        // Asking twice changes nothing.
        assert!(stream.find_next() && stream.find_next());
        let event = stream.next();
        assert!(matches!(event, Some(SessionEvent::Message(found)) if found.bytes == message), "{event:?}");
    }
    // The third is not whole.
    assert!(!stream.find_next() && !stream.find_next());
    drop(server.join().unwrap());
    assert!(matches!(stream.next(), Some(SessionEvent::Disconnected(_))));
}
