//! Engines that read the wire: floors, Powerstream's connection in several configurations, and
//! alternatives.

use std::hint::black_box;

use powerstream_core::stream::{Connection, ConnectionConfig, ConnectionEvent, classify};
use powerstream_core::time::Instant;

use crate::wire::Wire;

/// The result of a pass over the wire, to compare with the expected one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Messages, including keep-alives. For a floor, the LFs on the wire.
    pub lines: usize,
    /// The bytes of these messages. For a floor, the bytes of the wire.
    pub bytes: usize,
}

/// An engine between passes. It keeps its state, as on an endless stream.
pub trait Pass {
    /// Reads all of `wire` once.
    fn pass(&mut self, wire: &Wire) -> Found;
}

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
        start: || Box::new(Powerstream::new(None, skim)),
        expected: lines,
    },
    Engine {
        name: "powerstream, 64 KiB buffer",
        start: || Box::new(Powerstream::new(Some(64 << 10), skim)),
        expected: lines,
    },
    Engine {
        name: "powerstream, 16 KiB buffer",
        start: || Box::new(Powerstream::new(Some(16 << 10), skim)),
        expected: lines,
    },
    Engine {
        name: "powerstream decode, 16 KiB buffer",
        start: || Box::new(PowerstreamDecode(Powerstream::new(Some(16 << 10), skim))),
        expected: lines,
    },
    Engine {
        name: "powerstream, 16 KiB buffer, classified",
        start: || Box::new(Powerstream::new(Some(16 << 10), read_kind_and_id)),
        expected: lines,
    },
    Engine { name: "httparse + memchr", start: || Box::new(Httparse::new(64 << 10, skim)), expected: lines },
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

/// Touches a message without reading it, to measure framing alone.
fn skim(message: &[u8]) {
    black_box(message.as_ptr());
}

/// Reads the kind of a message and the id of a Post.
fn read_kind_and_id(message: &[u8]) {
    black_box(classify(message));
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

/// The connection, with a read buffer (`Some`) or with the wire as its input. `sink` receives each
/// message.
struct Powerstream<F> {
    connection: Connection<Vec<u8>>,
    buffer: Option<Vec<u8>>,
    now: u64,
    sink: F,
}

impl<F: FnMut(&[u8])> Powerstream<F> {
    fn new(buffer: Option<usize>, sink: F) -> Self {
        let mut connection = Connection::new(vec![0; 1 << 20], ConnectionConfig::default());
        connection.handle_connected(Instant::ZERO);
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (consumed, event) = connection.decode(head, Instant::ZERO);
        assert!(consumed == head.len() && matches!(event, Ok(Some(ConnectionEvent::Head(_)))));
        Self { connection, buffer: buffer.map(|bytes| vec![0; bytes]), now: 0, sink }
    }
}

impl<F: FnMut(&[u8])> Pass for Powerstream<F> {
    fn pass(&mut self, wire: &Wire) -> Found {
        let mut found = Found::default();
        let Self { connection, buffer, now, sink } = self;
        match buffer {
            Some(buffer) => wire.for_each_read(buffer.len(), |read| {
                buffer[..read.len()].copy_from_slice(read);
                black_box(&mut *buffer);
                *now += 1;
                drain(connection, &buffer[..read.len()], Instant::from_nanos(*now), &mut found, sink);
            }),
            None => wire.for_each_read(usize::MAX, |read| {
                *now += 1;
                drain(connection, read, Instant::from_nanos(*now), &mut found, sink);
            }),
        }
        found
    }
}

#[inline]
fn drain(
    connection: &mut Connection<Vec<u8>>,
    mut input: &[u8],
    now: Instant,
    found: &mut Found,
    sink: &mut impl FnMut(&[u8]),
) {
    loop {
        let (consumed, raw) = connection.scan(input, now);
        let Some(raw) = raw.expect("the wire is well-formed") else { return };
        match connection.lend(raw, input) {
            ConnectionEvent::Message(message) => {
                found.lines += 1;
                found.bytes += message.len();
                sink(message);
            }
            ConnectionEvent::KeepAlive => found.lines += 1,
            event => panic!("unexpected: {event:?}"),
        }
        input = &input[consumed..];
    }
}

/// The same with `decode` and a buffer.
struct PowerstreamDecode<F>(Powerstream<F>);

impl<F: FnMut(&[u8])> Pass for PowerstreamDecode<F> {
    fn pass(&mut self, wire: &Wire) -> Found {
        let mut found = Found::default();
        let Powerstream { connection, buffer, now, sink } = &mut self.0;
        let buffer = buffer.as_mut().expect("this engine has a buffer");
        wire.for_each_read(buffer.len(), |read| {
            buffer[..read.len()].copy_from_slice(read);
            black_box(&mut *buffer);
            *now += 1;
            let mut input = &buffer[..read.len()];
            loop {
                let (consumed, event) = connection.decode(input, Instant::from_nanos(*now));
                match event.expect("the wire is well-formed") {
                    Some(ConnectionEvent::Message(message)) => {
                        found.lines += 1;
                        found.bytes += message.len();
                        sink(message);
                    }
                    Some(ConnectionEvent::KeepAlive) => found.lines += 1,
                    Some(event) => panic!("unexpected: {event:?}"),
                    None => break,
                }
                input = &input[consumed..];
            }
        });
        found
    }
}

/// A decoder as a careful programmer would write it, with `httparse::parse_chunk_size` and memchr.
/// A line that is complete in a chunk is delivered from the read buffer. A cut line is gathered in
/// a `Vec`, and a cut size line is kept.
struct Httparse<F> {
    /// The rest of the last read (a cut size line), followed by the new read.
    buffer: Vec<u8>,
    filled: usize,
    /// The remaining bytes of the chunk, and the remaining bytes of its CR LF.
    left: usize,
    line_end: usize,
    line: Vec<u8>,
    sink: F,
}

impl<F: FnMut(&[u8])> Httparse<F> {
    fn new(buffer: usize, sink: F) -> Self {
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

impl<F: FnMut(&[u8])> Pass for Httparse<F> {
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
    use crate::posts;
    use crate::wire::{READ_SIZES, SHAPES};

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
