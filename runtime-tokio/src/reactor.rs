//! What tokio offers, as the core's [`Reactor`].

use std::future::Future;
use std::io::{self, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use powerstream_client::net::tcp::{Reactor, Underway};
use powerstream_core::time::UnixTime;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Sleep;

/// The tokio runtime in whose context a stream is polled, as the core's [`Reactor`]: for whoever puts a transport together by hand.
///
/// The clock is tokio's, which is the system's unless a test has paused it: timers run by that one, and a deadline that
/// they reached and the clock did not would be waited for in a loop.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Tokio;

impl Reactor for Tokio {
    type Socket = TcpStream;
    type Timer = Pin<Box<Sleep>>;

    fn now(&self) -> std::time::Instant {
        tokio::time::Instant::now().into_std()
    }

    fn unix_now(&self) -> UnixTime {
        SystemTime::now().into()
    }

    /// On a thread of its own, not one of the runtime's: a lookup cannot be interrupted, and a runtime that is dropped
    /// waits for its threads.
    fn resolve(&self, host: &str, port: u16) -> Underway<Vec<SocketAddr>> {
        let host = host.to_owned();
        let (sender, answer) = oneshot::channel();
        let thread = std::thread::Builder::new().name("powerstream-resolve".to_owned()).spawn(move || {
            // Where nobody waits any more, nobody needs it.
            let _ = sender.send((host.as_str(), port).to_socket_addrs().map(Iterator::collect));
        });
        Box::pin(async {
            thread?;
            answer.await.map_err(io::Error::other)?
        })
    }

    fn connect(&self, address: SocketAddr, local: Option<SocketAddr>) -> Underway<TcpStream> {
        Box::pin(async move {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            if let Some(local) = local {
                socket.bind(local)?;
            }
            let socket = socket.connect(address).await?;
            socket.set_nodelay(true)?;
            Ok(socket)
        })
    }

    fn local_addr(&self, socket: &TcpStream) -> io::Result<SocketAddr> {
        socket.local_addr()
    }

    fn poll_read(
        &self,
        socket: &mut TcpStream,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let result = Pin::new(socket).poll_read(cx, &mut buffer);
        result.map_ok(|()| buffer.filled().len())
    }

    fn read_now(&self, socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        (&*SockRef::from(&*socket)).read(buffer)
    }

    fn poll_write(
        &self,
        socket: &mut TcpStream,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(socket).poll_write(cx, bytes)
    }

    fn set_timer(&self, timer: &mut Option<Self::Timer>, at: std::time::Instant) {
        match timer {
            Some(timer) => timer.as_mut().reset(at.into()),
            None => *timer = Some(Box::pin(tokio::time::sleep_until(at.into()))),
        }
    }

    fn poll_timer(&self, timer: &mut Self::Timer, cx: &mut Context<'_>) -> Poll<()> {
        timer.as_mut().poll(cx)
    }
}
