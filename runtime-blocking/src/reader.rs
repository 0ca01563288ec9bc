//! A thread that reads, and a queue between it and whoever consumes.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use powerstream_client::merged::OwnedMergedEvent;
use powerstream_client::owned::OwnedEvent;
use powerstream_client::queue::{Delivery, QueueConfig, Receiver, Sender, Stats, TimedOut, pump, queue};
use powerstream_client::shutdown::Shutdown;

use crate::merged::MergedStream;
use crate::pin::pin_thread;
use crate::stream::{OpenError, Stream};

/// How a [`Reader`] reads.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReaderConfig {
    /// The bounds of the queue, and what happens at them.
    pub queue: QueueConfig,
    /// The thread's name. Default `powerstream`.
    pub thread: String,
    /// The processor that the thread is kept on; see [`pin_thread`]. Default `None`.
    pub processor: Option<usize>,
}

impl Default for ReaderConfig {
    fn default() -> Self {
        Self { queue: QueueConfig::default(), thread: "powerstream".to_owned(), processor: None }
    }
}

/// What a thread can read: [`Stream`] and [`MergedStream`].
pub trait Source: sealed::Source {}

impl Source for Stream {}
impl Source for MergedStream {}

pub(crate) mod sealed {
    use powerstream_client::queue::Sender;
    use powerstream_client::shutdown::Shutdown;

    /// What [`Reader`](super::Reader) needs.
    pub trait Source: Send + Sized + 'static {
        /// Its events, as they are queued.
        type Owned: Send + 'static;

        /// Its handle.
        fn shutdown_handle(&self) -> Shutdown;

        /// Reads into the queue to the end.
        fn read_into(self, sender: Sender<Self::Owned>) -> Self;
    }
}

impl sealed::Source for Stream {
    type Owned = OwnedEvent;

    fn shutdown_handle(&self) -> Shutdown {
        self.shutdown.clone()
    }

    fn read_into(self, sender: Sender<OwnedEvent>) -> Self {
        let Self { line, shutdown, mut waiter } = self;
        let line = waiter.block_on(pump(line, sender, shutdown.listen()));
        Self { line, shutdown, waiter }
    }
}

impl sealed::Source for MergedStream {
    type Owned = OwnedMergedEvent;

    fn shutdown_handle(&self) -> Shutdown {
        self.shutdown.clone()
    }

    fn read_into(self, sender: Sender<OwnedMergedEvent>) -> Self {
        let Self { merged, shutdown, mut waiter } = self;
        let merged = waiter.block_on(pump(merged, sender, shutdown.listen()));
        Self { merged, shutdown, waiter }
    }
}

/// A stream that a thread of its own reads, and the queue that its events are taken from: for consumers whose work may
/// take long, since the server drops readers that are slow.
///
/// ```
/// use powerstream_blocking::client::queue::{Delivery, Overflow};
/// use powerstream_blocking::{Client, Config, ReaderConfig, Token};
///
/// # let base_url = "http://127.0.0.1:8080";
/// let config = Config::builder().token(Token::new("AAAA")?).base_url(base_url).build()?;
/// let mut how = ReaderConfig::default();
/// how.queue.overflow = Overflow::DropOldest;
/// let mut reader = Client::new(config).stream()?.into_reader(&how)?;
/// let shutdown = reader.shutdown_handle();
/// # shutdown.shutdown();
/// while let Some(delivery) = reader.recv() {
///     match delivery {
///         Delivery::Event(event) => println!("{event:?}"),
///         Delivery::Dropped(loss) => eprintln!("too slow: {} messages dropped", loss.messages),
///     }
/// }
/// assert_eq!(reader.stats().dropped.messages, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// After a shutdown, what is queued can still be taken. Dropping this ends the thread, and waits for it, which takes some
/// milliseconds; what is still queued then is dropped.
pub struct Reader<S: Source> {
    receiver: Receiver<S::Owned>,
    shutdown: Shutdown,
    thread: Option<JoinHandle<S>>,
}

impl<S: Source> Reader<S> {
    pub(crate) fn start(source: S, config: &ReaderConfig) -> Result<Self, OpenError> {
        let (sender, receiver) = queue(config.queue);
        let shutdown = source.shutdown_handle();
        let processor = config.processor;
        // How the pinning went.
        let (report, reported) = sync_channel(1);
        let reading = move || {
            let pinned = processor.map_or(Ok(()), pin_thread);
            let is_ready = pinned.is_ok();
            // Whoever starts us waits for it.
            let _ = report.send(pinned);
            if is_ready { source.read_into(sender) } else { source }
        };
        let thread = std::thread::Builder::new().name(config.thread.clone()).spawn(reading);
        let thread = thread.map_err(OpenError::Io)?;
        match reported.recv() {
            Ok(Err(error)) => Err(OpenError::Pin(error)),
            // Without a report the thread has panicked, which is told when it is joined.
            Ok(Ok(())) | Err(_) => Ok(Self { receiver, shutdown, thread: Some(thread) }),
        }
    }

    /// Waits for what is next and takes it; `None` once there will be nothing more: the stream is over and the queue empty.
    pub fn recv(&mut self) -> Option<Delivery<S::Owned>> {
        self.receiver.recv_blocking()
    }

    /// As [`Self::recv`], for `length` at most.
    ///
    /// # Errors
    /// [`TimedOut`] where nothing came.
    pub fn recv_timeout(&mut self, length: Duration) -> Result<Option<Delivery<S::Owned>>, TimedOut> {
        self.receiver.recv_timeout(length)
    }

    /// Takes what is next, if it is there: [`Poll::Pending`] where it is not, `None` where there will be nothing more.
    #[must_use = "what is taken is lost otherwise"]
    pub fn try_recv(&mut self) -> Poll<Option<Delivery<S::Owned>>> {
        self.receiver.try_recv()
    }

    /// As [`Self::recv`], for async code on any executor.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery<S::Owned>>> {
        self.receiver.poll_recv(cx)
    }

    /// How the queue stands.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.receiver.stats()
    }

    /// Ends the reading from any thread. What is queued can still be taken.
    #[must_use]
    pub fn shutdown_handle(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Ends the reading and waits for the thread: the stream, for its counters, and how the queue stood at the end. What is
    /// still queued is dropped with it: [`Stats::messages`] of them.
    #[must_use]
    pub fn finish(mut self) -> (S, Stats) {
        let stream = self.join();
        let stats = self.receiver.stats();
        match stream {
            Some(stream) => (stream, stats),
            None => unreachable!("it is joined here or by drop"),
        }
    }

    /// Ends the thread and waits for it. A panic of its goes on here.
    fn join(&mut self) -> Option<S> {
        self.shutdown.shutdown();
        self.thread.take()?.join().map_err(|panic| resume_unwind(panic)).ok()
    }
}

impl<S: Source> Iterator for Reader<S> {
    type Item = Delivery<S::Owned>;

    fn next(&mut self) -> Option<Delivery<S::Owned>> {
        self.recv()
    }
}

impl<S: Source> Drop for Reader<S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A second panic would abort.
            self.shutdown.shutdown();
        } else {
            drop(self.join());
        }
    }
}

impl<S: Source> fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
