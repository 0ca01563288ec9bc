//! The recovery of gaps, on scripted connections. Gaps end 2 ms after the start, because two
//! readings of the clock are rounded up.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use powerstream_client::merged::Position;
use powerstream_client::recovery::{Recovery, RecoveryConnection};
use powerstream_core::buffered::Buffered;
use powerstream_core::http::Origin;
use powerstream_core::merge::ReplicaGroup;
use powerstream_core::session::{Session, SessionConfig};
use powerstream_core::stream::PostId;
use powerstream_core::time::{TimeRange, UnixTime};

use crate::support::{
    Attempt, Stream, UNIX_BASE, Wire, World, id_of, line, merged, merged_with, post, run, sent_at, stream,
};

const HOUR: u64 = 3_600_000;
const END: &[u8] = b"0\r\n\r\n";

/// A stream whose earlier process had everything until so many milliseconds before the start, and
/// the outcomes of the requests for what is missing.
fn resumed(world: &Rc<World>, live: Attempt, before: u64, requests: Vec<Attempt>) -> Stream {
    let recovery = recovery(world, 0, requests, Arc::default());
    let mut stream = merged(world, [(0, vec![live])]).with_recoveries(vec![recovery]);
    stream.resume_from(&position(before), []);
    stream
}

/// Creates the recovery of a group, with the outcomes of its requests. It notes the ranges.
fn recovery(
    world: &Rc<World>,
    group: u16,
    requests: Vec<Attempt>,
    requested: Arc<Mutex<Vec<TimeRange>>>,
) -> RecoveryConnection<Vec<u8>, Vec<u8>, Wire> {
    let open = move |range, now, unix| {
        requested.lock().unwrap().push(range);
        let mut config = SessionConfig::new(Origin::parse("http://127.0.0.1:8080").unwrap());
        config.message_bytes_max = 1_000;
        config.backoff.jitter_percent = 0;
        let storage = vec![0; config.storage_bytes()];
        Buffered::new(Session::new(storage, &config, 1, now, unix).unwrap(), vec![0; 4_096])
    };
    RecoveryConnection::new(ReplicaGroup::new(group), Wire::new(world, requests), Some(Box::new(open)))
}

/// Returns the position of a group that had everything until so many milliseconds before the start.
fn position(before: u64) -> Position {
    Position::new(vec![(ReplicaGroup::new(0), UnixTime::from_millis(UNIX_BASE - before))])
}

/// A live stream of keep-alives.
fn quiet() -> Attempt {
    let keep_alives = (1..200).map(|at| at * 10_000);
    keep_alives.fold(stream::<&str>([]), |stream, at| stream.bytes(at, *b"2\r\n\r\n\r\n"))
}

fn recovery_events(events: &[String]) -> Vec<&str> {
    events.iter().filter(|event| event.contains(" recovery ")).map(String::as_str).collect()
}

#[test]
fn a_range_is_complete_when_the_server_has_ended_it() {
    let world = Rc::default();
    let request = stream([(10, post(1)), (20, post(2)), (30, post(1))]).bytes(40, END);
    let events = run(&mut resumed(&world, quiet(), HOUR, vec![request]), &world, 20_000);
    assert_eq!(
        recovery_events(&events),
        [
            // The range ends 2 ms after the start, and a request has whole seconds.
            "1000 recovery started -3600000 to 2",
            "1000 recovery post 1",
            "1000 recovery post 2",
            "1000 recovery completed -3600000 to 2, 2 Posts"
        ]
    );
}

#[test]
fn a_range_is_not_complete_after_an_announced_disconnect() {
    let world = Rc::default();
    let notice = r#"{"disconnect":{"code":1,"stream_name":"a","reason":"Shutdown"}}"#;
    let first = stream([(10, post(1)), (20, notice.to_owned())]).bytes(30, END);
    let second = stream([(10, post(1)), (20, post(2))]).bytes(30, END);
    let events = run(&mut resumed(&world, quiet(), HOUR, vec![first, second]), &world, 60_000);
    let events = recovery_events(&events);
    assert!(events[3].contains("recovery disconnected"), "{events:?}");
    assert!(events.last().unwrap().ends_with("completed -3600000 to 2, 2 Posts"), "{events:?}");
}

#[test]
fn keep_alives_never_complete_a_range() {
    let world = Rc::default();
    let keep_alive = *b"2\r\n\r\n\r\n";
    let request = (2..12).fold(stream([(10, post(1))]), |request, at| request.bytes(at * 1_000, keep_alive));
    let request = request.bytes(20_000, line(&post(2))).bytes(21_000, END);
    let events = run(&mut resumed(&world, quiet(), HOUR, vec![request]), &world, 30_000);
    let last = *recovery_events(&events).last().unwrap();
    assert!(last.contains("completed -3600000 to 2, 2 Posts"), "{events:?}");

    let world = Rc::default();
    let request = (1..40).fold(stream([(10, post(1))]), |request, at| request.bytes(at * 10_000, keep_alive));
    let events = run(&mut resumed(&world, quiet(), HOUR, vec![request]), &world, 300_000);
    let last = *recovery_events(&events).last().unwrap();
    assert!(last.contains("lost -3600000 to 2: the server stopped sending Posts"), "{last}");
}

#[test]
fn a_retry_delivers_posts_of_any_age() {
    let world = Rc::default();
    // The newest Post comes first, then the connection breaks.
    let first = stream([(10, post(900))]).bytes(20, *b"zz\r\n");
    let second = stream([(10, post(3)), (20, post(900))]).bytes(30, END);
    let events = run(&mut resumed(&world, quiet(), HOUR, vec![first, second]), &world, 60_000);
    let events = recovery_events(&events);
    assert!(events.iter().any(|event| event.ends_with("recovery post 3")), "{events:?}");
    assert_eq!(events.iter().filter(|event| event.ends_with("recovery post 900")).count(), 1, "{events:?}");
    assert!(events.last().unwrap().contains("completed -3600000 to 2, 2 Posts"), "{events:?}");
}

#[test]
fn without_recovery_the_missing_ranges_stay_in_the_position() {
    let world: Rc<World> = Rc::default();
    let mut stream = merged(&world, [(0, vec![quiet()])]);
    let mut position = position(10);
    let at = |before| UnixTime::from_millis(UNIX_BASE - before);
    let range = TimeRange { from: at(HOUR), to: at(HOUR / 2) };
    position.missing.push(Recovery::new(ReplicaGroup::new(0), range));
    stream.resume_from(&position, []);
    run(&mut stream, &world, 30_000);
    assert_eq!(stream.position().unwrap().missing, position.missing);
}

#[test]
fn what_is_older_than_a_day_is_lost_in_one_piece_and_the_rest_is_requested_two_hours_at_a_time() {
    let world = Rc::default();
    let requests = vec![stream::<&str>([]).bytes(100, END); 12];
    let mut resumed = resumed(&world, quiet(), 26 * HOUR, requests);
    let events = run(&mut resumed, &world, 60_000);
    let events = recovery_events(&events);
    let lost: Vec<_> = events.iter().filter(|event| event.contains("lost")).collect();
    assert_eq!(lost, [&"0 recovery lost -93600000 to -86340000: the service keeps Posts for 24 h only"]);
    let gaps = resumed.gap_monitors()[0].1.counts();
    assert_eq!((gaps.open, gaps.lost, gaps.open_time), (0, 1, Duration::ZERO));
    assert_eq!((gaps.recovered_ranges, gaps.lost_ranges), (12, 1));
    assert_eq!((gaps.closed_time.as_millis(), gaps.lost_time.as_millis()), (86_340_002, 7_260_000));
    let started = events.iter().filter(|event| event.contains("started")).count();
    let completed = events.iter().filter(|event| event.contains("completed")).count();
    assert_eq!((started, completed), (12, 12), "{events:?}");
    assert!(events.last().unwrap().contains(" to 2, 0 Posts"), "{events:?}");
}

#[test]
fn a_refusal_switches_recovery_off_and_reports_the_rest_as_lost() {
    let world = Rc::default();
    let refusal = Attempt::Open([].into()).bytes(0, "HTTP/1.1 400 x\r\ncontent-length: 0\r\n\r\n");
    let mut stream = resumed(&world, quiet(), 5 * HOUR, vec![refusal]);
    let events = run(&mut stream, &world, 20_000);
    let events = recovery_events(&events);
    assert!(events[1].contains("recovery refused 400"), "{events:?}");
    let lost: Vec<_> = events[2..].iter().map(|event| event.split(':').next().unwrap()).collect();
    assert_eq!(lost, ["0 recovery lost -18000000 to -10800000", "0 recovery lost -10800000 to 2"]);
    assert_eq!(stream.position().map(|position| position.missing), Some(Vec::new()));
}

#[test]
fn a_shutdown_keeps_what_was_not_received() {
    let world = Rc::default();
    let mut stream = resumed(&world, quiet(), 5 * HOUR, vec![stream([(10, post(1))])]);
    run(&mut stream, &world, 1_000);
    world.stopped.set(true);
    run(&mut stream, &world, 60_000);
    let missing = stream.position().unwrap().missing;
    let hours: u64 = missing.iter().map(|missing| missing.range.length().as_secs() / 3_600).sum();
    assert_eq!(hours, 5, "{missing:?}");
}

/// The next process must not ask for the hours of the other group, whose ids nothing remembers.
#[test]
fn after_a_restart_each_group_asks_only_for_what_it_missed() {
    const MINUTE: u64 = 60_000;
    let world: Rc<World> = Rc::default();
    let live = |group, alive| Attempt::Live { group, alive, silent: 0 };
    // The second group is refused after a minute.
    let mut before = merged(&world, [(0, vec![live(0, 9 * HOUR)]), (1, vec![live(1, MINUTE)])]);
    let events = run(&mut before, &world, 2 * HOUR);
    let position = before.position().unwrap();
    // The dedup window has forgotten the second group. The caller stores the last ids of each.
    let newest = |group, until: u64| {
        let numbers = (until / sent_at(1) - 100..=until / sent_at(1)).map(move |number| id_of(group, number));
        numbers.map(PostId::new)
    };
    let ids = newest(0, 2 * HOUR).chain(newest(1, MINUTE));

    world.now.set((2 * HOUR + MINUTE) * 1_000_000);
    let requested: [Arc<Mutex<Vec<TimeRange>>>; 2] = Default::default();
    let recoveries = [0, 1].map(|group: u16| {
        let requested = &requested[usize::from(group)];
        let answer = Attempt::Range { group: group.into(), requested: Arc::clone(requested) };
        recovery(&world, group, vec![answer; 8], Arc::clone(requested))
    });
    let lines = [(0, vec![live(0, 9 * HOUR)]), (1, vec![live(1, 9 * HOUR)])];
    let mut after = merged_with(&world, lines, 1 << 17).with_recoveries(recoveries.into());
    after.resume_from(&position, ids);
    let events = [events, run(&mut after, &world, 2 * HOUR + 3 * MINUTE)].concat();

    let mut posts = BTreeMap::<u64, u32>::new();
    for event in &events {
        if let Some((_, id)) = event.split_once(" post ") {
            *posts.entry(id.parse().unwrap()).or_default() += 1;
        }
    }
    let twice: Vec<_> = posts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{} Posts, from {:?} on", twice.len(), twice.first());
    let sent = |until: u64| 1..until / sent_at(1);
    let missing = [0, 1].map(|group| {
        let sent = sent(2 * HOUR + 2 * MINUTE).map(|number| id_of(group, number));
        sent.filter(|id| !posts.contains_key(id)).count()
    });
    assert_eq!(missing, [0, 0], "no Post is missing");

    let begins = requested.each_ref().map(|ranges| {
        let from = ranges.lock().unwrap().iter().map(|range| range.from.as_millis() - UNIX_BASE).min();
        from.unwrap() / 1_000
    });
    assert_eq!(begins, [7_198, 58], "a second or two before the last Post of each group");
}
