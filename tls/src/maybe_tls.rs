//! A transport that is plain or TLS, chosen at run time.

use core::net::SocketAddr;
use core::task::{Context, Poll};

use powerstream_core::driver::Io;
use powerstream_core::time::{Instant, KernelTime, UnixTime};
use powerstream_core::transport_error::TransportError;

use crate::config::Connector;
use crate::machine::End;
use crate::shell::Tls;

/// A transport in plaintext or over TLS, depending on the scheme of the origin.
#[derive(Debug)]
pub struct MaybeTls<I>(Inner<I>);

#[derive(Debug)]
enum Inner<I> {
    Plain(I),
    Tls(Tls<I>),
}

impl<I: Io> MaybeTls<I> {
    /// Wraps `inner` in TLS if there is a connector, else uses it in plaintext.
    /// [`TlsConfig::for_origin`](crate::TlsConfig::for_origin) returns a connector for `https`.
    pub fn new(inner: I, connector: Option<Connector>) -> Self {
        Self(match connector {
            Some(connector) => Inner::Tls(Tls::new(inner, connector)),
            None => Inner::Plain(inner),
        })
    }

    /// Returns the transport below TLS.
    pub const fn inner(&self) -> &I {
        match &self.0 {
            Inner::Plain(inner) => inner,
            Inner::Tls(tls) => tls.inner(),
        }
    }

    /// Returns how TLS ended (see [`Tls::ended`]), or `None` in plaintext.
    #[must_use]
    pub fn ended(&self) -> Option<End> {
        match &self.0 {
            Inner::Plain(_) => None,
            Inner::Tls(tls) => tls.ended(),
        }
    }
}

/// Calls a method of the active variant.
macro_rules! either {
    ($self:ident, $io:ident => $call:expr) => {
        match &$self.0 {
            Inner::Plain($io) => $call,
            Inner::Tls($io) => $call,
        }
    };
    (mut $self:ident, $io:ident => $call:expr) => {
        match &mut $self.0 {
            Inner::Plain($io) => $call,
            Inner::Tls($io) => $call,
        }
    };
}

impl<I: Io> Io for MaybeTls<I> {
    fn now(&self) -> Instant {
        either!(self, io => io.now())
    }

    fn unix_now(&self) -> UnixTime {
        either!(self, io => io.unix_now())
    }

    fn is_stopped(&self) -> bool {
        either!(self, io => io.is_stopped())
    }

    fn has_backlog(&self) -> bool {
        either!(self, io => io.has_backlog())
    }

    fn received_at(&self) -> Option<KernelTime> {
        either!(self, io => io.received_at())
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        either!(self, io => io.peer_addr())
    }

    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Option<()>, TransportError>> {
        either!(mut self, io => io.poll_connect(cx, until))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        either!(mut self, io => io.poll_write(cx, bytes, until))
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        either!(mut self, io => io.poll_read(cx, buffer, until))
    }

    fn poll_sleep(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        either!(mut self, io => io.poll_sleep(cx, until))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        either!(mut self, io => io.poll_close(cx))
    }
}
