//! A cursor over one JSON text, for readers that stop as soon as they have the values they need.
//!
//! A streaming client needs a few values of a message at known places and skips the rest. A Post
//! has about 4 KB, 160 strings and 20 containers, so the cost of skipping is mispredicted branches,
//! not bytes. Therefore:
//!
//! - A string's body is examined eight bytes at a time in a `u64`. One test finds the quote, the
//!   backslash and the control characters.
//! - One loop skips a value. The kinds of the open containers are the bits of a `u128`. So there is
//!   no recursion, the memory does not grow with the input, and the depth limit is 128.
//! - Everything read must conform to the grammar of RFC 8259. The classifier reports malformed
//!   input that it has read, and must not accept a partial value.
//!
//! Two things are not checked. UTF-8 in strings is left to the reader of a text, or to
//! [`validate`](super::message::validate). A lone surrogate in `\u` escapes conforms to the grammar
//! (RFC 8259 section 8.2), so the reader of the text handles it.
//!
//! Measured with `classify` on a Post with its ids last, three variants were not faster. One used
//! blocks of sixteen bytes, as two `u64` or as an array left to the compiler. One copied the string
//! loop into its callers. One took the special byte from the block instead of from memory again.
//!
//! When you change this module: each function that ends inside a number or a key must report the
//! end of the input as [`MalformedReason::End`]. A number is the only value without an end mark: 12
//! may be the start of 123.

use core::fmt;

/// How many arrays and objects may be open at once. A Post has fewer than ten. Most JSON readers
/// stop at 128, and a `u128` has one bit for each.
pub const DEPTH_MAX: usize = 128;

/// The position and the reason of an error in a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Malformed {
    /// Offset of the first invalid byte; the length of the input if it ends too early.
    pub at: usize,
    /// The reason of the error.
    pub reason: MalformedReason,
}

/// The reason why a JSON text is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MalformedReason {
    /// The input ends before the text does, or contains no value.
    End,
    /// A byte that the grammar does not allow at this position (RFC 8259 section 2), such as a byte
    /// order mark.
    Byte,
    /// A control character inside a string, where only its escape is allowed (RFC 8259 section 7).
    Control,
    /// A backslash that does not start an escape of RFC 8259 section 7.
    Escape,
    /// Not a number of RFC 8259 section 6: `01`, `+1`, `1.`, `.5`, `1e`.
    Number,
    /// Not `true`, `false` or `null` (RFC 8259 section 3).
    Literal,
    /// The value is followed by something other than white space.
    Trailing,
    /// More than [`DEPTH_MAX`] containers are open. The text may be JSON, but is not read further.
    TooDeep,
    /// Not UTF-8 (RFC 8259 section 8.1).
    Utf8,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed JSON at byte {}: {}", self.at, self.reason)
    }
}

impl fmt::Display for MalformedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::End => "unexpected end of input",
            Self::Byte => "unexpected byte",
            Self::Control => "unescaped control character in a string",
            Self::Escape => "invalid escape",
            Self::Number => "invalid number",
            Self::Literal => "expected true, false or null",
            Self::Trailing => "unexpected data after the value",
            Self::TooDeep => "nested too deeply",
            Self::Utf8 => "not UTF-8",
        })
    }
}

impl core::error::Error for Malformed {}

/// The body of a string as received, without its quotes.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) escaped: bool,
}

/// The longest name that [`Text::plain`] can decode. The longest name compared with has 27 bytes.
pub(crate) const NAME_MAX: usize = 48;

impl<'a> Text<'a> {
    /// Returns the text with its escapes decoded, for comparison with ASCII names. Only a text with
    /// escapes is copied. A text that does not fit is longer than any name. The result is then
    /// empty, which is not a name either.
    #[inline]
    pub(crate) fn plain<'b>(&self, buffer: &'b mut [u8; NAME_MAX]) -> &'b [u8]
    where
        'a: 'b,
    {
        if self.escaped { self.decode(buffer) } else { self.raw }
    }

    #[cold]
    fn decode<'b>(&self, buffer: &'b mut [u8; NAME_MAX]) -> &'b [u8] {
        let mut length = 0;
        for byte in self.bytes() {
            let Some(slot) = buffer.get_mut(length) else { return &[] };
            *slot = byte;
            length += 1;
        }
        buffer.get(..length).unwrap_or_default()
    }

    /// Returns the decoded bytes one by one. Escapes for non-ASCII characters become 0xFF, a byte
    /// that occurs in no name and in no UTF-8 text.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = u8> + use<'a> {
        let mut rest = self.raw.iter();
        core::iter::from_fn(move || {
            let byte = *rest.next()?;
            if byte != b'\\' {
                return Some(byte);
            }
            Some(match *rest.next()? {
                b'b' => 0x08,
                b'f' => 0x0C,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'u' => {
                    let mut unit = 0;
                    for _ in 0..4 {
                        unit = unit << 4 | char::from(*rest.next()?).to_digit(16)?;
                    }
                    if unit < 0x80 { unit as u8 } else { 0xFF }
                }
                itself => itself,
            })
        })
    }

    /// Returns the number, if the text consists of decimal digits only.
    pub(crate) fn decimal(&self) -> Option<u64> {
        decimal(self.plain(&mut [0; NAME_MAX]))
    }
}

/// A cursor. The methods of the first group advance step by step and count the containers that they
/// opened. [`Scanner::skip_value`] skips a whole value within the remaining depth.
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    open: usize,
}

impl<'a> Scanner<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, open: 0 }
    }

    /// Creates a scanner at `at`, inside an array that is not nested.
    pub(crate) fn inside(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, open: 1 }
    }

    /// Returns the offset of the next byte.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Returns the number of bytes examined. After a number or a literal, this includes the byte
    /// that shows that the value is complete.
    #[inline]
    pub(crate) fn looked_at(&self) -> usize {
        let bare = self
            .at
            .checked_sub(1)
            .and_then(|last| self.bytes.get(last))
            .is_some_and(u8::is_ascii_alphanumeric);
        self.bytes.len().min(self.at + usize::from(bare))
    }

    /// Skips white space and returns the next byte, leaving it unread.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<u8, Malformed> {
        let (byte, at) = significant(self.bytes, self.at)?;
        self.at = at;
        Ok(byte)
    }

    /// Reads the `{` or `[` that was peeked at.
    #[inline]
    pub(crate) fn enter(&mut self) -> Result<(), Malformed> {
        if self.open == DEPTH_MAX {
            return Err(malformed(self.at, MalformedReason::TooDeep));
        }
        self.open += 1;
        self.at += 1;
        Ok(())
    }

    /// Reads the next key of the innermost object and its colon. At the object's end, reads the end
    /// and leaves the object. `first` is true before the first call; the calls update it.
    #[inline]
    pub(crate) fn next_key(&mut self, first: &mut bool) -> Result<Option<Text<'a>>, Malformed> {
        let mut byte = self.peek()?;
        if byte == b'}' {
            self.at += 1;
            self.open -= 1;
            return Ok(None);
        }
        if !core::mem::replace(first, false) {
            if byte != b',' {
                return Err(malformed(self.at, MalformedReason::Byte));
            }
            self.at += 1;
            byte = self.peek()?;
        }
        if byte != b'"' {
            return Err(malformed(self.at, MalformedReason::Byte));
        }
        let key = self.string()?;
        self.at = colon(self.bytes, self.at)?;
        Ok(Some(key))
    }

    /// Advances to the next value of the innermost array, leaving it unread. At the array's end,
    /// reads the end, leaves the array and returns false. `first` is as in [`Scanner::next_key`].
    pub(crate) fn next_element(&mut self, first: &mut bool) -> Result<bool, Malformed> {
        let byte = self.peek()?;
        if byte == b']' {
            self.at += 1;
            self.open -= 1;
            return Ok(false);
        }
        if !core::mem::replace(first, false) {
            if byte != b',' {
                return Err(malformed(self.at, MalformedReason::Byte));
            }
            self.at += 1;
            self.peek()?;
        }
        Ok(true)
    }

    /// Checks that an element of an array is complete: a comma or the array's end follows, which
    /// stays unread.
    pub(crate) fn peek_element_end(&mut self) -> Result<(), Malformed> {
        match self.peek()? {
            b',' | b']' => Ok(()),
            _ => Err(malformed(self.at, MalformedReason::Byte)),
        }
    }

    /// Reads the string whose opening quote was peeked at.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Text<'a>, Malformed> {
        let start = self.at + 1;
        let (end, escaped) = string(self.bytes, start)?;
        self.at = end;
        Ok(Text { raw: self.bytes.get(start..end - 1).unwrap_or_default(), escaped })
    }

    /// Reads a value inside a container. Returns its text if it is a string.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<Option<Text<'a>>, Malformed> {
        if self.peek()? == b'"' {
            return self.string().map(Some);
        }
        self.skip_value()?;
        Ok(None)
    }

    /// Reads a value inside a container. Returns the number if it is plain: digits only, below
    /// 2^64.
    #[inline]
    pub(crate) fn integer(&mut self) -> Result<Option<u64>, Malformed> {
        match self.peek()? {
            b'0'..=b'9' => {
                let digits = self.digits()?;
                self.whole()?;
                Ok(digits.and_then(decimal))
            }
            _ => self.skip_whole().map(|()| None),
        }
    }

    /// Reads the number whose first digit was peeked at. Returns its digits if it consists only of
    /// digits. [`Scanner::whole`] checks whether it is complete.
    #[inline]
    pub(crate) fn digits(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let start = self.at;
        let (end, plain) = number(self.bytes, start)?;
        self.at = end;
        Ok(if plain { self.bytes.get(start..end) } else { None })
    }

    /// Reads `front`, which ends with an opening quote, and the string of `length` digits. Returns
    /// the number. If the input differs, reads no bytes.
    #[inline]
    pub(crate) fn decimal_behind<const N: usize>(&mut self, front: &[u8; N], length: usize) -> Option<u64> {
        let rest = self.bytes.get(self.at..)?;
        if rest.first_chunk::<N>() != Some(front) || rest.get(N + length) != Some(&b'"') {
            return None;
        }
        let number = decimal(rest.get(N..N + length)?)?;
        self.at += N + length + 1;
        Some(number)
    }

    /// Skips a value inside a container and checks that it is complete.
    pub(crate) fn skip_whole(&mut self) -> Result<(), Malformed> {
        let marked = matches!(self.peek()?, b'"' | b'{' | b'[');
        self.skip_value()?;
        if marked { Ok(()) } else { self.whole() }
    }

    /// Checks that a number or a literal is complete. It has no end mark, so the next byte decides.
    #[inline]
    pub(crate) fn whole(&self) -> Result<(), Malformed> {
        match self.bytes.get(self.at) {
            Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r') => Ok(()),
            Some(_) => Err(malformed(self.at, MalformedReason::Byte)),
            None => Err(malformed(self.at, MalformedReason::End)),
        }
    }

    /// Checks that only white space is left.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !is_space(*byte) {
                return Err(malformed(self.at, MalformedReason::Trailing));
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Skips one value of any kind, including white space before it.
    #[inline]
    pub(crate) fn skip_value(&mut self) -> Result<(), Malformed> {
        let (byte, at) = significant(self.bytes, self.at)?;
        self.at = match byte {
            b'"' => string(self.bytes, at + 1)?.0,
            b'{' | b'[' => container(self.bytes, at, DEPTH_MAX - self.open)?,
            _ => scalar(self.bytes, at, byte)?,
        };
        Ok(())
    }
}

/// Skips the container that starts at `at` and returns the offset after it. At most `depth`
/// containers may be open at once.
fn container(bytes: &[u8], mut at: usize, depth: usize) -> Result<usize, Malformed> {
    // Bit 0 is the innermost open container: 1 an object, 0 an array.
    let mut kinds: u128 = 0;
    let mut open = 0;
    loop {
        // A value starts at `at`, after optional white space.
        let (byte, start) = significant(bytes, at)?;
        at = match byte {
            b'"' => string(bytes, start + 1)?.0,
            b'{' | b'[' => {
                if open == depth {
                    return Err(malformed(start, MalformedReason::TooDeep));
                }
                let object = byte == b'{';
                let (byte, next) = significant(bytes, start + 1)?;
                if byte == if object { b'}' } else { b']' } {
                    next + 1
                } else {
                    open += 1;
                    kinds = kinds << 1 | u128::from(object);
                    at = if object { key(bytes, byte, next)? } else { next };
                    continue;
                }
            }
            _ => scalar(bytes, start, byte)?,
        };
        // A value ended before `at`. Close the containers that end with it, up to the next comma.
        loop {
            if open == 0 {
                return Ok(at);
            }
            let object = kinds & 1 == 1;
            let (byte, next) = significant(bytes, at)?;
            at = next + 1;
            if byte == b',' {
                if object {
                    let (byte, next) = significant(bytes, at)?;
                    at = key(bytes, byte, next)?;
                }
                break;
            }
            if byte != if object { b'}' } else { b']' } {
                return Err(malformed(next, MalformedReason::Byte));
            }
            open -= 1;
            kinds >>= 1;
        }
    }
}

/// Skips a key, whose first byte is `byte`, and its colon.
#[inline]
fn key(bytes: &[u8], byte: u8, at: usize) -> Result<usize, Malformed> {
    if byte != b'"' {
        return Err(malformed(at, MalformedReason::Byte));
    }
    colon(bytes, string(bytes, at + 1)?.0)
}

#[inline]
fn colon(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    match significant(bytes, at)? {
        (b':', at) => Ok(at + 1),
        (_, at) => Err(malformed(at, MalformedReason::Byte)),
    }
}

/// Returns the next byte that is not white space, and its offset.
#[inline]
fn significant(bytes: &[u8], mut at: usize) -> Result<(u8, usize), Malformed> {
    loop {
        match bytes.get(at) {
            // The service writes no white space: one comparison handles the usual case.
            Some(&byte) if byte > b' ' => return Ok((byte, at)),
            Some(&byte) if is_space(byte) => at += 1,
            Some(_) => return Err(malformed(at, MalformedReason::Byte)),
            None => return Err(malformed(at, MalformedReason::End)),
        }
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Returns `byte` in each of the eight bytes.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

const HIGH: u64 = each(0x80);

#[inline]
fn eight(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Marks the high bit of each of the eight bytes that is a quote, a backslash or a control
/// character. A borrow may set false marks above the lowest mark, which is always correct.
#[inline]
const fn special(block: u64) -> u64 {
    // Flipping bit 1 moves the quote (0x22) next to the controls (0x00 to 0x1F), and the space away
    // from them. One "less than 0x21" then finds both.
    let quote_or_control = (block ^ each(0x02)).wrapping_sub(each(0x21));
    let backslash = (block ^ each(b'\\')).wrapping_sub(each(0x01));
    (quote_or_control | backslash) & !block & HIGH
}

/// Returns true if no byte is a quote, a backslash or a control character. `N` is at least 8.
#[inline]
pub(crate) fn is_plain<const N: usize>(bytes: &[u8; N]) -> bool {
    // The last block may overlap the one before it.
    let starts = (0..N - 8).step_by(8).chain([N - 8]);
    starts.filter_map(|at| eight(bytes, at)).fold(0, |found, block| found | special(block)) == 0
}

/// Skips the rest of a string after its opening quote. Returns the offset after the closing quote,
/// and whether there are escapes.
#[inline]
fn string(bytes: &[u8], mut at: usize) -> Result<(usize, bool), Malformed> {
    let mut escaped = false;
    loop {
        at = skip_plain(bytes, at);
        // At the special byte, or among the last seven bytes of the input.
        match bytes.get(at) {
            Some(b'"') => return Ok((at + 1, escaped)),
            Some(b'\\') => {
                at = escape(bytes, at)?;
                escaped = true;
            }
            Some(0..=0x1F) => return Err(malformed(at, MalformedReason::Control)),
            Some(_) => at += 1,
            None => return Err(malformed(at, MalformedReason::End)),
        }
    }
}

/// Returns the offset of the first quote, backslash or control character, or one among the last
/// seven bytes of the input.
#[inline]
pub(crate) fn skip_plain(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = eight(bytes, at) {
        let found = special(block);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at
}

/// Skips one escape from its backslash.
#[inline]
fn escape(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            for digit in at + 2..at + 6 {
                match bytes.get(digit) {
                    Some(byte) if byte.is_ascii_hexdigit() => {}
                    Some(_) => return Err(malformed(digit, MalformedReason::Escape)),
                    None => return Err(malformed(digit, MalformedReason::End)),
                }
            }
            Ok(at + 6)
        }
        Some(_) => Err(malformed(at + 1, MalformedReason::Escape)),
        None => Err(malformed(at + 1, MalformedReason::End)),
    }
}

/// Skips a literal or a number that starts with `byte` at `at`.
#[inline]
fn scalar(bytes: &[u8], at: usize, byte: u8) -> Result<usize, Malformed> {
    match byte {
        b'n' => literal(bytes, at, b"null"),
        b't' => literal(bytes, at, b"true"),
        b'f' => literal(bytes, at, b"false"),
        b'-' | b'0'..=b'9' => Ok(number(bytes, at)?.0),
        b'+' | b'.' => Err(malformed(at, MalformedReason::Number)),
        _ => Err(malformed(at, MalformedReason::Byte)),
    }
}

#[inline]
fn literal<const N: usize>(bytes: &[u8], at: usize, word: &[u8; N]) -> Result<usize, Malformed> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.first_chunk::<N>() == Some(word) {
        return Ok(at + N);
    }
    let same = rest.iter().zip(word).take_while(|(read, wanted)| read == wanted).count();
    Err(malformed(
        at + same,
        if same == rest.len() { MalformedReason::End } else { MalformedReason::Literal },
    ))
}

/// Skips a number from its first byte. Returns the offset after it, and whether it consists of
/// digits only.
#[inline]
fn number(bytes: &[u8], start: usize) -> Result<(usize, bool), Malformed> {
    let negative = bytes.get(start) == Some(&b'-');
    let whole = start + usize::from(negative);
    let mut at = digits(bytes, whole)?;
    if at - whole > 1 && bytes.get(whole) == Some(&b'0') {
        return Err(malformed(whole + 1, MalformedReason::Number));
    }
    let mut plain = !negative;
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
        plain = false;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = digits(bytes, at + 1 + usize::from(signed))?;
        plain = false;
    }
    Ok((at, plain))
}

/// Skips one or more digits.
#[inline]
fn digits(bytes: &[u8], start: usize) -> Result<usize, Malformed> {
    let mut at = start;
    while let Some(block) = eight(bytes, at) {
        let found = beyond_nine(block ^ each(b'0'));
        if found != 0 {
            at += (found.trailing_zeros() / 8) as usize;
            return if at > start { Ok(at) } else { Err(malformed(at, MalformedReason::Number)) };
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    if at > start {
        return Ok(at);
    }
    Err(malformed(at, if at == bytes.len() { MalformedReason::End } else { MalformedReason::Number }))
}

/// Marks the high bit of each of the eight bytes that is more than nine, without false marks.
const fn beyond_nine(block: u64) -> u64 {
    ((block & !HIGH).wrapping_add(each(0x80 - 10)) | block) & HIGH
}

/// Parses a number of at least one decimal digit and nothing else, below 2^64.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    let mut blocks = digits.chunks_exact(8);
    for block in blocks.by_ref() {
        let block = u64::from_le_bytes(*block.first_chunk()?) ^ each(b'0');
        if beyond_nine(block) != 0 {
            return None;
        }
        // The first digit is the lowest byte. Neighbors are joined to pairs, pairs to groups of
        // four, and these to the eight digits. The masks clear the lanes without a result.
        let pairs = block.wrapping_mul(10).wrapping_add(block >> 8) & 0x00FF_00FF_00FF_00FF;
        let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
        let eight = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF;
        value = value.checked_mul(100_000_000)?.checked_add(eight)?;
    }
    for digit in blocks.remainder() {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

#[cold]
pub(crate) const fn malformed(at: usize, reason: MalformedReason) -> Malformed {
    Malformed { at, reason }
}

#[cfg(test)]
mod tests;
