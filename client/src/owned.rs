//! Owned copies of events, for whoever keeps them: queues, iterators, other threads. One allocation per message, which
//! clones share: whoever hands a message to several takers copies nothing.

use std::fmt;
use std::string::String;

use bytes::Bytes;
use powerstream_core::http::ResponseHead;
use powerstream_core::session::{Disconnected, Gap, GaveUp, Late, Refusal, SessionEvent};
use powerstream_core::stream::{Classification, Kind, PostId};
use powerstream_core::time::UnixTime;

/// A [`SessionEvent`] that owns its bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OwnedEvent {
    /// A stream has begun.
    Connected(OwnedConnected),
    /// A message.
    Message(OwnedMessage),
    /// The server is alive.
    KeepAlive,
    /// A message over the limit was passed over.
    Skipped {
        /// Its octets.
        bytes: u64,
    },
    /// The first live Post after a gap has come: the gap again, with what it proves of its end.
    Resumed(Gap),
    /// The reader or the path is late. Once for each episode.
    Late(Late),
    /// The server answered with something other than a stream.
    Refused(OwnedRefused),
    /// A connection ended, or was not made. The next attempt is set.
    Disconnected(Disconnected),
    /// The session is over: asking again cannot cure the cause.
    GaveUp(GaveUp),
}

/// A message and what it is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedMessage {
    /// The message, byte for byte, without its delimiter.
    pub bytes: Bytes,
    /// What it is, as far as it had to be read.
    pub class: Classification,
}

impl OwnedMessage {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.class.kind
    }

    /// The Post's id.
    #[must_use]
    pub const fn id(&self) -> Option<PostId> {
        self.class.post_id
    }
}

/// A stream has begun.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OwnedConnected {
    /// What the core read in the response's head.
    pub head: ResponseHead,
    /// The datacenter that answers, where the head names it.
    pub datacenter: Option<String>,
    /// The gap before this stream, if there was a stream before.
    pub gap: Option<Gap>,
    /// Minutes that were asked for again; 0 for none.
    pub backfill_minutes: u8,
    /// See [`Connected::server_earliest`](powerstream_core::session::Connected::server_earliest).
    pub server_earliest: UnixTime,
    /// See [`Connected::server_latest`](powerstream_core::session::Connected::server_latest).
    pub server_latest: UnixTime,
}

/// The server answered with something other than a stream.
#[derive(Clone)]
#[non_exhaustive]
pub struct OwnedRefused {
    /// What it means.
    pub refusal: Refusal,
    /// What the core read in the response's head.
    pub head: ResponseHead,
    /// The first 64 KiB of the body: the server's own words, to be escaped before a person sees them.
    pub document: Bytes,
}

impl From<SessionEvent<'_>> for OwnedEvent {
    fn from(event: SessionEvent<'_>) -> Self {
        match event {
            SessionEvent::Connected(connected) => Self::Connected(OwnedConnected {
                head: *connected.head.parsed(),
                datacenter: connected.head.datacenter().map(String::from),
                gap: connected.gap,
                backfill_minutes: connected.backfill_minutes,
                server_earliest: connected.server_earliest,
                server_latest: connected.server_latest,
            }),
            SessionEvent::Message(message) => Self::Message(OwnedMessage {
                bytes: Bytes::copy_from_slice(message.bytes),
                class: message.class,
            }),
            SessionEvent::KeepAlive => Self::KeepAlive,
            SessionEvent::Skipped { bytes } => Self::Skipped { bytes },
            SessionEvent::Resumed(gap) => Self::Resumed(gap),
            SessionEvent::Late(late) => Self::Late(late),
            SessionEvent::Refused(refused) => Self::Refused(OwnedRefused {
                refusal: refused.refusal,
                head: *refused.head.parsed(),
                document: Bytes::copy_from_slice(refused.document),
            }),
            SessionEvent::Disconnected(disconnected) => Self::Disconnected(disconnected),
            SessionEvent::GaveUp(gave_up) => Self::GaveUp(gave_up),
            other => unreachable!("the crates are released together, and this event is new: {other:?}"),
        }
    }
}

impl fmt::Debug for OwnedMessage {
    /// Tells the length: a Post is not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedMessage").field("bytes", &self.bytes.len()).field("class", &self.class).finish()
    }
}

impl fmt::Debug for OwnedRefused {
    /// Tells the document's length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let document = self.document.len();
        f.debug_struct("OwnedRefused")
            .field("refusal", &self.refusal)
            .field("head", &self.head)
            .field("document", &document)
            .finish()
    }
}
