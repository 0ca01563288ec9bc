//! Stop words: keywords that are not sufficient for a rule.

/// The words that the service's responses list, grouped by length (PowerTrack: Rules; responses
/// recorded in client libraries).
const STOP_WORDS: [&[&str]; 6] = [
    &[],
    &["a"],
    &["an", "at", "by", "if", "in", "is", "it", "me", "my", "or", "rt", "to", "we"],
    &["and", "but", "com", "its", "not", "the", "too", "via", "www", "you"],
    &["from", "http", "this"],
    &["https"],
];

/// Returns true if a bare keyword is a stop word, in any case. A rule needs a positive term that is
/// not a stop word.
///
/// ```
/// use powerstream_rules::is_stop_word;
///
/// assert!(is_stop_word("The") && !is_stop_word("there"));
/// ```
#[must_use]
pub fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.get(word.len()).is_some_and(|stops| stops.iter().any(|stop| stop.eq_ignore_ascii_case(word)))
}
