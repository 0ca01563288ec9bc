//! [`Io`] over a blocking TCP socket: it never pends.
//!
//! Reads block in the kernel with a receive timeout, the one system call per read that there must be. The timeout is
//! armed anew only when it would wake too late, or far too early: the clock decides what has expired, the timer only
//! wakes. Connecting is done without blocking, so that it can be given up.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use mio::{Events, Interest, Token};
use powerstream_core::driver::Io;
use powerstream_core::driver::dial::{Route, check_peer};
use powerstream_core::session::{Fault, FaultKind};
use powerstream_core::time::{Instant, UnixTime};

use crate::resolve::Resolving;
use crate::shutdown::Signal;

/// How much later than its deadline a wait may end.
const TICK: Duration = Duration::from_millis(10);

const CONNECT: Token = Token(0);
const STOP: Token = Token(1);

/// A TCP transport and its clock.
#[derive(Debug)]
pub(crate) struct Tcp {
    route: Route,
    base: std::time::Instant,
    /// The clock as it was last looked at.
    seen: Cell<Instant>,
    socket: Option<TcpStream>,
    /// The receive timeout in force.
    armed: Option<Duration>,
    /// A name whose answer has not come: asked for once, however many attempts give up waiting for it.
    resolving: Option<Resolving>,
    poll: mio::Poll,
    events: Events,
    signal: Arc<Signal>,
}

impl Tcp {
    pub(crate) fn new(route: Route) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), STOP)?;
        Ok(Self {
            route,
            base: std::time::Instant::now(),
            seen: Cell::new(Instant::ZERO),
            socket: None,
            armed: None,
            resolving: None,
            poll,
            events: Events::with_capacity(4),
            signal: Arc::new(Signal::new(waker)),
        })
    }

    pub(crate) fn signal(&self) -> Arc<Signal> {
        Arc::clone(&self.signal)
    }

    /// Resolves anew, so that the lifetimes of DNS answers are honoured, and tries each address, each with its share of
    /// the time that is left. `None`: the deadline has passed, or the stream was stopped.
    fn connect(&mut self, until: Instant) -> Result<Option<TcpStream>, Fault> {
        let Some(addresses) = self.resolve(until)? else { return Ok(None) };
        let mut dial = self.route.dial(addresses);
        loop {
            let attempt = dial.poll(self.now(), until)?;
            match self.connect_to(attempt.address, attempt.until) {
                Ok(Some(socket)) => return Ok(Some(socket)),
                Ok(None) if self.signal.is_stopped() || self.now() >= until => return Ok(None),
                Ok(None) => dial.handle_timeout(),
                Err(fault) => dial.handle_fault(fault),
            }
        }
    }

    /// `None`: the deadline has passed, or the stream was stopped.
    fn resolve(&mut self, until: Instant) -> Result<Option<Vec<SocketAddr>>, Fault> {
        // An answer that came too late for the attempt before is not today's.
        let resolving = match self.resolving.take().filter(|resolving| !resolving.is_done()) {
            Some(resolving) => resolving,
            None => Resolving::start(&self.route, &self.signal).map_err(|error| Fault::from(&error))?,
        };
        loop {
            if let Some(answer) = resolving.take() {
                let unresolved =
                    |error: io::Error| Fault::with_os_code(FaultKind::Resolve, error.raw_os_error());
                return answer.map(Some).map_err(unresolved);
            }
            let left = until.saturating_since(self.now());
            if left.is_zero() || self.signal.is_stopped() {
                self.resolving = Some(resolving);
                return Ok(None);
            }
            self.signal.wait(left, || resolving.is_done());
        }
    }

    /// `None`: the deadline has passed, or the stream was stopped.
    fn connect_to(&mut self, address: SocketAddr, until: Instant) -> Result<Option<TcpStream>, Fault> {
        self.try_connect(address, until).map_err(|error| Fault::from(&error))
    }

    fn try_connect(&mut self, address: SocketAddr, until: Instant) -> io::Result<Option<TcpStream>> {
        let mut socket = mio::net::TcpStream::connect(address)?;
        self.poll.registry().register(&mut socket, CONNECT, Interest::WRITABLE)?;
        loop {
            let left = until.saturating_since(self.now());
            match self.poll.poll(&mut self.events, Some(left)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            if self.signal.is_stopped() {
                return Ok(None);
            }
            if self.events.iter().any(|event| event.token() == CONNECT) {
                if let Some(error) = socket.take_error()? {
                    return Err(error);
                }
                // A writable socket without error and without peer is one that a spurious wake-up showed.
                match socket.peer_addr() {
                    Ok(peer) if check_peer(socket.local_addr()?, peer).is_err() => {
                        return Err(io::ErrorKind::ConnectionRefused.into());
                    }
                    Ok(_) => break,
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                    Err(error) => return Err(error),
                }
            }
            if self.now() >= until {
                return Ok(None);
            }
        }
        self.poll.registry().deregister(&mut socket)?;
        let socket = TcpStream::from(socket);
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        Ok(Some(socket))
    }

    /// One read with at most so much waiting.
    fn read(&mut self, buffer: &mut [u8], left: Duration) -> io::Result<usize> {
        let Some(socket) = &mut self.socket else { return Err(io::ErrorKind::NotConnected.into()) };
        if left.is_zero() {
            socket.set_nonblocking(true)?;
            let result = socket.read(buffer);
            socket.set_nonblocking(false)?;
            return result;
        }
        let fits = self.armed.is_some_and(|armed| armed <= left + TICK && armed >= left / 4);
        if !fits {
            socket.set_read_timeout(Some(left))?;
            self.armed = Some(left);
        }
        socket.read(buffer)
    }
}

impl Io for Tcp {
    fn now(&self) -> Instant {
        let now = Instant::from_std(std::time::Instant::now(), self.base);
        self.seen.set(now);
        now
    }

    fn unix_now(&self) -> UnixTime {
        SystemTime::now().into()
    }

    fn is_stopped(&self) -> bool {
        self.signal.is_stopped()
    }

    fn poll_connect(&mut self, _: &mut Context<'_>, until: Instant) -> Poll<Result<Option<()>, Fault>> {
        Poll::Ready(self.connect(until).and_then(|socket| {
            let Some(socket) = socket else { return Ok(None) };
            self.signal.set_socket(&socket).map_err(|error| Fault::from(&error))?;
            self.socket = Some(socket);
            self.armed = None;
            Ok(Some(()))
        }))
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        bytes: &[u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, Fault>> {
        let left = until.saturating_since(self.now()).max(TICK);
        let Some(socket) = &mut self.socket else { return Poll::Ready(Err(Fault::new(FaultKind::Other))) };
        let result = socket.set_write_timeout(Some(left)).and_then(|()| socket.write(bytes));
        Poll::Ready(self.outcome(result))
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, Fault>> {
        // The clock was looked at when the last input came, or when the consumer came back.
        let result = self.read(buffer, until.saturating_since(self.seen.get()));
        Poll::Ready(self.outcome(result))
    }

    fn poll_sleep(&mut self, _: &mut Context<'_>, until: Instant) -> Poll<()> {
        loop {
            let left = until.saturating_since(self.now());
            if left.is_zero() || self.signal.is_stopped() {
                return Poll::Ready(());
            }
            self.signal.wait(left, || false);
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.signal.clear_socket();
        self.socket = None;
        Poll::Ready(())
    }
}

impl Drop for Tcp {
    /// A [`Shutdown`](crate::Shutdown) that lives on holds a handle to the socket too: it must not hold the server's slot.
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            // An error means that it is closed already.
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        self.signal.clear_socket();
    }
}

impl Tcp {
    /// What a read or write came to. A wait that ended early is no failure: the session knows what time it is. After a
    /// stop, the end of the stream is our own doing.
    fn outcome(&self, result: io::Result<usize>) -> Result<Option<usize>, Fault> {
        match result {
            // What was read is read, stop or not.
            Ok(count) if count > 0 => Ok(Some(count)),
            _ if self.signal.is_stopped() => Ok(None),
            Ok(count) => Ok(Some(count)),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                // What Windows calls the end of a wait; elsewhere the connection is lost.
                io::ErrorKind::TimedOut if cfg!(windows) => Ok(None),
                _ => Err(Fault::from(&error)),
            },
        }
    }
}
