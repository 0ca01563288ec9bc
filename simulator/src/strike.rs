//! What the events of a scenario do to a connection.

use crate::feed::{FeedCursor, Polled};
use crate::ground_truth::{End, InFlight};
use crate::response;
use crate::script::{
    Action, BadChunk, Body as RefusalBody, Endless, How, Place, Then, WrongSize, heads, junk,
};
use crate::stream::Body;
use std::sync::Arc;
use std::time::Duration;

/// Of what never ends, so much goes into one `write()`.
const BLOCK_BYTES: usize = 16 << 10;

/// Keep-alives of a flood in one `write()`.
const FLOOD_BLOCK: u64 = 1_000;

impl Body<'_> {
    /// The events before an answer: those that keep the request from having any effect, and refusals.
    pub(super) fn strike_before(&mut self, actions: &[Action]) -> Result<(), End> {
        for action in actions {
            match action {
                Action::Cut { how, place: Place::Request, .. } => return Err(self.ended(*how)),
                Action::Refuse(refusal) => {
                    self.recorder.fault_begins();
                    let (lines, end) = (refusal.lines(self.unix_ms()), self.shared.fault_end());
                    let body = response::refusal_body(refusal.status, refusal.body);
                    if refusal.body == RefusalBody::Cut {
                        self.recorder.answered(refusal.status);
                        let reason = response::reason(refusal.status);
                        let head = format!(
                            "HTTP/1.1 {} {reason}\r\n{lines}content-length: 200\r\n\r\n{{\"title\":",
                            refusal.status
                        );
                        self.head(head.as_bytes())?;
                        self.close();
                        return Err(end);
                    }
                    return self.refuse(refusal.status, &lines, &body, end).map(|never| match never {});
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The events in the place of a head, or in it. What comes back with `Ok` has the head still to be sent.
    pub(super) fn strike_at_head(&mut self, actions: &[Action], head: &[u8]) -> Result<(), End> {
        for action in actions {
            match action {
                Action::Interim { count, status } => {
                    let reason = response::reason(*status);
                    let interim = format!("HTTP/1.1 {status} {reason}\r\nx-interim: yes\r\n\r\n");
                    for n in 0..*count {
                        self.writes.raw(interim.as_bytes());
                        if self.writes.bytes.len() >= BLOCK_BYTES || n + 1 == *count {
                            self.send()?;
                        }
                    }
                }
                Action::SlowHead { step } => self.head_step = Some(*step),
                Action::Cut { how: How::Trickle, place: Place::InHead, step } => self.head_step = Some(*step),
                Action::Cut { how, place: Place::Head, .. } => return Err(self.ended(*how)),
                Action::Cut { how, place: Place::InHead, .. } => {
                    let end = head.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or(head.len());
                    self.head(&head[..end / 2])?;
                    return Err(self.ended(*how));
                }
                Action::Cut { how, place: Place::InMessage, .. } => {
                    let body =
                        head.windows(4).position(|end| end == b"\r\n\r\n").map_or(head.len(), |end| end + 4);
                    self.head(&head[..body + (head.len() - body) / 2])?;
                    return Err(self.ended(*how));
                }
                Action::BadHead(name) => {
                    self.head(heads::bytes(name))?;
                    // A client that has not noticed waits for more.
                    return Err(self.ended(How::Stall));
                }
                Action::Endless(what) => return Err(self.endless(*what)),
                _ => {}
            }
        }
        Ok(())
    }

    /// An event that is due.
    pub(super) fn strike(&mut self, action: Action, cursor: &mut FeedCursor) -> Result<(), End> {
        self.recorder.fault_begins();
        match self.strike_on(action, cursor) {
            // It is over by the scenario's doing, whoever closed first.
            Err(End::ClientLeft) => Err(self.shared.fault_end()),
            result => result,
        }
    }

    fn strike_on(&mut self, action: Action, cursor: &mut FeedCursor) -> Result<(), End> {
        match action {
            Action::Unknown => self.message(junk::unknown(self.posts).into(), None, false),
            Action::Junk(kind) => {
                let line = junk::malformed(kind, &mut self.rng);
                self.message(line.into(), None, false);
            }
            Action::Oversize { bytes } => {
                let (id, bytes) = self.shared.padded_post(bytes.unwrap_or(self.shared.config.oversize_bytes));
                self.message(bytes.into(), Some(id), false);
            }
            Action::Line { bytes, then } => {
                self.message(bytes.into(), None, false);
                if then != Then::Nothing {
                    self.flush()?;
                    return Err(match then {
                        Then::End => self.end()?,
                        Then::Reset => self.ended(How::Reset),
                        _ => self.ended(How::Close),
                    });
                }
            }
            Action::Duplicate => {
                if let Some((bytes, id)) = self.effects.last.clone() {
                    self.message(bytes, id, false);
                }
            }
            Action::Reorder { by } => self.effects.reorder = Some(by),
            Action::Skewed { shift_ms } => {
                let unix_ms = self.shared.clock.unix_ms().saturating_add_signed(shift_ms);
                let (id, bytes) = self.shared.skewed_post(unix_ms);
                let bytes = self.shaped(bytes.into(), None);
                self.message(bytes, Some(id), false);
            }
            Action::Quiet { length } => self.effects.quiet_until = self.now().checked_add(length),
            Action::Burst { length, factor } => self.effects.burst = Some((self.now() + length, factor)),
            Action::KeepAlives { count, split } => self.flood(count, split)?,
            Action::Pause { length } => {
                self.flush()?;
                self.pause(self.now().checked_add(length))?;
            }
            Action::End => {
                self.flush()?;
                return Err(self.end()?);
            }
            Action::Cut { how, place, step } => {
                self.flush()?;
                return Err(self.cut(how, place, step, cursor)?);
            }
            Action::BadChunk(kind) => {
                self.flush()?;
                return Err(self.bad_chunk(kind)?);
            }
            Action::WrongSize(kind) => {
                self.flush()?;
                return Err(self.wrong_size(kind, cursor)?);
            }
            Action::Endless(what) => {
                self.flush()?;
                return Err(self.endless(what));
            }
            Action::Kill { name, length } => {
                self.flush()?;
                let own = self.shared.datacenters[self.site.place].name.clone();
                self.shared.kill_for(name.as_deref().unwrap_or(&own), length);
                // If it was this one, this ends here.
                if self.link.status() != crate::link::Status::Open {
                    return Err(self.over());
                }
            }
            // By hand these may come when there is a stream already: too late for them.
            Action::Refuse(_)
            | Action::Interim { .. }
            | Action::SlowHead { .. }
            | Action::BadHead(_)
            | Action::Coding(_)
            | Action::Failover { .. } => {}
            Action::Ghost { length } => {
                if let Some(slot) = &mut self.slot {
                    slot.ghost = Some(length);
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), End> {
        self.encoder.flush(&mut self.writes);
        self.send()
    }

    /// The proper end of the body.
    fn end(&mut self) -> Result<End, End> {
        // Before the client can know of it.
        self.shared.deregister(self.recorder.number);
        self.writes.last_chunk();
        self.send()?;
        self.close();
        Ok(self.shared.fault_end())
    }

    /// Ends the connection in this way, or leaves it hanging until the client ends it.
    fn ended(&mut self, how: How) -> End {
        self.recorder.fault_begins();
        self.shared.deregister(self.recorder.number);
        match how {
            How::Reset => self.link.prepare_reset(),
            How::Close => self.link.finish(),
            How::HalfClose | How::Stall | How::Trickle => {
                if how == How::HalfClose {
                    self.link.half_close();
                }
                if let Err(end @ (End::Shutdown | End::Killed)) = self.pause(None) {
                    return end;
                }
            }
        }
        self.shared.fault_end()
    }

    /// The next Post, or one that is made up: its bytes, its id, and whether it is of the source.
    fn next_post(&mut self, cursor: &mut FeedCursor) -> (Arc<[u8]>, Option<u64>, bool) {
        if let Polled::Post(item) = cursor.poll(self.now()) {
            return (self.shaped(item.post.bytes, item.rules.as_deref()), item.post.id, true);
        }
        let (id, bytes) = self.shared.padded_post(3_000);
        (bytes.into(), Some(id), false)
    }

    fn next_bytes(&mut self, cursor: &mut FeedCursor) -> Arc<[u8]> {
        self.next_post(cursor).0
    }

    fn cut(&mut self, how: How, place: Place, step: Duration, cursor: &mut FeedCursor) -> Result<End, End> {
        match (place, how) {
            (Place::InMessage, How::Trickle) => {
                let bytes = self.shared.padded_post(1 << 20).1;
                self.writes.raw(format!("{:x}\r\n", bytes.len() + 2).as_bytes());
                self.trickle(step, bytes.into_iter())?;
            }
            (Place::InSize, How::Trickle) => {
                // A size that gets no further than its extension.
                self.trickle(step, b"0000000000003;".iter().copied().chain(std::iter::repeat(b'x')))?;
            }
            (Place::InMessage, _) => {
                let bytes = self.next_bytes(cursor);
                self.writes.raw(format!("{:x}\r\n", bytes.len() + 2).as_bytes());
                self.writes.raw(&bytes[..bytes.len().div_ceil(2)]);
                self.send()?;
            }
            (Place::InLineEnd, _) => {
                let bytes = self.next_bytes(cursor);
                self.writes.raw(format!("{:x}\r\n", bytes.len() + 2).as_bytes());
                self.writes.raw(&bytes);
                self.writes.raw(b"\r");
                self.send()?;
            }
            (Place::InSize, _) => {
                self.writes.raw(b"1f");
                self.send()?;
            }
            _ => {}
        }
        Ok(self.ended(how))
    }

    fn trickle(&mut self, step: Duration, bytes: impl Iterator<Item = u8>) -> Result<(), End> {
        for byte in bytes {
            self.writes.raw(&[byte]);
            self.send()?;
            self.pause(self.now().checked_add(step))?;
        }
        Ok(())
    }

    fn bad_chunk(&mut self, kind: BadChunk) -> Result<End, End> {
        let bytes = kind.bytes(&mut self.rng);
        let mut rest = &bytes[..];
        if let Some(behind) = bytes.strip_prefix(BadChunk::WHOLE) {
            // What is wrong lies behind a message that came whole.
            self.writes.raw(BadChunk::WHOLE);
            self.in_flight.push_back(InFlight::new(BadChunk::MESSAGE.as_bytes().into(), None, false));
            self.writes.completes_here();
            rest = behind;
        }
        self.writes.raw(rest);
        self.send()?;
        // A client that has not noticed waits for the rest of its chunk.
        Ok(self.ended(How::Stall))
    }

    fn wrong_size(&mut self, kind: WrongSize, cursor: &mut FeedCursor) -> Result<End, End> {
        let (bytes, id, is_post) = self.next_post(cursor);
        let len = bytes.len() + 2;
        let size = match kind {
            WrongSize::Smaller => format!("{:x}\r\n", len - len.min(5)),
            WrongSize::Larger => format!("{:x}\r\n", len + 7),
            WrongSize::Huge => "7fffffffffffffff\r\n".to_owned(),
            WrongSize::Zero => "0\r\n\r\n".to_owned(),
        };
        self.writes.raw(size.as_bytes());
        self.writes.raw(&bytes);
        self.writes.raw(b"\r\n");
        if matches!(kind, WrongSize::Larger | WrongSize::Huge) {
            // Its line end is within the chunk: it is complete, whatever is wrong behind it.
            self.in_flight.push_back(InFlight::new(bytes, id, is_post));
            self.writes.completes_here();
        }
        self.writes.raw(b"\r\n");
        self.send()?;
        Ok(self.ended(How::Stall))
    }

    fn flood(&mut self, count: u64, split: bool) -> Result<(), End> {
        for n in 0..count {
            if split {
                self.encoder.keep_alive_split(&mut self.writes);
                self.keep_alives += 1;
                self.in_flight.push_back(InFlight::default());
            } else {
                self.keep_alive();
            }
            if n % FLOOD_BLOCK == FLOOD_BLOCK - 1 {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Sends it for as long as the client takes it.
    fn endless(&mut self, what: Endless) -> End {
        self.recorder.fault_begins();
        let (once, again) = what.bytes();
        let block = again.repeat(BLOCK_BYTES / again.len());
        self.writes.raw(once.as_bytes());
        loop {
            self.writes.raw(block.as_bytes());
            if let Err(end) = self.send() {
                return match end {
                    End::ClientLeft => self.shared.fault_end(),
                    end => end,
                };
            }
        }
    }
}
