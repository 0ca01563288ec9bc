//! Turns a response into `write()` calls: the head, the messages of the body, and bytes that are
//! wrong on purpose. Each message is recorded in the ground truth log before the `write()` that
//! completes it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ground_truth::{End, InFlight, Recorder};
use crate::link::{Link, Status};
use crate::wire::{Encoder, Writes};

/// Writes one response to one client. Methods return `Err` with how the connection ended.
pub(crate) struct ResponseWriter<'a> {
    link: &'a Arc<Link>,
    recorder: &'a mut Recorder,
    encoder: Encoder,
    writes: Writes,
    /// Messages that were encoded and are not completely written.
    in_flight: VecDeque<InFlight>,
    /// The time between two bytes of the head.
    head_step: Option<Duration>,
}

impl<'a> ResponseWriter<'a> {
    pub(crate) fn new(link: &'a Arc<Link>, recorder: &'a mut Recorder, encoder: Encoder) -> Self {
        Self {
            link,
            recorder,
            encoder,
            writes: Writes::default(),
            in_flight: VecDeque::new(),
            head_step: None,
        }
    }

    pub(crate) fn link(&self) -> &'a Arc<Link> {
        self.link
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        self.recorder
    }

    pub(crate) fn now(&self) -> Instant {
        self.link.notify().clock().now()
    }

    /// Sends the head one byte at a time, with `step` between two bytes.
    pub(crate) fn slow_head(&mut self, step: Duration) {
        self.head_step = Some(step);
    }

    pub(crate) fn has_slow_head(&self) -> bool {
        self.head_step.is_some()
    }

    /// Encodes the body as one gzip member.
    pub(crate) fn compress(&mut self) {
        self.encoder.compress();
    }

    /// Sends a head, or a complete response that is not chunked.
    pub(crate) fn head(&mut self, head: &[u8]) -> Result<(), End> {
        let Some(step) = self.head_step else {
            self.writes.raw(head);
            return self.send();
        };
        for byte in head {
            self.writes.raw(&[*byte]);
            self.send()?;
            self.pause(Some(self.now() + step))?;
        }
        Ok(())
    }

    /// Adds a message to the body.
    pub(crate) fn message(&mut self, bytes: Arc<[u8]>, post_id: Option<u64>, is_post: bool) {
        self.encoder.message(&bytes, &mut self.writes);
        self.in_flight.push_back(InFlight::new(bytes, post_id, is_post));
    }

    /// Adds a keep-alive to the body.
    pub(crate) fn keep_alive(&mut self) {
        self.encoder.keep_alive(&mut self.writes);
        self.in_flight.push_back(InFlight::default());
    }

    /// Adds a keep-alive whose CR and LF are in separate chunks.
    pub(crate) fn keep_alive_split(&mut self) {
        self.encoder.keep_alive_split(&mut self.writes);
        self.in_flight.push_back(InFlight::default());
    }

    /// Adds bytes that are not part of the payload.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.writes.raw(bytes);
    }

    /// Marks the last raw bytes as the end of a message.
    pub(crate) fn raw_completes(&mut self, bytes: Arc<[u8]>, post_id: Option<u64>, is_post: bool) {
        self.in_flight.push_back(InFlight::new(bytes, post_id, is_post));
        self.writes.completes_here();
    }

    /// Adds the last chunk.
    pub(crate) fn last_chunk(&mut self) {
        self.writes.last_chunk();
    }

    /// Returns true if the encoder is holding messages for the current chunk.
    pub(crate) fn is_holding(&self) -> bool {
        self.encoder.is_holding()
    }

    /// Writes the held messages as a chunk.
    pub(crate) fn end_chunk(&mut self) {
        self.encoder.flush(&mut self.writes);
    }

    /// Returns the number of unsent bytes.
    pub(crate) fn unsent(&self) -> usize {
        self.writes.bytes.len()
    }

    /// Sends everything, including held messages.
    pub(crate) fn flush(&mut self) -> Result<(), End> {
        self.end_chunk();
        self.send()
    }

    /// Sends the encoded bytes.
    pub(crate) fn send(&mut self) -> Result<(), End> {
        let (mut at, mut completed) = (0, 0);
        while at < self.writes.bytes.len() {
            let end = self.writes.next_end(at);
            let completing = self.writes.complete.partition_point(|complete| *complete <= end);
            if completing > completed {
                self.recorder.about_to_complete(self.in_flight.iter_mut().take(completing - completed));
            }
            match self.link.write(&self.writes.bytes[at..end]) {
                Ok(len) => {
                    at += len;
                    let done = self.writes.complete.partition_point(|complete| *complete <= at);
                    self.recorder.written(len, self.in_flight.drain(..done - completed));
                    completed = done;
                }
                Err(_) => {
                    self.recorder.failed(self.in_flight.drain(..));
                    return Err(self.over());
                }
            }
        }
        self.writes.clear();
        Ok(())
    }

    /// Waits until the deadline, or until another thread wakes this one.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Result<(), End> {
        match self.link.wait(until) {
            Status::Open => Ok(()),
            _ => Err(self.over()),
        }
    }

    /// Waits until the deadline. Wake-ups do not end the wait.
    pub(crate) fn pause(&self, until: Option<Instant>) -> Result<(), End> {
        self.link.set_paused(true);
        let status = self.link.wait_for_end(until);
        self.link.set_paused(false);
        match status {
            Status::Open => Ok(()),
            _ => Err(self.over()),
        }
    }

    /// Returns how the connection ended. Only after its end.
    pub(crate) fn over(&self) -> End {
        let fallen_behind = self.link.status() == Status::Behind;
        let by_client = if fallen_behind { End::SlowReader } else { End::ClientLeft };
        self.link.ended_here().unwrap_or(by_client)
    }
}
