//! Engines that read the wire: floors, Powerstream's connection in several configurations, and
//! alternatives.

use std::hint::black_box;

use powerstream_workload::framing::{Decoding, Found, Framing, Pass, Sink, classified, skim};
use powerstream_workload::wire::Wire;

/// An engine.
#[derive(Clone, Copy)]
pub struct Engine {
    /// The name in reports and filters.
    pub name: &'static str,
    /// Creates the engine at the start of a body.
    pub start: fn() -> Box<dyn Pass>,
    /// Returns the expected result of a pass.
    pub expected: fn(&Wire) -> Found,
}

/// The engine that other engines are compared with.
pub const FLOOR: &str = "F: memcpy + memchr LF";

/// All engines.
pub const ALL: [Engine; 10] = [
    Engine { name: "floor: memcpy", start: || Box::new(Copy::new(64 << 10)), expected: bytes },
    Engine { name: FLOOR, start: || Box::new(CopyAndSearch::new(64 << 10)), expected: lfs },
    // The floor with the recommended read size of the connection.
    Engine {
        name: "F with reads of 16 KiB at most",
        start: || Box::new(CopyAndSearch::new(16 << 10)),
        expected: lfs,
    },
    // The lower limit for framers if every message is cut, because its pieces must be joined.
    Engine {
        name: "F and a second copy",
        start: || Box::new(CopySearchAndGather::new(64 << 10)),
        expected: lfs,
    },
    Engine {
        name: "powerstream, slices lent",
        start: || Box::new(Framing::new(None, skim())),
        expected: lines,
    },
    Engine {
        name: "powerstream, 64 KiB buffer",
        start: || Box::new(Framing::new(Some(64 << 10), skim())),
        expected: lines,
    },
    Engine {
        name: "powerstream, 16 KiB buffer",
        start: || Box::new(Framing::new(Some(16 << 10), skim())),
        expected: lines,
    },
    Engine {
        name: "powerstream decode, 16 KiB buffer",
        start: || Box::new(Decoding(Framing::new(Some(16 << 10), skim()))),
        expected: lines,
    },
    Engine {
        name: "powerstream, 16 KiB buffer, classified",
        start: || Box::new(Framing::new(Some(16 << 10), classified())),
        expected: lines,
    },
    Engine { name: "httparse + memchr", start: || Box::new(Httparse::new(64 << 10, skim())), expected: lines },
];

fn bytes(wire: &Wire) -> Found {
    Found { lines: 0, bytes: wire.bytes.len() }
}

fn lfs(wire: &Wire) -> Found {
    Found { lines: wire.bytes.iter().filter(|&&byte| byte == b'\n').count(), bytes: wire.bytes.len() }
}

fn lines(wire: &Wire) -> Found {
    Found { lines: wire.messages + wire.keep_alives, bytes: wire.message_bytes }
}

struct Copy(Vec<u8>);

impl Copy {
    fn new(buffer: usize) -> Self {
        Self(vec![0; buffer])
    }
}

impl Pass for Copy {
    fn pass(&mut self, wire: &Wire) -> Found {
        let mut found = Found::default();
        wire.for_each_read(self.0.len(), |read| {
            self.0[..read.len()].copy_from_slice(read);
            black_box(&mut self.0);
            found.bytes += read.len();
        });
        found
    }
}

struct CopyAndSearch(Vec<u8>);

impl CopyAndSearch {
    fn new(buffer: usize) -> Self {
        Self(vec![0; buffer])
    }
}

impl CopyAndSearch {
    #[inline]
    fn read(&mut self, read: &[u8], found: &mut Found) {
        self.0[..read.len()].copy_from_slice(read);
        black_box(&mut self.0);
        let mut rest = &self.0[..read.len()];
        while let Some(lf) = memchr::memchr(b'\n', rest) {
            found.lines += 1;
            rest = &rest[lf + 1..];
        }
        found.bytes += read.len();
    }
}

impl Pass for CopyAndSearch {
    fn pass(&mut self, wire: &Wire) -> Found {
        let mut found = Found::default();
        wire.for_each_read(self.0.len(), |read| self.read(read, &mut found));
        found
    }
}

struct CopySearchAndGather(CopyAndSearch, Vec<u8>);

impl CopySearchAndGather {
    fn new(buffer: usize) -> Self {
        Self(CopyAndSearch::new(buffer), vec![0; buffer])
    }
}

impl Pass for CopySearchAndGather {
    fn pass(&mut self, wire: &Wire) -> Found {
        let Self(floor, gathered) = self;
        let mut found = Found::default();
        let mut filled = 0;
        wire.for_each_read(floor.0.len(), |read| {
            floor.read(read, &mut found);
            // The length of a usual Post, so that the gathered bytes stay in the first-level cache.
            filled = if filled < 4_096 && filled + read.len() <= gathered.len() { filled } else { 0 };
            gathered[filled..filled + read.len()].copy_from_slice(&floor.0[..read.len()]);
            filled += read.len();
            black_box(&mut *gathered);
        });
        found
    }
}

/// A decoder as a careful programmer would write it, with `httparse::parse_chunk_size` and memchr.
/// A line that is complete in a chunk is delivered from the read buffer. A cut line is gathered in
/// a `Vec`, and a cut size line is kept.
struct Httparse {
    /// The rest of the last read (a cut size line), followed by the new read.
    buffer: Vec<u8>,
    filled: usize,
    /// The remaining bytes of the chunk, and the remaining bytes of its CR LF.
    left: usize,
    line_end: usize,
    line: Vec<u8>,
    sink: Sink,
}

impl Httparse {
    fn new(buffer: usize, sink: Sink) -> Self {
        Self { buffer: vec![0; buffer + 64], filled: 0, left: 0, line_end: 0, line: Vec::new(), sink }
    }

    /// Processes the buffer, and returns the number of processed bytes.
    fn read(&mut self, found: &mut Found) -> usize {
        let input = &self.buffer[..self.filled];
        let mut at = 0;
        while at < input.len() {
            if self.left > 0 {
                let end = input.len().min(at + self.left);
                self.left -= end - at;
                while let Some(lf) = memchr::memchr(b'\n', &input[at..end]) {
                    let piece = &input[at..at + lf + 1];
                    let whole = if self.line.is_empty() {
                        piece
                    } else {
                        self.line.extend_from_slice(piece);
                        &self.line
                    };
                    // A bare LF would be part of a message, but the Posts contain none.
                    let message = whole.strip_suffix(b"\r\n").expect("CR LF");
                    found.lines += 1;
                    if !message.is_empty() {
                        found.bytes += message.len();
                        (self.sink)(message);
                    }
                    self.line.clear();
                    at += lf + 1;
                }
                self.line.extend_from_slice(&input[at..end]);
                at = end;
                if self.left == 0 {
                    self.line_end = 2;
                }
            } else if self.line_end > 0 {
                assert_eq!(input[at], b"\r\n"[2 - self.line_end], "CR LF behind a chunk's data");
                self.line_end -= 1;
                at += 1;
            } else {
                match httparse::parse_chunk_size(&input[at..]).expect("a chunk size") {
                    httparse::Status::Complete((consumed, size)) => {
                        at += consumed;
                        self.left = size as usize;
                    }
                    httparse::Status::Partial => break,
                }
            }
        }
        at
    }
}

impl Pass for Httparse {
    fn pass(&mut self, wire: &Wire) -> Found {
        let mut found = Found::default();
        wire.for_each_read(self.buffer.len() - 64, |read| {
            self.buffer[self.filled..self.filled + read.len()].copy_from_slice(read);
            black_box(&mut self.buffer);
            self.filled += read.len();
            let done = self.read(&mut found);
            if done < self.filled {
                self.buffer.copy_within(done..self.filled, 0);
            }
            self.filled -= done;
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use powerstream_workload::posts;
    use powerstream_workload::wire::{READ_SIZES, SHAPES};

    #[test]
    fn every_engine_finds_what_is_there_in_every_shape() {
        let posts = posts::synthetic(40);
        for shape in &SHAPES {
            for reads in READ_SIZES {
                let wire = Wire::new(&posts, shape, reads);
                for engine in &ALL {
                    let mut state = (engine.start)();
                    for pass in 1..=2 {
                        let found = state.pass(&wire);
                        assert_eq!(
                            found,
                            (engine.expected)(&wire),
                            "{} in {}/{reads}, pass {pass}",
                            engine.name,
                            shape.name
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_messages_are_the_posts() {
        let posts = posts::synthetic(20);
        let shape = SHAPES.iter().find(|shape| shape.name == "split").expect("a shape");
        let wire = Wire::new(&posts, shape, READ_SIZES[2]);
        let mut left = posts.iter();
        Powerstream::new(None, |message: &[u8]| assert_eq!(Some(message), left.next().map(Vec::as_slice)))
            .pass(&wire);
        let mut left = posts.iter();
        Httparse::new(4_096, |message: &[u8]| assert_eq!(Some(message), left.next().map(Vec::as_slice)))
            .pass(&wire);
        assert_eq!(left.next(), None);
    }
}
