//! Compares texts.

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// Applies NFC, then simple case folding.
pub fn normal(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let fold =
        |c: char| unicode_case_mapping::case_folded(c).and_then(|c| char::from_u32(c.get())).unwrap_or(c);
    text.nfc().map(fold).collect()
}

/// Returns the text that readers see: X escapes these three characters.
pub fn readable(text: &str) -> String {
    // The ampersand last, so that its result is not decoded again.
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Returns true if the texts differ only in case and composition.
pub fn same(a: &str, b: &str) -> bool {
    normal(a) == normal(b)
}

/// The kind of token that a character belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Part of no token.
    Separator,
    /// Part of a word.
    Word,
    /// The start of an emoji, which is a separate token.
    Emoji,
    /// A later part of an emoji.
    EmojiRest,
}

/// Returns the normalized characters of a text, each with the kind of token it belongs to.
pub fn parts(text: &str) -> Vec<(char, Part)> {
    let normal = normal(text);
    if normal.is_ascii() {
        let part = |c: char| if c.is_ascii_alphanumeric() { Part::Word } else { Part::Separator };
        return normal.chars().map(|c| (c, part(c))).collect();
    }
    let mut parts = Vec::new();
    for cluster in normal.graphemes(true) {
        let is_emoji = cluster.chars().any(is_pictograph);
        // A letter with a lone skin tone stays in its word. A symbol before a pictograph is part of
        // its cluster.
        let begins = if cluster.starts_with(|c| builds_tokens(c) && !is_pictograph(c)) {
            cluster.chars().position(is_pictograph)
        } else {
            Some(0)
        };
        for (index, c) in cluster.chars().enumerate() {
            let part = match begins.filter(|_| is_emoji) {
                Some(begins) if index == begins => Part::Emoji,
                Some(begins) if index > begins => Part::EmojiRest,
                _ if builds_tokens(c) => Part::Word,
                _ => Part::Separator,
            };
            parts.push((c, part));
        }
    }
    parts
}

fn is_pictograph(c: char) -> bool {
    ('\u{1f000}'..='\u{1faff}').contains(&c)
}

fn builds_tokens(c: char) -> bool {
    use GeneralCategory as G;
    if c == '\u{200d}' || c == '\u{fe0f}' || c > '\u{ffff}' {
        return true;
    }
    matches!(
        get_general_category(c),
        G::UppercaseLetter
            | G::LowercaseLetter
            | G::TitlecaseLetter
            | G::ModifierLetter
            | G::OtherLetter
            | G::NonspacingMark
            | G::SpacingMark
            | G::EnclosingMark
            | G::DecimalNumber
            | G::LetterNumber
            | G::OtherNumber
    )
}

/// Returns the tokens of a text.
pub fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut before = Part::Separator;
    for (c, part) in parts(text) {
        let begins = match part {
            Part::Separator => false,
            Part::Word => before != Part::Word,
            Part::Emoji => true,
            Part::EmojiRest => false,
        };
        if begins {
            tokens.push(String::new());
        }
        if part != Part::Separator {
            tokens.last_mut().expect("a token has begun").push(c);
        }
        before = part;
    }
    tokens
}

/// Returns true if the tokens of `wanted` occur in sequence in `text`.
pub fn in_a_row(text: &str, wanted: &str) -> bool {
    let (tokens, wanted) = (tokens(text), tokens(wanted));
    !wanted.is_empty() && tokens.windows(wanted.len()).any(|some| some == wanted)
}

/// Returns true if `text` contains `wanted`, regardless of token boundaries.
pub fn holds(text: &str, wanted: &str) -> bool {
    normal(text).contains(&normal(wanted))
}

/// Returns true if `phrase` occurs literally. A blank matches any white space. A word at its start
/// or end must not be a piece of a longer word. A joiner there must not be a piece of an emoji.
pub fn literal(text: &str, phrase: &str) -> bool {
    let (text, phrase) = (parts(text), parts(phrase));
    let (Some(first), Some(last)) = (phrase.first(), phrase.last()) else { return false };
    let is_word = |at: Option<&(char, Part)>| at.is_some_and(|(_, part)| *part == Part::Word);
    (0..text.len()).any(|start| {
        let end = start + phrase.len();
        let Some(found) = text.get(start..end) else { return false };
        let same = |(a, b): (&(char, Part), &(char, Part))| {
            let of_words = is_word(Some(a)) == is_word(Some(b));
            of_words && a.0 == b.0 || b.0 == ' ' && a.0.is_whitespace()
        };
        found.iter().zip(&phrase).all(same)
            && !(is_word(Some(first)) && start.checked_sub(1).is_some_and(|before| is_word(text.get(before))))
            && !(is_word(Some(last)) && is_word(text.get(end)))
    })
}

/// Returns true if the words of `wanted` are near each other, as in Lucene's sloppy phrases. Each
/// needs its own position. The offsets to the positions in the phrase differ by `distance` at most.
pub fn near(text: &str, wanted: &str, distance: u8) -> bool {
    let (tokens, wanted) = (tokens(text), tokens(wanted));
    // Neither affects the result, and trying every assignment may take forever.
    if wanted.is_empty() || !wanted.iter().all(|word| tokens.contains(word)) {
        return false;
    }
    let mut places: Vec<usize> = Vec::new();
    near_from(&tokens, &wanted, usize::from(distance), &mut places)
}

fn near_from(tokens: &[String], wanted: &[String], distance: usize, places: &mut Vec<usize>) -> bool {
    // Shifted by the length, so that no difference is negative.
    let off = places.iter().enumerate().map(|(index, place)| place + wanted.len() - index);
    let (least, most) = (off.clone().min(), off.max());
    if most.unwrap_or(0) - least.unwrap_or(0) > distance {
        return false;
    }
    let Some(word) = wanted.get(places.len()) else { return true };
    for place in (0..tokens.len()).filter(|place| tokens[*place] == *word) {
        if places.contains(&place) {
            continue;
        }
        places.push(place);
        if near_from(tokens, wanted, distance, places) {
            return true;
        }
        places.pop();
    }
    false
}

/// Returns true if a keyword is in a script without blanks between words.
pub fn is_unsegmented(keyword: &str) -> bool {
    keyword.chars().any(|c| {
        matches!(c,
            // Thai, Lao, Burmese, Khmer.
            '\u{e01}'..='\u{e7f}' | '\u{e80}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
            // Hiragana and Katakana, Han.
            | '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3fffd}')
    })
}

/// Returns the first characters of a text.
pub fn start(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
