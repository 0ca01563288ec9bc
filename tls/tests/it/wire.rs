//! An in-memory transport with a server at the other end. Its clock advances when both sides wait.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use powerstream_core::driver::Io;
use powerstream_core::time::{Instant, KernelTime, UnixTime};
use powerstream_core::transport_error::{TransportError, TransportErrorKind};
use powerstream_tls::rustls::ServerConfig;

use crate::support::{Rng, Server};

/// What the server does each time a read finds no data.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    /// Sends the pending TLS messages, and continues the handshake.
    Handshake,
    /// Sends this plaintext after it received a complete request.
    Send(&'static [u8]),
    /// Sends these at once, one record each.
    Records(&'static [&'static [u8]]),
    /// Sends these bytes unencrypted.
    Raw(&'static [u8]),
    Wait(Duration),
    CloseNotify,
    Close,
    Reset,
}

/// The script of one connection.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) server: ServerConfig,
    pub(crate) turns: Vec<Turn>,
}

/// Restrictions of the transport.
#[derive(Default)]
pub(crate) struct Behavior {
    /// One in this many calls completes at random, the others pend. 0: all complete.
    pub(crate) pend_often: usize,
    /// The most bytes per read or write. 0: no limit.
    pub(crate) piece: usize,
    /// Writes pend forever after this many bytes.
    pub(crate) clogged_after: Option<usize>,
    /// Writes fail after this many bytes.
    pub(crate) broken_after: Option<usize>,
    /// This many writes accept nothing.
    pub(crate) empty_writes: usize,
    /// The connect never completes.
    pub(crate) no_connect: bool,
    /// Blocking mode: calls never pend, but return that the deadline passed. The length of a read
    /// is computed from the last clock reading.
    pub(crate) blocks: bool,
    /// The transport is stopped, and has a backlog, a time of the kernel and an address.
    pub(crate) reports: bool,
}

pub(crate) struct Wire {
    pub(crate) clock: Rc<Cell<Instant>>,
    /// The time of the last clock reading.
    seen: Cell<Instant>,
    pub(crate) behavior: Behavior,
    pub(crate) scripts: VecDeque<Script>,
    pub(crate) open: Option<Open>,
    /// The finished connections.
    pub(crate) over: Vec<Open>,
    pub(crate) connects: usize,
    rng: Rng,
    /// A pending call will be ready before time advances.
    ready_soon: bool,
    /// That call is a write.
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
            behavior: Behavior::default(),
            scripts: scripts.into_iter().collect(),
            open: None,
            over: Vec::new(),
            connects: 0,
            rng: Rng(1),
            ready_soon: false,
            writable_soon: false,
        }
    }

    /// Returns true if this call pends.
    fn pends(&mut self) -> bool {
        let often = self.behavior.pend_often;
        self.ready_soon = !self.behavior.blocks && often > 0 && self.rng.up_to(often) > 1;
        self.ready_soon
    }

    fn piece(&self, length: usize) -> usize {
        if self.behavior.piece == 0 { length } else { length.min(self.behavior.piece) }
    }

    /// Advances the clock to `until`, or to the end of the server's wait if that is earlier.
    /// Returns true if `until` is reached.
    fn pass(&mut self, until: Instant) -> bool {
        let waiting = self.open.as_ref().and_then(|open| open.waiting);
        self.clock.set(self.clock.get().max(waiting.map_or(until, |at| at.min(until))));
        self.clock.get() >= until
    }
}

impl Open {
    /// Runs the script until there is data to read or the script waits.
    fn act(&mut self, now: Instant) {
        while self.to_client.is_empty() && self.ended.is_none() {
            match self.turns.front().copied() {
                Some(Turn::Handshake) => {
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
                Some(Turn::CloseNotify) => self.server.connection.send_close_notify(),
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

    fn is_stopped(&self) -> bool {
        self.behavior.reports
    }

    fn has_backlog(&self) -> bool {
        self.behavior.reports
    }

    fn received_at(&self) -> Option<KernelTime> {
        KernelTime::from_nanos(7).filter(|_| self.behavior.reports)
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.behavior.reports.then(|| SocketAddr::from(([127, 0, 0, 1], 443)))
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
        if self.behavior.no_connect {
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
        if self.behavior.empty_writes > 0 {
            self.behavior.empty_writes -= 1;
            return Poll::Ready(Ok(Some(0)));
        }
        let count = self.piece(bytes.len());
        let written = self.open.as_ref().unwrap().written;
        if self.behavior.broken_after.is_some_and(|most| written + count > most) {
            return Poll::Ready(Err(TransportError::new(TransportErrorKind::Reset)));
        }
        if self.behavior.clogged_after.is_some_and(|most| written + count > most) {
            if self.behavior.blocks {
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
        let until = if self.behavior.blocks {
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
