//! A buffer to read into, in which an unfinished message stays where it was read.
//!
//! A read usually ends within a message. The next read goes behind that part, so the message
//! becomes whole without a copy. An unfinished message is moved to the start of the buffer before a
//! long read, or if it ends behind [`READ_BYTES`] or behind half of the buffer.
//!
//! A live stream needs reads of [`READ_BYTES`] only. If a read fills that, more input is waiting,
//! and a longer buffer is used as a whole, so that a backlog takes fewer system calls. A read that
//! returns less than [`READ_BYTES`] ends that.
//!
//! ```
//! use powerstream_core::read_buffer::ReadBuffer;
//! use powerstream_core::stream::{Connection, ConnectionConfig, ConnectionEvent};
//! use powerstream_core::time::Instant;
//!
//! let now = Instant::ZERO;
//! let mut connection = Connection::new(vec![0; 65_536], ConnectionConfig::default());
//! connection.handle_connected(now);
//! let mut buffer = ReadBuffer::new(vec![0; 4_096]);
//! let mut messages = Vec::new();
//! let reads: [&[u8]; 2] = [b"HTTP/1.1 200 OK\r\n\r\n{\"text\":", b"\"a cut message\"}\r\n{"];
//! for read in reads {
//!     buffer.room()[..read.len()].copy_from_slice(read);
//!     buffer.handle_read(read.len());
//!     loop {
//!         let (consumed, event) = connection.scan_partial(buffer.input(), now);
//!         buffer.consume(consumed);
//!         let Some(event) = event? else { break };
//!         if let ConnectionEvent::Message(message) = connection.lend(event, buffer.scanned()) {
//!             messages.push(message.to_owned());
//!         }
//!     }
//!     if !buffer.leave() {
//!         connection.take_left(buffer.take_left());
//!     }
//! }
//! assert_eq!(messages, [b"{\"text\":\"a cut message\"}"]);
//! # Ok::<(), powerstream_core::stream::ConnectionError>(())
//! ```

use core::fmt;

/// The length of a read without a backlog, in bytes. It fits the first-level cache, and is the
/// maximum of a TLS record.
pub const READ_BYTES: usize = 16_384;

/// A good length of a read buffer, in bytes. Without a backlog and without long messages, only the
/// first two [`READ_BYTES`] of it are used.
pub const BUFFER_BYTES: usize = 4 * READ_BYTES;

/// A buffer to read into. `B` is its memory: `Vec<u8>`, `Box<[u8]>`, `[u8; N]`, `&mut [u8]`.
pub struct ReadBuffer<B> {
    bytes: B,
    /// The bytes that are not consumed are `bytes[start..end]`.
    start: usize,
    end: usize,
    /// The end of the room that was lent last.
    room_end: usize,
    /// Where the input that was scanned last started.
    scanned: usize,
    /// The bytes that are not consumed were scanned. They need more input.
    is_left: bool,
    /// The last read returned at least [`READ_BYTES`], so the next one uses the whole buffer.
    is_long: bool,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> ReadBuffer<B> {
    /// Creates an empty buffer in `bytes`. [`BUFFER_BYTES`] is a good length, or [`READ_BYTES`] to
    /// save memory.
    ///
    /// # Panics
    ///
    /// Panics if `bytes` is empty.
    pub fn new(bytes: B) -> Self {
        assert!(!bytes.as_ref().is_empty(), "the read buffer must not be empty");
        Self { bytes, start: 0, end: 0, room_end: 0, scanned: 0, is_left: false, is_long: false }
    }

    /// Returns the room for the next read: [`READ_BYTES`] at most, or all room if the last read
    /// returned at least [`READ_BYTES`]. If [`Self::leave`] returned `false`, call
    /// [`Self::take_left`] first: the room may be empty otherwise.
    ///
    /// Bytes that were left may be moved, so an event that was found before can no longer be lent.
    /// Then call only [`Self::handle_read`]: any other call may invalidate this memory.
    #[must_use]
    #[inline]
    pub fn room(&mut self) -> &mut [u8] {
        let length = self.bytes.as_ref().len();
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 && (self.is_long || self.end > READ_BYTES.min(length / 2)) {
            self.bytes.as_mut().copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.scanned = self.start;
        let most = if self.is_long { length } else { length.min(self.end + READ_BYTES) };
        self.room_end = most;
        &mut self.bytes.as_mut()[self.end..most]
    }

    /// Reports that `count` bytes were read into [`Self::room`]. Returns true if they fill it.
    ///
    /// # Panics
    ///
    /// Panics if the room is shorter.
    #[inline]
    pub fn handle_read(&mut self, count: usize) -> bool {
        let room = self.room_end - self.end;
        assert!(count <= room, "`count` exceeds the length of the room");
        self.is_long = count >= READ_BYTES;
        // Without new bytes there is nothing to scan.
        self.is_left &= count == 0;
        self.end += count;
        count == room
    }

    /// Returns the input to scan next: all bytes that are not consumed, or nothing if they were
    /// left and no more have been read.
    #[must_use]
    #[inline]
    pub fn input(&self) -> &[u8] {
        if self.is_left { &[] } else { &self.bytes.as_ref()[self.start..self.end] }
    }

    /// Reports that a scan of [`Self::input`] consumed `count` bytes.
    ///
    /// # Panics
    ///
    /// Panics if the input is shorter.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.end - self.start, "`count` exceeds the length of the input");
        self.scanned = self.start;
        self.start += count;
    }

    /// Returns the input of the last scan, to lend the event that it found.
    #[must_use]
    #[inline]
    pub fn scanned(&self) -> &[u8] {
        &self.bytes.as_ref()[self.scanned..self.end]
    }

    /// Returns the number of bytes that are not consumed.
    #[must_use]
    pub const fn unread(&self) -> usize {
        self.end - self.start
    }

    /// Leaves the bytes that are not consumed until more are read. Call it when a scan found no
    /// event.
    ///
    /// Returns `false` if they take more than half of the buffer. Then pass [`Self::take_left`] to
    /// `take_left` of the connection or session.
    #[inline]
    #[must_use]
    pub fn leave(&mut self) -> bool {
        self.is_left = self.start < self.end;
        self.unread() <= self.bytes.as_ref().len() / 2
    }

    /// Returns the bytes that were left, and empties the buffer. Nothing if there are none.
    #[inline]
    pub fn take_left(&mut self) -> &[u8] {
        let left = if self.is_left { self.start..self.end } else { 0..0 };
        if self.is_left {
            self.clear();
        }
        &self.bytes.as_ref()[left]
    }

    /// Discards all bytes. Call it before a new connection.
    pub fn clear(&mut self) {
        (self.start, self.end, self.room_end, self.scanned, self.is_left) = (0, 0, 0, 0, false);
    }
}

impl<B> fmt::Debug for ReadBuffer<B> {
    /// Omits the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuffer").field("unread", &(self.end - self.start)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;

    fn read(buffer: &mut ReadBuffer<Vec<u8>>, bytes: &[u8]) {
        buffer.room()[..bytes.len()].copy_from_slice(bytes);
        buffer.handle_read(bytes.len());
    }

    #[test]
    fn a_read_goes_behind_what_was_left() {
        let mut buffer = ReadBuffer::new(vec![0; 12]);
        read(&mut buffer, b"abcdef");
        assert_eq!(buffer.input(), b"abcdef");
        buffer.consume(2);
        assert_eq!((buffer.scanned(), buffer.input()), (&b"abcdef"[..], &b"cdef"[..]));
        buffer.consume(0);
        assert!(buffer.leave());
        assert_eq!((buffer.input(), buffer.unread()), (&b""[..], 4));
        assert_eq!(buffer.room().len(), 6);
        read(&mut buffer, b"gh");
        assert_eq!(buffer.input(), b"cdefgh");
        buffer.consume(1);
        assert!(buffer.leave());
        assert_eq!(buffer.room().len(), 7, "moved to the start: it ended in the second half");
        assert_eq!(buffer.take_left(), b"defgh");
        assert_eq!(buffer.take_left(), b"");
        assert_eq!((buffer.unread(), buffer.room().len()), (0, 12));
    }

    #[test]
    fn a_read_of_nothing_leaves_what_was_left() {
        let mut buffer = ReadBuffer::new(vec![0; 12]);
        read(&mut buffer, b"abc");
        assert!(buffer.leave());
        read(&mut buffer, b"");
        assert_eq!((buffer.input(), buffer.unread()), (&b""[..], 3));
        buffer.clear();
        assert_eq!(buffer.take_left(), b"");
        assert_eq!((buffer.unread(), buffer.room().len()), (0, 12));
    }

    #[test]
    #[should_panic(expected = "exceeds the length of the room")]
    fn a_read_beyond_the_room_panics() {
        let mut buffer = ReadBuffer::new(vec![0; BUFFER_BYTES]);
        read(&mut buffer, b"abc");
        assert!(buffer.leave());
        assert_eq!(buffer.room().len(), READ_BYTES);
        buffer.handle_read(READ_BYTES + 1);
    }

    #[test]
    fn more_than_half_of_the_buffer_is_not_left() {
        let mut buffer = ReadBuffer::new(vec![0; 12]);
        read(&mut buffer, b"abcdef");
        assert!(buffer.leave());
        read(&mut buffer, b"g");
        assert!(!buffer.leave());
        assert_eq!(buffer.take_left(), b"abcdefg");
    }

    #[test]
    fn a_long_read_uses_the_whole_buffer_once() {
        assert_eq!((READ_BYTES, BUFFER_BYTES), (16_384, 65_536));
        let mut buffer = ReadBuffer::new(vec![0; BUFFER_BYTES]);
        for (count, room) in [
            (100, READ_BYTES),
            (READ_BYTES - 1, READ_BYTES),
            (READ_BYTES, READ_BYTES),
            (READ_BYTES, BUFFER_BYTES),
            (READ_BYTES - 1, BUFFER_BYTES),
            (1, READ_BYTES),
        ] {
            assert_eq!(buffer.room().len(), room);
            assert_eq!(buffer.handle_read(count), count == room);
            buffer.consume(count);
        }
    }

    #[test]
    fn what_was_left_is_moved_before_a_long_read() {
        let mut buffer = ReadBuffer::new(vec![0; BUFFER_BYTES]);
        buffer.room().fill(b'x');
        buffer.handle_read(READ_BYTES);
        buffer.consume(READ_BYTES - 5);
        assert!(buffer.leave());
        assert_eq!(buffer.room().len(), BUFFER_BYTES - 5);
        assert_eq!(buffer.take_left(), b"xxxxx");
    }
}
