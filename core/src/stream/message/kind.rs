//! The kinds of messages, and the id of a Post.

use core::fmt;

use super::problem::Problem;
use crate::stream::json::Malformed;
use crate::time::UnixTime;

/// The kind of a message. The service adds kinds without notice: [`Kind::Unknown`] is a normal
/// result and does not justify a disconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A Post.
    #[non_exhaustive]
    Post {
        /// The Post's format.
        format: Format,
        /// True if an `errors` array came before `data`: parts of the requested data were not
        /// available. The Post is valid and the stream continues (X docs: "Response codes and
        /// errors", partial errors). Always false if the array follows `data`, because reading
        /// stops at `data`.
        partial_errors: bool,
    },
    /// A v2 envelope whose `data` object has no `id` and no compliance event.
    #[non_exhaustive]
    Envelope {
        /// As in [`Kind::Post`].
        partial_errors: bool,
    },
    /// An array: one message on the wire whose [`elements`](super::elements) are messages.
    Array,
    /// The datacenter that serves the connection, see
    /// [`ConnectionMetadata`](super::ConnectionMetadata) (X docs: "Powerstream", `localDcOnly`).
    ConnectionMetadata,
    /// `errors` without `data`: the service ends the stream, or refuses it (X docs: "Handling
    /// disconnections"). The details are those of the first element with a `disconnect_type` or
    /// `connection_issue`, else of the first one. Missing details are taken from the object around
    /// the array.
    StreamError(Problem),
    /// A problem object on its own, the usual body of an HTTP error (X docs: "Response codes and
    /// errors").
    Problem(Problem),
    /// A message of PowerTrack and related products about the connection (X docs: "PowerTrack API",
    /// consuming streaming data).
    System(System),
    /// v1.1: the service is about to close (X docs: "Streaming message types", disconnect
    /// messages).
    #[non_exhaustive]
    Disconnect {
        /// The reason's number, 1 to 14 in the documentation.
        code: Option<u32>,
    },
    /// v1.1: the client reads too slowly (X docs: "Streaming message types", stall warnings).
    Warning,
    /// v1.1: Posts were held back (X docs: "Streaming message types", limit notices).
    #[non_exhaustive]
    Limit {
        /// The number of Posts held back since the connection was opened.
        track: Option<u64>,
    },
    /// A deletion, withholding or edit. Applications that store Posts must honor it.
    #[non_exhaustive]
    Compliance {
        /// What happened.
        event: Compliance,
        /// The format: legacy if the event is a top-level key, v2 if it is a key of `data`.
        format: Format,
    },
    /// Messages of the former user and site streams (X docs: "Streaming message types").
    UserStream,
    /// JSON of an unknown kind, or nested deeper than [`DEPTH_MAX`](crate::stream::DEPTH_MAX)
    /// before the kind was decided.
    Unknown,
    /// Not a JSON text, as far as it was read.
    Malformed(Malformed),
}

/// The two families of message formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// v1.1, PowerTrack and Powerstream: the object is the Post.
    Legacy,
    /// API v2: the Post is in `data`.
    V2,
}

/// The three messages of PowerTrack and related products about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum System {
    /// `error`: a close follows.
    Error,
    /// `warn`: a close may follow.
    Warn,
    /// `info`: for example the end of a recovery.
    Info,
}

/// Compliance events (X docs: "Compliance firehose API"; "Streaming message types"; for v2
/// "Compliance streams").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compliance {
    /// `delete`
    Delete,
    /// `scrub_geo`
    ScrubGeo,
    /// `status_withheld`, not in v2
    StatusWithheld,
    /// `withheld`, v2 only
    Withheld,
    /// `user_withheld`
    UserWithheld,
    /// `drop`
    Drop,
    /// `undrop`
    Undrop,
    /// `user_delete`
    UserDelete,
    /// `user_undelete`
    UserUndelete,
    /// `user_protect`
    UserProtect,
    /// `user_unprotect`
    UserUnprotect,
    /// `user_suspend`
    UserSuspend,
    /// `user_unsuspend`
    UserUnsuspend,
    /// `tweet_edit`
    TweetEdit,
    /// `user_profile_modification`, v2 only
    UserProfileModification,
    /// `public_tweet_notice`, v2 only
    PublicTweetNotice,
    /// `public_tweet_unviewable`, v2 only
    PublicTweetUnviewable,
}

impl Compliance {
    /// Returns the event that a key of `data` names.
    pub(super) fn v2(key: &[u8]) -> Option<Self> {
        match key {
            b"withheld" => Some(Self::Withheld),
            b"user_profile_modification" => Some(Self::UserProfileModification),
            b"public_tweet_notice" => Some(Self::PublicTweetNotice),
            b"public_tweet_unviewable" => Some(Self::PublicTweetUnviewable),
            _ => Self::common(key),
        }
    }

    /// Returns the event that a key names at the top level and in `data`.
    pub(super) fn common(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"delete" => Self::Delete,
            b"scrub_geo" => Self::ScrubGeo,
            b"user_withheld" => Self::UserWithheld,
            b"drop" => Self::Drop,
            b"undrop" => Self::Undrop,
            b"user_delete" => Self::UserDelete,
            b"user_undelete" => Self::UserUndelete,
            b"user_protect" => Self::UserProtect,
            b"user_unprotect" => Self::UserUnprotect,
            b"user_suspend" => Self::UserSuspend,
            b"user_unsuspend" => Self::UserUnsuspend,
            b"tweet_edit" => Self::TweetEdit,
            _ => return None,
        })
    }
}

/// The id of a Post: an unsigned 64-bit number (X docs: "X IDs"). Ids are ordered by time, within a
/// second or so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PostId(u64);

impl PostId {
    /// The first id that contains its creation time. Earlier ids, up to November 2010, were
    /// sequential.
    const SNOWFLAKE_MIN: u64 = 29_700_859_247;

    /// The epoch of the time in an id, in milliseconds since 1970: 2010-11-04T01:42:54.657Z.
    const SNOWFLAKE_EPOCH: u64 = 1_288_834_974_657;

    /// Creates the id with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Returns when the Post was created, in milliseconds: the upper 42 bits of the id (X docs: "X
    /// IDs"). `None` for ids from before November 2010, which contain no time.
    ///
    /// ```
    /// use powerstream_core::stream::PostId;
    ///
    /// let created = PostId::new(1_050_118_621_198_921_728).created_at();
    /// assert_eq!(created.map(|time| time.as_millis()), Some(1_539_202_764_211));
    /// assert_eq!(PostId::new(20).created_at(), None);
    /// ```
    #[must_use]
    pub const fn created_at(self) -> Option<UnixTime> {
        if self.0 < Self::SNOWFLAKE_MIN {
            return None;
        }
        Some(UnixTime::from_millis((self.0 >> 22) + Self::SNOWFLAKE_EPOCH))
    }
}

impl fmt::Display for PostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
