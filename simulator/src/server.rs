//! The listener and its threads: one accepts, and each connection has its own.

use crate::config::Config;
use crate::connection;
use crate::feed::Feed;
use crate::generator::Generator;
use crate::link::Link;
use crate::time;
use crate::tls::Acceptor;
use crate::truth::Truth;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A running simulator. Dropping it shuts it down.
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

/// What all its threads know.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) feed: Arc<Feed>,
    pub(crate) tls: Option<Acceptor>,
    truth: Truth,
    listener: TcpListener,
    stopped: AtomicBool,
    attempts: AtomicU64,
    padded: Mutex<Generator>,
    served: Mutex<Vec<Served>>,
}

/// A connection's thread, and how to wake it. The link is the thread's own: a handle more would keep the socket open.
struct Served {
    link: Weak<Link>,
    thread: JoinHandle<()>,
}

impl Simulator {
    /// Binds and serves, from before this returns.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a configuration that makes no sense; otherwise what binding or starting a thread gave.
    pub fn start(config: Config) -> io::Result<Simulator> {
        config.check()?;
        let listener = TcpListener::bind(config.listen)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            feed: Arc::new(Feed::new(&config)),
            tls: config.tls.as_ref().map(Acceptor::new).transpose()?,
            truth: Truth::new(config.truth_messages_max, config.truth_bytes_max),
            listener,
            stopped: AtomicBool::new(false),
            attempts: AtomicU64::new(0),
            padded: Mutex::new(Generator::new(config.seed ^ 0x0bad_5eed)),
            served: Mutex::new(Vec::new()),
            config,
        });
        let accepting = shared.clone();
        let acceptor =
            thread::Builder::new().name("simulator-accept".to_owned()).spawn(move || accepting.accept())?;
        Ok(Simulator { address, shared, acceptor: Mutex::new(Some(acceptor)) })
    }

    /// Where it listens, with the port it got.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The origin for clients, such as `http://127.0.0.1:4711`. A wildcard address is given as loopback.
    #[must_use]
    pub fn base_url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.reachable())
    }

    /// The certificate, as PEM, of the CA that a client has to trust; `None` without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.shared.tls.as_ref().map(Acceptor::ca_pem)
    }

    /// The log of what it sends. It stays valid after the shutdown.
    #[must_use]
    pub fn truth(&self) -> Truth {
        self.shared.truth.clone()
    }

    /// Ends all connections where they are and waits for all threads: a matter of milliseconds. Again is a no-op.
    pub fn shutdown(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let Some(acceptor) = lock(&self.acceptor).take() else { return };
        // On Linux this makes accept() return; elsewhere a connection does.
        let _ = socket2::SockRef::from(&self.shared.listener).shutdown(std::net::Shutdown::Both);
        if TcpStream::connect_timeout(&self.reachable(), Duration::from_millis(50)).is_err()
            && !cfg!(target_os = "linux")
        {
            // The next accept() will not block; the one under way fails or is nobody's problem but this thread's.
            let _ = self.shared.listener.set_nonblocking(true);
        }
        let _ = acceptor.join();
        let served = std::mem::take(&mut *lock(&self.shared.served));
        for link in served.iter().filter_map(|served| served.link.upgrade()) {
            link.stop();
        }
        for served in served {
            let _ = served.thread.join();
        }
    }

    fn reachable(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        (ip, self.address.port()).into()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("address", &self.address)
            .field("truth", &self.shared.truth)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The number of this attempt to get the stream, from 1.
    pub(crate) fn next_attempt(&self) -> u64 {
        self.attempts.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A Post of the given size.
    pub(crate) fn padded_post(&self, bytes: usize) -> (u64, Vec<u8>) {
        let mut post = Vec::with_capacity(bytes);
        let id = lock(&self.padded).padded_post(time::unix_ms(), bytes, &mut post);
        (id, post)
    }

    fn accept(self: &Arc<Shared>) {
        loop {
            let accepted = self.listener.accept();
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            match accepted {
                Ok((stream, peer)) => self.serve(stream, peer),
                // Out of descriptors, or a client that left at once: the former takes a moment.
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    fn serve(self: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
        let recorder = self.truth.accepted(peer);
        // Where no TLS can be had the connection is dropped.
        let Ok(tls) = self.tls.as_ref().map(|tls| tls.layer(recorder.number)).transpose() else { return };
        let link = Arc::new(Link::new(stream, tls.flatten()));
        let weak = Arc::downgrade(&link);
        let mut served = lock(&self.served);
        served.retain(|served| !served.thread.is_finished());
        let shared = self.clone();
        let builder =
            thread::Builder::new().name(format!("simulator-{}", recorder.number)).stack_size(256 << 10);
        // Where no thread is to be had the connection is dropped.
        if let Ok(thread) = builder.spawn(move || connection::serve(&shared, link, recorder)) {
            served.push(Served { link: weak, thread });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
