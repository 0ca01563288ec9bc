//! The path of one connection: bytes on their way, how they are delayed and lost, and what must
//! follow from them.

use std::collections::VecDeque;

use powerstream_core::transport_error::TransportErrorKind;

use crate::random::Rng;
use crate::service::SEC;

/// An event that the session must deliver once the bytes before it have arrived.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    Head,
    /// A message, whether it is a Post, and the disconnect that it announces.
    Message {
        bytes: Vec<u8>,
        is_post: bool,
        advice: Option<Advice>,
    },
    KeepAlive,
    Skipped(u64),
}

/// How X's documentation asks to reconnect after an announced disconnect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Advice {
    pub(crate) immediate: bool,
    pub(crate) class: usize,
}

/// Why a connection must end once some bytes have arrived.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Cut,
    CutInHead,
    Ended,
    Protocol,
    Reset(TransportErrorKind),
    /// The status, and the wait in nanoseconds that the server asks for.
    Refused(u16, u64),
    /// Bytes that a parser may read in several ways.
    Any,
}

/// What arrives at one moment.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) at: u64,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// The usual keep-alive, in a chunk.
    KeepAlive,
    /// Boxed, because keep-alives are nearly all that is sent.
    Bytes(Box<Bytes>),
    /// The peer closed.
    Fin(End),
}

/// Bytes with the events that they complete.
#[derive(Debug, Default)]
pub(crate) struct Bytes {
    pub(crate) wire: Vec<u8>,
    /// Bytes that were read.
    pub(crate) read: usize,
    /// Each event with the index after its last byte.
    pub(crate) events: VecDeque<(usize, Expected)>,
    /// The connection may end after each byte from this index on, and must end after the last one.
    pub(crate) end: Option<End>,
    pub(crate) end_from: usize,
    /// The end is not certain if more bytes of the same kind follow.
    pub(crate) is_certain: bool,
}

impl Bytes {
    pub(crate) fn raw(wire: impl AsRef<[u8]>) -> Self {
        Self { wire: wire.as_ref().to_vec(), ..Self::default() }
    }

    pub(crate) fn ending(wire: impl AsRef<[u8]>, end: End) -> Self {
        Self { end: Some(end), is_certain: true, ..Self::raw(wire) }
    }

    /// Appends content and its delimiter in chunks of at most `most` bytes.
    pub(crate) fn push(&mut self, content: &[u8], event: Option<Expected>, is_chunked: bool, most: usize) {
        if !is_chunked {
            self.wire.extend(content);
        } else {
            for piece in content.chunks(most) {
                self.push_size(piece.len());
                self.wire.extend(piece);
                self.wire.extend(b"\r\n");
            }
        }
        // The line end of the last chunk follows the delimiter.
        let end = self.wire.len() - if is_chunked { 2 } else { 0 };
        self.events.extend(event.map(|event| (end, event)));
    }

    /// Appends the size line of a chunk. Faster than the formatter of the standard library.
    fn push_size(&mut self, size: usize) {
        let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            self.wire.push(b"0123456789abcdef"[size >> (4 * digit) & 15]);
        }
        self.wire.extend(b"\r\n");
    }
}

pub(crate) const KEEP_ALIVE: &[u8] = b"2\r\n\r\n\r\n";

/// How far the bytes read end the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PathEnd {
    /// Why it may end.
    pub(crate) why: Option<End>,
    /// It must end.
    pub(crate) is_certain: bool,
}

impl PathEnd {
    /// Reports the end of the path. It is the reason, unless the bytes before gave another one. An
    /// endless thing that was not refused yet gave none.
    fn become_certain(&mut self, why: End) {
        let before = self.why.filter(|before| *before != End::Protocol || self.is_certain);
        *self = Self { why: before.or(Some(why)), is_certain: true };
    }
}

/// The result of a read.
pub(crate) enum Read {
    /// So many bytes.
    Bytes(usize),
    Closed,
    Failed(TransportErrorKind),
    Nothing,
}

/// The bytes of one connection on their way to the client, in order.
#[derive(Debug)]
pub(crate) struct Path {
    queue: VecDeque<Item>,
    latency: u64,
    /// Nothing arrives before this time. What was held until then arrives so many nanoseconds
    /// apart.
    stalled_until: u64,
    apart: u64,
    /// Nothing arrives any more.
    dead: bool,
    last_at: u64,
    /// A reset arrives, and discards what was not read.
    reset: Option<(u64, TransportErrorKind)>,
    /// Reads return few bytes at a time.
    splits: bool,
}

impl Path {
    pub(crate) fn new(latency: u64, splits: bool) -> Self {
        Self {
            queue: VecDeque::new(),
            latency,
            stalled_until: 0,
            apart: 0,
            dead: false,
            last_at: 0,
            reset: None,
            splits,
        }
    }

    pub(crate) fn send(&mut self, sent_at: u64, content: Content) {
        let is_empty = matches!(&content, Content::Bytes(bytes) if bytes.wire.is_empty());
        let arrival = sent_at + self.latency;
        let is_held = arrival < self.stalled_until;
        // All of it arrives within a second.
        let held = (self.last_at + self.apart).min(self.stalled_until + SEC);
        let after = self.last_at.max(if is_held { held } else { 0 });
        let at = arrival.max(self.stalled_until).max(after);
        if self.dead || is_empty {
            return;
        }
        self.last_at = at;
        if self.reset.is_some_and(|(reset, _)| at > reset) {
            return;
        }
        self.queue.push_back(Item { at, content });
    }

    /// Sends a piece of an endless thing. Each piece may end the connection, the last one must.
    pub(crate) fn drip(&mut self, sent_at: u64, mut bytes: Bytes, is_last: bool) {
        bytes.is_certain = is_last;
        self.send(sent_at, Content::Bytes(Box::new(bytes)));
    }

    /// Holds all items until `until`. They then arrive `apart` nanoseconds apart, within a second.
    pub(crate) fn stall(&mut self, until: u64, apart: u64) {
        (self.stalled_until, self.apart) = (until, apart);
    }

    pub(crate) const fn latency(&self) -> u64 {
        self.latency
    }

    /// Returns when the last item arrives or arrived.
    pub(crate) const fn last_at(&self) -> u64 {
        self.last_at
    }

    pub(crate) fn is_stalled(&self, now: u64) -> bool {
        now < self.stalled_until + SEC
    }

    /// Nothing sent from now on arrives.
    pub(crate) fn kill(&mut self) {
        self.dead = true;
    }

    /// A reset arrives at `at`. What had not arrived before is lost.
    pub(crate) fn cut(&mut self, at: u64, kind: TransportErrorKind) {
        if !self.dead && self.reset.is_none() {
            self.reset = Some((at, kind));
            self.queue.retain(|item| item.at <= at);
        }
    }

    /// Returns when something can be read next, if that is known.
    pub(crate) fn next_at(&self) -> Option<u64> {
        let item = self.queue.front().map(|item| item.at);
        let reset = self.reset.map(|(at, _)| at);
        match (item, reset) {
            (Some(item), Some(reset)) => Some(item.min(reset)),
            (item, reset) => item.or(reset),
        }
    }

    /// Reads up to the length of `buffer`. Appends the events that the bytes complete, and sets
    /// `end` if the connection must end after them.
    pub(crate) fn read(
        &mut self,
        now: u64,
        buffer: &mut [u8],
        due: &mut VecDeque<Expected>,
        end: &mut PathEnd,
        rng: &mut Rng,
    ) -> Read {
        if let Some((_, kind)) = self.reset.filter(|(at, _)| *at <= now) {
            self.queue.clear();
            end.become_certain(End::Reset(kind));
            return Read::Failed(kind);
        }
        let most = if self.splits { buffer.len().min(1 + rng.below(40) as usize) } else { buffer.len() };
        let mut count = 0;
        while count < most {
            let Some(item) = self.queue.front_mut().filter(|item| item.at <= now) else { break };
            if let Content::KeepAlive = item.content {
                if most - count >= KEEP_ALIVE.len() {
                    buffer[count..count + KEEP_ALIVE.len()].copy_from_slice(KEEP_ALIVE);
                    count += KEEP_ALIVE.len();
                    due.push_back(Expected::KeepAlive);
                    self.queue.pop_front();
                    continue;
                }
                let mut bytes = Bytes::raw(KEEP_ALIVE);
                bytes.events.push_back((5, Expected::KeepAlive));
                item.content = Content::Bytes(Box::new(bytes));
            }
            match &mut item.content {
                Content::Bytes(bytes) => {
                    let length = (bytes.wire.len() - bytes.read).min(most - count);
                    buffer[count..count + length].copy_from_slice(&bytes.wire[bytes.read..][..length]);
                    bytes.read += length;
                    count += length;
                    while bytes.events.front().is_some_and(|(end, _)| *end <= bytes.read) {
                        due.extend(bytes.events.pop_front().map(|(_, event)| event));
                    }
                    if bytes.end.is_some() && bytes.read > bytes.end_from {
                        end.why = end.why.or(bytes.end);
                    }
                    if bytes.read == bytes.wire.len() {
                        end.is_certain |= bytes.end.is_some() && bytes.is_certain;
                        self.queue.pop_front();
                    }
                }
                Content::Fin(why) if count == 0 => {
                    end.become_certain(*why);
                    return Read::Closed;
                }
                _ => break,
            }
        }
        if count == 0 {
            return Read::Nothing;
        }
        if self.splits {
            // The rest arrives a little later.
            if let Some(item) = self.queue.front_mut() {
                item.at = item.at.max(now + rng.pick(&[1, 10, 1_000]));
            }
        }
        Read::Bytes(count)
    }

    /// Returns true if the last read left bytes that had arrived.
    pub(crate) fn has_more(&self, now: u64) -> bool {
        self.queue.front().is_some_and(|item| item.at <= now && !matches!(item.content, Content::Fin(_)))
    }
}
