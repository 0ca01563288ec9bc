//! TLS over real sockets: the kind of each error, its backoff and its deadline.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use powerstream_blocking::client::owned::OwnedEvent;
use powerstream_blocking::core::session::{DisconnectReason, Disconnected};
use powerstream_blocking::core::transport_error::{CertificateNames, TlsError, TransportErrorKind};
use powerstream_blocking::{Client, TlsConfig, Token};
use powerstream_simulator::{Config, End, FaultScope, Scenario, Simulator, Tls};

use crate::support::*;

in_each_read_mode! {
    each_tls_fault_has_its_own_kind,
    tells_a_failed_connect_from_a_failed_handshake,
    a_slow_handshake_ends_at_its_deadline,
    closes_the_connection_after_an_idle_timeout,
    an_end_without_close_notify_has_the_same_reason,
}

fn simulator(change: impl FnOnce(&mut Config, &mut Tls)) -> Simulator {
    let mut config = Config::default();
    let mut tls = Tls::default();
    change(&mut config, &mut tls);
    config.tls = Some(tls);
    Simulator::start(config).unwrap()
}

/// Reads until the second connection streams. Returns the disconnect of the first, and when it was
/// reported.
fn first_fault(mode: ReadMode, fault: powerstream_simulator::TlsFault) -> (Disconnected, Duration) {
    let simulator = simulator(|_, tls| {
        tls.fault = Some(fault);
        tls.fault_on = FaultScope::First(1);
    });
    let url = simulator.base_url();
    let config =
        config(&url).timeouts(|timeouts| timeouts.connect = millis(300)).token(Token::new("any").unwrap());
    let start = Instant::now();
    let stream = mode.start_with_ca(&config, simulator.ca_pem());
    let OwnedEvent::Disconnected(disconnected) = stream.next() else { panic!("no disconnect") };
    let took = start.elapsed();
    stream.connected();
    stream.message();
    let (stopping, _) = stream.stop();
    assert!(stopping < SOON, "{stopping:?}");
    (disconnected, took)
}

fn each_tls_fault_has_its_own_kind(mode: ReadMode) {
    use TlsError as T;
    use powerstream_simulator::TlsFault as Given;
    for given in Given::all() {
        let (disconnected, took) = first_fault(mode, *given);
        let kind = match given {
            Given::Expired => T::CertificateExpired,
            Given::NotYetValid => T::CertificateNotYetValid,
            Given::WrongName => T::CertificateName(CertificateNames::new(["another-host.test"])),
            Given::UnknownCa | Given::SelfSigned => T::CertificateIssuer,
            Given::OnlyH2 => T::NoHttp1,
            Given::Stall => T::HandshakeTimedOut,
            Given::Garbage => T::NotTls,
            Given::Reset => T::HandshakeReset,
            Given::Close => T::HandshakeClosed,
            given => panic!("{given} is new"),
        };
        let DisconnectReason::Transport(fault) = disconnected.reason else {
            panic!("{given}: {disconnected:?}")
        };
        assert_eq!(fault.kind, TransportErrorKind::Tls(kind), "{given}");
        assert_eq!(fault.os_code.is_some(), *given == Given::Reset, "{given}");
        // The first backoff of both classes is 20 ms here, plus jitter.
        assert!((millis(20)..=millis(25)).contains(&disconnected.delay), "{given}: {disconnected:?}");
        if *given == Given::Stall {
            assert!(took >= millis(300), "{took:?}");
        }
        assert!(took < millis(300) + SOON, "{given}: {took:?}");
    }
}

fn tells_a_failed_connect_from_a_failed_handshake(mode: ReadMode) {
    // The kernel accepts the connection, and the server never does.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let simulator = simulator(|_, _| {});
    let config = config(&url).timeouts(|timeouts| timeouts.connect = millis(200));
    let stream = mode.start_with_ca(&config, simulator.ca_pem());
    let OwnedEvent::Disconnected(disconnected) = stream.next() else { panic!("no disconnect") };
    let late = TransportErrorKind::Tls(TlsError::HandshakeTimedOut);
    assert!(
        matches!(disconnected.reason, DisconnectReason::Transport(fault) if fault.kind == late),
        "{disconnected:?}"
    );
    stream.stop();
    // No server listens.
    drop(listener);
    let stream = mode.start_with_ca(&config, simulator.ca_pem());
    let OwnedEvent::Disconnected(disconnected) = stream.next() else { panic!("no disconnect") };
    assert!(
        matches!(disconnected.reason, DisconnectReason::Transport(fault) if fault.kind == TransportErrorKind::Refused)
    );
    stream.stop();
}

fn a_slow_handshake_ends_at_its_deadline(mode: ReadMode) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 4_096]).unwrap();
        // A record of 16,000 bytes, one at a time.
        let record = [22, 3, 3, 0x3E, 0x80].into_iter().chain(std::iter::repeat(0));
        for byte in record {
            if socket.write_all(&[byte]).is_err() {
                return;
            }
            std::thread::sleep(millis(5));
        }
    });
    let simulator = simulator(|_, _| {});
    let config = config(&url).timeouts(|timeouts| timeouts.connect = millis(200));
    let start = Instant::now();
    let stream = mode.start_with_ca(&config, simulator.ca_pem());
    let OwnedEvent::Disconnected(disconnected) = stream.next() else { panic!("no disconnect") };
    let took = start.elapsed();
    let late = TransportErrorKind::Tls(TlsError::HandshakeTimedOut);
    assert!(
        matches!(disconnected.reason, DisconnectReason::Transport(fault) if fault.kind == late),
        "{disconnected:?}"
    );
    assert!((millis(200)..millis(200) + SOON).contains(&took), "{took:?}");
    stream.stop();
}

fn closes_the_connection_after_an_idle_timeout(mode: ReadMode) {
    // The session ends the connection by its idle timeout, and the simulator sees that immediately.
    let simulator = simulator(|config, _| {
        config.scenario = Scenario::Stall;
        config.fault_after = 5;
    });
    let url = simulator.base_url();
    let config =
        config(&url).token(Token::new("any").unwrap()).timeouts(|timeouts| timeouts.idle = millis(100));
    let stream = mode.start_with_ca(&config, simulator.ca_pem());
    stream.connected();
    for _ in 0..5 {
        stream.message();
    }
    assert_eq!(stream.cause(), "timeout_silence");
    // The connection is closed before the event is delivered.
    let ended =
        simulator.ground_truth().wait(Duration::from_secs(10), |totals| totals.connections > totals.open);
    assert!(ended);
    assert_eq!(simulator.ground_truth().connection(1).unwrap().end, Some(End::Fault(Scenario::Stall)));
    stream.stop();
}

/// The body decides between an end and a cut, with or without a `close_notify`.
fn an_end_without_close_notify_has_the_same_reason(mode: ReadMode) {
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
            let stream = mode.start_with_ca(&config, simulator.ca_pem());
            stream.connected();
            (0..5).for_each(|_| drop(stream.message()));
            assert_eq!(stream.cause(), cause, "{scenario}, close_notify: {close_notify}");
            stream.stop();
        }
    }
}

#[test]
fn the_platforms_roots_do_not_trust_the_simulator() {
    let simulator = simulator(|_, _| {});
    let url = simulator.base_url();
    let config = config(&url).build().unwrap();
    // With the platform's roots, with and without the simulator's CA.
    let extra = TlsConfig::with_ca_pem(simulator.ca_pem().unwrap().as_bytes()).unwrap();
    let Ok(system) = TlsConfig::platform() else { return };
    for (tls, is_trusted) in [(extra, true), (system, false)] {
        let mut stream = Client::new(config.clone()).with_tls(tls).stream().unwrap();
        let event = stream.next().map(OwnedEvent::from).unwrap();
        match event {
            // Without a token.
            OwnedEvent::Refused(_) if is_trusted => {}
            OwnedEvent::Disconnected(Disconnected { reason: DisconnectReason::Transport(fault), .. })
                if !is_trusted =>
            {
                assert_eq!(fault.kind, TransportErrorKind::Tls(TlsError::CertificateIssuer));
            }
            event => panic!("{event:?}"),
        }
    }
}
