//! A local X: a server that speaks the Powerstream streaming API to any client, behaves as badly as asked, and knows the truth about
//! what it sent.
//!
//! It is for testing and measuring clients, in any language: real sockets, real HTTP/1.1 chunked framing, Posts of
//! realistic shape from a seed (or yours, from a file), and a [`Scenario`] that decides what goes wrong. It owns the socket down to the
//! single `write()`, since no HTTP server library emits broken chunks. To *consume* the stream you want another crate.
//!
//! ```
//! use powerstream_simulator::{Config, Simulator};
//! use std::io::{BufRead, BufReader, Write};
//!
//! let simulator = Simulator::start(Config::default())?;
//! let mut client = std::net::TcpStream::connect(simulator.local_addr())?;
//! client.write_all(b"GET /2/powerstream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer any\r\n\r\n")?;
//! let mut lines = BufReader::new(client).lines().map_while(Result::ok);
//! assert_eq!(lines.next().as_deref(), Some("HTTP/1.1 200 OK"));
//! // One message a chunk: after the head comes a size, then a Post.
//! let post = lines.find(|line| line.starts_with('{')).unwrap_or_default();
//! let truth = simulator.truth().messages(1);
//! assert_eq!(truth[0].bytes.as_deref(), Some(post.as_bytes()));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What it does
//!
//! - `GET /2/powerstream` (and `/2/powerstream/stream`) with a bearer token gets the stream; `localDcOnly=true` is answered with its headers
//!   and `connection_metadata`. Anything else gets the refusal X would send: other paths 404 with an empty body, as
//!   recorded of X; parameters that are unknown or have a wrong value 400, with the problem that names them.
//! - `backfillMinutes` (1 to 5), `startTime` and `endTime` are accepted and have no effect yet: no Post is sent again,
//!   and the values of the two times are not looked at.
//! - With [`Config::tls`] it serves HTTPS, with a certificate made at start; a [`TlsFault`] is what can be wrong with that.
//! - All connections share one feed of generated Posts; a file is sent to each connection from its beginning.
//! - Same configuration, same bytes, but for ids and times: cuts and faults come from [`Config::seed`].
//! - A reader that is slow gets its Posts late. The simulator's memory is bounded: see [`Truth`] for what it remembers.
#![forbid(unsafe_code)]

mod book;
mod clock;
mod config;
mod connection;
mod control;
mod datacenter;
mod endpoint;
mod feed;
mod generator;
mod limits;
mod link;
mod play;
mod request;
mod response;
mod rng;
mod rules_api;
mod scenario;
mod schedule;
pub mod script;
mod server;
mod site;
mod source;
mod splice;
mod stream;
mod strike;
mod time;
mod tls;
mod truth;
mod v2;
mod wire;

pub use book::NoRules;
pub use clock::Time;
pub use config::Config;
pub use datacenter::{Datacenter, Delay};
pub use generator::Generator;
pub use limits::ExtraConnection;
pub use rules_api::NotDeleted;
pub use scenario::{Scenario, Struck, UnknownScenario};
pub use schedule::Bursts;
pub use script::{Script, ScriptError};
pub use server::Simulator;
pub use source::{Source, SourcePost};
pub use tls::{Tls, TlsFault, UnknownTlsFault};
pub use truth::{ConnectionTruth, End, MessageTruth, Totals, Truth};
