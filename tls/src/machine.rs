//! One connection's TLS: bytes and records, no socket.
//!
//! It is rustls' unbuffered API with the buffers in it, decrypting where the bytes were read to, one record at a time.

use std::fmt;
use std::sync::Arc;

use powerstream_core::transport_error::{TlsError, TransportError, TransportErrorKind};
use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, WriteTraffic};

use crate::error::fault;

/// ByteCounts of a buffer that the longest record fits in (RFC 5246, section 6.2.3): what a read asks for at most.
const RECORD_BYTES: usize = 5 + (16 << 10) + 2_048;

/// The longest message of a handshake, a chain of certificates in the main, with the header of its record: rustls takes none
/// that is longer.
const INCOMING_BYTES_MAX: usize = (64 << 10) + RECORD_BYTES;

/// Plaintext that is encrypted at once: a record.
const WRITE_BYTES: usize = 16 << 10;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "an end is one of these")]
pub enum End {
    /// The peer said that it would send no more (`close_notify`).
    CloseNotify,
    /// The transport ended, and the peer, or whoever cut it, had said nothing. Whether anything is missing is for the
    /// protocol above to know: HTTP's body says where it ends.
    BareFin,
}

/// The TLS of one connection, made by [`Connector::connect`](crate::Connector::connect). It does no I/O; its time and its
/// randomness are those of its configuration.
///
/// 1. Send what [`Self::transmit`] gives, say how much of it went out ([`Self::handle_transmitted`]).
/// 2. Read into [`Self::read_buf`], say how much came ([`Self::handle_read`], [`Self::handle_eof`]).
/// 3. Take what has come with [`Self::read`] or [`Self::read_with`], until they answer `None`.
/// 4. Once [`Self::is_handshaking`] is false, [`Self::write`] takes what is to be sent; at the end, [`Self::close`].
///
/// Its buffers are bounded: some 18 KiB for what comes, up to 84 KiB while a handshake with long certificates needs that;
/// a record of what goes.
pub struct Machine {
    connection: UnbufferedClientConnection,
    /// Ciphertext: `incoming[start..end]` has not been consumed.
    incoming: Vec<u8>,
    start: usize,
    end: usize,
    /// The last read filled its buffer.
    filled: bool,
    /// A record is decrypted and waits in the connection.
    ready: bool,
    /// The rest of a record that was longer than its reader's buffer: from `taken` on.
    rest: Vec<u8>,
    taken: usize,
    /// Ciphertext: from `sent` on.
    outgoing: Vec<u8>,
    sent: usize,
    /// Something of the peer's was understood.
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
        // The first message is ours.
        machine.advance();
        Ok(machine)
    }

    /// Whether the handshake is not over, and nothing is taken by [`Self::write`] yet.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// What is wrong, at once: [`Self::read`] says so too, behind what came before it. There may be an alert to send.
    #[must_use]
    pub const fn fault(&self) -> Option<TransportError> {
        self.fault
    }

    /// How the connection ended, once it has: plaintext may still wait to be read.
    #[must_use]
    pub const fn ended(&self) -> Option<End> {
        self.ended
    }

    /// Whether more has come than was read, or may have: the last read filled its buffer, or brought part of a record.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.filled || self.ready || self.taken < self.rest.len() || self.start < self.end
    }

    /// The bytes that are to be sent; none where there is nothing to send for now.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        &self.outgoing[self.sent..]
    }

    /// So many bytes of [`Self::transmit`] were sent.
    ///
    /// # Panics
    /// Where that is more than there were.
    pub fn handle_transmitted(&mut self, count: usize) {
        assert!(count <= self.transmit().len(), "more bytes were sent than there were");
        self.sent += count;
        if self.sent == self.outgoing.len() {
            self.outgoing.clear();
            self.sent = 0;
        }
    }

    /// Where to read into. Never empty when all that has come is taken.
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

    /// So many bytes were read into [`Self::read_buf`].
    ///
    /// # Panics
    /// Where that is more than fit.
    pub fn handle_read(&mut self, count: usize) {
        let room = self.incoming.len() - self.end;
        assert!(count <= room, "more bytes were read than the buffer holds");
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

    /// The transport has ended. What was received whole can still be read.
    pub fn handle_eof(&mut self) {
        if self.fault.is_some() || self.ended.is_some() {
            return;
        }
        self.filled = false;
        // What lies behind the record that waits is decrypted first: the peer may have said goodbye there.
        self.process(Plaintext::PutAside, |_, _| ());
        if self.is_handshaking() {
            self.fail(TransportError::new(TransportErrorKind::Tls(TlsError::HandshakeClosed)));
        } else if self.fault.is_none() {
            self.ended = self.ended.or(Some(End::BareFin));
        }
    }

    /// Takes plaintext that has come: as much as fits, of one record at a time, so that nobody waits for the decryption of
    /// the next one. 0: the peer has ended, see [`Self::ended`]. `None`: more must be read first.
    ///
    /// # Errors
    /// [`TransportError`] where TLS failed, behind all that came whole before.
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
        // All of it is taken: only its storage goes on.
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

    /// Lends the plaintext of the next record, without a copy. An empty slice: the peer has ended. `None`: more must be
    /// read first, and `take` was not called.
    ///
    /// # Errors
    /// As [`Self::read`].
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

    /// Takes some of what is to be sent, a record at most, and says how much: nothing in the handshake, after
    /// [`Self::close`], or while [`Self::transmit`] has something left.
    ///
    /// # Errors
    /// [`TransportError`] where TLS failed.
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

    /// Says goodbye (`close_notify`): nothing is taken by [`Self::write`] any more. In the handshake there is nothing to say.
    pub fn close(&mut self) {
        if self.closed || self.is_handshaking() || self.fault.is_some() {
            return;
        }
        self.closed = true;
        // An error would mean that there is nothing left to say it with.
        let _ = self.process(Plaintext::PutAside, |traffic, outgoing| {
            append(outgoing, |room| traffic.queue_close_notify(room), encrypt_needs)
        });
    }

    /// Goes on with what has come, until plaintext waits or more must come.
    fn advance(&mut self) {
        if !self.ready && self.ended.is_none() && self.fault.is_none() {
            self.process(Plaintext::Waits, |_, _| ());
        }
    }

    /// Does what rustls asks for, until it waits. Where it comes to take plaintext of ours, that is for `then`.
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
                    // At most once: it is where the loop ends.
                    result = then.take().map(|then| then(&mut traffic, &mut self.outgoing));
                    false
                }
                // It waits for more, or is over.
                Ok(_) => false,
                Err(error) => {
                    self.start += discard;
                    self.fail(fault(&error, !self.met));
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

    /// It is over: nothing more is taken in, and the alert that says so goes out.
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
    /// Numbers only: what the buffers hold is nobody's business.
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

/// What becomes of plaintext that rustls has before it goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plaintext {
    /// It waits there, and everything with it.
    Waits,
    PutAside,
}

type Traffic<'c> = WriteTraffic<'c, rustls::client::ClientConnectionData>;

/// Appends what `encode` writes, giving it the room that it says it needs.
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
