//! Scenario files: which requests an event affects, when it happens and what it does.
//!
//! ```toml
//! description = "Occasional resets, and many 503 responses to the reconnects"
//!
//! [stream]                  # settings of all streams
//! cut = "split"
//!
//! [[event]]                 # what happens
//! do = "cut"
//! how = "reset"
//! place = "in-message"
//! after-posts = 100         # when
//! attempts = "1-3"          # on which requests
//!
//! [[event]]
//! do = "refuse"
//! status = 503
//! attempts = "2-"
//! probability = 0.5
//! ```
//!
//! # Which requests
//!
//! `attempts` counts stream requests with a valid token, from 1, over the whole simulator: `3`,
//! `"1-3"`, `"4-"`, `"1,3,5-7"` or `"every"` (the default). `endpoint` is the path of a stream,
//! `datacenter` a name. `on = "rules"` selects requests to the rule endpoints instead, which have
//! their own count. `request = "live"`, `"backfill"` or `"recovery"` selects stream requests by
//! what they ask for. `times` limits how often an event happens in total.
//!
//! # When
//!
//! An event about the request or the response head happens immediately. The others happen when the
//! stream starts, or under one condition:
//!
//! - once per connection: `after-posts`, `after-keep-alives`, `after` (time since the head) or `at`
//!   (time since the simulator's start);
//! - repeatedly: `every-posts` or `every`.
//!
//! If a file has too few Posts, the event happens at its end. `probability` applies to each
//! occasion, and without another condition to each Post.
//!
//! Times are texts such as `"250ms"`, `"20s"`, `"5m"` and `"1h"`.
//!
//! # What
//!
//! | `do` | with | what happens |
//! |---|---|---|
//! | `cut` | `how`; `place`; `step` | the connection ends or hangs at that place |
//! | `end` | | the body ends properly |
//! | `refuse` | `status`, `body`, `headers`, `reset`, .. | the request is refused |
//! | `interim` | `count`, `status` | 1xx responses come first |
//! | `slow-head` | `step` | the head is sent byte by byte |
//! | `bad-head` | `kind` | the head is invalid |
//! | `coding` | `coding` | the content has an unrequested coding; `gzip` is real |
//! | `endless` | `what` | a part of the response never ends |
//! | `bad-chunk` | `kind` | the chunked framing is broken |
//! | `wrong-size` | `kind` = `smaller`, `larger`, `huge`, `zero` | a chunk size is wrong |
//! | `message` | `kind`, `then` | sends a system message |
//! | `line` | `text`, `then` | any line is sent |
//! | `junk` | `kind` | a line is not JSON, or unusual JSON |
//! | `unknown` | | JSON of an unknown kind is sent |
//! | `oversize` | `bytes` | a very long Post is sent |
//! | `keep-alives` | `count`, `split` | this many keep-alives are sent in a row |
//! | `duplicate` | | the last Post is sent again |
//! | `reorder` | `by` | the next Post is delayed by this many Posts |
//! | `skewed` | `shift` | the date of a Post is wrong by this time |
//! | `quiet` | `length` | only keep-alives are sent; the Posts of that time are lost |
//! | `burst` | `length`, `factor` | the rate of Posts is multiplied |
//! | `pause` | `length` | nothing is sent, then everything continues |
//! | `ghost` | `length` | the connection still counts after its end |
//! | `failover` | `name`, `headers` | head and metadata name another datacenter, or none |
//! | `kill` | `name`, `length` | the datacenter stops, and restarts after that time |
//!
//! - `how` of `cut` is `reset`, `close`, `half-close`, `stall` or `trickle`.
//! - `refuse` also has `remaining` and `retry-after`, the fields of the rate limit.
//! - `then` is `nothing`, `end`, `close` or `reset`.
//! - `kill` stops the connected datacenter if it has no `name`.
//!
//! `place` is one of:
//!
//! - `accept`: before the request;
//! - `request`: after the request, which has no effect;
//! - `head`: after the request took effect, without a response;
//! - `in-head`, `in-size`, `in-message` or `in-line-end`: inside that part;
//! - `between`: between two messages (the default).
//!
//! [`kinds`] lists the values of `kind`, `what` and `body`.

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
    Action, Attempts, BadChunk, Definition, Endless, Event, How, KeepAlives, Metadata, On, Place, Requested,
    Stream, Then, When, WrongSize,
};
pub use self::error::ScriptError;
pub(crate) use self::refusal::{Refusal, RefusalBody, Reset};
use crate::scenario::Scenario;

/// A scenario from a file or a built-in one. Cloning is cheap.
#[derive(Clone)]
pub struct Script(Arc<Definition>);

impl Script {
    /// Parses a scenario in the format of [this module](crate::script).
    ///
    /// # Errors
    ///
    /// [`ScriptError`] with the place of the error, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        parse::definition(text.strip_prefix('\u{feff}').unwrap_or(text), None).map(Self::new)
    }

    /// Returns one line that says what happens.
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

/// Parses one event of a trigger: the fields of an `[[event]]`, in TOML or as a JSON object.
pub(crate) fn event(text: &str) -> Result<(Event, Option<u64>), ScriptError> {
    parse::event(text)
}

/// Returns the values of `kind`, `what` and `body`, for each `do` that has one of them.
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
