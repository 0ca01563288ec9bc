//! What a stream waits for, over real sockets: ended in every state within bounded time, with its deadlines kept, its
//! faults told apart, and nothing of what came whole lost.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use powerstream_client::config::{Config, ConfigBuilder, Token};
use powerstream_client::owned::OwnedEvent;
use powerstream_client::proxy::Proxy;
use powerstream_client::shutdown::Shutdown;
use powerstream_core::session::{Cause, Disconnected, FaultKind};
use powerstream_simulator::{Simulator, Tls, TlsFault};
use socket2::{Domain, SockRef, Socket, Type};

use crate::parallel;

/// In a debug build on a busy machine; the promise is 100 ms.
const SOON: Duration = Duration::from_secs(1);

/// Longer than anything here may take.
const LONG: Duration = Duration::from_secs(10);

const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// A stream to be read in a thread or task of its own.
#[derive(Debug)]
#[non_exhaustive]
pub struct Watch {
    /// What to read.
    pub config: Config,
    /// Whom to trust, over TLS.
    pub ca_pem: Option<String>,
    /// Who is told each event, with the time it came; this blocks while nobody takes them. The stream is to be dropped when
    /// there are no more events, or nobody takes them any more.
    pub events: SyncSender<(Instant, OwnedEvent)>,
}

/// A stream that is being read.
#[derive(Debug)]
pub struct Reading {
    shutdown: Shutdown,
    thread: JoinHandle<()>,
}

impl Reading {
    /// What ends it, and the thread in which it is read or waited for.
    #[must_use]
    pub const fn new(shutdown: Shutdown, thread: JoinHandle<()>) -> Self {
        Self { shutdown, thread }
    }
}

/// Starts to read.
pub type Start<'a> = dyn Fn(Watch) -> Reading + Sync + 'a;

/// Goes through everything there is to wait for.
///
/// # Panics
/// Where something is not as it should be; the text says what.
pub fn check(start: &Start<'_>) {
    parallel(&WAITS, 4, &|(name, wait)| (name, Box::new(|| wait(start))));
}

type Wait = fn(&Start<'_>);

const WAITS: [(&str, Wait); 22] = [
    ("shutdown before the first step", shutdown_at_once),
    ("shutdown while a name is looked up", shutdown_while_resolving),
    ("shutdown while connecting, and the deadline", shutdown_while_connecting),
    ("shutdown while waiting for the head", shutdown_while_waiting_for_the_head),
    ("shutdown while reading", shutdown_while_reading),
    ("shutdown while backing off", shutdown_while_backing_off),
    ("shutdown while an event is held", shutdown_while_an_event_is_held),
    ("shutdown against a flood", shutdown_against_a_flood),
    ("shutdown in the handshake", shutdown_in_the_handshake),
    ("shutdown over TLS, against a peer that does not read", shutdown_over_tls),
    ("shutdown while a proxy is silent", shutdown_while_a_proxy_is_silent),
    ("a stream that is dropped", dropped),
    ("a name with several addresses", several_addresses),
    ("a local address", local_address),
    ("a tunnel through a proxy", tunnel),
    ("a connection that is refused", refused),
    ("a connection that is reset", reset),
    ("a server that comes back on its port", comes_back),
    ("silence", silence),
    ("a consumer that is slow", slow_consumer),
    ("a head that trickles", head_that_trickles),
    ("refusals", refusals),
];

/// A stream that is watched from outside.
struct Watched {
    events: Receiver<(Instant, OwnedEvent)>,
    reading: Reading,
}

fn watch(start: &Start<'_>, config: ConfigBuilder) -> Watched {
    watch_with(start, config, None, 1_000)
}

fn watch_with(start: &Start<'_>, config: ConfigBuilder, ca_pem: Option<&str>, capacity: usize) -> Watched {
    let (sender, events) = sync_channel(capacity);
    let config = config.build().unwrap();
    Watched { events, reading: start(Watch { config, ca_pem: ca_pem.map(str::to_owned), events: sender }) }
}

impl Watched {
    fn next(&self) -> OwnedEvent {
        self.events.recv_timeout(LONG).expect("an event").1
    }

    fn connected(&self) {
        match self.next() {
            OwnedEvent::Connected(connected) => assert_eq!(connected.head.status, 200),
            event => panic!("no stream: {event:?}"),
        }
    }

    fn message(&self) -> Vec<u8> {
        match self.next() {
            OwnedEvent::Message(message) => message.bytes.to_vec(),
            event => panic!("no message: {event:?}"),
        }
    }

    fn disconnected(&self) -> Disconnected {
        match self.next() {
            OwnedEvent::Disconnected(disconnected) => disconnected,
            event => panic!("no disconnect: {event:?}"),
        }
    }

    /// Shuts down, within the time there is; the events that were still handed out.
    fn stop(self) -> Vec<OwnedEvent> {
        let start = Instant::now();
        self.reading.shutdown.shutdown();
        let mut events = Vec::new();
        // The stream is not over before its last event is taken.
        while let Ok((_, event)) = self.events.recv_timeout(LONG) {
            events.push(event);
        }
        self.reading.thread.join().unwrap();
        let took = start.elapsed();
        assert!(took < SOON, "the shutdown took {took:?}");
        events
    }

    /// Shuts down; no event is on its way.
    fn stop_quietly(self) {
        let events = self.stop();
        assert!(events.is_empty(), "{events:?}");
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn pause(length: u64) {
    std::thread::sleep(millis(length));
}

fn to(base_url: String) -> ConfigBuilder {
    Config::builder()
        .base_url(base_url)
        .token(Token::new("any").unwrap())
        .message_bytes_max(1 << 17)
        // Faster than life, so that a test may wait for it.
        .backoff(|backoff| {
            backoff.network.first = millis(20);
            backoff.http.first = millis(20);
        })
        .seed(1)
}

fn to_address(address: SocketAddr) -> ConfigBuilder {
    to(format!("http://{address}"))
}

/// An address of this machine where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn post(id: u64) -> Vec<u8> {
    format!(r#"{{"created_at":"Sat Oct 10 20:19:24 +0000 2020","id":{id},"id_str":"{id}","text":"a"}}"#)
        .into_bytes()
}

fn chunk(message: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", message.len() + 2).as_bytes(), message, b"\r\n\r\n"].concat()
}

/// Serves one connection after the other: what to do with the first, the second..
fn serve(serving: Vec<fn(TcpStream)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || serve_on(&listener, serving));
    address
}

fn serve_on(listener: &TcpListener, serving: Vec<fn(TcpStream)>) {
    for serve in serving {
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_nodelay(true).unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut buffer = [0; 1_024];
            match socket.read(&mut buffer) {
                Ok(count @ 1..) => request.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
        serve(socket);
    }
}

fn send(mut socket: &TcpStream, bytes: impl AsRef<[u8]>) {
    // The client may be gone: that is for the test to judge.
    let _ = socket.write_all(bytes.as_ref());
}

/// Sends a head and a Post.
fn send_stream(socket: &TcpStream, id: u64) {
    send(socket, [HEAD.as_bytes(), &chunk(&post(id))].concat());
}

/// Waits until the client closes.
fn hang(mut socket: TcpStream) {
    while matches!(socket.read(&mut [0; 64]), Ok(1..)) {}
}

fn stream_and_hang(socket: TcpStream) {
    send_stream(&socket, 1);
    hang(socket);
}

fn shutdown_at_once(start: &Start<'_>) {
    for _ in 0..5 {
        watch(start, to_address(serve(vec![hang]))).stop_quietly();
    }
}

fn shutdown_while_resolving(start: &Start<'_>) {
    // In the clear this is the one name there is. It is looked up like any other.
    for wait in [0, 0, 0, 1, 1, 5, 20] {
        let watched = watch(start, to(format!("http://localhost:{}", nobody().port())));
        pause(wait);
        watched.stop();
    }
}

fn shutdown_while_connecting(start: &Start<'_>) {
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
    let watched = watch(start, to_address(address));
    pause(100);
    watched.stop_quietly();

    let begun = Instant::now();
    let watched = watch(start, to_address(address).timeouts(|timeouts| timeouts.connect = millis(150)));
    assert_eq!(watched.disconnected().cause.code(), "timeout_connect");
    let took = begun.elapsed();
    assert!((millis(150)..SOON).contains(&took), "{took:?}");
    watched.stop();
}

fn shutdown_while_waiting_for_the_head(start: &Start<'_>) {
    let watched = watch(start, to_address(serve(vec![hang])));
    pause(100);
    watched.stop_quietly();
}

fn shutdown_while_reading(start: &Start<'_>) {
    let watched = watch(start, to_address(serve(vec![stream_and_hang])));
    watched.connected();
    assert_eq!(watched.message(), post(1));
    pause(50);
    watched.stop_quietly();
}

fn shutdown_while_backing_off(start: &Start<'_>) {
    let config = to_address(nobody()).backoff(|backoff| backoff.network.first = Duration::from_secs(16));
    let watched = watch(start, config);
    assert_eq!(watched.disconnected().cause.code(), "fault");
    pause(50);
    watched.stop_quietly();
}

/// What one read brought is handed out, and nothing is read any more.
fn shutdown_while_an_event_is_held(start: &Start<'_>) {
    let address = serve(vec![|socket| {
        send(&socket, [HEAD.as_bytes(), &[1, 2, 3].map(|id| chunk(&post(id))).concat()].concat());
        pause(100);
        send(&socket, chunk(&post(4)));
        hang(socket);
    }]);
    // Each event is held until the next one is asked for.
    let watched = watch_with(start, to_address(address), None, 0);
    watched.connected();
    assert_eq!(watched.message(), post(1));
    // The second is on offer, and the server sends on.
    pause(300);
    let rest = watched.stop();
    assert_eq!(rest.len(), 2, "{rest:?}");
}

fn shutdown_against_a_flood(start: &Start<'_>) {
    let address = serve(vec![|mut socket| {
        send(&socket, HEAD);
        let lines = chunk(&post(1)).repeat(100);
        while socket.write_all(&lines).is_ok() {}
    }]);
    let watched = watch(start, to_address(address));
    watched.connected();
    for _ in 0..2_000 {
        watched.message();
    }
    watched.stop();
}

fn simulator(rate: f64, fault: Option<TlsFault>) -> Simulator {
    let mut tls = Tls::default();
    tls.fault = fault;
    let mut config = powerstream_simulator::Config::default();
    config.tls = Some(tls);
    config.rate = Some(rate);
    Simulator::start(config).unwrap()
}

fn shutdown_in_the_handshake(start: &Start<'_>) {
    let simulator = simulator(0.0, Some(TlsFault::Stall));
    let watched = watch_with(start, to(simulator.base_url()), simulator.ca_pem(), 10);
    assert!(simulator.ground_truth().wait(LONG, |totals| totals.open > 0));
    pause(50);
    watched.stop_quietly();
}

fn shutdown_over_tls(start: &Start<'_>) {
    for rate in [0.0, f64::INFINITY] {
        let simulator = simulator(rate, None);
        let watched = watch_with(start, to(simulator.base_url()), simulator.ca_pem(), 10);
        watched.connected();
        watched.stop();
        assert!(simulator.ground_truth().wait(LONG, |totals| totals.open == 0));
    }
}

fn dropped(start: &Start<'_>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let watched = watch(start, to_address(listener.local_addr().unwrap()));
    let (mut socket, _) = listener.accept().unwrap();
    assert_ne!(socket.read(&mut [0; 4_096]).unwrap(), 0);
    send(&socket, HEAD);
    watched.connected();
    let Watched { events, reading } = watched;
    // Nobody takes the events any more: the next one has the stream dropped.
    drop(events);
    send_stream_body(&socket);
    reading.thread.join().unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(socket.read(&mut [0; 1]).unwrap(), 0, "the connection is still open");
    // The handle has outlived it.
    reading.shutdown.shutdown();
}

fn send_stream_body(socket: &TcpStream) {
    send(socket, chunk(&post(1)));
}

fn several_addresses(start: &Start<'_>) {
    // Where the name has an IPv6 address as well, nobody listens there.
    let address = serve(vec![stream_and_hang]);
    let watched = watch(start, to(format!("http://localhost:{}", address.port())));
    watched.connected();
    assert_eq!(watched.message(), post(1));
    watched.stop_quietly();
}

/// The server sees whom it is connected to from.
fn local_address(start: &Start<'_>) {
    let address = serve(vec![|socket| {
        let SocketAddr::V4(peer) = socket.peer_addr().unwrap() else { panic!("not by IPv4") };
        send_stream(&socket, u64::from(peer.ip().octets()[3]));
        hang(socket);
    }]);
    // Linux has all of 127/8 for its own.
    let last = if cfg!(target_os = "linux") { 77 } else { 1 };
    let local = std::net::Ipv4Addr::new(127, 0, 0, last);
    let watched = watch(start, to_address(address).local_address(local.into()));
    watched.connected();
    assert_eq!(watched.message(), post(u64::from(last)));
    watched.stop_quietly();
    // A connect that goes wrong is told alike.
    let watched = watch(start, to_address(nobody()).local_address(local.into()));
    let disconnected = watched.disconnected();
    assert!(matches!(disconnected.cause, Cause::Fault(fault) if fault.kind == FaultKind::Refused));
    watched.stop();
}

/// A proxy for one connection, and what it was asked.
fn proxy() -> (Proxy, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let asked = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        let asked = String::from_utf8(request).unwrap();
        let server = TcpStream::connect(asked.split(' ').nth(1).unwrap()).unwrap();
        send(&client, "HTTP/1.1 200 go on\r\n\r\n");
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let answers = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
        let _ = std::io::copy(&mut client, &mut &server);
        let _ = server.shutdown(std::net::Shutdown::Write);
        answers.join().unwrap();
        asked
    });
    (proxy, asked)
}

fn tunnel(start: &Start<'_>) {
    let simulator = simulator(100.0, None);
    let (proxy, asked) = proxy();
    let watched = watch_with(start, to(simulator.base_url()).proxy(proxy), simulator.ca_pem(), 10);
    watched.connected();
    for _ in 0..5 {
        watched.message();
    }
    watched.stop();
    let asked = asked.join().unwrap();
    assert!(asked.starts_with(&format!("CONNECT {} HTTP/1.1\r\n", simulator.local_addr())), "{asked}");
}

fn shutdown_while_a_proxy_is_silent(start: &Start<'_>) {
    let address = serve(vec![hang]);
    let proxy = Proxy::parse(&format!("http://{address}")).unwrap();
    let simulator = simulator(0.0, None);
    let watched = watch_with(start, to(simulator.base_url()).proxy(proxy), simulator.ca_pem(), 10);
    pause(100);
    watched.stop_quietly();
}

fn refused(start: &Start<'_>) {
    let watched = watch(start, to_address(nobody()));
    let disconnected = watched.disconnected();
    let Cause::Fault(fault) = disconnected.cause else { panic!("{disconnected:?}") };
    assert_eq!((fault.kind, fault.os_code.is_some()), (FaultKind::Refused, true));
    watched.stop();
}

fn reset(start: &Start<'_>) {
    let address = serve(vec![|socket| {
        send_stream(&socket, 1);
        send(&socket, "10\r\n{\"id\"");
        // Time for it to be read: a reset takes the unread with it.
        pause(200);
        SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
    }]);
    let watched = watch(start, to_address(address));
    watched.connected();
    assert_eq!(watched.message(), post(1));
    let disconnected = watched.disconnected();
    assert!(matches!(disconnected.cause, Cause::Fault(fault) if fault.kind == FaultKind::Reset));
    assert_eq!((disconnected.undelivered, disconnected.delay), (5, Duration::ZERO));
    watched.stop();
}

fn comes_back(start: &Start<'_>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let first = std::thread::spawn(move || {
        serve_on(
            &listener,
            vec![|socket| {
                send_stream(&socket, 1);
                pause(50);
            }],
        );
    });
    let watched = watch(start, to_address(address));
    watched.connected();
    assert_eq!(watched.message(), post(1));
    first.join().unwrap();
    assert_eq!(watched.disconnected().cause.code(), "cut");
    assert_eq!(watched.disconnected().cause.code(), "fault");
    pause(100);
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || serve_on(&listener, vec![stream_and_hang]));
    let connected = loop {
        match watched.next() {
            OwnedEvent::Connected(connected) => break connected,
            OwnedEvent::Disconnected(_) => {}
            event => panic!("{event:?}"),
        }
    };
    let gap = connected.gap.unwrap();
    assert!(gap.to.saturating_since(gap.from) >= millis(1_100));
    assert_eq!(watched.message(), post(1));
    watched.stop_quietly();
}

fn silence(start: &Start<'_>) {
    let address = serve(vec![|socket| {
        send(&socket, HEAD);
        pause(150);
        send(&socket, chunk(b""));
        hang(socket);
    }]);
    let watched = watch(start, to_address(address).timeouts(|timeouts| timeouts.silence = millis(300)));
    watched.connected();
    let (last, event) = watched.events.recv_timeout(LONG).unwrap();
    assert!(matches!(event, OwnedEvent::KeepAlive), "{event:?}");
    let (noticed, event) = watched.events.recv_timeout(LONG).unwrap();
    let OwnedEvent::Disconnected(disconnected) = event else { panic!("{event:?}") };
    assert_eq!(disconnected.cause.code(), "timeout_silence");
    // The event is timed a moment after the read that the limit counts from.
    let took = noticed - last;
    assert!((millis(270)..millis(300) + SOON).contains(&took), "{took:?}");
    watched.stop();
}

/// The time in which an event is held is not the server's silence.
fn slow_consumer(start: &Start<'_>) {
    let address = serve(vec![|socket| {
        send(&socket, HEAD);
        for id in 0..15 {
            send(&socket, chunk(&post(id)));
            pause(50);
        }
        hang(socket);
    }]);
    let config = to_address(address).timeouts(|timeouts| timeouts.silence = millis(1_000));
    let watched = watch_with(start, config, None, 0);
    pause(1_200);
    watched.connected();
    for id in 0..15 {
        if id == 2 {
            pause(1_400);
        }
        assert_eq!(watched.message(), post(id));
    }
    assert_eq!(watched.disconnected().cause.code(), "timeout_silence");
    watched.stop();
}

fn head_that_trickles(start: &Start<'_>) {
    let address = serve(vec![|socket| {
        for byte in HEAD.bytes() {
            send(&socket, [byte]);
            pause(20);
        }
    }]);
    let begun = Instant::now();
    let watched = watch(start, to_address(address).timeouts(|timeouts| timeouts.head = millis(300)));
    assert_eq!(watched.disconnected().cause.code(), "timeout_head");
    let took = begun.elapsed();
    assert!((millis(300)..SOON).contains(&took), "{took:?}");
    watched.stop();
}

fn refusals(start: &Start<'_>) {
    let address =
        serve(vec![|socket| send(&socket, "HTTP/1.1 503 x\r\ncontent-length: 2\r\n\r\nno"), |socket| {
            send(&socket, "HTTP/1.1 401 x\r\n\r\nwho?")
        }]);
    let watched = watch(start, to_address(address));
    let events: Vec<_> = watched.events.iter().map(|(_, event)| event).collect();
    let [
        OwnedEvent::Refused(first),
        OwnedEvent::Disconnected(wait),
        OwnedEvent::Refused(second),
        OwnedEvent::GaveUp(end),
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((first.refusal.status, &first.document[..]), (503, &b"no"[..]));
    assert!(wait.delay >= millis(20) && wait.delay <= millis(25));
    assert_eq!((second.refusal.status, &second.document[..]), (401, &b"who?"[..]));
    assert_eq!(end.cause.code(), "refused");
    // It is over by itself.
    watched.reading.thread.join().unwrap();
}
