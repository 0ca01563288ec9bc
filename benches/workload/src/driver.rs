//! The path that all runtimes share: the driver over a transport in memory.

use std::task::{Context, Poll, Waker};

use powerstream_core::buffered::Buffered;
use powerstream_core::driver::{Driver, Io};
use powerstream_core::read_buffer::READ_BYTES;
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::TransportError;

use crate::framing::{Found, HEAD, Pass, session};
use crate::wire::Wire;

/// A transport whose reads return the reads of a wire, then nothing.
struct Memory {
    reads: Vec<Vec<u8>>,
    next: usize,
}

impl Io for Memory {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.next as u64)
    }

    fn unix_now(&self) -> UnixTime {
        UnixTime::default()
    }

    fn poll_connect(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<Result<Option<()>, TransportError>> {
        Poll::Ready(Ok(Some(())))
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        bytes: &[u8],
        _: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        Poll::Ready(Ok(Some(bytes.len())))
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        buffer: &mut [u8],
        _: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        let Some(read) = self.reads.get(self.next) else { return Poll::Pending };
        self.next += 1;
        buffer[..read.len()].copy_from_slice(read);
        Poll::Ready(Ok(Some(read.len())))
    }

    fn poll_sleep(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
        Poll::Ready(())
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// The driver of a session. It reads the wire of its construction once.
pub struct Driven(Driver<Vec<u8>, Vec<u8>, Memory>);

impl Driven {
    /// Creates a driver that will read `wire` this many times.
    #[must_use]
    pub fn new(wire: &Wire, times: usize) -> Self {
        let mut reads = vec![HEAD.to_vec()];
        for _ in 0..times {
            wire.for_each_read(READ_BYTES, |read| reads.push(read.to_vec()));
        }
        let buffered = Buffered::new(session(), vec![0; READ_BYTES]);
        Self(Driver::new(buffered, Memory { reads, next: 0 }))
    }
}

impl Pass for Driven {
    fn pass(&mut self, wire: &Wire) -> Found {
        let mut found = Found::default();
        let mut cx = Context::from_waker(Waker::noop());
        while found.lines < wire.messages + wire.keep_alives {
            match self.0.poll_next(&mut cx) {
                Poll::Ready(Some(event)) => found.session_event(&event),
                other => panic!("unexpected: {other:?}"),
            }
        }
        found
    }
}
