use std::format;
use std::vec::Vec;

use super::*;
use crate::session::LateKind;

/// The wall-clock time at the zero of the monotonic clock.
const START: u64 = 1_700_000_000;

const fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

const fn unix(seconds: u64) -> UnixTime {
    UnixTime::from_seconds(START + seconds)
}

const fn clock() -> WallClock {
    WallClock::new(at(0), unix(0))
}

/// Returns the id of a Post created at this time.
const fn post(time: UnixTime) -> Option<PostId> {
    Some(PostId::new((time.as_millis() - 1_288_834_974_657) << 22))
}

/// Reads as if a Post had come before, so that only the last pause counts.
fn arrive(coverage: &mut Coverage, seconds: u64, is_between: bool) {
    coverage.lateness.handle_stream_begun();
    coverage.handle_read(at(seconds), is_between);
}

/// Starts a stream whose head is returned by the read at `seconds`, after a request at the same
/// time.
fn begin(coverage: &mut Coverage, seconds: u64, has_backfill: bool) -> Option<Gap> {
    coverage.handle_request(at(seconds));
    coverage.handle_read(at(seconds), true);
    coverage.handle_stream_begun(at(seconds), clock(), None, if has_backfill { 5 } else { 0 })
}

fn streaming() -> Coverage {
    let mut coverage = Coverage::new(at(0));
    assert_eq!(begin(&mut coverage, 0, false), None);
    coverage
}

/// A read of whole messages.
fn read(coverage: &mut Coverage, seconds: u64) {
    arrive(coverage, seconds, true);
    coverage.handle_message(None);
}

fn gap_after_close(coverage: &mut Coverage) -> Option<UnixTime> {
    coverage.handle_closed(clock());
    coverage.gap_from(clock())
}

/// A stream with backfill at 100 s, after a gap that starts at 8 s.
fn backfilling() -> Coverage {
    let mut coverage = streaming();
    read(&mut coverage, 10);
    read(&mut coverage, 20);
    assert_eq!(gap_after_close(&mut coverage), Some(unix(8)));
    assert!(begin(&mut coverage, 100, true).is_some());
    assert!(coverage.is_backfilling());
    coverage
}

#[test]
fn a_gap_starts_two_seconds_before_the_read_before_the_last() {
    let mut coverage = streaming();
    for seconds in [10, 20, 30] {
        read(&mut coverage, seconds);
    }
    assert_eq!(gap_after_close(&mut coverage), Some(unix(18)));
}

#[test]
fn a_gap_starts_one_read_earlier_if_a_message_was_cut() {
    let mut coverage = streaming();
    read(&mut coverage, 10);
    read(&mut coverage, 20);
    // The read at 20 s ended within a message.
    arrive(&mut coverage, 30, false);
    assert_eq!(gap_after_close(&mut coverage), Some(unix(8)));
}

#[test]
fn a_gap_starts_before_a_message_that_takes_many_reads() {
    let mut coverage = streaming();
    for seconds in [10, 20] {
        read(&mut coverage, seconds);
    }
    for seconds in [30, 40, 50] {
        arrive(&mut coverage, seconds, false);
    }
    assert_eq!(coverage.covered_until(clock()), Some(unix(8)));
    // It ends in the read at 50 s, where another one begins. Posts may wait behind it.
    coverage.handle_message(None);
    arrive(&mut coverage, 60, false);
    assert_eq!(gap_after_close(&mut coverage), Some(unix(8)));
}

/// Returns where a gap starts after a message that took the reads from 30 s to 60 s, if `after`
/// arrives in the read at 60 s or 70 s, and the connection ends after the read at 80 s.
fn gap_after_slow_message(after: impl FnOnce(&mut Coverage), in_last_read: bool) -> Option<UnixTime> {
    let mut coverage = streaming();
    for seconds in [10, 20] {
        read(&mut coverage, seconds);
    }
    for seconds in [30, 40, 50, 60] {
        arrive(&mut coverage, seconds, seconds == 30);
    }
    coverage.handle_message(None);
    if !in_last_read {
        arrive(&mut coverage, 70, true);
    }
    after(&mut coverage);
    if in_last_read {
        arrive(&mut coverage, 70, true);
    }
    arrive(&mut coverage, 80, true);
    gap_after_close(&mut coverage)
}

#[test]
fn posts_may_wait_behind_a_slow_message_until_a_post_or_a_keep_alive_arrives() {
    for in_last_read in [true, false] {
        let gap = |after: fn(&mut Coverage)| gap_after_slow_message(after, in_last_read);
        assert_eq!(gap(|c| c.handle_message(None)), Some(unix(18)));
        assert_eq!(gap(Coverage::handle_skipped), Some(unix(18)));
        assert_eq!(gap(Coverage::handle_keep_alive), Some(unix(68)));
        // A Post that waited: the reads at 70 s and 80 s prove ten seconds after it at most.
        let start = gap(|c| c.handle_message(post(unix(31)))).unwrap();
        assert!(start >= unix(30) && start <= unix(41), "{start:?}");
        // One that is repeated proves nothing.
        let old = post(UnixTime::from_seconds(START - 301));
        assert_eq!(gap_after_slow_message(|c| c.handle_message(old), in_last_read), Some(unix(18)));
    }
}

#[test]
fn a_message_that_began_after_an_emptying_read_moves_the_start_there() {
    let mut coverage = streaming();
    arrive(&mut coverage, 10, true);
    // The message that was incomplete at 10 s ends here, and more input stays unread.
    arrive(&mut coverage, 20, false);
    coverage.handle_message(None);
    coverage.handle_keep_alive();
    coverage.handle_backlog();
    // This read contains only the beginning of a message.
    coverage.handle_read(at(30), true);
    coverage.handle_read(at(40), false);
    assert_eq!(coverage.covered_until(clock()), Some(unix(8)));
}

#[test]
fn every_kind_of_message_ends_one() {
    type End = fn(&mut Coverage);
    let ends: [(End, u64); 4] = [
        (Coverage::handle_keep_alive, 20),
        (|c| c.handle_message(post(unix(29))), 30),
        // Posts may wait behind these.
        (|c| c.handle_message(None), 0),
        (Coverage::handle_skipped, 0),
    ];
    for (end, start) in ends {
        let mut coverage = streaming();
        arrive(&mut coverage, 10, true);
        arrive(&mut coverage, 20, false);
        arrive(&mut coverage, 30, false);
        assert_eq!(coverage.covered_until(clock()), Some(unix(0).saturating_sub(GAP_MARGIN * 2)));
        end(&mut coverage);
        arrive(&mut coverage, 40, false);
        assert_eq!(coverage.covered_until(clock()), Some(unix(start).saturating_sub(GAP_MARGIN * 2)));
    }
}

#[test]
fn the_first_message_moves_the_start_to_the_first_read_of_the_head() {
    type End = fn(&mut Coverage);
    let ends: [(End, u64); 3] = [(|_| {}, 5), (|c| c.handle_message(None), 6), (Coverage::handle_skipped, 6)];
    for (end, start) in ends {
        let mut coverage = Coverage::new(at(0));
        coverage.handle_request(at(5));
        coverage.handle_read(at(6), true);
        coverage.handle_read(at(7), false);
        coverage.handle_stream_begun(at(7), clock(), None, 0);
        end(&mut coverage);
        coverage.handle_read(at(8), false);
        assert_eq!(coverage.covered_until(clock()), Some(unix(start).saturating_sub(GAP_MARGIN * 2)));
    }
}

#[test]
fn a_read_that_left_input_behind_proves_nothing() {
    let mut coverage = streaming();
    for seconds in [10, 20] {
        read(&mut coverage, seconds);
    }
    coverage.handle_backlog();
    coverage.handle_read(at(30), true);
    coverage.handle_message(None);
    assert_eq!(coverage.covered_until(clock()), Some(unix(8)));
    // The read at 40 s may be late by its pause and the two before it, which count as one.
    coverage.handle_read(at(40), true);
    assert_eq!(gap_after_close(&mut coverage), Some(unix(8)));
}

#[test]
fn calls_with_the_time_of_the_last_read_are_the_same_read() {
    let mut coverage = streaming();
    for seconds in [10, 20, 20, 15] {
        read(&mut coverage, seconds);
    }
    assert_eq!(coverage.read_at(), at(20));
    assert_eq!(gap_after_close(&mut coverage), Some(unix(8)));
}

#[test]
fn nothing_is_missing_before_the_first_stream() {
    let mut coverage = Coverage::new(at(0));
    coverage.handle_request(at(5));
    arrive(&mut coverage, 6, true);
    assert_eq!(coverage.covered_until(clock()), None);
    assert_eq!(gap_after_close(&mut coverage), None);
    assert_eq!(begin(&mut coverage, 10, false), None);
}

#[test]
fn a_gap_outlasts_attempts_without_a_stream_and_ends_with_the_next_stream() {
    let mut coverage = streaming();
    read(&mut coverage, 10);
    read(&mut coverage, 20);
    assert_eq!(gap_after_close(&mut coverage), Some(unix(8)));
    coverage.handle_request(at(30));
    assert_eq!(gap_after_close(&mut coverage), Some(unix(8)));
    assert_eq!(coverage.outage(at(40), clock()), Some(Duration::from_secs(32)));
    let gap = begin(&mut coverage, 50, false).unwrap();
    assert_eq!((gap.from, gap.to), (unix(8), unix(50).rounded_up()));
    assert_eq!(coverage.outage(at(60), clock()), None);
    assert_eq!(coverage.covered_until(clock()), Some(unix(48)));
}

#[test]
fn a_gap_starts_at_the_earlier_of_two_wall_clocks() {
    let mut coverage = streaming();
    read(&mut coverage, 10);
    read(&mut coverage, 20);
    coverage.handle_closed(clock());
    assert_eq!(coverage.gap_from(WallClock::new(at(0), unix(500))), Some(unix(8)));
    let back = WallClock::new(at(0), UnixTime::from_seconds(START - 500));
    assert_eq!(coverage.gap_from(back), Some(UnixTime::from_seconds(START - 492)));
    // The clock is set back so far that the stream would begin before the gap. The gap is never
    // negative.
    let gap = coverage.handle_stream_begun(at(0), back, None, 0).unwrap();
    assert!(gap.from <= gap.to && gap.local_from <= gap.local_to);
}

#[test]
fn two_keep_alives_in_a_row_complete_backfill() {
    for between in [|coverage: &mut Coverage| coverage.handle_message(None), Coverage::handle_skipped] {
        let mut coverage = backfilling();
        coverage.handle_healthy();
        coverage.handle_keep_alive();
        between(&mut coverage);
        coverage.handle_keep_alive();
        assert!(coverage.is_backfilling());
        assert_eq!(coverage.covered_until(clock()), Some(unix(8)));
        coverage.handle_keep_alive();
        assert!(!coverage.is_backfilling());
        assert_eq!(coverage.covered_until(clock()), Some(unix(98)));
    }
}

#[test]
fn a_post_newer_than_the_stream_completes_backfill() {
    let mut coverage = backfilling();
    coverage.handle_healthy();
    // The first two are not live.
    for id in [Some(PostId::new(20)), post(unix(404)), post(unix(101))] {
        coverage.handle_message(id);
        assert!(coverage.is_backfilling());
    }
    coverage.handle_message(post(unix(102)));
    assert!(!coverage.is_backfilling());
    // This Post is the newest one.
    assert_eq!(coverage.covered_until(clock()), Some(unix(101)));
}

#[test]
fn a_post_completes_backfill_by_the_servers_date_whatever_the_local_clock_says() {
    for ahead in CLOCKS {
        let mut coverage = begun_with(ahead);
        coverage.handle_closed(clock_off(ahead));
        coverage.handle_request(at_ms(100_000));
        coverage.handle_stream_begun(at_ms(100_400), clock_off(ahead), Some(unix(160)), 5);
        // `Date` plus one second, the time since the request, and one second of margin.
        coverage.handle_message(Some(id_at(162_399)));
        assert!(coverage.is_backfilling());
        coverage.handle_message(Some(id_at(162_400)));
        assert!(!coverage.is_backfilling());
    }
}

#[test]
fn five_minutes_that_were_read_complete_backfill() {
    let mut coverage = backfilling();
    coverage.handle_healthy();
    for seconds in (110..400).step_by(10) {
        read(&mut coverage, seconds);
    }
    // What was read at 400 s may be late by 10 s.
    for (seconds, is_backfilling) in [(400, true), (409, false)] {
        read(&mut coverage, seconds);
        coverage.handle_content();
        assert_eq!(coverage.is_backfilling(), is_backfilling, "{seconds} s");
    }
}

#[test]
fn a_gap_stays_open_until_the_stream_is_healthy_as_well() {
    let mut coverage = backfilling();
    coverage.handle_keep_alive();
    coverage.handle_keep_alive();
    assert_eq!(coverage.covered_until(clock()), Some(unix(8)));
    coverage.handle_healthy();
    assert_eq!(coverage.covered_until(clock()), Some(unix(98)));
}

#[test]
fn a_stream_that_is_cut_during_backfill_leaves_the_first_gap_open() {
    for is_healthy in [false, true] {
        let mut coverage = backfilling();
        if is_healthy {
            coverage.handle_healthy();
        }
        read(&mut coverage, 130);
        read(&mut coverage, 140);
        assert_eq!(gap_after_close(&mut coverage), Some(unix(8)));
        let gap = begin(&mut coverage, 200, false).unwrap();
        assert_eq!(gap.from, unix(8));
    }
}

const fn at_ms(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

const fn unix_ms(millis: u64) -> UnixTime {
    UnixTime::from_millis(START * 1_000 + millis)
}

fn id_at(millis: u64) -> PostId {
    post(unix_ms(millis)).unwrap()
}

/// A local clock that is `ahead` milliseconds ahead of the server's.
fn clock_off(ahead: i64) -> WallClock {
    WallClock::new(at(0), UnixTime::from_millis((START * 1_000).saturating_add_signed(ahead)))
}

/// Reports a read with Posts created at these times, in milliseconds.
fn read_posts(coverage: &mut Coverage, millis: u64, posts: &[u64]) {
    coverage.handle_read(at_ms(millis), true);
    for created in posts {
        coverage.handle_message(Some(id_at(*created)));
    }
}

fn read_keep_alive(coverage: &mut Coverage, millis: u64) {
    coverage.handle_read(at_ms(millis), true);
    coverage.handle_keep_alive();
}

/// Starts a stream whose `Date` is 0 s, while the local clock is this much ahead.
fn begun_with(ahead: i64) -> Coverage {
    let mut coverage = Coverage::new(at(0));
    coverage.handle_request(at(0));
    coverage.handle_stream_begun(at(0), clock_off(ahead), Some(unix(0)), 0);
    coverage
}

/// Returns the start of the gap if the connection were lost now, in milliseconds.
fn start(coverage: &Coverage, ahead: i64) -> i64 {
    let from = coverage.covered_until(clock_off(ahead)).unwrap();
    let mut closed = coverage.clone();
    closed.handle_closed(clock_off(ahead));
    assert_eq!(closed.gap_from(clock_off(ahead)), Some(from));
    from.as_millis() as i64 - (START * 1_000) as i64
}

/// The offsets of the local clock in milliseconds. Every case must have the same result with each.
const CLOCKS: [i64; 4] = [0, 3_000, -3_000, 3_600_000];

#[test]
fn a_path_that_stalls_and_then_resets_moves_no_gap() {
    for ahead in CLOCKS {
        let mut coverage = begun_with(ahead);
        for created in [500, 1_000, 1_500] {
            read_posts(&mut coverage, created + 1, &[created]);
        }
        read_posts(&mut coverage, 7_000, &[2_000]);
        read_posts(&mut coverage, 7_005, &[2_500]);
        assert_eq!(start(&coverage, ahead), 1_500);
    }
}

#[test]
fn stopped_process_reads_old_input_in_any_number_of_reads() {
    let backlog: Vec<u64> = (10_000..14_000).step_by(100).collect();
    for ahead in CLOCKS {
        for size in [1, 7, 40] {
            let mut coverage = begun_with(ahead);
            for created in (100..10_000).step_by(100) {
                read_posts(&mut coverage, created, &[created]);
            }
            for (reads, posts) in backlog.chunks(size).enumerate() {
                read_posts(&mut coverage, 45_000 + reads as u64, posts);
                coverage.handle_backlog();
            }
            assert_eq!(start(&coverage, ahead), 12_900);
            let pause = Duration::from_millis(35_100);
            let late = Late { kind: LateKind::Read, by: pause };
            assert_eq!(coverage.take_notice(), Some(Notice::Late(late)));
            assert_eq!(coverage.take_notice(), None);
        }
    }
}

#[test]
fn a_constant_lag_of_path_or_datacenter_is_in_the_posts() {
    for (ahead, lag) in CLOCKS.into_iter().flat_map(|ahead| [200, 3_000, 60_000].map(|lag| (ahead, lag))) {
        let mut coverage = begun_with(ahead);
        for created in (0..20_000).step_by(500) {
            read_posts(&mut coverage, created + lag, &[created]);
        }
        assert_eq!(start(&coverage, ahead), 18_500);
        assert!(!matches!(coverage.take_notice(), Some(Notice::Late(Late { kind: LateKind::Posts, .. }))));
    }
}

#[test]
fn keep_alives_move_the_gap_on_from_the_newest_post() {
    for ahead in CLOCKS {
        let mut coverage = begun_with(ahead);
        // The Post lags by 3 s, and so do messages without a creation time.
        read_posts(&mut coverage, 5_000, &[2_000]);
        for (millis, from) in [(25_000, 1_000), (45_000, 1_000), (65_000, 19_000), (85_000, 39_000)] {
            read_keep_alive(&mut coverage, millis);
            assert_eq!(start(&coverage, ahead), from);
        }
        // The next Post shows that the path was late, regardless of the keep-alives.
        read_posts(&mut coverage, 90_000, &[30_000]);
        assert_eq!(start(&coverage, ahead), 29_000);
    }
}

#[test]
fn keep_alives_after_a_stall_may_be_as_late_as_the_last_two_pauses() {
    for has_post in [false, true] {
        let mut coverage = begun_with(0);
        let mut from = |millis, wanted: i64| {
            read_keep_alive(&mut coverage, millis);
            assert_eq!(start(&coverage, 0), wanted, "{millis}");
        };
        from(10_000, -2_000);
        from(20_000, -2_000);
        // Keep-alives of 30 s and 40 s, both late, and of 50 s and 60 s.
        from(49_000, 8_000);
        from(49_001, 8_001);
        from(50_000, 9_250);
        from(60_000, 19_250);
        if has_post {
            read_posts(&mut coverage, 61_000, &[60_900]);
            read_keep_alive(&mut coverage, 71_000);
            // A Post and the keep-alive after it, both delayed by the path.
            read_posts(&mut coverage, 99_000, &[72_000]);
            read_keep_alive(&mut coverage, 99_001);
            assert_eq!(start(&coverage, 0), 71_000);
        }
    }
}

#[test]
fn message_cut_after_a_stall_proves_nothing_new() {
    let mut coverage = begun_with(0);
    for millis in [10_000, 20_000, 49_000, 49_001] {
        read_keep_alive(&mut coverage, millis);
    }
    assert_eq!(start(&coverage, 0), 8_001);
    // The read at 49.001 s emptied the transport and was late by 39 s.
    coverage.handle_read(at_ms(49_500), false);
    assert_eq!(start(&coverage, 0), 8_001);
}

#[test]
fn a_stall_while_the_reader_is_busy_may_be_as_long_as_two_pauses() {
    let mut coverage = begun_with(0);
    read_posts(&mut coverage, 9_020, &[9_000]);
    // The keep-alive of 9.9 s, read late. From 10 s to 34 s the path stalls.
    read_keep_alive(&mut coverage, 22_000);
    // The keep-alive of 14.9 s. Posts may have been created from then on.
    read_keep_alive(&mut coverage, 34_000);
    assert_eq!(start(&coverage, 0), 8_000);
}

/// After a stall, a few bytes are read. The rest waits while the reader is busy, up to two times.
#[test]
fn pauses_of_the_reader_after_the_first_bytes_of_a_stall_add_to_it() {
    // A reader that wakes up late, and a consumer that is busy.
    for (is_consumer, pauses) in [(false, 1), (true, 2)] {
        let mut coverage = begun_with(0);
        read_posts(&mut coverage, 9_020, &[9_000]);
        for millis in [34_000, 34_001] {
            read_keep_alive(&mut coverage, millis);
        }
        for pause in 1..=pauses {
            let millis = 34_001 + pause * 18_000;
            if is_consumer {
                coverage.handle_resume(at_ms(millis));
            }
            for millis in [millis, millis + 1] {
                coverage.handle_read(at_ms(millis), true);
                coverage.handle_keep_alive();
            }
            // The keep-alive of 9.1 s. Posts may have been created from then on.
            assert!(start(&coverage, 0) < 8_100, "{is_consumer} {pause}: {}", start(&coverage, 0));
        }
    }
}

#[test]
fn a_consumer_that_is_busy_now_and_then_does_not_stop_the_covered_time() {
    // The pause of the consumer, the wait for input after it, and the keep-alives that are read in
    // time before it.
    for (pause, wait, in_time) in [(1_000, 0, 0), (5_000, 1_001, 0), (30_000, 0, 5), (30_000, 5_000, 0)] {
        let mut coverage = begun_with(0);
        read_posts(&mut coverage, 9_020, &[9_000]);
        let mut millis = 11_020;
        read_keep_alive(&mut coverage, millis);
        for _ in 0..200 {
            for _ in 0..in_time {
                millis += 20_000;
                read_keep_alive(&mut coverage, millis);
            }
            millis += pause;
            coverage.handle_resume(at_ms(millis));
            millis += wait;
            read_keep_alive(&mut coverage, millis);
        }
        let behind = millis as i64 - start(&coverage, 0);
        assert!(behind < 5_100 + 3 * (pause + wait) as i64, "{pause} {wait}: {behind}");
    }
}

#[test]
fn what_follows_a_post_may_have_been_late_by_two_seconds_more() {
    let contents: [(u64, u64, [u64; 3], i64); 2] = [
        // The Post and the messages were held until 20 s.
        (20_000, 10_000, [20_300, 20_600, 20_900], 9_000),
        // The path stalls from 10.03 s to 11 s.
        (10_020, 10_000, [11_000, 11_400, 11_800], 9_000),
    ];
    for (read_at, created, reads, from) in contents {
        let mut coverage = begun_with(0);
        read_posts(&mut coverage, read_at, &[created]);
        for millis in reads {
            coverage.handle_read(at_ms(millis), true);
            coverage.handle_message(None);
        }
        assert_eq!(start(&coverage, 0), from);
    }
}

#[test]
fn messages_that_arrive_quickly_after_a_stall_do_not_end_its_lateness() {
    type Content = fn(&mut Coverage);
    let contents: [Content; 2] = [Coverage::handle_keep_alive, |c| c.handle_message(None)];
    for (content, stall) in contents.into_iter().flat_map(|content| [(content, 2_000), (content, 24_000)]) {
        let mut coverage = begun_with(0);
        read_posts(&mut coverage, 10_100, &[10_000]);
        for millis in (0..200).step_by(20) {
            coverage.handle_read(at_ms(10_100 + stall + millis), true);
            content(&mut coverage);
            assert!(start(&coverage, 0) <= 9_250, "{stall}, {millis}: {}", start(&coverage, 0));
        }
    }
}

#[test]
fn a_stall_at_the_start_of_a_stream_proves_nothing() {
    for (head, reads) in [(0, &[7_000, 7_005, 7_010][..]), (6_000, &[7_900, 7_905]), (5, &[2_000, 2_001])] {
        let mut coverage = Coverage::new(at(0));
        coverage.handle_request(at(0));
        coverage.handle_read(at_ms(head), true);
        coverage.handle_stream_begun(at_ms(head), clock(), Some(unix(0)), 0);
        for millis in reads {
            // Messages without a creation time, sent directly after the head.
            coverage.handle_read(at_ms(*millis), true);
            coverage.handle_message(None);
            assert!(start(&coverage, 0) <= 0, "head at {head}, {millis}: {}", start(&coverage, 0));
        }
    }
}

#[test]
fn a_head_that_is_late_is_not_reported() {
    let mut coverage = streaming();
    coverage.handle_closed(clock());
    coverage.handle_request(at(40));
    arrive(&mut coverage, 70, true);
    assert!(!coverage.has_notice());
}

#[test]
fn a_stream_takes_over_the_usual_lag_of_the_one_before_but_not_its_pauses() {
    let mut coverage = begun_with(0);
    for created in (10_000..40_000).step_by(10_000) {
        read_posts(&mut coverage, created + 200, &[created]);
    }
    // A pause of 60 s would make all reads of the next stream late.
    read_keep_alive(&mut coverage, 90_200);
    coverage.handle_closed(clock());
    coverage.handle_request(at(100));
    coverage.handle_read(at_ms(100_100), true);
    coverage.handle_stream_begun(at_ms(100_100), clock(), Some(unix(100)), 0);
    for millis in [107_000, 107_005] {
        coverage.handle_read(at_ms(millis), true);
        coverage.handle_message(None);
    }
    assert_eq!(start(&coverage, 0), 98_000);
    read_posts(&mut coverage, 108_000, &[102_000]);
    assert!(matches!(coverage.take_notice(), Some(Notice::Late(Late { kind: LateKind::Posts, .. }))));
}

#[test]
fn every_post_of_an_array_counts() {
    let array = |posts: &[u64]| {
        let posts = posts.iter().map(|at| format!(r#"{{"id":{},"text":""}}"#, id_at(*at).as_u64()));
        format!("[{}]", posts.collect::<Vec<_>>().join(","))
    };
    let mut coverage = begun_with(0);
    coverage.handle_read(at_ms(10_000), true);
    coverage.handle_array(array(&[9_000, 9_900, 9_500]).as_bytes());
    assert_eq!((start(&coverage, 0), coverage.newest), (9_900 - 1_000 - 2 * 400, Some(id_at(9_900))));
    // Elements of a truncated array count up to the error, and an empty array counts as a message.
    coverage.handle_array(&array(&[9_950, 9_960]).as_bytes()[..50]);
    assert_eq!(coverage.newest, Some(id_at(9_950)));
    coverage.handle_read(at_ms(10_100), false);
    coverage.handle_array(b"[]");
    assert!(coverage.at_boundary);
    // The first Post of the first message determines when the stream is live.
    let (mut coverage, gap) = gap_at_20(0, Some(unix(20)));
    coverage.handle_array(array(&[23_000, 24_000]).as_bytes());
    let resumed = Gap { to: unix_ms(23_000), first_after: Some(id_at(23_000)), ..gap };
    assert_eq!(coverage.take_notice(), Some(Notice::Resumed(resumed)));
}

#[test]
fn posts_out_of_order_widen_the_margin_and_stragglers_do_not() {
    let mut coverage = begun_with(0);
    read_posts(&mut coverage, 10_000, &[9_900, 9_800, 9_950]);
    assert_eq!(start(&coverage, 0), 9_950 - 1_000 - 2 * 100);
    read_posts(&mut coverage, 11_000, &[10_950, 6_950]);
    assert_eq!(start(&coverage, 0), 10_950 - 1_000 - 2 * 4_000);
    read_posts(&mut coverage, 22_000, &[21_950, 11_949]);
    assert_eq!(start(&coverage, 0), 21_950 - 1_000 - 2 * 4_000);
    let mut widest = coverage.clone();
    widest.handle_message(Some(id_at(11_950)));
    assert_eq!(start(&widest, 0), 21_950 - 1_000 - 2 * 10_000);
    // The next stream keeps the disorder and the newest Post of this one.
    coverage.handle_closed(clock());
    coverage.handle_request(at(30));
    assert_eq!(coverage.newest, Some(id_at(21_950)));
    coverage.handle_stream_begun(at(30), clock(), Some(unix(30)), 0);
    let mut local = coverage.clone();
    read_posts(&mut coverage, 31_000, &[30_900]);
    assert_eq!(start(&coverage, 0), 30_900 - 1_000 - 2 * 4_000);
    // Without a Post and a `Date`, it widens the start by the local clock.
    local.handle_stream_begun(at(30), clock(), None, 0);
    for millis in [30_500, 31_000] {
        read_keep_alive(&mut local, millis);
    }
    assert_eq!(local.covered_until(clock()), Some(unix_ms(30_500 - 2_000 - 2 * 4_000)));
}

#[test]
fn posts_that_are_not_live_prove_nothing() {
    let mut coverage = begun_with(0);
    read_keep_alive(&mut coverage, 20_000);
    let five_minutes = 5 * 60_000;
    let old = PostId::new(id_at(0).as_u64() - ((five_minutes + 1) << 22));
    // The server's clock may be a second ahead of its `Date`.
    let ahead = id_at(20_000 + five_minutes + 1_001);
    for id in [PostId::new(20), old, ahead] {
        coverage.handle_message(Some(id));
        assert_eq!((start(&coverage, 0), coverage.newest), (-2_000, None));
    }
    let oldest = PostId::new(id_at(0).as_u64() - (five_minutes << 22));
    let newest = id_at(20_000 + five_minutes + 1_000);
    for id in [oldest, newest] {
        coverage.handle_message(Some(id));
        assert_eq!(coverage.newest, Some(id));
    }
}

/// The machine was suspended between the request and its response.
#[test]
fn posts_count_after_a_head_that_was_read_hours_after_its_request() {
    let hours = 4 * 3_600_000;
    let mut coverage = begun_with(0);
    read_posts(&mut coverage, 500, &[400]);
    coverage.handle_closed(clock());
    coverage.handle_request(at(1));
    coverage.handle_read(at_ms(hours), true);
    assert!(coverage.handle_stream_begun(at_ms(hours), clock(), Some(unix(1)), 0).is_some());
    for millis in [hours + 500, hours + 900] {
        read_posts(&mut coverage, millis, &[millis - 100]);
        assert_eq!(start(&coverage, 0), millis as i64 - 1_100);
    }
    assert!(matches!(coverage.take_notice(), Some(Notice::Resumed(_))));
    assert_eq!(coverage.take_notice(), None, "no Post is late");
}

#[test]
fn a_server_clock_that_is_behind_is_corrected_by_each_post_ahead_of_it() {
    let mut coverage = begun_with(0);
    let mut read = |millis, posts: &[u64], earliest| {
        read_posts(&mut coverage, millis, posts);
        assert_eq!(coverage.server.unwrap().earliest_at(at_ms(millis)), unix_ms(earliest));
    };
    read(20_000, &[23_000, 22_900, 22_950], 23_000);
    read(20_500, &[23_100], 23_500);
    read(21_000, &[24_800], 24_800);
    assert_eq!(coverage.newest, Some(id_at(24_800)));
    // No content followed the newest Post.
    let read_at = coverage.stream.unwrap().newest.unwrap().read_at;
    assert_eq!(read_at, at_ms(21_000));
}

/// Returns the gap of a stream that begins at 20 s, after Posts up to 10 s.
fn gap_at_20(ahead: i64, date: Option<UnixTime>) -> (Coverage, Gap) {
    let mut coverage = begun_with(ahead);
    read_posts(&mut coverage, 9_700, &[9_500]);
    read_posts(&mut coverage, 10_100, &[10_000]);
    coverage.handle_closed(clock_off(ahead));
    coverage.handle_request(at_ms(19_800));
    arrive(&mut coverage, 20, true);
    let gap = coverage.handle_stream_begun(at(20), clock_off(ahead), date, 0).unwrap();
    (coverage, gap)
}

#[test]
fn a_gap_has_its_bounds_in_the_servers_time_and_by_the_local_clock() {
    for ahead in CLOCKS {
        let (coverage, gap) = gap_at_20(ahead, Some(unix(20)));
        // `Date` was 20 s, so the server's clock showed at most 20.999 s. The request took 200 ms.
        assert_eq!((gap.from, gap.to), (unix(9), unix_ms(21_200)));
        assert_eq!(coverage.begun(), Some((unix(20), unix_ms(21_200))));
        assert_eq!((gap.newest_before, gap.first_after), (Some(id_at(10_000)), None));
        let local = |millis: u64| clock_off(ahead).unix_at(at_ms(millis));
        assert_eq!((gap.local_from, gap.local_to), (local(7_700), local(20_002)));
    }
}

#[test]
fn outage_length_is_the_larger_of_both_clocks() {
    // `Date` says 21 s at most, and the gap starts at 9 s.
    for (ahead, seconds) in [(0, 12), (-3_600_000, 12), (3_000, 14), (3_600_000, 3_611)] {
        let mut coverage = begun_with(ahead);
        read_posts(&mut coverage, 10_100, &[10_000]);
        coverage.handle_closed(clock_off(ahead));
        assert_eq!(coverage.outage(at(20), clock_off(ahead)), Some(Duration::from_secs(seconds)));
    }
}

#[test]
fn without_a_date_posts_correct_a_local_clock_that_is_behind() {
    let to = |ahead| {
        let mut coverage = Coverage::new(at(0));
        coverage.handle_stream_begun(at(0), clock_off(ahead), None, 0);
        read_posts(&mut coverage, 10_100, &[10_000]);
        coverage.handle_closed(clock_off(ahead));
        coverage.handle_request(at(19));
        arrive(&mut coverage, 20, true);
        let gap = coverage.handle_stream_begun(at(20), clock_off(ahead), None, 0).unwrap();
        // A later first Post moves the bound, with the margin.
        coverage.handle_message(Some(id_at(30_000)));
        let Some(Notice::Resumed(resumed)) = coverage.take_notice() else { panic!("{coverage:?}") };
        assert_eq!(resumed.to, unix_ms(31_000));
        gap.to
    };
    assert_eq!([to(0), to(3_000)], [unix_ms(20_002), unix_ms(23_002)]);
    // The clock is behind by 3 s. A Post that was read 100 ms late shows 2.9 s, and one second is
    // added.
    assert_eq!(to(-3_000), unix_ms(20_902));
}

#[test]
fn a_post_created_when_it_is_read_does_not_correct_the_local_clock() {
    for (created, time) in [(10_000, 25_000), (10_001, 20_001)] {
        let mut coverage = streaming();
        read_posts(&mut coverage, 10_000, &[created]);
        // The local clock is set by 5 s later.
        assert_eq!(coverage.server_time(at(20), clock_off(5_000)), unix_ms(time));
    }
}

#[test]
fn the_first_live_post_repeats_the_gap_with_its_id_and_may_move_its_end() {
    for (posts, is_first, to) in
        [(&[20_300][..], true, 21_200), (&[23_000, 24_000], true, 23_000), (&[23_000], false, 21_200)]
    {
        let (mut coverage, gap) = gap_at_20(0, Some(unix(20)));
        if !is_first {
            coverage.handle_message(None);
        }
        read_posts(&mut coverage, 24_100, posts);
        let (to, first_after) = (unix_ms(to), Some(id_at(posts[0])));
        assert_eq!(coverage.take_notice(), Some(Notice::Resumed(Gap { to, first_after, ..gap })));
        assert!(!coverage.has_notice() && coverage.take_notice().is_none());
    }
}

#[test]
fn gap_with_backfill_resumes_with_the_first_post_after_it() {
    let mut coverage = backfilling();
    read_posts(&mut coverage, 100_500, &[9_500, 50_000, 99_900]);
    assert_eq!((coverage.take_notice(), coverage.newest), (None, None));
    read_posts(&mut coverage, 101_500, &[101_400]);
    let Some(Notice::Resumed(gap)) = coverage.take_notice() else { panic!("{coverage:?}") };
    assert_eq!((gap.from, gap.first_after), (unix(8), Some(id_at(101_400))));
}

#[test]
fn a_post_much_later_than_usual_is_reported_once() {
    let mut coverage = begun_with(-3_000);
    for created in (500..20_000).step_by(500) {
        read_posts(&mut coverage, created + 200, &[created]);
    }
    read_posts(&mut coverage, 27_000, &[20_000]);
    assert!(matches!(coverage.take_notice(), Some(Notice::Late(Late { kind: LateKind::Posts, .. }))));
    read_posts(&mut coverage, 27_001, &[20_500, 21_000]);
    assert!(!coverage.has_notice());
}
