//! A local X: a server that speaks the Powerstream streaming API to any client, behaves as badly as
//! asked, and logs what it sent.
//!
//! It is for testing and measuring clients, in any language: real sockets, real HTTP/1.1 chunked
//! framing, Posts of realistic shape from a seed (or yours, from a file), and a [`Scenario`] that
//! decides what goes wrong. It owns the socket down to the single `write()`, since no HTTP server
//! library emits broken chunks. To *consume* the stream you want another crate.
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
//! let truth = simulator.ground_truth().messages(1);
//! assert_eq!(truth[0].bytes.as_deref(), Some(post.as_bytes()));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # In tests
//!
//! With a [virtual clock](Time::Virtual) nothing waits: a minute of keep-alives, of missed Posts or
//! of backoff passes in a moment, and the same seed gives the same bytes, ids and dates too.
//!
//! ```
//! use powerstream_simulator::{Config, Simulator, Time};
//! use std::{io::Write, net::TcpStream, time::Duration};
//!
//! let mut config = Config::default();
//! config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
//! config.rate = Some(0.02); // a Post each 50 seconds
//! let simulator = Simulator::start(config)?;
//! let mut client = TcpStream::connect(simulator.local_addr())?;
//! client.write_all(b"GET /2/powerstream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer any\r\n\r\n")?;
//! simulator.ground_truth().wait(Duration::from_secs(5), |totals| totals.posts == 1);
//! simulator.advance(Duration::from_secs(50));
//! assert_eq!((simulator.ground_truth().totals().posts, simulator.ground_truth().totals().keep_alives), (2, 2));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A fault at the right moment is a line ([`Simulator::trigger`]), a whole bad day a [`Script`],
//! and what a client should have received is in the [ground truth log](GroundTruth). Tests in other
//! languages have the same over HTTP, under `/simulator/`:
//!
//! ```
//! # use powerstream_simulator::{Config, Simulator};
//! let mut config = Config::default();
//! config.script = Some(
//!     "description = \"a reset in a message, then a closed door\"
//!      [[event]]
//!      do = \"cut\"
//!      how = \"reset\"
//!      place = \"in-message\"
//!      after-posts = 100
//!      attempts = 1
//!      [[event]]
//!      do = \"refuse\"
//!      status = 503
//!      attempts = \"2-4\""
//!         .parse()?,
//! );
//! let simulator = Simulator::start(config)?;
//! let struck = simulator.trigger(None, r#"{"do":"message","kind":"operational-disconnect","then":"end"}"#)?;
//! assert_eq!(struck, 0); // no client is connected
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does
//!
//! - Powerstream (`/2/powerstream`, and `/2/powerstream/stream`), the Filtered Stream, Sample, Sample10 and Firehose, those of one language too,
//!   with their parameters, partitions and limits; a bearer token is needed. Everything that X would refuse is refused, with X's bodies.
//! - The rules of Powerstream and of the Filtered Stream are managed as on X, and filter: by the
//!   [rules crate](powerstream_rules), on streams that are open, after [`Config::rule_delay`]. Until the first rule is added Powerstream
//!   sends everything, unless [`Config::no_rules`] says otherwise; [`Config::strict`] is as strict as the service.
//! - A generated feed is one for all, and goes on while nobody listens. `backfillMinutes` sends what was missed, older Posts first, nothing
//!   deduplicated; `startTime` and `endTime` send a span of the last 24 hours and end. The past is made again when it is asked for,
//!   also that before the start. A file is sent to each connection from its beginning, or shared ([`Config::shared_file`]).
//! - The v2 streams send generated Posts in their own form, with the fields and expansions that are asked for. Lines of a
//!   file go out as they are, everywhere; with rules `matching_rules` is replaced, or added last.
//! - Several [datacenters](Datacenter) carry one feed, each with its delays, duplicates and address; each can be
//!   [killed](Simulator::kill) and [restarted](Simulator::restart).
//! - With [`Config::tls`] it serves HTTPS, with a certificate made at start; a [`TlsFault`] is what can be wrong with that.
//! - Same configuration, same bytes, but for ids and times: cuts, faults and delays come from [`Config::seed`].
//! - A client that is slow gets its Posts late, and is cut off when too many wait for it. The simulator's memory is bounded: see
//!   [`GroundTruth`] for what it remembers, and [`Config::queue_messages_max`].
//!
//! Not there: gzip on request, HTTP/2, more than one app (all tokens share rules and limits), the
//! connections API.
#![forbid(unsafe_code)]

mod admission;
mod builtin_scenarios;
mod clock;
mod config;
mod connection;
mod control;
mod datacenter;
mod datacenter_server;
mod endpoint;
mod exchange;
mod extra_posts;
mod fault_scope;
mod feed;
mod generator;
mod ground_truth;
mod inject;
mod limits;
mod link;
mod pending_events;
mod problems;
mod receive;
mod request;
mod response;
mod response_writer;
mod rng;
mod rule_store;
mod rules_api;
mod rules_request;
mod scenario;
mod scenario_run;
mod schedule;
pub mod script;
mod server;
mod shared;
mod source;
mod splice;
mod stream;
mod stream_registry;
mod stream_writer;
mod time;
mod tls;
mod v2;
mod wire;

pub use clock::Time;
pub use config::Config;
pub use datacenter::{Datacenter, Delay};
pub use fault_scope::FaultScope;
pub use generator::Generator;
pub use ground_truth::{ConnectionRecord, End, GroundTruth, MessageRecord, Totals};
pub use limits::ExtraConnection;
pub use rule_store::NoRules;
pub use rules_api::NotDeleted;
pub use scenario::{Scenario, UnknownScenario};
pub use schedule::Bursts;
pub use script::{Script, ScriptError};
pub use server::Simulator;
pub use source::{Source, SourcePost};
pub use tls::{Tls, TlsFault, UnknownTlsFault};

/// Compiles and runs the program in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
