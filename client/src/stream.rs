//! The stream that a program reads, on any runtime.

use std::future::{Future, poll_fn};
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec::Vec;

use powerstream_core::driver::Io;
use powerstream_core::merge::{ConnectionId, ConnectionStats, Merge, ReplicaGroup};
use powerstream_core::monitor::{GapMonitor, Monitor};
use powerstream_core::session::Session;
use powerstream_core::time::Instant;

use crate::error::OpenError;
use crate::merged::Position;
use crate::queue::{EventSource, QueueConfig, Receiver, Sender, pump, queue};
use crate::runtime::{BlockingRuntime, Runtime};
use crate::shutdown::ShutdownHandle;
use crate::transport::{DedupedSession, MergedSessions};

/// A stream of events, created by [`Client::stream`](crate::client::Client::stream). It reconnects
/// by itself and may run for months. [`MergedStream`] reads several connections as one stream.
///
/// Each Post is delivered once. The service sends Posts again after a reconnect with backfill, and
/// X removes no duplicates. A window of ids removes them here, up to its size
/// ([`dedup_window`](crate::config::ConfigBuilder::dedup_window)). See
/// [`keep_duplicates`](crate::config::ConfigBuilder::keep_duplicates) for a stream without it.
///
/// Nothing happens between calls. [`Self::next`] connects, waits and reads, on the task or thread
/// that calls it. The server disconnects slow readers, so give long work to another task or thread:
/// [`Self::queued`] does so.
///
/// On an async runtime, it is also a [`futures_core::Stream`] of owned events. On a blocking
/// runtime, it converts into an iterator of them. Both cost one allocation per message.
#[derive(Debug)]
pub struct Stream<R: Runtime, S = DedupedSession<<R as Runtime>::Reactor>> {
    source: S,
    /// True if [`Self::next`] lent the current event of `source`.
    lent: bool,
    shutdown: ShutdownHandle,
    executor: R::Executor,
}

/// Several connections as one stream, made by [`Client::merged`](crate::client::Client::merged):
/// each Post once, from the connection that delivers it first.
///
/// A connection that is down or backs off does not delay the others.
pub type MergedStream<R> = Stream<R, MergedSessions<<R as Runtime>::Reactor>>;

impl<R: Runtime, S: EventSource> Stream<R, S> {
    pub(crate) const fn new(source: S, shutdown: ShutdownHandle, executor: R::Executor) -> Self {
        Self { source, lent: false, shutdown, executor }
    }

    /// Waits for the next event and lends it until the next call. Returns `None` once the session
    /// gave up or was shut down; for a merged stream, once all sessions did.
    ///
    /// On an async runtime this returns a future. Dropping it at any point loses nothing, so it can
    /// be used in a `select!`.
    ///
    /// # Panics
    /// Panics on tokio outside of a runtime, or in a runtime without its I/O and time drivers.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot lend")]
    pub fn next(&mut self) -> R::Waited<impl Future<Output = Option<S::Event<'_>>>> {
        let Self { source, lent, executor, .. } = self;
        R::wait(executor, next(source, lent))
    }

    /// Releases the event that [`Self::next`] lent. Returns true if the next event is already
    /// buffered, so that [`Self::next`] will not wait. If it returns false, flush the output of
    /// earlier events.
    #[must_use]
    pub fn find_next(&mut self) -> bool {
        if take(&mut self.lent) {
            self.source.release();
        }
        self.source.find_next()
    }

    /// Starts a task or thread that reads the stream into a queue, independent of the consumer's
    /// speed. [`QueueConfig::overflow`] decides what a full queue does.
    ///
    /// The task ends with the stream, by [`Self::shutdown_handle`] (take it before), or when the
    /// receiver is dropped. It returns the stream, for its counters.
    ///
    /// # Errors
    /// Returns [`OpenError::Io`] if a thread cannot be started.
    ///
    /// # Panics
    /// Panics on tokio outside of a runtime.
    #[allow(clippy::type_complexity, reason = "a pair, as every channel returns")]
    pub fn queued(self, config: QueueConfig) -> Result<(Receiver<S::Owned>, R::Task<Self>), OpenError>
    where
        S: Send + 'static,
        S::Owned: Send + 'static,
        R: 'static,
    {
        let (sender, mut receiver) = queue(config);
        let Self { source, shutdown, executor, .. } = self;
        receiver.shut_down_on_close(shutdown.clone());
        let pumping = pump(source, sender, shutdown.listen());
        let task = R::spawn(executor, pumping, |source, executor| Self::new(source, shutdown, executor));
        Ok((receiver, task.map_err(OpenError::Io)?))
    }

    /// Reads the stream into a queue until the stream is over, and returns the stream.
    ///
    /// [`Self::queued`] does this on a new task. Use `pump` with your own queue or executor.
    pub async fn pump(self, sender: Sender<S::Owned>) -> Self {
        let Self { source, shutdown, executor, .. } = self;
        let source = pump(source, sender, shutdown.listen()).await;
        Self::new(source, shutdown, executor)
    }

    /// Returns a handle that ends the stream from another task or thread.
    #[must_use]
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.shutdown.clone()
    }
}

impl<R: Runtime> Stream<R> {
    /// Returns the session, for its counters and state.
    #[must_use]
    pub fn session(&self) -> &Session<Vec<u8>> {
        self.source.driver().buffered().session()
    }

    /// Returns the counters of the stream. They can be read from any thread while a task or a queue
    /// owns the stream. Times are on the clock of [`Self::now`].
    #[must_use]
    pub fn monitor(&self) -> Arc<Monitor> {
        Arc::clone(self.source.monitor())
    }

    /// Returns how many duplicates were removed.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.source.duplicates()
    }

    /// Returns the current time of the clock that the events use.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.source.driver().io().now()
    }
}

impl<R: Runtime> MergedStream<R> {
    /// Returns the connection's name.
    ///
    /// # Panics
    /// Panics if this stream has no such connection.
    #[must_use]
    pub fn name(&self, connection: ConnectionId) -> &str {
        self.source.name(connection)
    }

    /// Returns the counters of a connection. They can be read from any thread while a task or a
    /// queue owns the stream. Times are on the clock of [`Self::now`].
    ///
    /// # Panics
    /// Panics if this stream has no such connection.
    #[must_use]
    pub fn monitor(&self, connection: ConnectionId) -> Arc<Monitor> {
        Arc::clone(self.source.members()[connection.index()].monitor())
    }

    /// Returns the counters of the gaps of each group: those that no connection of the group
    /// filled. They can be read from any thread while a task or a queue owns the stream.
    #[must_use]
    pub fn gap_monitors(&self) -> Vec<(ReplicaGroup, Arc<GapMonitor>)> {
        self.source.gap_monitors().to_vec()
    }

    /// Returns the connection's session, for its counters and state.
    ///
    /// # Panics
    /// Panics if this stream has no such connection.
    #[must_use]
    pub fn session(&self, connection: ConnectionId) -> &Session<Vec<u8>> {
        self.source.members()[connection.index()].driver().buffered().session()
    }

    /// Returns the connections' records: first arrivals, duplicates and lags.
    #[must_use]
    pub const fn merge(&self) -> &Merge<Vec<u64>, Vec<ConnectionStats>> {
        self.source.merge()
    }

    /// Returns the position of the stream: what another process needs to continue it, by
    /// [`Connections::resume_from`](crate::config::Connections::resume_from). `None` before the
    /// first stream, and while an event is known that was not delivered.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.source.position()
    }

    /// Returns the current time of the clock that all its events use.
    #[must_use]
    pub fn now(&self) -> Instant {
        // A merged stream has at least one connection.
        self.source.members()[0].driver().io().now()
    }
}

async fn next<'a, S: EventSource>(source: &'a mut S, lent: &mut bool) -> Option<S::Event<'a>> {
    if take(lent) {
        source.release();
    }
    *lent = poll_fn(|cx| source.poll_event(cx)).await;
    if *lent { source.peek() } else { None }
}

impl<R: Runtime<Executor = ()>, S: EventSource + Unpin> futures_core::Stream for Stream<R, S> {
    type Item = S::Owned;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Owned>> {
        let Self { source, lent, .. } = &mut *self;
        if take(lent) {
            source.release();
        }
        *lent = ready!(source.poll_event(cx));
        Poll::Ready(if *lent { source.peek().map(Into::into) } else { None })
    }
}

impl<R: BlockingRuntime, S: EventSource> IntoIterator for Stream<R, S> {
    type Item = S::Owned;
    type IntoIter = Events<R, S>;

    fn into_iter(self) -> Events<R, S> {
        Events(self)
    }
}

/// Iterator over the owned events of a stream on a blocking runtime. One allocation per message.
#[derive(Debug)]
pub struct Events<R: Runtime, S>(Stream<R, S>);

impl<R: Runtime, S> Events<R, S> {
    /// Returns the stream.
    #[must_use]
    pub const fn stream(&self) -> &Stream<R, S> {
        &self.0
    }
}

impl<R: BlockingRuntime, S: EventSource> Iterator for Events<R, S> {
    type Item = S::Owned;

    fn next(&mut self) -> Option<S::Owned> {
        let Stream { source, lent, executor, .. } = &mut self.0;
        R::block_on(executor, next(source, lent)).map(Into::into)
    }
}
