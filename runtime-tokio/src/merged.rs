//! Several connections as one stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use powerstream_client::merged::{MergedEvent, OwnedMergedEvent};
use powerstream_client::queue::{QueueConfig, Receiver, Sender, pump, queue};
use powerstream_client::shutdown::Shutdown;
use powerstream_client::transport::MergedLines;
use powerstream_core::driver::Io;
use powerstream_core::merge::{ConnectionId, Merge, Record};
use powerstream_core::session::Session;
use powerstream_core::time::Instant;
use tokio::task::JoinHandle;

use crate::reactor::Tokio;

/// Several connections as one stream, read by one task: each Post once, from whoever brings it first.
///
/// A connection that is dead does not disturb the others. As with [`Stream`](crate::Stream), nothing happens between calls; it is also a
/// [`futures_core::Stream`] of owned events.
#[derive(Debug)]
pub struct MergedStream {
    merged: MergedLines<Tokio>,
    shutdown: Shutdown,
}

impl MergedStream {
    pub(crate) const fn new(merged: MergedLines<Tokio>, shutdown: Shutdown) -> Self {
        Self { merged, shutdown }
    }

    /// Waits for the next event and lends it, until the next call; `None` once there will be none: each session gave up, or
    /// all were shut down.
    ///
    /// Dropping the future at any await loses nothing and starts nothing twice.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without its I/O and time drivers.
    pub async fn next(&mut self) -> Option<MergedEvent<'_>> {
        self.merged.next().await
    }

    /// Whether the next event has come already, so that [`Self::next`] will not wait for it.
    #[must_use]
    pub fn has_event(&mut self) -> bool {
        self.merged.has_event()
    }

    /// Has a task of its own read the stream, whatever the consumer does, and hands its events over by a queue: the server drops
    /// readers that are slow. What happens when the queue is full is [`QueueConfig::overflow`].
    ///
    /// The task ends with the stream, with [`Self::shutdown_handle`] (ask for it before), or with the receiver, and gives the stream back, for
    /// its counters.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn queued(self, config: QueueConfig) -> (Receiver<OwnedMergedEvent>, JoinHandle<Self>) {
        let (sender, receiver) = queue(config);
        (receiver, tokio::spawn(self.pump(sender)))
    }

    /// Reads the stream into a queue until it is over, and gives it back: what [`Self::queued`] does, for an executor, a queue or a way to
    /// spawn of one's own.
    pub async fn pump(self, sender: Sender<OwnedMergedEvent>) -> Self {
        let Self { merged, shutdown } = self;
        let merged = pump(merged, sender, shutdown.listen()).await;
        Self { merged, shutdown }
    }

    /// Ends all connections, from another task or thread.
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

impl futures_core::Stream for MergedStream {
    type Item = OwnedMergedEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OwnedMergedEvent>> {
        self.merged.poll_next(cx).map(|event| event.map(OwnedMergedEvent::from))
    }
}
