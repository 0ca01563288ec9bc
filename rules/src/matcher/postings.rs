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
    /// The number of a start, one of those of its rule, which are `of_rule`: the newest of them if it is the same.
    pub(crate) fn add(&mut self, start: Start, of_rule: &mut StartsOf) -> Posting {
        let newest = of_rule.0;
        if self.get(newest) != Some(start) {
            of_rule.0 = self.0.add(Chained { start, next: newest });
        }
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

const POSTINGS: usize = 15;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Block {
    postings: [Posting; POSTINGS],
    /// The next block, full, if the list goes on.
    next: u32,
}

const _: () = assert!(size_of::<Block>() == 64, "what is said of it above");

/// A list, for [`Lists`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    /// Of several postings the newest block; a single one is here itself.
    place: u32,
    /// How many postings there are. Kept here and not in the block, so that adding one need not wait for the block.
    len: u32,
}

impl List {
    #[inline]
    pub(crate) const fn len(self) -> usize {
        self.len as usize
    }

    /// How many of so many postings are in the newest block. All others are full.
    const fn newest(len: usize) -> usize {
        (len - 1) % POSTINGS + 1
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
        let len = list.len();
        let mut postings = [0; POSTINGS];
        let [first, second, ..] = &mut postings;
        if len == 0 {
            list.place = posting;
        } else if len == 1 {
            (*first, *second) = (list.place, posting);
            list.place = self.add(Block { postings, next: END });
        } else if len % POSTINGS == 0 {
            *first = posting;
            list.place = self.add(Block { postings, next: list.place });
        } else if let Some(block) = self.block_mut(list.place) {
            if let Some(free) = block.postings.get_mut(len % POSTINGS) {
                *free = posting;
            }
        }
        list.len += 1;
    }

    /// Takes some postings out of a list.
    pub(crate) fn remove(&mut self, list: &mut List, which: impl Fn(Posting) -> bool) {
        if list.len == 1 {
            if which(list.place) {
                list.len = 0;
            }
            return;
        }
        // A block, and how many postings there are from it on.
        let (mut at, mut left) = (list.place, list.len());
        while left > 0 {
            let len = List::newest(left);
            let Some(block) = self.block(at) else { break };
            let held = block.postings.get(..len).unwrap_or_default();
            let Some(hole) = held.iter().position(|posting| which(*posting)) else {
                (at, left) = (block.next, left - len);
                continue;
            };
            // The newest takes its place.
            let newest = list.place;
            let last = List::newest(list.len()) - 1;
            let Some(block) = self.block(newest) else { break };
            let (posting, next) = (block.postings.get(last).copied(), block.next);
            let hole = self.block_mut(at).and_then(|block| block.postings.get_mut(hole));
            if let (Some(hole), Some(posting)) = (hole, posting) {
                *hole = posting;
            }
            list.len -= 1;
            if last == 0 {
                self.free.push(newest);
                list.place = next;
            }
            if at == newest {
                (at, left) = (list.place, list.len());
            }
        }
        if list.len == 1 {
            if let Some(Block { postings: [only, ..], .. }) = self.block(list.place).copied() {
                self.free.push(list.place);
                list.place = only;
            }
        }
    }

    /// The postings of a list, in pieces.
    #[inline]
    pub(crate) fn pieces<'l>(&'l self, list: &'l List) -> Pieces<'l> {
        Pieces { lists: self, list, next: list.place, left: list.len() }
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
    left: usize,
}

impl<'l> Iterator for Pieces<'l> {
    type Item = &'l [Posting];

    #[inline]
    fn next(&mut self) -> Option<&'l [Posting]> {
        if self.left == 0 {
            return None;
        }
        if self.list.len == 1 {
            self.left = 0;
            return Some(core::slice::from_ref(&self.list.place));
        }
        let block = self.lists.block(self.next)?;
        let len = List::newest(self.left);
        (self.next, self.left) = (block.next, self.left - len);
        block.postings.get(..len)
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
            assert_eq!(known[which].len(), vectors[which].len());
            longest = longest.max(known[which].len());
            let mut held: Vec<_> = lists.pieces(&known[which]).flatten().copied().collect();
            held.sort_unstable();
            assert_eq!(held, vectors[which]);
        }
        assert!(longest > 4 * POSTINGS, "{longest}");
        for list in &mut known {
            lists.remove(list, |_| true);
            assert_eq!(list.len(), 0);
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
        let given =
            [(0, 5), (0, 5), (0, 7), (1, 5), (0, 7)].map(|(rule, entry)| add(&mut starts, rule, entry));
        assert_eq!((given[0], given[2]), (given[1], given[4]));
        assert_eq!(starts.get(given[3]), Some(Start { rule: 1, entry: 5 }));
        starts.free(of_rules[0]);
        let mut other = StartsOf::NONE;
        let again = [1, 2].map(|entry| starts.add(Start { rule: 2, entry }, &mut other));
        assert!(again.contains(&given[0]) && again.contains(&given[2]), "{again:?}");
        starts.free(of_rules[1]);
        starts.free(other);
        assert!(starts.is_empty());
    }
}
