//! The hand-over from whoever reads to whoever consumes: a queue that is bounded by messages and by bytes, and says what it drops.
//!
//! The service drops readers that are slow. A program whose work on a Post may take long therefore reads in a task or thread of
//! its own ([`pump()`]) and takes the events from a queue. A bound must be met by something: what happens at it is the
//! [`Overflow`] policy, chosen by name.
//!
//! ```text
//!   Driver or Merged --pump--> Sender |  C  m  m  m  K  D  [12 dropped]  C  m  m  | Receiver --> blocking, async, Stream
//!                                        messages: bounded, may be dropped
//!                                        events of the connection: places of their own, never dropped
//! ```
//!
//! - Only messages are ever dropped, and where some were the receiver is told so in their place ([`Delivery::Dropped`]), with
//!   their number and bytes. [`QueueStats`] count exactly: every message sent is delivered, dropped, or still there.
//! - What tells of the connection (a stream's beginning and end, gaps, what was skipped) has [`QueueConfig::events_max`] places of its own. They
//!   last for hours of an outage; once they are full the reader waits under every policy, which keeps memory bounded and
//!   loses nothing, since a reader that does not read has no more to tell.
//! - Of a keep-alive nothing is left where something else waits: it only says that the server is there.
//! - A single message of more bytes than the bound passes alone.
//! - Both ends see [`QueueStats`] at any time.
//!
//! There is one sender and one receiver. Each works in a thread and in a task, whatever the other does.
//!
//! ```
//! use powerstream_client::owned::OwnedEvent;
//! use powerstream_client::queue::{Delivery, Overflow, QueueConfig, queue};
//!
//! let mut config = QueueConfig::default();
//! config.overflow = Overflow::DropOldest;
//! let (mut sender, mut receiver) = queue::<OwnedEvent>(config);
//! let reader = std::thread::spawn(move || {
//!     // In earnest: `block_on(pump(driven, sender, shutdown.listen()))`.
//!     sender.send_blocking(OwnedEvent::KeepAlive);
//! });
//! while let Some(delivery) = receiver.recv_blocking() {
//!     match delivery {
//!         Delivery::Event(event) => assert!(matches!(event, OwnedEvent::KeepAlive)),
//!         Delivery::Dropped(loss) => eprintln!("{} messages dropped here", loss.messages),
//!     }
//! }
//! reader.join().unwrap();
//! ```

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

mod block;
mod pump;
mod state;

pub use block::block_on;
use block::block_until;
use powerstream_core::session::SessionEvent;
pub use pump::{EventSource, pump};
use state::{Admission, Popped, State};

use crate::merged::{MergedEvent, OwnedMergedEvent};
use crate::owned::OwnedEvent;
use crate::shutdown::ShutdownHandle;

/// What happens to messages when the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The reader waits, and reads nothing more: the kernel's and the server's buffers fill, until the server drops the
    /// connection. Nothing is lost here.
    #[default]
    Wait,
    /// The oldest messages are dropped: for whom only the present counts.
    DropOldest,
    /// The message that came is dropped: for whom a beginning without holes counts.
    DropNewest,
    /// The stream ends. What was queued is delivered, then what was dropped is told, then nothing more.
    End,
}

/// The bounds of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueConfig {
    /// Most messages. Default 8,192: half a minute of 250 Posts a second, the most that Filtered Stream gives (X docs, rate limits).
    /// 0 counts as 1.
    pub messages_max: usize,
    /// Most bytes of messages. Default 32 MiB: as many Posts of 4 kB, which is more than most have.
    pub bytes_max: usize,
    /// Most events of connections. Default 256: an hour of attempts that fail, 16 s apart. 0 counts as 1.
    pub events_max: usize,
    /// What happens when messages find no room.
    pub overflow: Overflow,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            messages_max: 8_192,
            bytes_max: 32 * 1_024 * 1_024,
            events_max: 256,
            overflow: Overflow::default(),
        }
    }
}

/// What room an event takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cost {
    /// A message of so many bytes.
    Message(usize),
    /// What tells of a connection, and is never dropped.
    Event,
    /// A sign of life, which is left out where something else waits.
    KeepAlive,
}

/// What can be queued.
pub trait QueueCost {
    /// What room it takes. The same at each call.
    fn weight(&self) -> Cost;
}

impl QueueCost for SessionEvent<'_> {
    fn weight(&self) -> Cost {
        match self {
            Self::Message(message) => Cost::Message(message.bytes.len()),
            Self::KeepAlive => Cost::KeepAlive,
            _ => Cost::Event,
        }
    }
}

impl QueueCost for OwnedEvent {
    fn weight(&self) -> Cost {
        match self {
            Self::Message(message) => Cost::Message(message.bytes.len()),
            Self::KeepAlive => Cost::KeepAlive,
            _ => Cost::Event,
        }
    }
}

impl QueueCost for MergedEvent<'_> {
    fn weight(&self) -> Cost {
        match self {
            Self::Session { event, .. } => event.weight(),
            _ => Cost::Event,
        }
    }
}

impl QueueCost for OwnedMergedEvent {
    fn weight(&self) -> Cost {
        match self {
            Self::Session { event, .. } => event.weight(),
            _ => Cost::Event,
        }
    }
}

/// Messages that were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// How many.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Loss {
    const NONE: Self = Self { messages: 0, bytes: 0 };

    fn add(&mut self, other: Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// What the receiver takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "an event is here, or was dropped")]
pub enum Delivery<E> {
    /// An event.
    Event(E),
    /// Messages that lay here in the order of things were dropped.
    Dropped(Loss),
}

/// How a queue stands, and what has gone through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Messages in it.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Other events in it.
    pub events: usize,
    /// The most messages that were in it.
    pub messages_high: usize,
    /// The most bytes that were in it.
    pub bytes_high: usize,
    /// Messages that were sent: those delivered, dropped, and still in it.
    pub sent: u64,
    /// Messages that were taken.
    pub delivered: u64,
    /// Messages that were dropped: for want of room, or because the receiver went away.
    pub dropped: Loss,
}

/// What became of an event that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendOutcome {
    /// It is in the queue.
    Queued,
    /// A message for which there was no room, and which is counted; or a keep-alive, which was left out.
    Dropped,
    /// As [`Self::Dropped`], and nothing will be taken any more: the stream has ended by [`Overflow::End`], or the receiver is closed.
    Ended,
}

/// A queue between one sender and one receiver.
#[must_use]
pub fn queue<E>(config: QueueConfig) -> (Sender<E>, Receiver<E>) {
    let shared = Arc::new(Shared(Mutex::new(State::new(config))));
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared, shutdown: None })
}

struct Shared<E>(Mutex<State<E>>);

impl<E> Shared<E> {
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        // No code of others runs under this lock but the drop of an old event, and nothing is left half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the state, then wakes whom it is told to, without the lock.
    fn with<T>(&self, act: impl FnOnce(&mut State<E>) -> (T, Option<Waker>)) -> T {
        let (result, waker) = act(&mut self.lock());
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }
}

/// The reader's end. When it is dropped the receiver takes what is left, then sees the end.
pub struct Sender<E> {
    shared: Arc<Shared<E>>,
}

impl<E> Sender<E> {
    /// Sends what `make` makes, an event of this `weight`; it is called only if the event is taken. Pends while the policy is to wait
    /// for room.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        weight: Cost,
        make: impl FnOnce() -> E,
    ) -> Poll<SendOutcome> {
        match self.shared.with(|state| state.admit(weight, Some(cx))) {
            Admission::Room => {
                // Not under the lock: to copy a message takes its time. Meanwhile there is only more room.
                let event = make();
                self.shared.with(|state| ((), state.push(weight, event)));
                Poll::Ready(SendOutcome::Queued)
            }
            Admission::Dropped => Poll::Ready(SendOutcome::Dropped),
            Admission::Ended => Poll::Ready(SendOutcome::Ended),
            Admission::Full => Poll::Pending,
        }
    }

    /// Sends an event; waits while the policy is to wait for room. If the future is dropped, so is the event, uncounted.
    pub async fn send(&mut self, event: E) -> SendOutcome
    where
        E: QueueCost,
    {
        let weight = event.weight();
        let mut event = Some(event);
        poll_fn(|cx| match self.shared.with(|state| state.admit(weight, Some(cx))) {
            Admission::Room => {
                if let Some(event) = event.take() {
                    self.shared.with(|state| ((), state.push(weight, event)));
                }
                Poll::Ready(SendOutcome::Queued)
            }
            Admission::Dropped => Poll::Ready(SendOutcome::Dropped),
            Admission::Ended => Poll::Ready(SendOutcome::Ended),
            Admission::Full => Poll::Pending,
        })
        .await
    }

    /// As [`Self::send`], for a thread.
    pub fn send_blocking(&mut self, event: E) -> SendOutcome
    where
        E: QueueCost,
    {
        block_on(self.send(event))
    }

    /// Ready once nothing will be taken any more. The task is woken by that as well, if it is not by anything else before.
    pub fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.lock().poll_ended(cx)
    }

    /// How the queue stands.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.shared.lock().stats()
    }

    /// Returns a handle that reads [`QueueStats`] from any thread, also after both ends are gone.
    #[must_use]
    pub fn monitor(&self) -> QueueMonitor<E> {
        QueueMonitor { shared: Arc::clone(&self.shared) }
    }

    /// Ends all waits for room, for a reader that is to end: events of a connection are taken beyond their bound from now
    /// on, and messages that find no room are dropped and counted.
    pub fn end_waits(&mut self) {
        self.shared.lock().end_waits();
    }
}

/// Reads the counters of a queue, wherever its two ends are: made by [`Sender::monitor`].
pub struct QueueMonitor<E> {
    shared: Arc<Shared<E>>,
}

impl<E> QueueMonitor<E> {
    /// How the queue stands.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.shared.lock().stats()
    }
}

impl<E> Clone for QueueMonitor<E> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<E> Drop for Sender<E> {
    fn drop(&mut self) {
        self.shared.with(|state| ((), state.sender_gone()));
    }
}

/// The consumer's end. When it is dropped, what is left is dropped and counted.
pub struct Receiver<E> {
    shared: Arc<Shared<E>>,
    /// Interrupts the reader where its waker cannot: a thread that waits in a system call.
    shutdown: Option<ShutdownHandle>,
}

impl<E> Receiver<E> {
    /// Shuts down the stream that is read into this queue when the receiver is closed or dropped.
    pub(crate) fn shut_down_on_close(&mut self, shutdown: ShutdownHandle) {
        self.shutdown = Some(shutdown);
    }

    /// Takes what is next; `None` once there will be nothing more. Pends while there is nothing.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery<E>>> {
        self.pop(Some(cx))
    }

    /// Takes what is next, if it is there: [`Poll::Pending`] where it is not, `None` where there will be nothing more.
    #[must_use = "what is taken is lost otherwise"]
    pub fn try_recv(&mut self) -> Poll<Option<Delivery<E>>> {
        self.pop(None)
    }

    /// Waits for what is next and takes it; `None` once there will be nothing more.
    ///
    /// Dropping the future at any point loses nothing.
    pub async fn recv(&mut self) -> Option<Delivery<E>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`Self::recv`], for a thread.
    pub fn recv_blocking(&mut self) -> Option<Delivery<E>> {
        block_on(self.recv())
    }

    /// As [`Self::recv_blocking`], for `length` at most.
    ///
    /// # Errors
    /// [`TimedOut`] where nothing came.
    pub fn recv_timeout(&mut self, length: Duration) -> Result<Option<Delivery<E>>, TimedOut> {
        // A length that no clock can express is without end.
        let until = std::time::Instant::now().checked_add(length);
        block_until(self.recv(), until).ok_or(TimedOut)
    }

    /// Nothing more is to come: the reader is told to end. What is queued can still be taken; what it still sends is dropped and
    /// counted.
    pub fn close(&mut self) {
        self.shared.with(|state| ((), state.close()));
        if let Some(shutdown) = &self.shutdown {
            shutdown.shutdown();
        }
    }

    /// How the queue stands.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.shared.lock().stats()
    }

    fn pop(&mut self, cx: Option<&mut Context<'_>>) -> Poll<Option<Delivery<E>>> {
        match self.shared.with(|state| state.pop(cx)) {
            Popped::Event(event) => Poll::Ready(Some(Delivery::Event(event))),
            Popped::Dropped(loss) => Poll::Ready(Some(Delivery::Dropped(loss))),
            Popped::End => Poll::Ready(None),
            Popped::Empty => Poll::Pending,
        }
    }
}

impl<E> Drop for Receiver<E> {
    fn drop(&mut self) {
        self.close();
        // Dropped without the lock.
        drop(self.shared.lock().abandon());
    }
}

impl<E> futures_core::Stream for Receiver<E> {
    type Item = Delivery<E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery<E>>> {
        self.poll_recv(cx)
    }
}

/// Nothing came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing came in time")
    }
}

impl std::error::Error for TimedOut {}

impl<E> fmt::Debug for Sender<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for QueueMonitor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueMonitor").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for Receiver<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
