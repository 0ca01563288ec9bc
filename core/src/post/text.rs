//! A JSON string that is decoded only when it is read.
//!
//! Most strings of a Post contain no escape and are borrowed unchanged. In the other strings, the
//! service writes every non-ASCII character as `\uXXXX`, so a Japanese text consists only of
//! escapes. Decoding therefore returns one char at a time and needs no buffer. Each run between
//! escapes is validated as UTF-8 as a whole and then iterated as `str`. This is several times
//! faster than decoding each char separately.
//!
//! A JSON string may contain two things that are not text: a lone surrogate (RFC 8259 section 8.2),
//! and bytes that are not UTF-8. A stream reader must continue, so both decode to U+FFFD. Invalid
//! bytes are replaced as in `String::from_utf8_lossy`.

use core::iter::FusedIterator;
use core::{fmt, str};

use memchr::memchr;

use crate::stream::json::Text;

/// A JSON string without its quotes, still escaped.
///
/// - Compare it with `==` or [`eq_str`](Self::eq_str).
/// - Read it with [`as_str`](Self::as_str) if it needs no decoding, otherwise with
///   [`chars`](Self::chars) or [`unescape`](Self::unescape).
/// - Read a Post's text as readers see it with [`readable`](Self::readable).
///
/// `Display` writes the decoded text, so with an allocator `to_string()` returns it. `Debug` shows
/// only the length: Posts do not belong in logs.
///
/// ```
/// use powerstream_core::post::Value;
///
/// let text = Value::new(br#""caf\u00E9 \uD83D\uDE00""#).unwrap().as_str().unwrap();
/// assert_eq!(text.as_str(), None);
/// assert!(text.chars().eq("café 😀".chars()));
/// assert!(text == "café 😀");
/// ```
#[derive(Clone, Copy)]
pub struct JsonStr<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> From<Text<'a>> for JsonStr<'a> {
    #[inline]
    fn from(text: Text<'a>) -> Self {
        Self { raw: text.raw, escaped: text.escaped }
    }
}

impl<'a> JsonStr<'a> {
    /// Returns the bytes between the quotes, still escaped. They are not validated as UTF-8.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Returns true if it contains escapes.
    #[must_use]
    pub const fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// Returns true if it is the empty string.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Returns the text as received. Returns `None` if the text contains an escape or is not UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        if self.escaped { None } else { str::from_utf8(self.raw).ok() }
    }

    /// Returns the decoded text. Lone surrogates and invalid UTF-8 (see the [module](crate::post))
    /// become U+FFFD.
    #[must_use]
    pub fn chars(&self) -> Chars<'a> {
        let (unchecked, rest): (&[u8], &[u8]) = if self.escaped { (&[], self.raw) } else { (self.raw, &[]) };
        Chars { run: "".chars(), unchecked, rest }
    }

    /// Returns the decoded text as UTF-8 bytes, one by one: the bytes of [`chars`](Self::chars).
    #[must_use]
    pub fn bytes_unescaped(&self) -> Bytes<'a> {
        Bytes { chars: self.chars(), char: [0; 4], next: 0, length: 0 }
    }

    /// Returns the decoded text. Uses `buffer` if the text cannot be borrowed unchanged. Returns
    /// `None` if it does not fit. The length of [`raw`](Self::raw) is always sufficient for a text
    /// that is UTF-8, and three times that length for any text.
    #[must_use]
    pub fn unescape<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b str>
    where
        'a: 'b,
    {
        if let Some(text) = self.as_str() {
            return Some(text);
        }
        let mut length: usize = 0;
        for char in self.chars() {
            let end = length + char.len_utf8();
            char.encode_utf8(buffer.get_mut(length..end)?);
            length = end;
        }
        str::from_utf8(buffer.get(..length)?).ok()
    }

    /// Writes the decoded text, like [`chars`](Self::chars), but each run between two escapes in
    /// one piece. This is several times faster if there are few escapes.
    ///
    /// # Errors
    ///
    /// Returns the errors of `out`; a `String` has none.
    pub fn write_to(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let mut rest = match str::from_utf8(self.raw) {
            Ok(text) => text,
            Err(_) => return self.chars().try_for_each(|char| out.write_char(char)),
        };
        while let Some((run, escaped)) =
            memchr(b'\\', rest.as_bytes()).and_then(|at| rest.split_at_checked(at))
        {
            out.write_str(run)?;
            let mut chars = Chars { run: "".chars(), unchecked: &[], rest: escaped.as_bytes() };
            out.write_char(chars.escape())?;
            // An escape is ASCII, so the bytes after it start at a character boundary.
            rest = escaped.get(escaped.len() - chars.rest.len()..).unwrap_or_default();
        }
        out.write_str(rest)
    }

    /// Returns true if the decoded text, as returned by [`chars`](Self::chars), is `other`.
    #[must_use]
    pub fn eq_str(&self, other: &str) -> bool {
        if self.escaped {
            return self.chars().eq(other.chars());
        }
        // Without escapes, only bytes that are not UTF-8 change when they are decoded.
        self.raw == other.as_bytes()
            || (other.contains(char::REPLACEMENT_CHARACTER) && self.chars().eq(other.chars()))
    }

    /// Returns true if both decode to the same text. The shorter text limits the cost, so a long id
    /// is not decoded completely for each comparison with a short one.
    pub(super) fn same(&self, other: &Self) -> bool {
        if !self.escaped && !other.escaped {
            return self.raw == other.raw;
        }
        // An escape of six bytes may decode to one byte, and one invalid byte decodes to three.
        let could_be = |long: &Self, short: &Self| long.raw.len() / 18 <= short.raw.len();
        could_be(self, other) && could_be(other, self) && self.chars().eq(other.chars())
    }

    /// Returns true if the decoded text is `name`, which is UTF-8 without U+FFFD. Keys are compared
    /// with this.
    #[inline]
    pub(super) fn is_name(&self, name: &[u8]) -> bool {
        if self.escaped { self.spells(name) } else { self.raw == name }
    }

    #[cold]
    fn spells(&self, name: &[u8]) -> bool {
        self.bytes_unescaped().eq(name.iter().copied())
    }

    /// Returns the number, if the decoded text consists only of decimal digits.
    pub(super) fn decimal(&self) -> Option<u64> {
        Text { raw: self.raw, escaped: self.escaped }.decimal()
    }

    /// Returns the decoded text, borrowed if possible.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn to_cow(&self) -> alloc::borrow::Cow<'a, str> {
        match self.as_str() {
            Some(text) => text.into(),
            None => {
                let mut text = alloc::string::String::with_capacity(self.raw.len());
                text.extend(self.chars());
                text.into()
            }
        }
    }
}

impl PartialEq<str> for JsonStr<'_> {
    fn eq(&self, other: &str) -> bool {
        self.eq_str(other)
    }
}

impl PartialEq<&str> for JsonStr<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.eq_str(other)
    }
}

impl fmt::Display for JsonStr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => f.pad(text),
            None => self.write_to(f),
        }
    }
}

impl fmt::Debug for JsonStr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonStr").field("bytes", &self.raw.len()).finish_non_exhaustive()
    }
}

/// Iterator over the decoded text of a [`JsonStr`], created by [`JsonStr::chars`].
#[derive(Clone)]
pub struct Chars<'a> {
    run: str::Chars<'a>,
    /// The bytes after `run`, without escapes, not validated as UTF-8.
    unchecked: &'a [u8],
    /// The bytes after `unchecked`. They start with a backslash, or are the whole text.
    rest: &'a [u8],
}

impl<'a> Chars<'a> {
    /// Returns the chars of a text that is already decoded.
    pub(super) fn of(text: &'a str) -> Self {
        Self { run: text.chars(), unchecked: &[], rest: &[] }
    }

    /// Decodes the escape that `rest` starts with.
    fn escape(&mut self) -> char {
        let kind = self.rest.get(1).copied().unwrap_or_default();
        if kind != b'u' {
            self.rest = self.rest.get(2..).unwrap_or_default();
            return match kind {
                b'b' => '\u{8}',
                b'f' => '\u{C}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'"' | b'\\' | b'/' => char::from(kind),
                _ => char::REPLACEMENT_CHARACTER,
            };
        }
        let unit = unit(self.rest);
        self.rest = self.rest.get(6..).unwrap_or_default();
        let decoded = match unit {
            // A high surrogate, which the low surrogate must follow directly (RFC 8259 section 7).
            Some(high @ 0xD800..=0xDBFF) => match unit_low(self.rest) {
                Some(low) => {
                    self.rest = self.rest.get(6..).unwrap_or_default();
                    char::from_u32(0x1_0000 + ((high & 0x3FF) << 10 | low & 0x3FF))
                }
                None => None,
            },
            // A lone low surrogate is not a char, so `from_u32` rejects it.
            unit => unit.and_then(char::from_u32),
        };
        decoded.unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

/// Returns the code unit of the `\uXXXX` at the start of `bytes`.
fn unit(bytes: &[u8]) -> Option<u32> {
    let digits: &[u8; 6] = bytes.first_chunk()?;
    let [b'\\', b'u', digits @ ..] = digits else { return None };
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

fn unit_low(bytes: &[u8]) -> Option<u32> {
    unit(bytes).filter(|unit| matches!(unit, 0xDC00..=0xDFFF))
}

impl Iterator for Chars<'_> {
    type Item = char;

    #[inline]
    fn next(&mut self) -> Option<char> {
        loop {
            if let Some(char) = self.run.next() {
                return Some(char);
            }
            if self.unchecked.is_empty() {
                if *self.rest.first()? == b'\\' {
                    return Some(self.escape());
                }
                let end = memchr(b'\\', self.rest).unwrap_or(self.rest.len());
                (self.unchecked, self.rest) = self.rest.split_at_checked(end)?;
            }
            if let Ok(run) = str::from_utf8(self.unchecked) {
                (self.run, self.unchecked) = (run.chars(), &[]);
                continue;
            }
            let chunk = self.unchecked.utf8_chunks().next()?;
            let valid = chunk.valid();
            if valid.is_empty() {
                self.unchecked = self.unchecked.get(chunk.invalid().len()..)?;
                return Some(char::REPLACEMENT_CHARACTER);
            }
            (self.run, self.unchecked) = (valid.chars(), self.unchecked.get(valid.len()..)?);
        }
    }
}

impl FusedIterator for Chars<'_> {}

impl fmt::Debug for Chars<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chars").finish_non_exhaustive()
    }
}

/// Iterator over the decoded text of a [`JsonStr`] in UTF-8, created by
/// [`JsonStr::bytes_unescaped`].
#[derive(Clone)]
pub struct Bytes<'a> {
    chars: Chars<'a>,
    char: [u8; 4],
    next: usize,
    length: usize,
}

impl Iterator for Bytes<'_> {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        if self.next == self.length {
            let char = self.chars.next()?;
            self.length = char.encode_utf8(&mut self.char).len();
            self.next = 0;
        }
        let byte = self.char.get(self.next).copied();
        self.next += 1;
        byte
    }
}

impl FusedIterator for Bytes<'_> {}

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bytes").finish_non_exhaustive()
    }
}
