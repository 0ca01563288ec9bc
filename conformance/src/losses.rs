//! Nothing is lost unseen: every scenario that is shipped, on a feed that goes on whether or not anybody listens.
//!
//! Other than in [`scripts`](crate::scripts), no two runs are the same, and none has to be: whatever happens, and however busy the machine
//! is, short of taking a second for what is one read, three things must hold.
//!
//! - Each line whose end a read returned is delivered, in its order, once for each connection that brought it.
//! - Each line that was sent before an end that takes nothing with it (a FIN, the last chunk, a broken one) was read.
//! - Each Post that is missing was sent, or would have been, in a span of which the client says that Posts may be missing
//!   (the gap with which a stream begins, or what lies behind the moment up to which a session vouches for having delivered everything).
//!
//! What a read returned is known from a [`Tape`], what was sent from the simulator's truth, which Posts there were from its feed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime};

use powerstream_client::config::{Config, Connections, Token};
use powerstream_client::merged::OwnedMergedEvent;
use powerstream_client::net::tcp::Reactor;
use powerstream_client::owned::OwnedEvent;
use powerstream_client::shutdown::Shutdown;
use powerstream_client::transport::{Trust, open, open_merged};
use powerstream_core::merge::Group;
use powerstream_core::session::Gap;
use powerstream_core::time::UnixTime;
use powerstream_simulator::{Datacenter, FaultScope, GroundTruth, Scenario, Simulator};

use crate::account::{Absence, Account, FOR_EVER, Sent, Stream, Sum};
use crate::lines::{LINE_BYTES_MAX, Line};
use crate::parallel;
use crate::tape::{Reel, Tape, Taped};

/// Posts a second.
const RATE: f64 = 300.0;

/// Posts before the fault, where the scenario leaves that open; and on how many connections it comes.
const FAULT_AFTER: u64 = 50;
const FAULTS: u64 = 3;

/// No run takes so long, on whatever machine.
const LONG: Duration = Duration::from_secs(240);

/// What is to be read, and who is to be told.
#[derive(Debug)]
#[non_exhaustive]
pub struct Case {
    /// What to read.
    pub config: Config,
    /// Where to write down what reads return: see [`Taped`].
    pub tape: Tape,
    /// Whom to tell.
    pub recorder: Recorder,
}

/// What is to be read as one stream, and who is to be told.
#[derive(Debug)]
#[non_exhaustive]
pub struct MergedCase {
    /// What to read.
    pub config: Connections,
    /// Where to write down what reads return.
    pub tape: Tape,
    /// Whom to tell.
    pub recorder: Recorder,
}

impl Case {
    /// Reads it on a runtime, as the adapters' clients put a stream together.
    pub async fn read<R: Reactor<Socket: 'static>>(self, reactor: R, shutdown: &Shutdown) -> Recorder {
        let Self { config, tape, mut recorder } = self;
        let mut line = open(&config, &Trust::default(), Taped::new(reactor, tape), shutdown).unwrap();
        while let Some(event) = line.next().await {
            if recorder.tell(event.into()).is_break() {
                shutdown.shutdown();
            }
        }
        recorder.ended(line.buffered().session().covered_until())
    }
}

impl MergedCase {
    /// Reads it on a runtime, with a reactor for each connection.
    pub async fn read<R: Reactor<Socket: 'static>>(
        self,
        mut reactor: impl FnMut() -> R,
        shutdown: &Shutdown,
    ) -> Recorder {
        let Self { config, tape, mut recorder } = self;
        let taped = || Taped::new(reactor(), tape.clone());
        let mut merged = open_merged(&config, &Trust::default(), taped, shutdown).unwrap();
        while let Some(event) = merged.next().await {
            if recorder.tell_merged(event.into()).is_break() {
                shutdown.shutdown();
            }
        }
        let sessions = merged.lines().iter().map(|line| line.driven().buffered().session());
        recorder.ended(sessions.filter_map(|session| session.covered_until()).max())
    }
}

/// Keeps what came. `Send`, so that it can go along with a stream into its task or thread.
#[derive(Debug)]
pub struct Recorder {
    truth: GroundTruth,
    began: Instant,
    until: Until,
    came: Came,
}

/// When a scenario has been seen.
#[derive(Clone, Copy, Debug)]
struct Until {
    /// So many connections were made, or more,
    connections: u64,
    /// and the last stream has brought so many messages.
    messages: usize,
}

/// What a client told.
#[derive(Debug, Default)]
struct Came {
    /// What was delivered, by stream.
    streams: Vec<Vec<Line>>,
    /// Of a merged stream: the Posts, and messages since a connection last began.
    posts: Vec<u64>,
    messages: usize,
    /// When the first stream had begun.
    begun: Option<UnixTime>,
    absences: Vec<Absence>,
    /// Everything before was delivered, where nothing else is told of.
    covered_until: Option<UnixTime>,
    is_through: bool,
    last: Option<String>,
}

impl Recorder {
    fn new(simulator: &Simulator, until: Until) -> Self {
        Self { truth: simulator.ground_truth(), began: Instant::now(), until, came: Came::default() }
    }

    /// An event has come. [`ControlFlow::Break`] once it is enough: then the stream is to be shut down, and what it still hands out is to be
    /// told too, until there will be no more.
    pub fn tell(&mut self, event: OwnedEvent) -> ControlFlow<()> {
        let came = &mut self.came;
        match event {
            OwnedEvent::Connected(connected) => {
                came.begins(connected.gap);
                came.streams.push(Vec::new());
            }
            OwnedEvent::Message(message) => {
                came.messages += 1;
                came.streams.last_mut().expect("a stream").push(Line::new(&message.bytes));
            }
            OwnedEvent::Skipped { bytes } => {
                came.streams.last_mut().expect("a stream").push(Line::TooLong(bytes));
            }
            OwnedEvent::KeepAlive => {}
            event => came.last = Some(format!("{event:?}")),
        }
        self.go_on()
    }

    /// The same for a merged stream.
    pub fn tell_merged(&mut self, event: OwnedMergedEvent) -> ControlFlow<()> {
        let came = &mut self.came;
        match event {
            OwnedMergedEvent::Session { event: OwnedEvent::Message(message), .. } => {
                came.messages += 1;
                came.posts.extend(message.id().map(|id| id.as_u64()));
            }
            // What one connection misses is no gap of the stream.
            OwnedMergedEvent::Session { event: OwnedEvent::Connected(_), .. } => came.begins(None),
            OwnedMergedEvent::Gap(gap) => came.absences.push(Absence { from: gap.from, to: gap.to }),
            event => came.last = Some(format!("{event:?}")),
        }
        self.go_on()
    }

    fn go_on(&mut self) -> ControlFlow<()> {
        let Until { connections, messages } = self.until;
        if self.came.messages >= messages && self.truth.totals().connections >= connections {
            self.came.is_through = true;
        }
        let is_enough = self.came.is_through || self.began.elapsed() > LONG;
        if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// There are no more events, and the session vouches for everything up to this moment: its
    /// [`covered_until`](powerstream_core::session::Session::covered_until), of a merged stream the latest one of them.
    #[must_use]
    pub fn ended(mut self, covered_until: Option<UnixTime>) -> Self {
        self.came.covered_until = covered_until;
        self
    }
}

impl Came {
    fn check_end(&self, simulator: &Simulator) {
        let (totals, last) = (simulator.ground_truth().totals(), &self.last);
        assert!(self.is_through, "it did not come to its end: {totals:?}, the last event: {last:?}");
        assert_eq!(totals.forgotten, 0, "the truth is too short");
    }

    fn begins(&mut self, gap: Option<Gap>) {
        self.messages = 0;
        self.begun.get_or_insert_with(|| SystemTime::now().into());
        self.absences.extend(gap.map(|gap| Absence { from: gap.from, to: gap.to }));
    }
}

/// A scenario, and what is known of it.
#[derive(Clone, Copy, Debug)]
struct Scene {
    scenario: Scenario,
    until: Until,
    /// Its ends take nothing with them.
    is_orderly: bool,
    /// It lasts too long for nothing to be missing.
    loses: bool,
    /// Silence and heads are borne for so long: not long where they are what is awaited.
    patience: Duration,
}

impl Scene {
    fn of(scenario: Scenario) -> Self {
        use Scenario as S;
        let connections = match scenario {
            S::Stall
            | S::Reset
            | S::CloseMidMessage
            | S::CloseBetween
            | S::CleanEnd
            | S::BadChunk
            | S::OperationalDisconnect
            | S::RateLimited
            | S::TooManyConnections
            | S::Unavailable
            | S::AcceptClose => FAULTS + 1,
            S::FlakyNetwork => 16,
            S::RateLimitStorm => 7,
            S::SilentStall => 4,
            S::SlowReader | S::DatacenterFailover => 3,
            S::Hostile => 41,
            _ => 1,
        };
        let is_orderly = matches!(
            scenario,
            S::CloseMidMessage
                | S::CloseBetween
                | S::CleanEnd
                | S::BadChunk
                | S::OperationalDisconnect
                | S::AcceptClose
                | S::SlowReader
        );
        let loses = matches!(
            scenario,
            S::Stall | S::SilentStall | S::RateLimitStorm | S::DatacenterFailover | S::SlowReader
        );
        let patience = Duration::from_secs(match scenario {
            S::Hostile => 1,
            S::Stall | S::SilentStall => 2,
            _ => 25,
        });
        Self { scenario, until: Until { connections, messages: 150 }, is_orderly, loses, patience }
    }

    /// Those that take longest first.
    fn all() -> Vec<Self> {
        Scenario::all().iter().rev().copied().map(Self::of).collect()
    }

    /// Several of its connections struck, where it says so itself of one.
    fn start(&self, datacenters: &[&str]) -> Simulator {
        let mut config = powerstream_simulator::Config::default();
        config.rate = Some(RATE);
        config.scenario = self.scenario;
        config.fault_after = FAULT_AFTER;
        config.fault_on = (self.until.connections == FAULTS + 1).then_some(FaultScope::First(FAULTS));
        config.rate_limit_reset = Duration::from_secs(1);
        config.datacenters = datacenters.iter().map(|name| Datacenter::new(name)).collect();
        // Of a machine that is busy no more than of one that is not.
        config.head_timeout = LONG;
        Simulator::start(config).unwrap()
    }

    fn config(&self, base_url: String) -> Config {
        let millis = Duration::from_millis;
        Config::builder()
            .base_url(base_url)
            .token(Token::new("any").unwrap())
            .local_dc_only(self.scenario == Scenario::DatacenterFailover)
            .message_bytes_max(LINE_BYTES_MAX)
            .timeouts(|timeouts| {
                timeouts.silence = self.patience;
                timeouts.head = self.patience;
                timeouts.message = self.patience;
            })
            // Faster than life, so that a test may wait for it. What a server names is waited for as it says.
            .backoff(|backoff| {
                for (schedule, first) in
                    [(&mut backoff.network, 20), (&mut backoff.http, 20), (&mut backoff.rate_limit, 300)]
                {
                    (schedule.first, schedule.ceiling) = (millis(first), millis(500));
                }
            })
            .seed(7)
            .build()
            .unwrap()
    }

    fn check(&self, subject: &(dyn Fn(Case) -> Recorder + Sync)) -> Sum {
        let simulator = self.start(&[]);
        let clocks = Clocks::read();
        let (tape, recorder) = (Tape::default(), Recorder::new(&simulator, self.until));
        let config = self.config(simulator.base_url());
        let came = subject(Case { config, tape: tape.clone(), recorder }).came;
        came.check_end(&simulator);
        let mut delivered = came.streams.clone().into_iter();
        let reels = tape.reels();
        let streams = streams(&simulator.ground_truth(), &clocks, &reels, |is_stream| {
            if is_stream { delivered.next().expect("a stream that was told of") } else { Vec::new() }
        });
        assert_eq!(delivered.next(), None, "a stream was told of that was none");
        self.check_account(&simulator, came, streams, None)
    }

    fn check_merged(&self, subject: &(dyn Fn(MergedCase) -> Recorder + Sync)) -> Sum {
        let simulator = self.start(&["atla", "pdxa"]);
        let clocks = Clocks::read();
        let (tape, recorder) = (Tape::default(), Recorder::new(&simulator, self.until));
        let config = simulator.datacenters().into_iter().fold(
            Connections::new(Group::Redundant),
            |list, (name, base_url)| {
                let builder = self.config(base_url).to_builder();
                list.with(name, builder.local_dc_only(false).build().unwrap())
            },
        );
        let came = subject(MergedCase { config, tape: tape.clone(), recorder }).came;
        came.check_end(&simulator);
        let reels = tape.reels();
        let streams = streams(&simulator.ground_truth(), &clocks, &reels, |_| Vec::new());
        let posts = came.posts.clone();
        self.check_account(&simulator, came, streams, Some(posts))
    }

    fn check_account(
        &self,
        simulator: &Simulator,
        came: Came,
        mut streams: Vec<Stream>,
        merged: Option<Vec<u64>>,
    ) -> Sum {
        let Came { begun, mut absences, covered_until, .. } = came;
        if let Some((_, others)) = streams.split_last_mut() {
            others
                .iter_mut()
                .for_each(|stream| stream.is_orderly = self.is_orderly && !stream.read.is_empty());
        }
        let from = covered_until.expect("a moment up to which everything was delivered");
        absences.push(Absence { from, to: FOR_EVER });
        let due = simulator.post_ids(begun.expect("a stream").as_millis() + 1, u64::MAX);
        let account = Account { streams, due, absences, merged };
        let sum = account.check().unwrap_or_else(|wrong| {
            panic!("{wrong}; told to be missing: {:?}", account.absences);
        });
        // Those behind the end are never delivered: what is asked for is one that was missed on the way.
        let behind = account.due.iter().rev().take_while(|id| !account.is_delivered(**id)).count();
        assert!(!self.loses || sum.missing > behind, "nothing was missing, as if nothing had happened");
        assert!(sum.delivered >= self.until.messages / 2, "hardly anything came: {sum:?}");
        sum
    }
}

/// The monotonic clock and the wall clock at the same moment; should this thread have to wait between the two, then nothing is thought to
/// be sent later than it was.
struct Clocks(Instant, SystemTime);

impl Clocks {
    fn read() -> Self {
        let wall = SystemTime::now();
        Self(Instant::now(), wall)
    }

    fn unix(&self, at: Instant) -> UnixTime {
        match at.checked_duration_since(self.0) {
            Some(since) => (self.1 + since).into(),
            None => (self.1 - (self.0 - at)).into(),
        }
    }
}

/// What the server sent over each connection, in the order in which the client made them, with what the client read there; `delivered`
/// is told whether that was a stream. Behind them what was sent over connections that the client knows nothing of.
fn streams(
    truth: &GroundTruth,
    clocks: &Clocks,
    reels: &[Reel],
    mut delivered: impl FnMut(bool) -> Vec<Line>,
) -> Vec<Stream> {
    // An address may be used again.
    let mut by_peer: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for connection in truth.connections().iter().rev() {
        by_peer.entry(connection.peer).or_default().push(connection.number);
    }
    let sent = |number: u64| {
        let sent = truth.messages(number).into_iter().map(|message| Sent {
            line: Line::new(message.bytes.as_deref().expect("a truth that has all its bytes")),
            post: message.post_id,
            at: clocks.unix(message.written_at),
        });
        sent.collect::<Vec<_>>()
    };
    let mut streams = Vec::new();
    for reel in reels {
        // Of one that was reset before the server accepted it, the server knows nothing.
        let number = reel.local.and_then(|local| by_peer.get_mut(&local)?.pop());
        streams.push(Stream {
            sent: number.map(sent).unwrap_or_default(),
            read: reel.lines().to_vec(),
            delivered: delivered(reel.is_stream()),
            is_orderly: false,
        });
    }
    let unknown = by_peer.into_values().flatten();
    streams.extend(unknown.map(|number| Stream { sent: sent(number), ..Stream::default() }));
    streams
}

/// Runs every scenario.
///
/// # Panics
/// Where something is lost that was read, or is missing that was not told of; the text says which scenario it was.
pub fn check(subject: &(dyn Fn(Case) -> Recorder + Sync)) {
    run(&Scene::all(), &|scene| scene.check(subject));
}

/// Runs `datacenter-failover` with a connection to each of two datacenters, merged.
///
/// # Panics
/// As [`check`]; and where a Post is delivered twice.
pub fn check_merged(subject: &(dyn Fn(MergedCase) -> Recorder + Sync)) {
    let mut scene = Scene::of(Scenario::DatacenterFailover);
    // Whichever of the two has its hundredth Post first goes down, and comes back; the other one may be there all the time.
    (scene.loses, scene.until.messages) = (false, 2 * RATE as usize);
    run(&[scene], &|scene| scene.check_merged(subject));
}

fn run(scenes: &[Scene], check: &(dyn Fn(&Scene) -> Sum + Sync)) {
    parallel(scenes, 6, &|scene| {
        (
            scene.scenario.name(),
            Box::new(|| {
                let began = Instant::now();
                let sum = check(scene);
                println!("{}: {sum:?} in {:?}", scene.scenario, began.elapsed());
            }),
        )
    });
}

#[cfg(test)]
mod tests {
    use powerstream_core::session::SessionEvent;

    use super::*;
    use crate::by_hand;

    fn read_by_hand(mut case: Case, mut leaves_out: impl FnMut(&SessionEvent<'_>) -> bool) -> Recorder {
        let covered = by_hand::drive(&case.config, &case.tape, |event| {
            if leaves_out(&event) { ControlFlow::Continue(()) } else { case.recorder.tell(event.into()) }
        });
        case.recorder.ended(covered)
    }

    #[test]
    fn the_yardstick_loses_nothing_unseen() {
        check(&|case| read_by_hand(case, |_| false));
    }

    #[test]
    #[should_panic(expected = "is not what was delivered")]
    fn a_message_that_is_missing_is_found() {
        let _ = Scene::of(Scenario::Steady).check(&|case| {
            let mut nth = 0;
            read_by_hand(case, |event| {
                nth += usize::from(matches!(event, SessionEvent::Message(_)));
                nth == 10
            })
        });
    }
}
