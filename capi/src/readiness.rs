//! The file descriptor that is readable when an event is queued: a pipe. The waker of the queue
//! writes to it, and taking an event drains it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The end that the stream keeps.
pub(crate) struct Readiness {
    signal: Arc<Signal>,
    waker: Waker,
    #[cfg(unix)]
    receiver: mio::unix::pipe::Receiver,
}

/// The end that the queue wakes.
pub(crate) struct Signal {
    /// The pipe has a byte.
    is_set: AtomicBool,
    #[cfg(unix)]
    sender: mio::unix::pipe::Sender,
}

impl Signal {
    /// Opens a pipe. Returns the descriptor to poll, too.
    #[cfg(unix)]
    pub(crate) fn open() -> io::Result<(Readiness, i32)> {
        use std::os::fd::AsRawFd;

        let (sender, receiver) = mio::unix::pipe::new()?;
        let signal = Arc::new(Self { is_set: AtomicBool::new(false), sender });
        let descriptor = receiver.as_raw_fd();
        Ok((Readiness { waker: Waker::from(Arc::clone(&signal)), signal, receiver }, descriptor))
    }

    /// Fails: only Unix has pipes that a poll can wait for.
    #[cfg(not(unix))]
    pub(crate) fn open() -> io::Result<(Readiness, i32)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set(&self) {
        if !self.is_set.swap(true, Ordering::AcqRel) {
            // A full pipe is readable, which is all that counts.
            #[cfg(unix)]
            let _ = io::Write::write(&mut &self.sender, &[0]);
        }
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.set();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set();
    }
}

impl Readiness {
    /// Makes the descriptor readable.
    pub(crate) fn set(&self) {
        self.signal.set();
    }

    /// Makes the descriptor not readable. Later wake-ups make it readable again.
    pub(crate) fn drain(&mut self) {
        // The byte goes before the flag: a wake-up between the two writes nothing, but the caller
        // polls the queue after this and finds its event.
        if self.signal.is_set.load(Ordering::Acquire) {
            #[cfg(unix)]
            let _ = io::Read::read(&mut self.receiver, &mut [0; 16]);
            self.signal.is_set.store(false, Ordering::Release);
        }
    }

    /// Polls once. If that pends, the next wake-up makes the descriptor readable.
    pub(crate) fn poll<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        match poll(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }
}
