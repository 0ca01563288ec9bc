//! Normalizes texts for comparison: NFC, then simple case folding.
//!
//! Accents, width, ligatures and scripts stay significant. Only letter case and composition are
//! ignored. Most texts are ASCII, and most other texts need no composing. A check of character
//! ranges detects this without the Unicode tables.

use unicode_case_mapping::case_folded;
use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Appends `text`, composed and folded.
pub(crate) fn fold_into(text: &str, out: &mut String) {
    let start = out.len();
    if !push_composed(text, out) {
        out.truncate(start);
        if is_nfc_quick(text.chars()) == IsNormalized::Yes {
            out.extend(text.chars().map(fold));
        } else {
            out.extend(text.nfc().map(fold));
        }
    }
}

fn push_ascii(text: &str, out: &mut String) {
    let start = out.len();
    out.push_str(text);
    if let Some(added) = out.get_mut(start..) {
        added.make_ascii_lowercase();
    }
}

/// Appends a text whose characters all [need no composing](needs_no_composing). Returns false if
/// one needs composing; then only a part of the text was appended.
///
/// Most characters fold to themselves. The text is therefore copied in pieces, each up to the next
/// character that changes.
fn push_composed(text: &str, out: &mut String) -> bool {
    let start = out.len();
    push_ascii(text, out);
    let mut at = 0;
    while let Some(next) = next_beyond_ascii(text.as_bytes(), at) {
        let rest = text.get(next..).unwrap_or_default();
        let Some(character) = rest.chars().next() else { break };
        if !needs_no_composing(character) {
            return false;
        }
        let folded = fold(character);
        if folded != character {
            out.truncate(start + next);
            for character in rest.chars() {
                if !needs_no_composing(character) {
                    return false;
                }
                out.push(fold(character));
            }
            return true;
        }
        at = next + character.len_utf8();
    }
    true
}

/// Returns the position of the first non-ASCII byte at or after `at`.
#[inline]
fn next_beyond_ascii(bytes: &[u8], mut at: usize) -> Option<usize> {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let high = u64::from_le_bytes(*block) & HIGH;
        if high != 0 {
            return Some(at + (high.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(|byte| !byte.is_ascii()).map(|place| at + place)
}

/// Returns `text`, composed and folded.
pub(crate) fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold_into(text, &mut out);
    out
}

/// Returns true if a character is in a range that needs no composing. The characters of such a
/// range do not change in NFC, and do not compose with the preceding character (UAX #15, quick
/// check).
const fn needs_no_composing(character: char) -> bool {
    matches!(character,
        '\0'..='\u{2ff}'
        | '\u{400}'..='\u{482}'
        | '\u{48a}'..='\u{590}'
        | '\u{200b}'..='\u{2027}'
        | '\u{3001}'..='\u{3029}'
        | '\u{3041}'..='\u{3098}'
        | '\u{309b}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{fe0f}'
        | '\u{ff01}'..='\u{ffee}'
        | '\u{1f000}'..='\u{1faff}')
}

/// Folds one character.
fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    if is_folded(character) {
        return character;
    }
    case_folded(character).and_then(|folded| char::from_u32(folded.get())).unwrap_or(character)
}

/// Returns true if a character is in one of the large ranges that are already folded or have no
/// case.
const fn is_folded(character: char) -> bool {
    matches!(character,
        '\u{df}'..='\u{ff}'
        | '\u{430}'..='\u{45f}'
        | '\u{590}'..='\u{109f}'
        | '\u{2000}'..='\u{2125}'
        | '\u{2e00}'..='\u{a63f}'
        | '\u{ac00}'..='\u{faff}'
        | '\u{fe00}'..='\u{feff}'
        | '\u{1f000}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}')
}

/// Returns `text` composed and folded, and for each byte the index of its character in `text`.
///
/// Characters that are composed count as the first of them. A last entry marks the end.
pub(crate) fn folded_with_origins(text: &str) -> (String, Vec<usize>) {
    let (mut out, mut origins) = (String::new(), Vec::new());
    let mut piece = String::new();
    let mut first = 0;
    let mut flush = |piece: &mut String, first: usize| {
        fold_into(piece, &mut out);
        origins.resize(out.len(), first);
        piece.clear();
    };
    let mut count = 0;
    for character in text.chars() {
        let starts = canonical_combining_class(character) == 0
            && is_nfc_quick(core::iter::once(character)) == IsNormalized::Yes;
        if starts {
            flush(&mut piece, first);
            first = count;
        }
        piece.push(character);
        count += 1;
    }
    flush(&mut piece, first);
    origins.push(count);
    (out, origins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_case_and_composition_are_ignored() {
        for (a, b) in [
            ("GULL", "gull"),
            ("SEN\u{303}AL", "señal"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("\u{212b}", "å"),
            ("ẞ", "ß"),
            ("\u{1100}\u{1161}\u{11a8}", "각"),
            ("\u{13a0}", "\u{ab70}"),
        ] {
            assert_eq!(folded(a), folded(b), "{a} {b}");
        }
        for (a, b) in
            [("señal", "senal"), ("ß", "ss"), ("ﬁ", "fi"), ("ｇｕｌｌ", "gull"), ("İ", "i"), ("ı", "i")]
        {
            assert_ne!(folded(a), folded(b), "{a} {b}");
        }
    }

    #[test]
    fn fast_ranges_agree_with_the_unicode_tables() {
        for character in '\0'..=char::MAX {
            if needs_no_composing(character) {
                assert_eq!(is_nfc_quick(core::iter::once(character)), IsNormalized::Yes, "{character:?}");
                assert_eq!(canonical_combining_class(character), 0, "{character:?}");
            }
            if is_folded(character) {
                assert_eq!(case_folded(character), None, "{character:?}");
            }
        }
    }

    #[test]
    fn every_folded_byte_maps_to_its_original_character() {
        let (out, origins) = folded_with_origins("Ae\u{301}\u{316}Ñ日x");
        assert_eq!(out, folded("Ae\u{301}\u{316}Ñ日x"));
        assert_eq!(origins.len(), out.len() + 1);
        assert_eq!(origins.first(), Some(&0));
        assert_eq!(origins.get(out.find('ñ').unwrap()), Some(&4));
        assert_eq!(origins.get(out.find('日').unwrap()..), Some(&[5, 5, 5, 6, 7][..]));
        assert_eq!(folded_with_origins(""), (String::new(), vec![0]));
        // The second character of a Hangul syllable has no combining class, but is composed.
        assert_eq!(folded_with_origins("\u{1100}\u{1161}x"), ("가x".to_owned(), vec![0, 0, 0, 2, 3]));
    }

    #[test]
    fn common_texts_are_folded_without_the_unicode_tables() {
        for text in ["", "A Gull and a Tern", "a señal", "GÜLL 日本 한국 🍕"] {
            let mut out = String::new();
            assert!(push_composed(text, &mut out), "{text}");
            assert_eq!(out, text.to_lowercase());
        }
        assert!(['é', 'я', '日', '한', '🍕'].into_iter().all(is_folded));
    }

    #[test]
    fn ascii_is_skipped_to_the_first_character_beyond_it() {
        for (text, at, want) in [
            ("a gull and a tern", 0, None),
            ("a gull and a señal", 0, Some(15)),
            ("a gull and a señal", 17, None),
            ("señal", 0, Some(2)),
            ("ñandú and more", 2, Some(5)),
        ] {
            assert_eq!(next_beyond_ascii(text.as_bytes(), at), want, "{text} {at}");
        }
    }
}
