//! Counts allocations: a queue stays within its bounds, a merged stream over plain connections
//! allocates nothing.
// A global allocator needs `unsafe`. This one forwards to the system's and counts.
#![allow(unsafe_code, reason = "`GlobalAlloc` is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::task::{Context, Poll, Waker};

use powerstream_client::dedup::Deduped;
use powerstream_client::merged::{Member, Merged, MergedEvent};
use powerstream_client::queue::{Cost, Overflow, QueueConfig, queue};
use powerstream_core::buffered::Buffered;
use powerstream_core::dedup::{Window, WindowConfig};
use powerstream_core::driver::{Driver, Io};
use powerstream_core::http::Origin;
use powerstream_core::merge::Topology;
use powerstream_core::session::{Session, SessionConfig, SessionEvent};
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::TransportError;

struct Counting;

thread_local! {
    /// The bytes that this thread has allocated and not freed, and their maximum. Counted per
    /// thread, since the test harness allocates on another.
    static LIVE: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
    /// The number of allocations of this thread.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    LIVE.with(|live| {
        let (now, high) = live.get();
        live.set((now + bytes, high.max(now + bytes)));
    });
}

// SAFETY: forwards to the system's allocator, under the same contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

#[test]
fn a_sleeping_consumer_costs_no_more_memory_than_the_limits() {
    const BYTES_MAX: usize = 1_000_000;
    for overflow in [Overflow::Wait, Overflow::DropOldest, Overflow::DropNewest, Overflow::End] {
        let mut config = QueueConfig::default();
        config.messages_max = 1_000;
        config.bytes_max = BYTES_MAX;
        config.overflow = overflow;
        let (start, _) = LIVE.get();
        let (mut sender, receiver) = queue::<Vec<u8>>(config);
        let (before, _) = LIVE.get();
        LIVE.set((before, before));
        let mut cx = Context::from_waker(Waker::noop());
        for number in 0..100_000_usize {
            // Some messages are many and small, some few and large.
            let bytes = if number / 10_000 % 2 == 0 { 100 + number % 400 } else { 3_000 + number % 9_000 };
            let _ = sender.poll_send(&mut cx, Cost::Message(bytes), || vec![0; bytes]);
            let _ = sender.poll_send(&mut cx, Cost::KeepAlive, Vec::new);
        }
        // Only messages are counted: the queue's entries were allocated at its creation.
        let (live, high) = LIVE.get();
        assert!(high - before <= BYTES_MAX as isize, "{overflow:?}: {}", high - before);
        let stats = receiver.stats();
        assert_eq!(live - before, stats.bytes as isize, "{overflow:?}");
        assert_eq!(stats.sent, stats.messages as u64 + stats.dropped.messages, "{overflow:?}");
        if overflow != Overflow::Wait {
            assert_eq!(stats.sent, 100_000);
        }
        drop(receiver);
        assert!(LIVE.get().0 <= before, "{overflow:?}: what the receiver left is kept");
        drop(sender);
        assert_eq!(LIVE.get().0, start, "{overflow:?}");
    }
}

/// The head of a chunked stream.
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// A server that repeats the same hundred Posts, and pends after each read.
struct Repeating {
    wire: Vec<u8>,
    /// The position in the script, and how many reads are left before a reset.
    at: usize,
    reads: usize,
    pends: bool,
    now: Instant,
}

impl Io for Repeating {
    fn now(&self) -> Instant {
        self.now
    }

    fn unix_now(&self) -> UnixTime {
        UnixTime::from_seconds(1_700_000_000)
    }

    fn poll_connect(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<Result<Option<()>, TransportError>> {
        (self.at, self.reads) = (0, 100);
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
        self.pends = !self.pends;
        if self.pends {
            return Poll::Pending;
        }
        let Some(reads) = self.reads.checked_sub(1) else { return Poll::Ready(Ok(Some(0))) };
        self.reads = reads;
        let count = buffer.len().min(self.wire.len() - self.at);
        buffer[..count].copy_from_slice(&self.wire[self.at..][..count]);
        self.at = if self.at + count == self.wire.len() { HEAD.len() } else { self.at + count };
        Poll::Ready(Ok(Some(count)))
    }

    fn poll_sleep(&mut self, _: &mut Context<'_>, until: Instant) -> Poll<()> {
        self.now = self.now.max(until);
        Poll::Ready(())
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// A hundred Posts in arrays and a hundred single Posts, repeated.
#[allow(
    clippy::unwrap_used,
    reason = "clippy takes a test target without #[test] functions for ordinary code"
)]
fn repeating(seed: u64) -> Driver<Vec<u8>, Vec<u8>, Repeating> {
    let mut wire = HEAD.to_vec();
    for id in 0..100 {
        let posts = format!("[{{\"id\":{id},\"text\":\"\"}}]\r\n{{\"id\":{},\"text\":\"\"}}\r\n", 100 + id);
        wire.extend_from_slice(format!("{:x}\r\n{posts}\r\n", posts.len()).as_bytes());
    }
    let mut config = SessionConfig::new(Origin::parse("http://localhost").unwrap());
    config.message_bytes_max = 256;
    let storage = vec![0; config.storage_bytes()];
    let session = Session::new(storage, &config, seed, Instant::ZERO, UnixTime::default()).unwrap();
    let io = Repeating { wire, at: 0, reads: 0, pends: false, now: Instant::ZERO };
    Driver::new(Buffered::new(session, vec![0; 777]), io)
}

fn window() -> WindowConfig {
    let mut window = WindowConfig::default();
    window.posts = 1_000;
    window
}

#[test]
fn a_single_stream_allocates_nothing_per_message() {
    let mut stream = Deduped::new(repeating(1), Some(Window::allocate(&window()).unwrap()));
    let before = ALLOCATIONS.get();
    let mut cx = Context::from_waker(Waker::noop());
    let mut messages = 0;
    for _ in 0..1_000 {
        if stream.poll_event(&mut cx) == Poll::Ready(true) {
            messages += u32::from(matches!(stream.peek(), Some(SessionEvent::Message(_))));
            stream.release();
        }
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!(messages, 200);
    assert!(stream.duplicates() > 10_000, "{}", stream.duplicates());
}

#[test]
fn a_merged_stream_allocates_nothing_per_message() {
    let lines = (0..3).map(|index| Member::new("a", Topology::Redundant.group(index), repeating(1)));
    let mut merged = Merged::new(lines.collect(), &window()).unwrap();

    let before = ALLOCATIONS.get();
    let mut cx = Context::from_waker(Waker::noop());
    let (mut posts, mut others) = (0, 0);
    for _ in 0..1_000 {
        match merged.poll_next(&mut cx) {
            Poll::Ready(Some(MergedEvent::Session { event: SessionEvent::Message(_), .. })) => posts += 1,
            Poll::Ready(event) => others += u32::from(event.is_some()),
            Poll::Pending => {}
        }
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!(posts, 200);
    assert!(others > 20, "{others}");
    let duplicates: u64 = merged.merge().connections().iter().map(|record| record.duplicates()).sum();
    assert!(duplicates > 10_000, "{duplicates}");
}
