//! The configuration of a session.

use core::fmt;

use crate::backoff::BackoffConfig;
use crate::endpoint::{Endpoint, POWERSTREAM};
use crate::http::chunked::ChunkLimits;
use crate::http::head::HeadLimits;
use crate::http::origin::Origin;
use crate::http::request::{BearerToken, DEFAULT_USER_AGENT, RequestError};
use crate::liveness::Timeouts;
use crate::stream::connection::ConnectionConfig;

/// The configuration of a session. The session reads it once and does not keep it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SessionConfig<'a> {
    /// The origin of the stream.
    pub origin: Origin<'a>,
    /// The `Host` field, if it differs from the origin. With a local tunnel or proxy that forwards
    /// requests unchanged, set it to the server's name. Default: `None`.
    pub host: Option<&'a str>,
    /// The stream endpoint. Default: Powerstream.
    pub endpoint: Endpoint<'a>,
    /// Additional query parameters, such as `partition` or the fields of a v2 stream.
    pub query: &'a [(&'a str, &'a str)],
    /// Asks only for Posts of the connected datacenter (`localDcOnly`), if the endpoint supports
    /// it. Default: false.
    pub local_dc_only: bool,
    /// The bearer token. Default: `None`.
    pub token: Option<BearerToken<'a>>,
    /// The name and version of the client.
    pub user_agent: &'a str,
    /// Asks for backfill after a gap. The app must be entitled to it; otherwise X responds with
    /// 400, and the session continues without backfill. Default: false.
    pub backfill: bool,
    /// The maximum length of a message in bytes. Default: 1 MiB; see
    /// [`ConnectionConfig::message_bytes_max`].
    pub message_bytes_max: usize,
    /// Limits of the response head.
    pub head: HeadLimits,
    /// Limits of the chunked coding.
    pub chunk: ChunkLimits,
    /// The timeouts.
    pub timeouts: Timeouts,
    /// The backoff schedules.
    pub backoff: BackoffConfig,
}

impl<'a> SessionConfig<'a> {
    /// Creates a configuration for Powerstream at `origin`, with default values.
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

    /// Returns the storage that a session needs, in bytes: a message of
    /// [`Self::message_bytes_max`], followed by the request of about 5 KiB.
    #[must_use]
    pub fn storage_bytes(&self) -> usize {
        self.request_start().saturating_add(self.request_bytes())
    }

    /// Returns the offset of the request in the storage. The space before it holds the longest
    /// message or a copy of the request, whichever is longer.
    pub(super) fn request_start(&self) -> usize {
        self.message_bytes_max.saturating_add(1).max(self.request_bytes())
    }

    /// Returns the configuration of each connection.
    pub(super) const fn connection(&self) -> ConnectionConfig {
        ConnectionConfig {
            message_bytes_max: self.message_bytes_max,
            head: self.head,
            chunk: self.chunk,
            timeouts: self.timeouts,
        }
    }

    /// Returns the value of the `Host` field.
    pub(super) fn authority(&self) -> &'a str {
        self.host.unwrap_or(self.origin.authority())
    }

    fn request_bytes(&self) -> usize {
        let query: usize = self.query.iter().map(|(name, value)| 2 + 3 * (name.len() + value.len())).sum();
        REQUEST_BYTES + self.authority().len() + self.endpoint.path.len() + self.user_agent.len() + query
    }
}

/// Storage for the fixed parts of a request, a token and a backfill parameter.
const REQUEST_BYTES: usize = 4_096 + 1_024;

/// Why a session could not be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The request would be invalid.
    Request(RequestError),
    /// The storage is shorter than [`SessionConfig::storage_bytes`].
    Storage {
        /// The required length in bytes.
        needed: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => error.fmt(f),
            Self::Storage { needed } => {
                write!(f, "the session needs {needed} bytes of storage; see SessionConfig::storage_bytes")
            }
        }
    }
}

impl core::error::Error for ConfigError {}
