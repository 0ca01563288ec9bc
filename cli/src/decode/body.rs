//! `--body`: the bytes of the content, up to the first error, and nothing else.
//!
//! The framer is not used, because it would hold back an incomplete message.

use std::io::{self, Write};

use powerstream_core::http::{Body, ChunkLimits, ChunkSpan, HeadDecoder, HeadLimits};
use powerstream_core::stream::ConnectionErrorKind;

use super::ending::{Ending, Trail, TransportError};
use super::mode::Mode;

enum Phase {
    Head(HeadDecoder),
    /// In the body. Has the length of the head in bytes.
    Body(Body, u64),
    /// After the end of the body. Further bytes are not part of the response.
    Complete,
}

pub(super) struct BodyBytes {
    phase: Phase,
    head: Vec<u8>,
    trail: Trail,
}

impl BodyBytes {
    pub(super) fn new() -> Self {
        let limits = HeadLimits::default();
        Self {
            phase: Phase::Head(HeadDecoder::new(limits)),
            head: vec![0; limits.bytes_max],
            trail: Trail::default(),
        }
    }
}

impl Mode for BodyBytes {
    fn take(&mut self, input: &[u8], output: &mut dyn Write) -> io::Result<Option<TransportError>> {
        let mut at = 0;
        if let Phase::Head(decoder) = &mut self.phase {
            match decoder.decode(input, &mut self.head) {
                (_, Ok(None)) => at = input.len(),
                (consumed, Ok(Some(head))) => {
                    at = consumed;
                    let bytes = self.trail.offset + consumed as u64;
                    self.phase = Phase::Body(Body::new(head.framing, ChunkLimits::default()), bytes);
                }
                (_, Err(error)) => {
                    let offset = self.trail.offset + error.at as u64;
                    return Ok(Some(self.trail.fault(
                        ConnectionErrorKind::Head(error.kind),
                        offset,
                        0,
                        input,
                    )));
                }
            }
        }
        // Also without input: an empty body ends right after its head.
        while let Phase::Body(body, head) = &mut self.phase {
            match body.decode(&input[at..]) {
                Ok(ChunkSpan::Data(range)) => {
                    output.write_all(&input[at + range.start..at + range.end])?;
                    at += range.end;
                }
                Ok(ChunkSpan::NeedInput) => break,
                Ok(ChunkSpan::End(_)) => self.phase = Phase::Complete,
                Err(error) => {
                    let offset = self.trail.offset + (at + error.at) as u64;
                    return Ok(Some(self.trail.fault(
                        ConnectionErrorKind::Chunk(error.kind),
                        offset,
                        *head,
                        input,
                    )));
                }
            }
        }
        self.trail.push(input);
        Ok(None)
    }

    fn skip_head(&mut self, _status: u16, bytes: u64, _output: &mut dyn Write) -> io::Result<()> {
        self.trail.skip(bytes);
        Ok(())
    }

    fn close(&mut self, _output: &mut dyn Write) -> io::Result<Ending> {
        Ok(match &self.phase {
            Phase::Head(_) => Ending::CutInHead(self.trail.received()),
            Phase::Body(body, _) if !body.may_end_here() => Ending::Cut(self.trail.received()),
            Phase::Body(..) | Phase::Complete => Ending::Complete,
        })
    }
}
