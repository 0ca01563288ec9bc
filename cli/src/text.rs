//! Received text, made safe for a terminal.
//!
//! Posts, names, reason phrases and field values are untrusted. Control characters in them could
//! move the cursor, change the title or send answers as if typed. Bidirectional controls could make
//! a line look like a different one.

use std::fmt::{self, Write};

use crate::secret::redacted;

/// Returns true for a character that must not reach a terminal: C0, DEL and C1 controls,
/// bidirectional controls, and Unicode's two line ends, which would split a line.
pub(crate) const fn is_unsafe(character: char) -> bool {
    character.is_ascii_control()
        || matches!(character,
            '\u{80}'..='\u{9f}'
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{2028}' | '\u{2029}')
}

/// Displays bytes as one line without the token of this run. Unsafe characters are escaped as in
/// Rust (`\r`, `\u{202e}`), bytes that are not UTF-8 as `\xff`. Text beyond `characters_max` is
/// replaced by `...`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printable<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) characters_max: usize,
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.characters_max;
        for chunk in redacted(self.bytes).utf8_chunks() {
            for character in chunk.valid().chars() {
                if left == 0 {
                    return f.write_str("...");
                }
                left -= 1;
                if is_unsafe(character) {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    f.write_char(character)?;
                }
            }
            for byte in chunk.invalid() {
                if left == 0 {
                    return f.write_str("...");
                }
                left -= 1;
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Renders an error of the libraries, with the tool's option in place of the method that it names.
pub(crate) fn with_options(error: &(impl fmt::Display + ?Sized)) -> String {
    error.to_string().replace("`TlsConfig::with_ca_pem`", "`--ca`")
}

/// Returns where a redirect leads to, for the end of a sentence about a new address.
pub(crate) fn new_address(location: Option<&[u8]>) -> String {
    match location {
        Some(bytes) => format!("; it is {}", Printable { bytes, characters_max: 300 }),
        None => String::from("; the server names none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printable(bytes: &[u8], characters_max: usize) -> String {
        Printable { bytes, characters_max }.to_string()
    }

    #[test]
    fn escapes_terminal_controls() {
        for (bytes, want) in [
            ("a\tb\r\nc\u{7f}", r"a\tb\r\nc\u{7f}"),
            ("\u{1b}[2J\u{7}\0", r"\u{1b}[2J\u{7}\u{0}"),
            ("\u{80}\u{9b}31m\u{9f}\u{a0}", "\\u{80}\\u{9b}31m\\u{9f}\u{a0}"),
            (
                "\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}\u{61c}",
                r"\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}\u{61c}",
            ),
            ("\u{2028}\u{2029}", r"\u{2028}\u{2029}"),
            // Neighbors that are text.
            ("\u{200d}\u{2010}\u{202f}\u{2065}\u{206a}", "\u{200d}\u{2010}\u{202f}\u{2065}\u{206a}"),
            ("na\u{ef}ve \u{1f600} \"quoted\" \\", "na\u{ef}ve \u{1f600} \"quoted\" \\"),
        ] {
            assert_eq!(printable(bytes.as_bytes(), 100), want);
        }
    }

    #[test]
    fn escapes_invalid_utf_8_byte_by_byte() {
        // C1 as single bytes, which terminals set to Latin-1 interpret.
        assert_eq!(printable(b"a\x9b31m\xff\xc3", 100), r"a\x9b31m\xff\xc3");
        assert_eq!(printable(b"\xed\xa0\x80", 100), r"\xed\xa0\x80");
    }

    #[test]
    fn truncates_between_characters() {
        assert_eq!(printable("\u{e4}\u{f6}\u{fc}".as_bytes(), 3), "\u{e4}\u{f6}\u{fc}");
        assert_eq!(printable("\u{e4}\u{f6}\u{fc}".as_bytes(), 2), "\u{e4}\u{f6}...");
        assert_eq!(printable(b"\xff\xfe", 1), "\\xff...");
        assert_eq!(printable(b"", 0), "");
    }
}
