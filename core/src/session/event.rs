//! The events of a session: [`SessionEvent`] borrows from the input or from storage, and
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
use crate::time::{Instant, UnixTime};

/// An event of the session, borrowed from the input or from storage.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum SessionEvent<'a> {
    /// A stream has begun.
    Connected(Connected<'a>),
    /// A message.
    Message(Message<'a>),
    /// The server is alive.
    KeepAlive,
    /// A message over the limit was skipped.
    Skipped {
        /// Its bytes.
        bytes: u64,
    },
    /// The first live Post after a gap has arrived. Repeats the gap, with what the Post proves
    /// about its end. Follows that Post.
    Resumed(Gap),
    /// The reader or the path is late. Reported once for each episode.
    Late(Late),
    /// The server answered with something other than a stream. [`Self::Disconnected`] or
    /// [`Self::GaveUp`] follows.
    Refused(Refused<'a>),
    /// A connection ended, or could not be established. The next attempt is scheduled.
    Disconnected(Disconnected),
    /// The session is over: a retry cannot fix the reason.
    GaveUp(GaveUp),
}

/// A message and its classification.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Message<'a> {
    /// The message, byte for byte, without its delimiter.
    pub bytes: &'a [u8],
    /// The classification, as far as the message had to be read for it.
    pub class: Classification,
    /// How the message was requested.
    pub origin: Origin,
}

/// How a message was requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// By a stream that was read as the service sent it.
    #[default]
    Live,
    /// By backfill: before it is complete, its Posts cannot be told from live ones.
    Backfill,
    /// By a recovery of a time range.
    Recovery,
}

impl<'a> Message<'a> {
    /// Combines a message and its classification. Its origin is live.
    #[must_use]
    pub const fn new(bytes: &'a [u8], class: Classification) -> Self {
        Self { bytes, class, origin: Origin::Live }
    }

    /// Returns the same message with this origin.
    #[must_use]
    pub const fn with_origin(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// What it is.
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
    /// The gap before this stream, if there was a stream before.
    pub gap: Option<Gap>,
    /// Minutes of backfill that the request asked for; 0 for none.
    pub backfill_minutes: u8,
    /// The earliest that the server's clock may have shown when the head was read. An estimate, by
    /// the head's `Date`; without it, by the local clock.
    pub server_earliest: UnixTime,
    /// The latest that it may have shown then.
    pub server_latest: UnixTime,
    /// The address of the server or proxy, if the driver reported it by
    /// [`Session::set_peer_addr`](super::Session::set_peer_addr).
    pub peer_addr: Option<SocketAddr>,
}

/// A time range in which Posts may be missing.
///
/// Every Post that the service sent, or would have sent, while this session had streams or waited
/// for one, and that was not delivered, was created within a reported gap. Times are the server's,
/// estimated from Posts' ids and from the heads' `Date`; a `local_` time is what the local clock
/// read. The ids say the same without any clock.
///
/// [`Connected`] reports a gap before any Post of its stream. Once the first live Post has come,
/// [`SessionEvent::Resumed`] repeats it: `to` may then be later, `first_after` is known, nothing
/// else differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Every Post created before was delivered, or was within an earlier gap. This is the creation
    /// time of the newest delivered Post, less the disorder of the stream: 1 s plus twice the
    /// largest disorder seen, at most 21 s. On a stream without Posts: when everything sent was
    /// last read, less 1 s.
    pub from: UnixTime,
    /// The new stream delivers Posts created from this millisecond on: the latest time that the
    /// server's clock can have shown when the stream began.
    pub to: UnixTime,
    /// `from` by the local clock: when everything that the server had sent was last read, less 1 s.
    pub local_from: UnixTime,
    /// `to` by the local clock: when the head was read.
    pub local_to: UnixTime,
    /// The newest live Post delivered before.
    pub newest_before: Option<PostId>,
    /// The first live Post of the new stream. `None` in [`Connected`], which comes before it.
    pub first_after: Option<PostId>,
}

/// The server answered with something other than a stream.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Refused<'a> {
    /// What it means.
    pub refusal: Refusal,
    /// The response's head.
    pub head: Head<'a>,
    /// The first 64 KiB of the body, as far as it arrived. The text comes from the server: escape
    /// it before display. Empty if the body cannot be read: [`Head::unread_body`] says why.
    pub document: &'a [u8],
}

/// A connection ended, or was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disconnected {
    /// Why.
    pub reason: DisconnectReason,
    /// The disconnect that the server announced in the stream before, if any.
    pub announced: Option<Kind>,
    /// How long until the next attempt; zero for the immediate one.
    pub delay: Duration,
    /// When the next attempt starts.
    pub retry_at: Instant,
    /// True if the backoff schedule has reached its maximum: time to alert an operator.
    pub at_ceiling: bool,
    /// True if the server sent a reset time more than [`RESET_MAX`](super::RESET_MAX) ahead, which
    /// was ignored.
    pub reset_ignored: bool,
    /// Since when Posts may be missing; `None` before the first stream.
    pub gap_from: Option<UnixTime>,
    /// Bytes received that were no complete message: those of a split message, or after a protocol
    /// error.
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
        /// See [`Connected::backfill_minutes`].
        backfill_minutes: u8,
        /// See [`Connected::server_earliest`].
        server_earliest: UnixTime,
        /// See [`Connected::server_latest`].
        server_latest: UnixTime,
    },
    /// See [`SessionEvent::Message`].
    #[non_exhaustive]
    Message {
        /// Where its bytes are.
        place: MessagePlace,
        /// What it is.
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

/// How a connection ended. The session keeps the last one, so that a [`ScannedSessionEvent`] stays
/// small: one is copied with each message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Disconnected(Disconnected),
    GaveUp(GaveUp),
}

impl ScannedSessionEvent {
    /// Lends the event that was just found in `input`.
    #[inline]
    pub(super) fn lend<'a, S: AsRef<[u8]> + AsMut<[u8]>>(
        self,
        connection: &'a Connection<S>,
        outcome: Option<&Outcome>,
        peer_addr: Option<SocketAddr>,
        origin: Origin,
        input: &'a [u8],
    ) -> SessionEvent<'a> {
        match self {
            Self::Connected { gap, backfill_minutes, server_earliest, server_latest } => {
                let head = connection.lend_head();
                SessionEvent::Connected(Connected {
                    head,
                    gap,
                    backfill_minutes,
                    server_earliest,
                    server_latest,
                    peer_addr,
                })
            }
            Self::Message { place, class } => {
                SessionEvent::Message(Message { bytes: connection.lend_message(place, input), class, origin })
            }
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
