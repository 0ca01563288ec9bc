//! Scenarios as files: what happens to whom, when, and how often.
//!
//! ```toml
//! description = "Resets now and then, and a storm of 503 on the way back"
//!
//! [stream]                  # how all streams are
//! cut = "split"
//!
//! [[event]]                 # what happens
//! do = "cut"
//! how = "reset"
//! place = "in-message"
//! after-posts = 100         # when
//! attempts = "1-3"          # to whom
//!
//! [[event]]
//! do = "refuse"
//! status = 503
//! attempts = "2-"
//! probability = 0.5
//! ```
//!
//! # Whom
//!
//! `attempts` counts requests for streams with a right token, from 1, over the whole simulator:
//! `3`, `"1-3"`, `"4-"`, `"1,3,5-7"`, or `"every"` (the default). `endpoint` takes the path of a
//! stream, `datacenter` its name. `on = "rules"` applies to requests to the rules' endpoints
//! instead, which are counted by themselves. `times` bounds how often an event fires in all.
//!
//! # When
//!
//! An event that concerns the request or the head fires at once. The others fire when the stream
//! begins, or: `after-posts`, `after` (a time since the head), `after-keep-alives`, `at` (a time
//! since the simulator's start): once per connection; `every-posts`, `every`: again and again. Of a
//! file that has fewer Posts they come at its end. `probability` is that of each such occasion;
//! where there is no other condition, of each Post.
//!
//! Times are texts such as `"250ms"`, `"20s"`, `"5m"` and `"1h"`.
//!
//! # What
//!
//! | `do` | with | what happens |
//! |---|---|---|
//! | `cut` | `how` = `reset`, `close`, `half-close`, `stall`, `trickle`; `place`; `step` | the connection ends or hangs there |
//! | `end` | | the body's proper end |
//! | `refuse` | `status`, `body`, `headers`, `reset`, `remaining`, `retry-after` | no stream |
//! | `interim` | `count`, `status` | responses of class 1xx first |
//! | `slow-head` | `step` | the head comes byte by byte |
//! | `bad-head` | `kind` | a head that nobody should accept |
//! | `coding` | `coding` | a content coding that nobody asked for; `gzip` is real |
//! | `endless` | `what` | something that never ends |
//! | `bad-chunk` | `kind` | broken chunked framing |
//! | `wrong-size` | `kind` = `smaller`, `larger`, `huge`, `zero` | a chunk size that lies |
//! | `message` | `kind`, `then` | a system message; then `nothing`, `end`, `close` or `reset` |
//! | `line` | `text`, `then` | any line |
//! | `junk` | `kind` | a line that is no JSON, or strange JSON |
//! | `unknown` | | JSON of a kind that nobody knows |
//! | `oversize` | `bytes` | a very long Post |
//! | `keep-alives` | `count`, `split` | so many in a row |
//! | `duplicate` | | the last Post again |
//! | `reorder` | `by` | the next Post comes so many Posts late |
//! | `skewed` | `shift` | a Post with a date that is wrong by so much |
//! | `quiet` | `length` | keep-alives only; the Posts of that time are gone |
//! | `burst` | `length`, `factor` | so many times as many Posts |
//! | `pause` | `length` | silence, then all goes on |
//! | `ghost` | `length` | the place in the limit of connections stays taken after the end |
//! | `failover` | `name`, `headers` | another datacenter's name, or none, in head and metadata |
//! | `kill` | `name`, `length` | the datacenter (by default the one connected to) goes down, and comes back after that time |
//!
//! `place` is `accept`, `request` (read, but without effect), `head` (with effect, but without an
//! answer), `in-head`, `between` (two messages; the default), `in-size`, `in-message` or
//! `in-line-end`. [`kinds`] lists what `kind`, `what` and `body` can be.

mod action;
mod error;
pub(crate) mod heads;
pub(crate) mod junk;
mod names;
mod parse;
mod refusal;
pub(crate) mod system;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub(crate) use self::action::{
    Action, Attempts, BadChunk, Definition, Endless, Event, How, KeepAlives, Metadata, On, Place, Stream,
    Then, When, WrongSize,
};
pub use self::error::ScriptError;
pub(crate) use self::refusal::{Refusal, RefusalBody, Reset};
use crate::scenario::Scenario;

/// A scenario: read from a file, or one of those that are shipped. Cheap to clone.
#[derive(Clone)]
pub struct Script(Arc<Definition>);

impl Script {
    /// Reads a scenario, as [this module's](crate::script) table has it.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        parse::definition(text.strip_prefix('\u{feff}').unwrap_or(text), None).map(Self::new)
    }

    /// What happens, in one line.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.0.description
    }

    pub(crate) fn shipped(scenario: Scenario, text: &str) -> Result<Self, ScriptError> {
        parse::definition(text, Some(scenario)).map(Self::new)
    }

    pub(crate) fn new(definition: Definition) -> Self {
        Self(Arc::new(definition))
    }

    pub(crate) fn definition(&self) -> &Definition {
        &self.0
    }
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        Self::parse(text)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({:?}, {} events)", self.0.description, self.0.events.len())
    }
}

/// One event, as a trigger takes it: the fields of an `[[event]]`, in TOML or as a JSON object.
pub(crate) fn event(text: &str) -> Result<(Event, Option<u64>), ScriptError> {
    parse::event(text)
}

/// What `kind`, `what` and `body` can be, for each `do` that has one of them.
#[must_use]
pub fn kinds() -> Vec<(&'static str, Vec<&'static str>)> {
    vec![
        ("bad-head", heads::ALL.iter().map(|(name, _)| *name).collect()),
        ("bad-chunk", BadChunk::NAMES.iter().map(|(name, _)| *name).collect()),
        ("wrong-size", WrongSize::NAMES.iter().map(|(name, _)| *name).collect()),
        ("endless", Endless::NAMES.iter().map(|(name, _)| *name).collect()),
        ("message", system::ALL.iter().map(|(name, _)| *name).collect()),
        ("junk", junk::Junk::NAMES.iter().map(|(name, _)| *name).collect()),
        ("refuse", RefusalBody::NAMES.iter().map(|(name, _)| *name).collect()),
    ]
}

#[cfg(test)]
mod tests;
