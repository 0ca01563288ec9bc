//! Merges several connections into one stream: first arrivals, duplicates and gaps.
//!
//! This module does no I/O, like the rest of the core. The caller reports each arrival with its
//! connection and time. [`Merge`] returns whether to deliver it. `powerstream_client::merged` uses
//! it on top of an I/O. A custom runtime with one session per core calls [`Merge::arrival`] itself.
//!
//! # First arrival wins
//!
//! All connections share one [`Window`] of ids. Copies of a Post are counted as follows:
//!
//! - The first connection to deliver a Post wins it. The other connections lose it, each by the
//!   time between its copy and the first.
//! - A copy is a duplicate if the same connection already delivered the Post. It is also a
//!   duplicate if the Post first arrived before the connection's stream began, as with backfill.
//! - Messages without a Post id, such as system messages, belong to their connection and are never
//!   duplicates.
//! - A copy that is not well-formed JSON wins nothing. The first connection to deliver a
//!   well-formed copy wins.
//!
//! # Gaps of the merged stream
//!
//! The merged stream has a gap only while every connection that carries the same Posts is down. The
//! caller assigns a [`ReplicaGroup`] to each connection. The connections of one group are replicas
//! of each other and carry the same Posts.
//!
//! ```text
//!                             groups     a gap of the stream
//!   redundant                 0 0       while both are down
//!   one per datacenter        0 1       while either is down: `localDcOnly`, different Posts
//!   partitions of a firehose  0 1 2 3   while any is down
//!   partitions, each twice    0 0 1 1   while both of either pair are down
//! ```
//!
//! Groups depend on the request, not on the datacenter that responds. After a failover, another
//! datacenter may respond to the same request.
//!
//! It takes time to learn that a connection is down: a dead peer looks like a silent one for 25
//! seconds. Therefore the downtimes of each connection are kept. Whenever one becomes known, they
//! are intersected over the group, and the part not yet reported is reported as a [`GroupGap`].
//!
//! A streaming session confirms that it delivered everything up to some moment
//! ([`Session::covered_until`](crate::session::Session::covered_until)). Earlier times are then
//! settled: they cannot become part of a gap any more. Each connection keeps at most eight
//! unsettled downtimes; beyond that, the oldest are joined. A reported gap may therefore be too
//! long, never too short. Before the first stream of a group, no Post counts as missing.
//!
//! Downtimes use the server's time, as the creation times of Posts do. Each session measures it
//! separately, so connections to datacenters with different lag can be compared. If that time goes
//! back, settled times become unsettled again, and a gap may be reported twice.

use core::fmt;
use core::time::Duration;

mod downtime;

use downtime::{Downtime, NEVER, TimeRanges, intersection};

use crate::dedup::{Insert, Window, WindowError};
pub use crate::lag::LagHistogram;
use crate::session::{Connected, Gap, backfilled, beyond_backfill};
use crate::stream::json::Malformed;
use crate::stream::message::PostId;
use crate::time::{Instant, TimeRange, UnixTime};

/// The maximum number of connections of a merged stream.
pub const CONNECTIONS_MAX: usize = 32;

/// Identifies a connection by its index among the merged connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u8);

impl ConnectionId {
    /// The first connection, which is the only one of a stream that is not merged.
    pub const FIRST: Self = Self(0);

    /// Returns the id of the connection at `index`, counted from 0; `None` from [`CONNECTIONS_MAX`]
    /// on.
    #[must_use]
    pub const fn new(index: usize) -> Option<Self> {
        if index < CONNECTIONS_MAX { Some(Self(index as u8)) } else { None }
    }

    /// Returns the index, counted from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Identifies the Posts that a connection carries. All connections of a group carry the same Posts.
/// Any number is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReplicaGroup(u16);

impl ReplicaGroup {
    /// Creates the group with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Returns the group's number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The two usual ways to combine connections. For others, assign [`ReplicaGroup`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the same Posts, or each its own")]
pub enum Topology {
    /// Each connection carries all Posts: one connection is enough.
    Redundant,
    /// Each connection carries different Posts (`localDcOnly`, partitions). The stream is their
    /// union, and all connections are needed.
    Partitioned,
}

impl Topology {
    /// Returns the group of the connection at this index.
    #[must_use]
    pub const fn group(self, index: u16) -> ReplicaGroup {
        match self {
            Self::Redundant => ReplicaGroup(0),
            Self::Partitioned => ReplicaGroup(index),
        }
    }
}

/// The verdict of [`Merge::arrival`] on a copy of a Post. Only `First` is delivered to the
/// consumer, and `Broken` as a malformed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a Post is new, late, there already, or broken")]
pub enum Arrival {
    /// No connection had delivered the Post before.
    First,
    /// Another connection delivered the Post first.
    Lost {
        /// Time since the first arrival.
        by: Duration,
        /// The connection that delivered the Post first.
        winner: ConnectionId,
    },
    /// The same connection delivered the Post before, or the Post first arrived before this
    /// connection's stream began.
    Duplicate,
    /// No connection had delivered the Post, and this copy is not well-formed JSON. The next copy
    /// may be the first.
    Broken(Malformed),
}

/// A time range whose Posts no connection of a group delivered. They are missing from the stream
/// unless backfill delivers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupGap {
    /// The group.
    pub group: ReplicaGroup,
    /// Every Post created before this time was delivered by a connection, or was within an earlier
    /// gap. In the server's time, as in [`Gap::from`].
    pub from: UnixTime,
    /// Posts created from this millisecond on are delivered by one of the connections, as in
    /// [`Gap::to`].
    pub to: UnixTime,
    /// Minutes of backfill that the connection which ends the gap requested; 0 for none.
    pub backfill_minutes: u8,
}

impl GroupGap {
    /// Returns the part of the gap that a recovery must request. See [`Gap::recovery_needed`].
    #[must_use]
    pub fn recovery_needed(&self) -> Option<TimeRange> {
        beyond_backfill(self.range(), self.backfill_minutes)
    }

    /// Returns the rest of the gap, which the requested backfill delivers.
    #[must_use]
    pub fn backfilled(&self) -> Option<TimeRange> {
        backfilled(self.range(), self.backfill_minutes)
    }

    /// Returns the whole range.
    #[must_use]
    pub const fn range(&self) -> TimeRange {
        TimeRange { from: self.from, to: self.to }
    }
}

/// Reports that all connections of a group are down. A [`GroupGap`] follows once one is streaming
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interrupted {
    /// The group.
    pub group: ReplicaGroup,
    /// Since when Posts may be missing.
    pub from: UnixTime,
}

/// The time at which a stream began.
#[derive(Clone, Copy)]
struct StreamStart {
    at: Instant,
    /// The earliest server time.
    unix: UnixTime,
    /// The latest server time.
    over: UnixTime,
}

/// The effect of a connection's end on the merged stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outage {
    /// The connection was the last one of its group.
    pub interrupted: Option<Interrupted>,
    /// A range in which all connections of the group were down. This connection was down before its
    /// end was noticed.
    pub gap: Option<GroupGap>,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// It is connecting, or waiting to reconnect.
    #[default]
    Away,
    /// Its stream is established.
    Streaming,
    /// It will not connect again.
    Over,
}

/// The counters and state of one connection.
#[derive(Clone, Debug, Default)]
pub struct ConnectionStats {
    group: ReplicaGroup,
    state: ConnectionState,
    /// When its current stream began.
    since: Instant,
    wins: u64,
    duplicates: u64,
    broken: u64,
    lags: LagHistogram,
    connects: u64,
    gaps: u64,
    gap_time: Duration,
    downtime: Downtime,
    /// Its stream began with backfill. This module cannot see whether the backfill is complete.
    is_backfilled: bool,
    /// The state of its group, used only in the record of the group's first connection.
    group_state: GroupState,
}

/// The state of a group, kept in the record of its first connection.
#[derive(Clone, Copy, Debug, Default)]
struct GroupState {
    /// True once one of its connections has streamed.
    is_begun: bool,
    /// Downtimes before this are final.
    settled: UnixTime,
    reported: TimeRanges,
}

impl ConnectionStats {
    /// Creates the record of a new connection of this group.
    #[must_use]
    pub fn new(group: ReplicaGroup) -> Self {
        Self { group, ..Self::default() }
    }

    /// Returns the group whose Posts the connection carries.
    #[must_use]
    pub const fn group(&self) -> ReplicaGroup {
        self.group
    }

    /// Returns the state of the connection.
    #[must_use]
    pub const fn state(&self) -> ConnectionState {
        self.state
    }

    /// Returns the number of Posts that this connection delivered first.
    #[must_use]
    pub const fn first_arrivals(&self) -> u64 {
        self.wins
    }

    /// Returns the number of Posts that another connection delivered first while this one was
    /// streaming.
    #[must_use]
    pub const fn late_arrivals(&self) -> u64 {
        self.lags.count()
    }

    /// Returns the delays of its late arrivals after the first arrivals.
    #[must_use]
    pub const fn lags(&self) -> &LagHistogram {
        &self.lags
    }

    /// Returns the number of duplicates: Posts that it delivered twice, or that had arrived before
    /// its stream began.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Returns the number of copies that were not well-formed JSON and arrived before any other
    /// copy.
    #[must_use]
    pub const fn broken(&self) -> u64 {
        self.broken
    }

    /// Returns the number of streams that it began.
    #[must_use]
    pub const fn connects(&self) -> u64 {
        self.connects
    }

    /// Returns the number of gaps between its streams, including those that other connections
    /// filled.
    #[must_use]
    pub const fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Returns the total length of its gaps.
    #[must_use]
    pub const fn gap_time(&self) -> Duration {
        self.gap_time
    }
}

/// Why a [`Merge`] could not be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MergeError {
    /// There are no connections, or more than [`CONNECTIONS_MAX`].
    Connections,
    /// The configuration of the window is invalid.
    Window(WindowError),
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connections => write!(f, "a stream is merged from 1 to {CONNECTIONS_MAX} connections"),
            Self::Window(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MergeError {}

/// The state of a merged stream. It allocates nothing.
///
/// `S` is the window's storage. `C` holds a [`ConnectionStats`] for each connection: a `Vec`, an
/// array or a slice.
///
/// Methods panic if given the id of a connection that has no record.
///
/// ```
/// use core::time::Duration;
/// use powerstream_core::dedup::{Window, WindowConfig};
/// use powerstream_core::merge::{Arrival, ConnectionId, Topology, Merge, ConnectionStats};
/// use powerstream_core::stream::PostId;
/// use powerstream_core::time::Instant;
///
/// let mut config = WindowConfig::default();
/// config.posts = 2;
/// let records = [0, 1].map(|index| ConnectionStats::new(Topology::Redundant.group(index)));
/// let mut merge = Merge::new(Window::new([0; 24], &config)?, records)?;
/// let [a, b] = [0, 1].map(|index| ConnectionId::new(index).unwrap());
/// let at = Instant::from_nanos;
///
/// let post = br#"{"id_str":"20","text":"just setting up my twttr"}"#;
/// assert!(matches!(merge.arrival(b, PostId::new(20), &post[..30], at(900)), Arrival::Broken(_)));
/// assert_eq!(merge.arrival(a, PostId::new(20), post, at(1_000)), Arrival::First);
/// assert_eq!(
///     merge.arrival(b, PostId::new(20), post, at(1_700)),
///     Arrival::Lost { by: Duration::from_nanos(700), winner: a }
/// );
/// assert_eq!(merge.arrival(b, PostId::new(20), post, at(1_800)), Arrival::Duplicate);
/// assert_eq!(merge.connection(a).first_arrivals(), 1);
/// assert_eq!((merge.connection(b).late_arrivals(), merge.connection(b).duplicates()), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Merge<S, C> {
    window: Window<S>,
    records: C,
}

impl<S, C> Merge<S, C>
where
    S: AsRef<[u64]> + AsMut<[u64]>,
    C: AsRef<[ConnectionStats]> + AsMut<[ConnectionStats]>,
{
    /// Creates the state of a merged stream with one connection per record.
    ///
    /// # Errors
    /// [`MergeError`] if there are no records, or too many.
    pub fn new(window: Window<S>, records: C) -> Result<Self, MergeError> {
        if !(1..=CONNECTIONS_MAX).contains(&records.as_ref().len()) {
            return Err(MergeError::Connections);
        }
        Ok(Self { window, records })
    }

    /// Handles the arrival of `copy` of the Post `id` on `connection` at `now`. See
    /// [`Window::insert_copy`].
    pub fn arrival(&mut self, connection: ConnectionId, id: PostId, copy: &[u8], now: Instant) -> Arrival {
        let record = &mut self.records.as_mut()[connection.index()];
        match self.window.insert_copy(id, copy, now, note(connection)) {
            Insert::Broken(malformed) => {
                record.broken = record.broken.saturating_add(1);
                Arrival::Broken(malformed)
            }
            Insert::New => {
                record.wins = record.wins.saturating_add(1);
                Arrival::First
            }
            Insert::Duplicate(known) => {
                let is_own = has_delivered(*known.note, connection);
                *known.note |= note_of(connection);
                if is_own || known.at < record.since || *known.note & RECOVERED != 0 {
                    record.duplicates = record.duplicates.saturating_add(1);
                    return Arrival::Duplicate;
                }
                let by = now.saturating_since(known.at);
                record.lags.record(by);
                Arrival::Lost { by, winner: winner(*known.note) }
            }
        }
    }

    /// Continues the streams of an earlier process. `covered_until` returns the time before which
    /// it had delivered every Post of a group, or reported it as missing; a group without one
    /// begins anew. `ids` are Posts that it delivered last, the oldest first: their copies are
    /// duplicates. Call it before the first event, and
    /// [`Session::resume_from`](crate::session::Session::resume_from) on each session.
    pub fn resume_from(
        &mut self,
        covered_until: impl Fn(ReplicaGroup) -> Option<UnixTime>,
        ids: impl IntoIterator<Item = PostId>,
        now: Instant,
    ) {
        for id in ids {
            self.window.insert(id, now, RECOVERED);
        }
        for record in self.records.as_mut() {
            let Some(until) = covered_until(record.group) else { continue };
            record.downtime = Downtime::since(until);
            record.group_state.is_begun = true;
            record.group_state.settled = until;
        }
    }

    /// Handles the arrival of a copy of the Post `id` at `now` that a recovery requested, and not a
    /// connection.
    pub fn recovered(&mut self, id: PostId, copy: &[u8], now: Instant) -> Arrival {
        match self.window.insert_copy(id, copy, now, RECOVERED) {
            Insert::New => Arrival::First,
            Insert::Duplicate(_) => Arrival::Duplicate,
            Insert::Broken(malformed) => Arrival::Broken(malformed),
        }
    }

    /// Returns each group that has streamed, with the time before which every Post of it was
    /// delivered or reported as missing. It holds while no session has a pending event. `covered`
    /// as for [`Self::handle_connected`].
    pub fn covered_until<'a>(
        &'a self,
        covered: impl Fn(ConnectionId) -> Option<UnixTime> + 'a,
    ) -> impl Iterator<Item = (ReplicaGroup, UnixTime)> + 'a {
        let all = || (0..).map(ConnectionId).zip(self.records.as_ref());
        // Only the record of a group's first connection has its state.
        let begun = self.records.as_ref().iter().filter(move |record| {
            let first = self.records.as_ref().iter().find(|first| first.group == record.group);
            first.is_some_and(|first| core::ptr::eq(first, *record)) && record.group_state.is_begun
        });
        begun.map(move |record| {
            let group = || all().filter(|(_, member)| member.group == record.group);
            let covered = |connection| covered(connection).unwrap_or_default();
            let streaming = group().filter(|(_, member)| member.state == ConnectionState::Streaming);
            // As in `settle`, which runs only when a connection begins or ends.
            let settled = streaming.map(|(connection, _)| covered(connection)).min().unwrap_or_default();
            let members = || group().map(|(connection, member)| (covered(connection), &member.downtime));
            (record.group, frontier(record.group_state.settled.max(settled), members))
        })
    }

    /// Handles the start of a stream on `connection` at `now`.
    ///
    /// `covered` returns up to when a connection has delivered everything: its
    /// [`Session::covered_until`](crate::session::Session::covered_until).
    ///
    /// Returns the unreported gap of its group, if any.
    pub fn handle_connected(
        &mut self,
        connection: ConnectionId,
        connected: &Connected<'_>,
        now: Instant,
        covered: impl Fn(ConnectionId) -> Option<UnixTime>,
    ) -> Option<GroupGap> {
        let begun = StreamStart { at: now, unix: connected.server_earliest, over: connected.server_latest };
        self.connect(connection, connected.gap, begun, covered)
    }

    fn connect(
        &mut self,
        connection: ConnectionId,
        own: Option<Gap>,
        begun: StreamStart,
        covered: impl Fn(ConnectionId) -> Option<UnixTime>,
    ) -> Option<GroupGap> {
        // Backfill is requested only for a gap.
        let backfill_minutes = own.map_or(0, |own| own.backfill_minutes);
        let group = self.records.as_ref()[connection.index()].group;
        let is_first = !self.group_state(group).is_begun;
        // What the other connections have confirmed stays settled, whatever this one confirms.
        self.settle(group, &covered);
        let record = &mut self.records.as_mut()[connection.index()];
        record.state = ConnectionState::Streaming;
        record.since = begun.at;
        record.connects = record.connects.saturating_add(1);
        record.is_backfilled = backfill_minutes > 0;
        if let Some(own) = own {
            record.gaps = record.gaps.saturating_add(1);
            record.gap_time = record.gap_time.saturating_add(own.to.saturating_since(own.from));
            record.downtime.begin(own.from);
        }
        // The group's first stream ends no gap.
        let to = if is_first { begun.unix } else { own.map_or(begun.over, |own| own.to) };
        record.downtime.end(to);
        let group_state = self.group_state(group);
        if group_state.settled > begun.over {
            // The clock was set back.
            group_state.settled = UnixTime::default();
            group_state.reported = TimeRanges::default();
        }
        if is_first {
            group_state.is_begun = true;
            group_state.settled = to;
        }
        let (gap, _) = self.gap(group);
        self.settle(group, covered);
        gap.map(|range| GroupGap { group, from: range.from, to: range.to, backfill_minutes })
    }

    /// Handles the first live Post of a stream on `connection`, which may move the end of its `own`
    /// gap ([`SessionEvent::Resumed`](crate::session::SessionEvent::Resumed)).
    ///
    /// `covered` as for [`Self::handle_connected`]. Returns the unreported gap of its group, if
    /// any.
    pub fn handle_resumed(
        &mut self,
        connection: ConnectionId,
        own: &Gap,
        covered: impl Fn(ConnectionId) -> Option<UnixTime>,
    ) -> Option<GroupGap> {
        let record = &mut self.records.as_mut()[connection.index()];
        if record.state != ConnectionState::Streaming {
            return None;
        }
        let group = record.group;
        record.downtime.begin(own.from);
        record.downtime.end(own.to);
        let (gap, _) = self.gap(group);
        self.settle(group, covered);
        gap.map(|span| GroupGap { group, from: span.from, to: span.to, backfill_minutes: 0 })
    }

    /// Handles the end of a connection attempt or of a stream of `connection`.
    ///
    /// `is_over` is true if the connection will not connect again. `gap_from` is the time since
    /// which its session reports that Posts may be missing. `covered` as for
    /// [`Self::handle_connected`].
    pub fn handle_disconnected(
        &mut self,
        connection: ConnectionId,
        gap_from: Option<UnixTime>,
        is_over: bool,
        covered: impl Fn(ConnectionId) -> Option<UnixTime>,
    ) -> Outage {
        let record = &self.records.as_ref()[connection.index()];
        let was_streaming = record.state == ConnectionState::Streaming;
        let (group, is_backfilled) = (record.group, record.is_backfilled);
        if was_streaming {
            // What this connection has confirmed stays settled.
            self.settle(group, |of| if of == connection { gap_from } else { covered(of) });
        }
        let record = &mut self.records.as_mut()[connection.index()];
        record.state = if is_over { ConnectionState::Over } else { ConnectionState::Away };
        let (true, Some(gap_from)) = (was_streaming, gap_from) else { return Outage::default() };
        record.downtime.begin(gap_from);
        if is_backfilled {
            // Backfill that was requested for a reported gap may be incomplete.
            self.group_state(group).reported.forget_from(gap_from);
        }
        let (gap, since) = self.gap(group);
        self.settle(group, covered);
        Outage {
            interrupted: since.map(|from| Interrupted { group, from }),
            gap: gap.map(|range| GroupGap { group, from: range.from, to: range.to, backfill_minutes: 0 }),
        }
    }

    /// Returns the record of a connection.
    #[must_use]
    pub fn connection(&self, connection: ConnectionId) -> &ConnectionStats {
        &self.records.as_ref()[connection.index()]
    }

    /// Returns the records of all connections.
    #[must_use]
    pub fn connections(&self) -> &[ConnectionStats] {
        self.records.as_ref()
    }

    /// Returns the window of ids that the connections share.
    #[must_use]
    pub const fn window(&self) -> &Window<S> {
        &self.window
    }

    /// Returns the unreported gap, marks it reported, and returns since when all connections of the
    /// group are down.
    fn gap(&mut self, group: ReplicaGroup) -> (Option<TimeRange>, Option<UnixTime>) {
        let GroupState { settled, reported, .. } = *self.group_state(group);
        let (mut gap, mut since) = (None::<TimeRange>, None);
        let downtimes = self.records.as_ref().iter().filter(|record| record.group == group);
        intersection(downtimes.map(|record| &record.downtime), settled, |range| {
            if range.to == NEVER {
                since = Some(range.from);
            } else {
                reported.missing(range, |missing| gap = Some(gap.map_or(missing, |gap| gap.hull(missing))));
            }
        });
        if let Some(gap) = gap {
            self.group_state(group).reported.add(gap);
        }
        (gap, since)
    }

    /// Settles the times for which every streaming connection of the group has confirmed delivery.
    fn settle(&mut self, group: ReplicaGroup, covered: impl Fn(ConnectionId) -> Option<UnixTime>) {
        let streaming = (0..)
            .map(ConnectionId)
            .zip(self.records.as_ref())
            .filter(|(_, record)| record.group == group && record.state == ConnectionState::Streaming);
        // Without a confirmation from each connection, no time is settled.
        let until = streaming.map(|(connection, _)| covered(connection).unwrap_or_default()).min();
        let group_state = self.group_state(group);
        group_state.settled = group_state.settled.max(until.unwrap_or_default());
        let settled = group_state.settled;
        group_state.reported.forget_before(settled);
        for record in self.records.as_mut().iter_mut().filter(|record| record.group == group) {
            record.downtime.forget_before(settled);
        }
    }

    fn group_state(&mut self, group: ReplicaGroup) -> &mut GroupState {
        let records = self.records.as_mut();
        match records.iter_mut().find(|record| record.group == group) {
            Some(first) => &mut first.group_state,
            None => unreachable!("the group was read from a record"),
        }
    }
}

/// Returns the end of what is proven from `start` on: at each moment some connection was up, and
/// had delivered everything.
fn frontier<'a, M>(start: UnixTime, members: impl Fn() -> M) -> UnixTime
where
    M: Iterator<Item = (UnixTime, &'a Downtime)>,
{
    let mut until = start;
    loop {
        let further = members().map(|(covered, downtime)| match downtime.at(until) {
            Some(down) => covered.min(down.from),
            None => covered,
        });
        match further.max() {
            Some(further) if further > until => until = further,
            _ => return until,
        }
    }
}

/// Encodes the note that the window keeps for a Post. The lower half is the connection of the first
/// arrival. The upper half has one bit for each connection that delivered the Post.
const fn note(connection: ConnectionId) -> u64 {
    note_of(connection) | connection.0 as u64
}

/// The note of a Post that no connection delivered: a recovery or an earlier process did.
const RECOVERED: u64 = 1 << 31;

const fn note_of(connection: ConnectionId) -> u64 {
    1 << (32 + connection.0)
}

const fn has_delivered(note: u64, connection: ConnectionId) -> bool {
    note & note_of(connection) != 0
}

const fn winner(note: u64) -> ConnectionId {
    ConnectionId(note as u8)
}

#[cfg(test)]
mod tests;
