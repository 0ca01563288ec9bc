//! Checks the events of a session, and the Posts that are promised by now.

use std::time::Duration;

use powerstream_core::merge::{Arrival, ConnectionId, GroupGap};
use powerstream_core::session::{LateKind, ScannedSessionEvent, SessionEvent, Step};
use powerstream_core::time::{Instant, UnixTime};

use super::line::Line;
use super::{SECRET, World, core};
use crate::invariants::Phase;
use crate::judge::{BACK_MAX, Judge};
use crate::network::{End, Expected};
use crate::service::{Post, SEC, Service};
use crate::transcript::{digest, note, note_numbers};

impl World {
    pub(super) fn handle_event(&mut self, index: usize, event: &ScannedSessionEvent) {
        let Self { sessions, lines, merge, statistics, services, group_judges, naive, .. } = self;
        let (now, wrong, group_wrong) = (self.now, lines[index].error(), self.clock_error);
        let instant = Instant::from_nanos(now);
        let Line {
            model,
            judge,
            margin,
            cuts,
            buffer,
            group,
            streaming_since,
            has_begun,
            has_streamed,
            tls,
            clock_error,
            gap_error,
            ..
        } = &mut lines[index];
        let service = &mut services[*group];
        let group_judge = &mut group_judges[*group];
        let session = &sessions[index];
        let covered = |of: ConnectionId| sessions[of.index()].covered_until();
        let Some(id) = ConnectionId::new(index) else { unreachable!("at most three connections") };
        let event = core(|| session.lend(event, buffer.scanned()));
        if !matches!(event, SessionEvent::Message(_) | SessionEvent::KeepAlive) {
            for text in [format!("{event:?}"), format!("{session:?}")] {
                assert!(!text.contains(SECRET), "I20: the token is shown");
            }
        }
        let add_gap = |judge: &mut Judge, gap: Option<GroupGap>, service: &Service| {
            if let Some(gap) = gap {
                let (from, to) = (gap.from.as_millis() - group_wrong, gap.to.as_millis() + group_wrong);
                judge.handle_gap(from, to, service);
            }
        };
        cuts.event(&event);
        let grammar = |fits: bool| assert!(fits, "I17: {event:?} in {:?}", model.phase);
        match &event {
            SessionEvent::Connected(connected) => {
                grammar(model.phase == Phase::Streaming);
                assert_eq!(model.expect(), Expected::Head, "I3: the head");
                let asked = connected.gap.map_or(0, |gap| gap.backfill_minutes);
                note(now, index, 5, u64::from(asked), format_args!("connected, gap {:?}", connected.gap));
                statistics.streams += 1;
                *streaming_since = Some(now);
                let unix = service.unix(now);
                assert_eq!(connected.gap.is_some(), *has_begun, "I6: a gap before each stream but the first");
                *has_begun = true;
                statistics.reconnects += u64::from(std::mem::replace(has_streamed, true));
                margin.handle_stream(unix, asked > 0);
                judge.handle_first_stream(unix);
                group_judge.handle_first_stream(unix);
                if let Some(gap) = connected.gap {
                    statistics.gaps += 1;
                    judge.handle_gap(gap.from.as_millis() - wrong, gap.to.as_millis() + wrong, service);
                }
                let gap = core(|| merge.handle_connected(id, connected, instant, covered));
                add_gap(group_judge, gap, service);
            }
            SessionEvent::Message(message) => {
                grammar(matches!(model.phase, Phase::Streaming));
                statistics.messages += 1;
                let post = message.id().map(|id| id.as_u64());
                note_numbers(now, index, 6, digest(message.bytes), format_args!("message {post:?}"));
                let mut is_post = post.is_some_and(|id| service.find(id).is_some());
                if model.handle_unexpected() {
                    assert!(!is_post && post.is_none(), "I2: a Post that was not sent");
                    return;
                }
                let Expected::Message { bytes, is_post: expects_post, advice } = model.expect() else {
                    panic!("I3: a message instead of another event");
                };
                assert!(message.bytes == bytes, "I2: the bytes of a message");
                is_post &= expects_post;
                assert_eq!(is_post, expects_post, "I2: a Post and its id");
                if let Some(advice) = advice {
                    model.handle_announcement(advice);
                }
                let Some(post_id) = message.id().filter(|_| is_post) else { return };
                statistics.posts += 1;
                model.handle_post();
                if let Some(created) = post_id.created_at() {
                    margin.handle_post(created.as_millis());
                }
                if let Some(post) = service.find(post_id.as_u64()) {
                    post.delivered |= 1 << index;
                }
                let arrival = core(|| merge.arrival(id, post_id, message.bytes, instant));
                let is_new = naive.insert(post_id.as_u64(), now);
                assert_eq!(arrival == Arrival::First, is_new, "I4: {arrival:?}");
            }
            SessionEvent::KeepAlive => {
                grammar(model.phase == Phase::Streaming);
                statistics.keep_alives += 1;
                note_numbers(now, index, 13, 0, format_args!("keep-alive"));
                if !model.handle_unexpected() {
                    assert_eq!(model.expect(), Expected::KeepAlive, "I3: a keep-alive");
                }
            }
            SessionEvent::Skipped { bytes } => {
                grammar(model.phase == Phase::Streaming);
                note(now, index, 7, *bytes, format_args!("skipped {bytes} bytes"));
                assert_eq!(model.expect(), Expected::Skipped(*bytes), "I3: a skipped message");
            }
            SessionEvent::Resumed(gap) => {
                grammar(*has_begun);
                note(now, index, 8, gap.to.as_millis(), format_args!("resumed {gap:?}"));
                judge.handle_gap(gap.from.as_millis() - wrong, gap.to.as_millis() + wrong, service);
                let gap = core(|| merge.handle_resumed(id, gap, covered));
                add_gap(group_judge, gap, service);
            }
            SessionEvent::Late(late) => {
                let fits = match late.kind {
                    LateKind::Read => late.by > Duration::from_secs(25),
                    LateKind::Posts => late.by >= Duration::from_secs(5),
                    _ => false,
                };
                grammar(fits);
                note(now, index, 9, late.by.as_millis() as u64, format_args!("late {late:?}"));
            }
            SessionEvent::Refused(refused) => {
                note(now, index, 10, u64::from(refused.refusal.status), format_args!("{}", refused.refusal));
                let fits =
                    matches!(model.end.why, Some(End::Refused(status, _)) if status == refused.head.status());
                grammar(fits);
            }
            SessionEvent::Disconnected(ended) => {
                let wait = ended.delay.as_nanos() as u64;
                note(now, index, 11, wait, format_args!("{}: waits {:?}", ended.reason, ended.delay));
                if let Some(since) = streaming_since.take() {
                    statistics.streamed += u128::from(now - since);
                    // With backfill, the gap before may still be open.
                    *gap_error = if self.backfill { wrong } else { *clock_error };
                }
                let counts = session.byte_counts();
                let content = counts.delivered + counts.separators + counts.skipped;
                let used = counts.head + counts.framing + content + counts.discarded;
                // Incomplete messages are discarded, unless the connection ended before.
                let fits = used + ended.undelivered == counts.received
                    || used == counts.received && ended.undelivered <= counts.discarded;
                assert!(fits || matches!(model.phase, Phase::Connecting { .. }), "I5: {counts:?}, {ended:?}");
                model.handle_disconnected(ended, tls.take(), now);
                margin.handle_end();
                if !self.faults.on {
                    // After the faults, one connection may still fail.
                    let bound = &mut self.bounds[index];
                    assert!(
                        now <= self.calm_at + 100 * SEC + model.late,
                        "I11: failed long after the faults"
                    );
                    *bound = (*bound).min(now + wait + 26 * SEC);
                }
                let outage = core(|| merge.handle_disconnected(id, ended.gap_from, false, covered));
                add_gap(group_judge, outage.gap, service);
            }
            SessionEvent::GaveUp(gave_up) => {
                note(now, index, 12, 0, format_args!("gave up: {}", gave_up.reason));
                let why = model.end.why;
                assert!(
                    matches!(why, Some(End::Refused(400..=407 | 409..=419 | 300..=399, _))),
                    "I10: gave up after {why:?}"
                );
                if let Some(since) = streaming_since.take() {
                    statistics.streamed += u128::from(now - since);
                }
                model.phase = Phase::Over;
                margin.handle_end();
                let outage = core(|| merge.handle_disconnected(id, gave_up.gap_from, true, covered));
                add_gap(group_judge, outage.gap, service);
            }
            event => panic!("I17: {event:?}"),
        }
    }

    /// Checks the Posts that are promised by now, and stores the position now and then.
    pub(super) fn judge(&mut self, index: usize) {
        if self.sessions[index].poll() == Step::Event {
            return;
        }
        let line = &mut self.lines[index];
        let service = &self.services[line.group];
        if !line.judge.is_idle(service) {
            if let Some(covered) = core(|| self.sessions[index].covered_until()) {
                let (covered, wrong) = (covered.as_millis(), line.error());
                let is_excused = |post: &Post| line.margin.excuses(post, index);
                line.judge.check(covered - wrong, service, self.now, is_excused);
            }
        }
        let mut groups = self.group_judges.iter().zip(&self.services);
        if self.now < self.checkpoint_at && groups.all(|(judge, service)| judge.is_idle(service)) {
            return;
        }
        let is_between = |index: usize| {
            self.lines[index].buffer.input().is_empty() && self.sessions[index].poll() != Step::Event
        };
        if !(0..self.lines.len()).all(is_between) {
            return;
        }
        for (group, covered) in self.covered() {
            let group = usize::from(group.number());
            let (judge, service) = (&mut self.group_judges[group], &self.services[group]);
            let of_group = |(_, line): &(usize, &Line)| line.group == group;
            let is_excused = |post: &Post| {
                let mut lines = self.lines.iter().enumerate().filter(of_group);
                lines.any(|(index, line)| line.margin.excuses(post, index))
            };
            let streaming = self.lines.iter().enumerate().filter(of_group);
            let streaming = streaming.filter(|(_, line)| line.streaming_since.is_some());
            let all = streaming.filter_map(|(index, _)| self.sessions[index].covered_until()).min();
            let covered = covered.as_millis();
            // What all connections that stream confirm stays covered, whatever they do next.
            judge.confirmed = judge.confirmed.max(all.map_or(0, UnixTime::as_millis));
            assert!(
                covered + BACK_MAX + self.clock_error >= judge.confirmed
                    && covered >= all.map_or(0, UnixTime::as_millis),
                "I6: covered until {covered}, but all connections had confirmed {}, and confirm {all:?}",
                judge.confirmed
            );
            let covered = covered - self.clock_error;
            self.statistics.lost += judge.check(covered, service, self.now, is_excused);
        }
        if self.now >= self.checkpoint_at {
            self.store_position();
        }
        for (group, service) in self.services.iter_mut().enumerate() {
            let of_group = self.lines.iter().filter(|line| line.group == group).map(|line| line.judge.cursor);
            let checked = of_group.chain([self.group_judges[group].cursor]).min().unwrap_or(0);
            service.forget(checked, self.now);
        }
    }
}
