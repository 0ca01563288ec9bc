//! Tracks which searches a Post requires, so that matching reads only the strings that some anchor
//! term needs.

use super::key::{Key, KeyKind};
use super::view::Domain;

/// The maximum length in bytes of the piece of a substring that is indexed.
const GRAM_MAX: usize = 4;

/// The domains in which substrings are searched. [`Domain::Words`] contains all of their strings.
const GRAM_DOMAINS: [Domain; 3] = [Domain::Words, Domain::OwnTexts, Domain::AllLinks];

const DOMAINS: usize = Domain::ALL.len();
const SEARCHES: usize = DOMAINS + GRAM_DOMAINS.len() * GRAM_MAX;

/// A count and a bit for each search: first the domains, then the pieces by domain and length.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The number of anchor terms that need the search.
    counts: [u32; SEARCHES],
    /// The bit of a search is set if its count is not 0.
    bits: u64,
}

const _: () = assert!(SEARCHES <= u64::BITS as usize, "each search has a bit");

impl Default for Wanted {
    fn default() -> Self {
        Self { counts: [0; SEARCHES], bits: 0 }
    }
}

impl Wanted {
    /// Adds an anchor term.
    pub(crate) fn add(&mut self, key: Key) {
        if let Some(search) = search(key) {
            self.counts[search] += 1;
            self.bits |= 1 << search;
        }
    }

    /// Removes an anchor term.
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

    /// Returns the domains and lengths of the pieces that are searched.
    #[inline]
    pub(crate) fn grams(&self) -> impl Iterator<Item = (Domain, usize)> + use<> {
        ones(self.bits >> DOMAINS).map(|gram| (GRAM_DOMAINS[gram / GRAM_MAX], gram % GRAM_MAX + 1))
    }
}

/// Returns the number of the search that finds a term; `None` for a condition.
fn search(key: Key) -> Option<usize> {
    match key.kind() {
        KeyKind::Text(domain) => Some(domain as usize),
        KeyKind::Gram(domain) => {
            let place = GRAM_DOMAINS.iter().position(|searched| *searched == domain);
            let place = place.unwrap_or_else(|| unreachable!("substrings are not searched in {domain:?}"));
            Some(DOMAINS + place * GRAM_MAX + key.bytes().len() - 1)
        }
        KeyKind::Condition => None,
    }
}

/// Returns the positions of the set bits, ascending.
fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let place = bits.trailing_zeros() as usize;
        (bits != 0).then(|| {
            bits &= bits - 1;
            place
        })
    })
}

/// Returns the piece of a text that is probably rarest, judged by its bytes; `None` if the text is
/// empty.
pub(crate) fn rarest_gram(text: &[u8]) -> Option<&[u8]> {
    let length = text.len().min(GRAM_MAX);
    text.windows(length.max(1)).min_by_key(|gram| gram.iter().map(|byte| commonness(*byte)).sum::<u32>())
}

/// Returns a rough measure of how common a byte is in texts and links.
const fn commonness(byte: u8) -> u32 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'/' | b'.' | b':' => 9,
        b'r' | b'h' | b'l' | b'd' | b'c' | b'u' | b'p' | b'm' | b'w' => 6,
        b'j' | b'q' | b'x' | b'z' | b'k' | b'v' => 1,
        0x80.. => 5,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_piece_of_a_text_has_the_rarest_letters() {
        for (text, piece) in [
            ("", None),
            ("x", Some("x")),
            ("gull", Some("gull")),
            // Equally rare: the first.
            ("bbbbb", Some("bbbb")),
            // From very common bytes to the rarest.
            ("eeeerrrr", Some("rrrr")),
            ("rrrréé", Some("éé")),
            ("éébbbb", Some("bbbb")),
            ("bbbbzzzz", Some("zzzz")),
            ("https://example.org/jazz", Some("jazz")),
        ] {
            let found = rarest_gram(text.as_bytes());
            assert_eq!(found, piece.map(str::as_bytes), "of {text}");
        }
    }
}
