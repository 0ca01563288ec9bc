//! The one loop that all adapters share: a session's steps carried out by an [`Io`].
//!
//! `Io` is a trait of poll methods. What is under way (a connect, a handshake, a timer) lives in the `Io`, so that
//! dropping a future that drives it loses nothing and starts nothing twice, a generic spawn is `Send`, and a named,
//! `Unpin` stream needs no box. A blocking `Io` never pends; for an epoll loop, pending means would-block.
//!
//! This module is outside the semantic-versioning promise of the crate until two adapters from outside use it.

use core::task::{Context, Poll, ready};

use crate::buffered::Buffered;
use crate::session::{SessionEvent, Step};
use crate::time::{Instant, UnixTime};
use crate::transport_error::TransportError;

/// A transport and its clock.
///
/// Each method that takes `until` answers `Ok(None)` when that time has passed and what was asked for has not
/// happened. It tries first and looks at the clock after: on a late wake-up what is there counts. It may also answer
/// `Ok(None)` early; the session knows what time it is.
pub trait Io {
    /// The monotonic clock.
    fn now(&self) -> Instant;

    /// The wall clock. Looked at once per attempt to connect.
    fn unix_now(&self) -> UnixTime;

    /// Whether the stream is to be shut down. Asked before each step.
    fn is_stopped(&self) -> bool {
        false
    }

    /// Whether more has come than the last read gave, or may have, though it did not fill its buffer: a transport with a
    /// buffer of its own says so. Asked after each read. See [`Session::handle_backlog`](crate::session::Session::handle_backlog).
    fn has_backlog(&self) -> bool {
        false
    }

    /// Resolves and connects. A call that finds an attempt under way goes on with it.
    ///
    /// # Errors
    /// [`TransportError`] where no address could be connected to.
    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Option<()>, TransportError>>;

    /// Sends some of `bytes`; says how many.
    ///
    /// # Errors
    /// [`TransportError`] where the transport failed.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>>;

    /// Reads some bytes into `buffer`; says how many. 0: the peer has closed.
    ///
    /// # Errors
    /// [`TransportError`] where the transport failed.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>>;

    /// Waits.
    fn poll_sleep(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()>;

    /// Closes whatever is open or under way, in bounded time.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Carries out steps until there is an event: `true`, and [`Buffered::peek`] lends it; or until there will be none:
/// `false`. Call [`Buffered::release`] before the next call.
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
                buffered.handle_closed(io.now());
            }
        }
    }
}

/// A session with its read buffer and its transport: what adapters wrap.
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
    /// Puts the two together.
    pub const fn new(buffered: Buffered<S, B>, io: I) -> Self {
        Self { buffered, io, lent: false }
    }

    /// The session and its buffer.
    pub const fn buffered(&self) -> &Buffered<S, B> {
        &self.buffered
    }

    /// The transport.
    pub const fn io(&self) -> &I {
        &self.io
    }

    /// Asks the session to end: what is unread but here is delivered, then the connection closes.
    pub fn shutdown(&mut self) {
        self.buffered.shutdown();
    }

    /// Releases the event lent last, and finds the next one in the read buffer. Returns true if there
    /// is one: then [`Self::poll_next`] and [`Self::next`] lend it without touching the transport.
    ///
    /// If there is none, it is time to flush what was made of the events before. Calling this again
    /// changes nothing.
    #[must_use]
    pub fn find_next(&mut self) -> bool {
        self.release_lent();
        self.buffered.poll() == Step::Event
    }

    /// Lends the next event; `None` once there will be none. The event before it is released.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<SessionEvent<'_>>> {
        self.release_lent();
        self.lent = ready!(poll_event(&mut self.buffered, &mut self.io, cx));
        Poll::Ready(self.buffered.peek())
    }

    /// Waits for the next event and lends it; `None` once there will be none.
    ///
    /// Dropping the future at any point loses nothing.
    pub async fn next(&mut self) -> Option<SessionEvent<'_>> {
        self.release_lent();
        let Self { buffered, io, lent } = self;
        *lent = core::future::poll_fn(|cx| poll_event(buffered, io, cx)).await;
        buffered.peek()
    }

    /// Carries out the session's steps until there is an event: `true`, and [`Self::peek`] lends it until
    /// [`Self::release`]; or until there will be none: `false`. What [`Self::poll_next`] or [`Self::next`] lent last is released.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.release_lent();
        poll_event(&mut self.buffered, &mut self.io, cx)
    }

    /// Lends the event at hand.
    #[must_use]
    pub fn peek(&self) -> Option<SessionEvent<'_>> {
        self.buffered.peek()
    }

    /// Done with the event at hand.
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
    use core::task::Waker;
    use std::vec;

    use super::*;
    use crate::http::origin::Origin;
    use crate::session::{Session, SessionConfig};

    /// Gives a head at once and a message every 10 s, each in a read. `backlog_at` is the second in
    /// which it says that more has come.
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

    /// Until when the stream is covered after seven reads, of which the first three say how fast it is.
    fn covered(backlog_at: u64) -> UnixTime {
        let config = SessionConfig::new(Origin::parse("http://localhost").unwrap());
        let storage = vec![0; config.storage_bytes()];
        let session = Session::new(storage, &config, 1, Instant::ZERO, UnixTime::default()).unwrap();
        let io = Every10s { seconds: Cell::new(0), backlog_at };
        let mut driven = Driver::new(Buffered::new(session, vec![0; 1_000]), io);
        let mut cx = Context::from_waker(Waker::noop());
        while driven.io().seconds.get() < 70 {
            assert!(matches!(driven.poll_next(&mut cx), Poll::Ready(Some(_))));
        }
        driven.buffered().session().covered_until().unwrap()
    }

    #[test]
    fn a_backlog_of_the_transport_moves_no_gap() {
        assert_eq!([covered(0), covered(60)].map(UnixTime::as_millis), [59_000, 49_000]);
    }
}
