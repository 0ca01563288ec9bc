#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod runtime;

pub use powerstream_client as client;
pub use powerstream_client::prelude::*;
pub use powerstream_core as core;
pub use powerstream_tls as tls;
pub use runtime::Tokio;

/// Opens streams by one configuration, on tokio.
pub type Client = client::client::Client<Tokio>;

/// One stream for months, on tokio.
pub type Stream = client::stream::Stream<Tokio>;

/// Several connections as one stream, on tokio.
pub type MergedStream = client::stream::MergedStream<Tokio>;

/// The rules of one app at one service, on tokio.
pub type RuleClient = client::rule_client::RuleClient<Tokio>;
