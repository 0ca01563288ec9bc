//! The [`Reactor`] and the tasks of smol.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use powerstream_client::AsyncRuntime;
use powerstream_client::net::start_connect;
use powerstream_client::net::tcp::{BoxFuture, Reactor};
use smol::{Async, Task, Timer};

/// smol, as the runtime of a [`Client`](crate::Client). Any executor can poll its streams, because
/// smol has one reactor per process.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Smol;

impl AsyncRuntime for Smol {
    type Task<T: Send + 'static> = Task<T>;

    fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> Task<F::Output> {
        smol::spawn(future)
    }
}

impl Reactor for Smol {
    type Socket = Async<TcpStream>;
    type Timer = Timer;

    fn now(&self) -> std::time::Instant {
        std::time::Instant::now()
    }

    fn connect(&self, address: SocketAddr, local: Option<SocketAddr>) -> BoxFuture<Async<TcpStream>> {
        Box::pin(async move {
            let socket = match local {
                None => Async::<TcpStream>::connect(address).await?,
                Some(local) => connect_from(local, address).await?,
            };
            socket.get_ref().set_nodelay(true)?;
            Ok(socket)
        })
    }

    fn local_addr(&self, socket: &Async<TcpStream>) -> io::Result<SocketAddr> {
        socket.get_ref().local_addr()
    }

    fn poll_read(
        &self,
        socket: &mut Async<TcpStream>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.read_now(socket, buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(socket.poll_readable(cx))?,
                result => return Poll::Ready(result),
            }
        }
    }

    fn read_now(&self, socket: &mut Async<TcpStream>, buffer: &mut [u8]) -> io::Result<usize> {
        socket.get_ref().read(buffer)
    }

    fn poll_write(
        &self,
        socket: &mut Async<TcpStream>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match socket.get_ref().write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(socket.poll_writable(cx))?,
                result => return Poll::Ready(result),
            }
        }
    }

    fn set_timer(&self, timer: &mut Option<Timer>, at: std::time::Instant) {
        match timer {
            Some(timer) => timer.set_at(at),
            None => *timer = Some(Timer::at(at)),
        }
    }

    fn poll_timer(&self, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(timer).poll(cx).map(drop)
    }
}

/// Connects from a local address, which [`Async::connect`] does not offer.
async fn connect_from(local: SocketAddr, address: SocketAddr) -> io::Result<Async<TcpStream>> {
    let socket = Async::new_nonblocking(start_connect(local, address)?)?;
    socket.writable().await?;
    match socket.get_ref().take_error()? {
        None => Ok(socket),
        Some(error) => Err(error),
    }
}
