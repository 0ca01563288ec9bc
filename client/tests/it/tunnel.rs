//! Drives a transport through a proxy by hand: the bytes sent, the result of each answer, and that
//! a dropped future loses and repeats nothing.

#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use powerstream_client::net::tunnel::Tunnel;
use powerstream_core::buffered::Buffered;
use powerstream_core::driver::{Driver, Io};
use powerstream_core::http::{ConnectHandshake, Credentials, TunnelRequest, X};
use powerstream_core::read_buffer::READ_BYTES;
use powerstream_core::session::{Session, SessionConfig, SessionEvent};
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::{TransportError, TransportErrorKind};

/// The result of the next read on a connection.
#[derive(Clone, Debug)]
enum Read {
    Bytes(&'static [u8]),
    /// These bytes, after a second.
    Later(u8),
    Eof,
    Reset,
    /// An early wake-up without bytes.
    Early,
    /// The peer closes the stream.
    Stop,
    /// No bytes until the deadline.
    Silence,
}

/// A transport that pends before each operation, and accepts a request in pieces.
#[derive(Debug, Default)]
struct Script {
    now: Duration,
    /// For each connect, the results of its reads. With none left, the connect is refused.
    connections: VecDeque<Vec<Read>>,
    reads: VecDeque<Read>,
    asked: bool,
    stopped: bool,
    connects: usize,
    sent: Vec<Vec<u8>>,
    has_backlog: bool,
    peer_addr: Option<SocketAddr>,
}

impl Script {
    fn pend(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.asked = !self.asked;
        if self.asked {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Io for Script {
    fn now(&self) -> Instant {
        Instant::ZERO.saturating_add(self.now)
    }

    fn unix_now(&self) -> UnixTime {
        UnixTime::from_seconds(1_700_000_000).saturating_add(self.now)
    }

    fn is_stopped(&self) -> bool {
        self.stopped
    }

    fn has_backlog(&self) -> bool {
        self.has_backlog
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    fn poll_connect(&mut self, cx: &mut Context<'_>, _: Instant) -> Poll<Result<Option<()>, TransportError>> {
        std::task::ready!(self.pend(cx));
        self.connects += 1;
        let Some(reads) = self.connections.pop_front() else {
            return Poll::Ready(Err(TransportError::with_os_code(TransportErrorKind::Refused, Some(111))));
        };
        self.reads = reads.into();
        self.sent.push(Vec::new());
        Poll::Ready(Ok(Some(())))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        _: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        std::task::ready!(self.pend(cx));
        let count = bytes.len().min(10);
        self.sent.last_mut().unwrap().extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(Some(count)))
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        std::task::ready!(self.pend(cx));
        Poll::Ready(match self.reads.pop_front().unwrap_or(Read::Silence) {
            Read::Bytes(bytes) => {
                buffer[..bytes.len()].copy_from_slice(bytes);
                Ok(Some(bytes.len()))
            }
            Read::Later(byte) => {
                self.now += Duration::from_secs(1);
                buffer[0] = byte;
                Ok(Some(1))
            }
            Read::Eof => Ok(Some(0)),
            Read::Reset => Err(TransportError::new(TransportErrorKind::Reset)),
            Read::Early => Ok(None),
            Read::Stop => {
                self.stopped = true;
                Ok(None)
            }
            Read::Silence => {
                self.now = Duration::from_nanos(until.as_nanos());
                Ok(None)
            }
        })
    }

    fn poll_sleep(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        std::task::ready!(self.pend(cx));
        self.now = self.now.max(Duration::from_nanos(until.as_nanos()));
        Poll::Ready(())
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        std::task::ready!(self.pend(cx));
        self.reads.clear();
        Poll::Ready(())
    }
}

type Stream = Driver<Vec<u8>, Vec<u8>, Tunnel<Script, Vec<u8>>>;

fn stream(connections: impl IntoIterator<Item = Vec<Read>>) -> Stream {
    let mut request = TunnelRequest::new("api.x.com", 443);
    request.credentials = Some(Credentials::new("user", "secret").unwrap());
    let opening = ConnectHandshake::new(vec![0; 2_048], &request).unwrap();
    let mut config = SessionConfig::new(X);
    config.message_bytes_max = 1_000;
    config.backoff.jitter_percent = 0;
    let io = Script { connections: connections.into_iter().collect(), ..Script::default() };
    let session = Session::new(vec![0; config.storage_bytes()], &config, 1, io.now(), io.unix_now()).unwrap();
    Driver::new(Buffered::new(session, vec![0; READ_BYTES]), Tunnel::new(io, Some(opening)))
}

/// Returns the next outcome as text. Each future is dropped at each await.
fn next(stream: &mut Stream) -> Option<String> {
    for _ in 0..10_000 {
        let mut next = std::pin::pin!(stream.next());
        let polled = next.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(event) = polled {
            return event.map(|event| match event {
                SessionEvent::Connected(_) => "connected".into(),
                SessionEvent::Message(message) => format!("message {}", message.bytes.escape_ascii()),
                SessionEvent::Disconnected(why) => format!("{}; again in {:?}", why.reason, why.delay),
                SessionEvent::GaveUp(why) => format!("gave up: {}", why.reason),
                event => panic!("{event:?}"),
            });
        }
    }
    panic!("pending for ever");
}

const OPEN: Read = Read::Bytes(b"HTTP/1.1 200 x\r\n\r\n");
const STREAM: Read = Read::Bytes(b"HTTP/1.1 200 OK\r\n\r\n{\"a\":1}\r\n");

#[test]
fn opens_a_tunnel_before_the_request_at_each_connect() {
    let cut = [b"HTTP/1.1 2".as_slice(), b"00 x\r\n\r", b"\n"].map(Read::Bytes);
    let first = [&cut[..1], &[Read::Early], &cut[1..], &[STREAM, Read::Eof]].concat();
    let mut stream = stream([first, vec![OPEN, STREAM, Read::Stop]]);
    let mut events = Vec::new();
    while let Some(event) = next(&mut stream) {
        events.push(event);
    }
    assert_eq!(
        events,
        [
            "connected",
            r#"message {\"a\":1}"#,
            "the server ended the stream; again in 0ns",
            "connected",
            r#"message {\"a\":1}"#,
        ]
    );
    let script = stream.io().inner();
    assert_eq!((script.connects, script.sent.len()), (2, 2));
    for sent in &script.sent {
        let sent = String::from_utf8(sent.clone()).unwrap();
        let (connect, get) = sent.split_at(sent.find("\r\n\r\n").unwrap() + 4);
        assert!(
            connect.starts_with("CONNECT api.x.com:443 HTTP/1.1\r\nHost: api.x.com:443\r\n"),
            "{connect}"
        );
        assert!(connect.contains("Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
        assert!(get.starts_with("GET /2/powerstream HTTP/1.1\r\nHost: api.x.com\r\n"), "{get}");
        assert!(!get.contains("Proxy"), "the server must not receive the fields for the proxy");
    }
    let shown = format!("{stream:?}");
    assert!(!shown.contains("secret") && !shown.contains("dXNl"), "{shown}");
}

#[test]
fn each_proxy_answer_has_its_reason_and_backoff() {
    let trickle = b"HTTP/1.1 200 and so on".map(Read::Later).to_vec();
    let just_in_time = [&[Read::Bytes(b"HTTP/1.1")], &b" 403 x\r\n\r\n".map(Read::Later)[..]].concat();
    for (reads, want) in [
        (
            vec![Read::Bytes(b"HTTP/1.1 403 x\r\n\r\n")],
            "the proxy does not allow connections to this host; again in 5s",
        ),
        (
            vec![Read::Bytes(b"HTTP/1.1 502 x\r\n\r\n")],
            "the proxy could not connect to the host (status 502); again in 250ms",
        ),
        (
            vec![Read::Bytes(b"HTTP/1.1 301 x\r\n\r\n")],
            "the proxy refused to connect to the host (status 301); again in 5s",
        ),
        (
            vec![Read::Bytes(b"<html>")],
            "the proxy's response is not HTTP: check the host and port of the proxy; again in 5s",
        ),
        (
            vec![Read::Bytes(b"HTTP/1.1 200 x\r\n\r\n\x16\x03")],
            "the proxy sent unexpected bytes after its response; again in 5s",
        ),
        (vec![Read::Eof], "the proxy closed the connection before it responded; again in 250ms"),
        (vec![Read::Reset], "on the way to the proxy: the connection was reset by the peer; again in 250ms"),
        (vec![Read::Silence], "the proxy did not respond before the connect deadline; again in 250ms"),
        // Bytes received do not extend the deadline.
        (trickle, "the proxy did not respond before the connect deadline; again in 250ms"),
        (just_in_time, "the proxy does not allow connections to this host; again in 5s"),
        // From here on, failures are those of the server.
        (
            vec![OPEN, Read::Eof],
            "the server closed the connection before the end of the response head; again in 250ms",
        ),
        (vec![OPEN, Read::Silence], "expected the response head within its timeout; again in 250ms"),
    ] {
        let mut stream = stream([reads, vec![OPEN, STREAM]]);
        assert_eq!(next(&mut stream).as_deref(), Some(want));
        assert_eq!(next(&mut stream).as_deref(), Some("connected"), "behind: {want}");
    }
}

#[test]
fn reports_the_time_the_address_and_the_backlog_of_the_connection() {
    for (has_backlog, peer_addr) in [(false, None), (true, Some("192.0.2.1:3128".parse().unwrap()))] {
        let script = Script { has_backlog, peer_addr, ..Script::default() };
        let tunnel = Tunnel::<_, Vec<u8>>::new(script, None);
        assert_eq!((tunnel.has_backlog(), tunnel.peer_addr()), (has_backlog, peer_addr));
        assert_eq!(tunnel.unix_now(), UnixTime::from_seconds(1_700_000_000));
    }
}

#[test]
fn the_connect_deadline_covers_the_tunnel() {
    let mut stream = stream([vec![Read::Silence]]);
    assert!(next(&mut stream).is_some());
    assert_eq!(stream.io().now(), Instant::ZERO.saturating_add(Duration::from_secs(10)));
}

#[test]
fn does_not_send_wrong_credentials_again() {
    let mut stream = stream([vec![Read::Bytes(b"HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\n\r\n")]]);
    assert_eq!(
        next(&mut stream).as_deref(),
        Some("gave up: the proxy requires valid credentials: check its user name and password")
    );
    assert_eq!(next(&mut stream), None);
    assert_eq!(stream.io().inner().connects, 1);
}

#[test]
fn distinguishes_an_unreachable_proxy_from_an_unreachable_server() {
    let mut stream = stream([]);
    assert_eq!(
        next(&mut stream).as_deref(),
        Some(
            "on the way to the proxy: the connection was refused (operating system error 111); again in 250ms"
        )
    );
}

#[test]
fn a_shutdown_ends_the_handshake_with_the_proxy() {
    for reads in [vec![Read::Stop], vec![Read::Bytes(b"HTTP/1."), Read::Stop], vec![OPEN, Read::Stop]] {
        let mut stream = stream([reads]);
        assert_eq!(next(&mut stream), None);
    }
}

/// TLS and the `Host` field keep the name, while the address is fixed.
#[test]
fn connects_to_the_configured_target_address() {
    use powerstream_client::config::Config;
    use powerstream_client::proxy::Proxy;

    for (target, line) in [
        (None, "CONNECT api.x.com:443 HTTP/1.1\r\n"),
        (Some("192.0.2.7:8443"), "CONNECT 192.0.2.7:8443 HTTP/1.1\r\n"),
        (Some("[2001:db8::7]:443"), "CONNECT [2001:db8::7]:443 HTTP/1.1\r\n"),
    ] {
        let mut builder = Config::builder().proxy(Proxy::parse("http://u:p@proxy.example:3128").unwrap());
        if let Some(target) = target {
            builder = builder.target_address(target.parse().unwrap());
        }
        let config = builder.build().unwrap();
        let io = Script { connections: vec![vec![OPEN, STREAM]].into(), ..Script::default() };
        let buffered = config.open(1, io.now(), io.unix_now()).unwrap();
        let mut stream = Driver::new(buffered, config.tunnel(io));
        assert_eq!(next(&mut stream).as_deref(), Some("connected"));
        let sent = String::from_utf8(stream.io().inner().sent[0].clone()).unwrap();
        assert!(sent.starts_with(line) && sent.contains("\r\nProxy-Authorization: Basic dTpw\r\n"), "{sent}");
        assert!(sent.contains("GET /2/powerstream HTTP/1.1\r\nHost: api.x.com\r\n"), "{sent}");
    }

    // An origin on this machine is never reached through a proxy.
    let config = Config::builder().base_url("http://127.0.0.1:1").proxy(Proxy::parse("p:1").unwrap());
    let config = config.build().unwrap();
    let io = Script { connections: vec![vec![STREAM]].into(), ..Script::default() };
    let buffered = config.open(1, io.now(), io.unix_now()).unwrap();
    let mut stream = Driver::new(buffered, config.tunnel(io));
    assert_eq!(next(&mut stream).as_deref(), Some("connected"));
    assert!(stream.io().inner().sent[0].starts_with(b"GET "));
}
