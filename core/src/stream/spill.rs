//! Storage for the one message that is split across runs: its pieces are joined at the start of the
//! caller's storage.
//!
//! ```text
//!   input:       ..head of a message | CR LF 1f4 CR LF | middle | end of input
//!   next input:  rest CR LF | next..
//!   storage:     [head of a message][middle][rest]
//! ```
//!
//! Pieces of up to 16 bytes (tiny chunks, a read that ends after a message's first bytes) take a
//! fast path. It always copies 16 bytes, but advances only by the piece's length. That is one load
//! and one store without a branch. A copy of variable length would be a call that mispredicts.

/// Bytes that the fast path copies at once.
pub(crate) const BLOCK: usize = 16;

/// Tracks how much of the storage is in use. The storage itself is passed to each call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spill {
    length: usize,
}

impl Spill {
    pub(crate) const EMPTY: Self = Self { length: 0 };

    /// Returns the number of bytes held.
    #[inline]
    pub(crate) const fn len(self) -> usize {
        self.length
    }

    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.length == 0
    }

    /// Returns the last byte held.
    #[inline]
    pub(crate) fn last(self, storage: &[u8]) -> Option<u8> {
        storage.get(self.length.checked_sub(1)?).copied()
    }

    /// Appends `piece`. The caller has checked that it fits.
    #[inline]
    pub(crate) fn push(&mut self, piece: &[u8], storage: &mut [u8]) {
        let end = self.length + piece.len();
        storage[self.length..end].copy_from_slice(piece);
        self.length = end;
    }

    /// Appends the first `length` bytes of `block`, at most [`BLOCK`]. Returns `false` and does
    /// nothing if the storage has no room for a whole block.
    #[inline(always)]
    pub(crate) fn push_block(&mut self, block: [u8; BLOCK], length: usize, storage: &mut [u8]) -> bool {
        let Some(room) = storage.get_mut(self.length..).and_then(|room| room.first_chunk_mut::<BLOCK>())
        else {
            return false;
        };
        *room = block;
        self.length += length;
        true
    }

    /// Appends a few bytes, or returns `false` if LF is among them. A loop over single bytes is
    /// cheaper here than calls to search and to copy.
    #[inline(always)]
    pub(crate) fn push_unless_lf(&mut self, piece: &[u8], storage: &mut [u8]) -> bool {
        let end = self.length + piece.len();
        for (room, &byte) in storage[self.length..end].iter_mut().zip(piece) {
            if byte == b'\n' {
                return false;
            }
            *room = byte;
        }
        self.length = end;
        true
    }

    /// Drops the last byte held.
    #[inline]
    pub(crate) fn pop(&mut self) {
        self.length = self.length.saturating_sub(1);
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }
}

/// Returns true if one of the first `length` bytes of `block` is LF, without a branch on its
/// position.
///
/// Subtracting 1 from each byte of `block ^ LF..` borrows into a byte's high bit exactly if the
/// byte was zero. False marks occur only above a true zero, so the lowest mark is always correct.
#[inline(always)]
pub(crate) fn has_lf(block: [u8; BLOCK], length: usize) -> bool {
    const ONES: u128 = u128::from_ne_bytes([1; BLOCK]);
    const LFS: u128 = u128::from_ne_bytes([b'\n'; BLOCK]);
    let difference = u128::from_le_bytes(block) ^ LFS;
    let marks = difference.wrapping_sub(ONES) & !difference & (ONES << 7);
    let Some(first) = MASKS[BLOCK - length..].first_chunk() else { return true };
    marks & u128::from_le_bytes(*first) != 0
}

/// From `BLOCK - n` on, the mask of the first `n` bytes of a block.
static MASKS: [u8; 2 * BLOCK] = {
    let mut masks = [0; 2 * BLOCK];
    let mut at = 0;
    while at < BLOCK {
        masks[at] = 0xFF;
        at += 1;
    }
    masks
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_lf_only_within_the_first_bytes() {
        for length in 0..=BLOCK {
            for lf in 0..BLOCK {
                for filler in [0, 9, 11, 0x80, 0xFF] {
                    let mut block = [filler; BLOCK];
                    block[lf] = b'\n';
                    // A false mark above a true zero must not count below it.
                    if lf + 1 < BLOCK {
                        block[lf + 1] = 11;
                    }
                    assert_eq!(has_lf(block, length), lf < length, "LF at {lf}, first {length}");
                }
            }
            assert!(!has_lf([b'\r'; BLOCK], length));
        }
    }

    #[test]
    fn pieces_are_moved_together() {
        let mut storage = [0; 40];
        let mut spill = Spill::default();
        spill.push(b"one ", &mut storage);
        assert!(spill.push_block(*b"two and the rest", 4, &mut storage));
        assert!(spill.push_block(*b"three and so on.", 5, &mut storage));
        assert_eq!(&storage[..spill.len()], b"one two three");
        assert_eq!(spill.last(&storage), Some(b'e'));
        spill.push(b" and thirteen", &mut storage);
        assert!(
            !spill.push_block([0; BLOCK], 1, &mut storage),
            "26 of 40 are taken: a block of 16 does not fit"
        );
        spill.pop();
        assert_eq!(spill.len(), 25);
        assert!(spill.push_unless_lf(b"\r{}", &mut storage));
        assert!(!spill.push_unless_lf(b"1\n2", &mut storage));
        assert_eq!(&storage[25..spill.len()], b"\r{}");
        spill.clear();
        assert!(spill.is_empty() && spill.last(&storage).is_none());
    }
}
