//! The framer with content in any runs: the messages of the reference decoder, in their order.

use arbitrary::Arbitrary;
use powerstream_core::stream::{Frame, Framer, MessagePlace};

use crate::shared::event_log::OwnedEvent;
use crate::shared::{Reads, arbitrary, reference_decoder};

/// Raw bytes after fields of fixed size, so that a seed can be written by hand.
#[derive(Arbitrary, Debug)]
struct Input<'a> {
    reads: Reads,
    limit: u8,
    /// The bytes before and after the content in each input.
    margin: u8,
    content: &'a [u8],
}

/// Longer content is cut off.
const CONTENT_BYTES_MAX: usize = 256;

/// Checks one input.
pub fn run(input: &[u8]) {
    if let Some(input) = arbitrary(input) {
        check(&input);
    }
}

fn check(input: &Input<'_>) {
    let limit = usize::from(input.limit);
    // The limit is at most 255 bytes, so more content only repeats what less of it does.
    let content = &input.content[..input.content.len().min(CONTENT_BYTES_MAX)];
    let (want, rest) = reference_decoder::messages(content, limit);
    let want = (want, rest.len() as u64);
    let cut = frames(input.reads.pieces(content), limit, usize::from(input.margin % 4));
    assert_eq!(cut, want, "cut: {}", content.escape_ascii());
    assert_eq!(frames(vec![content], limit, 0), want, "whole: {}", content.escape_ascii());
}

/// Returns the frames, and the bytes of the unfinished message.
fn frames(runs: Vec<&[u8]>, limit: usize, margin: usize) -> (Vec<OwnedEvent>, u64) {
    let mut framer = Framer::new(limit);
    let mut storage = vec![b'\n'; limit + 1];
    let mut seen = Vec::new();
    let mut input = Vec::new();
    for run in runs {
        input.clear();
        input.resize(margin, b'\n');
        input.extend_from_slice(run);
        input.resize(input.len() + margin, b'\n');
        let (mut start, end) = (margin, margin + run.len());
        loop {
            let (consumed, frame) = framer.next(&input, start..end, &mut storage);
            start += consumed;
            let Some(frame) = frame else { break };
            assert!(consumed > 0 && start <= end);
            seen.push(match frame {
                Frame::Message(MessagePlace::Input { start: from, end: to }) => {
                    assert!(margin <= from && to <= start);
                    OwnedEvent::Message(input[from..to].to_vec())
                }
                Frame::Message(MessagePlace::Storage { length }) => {
                    OwnedEvent::Message(storage[..length].to_vec())
                }
                Frame::KeepAlive => OwnedEvent::KeepAlive,
                Frame::Skipped { bytes } => OwnedEvent::Skipped(bytes),
                other => unreachable!("unknown frame: {other:?}"),
            });
        }
        assert_eq!(start, end, "no frame, but content left");
    }
    (seen, framer.unfinished())
}
