//! The path from the bytes of a response to messages.

use std::hint::black_box;

use powerstream_core::http::Origin;
use powerstream_core::read_buffer::{BUFFER_BYTES, READ_BYTES, ReadBuffer};
use powerstream_core::session::{Session, SessionConfig, SessionEvent};
use powerstream_core::stream::{Connection, ConnectionConfig, ConnectionEvent, classify};
use powerstream_core::time::{Instant, UnixTime};

use crate::wire::Wire;

/// The response head before every body.
pub const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The result of a pass over the wire, to compare with the expected one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Messages, including keep-alives. For a floor, the LFs on the wire.
    pub lines: usize,
    /// The bytes of these messages. For a floor, the bytes of the wire.
    pub bytes: usize,
}

/// An engine between passes. It keeps its state, as on an endless stream.
pub trait Pass {
    /// Reads all of `wire` once.
    fn pass(&mut self, wire: &Wire) -> Found;
}

/// What is done with each message.
pub type Sink = Box<dyn FnMut(&[u8]) + Send>;

/// Returns a sink that touches a message without reading it, to measure framing alone.
#[must_use]
pub fn skim() -> Sink {
    Box::new(|message| {
        black_box(message.as_ptr());
    })
}

/// Returns a sink that reads the kind of a message, and the id and time of a Post, before `sink`.
#[must_use]
pub fn classified(mut sink: Sink) -> Sink {
    Box::new(move |message| {
        black_box(classify(message));
        sink(message);
    })
}

/// Returns a connection at the start of a body.
fn connection() -> Connection<Vec<u8>> {
    let mut connection = Connection::new(vec![0; 1 << 20], ConnectionConfig::default());
    connection.handle_connected(Instant::ZERO);
    let (consumed, event) = connection.decode(HEAD, Instant::ZERO);
    assert!(consumed == HEAD.len() && matches!(event, Ok(Some(ConnectionEvent::Head(_)))));
    connection
}

/// Returns a session that has sent its request to a server without TLS on this machine.
///
/// # Panics
/// Never: the origin is valid, and the storage has the required size.
#[must_use]
pub fn session() -> Session<Vec<u8>> {
    let config = SessionConfig::new(Origin::parse("http://localhost").expect("an origin"));
    let storage = vec![0; config.storage_bytes()];
    let mut session =
        Session::new(storage, &config, 1, Instant::ZERO, UnixTime::default()).expect("a session");
    session.handle_timeout(Instant::ZERO);
    session.handle_connected(Instant::ZERO);
    session.handle_written(session.transmit().len(), Instant::ZERO);
    session
}

/// The connection with the read buffer of the runtimes.
pub struct Framing {
    connection: Connection<Vec<u8>>,
    buffer: ReadBuffer<Vec<u8>>,
    now: u64,
    sink: Sink,
}

impl Framing {
    /// Creates the connection at the start of a body. `sink` receives each message.
    #[must_use]
    pub fn new(sink: Sink) -> Self {
        Self { connection: connection(), buffer: ReadBuffer::new(vec![0; BUFFER_BYTES]), now: 0, sink }
    }
}

impl Pass for Framing {
    fn pass(&mut self, wire: &Wire) -> Found {
        let mut found = Found::default();
        let Self { connection, buffer, now, sink } = self;
        wire.for_each_read(usize::MAX, |mut arrived| {
            while !arrived.is_empty() {
                let room = buffer.room();
                let (read, later) = arrived.split_at(arrived.len().min(room.len()));
                arrived = later;
                room[..read.len()].copy_from_slice(read);
                black_box(room);
                buffer.handle_read(read.len());
                *now += 1;
                let mut input = buffer.input();
                let left = loop {
                    let (consumed, event) = connection.scan_partial(input, Instant::from_nanos(*now));
                    let Some(event) = event.expect("the wire is well-formed") else {
                        break input.len() - consumed;
                    };
                    found.event(connection.lend(event, input), sink);
                    input = &input[consumed..];
                };
                buffer.consume(buffer.unread() - left);
                if !buffer.leave() {
                    connection.take_left(buffer.take_left());
                }
            }
        });
        found
    }
}

/// The connection in the simplest loop: `decode`, which consumes all of a buffer.
pub struct Decoding {
    connection: Connection<Vec<u8>>,
    buffer: Vec<u8>,
    now: u64,
    sink: Sink,
}

impl Decoding {
    /// Creates the connection at the start of a body. `sink` receives each message.
    #[must_use]
    pub fn new(sink: Sink) -> Self {
        Self { connection: connection(), buffer: vec![0; READ_BYTES], now: 0, sink }
    }
}

impl Pass for Decoding {
    fn pass(&mut self, wire: &Wire) -> Found {
        let mut found = Found::default();
        let Self { connection, buffer, now, sink } = self;
        wire.for_each_read(buffer.len(), |read| {
            buffer[..read.len()].copy_from_slice(read);
            black_box(&mut *buffer);
            *now += 1;
            let mut input = &buffer[..read.len()];
            loop {
                let (consumed, event) = connection.decode(input, Instant::from_nanos(*now));
                let Some(event) = event.expect("the wire is well-formed") else { return };
                found.event(event, sink);
                input = &input[consumed..];
            }
        });
        found
    }
}

/// The connection with the wire as its input.
pub struct Lent {
    connection: Connection<Vec<u8>>,
    now: u64,
    sink: Sink,
}

impl Lent {
    /// Creates the connection at the start of a body. `sink` receives each message.
    #[must_use]
    pub fn new(sink: Sink) -> Self {
        Self { connection: connection(), now: 0, sink }
    }
}

impl Pass for Lent {
    fn pass(&mut self, wire: &Wire) -> Found {
        let mut found = Found::default();
        let Self { connection, now, sink } = self;
        wire.for_each_read(usize::MAX, |mut input| {
            *now += 1;
            loop {
                let (consumed, event) = connection.scan(input, Instant::from_nanos(*now));
                let Some(event) = event.expect("the wire is well-formed") else { return };
                found.event(connection.lend(event, input), sink);
                input = &input[consumed..];
            }
        });
        found
    }
}

impl Found {
    /// Counts a line, and delivers it if it is a message.
    #[inline]
    pub fn line(&mut self, line: &[u8], sink: &mut Sink) {
        self.lines += 1;
        if !line.is_empty() {
            self.bytes += line.len();
            sink(line);
        }
    }

    #[inline]
    fn event(&mut self, event: ConnectionEvent<'_>, sink: &mut Sink) {
        match event {
            ConnectionEvent::Message(message) => self.line(message, sink),
            ConnectionEvent::KeepAlive => self.lines += 1,
            event => panic!("unexpected: {event:?}"),
        }
    }
}

/// A session with the wire as its input. It also classifies each message.
pub struct Sessions(Session<Vec<u8>>, u64);

impl Sessions {
    /// Creates a session at the start of a body.
    #[must_use]
    pub fn new() -> Self {
        let mut session = session();
        let (_, event) = session.decode(HEAD, Instant::ZERO);
        assert!(matches!(event, Some(SessionEvent::Connected(_))));
        Self(session, 0)
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new()
    }
}

impl Pass for Sessions {
    fn pass(&mut self, wire: &Wire) -> Found {
        let mut found = Found::default();
        let Self(session, now) = self;
        wire.for_each_read(usize::MAX, |mut input| {
            *now += 1;
            while let (consumed, Some(event)) = session.decode(input, Instant::from_nanos(*now)) {
                found.session_event(&event);
                input = &input[consumed..];
            }
        });
        found
    }
}

impl Found {
    /// Counts an event of a session.
    ///
    /// # Panics
    /// If the stream ended.
    #[inline]
    pub fn session_event(&mut self, event: &SessionEvent<'_>) {
        match event {
            SessionEvent::Message(message) => {
                black_box(message.id());
                self.lines += 1;
                self.bytes += message.bytes.len();
            }
            SessionEvent::KeepAlive => self.lines += 1,
            SessionEvent::Connected(_) => {}
            event => panic!("unexpected: {event:?}"),
        }
    }
}
