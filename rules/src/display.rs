//! Escapes and shortens text from outside for messages and terminals.

use crate::characters::is_bidi_control;

/// Returns the text for use inside a sentence: on one line, escaped, at most 60 characters.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown = String::new();
    for character in shorten(text, 60).chars() {
        show(character, &mut shown);
    }
    shown
}

/// Returns the text; if it has more than `characters_max` characters, cut there and with an
/// ellipsis.
pub(crate) fn shorten(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text.to_owned(),
    }
}

/// Appends a character. Escapes control characters, bidirectional controls and Unicode line
/// separators, which a terminal would not display.
pub(crate) fn show(character: char, out: &mut String) {
    let unsafe_to_show = character.is_control()
        || is_bidi_control(character)
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}');
    if unsafe_to_show {
        out.extend(character.escape_default());
    } else {
        out.push(character);
    }
}
