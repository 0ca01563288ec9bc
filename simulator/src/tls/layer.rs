//! The TLS state of one connection, without a socket.
//!
//! The watcher passes received bytes to it, and the connection's thread takes the bytes to send.
//! The lock is never held over a system call. A response that the watcher's bytes require (to a key
//! update) is sent with the next write.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::{ServerConfig, ServerConnection};

/// The most plaintext encrypted at once: the contents of one `write()`, in bytes.
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

    /// Returns true during the handshake.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.lock().is_handshaking()
    }

    /// Reads received plaintext. Returns 0 after the client's `close_notify`, and `None` if there
    /// is none now.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.lock().reader().read(buffer) {
            Ok(len) => Ok(Some(len)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Processes bytes from the client. After an error there is an alert to send.
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

    /// Processes bytes and discards their plaintext. Returns true if the client closed or violated
    /// the protocol.
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

    /// Returns the handshake messages and alerts to send.
    pub(crate) fn output(&self) -> Vec<u8> {
        take_output(&mut self.lock())
    }

    /// Encrypts some of the bytes. Returns how many, and the bytes to send.
    pub(crate) fn encrypt(&self, bytes: &[u8]) -> io::Result<(usize, Vec<u8>)> {
        let mut connection = self.lock();
        let len = connection.writer().write(&bytes[..bytes.len().min(WRITE_BYTES)])?;
        Ok((len, take_output(&mut connection)))
    }

    /// Returns the bytes to send before a FIN.
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
        // Writing to a vector does not fail.
        if connection.write_tls(&mut output).is_err() {
            break;
        }
    }
    output
}
