//! The handle of a simulator, and what all its threads know.

use crate::clock::{Clock, Notify};
use crate::config::Config;
use crate::datacenter::Datacenter;
use crate::feed::Feed;
use crate::generator::Generator;
use crate::ground_truth::{End, GroundTruth};
use crate::limits::{RateLimits, Slots};
use crate::link::Link;
use crate::rng::Rng;
use crate::rule_store::{NoRules, RuleStore};
use crate::scenario_run::ScenarioRun;
use crate::script::{self, Action, ScriptError};
use crate::site::{Down, Site};
use crate::stream::Mailbox;
use crate::time;
use crate::tls::Acceptor;
use powerstream_rules::Profile;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
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
    pub(crate) datacenters: Vec<Datacenter>,
    pub(crate) feed: Feed,
    pub(crate) ground_truth: GroundTruth,
    pub(crate) tls: Option<Acceptor>,
    sites: Vec<Arc<Site>>,
    pub(crate) scenario_run: ScenarioRun,
    pub(crate) powerstream: Arc<RuleStore>,
    pub(crate) filtered: Arc<RuleStore>,
    pub(crate) rate_limits: RateLimits,
    pub(crate) slots: Arc<Slots>,
    stopped: AtomicBool,
    pump_notify: Arc<Notify>,
    padded: Mutex<Generator>,
    /// The streams that run, by the numbers of their connections.
    streams: Mutex<BTreeMap<u64, (Weak<Link>, Mailbox)>>,
    /// Threads that wait to bring a datacenter back.
    timers: Mutex<Vec<(Arc<Notify>, JoinHandle<()>)>>,
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
        let datacenters = config.all_datacenters();
        let (mut sites, mut listeners) = (Vec::new(), Vec::new());
        for (place, datacenter) in datacenters.iter().enumerate() {
            let (site, listener) = Site::bind(place, datacenter.listen)?;
            sites.push(Arc::new(site));
            listeners.push(listener);
        }
        let pump_notify = Arc::new(Notify::new(&clock));
        let store = |profile, no_rules| {
            let (max, delay, says) = (config.rules_max, config.rule_delay, config.matching_rules);
            Arc::new(RuleStore::new(profile, max, no_rules, delay, says, &clock))
        };
        let shared = Arc::new(Shared {
            feed: Feed::new(&config, &datacenters, pump_notify.clone()),
            tls: config.tls.as_ref().map(Acceptor::new).transpose()?,
            ground_truth: GroundTruth::new(
                config.ground_truth_messages_max,
                config.ground_truth_bytes_max,
                clock.clone(),
            ),
            sites,
            stopped: AtomicBool::new(false),
            pump_notify,
            padded: Mutex::new(Generator::new(config.seed ^ 0x0bad_5eed)),
            scenario_run: ScenarioRun::new(
                config.script.clone().unwrap_or_else(|| config.scenario.script(&config)),
            ),
            powerstream: store(Profile::Powerstream, config.no_rules),
            filtered: store(Profile::FilteredStream, NoRules::Nothing),
            rate_limits: RateLimits::default(),
            slots: Arc::new(Slots::new(&clock)),
            streams: Mutex::new(BTreeMap::new()),
            timers: Mutex::new(Vec::new()),
            datacenters,
            clock,
            config,
        });
        // Before the thread is there to do so itself: a virtual clock must not go on without it.
        shared.pump_notify.enter();
        let pumping = shared.clone();
        let pump = thread::Builder::new().name("simulator-pump".to_owned()).spawn(move || {
            pumping.feed.run(|| pumping.stopped.load(Ordering::SeqCst));
            pumping.pump_notify.leave();
        })?;
        let simulator = Simulator { shared, pump: Mutex::new(Some(pump)) };
        for (site, listener) in simulator.shared.sites.iter().zip(listeners) {
            site.open(&simulator.shared, listener)?;
        }
        Ok(simulator)
    }

    /// Where it listens, with the port it got; of several datacenters the first.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.sites[0].address
    }

    /// The origin for clients, such as `http://127.0.0.1:4711`; of several datacenters the first. A wildcard address is given as
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

    /// The names of the datacenters, in the order of the configuration, and the origin of each.
    #[must_use]
    pub fn datacenters(&self) -> Vec<(String, String)> {
        let name = |site: &Arc<Site>| self.shared.datacenters[site.place].name.clone();
        self.shared.sites.iter().map(|site| (name(site), self.shared.base_url(site))).collect()
    }

    /// The origin of a datacenter; `None` if there is none of that name.
    #[must_use]
    pub fn base_url_of(&self, datacenter: &str) -> Option<String> {
        self.shared.site(datacenter).map(|site| self.shared.base_url(site))
    }

    /// Switches a datacenter off: its connections are reset, and further ones refused. False if there is none of that name, or if it
    /// is off.
    pub fn kill(&self, datacenter: &str) -> bool {
        self.shared.kill(datacenter)
    }

    /// Switches a datacenter on again, at the same address. False if there is none of that name.
    ///
    /// # Errors
    ///
    /// What binding its address gave: another process may have taken it meanwhile.
    pub fn restart(&self, datacenter: &str) -> io::Result<bool> {
        self.shared.restart(datacenter)
    }

    /// Lets something happen now, by hand: an event as a [`script`](mod@script) has them, in TOML or as a JSON object, such as
    /// `do = "cut"` with `how = "reset"`. To one connection's stream, by the number that the truth log has for it, or to all that run. Gives how
    /// many that are. When and whom are not looked at.
    ///
    /// # Errors
    ///
    /// What is wrong with the event.
    pub fn trigger(&self, connection: Option<u64>, event: &str) -> Result<usize, ScriptError> {
        self.shared.trigger(connection, event)
    }

    /// Moves a virtual clock, from deadline to deadline, so that all that falls due on the way is done when this returns. False, and
    /// nothing happens, if the clock is the machine's.
    ///
    /// A client that does not read what it is sent holds this up for a second, once; a request that is still under way
    /// comes before or after: read the answer's head first.
    pub fn advance(&self, by: Duration) -> bool {
        self.shared.clock.advance(by)
    }

    /// The ids of the Posts of the feed that were due from this date on (Unix milliseconds) and before that one, in their order, whether or
    /// not anybody was sent them: next to [`Self::ground_truth`], what a client may have missed. Rules, partitions and languages are not looked at.
    /// Empty before the first client, and where there is no feed that goes on by itself: without a rate, or with a file for each connection.
    ///
    /// ```
    /// # use powerstream_simulator::{Config, Simulator, Time};
    /// # use std::{io::Write, net::TcpStream, time::Duration};
    /// let mut config = Config::default();
    /// config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
    /// config.rate = Some(2.0);
    /// let simulator = Simulator::start(config)?;
    /// let mut client = TcpStream::connect(simulator.local_addr())?;
    /// client.write_all(b"GET /2/powerstream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer any\r\n\r\n")?;
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

    /// The log of what it sends. It stays valid after the shutdown.
    #[must_use]
    pub fn ground_truth(&self) -> GroundTruth {
        self.shared.ground_truth.clone()
    }

    /// Ends all connections where they are and waits for all threads: a matter of milliseconds. Again is a no-op.
    pub fn shutdown(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for site in &self.shared.sites {
            site.close(Down::Shutdown);
        }
        let timers = std::mem::take(&mut *lock(&self.shared.timers));
        for (notify, timer) in timers {
            notify.wake();
            let _ = timer.join();
        }
        // One may have come back meanwhile.
        for site in &self.shared.sites {
            site.close(Down::Shutdown);
        }
        if let Some(pump) = lock(&self.pump).take() {
            self.shared.pump_notify.wake();
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

impl Shared {
    fn base_url(&self, site: &Site) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", site.reachable())
    }

    fn site(&self, name: &str) -> Option<&Arc<Site>> {
        self.sites.iter().find(|site| self.datacenters[site.place].name == name)
    }

    /// How a connection ends that the scenario has ended.
    pub(crate) fn fault_end(&self) -> End {
        self.scenario_run.script().inner().named.map_or(End::Scripted, End::Fault)
    }

    /// A stream runs, and can be sent actions until what this gives is dropped.
    pub(crate) fn register(&self, number: u64, link: &Arc<Link>, mailbox: &Mailbox) -> Registered<'_> {
        lock(&self.streams).insert(number, (Arc::downgrade(link), mailbox.clone()));
        Registered { shared: self, number }
    }

    /// It is over, or as good as over.
    pub(crate) fn deregister(&self, number: u64) {
        lock(&self.streams).remove(&number);
    }

    /// Sends an action to a stream; false if it does not run.
    pub(crate) fn post(&self, number: u64, action: Action) -> bool {
        let streams = lock(&self.streams);
        let Some((link, mailbox)) = streams.get(&number) else { return false };
        let Some(link) = link.upgrade() else { return false };
        lock(mailbox).push_back(action);
        link.notify().wake();
        true
    }

    pub(crate) fn trigger(&self, connection: Option<u64>, event: &str) -> Result<usize, ScriptError> {
        let (event, named) = script::event(event)?;
        let numbers: Vec<u64> = match connection.or(named) {
            Some(number) => vec![number],
            None => lock(&self.streams).keys().copied().collect(),
        };
        Ok(numbers.into_iter().filter(|number| self.post(*number, event.action.clone())).count())
    }

    pub(crate) fn kill(&self, name: &str) -> bool {
        self.site(name).is_some_and(|site| site.close(Down::Killed))
    }

    pub(crate) fn restart(self: &Arc<Shared>, name: &str) -> io::Result<bool> {
        match self.site(name) {
            Some(site) if !self.stopped.load(Ordering::SeqCst) => site.restart(self).map(|()| true),
            _ => Ok(false),
        }
    }

    /// Switches a datacenter off, and on again after a time, if there is one.
    pub(crate) fn kill_for(self: &Arc<Shared>, name: &str, length: Option<Duration>) {
        if let Some(length) = length {
            let until = self.clock.now() + length;
            let (notify, shared, name) = (Arc::new(Notify::new(&self.clock)), self.clone(), name.to_owned());
            let waiting = notify.clone();
            // Before its thread is there.
            notify.enter();
            let wait = move || {
                while !shared.stopped.load(Ordering::SeqCst) && shared.clock.now() < until {
                    waiting.wait(Some(until));
                }
                // If its port is taken meanwhile, it stays away.
                let _ = shared.restart(&name);
                waiting.leave();
            };
            let mut timers = lock(&self.timers);
            timers.retain(|(_, timer)| !timer.is_finished());
            match thread::Builder::new().name("simulator-timer".to_owned()).spawn(wait) {
                Ok(timer) => timers.push((notify, timer)),
                Err(_) => notify.leave(),
            }
        }
        self.kill(name);
    }

    /// One more Post of now, which is not of the feed.
    pub(crate) fn extra_post(&self, unix_ms: u64) -> (u64, Vec<u8>) {
        let mut post = Vec::with_capacity(4 << 10);
        let id = lock(&self.padded).post(unix_ms, &mut post);
        (id, post)
    }

    /// A Post of another time.
    pub(crate) fn skewed_post(&self, unix_ms: u64) -> (u64, Vec<u8>) {
        let mut post = Vec::with_capacity(4 << 10);
        let generator = lock(&self.padded);
        let id = time::snowflake(unix_ms, Rng::new(unix_ms).next());
        generator.nth(-1, id, &mut post);
        (id, post)
    }

    /// A Post of the given size.
    pub(crate) fn padded_post(&self, bytes: usize) -> (u64, Vec<u8>) {
        let mut post = Vec::with_capacity(bytes);
        let id = lock(&self.padded).padded_post(self.clock.unix_ms(), bytes, &mut post);
        (id, post)
    }
}

/// A stream among those that run.
pub(crate) struct Registered<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.shared.deregister(self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
