//! TLS over real sockets: what each fault is called, how long it is waited for, and that nothing is stuck in it.

#![allow(clippy::unwrap_used)]

#[macro_use]
mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use powerstream_blocking::client::owned::OwnedEvent;
use powerstream_blocking::core::session::{Cause, Disconnected, FaultKind, TlsFault};
use powerstream_blocking::{Client, TlsConfig, Token};
use powerstream_simulator::{Config, End, FaultScope, Scenario, Simulator, Tls};
use support::*;

in_each_reading! {
    each_fault_has_its_own_clear_cause,
    a_connect_that_does_not_come_about_is_not_called_a_handshake,
    a_handshake_that_trickles_does_not_outrun_its_deadline,
    shutdown_ends_it_in_every_state,
    what_the_client_ends_it_takes_leave_of,
    a_bare_end_of_the_connection_has_the_same_cause,
}

fn simulator(change: impl FnOnce(&mut Config, &mut Tls)) -> Simulator {
    let mut config = Config::default();
    let mut tls = Tls::default();
    change(&mut config, &mut tls);
    config.tls = Some(tls);
    Simulator::start(config).unwrap()
}

/// Reads until the second connection streams: what ended the first.
fn first_fault(reading: Reading, fault: powerstream_simulator::TlsFault) -> (Disconnected, Duration) {
    let simulator = simulator(|_, tls| {
        tls.fault = Some(fault);
        tls.fault_on = FaultScope::First(1);
    });
    let url = simulator.base_url();
    let config =
        config(&url).timeouts(|timeouts| timeouts.connect = millis(300)).token(Token::new("any").unwrap());
    let start = Instant::now();
    let watched = reading.watch_over(&config, simulator.ca_pem());
    let OwnedEvent::Disconnected(disconnected) = watched.next() else { panic!("no disconnect") };
    let took = start.elapsed();
    watched.connected();
    watched.message();
    let (stopping, _) = watched.stop();
    assert!(stopping < SOON, "{stopping:?}");
    (disconnected, took)
}

fn each_fault_has_its_own_clear_cause(reading: Reading) {
    use TlsFault as T;
    use powerstream_simulator::TlsFault as Given;
    for given in Given::all() {
        let (disconnected, took) = first_fault(reading, *given);
        let kind = match given {
            Given::Expired => T::CertificateExpired,
            Given::NotYetValid => T::CertificateNotYetValid,
            Given::WrongName => T::CertificateName,
            Given::UnknownCa | Given::SelfSigned => T::CertificateIssuer,
            Given::OnlyH2 => T::NoHttp1,
            Given::Stall => T::HandshakeTimedOut,
            Given::Garbage => T::NotTls,
            Given::Reset => T::HandshakeReset,
            Given::Close => T::HandshakeClosed,
            given => panic!("{given} is new"),
        };
        let Cause::Fault(fault) = disconnected.cause else { panic!("{given}: {disconnected:?}") };
        assert_eq!(fault.kind, FaultKind::Tls(kind), "{given}");
        assert_eq!(fault.os_code.is_some(), *given == Given::Reset, "{given}");
        // The first wait of either class is 20 ms here, and jitter on top.
        assert!((millis(20)..=millis(25)).contains(&disconnected.delay), "{given}: {disconnected:?}");
        if *given == Given::Stall {
            assert!(took >= millis(300), "{took:?}");
        }
        assert!(took < millis(300) + SOON, "{given}: {took:?}");
    }
}

fn a_connect_that_does_not_come_about_is_not_called_a_handshake(reading: Reading) {
    // Somebody listens, and nobody accepts: the queue takes the connection, and that is all.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let simulator = simulator(|_, _| {});
    let config = config(&url).timeouts(|timeouts| timeouts.connect = millis(200));
    let watched = reading.watch_over(&config, simulator.ca_pem());
    let OwnedEvent::Disconnected(disconnected) = watched.next() else { panic!("no disconnect") };
    let late = FaultKind::Tls(TlsFault::HandshakeTimedOut);
    assert!(matches!(disconnected.cause, Cause::Fault(fault) if fault.kind == late), "{disconnected:?}");
    watched.stop();
    // Nobody listens.
    drop(listener);
    let watched = reading.watch_over(&config, simulator.ca_pem());
    let OwnedEvent::Disconnected(disconnected) = watched.next() else { panic!("no disconnect") };
    assert!(matches!(disconnected.cause, Cause::Fault(fault) if fault.kind == FaultKind::Refused));
    watched.stop();
}

fn a_handshake_that_trickles_does_not_outrun_its_deadline(reading: Reading) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 4_096]).unwrap();
        // A record of 16,000 octets, one at a time.
        let record = [22, 3, 3, 0x3E, 0x80].into_iter().chain(std::iter::repeat(0));
        for octet in record {
            if socket.write_all(&[octet]).is_err() {
                return;
            }
            std::thread::sleep(millis(5));
        }
    });
    let simulator = simulator(|_, _| {});
    let config = config(&url).timeouts(|timeouts| timeouts.connect = millis(200));
    let start = Instant::now();
    let watched = reading.watch_over(&config, simulator.ca_pem());
    let OwnedEvent::Disconnected(disconnected) = watched.next() else { panic!("no disconnect") };
    let took = start.elapsed();
    let late = FaultKind::Tls(TlsFault::HandshakeTimedOut);
    assert!(matches!(disconnected.cause, Cause::Fault(fault) if fault.kind == late), "{disconnected:?}");
    assert!((millis(200)..millis(200) + SOON).contains(&took), "{took:?}");
    watched.stop();
}

fn shutdown_ends_it_in_every_state(reading: Reading) {
    use powerstream_simulator::TlsFault as Given;
    // In the handshake; while nothing is sent; while more is sent than is read.
    for (fault, rate, wait) in
        [(Some(Given::Stall), 0.0, false), (None, 0.0, true), (None, f64::INFINITY, true)]
    {
        let simulator = simulator(|config, tls| {
            config.rate = Some(rate);
            tls.fault = fault;
        });
        let url = simulator.base_url();
        let config = config(&url).token(Token::new("any").unwrap());
        let watched = reading.watch_over(&config, simulator.ca_pem());
        if wait {
            watched.connected();
        } else {
            simulator.ground_truth().wait(Duration::from_secs(10), |totals| totals.open > 0);
        }
        let (took, _) = watched.stop();
        assert!(took < SOON, "{fault:?} {rate}: {took:?}");
    }
}

fn what_the_client_ends_it_takes_leave_of(reading: Reading) {
    // The session ends it: silence. The simulator knows the goodbye from a lost connection by nothing; but it is gone at once.
    let simulator = simulator(|config, _| {
        config.scenario = Scenario::Stall;
        config.fault_after = 5;
    });
    let url = simulator.base_url();
    let config =
        config(&url).token(Token::new("any").unwrap()).timeouts(|timeouts| timeouts.silence = millis(100));
    let watched = reading.watch_over(&config, simulator.ca_pem());
    watched.connected();
    for _ in 0..5 {
        watched.message();
    }
    assert_eq!(watched.cause(), "timeout_silence");
    // Closed before it is told.
    let ended =
        simulator.ground_truth().wait(Duration::from_secs(10), |totals| totals.connections > totals.open);
    assert!(ended);
    assert_eq!(simulator.ground_truth().connection(1).unwrap().end, Some(End::Fault(Scenario::Stall)));
    watched.stop();
}

/// The body tells an end from a cut, whether or not TLS announces its own.
fn a_bare_end_of_the_connection_has_the_same_cause(reading: Reading) {
    for (scenario, cause) in
        [(Scenario::CleanEnd, "ended"), (Scenario::CloseBetween, "cut"), (Scenario::CloseMidMessage, "cut")]
    {
        for close_notify in [true, false] {
            let simulator = simulator(|config, tls| {
                config.scenario = scenario;
                config.fault_after = 5;
                tls.close_notify = close_notify;
            });
            let config = config(&simulator.base_url()).token(Token::new("any").unwrap());
            let watched = reading.watch_over(&config, simulator.ca_pem());
            watched.connected();
            (0..5).for_each(|_| drop(watched.message()));
            assert_eq!(watched.cause(), cause, "{scenario}, close_notify: {close_notify}");
            watched.stop();
        }
    }
}

#[test]
fn the_systems_trust_does_not_reach_the_simulator() {
    let simulator = simulator(|_, _| {});
    let url = simulator.base_url();
    let config = config(&url).build().unwrap();
    // With what the system trusts, and without.
    let extra = TlsConfig::with_ca_pem(simulator.ca_pem().unwrap().as_bytes()).unwrap();
    let Ok(system) = TlsConfig::platform() else { return };
    for (tls, is_trusted) in [(extra, true), (system, false)] {
        let mut stream = Client::new(config.clone()).with_tls(tls).stream().unwrap();
        let event = stream.next().map(OwnedEvent::from).unwrap();
        match event {
            // Without a token.
            OwnedEvent::Refused(_) if is_trusted => {}
            OwnedEvent::Disconnected(Disconnected { cause: Cause::Fault(fault), .. }) if !is_trusted => {
                assert_eq!(fault.kind, FaultKind::Tls(TlsFault::CertificateIssuer));
            }
            event => panic!("{event:?}"),
        }
    }
}
