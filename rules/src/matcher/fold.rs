//! What makes two texts the same: NFC, then simple case folding.
//!
//! Accents stay, and so do width, ligatures and scripts: nothing but the letter case and the way of composing is
//! forgiven. Most texts are ASCII, and most of the others need no composing, which a look at the ranges tells without
//! the tables.

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

/// Appends a text of which every character [needs no composing](needs_no_composing). False: one does, and the text is
/// not all there.
///
/// Most characters stand for themselves, so the text is copied as it is, and again from the first that does not.
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

/// The place of the first byte from `at` on that is not ASCII.
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

/// `text`, composed and folded.
pub(crate) fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold_into(text, &mut out);
    out
}

/// Whether a character is of a range in which all stand for themselves and change nothing before them (UAX #15,
/// quick check).
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

/// One character, folded.
fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    if is_folded(character) {
        return character;
    }
    case_folded(character).and_then(|folded| char::from_u32(folded.get())).unwrap_or(character)
}

/// Whether a character is of one of the great ranges that are folded already, or without case.
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

/// `text` composed and folded, and for each of its bytes the character of `text` that it comes from. Characters that
/// are composed together count as the first of them; one more entry stands for the end.
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
    }
}
