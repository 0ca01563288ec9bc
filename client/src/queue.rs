//! A queue between the task that reads and the code that consumes. It is bounded by messages and by
//! bytes, and reports every message that it drops.
//!
//! The service disconnects slow readers. If the work on a Post may take long, read in a separate
//! task or thread ([`pump()`]) and take the events from a queue. The [`Overflow`] policy decides
//! what a full queue does.
//!
//! ```text
//!   Driver or Merged --pump--> Sender |  C  m  m  m  K  D  [12 dropped]  C  m  m  | Receiver
//!                                        m: messages: bounded, may be dropped       blocking,
//!                                        C, D: connection events: separate bound,   async or
//!                                              never dropped                        Stream
//! ```
//!
//! - Only messages are ever dropped. The receiver gets a [`Delivery::Dropped`] in their place, with
//!   their number and bytes. [`QueueStats`] are exact: every message sent is delivered, dropped, or
//!   still queued.
//! - Connection events (start and end of a stream, gaps, skipped messages) have their own bound,
//!   [`QueueConfig::events_max`]. It lasts for hours of an outage. Once it is reached, the reader
//!   waits under every policy. This bounds memory and loses nothing, since a reader that does not
//!   read produces no more events.
//! - A keep-alive is left out while anything else is queued, since it only says that the server is
//!   alive.
//! - A single message larger than the byte bound passes if the queue has no other message.
//! - Both ends can read [`QueueStats`] at any time.
//!
//! There is one sender and one receiver. Each works in a thread or in a task, independent of the
//! other.
//!
//! ```
//! use powerstream_client::owned::OwnedEvent;
//! use powerstream_client::queue::{Delivery, Overflow, QueueConfig, queue};
//!
//! let mut config = QueueConfig::default();
//! config.overflow = Overflow::DropOldest;
//! let (mut sender, mut receiver) = queue::<OwnedEvent>(config);
//! let reader = std::thread::spawn(move || {
//!     // A program calls `block_on(pump(driven, sender, shutdown.listen()))` here.
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
use crate::owned::{OwnedEvent, OwnedRecoveryEvent};
use crate::recovery::RecoveryEvent;
use crate::shutdown::ShutdownHandle;

/// The overflow policy: what a full queue does with messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The reader waits and reads nothing more. The kernel's and the server's buffers fill, until
    /// the server disconnects. The queue drops nothing.
    #[default]
    Wait,
    /// Drops the oldest messages. Use this if only recent Posts matter.
    DropOldest,
    /// Drops the new message. Use this if you need a contiguous prefix of the stream.
    DropNewest,
    /// Ends the stream. Queued events are delivered, then the loss is reported, then the end.
    End,
}

/// The bounds of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueConfig {
    /// The most messages. Default 8,192: half a minute of 250 Posts a second, the most that
    /// Filtered Stream delivers (X docs, rate limits). 0 counts as 1.
    pub messages_max: usize,
    /// The most bytes of messages. Default 32 MiB: 8,192 Posts of 4 kB, which is more than most
    /// have.
    pub bytes_max: usize,
    /// The most connection events. Default 256: an hour of failing attempts, 16 s apart. 0 counts
    /// as 1.
    pub events_max: usize,
    /// The overflow policy for messages.
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

/// The room that an event takes in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cost {
    /// A message of this many bytes.
    Message(usize),
    /// A connection event, which is never dropped.
    Event,
    /// A keep-alive, which is left out while anything else is queued.
    KeepAlive,
}

/// An event that can be queued.
pub trait QueueCost {
    /// Returns the room that the event takes. Must be the same at each call.
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
            Self::Recovery(RecoveryEvent::Message(message)) => Cost::Message(message.bytes.len()),
            _ => Cost::Event,
        }
    }
}

impl QueueCost for OwnedMergedEvent {
    fn weight(&self) -> Cost {
        match self {
            Self::Session { event, .. } => event.weight(),
            Self::Recovery(OwnedRecoveryEvent::Message(message)) => Cost::Message(message.bytes.len()),
            _ => Cost::Event,
        }
    }
}

/// Messages that were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// The number of messages.
    pub messages: u64,
    /// The sum of their bytes.
    pub bytes: u64,
}

impl Loss {
    const NONE: Self = Self { messages: 0, bytes: 0 };

    fn add(&mut self, other: Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// An item that the receiver takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "an event is here, or was dropped")]
pub enum Delivery<E> {
    /// An event.
    Event(E),
    /// Messages were dropped at this position in the stream.
    Dropped(Loss),
}

/// The current state of a queue, and its counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Messages in the queue.
    pub messages: usize,
    /// Bytes of the messages in the queue.
    pub bytes: usize,
    /// Other events in the queue.
    pub events: usize,
    /// The most messages that were in the queue at once.
    pub messages_high: usize,
    /// The most bytes that were in the queue at once.
    pub bytes_high: usize,
    /// Messages sent: the sum of those delivered, dropped and still queued.
    pub sent: u64,
    /// Messages that the receiver took.
    pub delivered: u64,
    /// Messages dropped because the queue was full or the receiver was closed or dropped.
    pub dropped: Loss,
}

/// The result of sending an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendOutcome {
    /// The event is in the queue.
    Queued,
    /// A message was dropped for lack of room, and counted; or a keep-alive was left out.
    Dropped,
    /// As [`Self::Dropped`], and no later event will be taken: [`Overflow::End`] ended the stream,
    /// or the receiver is closed.
    Ended,
}

/// Creates a queue with one sender and one receiver.
#[must_use]
pub fn queue<E>(config: QueueConfig) -> (Sender<E>, Receiver<E>) {
    let shared = Arc::new(Shared(Mutex::new(State::new(config))));
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared, shutdown: None })
}

struct Shared<E>(Mutex<State<E>>);

impl<E> Shared<E> {
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        // Under this lock, the only foreign code is the drop of an old event. No panic can leave
        // the state inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then wakes the returned task without holding the lock.
    fn with<T>(&self, act: impl FnOnce(&mut State<E>) -> (T, Option<Waker>)) -> T {
        let (result, waker) = act(&mut self.lock());
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }
}

/// The reader's end. Once it is dropped, the receiver takes the rest, then gets `None`.
pub struct Sender<E> {
    shared: Arc<Shared<E>>,
}

impl<E> Sender<E> {
    /// Sends an event of this `weight`. Pends while the policy is to wait for room.
    ///
    /// `make` creates the event, and is called only if the event is queued.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        weight: Cost,
        make: impl FnOnce() -> E,
    ) -> Poll<SendOutcome> {
        match self.shared.with(|state| state.admit(weight, Some(cx))) {
            Admission::Room => {
                // Not under the lock, since copying a message takes time. Meanwhile the room can
                // only grow.
                let event = make();
                self.shared.with(|state| ((), state.push(weight, event)));
                Poll::Ready(SendOutcome::Queued)
            }
            Admission::Dropped => Poll::Ready(SendOutcome::Dropped),
            Admission::Ended => Poll::Ready(SendOutcome::Ended),
            Admission::Full => Poll::Pending,
        }
    }

    /// Sends an event. Waits while the policy is to wait for room.
    ///
    /// If the future is dropped, the event is dropped too and not counted.
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

    /// Sends an event as [`Self::send`], and blocks the calling thread.
    pub fn send_blocking(&mut self, event: E) -> SendOutcome
    where
        E: QueueCost,
    {
        block_on(self.send(event))
    }

    /// Returns ready once the queue takes no more events. If pending, that wakes the task, unless
    /// something else woke it before.
    pub fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.lock().poll_ended(cx)
    }

    /// Returns the state and counters of the queue.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.shared.lock().stats()
    }

    /// Returns a handle that reads [`QueueStats`] from any thread, also after both ends are gone.
    #[must_use]
    pub fn monitor(&self) -> QueueMonitor<E> {
        QueueMonitor { shared: Arc::clone(&self.shared) }
    }

    /// Ends all waits for room, for a reader that is ending.
    ///
    /// From now on connection events are taken beyond their bound. Messages without room are
    /// dropped and counted.
    pub fn end_waits(&mut self) {
        self.shared.lock().end_waits();
    }
}

/// Reads the counters of a queue from any thread. Created by [`Sender::monitor`].
pub struct QueueMonitor<E> {
    shared: Arc<Shared<E>>,
}

impl<E> QueueMonitor<E> {
    /// Returns the state and counters of the queue.
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

/// The consumer's end. When it is dropped, the remaining messages are dropped and counted.
pub struct Receiver<E> {
    shared: Arc<Shared<E>>,
    /// Interrupts a reader that its waker cannot interrupt: a thread in a blocking system call.
    shutdown: Option<ShutdownHandle>,
}

impl<E> Receiver<E> {
    /// Sets the shutdown to call when the receiver is closed or dropped.
    pub(crate) fn shut_down_on_close(&mut self, shutdown: ShutdownHandle) {
        self.shutdown = Some(shutdown);
    }

    /// Polls for the next item. Pends while the queue is empty. Returns `None` at the end.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery<E>>> {
        self.pop(Some(cx))
    }

    /// Takes the next item without waiting. Returns [`Poll::Pending`] if the queue is empty, and a
    /// ready `None` at the end.
    #[must_use = "what is taken is lost otherwise"]
    pub fn try_recv(&mut self) -> Poll<Option<Delivery<E>>> {
        self.pop(None)
    }

    /// Waits for the next item and takes it. Returns `None` at the end.
    ///
    /// Dropping the future at any point loses nothing.
    pub async fn recv(&mut self) -> Option<Delivery<E>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Takes the next item as [`Self::recv`], and blocks the calling thread.
    pub fn recv_blocking(&mut self) -> Option<Delivery<E>> {
        block_on(self.recv())
    }

    /// Takes the next item as [`Self::recv_blocking`], and waits for `length` at most.
    ///
    /// # Errors
    /// Returns [`TimedOut`] if the queue stayed empty for that long.
    pub fn recv_timeout(&mut self, length: Duration) -> Result<Option<Delivery<E>>, TimedOut> {
        // A length that the clock cannot represent means no timeout.
        let until = std::time::Instant::now().checked_add(length);
        block_until(self.recv(), until).ok_or(TimedOut)
    }

    /// Closes the queue and asks the reader to end.
    ///
    /// Queued events can still be taken. Messages sent later are dropped and counted.
    pub fn close(&mut self) {
        self.shared.with(|state| ((), state.close()));
        if let Some(shutdown) = &self.shutdown {
            shutdown.shutdown();
        }
    }

    /// Returns the state and counters of the queue.
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
        // The entries are dropped without holding the lock.
        drop(self.shared.lock().abandon());
    }
}

impl<E> futures_core::Stream for Receiver<E> {
    type Item = Delivery<E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery<E>>> {
        self.poll_recv(cx)
    }
}

/// The queue stayed empty until the timeout.
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
