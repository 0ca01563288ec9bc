//! Ending a stream from another thread, whatever it is waiting in.

use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Ends a stream from any thread: [`Stream::next`](crate::Stream::next) hands out what is in the read buffer already,
/// then answers `None`. It interrupts resolving, connecting, writing, reading and sleeping alike.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<Signal>);

impl Shutdown {
    pub(crate) fn new(signal: Arc<Signal>) -> Self {
        Self(signal)
    }

    /// Ends the stream. Calling it again has no effect.
    pub fn shutdown(&self) {
        self.0.stop();
    }
}

/// What a stream's thread waits on besides its socket.
#[derive(Debug)]
pub(crate) struct Signal {
    stopped: AtomicBool,
    /// The open socket, so that a read or write in it can be ended.
    socket: Mutex<Option<TcpStream>>,
    woken: Condvar,
    /// Wakes the wait for a connection.
    poll: mio::Waker,
}

impl Signal {
    pub(crate) fn new(poll: mio::Waker) -> Self {
        Self { stopped: AtomicBool::new(false), socket: Mutex::new(None), woken: Condvar::new(), poll }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        // Behind the lock, so that a thread which saw no stop a moment ago is waiting by now, or will look again.
        if let Some(socket) = &*self.lock() {
            // An error means that it is closed already.
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        self.woken.notify_all();
        // An error would mean that the poll is gone, and with it the wait.
        let _ = self.poll.wake();
    }

    /// The open socket from here on.
    pub(crate) fn set_socket(&self, socket: &TcpStream) -> io::Result<()> {
        let clone = socket.try_clone()?;
        let mut guard = self.lock();
        if self.is_stopped() {
            let _ = clone.shutdown(std::net::Shutdown::Both);
        }
        *guard = Some(clone);
        Ok(())
    }

    pub(crate) fn clear_socket(&self) {
        *self.lock() = None;
    }

    /// Waits for `length`, for [`Self::wake`], or for the stop. It may also return for no reason.
    pub(crate) fn wait(&self, length: Duration, unless: impl FnOnce() -> bool) {
        let guard = self.lock();
        if !self.is_stopped() && !unless() {
            drop(self.woken.wait_timeout(guard, length));
        }
    }

    /// Ends a [`Self::wait`].
    pub(crate) fn wake(&self) {
        drop(self.lock());
        self.woken.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Option<TcpStream>> {
        // Nothing is left half-done under this lock.
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
