//! A session with a read buffer of its own, for drivers that read from a socket.
//!
//! Everything read is consumed before the next read is asked for: a message that is cut moves to the session's
//! storage, so the buffer is always free again and stays as small as one read. 16 KiB is what a read asks for: larger
//! ones were measured to be slower, since they leave the first-level cache, and a TLS record holds no more.

use core::fmt;

use crate::session::{Fault, RawEvent, Session, SessionEvent, Step};
use crate::time::{Instant, UnixTime};

/// The length of read buffer that is measured to be best.
pub const READ_BYTES: usize = 16_384;

/// A [`Session`] and the buffer its input is read into.
pub struct Buffered<S: AsRef<[u8]> + AsMut<[u8]>, B> {
    session: Session<S>,
    buffer: B,
    /// What is read and not consumed: `buffer[start..end]`.
    start: usize,
    end: usize,
    /// The next event, and where the slice starts in which it was found.
    event: Option<(RawEvent, usize)>,
    /// When the buffer was last filled.
    read_at: Instant,
}

impl<S, B> Buffered<S, B>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    /// Gives `session` a buffer. [`READ_BYTES`] is a good length.
    ///
    /// # Panics
    /// Where the buffer is empty.
    pub fn new(session: Session<S>, buffer: B) -> Self {
        assert!(!buffer.as_ref().is_empty(), "a read needs a buffer of at least one byte");
        Self { session, buffer, start: 0, end: 0, event: None, read_at: Instant::ZERO }
    }

    /// The session.
    pub const fn session(&self) -> &Session<S> {
        &self.session
    }

    /// What must happen next. See [`Session::poll`].
    #[must_use]
    pub fn poll(&self) -> Step {
        if self.event.is_some() { Step::Event } else { self.session.poll() }
    }

    /// Lends the next event, the same until [`Self::release`].
    #[must_use]
    pub fn peek(&self) -> Option<SessionEvent<'_>> {
        let (event, start) = self.event?;
        Some(self.session.lend(event, &self.buffer.as_ref()[start..self.end]))
    }

    /// Done with the event: goes on to the next one in the buffer.
    pub fn release(&mut self) {
        self.event = None;
        self.find_event(self.read_at);
    }

    /// Where to read into. Only to be used when [`Self::poll`] asks for a read.
    #[must_use]
    pub fn read_buf(&mut self) -> &mut [u8] {
        self.buffer.as_mut()
    }

    /// The request's bytes that are still to be sent. See [`Session::transmit`].
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        self.session.transmit()
    }

    /// Whether events were handed out since the last read. See [`Session::is_paused`].
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.session.is_paused()
    }

    /// A read is waited for again. See [`Session::handle_resume`].
    pub fn handle_resume(&mut self, now: Instant) {
        self.session.handle_resume(now);
    }

    /// So many bytes were read into [`Self::read_buf`].
    ///
    /// # Panics
    /// Where `count` is more than the buffer's length.
    pub fn handle_read(&mut self, count: usize, now: Instant) {
        let room = self.buffer.as_ref().len();
        assert!(count <= room, "more bytes were read than the buffer holds");
        self.start = 0;
        self.end = count;
        self.read_at = now;
        self.find_event(now);
        if count == room {
            self.session.handle_backlog();
        }
    }

    /// The peer has closed. See [`Session::handle_eof`].
    pub fn handle_eof(&mut self, now: Instant) {
        self.session.handle_eof(now);
        self.find_event(now);
    }

    /// The transport failed. See [`Session::handle_fault`].
    pub fn handle_fault(&mut self, fault: Fault, now: Instant) {
        self.session.handle_fault(fault, now);
        self.find_event(now);
    }

    /// The transport is there. See [`Session::handle_connected`].
    pub fn handle_connected(&mut self, now: Instant) {
        self.session.handle_connected(now);
    }

    /// So many bytes of [`Self::transmit`] were sent. See [`Session::handle_written`].
    pub fn handle_written(&mut self, count: usize, now: Instant) {
        self.session.handle_written(count, now);
    }

    /// The transport is closed. See [`Session::handle_closed`].
    pub fn handle_closed(&mut self, now: Instant) {
        self.session.handle_closed(now);
        self.find_event(now);
    }

    /// It is `now`. See [`Session::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.find_event(now);
    }

    /// The wall clock reads `unix` at `now`. See [`Session::set_wall_clock`].
    pub fn set_wall_clock(&mut self, now: Instant, unix: UnixTime) {
        self.session.set_wall_clock(now, unix);
    }

    /// The stream is to end: what is in the buffer is still delivered. See [`Session::shutdown`].
    pub fn shutdown(&mut self) {
        self.session.shutdown();
    }

    fn find_event(&mut self, now: Instant) {
        while self.event.is_none() {
            let start = self.start;
            let (consumed, event) = self.session.scan(&self.buffer.as_ref()[start..self.end], now);
            self.start += consumed;
            match event {
                Some(event) => self.event = Some((event, start)),
                None => break,
            }
        }
    }
}

impl<S: AsRef<[u8]> + AsMut<[u8]>, B> fmt::Debug for Buffered<S, B> {
    /// Leaves the buffer out: its octets are of no use in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffered")
            .field("session", &self.session)
            .field("unread", &(self.end - self.start))
            .finish_non_exhaustive()
    }
}
