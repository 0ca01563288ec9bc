//! Checkpoints: what was encoded is decoded, damage is found, and any bytes with a valid checksum
//! decode to values that survive another round.

use arbitrary::Arbitrary;
use powerstream_core::checkpoint::Checkpoint;
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
    covered_until: u64,
    taken_at: u64,
    missing: Vec<(u16, u64, u64)>,
    ids: Vec<u64>,
}

/// The length of a checkpoint without ranges and ids, in bytes.
const LEAST: usize = Checkpoint::buffer_bytes(0, 0);

/// Checks one input.
pub fn run(input: &[u8]) {
    match arbitrary(input) {
        Some(Input::Values(values)) => survives(&values),
        Some(Input::Content(content)) => {
            let mut bytes = [b"PSCP\x01", content].concat();
            bytes.extend_from_slice(&crc32(&bytes).to_le_bytes());
            read(&bytes);
        }
        Some(Input::Bytes(bytes)) => read(bytes),
        None => {}
    }
}

fn encode(values: &Values) -> Vec<u8> {
    let most = Checkpoint::buffer_bytes(values.missing.len(), values.ids.len());
    let room = values.room.map_or(most, |room| LEAST + usize::from(room));
    let missing = values.missing.iter().map(|(group, from, to)| {
        let range = TimeRange { from: UnixTime::from_millis(*from), to: UnixTime::from_millis(*to) };
        (ReplicaGroup::new(*group), range)
    });
    let mut buffer = vec![0xAA; room];
    Checkpoint::encode(
        values.stream,
        UnixTime::from_millis(values.covered_until),
        UnixTime::from_millis(values.taken_at),
        missing,
        values.ids.iter().copied().map(PostId::new),
        &mut buffer,
    )
    .to_vec()
}

fn decoded(checkpoint: &Checkpoint<'_>) -> Values {
    let missing = checkpoint
        .missing()
        .map(|(group, range)| (group.number(), range.from.as_millis(), range.to.as_millis()));
    Values {
        room: None,
        flip: 0,
        stream: checkpoint.stream(),
        covered_until: checkpoint.covered_until().as_millis(),
        taken_at: checkpoint.taken_at().as_millis(),
        missing: missing.collect(),
        ids: checkpoint.ids().map(PostId::as_u64).collect(),
    }
}

fn survives(values: &Values) {
    let mut bytes = encode(values);
    let found = decoded(&Checkpoint::decode(&bytes).expect("an intact checkpoint"));
    assert_eq!(found.stream, values.stream);
    assert_eq!(found.covered_until, values.covered_until);
    assert_eq!(found.taken_at, values.taken_at);
    // A short buffer holds the first of each.
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
    assert!(values.ids.len() + 18 * values.missing.len() <= bytes.len());
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
