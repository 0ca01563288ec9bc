//! The event loop: passes each event on to its consumer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use powerstream_client::merged::MergedEvent;
use powerstream_client::queue::{QueueStats, SendOutcome};
use powerstream_client::recovery::RecoveryEvent;
use powerstream_core::merge::ConnectionId;
use powerstream_core::rule_counts::RuleCounts;
use powerstream_core::session::{DisconnectReason, Message, Origin, SessionEvent};
use powerstream_core::stream::{Kind, Malformed, MalformedReason, PostId, classify, elements, validate};

use super::journal::Journal;
use super::latency::Latency;
use super::outlet::Outlet;
use super::output::Format;
use super::progress::Tally;
use super::source::Source;

/// How often the position is sent to the writer.
const POSITION_EVERY: Duration = Duration::from_secs(1);

/// How the stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By `--max-posts`, `--duration` or a signal.
    AsAsked,
    /// For a reason that a retry cannot fix.
    GaveUp { target: String, reason: DisconnectReason },
    /// The queue to the writer accepts no more: it is full and the policy is to end, or the writer
    /// failed.
    Refused,
}

/// The parts of a finished pump.
pub(super) struct End {
    pub(super) received: Tally,
    pub(super) queue: QueueStats,
    pub(super) latency: Latency,
    pub(super) journal: Journal,
}

pub(super) struct Pump {
    outlet: Outlet,
    latency: Latency,
    journal: Journal,
    format: Format,
    posts_max: u64,
    /// The queue has ended.
    is_refused: bool,
    /// The policy of the queue drops nothing while the stream runs.
    never_drops: bool,
    rules: Option<Arc<RuleCounts>>,
    /// The position is sent to the writer: with a state file, until a Post was received that is not
    /// written.
    keeps_position: bool,
    /// When the position is read next.
    position_at: Instant,
}

impl Pump {
    pub(super) fn new(
        outlet: Outlet,
        latency: Latency,
        journal: Journal,
        format: Format,
        posts_max: Option<u64>,
        keeps_position: bool,
        never_drops: bool,
    ) -> Self {
        let posts_max = posts_max.unwrap_or(u64::MAX);
        Self {
            outlet,
            latency,
            journal,
            format,
            posts_max,
            is_refused: false,
            never_drops,
            rules: None,
            keeps_position,
            position_at: Instant::now(),
        }
    }

    /// Counts the Posts by their rules.
    pub(super) fn count_rules(&mut self, counts: Option<Arc<RuleCounts>>) {
        self.rules = counts;
    }

    /// Runs until the end. All received Posts are then in the queue, except those that its policy
    /// dropped.
    pub(super) async fn run(&mut self, source: &mut impl Source) -> Ended {
        for index in 0..self.journal.connections() {
            self.outlet.connects_after(index, Duration::ZERO);
        }
        let ended = self.events(source).await;
        for index in 0..self.journal.connections() {
            let Some(connection) = ConnectionId::new(index) else { unreachable!("it is an open connection") };
            self.journal.end(index, source.received(connection));
        }
        if self.keeps_position
            && let Some(position) = source.position()
        {
            self.outlet.position(position);
        }
        self.journal.arrivals(source.duplicates(), source.records());
        self.latency.settle();
        ended
    }

    /// Closes the queue, so that the writer ends after writing its content.
    pub(super) fn finish(self) -> End {
        let Self { outlet, latency, journal, .. } = self;
        End { received: outlet.received(), queue: outlet.stats(), latency, journal }
    }

    async fn events(&mut self, source: &mut impl Source) -> Ended {
        let mut gave_up = 0;
        let mut handled_at = Instant::now();
        while self.posts() < self.posts_max {
            self.keep_position(source, handled_at);
            if !source.find_next() {
                // The next event may take long: time for bookkeeping.
                self.latency.settle();
            }
            let Some(event) = source.next().await else { break };
            // The time of delivery, before any processing.
            let now = Instant::now();
            handled_at = now;
            if let MergedEvent::Recovery(event) = event {
                self.recovery(&event, now).await;
                continue;
            }
            let (id, event) = match event {
                MergedEvent::Session { connection, event } => (connection, event),
                MergedEvent::Interrupted(interrupted) => {
                    self.journal.interrupted(&interrupted);
                    continue;
                }
                MergedEvent::Gap(gap) => {
                    self.journal.gap(&gap);
                    continue;
                }
                // An event of a newer library.
                _ => continue,
            };
            let connection = id.index();
            match event {
                SessionEvent::Message(message) => self.message(connection, &message, now).await,
                SessionEvent::Connected(connected) => {
                    self.outlet.connects_no_more(connection);
                    self.latency.connected();
                    self.journal.connected(connection, &connected);
                }
                SessionEvent::KeepAlive => self.journal.keep_alive(connection),
                SessionEvent::Skipped { bytes } => self.journal.skipped(connection, bytes),
                SessionEvent::Resumed(gap) => self.journal.resumed(connection, &gap),
                SessionEvent::Late(late) => self.journal.late(connection, &late),
                SessionEvent::Refused(refused) => self.journal.refused(connection, &refused),
                SessionEvent::Disconnected(disconnected) => {
                    self.outlet.connects_after(connection, disconnected.delay);
                    self.latency.disconnected(now);
                    let held = self.outlet.blamed(now);
                    self.journal.disconnected(connection, &disconnected, source.received(id), held);
                }
                SessionEvent::GaveUp(why) => {
                    self.outlet.connects_no_more(connection);
                    let target = self.journal.gave_up(connection, &why, source.received(id));
                    gave_up += 1;
                    if gave_up == self.journal.connections() {
                        return Ended::GaveUp { target, reason: why.reason };
                    }
                }
                // An event of a newer library.
                _ => {}
            }
        }
        if self.is_refused { Ended::Refused } else { Ended::AsAsked }
    }

    /// Sends the position to the writer, once a second. All events before it were handled.
    fn keep_position(&mut self, source: &impl Source, now: Instant) {
        if !self.keeps_position || now < self.position_at || !self.outlet.takes_position() {
            return;
        }
        if let Some(position) = source.position() {
            self.position_at = now + POSITION_EVERY;
            self.outlet.position(position);
        }
    }

    async fn recovery(&mut self, event: &RecoveryEvent<'_>, now: Instant) {
        match event {
            // Its age says nothing about the stream. Problems are logged with the first connection.
            RecoveryEvent::Message(message) => self.message(0, message, now).await,
            RecoveryEvent::Skipped { bytes } => self.journal.skipped(0, *bytes),
            event => self.journal.recovery(event),
        }
    }

    fn posts(&self) -> u64 {
        self.outlet.received().posts
    }

    fn delivered(&mut self, id: Option<PostId>, origin: Origin, now: Instant) {
        match (id, origin) {
            (Some(id), Origin::Live) => self.latency.delivered(id, now),
            (_, Origin::Recovery) => self.journal.recovered(),
            // The age of a Post that was requested again says nothing about the stream.
            _ => {}
        }
    }

    async fn send(&mut self, bytes: &[u8], id: Option<PostId>, ids: &[PostId], posts: u64, now: Instant) {
        let outcome = self.outlet.post(bytes, id, ids, posts, now).await;
        if outcome == SendOutcome::Ended && !self.is_refused {
            self.is_refused = true;
            // Bytes that were read already are still delivered and counted.
            self.outlet.shut_down();
        }
        if outcome != SendOutcome::Queued && self.never_drops {
            // It was dropped at the end. The next run must request it again.
            self.keeps_position = false;
        }
    }

    async fn message(&mut self, connection: usize, message: &Message<'_>, now: Instant) {
        if let Some(rules) = &self.rules {
            rules.handle_message(message);
        }
        if let (Some(at), Origin::Live) = (message.received_at, message.origin) {
            self.latency.received(at);
        }
        match message.kind() {
            Kind::Post { .. } => {
                self.post(connection, message.bytes, message.id(), message.origin, now).await;
            }
            Kind::Array => self.array(connection, message.bytes, message.origin, now).await,
            kind => self.journal.message(connection, &kind, message.bytes),
        }
    }

    async fn post(
        &mut self,
        connection: usize,
        bytes: &[u8],
        id: Option<PostId>,
        origin: Origin,
        now: Instant,
    ) {
        // The first bytes decide that it is a Post. Readers of JSON lines need valid JSON to the
        // last byte.
        if self.format != Format::Raw
            && let Err(malformed) = check(bytes)
        {
            self.journal.left_out(connection, bytes, malformed);
            return;
        }
        self.delivered(id, origin, now);
        self.send(bytes, id, &[], 1, now).await;
    }

    /// Sends an array of messages: unwrapped, or as received with `--format raw`.
    async fn array(&mut self, connection: usize, array: &[u8], origin: Origin, now: Instant) {
        let raw = self.format == Format::Raw;
        // The ids of an array that is written as received.
        let (mut posts, mut ids) = (0, Vec::new());
        if elements(array).next().is_none() {
            self.journal.message(connection, &Kind::Array, array);
        }
        for element in elements(array) {
            if self.posts() == self.posts_max && !raw {
                // The rest of the array was received and is not written.
                self.keeps_position = false;
                return;
            }
            let element = match element {
                Ok(element) => element,
                Err(malformed) if raw => {
                    self.journal.message(connection, &Kind::Malformed(malformed), array);
                    break;
                }
                Err(malformed) => {
                    self.journal.left_out(connection, array, malformed);
                    break;
                }
            };
            let class = classify(element);
            match class.kind {
                Kind::Post { .. } if raw => {
                    posts += 1;
                    ids.extend(class.post_id);
                    self.delivered(class.post_id, origin, now);
                }
                Kind::Post { .. } => self.post(connection, element, class.post_id, origin, now).await,
                kind => self.journal.message(connection, &kind, element),
            }
        }
        if posts > 0 {
            self.send(array, None, &ids, posts, now).await;
        }
    }
}

/// Checks that a message is JSON, except for bytes that are not UTF-8. Most readers replace these,
/// and a Post must not be dropped for a broken character.
fn check(bytes: &[u8]) -> Result<(), Malformed> {
    match validate(bytes) {
        Err(malformed) if malformed.reason == MalformedReason::Utf8 => {
            validate(String::from_utf8_lossy(bytes).as_bytes())
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_invalid_utf_8_in_otherwise_valid_json() {
        let deep = format!(r#"{{"id":1,"text":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        for (message, reason) in [
            (br#"{"id":1,"text":"a"}"#.as_slice(), None),
            (b"{\"id\":1,\"text\":\"\xff\"}", None),
            (b"{\"id\":1,\"text\":\"\xff\" oops", Some(MalformedReason::Byte)),
            (b"{\"id\":1,\"text\":\"\xff\"", Some(MalformedReason::End)),
            (b"{\"id\":1,\"text\":\xff}", Some(MalformedReason::Byte)),
            (b"{\"id\":1,\"text\":\"a\"}\xff", Some(MalformedReason::Trailing)),
            (deep.as_bytes(), Some(MalformedReason::TooDeep)),
        ] {
            let found = check(message).err().map(|malformed| malformed.reason);
            assert_eq!(found, reason, "{}", message.escape_ascii());
        }
    }
}
