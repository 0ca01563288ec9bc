//! What the system's reads gave, written down where the core gets it: the measure of what must be delivered.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use powerstream_client::net::tcp::{Reactor, Underway};
use powerstream_core::time::UnixTime;

use crate::lines::{Line, Lines};

/// The lines that came over each connection of a client; a handle.
///
/// It reads them by a decoder of its own, and keeps no more than they are.
#[derive(Clone, Debug, Default)]
pub struct Tape(Arc<Mutex<Vec<Reel>>>);

/// One connection's part of it.
#[derive(Debug)]
pub(crate) struct Reel {
    /// The client's address: what the server knows the connection by.
    pub(crate) local: Option<SocketAddr>,
    lines: Lines,
}

impl Reel {
    /// Whether a head came that begins a stream.
    pub(crate) fn is_stream(&self) -> bool {
        self.lines.is_stream()
    }

    /// The lines whose ends have come, but for those of white space only.
    pub(crate) fn lines(&self) -> &[Line] {
        self.lines.lines()
    }
}

impl Tape {
    /// A connection was made; its number, from 0.
    pub fn begin(&self) -> usize {
        let mut reels = self.lock();
        reels.push(Reel { local: None, lines: Lines::default() });
        reels.len() - 1
    }

    /// The client's end of it has this address.
    pub fn at(&self, connection: usize, local: SocketAddr) {
        self.lock()[connection].local = Some(local);
    }

    /// A read gave this.
    pub fn read(&self, connection: usize, bytes: &[u8]) {
        self.lock()[connection].lines.read(bytes);
    }

    pub(crate) fn reels(self) -> Vec<Reel> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Reel>> {
        self.0.lock().unwrap()
    }
}

/// A runtime whose sockets' reads go onto a tape.
#[derive(Clone, Debug)]
pub struct Taped<R> {
    reactor: R,
    tape: Tape,
}

impl<R> Taped<R> {
    /// Writes what `reactor` reads onto `tape`.
    pub const fn new(reactor: R, tape: Tape) -> Self {
        Self { reactor, tape }
    }

    fn write_down(&self, connection: usize, buffer: &[u8], read: &io::Result<usize>) {
        if let Ok(count) = read {
            self.tape.read(connection, &buffer[..*count]);
        }
    }
}

/// A socket, and the number of its connection on the tape.
#[derive(Debug)]
pub struct TapedSocket<S> {
    socket: S,
    connection: usize,
}

impl<R: Reactor> Reactor for Taped<R>
where
    R::Socket: 'static,
{
    type Socket = TapedSocket<R::Socket>;
    type Timer = R::Timer;

    fn now(&self) -> std::time::Instant {
        self.reactor.now()
    }

    fn unix_now(&self) -> UnixTime {
        self.reactor.unix_now()
    }

    fn resolve(&self, host: &str, port: u16) -> Underway<Vec<SocketAddr>> {
        self.reactor.resolve(host, port)
    }

    fn connect(&self, address: SocketAddr, local: Option<SocketAddr>) -> Underway<Self::Socket> {
        let (connecting, tape) = (self.reactor.connect(address, local), self.tape.clone());
        Box::pin(async move { Ok(TapedSocket { socket: connecting.await?, connection: tape.begin() }) })
    }

    /// Asked for each socket once it is connected.
    fn local_addr(&self, socket: &Self::Socket) -> io::Result<SocketAddr> {
        let local = self.reactor.local_addr(&socket.socket)?;
        self.tape.at(socket.connection, local);
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
            self.write_down(socket.connection, buffer, read);
        }
        read
    }

    fn read_now(&self, socket: &mut Self::Socket, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reactor.read_now(&mut socket.socket, buffer);
        self.write_down(socket.connection, buffer, &read);
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
