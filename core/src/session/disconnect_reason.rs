//! The reasons why a connection ended, or could not be established.

use core::fmt;

use super::refusal::Refusal;
use crate::liveness::TimeoutKind;
use crate::stream::connection::{Closed, ConnectionError, ConnectionErrorKind};
use crate::transport_error::TransportError;

/// The reason why a connection ended, or could not be established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The transport failed.
    Transport(TransportError),
    /// A deadline passed.
    Timeout(TimeoutKind),
    /// The peer violated HTTP.
    Protocol(ConnectionError),
    /// The server responded with something other than a stream.
    Refused(Refusal),
    /// The server ended the stream with a complete body.
    Ended,
    /// The server closed the connection before the end of the body.
    Cut,
    /// The server closed the connection before the end of the response head.
    CutInHead,
}

impl DisconnectReason {
    /// Returns a short stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Transport(_) => "fault",
            Self::Timeout(reason) => reason.timeout_code(),
            Self::Protocol(error) => error.kind.code(),
            Self::Refused(_) => "refused",
            Self::Ended => "ended",
            Self::Cut => "cut",
            Self::CutInHead => "cut_in_head",
        }
    }
}

impl DisconnectReason {
    /// Returns the reason for an error of the protocol engine.
    pub(super) const fn of_error(error: ConnectionError) -> Self {
        match error.kind {
            ConnectionErrorKind::Timeout(reason) => Self::Timeout(reason),
            _ => Self::Protocol(error),
        }
    }

    /// Returns the reason after the peer closed the connection.
    pub(super) const fn of_close(closed: Closed) -> Self {
        match closed {
            Closed::Complete | Closed::CompleteByClose { .. } => Self::Ended,
            Closed::Cut { .. } => Self::Cut,
            Closed::CutInHead { .. } => Self::CutInHead,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(fault) => fault.fmt(f),
            Self::Timeout(reason) => f.write_str(reason.expected()),
            Self::Protocol(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Ended => f.write_str("the server ended the stream"),
            Self::Cut => f.write_str("the server closed the connection in mid-stream"),
            Self::CutInHead => {
                f.write_str("the server closed the connection before the end of the response head")
            }
        }
    }
}
