//! What has to be searched in a Post: the strings and pieces of strings that some anchor term is made of.

use super::key::{Key, KeyKind};
use super::view::Domain;

/// The longest piece of a substring that is indexed.
const GRAM_MAX: usize = 4;

/// The domains in which substrings are searched. All of their strings are among those of [`Domain::Words`].
const GRAM_DOMAINS: [Domain; 3] = [Domain::Words, Domain::OwnTexts, Domain::AllLinks];

const DOMAINS: usize = Domain::ALL.len();
const SEARCHES: usize = DOMAINS + GRAM_DOMAINS.len() * GRAM_MAX;

/// A count and a bit for each search: first the domains, then the pieces by domain and length.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The number of anchor terms that need the search.
    counts: [u32; SEARCHES],
    /// Whether there is one.
    bits: u64,
}

const _: () = assert!(SEARCHES <= u64::BITS as usize, "each search has a bit");

impl Default for Wanted {
    fn default() -> Self {
        Self { counts: [0; SEARCHES], bits: 0 }
    }
}

impl Wanted {
    /// Counts an anchor term.
    pub(crate) fn add(&mut self, key: Key) {
        if let Some(search) = search(key) {
            self.counts[search] += 1;
            self.bits |= 1 << search;
        }
    }

    /// Counts an anchor term no longer.
    pub(crate) fn remove(&mut self, key: Key) {
        if let Some(search) = search(key) {
            self.counts[search] -= 1;
            if self.counts[search] == 0 {
                self.bits &= !(1 << search);
            }
        }
    }

    #[cfg(test)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.bits == 0
    }

    /// Returns the domains whose strings or tokens are searched.
    #[inline]
    pub(crate) fn domains(&self) -> impl Iterator<Item = Domain> + use<> {
        ones(self.bits & ((1 << DOMAINS) - 1)).map(|search| Domain::ALL[search])
    }

    /// Returns the lengths of the pieces that are searched, and in which domains.
    #[inline]
    pub(crate) fn grams(&self) -> impl Iterator<Item = (Domain, usize)> + use<> {
        ones(self.bits >> DOMAINS).map(|gram| (GRAM_DOMAINS[gram / GRAM_MAX], gram % GRAM_MAX + 1))
    }
}

/// Returns the number of the search that finds a term, unless it is a condition.
fn search(key: Key) -> Option<usize> {
    match key.kind() {
        KeyKind::Text(domain) => Some(domain as usize),
        KeyKind::Gram(domain) => {
            let place = GRAM_DOMAINS.iter().position(|searched| *searched == domain);
            let place = place.unwrap_or_else(|| unreachable!("no substring is searched in {domain:?}"));
            Some(DOMAINS + place * GRAM_MAX + key.bytes().len() - 1)
        }
        KeyKind::Condition => None,
    }
}

/// Returns the places of the one bits.
fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let place = bits.trailing_zeros() as usize;
        (bits != 0).then(|| {
            bits &= bits - 1;
            place
        })
    })
}

/// Returns the rarest piece of a text, as far as its bytes show; none of an empty text.
pub(crate) fn rarest_gram(text: &[u8]) -> Option<&[u8]> {
    let length = text.len().min(GRAM_MAX);
    text.windows(length.max(1)).min_by_key(|gram| gram.iter().map(|byte| commonness(*byte)).sum::<u32>())
}

/// Returns how common a byte is in texts and links, roughly.
const fn commonness(byte: u8) -> u32 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'/' | b'.' | b':' => 9,
        b'r' | b'h' | b'l' | b'd' | b'c' | b'u' | b'p' | b'm' | b'w' => 6,
        b'j' | b'q' | b'x' | b'z' | b'k' | b'v' => 1,
        0x80.. => 5,
        _ => 3,
    }
}
