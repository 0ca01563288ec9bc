//! Decodes the bytes of a connection again, cut in other places: the events must be the same.

use std::hash::{DefaultHasher, Hash, Hasher};

use powerstream_core::session::{DisconnectReason, Session, SessionConfig, SessionEvent, Step};
use powerstream_core::time::{Instant, UnixTime};

/// Longer connections are not decoded again.
const BYTES_MAX: usize = 32 << 10;

/// Lengths of reads, repeated.
const CUTS: [&[usize]; 3] = [&[usize::MAX], &[1], &[7, 1, 300, 2]];

/// What one connection received.
#[derive(Debug)]
pub(crate) struct Cuts {
    is_recorded: bool,
    wire: Vec<u8>,
    is_eof: bool,
    events: Events,
}

/// The events of a connection that depend on its bytes alone.
#[derive(Debug, Default, PartialEq, Eq)]
struct Events {
    /// A hash of each event.
    hashes: Vec<u64>,
    /// Why the bytes ended the connection.
    reason: Option<DisconnectReason>,
    is_over: bool,
}

impl Events {
    fn push(&mut self, event: &SessionEvent<'_>) {
        let mut hasher = DefaultHasher::new();
        match event {
            SessionEvent::Connected(_) => 1.hash(&mut hasher),
            SessionEvent::Message(message) => (2, message.bytes).hash(&mut hasher),
            SessionEvent::KeepAlive => 3.hash(&mut hasher),
            SessionEvent::Skipped { bytes } => (4, bytes).hash(&mut hasher),
            SessionEvent::Disconnected(ended) => {
                self.is_over = true;
                let by_bytes = matches!(ended.reason, DisconnectReason::Protocol(_));
                self.reason = by_bytes.then_some(ended.reason);
                return;
            }
            SessionEvent::GaveUp(_) => {
                self.is_over = true;
                return;
            }
            _ => return,
        }
        self.hashes.push(hasher.finish());
    }
}

impl Cuts {
    pub(crate) fn new() -> Self {
        Self { is_recorded: false, wire: Vec::new(), is_eof: false, events: Events::default() }
    }

    /// Reports that a response begins.
    pub(crate) fn begin(&mut self, is_recorded: bool) {
        *self = Self { is_recorded, ..Self::new() };
    }

    /// Reports a read.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.is_recorded {
            self.is_recorded = self.wire.len() + bytes.len() <= BYTES_MAX;
            self.wire.extend(bytes);
        }
    }

    pub(crate) fn handle_eof(&mut self) {
        self.is_eof = true;
    }

    pub(crate) fn event(&mut self, event: &SessionEvent<'_>) {
        if self.is_recorded {
            self.events.push(event);
        }
    }

    /// Returns true if the connection is over and was recorded.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_recorded && self.events.is_over
    }

    /// Checks that other cuts of the same bytes give the same events.
    pub(crate) fn check(&mut self, config: &SessionConfig<'_>) {
        self.is_recorded = false;
        self.events.is_over = false;
        for cuts in CUTS {
            let events = self.decode(cuts, config);
            assert_eq!(events, self.events, "I7: reads of {cuts:?} bytes change the events");
        }
    }

    fn decode(&self, cuts: &[usize], config: &SessionConfig<'_>) -> Events {
        let now = Instant::from_nanos(1 << 40);
        let storage = vec![0; config.storage_bytes()];
        let Ok(mut session) = Session::new(storage, config, 1, now, UnixTime::from_seconds(1 << 30)) else {
            panic!("I16: a valid configuration is refused");
        };
        session.handle_timeout(now);
        session.handle_connected(now);
        session.handle_written(session.transmit().len(), now);
        let mut events = Events::default();
        let mut cuts = cuts.iter().cycle();
        let mut rest = &self.wire[..];
        while !rest.is_empty() && session.poll() != Step::Close {
            let length = cuts.next().map_or(rest.len(), |length| rest.len().min(*length));
            let (mut piece, behind) = rest.split_at(length);
            rest = behind;
            loop {
                let (consumed, event) = session.decode(piece, now);
                let Some(event) = event else { break };
                events.push(&event);
                piece = &piece[consumed..];
            }
        }
        if self.is_eof {
            session.handle_eof(now);
            while let (_, Some(event)) = session.decode(&[], now) {
                events.push(&event);
            }
        }
        if session.poll() == Step::Close {
            session.handle_closed(now);
            while let (_, Some(event)) = session.decode(&[], now) {
                events.push(&event);
            }
        }
        Events { is_over: false, ..events }
    }
}
