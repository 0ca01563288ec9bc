//! A stream that is stopped and continued by another process: each Post once, by backfill and
//! recovery, but for those in ranges that are reported as lost.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use powerstream_client::config::{Config, Connections, Token};
use powerstream_client::merged::{OwnedMergedEvent, Position};
use powerstream_client::owned::{OwnedEvent, OwnedRecoveryEvent};
use powerstream_core::merge::GroupGap;
use powerstream_core::session::Origin;
use powerstream_core::stream::PostId;
use powerstream_core::time::TimeRange;
use powerstream_simulator::{FaultScope, Scenario, Script, Simulator, Time};

use crate::parallel;

/// Reads the connections until the function breaks, and returns the stream's position.
pub type Subject<'a> =
    dyn Fn(&Connections, &mut dyn FnMut(OwnedMergedEvent) -> ControlFlow<()>) -> Option<Position> + Sync + 'a;

/// One run: processes that follow each other after outages.
struct Case {
    name: &'static str,
    outages: &'static [Duration],
    backfill: bool,
    recovery: bool,
    server: Server,
    loss: Loss,
}

/// Faults of the server.
enum Server {
    /// A scenario file.
    Script(&'static str),
    /// A built-in scenario.
    Shipped(Scenario),
}

/// What may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// Nothing.
    None,
    /// Posts in reported ranges. Some must be.
    Some,
    /// Posts in reported ranges, if there are any.
    Any,
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

const OUTAGES: &[Duration] =
    &[Duration::ZERO, Duration::from_secs(30), minutes(4), minutes(6), minutes(3 * 60)];

/// One that backfill closes, and one that it does not.
const SCENARIO_OUTAGES: &[Duration] = &[minutes(2), minutes(12)];

const STEADY: &str = r#"description = "none""#;

const CASES: [Case; 8] = [
    Case {
        name: "backfill and recovery",
        outages: OUTAGES,
        backfill: true,
        recovery: true,
        server: Server::Script(STEADY),
        loss: Loss::None,
    },
    Case {
        name: "recovery alone",
        outages: OUTAGES,
        backfill: false,
        recovery: true,
        server: Server::Script(STEADY),
        loss: Loss::None,
    },
    Case {
        name: "backfill alone",
        outages: OUTAGES,
        backfill: true,
        recovery: false,
        server: Server::Script(STEADY),
        loss: Loss::Some,
    },
    Case {
        name: "longer than a day",
        outages: &[minutes(26 * 60)],
        backfill: true,
        recovery: true,
        server: Server::Script(STEADY),
        loss: Loss::Some,
    },
    Case {
        name: "a recovery that is cut twice",
        outages: &[minutes(60)],
        backfill: false,
        recovery: true,
        server: Server::Script(
            r#"
            description = "cuts the recovery"
            [[event]]
            do = "cut"
            how = "reset"
            place = "in-message"
            after-posts = 300
            request = "recovery"
            times = 2
        "#,
        ),
        loss: Loss::None,
    },
    Case {
        name: "a recovery that is refused",
        outages: &[minutes(60)],
        backfill: true,
        recovery: true,
        server: Server::Script(
            r#"
            description = "refuses the recovery"
            [[event]]
            do = "refuse"
            status = 403
            request = "recovery"
        "#,
        ),
        loss: Loss::Some,
    },
    Case {
        name: "a backfill that is refused, and recovery instead",
        outages: &[minutes(2), minutes(3)],
        backfill: true,
        recovery: true,
        server: Server::Script(
            r#"
            description = "refuses the backfill"
            [[event]]
            do = "refuse"
            status = 400
            request = "backfill"
        "#,
        ),
        loss: Loss::None,
    },
    Case {
        name: "a backfill that is cut",
        outages: &[minutes(4)],
        backfill: true,
        recovery: true,
        server: Server::Script(
            r#"
            description = "cuts the backfill"
            [[event]]
            do = "cut"
            how = "reset"
            place = "between"
            after-posts = 20
            request = "backfill"
            times = 2
        "#,
        ),
        loss: Loss::None,
    },
];

/// Runs every case, and every built-in scenario.
///
/// # Panics
/// If a check fails; standard error names it.
pub fn check(subject: &Subject<'_>) {
    let shipped = Scenario::all().iter().map(|scenario| Case {
        name: scenario.name(),
        outages: SCENARIO_OUTAGES,
        backfill: true,
        recovery: true,
        server: Server::Shipped(*scenario),
        loss: Loss::Any,
    });
    let cases: Vec<Case> = CASES.into_iter().chain(shipped).collect();
    parallel(&cases, 4, &|case| (case.name, Box::new(|| run(case, subject))));
}

impl Server {
    /// Configures the simulator. Faults of built-in scenarios happen to live streams only: if a
    /// server ends a recovery properly, before its end, no client can know what is missing.
    fn configure(&self, config: &mut powerstream_simulator::Config) {
        match self {
            Self::Script(text) => config.script = Some(Script::parse(text).unwrap()),
            Self::Shipped(scenario) => {
                config.fault_after = FAULT_AFTER;
                config.oversize_bytes = 1 << 18;
                config.rate_limit_reset = Duration::from_secs(1);
                let file = format!("{}/../simulator/scenarios/{scenario}.toml", env!("CARGO_MANIFEST_DIR"));
                match std::fs::read_to_string(file) {
                    Ok(text) => config.script = Some(Script::parse(&on_live_streams(&text)).unwrap()),
                    Err(_) => {
                        config.scenario = *scenario;
                        // The first attempt of the first process.
                        let is_lasting = matches!(
                            scenario,
                            Scenario::UnknownMessages
                                | Scenario::Malformed
                                | Scenario::Oversized
                                | Scenario::SlowHead
                        );
                        config.fault_on = (!is_lasting).then_some(FaultScope::First(1));
                    }
                }
            }
        }
    }
}

/// Restricts the events of a scenario file to live streams, where an event can be restricted.
fn on_live_streams(text: &str) -> String {
    let mut events = text.split("[[event]]");
    let mut script = events.next().unwrap_or_default().to_owned();
    for event in events {
        let has_request = !event.contains("\non = ") && !event.contains("place = \"accept\"");
        script += if has_request { "[[event]]\nrequest = \"live\"" } else { "[[event]]" };
        script += event;
    }
    script
}

/// The virtual start.
const START_MS: u64 = 1_790_000_000_000;

/// Posts of each process that must be delivered live.
const LIVE: usize = 40;

/// Longer than a process takes.
const LONG: Duration = Duration::from_secs(240);

/// Posts before the fault of a built-in scenario.
const FAULT_AFTER: u64 = 20;

/// What all processes of a run delivered.
#[derive(Default)]
struct Delivered {
    posts: BTreeMap<u64, usize>,
    live: BTreeSet<u64>,
    gaps: Vec<GroupGap>,
    lost: Vec<TimeRange>,
    reasons: Vec<String>,
}

fn run(case: &Case, subject: &Subject<'_>) {
    let mut config = powerstream_simulator::Config::default();
    config.time = Time::Virtual { unix_ms: START_MS };
    // A day of Posts takes long to recover.
    let is_long = case.outages.iter().any(|outage| *outage > minutes(12 * 60));
    config.rate = Some(if is_long { 0.1 } else { 1.0 });
    // A client must split longer ranges.
    config.recovery_window_max = Some(Duration::from_secs(2 * 60 * 60));
    case.server.configure(&mut config);
    let simulator = Simulator::start(config).unwrap();
    let config = Config::builder()
        .base_url(simulator.base_url())
        .token(Token::new("any").unwrap())
        .message_bytes_max(1 << 17)
        .backfill(case.backfill)
        .backoff(|backoff| {
            backoff.network.first = Duration::from_millis(20);
            backoff.http.first = Duration::from_millis(20);
            backoff.rate_limit.first = Duration::from_millis(100);
        })
        .timeouts(|timeouts| {
            if let Server::Shipped(Scenario::Stall | Scenario::SilentStall | Scenario::Hostile) = case.server
            {
                timeouts.idle = Duration::from_secs(2);
                timeouts.head = Duration::from_secs(2);
                timeouts.message = Duration::from_secs(2);
            }
        })
        .seed(1)
        .build()
        .unwrap();

    let mut delivered = Delivered::default();
    let mut position: Option<Position> = None;
    let began = Instant::now();
    for outage in [None].into_iter().chain(case.outages.iter().map(Some)) {
        if let Some(outage) = outage {
            simulator.advance(*outage);
        }
        let mut connections = Connections::copies(1, &config).recovery(case.recovery);
        if let Some(position) = position.take() {
            let old = delivered.posts.len().saturating_sub(5_000);
            let ids = delivered.posts.keys().skip(old).map(|id| PostId::new(*id));
            connections = connections.resume_from(position, ids);
        }
        position = process(&simulator, subject, &connections, &mut delivered);
        assert!(position.is_some(), "{}: a stream had begun", case.name);
    }

    println!("{}: {} Posts in {:?}", case.name, delivered.posts.len(), began.elapsed());
    // Scenarios also send Posts that are not of the feed.
    let feed: BTreeSet<u64> = simulator.post_ids(START_MS, u64::MAX).into_iter().collect();
    let newest = delivered.live.iter().rev().find(|id| feed.contains(id)).copied().unwrap();
    delivered.posts.retain(|id, _| feed.contains(id));
    // The feed starts with the first request, also if that is refused.
    let first = *delivered.posts.keys().next().unwrap();
    let truth: Vec<u64> = feed.range(first..=newest).copied().collect();
    let created = |id: u64| PostId::new(id).created_at().unwrap().as_millis();
    assert!(truth.len() > LIVE, "{}", truth.len());
    let is_excused = |id: u64| {
        let at = created(id);
        let is_within = |range: &TimeRange| (range.from.as_millis()..range.to.as_millis()).contains(&at);
        match case.recovery {
            true => delivered.lost.iter().any(is_within),
            false => {
                delivered.gaps.iter().filter_map(GroupGap::recovery_needed).any(|range| is_within(&range))
            }
        }
    };
    let missing: Vec<_> = truth.iter().filter(|id| !delivered.posts.contains_key(id)).collect();
    let unexcused: Vec<_> = missing.iter().filter(|id| !is_excused(***id)).map(|id| created(**id)).collect();
    assert!(
        unexcused.is_empty(),
        "{} of {} are missing outside: {:?}; gaps {:?}, lost {:?}",
        unexcused.len(),
        truth.len(),
        &unexcused[..unexcused.len().min(5)],
        delivered.gaps,
        delivered.lost
    );
    match case.loss {
        Loss::None => assert!(
            missing.is_empty() && delivered.lost.is_empty(),
            "{:?} {:?}",
            delivered.lost,
            delivered.reasons
        ),
        Loss::Some => assert!(!missing.is_empty(), "the case loses something"),
        Loss::Any => {}
    }
    let repeated: Vec<_> = delivered.posts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(repeated.is_empty(), "{} were delivered twice: {:?}", repeated.len(), repeated.first());
}

/// Reads as one process, until live Posts have come and all ranges are recovered or lost.
fn process(
    simulator: &Simulator,
    subject: &Subject<'_>,
    connections: &Connections,
    delivered: &mut Delivered,
) -> Option<Position> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                simulator.advance(Duration::from_millis(500));
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        // Milliseconds that are to be recovered, or reported as lost.
        let (mut live, mut due) = (0, 0_i128);
        let millis = |range: TimeRange| range.length().as_millis() as i128;
        let (began, mut last) = (Instant::now(), Vec::new());
        let position = subject(connections, &mut |event| {
            if began.elapsed() > LONG {
                last.push(format!("{event:?}"));
                assert!(last.len() < 20, "it does not come to rest: live {live}, due {due}: {last:#?}");
            }
            match event {
                OwnedMergedEvent::Session { event: OwnedEvent::Message(message), .. } => {
                    for id in message.posts().filter_map(|post| post.id()) {
                        *delivered.posts.entry(id.as_u64()).or_default() += 1;
                        if message.origin == Origin::Live {
                            live += 1;
                            delivered.live.insert(id.as_u64());
                        }
                    }
                }
                OwnedMergedEvent::Recovery(OwnedRecoveryEvent::Message(message)) => {
                    assert_eq!(message.origin, Origin::Recovery);
                    for id in message.posts().filter_map(|post| post.id()) {
                        *delivered.posts.entry(id.as_u64()).or_default() += 1;
                    }
                }
                OwnedMergedEvent::Recovery(OwnedRecoveryEvent::Completed { recovery, .. }) => {
                    due -= millis(recovery.range);
                }
                OwnedMergedEvent::Recovery(OwnedRecoveryEvent::Lost { recovery, reason, .. }) => {
                    delivered.reasons.push(reason.to_string());
                    delivered.lost.push(recovery.range);
                    due -= millis(recovery.range);
                }
                OwnedMergedEvent::Gap(gap) => {
                    // While the simulator sends a flood, its clock may be slower than the client's,
                    // and the end of the gap still in the future when it is requested.
                    simulator.advance(Duration::from_secs(10));
                    let range = gap.recovery_needed().filter(|_| connections.recovers());
                    due += range.map_or(0, millis);
                    delivered.gaps.push(gap);
                }
                _ => {}
            }
            let is_enough = live >= LIVE && due <= 0;
            if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        is_over.store(true, Ordering::Relaxed);
        position
    })
}
