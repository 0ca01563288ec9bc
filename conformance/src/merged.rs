//! Several connections as one stream: each Post once, the union of what they carry, and a gap only where nobody was there.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use powerstream_client::config::{Config, Connections, Token};
use powerstream_client::merged::OwnedMergedEvent;
use powerstream_client::owned::OwnedEvent;
use powerstream_core::merge::{FeedGap, Group, Interrupted};
use powerstream_core::time::UnixTime;
use powerstream_simulator::{FaultScope, Scenario, Simulator};

use crate::{parallel, posts};

/// What is to be read, and who is to be told.
#[derive(Debug)]
#[non_exhaustive]
pub struct Case {
    /// What to read.
    pub config: Connections,
    /// Whom to tell.
    pub recorder: Recorder,
}

/// Keeps what came, and says when it is enough.
#[derive(Debug)]
pub struct Recorder {
    posts: usize,
    disconnects: usize,
    gaps: usize,
    came: Came,
}

#[derive(Default)]
struct Came {
    /// How often each Post came.
    posts: BTreeMap<u64, usize>,
    /// How often each connection ended, or was not made, by its place.
    disconnects: BTreeMap<usize, usize>,
    /// When each connection's first stream began, by its place.
    begun: BTreeMap<usize, UnixTime>,
    interrupted: Vec<Interrupted>,
    gaps: Vec<FeedGap>,
}

impl fmt::Debug for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { posts, disconnects, begun, interrupted, gaps } = self;
        write!(f, "{} Posts, {disconnects:?}, {begun:?}, {interrupted:?}, {gaps:?}", posts.len())
    }
}

impl Recorder {
    /// An event has come. [`ControlFlow::Break`] once it is enough: then the stream is to be dropped.
    pub fn tell(&mut self, event: OwnedMergedEvent) -> ControlFlow<()> {
        let came = &mut self.came;
        match event {
            OwnedMergedEvent::Session { event: OwnedEvent::Message(message), .. } => {
                if let Some(id) = message.id() {
                    *came.posts.entry(id.as_u64()).or_default() += 1;
                }
            }
            OwnedMergedEvent::Session { connection, event: OwnedEvent::Disconnected(_) } => {
                *came.disconnects.entry(connection.index()).or_default() += 1;
            }
            OwnedMergedEvent::Session { connection, event: OwnedEvent::Connected(_) } => {
                came.begun.entry(connection.index()).or_insert_with(|| SystemTime::now().into());
            }
            OwnedMergedEvent::Interrupted(interrupted) => came.interrupted.push(interrupted),
            OwnedMergedEvent::Gap(gap) => came.gaps.push(gap),
            _ => {}
        }
        let is_enough = came.posts.len() >= self.posts
            && came.disconnects.values().sum::<usize>() >= self.disconnects
            && came.gaps.len() >= self.gaps;
        if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Goes through everything that is asked of a merged stream.
///
/// # Panics
/// Where something is not as it should be; the text says what.
pub fn check(subject: &(dyn Fn(Case) -> Recorder + Sync)) {
    parallel(&CHECKS, 4, &|(name, check)| (name, Box::new(|| check(subject))));
}

type Subject<'a> = dyn Fn(Case) -> Recorder + Sync + 'a;
type Check = fn(&Subject<'_>);

const CHECKS: [(&str, Check); 4] = [
    ("redundant connections, all of them well", all_well),
    ("redundant connections, one of which is cut again and again", one_is_cut),
    ("redundant connections, one of which is never made", one_is_dead),
    ("partitions, one of which is cut", a_partition_is_cut),
];

const POSTS: usize = 200;

/// A server that sends these Posts to each connection, as fast as it reads.
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
    group: Group,
    base_urls: &[(&str, String)],
    until: (usize, usize, usize),
) -> Came {
    let mut merged = Connections::new(group);
    for (name, base_url) in base_urls {
        merged = merged.with(*name, config(base_url.clone()));
    }
    let (posts, disconnects, gaps) = until;
    let recorder = Recorder { posts, disconnects, gaps, came: Came::default() };
    let came = subject(Case { config: merged, recorder }).came;
    assert_eq!(came.posts.len(), posts);
    let twice: Vec<_> = came.posts.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "Posts that came more than once: {twice:?}");
    came
}

fn all_well(subject: &Subject<'_>) {
    let servers = [0; 3].map(|_| server(5, Scenario::Steady, FaultScope::Every));
    let urls = servers.each_ref().map(|server| ("a", server.base_url()));
    let came = run(subject, Group::Redundant, &urls, (POSTS, 0, 0));
    assert!(came.disconnects.is_empty() && came.gaps.is_empty(), "{came:?}");
}

fn one_is_cut(subject: &Subject<'_>) {
    let well = server(5, Scenario::Steady, FaultScope::Every);
    let cut = server(5, Scenario::CloseMidMessage, FaultScope::Every);
    let urls = [("well", well.base_url()), ("cut", cut.base_url())];
    let came = run(subject, Group::Redundant, &urls, (POSTS, 4, 0));
    assert_eq!(came.disconnects.keys().collect::<Vec<_>>(), [&1], "{came:?}");
    // Whoever was well was there all the time, but for the moments before it had connected.
    let begun = came.begun[&0].saturating_add(Duration::from_millis(5));
    assert!(came.interrupted.iter().all(|interrupted| interrupted.from <= begun), "{came:?}");
    assert!(came.gaps.iter().all(|gap| gap.to <= begun), "{came:?}");
    assert_eq!(well.ground_truth().totals().connections, 1);
}

fn one_is_dead(subject: &Subject<'_>) {
    let well = server(5, Scenario::Steady, FaultScope::Every);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = [("dead", format!("http://{nobody}")), ("well", well.base_url())];
    let came = run(subject, Group::Redundant, &urls, (POSTS, 3, 0));
    assert_eq!(came.disconnects.keys().collect::<Vec<_>>(), [&0], "{came:?}");
    assert!(came.interrupted.is_empty() && came.gaps.is_empty(), "{came:?}");
}

fn a_partition_is_cut(subject: &Subject<'_>) {
    let well = server(5, Scenario::Steady, FaultScope::Every);
    let cut = server(6, Scenario::CloseBetween, FaultScope::First(1));
    let urls = [("well", well.base_url()), ("cut", cut.base_url())];
    let came = run(subject, Group::Partitioned, &urls, (2 * POSTS, 1, 1));
    assert_eq!(came.disconnects.keys().collect::<Vec<_>>(), [&1], "{came:?}");
    assert_eq!(came.interrupted.len(), 1, "{came:?}");
    // The gap is that partition's.
    let feeds: Vec<_> = came.gaps.iter().map(|gap| gap.feed.number()).collect();
    assert_eq!(feeds, [1], "{came:?}");
}
