#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod client;
pub mod config;
pub mod error;
pub mod exchange;
pub mod merged;
pub mod net;
pub mod owned;
pub mod proxy;
pub mod queue;
pub mod rule_api;
pub mod rule_client;
pub mod runtime;
pub mod shutdown;
pub mod stream;
pub mod transport;

/// What every program needs, whatever its runtime. Each runtime's crate has all of it at its root.
pub mod prelude {
    pub use powerstream_core::merge::Topology;
    pub use powerstream_core::session::SessionEvent;
    pub use powerstream_tls::TlsConfig;

    pub use crate::config::{Config, Connections, Token};
    pub use crate::error::OpenError;
    pub use crate::merged::{MergedEvent, OwnedMergedEvent};
    pub use crate::owned::OwnedEvent;
    pub use crate::queue::{Delivery, Overflow, QueueConfig, Receiver};
    pub use crate::shutdown::ShutdownHandle;
}
