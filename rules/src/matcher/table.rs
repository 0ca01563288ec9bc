//! A hash table from hashes to term numbers. It does not store the keys.
//!
//! It uses open addressing and is at most half full. Each slot stores a term number and its hash,
//! so different keys are rarely compared. Most words of a text do not occur in any rule, so lookups
//! first consult a filter. It has one bit per hash at a finer resolution, and is small enough for
//! the L1 cache.

/// A hash table; see the [module](self).
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// The slots; their number is a power of two.
    slots: Vec<Slot>,
    /// The binary logarithm of the number of slots.
    bits: u32,
    len: usize,
    /// One bit per value of the upper bits of a hash. Set for all hashes in the table, and for some
    /// that were removed.
    filter: Vec<u64>,
    /// The number of hashes removed since the filter was built.
    stale: usize,
}

/// A slot. Hashes are odd, so 0 means empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    hash: u32,
    id: u32,
}

const BITS_MIN: u32 = 6;
/// The binary logarithm of the number of filter bits per slot.
const GRAIN: u32 = 2;

impl Default for Table {
    fn default() -> Self {
        Self::with_bits(BITS_MIN)
    }
}

impl Table {
    fn with_bits(bits: u32) -> Self {
        let filter = vec![0; 1 << (bits + GRAIN - 6)];
        Self { slots: vec![Slot::default(); 1 << bits], bits, len: 0, filter, stale: 0 }
    }

    /// Returns the first slot for a hash. The key is in this slot or after it, with no empty slot
    /// between.
    #[inline]
    const fn home(&self, hash: u32) -> usize {
        (hash >> (u32::BITS - self.bits)) as usize
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    /// Returns the index of the filter word and the bit for a hash.
    #[inline]
    const fn grain(&self, hash: u32) -> (usize, u64) {
        let bit = hash >> (u32::BITS - self.bits - GRAIN);
        ((bit >> 6) as usize, 1 << (bit & 63))
    }

    /// Returns false if no key in the table has this hash. May return true without one.
    #[inline]
    pub(crate) fn may_have(&self, hash: u32) -> bool {
        let (word, bit) = self.grain(hash);
        self.filter[word] & bit != 0
    }

    /// Returns the number of the key with this hash for which `is` returns true. If the key is
    /// probably absent, call [`may_have`](Self::may_have) first.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            let slot = self.slots[at];
            if slot.hash == hash && is(slot.id) {
                return Some(slot.id);
            }
            if slot == Slot::default() {
                return None;
            }
            at = self.next(at);
        }
    }

    /// Adds a key that is not in the table.
    pub(crate) fn insert(&mut self, hash: u32, id: u32) {
        if (self.len + 1) * 2 > self.slots.len() {
            self.rebuild(self.bits + 1);
        }
        self.place(Slot { hash, id });
    }

    fn rebuild(&mut self, bits: u32) {
        let old = core::mem::replace(self, Self::with_bits(bits));
        old.slots.into_iter().filter(|slot| slot.hash != 0).for_each(|slot| self.place(slot));
    }

    fn place(&mut self, slot: Slot) {
        let (word, bit) = self.grain(slot.hash);
        self.filter[word] |= bit;
        let mut at = self.home(slot.hash);
        while self.slots[at].hash != 0 {
            at = self.next(at);
        }
        self.slots[at] = slot;
        self.len += 1;
    }

    /// Removes a key that is in the table.
    pub(crate) fn remove(&mut self, hash: u32, id: u32) {
        let mut hole = self.home(hash);
        while self.slots[hole] != (Slot { hash, id }) {
            hole = self.next(hole);
        }
        // Moves each following key into the empty slot, if a lookup would otherwise stop at that
        // slot.
        let mask = self.slots.len() - 1;
        let mut at = self.next(hole);
        while self.slots[at].hash != 0 {
            let home = self.home(self.slots[at].hash);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
            at = self.next(at);
        }
        self.slots[hole] = Slot::default();
        self.len -= 1;
        // Keys share filter bits, so bits of removed keys stay until there are too many of them.
        self.stale += 1;
        if self.stale > self.slots.len() / 2 {
            self.rebuild(self.bits);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::collections::hash_map::Entry;

    use super::*;

    #[test]
    fn behaves_like_a_hash_map() {
        let (mut table, mut map, mut free) = (Table::default(), HashMap::new(), Vec::new());
        let mut hashes = Vec::new();
        let mut state: u32 = 1;
        for _ in 0..40_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Few distinct hashes, so that they collide; many for the last slots, so that probing
            // wraps.
            let hash = if state & 0x1_0000 == 0 { state | 1 } else { (state >> 20) | 0xffff_f001 };
            if state & 0x6_0000 == 0 {
                if let Some(id) = map.remove(&hash) {
                    table.remove(hash, id);
                    free.push(id);
                }
            } else if let Entry::Vacant(vacant) = map.entry(hash) {
                let id = free.pop().unwrap_or(table.len as u32);
                vacant.insert(id);
                table.insert(hash, id);
                hashes.resize(hashes.len().max(id as usize + 1), 0);
                hashes[id as usize] = hash;
            }
            let held = map.get(&hash).copied();
            // `find` passes only keys with the same hash.
            let found = table.find(hash, |id| {
                assert_eq!(hashes[id as usize], hash);
                Some(id) == held
            });
            assert_eq!(found, held);
            assert_eq!(table.len, map.len());
        }
        assert!(map.len() > 1_000, "{}", map.len());
        for (hash, id) in &map {
            assert_eq!(table.find(*hash, |found| found == *id), Some(*id));
            assert_eq!(table.find(*hash, |_| false), None);
            assert!(table.may_have(*hash));
        }
    }

    /// Lookups are fast only if keys are in their first slots and the filter rejects other hashes.
    #[test]
    fn spread_keys_are_in_their_first_slots_and_the_filter_rejects_other_hashes() {
        let hash = |id: u32| (id << 27) | 1;
        let mut table = Table::default();
        for id in 0..32 {
            table.insert(hash(id), id);
        }
        assert_eq!(table.slots.len(), 64);
        for id in 0..32 {
            assert_eq!(table.slots[table.home(hash(id))], Slot { hash: hash(id), id });
            assert!(table.may_have(hash(id)) && !table.may_have(hash(id) | 1 << 24));
        }
        // Removed hashes stay in the filter until their number exceeds half of the slots.
        for id in 0..32 {
            table.remove(hash(id), id);
        }
        assert!((0..32).all(|id| table.may_have(hash(id))));
        table.insert(hash(0), 0);
        table.remove(hash(0), 0);
        assert!(!(0..32).any(|id| table.may_have(hash(id))));
        // One more key than half of the slots doubles them.
        for id in 0..33 {
            table.insert(id << 26 | 1, id);
        }
        assert_eq!((table.slots.len(), table.len), (128, 33));
    }
}
