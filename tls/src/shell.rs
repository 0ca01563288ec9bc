//! TLS over any transport that implements [`Io`].

use core::net::SocketAddr;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use powerstream_core::driver::Io;
use powerstream_core::time::{Instant, KernelTime, UnixTime};
use powerstream_core::transport_error::{TlsError, TransportError, TransportErrorKind};

use crate::config::Connector;
use crate::machine::{End, Machine};

/// How long closing waits until `close_notify` is sent. A peer that does not read cannot delay it
/// longer.
pub const GOODBYE_MAX: Duration = Duration::from_millis(50);

/// TLS over any [`Io`]: a blocking one, one of an async runtime or one of an event loop.
///
/// Connecting includes the TLS handshake. TCP and the handshake share one deadline; a handshake
/// that misses it fails with [`TlsError::HandshakeTimedOut`].
///
/// All state is in this type. A future that polls it can be dropped at any time: nothing is lost,
/// and nothing is sent twice. A read may have to write first; its waker is then registered for
/// both.
#[derive(Debug)]
pub struct Tls<I> {
    inner: I,
    connector: Connector,
    /// Present from the connect of the transport below until its close.
    machine: Option<Box<Machine>>,
    /// An error while sending bytes that a write had accepted. The next call returns it.
    fault: Option<TransportError>,
    /// The deadline of a close in progress.
    close_by: Option<Instant>,
}

impl<I: Io> Tls<I> {
    /// Wraps `inner` in TLS.
    pub const fn new(inner: I, connector: Connector) -> Self {
        Self { inner, connector, machine: None, fault: None, close_by: None }
    }

    /// Returns the transport below TLS.
    pub const fn inner(&self) -> &I {
        &self.inner
    }

    /// Returns the transport below TLS. Reading from it or writing to it breaks the TLS connection.
    pub const fn inner_mut(&mut self) -> &mut I {
        &mut self.inner
    }

    /// Returns how the connection ended. This is set when a read returns 0, and reset by the close.
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
                #[cfg(feature = "tracing")]
                tracing::debug!("TLS established");
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
            // Received bytes do not extend the deadline. A blocking transport measures it from its
            // last clock reading, so it is checked here.
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

    fn received_at(&self) -> Option<KernelTime> {
        self.inner.received_at()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.inner.peer_addr()
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
        // The bytes count as accepted even if the socket fails, because the caller must not send
        // them again.
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
            // An incomplete record, or one without plaintext, does not extend the deadline.
            if !is_first && self.inner.now() >= until {
                return Poll::Ready(Ok(None));
            }
            is_first = false;
            match poll_flush(&mut self.inner, machine, cx, until) {
                Poll::Ready(Ok(Some(()))) => {}
                Poll::Ready(other) => return Poll::Ready(other.map(|_| None)),
                // The peer may be waiting until this side reads.
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
            // A failure counts as sent: there is no other way to send it.
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

/// Sends all queued bytes. Returns `None` if the deadline passes first.
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

/// Returns the result of a wait in the handshake that ended without data: a timeout, or `None` if
/// the deadline has not passed.
fn late<I: Io>(inner: &I, until: Instant) -> Result<Option<()>, TransportError> {
    if inner.now() >= until { Err(LATE) } else { Ok(None) }
}

/// Converts a reset during the handshake into its own error, because middleboxes and servers refuse
/// connections with it.
fn in_handshake(fault: TransportError) -> TransportError {
    match fault.kind {
        TransportErrorKind::Reset => {
            TransportError::with_os_code(TransportErrorKind::Tls(TlsError::HandshakeReset), fault.os_code)
        }
        _ => fault,
    }
}
