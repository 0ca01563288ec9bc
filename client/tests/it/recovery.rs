//! The recovery of gaps, on scripted connections. Gaps end 2 ms after the start, because two
//! readings of the clock are rounded up.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use powerstream_client::merged::{MergedEvent, Position};
use powerstream_client::recovery::{Recovery, RecoveryConnection, RecoveryEvent};
use powerstream_core::buffered::Buffered;
use powerstream_core::http::Origin;
use powerstream_core::merge::ReplicaGroup;
use powerstream_core::session::{Session, SessionConfig};
use powerstream_core::stream::PostId;
use powerstream_core::time::{TimeRange, UnixTime};

use crate::support::{
    Attempt, Stream, UNIX_BASE, Wire, World, id_of, line, merged, merged_with, post, run, sent_at, stream,
};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
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

/// A refusal that a retry cannot resolve.
fn refused_at(at: u64) -> Attempt {
    Attempt::Open([].into()).bytes(at, "HTTP/1.1 400 x\r\ncontent-length: 0\r\n\r\n")
}

/// Runs a stream for a minute. Its earlier process had everything until so many milliseconds before
/// the start, except for these ranges. Returns the events of the recovery, and the ranges that it
/// requests. Times are in milliseconds from the start.
fn recovers(before: u64, missing: &[(i64, i64)], requests: Vec<Attempt>) -> (Vec<String>, Vec<(i64, i64)>) {
    let world = Rc::default();
    let requested = Arc::default();
    let recovery = recovery(&world, 0, requests, Arc::clone(&requested));
    let mut stream = merged(&world, [(0, vec![quiet()])]).with_recoveries(vec![recovery]);
    let mut position = position(before);
    let at = |millis: i64| UnixTime::from_millis(UNIX_BASE.saturating_add_signed(millis));
    let ranges = missing.iter().map(|(from, to)| TimeRange { from: at(*from), to: at(*to) });
    position.missing = ranges.map(|range| Recovery::new(ReplicaGroup::new(0), range)).collect();
    stream.resume_from(&position, []);
    let events = run(&mut stream, &world, MINUTE);
    let events = recovery_events(&events).into_iter().map(str::to_owned).collect();
    let since = |time: UnixTime| time.as_millis() as i64 - UNIX_BASE as i64;
    let requested = requested.lock().unwrap();
    (events, requested.iter().map(|range| (since(range.from), since(range.to))).collect())
}

/// Answers that have no Posts.
fn empty(count: usize) -> Vec<Attempt> {
    vec![stream::<&str>([]).bytes(100, END); count]
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

    // A message over the limit shows that the server goes on.
    let world = Rc::default();
    let keep_alives = |request: Attempt, from: u64| {
        (from..from + 14).fold(request, |request, at| request.bytes(at * 1_000, keep_alive))
    };
    let request = keep_alives(stream([(10, post(1))]), 2).bytes(16_500, line(&"x".repeat(1_100)));
    let request = keep_alives(request, 17).bytes(31_500, line(&post(2))).bytes(32_000, END);
    let events = run(&mut resumed(&world, quiet(), HOUR, vec![request]), &world, 40_000);
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
    let mut stream = resumed(&world, quiet(), 5 * HOUR, vec![refused_at(0)]);
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
    let hours = |stream: &Stream| -> u64 {
        let missing = stream.position().unwrap().missing;
        missing.iter().map(|missing| missing.range.length().as_secs() / 3_600).sum()
    };
    assert_eq!(hours(&stream), 5, "the range that is requested is missing too");
    world.stopped.set(true);
    run(&mut stream, &world, 60_000);
    assert_eq!(hours(&stream), 5);
}

#[test]
fn nothing_is_requested_after_a_shutdown() {
    let world = Rc::default();
    let mut stream = resumed(&world, quiet(), 5 * HOUR, vec![stream::<&str>([]).bytes(100, END); 3]);
    let mut cx = Context::from_waker(Waker::noop());
    let mut is_gap = || match stream.poll_next(&mut cx) {
        Poll::Ready(event) => matches!(event, Some(MergedEvent::Gap(_))),
        Poll::Pending => panic!("there is an event"),
    };
    while !is_gap() {}
    stream.shutdown();
    let events = run(&mut stream, &world, 60_000);
    assert_eq!((recovery_events(&events), events.last().unwrap().as_str()), (vec![], "0 done"));
    assert_eq!(stream.position().unwrap().missing.len(), 1);
}

#[test]
fn ranges_are_joined_over_a_minute_or_less_and_never_requested_twice() {
    let minutes = |from: i64, to: i64| (from * 60_000, to * 60_000);
    let rows = [
        (10, [minutes(-40, -30), minutes(-29, -20)], vec![minutes(-40, -20)]),
        (
            10,
            [minutes(-40, -30), (-29 * 60_000 + 1, -20 * 60_000)],
            vec![minutes(-40, -30), (-29 * 60_000 + 1, -20 * 60_000)],
        ),
        // Only a range that begins later is joined with the one before it.
        (10, [minutes(-20, -10), minutes(-40, -30)], vec![minutes(-20, -10), minutes(-40, -30)]),
        // Nothing is requested twice.
        (
            HOUR,
            [minutes(-50, -40), minutes(-20, -10)],
            vec![minutes(-50, -40), minutes(-20, -10), minutes(-60, -50), minutes(-40, -20)],
        ),
    ];
    for (before, missing, mut wanted) in rows {
        // The gap before the connect follows.
        wanted.push((if before == HOUR { -600_000 } else { -10 }, 2));
        assert_eq!(recovers(before, &missing, empty(8)).1, wanted, "{missing:?}");
    }
}

#[test]
fn an_interrupted_range_of_two_minutes_or_more_is_requested_in_halves() {
    let keep_alives = [10_000, 20_000];
    let cut = keep_alives.iter().fold(stream::<&str>([]), |cut, at| cut.bytes(*at, *b"2\r\n\r\n\r\n"));
    let requests = [vec![cut.reset(25_000)], empty(4)].concat();
    let (_, requested) = recovers(10, &[(-600_000, -480_000)], requests.clone());
    let halves = [(-600_000, -540_000), (-540_000, -480_000)];
    assert_eq!(requested, [&[(-600_000, -480_000)], &halves[..], &[(-10, 2)]].concat());
    // The session itself retries a shorter one.
    let (_, requested) = recovers(10, &[(-600_000, -480_001)], requests);
    assert_eq!(requested, [(-600_000, -480_001), (-10, 2)]);
}

#[test]
fn ranges_that_become_older_than_24_h_are_lost_and_the_rest_is_requested() {
    const DAY: i64 = 24 * 60 * 60_000;
    let rest = (-DAY + 70_000, -DAY + 140_000);
    // A request may begin half a minute before its Posts are too old.
    let (from, to) = (-DAY + 30_000, -DAY + 140_000);
    assert_eq!(recovers(10, &[(from, to)], empty(2)).1, [(from, to), (-10, 2)]);
    let (events, requested) = recovers(10, &[(from - 1, to)], empty(2));
    assert_eq!(events[0], "0 recovery lost -86370001 to -86340000: the service keeps Posts for 24 h only");
    assert_eq!(requested, [(-DAY + 60_000, to), (-10, 2)]);

    // A refusal after ten seconds, when the same holds for Posts that are ten seconds newer.
    let requests = [vec![refused_at(10_000)], empty(2)].concat();
    let from = -DAY + 40_000;
    let (events, requested) = recovers(10, &[(from, to)], requests.clone());
    assert!(events.last().unwrap().contains("recovery was refused"), "{events:?}");
    assert_eq!(requested, [(from, to)]);
    let (events, requested) = recovers(10, &[(from - 1, to)], requests);
    let lost = "10000 recovery lost -86360001 to -86330000: the service keeps Posts for 24 h only";
    assert!(events.iter().any(|event| event == lost), "{events:?}");
    assert_eq!(requested, [(from - 1, to), rest, (-10, 2)]);
}

#[test]
fn a_range_that_ended_24_h_ago_is_forgotten_and_a_later_one_is_not() {
    const HOURS: i64 = 60 * 60_000;
    // The gap before the connect begins an hour before the range.
    let lost = |to| {
        let (events, _) = recovers(26 * HOUR, &[(-25 * HOURS, to)], empty(12));
        let lost = events.iter().filter_map(|event| event.strip_prefix("0 recovery lost "));
        lost.map(|event| event.split_once(':').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lost(-24 * HOURS), ["-90000000 to -86400000", "-93600000 to -86340000"]);
    assert_eq!(
        lost(-24 * HOURS + 1),
        ["-90000000 to -86399999", "-93600000 to -90000000", "-86399999 to -86340000"]
    );
}

#[test]
fn a_long_range_waits_for_the_end_of_its_first_request() {
    for to in [5_000, 5_001] {
        let (events, _) = recovers(10, &[(-7_195_000, to)], empty(2));
        assert_eq!(events[0], "5000 recovery started -7195000 to 5000");
    }
}

#[test]
fn a_message_over_the_limit_is_reported() {
    let world = Rc::default();
    let request = stream([(10, "x".repeat(1_100)), (20, post(1))]).bytes(30, END);
    let events = run(&mut resumed(&world, quiet(), HOUR, vec![request]), &world, 20_000);
    let events = recovery_events(&events);
    assert!(events[1].starts_with("1000 recovery Skipped { bytes: 11"), "{events:?}");
    assert!(events[3].contains("completed -3600000 to 2, 1 Posts"), "{events:?}");
}

#[test]
fn a_recovery_and_a_flood_take_turns() {
    let world = Rc::default();
    let posts = |from: u64| stream((from..from + 200).map(|id| (1_500, post(id))));
    let mut stream = resumed(&world, posts(1_000), HOUR, vec![posts(2_000).bytes(1_500, END)]);
    let events = run(&mut stream, &world, 5_000);
    let posts = events.iter().filter(|event| event.contains(" post "));
    let is_recovery: Vec<_> = posts.map(|event| event.contains("recovery")).collect();
    let turns: Vec<_> = is_recovery.chunk_by(|one, next| one == next).map(<[bool]>::len).collect();
    assert!(turns.len() > 6 && turns.iter().all(|turn| *turn < 100), "{turns:?}");
}

#[test]
fn find_next_finds_what_a_recovery_has_read_and_polls_no_transport() {
    let world = Rc::default();
    let request = stream([(1_100, post(1)), (1_100, post(2)), (1_200, post(3))]);
    let mut stream = resumed(&world, quiet(), HOUR, vec![request]);
    run(&mut stream, &world, 1_050);
    let mut cx = Context::from_waker(Waker::noop());
    let mut next_is_message = |stream: &mut Stream| match stream.poll_next(&mut cx) {
        Poll::Ready(event) => matches!(event, Some(MergedEvent::Recovery(RecoveryEvent::Message(_)))),
        Poll::Pending => false,
    };
    world.now.set(1_100_000_000);
    assert!(!stream.find_next(), "the Posts are due, but not read");
    assert!(next_is_message(&mut stream) && stream.find_next());
    assert!(next_is_message(&mut stream));
    world.now.set(1_200_000_000);
    assert!(!stream.find_next());
    assert!(next_is_message(&mut stream));
}

#[test]
fn find_next_finds_losses_and_they_are_missing_until_they_are_delivered() {
    let world = Rc::default();
    let mut stream = resumed(&world, quiet(), 5 * HOUR, vec![refused_at(0)]);
    let mut cx = Context::from_waker(Waker::noop());
    let mut next_is_lost = |stream: &mut Stream| match stream.poll_next(&mut cx) {
        Poll::Ready(event) => matches!(event, Some(MergedEvent::Recovery(RecoveryEvent::Lost { .. }))),
        Poll::Pending => panic!("there is an event"),
    };
    while !next_is_lost(&mut stream) {}
    let missing = |stream: &Stream| stream.position().unwrap().missing.len();
    assert_eq!(missing(&stream), 2);
    assert!(stream.find_next());
    assert_eq!(missing(&stream), 1);
    assert!(next_is_lost(&mut stream));
    assert_eq!(missing(&stream), 1);
    assert!(!stream.find_next());
    assert_eq!(missing(&stream), 0);
}

#[test]
fn each_group_requests_its_own_missing_ranges() {
    let world = Rc::default();
    let requested: [Arc<Mutex<Vec<TimeRange>>>; 2] = Default::default();
    let recoveries =
        [0, 1].map(|group| recovery(&world, group, empty(3), Arc::clone(&requested[usize::from(group)])));
    let mut stream =
        merged(&world, [(0, vec![quiet()]), (1, vec![quiet()])]).with_recoveries(recoveries.into());
    let at = |before| UnixTime::from_millis(UNIX_BASE - before);
    let ranges = [HOUR, 2 * HOUR].map(|before| TimeRange { from: at(before), to: at(before - MINUTE) });
    let mut position = position(10);
    let missing = [0, 1].map(|group| Recovery::new(ReplicaGroup::new(group), ranges[usize::from(group)]));
    position.missing = missing.into();
    stream.resume_from(&position, []);
    run(&mut stream, &world, MINUTE);
    let firsts = requested.each_ref().map(|requested| requested.lock().unwrap()[0]);
    assert_eq!(firsts, ranges);
}

#[test]
fn the_earliest_time_of_a_position_is_that_of_the_group_furthest_behind() {
    let at = UnixTime::from_millis;
    let groups = [5, 3, 7].into_iter().enumerate();
    let covered = groups.map(|(group, until)| (ReplicaGroup::new(group as u16), at(until)));
    let position = Position::new(covered.collect());
    assert_eq!((position.earliest(), position.of_group(ReplicaGroup::new(2))), (Some(at(3)), Some(at(7))));
    assert_eq!(Position::new(Vec::new()).earliest(), None);
}

/// The next process must not ask for the hours of the other group, whose ids nothing remembers.
#[test]
fn after_a_restart_each_group_asks_only_for_what_it_missed() {
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
    assert_eq!(begins, [7_197, 57], "two or three seconds before the last Post of each group");
}
