//! Splits a folded text into tokens.
//!
//! A token is a run of letters, marks, numbers and joiners (U+200D, U+FE0F). All other characters
//! of the basic plane separate tokens (X docs: "tokens are split on punctuation, symbols and white
//! space of the Basic Multilingual Plane").
//!
//! Characters beyond the basic plane separate nothing. However, a grapheme cluster with a
//! pictograph is a separate token. If such a cluster starts with a letter, as before a lone skin
//! tone, the letter stays with its word.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use super::key::HASH_BEHIND;
use crate::characters::is_word;

/// Returns true if a character is part of tokens.
pub(crate) fn builds(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric();
    }
    matches!(character, '\u{200d}' | '\u{fe0f}' | '\u{10000}'..)
        || is_plainly_word(character)
        || (!is_plainly_none(character) && is_word(character))
}

/// Returns true if a character is in one of the large ranges of letters, which need no table.
const fn is_plainly_word(character: char) -> bool {
    matches!(character,
        '\u{df}'..='\u{f6}' | '\u{f8}'..='\u{2c1}' | '\u{400}'..='\u{481}' | '\u{3041}'..='\u{3096}'
        | '\u{30a1}'..='\u{30fa}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// Returns true if a character is common punctuation, which needs no table.
const fn is_plainly_none(character: char) -> bool {
    matches!(character, '\u{80}'..='\u{a9}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{3004}')
}

/// The length of every pictograph in UTF-8, in bytes.
const PICTOGRAPH_BYTES: usize = 4;

/// Returns true if a character makes its grapheme cluster a token.
pub(crate) const fn is_pictograph(character: char) -> bool {
    matches!(character, '\u{1f000}'..='\u{1faff}')
}

/// A token: its position in the folded text, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// True if the token is a cluster with a pictograph.
    pub(crate) emoji: bool,
}

impl Token {
    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// The zeros that follow a text, so that its last word can be read sixteen bytes at a time.
pub(crate) const PADDING: &str = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const _: () = assert!(PADDING.len() >= HASH_BEHIND);

/// Finds the tokens of the folded text `padded[start..end]`, and appends them. The text must be
/// between ASCII characters and be followed by [`PADDING`].
pub(crate) fn split_padded_into(padded: &str, start: usize, end: usize, out: &mut Vec<Token>) {
    let first = out.len();
    if !split_plain_into(padded, start, end, out) {
        out.truncate(first);
        split_into(padded.get(start..end).unwrap_or_default(), position(0, start), out);
    }
}

/// Splits a text in which every pictograph is a whole cluster. Returns false if one is not; then
/// the caller must discard the appended tokens.
///
/// Eight bytes are classified at a time, and the work for a token depends only on its two ends.
/// There are therefore few branches for single bytes.
fn split_plain_into(padded: &str, start: usize, end: usize, out: &mut Vec<Token>) -> bool {
    // Whether the previous byte is part of a token, and where that token starts. Also the remaining
    // bits of a character that continues in the next block.
    let (mut inside, mut open, mut rest) = (0, start, 0);
    let mut at = start;
    while at <= end {
        // One bit for each of 64 bytes: is it part of a token, and does a non-ASCII character start
        // there?
        let (mut builds, mut leads): (u64, u64) = (rest, 0);
        let (block, mut shift) = (at, 0);
        while shift < 64 && at <= end {
            let Some(word) = padded.as_bytes().get(at..).and_then(|rest| rest.first_chunk()) else { break };
            let word = u64::from_le_bytes(*word);
            builds |= letters_and_digits(word) << shift;
            leads |= gathered(word & (word << 1)) << shift;
            shift += 8;
            at += 8;
        }
        if shift == 0 {
            break;
        }
        let mut pictographs: u64 = 0;
        rest = 0;
        while leads != 0 {
            let bit = leads.trailing_zeros();
            leads &= leads - 1;
            let place = block + bit as usize;
            let Some(character) = padded.get(place..).and_then(|rest| rest.chars().next()) else { break };
            let length = character.len_utf8();
            if is_pictograph(character) {
                if !stands_alone(padded, place, place + length, character) {
                    return false;
                }
                pictographs |= 1 << bit;
            } else if self::builds(character) {
                let wide = ((1_u128 << length) - 1) << bit;
                builds |= low(wide);
                rest |= low(wide >> 64);
            }
        }
        // Where that changes, tokens start and end alternately. The last block ends with padding.
        let edges = builds ^ (builds << 1 | inside);
        inside = builds >> (shift - 1) & 1;
        let mut marks = edges | pictographs;
        while marks != 0 {
            let bit = marks.trailing_zeros();
            marks &= marks - 1;
            let place = block + bit as usize;
            if edges >> bit & 1 == 1 {
                if builds >> bit & 1 == 1 {
                    open = place;
                } else {
                    push(out, 0, open, place, false);
                }
            }
            if pictographs >> bit & 1 == 1 {
                push(out, 0, place, place + PICTOGRAPH_BYTES, true);
            }
        }
    }
    true
}

#[allow(clippy::cast_possible_truncation, reason = "the lower half")]
const fn low(wide: u128) -> u64 {
    wide as u64
}

const HIGH: u64 = 0x8080_8080_8080_8080;

/// Returns a bit for each of eight folded bytes that is an ASCII letter or a digit. The first byte
/// has the lowest bit.
#[inline]
const fn letters_and_digits(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The bytes are below 0x80, so no sum carries into the next one. The high bit is the
    // comparison.
    const fn within(word: u64, low: u8, high: u8) -> u64 {
        (word + (0x80 - low as u64) * ONES) & !(word + (0x7f - high as u64) * ONES)
    }
    let ascii = word & !HIGH;
    gathered((within(ascii, b'0', b'9') | within(ascii, b'a', b'z')) & !word)
}

/// Gathers the high bits of eight bytes in the lowest byte.
#[inline]
const fn gathered(word: u64) -> u64 {
    ((word & HIGH) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Finds the tokens of a folded text that starts at `base` in a longer one, and appends them.
pub(crate) fn split_into(text: &str, base: u32, out: &mut Vec<Token>) {
    let first = out.len();
    let mut open: Option<usize> = None;
    let mut after = 0;
    while let Some(byte) = text.as_bytes().get(after).copied() {
        let at = after;
        after += 1;
        if byte.is_ascii() {
            if byte.is_ascii_alphanumeric() {
                open.get_or_insert(at);
            } else if let Some(word) = open.take() {
                push(out, base, word, at, false);
            }
            continue;
        }
        let Some(character) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
        after = at + character.len_utf8();
        if is_pictograph(character) {
            if stands_alone(text, at, after, character) {
                if let Some(word) = open.take() {
                    push(out, base, word, at, false);
                }
                push(out, base, at, after, true);
                continue;
            }
            let start = cluster_start(text, at);
            // A word that started inside the cluster is part of the cluster.
            let word = open.take().filter(|&word| word < start);
            truncate(out, first, base, start);
            if let Some(word) = word {
                push(out, base, word, start, false);
            }
            after = at + cluster_rest(text, start, at);
            push(out, base, start, after, true);
        } else if builds(character) {
            open.get_or_insert(at);
        } else if let Some(word) = open.take() {
            push(out, base, word, at, false);
        }
    }
    if let Some(word) = open {
        push(out, base, word, text.len(), false);
    }
}

/// Returns true if a pictograph is certainly a whole cluster: it does not join, and its neighbors
/// are ASCII.
fn stands_alone(text: &str, at: usize, after: usize, character: char) -> bool {
    let is_ascii =
        |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_none_or(|byte| byte.is_ascii());
    // Neither half of a flag nor a skin tone.
    !matches!(character, '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f3fb}'..='\u{1f3ff}')
        && is_ascii(at.checked_sub(1))
        && is_ascii(Some(after))
}

/// Returns where the cluster starts that includes the character at `at`.
fn cluster_start(text: &str, at: usize) -> usize {
    let mut cursor = GraphemeCursor::new(at, text.len(), true);
    if cursor.is_boundary(text, 0).unwrap_or(true) {
        return at;
    }
    let start = cursor.prev_boundary(text, 0).ok().flatten().unwrap_or(at);
    let base = text.get(start..).and_then(|cluster| cluster.chars().next());
    if base.is_some_and(|base| builds(base) && !is_pictograph(base)) { at } else { start }
}

/// Returns how far the cluster that starts at `start` extends after `at`.
fn cluster_rest(text: &str, start: usize, at: usize) -> usize {
    let cluster = text.get(start..).and_then(|rest| rest.graphemes(true).next()).unwrap_or_default();
    (start + cluster.len()).saturating_sub(at).max(1)
}

/// Removes the tokens after `start`. No token spans `start`.
fn truncate(out: &mut Vec<Token>, first: usize, base: u32, start: usize) {
    while out.len() > first && out.last().is_some_and(|last| (last.end - base) as usize > start) {
        out.pop();
    }
}

#[allow(clippy::cast_possible_truncation, reason = "texts are cut before they are 4 GiB long")]
const fn position(base: u32, at: usize) -> u32 {
    base + at as u32
}

fn push(out: &mut Vec<Token>, base: u32, start: usize, end: usize, emoji: bool) {
    out.push(Token { start: position(base, start), end: position(base, end), emoji });
}

/// Returns the tokens of a folded text.
pub(crate) fn split(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    split_into(text, 0, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<&str> {
        split(text).into_iter().map(|token| token.of(text)).collect()
    }

    #[test]
    fn punctuation_divides_and_letters_marks_and_numbers_join() {
        for (text, want) in [
            ("#gull-watch", &["gull", "watch"][..]),
            ("acme's", &["acme", "s"]),
            ("@sea_side", &["sea", "side"]),
            ("new.pics", &["new", "pics"]),
            ("gull2015", &["gull2015"]),
            ("señal sen\u{303}al", &["señal", "sen\u{303}al"]),
            ("日本、東京", &["日本", "東京"]),
            ("a\u{200d}b c\u{fe0f}d", &["a\u{200d}b", "c\u{fe0f}d"]),
            ("a\u{200c}b", &["a", "b"]),
            ("x\u{2019}y\u{a0}z", &["x", "y", "z"]),
            ("𝒳𝒴 𐄀a", &["𝒳𝒴", "𐄀a"]),
            (" .. ", &[]),
            ("", &[]),
        ] {
            assert_eq!(tokens(text), want, "{text:?}");
        }
    }

    #[test]
    fn fast_ranges_agree_with_the_unicode_tables() {
        for character in '\0'..=char::MAX {
            assert!(!is_plainly_none(character) || !is_word(character), "{character:?}");
            assert!(!is_plainly_word(character) || is_word(character), "{character:?}");
        }
        assert!("éы日한".chars().all(is_plainly_word) && "§—’。".chars().all(is_plainly_none));
        for character in '\u{1f000}'..='\u{1faff}' {
            let text = format!("a{character}b");
            let alone = stands_alone(&text, 1, 1 + character.len_utf8(), character);
            assert!(!alone || text.graphemes(true).count() == 3, "{character:?}");
        }
    }

    /// Compares both splitters at all positions in a block.
    #[test]
    fn blockwise_and_bytewise_splitting_agree() {
        const OTHERS: [&str; 14] =
            ["é", "ß", "—", "’", "日", "。", "한", "𝒳", "🍕", "👍🏽", "🇩🇪", "\u{200d}", "\u{fe0f}", "e\u{301}"];
        let mut state: u32 = 3;
        for round in 0..2_000_usize {
            let (length, others) = (round % 400, round / 400);
            let mut text = String::new();
            while text.len() < length {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let byte = (state >> 24) as u8 & 0x7f;
                match state >> 12 & 0xf {
                    0..=2 => text.push(char::from(byte).to_ascii_lowercase()),
                    // In the first round no characters, then plain ones, then all.
                    other if other < 3 + 2 * others as u32 => {
                        let known = if others < 4 { 9 } else { OTHERS.len() };
                        text.push_str(OTHERS[usize::from(byte) % known]);
                    }
                    _ => text.push('x'),
                }
            }
            let before = "..".repeat(length % 5);
            let padded = [&before, &*text, PADDING].concat();
            let mut tokens = Vec::new();
            split_padded_into(&padded, before.len(), before.len() + text.len(), &mut tokens);
            let mut want = Vec::new();
            split_into(&text, before.len() as u32, &mut want);
            assert_eq!(tokens, want, "{text:?}");
        }
        // Such texts need no search for clusters.
        let plain = "é 日。 🍕, gulls";
        assert!(split_plain_into(&[plain, PADDING].concat(), 0, plain.len(), &mut Vec::new()));
        for byte in 0..=u8::MAX {
            let want = u64::from(byte.is_ascii_digit() || byte.is_ascii_lowercase());
            assert_eq!(letters_and_digits(u64::from(byte) << 24), want << 3, "{byte}");
        }
    }

    #[test]
    fn a_cluster_with_a_pictograph_is_a_token() {
        for (text, want) in [
            ("a🍕b", &["a", "🍕", "b"][..]),
            ("🍕🍕", &["🍕", "🍕"]),
            ("x👩\u{200d}💻y", &["x", "👩\u{200d}💻", "y"]),
            ("👍🏽👍", &["👍🏽", "👍"]),
            ("🇩🇪🇫🇷", &["🇩🇪", "🇫🇷"]),
            ("🏳\u{fe0f}\u{200d}🌈", &["🏳\u{fe0f}\u{200d}🌈"]),
            ("un \u{2764}\u{fe0f}\u{200d}🔥 x", &["un", "\u{2764}\u{fe0f}\u{200d}🔥", "x"]),
            // A token that ended inside the cluster is part of it.
            ("x \u{2764}\u{fe0f}\u{200c}\u{200d}🔥", &["x", "\u{2764}\u{fe0f}\u{200c}\u{200d}🔥"]),
            ("ab🏽", &["ab", "🏽"]),
            ("ab\u{200c}🏽", &["ab", "🏽"]),
            ("\u{200d}🍕", &["\u{200d}", "🍕"]),
        ] {
            assert_eq!(tokens(text), want, "{text:?}");
        }
    }
}
