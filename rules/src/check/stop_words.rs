//! The words that cannot carry a rule.

/// As the service's answers give them (PowerTrack: Rules; recorded in client libraries), by their length.
const STOP_WORDS: [&[&str]; 6] = [
    &[],
    &["a"],
    &["an", "at", "by", "if", "in", "is", "it", "me", "my", "or", "rt", "to", "we"],
    &["and", "but", "com", "its", "not", "the", "too", "via", "www", "you"],
    &["from", "http", "this"],
    &["https"],
];

/// Whether a bare keyword is a stop word, in any case. A rule needs a positive term that is none.
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
