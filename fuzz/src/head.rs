//! The head decoder: the same result with and without cuts, and the same as a simple reference
//! decoder.

use arbitrary::Arbitrary;
use powerstream_core::http::{HeadDecoder, HeadErrorKind, HeadLimits, ResponseHead};

use crate::shared::reference_decoder::{self, HeadStop};
use crate::shared::{Reads, arbitrary};

/// Raw bytes after fields of fixed size, so that a seed can be written by hand.
#[derive(Arbitrary, Debug)]
struct Input<'a> {
    reads: Reads,
    room: u16,
    bytes_max: u16,
    fields_max: u8,
    interim_max: u8,
    wire: &'a [u8],
}

/// The head and its length, the error and its offset, or `None` if the head is incomplete.
type Answer = Result<Option<(ResponseHead, usize)>, (HeadErrorKind, usize)>;

/// Checks one input.
pub fn run(input: &[u8]) {
    if let Some(input) = arbitrary(input) {
        check(&input);
    }
}

fn check(input: &Input<'_>) {
    let mut limits = HeadLimits::default();
    limits.bytes_max = usize::from(input.bytes_max);
    limits.fields_max = usize::from(input.fields_max);
    limits.interim_max = u32::from(input.interim_max);
    let room = usize::from(input.room);
    let whole = decode(limits, room, vec![input.wire]);
    assert_eq!(decode(limits, room, input.reads.pieces(input.wire)), whole, "cut");
    match (whole, reference_decoder::head(input.wire, limits, room)) {
        (Ok(Some((head, end))), Ok(want)) => assert_eq!(
            (head.status, head.framing, head.unreadable, end),
            (want.status, want.framing, want.unreadable, want.end)
        ),
        (Ok(None), Err(HeadStop::Cut(_))) => {}
        (Err(error), Err(HeadStop::Refused(kind, at))) => assert_eq!(error, (kind, at)),
        (seen, _) => panic!("the reference decoder disagrees with {seen:?}"),
    }
}

fn decode(limits: HeadLimits, room: usize, pieces: Vec<&[u8]>) -> Answer {
    let mut decoder = HeadDecoder::new(limits);
    let mut storage = vec![b'\n'; room];
    let mut before = 0;
    for piece in pieces {
        let (consumed, result) = decoder.decode(piece, &mut storage);
        match result {
            Ok(Some(head)) => return Ok(Some((head, before + consumed))),
            Ok(None) => assert_eq!(consumed, piece.len()),
            Err(error) => return Err((error.kind, before + error.at)),
        }
        before += piece.len();
    }
    Ok(None)
}
