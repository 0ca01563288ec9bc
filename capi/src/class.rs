//! What a message is.

use std::ffi::c_void;

use powerstream_core::stream::{Classification, Format, Kind, classify};

use crate::border::{bytes, guard, put};
use crate::status::ps_status;

/// The kinds of messages. The service adds kinds without notice.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_kind {
    /// JSON of an unknown kind. A normal result.
    Unknown = 0,
    /// A Post.
    Post = 1,
    /// An object with `data` that is no Post.
    Envelope = 2,
    /// An array of messages.
    Array = 3,
    /// The datacenter that serves the connection.
    ConnectionMetadata = 4,
    /// Errors of the stream. The service is about to close.
    StreamError = 5,
    /// A problem object.
    Problem = 6,
    /// A message of the service about the connection: error, warn or info.
    System = 7,
    /// The service is about to close (version 1.1).
    Disconnect = 8,
    /// The client reads too slowly (version 1.1).
    Warning = 9,
    /// Posts were held back (version 1.1).
    Limit = 10,
    /// A deletion, withholding or edit. Applications that store Posts must honor it.
    Compliance = 11,
    /// A message of the former user streams.
    UserStream = 12,
    /// Not JSON, as far as it was read.
    Malformed = 13,
}

/// The formats of Posts.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_format {
    /// The message is no Post.
    None = 0,
    /// Powerstream and PowerTrack: the object is the Post.
    Legacy = 1,
    /// API version 2: the Post is in `data`.
    V2 = 2,
}

/// What a message is, and the id of a Post.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ps_class {
    /// The kind of the message.
    pub kind: ps_kind,
    /// The format, if the message is a Post.
    pub format: ps_format,
    /// The id of the Post, if `has_post_id`; otherwise 0.
    pub post_id: u64,
    /// True if the message is a Post with an id.
    pub has_post_id: bool,
    /// True if `errors` came before the data of a version 2 message: parts of it are missing.
    pub partial_errors: bool,
}

impl ps_class {
    pub(crate) const NONE: Self = Self {
        kind: ps_kind::Unknown,
        format: ps_format::None,
        post_id: 0,
        has_post_id: false,
        partial_errors: false,
    };
}

impl From<&Kind> for ps_kind {
    #[inline]
    fn from(kind: &Kind) -> Self {
        match kind {
            Kind::Post { .. } => Self::Post,
            Kind::Envelope { .. } => Self::Envelope,
            Kind::Array => Self::Array,
            Kind::ConnectionMetadata => Self::ConnectionMetadata,
            Kind::StreamError(_) => Self::StreamError,
            Kind::Problem(_) => Self::Problem,
            Kind::System(_) => Self::System,
            Kind::Disconnect { .. } => Self::Disconnect,
            Kind::Warning => Self::Warning,
            Kind::Limit { .. } => Self::Limit,
            Kind::Compliance { .. } => Self::Compliance,
            Kind::UserStream => Self::UserStream,
            Kind::Malformed(_) => Self::Malformed,
            // The service's unknown kinds, and kinds that a later core may add.
            _ => Self::Unknown,
        }
    }
}

impl From<&Classification> for ps_class {
    #[inline]
    fn from(class: &Classification) -> Self {
        let (format, partial_errors) = match class.kind {
            Kind::Post { format: Format::Legacy, partial_errors, .. } => (ps_format::Legacy, partial_errors),
            Kind::Post { partial_errors, .. } => (ps_format::V2, partial_errors),
            Kind::Envelope { partial_errors, .. } => (ps_format::None, partial_errors),
            _ => (ps_format::None, false),
        };
        Self {
            kind: (&class.kind).into(),
            format,
            post_id: class.post_id.map_or(0, |id| id.as_u64()),
            has_post_id: class.post_id.is_some(),
            partial_errors,
        }
    }
}

/// Classifies a message. Reads no further than necessary, about 70 bytes of a Post. UTF-8 is not
/// checked. Any thread.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_classify(message: *const c_void, len: usize, what: *mut ps_class) -> ps_status {
    guard(|| {
        if what.is_null() {
            return Err(ps_status::Null.into());
        }
        // SAFETY: the caller passes `len` readable bytes, and a place for the result.
        unsafe { put(what, (&classify(bytes(message, len)?)).into()) };
        Ok(ps_status::Ok)
    })
}
