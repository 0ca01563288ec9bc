//! The event log: one line per event, with everything that is the same in each run of a script.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::ops::ControlFlow;

use powerstream_client::owned::{OwnedConnected, OwnedEvent, OwnedMessage, OwnedRefused};
use powerstream_core::session::{DisconnectReason, Disconnected, RefusalKind};
use powerstream_core::stream::PostId;
use powerstream_core::time::UnixTime;

use crate::POSTS_OF;

/// When a script is complete.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Until {
    /// After `count` messages of the stream with this number, counted from 1.
    #[non_exhaustive]
    Messages {
        /// The stream's number.
        stream: usize,
        /// The number of messages.
        count: usize,
    },
    /// After this many disconnects; giving up counts as one.
    Disconnects(usize),
    /// After this many keep-alives.
    KeepAlives(usize),
}

/// Records events and says when the script is complete. It is `Send`, to move with a stream into a
/// task or thread.
#[derive(Debug)]
pub struct Recorder {
    until: Until,
    log: Log,
}

/// The recorded events.
#[derive(Clone, Debug, Default)]
pub struct Log {
    lines: Vec<String>,
    streams: Vec<Vec<OwnedMessage>>,
    connections: usize,
    disconnects: usize,
    keep_alives: usize,
}

impl Recorder {
    pub(crate) fn new(until: Until) -> Self {
        Self { until, log: Log::default() }
    }

    /// Records an event. Returns [`ControlFlow::Break`] once the script is complete: then drop the
    /// stream.
    pub fn record(&mut self, event: OwnedEvent) -> ControlFlow<()> {
        let log = &mut self.log;
        let line = match &event {
            // A busy machine is late.
            OwnedEvent::Late(_) => return ControlFlow::Continue(()),
            // Its times differ from run to run.
            OwnedEvent::Resumed(_) => "resumed".to_owned(),
            OwnedEvent::Connected(connected) => connected_line(connected),
            OwnedEvent::Message(message) => message_line(message),
            OwnedEvent::KeepAlive => "keep-alive".to_owned(),
            OwnedEvent::Skipped { bytes } => format!("skipped {bytes} bytes"),
            OwnedEvent::Refused(refused) => refused_line(refused),
            OwnedEvent::Disconnected(disconnected) => disconnected_line(disconnected),
            OwnedEvent::GaveUp(gave_up) => format!("gave up: {}", gave_up.reason),
            event => format!("{event:?}"),
        };
        log.lines.push(line);
        match event {
            OwnedEvent::Connected(_) => {
                log.connections += 1;
                log.streams.push(Vec::new());
            }
            OwnedEvent::Refused(_) => log.connections += 1,
            OwnedEvent::Message(message) => log.streams.last_mut().unwrap().push(message),
            OwnedEvent::KeepAlive => log.keep_alives += 1,
            OwnedEvent::Disconnected(_) | OwnedEvent::GaveUp(_) => log.disconnects += 1,
            _ => {}
        }
        let is_enough = match self.until {
            Until::Messages { stream, count } => {
                log.streams.get(stream - 1).is_some_and(|messages| messages.len() >= count)
            }
            Until::Disconnects(count) => log.disconnects >= count,
            Until::KeepAlives(count) => log.keep_alives >= count,
        };
        // A script that never completes fails rather than running forever.
        let is_enough = is_enough || log.lines.len() >= LINES_MAX;
        if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Returns the log.
    #[must_use]
    pub fn log(self) -> Log {
        self.log
    }
}

impl Log {
    /// Returns one line per event.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Returns the messages, by stream.
    #[must_use]
    pub fn streams(&self) -> &[Vec<OwnedMessage>] {
        &self.streams
    }

    /// Returns the number of connections that got a response.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// Removes what a reset may lose: the first stream's messages, and how much of the last was
    /// undelivered.
    pub(crate) fn forget_bytes_lost_by_a_reset(&mut self) {
        let end = self.lines.iter().position(|line| line.starts_with("disconnected")).unwrap();
        self.lines[end] = self.lines[end].split(", undelivered").next().unwrap().to_owned();
        self.lines.drain(1..end);
    }
}

/// More lines than any script produces.
const LINES_MAX: usize = 10_000;

const DAY: u64 = 24 * 60 * 60 * 1_000;

const METADATA: &[u8] = b"\"connection_metadata\"";

fn connected_line(connected: &OwnedConnected) -> String {
    let OwnedConnected { head, datacenter, gap, backfill_minutes, .. } = connected;
    let (status, framing, gap) = (head.status, head.framing, gap.is_some());
    format!(
        "connected: {status} {framing:?}, datacenter {datacenter:?}, gap {gap}, backfill {backfill_minutes}"
    )
}

fn message_line(message: &OwnedMessage) -> String {
    let (kind, length) = (message.kind(), message.bytes.len());
    // Metadata, alone or in an array, contains the time of its sending.
    let is_metadata = message.bytes.windows(METADATA.len()).take(40).any(|window| window == METADATA);
    if is_metadata {
        return format!("message: {kind:?}");
    }
    // The simulator generated this one during the run: its id has today's date.
    if message.id().and_then(PostId::created_at) > Some(UnixTime::from_millis(POSTS_OF + DAY)) {
        return format!("message: {kind:?}, made up, {length} bytes");
    }
    let mut hash = DefaultHasher::new();
    hash.write(&message.bytes);
    format!("message: {kind:?}, id {:?}, {length} bytes, {:016x}", message.id(), hash.finish())
}

fn refused_line(refused: &OwnedRefused) -> String {
    let (refusal, document) = (refused.refusal, String::from_utf8_lossy(&refused.document));
    format!("refused: {refusal}, {document}")
}

fn disconnected_line(disconnected: &Disconnected) -> String {
    let Disconnected { reason, announced, delay, at_ceiling, reset_ignored, undelivered, .. } = disconnected;
    // The server names the end of the window by the wall clock.
    let delay = match reason {
        DisconnectReason::Refused(refusal) if refusal.kind == RefusalKind::WindowLimit => {
            format!("{} s or more", if delay.as_secs() >= 58 { 58 } else { delay.as_secs() })
        }
        _ => format!("{delay:?}"),
    };
    let gap = disconnected.gap_from.is_some();
    format!(
        "disconnected: {} ({reason}), announced {announced:?}, again in {delay}, at ceiling {at_ceiling}, \
         reset ignored {reset_ignored}, gap {gap}, undelivered {undelivered}",
        reason.code()
    )
}

/// Displays the first difference between two logs, with the lines before it.
pub(crate) struct Difference<'a>(pub(crate) &'a [String], pub(crate) &'a [String]);

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(left, right) = self;
        let same = left.iter().zip(*right).take_while(|(left, right)| left == right).count();
        writeln!(f, "after {same} equal lines:")?;
        for line in &left[same.saturating_sub(3)..same] {
            writeln!(f, "    {line}")?;
        }
        for (whose, log) in [("one", left), ("other", right)] {
            for line in log[same..].iter().take(3) {
                writeln!(f, "  {whose}: {line}")?;
            }
        }
        Ok(())
    }
}
