//! A session with its own read buffer, for drivers that read from a socket.

use core::fmt;
use core::net::SocketAddr;

use crate::read_buffer::ReadBuffer;
use crate::session::{Message, ScannedSessionEvent, Session, SessionEvent, Step};
use crate::time::{Instant, KernelTime, UnixTime};
use crate::transport_error::TransportError;

/// A [`Session`] and the buffer its input is read into.
pub struct Buffered<S: AsRef<[u8]> + AsMut<[u8]>, B> {
    session: Session<S>,
    buffer: ReadBuffer<B>,
    /// The next event, found in [`ReadBuffer::scanned`].
    event: Option<ScannedSessionEvent>,
    /// When the buffer was last filled.
    read_at: Instant,
    /// When the kernel received the bytes in the buffer, if the driver knows.
    received_at: Option<KernelTime>,
    /// How the transport ended while events were pending. It is reported to the session after them.
    ended: Option<Result<(), TransportError>>,
}

impl<S, B> Buffered<S, B>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    /// Adds a buffer to `session`. See [`ReadBuffer::new`] for its length.
    ///
    /// # Panics
    ///
    /// Panics if the buffer is empty.
    pub fn new(session: Session<S>, buffer: B) -> Self {
        let read_at = Instant::ZERO;
        let mut buffered = Self {
            session,
            buffer: ReadBuffer::new(buffer),
            event: None,
            read_at,
            received_at: None,
            ended: None,
        };
        // The session may already have an event.
        buffered.find_event(read_at);
        buffered
    }

    /// Returns the session.
    pub const fn session(&self) -> &Session<S> {
        &self.session
    }

    /// Returns the next step. See [`Session::poll`].
    #[must_use]
    pub fn poll(&self) -> Step {
        if self.event.is_some() { Step::Event } else { self.session.poll() }
    }

    /// Returns the next event, borrowed; the same one until [`Self::release`].
    #[must_use]
    #[inline]
    pub fn peek(&self) -> Option<SessionEvent<'_>> {
        match self.peek_message() {
            Some(message) => Some(SessionEvent::Message(message)),
            None => self.peek_other(),
        }
    }

    /// Returns the next event, if it is a message.
    #[must_use]
    #[inline]
    pub fn peek_message(&self) -> Option<Message<'_>> {
        let Some(ScannedSessionEvent::Message { place, class }) = &self.event else { return None };
        let mut message = self.session.lend_message(*place, *class, self.buffer.scanned());
        message.received_at = self.received_at;
        Some(message)
    }

    /// An event that is no message is large, and rare.
    #[cold]
    fn peek_other(&self) -> Option<SessionEvent<'_>> {
        Some(self.session.lend(self.event.as_ref()?, self.buffer.scanned()))
    }

    /// Releases the event, and finds the next one in the buffer.
    pub fn release(&mut self) {
        self.event = None;
        self.find_event(self.read_at);
    }

    /// Returns when the bytes in the buffer were read: the arrival time of the borrowed messages.
    #[must_use]
    pub const fn read_at(&self) -> Instant {
        self.read_at
    }

    /// Reports when the kernel received the bytes of the read that [`Self::handle_read`] reports
    /// next. Messages carry this time.
    pub fn set_received_at(&mut self, at: Option<KernelTime>) {
        self.received_at = at;
    }

    /// Returns the memory to read into: [`ReadBuffer::room`]. Call it before each read, if
    /// [`Self::poll`] asks for one. Then call only [`Self::handle_read`]: any other call may
    /// invalidate this memory.
    #[must_use]
    pub fn read_buf(&mut self) -> &mut [u8] {
        self.buffer.room()
    }

    /// Returns the bytes of the request that are still to be sent. See [`Session::transmit`].
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        self.session.transmit()
    }

    /// Returns true if events were delivered since the last read. See [`Session::is_paused`].
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.session.is_paused()
    }

    /// Reports that the driver waits for a read again. See [`Session::handle_resume`].
    pub fn handle_resume(&mut self, now: Instant) {
        self.session.handle_resume(now);
    }

    /// Reports that `count` bytes were read into [`Self::read_buf`].
    ///
    /// # Panics
    ///
    /// Panics if `count` exceeds the length of that buffer.
    pub fn handle_read(&mut self, count: usize, now: Instant) {
        let is_full = self.buffer.handle_read(count);
        self.read_at = now;
        self.find_event(now);
        if is_full {
            self.session.handle_backlog(now);
        }
    }

    /// Reports that more input was waiting at `now`, although the read did not fill its buffer. See
    /// [`Session::handle_backlog`].
    pub fn handle_backlog(&mut self, now: Instant) {
        self.session.handle_backlog(now);
        self.find_event(now);
    }

    /// Reports that the server closed the connection. Unread input is delivered first. See
    /// [`Session::handle_eof`].
    pub fn handle_eof(&mut self, now: Instant) {
        self.ended = Some(Ok(()));
        self.find_event(now);
    }

    /// Reports that the transport failed. Unread input is delivered first. See
    /// [`Session::handle_transport_error`].
    pub fn handle_transport_error(&mut self, fault: TransportError, now: Instant) {
        self.ended = Some(Err(fault));
        self.find_event(now);
    }

    /// Reports that the transport is connected. See [`Session::handle_connected`].
    pub fn handle_connected(&mut self, now: Instant) {
        self.session.handle_connected(now);
    }

    /// Reports that `count` bytes of [`Self::transmit`] were sent. See [`Session::handle_written`].
    pub fn handle_written(&mut self, count: usize, now: Instant) {
        self.session.handle_written(count, now);
    }

    /// Reports that the transport is closed. See [`Session::handle_closed`].
    pub fn handle_closed(&mut self, now: Instant) {
        self.session.take_left(self.buffer.take_left());
        self.session.handle_closed(now);
        self.find_event(now);
    }

    /// Reports the time. See [`Session::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        // While an event is pending, the session asks for no read, so no deadline applies.
        if self.event.is_none() {
            self.session.take_left(self.buffer.take_left());
            self.session.handle_timeout(now);
            self.find_event(now);
        }
    }

    /// Reports that the wall clock reads `unix` at `now`. See [`Session::set_wall_clock`].
    pub fn set_wall_clock(&mut self, now: Instant, unix: UnixTime) {
        self.session.set_wall_clock(now, unix);
    }

    /// Continues a stream of an earlier process. See [`Session::resume_from`].
    pub fn resume_from(&mut self, covered_until: UnixTime, now: Instant) {
        self.session.resume_from(covered_until, now);
    }

    /// Reports the address that the transport connected to or tried. See
    /// [`Session::set_peer_addr`].
    pub fn set_peer_addr(&mut self, address: Option<SocketAddr>) {
        self.session.set_peer_addr(address);
    }

    /// Ends the stream; input in the buffer is still delivered. See [`Session::shutdown`].
    pub fn shutdown(&mut self) {
        self.session.shutdown();
    }

    fn find_event(&mut self, now: Instant) {
        while self.event.is_none() {
            let (consumed, event) = self.session.scan_partial(self.buffer.input(), now);
            self.buffer.consume(consumed);
            self.event = event;
            if self.event.is_none() {
                if !self.buffer.leave() || self.ended.is_some() {
                    self.session.take_left(self.buffer.take_left());
                }
                match self.ended.take() {
                    Some(Ok(())) => self.session.handle_eof(now),
                    Some(Err(fault)) => self.session.handle_transport_error(fault, now),
                    None => break,
                }
            }
        }
    }
}

impl<S: AsRef<[u8]> + AsMut<[u8]>, B> fmt::Debug for Buffered<S, B> {
    /// Omits the contents of the buffer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffered")
            .field("session", &self.session)
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::http::origin::Origin;
    use crate::session::SessionConfig;
    use crate::transport_error::TransportErrorKind;

    type Driver = Buffered<Vec<u8>, Vec<u8>>;

    /// The ways in which a connection ends.
    const ENDS: [fn(&mut Driver, Instant); 3] = [
        |buffered, now| buffered.handle_eof(now),
        |buffered, now| buffered.handle_transport_error(TransportError::new(TransportErrorKind::Reset), now),
        |buffered, now| {
            // A late wake-up asks for a read first.
            buffered.handle_timeout(now);
            buffered.handle_timeout(now);
        },
    ];

    /// Three Posts in one read; the first event is pending.
    fn three_posts() -> Driver {
        let now = Instant::ZERO;
        let mut config = SessionConfig::new(Origin::parse("http://localhost").unwrap());
        config.message_bytes_max = 1_000;
        let storage = vec![0; config.storage_bytes()];
        let session = Session::new(storage, &config, 1, now, UnixTime::default()).unwrap();
        let mut buffered = Buffered::new(session, vec![0; 1_000]);
        buffered.handle_timeout(now);
        buffered.handle_connected(now);
        buffered.handle_written(usize::MAX, now);
        let wire = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
            3c\r\n{\"id\":1,\"text\":\"\"}\r\n{\"id\":2,\"text\":\"\"}\r\n{\"id\":3,\"text\":\"\"}\r\n\r\n";
        buffered.read_buf()[..wire.len()].copy_from_slice(wire);
        buffered.handle_read(wire.len(), now);
        buffered
    }

    #[test]
    fn delivers_an_event_that_was_pending_before_the_buffer_was_added() {
        let now = Instant::ZERO;
        let config = SessionConfig::new(Origin::parse("http://localhost").unwrap());
        let storage = vec![0; config.storage_bytes()];
        let mut session = Session::new(storage, &config, 1, now, UnixTime::default()).unwrap();
        session.handle_timeout(now);
        session.handle_transport_error(TransportError::new(TransportErrorKind::Refused), now);
        session.handle_closed(now);
        let mut buffered = Buffered::new(session, vec![0; 10]);
        assert_eq!(buffered.poll(), Step::Event);
        assert!(matches!(buffered.peek(), Some(SessionEvent::Disconnected(_))));
        buffered.release();
        assert!(buffered.peek().is_none() && matches!(buffered.poll(), Step::Sleep { .. }));
    }

    /// Reads messages every 10 s until 60 s, and calls `handle_backlog` after the read at 50 s.
    /// Returns the time until which the stream is covered.
    fn covered(handle_backlog: fn(&mut Buffered<Vec<u8>, Vec<u8>>, Instant)) -> UnixTime {
        let mut buffered = three_posts();
        while buffered.poll() == Step::Event {
            buffered.release();
        }
        for seconds in (10..=60).step_by(10) {
            let now = Instant::from_nanos(seconds * 1_000_000_000);
            let wire = b"4\r\n{}\r\n\r\n";
            buffered.read_buf()[..wire.len()].copy_from_slice(wire);
            buffered.handle_read(wire.len(), now);
            if seconds == 50 {
                handle_backlog(&mut buffered, now);
            }
            buffered.release();
        }
        buffered.session().covered_until().unwrap()
    }

    #[test]
    fn a_backlog_that_the_driver_reports_moves_no_gap() {
        assert_eq!(covered(|_, _| {}), UnixTime::from_seconds(38));
        assert_eq!(covered(Buffered::handle_backlog), UnixTime::from_seconds(28));
    }

    #[test]
    fn delivers_unread_events_before_the_end_of_the_connection() {
        let late = Instant::from_nanos(u64::MAX);
        for end in ENDS {
            let mut buffered = three_posts();
            assert!(matches!(buffered.peek(), Some(SessionEvent::Connected(_))));
            end(&mut buffered, late);
            let mut posts = Vec::new();
            while buffered.poll() == Step::Event {
                if let Some(SessionEvent::Message(message)) = buffered.peek() {
                    posts.extend(message.id().map(|id| id.as_u64()));
                }
                buffered.release();
            }
            assert_eq!(posts, [1, 2, 3]);
        }
    }

    /// Releases all events, and returns the last one's undelivered bytes.
    fn undelivered(buffered: &mut Driver) -> Option<u64> {
        let mut undelivered = None;
        while buffered.poll() == Step::Event {
            if let Some(SessionEvent::Disconnected(disconnected)) = buffered.peek() {
                undelivered = Some(disconnected.undelivered);
            }
            buffered.release();
        }
        undelivered
    }

    /// Reads the first 19 bytes of a message, which are left in the buffer.
    fn cut_message() -> Driver {
        let mut buffered = three_posts();
        assert_eq!(undelivered(&mut buffered), None);
        let before = buffered.session.byte_counts().received;
        let wire = b"100\r\n{\"text\":\"0123456789";
        buffered.read_buf()[..wire.len()].copy_from_slice(wire);
        buffered.handle_read(wire.len(), Instant::ZERO);
        assert_eq!(buffered.session.byte_counts().received, before + 5, "without what is left");
        buffered
    }

    #[test]
    fn bytes_left_in_the_buffer_are_undelivered_at_each_kind_of_end() {
        let late = Instant::from_nanos(u64::MAX);
        for end in ENDS {
            let mut buffered = cut_message();
            end(&mut buffered, late);
            assert_eq!(buffered.poll(), Step::Close);
            buffered.handle_closed(late);
            assert_eq!(undelivered(&mut buffered), Some(19));
        }
        let mut buffered = cut_message();
        let before = buffered.session.byte_counts().received;
        buffered.shutdown();
        buffered.handle_closed(late);
        assert_eq!(buffered.poll(), Step::Done);
        assert_eq!(buffered.session.byte_counts().received, before + 19);
    }

    #[test]
    fn messages_have_the_kernel_time_of_their_read() {
        let at = KernelTime::from_nanos(7);
        let mut buffered = cut_message();
        let wire = b"\"}\r\n";
        buffered.read_buf()[..wire.len()].copy_from_slice(wire);
        buffered.set_received_at(at);
        buffered.handle_read(wire.len(), Instant::ZERO);
        assert_eq!(buffered.peek_message().map(|message| message.received_at), Some(at));
        let Some(SessionEvent::Message(message)) = buffered.peek() else { panic!("expected the message") };
        assert_eq!((message.received_at, message.bytes), (at, &b"{\"text\":\"0123456789\"}"[..]));
    }
}
