//! A hash table from keys to numbers, which does not hold the keys.
//!
//! Open addressing, at most half full. Most words of a text are in no rule, so before the table a filter is asked, one
//! bit for each hash of a finer grain: it is thirty times as small, stays in the nearest cache, and says no at once. Growing
//! needs the hashes alone.

/// See the [module](self).
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// By slot: the hash, 0 where it is empty, and above it the number. Together, so that both cost one cache line.
    slots: Vec<u64>,
    /// A hash shifted right by this is its first slot.
    shift: u32,
    len: usize,
    /// A bit for each hash that is there, by its upper bits; some for hashes that were.
    filter: Vec<u64>,
    /// How many hashes were taken out since the filter was made.
    stale: usize,
}

const BITS_MIN: u32 = 6;
/// The filter's bits for a slot, as a power of two.
const GRAIN: u32 = 2;

#[allow(clippy::cast_possible_truncation, reason = "the lower half")]
const fn hash_of(slot: u64) -> u32 {
    slot as u32
}

const fn id_of(slot: u64) -> u32 {
    (slot >> 32) as u32
}

const fn slot_of(hash: u32, id: u32) -> u64 {
    (id as u64) << 32 | hash as u64
}

impl Default for Table {
    fn default() -> Self {
        Self::with_bits(BITS_MIN)
    }
}

impl Table {
    fn with_bits(bits: u32) -> Self {
        let filter = vec![0; 1 << (bits + GRAIN - 6)];
        Self { slots: vec![0; 1 << bits], shift: u32::BITS - bits, len: 0, filter, stale: 0 }
    }

    /// The word of the filter and the bit in it that stand for a hash.
    #[inline]
    const fn grain(&self, hash: u32) -> (usize, u64) {
        let bit = hash >> (self.shift - GRAIN);
        ((bit >> 6) as usize, 1 << (bit & 63))
    }

    /// Whether a key with this hash may be there.
    #[inline]
    pub(crate) fn may_have(&self, hash: u32) -> bool {
        let (word, bit) = self.grain(hash);
        self.filter.get(word).is_some_and(|word| word & bit != 0)
    }

    /// The number of the key with this hash for which `is` says that it is the one. Ask [`may_have`](Self::may_have)
    /// first where it is likely that there is none.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = (hash >> self.shift) as usize;
        loop {
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            if hash_of(slot) == hash && is(id_of(slot)) {
                return Some(id_of(slot));
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a key that is not there.
    pub(crate) fn insert(&mut self, hash: u32, id: u32) {
        if (self.len + 1) * 2 > self.slots.len() {
            self.rebuild(u32::BITS - self.shift + 1);
        }
        self.place(slot_of(hash, id));
    }

    fn rebuild(&mut self, bits: u32) {
        let mut rebuilt = Self::with_bits(bits);
        self.slots.iter().filter(|slot| **slot != 0).for_each(|slot| rebuilt.place(*slot));
        *self = rebuilt;
    }

    fn place(&mut self, slot: u64) {
        let (word, bit) = self.grain(hash_of(slot));
        if let Some(word) = self.filter.get_mut(word) {
            *word |= bit;
        }
        let mask = self.slots.len() - 1;
        let mut at = (hash_of(slot) >> self.shift) as usize;
        while self.at(at) != 0 {
            at = (at + 1) & mask;
        }
        self.set(at, slot);
        self.len += 1;
    }

    fn at(&self, at: usize) -> u64 {
        self.slots.get(at).copied().unwrap_or(0)
    }

    fn set(&mut self, at: usize, slot: u64) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
        }
    }

    /// Takes out a key that is there.
    pub(crate) fn remove(&mut self, hash: u32, id: u32) {
        let mask = self.slots.len() - 1;
        let mut hole = (hash >> self.shift) as usize;
        while self.at(hole) != slot_of(hash, id) {
            if self.at(hole) == 0 {
                return;
            }
            hole = (hole + 1) & mask;
        }
        // What follows and would not be found across the hole moves into it.
        let mut next = hole;
        loop {
            next = (next + 1) & mask;
            let slot = self.at(next);
            if slot == 0 {
                break;
            }
            let first = (hash_of(slot) >> self.shift) as usize;
            if (next.wrapping_sub(first) & mask) >= (next.wrapping_sub(hole) & mask) {
                self.set(hole, slot);
                hole = next;
            }
        }
        self.set(hole, 0);
        self.len -= 1;
        // Bits are shared, so those of the filter stay, until they are as many as the others can be.
        self.stale += 1;
        if self.stale > self.slots.len() / 2 {
            self.rebuild(u32::BITS - self.shift);
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        (self.slots.capacity() + self.filter.capacity()) * size_of::<u64>()
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
}
