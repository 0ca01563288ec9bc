//! A datacenter at work: its listener, the thread that accepts, and a thread for each connection.

use crate::clock::Notify;
use crate::connection;
use crate::link::Link;
use crate::server::Shared;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// One datacenter: up, or down.
pub(crate) struct Site {
    /// Its index among the datacenters.
    pub(crate) place: usize,
    /// Where it listens, also after a restart.
    pub(crate) address: SocketAddr,
    up: Mutex<Option<Up>>,
}

struct Up {
    door: Arc<Door>,
    acceptor: JoinHandle<()>,
}

/// What the accepting thread shares with whoever stops it.
struct Door {
    listener: TcpListener,
    closed: AtomicBool,
    served: Mutex<Vec<Served>>,
}

/// A connection's thread, and how to wake it. The link is the thread's own: a handle more would keep the socket open.
struct Served {
    link: Weak<Link>,
    thread: JoinHandle<()>,
}

/// How a datacenter goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Down {
    /// Its connections end where they are.
    Shutdown,
    /// Its connections are reset, as by a machine that is switched off and answered for.
    Killed,
}

impl Site {
    /// Takes an address. Nobody is served before [`Site::open`].
    pub(crate) fn bind(place: usize, listen: SocketAddr) -> io::Result<(Site, TcpListener)> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        Ok((Site { place, address, up: Mutex::new(None) }, listener))
    }

    pub(crate) fn is_up(&self) -> bool {
        lock(&self.up).is_some()
    }

    /// Starts to serve.
    pub(crate) fn open(self: &Arc<Site>, shared: &Arc<Shared>, listener: TcpListener) -> io::Result<()> {
        let door =
            Arc::new(Door { listener, closed: AtomicBool::new(false), served: Mutex::new(Vec::new()) });
        let (site, shared, accepting) = (self.clone(), shared.clone(), door.clone());
        let acceptor = thread::Builder::new()
            .name(format!("simulator-accept-{}", self.place))
            .spawn(move || accepting.accept(&site, &shared))?;
        *lock(&self.up) = Some(Up { door, acceptor });
        Ok(())
    }

    /// Comes back at the same address; nothing if it is up.
    pub(crate) fn restart(self: &Arc<Site>, shared: &Arc<Shared>) -> io::Result<()> {
        if self.is_up() {
            return Ok(());
        }
        // Connections that were reset leave nothing behind; others may block the port for a while, but for this option.
        let domain = socket2::Domain::for_address(self.address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        if cfg!(unix) {
            socket.set_reuse_address(true)?;
        }
        socket.bind(&self.address.into())?;
        socket.listen(1_024)?;
        self.open(shared, socket.into())
    }

    /// Stops to listen, ends all connections and waits for their threads: a matter of milliseconds. False if it was down.
    pub(crate) fn close(&self, down: Down) -> bool {
        let Some(Up { door, acceptor }) = lock(&self.up).take() else { return false };
        door.closed.store(true, Ordering::SeqCst);
        // On Linux this makes accept() return; elsewhere a connection does.
        let _ = socket2::SockRef::from(&door.listener).shutdown(std::net::Shutdown::Both);
        if TcpStream::connect_timeout(&self.reachable(), Duration::from_millis(50)).is_err()
            && !cfg!(target_os = "linux")
        {
            // The next accept() will not block; the one under way fails or is nobody's problem but this thread's.
            let _ = door.listener.set_nonblocking(true);
        }
        let _ = acceptor.join();
        let served = std::mem::take(&mut *lock(&door.served));
        for link in served.iter().filter_map(|served| served.link.upgrade()) {
            match down {
                Down::Shutdown => link.stop(),
                Down::Killed => link.kill(),
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

    /// Where clients on this machine find it.
    pub(crate) fn reachable(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        (ip, self.address.port()).into()
    }
}

impl Door {
    fn accept(&self, site: &Arc<Site>, shared: &Arc<Shared>) {
        loop {
            let accepted = self.listener.accept();
            if self.closed.load(Ordering::SeqCst) {
                return;
            }
            match accepted {
                Ok((stream, peer)) => self.serve(site, shared, stream, peer),
                // Out of descriptors, or a client that left at once: the former takes a moment.
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    fn serve(&self, site: &Arc<Site>, shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
        let recorder = shared.ground_truth.accepted(peer, &shared.datacenters[site.place].name);
        // Where no TLS can be had the connection is dropped.
        let Ok(tls) = shared.tls.as_ref().map(|tls| tls.layer(recorder.number)).transpose() else { return };
        let link = Arc::new(Link::new(stream, tls.flatten(), Arc::new(Notify::new(&shared.clock))));
        let weak = Arc::downgrade(&link);
        let mut served = lock(&self.served);
        served.retain(|served| !served.thread.is_finished());
        let (site, shared) = (site.clone(), shared.clone());
        let builder =
            thread::Builder::new().name(format!("simulator-{}", recorder.number)).stack_size(256 << 10);
        // Where no thread is to be had the connection is dropped.
        if let Ok(thread) = builder.spawn(move || connection::serve(&shared, &site, link, recorder)) {
            served.push(Served { link: weak, thread });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
