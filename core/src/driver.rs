//! The loop that all adapters share: it performs a session's steps with an [`Io`].
//!
//! `Io` is a trait of poll methods. Operations in progress (a connect, a handshake, a timer) are
//! stored in the `Io`. Therefore dropping a future loses nothing and starts nothing twice, a
//! generic spawn is `Send`, and a named `Unpin` stream needs no box. A blocking `Io` never returns
//! pending; in an epoll loop, pending means would-block.
//!
//! This module is not covered by semantic versioning until two external adapters use it.

use core::net::SocketAddr;
use core::task::{Context, Poll, ready};

use crate::buffered::Buffered;
use crate::session::{Message, SessionEvent, Step};
use crate::time::{Instant, KernelTime, UnixTime};
use crate::transport_error::TransportError;

/// A transport and its clocks.
///
/// Methods with `until` return `Ok(None)` if the operation has not finished by then. They try the
/// operation before they check the clock, so that input counts after a late wake-up. They may also
/// return `Ok(None)` early, because the session checks the time.
pub trait Io {
    /// Returns the time of the monotonic clock.
    fn now(&self) -> Instant;

    /// Returns the time of the wall clock. Called once per connection attempt.
    fn unix_now(&self) -> UnixTime;

    /// Returns true to shut down the stream. Called before each step.
    fn is_stopped(&self) -> bool {
        false
    }

    /// Returns true if more input may be waiting, although the last read did not fill its buffer. A
    /// transport with its own buffer implements this. Called after each read. See
    /// [`Session::handle_backlog`](crate::session::Session::handle_backlog).
    fn has_backlog(&self) -> bool {
        false
    }

    /// Returns the address of the server or proxy that the current or last attempt connected to, or
    /// tried. `None` if the attempt has not got that far, or if there is no address.
    fn peer_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// Returns when the kernel received the bytes of the last read. `None` if the transport does
    /// not measure it. Called after each read.
    fn received_at(&self) -> Option<KernelTime> {
        None
    }

    /// Resolves and connects. A call during an attempt continues that attempt.
    ///
    /// # Errors
    ///
    /// Returns [`TransportError`] if no address could be connected.
    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Option<()>, TransportError>>;

    /// Sends some of `bytes` and returns their number.
    ///
    /// # Errors
    ///
    /// Returns [`TransportError`] if the transport failed.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>>;

    /// Reads some bytes into `buffer` and returns their number; 0 if the server closed the
    /// connection.
    ///
    /// # Errors
    ///
    /// Returns [`TransportError`] if the transport failed.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>>;

    /// Waits until `until`.
    fn poll_sleep(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()>;

    /// Closes the connection, open or in progress, in bounded time.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Performs steps until there is an event, or the session is done. Returns true if there is an
/// event; [`Buffered::peek`] returns it. Call [`Buffered::release`] before the next call. Returns
/// false if there will be no more events.
pub fn poll_event<S, B, I>(buffered: &mut Buffered<S, B>, io: &mut I, cx: &mut Context<'_>) -> Poll<bool>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    B: AsRef<[u8]> + AsMut<[u8]>,
    I: Io + ?Sized,
{
    loop {
        if io.is_stopped() {
            buffered.shutdown();
        }
        match buffered.poll() {
            Step::Event => return Poll::Ready(true),
            Step::Done => return Poll::Ready(false),
            Step::Read { .. } if buffered.is_paused() => buffered.handle_resume(io.now()),
            Step::Read { until } => match ready!(io.poll_read(cx, buffered.read_buf(), until)) {
                Ok(Some(0)) => buffered.handle_eof(io.now()),
                Ok(Some(count)) => {
                    let now = io.now();
                    buffered.set_received_at(io.received_at());
                    buffered.handle_read(count, now);
                    if io.has_backlog() {
                        buffered.handle_backlog(now);
                    }
                }
                Ok(None) => buffered.handle_timeout(io.now()),
                Err(fault) => buffered.handle_transport_error(fault, io.now()),
            },
            Step::Write { until } => match ready!(io.poll_write(cx, buffered.transmit(), until)) {
                Ok(Some(count)) => buffered.handle_written(count, io.now()),
                Ok(None) => buffered.handle_timeout(io.now()),
                Err(fault) => buffered.handle_transport_error(fault, io.now()),
            },
            Step::Connect { until } => match ready!(io.poll_connect(cx, until)) {
                Ok(Some(())) => {
                    buffered.set_wall_clock(io.now(), io.unix_now());
                    buffered.set_peer_addr(io.peer_addr());
                    buffered.handle_connected(io.now());
                }
                Ok(None) => buffered.handle_timeout(io.now()),
                Err(fault) => buffered.handle_transport_error(fault, io.now()),
            },
            Step::Sleep { until } => {
                ready!(io.poll_sleep(cx, until));
                buffered.handle_timeout(io.now());
            }
            Step::Close => {
                ready!(io.poll_close(cx));
                buffered.set_peer_addr(io.peer_addr());
                buffered.handle_closed(io.now());
            }
        }
    }
}

/// A session with its read buffer and its transport. Adapters wrap it.
#[derive(Debug)]
pub struct Driver<S: AsRef<[u8]> + AsMut<[u8]>, B, I> {
    buffered: Buffered<S, B>,
    io: I,
    lent: bool,
}

impl<S, B, I> Driver<S, B, I>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    B: AsRef<[u8]> + AsMut<[u8]>,
    I: Io,
{
    /// Combines a session and a transport.
    pub const fn new(buffered: Buffered<S, B>, io: I) -> Self {
        Self { buffered, io, lent: false }
    }

    /// Returns the session with its buffer.
    pub const fn buffered(&self) -> &Buffered<S, B> {
        &self.buffered
    }

    /// Returns the transport.
    pub const fn io(&self) -> &I {
        &self.io
    }

    /// Continues a stream of an earlier process. See
    /// [`Session::resume_from`](crate::session::Session::resume_from).
    pub fn resume_from(&mut self, covered_until: UnixTime) {
        let now = self.io.now();
        self.buffered.resume_from(covered_until, now);
    }

    /// Returns the transport. The session is dropped.
    pub fn into_io(self) -> I {
        self.io
    }

    /// Ends the session. Input that has been read is delivered, then the connection is closed.
    pub fn shutdown(&mut self) {
        self.buffered.shutdown();
    }

    /// Releases the last borrowed event and looks for the next one in the read buffer. Returns true
    /// if there is one; then [`Self::poll_next`] and [`Self::next`] return it without using the
    /// transport.
    ///
    /// If there is none, flush the output made from earlier events. Calling this again has no
    /// effect.
    #[must_use]
    pub fn find_next(&mut self) -> bool {
        self.release_lent();
        self.buffered.poll() == Step::Event
    }

    /// Returns the next event, borrowed; `None` if there will be no more. Releases the previous
    /// event.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<SessionEvent<'_>>> {
        self.release_lent();
        self.lent = ready!(poll_event(&mut self.buffered, &mut self.io, cx));
        Poll::Ready(self.buffered.peek())
    }

    /// Waits for the next event and returns it, borrowed; `None` if there will be no more.
    ///
    /// Dropping the future at any point loses nothing.
    pub async fn next(&mut self) -> Option<SessionEvent<'_>> {
        self.release_lent();
        let Self { buffered, io, lent } = self;
        *lent = core::future::poll_fn(|cx| poll_event(buffered, io, cx)).await;
        buffered.peek()
    }

    /// Performs steps until there is an event, or the session is done. Returns true if there is an
    /// event; [`Self::peek`] returns it until [`Self::release`]. Returns false if there will be no
    /// more. Releases the event that [`Self::poll_next`] or [`Self::next`] returned last.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.release_lent();
        poll_event(&mut self.buffered, &mut self.io, cx)
    }

    /// Returns the current event, borrowed.
    #[must_use]
    pub fn peek(&self) -> Option<SessionEvent<'_>> {
        self.buffered.peek()
    }

    /// Returns the current event, if it is a message.
    #[must_use]
    #[inline]
    pub fn peek_message(&self) -> Option<Message<'_>> {
        self.buffered.peek_message()
    }

    /// Releases the current event.
    pub fn release(&mut self) {
        self.lent = false;
        self.buffered.release();
    }

    fn release_lent(&mut self) {
        if self.lent {
            self.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;
    use core::net::{Ipv4Addr, SocketAddrV4};
    use core::task::Waker;
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::http::origin::Origin;
    use crate::session::{Session, SessionConfig};
    use crate::transport_error::TransportErrorKind;

    const ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80));
    const FAULT: TransportError = TransportError::new(TransportErrorKind::Reset);

    /// Delivers a head immediately and a message every 10 s, one per read, but two at second 80. At
    /// second `backlog_at`, it reports more waiting input.
    struct Every10s {
        seconds: Cell<u64>,
        backlog_at: u64,
    }

    impl Io for Every10s {
        fn now(&self) -> Instant {
            Instant::from_nanos(self.seconds.get() * 1_000_000_000)
        }

        fn unix_now(&self) -> UnixTime {
            UnixTime::from_seconds(self.seconds.get())
        }

        fn has_backlog(&self) -> bool {
            self.seconds.get() == self.backlog_at
        }

        fn peer_addr(&self) -> Option<SocketAddr> {
            Some(ADDRESS)
        }

        fn poll_connect(
            &mut self,
            _: &mut Context<'_>,
            _: Instant,
        ) -> Poll<Result<Option<()>, TransportError>> {
            Poll::Ready(Ok(Some(())))
        }

        fn poll_write(
            &mut self,
            _: &mut Context<'_>,
            bytes: &[u8],
            _: Instant,
        ) -> Poll<Result<Option<usize>, TransportError>> {
            Poll::Ready(Ok(Some(bytes.len())))
        }

        fn poll_read(
            &mut self,
            _: &mut Context<'_>,
            buffer: &mut [u8],
            _: Instant,
        ) -> Poll<Result<Option<usize>, TransportError>> {
            self.seconds.set(self.seconds.get() + 10);
            let wire: &[u8] = match self.seconds.get() {
                10 => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                80 => b"8\r\n{}\r\n{}\r\n\r\n",
                _ => b"4\r\n{}\r\n\r\n",
            };
            buffer[..wire.len()].copy_from_slice(wire);
            Poll::Ready(Ok(Some(wire.len())))
        }

        fn poll_sleep(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
            Poll::Ready(())
        }

        fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }

    fn driver(backlog_at: u64) -> Driver<Vec<u8>, Vec<u8>, Every10s> {
        let config = SessionConfig::new(Origin::parse("http://localhost").unwrap());
        let storage = vec![0; config.storage_bytes()];
        let session = Session::new(storage, &config, 1, Instant::ZERO, UnixTime::default()).unwrap();
        let io = Every10s { seconds: Cell::new(0), backlog_at };
        Driver::new(Buffered::new(session, vec![0; 1_000]), io)
    }

    /// Returns the time until which the stream is covered after seven reads.
    fn covered(backlog_at: u64) -> UnixTime {
        let mut driven = driver(backlog_at);
        let mut cx = Context::from_waker(Waker::noop());
        while driven.io().seconds.get() < 70 {
            assert!(matches!(driven.poll_next(&mut cx), Poll::Ready(Some(_))));
        }
        driven.buffered().session().covered_until().unwrap()
    }

    #[test]
    fn events_name_the_address_of_the_transport() {
        let mut driven = driver(0);
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(SessionEvent::Connected(connected))) = driven.poll_next(&mut cx) else {
            panic!("expected the head");
        };
        assert_eq!(connected.peer_addr, Some(ADDRESS));
        driven.buffered.handle_transport_error(FAULT, Instant::from_nanos(20_000_000_000));
        let Poll::Ready(Some(SessionEvent::Disconnected(disconnected))) = driven.poll_next(&mut cx) else {
            panic!("expected the end");
        };
        assert_eq!(disconnected.peer_addr, Some(ADDRESS));
    }

    #[test]
    fn a_resumed_stream_has_a_gap_from_the_covered_time() {
        let mut driven = driver(0);
        driven.resume_from(UnixTime::from_seconds(3));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(!driven.buffered().session().is_streaming());
        let Poll::Ready(Some(SessionEvent::Connected(connected))) = driven.poll_next(&mut cx) else {
            panic!("expected the head");
        };
        assert_eq!(connected.gap.map(|gap| gap.from), Some(UnixTime::from_seconds(3)));
        assert!(driven.buffered().session().is_streaming());
    }

    #[test]
    fn finds_the_next_event_only_if_it_has_been_read() {
        let mut driven = driver(0);
        let mut cx = Context::from_waker(Waker::noop());
        while driven.io().seconds.get() < 80 {
            assert!(!driven.find_next());
            assert!(matches!(driven.poll_next(&mut cx), Poll::Ready(Some(_))));
        }
        assert!(driven.find_next() && driven.find_next());
        assert!(matches!(driven.poll_next(&mut cx), Poll::Ready(Some(SessionEvent::Message(_)))));
        assert!(!driven.find_next() && !driven.find_next());
        assert_eq!(driven.io().seconds.get(), 80);
    }

    #[test]
    fn a_backlog_of_the_transport_moves_no_gap() {
        assert_eq!([covered(0), covered(60)].map(UnixTime::as_millis), [48_000, 38_000]);
    }
}
