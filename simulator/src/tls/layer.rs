//! One connection's TLS: bytes from the client in, its plaintext out; plaintext in, bytes for the
//! client out. No socket.
//!
//! It is shared as the socket is: the watcher gives it what comes, the connection's thread asks it
//! for what goes. The lock is held for as long as the arithmetic takes, never over a system call.
//! What the watcher's bytes call for (the answer to a key update) goes out with the next write.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::{ServerConfig, ServerConnection};

/// Plaintext that is encrypted at once: what goes into one `write()`.
const WRITE_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Layer {
    connection: Mutex<ServerConnection>,
    close_notify: bool,
}

impl Layer {
    pub(crate) fn new(config: Arc<ServerConfig>, close_notify: bool) -> io::Result<Self> {
        let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
        connection.set_buffer_limit(None);
        Ok(Self { connection: Mutex::new(connection), close_notify })
    }

    /// Whether the handshake is not over.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.lock().is_handshaking()
    }

    /// Takes plaintext that has come; 0 is the client's `close_notify`, `None` that there is no
    /// more for now.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.lock().reader().read(buffer) {
            Ok(len) => Ok(Some(len)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Bytes have come from the client. After an error there is an alert to send.
    pub(crate) fn receive(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut connection = self.lock();
        while !bytes.is_empty() {
            connection.read_tls(&mut bytes)?;
            connection
                .process_new_packets()
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
        Ok(())
    }

    /// Bytes have come that nobody wants; says whether the client has closed, or broken TLS.
    pub(crate) fn discard(&self, bytes: &[u8]) -> bool {
        let mut discarded = [0; 1_024];
        if self.receive(bytes).is_err() {
            return true;
        }
        loop {
            match self.read(&mut discarded) {
                Ok(None) => return false,
                Ok(Some(0)) | Err(_) => return true,
                Ok(Some(_)) => {}
            }
        }
    }

    /// What must be sent without anybody having written: the handshake's messages and alerts.
    pub(crate) fn output(&self) -> Vec<u8> {
        take_output(&mut self.lock())
    }

    /// Encrypts some of the bytes: how many, and what must be sent.
    pub(crate) fn encrypt(&self, bytes: &[u8]) -> io::Result<(usize, Vec<u8>)> {
        let mut connection = self.lock();
        let len = connection.writer().write(&bytes[..bytes.len().min(WRITE_BYTES)])?;
        Ok((len, take_output(&mut connection)))
    }

    /// What must be sent before a FIN.
    pub(crate) fn close(&self) -> Vec<u8> {
        let mut connection = self.lock();
        if self.close_notify {
            connection.send_close_notify();
        }
        take_output(&mut connection)
    }

    fn lock(&self) -> MutexGuard<'_, ServerConnection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_output(connection: &mut ServerConnection) -> Vec<u8> {
    let mut output = Vec::new();
    while connection.wants_write() {
        // A vector takes everything.
        if connection.write_tls(&mut output).is_err() {
            break;
        }
    }
    output
}
