//! TCP by an async runtime, as an [`Io`]: what the runtimes' adapters have in common.
//!
//! A [`Reactor`] is what differs from runtime to runtime: sockets, a timer, a clock, a way to resolve names. [`Tcp`] is the
//! rest: names resolved anew at each connect, each address tried with its share of the time, one timer for all
//! deadlines, errors turned into faults, a stop that is heeded in every wait.
//!
//! Whatever is under way (a lookup, an attempt to connect, the timer) lives in the [`Tcp`], so that a future which
//! drives it may be dropped at any time: the next one goes on where that one was.

use std::boxed::Box;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};
use std::vec::Vec;
use std::{fmt, io, vec};

use powerstream_core::driver::Io;
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::{TransportError, TransportErrorKind};

use super::dial::{Attempt, Dial, Route, check_peer};
use super::resolve::resolve;
use super::{resolve_error, transport_error};
use crate::shutdown::ShutdownSignal;

#[cfg(test)]
mod tests;

/// Something that a runtime was asked for and has not done yet. Dropping it gives it up. One allocation for each lookup
/// and each attempt to connect.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// Reads in a row that find something, before the other tasks of the executor get their turn: half a megabyte at
/// most. A server that sends faster than we read would otherwise keep the executor's thread for itself.
const READS_IN_A_ROW: u32 = 32;

/// The timer is never set further ahead, since runtimes have limits of their own.
const TIMER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What an async runtime offers.
///
/// The methods that poll arrange for the task of `cx` to be woken, the latest one that asked, as futures do.
pub trait Reactor: Send + 'static {
    /// A connected TCP socket. Dropping it closes it.
    type Socket: Send + 'static;

    /// A timer that can be set again.
    type Timer: Send + 'static;

    /// The monotonic clock by which [`Self::Timer`] runs.
    fn now(&self) -> std::time::Instant;

    /// Reads the wall clock.
    fn unix_now(&self) -> UnixTime {
        SystemTime::now().into()
    }

    /// Looks a name up: by the operating system's resolver, on a thread of its own, unless the runtime
    /// has a better way.
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<Vec<SocketAddr>> {
        Box::pin(resolve(host.to_owned(), port))
    }

    /// Connects, from `local` if one is given, and has small writes sent at once (`TCP_NODELAY`).
    fn connect(&self, address: SocketAddr, local: Option<SocketAddr>) -> BoxFuture<Self::Socket>;

    /// The socket's own address.
    ///
    /// # Errors
    /// Whatever the system says.
    fn local_addr(&self, socket: &Self::Socket) -> io::Result<SocketAddr>;

    /// Told before each read and write when it is given up: for sockets that wait in the system's own calls. Those that
    /// answer [`Poll::Pending`] need not know.
    ///
    /// # Errors
    /// Whatever the system says.
    fn set_deadline(&self, _socket: &mut Self::Socket, _until: std::time::Instant) -> io::Result<()> {
        Ok(())
    }

    /// Reads what is there, or waits until something is.
    ///
    /// # Errors
    /// Whatever the system says.
    fn poll_read(
        &self,
        socket: &mut Self::Socket,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>>;

    /// Asks the system itself for what is there, whether or not the runtime has noticed yet that something is.
    ///
    /// # Errors
    /// Whatever the system says; [`io::ErrorKind::WouldBlock`] where nothing is there.
    fn read_now(&self, socket: &mut Self::Socket, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes as much as fits, or waits until something does.
    ///
    /// # Errors
    /// Whatever the system says.
    fn poll_write(
        &self,
        socket: &mut Self::Socket,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>>;

    /// Sets `timer` to go off at `at`, or a new one where there is none.
    fn set_timer(&self, timer: &mut Option<Self::Timer>, at: std::time::Instant);

    /// Waits until the timer goes off. It may do so late; where it does so early, it is set again at once.
    fn poll_timer(&self, timer: &mut Self::Timer, cx: &mut Context<'_>) -> Poll<()>;
}

/// A TCP transport and its clock, on the runtime that `R` stands for.
pub struct Tcp<R: Reactor> {
    reactor: R,
    route: Route,
    stop: ShutdownSignal,
    base: std::time::Instant,
    socket: Option<R::Socket>,
    /// Reads since the last one that found nothing.
    reads: u32,
    /// A name whose answer has not come: asked for once, however many attempts give up waiting for it.
    resolving: Option<BoxFuture<Vec<SocketAddr>>>,
    /// The attempt for which it was asked is over.
    resolving_is_old: bool,
    dialling: Option<Dialling<R::Socket>>,
    timer: Option<R::Timer>,
    /// When the timer goes off, if it is set: at the deadline that is waited for, or before.
    armed: Option<Instant>,
}

/// The addresses of a name, tried one after the other.
struct Dialling<T> {
    dial: Dial<Vec<SocketAddr>>,
    /// The attempt under way.
    connecting: Option<BoxFuture<T>>,
}

impl<R: Reactor> Tcp<R> {
    /// A transport that connects along `route`, until `stop` says so.
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
            dialling: None,
            timer: None,
            armed: None,
        }
    }

    /// Its clock counts from `base` on: for transports whose times are compared, which must count from the same.
    #[must_use]
    pub fn with_base(mut self, base: std::time::Instant) -> Self {
        self.base = base;
        self
    }

    /// What it listens to.
    #[must_use]
    pub const fn stop(&self) -> &ShutdownSignal {
        &self.stop
    }

    /// Ready once `until` has passed, or the stream is stopped. On every other way out the task is woken by both.
    fn poll_until(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        if self.stop.poll_stopped(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            // A timer that goes off earlier is left as it is, since setting it costs more than waking in vain: a
            // deadline that each read moves on is thus set once in its length. The clock decides.
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

    /// What a read or write came to. After a stop, the end of the stream is our own doing.
    fn outcome(&self, result: io::Result<usize>) -> Result<Option<usize>, TransportError> {
        match result {
            // What was read is read, stop or not.
            Ok(count) if count > 0 => Ok(Some(count)),
            _ if self.is_stopped() => Ok(None),
            Ok(count) => Ok(Some(count)),
            // That nothing is there is no failure: the session knows what time it is.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(None)
            }
            Err(error) => Err(transport_error(&error)),
        }
    }

    /// Goes on with the lookup that is under way, or starts one where the address is not known.
    fn poll_resolve(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<SocketAddr>, TransportError>> {
        if let Some(address) = self.route.address() {
            return Poll::Ready(Ok(vec![address]));
        }
        if let Some(resolving) = self.resolving.as_mut().filter(|_| self.resolving_is_old) {
            // An answer that came too late for the attempt before is not today's.
            if resolving.as_mut().poll(cx).is_ready() {
                self.resolving = None;
            }
        }
        self.resolving_is_old = false;
        let (reactor, route) = (&self.reactor, &self.route);
        let resolving = self.resolving.get_or_insert_with(|| reactor.resolve(route.host(), route.port()));
        let answer = ready!(resolving.as_mut().poll(cx));
        self.resolving = None;
        Poll::Ready(answer.map_err(|error| resolve_error(&error)))
    }

    /// Tries one address after the other. `None`: the deadline has passed, or the stream was stopped.
    fn poll_dial(
        &mut self,
        cx: &mut Context<'_>,
        mut dialling: Dialling<R::Socket>,
        until: Instant,
    ) -> Poll<Result<Option<R::Socket>, TransportError>> {
        loop {
            let attempt = dialling.dial.poll(self.now(), until)?;
            let (reactor, local) = (&self.reactor, self.route.local());
            let connecting =
                dialling.connecting.get_or_insert_with(|| reactor.connect(attempt.address, local));
            match connecting.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    dialling.connecting = None;
                    match result
                        .map_err(|error| transport_error(&error))
                        .and_then(|socket| self.check(socket, attempt))
                    {
                        Ok(socket) => return Poll::Ready(Ok(Some(socket))),
                        Err(fault) => dialling.dial.handle_transport_error(fault),
                    }
                }
                Poll::Pending => {
                    let over = self.poll_until(cx, attempt.until.min(until));
                    if over.is_pending() || self.is_stopped() || self.now() >= until {
                        self.dialling = Some(dialling);
                        return over.map(|()| Ok(None));
                    }
                    dialling.connecting = None;
                    dialling.dial.handle_timeout();
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
    // A deadline that the clock cannot express never comes.
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

    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Option<()>, TransportError>> {
        let dialling = match self.dialling.take() {
            Some(dialling) => dialling,
            None => match self.poll_resolve(cx) {
                Poll::Ready(addresses) => Dialling { dial: self.route.dial(addresses?), connecting: None },
                Poll::Pending => {
                    ready!(self.poll_until(cx, until));
                    return Poll::Ready(Ok(None));
                }
            },
        };
        let socket = ready!(self.poll_dial(cx, dialling, until))?;
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
        // A runtime that was held up may not have looked at its sockets yet. What is there comes before the deadline.
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
        self.dialling = None;
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
