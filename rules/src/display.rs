//! Foreign text inside our own sentences and on terminals: escaped and cut.

use crate::characters::is_bidi_control;

/// Returns foreign text for use inside a sentence: on one line, without controls, at most 60 characters.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown = String::new();
    for character in shorten(text, 60).chars() {
        show(character, &mut shown);
    }
    shown
}

/// Returns the text, cut to a number of characters with an ellipsis if it is longer.
pub(crate) fn shorten(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text.to_owned(),
    }
}

/// Appends a character, escaped if a terminal would not show it: controls, bidirectional controls and Unicode's line
/// ends.
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
