//! Code that the targets share with each other and with the core's own tests: the oracle and the
//! observer.
#![allow(dead_code, reason = "each target uses a part of it")]

#[path = "../../core/tests/it/common/event_log.rs"]
pub(crate) mod event_log;
#[path = "../../core/tests/it/common/reference_decoder.rs"]
pub(crate) mod reference_decoder;

use arbitrary::{Arbitrary, Unstructured};

/// Returns the structured input that the bytes encode, or `None` if they are too few.
pub(crate) fn arbitrary<'a, T: Arbitrary<'a>>(input: &'a [u8]) -> Option<T> {
    T::arbitrary_take_rest(Unstructured::new(input)).ok()
}

/// How the input is cut into reads: these lengths, repeated. 0 is an empty read.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) struct Reads([u8; 4]);

impl Reads {
    pub(crate) fn pieces<'a>(&self, wire: &'a [u8]) -> Vec<&'a [u8]> {
        if self.0 == [0; 4] {
            return vec![wire];
        }
        let mut pieces = Vec::new();
        let mut rest = wire;
        for length in self.0.iter().cycle() {
            let (piece, behind) = rest.split_at(rest.len().min(usize::from(*length)));
            pieces.push(piece);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        pieces
    }
}
