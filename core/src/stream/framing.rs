//! Splits content bytes into messages, which are delimited by line ends.
//!
//! Each message is one JSON text followed by a delimiter. An empty message, or one of white space
//! only, is a keep-alive. Line boundaries are independent of chunks, reads and TLS records.
//!
//! - CR LF always ends a message. A bare LF also ends one, unless a JSON text continues after the
//!   LF ([`Nesting`]).
//! - A message within one run of content is borrowed from there: only its position is returned.
//! - A message split across runs is copied to storage piece by piece (the spill) and borrowed from
//!   there. If the input ends within a run, a message that begins there may instead be left in the
//!   input until more has been read behind it.
//! - A message over the limit is skipped and reported with its length, whether it was split or not.
//! - `memchr` searches for LF, so each byte is read once. Bytes before a bare LF and bytes over the
//!   limit are read twice. If a message was left and must then be stored, the new bytes of its
//!   chunk are searched twice. A CR before the LF may already be in storage.
//!
//! UTF-8 is not validated: that costs six times the framing. The code that reads a field validates
//! it.

use core::ops::Range;

use super::message::check_grammar;
use super::nesting::Nesting;
use super::spill::{BLOCK, Spill, has_lf};

/// The position of a message's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a message is in one place or the other")]
pub enum MessagePlace {
    /// In the input, from `start` to `end`.
    Input {
        /// The index of the first byte.
        start: usize,
        /// The index after the last byte.
        end: usize,
    },
    /// At the start of the storage.
    Storage {
        /// Bytes of the message.
        length: usize,
    },
}

/// A message, keep-alive or skipped message found in the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// A message, without its delimiter.
    Message(MessagePlace),
    /// A keep-alive: an empty message, or one of white space.
    KeepAlive,
    /// A message over the limit, which was skipped.
    Skipped {
        /// Its bytes, without the delimiter.
        bytes: u64,
    },
}

/// Finds messages in runs of content bytes.
#[derive(Clone, Debug)]
pub struct Framer {
    /// The maximum length of a message, without its delimiter.
    limit: usize,
    spill: Spill,
    /// Set while a message over the limit is skipped.
    skipping: Option<Skipping>,
    /// The nesting state. It has read the message only as far as a bare LF or the limit required.
    nesting: Nesting,
    /// The last message was split across runs, so the next one may be, too.
    is_split: bool,
    /// The unfinished message is split across runs. This and `is_split` are set only if
    /// `MAY_LEAVE`.
    is_run_over: bool,
}

#[derive(Clone, Copy, Debug)]
struct Skipping {
    bytes: u64,
    last: u8,
}

impl Framer {
    /// Creates a framer at the start of a stream. The storage passed to its calls must hold `limit
    /// + 1` bytes: a message of the maximum length and the CR after it.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            spill: Spill::EMPTY,
            skipping: None,
            nesting: Nesting::START,
            is_split: false,
            is_run_over: false,
        }
    }

    /// Returns the bytes of the unfinished message, including skipped ones; 0 between messages.
    #[inline]
    #[must_use]
    pub const fn unfinished(&self) -> u64 {
        match self.skipping {
            Some(skipping) => skipping.bytes,
            None => self.spill.len() as u64,
        }
    }

    /// Finds the end of the next message in `input[content]`.
    ///
    /// Returns the number of content bytes consumed, and the frame that they end, if any. If there
    /// is a frame, call again with the rest. `storage` must be the same in every call, its content
    /// unchanged.
    #[inline]
    pub fn next(
        &mut self,
        input: &[u8],
        content: Range<usize>,
        storage: &mut [u8],
    ) -> (usize, Option<Frame>) {
        self.next_or_leave::<false>(input, content, false, storage)
    }

    /// Performs [`Self::next`], but may leave a message unconsumed if `MAY_LEAVE` is true. Only a
    /// message that begins in the run is left, and only if `is_cut`: the run continues behind the
    /// input.
    #[inline]
    pub(crate) fn next_or_leave<const MAY_LEAVE: bool>(
        &mut self,
        input: &[u8],
        content: Range<usize>,
        is_cut: bool,
        storage: &mut [u8],
    ) -> (usize, Option<Frame>) {
        let start = content.start;
        let run = &input[content];
        let Some(lf) = find_lf(run) else {
            if MAY_LEAVE {
                if is_cut && !self.is_split && self.is_between() && self.may_leave(run.len()) {
                    return (0, None);
                }
                self.is_run_over |= !is_cut;
            }
            self.take_in(run, storage);
            return (run.len(), None);
        };
        if MAY_LEAVE {
            self.is_split = core::mem::take(&mut self.is_run_over);
        }
        if self.is_behind_cr(run, lf, storage) {
            return (lf + 1, Some(self.frame(input, start, &run[..lf], true, storage)));
        }
        self.next_by_nesting(input, start, run, lf, storage)
    }

    /// Performs [`Self::next`] if the first LF is bare. This LF is at `lf` in `run`, which starts
    /// at `start`.
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

    /// Passes the unfinished message to `nesting`, up to the end of `run`, which follows it.
    fn read_nesting(&mut self, run: &[u8], storage: &[u8]) {
        let before = self.unfinished();
        // Skipped bytes were read when they were skipped, so only storage can hold unread bytes.
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

    /// Returns the frame that ends with `piece`, which starts at `start` in the input and is
    /// followed by LF.
    #[inline(always)]
    fn frame(&mut self, input: &[u8], start: usize, piece: &[u8], has_cr: bool, storage: &mut [u8]) -> Frame {
        if self.is_between() {
            self.whole(input, start, start + piece.len() - usize::from(has_cr))
        } else {
            self.take_in(piece, storage);
            self.complete(has_cr, storage)
        }
    }

    /// Returns true if the unfinished message lacks only its delimiter: it is one complete JSON
    /// text, and not a number, which could continue.
    #[must_use]
    pub fn is_complete(&self, storage: &[u8]) -> bool {
        let message = &storage[..self.spill.len()];
        message.last().is_some_and(|last| !last.is_ascii_digit()) && check_grammar(message).is_ok()
    }

    /// Ends a message that [`Self::is_complete`] at the end of the content, as its delimiter would.
    pub fn finish(&mut self, storage: &[u8]) -> Option<Frame> {
        let has_cr = self.last(storage) == Some(b'\r');
        self.is_complete(storage).then(|| self.complete(has_cr, storage))
    }

    /// Returns true if no message is unfinished.
    #[inline]
    const fn is_between(&self) -> bool {
        self.spill.is_empty() && self.skipping.is_none()
    }

    /// Appends the first `length` bytes of `block` to the message in storage.
    ///
    /// Returns `false` and does nothing if the bytes contain LF, or the limit or the storage is too
    /// close.
    #[inline(always)]
    pub(crate) fn push_short(&mut self, block: [u8; BLOCK], length: usize, storage: &mut [u8]) -> bool {
        // At most the limit, so that the byte for the CR stays free. Longer messages take the
        // general path.
        !has_lf(block, length)
            && self.spill.len() + length <= self.limit
            && self.spill.push_block(block, length, storage)
    }

    /// Appends a few bytes to the message in storage.
    ///
    /// Returns `false` if no message is in storage, the bytes contain LF, or the message would
    /// exceed the limit.
    #[inline(always)]
    pub(crate) fn push_within(&mut self, piece: &[u8], storage: &mut [u8]) -> bool {
        self.is_spilling()
            && self.spill.len() + piece.len() <= self.limit
            && self.spill.push_unless_lf(piece, storage)
    }

    /// Returns true if a message is in storage, so that [`Self::push_short`] may be called.
    #[inline(always)]
    pub(crate) const fn is_spilling(&self) -> bool {
        !self.spill.is_empty()
    }

    /// Returns true if `length` bytes of a message may be left in the input. Appending fewer than a
    /// block is faster.
    #[inline(always)]
    pub(crate) const fn may_leave(&self, length: usize) -> bool {
        length >= BLOCK && length <= self.limit
    }

    /// Appends bytes that were left in the input to the unfinished message.
    pub(crate) fn take_left(&mut self, left: &[u8], storage: &mut [u8]) {
        self.take_in(left, storage);
    }

    /// Returns the frame of a message that is completely within the content.
    #[inline]
    pub(crate) fn whole(&self, input: &[u8], start: usize, end: usize) -> Frame {
        let message = &input[start..end];
        if message.len() > self.limit {
            Frame::Skipped { bytes: message.len() as u64 }
        } else if is_blank(message) {
            Frame::KeepAlive
        } else {
            Frame::Message(MessagePlace::Input { start, end })
        }
    }

    /// Returns the last byte of the unfinished message.
    fn last(&self, storage: &[u8]) -> Option<u8> {
        match self.skipping {
            Some(skipping) => Some(skipping.last),
            None => self.spill.last(storage),
        }
    }

    /// Appends a piece to the unfinished message.
    #[inline]
    fn take_in(&mut self, piece: &[u8], storage: &mut [u8]) {
        let length = self.spill.len() + piece.len();
        if length <= self.limit && self.skipping.is_none() {
            self.spill.push(piece, storage);
        } else {
            self.take_in_last(piece, storage);
        }
    }

    /// Appends a piece that exceeds the limit, or belongs to a message that already did.
    #[cold]
    fn take_in_last(&mut self, piece: &[u8], storage: &mut [u8]) {
        let Some(&last) = piece.last() else { return };
        // The bytes are not kept, and a bare LF may follow.
        self.read_nesting(piece, storage);
        if let Some(skipping) = &mut self.skipping {
            skipping.bytes += piece.len() as u64;
            skipping.last = last;
            return;
        }
        let length = self.spill.len() + piece.len();
        // One byte over the limit may still be the delimiter's CR.
        if length > self.limit + usize::from(last == b'\r') {
            self.skipping = Some(Skipping { bytes: length as u64, last });
            self.spill.clear();
        } else {
            self.spill.push(piece, storage);
        }
    }

    /// Ends the message at its delimiter. The CR of the delimiter, if any, is the last byte of the
    /// message so far.
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
        // The bytes stay in storage, and are borrowed from there until the next call writes to it.
        self.spill.clear();
        if is_blank(&storage[..length]) {
            Frame::KeepAlive
        } else {
            Frame::Message(MessagePlace::Storage { length })
        }
    }
}

/// Returns the position of the first LF. For a few bytes, a call of `memchr` costs more than it
/// saves.
#[inline]
fn find_lf(run: &[u8]) -> Option<usize> {
    if run.len() < BLOCK { run.iter().position(|&byte| byte == b'\n') } else { memchr::memchr(b'\n', run) }
}

/// Returns true if the message is empty or contains only JSON white space.
#[inline]
fn is_blank(message: &[u8]) -> bool {
    match message.first() {
        Some(&first) if first > b' ' => false,
        _ => message.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_one_frame_at_a_time() {
        let (mut framer, mut storage) = (Framer::new(8), [0; 9]);
        let input = b"{}\r\n\r\n[";
        let message = Frame::Message(MessagePlace::Input { start: 0, end: 2 });
        assert_eq!(framer.next(input, 0..7, &mut storage), (4, Some(message)));
        assert_eq!(framer.next(input, 4..7, &mut storage), (2, Some(Frame::KeepAlive)));
        assert_eq!(framer.next(input, 6..7, &mut storage), (1, None));
        let message = Frame::Message(MessagePlace::Storage { length: 2 });
        assert_eq!(framer.next(b"]\n", 0..2, &mut storage), (2, Some(message)));
    }

    #[test]
    fn push_short_takes_a_piece_without_lf_that_fits() {
        let (mut framer, mut storage) = (Framer::new(12), [0; 13 + BLOCK]);
        framer.next(b"[1,2", 0..4, &mut storage);
        let block = *b",3,4,5,6,7,8,\n]]";
        assert!(framer.push_short(block, 4, &mut storage));
        assert_eq!((framer.unfinished(), &storage[..8]), (8, b"[1,2,3,4".as_slice()));
        assert!(!framer.push_short(block, 5, &mut storage), "the limit is 12 bytes");
        assert!(!framer.push_short(block, 2, &mut storage[..8 + BLOCK - 1]), "a block does not fit");
        assert!(!framer.push_short(*b",3\n1234567890123", 3, &mut storage), "LF is in the piece");
        assert_eq!(framer.unfinished(), 8);
        assert!(framer.push_short(block, 4, &mut storage));
        assert_eq!((framer.unfinished(), &storage[..12]), (12, b"[1,2,3,4,3,4".as_slice()));
    }

    #[test]
    fn push_within_takes_a_piece_without_lf_of_a_stored_message() {
        let (mut framer, mut storage) = (Framer::new(8), [0; 9]);
        assert!(!framer.push_within(b"[1", &mut storage), "no message is in storage");
        framer.next(b"[1,2", 0..4, &mut storage);
        assert!(framer.push_within(b",3", &mut storage));
        assert_eq!((framer.unfinished(), &storage[..6]), (6, b"[1,2,3".as_slice()));
        assert!(!framer.push_within(b",45", &mut storage), "the limit is 8 bytes");
        assert!(!framer.push_within(b"]\n", &mut storage), "LF is in the piece");
        assert_eq!(framer.unfinished(), 6);
        assert!(framer.push_within(b",4", &mut storage));
        assert_eq!((framer.unfinished(), &storage[..8]), (8, b"[1,2,3,4".as_slice()));
    }

    #[test]
    fn is_spilling_exactly_while_a_message_is_in_storage() {
        let (mut framer, mut storage) = (Framer::new(8), [0; 9]);
        assert!(!framer.is_spilling());
        framer.next(b"[1", 0..2, &mut storage);
        assert!(framer.is_spilling());
        framer.next(b"]\r\n", 0..3, &mut storage);
        assert!(!framer.is_spilling());
        framer.next(b"[1,2,3,4,5", 0..10, &mut storage);
        assert!(!framer.is_spilling(), "skipped bytes are not stored");
    }
}
