//! The handle of a simulator.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use crate::clock::{Clock, Notify};
use crate::config::Config;
use crate::connection;
use crate::datacenter::Datacenter;
use crate::datacenter_server::{DatacenterServer, Handler};
use crate::ground_truth::GroundTruth;
use crate::script::ScriptError;
use crate::shared::Shared;
use crate::tls::Acceptor;

/// A running simulator. Dropping it shuts it down.
pub struct Simulator {
    shared: Arc<Shared>,
    /// Wakes the thread that generates the Posts.
    pump_notify: Arc<Notify>,
    pump: Mutex<Option<JoinHandle<()>>>,
}

impl Simulator {
    /// Binds the addresses and starts serving. Clients can connect when this returns.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an invalid configuration. Otherwise the error of binding an address, of
    /// making a certificate or of starting a thread.
    pub fn start(config: Config) -> io::Result<Self> {
        config.check()?;
        let clock = Clock::new(config.time);
        let bind = |datacenter: Datacenter| -> io::Result<(TcpListener, SocketAddr)> {
            let listener = TcpListener::bind(datacenter.listen)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listeners, addresses): (Vec<_>, Vec<_>) =
            config.all_datacenters().into_iter().map(bind).collect::<io::Result<_>>()?;
        let tls = config.tls.as_ref().map(Acceptor::new).transpose()?;
        let pump_notify = Arc::new(Notify::new(&clock));
        let shared = Arc::new_cyclic(|shared| {
            let server = |(datacenter, address)| {
                DatacenterServer::new(datacenter, address, handler(shared.clone(), datacenter))
            };
            let servers = addresses.into_iter().enumerate().map(server).collect();
            Shared::new(config, clock, tls, servers, &pump_notify)
        });
        // Registered before the thread starts, so that a virtual clock does not advance without it.
        pump_notify.enter();
        let (pumping, notify) = (shared.clone(), pump_notify.clone());
        let pump = thread::Builder::new().name("simulator-pump".to_owned()).spawn(move || {
            pumping.feed.run(|| pumping.is_stopped());
            notify.leave();
        })?;
        let simulator = Self { shared, pump_notify, pump: Mutex::new(Some(pump)) };
        for (server, listener) in simulator.shared.servers.iter().zip(listeners) {
            server.open(listener)?;
        }
        Ok(simulator)
    }

    /// Returns the address of the first datacenter, with the port that was taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.servers[0].address()
    }

    /// Returns the origin of the first datacenter, such as `http://127.0.0.1:4711`. A wildcard
    /// address is given as loopback.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.shared.base_url(&self.shared.servers[0])
    }

    /// Returns the certificate, as PEM, of the CA that a client has to trust; `None` without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.shared.tls.as_ref().map(Acceptor::ca_pem)
    }

    /// Returns the names of the datacenters, in the order of the configuration, and their origins.
    #[must_use]
    pub fn datacenters(&self) -> Vec<(String, String)> {
        let names = self.shared.datacenters.iter().map(|datacenter| datacenter.name.clone());
        names.zip(self.shared.servers.iter().map(|server| self.shared.base_url(server))).collect()
    }

    /// Returns the origin of a datacenter; `None` if there is none of that name.
    #[must_use]
    pub fn base_url_of(&self, datacenter: &str) -> Option<String> {
        self.shared.server(datacenter).map(|server| self.shared.base_url(server))
    }

    /// Stops a datacenter: its connections are reset and new ones are refused. Returns false if the
    /// name is unknown or the datacenter is already stopped.
    pub fn kill(&self, datacenter: &str) -> bool {
        self.shared.kill(datacenter)
    }

    /// Restarts a datacenter at the same address. Returns false if the name is unknown.
    ///
    /// # Errors
    ///
    /// The error of binding the address, for example because another process has taken it.
    pub fn restart(&self, datacenter: &str) -> io::Result<bool> {
        self.shared.restart(datacenter)
    }

    /// Injects an event now. `event` is an event of a [`script`](crate::script) in TOML, or a JSON
    /// object such as `{"do":"cut","how":"reset"}`.
    ///
    /// The event goes to the stream of one connection, by its number in the ground truth log, or to
    /// all open streams. Returns the number of streams. The event's conditions are ignored.
    ///
    /// # Errors
    ///
    /// [`ScriptError`] if the event is invalid.
    pub fn trigger(&self, connection: Option<u64>, event: &str) -> Result<usize, ScriptError> {
        self.shared.trigger(connection, event)
    }

    /// Advances a virtual clock from deadline to deadline. Everything due until then has happened
    /// when this returns. Returns false, and does nothing, if the clock is the machine's.
    ///
    /// A client that does not read delays this once, by one second of real time. A request in
    /// progress may be handled before or after; read the response head first to be sure.
    pub fn advance(&self, by: Duration) -> bool {
        self.shared.clock.advance(by)
    }

    /// Returns the ids of the feed's Posts that were due from one date until before another (Unix
    /// milliseconds), in order, sent or not.
    ///
    /// Comparing them with [`Self::ground_truth`] shows what a client may have missed. Rules,
    /// partitions and languages are ignored. The list is empty before the first client, and for a
    /// feed that stops without clients: without a rate, or with one file per connection.
    ///
    /// ```
    /// # use powerstream_simulator::{Config, Simulator, Time};
    /// # use std::{io::Write, net::TcpStream, time::Duration};
    /// let mut config = Config::default();
    /// config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
    /// config.rate = Some(2.0);
    /// let simulator = Simulator::start(config)?;
    /// let mut client = TcpStream::connect(simulator.local_addr())?;
    /// let request = "GET /2/powerstream HTTP/1.1\r\nHost: localhost\r\n\
    ///     Authorization: Bearer any\r\n\r\n";
    /// client.write_all(request.as_bytes())?;
    /// simulator.ground_truth().wait(Duration::from_secs(5), |totals| totals.posts == 1);
    /// drop(client);
    /// simulator.advance(Duration::from_secs(10));
    /// assert_eq!(simulator.post_ids(1_790_000_000_000, 1_790_000_005_000).len(), 10);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn post_ids(&self, since_unix_ms: u64, before_unix_ms: u64) -> Vec<u64> {
        self.shared.feed.ids(since_unix_ms, before_unix_ms)
    }

    /// Returns the log of what was sent. The log stays valid after the shutdown.
    #[must_use]
    pub fn ground_truth(&self) -> GroundTruth {
        self.shared.ground_truth.clone()
    }

    /// Ends all connections and waits for all threads, which takes milliseconds. A second call does
    /// nothing.
    pub fn shutdown(&self) {
        self.shared.stop();
        if let Some(pump) = self.pump.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.pump_notify.wake();
            let _ = pump.join();
        }
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
            .field("datacenters", &self.datacenters())
            .field("truth", &self.shared.ground_truth)
            .finish_non_exhaustive()
    }
}

/// Returns the handler for connections to a datacenter. It does not keep the simulator alive.
fn handler(shared: Weak<Shared>, datacenter: usize) -> Handler {
    Arc::new(move |stream, peer| connection::accept(shared.upgrade()?, datacenter, stream, peer))
}
