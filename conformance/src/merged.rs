//! Several connections merged into one stream: each Post once, all Posts of all connections, and a
//! gap only while no connection was up.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use powerstream_client::config::{Config, Connections, Token};
use powerstream_client::merged::OwnedMergedEvent;
use powerstream_client::owned::OwnedEvent;
use powerstream_client::{Client, OpenError, Runtime};
use powerstream_core::merge::{GroupGap, Interrupted, MergeError, Topology};
use powerstream_core::time::UnixTime;
use powerstream_simulator::{FaultScope, Scenario, Simulator};

use crate::loopback::unused_address;
use crate::{parallel, posts};

/// What to read, and the recorder of its events.
#[derive(Debug)]
#[non_exhaustive]
pub struct TestCase {
    /// What to read.
    pub config: Connections,
    /// Records the events.
    pub recorder: Recorder,
}

/// Records events and says when the check is complete.
#[derive(Debug)]
pub struct Recorder {
    posts: usize,
    disconnects: usize,
    gaps: usize,
    received: Received,
}

#[derive(Default)]
struct Received {
    /// How often each Post was delivered.
    posts: BTreeMap<u64, usize>,
    /// The number of disconnects and failed connects, by connection.
    disconnects: BTreeMap<usize, usize>,
    /// When each connection's first stream began.
    begun: BTreeMap<usize, UnixTime>,
    interrupted: Vec<Interrupted>,
    gaps: Vec<GroupGap>,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { posts, disconnects, begun, interrupted, gaps } = self;
        write!(f, "{} Posts, {disconnects:?}, {begun:?}, {interrupted:?}, {gaps:?}", posts.len())
    }
}

impl Recorder {
    /// Records an event. Returns [`ControlFlow::Break`] once the check is complete: then drop the
    /// stream.
    pub fn record(&mut self, event: OwnedMergedEvent) -> ControlFlow<()> {
        let received = &mut self.received;
        match event {
            OwnedMergedEvent::Session { event: OwnedEvent::Message(message), .. } => {
                if let Some(id) = message.id() {
                    *received.posts.entry(id.as_u64()).or_default() += 1;
                }
            }
            OwnedMergedEvent::Session { connection, event: OwnedEvent::Disconnected(_) } => {
                *received.disconnects.entry(connection.index()).or_default() += 1;
            }
            OwnedMergedEvent::Session { connection, event: OwnedEvent::Connected(_) } => {
                received.begun.entry(connection.index()).or_insert_with(|| SystemTime::now().into());
            }
            OwnedMergedEvent::Interrupted(interrupted) => received.interrupted.push(interrupted),
            OwnedMergedEvent::Gap(gap) => received.gaps.push(gap),
            _ => {}
        }
        let is_enough = received.posts.len() >= self.posts
            && received.disconnects.values().sum::<usize>() >= self.disconnects
            && received.gaps.len() >= self.gaps;
        if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Runs every check of merged streams.
///
/// # Panics
/// If a check fails; standard error names it.
pub fn check(subject: &(dyn Fn(TestCase) -> Recorder + Sync)) {
    parallel(&CHECKS, 4, &|(name, check)| (name, Box::new(|| check(subject))));
}

/// Checks that a client opens no merged stream without connections.
///
/// # Panics
/// If it does.
pub fn check_no_connections<R: Runtime>() {
    let client = Client::<R>::new(Config::builder().build().unwrap());
    let error = client.merged(&Connections::new(Topology::Redundant)).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Merge(MergeError::Connections)), "{error:?}");
}

type Subject<'a> = dyn Fn(TestCase) -> Recorder + Sync + 'a;
type Check = fn(&Subject<'_>);

const CHECKS: [(&str, Check); 4] = [
    ("redundant connections, all healthy", all_well),
    ("redundant connections, one closed again and again", one_is_cut),
    ("redundant connections, one to a closed port", one_is_dead),
    ("partitioned connections, one closed", a_partition_is_cut),
];

const POSTS: usize = 200;

/// Starts a server that sends the same Posts to each connection, as fast as it reads.
fn server(seed: u64, scenario: Scenario, fault_on: FaultScope) -> Simulator {
    let mut config = powerstream_simulator::Config::default();
    config.source = posts(seed, POSTS);
    config.scenario = scenario;
    config.fault_on = Some(fault_on);
    config.fault_after = 20;
    Simulator::start(config).unwrap()
}

fn config(base_url: String) -> Config {
    Config::builder()
        .base_url(base_url)
        .token(Token::new("any").unwrap())
        .message_bytes_max(1 << 17)
        .backoff(|backoff| backoff.network.first = Duration::from_millis(20))
        .seed(1)
        .build()
        .unwrap()
}

fn run(
    subject: &Subject<'_>,
    group: Topology,
    base_urls: &[(&str, String)],
    until: (usize, usize, usize),
) -> Received {
    let mut merged = Connections::new(group);
    for (name, base_url) in base_urls {
        merged = merged.with(*name, config(base_url.clone()));
    }
    let (posts, disconnects, gaps) = until;
    let recorder = Recorder { posts, disconnects, gaps, received: Received::default() };
    let received = subject(TestCase { config: merged, recorder }).received;
    assert_eq!(received.posts.len(), posts);
    let twice: Vec<_> = received.posts.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "Posts delivered more than once: {twice:?}");
    received
}

fn all_well(subject: &Subject<'_>) {
    let servers = [0; 3].map(|_| server(5, Scenario::Steady, FaultScope::Every));
    let urls = servers.each_ref().map(|server| ("a", server.base_url()));
    let received = run(subject, Topology::Redundant, &urls, (POSTS, 0, 0));
    assert!(received.disconnects.is_empty() && received.gaps.is_empty(), "{received:?}");
}

fn one_is_cut(subject: &Subject<'_>) {
    let well = server(5, Scenario::Steady, FaultScope::Every);
    let cut = server(5, Scenario::CloseMidMessage, FaultScope::Every);
    let urls = [("well", well.base_url()), ("cut", cut.base_url())];
    let received = run(subject, Topology::Redundant, &urls, (POSTS, 4, 0));
    assert_eq!(received.disconnects.keys().collect::<Vec<_>>(), [&1], "{received:?}");
    // The healthy connection was up all the time, except for the moments before it had connected.
    let begun = received.begun[&0].saturating_add(Duration::from_millis(5));
    assert!(received.interrupted.iter().all(|interrupted| interrupted.from <= begun), "{received:?}");
    // A gap ends at the latest that the server's `Date` allows.
    let latest = begun.saturating_add(Duration::from_secs(2));
    assert!(received.gaps.iter().all(|gap| gap.to <= latest), "{received:?}");
    assert_eq!(well.ground_truth().totals().connections, 1);
}

fn one_is_dead(subject: &Subject<'_>) {
    let well = server(5, Scenario::Steady, FaultScope::Every);
    let unused = unused_address();
    let urls = [("dead", format!("http://{unused}")), ("well", well.base_url())];
    let received = run(subject, Topology::Redundant, &urls, (POSTS, 3, 0));
    assert_eq!(received.disconnects.keys().collect::<Vec<_>>(), [&0], "{received:?}");
    assert!(received.interrupted.is_empty() && received.gaps.is_empty(), "{received:?}");
}

fn a_partition_is_cut(subject: &Subject<'_>) {
    let well = server(5, Scenario::Steady, FaultScope::Every);
    let cut = server(6, Scenario::CloseBetween, FaultScope::First(1));
    let urls = [("well", well.base_url()), ("cut", cut.base_url())];
    let received = run(subject, Topology::Partitioned, &urls, (2 * POSTS, 1, 1));
    assert_eq!(received.disconnects.keys().collect::<Vec<_>>(), [&1], "{received:?}");
    assert_eq!(received.interrupted.len(), 1, "{received:?}");
    // The gap is that partition's.
    let groups: Vec<_> = received.gaps.iter().map(|gap| gap.group.number()).collect();
    assert_eq!(groups, [1], "{received:?}");
}
