//! A socket in the loop: the only part that uses `mio`.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use powerstream_client::net::transport_error;
use powerstream_core::driver::Io;
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::TransportError;

/// A socket in the loop.
pub(crate) struct Tcp {
    pub(crate) address: SocketAddr,
    pub(crate) registry: Registry,
    pub(crate) token: Token,
    pub(crate) socket: Option<TcpStream>,
    /// The deadline of the pending call, which also limits the wait of the loop.
    pub(crate) until: Rc<Cell<Option<Instant>>>,
    /// The epoch of the clock.
    pub(crate) base: std::time::Instant,
}

impl Tcp {
    /// Converts the result of a system call. One that would block is `Pending`, or `None` after the
    /// deadline.
    fn outcome<T>(
        &mut self,
        result: io::Result<T>,
        until: Instant,
    ) -> Poll<Result<Option<T>, TransportError>> {
        match result {
            Ok(value) => Poll::Ready(Ok(Some(value))),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) => {
                if self.now() >= until {
                    return Poll::Ready(Ok(None));
                }
                self.until.set(Some(until));
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(transport_error(&error))),
        }
    }

    fn socket(&mut self) -> io::Result<&mut TcpStream> {
        if self.socket.is_none() {
            let mut socket = TcpStream::connect(self.address)?;
            self.registry.register(&mut socket, self.token, Interest::READABLE | Interest::WRITABLE)?;
            socket.set_nodelay(true)?;
            return Ok(self.socket.insert(socket));
        }
        self.socket.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Io for Tcp {
    fn now(&self) -> Instant {
        Instant::from_std(std::time::Instant::now(), self.base)
    }

    fn unix_now(&self) -> UnixTime {
        SystemTime::now().into()
    }

    fn poll_connect(
        &mut self,
        _: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Option<()>, TransportError>> {
        let connected = self.socket().and_then(|socket| match socket.take_error()? {
            Some(error) => Err(error),
            // The socket is not connected yet, or has an error.
            None => socket.peer_addr().map(drop),
        });
        self.outcome(connected, until)
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        bytes: &[u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        let written = self.socket().and_then(|socket| socket.write(bytes));
        self.outcome(written, until)
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        let read = self.socket().and_then(|socket| socket.read(buffer));
        self.outcome(read, until)
    }

    fn poll_sleep(&mut self, _: &mut Context<'_>, until: Instant) -> Poll<()> {
        if self.now() >= until {
            return Poll::Ready(());
        }
        self.until.set(Some(until));
        Poll::Pending
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.socket = None;
        Poll::Ready(())
    }
}
