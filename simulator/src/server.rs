//! The handle of a simulator, and what all its threads know.

use crate::clock::{Bell, Clock};
use crate::config::Config;
use crate::datacenter::Datacenter;
use crate::feed::Feed;
use crate::generator::Generator;
use crate::site::{Down, Site};
use crate::tls::Acceptor;
use crate::truth::Truth;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A running simulator. Dropping it shuts it down.
pub struct Simulator {
    shared: Arc<Shared>,
    pump: Mutex<Option<JoinHandle<()>>>,
}

/// What all its threads know.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) places: Vec<Datacenter>,
    pub(crate) feed: Feed,
    pub(crate) truth: Truth,
    pub(crate) tls: Option<Acceptor>,
    sites: Vec<Arc<Site>>,
    stopped: AtomicBool,
    pump_bell: Arc<Bell>,
    attempts: AtomicU64,
    padded: Mutex<Generator>,
}

impl Simulator {
    /// Binds and serves, from before this returns.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a configuration that makes no sense; otherwise what binding or starting a thread gave.
    pub fn start(config: Config) -> io::Result<Simulator> {
        config.check()?;
        let clock = Clock::new(config.time);
        let places = config.places();
        let (mut sites, mut listeners) = (Vec::new(), Vec::new());
        for (place, datacenter) in places.iter().enumerate() {
            let (site, listener) = Site::bind(place, datacenter.listen)?;
            sites.push(Arc::new(site));
            listeners.push(listener);
        }
        let pump_bell = Arc::new(Bell::new(&clock));
        let shared = Arc::new(Shared {
            feed: Feed::new(&config, &places, pump_bell.clone()),
            tls: config.tls.as_ref().map(Acceptor::new).transpose()?,
            truth: Truth::new(config.truth_messages_max, config.truth_bytes_max, clock.clone()),
            sites,
            stopped: AtomicBool::new(false),
            pump_bell,
            attempts: AtomicU64::new(0),
            padded: Mutex::new(Generator::new(config.seed ^ 0x0bad_5eed)),
            places,
            clock,
            config,
        });
        let pumping = shared.clone();
        let pump = thread::Builder::new()
            .name("simulator-pump".to_owned())
            .spawn(move || pumping.feed.run(|| pumping.stopped.load(Ordering::SeqCst)))?;
        let simulator = Simulator { shared, pump: Mutex::new(Some(pump)) };
        for (site, listener) in simulator.shared.sites.iter().zip(listeners) {
            site.open(&simulator.shared, listener)?;
        }
        Ok(simulator)
    }

    /// Where it listens, with the port it got; of several datacentres the first.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.sites[0].address
    }

    /// The origin for clients, such as `http://127.0.0.1:4711`; of several datacentres the first. A wildcard address is given as
    /// loopback.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.shared.base_url(&self.shared.sites[0])
    }

    /// The certificate, as PEM, of the CA that a client has to trust; `None` without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.shared.tls.as_ref().map(Acceptor::ca_pem)
    }

    /// The names of the datacentres, in the order of the configuration, and the origin of each.
    #[must_use]
    pub fn datacenters(&self) -> Vec<(String, String)> {
        let name = |site: &Arc<Site>| self.shared.places[site.place].name.clone();
        self.shared.sites.iter().map(|site| (name(site), self.shared.base_url(site))).collect()
    }

    /// The origin of a datacentre; `None` if there is none of that name.
    #[must_use]
    pub fn base_url_of(&self, datacenter: &str) -> Option<String> {
        self.shared.site(datacenter).map(|site| self.shared.base_url(site))
    }

    /// Switches a datacentre off: its connections are reset, and further ones refused. False if there is none of that name, or if it
    /// is off.
    pub fn kill(&self, datacenter: &str) -> bool {
        self.shared.site(datacenter).is_some_and(|site| site.close(Down::Killed))
    }

    /// Switches a datacentre on again, at the same address. False if there is none of that name.
    ///
    /// # Errors
    ///
    /// What binding its address gave: another process may have taken it meanwhile.
    pub fn restart(&self, datacenter: &str) -> io::Result<bool> {
        match self.shared.site(datacenter) {
            Some(site) => site.restart(&self.shared).map(|()| true),
            None => Ok(false),
        }
    }

    /// Moves a virtual clock, from deadline to deadline, so that all that falls due on the way is done when this returns. False, and
    /// nothing happens, if the clock is the machine's.
    ///
    /// A client that does not read what it is sent holds this up for at most a tenth of a second; a request that is still under way
    /// comes before or after: read the answer's head first.
    pub fn advance(&self, by: Duration) -> bool {
        self.shared.clock.advance(by)
    }

    /// The log of what it sends. It stays valid after the shutdown.
    #[must_use]
    pub fn truth(&self) -> Truth {
        self.shared.truth.clone()
    }

    /// Ends all connections where they are and waits for all threads: a matter of milliseconds. Again is a no-op.
    pub fn shutdown(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for site in &self.shared.sites {
            site.close(Down::Shutdown);
        }
        if let Some(pump) = lock(&self.pump).take() {
            self.shared.pump_bell.ring();
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
            .field("truth", &self.shared.truth)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn base_url(&self, site: &Site) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", site.reachable())
    }

    fn site(&self, name: &str) -> Option<&Arc<Site>> {
        self.sites.iter().find(|site| self.places[site.place].name == name)
    }

    /// The number of this attempt to get the stream, from 1.
    pub(crate) fn next_attempt(&self) -> u64 {
        self.attempts.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A Post of the given size.
    pub(crate) fn padded_post(&self, bytes: usize) -> (u64, Vec<u8>) {
        let mut post = Vec::with_capacity(bytes);
        let id = lock(&self.padded).padded_post(self.clock.unix_ms(), bytes, &mut post);
        (id, post)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
