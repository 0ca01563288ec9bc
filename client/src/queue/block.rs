//! Waiting for a future in a thread.

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
    /// Woken, and not asked again since. The thread's own token may be taken by whatever else parks it.
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

/// Runs a future to its end in this thread, which sleeps while it pends. A future that never pends costs nothing more.
pub fn block_on<F: Future>(future: F) -> F::Output {
    match block_until(future, None) {
        Some(output) => output,
        None => unreachable!("it does not end before the future without a time to"),
    }
}

/// The same, until a time.
pub(super) fn block_until<F: Future>(future: F, until: Option<Instant>) -> Option<F::Output> {
    let mut future = pin!(future);
    // Most of the time what is waited for is there, and nobody need be woken.
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
