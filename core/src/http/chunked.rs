//! The chunked transfer coding (RFC 9112 section 7.1): input slice in, [`ChunkSpan`] out; no buffer, no copy.
//!
//! ```text
//!   1a ; ext CR LF   <26 octets of content>   CR LF   ...   0 CR LF   trailer CR LF   CR LF
//!   \____________/   \____________________/   \___/         \____/    \___________/   \___/
//!     size line           ChunkSpan::Data         both checked    last      dropped         ChunkSpan::End
//! ```
//!
//! Plan: one state per place in the grammar, so that the input may be cut anywhere, and tight loops only where bytes
//! are many. What each state refuses is what other decoders were caught accepting: a sign or a prefix before the
//! size, an empty size, LF without CR, bytes in place of the CR LF behind the data, CR or LF inside an extension.
//! Limits are per size line and per trailer section, never over the life of the body: this body does not end.
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

/// Bounds on what surrounds the data. None of them adds up over the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkLimits {
    /// Most octets of one size line, extensions included, the line end not. Default 4,096: extensions are unused on
    /// these streams, and Go allows as much. A size without extension has [`SIZE_DIGITS_MAX`] as its only limit.
    pub size_line_bytes_max: u32,
    /// Most octets of the trailer section, the empty line behind it not counted. Default 16,384, as hyper has it.
    pub trailer_bytes_max: u32,
    /// Most fields in the trailer section. Default 100, as hyper has it.
    pub trailer_fields_max: u32,
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self { size_line_bytes_max: 4_096, trailer_bytes_max: 16_384, trailer_fields_max: 100 }
    }
}

/// Most digits of a chunk size: 16 hexadecimal digits are all that 64 bits hold.
pub const SIZE_DIGITS_MAX: u8 = 16;

/// ByteCounts that [`ChunkedDecoder::peek_short_chunk`] looks at: two line ends, two digits, 16 octets of data and to spare.
pub(crate) const SHORT_CHUNK_WINDOW: usize = 24;

/// What [`ChunkedDecoder::decode`] found in its input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a decoder has no fourth answer")]
pub enum ChunkSpan {
    /// Content octets lie at this range of the input, which is consumed up to the range's end. Never empty.
    Data(Range<usize>),
    /// All of the input is consumed and held no (further) content.
    NeedInput,
    /// The body is complete; this many octets of the input are consumed. What follows is not part of the response.
    End(usize),
}

/// What [`ChunkedDecoder::hand_over`] found: a [`ChunkSpan`] whose data may go beyond the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandOver {
    /// So many content octets, at least one, follow from `start` on.
    Content {
        start: usize,
        length: u64,
    },
    NeedInput,
    End(usize),
}

/// Why the coding is broken. RFC 9112 section 7.1 unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkErrorKind {
    /// The size line does not start with a hexadecimal digit.
    SizeMissing,
    /// A byte behind the size that is neither a digit, nor an extension, nor CR.
    SizeByte,
    /// More than [`SIZE_DIGITS_MAX`] digits.
    SizeDigits,
    /// The size is 2^63 or more.
    SizeOverflow,
    /// The size line is not ended by CR LF.
    SizeLineEnd,
    /// The size line with its extensions is longer than [`ChunkLimits::size_line_bytes_max`].
    SizeLineLength,
    /// An extension that the grammar of section 7.1.1 does not know.
    Extension,
    /// The data is not followed by CR LF.
    DataEnd,
    /// A trailer line that is no field line (section 7.1.2).
    Trailer,
    /// The trailer section is over [`ChunkLimits::trailer_bytes_max`] or [`ChunkLimits::trailer_fields_max`].
    TrailerLength,
}

impl ChunkErrorKind {
    /// A short stable name for programs, such as `chunk_size_overflow`.
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

    /// What was expected, in words.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::SizeMissing => "expected a hexadecimal chunk size",
            Self::SizeByte => "expected a hexadecimal digit, an extension or CR LF in the chunk-size line",
            Self::SizeDigits => "expected at most 16 digits in a chunk size",
            Self::SizeOverflow => "expected a chunk size below 2^63",
            Self::SizeLineEnd => "expected LF behind the CR that ends a chunk-size line",
            Self::SizeLineLength => "expected the chunk-size line to end within its limit",
            Self::Extension => "expected a chunk extension as RFC 9112 section 7.1.1 writes it",
            Self::DataEnd => "expected CR LF behind the chunk's data",
            Self::Trailer => "expected a trailer field or the empty line that ends the body",
            Self::TrailerLength => "expected the trailer section to end within its limit",
        }
    }
}

/// The coding is broken: what was wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkError {
    /// What was wrong.
    pub kind: ChunkErrorKind,
    /// Where the offending byte lies in the input of the call that met it.
    pub at: usize,
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {} of the input)", self.kind.expected(), self.at)
    }
}

impl core::error::Error for ChunkError {}

/// The place in the grammar. BWS is the optional white space of RFC 9110 section 5.6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the size's first digit, or behind some of its digits.
    Size,
    /// BWS behind the size: only an extension may follow.
    SizeBws,
    /// Behind `;`: BWS, then the extension's name.
    ExtensionStart,
    ExtensionName,
    /// BWS behind the name: `=` or `;` must follow.
    ExtensionNameBws,
    /// Behind `=`: BWS, then a token or a quoted string.
    ExtensionValueStart,
    ExtensionValue,
    ExtensionQuoted,
    ExtensionQuotedPair,
    /// Behind the closing quote.
    ExtensionQuotedEnd,
    /// BWS behind a value: only `;` may follow.
    ExtensionValueBws,
    /// Behind the CR of a size line.
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// Behind the CR of the empty line that ends the body.
    EndLf,
    End,
    /// Broken, as [`ChunkedDecoder::failure`] says.
    Failed,
}

/// The decoder. Sixty-odd bytes of state; feed it with slices cut anywhere.
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    state: State,
    /// Why the coding is broken, once it is.
    failure: ChunkErrorKind,
    /// Digits of the size read so far.
    digits: u8,
    /// In a size line: the size so far. In data: octets still to come.
    size: u64,
    /// ByteCounts of the size line, or of the trailer section, so far.
    line: u32,
    /// Fields of the trailer section so far.
    fields: u32,
    limits: ChunkLimits,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new(ChunkLimits::default())
    }
}

impl ChunkedDecoder {
    /// A decoder at the start of a body.
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

    /// Whether the body is complete: the last chunk and the trailer section's empty line were seen.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// Looks ahead for the end of one chunk and a whole next one of 1 to 16 octets, without extension: where its data
    /// starts, its length, and 16 octets from there. `None` where it is not that simple, or too near the input's end.
    ///
    /// The state behind that chunk's data is the state now, so that taking it needs no call.
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

    /// Reads `input` up to the end of the next run of content octets, or to its own end.
    ///
    /// A size is a promise of the peer, not a fact: nothing is reserved for it.
    ///
    /// # Errors
    /// [`ChunkError`] at the first byte that the grammar does not allow or that passes a limit. Content before that
    /// byte has already been returned. The error is sticky: later calls return it again, with `at` 0.
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
                // No truncation: `here` is at most `input.len()`.
                ChunkSpan::Data(start..start + here as usize)
            }
        })
    }

    /// Reads `input` up to the data of a chunk, and hands all of that over: the next call is for what follows it.
    #[inline(always)]
    pub(crate) fn hand_over(&mut self, input: &[u8]) -> Result<HandOver, ChunkError> {
        let mut start = 0;
        // The usual case: CR LF behind the data, then a size line, each whole in the input.
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

    /// Octet by octet: what is cut, unusual or wrong.
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

    /// Where `byte` leads from here.
    #[inline]
    fn step(&mut self, byte: u8) -> Result<State, ChunkErrorKind> {
        use ChunkErrorKind as Kind;
        match self.state {
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => {
                self.begin_size();
                Ok(State::Size)
            }
            // RFC 9112 7.1: both bytes behind the data are looked at, never searched for.
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
            // Answered by `step_through` before a byte is taken.
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
        // RFC 9112 7.1: a recipient MUST anticipate large sizes and prevent overflow. The limit is 2^63.
        if self.size >= 1 << 59 {
            return Err(ChunkErrorKind::SizeOverflow);
        }
        self.size = self.size << 4 | u64::from(digit);
        Ok(State::Size)
    }

    /// Counts one octet of the size line and goes on to `next`.
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

    /// chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
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

    /// Trailer fields are checked and dropped: never merged, never framing (RFC 9110 section 6.5.1).
    #[cold]
    fn step_trailer(&mut self, byte: u8) -> Result<State, ChunkErrorKind> {
        let next = match self.state {
            // The empty line is no part of the section.
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

/// The size and the length of a size line of up to eight digits, no extension, its CR LF included. `None` for any other,
/// the last chunk's too: [`ChunkedDecoder::step`] decides on those.
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

/// The value of a hexadecimal digit, or 255 for any other byte. A table: digits and letters mix at random in sizes,
/// and a branch between them would mispredict.
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
