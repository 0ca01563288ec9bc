//! Memory stays below the bounds of the queue, whatever the consumer does: counted, not claimed.
// A global allocator cannot be written without it; this one passes everything on and counts.
#![allow(unsafe_code, reason = "`GlobalAlloc` is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::task::{Context, Waker};

use powerstream_core::queue::{Overflow, QueueConfig, Weight, queue};

struct Counting;

thread_local! {
    /// Bytes that this thread has taken and not given back, and the most that ever was: the test harness allocates on its own.
    static LIVE: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(bytes: isize) {
    LIVE.with(|live| {
        let (now, high) = live.get();
        live.set((now + bytes, high.max(now + bytes)));
    });
}

// SAFETY: the system's allocator does the work, under the same contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
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
fn a_consumer_that_sleeps_costs_no_more_than_the_bounds() {
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
            // Some are many and small, some few and large.
            let bytes = if number / 10_000 % 2 == 0 { 100 + number % 400 } else { 3_000 + number % 9_000 };
            let _ = sender.poll_send(&mut cx, Weight::Message(bytes), || vec![0; bytes]);
            let _ = sender.poll_send(&mut cx, Weight::KeepAlive, Vec::new);
        }
        // Nothing but the messages: the places were there from the beginning.
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
