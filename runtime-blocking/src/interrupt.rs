//! Ending a read that waits in the kernel, from another thread: by shutting its socket down.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

/// Wakes a thread out of its socket. To be left with a [`Stop`](powerstream_client::shutdown::Stop) as its waker: what
/// wakes it ends the socket for good.
#[derive(Debug, Default)]
pub(crate) struct Interrupt(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stopped: bool,
    /// A second handle to the open socket.
    socket: Option<TcpStream>,
}

impl Interrupt {
    /// The open socket from here on.
    pub(crate) fn set_socket(&self, socket: &TcpStream) -> io::Result<()> {
        let clone = socket.try_clone()?;
        self.with(|inner| {
            inner.socket = Some(clone);
            inner.shut_down();
        });
        Ok(())
    }

    /// There is no open socket: this must not hold the server's slot.
    pub(crate) fn clear_socket(&self) {
        self.with(|inner| inner.socket = None);
    }

    fn with(&self, change: impl FnOnce(&mut Inner)) {
        // Nothing is left half-done under this lock.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Inner {
    fn shut_down(&self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| self.stopped) {
            // An error means that it is closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Wake for Interrupt {
    fn wake(self: Arc<Self>) {
        self.with(|inner| {
            inner.stopped = true;
            inner.shut_down();
        });
    }
}
