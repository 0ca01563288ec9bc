//! What std's sockets and mio's poll offer, as a [`Reactor`].
//!
//! Connecting, sleeping and the clock are one way for all. Reading is one of three:
//!
//! | reading | a read that finds nothing | for |
//! |---|---|---|
//! | [`Reading::Blocking`] | waits in the kernel: one system call, with a receive timeout | one stream a thread |
//! | [`Reading::Spinning`] | is asked again at once | one stream a core |
//! | [`Reading::Polling`] | waits in mio's poll, among others | several streams a thread |
//!
//! The receive timeout is armed anew only when it would wake too late, or far too early: the clock decides what has
//! expired, the timer only wakes.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use powerstream_client::net::tcp::{Reactor, Underway};
use powerstream_client::shutdown::{Shutdown, Stop};
use socket2::{Domain, Protocol, Type};

use crate::executor::{Executor, Slot};
use crate::interrupt::Interrupt;

/// How much later than its deadline a read may end.
const TICK: Duration = Duration::from_millis(10);

/// Reads in a row that find nothing before a spinning thread looks at the clock and at whether it is to stop.
const SPINS: u32 = 16;

/// How a read waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Blocking,
    Spinning,
    Polling,
}

/// The sockets, timer and clock of one connection.
#[derive(Debug)]
pub struct Sockets {
    slot: Arc<Slot>,
    reading: Reading,
    interrupt: Arc<Interrupt>,
    /// Keeps `interrupt` where a shutdown finds it.
    _stop: Stop,
    /// The clock as it was last looked at.
    seen: Cell<Instant>,
}

impl Sockets {
    pub(crate) fn new(executor: &Executor, shutdown: &Shutdown) -> Self {
        let reading = executor.reading;
        let interrupt = Arc::new(Interrupt::default());
        let mut stop = shutdown.listen();
        if reading == Reading::Blocking {
            let waker = Waker::from(Arc::clone(&interrupt));
            if stop.poll_stopped(&mut Context::from_waker(&waker)).is_ready() {
                waker.wake();
            }
        }
        Self {
            slot: Arc::new(executor.slot()),
            reading,
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

    fn connect(&self, address: SocketAddr, local: Option<SocketAddr>) -> Underway<Socket> {
        let (slot, reading, interrupt) = (Arc::clone(&self.slot), self.reading, Arc::clone(&self.interrupt));
        Box::pin(async move {
            let mut socket = begin(address, local)?;
            slot.register(&mut socket)?;
            poll_fn(|cx| poll_connected(&socket, &slot, cx)).await?;
            socket.set_nodelay(true)?;
            if reading == Reading::Polling {
                return Ok(Socket::Polling(socket));
            }
            // From here on nobody waits for it in a poll.
            slot.deregister(&mut socket)?;
            if reading == Reading::Spinning {
                return Ok(Socket::Spinning(socket));
            }
            KernelSocket::new(socket.into(), interrupt).map(Socket::Blocking)
        })
    }

    fn local_addr(&self, socket: &Socket) -> io::Result<SocketAddr> {
        match socket {
            Socket::Blocking(blocking) => blocking.socket.local_addr(),
            Socket::Spinning(socket) | Socket::Polling(socket) => socket.local_addr(),
        }
    }

    fn set_deadline(&self, socket: &mut Socket, until: Instant) -> io::Result<()> {
        if let Socket::Blocking(blocking) = socket {
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
        match socket {
            // The clock was looked at when the last input came, or when the consumer came back.
            Socket::Blocking(blocking) => Poll::Ready(blocking.read(buffer, self.seen.get())),
            Socket::Spinning(socket) => {
                for _ in 0..SPINS {
                    let read = found(socket.read(buffer));
                    if read.is_ready() {
                        return read;
                    }
                    std::hint::spin_loop();
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Socket::Polling(socket) => self.or_wait(socket.read(buffer), cx),
        }
    }

    fn read_now(&self, socket: &mut Socket, buffer: &mut [u8]) -> io::Result<usize> {
        match socket {
            Socket::Blocking(blocking) => blocking.read_now(buffer),
            Socket::Spinning(socket) | Socket::Polling(socket) => socket.read(buffer),
        }
    }

    fn poll_write(&self, socket: &mut Socket, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match socket {
            Socket::Blocking(blocking) => Poll::Ready(blocking.write(bytes, self.now())),
            Socket::Spinning(socket) => {
                let written = found(socket.write(bytes));
                if written.is_pending() {
                    cx.waker().wake_by_ref();
                }
                written
            }
            Socket::Polling(socket) => self.or_wait(socket.write(bytes), cx),
        }
    }

    fn set_timer(&self, timer: &mut Option<Instant>, at: Instant) {
        *timer = Some(at);
    }

    fn poll_timer(&self, timer: &mut Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.now() >= *timer {
            return Poll::Ready(());
        }
        self.slot.wait_until(*timer, cx.waker());
        Poll::Pending
    }
}

impl Sockets {
    /// Pending, and woken by the socket, where it was found not to be ready.
    fn or_wait(&self, result: io::Result<usize>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let result = found(result);
        if result.is_pending() {
            self.slot.wait_for_socket(cx.waker());
        }
        result
    }
}

/// Pending where the socket was found not to be ready.
fn found(result: io::Result<usize>) -> Poll<io::Result<usize>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    Blocking(KernelSocket),
    Spinning(mio::net::TcpStream),
    Polling(mio::net::TcpStream),
}

/// A socket whose reads wait in the kernel.
#[derive(Debug)]
pub struct KernelSocket {
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

    fn read(&mut self, buffer: &mut [u8], now: Instant) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(now);
        if left.is_zero() {
            return self.read_now(buffer);
        }
        let fits = self.armed.is_some_and(|armed| armed <= left + TICK && armed >= left / 4);
        if !fits {
            self.socket.set_read_timeout(Some(left))?;
            self.armed = Some(left);
        }
        self.socket.read(buffer).map_err(as_would_block)
    }

    fn read_now(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_nonblocking(true)?;
        let result = self.socket.read(buffer);
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

/// What Windows calls the end of a wait; elsewhere that means that the connection is lost.
fn as_would_block(error: io::Error) -> io::Error {
    if cfg!(windows) && error.kind() == io::ErrorKind::TimedOut {
        io::ErrorKind::WouldBlock.into()
    } else {
        error
    }
}

/// Begins to connect without waiting for it, from an address of our own if one is given.
fn begin(address: SocketAddr, local: Option<SocketAddr>) -> io::Result<mio::net::TcpStream> {
    let Some(local) = local else { return mio::net::TcpStream::connect(address) };
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&local.into())?;
    match socket.connect(&address.into()) {
        Err(error) if !is_under_way(&error) => Err(error),
        _ => Ok(mio::net::TcpStream::from_std(socket.into())),
    }
}

/// Whether the error of a connect that does not block says that it goes on.
fn is_under_way(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::EINPROGRESS) {
        return true;
    }
    // What Windows calls it.
    error.kind() == io::ErrorKind::WouldBlock
}

fn poll_connected(socket: &mio::net::TcpStream, slot: &Slot, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    if let Some(error) = socket.take_error()? {
        return Poll::Ready(Err(error));
    }
    match socket.peer_addr() {
        Ok(_) => Poll::Ready(Ok(())),
        // Neither an error nor a peer: not yet.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            slot.wait_for_socket(cx.waker());
            Poll::Pending
        }
        Err(error) => Poll::Ready(Err(error)),
    }
}
