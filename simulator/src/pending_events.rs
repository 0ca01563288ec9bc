//! The events that are pending on one stream.

use std::time::Instant;

use crate::rng::Rng;
use crate::scenario_run::ScenarioRun;
use crate::script::{Action, When};
use crate::stream_registry::Mailbox;

/// The events of one stream: from the scenario, from the simulator itself and from other threads.
pub(crate) struct PendingEvents<'a> {
    run: &'a ScenarioRun,
    events: Vec<Pending>,
    pub(crate) mailbox: Mailbox,
}

struct Pending {
    source: Source,
    when: When,
    next: Next,
    is_done: bool,
}

enum Source {
    /// The index of an event of the scenario.
    Scenario(usize),
    Own(Action),
}

enum Next {
    Posts(u64),
    KeepAlives(u64),
    Time(Option<Instant>),
}

/// The progress of a stream.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    pub(crate) now: Instant,
    pub(crate) posts: u64,
    pub(crate) keep_alives: u64,
    /// The feed has no more Posts, so events that wait for more are due.
    pub(crate) at_end: bool,
}

impl<'a> PendingEvents<'a> {
    /// Creates the pending events of a stream from those of the scenario.
    pub(crate) fn new(run: &'a ScenarioRun, indices: Vec<usize>) -> Self {
        let mut pending = Self { run, events: Vec::new(), mailbox: Mailbox::default() };
        for index in indices {
            pending.push(Source::Scenario(index), run.event(index).when);
        }
        pending
    }

    /// Adds an event that is not in the scenario.
    pub(crate) fn add(&mut self, when: When, action: Action) {
        self.push(Source::Own(action), when);
    }

    fn push(&mut self, source: Source, when: When) {
        self.events.push(Pending { source, when, next: Next::Time(None), is_done: false });
    }

    /// Starts the counts and times with the stream.
    pub(crate) fn start(&mut self, now: Instant, simulator_started: Instant) {
        for event in &mut self.events {
            event.next = match event.when {
                When::AfterPosts(posts) | When::EveryPosts(posts) => Next::Posts(posts),
                When::EachPost => Next::Posts(1),
                When::AfterKeepAlives(count) => Next::KeepAlives(count),
                When::After(length) | When::Every(length) => Next::Time(now.checked_add(length)),
                When::At(length) => Next::Time(simulator_started.checked_add(length)),
                When::AtOnce => Next::Time(Some(now)),
            };
        }
    }

    /// Takes the next event without a condition.
    pub(crate) fn at_once(&mut self, rng: &mut Rng) -> Option<Action> {
        loop {
            let index = self.events.iter().position(|event| event.when == When::AtOnce && !event.is_done)?;
            self.events[index].is_done = true;
            if let Some(action) = self.fire(index, rng) {
                return Some(action);
            }
        }
    }

    /// Returns the action of the event, if it happens.
    fn fire(&self, index: usize, rng: &mut Rng) -> Option<Action> {
        match &self.events[index].source {
            Source::Own(action) => Some(action.clone()),
            Source::Scenario(index) => {
                self.run.fires(*index, rng).then(|| self.run.event(*index).action.clone())
            }
        }
    }

    /// Returns when the next timed event is due.
    pub(crate) fn next_time(&self) -> Option<Instant> {
        let waiting = self.events.iter().filter(|event| !event.is_done);
        waiting.filter_map(|event| if let Next::Time(at) = event.next { at } else { None }).min()
    }

    /// Takes the next event that is due.
    pub(crate) fn due(&mut self, progress: Progress, rng: &mut Rng) -> Option<Action> {
        if let Some(action) = self.mailbox.take() {
            return Some(action);
        }
        loop {
            let index = self.events.iter().position(|event| !event.is_done && event.is_due(progress))?;
            self.events[index].advance(progress.at_end);
            if let Some(action) = self.fire(index, rng) {
                return Some(action);
            }
        }
    }
}

impl Pending {
    fn is_due(&self, progress: Progress) -> bool {
        let Progress { now, posts, keep_alives, at_end } = progress;
        match self.next {
            // A repeated event that happened at least once is not due again.
            Next::Posts(next) if at_end => {
                posts < next
                    && !matches!(self.when, When::EveryPosts(every) if posts >= every)
                    && self.when != When::EachPost
            }
            Next::Posts(next) => posts >= next,
            Next::KeepAlives(next) => !at_end && keep_alives >= next,
            Next::Time(next) => !at_end && next.is_some_and(|next| next <= now),
        }
    }

    /// Moves a repeated event to its next occasion. Ends any other event.
    fn advance(&mut self, at_end: bool) {
        match (&mut self.next, self.when) {
            (Next::Posts(next), When::EveryPosts(every)) if !at_end => *next += every,
            (Next::Posts(next), When::EachPost) => *next += 1,
            (Next::Time(next), When::Every(every)) => *next = next.and_then(|next| next.checked_add(every)),
            _ => self.is_done = true,
        }
    }
}
