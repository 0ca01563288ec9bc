//! Finds the end of a response body (RFC 9112 section 6.3), for every kind of framing.

use super::chunked::{ChunkError, ChunkLimits, ChunkSpan, ChunkedDecoder, HandOver};

/// How the end of a response's body is determined. The response head decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyFraming {
    /// The response has no body, regardless of its fields: status 204 or 304 (rule 1).
    Empty,
    /// The chunked transfer coding determines the end (rule 4).
    Chunked,
    /// The body has this many bytes, fewer than 2^63 (rule 6).
    Length(u64),
    /// The body ends when the server closes the connection (rule 8). Suspicious on a stream: a
    /// regular end and a cut look the same.
    UntilClose,
}

/// Decodes a body with any [`BodyFraming`].
///
/// It separates transfer framing from content: code that uses it receives content bytes only. A
/// content decoder with its own storage could be inserted after it.
#[derive(Clone, Debug)]
pub struct Body(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Chunked(ChunkedDecoder),
    Length(u64),
    UntilClose,
}

impl Body {
    /// Creates a decoder at the start of a body with this framing.
    #[must_use]
    pub const fn new(framing: BodyFraming, limits: ChunkLimits) -> Self {
        Self(match framing {
            BodyFraming::Empty => Kind::Length(0),
            BodyFraming::Chunked => Kind::Chunked(ChunkedDecoder::new(limits)),
            BodyFraming::Length(length) => Kind::Length(length),
            BodyFraming::UntilClose => Kind::UntilClose,
        })
    }

    /// Returns true if the whole body has been decoded. Always false for
    /// [`BodyFraming::UntilClose`].
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        match &self.0 {
            Kind::Chunked(decoder) => decoder.is_complete(),
            Kind::Length(left) => *left == 0,
            Kind::UntilClose => false,
        }
    }

    /// Returns true within a line of the chunked coding that has begun and not ended.
    pub(crate) const fn is_in_line(&self) -> bool {
        matches!(&self.0, Kind::Chunked(decoder) if decoder.is_in_line())
    }

    /// Returns true if closing the connection now ends the body regularly, and does not cut it (RFC
    /// 9112 section 8).
    #[must_use]
    pub const fn may_end_here(&self) -> bool {
        self.is_complete() || matches!(self.0, Kind::UntilClose)
    }

    /// Reads `input` up to the end of the next range of content bytes, or to the end of `input`;
    /// see [`ChunkedDecoder::decode`].
    ///
    /// # Errors
    ///
    /// Returns [`ChunkError`] if the chunked coding is invalid. All later calls return the error
    /// again.
    #[inline]
    pub fn decode(&mut self, input: &[u8]) -> Result<ChunkSpan, ChunkError> {
        match &mut self.0 {
            Kind::Chunked(decoder) => decoder.decode(input),
            Kind::Length(0) => Ok(ChunkSpan::End(0)),
            Kind::UntilClose | Kind::Length(_) if input.is_empty() => Ok(ChunkSpan::NeedInput),
            Kind::Length(left) => {
                let length = (input.len() as u64).min(*left);
                *left -= length;
                Ok(ChunkSpan::Data(0..length as usize))
            }
            Kind::UntilClose => Ok(ChunkSpan::Data(0..input.len())),
        }
    }

    /// Reads `input` up to the start of content, and returns the length of that content. The
    /// content may extend beyond `input`; the caller counts its bytes, and calls again only after
    /// all of them.
    #[inline(always)]
    pub(crate) fn hand_over(&mut self, input: &[u8]) -> Result<HandOver, ChunkError> {
        let length = match &mut self.0 {
            Kind::Chunked(decoder) => return decoder.hand_over(input),
            Kind::Length(left) => core::mem::take(left),
            Kind::UntilClose => u64::MAX,
        };
        Ok(if length == 0 { HandOver::End(0) } else { HandOver::Content { start: 0, length } })
    }

    /// Returns true if all bytes of a body of known length were handed over. Such a body ends with
    /// its last byte, without a further mark.
    #[inline(always)]
    pub(crate) const fn is_length_reached(&self) -> bool {
        matches!(self.0, Kind::Length(0))
    }

    /// Returns the chunked decoder, if the body uses the chunked coding.
    #[inline(always)]
    pub(crate) const fn chunked(&mut self) -> Option<&mut ChunkedDecoder> {
        match &mut self.0 {
            Kind::Chunked(decoder) => Some(decoder),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunked::SHORT_CHUNK_WINDOW;
    use super::*;

    #[test]
    fn body_with_a_length_ends_there_and_leaves_the_rest() {
        let mut body = Body::new(BodyFraming::Length(5), ChunkLimits::default());
        assert_eq!(body.decode(b"hel"), Ok(ChunkSpan::Data(0..3)));
        assert!(!body.may_end_here());
        assert_eq!(body.decode(b"lo, world"), Ok(ChunkSpan::Data(0..2)));
        assert!(body.is_complete());
        assert_eq!(body.decode(b", world"), Ok(ChunkSpan::End(0)));
    }

    #[test]
    fn body_until_close_never_completes_and_may_end_anywhere() {
        let mut body = Body::new(BodyFraming::UntilClose, ChunkLimits::default());
        assert_eq!(body.decode(b"abc"), Ok(ChunkSpan::Data(0..3)));
        assert_eq!(body.decode(b""), Ok(ChunkSpan::NeedInput));
        assert!(!body.is_complete() && body.may_end_here());
    }

    #[test]
    fn data_run_is_returned_once_and_may_exceed_the_input() {
        let new = |framing| Body::new(framing, ChunkLimits::default());
        let mut chunked = new(BodyFraming::Chunked);
        assert_eq!(chunked.hand_over(b"1f4\r\nab"), Ok(HandOver::Content { start: 5, length: 500 }));
        assert_eq!(chunked.hand_over(b"\r"), Ok(HandOver::NeedInput), "what follows the data is next");
        assert_eq!(chunked.hand_over(b"\n5\r\n"), Ok(HandOver::Content { start: 4, length: 5 }));
        assert!(chunked.hand_over(b"\r\n0\r\n\r\n") == Ok(HandOver::End(7)) && chunked.is_complete());

        let mut length = new(BodyFraming::Length(7));
        assert_eq!(length.hand_over(b"ab"), Ok(HandOver::Content { start: 0, length: 7 }));
        assert!(length.is_length_reached() && length.hand_over(b"ab") == Ok(HandOver::End(0)));

        let mut until_close = new(BodyFraming::UntilClose);
        assert_eq!(until_close.hand_over(b"ab"), Ok(HandOver::Content { start: 0, length: u64::MAX }));
        assert!(!until_close.is_length_reached());
    }

    #[test]
    fn is_in_line_from_the_first_byte_of_a_framing_line_to_its_lf() {
        for (input, want) in [
            ("", false),
            ("1", true),
            ("1\r", true),
            ("1;a", true),
            ("1\r\n", false),
            ("1\r\nx", false),
            ("1\r\nx\r", false),
            ("1\r\nx\r\n", false),
            ("1\r\nx\r\n0\r\nA: b", true),
            ("0\r\n\r", true),
            ("0\r\n\r\n", false),
            ("z", false),
        ] {
            let mut body = Body::new(BodyFraming::Chunked, ChunkLimits::default());
            let mut at = 0;
            while let Ok(ChunkSpan::Data(range)) = body.decode(&input.as_bytes()[at..]) {
                at += range.end;
            }
            assert_eq!(body.is_in_line(), want, "{input:?}");
        }
    }

    #[test]
    fn peeks_a_complete_chunk_of_1_to_16_bytes() {
        let mut body = Body::new(BodyFraming::Chunked, ChunkLimits::default());
        assert_eq!(body.decode(b"1\r\nx"), Ok(ChunkSpan::Data(3..4)));
        let decoder = body.chunked().unwrap();
        for (front, want) in [
            ("\r\n1\r\n", Some((5, 1))),
            ("\r\nF\r\n", Some((5, 15))),
            ("\r\n10\r\n", Some((6, 16))),
            ("\r\n0\r\n", None),
            ("\r\n11\r\n", None),
            ("\r\n1;a\r\n", None),
        ] {
            let mut input = [b'.'; SHORT_CHUNK_WINDOW];
            input[..front.len()].copy_from_slice(front.as_bytes());
            let want = want.map(|(data, length)| (data, length, [b'.'; 16]));
            assert_eq!(decoder.peek_short_chunk(&input), want, "{front:?}");
            assert_eq!(decoder.peek_short_chunk(&input[1..]), None, "near the end of the input");
        }
    }

    #[test]
    fn empty_body_is_complete_immediately() {
        let mut body = Body::new(BodyFraming::Empty, ChunkLimits::default());
        assert!(body.is_complete());
        assert_eq!(body.decode(b"left over"), Ok(ChunkSpan::End(0)));
    }
}
