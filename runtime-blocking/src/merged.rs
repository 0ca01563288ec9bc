//! Several connections read by one thread as one stream.

use powerstream_client::config::Connections;
use powerstream_client::merged::{MergedEvent, OwnedMergedEvent};
use powerstream_client::shutdown::Shutdown;
use powerstream_client::transport::{MergedLines, Trust, open_merged};
use powerstream_core::driver::Io;
use powerstream_core::merge::{ConnectionId, Merge, Record};
use powerstream_core::session::Session;
use powerstream_core::time::Instant;

use crate::reactor::{Reading, Sockets};
use crate::reader::{Reader, ReaderConfig};
use crate::stream::OpenError;
use crate::waiter::Waiter;

/// Several connections as one stream for months, read by one thread: each Post once, from whoever brings it first.
///
/// Made by [`Client::merged`](crate::Client::merged). A connection that is dead or backs off keeps nobody waiting. Nothing
/// happens between calls, as with a [`Stream`](crate::Stream).
#[derive(Debug)]
pub struct MergedStream {
    pub(crate) merged: MergedLines<Sockets>,
    pub(crate) shutdown: Shutdown,
    pub(crate) waiter: Waiter,
}

impl MergedStream {
    pub(crate) fn of_client(
        connections: &Connections,
        trust: &Trust,
        reading: Reading,
    ) -> Result<Self, OpenError> {
        let waiter = Waiter::new().map_err(OpenError::Io)?;
        let shutdown = Shutdown::new();
        let sockets = || Sockets::new(&waiter, reading, &shutdown);
        let merged = open_merged(connections, trust, sockets, &shutdown)?;
        Ok(Self { merged, shutdown, waiter })
    }

    /// Waits for the next event and lends it, until the next call; `None` once there will be none: every session gave up,
    /// or was shut down.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot lend; `into_iter` copies")]
    pub fn next(&mut self) -> Option<MergedEvent<'_>> {
        self.waiter.block_on(self.merged.next())
    }

    /// Whether the next event has come already, so that [`Self::next`] will not wait for it. Where it has not is the
    /// place to flush what was made of the events before.
    #[must_use]
    pub fn has_event(&mut self) -> bool {
        self.merged.has_event()
    }

    /// Starts a thread that reads this stream into a queue. See [`Reader`].
    ///
    /// # Errors
    /// [`OpenError`] where there can be no thread, or not on the processor that it is to be kept on.
    pub fn into_reader(self, config: &ReaderConfig) -> Result<Reader<Self>, OpenError> {
        Reader::start(self, config)
    }

    /// Ends all connections from another thread.
    #[must_use]
    pub fn shutdown_handle(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// The connection's name.
    ///
    /// # Panics
    /// Where this stream has no such connection.
    #[must_use]
    pub fn name(&self, connection: ConnectionId) -> &str {
        self.merged.name(connection)
    }

    /// The connection's session: its counters and where it stands.
    ///
    /// # Panics
    /// Where this stream has no such connection.
    #[must_use]
    pub fn session(&self, connection: ConnectionId) -> &Session<Vec<u8>> {
        self.merged.lines()[connection.index()].driven().buffered().session()
    }

    /// The accounts: who won, who lost and by how much.
    #[must_use]
    pub const fn merge(&self) -> &Merge<Vec<u64>, Vec<Record>> {
        self.merged.merge()
    }

    /// The clock that all its events are timed with.
    #[must_use]
    pub fn now(&self) -> Instant {
        // There is one connection at least.
        self.merged.lines()[0].driven().io().now()
    }
}

impl IntoIterator for MergedStream {
    type Item = OwnedMergedEvent;
    type IntoIter = MergedEvents;

    fn into_iter(self) -> MergedEvents {
        MergedEvents(self)
    }
}

/// Owned events of a merged stream, made by [`MergedStream::into_iter`]. One allocation per message.
#[derive(Debug)]
pub struct MergedEvents(MergedStream);

impl MergedEvents {
    /// The stream.
    #[must_use]
    pub const fn stream(&self) -> &MergedStream {
        &self.0
    }
}

impl Iterator for MergedEvents {
    type Item = OwnedMergedEvent;

    fn next(&mut self) -> Option<OwnedMergedEvent> {
        self.0.next().map(OwnedMergedEvent::from)
    }
}
