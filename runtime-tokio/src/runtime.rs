//! The [`Reactor`] and the tasks of tokio.

use std::future::Future;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use powerstream_client::AsyncRuntime;
use powerstream_client::net::tcp::{BoxFuture, Reactor};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Sleep;

/// tokio, as the runtime of a [`Client`](crate::Client): the one in whose context a stream is
/// polled.
///
/// It uses tokio's clock, because tokio's timers use that clock. The clock differs from the
/// system's only while a test pauses it.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Tokio;

impl AsyncRuntime for Tokio {
    type Task<T: Send + 'static> = JoinHandle<T>;

    fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> JoinHandle<F::Output> {
        tokio::spawn(future)
    }
}

impl Reactor for Tokio {
    type Socket = TcpStream;
    type Timer = Pin<Box<Sleep>>;

    fn now(&self) -> std::time::Instant {
        tokio::time::Instant::now().into_std()
    }

    fn connect(&self, address: SocketAddr, local: Option<SocketAddr>) -> BoxFuture<TcpStream> {
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
