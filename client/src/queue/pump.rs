//! The loop that reads a stream into a queue.

use std::future::poll_fn;
use std::task::{Context, Poll};

use powerstream_core::driver::{Driver, Io};
use powerstream_core::session::SessionEvent;

use super::{QueueCost, SendOutcome, Sender};
use crate::dedup::Deduped;
use crate::merged::{Merged, MergedEvent, OwnedMergedEvent};
use crate::owned::OwnedEvent;
use crate::shutdown::ShutdownSignal;
use crate::telemetry::event;

/// Events in a row after which a pump lets other tasks of its executor run.
const EVENTS_IN_A_ROW: u32 = 256;

/// A stream that [`pump`] can read: [`Driver`], [`Merged`], and types that wrap them.
pub trait EventSource {
    /// The owned event that is queued.
    type Owned;

    /// The event that is lent.
    type Event<'a>: QueueCost + Into<Self::Owned>
    where
        Self: 'a;

    /// Runs the stream until there is an event, or until there will be none.
    ///
    /// Returns `true` if [`Self::peek`] lends an event until [`Self::release`], `false` at the end.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<bool>;

    /// Returns true if the next event is already buffered.
    fn find_next(&mut self) -> bool;

    /// Lends the current event, if there is one.
    fn peek(&self) -> Option<Self::Event<'_>>;

    /// Releases the current event.
    fn release(&mut self);

    /// Asks the stream to end. Messages that are already in the read buffer are delivered.
    fn shutdown(&mut self);
}

/// Implements [`EventSource`] by the methods of the same names.
macro_rules! event_source {
    ($source:ident, $event:ident, $owned:ident) => {
        impl<S, B, I> EventSource for $source<S, B, I>
        where
            S: AsRef<[u8]> + AsMut<[u8]>,
            B: AsRef<[u8]> + AsMut<[u8]>,
            I: Io,
        {
            type Owned = $owned;
            type Event<'a>
                = $event<'a>
            where
                Self: 'a;

            fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
                self.poll_event(cx)
            }

            fn find_next(&mut self) -> bool {
                self.find_next()
            }

            fn peek(&self) -> Option<$event<'_>> {
                self.peek()
            }

            fn release(&mut self) {
                self.release();
            }

            fn shutdown(&mut self) {
                self.shutdown();
            }
        }
    };
}

event_source!(Driver, SessionEvent, OwnedEvent);
event_source!(Deduped, SessionEvent, OwnedEvent);
event_source!(Merged, MergedEvent, OwnedMergedEvent);

/// Reads a stream into a queue until the stream is over. Returns the stream, for its counters.
///
/// `stop` must come from the shutdown that the stream's transports also listen to
/// ([`listen`](crate::shutdown::ShutdownHandle::listen)). The stream is shut down when `stop` is
/// signaled, when the receiver is closed, or when the queue's overflow policy ends the stream.
///
/// After that, messages that were already read are queued while there is room, then counted as
/// dropped. The pump then waits only for the connection to close.
///
/// A message that is dropped because it is the newest is not copied. On an executor, run
/// `tokio::spawn(pump(..))`. On a thread, run [`block_on`](super::block_on)`(pump(..))`, with a
/// transport that blocks or that wakes its task.
pub async fn pump<P: EventSource>(
    mut source: P,
    mut sender: Sender<P::Owned>,
    mut stop: ShutdownSignal,
) -> P {
    let mut is_ending = false;
    // A queue that is full again before the reader has caught up is not reported again.
    let mut is_behind = false;
    event!(debug, "the reader of a queue starts");
    poll_fn(|cx| {
        for _ in 0..EVENTS_IN_A_ROW {
            if !is_ending && stop.is_stopped() {
                is_ending = true;
                source.shutdown();
                sender.end_waits();
            }
            match source.poll_event(cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(()),
                Poll::Pending if is_behind => {
                    is_behind = false;
                    event!(debug, "the reader of the queue has caught up");
                    continue;
                }
                // The stop already wakes the transport, which has checked it.
                Poll::Pending if is_ending || sender.poll_ended(cx).is_pending() => return Poll::Pending,
                Poll::Pending => {
                    is_ending = true;
                    source.shutdown();
                    continue;
                }
            }
            // Unreachable: `poll_event` returned true.
            let Some(event) = source.peek() else { return Poll::Ready(()) };
            match sender.poll_send(cx, event.weight(), || event.into()) {
                Poll::Ready(SendOutcome::Queued | SendOutcome::Dropped) => source.release(),
                Poll::Ready(SendOutcome::Ended) => {
                    source.release();
                    if !is_ending {
                        is_ending = true;
                        source.shutdown();
                    }
                }
                Poll::Pending if stop.poll_stopped(cx).is_ready() => {}
                Poll::Pending => {
                    if !std::mem::replace(&mut is_behind, true) {
                        event!(warn, "the queue is full: the reader waits for its consumer");
                    }
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    event!(debug, "the reader of a queue ends");
    source
}
