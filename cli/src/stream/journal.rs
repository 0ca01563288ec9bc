//! Everything but Posts: told on standard error, and counted.

use powerstream_core::session::{Cause, Connected, Disconnected, Refused};
use powerstream_core::stream::message::{ConnectionMetadata, Kind};
use tracing::{info, trace, warn};

use crate::describe;
use crate::text::Printable;

use super::refusal::own_words;
use super::utc::utc;

/// Most characters shown of a message.
const SHOWN_MAX: usize = 300;

/// Tells and counts.
#[derive(Debug, Default)]
pub(super) struct Journal {
    streams: u64,
    keep_alives: u64,
    received: u64,
    /// A stream is open, whose octets are not in `received`.
    is_open: bool,
}

impl Journal {
    pub(super) fn connected(&mut self, connected: &Connected<'_>) {
        self.streams += 1;
        self.is_open = true;
        let datacenter = connected.head.datacenter().map(|name| shown(name.as_bytes()).to_string());
        info!(datacenter, "connected");
        if let Some(gap) = connected.gap {
            let (from, to) = (utc(gap.from), utc(gap.to));
            match connected.backfill_minutes {
                0 => warn!("Posts may be missing from {from} to {to} UTC"),
                minutes => info!("asked again for {minutes} min: Posts were missing from {from} to {to} UTC"),
            }
        }
    }

    pub(super) fn keep_alive(&mut self) {
        self.keep_alives += 1;
        trace!("keep-alive");
    }

    pub(super) fn skipped(&self, bytes: u64) {
        warn!(bytes, "skipped a message over the limit");
    }

    /// A message that is no Post.
    pub(super) fn message(&self, kind: &Kind, bytes: &[u8]) {
        let name = describe::name(kind);
        match kind {
            Kind::ConnectionMetadata => {
                let metadata = ConnectionMetadata::parse(bytes);
                let datacenter = metadata.and_then(|metadata| metadata.datacenter);
                info!(datacenter = datacenter.map(|name| shown(name.as_bytes()).to_string()), "{name}");
            }
            Kind::Compliance { .. }
            | Kind::Unknown
            | Kind::Envelope { .. }
            | Kind::Array
            | Kind::UserStream => {
                info!("{name}: {}", shown(bytes));
            }
            _ => warn!("{name}: {}", shown(bytes)),
        }
    }

    /// A message that begins as JSON and is none.
    pub(super) fn not_json(&self, bytes: &[u8]) {
        warn!("left out, for it is not JSON (--format raw shows it): {}", shown(bytes));
    }

    pub(super) fn refused(&self, refused: &Refused<'_>) {
        match own_words(refused.document) {
            Some(words) => warn!("refused: {}; the server says: {words}", refused.refusal),
            None => warn!("refused: {}", refused.refusal),
        }
    }

    /// A connection ended, or was not made. It had received so many octets.
    pub(super) fn disconnected(&mut self, disconnected: &Disconnected, received: u64) {
        self.closed(received);
        let announced = disconnected.announced.map(|kind| describe::name(&kind));
        let undelivered_bytes = Some(disconnected.undelivered).filter(|bytes| *bytes > 0);
        let Disconnected { cause, delay, .. } = disconnected;
        let next = if delay.is_zero() { String::from("at once") } else { format!("in {delay:.1?}") };
        match cause {
            // Told just before.
            Cause::Refused(_) => warn!("next attempt {next}"),
            _ => warn!(announced, undelivered_bytes, "disconnected: {cause}; next attempt {next}"),
        }
        if disconnected.at_ceiling {
            warn!("the waits have reached their ceiling: something lasting is wrong");
        }
        if disconnected.reset_ignored {
            warn!("the server named a time for the next attempt that is more than a day ahead; not believed");
        }
    }

    pub(super) fn gave_up(&mut self, received: u64) {
        self.closed(received);
    }

    /// The end. The last connection has received so many octets.
    pub(super) fn end(&mut self, received: u64) {
        if self.is_open {
            self.closed(received);
        }
    }

    /// What was counted.
    pub(super) fn totals(&self) -> String {
        let reconnects = self.streams.saturating_sub(1);
        format!("keep-alives {}, bytes {}, reconnects {reconnects}", self.keep_alives, self.received)
    }

    fn closed(&mut self, received: u64) {
        self.is_open = false;
        self.received += received;
    }
}

fn shown(bytes: &[u8]) -> Printable<'_> {
    Printable { bytes, characters_max: SHOWN_MAX }
}
