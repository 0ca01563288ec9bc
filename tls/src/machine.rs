//! A sans-IO TLS client for one connection.
//!
//! It wraps rustls' unbuffered API and owns its buffers. Records are decrypted in place, one per
//! read.

use std::fmt;
use std::sync::Arc;

use powerstream_core::transport_error::{TlsError, TransportError, TransportErrorKind};
use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, WriteTraffic};

use crate::error::fault;

/// The size of the longest TLS record, in bytes (RFC 5246, section 6.2.3). This is the size of one
/// read.
const RECORD_BYTES: usize = 5 + (16 << 10) + 2_048;

/// The largest handshake message that rustls accepts, usually a certificate chain, plus one record;
/// in bytes.
const INCOMING_BYTES_MAX: usize = (64 << 10) + RECORD_BYTES;

/// The most plaintext encrypted by one call: one record, in bytes.
const WRITE_BYTES: usize = 16 << 10;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there are no other ends")]
pub enum End {
    /// The peer sent `close_notify`.
    CloseNotify,
    /// The transport ended without `close_notify`. TLS cannot tell whether data is missing; HTTP
    /// can, because its body has an end.
    BareFin,
}

/// The TLS state of one connection, created by [`Connector::connect`](crate::Connector::connect).
///
/// It does no I/O. Call it in this order:
///
/// 1. Send the bytes of [`Self::transmit`], and report how many were sent with
///    [`Self::handle_transmitted`].
/// 2. Read bytes into [`Self::read_buf`], and report the count with [`Self::handle_read`], or the
///    end with [`Self::handle_eof`].
/// 3. Call [`Self::read`] or [`Self::read_with`] until it returns `None`.
/// 4. When [`Self::is_handshaking`] returns false, pass plaintext to [`Self::write`]. Call
///    [`Self::close`] at the end.
///
/// Memory is bounded: 18 KiB for input, and one record (16 KiB) for output. During a handshake with
/// a long certificate chain, the input takes up to 82 KiB. rustls 0.23 also allocates one vector
/// per received record.
pub struct Machine {
    connection: UnbufferedClientConnection,
    /// Ciphertext: `incoming[start..end]` has not been processed.
    incoming: Vec<u8>,
    start: usize,
    end: usize,
    /// The last read filled its buffer.
    filled: bool,
    /// A decrypted record is waiting in the connection.
    ready: bool,
    /// The end of a record that did not fit into the reader's buffer: the bytes from `taken` on are
    /// unread.
    rest: Vec<u8>,
    taken: usize,
    /// Ciphertext to send: the bytes from `sent` on are unsent.
    outgoing: Vec<u8>,
    sent: usize,
    /// At least one message of the peer was valid.
    met: bool,
    closed: bool,
    ended: Option<End>,
    fault: Option<TransportError>,
}

impl Machine {
    pub(crate) fn new(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, TransportError> {
        let connection =
            UnbufferedClientConnection::new(config, name).map_err(|error| fault(&error, false))?;
        let mut machine = Self {
            connection,
            incoming: vec![0; RECORD_BYTES],
            start: 0,
            end: 0,
            filled: false,
            ready: false,
            rest: Vec::new(),
            taken: 0,
            outgoing: Vec::new(),
            sent: 0,
            met: false,
            closed: false,
            ended: None,
            fault: None,
        };
        // The client sends the first message.
        machine.advance();
        Ok(machine)
    }

    /// Returns true until the handshake completes. Until then, [`Self::write`] accepts nothing.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Returns the error, if there is one. [`Self::read`] returns it only after the plaintext
    /// received before. An alert for the peer may be waiting in [`Self::transmit`].
    #[must_use]
    pub const fn fault(&self) -> Option<TransportError> {
        self.fault
    }

    /// Returns how the connection ended, once it has. Unread plaintext may remain.
    #[must_use]
    pub const fn ended(&self) -> Option<End> {
        self.ended
    }

    /// Returns true if unread input is buffered, or may be waiting in the socket because the last
    /// read filled its buffer.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.filled || self.ready || self.taken < self.rest.len() || self.start < self.end
    }

    /// Returns the bytes to send; empty if there are none.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        &self.outgoing[self.sent..]
    }

    /// Reports that the first `count` bytes of [`Self::transmit`] were sent.
    ///
    /// # Panics
    /// If `count` exceeds the length of [`Self::transmit`].
    pub fn handle_transmitted(&mut self, count: usize) {
        assert!(count <= self.transmit().len(), "`count` exceeds the number of bytes to send");
        self.sent += count;
        if self.sent == self.outgoing.len() {
            self.outgoing.clear();
            self.sent = 0;
        }
    }

    /// Returns the buffer to read ciphertext into. It is not empty if all plaintext has been read.
    #[must_use]
    pub fn read_buf(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.incoming.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.incoming.len() {
            let length = (2 * self.incoming.len()).min(INCOMING_BYTES_MAX);
            self.incoming.resize(length, 0);
        }
        &mut self.incoming[self.end..]
    }

    /// Reports that `count` bytes were read into [`Self::read_buf`], and processes them.
    ///
    /// # Panics
    /// If `count` exceeds the length of the buffer.
    pub fn handle_read(&mut self, count: usize) {
        let room = self.incoming.len() - self.end;
        assert!(count <= room, "`count` exceeds the length of the read buffer");
        if self.fault.is_some() || self.ended.is_some() {
            return;
        }
        self.filled = count == room;
        self.end += count;
        self.advance();
        if self.end - self.start == INCOMING_BYTES_MAX && !self.ready {
            self.fail(TransportError::new(TransportErrorKind::Tls(TlsError::Broken)));
        }
    }

    /// Reports that the transport ended. Complete records received before can still be read.
    pub fn handle_eof(&mut self) {
        if self.fault.is_some() || self.ended.is_some() {
            return;
        }
        self.filled = false;
        // A `close_notify` may follow the waiting record, so everything is decrypted now.
        self.process(Plaintext::PutAside, |_, _| ());
        if self.is_handshaking() {
            self.fail(TransportError::new(TransportErrorKind::Tls(TlsError::HandshakeClosed)));
        } else if self.fault.is_none() {
            self.ended = self.ended.or(Some(End::BareFin));
        }
    }

    /// Reads plaintext of one record into `buffer`, and returns the number of bytes. Each call
    /// decrypts at most one record, so a record is available before the next one is decrypted.
    ///
    /// Returns `Some(0)` if the peer ended the connection (see [`Self::ended`]), and `None` if more
    /// input is needed or `buffer` is empty.
    ///
    /// # Errors
    /// [`TransportError`] if TLS failed, after all complete records received before have been read.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, TransportError> {
        if buffer.is_empty() {
            return Ok(None);
        }
        if self.taken < self.rest.len() {
            let rest = &self.rest[self.taken..];
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            self.taken += count;
            return Ok(Some(count));
        }
        // Everything is read; the storage is reused.
        let mut rest = std::mem::take(&mut self.rest);
        rest.clear();
        let result = self.read_with(|record| {
            let (now, later) = record.split_at(record.len().min(buffer.len()));
            buffer[..now.len()].copy_from_slice(now);
            rest.extend_from_slice(later);
            now.len()
        });
        (self.rest, self.taken) = (rest, 0);
        result
    }

    /// Passes the plaintext of the next record to `take`, and returns its result.
    ///
    /// This module does not copy the plaintext. rustls 0.23 still allocates one vector per
    /// record.
    ///
    /// The slice is empty if the peer ended the connection. Returns `None`, without calling `take`,
    /// if more input is needed.
    ///
    /// # Errors
    /// The errors of [`Self::read`].
    pub fn read_with<R>(&mut self, take: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, TransportError> {
        if self.taken < self.rest.len() {
            let result = take(&self.rest[self.taken..]);
            self.taken = self.rest.len();
            return Ok(Some(result));
        }
        self.advance();
        if self.ready {
            self.ready = false;
            let status = self.connection.process_tls_records(&mut self.incoming[self.start..self.end]);
            self.start += status.discard;
            if let Ok(ConnectionState::ReadTraffic(mut traffic)) = status.state {
                if let Some(Ok(record)) = traffic.next_record() {
                    let result = take(record.payload);
                    self.start += record.discard;
                    return Ok(Some(result));
                }
            }
        }
        match (self.fault, self.ended) {
            (Some(fault), _) => Err(fault),
            (None, Some(_)) => Ok(Some(take(&[]))),
            (None, None) => Ok(None),
        }
    }

    /// Encrypts at most one record (16 KiB) of `plaintext`, and returns how many bytes were
    /// accepted. Returns 0 during the handshake, after [`Self::close`], and while
    /// [`Self::transmit`] has unsent bytes.
    ///
    /// # Errors
    /// [`TransportError`] if TLS failed.
    pub fn write(&mut self, plaintext: &[u8]) -> Result<usize, TransportError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.is_handshaking() || self.closed || !self.transmit().is_empty() {
            return Ok(0);
        }
        let some = &plaintext[..plaintext.len().min(WRITE_BYTES)];
        let written = self.process(Plaintext::PutAside, |traffic, outgoing| {
            append(outgoing, |room| traffic.encrypt(some, room), encrypt_needs)
        });
        match written {
            Some(Ok(())) => Ok(some.len()),
            Some(Err(_)) => Err(TransportError::new(TransportErrorKind::Tls(TlsError::Local))),
            None => self.fault.map_or(Ok(0), Err),
        }
    }

    /// Queues `close_notify`. From then on, [`Self::write`] accepts nothing. During the handshake
    /// this does nothing.
    pub fn close(&mut self) {
        if self.closed || self.is_handshaking() || self.fault.is_some() {
            return;
        }
        self.closed = true;
        // If this fails, `close_notify` cannot be sent at all, and the connection ends without it.
        let _ = self.process(Plaintext::PutAside, |traffic, outgoing| {
            append(outgoing, |room| traffic.queue_close_notify(room), encrypt_needs)
        });
    }

    /// Processes the input until a record can be read or more input is needed.
    fn advance(&mut self) {
        if !self.ready && self.ended.is_none() && self.fault.is_none() {
            self.process(Plaintext::Waits, |_, _| ());
        }
    }

    /// Runs rustls until it has to wait. When rustls is ready to send plaintext, `then` is called.
    fn process<R>(
        &mut self,
        plaintext: Plaintext,
        then: impl FnOnce(&mut Traffic<'_>, &mut Vec<u8>) -> R,
    ) -> Option<R> {
        let (mut then, mut result) = (Some(then), None);
        loop {
            let status = self.connection.process_tls_records(&mut self.incoming[self.start..self.end]);
            let mut discard = status.discard;
            let goes_on = match status.state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.outgoing, |room| data.encode(room), encode_needs).is_ok()
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    true
                }
                Ok(ConnectionState::ReadTraffic(_)) if plaintext == Plaintext::Waits => {
                    self.ready = true;
                    false
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    self.ready = false;
                    while let Some(Ok(record)) = traffic.next_record() {
                        discard += record.discard;
                        self.rest.extend_from_slice(record.payload);
                    }
                    true
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.ended = Some(End::CloseNotify);
                    true
                }
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    // At most once, because the loop ends here.
                    result = then.take().map(|then| then(&mut traffic, &mut self.outgoing));
                    false
                }
                // rustls needs more input, or the connection is over.
                Ok(_) => false,
                Err(error) => {
                    self.fail(fault(&error, !self.met && discard == 0));
                    return None;
                }
            };
            self.start += discard;
            self.met |= discard > 0;
            if !goes_on {
                break;
            }
        }
        result
    }

    /// Enters the failed state: no more input is accepted, and the alert is queued.
    fn fail(&mut self, fault: TransportError) {
        self.fault = Some(fault);
        (self.start, self.end, self.filled) = (0, 0, false);
        while self.connection.wants_write() {
            let status = self.connection.process_tls_records(&mut []);
            let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state else { break };
            if append(&mut self.outgoing, |room| data.encode(room), encode_needs).is_err() {
                break;
            }
        }
    }
}

impl fmt::Debug for Machine {
    /// Prints sizes and states only, because the buffers contain traffic.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("handshaking", &self.is_handshaking())
            .field("unread", &(self.end - self.start))
            .field("unsent", &self.transmit().len())
            .field("ended", &self.ended)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

/// What happens to plaintext that rustls has decrypted before it can continue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plaintext {
    /// It stays in rustls, which processes nothing else until it is read.
    Waits,
    PutAside,
}

type Traffic<'c> = WriteTraffic<'c, rustls::client::ClientConnectionData>;

/// Appends the output of `encode`, with as much room as it asks for.
fn append<E>(
    outgoing: &mut Vec<u8>,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, E>,
    needs: fn(&E) -> Option<usize>,
) -> Result<(), E> {
    let at = outgoing.len();
    let mut room = outgoing.capacity() - at;
    loop {
        outgoing.resize(at + room, 0);
        let result = encode(&mut outgoing[at..]);
        outgoing.truncate(at + result.as_ref().map_or(0, |written| *written));
        match result {
            Ok(_) => return Ok(()),
            Err(error) => match needs(&error) {
                Some(needed) if needed > room => room = needed,
                _ => return Err(error),
            },
        }
    }
}

fn encode_needs(error: &EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
        EncodeError::AlreadyEncoded => None,
    }
}

fn encrypt_needs(error: &EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
        EncryptError::EncryptExhausted => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spare capacity is used before the buffer grows, so the memory for output stays bounded.
    #[test]
    fn output_is_encoded_into_the_spare_capacity_first() {
        let mut outgoing = Vec::with_capacity(100);
        outgoing.extend([1; 60]);
        let capacity = outgoing.capacity();
        let fill = |room: &mut [u8]| Ok::<usize, EncodeError>(room.len());
        assert!(append(&mut outgoing, fill, encode_needs).is_ok());
        assert_eq!(outgoing.len(), capacity);
    }
}
