//! Everything but Posts: told on standard error, and counted.

use std::collections::BTreeMap;
use std::time::Duration;

use powerstream_core::http::Head;
use powerstream_core::merge::{ConnectionStats, GroupGap, Interrupted, ReplicaGroup, Topology};
use powerstream_core::session::{Connected, DisconnectReason, Disconnected, Gap, Late, LateKind, Refused};
use powerstream_core::stream::{ConnectionMetadata, DEPTH_MAX, Kind, Malformed, MalformedReason};
use powerstream_core::time::UnixTime;
use tracing::{debug, error, info, trace, warn};

use super::refusal;
use crate::describe;
use crate::text::{Printable, with_options};
use crate::utc::{utc, utc_end};

/// Most characters shown of a message, or of a field's value.
const SHOWN_MAX: usize = 300;

/// Tells and counts.
#[derive(Debug)]
pub(super) struct Journal {
    lines: Vec<Line>,
    reconnects: u64,
    duplicates: u64,
    gaps: u64,
    keep_alives: u64,
    received: u64,
    skipped: u64,
    malformed: u64,
    /// Messages that are neither Posts nor malformed, by the name of their kind.
    others: BTreeMap<&'static str, u64>,
    /// How merged connections did.
    races: Vec<String>,
}

/// One connection.
#[derive(Debug)]
struct Line {
    name: String,
    group: ReplicaGroup,
    /// What is connected to, as people are told it.
    target: String,
    /// What its words begin with, where there is more than one.
    prefix: String,
    /// It was connected before.
    has_streamed: bool,
    /// A stream is open, whose octets are not in the journal's.
    is_open: bool,
    /// The end of the gap that was reported last.
    gap_to: UnixTime,
    /// A refusal that is to be told with what follows from it.
    refusal: Option<String>,
}

impl Journal {
    /// Of connections by these names to these targets, which must hold nothing that a terminal would obey. The name of
    /// the only one is not told.
    pub(super) fn new(connections: Vec<(String, String)>, group: Topology) -> Self {
        let is_alone = connections.len() == 1;
        let line = |(index, (name, target)): (usize, (String, String))| Line {
            target,
            group: group.group(u16::try_from(index).unwrap_or(u16::MAX)),
            prefix: if is_alone { String::new() } else { format!("{name}: ") },
            name,
            has_streamed: false,
            is_open: false,
            gap_to: UnixTime::default(),
            refusal: None,
        };
        Self {
            lines: connections.into_iter().enumerate().map(line).collect(),
            reconnects: 0,
            duplicates: 0,
            gaps: 0,
            keep_alives: 0,
            received: 0,
            skipped: 0,
            malformed: 0,
            others: BTreeMap::new(),
            races: Vec::new(),
        }
    }

    pub(super) fn connected(&mut self, connection: usize, connected: &Connected<'_>) {
        let is_alone = self.lines.len() == 1;
        let line = &mut self.lines[connection];
        self.reconnects += u64::from(line.has_streamed);
        (line.has_streamed, line.is_open) = (true, true);
        let Line { prefix, target, .. } = line;
        tell_head(&connected.head);
        let datacenter = connected.head.datacenter().map(|name| shown(name.as_bytes()).to_string());
        info!(datacenter, "{prefix}connected to {target}");
        // Of several connections, what one missed may have come by another: the stream's own gaps are told instead.
        if let Some(gap) = connected.gap.filter(|_| is_alone) {
            self.gaps += 1;
            line.gap_to = gap.to;
            let (from, to) = (utc(gap.from), utc_end(gap.to));
            match connected.backfill_minutes {
                0 => warn!("{prefix}Posts may be missing from {from} to {to} UTC"),
                minutes => {
                    info!(
                        "{prefix}asked again for {minutes} min: Posts were missing from {from} to {to} UTC"
                    );
                }
            }
        }
    }

    /// Reports that a gap ends later than it seemed, if it does.
    pub(super) fn resumed(&self, connection: usize, gap: &Gap) {
        let Line { prefix, gap_to, .. } = &self.lines[connection];
        if self.lines.len() == 1 && gap.to > *gap_to {
            let to = utc_end(gap.to);
            warn!("{prefix}the first Post came late: Posts may be missing to {to} UTC");
        }
    }

    /// Reports that the reader or the path is late.
    pub(super) fn late(&self, connection: usize, late: &Late) {
        let prefix = &self.lines[connection].prefix;
        match late.kind {
            LateKind::Read => warn!("{prefix}late: nothing was read for {:.1?}", late.by),
            _ => warn!("{prefix}late: Posts come {:.1?} later than usual", late.by),
        }
    }

    /// No connection is there that carries these Posts.
    pub(super) fn interrupted(&self, interrupted: &Interrupted) {
        warn!(
            "no connection is left {}: Posts may be missing from {} UTC on",
            self.carriers(interrupted.group),
            utc(interrupted.from)
        );
    }

    /// Posts that no connection brought.
    pub(super) fn gap(&mut self, gap: &GroupGap) {
        self.gaps += 1;
        let (carriers, from, to) = (self.carriers(gap.group), utc(gap.from), utc_end(gap.to));
        match gap.backfill_minutes {
            0 => warn!("Posts {carriers} may be missing from {from} to {to} UTC"),
            minutes => {
                info!("asked again for {minutes} min: Posts {carriers} were missing from {from} to {to} UTC")
            }
        }
    }

    /// Who of several connections carries a group.
    fn carriers(&self, group: ReplicaGroup) -> String {
        let names = self.lines.iter().filter(|line| line.group == group).map(|line| line.name.as_str());
        format!("of {}", names.collect::<Vec<_>>().join(", "))
    }

    /// Counts, at the end, the copies of Posts that had been delivered, and how each of several connections did.
    pub(super) fn arrivals(&mut self, duplicates: u64, records: &[ConnectionStats]) {
        self.duplicates = duplicates;
        for (line, record) in self.lines.iter().zip(records) {
            let lags = record.lags();
            let lost = match lags.quantile(500) {
                Some(median) => format!(" (by p50 {median:.1?}, max {:.1?})", lags.max()),
                None => String::new(),
            };
            let broken = match record.broken() {
                0 => String::new(),
                broken => format!(", broken {broken}"),
            };
            self.races.push(format!(
                "{}: first {}, later {}{lost}, duplicates {}{broken}, gaps {}",
                line.name,
                record.first_arrivals(),
                record.late_arrivals(),
                record.duplicates(),
                record.gaps()
            ));
        }
    }

    /// The races between connections, a line each.
    pub(super) fn races(&self) -> &[String] {
        &self.races
    }

    pub(super) fn keep_alive(&mut self, connection: usize) {
        self.keep_alives += 1;
        trace!("{}keep-alive", self.lines[connection].prefix);
    }

    pub(super) fn skipped(&mut self, connection: usize, bytes: u64) {
        self.skipped += 1;
        warn!(bytes, "{}skipped a message over the limit", self.lines[connection].prefix);
    }

    /// A message that is no Post. Of kinds that may come as often as Posts, the first is shown to everyone.
    pub(super) fn message(&mut self, connection: usize, kind: &Kind, bytes: &[u8]) {
        let prefix = &self.lines[connection].prefix;
        let name = describe::name(kind);
        let count = match kind {
            Kind::Malformed(_) => &mut self.malformed,
            _ => self.others.entry(name).or_default(),
        };
        *count += 1;
        let is_first = *count == 1;
        match kind {
            Kind::ConnectionMetadata => {
                let metadata = ConnectionMetadata::parse(bytes);
                let datacenter = metadata.and_then(|metadata| metadata.datacenter);
                let datacenter = datacenter.map(|name| shown(name.as_bytes()).to_string());
                info!(datacenter, "{prefix}{name}");
            }
            // Words of the service about the connection: few, and each of weight.
            Kind::StreamError(_)
            | Kind::Problem(_)
            | Kind::System(_)
            | Kind::Disconnect { .. }
            | Kind::Warning
            | Kind::Limit { .. } => warn!("{prefix}{name}: {}", shown(bytes)),
            _ if !is_first => debug!("{prefix}{name}: {}", shown(bytes)),
            Kind::Malformed(_) => warn!("{prefix}{name}, the first of them: {}", shown(bytes)),
            _ => info!("{prefix}{name}, the first of them: {}", shown(bytes)),
        }
    }

    /// A message that begins as a Post and cannot be written as JSON.
    pub(super) fn left_out(&mut self, connection: usize, bytes: &[u8], malformed: Malformed) {
        self.malformed += 1;
        let prefix = &self.lines[connection].prefix;
        let why = match malformed.reason {
            MalformedReason::TooDeep => format!("it is nested deeper than {DEPTH_MAX} levels"),
            reason => format!("it is not JSON: {reason} at byte {}", malformed.at),
        };
        warn!("{prefix}left out, for {why} (--format raw shows it): {}", shown(bytes));
    }

    /// Told with what follows from it, so that it is one line.
    pub(super) fn refused(&mut self, connection: usize, refused: &Refused<'_>) {
        tell_head(&refused.head);
        self.lines[connection].refusal = Some(refusal::told(refused));
    }

    /// A connection ended, or was not made. It had received so many octets.
    /// Where reading was held up before for want of room in the queue, that may be why.
    pub(super) fn disconnected(
        &mut self,
        connection: usize,
        disconnected: &Disconnected,
        received: u64,
        held: Option<Duration>,
    ) {
        let was_open = self.lines[connection].is_open;
        let what = if was_open { "disconnected" } else { "could not connect" };
        self.closed(connection, received);
        let Line { prefix, refusal, .. } = &mut self.lines[connection];
        let announced = disconnected.announced.map(|kind| describe::name(&kind));
        let undelivered_bytes = Some(disconnected.undelivered).filter(|bytes| *bytes > 0);
        let Disconnected { reason, delay, .. } = disconnected;
        let next = if delay.is_zero() { String::from("at once") } else { format!("in {delay:.1?}") };
        match (reason, refusal.take()) {
            (DisconnectReason::Refused(_), Some(refusal)) => {
                warn!("{prefix}refused: {refusal}; next attempt {next}")
            }
            _ => {
                let reason = with_options(reason);
                warn!(announced, undelivered_bytes, "{prefix}{what}: {reason}; next attempt {next}")
            }
        }
        if let Some(held) = held.filter(|_| was_open) {
            warn!(
                "{prefix}the likely cause: the reader of standard output was too slow, so that the queue was full and \
                 nothing was read for {held:.1?}; a larger --queue holds more, --overflow drop-oldest never waits"
            );
        }
        if disconnected.at_ceiling {
            warn!("{prefix}the waits have reached their ceiling: something lasting is wrong");
        }
        if disconnected.reset_ignored {
            warn!(
                "{prefix}the server named a time for the next attempt that is more than a day ahead; not believed"
            );
        }
    }

    pub(super) fn gave_up(&mut self, connection: usize, cause: &DisconnectReason, received: u64) {
        self.closed(connection, received);
        let is_alone = self.lines.len() == 1;
        let Line { prefix, refusal, .. } = &mut self.lines[connection];
        match refusal.take() {
            Some(refusal) => error!("{prefix}refused: {refusal}"),
            // The only one's end is the tool's, which tells it.
            None if is_alone => {}
            None => error!("{prefix}gave up: {}", with_options(cause)),
        }
    }

    /// The end of a connection, which has received so many octets.
    pub(super) fn end(&mut self, connection: usize, received: u64) {
        if self.lines[connection].is_open {
            self.closed(connection, received);
        }
        let Line { prefix, refusal, .. } = &mut self.lines[connection];
        if let Some(refusal) = refusal.take() {
            warn!("{prefix}refused: {refusal}");
        }
    }

    /// How many connections there are.
    pub(super) fn connections(&self) -> usize {
        self.lines.len()
    }

    /// What was counted: what is always told, and what is told where there was any.
    pub(super) fn totals(&self) -> String {
        let Self { keep_alives, received, reconnects, .. } = self;
        let mut totals = format!("keep-alives {keep_alives}, bytes {received}, reconnects {reconnects}");
        let seldom = [
            ("duplicates", self.duplicates),
            ("gaps", self.gaps),
            ("skipped", self.skipped),
            ("malformed", self.malformed),
        ];
        let others = self.others.iter().map(|(name, count)| (*name, *count));
        for (name, count) in seldom.into_iter().chain(others).filter(|(_, count)| *count > 0) {
            totals += &format!(", {name} {count}");
        }
        totals
    }

    fn closed(&mut self, connection: usize, received: u64) {
        self.lines[connection].is_open = false;
        self.received += received;
    }
}

/// The head of a response. Requests are never told: they hold the token.
fn tell_head(head: &Head<'_>) {
    debug!("response: status {}", head.status());
    for (name, value) in head.fields() {
        debug!("response: {}: {}", shown(name.as_bytes()), shown(value));
    }
}

fn shown(bytes: &[u8]) -> Printable<'_> {
    Printable { bytes, characters_max: SHOWN_MAX }
}
