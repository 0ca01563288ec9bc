//! Engines that read the wire: floors, Powerstream's connection in several configurations, and
//! peers.
//!
//! There is no engine with picohttpparser, because no crate that binds it is maintained.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::hint::black_box;
use std::sync::{Arc, Mutex};

use powerstream_core::read_buffer::{BUFFER_BYTES, ReadBuffer};
use powerstream_workload::framing::{Decoding, Found, Framing, Lent, Pass, Sink, classified};
use powerstream_workload::wire::Wire;

use crate::memory_peers::{Hyper, Ureq, UreqProto};

/// An engine.
#[derive(Clone, Copy)]
pub struct Engine {
    /// The name in reports and filters.
    pub name: &'static str,
    /// Creates the engine at the start of a body. Floors ignore the sink.
    pub start: fn(Sink) -> Box<dyn Pass>,
    /// What it finds.
    pub finds: Finds,
}

/// What an engine finds on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finds {
    /// The number of bytes.
    Bytes,
    /// The LFs of everything.
    Lfs,
    /// Messages and keep-alives.
    Lines,
}

/// The engine that other engines are compared with.
pub const FLOOR: &str = "F: memcpy + memchr LF";
/// Our engine in the configuration that the runtimes use.
pub const OURS: &str = "powerstream";
/// Our engine, which also classifies each message.
pub const CLASSIFIED: &str = "powerstream and `classify`";
/// hyper as its documentation uses it.
pub const HYPER: &str = "hyper, spawned, memchr";
/// The fastest peer.
pub const HTTPARSE: &str = "httparse by hand, memchr";

/// All engines.
pub const ALL: [Engine; 15] = [
    Engine { name: FLOOR, start: |_| Box::new(CopyAndSearch::new(64 << 10)), finds: Finds::Lfs },
    Engine { name: "memcpy only", start: |_| Box::new(Copy::new(64 << 10)), finds: Finds::Bytes },
    // The floor with the recommended read size of the connection.
    Engine {
        name: "F, reads of at most 16 KiB",
        start: |_| Box::new(CopyAndSearch::new(16 << 10)),
        finds: Finds::Lfs,
    },
    // What remains of a framer that joins the pieces of a cut message if it does not understand
    // chunks, with and without a copy of each read.
    Engine {
        name: "F, cut lines joined",
        start: |_| Box::new(JoinCut::new(Some(16 << 10))),
        finds: Finds::Lfs,
    },
    Engine {
        name: "bytes lent, searched, cut lines joined",
        start: |_| Box::new(JoinCut::new(None)),
        finds: Finds::Lfs,
    },
    // The same for a framer that reads behind a cut message instead of joining its pieces.
    Engine {
        name: "F, reads behind cut lines",
        start: |_| Box::new(CopyBehindCut(ReadBuffer::new(vec![0; BUFFER_BYTES]))),
        finds: Finds::Lfs,
    },
    Engine { name: "powerstream, bytes lent", start: |sink| Box::new(Lent::new(sink)), finds: Finds::Lines },
    Engine { name: OURS, start: |sink| Box::new(Framing::new(sink)), finds: Finds::Lines },
    Engine {
        name: "powerstream, `decode`",
        start: |sink| Box::new(Decoding::new(sink)),
        finds: Finds::Lines,
    },
    Engine { name: CLASSIFIED, start: |sink| Box::new(Framing::new(classified(sink))), finds: Finds::Lines },
    Engine { name: HTTPARSE, start: |sink| Box::new(Httparse::new(64 << 10, sink)), finds: Finds::Lines },
    Engine { name: "ureq-proto, memchr", start: |sink| Box::new(UreqProto::new(sink)), finds: Finds::Lines },
    Engine { name: "ureq, read_until", start: |sink| Box::new(Ureq::new(sink)), finds: Finds::Lines },
    Engine { name: HYPER, start: |sink| Box::new(Hyper::frames(sink)), finds: Finds::Lines },
    Engine { name: "hyper, LinesCodec", start: |sink| Box::new(Hyper::codec(sink)), finds: Finds::Lines },
];

impl Engine {
    /// Returns the expected result of a pass.
    #[must_use]
    pub fn expected(&self, wire: &Wire) -> Found {
        let bytes = wire.bytes.len();
        match self.finds {
            Finds::Bytes => Found { lines: 0, bytes },
            Finds::Lfs => Found { lines: wire.bytes.iter().filter(|&&byte| byte == b'\n').count(), bytes },
            Finds::Lines => Found { lines: wire.messages + wire.keep_alives, bytes: wire.message_bytes },
        }
    }

    /// Runs the engine twice, and compares the number of messages and the hash of their bytes with
    /// those of the wire.
    ///
    /// # Panics
    /// If they differ.
    pub fn verify(&self, wire: &Wire) {
        let hash = Arc::new(Mutex::new(MessageHash::default()));
        let shared = hash.clone();
        let sink = Box::new(move |message: &[u8]| shared.lock().expect("no panic").add(message));
        let mut state = (self.start)(sink);
        let mut expected = MessageHash::default();
        for pass in 1..=2 {
            assert_eq!(state.pass(wire), self.expected(wire), "{}, pass {pass}", self.name);
            wire.contents().for_each(|message| expected.add(message));
        }
        if self.finds == Finds::Lines {
            assert!(*hash.lock().expect("no panic") == expected, "{}: other messages than sent", self.name);
        }
    }
}

/// The number and the hash of messages.
#[derive(Clone, Debug, Default)]
pub struct MessageHash {
    /// The number.
    pub count: usize,
    hasher: DefaultHasher,
}

impl MessageHash {
    /// Adds a message.
    pub fn add(&mut self, message: &[u8]) {
        self.count += 1;
        message.hash(&mut self.hasher);
    }
}

impl PartialEq for MessageHash {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.hasher.finish() == other.hasher.finish()
    }
}

/// Finds lines in pieces of a body, as a careful programmer would: a line within a piece is
/// delivered from it, a cut one is gathered.
#[derive(Debug, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Calls `deliver` with each line that `piece` ends, without its CR LF. A bare LF also ends a
    /// line; the Posts contain none.
    #[inline]
    pub fn push(&mut self, mut piece: &[u8], mut deliver: impl FnMut(&[u8])) {
        let content = |line: &[u8]| line.strip_suffix(b"\r").map_or(line.len(), <[u8]>::len);
        while let Some(lf) = memchr::memchr(b'\n', piece) {
            let (line, rest) = (&piece[..lf], &piece[lf + 1..]);
            if self.0.is_empty() {
                deliver(&line[..content(line)]);
            } else {
                self.0.extend_from_slice(line);
                deliver(&self.0[..content(&self.0)]);
                self.0.clear();
            }
            piece = rest;
        }
        self.0.extend_from_slice(piece);
    }
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

impl Pass for CopyAndSearch {
    fn pass(&mut self, wire: &Wire) -> Found {
        let mut found = Found::default();
        wire.for_each_read(self.0.len(), |read| {
            self.0[..read.len()].copy_from_slice(read);
            black_box(&mut self.0);
            let mut rest = &self.0[..read.len()];
            while let Some(lf) = memchr::memchr(b'\n', rest) {
                found.lines += 1;
                rest = &rest[lf + 1..];
            }
            found.bytes += read.len();
        });
        found
    }
}

/// Copies the pieces of each line that a read cuts to one place, and searches every read for LF.
/// Does not understand chunks.
struct JoinCut {
    /// The copy of a read. `None`: the bytes of the read are lent.
    buffer: Option<Vec<u8>>,
    joined: Vec<u8>,
    /// The bytes of the unfinished line, at the start of `joined`.
    length: usize,
}

impl JoinCut {
    /// The length of `joined`. Longer lines do not occur.
    const LINE_MAX: usize = 1 << 20;

    fn new(buffer: Option<usize>) -> Self {
        Self { buffer: buffer.map(|bytes| vec![0; bytes]), joined: vec![0; Self::LINE_MAX], length: 0 }
    }
}

impl Pass for JoinCut {
    fn pass(&mut self, wire: &Wire) -> Found {
        let Self { buffer, joined, length } = self;
        let mut found = Found::default();
        let mut join = |read: &[u8]| {
            let mut rest = read;
            while let Some(lf) = memchr::memchr(b'\n', rest) {
                if *length > 0 {
                    joined[*length..*length + lf].copy_from_slice(&rest[..lf]);
                    black_box(&mut *joined);
                    *length = 0;
                }
                found.lines += 1;
                rest = &rest[lf + 1..];
            }
            if !rest.is_empty() {
                joined[*length..*length + rest.len()].copy_from_slice(rest);
                *length += rest.len();
                black_box(&mut *joined);
            }
            found.bytes += read.len();
        };
        match buffer {
            None => wire.for_each_read(usize::MAX, join),
            Some(buffer) => wire.for_each_read(buffer.len(), |read| {
                buffer[..read.len()].copy_from_slice(read);
                black_box(&mut *buffer);
                join(&buffer[..read.len()]);
            }),
        }
        found
    }
}

/// Reads behind the cut line at the end of the buffer, and searches what is new for LF. Does not
/// understand chunks.
struct CopyBehindCut(ReadBuffer<Vec<u8>>);

impl Pass for CopyBehindCut {
    fn pass(&mut self, wire: &Wire) -> Found {
        let mut found = Found::default();
        wire.for_each_read(usize::MAX, |mut arrived| {
            while !arrived.is_empty() {
                let mut at = self.0.unread();
                let room = self.0.room();
                let (read, later) = arrived.split_at(arrived.len().min(room.len()));
                arrived = later;
                room[..read.len()].copy_from_slice(read);
                black_box(room);
                self.0.handle_read(read.len());
                let input = self.0.input();
                let mut start = 0;
                while let Some(lf) = memchr::memchr(b'\n', &input[at..]) {
                    found.lines += 1;
                    at += lf + 1;
                    start = at;
                }
                self.0.consume(start);
                assert!(self.0.leave(), "no line takes half of the buffer");
                found.bytes += read.len();
            }
        });
        found
    }
}

/// A decoder as a careful programmer would write it, with `httparse::parse_chunk_size`.
struct Httparse {
    /// The rest of the last read (a cut size line), followed by the new read.
    buffer: Vec<u8>,
    filled: usize,
    /// The remaining bytes of the chunk, and the remaining bytes of its CR LF.
    left: usize,
    line_end: usize,
    lines: Lines,
    sink: Sink,
}

impl Httparse {
    fn new(buffer: usize, sink: Sink) -> Self {
        Self { buffer: vec![0; buffer + 64], filled: 0, left: 0, line_end: 0, lines: Lines::default(), sink }
    }

    /// Processes the buffer, and returns the number of processed bytes.
    fn read(&mut self, found: &mut Found) -> usize {
        let input = &self.buffer[..self.filled];
        let mut at = 0;
        while at < input.len() {
            if self.left > 0 {
                let end = input.len().min(at + self.left);
                self.left -= end - at;
                self.lines.push(&input[at..end], |line| found.line(line, &mut self.sink));
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
    use powerstream_workload::posts;
    use powerstream_workload::wire::{READ_SIZES, SHAPES};

    use super::*;

    #[test]
    fn every_engine_finds_what_is_there_in_every_shape() {
        let posts = posts::synthetic(40);
        for shape in &SHAPES {
            for reads in READ_SIZES {
                let wire = Wire::new(&posts, shape, reads);
                ALL.iter().for_each(|engine| engine.verify(&wire));
            }
        }
    }
}
