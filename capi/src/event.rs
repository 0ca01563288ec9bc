//! The event structure, which both levels fill.
//!
//! The library owns the structure, so that members can be added at its end. A message, which is
//! nearly every event, writes only the members in front; the details of other events are behind
//! pointers.

use std::fmt::{Display, Write};
use std::net::SocketAddr;
use std::ptr::null;

use powerstream_core::http::{BodyFraming, ResponseHead};
use powerstream_core::merge::{ConnectionId, GroupGap, Interrupted};
use powerstream_core::session::{
    DisconnectReason, Disconnected, Gap, GaveUp, Late, LateKind, Origin, Refusal, RefusalKind, SessionEvent,
};
use powerstream_core::stream::{Classification, PostId};
use powerstream_core::time::{Instant, TimeRange, UnixTime};

use crate::border::ps_bytes;
use crate::class::{ps_class, ps_kind};
use crate::session::ps_transport_error;

/// The kinds of events.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_event_kind {
    /// A message: `bytes`, `message` and `origin`.
    Message = 1,
    /// A keep-alive.
    KeepAlive = 2,
    /// A stream has begun: `connected`, and `gap` if there was an earlier stream.
    Connected = 3,
    /// A connection ended, or could not be established: `disconnected`. The next attempt is
    /// scheduled.
    Disconnected = 4,
    /// The server sent something other than a stream: `refused`; `bytes` is its document.
    /// `DISCONNECTED` or `GAVE_UP` follows.
    Refused = 5,
    /// The session is over, because a retry cannot resolve the failure: `disconnected`.
    GaveUp = 6,
    /// The first live Post after a gap arrived: `gap`, with the end that this Post proves.
    Resumed = 7,
    /// The reader or the network path is late: `late`. Reported once for each episode.
    Late = 8,
    /// A message over the limit was skipped: `count` is its number of bytes.
    Skipped = 9,
    /// Client level, merged: a group lost its last connection: `gap`, with only its start.
    Interrupted = 10,
    /// Client level, merged: a time range whose Posts no connection delivered: `gap`.
    Gap = 11,
    /// Client level, with a reader thread: the queue was full, and dropped `count` messages here.
    Dropped = 12,
    /// Client level: a gap is being recovered: `gap`.
    RecoveryStarted = 13,
    /// Client level: a gap was recovered: `gap`; `count` is the number of its new Posts.
    RecoveryCompleted = 14,
    /// Client level: a gap will not be recovered, so its Posts are lost: `gap`. `count` Posts of it
    /// were delivered nevertheless.
    RecoveryLost = 15,
}

/// How a message was requested.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_origin {
    /// By a stream, as the service sent it.
    Live = 0,
    /// By a stream whose backfill is not complete. Some of its Posts may be live.
    Backfill = 1,
    /// By a recovery of a time range.
    Recovery = 2,
}

/// An event. The library creates it. It and everything it points to are valid until the next call
/// that may change the handle. Members that the kind of the event does not name are empty, 0 or
/// null.
#[repr(C)]
#[derive(Debug)]
pub struct ps_event {
    /// The kind of the event.
    pub kind: ps_event_kind,
    /// How the message was requested.
    pub origin: ps_origin,
    /// The bytes of the message as received, without its delimiter; or the document of a refusal.
    /// Text of the server: escape it before display.
    pub bytes: ps_bytes,
    /// What the message is.
    pub message: ps_class,
    /// Client level: the index of the connection, from 0.
    pub connection: u32,
    /// The number that the kind names.
    pub count: u64,
    /// See `PS_EVENT_KIND_CONNECTED`.
    pub connected: *const ps_connected,
    /// See the kinds that name it.
    pub gap: *const ps_gap,
    /// See `PS_EVENT_KIND_DISCONNECTED` and `PS_EVENT_KIND_GAVE_UP`.
    pub disconnected: *const ps_disconnected,
    /// See `PS_EVENT_KIND_REFUSED`.
    pub refused: *const ps_refused,
    /// See `PS_EVENT_KIND_LATE`.
    pub late: *const ps_late,
}

/// A stream has begun.
#[repr(C)]
#[derive(Debug)]
pub struct ps_connected {
    /// The status of the response.
    pub status: u16,
    /// True if the body is chunked, as X's streams are.
    pub is_chunked: bool,
    /// The minutes of backfill that the request asked for; 0 for none.
    pub backfill_minutes: u8,
    /// The datacenter that responds; empty if the response does not name it.
    pub datacenter: ps_bytes,
    /// The address of the server, if the driver set it; empty otherwise.
    pub peer_address: ps_bytes,
    /// The earliest time that the server's clock may have shown, in Unix milliseconds.
    pub server_earliest_ms: u64,
    /// The latest time that the server's clock may have shown, in Unix milliseconds.
    pub server_latest_ms: u64,
}

/// A time range in which Posts may be missing. Times are Unix milliseconds of the server's clock.
#[repr(C)]
#[derive(Debug)]
pub struct ps_gap {
    /// Posts created before this time were delivered, or were within an earlier gap.
    pub from_ms: u64,
    /// Posts created from this time on are delivered by the new stream. 0 if it is not known yet.
    pub to_ms: u64,
    /// The id of the newest live Post delivered before the gap; 0 if unknown.
    pub newest_before: u64,
    /// The id of the first live Post after the gap; 0 if it has not arrived.
    pub first_after: u64,
    /// Merged: the replica group whose Posts are missing.
    pub group: u32,
    /// The minutes of backfill that the new stream asked for. Backfill may deliver this part of the
    /// gap.
    pub backfill_minutes: u32,
    /// The start of the part that a recovery must request, because backfill does not deliver it.
    pub recovery_from_ms: u64,
    /// The end of that part. 0 if there is no such part.
    pub recovery_to_ms: u64,
}

const NO_GAP: ps_gap = ps_gap {
    from_ms: 0,
    to_ms: 0,
    newest_before: 0,
    first_after: 0,
    group: 0,
    backfill_minutes: 0,
    recovery_from_ms: 0,
    recovery_to_ms: 0,
};

/// Why a connection ended.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_reason {
    /// The transport failed.
    Transport = 1,
    /// A deadline passed.
    Timeout = 2,
    /// The peer violated HTTP.
    Protocol = 3,
    /// The server sent something other than a stream.
    Refused = 4,
    /// The server ended the stream with a complete body.
    Ended = 5,
    /// The server closed the connection before the end of the body.
    Cut = 6,
    /// The server closed the connection before the end of the response head.
    CutInHead = 7,
}

/// A connection ended, or could not be established.
#[repr(C)]
#[derive(Debug)]
pub struct ps_disconnected {
    /// Why.
    pub reason: ps_reason,
    /// The meaning of the refusal, if the reason is one.
    pub refusal: ps_refusal,
    /// A stable name of the reason for programs, such as `timeout_silence` or `cut`.
    pub code: ps_bytes,
    /// A sentence for people.
    pub text: ps_bytes,
    /// True if the server announced this disconnect earlier in the stream, by a message of the kind
    /// `announced`.
    pub was_announced: bool,
    /// See `was_announced`.
    pub announced: ps_kind,
    /// True if the next attempt is scheduled. False in `GAVE_UP`.
    pub will_retry: bool,
    /// True if the backoff schedule has reached its ceiling: alert an operator.
    pub at_ceiling: bool,
    /// True if the server sent a reset time too far ahead, which was ignored.
    pub reset_ignored: bool,
    /// True if the server refused backfill. The session asks for none any more.
    pub backfill_refused: bool,
    /// True if `gap_from_ms` is set: there was a stream before.
    pub has_gap: bool,
    /// The wait before the next attempt; 0 for an immediate reconnect.
    pub delay_ns: u64,
    /// When the next attempt starts, on the caller's monotonic clock.
    pub retry_at_ns: u64,
    /// Since when Posts may be missing, in Unix milliseconds of the server's clock.
    pub gap_from_ms: u64,
    /// The number of bytes received that were not part of a complete message.
    pub undelivered: u64,
    /// The address that was connected or tried last, if the driver set it.
    pub peer_address: ps_bytes,
    /// What failed, if the reason is `PS_REASON_TRANSPORT`; otherwise `PS_TRANSPORT_ERROR_OTHER`.
    pub transport_error: ps_transport_error,
    /// The operating system's error number (`errno`); 0 if there is none.
    pub os_error: i32,
}

/// What a response that is not a stream means.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_refusal {
    /// The reason is no refusal.
    None = 0,
    /// 401: the token is missing, wrong or revoked.
    Unauthorized = 1,
    /// 403: the app may not use this endpoint.
    Forbidden = 2,
    /// 409: the stream needs at least one rule.
    NoRules = 3,
    /// The active rules are invalid.
    InvalidRules = 4,
    /// 429: too many connections.
    ConnectionLimit = 5,
    /// 429: the requests of the rate-limit window are used up.
    WindowLimit = 6,
    /// 429 without a specific reason.
    RateLimit = 7,
    /// 429: the plan's volume of Posts is used up.
    UsageCap = 8,
    /// 503: a change of the subscription is being provisioned.
    Provisioning = 9,
    /// 3xx: redirects are not followed, because the token would be sent along.
    Redirect = 10,
    /// Another 4xx, which a retry cannot resolve.
    Request = 11,
    /// An error of the server.
    Server = 12,
    /// A meaning that a later version of the protocol core added.
    Other = 13,
}

/// The server sent something other than a stream.
#[repr(C)]
#[derive(Debug)]
pub struct ps_refused {
    /// The status of the response.
    pub status: u16,
    /// What it means.
    pub refusal: ps_refusal,
    /// A sentence for people.
    pub text: ps_bytes,
}

/// The reader or the network path is late.
#[repr(C)]
#[derive(Debug)]
pub struct ps_late {
    /// True if the program did not read for so long; false if Posts lagged so much more than usual.
    pub is_reader: bool,
    /// By how much.
    pub by_ns: u64,
}

/// The place of the current event of a handle, with everything it points to.
#[derive(Debug)]
pub(crate) struct EventCell {
    event: ps_event,
    connected: ps_connected,
    gap: ps_gap,
    disconnected: ps_disconnected,
    refused: ps_refused,
    late: ps_late,
    /// The event has a gap.
    has_gap: bool,
    /// The texts that the details point to.
    text: String,
    address: String,
}

// SAFETY: the pointers of the cell point into the cell itself, into the session beside it, or into
// the caller's input. A handle is used by one thread at a time, which reads them only through it.
unsafe impl Send for EventCell {}

const NO_EVENT: ps_event = ps_event {
    kind: ps_event_kind::KeepAlive,
    origin: ps_origin::Live,
    bytes: ps_bytes::EMPTY,
    message: ps_class::NONE,
    connection: 0,
    count: 0,
    connected: null(),
    gap: null(),
    disconnected: null(),
    refused: null(),
    late: null(),
};

impl EventCell {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            event: NO_EVENT,
            connected: ps_connected {
                status: 0,
                is_chunked: false,
                backfill_minutes: 0,
                datacenter: ps_bytes::EMPTY,
                peer_address: ps_bytes::EMPTY,
                server_earliest_ms: 0,
                server_latest_ms: 0,
            },
            gap: NO_GAP,
            disconnected: ps_disconnected {
                reason: ps_reason::Ended,
                refusal: ps_refusal::None,
                code: ps_bytes::EMPTY,
                text: ps_bytes::EMPTY,
                was_announced: false,
                announced: ps_kind::Unknown,
                will_retry: false,
                at_ceiling: false,
                reset_ignored: false,
                backfill_refused: false,
                has_gap: false,
                delay_ns: 0,
                retry_at_ns: 0,
                gap_from_ms: 0,
                undelivered: 0,
                peer_address: ps_bytes::EMPTY,
                transport_error: ps_transport_error::Other,
                os_error: 0,
            },
            refused: ps_refused { status: 0, refusal: ps_refusal::None, text: ps_bytes::EMPTY },
            late: ps_late { is_reader: false, by_ns: 0 },
            has_gap: false,
            text: String::new(),
            address: String::new(),
        })
    }

    /// Returns the address of the event, whose details are complete.
    #[inline]
    pub(crate) fn event(&mut self) -> *const ps_event {
        if self.event.kind != ps_event_kind::Message {
            self.point();
        }
        &raw const self.event
    }

    /// Sets the pointers to the details. Last, because a later change of a detail would end its
    /// pointer's right to be read.
    fn point(&mut self) {
        if self.has_gap {
            self.event.gap = &raw const self.gap;
        }
        match self.event.kind {
            ps_event_kind::Connected => self.event.connected = &raw const self.connected,
            ps_event_kind::Disconnected | ps_event_kind::GaveUp => {
                self.event.disconnected = &raw const self.disconnected;
            }
            ps_event_kind::Refused => self.event.refused = &raw const self.refused,
            ps_event_kind::Late => self.event.late = &raw const self.late,
            _ => {}
        }
    }

    pub(crate) fn set_connection(&mut self, connection: ConnectionId) {
        self.event.connection = connection.index() as u32;
    }

    /// Stores a message.
    #[inline(always)]
    pub(crate) fn message(&mut self, bytes: &[u8], class: &Classification, origin: Origin) {
        let event = &mut self.event;
        if event.kind != ps_event_kind::Message {
            *event = ps_event { kind: ps_event_kind::Message, ..NO_EVENT };
        }
        event.origin = match origin {
            Origin::Backfill => ps_origin::Backfill,
            Origin::Recovery => ps_origin::Recovery,
            _ => ps_origin::Live,
        };
        event.bytes = ps_bytes::new(bytes);
        event.message = class.into();
    }

    /// Stores an event of a session.
    #[inline(always)]
    pub(crate) fn session(&mut self, event: SessionEvent<'_>) {
        match event {
            SessionEvent::Message(message) => self.message(message.bytes, &message.class, message.origin),
            event => self.other(&event),
        }
    }

    #[inline(never)]
    pub(crate) fn other(&mut self, event: &SessionEvent<'_>) {
        match event {
            SessionEvent::Message(message) => self.message(message.bytes, &message.class, message.origin),
            SessionEvent::KeepAlive => self.keep_alive(),
            SessionEvent::Skipped { bytes } => self.counted(ps_event_kind::Skipped, *bytes),
            SessionEvent::Connected(connected) => {
                let datacenter = connected.head.datacenter();
                self.connected(
                    connected.head.parsed(),
                    datacenter,
                    (connected.server_earliest, connected.server_latest),
                    connected.peer_addr,
                    connected.gap.as_ref(),
                );
            }
            SessionEvent::Resumed(gap) => self.resumed(gap),
            SessionEvent::Late(late) => self.late(late),
            SessionEvent::Refused(refused) => self.refused(refused.refusal, refused.document),
            SessionEvent::Disconnected(disconnected) => self.disconnected(disconnected),
            SessionEvent::GaveUp(gave_up) => self.gave_up(gave_up),
            other => unreachable!("the crates are released together, and this event is new: {other:?}"),
        }
    }

    fn start(&mut self, kind: ps_event_kind) {
        self.event = ps_event { kind, ..NO_EVENT };
        self.has_gap = false;
    }

    pub(crate) fn keep_alive(&mut self) {
        self.start(ps_event_kind::KeepAlive);
    }

    pub(crate) fn counted(&mut self, kind: ps_event_kind, count: u64) {
        self.start(kind);
        self.event.count = count;
    }

    pub(crate) fn connected(
        &mut self,
        head: &ResponseHead,
        datacenter: Option<&str>,
        (earliest, latest): (UnixTime, UnixTime),
        peer_addr: Option<SocketAddr>,
        gap: Option<&Gap>,
    ) {
        self.start(ps_event_kind::Connected);
        if let Some(gap) = gap {
            self.gap(gap);
        }
        store(&mut self.text, &datacenter.unwrap_or_default());
        store_address(&mut self.address, peer_addr);
        self.connected = ps_connected {
            status: head.status,
            is_chunked: head.framing == BodyFraming::Chunked,
            backfill_minutes: gap.map_or(0, |gap| gap.backfill_minutes),
            datacenter: ps_bytes::new(self.text.as_bytes()),
            peer_address: ps_bytes::new(self.address.as_bytes()),
            server_earliest_ms: earliest.as_millis(),
            server_latest_ms: latest.as_millis(),
        };
    }

    pub(crate) fn resumed(&mut self, gap: &Gap) {
        self.start(ps_event_kind::Resumed);
        self.gap(gap);
    }

    fn gap(&mut self, gap: &Gap) {
        let id = |id: Option<PostId>| id.map_or(0, PostId::as_u64);
        self.has_gap = true;
        self.gap = ps_gap {
            from_ms: gap.from.as_millis(),
            to_ms: gap.to.as_millis(),
            newest_before: id(gap.newest_before),
            first_after: id(gap.first_after),
            group: 0,
            backfill_minutes: gap.backfill_minutes.into(),
            ..NO_GAP
        };
        self.recovery_needed(gap.recovery_needed());
    }

    fn recovery_needed(&mut self, range: Option<TimeRange>) {
        if let Some(TimeRange { from, to }) = range {
            (self.gap.recovery_from_ms, self.gap.recovery_to_ms) = (from.as_millis(), to.as_millis());
        }
    }

    fn range(&mut self, kind: ps_event_kind, from: UnixTime, to: UnixTime, group: u16) {
        self.start(kind);
        self.has_gap = true;
        self.gap = ps_gap { from_ms: from.as_millis(), to_ms: to.as_millis(), group: group.into(), ..NO_GAP };
    }

    pub(crate) fn interrupted(&mut self, interrupted: &Interrupted) {
        let group = interrupted.group.number();
        self.range(ps_event_kind::Interrupted, interrupted.from, UnixTime::default(), group);
    }

    pub(crate) fn group_gap(&mut self, gap: &GroupGap) {
        self.range(ps_event_kind::Gap, gap.from, gap.to, gap.group.number());
        self.gap.backfill_minutes = gap.backfill_minutes.into();
        self.recovery_needed(gap.recovery_needed());
    }

    pub(crate) fn recovery(&mut self, kind: ps_event_kind, range: TimeRange, group: u16, posts: u64) {
        self.range(kind, range.from, range.to, group);
        (self.event.origin, self.event.count) = (ps_origin::Recovery, posts);
    }

    /// Marks the event as one of a recovery.
    pub(crate) fn of_recovery(&mut self) {
        self.event.origin = ps_origin::Recovery;
    }

    pub(crate) fn late(&mut self, late: &Late) {
        self.start(ps_event_kind::Late);
        self.late = ps_late {
            is_reader: late.kind == LateKind::Read,
            by_ns: Instant::ZERO.saturating_add(late.by).as_nanos(),
        };
    }

    pub(crate) fn refused(&mut self, refusal: Refusal, document: &[u8]) {
        self.start(ps_event_kind::Refused);
        store(&mut self.text, &refusal);
        self.refused = ps_refused {
            status: refusal.status,
            refusal: refusal.kind.into(),
            text: ps_bytes::new(self.text.as_bytes()),
        };
        self.event.bytes = ps_bytes::new(document);
    }

    pub(crate) fn disconnected(&mut self, disconnected: &Disconnected) {
        let Disconnected { reason, gap_from, peer_addr, .. } = disconnected;
        self.end(ps_event_kind::Disconnected, reason, *gap_from, *peer_addr);
        let place = &mut self.disconnected;
        place.will_retry = true;
        place.was_announced = disconnected.announced.is_some();
        place.announced = disconnected.announced.as_ref().map_or(ps_kind::Unknown, Into::into);
        place.at_ceiling = disconnected.at_ceiling;
        place.reset_ignored = disconnected.reset_ignored;
        place.backfill_refused = disconnected.backfill_refused;
        place.delay_ns = Instant::ZERO.saturating_add(disconnected.delay).as_nanos();
        place.retry_at_ns = disconnected.retry_at.as_nanos();
        place.undelivered = disconnected.undelivered;
    }

    pub(crate) fn gave_up(&mut self, gave_up: &GaveUp) {
        self.end(ps_event_kind::GaveUp, &gave_up.reason, gave_up.gap_from, gave_up.peer_addr);
    }

    fn end(
        &mut self,
        kind: ps_event_kind,
        reason: &DisconnectReason,
        gap_from: Option<UnixTime>,
        peer_addr: Option<SocketAddr>,
    ) {
        self.start(kind);
        store(&mut self.text, reason);
        store_address(&mut self.address, peer_addr);
        let (transport_error, os_error) = match reason {
            DisconnectReason::Transport(error) => (error.kind.into(), error.os_code.unwrap_or_default()),
            _ => (ps_transport_error::Other, 0),
        };
        self.disconnected = ps_disconnected {
            reason: reason.into(),
            refusal: match reason {
                DisconnectReason::Refused(refusal) => refusal.kind.into(),
                _ => ps_refusal::None,
            },
            code: ps_bytes::new(reason.code().as_bytes()),
            text: ps_bytes::new(self.text.as_bytes()),
            was_announced: false,
            announced: ps_kind::Unknown,
            will_retry: false,
            at_ceiling: false,
            reset_ignored: false,
            backfill_refused: false,
            has_gap: gap_from.is_some(),
            delay_ns: 0,
            retry_at_ns: 0,
            gap_from_ms: gap_from.map_or(0, UnixTime::as_millis),
            undelivered: 0,
            peer_address: ps_bytes::new(self.address.as_bytes()),
            transport_error,
            os_error,
        };
    }
}

fn store(place: &mut String, text: &dyn Display) {
    place.clear();
    // Writing to a string does not fail.
    let _ = write!(place, "{text}");
}

fn store_address(place: &mut String, address: Option<SocketAddr>) {
    match address {
        Some(address) => store(place, &address),
        None => place.clear(),
    }
}

impl From<&DisconnectReason> for ps_reason {
    fn from(reason: &DisconnectReason) -> Self {
        match reason {
            DisconnectReason::Transport(_) => Self::Transport,
            DisconnectReason::Timeout(_) => Self::Timeout,
            DisconnectReason::Protocol(_) => Self::Protocol,
            DisconnectReason::Refused(_) => Self::Refused,
            DisconnectReason::Ended => Self::Ended,
            DisconnectReason::Cut => Self::Cut,
            DisconnectReason::CutInHead => Self::CutInHead,
            other => unreachable!("the crates are released together, and this reason is new: {other:?}"),
        }
    }
}

impl From<RefusalKind> for ps_refusal {
    fn from(kind: RefusalKind) -> Self {
        match kind {
            RefusalKind::Unauthorized => Self::Unauthorized,
            RefusalKind::Forbidden => Self::Forbidden,
            RefusalKind::NoRules => Self::NoRules,
            RefusalKind::InvalidRules => Self::InvalidRules,
            RefusalKind::ConnectionLimit => Self::ConnectionLimit,
            RefusalKind::WindowLimit => Self::WindowLimit,
            RefusalKind::RateLimit => Self::RateLimit,
            RefusalKind::UsageCap => Self::UsageCap,
            RefusalKind::Provisioning => Self::Provisioning,
            RefusalKind::Redirect => Self::Redirect,
            RefusalKind::Request => Self::Request,
            RefusalKind::Server => Self::Server,
            _ => Self::Other,
        }
    }
}
