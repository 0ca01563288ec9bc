//! Small scripted servers on loopback, and streams that are watched from outside.

#![allow(dead_code, unreachable_pub, clippy::exhaustive_structs)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use powerstream_blocking::client::config::ConfigBuilder;
use powerstream_blocking::client::owned::OwnedEvent;
use powerstream_blocking::{Blocking, Client, Config, Shutdown, Stream, TlsConfig};

/// Each of these tests with each way to read.
macro_rules! in_each_reading {
    ($($name:ident),* $(,)?) => {
        mod blocking {
            $(#[test] fn $name() { super::$name(crate::support::Reading::Blocking) })*
        }
        mod busy_poll {
            $(#[test] fn $name() { super::$name(crate::support::Reading::BusyPoll) })*
        }
    };
}

pub const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// In a debug build on a busy machine; the promise is some milliseconds.
pub const SOON: Duration = Duration::from_secs(1);

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn config(base_url: &str) -> ConfigBuilder {
    Config::builder().base_url(base_url).message_bytes_max(1 << 17).seed(1).backoff(|backoff| {
        // Faster than life, so that a test may wait for it.
        backoff.network.first = millis(20);
        backoff.http.first = millis(20);
    })
}

/// How streams read: what is said of one holds for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Blocking,
    BusyPoll,
}

impl Reading {
    pub fn stream(self, config: &ConfigBuilder) -> Stream {
        self.stream_over(config, None)
    }

    /// A stream that trusts this CA only.
    pub fn stream_over(self, config: &ConfigBuilder, ca_pem: Option<&str>) -> Stream {
        let config = config.clone().build().unwrap();
        let mut client =
            Client::new(config).with_runtime(Blocking::default().with_busy_poll(self == Self::BusyPoll));
        if let Some(pem) = ca_pem {
            client = client.with_tls(TlsConfig::only_ca_pem(pem.as_bytes()).unwrap());
        }
        client.stream().unwrap()
    }

    pub fn watch(self, config: &ConfigBuilder) -> Watched {
        watch(self.stream(config))
    }

    pub fn watch_over(self, config: &ConfigBuilder, ca_pem: Option<&str>) -> Watched {
        watch(self.stream_over(config, ca_pem))
    }
}

pub fn post(id: u64) -> String {
    format!(r#"{{"created_at":"Sat Oct 10 20:19:24 +0000 2020","id":{id},"id_str":"{id}","text":"a"}}"#)
}

pub fn line(message: &str) -> Vec<u8> {
    format!("{:x}\r\n{message}\r\n\r\n", message.len() + 2).into_bytes()
}

/// Serves one connection after the other: what to do with the first, the second..
pub fn serve(serving: Vec<fn(TcpStream)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || serve_on(&listener, serving));
    address
}

/// Serves connections at the same time: what to do with the first, the second..
pub fn serve_each(serving: Vec<fn(TcpStream)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for serve in serving {
        let listener = listener.try_clone().unwrap();
        std::thread::spawn(move || serve_on(&listener, vec![serve]));
    }
    address
}

pub fn serve_on(listener: &TcpListener, serving: Vec<fn(TcpStream)>) {
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

pub fn send(mut socket: &TcpStream, bytes: impl AsRef<[u8]>) {
    // The client may be gone: that is for the test to judge.
    let _ = socket.write_all(bytes.as_ref());
}

/// Waits until the client closes.
pub fn hang(mut socket: TcpStream) {
    while matches!(socket.read(&mut [0; 64]), Ok(1..)) {}
}

/// A stream that a thread of its own reads.
pub struct Watched {
    pub events: Receiver<(Instant, OwnedEvent)>,
    pub shutdown: Shutdown,
    thread: JoinHandle<()>,
}

pub fn watch(stream: Stream) -> Watched {
    let shutdown = stream.shutdown_handle();
    let (sender, events) = channel();
    let thread = std::thread::spawn(move || {
        for event in stream {
            if sender.send((Instant::now(), event)).is_err() {
                break;
            }
        }
    });
    Watched { events, shutdown, thread }
}

impl Watched {
    pub fn next(&self) -> OwnedEvent {
        self.events.recv_timeout(Duration::from_secs(10)).unwrap().1
    }

    pub fn message(&self) -> String {
        match self.next() {
            OwnedEvent::Message(message) => String::from_utf8(message.bytes.to_vec()).unwrap(),
            event => panic!("no message: {event:?}"),
        }
    }

    /// The cause's code of the disconnect that must come now.
    pub fn cause(&self) -> &'static str {
        match self.next() {
            OwnedEvent::Disconnected(disconnected) => disconnected.cause.code(),
            event => panic!("no disconnect: {event:?}"),
        }
    }

    pub fn connected(&self) {
        match self.next() {
            OwnedEvent::Connected(connected) => assert_eq!(connected.head.status, 200),
            event => panic!("no stream: {event:?}"),
        }
    }

    /// Shuts down; how long that took, and the events that were still handed out.
    pub fn stop(self) -> (Duration, Vec<OwnedEvent>) {
        let start = Instant::now();
        self.shutdown.shutdown();
        self.thread.join().unwrap();
        let took = start.elapsed();
        (took, self.events.try_iter().map(|(_, event)| event).collect())
    }
}
