//! Lists of postings: who is to be looked at when a term is found.
//!
//! The lists of a set lie together, in blocks of a cache line, each a chain from its newest block to its oldest. So a
//! list that grows is never copied, and one that is gone through costs a line for fifteen postings.
//!
//! A posting is the number of a [`Start`]. Hundreds of terms may have the same one, as the words of a long OR have, which
//! all go on behind it.

use super::slab::Slab;

/// A place in the program of a rule, where evaluation starts when a term is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The slot of the rule.
    pub(crate) rule: u32,
    /// Where in its program.
    pub(crate) entry: u32,
}

/// The number of a [`Start`], below 2^31: there is no room for as many.
pub(crate) type Posting = u32;

/// The starts of all rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starts(Slab<Chained>);

/// The starts of one rule: a chain, by the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StartsOf(u32);

#[derive(Clone, Copy, Debug)]
struct Chained {
    start: Start,
    /// The next of the same rule, or `END`.
    next: u32,
}

impl StartsOf {
    /// None yet.
    pub(crate) const NONE: Self = Self(END);
}

impl Starts {
    /// Gives a number to a start, which becomes one of those of its rule.
    pub(crate) fn add(&mut self, start: Start, of_rule: &mut StartsOf) -> Posting {
        of_rule.0 = self.0.add(Chained { start, next: of_rule.0 });
        of_rule.0
    }

    /// A start.
    #[inline]
    pub(crate) fn get(&self, posting: Posting) -> Option<Start> {
        self.0.get(posting).map(|chained| chained.start)
    }

    /// Gives up those of a rule.
    pub(crate) fn free(&mut self, of_rule: StartsOf) {
        let mut at = of_rule.0;
        while let Some(chained) = self.0.get(at) {
            let next = chained.next;
            self.0.free(at);
            at = next;
        }
    }

    /// Whether there is none.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

/// No start.
const END: u32 = u32::MAX;

/// How many numbers are in a block: first the place of the next one, then postings.
const BLOCK: usize = 16;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Block([u32; BLOCK]);

impl Block {
    fn new(numbers: [u32; 3]) -> Self {
        let [next, first, second] = numbers;
        let mut block = [0; BLOCK];
        block[..3].copy_from_slice(&[next, first, second]);
        Self(block)
    }

    const fn next(&self) -> u32 {
        let [next, ..] = self.0;
        next
    }
}

/// A list, for [`Lists`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    /// Of several postings the newest block, the only one that may not be full; a single posting is here itself.
    place: u32,
    /// How many numbers its blocks hold, or whether there is a single posting. Kept here and not in the block, so that
    /// adding one need not wait for the block.
    used: u32,
}

impl List {
    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.used == 0
    }

    /// Whether there is one posting and no block.
    #[inline]
    pub(crate) const fn is_single(self) -> bool {
        self.used == 1
    }

    /// How many of so many numbers are in the newest block.
    #[inline]
    const fn newest(used: u32) -> usize {
        (used as usize - 1) % BLOCK + 1
    }
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    /// `CHUNK` each. Not in one vector: of what a set holds these are the most, and each time such a vector grew, as much
    /// memory would be touched for the first time, which costs more than to fill it.
    chunks: Vec<Vec<Block>>,
    free: Vec<u32>,
}

const CHUNK: usize = 256;

impl Lists {
    #[inline]
    fn block(&self, place: u32) -> Option<&Block> {
        self.chunks.get(place as usize / CHUNK)?.get(place as usize % CHUNK)
    }

    fn block_mut(&mut self, place: u32) -> Option<&mut Block> {
        self.chunks.get_mut(place as usize / CHUNK)?.get_mut(place as usize % CHUNK)
    }

    /// Gives a place to a block.
    #[allow(clippy::cast_possible_truncation, reason = "there are fewer blocks than postings")]
    fn add(&mut self, block: Block) -> u32 {
        if let Some(place) = self.free.pop() {
            if let Some(free) = self.block_mut(place) {
                *free = block;
            }
            return place;
        }
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => {
                chunk.push(block);
                (full + chunk.len() - 1) as u32
            }
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(block);
                self.chunks.push(chunk);
                ((self.chunks.len() - 1) * CHUNK) as u32
            }
        }
    }

    /// Adds a posting to a list.
    pub(crate) fn push(&mut self, list: &mut List, posting: Posting) {
        match list.used {
            0 => *list = List { place: posting, used: 1 },
            1 => *list = List { place: self.add(Block::new([END, list.place, posting])), used: 3 },
            used if used as usize % BLOCK == 0 => {
                *list = List { place: self.add(Block::new([list.place, posting, 0])), used: used + 2 };
            }
            used => {
                if let Some(Block(numbers)) = self.block_mut(list.place) {
                    numbers[used as usize % BLOCK] = posting;
                }
                list.used += 1;
            }
        }
    }

    /// Takes some postings out of a list.
    pub(crate) fn remove(&mut self, list: &mut List, which: impl Fn(Posting) -> bool) {
        if list.is_single() {
            if which(list.place) {
                *list = List::default();
            }
            return;
        }
        // A block, and how many numbers there are from it on.
        let (mut at, mut left) = (list.place, list.used);
        while left > 0 {
            let used = List::newest(left);
            let Some(block) = self.block(at) else { break };
            let held = block.0.get(1..used).unwrap_or_default();
            let Some(hole) = held.iter().position(|posting| which(*posting)) else {
                (at, left) = (block.next(), left - used as u32);
                continue;
            };
            // The newest takes its place.
            let newest = list.place;
            let last = List::newest(list.used) - 1;
            let Some(block) = self.block(newest) else { break };
            let (posting, next) = (block.0[last], block.next());
            if let Some(Block(numbers)) = self.block_mut(at) {
                numbers[1 + hole] = posting;
            }
            list.used -= 1;
            if last == 1 {
                // Nothing is left there but where to go on.
                list.used -= 1;
                self.free.push(newest);
                list.place = next;
            }
            if at == newest {
                (at, left) = (list.place, list.used);
            }
        }
        if list.used == 2 {
            if let Some(Block([_, only, ..])) = self.block(list.place).copied() {
                self.free.push(list.place);
                *list = List { place: only, used: 1 };
            }
        }
    }

    /// The postings of a list, in pieces.
    #[inline]
    pub(crate) fn pieces<'l>(&'l self, list: &'l List) -> Pieces<'l> {
        Pieces { lists: self, list, next: list.place, left: list.used }
    }

    /// Whether there is no list.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.chunks.iter().map(Vec::len).sum::<usize>()
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<Block>()
            + self.chunks.capacity() * size_of::<Vec<Block>>()
            + self.free.capacity() * size_of::<u32>()
    }
}

/// The iterator of [`Lists::pieces`].
pub(crate) struct Pieces<'l> {
    lists: &'l Lists,
    list: &'l List,
    next: u32,
    /// How many numbers there are from there on.
    left: u32,
}

impl<'l> Iterator for Pieces<'l> {
    type Item = &'l [Posting];

    #[inline]
    fn next(&mut self) -> Option<&'l [Posting]> {
        if self.left == 0 {
            return None;
        }
        if self.list.is_single() {
            self.left = 0;
            return Some(core::slice::from_ref(&self.list.place));
        }
        let block = self.lists.block(self.next)?;
        let used = List::newest(self.left);
        (self.next, self.left) = (block.next(), self.left - used as u32);
        block.0.get(1..used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_what_a_vector_does() {
        let mut lists = Lists::default();
        let mut state: u32 = 1;
        let mut vectors = vec![Vec::new(); 8];
        let (mut known, mut longest) = ([List::default(); 8], 0);
        for step in 0..20_000_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (which, rule) = ((state >> 29) as usize, state >> 8 & 0xf);
            // Grows for a while, then shrinks.
            if step / 500 % 2 == 0 || state & 0x7000 == 0 {
                let posting = step << 4 | rule;
                vectors[which].push(posting);
                lists.push(&mut known[which], posting);
            } else {
                vectors[which].retain(|posting: &Posting| posting & 0xf != rule);
                lists.remove(&mut known[which], |posting| posting & 0xf == rule);
            }
            assert_eq!(known[which].is_empty(), vectors[which].is_empty());
            assert_eq!(known[which].is_single(), vectors[which].len() == 1);
            longest = longest.max(vectors[which].len());
            let mut held: Vec<_> = lists.pieces(&known[which]).flatten().copied().collect();
            held.sort_unstable();
            assert_eq!(held, vectors[which]);
        }
        assert!(longest > 4 * BLOCK, "{longest}");
        for list in &mut known {
            lists.remove(list, |_| true);
            assert!(list.is_empty());
        }
        assert!(lists.is_empty());
    }

    #[test]
    fn starts_of_a_rule_are_given_up_together() {
        let mut starts = Starts::default();
        let mut of_rules = [StartsOf::NONE; 2];
        let mut add = |starts: &mut Starts, rule: u32, entry| {
            starts.add(Start { rule, entry }, &mut of_rules[rule as usize])
        };
        let given = [(0, 5), (1, 5), (0, 7)].map(|(rule, entry)| add(&mut starts, rule, entry));
        assert_eq!(starts.get(given[1]), Some(Start { rule: 1, entry: 5 }));
        starts.free(of_rules[0]);
        let mut other = StartsOf::NONE;
        let again = [1, 2].map(|entry| starts.add(Start { rule: 2, entry }, &mut other));
        assert!(again.contains(&given[0]) && again.contains(&given[2]), "{again:?}");
        starts.free(of_rules[1]);
        starts.free(other);
        assert!(starts.is_empty());
    }
}
