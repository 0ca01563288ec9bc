//! No Post is lost outside a reported gap when the path or the reader is late: real sockets, behind a
//! [`Proxy`] that stalls, holds back, dribbles and resets, with a reader that stops now and then.
//!
//! An adapter's tests hand their way to read a stream to [`check`]. The judge knows from the
//! simulator's feed which Posts there were.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime};

use powerstream_client::config::{Config, Token};
use powerstream_client::owned::OwnedEvent;
use powerstream_core::time::UnixTime;
use powerstream_simulator::Simulator;

use crate::ledger::{END_OF_TIME, ReportedGap};
use crate::parallel;
use crate::proxy::{Proxy, Rng};

/// Posts a second.
const RATE: f64 = 200.0;

/// How long each seed is read.
const LENGTH: Duration = Duration::from_secs(20);

/// What is to be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct TestCase {
    /// What to read.
    pub config: Config,
    /// What to give each event.
    pub recorder: Recorder,
}

/// Keeps what came, and is slow now and then.
#[derive(Debug)]
pub struct Recorder {
    until: Instant,
    /// The reader stops then, for so long.
    stops: Vec<(Instant, Duration)>,
    begun: Option<UnixTime>,
    delivered: HashSet<u64>,
    gaps: Vec<ReportedGap>,
    /// When each stream began, and the last event before, by the local clock.
    away: Vec<(UnixTime, UnixTime)>,
    last: UnixTime,
    disconnects: u64,
    covered_until: Option<UnixTime>,
}

impl Recorder {
    fn new(rng: &mut Rng) -> Self {
        let (began, mut at, mut stops) = (Instant::now(), Duration::ZERO, Vec::new());
        while at < LENGTH {
            at += rng.millis(2_000, 8_000);
            stops.push((began + at, rng.millis(10, 3_000)));
        }
        stops.reverse();
        Self {
            until: began + LENGTH,
            stops,
            begun: None,
            delivered: HashSet::new(),
            gaps: Vec::new(),
            away: Vec::new(),
            last: UnixTime::default(),
            disconnects: 0,
            covered_until: None,
        }
    }

    /// Takes an event in. [`ControlFlow::Break`] once it is enough: then the stream is to be shut
    /// down, and what it still gives is to be taken in too.
    pub fn record(&mut self, event: OwnedEvent) -> ControlFlow<()> {
        let (now, unix) = (Instant::now(), UnixTime::from(SystemTime::now()));
        match event {
            OwnedEvent::Connected(connected) => {
                if self.begun.is_some() {
                    self.away.push((self.last, unix));
                }
                self.begun.get_or_insert(unix);
                self.gaps.extend(connected.gap.map(|gap| ReportedGap { from: gap.from, to: gap.to }));
            }
            OwnedEvent::Resumed(gap) => self.gaps.push(ReportedGap { from: gap.from, to: gap.to }),
            OwnedEvent::Message(message) => {
                self.last = message.id().and_then(|id| id.created_at()).unwrap_or(self.last);
                self.delivered.extend(message.id().map(|id| id.as_u64()));
            }
            OwnedEvent::Disconnected(_) => self.disconnects += 1,
            _ => {}
        }
        if self.stops.last().is_some_and(|(at, _)| *at <= now) {
            std::thread::sleep(self.stops.pop().unwrap().1);
        }
        if now >= self.until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// There are no more events, and the session vouches for everything up to this moment: its
    /// [`covered_until`](powerstream_core::session::Session::covered_until).
    #[must_use]
    pub fn ended(mut self, covered_until: Option<UnixTime>) -> Self {
        self.covered_until = covered_until;
        self
    }
}

/// What came of all seeds.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    disconnects: u64,
    delivered: usize,
    missed: usize,
    outside: usize,
    reported: Duration,
    missing: Duration,
}

/// Reads with so many seeds, some at a time.
///
/// # Panics
/// If a Post is missing that no gap reports, or gaps are longer than three times what is missing
/// and 4 s each.
pub fn check(seeds: u64, subject: &(dyn Fn(TestCase) -> Recorder + Sync)) {
    let total = &std::sync::Mutex::new(Sum::default());
    let seeds: Vec<_> = (0..seeds).collect();
    parallel(&seeds, 8, &|seed| {
        (
            "a seed",
            Box::new(move || {
                let sum = run(*seed, subject);
                println!("seed {seed}: {sum:?}");
                assert_eq!(sum.outside, 0, "seed {seed}: {sum:?}");
                let mut total = total.lock().unwrap();
                total.disconnects += sum.disconnects;
                total.delivered += sum.delivered;
                total.missed += sum.missed;
                total.reported += sum.reported;
                total.missing += sum.missing;
            }),
        )
    });
    let total = *total.lock().unwrap();
    println!("{} seeds: {total:?}", seeds.len());
    assert!(total.missed > 0, "nothing was missed, as if nothing had happened");
    let margin = Duration::from_secs(4 * total.disconnects);
    assert!(total.reported <= 3 * total.missing + margin, "{total:?}");
}

fn run(seed: u64, subject: &(dyn Fn(TestCase) -> Recorder + Sync)) -> Sum {
    let mut config = powerstream_simulator::Config::default();
    config.rate = Some(RATE);
    let simulator = Simulator::start(config).unwrap();
    let upstream = simulator.base_url().trim_start_matches("http://").parse().unwrap();
    let proxy = Proxy::start(upstream, seed);
    let config = Config::builder()
        .base_url(proxy.base_url())
        .token(Token::new("any").unwrap())
        .backoff(|backoff| {
            for schedule in [&mut backoff.network, &mut backoff.http] {
                schedule.first = Duration::from_millis(20);
                schedule.ceiling = Duration::from_millis(500);
            }
        })
        .seed(seed)
        .build()
        .unwrap();
    let recorder = subject(TestCase { config, recorder: Recorder::new(&mut Rng(!seed)) });
    recorder.judge(&simulator)
}

impl Recorder {
    fn judge(mut self, simulator: &Simulator) -> Sum {
        let from = self.begun.expect("a stream").as_millis() + 1;
        let reported = self.gaps.iter().fold((Duration::ZERO, UnixTime::default()), |(sum, end), gap| {
            (sum + gap.to.saturating_since(gap.from.max(end)), end.max(gap.to))
        });
        let covered = self.covered_until.expect("a moment up to which everything was delivered");
        self.gaps.push(ReportedGap { from: covered, to: END_OF_TIME });
        let missed: Vec<_> = simulator
            .post_ids(from, u64::MAX)
            .into_iter()
            .filter(|id| !self.delivered.contains(id))
            .collect();
        let is_reported = |id: &&u64| {
            let created = powerstream_core::stream::PostId::new(**id).created_at().unwrap();
            self.gaps.iter().any(|gap| gap.from <= created && created < gap.to)
        };
        Sum {
            disconnects: self.disconnects,
            delivered: self.delivered.len(),
            missed: missed.len(),
            outside: missed.len() - missed.iter().filter(is_reported).count(),
            reported: reported.0,
            missing: self.away.iter().map(|(last, next)| next.saturating_since(*last)).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::read_recorder::ReadRecorder;
    use crate::reference_driver;

    #[test]
    fn the_reference_driver_loses_nothing_outside_a_gap() {
        super::check(8, &|mut case| {
            let covered = reference_driver::drive(&case.config, &ReadRecorder::default(), |event| {
                case.recorder.record(event.into())
            });
            case.recorder.ended(covered)
        });
    }
}
