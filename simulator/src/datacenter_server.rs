//! The server of a datacenter: its listener, the accepting thread, and one thread per connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::link::Link;

/// Serves an accepted connection on its own thread. `None` drops the connection.
pub(crate) type Handler = Arc<dyn Fn(TcpStream, SocketAddr) -> Option<Served> + Send + Sync>;

/// The thread of a connection, and its link, to wake it. The link is weak, because another handle
/// would keep the socket open.
pub(crate) struct Served {
    pub(crate) link: Weak<Link>,
    pub(crate) thread: JoinHandle<()>,
}

/// The listener of one datacenter, running or stopped.
pub(crate) struct DatacenterServer {
    /// The index among the datacenters.
    index: usize,
    /// The address, which a restart uses again.
    address: SocketAddr,
    handler: Handler,
    running: Mutex<Option<Running>>,
}

struct Running {
    listening: Arc<Listening>,
    acceptor: JoinHandle<()>,
}

/// What the accepting thread shares with the thread that stops it.
struct Listening {
    listener: TcpListener,
    closed: AtomicBool,
    served: Mutex<Vec<Served>>,
}

/// How a datacenter stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Connections end immediately.
    Shutdown,
    /// Connections are reset, as if the machine lost power.
    Killed,
}

impl DatacenterServer {
    /// Creates a server for the address that the first listener is bound to. Nothing is served
    /// before [`Self::open`].
    pub(crate) fn new(index: usize, address: SocketAddr, handler: Handler) -> Self {
        Self { index, address, handler, running: Mutex::new(None) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts accepting connections.
    pub(crate) fn open(&self, listener: TcpListener) -> io::Result<()> {
        let listening =
            Arc::new(Listening { listener, closed: AtomicBool::new(false), served: Mutex::new(Vec::new()) });
        let (accepting, handler) = (listening.clone(), self.handler.clone());
        let acceptor = thread::Builder::new()
            .name(format!("simulator-accept-{}", self.index))
            .spawn(move || accepting.accept(&handler))?;
        *lock(&self.running) = Some(Running { listening, acceptor });
        Ok(())
    }

    /// Listens again at the same address. Does nothing if the server is running.
    pub(crate) fn restart(&self) -> io::Result<()> {
        if lock(&self.running).is_some() {
            return Ok(());
        }
        // Closed connections would block the port for a while without this option. Reset
        // connections would not.
        let domain = socket2::Domain::for_address(self.address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        if cfg!(unix) {
            socket.set_reuse_address(true)?;
        }
        socket.bind(&self.address.into())?;
        socket.listen(1_024)?;
        self.open(socket.into())
    }

    /// Stops listening, ends all connections and waits for their threads, which takes milliseconds.
    /// Returns false if the server was stopped.
    pub(crate) fn close(&self, stop: Stop) -> bool {
        let Some(Running { listening, acceptor }) = lock(&self.running).take() else { return false };
        listening.closed.store(true, Ordering::SeqCst);
        // On Linux, this makes accept() return. Elsewhere, a connection does.
        let _ = socket2::SockRef::from(&listening.listener).shutdown(std::net::Shutdown::Both);
        if TcpStream::connect_timeout(&self.reachable(), Duration::from_millis(50)).is_err()
            && !cfg!(target_os = "linux")
        {
            // The next accept() does not block. If one is in progress, it fails or delays only this
            // thread.
            let _ = listening.listener.set_nonblocking(true);
        }
        let _ = acceptor.join();
        let served = std::mem::take(&mut *lock(&listening.served));
        for link in served.iter().filter_map(|served| served.link.upgrade()) {
            match stop {
                Stop::Shutdown => link.stop(),
                Stop::Killed => link.kill(),
            }
        }
        for served in served {
            // A connection may stop its own datacenter.
            if served.thread.thread().id() != thread::current().id() {
                let _ = served.thread.join();
            }
        }
        true
    }

    /// Returns the address for clients on this machine.
    pub(crate) fn reachable(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        (ip, self.address.port()).into()
    }
}

impl Listening {
    fn accept(&self, handler: &Handler) {
        loop {
            let accepted = self.listener.accept();
            if self.closed.load(Ordering::SeqCst) {
                return;
            }
            match accepted {
                Ok((stream, peer)) => {
                    let mut served = lock(&self.served);
                    served.retain(|served| !served.thread.is_finished());
                    served.extend(handler(stream, peer));
                }
                // The process has no free descriptors, or the client left. Waiting helps in the
                // first case.
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
