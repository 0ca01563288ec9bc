//! Ends a stream from another thread or task, whatever the stream is waiting for.
//!
//! A program holds a [`ShutdownHandle`]. Each transport has a [`ShutdownSignal`], which it checks
//! and which wakes its task. No wake-up is lost: a transport stores its waker before it checks the
//! flag, and a shutdown sets the flag before it takes the wakers.
//!
//! A stored waker stays, so that a transport which waits repeatedly only pays for a comparison.
//!
//! ```
//! use std::task::{Context, Poll, Waker};
//! use powerstream_client::shutdown::ShutdownHandle;
//!
//! let shutdown = ShutdownHandle::new();
//! let mut stop = shutdown.listen();
//! let mut cx = Context::from_waker(Waker::noop());
//! assert_eq!(stop.poll_stopped(&mut cx), Poll::Pending);
//! // From any thread:
//! shutdown.clone().shutdown();
//! assert_eq!(stop.poll_stopped(&mut cx), Poll::Ready(()));
//! assert!(stop.is_stopped());
//! ```

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::vec::Vec;

/// Ends one or more streams from any thread or task.
///
/// `next` then delivers messages that were already read, and after them `None`. A shutdown
/// interrupts resolving, connecting, writing, reading and sleeping.
#[derive(Clone, Default)]
pub struct ShutdownHandle(Arc<Shared>);

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// The key of the next [`ShutdownSignal`].
    next: u64,
    /// The stored wakers, by key. There are only as many as connections.
    wakers: Vec<(u64, Waker)>,
}

impl ShutdownHandle {
    /// Creates a handle without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all streams that listen, now or later. Calling it again has no effect.
    pub fn shutdown(&self) {
        self.0.stopped.store(true, Ordering::Release);
        // Woken without the lock: a waker may run any code, including the drop of a
        // `ShutdownSignal`.
        let wakers = std::mem::take(&mut self.0.lock().wakers);
        for (_, waker) in wakers {
            waker.wake();
        }
    }

    /// Returns true if [`Self::shutdown`] was called.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// Returns a signal for one transport.
    #[must_use]
    pub fn listen(&self) -> ShutdownSignal {
        let mut waiting = self.0.lock();
        let key = waiting.next;
        waiting.next += 1;
        drop(waiting);
        ShutdownSignal { shared: Arc::clone(&self.0), key, left: None }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No panic can leave the state inconsistent under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ShutdownHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownHandle").field("stopped", &self.is_shut_down()).finish_non_exhaustive()
    }
}

/// One transport's view of a [`ShutdownHandle`].
pub struct ShutdownSignal {
    shared: Arc<Shared>,
    key: u64,
    /// The waker stored in `shared`.
    left: Option<Waker>,
}

impl ShutdownSignal {
    /// Returns true if the stream must end. Use it for
    /// [`Io::is_stopped`](powerstream_core::driver::Io::is_stopped).
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::Acquire)
    }

    /// Returns ready once the stream must end.
    ///
    /// Call it before returning [`Poll::Pending`], so that a shutdown wakes the task.
    pub fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.left.as_ref().is_some_and(|left| left.will_wake(cx.waker())) {
            self.leave(cx.waker());
        }
        // Checked after storing the waker: a shutdown that did not find the waker has already set
        // the flag.
        if self.is_stopped() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Returns a handle to the same shutdown.
    #[must_use]
    pub fn handle(&self) -> ShutdownHandle {
        ShutdownHandle(Arc::clone(&self.shared))
    }

    #[cold]
    fn leave(&mut self, waker: &Waker) {
        self.left = Some(waker.clone());
        let mut waiting = self.shared.lock();
        match waiting.wakers.iter_mut().find(|(key, _)| *key == self.key) {
            Some((_, old)) => old.clone_from(waker),
            None => waiting.wakers.push((self.key, waker.clone())),
        }
    }
}

impl Drop for ShutdownSignal {
    fn drop(&mut self) {
        let mut waiting = self.shared.lock();
        let place = waiting.wakers.iter().position(|(key, _)| *key == self.key);
        let waker = place.map(|place| waiting.wakers.swap_remove(place));
        // Dropped without the lock, as wakers are woken without it.
        drop(waiting);
        drop(waker);
    }
}

impl fmt::Debug for ShutdownSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownSignal").field("stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;
    use std::thread;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn task() -> (Arc<Woken>, Waker) {
        let woken = Arc::new(Woken::default());
        (Arc::clone(&woken), Waker::from(woken))
    }

    fn count(woken: &Woken) -> usize {
        woken.0.load(Ordering::SeqCst)
    }

    #[test]
    fn wakes_each_listener_once_by_its_last_waker() {
        let shutdown = ShutdownHandle::new();
        let [mut one, mut two, three] = [(); 3].map(|()| shutdown.listen());
        let ((old, old_waker), (new, new_waker), (other, other_waker)) = (task(), task(), task());
        for _ in 0..3 {
            assert_eq!(one.poll_stopped(&mut Context::from_waker(&old_waker)), Poll::Pending);
        }
        // The future moved to another task.
        assert_eq!(one.poll_stopped(&mut Context::from_waker(&new_waker)), Poll::Pending);
        assert_eq!(two.poll_stopped(&mut Context::from_waker(&other_waker)), Poll::Pending);
        assert!(!shutdown.is_shut_down());
        shutdown.shutdown();
        shutdown.shutdown();
        assert!(shutdown.is_shut_down());
        assert_eq!((count(&old), count(&new), count(&other)), (0, 1, 1));
        for mut stop in [one, two, three, shutdown.listen()] {
            assert!(stop.is_stopped());
            assert_eq!(stop.poll_stopped(&mut Context::from_waker(&new_waker)), Poll::Ready(()));
        }
    }

    #[test]
    fn neither_wakes_nor_keeps_a_dropped_listener() {
        let shutdown = ShutdownHandle::new();
        let (woken, waker) = task();
        let mut stop = shutdown.listen();
        assert_eq!(stop.poll_stopped(&mut Context::from_waker(&waker)), Poll::Pending);
        drop((stop, waker));
        assert_eq!(Arc::strong_count(&woken), 1);
        shutdown.shutdown();
        assert_eq!(count(&woken), 0);
    }

    /// A listener that saw no stop is always woken, whenever the stop happens.
    #[test]
    fn no_wake_up_is_lost() {
        for _ in 0..2_000 {
            let shutdown = ShutdownHandle::new();
            let mut stop = shutdown.listen();
            let (woken, waker) = task();
            let stopping = thread::spawn(move || shutdown.shutdown());
            let seen = stop.poll_stopped(&mut Context::from_waker(&waker));
            stopping.join().unwrap();
            assert!(seen.is_ready() || count(&woken) == 1);
        }
    }
}
