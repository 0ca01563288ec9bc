//! Decides whether a bare LF ends a message or is white space inside a JSON text.
//!
//! The service ends messages with CR LF, and a message may contain a bare LF (X docs, PowerTrack,
//! consuming streaming data). Some system messages end in LF alone, and so do those of other
//! servers. Between the tokens of an open object or array, LF is white space, so there the message
//! continues.
//!
//! A text that can no longer be JSON ends at the next LF. On a server that uses LF alone, a
//! truncated message therefore also consumes one or two lines after it, but not the rest of the
//! stream. An LF inside a string is not JSON, but X's documentation mentions Posts that contain it:
//! the message continues there too.
//!
//! A message is examined only after a bare LF, or if it exceeds the limit. Each byte is examined
//! once.

use super::json::skip_plain;

/// The nesting state of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nesting {
    /// Bytes of the message read so far.
    bytes: u64,
    /// How many arrays and objects are open.
    open: u64,
    token: Token,
    /// A value or key has ended: a separator or the container's end must follow.
    is_after_value: bool,
    /// The text can no longer be JSON.
    is_broken: bool,
}

/// The token that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    None,
    String,
    /// After a backslash in a string.
    Escape,
    /// A number or literal, or something that is not JSON.
    Scalar,
}

impl Nesting {
    pub(super) const START: Self =
        Self { bytes: 0, open: 0, token: Token::None, is_after_value: false, is_broken: false };

    /// Restarts with the next message.
    #[inline]
    pub(super) fn restart(&mut self) {
        if self.bytes > 0 {
            *self = Self::START;
        }
    }

    /// Returns how many bytes were read.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns true if the JSON text continues after an LF.
    pub(super) const fn goes_on(&self) -> bool {
        self.open > 0 && !self.is_broken
    }

    /// Reads the next bytes of the message.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at).filter(|_| !self.is_broken) {
            at += 1;
            match (self.token, byte) {
                (Token::Escape, _) => self.token = Token::String,
                (Token::String, b'\\') => self.token = Token::Escape,
                (Token::String, b'"') => self.token = Token::None,
                (Token::String, _) => at = skip_plain(bytes, at),
                (_, b'{' | b'[') => {
                    self.begin_value(Token::None);
                    self.open += 1;
                    self.is_after_value = false;
                }
                (_, b'"') => self.begin_value(Token::String),
                (_, b'}' | b']') => {
                    self.is_broken = self.open == 0;
                    self.open = self.open.saturating_sub(1);
                    self.token = Token::None;
                    self.is_after_value = true;
                }
                (_, b',' | b':') => {
                    self.is_broken = self.open == 0 || !self.is_after_value;
                    self.token = Token::None;
                    self.is_after_value = false;
                }
                (_, b' ' | b'\t' | b'\n' | b'\r') => self.token = Token::None,
                (Token::Scalar, _) => {}
                (Token::None, _) => self.begin_value(Token::Scalar),
            }
        }
    }

    fn begin_value(&mut self, token: Token) {
        self.is_broken = self.is_after_value;
        self.token = token;
        self.is_after_value = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether the text continues. Reads it whole, and in two pieces with every split.
    fn goes_on(text: &str) -> bool {
        let read = |pieces: [&str; 2]| {
            let mut nesting = Nesting::START;
            pieces.iter().for_each(|piece| nesting.read(piece.as_bytes()));
            assert_eq!(nesting.bytes(), text.len() as u64);
            nesting.goes_on()
        };
        let whole = read([text, ""]);
        for cut in (0..text.len()).filter(|&cut| text.is_char_boundary(cut)) {
            let (before, behind) = text.split_at(cut);
            assert_eq!(read([before, behind]), whole, "{before} | {behind}");
        }
        whole
    }

    #[test]
    fn continues_inside_an_object_or_array() {
        for text in [
            "{",
            "[",
            " {",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":{}",
            "{\"a\":[1,2]",
            "[[],",
            "[-1.5e+7",
            "[true",
            "{\"a\":\"}\"",
            "{\"a\":\"\\\"}",
            "{\"a\":\"\\\\\"",
            "{\"a\":\"b\nc",
            "{\n\"a\"\n:\n1\n,\n",
        ] {
            assert!(goes_on(text), "{text:?}");
        }
    }

    #[test]
    fn ends_after_a_complete_value() {
        for text in [
            "{}",
            "[]",
            "{\"a\":{\"b\":[1]}}",
            "{} \t",
            "1",
            "-0.5",
            "true",
            "null",
            "\"\"",
            "\"a{\"",
            "[\"]\"]",
            "",
            " \t",
            "[1\n]",
        ] {
            assert!(!goes_on(text), "{text:?}");
        }
    }

    #[test]
    fn ends_when_the_text_can_no_longer_be_json() {
        for text in [
            "hello",
            "HTTP/1.1 200 OK",
            "tru",
            "}",
            "]{",
            "{}{",
            "{} {",
            "1{",
            ",{",
            ":{",
            "a {",
            "{,",
            "{:",
            "{\"a\"::",
            "[1,,",
            "[1 2",
            "[\"a\" \"b\"",
            "{\"a\":{}{",
            "{\"a\":1\n{\"b\"",
            "{\"a\":\"b\n{\"c\":",
            "{\"a\":1,\n{\"b\":2}\n{",
        ] {
            assert!(!goes_on(text), "{text:?}");
        }
    }
}
