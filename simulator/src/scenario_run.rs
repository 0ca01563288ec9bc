//! The state of a scenario: which events apply to an attempt, and how often each has happened.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::rng::Rng;
use crate::script::{Event, On, Requested, Script};

pub(crate) struct ScenarioRun {
    script: Script,
    /// How often each event has happened.
    fired: Vec<AtomicU64>,
    streams: AtomicU64,
    rules: AtomicU64,
}

impl ScenarioRun {
    pub(crate) fn new(script: Script) -> Self {
        let fired = script.definition().events.iter().map(|_| AtomicU64::new(0)).collect();
        Self { script, fired, streams: AtomicU64::new(0), rules: AtomicU64::new(0) }
    }

    pub(crate) fn script(&self) -> &Script {
        &self.script
    }

    pub(crate) fn event(&self, index: usize) -> &Event {
        &self.script.definition().events[index]
    }

    /// Returns the number of this attempt, from 1.
    pub(crate) fn next_attempt(&self, on: On) -> u64 {
        let counter = match on {
            On::Stream => &self.streams,
            On::Rules => &self.rules,
        };
        counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Returns the events that may happen on this attempt, in the order of the file.
    pub(crate) fn applicable(
        &self,
        on: On,
        attempt: u64,
        path: Option<&str>,
        datacenter: &str,
        request: Option<Requested>,
    ) -> Vec<usize> {
        let concerns = |event: &Event| {
            event.on == on
                && event.attempts.has(attempt)
                && event.endpoint.as_deref().is_none_or(|endpoint| Some(endpoint) == path)
                && event.datacenter.as_deref().is_none_or(|name| name == datacenter)
                && event.request.is_none_or(|wanted| Some(wanted) == request)
        };
        let events = self.script.definition().events.iter().enumerate();
        events.filter(|(_, event)| concerns(event)).map(|(index, _)| index).collect()
    }

    /// Decides whether an event happens on this occasion, and counts it if it does.
    pub(crate) fn fires(&self, index: usize, rng: &mut Rng) -> bool {
        let event = self.event(index);
        if event.probability.is_some_and(|part| rng.below(1_000_000_000) >= part) {
            return false;
        }
        let before = self.fired[index].fetch_add(1, Ordering::Relaxed);
        event.times.is_none_or(|times| before < times)
    }
}
