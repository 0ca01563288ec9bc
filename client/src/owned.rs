//! Owned copies of events, for queues, iterators and other threads.
//!
//! An owned message costs one allocation. Clones share it without copying.

use std::fmt;
use std::net::SocketAddr;
use std::string::String;

use bytes::Bytes;
use powerstream_core::http::ResponseHead;
use powerstream_core::post::Posts;
use powerstream_core::session::{
    Disconnected, Gap, GaveUp, Late, Message, Origin, Refusal, Refused, SessionEvent,
};
use powerstream_core::stream::{Classification, Kind, PostId};
use powerstream_core::time::{KernelTime, UnixTime};

use crate::recovery::{LossReason, Recovery, RecoveryEvent};

/// A [`SessionEvent`] that owns its bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OwnedEvent {
    /// A stream started.
    Connected(OwnedConnected),
    /// A message.
    Message(OwnedMessage),
    /// A keep-alive: the server is alive.
    KeepAlive,
    /// A message longer than the limit was skipped.
    Skipped {
        /// The length of the message, in bytes.
        bytes: u64,
    },
    /// The first live Post after a gap arrived. Holds the gap again, with what the Post proves
    /// about its end.
    Resumed(Gap),
    /// The reader or the network path is late. Sent once for each episode.
    Late(Late),
    /// The server answered with something other than a stream.
    Refused(OwnedRefused),
    /// A connection ended or could not be made. The time of the next attempt is set.
    Disconnected(Disconnected),
    /// The session is over: a reconnect cannot fix the reason.
    GaveUp(GaveUp),
}

/// A message and its classification.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedMessage {
    /// The message, byte for byte, without its delimiter.
    pub bytes: Bytes,
    /// The classification, as far as the message had to be read for it.
    pub class: Classification,
    /// How the message was requested.
    pub origin: Origin,
    /// When the kernel received the last byte of the read that completed the message, if the
    /// runtime measures it.
    pub received_at: Option<KernelTime>,
}

impl OwnedMessage {
    /// Returns the message's kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.class.kind
    }

    /// Returns the Post's id, or `None` if the message is not a single Post with an id.
    #[must_use]
    pub const fn id(&self) -> Option<PostId> {
        self.class.post_id
    }

    /// Returns an iterator over the message's Posts: one Post, those of an array, or none.
    #[must_use]
    pub fn posts(&self) -> Posts<'_> {
        Posts::new(&self.bytes, self.class)
    }
}

/// The start of a stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OwnedConnected {
    /// The parsed response head.
    pub head: ResponseHead,
    /// The datacenter that answers, if the head names it.
    pub datacenter: Option<String>,
    /// The gap before this stream, if there was an earlier stream.
    pub gap: Option<Gap>,
    /// See [`Connected::server_earliest`](powerstream_core::session::Connected::server_earliest).
    pub server_earliest: UnixTime,
    /// See [`Connected::server_latest`](powerstream_core::session::Connected::server_latest).
    pub server_latest: UnixTime,
    /// See [`Connected::peer_addr`](powerstream_core::session::Connected::peer_addr).
    pub peer_addr: Option<SocketAddr>,
}

/// The server answered with something other than a stream.
#[derive(Clone)]
#[non_exhaustive]
pub struct OwnedRefused {
    /// The meaning of the answer.
    pub refusal: Refusal,
    /// The parsed response head.
    pub head: ResponseHead,
    /// The first 64 KiB of the body. It is untrusted text: escape it before displaying it.
    pub document: Bytes,
}

impl From<SessionEvent<'_>> for OwnedEvent {
    fn from(event: SessionEvent<'_>) -> Self {
        match event {
            SessionEvent::Connected(connected) => Self::Connected(OwnedConnected {
                head: *connected.head.parsed(),
                datacenter: connected.head.datacenter().map(String::from),
                gap: connected.gap,
                server_earliest: connected.server_earliest,
                server_latest: connected.server_latest,
                peer_addr: connected.peer_addr,
            }),
            SessionEvent::Message(message) => Self::Message(message.into()),
            SessionEvent::KeepAlive => Self::KeepAlive,
            SessionEvent::Skipped { bytes } => Self::Skipped { bytes },
            SessionEvent::Resumed(gap) => Self::Resumed(gap),
            SessionEvent::Late(late) => Self::Late(late),
            SessionEvent::Refused(refused) => Self::Refused(refused.into()),
            SessionEvent::Disconnected(disconnected) => Self::Disconnected(disconnected),
            SessionEvent::GaveUp(gave_up) => Self::GaveUp(gave_up),
            other => unreachable!("the crates are released together, and this event is new: {other:?}"),
        }
    }
}

impl From<Message<'_>> for OwnedMessage {
    fn from(message: Message<'_>) -> Self {
        let Message { bytes, class, origin, received_at, .. } = message;
        Self { bytes: Bytes::copy_from_slice(bytes), class, origin, received_at }
    }
}

impl From<Refused<'_>> for OwnedRefused {
    fn from(refused: Refused<'_>) -> Self {
        Self {
            refusal: refused.refusal,
            head: *refused.head.parsed(),
            document: Bytes::copy_from_slice(refused.document),
        }
    }
}

/// A [`RecoveryEvent`] that owns its bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OwnedRecoveryEvent {
    /// See [`RecoveryEvent::Started`].
    Started(Recovery),
    /// See [`RecoveryEvent::Message`].
    Message(OwnedMessage),
    /// See [`RecoveryEvent::Skipped`].
    Skipped {
        /// Its bytes.
        bytes: u64,
    },
    /// See [`RecoveryEvent::Refused`].
    Refused(OwnedRefused),
    /// See [`RecoveryEvent::Disconnected`].
    Disconnected(Disconnected),
    /// See [`RecoveryEvent::Completed`].
    Completed {
        /// The range.
        recovery: Recovery,
        /// Posts of it that had not been delivered before.
        posts: u64,
    },
    /// See [`RecoveryEvent::Lost`].
    Lost {
        /// The range.
        recovery: Recovery,
        /// Posts of it that were delivered nevertheless.
        posts: u64,
        /// Why.
        reason: LossReason,
    },
}

impl From<RecoveryEvent<'_>> for OwnedRecoveryEvent {
    fn from(event: RecoveryEvent<'_>) -> Self {
        match event {
            RecoveryEvent::Started(recovery) => Self::Started(recovery),
            RecoveryEvent::Message(message) => Self::Message(message.into()),
            RecoveryEvent::Skipped { bytes } => Self::Skipped { bytes },
            RecoveryEvent::Refused(refused) => Self::Refused(refused.into()),
            RecoveryEvent::Disconnected(disconnected) => Self::Disconnected(disconnected),
            RecoveryEvent::Completed { recovery, posts } => Self::Completed { recovery, posts },
            RecoveryEvent::Lost { recovery, posts, reason } => Self::Lost { recovery, posts, reason },
        }
    }
}

impl fmt::Debug for OwnedMessage {
    /// Formats the length instead of the bytes, since Posts do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedMessage").field("bytes", &self.bytes.len()).field("class", &self.class).finish()
    }
}

impl fmt::Debug for OwnedRefused {
    /// Formats the length of the document instead of its text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let document = self.document.len();
        f.debug_struct("OwnedRefused")
            .field("refusal", &self.refusal)
            .field("head", &self.head)
            .field("document", &document)
            .finish()
    }
}
