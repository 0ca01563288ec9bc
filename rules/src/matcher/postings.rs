//! Lists of postings: who is to be looked at when a term is found.
//!
//! All lists of a set lie in one vector, in blocks of a cache line, each a chain from its newest block to its oldest.
//! So a list that grows is never copied, and one that is gone through costs a line for fourteen postings.
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

/// No block, and no start.
const END: u32 = u32::MAX;

const POSTINGS: usize = 14;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Block {
    postings: [Posting; POSTINGS],
    /// How many of them count.
    len: u32,
    /// The next block, full, or `END`.
    next: u32,
}

const _: () = assert!(size_of::<Block>() == 64, "what is said of it above");

impl Block {
    fn new(posting: Posting, next: u32) -> Self {
        let mut postings = [0; POSTINGS];
        let [first, ..] = &mut postings;
        *first = posting;
        Self { postings, len: 1, next }
    }

    fn postings(&self) -> &[Posting] {
        self.postings.get(..self.len as usize).unwrap_or_default()
    }
}

/// See the [module](self). A list is known by its newest block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists(Slab<Block>);

impl Lists {
    /// A list of one posting.
    pub(crate) fn begin(&mut self, posting: Posting) -> u32 {
        self.0.add(Block::new(posting, END))
    }

    /// The list with one more posting.
    pub(crate) fn push(&mut self, list: u32, posting: Posting) -> u32 {
        let Some(block) = self.0.get_mut(list) else { return list };
        if let Some(free) = block.postings.get_mut(block.len as usize) {
            *free = posting;
            block.len += 1;
            return list;
        }
        self.0.add(Block::new(posting, list))
    }

    /// The list without some postings, or `None` if nothing is left.
    pub(crate) fn without(&mut self, mut list: u32, which: impl Fn(Posting) -> bool) -> Option<u32> {
        let mut at = list;
        while let Some(block) = self.0.get(at) {
            let Some(place) = block.postings().iter().position(|posting| which(*posting)) else {
                at = block.next;
                continue;
            };
            // The newest takes its place.
            let Some(newest) = self.0.get_mut(list) else { break };
            newest.len -= 1;
            let (last, len, next) =
                (newest.postings.get(newest.len as usize).copied(), newest.len, newest.next);
            if let (Some(hole), Some(last)) =
                (self.0.get_mut(at).and_then(|block| block.postings.get_mut(place)), last)
            {
                *hole = last;
            }
            if len == 0 {
                self.0.free(list);
                if at == list {
                    at = next;
                }
                list = next;
            }
        }
        (list != END).then_some(list)
    }

    /// The only posting of a list, which is given up; `None`: it has several, and stays.
    pub(crate) fn take_only(&mut self, list: u32) -> Option<Posting> {
        match self.0.get(list) {
            Some(Block { postings: [only, ..], len: 1, next: END }) => {
                let only = *only;
                self.0.free(list);
                Some(only)
            }
            _ => None,
        }
    }

    /// The postings of a list, in pieces.
    #[inline]
    pub(crate) fn pieces(&self, list: u32) -> Pieces<'_> {
        Pieces { lists: self, next: list }
    }

    /// How many postings the newest block of a list has.
    pub(crate) fn newest_len(&self, list: u32) -> u32 {
        self.0.get(list).map_or(0, |block| block.len)
    }

    /// Whether there is no list.
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
    next: u32,
}

impl<'l> Iterator for Pieces<'l> {
    type Item = &'l [Posting];

    #[inline]
    fn next(&mut self) -> Option<&'l [Posting]> {
        let block = self.lists.0.get(self.next)?;
        self.next = block.next;
        Some(block.postings())
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
        let mut known: Vec<Option<u32>> = vec![None; 8];
        for step in 0..20_000_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (which, rule) = ((state >> 29) as usize, state >> 8 & 0xf);
            // Grows for a while, then shrinks.
            if step / 500 % 2 == 0 || state & 0x7000 == 0 {
                let posting = step << 4 | rule;
                vectors[which].push(posting);
                known[which] = Some(match known[which] {
                    Some(list) => lists.push(list, posting),
                    None => lists.begin(posting),
                });
            } else if let Some(list) = known[which] {
                vectors[which].retain(|posting: &Posting| posting & 0xf != rule);
                known[which] = lists.without(list, |posting| posting & 0xf == rule);
                if let (Some(only), [_]) = (known[which], &*vectors[which]) {
                    assert_eq!(lists.take_only(only), vectors[which].pop());
                    known[which] = None;
                }
            }
            let mut held: Vec<_> =
                known[which].iter().flat_map(|list| lists.pieces(*list)).flatten().copied().collect();
            held.sort_unstable();
            assert_eq!(held, vectors[which]);
        }
        for (which, list) in known.iter().enumerate() {
            let rest = list.and_then(|list| lists.without(list, |_| true));
            assert_eq!(rest, None, "{which}");
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
