//! The stream that a blocking program reads.

use std::fmt;
use std::io;

use powerstream_core::client::Config;
use powerstream_core::driver::Io;
use powerstream_core::driver::stop::Shutdown;
use powerstream_core::merge::MergeError;
use powerstream_core::owned::OwnedEvent;
use powerstream_core::session::{ConfigError, Session, SessionEvent};
use powerstream_tls::TlsConfigError;
use powerstream_tls::transport::{self, Line, Trust, open};

use crate::pin::PinError;
use crate::reactor::{Reading, Sockets};
use crate::reader::{Reader, ReaderConfig};
use crate::waiter::Waiter;

/// One stream for months, read by one thread.
///
/// Nothing happens between calls: connecting, waiting and reading are done in [`Self::next`], by the thread that calls
/// it. A server drops readers that are slow, so whoever does much with a message hands it to another thread.
#[derive(Debug)]
pub struct Stream {
    pub(crate) line: Line<Sockets>,
    pub(crate) shutdown: Shutdown,
    pub(crate) waiter: Waiter,
}

impl Stream {
    pub(crate) fn of_client(config: &Config, trust: &Trust, reading: Reading) -> Result<Self, OpenError> {
        let waiter = Waiter::new().map_err(OpenError::Io)?;
        let shutdown = Shutdown::new();
        let sockets = Sockets::new(&waiter, reading, &shutdown);
        Ok(Self { line: open(config, trust, sockets, &shutdown)?, shutdown, waiter })
    }

    /// Waits for the next event and lends it, until the next call; `None` once there will be none: the session gave
    /// up, or was shut down.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot lend; `into_iter` copies")]
    pub fn next(&mut self) -> Option<SessionEvent<'_>> {
        self.waiter.block_on(self.line.next())
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
        self.line.find_next()
    }

    /// Starts a thread that reads this stream into a queue. See [`Reader`].
    ///
    /// # Errors
    /// [`OpenError`] where there can be no thread, or not on the processor that it is to be kept on.
    pub fn into_reader(self, config: &ReaderConfig) -> Result<Reader<Self>, OpenError> {
        Reader::start(self, config)
    }

    /// Ends the stream from another thread.
    #[must_use]
    pub fn shutdown_handle(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// The session: its counters and where it stands.
    #[must_use]
    pub fn session(&self) -> &Session<Vec<u8>> {
        self.line.buffered().session()
    }

    /// The clock that this stream's events are timed with.
    #[must_use]
    pub fn now(&self) -> powerstream_core::time::Instant {
        self.line.io().now()
    }
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
    /// The connections cannot be merged.
    Merge(MergeError),
    /// The stream has no rules to manage.
    NoRules,
    /// The reader's thread could not be kept on its processor.
    Pin(PinError),
    /// The system has no more descriptors or memory.
    Io(io::Error),
}

impl From<transport::OpenError> for OpenError {
    fn from(error: transport::OpenError) -> Self {
        match error {
            transport::OpenError::Config(error) => Self::Config(error),
            transport::OpenError::Tls(error) => Self::Tls(error),
            transport::OpenError::Merge(error) => Self::Merge(error),
            // Not met: there are these three.
            error => Self::Io(io::Error::other(error)),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Merge(error) => error.fmt(f),
            Self::NoRules => f.write_str(powerstream_core::driver::rules::NO_RULES),
            Self::Pin(error) => error.fmt(f),
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
            Self::Pin(error) => Some(error),
            Self::NoRules => None,
            Self::Io(error) => Some(error),
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
