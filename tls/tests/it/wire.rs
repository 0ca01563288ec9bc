//! An in-memory transport with a server at its other end. Its clock moves when both sides wait.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use powerstream_core::driver::Io;
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::{TransportError, TransportErrorKind};
use powerstream_tls::rustls::ServerConfig;

use crate::support::{Rng, Server};

/// What the server does when it is its turn, which is each time a read finds nothing to read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    /// Sends what TLS has to say: once this is done the handshake goes on.
    Shake,
    /// Sends this plaintext once a whole request has come.
    Send(&'static [u8]),
    /// Sends these, a record each, at once.
    Records(&'static [&'static [u8]]),
    /// Sends these bytes as they are.
    Raw(&'static [u8]),
    Wait(Duration),
    Goodbye,
    Close,
    Reset,
}

/// One connection's script.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) server: ServerConfig,
    pub(crate) turns: Vec<Turn>,
}

/// How unwilling the transport is.
#[derive(Default)]
pub(crate) struct Moods {
    /// One call in so many does not pend, at random; 0: all.
    pub(crate) pend_often: usize,
    /// ByteCounts of a read or write at most; 0: any number.
    pub(crate) piece: usize,
    /// Writes pend for ever once so many bytes were written.
    pub(crate) clogged_after: Option<usize>,
    /// Writes fail once so many bytes were written.
    pub(crate) broken_after: Option<usize>,
    /// The connect never comes about.
    pub(crate) no_connect: bool,
    /// It blocks: never pends, and answers that the time has passed; how long a read may take it
    /// works out from when the clock was last looked at, which saves a look.
    pub(crate) blocks: bool,
}

pub(crate) struct Wire {
    pub(crate) clock: Rc<Cell<Instant>>,
    /// When the clock was last looked at.
    seen: Cell<Instant>,
    pub(crate) moods: Moods,
    pub(crate) scripts: VecDeque<Script>,
    pub(crate) open: Option<Open>,
    /// What came of each connection that is over.
    pub(crate) over: Vec<Open>,
    pub(crate) connects: usize,
    rng: Rng,
    /// Something pended that will be ready before any time passes.
    ready_soon: bool,
    /// That was a write.
    writable_soon: bool,
}

pub(crate) struct Open {
    pub(crate) server: Server,
    turns: VecDeque<Turn>,
    waiting: Option<Instant>,
    to_client: VecDeque<u8>,
    pub(crate) written: usize,
    ended: Option<Result<(), TransportError>>,
}

impl Wire {
    pub(crate) fn new(scripts: impl IntoIterator<Item = Script>) -> Wire {
        Wire {
            clock: Rc::new(Cell::new(Instant::from_nanos(1_000))),
            seen: Cell::new(Instant::ZERO),
            moods: Moods::default(),
            scripts: scripts.into_iter().collect(),
            open: None,
            over: Vec::new(),
            connects: 0,
            rng: Rng(1),
            ready_soon: false,
            writable_soon: false,
        }
    }

    /// Whether this call pends, as moods have it.
    fn pends(&mut self) -> bool {
        let often = self.moods.pend_often;
        self.ready_soon = !self.moods.blocks && often > 0 && self.rng.up_to(often) > 1;
        self.ready_soon
    }

    fn piece(&self, length: usize) -> usize {
        if self.moods.piece == 0 { length } else { length.min(self.moods.piece) }
    }

    /// Nothing will happen before `until`, or before a server's wait is over. `true`: it is
    /// `until`.
    fn pass(&mut self, until: Instant) -> bool {
        let waiting = self.open.as_ref().and_then(|open| open.waiting);
        self.clock.set(self.clock.get().max(waiting.map_or(until, |at| at.min(until))));
        self.clock.get() >= until
    }
}

impl Open {
    /// Does what the script says, until there is something to read or the script waits.
    fn act(&mut self, now: Instant) {
        while self.to_client.is_empty() && self.ended.is_none() {
            match self.turns.front().copied() {
                Some(Turn::Shake) => {
                    let output = self.server.output();
                    if output.is_empty() {
                        if self.server.connection.is_handshaking() {
                            return;
                        }
                        self.turns.pop_front();
                    }
                    self.to_client.extend(output);
                    continue;
                }
                Some(Turn::Send(bytes)) => {
                    if !self.server.received.ends_with(b"\r\n\r\n") {
                        return;
                    }
                    self.server.send(bytes);
                }
                Some(Turn::Records(records)) => {
                    for record in records {
                        self.server.send(record);
                    }
                }
                Some(Turn::Raw(bytes)) => self.to_client.extend(bytes),
                Some(Turn::Wait(length)) => {
                    let at = *self.waiting.get_or_insert(now.saturating_add(length));
                    if now < at {
                        return;
                    }
                    self.waiting = None;
                }
                Some(Turn::Goodbye) => self.server.connection.send_close_notify(),
                Some(Turn::Close) => self.ended = Some(Ok(())),
                Some(Turn::Reset) => {
                    self.ended =
                        Some(Err(TransportError::with_os_code(TransportErrorKind::Reset, Some(104))));
                }
                None => return,
            }
            self.turns.pop_front();
            if !self.server.connection.is_handshaking() {
                self.to_client.extend(self.server.output());
            }
        }
    }
}

impl Io for Wire {
    fn now(&self) -> Instant {
        self.seen.set(self.clock.get());
        self.clock.get()
    }

    fn unix_now(&self) -> UnixTime {
        UnixTime::from_seconds(1_790_000_000)
    }

    fn poll_connect(
        &mut self,
        _: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Option<()>, TransportError>> {
        assert!(self.open.is_none(), "connected twice");
        if self.pends() {
            return Poll::Pending;
        }
        if self.moods.no_connect {
            self.pass(until);
            return Poll::Ready(Ok(None));
        }
        self.connects += 1;
        let Some(Script { server, turns }) = self.scripts.pop_front() else {
            return Poll::Ready(Err(TransportError::new(TransportErrorKind::Refused)));
        };
        self.open = Some(Open {
            server: Server::new(server),
            turns: turns.into(),
            waiting: None,
            to_client: VecDeque::new(),
            written: 0,
            ended: None,
        });
        Poll::Ready(Ok(Some(())))
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        bytes: &[u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        assert!(!bytes.is_empty());
        self.writable_soon = self.pends();
        if self.writable_soon {
            return Poll::Pending;
        }
        let count = self.piece(bytes.len());
        let written = self.open.as_ref().unwrap().written;
        if self.moods.broken_after.is_some_and(|most| written + count > most) {
            return Poll::Ready(Err(TransportError::new(TransportErrorKind::Reset)));
        }
        if self.moods.clogged_after.is_some_and(|most| written + count > most) {
            if self.moods.blocks {
                self.pass(until);
                return Poll::Ready(Ok(None));
            }
            return Poll::Pending;
        }
        let open = self.open.as_mut().unwrap();
        open.written += count;
        open.server.receive(&bytes[..count]);
        Poll::Ready(Ok(Some(count)))
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        assert!(!buffer.is_empty());
        if self.pends() {
            return Poll::Pending;
        }
        let until = if self.moods.blocks {
            self.clock.get().saturating_add(until.saturating_since(self.seen.get()))
        } else {
            until
        };
        loop {
            let most = self.piece(buffer.len());
            let now = self.clock.get();
            let open = self.open.as_mut().unwrap();
            open.act(now);
            if !open.to_client.is_empty() {
                let count = most.min(open.to_client.len());
                for (to, from) in buffer.iter_mut().zip(open.to_client.drain(..count)) {
                    *to = from;
                }
                return Poll::Ready(Ok(Some(count)));
            }
            if let Some(end) = open.ended {
                return Poll::Ready(end.map(|()| Some(0)));
            }
            if self.writable_soon {
                return Poll::Pending;
            }
            if self.pass(until) {
                return Poll::Ready(Ok(None));
            }
        }
    }

    fn poll_sleep(&mut self, _: &mut Context<'_>, until: Instant) -> Poll<()> {
        if std::mem::take(&mut self.ready_soon) {
            return Poll::Pending;
        }
        self.clock.set(self.clock.get().max(until));
        Poll::Ready(())
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        if self.pends() {
            return Poll::Pending;
        }
        self.over.extend(self.open.take());
        Poll::Ready(())
    }
}
