//! The stream that a blocking program reads.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::io;

use powerstream_core::buffered::{Buffered, READ_BYTES};
use powerstream_core::client::Config;
use powerstream_core::driver::stop::Shutdown;
use powerstream_core::driver::{Driven, Io};
use powerstream_core::owned::OwnedEvent;
use powerstream_core::session::{ConfigError, Session, SessionConfig, SessionEvent};
use powerstream_tls::{TlsConfig, TlsConfigError};

use crate::transport::{Transport, Way, trust};
use crate::waiter::Waiter;

/// One stream for months, read by one thread.
///
/// Nothing happens between calls: connecting, waiting and reading are done in [`Self::next`], by the thread that calls
/// it. A server drops readers that are slow, so whoever does much with a message hands it to another thread.
#[derive(Debug)]
pub struct Stream {
    driven: Driven<Vec<u8>, Vec<u8>, Transport>,
    shutdown: Shutdown,
    waiter: Waiter,
}

impl Stream {
    /// A stream that connects at the first [`Self::next`], without a [`Client`](crate::Client): straight to the origin, for
    /// whoever has a configuration that is lent. Jitter is seeded from the system's randomness. An `https` origin is trusted
    /// as the operating system does, whose CAs are read anew by each call.
    ///
    /// # Errors
    /// [`OpenError`] where the configuration makes no request, the system has no CAs, or no more resources.
    pub fn open(config: &SessionConfig<'_>) -> Result<Self, OpenError> {
        Self::open_seeded(config, system_seed())
    }

    /// As [`Self::open`], with a seed for the jitter.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_seeded(config: &SessionConfig<'_>, seed: u64) -> Result<Self, OpenError> {
        Self::assemble(config, seed, Way::straight(&config.origin, trust(&config.origin, None)?))
    }

    /// As [`Self::open_seeded`], with what is to be trusted where the origin is `https`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_tls(config: &SessionConfig<'_>, seed: u64, tls: &TlsConfig) -> Result<Self, OpenError> {
        Self::assemble(config, seed, Way::straight(&config.origin, trust(&config.origin, Some(tls))?))
    }

    pub(crate) fn of_client(config: &Config, way: Way) -> Result<Self, OpenError> {
        Self::assemble(&config.session(), config.seed().unwrap_or_else(system_seed), way)
    }

    fn assemble(config: &SessionConfig<'_>, seed: u64, way: Way) -> Result<Self, OpenError> {
        let waiter = Waiter::new().map_err(OpenError::Io)?;
        let shutdown = Shutdown::new();
        let transport = way.transport(&waiter, &shutdown);
        // Zeroed, so that pages which no message ever reaches are never given out.
        let storage = vec![0; config.storage_bytes()];
        let session = Session::new(storage, config, seed, transport.now(), transport.unix_now());
        let buffered = Buffered::new(session.map_err(OpenError::Config)?, vec![0; READ_BYTES]);
        Ok(Self { driven: Driven::new(buffered, transport), shutdown, waiter })
    }

    /// Waits for the next event and lends it, until the next call; `None` once there will be none: the session gave
    /// up, or was shut down.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot lend; `into_iter` copies")]
    pub fn next(&mut self) -> Option<SessionEvent<'_>> {
        self.waiter.block_on(self.driven.next())
    }

    /// Whether the next event has come already, so that [`Self::next`] will not wait for it. Where it has not is the
    /// place to flush what was made of the events before.
    ///
    /// ```
    /// # use powerstream_blocking::Stream;
    /// # use std::io::Write;
    /// fn copy(stream: &mut Stream, output: &mut impl Write) -> std::io::Result<()> {
    ///     loop {
    ///         if !stream.has_event() {
    ///             output.flush()?;
    ///         }
    ///         let Some(event) = stream.next() else { return Ok(()) };
    ///         writeln!(output, "{event:?}")?;
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn has_event(&mut self) -> bool {
        self.driven.has_event()
    }

    /// Ends the stream from another thread.
    #[must_use]
    pub fn shutdown_handle(&self) -> Shutdown {
        self.shutdown.clone()
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

/// A seed for the jitter.
fn system_seed() -> u64 {
    // The standard library keys its hash maps from the system's randomness: the one source it offers.
    std::hash::RandomState::new().build_hasher().finish()
}

impl IntoIterator for Stream {
    type Item = OwnedEvent;
    type IntoIter = Events;

    fn into_iter(self) -> Events {
        Events(self)
    }
}

/// Owned events of a stream, made by [`Stream::into_iter`]. One allocation per message.
#[derive(Debug)]
pub struct Events(Stream);

impl Events {
    /// The stream.
    #[must_use]
    pub const fn stream(&self) -> &Stream {
        &self.0
    }
}

impl Iterator for Events {
    type Item = OwnedEvent;

    fn next(&mut self) -> Option<OwnedEvent> {
        self.0.next().map(OwnedEvent::from)
    }
}

/// Why a stream could not be opened. Nothing was connected to.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration makes no request.
    Config(ConfigError),
    /// The origin is `https`, and TLS could not be set up.
    Tls(TlsConfigError),
    /// The system has no more descriptors or memory.
    Io(io::Error),
    /// The stream has no rules to manage.
    NoRules,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Io(error) => write!(f, "the system could not set up a poll: {error}"),
            Self::NoRules => f.write_str(powerstream_core::driver::rules::NO_RULES),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Tls(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::NoRules => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use std::io::{Read, Write};

    #[test]
    fn what_one_read_brought_is_at_hand_and_no_more() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let _ = socket.read(&mut [0; 4_096]).unwrap();
            socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"a\":1}\r\n{\"a\":2}\r\n{\"a\":3").unwrap();
            socket
        });
        let config = Config::builder().base_url(url).build().unwrap();
        let mut stream = Client::new(config).stream().unwrap();
        assert!(!stream.has_event());
        assert!(matches!(stream.next(), Some(SessionEvent::Connected(_))));
        for message in [b"{\"a\":1}", b"{\"a\":2}"] {
            // Asking twice changes nothing.
            assert!(stream.has_event() && stream.has_event());
            let event = stream.next();
            assert!(
                matches!(event, Some(SessionEvent::Message(found)) if found.bytes == message),
                "{event:?}"
            );
        }
        // The third is not whole.
        assert!(!stream.has_event() && !stream.has_event());
        drop(server.join().unwrap());
        assert!(matches!(stream.next(), Some(SessionEvent::Disconnected(_))));
    }
}
