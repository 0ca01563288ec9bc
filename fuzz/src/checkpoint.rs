//! Checkpoints: what was encoded is decoded, damage is found, and any bytes with a valid checksum
//! decode to values that survive another round.

use arbitrary::Arbitrary;
use powerstream_core::checkpoint::{Checkpoint, Contents};
use powerstream_core::merge::ReplicaGroup;
use powerstream_core::stream::PostId;
use powerstream_core::time::{TimeRange, UnixTime};

use crate::shared::arbitrary;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Values(Values),
    /// Bytes after the version. The checksum is added.
    Content(&'a [u8]),
    Bytes(&'a [u8]),
}

#[derive(Arbitrary, Debug, PartialEq, Eq)]
struct Values {
    /// The length of the buffer, if it is less than the values need.
    room: Option<u16>,
    /// The bit that is flipped in the bytes.
    flip: u16,
    stream: u64,
    taken_at: u64,
    month_posts: u64,
    covered_until: Vec<(u16, u64)>,
    missing: Vec<(u16, u64, u64)>,
    ids: Vec<u64>,
}

/// Checks one input.
pub fn run(input: &[u8]) {
    match arbitrary(input) {
        Some(Input::Values(values)) => survives(&values),
        Some(Input::Content(content)) => {
            let mut bytes = [b"PSCP\x02", content].concat();
            bytes.extend_from_slice(&crc32(&bytes).to_le_bytes());
            read(&bytes);
        }
        Some(Input::Bytes(bytes)) => read(bytes),
        None => {}
    }
}

fn encode(values: &Values) -> Vec<u8> {
    let groups = values.covered_until.len();
    let least = Checkpoint::buffer_bytes(groups, 0, 0);
    let most = Checkpoint::buffer_bytes(groups, values.missing.len(), values.ids.len());
    let room = values.room.map_or(most, |room| least + usize::from(room));
    let missing = values.missing.iter().map(|(group, from, to)| {
        let range = TimeRange { from: UnixTime::from_millis(*from), to: UnixTime::from_millis(*to) };
        (ReplicaGroup::new(*group), range)
    });
    let covered_until = values
        .covered_until
        .iter()
        .map(|(group, until)| (ReplicaGroup::new(*group), UnixTime::from_millis(*until)));
    let contents = Contents {
        stream: values.stream,
        taken_at: UnixTime::from_millis(values.taken_at),
        month_posts: values.month_posts,
        covered_until,
        missing,
        ids: values.ids.iter().copied().map(PostId::new),
    };
    let mut buffer = vec![0xAA; room];
    Checkpoint::encode(contents, &mut buffer).to_vec()
}

fn decoded(checkpoint: &Checkpoint<'_>) -> Values {
    let missing = checkpoint
        .missing()
        .map(|(group, range)| (group.number(), range.from.as_millis(), range.to.as_millis()));
    Values {
        room: None,
        flip: 0,
        stream: checkpoint.stream(),
        taken_at: checkpoint.taken_at().as_millis(),
        month_posts: checkpoint.month_posts(),
        covered_until: checkpoint
            .covered_until()
            .map(|(group, until)| (group.number(), until.as_millis()))
            .collect(),
        missing: missing.collect(),
        ids: checkpoint.ids().map(PostId::as_u64).collect(),
    }
}

fn survives(values: &Values) {
    let mut bytes = encode(values);
    let found = decoded(&Checkpoint::decode(&bytes).expect("an intact checkpoint"));
    assert_eq!(found.stream, values.stream);
    assert_eq!(found.covered_until, values.covered_until);
    assert_eq!((found.taken_at, found.month_posts), (values.taken_at, values.month_posts));
    // A short buffer holds the first ranges and ids.
    assert!(values.missing.starts_with(&found.missing));
    assert!(values.ids.starts_with(&found.ids));
    if values.room.is_none() {
        assert_eq!((found.missing.len(), found.ids.len()), (values.missing.len(), values.ids.len()));
    }
    // One flipped bit, and every shorter length, is found.
    let bit = usize::from(values.flip) % (8 * bytes.len());
    bytes[bit / 8] ^= 1 << (bit % 8);
    assert!(Checkpoint::decode(&bytes).is_err(), "bit {bit} is flipped");
    bytes[bit / 8] ^= 1 << (bit % 8);
    assert!(Checkpoint::decode(&bytes[..bit / 8]).is_err(), "cut after {} bytes", bit / 8);
}

/// Checks bytes that no encoder needs to have written.
fn read(bytes: &[u8]) {
    let Ok(checkpoint) = Checkpoint::decode(bytes) else { return };
    let values = decoded(&checkpoint);
    let lists = values.ids.len() + 18 * values.missing.len() + 10 * values.covered_until.len();
    assert!(lists <= bytes.len());
    let again = encode(&values);
    assert_eq!(decoded(&Checkpoint::decode(&again).expect("an intact checkpoint")), values);
}

/// CRC-32 as in zlib, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
        }
    }
    !crc
}
