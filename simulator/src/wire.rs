//! Encoding of messages as chunked bytes, and where chunks and writes are cut.
//!
//! ```text
//!   message, keep-alive ──> payload: msg CR LF msg CR LF CR LF msg .. (for the decoder)
//!                              │ cut into chunks
//!                              v
//!                           3a CR LF <58 bytes> CR LF 5 CR LF ..           (Writes::bytes)
//!                              │ cut into writes
//!                              v
//!                           Writes::next_end, one write() each
//! ```
//!
//! This code uses neither socket nor clock: the same seed and messages give the same bytes in the
//! same writes. `Writes` also records the offset at which each message is complete, for the ground
//! truth log.

use crate::rng::Rng;

/// How the payload is cut into chunks, and the chunks into writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cutting {
    /// One chunk per message.
    Whole,
    /// Chunks of 1 to 16 bytes; the chunks of a message are in one write.
    Tiny,
    /// About four chunks per message, each in its own write.
    Split,
    /// Up to 16 messages in a chunk. Half of the chunks end inside a message.
    Coalesced,
    /// One chunk per message, written a few bytes at a time, and its framing byte by byte.
    Dribbled,
}

/// The most messages in one chunk.
const COALESCED_MAX: u64 = 16;

/// Bytes to write, and how to divide them into writes.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// All bytes, in order.
    pub(crate) bytes: Vec<u8>,
    /// Offsets at which a new write starts.
    ends: Vec<usize>,
    /// The offset after the CR LF of each message and keep-alive that these bytes complete.
    pub(crate) complete: Vec<usize>,
}

impl Writes {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.complete.clear();
    }

    /// Returns the end of the write that starts at `from`.
    pub(crate) fn next_end(&self, from: usize) -> usize {
        let after = self.ends.partition_point(|end| *end <= from);
        self.ends.get(after).copied().unwrap_or(self.bytes.len())
    }

    fn cut_here(&mut self) {
        self.ends.push(self.bytes.len());
    }

    /// Appends bytes that are not part of the payload: a response head or a broken chunk.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Marks the end of the bytes as the end of a message.
    pub(crate) fn completes_here(&mut self) {
        self.complete.push(self.bytes.len());
    }

    /// Appends the last chunk.
    pub(crate) fn last_chunk(&mut self) {
        self.bytes.extend_from_slice(b"0\r\n\r\n");
    }
}

/// The chunk encoder of one connection.
#[derive(Debug)]
pub(crate) struct Encoder {
    cutting: Cutting,
    rng: Rng,
    /// Payload that is not yet in a chunk.
    held: Vec<u8>,
    /// The ends of messages and keep-alives in `held`.
    held_ends: Vec<usize>,
    /// The number of messages for the current chunk.
    group: u64,
    grouped: u64,
    /// Whether the gzip header is sent, if the payload is gzip.
    gzip: Option<bool>,
}

impl Encoder {
    pub(crate) fn new(cutting: Cutting, mut rng: Rng) -> Self {
        let group = rng.between(1, COALESCED_MAX);
        Self { cutting, rng, held: Vec::new(), held_ends: Vec::new(), group, grouped: 0, gzip: None }
    }

    /// Encodes the payload from now on as one gzip member of stored blocks, so that each message
    /// can be decoded immediately.
    pub(crate) fn compress(&mut self) {
        self.gzip = Some(false);
    }

    /// Adds a keep-alive whose CR and LF are in separate chunks and writes.
    pub(crate) fn keep_alive_split(&mut self, out: &mut Writes) {
        self.flush(out);
        self.hold(b"");
        while !self.held.is_empty() {
            self.chunk(1, out);
            out.cut_here();
        }
    }

    /// Adds a message.
    pub(crate) fn message(&mut self, message: &[u8], out: &mut Writes) {
        self.hold(message);
        match self.cutting {
            Cutting::Coalesced => {
                self.grouped += 1;
                if self.grouped < self.group {
                    return;
                }
                self.grouped = 0;
                self.group = self.rng.between(1, COALESCED_MAX);
                let tail = if self.rng.percent(50) {
                    self.rng.index((message.len() + 2).min(self.held.len()))
                } else {
                    0
                };
                self.chunk(self.held.len() - tail, out);
                out.cut_here();
            }
            _ => self.flush(out),
        }
    }

    /// Adds a keep-alive.
    pub(crate) fn keep_alive(&mut self, out: &mut Writes) {
        self.hold(b"");
        if self.cutting != Cutting::Coalesced {
            self.flush(out);
        }
    }

    /// Returns true if some payload is not yet in a chunk.
    pub(crate) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Writes all held payload into chunks.
    pub(crate) fn flush(&mut self, out: &mut Writes) {
        if self.held.is_empty() {
            return;
        }
        match self.cutting {
            Cutting::Whole | Cutting::Coalesced => self.chunk(self.held.len(), out),
            Cutting::Tiny => {
                while !self.held.is_empty() {
                    let len = self.rng.between(1, 16) as usize;
                    self.chunk(len.min(self.held.len()), out);
                }
                out.cut_here();
            }
            Cutting::Split => self.split(out),
            Cutting::Dribbled => self.dribble(out),
        }
    }

    fn hold(&mut self, message: &[u8]) {
        match &mut self.gzip {
            None => {
                self.held.extend_from_slice(message);
                self.held.extend_from_slice(b"\r\n");
            }
            Some(begun) => {
                if !std::mem::replace(begun, true) {
                    // RFC 1952, section 2.3: deflate, no flags, no time, no hint, unknown system.
                    self.held.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
                }
                for block in [message, b"\r\n"].concat().chunks(0xffff) {
                    // RFC 1951, section 3.2.4: a stored block that is not the last, its length, and
                    // the inverted length.
                    let len = block.len() as u16;
                    self.held.push(0);
                    self.held.extend_from_slice(&len.to_le_bytes());
                    self.held.extend_from_slice(&(!len).to_le_bytes());
                    self.held.extend_from_slice(block);
                }
            }
        }
        self.held_ends.push(self.held.len());
    }

    /// Up to three cuts at random places. One in four is between CR and LF, and one in four inside
    /// a multi-byte character, if there is one.
    fn split(&mut self, out: &mut Writes) {
        let len = self.held.len();
        let mut cuts: Vec<usize> = (0..3).map(|_| 1 + self.rng.index(len - 1)).collect();
        if self.rng.percent(25) {
            cuts[0] = len - 1;
        }
        let inside = (cuts[1]..len).find(|at| self.held[*at] & 0xc0 == 0x80);
        if let (true, Some(at)) = (self.rng.percent(25), inside) {
            cuts[1] = at;
        }
        cuts.sort_unstable();
        cuts.dedup();
        let mut done = 0;
        for cut in cuts {
            self.chunk(cut - done, out);
            out.cut_here();
            done = cut;
        }
        self.chunk(len - done, out);
        out.cut_here();
    }

    fn dribble(&mut self, out: &mut Writes) {
        let start = out.bytes.len();
        let len = self.held.len();
        self.chunk(len, out);
        let end = out.bytes.len();
        let data = end - 2 - len;
        // The size line and the last CR LF in pieces of one to three bytes, the data in about ten
        // pieces.
        let mut at = start;
        while at < end {
            out.ends.push(at);
            at += if (data..end - 2).contains(&at) {
                (self.rng.between(1, len as u64 / 5 + 1) as usize).min(end - 2 - at)
            } else {
                self.rng.between(1, 3) as usize
            };
        }
        out.cut_here();
    }

    /// Adds a chunk with the first `len` bytes of the held payload.
    fn chunk(&mut self, len: usize, out: &mut Writes) {
        if len == 0 {
            return;
        }
        size_line(len, &mut out.bytes);
        let start = out.bytes.len();
        out.bytes.extend(self.held.drain(..len));
        // The ends are ascending.
        let completed = self.held_ends.iter().take_while(|end| **end <= len).count();
        out.complete.extend(self.held_ends.drain(..completed).map(|end| start + end));
        for end in &mut self.held_ends {
            *end -= len;
        }
        out.bytes.extend_from_slice(b"\r\n");
    }
}

fn size_line(len: usize, out: &mut Vec<u8>) {
    use std::io::Write;
    // Writing to a Vec does not fail.
    let _ = write!(out, "{len:x}\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUTTINGS: [Cutting; 5] =
        [Cutting::Whole, Cutting::Tiny, Cutting::Split, Cutting::Coalesced, Cutting::Dribbled];

    /// A simple decoder that panics on anything that is not a chunk.
    fn dechunk(mut wire: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        while !wire.is_empty() {
            let line = wire.windows(2).position(|w| w == b"\r\n").unwrap();
            let size = std::str::from_utf8(&wire[..line]).unwrap();
            assert!(size.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{size}");
            let size = usize::from_str_radix(size, 16).unwrap();
            assert!(size > 0);
            let data = &wire[line + 2..];
            body.extend_from_slice(&data[..size]);
            assert_eq!(&data[size..size + 2], b"\r\n");
            wire = &data[size + 2..];
        }
        body
    }

    fn messages(seed: u64) -> Vec<Vec<u8>> {
        let mut rng = Rng::new(seed);
        (0..60)
            .map(|n| match n % 5 {
                0 => b"{}".to_vec(),
                1 => "пять 👩‍💻 ".repeat(rng.index(200)).into_bytes(),
                _ => vec![b'a' + (n % 26) as u8; 1 + rng.index(5_000)],
            })
            .filter(|message| !message.is_empty())
            .collect()
    }

    /// Checks every cutting with many seeds.
    #[test]
    fn every_cutting_decodes_to_the_messages_that_were_encoded() {
        for (cutting, seed) in
            CUTTINGS.into_iter().flat_map(|cutting| (0..10).map(move |seed| (cutting, seed)))
        {
            let mut encoder = Encoder::new(cutting, Rng::new(seed));
            let mut out = Writes::default();
            let mut want = Vec::new();
            let mut want_ends = Vec::new();
            for (n, message) in messages(seed).iter().enumerate() {
                encoder.message(message, &mut out);
                want.extend_from_slice(message);
                want.extend_from_slice(b"\r\n");
                want_ends.push(want.len());
                if n % 7 == 0 {
                    encoder.keep_alive(&mut out);
                    want.extend_from_slice(b"\r\n");
                    want_ends.push(want.len());
                }
            }
            encoder.flush(&mut out);
            assert!(encoder.held.is_empty() && encoder.held_ends.is_empty());
            assert!(dechunk(&out.bytes) == want, "{cutting:?} {seed}");

            // `complete` contains the offset of the LF of each message, in order.
            assert_eq!(out.complete.len(), want_ends.len());
            for (complete, want_end) in out.complete.iter().zip(want_ends) {
                assert_eq!(&out.bytes[complete - 1..*complete], b"\n");
                let mut cut = out.bytes[..*complete].to_vec();
                cut.extend_from_slice(b"\r\n");
                assert!(decoded_len(&cut) == want_end, "{cutting:?} {seed}");
            }
            // The writes cover everything, and each has at least one byte.
            let mut at = 0;
            while at < out.bytes.len() {
                let end = out.next_end(at);
                assert!(end > at && end <= out.bytes.len());
                at = end;
            }
        }
    }

    /// Returns the number of body bytes in a wire that may end inside a chunk.
    fn decoded_len(mut wire: &[u8]) -> usize {
        let mut len = 0;
        while let Some(line) = wire.windows(2).position(|w| w == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&wire[..line]).unwrap(), 16).unwrap();
            let have = wire.len() - line - 4;
            if have <= size {
                return len + have;
            }
            len += size;
            wire = &wire[line + 2 + size + 2..];
        }
        len
    }

    #[test]
    fn splits_a_keep_alive_between_cr_and_lf() {
        let mut encoder = Encoder::new(Cutting::Whole, Rng::new(1));
        let mut out = Writes::default();
        encoder.keep_alive_split(&mut out);
        assert_eq!(out.bytes, b"1\r\n\r\r\n1\r\n\n\r\n");
        assert_eq!((out.next_end(0), out.complete.as_slice()), (6, [10].as_slice()));
    }

    #[test]
    fn gzip_is_one_member_of_stored_blocks() {
        let mut encoder = Encoder::new(Cutting::Whole, Rng::new(1));
        encoder.compress();
        let mut out = Writes::default();
        let long = vec![b'x'; 70_000];
        encoder.message(b"{}", &mut out);
        encoder.message(&long, &mut out);
        let gzip = dechunk(&out.bytes);
        let (header, mut rest) = gzip.split_at(10);
        assert_eq!(header[..3], [0x1f, 0x8b, 8]);
        let mut plain = Vec::new();
        while let [0, a, b, c, d, behind @ ..] = rest {
            let len = u16::from_le_bytes([*a, *b]);
            assert_eq!(u16::from_le_bytes([*c, *d]), !len);
            plain.extend_from_slice(&behind[..usize::from(len)]);
            rest = &behind[usize::from(len)..];
        }
        assert!(rest.is_empty() && plain == [b"{}\r\n", long.as_slice(), b"\r\n"].concat());
    }

    #[test]
    fn equal_seeds_give_equal_cuts() {
        for cutting in CUTTINGS {
            let run = |seed| {
                let mut encoder = Encoder::new(cutting, Rng::new(seed));
                let mut out = Writes::default();
                for message in messages(3) {
                    encoder.message(&message, &mut out);
                }
                (out.bytes, out.ends)
            };
            assert!(run(1) == run(1));
            assert_eq!(run(1) == run(2), cutting == Cutting::Whole, "{cutting:?}");
        }
    }

    fn chunk_sizes(mut wire: &[u8]) -> Vec<usize> {
        let mut sizes = Vec::new();
        while let Some(line) = wire.windows(2).position(|w| w == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&wire[..line]).unwrap(), 16).unwrap();
            sizes.push(size);
            wire = &wire[line + size + 4..];
        }
        sizes
    }

    #[test]
    fn each_cutting_has_the_documented_chunks_and_writes() {
        let run = |cutting| {
            let mut encoder = Encoder::new(cutting, Rng::new(9));
            let mut out = Writes::default();
            for message in messages(4) {
                encoder.message(&message, &mut out);
            }
            encoder.flush(&mut out);
            let mut writes = 0;
            let mut at = 0;
            while at < out.bytes.len() {
                at = out.next_end(at);
                writes += 1;
            }
            (chunk_sizes(&out.bytes), writes, out)
        };
        let count = messages(4).len();
        assert_eq!(run(Cutting::Whole).0.len(), count);
        assert!(run(Cutting::Tiny).0.iter().all(|size| *size <= 16));
        let (chunks, writes, split) = run(Cutting::Split);
        assert!(chunks.len() > count * 3);
        assert_eq!(writes, chunks.len());
        let between_cr_and_lf = split.bytes.windows(6).filter(|w| *w == b"\r\r\n1\r\n").count();
        assert!(between_cr_and_lf > 5, "{between_cr_and_lf}");
        let (chunks, _, _) = run(Cutting::Coalesced);
        assert!(chunks.len() < count / 3);
        assert!(run(Cutting::Dribbled).1 > count * 8);
    }
}
