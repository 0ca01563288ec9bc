//! Drives several sessions as one stream, in one task. Each Post is delivered once, from the
//! connection that receives it first.
//!
//! [`Merge`] counts and decides what is delivered. This module decides which connection is polled
//! next. A connection keeps its turn until its read buffer is empty, then the next one is polled.
//!
//! - Nothing is read from one connection while messages of another wait. A first arrival is
//!   therefore the first that could be read.
//! - Neither a connection that floods nor a dead one keeps others from their turn.
//! - All connections pend at the same time, and any of them wakes the task.
//!
//! A duplicate is released before it is delivered, and no copy is made for the consumer.
//! Connections may group the same Posts into different arrays. An array without duplicates is
//! delivered as received; from an array with duplicates, each other element is delivered as a
//! message.
//!
//! ```
//! # use std::task::{Context, Poll};
//! # use powerstream_core::buffered::Buffered;
//! # use powerstream_core::driver::{Driver, Io};
//! # use powerstream_core::http::Origin;
//! # use powerstream_core::session::{Session, SessionConfig, SessionEvent};
//! # use powerstream_core::transport_error::{TransportError, TransportErrorKind};
//! # use powerstream_core::time::{Instant, TimeRange, UnixTime};
//! # struct Canned(&'static [u8], bool);
//! # impl Io for Canned {
//! #     fn now(&self) -> Instant { Instant::ZERO }
//! #     fn unix_now(&self) -> UnixTime { UnixTime::default() }
//! #     fn is_stopped(&self) -> bool { self.1 }
//! #     fn poll_connect(
//! #         &mut self, _: &mut Context<'_>, _: Instant
//! #     ) -> Poll<Result<Option<()>, TransportError>> {
//! #         Poll::Ready(Ok(Some(())))
//! #     }
//! #     fn poll_write(
//! #         &mut self, _: &mut Context<'_>, b: &[u8], _: Instant
//! #     ) -> Poll<Result<Option<usize>, TransportError>> {
//! #         Poll::Ready(Ok(Some(b.len())))
//! #     }
//! #     fn poll_read(
//! #         &mut self, _: &mut Context<'_>, b: &mut [u8], _: Instant
//! #     ) -> Poll<Result<Option<usize>, TransportError>> {
//! #         b[..self.0.len()].copy_from_slice(self.0);
//! #         self.1 = true;
//! #         Poll::Ready(Ok(Some(self.0.len())))
//! #     }
//! #     fn poll_sleep(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> { Poll::Ready(()) }
//! #     fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> { Poll::Ready(()) }
//! # }
//! # fn driven(url: &str) -> Result<Driver<Vec<u8>, Vec<u8>, Canned>, Box<dyn std::error::Error>> {
//! #     let mut config = SessionConfig::new(Origin::parse(url)?);
//! #     config.message_bytes_max = 1_000;
//! #     let storage = vec![0; config.storage_bytes()];
//! #     let session = Session::new(storage, &config, 1, Instant::ZERO, UnixTime::default())?;
//! #     let wire = b"HTTP/1.1 200 OK\r\n\r\n{\"id_str\":\"7\",\"text\":\"hello\"}\r\n";
//! #     Ok(Driver::new(Buffered::new(session, vec![0; 1_000]), Canned(wire, false)))
//! # }
//! use powerstream_core::dedup::WindowConfig;
//! use powerstream_client::merged::{Member, Merged, MergedEvent};
//! use powerstream_core::merge::Topology;
//!
//! // Two connections, which receive the same Post. `driven` makes a session and a transport.
//! let members = [("atlanta", "http://localhost:1"), ("portland", "http://localhost:2")];
//! let members = members.iter().enumerate().map(|(index, (name, url))| {
//!     Ok(Member::new(*name, Topology::Redundant.group(index as u16), driven(url)?))
//! });
//! let members = members.collect::<Result<_, Box<dyn std::error::Error>>>()?;
//! let mut merged = Merged::new(members, &WindowConfig::default())?;
//!
//! # let program = async {
//! let mut posts = 0;
//! while let Some(event) = merged.next().await {
//!     match event {
//!         MergedEvent::Session { event: SessionEvent::Message(_), .. } => posts += 1,
//!         MergedEvent::Session { .. } => {}
//!         MergedEvent::Gap(gap) => eprintln!("Posts missing from {:?} to {:?}", gap.from, gap.to),
//!         _ => {}
//!     }
//! }
//! assert_eq!(posts, 1);
//! # };
//! # let mut cx = Context::from_waker(std::task::Waker::noop());
//! # assert!(std::future::Future::poll(std::pin::pin!(program), &mut cx).is_ready());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::boxed::Box;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec::Vec;

use powerstream_core::dedup::{Window, WindowConfig};
use powerstream_core::driver::{Driver, Io};
use powerstream_core::merge::{
    Arrival, ConnectionId, ConnectionState, ConnectionStats, GroupGap, Interrupted, Merge, MergeError,
    ReplicaGroup,
};
use powerstream_core::monitor::{GapMonitor, Monitor};
use powerstream_core::session::{Message, SessionEvent, Step};
use powerstream_core::stream::PostId;
use powerstream_core::time::{Instant, TimeRange, UnixTime};

use crate::dedup::{Copied, Filtered, Released};
use crate::owned::{OwnedEvent, OwnedRecoveryEvent};
use crate::recovery::{Recovery, RecoveryConnection, RecoveryEvent};

/// The position of a merged stream: where another process continues it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// Each group that has streamed, with a time: every Post of the group created before it was
    /// delivered, or is in a gap that was reported. In the server's time.
    pub covered_until: Vec<(ReplicaGroup, UnixTime)>,
    /// Parts of reported gaps whose recovery is not complete.
    pub missing: Vec<Recovery>,
}

impl Position {
    /// Creates a position with nothing left to recover.
    #[must_use]
    pub const fn new(covered_until: Vec<(ReplicaGroup, UnixTime)>) -> Self {
        Self { covered_until, missing: Vec::new() }
    }

    /// Returns the covered time of a group; `None` if it has not streamed.
    #[must_use]
    pub fn of_group(&self, group: ReplicaGroup) -> Option<UnixTime> {
        self.covered_until.iter().find(|(of, _)| *of == group).map(|(_, until)| *until)
    }

    /// Returns the earliest covered time; `None` if no group has streamed.
    #[must_use]
    pub fn earliest(&self) -> Option<UnixTime> {
        self.covered_until.iter().map(|(_, until)| *until).min()
    }
}

/// Converts the verdict on a copy that a recovery requested.
fn recovered(arrival: Arrival) -> Copied {
    match arrival {
        Arrival::First => Copied::New,
        Arrival::Broken(malformed) => Copied::Broken(malformed),
        Arrival::Lost { .. } | Arrival::Duplicate => Copied::Duplicate,
    }
}

/// One of the connections that a stream is merged from.
#[derive(Debug)]
pub struct Member<S: AsRef<[u8]> + AsMut<[u8]>, B, I> {
    name: Box<str>,
    group: ReplicaGroup,
    session: Filtered<S, B, I>,
    /// True once its session is done.
    is_over: bool,
    /// The part of the group's gap that its backfill delivers, and the number of its earlier
    /// backfills.
    backfilled: Option<(TimeRange, u64)>,
}

impl<S, B, I> Member<S, B, I>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    B: AsRef<[u8]> + AsMut<[u8]>,
    I: Io,
{
    /// Creates a connection with a name, which carries the Posts of `group`.
    pub fn new(name: impl Into<Box<str>>, group: ReplicaGroup, driven: Driver<S, B, I>) -> Self {
        let name = name.into();
        let session = Filtered::new(driven, &name);
        Self { name, group, session, is_over: false, backfilled: None }
    }

    /// Returns the connection's name.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// Returns the counters of the connection's events. They can be read from any thread.
    #[must_use]
    pub const fn monitor(&self) -> &Arc<Monitor> {
        self.session.monitor()
    }

    /// Returns the connection's session and transport.
    #[must_use]
    pub const fn driver(&self) -> &Driver<S, B, I> {
        self.session.driver()
    }

    /// Returns true if the read buffer holds a complete event.
    fn has_event(&self) -> bool {
        self.driver().buffered().poll() == Step::Event
    }
}

/// An event of a merged stream. It borrows the message's bytes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "an event is lent, never stored")]
pub enum MergedEvent<'a> {
    /// An event of one connection. Of the Posts, only first arrivals are delivered.
    Session {
        /// Which connection.
        connection: ConnectionId,
        /// The event.
        event: SessionEvent<'a>,
    },
    /// A group lost its last connection. Follows the event that ended that connection.
    Interrupted(Interrupted),
    /// A gap: a time range whose Posts no connection delivered.
    ///
    /// Follows the event that revealed it. That is the start of a connection, before its Posts, or
    /// the end of a connection that had been dead for a while.
    Gap(GroupGap),
    /// An event of a [recovery](crate::recovery), if that is on.
    Recovery(RecoveryEvent<'a>),
}

impl<'a> MergedEvent<'a> {
    /// Returns the message, if the event is one: of a connection or of a recovery.
    #[must_use]
    pub const fn message(&self) -> Option<Message<'a>> {
        match self {
            Self::Session { event: SessionEvent::Message(message), .. }
            | Self::Recovery(RecoveryEvent::Message(message)) => Some(*message),
            _ => None,
        }
    }
}

/// A [`MergedEvent`] that owns its bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "nearly all are events of a session")]
pub enum OwnedMergedEvent {
    /// See [`MergedEvent::Session`].
    Session {
        /// Which connection.
        connection: ConnectionId,
        /// The event.
        event: OwnedEvent,
    },
    /// See [`MergedEvent::Interrupted`].
    Interrupted(Interrupted),
    /// See [`MergedEvent::Gap`].
    Gap(GroupGap),
    /// See [`MergedEvent::Recovery`].
    Recovery(OwnedRecoveryEvent),
}

impl From<MergedEvent<'_>> for OwnedMergedEvent {
    fn from(event: MergedEvent<'_>) -> Self {
        match event {
            MergedEvent::Session { connection, event } => Self::Session { connection, event: event.into() },
            MergedEvent::Interrupted(interrupted) => Self::Interrupted(interrupted),
            MergedEvent::Gap(gap) => Self::Gap(gap),
            MergedEvent::Recovery(event) => Self::Recovery(event.into()),
        }
    }
}

/// The event that is ready to be delivered.
#[derive(Clone, Copy, Debug)]
enum Current {
    /// The event that this connection's session lends.
    Event(ConnectionId),
    Interrupted(Interrupted),
    Gap(GroupGap),
    /// The event of the recovery at this index.
    Recovery(usize),
}

/// Several sessions as one stream, for one task or thread.
///
/// Works with any [`Io`] that returns [`Poll::Pending`] instead of blocking, in any executor. A
/// blocking transport would block all connections. For those, use a thread for each connection and
/// a shared [`Merge`].
#[derive(Debug)]
pub struct Merged<S: AsRef<[u8]> + AsMut<[u8]>, B, I> {
    members: Vec<Member<S, B, I>>,
    merge: Merge<Vec<u64>, Vec<ConnectionStats>>,
    /// The index of the connection to poll next.
    turn: usize,
    current: Option<Current>,
    /// Delivered after the current event.
    interrupted: Option<Interrupted>,
    gap: Option<GroupGap>,
    lent: bool,
    keeps_duplicates: bool,
    /// The recovery of each group; empty if recovery is off.
    recoveries: Vec<RecoveryConnection<S, B, I>>,
    /// Ranges of an earlier process that nothing recovers, for the next process.
    left_missing: Vec<Recovery>,
    /// The counters of the gaps of each group.
    gaps: Vec<(ReplicaGroup, Arc<GapMonitor>)>,
}

impl<S, B, I> Merged<S, B, I>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    B: AsRef<[u8]> + AsMut<[u8]>,
    I: Io,
{
    /// Merges these connections into one stream. They are numbered in order and share a dedup
    /// window.
    ///
    /// # Errors
    /// Returns a [`MergeError`] if there are no connections or too many, or if the window is
    /// invalid.
    pub fn new(members: Vec<Member<S, B, I>>, window: &WindowConfig) -> Result<Self, MergeError> {
        let window = Window::allocate(window).map_err(MergeError::Window)?;
        let mut gaps: Vec<(ReplicaGroup, Arc<GapMonitor>)> = Vec::new();
        for line in &members {
            if gaps.iter().all(|(group, _)| *group != line.group) {
                gaps.push((line.group, Arc::default()));
            }
        }
        let merge =
            Merge::new(window, members.iter().map(|line| ConnectionStats::new(line.group)).collect())?;
        Ok(Self {
            members,
            merge,
            turn: 0,
            current: None,
            interrupted: None,
            gap: None,
            lent: false,
            keeps_duplicates: false,
            recoveries: Vec::new(),
            left_missing: Vec::new(),
            gaps,
        })
    }

    /// Delivers duplicates too: each Post from every connection that receives it. They are still
    /// counted.
    #[must_use]
    pub fn keep_duplicates(self, keeps_duplicates: bool) -> Self {
        Self { keeps_duplicates, ..self }
    }

    /// Recovers the gaps of the merged stream that backfill cannot close, on these connections: one
    /// for each group. The gaps of other groups are only reported.
    #[must_use]
    pub fn with_recoveries(self, recoveries: Vec<RecoveryConnection<S, B, I>>) -> Self {
        Self { recoveries, ..self }
    }

    /// Continues the stream of an earlier process at its [`Position`]. Call it before the first
    /// event. `ids` are the Posts that it delivered last, the oldest first: copies of them are
    /// dropped.
    ///
    /// A group without a covered time begins anew.
    pub fn resume_from(&mut self, position: &Position, ids: impl IntoIterator<Item = PostId>) {
        let now = self.members[0].driver().io().now();
        self.merge.resume_from(|group| position.of_group(group), ids, now);
        for line in &mut self.members {
            if let Some(until) = position.of_group(line.group) {
                line.session.driver_mut().resume_from(until);
            }
        }
        for missing in &position.missing {
            self.count_gaps(missing.group, |gaps| gaps.handle_gap(missing.range));
            let recovery = self.recoveries.iter_mut().find(|recovery| recovery.group() == missing.group);
            match recovery {
                Some(recovery) => recovery.add(missing.range),
                None => self.left_missing.push(*missing),
            }
        }
    }

    /// Returns the position of the stream: what another process needs to continue it. `None` before
    /// the first stream, and while an event is known that was not delivered.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        if self.gap.is_some() || !self.is_at_boundary() {
            return None;
        }
        let covered =
            |of: ConnectionId| self.members[of.index()].driver().buffered().session().covered_until();
        let covered_until: Vec<_> = self.merge.covered_until(covered).collect();
        if covered_until.is_empty() {
            return None;
        }
        let missing = self.recoveries.iter().flat_map(|recovery| {
            recovery.incomplete().map(|range| Recovery { group: recovery.group(), range })
        });
        let missing = missing.chain(self.left_missing.iter().copied());
        Some(Position { covered_until, missing: missing.collect() })
    }

    /// Returns true if everything that the sessions count as received was delivered. The current
    /// event counts as delivered.
    fn is_at_boundary(&self) -> bool {
        let current = match self.current {
            Some(Current::Event(connection)) => Some(connection.index()),
            _ => None,
        };
        self.members.iter().enumerate().all(|(index, line)| {
            let buffered = line.driver().buffered();
            let is_current = current == Some(index);
            (is_current || buffered.poll() != Step::Event)
                && !buffered.session().has_notice()
                && !line.session.is_in_array()
        })
    }

    /// Asks all sessions to end. Messages that are already in read buffers are delivered first.
    pub fn shutdown(&mut self) {
        for line in &mut self.members {
            line.session.driver_mut().shutdown();
        }
        self.recoveries.iter_mut().for_each(RecoveryConnection::shutdown);
    }

    /// Runs the sessions until there is an event, or until there will be none.
    ///
    /// Returns `true` if [`Self::peek`] lends an event until [`Self::release`]. Returns `false`
    /// once all sessions are over. Releases the event that [`Self::poll_next`] or [`Self::next`]
    /// lent last.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.release_lent();
        self.find_event(Some(cx))
    }

    /// Releases the current event.
    pub fn release(&mut self) {
        self.lent = false;
        match self.current.take() {
            Some(Current::Event(connection)) => {
                let (session, judge) = self.filter(connection);
                if session.release_part(judge) {
                    self.current = Some(Current::Event(connection));
                } else {
                    self.go_on(connection);
                }
            }
            Some(Current::Recovery(index)) => {
                let Self { merge, recoveries, .. } = self;
                recoveries[index].release(|id, copy, at| recovered(merge.recovered(id, copy, at)));
                if !recoveries[index].has_event() {
                    self.pass_turn();
                }
            }
            Some(Current::Interrupted(_) | Current::Gap(_)) | None => {}
        }
    }

    /// Returns true if the next event is buffered, so that [`Self::poll_next`] needs no transport.
    ///
    /// If it returns false, flush the output of earlier events now. Releases the event lent last.
    pub fn find_next(&mut self) -> bool {
        self.release_lent();
        self.find_event(None) == Poll::Ready(true)
    }

    /// Polls for the next event and lends it. Returns `None` once all sessions are over. Releases
    /// the event before it.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<MergedEvent<'_>>> {
        self.release_lent();
        self.find_event(Some(cx)).map(|more| {
            self.lent = more;
            self.peek()
        })
    }

    /// Waits for the next event and lends it. Returns `None` once all sessions are over.
    ///
    /// Dropping the future at any point loses nothing.
    pub async fn next(&mut self) -> Option<MergedEvent<'_>> {
        self.release_lent();
        self.lent = std::future::poll_fn(|cx| self.find_event(Some(cx))).await;
        self.peek()
    }

    /// Lends the current event, if there is one.
    #[must_use]
    pub fn peek(&self) -> Option<MergedEvent<'_>> {
        Some(match self.current? {
            Current::Event(connection) => {
                let event = self.members[connection.index()].session.peek()?;
                MergedEvent::Session { connection, event }
            }
            Current::Interrupted(interrupted) => MergedEvent::Interrupted(interrupted),
            Current::Gap(gap) => MergedEvent::Gap(gap),
            Current::Recovery(index) => MergedEvent::Recovery(self.recoveries[index].peek()?),
        })
    }

    /// Returns the connections, in the order of their numbers.
    #[must_use]
    pub fn members(&self) -> &[Member<S, B, I>] {
        &self.members
    }

    /// Returns the connection's name.
    ///
    /// # Panics
    /// Panics if this stream has no such connection.
    #[must_use]
    pub fn name(&self, connection: ConnectionId) -> &str {
        self.members[connection.index()].name()
    }

    /// Returns the connections' records: first arrivals, duplicates and lags.
    #[must_use]
    pub const fn merge(&self) -> &Merge<Vec<u64>, Vec<ConnectionStats>> {
        &self.merge
    }

    /// Returns the counters of each group's gaps. They can be read from any thread.
    #[must_use]
    pub fn gap_monitors(&self) -> &[(ReplicaGroup, Arc<GapMonitor>)] {
        &self.gaps
    }

    /// Reports a change to the counters of a group. A group of an earlier process may not exist.
    fn count_gaps(&self, group: ReplicaGroup, count: impl FnOnce(&GapMonitor)) {
        if let Some((_, gaps)) = self.gaps.iter().find(|(of, _)| *of == group) {
            count(gaps);
        }
    }

    fn release_lent(&mut self) {
        if self.lent {
            self.release();
        }
    }

    /// Finds the next event. Without a context, looks only at buffered data.
    fn find_event(&mut self, mut cx: Option<&mut Context<'_>>) -> Poll<bool> {
        if self.current.is_some() {
            return Poll::Ready(true);
        }
        // How many connections in a row had no event.
        let mut idle = 0;
        let mut released = Released::default();
        let turns = self.members.len() + self.recoveries.len();
        while idle < turns {
            if let Some(interrupted) = self.interrupted.take() {
                self.current = Some(Current::Interrupted(interrupted));
                return Poll::Ready(true);
            }
            if let Some(gap) = self.gap.take() {
                self.current = Some(Current::Gap(gap));
                self.count_gaps(gap.group, |gaps| gaps.handle_gap(gap.range()));
                let recovery = self.recoveries.iter_mut().find(|recovery| recovery.group() == gap.group);
                if let (Some(recovery), Some(range)) = (recovery, gap.recovery_needed()) {
                    recovery.add(range);
                }
                return Poll::Ready(true);
            }
            if let Some(index) = self.turn.checked_sub(self.members.len()) {
                if self.poll_recovery(index, cx.as_deref_mut()) {
                    self.current = Some(Current::Recovery(index));
                    self.count_recovery(index);
                    return Poll::Ready(true);
                }
                idle += 1;
                self.pass_turn();
                continue;
            }
            let Some(connection) = ConnectionId::new(self.turn) else { break };
            let line = &mut self.members[self.turn];
            let more = match &mut cx {
                _ if line.is_over => None,
                _ if line.has_event() => Some(true),
                Some(cx) => match line.session.poll_event(cx) {
                    Poll::Ready(more) => Some(more),
                    Poll::Pending => None,
                },
                None => None,
            };
            match more {
                Some(true) => {
                    idle = 0;
                    self.current = self.judge(connection);
                    if self.current.is_some() {
                        return Poll::Ready(true);
                    }
                    self.go_on(connection);
                    if let Some(cx) = &mut cx {
                        ready!(released.count(cx));
                    }
                }
                Some(false) => {
                    idle = 0;
                    self.end(connection);
                }
                None => {
                    idle += 1;
                    self.pass_turn();
                }
            }
        }
        if self.members.iter().all(|line| line.is_over) { Poll::Ready(false) } else { Poll::Pending }
    }

    /// Returns true if the recovery at this index has an event. Without a context, looks only at
    /// buffered data.
    fn poll_recovery(&mut self, index: usize, cx: Option<&mut Context<'_>>) -> bool {
        let Self { merge, recoveries, .. } = self;
        let recovery = &mut recoveries[index];
        if cx.is_none() && !recovery.has_event() {
            return false;
        }
        let mut unused = Context::from_waker(std::task::Waker::noop());
        let cx = cx.unwrap_or(&mut unused);
        recovery.poll_event(cx, |id, copy, at| recovered(merge.recovered(id, copy, at))).is_ready()
    }

    /// Counts the end of a recovered range.
    fn count_recovery(&self, index: usize) {
        match self.recoveries[index].peek() {
            Some(RecoveryEvent::Completed { recovery, posts }) => {
                self.count_gaps(recovery.group, |gaps| gaps.handle_recovered(recovery.range, posts));
            }
            Some(RecoveryEvent::Lost { recovery, posts, .. }) => {
                self.count_gaps(recovery.group, |gaps| gaps.handle_lost(recovery.range, posts));
            }
            _ => {}
        }
    }

    /// Closes the part of the group's gap that the connection's backfill has delivered.
    #[cold]
    fn count_backfill(&mut self, connection: ConnectionId) {
        let line = &mut self.members[connection.index()];
        let Some((range, earlier)) = line.backfilled else { return };
        let (is_complete, is_over) = (line.monitor().backfills() > earlier, !line.monitor().is_backfilling());
        if is_over {
            line.backfilled = None;
        }
        if is_complete {
            let group = line.group;
            self.count_gaps(group, |gaps| gaps.handle_closed(range));
        }
    }

    /// Decides whether the event that this connection lends is delivered. `None`: it is not.
    fn judge(&mut self, connection: ConnectionId) -> Option<Current> {
        let (session, judge) = self.filter(connection);
        if !session.admit(judge) {
            return None;
        }
        let members = &self.members;
        let driven = members[connection.index()].driver();
        let (buffered, io) = (driven.buffered(), driven.io());
        let covered = |of: ConnectionId| members[of.index()].driver().buffered().session().covered_until();
        match buffered.peek()? {
            SessionEvent::Message(_) => return Some(Current::Event(connection)),
            SessionEvent::Connected(connected) => {
                for recovery in &mut self.recoveries {
                    recovery.set_server_time(connected.server_earliest, io.now());
                }
                self.gap = self.merge.handle_connected(connection, &connected, io.now(), covered);
                let backfilled = self.gap.and_then(|gap| gap.backfilled());
                let line = &mut self.members[connection.index()];
                line.backfilled = backfilled.map(|range| (range, line.monitor().backfills()));
            }
            SessionEvent::Resumed(gap) => {
                self.gap = self.merge.handle_resumed(connection, &gap, covered);
            }
            SessionEvent::Disconnected(disconnected) => {
                let gap_from = disconnected.gap_from;
                let outage = self.merge.handle_disconnected(connection, gap_from, false, covered);
                (self.interrupted, self.gap) = (outage.interrupted, outage.gap);
            }
            SessionEvent::GaveUp(gave_up) => {
                let gap_from = gave_up.gap_from;
                let outage = self.merge.handle_disconnected(connection, gap_from, true, covered);
                (self.interrupted, self.gap) = (outage.interrupted, outage.gap);
            }
            _ => {}
        }
        if self.members[connection.index()].backfilled.is_some() {
            self.count_backfill(connection);
        }
        Some(Current::Event(connection))
    }

    /// Returns the connection's session, and the function that judges its Posts.
    #[allow(clippy::type_complexity, reason = "a pair, borrowed from different fields")]
    fn filter(
        &mut self,
        connection: ConnectionId,
    ) -> (&mut Filtered<S, B, I>, impl FnMut(PostId, &[u8], Instant) -> Copied + use<'_, S, B, I>) {
        let Self { members, merge, keeps_duplicates, .. } = self;
        let judge = move |id: PostId, copy: &[u8], at: Instant| match merge.arrival(connection, id, copy, at)
        {
            Arrival::Broken(malformed) => Copied::Broken(malformed),
            Arrival::First => Copied::New,
            Arrival::Lost { .. } | Arrival::Duplicate if *keeps_duplicates => Copied::New,
            Arrival::Lost { .. } | Arrival::Duplicate => Copied::Duplicate,
        };
        (&mut members[connection.index()].session, judge)
    }

    /// Releases the event that the connection lends. Its turn ends once its read buffer is empty.
    fn go_on(&mut self, connection: ConnectionId) {
        let line = &mut self.members[connection.index()];
        line.session.driver_mut().release();
        if !line.has_event() {
            self.pass_turn();
        }
    }

    fn pass_turn(&mut self) {
        let turns = self.members.len() + self.recoveries.len();
        self.turn = if self.turn + 1 == turns { 0 } else { self.turn + 1 };
    }

    /// Records that the connection's session is done.
    fn end(&mut self, connection: ConnectionId) {
        self.members[connection.index()].is_over = true;
        if self.merge.connection(connection).state() == ConnectionState::Over {
            return;
        }
        // After a shutdown, do not report that the group lost its last connection. Do report a gap.
        let members = &self.members;
        let covered = |of: ConnectionId| members[of.index()].driver().buffered().session().covered_until();
        self.gap = self.merge.handle_disconnected(connection, covered(connection), true, covered).gap;
    }
}
