//! Closes gaps that backfill cannot: requests their time ranges on a connection of its own, beside
//! the live ones.
//!
//! ```text
//!   gap of a group --recovery_needed--> older than 24 h: reported as lost
//!                                       the rest, 2 h at a time:
//!
//!   waiting --request--> Started -> Message .. -> Completed     the server ended the response
//!              ^            |
//!              '- backoff <-' Disconnected, Refused             Lost: the server refused for good
//! ```
//!
//! A recovery is a [`Session`](powerstream_core::session::Session) with the parameters of a time
//! range. It has the timeouts and the backoff of a stream, and ends when the server has ended the
//! response properly. Nothing else ends it, because X documents neither a marker of the end nor an
//! order of the Posts.
//!
//! A retry requests the whole range again, and the dedup window drops what was delivered. A range
//! that was interrupted after a while is requested in halves, so that a poor connection gets
//! through too. Nothing is requested before the server's clock has passed its end.
//!
//! Only one range of a group is requested at a time. A refusal that a retry cannot resolve switches
//! recovery off, for all later gaps too.

use std::boxed::Box;
use std::collections::VecDeque;
use std::fmt;
use std::mem::take;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::vec::Vec;

use powerstream_core::buffered::Buffered;
use powerstream_core::driver::{Driver, Io};
use powerstream_core::merge::ReplicaGroup;
use powerstream_core::session::{
    DisconnectReason, Disconnected, HEALTHY_AFTER, Message, Origin, Refused, SessionEvent,
};
use powerstream_core::stream::PostId;
use powerstream_core::time::{Instant, TimeRange, UnixTime};

use crate::dedup::{Copied, Filtered, Released};

/// The service keeps Posts for this long (X docs: Powerstream, recovery and redundancy).
pub const RECOVERY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest range of one request. X advises about 2 h a request for Replay.
const REQUEST_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// The shortest range that an interrupted one is divided into.
const REQUEST_MIN: Duration = Duration::from_secs(60);

/// A server that sends so many keep-alives in a row sends no more Posts: five minutes, in which it
/// may look for them.
const KEEP_ALIVES_MAX: u32 = 15;

/// Gaps closer than this are requested together.
const JOINED: Duration = Duration::from_secs(60);

/// A range is cut if it would be too old within this time, and then for [`REQUEST_TAKES_MAX`]: it
/// is not cut again and again.
const REQUEST_MARGIN: Duration = Duration::from_secs(30);

/// Subtracted from [`RECOVERY_MAX`]: time passes until the server receives the request.
const REQUEST_TAKES_MAX: Duration = Duration::from_secs(60);

/// A time range that was requested, or could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// The group whose Posts are missing.
    pub group: ReplicaGroup,
    /// The times of creation, by the server's clock.
    pub range: TimeRange,
}

impl Recovery {
    /// Creates the range of a group.
    #[must_use]
    pub const fn new(group: ReplicaGroup, range: TimeRange) -> Self {
        Self { group, range }
    }
}

/// An event of a recovery.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RecoveryEvent<'a> {
    /// A range is requested.
    Started(Recovery),
    /// A message of the range: a Post that was not delivered before, or anything that is no Post.
    Message(Message<'a>),
    /// A message over the size limit was skipped.
    Skipped {
        /// Its bytes.
        bytes: u64,
    },
    /// The server refused the request. [`Self::Disconnected`] or [`Self::Lost`] follows.
    Refused(Refused<'a>),
    /// The recovery was interrupted. It is tried again.
    Disconnected(Disconnected),
    /// The whole range was received.
    Completed {
        /// The range.
        recovery: Recovery,
        /// Posts of it that had not been delivered before.
        posts: u64,
    },
    /// A range was not recovered, and will not be: its Posts are lost.
    Lost {
        /// The range.
        recovery: Recovery,
        /// Posts of it that were delivered nevertheless.
        posts: u64,
        /// Why.
        reason: LossReason,
    },
}

/// Why a range was not recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossReason {
    /// The service no longer has its Posts: they are older than [`RECOVERY_MAX`].
    TooOld,
    /// The endpoint has no recovery.
    Unsupported,
    /// The server refused this request or an earlier one, such as with 400 without the entitlement.
    Refused(DisconnectReason),
    /// The server sent keep-alives for minutes, and did not end the response.
    NotEnded,
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooOld => f.write_str("the service keeps Posts for 24 h only"),
            Self::Unsupported => f.write_str("this endpoint has no recovery"),
            Self::Refused(reason) => write!(f, "recovery was refused: {reason}"),
            Self::NotEnded => f.write_str("the server stopped sending Posts and did not end the response"),
        }
    }
}

/// Creates the session that requests a range. `now` and `unix` are the same moment.
pub(crate) type OpenRange<S, B> = Box<dyn FnMut(TimeRange, Instant, UnixTime) -> Buffered<S, B> + Send>;

/// The connection that recovers the gaps of a group.
pub struct RecoveryConnection<S: AsRef<[u8]> + AsMut<[u8]>, B, I> {
    group: ReplicaGroup,
    /// `None`: the endpoint has no recovery.
    open: Option<OpenRange<S, B>>,
    state: State<S, B, I>,
    waiting: VecDeque<TimeRange>,
    /// Ranges that were requested or will be, and are younger than [`RECOVERY_MAX`]; in order.
    known: Vec<TimeRange>,
    /// With the number of their Posts that were delivered.
    lost: VecDeque<(TimeRange, u64, LossReason)>,
    /// The server's time, and when it was read.
    server: Option<(UnixTime, Instant)>,
    /// The stream was shut down: nothing is requested any more.
    is_stopped: bool,
    /// The current range is requested again in halves.
    reopens: bool,
    /// Posts of a range that were delivered before it was divided.
    carried: u64,
    /// Why no range is requested any more.
    refused: Option<DisconnectReason>,
    current: Option<Current>,
}

enum State<S: AsRef<[u8]> + AsMut<[u8]>, B, I> {
    /// The transport is closed.
    Idle(I),
    Active(Box<Active<S, B, I>>),
    /// Only during a change of state.
    Changing,
}

/// A range that is being requested.
struct Active<S: AsRef<[u8]> + AsMut<[u8]>, B, I> {
    session: Filtered<S, B, I>,
    range: TimeRange,
    is_streaming: bool,
    posts: u64,
    /// Keep-alives since the last message.
    keep_alives: u32,
    /// The server sends no more Posts, and the connection is being closed.
    is_given_up: bool,
    opened_at: Instant,
}

/// The event to deliver.
#[derive(Clone, Copy, Debug)]
enum Current {
    Started(TimeRange),
    /// The event that the session lends.
    Lent,
    Completed {
        range: TimeRange,
        posts: u64,
    },
    Lost {
        range: TimeRange,
        posts: u64,
        reason: LossReason,
    },
}

impl<S, B, I> RecoveryConnection<S, B, I>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    B: AsRef<[u8]> + AsMut<[u8]>,
    I: Io,
{
    /// Creates the connection of a group, without connecting. `open` creates the session that
    /// requests a range; `None` if the endpoint has no recovery.
    pub fn new(group: ReplicaGroup, io: I, open: Option<OpenRange<S, B>>) -> Self {
        Self {
            group,
            open,
            state: State::Idle(io),
            waiting: VecDeque::new(),
            known: Vec::new(),
            lost: VecDeque::new(),
            server: None,
            is_stopped: false,
            reopens: false,
            carried: 0,
            refused: None,
            current: None,
        }
    }

    pub(crate) const fn group(&self) -> ReplicaGroup {
        self.group
    }

    /// Requests the range, as far as it was not requested before.
    pub(crate) fn add(&mut self, range: TimeRange) {
        let mut left = Vec::from([range]);
        for known in &self.known {
            left = left.into_iter().flat_map(|range| without(range, *known)).collect();
        }
        for range in left.into_iter().filter(|range| !range.is_empty()) {
            self.known.push(range);
            match self.waiting.back_mut() {
                // Short gaps close to each other are one request.
                Some(last) if last.from <= range.from && range.from <= last.to.saturating_add(JOINED) => {
                    last.to = last.to.max(range.to);
                }
                _ => self.waiting.push_back(range),
            }
        }
    }

    /// Returns the ranges that are not complete, and those whose loss was not reported.
    pub(crate) fn incomplete(&self) -> impl Iterator<Item = TimeRange> + '_ {
        let current = match &self.state {
            State::Active(active) => Some(active.range),
            _ => None,
        };
        let lost = self.lost.iter().map(|(range, ..)| *range);
        let reported = match self.current {
            Some(Current::Lost { range, .. }) => Some(range),
            _ => None,
        };
        current.into_iter().chain(self.waiting.iter().copied()).chain(lost).chain(reported)
    }

    /// Sets the server's time at `now`. Nothing is requested before it is known, because the
    /// service refuses ranges that are too old.
    pub(crate) fn set_server_time(&mut self, unix: UnixTime, now: Instant) {
        self.server = Some((unix, now));
        let oldest = unix.saturating_sub(RECOVERY_MAX);
        self.known.retain(|known| known.to > oldest);
    }

    pub(crate) fn shutdown(&mut self) {
        self.is_stopped = true;
        if let State::Active(active) = &mut self.state {
            active.session.driver_mut().shutdown();
        }
    }

    /// Returns true if the next event needs no transport.
    pub(crate) fn has_event(&self) -> bool {
        self.current.is_some()
            || !self.lost.is_empty()
            || matches!(&self.state, State::Active(active)
                if active.session.driver().buffered().poll() == powerstream_core::session::Step::Event)
    }

    /// Runs the recovery until there is an event. Pending: there is none now. `judge` decides
    /// whether a Post is new.
    pub(crate) fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
        mut judge: impl FnMut(PostId, &[u8], Instant) -> Copied,
    ) -> Poll<()> {
        let mut released = Released::default();
        loop {
            if self.current.is_some() {
                return Poll::Ready(());
            }
            if let Some((range, posts, reason)) = self.lost.pop_front() {
                self.current = Some(Current::Lost { range, posts, reason });
                return Poll::Ready(());
            }
            let State::Active(active) = &mut self.state else {
                ready!(self.poll_past(cx));
                if self.begin() {
                    continue;
                }
                return Poll::Pending;
            };
            if !ready!(active.session.poll_event(cx)) {
                // It was shut down: by the caller, or because the server sends no more.
                let (range, posts) = (active.range, active.posts);
                if active.is_given_up {
                    self.lost.push_back((range, posts, LossReason::NotEnded));
                } else {
                    self.waiting.push_front(range);
                    self.is_stopped = true;
                }
                self.end();
                continue;
            }
            let event = active.session.driver().peek();
            if matches!(event, Some(SessionEvent::Message(_) | SessionEvent::Skipped { .. })) {
                active.keep_alives = 0;
            }
            let Active { session, posts, .. } = &mut **active;
            let is_new = session.admit(counted(posts, &mut judge));
            if is_new && self.handle_event() {
                self.current.get_or_insert(Current::Lent);
                return Poll::Ready(());
            }
            if let State::Active(active) = &mut self.state {
                active.session.driver_mut().release();
                ready!(released.count(cx));
            }
        }
    }

    /// Handles the event that the session lends. Returns true if it is delivered.
    fn handle_event(&mut self) -> bool {
        let State::Active(active) = &mut self.state else { return false };
        match active.session.driver().peek() {
            Some(SessionEvent::Connected(_)) => {
                (active.is_streaming, active.keep_alives) = (true, 0);
                false
            }
            Some(SessionEvent::Message(_) | SessionEvent::Skipped { .. } | SessionEvent::Refused(_)) => true,
            Some(SessionEvent::KeepAlive) => {
                active.keep_alives += 1;
                if active.keep_alives >= KEEP_ALIVES_MAX && !active.is_given_up {
                    active.is_given_up = true;
                    active.session.driver_mut().shutdown();
                }
                false
            }
            Some(SessionEvent::Disconnected(disconnected)) => {
                let was_streaming = std::mem::take(&mut active.is_streaming);
                // An announced disconnect ends the response properly too, before its end.
                let is_end =
                    disconnected.reason == DisconnectReason::Ended && disconnected.announced.is_none();
                if was_streaming && is_end {
                    let (range, posts) = (active.range, active.posts);
                    self.end();
                    self.current = Some(Current::Completed { range, posts });
                } else {
                    let now = active.session.driver().io().now();
                    let has_time = now.saturating_since(active.opened_at) >= HEALTHY_AFTER;
                    // Otherwise the session waits by its backoff.
                    self.reopens =
                        has_time && disconnected.delay.is_zero() && active.range.length() >= REQUEST_MIN * 2;
                }
                true
            }
            Some(SessionEvent::GaveUp(gave_up)) => {
                let reason = gave_up.reason;
                if self.oldest(REQUEST_MARGIN).is_some_and(|oldest| active_from(&self.state) < Some(oldest)) {
                    // It has become too old while it was retried.
                    self.put_back();
                    return false;
                }
                let State::Active(active) = &self.state else { return false };
                let current = (active.range, active.posts, LossReason::Refused(reason));
                let others = self.waiting.drain(..).map(|range| (range, 0, LossReason::Refused(reason)));
                self.lost.extend([current].into_iter().chain(others));
                self.refused = Some(reason);
                self.end();
                false
            }
            // What says nothing about a past time range.
            _ => false,
        }
    }

    /// Requests the next range. Returns false if there is none.
    fn begin(&mut self) -> bool {
        let (Some(limit), Some(oldest), false) =
            (self.oldest(REQUEST_MARGIN), self.oldest(REQUEST_TAKES_MAX), self.is_stopped)
        else {
            return false;
        };
        let Some(mut range) = self.waiting.pop_front() else { return false };
        if range.from < limit {
            let lost = TimeRange { from: range.from, to: range.to.min(oldest) };
            self.lost.push_back((lost, 0, LossReason::TooOld));
            range.from = lost.to;
            if !range.is_empty() {
                self.waiting.push_front(range);
            }
            return true;
        }
        let reason = match (self.refused, &self.open) {
            (Some(reason), _) => Some(LossReason::Refused(reason)),
            (None, None) => Some(LossReason::Unsupported),
            (None, Some(_)) => None,
        };
        if let Some(reason) = reason {
            self.lost.push_back((range, 0, reason));
            return true;
        }
        let to = request_end(range);
        if to < range.to {
            self.waiting.push_front(TimeRange { from: to, to: range.to });
            range.to = to;
        }
        let (State::Idle(io), Some(open)) =
            (std::mem::replace(&mut self.state, State::Changing), &mut self.open)
        else {
            unreachable!("no range is active, and the endpoint has a recovery")
        };
        let opened_at = io.now();
        let buffered = open(range, opened_at, io.unix_now());
        self.state = State::Active(Box::new(Active {
            session: Filtered::new(Driver::new(buffered, io), "recovery"),
            range,
            is_streaming: false,
            posts: take(&mut self.carried),
            keep_alives: 0,
            is_given_up: false,
            opened_at,
        }));
        self.current = Some(Current::Started(range));
        true
    }

    /// Returns the creation time of the oldest Posts that may be requested, with a margin. `None`
    /// while the server's time is not known, or while nothing can be requested.
    fn oldest(&self, margin: Duration) -> Option<UnixTime> {
        let (unix, at) = self.server?;
        let now = match &self.state {
            State::Idle(io) => io.now(),
            State::Active(active) => active.session.driver().io().now(),
            State::Changing => return None,
        };
        let server = unix.saturating_add(now.saturating_since(at));
        Some(server.saturating_sub(RECOVERY_MAX - margin))
    }

    /// Waits until the server's clock has passed the end of the next request: the service may
    /// refuse a time in the future.
    fn poll_past(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (State::Idle(io), Some((unix, at)), Some(range)) =
            (&mut self.state, self.server, self.waiting.front())
        else {
            return Poll::Ready(());
        };
        // The request has whole seconds.
        let end = UnixTime::from_seconds(request_end(*range).as_millis().div_ceil(1_000));
        let until = at.saturating_add(end.saturating_since(unix));
        if io.now() >= until || self.is_stopped {
            return Poll::Ready(());
        }
        io.poll_sleep(cx, until)
    }

    /// Ends the current range, and requests it later, in halves if it is long.
    fn put_back(&mut self) {
        if let State::Active(active) = &self.state {
            let TimeRange { from, to } = active.range;
            let middle = UnixTime::from_millis(from.as_millis().midpoint(to.as_millis()));
            let is_long = active.range.length() >= REQUEST_MIN * 2;
            self.carried = active.posts;
            if is_long {
                self.waiting.push_front(TimeRange { from: middle, to });
            }
            self.waiting.push_front(TimeRange { from, to: if is_long { middle } else { to } });
        }
        self.end();
    }

    /// Ends the current range. Its connection is closed already.
    fn end(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Changing) {
            State::Active(active) => State::Idle(active.session.into_driver().into_io()),
            state => state,
        };
    }

    /// Lends the current event.
    pub(crate) fn peek(&self) -> Option<RecoveryEvent<'_>> {
        let of = |range| Recovery { group: self.group, range };
        Some(match self.current? {
            Current::Started(range) => RecoveryEvent::Started(of(range)),
            Current::Completed { range, posts } => RecoveryEvent::Completed { recovery: of(range), posts },
            Current::Lost { range, posts, reason } => {
                RecoveryEvent::Lost { recovery: of(range), posts, reason }
            }
            Current::Lent => {
                let State::Active(active) = &self.state else { return None };
                match active.session.peek()? {
                    SessionEvent::Message(message) => {
                        RecoveryEvent::Message(message.with_origin(Origin::Recovery))
                    }
                    SessionEvent::Skipped { bytes } => RecoveryEvent::Skipped { bytes },
                    SessionEvent::Refused(refused) => RecoveryEvent::Refused(refused),
                    SessionEvent::Disconnected(disconnected) => RecoveryEvent::Disconnected(disconnected),
                    _ => return None,
                }
            }
        })
    }

    /// Releases the current event. Another element of the same array may follow.
    pub(crate) fn release(&mut self, mut judge: impl FnMut(PostId, &[u8], Instant) -> Copied) {
        if !matches!(self.current.take(), Some(Current::Lent)) {
            return;
        }
        if take(&mut self.reopens) {
            return self.put_back();
        }
        let State::Active(active) = &mut self.state else { return };
        let Active { session, posts, .. } = &mut **active;
        if session.release_part(counted(posts, &mut judge)) {
            self.current = Some(Current::Lent);
        } else {
            active.session.driver_mut().release();
        }
    }
}

/// Returns the end of the first request for `range`. The start of a request is rounded down to a
/// whole second.
fn request_end(range: TimeRange) -> UnixTime {
    let start = UnixTime::from_seconds(range.from.as_millis() / 1_000);
    range.to.min(start.saturating_add(REQUEST_MAX))
}

/// Returns the begin of the range that is requested.
fn active_from<S: AsRef<[u8]> + AsMut<[u8]>, B, I>(state: &State<S, B, I>) -> Option<UnixTime> {
    match state {
        State::Active(active) => Some(active.range.from),
        _ => None,
    }
}

/// Returns the function that judges Posts, and counts the new ones.
fn counted<'a>(
    posts: &'a mut u64,
    judge: &'a mut impl FnMut(PostId, &[u8], Instant) -> Copied,
) -> impl FnMut(PostId, &[u8], Instant) -> Copied + 'a {
    move |id, copy, at| {
        let copied = judge(id, copy, at);
        *posts += u64::from(copied == Copied::New);
        copied
    }
}

/// Returns the parts of `range` that are not in `known`.
fn without(range: TimeRange, known: TimeRange) -> impl Iterator<Item = TimeRange> {
    let before = TimeRange { from: range.from, to: range.to.min(known.from) };
    let after = TimeRange { from: range.from.max(known.to), to: range.to };
    // Without an overlap one of the two is the whole range, and the other is empty.
    [before, after].into_iter().filter(|part| !part.is_empty())
}

impl<S: AsRef<[u8]> + AsMut<[u8]>, B, I> fmt::Debug for RecoveryConnection<S, B, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoveryConnection")
            .field("group", &self.group)
            .field("waiting", &self.waiting)
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}
