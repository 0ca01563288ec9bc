//! Logs and counts everything but Posts.

use std::collections::BTreeMap;
use std::time::Duration;

use powerstream_client::recovery::{Recovery, RecoveryEvent};
use powerstream_core::http::Head;
use powerstream_core::merge::{ConnectionStats, GroupGap, Interrupted, ReplicaGroup, Topology};
use powerstream_core::session::{
    Connected, DisconnectReason, Disconnected, Gap, GaveUp, Late, LateKind, RefusalKind, Refused,
};
use powerstream_core::stream::{ConnectionMetadata, DEPTH_MAX, Kind, Malformed, MalformedReason};
use powerstream_core::time::{TimeRange, UnixTime};
use tracing::{debug, error, info, trace, warn};

use super::refusal;
use super::take_over::TakeOver;
use crate::connection::Target;
use crate::describe;
use crate::text::{Printable, with_options};
use crate::utc::{utc, utc_end};

/// The limit of characters logged of a message or a field value.
const SHOWN_MAX: usize = 300;

/// Logs and counts events.
#[derive(Debug)]
pub(super) struct Journal {
    lines: Vec<Line>,
    reconnects: u64,
    /// Attempts that ended without a stream.
    failed_attempts: u64,
    duplicates: u64,
    gaps: u64,
    keep_alives: u64,
    received: u64,
    skipped: u64,
    malformed: u64,
    /// Messages that are neither Posts nor malformed, by the name of their kind.
    others: BTreeMap<&'static str, u64>,
    /// The counts of merged connections.
    races: Vec<String>,
    /// The gaps of the merged stream are logged, not those of its connections.
    is_merged: bool,
    /// Posts that were recovered.
    recovered: u64,
    take_over: Option<TakeOver>,
}

/// One connection.
#[derive(Debug)]
struct Line {
    name: String,
    group: ReplicaGroup,
    target: Target,
    /// The prefix of its log lines, if there are several connections.
    prefix: String,
    /// True after the first connect.
    has_streamed: bool,
    /// True while a stream is open, whose bytes are not counted yet.
    is_open: bool,
    /// The end of the gap that was reported last.
    gap_to: UnixTime,
    /// A refusal, logged together with the disconnect that follows.
    refusal: Option<String>,
    /// Where its group continues, until the first connection.
    resumed_from: Option<UnixTime>,
}

impl Journal {
    /// Creates the journal of connections with these names, which must be safe for terminals, and
    /// targets. A single connection's name is not shown.
    pub(super) fn new(
        connections: Vec<(String, Target)>,
        group: Topology,
        is_merged: bool,
        resumed_from: impl Fn(ReplicaGroup) -> Option<UnixTime>,
        take_over: Option<TakeOver>,
    ) -> Self {
        let is_alone = connections.len() == 1;
        let line = |(index, (name, target)): (usize, (String, Target))| {
            let group = group.group(u16::try_from(index).unwrap_or(u16::MAX));
            Line {
                target,
                group,
                prefix: if is_alone { String::new() } else { format!("{name}: ") },
                name,
                has_streamed: false,
                is_open: false,
                gap_to: UnixTime::default(),
                refusal: None,
                resumed_from: resumed_from(group),
            }
        };
        let lines: Vec<_> = connections.into_iter().enumerate().map(line).collect();
        for Line { prefix, target, .. } in &lines {
            info!("{prefix}connecting to {}", target.text(None));
        }
        Self {
            lines,
            reconnects: 0,
            failed_attempts: 0,
            duplicates: 0,
            gaps: 0,
            keep_alives: 0,
            received: 0,
            skipped: 0,
            malformed: 0,
            others: BTreeMap::new(),
            races: Vec::new(),
            is_merged,
            recovered: 0,
            take_over,
        }
    }

    pub(super) fn connected(&mut self, connection: usize, connected: &Connected<'_>) {
        let is_merged = self.is_merged;
        if let Some(take_over) = &mut self.take_over {
            let accepted = TimeRange { from: connected.server_earliest, to: connected.server_latest };
            take_over.connected(connection, accepted);
        }
        let line = &mut self.lines[connection];
        self.reconnects += u64::from(line.has_streamed);
        (line.has_streamed, line.is_open) = (true, true);
        let Line { prefix, target, .. } = line;
        log_head(&connected.head);
        let datacenter = connected.head.datacenter().map(|name| shown(name.as_bytes()).to_string());
        info!(datacenter, "{prefix}connected to {}", target.text(connected.peer_addr));
        if let Some(from) = line.resumed_from
            && from > connected.server_latest
        {
            let by = from.saturating_since(connected.server_latest);
            warn!(
                "{prefix}the state is {by:.1?} ahead of the server's clock: Posts may be missing, and their range is unknown"
            );
        }
        let group = line.group;
        for line in self.lines.iter_mut().filter(|line| line.group == group) {
            line.resumed_from = None;
        }
        let line = &mut self.lines[connection];
        let Line { prefix, .. } = line;
        // Another connection may have delivered what this one missed. The gaps of the merged stream
        // are logged instead.
        if let Some(gap) = connected.gap.filter(|_| !is_merged) {
            self.gaps += 1;
            line.gap_to = gap.to;
            let (from, to) = (utc(gap.from), utc_end(gap.to));
            match gap.backfill_minutes {
                0 => warn!("{prefix}Posts may be missing from {from} to {to} UTC"),
                minutes => {
                    info!(
                        "{prefix}requested {minutes} min of backfill: \
                         Posts were missing from {from} to {to} UTC"
                    );
                }
            }
        }
    }

    /// Logs that a gap ends later than reported, if it does.
    pub(super) fn resumed(&self, connection: usize, gap: &Gap) {
        let Line { prefix, gap_to, .. } = &self.lines[connection];
        if !self.is_merged && gap.to > *gap_to {
            let to = utc_end(gap.to);
            warn!("{prefix}the first Post came late: Posts may be missing to {to} UTC");
        }
    }

    /// Logs that the reader or the path is late.
    pub(super) fn late(&self, connection: usize, late: &Late) {
        let prefix = &self.lines[connection].prefix;
        match late.kind {
            LateKind::Read => warn!("{prefix}late: nothing was read for {:.1?}", late.by),
            _ => warn!("{prefix}late: Posts come {:.1?} later than usual", late.by),
        }
    }

    /// Logs that all connections that carry these Posts are down.
    pub(super) fn interrupted(&self, interrupted: &Interrupted) {
        // The end of an only connection was logged already.
        if self.lines.len() > 1 {
            warn!(
                "no connection{} is open: Posts may be missing since {} UTC",
                self.carriers(interrupted.group),
                utc(interrupted.from)
            );
        }
    }

    /// Logs a gap that no connection covered.
    pub(super) fn gap(&mut self, gap: &GroupGap) {
        self.gaps += 1;
        let (carriers, from, to) = (self.carriers(gap.group), utc(gap.from), utc_end(gap.to));
        match gap.backfill_minutes {
            0 => warn!("Posts{carriers} may be missing from {from} to {to} UTC"),
            minutes => {
                info!(
                    "requested {minutes} min of backfill: \
                     Posts{carriers} were missing from {from} to {to} UTC"
                );
                if let Some(range) = gap.recovery_needed() {
                    let (from, to) = (utc(range.from), utc_end(range.to));
                    warn!("backfill is too short: Posts{carriers} may be missing from {from} to {to} UTC");
                }
            }
        }
    }

    /// Logs what became of a range that was requested again.
    pub(super) fn recovery(&self, event: &RecoveryEvent<'_>) {
        match event {
            RecoveryEvent::Started(recovery) => info!("recovery: requesting Posts{}", self.range(recovery)),
            RecoveryEvent::Completed { recovery, posts } => {
                info!("recovery: received {posts} missing Posts{}", self.range(recovery));
            }
            RecoveryEvent::Lost { recovery, posts, reason } => {
                let except = match posts {
                    0 => String::new(),
                    posts => format!(", except {posts} that were received"),
                };
                let (range, reason) = (self.range(recovery), with_options(reason));
                warn!("recovery: Posts{range} are lost{except}: {reason}");
            }
            RecoveryEvent::Refused(refused) => {
                log_head(&refused.head);
                warn!("recovery: refused: {}", refusal::describe(refused));
            }
            RecoveryEvent::Disconnected(disconnected) => {
                let Disconnected { reason, delay, .. } = disconnected;
                let (reason, next) = (with_options(reason), after(*delay));
                warn!("recovery: interrupted: {reason}; next attempt {next}");
            }
            // A message, or an event of a newer library.
            _ => {}
        }
    }

    /// Counts a Post that a recovery delivered.
    pub(super) fn recovered(&mut self) {
        self.recovered += 1;
    }

    fn range(&self, recovery: &Recovery) -> String {
        let Recovery { group, range, .. } = recovery;
        format!("{} from {} to {} UTC", self.carriers(*group), utc(range.from), utc_end(range.to))
    }

    /// Returns the names of the connections of a group, if there are several connections.
    fn carriers(&self, group: ReplicaGroup) -> String {
        if self.lines.len() == 1 {
            return String::new();
        }
        let names = self.lines.iter().filter(|line| line.group == group).map(|line| line.name.as_str());
        format!(" of {}", names.collect::<Vec<_>>().join(", "))
    }

    /// Takes the final counts of duplicates and of each merged connection.
    pub(super) fn arrivals(&mut self, duplicates: u64, records: &[ConnectionStats]) {
        self.duplicates = duplicates;
        // A single connection wins every race.
        for (line, record) in self.lines.iter().zip(records).filter(|_| self.lines.len() > 1) {
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

    /// Returns one line per connection with its first and later arrivals.
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

    /// Logs a message that is not a Post. If a kind may be as frequent as Posts, only the first is
    /// logged at a visible level.
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
            // Messages about the connection: rare and important.
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

    /// Logs a message that starts like a Post but is not valid JSON.
    pub(super) fn left_out(&mut self, connection: usize, bytes: &[u8], malformed: Malformed) {
        self.malformed += 1;
        let prefix = &self.lines[connection].prefix;
        let why = match malformed.reason {
            MalformedReason::TooDeep => format!("it is nested deeper than {DEPTH_MAX} levels"),
            reason => format!("it is not JSON: {reason} at byte {}", malformed.at),
        };
        warn!("{prefix}omitted because {why} (--format raw writes it): {}", shown(bytes));
    }

    /// Stores the refusal. It is logged with the disconnect, on one line.
    pub(super) fn refused(&mut self, connection: usize, refused: &Refused<'_>) {
        log_head(&refused.head);
        self.lines[connection].refusal = Some(refusal::describe(refused));
        if let Some(take_over) = &self.take_over
            && refused.refusal.kind == RefusalKind::ConnectionLimit
        {
            take_over.refused(connection);
        }
    }

    /// Logs the end of a connection or attempt that received this many bytes. An earlier wait for
    /// room in the queue may be the reason.
    pub(super) fn disconnected(
        &mut self,
        connection: usize,
        disconnected: &Disconnected,
        received: u64,
        held: Option<Duration>,
    ) {
        let was_open = self.lines[connection].is_open;
        self.closed(connection, received);
        if let Some(take_over) = &mut self.take_over {
            take_over.disconnected(connection);
        }
        let Line { prefix, target, refusal, .. } = &mut self.lines[connection];
        let what = match disconnected.reason {
            _ if was_open => String::from("disconnected"),
            DisconnectReason::Transport(_) | DisconnectReason::Timeout(_) => {
                format!("could not connect to {}", target.text(disconnected.peer_addr))
            }
            _ => format!("no stream from {}", target.text(disconnected.peer_addr)),
        };
        let announced = disconnected.announced.map(|kind| describe::name(&kind));
        let undelivered_bytes = Some(disconnected.undelivered).filter(|bytes| *bytes > 0);
        let Disconnected { reason, delay, .. } = disconnected;
        let next = after(*delay);
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
                "{prefix}the likely cause: the reader of standard output was too slow, so the queue was \
                 full and nothing was read for {held:.1?}; a larger --queue holds more, \
                 --overflow drop-oldest never waits"
            );
        }
        if disconnected.backfill_refused {
            warn!("{prefix}the server may have refused the backfill: none is requested from now on");
        }
        if disconnected.at_ceiling {
            warn!("{prefix}the backoff has reached its maximum: the failure is persistent");
        }
        if disconnected.reset_ignored {
            warn!(
                "{prefix}the server named a time for the next attempt that is more than a day ahead; \
                 it is ignored"
            );
        }
    }

    /// Logs the end of a connection that is not retried, unless the command's error reports it.
    /// Returns its server.
    pub(super) fn gave_up(&mut self, connection: usize, gave_up: &GaveUp, received: u64) -> String {
        self.closed(connection, received);
        let is_alone = self.lines.len() == 1;
        let Line { prefix, target, refusal, .. } = &mut self.lines[connection];
        let target = target.text(gave_up.peer_addr);
        match refusal.take() {
            Some(refusal) => error!("{prefix}refused: {refusal}"),
            // The end of a single connection is reported as the error of the command.
            None if is_alone => {}
            None => error!("{prefix}gave up on {target}: {}", with_options(&gave_up.reason)),
        }
        target
    }

    /// Counts the bytes of a connection that ended.
    pub(super) fn end(&mut self, connection: usize, received: u64) {
        if self.lines[connection].is_open {
            self.closed(connection, received);
        }
        let Line { prefix, refusal, .. } = &mut self.lines[connection];
        if let Some(refusal) = refusal.take() {
            warn!("{prefix}refused: {refusal}");
        }
    }

    /// Returns the number of connections.
    pub(super) fn connections(&self) -> usize {
        self.lines.len()
    }

    /// Returns the totals: some always, others if they are above zero.
    pub(super) fn totals(&self) -> String {
        let Self { keep_alives, received, reconnects, .. } = self;
        let mut totals = format!("keep-alives {keep_alives}, bytes {received}, reconnects {reconnects}");
        let seldom = [
            ("duplicates", self.duplicates),
            ("gaps", self.gaps),
            ("recovered", self.recovered),
            ("failed attempts", self.failed_attempts),
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
        self.failed_attempts += u64::from(!self.lines[connection].is_open);
        self.lines[connection].is_open = false;
        self.received += received;
    }
}

/// Logs the head of a response. Requests are never logged, because they contain the token.
fn log_head(head: &Head<'_>) {
    debug!("response: status {}", head.status());
    for (name, value) in head.fields() {
        debug!("response: {}: {}", shown(name.as_bytes()), shown(value));
    }
}

/// Returns when the next attempt starts.
fn after(delay: Duration) -> String {
    if delay.is_zero() { String::from("at once") } else { format!("in {delay:.1?}") }
}

fn shown(bytes: &[u8]) -> Printable<'_> {
    Printable { bytes, characters_max: SHOWN_MAX }
}
