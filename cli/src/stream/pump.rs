//! The loop: each event to where it belongs.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use powerstream_client::merged::MergedEvent;
use powerstream_core::merge::ConnectionId;
use powerstream_core::session::{DisconnectReason, Message, SessionEvent};
use powerstream_core::stream::{Kind, Malformed, MalformedReason, PostId, classify, elements, validate};

use super::journal::Journal;
use super::latency::Latency;
use super::output::{Format, Output};
use super::source::Source;

/// How the stream ended, where it was not its output that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By `--max-posts`, `--duration` or Ctrl-C.
    AsAsked,
    /// For a reason that asking again cannot cure.
    GaveUp(DisconnectReason),
}

pub(super) struct Pump<W: Write> {
    output: Output<W>,
    latency: Latency,
    journal: Journal,
    posts: u64,
    posts_max: u64,
}

impl<W: Write> Pump<W> {
    pub(super) fn new(output: Output<W>, latency: Latency, journal: Journal, posts_max: Option<u64>) -> Self {
        Self { output, latency, journal, posts: 0, posts_max: posts_max.unwrap_or(u64::MAX) }
    }

    /// Runs until the end. All that was delivered is written by then, unless writing failed.
    pub(super) async fn run(&mut self, source: &mut impl Source) -> io::Result<Ended> {
        let ended = self.events(source).await;
        for index in 0..self.journal.connections() {
            let Some(connection) = ConnectionId::new(index) else { unreachable!("it is an open connection") };
            self.journal.end(index, source.received(connection));
        }
        self.journal.arrivals(source.duplicates(), source.records());
        self.latency.settle();
        self.output.flush()?;
        ended
    }

    async fn events(&mut self, source: &mut impl Source) -> io::Result<Ended> {
        let mut gave_up = 0;
        while self.posts < self.posts_max {
            if !source.find_next() {
                // What comes next may be long in coming. Posts first, then book-keeping.
                self.output.flush()?;
                self.latency.settle();
            }
            let Some(event) = source.next().await else { break };
            // Before anything is made of it: this is when it was delivered.
            let now = Instant::now();
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
                // An event that is newer than this tool.
                _ => continue,
            };
            let connection = id.index();
            match event {
                SessionEvent::Message(message) => self.message(connection, &message, now)?,
                SessionEvent::Connected(connected) => {
                    self.latency.connected();
                    self.journal.connected(connection, &connected);
                }
                SessionEvent::KeepAlive => self.journal.keep_alive(connection),
                SessionEvent::Skipped { bytes } => self.journal.skipped(connection, bytes),
                SessionEvent::Resumed(gap) => self.journal.resumed(connection, &gap),
                SessionEvent::Late(late) => self.journal.late(connection, &late),
                SessionEvent::Refused(refused) => self.journal.refused(connection, &refused),
                SessionEvent::Disconnected(disconnected) => {
                    self.latency.disconnected(now);
                    self.journal.disconnected(connection, &disconnected, source.received(id));
                }
                SessionEvent::GaveUp(why) => {
                    self.journal.gave_up(connection, &why.reason, source.received(id));
                    gave_up += 1;
                    if gave_up == self.journal.connections() {
                        return Ok(Ended::GaveUp(why.reason));
                    }
                }
                // An event that is newer than this tool.
                _ => {}
            }
        }
        Ok(Ended::AsAsked)
    }

    fn message(&mut self, connection: usize, message: &Message<'_>, now: Instant) -> io::Result<()> {
        match message.kind() {
            Kind::Post { .. } => self.post(connection, message.bytes, message.id(), now),
            Kind::Array => self.array(connection, message.bytes, now),
            kind => {
                self.journal.message(connection, &kind, message.bytes);
                Ok(())
            }
        }
    }

    fn post(&mut self, connection: usize, bytes: &[u8], id: Option<PostId>, now: Instant) -> io::Result<()> {
        // A Post is told by its first bytes; whoever reads JSON lines must get JSON to the last one.
        if self.output.format() != Format::Raw
            && let Err(malformed) = check(bytes)
        {
            self.journal.left_out(connection, bytes, malformed);
            return Ok(());
        }
        self.output.post(bytes, id)?;
        self.counted(id, now);
        Ok(())
    }

    fn counted(&mut self, id: Option<PostId>, now: Instant) {
        self.posts += 1;
        if let Some(id) = id {
            self.latency.delivered(id, now);
        }
    }

    /// An array of messages: unwrapped, or as it came where that is asked for.
    fn array(&mut self, connection: usize, array: &[u8], now: Instant) -> io::Result<()> {
        let (posts_before, raw) = (self.posts, self.output.format() == Format::Raw);
        if elements(array).next().is_none() {
            self.journal.message(connection, &Kind::Array, array);
        }
        for element in elements(array) {
            if self.posts == self.posts_max && !raw {
                return Ok(());
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
                Kind::Post { .. } if raw => self.counted(class.post_id, now),
                Kind::Post { .. } => self.post(connection, element, class.post_id, now)?,
                kind => self.journal.message(connection, &kind, element),
            }
        }
        if raw && self.posts > posts_before { self.output.post(array, None) } else { Ok(()) }
    }

    /// The totals, some lines.
    pub(super) fn summary(&self, length: Duration) -> String {
        let mut summary = format!("Posts {}, {}, {length:.1?}\n", self.posts, self.journal.totals());
        for race in self.journal.races() {
            summary += race;
            summary.push('\n');
        }
        summary + &self.latency.summary() + "\n"
    }
}

/// Checks that a message is JSON but for octets that are no UTF-8: most readers replace them, and a Post would be lost
/// for a broken character. What is around them must be JSON all the same.
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
