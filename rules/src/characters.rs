//! Character classes of the rule language.
//!
//! Two classes must not be confused. [`is_punctuation`] is the service's list of characters that
//! cannot *start* a term. It is Gnip's restriction list, and includes some letters and all
//! combining marks of the basic plane. [`is_word`] decides by general category which characters
//! belong *inside* a word or a hashtag. The standard library knows letters and numbers but not
//! marks; `MARKS` adds them.

mod marks;

use self::marks::MARKS;

/// Returns true for the punctuation of the rule language, which cannot start a bare keyword.
///
/// The set does not contain `$`, `^`, the grave accent, or any character beyond U+FFFF. Therefore a
/// bare emoji is valid, but a symbol of the basic plane is not.
pub(crate) const fn is_punctuation(character: char) -> bool {
    matches!(character,
        '!' | '%' | '&' | '\\' | '\'' | '(' | ')' | '*' | '+' | '-' | '.' | '/' | ';' | '<' | '=' | '>' | '?'
        | ',' | ':' | '#' | '@' | '"' | '[' | ']' | '_' | '\t' | '\r' | '\n'
        | '\u{7b}'..='\u{bf}'
        | '\u{2b0}'..='\u{37f}'
        | '\u{2000}'..='\u{2bff}'
        | '\u{ff00}'..='\u{ff03}'
        | '\u{ff05}'..='\u{ff0f}')
}

/// Returns true for letters, marks and numbers, by general category.
pub(crate) fn is_word(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric();
    }
    if character.is_alphanumeric() {
        // Circled and squared letters: alphabetic, but symbols by category.
        return !matches!(character,
            '\u{24b6}'..='\u{24e9}'
            | '\u{1f130}'..='\u{1f149}' | '\u{1f150}'..='\u{1f169}' | '\u{1f170}'..='\u{1f189}');
    }
    let character = u32::from(character);
    let after = MARKS.partition_point(|&(first, _)| first <= character);
    after.checked_sub(1).and_then(|at| MARKS.get(at)).is_some_and(|&(_, last)| character <= last)
}

/// Returns true for the characters of a hashtag: letters, marks, numbers, the underscore, and the
/// joiners and separators that X's twitter-text library allows.
pub(crate) fn is_tag(character: char) -> bool {
    is_word(character)
        || matches!(
            character,
            '_' | '\u{b7}'
                | '\u{5be}'
                | '\u{5f3}'
                | '\u{5f4}'
                | '\u{f0b}'
                | '\u{f0c}'
                | '\u{200c}'
                | '\u{200d}'
                | '\u{3003}'
                | '\u{301c}'
                | '\u{309b}'
                | '\u{309c}'
                | '\u{30a0}'
                | '\u{30fb}'
                | '\u{a67e}'
                | '\u{ff5e}'
        )
}

/// Returns true if a word continues with this character: any except white space, parentheses, the
/// double quote and the colon.
pub(crate) const fn continues_word(character: char) -> bool {
    // `char::is_whitespace` is const only since Rust 1.87.
    !matches!(character, '(' | ')' | '"' | ':') && !is_white_space(character)
}

/// Returns true for the Unicode property `White_Space`.
pub(crate) const fn is_white_space(character: char) -> bool {
    matches!(character,
        '\t'..='\r' | ' ' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}'
        | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// Returns true for the Unicode property `Bidi_Control`: characters that change the writing
/// direction.
pub(crate) const fn is_bidi_control(character: char) -> bool {
    matches!(character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns true for a bare word of emoji. It starts with a pictograph beyond U+FFFF; the rest may
/// contain pictographs, the joiner, variation selectors and the symbols that occur in emoji
/// sequences.
pub(crate) fn is_emoji(word: &str) -> bool {
    let pictograph = |character| matches!(character, '\u{1f000}'..='\u{1faff}');
    word.starts_with(pictograph) && word.chars().all(|character| {
        pictograph(character)
            || matches!(character, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{20e3}' | '\u{2190}'..='\u{2bff}'
                    | '\u{e0020}'..='\u{e007f}')
    })
}

/// Returns true for scripts written without blanks between words, in which the service finds no
/// words: Han, Hiragana, Katakana, Thai, Lao, Khmer and Burmese.
pub(crate) const fn is_unsegmented(character: char) -> bool {
    matches!(character,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{19e0}'..='\u{19ff}'
        | '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3041}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{a9e0}'..='\u{a9ff}'
        | '\u{aa60}'..='\u{aa7f}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}'
        | '\u{1aff0}'..='\u{1b16f}' | '\u{20000}'..='\u{3fffd}')
}

/// Characters that look like a quote, an apostrophe or a dash. A phrase with one of a family does
/// not match text with another.
pub(crate) const LOOK_ALIKES: [(&str, &[char]); 3] = [
    ("apostrophe", &['\'', '\u{2018}', '\u{2019}', '\u{2bc}', '\u{b4}', '`', '\u{ff07}']),
    ("quote", &['"', '\u{201c}', '\u{201d}', '\u{201e}', '\u{ab}', '\u{bb}', '\u{ff02}']),
    ("dash", &['-', '\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}', '\u{ff0d}']),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_agrees_with_unicode() {
        for character in '\0'..=char::MAX {
            assert_eq!(is_white_space(character), character.is_whitespace(), "{character:?}");
        }
    }

    #[test]
    fn punctuation_has_the_documented_edges() {
        for (character, want) in [
            ('!', true),
            ('$', false),
            ('^', false),
            ('`', false),
            ('z', false),
            ('{', true),
            ('\u{bf}', true),
            ('\u{c0}', false),
            ('\u{aa}', true),
            ('\u{2af}', false),
            ('\u{2b0}', true),
            ('\u{301}', true),
            ('\u{37f}', true),
            ('\u{380}', false),
            ('\u{1fff}', false),
            ('\u{2000}', true),
            ('\u{2bff}', true),
            ('\u{2c00}', false),
            ('\u{ff03}', true),
            ('\u{ff04}', false),
            ('\u{ff05}', true),
            ('\u{ff0f}', true),
            ('\u{ff10}', false),
            ('\u{1f600}', false),
            ('\u{26bd}', true),
            ('“', true),
            ('🍕', false),
        ] {
            assert_eq!(is_punctuation(character), want, "{character:?}");
        }
    }

    #[test]
    fn words_are_letters_marks_and_numbers() {
        for character in ['a', 'ß', '日', '\u{301}', '\u{94d}', '٣', 'ª', '\u{fe0f}', '\u{e0100}', '½'] {
            assert!(is_word(character), "{character:?}");
        }
        for character in
            ['_', '-', ' ', '\u{24b6}', '\u{1f170}', '🍕', '\u{200d}', '\u{378}', '\u{2019}', '\0']
        {
            assert!(!is_word(character), "{character:?}");
        }
        assert!(MARKS.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }

    #[test]
    fn only_words_of_pictographs_are_emoji() {
        for word in ["🍕", "🍕🍕", "👩\u{200d}💻", "🏳\u{fe0f}\u{200d}🌈", "🇩🇪", "👍🏽"]
        {
            assert!(is_emoji(word), "{word}");
        }
        for word in ["", "a", "🍕a", "a🍕", "𝒳", "⚽"] {
            assert!(!is_emoji(word), "{word}");
        }
    }
}
