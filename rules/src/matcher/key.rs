//! The keys of terms: words of texts, names, pieces of strings, and what identifies a condition.
//!
//! A key of up to fourteen bytes is one number, with its length and its kind in the two bytes behind them, and is hashed
//! as two halves of it. Nearly all keys are that short, and compared as numbers too, with no loop over their bytes.

use super::view::Domain;

/// What a key is a key of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// A token or a whole string of a domain.
    Text(Domain),
    /// Some bytes of what is searched in the strings of a domain.
    Gram(Domain),
    /// The identity of a condition, which is evaluated when a rule needs it.
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

/// What the two halves of a short key are mixed with: half of the bits set, no pattern in them, and no bytes of a text,
/// which would make nothing of a half.
const SEEDS: [u64; 2] = [0xD6E8_FEB8_6659_FD93, 0x9E37_79B9_7F4A_7C15];

/// Mixes two numbers: each bit of their product, which is twice as long, depends on most bits of both.
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

/// The bytes that are read as one number.
const HEAD: usize = 16;

/// By length, the bytes of a short key.
const MASKS: [u128; Key::SHORT + 1] = {
    let (mut masks, mut length) = ([0; Key::SHORT + 1], 1);
    while length < masks.len() {
        masks[length] = masks[length - 1] << 8 | 0xff;
        length += 1;
    }
    masks
};

/// What is read of a key before it is looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hashed {
    /// Never 0.
    pub(crate) hash: u32,
    pub(crate) key: Key,
}

/// How many bytes [`Hashed::within`] reads from the beginning of a key on.
pub(crate) const HASH_BEHIND: usize = HEAD;

impl Hashed {
    /// Reads a key.
    pub(crate) fn new(kind: KeyKind, key: &[u8]) -> Self {
        if key.len() <= Key::SHORT {
            let mut head = [0; HEAD];
            head.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
            return Self::short(kind, u128::from_le_bytes(head), key.len());
        }
        Self { hash: hash_long(kind, key), key: Key::long(kind) }
    }

    /// Reads the key that stands in `bytes` from `start` to `end`, where they go on to [`HASH_BEHIND`] bytes from its start.
    #[inline]
    pub(crate) fn within(kind: KeyKind, bytes: &[u8], start: usize, end: usize) -> Self {
        debug_assert!(start + HEAD <= bytes.len(), "a key would be taken for zeros");
        let head = bytes.get(start..start + HEAD).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        match MASKS.get(end - start) {
            // No branch on the length here: the next word may have any.
            Some(mask) => Self::short(kind, u128::from_le_bytes(head) & mask, end - start),
            None => Self { hash: hash_long(kind, &bytes[start..end]), key: Key::long(kind) },
        }
    }

    /// A short key, with zeros behind its bytes.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the halves")]
    fn short(kind: KeyKind, bytes: u128, length: usize) -> Self {
        let key =
            bytes | (length as u128) << (8 * Key::LENGTH) | u128::from(kind.number()) << (8 * Key::KIND);
        let hash = finish(mix(key as u64 ^ SEEDS[0], (key >> 64) as u64 ^ SEEDS[1]));
        Self { hash, key: Key(key.to_le_bytes()) }
    }
}

/// The hash of a key that is not short. Only that: a whole [`Hashed`] would be passed in memory, and then those of short
/// keys too.
#[inline(never)]
fn hash_long(kind: KeyKind, key: &[u8]) -> u32 {
    // What is added keeps a text that happens to cancel what was mixed so far from cancelling what follows.
    let take =
        |hash: u64, word: &[u8; 8]| mix(hash ^ u64::from_le_bytes(*word), SEEDS[1]).wrapping_add(SEEDS[0]);
    let (mut hash, mut rest) = ((key.len() as u64) << 8 | u64::from(kind.number()), key);
    while let Some((word, behind)) = rest.split_first_chunk() {
        (hash, rest) = (take(hash, word), behind);
    }
    // The last eight bytes, some of them again.
    finish(key.last_chunk().map_or(hash, |word| take(hash, word)))
}

/// A key as a term has it: whole if it is short. The bytes of a long one are kept elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key([u8; HEAD]);

impl Key {
    const SHORT: usize = HEAD - 2;
    const LENGTH: usize = HEAD - 2;
    const KIND: usize = HEAD - 1;
    /// In place of a length.
    const LONG: u8 = u8::MAX;

    /// Returns what stands for a long key.
    const fn long(kind: KeyKind) -> Self {
        let mut key = [0; HEAD];
        (key[Self::LENGTH], key[Self::KIND]) = (Self::LONG, kind.number());
        Self(key)
    }

    /// Returns what it is a key of.
    pub(crate) fn kind(self) -> KeyKind {
        let number = self.0[Self::KIND];
        match number {
            CONDITION.. => KeyKind::Condition,
            GRAM.. => KeyKind::Gram(Domain::ALL[usize::from(number - GRAM)]),
            _ => KeyKind::Text(Domain::ALL[usize::from(number)]),
        }
    }

    /// Returns true if it identifies a condition.
    #[inline]
    pub(crate) const fn is_condition(self) -> bool {
        self.0[Self::KIND] >= CONDITION
    }

    /// Returns true if its bytes are kept elsewhere.
    #[inline]
    pub(crate) const fn is_long(self) -> bool {
        self.0[Self::LENGTH] == Self::LONG
    }

    /// Returns the bytes of a short one.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0[..usize::from(self.0[Self::LENGTH])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_depend_on_the_kind_and_not_on_what_surrounds_the_key() {
        let hash = |kind, key: &[u8]| Hashed::new(kind, key).hash;
        let (words, gram) = (KeyKind::Text(Domain::Words), KeyKind::Gram(Domain::Words));
        assert_ne!(hash(words, b"gull"), hash(gram, b"gull"));
        assert_ne!(hash(words, b"gullgull"), hash(words, b"gullgullx"));
        let bytes = [[b'.'; 4].as_slice(), b"a long word of a long text", &[b'.'; HASH_BEHIND]].concat();
        for length in 0..=26 {
            let (within, alone) =
                (Hashed::within(words, &bytes, 4, 4 + length), Hashed::new(words, &bytes[4..4 + length]));
            assert_eq!((within.hash, within.key), (alone.hash, alone.key), "{length}");
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
