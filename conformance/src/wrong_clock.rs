//! A reactor whose wall clock is wrong.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Instant;

use powerstream_client::net::tcp::{BoxFuture, Reactor};
use powerstream_core::time::UnixTime;

/// A reactor whose wall clock is so many milliseconds ahead.
#[derive(Clone, Debug)]
pub(crate) struct WrongClock<R> {
    reactor: R,
    ahead: i64,
}

impl<R> WrongClock<R> {
    pub(crate) const fn new(reactor: R, ahead: i64) -> Self {
        Self { reactor, ahead }
    }
}

impl<R: Reactor> Reactor for WrongClock<R> {
    type Socket = R::Socket;
    type Timer = R::Timer;

    fn now(&self) -> Instant {
        self.reactor.now()
    }

    fn unix_now(&self) -> UnixTime {
        UnixTime::from_millis(self.reactor.unix_now().as_millis().saturating_add_signed(self.ahead))
    }

    fn resolve(&self, host: &str, port: u16) -> BoxFuture<Vec<SocketAddr>> {
        self.reactor.resolve(host, port)
    }

    fn connect(&self, address: SocketAddr, local: Option<SocketAddr>) -> BoxFuture<Self::Socket> {
        self.reactor.connect(address, local)
    }

    fn local_addr(&self, socket: &Self::Socket) -> io::Result<SocketAddr> {
        self.reactor.local_addr(socket)
    }

    fn set_deadline(&self, socket: &mut Self::Socket, until: Instant) -> io::Result<()> {
        self.reactor.set_deadline(socket, until)
    }

    fn poll_read(
        &self,
        socket: &mut Self::Socket,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.reactor.poll_read(socket, cx, buffer)
    }

    fn read_now(&self, socket: &mut Self::Socket, buffer: &mut [u8]) -> io::Result<usize> {
        self.reactor.read_now(socket, buffer)
    }

    fn poll_write(
        &self,
        socket: &mut Self::Socket,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.reactor.poll_write(socket, cx, bytes)
    }

    fn set_timer(&self, timer: &mut Option<Self::Timer>, at: Instant) {
        self.reactor.set_timer(timer, at);
    }

    fn poll_timer(&self, timer: &mut Self::Timer, cx: &mut Context<'_>) -> Poll<()> {
        self.reactor.poll_timer(timer, cx)
    }
}
