//! The bytes of the server and how they arrive: messages in chunks, chunks in reads.

use std::fmt;

use crate::posts::Random;

/// How messages are divided into chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunking {
    /// This many messages per chunk.
    Messages(usize),
    /// Chunks with a random number of bytes between these bounds, regardless of messages.
    Bytes(u64, u64),
}

/// How the bytes arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadSize {
    /// This many bytes per read.
    Bytes(usize),
    /// One chunk per read, as on a live stream.
    Chunk,
}

/// A shape of the wire: how messages are divided into chunks, and its name.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The name in reports and filters.
    pub name: &'static str,
    /// The name in tables.
    pub title: &'static str,
    /// How messages are divided into chunks.
    pub chunking: Chunking,
    /// The bytes of content. They fit into the second-level cache; shapes with a high cost per byte
    /// have fewer.
    pub content: usize,
}

/// The shapes to measure.
pub const SHAPES: [Shape; 4] = [
    Shape { name: "one", title: "One message per chunk", chunking: Chunking::Messages(1), content: 1 << 20 },
    Shape {
        name: "sixteen",
        title: "Sixteen messages per chunk",
        chunking: Chunking::Messages(16),
        content: 1 << 20,
    },
    Shape {
        name: "split",
        title: "Chunks of 500 to 1,700 bytes, which split messages",
        chunking: Chunking::Bytes(500, 1_700),
        content: 1 << 20,
    },
    Shape {
        name: "tiny",
        title: "Chunks of 1 to 16 bytes",
        chunking: Chunking::Bytes(1, 16),
        content: 256 << 10,
    },
];

/// The read sizes to measure.
pub const READ_SIZES: [ReadSize; 5] = [
    ReadSize::Bytes(65_536),
    ReadSize::Bytes(16_384),
    ReadSize::Bytes(1_460),
    ReadSize::Chunk,
    ReadSize::Bytes(1),
];

impl fmt::Display for ReadSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{bytes}"),
            Self::Chunk => f.write_str("chunk"),
        }
    }
}

/// The bytes of a body without its end, so that they can be repeated, and where reads cut them.
#[derive(Clone, Debug)]
pub struct Wire {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The number of chunks.
    pub chunks: usize,
    /// The number of messages, without keep-alives.
    pub messages: usize,
    /// The bytes of these messages, without delimiters.
    pub message_bytes: usize,
    /// The number of keep-alives.
    pub keep_alives: usize,
    contents: Vec<Vec<u8>>,
    read_size: ReadSize,
    chunk_ends: Vec<usize>,
}

impl Wire {
    /// Encodes `posts` in the given shape, with a keep-alive after every tenth.
    #[must_use]
    pub fn new(posts: &[Vec<u8>], shape: &Shape, read_size: ReadSize) -> Self {
        let content_max = if read_size == ReadSize::Bytes(1) { 128 << 10 } else { shape.content };
        let mut content = Vec::new();
        let mut message_ends = Vec::new();
        let (mut messages, mut message_bytes, mut keep_alives) = (0usize, 0, 0);
        for post in posts {
            if content.len() + post.len() > content_max {
                break;
            }
            content.extend_from_slice(post);
            content.extend_from_slice(b"\r\n");
            message_ends.push(content.len());
            messages += 1;
            message_bytes += post.len();
            if messages % 10 == 0 {
                content.extend_from_slice(b"\r\n");
                message_ends.push(content.len());
                keep_alives += 1;
            }
        }
        let ends: Vec<usize> = match shape.chunking {
            Chunking::Messages(count) => {
                message_ends.chunks(count).map(|ends| ends[ends.len() - 1]).collect()
            }
            Chunking::Bytes(from, to) => {
                let mut random = Random::new(2);
                let mut ends = vec![0];
                while ends[ends.len() - 1] < content.len() {
                    let end = ends[ends.len() - 1] + (from + random.below(to - from + 1)) as usize;
                    ends.push(end.min(content.len()));
                }
                ends.split_off(1)
            }
        };
        let mut bytes = Vec::new();
        let mut chunk_ends = Vec::new();
        let mut start = 0;
        for end in ends {
            bytes.extend_from_slice(format!("{:x}\r\n", end - start).as_bytes());
            bytes.extend_from_slice(&content[start..end]);
            bytes.extend_from_slice(b"\r\n");
            chunk_ends.push(bytes.len());
            start = end;
        }
        let chunks = chunk_ends.len();
        let contents = posts[..messages].to_vec();
        Self { bytes, chunks, messages, message_bytes, keep_alives, contents, read_size, chunk_ends }
    }

    /// Returns the messages.
    pub fn contents(&self) -> impl Iterator<Item = &[u8]> {
        self.contents.iter().map(Vec::as_slice)
    }

    /// Calls `read` with the bytes of each read, at most `most` bytes each.
    #[inline]
    pub fn for_each_read(&self, most: usize, mut read: impl FnMut(&[u8])) {
        match self.read_size {
            ReadSize::Bytes(bytes) => self.bytes.chunks(bytes.min(most)).for_each(read),
            ReadSize::Chunk => {
                let mut start = 0;
                for &end in &self.chunk_ends {
                    self.bytes[start..end].chunks(most).for_each(&mut read);
                    start = end;
                }
            }
        }
    }
}
