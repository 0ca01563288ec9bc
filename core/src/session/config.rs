//! Which stream, as whom, and how: all that is given to a session when it is made.

use core::fmt;

use crate::backoff::BackoffConfig;
use crate::endpoint::{Endpoint, POWERSTREAM};
use crate::http::chunked::ChunkLimits;
use crate::http::head::HeadLimits;
use crate::http::origin::Origin;
use crate::http::request::{BearerToken, DEFAULT_USER_AGENT, RequestError};
use crate::liveness::Timeouts;
use crate::stream::connection::ConnectionConfig;

/// Which stream, as whom, and how. It is read while the session is made, and not kept.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SessionConfig<'a> {
    /// Where the stream is.
    pub origin: Origin<'a>,
    /// The `Host` field, where it is not the origin's: behind a tunnel or proxy on this machine that hands on what it
    /// is given, it is the server's name. Default `None`.
    pub host: Option<&'a str>,
    /// The stream.
    pub endpoint: Endpoint<'a>,
    /// Further query parameters, such as `partition` or the fields of a v2 stream.
    pub query: &'a [(&'a str, &'a str)],
    /// Ask for Posts of the datacenter connected to only (`localDcOnly`), where the endpoint knows that.
    pub local_dc_only: bool,
    /// Who asks.
    pub token: Option<BearerToken<'a>>,
    /// Name and version of the client.
    pub user_agent: &'a str,
    /// Ask for the last minutes again after a gap. Needs the entitlement: without it X answers 400, and the session
    /// ends. Default off.
    pub backfill: bool,
    /// Longest message. Default 1 MiB; see [`ConnectionConfig::message_bytes_max`].
    pub message_bytes_max: usize,
    /// Bounds on the head.
    pub head: HeadLimits,
    /// Bounds on the chunked coding.
    pub chunk: ChunkLimits,
    /// The deadlines.
    pub timeouts: Timeouts,
    /// The schedules.
    pub backoff: BackoffConfig,
}

impl<'a> SessionConfig<'a> {
    /// Powerstream at `origin`, with every default.
    #[must_use]
    pub fn new(origin: Origin<'a>) -> Self {
        let connection = ConnectionConfig::default();
        Self {
            origin,
            host: None,
            endpoint: POWERSTREAM,
            query: &[],
            local_dc_only: false,
            token: None,
            user_agent: DEFAULT_USER_AGENT,
            backfill: false,
            message_bytes_max: connection.message_bytes_max,
            head: connection.head,
            chunk: connection.chunk,
            timeouts: connection.timeouts,
            backoff: BackoffConfig::default(),
        }
    }

    /// ByteCounts of storage that a session needs: a message of [`Self::message_bytes_max`] in front, and the request, some
    /// 5 KiB, behind.
    #[must_use]
    pub fn storage_bytes(&self) -> usize {
        self.request_start().saturating_add(self.request_bytes())
    }

    /// Where in the storage the request lies: behind the longest message, and behind room for a copy of itself.
    pub(super) fn request_start(&self) -> usize {
        self.message_bytes_max.saturating_add(1).max(self.request_bytes())
    }

    /// Returns how each connection reads.
    pub(super) const fn connection(&self) -> ConnectionConfig {
        ConnectionConfig {
            message_bytes_max: self.message_bytes_max,
            head: self.head,
            chunk: self.chunk,
            timeouts: self.timeouts,
        }
    }

    /// The value of the `Host` field.
    pub(super) fn authority(&self) -> &'a str {
        self.host.unwrap_or(self.origin.authority())
    }

    fn request_bytes(&self) -> usize {
        let query: usize = self.query.iter().map(|(name, value)| 2 + 3 * (name.len() + value.len())).sum();
        REQUEST_BYTES + self.authority().len() + self.endpoint.path.len() + self.user_agent.len() + query
    }
}

/// Room for the fixed parts of a request, a token and a backfill parameter.
const REQUEST_BYTES: usize = 4_096 + 1_024;

/// Why a session could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The request would not be well-formed.
    Request(RequestError),
    /// The storage is shorter than [`SessionConfig::storage_bytes`].
    Storage {
        /// ByteCounts needed.
        needed: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => error.fmt(f),
            Self::Storage { needed } => write!(f, "the session needs {needed} bytes of storage"),
        }
    }
}

impl core::error::Error for ConfigError {}
