//! Wraps any [`Io`] so that it passes through a proxy: it connects to the proxy, requests a tunnel
//! by CONNECT, and then forwards all calls.

use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use powerstream_core::driver::Io;
use powerstream_core::http::{ConnectHandshake, HandshakeStep};
use powerstream_core::time::{Instant, KernelTime, UnixTime};
use powerstream_core::transport_error::{TransportError, TransportErrorKind};

use crate::telemetry::event;

/// Bytes of one read of the proxy's answer.
const READ_BYTES: usize = 512;

/// An [`Io`] through a proxy. Without a proxy, it only forwards to the inner `Io`.
///
/// The inner `Io` connects to the proxy. TLS wraps this type, since the client talks to the proxy
/// without TLS.
#[derive(Debug)]
pub struct Tunnel<I, S: AsRef<[u8]> + AsMut<[u8]>> {
    io: I,
    opening: Option<ConnectHandshake<S>>,
    /// True if the proxy is connected and the tunnel is being established.
    is_opening: bool,
}

impl<I: Io, S: AsRef<[u8]> + AsMut<[u8]>> Tunnel<I, S> {
    /// Wraps `io`. With an `opening` it goes through a proxy; with `None` all calls are forwarded.
    #[must_use]
    pub const fn new(io: I, opening: Option<ConnectHandshake<S>>) -> Self {
        Self { io, opening, is_opening: false }
    }

    /// Returns the inner `Io`, which is connected to the proxy.
    #[must_use]
    pub const fn inner(&self) -> &I {
        &self.io
    }

    /// Returns the inner `Io`, which is connected to the proxy.
    #[must_use]
    pub const fn inner_mut(&mut self) -> &mut I {
        &mut self.io
    }
}

impl<I: Io, S: AsRef<[u8]> + AsMut<[u8]>> Io for Tunnel<I, S> {
    fn now(&self) -> Instant {
        self.io.now()
    }

    fn unix_now(&self) -> UnixTime {
        self.io.unix_now()
    }

    fn is_stopped(&self) -> bool {
        self.io.is_stopped()
    }

    fn has_backlog(&self) -> bool {
        self.io.has_backlog()
    }

    fn received_at(&self) -> Option<KernelTime> {
        self.io.received_at()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.io.peer_addr()
    }

    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Option<()>, TransportError>> {
        let Self { io, opening: Some(opening), is_opening } = self else {
            return self.io.poll_connect(cx, until);
        };
        if !*is_opening {
            match ready!(io.poll_connect(cx, until)) {
                Ok(Some(())) => {}
                Ok(None) => return Poll::Ready(Ok(None)),
                Err(fault) => return Poll::Ready(Err(fault.on_the_way_to_proxy())),
            }
            opening.restart();
            *is_opening = true;
        }
        loop {
            let result = match opening.poll() {
                HandshakeStep::Open => {
                    event!(debug, "tunnel established");
                    *is_opening = false;
                    return Poll::Ready(Ok(Some(())));
                }
                HandshakeStep::Failed(kind) => return Poll::Ready(Err(TransportError::new(kind))),
                HandshakeStep::Write => ready!(io.poll_write(cx, opening.transmit(), until))
                    .map(|count| count.map(|count| opening.handle_written(count))),
                HandshakeStep::Read => {
                    let mut buffer = [0; READ_BYTES];
                    ready!(io.poll_read(cx, &mut buffer, until)).map(|count| {
                        count.map(|count| match count {
                            0 => opening.handle_eof(),
                            _ => opening.handle_input(&buffer[..count]),
                        })
                    })
                }
            };
            match result {
                // Check the deadline here too: a proxy could send its answer byte by byte forever.
                Ok(_) if io.now() >= until && !io.is_stopped() && is_under_way(opening) => {
                    return Poll::Ready(Err(TransportError::new(TransportErrorKind::ProxyTimedOut)));
                }
                Ok(Some(())) => {}
                // An early wake-up or a stop: the caller decides whether to poll again.
                Ok(None) => return Poll::Ready(Ok(None)),
                Err(fault) => return Poll::Ready(Err(fault.on_the_way_to_proxy())),
            }
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        self.io.poll_write(cx, bytes, until)
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        self.io.poll_read(cx, buffer, until)
    }

    fn poll_sleep(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        self.io.poll_sleep(cx, until)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.is_opening = false;
        self.io.poll_close(cx)
    }
}

fn is_under_way<S: AsRef<[u8]> + AsMut<[u8]>>(opening: &ConnectHandshake<S>) -> bool {
    matches!(opening.poll(), HandshakeStep::Write | HandshakeStep::Read)
}
