//! A hash table from keys to numbers, which does not hold the keys.
//!
//! Open addressing, at most half full. A slot has the number of a key and, in what that leaves of 32 bits, the lower bits of
//! its hash, whose upper bits tell where it belongs. So a key is hardly ever compared with another one, and the slots of as
//! many keys as possible are in a near cache. Most words of a text are in no rule, so before the table a filter is asked,
//! one bit for each hash of a finer grain: it is smaller still, stays in the nearest cache, and says no at once.

/// See the [module](self).
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// By slot: the number, and above it the lower bits of the hash. 0 where it is empty: a hash is odd.
    slots: Vec<u32>,
    /// How many slots there are, as a power of two. The numbers are below half of that.
    bits: u32,
    len: usize,
    /// By number, 0 where there is no key. To grow, and to move keys up into a hole.
    hashes: Vec<u32>,
    /// A bit for each hash that is there, by its upper bits; some for hashes that were.
    filter: Vec<u64>,
    /// How many hashes were taken out since the filter was made.
    stale: usize,
}

const BITS_MIN: u32 = 6;
/// The filter's bits for a slot, as a power of two.
const GRAIN: u32 = 2;

impl Default for Table {
    fn default() -> Self {
        Self::with_bits(BITS_MIN)
    }
}

impl Table {
    fn with_bits(bits: u32) -> Self {
        let filter = vec![0; 1 << (bits + GRAIN - 6)];
        Self { slots: vec![0; 1 << bits], bits, len: 0, hashes: Vec::new(), filter, stale: 0 }
    }

    /// The slot that a hash belongs to. Its key is there, or behind it with no free slot between.
    #[inline]
    const fn home(&self, hash: u32) -> usize {
        (hash >> (u32::BITS - self.bits)) as usize
    }

    /// What a slot holds.
    #[inline]
    const fn slot(&self, hash: u32, id: u32) -> u32 {
        hash << (self.bits - 1) | id
    }

    /// The word of the filter and the bit in it that stand for a hash.
    #[inline]
    const fn grain(&self, hash: u32) -> (usize, u64) {
        let bit = hash >> (u32::BITS - self.bits - GRAIN);
        ((bit >> 6) as usize, 1 << (bit & 63))
    }

    /// Whether a key with this hash may be there.
    #[inline]
    pub(crate) fn may_have(&self, hash: u32) -> bool {
        let (word, bit) = self.grain(hash);
        self.filter.get(word).is_some_and(|word| word & bit != 0)
    }

    /// The number of the key for which `is` says that it is the one; it is asked of those whose hash is this as far as can be
    /// told. Ask [`may_have`](Self::may_have) first where it is likely that there is none.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let (sought, ids) = (self.slot(hash, 0), 1 << (self.bits - 1));
        let mut at = self.home(hash);
        loop {
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            let id = slot ^ sought;
            if id < ids && is(id) {
                return Some(id);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a key that is not there. Its number is that of a key that was taken out, or the least that none ever had.
    pub(crate) fn insert(&mut self, hash: u32, id: u32) {
        if (self.len + 1) * 2 > self.slots.len() {
            self.rebuild(self.bits + 1);
        }
        match self.hashes.get_mut(id as usize) {
            Some(place) => *place = hash,
            None => self.hashes.push(hash),
        }
        self.place(hash, id);
    }

    fn rebuild(&mut self, bits: u32) {
        let mut rebuilt = Self::with_bits(bits);
        for (id, hash) in (0..).zip(&self.hashes).filter(|(_, hash)| **hash != 0) {
            rebuilt.place(*hash, id);
        }
        rebuilt.hashes = core::mem::take(&mut self.hashes);
        *self = rebuilt;
    }

    fn place(&mut self, hash: u32, id: u32) {
        let (word, bit) = self.grain(hash);
        if let Some(word) = self.filter.get_mut(word) {
            *word |= bit;
        }
        let mask = self.slots.len() - 1;
        let mut at = self.home(hash);
        while self.at(at) != 0 {
            at = (at + 1) & mask;
        }
        self.set(at, self.slot(hash, id));
        self.len += 1;
    }

    fn hash_of(&self, id: u32) -> u32 {
        self.hashes.get(id as usize).copied().unwrap_or(0)
    }

    fn at(&self, at: usize) -> u32 {
        self.slots.get(at).copied().unwrap_or(0)
    }

    fn set(&mut self, at: usize, slot: u32) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
        }
    }

    /// Takes out a key that is there.
    pub(crate) fn remove(&mut self, hash: u32, id: u32) {
        let mask = self.slots.len() - 1;
        let ids = (1 << (self.bits - 1)) - 1;
        let mut hole = self.home(hash);
        while self.at(hole) != self.slot(hash, id) {
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
            let home = self.home(self.hash_of(slot & ids));
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(hole) & mask) {
                self.set(hole, slot);
                hole = next;
            }
        }
        self.set(hole, 0);
        if let Some(place) = self.hashes.get_mut(id as usize) {
            *place = 0;
        }
        self.len -= 1;
        // Bits are shared, so those of the filter stay, until they are as many as the others can be.
        self.stale += 1;
        if self.stale > self.slots.len() / 2 {
            self.rebuild(self.bits);
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        (self.slots.capacity() + self.hashes.capacity()) * size_of::<u32>()
            + self.filter.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::collections::hash_map::Entry;

    use super::*;

    #[test]
    fn it_does_what_a_map_does() {
        let (mut table, mut map, mut free) = (Table::default(), HashMap::new(), Vec::new());
        let mut state: u32 = 1;
        for _ in 0..40_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Few hashes, so that they collide, and many in the last slots, so that they wrap around.
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
            }
            let held = map.get(&hash).copied();
            // It is asked of no key whose hash is another one, as far as a slot tells.
            let kept = hash << (table.bits - 1);
            let found = table.find(hash, |id| {
                assert_eq!(table.hash_of(id) << (table.bits - 1), kept);
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
}
