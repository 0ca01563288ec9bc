//! What can be wrong with a stream, by name.
//!
//! A [`Scenario`] is a name for people and command lines. Inside, it is a [`Plan`]: how the messages are cut, what stands between
//! them, and at most one fault. The connection only knows plans.

use crate::wire::Cutting;
use std::fmt;
use std::str::FromStr;

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
}

impl Scenario {
    pub(crate) fn plan(self) -> Plan {
        use Scenario as S;
        let mut plan = Plan {
            cutting: match self {
                S::TinyChunks => Cutting::Tiny,
                S::Split => Cutting::Split,
                S::Coalesce => Cutting::Coalesced,
                S::Dribble => Cutting::Dribbled,
                _ => Cutting::Whole,
            },
            arrays: self == S::Arrays,
            keep_alives: match self {
                S::KeepAlives => KeepAlives::Between,
                S::Coalesce => KeepAlives::NowAndThen,
                _ => KeepAlives::WhenIdle,
            },
            fault: None,
            struck: Struck::Every,
        };
        let fault = |fault, struck| (Some(fault), struck);
        (plan.fault, plan.struck) = match self {
            S::Steady | S::TinyChunks | S::Split | S::Coalesce | S::Dribble | S::Arrays | S::KeepAlives => {
                (None, Struck::Every)
            }
            S::UnknownMessages => fault(Fault::Unknown, Struck::Every),
            S::Malformed => fault(Fault::Malformed, Struck::Every),
            S::Oversized => fault(Fault::Oversized, Struck::Every),
            S::SlowHead => fault(Fault::SlowHead, Struck::Every),
            S::Stall => fault(Fault::Stall, Struck::First(1)),
            S::Reset => fault(Fault::Reset, Struck::First(1)),
            S::CloseMidMessage => fault(Fault::CloseMidMessage, Struck::First(1)),
            S::CloseBetween => fault(Fault::CloseBetween, Struck::First(1)),
            S::CleanEnd => fault(Fault::CleanEnd, Struck::First(1)),
            S::BadChunk => fault(Fault::BadChunk, Struck::First(1)),
            S::OperationalDisconnect => fault(Fault::OperationalDisconnect, Struck::First(1)),
            S::RateLimited => fault(Fault::RateLimited, Struck::Every),
            S::TooManyConnections => fault(Fault::TooManyConnections, Struck::Every),
            S::Unavailable => fault(Fault::Unavailable, Struck::First(3)),
            S::AcceptClose => fault(Fault::AcceptClose, Struck::Every),
        };
        plan
    }
}

/// Which attempts to connect a fault strikes. Attempts count from one, over the whole simulator, and only those that ask for the
/// stream with a right token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Struck {
    /// The first so many; those after them are steady.
    First(u64),
    /// All of them.
    Every,
}

impl Struck {
    pub(crate) fn strikes(self, attempt: u64) -> bool {
        match self {
            Struck::First(count) => attempt <= count,
            Struck::Every => true,
        }
    }
}

/// What a scenario comes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) cutting: Cutting,
    /// Wrap each message in `[..]`.
    pub(crate) arrays: bool,
    pub(crate) keep_alives: KeepAlives,
    pub(crate) fault: Option<Fault>,
    pub(crate) struck: Struck,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    // A message of another kind after every so many Posts.
    Unknown,
    Malformed,
    Oversized,
    // In the head.
    SlowHead,
    RateLimited,
    TooManyConnections,
    Unavailable,
    AcceptClose,
    // Once, after so many Posts; the end of the connection.
    Stall,
    Reset,
    CloseMidMessage,
    CloseBetween,
    CleanEnd,
    BadChunk,
    OperationalDisconnect,
}

impl Fault {
    /// It ends the connection, after so many Posts.
    pub(crate) fn is_final(self) -> bool {
        use Fault as F;
        matches!(
            self,
            F::Stall
                | F::Reset
                | F::CloseMidMessage
                | F::CloseBetween
                | F::CleanEnd
                | F::BadChunk
                | F::OperationalDisconnect
        )
    }
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
    fn struck() {
        assert!(
            Struck::First(2).strikes(2) && !Struck::First(2).strikes(3) && Struck::Every.strikes(u64::MAX)
        );
    }
}
