//! The simulator over TLS: the same stream, and faults of the handshake.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use powerstream_simulator::{Config, ConnectionRecord, End, FaultScope, Scenario, Simulator, Tls, TlsFault};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, InvalidMessage, RootCertStore,
    StreamOwned,
};

use crate::client::{Client, Ended, config, connect, request};

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

fn start(change: impl FnOnce(&mut Config, &mut Tls)) -> Simulator {
    Simulator::start(config(|config| {
        let mut tls = Tls::default();
        change(config, &mut tls);
        config.tls = Some(tls);
    }))
    .unwrap()
}

/// Returns a TLS connection that trusts only the simulator's CA, before its handshake.
fn over_tls(simulator: &Simulator, name: &str, protocols: &[&str]) -> TlsStream {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(simulator.ca_pem().unwrap().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), connect(simulator))
}

fn stream(simulator: &Simulator) -> Client {
    let client =
        Client::send_over(over_tls(simulator, "127.0.0.1", &["http/1.1"]), &request("/2/powerstream"));
    assert_eq!(client.status(), 200);
    client
}

/// Completes the handshake and requests the stream.
fn handshake(tls: &mut TlsStream) -> io::Result<()> {
    tls.write_all(request("/2/powerstream").as_bytes())?;
    tls.read(&mut [0; 1]).map(|_| ())
}

/// Returns the record of the first connection, after its end.
fn ended(simulator: &Simulator) -> ConnectionRecord {
    let truth = simulator.ground_truth();
    assert!(truth.wait(Duration::from_secs(10), |totals| totals.connections > 0 && totals.open == 0));
    truth.connection(1).unwrap()
}

fn tls_error(error: io::Error) -> Error {
    *error.into_inner().unwrap().downcast().unwrap()
}

#[test]
fn accepts_every_local_name_and_negotiates_the_protocol() {
    let simulator = start(|_, _| {});
    assert!(simulator.base_url().starts_with("https://127.0.0.1:"));
    for name in ["127.0.0.1", "::1", "localhost"] {
        let mut tls = over_tls(&simulator, name, &["h2", "http/1.1"]);
        handshake(&mut tls).unwrap();
        assert_eq!(tls.conn.alpn_protocol(), Some(b"http/1.1".as_slice()));
    }
    let mut tls = over_tls(&simulator, "localhost", &[]);
    handshake(&mut tls).unwrap();
    assert_eq!(tls.conn.alpn_protocol(), None);
    assert_eq!(crate::client::start(|_| {}).ca_pem(), None);
}

#[test]
fn the_tls_stream_equals_the_plaintext_stream() {
    for scenario in [
        Scenario::Steady,
        Scenario::TinyChunks,
        Scenario::Split,
        Scenario::Coalesce,
        Scenario::Dribble,
        Scenario::Oversized,
        Scenario::SlowHead,
    ] {
        let simulator = start(|config, _| {
            config.scenario = scenario;
            config.rate = Some(5_000.0);
        });
        let mut client = stream(&simulator);
        client.read_messages(250);
        let truth = simulator.ground_truth().messages(1);
        for (came, sent) in client.messages.iter().zip(&truth) {
            assert_eq!(Some(came.as_slice()), sent.bytes.as_deref(), "{scenario}");
        }
    }
}

#[test]
fn distinguishes_close_notify_fin_and_reset() {
    for (scenario, announced, unannounced) in [
        (Scenario::CloseBetween, Ended::Eof, Ended::BareFin),
        (Scenario::CloseMidMessage, Ended::Eof, Ended::BareFin),
        (Scenario::CleanEnd, Ended::LastChunk, Ended::LastChunk),
        // A reset is one of TCP.
        (Scenario::Reset, Ended::Reset, Ended::Reset),
        (Scenario::BadChunk, Ended::BadChunk, Ended::BadChunk),
    ] {
        for (close_notify, end) in [(true, announced), (false, unannounced)] {
            let simulator = start(|config, tls| {
                config.scenario = scenario;
                config.rate = Some(5_000.0);
                tls.close_notify = close_notify;
            });
            let mut client = stream(&simulator);
            assert_eq!(client.read_to_end(), end, "{scenario}");
            drop(client);
            let connection = ended(&simulator);
            assert_eq!(connection.end, Some(End::Fault(scenario)));
        }
    }
}

#[test]
fn a_close_notify_ends_the_stream_before_the_fin() {
    let simulator = start(|config, _| config.rate = Some(0.0));
    let mut tls = over_tls(&simulator, "localhost", &[]);
    handshake(&mut tls).unwrap();
    tls.conn.send_close_notify();
    tls.flush().unwrap();
    let connection = ended(&simulator);
    assert_eq!(connection.end, Some(End::ClientLeft));
}

#[test]
fn shutdown_does_not_wait_for_clients() {
    let simulator = start(|config, _| config.rate = Some(f64::INFINITY));
    // A connection without a byte, one during the handshake, and one that does not read.
    let silent = connect(&simulator);
    let mut half = connect(&simulator);
    half.write_all(&[22, 3, 1]).unwrap();
    let mut deaf = over_tls(&simulator, "localhost", &[]);
    handshake(&mut deaf).unwrap();
    simulator.shutdown();
    for number in 1..=3 {
        assert_eq!(simulator.ground_truth().connection(number).unwrap().end, Some(End::Shutdown), "{number}");
    }
    drop((silent, half, deaf));
}

#[test]
fn reports_a_client_that_speaks_no_tls() {
    let simulator = start(|_, _| {});
    let mut plain = connect(&simulator);
    plain.write_all(request("/2/powerstream").as_bytes()).unwrap();
    // The client receives an alert and the end.
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert_eq!(answer.first(), Some(&21));
    assert_eq!(ended(&simulator).end, Some(End::NoHandshake));
}

#[test]
fn each_tls_fault_fails_the_handshake_as_named() {
    for fault in TlsFault::all() {
        if *fault == TlsFault::Stall {
            continue;
        }
        let simulator = start(|_, tls| {
            tls.fault = Some(*fault);
            tls.fault_on = FaultScope::First(1);
        });
        let mut tls = over_tls(&simulator, "localhost", &["http/1.1"]);
        let error = handshake(&mut tls).unwrap_err();
        let what = format!("{fault}: {error:?}");
        match fault {
            TlsFault::Reset => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{what}"),
            TlsFault::Close => assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{what}"),
            _ => match (fault, tls_error(error)) {
                (TlsFault::OnlyH2, Error::AlertReceived(AlertDescription::NoApplicationProtocol))
                | (TlsFault::Garbage, Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {}
                (fault, Error::InvalidCertificate(error)) => match (fault, error) {
                    (TlsFault::Expired, CertificateError::ExpiredContext { .. })
                    | (TlsFault::NotYetValid, CertificateError::NotValidYetContext { .. })
                    | (TlsFault::WrongName, CertificateError::NotValidForNameContext { .. })
                    | (TlsFault::UnknownCa | TlsFault::SelfSigned, CertificateError::UnknownIssuer) => {}
                    _ => panic!("{what}"),
                },
                _ => panic!("{what}"),
            },
        }
        drop(tls);
        let connection = ended(&simulator);
        assert_eq!(connection.end, Some(End::TlsFault(*fault)));
        assert!(connection.fault_at.is_some());
        // The next connection is served.
        stream(&simulator).read_messages(1);
    }
}

#[test]
fn a_tls_stall_lasts_until_the_client_leaves() {
    let simulator = start(|_, tls| tls.fault = Some(TlsFault::Stall));
    let mut tls = over_tls(&simulator, "localhost", &[]);
    tls.sock.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let error = handshake(&mut tls).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error:?}");
    assert_eq!(simulator.ground_truth().connection(1).unwrap().end, None);
    drop(tls);
    let connection = ended(&simulator);
    assert_eq!(connection.end, Some(End::TlsFault(TlsFault::Stall)));
}
