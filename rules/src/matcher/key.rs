//! The keys of terms: words, names, pieces of strings, and identities of conditions.
//!
//! A key of at most 14 bytes is stored as one 16-byte number together with its length and kind.
//! Such keys, which nearly all are, are hashed as two halves and compared as numbers, without a
//! loop over bytes.

use super::view::Domain;

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// A token or a whole string of a domain.
    Text(Domain),
    /// A piece of a substring that is searched in a domain.
    Gram(Domain),
    /// The identity of a condition.
    Condition,
}

const GRAM: u8 = 64;
const CONDITION: u8 = 128;

impl KeyKind {
    const fn number(self) -> u8 {
        match self {
            Self::Text(domain) => domain as u8,
            Self::Gram(domain) => GRAM + domain as u8,
            Self::Condition => CONDITION,
        }
    }
}

/// The numbers that the halves of a short key are mixed with. Half of their bits are set, without a
/// pattern. They also differ from all bytes of text, because a half equal to its seed would hash to
/// 0.
const SEEDS: [u64; 2] = [0xD6E8_FEB8_6659_FD93, 0x9E37_79B9_7F4A_7C15];

/// Mixes two numbers: folds their 128-bit product, in which each bit depends on most bits of both.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the halves")]
const fn mix(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the upper half, which is mixed best")]
const fn finish(hash: u64) -> u32 {
    (hash >> 32) as u32 | 1
}

/// The number of bytes that are read as one number.
const HEAD: usize = 16;

/// Masks for the bytes of a short key, indexed by its length.
const MASKS: [u128; Key::SHORT + 1] = {
    let (mut masks, mut length) = ([0; Key::SHORT + 1], 1);
    while length < masks.len() {
        masks[length] = masks[length - 1] << 8 | 0xff;
        length += 1;
    }
    masks
};

/// A key and its hash, ready for a lookup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hashed {
    /// Never 0.
    pub(crate) hash: u32,
    pub(crate) key: Key,
}

/// The number of bytes that [`Hashed::within`] reads from the start of a key.
pub(crate) const HASH_BEHIND: usize = HEAD;

impl Hashed {
    /// Hashes a key.
    pub(crate) fn new(kind: KeyKind, key: &[u8]) -> Self {
        if key.len() <= Key::SHORT {
            let mut head = [0; HEAD];
            head.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
            return Self::short(kind, u128::from_le_bytes(head), key.len());
        }
        Self { hash: hash_long(kind, key), key: Key::long(kind) }
    }

    /// Hashes the key `bytes[start..end]`. `bytes` must extend at least [`HASH_BEHIND`] bytes from
    /// `start`.
    #[inline]
    pub(crate) fn within(kind: KeyKind, bytes: &[u8], start: usize, end: usize) -> Self {
        debug_assert!(start + HEAD <= bytes.len(), "the bytes must extend beyond the key");
        let head = bytes.get(start..start + HEAD).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        match MASKS.get(end - start) {
            // No branch on the length: lengths of words are unpredictable.
            Some(mask) => Self::short(kind, u128::from_le_bytes(head) & mask, end - start),
            None => Self { hash: hash_long(kind, &bytes[start..end]), key: Key::long(kind) },
        }
    }

    /// Hashes a short key, whose unused bytes are 0.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the halves")]
    fn short(kind: KeyKind, bytes: u128, length: usize) -> Self {
        let key =
            bytes | (length as u128) << (8 * Key::LENGTH) | u128::from(kind.number()) << (8 * Key::KIND);
        let hash = finish(mix(key as u64 ^ SEEDS[0], (key >> 64) as u64 ^ SEEDS[1]));
        Self { hash, key: Key(key.to_le_bytes()) }
    }
}

/// Returns the hash of a long key. It returns only the hash because a whole [`Hashed`] would be
/// returned in memory, which would slow down short keys too.
#[inline(never)]
fn hash_long(kind: KeyKind, key: &[u8]) -> u32 {
    // Without the addition, a word equal to the current hash would reset the hash to zero.
    let take =
        |hash: u64, word: &[u8; 8]| mix(hash ^ u64::from_le_bytes(*word), SEEDS[1]).wrapping_add(SEEDS[0]);
    let (mut hash, mut rest) = ((key.len() as u64) << 8 | u64::from(kind.number()), key);
    while let Some((word, behind)) = rest.split_first_chunk() {
        (hash, rest) = (take(hash, word), behind);
    }
    // The last eight bytes, which may overlap the previous word.
    finish(key.last_chunk().map_or(hash, |word| take(hash, word)))
}

/// The stored form of a key. A short key is stored whole; the bytes of a long one are stored
/// elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key([u8; HEAD]);

impl Key {
    const SHORT: usize = HEAD - 2;
    const LENGTH: usize = HEAD - 2;
    const KIND: usize = HEAD - 1;
    /// The length byte of a long key.
    const LONG: u8 = u8::MAX;

    /// Creates the stored form of a long key.
    const fn long(kind: KeyKind) -> Self {
        let mut key = [0; HEAD];
        (key[Self::LENGTH], key[Self::KIND]) = (Self::LONG, kind.number());
        Self(key)
    }

    /// Returns the kind of the key.
    pub(crate) fn kind(self) -> KeyKind {
        let number = self.0[Self::KIND];
        match number {
            CONDITION.. => KeyKind::Condition,
            GRAM.. => KeyKind::Gram(Domain::ALL[usize::from(number - GRAM)]),
            _ => KeyKind::Text(Domain::ALL[usize::from(number)]),
        }
    }

    /// Returns true if this is the identity of a condition.
    #[inline]
    pub(crate) const fn is_condition(self) -> bool {
        self.0[Self::KIND] >= CONDITION
    }

    /// Returns true if the key is long, so that its bytes are stored elsewhere.
    #[inline]
    pub(crate) const fn is_long(self) -> bool {
        self.0[Self::LENGTH] == Self::LONG
    }

    /// Returns the bytes of a short key.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0[..usize::from(self.0[Self::LENGTH])]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn hashes_depend_on_the_kind_and_not_on_what_surrounds_the_key() {
        let hash = |kind, key: &[u8]| Hashed::new(kind, key).hash;
        let (words, gram) = (KeyKind::Text(Domain::Words), KeyKind::Gram(Domain::Words));
        assert_ne!(hash(words, b"gull"), hash(gram, b"gull"));
        assert_ne!(hash(words, b"gullgull"), hash(words, b"gullgullx"));
        assert_ne!(hash(words, &[b'x'; 16]), hash(words, &[b'x'; 17]));
        assert_ne!(hash(words, &[b'x'; 16]), hash(gram, &[b'x'; 16]));
        let bytes = [[b'.'; 4].as_slice(), b"a long word of a long text", &[b'.'; HASH_BEHIND]].concat();
        for length in 0..=26 {
            let (within, alone) =
                (Hashed::within(words, &bytes, 4, 4 + length), Hashed::new(words, &bytes[4..4 + length]));
            assert_eq!((within.hash, within.key), (alone.hash, alone.key), "{length}");
        }
    }

    #[test]
    fn similar_keys_have_different_odd_hashes() {
        for prefix in ["", "8 bytes:", "a word that is stored elsewhere "] {
            let key = |number| format!("{prefix}{number}");
            let hashes =
                (0..10_000).map(|number| Hashed::new(KeyKind::Condition, key(number).as_bytes()).hash);
            let hashes: BTreeSet<u32> = hashes.collect();
            // 10,000 random hashes of 31 bits collide with a probability of 2.3 %.
            assert!(hashes.len() >= 9_998, "{prefix} {}", hashes.len());
            assert!(hashes.iter().all(|hash| hash % 2 == 1));
            // The table places keys by the upper bits. Random hashes would use 9,273 places.
            let places: BTreeSet<u32> = hashes.iter().map(|hash| hash >> 16).collect();
            assert!(places.len() > 8_500, "{prefix} {}", places.len());
        }
    }

    #[test]
    fn a_short_key_returns_its_kind_and_bytes() {
        for kind in Domain::ALL.into_iter().flat_map(|domain| [KeyKind::Text(domain), KeyKind::Gram(domain)])
        {
            for length in 0..=Key::SHORT {
                let bytes = &b"gull\0\xff terns!!"[..length];
                let key = Hashed::new(kind, bytes).key;
                assert_eq!((key.kind(), key.bytes(), key.is_long()), (kind, bytes, false));
            }
        }
        let hashed = Hashed::new(KeyKind::Condition, &b"the word of a condition"[..=Key::SHORT]);
        assert!(hashed.key.is_long());
        let key = hashed.key;
        assert_eq!((key.kind(), key.is_condition()), (KeyKind::Condition, true));
    }
}
