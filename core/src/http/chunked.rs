//! Decodes the chunked transfer coding (RFC 9112 section 7.1) in place, without a buffer and
//! without copying.
//!
//! ```text
//!   1a ; ext CR LF   <26 bytes of content>   CR LF   ...   0 CR LF   trailer CR LF   CR LF
//!   \____________/   \___________________/   \___/         \_____/   \___________/   \___/
//!     size line         ChunkSpan::Data     both checked  last chunk   dropped    ChunkSpan::End
//! ```
//!
//! The decoder has one state per place in the grammar, so the input may be split anywhere. Loops
//! over many bytes exist only for content.
//!
//! Each state rejects input that other decoders are known to accept wrongly:
//!
//! - a sign or a prefix before the size, or an empty size;
//! - LF without CR, and other bytes instead of the CR LF after the data;
//! - CR or LF inside an extension.
//!
//! Limits apply to each size line and to the trailer section, never to the whole body, because a
//! stream does not end.
//!
//! ```
//! use powerstream_core::http::{ChunkedDecoder, ChunkSpan};
//!
//! let mut decoder = ChunkedDecoder::default();
//! let wire = b"5\r\nhello\r\n0\r\n\r\n";
//! assert_eq!(decoder.decode(wire), Ok(ChunkSpan::Data(3..8)));
//! assert_eq!(decoder.decode(&wire[8..]), Ok(ChunkSpan::End(7)));
//! ```

use core::fmt;
use core::ops::Range;

use super::{is_tchar, is_text};

/// Limits on the parts around the data. No limit accumulates over the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkLimits {
    /// The maximum length of a size line in bytes, with extensions and without the line end.
    /// Default: 4,096, as in Go; these streams use no extensions. A size without extensions is
    /// limited only by [`SIZE_DIGITS_MAX`].
    pub size_line_bytes_max: u32,
    /// The maximum length of the trailer section in bytes, without the empty line after it.
    /// Default: 16,384, as in hyper.
    pub trailer_bytes_max: u32,
    /// The maximum number of fields in the trailer section. Default: 100, as in hyper.
    pub trailer_fields_max: u32,
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self { size_line_bytes_max: 4_096, trailer_bytes_max: 16_384, trailer_fields_max: 100 }
    }
}

/// The maximum number of digits of a chunk size. 64 bits hold 16 hexadecimal digits.
pub const SIZE_DIGITS_MAX: u8 = 16;

/// The number of bytes that [`ChunkedDecoder::peek_short_chunk`] examines. It needs at most two
/// line ends, two digits and 16 bytes of data.
pub(crate) const SHORT_CHUNK_WINDOW: usize = 24;

/// The result of [`ChunkedDecoder::decode`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there are no other results")]
pub enum ChunkSpan {
    /// This range of the input is content. The input is consumed up to the end of the range. Never
    /// empty.
    Data(Range<usize>),
    /// The input is consumed and contains no (further) content.
    NeedInput,
    /// The body is complete. This many bytes of the input are consumed; the rest does not belong to
    /// the response.
    End(usize),
}

/// The result of [`ChunkedDecoder::hand_over`]: a [`ChunkSpan`] whose data may extend beyond the
/// input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandOver {
    /// At least one byte of content: `length` bytes from `start` on.
    Content {
        start: usize,
        length: u64,
    },
    NeedInput,
    End(usize),
}

/// The kinds of errors in the chunked coding. Sections refer to RFC 9112; without one, it is
/// section 7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkErrorKind {
    /// The size line does not start with a hexadecimal digit.
    SizeMissing,
    /// A byte after the size is neither a digit, nor an extension, nor CR.
    SizeByte,
    /// The size has more than [`SIZE_DIGITS_MAX`] digits.
    SizeDigits,
    /// The size is 2^63 or more.
    SizeOverflow,
    /// The size line does not end with CR LF.
    SizeLineEnd,
    /// The size line with its extensions is longer than [`ChunkLimits::size_line_bytes_max`].
    SizeLineLength,
    /// An extension does not follow the grammar of section 7.1.1.
    Extension,
    /// CR LF does not follow the data.
    DataEnd,
    /// A trailer line is not a field line (section 7.1.2).
    Trailer,
    /// The trailer section exceeds [`ChunkLimits::trailer_bytes_max`] or
    /// [`ChunkLimits::trailer_fields_max`].
    TrailerLength,
}

impl ChunkErrorKind {
    /// Returns a stable name for programs, such as `chunk_size_overflow`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::SizeMissing => "chunk_size_missing",
            Self::SizeByte => "chunk_size_byte",
            Self::SizeDigits => "chunk_size_digits",
            Self::SizeOverflow => "chunk_size_overflow",
            Self::SizeLineEnd => "chunk_size_line_end",
            Self::SizeLineLength => "chunk_size_line_length",
            Self::Extension => "chunk_extension",
            Self::DataEnd => "chunk_data_end",
            Self::Trailer => "trailer",
            Self::TrailerLength => "trailer_length",
        }
    }

    /// Returns what was expected, as a phrase for error messages.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::SizeMissing => "expected a hexadecimal chunk size",
            Self::SizeByte => "expected a hexadecimal digit, an extension or CR LF in the chunk-size line",
            Self::SizeDigits => "expected at most 16 digits in a chunk size",
            Self::SizeOverflow => "expected a chunk size below 2^63",
            Self::SizeLineEnd => "expected LF after the CR that ends a chunk-size line",
            Self::SizeLineLength => "expected the chunk-size line to end within its limit",
            Self::Extension => "expected a chunk extension with the syntax of RFC 9112 section 7.1.1",
            Self::DataEnd => "expected CR LF after the chunk's data",
            Self::Trailer => "expected a trailer field or the empty line that ends the body",
            Self::TrailerLength => "expected the trailer section to end within its limit",
        }
    }
}

/// An error in the chunked coding, with its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkError {
    /// The kind of error.
    pub kind: ChunkErrorKind,
    /// The index of the invalid byte in the input of the call that found it.
    pub at: usize,
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {} of the input)", self.kind.expected(), self.at)
    }
}

impl core::error::Error for ChunkError {}

/// The place in the grammar. BWS is optional white space (RFC 9110 section 5.6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first digit of the size, or after some of its digits.
    Size,
    /// In BWS after the size: only an extension may follow.
    SizeBws,
    /// After `;`: BWS, then the name of the extension.
    ExtensionStart,
    ExtensionName,
    /// In BWS after the name: `=` or `;` must follow.
    ExtensionNameBws,
    /// After `=`: BWS, then a token or a quoted string.
    ExtensionValueStart,
    ExtensionValue,
    ExtensionQuoted,
    ExtensionQuotedPair,
    /// After the closing quote.
    ExtensionQuotedEnd,
    /// In BWS after a value: only `;` may follow.
    ExtensionValueBws,
    /// After the CR of a size line.
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// After the CR of the empty line that ends the body.
    EndLf,
    End,
    /// The coding is invalid; [`ChunkedDecoder::failure`] has the error.
    Failed,
}

/// Decodes the chunked coding. It has 32 bytes of state; the input may be split anywhere.
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    state: State,
    /// The error, if the state is [`State::Failed`].
    failure: ChunkErrorKind,
    /// The number of digits of the size read so far.
    digits: u8,
    /// In a size line, the size so far. In data, the number of bytes still to come.
    size: u64,
    /// The length of the current size line or trailer section so far, in bytes.
    line: u32,
    /// The number of trailer fields so far.
    fields: u32,
    limits: ChunkLimits,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new(ChunkLimits::default())
    }
}

impl ChunkedDecoder {
    /// Creates a decoder at the start of a body.
    #[must_use]
    pub const fn new(limits: ChunkLimits) -> Self {
        Self {
            state: State::Size,
            failure: ChunkErrorKind::SizeMissing,
            digits: 0,
            size: 0,
            line: 0,
            fields: 0,
            limits,
        }
    }

    /// Returns true if the body is complete: the last chunk and the empty line after the trailer
    /// section have been read.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// Returns true within a size line or the trailer section: bytes of it have been read, and its
    /// end has not.
    pub(crate) const fn is_in_line(&self) -> bool {
        match self.state {
            State::Size => self.digits > 0,
            State::Data | State::DataCr | State::DataLf | State::End | State::Failed => false,
            _ => true,
        }
    }

    /// Looks ahead for the end of one chunk and a whole next chunk of 1 to 16 bytes without
    /// extensions. Returns the start of its data, its length, and 16 bytes from the start. Returns
    /// `None` in any other case, and near the end of the input.
    ///
    /// After the data of that chunk, the decoder's state is the same as now. So the caller may take
    /// the chunk without calling the decoder.
    #[inline(always)]
    pub(crate) fn peek_short_chunk(&self, input: &[u8]) -> Option<(usize, usize, [u8; 16])> {
        if self.state != State::DataCr {
            return None;
        }
        let window = input.first_chunk::<SHORT_CHUNK_WINDOW>()?;
        let (data, length) = match window {
            [b'\r', b'\n', digit, b'\r', b'\n', ..] => (5, usize::from(hex_value(*digit))),
            [b'\r', b'\n', b'1', b'0', b'\r', b'\n', ..] => (6, 16),
            _ => return None,
        };
        let block = window[data..].first_chunk::<16>()?;
        (1..=16).contains(&length).then_some((data, length, *block))
    }

    /// Reads `input` up to the end of the next range of content bytes, or to the end of `input`.
    ///
    /// No memory is reserved for a chunk, because its size comes from the peer.
    ///
    /// # Errors
    ///
    /// Returns [`ChunkError`] for the first byte that the grammar does not allow or that exceeds a
    /// limit. Content before that byte has already been returned. Later calls return the error
    /// again, with `at` 0.
    #[inline]
    pub fn decode(&mut self, input: &[u8]) -> Result<ChunkSpan, ChunkError> {
        Ok(match self.hand_over(input)? {
            HandOver::NeedInput => ChunkSpan::NeedInput,
            HandOver::End(consumed) => ChunkSpan::End(consumed),
            HandOver::Content { start, length } => {
                let here = length.min((input.len() - start) as u64);
                if here < length {
                    self.size = length - here;
                    self.state = State::Data;
                }
                if here == 0 {
                    return Ok(ChunkSpan::NeedInput);
                }
                // Not truncated: `here` is at most `input.len()`.
                ChunkSpan::Data(start..start + here as usize)
            }
        })
    }

    /// Reads `input` up to the data of a chunk, and hands over all of that data. The next call
    /// continues after it.
    #[inline(always)]
    pub(crate) fn hand_over(&mut self, input: &[u8]) -> Result<HandOver, ChunkError> {
        let mut start = 0;
        // The usual case: the CR LF after the data and the next size line are complete in the
        // input.
        if self.state == State::DataCr && input.starts_with(b"\r\n") {
            self.begin_size();
            start = 2;
            if input.len() == 2 {
                return Ok(HandOver::NeedInput);
            }
        }
        if self.state == State::Size && self.digits == 0 {
            if let Some((size, length)) = whole_size_line(&input[start..]) {
                self.size = size;
                self.state = State::Data;
                start += length;
            }
        }
        if self.state == State::Data {
            self.state = State::DataCr;
            Ok(HandOver::Content { start, length: self.size })
        } else if start == input.len() && !matches!(self.state, State::End | State::Failed) {
            Ok(HandOver::NeedInput)
        } else {
            self.step_through(input, start)
        }
    }

    #[inline]
    fn begin_size(&mut self) {
        self.state = State::Size;
        self.digits = 0;
        self.line = 0;
    }

    /// Reads byte by byte. Handles split, unusual and invalid input.
    #[inline(never)]
    fn step_through(&mut self, input: &[u8], mut at: usize) -> Result<HandOver, ChunkError> {
        loop {
            match self.state {
                State::Data => {
                    self.state = State::DataCr;
                    return Ok(HandOver::Content { start: at, length: self.size });
                }
                State::End => return Ok(HandOver::End(at)),
                State::Failed => return Err(ChunkError { kind: self.failure, at: 0 }),
                _ => {}
            }
            let Some(&byte) = input.get(at) else { return Ok(HandOver::NeedInput) };
            match self.step(byte) {
                Ok(state) => self.state = state,
                Err(kind) => {
                    (self.state, self.failure) = (State::Failed, kind);
                    return Err(ChunkError { kind, at });
                }
            }
            at += 1;
        }
    }

    /// Returns the state after `byte`.
    #[inline]
    fn step(&mut self, byte: u8) -> Result<State, ChunkErrorKind> {
        use ChunkErrorKind as Kind;
        match self.state {
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => {
                self.begin_size();
                Ok(State::Size)
            }
            // RFC 9112 7.1: both bytes after the data are checked; the decoder does not search for
            // them.
            State::DataCr | State::DataLf => Err(Kind::DataEnd),
            State::Size => {
                let digit = hex_value(byte);
                if digit < 16 {
                    return self.digit(digit);
                }
                if self.digits == 0 {
                    return Err(Kind::SizeMissing);
                }
                match byte {
                    b'\r' => Ok(State::SizeLf),
                    b';' => self.extension(State::ExtensionStart),
                    b' ' | b'\t' => self.extension(State::SizeBws),
                    _ => Err(Kind::SizeByte),
                }
            }
            State::SizeLf if byte == b'\n' => {
                self.line = 0;
                Ok(if self.size == 0 { State::TrailerStart } else { State::Data })
            }
            State::SizeLf => Err(Kind::SizeLineEnd),
            State::SizeBws
            | State::ExtensionStart
            | State::ExtensionName
            | State::ExtensionNameBws
            | State::ExtensionValueStart
            | State::ExtensionValue
            | State::ExtensionQuoted
            | State::ExtensionQuotedPair
            | State::ExtensionQuotedEnd
            | State::ExtensionValueBws => self.step_extension(byte),
            State::TrailerStart
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerLf
            | State::EndLf => self.step_trailer(byte),
            // `step_through` handles these states before it reads a byte.
            State::Data | State::End | State::Failed => Ok(self.state),
        }
    }

    #[inline]
    fn digit(&mut self, digit: u8) -> Result<State, ChunkErrorKind> {
        if self.digits == SIZE_DIGITS_MAX {
            return Err(ChunkErrorKind::SizeDigits);
        }
        if self.digits == 0 {
            self.size = 0;
        }
        self.digits += 1;
        // RFC 9112 7.1: a recipient MUST anticipate large sizes and prevent overflow. Sizes from
        // 2^63 on are rejected.
        if self.size >= 1 << 59 {
            return Err(ChunkErrorKind::SizeOverflow);
        }
        self.size = self.size << 4 | u64::from(digit);
        Ok(State::Size)
    }

    /// Counts one byte of the size line, and returns `next`.
    fn extension(&mut self, next: State) -> Result<State, ChunkErrorKind> {
        if self.line == 0 {
            self.line = u32::from(self.digits);
        }
        if self.line >= self.limits.size_line_bytes_max {
            return Err(ChunkErrorKind::SizeLineLength);
        }
        self.line += 1;
        Ok(next)
    }

    /// Returns the state after a byte of an extension (RFC 9112 section 7.1.1):
    /// `chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`
    #[cold]
    fn step_extension(&mut self, byte: u8) -> Result<State, ChunkErrorKind> {
        let bws = matches!(byte, b' ' | b'\t');
        let next = match self.state {
            State::SizeBws if bws => State::SizeBws,
            State::SizeBws if byte == b';' => State::ExtensionStart,
            State::SizeBws => return Err(ChunkErrorKind::SizeByte),

            State::ExtensionStart if bws => State::ExtensionStart,
            State::ExtensionStart | State::ExtensionName if is_tchar(byte) => State::ExtensionName,

            State::ExtensionName | State::ExtensionNameBws if bws => State::ExtensionNameBws,
            State::ExtensionName | State::ExtensionNameBws if byte == b'=' => State::ExtensionValueStart,
            State::ExtensionName | State::ExtensionNameBws if byte == b';' => State::ExtensionStart,

            State::ExtensionValueStart if bws => State::ExtensionValueStart,
            State::ExtensionValueStart if byte == b'"' => State::ExtensionQuoted,
            State::ExtensionValueStart | State::ExtensionValue if is_tchar(byte) => State::ExtensionValue,

            State::ExtensionValue | State::ExtensionQuotedEnd | State::ExtensionValueBws if bws => {
                State::ExtensionValueBws
            }
            State::ExtensionValue | State::ExtensionQuotedEnd | State::ExtensionValueBws if byte == b';' => {
                State::ExtensionStart
            }

            State::ExtensionQuoted if byte == b'"' => State::ExtensionQuotedEnd,
            State::ExtensionQuoted if byte == b'\\' => State::ExtensionQuotedPair,
            State::ExtensionQuoted | State::ExtensionQuotedPair if is_text(byte) => State::ExtensionQuoted,

            State::ExtensionName | State::ExtensionValue | State::ExtensionQuotedEnd if byte == b'\r' => {
                return Ok(State::SizeLf);
            }
            _ => return Err(ChunkErrorKind::Extension),
        };
        self.extension(next)
    }

    /// Checks a byte of the trailer section. Trailer fields are dropped: they are never merged into
    /// the head and never affect framing (RFC 9110 section 6.5.1).
    #[cold]
    fn step_trailer(&mut self, byte: u8) -> Result<State, ChunkErrorKind> {
        let next = match self.state {
            // The empty line does not belong to the section.
            State::TrailerStart if byte == b'\r' => return Ok(State::EndLf),
            State::TrailerStart if is_tchar(byte) => {
                if self.fields >= self.limits.trailer_fields_max {
                    return Err(ChunkErrorKind::TrailerLength);
                }
                self.fields += 1;
                State::TrailerName
            }
            State::TrailerName if is_tchar(byte) => State::TrailerName,
            State::TrailerName if byte == b':' => State::TrailerValue,
            State::TrailerValue if byte == b'\r' => State::TrailerLf,
            State::TrailerValue if is_text(byte) => State::TrailerValue,
            State::TrailerLf if byte == b'\n' => State::TrailerStart,
            State::EndLf if byte == b'\n' => return Ok(State::End),
            _ => return Err(ChunkErrorKind::Trailer),
        };
        if self.line >= self.limits.trailer_bytes_max {
            return Err(ChunkErrorKind::TrailerLength);
        }
        self.line += 1;
        Ok(next)
    }
}

/// Parses a size line of up to eight digits without extensions. Returns the size and the length of
/// the line with its CR LF. Returns `None` for any other line, including the last chunk, which
/// [`ChunkedDecoder::step`] handles.
#[inline(always)]
fn whole_size_line(input: &[u8]) -> Option<(u64, usize)> {
    let mut size = 0;
    for (digits, &byte) in input.iter().take(9).enumerate() {
        let digit = hex_value(byte);
        if digit >= 16 {
            return (size > 0 && input[digits..].starts_with(b"\r\n")).then_some((size, digits + 2));
        }
        size = size << 4 | u64::from(digit);
    }
    None
}

/// Returns the value of a hexadecimal digit, or 255 for any other byte. It uses a table because
/// digits and letters are mixed randomly in sizes, so a branch would be mispredicted.
#[inline(always)]
fn hex_value(byte: u8) -> u8 {
    static VALUES: [u8; 256] = {
        let mut values = [255; 256];
        let mut value = 0;
        while value < 16 {
            values[b"0123456789abcdef"[value] as usize] = value as u8;
            values[b"0123456789ABCDEF"[value] as usize] = value as u8;
            value += 1;
        }
        values
    };
    VALUES[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All other lines are read byte by byte.
    #[test]
    fn size_line_of_up_to_eight_digits_is_read_at_once() {
        for (input, want) in [
            ("5\r\n", Some((5, 3))),
            ("1f4\r\nab", Some((500, 5))),
            ("FFFFFFFF\r\n", Some((0xffff_ffff, 10))),
            ("000000005\r\n", None),
            ("0\r\n", None),
            ("\r\n", None),
            ("5", None),
            ("5\r", None),
            ("5;a\r\n", None),
        ] {
            assert_eq!(whole_size_line(input.as_bytes()), want, "{input:?}");
        }
    }
}
