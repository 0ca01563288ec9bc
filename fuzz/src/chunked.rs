//! The chunked decoder, with any cuts, compared with a simple reference decoder.

use arbitrary::Arbitrary;
use powerstream_core::http::{ChunkLimits, ChunkSpan, ChunkedDecoder};

use crate::shared::reference_decoder::{self, BodyEnd, Chunked};
use crate::shared::{Reads, arbitrary};

/// Raw bytes after fields of fixed size, so that a seed can be written by hand.
#[derive(Arbitrary, Debug)]
struct Input<'a> {
    reads: Reads,
    size_line_bytes_max: u8,
    trailer_bytes_max: u8,
    trailer_fields_max: u8,
    wire: &'a [u8],
}

/// Checks one input.
pub fn run(input: &[u8]) {
    if let Some(input) = arbitrary(input) {
        check(&input);
    }
}

fn check(input: &Input<'_>) {
    let mut limits = ChunkLimits::default();
    limits.size_line_bytes_max = u32::from(input.size_line_bytes_max);
    limits.trailer_bytes_max = u32::from(input.trailer_bytes_max);
    limits.trailer_fields_max = u32::from(input.trailer_fields_max);
    let want = reference_decoder::chunked(input.wire, limits);
    let got = decode(limits, input.reads.pieces(input.wire));
    assert_eq!(got, want, "cut");
    assert_eq!(decode(limits, vec![input.wire]), want, "whole");
    agrees_with_httparse(input.wire, &want);
}

/// Checks the first chunk against the chunk-size parser of httparse, which is more lenient.
fn agrees_with_httparse(wire: &[u8], want: &Chunked) {
    let accepted = !want.content.is_empty() || matches!(want.end, BodyEnd::Complete(_));
    match httparse::parse_chunk_size(wire) {
        Ok(httparse::Status::Complete((start, size))) if accepted => {
            let data = &wire[start..];
            let first = usize::try_from(size).map_or(data.len(), |size| size.min(data.len()));
            assert!(want.content.starts_with(&data[..first]));
            assert_eq!(size == 0, want.content.is_empty());
        }
        other => assert!(!accepted, "httparse reads {other:?}"),
    }
}

fn decode(limits: ChunkLimits, pieces: Vec<&[u8]>) -> Chunked {
    let mut decoder = ChunkedDecoder::new(limits);
    let mut content = Vec::new();
    let mut before = 0;
    for piece in pieces {
        let mut at = 0;
        loop {
            match decoder.decode(&piece[at..]) {
                Ok(ChunkSpan::Data(range)) => {
                    assert!(!range.is_empty());
                    content.extend_from_slice(&piece[at..][range.clone()]);
                    at += range.end;
                }
                Ok(ChunkSpan::NeedInput) => break,
                Ok(ChunkSpan::End(consumed)) => {
                    assert_eq!(decoder.decode(piece), Ok(ChunkSpan::End(0)));
                    return Chunked { content, end: BodyEnd::Complete(before + at + consumed) };
                }
                Err(error) => {
                    let again = decoder.decode(piece).map_err(|error| (error.kind, error.at));
                    assert_eq!(again, Err((error.kind, 0)));
                    return Chunked { content, end: BodyEnd::Broken(error.kind, before + at + error.at) };
                }
            }
        }
        before += piece.len();
    }
    Chunked { content, end: BodyEnd::Cut }
}
