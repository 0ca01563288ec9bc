//! One connection of the merged stream, as its driver knows it.

use powerstream_core::read_buffer::ReadBuffer;
use powerstream_core::transport_error::TransportErrorKind;

use crate::connection::Connection;
use crate::cuts::Cuts;
use crate::faults::Fault;
use crate::invariants::Model;
use crate::judge::{Judge, Margin};
use crate::statistics::Statistics;

/// A connection of the merged stream, with its driver.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) group: usize,
    pub(super) model: Model,
    pub(super) judge: Judge,
    /// The margin of its gaps.
    pub(super) margin: Margin,
    /// What the current connection received, to decode it again.
    pub(super) cuts: Cuts,
    pub(super) connection: Option<Connection>,
    pub(super) buffer: ReadBuffer<Vec<u8>>,
    /// Unfinished messages are left in the buffer.
    pub(super) is_partial: bool,
    /// When the bytes in the buffer were read.
    pub(super) read_at: u64,
    /// The next step happens at this time.
    pub(super) wake: u64,
    pub(super) attempt: Option<Attempt>,
    pub(super) request: Vec<u8>,
    /// The last request that was checked, and its minutes of backfill. Most are the same.
    pub(super) checked: (Vec<u8>, u64),
    /// The class of a TLS failure that was reported.
    pub(super) tls: Option<usize>,
    /// The consumer holds the next event for this long.
    pub(super) hold: u64,
    /// The next wait ends so much later.
    pub(super) late: u64,
    /// The next wait ends halfway.
    pub(super) early: bool,
    /// When content had last arrived, when a timer was reported although input was waiting.
    pub(super) timer_after: Option<u64>,
    /// The next read is given an earlier time.
    pub(super) back: u64,
    /// So is the read of the next head.
    pub(super) head_back: u64,
    /// How far back the clock was when the head or a Post of this stream was read, in milliseconds.
    /// The stream is covered up to a time that is as wrong.
    pub(super) clock_error: u64,
    /// The same of the stream before, whose end is the start of the gap.
    pub(super) gap_error: u64,
    pub(super) storm: Option<(u16, u64)>,
    pub(super) flap: Option<(u64, u64)>,
    /// The time of the last step, and how many steps happened at it.
    pub(super) busy: (u64, u32),
    pub(super) wants_close: bool,
    pub(super) decodes: u64,
    pub(super) has_begun: bool,
    /// It streamed before in this process.
    pub(super) has_streamed: bool,
    pub(super) streaming_since: Option<u64>,
}

/// An attempt to connect, and what the driver does to its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) fault: Option<Fault>,
    pub(super) ready_at: u64,
    pub(super) error: Option<TransportErrorKind>,
    pub(super) piece: usize,
    pub(super) piece_time: u64,
    pub(super) write_end: Option<(usize, bool)>,
    pub(super) written_at: u64,
}

impl Line {
    pub(super) fn new(group: usize, index: usize, buffer: usize, is_partial: bool, now: u64) -> Self {
        Self {
            group,
            model: Model::new(),
            judge: Judge::new(1 << index),
            margin: Margin::new(),
            cuts: Cuts::new(),
            connection: None,
            buffer: ReadBuffer::new(vec![0; buffer]),
            is_partial,
            read_at: now,
            wake: now,
            attempt: None,
            request: Vec::new(),
            checked: (Vec::new(), 0),
            tls: None,
            hold: 0,
            late: 0,
            early: false,
            timer_after: None,
            back: 0,
            head_back: 0,
            clock_error: 0,
            gap_error: 0,
            storm: None,
            flap: None,
            busy: (0, 0),
            wants_close: false,
            decodes: 0,
            has_begun: false,
            has_streamed: false,
            streaming_since: None,
        }
    }

    /// Starts over in a new process.
    pub(super) fn reset(&mut self, now: u64) {
        self.model = Model::new();
        (self.connection, self.attempt, self.wants_close) = (None, None, false);
        self.buffer.clear();
        (self.wake, self.has_begun, self.has_streamed) = (now, false, false);
        (self.hold, self.late, self.early, self.back, self.head_back) = (0, 0, false, 0, 0);
        (self.clock_error, self.gap_error) = (0, 0);
        (self.margin, self.cuts) = (Margin::new(), Cuts::new());
    }

    /// Returns by how many milliseconds a gap may be wrong.
    pub(super) fn error(&self) -> u64 {
        self.clock_error.max(self.gap_error)
    }

    pub(super) fn end_stream(&mut self, now: u64, statistics: &mut Statistics) {
        if let Some(since) = self.streaming_since.take() {
            statistics.streamed += u128::from(now - since);
        }
    }
}
