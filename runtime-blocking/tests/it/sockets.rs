//! Tests that the shared suite does not contain: the calls of one thread, in order.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use powerstream_blocking::client::owned::OwnedEvent;
use powerstream_blocking::core::session::SessionEvent;
use powerstream_blocking::{Client, OpenError, TlsConfig, Token};
use powerstream_simulator::{Simulator, Tls};

use crate::support::*;

in_each_read_mode! {
    ends_after_a_shutdown_before_the_first_step,
    delivers_the_rest_of_the_buffer_after_a_shutdown_while_an_event_is_held,
    notices_silence_soon_after_the_idle_timeout,
}

fn ends_after_a_shutdown_before_the_first_step(mode: ReadMode) {
    let mut stream = mode.stream(&config(&format!("http://{}", unused_address())));
    stream.shutdown_handle().shutdown();
    assert!(stream.next().is_none() && stream.next().is_none());
}

fn delivers_the_rest_of_the_buffer_after_a_shutdown_while_an_event_is_held(mode: ReadMode) {
    let address = serve(vec![|socket| {
        send(&socket, [HEAD.as_bytes(), &chunk(&post(1)), &chunk(&post(2)), &chunk(&post(3))].concat());
        hang(socket);
    }]);
    let mut stream = mode.stream(&config(&format!("http://{address}")));
    assert!(matches!(stream.next(), Some(SessionEvent::Connected(_))));
    assert!(matches!(stream.next(), Some(SessionEvent::Message(_))));
    let shutdown = stream.shutdown_handle();
    std::thread::spawn(move || shutdown.shutdown()).join().unwrap();
    let mut rest = 0;
    while let Some(event) = stream.next() {
        assert!(matches!(event, SessionEvent::Message(_)));
        rest += 1;
    }
    assert_eq!(rest, 2);
    assert!(stream.next().is_none());
}

fn notices_silence_soon_after_the_idle_timeout(mode: ReadMode) {
    let address = serve(vec![|socket| {
        send(&socket, HEAD);
        std::thread::sleep(millis(150));
        send(&socket, chunk(""));
        hang(socket);
    }]);
    let url = format!("http://{address}");
    let stream = mode.start(&config(&url).timeouts(|timeouts| timeouts.idle = millis(300)));
    stream.connected();
    let (last, event) = stream.events.recv_timeout(SOON).unwrap();
    assert!(matches!(event, OwnedEvent::KeepAlive));
    let (noticed, event) = stream.events.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(
        matches!(event, OwnedEvent::Disconnected(disconnected) if disconnected.reason.code() == "timeout_silence")
    );
    let took = noticed - last;
    // The event reaches this thread a moment after the read from which the timeout counts.
    assert!(took >= millis(280), "{took:?}");
    assert!(stream.stop().0 < SOON);
}

#[test]
fn reports_a_host_that_no_certificate_can_name() {
    let mut simulated = powerstream_simulator::Config::default();
    simulated.tls = Some(Tls::default());
    let simulator = Simulator::start(simulated).unwrap();
    let tls = TlsConfig::only_ca_pem(simulator.ca_pem().unwrap().as_bytes()).unwrap();
    // An origin may have this name, a certificate cannot.
    let config = config("https://-a..b").build().unwrap();
    match Client::new(config).with_tls(tls).stream() {
        Err(error @ OpenError::Tls(_)) => assert!(error.to_string().contains("base URL"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn has_an_event_only_if_one_read_returned_several() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
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
    // The third message is not complete.
    assert!(!stream.find_next() && !stream.find_next());
    drop(server.join().unwrap());
    assert!(matches!(stream.next(), Some(SessionEvent::Disconnected(_))));
}

/// A message carries the time at which the kernel received it, in every read mode, plain and over
/// TLS.
#[cfg(target_os = "linux")]
#[test]
fn messages_carry_the_time_of_their_receipt_by_the_kernel() {
    use std::time::UNIX_EPOCH;

    use powerstream_blocking::{Blocking, Connections, MergedEvent};

    for (busy_poll, tls) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut simulated = powerstream_simulator::Config::default();
        simulated.tls = tls.then(Tls::default);
        let simulator = Simulator::start(simulated).unwrap();
        let runtime = Blocking::default().with_busy_poll(busy_poll).with_kernel_timestamps(true);
        let token = Token::new("any").unwrap();
        let config = config(&simulator.base_url()).token(token).build().unwrap();
        let mut client = Client::new(config.clone()).with_runtime(runtime);
        if let Some(ca) = simulator.ca_pem() {
            client = client.with_tls(TlsConfig::only_ca_pem(ca.as_bytes()).unwrap());
        }
        let mut earlier = UNIX_EPOCH.elapsed().unwrap();
        let mut stream = client.stream().unwrap();
        let mut messages = 0;
        while messages < 20 {
            match stream.next() {
                Some(SessionEvent::Message(message)) => {
                    let Some(at) = message.received_at else {
                        // The kernel begins a moment after the first socket asks for it.
                        assert_eq!(messages, 0);
                        continue;
                    };
                    let at = Duration::from_nanos(at.as_nanos());
                    assert!(earlier <= at && at <= UNIX_EPOCH.elapsed().unwrap(), "{earlier:?} {at:?}");
                    (earlier, messages) = (at, messages + 1);
                }
                Some(SessionEvent::Connected(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        // Several connections on one thread wait in a poll.
        let mut merged = client.merged(&Connections::copies(2, &config)).unwrap();
        let mut is_measured = false;
        while !is_measured {
            match merged.next() {
                Some(MergedEvent::Session { event: SessionEvent::Message(message), .. }) => {
                    is_measured = message.received_at.is_some();
                }
                other => assert!(other.is_some()),
            }
        }
    }
}
