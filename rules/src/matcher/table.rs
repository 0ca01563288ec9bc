//! A hash table from keys to numbers, which does not hold the keys.
//!
//! Open addressing, at most half full; a lookup walks over hashes only, which lie close together, so that a key that is
//! not there costs one cache line and no comparison. Growing needs the hashes alone.

/// Mixes; odd, half of its bits set, and no pattern in them.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// Where a hash of keys of one kind starts, so that the same key of two kinds has two hashes.
#[inline]
pub(crate) const fn seed(kind: u8) -> u64 {
    (kind as u64 + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// Takes eight bytes of a key into its hash, the last ones filled up with zeros.
#[inline]
pub(crate) const fn mix(hash: u64, word: u64) -> u64 {
    let mixed = hash ^ word;
    (mixed ^ (mixed >> 32)).wrapping_mul(FACTOR)
}

/// The hash itself: never 0, which stands for an empty slot.
#[inline]
pub(crate) const fn finish(hash: u64) -> u32 {
    (hash >> 32) as u32 | 1
}

/// The hash of a whole key.
pub(crate) fn hash(kind: u8, key: &[u8]) -> u32 {
    let mut hash = seed(kind);
    for piece in key.chunks(8) {
        let mut word = [0; 8];
        word.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    finish(hash)
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// By slot: the hash, 0 where it is empty.
    hashes: Vec<u32>,
    /// By slot: the number.
    ids: Vec<u32>,
    /// A hash shifted right by this is its first slot.
    shift: u32,
    len: usize,
}

const BITS_MIN: u32 = 3;

impl Default for Table {
    fn default() -> Self {
        Self::with_bits(BITS_MIN)
    }
}

impl Table {
    fn with_bits(bits: u32) -> Self {
        Self { hashes: vec![0; 1 << bits], ids: vec![0; 1 << bits], shift: u32::BITS - bits, len: 0 }
    }

    /// The number of the key with this hash for which `is` says that it is the one.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.hashes.len() - 1;
        let mut slot = (hash >> self.shift) as usize;
        loop {
            match *self.hashes.get(slot)? {
                0 => return None,
                found if found == hash => {
                    let id = *self.ids.get(slot)?;
                    if is(id) {
                        return Some(id);
                    }
                }
                _ => {}
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Adds a key that is not there.
    pub(crate) fn insert(&mut self, hash: u32, id: u32) {
        if (self.len + 1) * 2 > self.hashes.len() {
            let mut grown = Self::with_bits(u32::BITS - self.shift + 1);
            for (hash, id) in self.hashes.iter().zip(&self.ids).filter(|(hash, _)| **hash != 0) {
                grown.place(*hash, *id);
            }
            *self = grown;
        }
        self.place(hash, id);
    }

    fn place(&mut self, hash: u32, id: u32) {
        let mask = self.hashes.len() - 1;
        let mut slot = (hash >> self.shift) as usize;
        while self.hashes.get(slot).is_some_and(|found| *found != 0) {
            slot = (slot + 1) & mask;
        }
        self.set(slot, hash, id);
        self.len += 1;
    }

    fn set(&mut self, slot: usize, hash: u32, id: u32) {
        if let (Some(to_hash), Some(to_id)) = (self.hashes.get_mut(slot), self.ids.get_mut(slot)) {
            (*to_hash, *to_id) = (hash, id);
        }
    }

    /// Takes out a key that is there.
    pub(crate) fn remove(&mut self, hash: u32, id: u32) {
        let mask = self.hashes.len() - 1;
        let at = |table: &Self, slot: usize| {
            (table.hashes.get(slot).copied().unwrap_or(0), table.ids.get(slot).copied().unwrap_or(0))
        };
        let mut hole = (hash >> self.shift) as usize;
        loop {
            match at(self, hole) {
                (0, _) => return,
                found if found == (hash, id) => break,
                _ => hole = (hole + 1) & mask,
            }
        }
        // What follows and would not be found across the hole moves into it.
        let mut slot = hole;
        loop {
            slot = (slot + 1) & mask;
            let (hash, id) = at(self, slot);
            if hash == 0 {
                break;
            }
            let first = (hash >> self.shift) as usize;
            if (slot.wrapping_sub(first) & mask) >= (slot.wrapping_sub(hole) & mask) {
                self.set(hole, hash, id);
                hole = slot;
            }
        }
        self.set(hole, 0, 0);
        self.len -= 1;
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        (self.hashes.capacity() + self.ids.capacity()) * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::collections::hash_map::Entry;

    use super::*;

    #[test]
    fn it_does_what_a_map_does() {
        let (mut table, mut map) = (Table::default(), HashMap::new());
        let mut state: u32 = 1;
        for step in 0..40_000_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Few hashes, so that they collide, and many in the last slots, so that they wrap around.
            let hash = if state & 0x1_0000 == 0 { state | 1 } else { (state >> 20) | 0xffff_f001 };
            if state & 0x6_0000 == 0 {
                if let Some(id) = map.remove(&hash) {
                    table.remove(hash, id);
                }
            } else if let Entry::Vacant(vacant) = map.entry(hash) {
                vacant.insert(step);
                table.insert(hash, step);
            }
            assert_eq!(table.find(hash, |_| true), map.get(&hash).copied());
            assert_eq!(table.len, map.len());
        }
        assert!(map.len() > 1_000, "{}", map.len());
        for (hash, id) in &map {
            assert_eq!(table.find(*hash, |found| found == *id), Some(*id));
            assert_eq!(table.find(*hash, |_| false), None);
        }
    }

    #[test]
    fn keys_of_two_kinds_differ_and_a_piece_is_filled_up() {
        assert_ne!(hash(0, b"gull"), hash(1, b"gull"));
        assert_eq!(hash(0, b"gull"), finish(mix(seed(0), u64::from_le_bytes(*b"gull\0\0\0\0"))));
        assert_ne!(hash(0, b"gullgull"), hash(0, b"gullgullx"));
    }
}
