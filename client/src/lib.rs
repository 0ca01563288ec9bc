#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod client;
pub mod config;
pub mod connection_api;
mod connection_client;
pub mod dedup;
mod error;
mod exchange;
pub mod merged;
pub mod net;
pub mod owned;
pub mod post;
pub mod proxy;
pub mod queue;
pub mod recovery;
pub mod rule_api;
mod rule_client;
mod runtime;
pub mod shutdown;
mod stream;
pub mod telemetry;
#[doc(hidden)]
pub mod transport;

pub use client::Client;
pub use connection_client::{ConnectionClient, ConnectionsError};
pub use error::OpenError;
pub use exchange::{OwnedReply, poll_exchange};
pub use rule_client::{RuleClient, RulesError};
pub use runtime::{AsyncRuntime, BlockingRuntime, Runtime};
pub use stream::{Events, MergedStream, Stream};

/// What every program needs, whatever its runtime. Each runtime's crate has all of it at its root.
pub mod prelude {
    pub use powerstream_core as core;
    pub use powerstream_core::merge::Topology;
    pub use powerstream_core::session::SessionEvent;
    pub use powerstream_tls as tls;
    pub use powerstream_tls::TlsConfig;

    pub use crate::config::{Config, Connections, Token};
    pub use crate::error::OpenError;
    pub use crate::merged::{MergedEvent, OwnedMergedEvent};
    pub use crate::owned::OwnedEvent;
    pub use crate::queue::{Delivery, Overflow, QueueConfig, Receiver};
    pub use crate::shutdown::ShutdownHandle;
}
