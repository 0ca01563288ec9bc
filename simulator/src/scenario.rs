//! The built-in scenarios, by name.
//!
//! `builtin_scenarios` turns each [`Scenario`] into a script.

use std::fmt;
use std::str::FromStr;

macro_rules! scenarios {
    ($($(#[$attribute:meta])* $variant:ident, $name:literal, $description:literal;)*) => {
        /// A built-in scenario. [`Scenario::all`] lists them, and [`Scenario::description`]
        /// describes each in one line.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[non_exhaustive]
        pub enum Scenario {
            $($(#[$attribute])* #[doc = concat!("`", $name, "`: ", $description, ".")] $variant,)*
        }

        impl Scenario {
            /// Returns every scenario, the harmless ones first.
            #[must_use]
            pub fn all() -> &'static [Scenario] {
                &[$(Scenario::$variant),*]
            }

            /// Returns the name, in kebab case.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Scenario::$variant => $name),* }
            }

            /// Returns one line that says what happens.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(Scenario::$variant => $description),* }
            }
        }
    };
}

scenarios! {
    #[default]
    Steady, "steady", "one message per chunk, no faults";
    TinyChunks, "tiny-chunks", "chunks of 1 to 16 bytes";
    Split, "split", "each message in about four chunks, cut anywhere, also inside CR LF and inside characters";
    Coalesce, "coalesce", "up to 16 messages and keep-alives in a chunk, half of the chunks ending inside a message";
    Dribble, "dribble", "chunks and their framing written a few bytes at a time";
    Arrays, "arrays", "each message wrapped in [..], as in the documentation's sample";
    KeepAlives, "keep-alives", "a keep-alive between every two messages";
    UnknownMessages, "unknown-messages", "JSON of unknown kinds between Posts";
    Malformed, "malformed", "lines that are not JSON, or unusual JSON, between Posts";
    Oversized, "oversized", "an occasional Post of 2 MiB";
    SlowHead, "slow-head", "the response head is sent one byte at a time";
    Stall, "stall", "sends nothing more, and keeps the connection open";
    Reset, "reset", "resets the connection (RST)";
    CloseMidMessage, "close-mid-message", "closes the connection (FIN) in the middle of a message";
    CloseBetween, "close-between", "closes the connection (FIN) between two messages, without the last chunk";
    CleanEnd, "clean-end", "ends the body properly, with the last chunk";
    BadChunk, "bad-chunk", "sends an invalid chunk size";
    OperationalDisconnect, "operational-disconnect", "announces a disconnect in the stream, then ends the body properly";
    RateLimited, "rate-limited", "429 for the limit of requests, with x-rate-limit headers";
    TooManyConnections, "too-many-connections", "429 for the limit of connections";
    Unavailable, "unavailable", "503 to the first attempts, then no faults";
    AcceptClose, "accept-close", "200, then an immediate close, on every attempt";
    FlakyNetwork, "flaky-network", "resets, closes, pauses and refusals at random, by the seed; cuts anywhere";
    RateLimitStorm, "429-storm", "a reset, then five kinds of 429 in a row, then no faults";
    SilentStall, "silent-stall", "stalls three times in a row: between messages, in a message, in the head";
    SlowReader, "slow-reader", "disconnects the client as too slow, with a message, and counts the connection for a while";
    DatacenterFailover, "datacenter-failover", "the datacenter stops for a while; the response head names another one";
    Hostile, "hostile", "everything that a broken or hostile server may send, one fault per attempt";
}

/// The scenarios that are files. A test parses them all.
const FILES: &[(Scenario, &str)] = &[
    (Scenario::FlakyNetwork, include_str!("../scenarios/flaky-network.toml")),
    (Scenario::RateLimitStorm, include_str!("../scenarios/429-storm.toml")),
    (Scenario::SilentStall, include_str!("../scenarios/silent-stall.toml")),
    (Scenario::SlowReader, include_str!("../scenarios/slow-reader.toml")),
    (Scenario::DatacenterFailover, include_str!("../scenarios/datacenter-failover.toml")),
    (Scenario::Hostile, include_str!("../scenarios/hostile.toml")),
];

impl Scenario {
    /// Returns the text of a scenario that is a file, as an example for your own, and `None` for
    /// the others.
    #[must_use]
    pub fn toml(self) -> Option<&'static str> {
        FILES.iter().find(|(scenario, _)| *scenario == self).map(|(_, text)| *text)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<Self, UnknownScenario> {
        Self::all().iter().copied().find(|scenario| scenario.name() == name).ok_or(UnknownScenario)
    }
}

/// The error for an unknown scenario name. Its text lists the known ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownScenario;

impl fmt::Display for UnknownScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such scenario; use one of ")?;
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
    fn every_name_parses_to_its_scenario() {
        for scenario in Scenario::all() {
            assert_eq!(scenario.name().parse(), Ok(*scenario));
            assert!(!scenario.description().contains('\n'));
        }
        let error = "stedy".parse::<Scenario>().unwrap_err().to_string();
        assert!(error.contains("steady, tiny-chunks") && error.contains("accept-close"), "{error}");
        assert_eq!(Scenario::default(), Scenario::Steady);
    }
}
