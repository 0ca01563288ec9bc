//! Ends a read that waits in the kernel, from another thread, by shutting its socket down.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

/// Shuts the open socket down when it is woken. Used as the waker of a
/// [`Stop`](powerstream_client::shutdown::ShutdownSignal).
#[derive(Debug, Default)]
pub(crate) struct Interrupt(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stopped: bool,
    /// A second handle to the open socket.
    socket: Option<TcpStream>,
}

impl Interrupt {
    /// Sets the open socket.
    pub(crate) fn set_socket(&self, socket: &TcpStream) -> io::Result<()> {
        let clone = socket.try_clone()?;
        self.with(|inner| {
            inner.socket = Some(clone);
            inner.shut_down();
        });
        Ok(())
    }

    /// Forgets the socket, so that the second handle does not keep the connection open.
    pub(crate) fn clear_socket(&self) {
        self.with(|inner| inner.socket = None);
    }

    fn with(&self, change: impl FnOnce(&mut Inner)) {
        // No change under this lock can be left incomplete by a panic.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Inner {
    fn shut_down(&self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| self.stopped) {
            // On an error the socket is already closed.
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
