//! A local X: a server for the Powerstream streaming API that injects faults on request and logs
//! what it sends.
//!
//! It tests and measures clients in any language. Sockets and HTTP/1.1 chunked framing are real.
//! Posts have realistic shapes; they are generated from a seed or read from a file. A [`Scenario`]
//! decides what goes wrong. The simulator controls every `write()` itself, because no HTTP server
//! library sends broken chunks. To *consume* a stream, use another crate.
//!
//! ```
//! use powerstream_simulator::{Config, Simulator};
//! use std::io::{BufRead, BufReader, Write};
//!
//! let simulator = Simulator::start(Config::default())?;
//! let mut client = std::net::TcpStream::connect(simulator.local_addr())?;
//! let request = "GET /2/powerstream HTTP/1.1\r\nHost: localhost\r\n\
//!     Authorization: Bearer any\r\n\r\n";
//! client.write_all(request.as_bytes())?;
//! let mut lines = BufReader::new(client).lines().map_while(Result::ok);
//! assert_eq!(lines.next().as_deref(), Some("HTTP/1.1 200 OK"));
//! // Each chunk is one message: after the head come a chunk size and a Post.
//! let post = lines.find(|line| line.starts_with('{')).unwrap_or_default();
//! let truth = simulator.ground_truth().messages(1);
//! assert_eq!(truth[0].bytes.as_deref(), Some(post.as_bytes()));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # In tests
//!
//! With a [virtual clock](Time::Virtual), nothing waits in real time. A minute of keep-alives,
//! missed Posts or backoff takes milliseconds. The same seed gives the same bytes, ids and dates.
//!
//! ```
//! use powerstream_simulator::{Config, Simulator, Time};
//! use std::{io::Write, net::TcpStream, time::Duration};
//!
//! let mut config = Config::default();
//! config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
//! config.rate = Some(0.02); // one Post every 50 seconds
//! let simulator = Simulator::start(config)?;
//! let mut client = TcpStream::connect(simulator.local_addr())?;
//! let request = "GET /2/powerstream HTTP/1.1\r\nHost: localhost\r\n\
//!     Authorization: Bearer any\r\n\r\n";
//! client.write_all(request.as_bytes())?;
//! simulator.ground_truth().wait(Duration::from_secs(5), |totals| totals.posts == 1);
//! simulator.advance(Duration::from_secs(50));
//! let totals = simulator.ground_truth().totals();
//! assert_eq!((totals.posts, totals.keep_alives), (2, 2));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! [`Simulator::trigger`] injects one fault now. A [`Script`] is a whole sequence of faults. The
//! [ground truth log](GroundTruth) contains what a client should have received. Tests in other
//! languages use the same functions over HTTP, under `/simulator/`.
//!
//! ```
//! # use powerstream_simulator::{Config, Simulator};
//! let mut config = Config::default();
//! config.script = Some(
//!     "description = \"a reset in a message, then three refusals\"
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
//! let event = r#"{"do":"message","kind":"operational-disconnect","then":"end"}"#;
//! let affected = simulator.trigger(None, event)?;
//! assert_eq!(affected, 0); // no client is connected
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it simulates
//!
//! - **Streams:** Powerstream (`/2/powerstream` and `/2/powerstream/stream`), Filtered Stream,
//!   Sample, Sample10 and Firehose, also the Firehoses of one language, with their parameters,
//!   partitions and limits. A bearer token is required. Requests that X refuses are refused with
//!   X's bodies.
//! - **Rules:** the rule endpoints of Powerstream and of the Filtered Stream. Rules filter open
//!   streams after [`Config::rule_delay`], through the [rules crate](powerstream_rules). Without
//!   any rule, Powerstream sends every Post, see [`Config::no_rules`]. [`Config::strict`] selects
//!   the service's limits.
//! - **Past Posts:** all connections share one generated feed, which continues while no client is
//!   connected. `backfillMinutes` sends the missed Posts first, oldest first, with duplicates.
//!   `startTime` and `endTime` send a time window of the last 24 hours and end. Past Posts are
//!   computed on request, also those from before the start.
//! - **Files:** each connection receives a file of Posts from its beginning, or all share it
//!   ([`Config::shared_file`]). Lines are sent unchanged, except that `matching_rules` is replaced
//!   or added if there are rules.
//! - **Formats:** the v2 streams send generated Posts in the v2 format, with the requested fields
//!   and expansions.
//! - **Datacenters:** several [datacenters](Datacenter) send one feed, each with its own delays,
//!   duplicates and address. Each can be [killed](Simulator::kill) and
//!   [restarted](Simulator::restart).
//! - **TLS:** [`Config::tls`] selects HTTPS with a certificate made at start. [`TlsFault`] lists
//!   the possible handshake faults.
//! - **Reproducible runs:** chunk boundaries, faults and delays come from [`Config::seed`]. With
//!   the same configuration, only ids and times differ.
//! - **Slow readers:** a slow client receives its Posts late, and is disconnected if too many wait
//!   ([`Config::queue_messages_max`]). Memory is bounded; [`GroundTruth`] describes what the log
//!   keeps.
//!
//! - **Connections API:** lists and ends the connections to the v2 streams, also those that are
//!   gone but still count ([`Config::ghost`]).
//!
//! Not simulated: gzip on request, HTTP/2, and more than one app (all tokens share rules and
//! limits).
#![forbid(unsafe_code)]

mod admission;
mod builtin_scenarios;
mod clock;
mod config;
mod connection;
mod connections_api;
mod control;
mod datacenter;
mod datacenter_server;
mod endpoint;
mod exchange;
mod extra_posts;
mod fault_scope;
mod feed;
#[doc(hidden)]
pub mod fuzzing;
mod generator;
mod ground_truth;
mod inject;
mod limits;
mod link;
mod pending_events;
mod problems;
mod proxy;
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
pub use proxy::Proxy;
pub use rule_store::NoRules;
pub use rules_api::NotDeleted;
pub use scenario::{Scenario, UnknownScenario};
pub use schedule::Bursts;
pub use script::{Script, ScriptError};
pub use server::Simulator;
pub use source::{Source, SourcePost};
pub use tls::{Tls, TlsFault, UnknownTlsFault};

/// Compiles and runs the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
