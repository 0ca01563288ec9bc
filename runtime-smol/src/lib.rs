#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod runtime;

pub use powerstream_client as client;
pub use powerstream_client::prelude::*;
pub use powerstream_core as core;
pub use powerstream_tls as tls;
pub use runtime::Smol;

/// Opens streams by one configuration, on smol.
pub type Client = client::client::Client<Smol>;

/// One stream for months, on smol.
pub type Stream = client::stream::Stream<Smol>;

/// Several connections as one stream, on smol.
pub type MergedStream = client::stream::MergedStream<Smol>;

/// The rules of one app at one service, on smol.
pub type RuleClient = client::rule_client::RuleClient<Smol>;
