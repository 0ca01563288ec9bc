//! Lists of postings: who is to be looked at when a term is found.
//!
//! A list begins beside what it is the list of, on the same cache line, and goes on in blocks of a line each, a chain from
//! the newest to the oldest. So most lists are there with no further wait for memory, one that grows is never copied, and
//! a long one costs a line for fifteen postings.
//!
//! A posting is the number of a [`Start`]. Hundreds of terms may have the same one, as the words of a long OR have, which
//! all go on behind it.

use super::slab::Slab;

/// A place in the program of a rule, where evaluation starts when a term is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

#[derive(Clone, Copy, Debug, Default)]
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

/// How many postings a list has before its first block.
const FIRST: usize = 8;

/// How many numbers are in a block: the place of the next one, then postings.
const BLOCK: usize = 16;

#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Block([u32; BLOCK]);

impl Block {
    fn new(next: u32, posting: Posting) -> Self {
        let mut numbers = [0; BLOCK];
        let [to_next, to_posting, ..] = &mut numbers;
        (*to_next, *to_posting) = (next, posting);
        Self(numbers)
    }

    const fn next(&self) -> u32 {
        let [next, ..] = self.0;
        next
    }
}

/// A list, for [`Lists`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct List {
    first: [Posting; FIRST],
    /// The newest block, the only one that may not be full.
    newest: u32,
    /// How many numbers there are, here and in the blocks. Kept here, so that adding one need not wait for the block.
    used: u32,
}

impl List {
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Whether there is one posting.
    #[inline]
    pub(crate) const fn is_single(&self) -> bool {
        self.used == 1
    }

    /// How many of so many numbers are in the newest block, or here if there is no block.
    #[inline]
    const fn in_newest(used: u32) -> usize {
        let used = used as usize;
        if used <= FIRST { used } else { (used - FIRST - 1) % BLOCK + 1 }
    }
}

/// The blocks of all lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists(Slab<Block>);

impl Lists {
    /// Adds a posting to a list.
    #[inline]
    pub(crate) fn push(&mut self, list: &mut List, posting: Posting) {
        if let Some(free) = list.first.get_mut(list.used as usize) {
            *free = posting;
            list.used += 1;
        } else {
            self.push_behind(list, posting);
        }
    }

    /// The same where the list has no room of its own left.
    #[inline(never)]
    fn push_behind(&mut self, list: &mut List, posting: Posting) {
        let place = (list.used as usize - FIRST) % BLOCK;
        if place == 0 {
            list.newest = self.0.add(Block::new(list.newest, posting));
            list.used += 1;
        } else if let Some(Block(numbers)) = self.0.get_mut(list.newest) {
            numbers[place] = posting;
        }
        list.used += 1;
    }

    /// Takes out the newest posting, if there is one.
    fn pop(&mut self, list: &mut List) -> Option<Posting> {
        let last = List::in_newest(list.used).checked_sub(1)?;
        let is_here = list.used as usize <= FIRST;
        list.used -= 1;
        if is_here {
            return list.first.get(last).copied();
        }
        let block = self.0.get(list.newest)?;
        let (posting, next) = (block.0[last], block.next());
        if last == 1 {
            // Nothing is left there but where to go on.
            list.used -= 1;
            self.0.free(list.newest);
            list.newest = next;
        }
        Some(posting)
    }

    /// Takes some postings out of a list.
    pub(crate) fn remove(&mut self, list: &mut List, which: impl Fn(Posting) -> bool) {
        // A block, and how many numbers there are from it on.
        let (mut at, mut left) = (list.newest, list.used);
        while left > 0 {
            let (is_here, len) = (left as usize <= FIRST, List::in_newest(left));
            let mut next = at;
            let hole = if is_here {
                (0..len).find(|place| which(list.first[*place]))
            } else {
                let Some(block) = self.0.get(at) else { return };
                next = block.next();
                (1..len).find(|place| which(block.0[*place]))
            };
            let Some(hole) = hole else {
                (at, left) = (next, left - len as u32);
                continue;
            };
            let is_newest = left == list.used;
            // The newest takes its place.
            let Some(newest) = self.pop(list) else { return };
            if is_here {
                list.first[hole] = newest;
            } else if let Some(Block(numbers)) = self.0.get_mut(at) {
                numbers[hole] = newest;
            }
            if is_newest {
                (at, left) = (list.newest, list.used);
            }
        }
    }

    /// The postings of a list, in pieces.
    #[inline]
    pub(crate) fn pieces<'l>(&'l self, list: &'l List) -> Pieces<'l> {
        Pieces { lists: self, list, next: list.newest, left: list.used }
    }

    /// Whether no list has a block.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
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
        let len = List::in_newest(self.left);
        if self.left as usize <= FIRST {
            self.left = 0;
            return if len == 0 { None } else { self.list.first.get(..len) };
        }
        let block = self.lists.0.get(self.next)?;
        (self.next, self.left) = (block.next(), self.left - len as u32);
        block.0.get(1..len)
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
        assert!(longest > FIRST + 3 * BLOCK, "{longest}");
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
