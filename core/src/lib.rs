//! A sans-IO implementation of the protocol of X's Powerstream: its input is bytes and time, its
//! output is messages and deadlines.
//!
//! Powerstream is X's public stream of Posts with the lowest latency. The server responds to one
//! GET request with an endless HTTP/1.1 chunked body. The body contains JSON messages separated by
//! CR LF, keep-alives at least every 20 s, notices, and announced disconnects.
//!
//! This crate implements the whole protocol. It uses no socket, clock, thread, randomness, log,
//! allocation, `unsafe` code or `std`.
//!
//! **You probably want an adapter**: `powerstream-blocking`, `powerstream-tokio` or
//! `powerstream-smol`. They add sockets and a clock, and re-export this crate. Use this crate
//! directly for an event loop such as io_uring, DPDK, a C++ reactor or a simulation.
//! `examples/own_loop.rs` is such a loop over `std` sockets.
//!
//! # The parts
//!
//! Each part is public, usable alone, and receives everything it needs as arguments.
//!
//! | part | in | out |
//! |---|---|---|
//! | [`http::ChunkedDecoder`] | slices of a chunked body | ranges of content bytes |
//! | [`http::HeadDecoder`] | slices of a response | the head, and how the body ends |
//! | [`stream::Connection`] | slices of a response, time | messages, keep-alives, one deadline |
//! | [`stream::classify`] | a message | its kind, the Post's id |
//! | [`post::Post`] | a Post | its fields in both formats, parsed on demand |
//! | [`liveness::Liveness`] | events of a connection | one deadline, with its reason |
//! | [`backoff::Backoff`] | the class of a failure | the wait before the reconnect |
//! | [`session::Session`] | all of that; the result of each step | the next step; events |
//! | [`http::ConnectHandshake`] | slices of a proxy's response | a tunnel, or why there is none |
//! | [`read_buffer::ReadBuffer`] | reads | input, with unfinished messages left in place |
//! | [`buffered::Buffered`], [`driver`] | a transport with poll methods | events |
//! | [`dedup::Window`] | ids of Posts | whether each is a duplicate, exactly |
//! | [`merge::Merge`] | arrivals on several connections | first, late or duplicate; gaps |
//!
//! # The life of a session
//!
//! The driver asks a [`Session`](session::Session) for its next [`Step`](session::Step), reports
//! the result, and gets borrowed events. The following code uses no network and does not wait:
//!
//! ```
//! use core::time::Duration;
//! use powerstream_core::http::Origin;
//! use powerstream_core::session::{DisconnectReason, Session, SessionConfig, SessionEvent, Step};
//! use powerstream_core::time::{Instant, UnixTime};
//!
//! let config = SessionConfig::new(Origin::parse("http://127.0.0.1:8080")?);
//! let mut now = Instant::ZERO;
//! let unix = UnixTime::from_seconds(1_700_000_000);
//! let mut session = Session::new(vec![0; config.storage_bytes()], &config, 1, now, unix)?;
//!
//! // The session starts to connect at the first report of the time.
//! assert!(matches!(session.poll(), Step::Sleep { until } if until == now));
//! session.handle_timeout(now);
//! assert!(matches!(session.poll(), Step::Connect { .. }));
//! session.handle_connected(now);
//!
//! // The request is sent, in any number of pieces.
//! assert!(session.transmit().starts_with(b"GET /2/powerstream HTTP/1.1\r\nHost: 127.0.0.1"));
//! session.handle_written(session.transmit().len(), now);
//! assert!(matches!(session.poll(), Step::Read { .. }));
//!
//! // Input may be split anywhere, here within the second Post.
//! let mut messages = 0;
//! let reads: [&[u8]; 2] = [
//!     b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
//!       2e\r\n{\"id_str\":\"1\",\"text\":\"a\"}\r\n\r\n{\"id_str\":\"2\"",
//!     b",\"te\r\na\r\nxt\":\"b\"}\r\n\r\n",
//! ];
//! for input in reads {
//!     let mut input = input;
//!     loop {
//!         let (consumed, event) = session.decode(input, now);
//!         match event {
//!             None => break,
//!             Some(SessionEvent::Connected(stream)) => assert_eq!(stream.head.status(), 200),
//!             Some(SessionEvent::Message(message)) => {
//!                 messages += 1;
//!                 assert_eq!(message.id().map(|id| id.as_u64()), Some(messages));
//!             }
//!             Some(SessionEvent::KeepAlive) => assert_eq!(messages, 1),
//!             Some(other) => panic!("unexpected: {other:?}"),
//!         }
//!         input = &input[consumed..];
//!     }
//! }
//! assert_eq!(messages, 2);
//!
//! // Then the server is silent. An expired deadline asks for one more read, and ends the
//! // connection only if that read finds nothing.
//! let Step::Read { until } = session.poll() else { panic!() };
//! assert_eq!(until, now.saturating_add(Duration::from_secs(25)));
//! now = until;
//! session.handle_timeout(now);
//! assert!(matches!(session.poll(), Step::Read { .. }));
//! session.handle_timeout(now);
//! assert_eq!(session.poll(), Step::Close);
//! session.handle_closed(now);
//!
//! // The first reconnect after a stream is immediate.
//! let (_, event) = session.decode(&[], now);
//! let Some(SessionEvent::Disconnected(disconnected)) = event else { panic!() };
//! assert!(matches!(disconnected.reason, DisconnectReason::Timeout(_)));
//! assert_eq!(disconnected.retry_at, now);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! No feature is enabled by default. `alloc` adds owned copies of texts and origins. `std` adds
//! `alloc`, conversions from and to `std::time`, and memchr's run-time selection of the widest
//! vectors, which speeds up large messages.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod alert;
pub mod backoff;
pub mod buffered;
pub mod checkpoint;
pub mod dedup;
pub mod driver;
pub mod endpoint;
pub mod http;
mod lag;
pub mod liveness;
pub mod merge;
#[cfg(target_has_atomic = "64")]
pub mod monitor;
pub mod post;
pub mod read_buffer;
#[cfg(target_has_atomic = "64")]
pub mod rule_counts;
pub mod session;
pub mod stream;
pub mod time;
pub mod transport_error;

/// Compiles and runs the program in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
