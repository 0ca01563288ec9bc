//! Messages out of content bytes: the line protocol above HTTP.
//!
//! Each message is one JSON text with a delimiter behind it. A message of nothing, or of white space
//! only, is a keep-alive. Line boundaries have nothing to do with chunks, reads or TLS records.
//!
//! - CR LF ends a message, whatever it holds. LF alone ends one too, unless a JSON text that goes on
//!   behind the LF has begun before it ([`Nesting`]).
//! - A message within one run of content is lent from there: only its place is returned.
//! - A cut message goes to storage piece by piece (the spill) and is lent from there.
//! - A message over the limit is skipped and reported with its length, whether it was cut or not.
//! - `memchr` looks for LF, so each byte is looked at once. A second look is for bytes before a bare
//!   LF and bytes over the limit, one each. A CR before the LF may be in storage already.
//!
//! There is no UTF-8 check: that costs six times the framing, and belongs to the reader of a field.

use core::ops::Range;

use super::message::check_grammar;
use super::nesting::Nesting;
use super::spill::{BLOCK, Spill, has_lf};

/// Where a message lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a message is in one place or the other")]
pub enum MessagePlace {
    /// In the input given, from `start` to `end`.
    Input {
        /// The first octet.
        start: usize,
        /// One past the last octet.
        end: usize,
    },
    /// At the front of the storage.
    Storage {
        /// ByteCounts of the message.
        length: usize,
    },
}

/// What was found among the content octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// A message, without its delimiter.
    Message(MessagePlace),
    /// A message of nothing or of white space: the server is alive.
    KeepAlive,
    /// A message over the limit, passed over.
    Skipped {
        /// Its octets, without the delimiter.
        bytes: u64,
    },
}

/// Finds messages in runs of content octets.
#[derive(Clone, Debug)]
pub struct Framer {
    /// Longest message, delimiter excluded.
    limit: usize,
    spill: Spill,
    /// A message over the limit is being passed over.
    skipping: Option<Skipping>,
    /// Read as far as a bare LF or the limit made it necessary.
    nesting: Nesting,
}

#[derive(Clone, Copy, Debug)]
struct Skipping {
    bytes: u64,
    last: u8,
}

impl Framer {
    /// A framer at the start of a stream. The storage lent to its calls must hold `limit + 1` octets: a message of the
    /// limit's length and the CR behind it.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit, spill: Spill::EMPTY, skipping: None, nesting: Nesting::START }
    }

    /// ByteCounts of the message that has begun and not ended, those that were passed over included; 0 between messages.
    #[inline]
    #[must_use]
    pub const fn unfinished(&self) -> u64 {
        match self.skipping {
            Some(skipping) => skipping.bytes,
            None => self.spill.len() as u64,
        }
    }

    /// Looks for the end of a message in `input[content]`.
    ///
    /// Returns how many octets of the content are consumed and what they ended, if anything: then call again with the
    /// rest. `storage` must be the same from call to call, its content untouched.
    #[inline]
    pub fn next(
        &mut self,
        input: &[u8],
        content: Range<usize>,
        storage: &mut [u8],
    ) -> (usize, Option<Frame>) {
        let start = content.start;
        let run = &input[content];
        let Some(lf) = find_lf(run) else {
            self.take_in(run, storage);
            return (run.len(), None);
        };
        if self.is_behind_cr(run, lf, storage) {
            return (lf + 1, Some(self.frame(input, start, &run[..lf], true, storage)));
        }
        self.next_by_nesting(input, start, run, lf, storage)
    }

    /// As [`Self::next`], where the first LF is a bare one: at `lf` in `run`, which starts at `start`.
    #[cold]
    #[inline(never)]
    fn next_by_nesting(
        &mut self,
        input: &[u8],
        start: usize,
        run: &[u8],
        mut lf: usize,
        storage: &mut [u8],
    ) -> (usize, Option<Frame>) {
        loop {
            let has_cr = self.is_behind_cr(run, lf, storage);
            if !has_cr {
                self.read_nesting(&run[..lf], storage);
            }
            if has_cr || !self.nesting.goes_on() {
                let frame = self.frame(input, start, &run[..lf], has_cr, storage);
                self.nesting = Nesting::START;
                return (lf + 1, Some(frame));
            }
            match find_lf(&run[lf + 1..]) {
                Some(offset) => lf += 1 + offset,
                None => break,
            }
        }
        self.take_in(run, storage);
        (run.len(), None)
    }

    /// Reads the unfinished message up to the end of `run`, which follows it.
    fn read_nesting(&mut self, run: &[u8], storage: &[u8]) {
        let before = self.unfinished();
        // What was passed over was read then, so only storage can hold unread bytes.
        if self.nesting.bytes() < before {
            self.nesting.read(&storage[self.nesting.bytes() as usize..before as usize]);
        }
        self.nesting.read(&run[(self.nesting.bytes() - before) as usize..]);
    }

    /// Returns true if the LF at `lf` in `run` has a CR before it.
    #[inline(always)]
    fn is_behind_cr(&self, run: &[u8], lf: usize, storage: &[u8]) -> bool {
        let before = if lf > 0 { Some(run[lf - 1]) } else { self.last(storage) };
        before == Some(b'\r')
    }

    /// The message that ends with `piece`, which starts at `start` in the input and has an LF behind it.
    #[inline(always)]
    fn frame(&mut self, input: &[u8], start: usize, piece: &[u8], has_cr: bool, storage: &mut [u8]) -> Frame {
        if self.is_between() {
            self.whole(input, start, start + piece.len() - usize::from(has_cr))
        } else {
            self.take_in(piece, storage);
            self.complete(has_cr, storage)
        }
    }

    /// Returns true if the unfinished message lacks only its delimiter: it is one JSON text, and not a
    /// number, which could go on.
    #[must_use]
    pub fn is_complete(&self, storage: &[u8]) -> bool {
        let message = &storage[..self.spill.len()];
        message.last().is_some_and(|last| !last.is_ascii_digit()) && check_grammar(message).is_ok()
    }

    /// Takes the end of the content for the delimiter of a message that [`Self::is_complete`].
    pub fn finish(&mut self, storage: &[u8]) -> Option<Frame> {
        let has_cr = self.last(storage) == Some(b'\r');
        self.is_complete(storage).then(|| self.complete(has_cr, storage))
    }

    /// Whether no message has begun that has not ended.
    #[inline]
    const fn is_between(&self) -> bool {
        self.spill.is_empty() && self.skipping.is_none()
    }

    /// Takes in one short run of content that goes on with a message in storage and ends none: the first `length` of
    /// the octets in `block`. `false`, and nothing done, where it is not that simple.
    #[inline(always)]
    pub(crate) fn push_short(&mut self, block: [u8; BLOCK], length: usize, storage: &mut [u8]) -> bool {
        // One octet less than the limit keeps the CR's place, and the limit's own case, for the long way.
        !has_lf(block, length)
            && self.spill.len() + length <= self.limit
            && self.spill.push_block(block, length, storage)
    }

    /// Takes in a few octets of content that go on with a message in storage and end none. `false`, and nothing done,
    /// where it is not that simple.
    #[inline(always)]
    pub(crate) fn push_within(&mut self, piece: &[u8], storage: &mut [u8]) -> bool {
        self.is_spilling()
            && self.spill.len() + piece.len() <= self.limit
            && self.spill.push_unless_lf(piece, storage)
    }

    /// Whether [`Self::push_short`] may be asked: a message lies in storage.
    #[inline(always)]
    pub(crate) const fn is_spilling(&self) -> bool {
        !self.spill.is_empty()
    }

    /// A message that lies within the content.
    #[inline]
    fn whole(&self, input: &[u8], start: usize, end: usize) -> Frame {
        let message = &input[start..end];
        if message.len() > self.limit {
            Frame::Skipped { bytes: message.len() as u64 }
        } else if is_blank(message) {
            Frame::KeepAlive
        } else {
            Frame::Message(MessagePlace::Input { start, end })
        }
    }

    /// The last octet of the unfinished message.
    fn last(&self, storage: &[u8]) -> Option<u8> {
        match self.skipping {
            Some(skipping) => Some(skipping.last),
            None => self.spill.last(storage),
        }
    }

    /// Adds a piece to the unfinished message.
    #[inline]
    fn take_in(&mut self, piece: &[u8], storage: &mut [u8]) {
        let length = self.spill.len() + piece.len();
        if length <= self.limit && self.skipping.is_none() {
            self.spill.push(piece, storage);
        } else {
            self.take_in_last(piece, storage);
        }
    }

    /// Adds a piece that goes up to the limit, over it, or belongs to a message over it.
    #[cold]
    fn take_in_last(&mut self, piece: &[u8], storage: &mut [u8]) {
        let Some(&last) = piece.last() else { return };
        // Its bytes are not kept, and a bare LF may follow.
        self.read_nesting(piece, storage);
        if let Some(skipping) = &mut self.skipping {
            skipping.bytes += piece.len() as u64;
            skipping.last = last;
            return;
        }
        let length = self.spill.len() + piece.len();
        // One octet over the limit may still be the delimiter's CR.
        if length > self.limit + usize::from(last == b'\r') {
            self.skipping = Some(Skipping { bytes: length as u64, last });
            self.spill.clear();
        } else {
            self.spill.push(piece, storage);
        }
    }

    /// The delimiter has come; its CR, if it had one, is the last byte taken in.
    #[inline]
    fn complete(&mut self, has_cr: bool, storage: &[u8]) -> Frame {
        self.nesting.restart();
        if let Some(skipping) = self.skipping.take() {
            return Frame::Skipped { bytes: skipping.bytes - u64::from(has_cr) };
        }
        if has_cr {
            self.spill.pop();
        }
        let length = self.spill.len();
        // What it held is lent from storage until the next call writes there.
        self.spill.clear();
        if is_blank(&storage[..length]) {
            Frame::KeepAlive
        } else {
            Frame::Message(MessagePlace::Storage { length })
        }
    }
}

/// The first LF. A call of memchr costs more than it saves in a piece of a few octets.
#[inline]
fn find_lf(run: &[u8]) -> Option<usize> {
    if run.len() < BLOCK { run.iter().position(|&byte| byte == b'\n') } else { memchr::memchr(b'\n', run) }
}

/// White space only, as JSON knows it: nothing that a message could be.
#[inline]
fn is_blank(message: &[u8]) -> bool {
    match message.first() {
        Some(&first) if first > b' ' => false,
        _ => message.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')),
    }
}
