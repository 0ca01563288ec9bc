//! A Post's text as readers see it.
//!
//! X writes three characters of a Post's text as HTML does: `&amp;`, `&lt;` and `&gt;`. It writes
//! quotes unchanged. Any other entity in a text is what its author typed. Names, descriptions,
//! hashtags and links hold the three characters unescaped.

use core::fmt::{self, Write as _};
use core::iter::FusedIterator;

use super::text::{Chars, JsonStr};

/// Iterator over a text as readers see it, made by [`JsonStr::readable`]. It formats (`Display`) as
/// that text.
///
/// Each entity is decoded once: `&amp;lt;` reads `&lt;`. An incomplete entity stays as received.
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
    /// Reads a text of which the JSON is decoded already.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { chars: Chars::of(text), position: 0 }
    }

    /// Returns how many code points of the received text were read. X's `indices` count the same
    /// way: `&amp;` is five.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }
}

impl<'a> JsonStr<'a> {
    /// Returns the text as readers see it. Only for texts that X escapes: those of Posts.
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
