use std::vec;
use std::vec::Vec;

use super::*;
use crate::dedup::WindowConfig;
use crate::http::head::{Head, HeadDecoder, HeadLimits};

fn merge(groups: &[u16]) -> Merge<Vec<u64>, Vec<ConnectionStats>> {
    let config = WindowConfig { posts: 4, ..WindowConfig::default() };
    let window = Window::new(vec![0; config.storage_words()], &config).unwrap();
    Merge::new(window, groups.iter().map(|group| ConnectionStats::new(ReplicaGroup::new(*group))).collect())
        .unwrap()
}

fn id(index: usize) -> ConnectionId {
    ConnectionId::new(index).unwrap()
}

fn unix(millis: u64) -> UnixTime {
    UnixTime::from_millis(millis)
}

fn gap(from: u64, to: u64, backfill_minutes: u8) -> Gap {
    let (from, to) = (unix(from), unix(to));
    Gap { from, to, local_from: from, local_to: to, newest_before: None, first_after: None, backfill_minutes }
}

fn start(at: u64) -> StreamStart {
    StreamStart { at: Instant::from_nanos(at), unix: unix(at), over: unix(at) }
}

/// Simulates sessions exactly: connections deliver until they are dead, and notice their end later.
struct World {
    merge: Merge<Vec<u64>, Vec<ConnectionStats>>,
    /// The time up to which each connection has delivered, once it has streamed. While it works,
    /// the current time.
    covered: Vec<Option<u64>>,
    is_well: Vec<bool>,
    now: u64,
    reported: Vec<(u16, u64, u64)>,
    /// Groups without a working connection, with the start of their downtime.
    interrupted: Vec<(u16, u64)>,
}

impl World {
    fn new(groups: &[u16]) -> Self {
        Self {
            merge: merge(groups),
            covered: vec![None; groups.len()],
            is_well: vec![false; groups.len()],
            now: 1_000,
            reported: Vec::new(),
            interrupted: Vec::new(),
        }
    }

    fn is_streaming(&self, of: usize) -> bool {
        self.merge.connection(id(of)).state() == ConnectionState::Streaming
    }

    fn covered(&self, of: usize) -> Option<u64> {
        if self.is_well[of] { Some(self.now) } else { self.covered[of] }
    }

    fn connect(&mut self, of: usize, backfill_minutes: u8) {
        let gap_minutes = if self.covered[of].is_some() { backfill_minutes } else { 0 };
        let gap = self.covered[of].map(|from| gap(from, self.now, backfill_minutes));
        // With backfill, all missing Posts may still arrive.
        if backfill_minutes == 0 {
            self.is_well[of] = true;
        }
        let covered: Vec<_> = (0..self.covered.len()).map(|of| self.covered(of).map(unix)).collect();
        let covered = |of: ConnectionId| covered[of.index()];
        let gap = self.merge.connect(id(of), gap, start(self.now), covered);
        let group = self.merge.connection(id(of)).group();
        self.interrupted.retain(|(of, _)| *of != group.number());
        self.tell(gap, gap_minutes);
    }

    /// From now on, no Post sent on this connection arrives.
    fn die(&mut self, of: usize) {
        if core::mem::take(&mut self.is_well[of]) {
            self.covered[of] = Some(self.now);
        }
    }

    fn disconnect(&mut self, of: usize, is_over: bool) {
        self.die(of);
        let covered: Vec<_> = (0..self.covered.len()).map(|of| self.covered(of).map(unix)).collect();
        let gap_from = self.covered[of].map(unix);
        let covered = |of: ConnectionId| covered[of.index()];
        let outage = self.merge.handle_disconnected(id(of), gap_from, is_over, covered);
        self.tell(outage.gap, 0);
        let interrupted = outage.interrupted.map(|it| (it.group.number(), it.from.as_millis()));
        self.interrupted.extend(interrupted);
    }

    fn tell(&mut self, gap: Option<GroupGap>, backfill_minutes: u8) {
        if let Some(gap) = gap {
            assert!(gap.from < gap.to && gap.backfill_minutes == backfill_minutes, "{gap:?}");
            self.reported.push((gap.group.number(), gap.from.as_millis(), gap.to.as_millis()));
        }
    }

    fn wait(&mut self, millis: u64) {
        self.now += millis;
    }
}

#[test]
fn redundant_connections_report_only_the_gap_they_share() {
    let mut world = World::new(&[0, 0]);
    world.connect(0, 0);
    world.wait(10);
    world.connect(1, 0);
    world.wait(10);
    // Only one connection is down, for any length of time.
    for of in [0, 1] {
        world.disconnect(of, false);
        world.wait(10);
        world.connect(of, 0);
        world.wait(10);
    }
    assert_eq!((&world.reported[..], &world.interrupted[..]), (&[][..], &[][..]));
    // Both are down from 1,060 to 1,070.
    world.disconnect(0, false);
    world.wait(10);
    world.disconnect(1, false);
    assert_eq!(world.interrupted, [(0, 1_070)]);
    world.wait(10);
    world.connect(0, 0);
    world.wait(10);
    world.connect(1, 0);
    assert_eq!((&world.reported[..], &world.interrupted[..]), (&[(0, 1_070, 1_080)][..], &[][..]));
}

#[test]
fn gap_of_one_partition_is_a_gap_in_the_stream() {
    let mut world = World::new(&[0, 1]);
    // The first streams do not start at the same time, and no Post is missing before them.
    world.connect(0, 0);
    world.wait(50);
    world.connect(1, 0);
    world.wait(10);
    world.disconnect(1, false);
    assert_eq!(world.interrupted, [(1, 1_060)]);
    world.wait(10);
    world.connect(1, 0);
    assert_eq!(world.reported, [(1, 1_060, 1_070)]);
    world.wait(5);
    world.disconnect(0, true);
    assert_eq!(world.interrupted, [(0, 1_075)]);
    assert_eq!(world.merge.connection(id(0)).state(), ConnectionState::Over);
}

#[test]
fn gap_is_reported_when_the_other_connection_turns_out_dead() {
    let mut world = World::new(&[0, 0]);
    world.connect(0, 0);
    world.connect(1, 0);
    world.wait(10);
    world.die(1);
    world.wait(10);
    world.disconnect(0, false);
    world.wait(10);
    world.connect(0, 0);
    // Connection 1 still counts as well.
    assert_eq!(world.reported, []);
    world.wait(10);
    world.disconnect(1, false);
    assert_eq!(world.reported, [(0, 1_020, 1_030)]);
    world.wait(10);
    world.connect(1, 0);
    world.disconnect(0, false);
    world.wait(10);
    world.connect(0, 0);
    assert_eq!(world.reported.len(), 1);
}

#[test]
fn gap_is_reported_again_when_its_backfill_was_interrupted() {
    let mut world = World::new(&[0, 0]);
    world.connect(0, 0);
    world.connect(1, 0);
    world.wait(10);
    world.disconnect(0, false);
    world.disconnect(1, false);
    world.wait(10);
    world.connect(0, 1);
    assert_eq!(world.reported, [(0, 1_010, 1_020)]);
    world.wait(10);
    // Its session does not confirm the Posts that backfill should deliver.
    world.disconnect(0, false);
    world.wait(10);
    world.connect(0, 1);
    assert_eq!(world.reported[1..], [(0, 1_010, 1_040)]);
}

/// A stream that ends at once proves nothing about the time just before it.
#[test]
fn without_backfill_no_part_of_a_gap_is_reported_twice() {
    let mut merge = merge(&[0]);
    let steps = [
        (None, 1_000, None),
        (Some(5_000), 8_000, Some((5_000, 8_000))),
        (Some(7_000), 10_000, Some((8_000, 10_000))),
    ];
    for (missing_from, to, wanted) in steps {
        let covered = |_| Some(unix(to - 1_000));
        merge.handle_disconnected(id(0), missing_from.map(unix), false, covered);
        let own = missing_from.map(|from| gap(from, to, 0));
        let found = merge.connect(id(0), own, start(to), covered);
        assert_eq!(found.map(|gap| (gap.from.as_millis(), gap.to.as_millis())), wanted);
    }
}

#[test]
fn settled_downtimes_are_dropped_before_others_are_merged() {
    let mut world = World::new(&[0, 0]);
    let interrupt = |world: &mut World| {
        world.wait(10);
        world.disconnect(0, false);
        world.wait(1);
        world.connect(0, 0);
    };
    world.connect(0, 0);
    world.connect(1, 0);
    interrupt(&mut world);
    world.die(1);
    (0..8).for_each(|_| interrupt(&mut world));
    world.disconnect(1, false);
    assert_eq!(world.reported, [(0, 1_021, 1_099)]);
}

#[test]
fn wall_clock_set_back_hides_no_gap() {
    let mut world = World::new(&[0]);
    world.now = 1_000_000;
    world.connect(0, 0);
    world.wait(10);
    world.disconnect(0, false);
    world.connect(0, 0);
    // Set back while the stream works.
    world.now = 5_000;
    world.disconnect(0, false);
    world.wait(10);
    world.connect(0, 0);
    let (_, from, to) = *world.reported.last().unwrap();
    assert!(from <= 5_000 && to >= 5_010, "{:?}", world.reported);
}

#[test]
fn gaps_of_one_redundant_connection_cause_no_gap_in_the_stream() {
    let mut world = World::new(&[0, 0, 0]);
    // The third never connects.
    world.connect(0, 0);
    world.connect(1, 0);
    for round in 0..10_000 {
        world.wait(7);
        world.disconnect(round % 2, false);
        world.wait(3);
        world.connect(round % 2, 0);
    }
    assert_eq!(world.reported, []);
    assert_eq!(world.merge.connection(id(0)).gaps(), 5_000);
    assert_eq!(world.merge.connection(id(0)).gap_time(), Duration::from_millis(15_000));
}

/// Compares random outages with the ground truth, moment by moment.
#[test]
fn reported_gaps_cover_exactly_what_no_connection_delivered() {
    let mut state = 7_u64;
    let mut random = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let layouts: [&[u16]; 5] = [&[0], &[0, 0], &[0, 1], &[0, 0, 0], &[3, 5, 3, 5]];
    for round in 0..2_000 {
        let groups = layouts[round % layouts.len()];
        let mut world = World::new(groups);
        let start = world.now;
        // The connections that delivered at each moment.
        let mut delivered: Vec<Vec<bool>> = Vec::new();
        let mut begun = [None; 6];
        for _ in 0..60 {
            let of = random(groups.len() as u64) as usize;
            match (world.is_streaming(of), random(4)) {
                (true, 0) => world.die(of),
                (true, 1 | 2) => world.disconnect(of, false),
                (false, 0..=2) => {
                    world.connect(of, 0);
                    begun[groups[of] as usize].get_or_insert(world.now);
                }
                _ => {}
            }
            for _ in 0..random(6) {
                delivered.push(world.is_well.clone());
                world.wait(1);
            }
        }
        // At the end, every dead connection is noticed.
        for of in 0..groups.len() {
            if world.is_streaming(of) && !world.is_well[of] {
                world.disconnect(of, false);
            }
        }
        for group in groups {
            let is_missing = |at: u64| {
                let at = (at - start) as usize;
                groups.iter().zip(&delivered[at]).all(|(of, delivered)| of != group || !delivered)
            };
            let reported: Vec<_> = world.reported.iter().filter(|(of, ..)| of == group).collect();
            for at in begun[*group as usize].unwrap_or(world.now)..world.now {
                let is_reported = reported.iter().any(|(_, from, to)| (*from..*to).contains(&at))
                    || world.interrupted.iter().any(|(of, from)| of == group && at >= *from);
                assert!(is_reported || !is_missing(at), "round {round}, {at}: {:?}", world.reported);
            }
            for (_, from, to) in reported {
                assert!(is_missing(*from) && is_missing(to - 1), "round {round}, {from} to {to}");
            }
        }
    }
}

#[test]
fn each_post_has_one_winner_and_losers_lag_by_the_clock() {
    let mut world = World::new(&[0, 0, 0]);
    for of in 0..3 {
        world.connect(of, 0);
    }
    let merge = &mut world.merge;
    let post = PostId::new(1_986_936_281_234_567_890);
    let mut arrive = |of, at| merge.arrival(id(of), post, b"{}", Instant::from_nanos(at));
    let lost = |nanos| Arrival::Lost { by: Duration::from_nanos(nanos), winner: id(1) };
    assert_eq!(arrive(1, 5_000), Arrival::First);
    assert_eq!(arrive(0, 5_000), lost(0));
    assert_eq!(arrive(2, 7_000), lost(2_000));
    for of in [0, 1, 2, 0] {
        assert_eq!(arrive(of, 9_000), Arrival::Duplicate);
    }
    let figures = |of| {
        let record = world.merge.connection(id(of));
        let lags = record.lags();
        (
            record.first_arrivals(),
            record.late_arrivals(),
            record.duplicates(),
            lags.sum().as_nanos(),
            lags.max().as_nanos(),
        )
    };
    assert_eq!([0, 1, 2].map(figures), [(0, 1, 2, 0, 0), (1, 0, 1, 0, 0), (0, 1, 1, 2_000, 2_000)]);
}

#[test]
fn backfilled_posts_of_another_connection_count_as_duplicates() {
    let mut world = World::new(&[0, 0]);
    world.connect(0, 0);
    let post = PostId::new(7);
    assert_eq!(world.merge.arrival(id(0), post, b"{}", Instant::from_nanos(1_000)), Arrival::First);
    world.wait(500);
    world.connect(1, 5);
    assert_eq!(world.merge.arrival(id(1), post, b"{}", Instant::from_nanos(2_000)), Arrival::Duplicate);
    assert_eq!(world.merge.connection(id(1)).late_arrivals(), 0);
}

/// The window is shared: all connections forget an id together, after exactly as many Posts.
#[test]
fn post_is_new_again_after_it_left_the_window() {
    let mut world = World::new(&[0, 0]);
    world.connect(0, 0);
    world.connect(1, 0);
    let mut arrive =
        |of, post| world.merge.arrival(id(of), PostId::new(post), b"{}", Instant::from_nanos(1_000));
    assert!((0..4).all(|post| arrive(0, post) == Arrival::First));
    assert!((0..4).all(|post| matches!(arrive(1, post), Arrival::Lost { .. })));
    assert_eq!(arrive(0, 4), Arrival::First);
    assert_eq!(arrive(1, 0), Arrival::First);
    assert_eq!(arrive(0, 0), Arrival::Lost { by: Duration::ZERO, winner: id(1) });
}

#[test]
fn supports_the_maximum_number_of_connections() {
    let groups = [0; CONNECTIONS_MAX];
    let mut merge = merge(&groups);
    let post = PostId::new(1);
    for of in (0..CONNECTIONS_MAX).rev() {
        let arrival = merge.arrival(id(of), post, b"{}", Instant::ZERO);
        assert_eq!(arrival == Arrival::First, of == CONNECTIONS_MAX - 1);
        assert_eq!(merge.arrival(id(of), post, b"{}", Instant::ZERO), Arrival::Duplicate);
    }
    assert_eq!(ConnectionId::new(CONNECTIONS_MAX), None);
    let window = merge.window().clone();
    assert_eq!(Merge::new(window.clone(), Vec::new()).err(), Some(MergeError::Connections));
    let records = vec![ConnectionStats::default(); CONNECTIONS_MAX + 1];
    assert_eq!(Merge::new(window, records).err(), Some(MergeError::Connections));
}

/// The local clock may be wrong by nearly a second within the bounds of `Date`.
#[test]
fn the_first_stream_of_a_further_connection_ends_a_gap_at_the_latest_of_the_servers_time() {
    let wire = b"HTTP/1.1 200 OK\r\n\r\n";
    let mut storage = [0; 100];
    let head = HeadDecoder::new(HeadLimits::default()).decode(wire, &mut storage).1.unwrap().unwrap();
    let mut merge = merge(&[0, 0]);
    let connect = |merge: &mut Merge<_, _>, of, earliest| {
        let connected = Connected {
            head: Head::new(head, wire),
            gap: None,
            server_earliest: unix(earliest),
            server_latest: unix(earliest + 1_200),
            peer_addr: None,
        };
        merge.handle_connected(id(of), &connected, Instant::from_nanos(earliest), |_| Some(unix(3_000)))
    };
    assert_eq!(connect(&mut merge, 0, 1_000), None);
    merge.handle_disconnected(id(0), Some(unix(3_000)), false, |_| Some(unix(3_000)));
    let gap = connect(&mut merge, 1, 5_000).unwrap();
    assert_eq!((gap.from, gap.to), (unix(3_000), unix(6_200)));
}

/// A second connection is dead, which is not known yet: what the first one missed while it was down
/// may be missing.
#[test]
fn a_stream_is_covered_only_as_far_as_a_connection_was_up_at_each_moment() {
    let wire = b"HTTP/1.1 200 OK\r\n\r\n";
    let mut storage = [0; 100];
    let head = HeadDecoder::new(HeadLimits::default()).decode(wire, &mut storage).1.unwrap().unwrap();
    let mut merge = merge(&[0, 0]);
    let connect = |merge: &mut Merge<_, _>, of, at| {
        let connected = Connected {
            head: Head::new(head, wire),
            gap: None,
            server_earliest: unix(at),
            server_latest: unix(at),
            peer_addr: None,
        };
        merge.handle_connected(id(of), &connected, Instant::from_nanos(at), |_| Some(unix(at)))
    };
    let until = |merge: &Merge<_, _>, covered: &dyn Fn(ConnectionId) -> Option<UnixTime>| {
        let mut groups = merge.covered_until(covered);
        let until = groups.next().map(|(_, until)| until);
        assert_eq!(groups.next(), None);
        until
    };
    assert_eq!(until(&merge, &|_| Some(unix(9_000))), None);
    assert_eq!(connect(&mut merge, 0, 1_000), None);
    assert_eq!(connect(&mut merge, 1, 1_000), None);
    // Both are up: the one that has delivered more counts.
    let covered = |of: ConnectionId| Some(unix([5_000, 4_000][of.index()]));
    assert_eq!(until(&merge, &covered), Some(unix(5_000)));
    // The first one is reset, and reconnects. The second one has delivered nothing since 4,000.
    let covered = |of: ConnectionId| Some(unix([9_000, 4_000][of.index()]));
    merge.handle_disconnected(id(0), Some(unix(5_000)), false, |_| Some(unix(4_000)));
    let connected = Connected {
        head: Head::new(head, wire),
        gap: None,
        server_earliest: unix(8_000),
        server_latest: unix(8_000),
        peer_addr: None,
    };
    assert_eq!(merge.handle_connected(id(0), &connected, Instant::from_nanos(8_000), covered), None);
    assert_eq!(until(&merge, &covered), Some(unix(5_000)));
    // The second one proves that it was up, after all.
    let covered = |of: ConnectionId| Some(unix([9_500, 8_500][of.index()]));
    assert_eq!(until(&merge, &covered), Some(unix(9_500)));
}

#[test]
fn a_stream_is_covered_beyond_a_reported_gap_without_another_event() {
    let mut merge = merge(&[0, 0]);
    let until = |merge: &Merge<Vec<u64>, Vec<ConnectionStats>>, first, second| {
        let covered = |of: ConnectionId| Some(unix([first, second][of.index()]));
        merge.covered_until(covered).map(|(_, until)| until).collect::<Vec<_>>()
    };
    for of in [0, 1] {
        assert_eq!(merge.connect(id(of), None, start(1_000), |_| None), None);
        merge.handle_disconnected(id(of), Some(unix(5_000)), false, |_| Some(unix(5_000)));
    }
    let own = Some(gap(5_000, 8_000, 0));
    let reported = merge.connect(id(0), own, start(8_000), |_| Some(unix(5_000)));
    assert_eq!(reported.map(|gap| (gap.from, gap.to)), Some((unix(5_000), unix(8_000))));
    assert_eq!(until(&merge, 5_000, 5_000), [unix(5_000)]);
    assert_eq!(until(&merge, 9_000, 5_000), [unix(9_000)]);
    // The other connection's backfill is incomplete for a while.
    let covered = |of: ConnectionId| Some(unix([9_000, 5_000][of.index()]));
    assert_eq!(merge.connect(id(1), own, start(8_000), covered), None);
    for second in [5_000, 8_500] {
        assert_eq!(until(&merge, 9_000, second), [unix(9_000)]);
    }
}

#[test]
fn the_covered_time_of_a_group_stays_when_its_last_connection_ends() {
    for is_over in [false, true] {
        let mut merge = merge(&[0]);
        let until = |merge: &Merge<Vec<u64>, Vec<ConnectionStats>>, covered: u64| {
            let mut groups = merge.covered_until(move |_| Some(unix(covered)));
            groups.next().map(|(_, until)| until)
        };
        merge.connect(id(0), None, start(1_000), |_| None);
        merge.handle_disconnected(id(0), Some(unix(2_000)), false, |_| Some(unix(2_000)));
        // The first Post is older than the end of the gap.
        let own = gap(2_000, 3_000, 0);
        assert!(merge.connect(id(0), Some(own), start(3_000), |_| Some(unix(2_000))).is_some());
        merge.handle_resumed(id(0), &own, |_| Some(unix(2_500)));
        assert_eq!(until(&merge, 90_000), Some(unix(90_000)));
        merge.handle_disconnected(id(0), Some(unix(91_000)), is_over, |_| Some(unix(91_000)));
        assert_eq!(until(&merge, 91_000), Some(unix(91_000)));
    }
}

#[test]
fn each_group_that_has_streamed_has_its_own_covered_time() {
    let mut world = World::new(&[0, 1, 2, 1]);
    world.connect(0, 0);
    world.connect(1, 0);
    world.wait(10);
    world.disconnect(1, false);
    world.wait(10);
    let of = |merge: &Merge<Vec<u64>, Vec<ConnectionStats>>| {
        let covered = |of: ConnectionId| Some(unix([1_020, 1_010, 0, 0][of.index()]));
        merge.covered_until(covered).map(|(group, until)| (group.number(), until)).collect::<Vec<_>>()
    };
    assert_eq!(of(&world.merge), [(0, unix(1_020)), (1, unix(1_010))]);

    let mut next = merge(&[0, 1, 2, 1]);
    let times =
        |group: ReplicaGroup| [Some(unix(1_020)), Some(unix(1_010)), None][usize::from(group.number())];
    next.resume_from(times, [], Instant::ZERO);
    assert_eq!(of(&next), [(0, unix(1_020)), (1, unix(1_010))]);
}

#[test]
fn a_stream_that_begins_at_the_covered_time_does_not_set_it_back() {
    let mut merge = merge(&[0, 0]);
    for of in [0, 1] {
        assert_eq!(merge.connect(id(of), None, start(1_000), |_| None), None);
        assert!(merge.covered_until(|_| None).eq([(ReplicaGroup(0), unix(1_000))]));
    }
}

#[test]
fn a_wall_clock_set_back_after_a_resume_adds_no_gap() {
    let mut merge = merge(&[0]);
    merge.resume_from(|_| Some(unix(5_000)), [], Instant::ZERO);
    let own = Some(gap(4_000, 4_000, 0));
    assert_eq!(merge.connect(id(0), own, start(4_000), |_| Some(unix(4_000))), None);
}

#[test]
fn a_copy_of_a_post_that_no_connection_delivered_first_is_only_a_duplicate() {
    let mut merge = merge(&[0, 0]);
    merge.resume_from(|_| None, [PostId::new(1)], Instant::ZERO);
    assert_eq!(merge.recovered(PostId::new(2), b"{}", Instant::ZERO), Arrival::First);
    for of in [0, 1] {
        for post in [1, 2] {
            let arrival = merge.arrival(id(of), PostId::new(post), b"{}", Instant::from_nanos(1));
            assert_eq!(arrival, Arrival::Duplicate);
        }
    }
}
