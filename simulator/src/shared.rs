//! The state that all threads of a simulator share.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use powerstream_rules::Profile;

use crate::builtin_scenarios;
use crate::clock::{Clock, Notify};
use crate::config::Config;
use crate::datacenter::Datacenter;
use crate::datacenter_server::{DatacenterServer, Stop};
use crate::extra_posts::ExtraPosts;
use crate::feed::Feed;
use crate::ground_truth::{End, GroundTruth};
use crate::limits::{RateLimits, Slots};
use crate::rule_store::{NoRules, RuleStore};
use crate::scenario_run::ScenarioRun;
use crate::script::{self, ScriptError, Stream};
use crate::stream_registry::StreamRegistry;
use crate::tls::Acceptor;

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) datacenters: Vec<Datacenter>,
    /// The servers of the datacenters, in the same order.
    pub(crate) servers: Vec<DatacenterServer>,
    pub(crate) feed: Feed,
    pub(crate) ground_truth: GroundTruth,
    pub(crate) tls: Option<Acceptor>,
    pub(crate) scenario_run: ScenarioRun,
    pub(crate) powerstream: Arc<RuleStore>,
    pub(crate) filtered: Arc<RuleStore>,
    pub(crate) rate_limits: RateLimits,
    pub(crate) slots: Arc<Slots>,
    pub(crate) streams: StreamRegistry,
    pub(crate) extra_posts: ExtraPosts,
    stopped: AtomicBool,
    /// Threads that wait until they restart a datacenter.
    timers: Mutex<Vec<(Arc<Notify>, JoinHandle<()>)>>,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        clock: Clock,
        tls: Option<Acceptor>,
        servers: Vec<DatacenterServer>,
        pump: &Arc<Notify>,
    ) -> Self {
        let datacenters = config.all_datacenters();
        let store = |profile, no_rules| {
            let (max, delay, says) = (config.rules_max, config.rule_delay, config.matching_rules);
            Arc::new(RuleStore::new(profile, max, no_rules, delay, says, &clock))
        };
        let script = config.script.clone();
        let script = script.unwrap_or_else(|| builtin_scenarios::script(config.scenario, &config));
        Self {
            feed: Feed::new(&config, &datacenters, pump.clone()),
            tls,
            ground_truth: GroundTruth::new(
                config.ground_truth_messages_max,
                config.ground_truth_bytes_max,
                clock.clone(),
            ),
            servers,
            scenario_run: ScenarioRun::new(script),
            powerstream: store(Profile::Powerstream, config.no_rules),
            filtered: store(Profile::FilteredStream, NoRules::Nothing),
            rate_limits: RateLimits::default(),
            slots: Arc::new(Slots::new(&clock)),
            streams: StreamRegistry::default(),
            extra_posts: ExtraPosts::new(config.seed),
            stopped: AtomicBool::new(false),
            timers: Mutex::new(Vec::new()),
            datacenters,
            clock,
            config,
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Returns the server of the datacenter of this name.
    pub(crate) fn server(&self, name: &str) -> Option<&DatacenterServer> {
        let index = self.datacenters.iter().position(|datacenter| datacenter.name == name)?;
        self.servers.get(index)
    }

    pub(crate) fn base_url(&self, server: &DatacenterServer) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", server.reachable())
    }

    /// Returns the stream settings of the scenario.
    pub(crate) fn stream_style(&self) -> &Stream {
        &self.scenario_run.script().definition().stream
    }

    /// Returns the end to log for a connection that the scenario ended.
    pub(crate) fn fault_end(&self) -> End {
        self.scenario_run.script().definition().named.map_or(End::Scripted, End::Fault)
    }

    /// Injects an event now, on one stream or on all open ones. Returns the number of streams.
    pub(crate) fn trigger(&self, connection: Option<u64>, event: &str) -> Result<usize, ScriptError> {
        let (event, named) = script::event(event)?;
        let numbers = match connection.or(named) {
            Some(number) => vec![number],
            None => self.streams.numbers(),
        };
        Ok(numbers.into_iter().filter(|number| self.streams.send(*number, event.action.clone())).count())
    }

    /// Stops a datacenter. Returns false if the name is unknown or the datacenter is stopped.
    pub(crate) fn kill(&self, name: &str) -> bool {
        self.server(name).is_some_and(|server| server.close(Stop::Killed))
    }

    /// Restarts a datacenter. Returns false if the name is unknown, or after the shutdown.
    pub(crate) fn restart(&self, name: &str) -> io::Result<bool> {
        match self.server(name) {
            Some(server) if !self.is_stopped() => server.restart().map(|()| true),
            _ => Ok(false),
        }
    }

    /// Stops a datacenter, and restarts it after `length` if there is one.
    pub(crate) fn kill_for(self: &Arc<Self>, name: &str, length: Option<Duration>) {
        if let Some(length) = length {
            let until = self.clock.now() + length;
            let (notify, shared, name) = (Arc::new(Notify::new(&self.clock)), self.clone(), name.to_owned());
            let waiting = notify.clone();
            // Registered before the thread starts.
            notify.enter();
            let wait = move || {
                while !shared.is_stopped() && shared.clock.now() < until {
                    waiting.wait(Some(until));
                }
                // If another process took the port meanwhile, the datacenter stays stopped.
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

    /// Ends all connections and waits for their threads and for the restart timers.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.close_servers();
        let timers = std::mem::take(&mut *lock(&self.timers));
        for (notify, timer) in timers {
            notify.wake();
            let _ = timer.join();
        }
        // A timer may have restarted a datacenter meanwhile.
        self.close_servers();
    }

    fn close_servers(&self) {
        for server in &self.servers {
            server.close(Stop::Shutdown);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
