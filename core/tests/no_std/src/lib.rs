//! Links the core without `std`, `alloc` and an allocator, and uses each part of the streaming
//! path.
//!
//! It fails to build if `std` or `alloc` is used. See `check.sh`.
#![no_std]

use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::time::Duration;

use powerstream_core::backoff::{Backoff, BackoffConfig, FailureClass};
use powerstream_core::dedup::{Window, WindowConfig};
use powerstream_core::http::{
    ChunkSpan, ChunkedDecoder, Exchange, ExchangeConfig, ExchangeStep, Method, Origin, Request,
};
use powerstream_core::liveness::{Liveness, Timeout, Timeouts};
use powerstream_core::merge::{Arrival, ConnectionId, ConnectionStats, Merge, Topology};
use powerstream_core::post::Post;
use powerstream_core::session::{Session, SessionConfig, SessionEvent, Step};
use powerstream_core::stream::{Connection, ConnectionConfig, ConnectionEvent, PostId};
use powerstream_core::time::{Instant, UnixTime};

const STORAGE_BYTES: usize = 16_384;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// A connection on static storage, created at the first call.
static CONNECTION: Place = Place(UnsafeCell::new(None));

struct Place(UnsafeCell<Option<Connection<[u8; STORAGE_BYTES]>>>);

// SAFETY: the callers of `powerstream_feed`, the only user, ensure that no two calls overlap.
unsafe impl Sync for Place {}

/// Feeds `length` bytes at `input`, read at `nanos`. Returns the number of messages, or -1 for an
/// error.
///
/// # Safety
///
/// `input` must point to `length` bytes, and calls must not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn powerstream_feed(input: *const u8, length: usize, nanos: u64) -> i64 {
    // SAFETY: ensured by the caller.
    let (mut input, connection) =
        unsafe { (core::slice::from_raw_parts(input, length), &mut *CONNECTION.0.get()) };
    let now = Instant::from_nanos(nanos);
    let connection = connection.get_or_insert_with(|| {
        let mut connection = Connection::new([0; STORAGE_BYTES], ConnectionConfig::default());
        connection.handle_connected(now);
        connection
    });
    let mut messages = 0;
    loop {
        let (consumed, event) = connection.decode(input, now);
        match event {
            Ok(Some(ConnectionEvent::Message(_))) => messages += 1,
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => return -1,
        }
        input = &input[consumed..];
    }
    if matches!(connection.handle_timeout(now), Timeout::Expired(_)) { -1 } else { messages }
}

/// Returns the number of content bytes in a chunked body of `length` bytes at `input`, or -1 for an
/// error.
///
/// # Safety
///
/// `input` must point to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn powerstream_content_bytes(input: *const u8, length: usize) -> i64 {
    // SAFETY: ensured by the caller.
    let mut input = unsafe { core::slice::from_raw_parts(input, length) };
    let mut decoder = ChunkedDecoder::default();
    let mut bytes = 0;
    loop {
        match decoder.decode(input) {
            Ok(ChunkSpan::Data(range)) => {
                bytes += range.len() as i64;
                input = &input[range.end..];
            }
            Ok(ChunkSpan::NeedInput | ChunkSpan::End(_)) => return bytes,
            Err(_) => return -1,
        }
    }
}

/// Reads fields of the Post of `length` bytes at `input`. Returns a checksum of them, or -1.
///
/// # Safety
///
/// `input` must point to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn powerstream_post(input: *const u8, length: usize) -> i64 {
    // SAFETY: ensured by the caller.
    let index = Post::new(unsafe { core::slice::from_raw_parts(input, length) }).index();
    let post = index.post();
    let Some(text) = post.text() else { return -1 };
    let tags = post.entities().hashtags().count() + post.media().count();
    let followers = post.author().and_then(|author| author.profile().followers_count).unwrap_or_default();
    let degrees = post.point().map_or(0, |point| point.latitude as usize);
    (text.chars().count() + tags + degrees) as i64 + followers as i64
}

/// Merges two connections that deliver the same `count` Posts. Returns the number of Posts passed
/// on.
///
/// # Safety
///
/// `storage` must point to `words` words that nothing else uses, and `ids` to `count` words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn powerstream_merge(
    storage: *mut u64,
    words: usize,
    ids: *const u64,
    count: usize,
) -> u64 {
    // SAFETY: ensured by the caller.
    let (storage, ids) =
        unsafe { (core::slice::from_raw_parts_mut(storage, words), core::slice::from_raw_parts(ids, count)) };
    let mut config = WindowConfig::default();
    config.posts = 64;
    let Ok(window) = Window::new(storage, &config) else { return 0 };
    let records = [0, 1].map(|index| ConnectionStats::new(Topology::Redundant.group(index)));
    let Ok(mut merge) = Merge::new(window, records) else { return 0 };
    let connections = [0, 1].map(ConnectionId::new);
    let mut first = 0;
    for id in ids {
        for connection in connections.into_iter().flatten() {
            let arrival = merge.arrival(connection, PostId::new(*id), b"{}", Instant::ZERO);
            first += u64::from(arrival == Arrival::First);
        }
    }
    first
}

/// Returns the nanoseconds to wait after `failures` network failures, with jitter from `seed`.
#[unsafe(no_mangle)]
pub extern "C" fn powerstream_backoff(failures: u32, seed: u64) -> u64 {
    let mut backoff = Backoff::new(BackoffConfig::default(), seed);
    let mut length = Duration::ZERO;
    for _ in 0..failures {
        length = backoff.next(FailureClass::Network).length;
    }
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the idle deadline of a stream whose head arrived at `nanos`.
#[unsafe(no_mangle)]
pub extern "C" fn powerstream_silence(nanos: u64) -> u64 {
    let mut liveness = Liveness::new(Timeouts::default());
    liveness.handle_head(Instant::from_nanos(nanos));
    liveness.poll_timeout().map_or(0, |deadline| deadline.at.as_nanos())
}

/// Runs a session on the caller's storage until its first Post. `length` bytes at `input` are the
/// server's response. Returns the Post's id, or -1.
///
/// # Safety
///
/// `storage` must point to `room` bytes that nothing else uses, and `input` to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn powerstream_first_post(
    storage: *mut u8,
    room: usize,
    mut input: *const u8,
    mut length: usize,
) -> i64 {
    let now = Instant::ZERO;
    // SAFETY: ensured by the caller.
    let storage = unsafe { core::slice::from_raw_parts_mut(storage, room) };
    let Ok(origin) = Origin::parse("http://localhost") else { return -1 };
    let mut config = SessionConfig::new(origin);
    config.message_bytes_max = 4_096;
    let Ok(mut session) = Session::new(storage, &config, 1, now, UnixTime::default()) else { return -1 };
    loop {
        match session.poll() {
            Step::Sleep { until } => session.handle_timeout(until),
            Step::Connect { .. } => session.handle_connected(now),
            Step::Write { .. } => session.handle_written(session.transmit().len(), now),
            Step::Read { .. } | Step::Event if length > 0 => {
                // SAFETY: ensured by the caller; both advance by the consumed bytes.
                let (consumed, event) =
                    session.decode(unsafe { core::slice::from_raw_parts(input, length) }, now);
                if let Some(SessionEvent::Message(message)) = event {
                    return message.id().and_then(|id| i64::try_from(id.as_u64()).ok()).unwrap_or(-1);
                }
                // SAFETY: at most `length` bytes are consumed.
                input = unsafe { input.add(consumed) };
                length -= consumed;
            }
            _ => return -1,
        }
    }
}

/// Returns the status of a response of `length` bytes at `input` to a rule request, or -1.
///
/// # Safety
///
/// `storage` must point to `room` bytes that nothing else uses, and `input` to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn powerstream_exchange(
    storage: *mut u8,
    room: usize,
    input: *const u8,
    length: usize,
) -> i64 {
    let now = Instant::ZERO;
    // SAFETY: ensured by the caller.
    let (storage, input) = unsafe {
        (core::slice::from_raw_parts_mut(storage, room), core::slice::from_raw_parts(input, length))
    };
    let request = Request::new(Method::Get, "localhost", "/2/powerstream/rules");
    let Ok(mut exchange) = Exchange::new(storage, &request, None, ExchangeConfig::default(), now) else {
        return -1;
    };
    loop {
        match exchange.poll() {
            ExchangeStep::Connect { .. } => exchange.handle_connected(now),
            ExchangeStep::Write { .. } => exchange.handle_written(exchange.transmit().len(), now),
            ExchangeStep::Read { .. } => {
                exchange.handle_input(input, now);
                exchange.handle_eof(now);
            }
            ExchangeStep::Close => exchange.handle_closed(),
            ExchangeStep::Done => break,
        }
    }
    match exchange.outcome() {
        Some(Ok(answer)) => i64::from(answer.head.status()),
        _ => -1,
    }
}
