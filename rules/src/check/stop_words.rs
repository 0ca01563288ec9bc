//! The words that cannot carry a rule.

/// As the service's answers give them (PowerTrack: Rules; recorded in client libraries).
const STOP_WORDS: [&str; 28] = [
    "a", "an", "and", "at", "but", "by", "com", "from", "http", "https", "if", "in", "is", "it", "its", "me",
    "my", "not", "or", "rt", "the", "this", "to", "too", "via", "we", "www", "you",
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
    STOP_WORDS.iter().any(|stop| stop.eq_ignore_ascii_case(word))
}
