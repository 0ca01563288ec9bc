//! Decodes the HTML entities in a Post's text.
//!
//! X escapes three characters of a Post's text as in HTML: `&amp;`, `&lt;` and `&gt;`. It does not
//! escape quotes. The author typed any other entity in a text. Names, descriptions, hashtags and
//! links contain the three characters unescaped.

use core::fmt::{self, Write as _};
use core::iter::FusedIterator;

use super::text::{Chars, JsonStr};

/// Iterator over a text as readers see it, created by [`JsonStr::readable`]. `Display` writes the
/// text.
///
/// Each entity is decoded once: `&amp;lt;` becomes `&lt;`. An incomplete entity stays as received.
///
/// ```
/// use powerstream_core::post::Post;
///
/// let post = Post::new(br#"{"id":20,"text":"AT&amp;T \u0026lt;3"}"#);
/// let text = post.text().unwrap();
/// assert!(text == "AT&amp;T &lt;3");
/// assert!(text.readable().eq("AT&T <3".chars()));
/// ```
#[derive(Clone)]
pub struct Readable<'a> {
    chars: Chars<'a>,
    position: usize,
}

impl<'a> Readable<'a> {
    /// Reads a text whose JSON escapes are already decoded.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { chars: Chars::of(text), position: 0 }
    }

    /// Returns the number of code points of the received text that were read. X's `indices` count
    /// the same way: `&amp;` counts as five.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }
}

impl<'a> JsonStr<'a> {
    /// Returns the text as readers see it. Use it only for texts of Posts, because X escapes only
    /// those.
    #[must_use]
    pub fn readable(&self) -> Readable<'a> {
        Readable { chars: self.chars(), position: 0 }
    }
}

impl Iterator for Readable<'_> {
    type Item = char;

    #[inline]
    fn next(&mut self) -> Option<char> {
        let char = self.chars.next()?;
        self.position += 1;
        if char != '&' {
            return Some(char);
        }
        let mut behind = self.chars.clone();
        let (rest, decoded) = match behind.next() {
            Some('a') => ("mp;", '&'),
            Some('l') => ("t;", '<'),
            Some('g') => ("t;", '>'),
            _ => return Some('&'),
        };
        if !rest.chars().all(|wanted| behind.next() == Some(wanted)) {
            return Some('&');
        }
        self.chars = behind;
        self.position += 1 + rest.len();
        Some(decoded)
    }
}

impl FusedIterator for Readable<'_> {}

impl fmt::Display for Readable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clone().try_for_each(|char| f.write_char(char))
    }
}

impl fmt::Debug for Readable<'_> {
    /// Shows only the position: Posts do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readable").field("position", &self.position).finish_non_exhaustive()
    }
}
