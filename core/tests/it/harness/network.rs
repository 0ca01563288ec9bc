//! A scripted network and its clocks.

use std::collections::VecDeque;

use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::{TransportError, TransportErrorKind};

pub const fn ms(millis: u64) -> u64 {
    millis * 1_000_000
}

pub const fn secs(seconds: u64) -> u64 {
    seconds * 1_000_000_000
}

/// The server's next action.
#[derive(Clone, Debug)]
pub enum ServerAction {
    Bytes(Vec<u8>),
    /// The server sends a Post that never arrives.
    Lost,
    Eof,
    TransportError(TransportErrorKind),
    /// A reset that discards what the client has not read yet.
    Reset,
}

#[derive(Clone, Copy, Debug)]
pub enum Connect {
    After(u64),
    TransportError(TransportErrorKind),
    Never,
}

/// A connection attempt, and the script of its connection.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub connect: Connect,
    /// The maximum number of bytes of the request accepted at once.
    pub write_max: usize,
    /// The duration of each write in nanoseconds.
    pub write_time: u64,
    /// After this many bytes of the request, no more are accepted, or this error occurs.
    pub write_end: Option<(usize, Option<TransportErrorKind>)>,
    /// Each action with its delay after the previous one; the first counts from the end of the
    /// request.
    pub acts: VecDeque<(u64, ServerAction)>,
}

impl Attempt {
    pub fn new() -> Self {
        Self {
            connect: Connect::After(0),
            write_max: usize::MAX,
            write_time: 0,
            write_end: None,
            acts: VecDeque::new(),
        }
    }

    pub fn failing(kind: TransportErrorKind) -> Self {
        Self { connect: Connect::TransportError(kind), ..Self::new() }
    }

    /// Creates a stream that has started.
    pub fn stream() -> Self {
        Self::new().bytes(0, super::HEAD)
    }

    pub fn act(mut self, after: u64, act: ServerAction) -> Self {
        self.acts.push_back((after, act));
        self
    }

    pub fn bytes(self, after: u64, bytes: impl AsRef<[u8]>) -> Self {
        self.act(after, ServerAction::Bytes(bytes.as_ref().to_vec()))
    }

    pub fn line(self, after: u64, message: &str) -> Self {
        self.bytes(after, super::line(message))
    }

    pub fn keep_alive(self, after: u64) -> Self {
        self.line(after, "")
    }

    pub fn eof(self, after: u64) -> Self {
        self.act(after, ServerAction::Eof)
    }

    pub fn fault(self, after: u64, kind: TransportErrorKind) -> Self {
        self.act(after, ServerAction::TransportError(kind))
    }

    /// Ends the body regularly and closes.
    pub fn end(self, after: u64) -> Self {
        self.bytes(after, super::LAST).eof(0)
    }
}

/// The wall clock at the zero of the monotonic clock: milliseconds and additional nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Wall {
    pub base: u64,
    pub nanos: u64,
}

impl Wall {
    /// Returns the wall-clock time when the monotonic clock reads `at`.
    pub const fn millis(self, at: u64) -> u64 {
        self.base + (self.nanos + at) / 1_000_000
    }
}

/// The network and the clocks of a session.
#[derive(Clone, Debug)]
pub struct Network {
    pub now: u64,
    pub wall: Wall,
    pub attempts: VecDeque<Attempt>,
    /// The script of every attempt after the list.
    pub rest: Attempt,
    pub buffer_bytes: usize,
    /// The duration in nanoseconds of each read that finds input.
    pub read_time: u64,
    /// The consumer holds the event of this number for this time.
    pub holds: Vec<(usize, u64)>,
    /// At the event of this number, the monotonic clock jumps by so many nanoseconds and the wall
    /// clock by so many milliseconds.
    pub jumps: Vec<(usize, i64, i64)>,
    /// The stream is stopped from this time on.
    pub stop_at: Option<u64>,
    /// The stream is stopped after this many events.
    pub stop_at_event: Option<usize>,
    /// Waits return early once, halfway.
    pub early: bool,
    /// The run ends after this many attempts.
    pub connects_max: usize,
    /// The machine is suspended at this time, for this long. The timer wakes it, even if input is
    /// waiting.
    pub suspend: Option<(u64, u64)>,

    pub open: Option<Attempt>,
    /// A wait for the connection ended early; the next call continues it.
    pub connecting: bool,
    /// When the last action was due.
    acted: u64,
    woke_early: bool,
    /// The request of the current attempt.
    pub request: Vec<u8>,
    pub requests: Vec<(u64, String)>,
    pub connects: Vec<u64>,
    /// The bytes of the response delivered, per attempt.
    pub fed: Vec<u64>,
    /// When lost Posts were sent, with the number of the attempt.
    pub lost: Vec<(usize, u64)>,
    pub events: usize,
}

impl Network {
    pub fn new(attempts: impl IntoIterator<Item = Attempt>) -> Self {
        Self {
            now: 0,
            wall: Wall { base: 1_700_000_000_000, nanos: 0 },
            attempts: attempts.into_iter().collect(),
            rest: Attempt::failing(TransportErrorKind::Refused),
            buffer_bytes: 16_384,
            read_time: 0,
            holds: Vec::new(),
            jumps: Vec::new(),
            stop_at: None,
            stop_at_event: None,
            early: false,
            connects_max: usize::MAX,
            suspend: None,
            connecting: false,
            open: None,
            acted: 0,
            woke_early: false,
            request: Vec::new(),
            requests: Vec::new(),
            connects: Vec::new(),
            fed: Vec::new(),
            lost: Vec::new(),
            events: 0,
        }
    }

    /// Uses this script for every attempt.
    pub fn always(attempt: Attempt) -> Self {
        let mut net = Self::new([]);
        net.rest = attempt;
        net
    }

    pub fn now(&self) -> Instant {
        Instant::from_nanos(self.now)
    }

    pub fn unix(&self) -> UnixTime {
        UnixTime::from_millis(self.wall.millis(self.now))
    }

    pub fn is_stopped(&self) -> bool {
        self.stop_at.is_some_and(|at| self.now >= at)
            || self.stop_at_event.is_some_and(|event| self.events >= event)
    }

    /// Waits until `until`. Returns false if something else ended the wait.
    fn wait(&mut self, until: u64) -> bool {
        let mut until = until.max(self.now);
        let mut whole = true;
        if let Some(stop) = self.stop_at.filter(|stop| (self.now..until).contains(stop)) {
            until = stop;
            whole = false;
        }
        if self.early && !self.woke_early && until > self.now + 2 {
            self.woke_early = true;
            self.now += (until - self.now) / 2;
            return false;
        }
        self.woke_early = false;
        if let Some((start, length)) = self.suspend.filter(|(start, _)| (self.now..until).contains(start)) {
            self.suspend = None;
            self.now = start + length;
            return false;
        }
        self.now = until;
        whole
    }

    pub fn connect(&mut self, until: Instant) -> Result<Option<()>, TransportError> {
        if !std::mem::take(&mut self.connecting) {
            self.connects.push(self.now);
            self.fed.push(0);
        }
        let attempt = self.attempts.pop_front().unwrap_or_else(|| self.rest.clone());
        let connect = attempt.connect;
        match connect {
            Connect::TransportError(kind) => Err(TransportError::new(kind)),
            Connect::After(length) if self.now + length <= until.as_nanos() => {
                self.now += length;
                self.open = Some(attempt);
                self.request.clear();
                Ok(Some(()))
            }
            _ => {
                if !self.wait(until.as_nanos()) {
                    self.connecting = true;
                    self.attempts.push_front(Attempt { connect: Connect::Never, ..attempt });
                }
                Ok(None)
            }
        }
    }

    pub fn write(&mut self, bytes: &[u8], until: Instant) -> Result<Option<usize>, TransportError> {
        let attempt = self.open.as_ref().expect("a write goes to an open connection");
        let mut count = bytes.len().min(attempt.write_max);
        self.now += attempt.write_time;
        if let Some((end, fault)) = attempt.write_end {
            count = count.min(end - self.request.len());
            if count == 0 {
                return match fault {
                    Some(kind) => Err(TransportError::new(kind)),
                    None => {
                        self.wait(until.as_nanos());
                        Ok(None)
                    }
                };
            }
        }
        self.request.extend_from_slice(&bytes[..count]);
        if self.request.ends_with(b"\r\n\r\n") {
            self.requests.push((self.now, String::from_utf8(self.request.clone()).unwrap()));
        }
        self.acted = self.now;
        Ok(Some(count))
    }

    pub fn read(&mut self, buffer: &mut [u8], until: Instant) -> Result<Option<usize>, TransportError> {
        let wall = self.wall;
        loop {
            let attempt = self.open.as_mut().expect("a read is from an open connection");
            // A reset discards unread input.
            let mut due = self.acted;
            let reset = attempt
                .acts
                .iter()
                .take_while(|(after, _)| {
                    due += after;
                    due <= self.now
                })
                .position(|(_, act)| matches!(act, ServerAction::Reset));
            if let Some(at) = reset {
                for _ in 0..at {
                    if let Some((after, ServerAction::Bytes(_) | ServerAction::Lost)) =
                        attempt.acts.pop_front()
                    {
                        self.acted += after;
                        self.lost.push((self.fed.len(), wall.millis(self.acted)));
                    }
                }
            }
            let Some(&(after, _)) = attempt.acts.front() else {
                self.wait(until.as_nanos());
                return Ok(None);
            };
            let due = self.acted + after;
            if due > self.now {
                if due > until.as_nanos() || !self.wait(due) {
                    if due > until.as_nanos() {
                        self.wait(until.as_nanos());
                    }
                    return Ok(None);
                }
                continue;
            }
            let (_, act) = attempt.acts.pop_front().unwrap();
            self.acted = due;
            match act {
                ServerAction::Bytes(mut bytes) => {
                    if bytes.is_empty() {
                        continue;
                    }
                    let count = bytes.len().min(buffer.len());
                    self.now += self.read_time;
                    buffer[..count].copy_from_slice(&bytes[..count]);
                    *self.fed.last_mut().unwrap() += count as u64;
                    if count < bytes.len() {
                        attempt.acts.push_front((0, ServerAction::Bytes(bytes.split_off(count))));
                    }
                    return Ok(Some(count));
                }
                ServerAction::Lost => self.lost.push((self.fed.len(), wall.millis(due))),
                ServerAction::Eof => return Ok(Some(0)),
                ServerAction::TransportError(kind) => return Err(TransportError::new(kind)),
                ServerAction::Reset => return Err(TransportError::new(TransportErrorKind::Reset)),
            }
        }
    }

    pub fn sleep(&mut self, until: Instant) {
        self.wait(until.as_nanos());
    }

    /// Simulates the consumer and the clocks while an event is held.
    pub fn held(&mut self) {
        let number = self.events;
        self.events += 1;
        for &(at, length) in &self.holds {
            if at == number {
                self.now += length;
            }
        }
        for &(at, nanos, millis) in &self.jumps {
            if at == number {
                self.now = self.now.saturating_add_signed(nanos);
                self.wall.base = self.wall.base.saturating_add_signed(millis);
            }
        }
    }

    pub fn hold(mut self, event: usize, length: u64) -> Self {
        self.holds.push((event, length));
        self
    }
}
