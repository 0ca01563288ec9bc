//! Where the body ends (RFC 9112 section 6.3), behind one decoder.

use super::chunked::{ChunkError, ChunkLimits, ChunkSpan, ChunkedDecoder, HandOver};

/// How the end of a response's body is found: decided once by the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyFraming {
    /// There is no body, whatever the fields say: 204, 304 (rule 1).
    Empty,
    /// The chunked transfer coding (rule 4).
    Chunked,
    /// This many octets, below 2^63 (rule 6).
    Length(u64),
    /// Until the server closes the connection (rule 8). A warning sign on a stream: an end cannot be told from a cut.
    UntilClose,
}

/// Decodes a body whose end is found in any of the ways of [`BodyFraming`].
///
/// This is the seam between transfer framing and content: everything behind it sees content octets only, so that a
/// content decoder with storage of its own can stand between the two.
#[derive(Clone, Debug)]
pub struct Body(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Chunked(ChunkedDecoder),
    Length(u64),
    UntilClose,
}

impl Body {
    /// A decoder at the start of a body framed as `framing` says.
    #[must_use]
    pub const fn new(framing: BodyFraming, limits: ChunkLimits) -> Self {
        Self(match framing {
            BodyFraming::Empty => Kind::Length(0),
            BodyFraming::Chunked => Kind::Chunked(ChunkedDecoder::new(limits)),
            BodyFraming::Length(length) => Kind::Length(length),
            BodyFraming::UntilClose => Kind::UntilClose,
        })
    }

    /// Whether all of the body was seen. Never true of one that ends when the connection closes.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        match &self.0 {
            Kind::Chunked(decoder) => decoder.is_complete(),
            Kind::Length(left) => *left == 0,
            Kind::UntilClose => false,
        }
    }

    /// Whether a close of the connection here is the body's regular end, rather than a cut (RFC 9112 section 8).
    #[must_use]
    pub const fn may_end_here(&self) -> bool {
        self.is_complete() || matches!(self.0, Kind::UntilClose)
    }

    /// Reads `input` up to the end of the next run of content octets, or to its own end; see [`ChunkedDecoder::decode`].
    ///
    /// # Errors
    /// [`ChunkError`] where the chunked coding is broken; sticky.
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

    /// Reads `input` up to where content begins, and hands all of that run over: the caller counts its octets, which
    /// may be more than the input holds. Until it has seen them all it makes no other call.
    #[inline(always)]
    pub(crate) fn hand_over(&mut self, input: &[u8]) -> Result<HandOver, ChunkError> {
        let length = match &mut self.0 {
            Kind::Chunked(decoder) => return decoder.hand_over(input),
            Kind::Length(left) => core::mem::take(left),
            Kind::UntilClose => u64::MAX,
        };
        Ok(if length == 0 { HandOver::End(0) } else { HandOver::Content { start: 0, length } })
    }

    /// Whether all octets of a length were handed over: such a body ends with its last octet, not behind it.
    #[inline(always)]
    pub(crate) const fn is_length_reached(&self) -> bool {
        matches!(self.0, Kind::Length(0))
    }

    /// The chunked decoder, where that is what finds the end.
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
    fn empty_body_is_complete_immediately() {
        let mut body = Body::new(BodyFraming::Empty, ChunkLimits::default());
        assert!(body.is_complete());
        assert_eq!(body.decode(b"left over"), Ok(ChunkSpan::End(0)));
    }
}
