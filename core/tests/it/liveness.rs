//! Tests deadlines on a virtual clock: which one is next, what moves it, and the effect of a late
//! wake-up.

use std::collections::BTreeSet;
use std::time::Duration;

use powerstream_core::liveness::TimeoutKind::{self, *};
use powerstream_core::liveness::{Liveness, Timeout, Timeouts};
use powerstream_core::time::Instant;

const fn seconds(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

const fn nanos_before(instant: Instant, nanos: u64) -> Instant {
    Instant::from_nanos(instant.as_nanos() - nanos)
}

fn liveness() -> Liveness {
    Liveness::new(Timeouts::default())
}

fn next(liveness: &Liveness) -> Option<(Instant, TimeoutKind)> {
    liveness.poll_timeout().map(|deadline| (deadline.at, deadline.reason))
}

/// A call to the tracker.
enum Call {
    Connecting,
    Connected,
    Head,
    ErrorHead,
    Closed,
    Content,
    Begun,
    Ended,
    Announcement,
    Pause(u64),
}

fn call(liveness: &mut Liveness, call: &Call, now: Instant) {
    match call {
        Call::Connecting => liveness.handle_connecting(now),
        Call::Connected => liveness.handle_connected(now),
        Call::Head => liveness.handle_head(now),
        Call::ErrorHead => liveness.handle_error_head(now),
        Call::Closed => liveness.handle_closed(),
        Call::Content => liveness.handle_content(now),
        Call::Begun => liveness.handle_message_begun(now),
        Call::Ended => liveness.handle_message_ended(),
        Call::Announcement => liveness.handle_announcement(now),
        Call::Pause(seconds) => liveness.handle_pause(Duration::from_secs(*seconds)),
    }
}

#[test]
fn next_deadline_is_the_earliest() {
    use Call::*;
    // The calls, each at a second, and the deadline after them, in seconds.
    type Row = (&'static str, &'static [(u64, Call)], Option<(u64, TimeoutKind)>);
    let rows: &[Row] = &[
        ("idle", &[], None),
        ("idle, content by mistake", &[(1, Content)], None),
        ("connecting", &[(100, Connecting)], Some((110, Connect))),
        ("requesting", &[(100, Connecting), (109, Connected)], Some((124, TimeoutKind::Head))),
        (
            "content before the head moves nothing there",
            &[(100, Connected), (101, Pause(5))],
            Some((115, TimeoutKind::Head)),
        ),
        ("streaming", &[(100, Connected), (101, Call::Head)], Some((126, Idle))),
        (
            "content extends the idle timeout",
            &[(100, Call::Head), (110, Content), (120, Content)],
            Some((145, Idle)),
        ),
        (
            "content in the past does not",
            &[(100, Call::Head), (110, Content), (90, Content)],
            Some((135, Idle)),
        ),
        (
            "a message that ends in time",
            &[(0, Call::Head), (10, Begun), (20, Content), (20, Ended)],
            Some((45, Idle)),
        ),
        (
            "a message moves no deadline by itself",
            &[(0, Call::Head), (10, Begun), (60, Content)],
            Some((70, Message)),
        ),
        (
            "idle timeout before the message's deadline",
            &[(0, Call::Head), (10, Begun), (20, Content)],
            Some((45, Idle)),
        ),
        (
            "idle timeout at the same time as the message's deadline",
            &[(0, Call::Head), (10, Begun), (45, Content)],
            Some((70, Idle)),
        ),
        ("announced", &[(0, Call::Head), (10, Announcement)], Some((15, Disconnect))),
        (
            "announced twice: the first counts",
            &[(0, Call::Head), (10, Announcement), (14, Announcement)],
            Some((15, Disconnect)),
        ),
        (
            "content moves no announcement",
            &[(0, Call::Head), (10, Announcement), (14, Content)],
            Some((15, Disconnect)),
        ),
        ("pause extends the idle timeout", &[(0, Call::Head), (10, Pause(7))], Some((32, Idle))),
        (
            "pause moves a message",
            &[(0, Call::Head), (10, Begun), (60, Content), (61, Pause(7))],
            Some((77, Message)),
        ),
        (
            "pause moves an announcement",
            &[(0, Call::Head), (10, Announcement), (11, Pause(7))],
            Some((22, Disconnect)),
        ),
        ("pause moves no connect", &[(0, Connecting), (5, Pause(7))], Some((10, Connect))),
        ("error response", &[(0, Connected), (5, ErrorHead)], Some((20, ErrorBody))),
        (
            "content moves no error response's deadline",
            &[(0, Connected), (5, ErrorHead), (6, Pause(3))],
            Some((20, ErrorBody)),
        ),
        ("closed", &[(0, Call::Head), (1, Begun), (1, Announcement), (2, Closed)], None),
        (
            "again after a message",
            &[(0, Call::Head), (1, Begun), (2, Announcement), (3, Connected), (4, Call::Head)],
            Some((29, Idle)),
        ),
    ];
    for (name, calls, want) in rows {
        let mut liveness = liveness();
        for (at, one) in *calls {
            call(&mut liveness, one, seconds(*at));
        }
        let want = want.map(|(at, reason)| (seconds(at), reason));
        assert_eq!(next(&liveness), want, "{name}");
        assert_eq!(next(&liveness), want, "{name}: polling changes nothing");
        let Some((at, reason)) = want else {
            assert_eq!(liveness.handle_timeout(Instant::from_nanos(u64::MAX)), Timeout::Early, "{name}");
            assert_eq!(liveness.handle_unfinished(Instant::from_nanos(u64::MAX)), None, "{name}");
            continue;
        };
        assert_eq!(liveness.handle_timeout(nanos_before(at, 1)), Timeout::Early, "{name}: not yet");
        assert_eq!(liveness.handle_unfinished(nanos_before(at, 1)), None, "{name}: not yet");
        if reason != Connect {
            assert_eq!(liveness.handle_timeout(at), Timeout::ReadFirst, "{name}: bytes may be waiting");
        }
        assert_eq!(liveness.handle_timeout(at), Timeout::Expired(reason), "{name}");
        assert_eq!(
            liveness.handle_timeout(at),
            Timeout::Expired(reason),
            "{name}: the result stays the same"
        );
    }
}

#[test]
fn first_read_after_a_late_wake_up_decides() {
    let mut liveness = liveness();
    liveness.handle_head(seconds(0));
    // The machine was suspended for an hour, and content had waited in the kernel.
    assert_eq!(liveness.handle_timeout(seconds(3_600)), Timeout::ReadFirst);
    liveness.handle_content(seconds(3_600));
    assert_eq!(liveness.handle_timeout(seconds(3_600)), Timeout::Early);
    assert_eq!(next(&liveness), Some((seconds(3_625), Idle)));
    // The next deadline asks for one more read again.
    assert_eq!(liveness.handle_timeout(seconds(3_625)), Timeout::ReadFirst);
    assert_eq!(liveness.handle_timeout(seconds(3_625)), Timeout::Expired(Idle));
}

#[test]
fn partial_messages_do_not_extend_the_idle_timeout_which_needs_one_empty_read() {
    let mut liveness = liveness();
    liveness.handle_head(seconds(0));
    assert_eq!(liveness.handle_unfinished(seconds(1_000)), None);
    // Not even if the deadline of the message has passed as well.
    liveness.handle_message_begun(seconds(0));
    for second in [1_000, 1_001, 1_002] {
        assert_eq!(liveness.handle_unfinished(seconds(second)), None);
    }
}

/// Bytes that end nothing, read `d` after the deadline, extend it by `d`, at most one second.
#[test]
fn absolute_deadlines_are_never_extended() {
    // The name, the start of the wait at 0, its deadline, and its length in seconds.
    type Row = (&'static str, fn(&mut Liveness), TimeoutKind, u64);
    let enter: [Row; 4] = [
        ("head", |liveness| liveness.handle_connected(seconds(0)), TimeoutKind::Head, 15),
        ("error", |liveness| liveness.handle_error_head(seconds(0)), ErrorBody, 15),
        (
            "message",
            |liveness| {
                liveness.handle_head(seconds(0));
                liveness.handle_message_begun(seconds(0));
            },
            Message,
            60,
        ),
        (
            "announced",
            |liveness| {
                liveness.handle_head(seconds(0));
                liveness.handle_announcement(seconds(0));
            },
            Disconnect,
            5,
        ),
    ];
    for (name, enter, reason, length) in enter {
        for late_nanos in [0, 1, 500_000_000, 1_000_000_000, 3_600_000_000_000] {
            let mut liveness = liveness();
            enter(&mut liveness);
            let late = Duration::from_nanos(late_nanos);
            let found = seconds(length).saturating_add(late);
            liveness.handle_content(nanos_before(seconds(length), 1));
            let first = liveness.handle_unfinished(found);
            if late_nanos == 0 {
                assert_eq!(first, Some(reason), "{name}: in time");
                continue;
            }
            assert_eq!(first, None, "{name}: the caller was late by {late:?}");
            let overdue = found.saturating_add(late.min(Duration::from_secs(1)));
            liveness.handle_content(nanos_before(overdue, 1));
            assert_eq!(liveness.handle_unfinished(nanos_before(overdue, 1)), None, "{name}");
            liveness.handle_content(overdue);
            assert_eq!(liveness.handle_unfinished(overdue), Some(reason), "{name}");
        }
    }
}

#[test]
fn message_that_completes_late_is_accepted_and_the_next_gets_a_full_timeout() {
    let mut liveness = liveness();
    liveness.handle_head(seconds(0));
    liveness.handle_message_begun(seconds(0));
    liveness.handle_content(seconds(61));
    assert_eq!(liveness.handle_unfinished(seconds(61)), None);
    liveness.handle_message_ended();
    liveness.handle_message_begun(seconds(61));
    for second in 62..121 {
        liveness.handle_content(seconds(second));
        assert_eq!(liveness.handle_unfinished(seconds(second)), None, "second {second}");
    }
    liveness.handle_content(seconds(121));
    assert_eq!(liveness.handle_unfinished(seconds(121)), Some(Message));
}

/// A server that announces a close and then sends whole messages without a pause.
#[test]
fn completed_messages_do_not_extend_an_announced_close() {
    let mut liveness = liveness();
    liveness.handle_head(seconds(0));
    liveness.handle_announcement(seconds(10));
    let mut expired = None;
    for milli in (0..10_000).step_by(30) {
        let now = seconds(10).saturating_add(Duration::from_millis(milli));
        liveness.handle_content(now);
        liveness.handle_message_begun(now);
        liveness.handle_message_ended();
        liveness.handle_message_begun(now);
        expired = expired.or(liveness.handle_unfinished(now).map(|reason| (milli, reason)));
    }
    // Found 10 ms late at 5,010 ms, so the deadline moves by 10 ms.
    assert_eq!(expired, Some((5_040, Disconnect)));
}

#[test]
fn an_announcement_after_a_void_one_gets_a_full_timeout() {
    let mut liveness = liveness();
    liveness.handle_head(seconds(0));
    liveness.handle_announcement(seconds(10));
    liveness.handle_content(seconds(16));
    assert_eq!(liveness.handle_unfinished(seconds(16)), None);
    liveness.handle_announcement_void();
    assert_eq!(next(&liveness), Some((seconds(41), Idle)));
    liveness.handle_announcement(seconds(20));
    for (second, expired) in [(26, None), (27, Some(Disconnect))] {
        liveness.handle_content(seconds(second));
        assert_eq!(liveness.handle_unfinished(seconds(second)), expired, "second {second}");
    }
}

#[test]
fn the_grace_for_a_late_message_does_not_shorten_that_for_an_announced_close() {
    let mut liveness = liveness();
    liveness.handle_head(seconds(0));
    liveness.handle_message_begun(seconds(0));
    liveness.handle_content(seconds(61));
    assert_eq!(liveness.handle_unfinished(seconds(61)), None);
    // The next message begins, and the close was announced.
    liveness.handle_message_begun(seconds(61));
    liveness.handle_announcement(seconds(61));
    for (second, expired) in [(67, None), (68, Some(Disconnect))] {
        liveness.handle_content(seconds(second));
        assert_eq!(liveness.handle_unfinished(seconds(second)), expired, "second {second}");
    }
}

/// Pauses move the grace for lateness, but never grant it again.
#[test]
fn repeated_pauses_do_not_extend_deadlines_forever() {
    let mut liveness = liveness();
    liveness.handle_head(seconds(0));
    liveness.handle_message_begun(seconds(0));
    let (mut now, mut expired) = (Instant::ZERO, None);
    for step in 0..200 {
        now = now.saturating_add(Duration::from_millis(700));
        liveness.handle_content(now);
        if let Some(reason) = liveness.handle_unfinished(now) {
            expired = Some((step, reason));
            break;
        }
        // The consumer is busy for the same time.
        now = now.saturating_add(Duration::from_millis(700));
        liveness.handle_pause(Duration::from_millis(700));
    }
    // 60 s of reading are 86 steps of 700 ms.
    assert_eq!(expired, Some((86, Message)));
}

#[test]
fn extreme_values_saturate() {
    let last = Instant::from_nanos(u64::MAX);
    let mut timeouts = Timeouts::default();
    for length in [Duration::ZERO, Duration::MAX] {
        (timeouts.connect, timeouts.head, timeouts.idle) = (length, length, length);
        (timeouts.message, timeouts.disconnect) = (length, length);
        for now in [Instant::ZERO, seconds(1), last] {
            let mut liveness = Liveness::new(timeouts);
            for one in [
                Call::Connecting,
                Call::Connected,
                Call::Head,
                Call::Begun,
                Call::Announcement,
                Call::Pause(u64::MAX),
                Call::Content,
                Call::ErrorHead,
            ] {
                call(&mut liveness, &one, now);
                assert!(next(&liveness).is_some_and(|(at, _)| at >= now));
                // The clock goes back to the start, then to the latest time.
                let _ = liveness.handle_unfinished(Instant::ZERO);
                let _ = liveness.handle_unfinished(last);
                let _ = liveness.handle_timeout(Instant::ZERO);
                assert_ne!(liveness.handle_timeout(last), Timeout::Early);
            }
        }
    }
}

#[test]
fn clock_going_backwards_moves_no_deadline_earlier() {
    let mut liveness = liveness();
    liveness.handle_head(seconds(1_000));
    liveness.handle_content(seconds(1_010));
    let before = next(&liveness);
    liveness.handle_content(seconds(3));
    assert_eq!(next(&liveness), before);
    assert_eq!(liveness.handle_timeout(seconds(3)), Timeout::Early);
    liveness.handle_message_begun(seconds(4));
    assert_eq!(next(&liveness), before);
    liveness.handle_announcement(seconds(5));
    assert_eq!(next(&liveness), Some((seconds(1_015), Disconnect)));
}

#[test]
fn each_timeout_has_its_own_code_and_text() {
    let kinds = [Connect, TimeoutKind::Head, ErrorBody, Idle, Message, Disconnect, Answer];
    let codes: BTreeSet<_> = kinds.iter().map(|kind| kind.timeout_code()).collect();
    let texts: BTreeSet<_> = kinds.iter().map(|kind| kind.expected()).collect();
    assert_eq!((codes.len(), texts.len()), (kinds.len(), kinds.len()));
    assert!(texts.iter().all(|text| text.starts_with("expected the ") || text.starts_with("expected a ")));
}
