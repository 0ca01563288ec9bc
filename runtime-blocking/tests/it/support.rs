//! Streams that a thread reads, in each read mode.

use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use powerstream_blocking::client::config::ConfigBuilder;
use powerstream_blocking::client::owned::OwnedEvent;
use powerstream_blocking::{Blocking, Config, ShutdownHandle, Stream};
pub(crate) use powerstream_conformance::loopback::*;

/// Makes a test of each function in each read mode.
macro_rules! in_each_read_mode {
    ($($name:ident),* $(,)?) => {
        mod blocking {
            $(#[test] fn $name() { super::$name(crate::support::ReadMode::Blocking) })*
        }
        mod busy_poll {
            $(#[test] fn $name() { super::$name(crate::support::ReadMode::BusyPoll) })*
        }
    };
}

pub(crate) fn config(base_url: &str) -> ConfigBuilder {
    Config::builder().base_url(base_url).message_bytes_max(1 << 17).seed(1).backoff(|backoff| {
        // Short, so that tests are fast.
        backoff.network.first = millis(20);
        backoff.http.first = millis(20);
    })
}

/// How a stream reads: its behavior is the same in each mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadMode {
    Blocking,
    BusyPoll,
}

impl ReadMode {
    pub(crate) fn runtime(self) -> Blocking {
        Blocking::default().with_busy_poll(self == Self::BusyPoll)
    }

    pub(crate) fn stream(self, config: &ConfigBuilder) -> Stream {
        self.stream_with_ca(config, None)
    }

    /// Opens a stream that trusts only this CA.
    pub(crate) fn stream_with_ca(self, config: &ConfigBuilder, ca_pem: Option<&str>) -> Stream {
        powerstream_conformance::open(self.runtime(), &config.clone().build().unwrap(), ca_pem)
    }

    pub(crate) fn start(self, config: &ConfigBuilder) -> RunningStream {
        start(self.stream(config))
    }

    pub(crate) fn start_with_ca(self, config: &ConfigBuilder, ca_pem: Option<&str>) -> RunningStream {
        start(self.stream_with_ca(config, ca_pem))
    }
}

/// A stream that a thread reads.
pub(crate) struct RunningStream {
    pub(crate) events: Receiver<(Instant, OwnedEvent)>,
    pub(crate) shutdown: ShutdownHandle,
    thread: JoinHandle<()>,
}

pub(crate) fn start(stream: Stream) -> RunningStream {
    let shutdown = stream.shutdown_handle();
    let (sender, events) = channel();
    let thread = std::thread::spawn(move || {
        for event in stream {
            if sender.send((Instant::now(), event)).is_err() {
                break;
            }
        }
    });
    RunningStream { events, shutdown, thread }
}

impl RunningStream {
    pub(crate) fn next(&self) -> OwnedEvent {
        self.events.recv_timeout(Duration::from_secs(10)).unwrap().1
    }

    pub(crate) fn message(&self) -> String {
        match self.next() {
            OwnedEvent::Message(message) => String::from_utf8(message.bytes.to_vec()).unwrap(),
            event => panic!("no message: {event:?}"),
        }
    }

    /// Returns the disconnect reason of the next event.
    pub(crate) fn cause(&self) -> &'static str {
        match self.next() {
            OwnedEvent::Disconnected(disconnected) => disconnected.reason.code(),
            event => panic!("no disconnect: {event:?}"),
        }
    }

    pub(crate) fn connected(&self) {
        match self.next() {
            OwnedEvent::Connected(connected) => assert_eq!(connected.head.status, 200),
            event => panic!("no stream: {event:?}"),
        }
    }

    /// Shuts down. Returns how long that took, and the events that were still delivered.
    pub(crate) fn stop(self) -> (Duration, Vec<OwnedEvent>) {
        let start = Instant::now();
        self.shutdown.shutdown();
        self.thread.join().unwrap();
        let took = start.elapsed();
        (took, self.events.try_iter().map(|(_, event)| event).collect())
    }
}
