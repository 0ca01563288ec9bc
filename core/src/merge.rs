//! Several connections as one stream: who brought a Post first, what comes again, and what nobody brought.
//!
//! Pure accounting, like the rest of the core: it is told what came from which connection and when, and answers whether to pass
//! it on. Whoever has an I/O to drive finds that in `driver::merged`; a custom runtime with a session per core calls
//! [`Merge::arrival`] itself.
//!
//! # First arrival wins
//!
//! All connections share one [`Window`] of ids. The first connection to bring a Post wins it; the others lose it, by
//! so much; what a connection brings twice, or brings from before its stream began (backfill, of what another one delivered
//! meanwhile), is a duplicate and no race. Messages without an id of a Post, whatever the service says of a connection, are nobody's
//! duplicates: they belong to their connection. A copy that is not well-formed JSON wins nothing: whichever connection brings a
//! whole one first does.
//!
//! # What is missing from the stream
//!
//! What one connection missed is missing from the stream only where no other one that carries the same Posts was there. Which carry
//! the same is for the caller to say: each connection has a [`ReplicaGroup`], and those of one group are copies of each other.
//!
//! ```text
//!                             groups     a gap of the stream
//!   redundant                 0 0       where both were away
//!   one per datacenter        0 1       where either was away: `localDcOnly`, each has Posts of its own
//!   partitions of a firehose  0 1 2 3   where any was away
//!   partitions, each twice    0 0 1 1   where both of either pair were away
//! ```
//!
//! Feeds go by what was asked for, not by the datacenter that happens to answer: after a failover the same request may be answered from
//! elsewhere.
//!
//! That a connection is away is learned late: a dead peer looks like a silent one for 25 seconds. So the spans in which each was
//! away are kept and laid over each other whenever one of them becomes known, and what is common to all of a group and was
//! not told before is told then ([`GroupGap`]). A stream whose session vouches for having delivered everything up to
//! some moment ([`Session::covered_until`](crate::session::Session::covered_until)) settles what lies before.
//! Where more spans than eight are open to question for one connection, the oldest become one: a gap may be told too long for that,
//! never too short. Before the first stream of a group nothing is missing.
//!
//! The spans are in the server's time, in which Posts say when they were created: each session measures its own, so
//! that connections to datacenters that lag differently can be compared. If that time goes back, what had been settled
//! is open again, and a gap may be reported twice.

use core::fmt;
use core::time::Duration;

mod downtime;

use downtime::{Downtime, NEVER, TimeRange, TimeRanges, intersection};

use crate::dedup::{Insert, Window, WindowError};
pub use crate::lag::LagHistogram;
use crate::session::{Connected, Gap};
use crate::stream::json::Malformed;
use crate::stream::message::PostId;
use crate::time::{Instant, UnixTime};

/// The most connections that one stream is merged from.
pub const CONNECTIONS_MAX: usize = 32;

/// Which connection: its place among those that a stream is merged from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u8);

impl ConnectionId {
    /// The first one, which is the only one of a stream that is not merged.
    pub const FIRST: Self = Self(0);

    /// The connection at `index`, counted from 0; `None` from [`CONNECTIONS_MAX`] on.
    #[must_use]
    pub const fn new(index: usize) -> Option<Self> {
        if index < CONNECTIONS_MAX { Some(Self(index as u8)) } else { None }
    }

    /// Its place, counted from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which Posts a connection carries: connections of the same group carry the same. Any number will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReplicaGroup(u16);

impl ReplicaGroup {
    /// The group of this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The two usual ways in which connections belong together; mixtures are made of [`ReplicaGroup`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the same Posts, or each its own")]
pub enum Topology {
    /// Each carries everything: one of them is enough.
    Redundant,
    /// Each carries Posts of its own (`localDcOnly`, partitions): the stream is their union, and all are needed.
    Partitioned,
}

impl Topology {
    /// The group of the connection at this place.
    #[must_use]
    pub const fn group(self, index: u16) -> ReplicaGroup {
        match self {
            Self::Redundant => ReplicaGroup(0),
            Self::Partitioned => ReplicaGroup(index),
        }
    }
}

/// What [`Merge::arrival`] says of a copy of a Post. Only the first goes on to the consumer, and a broken
/// one as a malformed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a Post is new, late, there already, or broken")]
pub enum Arrival {
    /// Nobody had brought it.
    First,
    /// Another connection was faster.
    Lost {
        /// By so much.
        by: Duration,
        /// That one.
        winner: ConnectionId,
    },
    /// The connection had brought it before, or it first came before this connection's stream began.
    Duplicate,
    /// No connection had brought it, and this copy is not well-formed JSON: the next one may be the
    /// first.
    Broken(Malformed),
}

/// Posts that no connection of a group delivered: missing from the stream, unless backfill brings them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupGap {
    /// Of which group.
    pub group: ReplicaGroup,
    /// Every Post created before was delivered by one connection or another, or was within an earlier gap. In the server's time,
    /// as in [`Gap::from`].
    pub from: UnixTime,
    /// Posts created from this millisecond on come by one of them, as in [`Gap::to`].
    pub to: UnixTime,
    /// Minutes that the connection which ends the gap has asked for again; 0 for none.
    pub backfill_minutes: u8,
}

/// A group has lost its last connection. A [`GroupGap`] follows when one is there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interrupted {
    /// Which group.
    pub group: ReplicaGroup,
    /// Since when Posts may be missing.
    pub from: UnixTime,
}

/// When a stream has begun.
#[derive(Clone, Copy)]
struct StreamStart {
    at: Instant,
    /// Not before this,
    unix: UnixTime,
    /// and before this.
    over: UnixTime,
}

/// What follows for the stream from the end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outage {
    /// It was the last one of its group.
    pub interrupted: Option<Interrupted>,
    /// It had been dead for some while, and so had the others for some of that.
    pub gap: Option<GroupGap>,
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// It connects, or waits until it does.
    #[default]
    Away,
    /// Its stream is established.
    Streaming,
    /// It will not connect any more.
    Over,
}

/// The record of one connection.
#[derive(Clone, Debug, Default)]
pub struct ConnectionStats {
    group: ReplicaGroup,
    state: ConnectionState,
    /// When its stream began.
    since: Instant,
    wins: u64,
    duplicates: u64,
    broken: u64,
    lags: LagHistogram,
    connects: u64,
    gaps: u64,
    gap_time: Duration,
    downtime: Downtime,
    /// Its stream began with backfill: that what it missed is still being sent again cannot be seen from here.
    is_backfilled: bool,
    /// Of its group, if it is the first one of it.
    feed_state: FeedState,
}

/// The state of a group, kept in the record of its first connection.
#[derive(Clone, Copy, Debug, Default)]
struct FeedState {
    /// One of its connections has streamed.
    is_begun: bool,
    /// Nothing new will be learned of the time before.
    settled: UnixTime,
    reported: TimeRanges,
}

impl ConnectionStats {
    /// Of a connection that carries this group and has done nothing yet.
    #[must_use]
    pub fn new(group: ReplicaGroup) -> Self {
        Self { group, ..Self::default() }
    }

    /// Which Posts it carries.
    #[must_use]
    pub const fn group(&self) -> ReplicaGroup {
        self.group
    }

    /// How it stands.
    #[must_use]
    pub const fn state(&self) -> ConnectionState {
        self.state
    }

    /// Posts that it brought first.
    #[must_use]
    pub const fn first_arrivals(&self) -> u64 {
        self.wins
    }

    /// Posts that another one brought first, while this one was there too.
    #[must_use]
    pub const fn late_arrivals(&self) -> u64 {
        self.lags.count()
    }

    /// By how much it lost them.
    #[must_use]
    pub const fn lags(&self) -> &LagHistogram {
        &self.lags
    }

    /// Posts that it brought again, or that had come before its stream began.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Returns the copies that were not well-formed JSON, and that no other copy came before.
    #[must_use]
    pub const fn broken(&self) -> u64 {
        self.broken
    }

    /// Streams that it began.
    #[must_use]
    pub const fn connects(&self) -> u64 {
        self.connects
    }

    /// Gaps between its streams, whoever filled them.
    #[must_use]
    pub const fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Their length together.
    #[must_use]
    pub const fn gap_time(&self) -> Duration {
        self.gap_time
    }
}

/// Why connections could not be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MergeError {
    /// There are none, or more than [`CONNECTIONS_MAX`].
    Connections,
    /// There is no such window.
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

/// The accounts of a merged stream. `S` is the window's storage; `C` holds a [`ConnectionStats`] for each connection: `Vec`, an array, a
/// slice. Allocates nothing.
///
/// Its methods panic where they are given the id of a connection that has no record.
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
/// let mut merge = Merge::new(Window::new([0; 16], &config)?, records)?;
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
/// assert_eq!((merge.connection(a).first_arrivals(), merge.connection(b).late_arrivals(), merge.connection(b).duplicates()), (1, 1, 1));
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
    /// The accounts of as many connections as there are records.
    ///
    /// # Errors
    /// [`MergeError`] where there are none or too many.
    pub fn new(window: Window<S>, records: C) -> Result<Self, MergeError> {
        if !(1..=CONNECTIONS_MAX).contains(&records.as_ref().len()) {
            return Err(MergeError::Connections);
        }
        Ok(Self { window, records })
    }

    /// `connection` has brought `copy` of the Post `id`, at `now`. See [`Window::insert_copy`].
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
                let is_own = has_brought(*known.note, connection);
                *known.note |= note_of(connection);
                if is_own || known.at < record.since {
                    record.duplicates = record.duplicates.saturating_add(1);
                    return Arrival::Duplicate;
                }
                let by = now.saturating_since(known.at);
                record.lags.record(by);
                Arrival::Lost { by, winner: winner(*known.note) }
            }
        }
    }

    /// The stream of `connection` has begun at `now`. `covered` returns up to when any connection has delivered everything: its
    /// [`Session::covered_until`](crate::session::Session::covered_until).
    ///
    /// Returns what no connection of its group has delivered and was not told yet.
    pub fn handle_connected(
        &mut self,
        connection: ConnectionId,
        connected: &Connected<'_>,
        now: Instant,
        covered: impl Fn(ConnectionId) -> Option<UnixTime>,
    ) -> Option<GroupGap> {
        let begun = StreamStart { at: now, unix: connected.server_earliest, over: connected.server_latest };
        self.connect(connection, connected.gap, connected.backfill_minutes, begun, covered)
    }

    fn connect(
        &mut self,
        connection: ConnectionId,
        own: Option<Gap>,
        backfill_minutes: u8,
        begun: StreamStart,
        covered: impl Fn(ConnectionId) -> Option<UnixTime>,
    ) -> Option<GroupGap> {
        let group = self.records.as_ref()[connection.index()].group;
        let is_first = !self.feed_state(group).is_begun;
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
        // The group's first stream ends nothing.
        let to = if is_first { begun.unix } else { own.map_or(begun.over, |own| own.to) };
        record.downtime.end(to);
        let feed_state = self.feed_state(group);
        if feed_state.settled > begun.over {
            // The clock was set back.
            feed_state.settled = UnixTime::default();
            feed_state.reported = TimeRanges::default();
        }
        if is_first {
            feed_state.is_begun = true;
            feed_state.settled = to;
        }
        let (gap, _) = self.gap(group);
        self.settle(group, covered);
        gap.map(|range| GroupGap { group, from: range.from, to: range.to, backfill_minutes })
    }

    /// The first live Post of a stream of `connection` has come, which may move the end of its `own` gap
    /// ([`SessionEvent::Resumed`](crate::session::SessionEvent::Resumed)). `covered` as for [`Self::handle_connected`].
    ///
    /// Returns what no connection of its group has delivered and was not reported yet.
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

    /// A connection attempt or a stream of `connection` has ended, and with `is_over` the connection itself; `gap_from` is what its
    /// session says of it. `covered` as for [`Self::handle_connected`].
    pub fn handle_disconnected(
        &mut self,
        connection: ConnectionId,
        gap_from: Option<UnixTime>,
        is_over: bool,
        covered: impl Fn(ConnectionId) -> Option<UnixTime>,
    ) -> Outage {
        let record = &mut self.records.as_mut()[connection.index()];
        let was_streaming = record.state == ConnectionState::Streaming;
        record.state = if is_over { ConnectionState::Over } else { ConnectionState::Away };
        let (true, Some(gap_from)) = (was_streaming, gap_from) else { return Outage::default() };
        let (group, is_backfilled) = (record.group, record.is_backfilled);
        record.downtime.begin(gap_from);
        if is_backfilled {
            // What was told to be asked for again may not have come again.
            self.feed_state(group).reported.forget_from(gap_from);
        }
        let (gap, since) = self.gap(group);
        self.settle(group, covered);
        Outage {
            interrupted: since.map(|from| Interrupted { group, from }),
            gap: gap.map(|range| GroupGap { group, from: range.from, to: range.to, backfill_minutes: 0 }),
        }
    }

    /// The record of a connection.
    #[must_use]
    pub fn connection(&self, connection: ConnectionId) -> &ConnectionStats {
        &self.records.as_ref()[connection.index()]
    }

    /// The records of all connections.
    #[must_use]
    pub fn connections(&self) -> &[ConnectionStats] {
        self.records.as_ref()
    }

    /// The window of ids that they share.
    #[must_use]
    pub const fn window(&self) -> &Window<S> {
        &self.window
    }

    /// Returns the unreported gap, marks it reported, and returns since when all connections of the
    /// group are down.
    fn gap(&mut self, group: ReplicaGroup) -> (Option<TimeRange>, Option<UnixTime>) {
        let FeedState { settled, reported, .. } = *self.feed_state(group);
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
            self.feed_state(group).reported.add(gap);
        }
        (gap, since)
    }

    /// What lies before everything that any of the group's streams may still turn out to have missed is settled.
    fn settle(&mut self, group: ReplicaGroup, covered: impl Fn(ConnectionId) -> Option<UnixTime>) {
        let streaming = (0..)
            .map(ConnectionId)
            .zip(self.records.as_ref())
            .filter(|(_, record)| record.group == group && record.state == ConnectionState::Streaming);
        // Of one that does not say, anything may turn out.
        let until = streaming.map(|(connection, _)| covered(connection).unwrap_or_default()).min();
        let feed_state = self.feed_state(group);
        feed_state.settled = feed_state.settled.max(until.unwrap_or_default());
        let settled = feed_state.settled;
        feed_state.reported.forget_before(settled);
        for record in self.records.as_mut().iter_mut().filter(|record| record.group == group) {
            record.downtime.forget_before(settled);
        }
    }

    fn feed_state(&mut self, group: ReplicaGroup) -> &mut FeedState {
        let records = self.records.as_mut();
        match records.iter_mut().find(|record| record.group == group) {
            Some(first) => &mut first.feed_state,
            None => unreachable!("the group was read from a record"),
        }
    }
}

/// What the window keeps of a Post: who won it in the lower half, and in the upper half a bit for each who has brought it.
const fn note(connection: ConnectionId) -> u64 {
    note_of(connection) | connection.0 as u64
}

const fn note_of(connection: ConnectionId) -> u64 {
    1 << (32 + connection.0)
}

const fn has_brought(note: u64, connection: ConnectionId) -> bool {
    note & note_of(connection) != 0
}

const fn winner(note: u64) -> ConnectionId {
    ConnectionId(note as u8)
}

#[cfg(test)]
mod tests;
