//! The event log: one line per event, with everything that is the same in each run of a script.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::ops::ControlFlow;
use std::time::Duration;

use powerstream_client::owned::{OwnedConnected, OwnedEvent, OwnedMessage, OwnedRefused};
use powerstream_core::http::BodyFraming;
use powerstream_core::session::{DisconnectReason, Disconnected, RefusalKind};
use powerstream_core::stream::PostId;
use powerstream_core::time::{TimeRange, UnixTime};

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

/// An event of a program in another language. Its messages, keep-alives and skipped messages are
/// recorded as [`OwnedEvent`]s.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the events that cannot be made from their bytes")]
pub enum ForeignEvent<'a> {
    /// A stream began.
    Connected {
        /// The status of the response.
        status: u16,
        /// The framing of its body.
        framing: BodyFraming,
        /// The datacenter that responded.
        datacenter: Option<&'a str>,
        /// The gap before it, if there is one.
        gap: Option<TimeRange>,
        /// The minutes of backfill requested.
        backfill_minutes: u8,
    },
    /// The server refused.
    Refused {
        /// The meaning of the refusal.
        text: &'a str,
        /// The document.
        document: &'a [u8],
    },
    /// A connection ended.
    Disconnected(ForeignDisconnect<'a>),
    /// The first live Post after this gap arrived.
    Resumed(TimeRange),
    /// The session gave up.
    GaveUp {
        /// The text of the reason.
        reason: &'a str,
    },
}

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a program in another language has all of it")]
pub struct ForeignDisconnect<'a> {
    /// The code of the reason.
    pub code: &'a str,
    /// The text of the reason.
    pub reason: &'a str,
    /// True if the reason is that the requests of the rate-limit window are used up.
    pub is_window_limit: bool,
    /// The name of the kind of message that announced it.
    pub announced: Option<&'a str>,
    /// The wait before the next attempt.
    pub delay: Duration,
    /// True if the schedule has reached its ceiling.
    pub at_ceiling: bool,
    /// True if a reset time was ignored.
    pub reset_ignored: bool,
    /// True if Posts may be missing.
    pub gap: bool,
    /// Bytes that were not part of a complete message.
    pub undelivered: u64,
}

/// What an event counts as.
enum Counted {
    Stream,
    Refusal,
    Message(OwnedMessage),
    KeepAlive,
    Disconnect,
    Other,
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
        self.add(
            line,
            match event {
                OwnedEvent::Connected(_) => Counted::Stream,
                OwnedEvent::Refused(_) => Counted::Refusal,
                OwnedEvent::Message(message) => Counted::Message(message),
                OwnedEvent::KeepAlive => Counted::KeepAlive,
                OwnedEvent::Disconnected(_) | OwnedEvent::GaveUp(_) => Counted::Disconnect,
                _ => Counted::Other,
            },
        )
    }

    /// Records an event of a program in another language, which cannot make an [`OwnedEvent`].
    /// Otherwise as [`Self::record`].
    pub fn record_foreign(&mut self, event: ForeignEvent<'_>) -> ControlFlow<()> {
        let (line, counted) = match event {
            ForeignEvent::Connected { status, framing, datacenter, gap, backfill_minutes } => {
                let line = connected_text(status, framing, datacenter, gap.is_some(), backfill_minutes);
                (line, Counted::Stream)
            }
            ForeignEvent::Refused { text, document } => (refused_text(text, document), Counted::Refusal),
            ForeignEvent::Disconnected(disconnected) => {
                (disconnected_text(disconnected), Counted::Disconnect)
            }
            ForeignEvent::Resumed(_) => ("resumed".to_owned(), Counted::Other),
            ForeignEvent::GaveUp { reason } => (format!("gave up: {reason}"), Counted::Disconnect),
        };
        self.add(line, counted)
    }

    fn add(&mut self, line: String, counted: Counted) -> ControlFlow<()> {
        let log = &mut self.log;
        log.lines.push(line);
        match counted {
            Counted::Stream => {
                log.connections += 1;
                log.streams.push(Vec::new());
            }
            Counted::Refusal => log.connections += 1,
            Counted::Message(message) => log.streams.last_mut().unwrap().push(message),
            Counted::KeepAlive => log.keep_alives += 1,
            Counted::Disconnect => log.disconnects += 1,
            Counted::Other => {}
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
    let OwnedConnected { head, datacenter, gap, .. } = connected;
    let backfill_minutes = gap.map_or(0, |gap| gap.backfill_minutes);
    connected_text(head.status, head.framing, datacenter.as_deref(), gap.is_some(), backfill_minutes)
}

fn connected_text(
    status: u16,
    framing: BodyFraming,
    datacenter: Option<&str>,
    gap: bool,
    backfill_minutes: u8,
) -> String {
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
    refused_text(&refused.refusal.to_string(), &refused.document)
}

fn refused_text(refusal: &str, document: &[u8]) -> String {
    format!("refused: {refusal}, {}", String::from_utf8_lossy(document))
}

fn disconnected_line(disconnected: &Disconnected) -> String {
    let Disconnected { reason, announced, delay, at_ceiling, reset_ignored, undelivered, .. } = disconnected;
    let kind = announced.map(|kind| format!("{kind:?}"));
    disconnected_text(ForeignDisconnect {
        code: reason.code(),
        reason: &reason.to_string(),
        is_window_limit: matches!(reason, DisconnectReason::Refused(refusal) if refusal.kind == RefusalKind::WindowLimit),
        // The name of the kind, without what it carries.
        announced: kind.as_ref().and_then(|kind| kind.split([' ', '(']).next()),
        delay: *delay,
        at_ceiling: *at_ceiling,
        reset_ignored: *reset_ignored,
        gap: disconnected.gap_from.is_some(),
        undelivered: *undelivered,
    })
}

fn disconnected_text(disconnected: ForeignDisconnect<'_>) -> String {
    let ForeignDisconnect { code, reason, announced, delay, at_ceiling, reset_ignored, gap, .. } =
        disconnected;
    // The server names the end of the window by the wall clock.
    let delay = if disconnected.is_window_limit {
        format!("{} s or more", if delay.as_secs() >= 58 { 58 } else { delay.as_secs() })
    } else {
        format!("{delay:?}")
    };
    format!(
        "disconnected: {code} ({reason}), announced {announced:?}, again in {delay}, at ceiling {at_ceiling}, \
         reset ignored {reset_ignored}, gap {gap}, undelivered {}",
        disconnected.undelivered
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
