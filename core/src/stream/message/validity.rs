//! Checks a whole message.

use crate::stream::json::{Malformed, MalformedReason, Scanner, malformed};

/// Checks that a whole message is exactly one JSON text (RFC 8259) with only white space around it.
/// The text must follow the grammar, be UTF-8, and have at most
/// [`DEPTH_MAX`](crate::stream::DEPTH_MAX) containers open at once.
///
/// Lone surrogates in `\u` escapes, numbers of any size and duplicate keys are grammatical and
/// pass.
///
/// # Errors
///
/// [`Malformed`] at the first invalid byte.
pub fn validate(bytes: &[u8]) -> Result<(), Malformed> {
    let grammar = check_grammar(bytes);
    // The bytes before the first grammar error decide whether it is the first error.
    let read = grammar.map_or_else(|malformed| malformed.at, |()| bytes.len());
    match core::str::from_utf8(bytes.get(..read).unwrap_or(bytes)) {
        Ok(_) => grammar,
        // A truncated character at the end is an unexpected end of input.
        Err(utf8) if grammar.is_err() && utf8.error_len().is_none() => grammar,
        Err(utf8) => Err(malformed(utf8.valid_up_to(), MalformedReason::Utf8)),
    }
}

/// Checks the grammar of a whole message, as [`validate`] does, but not its UTF-8.
pub(crate) fn check_grammar(bytes: &[u8]) -> Result<(), Malformed> {
    let mut scanner = Scanner::new(bytes);
    scanner.skip_value().and_then(|()| scanner.end())
}
