//! Helpers for the decoder tests: the reference decoder, the event log, and ways to split and to
//! chunk bytes.

pub(crate) mod event_log;
pub(crate) mod reference_decoder;

use crate::random::Rng;

/// Returns the pieces of `wire` between ascending `cuts`; equal cuts give empty pieces.
pub(crate) fn pieces<'a>(wire: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut start = 0;
    cuts.iter().copied().chain([wire.len()]).map(move |end| {
        let piece = &wire[start..end];
        start = end;
        piece
    })
}

/// Returns random ascending cuts, some of them equal, so that some reads are empty.
pub(crate) fn random_cuts(length: usize, random: &mut Rng) -> Vec<usize> {
    let mut cuts = Vec::new();
    let longest = [1, 3, 16, 40, 1 + length][random.index(5)];
    let mut at = 0;
    while at < length {
        at = length.min(at + random.index(longest + 1));
        cuts.push(at);
    }
    cuts
}

/// The maximum number of single cuts tried per input; for a longer input, they are spread evenly.
const SINGLE_CUTS_MAX: usize = 200;

/// Returns ways to split `length` bytes: whole, each single cut, byte by byte, and randomly with
/// empty reads.
pub(crate) fn deliveries(length: usize, seed: u64) -> impl Iterator<Item = Vec<usize>> {
    let mut random = Rng(seed);
    let singles = (0..=length).step_by(1 + length / SINGLE_CUTS_MAX).map(|cut| vec![cut]);
    let by_byte = [(1..length).collect(), (0..=2 * length).map(|cut| cut / 2).collect()];
    let at_random = (0..8).map(move |_| random_cuts(length, &mut random));
    [Vec::new()].into_iter().chain(by_byte).chain(at_random).chain(singles)
}

/// How content is split into chunks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Chunking {
    /// A single chunk.
    One,
    /// One chunk per message, including its delimiter.
    PerMessage,
    /// Two chunks, split at this offset.
    CutAt(usize),
    /// Chunks of this many bytes.
    Each(usize),
    /// Chunks of this many bytes, with an extension after each size.
    WithExtension(usize),
    /// Chunks of 1 to 16 bytes, from this seed.
    UpTo16(u64),
}

/// Returns the content in chunks, followed by the last chunk.
pub(crate) fn chunked(content: &[u8], chunking: Chunking) -> Vec<u8> {
    let mut random = Rng(if let Chunking::UpTo16(seed) = chunking { seed } else { 0 });
    let mut wire = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let length = match chunking {
            Chunking::One => rest.len(),
            Chunking::PerMessage => {
                rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |lf| lf + 1)
            }
            Chunking::CutAt(at) if rest.len() == content.len() && (1..content.len()).contains(&at) => at,
            Chunking::CutAt(_) => rest.len(),
            Chunking::Each(length) | Chunking::WithExtension(length) => length,
            Chunking::UpTo16(_) => 1 + random.index(16),
        };
        let (data, behind) = rest.split_at(length.min(rest.len()));
        push_chunk(
            &mut wire,
            data,
            if let Chunking::WithExtension(_) = chunking { " ; a = \"\\\"b\"" } else { "" },
        );
        rest = behind;
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

pub(crate) fn push_chunk(wire: &mut Vec<u8>, data: &[u8], extension: &str) {
    wire.extend_from_slice(format!("{:x}{extension}\r\n", data.len()).as_bytes());
    wire.extend_from_slice(data);
    wire.extend_from_slice(b"\r\n");
}

/// The shortest head of a chunked stream.
pub(crate) const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// Returns a whole response: that head and `body`.
pub(crate) fn streamed(body: &[u8]) -> Vec<u8> {
    [HEAD, body].concat()
}

/// Damages `wire`: flips, deletes, doubles or inserts some bytes.
pub(crate) fn mutate(wire: &mut Vec<u8>, random: &mut Rng) {
    for _ in 0..1 + random.index(3) {
        if wire.is_empty() {
            return;
        }
        let at = random.index(wire.len());
        match random.index(5) {
            0 => wire[at] ^= 1 << random.index(8),
            1 => {
                wire.remove(at);
            }
            2 => {
                let end = wire.len().min(at + 1 + random.index(8));
                let doubled = wire[at..end].to_owned();
                wire.splice(at..at, doubled);
            }
            3 => wire.truncate(at),
            _ => {
                let special = b"\r\n;=\" \t\\0aF:,\x00\x7F\x80H{";
                wire.insert(at, special[random.index(special.len())]);
            }
        }
    }
}
