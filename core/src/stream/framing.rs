//! Messages out of content octets: the line protocol above HTTP.
//!
//! Each message is one JSON text with a delimiter behind it; a message of nothing, or of white space only, is a
//! keep-alive. Line boundaries have nothing to do with chunks, reads or TLS records. Plan:
//!
//! - a message that lies within one run of content is lent from there: only its place is returned;
//! - one that is cut goes to storage piece by piece (the spill) and is lent from there;
//! - one that is too long is passed over and reported with its length, the same whether it was cut or not;
//! - each octet is looked at once, by `memchr` for LF; a CR in front of the LF may lie in storage already.
//!
//! There is no JSON here, and no UTF-8 check: that costs six times the framing, and belongs to the field that is
//! asked for.

use core::ops::Range;

use super::spill::{BLOCK, Spill, has_lf};

/// What ends a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the two families of streams")]
pub enum Delimiter {
    /// CR LF: Powerstream and the legacy family, whose messages may hold a bare LF (X docs, PowerTrack, consuming
    /// streaming data).
    #[default]
    CrLf,
    /// LF, a CR before it dropped: v2 streams, whose messages are single lines, and custom servers.
    Lf,
}

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
    delimiter: Delimiter,
    /// Longest message, delimiter excluded.
    limit: usize,
    spill: Spill,
    /// A message over the limit is being passed over.
    skipping: Option<Skipping>,
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
    pub const fn new(delimiter: Delimiter, limit: usize) -> Self {
        Self { delimiter, limit, spill: Spill::EMPTY, skipping: None }
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
        let mut from = 0;
        while let Some(offset) = find_lf(&run[from..]) {
            let lf = from + offset;
            let before = if lf > 0 { Some(run[lf - 1]) } else { self.last(storage) };
            let has_cr = before == Some(b'\r');
            if has_cr || self.delimiter == Delimiter::Lf {
                let frame = if self.is_between() {
                    self.whole(input, start, start + lf - usize::from(has_cr))
                } else {
                    self.take_in(&run[..lf], storage);
                    self.complete(has_cr, storage)
                };
                return (lf + 1, Some(frame));
            }
            from = lf + 1;
        }
        self.take_in(run, storage);
        (run.len(), None)
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

    /// The delimiter has come; its CR, if it had one, is the last octet taken in.
    fn complete(&mut self, has_cr: bool, storage: &[u8]) -> Frame {
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
