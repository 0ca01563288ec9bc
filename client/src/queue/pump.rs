//! The reader's loop: from a stream into a queue.

use std::future::poll_fn;
use std::task::{Context, Poll};

use powerstream_core::driver::{Driver, Io};
use powerstream_core::session::SessionEvent;

use super::{QueueCost, SendOutcome, Sender};
use crate::dedup::Deduped;
use crate::merged::{Merged, MergedEvent, OwnedMergedEvent};
use crate::owned::OwnedEvent;
use crate::shutdown::ShutdownSignal;

/// Events in a row after which a pump lets other tasks of its executor run.
const EVENTS_IN_A_ROW: u32 = 256;

/// A stream that can be pumped: [`Driver`], [`Merged`], and what wraps them.
pub trait EventSource {
    /// An event as it is queued.
    type Owned;

    /// An event, lent.
    type Event<'a>: QueueCost + Into<Self::Owned>
    where
        Self: 'a;

    /// Does what must be done until there is an event: `true`, and [`Self::peek`] lends it until [`Self::release`]; or
    /// until there will be none: `false`.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<bool>;

    /// Returns whether the next event is here already.
    fn find_next(&mut self) -> bool;

    /// Lends the event at hand.
    fn peek(&self) -> Option<Self::Event<'_>>;

    /// Done with it.
    fn release(&mut self);

    /// Asks the stream to end: what is unread but here is delivered.
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

/// Reads a stream into a queue until the stream is over, and gives it back, for its counters.
///
/// `stop` is the shutdown that the stream's transports listen to as well ([`Shutdown::listen`](crate::shutdown::ShutdownHandle::listen)). With
/// it, or when the receiver is closed, or the queue ends the stream, the stream is shut down, and what was read already is
/// queued as far as there is room and counted as dropped where there is not: nothing is waited for any more but the
/// connection's close.
///
/// A message that is dropped because it is the newest is not copied. For an executor that is `tokio::spawn(pump(..))`; for a thread,
/// with a transport that blocks or one whose wakers wake, [`block_on`](super::block_on)`(pump(..))`.
pub async fn pump<P: EventSource>(
    mut source: P,
    mut sender: Sender<P::Owned>,
    mut stop: ShutdownSignal,
) -> P {
    let mut is_ending = false;
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
                // The stop wakes the transport, which has looked at it.
                Poll::Pending if is_ending || sender.poll_ended(cx).is_pending() => return Poll::Pending,
                Poll::Pending => {
                    is_ending = true;
                    source.shutdown();
                    continue;
                }
            }
            // Not met otherwise: an event is at hand.
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
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    source
}
