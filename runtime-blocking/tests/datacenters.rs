//! Two datacenters as one stream, against what the simulator knows that each of them sent.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use powerstream_blocking::core::merge::{Feed, FeedGap, Group};
use powerstream_blocking::core::session::SessionEvent;
use powerstream_blocking::core::time::UnixTime;
use powerstream_blocking::{Client, Config, Connections, MergedEvent, MergedStream, Token};
use powerstream_simulator::{ConnectionRecord, Datacenter, Delay, Simulator};

const NAMES: [&str; 2] = ["atla", "pdxa"];

/// Two datacenters of one service. The second one has each Post a third of a second later; both send one in ten twice.
fn service(rate: f64) -> Simulator {
    let mut config = powerstream_simulator::Config::default();
    config.rate = Some(rate);
    config.datacenters = NAMES.map(Datacenter::new).to_vec();
    config.datacenters[1].delay = Delay::Fixed(Duration::from_millis(333));
    for datacenter in &mut config.datacenters {
        datacenter.duplicates_percent = 10;
    }
    Simulator::start(config).unwrap()
}

fn stream(service: &Simulator, group: Group) -> MergedStream {
    let config = |name| {
        Config::builder()
            .base_url(service.base_url_of(name).unwrap())
            .token(Token::new("any").unwrap())
            .local_dc_only(group == Group::Partitioned)
            .backoff(|backoff| backoff.network.first = Duration::from_millis(20))
            .build()
            .unwrap()
    };
    let all = NAMES.into_iter().fold(Connections::new(group), |all, name| all.with(name, config(name)));
    Client::new(config(NAMES[0])).merged(&all).unwrap()
}

#[derive(Default)]
struct Came {
    /// Each Post's id, and how often it came.
    posts: BTreeMap<u64, usize>,
    gaps: Vec<FeedGap>,
}

/// Reads until `enough` says so, or all has ended.
fn read(stream: &mut MergedStream, mut enough: impl FnMut(&Came, &MergedEvent<'_>) -> bool) -> Came {
    let mut came = Came::default();
    while let Some(event) = stream.next() {
        match event {
            MergedEvent::Session { event: SessionEvent::Message(message), .. } => {
                if let Some(id) = message.id() {
                    *came.posts.entry(id.as_u64()).or_default() += 1;
                }
            }
            MergedEvent::Gap(gap) => came.gaps.push(gap),
            _ => {}
        }
        if enough(&came, &event) {
            break;
        }
    }
    came
}

/// What was sent, by connection: each Post's id, and when it was first written there.
fn sent(service: &Simulator) -> Vec<(ConnectionRecord, BTreeMap<u64, Instant>)> {
    let truth = service.ground_truth();
    let streams = truth.connections().into_iter().filter(|connection| connection.status == Some(200));
    streams
        .map(|connection| {
            let mut posts = BTreeMap::new();
            for message in truth.messages(connection.number) {
                if let Some(id) = message.post_id {
                    posts.entry(id).or_insert(message.written_at);
                }
            }
            (connection, posts)
        })
        .collect()
}

fn of<'a>(
    sent: &'a [(ConnectionRecord, BTreeMap<u64, Instant>)],
    name: &str,
) -> Vec<&'a BTreeMap<u64, Instant>> {
    sent.iter().filter(|(connection, _)| *connection.datacenter == *name).map(|(_, posts)| posts).collect()
}

fn each_once(came: &Came) {
    let again: Vec<_> = came.posts.iter().filter(|(_, times)| **times > 1).collect();
    assert!(again.is_empty(), "Posts that came more than once: {again:?}");
}

#[test]
fn who_was_first_and_by_how_much_is_what_the_service_knows() {
    let service = service(300.0);
    let mut stream = stream(&service, Group::Redundant);
    let came = read(&mut stream, |came, _| came.posts.len() == 600);
    each_once(&came);
    let sent = sent(&service);
    let ([early], [late]) = (&of(&sent, "atla")[..], &of(&sent, "pdxa")[..]) else {
        panic!("one stream of each")
    };

    let [first, second] = stream.merge().records() else { panic!() };
    // The early one brings what both have: all but what was under way before both were there.
    let both: Vec<_> =
        came.posts.keys().filter(|id| early.contains_key(id) && late.contains_key(id)).collect();
    assert!(both.len() > 300, "{}", both.len());
    assert!(first.wins() >= both.len() as u64 && first.wins() + second.wins() == 600, "{first:?} {second:?}");
    assert_eq!(first.losses(), 0);
    // Whoever lost, lost by what lay between the two writes.
    let mut lags: Vec<_> = both.iter().map(|id| late[id].saturating_duration_since(early[id])).collect();
    lags.sort();
    let (told, known) = (second.lags().quantile(500).unwrap(), lags[lags.len() / 2]);
    assert!(second.losses() > 100 && second.losses() <= both.len() as u64, "{}", second.losses());
    assert!(told.abs_diff(known) < known / 4, "told {told:?}, known {known:?}");
    // One in ten came twice from each; how many of them had been read by then is not known to the last one.
    let share = first.duplicates() as f64 / first.wins() as f64;
    assert!((0.05..0.16).contains(&share), "{share}");
}

#[test]
fn a_datacenter_that_dies_costs_nothing_where_the_other_has_all() {
    let service = service(300.0);
    let mut stream = stream(&service, Group::Redundant);
    let mut is_dead = false;
    // Two seconds in: a gap begins a second of travel early, and by then both have been there for longer.
    let came = read(&mut stream, |came, _| {
        if came.posts.len() == 600 && !is_dead {
            is_dead = service.kill("atla");
            assert!(is_dead);
        }
        came.posts.len() == 1_200
    });
    each_once(&came);
    assert!(came.gaps.is_empty(), "{:?}", came.gaps);
    // All that was sent from the first to the last is here.
    let sent = sent(&service);
    let last = *came.posts.keys().last().unwrap();
    let first = *came.posts.keys().next().unwrap();
    let late: BTreeSet<_> = of(&sent, "pdxa").into_iter().flatten().map(|(id, _)| *id).collect();
    let missing: Vec<_> = late.range(first..last).filter(|id| !came.posts.contains_key(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn where_each_has_its_own_the_gap_is_the_dead_ones() {
    let service = service(300.0);
    let mut stream = stream(&service, Group::Partitioned);
    let (mut killed_at, mut back_at) = (None, None);
    let came = read(&mut stream, |came, event| {
        match (killed_at, back_at) {
            (None, _) if came.posts.len() == 300 => {
                killed_at = Some(UnixTime::from(SystemTime::now()));
                assert!(service.kill("atla"));
            }
            (Some(_), None) if came.posts.len() == 450 => {
                back_at = Some(UnixTime::from(SystemTime::now()));
                assert!(service.restart("atla").unwrap());
            }
            _ => {}
        }
        matches!(event, MergedEvent::Gap(_))
    });
    each_once(&came);
    let [gap] = came.gaps[..] else { panic!("{:?}", came.gaps) };
    assert_eq!(gap.feed, Feed::new(0), "atla's, and nobody else's");
    let (killed_at, back_at) = (killed_at.unwrap(), back_at.unwrap());
    assert!(gap.from <= killed_at && gap.to >= back_at, "{gap:?}, dead from {killed_at:?} to {back_at:?}");

    // The union: what either sent, but for what was written and not read yet in the end, or lost with the connection.
    let sent = sent(&service);
    let (own, other): (BTreeSet<_>, BTreeSet<_>) = (
        of(&sent, "atla").into_iter().flatten().map(|(id, _)| *id).collect(),
        of(&sent, "pdxa").into_iter().flatten().map(|(id, _)| *id).collect(),
    );
    assert!(own.is_disjoint(&other), "each carries its own");
    assert!(came.posts.keys().any(|id| own.contains(id)) && came.posts.keys().any(|id| other.contains(id)));
    assert!(came.posts.keys().all(|id| own.contains(id) || other.contains(id)));
    let last = *came.posts.keys().rev().find(|id| other.contains(id)).unwrap();
    let missing: Vec<_> = other.range(..last).filter(|id| !came.posts.contains_key(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
