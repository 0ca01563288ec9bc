//! Why a stream could not be opened.

use std::{fmt, io};

use powerstream_core::merge::MergeError;
use powerstream_core::session::ConfigError;
use powerstream_tls::TlsConfigError;

/// Why a stream or another client could not be opened. No connection was attempted.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration makes no valid request. No built configuration is known to cause this.
    Config(ConfigError),
    /// The origin is `https`, and TLS could not be set up.
    Tls(TlsConfigError),
    /// The connections cannot be merged.
    Merge(MergeError),
    /// The stream has no rules to manage.
    NoRules,
    /// X's connections API does not list the connections of the stream.
    NotListed,
    /// The operating system has no more file descriptors, memory or threads, or it refuses to pin
    /// the thread to the requested processor.
    Io(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Merge(error) => error.fmt(f),
            Self::NoRules => f.write_str("only Powerstream and Filtered Stream have rules"),
            Self::NotListed => f.write_str("X's connections API does not list connections to this stream"),
            Self::Io(error) => write!(f, "the system could not set up a poll or a thread: {error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Tls(error) => Some(error),
            Self::Merge(error) => Some(error),
            Self::NoRules | Self::NotListed => None,
            Self::Io(error) => Some(error),
        }
    }
}
