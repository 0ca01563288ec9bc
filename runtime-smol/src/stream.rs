//! The stream that an async program reads.

use std::pin::Pin;
use std::task::{Context, Poll};

use powerstream_core::driver::Io;
use powerstream_core::driver::stop::Shutdown;
use powerstream_core::owned::OwnedEvent;
use powerstream_core::queue::{QueueConfig, Receiver, Sender, pump, queue};
use powerstream_core::session::{Session, SessionEvent};
use powerstream_core::time::Instant;
use powerstream_tls::transport::{Line, shutdown_handle};
use smol::Task;

use crate::reactor::Smol;

/// One stream for months, read by one task.
///
/// Nothing happens between calls: connecting, waiting and reading are done in [`Self::next`], by the task that awaits it.
/// A server drops readers that are slow, so whoever does much with a message hands it to another task.
///
/// It is also a [`futures_core::Stream`] of owned events, for combinators; that costs one allocation per message.
#[derive(Debug)]
pub struct Stream {
    line: Line<Smol>,
}

impl Stream {
    pub(crate) const fn new(line: Line<Smol>) -> Self {
        Self { line }
    }

    /// Waits for the next event and lends it, until the next call; `None` once there will be none: the session gave
    /// up, or was shut down.
    ///
    /// Dropping the future at any await loses nothing and starts nothing twice: it may stand in a `select!`.
    ///
    pub async fn next(&mut self) -> Option<SessionEvent<'_>> {
        self.line.next().await
    }

    /// Whether the next event has come already, so that [`Self::next`] will not wait for it. Where it has not is the
    /// place to flush what was made of the events before.
    #[must_use]
    pub fn has_event(&mut self) -> bool {
        self.line.find_next()
    }

    /// Has a task of its own read the stream, on the global executor, whatever the consumer does, and hands its events over by a queue: the
    /// server drops readers that are slow. What happens when the queue is full is [`QueueConfig::overflow`].
    ///
    /// The task ends with the stream, with [`Self::shutdown_handle`] (ask for it before), or with the receiver, and gives the stream back, for
    /// its counters. Dropping it drops the stream: what is queued can still be taken.
    pub fn queued(self, config: QueueConfig) -> (Receiver<OwnedEvent>, Task<Self>) {
        let (sender, receiver) = queue(config);
        (receiver, smol::spawn(self.pump(sender)))
    }

    /// Reads the stream into a queue until it is over, and gives it back: what [`Self::queued`] does, for an executor, a queue or a way to
    /// spawn of one's own.
    pub async fn pump(self, sender: Sender<OwnedEvent>) -> Self {
        let stop = self.shutdown_handle().listen();
        Self::new(pump(self.line, sender, stop).await)
    }

    /// Ends the stream from another task or thread.
    #[must_use]
    pub fn shutdown_handle(&self) -> Shutdown {
        shutdown_handle(&self.line)
    }

    /// The session: its counters and where it stands.
    #[must_use]
    pub fn session(&self) -> &Session<Vec<u8>> {
        self.line.buffered().session()
    }

    /// The clock that this stream's events are timed with.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.line.io().now()
    }
}

impl futures_core::Stream for Stream {
    type Item = OwnedEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OwnedEvent>> {
        self.line.poll_next(cx).map(|event| event.map(OwnedEvent::from))
    }
}
