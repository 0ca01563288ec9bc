//! Everything a stream waits for, over real sockets: a shutdown ends it in every state within a
//! second, deadlines hold, each fault has its own kind, and complete messages are delivered.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use powerstream_client::config::{Config, ConfigBuilder, Token};
use powerstream_client::owned::OwnedEvent;
use powerstream_client::proxy::Proxy;
use powerstream_client::shutdown::ShutdownHandle;
use powerstream_core::session::{DisconnectReason, SessionEvent};
use powerstream_core::time::TimeRange;
use powerstream_core::transport_error::TransportErrorKind;
use powerstream_simulator::{Simulator, Tls, TlsFault};
use socket2::{Domain, SockRef, Socket, Type};

use crate::loopback::{HEAD, SOON, chunk, hang, millis, post, send, serve, serve_on, unused_address};
use crate::parallel;

/// Longer than any check takes.
const LONG: Duration = Duration::from_secs(10);

/// What a reader has to read, in its own thread or task.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReadJob {
    /// What to read.
    pub config: Config,
    /// Over TLS: the CA to trust, as PEM.
    pub ca_pem: Option<String>,
    /// Takes each event, with the time of its delivery. Sending blocks while the channel is full.
    /// Drop the stream when it ends, or when sending fails.
    pub events: SyncSender<(Instant, ReadEvent)>,
}

/// What the checks look at in an event.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a program in another language makes them")]
pub enum ReadEvent {
    /// A stream began.
    Connected {
        /// The status of the response.
        status: u16,
        /// The gap before it, if there is one.
        gap: Option<TimeRange>,
    },
    /// A message.
    Message(Vec<u8>),
    /// A keep-alive.
    KeepAlive,
    /// The server refused.
    Refused {
        /// The status of the response.
        status: u16,
        /// The document.
        document: Vec<u8>,
    },
    /// A connection ended.
    Disconnected(ReadDisconnect),
    /// The session gave up.
    GaveUp {
        /// The code of the reason.
        code: String,
    },
    /// Another event.
    Other,
}

/// How a connection ended.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "as the event")]
pub struct ReadDisconnect {
    /// The code of the reason.
    pub code: String,
    /// The transport error, if it is the reason, and whether it has an error number.
    pub transport: Option<(TransportErrorKind, bool)>,
    /// The wait before the next attempt.
    pub delay: Duration,
    /// Bytes that were not part of a complete message.
    pub undelivered: u64,
}

impl From<SessionEvent<'_>> for ReadEvent {
    fn from(event: SessionEvent<'_>) -> Self {
        OwnedEvent::from(event).into()
    }
}

impl From<OwnedEvent> for ReadEvent {
    fn from(event: OwnedEvent) -> Self {
        match event {
            OwnedEvent::Connected(connected) => Self::Connected {
                status: connected.head.status,
                gap: connected.gap.map(|gap| TimeRange { from: gap.from, to: gap.to }),
            },
            OwnedEvent::Message(message) => Self::Message(message.bytes.to_vec()),
            OwnedEvent::KeepAlive => Self::KeepAlive,
            OwnedEvent::Refused(refused) => {
                Self::Refused { status: refused.refusal.status, document: refused.document.to_vec() }
            }
            OwnedEvent::Disconnected(disconnected) => Self::Disconnected(ReadDisconnect {
                code: disconnected.reason.code().to_owned(),
                transport: match disconnected.reason {
                    DisconnectReason::Transport(error) => Some((error.kind, error.os_code.is_some())),
                    _ => None,
                },
                delay: disconnected.delay,
                undelivered: disconnected.undelivered,
            }),
            OwnedEvent::GaveUp(gave_up) => Self::GaveUp { code: gave_up.reason.code().to_owned() },
            _ => Self::Other,
        }
    }
}

/// A reader that was started.
#[derive(Debug)]
pub struct ReadHandle {
    shutdown: ShutdownHandle,
    thread: JoinHandle<()>,
}

impl ReadHandle {
    /// Returns a handle of the stream's shutdown handle and the thread that reads it or waits for
    /// its task.
    #[must_use]
    pub const fn new(shutdown: ShutdownHandle, thread: JoinHandle<()>) -> Self {
        Self { shutdown, thread }
    }
}

/// Starts a reader.
pub type StartRead<'a> = dyn Fn(ReadJob) -> ReadHandle + Sync + 'a;

/// Runs every check.
///
/// # Panics
/// If a check fails; standard error names it.
pub fn check(start: &StartRead<'_>) {
    check_except(&[], start);
}

/// Runs every check but those of these names.
///
/// # Panics
/// As [`check`], and if there is no check of a name.
pub fn check_except(names: &[&str], start: &StartRead<'_>) {
    assert!(names.iter().all(|name| CHECKS.iter().any(|(known, _)| known == name)), "{names:?}");
    let checks: Vec<_> = CHECKS.into_iter().filter(|(name, _)| !names.contains(name)).collect();
    parallel(&checks, 8, &|(name, wait)| (name, Box::new(|| wait(start))));
}

type Check = fn(&StartRead<'_>);

/// The longest first.
const CHECKS: [(&str, Check); 22] = [
    ("a consumer that is slow", slow_consumer),
    ("a server that comes back on its port", comes_back),
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
    ("idle timeout", idle_timeout),
    ("a head that trickles", head_that_trickles),
    ("refusals", refusals),
];

/// A running reader and its events.
struct TestStream {
    events: Receiver<(Instant, ReadEvent)>,
    reading: ReadHandle,
}

fn start_stream(start: &StartRead<'_>, config: ConfigBuilder) -> TestStream {
    start_with(start, config, None, 1_000)
}

fn start_with(
    start: &StartRead<'_>,
    config: ConfigBuilder,
    ca_pem: Option<&str>,
    capacity: usize,
) -> TestStream {
    let (sender, events) = sync_channel(capacity);
    let config = config.build().unwrap();
    TestStream {
        events,
        reading: start(ReadJob { config, ca_pem: ca_pem.map(str::to_owned), events: sender }),
    }
}

impl TestStream {
    fn next(&self) -> ReadEvent {
        self.events.recv_timeout(LONG).expect("an event").1
    }

    fn connected(&self) {
        match self.next() {
            ReadEvent::Connected { status, .. } => assert_eq!(status, 200),
            event => panic!("no stream: {event:?}"),
        }
    }

    fn message(&self) -> String {
        match self.next() {
            ReadEvent::Message(bytes) => String::from_utf8(bytes).unwrap(),
            event => panic!("no message: {event:?}"),
        }
    }

    fn disconnected(&self) -> ReadDisconnect {
        match self.next() {
            ReadEvent::Disconnected(disconnected) => disconnected,
            event => panic!("no disconnect: {event:?}"),
        }
    }

    /// Shuts down within the limit and returns the events that were still delivered.
    fn stop(self) -> Vec<ReadEvent> {
        let start = Instant::now();
        self.reading.shutdown.shutdown();
        let mut events = Vec::new();
        // The stream ends after its last event was taken.
        while let Ok((_, event)) = self.events.recv_timeout(LONG) {
            events.push(event);
        }
        self.reading.thread.join().unwrap();
        let took = start.elapsed();
        assert!(took < SOON, "the shutdown took {took:?}");
        events
    }

    /// Shuts down and checks that no event was pending.
    fn stop_quietly(self) {
        let events = self.stop();
        assert!(events.is_empty(), "{events:?}");
    }
}

fn pause(length: u64) {
    std::thread::sleep(millis(length));
}

fn to(base_url: String) -> ConfigBuilder {
    Config::builder()
        .base_url(base_url)
        .token(Token::new("any").unwrap())
        .message_bytes_max(1 << 17)
        // The servers here send the same Post over and over.
        .keep_duplicates(true)
        // Short, so that tests are fast.
        .backoff(|backoff| {
            backoff.network.first = millis(20);
            backoff.http.first = millis(20);
        })
        .seed(1)
}

fn to_address(address: SocketAddr) -> ConfigBuilder {
    to(format!("http://{address}"))
}

/// Sends a head and a Post.
fn send_stream(socket: &TcpStream, id: u64) {
    send(socket, [HEAD.as_bytes(), &chunk(&post(id))].concat());
}

fn stream_and_hang(socket: TcpStream) {
    send_stream(&socket, 1);
    hang(socket);
}

fn shutdown_at_once(start: &StartRead<'_>) {
    for _ in 0..5 {
        start_stream(start, to_address(serve(vec![hang]))).stop_quietly();
    }
}

fn shutdown_while_resolving(start: &StartRead<'_>) {
    // Without TLS this is the only name allowed. It is resolved like any other.
    for wait in [0, 0, 0, 1, 1, 5, 20] {
        let stream = start_stream(start, to(format!("http://localhost:{}", unused_address().port())));
        pause(wait);
        stream.stop();
    }
}

fn shutdown_while_connecting(start: &StartRead<'_>) {
    // With a full accept queue, the next connect gets no answer.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut full = Vec::new();
    while let Ok(one) = TcpStream::connect_timeout(&address, millis(200)) {
        full.push(one);
        assert!(full.len() < 100, "the queue never fills");
    }
    let stream = start_stream(start, to_address(address));
    pause(100);
    stream.stop_quietly();

    let begun = Instant::now();
    let stream = start_stream(start, to_address(address).timeouts(|timeouts| timeouts.connect = millis(150)));
    assert_eq!(stream.disconnected().code, "timeout_connect");
    let took = begun.elapsed();
    assert!((millis(150)..SOON).contains(&took), "{took:?}");
    stream.stop();
}

fn shutdown_while_waiting_for_the_head(start: &StartRead<'_>) {
    let stream = start_stream(start, to_address(serve(vec![hang])));
    pause(100);
    stream.stop_quietly();
}

fn shutdown_while_reading(start: &StartRead<'_>) {
    let stream = start_stream(start, to_address(serve(vec![stream_and_hang])));
    stream.connected();
    assert_eq!(stream.message(), post(1));
    pause(50);
    stream.stop_quietly();
}

fn shutdown_while_backing_off(start: &StartRead<'_>) {
    let config =
        to_address(unused_address()).backoff(|backoff| backoff.network.first = Duration::from_secs(16));
    let stream = start_stream(start, config);
    assert_eq!(stream.disconnected().code, "fault");
    pause(50);
    stream.stop_quietly();
}

/// Events of bytes already read are delivered, and no further read happens.
fn shutdown_while_an_event_is_held(start: &StartRead<'_>) {
    let address = serve(vec![|socket| {
        send(&socket, [HEAD.as_bytes(), &[1, 2, 3].map(|id| chunk(&post(id))).concat()].concat());
        pause(100);
        send(&socket, chunk(&post(4)));
        hang(socket);
    }]);
    // The reader holds each event until the test takes the next one.
    let stream = start_with(start, to_address(address), None, 0);
    stream.connected();
    assert_eq!(stream.message(), post(1));
    // The second event is pending, and the server sends more.
    pause(300);
    let rest = stream.stop();
    assert_eq!(rest.len(), 2, "{rest:?}");
}

fn shutdown_against_a_flood(start: &StartRead<'_>) {
    let address = serve(vec![|mut socket| {
        send(&socket, HEAD);
        let lines = chunk(&post(1)).repeat(100);
        while socket.write_all(&lines).is_ok() {}
    }]);
    let stream = start_stream(start, to_address(address));
    stream.connected();
    for _ in 0..2_000 {
        stream.message();
    }
    stream.stop();
}

fn simulator(rate: f64, fault: Option<TlsFault>) -> Simulator {
    let mut tls = Tls::default();
    tls.fault = fault;
    let mut config = powerstream_simulator::Config::default();
    config.tls = Some(tls);
    config.rate = Some(rate);
    Simulator::start(config).unwrap()
}

fn shutdown_in_the_handshake(start: &StartRead<'_>) {
    let simulator = simulator(0.0, Some(TlsFault::Stall));
    let stream = start_with(start, to(simulator.base_url()), simulator.ca_pem(), 10);
    assert!(simulator.ground_truth().wait(LONG, |totals| totals.open > 0));
    pause(50);
    stream.stop_quietly();
}

fn shutdown_over_tls(start: &StartRead<'_>) {
    for rate in [0.0, f64::INFINITY] {
        let simulator = simulator(rate, None);
        let stream = start_with(start, to(simulator.base_url()), simulator.ca_pem(), 10);
        stream.connected();
        stream.stop();
        assert!(simulator.ground_truth().wait(LONG, |totals| totals.open == 0));
    }
}

fn dropped(start: &StartRead<'_>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = start_stream(start, to_address(listener.local_addr().unwrap()));
    let (mut socket, _) = listener.accept().unwrap();
    assert_ne!(socket.read(&mut [0; 4_096]).unwrap(), 0);
    send(&socket, HEAD);
    stream.connected();
    let TestStream { events, reading } = stream;
    // Without a receiver, the next event makes the reader drop the stream.
    drop(events);
    send(&socket, chunk(&post(1)));
    reading.thread.join().unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(socket.read(&mut [0; 1]).unwrap(), 0, "the connection is still open");
    // The handle outlives the stream.
    reading.shutdown.shutdown();
}

fn several_addresses(start: &StartRead<'_>) {
    // If the name also has an IPv6 address, no server listens there.
    let address = serve(vec![stream_and_hang]);
    let stream = start_stream(start, to(format!("http://localhost:{}", address.port())));
    stream.connected();
    assert_eq!(stream.message(), post(1));
    stream.stop_quietly();
}

/// The server sees the client's address.
fn local_address(start: &StartRead<'_>) {
    let address = serve(vec![|socket| {
        let SocketAddr::V4(peer) = socket.peer_addr().unwrap() else { panic!("not by IPv4") };
        send_stream(&socket, u64::from(peer.ip().octets()[3]));
        hang(socket);
    }]);
    // On Linux all of 127.0.0.0/8 is local.
    let last = if cfg!(target_os = "linux") { 77 } else { 1 };
    let local = std::net::Ipv4Addr::new(127, 0, 0, last);
    let stream = start_stream(start, to_address(address).local_address(local.into()));
    stream.connected();
    assert_eq!(stream.message(), post(u64::from(last)));
    stream.stop_quietly();
    // A failed connect is reported as without a local address.
    let stream = start_stream(start, to_address(unused_address()).local_address(local.into()));
    assert!(matches!(stream.disconnected().transport, Some((TransportErrorKind::Refused, _))));
    stream.stop();
}

/// Starts a proxy for one connection; its thread returns the request.
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

fn tunnel(start: &StartRead<'_>) {
    let simulator = simulator(100.0, None);
    let (proxy, asked) = proxy();
    let stream = start_with(start, to(simulator.base_url()).proxy(proxy), simulator.ca_pem(), 10);
    stream.connected();
    for _ in 0..5 {
        stream.message();
    }
    stream.stop();
    let asked = asked.join().unwrap();
    assert!(asked.starts_with(&format!("CONNECT {} HTTP/1.1\r\n", simulator.local_addr())), "{asked}");
}

fn shutdown_while_a_proxy_is_silent(start: &StartRead<'_>) {
    let address = serve(vec![hang]);
    let proxy = Proxy::parse(&format!("http://{address}")).unwrap();
    let simulator = simulator(0.0, None);
    let stream = start_with(start, to(simulator.base_url()).proxy(proxy), simulator.ca_pem(), 10);
    pause(100);
    stream.stop_quietly();
}

fn refused(start: &StartRead<'_>) {
    let stream = start_stream(start, to_address(unused_address()));
    assert_eq!(stream.disconnected().transport, Some((TransportErrorKind::Refused, true)));
    stream.stop();
}

fn reset(start: &StartRead<'_>) {
    let address = serve(vec![|socket| {
        send_stream(&socket, 1);
        send(&socket, "10\r\n{\"id\"");
        // Time for the client to read it: a reset discards unread bytes.
        pause(200);
        SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
    }]);
    let stream = start_stream(start, to_address(address));
    stream.connected();
    assert_eq!(stream.message(), post(1));
    let disconnected = stream.disconnected();
    assert!(matches!(disconnected.transport, Some((TransportErrorKind::Reset, _))), "{disconnected:?}");
    assert_eq!((disconnected.undelivered, disconnected.delay), (5, Duration::ZERO));
    stream.stop();
}

fn comes_back(start: &StartRead<'_>) {
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
    let stream = start_stream(start, to_address(address));
    stream.connected();
    assert_eq!(stream.message(), post(1));
    first.join().unwrap();
    assert_eq!(stream.disconnected().code, "cut");
    assert_eq!(stream.disconnected().code, "fault");
    pause(100);
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || serve_on(&listener, vec![stream_and_hang]));
    let gap = loop {
        match stream.next() {
            ReadEvent::Connected { gap, .. } => break gap.unwrap(),
            ReadEvent::Disconnected(_) => {}
            event => panic!("{event:?}"),
        }
    };
    assert!(gap.length() >= millis(1_100));
    assert_eq!(stream.message(), post(1));
    stream.stop_quietly();
}

fn idle_timeout(start: &StartRead<'_>) {
    let address = serve(vec![|socket| {
        send(&socket, HEAD);
        pause(150);
        send(&socket, chunk(""));
        hang(socket);
    }]);
    let stream = start_stream(start, to_address(address).timeouts(|timeouts| timeouts.idle = millis(300)));
    stream.connected();
    let (last, event) = stream.events.recv_timeout(LONG).unwrap();
    assert!(matches!(event, ReadEvent::KeepAlive), "{event:?}");
    let (noticed, event) = stream.events.recv_timeout(LONG).unwrap();
    let ReadEvent::Disconnected(disconnected) = event else { panic!("{event:?}") };
    assert_eq!(disconnected.code, "timeout_silence");
    // The event's time is a moment after the read from which the timeout counts.
    let took = noticed - last;
    assert!((millis(270)..millis(300) + SOON).contains(&took), "{took:?}");
    stream.stop();
}

/// The idle timeout does not count the time in which the consumer holds an event.
fn slow_consumer(start: &StartRead<'_>) {
    let address = serve(vec![|socket| {
        send(&socket, HEAD);
        for id in 0..15 {
            send(&socket, chunk(&post(id)));
            pause(50);
        }
        hang(socket);
    }]);
    let config = to_address(address).timeouts(|timeouts| timeouts.idle = millis(1_000));
    let stream = start_with(start, config, None, 0);
    pause(1_200);
    stream.connected();
    for id in 0..15 {
        if id == 2 {
            pause(1_400);
        }
        assert_eq!(stream.message(), post(id));
    }
    assert_eq!(stream.disconnected().code, "timeout_silence");
    stream.stop();
}

fn head_that_trickles(start: &StartRead<'_>) {
    let address = serve(vec![|socket| {
        for byte in HEAD.bytes() {
            send(&socket, [byte]);
            pause(20);
        }
    }]);
    let begun = Instant::now();
    let stream = start_stream(start, to_address(address).timeouts(|timeouts| timeouts.head = millis(300)));
    assert_eq!(stream.disconnected().code, "timeout_head");
    let took = begun.elapsed();
    assert!((millis(300)..SOON).contains(&took), "{took:?}");
    stream.stop();
}

fn refusals(start: &StartRead<'_>) {
    let address =
        serve(vec![|socket| send(&socket, "HTTP/1.1 503 x\r\ncontent-length: 2\r\n\r\nno"), |socket| {
            send(&socket, "HTTP/1.1 401 x\r\n\r\nwho?")
        }]);
    let stream = start_stream(start, to_address(address));
    let events: Vec<_> = stream.events.iter().map(|(_, event)| event).collect();
    let [
        ReadEvent::Refused { status: first, document: no },
        ReadEvent::Disconnected(wait),
        ReadEvent::Refused { status: second, document: who },
        ReadEvent::GaveUp { code },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((*first, &no[..]), (503, &b"no"[..]));
    assert!(wait.delay >= millis(20) && wait.delay <= millis(25));
    assert_eq!((*second, &who[..]), (401, &b"who?"[..]));
    assert_eq!(code, "refused");
    // The stream ends without a shutdown.
    stream.reading.thread.join().unwrap();
}
