//! Runs a future on the calling thread.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

/// Wakes a thread that waits for a future.
struct Unpark {
    thread: Thread,
    /// True if woken since the last poll. Other code may consume the thread's own park token.
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }
}

/// Runs a future to its end on the calling thread, which sleeps while the future is pending.
///
/// A future that is ready at the first poll costs no allocation.
pub fn block_on<F: Future>(future: F) -> F::Output {
    match block_until(future, None) {
        Some(output) => output,
        None => unreachable!("it does not end before the future without a time to"),
    }
}

/// Runs a future as [`block_on`], until a deadline. Returns `None` once the deadline has passed.
pub(super) fn block_until<F: Future>(future: F, until: Option<Instant>) -> Option<F::Output> {
    let mut future = pin!(future);
    // Usually the first poll is ready, so no waker is needed.
    let mut unpark: Option<(Arc<Unpark>, Waker)> = None;
    loop {
        let waker = unpark.as_ref().map_or(Waker::noop(), |(_, waker)| waker);
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker)) {
            return Some(output);
        }
        let Some((unpark, _)) = &unpark else {
            let new = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
            let waker = Waker::from(Arc::clone(&new));
            unpark = Some((new, waker));
            continue;
        };
        while !unpark.woken.swap(false, Ordering::AcqRel) {
            match until {
                None => thread::park(),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    thread::park_timeout(left);
                }
            }
        }
    }
}
