#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod executor;
mod interrupt;
#[cfg(test)]
mod no_silent_loss;
mod pin;
mod runtime;
mod sockets;

pub use executor::Executor;
pub use pin::{PinError, pin_thread};
pub use powerstream_client as client;
pub use powerstream_client::prelude::*;
pub use powerstream_core as core;
pub use powerstream_tls as tls;
pub use runtime::{Blocking, Task};
pub use sockets::Sockets;

/// Opens streams by one configuration, each read by the thread that waits for it.
pub type Client = client::client::Client<Blocking>;

/// One stream for months, which blocks the thread that reads it.
pub type Stream = client::stream::Stream<Blocking>;

/// Several connections as one stream, read by one thread.
pub type MergedStream = client::stream::MergedStream<Blocking>;

/// The rules of one app at one service; its calls block.
pub type RuleClient = client::rule_client::RuleClient<Blocking>;

/// Compiles the program in the project's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
