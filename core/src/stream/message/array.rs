//! Splits an array message into its elements.

use core::ops::Range;

use crate::stream::json::{Malformed, MalformedReason, Scanner, malformed};

/// Returns the elements of an array message, each to be classified separately.
///
/// Complete elements are returned before the error that ends the iteration. For example, a message
/// that is truncated in its third element returns two elements, then an error. A message that is
/// not an array returns an error first.
///
/// ```
/// use powerstream_core::stream::{MalformedReason, elements};
///
/// let mut array = elements(br#"[ {"id":1} , {"id":2}, {"id""#);
/// assert_eq!(array.next(), Some(Ok(&br#"{"id":1}"#[..])));
/// assert_eq!(array.next(), Some(Ok(&br#"{"id":2}"#[..])));
/// assert_eq!(array.next().unwrap().unwrap_err().reason, MalformedReason::End);
/// assert_eq!(array.next(), None);
/// ```
#[must_use]
pub fn elements(bytes: &[u8]) -> ArrayElements<'_> {
    ArrayElements { bytes, scanner: Scanner::new(bytes), position: Position::Before }
}

/// Iterator over the elements of an array message, created by [`elements`].
pub struct ArrayElements<'a> {
    bytes: &'a [u8],
    scanner: Scanner<'a>,
    position: Position,
}

enum Position {
    Before,
    Inside { first: bool },
    After,
}

impl<'a> ArrayElements<'a> {
    /// Returns an iterator over the elements after the one that ends at `end`, for callers that
    /// cannot keep the iterator itself. `end` is the end of a range that [`Self::next_range`]
    /// returned.
    #[must_use]
    pub fn resume(bytes: &'a [u8], end: usize) -> Self {
        Self { bytes, scanner: Scanner::inside(bytes, end), position: Position::Inside { first: false } }
    }

    /// Returns the next element like the iterator, but as a range of the array's bytes.
    pub fn next_range(&mut self) -> Option<Result<Range<usize>, Malformed>> {
        let item = self.read().transpose();
        if !matches!(item, Some(Ok(_))) {
            self.position = Position::After;
        }
        item
    }

    fn read(&mut self) -> Result<Option<Range<usize>>, Malformed> {
        let mut first = match self.position {
            Position::Before => {
                if self.scanner.peek()? != b'[' {
                    return Err(malformed(self.scanner.at(), MalformedReason::Byte));
                }
                self.scanner.enter()?;
                true
            }
            Position::Inside { first } => first,
            Position::After => return Ok(None),
        };
        if !self.scanner.next_element(&mut first)? {
            self.scanner.end()?;
            return Ok(None);
        }
        self.position = Position::Inside { first };
        let start = self.scanner.at();
        self.scanner.skip_value()?;
        let end = self.scanner.at();
        // A number or literal is complete only with the byte after it, which is part of the array.
        self.scanner.peek_element_end()?;
        Ok(Some(start..end))
    }
}

impl<'a> Iterator for ArrayElements<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_range().map(|range| range.map(|range| &self.bytes[range]))
    }
}

impl core::iter::FusedIterator for ArrayElements<'_> {}

impl core::fmt::Debug for ArrayElements<'_> {
    /// Shows the position without the bytes: Posts do not belong in logs.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ArrayElements").field("at", &self.scanner.at()).finish_non_exhaustive()
    }
}
