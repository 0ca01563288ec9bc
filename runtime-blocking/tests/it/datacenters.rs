//! Two datacenters as one stream, compared with the simulator's ground truth log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use powerstream_blocking::core::merge::{GroupGap, ReplicaGroup, Topology};
use powerstream_blocking::core::session::SessionEvent;
use powerstream_blocking::core::time::UnixTime;
use powerstream_blocking::{Client, Config, Connections, MergedEvent, MergedStream, Token};
use powerstream_simulator::{ConnectionRecord, Datacenter, Delay, Simulator};

const NAMES: [&str; 2] = ["atla", "pdxa"];

/// Starts two datacenters of one service. The second sends each Post a third of a second later;
/// both send one in ten twice.
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

fn stream(service: &Simulator, group: Topology) -> MergedStream {
    let config = |name| {
        Config::builder()
            .base_url(service.base_url_of(name).unwrap())
            .token(Token::new("any").unwrap())
            .local_dc_only(group == Topology::Partitioned)
            .backoff(|backoff| backoff.network.first = Duration::from_millis(20))
            .build()
            .unwrap()
    };
    let all = NAMES.into_iter().fold(Connections::new(group), |all, name| all.with(name, config(name)));
    Client::new(config(NAMES[0])).merged(&all).unwrap()
}

#[derive(Default)]
struct Received {
    /// Each Post's id, and how often it was delivered.
    posts: BTreeMap<u64, usize>,
    gaps: Vec<GroupGap>,
}

/// Reads until `enough` returns true, or the stream ends.
fn read(stream: &mut MergedStream, mut enough: impl FnMut(&Received, &MergedEvent<'_>) -> bool) -> Received {
    let mut received = Received::default();
    while let Some(event) = stream.next() {
        match event {
            MergedEvent::Session { event: SessionEvent::Message(message), .. } => {
                if let Some(id) = message.id() {
                    *received.posts.entry(id.as_u64()).or_default() += 1;
                }
            }
            MergedEvent::Gap(gap) => received.gaps.push(gap),
            _ => {}
        }
        if enough(&received, &event) {
            break;
        }
    }
    received
}

/// Returns what was sent, by connection: each Post's id, and when it was first written.
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

fn each_once(received: &Received) {
    let again: Vec<_> = received.posts.iter().filter(|(_, times)| **times > 1).collect();
    assert!(again.is_empty(), "Posts delivered more than once: {again:?}");
}

#[test]
fn first_arrivals_and_lags_agree_with_the_ground_truth_log() {
    let service = service(300.0);
    let mut stream = stream(&service, Topology::Redundant);
    let received = read(&mut stream, |received, _| received.posts.len() == 600);
    each_once(&received);
    let sent = sent(&service);
    let ([early], [late]) = (&of(&sent, "atla")[..], &of(&sent, "pdxa")[..]) else {
        panic!("one stream of each")
    };

    let [first, second] = stream.merge().connections() else { panic!() };
    // The early datacenter wins all Posts that both sent, except those sent before both streams
    // started.
    let both: Vec<_> =
        received.posts.keys().filter(|id| early.contains_key(id) && late.contains_key(id)).collect();
    assert!(both.len() > 300, "{}", both.len());
    assert!(
        first.first_arrivals() >= both.len() as u64
            && first.first_arrivals() + second.first_arrivals() == 600,
        "{first:?} {second:?}"
    );
    assert_eq!(first.late_arrivals(), 0);
    // The lag is the time between the two writes.
    let mut lags: Vec<_> = both.iter().map(|id| late[id].saturating_duration_since(early[id])).collect();
    lags.sort();
    let (reported, known) = (second.lags().quantile(500).unwrap(), lags[lags.len() / 2]);
    assert!(
        second.late_arrivals() > 100 && second.late_arrivals() <= both.len() as u64,
        "{}",
        second.late_arrivals()
    );
    assert!(reported.abs_diff(known) < known / 4, "reported {reported:?}, known {known:?}");
    // One in ten was sent twice by each; the exact number read by now depends on timing.
    let share = first.duplicates() as f64 / first.first_arrivals() as f64;
    assert!((0.05..0.16).contains(&share), "{share}");
}

#[test]
fn loses_nothing_when_one_of_two_replicas_goes_down() {
    let service = service(300.0);
    let mut stream = stream(&service, Topology::Redundant);
    let mut is_dead = false;
    // After four seconds, so that the other stream covers the start of the gap. A gap starts more
    // than 1 s early, and `Date` shows the start of a stream only to within 1 s.
    let received = read(&mut stream, |received, _| {
        if received.posts.len() == 1_200 && !is_dead {
            is_dead = service.kill("atla");
            assert!(is_dead);
        }
        received.posts.len() == 1_800
    });
    each_once(&received);
    assert!(received.gaps.is_empty(), "{:?}", received.gaps);
    // Everything sent between the first and the last Post was delivered.
    let sent = sent(&service);
    let last = *received.posts.keys().last().unwrap();
    let first = *received.posts.keys().next().unwrap();
    let late: BTreeSet<_> = of(&sent, "pdxa").into_iter().flatten().map(|(id, _)| *id).collect();
    let missing: Vec<_> = late.range(first..last).filter(|id| !received.posts.contains_key(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn reports_the_gap_of_the_partition_that_went_down() {
    let service = service(300.0);
    let mut stream = stream(&service, Topology::Partitioned);
    let (mut killed_at, mut back_at) = (None, None);
    let received = read(&mut stream, |received, event| {
        match (killed_at, back_at) {
            (None, _) if received.posts.len() == 300 => {
                killed_at = Some(UnixTime::from(SystemTime::now()));
                assert!(service.kill("atla"));
            }
            (Some(_), None) if received.posts.len() == 450 => {
                back_at = Some(UnixTime::from(SystemTime::now()));
                assert!(service.restart("atla").unwrap());
            }
            _ => {}
        }
        matches!(event, MergedEvent::Gap(_))
    });
    each_once(&received);
    let [gap] = received.gaps[..] else { panic!("{:?}", received.gaps) };
    assert_eq!(gap.group, ReplicaGroup::new(0), "only atla has a gap");
    let (killed_at, back_at) = (killed_at.unwrap(), back_at.unwrap());
    assert!(gap.from <= killed_at && gap.to >= back_at, "{gap:?}, dead from {killed_at:?} to {back_at:?}");

    // The union of what both sent, except what was not read yet, or was lost with the connection.
    let sent = sent(&service);
    let (own, other): (BTreeSet<_>, BTreeSet<_>) = (
        of(&sent, "atla").into_iter().flatten().map(|(id, _)| *id).collect(),
        of(&sent, "pdxa").into_iter().flatten().map(|(id, _)| *id).collect(),
    );
    assert!(own.is_disjoint(&other), "each carries different Posts");
    assert!(
        received.posts.keys().any(|id| own.contains(id))
            && received.posts.keys().any(|id| other.contains(id))
    );
    assert!(received.posts.keys().all(|id| own.contains(id) || other.contains(id)));
    let last = *received.posts.keys().rev().find(|id| other.contains(id)).unwrap();
    let missing: Vec<_> = other.range(..last).filter(|id| !received.posts.contains_key(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
