//! The scenarios that are files: many faults one after the other, which no two runs meet at the same Posts. What is made
//! sure of is that nothing is lost unsaid.
//!
//! One file of Posts is sent at a steady rate, whether anybody listens or not, so that each Post has a time. Then:
//!
//! - what a stream delivered is what the simulator wrote on that connection, in order, from the first message on;
//! - it is all of it, unless the connection was reset or broke HTTP; then the message behind the last delivered one had
//!   not come with its line end;
//! - each Post that was not delivered lies in a gap that was told.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use powerstream_core::client::{Config, Token};
use powerstream_core::owned::OwnedMessage;
use powerstream_core::session::{Cause, Fault, FaultKind, Gap};
use powerstream_core::stream::message::PostId;
use powerstream_core::time::UnixTime;
use powerstream_simulator::{ConnectionTruth, MessageTruth, Scenario, Simulator, Source, Tls};

use crate::log::{End, Log, Recorder, Until};
use crate::scripts::Case;
use crate::{Transport, parallel, posts_and_ids};

/// Posts a second, and how many there are: enough for a minute, which is more than any of these scenarios takes.
const RATE: f64 = 200.0;
const POSTS: usize = 12_000;

/// The longest message that is taken.
const MESSAGE_BYTES_MAX: usize = 1 << 17;

/// How far two clocks of one machine may be apart.
const CLOCKS: Duration = Duration::from_millis(20);

/// The scenarios, and when enough was seen of each.
const SCENARIOS: [(Scenario, Until); 6] = [
    (Scenario::FlakyNetwork, Until::Disconnects(8)),
    (Scenario::RateLimitStorm, Until::Messages { stream: 2, count: 50 }),
    (Scenario::SilentStall, Until::Messages { stream: 3, count: 50 }),
    (Scenario::SlowReader, Until::Messages { stream: 2, count: 50 }),
    (Scenario::DatacenterFailover, Until::Messages { stream: 3, count: 50 }),
    (Scenario::Hostile, Until::Disconnects(40)),
];

/// Runs every scenario that is a file.
///
/// # Panics
/// Where something was lost unsaid, or invented; the text says what.
pub fn check(transport: Transport, subject: &(dyn Fn(Case) -> Recorder + Sync)) {
    parallel(&SCENARIOS, 3, &|(scenario, until)| {
        (scenario.name(), Box::new(|| run(*scenario, *until, transport, subject)))
    });
}

fn run(scenario: Scenario, until: Until, transport: Transport, subject: &(dyn Fn(Case) -> Recorder + Sync)) {
    static FILE: OnceLock<(Source, Vec<u64>)> = OnceLock::new();
    let (source, ids) = FILE.get_or_init(|| posts_and_ids(11, POSTS));
    let mut config = powerstream_simulator::Config::default();
    config.tls = (transport == Transport::Tls).then(Tls::default);
    config.source = source.clone();
    config.rate = Some(RATE);
    config.shared_file = true;
    config.scenario = scenario;
    config.seed = 5;
    config.truth_bytes_max = 512 << 20;
    let simulator = Simulator::start(config).unwrap();
    let config = Config::builder()
        .base_url(simulator.base_url())
        .token(Token::new("any").unwrap())
        .local_dc_only(true)
        .message_bytes_max(MESSAGE_BYTES_MAX)
        // All faster than life, so that a test may wait for it.
        .timeouts(|timeouts| {
            timeouts.head = Duration::from_secs(3);
            timeouts.silence = Duration::from_secs(3);
            timeouts.message = Duration::from_secs(3);
            timeouts.disconnect = Duration::from_millis(500);
        })
        .backoff(|backoff| {
            for schedule in [&mut backoff.network, &mut backoff.http, &mut backoff.rate_limit] {
                schedule.first = Duration::from_millis(20);
                schedule.ceiling = Duration::from_millis(200);
            }
        })
        .seed(7)
        .build()
        .unwrap();
    let log = subject(Case::new(config, &simulator, until)).log();
    assert!(log.ends().len() >= 2 || scenario == Scenario::SlowReader, "few ends: {:?}", log.ends());
    compare(&log, &Sent::of(&simulator, ids));
}

/// What was sent.
struct Sent {
    /// By connection whose status was 200: what it was sent.
    streams: Vec<(ConnectionTruth, Vec<MessageTruth>)>,
    /// By Post of the file: its id, and when it was its turn, in milliseconds.
    due: Vec<(u64, f64)>,
}

impl Sent {
    fn of(simulator: &Simulator, ids: &[u64]) -> Self {
        let truth = simulator.truth();
        let streams: Vec<_> = truth
            .connections()
            .into_iter()
            .filter(|connection| connection.status == Some(200))
            .map(|connection| {
                let messages = truth.messages(connection.number);
                (connection, messages)
            })
            .collect();
        // No Post is sent before its turn, and some very soon after it.
        let (now, wall) = (Instant::now(), UnixTime::from(SystemTime::now()).as_millis() as f64);
        let written = |message: &MessageTruth| wall - (now - message.written_at).as_secs_f64() * 1e3;
        let nth: std::collections::HashMap<u64, usize> =
            ids.iter().enumerate().map(|(nth, id)| (*id, nth)).collect();
        let turn = |nth: usize| nth as f64 * 1e3 / RATE;
        let all = streams.iter().flat_map(|(_, messages)| messages);
        let begun = all
            .filter_map(|message| Some(written(message) - turn(*nth.get(&message.post_id?)?)))
            .fold(f64::INFINITY, f64::min);
        let due = ids.iter().enumerate().map(|(nth, id)| (*id, begun + turn(nth))).collect();
        Self { streams, due }
    }
}

fn compare(log: &Log, sent: &Sent) {
    let mut connections = sent.streams.iter();
    for (number, came) in log.streams().iter().enumerate() {
        let end = log.ends().iter().find(|end| end.stream == Some(number));
        // The head of some answers did not arrive whole: to the client those were no streams.
        let is_it = |messages: &[MessageTruth]| {
            let messages: Vec<_> = messages.iter().filter(is_taken).collect();
            // What a fault of framing wraps is not written down, and may be whole before the framing breaks.
            let (last, is_wrapped) = match (came.get(messages.len()), end) {
                (Some(last), Some(_)) => (came.len() - 1, is_wrapped(last, sent)),
                _ => (came.len(), true),
            };
            let mut both = came.iter().zip(&messages).take(last);
            is_wrapped
                && messages.len() >= last
                && both.all(|(came, sent)| sent.bytes.as_deref() == Some(&came.bytes[..]))
        };
        let Some((_, messages)) = connections.find(|(_, messages)| is_it(messages)) else {
            panic!(
                "stream {number}: of its {} messages some were never sent, or in another order",
                came.len()
            );
        };
        let next = messages.iter().filter(is_taken).nth(came.len());
        let (Some(end), Some(next)) = (end, next) else { continue };
        // With those before it that are too long to be taken. The line end is two octets, of which one may have come.
        let last = came.len().checked_sub(1).and_then(|last| messages.iter().filter(is_taken).nth(last));
        let behind = last.map_or(0, |last| last.index + 1);
        let missing = messages.iter().filter(|message| (behind..=next.index).contains(&message.index));
        let all: usize = missing.map(|message| message.len + 2).sum();
        let (cause, undelivered) = (end.told.cause, end.told.undelivered);
        let may_lack = matches!(
            cause,
            Cause::Protocol(_) | Cause::Fault(Fault { kind: FaultKind::Reset | FaultKind::Tls(_), .. })
        );
        assert!(may_lack, "stream {number} ended ({cause}) and lacks {next:?} and those behind it");
        assert!(
            undelivered < all as u64,
            "stream {number} ended ({cause}) with {undelivered} octets undelivered, among them all of {next:?}"
        );
    }
    let millis = |gap: &Gap| (gap.from.as_millis() as f64, gap.to.as_millis() as f64);
    let mut gaps: Vec<_> = log.gaps().iter().map(millis).collect();
    // And the one whose end nobody waited for.
    let is_last = |end: &&End| end.stream == log.streams().len().checked_sub(1);
    let open = log.ends().iter().find(is_last).and_then(|end| end.told.gap_from);
    gaps.extend(open.map(|from| (from.as_millis() as f64, f64::INFINITY)));
    let lost = lost(&delivered(log), &sent.due, &gaps);
    assert!(lost.is_empty(), "Posts that nobody told of: {lost:?}; the gaps: {:?}", log.gaps());
}

/// Whether a message is not too long.
fn is_taken(message: &&MessageTruth) -> bool {
    message.len <= MESSAGE_BYTES_MAX
}

/// Whether it is what `bad-chunk` and `wrong-size` wrap: a message of their own, or a Post of the file.
fn is_wrapped(message: &OwnedMessage, sent: &Sent) -> bool {
    let id = message.id().map(PostId::as_u64);
    &message.bytes[..] == br#"{"id":1}"# || sent.due.iter().any(|(known, _)| Some(*known) == id)
}

fn delivered(log: &Log) -> BTreeSet<u64> {
    log.streams().iter().flatten().filter_map(|message| Some(message.id()?.as_u64())).collect()
}

/// The Posts between the first and the last delivered one that were neither delivered nor in a gap.
fn lost(delivered: &BTreeSet<u64>, due: &[(u64, f64)], gaps: &[(f64, f64)]) -> Vec<(u64, f64)> {
    let is_delivered = |(id, _): &(u64, f64)| delivered.contains(id);
    let first = due.iter().position(is_delivered).unwrap_or(due.len());
    let end = due.iter().rposition(is_delivered).unwrap_or(0);
    let slack = CLOCKS.as_secs_f64() * 1e3;
    let is_told = |at: f64| gaps.iter().any(|(from, to)| from - slack <= at && at <= to + slack);
    let between = due.get(first..end).unwrap_or_default().iter();
    between.filter(|post| !is_delivered(post) && !is_told(post.1)).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use powerstream_core::owned::OwnedEvent;

    use super::*;
    use crate::by_hand;

    #[test]
    fn the_yardstick_loses_nothing_unsaid() {
        check(Transport::Plain, &|mut case| {
            by_hand::read(&case.config, |event| case.recorder.tell(event.into()));
            case.recorder
        });
    }

    /// The scenario with its events told otherwise than they came: `tell` is given the number of each message.
    fn told_otherwise(tell: fn(usize, OwnedEvent, &mut Recorder) -> ControlFlow<()>) {
        let until = Until::Messages { stream: 2, count: 50 };
        run(Scenario::SlowReader, until, Transport::Plain, &|mut case: Case| {
            let mut messages = 0;
            by_hand::read(&case.config, |event| {
                let event = OwnedEvent::from(event);
                messages += usize::from(matches!(event, OwnedEvent::Message(_)));
                tell(messages, event, &mut case.recorder)
            });
            case.recorder
        });
    }

    #[test]
    #[should_panic(expected = "some were never sent, or in another order")]
    fn a_message_left_out_is_found() {
        told_otherwise(|number, event, recorder| match event {
            OwnedEvent::Message(_) if number == 30 => ControlFlow::Continue(()),
            event => recorder.tell(event),
        });
    }

    #[test]
    #[should_panic(expected = "some were never sent, or in another order")]
    fn a_message_told_twice_is_found() {
        told_otherwise(|number, event, recorder| {
            let again = matches!(event, OwnedEvent::Message(_) if number == 30).then(|| event.clone());
            recorder.tell(event)?;
            again.map_or(ControlFlow::Continue(()), |event| recorder.tell(event))
        });
    }

    #[test]
    #[should_panic(expected = "and lacks")]
    fn a_message_less_at_the_end_is_found() {
        // The 100 Posts and the connection's metadata; the last message says why it ends.
        told_otherwise(|number, event, recorder| match event {
            OwnedEvent::Message(_) if number == 102 => ControlFlow::Continue(()),
            event => recorder.tell(event),
        });
    }

    #[test]
    fn a_gap_cut_short_is_found() {
        let due: Vec<_> = (0..10).map(|nth| (nth, 1_000.0 * nth as f64)).collect();
        let delivered: BTreeSet<u64> = [2, 3, 7, 8].into();
        assert_eq!(lost(&delivered, &due, &[(3_500.0, 6_000.0)]), []);
        assert_eq!(lost(&delivered, &due, &[(3_500.0, 5_900.0)]), [(6, 6_000.0)]);
        assert_eq!(lost(&delivered, &due, &[(4_100.0, 6_000.0)]), [(4, 4_000.0)]);
        assert_eq!(lost(&delivered, &due, &[]).len(), 3);
    }
}
