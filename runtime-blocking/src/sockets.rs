//! The [`Reactor`] over std's sockets and mio's poll.
//!
//! All modes connect, sleep and read the clock in the same way. They differ in how a read waits:
//!
//! | mode | a read without input | used for |
//! |---|---|---|
//! | [`ReadMode::Blocking`] | waits in a system call, with a timeout | one stream per thread |
//! | [`ReadMode::Spinning`] | is repeated immediately | one stream per core |
//! | [`ReadMode::Polling`] | waits in mio's poll, with others | several connections per thread |
//!
//! The receive timeout only wakes the thread; the clock decides what has expired. It is set again
//! only when it would wake the thread too late or far too early.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use powerstream_client::net::start_connect;
use powerstream_client::net::tcp::{BoxFuture, Reactor};
use powerstream_client::shutdown::{ShutdownHandle, ShutdownSignal};
use powerstream_core::time::KernelTime;

use crate::executor::{Executor, Registration};
use crate::interrupt::Interrupt;
use crate::timestamps::{self, Source};

/// How long after its deadline a read may end.
const TICK: Duration = Duration::from_millis(10);

/// Reads without input in a row, after which a spinning thread checks the clock and the shutdown.
const SPINS: u32 = 16;

/// How a read waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadMode {
    Blocking,
    Spinning,
    Polling,
}

/// The sockets, timer and clock of one connection.
#[derive(Debug)]
pub struct Sockets {
    registration: Arc<Registration>,
    mode: ReadMode,
    timestamps: bool,
    interrupt: Arc<Interrupt>,
    /// Keeps `interrupt` registered with the shutdown.
    _stop: ShutdownSignal,
    /// The time at the last reading of the clock.
    seen: Cell<Instant>,
}

impl Sockets {
    pub(crate) fn new(
        executor: &Executor,
        mode: ReadMode,
        timestamps: bool,
        shutdown: &ShutdownHandle,
    ) -> Self {
        let interrupt = Arc::new(Interrupt::default());
        let mut stop = shutdown.listen();
        if mode == ReadMode::Blocking {
            let waker = Waker::from(Arc::clone(&interrupt));
            if stop.poll_stopped(&mut Context::from_waker(&waker)).is_ready() {
                waker.wake();
            }
        }
        Self {
            registration: Arc::new(executor.register()),
            mode,
            timestamps,
            interrupt,
            _stop: stop,
            seen: Cell::new(Instant::now()),
        }
    }
}

impl Reactor for Sockets {
    type Socket = Socket;
    type Timer = Instant;

    fn now(&self) -> Instant {
        let now = Instant::now();
        self.seen.set(now);
        now
    }

    fn connect(&self, address: SocketAddr, local: Option<SocketAddr>) -> BoxFuture<Socket> {
        let (registration, mode, interrupt) =
            (Arc::clone(&self.registration), self.mode, Arc::clone(&self.interrupt));
        let timestamps = self.timestamps;
        Box::pin(async move {
            let mut socket = begin(address, local)?;
            registration.register(&mut socket)?;
            poll_fn(|cx| poll_connected(&socket, &registration, cx)).await?;
            socket.set_nodelay(true)?;
            let control = if timestamps { timestamps::enable(&socket)? } else { Vec::new() };
            let reads = Reads { control, received_at: None };
            if mode == ReadMode::Polling {
                return Ok(Socket { kind: Kind::Polling(socket), reads });
            }
            // From here on no read or write waits in the poll.
            registration.deregister(&mut socket)?;
            let kind = if mode == ReadMode::Spinning {
                Kind::Spinning(socket)
            } else {
                Kind::Blocking(KernelSocket::new(socket.into(), interrupt)?)
            };
            Ok(Socket { kind, reads })
        })
    }

    fn local_addr(&self, socket: &Socket) -> io::Result<SocketAddr> {
        match &socket.kind {
            Kind::Blocking(blocking) => blocking.socket.local_addr(),
            Kind::Spinning(socket) | Kind::Polling(socket) => socket.local_addr(),
        }
    }

    fn set_deadline(&self, socket: &mut Socket, until: Instant) -> io::Result<()> {
        if let Kind::Blocking(blocking) = &mut socket.kind {
            blocking.until = until;
        }
        Ok(())
    }

    fn poll_read(
        &self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Socket { kind, reads } = socket;
        match kind {
            // The clock was read at the last input, or when the consumer asked for the next event.
            Kind::Blocking(blocking) => Poll::Ready(blocking.read(buffer, self.seen.get(), reads)),
            Kind::Spinning(socket) => {
                for _ in 0..SPINS {
                    let read = pending_if_would_block(reads.read(socket, buffer));
                    if read.is_ready() {
                        return read;
                    }
                    std::hint::spin_loop();
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Kind::Polling(socket) => self.poll_socket(reads.read(socket, buffer), cx),
        }
    }

    fn read_now(&self, socket: &mut Socket, buffer: &mut [u8]) -> io::Result<usize> {
        let Socket { kind, reads } = socket;
        match kind {
            Kind::Blocking(blocking) => blocking.read_now(buffer, reads),
            Kind::Spinning(socket) | Kind::Polling(socket) => reads.read(socket, buffer),
        }
    }

    fn received_at(&self, socket: &Socket) -> Option<KernelTime> {
        socket.reads.received_at
    }

    fn poll_write(&self, socket: &mut Socket, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut socket.kind {
            Kind::Blocking(blocking) => Poll::Ready(blocking.write(bytes, self.now())),
            Kind::Spinning(socket) => {
                let written = pending_if_would_block(socket.write(bytes));
                if written.is_pending() {
                    cx.waker().wake_by_ref();
                }
                written
            }
            Kind::Polling(socket) => self.poll_socket(socket.write(bytes), cx),
        }
    }

    fn set_timer(&self, timer: &mut Option<Instant>, at: Instant) {
        *timer = Some(at);
    }

    fn poll_timer(&self, timer: &mut Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.now() >= *timer {
            return Poll::Ready(());
        }
        self.registration.wake_at(*timer, cx.waker());
        Poll::Pending
    }
}

impl Sockets {
    /// Returns `Pending`, and sets the waker, if the operation would block.
    fn poll_socket(&self, result: io::Result<usize>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let result = pending_if_would_block(result);
        if result.is_pending() {
            self.registration.wake_on_socket(cx.waker());
        }
        result
    }
}

/// Returns `Pending` if the operation would block.
fn pending_if_would_block(result: io::Result<usize>) -> Poll<io::Result<usize>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

/// A connected socket.
#[derive(Debug)]
pub struct Socket {
    kind: Kind,
    reads: Reads,
}

#[derive(Debug)]
enum Kind {
    Blocking(KernelSocket),
    Spinning(mio::net::TcpStream),
    Polling(mio::net::TcpStream),
}

/// How bytes are read, and when the kernel received the last of them.
#[derive(Debug)]
struct Reads {
    /// The buffer for the kernel's timestamps. Empty if there are none.
    control: Vec<u8>,
    received_at: Option<KernelTime>,
}

impl Reads {
    #[inline]
    fn read<S: Read + Source>(&mut self, socket: &mut S, buffer: &mut [u8]) -> io::Result<usize> {
        if self.control.is_empty() {
            return socket.read(buffer);
        }
        let (count, received_at) = timestamps::receive(socket, buffer, &mut self.control)?;
        self.received_at = received_at;
        Ok(count)
    }
}

/// A socket whose reads wait in the kernel.
#[derive(Debug)]
struct KernelSocket {
    socket: TcpStream,
    /// The receive timeout in force.
    armed: Option<Duration>,
    until: Instant,
    interrupt: Arc<Interrupt>,
}

impl KernelSocket {
    fn new(socket: TcpStream, interrupt: Arc<Interrupt>) -> io::Result<Self> {
        socket.set_nonblocking(false)?;
        interrupt.set_socket(&socket)?;
        Ok(Self { socket, armed: None, until: Instant::now(), interrupt })
    }

    fn read(&mut self, buffer: &mut [u8], now: Instant, reads: &mut Reads) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(now);
        if left.is_zero() {
            return self.read_now(buffer, reads);
        }
        let fits = self.armed.is_some_and(|armed| armed <= left + TICK && armed >= left / 4);
        if !fits {
            self.socket.set_read_timeout(Some(left))?;
            self.armed = Some(left);
        }
        reads.read(&mut self.socket, buffer).map_err(as_would_block)
    }

    fn read_now(&mut self, buffer: &mut [u8], reads: &mut Reads) -> io::Result<usize> {
        self.socket.set_nonblocking(true)?;
        let result = reads.read(&mut self.socket, buffer);
        self.socket.set_nonblocking(false)?;
        result
    }

    fn write(&mut self, bytes: &[u8], now: Instant) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(now).max(TICK);
        self.socket.set_write_timeout(Some(left))?;
        self.socket.write(bytes).map_err(as_would_block)
    }
}

impl Drop for KernelSocket {
    fn drop(&mut self) {
        self.interrupt.clear_socket();
    }
}

/// Maps the error of an expired receive timeout on Windows. On Unix, `TimedOut` is a lost
/// connection.
fn as_would_block(error: io::Error) -> io::Error {
    if cfg!(windows) && error.kind() == io::ErrorKind::TimedOut {
        io::ErrorKind::WouldBlock.into()
    } else {
        error
    }
}

/// Starts a connect without waiting for it, from the local address if there is one.
fn begin(address: SocketAddr, local: Option<SocketAddr>) -> io::Result<mio::net::TcpStream> {
    match local {
        None => mio::net::TcpStream::connect(address),
        Some(local) => start_connect(local, address).map(mio::net::TcpStream::from_std),
    }
}

fn poll_connected(
    socket: &mio::net::TcpStream,
    registration: &Registration,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    if let Some(error) = socket.take_error()? {
        return Poll::Ready(Err(error));
    }
    match socket.peer_addr() {
        Ok(_) => Poll::Ready(Ok(())),
        // Neither an error nor a peer: the connect is still in progress.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            registration.wake_on_socket(cx.waker());
            Poll::Pending
        }
        Err(error) => Poll::Ready(Err(error)),
    }
}
