//! The built-in scenarios as scripts. Simple ones are built here, with the times and attempts of
//! [`Config`]; the others are files.

use std::time::Duration;

use crate::config::Config;
use crate::fault_scope::FaultScope;
use crate::scenario::Scenario;
use crate::script::{
    Action, Attempts, BadChunk, Definition, Event, How, KeepAlives, On, Place, Refusal, RefusalBody, Reset,
    Script, Stream, Then, When, system,
};
use crate::wire::Cutting;

/// Returns the script of a built-in scenario.
pub(crate) fn script(scenario: Scenario, config: &Config) -> Script {
    if let Some(script) = scenario.toml().and_then(|text| Script::shipped(scenario, text).ok()) {
        return script;
    }
    let mut stream = Stream::default();
    match scenario {
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
    let event = fault(scenario, config).map(|(when, scope, action)| Event {
        on: On::Stream,
        attempts: match config.fault_on.unwrap_or(scope) {
            FaultScope::First(count) => Attempts(vec![(1, count)]),
            FaultScope::Every => Attempts(vec![(1, u64::MAX)]),
        },
        endpoint: None,
        datacenter: None,
        request: None,
        times: None,
        when,
        probability: None,
        action,
    });
    Script::new(Definition {
        description: scenario.description().to_owned(),
        named: Some(scenario),
        stream,
        events: event.into_iter().collect(),
    })
}

fn fault(scenario: Scenario, config: &Config) -> Option<(When, FaultScope, Action)> {
    let once = |action| Some((When::AfterPosts(config.fault_after), FaultScope::First(1), action));
    let between = |action| Some((When::EveryPosts(config.fault_after.max(1)), FaultScope::Every, action));
    let at_once = |scope, action| Some((When::AtOnce, scope, action));
    let cut = |how, place| Action::Cut { how, place, step: Duration::ZERO };
    let reset = Reset::In(config.rate_limit_reset.as_secs() as i64);
    match scenario {
        Scenario::UnknownMessages => between(Action::Unknown),
        Scenario::Malformed => between(Action::Junk(None)),
        Scenario::Oversized => between(Action::Oversize { bytes: None }),
        Scenario::SlowHead => at_once(FaultScope::Every, Action::SlowHead { step: Duration::from_millis(2) }),
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
            let mut refusal = Refusal::new(429, RefusalBody::Problem);
            (refusal.remaining, refusal.reset) = (Some(0), Some(reset));
            at_once(FaultScope::Every, Action::Refuse(refusal))
        }
        Scenario::TooManyConnections => {
            let mut refusal = Refusal::new(429, RefusalBody::TooManyConnections);
            (refusal.remaining, refusal.reset) = (Some(48), Some(reset));
            at_once(FaultScope::Every, Action::Refuse(refusal))
        }
        Scenario::Unavailable => {
            at_once(FaultScope::First(3), Action::Refuse(Refusal::new(503, RefusalBody::Problem)))
        }
        Scenario::AcceptClose => at_once(FaultScope::Every, cut(How::Close, Place::Between)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenario_files_parse_and_match_their_listed_descriptions() {
        for (scenario, text) in
            Scenario::all().iter().filter_map(|scenario| Some((scenario, scenario.toml()?)))
        {
            let script =
                Script::shipped(*scenario, text).unwrap_or_else(|error| panic!("{scenario}: {error}"));
            assert_eq!(script.description(), scenario.description());
            assert!(!script.definition().events.is_empty());
        }
    }
}
