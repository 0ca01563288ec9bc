//! What a client delivered and reported, and whether that is right.

use std::collections::HashSet;
use std::fmt;
use std::ops::AddAssign;
use std::time::SystemTime;

use powerstream_client::merged::{MergedEvent, Position};
use powerstream_client::recovery::RecoveryEvent;
use powerstream_core::session::{Gap, Message, SessionEvent};
use powerstream_core::stream::{PostId, validate};
use powerstream_core::time::{TimeRange, UnixTime};
use powerstream_simulator::Simulator;

/// What a stream delivered and reported.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// When the first stream began, by the local clock, which is also the simulator's.
    begun: Option<UnixTime>,
    delivered: HashSet<u64>,
    repeated: u64,
    gaps: Vec<TimeRange>,
    lost: Vec<TimeRange>,
    disconnects: u64,
    late: u64,
    recovered: u64,
}

/// The counts of a round.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Judgment {
    posts: usize,
    delivered: usize,
    /// Missing, and within a reported range.
    missing: usize,
    /// Missing, and in no reported range.
    outside: usize,
    repeated: u64,
    disconnects: u64,
    gaps: usize,
    late: u64,
    recovered: u64,
}

impl Report {
    /// Records an event. `is_merged`: gaps are those of the whole stream.
    pub(super) fn record(&mut self, event: &MergedEvent<'_>, is_merged: bool) {
        match event {
            MergedEvent::Session { event, .. } => self.record_session(event, is_merged),
            MergedEvent::Gap(gap) => self.gaps.push(TimeRange { from: gap.from, to: gap.to }),
            MergedEvent::Recovery(event) => match event {
                RecoveryEvent::Message(message) => self.record_message(message),
                RecoveryEvent::Completed { posts, .. } => self.recovered += posts,
                RecoveryEvent::Lost { recovery, .. } => self.lost.push(recovery.range),
                _ => {}
            },
            _ => {}
        }
    }

    fn record_session(&mut self, event: &SessionEvent<'_>, is_merged: bool) {
        let range = |gap: &Gap| TimeRange { from: gap.from, to: gap.to };
        match event {
            SessionEvent::Message(message) => self.record_message(message),
            SessionEvent::Connected(connected) => {
                self.begun.get_or_insert_with(|| SystemTime::now().into());
                if !is_merged {
                    self.gaps.extend(connected.gap.as_ref().map(range));
                }
            }
            // It extends the gap of the connection.
            SessionEvent::Resumed(gap) if !is_merged => self.gaps.push(range(gap)),
            SessionEvent::Disconnected(_) => self.disconnects += 1,
            SessionEvent::Late(_) => self.late += 1,
            _ => {}
        }
    }

    fn record_message(&mut self, message: &Message<'_>) {
        for post in message.posts() {
            let Some(id) = post.id() else { continue };
            let is_new = self.delivered.insert(id.as_u64());
            // A copy that was cut is delivered besides the whole one.
            if !is_new && validate(message.bytes).is_ok() {
                self.repeated += 1;
            }
        }
    }

    /// Compares with the Posts that the simulator had to send until `covered`, or until the end of
    /// the position. With recovery, a gap is closed unless it was reported as lost.
    pub(super) fn judge(
        self,
        simulator: &Simulator,
        covered: Option<UnixTime>,
        recovery: Option<Position>,
    ) -> Result<Judgment, String> {
        let recovers = recovery.is_some();
        let covered = recovery.as_ref().and_then(Position::earliest).or(covered);
        let mut judgment = Judgment {
            delivered: self.delivered.len(),
            repeated: self.repeated,
            disconnects: self.disconnects,
            gaps: self.gaps.len(),
            late: self.late,
            recovered: self.recovered,
            ..Judgment::default()
        };
        let (Some(begun), Some(covered)) = (self.begun, covered) else {
            // Without a stream, nothing is promised.
            return Ok(judgment);
        };
        let excused = match recovery {
            Some(position) => {
                let missing = position.missing.into_iter().map(|missing| missing.range);
                self.lost.into_iter().chain(missing).collect()
            }
            None => self.gaps,
        };
        let end = covered.as_millis().max(begun.as_millis());
        for id in simulator.post_ids(begun.as_millis() + 1, end) {
            judgment.posts += 1;
            if self.delivered.contains(&id) {
                continue;
            }
            let created = PostId::new(id).created_at().unwrap_or_default();
            let is_excused = excused.iter().any(|range| range.from <= created && created < range.to);
            judgment.missing += usize::from(is_excused);
            judgment.outside += usize::from(!is_excused);
        }
        if recovers && judgment.posts > 0 && judgment.delivered == 0 {
            return Err(String::from("nothing was delivered"));
        }
        Ok(judgment)
    }
}

impl Judgment {
    /// Returns true if the round delivered no Post.
    pub(super) const fn is_empty(&self) -> bool {
        self.delivered == 0
    }

    /// Returns what must not happen, if it did.
    pub(super) fn violation(&self) -> Option<&'static str> {
        if self.outside > 0 {
            Some("Posts are missing that no range reports")
        } else if self.repeated > 0 {
            Some("Posts were delivered twice")
        } else {
            None
        }
    }
}

impl AddAssign for Judgment {
    fn add_assign(&mut self, other: Self) {
        self.posts += other.posts;
        self.delivered += other.delivered;
        self.missing += other.missing;
        self.outside += other.outside;
        self.repeated += other.repeated;
        self.disconnects += other.disconnects;
        self.gaps += other.gaps;
        self.late += other.late;
        self.recovered += other.recovered;
    }
}

impl fmt::Display for Judgment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} Posts, {} missing in reported ranges, {} outside, {} twice, {} recovered; \
             {} disconnects, {} gaps, {} late",
            self.posts,
            self.missing,
            self.outside,
            self.repeated,
            self.recovered,
            self.disconnects,
            self.gaps,
            self.late
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    use powerstream_core::merge::ReplicaGroup;
    use powerstream_simulator::{Config, Time};

    use super::*;

    const START_MS: u64 = 1_790_000_000_000;

    #[test]
    fn a_missing_post_is_a_violation_unless_a_range_reports_it() {
        let mut config = Config::default();
        config.time = Time::Virtual { unix_ms: START_MS };
        config.rate = Some(10.0);
        let simulator = Simulator::start(config).unwrap();
        let mut client = TcpStream::connect(simulator.local_addr()).unwrap();
        let request = "GET /2/powerstream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer any\r\n\r\n";
        client.write_all(request.as_bytes()).unwrap();
        assert!(client.read(&mut [0]).unwrap() > 0);
        simulator.advance(Duration::from_secs(10));

        let at = |seconds: u64| UnixTime::from_millis(START_MS + seconds * 1_000);
        let report = |gaps: &[TimeRange]| Report {
            begun: Some(at(0)),
            delivered: simulator
                .post_ids(START_MS, START_MS + 20_000)
                .into_iter()
                .filter(|id| PostId::new(*id).created_at().unwrap().as_millis() / 1_000 % 4 != 2)
                .collect(),
            gaps: gaps.to_vec(),
            ..Report::default()
        };
        // The second from 2 s on is missing.
        let judged = |gaps| report(gaps).judge(&simulator, Some(at(5)), None).unwrap();
        assert_eq!((judged(&[]).outside, judged(&[]).missing), (10, 0));
        assert!(judged(&[]).violation().is_some());
        let reported = judged(&[TimeRange { from: at(2), to: at(3) }]);
        assert_eq!((reported.outside, reported.missing, reported.violation()), (0, 10, None));
        let mut twice = report(&[TimeRange { from: at(2), to: at(3) }]);
        twice.repeated = 1;
        assert!(twice.judge(&simulator, Some(at(5)), None).unwrap().violation().is_some());
        // With recovery, only a lost range is an excuse.
        let recovered = report(&[TimeRange { from: at(2), to: at(3) }]);
        let judgment = recovered
            .judge(&simulator, None, Some(Position::new(vec![(ReplicaGroup::default(), at(5))])))
            .unwrap();
        assert_eq!(judgment.outside, 10);
    }
}
