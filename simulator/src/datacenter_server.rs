//! A datacenter at work: its listener, the thread that accepts, and a thread for each connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::link::Link;

/// Serves an accepted connection on a thread of its own; `None` drops the connection.
pub(crate) type Handler = Arc<dyn Fn(TcpStream, SocketAddr) -> Option<Served> + Send + Sync>;

/// A connection's thread, and how to wake it. The link is the thread's: a handle more would keep
/// the socket open.
pub(crate) struct Served {
    pub(crate) link: Weak<Link>,
    pub(crate) thread: JoinHandle<()>,
}

/// One datacenter's listener: up, or down.
pub(crate) struct DatacenterServer {
    /// Its index among the datacenters.
    index: usize,
    /// Where it listens, also after a restart.
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

/// How a datacenter goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its connections end where they are.
    Shutdown,
    /// Its connections are reset, as by a machine that is switched off and answered for.
    Killed,
}

impl DatacenterServer {
    /// Creates a server for the address that its first listener is bound to. Nothing is served
    /// before [`Self::open`].
    pub(crate) fn new(index: usize, address: SocketAddr, handler: Handler) -> Self {
        Self { index, address, handler, running: Mutex::new(None) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to serve.
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

    /// Comes back at the same address. Does nothing if the server is up.
    pub(crate) fn restart(&self) -> io::Result<()> {
        if lock(&self.running).is_some() {
            return Ok(());
        }
        // Connections that were reset leave nothing behind; others may block the port for a while,
        // but for this option.
        let domain = socket2::Domain::for_address(self.address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        if cfg!(unix) {
            socket.set_reuse_address(true)?;
        }
        socket.bind(&self.address.into())?;
        socket.listen(1_024)?;
        self.open(socket.into())
    }

    /// Stops to listen, ends all connections and waits for their threads: a matter of milliseconds.
    /// Returns false if it was down.
    pub(crate) fn close(&self, stop: Stop) -> bool {
        let Some(Running { listening, acceptor }) = lock(&self.running).take() else { return false };
        listening.closed.store(true, Ordering::SeqCst);
        // On Linux this makes accept() return; elsewhere a connection does.
        let _ = socket2::SockRef::from(&listening.listener).shutdown(std::net::Shutdown::Both);
        if TcpStream::connect_timeout(&self.reachable(), Duration::from_millis(50)).is_err()
            && !cfg!(target_os = "linux")
        {
            // The next accept() does not block. The one under way fails, or delays this thread
            // alone.
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
            // A connection may have its own datacenter killed.
            if served.thread.thread().id() != thread::current().id() {
                let _ = served.thread.join();
            }
        }
        true
    }

    /// Returns the address at which clients on this machine find it.
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
                // Out of descriptors, or a client that left at once: the former takes a moment.
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
