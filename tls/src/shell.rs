//! A transport over TLS, made of one without.

use core::task::{Context, Poll, ready};
use core::time::Duration;

use powerstream_core::driver::Io;
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::{TlsError, TransportError, TransportErrorKind};

use crate::config::Connector;
use crate::machine::{End, Machine};

/// How long a close waits for its goodbye (`close_notify`) to go out: a peer that does not read may not hold it.
pub const GOODBYE_MAX: Duration = Duration::from_millis(50);

/// TLS over any [`Io`]: one that blocks, one of an async runtime, one of an event loop.
///
/// To connect is to connect below and to shake hands, both within the same deadline; a handshake that is late is told apart
/// ([`TlsError::HandshakeTimedOut`]). All that is under way lies in here: dropping what polls it loses nothing and sends nothing
/// twice.
///
/// A read may have to write, and then waits for both.
#[derive(Debug)]
pub struct Tls<I> {
    inner: I,
    connector: Connector,
    /// From when the transport below is connected until it is closed.
    machine: Option<Box<Machine>>,
    /// Bytes that were accepted could not be sent.
    fault: Option<TransportError>,
    /// When a close under way stops waiting.
    close_by: Option<Instant>,
}

impl<I: Io> Tls<I> {
    /// Puts TLS on `inner`.
    pub const fn new(inner: I, connector: Connector) -> Self {
        Self { inner, connector, machine: None, fault: None, close_by: None }
    }

    /// The transport below.
    pub const fn inner(&self) -> &I {
        &self.inner
    }

    /// The transport below. To read or write there would break TLS.
    pub const fn inner_mut(&mut self) -> &mut I {
        &mut self.inner
    }

    /// How the connection ended, from when a read has answered 0 until the close.
    #[must_use]
    pub fn ended(&self) -> Option<End> {
        self.machine.as_ref().and_then(|machine| machine.ended())
    }

    fn poll_handshake(
        &mut self,
        cx: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Option<()>, TransportError>> {
        let Some(machine) = &mut self.machine else { return Poll::Ready(Err(NOT_CONNECTED)) };
        loop {
            match ready!(poll_flush(&mut self.inner, machine, cx, until)) {
                Ok(Some(())) => {}
                Ok(None) => return Poll::Ready(late(&self.inner, until)),
                Err(fault) => return Poll::Ready(Err(in_handshake(fault))),
            }
            if !machine.is_handshaking() {
                return Poll::Ready(Ok(Some(())));
            }
            match ready!(self.inner.poll_read(cx, machine.read_buf(), until)) {
                Ok(Some(0)) => machine.handle_eof(),
                Ok(Some(count)) => machine.handle_read(count),
                Ok(None) => return Poll::Ready(late(&self.inner, until)),
                Err(fault) => return Poll::Ready(Err(in_handshake(fault))),
            }
            if let Some(fault) = machine.fault() {
                return Poll::Ready(Err(fault));
            }
            // Bytes do not move the deadline; and a transport that blocks measures from when the clock was last looked at.
            if machine.is_handshaking() && self.inner.now() >= until {
                return Poll::Ready(Err(LATE));
            }
        }
    }
}

impl<I: Io> Io for Tls<I> {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn unix_now(&self) -> UnixTime {
        self.inner.unix_now()
    }

    fn is_stopped(&self) -> bool {
        self.inner.is_stopped()
    }

    fn has_backlog(&self) -> bool {
        self.machine.as_ref().is_some_and(|machine| machine.has_backlog()) || self.inner.has_backlog()
    }

    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Option<()>, TransportError>> {
        if self.machine.is_none() {
            match ready!(self.inner.poll_connect(cx, until)) {
                Ok(Some(())) => self.machine = Some(Box::new(self.connector.connect()?)),
                other => return Poll::Ready(other),
            }
        }
        self.poll_handshake(cx, until)
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        let Some(machine) = &mut self.machine else { return Poll::Ready(Err(NOT_CONNECTED)) };
        if let Some(fault) = self.fault.take() {
            return Poll::Ready(Err(fault));
        }
        match ready!(poll_flush(&mut self.inner, machine, cx, until)) {
            Ok(Some(())) => {}
            other => return Poll::Ready(other.map(|_| None)),
        }
        let accepted = machine.write(bytes)?;
        // They are accepted, whatever comes of this: the caller must never give them again.
        if let Poll::Ready(Err(fault)) = poll_flush(&mut self.inner, machine, cx, until) {
            self.fault = Some(fault);
        }
        Poll::Ready(Ok(Some(accepted)))
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        let Some(machine) = &mut self.machine else { return Poll::Ready(Err(NOT_CONNECTED)) };
        let mut is_first = true;
        loop {
            if let Some(count) = machine.read(buffer)? {
                return Poll::Ready(Ok(Some(count)));
            }
            if let Some(fault) = self.fault.take() {
                return Poll::Ready(Err(fault));
            }
            // Part of a record, or one without plaintext, does not move the deadline.
            if !is_first && self.inner.now() >= until {
                return Poll::Ready(Ok(None));
            }
            is_first = false;
            match poll_flush(&mut self.inner, machine, cx, until) {
                Poll::Ready(Ok(Some(()))) => {}
                Poll::Ready(other) => return Poll::Ready(other.map(|_| None)),
                // The peer may be waiting for us to read before it does.
                Poll::Pending => {}
            }
            match ready!(self.inner.poll_read(cx, machine.read_buf(), until)) {
                Ok(Some(0)) => machine.handle_eof(),
                Ok(Some(count)) => machine.handle_read(count),
                other => return Poll::Ready(other),
            }
        }
    }

    fn poll_sleep(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        self.inner.poll_sleep(cx, until)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(machine) = &mut self.machine {
            let by = *self.close_by.get_or_insert_with(|| self.inner.now().saturating_add(GOODBYE_MAX));
            machine.close();
            // Whether it went out or cannot makes no difference now.
            let is_sent = poll_flush(&mut self.inner, machine, cx, by).is_ready();
            if !is_sent && self.inner.poll_sleep(cx, by).is_pending() {
                return Poll::Pending;
            }
            self.machine = None;
        }
        ready!(self.inner.poll_close(cx));
        (self.fault, self.close_by) = (None, None);
        Poll::Ready(())
    }
}

const NOT_CONNECTED: TransportError = TransportError::new(TransportErrorKind::Other);

const LATE: TransportError = TransportError::new(TransportErrorKind::Tls(TlsError::HandshakeTimedOut));

/// Sends all that is to be sent; `None` where the deadline passed before.
fn poll_flush<I: Io>(
    inner: &mut I,
    machine: &mut Machine,
    cx: &mut Context<'_>,
    until: Instant,
) -> Poll<Result<Option<()>, TransportError>> {
    while !machine.transmit().is_empty() {
        match ready!(inner.poll_write(cx, machine.transmit(), until)) {
            Ok(Some(count)) if count > 0 => machine.handle_transmitted(count),
            other => return Poll::Ready(other.map(|_| None)),
        }
    }
    Poll::Ready(Ok(Some(())))
}

/// A wait in the handshake ended without anything: early, or because it is too late.
fn late<I: Io>(inner: &I, until: Instant) -> Result<Option<()>, TransportError> {
    if inner.now() >= until { Err(LATE) } else { Ok(None) }
}

/// A reset means something else before the handshake is over: middleboxes and servers refuse with it.
fn in_handshake(fault: TransportError) -> TransportError {
    match fault.kind {
        TransportErrorKind::Reset => {
            TransportError::with_os_code(TransportErrorKind::Tls(TlsError::HandshakeReset), fault.os_code)
        }
        _ => fault,
    }
}
