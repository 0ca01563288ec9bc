//! TCP on an async runtime, as an [`Io`]. All runtime adapters share it.
//!
//! A [`Reactor`] is the part that differs between runtimes: sockets, a timer, a clock, name lookup.
//! [`Tcp`] does the rest:
//!
//! - It resolves names anew at each connect, and tries each address with its share of the time.
//! - It uses one timer for all deadlines.
//! - It converts errors to transport errors.
//! - It stops every wait on a shutdown.
//!
//! The [`Tcp`] owns pending work: a lookup, a connect, the timer. A future that drives it may
//! therefore be dropped at any time, and the next one continues.

use std::boxed::Box;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};
use std::vec::Vec;
use std::{fmt, io, vec};

use powerstream_core::driver::Io;
use powerstream_core::time::{Instant, KernelTime, UnixTime};
use powerstream_core::transport_error::{TransportError, TransportErrorKind};

use super::dial::{Attempt, Dial, Route, check_peer};
use super::resolve::resolve;
use super::{resolve_error, transport_error};
use crate::shutdown::ShutdownSignal;
use crate::telemetry::event;

#[cfg(test)]
mod tests;

/// A pending operation of a runtime. Dropping it cancels it. Costs one allocation for each lookup
/// and each connection attempt.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// Successful reads in a row before other tasks of the executor run: half a megabyte at most.
/// Without this limit, a server that sends faster than the client reads would occupy the executor's
/// thread.
const READS_IN_A_ROW: u32 = 8;

/// The longest time that the timer is set ahead, since runtimes have their own limits.
const TIMER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The operations that an async runtime provides.
///
/// Methods that poll must wake the task of the latest `cx`, as futures do.
pub trait Reactor: Send + 'static {
    /// A connected TCP socket. Dropping it closes it.
    type Socket: Send + 'static;

    /// A timer that can be set again.
    type Timer: Send + 'static;

    /// Returns the time of the monotonic clock that drives [`Self::Timer`].
    fn now(&self) -> std::time::Instant;

    /// Returns the time of the wall clock.
    fn unix_now(&self) -> UnixTime {
        SystemTime::now().into()
    }

    /// Resolves a name. By default the operating system's resolver does so, on a separate thread.
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<Vec<SocketAddr>> {
        Box::pin(resolve(host.to_owned(), port))
    }

    /// Connects, from `local` if given, and sets `TCP_NODELAY` so that small writes are sent
    /// immediately.
    fn connect(&self, address: SocketAddr, local: Option<SocketAddr>) -> BoxFuture<Self::Socket>;

    /// Returns the socket's local address.
    ///
    /// # Errors
    /// Returns the operating system's error.
    fn local_addr(&self, socket: &Self::Socket) -> io::Result<SocketAddr>;

    /// Sets the deadline of the next read or write. Called before each of them.
    ///
    /// Only sockets that block in a system call need it. The default does nothing.
    ///
    /// # Errors
    /// Returns the operating system's error.
    fn set_deadline(&self, _socket: &mut Self::Socket, _until: std::time::Instant) -> io::Result<()> {
        Ok(())
    }

    /// Reads available bytes, or pends until there are some. Returns how many; 0 at the end of
    /// input.
    ///
    /// # Errors
    /// Returns the operating system's error.
    fn poll_read(
        &self,
        socket: &mut Self::Socket,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>>;

    /// Reads directly from the kernel, even if the runtime has not noticed yet that bytes are
    /// available.
    ///
    /// # Errors
    /// Returns the operating system's error, or [`io::ErrorKind::WouldBlock`] if nothing is
    /// available.
    fn read_now(&self, socket: &mut Self::Socket, buffer: &mut [u8]) -> io::Result<usize>;

    /// Returns when the kernel received the last bytes that were read from the socket. `None`, as
    /// by default, if the runtime does not measure it.
    fn received_at(&self, _socket: &Self::Socket) -> Option<KernelTime> {
        None
    }

    /// Writes as many bytes as fit, or pends until some do. Returns how many were written.
    ///
    /// # Errors
    /// Returns the operating system's error.
    fn poll_write(
        &self,
        socket: &mut Self::Socket,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>>;

    /// Sets `timer` to fire at `at`. Creates the timer if there is none.
    fn set_timer(&self, timer: &mut Option<Self::Timer>, at: std::time::Instant);

    /// Pends until the timer fires. It may fire late. If it fires early, the caller sets it again.
    fn poll_timer(&self, timer: &mut Self::Timer, cx: &mut Context<'_>) -> Poll<()>;
}

/// A TCP transport and its clock, on the runtime of the reactor `R`.
pub struct Tcp<R: Reactor> {
    reactor: R,
    route: Route,
    stop: ShutdownSignal,
    base: std::time::Instant,
    socket: Option<R::Socket>,
    /// Reads since the last one that found no bytes.
    reads: u32,
    /// A lookup without an answer yet. It is kept even if connection attempts stop waiting for it.
    resolving: Option<BoxFuture<Vec<SocketAddr>>>,
    /// True if the attempt that started the lookup is over.
    resolving_is_old: bool,
    dialing: Option<Dialing<R::Socket>>,
    /// The address that is connected, or was tried last.
    peer_addr: Option<SocketAddr>,
    timer: Option<R::Timer>,
    /// When the timer fires, if it is set: at the current deadline, or earlier.
    armed: Option<Instant>,
}

/// The addresses of a name, tried one after the other.
struct Dialing<T> {
    dial: Dial<Vec<SocketAddr>>,
    /// The current attempt.
    connecting: Option<BoxFuture<T>>,
}

impl<R: Reactor> Tcp<R> {
    /// Creates a transport that connects along `route`, until `stop` is signaled.
    pub fn new(reactor: R, route: Route, stop: ShutdownSignal) -> Self {
        Self {
            base: reactor.now(),
            reactor,
            route,
            stop,
            socket: None,
            reads: 0,
            resolving: None,
            resolving_is_old: false,
            dialing: None,
            peer_addr: None,
            timer: None,
            armed: None,
        }
    }

    /// Sets the moment from which the clock counts. Transports whose times are compared must share
    /// it.
    #[must_use]
    pub fn with_base(mut self, base: std::time::Instant) -> Self {
        self.base = base;
        self
    }

    /// Returns the shutdown signal that this transport checks.
    #[must_use]
    pub const fn stop(&self) -> &ShutdownSignal {
        &self.stop
    }

    /// Returns ready once `until` has passed or the stream is stopped. If pending, both wake the
    /// task.
    fn poll_until(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        if self.stop.poll_stopped(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            // An earlier timer is kept, since setting it costs more than a needless wake-up. A
            // deadline that each read moves is therefore set once per timeout. The clock decides
            // whether it has passed.
            if self.armed.is_none_or(|armed| armed > until) {
                let now = self.now();
                if now >= until {
                    return Poll::Ready(());
                }
                let at = until.min(now.saturating_add(TIMER_MAX));
                let Some(std) = at.to_std(self.base) else { return Poll::Pending };
                self.reactor.set_timer(&mut self.timer, std);
                self.armed = Some(at);
            }
            if let Some(timer) = &mut self.timer {
                ready!(self.reactor.poll_timer(timer, cx));
            }
            self.armed = None;
        }
    }

    /// Converts the result of a read or write. After a stop, an end of input is not the server's
    /// doing.
    fn outcome(&self, result: io::Result<usize>) -> Result<Option<usize>, TransportError> {
        match result {
            // Bytes that were read count even after a stop.
            Ok(count) if count > 0 => Ok(Some(count)),
            _ if self.is_stopped() => Ok(None),
            Ok(count) => Ok(Some(count)),
            // `WouldBlock` is not a failure: the session checks the time itself.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(None)
            }
            Err(error) => Err(transport_error(&error)),
        }
    }

    /// Continues the current lookup, or starts one if the address is not known.
    fn poll_resolve(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<SocketAddr>, TransportError>> {
        if let Some(address) = self.route.address() {
            return Poll::Ready(Ok(vec![address]));
        }
        if let Some(resolving) = self.resolving.as_mut().filter(|_| self.resolving_is_old) {
            // An answer that came too late for the previous attempt is outdated, so it is dropped.
            if resolving.as_mut().poll(cx).is_ready() {
                self.resolving = None;
            }
        }
        self.resolving_is_old = false;
        let (reactor, route) = (&self.reactor, &self.route);
        let resolving = self.resolving.get_or_insert_with(|| {
            event!(debug, host = route.host(), "resolving");
            reactor.resolve(route.host(), route.port())
        });
        let answer = ready!(resolving.as_mut().poll(cx));
        self.resolving = None;
        event!(debug, addresses = answer.as_ref().map_or(0, Vec::len), "resolved");
        Poll::Ready(answer.map_err(|error| resolve_error(&error)))
    }

    /// Tries the addresses in order. `None`: the deadline has passed, or the stream was stopped.
    fn poll_dial(
        &mut self,
        cx: &mut Context<'_>,
        mut dialing: Dialing<R::Socket>,
        until: Instant,
    ) -> Poll<Result<Option<R::Socket>, TransportError>> {
        loop {
            let attempt = dialing.dial.poll(self.now(), until)?;
            self.peer_addr = Some(attempt.address);
            let (reactor, local) = (&self.reactor, self.route.local());
            let connecting = dialing.connecting.get_or_insert_with(|| {
                event!(debug, address = %attempt.address, "connecting");
                reactor.connect(attempt.address, local)
            });
            match connecting.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    dialing.connecting = None;
                    match result
                        .map_err(|error| transport_error(&error))
                        .and_then(|socket| self.check(socket, attempt))
                    {
                        Ok(socket) => {
                            event!(debug, address = %attempt.address, "TCP established");
                            return Poll::Ready(Ok(Some(socket)));
                        }
                        Err(fault) => {
                            event!(debug, address = %attempt.address, %fault, "attempt failed");
                            dialing.dial.handle_transport_error(fault);
                        }
                    }
                }
                Poll::Pending => {
                    let over = self.poll_until(cx, attempt.until.min(until));
                    if over.is_pending() || self.is_stopped() || self.now() >= until {
                        self.dialing = Some(dialing);
                        return over.map(|()| Ok(None));
                    }
                    dialing.connecting = None;
                    event!(debug, address = %attempt.address, "attempt timed out");
                    dialing.dial.handle_timeout();
                }
            }
        }
    }

    fn check(&self, socket: R::Socket, attempt: Attempt) -> Result<R::Socket, TransportError> {
        let local = self.reactor.local_addr(&socket).map_err(|error| transport_error(&error))?;
        check_peer(local, attempt.address)?;
        Ok(socket)
    }
}

fn set_deadline<R: Reactor>(
    reactor: &R,
    socket: &mut R::Socket,
    until: Instant,
    base: std::time::Instant,
) -> Result<(), TransportError> {
    // A deadline that the clock cannot represent never passes.
    let Some(until) = until.to_std(base) else { return Ok(()) };
    reactor.set_deadline(socket, until).map_err(|error| transport_error(&error))
}

impl<R: Reactor> Io for Tcp<R> {
    fn now(&self) -> Instant {
        Instant::from_std(self.reactor.now(), self.base)
    }

    fn unix_now(&self) -> UnixTime {
        self.reactor.unix_now()
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_stopped()
    }

    fn received_at(&self) -> Option<KernelTime> {
        self.reactor.received_at(self.socket.as_ref()?)
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Option<()>, TransportError>> {
        let dialing = match self.dialing.take() {
            Some(dialing) => dialing,
            None => {
                self.peer_addr = None;
                match self.poll_resolve(cx) {
                    Poll::Ready(addresses) => Dialing { dial: self.route.dial(addresses?), connecting: None },
                    Poll::Pending => {
                        ready!(self.poll_until(cx, until));
                        return Poll::Ready(Ok(None));
                    }
                }
            }
        };
        let socket = ready!(self.poll_dial(cx, dialing, until))?;
        let is_connected = socket.is_some();
        self.socket = socket;
        Poll::Ready(Ok(is_connected.then_some(())))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        let Some(socket) = &mut self.socket else {
            return Poll::Ready(Err(TransportError::new(TransportErrorKind::Other)));
        };
        set_deadline(&self.reactor, socket, until, self.base)?;
        match self.reactor.poll_write(socket, cx, bytes) {
            Poll::Ready(result) => Poll::Ready(self.outcome(result)),
            Poll::Pending => {
                ready!(self.poll_until(cx, until));
                Poll::Ready(Ok(None))
            }
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        if self.reads == READS_IN_A_ROW {
            self.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(socket) = &mut self.socket else {
            return Poll::Ready(Err(TransportError::new(TransportErrorKind::Other)));
        };
        set_deadline(&self.reactor, socket, until, self.base)?;
        if let Poll::Ready(result) = self.reactor.poll_read(socket, cx, buffer) {
            self.reads += 1;
            return Poll::Ready(self.outcome(result));
        }
        self.reads = 0;
        ready!(self.poll_until(cx, until));
        // A delayed runtime may not have polled its sockets yet. Available bytes precede the
        // deadline.
        let Some(socket) = &mut self.socket else { return Poll::Ready(Ok(None)) };
        let result = self.reactor.read_now(socket, buffer);
        Poll::Ready(self.outcome(result))
    }

    fn poll_sleep(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        self.poll_until(cx, until)
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.socket = None;
        self.reads = 0;
        self.dialing = None;
        self.resolving_is_old = true;
        Poll::Ready(())
    }
}

impl<R: Reactor> fmt::Debug for Tcp<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tcp")
            .field("route", &self.route)
            .field("is_connected", &self.socket.is_some())
            .field("armed", &self.armed)
            .finish_non_exhaustive()
    }
}
