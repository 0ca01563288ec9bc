//! Records the bytes that a client's reads return, below TLS and the core: everything recorded must
//! be delivered.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use powerstream_client::net::tcp::{BoxFuture, Reactor};
use powerstream_core::time::UnixTime;

use crate::line_decoder::{Line, LineDecoder};

/// The lines that a client read, by connection. A handle: clones share the recording.
///
/// It decodes the response with a decoder that shares no code with the core's.
#[derive(Clone, Debug, Default)]
pub struct ReadRecorder(Arc<Mutex<Vec<ConnectionReads>>>);

/// The lines that a client read from one connection.
#[derive(Debug)]
pub(crate) struct ConnectionReads {
    /// The client's address, by which the server identifies the connection.
    pub(crate) local: Option<SocketAddr>,
    lines: LineDecoder,
}

impl ConnectionReads {
    /// Returns true if a response head was read that starts a stream.
    pub(crate) fn is_stream(&self) -> bool {
        self.lines.is_stream()
    }

    /// Returns the complete lines, without those of white space only.
    pub(crate) fn lines(&self) -> &[Line] {
        self.lines.lines()
    }
}

impl ReadRecorder {
    /// Adds a connection and returns its number, from 0.
    pub fn add_connection(&self) -> usize {
        let mut connections = self.lock();
        connections.push(ConnectionReads { local: None, lines: LineDecoder::default() });
        connections.len() - 1
    }

    /// Sets the client's address of a connection.
    pub fn set_local_addr(&self, connection: usize, local: SocketAddr) {
        self.lock()[connection].local = Some(local);
    }

    /// Records the bytes that one read returned.
    pub fn record(&self, connection: usize, bytes: &[u8]) {
        self.lock()[connection].lines.handle(bytes);
    }

    pub(crate) fn connections(self) -> Vec<ConnectionReads> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ConnectionReads>> {
        self.0.lock().unwrap()
    }
}

/// A reactor that records the reads of its sockets.
#[derive(Clone, Debug)]
pub struct RecordingReactor<R> {
    reactor: R,
    reads: ReadRecorder,
}

impl<R> RecordingReactor<R> {
    /// Wraps `reactor` and records its reads in `reads`.
    pub const fn new(reactor: R, reads: ReadRecorder) -> Self {
        Self { reactor, reads }
    }

    fn record(&self, connection: usize, buffer: &[u8], read: &io::Result<usize>) {
        if let Ok(count) = read {
            self.reads.record(connection, &buffer[..*count]);
        }
    }
}

/// A socket, and the number of its connection in the recording.
#[derive(Debug)]
pub struct RecordedSocket<S> {
    socket: S,
    connection: usize,
}

impl<R: Reactor> Reactor for RecordingReactor<R>
where
    R::Socket: 'static,
{
    type Socket = RecordedSocket<R::Socket>;
    type Timer = R::Timer;

    fn now(&self) -> std::time::Instant {
        self.reactor.now()
    }

    fn unix_now(&self) -> UnixTime {
        self.reactor.unix_now()
    }

    fn resolve(&self, host: &str, port: u16) -> BoxFuture<Vec<SocketAddr>> {
        self.reactor.resolve(host, port)
    }

    fn connect(&self, address: SocketAddr, local: Option<SocketAddr>) -> BoxFuture<Self::Socket> {
        let (connecting, reads) = (self.reactor.connect(address, local), self.reads.clone());
        Box::pin(async move {
            Ok(RecordedSocket { socket: connecting.await?, connection: reads.add_connection() })
        })
    }

    /// Called for each socket once it is connected.
    fn local_addr(&self, socket: &Self::Socket) -> io::Result<SocketAddr> {
        let local = self.reactor.local_addr(&socket.socket)?;
        self.reads.set_local_addr(socket.connection, local);
        Ok(local)
    }

    fn set_deadline(&self, socket: &mut Self::Socket, until: std::time::Instant) -> io::Result<()> {
        self.reactor.set_deadline(&mut socket.socket, until)
    }

    fn poll_read(
        &self,
        socket: &mut Self::Socket,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = self.reactor.poll_read(&mut socket.socket, cx, buffer);
        if let Poll::Ready(read) = &read {
            self.record(socket.connection, buffer, read);
        }
        read
    }

    fn read_now(&self, socket: &mut Self::Socket, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reactor.read_now(&mut socket.socket, buffer);
        self.record(socket.connection, buffer, &read);
        read
    }

    fn poll_write(
        &self,
        socket: &mut Self::Socket,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.reactor.poll_write(&mut socket.socket, cx, bytes)
    }

    fn set_timer(&self, timer: &mut Option<Self::Timer>, at: std::time::Instant) {
        self.reactor.set_timer(timer, at);
    }

    fn poll_timer(&self, timer: &mut Self::Timer, cx: &mut Context<'_>) -> Poll<()> {
        self.reactor.poll_timer(timer, cx)
    }
}
