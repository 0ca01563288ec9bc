//! The cost of the border: nanoseconds per message through the C functions and through the core, in
//! turns of one run, and the allocations of both.
//!
//!     cargo bench -p powerstream-capi

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant as StdInstant;

use powerstream_capi::*;
use powerstream_core::http::Origin;
use powerstream_core::session::{Session, SessionConfig, SessionEvent, Step};
use powerstream_core::time::{Instant, UnixTime};
use powerstream_simulator::Generator;

/// Counts allocations.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MESSAGES: usize = 1_000;
const ROUNDS: usize = 200;
const READ_BYTES: usize = 16_384;
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const URL: &str = "http://127.0.0.1:9";
const NOW: u64 = 1_000_000_000;
const UNIX: u64 = 1_700_000_000_000;

/// Messages in one chunk each. `small` ones have 50 bytes, others are Posts of the simulator.
fn wire(small: bool) -> Vec<u8> {
    let mut generator = Generator::new(1);
    let mut wire = Vec::new();
    for nth in 0..MESSAGES as u64 {
        let mut post = Vec::new();
        if small {
            post.extend_from_slice(format!(r#"{{"id_str":"17246484021734{nth:05}","text":"a"}}"#).as_bytes());
        } else {
            let _ = generator.post(UNIX + nth, &mut post);
        }
        wire.extend_from_slice(format!("{:x}\r\n", post.len() + 2).as_bytes());
        wire.extend_from_slice(&post);
        wire.extend_from_slice(b"\r\n\r\n");
    }
    wire
}

fn rust_session() -> Session<Vec<u8>> {
    let config = SessionConfig::new(Origin::parse(URL).unwrap());
    let now = Instant::from_nanos(NOW);
    let storage = vec![0; config.storage_bytes()];
    let mut session = Session::new(storage, &config, 1, now, UnixTime::from_millis(UNIX)).unwrap();
    session.handle_timeout(now);
    session.handle_connected(now);
    session.handle_written(session.transmit().len(), now);
    assert!(session.decode(HEAD, now).1.is_some() && matches!(session.poll(), Step::Read { .. }));
    session
}

fn c_session() -> *mut ps_session {
    let (mut config, mut session, mut event, mut consumed) = (null_mut(), null_mut(), null(), 0);
    // SAFETY: live handles and places for results.
    unsafe {
        assert_eq!(ps_config_new(&mut config), ps_status::Ok);
        assert_eq!(ps_config_set_base_url(config, URL.as_ptr().cast(), URL.len()), ps_status::Ok);
        assert_eq!(ps_session_new(config, NOW, UNIX, &mut session), ps_status::Ok);
        ps_config_free(config);
        ps_session_timeout(session, NOW);
        ps_session_connected(session, NOW);
        ps_session_written(session, ps_session_transmit(session).len, NOW);
        let head = HEAD.as_ptr().cast();
        let status = ps_session_decode(session, head, HEAD.len(), NOW, &mut consumed, &mut event);
        assert_eq!(status, ps_status::Ok);
    }
    session
}

fn rust_round(session: &mut Session<Vec<u8>>, wire: &[u8]) -> u64 {
    let (mut sum, now) = (0_u64, Instant::from_nanos(NOW));
    for read in wire.chunks(READ_BYTES) {
        let mut input = read;
        loop {
            let (consumed, event) = session.decode(input, now);
            input = &input[consumed..];
            match event {
                Some(SessionEvent::Message(message)) => {
                    sum += message.bytes.len() as u64 + message.id().map_or(0, |id| id.as_u64() & 1);
                }
                Some(_) => {}
                None => break,
            }
        }
    }
    sum
}

type Decode = unsafe extern "C" fn(
    *mut ps_session,
    *const std::ffi::c_void,
    usize,
    u64,
    *mut usize,
    *mut *const ps_event,
) -> ps_status;

fn c_round(session: *mut ps_session, decode: Decode, wire: &[u8]) -> u64 {
    let mut sum = 0_u64;
    for read in wire.chunks(READ_BYTES) {
        let (mut input, mut rest, mut consumed, mut event) = (read.as_ptr(), read.len(), 0, null());
        // SAFETY: a live handle, `rest` readable bytes at `input`, and places for results.
        unsafe {
            while decode(session, input.cast(), rest, NOW, &mut consumed, &mut event) == ps_status::Ok {
                let event = &*event;
                if event.kind == ps_event_kind::Message {
                    let id = if event.message.has_post_id { event.message.post_id & 1 } else { 0 };
                    sum += event.bytes.len as u64 + id;
                }
                input = input.add(consumed);
                rest -= consumed;
            }
        }
    }
    sum
}

fn main() {
    for small in [true, false] {
        let wire = wire(small);
        let (mut session, c_session) = (rust_session(), c_session());
        // Through a pointer that the compiler does not know, as from another language.
        let decode: Decode = black_box(ps_session_decode);
        let sums = [rust_round(&mut session, &wire), c_round(c_session, decode, &wire)];
        assert!(sums[0] == sums[1] && sums[0] > 0);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let mut times = [[0_i64; 2]; ROUNDS];
        for [rust, c] in &mut times {
            let start = StdInstant::now();
            assert_eq!(rust_round(&mut session, black_box(&wire)), sums[0]);
            *rust = start.elapsed().as_nanos() as i64;
            let start = StdInstant::now();
            assert_eq!(c_round(c_session, decode, black_box(&wire)), sums[1]);
            *c = start.elapsed().as_nanos() as i64;
        }
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        // The processor's clock may change during a run: the difference is taken in each turn.
        let median = |of: fn(&[i64; 2]) -> i64| {
            let mut values: Vec<i64> = times.iter().map(of).collect();
            values.sort_unstable();
            values[ROUNDS / 2] as f64 / MESSAGES as f64
        };
        let (rust, c, difference) = (median(|of| of[0]), median(|of| of[1]), median(|of| of[1] - of[0]));
        let bytes = wire.len() / MESSAGES;
        println!(
            "{bytes} bytes a message: Rust {rust:.1} ns, C {c:.1} ns, difference {difference:.1} ns, allocations {allocations}"
        );
        assert_eq!(allocations, 0);
        // SAFETY: the handle is not used again.
        unsafe { ps_session_free(c_session) };
    }
}
