//! The stream that an async program reads.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::pin::Pin;
use std::task::{Context, Poll};

use powerstream_core::client::Config;
use powerstream_core::driver::stop::Shutdown;
use powerstream_core::driver::{Driven, Io};
use powerstream_core::owned::OwnedEvent;
use powerstream_core::session::{ConfigError, Session, SessionEvent};

use crate::transport::{self, Transport};

/// One stream for months, read by one task.
///
/// Nothing happens between calls: connecting, waiting and reading are done in [`Self::next`], by the task that awaits it.
/// A server drops readers that are slow, so whoever does much with a message hands it to another task.
///
/// It is also a [`futures_core::Stream`] of owned events, for combinators; that costs one allocation per message.
#[derive(Debug)]
pub struct Stream {
    driven: Driven<Vec<u8>, Vec<u8>, Transport>,
}

impl Stream {
    pub(crate) fn open(config: &Config) -> Result<Self, OpenError> {
        let transport = transport::connect(config, &Shutdown::new())?;
        // The standard library keys its hash maps from the system's randomness: the one source it offers.
        let seed = config.seed().unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish());
        let buffered = config.open(seed, transport.now(), transport.unix_now()).map_err(OpenError::Config)?;
        Ok(Self { driven: Driven::new(buffered, transport) })
    }

    /// Waits for the next event and lends it, until the next call; `None` once there will be none: the session gave
    /// up, or was shut down.
    ///
    /// Dropping the future at any await loses nothing and starts nothing twice: it may stand in a `select!`.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without its I/O and time drivers.
    pub async fn next(&mut self) -> Option<SessionEvent<'_>> {
        self.driven.next().await
    }

    /// Whether the next event has come already, so that [`Self::next`] will not wait for it. Where it has not is the
    /// place to flush what was made of the events before.
    #[must_use]
    pub fn has_event(&mut self) -> bool {
        self.driven.has_event()
    }

    /// Ends the stream from another task or thread.
    #[must_use]
    pub fn shutdown_handle(&self) -> Shutdown {
        transport::shutdown(self.driven.io())
    }

    /// The session: its counters and where it stands.
    #[must_use]
    pub fn session(&self) -> &Session<Vec<u8>> {
        self.driven.buffered().session()
    }

    /// The clock that this stream's events are timed with.
    #[must_use]
    pub fn now(&self) -> powerstream_core::time::Instant {
        self.driven.io().now()
    }
}

impl futures_core::Stream for Stream {
    type Item = OwnedEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OwnedEvent>> {
        self.driven.poll_next(cx).map(|event| event.map(OwnedEvent::from))
    }
}

/// Why a stream could not be opened. Nothing was connected to.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration makes no request.
    Config(ConfigError),
    /// The origin is `https`, and this build has no TLS.
    NoTls,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::NoTls => f.write_str(
                "https is not supported yet: put a TLS tunnel on this machine and use http://localhost",
            ),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::NoTls => None,
        }
    }
}
