//! What can be wrong with a stream, by name.
//!
//! A [`Scenario`] is a name for people and command lines. Inside, it is a [`Script`], like the scenarios that people write: the simple ones
//! are made here, with what [`Config`] says about when and whom; the others are files of their own.

use crate::config::Config;
use crate::script::{
    Action, Attempts, BadChunk, Body, Event, How, Inner, On, Place, Refusal, Reset, Script, Stream, Then,
    When, system,
};
use crate::wire::Cutting;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

macro_rules! scenarios {
    ($($(#[$attribute:meta])* $variant:ident, $name:literal, $description:literal;)*) => {
        /// A way to behave. [`Scenario::all`] lists them, with one line on each from [`Scenario::description`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[non_exhaustive]
        pub enum Scenario {
            $($(#[$attribute])* #[doc = concat!("`", $name, "`: ", $description, ".")] $variant,)*
        }

        impl Scenario {
            /// Every scenario, the harmless ones first.
            #[must_use]
            pub fn all() -> &'static [Scenario] {
                &[$(Scenario::$variant),*]
            }

            /// Its name, in kebab case.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Scenario::$variant => $name),* }
            }

            /// What happens, in one line.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(Scenario::$variant => $description),* }
            }
        }
    };
}

scenarios! {
    #[default]
    Steady, "steady", "one message a chunk, nothing goes wrong";
    TinyChunks, "tiny-chunks", "chunks of 1 to 16 bytes";
    Split, "split", "each message over about four chunks, cut anywhere, also inside CR LF and inside characters";
    Coalesce, "coalesce", "up to 16 messages and keep-alives in a chunk, half of the chunks ending inside a message";
    Dribble, "dribble", "chunks and their framing written a few bytes at a time";
    Arrays, "arrays", "each message wrapped in [..], as in the documentation's sample";
    KeepAlives, "keep-alives", "a keep-alive between every two messages";
    UnknownMessages, "unknown-messages", "JSON of kinds nobody has heard of, between Posts";
    Malformed, "malformed", "lines that are no JSON or strange JSON, between Posts";
    Oversized, "oversized", "a Post of 2 MiB now and then";
    SlowHead, "slow-head", "the response head comes one byte at a time";
    Stall, "stall", "falls silent, the connection stays open";
    Reset, "reset", "resets the connection (RST)";
    CloseMidMessage, "close-mid-message", "closes the connection (FIN) in the middle of a message";
    CloseBetween, "close-between", "closes the connection (FIN) between two messages, without the last chunk";
    CleanEnd, "clean-end", "ends the body properly, with the last chunk";
    BadChunk, "bad-chunk", "sends a chunk size that is none";
    OperationalDisconnect, "operational-disconnect", "announces a disconnect in the stream, then ends the body properly";
    RateLimited, "rate-limited", "429, the window's limit, with x-rate-limit headers";
    TooManyConnections, "too-many-connections", "429, the limit of connections";
    Unavailable, "unavailable", "503 to the first attempts, then all is well";
    AcceptClose, "accept-close", "200, then closes at once, every time";
    FlakyNetwork, "flaky-network", "cut anywhere, now and then: resets, closes, pauses, refusals, at random by the seed";
    RateLimitStorm, "429-storm", "a reset, then 429 of five kinds in a row, then all is well";
    SilentStall, "silent-stall", "falls silent three times in a row: between messages, in a message, in the head";
    SlowReader, "slow-reader", "drops the client for being slow, with the message that says so, and keeps its place taken";
    DatacenterFailover, "datacenter-failover", "the datacenter goes down for a while; another one answers in its name";
    Hostile, "hostile", "everything that a broken or hostile server may send, an attempt each";
}

/// The texts of those that are files. A test reads them all.
const FILES: &[(Scenario, &str)] = &[
    (Scenario::FlakyNetwork, include_str!("../scenarios/flaky-network.toml")),
    (Scenario::RateLimitStorm, include_str!("../scenarios/429-storm.toml")),
    (Scenario::SilentStall, include_str!("../scenarios/silent-stall.toml")),
    (Scenario::SlowReader, include_str!("../scenarios/slow-reader.toml")),
    (Scenario::DatacenterFailover, include_str!("../scenarios/datacenter-failover.toml")),
    (Scenario::Hostile, include_str!("../scenarios/hostile.toml")),
];

impl Scenario {
    /// The text of the file that it is, as a pattern for one's own; `None` for the simple ones.
    #[must_use]
    pub fn toml(self) -> Option<&'static str> {
        FILES.iter().find(|(scenario, _)| *scenario == self).map(|(_, text)| *text)
    }

    /// What it comes to.
    pub(crate) fn script(self, config: &Config) -> Script {
        if let Some(script) = self.toml().and_then(|text| Script::shipped(self, text).ok()) {
            return script;
        }
        let mut stream = Stream::default();
        match self {
            Scenario::TinyChunks => stream.cutting = Cutting::Tiny,
            Scenario::Split => stream.cutting = Cutting::Split,
            Scenario::Dribble => stream.cutting = Cutting::Dribbled,
            Scenario::Arrays => stream.arrays = true,
            Scenario::KeepAlives => stream.keep_alives = KeepAlives::Between,
            Scenario::Coalesce => {
                (stream.cutting, stream.keep_alives) = (Cutting::Coalesced, KeepAlives::NowAndThen);
            }
            _ => {}
        }
        let event = self.fault(config).map(|(when, struck, action)| Event {
            on: On::Stream,
            attempts: match config.fault_on.unwrap_or(struck) {
                FaultScope::First(count) => Attempts(vec![(1, count)]),
                FaultScope::Every => Attempts(vec![(1, u64::MAX)]),
            },
            endpoint: None,
            datacenter: None,
            times: None,
            when,
            probability: None,
            action,
        });
        Script::new(Inner {
            description: self.description().to_owned(),
            named: Some(self),
            stream,
            events: event.into_iter().collect(),
        })
    }

    fn fault(self, config: &Config) -> Option<(When, FaultScope, Action)> {
        let once = |action| Some((When::AfterPosts(config.fault_after), FaultScope::First(1), action));
        let between = |action| Some((When::EveryPosts(config.fault_after.max(1)), FaultScope::Every, action));
        let at_once = |struck, action| Some((When::AtOnce, struck, action));
        let cut = |how, place| Action::Cut { how, place, step: Duration::ZERO };
        let reset = Reset::In(config.rate_limit_reset.as_secs() as i64);
        match self {
            Scenario::UnknownMessages => between(Action::Unknown),
            Scenario::Malformed => between(Action::Junk(None)),
            Scenario::Oversized => between(Action::Oversize { bytes: None }),
            Scenario::SlowHead => {
                at_once(FaultScope::Every, Action::SlowHead { step: Duration::from_millis(2) })
            }
            Scenario::Stall => once(cut(How::Stall, Place::Between)),
            Scenario::Reset => once(cut(How::Reset, Place::Between)),
            Scenario::CloseMidMessage => once(cut(How::Close, Place::InMessage)),
            Scenario::CloseBetween => once(cut(How::Close, Place::Between)),
            Scenario::CleanEnd => once(Action::End),
            Scenario::BadChunk => once(Action::BadChunk(BadChunk::Size)),
            Scenario::OperationalDisconnect => {
                let bytes = system::UPSTREAM_OPERATIONAL.as_bytes().to_vec();
                once(Action::Line { bytes, then: Then::End })
            }
            Scenario::RateLimited => {
                let mut refusal = Refusal::new(429, Body::Problem);
                (refusal.remaining, refusal.reset) = (Some(0), Some(reset));
                at_once(FaultScope::Every, Action::Refuse(refusal))
            }
            Scenario::TooManyConnections => {
                let mut refusal = Refusal::new(429, Body::TooManyConnections);
                (refusal.remaining, refusal.reset) = (Some(48), Some(reset));
                at_once(FaultScope::Every, Action::Refuse(refusal))
            }
            Scenario::Unavailable => {
                at_once(FaultScope::First(3), Action::Refuse(Refusal::new(503, Body::Problem)))
            }
            Scenario::AcceptClose => at_once(FaultScope::Every, cut(How::Close, Place::Between)),
            _ => None,
        }
    }
}

/// Which attempts to connect a fault strikes. Attempts count from one, over the whole simulator, and only those that ask for the
/// stream with a right token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultScope {
    /// The first so many; those after them are steady.
    First(u64),
    /// All of them.
    Every,
}

impl FaultScope {
    pub(crate) fn covers(self, attempt: u64) -> bool {
        match self {
            FaultScope::First(count) => attempt <= count,
            FaultScope::Every => true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeepAlives {
    /// Only when nothing was sent for the interval, as the service does.
    WhenIdle,
    /// Also between every two messages.
    Between,
    /// Also before one message in eight.
    NowAndThen,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<Scenario, UnknownScenario> {
        Scenario::all().iter().copied().find(|scenario| scenario.name() == name).ok_or(UnknownScenario)
    }
}

/// There is no scenario of that name. The text lists those that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownScenario;

impl fmt::Display for UnknownScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such scenario; there are ")?;
        for (n, scenario) in Scenario::all().iter().enumerate() {
            write!(f, "{}{scenario}", if n > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownScenario {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for scenario in Scenario::all() {
            assert_eq!(scenario.name().parse(), Ok(*scenario));
            assert!(!scenario.description().contains('\n'));
        }
        let error = "stedy".parse::<Scenario>().unwrap_err().to_string();
        assert!(error.contains("steady, tiny-chunks") && error.contains("accept-close"), "{error}");
        assert_eq!(Scenario::default(), Scenario::Steady);
    }

    #[test]
    fn the_files_can_be_read_and_say_what_the_list_says() {
        for (scenario, text) in FILES {
            let script =
                Script::shipped(*scenario, text).unwrap_or_else(|error| panic!("{scenario}: {error}"));
            assert_eq!(script.description(), scenario.description());
            assert!(!script.inner().events.is_empty());
        }
    }

    #[test]
    fn struck() {
        assert!(
            FaultScope::First(2).covers(2)
                && !FaultScope::First(2).covers(3)
                && FaultScope::Every.covers(u64::MAX)
        );
    }
}
