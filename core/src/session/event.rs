//! The events of a session. [`SessionEvent`] borrows from the input or the storage.
//! [`ScannedSessionEvent`] is the same without the borrow.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use super::coverage::Notice;
use super::disconnect_reason::DisconnectReason;
use super::lateness::Late;
use super::refusal::Refusal;
use crate::http::head::Head;
use crate::post::Posts;
use crate::stream::connection::Connection;
use crate::stream::framing::MessagePlace;
use crate::stream::message::{Classification, Kind, PostId};
use crate::time::{Instant, KernelTime, TimeRange, UnixTime};

/// An event of the session, borrowed from the input or from storage.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum SessionEvent<'a> {
    /// A stream has begun.
    Connected(Connected<'a>),
    /// A message.
    Message(Message<'a>),
    /// A keep-alive.
    KeepAlive,
    /// A message over the limit was skipped.
    Skipped {
        /// Its bytes.
        bytes: u64,
    },
    /// The first live Post after a gap has arrived. Repeats the gap, with the end that this Post
    /// proves. Delivered after that Post.
    Resumed(Gap),
    /// The reader or the path is late. Reported once for each episode.
    Late(Late),
    /// The server responded with something other than a stream. [`Self::Disconnected`] or
    /// [`Self::GaveUp`] follows.
    Refused(Refused<'a>),
    /// A connection ended, or could not be established. The next attempt is scheduled.
    Disconnected(Disconnected),
    /// The session is over, because a retry cannot resolve the failure.
    GaveUp(GaveUp),
}

/// A message and its classification.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Message<'a> {
    /// The message as received, without its delimiter.
    pub bytes: &'a [u8],
    /// The classification. Only the bytes necessary for it have been read.
    pub class: Classification,
    /// How the message was requested.
    pub origin: Origin,
    /// When the kernel received the last byte of the read that completed the message, if the driver
    /// reports it by [`Buffered::set_received_at`](crate::buffered::Buffered::set_received_at).
    pub received_at: Option<KernelTime>,
}

/// How a message was requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// By a stream that was read as the service sent it.
    #[default]
    Live,
    /// By a stream whose backfill is not complete. Some of its Posts may be live.
    Backfill,
    /// By a recovery of a time range.
    Recovery,
}

impl<'a> Message<'a> {
    /// Combines a message and its classification. Its origin is live.
    #[must_use]
    pub const fn new(bytes: &'a [u8], class: Classification) -> Self {
        Self { bytes, class, origin: Origin::Live, received_at: None }
    }

    /// Returns a part of the message: an element of an array, or the message with another class.
    #[must_use]
    pub const fn part<'b>(&self, bytes: &'b [u8], class: Classification) -> Message<'b> {
        Message { bytes, class, origin: self.origin, received_at: self.received_at }
    }

    /// Returns the same message with this kernel time.
    #[must_use]
    pub const fn with_received_at(self, at: KernelTime) -> Self {
        Self { received_at: Some(at), ..self }
    }

    /// Returns the same message with this origin.
    #[must_use]
    pub const fn with_origin(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// Returns the kind of the message.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.class.kind
    }

    /// Returns the Post's id, if the message is a Post that has one.
    #[must_use]
    pub const fn id(&self) -> Option<PostId> {
        self.class.post_id
    }

    /// Returns an iterator over the message's Posts: one, those of an array, or none.
    #[must_use]
    pub fn posts(&self) -> Posts<'a> {
        Posts::new(self.bytes, self.class)
    }
}

/// A stream has begun.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Connected<'a> {
    /// The response's head.
    pub head: Head<'a>,
    /// The gap before this stream; `None` for the first stream.
    pub gap: Option<Gap>,
    /// The earliest time that the server's clock may have shown when the head was read. It is
    /// estimated from the head's `Date`, or from the local clock if there is no `Date`.
    pub server_earliest: UnixTime,
    /// The latest time that the server's clock may have shown when the head was read.
    pub server_latest: UnixTime,
    /// The address of the server or proxy, if the driver reported it by
    /// [`Session::set_peer_addr`](super::Session::set_peer_addr).
    pub peer_addr: Option<SocketAddr>,
}

/// A time range in which Posts may be missing.
///
/// Every Post that was not delivered was created within a reported gap. This applies to all Posts
/// that the service sent, or would have sent, while this session had streams or waited for one.
/// Times are the server's, estimated from the ids of Posts and the `Date` of the heads. A `local_`
/// time is the time of the local clock. The ids give the same bounds without a clock.
///
/// [`Connected`] reports a gap before any Post of its stream. After the first live Post,
/// [`SessionEvent::Resumed`] repeats the gap. Then `first_after` is known, and `to` may be later;
/// nothing else differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Every Post created before this time was delivered, or was within an earlier gap. This is the
    /// creation time of the newest delivered Post, less a margin for the disorder of the stream.
    /// The margin is 1 s plus twice the largest disorder seen, at most 21 s. Time without Posts may
    /// move it forward. On a stream without Posts, it is the last time before which everything sent
    /// is known to have been read, less the margin and 1 s.
    pub from: UnixTime,
    /// The new stream delivers Posts created from this millisecond on. This is the latest time that
    /// the server's clock can have shown when the stream began.
    pub to: UnixTime,
    /// `from` by the local clock: the last time before which everything sent is known to have been
    /// read, less 2 s and twice the largest disorder of Posts seen.
    pub local_from: UnixTime,
    /// `to` by the local clock: the time at which the head was read.
    pub local_to: UnixTime,
    /// The newest live Post delivered before the gap.
    pub newest_before: Option<PostId>,
    /// The first live Post of the new stream. `None` in [`Connected`], which is delivered before
    /// that Post.
    pub first_after: Option<PostId>,
    /// The minutes of backfill that the request asked for; 0 for none.
    pub backfill_minutes: u8,
}

impl Gap {
    /// Returns the part of the gap that a recovery must request, because the requested backfill
    /// does not deliver it: all of it without backfill, or what is older than the backfill. `None`
    /// if backfill covers the gap.
    ///
    /// The range starts at [`Self::from`], which has a margin of 1 s to 21 s for Posts out of
    /// order. The service counts backfill back from the request, which it received before
    /// [`Self::to`]. So the range ends at `to` less the backfill, plus 10 s, because the service's
    /// clocks may disagree.
    ///
    /// The gap of [`SessionEvent::Resumed`] is the final one. Its range may end later than that of
    /// [`Connected`].
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

/// A recovery overlaps the backfill that follows it by this much.
const BACKFILL_OVERLAP: Duration = Duration::from_secs(10);

/// Returns the part of a gap that so many minutes of backfill do not deliver. See
/// [`Gap::recovery_needed`].
pub(crate) fn beyond_backfill(gap: TimeRange, backfill_minutes: u8) -> Option<TimeRange> {
    if backfill_minutes == 0 {
        return (!gap.is_empty()).then_some(gap);
    }
    let begin = gap.to.saturating_sub(Duration::from_secs(60 * u64::from(backfill_minutes)));
    let to = begin.saturating_add(BACKFILL_OVERLAP).min(gap.to);
    (gap.from < begin).then_some(TimeRange { from: gap.from, to })
}

/// Returns the rest of a gap. See [`Gap::backfilled`].
pub(crate) fn backfilled(gap: TimeRange, backfill_minutes: u8) -> Option<TimeRange> {
    let from = beyond_backfill(gap, backfill_minutes).map_or(gap.from, |needed| needed.to);
    let rest = TimeRange { from, to: gap.to };
    (!rest.is_empty()).then_some(rest)
}

/// The server answered with something other than a stream.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Refused<'a> {
    /// The meaning of the response.
    pub refusal: Refusal,
    /// The response's head.
    pub head: Head<'a>,
    /// The first 64 KiB of the body, as far as it arrived. The text comes from the server: escape
    /// it before display. Empty if the body cannot be read; [`Head::unread_body`] returns the
    /// reason.
    pub document: &'a [u8],
}

/// A connection ended, or could not be established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disconnected {
    /// Why.
    pub reason: DisconnectReason,
    /// The disconnect that the server announced earlier in the stream, if any.
    pub announced: Option<Kind>,
    /// The wait before the next attempt; zero for an immediate reconnect.
    pub delay: Duration,
    /// When the next attempt starts.
    pub retry_at: Instant,
    /// True if the backoff schedule has reached its maximum. Alert an operator then.
    pub at_ceiling: bool,
    /// True if the server sent a reset time more than [`RESET_MAX`](super::RESET_MAX) ahead, which
    /// was ignored.
    pub reset_ignored: bool,
    /// Since when Posts may be missing; `None` before the first stream.
    pub gap_from: Option<UnixTime>,
    /// The number of bytes received that were not part of a complete message: bytes of an
    /// incomplete message, or bytes after a protocol error.
    pub undelivered: u64,
    /// True if the server refused a request for backfill with 400 or 403. The session asks for none
    /// any more. The gap stays, and is reported without backfill.
    pub backfill_refused: bool,
    /// The address that was connected or tried last. `None` if no address was tried, or if the
    /// driver reports none.
    pub peer_addr: Option<SocketAddr>,
}

/// The session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GaveUp {
    /// Why.
    pub reason: DisconnectReason,
    /// Since when Posts may be missing; `None` before the first stream.
    pub gap_from: Option<UnixTime>,
    /// As [`Disconnected::peer_addr`].
    pub peer_addr: Option<SocketAddr>,
}

/// A [`SessionEvent`] that does not borrow the input or the storage.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ScannedSessionEvent {
    /// See [`SessionEvent::Connected`].
    #[non_exhaustive]
    Connected {
        /// See [`Connected::gap`].
        gap: Option<Gap>,
        /// See [`Connected::server_earliest`].
        server_earliest: UnixTime,
        /// See [`Connected::server_latest`].
        server_latest: UnixTime,
    },
    /// See [`SessionEvent::Message`].
    #[non_exhaustive]
    Message {
        /// The position of its bytes.
        place: MessagePlace,
        /// The classification.
        class: Classification,
    },
    /// See [`SessionEvent::KeepAlive`].
    KeepAlive,
    /// See [`SessionEvent::Skipped`].
    #[non_exhaustive]
    Skipped {
        /// Its bytes.
        bytes: u64,
    },
    /// See [`SessionEvent::Resumed`].
    Resumed(Gap),
    /// See [`SessionEvent::Late`].
    Late(Late),
    /// See [`SessionEvent::Refused`].
    Refused(Refusal),
    /// See [`SessionEvent::Disconnected`] and [`SessionEvent::GaveUp`].
    Ended,
}

/// How a connection ended. The session stores the last outcome, so that a [`ScannedSessionEvent`]
/// stays small, because an event is copied for each message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Disconnected(Disconnected),
    GaveUp(GaveUp),
}

impl ScannedSessionEvent {
    /// Lends the event that was just found, and is no message.
    pub(super) fn lend<'a, S: AsRef<[u8]> + AsMut<[u8]>>(
        self,
        connection: &'a Connection<S>,
        outcome: Option<&Outcome>,
        peer_addr: Option<SocketAddr>,
    ) -> SessionEvent<'a> {
        match self {
            Self::Connected { gap, server_earliest, server_latest } => {
                let head = connection.lend_head();
                SessionEvent::Connected(Connected { head, gap, server_earliest, server_latest, peer_addr })
            }
            Self::Message { .. } => unreachable!("`Session::lend` lends messages itself"),
            Self::KeepAlive => SessionEvent::KeepAlive,
            Self::Skipped { bytes } => SessionEvent::Skipped { bytes },
            Self::Resumed(gap) => SessionEvent::Resumed(gap),
            Self::Late(late) => SessionEvent::Late(late),
            Self::Refused(refusal) => {
                let Some((head, document)) = connection.document() else {
                    unreachable!("a refusal's document stays until the next attempt to connect");
                };
                SessionEvent::Refused(Refused { refusal, head, document })
            }
            Self::Ended => match outcome {
                Some(Outcome::Disconnected(disconnected)) => SessionEvent::Disconnected(*disconnected),
                Some(Outcome::GaveUp(gave_up)) => SessionEvent::GaveUp(*gave_up),
                None => unreachable!("the session keeps the outcome that it reports"),
            },
        }
    }
}

impl From<Notice> for ScannedSessionEvent {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Late(late) => Self::Late(late),
            Notice::Resumed(gap) => Self::Resumed(gap),
        }
    }
}

impl fmt::Debug for Message<'_> {
    /// Shows only the length: Posts do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("bytes", &self.bytes.len()).field("class", &self.class).finish()
    }
}

impl fmt::Debug for Refused<'_> {
    /// Shows only the document's length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let document = self.document.len();
        f.debug_struct("Refused")
            .field("refusal", &self.refusal)
            .field("head", &self.head)
            .field("document", &document)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::message::classify;

    #[test]
    fn a_part_of_a_message_keeps_its_origin_and_time() {
        let at = KernelTime::from_nanos(7);
        let message = Message::new(b"[{}]", classify(b"[{}]")).with_origin(Origin::Recovery);
        let part = message.with_received_at(at.unwrap()).part(b"{}", classify(b"{}"));
        assert_eq!((part.bytes, part.origin, part.received_at), (&b"{}"[..], Origin::Recovery, at));
    }

    #[test]
    fn backfill_of_the_gaps_length_leaves_nothing_to_recover_and_a_longer_gap_overlaps_by_10_s() {
        let unix = |seconds: u64| UnixTime::from_seconds(1_700_000_000 + seconds);
        let range = |from, to| TimeRange { from: unix(from), to: unix(to) };
        let needed = |from, minutes| {
            let gap = range(from, 400);
            let gap = Gap {
                from: gap.from,
                to: gap.to,
                local_from: gap.from,
                local_to: gap.to,
                newest_before: None,
                first_after: None,
                backfill_minutes: minutes,
            };
            (gap.recovery_needed(), gap.backfilled())
        };
        assert_eq!(needed(100, 5), (None, Some(range(100, 400))));
        assert_eq!(needed(99, 5), (Some(range(99, 110)), Some(range(110, 400))));
        assert_eq!(needed(100, 0), (Some(range(100, 400)), None));
    }
}
