//! Events of a running stream.

use std::sync::Arc;
use std::time::Duration;

use crate::feed::{FeedCursor, Polled};
use crate::ground_truth::End;
use crate::link::Status;
use crate::script::{Action, BadChunk, How, Place, Then, WrongSize, junk};
use crate::stream_writer::StreamWriter;

/// The number of keep-alives per `write()` of a flood.
const FLOOD_BLOCK: u64 = 1_000;

/// Injects an event into a running stream.
pub(crate) fn in_stream(
    stream: &mut StreamWriter<'_, '_>,
    action: Action,
    cursor: &mut FeedCursor,
) -> Result<(), End> {
    stream.exchange.out.recorder().fault_begins();
    match inject(stream, action, cursor) {
        // The scenario ended the connection, whichever side closed first.
        Err(End::ClientLeft) => Err(stream.exchange.shared.fault_end()),
        result => result,
    }
}

fn inject(stream: &mut StreamWriter<'_, '_>, action: Action, cursor: &mut FeedCursor) -> Result<(), End> {
    match action {
        Action::Unknown => stream.message(junk::unknown(stream.posts()).into(), None, false),
        Action::Junk(kind) => {
            let line = junk::malformed(kind, &mut stream.exchange.rng);
            stream.message(line.into(), None, false);
        }
        Action::Oversize { bytes } => {
            let (id, bytes) =
                stream.padded_post(bytes.unwrap_or(stream.exchange.shared.config.oversize_bytes));
            stream.message(bytes.into(), Some(id), false);
        }
        Action::Line { bytes, then } => {
            stream.message(bytes.into(), None, false);
            if then != Then::Nothing {
                stream.exchange.out.flush()?;
                return Err(match then {
                    Then::End => end(stream)?,
                    Then::Reset => stream.exchange.cut(How::Reset),
                    _ => stream.exchange.cut(How::Close),
                });
            }
        }
        Action::Duplicate => {
            if let Some((bytes, id)) = stream.effects.last.clone() {
                stream.message(bytes, id, false);
            }
        }
        Action::Reorder { by } => stream.effects.reorder = Some(by),
        Action::Skewed { shift_ms } => {
            let unix_ms = stream.exchange.shared.clock.unix_ms().saturating_add_signed(shift_ms);
            let (id, bytes) = stream.exchange.shared.extra_posts.skewed(unix_ms);
            let bytes = stream.shaped(bytes.into(), None);
            stream.message(bytes, Some(id), false);
        }
        Action::Quiet { length } => {
            stream.effects.quiet_until = stream.exchange.out.now().checked_add(length)
        }
        Action::Burst { length, factor } => {
            stream.effects.burst = Some((stream.exchange.out.now() + length, factor))
        }
        Action::KeepAlives { count, split } => flood(stream, count, split)?,
        Action::Pause { length } => {
            stream.exchange.out.flush()?;
            stream.exchange.out.pause(stream.exchange.out.now().checked_add(length))?;
        }
        Action::End => {
            stream.exchange.out.flush()?;
            return Err(end(stream)?);
        }
        Action::Cut { how, place, step } => {
            stream.exchange.out.flush()?;
            return Err(cut(stream, how, place, step, cursor)?);
        }
        Action::BadChunk(kind) => {
            stream.exchange.out.flush()?;
            return Err(bad_chunk(stream, kind)?);
        }
        Action::WrongSize(kind) => {
            stream.exchange.out.flush()?;
            return Err(wrong_size(stream, kind, cursor)?);
        }
        Action::Endless(what) => {
            stream.exchange.out.flush()?;
            return Err(stream.exchange.endless(what));
        }
        Action::Kill { name, length } => {
            stream.exchange.out.flush()?;
            let own = stream.exchange.datacenter_name();
            stream.exchange.shared.kill_for(name.as_deref().unwrap_or(own), length);
            // This connection may belong to the killed datacenter.
            if stream.exchange.out.link().status() != Status::Open {
                return Err(stream.exchange.out.over());
            }
        }
        // A trigger can name these actions, but the stream has started, so they do nothing.
        Action::Refuse(_)
        | Action::Interim { .. }
        | Action::SlowHead { .. }
        | Action::BadHead(_)
        | Action::Coding(_)
        | Action::Failover { .. } => {}
        Action::Ghost { length } => {
            if let Some(slot) = &mut stream.exchange.slot {
                slot.ghost = Some(length);
            }
        }
    }
    Ok(())
}

/// Ends the body properly.
fn end(stream: &mut StreamWriter<'_, '_>) -> Result<End, End> {
    // Deregistered before the client can notice the end.
    stream.exchange.shared.streams.deregister(stream.exchange.out.recorder().number);
    stream.exchange.out.last_chunk();
    stream.exchange.out.send()?;
    stream.exchange.close();
    Ok(stream.exchange.shared.fault_end())
}

/// Returns the next Post, or a generated one: its bytes, its id, and whether it is of the source.
fn next_post(stream: &mut StreamWriter<'_, '_>, cursor: &mut FeedCursor) -> (Arc<[u8]>, Option<u64>, bool) {
    if let Polled::Post(item) = cursor.poll(stream.exchange.out.now()) {
        return (stream.shaped(item.post.bytes, item.rules.as_deref()), item.post.id, true);
    }
    let (id, bytes) = stream.padded_post(3_000);
    (bytes.into(), Some(id), false)
}

fn next_bytes(stream: &mut StreamWriter<'_, '_>, cursor: &mut FeedCursor) -> Arc<[u8]> {
    next_post(stream, cursor).0
}

fn cut(
    stream: &mut StreamWriter<'_, '_>,
    how: How,
    place: Place,
    step: Duration,
    cursor: &mut FeedCursor,
) -> Result<End, End> {
    match (place, how) {
        (Place::InMessage, How::Trickle) => {
            let bytes = stream.padded_post(1 << 20).1;
            stream.exchange.out.raw(format!("{:x}\r\n", bytes.len() + 2).as_bytes());
            trickle(stream, step, bytes.into_iter())?;
        }
        (Place::InSize, How::Trickle) => {
            // A chunk size that never ends, because its extension continues.
            trickle(stream, step, b"0000000000003;".iter().copied().chain(std::iter::repeat(b'x')))?;
        }
        (Place::InMessage, _) => {
            let bytes = next_bytes(stream, cursor);
            stream.exchange.out.raw(format!("{:x}\r\n", bytes.len() + 2).as_bytes());
            stream.exchange.out.raw(&bytes[..bytes.len().div_ceil(2)]);
            stream.exchange.out.send()?;
        }
        (Place::InLineEnd, _) => {
            let bytes = next_bytes(stream, cursor);
            stream.exchange.out.raw(format!("{:x}\r\n", bytes.len() + 2).as_bytes());
            stream.exchange.out.raw(&bytes);
            stream.exchange.out.raw(b"\r");
            stream.exchange.out.send()?;
        }
        (Place::InSize, _) => {
            stream.exchange.out.raw(b"1f");
            stream.exchange.out.send()?;
        }
        // A trigger can name a place before the stream. Only its end still applies.
        (Place::Between | Place::Accept | Place::Request | Place::Head | Place::InHead, _) => {}
    }
    Ok(stream.exchange.cut(how))
}

fn trickle(
    stream: &mut StreamWriter<'_, '_>,
    step: Duration,
    bytes: impl Iterator<Item = u8>,
) -> Result<(), End> {
    for byte in bytes {
        stream.exchange.out.raw(&[byte]);
        stream.exchange.out.send()?;
        stream.exchange.out.pause(stream.exchange.out.now().checked_add(step))?;
    }
    Ok(())
}

fn bad_chunk(stream: &mut StreamWriter<'_, '_>, kind: BadChunk) -> Result<End, End> {
    let bytes = kind.bytes(&mut stream.exchange.rng);
    let mut rest = &bytes[..];
    if let Some(behind) = bytes.strip_prefix(BadChunk::WHOLE) {
        // The error is after a complete message.
        stream.exchange.out.raw(BadChunk::WHOLE);
        stream.exchange.out.raw_completes(BadChunk::MESSAGE.as_bytes().into(), None, false);
        rest = behind;
    }
    stream.exchange.out.raw(rest);
    stream.exchange.out.send()?;
    // A client that does not notice the error waits for the rest of the chunk.
    Ok(stream.exchange.cut(How::Stall))
}

fn wrong_size(
    stream: &mut StreamWriter<'_, '_>,
    kind: WrongSize,
    cursor: &mut FeedCursor,
) -> Result<End, End> {
    let (bytes, id, is_post) = next_post(stream, cursor);
    let len = bytes.len() + 2;
    let size = match kind {
        WrongSize::Smaller => format!("{:x}\r\n", len - len.min(5)),
        WrongSize::Larger => format!("{:x}\r\n", len + 7),
        WrongSize::Huge => "7fffffffffffffff\r\n".to_owned(),
        WrongSize::Zero => "0\r\n\r\n".to_owned(),
    };
    stream.exchange.out.raw(size.as_bytes());
    stream.exchange.out.raw(&bytes);
    stream.exchange.out.raw(b"\r\n");
    if matches!(kind, WrongSize::Larger | WrongSize::Huge) {
        // The message's line end is inside the chunk, so it is complete despite the wrong size.
        stream.exchange.out.raw_completes(bytes, id, is_post);
    }
    stream.exchange.out.raw(b"\r\n");
    stream.exchange.out.send()?;
    Ok(stream.exchange.cut(How::Stall))
}

fn flood(stream: &mut StreamWriter<'_, '_>, count: u64, split: bool) -> Result<(), End> {
    for n in 0..count {
        if split {
            stream.keep_alive_split();
        } else {
            stream.keep_alive();
        }
        if n % FLOOD_BLOCK == FLOOD_BLOCK - 1 {
            stream.exchange.out.flush()?;
        }
    }
    Ok(())
}
