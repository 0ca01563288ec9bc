//! Sans-IO protocol core for X's Powerstream: bytes and time in, messages and deadlines out.
//!
//! Powerstream is X's lowest-latency feed of public Posts: one GET is answered by an HTTP/1.1 chunked body that never
//! ends, of JSON messages with CR LF behind each, a keep-alive at least every 20 s, notices about the connection, and
//! disconnects. This crate knows all of that and does nothing else: no socket, no clock, no thread, no randomness, no
//! log, no allocation, no unsafe code, no std.
//!
//! **You probably want an adapter** (`powerstream-blocking`), which brings sockets and a clock and re-exports this
//! crate. Use it directly to run Powerstream in an event loop of your own: io_uring, DPDK, a C++ reactor, a
//! simulation. `examples/own_loop.rs` is such a loop, over std sockets.
//!
//! # The parts
//!
//! Each is public and of use alone; each takes what it needs as arguments.
//!
//! | part | in | out |
//! |---|---|---|
//! | [`http::ChunkedDecoder`] | slices of a chunked body | ranges of content octets |
//! | [`http::HeadDecoder`] | slices of a response | its head, and how its body ends |
//! | [`stream::Connection`] | slices of a response, time | lent messages, keep-alives, one deadline |
//! | [`stream::classify`] | a message | what it is, the Post's id |
//! | [`post::Post`] | a Post | its fields, of either format, found when asked for |
//! | [`liveness::Liveness`] | what happened when | one deadline, with its reason |
//! | [`backoff::Backoff`] | the class of a failure | how long to wait |
//! | [`session::Session`] | all of that, and what came of each step | the next step; events for months |
//! | [`http::ConnectHandshake`] | slices of a proxy's answer | a tunnel, or why there is none |
//! | [`buffered::Buffered`], [`driver`] | a transport with poll methods | events |
//! | [`dedup::Window`] | ids of Posts | whether they came before, exactly |
//! | [`merge::Merge`] | what came from which of several connections | first, late, or again; gaps that are the stream's |
//!
//! # One life of a session
//!
//! A [`Session`](session::Session) is asked for its next [`Step`](session::Step), told what came of it, and lends events.
//! Nothing below touches a network or waits:
//!
//! ```
//! use core::time::Duration;
//! use powerstream_core::http::Origin;
//! use powerstream_core::session::{DisconnectReason, Session, SessionConfig, SessionEvent, Step};
//! use powerstream_core::time::{Instant, UnixTime};
//!
//! let config = SessionConfig::new(Origin::parse("http://127.0.0.1:8080")?);
//! let mut now = Instant::ZERO;
//! let mut session =
//!     Session::new(vec![0; config.storage_bytes()], &config, 1, now, UnixTime::from_seconds(1_700_000_000))?;
//!
//! // It starts to connect when it is first told the time.
//! assert!(matches!(session.poll(), Step::Sleep { until } if until == now));
//! session.handle_timeout(now);
//! assert!(matches!(session.poll(), Step::Connect { .. }));
//! session.handle_connected(now);
//!
//! // The request goes out, in as many pieces as the transport likes.
//! assert!(session.transmit().starts_with(b"GET /2/powerstream HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"));
//! session.handle_written(session.transmit().len(), now);
//! assert!(matches!(session.poll(), Step::Read { .. }));
//!
//! // Input may be cut anywhere: here within the second Post.
//! let mut messages = 0;
//! let reads: [&[u8]; 2] = [
//!     b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2e\r\n{\"id_str\":\"1\",\"text\":\"a\"}\r\n\r\n{\"id_str\":\"2\"",
//!     b",\"te\r\na\r\nxt\":\"b\"}\r\n\r\n",
//! ];
//! for input in reads {
//!     let mut input = input;
//!     loop {
//!         let (consumed, event) = session.decode(input, now);
//!         match event {
//!             None => break,
//!             Some(SessionEvent::Connected(connected)) => assert_eq!(connected.head.status(), 200),
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
//! // Then silence. A deadline found passed asks for one more read; when that finds nothing, it counts.
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
//! let (_, Some(SessionEvent::Disconnected(disconnected))) = session.decode(&[], now) else { panic!() };
//! assert!(matches!(disconnected.reason, DisconnectReason::Timeout(_)));
//! assert_eq!(disconnected.retry_at, now);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! None is on by default; each only adds. `alloc`: owned copies of texts and origins. `std`: `alloc`, conversions from
//! and to `std::time`, and memchr's run-time choice of the widest vectors, which large messages gain from.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

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
pub mod session;
pub mod stream;
pub mod time;
pub mod transport_error;

/// Compiles and runs the program in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
