//! Routes to a server: through a proxy, from a local address, to a fixed address.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use powerstream_blocking::client::config::ConfigBuilder;
use powerstream_blocking::client::owned::OwnedEvent;
use powerstream_blocking::client::proxy::Proxy;
use powerstream_blocking::core::session::DisconnectReason;
use powerstream_blocking::core::transport_error::TransportErrorKind;
use powerstream_blocking::{Client, Config, SessionEvent, Token};
use powerstream_simulator::{Simulator, Tls};

use crate::support::*;

in_each_read_mode! {
    the_proxy_of_a_tls_stream_learns_only_the_destination,
    each_answer_of_a_proxy_has_its_own_fault,
    connects_from_a_local_address,
    connects_to_a_target_address_with_the_host_of_the_url,
}

/// What a proxy does after it has read the request.
type Answer = fn(TcpStream, SocketAddr);

/// Starts a proxy that connects to `server` for any request. Returns it and the requests.
fn proxy(server: SocketAddr, answer: Answer) -> (Proxy, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (sender, requests) = channel();
    let url = format!("http://user:p%40ss@{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                match socket.read(&mut byte) {
                    Ok(1) => request.push(byte[0]),
                    _ => break,
                }
            }
            let _ = sender.send(String::from_utf8(request).unwrap());
            answer(socket, server);
        }
    });
    (Proxy::parse(&url).unwrap(), requests)
}

/// Opens the tunnel.
fn agree(mut client: TcpStream, server: SocketAddr) {
    let mut server = TcpStream::connect(server).unwrap();
    // Byte by byte.
    for byte in b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n" {
        client.write_all(&[*byte]).unwrap();
    }
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut server, &mut client);
        let _ = client.shutdown(std::net::Shutdown::Write);
    });
}

/// Starts a server with TLS. Its CA lets tests use TLS on a system without CAs.
fn simulator() -> Simulator {
    let mut config = powerstream_simulator::Config::default();
    config.tls = Some(Tls::default());
    config.rate = Some(1_000.0);
    Simulator::start(config).unwrap()
}

fn the_proxy_of_a_tls_stream_learns_only_the_destination(mode: ReadMode) {
    let simulator = simulator();
    let (proxy, requests) = proxy(simulator.local_addr(), agree);
    let config = config(&simulator.base_url()).token(Token::new("t0ken").unwrap()).proxy(proxy);
    let stream = mode.start_with_ca(&config, simulator.ca_pem());
    stream.connected();
    (0..100).for_each(|_| drop(stream.message()));
    assert!(stream.stop().0 < SOON);
    let authority = simulator.base_url().strip_prefix("https://").unwrap().to_owned();
    let requests: Vec<String> = requests.try_iter().collect();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with(&format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n")));
    assert!(requests[0].contains("\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n"), "{requests:?}");
    assert!(!requests[0].contains("t0ken"));
}

/// Returns the transport error of the first attempt, and whether the session gave up.
fn first_fault(
    mode: ReadMode,
    config: &ConfigBuilder,
) -> (powerstream_blocking::core::transport_error::TransportError, bool) {
    let stream = mode.start_with_ca(config, simulator().ca_pem());
    let (cause, gave_up) = match stream.next() {
        OwnedEvent::Disconnected(why) => (why.reason, false),
        OwnedEvent::GaveUp(why) => (why.reason, true),
        event => panic!("{event:?}"),
    };
    stream.stop();
    match cause {
        DisconnectReason::Transport(fault) => (fault, gave_up),
        cause => panic!("{cause:?}"),
    }
}

fn each_answer_of_a_proxy_has_its_own_fault(mode: ReadMode) {
    let unused = SocketAddr::from(([127, 0, 0, 1], 1));
    let answers: [(Answer, TransportErrorKind, bool); 6] = [
        (
            |mut socket, _| socket.write_all(b"HTTP/1.1 407 x\r\n\r\n").unwrap(),
            TransportErrorKind::ProxyAuthentication,
            true,
        ),
        (
            |mut socket, _| socket.write_all(b"HTTP/1.1 403 x\r\n\r\n").unwrap(),
            TransportErrorKind::ProxyForbidden,
            false,
        ),
        (
            |mut socket, _| socket.write_all(b"HTTP/1.1 503 x\r\n\r\n").unwrap(),
            TransportErrorKind::ProxyUnavailable(503),
            false,
        ),
        (|mut socket, _| socket.write_all(b"SSH-2.0-x\r\n").unwrap(), TransportErrorKind::ProxyAnswer, false),
        (|socket, _| drop(socket), TransportErrorKind::ProxyClosed, false),
        (|socket, _| hang(socket), TransportErrorKind::ProxyTimedOut, false),
    ];
    for (answer, kind, gives_up) in answers {
        let (proxy, _requests) = proxy(unused, answer);
        let config =
            config("https://api.x.com").proxy(proxy).timeouts(|timeouts| timeouts.connect = millis(300));
        let (fault, gave_up) = first_fault(mode, &config);
        assert_eq!((fault.kind, gave_up, fault.before_proxy), (kind, gives_up, false));
    }
    // No proxy listens.
    let gone = unused_address();
    let config = config("https://api.x.com").proxy(Proxy::parse(&gone.to_string()).unwrap());
    let (fault, _) = first_fault(mode, &config);
    assert_eq!((fault.kind, fault.before_proxy), (TransportErrorKind::Refused, true));
}

fn connects_from_a_local_address(mode: ReadMode) {
    // On Linux all of 127.0.0.0/8 is local.
    let local = Ipv4Addr::new(127, 0, 0, if cfg!(target_os = "linux") { 9 } else { 1 });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stream = mode.start(&config(&url).local_address(IpAddr::V4(local)));
    let (socket, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip(), IpAddr::V4(local));
    send(&socket, HEAD);
    stream.connected();
    assert!(stream.stop().0 < SOON);

    // An address that no interface has.
    let config = config(&url).local_address("192.0.2.1".parse().unwrap());
    let (fault, _) = first_fault(mode, &config);
    assert!(fault.os_code.is_some(), "{fault:?}");
}

fn connects_to_a_target_address_with_the_host_of_the_url(mode: ReadMode) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = config("http://localhost:1").target_address(listener.local_addr().unwrap());
    let stream = mode.start(&config);
    let (mut socket, _) = listener.accept().unwrap();
    let mut request = [0; 1_024];
    let count = socket.read(&mut request).unwrap();
    assert!(request[..count].starts_with(b"GET /2/powerstream HTTP/1.1\r\nHost: localhost:1\r\n"));
    send(&socket, HEAD);
    stream.connected();
    assert!(stream.stop().0 < SOON);
}

/// TLS checks the name of the URL, for which the simulator has no certificate.
#[test]
fn a_target_address_does_not_change_the_name_that_tls_checks() {
    let simulator = simulator();
    let config = Config::builder().target_address(simulator.local_addr()).build().unwrap();
    let tls = powerstream_blocking::TlsConfig::only_ca_pem(simulator.ca_pem().unwrap().as_bytes()).unwrap();
    let start = Instant::now();
    let mut stream = Client::new(config).with_tls(tls).stream().unwrap();
    match stream.next() {
        Some(SessionEvent::Disconnected(why)) => {
            use powerstream_blocking::core::transport_error::TlsError::CertificateName;
            let DisconnectReason::Transport(fault) = why.reason else { panic!("{why:?}") };
            assert!(matches!(fault.kind, TransportErrorKind::Tls(CertificateName(_))), "{why:?}");
        }
        event => panic!("{event:?}"),
    }
    assert!(start.elapsed() < Duration::from_secs(5));
}
