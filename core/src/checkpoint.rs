//! The position in a stream, encoded as bytes that outlive the process.
//!
//! A [`Checkpoint`] has the time up to which every Post of each [`ReplicaGroup`] was delivered or
//! reported as missing, the reported ranges that are still to be recovered, and the ids of the
//! Posts that a restart may deliver again. A restart asks the service for what is missing, and
//! drops the duplicates. Encoding and decoding allocate nothing.
//!
//! ```
//! use powerstream_core::checkpoint::{Checkpoint, Contents, stream_key};
//! use powerstream_core::merge::ReplicaGroup;
//! use powerstream_core::stream::PostId;
//! use powerstream_core::time::UnixTime;
//!
//! let stream = stream_key("https://api.x.com", "/2/powerstream");
//! let covered = UnixTime::from_seconds(1_700_000_000);
//! let ids = [1_724_648_402_173_460_480, 1_724_648_402_173_460_481].map(PostId::new);
//! let mut buffer = [0; 128];
//! let contents = Contents {
//!     stream,
//!     taken_at: covered,
//!     month_posts: 2,
//!     covered_until: [(ReplicaGroup::new(0), covered)],
//!     missing: [],
//!     ids,
//! };
//! let bytes = Checkpoint::encode(contents, &mut buffer);
//!
//! let checkpoint = Checkpoint::decode(bytes)?;
//! assert_eq!(checkpoint.stream(), stream);
//! assert!(checkpoint.covered_until().eq([(ReplicaGroup::new(0), covered)]));
//! assert!(checkpoint.ids().eq(ids));
//! # Ok::<(), powerstream_core::checkpoint::CheckpointError>(())
//! ```
//!
//! # Format
//!
//! ```text
//! magic "PSCP" | version 2 | stream key, 8 bytes | taken at, 8
//! | Posts of the month, 8 | number of groups, 2 | number of ranges, 2
//! | groups: group, 2; covered until, 8 | ranges: group, 2; from, 8; to, 8
//! | ids: the difference to the id before, zigzag, LEB128 | CRC-32 of all before, 4
//! ```
//!
//! Numbers of fixed length are little-endian; times are Unix milliseconds. Neighboring ids differ
//! little, so most take 4 or 5 bytes. A decoder of another version rejects the bytes. Version 1 had
//! one covered time for all groups, and no Posts of the month.

use core::fmt;

use crate::merge::ReplicaGroup;
use crate::stream::message::PostId;
use crate::time::{TimeRange, UnixTime};

const MAGIC: &[u8; 4] = b"PSCP";
const VERSION: u8 = 2;

/// Bytes before the groups.
const HEAD: usize = MAGIC.len() + 1 + 3 * 8 + 2 * 2;

/// Bytes of a group with its covered time.
const GROUP: usize = 2 + 8;

/// Bytes of a range.
const RANGE: usize = 2 + 2 * 8;

/// Bytes after the ids.
const CRC: usize = 4;

/// The maximum number of bytes per id.
const ID_MAX: usize = 10;

/// The position in a stream. See [the module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint<'a> {
    stream: u64,
    taken_at: UnixTime,
    month_posts: u64,
    covered_until: &'a [u8],
    missing: &'a [u8],
    ids: &'a [u8],
}

/// What [`Checkpoint::encode`] writes.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the parts of a checkpoint, which its version fixes")]
pub struct Contents<C, M, I> {
    /// The [`stream_key`] of the stream.
    pub stream: u64,
    /// When the checkpoint is taken, by the local clock.
    pub taken_at: UnixTime,
    /// Posts that were received in the calendar month (UTC) of `taken_at`; 0 if not counted.
    pub month_posts: u64,
    /// Each group that has streamed, with its covered time: an iterable of pairs
    /// `(ReplicaGroup, UnixTime)`. See [`Checkpoint::covered_until`].
    pub covered_until: C,
    /// The ranges that were reported as missing and are still to be recovered: an iterable of pairs
    /// `(ReplicaGroup, TimeRange)`.
    pub missing: M,
    /// The ids of Posts that were delivered last, the newest first.
    pub ids: I,
}

/// Why bytes are not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The bytes do not start with the header of a checkpoint.
    NotACheckpoint,
    /// Another version of the library wrote it.
    Version(u8),
    /// The bytes are truncated or modified.
    Damaged,
}

/// Returns a number that distinguishes streams: a hash of the origin, and of the path with its
/// query.
#[must_use]
pub fn stream_key(origin: &str, target: &str) -> u64 {
    // FNV-1a. A line feed separates the two, because neither can contain one.
    let bytes = origin.bytes().chain([b'\n']).chain(target.bytes());
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

impl<'a> Checkpoint<'a> {
    /// Returns the length of a buffer that so many groups, ranges and ids always fit into, in
    /// bytes.
    #[must_use]
    pub const fn buffer_bytes(groups: usize, ranges: usize, ids: usize) -> usize {
        let (groups, ranges) = (groups.saturating_mul(GROUP), ranges.saturating_mul(RANGE));
        let lists = ids.saturating_mul(ID_MAX).saturating_add(ranges).saturating_add(groups);
        lists.saturating_add(HEAD + CRC)
    }

    /// Writes a checkpoint to `buffer` and returns the bytes written. Ranges and ids that do not
    /// fit are left out.
    ///
    /// # Panics
    /// Panics if the buffer has less than [`Self::buffer_bytes`] of the groups alone, or if there
    /// are more than 65,535 groups.
    pub fn encode<C, M, I>(contents: Contents<C, M, I>, buffer: &mut [u8]) -> &[u8]
    where
        C: IntoIterator<Item = (ReplicaGroup, UnixTime)>,
        M: IntoIterator<Item = (ReplicaGroup, TimeRange)>,
        I: IntoIterator<Item = PostId>,
    {
        let Contents { stream, taken_at, month_posts, covered_until, missing, ids } = contents;
        let (head, rest) = buffer.split_at_mut(HEAD);
        let room = rest.len() - CRC;
        let (mut length, mut groups, mut ranges) = (0, 0_u16, 0_u16);
        for (group, until) in covered_until {
            let place = &mut rest[..room][length..length + GROUP];
            place[..2].copy_from_slice(&group.number().to_le_bytes());
            place[2..].copy_from_slice(&until.as_millis().to_le_bytes());
            length += GROUP;
            groups = groups.checked_add(1).expect("at most 65,535 groups");
        }
        for (group, TimeRange { from, to }) in missing.into_iter().take(usize::from(u16::MAX)) {
            let Some(place) = rest[..room].get_mut(length..length + RANGE) else { break };
            place[..2].copy_from_slice(&group.number().to_le_bytes());
            place[2..10].copy_from_slice(&from.as_millis().to_le_bytes());
            place[10..].copy_from_slice(&to.as_millis().to_le_bytes());
            length += RANGE;
            ranges += 1;
        }
        head[..4].copy_from_slice(MAGIC);
        head[4] = VERSION;
        head[5..13].copy_from_slice(&stream.to_le_bytes());
        head[13..21].copy_from_slice(&taken_at.as_millis().to_le_bytes());
        head[21..29].copy_from_slice(&month_posts.to_le_bytes());
        head[29..31].copy_from_slice(&groups.to_le_bytes());
        head[31..].copy_from_slice(&ranges.to_le_bytes());
        let mut before = 0;
        for id in ids {
            let difference = id.as_u64().wrapping_sub(before) as i64;
            let Some(written) = write_varint(zigzag(difference), &mut rest[length..room]) else { break };
            length += written;
            before = id.as_u64();
        }
        let end = HEAD + length;
        let crc = crc32(&buffer[..end]);
        buffer[end..end + CRC].copy_from_slice(&crc.to_le_bytes());
        &buffer[..end + CRC]
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`] if the bytes are not a checkpoint, or are damaged.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, CheckpointError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(CheckpointError::NotACheckpoint)?;
        match rest.first() {
            Some(&VERSION) => {}
            Some(&version) => return Err(CheckpointError::Version(version)),
            None => return Err(CheckpointError::Damaged),
        }
        let (content, crc) = bytes.split_last_chunk::<CRC>().ok_or(CheckpointError::Damaged)?;
        if content.len() < HEAD || crc32(content) != u32::from_le_bytes(*crc) {
            return Err(CheckpointError::Damaged);
        }
        let (head, rest) = content.split_at(HEAD);
        let (groups, ranges) = (u16_at(head, 29), u16_at(head, 31));
        let split = |bytes: &'a [u8], length| bytes.split_at_checked(length).ok_or(CheckpointError::Damaged);
        let (covered_until, rest) = split(rest, usize::from(groups) * GROUP)?;
        let (missing, ids) = split(rest, usize::from(ranges) * RANGE)?;
        let (stream, taken_at, month_posts) = (u64_at(head, 5), time_at(head, 13), u64_at(head, 21));
        Ok(Self { stream, taken_at, month_posts, covered_until, missing, ids })
    }

    /// Returns the [`stream_key`] of the stream that the checkpoint belongs to.
    #[must_use]
    pub const fn stream(&self) -> u64 {
        self.stream
    }

    /// Returns each group that had streamed, with a time on the server's clock. Every Post of the
    /// group created before it was delivered, or is within a reported gap.
    pub fn covered_until(&self) -> impl Iterator<Item = (ReplicaGroup, UnixTime)> + use<'a> {
        let groups = self.covered_until.chunks_exact(GROUP);
        groups.map(|group| (ReplicaGroup::new(u16_at(group, 0)), time_at(group, 2)))
    }

    /// Returns when the checkpoint was taken, by the local clock.
    #[must_use]
    pub const fn taken_at(&self) -> UnixTime {
        self.taken_at
    }

    /// Returns the number of Posts that were received in the calendar month (UTC) of
    /// [`Self::taken_at`]; 0 if they were not counted.
    #[must_use]
    pub const fn month_posts(&self) -> u64 {
        self.month_posts
    }

    /// Returns the ranges that were reported as missing and are still to be recovered.
    pub fn missing(&self) -> impl Iterator<Item = (ReplicaGroup, TimeRange)> + use<'a> {
        self.missing.chunks_exact(RANGE).map(|range| {
            let (from, to) = (time_at(range, 2), time_at(range, 10));
            (ReplicaGroup::new(u16_at(range, 0)), TimeRange { from, to })
        })
    }

    /// Returns the ids of Posts that were delivered last, the newest first.
    pub fn ids(&self) -> impl Iterator<Item = PostId> + use<'a> {
        let (mut bytes, mut before) = (self.ids, 0_u64);
        core::iter::from_fn(move || {
            before = before.wrapping_add(unzigzag(read_varint(&mut bytes)?) as u64);
            Some(PostId::new(before))
        })
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn time_at(bytes: &[u8], at: usize) -> UnixTime {
    UnixTime::from_millis(u64_at(bytes, at))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..].first_chunk().copied().expect("the record has its full length")
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Returns the bytes written, or `None` if they do not fit; the buffer's content is then
/// unspecified.
fn write_varint(mut number: u64, out: &mut [u8]) -> Option<usize> {
    for (at, place) in out.iter_mut().take(ID_MAX).enumerate() {
        let is_last = number < 0x80;
        *place = number as u8 & 0x7F | if is_last { 0 } else { 0x80 };
        if is_last {
            return Some(at + 1);
        }
        number >>= 7;
    }
    None
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(ID_MAX) {
        number |= u64::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return Some(number);
        }
    }
    None
}

/// CRC-32 as in zlib.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = {
        let mut table = [0; 16];
        let mut at = 0;
        while at < 16 {
            let (mut crc, mut bit) = (at as u32, 0);
            while bit < 4 {
                crc = (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
                bit += 1;
            }
            table[at] = crc;
            at += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc: u32, byte| {
        let crc = crc ^ u32::from(*byte);
        let crc = (crc >> 4) ^ TABLE[(crc & 15) as usize];
        (crc >> 4) ^ TABLE[(crc & 15) as usize]
    })
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotACheckpoint => f.write_str("this is not a checkpoint"),
            Self::Version(version) => write!(
                f,
                "the checkpoint has version {version}, and this library reads version {VERSION} only"
            ),
            Self::Damaged => f.write_str("the checkpoint is truncated or modified"),
        }
    }
}

impl core::error::Error for CheckpointError {}

#[cfg(test)]
mod tests {
    use std::vec::Vec;
    use std::{format, vec};

    use super::*;

    const COVERED: UnixTime = UnixTime::from_seconds(1_700_000_000);
    const TAKEN: UnixTime = UnixTime::from_seconds(1_700_000_003);
    const GROUPS: [(ReplicaGroup, UnixTime); 2] =
        [(ReplicaGroup::new(0), COVERED), (ReplicaGroup::new(300), UnixTime::from_millis(u64::MAX))];
    const MISSING: [(ReplicaGroup, TimeRange); 2] = [
        (ReplicaGroup::new(0), TimeRange { from: COVERED, to: TAKEN }),
        (
            ReplicaGroup::new(300),
            TimeRange { from: UnixTime::from_millis(1), to: UnixTime::from_millis(u64::MAX) },
        ),
    ];

    fn encoded(ids: &[u64]) -> Vec<u8> {
        let mut buffer = vec![0; Checkpoint::buffer_bytes(GROUPS.len(), MISSING.len(), ids.len())];
        Checkpoint::encode(contents(ids.iter().copied().map(PostId::new)), &mut buffer).to_vec()
    }

    type Two<T> = [(ReplicaGroup, T); 2];

    fn contents<I>(ids: I) -> Contents<Two<UnixTime>, Two<TimeRange>, I> {
        Contents { stream: 7, taken_at: TAKEN, month_posts: 9, covered_until: GROUPS, missing: MISSING, ids }
    }

    fn ids(checkpoint: &Checkpoint<'_>) -> Vec<u64> {
        checkpoint.ids().map(PostId::as_u64).collect()
    }

    #[test]
    fn decodes_an_encoded_checkpoint() {
        for list in
            [&[][..], &[0], &[64], &[u64::MAX, 0, u64::MAX, 1, 1 << 63], &[1 << 60, (1 << 60) + (5 << 22)]]
        {
            let bytes = encoded(list);
            let checkpoint = Checkpoint::decode(&bytes).unwrap();
            assert_eq!((checkpoint.stream(), checkpoint.taken_at()), (7, TAKEN));
            assert_eq!(checkpoint.month_posts(), 9);
            assert!(checkpoint.covered_until().eq(GROUPS));
            assert_eq!(ids(&checkpoint), list);
            assert!(checkpoint.missing().eq(MISSING));
        }
    }

    #[test]
    fn an_empty_checkpoint_fills_its_buffer() {
        let mut buffer = vec![0; Checkpoint::buffer_bytes(0, 0, 0)];
        let (stream, taken_at, month_posts) = (7, TAKEN, 0);
        let empty = Contents { stream, taken_at, month_posts, covered_until: [], missing: [], ids: [] };
        assert_eq!(Checkpoint::encode(empty, &mut buffer).len(), buffer.len());
        let checkpoint = Checkpoint::decode(&buffer).unwrap();
        let (groups, ranges) = (checkpoint.covered_until().count(), checkpoint.missing().count());
        assert_eq!((groups, ranges, checkpoint.ids().count()), (0, 0, 0));
    }

    #[test]
    fn neighboring_posts_take_five_bytes_at_most() {
        let list: Vec<u64> = (0..1_000).map(|at| 1_724_648_402_173_460_480 - at * (20 << 22)).collect();
        assert!(encoded(&list).len() <= Checkpoint::buffer_bytes(2, 2, 0) + ID_MAX + 999 * 5);
    }

    #[test]
    fn ids_that_do_not_fit_are_left_out_from_the_end() {
        let list = [9 << 50, 8 << 50, 7 << 50].map(PostId::new);
        for room in Checkpoint::buffer_bytes(2, 0, 0)..Checkpoint::buffer_bytes(2, 2, 3) {
            let mut buffer = vec![0; room];
            let bytes = Checkpoint::encode(contents(list), &mut buffer).to_vec();
            let checkpoint = Checkpoint::decode(&bytes).unwrap();
            assert!(checkpoint.covered_until().eq(GROUPS));
            let (ranges, found) = (checkpoint.missing().count(), checkpoint.ids().count());
            assert!(checkpoint.missing().eq(MISSING.into_iter().take(ranges)));
            assert!(checkpoint.ids().eq(list.into_iter().take(found)));
        }
    }

    #[test]
    fn every_cut_and_every_changed_bit_is_an_error() {
        let bytes = encoded(&[5, 900, 70_000]);
        for length in 0..bytes.len() {
            assert!(Checkpoint::decode(&bytes[..length]).is_err(), "{length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Checkpoint::decode(&changed).is_err(), "{bit}");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert_eq!(Checkpoint::decode(&longer), Err(CheckpointError::Damaged));
    }

    #[test]
    fn other_versions_and_other_files_have_their_own_errors() {
        let mut bytes = encoded(&[]);
        bytes[4] = 1;
        assert_eq!(Checkpoint::decode(&bytes), Err(CheckpointError::Version(1)));
        assert_eq!(Checkpoint::decode(b"{\"id\":1}"), Err(CheckpointError::NotACheckpoint));
        assert_eq!(Checkpoint::decode(b""), Err(CheckpointError::NotACheckpoint));
    }

    #[test]
    fn the_key_of_a_stream_is_fnv_1a_in_every_version() {
        // Another value would reject the checkpoints of an earlier version.
        assert_eq!(stream_key("https://api.x.com", "/2/powerstream"), 0x2B6B_F73F_CBB3_AF0C);
    }

    #[test]
    fn keys_differ_between_streams() {
        let keys: Vec<u64> = [("https://a", "/b"), ("https://a/", "b"), ("https://a", "/b?x=1"), ("", "")]
            .map(|(origin, target)| stream_key(origin, target))
            .to_vec();
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[at + 1..].contains(key));
        }
    }

    #[test]
    fn crc_equals_that_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert!(format!("{}", CheckpointError::Version(3)).contains("version 3"));
    }
}
