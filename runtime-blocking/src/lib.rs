//! Powerstream over blocking std sockets.
//!
//! The adapter for programs without an async runtime: one thread reads, [`Stream::next`] lends each event from the
//! read buffer, and a [`Shutdown`] ends the stream from any other thread within milliseconds, whatever it is doing. A thread
//! that has a processor to itself may spin instead of sleeping ([`Client::with_busy_poll`]).
//!
//! Everything that is decided about the protocol is decided in `powerstream-core`, which this crate re-exports as
//! [`core`]; here are sockets, a clock and a thread's ways to wait.
//!
//! ```
//! use powerstream_blocking::{Client, Config, SessionEvent, Token};
//! # fn serve() -> std::net::SocketAddr {
//! #     use std::io::{Read, Write};
//! #     let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
//! #     let address = listener.local_addr().unwrap();
//! #     std::thread::spawn(move || {
//! #         let (mut socket, _) = listener.accept().unwrap();
//! #         let _ = socket.read(&mut [0; 4096]).unwrap();
//! #         let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
//! #         socket.write_all(format!("{head}1f\r\n{{\"id_str\":\"7\",\"text\":\"hello\"}}\r\n\r\n").as_bytes()).unwrap();
//! #         std::thread::sleep(std::time::Duration::from_secs(5));
//! #     });
//! #     address
//! # }
//! # let base_url = format!("http://{}", serve());
//!
//! let config = Config::builder().token(Token::new("AAAA")?).base_url(base_url).build()?;
//! let mut stream = Client::new(config).stream()?;
//! while let Some(event) = stream.next() {
//!     if let SessionEvent::Message(message) = event {
//!         assert_eq!(message.bytes, br#"{"id_str":"7","text":"hello"}"#);
//!         assert_eq!(message.id().map(|id| id.as_u64()), Some(7));
//!         break;
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod client;
mod interrupt;
mod pin;
mod reactor;
mod resolve;
mod rules;
mod stream;
mod transport;
mod waiter;

pub use client::Client;
pub use pin::{PinError, pin_thread};
pub use powerstream_core as core;
// What every program needs of it.
pub use powerstream_core::client::{Config, Token};
pub use powerstream_core::driver::stop::Shutdown;
pub use powerstream_core::http::origin::Origin;
pub use powerstream_core::http::request::BearerToken;
pub use powerstream_core::session::{SessionConfig, SessionEvent};
pub use powerstream_tls as tls;
pub use powerstream_tls::TlsConfig;
pub use rules::Rules;
pub use stream::{Events, OpenError, Stream};

/// Compiles the program in the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
